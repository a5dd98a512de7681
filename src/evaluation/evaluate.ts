/**
 * Evaluations: every solver at every sample of every task, each try a process of its own, with the same budget.
 *
 *     const log = await evaluate(kernel, { tasks: [task], solvers: [a, b], epochs: 4, budget: { tokens: 20_000 } })
 *
 * A try is a root process under a key that names it, and so is its score: what ended is not done again. So an evaluation
 * that was interrupted, also by kill -9, goes on when it is called again with the same tasks on the same store.
 *
 * Invariants
 *   EV1. Tries are apart: each has its own principal, and so its own notes, files, mail and world.
 *   EV2. Every try has the same budget, and the kernel enforces it; what scoring costs is not the solver's.
 *   EV3. What could not be scored is null, not 0; so is every score of a try whose world failed, in the episode, in a fork of it
 *        or before it began.
 */
import { canonical } from '../policy/canonical.ts'
import { sha256 } from '../kernel/digest.ts'
import type { ErrorData } from '../kernel/errors.ts'
import { PolityError, toErrorData } from '../kernel/errors.ts'
import type { KeysOf } from '../kernel/known-keys.ts'
import { checkKeys } from '../kernel/known-keys.ts'
import type { Kernel, Run } from '../kernel/kernel.ts'
import { defineProgram } from '../kernel/program.ts'
import { unsettledUsage } from '../kernel/past.ts'
import type {
  Budget,
  CallEnd,
  CallStart,
  Generation,
  Json,
  Pid,
  Program,
  Reservation,
  RunOptions,
  Tool,
} from '../kernel/types.ts'
import { failureIn, type Failure } from './episode-tools.ts'
import type { EpisodeResult } from './episode.ts'
import { checkBeside, endedWith, episodeOf, hasBegun } from './episode.ts'
import type { Log, LogCall, Trial } from './log.ts'
import { resultsOf } from './metrics.ts'
import type { Answer, Sample, Score, Scorer, Solver, Task } from './task.ts'
import type { Stage } from './world.ts'
import { openStage } from './world.ts'

/** What is evaluated, and how. */
export interface EvaluateOptions {
  readonly tasks: readonly Task[]
  readonly solvers: readonly Solver[]
  /** Tries of each sample. Minimum 1. @default 1 */
  readonly epochs?: number
  /** Of each try. `wallMs` is of each player, so that what it did is scored. @default none */
  readonly budget?: Budget
  /** Tries at the same time. Minimum 1. @default 4 */
  readonly concurrency?: number
  /** Names the evaluation; the same one on the same store goes on. 1 to 100 printable characters. @default from what is evaluated, and by which model */
  readonly id?: string
  /** Hears of each try when it is scored. */
  readonly onTrial?: (trial: Trial, done: number, all: number) => void
  /** Stops it after the tries that are under way; the log then says that it is not complete. */
  readonly signal?: AbortSignal
}

const optionKeys: KeysOf<EvaluateOptions> = {
  tasks: true,
  solvers: true,
  epochs: true,
  budget: true,
  concurrency: true,
  id: true,
  onTrial: true,
  signal: true,
}

/** Characters of the arguments and of the end of a call that a log has. */
const CALL_CHARS = { args: 1_000, end: 2_000 }
/** Calls of a try that a log has, its children's among them. */
const CALLS_MAX = 200
const SCORED_BY_NOTHING: Budget = { steps: 0 }
/** By how much a sum of shares may be off. */
const ROUNDING = 1e-9
/** With a digest behind it, it is a principal: 200 characters at most (syscalls.ts). */
const ID = /^[^\p{Cc}\p{Cs}]{1,100}$/u

