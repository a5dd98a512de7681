/**
 * A remote agent over the official A2A SDK: its card is read once, then messages are sent and tasks followed; by JSON-RPC or
 * HTTP+JSON, of version 1.0 or 0.3, as its card says.
 *
 *     const agent = createConnection({ card: 'https://agents.example/a2a/clerk', headers })
 *     const seen = await agent.send({ id, message: 'Pay what is due.' }, signal)
 *
 * Invariants
 *   RC1. Messages and headers go to the origin of the card and nowhere else: no card and no redirect sends them away.
 *   RC2. What is read at once is at most ANSWER_BYTES_MAX.
 *
 * Needs the package @a2a-js/sdk, which is loaded with the first message.
 */
import type { AgentCard, Part, Task, TaskStatus } from '@a2a-js/sdk'
import type { Client, TransportFactory } from '@a2a-js/sdk/client'
import { PolityError, fieldOf, messageOf } from '../../kernel/errors.ts'
import type { Json } from '../../kernel/types.ts'

export interface Remote {
  /** URL of the card, or of what it is the card of: `/.well-known/agent-card.json` is then added. */
  readonly card: string
  /** Sent with every request, such as `authorization`. */
  readonly headers?: { readonly [name: string]: string }
}

/** What is to be sent. */
export interface Outgoing {
  /** The same for every try of this message. */
  readonly id: string
  readonly message: Json
  /** Of a message that goes on with a task: the task, and the message in which the agent asked. */
  readonly to?: { readonly taskId: string; readonly contextId: string; readonly answers: string | null }
}

/** Where a task stands. */
export interface Seen {
  /** null: the agent answered at once, without a task. */
  readonly taskId: string | null
  readonly contextId: string
  readonly state: (typeof states)[number] | 'unknown'
  /** Changes with everything that the agent says of its state. */
  readonly mark: string
  /** What it says of its state: its question, its reason. */
  readonly said: string
  /** Id of the message in which it says so. */
  readonly saidIn: string | null
  readonly choices: readonly string[] | null
  /** Its artifacts: a text, one value, or the list of their parts. */
  readonly output: Json
}

/** In the order of the protocol's numbers. */
const states = [
  'unspecified',
  'submitted',
  'working',
  'completed',
  'failed',
  'canceled',
  'input-required',
  'rejected',
  'auth-required',
] as const

const over: ReadonlySet<Seen['state']> = new Set(['completed', 'failed', 'canceled', 'rejected'])

export function isOver({ state }: Seen): boolean {
  return over.has(state)
}

export interface Connection {
  card(): Promise<AgentCard>
  send(outgoing: Outgoing, signal: AbortSignal): Promise<Seen>
  /** The task as it stands. */
  look(taskId: string, signal: AbortSignal): Promise<Seen>
  /** The task that a message began, if the agent tells. */
  lookUp(messageId: string, signal: AbortSignal): Promise<Seen | undefined>
  /** Resolves when the task is over, or asks; with `after`, not before it stands otherwise than at that mark. */
  follow(taskId: string, after: string | null, signal: AbortSignal): Promise<Seen>
  cancel(taskId: string): Promise<void>
}

/** Messages and artifacts of an agent, bytes: as much as the kernel takes as a value, many times over. */
const ANSWER_BYTES_MAX = 16_777_216
/** Between two looks at a task whose agent tells of no changes, ms: doubled up to the second. */
const PAUSE_MS = 200
const PAUSE_MS_MAX = 10_000
/** Looks in a row that may fail, about half a minute. */
const FAILURES_MAX = 8
const CANCEL_MS = 10_000
const LOOKED_UP_MAX = 50

