/**
 * Worlds: what an evaluation needs of an environment, ours or foreign, in the same form.
 *
 *     const stage = openStage(worldOf(craft))
 *     let { turn, state } = await stage.begin({ params, seed })
 *     ;({ turn, state } = await stage.step(state, [{ agent: 'crafter', name: 'get', args: { item: 'oak', count: 1 } }]))
 *     await stage.close()
 *
 * An environment has one episode at a time; a stage has as many as there are states. It keeps a few open environments, goes
 * on in the one that stands where it is asked to go on, and restores another only where none does. What an environment
 * answers at once, the stage answers at once.
 */
import type { Action, ActionDescription, Rules, Turn } from '../environments/environment.ts'
import { environmentOf } from '../environments/environment.ts'
import { PolityError } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'

/** A value, or its promise. */
export type Soon<T> = T | Promise<T>

/** Where an episode begins. */
export interface EpisodeTask {
  readonly params: Json
  readonly seed: number
}

/** An episode of an environment, as `Environment` is, that may take its time. */
export interface OpenEnvironment {
  reset(task: EpisodeTask): Soon<Turn>
  step(actions: readonly Action[]): Soon<Turn>
  /** The whole of it, as plain data. */
  state(): Soon<Json>
  restore(state: Json): Soon<Turn>
  score(): Soon<number>
  metrics(): Soon<{ readonly [name: string]: number }>
  close?(): Soon<void>
}

/** An environment that can be opened any number of times. */
export interface World {
  readonly id: string
  readonly version: string
  /** One sentence: what is to be done in it. */
  readonly description: string
  /** All actions that may be offered in an episode, to anybody. */
  actions(task: EpisodeTask): Soon<readonly ActionDescription[]>
  /** Everybody who may act in an episode. @default those who are to act when it begins */
  agents?(task: EpisodeTask): Soon<readonly string[]>
  open(): Soon<OpenEnvironment>
  /** What doing nothing scores. @default 0 */
  floor?(task: EpisodeTask): number
  /** What an oracle does next, and how far it would get; of worlds that have one. */
  oracle?(state: Json): Soon<readonly Action[]>
}

/** A world by its rules. */
export function worldOf<Params extends Json, State extends Json>(given: Rules<Params, State>): World {
  const rules = given as unknown as Rules<Json, Json>
  const { id, version, description, floor } = rules
  return {
    id,
    version,
    description,
    actions({ params, seed }) {
      if (rules.actions !== undefined) return rules.actions(params)
      const { views } = environmentOf(rules).reset({ params, seed })
      return Object.values(views).flatMap((view) => view.actions)
    },
    ...(rules.agents === undefined ? {} : { agents: ({ params }) => rules.agents?.(params) ?? [] }),
    open: () => environmentOf(rules) as unknown as OpenEnvironment,
    ...(floor === undefined ? {} : { floor: ({ params }) => floor(params) }),
    oracle: (state) => rules.oracle((state as { readonly state: Json }).state),
  }
}

/** Where an episode stands. */
export interface Standing {
  readonly turn: Turn
  readonly state: Json
}

/** Episodes of a world, each by its state. States are told apart by identity: pass the one that was given. */
export interface Stage {
  begin(task: EpisodeTask): Soon<Standing>
  step(state: Json, actions: readonly Action[]): Soon<Standing>
  look(state: Json): Soon<Turn>
  score(state: Json): Soon<number>
  metrics(state: Json): Soon<{ readonly [name: string]: number }>
  close(): Promise<void>
}

/** Environments that are open at once; beyond, the one that was used the longest ago is restored to another state. */
const OPEN_MAX = 8

interface Seat {
  readonly environment: OpenEnvironment
  /** It has stood somewhere before, and may be gone since. */
  isUsed: boolean
  at: Json | undefined
  turn: Turn | undefined
  busy: boolean
}

