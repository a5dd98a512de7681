/**
 * Booting: a kernel from what a person writes down. Reads strings into parts (a store's path, `provider/model`, a law's
 * file), loads only the drivers that are used, and asserts the version of Node.
 */
import type { EmbeddingModelV4 } from '@ai-sdk/provider'
import type { Embedder, LanguageModel, LeaseStore, Store } from './kernel/drivers.ts'
import { PolityError, messageOf } from './kernel/errors.ts'
import type { Kernel, KernelOptions, ModelOptions } from './kernel/kernel.ts'
import { createKernel, kernelKeys } from './kernel/kernel.ts'
import type { KeysOf } from './kernel/known-keys.ts'
import { checkKeys } from './kernel/known-keys.ts'
import type { ModelChoice } from './kernel/types.ts'
import { textOf } from './kernel/utf8.ts'
import { parseJson } from './policy/json.ts'
import type { Law } from './policy/law.ts'
import { parseLaw } from './policy/law.ts'

export interface BootOptions extends Omit<KernelOptions, 'store' | 'leases' | 'law' | 'models' | 'model' | 'embedder'> {
  /** Path of an SQLite file, or a store. @default in memory: nothing outlives the process */
  readonly store?: string | Store
  /** For a path: what a commit survives. `relaxed` the death of the process, `strict` also the loss of power. @default 'relaxed' */
  readonly durability?: 'relaxed' | 'strict'
  /** Path of an SQLite file that the kernels of this machine share, or a lease store: those that name it share the limits of the provider keys that they use. @default the limits are this kernel's alone */
  readonly leases?: string | LeaseStore
  /** Path of a JSON file, or a law. */
  readonly law?: string | Law
  /** Models by name, or names of models to load. @default offline/reader */
  readonly models?: KernelOptions['models'] | readonly string[]
  /** Model of calls that name none: a name, or a model object. @default the first of `models` */
  readonly model?: ModelChoice | LanguageModel
  /** What makes vectors of notes and texts: 'hashing', 'words', 'provider/model', an embedding model of the AI SDK, or an embedder. @default none: notes are found by their words */
  readonly embedder?: string | Embedder | EmbeddingModelV4
}

/** Oldest Node that runs us: `.ts` sources and `node:sqlite` without flags. */
const NODE_MAJOR_MIN = 24

const bootKeys: KeysOf<BootOptions> = { ...kernelKeys, durability: true }

/** A kernel. Throws `CONFIG_INVALID` for what cannot be read, and for an option that there is not: a misspelt law would be none. */
export async function boot(options: BootOptions = {}): Promise<Kernel> {
  const major = Number(process.versions.node.split('.')[0])
  if (major < NODE_MAJOR_MIN)
    throw new PolityError(
      'CONFIG_INVALID',
      `Polity needs Node ${NODE_MAJOR_MIN} or later; this is ${process.versions.node}`,
    )
  checkKeys('boot', options, bootKeys)
  const {
    store: givenStore,
    leases: givenLeases,
    durability,
    law: givenLaw,
    models: givenModels,
    model: givenModel,
    embedder: givenEmbedder,
    ...rest
  } = options
  const models = await loadModels(givenModels, givenModel, typeof givenStore === 'string' ? givenStore : undefined)
  const embedder = givenEmbedder === undefined ? undefined : await loadEmbedder(givenEmbedder)
  const law = givenLaw === undefined ? undefined : await readLaw(givenLaw)
  // Last: it takes ownership of the file, and whatever can fail has not.
  const store = await openStore(givenStore, durability)
  let leases: LeaseStore | undefined
  try {
    leases =
      typeof givenLeases === 'string'
        ? (await import('./drivers/store/lease-file.ts')).openLeaseFile(givenLeases)
        : givenLeases
    return createKernel({
      ...(typeof givenStore === 'string' ? { approvalKey: await keyBeside(givenStore) } : {}),
      ...rest,
      store,
      ...(leases === undefined ? {} : { leases }),
      models: models.cores,
      ...(embedder === undefined ? {} : { embedder }),
      ...(models.choice === undefined ? {} : { model: models.choice }),
      ...(law === undefined ? {} : { law }),
    })
  } catch (error) {
    leases?.close()
    store.close()
    throw error
  }
}