/** Runs all of it. Throws `INVALID_ARGUMENT` for what cannot be evaluated; a solver that fails is a try that failed. */
export async function evaluate(kernel: Kernel, options: EvaluateOptions): Promise<Log> {
  checkKeys('evaluate', options, optionKeys, 'INVALID_ARGUMENT')
  const { tasks, solvers, epochs = 1, budget = {}, concurrency = 4, onTrial, signal } = options
  check(options)
  const id = options.id ?? idOf(kernel, options)
  const stages = new Map<Task, Stage>()
  for (const task of tasks) if (task.world !== undefined) stages.set(task, openStage(task.world))
  const jobs = tasks.flatMap((task) =>
    task.samples.flatMap((sample) =>
      solvers.flatMap((solver) =>
        Array.from({ length: epochs }, (_, i) => ({ task, sample, solver, epoch: i + 1, stage: stages.get(task) })),
      ),
    ),
  )
  const trials: Trial[] = []
  const models = new Map<string, Set<string>>(solvers.map(({ name }) => [name, new Set()]))
  let hasFailed = false
  let next = 0
  let done = 0
  let at = Infinity
  const work = async (): Promise<void> => {
    while (next < jobs.length && signal?.aborted !== true && !hasFailed) {
      const place = next++
      const job = jobs[place] as Job
      try {
        const { trial, startedAt, answered } = await tried(kernel, id, job, budget)
        at = Math.min(at, startedAt)
        trials[place] = trial
        for (const model of answered) models.get(job.solver.name)?.add(model)
        onTrial?.(trial, ++done, jobs.length)
      } catch (error) {
        hasFailed = true
        throw error
      }
    }
  }
  // Worlds are closed once nobody acts in them any more.
  const ends = await Promise.allSettled(Array.from({ length: Math.min(concurrency, jobs.length) }, work))
  await Promise.all([...stages.values()].map((stage) => stage.close()))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  const kept = trials.filter((one) => one !== undefined)
  const told: Pick<Log, 'tasks' | 'solvers' | 'epochs'> = {
    epochs,
    tasks: tasks.map((task) => taskLine(task)),
    solvers: solvers.map((solver) => ({
      name: solver.name,
      programs: programsOf(solver).map(({ name, version }) => `${name}@${version}`),
      ...(solver.input === undefined ? {} : { input: solver.input as Log['solvers'][number]['input'] }),
      model: [...(models.get(solver.name) ?? [])].toSorted().join(', '),
    })),
  }
  return {
    format: 'polity-evaluation',
    formatVersion: 1,
    id,
    at: Number.isFinite(at) ? at : 0,
    isComplete: kept.length === jobs.length,
    budget: { ...budget } as { [name: string]: number },
    ...told,
    trials: kept,
    results: [...resultsOf({ ...told, trials: kept })],
  }
}

interface Job {
  readonly task: Task
  readonly sample: Sample
  readonly solver: Solver
  readonly epoch: number
  readonly stage: Stage | undefined
}

function check({ tasks, solvers, epochs = 1, concurrency = 4, id: given }: EvaluateOptions): void {
  const wrong = (what: string) => new PolityError('INVALID_ARGUMENT', `evaluate: ${what}`)
  for (const [name, value] of Object.entries({ epochs, concurrency }))
    if (!Number.isSafeInteger(value) || value < 1) throw wrong(`${name} takes a whole number from 1, not ${value}`)
  if (given !== undefined && !ID.test(given)) throw wrong('id takes 1 to 100 printable characters')
  if (tasks.length === 0 || solvers.length === 0) throw wrong('it takes at least one task and one solver')
  const twice = (names: readonly string[]): string | undefined => names.find((name, i) => names.indexOf(name) !== i)
  const named = twice(tasks.map((one) => one.name)) ?? twice(solvers.map((one) => one.name))
  if (named !== undefined) throw wrong(`two of them are named "${named}"; give each a name of its own`)
  for (const { input } of solvers) checkBeside(input)
  for (const { name, samples, scorers, world } of tasks) {
    const same = twice(samples.map((one) => one.id))
    if (same !== undefined) throw wrong(`two samples of ${name} have the id "${same}"`)
    if (scorers.length === 0) throw wrong(`${name} has no scorer`)
    const scorer = twice(scorers.map((one) => one.name))
    if (scorer !== undefined)
      throw wrong(`two scorers of ${name} are named "${scorer}"; give one of them another name: { ...scorer, name }`)
    for (const { id, input, episode } of samples) {
      if (id === '' || id.length > 200)
        throw wrong(`a sample of ${name} has an id of ${id.length} characters; it takes 1 to 200`)
      if (episode === undefined ? input === undefined : world === undefined)
        throw wrong(`sample ${id} of ${name} has neither an input nor an episode in a world`)
    }
  }
}

