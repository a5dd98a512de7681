/**
 * An episode as a process: programs act in a world by calling tools, one tool for each action.
 *
 *     const run = spawnEpisode(kernel, worldOf(craft), { params: craft.task(7), seed: 7 }, { program: react })
 *     const { score } = await run.result
 *
 * The episode is a root process. It begins the world, starts one child for each player, named like it, with the actions as
 * its tools and a `question`, waits for them and scores. The world's state is a state of those tools, kept by the kernel
 * (tool-state.ts): a fork of a player goes on in its own copy, a restore takes it back, a crash loses nothing of it.
 *
 * Invariants
 *   EP1. A step of the world is taken once for each action that the journal has, however often its process is forked,
 *        stopped and resumed.
 *   EP2. Players that are to act together are heard together: none sees what came of a turn before all that are left have
 *        acted. In a fork of one of several, the others do nothing; in a fork of the episode itself, they play on together.
 *   EP3. An action that cannot be done is told as `error`; only a call of a tool that is not held fails.
 *   EP4. A world that fails (its process, its server, its browser is gone) has ended, for everybody and for good: who acts is
 *        told why, and the episode is not scored. What a fork met that nobody went on from is not of the episode.
 */
import type { Seen as SeenByPrograms, Told } from '../agents/pieces/acting.ts'
import { canonical } from '../policy/canonical.ts'
import type { Action, ActionDescription, Turn } from '../environments/environment.ts'
import { sha256 } from '../kernel/digest.ts'
import { PolityError, toErrorData } from '../kernel/errors.ts'
import type { ErrorCode, ErrorData } from '../kernel/errors.ts'
import type { Kernel, Run } from '../kernel/kernel.ts'
import { defineProgram } from '../kernel/program.ts'
import { defineTool } from '../kernel/tools.ts'
import type {
  Budget,
  Effect,
  Json,
  Pid,
  Program,
  RunOptions,
  Sys,
  Tool,
  ToolContext,
  ToolSchema,
} from '../kernel/types.ts'
import type { EpisodeTask, Soon, Stage, World } from './world.ts'
import { onceThere, openStage, orElse } from './world.ts'

/** What a player is told of every action. */
export type { Told }

/** What a program is told that looks. */
export interface Seen extends SeenByPrograms {
  /** What can be done now. */
  readonly actions: readonly ActionDescription[]
  /** Turns before this one. */
  readonly steps: number
}

/** What every program in an episode is given, with what its solver adds. */
export interface Question {
  readonly question: string
}

/** Who plays, and what they hold. */
export interface Players {
  /** One program for all players, or one for each by its name. */
  readonly program: Program<never, unknown> | { readonly [agent: string]: Program<never, unknown> }
  /** What a program's input has beside `question`. */
  readonly input?: { readonly [name: string]: Json }
  /** Tools that they hold beside the actions; one with `state: 'episode'` may read the state (`worldState`). */
  readonly tools?: readonly Tool[]
  /** They hold `episode_adopt`: programs that search by forks. @default false */
  readonly search?: boolean
  /** They are told the score when the episode is over. @default false */
  readonly tellScore?: boolean
  /** Of each player; that of the episode binds all of them together. @default none */
  readonly budget?: Budget
}

/** What came of an episode. */
export interface EpisodeResult {
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
  /** What each player returned, or why it failed. */
  readonly players: { readonly [agent: string]: { readonly output: Json } | { readonly error: ErrorData } }
}

/** The name of the state; tools of a task that look into the world have it too. */
export const EPISODE = 'episode'
export const VIEW = 'episode_view'
export const ADOPT = 'episode_adopt'
const RESET = 'episode_reset'
const AWAIT = 'episode_await'
const LEAVE = 'episode_leave'
const SCORE = 'episode_score'
/** What models take for a name of a tool. */
const ACTION_NAME = /^[A-Za-z0-9_-]{1,64}$/
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

type Failure = Pick<ErrorData, 'code' | 'message'>

type Scored = Omit<EpisodeResult, 'players'>

interface Acted {
  /** Of the call: it is not done again when a crash came before its end. */
  readonly key: string
  /** What it had earned before. */
  readonly earned: number
  readonly error: { readonly code: string; readonly message: string } | null
}

/** Starts an episode. Resuming: start it again with the same `once`, on a kernel with the same store. */
export async function spawnEpisode(
  kernel: Kernel,
  world: World,
  task: EpisodeTask,
  players: Players,
  options: RunOptions = {},
): Promise<Run<EpisodeResult>> {
  const stage = openStage(world)
  try {
    const run = kernel.spawn(await episodeOf(world, task, players, stage), task, options)
    const close = (): void => void stage.close()
    run.result.then(close, close)
    return run
  } catch (error) {
    await stage.close()
    throw error
  }
}

