/**
 * The MCP server that one client talks to: the offers that its caller may use, and the processes as resources.
 *
 *     const serve = createClientServers(sdk, { kernel, offers, tasks })
 *     const server = serve({ caller, standing, era })
 *
 * Resources: `polity://processes`, `polity://processes/{pid}` and `polity://processes/{pid}/trace`, of the caller's own.
 *
 * Invariants
 *   CS1. What a client reads of a process, it has learned: the labels in that journal count for its calls from then on. The
 *        list of processes tells nothing that a process has said.
 *   CS2. A process is shown as ended once that is kept.
 */
import type { McpServer, ServerContext } from '@modelcontextprotocol/server'
import { anything, type ShownSchema } from '../../kernel/anything.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { JournalEvent, Json, Pid, ProcessInfo, RunEvent } from '../../kernel/types.ts'
import type { Caller } from '../caller.ts'
import { holds } from '../caller.ts'
import { createFollowing } from '../follow.ts'
import type { RunStanding } from '../runs.ts'
import { viewOf } from '../view.ts'
import { createCalls } from './calls.ts'
import { labelsIn } from './labels.ts'
import type { Offer } from './offers.ts'
import type { MintState } from './request-state.ts'
import { createRequestStates } from './request-state.ts'
import type { ServerSdk } from './sdk.ts'
import { addTaskMethods } from './task-methods.ts'
import { createTaskNotices } from './task-notices.ts'
import { capabilitiesIn } from './task-wire.ts'
import type { Tasks } from './tasks.ts'

/** Which client a server is made for. */
export interface Connected {
  readonly caller: Caller
  readonly standing: RunStanding
  readonly era: 'legacy' | 'modern'
}

/**
 * Adds what does not go through the kernel (prompts, resources, tools of its own) to the server of a client. What asks the
 * client something and keeps a `requestState` with it makes that with `mintState`: any other is refused.
 */
export type Extend = (server: McpServer, connected: Connected & { readonly mintState: MintState }) => void

export interface ClientServersOptions {
  readonly kernel: Kernel
  readonly offers: readonly Offer[]
  readonly tasks: Tasks
  readonly extend?: Extend | undefined
  /** How long a call may take before it becomes a task, of a client that leaves that to the server, ms. @default 1_000 */
  readonly taskAfterMs?: number | undefined
  /** Aborts with the reason where the server closes and its requests cannot say so themselves. @default they say it */
  readonly closing?: AbortSignal | undefined
}

/** As long as a wait does not break a person's flow of thought (Nielsen, Usability Engineering, 1993, section 5.5), ms. */
const TASK_AFTER_MS = 1_000
const TASK_AFTER_MS_MAX = 86_400_000
/** Events of a trace that a resource shows, the youngest. */
const TRACE_EVENTS_MAX = 1_000
/** Pause between two notices of one change, ms. */
const NOTICE_MS = 100
const SUBSCRIBED_MAX = 256
const JSON_TYPE = 'application/json'
const VERSION = '1'
const instructions =
  'Tools run as processes of an operating system for agents, under its law: a call may be denied, or wait for a person’s approval. Tools named run_… run whole programs; remember, recall and forget keep notes.'

export function createClientServers(
  sdk: ServerSdk,
  { kernel, offers, tasks, extend, taskAfterMs = TASK_AFTER_MS, closing }: ClientServersOptions,
): (connected: Connected) => McpServer {
  if (!(taskAfterMs >= 0 && taskAfterMs <= TASK_AFTER_MS_MAX))
    throw new PolityError('CONFIG_INVALID', `taskAfterMs takes 0 to ${TASK_AFTER_MS_MAX} ms, not ${taskAfterMs}`)
  const following = createFollowing(kernel)
  const calls = createCalls(sdk, { kernel, tasks, following, taskAfterMs, closing })
  const states = createRequestStates(sdk)
  // The kernel checks what is given, where the law can see it.
  const schemas = new Map(
    offers.map((offer) => [
      offer,
      {
        inputSchema: anything(offer.inputSchema),
        ...(offer.outputSchema === undefined ? {} : { outputSchema: anything(offer.outputSchema) }),
      },
    ]),
  )

  return (connected) => {
    const { caller, standing, era } = connected
    const mintState = states.mintFor(caller)
    const server = new sdk.server.McpServer(
      { name: 'polity', version: VERSION },
      { instructions, capabilities: { tools: {} }, requestState: { verify: states.verifyFor(caller) } },
    )
    const notices =
      era === 'legacy'
        ? createTaskNotices(server, { kernel, tasks, calls, following }, { caller, standing })
        : undefined
    for (const offer of offers) {
      if (!holds(caller, offer.scope)) continue
      const { name, description, annotations, taskSupport } = offer
      const tool = server.registerTool(
        name,
        { description, annotations, ...(schemas.get(offer) as { inputSchema: ShownSchema<unknown> }) },
        (input: unknown, context: ServerContext) => {
          const asks = canAsk(server, context)
          const onTask = (pid: Pid): void => notices?.begun(pid, asks)
          return calls.serve(offer, { caller, standing, canAsk: asks, mintState, onTask }, input as Json, context)
        },
      )
      if (era === 'legacy' && taskSupport !== 'forbidden') tool.execution = { taskSupport }
    }
    const who = { caller, standing, era, canAsk: (context: ServerContext) => canAsk(server, context) }
    addTaskMethods(sdk, server, { kernel, tasks, calls }, who)
    addProcesses(sdk, server, kernel, connected)
    if (notices !== undefined) {
      const stop = addSubscriptions(sdk, server, kernel, caller)
      // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK has fields where others have events
      server.server.onclose = () => {
        notices.close()
        stop()
      }
    }
    extend?.(server, { ...connected, mintState })
    return server
  }
}