async function openStore(
  given: string | Store | undefined,
  durability: 'relaxed' | 'strict' = 'relaxed',
): Promise<Store> {
  if (given === undefined) return (await import('./drivers/store/memory.ts')).memoryStore()
  if (typeof given === 'object' && given !== null) return given
  if (typeof given !== 'string') throw wrong('store', 'the path of a file, or a store', given)
  if (durability !== 'relaxed' && durability !== 'strict')
    throw new PolityError('CONFIG_INVALID', `durability takes "relaxed" or "strict", not ${JSON.stringify(durability)}`)
  return (await import('./drivers/store/sqlite.ts')).openSqliteStore(given, { durability })
}

async function loadModels(
  given: BootOptions['models'],
  choice: BootOptions['model'],
  store: string | undefined,
): Promise<{ cores: Record<string, LanguageModel | ModelOptions>; choice: ModelChoice | undefined }> {
  const cores: Record<string, LanguageModel | ModelOptions> = {}
  let names: string[] = []
  if (Array.isArray(given)) names = [...(given as readonly string[])]
  else if (given === undefined || (typeof given === 'object' && given !== null)) Object.assign(cores, given)
  else throw wrong('models', 'a list of names, or models by their names', given)
  let chosen: ModelChoice | undefined
  if (typeof choice === 'string' || Array.isArray(choice)) {
    chosen = choice as ModelChoice
    names.push(...(typeof choice === 'string' ? [choice] : (choice as readonly string[])))
  } else if (choice !== undefined) {
    const model = choice as LanguageModel
    if (typeof model?.provider !== 'string' || typeof model.modelId !== 'string')
      throw wrong('model', '"provider/model", a list of such names, or a model of the AI SDK', choice)
    chosen = `${model.provider}/${model.modelId}`
    cores[chosen] = model
  } else if (given === undefined) names.push('offline/reader')
  for (const name of names) {
    if (typeof name !== 'string') throw wrong('models', 'names such as "provider/model"', name)
    cores[name] ??= await loadModel(name, store)
  }
  return { cores, choice: chosen ?? names[0] }
}

/**
 * A model by its name: `offline/reader` is ours, `llama:` and the path of a GGUF file or the name of a model that Ollama has
 * here is computed in this process, and `provider/model` comes from the user's installed provider package. Where the path of
 * the store is given, a local model keeps its states beside it: what was interrupted goes on after a crash.
 */
export async function loadModel(name: string, store?: string): Promise<LanguageModel> {
  if (name === 'offline/reader') return (await import('./drivers/llm/reader.ts')).reader()
  if (name.startsWith('llama:')) {
    const { llama } = await import('./drivers/llm/llama.ts')
    return llama(name.slice('llama:'.length), store === undefined ? {} : { stateFolder: `${store}-states` })
  }
  return (await import('./drivers/llm/provider.ts')).loadModel(name)
}

/** An embedder by its name (`hashing` and `words` are ours, `provider/model` comes from the user's installed provider package) or of a model object. */
export async function loadEmbedder(given: string | Embedder | EmbeddingModelV4): Promise<Embedder> {
  if (given === 'hashing') return (await import('./drivers/embedder/hashing.ts')).hashingEmbedder()
  if (given === 'words') return (await import('./drivers/embedder/words.ts')).wordsEmbedder()
  if (typeof given === 'object' && given !== null && 'embed' in given) return given
  if (typeof given === 'string' && !given.includes('/'))
    throw new PolityError(
      'CONFIG_INVALID',
      `there is no embedder ${JSON.stringify(given)}; there are hashing, words, and provider/model, such as openai/text-embedding-3-small`,
    )
  return (await import('./drivers/embedder/ai-sdk.ts')).aiSdkEmbedder(given)
}

/** Reads or makes the key when it is first needed: most stores never ask. */
async function keyBeside(path: string): Promise<() => string> {
  const { approvalKeyOf } = await import('./drivers/store/approval-key.ts')
  return () => approvalKeyOf(path)
}

async function readLaw(given: string | Law): Promise<Law> {
  let from = 'the law'
  try {
    if (typeof given !== 'string') return parseLaw(given)
    from = given
    const { readFile } = await import('node:fs/promises')
    return parseLaw(parseJson(textOf(await readFile(given), 'it')))
  } catch (error) {
    throw new PolityError('CONFIG_INVALID', `${from}: ${messageOf(error)}`, { cause: error })
  }
}

function wrong(option: string, expected: string, got: unknown): PolityError {
  return new PolityError('CONFIG_INVALID', `boot: ${option} takes ${expected}, not ${messageOf(got).slice(0, 80)}`)
}
