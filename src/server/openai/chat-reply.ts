/**
 * Answers of the model door in the form of OpenAI's Chat Completions: whole, and as the chunks of a stream. Pure.
 */
import type { Json, ToolCall } from '../../kernel/types.ts'
import type { ModelReply } from '../model-door.ts'
import { polityField } from './polity.ts'
import { writeArguments } from './prompt.ts'

/** What is the same in all chunks of an answer. */
export interface ChatHead {
  readonly id: string
  /** Seconds since 1970. */
  readonly created: number
  readonly model: string
}

/** The answer as one object. */
export function chatCompletion(head: ChatHead, replies: readonly ModelReply[]): Json {
  return {
    ...head,
    object: 'chat.completion',
    choices: replies.map((reply, index) => ({
      index,
      message: {
        role: 'assistant',
        content: reply.generation.text === '' && reply.toolCalls.length > 0 ? null : reply.generation.text,
        refusal: null,
        annotations: [],
        ...(reply.toolCalls.length === 0 ? {} : { tool_calls: reply.toolCalls.map(toolCallOf) }),
      },
      logprobs: null,
      finish_reason: finishReasonOf(reply),
    })),
    usage: chatUsage(replies),
    polity: polityField(replies),
  }
}

/** The first chunk of each choice. */
export function firstChunk(head: ChatHead, index: number): Json {
  return chunk(head, index, { role: 'assistant', content: '', refusal: null })
}

export function textChunk(head: ChatHead, index: number, delta: string): Json {
  return chunk(head, index, { content: delta })
}

/** The chunks after the text: of each choice its calls, one a chunk, and its end; the last end says what it all took. */
export function* lastChunks(head: ChatHead, replies: readonly ModelReply[], withUsage: boolean): Generator<Json> {
  for (const [index, reply] of replies.entries()) {
    for (const [i, call] of reply.toolCalls.entries())
      yield chunk(head, index, { tool_calls: [{ index: i, ...toolCallOf(call) }] })
    const end = chunk(head, index, {}, finishReasonOf(reply))
    yield index === replies.length - 1 ? { ...end, polity: polityField(replies) } : end
  }
  // Clients that did not ask for it are not ready for a chunk without a choice.
  if (withUsage) yield { ...head, object: 'chat.completion.chunk', choices: [], usage: chatUsage(replies) }
}

function chunk(
  head: ChatHead,
  index: number,
  delta: Json,
  finishReason: string | null = null,
): { readonly [key: string]: Json } {
  return {
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index, delta, logprobs: null, finish_reason: finishReason }],
  }
}

function toolCallOf({ id, name, input }: ToolCall): { readonly [key: string]: Json } {
  return { id, type: 'function', function: { name, arguments: writeArguments(input) } }
}

function finishReasonOf({ generation, toolCalls }: ModelReply): string {
  switch (generation.finishReason) {
    case 'length':
      return 'length'
    case 'content-filter':
      return 'content_filter'
    default:
      // A client that hears of no call has none to make, whatever the model asked for.
      return toolCalls.length > 0 ? 'tool_calls' : 'stop'
  }
}

/** All that the answers took; of several choices, the prompt counts for each, since each was asked anew. */
function chatUsage(replies: readonly ModelReply[]): Json {
  let input = 0
  let cached = 0
  let output = 0
  for (const { generation } of replies) {
    input += generation.usage.inputTokens
    cached += generation.usage.cachedTokens
    output += generation.usage.outputTokens
  }
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: cached, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
  }
}
