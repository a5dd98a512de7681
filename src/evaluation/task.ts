/**
 * What is evaluated: tasks of samples, solvers that answer them, scorers that judge the answers. Plain data and programs.
 *
 *     const task: Task = { name: 'sums', samples: [{ id: '1', input: '1 + 1?', target: '2' }], scorers: [exact()] }
 *     const task = worldTask(worldOf(craft), { seeds: 20, level: 2, params: (seed, level) => craft.task(seed, level) })
 *     const solver: Solver = { name: 'react', program: react }
 *
 * The words are those of Inspect (UK AI Security Institute): a task is a data set, a solver and scorers; a score is of one
 * sample, a reducer makes one of those of several epochs, a metric is of all samples.
 */
import type { Budget, Json, ModelChoice, Program, Sys, Tool } from '../kernel/types.ts'
import { defineProgram } from '../kernel/program.ts'
import type { KeysOf } from '../kernel/known-keys.ts'
import { checkKeys } from '../kernel/known-keys.ts'
import type { ErrorData } from '../kernel/errors.ts'
import { PolityError } from '../kernel/errors.ts'
import type { EpisodeResult } from './episode.ts'
import type { EpisodeTask, World } from './world.ts'

/** One question, or one episode. */
export interface Sample {
  /** Stays the same over all runs; 1 to 200 characters. */
  readonly id: string
  /** What the solver is asked, as `question`; of an episode, the world says it. */
  readonly input?: string
  /** What a right answer is held against. */
  readonly target?: Json
  /** Where the episode begins. */
  readonly episode?: EpisodeTask
  /** What it was made from: samples of one template are not independent. @default its own */
  readonly cluster?: string
  /** Whatever a scorer needs beside it. */
  readonly data?: { readonly [name: string]: Json }
}

/** What is asked, and how answers are judged. */
export interface Task {
  readonly name: string
  /** @default '1' */
  readonly version?: string
  readonly description?: string
  readonly samples: readonly Sample[]
  /** The first is the one that counts in comparisons. @default of a world: `episodeScore()` */
  readonly scorers: readonly Scorer[]
  /** Where samples with an `episode` take place. */
  readonly world?: World
  /** Tools that solvers hold beside the actions of the world. */
  readonly tools?: readonly Tool[]
  /** Players are told the score when an episode is over. @default false */
  readonly tellScore?: boolean
  /** What somebody who knows it all would answer, where there is no world: for `verify`. @default the target */
  readonly oracle?: (sample: Sample) => Json
}

/** Who answers. */
export interface Solver {
  readonly name: string
  /** Takes `{ question, … }`; of several players, one for each. */
  readonly program: Program<never, unknown> | { readonly [agent: string]: Program<never, unknown> }
  /** What its input has beside `question`. */
  readonly input?: { readonly [name: string]: Json }
  /** It searches by forks: it holds `episode_adopt`. @default false */
  readonly search?: boolean
  readonly tools?: readonly Tool[]
}

/** What came of one try. */
export interface Answer {
  readonly sample: Sample
  /** What the solver returned; null where it failed. */
  readonly output: Json
  readonly error?: ErrorData
  /** Of a sample in a world. */
  readonly episode?: EpisodeResult
}

/** What a scorer says of an answer. */
export interface Score {
  /** 0 to 1; null where it could not be scored, which is not 0. */
  readonly value: number | null
  readonly explanation?: string
  /** What was found in the output and judged. */
  readonly answer?: string
}

/** A judge of answers: a program, so that what it does is journaled and what it costs is counted. */
export interface Scorer {
  readonly name: string
  /** A model judges: its scores are told apart from those that anybody can compute again. */
  readonly isJudge: boolean
  readonly program: Program<Answer, Score>
  /** What may be spent on one score. @default nothing: no model call */
  readonly budget?: Budget
}

export interface ScorerOptions {
  readonly version?: string
  readonly tools?: readonly Tool[]
  readonly model?: ModelChoice
  readonly isJudge?: boolean
  readonly budget?: Budget
}

const scorerKeys: KeysOf<ScorerOptions> = { version: true, tools: true, model: true, isJudge: true, budget: true }

/** A scorer. Throws `CONFIG_INVALID`. */
export function defineScorer(
  name: string,
  score: (sys: Sys, answer: Answer) => Score | Promise<Score>,
  given: ScorerOptions = {},
): Scorer {
  checkKeys(`scorer ${name}`, given, scorerKeys)
  const { isJudge = false, budget = { steps: 0 }, ...options } = given
  const program = defineProgram(
    `score:${name.replaceAll(/\s+/g, '-')}`,
    async (sys, answer: Answer) => score(sys, answer),
    options,
  )
  return Object.freeze({ name, isJudge, program, budget })
}

/** Episodes of a world as a task, scored by the world itself. Throws `INVALID_ARGUMENT` for `seeds` that are none. */
export function worldTask(
  world: World,
  {
    seeds,
    level,
    from = 1,
    params,
    ...more
  }: {
    readonly params: (seed: number, level?: number) => Json
    /** How many episodes, each of another seed. Minimum: 1 */
    readonly seeds: number
    /** The first seed. @default 1 */
    readonly from?: number
    readonly level?: number
  } & Partial<Pick<Task, 'scorers' | 'tools' | 'tellScore' | 'name'>>,
): Task {
  if (!Number.isSafeInteger(seeds) || seeds < 1)
    throw new PolityError('INVALID_ARGUMENT', `worldTask: seeds takes a whole number from 1, not ${seeds}`)
  const samples = Array.from({ length: seeds }, (_, i): Sample => {
    const seed = from + i
    return {
      id: `${level === undefined ? '' : `level ${level}, `}seed ${seed}`,
      episode: { params: params(seed, level), seed },
    }
  })
  return {
    name: world.id,
    version: world.version,
    description: world.description,
    scorers: [episodeScore()],
    ...more,
    world,
    samples,
  }
}

/** How well the episode went, as its world says. */
export function episodeScore(): Scorer {
  return defineScorer('episode', (_, { episode }) =>
    episode === undefined
      ? { value: null, explanation: 'there was no episode' }
      : {
          value: episode.score,
          explanation: `${episode.steps} turns${episode.done ? '' : ', not to its end'}`,
        },
  )
}