/** A stage of a world. */
export function openStage(world: World, openMax = OPEN_MAX): Stage {
  /** The longest unused first. */
  const seats: Seat[] = []
  const waiting: (() => void)[] = []
  let opening = 0
  let isClosed = false

  /**
   * A seat nobody uses: the one at that state, else a new one, else the longest unused; waits where all are in use. Where it
   * has to be new, the longest unused makes room.
   */
  function take(state: Json | undefined, isNew: boolean): Soon<Seat> {
    const free = seats.filter((seat) => !seat.busy)
    const isFull = seats.length + opening >= openMax
    if (isNew) {
      if (isFull && free[0] !== undefined) void leave(free[0])
    } else {
      let seat = state === undefined ? undefined : free.find((one) => one.at === state)
      // Who answers at once is never in use: one is enough.
      seat ??= !isFull && !(free.length > 0 && isQuick) ? undefined : free[0]
      if (seat !== undefined) return use(seat)
    }
    if (seats.length + opening >= openMax)
      return new Promise<void>((resolve) => void waiting.push(resolve)).then(() => take(state, isNew))
    opening++
    return ended(
      () =>
        onceThere(world.open(), (environment) => {
          const opened: Seat = { environment, isUsed: false, at: undefined, turn: undefined, busy: false }
          seats.push(opened)
          return use(opened)
        }),
      (isWell) => {
        opening--
        if (!isWell) waiting.shift()?.()
      },
    )
  }
  let isQuick = true

  function use(seat: Seat): Seat {
    seat.busy = true
    seats.splice(seats.indexOf(seat), 1)
    seats.push(seat)
    return seat
  }

  /**
   * Brings an environment to where it has to stand and does something there, then gives it back; one that failed is not used
   * again. One that cannot be brought there may have been gone before: a new one is tried.
   */
  function within<T>(
    state: Json | undefined,
    bring: (seat: Seat) => Soon<Turn>,
    act: (seat: Seat, turn: Turn) => Soon<T>,
    isNew = false,
  ): Soon<T> {
    if (isClosed) throw new PolityError('KERNEL_CLOSED', `the stage of ${world.id} is closed`)
    return onceThere(take(state, isNew), (seat) => {
      const { isUsed } = seat
      seat.isUsed = true
      let isThere = state !== undefined && seat.at === state
      const arrive = (): Soon<Turn> => {
        if (isThere) return seat.turn as Turn
        // Until it stands there, it stands nowhere.
        seat.at = undefined
        return onceThere(bring(seat), (turn) => {
          isThere = true
          seat.at = state
          return (seat.turn = turn)
        })
      }
      const go = (): Soon<T> =>
        ended(
          () => onceThere(arrive(), (turn) => act(seat, turn)),
          (isWell) => {
            seat.busy = false
            if (!isWell) void leave(seat)
            waiting.shift()?.()
          },
        )
      const result = orElse(go, (error) => {
        if (isThere || !isUsed) throw error
        return within(state, bring, act, true)
      })
      if (isPromise(result)) isQuick = false
      return result
    })
  }

  /** What it says of its end tells nobody anything: it is not used any more. */
  async function leave(seat: Seat): Promise<void> {
    const at = seats.indexOf(seat)
    if (at !== -1) seats.splice(at, 1)
    try {
      await seat.environment.close?.()
    } catch {
      // It is gone.
    }
  }

  const stands = (seat: Seat, turn: Turn): Soon<Standing> =>
    onceThere(seat.environment.state(), (state) => {
      seat.at = state
      seat.turn = turn
      return { turn, state }
    })

  const goTo = <T>(state: Json, act: (seat: Seat, turn: Turn) => Soon<T>): Soon<T> =>
    within(state, (seat) => seat.environment.restore(state), act)

  return {
    begin: (task) => within(undefined, (seat) => seat.environment.reset(task), stands),
    step: (state, actions) =>
      goTo(state, (seat) => {
        seat.at = undefined
        return onceThere(seat.environment.step(actions), (turn) => stands(seat, turn))
      }),
    look: (state) => goTo(state, (_, turn) => turn),
    score: (state) => goTo(state, (seat) => seat.environment.score()),
    metrics: (state) => goTo(state, (seat) => seat.environment.metrics()),
    async close() {
      isClosed = true
      await Promise.all(seats.splice(0).map(leave))
    },
  }
}

/** Goes on at once where the value is there. */
export function onceThere<T, U>(value: Soon<T>, go: (value: T) => Soon<U>): Soon<U> {
  return isPromise(value) ? value.then(go) : go(value)
}

/** Goes on where the work fails, at once or later. */
export function orElse<T>(work: () => Soon<T>, go: (error: unknown) => Soon<T>): Soon<T> {
  let result: Soon<T>
  try {
    result = work()
  } catch (error) {
    return go(error)
  }
  return isPromise(result) ? result.catch(go) : result
}

/** Tells when work has ended, at once or later, and whether well. */
function ended<T>(work: () => Soon<T>, tell: (isWell: boolean) => void): Soon<T> {
  let result: Soon<T>
  try {
    result = work()
  } catch (error) {
    tell(false)
    throw error
  }
  if (isPromise(result))
    return result.then(
      (value) => {
        tell(true)
        return value
      },
      (error: unknown) => {
        tell(false)
        throw error
      },
    )
  tell(true)
  return result
}

function isPromise<T>(value: Soon<T>): value is Promise<T> {
  return typeof (value as { then?: unknown } | null)?.then === 'function'
}
