/**
 * POST /v1/embeddings: vectors of texts, as numbers or as base64 of little-endian 32-bit floats.
 */
import { endianness } from 'node:os'
import { z } from 'zod'
import type { Json } from '../../kernel/types.ts'
import type { Exchange } from '../route.ts'
import { harmless, parseBody } from './body.ts'
import { badField } from './errors.ts'
import type { Gateway } from './gateway.ts'
import { termsOf } from './terms.ts'

/** As OpenAI: texts of one request. */
const TEXTS_MAX = 2_048

const embeddingsBody = z.strictObject({
  input: z.union([z.string(), z.array(z.string('expected text; tokens are not taken')).min(1).max(TEXTS_MAX)]),
  model: z.string().min(1).nullish(),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).nullish(),
  user: harmless,
})

export async function embeddings({ models }: Gateway, exchange: Exchange): Promise<void> {
  const body = parseBody(embeddingsBody, await exchange.json())
  // A run and a deadline are of calls of models: vectors have no order.
  const { priority, budget } = termsOf(exchange.headers)
  const { vectors, inputTokens, model } = await models.embed(
    {
      caller: exchange.caller,
      priority,
      budget,
      texts: typeof body.input === 'string' ? [body.input] : body.input,
      ...(typeof body.model === 'string' ? { model: body.model } : {}),
    },
    { signal: exchange.signal },
  )
  const length = vectors[0]?.length ?? 0
  if (typeof body.dimensions === 'number' && body.dimensions !== length)
    throw badField(
      'dimensions',
      `The vectors of ${model} have ${length} dimensions, and cannot be given ${body.dimensions}; leave 'dimensions' out.`,
      'unsupported_value',
    )
  const write = body.encoding_format === 'base64' ? base64Of : (vector: readonly number[]): Json => vector
  exchange.reply(200, {
    object: 'list',
    data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: write(vector) })),
    model,
    usage: { prompt_tokens: inputTokens, total_tokens: inputTokens },
  })
}

function base64Of(vector: readonly number[]): string {
  const bytes = Buffer.from(Float32Array.from(vector).buffer)
  return (endianness() === 'BE' ? bytes.swap32() : bytes).toString('base64')
}