/** By all that decides what a try comes to. `epochs` does not: more of them go on where fewer ended. */
function idOf(kernel: Kernel, { tasks, solvers, budget = {} }: EvaluateOptions): string {
  const named = (tools: readonly Tool[] = []): readonly string[] => tools.map(({ name }) => name)
  const identity = ({ name, version, model, tools }: Program<never, unknown>): Json => [
    name,
    version,
    (model ?? null) as Json,
    named(tools),
  ]
  const what = {
    model: kernel.model,
    tasks: tasks.map(({ name, version = '1', samples, scorers, tools, tellScore = false, world }) => [
      name,
      version,
      sha256(canonical(samples as unknown as Json)),
      scorers.map((one) => [one.name, identity(one.program as unknown as Program<never, unknown>)]),
      named(tools),
      tellScore,
      world === undefined ? null : [world.id, world.version],
    ]),
    solvers: solvers.map((one) => [
      one.name,
      programsOf(one).map(identity),
      one.input ?? {},
      one.search ?? false,
      named(one.tools),
    ]),
    budget: { ...budget },
  }
  return sha256(canonical(what as unknown as Json)).slice(0, 12)
}

function programsOf({ program }: Solver): readonly Program<never, unknown>[] {
  return typeof program.run === 'function'
    ? [program as Program<never, unknown>]
    : Object.values(program as { readonly [agent: string]: Program<never, unknown> })
}

function taskLine({ name, version = '1', description = '', samples, scorers, world }: Task): Log['tasks'][number] {
  const floors = samples.flatMap(({ episode }) => (episode === undefined ? [] : [world?.floor?.(episode) ?? 0]))
  return {
    name,
    version,
    description,
    samples: samples.length,
    scorers: scorers.map((one) => ({ name: one.name, isJudge: one.isJudge })),
    ...(floors.length === 0 ? {} : { floor: floors.reduce((a, b) => a + b, 0) / floors.length }),
  }
}

// ------------------------------------------------------------------------------------------------------------- one try

async function tried(
  kernel: Kernel,
  id: string,
  job: Job,
  budget: Budget,
): Promise<{ readonly trial: Trial; readonly startedAt: number; readonly answered: ReadonlySet<string> }> {
  const { task, sample, solver, epoch } = job
  // Names may be long, and of any characters: their digest is neither.
  const keyOf = (...names: readonly Json[]): string => `evaluation ${id}/${sha256(canonical(names as Json))}`
  const key = keyOf(task.name, solver.name, sample.id, epoch)
  const run = await startedRun(kernel, job, key, budget)
  const { output, error: ownError, episode } = await endOf(run, sample)
  const { calls, cut, answered, unsettled, failed } = await callsOf(kernel, key)
  // Also where it failed in a fork: what the others made of that is not what they are worth.
  const failure = episode === undefined ? undefined : (episode.failure ?? failed)
  const error = failure ?? ownError
  const { startedAt, endedAt } = run.info()
  const usage = { ...run.usage }
  const answer: Answer = {
    sample,
    output,
    ...(error === undefined ? {} : { error }),
    ...(episode === undefined ? {} : { episode }),
  }
  const scores: { [scorer: string]: Score } = {}
  for (const scorer of task.scorers) {
    const scoreKey = keyOf(task.name, solver.name, sample.id, epoch, scorer.name)
    scores[scorer.name] =
      failure === undefined
        ? await scoreOf(kernel, scorer, answer, scoreKey)
        : { value: null, explanation: `the environment failed: ${failure.code}: ${failure.message}` }
  }
  const trial = {
    task: task.name,
    solver: solver.name,
    sample: sample.id,
    epoch,
    cluster: sample.cluster ?? sample.id,
    pid: run.pid,
    input: sample.input ?? task.world?.description ?? '',
    ...(sample.target === undefined ? {} : { target: sample.target }),
    output,
    ...(error === undefined ? {} : { error: { ...error } }),
    scores,
    usage,
    ...(unsettled.tokens === 0 && unsettled.usd === 0 ? {} : { unsettled }),
    ms: (endedAt ?? startedAt) - startedAt,
    ...(episode === undefined
      ? {}
      : {
          episode: { steps: episode.steps, done: episode.done, metrics: episode.metrics, stateHash: episode.stateHash },
        }),
    calls,
    callsCut: cut,
  }
  return { trial: trial as unknown as Trial, startedAt, answered }
}

