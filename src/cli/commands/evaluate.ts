/** `polity evaluate`: solvers at tasks, scored with their cost; logs compared and looked at; tasks verified. */
import { closeSync, openSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { boot, loadModel } from '../../boot.ts'
import { codeTools } from '../../drivers/sandbox/tools.ts'
import { environmentOf } from '../../environments/environment.ts'
import { kiosk } from '../../environments/kiosk.ts'
import { worlds } from '../../environments/worlds.ts'
import { replayActions } from '../../evaluation/actions.ts'
import { compare } from '../../evaluation/compare.ts'
import { scorerNames, taskFrom } from '../../evaluation/dataset.ts'
import type { EvaluateOptions } from '../../evaluation/evaluate.ts'
import { evaluate } from '../../evaluation/evaluate.ts'
import type { Log } from '../../evaluation/log.ts'
import { parseLog } from '../../evaluation/log.ts'
import type { Solver, Task } from '../../evaluation/task.ts'
import { worldTask } from '../../evaluation/task.ts'
import { teamCheck, teamWorld } from '../../evaluation/team-world.ts'
import { verify } from '../../evaluation/verify.ts'
import { viewerHtml } from '../../evaluation/viewer.ts'
import type { World } from '../../evaluation/world.ts'
import { worldOf } from '../../evaluation/world.ts'
import { PolityError, messageOf } from '../../kernel/errors.ts'
import { nearest } from '../../kernel/known-keys.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Budget, Json, Program } from '../../kernel/types.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { comparisonText, replayedText, resultsText, troubleOf } from '../evaluation-text.ts'
import { textIn } from '../given-file.ts'
import { budgetOf, budgetOptions, checkTaken, checkWords, priceOf, priceOption, usageError } from '../options.ts'
import { importFile, whyNotLoaded } from '../import-file.ts'
import { loadProgramFile, programsOf } from '../program-file.ts'
import { exitCodes } from '../report.ts'
import { modelDefault } from '../setup.ts'
import { openStore } from '../store-file.ts'
import { wrap } from '../table.ts'
import { oneLine, roomOf } from '../terminal.ts'

/** What the options say. */
interface Given {
  readonly agents: readonly string[]
  readonly environments: readonly string[]
  readonly data: readonly string[]
  readonly scorer: string | undefined
  /** Episodes or questions of each task; absent: ten episodes, all questions. */
  readonly seeds: number | undefined
  readonly from: number
  readonly level: number | undefined
  readonly input: string | undefined
  readonly params: string | undefined
  readonly search: boolean
  /** One agent plays all players of an environment. */
  readonly team: boolean
}

export const evaluateCommand = defineCommand({
  name: 'evaluate',
  summary: 'score agents at tasks, with what they cost; compare, verify and view',
  usage: '[suite.ts | compare a.json b.json | verify [suite.ts] | view log.json]',
  positionals: [0, 3],
  options: {
    agent: {
      kind: 'texts',
      value: 'name|file.ts',
      help: 'who answers: a program of the standard library, or of a file',
    },
    environment: {
      kind: 'texts',
      value: 'id|command|url',
      help: `a world to act in (${[...worlds.keys(), kiosk.id].join(', ')}), or a foreign one by its command or address`,
    },
    data: { kind: 'texts', value: 'file.jsonl', help: 'questions: HumanEval, GSM8K, or lines of { input, target }' },
    scorer: { kind: 'text', value: 'name', help: `of such lines: ${scorerNames.join(', ')} (default exact)` },
    actions: { kind: 'text', value: 'file.jsonl', help: 'recorded actions, replayed and scored instead of an agent' },
    seeds: {
      kind: 'whole',
      value: 'n',
      help: 'episodes, or the first so many questions (default 10 episodes, all questions)',
    },
    from: { kind: 'whole', value: 'n', help: 'the first seed (default 1)' },
    level: { kind: 'whole', value: 'n', help: 'how hard the episodes are' },
    epochs: { kind: 'whole', value: 'n', help: 'tries of each sample (default 1)' },
    concurrency: { kind: 'whole', value: 'n', help: 'tries at the same time (default 4)' },
    model: { kind: 'text', value: 'provider/model', help: `model of calls that name none (default ${modelDefault})` },
    params: { kind: 'text', value: 'json', help: 'what a foreign environment begins with (default {}, and --level)' },
    input: { kind: 'text', value: 'json', help: 'what the input of the agents has beside the question' },
    search: { kind: 'flag', help: 'the agents may go on from forks of themselves' },
    team: { kind: 'flag', help: 'an agent plays all players of an environment together, such as hmas-2' },
    id: {
      kind: 'text',
      value: 'name',
      help: 'names the evaluation: another name begins anew (default by what is evaluated)',
    },
    out: { kind: 'text', value: 'log.json', help: 'where the log is written' },
    html: { kind: 'text', value: 'log.html', help: 'where a page is written that shows the log' },
    first: { kind: 'text', value: 'solver', help: 'of compare: the solver of the first log' },
    second: { kind: 'text', value: 'solver', help: 'of compare: the solver of the second log' },
    ...budgetOptions,
    ...priceOption,
  },
  details:
    'Every try is a process with the budget that is given, in the store: an evaluation that was interrupted goes on when the same command is given again. ' +
    'A suite is a module whose default export is { tasks, solvers, epochs?, budget? }. verify lets an oracle, nobody, and the oracle without its last write at each sample, and fails where the first does not score full or one of the others does. ' +
    'compare pairs two logs (or two solvers of one) sample by sample.',
  examples: [
    'polity evaluate --environment craft.dag --agent react --seeds 20 --budget-tokens 20000 --out react.json',
    'polity evaluate --environment kitchen --team --agent hmas-2 --seeds 20',
    'polity evaluate compare react.json reflexion.json',
    'polity evaluate verify --environment craft.dag --seeds 100',
    'polity evaluate view react.json --html react.html',
  ],
  async run(context, { values, positionals }) {
    const [verb = '', ...rest] = positionals
    checkTaken('polity evaluate', wayOf(verb, values.actions), ways, values)
    const takes = Object.hasOwn(words, verb) ? words[verb] : undefined
    checkWords(
      `polity evaluate${takes === undefined ? '' : ` ${verb}`}`,
      takes ?? ['[suite.ts]'],
      takes ? rest : positionals,
    )
    if (verb === 'compare') return compared(context, rest, values)
    if (verb === 'view') return viewed(context, rest, values.html)
    const isVerify = verb === 'verify'
    const suite = isVerify ? rest[0] : positionals[0]
    const given: Given = {
      agents: values.agent,
      environments: values.environment,
      data: values.data,
      scorer: values.scorer,
      seeds: values.seeds,
      from: values.from ?? 1,
      level: values.level,
      input: values.input,
      params: values.params,
      search: values.search,
      team: values.team,
    }
    checkGiven(given)
    if (values.actions !== undefined) return replayed(context, given, values.actions)
    const budget = budgetOf(values)
    const plan = suite === undefined ? await planOf(given, isVerify) : await suiteOf(suite)
    const name = values.model ?? modelDefault
    const price = priceOf(values.price)
    if (budget.usd !== undefined && price === undefined)
      throw usageError(
        `--budget-usd needs to know what ${name} costs; add --price <in>/<out>, US dollars for a million tokens`,
      )
    const model = await loadModel(name)
    for (const path of [values.out, values.html]) checkWritable(path)
    const kernel = await boot({
      store: await openStore(context.storePath),
      models: { [name]: price === undefined ? model : { model, price } },
      limits: { processesEndedMax: ENDED_MAX },
    })
    try {
      if (isVerify) return await verified(context, kernel, plan.tasks)
      const log = await evaluate(kernel, {
        ...plan,
        ...(Object.keys(budget).length === 0 ? {} : { budget }),
        ...(values.epochs === undefined ? {} : { epochs: values.epochs }),
        ...(values.concurrency === undefined ? {} : { concurrency: values.concurrency }),
        ...(values.id === undefined ? {} : { id: values.id }),
        signal: context.interrupted,
        onTrial: (trial, done, all) => context.status.show(`${done} of ${all} tries, ${trial.solver} at ${trial.task}`),
      })
      context.status.clear()
      write(context, log, values.out, values.html)
      show(context, log)
      if (!log.isComplete) context.note('It was stopped: the same command goes on.')
      return log.isComplete ? exitCodes.done : exitCodes.interrupted
    } finally {
      await kernel.close()
    }
  },
})

const PLACE = ['environment', 'team', 'level', 'params']
const SAMPLES = [...PLACE, 'data', 'scorer', 'seeds', 'from']
const RUN = ['model', 'price', 'epochs', 'concurrency', 'id', 'out', 'html', ...Object.keys(budgetOptions)]

/** The options of each way; what a way would ignore is refused. */
const ways = {
  '--agent': ['agent', 'input', 'search', ...SAMPLES, ...RUN],
  'suite.ts': RUN,
  '--actions': ['actions', ...PLACE],
  verify: [...SAMPLES, 'model'],
  compare: ['first', 'second'],
  view: ['html'],
}

/** What stands behind a verb. */
const words: { readonly [verb: string]: readonly string[] } = {
  compare: ['<a.json>', '[b.json]'],
  verify: ['[suite.ts]'],
  view: ['<log.json>'],
}

function wayOf(verb: string, actions: string | undefined): keyof typeof ways {
  if (verb === 'compare' || verb === 'view' || verb === 'verify') return verb
  if (actions !== undefined) return '--actions'
  return verb === '' ? '--agent' : 'suite.ts'
}

/** Ended processes that stay at hand: those a search may go back to. */
const ENDED_MAX = 10_000
const SEEDS_DEFAULT = 10
/** Of one command: all its tries are kept in one log. More come by `--from` in another. */
const SEEDS_MAX = 10_000

/** Numbers that no evaluation can have, and options that what is evaluated has no use for. */
function checkGiven({ seeds, from, level, team, scorer, environments, data, agents }: Given): void {
  if (seeds !== undefined && (seeds < 1 || seeds > SEEDS_MAX))
    throw usageError(`--seeds takes a whole number from 1 to ${SEEDS_MAX}, not ${seeds}`)
  if (from > Number.MAX_SAFE_INTEGER - SEEDS_MAX)
    throw usageError(`--from takes a whole number up to ${Number.MAX_SAFE_INTEGER - SEEDS_MAX}, not ${from}`)
  if (environments.length + data.length === 0 && agents.length === 0) return
  if (scorer !== undefined && data.length === 0)
    throw usageError('--scorer is of --data; an environment scores its episodes itself')
  if (level !== undefined && environments.length === 0) throw usageError('--level is of --environment')
  if (team && environments.length === 0) throw usageError('--team is of --environment: its players are the team')
}

type Plan = Pick<EvaluateOptions, 'tasks' | 'solvers' | 'epochs' | 'budget'>

async function planOf(given: Given, isVerify: boolean): Promise<Plan> {
  const tasks = [
    ...(await Promise.all(given.environments.map((name) => episodesOf(name, given)))),
    ...given.data.map((path) => questionsOf(path, given)),
  ]
  if (tasks.length === 0)
    throw usageError('evaluate takes --environment, --data, or a suite; see `polity help evaluate`')
  if (given.agents.length === 0 && !isVerify)
    throw usageError('evaluate takes at least one --agent, such as --agent react')
  const input = given.input === undefined ? undefined : objectIn(given.input, '--input')
  if (input !== undefined && Object.hasOwn(input, 'question'))
    throw usageError(
      '--input is what agents are given beside the question, which is that of the task; leave out "question"',
    )
  const solvers = await Promise.all(
    given.agents.map(async (name): Promise<Solver> => {
      const program = await agentOf(name)
      return {
        name: program.name,
        program: program as Program<never, unknown>,
        ...(input === undefined ? {} : { input }),
        ...(given.search ? { search: true } : {}),
      }
    }),
  )
  return { tasks, solvers }
}

/** A world with its tasks: ours by its id, a foreign one by its command or its address. */
interface Place {
  readonly world: World
  readonly params: (seed: number, level?: number) => Json
}

async function placeOf(name: string, { params, team }: Pick<Given, 'params' | 'team'>): Promise<Place> {
  const place = await placeByName(name, params)
  if (!team) return place
  if ((await playersAtMost(name, place)) === 1)
    throw usageError(`--team is for several players, and ${name} never has more than one; leave out --team`)
  return { ...place, world: teamWorld(place.world) }
}

/** Seeds that are looked at for players at each level. */
const LOOKED_AT = 3

/** How many play in the environment where the most do; undefined where a foreign one would have to be begun to tell. */
async function playersAtMost(name: string, { world, params }: Place): Promise<number | undefined> {
  const rules = worlds.get(name)
  if (rules === undefined) return (await world.agents?.({ params: params(1), seed: 1 }))?.length
  const tasks = Array.from({ length: (rules.levelMax ?? 1) * LOOKED_AT }, (_, i) => {
    const seed = 1 + (i % LOOKED_AT)
    return { params: rules.task(seed, 1 + Math.floor(i / LOOKED_AT)), seed }
  })
  return Math.max(
    ...tasks.map((task) => (rules.agents?.(task.params) ?? environmentOf(rules).reset(task).toAct).length),
  )
}

async function placeByName(name: string, given: string | undefined): Promise<Place> {
  const rules = worlds.get(name)
  if ((rules !== undefined || name === kiosk.id) && given !== undefined)
    throw usageError(`--params are of foreign environments; the episodes of ${name} come from --level and --seeds`)
  if (name === kiosk.id) {
    // It drives a browser, which nobody else needs.
    const { kioskWorld } = await import('../../evaluation/kiosk.ts')
    return { world: kioskWorld(), params: kiosk.task }
  }
  if (rules !== undefined) {
    return { world: worldOf(rules), params: (seed, level) => rules.task(seed, level) }
  }
  const isAddress = /^https?:\/\//.test(name)
  if (!isAddress && !/[\s/]/.test(name))
    throw usageError(
      `there is no environment "${name}"; there are ${[...worlds.keys(), kiosk.id].join(', ')}, or a command or an http address`,
    )
  const params = given === undefined ? {} : objectIn(given, '--params')
  const { foreignWorld } = await import('../../evaluation/foreign.ts')
  const world = await ofEnvironment(name, () => foreignWorld(isAddress ? { url: name } : { command: name }))
  return { world, params: (_, level) => (level === undefined ? params : { ...params, level }) }
}

/** What an environment failed with is said of it: what the table of errors tells to do is for models. */
async function ofEnvironment<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (!PolityError.isInstance(cause) || !cause.code.startsWith('DRIVER_')) throw cause
    const what = `the environment ${name} cannot be used: ${cause.message}`
    throw new PolityError('CONFIG_INVALID', `${what}; it has to run and to answer as docs/environments.md says`, {
      cause,
    })
  }
}

