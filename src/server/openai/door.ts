/**
 * The OpenAI-compatible gateway: other people's agents work on this kernel by a base URL.
 *
 *     const doors = [openaiDoor({ models: createModelDoor(kernel) })]
 *     // OPENAI_BASE_URL=http://127.0.0.1:7070/v1
 *
 * Chat Completions, Responses, embeddings and models, whole and streamed; what is supported, passed over and refused is
 * listed in docs/server-openai.md. Bodies are read in *-request.ts, answers are written in *-reply.ts, both pure.
 *
 * Invariants
 *   OD1. Every request is answered in OpenAI's form, also when it fails, and with the status that its clients know.
 *   OD2. Text is passed on as it comes; calls of tools once the law has let them through.
 *   OD3. A client that goes away aborts its model call.
 */
import type { Clock } from '../../kernel/clock.ts'
import { realClock } from '../../kernel/clock.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Json } from '../../kernel/types.ts'
import { defaultServerLimits } from '../limits.ts'
import type { ModelDoor } from '../model-door.ts'
import type { Door } from '../route.ts'
import { chat } from './chat.ts'
import { embeddings } from './embeddings.ts'
import { openaiError, statusOf } from './errors.ts'
import { createGateway } from './gateway.ts'
import { createKeptResponses } from './kept-responses.ts'
import { keptResponse, respond } from './responses.ts'

export interface OpenaiDoorOptions {
  readonly models: ModelDoor
  /** Responses of one principal that are kept. @default that of limits.ts */
  readonly responsesKeptMax?: number
  /** @default the machine's */
  readonly clock?: Clock
}

export function openaiDoor({
  models,
  responsesKeptMax = defaultServerLimits.responsesKeptMax,
  clock = realClock(),
}: OpenaiDoorOptions): Door {
  const gateway = createGateway(models, clock)
  const kept = createKeptResponses(clock, responsesKeptMax)
  const created = gateway.seconds()
  const names = (): string[] => [...models.models, ...(models.embedder === null ? [] : [models.embedder])]
  const model = (id: string): Json => ({ id, object: 'model', created, owned_by: 'polity' })
  return {
    routes: [
      { method: 'POST', path: '/v1/chat/completions', scope: 'models', handle: (exchange) => chat(gateway, exchange) },
      {
        method: 'POST',
        path: '/v1/responses',
        scope: 'models',
        handle: (exchange) => respond(gateway, kept, exchange),
      },
      {
        method: 'GET',
        path: '/v1/responses/:id',
        scope: 'models',
        handle: (exchange) => keptResponse(kept, exchange),
      },
      { method: 'POST', path: '/v1/embeddings', scope: 'models', handle: (exchange) => embeddings(gateway, exchange) },
      {
        method: 'GET',
        path: '/v1/models',
        scope: 'models',
        handle: ({ reply }) => reply(200, { object: 'list', data: names().map(model) }),
      },
      {
        method: 'GET',
        // A name of a model has slashes, which not every client writes as %2F.
        path: '/v1/models/*',
        scope: 'models',
        handle({ params, reply }) {
          const id = params['*'] ?? ''
          if (!names().includes(id)) throw new PolityError('NO_SUCH_MODEL', `The model '${id}' does not exist.`)
          reply(200, model(id))
        },
      },
    ],
    errorBody: openaiError,
    statusOf,
  }
}
