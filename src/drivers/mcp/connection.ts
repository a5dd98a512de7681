/**
 * The connection to one MCP server: opened, lost and opened again, with the manifests of its tools as they were at first.
 *
 *     const connection = await connect(sdk, 'files', { command: 'npx', args: ['-y', 'some-server'] })
 *     const result = await connection.call('read', { path: 'a.txt' }, { signal, … })
 *     await connection.close()
 *
 * Both eras are spoken: 2026-07-28 where the server does, else 2025-11-25 and before.
 *
 * Invariants
 *   CO1. A tool is called only while the server shows the manifest of it that it showed when it was connected first. It is
 *        looked at again after each new connection and each notice of a change, before the next call.
 *   CO2. A lost connection is opened again by the next call; after a failure not before REST_MS.
 *   CO3. What was on its way when the connection was lost is sent again only where the call may be repeated, and once.
 *   CO4. A server that floods is cut off.
 *   CO5. A call that its server answers with a task is waited for until the task has ended (tasks.ts).
 */
import type { CallToolResult, Client, Tool as ListedTool, Transport } from '@modelcontextprotocol/client'
import { createHash } from 'node:crypto'
import { PolityError, fieldOf, messageOf } from '../../kernel/errors.ts'
import type { Json, ToolSchema } from '../../kernel/types.ts'
import { canonical } from '../../policy/canonical.ts'
import type { ChildTransport } from './child.ts'
import { childTransport } from './child.ts'
import { boundedFetch, countMessages } from './floods.ts'
import type { ChildOptions, Elicit, HttpOptions, Progress } from './options.ts'
import type { Sdk } from './sdk.ts'
import type { Task } from './tasks.ts'
import { TASKS, awaitTask, liftTask, taskIn } from './tasks.ts'
import { unlessAborted } from '../../kernel/unless-aborted.ts'

