/**
 * Providers by name: `'openai/gpt-…'` to a model, through the provider package that the user has installed.
 *
 *     const model = await loadModel('anthropic/claude-…')
 *     const local = await loadModel('ollama/llama3.2')
 *     const embedding = await loadEmbeddingModel('openai/text-embedding-3-small')
 *
 * The part before the first slash names the package (see `providers`; any other name is looked for as `@ai-sdk/<name>`),
 * the rest is the provider's own model id. Packages are looked for from the user's working directory first, then from
 * where Polity is installed, each as Node itself would look, so that pnpm's and npm's layouts both work. Keys are the
 * provider's business: it reads them from the environment, mostly with the first call.
 *
 * Invariants
 *   L1. A package is loaded only when a model of it is asked for, and only one of `providers` or of the scope `@ai-sdk`.
 *   L2. What is returned speaks version 4 of the AI SDK's interface; a model of another version is refused, not adapted.
 *   L3. Every failure is a `PolityError` that names what to install, upgrade or set.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { EmbeddingModelV4 } from '@ai-sdk/provider'
import type { LanguageModel } from '../../kernel/drivers.ts'
import { messageOf, PolityError } from '../../kernel/errors.ts'

/** How a provider is found in a package. */
export interface ProviderEntry {
  readonly package: string
  /** The export that is the provider, ready to use. */
  readonly name: string
  /** The export that makes the provider, with what it needs; used instead of `name` where there are options. */
  readonly create?: {
    readonly name: string
    readonly options: (env: Environment) => Readonly<Record<string, unknown>> | undefined
  }
}

type Environment = Readonly<Record<string, string | undefined>>

const ollamaUrl = 'http://127.0.0.1:11434'

/** Provider names that are not simply `@ai-sdk/<name>` with an export of the same name. The first package that is installed serves. */
export const providers: Readonly<Record<string, readonly ProviderEntry[]>> = {
  openai: [{ package: '@ai-sdk/openai', name: 'openai' }],
  anthropic: [{ package: '@ai-sdk/anthropic', name: 'anthropic' }],
  google: [{ package: '@ai-sdk/google', name: 'google' }],
  mistral: [{ package: '@ai-sdk/mistral', name: 'mistral' }],
  groq: [{ package: '@ai-sdk/groq', name: 'groq' }],
  xai: [{ package: '@ai-sdk/xai', name: 'xai' }],
  deepseek: [{ package: '@ai-sdk/deepseek', name: 'deepseek' }],
  azure: [{ package: '@ai-sdk/azure', name: 'azure' }],
  'amazon-bedrock': [{ package: '@ai-sdk/amazon-bedrock', name: 'bedrock' }],
  cohere: [{ package: '@ai-sdk/cohere', name: 'cohere' }],
  togetherai: [{ package: '@ai-sdk/togetherai', name: 'togetherai' }],
  fireworks: [{ package: '@ai-sdk/fireworks', name: 'fireworks' }],
  perplexity: [{ package: '@ai-sdk/perplexity', name: 'perplexity' }],
  openrouter: [{ package: '@openrouter/ai-sdk-provider', name: 'openrouter' }],
  ollama: [
    {
      package: 'ollama-ai-provider-v2',
      name: 'ollama',
      // Speaks Ollama's own protocol, under /api; OLLAMA_BASE_URL may name either door.
      create: {
        name: 'createOllama',
        options: (env) => (env['OLLAMA_BASE_URL'] === undefined ? undefined : { baseURL: `${ollamaHost(env)}/api` }),
      },
    },
    {
      package: '@ai-sdk/openai-compatible',
      name: 'ollama',
      create: {
        name: 'createOpenAICompatible',
        options: (env) => ({ name: 'ollama', baseURL: `${ollamaHost(env)}/v1`, includeUsage: true }),
      },
    },
  ],
}

function ollamaHost(env: Environment): string {
  return (env['OLLAMA_BASE_URL'] ?? ollamaUrl).replace(/\/+$/, '').replace(/\/(v1|api)$/, '')
}

export interface LoadModelOptions {
  /** Folder from which packages are looked for first. @default the working directory */
  readonly cwd?: string
  /** Where base URLs are read. Keys are read by the provider packages, from the process. @default process.env */
  readonly env?: Environment
}

/** A model by name, or a model object after the check that its interface is ours. */
export async function loadModel(model: string | LanguageModel, options: LoadModelOptions = {}): Promise<LanguageModel> {
  return typeof model === 'string' ? load(model, language, options) : toModel(model, 'the model object')
}

/** An embedding model by name, or a model object after the check that its interface is ours. */
export async function loadEmbeddingModel(
  model: string | EmbeddingModelV4,
  options: LoadModelOptions = {},
): Promise<EmbeddingModelV4> {
  return typeof model === 'string' ? load(model, embedding, options) : toEmbeddingModel(model, 'the model object')
}

