/**
 * Acting in a world: what a program that decides step by step needs, where the actions are tools of its process.
 *
 *     const told = await act(sys, { name: 'craft', args: { item: 'lamp' } })      // { text, reward, done, … }
 *     const { answer, steps } = await actLoop(sys, async (steps) => ({ action: await decide(steps) }))
 *
 * The tools of an episode (docs/evaluation.md) answer `Told`; any other tool's answer is read as a text that ends nothing. So the
 * same program acts in a world and with ordinary tools. Where it stands in a world, `look` says without a step.
 *
 * Invariants
 *   AC1. An action that cannot be done is an observation, never the end of the program.
 *   AC2. `actLoop` ends: when the episode is over, an answer is given, the same action was taken `repeatsMax` times in a row,
 *        or after `stepsMax` actions.
 */
import { z } from 'zod'
import { toErrorData } from '../../kernel/errors.ts'
import { canonical } from '../../policy/canonical.ts'
import type { Json, Sys, ToolDescription } from '../../kernel/types.ts'
import { askJson } from './json-answer.ts'
import { isOurEnd } from './our-end.ts'

/** The tools of an episode by which a program looks, and goes on from a fork of its own. */
export const VIEW = 'episode_view'
export const ADOPT = 'episode_adopt'

/** What is done: a tool and its arguments. */
export interface Action {
  readonly name: string
  readonly args?: { readonly [name: string]: Json }
}

/** What came of it. */
export interface Told {
  /** What is seen now; where the action could not be done, why comes first. */
  readonly text: string
  /** Earned since what was told before. */
  readonly reward: number
  /** The episode is over: there is nothing more to do. */
  readonly done: boolean
  readonly error?: { readonly code: string; readonly message: string }
  /** How well it went, 0 to 1; only at the end, and only where the task tells it. */
  readonly score?: number
}

/** Where things stand. */
export interface Seen extends Told {
  /** The same as the text, and more of it, for programs; null where the world has nothing. */
  readonly data: Json
  readonly actions: readonly { readonly name: string; readonly description: string }[]
}

/** One step of a trajectory. */
export interface Step {
  readonly thought?: string
  readonly action: Action
  readonly told: Told
}

/** What most programs are asked. */
export interface TaskInput {
  readonly question: string
  /** What the model is told beside the program's own words. @default nothing */
  readonly instructions?: string
  /** Actions at most. @default 20 */
  readonly stepsMax?: number
}

/** How a run of steps ended. */
export interface Acted {
  readonly steps: readonly Step[]
  readonly answer: string | null
  readonly why: 'done' | 'answer' | 'repeats' | 'steps' | 'gave up'
}

/** Tools that are of the program, not of the world: the model is not offered them. */
const HIDDEN = /^episode_/

/** The held tools that act. */
export function actionTools(sys: Sys): readonly ToolDescription[] {
  return sys.tools.filter(({ name }) => !HIDDEN.test(name))
}

export function holds(sys: Sys, tool: string): boolean {
  return sys.tools.some(({ name }) => name === tool)
}

/** Does it, and says what came of it. A failed call is told as an error. */
export async function act(sys: Sys, { name, args = {} }: Action): Promise<Told> {
  try {
    return toldOf(await sys.call<Json>(name, args))
  } catch (error) {
    if (isOurEnd(error)) throw error
    const { code, message } = toErrorData(error)
    return { text: `${code}: ${message}`, reward: 0, done: false, error: { code, message } }
  }
}

/** Whether it stands in an episode, where it may look. */
export function canLook(sys: Sys): boolean {
  return holds(sys, VIEW)
}

/** Where things stand; takes no step. Only in an episode. */
export function look(sys: Sys): Promise<Seen> {
  return sys.call<Json>(VIEW, {}) as unknown as Promise<Seen>
}

function toldOf(output: Json): Told {
  const { text, done, reward } = (output ?? {}) as { readonly [key: string]: unknown }
  if (typeof text === 'string' && typeof done === 'boolean')
    return { ...(output as object), reward: typeof reward === 'number' ? reward : 0 } as Told
  return { text: typeof output === 'string' ? output : JSON.stringify(output), reward: 0, done: false }
}

/** What a loop decides: to act, to answer, or to end without one. */
export type Decision = { readonly thought?: string; readonly action: Action } | { readonly answer: string | null }