async function episodesOf(name: string, given: Given): Promise<Task> {
  const { seeds, from, level, team } = given
  const place = await placeOf(name, given)
  return worldTask(place.world, {
    ...(team ? { tools: [teamCheck(place.world)] } : {}),
    seeds: seeds ?? SEEDS_DEFAULT,
    from,
    params: place.params,
    ...(level === undefined ? {} : { level }),
  })
}

function questionsOf(path: string, { seeds, scorer = 'exact' }: Given): Task {
  const name = scorerNames.find((one) => one === scorer.replaceAll('-', ' '))
  if (name === undefined) throw usageError(`there is no scorer "${scorer}"; there are ${scorerNames.join(', ')}`)
  return taskFrom(textIn(path), basename(path), {
    scorer: name,
    python: codeTools({ languages: ['python'] }),
    ...(seeds === undefined ? {} : { limit: seeds }),
  })
}

function objectIn(text: string, option: string): { readonly [name: string]: Json } {
  try {
    const value = JSON.parse(text) as Json
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as { readonly [name: string]: Json }
  } catch {
    // Told below.
  }
  throw usageError(`${option} takes a JSON object, not ${text.slice(0, 80)}`)
}

const ENDING = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
const AGENTS = new URL('../../agents/', import.meta.url)

/** A program of the standard library by its name, or of a file. */
async function agentOf(name: string): Promise<Program> {
  if (/[./\\]/.test(name)) return (await loadProgramFile(name)).main
  const programsIn = async (file: string): Promise<readonly Program[]> =>
    programsOf((await import(new URL(`${file}${ENDING}`, AGENTS).href)) as Readonly<Record<string, unknown>>)
  const files = readdirSync(AGENTS)
    .filter((file) => file.endsWith(ENDING))
    .map((file) => file.slice(0, -ENDING.length))
  // Some files hold several programs, and none of their own name: hmas.ts those that are called central, decentral, hmas-1 and hmas-2.
  const own = files.includes(name)
  const programs = (await Promise.all((own ? [name] : files).map(programsIn))).flat()
  const found = programs.find((one) => one.name === name)
  if (found !== undefined) return found
  if (own)
    throw new PolityError(
      'NO_SUCH_PROGRAM',
      `src/agents/${name} exports no program of that name: ${programs.length === 0 ? 'it makes one of options, which a suite can give' : `it has ${programs.map((one) => one.name).join(', ')}`}`,
    )
  const near = nearest(
    name,
    programs.map((one) => one.name),
  )
  throw new PolityError(
    'NO_SUCH_PROGRAM',
    `the standard library has no program "${name}"${near === undefined ? '' : `; did you mean ${near}?`}; docs/programs.md and docs/papers.md name those that are there, and ./${name}.ts would be a file`,
  )
}