/** A kind of model: how a provider makes one, and how it is checked. */
interface Kind<M> {
  /** Methods of a provider that make it, the first of which it has. */
  readonly makers: readonly string[]
  /** Whether the provider, called as a function, makes it. */
  readonly isCalled: boolean
  readonly check: (value: unknown, source: string) => M
  /** What there is without a provider. */
  readonly offline: string
}

const language: Kind<LanguageModel> = {
  makers: ['languageModel'],
  isCalled: true,
  check: toModel,
  offline: 'the only offline model is offline/reader',
}
const embedding: Kind<EmbeddingModelV4> = {
  makers: ['embeddingModel', 'textEmbeddingModel'],
  isCalled: false,
  check: toEmbeddingModel,
  offline: 'the embedders that need no provider are hashing and words',
}

async function load<M>(model: string, kind: Kind<M>, options: LoadModelOptions): Promise<M> {
  const [provider, modelId] = parse(model)
  if (provider === 'offline')
    throw new PolityError('NO_SUCH_MODEL', `there is no ${JSON.stringify(model)}; ${kind.offline}`)
  const candidates = Object.hasOwn(providers, provider)
    ? (providers[provider] as readonly ProviderEntry[])
    : [{ package: `@ai-sdk/${provider}`, name: camelCase(provider) }]
  const cwd = resolve(options.cwd ?? process.cwd())
  for (const candidate of candidates) {
    const place = find(candidate.package, cwd)
    if (place !== undefined) return create(kind, candidate, place, model, modelId, options.env ?? process.env)
  }
  const wanted = candidates.map((candidate) => candidate.package)
  // Without the tag, npm takes an older one where package.json or the engine asks for it, which speaks another version.
  const install = `npm install ${wanted.at(-1)}@latest`
  const known = Object.hasOwn(providers, provider)
    ? ''
    : ` (providers known by name: ${Object.keys(providers).join(', ')})`
  throw new PolityError(
    'NO_SUCH_MODEL',
    `${JSON.stringify(model)} needs the package ${wanted.join(' or ')}, which is not installed; run: ${install}${known}`,
    {
      detail: { package: wanted.at(-1) as string, install },
    },
  )
}

/** `value` as a model of our port; throws `CONFIG_INVALID` with what is wrong about it. */
export function toModel(value: unknown, source: string): LanguageModel {
  return toVersion4(value, source, 'language', ['doGenerate', 'doStream']) as LanguageModel
}

/** `value` as an embedding model of the AI SDK; throws `CONFIG_INVALID` with what is wrong about it. */
export function toEmbeddingModel(value: unknown, source: string): EmbeddingModelV4 {
  return toVersion4(value, source, 'embedding', ['doEmbed']) as EmbeddingModelV4
}

function toVersion4(
  value: unknown,
  source: string,
  kind: 'language' | 'embedding',
  methods: readonly string[],
): unknown {
  const model = value as Readonly<Record<string, unknown>> | null
  if ((typeof value !== 'object' && typeof value !== 'function') || model === null) {
    throw new PolityError(
      'CONFIG_INVALID',
      `${source} is ${value === null ? 'null' : `a ${typeof value}`}; expected 'provider/model' or an AI SDK ${kind} model`,
    )
  }
  const { specificationVersion: version, provider, modelId } = model
  if (methods.some((method) => typeof model[method] !== 'function')) {
    throw new PolityError(
      'CONFIG_INVALID',
      `${source} is not an AI SDK ${kind} model: it has no ${methods.join(' and ')}`,
    )
  }
  if (version !== 'v4') {
    const wrap =
      kind === 'language' ? ", or wrap a v3 model with wrapLanguageModel({ model, middleware: [] }) of 'ai' 7" : ''
    throw new PolityError(
      'CONFIG_INVALID',
      `${source} (${String(provider)}/${String(modelId)}) speaks version ${JSON.stringify(version) ?? 'unknown'} of the AI SDK's model interface, and Polity 'v4' only: ` +
        `upgrade its package (npm install <package>@latest, under Node 22 or later)${wrap}`,
    )
  }
  return value
}

function parse(name: string): [provider: string, modelId: string] {
  const slash = name.indexOf('/')
  const provider = name.slice(0, Math.max(0, slash))
  const modelId = name.slice(slash + 1)
  if (slash < 0 || !/^[a-z0-9][a-z0-9-]*$/.test(provider) || modelId === '' || /\s/.test(modelId)) {
    throw new PolityError(
      'CONFIG_INVALID',
      `${JSON.stringify(name)} does not name a model; expected 'provider/model', such as 'openai/gpt-5' or 'ollama/llama3.2'`,
    )
  }
  return [provider, modelId]
}

