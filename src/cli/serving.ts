/**
 * A kernel as `polity serve` asks for it: the programs of several files, the installed agents, several models, a law, folders. What is needed to
 * resume a run is noted beside it when it begins, so `polity resume 17` works as for a run of `polity run`.
 *
 *     const serving = await bootServing(context, { files: ['clerk.ts'], models: ['offline/reader'] })
 *     serving.programs                // what clients may run by name
 *     await serving.close()           // what runs is stopped, and can be resumed
 *
 * Invariants
 *   SV1. What can be wrong is found before the store is taken; the store is given up again when anything after fails.
 *   SV2. `context.unfinished` holds every run of a client that has not ended: whoever ends this command, it is told.
 *   SV3. What is needed to resume a run is in the batch of its start, and all is written by the kernel alone.
 *   SV4. By no door, and by no command of another process, does a run go on with something else than it was begun with
 *        (as-begun.ts), unless the law is named under which it is to.
 */
import { resolve } from 'node:path'
import { boot, loadEmbedder, loadModel } from '../boot.ts'
import { calculator } from '../drivers/calculator.ts'
import { approvalKeyOf } from '../drivers/store/approval-key.ts'
import { readAudit } from '../kernel/audit.ts'
import type { LanguageModel } from '../kernel/drivers.ts'
import { PolityError, messageOf } from '../kernel/errors.ts'
import type { Kernel, ModelOptions } from '../kernel/kernel.ts'
import type { Limits } from '../kernel/limits.ts'
import type { Price, ProcessStart, Program, Tool } from '../kernel/types.ts'
import { textOf } from '../kernel/utf8.ts'
import { parseJson } from '../policy/json.ts'
import type { Law } from '../policy/law.ts'
import type { ForeignTools } from '../server/foreign-tools.ts'
import { parseForeignTools } from '../server/foreign-tools.ts'
import { keysOf, scopesOfKeys } from '../server/keys.ts'
import { CLIENT } from '../server/mcp/offers.ts'
import type { ServerLimits } from '../server/limits.ts'
import { GATEWAY } from '../server/model-door.ts'
import type { Door } from '../server/route.ts'
import { doorPrograms, doorsOf } from '../server/serve.ts'
import { checkTelemetry, startTelemetry } from '../server/telemetry.ts'
import { installedPrograms } from './agent-store/load.ts'
import { asBegun, termsOf } from './as-begun.ts'
import { lawIn, openSourcesFor } from './booted.ts'
import type { Context } from './command.ts'
import type { Serving as Noted } from './elsewhere.ts'
import { servingKey } from './elsewhere.ts'
import { bytesIn } from './given-file.ts'
import { quoted } from './name-here.ts'
import { usageError } from './options.ts'
import { fromHere } from './place.ts'
import { loadExported, programsOf } from './program-file.ts'
import type { Setup } from './setup.ts'
import { embedderDefault, hashOfLaw, modelDefault, nameOf, setupEntry, setupKey } from './setup.ts'
import type { Sources } from './sources.ts'
import { checkSources } from './sources.ts'
import { cachesWithin, openStore } from './store-file.ts'

export interface Wanted {
  /** Files of programs. */
  readonly files: readonly string[]
  /** The first is that of calls that name none. */
  readonly models: readonly string[]
  /** What makes vectors of notes, and for clients. @default hashing */
  readonly embedder?: string | undefined
  /** By the name of the model; that of '' is the price of every other one. */
  readonly prices: ReadonlyMap<string, Price>
  readonly law: string | undefined
  /** File that says what calls of clients' own tools mean. */
  readonly clientTools: string | undefined
  readonly in: readonly string[]
  /** Whether traces and metrics are sent to a collector. */
  readonly otlp: boolean
  /** What notes and searches may take of RAM, so that they need not be read again, MiB. @default cacheDefault */
  readonly cache?: number | undefined
  /** Other limits of the kernel than the defaults. */
  readonly limits?: Partial<Limits>
  /** Other limits of the server than the defaults. */
  readonly serverLimits?: Partial<ServerLimits>
  /** Hosts of this machine or a private network that A2A webhooks may reach. @default no webhooks are told */
  readonly pushHosts?: readonly string[] | undefined
}

