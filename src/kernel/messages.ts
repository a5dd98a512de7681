/**
 * Messages: checked, frozen and counted once, however often they are sent.
 *
 * A conversation is sent again with every step, so what has been seen is known by its object: a message that was given to
 * `generate` once is frozen from then on, and costs a look-up the next time.
 */
import type { LanguageModelV4Message } from '@ai-sdk/provider'
import { invalid } from './errors.ts'
import type { Limits } from './limits.ts'
import { freezePlain, toPlain } from './plain.ts'
import { createStamp } from './stamp.ts'
import type { Message } from './types.ts'

/** The estimated tokens of messages that were sent before, in the driver's form. */
const tokensOf = createStamp<number>()
/** The form of messages that programs wrote in another. */
const formOf = createStamp<LanguageModelV4Message>()

/** The message in the driver's form, checked and frozen. `name` and `index` say in an error where it stood. */
export function knowMessage(
  message: Message,
  name: string,
  index: number | undefined,
  limits: Limits,
): LanguageModelV4Message {
  if (typeof message !== 'object' || message === null)
    throw invalid(placeOf(name, index), 'a message such as { role: "user", content: "…" }', message)
  if (tokensOf.get(message) !== undefined) return message as LanguageModelV4Message
  const seen = formOf.get(message)
  if (seen !== undefined) return seen
  const at = (): string => placeOf(name, index)
  const { role, content } = message
  if (role !== 'system' && role !== 'user' && role !== 'assistant' && role !== 'tool')
    throw invalid(`${at()}.role`, '"system", "user", "assistant" or "tool"', role)
  let form: LanguageModelV4Message
  if (typeof content === 'string') {
    if (role === 'tool') throw invalid(`${at()}.content`, 'a list of tool results', content)
    form = role === 'system' ? { role, content } : { role, content: [{ type: 'text', text: content }] }
  } else {
    if (role === 'system' || !Array.isArray(content))
      throw invalid(`${at()}.content`, role === 'system' ? 'text' : 'text or a list of parts', content)
    form = message as LanguageModelV4Message
  }
  // Sent and journaled is a copy: what is frozen in place may still answer otherwise the next time (a getter, a proxy).
  if (form === message) form = toPlain(message, at, limits.valueBytesMax) as unknown as LanguageModelV4Message
  else freezePlain(form, at, limits.valueBytesMax)
  freezePlain(message, at, limits.valueBytesMax)
  tokensOf.set(form, estimateMessage(form))
  formOf.set(message, form)
  return form
}

function placeOf(name: string, index: number | undefined): string {
  return index === undefined ? name : `${name}[${index}]`
}

/** How often the window was compacted from which a list of messages came. */
const epochs = createStamp<number>()

/** Notes of a list of messages that a window made it, after so many compactions; returns the list. */
export function fromWindow(messages: readonly Message[], epoch: number): readonly Message[] {
  epochs.set(messages, epoch)
  return messages
}

/** Compactions before this list; undefined where no window made it. */
export function epochOf(messages: readonly Message[]): number | undefined {
  return epochs.get(messages)
}

/** A message that a model made: the provider counted its tokens. */
export function knowAnswer(message: LanguageModelV4Message, outputTokens: number): void {
  tokensOf.set(message, FRAME_TOKENS + outputTokens)
}

/**
 * Tokens of a text, estimated: a third of its UTF-8 bytes. English prose has about 4.2 bytes a token in today's
 * vocabularies, code about 3.9, dense JSON and keys fewer than 3; each core's `tokenRatio` learns what remains. A window
 * reckons with more (token-bound.ts).
 */
export function estimateTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / 3)
}

/** Tokens that frame one message, as in OpenAI's published chat format (3 to 4 each). */
export const FRAME_TOKENS = 4

function estimateMessage(message: LanguageModelV4Message): number {
  if (typeof message.content === 'string') return FRAME_TOKENS + estimateTokens(message.content)
  let tokens = FRAME_TOKENS
  for (const part of message.content) {
    if (typeof part?.type !== 'string') throw invalid('a message', 'parts with a type', part)
    if (part.type === 'text' || part.type === 'reasoning') {
      if (typeof part.text !== 'string') throw invalid(`a ${part.type} part`, 'text', part.text)
      tokens += estimateTokens(part.text)
    } else tokens += estimateTokens(JSON.stringify(part))
  }
  return tokens
}

/** Estimated tokens of messages; those sent before are not counted anew. */
export function estimatePrompt(messages: readonly Message[]): number {
  let tokens = 0
  for (let i = 0; i < messages.length; i++) {
    const message = messages[i] as Message
    tokens += tokensOf.get(formOf.get(message) ?? message) ?? estimateMessage(message as LanguageModelV4Message)
  }
  return tokens
}
