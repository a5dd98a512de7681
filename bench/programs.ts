/**
 * Every program of src/agents/ that can act, in the same five worlds, with the same budget of tokens, seeds and models: the
 * table of docs/programs.md, made by the same `evaluate` that `polity evaluate` calls.
 *
 *     npm run programs                                    all of it, and the table is written into docs/programs.md
 *     node bench/programs.ts react ghost --seeds 2        some of it, printed only
 *     npm run programs -- --teams                         the answering programs on exams, at equal tokens; the same page
 *     node bench/programs.ts --teams dylan --exam gsm8k   some of it, printed only
 *     node bench/programs.ts --help
 *
 * Models: the offline reader, which quotes what it was given to read, and a scripted policy (programs/policy.ts) that knows each
 * world's oracle and takes another action two times in ten. Neither is a real model.
 *
 * Those that answer and do not act are on exams (programs/exams.ts) instead, with a crowd of workers of planted skill, or of recorded
 * answers, as their models (programs/crowd.ts).
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { boot } from '../src/boot.ts'
import { reader } from '../src/drivers/llm/reader.ts'
import { codeTools } from '../src/drivers/sandbox/tools.ts'
import { worlds as all } from '../src/environments/worlds.ts'
import { evaluate } from '../src/evaluation/evaluate.ts'
import { worldTask, type Solver } from '../src/evaluation/task.ts'
import { worldOf } from '../src/evaluation/world.ts'
import type { LanguageModel } from '../src/kernel/drivers.ts'
import type { Kernel } from '../src/kernel/kernel.ts'
import type { Pid } from '../src/kernel/types.ts'
import { machine, today } from './figures.ts'
import { writePart } from './page-part.ts'
import { WORLDS, entries, type Acting } from './programs/entries.ts'
import { EXAMS, DEFAULTS, exams, type Exam } from './programs/exams.ts'
import { PAST } from './programs/learned.ts'
import { createPolicy } from './programs/policy.ts'
import { tableOf, type Ran } from './programs/table.ts'
import { teamRuns } from './programs/team-runs.ts'
import { teamTable } from './programs/team-table.ts'
import { notAsked, teamsOf } from './programs/teams.ts'

const TOKENS = 100_000
const SEEDS = 5
const ERRS = 0.2
/** Of a try of `--teams`; questions of an exam, and of one with subjects or where workers repeat themselves; how readers are swayed (crowd.ts). */
const TEAMS = { tokens: 20_000, questions: 600, questionsFew: 300, a: 0.4, b: 0.2, ...DEFAULTS }

const USAGE = `usage: node bench/programs.ts [program …] [--seeds n] [--tokens n] [--world id …] [--errs share]

  --seeds n      episodes of each world (${SEEDS})
  --tokens n     budget of a try, the same for all (${TOKENS})
  --world id     only this world; may be given again (${WORLDS.map(([id]) => id).join(', ')})
  --errs share   of the actions of the scripted policy that are not the oracle's (${ERRS})
  --teams        the answering programs, with
    --questions n  of each exam (${TEAMS.questions}; ${TEAMS.questionsFew} with subjects, or where workers repeat themselves)
    --tokens n     budget of a try, the same for all (${TEAMS.tokens})
    --exam id      only this exam; may be given again (${EXAMS.join(', ')})
    --swayed a,b   how readers turn to what is right, and away from it (${TEAMS.a},${TEAMS.b})
    --judged share of judgements that are right (${TEAMS.judged})
    --alike n      deviation of what is hard for one worker alone, in exams of that name (${TEAMS.alike})
    --past n       past questions that routing by similarity is given (${PAST})
  --help         this

Without any of these but --teams the table is written into docs/programs.md.`

function refuse(why: string): never {
  console.error(`${why}\n\n${USAGE}`)
  process.exit(2)
}

