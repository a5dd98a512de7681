/**
 * Answers: how a value, a text or an error becomes the one answer to a request.
 *
 *     const answers = createAnswers({ stallMs, isLast: () => closing, onError })
 *     answers.write(response, 200, 'application/json', '{}')
 *     answers.writeError(response, error, 402, door.errorBody)
 *
 * Invariants
 *   AN1. A request is answered once. An answer that has begun cannot become an error: it is cut.
 *   AN2. What is not a `PolityError` is told to the owner of the server, and never to the client.
 *   AN3. A client that takes nothing of its answer is cut after `stallMs`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PolityError } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'
import type { Door } from './route.ts'
import { adviceOf, isRetryable, retryAfterSeconds, shouldRetry } from './status.ts'

export type Headers = { readonly [name: string]: string }
/** The form of an error. */
export type ErrorBody = NonNullable<Door['errorBody']>

export interface Answers {
  /** `type` undefined: without a body. Throws where the request was answered before. */
  write(response: ServerResponse, status: number, type: string | undefined, text: string, headers?: Headers): void
  /** Does nothing where an answer has begun. */
  writeError(response: ServerResponse, error: PolityError, status: number, body: ErrorBody, headers?: Headers): void
  /** The answer to something that was thrown and has no other. */
  fail(request: IncomingMessage, response: ServerResponse, error: unknown, body: ErrorBody): void
}

export interface AnswersOptions {
  /** How long a client may take nothing, ms. */
  readonly stallMs: number
  /** Whether the connection ends with the answer. */
  readonly isLast: () => boolean
  readonly onError: (error: unknown, request: IncomingMessage) => void
}

export function createAnswers({ stallMs, isLast, onError }: AnswersOptions): Answers {
  /** What went wrong is the server's fault, and its owner's to know. */
  function fail(request: IncomingMessage, response: ServerResponse, error: unknown, body: ErrorBody): void {
    // What fails because its client left, or in a table's words, is no fault.
    if (!PolityError.isInstance(error) && !response.destroyed) onError(error, request)
    // An answer that has begun cannot become an error: cut, it shows that it is not whole.
    if (response.headersSent) {
      if (!response.writableEnded) response.destroy()
      return
    }
    writeError(response, new PolityError('PROGRAM_FAILED', 'the server failed; its owner can see why'), 500, body)
  }

  function write(
    response: ServerResponse,
    status: number,
    type: string | undefined,
    text: string,
    headers: Headers = {},
  ): void {
    if (response.headersSent) throw new Error('a request was answered twice')
    if (response.destroyed) return
    if (isLast()) response.shouldKeepAlive = false
    const head = headOf(headers)
    if (type !== undefined) head.push('content-type', type, 'content-length', String(Buffer.byteLength(text)))
    response.writeHead(status, head)
    response.setTimeout(stallMs, () => response.destroy())
    response.end(text)
  }

  function writeError(
    response: ServerResponse,
    error: PolityError,
    status: number,
    body: ErrorBody,
    headers: Headers = {},
  ): void {
    if (response.headersSent || response.destroyed) return
    const seconds = retryAfterSeconds(error, status)
    const [path = ''] = (response.req.url ?? '').split('?', 1)
    write(response, status, 'application/json', JSON.stringify(body(error, status, path)), {
      // Read by OpenAI's and Anthropic's clients, which try 409, 429 and 5xx again otherwise.
      'x-should-retry': String(shouldRetry(error, status)),
      ...(seconds === undefined ? {} : { 'retry-after': String(seconds) }),
      ...headers,
    })
  }

  return { write, writeError, fail }
}

/** On every answer; a door that serves pages replaces what it needs otherwise. */
export const securityHeaders: Headers = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
}
const securityHead: readonly string[] = Object.entries(securityHeaders).flat()

/**
 * Names and values, in turn, for `writeHead`: these headers, whose names are in lower case, and those of `securityHeaders`
 * that they do not replace. One flat list costs Node a third of what a call of `setHeader` for each does.
 */
export function headOf(headers: Headers): string[] {
  const head: string[] = []
  let isPlain = true
  for (const name in headers) {
    isPlain &&= !Object.hasOwn(securityHeaders, name)
    head.push(name, headers[name] as string)
  }
  if (isPlain) head.push(...securityHead)
  else
    for (const name in securityHeaders)
      if (!Object.hasOwn(headers, name)) head.push(name, securityHeaders[name] as string)
  return head
}

/** The form of errors where a door has none of its own. */
export function errorBody(error: PolityError, status: number): Json {
  const { code, message } = error
  return { error: { code, message, todo: adviceOf(error, status), retryable: isRetryable(error) } }
}
