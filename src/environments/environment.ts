/**
 * Environments: worlds in which agents act, and whose every outcome can be computed.
 *
 *     const environment = environmentOf(craft)
 *     let turn = environment.reset({ params: craft.task(7), seed: 7 })
 *     while (!turn.done) turn = environment.step([{ agent: 'crafter', name: 'get', args: { item: 'oak board', count: 1 } }])
 *
 * A world is written as `Rules`: plain data for its state, pure functions for the rest. `environmentOf` makes of it what
 * agents, harnesses and foreign programs speak to: one turn after another, for one player or many, who act together, in
 * turns, or when they like (`toAct` says who).
 *
 * Invariants
 *   V1. What a world does is decided by its state and the actions: chance is drawn by `draw` from the seed and the place
 *       in the episode, and nothing reads a clock. So a state brought back goes on as the first time.
 *   V2. An action that cannot be done changes nothing but the turn's number, and its reason is what the turn says next.
 *   V3. A state is plain data, and two equal states have one hash (canonical JSON).
 */
import type { z } from 'zod'
import { canonical } from '../policy/canonical.ts'
import { randomAt } from '../kernel/clock.ts'
import { sha256 } from '../kernel/digest.ts'
import { PolityError } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'

/** What an agent does in a turn. */
export interface Action {
  readonly agent: string
  /** Of an action that has a name: a tool, a choice. */
  readonly name: string
  readonly args?: { readonly [name: string]: Json }
}

/** An action that can be taken, as a tool is described. */
export interface ActionDescription {
  readonly name: string
  readonly description: string
  /** JSON Schema of its arguments. */
  readonly input: { readonly [keyword: string]: Json }
  /** Whether it only looks, says something to others, changes the world, or ends the agent's part in it. */
  readonly effect: 'read' | 'tell' | 'write' | 'terminal'
}

/** What an agent sees when it is to act. */
export interface View {
  readonly text: string
  /** The same, and more of it, for programs. */
  readonly data?: Json
  readonly actions: readonly ActionDescription[]
}

/** The state of an episode as it is told: who is to act, what they see, what they earned. */
export interface Turn {
  /** Agents that are to act now; none: only time passes. */
  readonly toAct: readonly string[]
  /** What each of them sees. */
  readonly views: { readonly [agent: string]: View }
  /** Earned since the last turn. */
  readonly reward: { readonly [agent: string]: number }
  readonly done: boolean
  /** Why it ended before its own end. */
  readonly truncated?: 'steps'
  /** Actions that could not be done, and why. */
  readonly errors: readonly ActionError[]
  /** Turns before this one. */
  readonly steps: number
}

/** Why an action could not be done. */
export interface ActionError {
  readonly agent: string
  readonly code: 'UNKNOWN_ACTION' | 'BAD_ARGUMENTS' | 'NOT_POSSIBLE' | 'NOT_YOUR_TURN'
  readonly message: string
}

/** What came of the actions of a turn. */
export interface Step<State> {
  readonly state: State
  readonly reward?: { readonly [agent: string]: number }
  readonly errors?: readonly ActionError[]
}

/** What comes of an action that cannot be done: nothing, but that it is said why. */
export function refused<State>(state: State, error: ActionError): Step<State> {
  return { state, errors: [error] }
}

/** What comes of the actions of a turn, taken one after another. */
export function oneByOne<State>(
  state: State,
  actions: readonly Action[],
  take: (state: State, action: Action) => Step<State>,
): Step<State> {
  const errors: ActionError[] = []
  let at = state
  for (const action of actions) {
    const step = take(at, action)
    at = step.state
    if (step.errors !== undefined) errors.push(...step.errors)
  }
  return errors.length === 0 ? { state: at } : { state: at, errors }
}

/** There is no such action, or not now. */
export function unknownAction(agent: string, name: string, actions: readonly ActionDescription[]): ActionError {
  const known = actions.map((one) => one.name).join(', ')
  return { agent, code: 'UNKNOWN_ACTION', message: `there is no action "${name}" now: ${known}` }
}

/** The action is there, and takes something else. */
export function badArguments(agent: string, message: string): ActionError {
  return { agent, code: 'BAD_ARGUMENTS', message }
}

/** Draws the next random number in [0, 1) of this turn. */
export type Draw = () => number

/** The form of a task: an object with declared fields. */
export type TaskForm<Params> = z.ZodType<Params> & { readonly shape: z.ZodRawShape }

/** A world, as it is written. Pure. */
export interface Rules<Params extends Json, State extends Json> {
  /** Such as `craft.dag`. */
  readonly id: string
  readonly version: string
  /** One sentence: what is to be done in it. */
  readonly description: string
  /** Turns after which an episode is cut off. */
  readonly stepsMax: number
  /** The form of a task; `defineWorld` (define.ts) refuses what is not of it. @default anything is a task */
  readonly params?: TaskForm<Params>
  /** Levels go from 1 to this one; `defineWorld` refuses others. @default any level */
  readonly levelMax?: number
  /** A task, drawn by seed; `level` makes it harder. @default level 1 */
  task(seed: number, level?: number): Params
  start(params: Params, draw: Draw): State
  /** All actions that may be offered in an episode, to anybody. @default those that are offered when it begins */
  actions?(params: Params): readonly ActionDescription[]
  /** Everybody who may act in an episode. @default those who are to act when it begins */
  agents?(params: Params): readonly string[]
  /** Who is to act in that state; none when it is over. */
  toAct(state: State): readonly string[]
  view(state: State, agent: string): View
  /** All actions of a turn at once; an agent that gave none does nothing. */
  step(state: State, actions: readonly Action[], draw: Draw): Step<State>
  /** How well it went, 0 to 1; 1 is the best there is. */
  score(state: State): number
  /** What else its field reports of an episode, by name. @default nothing */
  metrics?(state: State): { readonly [name: string]: number }
  /** What an oracle that knows the whole state does next: following it scores 1. */
  oracle(state: State): readonly Action[]
  /** What doing nothing scores. @default 0 */
  floor?(params: Params): number
}

