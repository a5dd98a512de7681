/**
 * A kernel as a command line asks for it: store, model, law, program and sources; and the note of all that beside each
 * run, so that `polity resume 17` needs nothing but the pid.
 *
 *     const booted = await bootFor(context, { in: ['docs'] })       // for a new run
 *     const booted = await bootAgain(context, 17, { program })      // for what a run was started with
 *     booted.noteSetup(run.pid)
 *
 * Invariants
 *   B1. What can be wrong is found before the store is taken; the store is given up again when anything after fails.
 *   B2. A setup holds absolute paths, so a run can be resumed from any folder, and what the law said: it goes on under that,
 *       or under one that is named.
 *   B3. For a replay nothing is opened but the store, and that for reading: tools are declared, and there is no folder, no
 *       model and no law.
 *   B4. Runs that can share a kernel do (crewsOf): one of them that waits or fails keeps none of the others waiting.
 */
import { dirname, extname, join, resolve } from 'node:path'
import { boot, loadEmbedder, loadModel } from '../boot.ts'
import { approvalKeyOf } from '../drivers/store/approval-key.ts'
import { calculator } from '../drivers/calculator.ts'
import { readOnlyStore } from '../drivers/store/read-only.ts'
import type { LanguageModel, ProcessHead } from '../kernel/drivers.ts'
import { PolityError, messageOf } from '../kernel/errors.ts'
import type { Kernel, ModelOptions } from '../kernel/kernel.ts'
import { createKernel } from '../kernel/kernel.ts'
import { startOf } from '../kernel/past.ts'
import type { Budget, Json, Pid, ProcessStart, Program, Sys, Tool, ToolContext } from '../kernel/types.ts'
import { textOf } from '../kernel/utf8.ts'
import { parseJson } from '../policy/json.ts'
import type { Law } from '../policy/law.ts'
import { parseLaw } from '../policy/law.ts'
import { bytes } from './amounts.ts'
import type { Context } from './command.ts'
import { bytesIn } from './given-file.ts'
import type { Exported } from './program-file.ts'
import { loadExported, mainOf, programsOf } from './program-file.ts'
import type { Setup } from './setup.ts'
import {
  differenceOf,
  embedderDefault,
  hashOfLaw,
  modelDefault,
  nameOf,
  rootOf,
  setupAt,
  setupEntry,
  setupKey,
  setupOf,
} from './setup.ts'
import type { Sources } from './sources.ts'
import { checkSources, declaredTools, openSources } from './sources.ts'
import { openStore, readStore } from './store-file.ts'

export interface Booted {
  readonly kernel: Kernel
  /** What is run, or was; undefined where the file does not say it, and it is served. */
  readonly main: Program<Json, Json> | undefined
  readonly setup: Setup
  readonly sources: Sources | undefined
  /** What of a run in the store is otherwise here than it was begun with, in words; undefined where nothing is, or it is not known. */
  differs(pid: Pid): string | undefined
  /** Keeps the setup beside a run, and both at once: a person is told of it next, whatever its program does. */
  noteSetup(pid: Pid): void
  /** What the program threw in that process, with its stack; undefined if it did not. */
  thrownIn(pid: Pid): unknown
  /** First and last event of every process of the store, by pid ascending. */
  heads(): Iterable<ProcessHead>
  /** Stops what runs, so that it can be resumed, and gives everything up. Safe to call twice. */
  close(): Promise<void>
}

/** A kernel for a new run. */
export interface BootedRun extends Booted {
  readonly main: Program<Json, Json>
}

/** What a run needs, but for the store and its folders. */
export interface Plan {
  /** Of a run that is in the store. */
  readonly pid?: Pid
  readonly main: Program<Json, Json> | undefined
  readonly programs: readonly Program[]
  readonly setup: Setup
  readonly law: Law | undefined
  /** Models that its programs and its setup name. */
  readonly models: ReadonlyMap<string, LanguageModel>
}

