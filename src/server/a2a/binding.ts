/**
 * What the bindings of A2A share: the errors of the protocol, the version that a client speaks, streams.
 */
import type { A2ARequestHandler } from '@a2a-js/sdk/server'
import { PolityError, fieldOf } from '../../kernel/errors.ts'
import type { Json } from '../../kernel/types.ts'
import type { Exchange, LastWord } from '../route.ts'
import { isRetryable } from '../status.ts'
import type { A2aSdk } from './sdk.ts'

/** Who answers a request. */
export interface Answering {
  readonly agent: A2ARequestHandler
  readonly fault: Fault
}

/** What was thrown that no client is to hear as an error of the protocol. */
export interface Fault {
  thrown: unknown
}

/** A client that names no version speaks this one, says the specification. */
const UNNAMED = '0.3'

/** By its header; the specification lets a client write it as a parameter of the request instead (3.6.1). */
export function versionOf({ types }: A2aSdk, { headers, query }: Exchange): string {
  const { [types.A2A_VERSION_HEADER.toLowerCase()]: header } = headers
  const asked = [header, query.get(types.A2A_VERSION_HEADER)].map((one) => (typeof one === 'string' ? one.trim() : ''))
  return asked.find((one) => one !== '') ?? UNNAMED
}

/** Sends the answers of a stream. What goes wrong before the first is an answer by itself. */
export async function stream(exchange: Exchange, replies: AsyncGenerator<unknown>, lastWord: LastWord): Promise<void> {
  const first = await replies.next()
  const events = exchange.events({}, lastWord)
  for (let next = first; next.done !== true; next = await replies.next()) {
    if (!events.send({ data: JSON.stringify(next.value) })) await events.drained()
    if (exchange.signal.aborted) await replies.return(undefined)
  }
  events.end()
}

/** What a program reads of an error of the kernel: google.rpc.ErrorInfo, whose metadata are texts. */
export function errorInfo(error: PolityError): Json {
  return {
    '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
    reason: error.code,
    domain: 'polity',
    metadata: { retryable: String(isRetryable(error)) },
  }
}

/** The agent with its errors in the words of the protocol. */
export function worded(sdk: A2aSdk, fault: Fault, agent: A2ARequestHandler): A2ARequestHandler {
  const { A2AError, RequestMalformedError, TaskNotFoundError } = sdk.errors
  const wordOf = (error: unknown): unknown => {
    if (error instanceof A2AError) return error
    const code = PolityError.isInstance(error) ? error.code : undefined
    if (code === 'INVALID_ARGUMENT' || code === 'TOO_LARGE')
      return new RequestMalformedError(String(fieldOf(error, 'message')))
    if (code === 'KEY_REUSED')
      return new RequestMalformedError('message.messageId is that of another message; give each message its own')
    if (code === 'NO_SUCH_PROCESS') return new TaskNotFoundError('there is no such task')
    fault.thrown = error
    return error
  }
  async function* words(given: AsyncGenerator<unknown>): AsyncGenerator<unknown> {
    try {
      yield* given
    } catch (error) {
      throw wordOf(error)
    }
  }
  const methods = Object.entries(agent).map(([name, method]) => [
    name,
    (...given: unknown[]) => {
      const result = (method as (...given: unknown[]) => object)(...given)
      if (Symbol.asyncIterator in result) return words(result as AsyncGenerator<unknown>)
      return (result as Promise<unknown>).catch((error: unknown) => {
        throw wordOf(error)
      })
    },
  ])
  return Object.fromEntries(methods) as A2ARequestHandler
}
