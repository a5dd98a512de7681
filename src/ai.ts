/**
 * A provider for the AI SDK whose models are the kernel's: what programs written for `ai` ask, they ask of Polity.
 *
 *     const polity = createPolity({ kernel, principal: 'ada', account: 'ada' })
 *     await generateText({ model: polity('openai/gpt-5'), prompt: 'hello', maxRetries: 0 })
 *     const agent = new ToolLoopAgent({ model: polity(), tools, providerOptions: { polity: { run: 'ticket-7' } } })
 *     globalThis.AI_SDK_DEFAULT_PROVIDER = polity        // and `model: 'openai/gpt-5'` means the kernel's
 *
 * Each call is a process of its own (server/model-door.ts). Tools are executed by the program, after the law let their
 * calls through.
 *
 * Invariants
 *   AI1. What `createPolity` was given, no call can choose otherwise.
 *   AI2. Who aborts hears it at once, also in the queue of a run, and with the reason of the abort.
 */
import { NoSuchModelError } from '@ai-sdk/provider'
import type { EmbeddingModelV4, LanguageModelV4, ProviderV4, SharedV4ProviderOptions } from '@ai-sdk/provider'
import { callError } from './ai/errors.ts'
import { resultOf, streamOf } from './ai/reply.ts'
import { requestOf, unsupported, warningsOf } from './ai/request.ts'
import { PolityError, invalid } from './kernel/errors.ts'
import type { KeysOf } from './kernel/known-keys.ts'
import { checkKeys } from './kernel/known-keys.ts'
import type { Kernel } from './kernel/kernel.ts'
import { checkPrincipal } from './kernel/principal.ts'
import type { Budget, ModelChoice } from './kernel/types.ts'
import type { ForeignTool } from './server/foreign-tools.ts'
import { createModelDoor } from './server/model-door.ts'

export type { PolityMetadata } from './ai/reply.ts'
export type { ForeignTool } from './server/foreign-tools.ts'

export interface PolityOptions {
  readonly kernel: Kernel
  /** On whose behalf. @default 'local' */
  readonly principal?: string
  /** Account that all calls draw on together; `kernel.account(name, budget)` gives it its ceilings. @default none */
  readonly account?: string
  /**
   * Run that all calls belong to: one goes after another, and each stands before the law where the last one ended.
   * @default each call may name its own
   */
  readonly run?: string
  /** Higher goes first under the `priority` discipline. @default each call may name its own, else 0 */
  readonly priority?: number
  /** Ceilings of each call of a language model by itself. @default none */
  readonly budget?: Budget
  /** What the law has to know of the program's tools, by their names. @default nothing is known of them */
  readonly tools?: { readonly [name: string]: ForeignTool }
}

/** What a call may say in `providerOptions.polity`, as far as `createPolity` left it open. */
export interface PolityCallOptions {
  readonly run?: string
  readonly priority?: number
  /** When the answer is no longer worth having, ms from now. Read by the `deadline` discipline. */
  readonly deadlineMs?: number
}

export interface PolityProvider extends ProviderV4 {
  /** A model by the name of its core, or a chain of them, tried in order. Throws `NoSuchModelError`. @default the kernel's */
  (model?: ModelChoice): LanguageModelV4
  languageModel(model?: ModelChoice): LanguageModelV4
  /** The kernel's embedder. Throws `NoSuchModelError`. */
  embeddingModel(name?: string): EmbeddingModelV4
}

const optionKeys: KeysOf<PolityOptions> = {
  kernel: true,
  principal: true,
  account: true,
  run: true,
  priority: true,
  budget: true,
  tools: true,
}

