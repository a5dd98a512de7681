/**
 * POST /v1/chat/completions: OpenAI's Chat Completions, answered by the model door.
 */
import type { Json } from '../../kernel/types.ts'
import type { Exchange } from '../route.ts'
import { answerIn, createAnswerStream } from './answer-stream.ts'
import { parseBody } from './body.ts'
import { chatCompletion, firstChunk, lastChunks, textChunk } from './chat-reply.ts'
import type { ChatBody } from './chat-request.ts'
import { chatBody, chatRequest } from './chat-request.ts'
import type { Gateway } from './gateway.ts'
import { answersTo } from './gateway.ts'
import { polityHeaders } from './polity.ts'
import { termsOf } from './terms.ts'

export async function chat(gateway: Gateway, exchange: Exchange): Promise<void> {
  const body = parseBody(chatBody, await exchange.json())
  const request = Object.assign(chatRequest(body), termsOf(exchange.headers))
  const { settings = {} } = request
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
  if (body.stream === true) return stream(gateway, exchange, body, requests, head)
  const replies = await answersTo(gateway, exchange, requests)
  const model = replies[0]?.generation.model ?? head.model
  exchange.reply(200, chatCompletion({ ...head, model }, replies), polityHeaders(replies))
}

async function stream(
  gateway: Gateway,
  exchange: Exchange,
  body: ChatBody,
  requests: Parameters<typeof answersTo>[2],
  head: Parameters<typeof textChunk>[0],
): Promise<void> {
  const event = (data: Json): { readonly data: string } => ({ data: JSON.stringify(data) })
  const out = createAnswerStream(exchange, gateway.clock, {
    first: () => requests.map((_, choice) => event(firstChunk(head, choice))),
    text: (choice, delta) => [event(textChunk(head, choice, delta))],
    failed: (error) => [event(error)],
  })
  await answerIn(out, async () => {
    const replies = await answersTo(gateway, exchange, requests, out.text)
    for (const [choice, { generation }] of replies.entries()) out.rest(choice, generation.text)
    for (const chunk of lastChunks(head, replies, body.stream_options?.include_usage === true))
      await out.send(event(chunk))
    await out.send({ data: '[DONE]' })
  })
}