/** An episode of a world. Foreign environments have the same form, and may take their time. */
export interface Environment<Params extends Json = Json, State extends Json = Json> {
  readonly id: string
  readonly version: string
  reset(task: { readonly params: Params; readonly seed: number }): Turn
  step(actions: readonly Action[]): Turn
  /** The whole of it, as plain data: `restore` brings it back, also in another process. */
  state(): Saved<State>
  restore(saved: Saved<State>): Turn
  /** 0 to 1, of the state as it is. */
  score(): number
  metrics(): { readonly [name: string]: number }
}

/** An episode as it is kept. */
export interface Saved<State> {
  readonly seed: number
  readonly steps: number
  readonly state: State
}

/** An environment that lives by these rules. */
export function environmentOf<Params extends Json, State extends Json>(
  rules: Rules<Params, State>,
): Environment<Params, State> {
  let episode: Saved<State> | undefined

  function begun(): Saved<State> {
    if (episode === undefined)
      throw new PolityError('INVALID_ARGUMENT', `${rules.id} has no episode: call reset({ params, seed }) first`)
    return episode
  }

  /** The episode stands there from now on; what cannot be told as a turn is thrown, and it stands where it stood. */
  function goTo(next: Saved<State>, { reward = {}, errors = [] }: Omit<Step<State>, 'state'> = {}): Turn {
    const { state, steps } = next
    const acting = rules.toAct(state)
    const isCut = acting.length > 0 && steps >= rules.stepsMax
    const toAct = isCut ? [] : acting
    const views: { [agent: string]: View } = {}
    for (const agent of toAct) views[agent] = rules.view(state, agent)
    episode = next
    const told = { toAct, views, reward, done: toAct.length === 0, errors, steps }
    return isCut ? { ...told, truncated: 'steps' } : told
  }

  return {
    id: rules.id,
    version: rules.version,
    reset({ params, seed }) {
      return goTo({ seed, steps: 0, state: rules.start(params, drawAt(seed, 0)) })
    },
    step(actions) {
      const { seed, steps, state } = begun()
      const acting = rules.toAct(state)
      if (acting.length === 0 || steps >= rules.stepsMax)
        throw new PolityError('INVALID_ARGUMENT', `the episode of ${rules.id} is over: call reset or restore`)
      const [own, others] = [[] as Action[], [] as ActionError[]]
      for (const action of actions) {
        const { agent } = action
        if (acting.includes(agent) && !own.some((one) => one.agent === agent)) own.push(action)
        else others.push({ agent, code: 'NOT_YOUR_TURN', message: `to act are ${acting.join(', ')}, once each` })
      }
      const step = rules.step(state, own, drawAt(seed, steps + 1))
      const told = others.length === 0 ? step : { ...step, errors: [...others, ...(step.errors ?? [])] }
      return goTo({ seed, steps: steps + 1, state: step.state }, told)
    },
    state: begun,
    restore: (saved) => goTo(saved),
    score: () => rules.score(begun().state),
    metrics: () => rules.metrics?.(begun().state) ?? {},
  }
}

/** Names a state: equal states have equal hashes. */
export function stateHash(saved: Saved<Json>): string {
  return sha256(canonical(saved))
}

/** The numbers of one turn of an episode, in order. */
export function drawAt(seed: number, turn: number): Draw {
  let drawn = 0
  return () => randomAt(seed, turn, drawn++)
}

/** A whole number from 0 to n - 1. */
export function drawBelow(draw: Draw, n: number): number {
  return Math.floor(draw() * n)
}

/** One of several. */
export function pick<T>(draw: Draw, from: readonly T[]): T {
  return from[drawBelow(draw, from.length)] as T
}

/** In random order (Fisher and Yates). */
export function shuffled<T>(draw: Draw, from: readonly T[]): T[] {
  const list = from.slice()
  for (let i = list.length - 1; i > 0; i--) {
    const j = drawBelow(draw, i + 1)
    ;[list[i], list[j]] = [list[j] as T, list[i] as T]
  }
  return list
}

/** What chooses the actions of all agents of a turn, knowing the state or not. */
export type Policy<State> = (turn: Turn, state: State) => readonly Action[]

/** Plays one episode to its end. */
export function play<Params extends Json, State extends Json>(
  rules: Rules<Params, State>,
  task: { readonly params: Params; readonly seed: number },
  policy: Policy<State>,
): { readonly score: number; readonly steps: number; readonly actions: readonly (readonly Action[])[] } {
  const environment = environmentOf(rules)
  const actions: (readonly Action[])[] = []
  let turn = environment.reset(task)
  while (!turn.done) {
    const chosen = policy(turn, environment.state().state)
    actions.push(chosen)
    turn = environment.step(chosen)
  }
  return { score: environment.score(), steps: turn.steps, actions }
}

/** The policy that knows everything. */
export function oracleOf<State>(rules: { oracle(state: State): readonly Action[] }): Policy<State> {
  return (_, state) => rules.oracle(state)
}

/** The policy that never does anything. */
export const idle: Policy<Json> = () => []