/** The kernel's models for one principal. Throws `CONFIG_INVALID` for an option that there is not, `INVALID_ARGUMENT` for a name that no principal has. */
export function createPolity(options: PolityOptions): PolityProvider {
  checkKeys('createPolity', options, optionKeys)
  const { kernel, principal = 'local', account, run, priority, budget, tools = {} } = options
  checkPrincipal('createPolity: principal', principal)
  if (account !== undefined) checkPrincipal('createPolity: account', account)
  const door = createModelDoor(kernel, { tools })
  const caller = { principal, key: account ?? null }

  function languageModel(model?: ModelChoice): LanguageModelV4 {
    const names = typeof model === 'string' ? [model] : (model ?? [])
    for (const name of names)
      if (!door.models.includes(name))
        throw noSuchModel('languageModel', name, `no core serves "${name}"; there are ${door.models.join(', ')}`)
    const modelId = names.join(', ') || 'default'
    const ask = (
      call: Parameters<LanguageModelV4['doGenerate']>[0],
      signal: AbortSignal | undefined,
      onText?: (delta: string) => void,
    ) =>
      settle(modelId, signal, () => {
        const options = callOptions(call.providerOptions?.['polity'], { run, priority })
        return door.generate({ ...requestOf(call), ...options, caller, model, budget }, { signal, onText })
      })
    return {
      specificationVersion: 'v4',
      provider: 'polity',
      modelId,
      // What programs name by address is downloaded by the AI SDK: which addresses a core takes is not known here.
      supportedUrls: {},
      doGenerate: async (call) => resultOf(await ask(call, call.abortSignal), warningsOf(call)),
      doStream: (call) =>
        streamOf((signal, onText) => ask(call, signal, onText), call.abortSignal, warningsOf(call), modelId),
    }
  }

  function embeddingModel(name: string = door.embedder ?? ''): EmbeddingModelV4 {
    const { embedder } = door
    if (embedder === null)
      throw noSuchModel('embeddingModel', name, 'the kernel has no embedder; pass one to boot({ embedder })')
    if (name !== embedder)
      throw noSuchModel('embeddingModel', name, `no embedder is named "${name}"; there is ${embedder}`)
    return {
      specificationVersion: 'v4',
      provider: 'polity',
      modelId: name,
      // The vectors of one call are one value of the journal.
      maxEmbeddingsPerCall: Math.max(1, Math.floor(kernel.limits.valueBytesMax / VECTOR_BYTES_MAX)),
      supportsParallelCalls: true,
      async doEmbed({ values: texts, dimensions, abortSignal: signal }) {
        const { vectors, inputTokens } = await settle(name, signal, () => door.embed({ caller, texts }, { signal }))
        return {
          embeddings: vectors.map((vector) => vector.slice()),
          usage: { tokens: inputTokens },
          warnings: dimensions === undefined ? [] : [unsupported('dimensions', `${name} has one length of vectors.`)],
        }
      },
    }
  }

  return Object.assign((model?: ModelChoice) => languageModel(model), {
    specificationVersion: 'v4' as const,
    languageModel,
    embeddingModel,
    imageModel(modelId: string): never {
      throw noSuchModel('imageModel', modelId, 'the kernel has no models that make images')
    },
  })
}

/** A vector of 4,096 numbers, the longest in common use, as the kernel counts its bytes (plain.ts). */
const VECTOR_BYTES_MAX = 4_096 * 8 + 4

function noSuchModel(modelType: NoSuchModelError['modelType'], modelId: string, message: string): NoSuchModelError {
  return new NoSuchModelError({ modelId, modelType, message })
}

/** What the call says, where `fixed` leaves it open. Throws `INVALID_ARGUMENT`. */
function callOptions(given: SharedV4ProviderOptions[string] | undefined, fixed: PolityCallOptions): PolityCallOptions {
  // A kernel that asks this one says the place of the call in its journal (kernel/exchange.ts).
  const { pid: _pid, n: _n, ...options } = given ?? {}
  for (const [key, value] of Object.entries(options)) {
    const takes = CALL_OPTIONS[key]
    if (takes === undefined) throw invalid('providerOptions.polity', Object.keys(CALL_OPTIONS).join(', '), key)
    if (typeof value !== takes) throw invalid(`providerOptions.polity.${key}`, `a ${takes}`, value)
    const chosen = fixed[key as keyof PolityCallOptions]
    if (chosen !== undefined && chosen !== value)
      throw new PolityError('INVALID_ARGUMENT', `providerOptions.polity.${key}: createPolity has chosen ${chosen}`)
  }
  const { run = fixed.run, priority = fixed.priority, deadlineMs }: PolityCallOptions = options
  return { run, priority, deadlineMs }
}

const CALL_OPTIONS: { readonly [key: string]: string } = {
  run: 'string',
  priority: 'number',
  deadlineMs: 'number',
} satisfies Record<keyof PolityCallOptions, string>

/** What `work` gives, in terms of the AI SDK: an abort ends it with its reason, at once; errors are those of calls. */
async function settle<T>(modelId: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  signal?.throwIfAborted()
  let stop = (): void => {}
  const aborted = new Promise<never>((_, reject) => (stop = () => reject(signal?.reason)))
  signal?.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([work(), aborted])
  } catch (error) {
    throw callError(error, modelId)
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}