/** A plan that could not be served, and why. */
export interface Refusal {
  readonly refused: unknown
}

/** Throws `CONFIG_INVALID` where the file does not say which of its programs is to be run. */
export async function bootFor(context: Context, given: Setup, budget: Budget = {}): Promise<BootedRun> {
  const exported = await exportedBy(given.program)
  if (given.program !== undefined) mainOf(given.program, exported)
  return (await bootOne(context, await planFor(context, given, exported, budget))) as BootedRun
}

/** The kernel for all that a file exports: programs, tools or both. */
export async function bootToServe(context: Context, given: Setup): Promise<Booted> {
  return bootOne(context, await planFor(context, given, await exportedBy(given.program)))
}

/** The kernel for a run that is in the store: as its setup says, with what the command line says over it. */
export async function bootAgain(context: Context, pid: Pid, over: Setup = {}, budget: Budget = {}): Promise<Booted> {
  return bootOne(context, await planAgain(context, pid, over, budget))
}

/** A kernel to live that run again, beside whoever has the store open. */
export async function bootToRead(context: Context, pid: Pid, over: Pick<Setup, 'program'> = {}): Promise<Kernel> {
  const {
    setup: { program, model = modelDefault, in: paths },
  } = await setupAgain(context, pid, over)
  const { programs } = await exportedBy(program)
  return createKernel({
    store: readOnlyStore(context.storePath),
    // A name: which model a call had stands in the journal.
    model,
    programs,
    tools: paths === undefined ? [] : [...declaredTools(), calculator() as Tool],
  })
}

async function bootOne(context: Context, plan: Plan): Promise<Booted> {
  const [outcome] = await bootTogether(context, [plan])
  if (isRefusal(outcome)) throw outcome.refused
  return outcome as Booted
}

async function planFor(
  context: Context,
  given: Setup,
  { main, programs }: ExportedPrograms,
  budget: Budget = {},
  law: Law | undefined = given.law === undefined ? undefined : lawIn(given.law),
): Promise<Plan> {
  const setup = absolute({
    ...given,
    model: given.model ?? (hasModel(main) ? undefined : modelDefault),
    lawHash: law && hashOfLaw(law),
  })
  const names = namesOf(programs, setup.model)
  if (budget.usd !== undefined) checkPrice(names, setup)
  const models = new Map<string, LanguageModel>()
  for (const name of names) models.set(name, await loadModel(name, context.storePath))
  return { main, programs, setup, law, models }
}

/** The plan of a run that is in the store. Throws `SETUP_MISMATCH` where its law has changed since it began, and none is named. */
export async function planAgain(context: Context, pid: Pid, over: Setup = {}, budget: Budget = {}): Promise<Plan> {
  const { setup, root } = await setupAgain(context, pid, over)
  const law = setup.law === undefined || over.law !== undefined ? undefined : keptLaw(pid, setup.law)
  // Of a run of an earlier version it is not known what its law said.
  if (law !== undefined && setup.lawHash !== undefined && setup.lawHash !== hashOfLaw(law))
    throw new PolityError(
      'SETUP_MISMATCH',
      `process ${pid} was begun with another law than ${setup.law} has now; put the law that it had back there, or go on under this one with --law ${setup.law}`,
    )
  const exported = await exportedBy(setup.program)
  // Of a served file it may be another than the default export.
  const own = exported.programs.find(
    (one) => nameOf(one) === nameOf({ name: root.program, version: root.version }),
  ) as Plan['main']
  return { ...(await planFor(context, setup, { ...exported, main: own ?? exported.main }, budget, law)), pid }
}

