/**
 * The HTTP status of each error of the table, when a client may come again, and what it can do.
 *
 * Chosen with the retry rules of published clients in mind: OpenAI's and Anthropic's try 408, 409, 429 and 5xx again by
 * themselves, unless `x-should-retry` says otherwise.
 */
import type { ErrorCode, PolityError } from '../kernel/errors.ts'
import { clientAdvice } from '../kernel/errors.ts'

/** Of nginx: the client, or somebody else, ended the request. No client hears it who did not end it. */
const ENDED = 499

/** HTTP status by code. */
export const statusTable: { readonly [Code in ErrorCode]: number } = {
  INVALID_ARGUMENT: 400,
  TOO_LARGE: 413,
  NO_SUCH_PROCESS: 404,
  NO_SUCH_PROGRAM: 404,
  NO_SUCH_TOOL: 404,
  NO_SUCH_MODEL: 404,
  NO_SUCH_FILE: 404,
  NO_SUCH_NOTE: 404,
  NO_SUCH_SNAPSHOT: 404,
  // What the draft of the HTTP header Idempotency-Key asks for.
  KEY_REUSED: 422,
  ACCESS_DENIED: 403,
  // Not 429: that says "later", and clients come again; a budget that is spent stays spent.
  BUDGET_EXCEEDED: 402,
  LIMIT_EXCEEDED: 429,
  MAILBOX_FULL: 429,
  OVERLOADED: 503,
  DRIVER_FAILED: 502,
  DRIVER_INVALID: 502,
  DRIVER_TIMEOUT: 504,
  DRIVER_UNAVAILABLE: 503,
  STATE_FOREIGN: 503,
  TOOL_FAILED: 502,
  TOOL_INVALID: 502,
  TOOL_TIMEOUT: 504,
  IN_DOUBT: 409,
  NO_ANSWER: 504,
  // Not 408: the client was not too slow.
  TIMEOUT: 504,
  KILLED: ENDED,
  PARENT_ENDED: ENDED,
  PROGRAM_FAILED: 500,
  REPLAY_MISMATCH: 409,
  SETUP_MISMATCH: 409,
  STORE_LOCKED: 503,
  STORE_FAILED: 503,
  STORE_INVALID: 500,
  KERNEL_CLOSED: 503,
  CONFIG_INVALID: 500,
}

/** Seconds after which a client may come again; undefined where no time would help, or nobody knows. */
export function retryAfterSeconds(error: PolityError, status: number): number | undefined {
  // An open breaker lets one call try after limits.breakerOpenMs, 10 s.
  if (error.code === 'DRIVER_UNAVAILABLE') return 10
  if (status !== 429 && status !== 503) return undefined
  const ms = roomAfterMs(error)
  return ms === undefined ? 1 : Math.ceil(ms / 1_000)
}

/** Whether the same request may succeed later without a change: as the table has it, and where there will be room again. */
export function isRetryable(error: PolityError): boolean {
  return error.retryable || roomAfterMs(error) !== undefined
}

/** Whether a client that tries again by itself should: it may succeed later, and so soon that it will wait. */
export function shouldRetry(error: PolityError, status: number): boolean {
  return isRetryable(error) && (retryAfterSeconds(error, status) ?? 0) <= SOON_S
}

/** OpenAI's and Anthropic's clients wait no longer for what `retry-after` says, and come before it. */
const SOON_S = 60

/** What a client can do about an error; where it is HTTP itself that was refused, its status says what. */
export function adviceOf(error: PolityError, status = statusTable[error.code]): string {
  if (roomAfterMs(error) !== undefined)
    return 'Come again when `retry-after` has passed, or ask who runs this server for more room.'
  return (status === statusTable[error.code] ? undefined : httpAdvice[status]) ?? clientAdvice(error.code)
}

/** Of statuses that no code of the table has by itself. */
const httpAdvice: { readonly [status: number]: string } = {
  401: 'Send a key as `Authorization: Bearer …`; who runs this server can make one.',
  404: 'Check the path, and that this is the server that was meant.',
  405: 'Use one of the methods that the message names.',
  408: 'Send the request again, all of it at once.',
  415: 'Send JSON in UTF-8, not compressed, with the header `Content-Type: application/json`.',
  417: 'Leave out the header `Expect`.',
  431: 'Send fewer or shorter headers.',
}

/** When there is room again in the store for what a key writes (kernel/accounts.ts); undefined of any other error. */
function roomAfterMs({ code, detail }: PolityError): number | undefined {
  if (code !== 'LIMIT_EXCEEDED') return undefined
  const { kind, retryMs } = (detail ?? {}) as { readonly kind?: unknown; readonly retryMs?: unknown }
  return kind === 'bytesPerDay' && Number.isFinite(retryMs) ? (retryMs as number) : undefined
}