/** The program of an episode, on a stage that whoever asks closes. Those that have the same players and actions are one by name. */
export async function episodeOf(
  world: World,
  task: EpisodeTask,
  players: Players,
  stage: Stage,
): Promise<Program<EpisodeTask, EpisodeResult>> {
  const actions = byName(world, await world.actions(task))
  const { program, input = {}, tools: extra = [], search = false, tellScore = false, budget } = players
  const agents = await agentsOf(world, stage, task)
  const table = createTable(world, stage, tellScore, agents)
  const common = [
    ...actions.map((action) => table.actionTool(action)),
    table.view,
    ...(search ? [table.adopt] : []),
    ...extra,
  ]
  const programOf = (agent: string): Program<never, unknown> => {
    if (typeof program.run === 'function') return program as Program<never, unknown>
    const one = (program as { readonly [agent: string]: Program<never, unknown> })[agent]
    if (one === undefined)
      throw new PolityError(
        'INVALID_ARGUMENT',
        `${world.id} has a player "${agent}", and there is no program for it; there are programs for ${Object.keys(program).join(', ')}`,
      )
    return one
  }
  const toolsOf = (agent: string): readonly string[] => [
    ...new Set([...common, ...programOf(agent).tools].map(({ name }) => name)),
  ]
  const own = new Set(agents.flatMap((agent) => programOf(agent).tools))
  const identity = canonical({
    world: [world.id, world.version],
    actions: actions as unknown as Json,
    agents: agents.map((agent) => [agent, programOf(agent).name, programOf(agent).version, toolsOf(agent)]),
    input,
    tellScore,
    budget: { ...budget },
  })
  return defineProgram(
    `episode:${world.id}`,
    async (sys: Sys, given: EpisodeTask): Promise<EpisodeResult> => {
      const everybody = await sys.call<readonly string[]>(RESET, given as unknown as Json)
      const play = async (agent: string): Promise<[string, EpisodeResult['players'][string]]> => {
        const { text, error } = await sys.call<Seen>(AWAIT, { agent })
        if (error !== undefined) return [agent, { error: error as ErrorData }]
        const question = `${world.description}\n\n${text}`
        const pid = await sys.spawn(
          programOf(agent) as Program<Json, Json>,
          { question, ...input },
          { name: agent, tools: toolsOf(agent), ...(budget === undefined ? {} : { budget }) },
        )
        const end = await sys.wait(pid).then(
          (output) => ({ output }),
          (error: unknown) => ({ error: toErrorData(error) }),
        )
        await sys.call(LEAVE, { agent })
        return [agent, end]
      }
      const ends = await Promise.all(everybody.map(play))
      const scored = await sys.call<Scored>(SCORE, null)
      return { ...scored, players: Object.fromEntries(ends) }
    },
    { version: sha256(identity).slice(0, 16), tools: [...new Set([...common, ...own, ...table.own])] },
  )
}

/** The state of the world, as a tool with `state: 'episode'` reads it; throws before the episode has begun. */
export function worldState(context: Pick<ToolContext, 'state'>): Json {
  return keptOf(context).world
}

async function agentsOf(world: World, stage: Stage, task: EpisodeTask): Promise<readonly string[]> {
  return (await world.agents?.(task)) ?? (await stage.begin(task)).turn.toAct
}

/** Each action once. Throws `CONFIG_INVALID` for names that models cannot say, and for one name with two meanings. */
function byName(world: World, actions: readonly ActionDescription[]): readonly ActionDescription[] {
  const found = new Map<string, ActionDescription>()
  for (const action of actions) {
    if (!ACTION_NAME.test(action.name) || action.name.startsWith('episode_'))
      throw new PolityError(
        'CONFIG_INVALID',
        `${world.id}: an action's name is 1 to 64 letters, digits, "_" or "-", and does not begin with "episode_"; not ${JSON.stringify(action.name)}`,
      )
    const other = found.get(action.name)
    if (other !== undefined && canonical(other.input) !== canonical(action.input))
      throw new PolityError(
        'CONFIG_INVALID',
        `${world.id} offers two actions named "${action.name}" with different arguments; one name has to have one meaning in an episode`,
      )
    found.set(action.name, other ?? action)
  }
  return [...found.values()]
}

// -------------------------------------------------------------------------------------------------------------- the tools

/** Where players sit: the tools of an episode, and who waits for whom in each space. */
function createTable(world: World, stage: Stage, tellScore: boolean, agents: readonly string[]) {
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
      const failed = { error: failureOf(thrown, context), steps: turns.get(kept)?.steps ?? 0 }
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
  function step(context: ToolContext, kept: Kept): Soon<void> {
    const { space } = context
    const waiting = waitingIn(space)
    const given = [...waiting.given].map(([agent, one]) => ({ agent, ...one }))
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
      return onceThere(step(context, kept), () => look())
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
            const failed = { error: failureOf(thrown, context), steps: 0 }
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
          const stateHash = sha256(canonical(kept.world))
          const unscored = ({ error }: { readonly error: Failure }): Scored => ({
            score: null,
            failure: error,
            metrics: {},
            steps,
            done: false,
            stateHash,
          })
          if (kept.failed !== undefined) return unscored(kept.failed)
          return inWorld<Scored>(
            context,
            kept,
            () =>
              onceThere(stage.score(kept.world), (score) =>
                onceThere(stage.metrics(kept.world), (metrics) => ({ score, metrics, steps, done, stateHash })),
              ),
            ({ failed }) => unscored(failed),
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
function failureOf(thrown: unknown, { signal }: Pick<ToolContext, 'signal'>): Failure {
  if (signal.aborted || (PolityError.isInstance(thrown) && !worldFailures.has(thrown.code))) throw thrown
  const { code, message } = toErrorData(thrown, 'DRIVER_FAILED')
  return { code, message }
}

/** The turn of a world that has failed. */
function overAfter(steps: number): Turn {
  return { toAct: [], views: {}, reward: {}, done: true, errors: [], steps }
}

function keptOf({ state }: Pick<ToolContext, 'state'>): Kept {
  if (state === undefined) throw new PolityError('INVALID_ARGUMENT', 'no episode has begun in this process tree')
  return state as unknown as Kept
}

/** A schema that models see and that lets everything pass: what an action takes, the world itself checks, and says so. */
export function anything(schema: { readonly [key: string]: Json }): ToolSchema<unknown> {
  const describe = () => schema
  return {
    '~standard': {
      version: 1,
      vendor: 'polity',
      validate: (value) => ({ value }),
      jsonSchema: { input: describe, output: describe },
    },
  }
}

function isText(value: string | undefined): value is string {
  return value !== undefined && value !== ''
}

function nothing(): void {}
