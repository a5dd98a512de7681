/**
 * POST /v1/responses and GET /v1/responses/:id: OpenAI's Responses API, answered by the model door.
 */
import type { Json, Message } from '../../kernel/types.ts'
import type { ModelReply, ModelRequest } from '../model-door.ts'
import type { Exchange } from '../route.ts'
import { AnswerStream, answerIn } from './answer-stream.ts'
import { parseBody } from './body.ts'
import { badField } from './errors.ts'
import type { Gateway } from './gateway.ts'
import { answersTo } from './gateway.ts'
import type { KeptResponses } from './kept-responses.ts'
import { polityHeaders } from './polity.ts'
import type { ResponseHead } from './responses-reply.ts'
import { createResponseEvents, failedResponse, messagesAfter, responseOf, wholeResponse } from './responses-reply.ts'
import { responsesBody, responsesRequest } from './responses-request.ts'
import { termsOf } from './terms.ts'

type Finish = (reply: ModelReply) => ReturnType<typeof wholeResponse>

export async function respond(gateway: Gateway, kept: KeptResponses, exchange: Exchange): Promise<void> {
  const { principal } = exchange.caller
  const body = parseBody(responsesBody, await exchange.json())
  const asked = responsesRequest(body, previousOf(kept, principal, body.previous_response_id), (id) =>
    (kept.find(principal, responseOf(id))?.response['output'] as unknown as readonly { id: Json }[] | undefined)?.find(
      (item) => item.id === id,
    ),
  )
  const request: ModelRequest = { caller: exchange.caller, ...asked.request, ...termsOf(exchange.headers) }
  const head: ResponseHead = {
    key: gateway.id(),
    created: gateway.seconds(),
    model: body.model ?? gateway.models.models[0] ?? '',
    body,
  }
  const finish: Finish = (reply) => {
    const response = wholeResponse(head, reply, gateway.seconds())
    if (body.store !== false) kept.keep(principal, { response, messages: messagesAfter(asked.messages, reply) })
    return response
  }
  if (body.stream === true) return stream(gateway, exchange, request, head, finish)
  const replies = await answersTo(gateway, exchange, [request])
  exchange.reply(200, finish(replies[0] as ModelReply), polityHeaders(replies))
}

export function keptResponse(kept: KeptResponses, { caller, params, query, reply }: Exchange): void {
  if (query.get('stream') === 'true')
    throw badField('stream', 'A response that is kept is not streamed again.', 'unsupported_parameter')
  const id = params['id'] ?? ''
  const found = kept.find(caller.principal, id)
  if (found === undefined)
    throw badField('response_id', `Response with id '${id}' not found: it is kept for an hour.`, 'response_not_found')
  reply(200, found.response)
}

function previousOf(kept: KeptResponses, principal: string, id: string | null | undefined): readonly Message[] {
  if (typeof id !== 'string') return []
  const found = kept.find(principal, id)
  if (found !== undefined) return found.messages
  throw badField(
    'previous_response_id',
    `Previous response with id '${id}' not found: responses are kept for an hour.`,
    'previous_response_not_found',
  )
}

function stream(
  gateway: Gateway,
  exchange: Exchange,
  request: ModelRequest,
  head: ResponseHead,
  finish: Finish,
): Promise<void> {
  const events = createResponseEvents(head)
  const out = new AnswerStream(exchange, gateway.clock, 1, {
    first: events.begin,
    text: (_choice, delta) => events.text(delta),
    failed: ({ error }) => events.failed(failedResponse(head, error), error),
  })
  return answerIn(out, answersTo(gateway, exchange, [request], out), async (replies) => {
    const reply = replies[0] as ModelReply
    out.rest(0, reply.generation.text)
    for (const event of events.end(finish(reply))) await out.send(event)
  })
}
