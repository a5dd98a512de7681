/**
 * Errors in OpenAI's form: `{ error: { message, type, param, code } }`, with the statuses and codes that its clients know,
 * so that theirs throw the class that they would throw for OpenAI itself. Beside its fields `retryable` says whether the same
 * request may succeed later: in a stream no header can.
 *
 *     throw badField('temperature', 'expected a number', 'invalid_type')
 *     openaiError(error, httpStatusOf(error))
 *
 * Source of the codes: OpenAI's guide "Error codes", and what its API answers. Whether a client should come again by
 * itself, and when, answers.ts says in the headers.
 */
import { PolityError, fieldOf } from '../../kernel/errors.ts'
import { isRetryable, statusTable } from '../status.ts'

/** A field of a request that is not what the gateway takes. `param` is its path, `messages[0].role`, or a header's name. */
export function badField(param: string | null, message: string, code: string | null = 'invalid_value'): PolityError {
  return new PolityError('INVALID_ARGUMENT', message, { detail: { param, code } })
}

/** Where it is another than that of the table in status.ts. */
export function statusOf(error: PolityError): number | undefined {
  if (isPromptTooLong(error)) return 400
  switch (error.code) {
    // OpenAI's clients know a spent quota by this status and the code `insufficient_quota`.
    case 'BUDGET_EXCEEDED':
    // The queue is full: for the client that is a rate limit.
    case 'OVERLOADED':
      return 429
    default:
      return fieldOf(error.detail, 'code') === 'response_not_found' ? 404 : undefined
  }
}

/** What a client that already hears an answer is told of an error: of one that is not ours, that there is one. */
export function tellable(error: unknown): PolityError {
  if (PolityError.isInstance(error)) return error
  return new PolityError('PROGRAM_FAILED', 'the server failed; its owner can see why')
}

/** The status of the answer that is this error. */
export function httpStatusOf(error: PolityError): number {
  return statusOf(error) ?? statusTable[error.code]
}

/** An error in OpenAI's form. */
export type OpenaiError = {
  readonly message: string
  readonly type: string
  readonly param: string | null
  readonly code: string | null
  readonly retryable: boolean
}

/** The body of an answer that is this error. */
export function openaiError(error: PolityError, status: number): { readonly error: OpenaiError } {
  const { type, code, param = null } = kindOf(error, status)
  return {
    error: {
      message: error.message,
      type,
      param: textOr(fieldOf(error.detail, 'param'), param),
      code: textOr(fieldOf(error.detail, 'code'), code),
      retryable: isRetryable(error),
    },
  }
}

interface Kind {
  readonly type: string
  readonly code: string | null
  readonly param?: string
}

function kindOf(error: PolityError, status: number): Kind {
  const type = 'invalid_request_error'
  if (status === 401) return { type, code: 'invalid_api_key' }
  if (isPromptTooLong(error)) return { type, code: 'context_length_exceeded' }
  switch (error.code) {
    case 'NO_SUCH_MODEL':
      return { type, code: 'model_not_found', param: 'model' }
    case 'TOO_LARGE':
      return { type, code: 'request_too_large' }
    case 'BUDGET_EXCEEDED':
      return { type: 'insufficient_quota', code: 'insufficient_quota' }
    case 'OVERLOADED':
    case 'LIMIT_EXCEEDED':
    case 'MAILBOX_FULL':
      return { type: 'rate_limit_error', code: 'rate_limit_exceeded' }
    case 'ACCESS_DENIED':
      return { type: 'permission_error', code: 'access_denied' }
    default:
      return status >= 500 || status === 499
        ? { type: 'server_error', code: error.code.toLowerCase() }
        : { type, code: error.code === 'INVALID_ARGUMENT' ? null : error.code.toLowerCase() }
  }
}

/** TOO_LARGE is also said of a value with too many bytes; of a prompt that its model does not take, with both sizes. */
function isPromptTooLong(error: PolityError): boolean {
  return error.code === 'TOO_LARGE' && fieldOf(error.detail, 'contextTokens') !== undefined
}

function textOr(value: unknown, otherwise: string | null): string | null {
  return typeof value === 'string' ? value : otherwise
}