/** The process of a try: a new one, or the one that there was. */
async function startedRun(
  kernel: Kernel,
  { task, sample, solver, stage }: Job,
  key: string,
  budget: Budget,
): Promise<Run<Json>> {
  const { wallMs, ...shared } = budget
  if (sample.episode !== undefined && task.world !== undefined && stage !== undefined) {
    const tools = [...(task.tools ?? []), ...(solver.tools ?? [])]
    const program = await episodeOf(
      task.world,
      sample.episode,
      {
        program: solver.program,
        tools,
        ...(solver.input === undefined ? {} : { input: solver.input }),
        ...(solver.search === undefined ? {} : { search: solver.search }),
        ...(task.tellScore === undefined ? {} : { tellScore: task.tellScore }),
        ...(wallMs === undefined ? {} : { budget: { wallMs } }),
      },
      stage,
    )
    const input = sample.episode as unknown as Json
    // What could not begin is tried again by the same command.
    if (!hasBegun(program)) return kernel.spawn(program as unknown as Program<Json, Json>, input, { principal: key })
    return once(kernel, program as unknown as Program<Json, Json>, input, key, { budget: shared })
  }
  const [program] = programsOf(solver)
  return once(
    kernel,
    withTools(program as Program<Json, Json>, task, solver),
    { question: sample.input ?? '', ...solver.input },
    key,
    { budget },
  )
}

/** Of a solver with tools of its task: the same program, holding them too. */
function withTools(program: Program<Json, Json>, task: Task, solver: Solver): Program<Json, Json> {
  const more = [...(task.tools ?? []), ...(solver.tools ?? [])].filter((tool) => !program.tools.includes(tool))
  if (more.length === 0) return program
  const names = more.map(({ name }) => name).join(',')
  return defineProgram(program.name, (sys, input: Json) => program.run(sys, input), {
    version: `${program.version}+${sha256(names).slice(0, 8)}`,
    tools: [...program.tools, ...more],
    ...(program.model === undefined ? {} : { model: program.model }),
  })
}

function once(kernel: Kernel, program: Program<Json, Json>, input: Json, key: string, options: RunOptions): Run<Json> {
  const digest = sha256(
    canonical({
      program: program.name,
      version: program.version,
      model: (program.model ?? kernel.model) as Json,
      input,
      budget: { ...options.budget },
    }),
  )
  const run = kernel.spawn(program, input, { ...options, principal: key, once: { key, digest } })
  if (run.info().state === 'stopped') kernel.resume(run.pid)
  return run
}

async function endOf(
  run: Run<Json>,
  { episode: begun }: Sample,
): Promise<Pick<Answer, 'output' | 'error' | 'episode'>> {
  let value: Json
  try {
    value = await run.result
  } catch (error) {
    return { output: null, error: toErrorData(error) }
  }
  if (begun === undefined) {
    const end = endedWith(value)
    return 'output' in end ? end : { output: null, ...end }
  }
  const episode = value as unknown as EpisodeResult
  const players = Object.entries(episode.players)
  const failed = players.map(([, end]) => end).find((end): end is { readonly error: ErrorData } => 'error' in end)
  const error = failed?.error
  const outputs = Object.fromEntries(players.map(([agent, end]) => [agent, 'output' in end ? end.output : null]))
  const [only] = Object.values(outputs)
  return {
    output: players.length === 1 ? (only ?? null) : outputs,
    ...(error === undefined ? {} : { error }),
    episode,
  }
}