async function suiteOf(path: string): Promise<Plan> {
  const takes = 'its default export takes { tasks, solvers, epochs?, budget? }'
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true)
    throw new PolityError('CONFIG_INVALID', `there is no file ${path}; a suite is a module, and ${takes}`)
  let exports: { readonly default?: Partial<Plan> }
  try {
    exports = await importFile(path)
  } catch (cause) {
    throw new PolityError('CONFIG_INVALID', whyNotLoaded(path, cause), { cause })
  }
  const { tasks, solvers = [], epochs, budget } = exports.default ?? {}
  if (!Array.isArray(tasks)) throw new PolityError('CONFIG_INVALID', `${path} is no suite: ${takes}`)
  return {
    tasks: tasks as readonly Task[],
    solvers,
    ...(epochs === undefined ? {} : { epochs }),
    ...(budget === undefined ? {} : { budget: budget as Budget }),
  }
}

/** Before anything is paid for: where the log cannot be written afterwards. */
function checkWritable(path: string | undefined): void {
  if (path === undefined) return
  try {
    closeSync(openSync(path, 'a'))
  } catch (error) {
    throw usageError(`${path} cannot be written: ${messageOf(error)}`)
  }
}

function write(context: Context, log: Log, out: string | undefined, html: string | undefined): void {
  if (out !== undefined) writeTo(out, `${JSON.stringify(log)}\n`)
  if (html !== undefined) writeTo(html, viewerHtml(log))
  for (const path of [out, html]) if (path !== undefined) context.note(`written: ${path}`)
}

