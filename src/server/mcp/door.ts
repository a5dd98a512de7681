/**
 * The kernel as an MCP server, at `/mcp`: Streamable HTTP of both eras, 2026-07-28 (no sessions) and 2025-11-25 and before
 * (with sessions).
 *
 *     const doors = [mcpDoor({ kernel, tools, programs: [clerk] })]
 *
 * What is offered: the given tools, `remember`, `recall` and `forget`, each program as `run_<name>` with its progress, and
 * the caller's processes and traces as resources. Each call is a process of the caller; one that takes long goes on as a
 * task where the client knows tasks (tasks.ts). A call that the law asks about is shown to the client's user where the
 * caller holds the scope `approvals`; else the question waits in the inbox alone.
 *
 * Invariants
 *   MD1. No tool is reached but through the gate, as the caller.
 *   MD2. The law sees the calls of one session as one run; where there are no sessions, those of one key, or of one name
 *        that the principal gives them with the header `x-polity-run` (runs.ts). Labels are of the principal: what one of
 *        its runs has learned, all of them have, for as long as the door is there.
 *   MD3. No principal's runs take the room of another's.
 *
 * Needs the packages @modelcontextprotocol/server and @modelcontextprotocol/node, loaded with the first request.
 */
import { PolityError } from '../../kernel/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Json } from '../../kernel/types.ts'
import type { Caller } from '../caller.ts'
import { endLeftOvers } from '../request-run.ts'
import type { RunStanding } from '../runs.ts'
import { createNamedRuns, createStanding } from '../runs.ts'
import { fieldOf } from '../fields.ts'
import { defaultServerLimits } from '../limits.ts'
import type { Door, Exchange } from '../route.ts'
import { securityHeaders } from '../answers.ts'
import { unknownHeader } from '../polity-headers.ts'
import { isRetryable, statusTable } from '../status.ts'
import { authInfoOf } from './carriers.ts'
import type { Connected, Extend } from './client-server.ts'
import { createClientServers } from './client-server.ts'
import type { OffersOptions } from './offers.ts'
import { CLIENT, offersOf } from './offers.ts'
import type { ServerSdk } from './sdk.ts'
import { loadServerSdk } from './sdk.ts'
import type { Sessions } from './sessions.ts'
import { createSessions } from './sessions.ts'
import { taskRefusal, withTaskMark } from './task-wire.ts'
import { createTasks } from './tasks.ts'

export interface McpDoorOptions extends OffersOptions {
  readonly kernel: Kernel
  /** Adds prompts, resources or tools of its own to the server of each client; they do not go through the kernel. */
  readonly extend?: Extend
  /**
   * How long a call may take before it goes on as a task, for clients of the later era that know tasks and leave it to the
   * server, ms. @default 1_000
   */
  readonly taskAfterMs?: number
  /** Sessions of one principal, of clients of the earlier era. @default that of limits.ts */
  readonly sessionsPerPrincipalMax?: number
  /** How long a call in a session waits for a client whose stream broke, ms; then it ends. @default that of limits.ts */
  readonly returnMs?: number
}

/** What a principal's clients have done and learned. */
interface Past {
  /** Of all its runs. */
  readonly labels: Set<string>
  /** Runs of requests that name none, by key. */
  readonly unnamed: Map<string | null, RunStanding>
}

/** What is made with the first request. */
interface Parts {
  readonly sdk: ServerSdk
  readonly sessions: Sessions
  readonly modern: ReturnType<ServerSdk['server']['createMcpHandler']>
}

const RUN_CHARS_MAX = 200
/** Names the run that a call belongs to, where there are no sessions. */
const RUN = 'x-polity-run'