async function scoreOf(kernel: Kernel, scorer: Scorer, answer: Answer, key: string): Promise<Score> {
  const run = once(kernel, scorer.program as unknown as Program<Json, Json>, answer as unknown as Json, key, {
    budget: scorer.budget ?? SCORED_BY_NOTHING,
  })
  try {
    const { value, explanation, answer: found } = (await run.result) as unknown as Score
    if (value !== null && !(typeof value === 'number' && value >= -ROUNDING && value <= 1 + ROUNDING))
      return { value: null, explanation: `${JSON.stringify(value) ?? 'nothing'} is no score, which is 0 to 1 or null` }
    return {
      value,
      ...(explanation === undefined ? {} : { explanation }),
      ...(found === undefined ? {} : { answer: found }),
    }
  } catch (error) {
    const { code, message } = toErrorData(error)
    return { value: null, explanation: `${code}: ${message}` }
  }
}

// ------------------------------------------------------------------------------------------------------------ transcripts

/** What the journals of a try and its descendants say. */
interface Calls {
  /** What they did, in the order in which it began, shortened. */
  readonly calls: readonly LogCall[]
  readonly cut: number
  /** All models that answered. */
  readonly answered: ReadonlySet<string>
  readonly unsettled: Reservation
  /** How the world failed, wherever it did first. */
  readonly failed: Failure | undefined
}

async function callsOf(kernel: Kernel, principal: string): Promise<Calls> {
  const answered = new Set<string>()
  const unsettled = { tokens: 0, usd: 0 }
  let failed: Failure | undefined
  const found: { readonly start: CallStart; readonly program: string; end?: CallEnd }[] = []
  for await (const { pid, program } of kernel.history({ principal })) {
    const open = new Map<number, (typeof found)[number]>()
    const events = await kernel.events(pid)
    const { tokens, usd } = unsettledUsage(events)
    unsettled.tokens += tokens
    unsettled.usd += usd
    for (const event of events) {
      if (event.type === 'call-start') {
        const call = { start: event, program }
        open.set(event.n, call)
        found.push(call)
      } else if (event.type === 'call-end') {
        const call = open.get(event.n)
        if (call === undefined) continue
        call.end = event
        const model =
          call.start.call === 'generate' ? (event.value as Partial<Generation> | undefined)?.model : undefined
        if (model !== undefined) answered.add(model)
        if (call.start.call === 'call') failed ??= failureIn(event.value)
      }
    }
  }
  found.sort((a, b) => a.start.seq - b.start.seq)
  const cut = Math.max(0, found.length - CALLS_MAX)
  return { calls: found.slice(0, CALLS_MAX).map(shortened), cut, answered, unsettled, failed }
}

function shortened({
  start,
  program,
  end,
}: {
  readonly start: CallStart
  readonly program: string
  readonly end?: CallEnd
}): LogCall {
  const { pid, n, call, args } = start
  const cut = (value: Json, chars: number): string => {
    const text = JSON.stringify(value)
    return text.length <= chars ? text : `${text.slice(0, chars)}…`
  }
  return {
    pid: pid as Pid,
    program,
    n,
    call,
    args: cut(args, CALL_CHARS.args),
    ...(end === undefined
      ? {}
      : {
          end: cut((end.error ?? end.value ?? null) as Json, CALL_CHARS.end),
          ...(end.error === undefined ? {} : { failed: true as const }),
          ms: end.at - start.at,
          ...(end.usage === undefined ? {} : { tokens: end.usage.inputTokens + end.usage.outputTokens }),
        }),
  }
}