/** What a run of the store was begun with, with what is given over it. Its program can be loaded. */
async function setupAgain(
  context: Context,
  pid: Pid,
  over: Setup,
): Promise<{ readonly setup: Setup; readonly root: ProcessStart }> {
  const reader = readStore(context.storePath)
  let start: ProcessStart
  let root: ProcessStart
  let setup: Setup | undefined
  try {
    start = startOf(reader, pid)
    root = rootOf(reader, start)
    setup = setupOf(reader, start)
  } finally {
    reader.close()
  }
  if (setup === undefined && over.program === undefined && start.program !== 'research') {
    throw new PolityError(
      'NO_SUCH_PROGRAM',
      `process ${pid} runs the program ${start.program}, and the store does not say from which file; name it with --program <file.ts>`,
    )
  }
  const merged = { ...setup, ...definedOf(over) }
  if (merged.program !== undefined) {
    let file: Exported
    // Named by the store, it may have moved since.
    try {
      file = await loadExported(merged.program)
    } catch (error) {
      if (over.program !== undefined) throw error
      throw new PolityError(
        'NO_SUCH_PROGRAM',
        `process ${pid} was started from ${merged.program}: ${messageOf(error)}. Name the file with --program <file.ts>`,
        { cause: error },
      )
    }
    checkRenamed(start, merged.program, file)
  }
  return { setup: merged, root }
}

/** A function without a name is called as its file is, so under another name it is another program. */
function checkRenamed(
  { pid, parent, program }: ProcessStart,
  path: string,
  { programs, main, isNamedByFile }: Exported,
): void {
  if (parent !== null || main === undefined || !isNamedByFile || programs.some(({ name }) => name === program)) return
  throw new PolityError(
    'NO_SUCH_PROGRAM',
    `process ${pid} runs the program ${program}, and ${path} has ${main.name}: a function without a name is called as its file is. Name the file ${program}${extname(path)}, or the program: export default defineProgram('${program}', …)`,
  )
}

/** A run goes on under the law that it was started with; its file may have gone since. */
function keptLaw(pid: Pid, path: string): Law {
  try {
    return lawIn(path)
  } catch (error) {
    throw new PolityError(
      'CONFIG_INVALID',
      `process ${pid} was started under a law: ${messageOf(error)}. Put the law that it had back there, or name the file of a law with --law`,
      { cause: error },
    )
  }
}

/**
 * The plans by crews, each of which one kernel can serve: its plans have one law, one model for calls that name none, one
 * embedder and one price, and no two programs of one name from different files.
 */
export function crewsOf(plans: readonly Plan[]): readonly (readonly Plan[])[] {
  const crews: { readonly terms: string; readonly files: Map<string, string | undefined>; readonly plans: Plan[] }[] =
    []
  for (const plan of plans) {
    const { lawHash, price, model, embedder = embedderDefault, program } = plan.setup
    const terms = JSON.stringify([lawHash, price, model ?? [...plan.models.keys()][0], embedder])
    const names = plan.programs.map(nameOf)
    let crew = crews.find(
      (one) => one.terms === terms && names.every((name) => !one.files.has(name) || one.files.get(name) === program),
    )
    if (crew === undefined) crews.push((crew = { terms, files: new Map(), plans: [] }))
    for (const name of names) crew.files.set(name, program)
    crew.plans.push(plan)
  }
  return crews.map((crew) => crew.plans)
}

