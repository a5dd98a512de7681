/**
 * Anchors: whether a task measures what it says. Who knows everything has to score full; who does nothing must not; and who
 * does all but the last thing that changes the world must not either.
 *
 *     const report = await verify(kernel, task)
 *     report.isSound
 *
 * A benchmark that fails this rewards doing nothing, or cannot be won: of tau-bench's airline tasks, an agent that never
 * writes solved more than a third (Yao et al. 2024 have tasks whose right end is to change nothing).
 */
import { canonical } from '../policy/canonical.ts'
import type { Action, Turn } from '../environments/environment.ts'
import { PolityError, messageOf } from '../kernel/errors.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Json } from '../kernel/types.ts'
import { evaluate } from './evaluate.ts'
import type { Sample, Solver, Task } from './task.ts'
import { partsOf, worldIn } from './team-world.ts'
import type { EpisodeTask, Stage, World } from './world.ts'
import { openStage } from './world.ts'

/** Who is let loose on every sample. */
export type Anchor = 'oracle' | 'no-op' | 'oracle minus last write'

/** What a sample was found to be worth. */
export interface Verified {
  readonly sample: string
  /** null where it could not be scored, or does not apply. */
  readonly scores: { readonly [anchor in Anchor]: number | null }
  /** What is wrong with the sample; nothing where it is sound. */
  readonly faults: readonly string[]
}

export interface VerifyReport {
  readonly task: string
  readonly isSound: boolean
  readonly samples: readonly Verified[]
}

/** Who hears how far it is. */
export interface VerifyOptions {
  /** The sample that is at work (of questions: that was just answered), how many are done, and how many there are. */
  readonly onSample?: (sample: string, done: number, all: number) => void
}

const FULL = 1 - 1e-9
/** Turns after which an oracle is given up. */
const TURNS_MAX = 10_000
/**
 * Turns after which nobody is scored where it stands: the longest episode of our own worlds. A world without a bound of its
 * own, in which nothing happens by itself, would never end.
 */
const IDLE_TURNS_MAX = 2_000

/** Every sample by every anchor. */
export async function verify(kernel: Kernel, task: Task, { onSample }: VerifyOptions = {}): Promise<VerifyReport> {
  const { world } = task
  const samples =
    world === undefined
      ? await verifyAnswers(kernel, task, onSample)
      : await verifyEpisodes(world, task.samples, onSample)
  return { task: task.name, isSound: samples.every(({ faults }) => faults.length === 0), samples }
}

// --------------------------------------------------------------------------------------------------------------- worlds

async function verifyEpisodes(
  world: World,
  samples: readonly Sample[],
  onSample: VerifyOptions['onSample'],
): Promise<Verified[]> {
  const stage = openStage(world)
  const found: Verified[] = []
  try {
    for (const { id, episode } of samples) {
      if (episode === undefined) throw new PolityError('INVALID_ARGUMENT', `sample ${id} has no episode`)
      onSample?.(id, found.length, samples.length)
      found.push(await verifyEpisode(world, stage, id, episode))
    }
  } finally {
    await stage.close()
  }
  return found
}

async function verifyEpisode(world: World, stage: Stage, sample: string, task: EpisodeTask): Promise<Verified> {
  const { oracle } = world
  const floor = world.floor?.(task) ?? 0
  const nothing = await playedThrough(stage, task, () => [], IDLE_TURNS_MAX)
  const idle = await stage.score(nothing)
  const faults: string[] = []
  if (idle > floor + 1e-9)
    faults.push(`doing nothing scores ${idle}, more than the ${floor} that the world says it does`)
  if (floor >= FULL) {
    // The best that can be done is nothing: such a sample tells who refrains from the others, and has no write to leave out.
    return {
      sample,
      scores: { oracle: null, 'no-op': idle, 'oracle minus last write': null },
      faults: [...faults, 'doing nothing scores full'],
    }
  }
  if (oracle === undefined)
    return { sample, scores: { oracle: null, 'no-op': idle, 'oracle minus last write': null }, faults }
  const turns: Played[] = []
  const ended = await playedThrough(stage, task, async (state, turn) => {
    const actions = await oracle(state)
    turns.push({ actions, turn, state })
    return actions
  })
  const best = await stage.score(ended)
  if (best < FULL) faults.push(`the oracle scores ${best}, not 1`)
  const without = await withoutLastWrite(stage, turns)
  let less: number | null = null
  if (without === undefined) faults.push('the oracle writes nothing')
  else {
    let at = 0
    // What follows the missing write is done as before; then nothing more.
    const state = await playedThrough(stage, task, () => without[at++] ?? 'stop')
    less = await stage.score(state)
    if (less >= FULL) faults.push('the oracle scores full without its last write')
  }
  return { sample, scores: { oracle: best, 'no-op': idle, 'oracle minus last write': less }, faults }
}