export function createConnection({ card: url, headers = {} }: Remote): Connection {
  const given = URL.parse(url)
  if (given === null || !/^https?:$/.test(given.protocol))
    throw new PolityError(
      'CONFIG_INVALID',
      `an agent is named by the http or https URL of its card, not ${messageOf(url)}`,
    )
  const cardUrl = given.pathname.endsWith('.json')
    ? given.href
    : `${given.origin}${given.pathname.replace(/\/$/, '')}/.well-known/agent-card.json`
  const { origin } = given
  const fetchFrom = createFetch(origin, headers)
  let opened: Promise<{ readonly client: Client; readonly card: AgentCard }> | undefined

  function open(): NonNullable<typeof opened> {
    const opening = (opened ??= connect())
    // The next message tries anew.
    opening.catch(() => (opened = undefined))
    return opening
  }

  async function connect(): Promise<{ client: Client; card: AgentCard }> {
    const { ClientFactory, DefaultAgentCardResolver, JsonRpcTransportFactory, RestTransportFactory } =
      await loadClient()
    const options = { fetchImpl: fetchFrom, legacyCompat: { enabled: true } }
    const resolver = new DefaultAgentCardResolver(options)
    const card = await resolver.resolve(cardUrl, '')
    const transports = [new JsonRpcTransportFactory(options), new RestTransportFactory(options)].map(
      (factory): TransportFactory => ({
        protocolName: factory.protocolName,
        // Of the interface that was chosen: who only reads the card is told too.
        create(url, ofCard) {
          checkOrigin(url, origin)
          return factory.create(url, ofCard)
        },
      }),
    )
    return { card, client: await new ClientFactory({ transports, cardResolver: resolver }).createFromAgentCard(card) }
  }

  async function send({ id, message, to }: Outgoing, signal: AbortSignal): Promise<Seen> {
    const { client } = await open()
    const result = await client.sendMessage(
      {
        tenant: '',
        message: {
          messageId: id,
          contextId: to?.contextId ?? '',
          taskId: to?.taskId ?? '',
          role: ROLE_USER,
          parts: [partOf(message)],
          metadata: to?.answers ? { 'polity/answers': to.answers } : undefined,
          extensions: [],
          referenceTaskIds: [],
        },
        configuration: {
          acceptedOutputModes: [],
          taskPushNotificationConfig: undefined,
          returnImmediately: true,
        },
        metadata: undefined,
      },
      { signal },
    )
    if (!('messageId' in result)) return seenOf(result)
    const { contextId, parts, messageId } = result
    const output = valueOf(parts)
    return {
      taskId: null,
      contextId,
      state: 'completed',
      mark: messageId,
      said: '',
      saidIn: null,
      choices: null,
      output,
    }
  }

  async function look(taskId: string, signal: AbortSignal): Promise<Seen> {
    const { client } = await open()
    return seenOf(await client.getTask({ id: taskId, tenant: '', historyLength: 0 }, { signal }))
  }

  async function follow(taskId: string, after: string | null, signal: AbortSignal): Promise<Seen> {
    const { client, card } = await open()
    const settled = (seen: Seen): boolean => isOver(seen) || (seen.state === 'input-required' && seen.mark !== after)
    let failures = 0
    for (let pauseMs = PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
      try {
        const seen = await look(taskId, signal)
        if (settled(seen)) return seen
        failures = 0
        if (card.capabilities?.streaming === true) {
          for await (const { payload } of client.resubscribeTask({ id: taskId, tenant: '' }, { signal })) {
            if (payload?.$case !== 'statusUpdate' && payload?.$case !== 'task') continue
            const { state, mark } = standingOf(payload.value.status)
            if (over.has(state) || (state === 'input-required' && mark !== after)) break
          }
          // What came of it is in the task itself.
          const then = await look(taskId, signal)
          if (settled(then)) return then
        }
      } catch (error) {
        signal.throwIfAborted()
        if (fieldOf(error, 'name') === 'TaskNotFoundError' || ++failures >= FAILURES_MAX) throw error
      }
      await pause(pauseMs, signal)
    }
  }

  return {
    card: async () => (await open()).card,
    send,
    look,
    follow,
    async lookUp(messageId, signal) {
      const { client } = await open()
      try {
        const { tasks } = await client.listTasks(
          {
            tenant: '',
            contextId: '',
            status: 0,
            pageSize: LOOKED_UP_MAX,
            pageToken: '',
            historyLength: LOOKED_UP_MAX,
            statusTimestampAfter: undefined,
            includeArtifacts: true,
          },
          { signal },
        )
        const found = tasks.find(({ history }) => history.some((one) => one.messageId === messageId))
        return found === undefined ? undefined : seenOf(found)
      } catch {
        // Not every agent keeps a list. Whoever decided to send again knows better than it does.
        signal.throwIfAborted()
        return undefined
      }
    },
    async cancel(taskId) {
      const { client } = await open()
      await client.cancelTask(
        { id: taskId, tenant: '', metadata: undefined },
        { signal: AbortSignal.timeout(CANCEL_MS) },
      )
    },
  }
}

