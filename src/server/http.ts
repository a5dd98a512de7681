/**
 * The server: serves doors over HTTP on one port, with the guards and limits that all of them share.
 *
 *     const server = await startServer({ doors: [models], authenticate, port: 7070 })
 *     console.log(server.url)
 *     await server.close()
 *
 * A request passes, in this order: the host and origin guards (guards.ts), the route table (route-table.ts), the caller's
 * key and scope, the form and size of the body (body.ts); then the handler runs. How it is answered: answers.ts, with the
 * statuses of status.ts. What becomes of its connection: connections.ts.
 *
 * Invariants
 *   HT1. Every request gets one answer, or its connection ends. A handler that throws, or returns without an answer, gets 500.
 *   HT2. What is not a `PolityError` is told to the owner of the server, and never to the client.
 *   HT3. No client makes the server keep more than the limits say (limits.ts), for longer than they say.
 *   HT4. `exchange.signal` aborts once the client is gone or refused, or the server closes, and its reason says which.
 *   HT5. `close` resolves, whatever clients and handlers do.
 *   HT6. Who is refused hears no more within a heartbeat, but for why: the callers of all answers under way are asked for
 *        again then. A whole answer is what the next request with that key would get.
 *   HT7. A stream that the server ends says so where its door has words for it; nothing comes after them.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../kernel/clock.ts'
import { realClock } from '../kernel/clock.ts'
import { PolityError, warn } from '../kernel/errors.ts'
import type { KeysOf } from '../kernel/known-keys.ts'
import { checkKeys } from '../kernel/known-keys.ts'
import type { Json } from '../kernel/types.ts'
import type { Headers } from './answers.ts'
import { createAnswers, errorBody, headOf } from './answers.ts'
import { bodyRefusal, readJson } from './body.ts'
import { createConnections } from './connections.ts'
import type { OpenStream } from './event-stream.ts'
import { openStream } from './event-stream.ts'
import { checkHosts, checkOrigins, refusalOf } from './guards.ts'
import type { ServerLimits } from './limits.ts'
import { checkServerLimits } from './limits.ts'
import { listen } from './listen.ts'
import type { Caller } from './caller.ts'
import { holds } from './caller.ts'
import type { Found } from './route-table.ts'
import { routesOf } from './route-table.ts'
import type { Door, EventStream, Exchange, LastWord } from './route.ts'
import { statusTable } from './status.ts'

/** Why nobody is known by a request: answered with 401, or, where the server is at fault, with 503, to come again. */
export interface Unknown {
  readonly refused: string
  /** No key would be known now. @default false */
  readonly isFault?: boolean
}

export interface ServerOptions {
  readonly doors: readonly Door[]
  /** Who sends a request. Not asked for routes without a scope; asked again at every heartbeat while the answer goes on. */
  authenticate(request: IncomingMessage): Caller | Unknown
  /** Address to listen on. @default '127.0.0.1' */
  readonly host?: string
  /** 0: any free one. */
  readonly port: number
  /** Names in `Host` that the server answers to beside loopback and `host`. @default none */
  readonly allowHosts?: readonly string[]
  /** Origins whose pages may use the server. @default none */
  readonly allowOrigins?: readonly string[]
  readonly limits?: Partial<ServerLimits>
  /** Of heartbeats and waits. @default the machine's */
  readonly clock?: Clock
  /** Told of what a handler threw that is no `PolityError`. @default a warning of the process */
  readonly onError?: (error: unknown, request: IncomingMessage) => void
}

export interface Server {
  /** Where it is reached, without a slash at the end. */
  readonly url: string
  readonly port: number
  /** Takes no more requests, ends streams, waits for answers under way up to `drainMs`, then cuts what is left. */
  close(): Promise<void>
}

/** Who calls a route without a scope. */
const nobody: Caller = Object.freeze({ principal: 'nobody', scopes: new Set<never>(), key: null })

/** How long doors have to say a last word on their streams when the server closes, and to answer what it cuts short, ms. */
const LAST_WORD_MS = 250

