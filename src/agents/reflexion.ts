/**
 * Reflexion (Shinn et al. 2023, "Reflexion: language agents with verbal reinforcement learning"): tries again, with what it
 * wrote down about its failures.
 *
 *     kernel.spawn(reflexion, { question, trials: 5 })
 *
 * A trial is an episode of its own, in a fork: the world is as it was at the start. Its actor sees the last three reflections
 * (`window`, the paper's memory of 3); all are kept. A trial that failed is told to the model, which writes what to do otherwise.
 *
 * Success is what the episode tells (`score` 1, or an end with a reward); else, or with `evaluate: 'judge'`, a model call.
 * The actor is a loop of one action a call (acting.ts); with plain tools instead of a world, forks share what tools did outside.
 *
 * Invariants
 *   RF1. At most `trials` trials, and none after one that succeeded.
 *   RF2. An actor is shown at most `window` reflections, the newest, in their order.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Pid, Sys } from '../kernel/types.ts'
import {
  ADOPT,
  actLoop,
  decideByModel,
  earnedBy,
  historyText,
  holds,
  type Acted,
  type TaskInput,
} from './pieces/acting.ts'
import { askJson } from './pieces/json-answer.ts'
import { whileItLasts } from './pieces/while-it-lasts.ts'

export interface ReflexionInput extends TaskInput {
  /** Between 5 and 15 in the paper, by task. @default 5 */
  readonly trials?: number
  /** Reflections that an actor is shown. @default 3 */
  readonly window?: number
  /** What a new trial is shown of the last one. @default 'reflexion' */
  readonly strategy?: 'none' | 'last-attempt' | 'reflexion' | 'last-attempt-and-reflexion'
  /** Who says whether a trial succeeded. @default 'episode' */
  readonly evaluate?: 'episode' | 'judge'
}

export interface Reflected {
  readonly answer: string | null
  readonly success: boolean
  /** Score of each trial, 0 to 1. */
  readonly scores: readonly number[]
  readonly reflections: readonly string[]
  readonly steps: Acted['steps']
}

/** End of the last trial that is shown, characters. */
const ATTEMPT_CHARS = 4_000

const REFLECT = `You are shown a task, how an agent tried it and failed, and what was written after earlier failures.
Say in a few sentences what went wrong and what to do otherwise next time. Name exact actions. Write only that plan.`
const JUDGE = `You judge whether the task was done. Answer with JSON: {"success": true or false}.`
const judged = z.object({ success: z.boolean() })

export const reflexion = defineProgram('reflexion', async (sys, input: ReflexionInput): Promise<Reflected> => {
  const { question, trials = 5, window = 3, strategy = 'reflexion', stepsMax = 20 } = input
  const reflections: string[] = []
  const scores: number[] = []
  let last: { readonly acted: Acted; readonly pid: Pid } | undefined
  for (let trial = 0; trial < trials; trial++) {
    const extra = shown(strategy, reflections.slice(-window), last?.acted)
    const pid = await sys.fork()
    if (pid === 0) {
      let taken: Acted['steps'] = []
      const decide = (steps: Acted['steps']) => decideByModel(sys, { ...input, extra, steps: (taken = [...steps]) })
      const acted = await whileItLasts(() => actLoop(sys, decide, { stepsMax }))
      return (acted ?? { steps: taken, answer: null, why: 'gave up' }) as never
    }
    last = { acted: (await sys.wait<Json>(pid)) as unknown as Acted, pid }
    const { acted } = last
    const score = await whileItLasts(() => scoreOf(sys, input, acted))
    scores.push(score ?? 0)
    if (score === undefined || score >= 1 || trial === trials - 1) break
    if (!strategy.endsWith('reflexion')) continue
    const lesson = await whileItLasts(() => reflect(sys, question, acted, reflections.slice(-window)))
    if (lesson === undefined) break
    reflections.push(lesson)
  }
  if (last !== undefined && holds(sys, ADOPT)) await sys.call(ADOPT, { pid: last.pid })
  const { answer = null, steps = [] } = last?.acted ?? {}
  return { answer, success: (scores.at(-1) ?? 0) >= 1, scores, reflections, steps }
})

async function scoreOf(sys: Sys, { question, evaluate = 'episode' }: ReflexionInput, acted: Acted): Promise<number> {
  if (evaluate === 'episode' && acted.why !== 'answer') return earnedBy(acted.steps)
  const prompt = `Task: ${question}\n\n${historyText(acted.steps)}\nAnswer: ${acted.answer ?? 'none'}`
  const said = await askJson(sys, { instructions: JUDGE, prompt }, judged)
  return said?.success === true ? 1 : 0
}

async function reflect(sys: Sys, question: string, acted: Acted, before: readonly string[]): Promise<string> {
  const earlier = before.map((text, i) => `Trial ${i + 1}: ${text}`).join('\n')
  const prompt = `Task: ${question}\n\n${historyText(acted.steps)}\nEnded: ${acted.why}\n\n${earlier === '' ? 'No earlier plan.' : earlier}`
  return (await sys.generate({ instructions: REFLECT, prompt, temperature: 0 })).text.trim()
}

function shown(
  strategy: NonNullable<ReflexionInput['strategy']>,
  reflections: readonly string[],
  last: Acted | undefined,
): string {
  const parts: string[] = []
  if (last !== undefined && strategy.startsWith('last-attempt'))
    parts.push(`Your last attempt, which failed:\n${historyText(last.steps).slice(-ATTEMPT_CHARS)}`)
  if (reflections.length > 0)
    parts.push(`Learned from earlier trials:\n${reflections.map((text) => `- ${text}`).join('\n')}`)
  return parts.join('\n\n')
}
