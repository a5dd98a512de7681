/**
 * Answers of the model door in the form of OpenAI's Responses API: the response, its items, and the events of a stream.
 * Pure.
 */
import type { Json, Message } from '../../kernel/types.ts'
import type { ModelReply } from '../model-door.ts'
import type { StreamEvent } from '../route.ts'
import type { OpenaiError } from './errors.ts'
import { polityField } from './polity.ts'
import { writeArguments } from './prompt.ts'
import type { ResponsesBody } from './responses-request.ts'

type Fields = { readonly [key: string]: Json }

/** What a response says from its beginning to its end. */
export interface ResponseHead {
  /** Part of the ids of the response and its items. */
  readonly key: string
  /** Seconds since 1970. */
  readonly created: number
  readonly model: string
  readonly body: ResponsesBody
}

const responseId = (key: string): string => `resp_${key}`

/** Id of the response that has an item of this id. */
export function responseOf(itemId: string): string {
  return responseId(itemId.split('_')[1] ?? '')
}

const messageId = (key: string): string => `msg_${key}`

/** A response of which nothing has come yet. */
export function begunResponse({ key, created, model, body }: ResponseHead): Fields & { readonly id: string } {
  return {
    id: responseId(key),
    object: 'response',
    created_at: created,
    status: 'in_progress',
    background: false,
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    model,
    output: [],
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: null },
    store: body.store ?? true,
    temperature: body.temperature ?? null,
    text: (body.text as Json | undefined) ?? { format: { type: 'text' } },
    tool_choice: (body.tool_choice as Json | undefined) ?? 'auto',
    tools: (body.tools ?? []).map((tool) => ({ ...tool, strict: tool.strict ?? false }) as unknown as Json),
    top_p: body.top_p ?? null,
    truncation: 'disabled',
    usage: null,
    user: body.user ?? null,
  }
}

/** The response of an answer. */
export function wholeResponse(
  head: ResponseHead,
  reply: ModelReply,
  completed: number,
): Fields & { readonly id: string } {
  const { generation } = reply
  const { usage } = generation
  const cut = cutBy(reply)
  return {
    ...begunResponse({ ...head, model: generation.model }),
    status: cut === null ? 'completed' : 'incomplete',
    completed_at: cut === null ? completed : null,
    incomplete_details: cut === null ? null : { reason: cut },
    output: itemsOf(head, reply),
    usage: {
      input_tokens: usage.inputTokens,
      input_tokens_details: { cached_tokens: usage.cachedTokens },
      output_tokens: usage.outputTokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: usage.inputTokens + usage.outputTokens,
    },
    polity: polityField([reply]),
  }
}

/** What the events of a stream say of an error. */
type Failure = Pick<OpenaiError, 'code' | 'message' | 'retryable'>

/** A response that failed after its beginning. */
export function failedResponse(head: ResponseHead, { code, message, retryable }: Failure): Fields {
  return { ...begunResponse(head), status: 'failed', error: { code, message, retryable } }
}

/** The conversation with the answer, as a later request goes on from it: what the law held back was never said. */
export function messagesAfter(messages: readonly Message[], { generation, toolCalls, denied }: ModelReply): Message[] {
  if (denied.length === 0) return [...messages, generation.message]
  const content: object[] = generation.text === '' ? [] : [{ type: 'text', text: generation.text }]
  for (const { id, name, input } of toolCalls)
    content.push({ type: 'tool-call', toolCallId: id, toolName: name, input })
  return content.length === 0 ? [...messages] : [...messages, { role: 'assistant', content } as Message]
}

function cutBy({ generation: { finishReason } }: ModelReply): string | null {
  if (finishReason === 'length') return 'max_output_tokens'
  return finishReason === 'content-filter' ? 'content_filter' : null
}

/** Text before calls, as the stream has them; an answer without either is an empty text. */
function itemsOf({ key }: ResponseHead, reply: ModelReply): Fields[] {
  const { toolCalls, generation } = reply
  const items: Fields[] = []
  if (generation.text !== '' || toolCalls.length === 0)
    items.push(messageItem(key, [textPart(generation.text)], cutBy(reply) === null ? 'completed' : 'incomplete'))
  for (const [i, call] of toolCalls.entries())
    items.push({
      id: `fc_${key}_${i}`,
      type: 'function_call',
      status: 'completed',
      call_id: call.id,
      name: call.name,
      arguments: writeArguments(call.input),
    })
  return items
}

function messageItem(key: string, content: readonly Fields[], status: string): Fields {
  return { id: messageId(key), type: 'message', status, role: 'assistant', content }
}

function textPart(text: string): Fields {
  return { type: 'output_text', text, annotations: [], logprobs: [] }
}

// ------------------------------------------------------------------------------------------------------------- events

/** The events of a stream, in the order in which they are asked for. */
export interface ResponseEvents {
  begin(): StreamEvent[]
  text(delta: string): StreamEvent[]
  /** What is left to say of the answer once its text was sent: the ends of its items, and its own. */
  end(response: Fields): Iterable<StreamEvent>
  failed(response: Fields, error: Failure): StreamEvent[]
}

export function createResponseEvents(head: ResponseHead): ResponseEvents {
  let number = 0
  let hasText = false
  const event = (type: string, fields: Fields): StreamEvent => ({
    event: type,
    data: JSON.stringify({ type, sequence_number: number++, ...fields }),
  })
  const inText = { item_id: messageId(head.key), output_index: 0, content_index: 0 }

  function beginText(): StreamEvent[] {
    if (hasText) return []
    hasText = true
    return [
      event('response.output_item.added', { output_index: 0, item: messageItem(head.key, [], 'in_progress') }),
      event('response.content_part.added', { ...inText, part: textPart('') }),
    ]
  }

  function* endItem(item: Fields, output_index: number): Generator<StreamEvent> {
    if (item['type'] === 'message') {
      yield* beginText()
      const [part] = item['content'] as unknown as readonly [Fields]
      yield event('response.output_text.done', { ...inText, text: part['text'] as string, logprobs: [] })
      yield event('response.content_part.done', { ...inText, part })
    } else {
      const { id = null, arguments: written = '', name = '' } = item
      yield event('response.output_item.added', {
        output_index,
        item: { ...item, arguments: '', status: 'in_progress' },
      })
      yield event('response.function_call_arguments.delta', { item_id: id, output_index, delta: written })
      yield event('response.function_call_arguments.done', { item_id: id, output_index, name, arguments: written })
    }
    yield event('response.output_item.done', { output_index, item })
  }

  return {
    begin() {
      const response = begunResponse(head)
      return [event('response.created', { response }), event('response.in_progress', { response })]
    },
    text: (delta) => [...beginText(), event('response.output_text.delta', { ...inText, delta, logprobs: [] })],
    *end(response) {
      for (const [i, item] of (response['output'] as unknown as readonly Fields[]).entries()) yield* endItem(item, i)
      yield event(response['status'] === 'incomplete' ? 'response.incomplete' : 'response.completed', { response })
    },
    failed: (response, { code, message, retryable }) => [
      event('response.failed', { response }),
      event('error', { code, message, param: null, retryable }),
    ],
  }
}
