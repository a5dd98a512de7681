/**
 * An interface between an agent and a world: what is told before the task, and what is done about actions that the world misunderstands.
 *
 *     const face: StepInterface = {
 *       rules: 'You have to stand at a shelf to take something from it.',
 *       repairs: [{ action: 'take', seen: 'Nothing happens', first: [{ name: 'go', args: { to: '$from' } }], say: 'You went there first.' }],
 *     }
 *     repairOf(face, action, 'Nothing happens.')          // the repair that fits; undefined where all is well
 *
 * The `InferRules` and `WrapStep` of Yang et al. 2025, "ALIGN: aligning interfaces for LLM agents". There both are generated Python; here an
 * interface is data, so that it can be read, kept, sent and applied without running a model's code where episodes run.
 *
 * Invariant
 *   SI1. An action whose observation matches no repair goes through unchanged, with its reward: success paths are as they were.
 */
import { z } from 'zod'
import type { Json } from '../../kernel/types.ts'
import { createAutomaton } from '../../policy/automaton.ts'
import { parseRegex, searching, type Regex } from '../../policy/regex.ts'
import { actionShape, type Action } from './acting.ts'

export const repairShape = z.object({
  /** Name of the action, or `*`. */
  action: z.string().min(1),
  /** Regular expression over what was observed, as in a law (docs/policy.md); upper and lower case are the same. */
  seen: z.string().min(1).max(200),
  /** Done before the action is taken once more; `$name` stands for an argument of the action. */
  first: z.array(actionShape).max(5).optional(),
  /** Added to what is observed. */
  say: z.string().max(500).optional(),
})
export const interfaceShape = z.object({ rules: z.string().max(4_000), repairs: z.array(repairShape).max(20) })

export type Repair = z.infer<typeof repairShape>
export type StepInterface = z.infer<typeof interfaceShape>

export const bareInterface: StepInterface = { rules: '', repairs: [] }

/** Of an observation as much is looked at, characters. */
const SEEN_CHARS_MAX = 2_000

export function repairOf({ repairs }: StepInterface, action: Action, text: string): Repair | undefined {
  const seen = text.slice(0, SEEN_CHARS_MAX).toLowerCase()
  return repairs.find((one) => (one.action === '*' || one.action === action.name) && isSeen(one.seen, seen))
}

/** In linear time, whatever pattern a model writes: a regular expression as in a law; what is none is a text. */
function isSeen(pattern: string, seen: string): boolean {
  // Escapes keep their letters: \S is not \s.
  const lower = pattern.replaceAll(/\\.|\p{Lu}+/gu, (part) => (part.startsWith('\\') ? part : part.toLowerCase()))
  let regex: Regex
  try {
    regex = searching(parseRegex(lower))
  } catch {
    return seen.includes(pattern.toLowerCase())
  }
  return createAutomaton(regex).accepts(seen)
}

/** What a repair does first, for this action. */
export function firstOf({ first = [] }: Pick<Repair, 'first'>, { args = {} }: Action): readonly Action[] {
  const filled = (value: Json): Json =>
    typeof value === 'string' && value.startsWith('$') ? (args[value.slice(1)] ?? value) : value
  return first.map((one) => ({
    name: one.name,
    args: Object.fromEntries(Object.entries(one.args ?? {}).map(([name, value]) => [name, filled(value)])),
  }))
}
