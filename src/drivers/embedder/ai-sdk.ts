/**
 * Embedders of others: any embedding model of the AI SDK, by object or by name.
 *
 *     const kernel = await boot({ embedder: 'openai/text-embedding-3-small' })
 *     const embedder = await aiSdkEmbedder(ollama.embeddingModel('nomic-embed-text'))
 *
 * A list longer than the model takes in one call (`maxEmbeddingsPerCall`) is cut, and the parts are asked for side by side
 * where the model allows it. Names are `provider/model` as for language models; the package is the user's (provider.ts).
 *
 * Invariants
 *   AE1. Vectors come in the order of the texts, as many as texts, all of one length; else the call fails and names the model.
 *   AE2. No call holds more texts than the model takes, and no more than `CALLS_AT_ONCE` are under way.
 *   AE3. What is aborted rejects with the signal's reason, also where the model does not look at the signal; no further call is made.
 *   AE4. An error of the provider is passed on as it is: the kernel reads `statusCode` and `isRetryable` from it.
 */
import type { EmbeddingModelV4 } from '@ai-sdk/provider'
import type { Embedder } from '../../kernel/drivers.ts'
import { PolityError } from '../../kernel/errors.ts'
import { unlessAborted } from '../../kernel/unless-aborted.ts'
import type { LoadModelOptions } from '../llm/provider.ts'
import { loadEmbeddingModel } from '../llm/provider.ts'

export interface AiSdkEmbedderOptions extends LoadModelOptions {
  /** Numbers of a vector, for models that let one choose. @default the model's own */
  readonly dimensions?: number
  /** What the provider takes beside the texts, as the AI SDK's `providerOptions`. @default nothing */
  readonly providerOptions?: NonNullable<Parameters<EmbeddingModelV4['doEmbed']>[0]['providerOptions']>
}

/** Calls of one list that are under way together. */
const CALLS_AT_ONCE = 4

/** An embedder of a model object, or of a name as `provider/model`. */
export async function aiSdkEmbedder(
  given: string | EmbeddingModelV4,
  { dimensions, providerOptions, ...load }: AiSdkEmbedderOptions = {},
): Promise<Embedder> {
  const model = await loadEmbeddingModel(given, load)
  const name = typeof given === 'string' ? given : `${model.provider}/${model.modelId}`
  const more = {
    ...(dimensions === undefined ? {} : { dimensions }),
    ...(providerOptions === undefined ? {} : { providerOptions }),
  }

  async function ask(values: string[], signal: AbortSignal): Promise<readonly (readonly number[])[]> {
    const { embeddings } = await model.doEmbed({ values, abortSignal: signal, ...more })
    if (!Array.isArray(embeddings) || embeddings.length !== values.length)
      throw new PolityError(
        'DRIVER_INVALID',
        `${name} gave ${Array.isArray(embeddings) ? embeddings.length : 'no'} vectors for ${values.length} texts`,
      )
    return embeddings
  }

  return {
    name,
    async embed(texts, { signal }) {
      signal.throwIfAborted()
      if (texts.length === 0) return []
      const [perCall = Infinity, isParallel] = await Promise.all([
        model.maxEmbeddingsPerCall,
        model.supportsParallelCalls,
      ])
      const size = Math.max(1, Math.floor(perCall))
      const parts = Array.from({ length: Math.ceil(texts.length / size) || 1 }, (_, i) =>
        texts.slice(size === Infinity ? 0 : i * size, size === Infinity ? undefined : (i + 1) * size),
      )
      const vectors: (readonly number[])[] = []
      const width = isParallel ? CALLS_AT_ONCE : 1
      for (let at = 0; at < parts.length; at += width) {
        signal.throwIfAborted()
        const together = parts.slice(at, at + width).map((part) => ask([...part], signal))
        vectors.push(...(await unlessAborted(Promise.all(together), signal)).flat())
      }
      const odd = vectors.find((vector) => vector.length !== vectors[0]?.length)
      if (odd !== undefined)
        throw new PolityError(
          'DRIVER_INVALID',
          `${name} gave vectors of ${vectors[0]?.length} and of ${odd.length} numbers`,
        )
      return vectors
    },
  }
}
