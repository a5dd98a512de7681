/** Answers of a local model in turns: what its tests in two operating-system processes share. */
import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'
import type { LlamaModel } from '../src/drivers/llm/llama.ts'
import { fieldOf } from '../src/kernel/errors.ts'

/** Tokens of the contexts of both. */
export const contextTokens = 1_536

/** A part of an answer: its text, its tool calls, the probabilities of its tokens; and the state, if it goes on. */
export interface Piece {
  readonly text: string
  readonly calls: readonly string[]
  readonly logprobs: readonly number[]
  readonly finish: string
  readonly state?: string
}

/** The answer from a state (or from its beginning) until `tokens` more are written, or to its end. */
export async function goOnFrom(
  model: LlamaModel,
  call: LanguageModelV4CallOptions,
  state: string | undefined,
  tokens = Infinity,
): Promise<Piece> {
  const turn = { goOn: (written: number) => written < tokens, ...(state === undefined ? {} : { state }) }
  const { content, finishReason, providerMetadata } = await model.doGenerate({
    ...call,
    providerOptions: { ...call.providerOptions, llama: { logprobs: true }, polity: { turn } as never },
  })
  const kept = fieldOf(providerMetadata?.['polity'], 'state')
  // What took its place is in hand.
  if (state !== undefined) model.forgetState(state)
  return {
    text: content.map((part) => (part.type === 'text' ? part.text : '')).join(''),
    calls: content.flatMap((part) => (part.type === 'tool-call' ? [`${part.toolName} ${part.input}`] : [])),
    logprobs: (providerMetadata?.['llama']?.['logprobs'] ?? []) as number[],
    finish: finishReason.unified,
    ...(typeof kept === 'string' ? { state: kept } : {}),
  }
}

/** Pieces as one answer. */
export function whole(pieces: readonly Piece[]): Piece {
  return {
    text: pieces.map((piece) => piece.text).join(''),
    calls: pieces.flatMap((piece) => piece.calls),
    logprobs: pieces.flatMap((piece) => piece.logprobs),
    finish: pieces.at(-1)?.finish ?? '',
  }
}
