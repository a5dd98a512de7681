/**
 * Multi-branch reasoning (Zhou et al. 2024, "Enhancing the general agent capabilities of low-parameter LLMs through tuning and
 * multi-branch reasoning"): subtasks, and for each a depth-first search with a judge, so that a small model may err.
 *
 *     kernel.spawn(multiBranch, { question, subtasks: 3, branching: 2 })       // in an episode
 *
 * A planner splits the task into `subtasks` (the paper's k = 3). At each place several actions are sampled; the likeliest is taken.
 * A judge then says whether the present subtask is done, still open, or lost. Done: the next subtask begins here. Lost, or nothing
 * left to try: back to the place before, and the next branch. Turns are bounded.
 *
 * Going back is a fork that was kept (places.ts), so nothing is taken twice.
 *
 * Invariants
 *   MB1. Places are left in depth-first order: the newest one with a branch left is gone on from.
 *   MB2. The number of the present subtask never falls along a path.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import { historyText, type Step, type TaskInput } from './pieces/acting.ts'
import { askJson } from './pieces/json-answer.ts'
import { goFrom, placeHere, stay, surveyFrom, type Place, type Survey } from './places.ts'
import type { Candidate, ProposeOptions } from './pieces/proposals.ts'
import { whileItLasts } from './pieces/while-it-lasts.ts'

export interface MultiBranchInput extends TaskInput {
  /** @default 3, as in the paper */
  readonly subtasks?: number
  /** Branches of a place. @default 3 */
  readonly branching?: number
  /** Who judges a place: the model, or the tool episode_value with a place lost below `lostBelow`. @default 'model' */
  readonly judge?: 'model' | 'value'
  /** @default 0.2 */
  readonly lostBelow?: number
  readonly propose?: ProposeOptions
}

export interface Branched {
  readonly steps: readonly Step[]
  readonly done: boolean
  readonly subtasks: readonly string[]
  /** Actions taken, those that were gone back from among them. */
  readonly tried: number
  readonly backtracks: number
}

const PLAN =
  'Split the task into at most the given number of subtasks that are done one after another. Answer with JSON: {"subtasks": ["…"]}.'
const JUDGE =
  'You judge how the present subtask stands. Answer with JSON: {"state": "done" or "open" or "lost"}. "lost": it cannot be done from here any more.'
const planned = z.object({ subtasks: z.array(z.string()).min(1) })
const judged = z.object({ state: z.enum(['done', 'open', 'lost']) })

interface Open {
  readonly place: Place
  readonly subtask: number
  rest: readonly Candidate[]
}

export const multiBranch = defineProgram('multi-branch', async (sys, input: MultiBranchInput): Promise<Branched> => {
  const { question, subtasks: count = 3, branching = 3, judge = 'model', lostBelow = 0.2, stepsMax = 40 } = input
  const prompt = `Subtasks at most: ${count}\nTask: ${question}`
  const plan = count === 1 ? undefined : await askJson(sys, { instructions: PLAN, prompt }, planned)
  const subtasks = plan?.subtasks.slice(0, count) ?? [question]
  const surveyOf = (subtask: number): Survey => ({
    question,
    propose: { branching, samples: 2 * branching, extra: `Now: ${subtasks[subtask]}`, ...input.propose },
    ...(judge === 'value' ? { value: { by: 'tool' as const } } : {}),
  })

  const start = await placeHere(sys, surveyOf(0))
  const open: Open[] = [{ place: start, subtask: 0, rest: start.candidates ?? [] }]
  let [tried, backtracks, end] = [0, 0, start]
  await whileItLasts(async () => {
    while (!end.done && tried < stepsMax) {
      const top = open.at(-1)
      if (top === undefined) break
      const [next, ...rest] = top.rest
      if (next === undefined) {
        open.pop()
        backtracks++
        continue
      }
      top.rest = rest
      let [place] = (await goFrom(sys, top.place, [next.action], surveyOf(top.subtask))) as [Place]
      tried++
      end = place
      if (place.done) break
      const state =
        judge === 'value'
          ? byValue(place, lostBelow)
          : await byModel(sys, question, subtasks[top.subtask] as string, place)
      if (state === 'lost') {
        backtracks++
        continue
      }
      const subtask = state === 'done' ? Math.min(top.subtask + 1, subtasks.length - 1) : top.subtask
      if (subtask !== top.subtask) place = await surveyFrom(sys, place, surveyOf(subtask))
      open.push({ place, subtask, rest: place.candidates ?? [] })
    }
  })
  await stay(sys, end)
  return { steps: end.steps, done: end.done, subtasks, tried, backtracks }
})

function byValue({ value = 1 }: Place, lostBelow: number): 'open' | 'lost' {
  return value < lostBelow ? 'lost' : 'open'
}

async function byModel(
  sys: Sys,
  question: string,
  subtask: string,
  { steps }: Place,
): Promise<'done' | 'open' | 'lost'> {
  const prompt = `Task: ${question}\nSubtask: ${subtask}\n\n${historyText(steps)}`
  return (await askJson(sys, { instructions: JUDGE, prompt }, judged))?.state ?? 'open'
}