/** `fetch` that keeps RC1 and RC2. */
export function createFetch(origin: string, headers: NonNullable<Remote['headers']>): typeof fetch {
  return async (input, init = {}) => {
    const target = new URL(input instanceof Request ? input.url : input)
    checkOrigin(target.href, origin)
    const all = new Headers(init.headers)
    for (const [name, value] of Object.entries(headers)) all.set(name, value)
    const response = await fetch(target, { ...init, headers: all, redirect: 'error' })
    // The SDK bounds the events of a stream itself.
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true
    return isStream || response.body === null ? response : new Response(bounded(response.body), response)
  }
}

/** Throws `ACCESS_DENIED`. Whoever names a card knows its origin, and means no other to have what is said. */
function checkOrigin(url: string, origin: string): void {
  const found = URL.parse(url)?.origin
  if (found === origin) return
  throw new PolityError(
    'ACCESS_DENIED',
    `the card of an agent at ${origin} leads to ${found ?? messageOf(url)}, which is not to have the messages and headers that are meant for ${origin}`,
  )
}

async function loadClient(): Promise<typeof import('@a2a-js/sdk/client')> {
  try {
    return await import('@a2a-js/sdk/client')
  } catch (error) {
    if (fieldOf(error, 'code') !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new PolityError('CONFIG_INVALID', 'A2A needs a package that is not installed: npm i @a2a-js/sdk', {
      cause: error,
    })
  }
}

/** `Role.ROLE_USER` of the SDK, which is not loaded yet where this is read. */
const ROLE_USER = 1

function standingOf(status: TaskStatus | undefined): Pick<Seen, 'state' | 'mark'> {
  const state = (states as readonly Seen['state'][])[status?.state ?? 0] ?? 'unknown'
  return { state, mark: `${state} ${status?.timestamp ?? ''} ${status?.message?.messageId ?? ''}` }
}

function seenOf({ id, contextId, status, artifacts }: Task): Seen {
  const message = status?.message
  const said = valueOf(message?.parts ?? [])
  const choices: unknown = message?.metadata?.['choices']
  return {
    taskId: id,
    contextId,
    ...standingOf(status),
    said: typeof said === 'string' ? said : said === null ? '' : JSON.stringify(said),
    saidIn: message?.messageId ?? null,
    choices: Array.isArray(choices) && choices.every((one) => typeof one === 'string') ? choices : null,
    output: valueOf(artifacts.flatMap(({ parts }) => parts)),
  }
}

function partOf(value: Json): Part {
  return typeof value === 'string'
    ? { content: { $case: 'text', value }, metadata: undefined, filename: '', mediaType: 'text/plain' }
    : { content: { $case: 'data', value }, metadata: undefined, filename: '', mediaType: 'application/json' }
}

/** Text as text, one piece of data as it is, anything else as a list. */
function valueOf(parts: readonly Part[]): Json {
  if (parts.length === 0) return null
  if (parts.every(({ content }) => content?.$case === 'text'))
    return parts.map(({ content }) => content?.value as string).join('\n')
  const values = parts.map(({ content, filename, mediaType }): Json => {
    if (content?.$case === 'text') return content.value
    if (content?.$case === 'data') return content.value as Json
    if (content?.$case === 'url') return { url: content.value, filename, mediaType }
    return { base64: content?.value.toString('base64') ?? '', filename, mediaType }
  })
  return values.length === 1 ? (values[0] as Json) : values
}

function bounded(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  let bytes = 0
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.length
        if (bytes > ANSWER_BYTES_MAX)
          throw new PolityError('TOO_LARGE', `the agent answered with more than ${ANSWER_BYTES_MAX} bytes`)
        controller.enqueue(chunk)
      },
    }),
  )
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}
