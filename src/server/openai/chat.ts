/**
 * POST /v1/chat/completions: OpenAI's Chat Completions, answered by the model door.
 */
import type { Json } from '../../kernel/types.ts'
import type { ModelRequest } from '../model-door.ts'
import type { Exchange, StreamEvent } from '../route.ts'
import type { EventMaker } from './answer-stream.ts'
import { AnswerStream, answerIn } from './answer-stream.ts'
import { parseBody } from './body.ts'
import type { ChatHead } from './chat-reply.ts'
import { chatCompletion, firstChunk, lastChunks, textChunk } from './chat-reply.ts'
import { chatBody, chatRequest } from './chat-request.ts'
import type { Gateway } from './gateway.ts'
import { answersTo } from './gateway.ts'
import { polityHeaders } from './polity.ts'
import { termsOf } from './terms.ts'

export async function chat(gateway: Gateway, exchange: Exchange): Promise<void> {
  const body = parseBody(chatBody, await exchange.json())
  const { model, messages, tools, settings = {} } = chatRequest(body)
  const { run, priority, deadlineMs, budget } = termsOf(exchange.headers)
  // One literal: what is put together of several parts is larger, and a thousand may be open.
  const request: ModelRequest = {
    caller: exchange.caller,
    model,
    messages,
    tools,
    settings,
    run,
    priority,
    deadlineMs,
    budget,
  }
  // With one seed all choices would be the same answer.
  const requests = [request]
  for (let choice = 1; choice < (body.n ?? 1); choice++)
    requests.push(
      settings.seed === undefined ? request : { ...request, settings: { ...settings, seed: settings.seed + choice } },
    )
  const head = {
    id: `chatcmpl-${gateway.id()}`,
    created: gateway.seconds(),
    model: body.model ?? gateway.models.models[0] ?? '',
  }
  if (body.stream === true)
    return stream(gateway, exchange, requests, head, body.stream_options?.include_usage === true)
  const replies = await answersTo(gateway, exchange, requests)
  const answered = { ...head, model: replies[0]?.generation.model ?? head.model }
  exchange.reply(200, chatCompletion(answered, replies), polityHeaders(replies))
}

/** Nothing here holds on to the body of the request while the answer comes. */
function stream(
  gateway: Gateway,
  exchange: Exchange,
  requests: readonly ModelRequest[],
  head: ChatHead,
  withUsage: boolean,
): Promise<void> {
  const out = new AnswerStream(exchange, gateway.clock, requests.length, new ChatEvents(head, requests.length))
  return answerIn(out, answersTo(gateway, exchange, requests, out), async (replies) => {
    for (const [choice, { generation }] of replies.entries()) out.rest(choice, generation.text)
    for (const chunk of lastChunks(head, replies, withUsage)) await out.send(event(chunk))
    await out.send({ data: '[DONE]' })
  })
}

class ChatEvents implements EventMaker {
  readonly #head: ChatHead
  readonly #choices: number

  constructor(head: ChatHead, choices: number) {
    this.#head = head
    this.#choices = choices
  }

  first(): StreamEvent[] {
    return Array.from({ length: this.#choices }, (_, choice) => event(firstChunk(this.#head, choice)))
  }

  text(choice: number, delta: string): StreamEvent[] {
    return [event(textChunk(this.#head, choice, delta))]
  }

  failed(error: Json): StreamEvent[] {
    return [event(error)]
  }
}

function event(data: Json): StreamEvent {
  return { data: JSON.stringify(data) }
}