export interface Serving {
  readonly kernel: Kernel
  readonly doors: readonly Door[]
  /** Those that clients may run. */
  readonly programs: readonly Program[]
  /** Names of the models. */
  readonly models: readonly string[]
  readonly sources: Sources | undefined
  /** What is sent to a collector, in words. */
  readonly telemetry: string | undefined
  /** Stops what runs, so that it can be resumed, and gives everything up. */
  close(): Promise<void>
}

export async function bootServing(context: Context, wanted: Wanted): Promise<Serving> {
  const files = await filesOf(context, wanted)
  const programs = [...files.keys()]
  const names = namesOf(programs, wanted.models)
  const unknown = [...wanted.prices.keys()].find((name) => name !== '' && !names.includes(name))
  if (unknown !== undefined)
    throw usageError(`--price names the model ${unknown}, which is not served; there are ${names.join(', ')}`)
  const models: { [name: string]: LanguageModel | ModelOptions } = {}
  for (const name of names) {
    const model = await loadModel(name, context.storePath)
    const price = priceOf(wanted, name)
    models[name] = price === undefined ? model : { model, price }
  }
  const law = wanted.law === undefined ? undefined : lawIn(wanted.law)
  const clientTools = wanted.clientTools === undefined ? {} : clientToolsIn(wanted.clientTools)
  const embedder = await loadEmbedder(wanted.embedder ?? embedderDefault)
  if (wanted.otlp) await checkTelemetry()
  const caches = wanted.cache === undefined ? undefined : cachesWithin(wanted.cache)
  checkSources(wanted.in)
  const store = await openStore(context.storePath, caches && { memory: caches.memory })
  let sources: Sources | undefined
  try {
    sources = wanted.in.length === 0 ? undefined : await openSourcesFor(context, wanted.in)
    sources?.watch()
    const tools: readonly Tool[] = sources === undefined ? [] : [...sources.tools, calculator() as Tool]
    // Under a law questions will come: a key that cannot be used is told before anything runs.
    if (law !== undefined) approvalKeyOf(context.storePath)
    const setups: { readonly [program: string]: Setup } = Object.fromEntries(
      programs.map((one) => [nameOf(one), setupOf(wanted, files.get(one), names[0] as string, law)]),
    )
    const setupFor = ({ program, version }: ProcessStart): Setup | undefined =>
      setups[nameOf({ name: program, version })]
    const kernel = await boot({
      store,
      models,
      model: names[0] as string,
      // The principals of the keys share the models evenly; to the runs of one it is the default discipline.
      discipline: 'fair-share',
      embedder,
      ...(law === undefined ? {} : { law }),
      approvalKey: () => approvalKeyOf(context.storePath),
      limits: { ...caches?.limits, ...wanted.limits },
      programs: [...programs, ...doorPrograms],
      tools,
      beside(start) {
        const setup = setupFor(start)
        return setup && setupEntry(start, setup)
      },
      besideKey: setupKey,
      goesOn: termsOf(store, setups),
    })
    kernel.watch(
      (event) => {
        if (event.type === 'process-end') context.unfinished.delete(event.pid)
        if (event.type === 'process-start' && event.parent === null && setupFor(event) !== undefined)
          context.unfinished.add(event.pid)
      },
      { text: false },
    )
    // For commands of other processes, which go on with a run here only on the terms that it was begun with.
    kernel.keep(servingKey, JSON.stringify({ pid: process.pid, setups } satisfies Noted))
    await kernel.flush()
    const telemetry = wanted.otlp
      ? await startTelemetry({
          kernel,
          clock: context.clock,
          closeMs: TELEMETRY_MS,
          onProblem: (text) => context.warn(`polity: ${text}`),
        })
      : undefined
    const doors = doorsOf({
      kernel: asBegun(telemetry?.kernel ?? kernel, store, setups),
      programs,
      tools,
      clientTools,
      ...(law === undefined ? {} : { law }),
      keys: keysOf(context.storePath),
      audit: (range) => readAudit(store, range),
      ...(wanted.serverLimits === undefined ? {} : { limits: wanted.serverLimits }),
      ...(wanted.pushHosts === undefined
        ? {}
        : {
            push: {
              privateHosts: wanted.pushHosts,
              scopesOf: scopesOfKeys(context.storePath, context.clock),
            },
          }),
    })
    return {
      kernel,
      doors: telemetry?.doors(doors) ?? doors,
      programs,
      models: names,
      sources,
      telemetry: telemetry?.summary,
      close: () =>
        kernel
          .close()
          .finally(() => sources?.close())
          .finally(() => telemetry?.close()),
    }
  } catch (error) {
    sources?.close()
    store.close()
    throw error
  }
}