/** One kernel for the plans of a crew. A plan whose folders cannot be read is refused, and the others are served. */
export async function bootTogether(context: Context, plans: readonly Plan[]): Promise<readonly (Booted | Refusal)[]> {
  const { setup, law } = plans[0] as Plan
  const embedder = await loadEmbedder(setup.embedder ?? embedderDefault)
  if (plans.length === 1) {
    // Where nothing can be read, no store is made.
    try {
      checkSources(setup.in ?? [])
    } catch (error) {
      return [{ refused: error }]
    }
  }
  const store = await openStore(context.storePath)
  const opened = new Map<string, Sources | Refusal>()
  const read = (): Sources[] => [...opened.values()].flatMap((one) => (isRefusal(one) ? [] : [one]))
  try {
    for (const {
      setup: { in: paths },
    } of plans) {
      const key = JSON.stringify(paths)
      if (paths === undefined || opened.has(key)) continue
      opened.set(key, await openSourcesFor(context, paths).catch((error: unknown) => ({ refused: error })))
    }
    const sourcesOf = (plan: Plan | undefined) => opened.get(JSON.stringify(plan?.setup.in))
    const refusals = plans.map(sourcesOf).filter(isRefusal)
    if (refusals.length === plans.length) {
      store.close()
      return refusals
    }
    const thrown = new Map<Pid, unknown>()
    const programs = new Map<string, Program>()
    const mains = new Set(plans.flatMap(({ main }) => main ?? []))
    for (const one of plans.flatMap((plan) => plan.programs))
      if (!programs.has(nameOf(one)))
        programs.set(nameOf(one), mains.has(one as Program<Json, Json>) ? watched(one, thrown) : one)
    // Under a law questions will come: a key that cannot be used is told before anything runs.
    if (law !== undefined) approvalKeyOf(context.storePath)
    const kernel = await boot({
      store,
      models: modelsOf(plans, setup),
      embedder,
      ...(setup.model === undefined ? {} : { model: setup.model }),
      ...(law === undefined ? {} : { law }),
      approvalKey: () => approvalKeyOf(context.storePath),
      besideKey: setupKey,
      // What was wished of a server that is gone is for the next server, which serves more than these runs.
      goesOn({ pid }) {
        throw new PolityError('STORE_LOCKED', `process ${pid} does not go on in the kernel of other runs`)
      },
      programs: [...programs.values()],
      tools: toolsOf(read(), (pid) => {
        const root = rootIn(kernel, pid)
        return sourcesOf(plans.find((plan) => plan.pid === root)) as Sources
      }),
    })
    const close = closing(kernel, read())
    return plans.map((plan) => {
      const sources = sourcesOf(plan)
      if (isRefusal(sources)) return sources
      return {
        kernel,
        main: plan.main && (programs.get(nameOf(plan.main)) as Plan['main']),
        setup: plan.setup,
        sources,
        differs(pid) {
          const own = setupAt(store, { pid, at: kernel.info(pid).startedAt })
          return own && differenceOf(own, plan.setup)
        },
        noteSetup(pid) {
          const { key, value } = setupEntry({ pid, at: kernel.info(pid).startedAt }, plan.setup)
          kernel.keep(key, value)
          kernel.keepNow()
        },
        thrownIn: (pid) => thrown.get(pid),
        heads: () => store.processes(),
        close,
      }
    })
  } catch (error) {
    for (const sources of read()) sources.close()
    store.close()
    throw error
  }
}

export function isRefusal(outcome: object | undefined): outcome is Refusal {
  return outcome !== undefined && 'refused' in outcome
}

function closing(kernel: Kernel, sources: readonly Sources[]): () => Promise<void> {
  let closed: Promise<void> | undefined
  return () => (closed ??= kernel.close().finally(() => sources.forEach((one) => one.close())))
}

function modelsOf(plans: readonly Plan[], { price }: Setup): Record<string, LanguageModel | ModelOptions> {
  const models: Record<string, LanguageModel | ModelOptions> = {}
  for (const [name, model] of plans.flatMap((plan) => [...plan.models]))
    models[name] = price === undefined || name === modelDefault ? model : { model, price }
  return models
}

/** The tools of the folders; where there are several sets of them, each process has those of the run that it belongs to. */
function toolsOf(all: readonly Sources[], sourcesOf: (pid: Pid) => Sources): readonly Tool[] {
  const [first] = all
  if (first === undefined) return []
  if (all.length === 1) return [...first.tools, calculator() as Tool]
  const own = first.tools.map((tool) => ({
    ...tool,
    execute(input: unknown, context: ToolContext) {
      const mine = sourcesOf(context.pid).tools.find(({ name }) => name === tool.name) as Tool
      return mine.execute(input, context)
    },
  }))
  return [...own, calculator() as Tool]
}

