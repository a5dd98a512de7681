/**
 * The tools of an episode (episode.ts): one for each action of the world, others to look, to search and to begin and end it,
 * and the table at which players sit, where who acts waits for who acts with them.
 *
 *     const table = createTable(world, stage, tellScore, agents)
 *     table.actionTool(action); table.view; table.adopt            // what players hold
 *     table.own                                                    // what the episode itself holds
 *
 * All that they know of an episode is their state, which the kernel keeps (tool-state.ts); the turns that are remembered beside it
 * follow from it.
 */
import type { Seen as SeenByPrograms, Told } from '../agents/pieces/acting.ts'
import { ADOPT, VIEW } from '../agents/pieces/acting.ts'
import type { Action, ActionDescription, Turn } from '../environments/environment.ts'
import { anything } from '../kernel/anything.ts'
import { sha256 } from '../kernel/digest.ts'
import type { ErrorCode, ErrorData } from '../kernel/errors.ts'
import { PolityError, toErrorData } from '../kernel/errors.ts'
import { defineTool } from '../kernel/tools.ts'
import type { Effect, Json, Pid, Tool, ToolContext } from '../kernel/types.ts'
import { canonical } from '../policy/canonical.ts'
import type { EpisodeTask, Soon, Stage, World } from './world.ts'
import { onceThere, orElse } from './world.ts'

/** What a player is told of every action. */
export type { Told }

/** What a program is told that looks. */
export interface Seen extends SeenByPrograms {
  /** What can be done now. */
  readonly actions: readonly ActionDescription[]
  /** Turns before this one. */
  readonly steps: number
}

/** What came of an episode, but for its players. */
export interface Scored {
  /** 0 to 1; null: not scored, because the world failed. */
  readonly score: number | null
  /** How the world failed. */
  readonly failure?: ErrorData
  readonly metrics: { readonly [name: string]: number }
  readonly steps: number
  /** It came to its end; otherwise its players stopped before, or the world failed. */
  readonly done: boolean
  /** Names the world as it was left: equal states have equal hashes. */
  readonly stateHash: string
}

/** The name of the state; tools of a task that look into the world have it too. */
export const EPISODE = 'episode'
export const RESET = 'episode_reset'
export const AWAIT = 'episode_await'
export const LEAVE = 'episode_leave'
export const SCORE = 'episode_score'
/** How long a player may wait for others, ms. */
const WAIT_MS = 7 * 24 * 3_600_000

/** An episode as its tools keep it. */
interface Kept {
  readonly world: Json
  /** The space in which all players are. */
  readonly home: string
  /** Players whose processes have ended. */
  readonly gone: readonly string[]
  /** Everything that each earned. */
  readonly earned: { readonly [agent: string]: number }
  /** The last action of each. */
  readonly acted: { readonly [agent: string]: Acted }
  /** The world has failed, after so many turns: nothing more can be done or found out in it. */
  readonly failed?: { readonly error: Failure; readonly steps: number }
}

/** How a world failed. */
export type Failure = Pick<ErrorData, 'code' | 'message'>

interface Acted {
  /** Of the call: it is not done again when a crash came before its end. */
  readonly key: string
  /** What it had earned before. */
  readonly earned: number
  readonly error: { readonly code: string; readonly message: string } | null
}

/** The state of the world, as a tool with `state: 'episode'` reads it; throws before the episode has begun. */
export function worldState(context: Pick<ToolContext, 'state'>): Json {
  return keptOf(context).world
}

