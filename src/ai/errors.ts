/**
 * Errors of the kernel as the AI SDK knows them: an `APICallError` whose `cause` is the `PolityError`.
 *
 * Invariants
 *   AE1. `isRetryable` is true only of what the kernel refused without having asked a provider: what a provider failed at,
 *        the kernel has tried again itself.
 */
import { APICallError } from '@ai-sdk/provider'
import type { ErrorCode } from '../kernel/errors.ts'
import { PolityError } from '../kernel/errors.ts'
import { retryAfterSeconds, statusTable } from '../server/status.ts'

/** Refused at once, or after a wait in a queue. */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set(['OVERLOADED', 'DRIVER_UNAVAILABLE'])

/** What is thrown to the AI SDK; what is no error of the kernel, as it is. */
export function callError(error: unknown, modelId: string): unknown {
  if (!PolityError.isInstance(error)) return error
  const { code, message, todo, detail } = error
  const statusCode = statusTable[code]
  const isRetryable = RETRYABLE.has(code)
  const seconds = isRetryable ? retryAfterSeconds(error, statusCode) : undefined
  return new APICallError({
    message: `${code}: ${message}`,
    url: `polity:${modelId}`,
    requestBodyValues: {},
    statusCode,
    responseHeaders: seconds === undefined ? undefined : { 'retry-after': String(seconds) },
    isRetryable,
    data: { code, message, todo, detail },
    cause: error,
  })
}