/** Plays until the end, or until it is told to stop; the state then. */
async function playedThrough(
  stage: Stage,
  task: EpisodeTask,
  choose: (state: Json, turn: Turn) => readonly Action[] | 'stop' | Promise<readonly Action[] | 'stop'>,
  turnsMax = TURNS_MAX,
): Promise<Json> {
  let { state, turn } = await stage.begin(task)
  for (let turns = 0; !turn.done && turns < turnsMax; turns++) {
    const actions = await choose(state, turn)
    if (actions === 'stop') break
    ;({ state, turn } = await stage.step(state, actions))
  }
  return state
}

/** A turn that was played, and where it began. */
interface Played {
  readonly actions: readonly Action[]
  readonly turn: Turn
  readonly state: Json
}

/**
 * The same turns without the last action that changes the world: it is described as one that does, and the turn ends
 * otherwise without it (to pass may be what happens anyway). Of a team's action it is one player's. undefined where there is none.
 */
async function withoutLastWrite(stage: Stage, turns: readonly Played[]): Promise<(readonly Action[])[] | undefined> {
  for (const [i, { actions, turn, state }] of [...turns.entries()].toReversed()) {
    for (const { effect, rest, stateOf } of leftOut(actions, turn).toReversed()) {
      if (effect === 'read' || effect === 'tell') continue
      const [one, other] = [await stage.step(state, actions), await stage.step(state, rest)]
      if (canonical(stateOf(one.state)) !== canonical(stateOf(other.state)))
        return turns.map((played, k) => (k === i ? rest : played.actions))
    }
  }
  return undefined
}

/** The actions of a turn, each left out. */
function leftOut(actions: readonly Action[], turn: Turn) {
  return actions.flatMap((action, j) => {
    const parts = partsOf(turn, action)
    if (parts !== undefined)
      return parts.map(({ effect, without }) => ({ effect, rest: actions.with(j, without), stateOf: worldIn }))
    const effect = turn.views[action.agent]?.actions.find((one) => one.name === action.name)?.effect
    return [{ effect, rest: actions.filter((_, k) => k !== j), stateOf: (state: Json): Json => state }]
  })
}

// -------------------------------------------------------------------------------------------------------------- answers

/** Of questions: the right answer, and none. */
async function verifyAnswers(kernel: Kernel, task: Task, onSample: VerifyOptions['onSample']): Promise<Verified[]> {
  const right = new Map(task.samples.map((sample) => [sample.id, rightAnswer(task, sample)]))
  const samples = task.samples.map((sample) => ({ ...sample, input: sample.id }))
  const byId = (name: string, answer: (id: string) => Json): Solver => ({
    name,
    program: defineProgram(`anchor:${name}`, async (_, { question }: { readonly question: string }) =>
      answer(question),
    ),
  })
  const scorer = task.scorers[0]?.name ?? ''
  const solvers = [byId('oracle', (id) => right.get(id) ?? null), byId('no-op', () => '')]
  const log = await evaluate(kernel, {
    tasks: [{ ...task, samples }],
    solvers,
    onTrial: ({ sample }, done) => onSample?.(sample, Math.floor(done / solvers.length), samples.length),
  })
  return task.samples.map(({ id }) => {
    const scoreOf = (solver: string): number | null =>
      log.trials.find((trial) => trial.sample === id && trial.solver === solver)?.scores[scorer]?.value ?? null
    const why = (solver: string): string =>
      log.trials.find((trial) => trial.sample === id && trial.solver === solver)?.scores[scorer]?.explanation ?? ''
    const [best, idle] = [scoreOf('oracle'), scoreOf('no-op')]
    const faults: string[] = []
    if (best === null || best < FULL)
      faults.push(`the right answer scores ${best ?? 'nothing'}, not 1: ${why('oracle')}`)
    if (idle !== null && idle >= FULL) faults.push('no answer scores full')
    return { sample: id, scores: { oracle: best, 'no-op': idle, 'oracle minus last write': null }, faults }
  })
}

function rightAnswer({ oracle }: Task, sample: Sample): Json {
  try {
    const [first] = Array.isArray(sample.target) ? (sample.target as readonly Json[]) : [sample.target ?? null]
    return oracle === undefined ? (first ?? null) : oracle(sample)
  } catch (error) {
    throw new PolityError('INVALID_ARGUMENT', `sample ${sample.id}: ${messageOf(error)}`, { cause: error })
  }
}