/** All that a server can be told. */
export const serverKeys: KeysOf<ServerOptions> = {
  doors: true,
  authenticate: true,
  host: true,
  port: true,
  allowHosts: true,
  allowOrigins: true,
  limits: true,
  clock: true,
  onError: true,
}

/** Listens. Throws `CONFIG_INVALID`. */
export async function startServer(options: ServerOptions): Promise<Server> {
  checkKeys('startServer', options, serverKeys)
  const { host = '127.0.0.1', clock = realClock(), doors } = options
  const onError = options.onError ?? ((error, { method, url }) => warn(`${method} ${pathOf(url ?? '')}`, error))
  const limits = checkServerLimits(options.limits)
  const isWildcard = host === '0.0.0.0' || host === '::'
  const hosts = checkHosts([...(isWildcard ? [] : [host]), ...(options.allowHosts ?? [])])
  const origins = checkOrigins(options.allowOrigins ?? [])
  const routes = routesOf(doors)
  /** Requests that are not answered in full. */
  const open = new Set<Open>()
  const streamsOf = new Map<string, number>()
  let closing: Promise<void> | undefined
  const isClosing = (): boolean => closing !== undefined
  const answers = createAnswers({ stallMs: limits.stallMs, isLast: isClosing, onError })
  const connections = createConnections({ clock, lingerMs: limits.lingerMs, isClosing })

  const server = createServer({
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: Math.min(limits.headersMs, limits.requestMs),
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    // How often the first two are looked at: Node's default, 30 s, would triple them.
    connectionsCheckingInterval: Math.max(20, Math.min(1_000, Math.floor(limits.headersMs / 4))),
    noDelay: true,
  })
  server.maxConnections = limits.connectionsMax
  // Bounded by their bytes: Node would drop the last of many in silence, and the Origin may be among them.
  server.maxHeadersCount = 0

  server.on('connection', connections.opened)
  server.on('request', (request, response) => take(request, response, 'nothing'))
  server.on('checkContinue', (request, response) => take(request, response, 'continue'))
  server.on('checkExpectation', (request, response) => take(request, response, 'other'))
  server.on('clientError', connections.onClientError)

  let heartbeat = clock.after(limits.heartbeatMs, beat)
  heartbeat.hold(false)
  function beat(): void {
    for (const one of open) {
      refuseAgain(one)
      one.stream?.beat()
    }
    heartbeat = clock.after(limits.heartbeatMs, beat)
    heartbeat.hold(false)
  }

  /** A key may have been revoked, or have expired, since its request was let in. */
  function refuseAgain(one: Open): void {
    const { request, response, known, stream } = one
    if (known === undefined || known.route.scope === null) return
    // Its handler does not heed the signal, or its client takes nothing.
    if (one.refused !== undefined) return void response.destroy()
    if (response.writableEnded) return
    const refused = refusalNow(request, known)
    if (refused === undefined) return
    one.refused = refused
    // Before the signal: nothing that is sent in answer to it goes out.
    if (stream !== undefined) endStream(one, refused.error, refused.status)
    else if (response.headersSent) response.destroy()
    one.abort.abort(refused.error)
  }

  function refusalNow(request: IncomingMessage, { caller, route }: Known): Refused | undefined {
    const who = whoSends(request)
    if ('error' in who) return who
    if (who.principal !== caller.principal || who.key !== caller.key)
      return denied(401, 'this key is no longer what it was when the request came')
    if (route.scope === null || holds(who, route.scope)) return undefined
    return denied(403, 'this key no longer opens what was asked for with it')
  }

  /** The caller, or why there is none: the key's fault, or the server's, to which whoever comes again may be let in. */
  function whoSends(request: IncomingMessage): Caller | Refused {
    const fault = (why: string): Refused => ({
      status: statusTable.STORE_FAILED,
      error: new PolityError('STORE_FAILED', why),
    })
    try {
      const who = options.authenticate(request)
      if (!('refused' in who)) return who
      return who.isFault === true ? fault(who.refused) : denied(401, who.refused)
    } catch (error) {
      onError(error, request)
      return fault('the server cannot tell whose request this is; its owner can see why')
    }
  }

  /** Ends a stream with what its door says of that. */
  function endStream({ request, stream, lastWord }: Open, error: PolityError, status: number): void {
    try {
      for (const event of lastWord?.(error, status) ?? []) stream?.send(event)
    } catch (wrong) {
      onError(wrong, request)
    }
    stream?.end()
  }

  // -------------------------------------------------------------------------------------------------------- requests

  function take(request: IncomingMessage, response: ServerResponse, expects: 'nothing' | 'continue' | 'other'): void {
    connections.begin(request, response)
    const one: Open = {
      request,
      response,
      abort: new AbortController(),
      known: undefined,
      stream: undefined,
      lastWord: undefined,
      refused: undefined,
    }
    open.add(one)
    response.on('close', () => onClosed(one))
    // Of a client that went away: told by `close`.
    response.on('error', ignore)

    try {
      const known = guard(request, response, expects === 'other')
      if (known === undefined) return
      one.known = known
      if (expects === 'continue') response.writeContinue()
      handle(request, response, one, known)
    } catch (error) {
      answers.fail(request, response, error, errorBody)
    }
  }

  function onClosed(one: Open): void {
    const { request, response, stream, known } = one
    open.delete(one)
    connections.over(request)
    if (stream !== undefined && known !== undefined) {
      const { principal } = known.caller
      const left = (streamsOf.get(principal) ?? 1) - 1
      if (left > 0) streamsOf.set(principal, left)
      else streamsOf.delete(principal)
    }
    if (!response.writableFinished) one.abort.abort(new PolityError('KILLED', 'its client went away'))
  }

  /** The route and the caller; undefined where the request was answered already. */
  function guard(request: IncomingMessage, response: ServerResponse, expectsOther: boolean): Known | undefined {
    const { method = '', headers } = request
    const url = request.url ?? ''
    const path = pathOf(url)
    const door = routes.doorNear(path)
    const refuse = (status: number, code: PolityError['code'], message: string, more?: Headers): undefined => {
      const error = new PolityError(code, message)
      // Where one message ends and the next begins is not certain then.
      if (status === 400 || status === 417) response.shouldKeepAlive = false
      answers.writeError(response, error, status, door?.errorBody ?? errorBody, more)
    }
    if (!url.startsWith('/') && !(method === 'OPTIONS' && url === '*'))
      return refuse(400, 'INVALID_ARGUMENT', 'the target of a request starts with /')
    if (headers.host === undefined || hostCount(request) > 1)
      return refuse(400, 'INVALID_ARGUMENT', 'a request has one Host header')
    if (expectsOther) return refuse(417, 'INVALID_ARGUMENT', 'nothing can be expected but 100-continue')
    const refused = refusalOf(request, hosts, origins)
    if (refused !== undefined) return refuse(403, 'ACCESS_DENIED', refused)
    const { origin } = headers
    const isAllowedOrigin = origin !== undefined && origins.has(origin)
    if (origins.size > 0) response.setHeader('vary', 'Origin')
    if (isAllowedOrigin) {
      response.setHeader('access-control-allow-origin', origin)
      response.setHeader('access-control-expose-headers', '*')
    }
    if (closing !== undefined) return refuse(503, 'KERNEL_CLOSED', 'the server is closing')

    if (method === 'OPTIONS') {
      const allow = routes.methodsAt(path)
      const wanted = headers['access-control-request-method']
      const cors: Headers =
        isAllowedOrigin && wanted !== undefined
          ? {
              'access-control-allow-methods': allow.join(', '),
              'access-control-allow-headers': headers['access-control-request-headers'] ?? '',
              'access-control-max-age': '600',
            }
          : {}
      if (allow.length > 0 || url === '*')
        return void answers.write(response, 204, undefined, '', { allow: allow.join(', '), ...cors })
    }
    const found = routes.find(method === 'HEAD' ? 'GET' : method, path)
    if (found === 'bad')
      return refuse(400, 'INVALID_ARGUMENT', `the path ${JSON.stringify(path.slice(0, 200))} is not valid`)
    if (found === undefined) {
      const allow = routes.methodsAt(path)
      if (allow.length === 0)
        return refuse(404, 'INVALID_ARGUMENT', `there is nothing at ${JSON.stringify(path.slice(0, 200))}`)
      return refuse(405, 'INVALID_ARGUMENT', `${method} is not taken here; ${allow.join(', ')} are`, {
        allow: allow.join(', '),
      })
    }
    const { route } = found
    let caller = nobody
    if (route.scope !== null) {
      const who = whoSends(request)
      if ('error' in who) {
        const { status, error } = who
        return refuse(status, error.code, error.message, status === 401 ? challengeTo(request) : {})
      }
      if (!holds(who, route.scope))
        return refuse(
          403,
          'ACCESS_DENIED',
          route.scope === 'any'
            ? `this key has no scope, and ${method} ${path} needs one`
            : `this key has not the scope ${route.scope}, which ${method} ${path} needs`,
        )
      caller = who
    }
    const bodyRefused = bodyRefusal(request, route.bodyBytesMax ?? limits.bodyBytesMax)
    if (bodyRefused !== undefined)
      return refuse(
        bodyRefused.status,
        bodyRefused.status === 413 ? 'TOO_LARGE' : 'INVALID_ARGUMENT',
        bodyRefused.message,
      )
    return { ...found, caller, path }
  }

  function handle(request: IncomingMessage, response: ServerResponse, one: Open, known: Known): void {
    const { route, door, caller, params, path } = known
    const url = request.url ?? ''
    let body: Promise<Json> | undefined
    /** What a handler says once its caller is refused: nothing but that. */
    const refuse = ({ error, status }: Refused): void =>
      answers.writeError(
        response,
        error,
        status,
        door.errorBody ?? errorBody,
        status === 401 ? challengeTo(request) : undefined,
      )
    const exchange: Exchange = {
      caller,
      method: request.method ?? '',
      path,
      params,
      // No getter: an object literal with one costs ten times as much (bench/README.md).
      query: url.length === path.length ? NO_QUERY : new URLSearchParams(url.slice(path.length + 1)),
      headers: request.headers,
      signal: one.abort.signal,
      json: () => (body ??= readJson(request, route.bodyBytesMax ?? limits.bodyBytesMax, limits.bodyDepthMax)),
      reply(status, value, headers) {
        if (one.refused !== undefined) return refuse(one.refused)
        answers.write(response, status, 'application/json', JSON.stringify(value) ?? 'null', headers)
      },
      replyText(status, type, text, headers) {
        if (one.refused !== undefined) return refuse(one.refused)
        answers.write(response, status, type, text, headers)
      },
      events(headers, lastWord) {
        if (one.refused !== undefined) throw one.refused.error
        const stream = events(request, response, one, caller, headers)
        one.lastWord = lastWord
        // An answer that goes on for minutes does not hold on to what was asked.
        body = undefined
        return stream
      },
      request,
      response,
    }
    // By hand: a frame that waits, as of an async function, would be kept for each answer that goes on.
    const failed = (error: unknown): void => {
      if (!PolityError.isInstance(error) || response.headersSent)
        return answers.fail(request, response, error, door.errorBody ?? errorBody)
      try {
        if (one.refused !== undefined) return refuse(one.refused)
        const status = door.statusOf?.(error) ?? statusTable[error.code] ?? 500
        answers.writeError(response, error, status, door.errorBody ?? errorBody)
      } catch (wrong) {
        answers.fail(request, response, wrong, errorBody)
      }
    }
    const answered = (): void => {
      if (!response.headersSent && !response.destroyed)
        failed(new Error(`the handler of ${route.method} ${route.path} returned without an answer`))
    }
    try {
      void Promise.resolve(route.handle(exchange)).then(answered, failed)
    } catch (error) {
      failed(error)
    }
  }

  function events(
    request: IncomingMessage,
    response: ServerResponse,
    one: Open,
    { principal }: Caller,
    headers: Headers = {},
  ): EventStream {
    if (response.headersSent) throw new Error('a request was answered twice')
    const count = streamsOf.get(principal) ?? 0
    if (count >= limits.streamsPerPrincipalMax)
      throw new PolityError(
        'LIMIT_EXCEEDED',
        `${count} event streams of ${principal} are open; the limit streamsPerPrincipalMax is ${limits.streamsPerPrincipalMax}`,
      )
    response.writeHead(200, headOf({ ...eventHeaders, ...headers }))
    const stream = openStream(response, limits)
    if (response.destroyed) return stream
    streamsOf.set(principal, count + 1)
    one.stream = stream
    // What a HEAD asks for is there; nobody listens to the rest.
    if (request.method === 'HEAD') {
      stream.end()
      one.abort.abort(new PolityError('KILLED', 'the client asked for the headers only'))
    }
    return stream
  }

  async function drain(): Promise<void> {
    heartbeat.cancel()
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    const within = (ms: number, what: Promise<unknown>): Promise<void> =>
      new Promise((resolve) => {
        const timer = clock.after(ms, resolve)
        void what.then(() => {
          timer.cancel()
          resolve()
        })
      })
    const cut = (which: (one: Open) => boolean): Promise<unknown> => {
      const cutOnes = [...open].filter(which)
      for (const one of cutOnes) {
        const error = new PolityError('KERNEL_CLOSED', 'the server is closing')
        // Where its door has no words for it, its handler has a moment to find some.
        if (one.lastWord !== undefined) endStream(one, error, statusTable.KERNEL_CLOSED)
        one.abort.abort(error)
      }
      return Promise.all(cutOnes.map(({ response }) => new Promise<void>((resolve) => response.once('close', resolve))))
    }
    // Who says nothing is not waited for.
    connections.cutIdle()
    const streams = (one: Open): boolean => one.stream !== undefined
    await within(LAST_WORD_MS, cut(streams))
    for (const { stream } of open) stream?.end()
    await within(limits.drainMs, closed)
    await within(
      LAST_WORD_MS,
      cut(() => true),
    )
    connections.cutAll()
    await closed
  }

  try {
    await listen(server, { host, port: options.port })
  } catch (error) {
    heartbeat.cancel()
    throw error
  }
  server.on('error', (error) => warn('the server', error))
  const { port } = server.address() as AddressInfo
  const shown = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return {
    url: `http://${shown.includes(':') ? `[${shown}]` : shown}:${port}`,
    port,
    close: () => (closing ??= drain()),
  }
}