export function mcpDoor({
  kernel,
  extend,
  taskAfterMs,
  sessionsPerPrincipalMax = defaultServerLimits.mcpSessionsPerPrincipalMax,
  returnMs = defaultServerLimits.mcpReturnMs,
  ...given
}: McpDoorOptions): Door {
  const offers = offersOf(given)
  const support = new Map(offers.map((offer) => [offer.name, offer.taskSupport]))
  endLeftOvers(kernel, [CLIENT])
  const tasks = createTasks(kernel, offers)
  tasks.resume()
  const pasts = new Map<string, Past>()
  const named = createNamedRuns()
  let parts: Promise<Parts> | undefined

  async function load(): Promise<Parts> {
    const sdk = await loadServerSdk()
    const serverOf = createClientServers(sdk, { kernel, offers, tasks, extend, taskAfterMs })
    return {
      sdk,
      sessions: createSessions(
        sdk,
        (caller) => {
          const standing = createStanding(pastOf(caller).labels)
          return serverOf({ caller, standing, era: 'legacy' })
        },
        { perPrincipalMax: sessionsPerPrincipalMax, returnMs },
      ),
      modern: sdk.server.createMcpHandler(({ authInfo }) => serverOf(authInfo?.extra as unknown as Connected), {
        legacy: 'reject',
      }),
    }
  }

  async function handle(exchange: Exchange): Promise<void> {
    const { request, response, caller, method, signal } = exchange
    const unknown = unknownHeader(exchange.headers, [RUN])
    if (unknown !== undefined) throw new PolityError('INVALID_ARGUMENT', unknown.message)
    if (method !== 'POST' && hasBody(request)) throw new PolityError('INVALID_ARGUMENT', `${method} takes no body`)
    const body = method === 'POST' ? withTaskMark(await exchange.json()) : undefined
    const { sdk, sessions, modern } = await (parts ??= load())
    let thrown: unknown
    const closed = new AbortController()
    const use = (done: () => void): void => void response.once('close', done)
    use(() => closed.abort())
    let standing: RunStanding | undefined
    const answer = sdk.node.toNodeHandler({
      async fetch(asked) {
        try {
          const isLegacy = await sdk.server.isLegacyRequest(asked, body)
          const refusal = taskRefusal(body, !isLegacy, (name) => support.get(name))
          if (refusal !== undefined)
            return Response.json(
              { jsonrpc: '2.0', id: fieldOf(body, 'id') ?? null, error: refusal },
              { status: isLegacy ? 200 : 400 },
            )
          if (isLegacy) return until(closed.signal, await sessions.answer(asked, body, caller, { signal, use }))
          standing = enter(exchange)
          const connected: Connected = { caller, standing, era: 'modern' }
          return await modern.fetch(asked, {
            parsedBody: body,
            authInfo: authInfoOf(caller, { ...connected, signal }),
          })
        } catch (error) {
          const isOurs = PolityError.isInstance(error)
          if (!isOurs) thrown = error
          const told = isOurs ? error : new PolityError('PROGRAM_FAILED', 'the server failed; its owner can see why')
          const status = statusTable[told.code]
          return Response.json(errorBody(told, status), { status })
        }
      },
    })
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value)
    try {
      await answer(request, response, body)
    } finally {
      standing?.left()
    }
    // Answered; its owner is told.
    if (thrown !== undefined) throw thrown
  }

  function pastOf({ principal }: Caller): Past {
    let past = pasts.get(principal)
    if (past === undefined) pasts.set(principal, (past = { labels: new Set(), unnamed: new Map() }))
    return past
  }

  /** The run of a request, which is under way in it until `left`. */
  function enter({ caller, headers }: Exchange): RunStanding {
    const { key, principal } = caller
    const run = String(headers[RUN] ?? '')
    if (run.length > RUN_CHARS_MAX)
      throw new PolityError('INVALID_ARGUMENT', `${RUN} takes at most ${RUN_CHARS_MAX} characters`)
    const { labels, unnamed } = pastOf(caller)
    if (run !== '') return named.enter(principal, run, labels)
    const standing = unnamed.get(key) ?? createStanding(labels)
    unnamed.set(key, standing)
    standing.began()
    return standing
  }

  return {
    routes: (['GET', 'POST', 'DELETE'] as const).map((method) => ({ method, path: '/mcp', scope: 'runs', handle })),
    errorBody,
  }
}

/** The answer, of which nothing is asked any more once its connection has closed: a stream is free to be taken up again then. */
function until(closed: AbortSignal, { body, status, headers }: Response): Response {
  // Where it breaks off, nobody is there who could be told.
  const left = body?.pipeThrough(new TransformStream<Uint8Array, Uint8Array>(), { signal: closed }) ?? null
  return new Response(left, { status, headers })
}

function hasBody({ headers }: Exchange['request']): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0
}

/** An error before anything of MCP was understood, in JSON-RPC's form. */
function errorBody(error: PolityError, status: number): Json {
  const { code, message } = error
  const data = { code, retryable: isRetryable(error) }
  return { jsonrpc: '2.0', id: null, error: { code: status === 400 ? -32_700 : -32_000, message, data } }
}

export type { Extend }