/** Of the 5 s after which a command that was interrupted is ended (main.ts), what a collector gets to take the rest, ms. */
const TELEMETRY_MS = 1_500

/** Programs of the doors: what is left of them after a crash is ended or gone on with by name. */
const reserved: ReadonlySet<string> = new Set([GATEWAY, CLIENT, ...doorPrograms.map(({ name }) => name)])

/** The programs, with the file of each: those of the files, the installed agents, and with folders the research team, which has none. */
async function filesOf(
  context: Context,
  { files, in: folders }: Wanted,
): Promise<ReadonlyMap<Program, string | undefined>> {
  const found = new Map<Program, string | undefined>()
  const byName = new Map<string, string>()
  const add = (programs: readonly Program[], file: string | undefined): void => {
    for (const program of programs) {
      if (reserved.has(program.name))
        throw usageError(
          `${file ?? 'polity'} has a program ${program.name}, which is the name of one of the server's own; give it another`,
        )
      const name = nameOf(program)
      const other = byName.get(name)
      if (other !== undefined && !found.has(program))
        throw usageError(
          `${file ?? 'polity'} and ${other} both have a program ${name}; give one of them another name or version`,
        )
      byName.set(name, file ?? 'polity')
      found.set(program, found.get(program) ?? file)
    }
  }
  for (const file of new Set(files.map((one) => resolve(one)))) {
    const { programs, tools } = await loadExported(file)
    if (programs.length === 0)
      throw usageError(
        `${file} exports no program to serve, but tools only: ${tools.map(({ name }) => name).join(', ')}; give them to a program, or serve them with: ${context.commandLine(`mcp ${quoted(fromHere(file))}`)}`,
      )
    add(programs, file)
  }
  const installed = await installedPrograms(context.storePath, ({ name }, error) =>
    context.warn(`${name} is left out: ${messageOf(error)}`),
  )
  for (const { program, folder } of installed) add([program], folder)
  if (folders.length > 0) add(programsOf(await import('../agents/research.ts')), undefined)
  return found
}

function clientToolsIn(path: string): ForeignTools {
  let given: unknown
  try {
    given = parseJson(textOf(bytesIn(path), 'it'))
  } catch (error) {
    throw new PolityError('CONFIG_INVALID', `the file ${path} of --client-tools cannot be read: ${messageOf(error)}`, {
      cause: error,
    })
  }
  return parseForeignTools(given)
}

function namesOf(programs: readonly Program[], given: readonly string[]): string[] {
  const own = programs.flatMap(({ model }) => (model === undefined ? [] : typeof model === 'string' ? [model] : model))
  const names = [...new Set([...given, ...own])]
  return names.length === 0 ? [modelDefault] : names
}

function priceOf({ prices }: Wanted, model: string): Price | undefined {
  return prices.get(model) ?? (model === modelDefault ? undefined : prices.get(''))
}

function setupOf(wanted: Wanted, file: string | undefined, model: string, law: Law | undefined): Setup {
  const { embedder, in: folders } = wanted
  const price = priceOf(wanted, model)
  return {
    ...(file === undefined ? {} : { program: file }),
    model,
    ...(embedder === undefined ? {} : { embedder }),
    ...(price === undefined ? {} : { price }),
    ...(law === undefined ? {} : { law: resolve(wanted.law as string), lawHash: hashOfLaw(law) }),
    ...(folders.length === 0 ? {} : { in: folders.map((path) => resolve(path)) }),
  }
}