function given() {
  const options = {
    seeds: { type: 'string' },
    tokens: { type: 'string' },
    world: { type: 'string', multiple: true },
    errs: { type: 'string' },
    teams: { type: 'boolean' },
    questions: { type: 'string' },
    exam: { type: 'string', multiple: true },
    swayed: { type: 'string' },
    judged: { type: 'string' },
    alike: { type: 'string' },
    past: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  } as const
  try {
    return parseArgs({ allowPositionals: true, options })
  } catch (error) {
    return refuse((error as Error).message)
  }
}

function whole(text: string | undefined, name: string, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text)
  return Number.isSafeInteger(value) && value >= 1
    ? value
    : refuse(`--${name} takes a whole number from 1, not ${text}`)
}

const { values, positionals } = given()
if (values.help === true) {
  console.log(USAGE)
  process.exit(0)
}
const ofTeams = ['questions', 'exam', 'swayed', 'judged', 'alike', 'past'] as const
const ofWorlds = ['seeds', 'world', 'errs'] as const
const strange = (values.teams === true ? ofWorlds : ofTeams).find((name) => values[name] !== undefined)
if (strange !== undefined) refuse(`--${strange} is ${values.teams === true ? 'not ' : ''}of --teams`)
const seeds = whole(values.seeds, 'seeds', SEEDS)
const tokens = whole(values.tokens, 'tokens', TOKENS)
const errs = values.errs === undefined ? ERRS : Number(values.errs)
if (!(errs >= 0 && errs <= 1)) refuse(`--errs takes a share from 0 to 1, not ${values.errs}`)
const chosenWorlds = WORLDS.filter(([id]) => values.world === undefined || values.world.includes(id))
const { acting, left, without } = await entries()
const chosen = acting.filter(({ solver }) => positionals.length === 0 || positionals.includes(solver.name))
const noWorld = (values.world ?? []).filter((id) => !WORLDS.some(([one]) => one === id))
if (noWorld.length > 0)
  refuse(`there is no world ${noWorld.join(', ')} in the table; there are ${WORLDS.map(([id]) => id).join(', ')}`)
const unknown = positionals.filter((name) => !acting.some(({ solver }) => solver.name === name))
if (unknown.length > 0 && values.teams !== true)
  refuse(`there is no ${unknown.join(', ')}; programs that act: ${acting.map(({ solver }) => solver.name).join(', ')}`)

const sandbox = codeTools({ languages: ['javascript'] })
const solverOf = ({ solver, code }: Acting): Solver => (code ? { ...solver, tools: sandbox } : solver)

/** One world, all programs. One try at a time: what the policy has seen is of one episode. */
async function ran(model: Ran['model'], id: string, level: number): Promise<Ran> {
  const rules = all.get(id)
  if (rules === undefined) throw new Error(`there is no world ${id}`)
  const policy = createPolicy({ errs })
  const world = model === 'offline' ? worldOf(rules) : policy.watched(worldOf(rules))
  const name = model === 'offline' ? 'offline/reader' : 'scripted/policy'
  const loaded: LanguageModel = model === 'offline' ? reader() : policy.model
  // A place of a search is an ended process: all of a try are kept.
  const kernel = await boot({ models: { [name]: loaded }, limits: { processesEndedMax: 10_000 } })
  try {
    const log = await evaluate(kernel, {
      tasks: [worldTask(world, { seeds, level, tellScore: true, params: (seed, at) => rules.task(seed, at) })],
      solvers: chosen.map(solverOf),
      budget: { tokens },
      concurrency: 1,
      onTrial: ({ solver, sample }, done, of) => tell(`${model}, ${id}: ${done} of ${of} (${solver}, ${sample})`),
    })
    return { model, world: id, log, refused: await refusedIn(kernel) }
  } finally {
    await kernel.close()
  }
}