/** Decides and acts until an end; `before` are steps that were taken already. */
export async function actLoop(
  sys: Sys,
  decide: (steps: readonly Step[]) => Promise<Decision>,
  { stepsMax = 20, repeatsMax = 3, before = [], perform = (action) => act(sys, action) }: ActLoopOptions = {},
): Promise<Acted> {
  const steps = [...before]
  let repeats = 1
  for (let taken = 0; taken < stepsMax; taken++) {
    const decision = await decide(steps)
    if ('answer' in decision)
      return { steps, answer: decision.answer, why: decision.answer === null ? 'gave up' : 'answer' }
    const { action, thought } = decision
    const last = steps.at(-1)?.action
    repeats = last !== undefined && keyOf(last) === keyOf(action) ? repeats + 1 : 1
    const told = await perform(action)
    steps.push({ ...(thought === undefined ? {} : { thought }), action, told })
    if (told.done) return { steps, answer: null, why: 'done' }
    if (repeats >= repeatsMax) return { steps, answer: null, why: 'repeats' }
  }
  return { steps, answer: null, why: 'steps' }
}

export interface ActLoopOptions {
  /** @default 20 */
  readonly stepsMax?: number
  /** @default 3 */
  readonly repeatsMax?: number
  readonly before?: readonly Step[]
  /** Takes an action. @default `act` */
  readonly perform?: (action: Action) => Promise<Told>
}

/** The same text for the same action, in whatever order its arguments were written. */
export function keyOf({ name, args = {} }: Action): string {
  return `${name}${canonical(args)}`
}

/** Name under which a model ends with an answer. */
export const FINISH = 'finish'

export const actionShape = z.object({ name: z.string().min(1), args: z.record(z.string(), z.json()).optional() })
const decisionShape = z.object({ thought: z.string().optional(), action: actionShape })

/** What may be done, a line each, as a model is told. */
export function actionsText(tools: readonly ToolDescription[]): string {
  const lines = tools.map(
    ({ name, description, inputSchema }) => `- ${name}: ${description} Arguments: ${JSON.stringify(inputSchema)}`,
  )
  return [...lines, `- ${FINISH}: End with the answer. Arguments: {"answer": "…"}`].join('\n')
}

const DECIDE = `You act step by step until the task is done. Take one action of the list at a time. Answer with one JSON object:
{"thought": "why", "action": {"name": "…", "args": {…}}}.`

/** The usual way to decide: one model call that sees the task, the steps and whatever else. Null answer: it never said an action. */
export async function decideByModel(sys: Sys, { question, instructions, extra = '', steps, temperature }: Asked) {
  const tools = actionTools(sys)
  const said = await askJson(
    sys,
    {
      instructions: [DECIDE, ...(instructions === undefined ? [] : [instructions]), actionsText(tools)].join('\n\n'),
      prompt: [`Task: ${question}`, ...(extra === '' ? [] : [extra]), historyText(steps)].join('\n\n'),
      ...(temperature === undefined ? {} : { temperature }),
    },
    decisionShape,
  )
  return said === undefined ? { answer: null } : decisionOf(said)
}

export interface Asked extends Pick<TaskInput, 'question' | 'instructions'> {
  /** What stands between the task and the steps, such as a plan or reflections. @default nothing */
  readonly extra?: string
  readonly steps: readonly Step[]
  readonly temperature?: number
}

/** What a model said, as a decision: `finish` is an answer. */
export function decisionOf({ thought, action }: z.infer<typeof decisionShape>): Decision {
  if (action.name === FINISH) {
    const answer = action.args?.['answer']
    return { answer: typeof answer === 'string' ? answer : JSON.stringify(answer ?? '') }
  }
  return { ...(thought === undefined ? {} : { thought }), action }
}

/** Longest observation that a history holds, characters. */
const OBSERVATION_CHARS_MAX = 4_000

/** Steps as a model reads them. */
export function historyText(steps: readonly Step[]): string {
  if (steps.length === 0) return 'Nothing was done yet.'
  return steps
    .map(({ thought, action, told }, i) =>
      [
        ...(thought === undefined ? [] : [`Thought ${i + 1}: ${thought}`]),
        `Action ${i + 1}: ${action.name} ${JSON.stringify(action.args ?? {})}`,
        `Observation ${i + 1}: ${shortened(told.text)}`,
      ].join('\n'),
    )
    .join('\n')
}

/** A text of at most so many characters, and what says that some are left out: the beginning and the end stay. @default 4,000 */
export function shortened(text: string, charsMax = OBSERVATION_CHARS_MAX): string {
  if (text.length <= charsMax) return text
  const half = Math.floor(charsMax / 2)
  return `${text.slice(0, half)}\n(${text.length - 2 * half} characters left out)\n${text.slice(-half)}`
}

/** How well a trajectory went as far as the program was told: its score, else 1 where it ended with a reward, else 0. */
export function earnedBy(steps: readonly Step[]): number {
  const last = steps.at(-1)?.told
  if (last?.score !== undefined) return last.score
  return last?.done === true && steps.some(({ told }) => told.reward > 0) ? 1 : 0
}
