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
 *        acted, and their actions are taken in the order of the turn, whoever was heard first. In a fork of one of several, the others do nothing; in a fork of the episode itself, they play on together.
 *   EP3. An action that cannot be done is told as `error`; only a call of a tool that is not held fails.
 *   EP4. A world that fails (its process, its server, its browser is gone) has ended, for everybody and for good: who acts is
 *        told why, and the episode is not scored, also where it fails before anybody can act. What a fork met that nobody went
 *        on from is not of the episode.
 */
import { canonical } from '../policy/canonical.ts'
import type { ActionDescription } from '../environments/environment.ts'
import { sha256 } from '../kernel/digest.ts'
import type { ErrorData } from '../kernel/errors.ts'
import { PolityError, toErrorData } from '../kernel/errors.ts'
import type { Kernel, Run } from '../kernel/kernel.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Budget, Json, Program, RunOptions, Sys, Tool } from '../kernel/types.ts'
import type { Failure, Scored, Seen } from './episode-tools.ts'
import { AWAIT, LEAVE, RESET, SCORE, createTable, failureOf, unscored } from './episode-tools.ts'
import type { EpisodeTask, Stage, World } from './world.ts'
import { openStage } from './world.ts'

export type { Seen, Told } from './episode-tools.ts'
export { ADOPT, VIEW } from '../agents/pieces/acting.ts'
export { EPISODE, worldState } from './episode-tools.ts'

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
export interface EpisodeResult extends Scored {
  /** What each player returned, or why it failed. */
  readonly players: { readonly [agent: string]: { readonly output: Json } | { readonly error: ErrorData } }
}

/** Of all players together, as JSON: scorers are given it twice, beside the sample, in one value (`valueBytesMax`, 1 MB). */
const OUTPUT_BYTES_MAX = 262_144
/** What models take for a name of a tool. */
const ACTION_NAME = /^[A-Za-z0-9_-]{1,64}$/
/**
 * Starts an episode. Resuming: start it again with the same `once`, on a kernel with the same store; one that could not begin is
 * begun again by that.
 */
export async function spawnEpisode(
  kernel: Kernel,
  world: World,
  task: EpisodeTask,
  players: Players,
  options: RunOptions = {},
): Promise<Run<EpisodeResult>> {
  const stage = openStage(world)
  try {
    const program = await episodeOf(world, task, players, stage)
    const { once, ...others } = options
    const run = kernel.spawn(program, task, once === undefined || hasBegun(program) ? options : others)
    const close = (): void => void stage.close()
    run.result.then(close, close)
    return run
  } catch (error) {
    await stage.close()
    throw error
  }
}

/**
 * The program of an episode, on a stage that whoever asks closes. Those that have the same players and actions are one by name.
 * Where the world cannot even say who acts and how, it is one that ends at once, not scored: see `hasBegun`.
 */
export async function episodeOf(
  world: World,
  task: EpisodeTask,
  players: Players,
  stage: Stage,
): Promise<Program<EpisodeTask, EpisodeResult>> {
  let actions: readonly ActionDescription[]
  let agents: readonly string[]
  try {
    actions = byName(world, await world.actions(task))
    agents = await agentsOf(world, stage, task)
  } catch (thrown) {
    return unbegun(world, failureOf(thrown))
  }
  const { program, input = {}, tools: extra = [], search = false, tellScore = false, budget } = players
  checkBeside(input)
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
        // Who cannot begin has failed, as who ends with an error has: others may have used up what all may spend.
        const end = await sys
          .spawn(
            programOf(agent) as Program<Json, Json>,
            { question, ...input },
            { name: agent, tools: toolsOf(agent), ...(budget === undefined ? {} : { budget }) },
          )
          .then((pid) => sys.wait(pid))
          .then(
            (output) => endedWith(output, everybody.length),
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

/** What a program returned; one of several players may return its part of the most. More than scorers can be given is a failure. */
export function endedWith(output: Json, players = 1): EpisodeResult['players'][string] {
  const [bytes, most] = [Buffer.byteLength(JSON.stringify(output)), Math.floor(OUTPUT_BYTES_MAX / players)]
  if (bytes <= most) return { output }
  return {
    error: toErrorData(new PolityError('TOO_LARGE', `the output has ${bytes} bytes; a player’s may have ${most}`)),
  }
}

/** Throws `INVALID_ARGUMENT` for an input that would ask another question than the task does. */
export function checkBeside(input: { readonly [name: string]: Json } = {}): void {
  if (Object.hasOwn(input, 'question'))
    throw new PolityError(
      'INVALID_ARGUMENT',
      'the question is that of the task; leave out "question" of the input, which is what programs are given beside it',
    )
}

/** False of an episode whose world failed before it could begin: it is worth another try, under the same key too. */
export function hasBegun({ version }: Pick<Program<never, unknown>, 'version'>): boolean {
  return version !== UNBEGUN
}

const UNBEGUN = 'unbegun'

function unbegun({ id }: World, failure: Failure): Program<EpisodeTask, EpisodeResult> {
  return defineProgram(`episode:${id}`, async () => ({ ...unscored(failure, null, 0), players: {} }), {
    version: UNBEGUN,
  })
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
