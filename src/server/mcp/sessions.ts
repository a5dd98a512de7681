/**
 * Sessions of clients of the earlier era (up to 2025-11-25) over HTTP: each has a server of its own, which can ask the client
 * and send it notices, and remembers what it sent so that a client whose stream broke can go on.
 *
 *     const sessions = createSessions(sdk, (caller) => serverFor(caller), { perPrincipalMax, returnMs })
 *     const response = await sessions.answer(request, body, caller, { signal, use: (done) => response.once('close', done) })
 *
 * Invariants
 *   SE1. A session is its caller's alone: to anybody else it does not exist.
 *   SE2. A session that nothing uses ends after IDLE_MS; a principal has at most `perPrincipalMax`, of which the one that
 *        was idle longest makes room.
 *   SE3. What is kept for going on is bounded by EVENTS_MAX and EVENT_BYTES_MAX in each session; older is forgotten.
 *   SE4. A call whose stream broke ends where its client does not take it up again within `returnMs` (carriers.ts).
 */
import type { EventStore, JSONRPCMessage, McpServer } from '@modelcontextprotocol/server'
import { randomBytes } from 'node:crypto'
import { PolityError } from '../../kernel/errors.ts'
import type { Json } from '../../kernel/types.ts'
import type { Caller } from '../caller.ts'
import { fieldOf } from '../fields.ts'
import type { Carriers, Line } from './carriers.ts'
import { createCarriers } from './carriers.ts'
import type { ServerSdk } from './sdk.ts'

export interface Sessions {
  answer(request: Request, body: Json | undefined, caller: Caller, line: Line): Promise<Response>
}

export interface SessionsOptions {
  readonly perPrincipalMax: number
  /** How long a call waits for a client whose stream broke, ms. */
  readonly returnMs: number
}

interface Session {
  readonly principal: string
  readonly key: string | null
  readonly transport: InstanceType<ServerSdk['server']['WebStandardStreamableHTTPServerTransport']>
  readonly server: McpServer
  readonly carriers: Carriers
  readonly events: KeptEvents
  /** Requests and streams that are open. */
  openCount: number
  idle: NodeJS.Timeout | undefined
}

/** As long as the longest pause of a person at work, ms. */
const IDLE_MS = 1_800_000
const SESSIONS_MAX = 4_096
const EVENTS_MAX = 256
const EVENT_BYTES_MAX = 2_097_152
/** Pause after which a client whose stream was closed comes again, ms. */
const RETRY_MS = 1_000
/** JSON-RPC 2.0. */
const INVALID_PARAMS = -32_602
const INITIALIZE_PARAMS =
  '{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"my-client","version":"1"}}'

