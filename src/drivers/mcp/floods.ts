/**
 * Bounds on what a server may send: messages a second, and bytes of one message.
 *
 *     const hear = countMessages(() => transport.close())      // for each message that comes
 *     const fetch = boundedFetch(globalThis.fetch)             // for answers over HTTP
 */
import { PolityError } from '../../kernel/errors.ts'

/** Largest message, bytes: eight times what a tool may return (`valueBytesMax`), for lists of tools. */
export const MESSAGE_BYTES_MAX = 8_388_608
/** Messages that a server may send in a second before it is cut off: more than any progress bar needs. */
const MESSAGES_A_SECOND_MAX = 2_000

/** Counts messages; `cut` is called once there are too many. The count begins anew each second that the machine is not kept busy by them. */
export function countMessages(cut: () => void): () => void {
  let count = 0
  let window: NodeJS.Timeout | undefined
  return () => {
    count++
    if (count === MESSAGES_A_SECOND_MAX) cut()
    window ??= setTimeout(() => {
      window = undefined
      count = 0
    }, 1_000).unref()
  }
}

export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>

/** `fetch` whose answers break off at a message that is too large: in a stream of events, messages end with an empty line. */
export function boundedFetch(fetch: Fetch): Fetch {
  return async (url, init) => {
    const response = await fetch(url, init)
    if (response.body === null) return response
    const isStream = response.headers.get('content-type')?.includes('text/event-stream') === true
    return withBody(response, response.body.pipeThrough(bounded(isStream)))
  }
}

/** The same response with another body. A new one would lose `url` and `redirected`, which the SDK reads. */
function withBody(response: Response, body: ReadableStream<Uint8Array>): Response {
  const { status, statusText, headers, url, redirected } = response
  const bounded = new Response(body, { status, statusText, headers })
  return Object.defineProperties(bounded, { url: { value: url }, redirected: { value: redirected } })
}

function bounded(isStream: boolean): TransformStream<Uint8Array, Uint8Array> {
  let bytes = 0
  let last = 0
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.length
      if (bytes > MESSAGE_BYTES_MAX)
        return controller.error(
          new PolityError('TOOL_INVALID', `the server sent a message of more than ${MESSAGE_BYTES_MAX} bytes`),
        )
      if (isStream) {
        const end = lastBlank(chunk, last)
        if (end !== undefined) bytes = chunk.length - end
        last = chunk.at(-1) ?? last
      }
      controller.enqueue(chunk)
    },
  })
}

/** Index after the last empty line of a chunk, whose predecessor ended with the byte `before`. */
function lastBlank(chunk: Uint8Array, before: number): number | undefined {
  for (let i = chunk.length - 1; i >= 0; i--) {
    if (chunk[i] !== LF) continue
    const one = i >= 1 ? chunk[i - 1] : before
    const two = i >= 2 ? chunk[i - 2] : i === 1 ? before : undefined
    if (one === LF || (one === CR && two === LF)) return i + 1
  }
  return undefined
}

const LF = 10
const CR = 13