export interface CallOptions {
  readonly signal: AbortSignal
  readonly timeoutMs: number
  /** Told to the server as `_meta['polity/idempotencyKey']`. */
  readonly idempotencyKey: string
  /** Whether it may be sent again when the connection was lost under it. */
  readonly isRepeatable: boolean
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

export interface Connection {
  /** The tools that the server listed when it was connected first. */
  readonly tools: readonly ListedTool[]
  /** Names of tools that the server shows otherwise now, no longer, or only since. */
  readonly changed: readonly string[]
  call(tool: string, input: Json, options: CallOptions): Promise<CallToolResult>
  close(): Promise<void>
}

interface Session {
  readonly client: Client
  readonly transport: Transport
  readonly child: ChildTransport | undefined
  isOpen: boolean
  /** The server said that its list has changed. */
  isStale: boolean
  listing: Promise<void> | undefined
  /** Why it was cut off. */
  fault: string | undefined
}

/** Tools that one server may list: more than a model can choose from. */
const TOOLS_MAX = 1_000
/** Pages of its list, each at most one message. */
const PAGES_MAX = 16
/** Pause after a connection failed, ms. */
const REST_MS = 1_000
/** How long a probe for the later era waits on stdio, where some earlier servers are silent, ms. */
const PROBE_MS = 3_000

export async function connect(
  sdk: Sdk,
  name: string,
  server: ChildOptions | HttpOptions,
  { connectMs, elicit }: { readonly connectMs: number; readonly elicit?: Elicit | undefined },
): Promise<Connection> {
  const accepted = new Map<string, string>()
  const changed = new Set<string>()
  let session: Session | undefined
  let opening: Promise<Session> | undefined
  let resting: PolityError | undefined
  let closed = false
  let held = 0

  /** The open session, with its list looked at. */
  async function ready(): Promise<Session> {
    if (closed) throw failed('is closed')
    if (session?.isOpen !== true) {
      if (resting !== undefined) throw resting
      session = await (opening ??= open().finally(() => (opening = undefined)))
    }
    const own = session
    if (own.isStale) own.listing ??= look(own).finally(() => (own.listing = undefined))
    await own.listing
    return own
  }

  async function open(): Promise<Session> {
    try {
      const opened = await openSession()
      if (closed) {
        await end(opened)
        throw failed('is closed')
      }
      return opened
    } catch (error) {
      resting = PolityError.isInstance(error) ? error : failed(`cannot be reached: ${messageOf(error)}`, error)
      setTimeout(() => (resting = undefined), REST_MS).unref()
      throw resting
    }
  }

  async function openSession(isEarlier = false): Promise<Session> {
    const client = new sdk.client.Client(
      { name: 'polity', version: '1' },
      {
        capabilities: {
          extensions: { [TASKS]: {} },
          ...(elicit === undefined ? {} : { elicitation: { form: { applyDefaults: true } } }),
        },
        versionNegotiation: { mode: 'auto', probe: { timeoutMs: 'command' in server ? PROBE_MS : connectMs } },
        listMaxPages: PAGES_MAX,
        listChanged: {
          tools: { autoRefresh: false, debounceMs: 0, onChanged: () => void (opened.isStale = true) },
        },
      },
    )
    if (elicit !== undefined)
      client.setRequestHandler('elicitation/create', async ({ params }) => ({ ...(await elicit(params)) }))
    const child = 'command' in server ? childTransport(sdk, server) : undefined
    const transport = child ?? httpTransport(server as HttpOptions)
    const opened: Session = {
      client,
      transport,
      child,
      isOpen: true,
      isStale: true,
      listing: undefined,
      fault: undefined,
    }
    const count = countMessages(() => {
      opened.fault = 'it sent too many messages'
      opened.isOpen = false
      void client.close().catch(() => {})
      void transport.close().catch(() => {})
    })
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK has fields where others have events
    transport.onmessage = (message) => {
      count()
      liftTask(message)
    }
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- as above
    client.onclose = () => void (opened.isOpen = false)
    child?.hold(true)
    const late = setTimeout(() => void transport.close().catch(() => {}), connectMs)
    try {
      await client.connect(transport, {
        timeout: connectMs,
        ...(isEarlier ? { prior: { kind: 'legacy' as const } } : {}),
      })
      opened.listing = look(opened).finally(() => (opened.listing = undefined))
      await opened.listing
      return opened
    } catch (error) {
      const isOver = child?.isOver === true
      await end(opened)
      // Some servers of the earlier era end when they are asked what they do not know.
      if (isOver && !isEarlier) return openSession(true)
      const said = child?.said() ?? ''
      throw failed(
        `cannot be reached: ${opened.fault ?? messageOf(error)}${said === '' ? '' : `; it said: ${said}`}`,
        error,
      )
    } finally {
      clearTimeout(late)
      if (held === 0) child?.hold(false)
    }
  }

  function httpTransport({ url, headers, auth, fetch }: HttpOptions): Transport {
    return new sdk.client.StreamableHTTPClientTransport(new URL(url), {
      fetch: boundedFetch(fetch ?? globalThis.fetch),
      ...(headers === undefined ? {} : { requestInit: { headers } }),
      ...(auth === undefined ? {} : { authProvider: auth as never }),
    })
  }

  /** Lists the tools. The first list is the one that is accepted; what a later one shows otherwise is noted. */
  async function look(own: Session): Promise<void> {
    own.isStale = false
    const isFirst = tools === undefined
    const listed = await listAll(own)
    const shown = new Map(listed.map((tool) => [tool.name, digestOf(tool)]))
    if (isFirst) {
      tools = listed
      for (const [tool, digest] of shown) accepted.set(tool, digest)
      return
    }
    changed.clear()
    for (const tool of new Set([...accepted.keys(), ...shown.keys()]))
      if (accepted.get(tool) !== shown.get(tool)) changed.add(tool)
  }

  async function listAll({ client }: Session): Promise<readonly ListedTool[]> {
    const { tools: listed } = await client.listTools(undefined, { timeout: connectMs, cacheMode: 'refresh' })
    if (listed.length > TOOLS_MAX) throw failed(`lists ${listed.length} tools, more than ${TOOLS_MAX}`)
    const names = new Set<string>()
    for (const tool of listed) {
      if (names.has(tool.name)) throw failed(`lists two tools named ${JSON.stringify(tool.name.slice(0, 100))}`)
      names.add(tool.name)
    }
    return listed
  }

  async function call(tool: string, input: Json, options: CallOptions): Promise<CallToolResult> {
    const { signal, timeoutMs, idempotencyKey, isRepeatable, onProgress } = options
    const definition = tools?.find(({ name: one }) => one === tool) as ListedTool
    held++
    try {
      for (let tries = 1; ; tries++) {
        const own = await unlessAborted(ready(), signal)
        if (changed.has(tool))
          throw new PolityError(
            'CONFIG_INVALID',
            `server ${name} shows tool ${tool} otherwise than when it was accepted; look at it, then open the server again`,
          )
        own.child?.hold(true)
        let result: CallToolResult
        try {
          result = await own.client.callTool(
            {
              name: tool,
              arguments: input as { [key: string]: unknown },
              ...(isTaskOf(own, definition) ? { task: {} } : {}),
              _meta: { 'polity/idempotencyKey': idempotencyKey },
            },
            {
              signal,
              timeout: timeoutMs,
              maxTotalTimeout: timeoutMs,
              // Its output is checked by the kernel; with this the SDK does not look into a list that may have changed.
              toolDefinition: { ...definition, outputSchema: undefined },
              ...(onProgress === undefined ? {} : { onprogress: onProgress }),
            },
          )
        } catch (error) {
          if (signal.aborted) throw signal.reason
          if (own.isOpen && !isLost(error)) throw errorOf(name, tool, error)
          own.isOpen = false
          await end(own)
          if ((isRepeatable || isUnheard(error)) && tries === 1 && own.fault === undefined) continue
          const why = own.fault ?? reasonOf(error)
          throw new PolityError(
            'TOOL_FAILED',
            `tool ${tool}: the connection to server ${name} was lost before it answered (${why}); ${
              isRepeatable ? 'it was tried twice' : 'whether it was done is not known'
            }`,
            { cause: error },
          )
        }
        const task = taskIn(result)
        return task === undefined ? result : await resultOf(task)
      }
    } finally {
      held--
      if (held === 0) session?.child?.hold(false)
    }

    async function resultOf(task: Task): Promise<CallToolResult> {
      try {
        return await awaitTask(task, {
          ask,
          signal,
          elicit,
          failed: (message) => new PolityError('TOOL_FAILED', `tool ${tool} of server ${name}: its task ${message}`),
        })
      } catch (error) {
        if (signal.aborted) throw signal.reason
        throw errorOf(name, tool, error)
      }
    }
  }

  /** Asks about a task, on the connection as it is then. null: there is none now. */
  async function ask(
    method: string,
    params: { readonly [key: string]: unknown },
    signal: AbortSignal,
  ): Promise<object | null> {
    let own: Session
    try {
      own = await unlessAborted(ready(), signal)
    } catch (error) {
      if (signal.aborted || closed) throw error
      return null
    }
    try {
      return await own.client.request({ method, params }, anything, { signal, timeout: CALL_MS_MAX })
    } catch (error) {
      if (signal.aborted) throw signal.reason
      if (own.isOpen && !isLost(error)) throw error
      own.isOpen = false
      await end(own)
      return null
    }
  }

  /** A server of the earlier era says of a tool whether its calls may be tasks; one of the later decides by itself. */
  function isTaskOf({ client }: Session, { execution }: ListedTool): boolean {
    const { tasks } = (client.getServerCapabilities() ?? {}) as { readonly tasks?: unknown }
    const taken = fieldOf(fieldOf(fieldOf(tasks, 'requests'), 'tools'), 'call')
    return taken !== undefined && (execution?.taskSupport === 'required' || execution?.taskSupport === 'optional')
  }

  /** Whether the request may have reached the server and its answer did not reach us. */
  function isLost(error: unknown): boolean {
    const code = fieldOf(error, 'code')
    const { SdkErrorCode } = sdk.client
    if (
      code === SdkErrorCode.ConnectionClosed ||
      code === SdkErrorCode.NotConnected ||
      code === SdkErrorCode.SendFailed
    )
      return true
    // 404 ends a session of the earlier era; `fetch` throws a TypeError where there is no connection.
    return error instanceof TypeError || (error instanceof sdk.client.SdkHttpError && error.status === 404)
  }

  /** Whether the server never came to the call: nothing was sent, or it no longer knows the session. */
  function isUnheard(error: unknown): boolean {
    const { SdkErrorCode, SdkHttpError } = sdk.client
    return (
      fieldOf(error, 'code') === SdkErrorCode.NotConnected || (error instanceof SdkHttpError && error.status === 404)
    )
  }

  /** What a server answers in place of a result, as an error of the table. */
  function errorOf(server: string, tool: string, error: unknown): PolityError {
    if (PolityError.isInstance(error)) return error
    const said = `tool ${tool} of server ${server}: ${messageOf(error).slice(0, MESSAGE_CHARS_MAX)}`
    switch (fieldOf(error, 'code')) {
      case sdk.client.SdkErrorCode.RequestTimeout:
        return new PolityError('TOOL_TIMEOUT', said, { cause: error })
      case sdk.client.SdkErrorCode.InvalidResult:
        return new PolityError('TOOL_INVALID', said, { cause: error })
      default:
        return new PolityError('TOOL_FAILED', said, { cause: error })
    }
  }

  async function end({ client, transport }: Session): Promise<void> {
    await client.close().catch(() => {})
    await transport.close().catch(() => {})
  }

  function failed(what: string, cause?: unknown): PolityError {
    return new PolityError('TOOL_FAILED', `MCP server ${name} ${what}`, cause === undefined ? {} : { cause })
  }

  let tools: readonly ListedTool[] | undefined
  await ready()

  return {
    tools: tools as unknown as readonly ListedTool[],
    get changed() {
      return [...changed].toSorted()
    },
    call,
    async close() {
      closed = true
      const own = session ?? (await opening?.catch(() => undefined))
      if (own === undefined) return
      if (own.isOpen && own.transport instanceof sdk.client.StreamableHTTPClientTransport)
        await Promise.race([
          own.transport.terminateSession().catch(() => {}),
          new Promise((resolve) => setTimeout(resolve, FAREWELL_MS).unref()),
        ])
      await end(own)
    },
  }
}

/** A request that nobody else ends, ms. */
const CALL_MS_MAX = 2_147_483_647
/** What a server says of a task is looked at where it is used. */
const anything: ToolSchema<object> = {
  '~standard': {
    version: 1,
    vendor: 'polity',
    validate: (value) =>
      typeof value === 'object' && value !== null ? { value } : { issues: [{ message: 'it is no object' }] },
  },
}

/** How long the end of a session is told to its server, ms. */
const FAREWELL_MS = 500
const MESSAGE_CHARS_MAX = 2_000

/** All that a model or the law may see of a tool. */
function digestOf(tool: ListedTool): string {
  return createHash('sha256')
    .update(canonical(JSON.parse(JSON.stringify(tool)) as Json))
    .digest('hex')
}

/** With what lies behind: "fetch failed" alone says little. */
function reasonOf(error: unknown): string {
  const cause = fieldOf(error, 'cause')
  return `${messageOf(error)}${cause === undefined ? '' : `: ${messageOf(cause)}`}`.slice(0, MESSAGE_CHARS_MAX)
}
