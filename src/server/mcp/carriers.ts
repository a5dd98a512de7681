/**
 * What carries the calls of clients over HTTP: a call is worth going on with as long as somebody can hear its answer.
 *
 * In the later era that is the request itself. In a session (2025-11-25) it is the stream that answers the request, and where
 * that breaks, one on which the client takes it up again, with the id of the last event that it saw, within `returnMs`.
 *
 *     const carriers = createCarriers(returnMs)                            // of one session
 *     await carriers.carry(line, caller, (authInfo) => transport.handleRequest(request, { authInfo }))
 *     carriers.stored(stream, message)                                     // an event of that stream was kept
 *     carriers.takenUp(stream, line)                                       // by a request with Last-Event-ID
 *     goneOf(context)                                                      // in a handler
 *
 * Invariants
 *   CR1. The signal of a call aborts once: when its request is refused or the server closes, at once; when its line broke and
 *        nothing can be taken up, at once; else when nobody took it up again for `returnMs`.
 *   CR2. Nothing is remembered of a call that was answered, or whose signal has aborted.
 */
import type { AuthInfo, JSONRPCMessage, ServerContext } from '@modelcontextprotocol/server'
import { AsyncLocalStorage } from 'node:async_hooks'
import { fieldOf } from '../../kernel/errors.ts'
import type { Caller } from '../caller.ts'
import { whyAborted } from '../request-run.ts'

/** A request and its answer. */
export interface Line {
  /** Of the request: its reason says whether the client went away, is refused, or the server closes. */
  readonly signal: AbortSignal
  /** Told what to call when the answer has gone out, or its client is gone. */
  readonly use: (done: () => void) => void
}

export interface Carriers {
  carry<T>(line: Line, caller: Caller, work: (authInfo: AuthInfo) => Promise<T>): Promise<T>
  stored(stream: string, message: JSONRPCMessage): void
  takenUp(stream: string, line: Line): void
}

/** The streams that carry the calls of one request, one after another. */
interface Carrier {
  readonly lost: AbortController
  /** What its events are kept under; undefined where the client was told no id to come back with. */
  stream: string | undefined
  line: Line
  late: NodeJS.Timeout | undefined
}

export function createCarriers(returnMs: number): Carriers {
  const byStream = new Map<string, Carrier>()
  /** The one whose request is being handled. */
  const current = new AsyncLocalStorage<Carrier>()

  function hold(carrier: Carrier, line: Line): void {
    clearTimeout(carrier.late)
    carrier.line = line
    if (line.signal.aborted) broke(carrier, line)
    else line.signal.addEventListener('abort', () => broke(carrier, line), { once: true })
    line.use(() => {
      // It was answered in full.
      if (carrier.line === line && !line.signal.aborted) forget(carrier)
    })
  }

  function broke(carrier: Carrier, line: Line): void {
    if (carrier.line !== line) return
    const why = whyAborted(line.signal)
    const lose = (): void => {
      forget(carrier)
      carrier.lost.abort(why)
    }
    if (why.code !== 'KILLED' || carrier.stream === undefined) return lose()
    carrier.late = setTimeout(lose, returnMs).unref()
  }

  function forget({ stream, late }: Carrier): void {
    clearTimeout(late)
    if (stream !== undefined) byStream.delete(stream)
  }

  return {
    carry(line, caller, work) {
      const lost = new AbortController()
      const carrier: Carrier = { lost, stream: undefined, line, late: undefined }
      hold(carrier, line)
      return current.run(carrier, () => work(authInfoOf(caller, { signal: lost.signal })))
    },
    stored(stream, message) {
      const carrier = current.getStore()
      // An empty event comes first on a stream that can be taken up, and says its id to the client. What else is kept may be
      // of the stream that belongs to no request.
      if (carrier === undefined || carrier.stream !== undefined || Object.keys(message).length > 0) return
      carrier.stream = stream
      byStream.set(stream, carrier)
    },
    takenUp(stream, line) {
      const carrier = byStream.get(stream)
      if (carrier !== undefined) hold(carrier, line)
    },
  }
}

/** How the SDK brings to a handler what we know of its request. */
export function authInfoOf(caller: Caller, extra: { readonly signal: AbortSignal }): AuthInfo {
  return { token: '', clientId: caller.principal, scopes: [...caller.scopes], extra: { ...extra } }
}

/** Aborts once nobody can hear the answer to a request any more, or its client canceled it. */
export function goneOf({ mcpReq, http }: ServerContext): AbortSignal {
  const carried = fieldOf(http?.authInfo?.extra, 'signal')
  return carried instanceof AbortSignal ? AbortSignal.any([carried, mcpReq.signal]) : mcpReq.signal
}
