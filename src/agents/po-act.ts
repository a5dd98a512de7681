/**
 * PoAct (Yuan et al. 2025, "PoAct: policy and action dual-control agent for generalized applications"): three ways of thinking
 * that take turns, over actions that are chosen anew each time, with a reviewer that can go back.
 *
 *     kernel.spawn(poAct, { question, actionsShown: 5 })
 *
 * The planning policy writes a plan, once and after going back; the thought policy the next sub-goal; the action policy one
 * action, of the `actionsShown` tools whose words are nearest to that sub-goal. A reviewer looks at the path when the same error
 * came twice or nothing new was observed, and goes on, goes back to a checkpoint, or ends. The paper's rule for the reviewer is
 * not known to us in detail; `alarm` is ours.
 *
 * Going back is `sys.restore` of a snapshot, taken before a sub-goal
 * unless the step before it failed: state, notes, files and the world of an episode are as
 * they were, and what the reviewer said stays. `rollbacksMax` bounds it.
 *
 * The paper's actions are code; here they are single calls, or code where a code tool is among the held ones.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { ToolDescription } from '../kernel/types.ts'
import {
  act,
  actionTools,
  actionsText,
  decisionOf,
  actionShape,
  historyText,
  type Acted,
  type Step,
  type TaskInput,
} from './pieces/acting.ts'
import { askJson } from './pieces/json-answer.ts'

export interface PoActInput extends TaskInput {
  /** Tools that the action policy is shown. @default 5 */
  readonly actionsShown?: number
  /** Times that the reviewer may go back. @default 2 */
  readonly rollbacksMax?: number
}

export interface PoActed extends Acted {
  /** Which policy spoke, in order: p(lan), t(hought), a(ction), r(eview). */
  readonly policies: string
}

const PLAN = 'Write a short plan for the task: numbered steps, a line each.'
const THINK = 'Say in one sentence what the next sub-goal is, after the plan and what was observed.'
const ACT = 'Take one action for the sub-goal. Answer with JSON: {"action": {"name": "…", "args": {…}}}.'
const REVIEW = `The path of an agent has run into trouble. Look at it and answer with JSON: {"verdict": "continue" or "back" or "end", "why": "…"}.
"back" undoes the steps since the trouble began.`

const decision = z.object({ action: actionShape })
const verdict = z.object({ verdict: z.enum(['continue', 'back', 'end']), why: z.string() })

export const poAct = defineProgram('po-act', async (sys, input: PoActInput): Promise<PoActed> => {
  const { question, actionsShown = 5, rollbacksMax = 2, stepsMax = 20 } = input
  const own = input.instructions === undefined ? [] : [input.instructions]
  let [steps, policies, plan, rollbacks, advice]: [Step[], string, string, number, string] = [[], '', '', 0, '']
  /** Snapshot of the last place before any trouble. */
  let checkpoint: string | undefined
  const told = (): string =>
    [`Task: ${question}`, ...(plan === '' ? [] : [`Plan:\n${plan}`]), historyText(steps), advice].join('\n\n').trim()
  const say = async (policy: string, instructions: string): Promise<string> => {
    policies += policy
    return (
      await sys.generate({ instructions: [instructions, ...own].join('\n\n'), prompt: told(), temperature: 0 })
    ).text.trim()
  }
  const ended = (why: Acted['why'], answer: string | null = null): PoActed => ({ steps, answer, why, policies })

  while (steps.length < stepsMax) {
    if (plan === '') plan = await say('p', PLAN)
    // A restore comes back here: all that was learned since is gone but what the note says.
    if (checkpoint === undefined || (steps.at(-1)?.told.error === undefined && alarm(steps) === 'none')) {
      const { id, restored } = await sys.snapshot()
      if (restored > 0) {
        // The locals are those of the time of the snapshot; the past beyond it is a note.
        rollbacks += restored
        advice = `An earlier way from here failed and was undone (${restored}). Take another one.`
        policies += 'r'
        plan = await say('p', PLAN)
      }
      checkpoint = id
    }
    const goal = await say('t', THINK)
    policies += 'a'
    const shown = nearest(actionTools(sys), goal, actionsShown)
    const instructions = [ACT, ...own, actionsText(shown)].join('\n\n')
    const said = await askJson(sys, { instructions, prompt: `${told()}\n\nSub-goal: ${goal}` }, decision)
    if (said === undefined) return ended('gave up')
    const next = decisionOf(said)
    if ('answer' in next) return ended('answer', next.answer)
    const observed = await act(sys, next.action)
    steps = [...steps, { thought: goal, action: next.action, told: observed }]
    if (observed.done) return ended('done')
    if (alarm(steps) === 'none') continue
    policies += 'r'
    const review = await askJson(sys, { instructions: REVIEW, prompt: told() }, verdict)
    if (review?.verdict === 'end') return ended('gave up')
    if (review?.verdict === 'back' && rollbacks < rollbacksMax) await sys.restore(checkpoint)
  }
  return ended('steps')
})

/** Whether the path has run into trouble: two errors in a row, or three observations that say nothing new. */
export function alarm(steps: readonly Step[]): 'none' | 'errors' | 'no progress' {
  const last = steps.slice(-2)
  if (last.length === 2 && last.every(({ told }) => told.error !== undefined)) return 'errors'
  const three = steps.slice(-3)
  return three.length === 3 && three.every(({ told }) => told.text === three[0]?.told.text) ? 'no progress' : 'none'
}

/** The tools that share most words with a text; of equal ones the first. At least one, and all where there are few. */
export function nearest(tools: readonly ToolDescription[], text: string, limit: number): readonly ToolDescription[] {
  if (tools.length <= limit) return tools
  const asked = wordsOf(text)
  return tools
    .map((tool) => {
      const own = wordsOf(`${tool.name} ${tool.description}`)
      return { tool, common: [...asked].filter((word) => own.has(word)).length / Math.sqrt(own.size || 1) }
    })
    .toSorted((a, b) => b.common - a.common)
    .slice(0, Math.max(1, limit))
    .map(({ tool }) => tool)
}

function wordsOf(text: string): Set<string> {
  return new Set(
    text
      .toLowerCase()
      .split(/[^\p{L}\p{N}]+/u)
      .filter((word) => word.length > 2),
  )
}
