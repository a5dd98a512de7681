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
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { boot, loadModel } from '../boot.ts'
import { calculator } from '../drivers/calculator.ts'
import { approvalKeyOf } from '../drivers/store/approval-key.ts'
import { readAudit } from '../kernel/audit.ts'
import type { LanguageModel } from '../kernel/drivers.ts'
import { messageOf } from '../kernel/errors.ts'
import type { Kernel, ModelOptions } from '../kernel/kernel.ts'
import type { Price, ProcessStart, Program, Tool } from '../kernel/types.ts'
import type { Law } from '../policy/law.ts'
import { parseLaw } from '../policy/law.ts'
import { CLIENT } from '../server/mcp/offers.ts'
import { GATEWAY } from '../server/model-door.ts'
import type { Door } from '../server/route.ts'
import { doorPrograms, doorsOf } from '../server/serve.ts'
import { installedPrograms } from './agent-store/load.ts'
import { checkLaw, openSourcesFor } from './booted.ts'
import type { Context } from './command.ts'
import { usageError } from './options.ts'
import { loadProgramFile, programsOf } from './program-file.ts'
import type { Setup } from './setup.ts'
import { modelDefault, setupKey } from './setup.ts'
import type { Sources } from './sources.ts'
import { openStore } from './store-file.ts'

export interface Wanted {
  /** Files of programs. */
  readonly files: readonly string[]
  /** The first is that of calls that name none. */
  readonly models: readonly string[]
  /** By the name of the model; that of '' is the price of every other one. */
  readonly prices: ReadonlyMap<string, Price>
  readonly law: string | undefined
  readonly in: readonly string[]
}

export interface Serving {
  readonly kernel: Kernel
  readonly doors: readonly Door[]
  /** Those that clients may run. */
  readonly programs: readonly Program[]
  /** Names of the models. */
  readonly models: readonly string[]
  readonly sources: Sources | undefined
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
    const model = await loadModel(name)
    const price = priceOf(wanted, name)
    models[name] = price === undefined ? model : { model, price }
  }
  const law = wanted.law === undefined ? undefined : lawOf(wanted.law)
  const store = await openStore(context.storePath)
  let sources: Sources | undefined
  try {
    sources = wanted.in.length === 0 ? undefined : await openSourcesFor(context, wanted.in)
    const tools: readonly Tool[] = sources === undefined ? [] : [...sources.tools, calculator() as Tool]
    // Under a law questions will come: a key that cannot be used is told before anything runs.
    if (law !== undefined) approvalKeyOf(context.storePath)
    const kernel = await boot({
      store,
      models,
      model: names[0] as string,
      ...(law === undefined ? {} : { law }),
      approvalKey: () => approvalKeyOf(context.storePath),
      programs: [...programs, ...doorPrograms],
      tools,
    })
    const setupFor = ({ program, version }: ProcessStart): Setup | undefined => {
      const found = programs.find((one) => one.name === program && one.version === version)
      return found === undefined ? undefined : setupOf(wanted, files.get(found), names[0] as string)
    }
    kernel.watch(
      (event) => {
        if (event.type === 'process-end') context.unfinished.delete(event.pid)
        if (event.type !== 'process-start' || event.parent !== null) return
        const setup = setupFor(event)
        if (setup === undefined) return
        context.unfinished.add(event.pid)
        const value = JSON.stringify({ setup, at: event.at })
        store.commit({ events: [], puts: [{ table: 'meta', key: setupKey(event.pid), value }] })
      },
      { text: false },
    )
    return {
      kernel,
      doors: doorsOf({ kernel, programs, tools, ...(law === undefined ? {} : { law }), audit: () => readAudit(store) }),
      programs,
      models: names,
      sources,
      close: () => kernel.close().finally(() => sources?.close()),
    }
  } catch (error) {
    sources?.close()
    store.close()
    throw error
  }
}

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
      const name = `${program.name}@${program.version}`
      const other = byName.get(name)
      if (other !== undefined && !found.has(program))
        throw usageError(
          `${file ?? 'polity'} and ${other} both have a program ${name}; give one of them another name or version`,
        )
      byName.set(name, file ?? 'polity')
      found.set(program, found.get(program) ?? file)
    }
  }
  for (const file of new Set(files.map((one) => resolve(one)))) add((await loadProgramFile(file)).programs, file)
  const installed = await installedPrograms(context.storePath, ({ name }, error) =>
    context.warn(`${name} is left out: ${messageOf(error)}`),
  )
  for (const { program, folder } of installed) add([program], folder)
  if (folders.length > 0) add(programsOf(await import('../agents/research.ts')), undefined)
  return found
}

function lawOf(path: string): Law {
  checkLaw(path)
  return parseLaw(JSON.parse(readFileSync(path, 'utf8')))
}

function namesOf(programs: readonly Program[], given: readonly string[]): string[] {
  const own = programs.flatMap(({ model }) => (model === undefined ? [] : typeof model === 'string' ? [model] : model))
  const names = [...new Set([...given, ...own])]
  return names.length === 0 ? [modelDefault] : names
}

function priceOf({ prices }: Wanted, model: string): Price | undefined {
  return prices.get(model) ?? (model === modelDefault ? undefined : prices.get(''))
}

function setupOf(wanted: Wanted, file: string | undefined, model: string): Setup {
  const { law, in: folders } = wanted
  const price = priceOf(wanted, model)
  return {
    ...(file === undefined ? {} : { program: file }),
    model,
    ...(price === undefined ? {} : { price }),
    ...(law === undefined ? {} : { law: resolve(law) }),
    ...(folders.length === 0 ? {} : { in: folders.map((path) => resolve(path)) }),
  }
}