function rootIn(kernel: Kernel, pid: Pid): Pid {
  let root = pid
  for (let parent = kernel.info(root).parent; parent !== null; parent = kernel.info(root).parent) root = parent
  return root
}

/** The program, with a note of what it throws: a journal keeps the message of an error and not its stack. */
function watched(program: Program, thrown: Map<Pid, unknown>): Program {
  const note = (pid: Pid, error: unknown): void => void (thrown.size < THROWN_MAX && thrown.set(pid, error))
  return Object.freeze({
    ...program,
    run(sys: Sys, input: unknown) {
      try {
        const output = program.run(sys, input)
        // Beside the promise that the kernel waits for, so that nothing comes later than it would.
        Promise.resolve(output).catch((error: unknown) => note(sys.pid, error))
        return output
      } catch (error) {
        note(sys.pid, error)
        throw error
      }
    },
  })
}

/** Errors that are kept: a program may spawn itself, and fail, without end. */
const THROWN_MAX = 1_000

type ExportedPrograms = Pick<Plan, 'main' | 'programs'>

/** What a file exports; without one, the research team. */
async function exportedBy(file: string | undefined): Promise<ExportedPrograms & Pick<Exported, 'tools'>> {
  if (file !== undefined) return (await loadExported(file)) as ExportedPrograms & Exported
  const exports = await import('../agents/research.ts')
  return { main: exports.research as unknown as Program<Json, Json>, programs: programsOf(exports), tools: [] }
}

/** The folders and files of `--in`, with their indexes beside the store. */
export function openSourcesFor(context: Context, paths: readonly string[]): Promise<Sources> {
  return openSources(paths, {
    indexFolder: join(dirname(resolve(context.storePath)), 'index'),
    clock: context.clock,
    signal: context.interrupted,
    onProgress: (source, { files, bytes: done, totalBytes }) =>
      context.status.show(`indexing ${source}: ${files} files, ${bytes(done)} of ${bytes(totalBytes)}`),
    onProblem: (text) => context.warn(`polity: ${text}`),
  }).finally(() => context.status.clear())
}

function namesOf(programs: readonly Program[], model: string | undefined): string[] {
  const own = programs.flatMap(({ model: choice }) =>
    choice === undefined ? [] : typeof choice === 'string' ? [choice] : choice,
  )
  return [...new Set([...own, ...(model === undefined ? [] : [model])])]
}

function hasModel(main: Pick<Program, 'model'> | undefined): boolean {
  return main?.model !== undefined
}

/** A budget in dollars that nothing is counted against would be a promise that does not hold. */
function checkPrice(names: readonly string[], { price }: Setup): void {
  const [unknown] = price === undefined ? names.filter((name) => name !== modelDefault) : []
  if (unknown !== undefined)
    throw new PolityError(
      'CONFIG_INVALID',
      `--budget-usd needs to know what ${unknown} costs; add --price <in>/<out>, US dollars for a million tokens, or use --budget-tokens`,
    )
}

/** The law of a file; throws `CONFIG_INVALID` that says what is wrong with it. */
export function lawIn(path: string): Law {
  try {
    return parseLaw(parseJson(textOf(bytesIn(path), 'it')))
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new PolityError(
      'CONFIG_INVALID',
      isMissing
        ? `there is no law file ${path}`
        : `${path} is not a law: ${messageOf(error)}; expected JSON such as {"rules":[{"id":"read","effect":"allow","tool":"search"}]}`,
      { cause: error },
    )
  }
}

function absolute(setup: Setup): Setup {
  return definedOf({
    program: setup.program === undefined ? undefined : resolve(setup.program),
    model: setup.model,
    embedder: setup.embedder,
    price: setup.price,
    law: setup.law === undefined ? undefined : resolve(setup.law),
    lawHash: setup.lawHash,
    in: setup.in?.map((path) => resolve(path)),
  })
}

function definedOf(setup: Setup): Setup {
  return Object.fromEntries(Object.entries(setup).filter(([, value]) => value !== undefined))
}