const eventHeaders: Headers = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store, no-transform',
  // Tells nginx to pass on what comes as it comes.
  'x-accel-buffering': 'no',
}

/** Of all requests without one; nobody writes into a query. */
const NO_QUERY = new URLSearchParams()

function ignore(): void {}

/** A request under way. */
interface Open {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly abort: AbortController
  /** undefined until it passed the guards. */
  known: Known | undefined
  stream: OpenStream | undefined
  lastWord: LastWord | undefined
  /** Why its caller is no longer let in. */
  refused: Refused | undefined
}

/** Why a caller is no longer let in, and the status that says so. */
interface Refused {
  readonly error: PolityError
  readonly status: number
}

function denied(status: number, why: string): Refused {
  return { status, error: new PolityError('ACCESS_DENIED', why) }
}

/** A request that passed the guards. */
interface Known extends Found {
  readonly caller: Caller
  readonly path: string
}

/** What goes with 401. A browser asks its person for a key only where it is told that Basic will do, and only for pages is it told. */
function challengeTo({ headers }: IncomingMessage): Headers {
  const isPage = headers['sec-fetch-mode'] === 'navigate'
  return { 'www-authenticate': isPage ? 'Basic realm="polity", charset="UTF-8"' : 'Bearer realm="polity"' }
}

function pathOf(url: string): string {
  const end = url.indexOf('?')
  return end < 0 ? url : url.slice(0, end)
}

function hostCount({ rawHeaders }: IncomingMessage): number {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) if (rawHeaders[at]?.toLowerCase() === 'host') count++
  return count
}