/** Whether the client shows forms to its user. */
function canAsk(server: McpServer, context: ServerContext): boolean {
  const { elicitation } = capabilitiesIn(context) ?? server.server.getClientCapabilities() ?? {}
  return elicitation !== undefined && (elicitation.form !== undefined || elicitation.url === undefined)
}

function addProcesses(
  { server: { ResourceTemplate } }: ServerSdk,
  server: McpServer,
  kernel: Kernel,
  { caller, standing }: Connected,
): void {
  if (!holds(caller, 'runs')) return
  const view = viewOf(kernel, caller)
  const asJson = (uri: URL, value: unknown) => ({
    contents: [{ uri: uri.href, mimeType: JSON_TYPE, text: JSON.stringify(value) }],
  })
  /** Its journal, which counts as read. */
  async function learn(pid: number): Promise<readonly JournalEvent[]> {
    const events = await view.events(pid)
    standing.learned(labelsIn(events))
    return events
  }
  server.registerResource(
    'processes',
    'polity://processes',
    { title: 'Processes', description: 'Processes that run, and those that ended lately', mimeType: JSON_TYPE },
    async (uri) => {
      const all = view.ps().map(withoutWords)
      await kernel.flush()
      return asJson(uri, all)
    },
  )
  const own = (rest: string): InstanceType<typeof ResourceTemplate> =>
    new ResourceTemplate(`polity://processes/{pid}${rest}`, { list: undefined })
  server.registerResource(
    'process',
    own(''),
    { title: 'A process', description: 'One process, with its usage', mimeType: JSON_TYPE },
    async (uri, { pid }) => {
      const info = view.info(Number(pid))
      await learn(Number(pid))
      return asJson(uri, info)
    },
  )
  server.registerResource(
    'trace',
    own('/trace'),
    { title: 'A trace', description: 'Every system call of a process, as it is journaled', mimeType: JSON_TYPE },
    async (uri, { pid }) => asJson(uri, (await learn(Number(pid))).slice(-TRACE_EVENTS_MAX)),
  )
}

/** A process without what it could have written itself: whoever lists many has read none of them. */
function withoutWords({ name: _, waiting, error, ...rest }: ProcessInfo): object {
  return { ...rest, waiting: waiting?.split('(', 1)[0] ?? null, error: error === null ? null : { code: error.code } }
}

/**
 * Notices of changes, for clients of the earlier era: at most one a resource in NOTICE_MS, and only of what the caller may
 * see. The later era has one bus for all clients, on which a notice would tell the others who is at work. Returns what ends them.
 */
function addSubscriptions(
  { server: sdk }: ServerSdk,
  { server }: McpServer,
  kernel: Kernel,
  caller: Caller,
): () => void {
  const subscribed = new Set<string>()
  const changed = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let stop: (() => void) | undefined

  function hear({ type, pid }: RunEvent): void {
    const list = type === 'process-start' || type === 'process-end' ? ['polity://processes'] : []
    for (const uri of [...list, `polity://processes/${pid}`, `polity://processes/${pid}/trace`])
      if (subscribed.has(uri)) changed.add(uri)
    if (changed.size > 0) timer ??= setTimeout(tell, NOTICE_MS).unref()
  }

  function tell(): void {
    timer = undefined
    for (const uri of changed) void server.sendResourceUpdated({ uri }).catch(() => {})
    changed.clear()
  }

  server.registerCapabilities({ resources: { subscribe: true } })
  server.setRequestHandler('resources/subscribe', ({ params: { uri } }) => {
    if (subscribed.size >= SUBSCRIBED_MAX)
      throw new sdk.ProtocolError(
        sdk.ProtocolErrorCode.InvalidParams,
        `a session subscribes to at most ${SUBSCRIBED_MAX} resources`,
      )
    subscribed.add(uri)
    stop ??= viewOf(kernel, caller).watch(hear, { text: false })
    return {}
  })
  server.setRequestHandler('resources/unsubscribe', ({ params: { uri } }) => {
    subscribed.delete(uri)
    return {}
  })
  return () => {
    clearTimeout(timer)
    stop?.()
  }
}
