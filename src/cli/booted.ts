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
 *   B2. A setup holds absolute paths, so a run can be resumed from any folder.
 */
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { boot, loadModel } from '../boot.ts'
import { calculator } from '../drivers/calculator.ts'
import type { LanguageModel, Store } from '../kernel/drivers.ts'
import { PolityError, messageOf } from '../kernel/errors.ts'
import type { Kernel, ModelOptions } from '../kernel/kernel.ts'
import type { Budget, Json, Pid, ProcessStart, Program, Tool } from '../kernel/types.ts'
import { parseLaw } from '../policy/law.ts'
import { bytes } from './amounts.ts'
import type { Context } from './command.ts'
import { loadProgramFile, programsOf } from './program-file.ts'
import type { Setup } from './setup.ts'
import { modelDefault, setupKey, setupOf, startOf } from './setup.ts'
import type { Sources } from './sources.ts'
import { openSources } from './sources.ts'
import { openStore, readStore } from './store-file.ts'

export interface Booted {
  readonly kernel: Kernel
  readonly main: Program<Json, Json>
  readonly setup: Setup
  readonly sources: Sources | undefined
  /** Keeps the setup beside a run. */
  noteSetup(pid: Pid): void
  /** Stops what runs, so that it can be resumed, and gives everything up. Safe to call twice. */
  close(): Promise<void>
}

export async function bootFor(context: Context, given: Setup, budget: Budget = {}): Promise<Booted> {
  const { main, programs } = await programsFor(given.program)
  if (given.law !== undefined) checkLaw(given.law)
  const setup = absolute({ ...given, model: given.model ?? (hasModel(main) ? undefined : modelDefault) })
  const names = namesOf(programs, setup.model)
  if (budget.usd !== undefined) checkPrice(names, setup)
  const models: Record<string, LanguageModel | ModelOptions> = {}
  for (const name of names) {
    const model = await loadModel(name)
    models[name] = setup.price === undefined || name === modelDefault ? model : { model, price: setup.price }
  }
  const store = await openStore(context.storePath)
  let sources: Sources | undefined
  try {
    if (setup.in !== undefined) sources = await openSourcesFor(context, setup.in)
    const tools = sources === undefined ? [] : [...sources.tools, calculator() as Tool]
    const kernel = await boot({
      store,
      models,
      ...(setup.model === undefined ? {} : { model: setup.model }),
      ...(setup.law === undefined ? {} : { law: setup.law }),
      programs,
      tools: tools as readonly Tool[],
    })
    return booted(kernel, store, main, setup, sources)
  } catch (error) {
    sources?.close()
    store.close()
    throw error
  }
}

/** The kernel for a run that is in the store: as its setup says, with what the command line says over it. */
export async function bootAgain(context: Context, pid: Pid, over: Setup = {}, budget: Budget = {}): Promise<Booted> {
  const reader = readStore(context.storePath)
  let start: ProcessStart
  let setup: Setup | undefined
  try {
    start = startOf(reader, pid)
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
    // Named by the store, it may have moved since.
    try {
      await loadProgramFile(merged.program)
    } catch (error) {
      if (over.program !== undefined) throw error
      throw new PolityError(
        'NO_SUCH_PROGRAM',
        `process ${pid} was started from ${merged.program}: ${messageOf(error)}. Name the file with --program <file.ts>`,
        { cause: error },
      )
    }
  }
  return bootFor(context, merged, budget)
}

function booted(
  kernel: Kernel,
  store: Store,
  main: Program<Json, Json>,
  setup: Setup,
  sources: Sources | undefined,
): Booted {
  let closing: Promise<void> | undefined
  return {
    kernel,
    main,
    setup,
    sources,
    noteSetup(pid) {
      const value = JSON.stringify({ setup, at: kernel.info(pid).startedAt })
      store.commit({ events: [], puts: [{ table: 'meta', key: setupKey(pid), value }] })
    },
    close() {
      closing ??= kernel.close().finally(() => sources?.close())
      return closing
    },
  }
}

async function programsFor(
  file: string | undefined,
): Promise<{ main: Program<Json, Json>; programs: readonly Program[] }> {
  if (file !== undefined)
    return (await loadProgramFile(file)) as { main: Program<Json, Json>; programs: readonly Program[] }
  const exports = await import('../agents/research.ts')
  return { main: exports.research as unknown as Program<Json, Json>, programs: programsOf(exports) }
}

function openSourcesFor(context: Context, paths: readonly string[]): Promise<Sources> {
  return openSources(paths, {
    indexFolder: join(dirname(resolve(context.storePath)), 'index'),
    clock: context.clock,
    signal: context.interrupted,
    onProgress: (source, { files, bytes: done, totalBytes }) =>
      context.status.show(`indexing ${source}: ${files} files, ${bytes(done)} of ${bytes(totalBytes)}`),
  }).finally(() => context.status.clear())
}

function namesOf(programs: readonly Program[], model: string | undefined): string[] {
  const own = programs.flatMap(({ model: choice }) =>
    choice === undefined ? [] : typeof choice === 'string' ? [choice] : choice,
  )
  return [...new Set([...own, ...(model === undefined ? [] : [model])])]
}

function hasModel({ model }: Pick<Program, 'model'>): boolean {
  return model !== undefined
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

function checkLaw(path: string): void {
  try {
    parseLaw(JSON.parse(readFileSync(path, 'utf8')))
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
    price: setup.price,
    law: setup.law === undefined ? undefined : resolve(setup.law),
    in: setup.in?.map((path) => resolve(path)),
  })
}

function definedOf(setup: Setup): Setup {
  return Object.fromEntries(Object.entries(setup).filter(([, value]) => value !== undefined))
}
