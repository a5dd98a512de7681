/**
 * What a door of the server is: routes, each with the scope that its caller needs, and the form of its errors.
 *
 *     export const models: Door = {
 *       routes: [{ method: 'GET', path: '/v1/models', scope: 'models', handle: ({ reply }) => reply(200, { data: [] }) }],
 *       errorBody: (error) => ({ error: { message: error.message } }),
 *     }
 *
 * http.ts serves doors. What a caller may see of the kernel is decided in one place, view.ts; no route asks the kernel
 * for a process by itself.
 *
 * Invariants
 *   RT1. A handler runs only for a caller that holds the scope of the route.
 *   RT2. A handler that throws before it answered is answered with the door's form of that error, and its HTTP status.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { PolityError } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'
import type { Caller, Needed } from './caller.ts'

/** One request, as a handler sees it. */
export interface Exchange {
  readonly caller: Caller
  readonly method: string
  readonly path: string
  /** Parts of the path that the route names. */
  readonly params: { readonly [name: string]: string }
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  /**
   * Aborts when the client went away before it was answered in full, its key opens nothing more, or the server closes. The
   * reason is a `PolityError` that says which: `KILLED`, `ACCESS_DENIED` or `KERNEL_CLOSED`.
   */
  readonly signal: AbortSignal
  /** The body as JSON, within the limit; before `events`. Throws `INVALID_ARGUMENT`, `TOO_LARGE`. An empty body is null. */
  json(): Promise<Json>
  /** Answers with JSON. */
  reply(status: number, body: Json, headers?: { readonly [name: string]: string }): void
  /** Answers with text of a type such as `text/plain; charset=utf-8`. */
  replyText(status: number, type: string, body: string, headers?: { readonly [name: string]: string }): void
  /** Answers with a stream of server-sent events. `lastWord`: how the door says on it that the server ends it, and why. */
  events(headers?: { readonly [name: string]: string }, lastWord?: LastWord): EventStream
  /** For SDKs that take over a request whole, with `securityHeaders` set before. The body has not been read. */
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

export interface StreamEvent {
  readonly data: string
  readonly event?: string
  readonly id?: string
}

/** What a stream says when the server ends it: its caller is refused, or the server closes. `status`: what a whole answer would have. */
export type LastWord = (error: PolityError, status: number) => Iterable<StreamEvent>

/** An answer that goes on: server-sent events. */
export interface EventStream {
  /** False where the client reads more slowly than it is written to: what can be left out or merged should be. */
  send(event: StreamEvent): boolean
  /** Resolves once the client has taken what was written, or has gone away. */
  drained(): Promise<void>
  end(): void
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** As find-my-way reads it: `/api/v1/processes/:pid`. */
  readonly path: string
  /** `any`: whoever has a key, whatever it opens. null: anybody who reaches the server. */
  readonly scope: Needed | null
  /** Largest body, bytes. @default limits of http.ts */
  readonly bodyBytesMax?: number
  handle(exchange: Exchange): void | Promise<void>
}

export interface Door {
  readonly routes: readonly Route[]
  /** The body of an answer that is an error; `path` is what was asked for. @default `{ error: { code, message, todo, retryable } }` */
  readonly errorBody?: (error: PolityError, status: number, path: string) => Json
  /** The HTTP status, where it is not that of http.ts: AIOS answers 200 with an error inside. */
  readonly statusOf?: (error: PolityError) => number | undefined
}
