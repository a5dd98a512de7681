/**
 * An error as the native API tells it: in the body of an answer, and as the last event of a stream.
 *
 *     { code: 'OVERLOADED', message: '…', todo: 'Send less at once, and try again later.', retryable: true }
 *
 * Invariant
 *   FA1. What is told is of the table of errors: who reads it can tell from it alone whether to try again.
 */
import type { PolityError } from '../../kernel/errors.ts'
import type { Json } from '../../kernel/types.ts'
import type { StreamEvent } from '../route.ts'
import { adviceOf, isRetryable } from '../status.ts'

export function errorBody(error: PolityError, status: number): Json {
  return { error: told(error, status) }
}

/**
 * Why the server ends a stream: the event `failure`. Not `error`, which to an `EventSource` is the line itself. Who takes its
 * data for an event of a run, as clients do that know no such event, passes a `type` over that it does not know.
 */
export function lastWord(error: PolityError, status: number): readonly StreamEvent[] {
  return [{ event: 'failure', data: JSON.stringify({ type: 'failure', ...told(error, status), status }) }]
}

function told(error: PolityError, status: number): { readonly [key: string]: Json } {
  const { code, message, detail } = error
  return {
    code,
    message,
    todo: adviceOf(error, status),
    retryable: isRetryable(error),
    ...(detail === undefined ? {} : { detail }),
  }
}
