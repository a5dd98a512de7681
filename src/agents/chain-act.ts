/**
 * Acting by chain of summarization (Ma et al. 2023, "Large language models play StarCraft II: benchmarks and a chain of
 * summarization approach"): one model call for every few steps, whose decisions wait in a queue.
 *
 *     kernel.spawn(chainAct, { question, frames: 5 })
 *
 * Each step is told in short by rule (single frame); every `frames` of them, and at the start, the model reads what was told since, with
 * what was done and what failed, and writes the situation and up to `window` actions (multi frame). These are taken in order, one a
 * step. A name that is no action is taken for the nearest one. Where the queue is empty the action `idle` is taken if there is one,
 * so that a game never waits for a model; without one the model is asked early.
 *
 * Constants of the release: 5 frames, 10 actions. Its share of empty actions (.5) is `idleEvery` 2, off by default: turns of our worlds do
 * not pass by themselves. The compaction of the same paper is chain-of-summarization.ts.
 *
 * Invariants
 *   CA1. With `idle` there is one model call for every `frames` steps begun.
 *   CA2. Actions are taken in the order in which they were decided; what failed is told in the next call.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import {
  act,
  actionShape,
  actionTools,
  actionsText,
  canLook,
  FINISH,
  look,
  type Acted,
  type Action,
  type Step,
  type TaskInput,
} from './pieces/acting.ts'
import { askJson } from './pieces/json-answer.ts'
import { nameLikeness } from './pieces/plan-costs.ts'

export interface ChainActInput extends TaskInput {
  /** Steps between two calls. @default 5 */
  readonly frames?: number
  /** Actions of one call. @default 10 */
  readonly window?: number
  /** Name of an action that does nothing. @default none */
  readonly idle?: string
  /** Every so many steps are idle, whatever is in the queue. @default never */
  readonly idleEvery?: number
  /** Longest telling of one step, characters. @default 400 */
  readonly frameChars?: number
}

export interface ChainActed extends Acted {
  readonly calls: number
}

const DECIDE = `You lead a game that goes on while you think. Read the last steps, write down the situation in a few sentences, then decide
what is done next, in order. Answer with JSON: {"situation": "…", "actions": [{"name": "…", "args": {…}}]}.`
const decided = z.object({ situation: z.string(), actions: z.array(actionShape) })

export const chainAct = defineProgram('chain-act', async (sys, input: ChainActInput): Promise<ChainActed> => {
  const { question, frames = 5, window = 10, idle, idleEvery = Infinity, frameChars = 400, stepsMax = 100 } = input
  const names = actionTools(sys).map(({ name }) => name)
  const steps: Step[] = []
  const frameOf = (text: string): string => text.replaceAll(/\s+/g, ' ').slice(0, frameChars)
  let queue: Action[] = []
  let told = canLook(sys) ? [frameOf((await look(sys)).text)] : []
  let [situation, calls, sinceCall] = ['nothing yet', 0, Infinity]
  const ended = (why: Acted['why'], answer: string | null = null): ChainActed => ({ steps, answer, why, calls })

  while (steps.length < stepsMax) {
    if (sinceCall >= frames || (queue.length === 0 && idle === undefined)) {
      const said = await decide(sys, input, { situation, told, steps: steps.slice(-frames), waiting: queue })
      calls++
      if (said === undefined && queue.length === 0 && idle === undefined) return ended('gave up')
      if (said !== undefined) {
        situation = said.situation
        queue = said.actions.slice(0, window)
      }
      told = []
      sinceCall = 0
      if (queue.length === 0 && idle === undefined) return ended('gave up')
    }
    const isIdle = idle !== undefined && (queue.length === 0 || (steps.length + 1) % idleEvery === 0)
    const next = isIdle ? { name: idle } : (queue.shift() as Action)
    if (next.name === FINISH) return ended('answer', String(next.args?.['answer'] ?? ''))
    const action = { ...next, name: nearestName(next.name, names) }
    const observed = await act(sys, action)
    steps.push({ action, told: observed })
    told.push(frameOf(observed.text))
    sinceCall++
    if (observed.done) return ended('done')
  }
  return ended('steps')

  function decide(
    sys: Sys,
    { instructions }: ChainActInput,
    now: { situation: string; told: readonly string[]; steps: readonly Step[]; waiting: readonly Action[] },
  ) {
    const done = now.steps.map(
      ({ action, told }) =>
        `${action.name} ${JSON.stringify(action.args ?? {})}: ${told.error === undefined ? 'done' : `failed, ${told.error.message}`}`,
    )
    const parts = [
      `Task: ${question}`,
      `Situation before: ${now.situation}`,
      `Steps:\n${now.told.map((frame, i) => `${i + 1}. ${frame}`).join('\n') || 'none'}`,
      `Actions taken:\n${done.join('\n') || 'none'}`,
      `Still waiting: ${now.waiting.map(({ name }) => name).join(', ') || 'nothing'}`,
    ]
    const words = [DECIDE, ...(instructions === undefined ? [] : [instructions]), actionsText(actionTools(sys))]
    return askJson(sys, { instructions: words.join('\n\n'), prompt: parts.join('\n\n') }, decided)
  }
})

/** The name itself where it is one of them, else the one that shares most pairs of letters; of equal ones the first. */
export function nearestName(name: string, names: readonly string[]): string {
  if (names.includes(name)) return name
  let [nearest, most] = [name, 0]
  for (const one of names) {
    const likeness = nameLikeness(one, name)
    if (likeness > most) [nearest, most] = [one, likeness]
  }
  return nearest
}
