/** What the routes of the gateway share: the model door, the time, and ids for answers. */
import type { Clock } from '../../kernel/clock.ts'
import { randomAt } from '../../kernel/clock.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { ModelDoor, ModelReply, ModelRequest } from '../model-door.ts'
import type { Exchange } from '../route.ts'

export interface Gateway {
  readonly models: ModelDoor
  readonly clock: Clock
  /** 24 hexadecimal digits, another each time. Ids open nothing: what is kept is looked up for a principal. */
  id(): string
  /** Seconds since 1970. */
  seconds(): number
}

export function createGateway(models: ModelDoor, clock: Clock): Gateway {
  let drawn = 0
  const draw = (): string =>
    Math.floor(randomAt(clock.seed, ID_STREAM, drawn++) * 2 ** 48)
      .toString(16)
      .padStart(12, '0')
  return { models, clock, id: () => draw() + draw(), seconds: () => Math.floor(clock.now() / 1_000) }
}

/** Stream of `randomAt` that makes ids (the letters `oaid`). */
const ID_STREAM = 0x6f61_6964

/** Who hears the text of each choice as it comes. */
export interface TextHearer {
  text(choice: number, delta: string): void
}

/** Asks for several answers at once; all stop with the signal, and where one fails or `hearer` throws. Rejects with a `PolityError`. */
export function answersTo(
  gateway: Gateway,
  { signal }: Exchange,
  requests: readonly ModelRequest[],
  hearer?: TextHearer,
): Promise<readonly ModelReply[]> {
  const [only] = requests
  if (only !== undefined && requests.length === 1) return askFor(gateway, signal, only, hearer).then(finishedList)
  return allAnswers(gateway, signal, requests, hearer)
}

async function allAnswers(
  gateway: Gateway,
  signal: AbortSignal,
  requests: readonly ModelRequest[],
  hearer: TextHearer | undefined,
): Promise<readonly ModelReply[]> {
  const failed = new AbortController()
  const until = AbortSignal.any([signal, failed.signal])
  try {
    return await Promise.all(
      requests.map((request, choice) => askFor(gateway, until, request, hearer, choice).then(finished)),
    )
  } catch (error) {
    failed.abort(new PolityError('KILLED', 'another choice of its request failed'))
    throw error
  }
}

function askFor(
  { models }: Gateway,
  signal: AbortSignal,
  request: ModelRequest,
  hearer: TextHearer | undefined,
  choice = 0,
): Promise<ModelReply> {
  const listener = hearer === undefined ? { signal } : { signal, onText: (delta: string) => hearer.text(choice, delta) }
  return models.generate(request, listener)
}

function finishedList(reply: ModelReply): readonly ModelReply[] {
  return [finished(reply)]
}

/** The reply. Throws `DRIVER_FAILED` where the model says that its answer is broken: no word of OpenAI's means that. */
function finished(reply: ModelReply): ModelReply {
  const { generation } = reply
  if (generation.finishReason === 'error' || generation.finishReason === 'interrupted')
    throw new PolityError('DRIVER_FAILED', `${generation.model} broke its answer off (${generation.finishReason})`)
  return reply
}