/** Tries in which a model call was refused because the tokens were used up, by their pids: many programs end well then. */
async function refusedIn(kernel: Kernel): Promise<ReadonlySet<Pid>> {
  const roots = new Map<Pid, Pid>()
  const found = new Set<Pid>()
  for await (const { pid, parent } of kernel.history()) {
    const root = parent === null ? pid : (roots.get(parent) ?? parent)
    roots.set(pid, root)
    const ends = found.has(root) ? [] : await kernel.events(pid)
    if (ends.some((event) => event.type === 'call-end' && event.error?.code === 'BUDGET_EXCEEDED')) found.add(root)
  }
  return found
}

/** Drawn over itself on a terminal; elsewhere a line for each world is enough. */
function tell(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${line.slice(0, 100).padEnd(100)}`)
}

const started = performance.now()
const isWhole = process.argv.slice(2).every((one) => one === '--teams')
if (values.teams === true) await byTeams()
else await byWorlds()

/** The acting programs in their worlds. */
async function byWorlds(): Promise<void> {
  const runs: Ran[] = []
  for (const model of ['scripted', 'offline'] as const)
    for (const [id, level] of chosenWorlds) {
      const begun = performance.now()
      runs.push(await ran(model, id, level))
      console.error(`\r${model}, ${id}: ${((performance.now() - begun) / 1_000).toFixed(1)} s`.padEnd(100))
    }
  tellAll('programs', 'npm run programs', tableOf(runs, chosen, { tokens, seeds, errs, left, without }))
}

/** The answering programs on their exams. */
async function byTeams(): Promise<void> {
  const most = whole(values.questions, 'questions', TEAMS.questions)
  const budget = whole(values.tokens, 'tokens', TEAMS.tokens)
  const ids: readonly string[] = values.exam ?? EXAMS
  const [a = NaN, b = NaN] = values.swayed?.split(',').map(Number) ?? [TEAMS.a, TEAMS.b]
  const isShare = (value: number): boolean => value >= 0 && value <= 1
  if (!isShare(a) || !isShare(b)) refuse(`--swayed takes two shares from 0 to 1, such as 0.4,0.2, not ${values.swayed}`)
  const judged = Number(values.judged ?? TEAMS.judged)
  if (!(judged > 0 && judged < 1)) refuse(`--judged takes a share between 0 and 1, not ${values.judged}`)
  const alike = Number(values.alike ?? TEAMS.alike)
  if (!(alike >= 0 && alike <= 10)) refuse(`--alike takes a deviation from 0 to 10, not ${values.alike}`)
  const all = exams({
    questions: most,
    questionsFew: values.questions === undefined ? TEAMS.questionsFew : most,
    judged,
    alike,
  })
  const past = whole(values.past, 'past', PAST)
  const noExam = ids.filter((id) => !(EXAMS as readonly string[]).includes(id))
  if (noExam.length > 0) refuse(`there is no exam ${noExam.join(', ')}; there are ${EXAMS.join(', ')}`)
  // What teams there are is known once they have learned, which takes seconds.
  const names = positionals.length === 0 ? [] : (await teamsOf(all[0] as Exam)).teams.map(({ name }) => name)
  const unknown = positionals.filter((name) => !names.includes(name))
  if (unknown.length > 0) refuse(`there is no ${unknown.join(', ')}; programs that answer: ${names.join(', ')}`)
  const runs = await teamRuns({
    exams: all.filter(({ id }) => ids.includes(id)),
    tokens: budget,
    a,
    b,
    past,
    ...(positionals.length === 0 ? {} : { names: positionals }),
    onDone: (line) => console.error(line),
  })
  tellAll(
    'teams',
    'npm run programs -- --teams',
    teamTable(runs, { tokens: budget, a, b, judged, alike, left: notAsked }),
  )
}

/** Into docs/programs.md between its marks where all of it was run, else printed. */
function tellAll(part: string, command: string, text: string): void {
  const facts = `${machine()}, ${today()}; ${((performance.now() - started) / 1_000).toFixed(0)} s in all, by \`${command}\``
  if (!isWhole) return console.log(`${facts}\n\n${text}`)
  writePart(join(import.meta.dirname, '../docs/programs.md'), part, `${facts}.\n\n${text}`)
  console.log('written: docs/programs.md')
}
