/**
 * The connections of a server: which requests are under way on each, and how each ends.
 *
 *     const connections = createConnections({ clock, lingerMs, isClosing: () => closing !== undefined })
 *     server.on('connection', connections.opened).on('clientError', connections.onClientError)
 *     connections.begin(request, response)
 *     response.on('close', () => connections.over(request))
 *
 * Invariants
 *   CN1. What is no HTTP gets at most one refusal, after the answers to what came before it; then its connection ends.
 *   CN2. A client that still sends when it was answered has `lingerMs` to read its answer.
 *   CN3. An idle connection holds on to nothing of its last request.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../kernel/clock.ts'
import { PolityError } from '../kernel/errors.ts'
import { errorBody, securityHeaders } from './answers.ts'

export interface Connections {
  opened(socket: Socket): void
  /** A request has come. */
  begin(request: IncomingMessage, response: ServerResponse): void
  /** Its response is closed. */
  over(request: IncomingMessage): void
  onClientError(error: NodeJS.ErrnoException, socket: Socket): void
  /** Ends those on which no request is under way. */
  cutIdle(): void
  cutAll(): void
}

export interface ConnectionsOptions {
  readonly clock: Clock
  /** How long the rest of a body that nobody wants is read, ms. */
  readonly lingerMs: number
  /** Whether a connection ends with its answer. */
  readonly isClosing: () => boolean
}

interface Connection {
  /** Requests that are not answered in full. */
  openCount: number
  last: { readonly request: IncomingMessage; readonly response: ServerResponse } | undefined
  /** Nothing more is read. */
  isOver: boolean
}

export function createConnections({ clock, lingerMs, isClosing }: ConnectionsOptions): Connections {
  const connections = new Map<Socket, Connection>()

  function opened(socket: Socket): void {
    connections.set(socket, { openCount: 0, last: undefined, isOver: false })
    socket.once('close', () => connections.delete(socket))
  }

  function begin(request: IncomingMessage, response: ServerResponse): void {
    const connection = connections.get(request.socket)
    if (connection !== undefined) {
      connection.openCount++
      connection.last = { request, response }
    }
    // Before Node's own listener, which sets the time-out of an idle connection.
    response.prependListener('finish', finished)
  }

  /** One function for all responses. */
  function finished(this: ServerResponse): void {
    const request = this.req
    request.socket.setTimeout(0)
    if (isClosing()) request.socket.end()
    if (!request.complete) letGo(request)
  }

  function over({ socket }: IncomingMessage): void {
    const connection = connections.get(socket)
    if (connection === undefined || --connection.openCount > 0) return
    connection.last = undefined
    if (connection.isOver) hangUp(socket)
  }

  /** The client still sends what nobody will read: it may go on for a moment, so that the answer reaches it. */
  function letGo(request: IncomingMessage): void {
    request.resume()
    clock.after(lingerMs, () => request.complete || request.socket.destroy()).hold(false)
  }

  function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const connection = connections.get(socket)
    if (error.code === 'ECONNRESET' || !socket.writable || connection === undefined) return void socket.destroy(error)
    // What else comes is not read as a request.
    socket.removeAllListeners('data')
    socket.resume()
    const { last, openCount } = connection
    if (openCount > 0 && last?.request.complete === true) {
      // It came behind requests that were good: they are answered, and then there is no more.
      connection.isOver = true
      return
    }
    if (openCount > 1 || (openCount === 1 && last?.response.headersSent === true)) return void socket.destroy(error)
    const [status, message] = malformed[error.code ?? ''] ?? [400, 'this is not HTTP as this server reads it']
    const body = JSON.stringify(errorBody(new PolityError('INVALID_ARGUMENT', message), status))
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'connection: close',
      'content-type: application/json',
      `content-length: ${Buffer.byteLength(body)}`,
      ...Object.entries(securityHeaders).map(([name, value]) => `${name}: ${value}`),
    ]
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
    hangUp(socket)
  }

  function hangUp(socket: Socket): void {
    socket.end()
    clock.after(lingerMs, () => socket.destroy()).hold(false)
  }

  return {
    opened,
    begin,
    over,
    onClientError,
    cutIdle() {
      for (const [socket, { openCount }] of connections) if (openCount === 0) socket.destroy()
    },
    cutAll() {
      for (const socket of connections.keys()) socket.destroy()
    },
  }
}

/** Status and sentence for what is not read as HTTP, by Node's code. */
const malformed: { readonly [code: string]: readonly [status: number, message: string] } = {
  HPE_HEADER_OVERFLOW: [431, 'the headers are larger than the limit headerBytesMax'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'the extensions of a chunk are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request was not whole in time'],
}
