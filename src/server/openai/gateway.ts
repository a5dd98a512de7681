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

/** Asks for several answers at once; all stop with the signal, and where one fails or `onText` throws. Throws a `PolityError`. */
export async function answersTo(
  { models }: Gateway,
  { signal, caller }: Exchange,
  requests: readonly Omit<ModelRequest, 'caller'>[],
  onText?: (choice: number, delta: string) => void,
): Promise<readonly ModelReply[]> {
  const answer = async (request: Omit<ModelRequest, 'caller'>, choice: number, until: AbortSignal) => {
    const hear = onText === undefined ? {} : { onText: (delta: string) => onText(choice, delta) }
    const reply = await models.generate({ ...request, caller }, { signal: until, ...hear })
    checkFinished(reply)
    return reply
  }
  const [only] = requests
  if (only !== undefined && requests.length === 1) return [await answer(only, 0, signal)]
  const failed = new AbortController()
  const until = AbortSignal.any([signal, failed.signal])
  try {
    return await Promise.all(requests.map((request, choice) => answer(request, choice, until)))
  } catch (error) {
    failed.abort(new PolityError('KILLED', 'another choice of its request failed'))
    throw error
  }
}

/** Throws `DRIVER_FAILED` where the model says that its answer is broken: no word of OpenAI's means that. */
function checkFinished({ generation }: ModelReply): void {
  if (generation.finishReason === 'error' || generation.finishReason === 'interrupted')
    throw new PolityError('DRIVER_FAILED', `${generation.model} broke its answer off (${generation.finishReason})`)
}