export function createSessions(
  { server: sdk }: ServerSdk,
  serverFor: (caller: Caller) => McpServer,
  { perPrincipalMax, returnMs }: SessionsOptions,
): Sessions {
  const sessions = new Map<string, Session>()

  async function answer(request: Request, body: Json | undefined, caller: Caller, line: Line): Promise<Response> {
    const id = request.headers.get('mcp-session-id')
    if (id === null)
      return sdk.isInitializeRequest(body)
        ? begin(request, body, caller, line)
        : ((await initializeFault(body)) ?? refusal(400, 'a request without a session begins with initialize'))
    const session = sessions.get(id)
    if (session === undefined || session.principal !== caller.principal || session.key !== caller.key)
      return refusal(404, 'there is no such session; begin another with initialize')
    touch(id, session, line)
    const { carriers, events, transport } = session
    if (request.method === 'POST')
      return carriers.carry(line, caller, (authInfo) =>
        transport.handleRequest(request, { parsedBody: body, authInfo }),
      )
    const stream = events.streamOf(request.headers.get('last-event-id') ?? '')
    const response = await transport.handleRequest(request)
    if (stream !== undefined && response.ok) carriers.takenUp(stream, line)
    return response
  }

  /** What is wrong with the params of an `initialize`; undefined for any other message. */
  async function initializeFault(body: Json | undefined): Promise<Response | undefined> {
    const id = fieldOf(body, 'id')
    if (fieldOf(body, 'method') !== 'initialize' || (typeof id !== 'string' && typeof id !== 'number')) return undefined
    const { issues = [] } = await sdk.specTypeSchemas.InitializeRequest['~standard'].validate(body)
    const said = issues.map(({ path = [], message }) => `${path.map(String).join('.')}: ${message}`).join('; ')
    const message = `initialize takes params such as ${INITIALIZE_PARAMS}; ${said}`
    return Response.json({ jsonrpc: '2.0', id, error: { code: INVALID_PARAMS, message } }, { status: 400 })
  }

  async function begin(request: Request, body: Json | undefined, caller: Caller, line: Line): Promise<Response> {
    makeRoom(caller)
    const server = serverFor(caller)
    const carriers = createCarriers(returnMs)
    const events = createKeptEvents(carriers)
    const transport = new sdk.WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => randomBytes(18).toString('base64url'),
      eventStore: events.store,
      retryInterval: RETRY_MS,
      onsessioninitialized(id) {
        const session: Session = {
          principal: caller.principal,
          key: caller.key,
          transport,
          server,
          carriers,
          events,
          // The request that begins it.
          openCount: 1,
          idle: undefined,
        }
        sessions.set(id, session)
      },
      onsessionclosed: (id) => end(id),
    })
    await server.connect(transport)
    try {
      return await transport.handleRequest(request, { parsedBody: body })
    } finally {
      const id = transport.sessionId ?? ''
      const session = sessions.get(id)
      // What was refused has no session.
      if (session === undefined) await server.close()
      else {
        // Only now: what the session itself holds must not hold its first request.
        touch(id, session, line)
        session.openCount--
      }
    }
  }

  /** It is used, and so the youngest; idle from when its last answer has gone out. */
  function touch(id: string, session: Session, { use }: Line): void {
    sessions.delete(id)
    sessions.set(id, session)
    clearTimeout(session.idle)
    session.openCount++
    use(() => {
      session.openCount--
      if (session.openCount > 0 || !sessions.has(id)) return
      clearTimeout(session.idle)
      session.idle = setTimeout(() => end(id), IDLE_MS).unref()
    })
  }

  function end(id: string): void {
    const session = sessions.get(id)
    if (session === undefined) return
    sessions.delete(id)
    clearTimeout(session.idle)
    void session.server.close().catch(() => {})
  }

  function makeRoom({ principal }: Caller): void {
    const own = [...sessions].filter(([, session]) => session.principal === principal)
    const isFull = own.length >= perPrincipalMax
    if (!isFull && sessions.size < SESSIONS_MAX) return
    const [oldest] = own.find(([, { openCount }]) => openCount === 0) ?? []
    if (oldest === undefined)
      throw new PolityError(
        'LIMIT_EXCEEDED',
        isFull
          ? `${own.length} MCP sessions of ${principal} are in use, its limit`
          : `${sessions.size} MCP sessions are open, the limit`,
      )
    end(oldest)
  }

  return { answer }
}

function refusal(status: number, message: string): Response {
  return Response.json(
    { jsonrpc: '2.0', id: null, error: { code: status === 404 ? -32_001 : -32_000, message } },
    { status },
  )
}

/** What was sent in a session, for clients whose stream broke. */
interface KeptEvents {
  readonly store: EventStore
  streamOf(id: string): string | undefined
}

function createKeptEvents(carriers: Carriers): KeptEvents {
  const events = new Map<
    string,
    { readonly stream: string; readonly message: JSONRPCMessage; readonly bytes: number }
  >()
  let count = 0
  let bytes = 0
  const store: EventStore = {
    async storeEvent(stream, message) {
      carriers.stored(stream, message)
      const id = String(++count)
      const size = JSON.stringify(message).length
      events.set(id, { stream, message, bytes: size })
      bytes += size
      for (const [oldest, { bytes: freed }] of events) {
        if (events.size <= EVENTS_MAX && bytes <= EVENT_BYTES_MAX) break
        events.delete(oldest)
        bytes -= freed
      }
      return id
    },
    getStreamIdForEventId: async (id) => events.get(id)?.stream,
    async replayEventsAfter(last, { send }) {
      const stream = events.get(last)?.stream
      if (stream === undefined) throw new Error(`event ${last} is no longer kept`)
      for (const [id, event] of events)
        if (event.stream === stream && Number(id) > Number(last)) await send(id, event.message)
      return stream
    },
  }
  return { store, streamOf: (id) => events.get(id)?.stream }
}