/** A disk may have become full since it could be written. */
function writeTo(path: string, text: string): void {
  try {
    writeFileSync(path, text)
  } catch (cause) {
    throw new PolityError('CONFIG_INVALID', `${path} cannot be written: ${messageOf(cause)}`, { cause })
  }
}

// ---------------------------------------------------------------------------------------------------------------- verbs

function compared(
  context: Context,
  [one = '', two = one]: readonly string[],
  { first, second }: { readonly first: string | undefined; readonly second: string | undefined },
): number {
  if (one === '') throw usageError('compare takes two logs, or one with several solvers')
  const a = parseLog(textIn(one), one)
  const b = two === one ? a : parseLog(textIn(two), two)
  const rows = compare(a, b, { first, second })
  context.result(comparisonText(rows, roomOf(context.out)), rows)
  return exitCodes.done
}

function viewed(context: Context, [path = '']: readonly string[], html: string | undefined): number {
  if (path === '') throw usageError('view takes a log')
  const log = parseLog(textIn(path), path)
  checkWritable(html)
  write(context, log, undefined, html)
  show(context, log)
  return exitCodes.done
}

async function verified(context: Context, kernel: Kernel, tasks: readonly Task[]): Promise<number> {
  const reports = []
  for (const task of tasks) {
    const verifies = () =>
      verify(kernel, task, {
        onSample: (sample, done, all) => context.status.show(`${done} of ${all} samples of ${task.name}, at ${sample}`),
      })
    reports.push(await (task.world === undefined ? verifies() : ofEnvironment(task.name, verifies)))
  }
  context.status.clear()
  const lines = reports.flatMap((report) => [
    ...report.samples.flatMap(({ sample, faults }) => faults.map((fault) => `${report.task} ${sample}: ${fault}`)),
    `${report.task}: ${report.samples.filter(({ faults }) => faults.length === 0).length} of ${report.samples.length} samples are sound`,
  ])
  context.result(lines.join('\n'), reports)
  return reports.every(({ isSound }) => isSound) ? exitCodes.done : exitCodes.failed
}

async function replayed(context: Context, given: Given, path: string): Promise<number> {
  const [id] = given.environments
  if (id === undefined || given.environments.length > 1)
    throw usageError('--actions takes one --environment, in which they are replayed')
  const place = await placeOf(id, given)
  const rows = await replayActions(place.world, textIn(path), path, (seed, level) =>
    place.params(seed, level ?? given.level),
  )
  if (rows.length === 0) throw usageError(`there is no episode in ${path}: one stands on each line, as JSON`)
  context.result(replayedText(rows, roomOf(context.out)), rows)
  for (const { id: episode, failure } of rows)
    if (failure !== undefined)
      context.note(`${oneLine(episode)} is not scored: the environment failed: ${failure.message}`)
  return exitCodes.done
}

/** The results, and on stderr what cannot be seen in them. */
function show(context: Context, log: Log): void {
  context.result(resultsText(log, roomOf(context.out)), log)
  for (const line of troubleOf(log)) context.note(wrap(line, roomOf(context.err)))
}