/** Where players sit: the tools of an episode, and who waits for whom in each space. */
export function createTable(world: World, stage: Stage, tellScore: boolean, agents: readonly string[]) {
  interface Waiting {
    /** Actions of this turn, by player. */
    readonly given: Map<string, { readonly key: string; readonly action: Action }>
    readonly wake: Set<() => void>
    isStepping: boolean
  }
  const spaces = new Map<string, Waiting>()
  const turns = new WeakMap<object, Turn>()

  function waitingIn(space: string): Waiting {
    let found = spaces.get(space)
    if (found === undefined) spaces.set(space, (found = { given: new Map(), wake: new Set(), isStepping: false }))
    return found
  }

  /** The episode as the caller has it. A fork of the episode process has taken the table with it: all sit there now. */
  function keptBy(context: ToolContext): Kept {
    const kept = keptOf(context)
    if (kept.home === context.space || !isSeat(context.names)) return kept
    const moved: Kept = { ...kept, home: context.space }
    const turn = turns.get(kept)
    if (turn !== undefined) turns.set(moved, turn)
    return moved
  }

  /** Whether it is the episode process or one that it started itself: those are where everybody is. */
  function isSeat([first, ...more]: ToolContext['names']): boolean {
    // A player that was forked from outside stands alone, and so does all below it.
    return more.length <= 1 && !(typeof first === 'string' && agents.includes(first))
  }

  function turnOf(kept: Kept): Soon<Turn> {
    const known = turns.get(kept)
    if (known !== undefined) return known
    if (kept.failed !== undefined) return overAfter(kept.failed.steps)
    return onceThere(stage.look(kept.world), (turn) => {
      turns.set(kept, turn)
      return turn
    })
  }

  /** Where things stand. */
  function standing(context: ToolContext, kept = keptBy(context)): Soon<{ readonly kept: Kept; readonly turn: Turn }> {
    return inWorld(
      context,
      kept,
      () => onceThere(turnOf(kept), (turn) => ({ kept, turn })),
      (failed) => ({ kept: failed, turn: overAfter(failed.failed.steps) }),
    )
  }

  /** Asks the world something. Where it fails, that is kept: the episode has ended, for all who sit there. */
  function inWorld<T>(
    context: ToolContext,
    kept: Kept,
    ask: () => Soon<T>,
    over: (failed: Kept & Required<Pick<Kept, 'failed'>>) => Soon<T>,
  ): Soon<T> {
    return orElse(ask, (thrown) => {
      const failed = { error: failureOf(thrown, context.signal), steps: turns.get(kept)?.steps ?? 0 }
      // Somebody may have left meanwhile.
      const next = { ...kept, gone: keptBy(context).gone, failed }
      context.keep(next as unknown as Json)
      wakeAll(context.space)
      return over(next)
    })
  }

  /** Those that the turn waits for. */
  function present(kept: Kept, turn: Turn, agent: string, space: string): readonly string[] {
    const isHere = (one: string): boolean => (space === kept.home ? !kept.gone.includes(one) : one === agent)
    return turn.toAct.filter(isHere)
  }

  /** Runs until it has something to tell: at once where nobody has to be waited for. */
  function until<T>(context: ToolContext, look: () => Soon<T | undefined>, leave: () => void = nothing): Soon<T> {
    return onceThere(look(), (found) => {
      if (found !== undefined) return found
      return new Promise<T>((resolve, reject) => {
        const { wake } = waitingIn(context.space)
        const again = (): void => {
          void (async () => {
            try {
              const late = await look()
              if (late === undefined) return
              wake.delete(again)
              resolve(late)
            } catch (error) {
              wake.delete(again)
              reject(error)
            }
          })()
        }
        wake.add(again)
        context.signal.addEventListener('abort', () => {
          wake.delete(again)
          leave()
        })
      })
    })
  }

  function wakeAll(space: string): void {
    const waiting = spaces.get(space)
    if (waiting === undefined) return
    for (const again of waiting.wake) again()
    if (waiting.wake.size === 0 && waiting.given.size === 0 && !waiting.isStepping) spaces.delete(space)
  }

  /** All that are left have said what they do: the world goes on. */
  function step(context: ToolContext, kept: Kept, { toAct }: Turn): Soon<void> {
    const { space } = context
    const waiting = waitingIn(space)
    // In the order of the turn, not of hearing: what comes of it hangs on nobody's speed.
    const given = [...waiting.given]
      .map(([agent, one]) => ({ agent, ...one }))
      .sort((a, b) => toAct.indexOf(a.agent) - toAct.indexOf(b.agent))
    waiting.isStepping = true
    const over = (): void => {
      waiting.isStepping = false
      for (const { agent } of given) waiting.given.delete(agent)
    }
    const stepped = (): Soon<void> =>
      onceThere(
        stage.step(
          kept.world,
          given.map(({ action }) => action),
        ),
        ({ turn, state }) => {
          over()
          // Somebody may have left meanwhile.
          const { gone } = keptBy(context)
          const earned: { [agent: string]: number } = { ...kept.earned }
          for (const [agent, reward] of Object.entries(turn.reward)) earned[agent] = (earned[agent] ?? 0) + reward
          const acted: { [agent: string]: Acted } = { ...kept.acted }
          for (const { agent, key } of given) {
            const error = turn.errors.find((one) => one.agent === agent)
            acted[agent] = {
              key,
              earned: kept.earned[agent] ?? 0,
              error: error === undefined ? null : { code: error.code, message: error.message },
            }
          }
          const next: Kept = { ...kept, gone, world: state, earned, acted }
          turns.set(next, turn)
          context.keep(next as unknown as Json)
          wakeAll(space)
        },
      )
    const ask = (): Soon<void> =>
      orElse(stepped, (error) => {
        over()
        wakeAll(space)
        throw error
      })
    return inWorld(context, kept, ask, nothing)
  }

  function act(agent: string, action: Action, context: ToolContext): Soon<Told> {
    const key = context.idempotencyKey
    const look = (): Soon<Told | undefined> =>
      onceThere(standing(context), ({ kept, turn }): Soon<Told | undefined> => {
        const mine = kept.acted[agent]
        const waiting = waitingIn(context.space)
        const isOver = turn.done || turn.toAct.length === 0
        if (mine?.key === key) {
          if (!isOver && !turn.toAct.includes(agent)) return go(kept, turn)
          // Whoever's call ends first, what came of the turn is kept with it.
          context.keep(kept as unknown as Json)
          return tell(context, kept, turn, agent, mine)
        }
        if (kept.failed !== undefined) context.keep(kept as unknown as Json)
        if (isOver) return tell(context, kept, turn, agent, { earned: kept.earned[agent] ?? 0, error: OVER })
        if (turn.toAct.includes(agent) && !waiting.given.has(agent) && !waiting.isStepping) {
          waiting.given.set(agent, { key, action })
          // What this player has learned may be in its action, and so in what all are told of the turn: whoever takes it
          // reads the state, and with it the labels of all that hold it.
          if (turn.toAct.length > 1) context.keep(keptBy(context) as unknown as Json)
        }
        return go(kept, turn)
      })
    const go = (kept: Kept, turn: Turn): Soon<Told | undefined> => {
      const waiting = waitingIn(context.space)
      if (waiting.isStepping) return undefined
      if (!present(kept, turn, agent, context.space).every((one) => waiting.given.has(one))) return undefined
      return onceThere(step(context, kept, turn), () => look())
    }
    return onceThere(
      until(context, look, () => {
        const { given } = waitingIn(context.space)
        if (given.get(agent)?.key === key) given.delete(agent)
      }),
      (told) => {
        wakeAll(context.space)
        return told
      },
    )
  }

  function see(agent: string, context: ToolContext): Soon<Seen> {
    return until(context, () =>
      onceThere(standing(context), ({ kept, turn }) => {
        if (!turn.done && turn.toAct.length > 0 && !turn.toAct.includes(agent)) return undefined
        return seen(context, kept, turn, agent)
      }),
    )
  }

  function tell(
    context: ToolContext,
    kept: Kept,
    turn: Turn,
    agent: string,
    acted: Pick<Acted, 'earned' | 'error'>,
  ): Soon<Told> {
    const { earned } = acted
    const error = kept.failed?.error ?? acted.error
    const done = turn.done || turn.toAct.length === 0
    const text = [error?.message, turn.views[agent]?.text ?? (done ? 'It is over.' : undefined)]
      .filter(isText)
      .join('\n')
    const told: Told = { text, reward: (kept.earned[agent] ?? 0) - earned, done, ...(error === null ? {} : { error }) }
    if (!done || !tellScore || kept.failed !== undefined) return told
    return inWorld(
      context,
      kept,
      () => onceThere(stage.score(kept.world), (score) => ({ ...told, score })),
      (failed) => tell(context, failed, turn, agent, acted),
    )
  }

  function seen(context: ToolContext, kept: Kept, turn: Turn, agent: string): Soon<Seen> {
    const view = turn.views[agent]
    return onceThere(tell(context, kept, turn, agent, { earned: kept.earned[agent] ?? 0, error: null }), (told) => ({
      ...told,
      data: view?.data ?? null,
      actions: view?.actions ?? [],
      steps: turn.steps,
    }))
  }

  /** The player that a process is or works for: the outermost that is named like one. */
  function agentOf(context: ToolContext): string {
    // Below the episode, or, forked from outside, alone.
    const [first, name = first] = context.names
    if (name === null || name === undefined)
      throw new PolityError(
        'INVALID_ARGUMENT',
        `process ${context.pid} plays no part in an episode of ${world.id}: it is no player, nor below one`,
      )
    return name
  }

  const stateful = (
    name: string,
    description: string,
    effect: Effect,
    schema: { readonly [key: string]: Json },
    execute: (input: Json, context: ToolContext) => Soon<unknown>,
  ): Tool =>
    defineTool({
      name,
      description,
      effect,
      inputSchema: anything(schema),
      state: EPISODE,
      timeoutMs: WAIT_MS,
      execute: (input, context) => execute(input as Json, context),
    }) as Tool

  const actionTool = ({ name, description, input: schema, effect }: ActionDescription): Tool =>
    stateful(name, description, effect === 'read' ? 'read' : 'idempotent', schema, (args, context) => {
      const agent = agentOf(context)
      const isObject = typeof args === 'object' && args !== null && !Array.isArray(args)
      return act(
        agent,
        { agent, name, ...(isObject ? { args: args as { readonly [name: string]: Json } } : {}) },
        context,
      )
    })

  return {
    actionTool,
    view: stateful(VIEW, 'Looks at where things stand now. It takes no turn.', 'read', NO_INPUT, (_, context) =>
      see(agentOf(context), context),
    ),
    adopt: stateful(
      ADOPT,
      'Goes on from where a fork of this process stands.',
      'idempotent',
      { type: 'object', properties: { pid: { type: 'integer' } }, required: ['pid'] },
      (input, context) => {
        const { home, gone } = keptBy(context)
        const kept = { ...keptOf({ state: context.stateOf((input as { readonly pid: Pid }).pid) }), home, gone }
        context.keep(kept as unknown as Json)
        return onceThere(standing(context, kept), (there) => seen(context, there.kept, there.turn, agentOf(context)))
      },
    ),
    own: [
      stateful(RESET, 'Begins the episode.', 'idempotent', NO_INPUT, (input, context) => {
        const task = input as unknown as EpisodeTask
        const fresh: Omit<Kept, 'world'> = { home: context.space, gone: [], earned: {}, acted: {} }
        return orElse<readonly string[]>(
          () =>
            onceThere(stage.begin(task), ({ turn, state }) => {
              const kept: Kept = { world: state, ...fresh }
              turns.set(kept, turn)
              context.keep(kept as unknown as Json)
              return world.agents?.(task) ?? turn.toAct
            }),
          (thrown) => {
            const failed = { error: failureOf(thrown, context.signal), steps: 0 }
            context.keep({ world: null, ...fresh, failed } as unknown as Json)
            return [] // There is nothing to be played.
          },
        )
      }),
      stateful(AWAIT, 'Waits for the turn of a player.', 'read', NO_INPUT, (input, context) =>
        see((input as { readonly agent: string }).agent, context),
      ),
      stateful(LEAVE, 'A player has ended.', 'idempotent', NO_INPUT, (input, context) => {
        const { agent } = input as { readonly agent: string }
        const kept = keptBy(context)
        const next = { ...kept, gone: [...kept.gone.filter((one) => one !== agent), agent] }
        const turn = turns.get(kept)
        if (turn !== undefined) turns.set(next, turn)
        context.keep(next as unknown as Json)
        wakeAll(context.space)
        return null
      }),
      stateful(SCORE, 'Scores the episode.', 'read', NO_INPUT, (_, context) =>
        onceThere(standing(context), ({ kept, turn: { steps, done } }) => {
          const stateHash = stateHashOf(kept.world)
          if (kept.failed !== undefined) return unscored(kept.failed.error, kept.world, steps)
          return inWorld<Scored>(
            context,
            kept,
            () =>
              onceThere(stage.score(kept.world), (score) =>
                onceThere(stage.metrics(kept.world), (metrics) => ({ score, metrics, steps, done, stateHash })),
              ),
            ({ failed: { error } }) => unscored(error, kept.world, steps),
          )
        }),
      ),
    ],
  }
}