async function create<M>(
  kind: Kind<M>,
  entry: ProviderEntry,
  place: string,
  name: string,
  modelId: string,
  env: Environment,
): Promise<M> {
  let exports: Readonly<Record<string, unknown>>
  try {
    exports = (await import(pathToFileURL(place).href)) as Readonly<Record<string, unknown>>
  } catch (cause) {
    throw new PolityError(
      'CONFIG_INVALID',
      `${entry.package} is installed (${place}) but does not load: ${messageOf(cause)}`,
      { cause },
    )
  }
  try {
    return kind.check(
      modelOf(kind, providerOf(exports, entry, env), modelId),
      `what ${entry.package} made of ${JSON.stringify(name)}`,
    )
  } catch (cause) {
    if (PolityError.isInstance(cause)) throw cause
    throw new PolityError(
      'CONFIG_INVALID',
      `${entry.package} refused ${JSON.stringify(name)}: ${messageOf(cause)}. If it needs settings beside the name, make the model yourself and pass the object`,
      { cause },
    )
  }
}

function providerOf(exports: Readonly<Record<string, unknown>>, entry: ProviderEntry, env: Environment): unknown {
  const options = entry.create?.options(env)
  if (entry.create !== undefined && options !== undefined) {
    const make = exports[entry.create.name]
    if (typeof make === 'function') return make(options) as unknown
  }
  const provider = exports[entry.name]
  if (typeof provider === 'function' || (typeof provider === 'object' && provider !== null)) return provider
  // A package without a ready provider under its own name: the one `createX` that it has, if it needs no options.
  const makers = Object.entries(exports).filter(
    ([name, value]) => /^create[A-Z]/.test(name) && typeof value === 'function',
  )
  const [maker] = makers
  if (makers.length === 1 && maker !== undefined) return (maker[1] as () => unknown)()
  throw new PolityError(
    'CONFIG_INVALID',
    `${entry.package} has no export ${JSON.stringify(entry.name)}; it exports ${Object.keys(exports).join(', ') || 'nothing'}. Make the model yourself and pass the object`,
  )
}

function modelOf<M>({ makers, isCalled }: Kind<M>, provider: unknown, modelId: string): unknown {
  const methods = provider as Readonly<Record<string, unknown>>
  const make = makers.map((name) => methods[name]).find((one) => typeof one === 'function')
  if (typeof make === 'function') return make.call(provider, modelId) as unknown
  if (isCalled && typeof provider === 'function') return provider(modelId) as unknown
  return undefined
}

function camelCase(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}

// -------------------------------------------------------------------------------------------------------- resolution

/** The file to import for a package, as seen from `cwd` or else from Polity; undefined when neither sees it. */
function find(name: string, cwd: string): string | undefined {
  return findFrom(name, cwd) ?? findFrom(name, dirname(fileURLToPath(import.meta.url)))
}

function findFrom(name: string, folder: string): string | undefined {
  const require = createRequire(join(folder, 'package.json'))
  try {
    return require.resolve(name)
  } catch (error) {
    // A package for `import` only, which `require.resolve` sees but will not name: read its `exports` as `import` would.
    const code = (error as { code?: unknown }).code
    if (code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED') {
      if (code === 'MODULE_NOT_FOUND' && !isBroken(name, require)) return undefined
      throw new PolityError(
        'CONFIG_INVALID',
        `${name} is installed under ${folder} but has no entry point: ${messageOf(error)}`,
        { cause: error },
      )
    }
  }
  for (const modules of require.resolve.paths(name) ?? []) {
    const manifest = join(modules, name, 'package.json')
    if (!existsSync(manifest)) continue
    const { exports } = JSON.parse(readFileSync(manifest, 'utf8')) as { exports?: unknown }
    const target = importTarget(
      typeof exports === 'object' && exports !== null && '.' in exports ? exports['.'] : exports,
    )
    if (target !== undefined) return join(modules, name, target)
  }
  return undefined
}

/** Whether the package's folder is there although it does not resolve: an interrupted install, or one that was not built. */
function isBroken(name: string, require: NodeJS.Require): boolean {
  return (require.resolve.paths(name) ?? []).some((modules) => existsSync(join(modules, name, 'package.json')))
}

const conditions = new Set(['node', 'import', 'module-sync', 'default'])

/** The target of `exports['.']` for `import`: conditions count in the order in which the package wrote them. */
function importTarget(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports
  if (Array.isArray(exports)) return exports.map(importTarget).find((target) => target !== undefined)
  if (typeof exports !== 'object' || exports === null) return undefined
  for (const [condition, target] of Object.entries(exports)) {
    const found = conditions.has(condition) ? importTarget(target) : undefined
    if (found !== undefined) return found
  }
  return undefined
}