const NO_INPUT = Object.freeze({ type: 'object', properties: Object.freeze({}) })
const OVER = Object.freeze({ code: 'OVER', message: 'The episode is over: nothing more can be done.' })

/** Errors of a driver that a world throws: it cannot go on, whatever is asked of it. */
const worldFailures: ReadonlySet<ErrorCode> = new Set([
  'DRIVER_FAILED',
  'DRIVER_INVALID',
  'DRIVER_TIMEOUT',
  'DRIVER_UNAVAILABLE',
])

/** How a world failed; throws what is no failure of it: a call that was cancelled, a stage that is closed. */
export function failureOf(thrown: unknown, signal?: AbortSignal): Failure {
  if (signal?.aborted === true || (PolityError.isInstance(thrown) && !worldFailures.has(thrown.code))) throw thrown
  const { code, message } = toErrorData(thrown, 'DRIVER_FAILED')
  return { code, message }
}

/** How the world failed, where that is what a tool of an episode answered, in whichever process. */
export function failureIn(answer: Json | undefined): Failure | undefined {
  const { text, done, error } = (answer ?? {}) as Partial<Told>
  if (typeof text !== 'string' || done !== true || !worldFailures.has(error?.code as ErrorCode)) return undefined
  return error as Failure
}

/** What comes of an episode whose world has failed, as it stood before. */
export function unscored(failure: Failure, world: Json, steps: number): Scored {
  return { score: null, failure, metrics: {}, steps, done: false, stateHash: stateHashOf(world) }
}

/** Names a state of a world: equal states have equal hashes. */
export function stateHashOf(world: Json): string {
  return sha256(canonical(world))
}

/** The turn of a world that has failed. */
function overAfter(steps: number): Turn {
  return { toAct: [], views: {}, reward: {}, done: true, errors: [], steps }
}

function keptOf({ state }: Pick<ToolContext, 'state'>): Kept {
  if (state === undefined) throw new PolityError('INVALID_ARGUMENT', 'no episode has begun in this process tree')
  return state as unknown as Kept
}

function isText(value: string | undefined): value is string {
  return value !== undefined && value !== ''
}

function nothing(): void {}
