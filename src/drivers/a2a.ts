/**
 * Remote agents that speak A2A (protocol version 1.0 or 0.3) as programs: spawn one, and it sends its input as a message,
 * follows the task, passes questions on to a person here, and returns what came of it.
 *
 *     const clerk = remoteAgent({ card: 'https://agents.example/a2a/clerk', headers: { authorization: `Bearer ${key}` } })
 *     const run = kernel.spawn(clerk, 'Pay what is due.', { budget: { wallMs: 60_000 } })
 *     await run.result                           // a text, a value, or the list of the parts of its artifacts
 *
 *     const found = await findAgents({ server: 'https://agents.example', headers })      // every program of a Polity server
 *
 * It holds three tools, which the law sees: `<name>/send` and `<name>/reply` tell the agent something, `<name>/follow` waits
 * for it. What it says is labelled `untrusted`.
 *
 * Invariants
 *   RA1. A message is not sent twice: sending is a call of the journal with the effect `once`, and every try carries the
 *        same id. Where somebody lets it be tried again after a crash, the agent is first asked for the task.
 *   RA2. A crash while the task is under way sends nothing: the same task is followed again.
 *   RA3. The task is canceled when the process is killed, out of time or has failed; not when the kernel closes.
 *
 * Needs the package @a2a-js/sdk, which is loaded with the first message.
 */
import { realClock } from '../kernel/clock.ts'
import { PolityError, messageOf } from '../kernel/errors.ts'
import type { KeysOf } from '../kernel/known-keys.ts'
import { checkKeys } from '../kernel/known-keys.ts'
import { defineProgram } from '../kernel/program.ts'
import { defineTool } from '../kernel/tools.ts'
import type { Json, Program, Sys, Tool, ToolContext, ToolSchema } from '../kernel/types.ts'
import type { Connection, Remote, Seen } from './a2a/connection.ts'
import { createConnection, createFetch, isOver } from './a2a/connection.ts'

export interface RemoteAgentOptions extends Remote {
  /** Name of the program: 1 to 50 letters, digits, `_`, `-` or `.`. @default made of the card's URL */
  readonly name?: string
  /** Labels of all that the agent says. @default ['untrusted'] */
  readonly labels?: readonly string[]
  /**
   * What a crash in the middle of sending means: `once` asks a person, `idempotent` sends again with the same id, for agents
   * that know a message by its id, as Polity's do. @default 'once'
   */
  readonly effect?: 'once' | 'idempotent'
  /** Longest wait for one answer of a task, ms. @default a day, as long as a person may be asked */
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 24 * 3_600_000
/** How long the answer to a message that was sent is still waited for, so that its task can be canceled, ms. */
const GRACE_MS = 10_000
/** A message that is sent later than this after it was made may have been sent before, ms. */
const FRESH_MS = 1_000
const SAID_CHARS_MAX = 10_000
const NAME = /^[A-Za-z0-9_.-]{1,50}$/

const agentKeys: KeysOf<RemoteAgentOptions> = {
  card: true,
  headers: true,
  name: true,
  labels: true,
  effect: true,
  timeoutMs: true,
}

/** Throws `CONFIG_INVALID`. */
export function remoteAgent(options: RemoteAgentOptions): Program<Json, Json> {
  checkKeys('remoteAgent', options, agentKeys)
  const connection = createConnection(options)
  const name = options.name ?? nameOf(options.card)
  if (!NAME.test(name))
    throw new PolityError(
      'CONFIG_INVALID',
      `remoteAgent: name takes 1 to 50 letters, digits, "_", "-" or ".", not ${JSON.stringify(name)}`,
    )
  return defineProgram(name, (sys, input: Json) => converse(sys, name, input), {
    tools: toolsOf(connection, name, options),
  })
}

/** The program: everything outside is a call of a tool. */
async function converse(sys: Sys, name: string, input: Json): Promise<Json> {
  const fresh = (): { readonly id: string; readonly at: number } => {
    const at = sys.now()
    return { id: `${at}-${sys.random().toString(36).slice(2)}`, at }
  }
  let seen = await sys.call<Seen>(`${name}/send`, { ...fresh(), message: input })
  while (!isOver(seen)) {
    const { taskId, contextId, said, saidIn, choices, mark } = seen
    const follow = (after: string | null): Promise<Seen> => sys.call<Seen>(`${name}/follow`, { taskId, after })
    if (seen.state !== 'input-required') {
      seen = await follow(null)
      continue
    }
    // Beside the person the task is followed on: it may end meanwhile, and its end is the end of the question.
    const later = follow(mark)
    const question = `Agent ${name} asks: ${said.slice(0, SAID_CHARS_MAX)}`
    const answered = sys.ask(question, choices === null || choices.length === 0 ? {} : { choices })
    const first = await Promise.race([answered, later])
    if (typeof first === 'string') {
      const to = { taskId, contextId, answers: saidIn }
      await sys.call(`${name}/reply`, { ...fresh(), message: first, to })
      seen = await later
    } else seen = first
  }
  if (seen.state === 'completed') return seen.output ?? (seen.said === '' ? null : seen.said)
  throw new PolityError('TOOL_FAILED', `agent ${name}: ${seen.state}: ${seen.said.slice(0, SAID_CHARS_MAX)}`, {
    detail: { state: seen.state, taskId: seen.taskId },
  })
}

function toolsOf(connection: Connection, name: string, options: RemoteAgentOptions): readonly Tool[] {
  const { labels = ['untrusted'], effect = 'once', timeoutMs = TIMEOUT_MS } = options
  const clock = realClock()
  const common = { labels, timeoutMs }

  /** Sends, also when nobody hears the answer any more: what it began is then canceled. */
  async function send({ id, at, message, to }: Message, { signal }: ToolContext): Promise<Seen> {
    const patience = new AbortController()
    signal.addEventListener('abort', () => clock.after(GRACE_MS, () => patience.abort(signal.reason)).hold(false), {
      once: true,
    })
    const earlier = clock.now() - at > FRESH_MS ? await told(arrived(id, to, signal)) : undefined
    const seen =
      earlier ?? (await told(connection.send({ id, message, ...(to === undefined ? {} : { to }) }, patience.signal)))
    if (signal.aborted) cancelFor(signal, seen.taskId)
    return seen
  }

  /** What became of a message that an earlier try may have sent; undefined where nothing is known of it. */
  async function arrived(id: string, to: Message['to'], signal: AbortSignal): Promise<Seen | undefined> {
    if (to === undefined) return connection.lookUp(id, signal)
    const seen = await connection.look(to.taskId, signal)
    return seen.state === 'input-required' && seen.saidIn === to.answers ? undefined : seen
  }

  function cancelFor({ reason }: AbortSignal, taskId: string | null): void {
    const isStopped = PolityError.isInstance(reason) && KEPT.has(reason.code)
    // It may have ended by itself; and whoever is not there has nothing to cancel.
    if (!isStopped && taskId !== null) connection.cancel(taskId).catch(() => {})
  }

  const message = { id: TEXT, at: NUMBER, message: {} }
  return [
    defineTool({
      name: `${name}/send`,
      description: `Sends a message to the agent ${name}, which begins a task.`,
      inputSchema: schema<Message>(message, ['id', 'at', 'message']),
      ...common,
      effect,
      outbound: true,
      control: ['message'],
      execute: send,
    }),
    defineTool({
      name: `${name}/reply`,
      description: `Answers the question of a task of the agent ${name}.`,
      inputSchema: schema<Message>({ ...message, to: { type: 'object' } }, ['id', 'at', 'message', 'to']),
      ...common,
      effect,
      outbound: true,
      control: ['message'],
      execute: send,
    }),
    defineTool({
      name: `${name}/follow`,
      description: `Waits until a task of the agent ${name} asks or ends.`,
      inputSchema: schema<{ taskId: string; after: string | null }>({ taskId: TEXT, after: {} }, ['taskId', 'after']),
      ...common,
      effect: 'read',
      outbound: false,
      execute({ taskId, after }, { signal }) {
        signal.addEventListener('abort', () => cancelFor(signal, taskId), { once: true })
        return told(connection.follow(taskId, after, signal))
      },
    }),
  ] as unknown as readonly Tool[]
}

interface Message {
  readonly id: string
  /** When it was made, ms since 1970. */
  readonly at: number
  readonly message: Json
  readonly to?: { readonly taskId: string; readonly contextId: string; readonly answers: string | null }
}

/** Of a process that goes on later. */
const KEPT: ReadonlySet<string> = new Set(['KERNEL_CLOSED', 'STORE_FAILED', 'REPLAY_MISMATCH'])

/** What the SDK throws, as an error of the tool. */
function told<T>(promise: Promise<T>): Promise<T> {
  return promise.catch((error: unknown) => {
    throw PolityError.isInstance(error) ? error : new PolityError('TOOL_FAILED', messageOf(error), { cause: error })
  })
}

// ----------------------------------------------------------------------------------------------------------- discovery

/** An agent that was found, with what its card says of it. */
export interface FoundAgent {
  readonly program: Program<Json, Json>
  readonly name: string
  readonly description: string
  readonly skills: readonly { readonly name: string; readonly description: string; readonly tags: readonly string[] }[]
}

export interface FindOptions extends Omit<RemoteAgentOptions, 'card' | 'name'> {
  /** URL of a server that lists its agents at `/a2a`, as Polity's do; without such a list, the one of its card. */
  readonly server: string
  /** Put before the names. @default none */
  readonly prefix?: string
}

const findKeys: KeysOf<FindOptions> = {
  server: true,
  prefix: true,
  headers: true,
  labels: true,
  effect: true,
  timeoutMs: true,
}

/** The agents of a server. Throws `TOOL_FAILED` where it cannot be reached, `CONFIG_INVALID`. */
export async function findAgents(given: FindOptions): Promise<readonly FoundAgent[]> {
  checkKeys('findAgents', given, findKeys)
  const { server, prefix = '', ...options } = given
  const cards = await told(cardsOf(server, options.headers))
  return cards.map(({ url, name, description, skills }) => ({
    program: remoteAgent({ ...options, card: url, name: nameOf(`${prefix}${name}`) }),
    name: `${prefix}${name}`,
    description,
    skills,
  }))
}

async function cardsOf(
  server: string,
  headers: Remote['headers'] = {},
): Promise<readonly (Omit<FoundAgent, 'program'> & { readonly url: string })[]> {
  const root = server.replace(/\/$/, '')
  const origin = URL.parse(root)?.origin
  if (origin === undefined)
    throw new PolityError('CONFIG_INVALID', `findAgents: server takes an http or https URL, not ${messageOf(server)}`)
  const response = await createFetch(origin, headers)(`${root}/a2a`)
  if (response.status === 404) {
    await response.body?.cancel()
    const { name, description, skills } = await createConnection({ card: root, headers }).card()
    return [{ url: root, name, description, skills }]
  }
  if (!response.ok) throw new PolityError('TOOL_FAILED', `${root}/a2a answered ${response.status}`)
  const { agents } = (await response.json()) as { readonly agents?: readonly Partial<FoundAgent>[] }
  if (!Array.isArray(agents)) throw new PolityError('TOOL_FAILED', `${root}/a2a is no list of agents`)
  return agents.map(({ name = '', description = '', skills = [] }: Partial<FoundAgent>) => ({
    url: `${root}/a2a/${encodeURIComponent(name)}`,
    name,
    description,
    skills: skills.map((skill) => ({ ...skill, tags: skill.tags ?? [] })),
  }))
}

/** As far as a URL or a name can be the name of a tool. */
function nameOf(text: string): string {
  return text
    .replace(/^https?:\/\/|\/\.well-known\/.*$/g, '')
    .replaceAll(/[^A-Za-z0-9_.-]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 50)
}

// ------------------------------------------------------------------------------------------------------------- schemas

const TEXT = { type: 'string' } as const
const NUMBER = { type: 'number' } as const

/** Only the program itself calls these tools: their schemas say what they take, and check that it is there. */
function schema<Value>(
  properties: { readonly [name: string]: object },
  required: readonly string[],
): ToolSchema<Value> {
  const json = { type: 'object', properties, required }
  return {
    '~standard': {
      version: 1,
      vendor: 'polity',
      validate(value) {
        const given = (typeof value === 'object' ? value : null) as { readonly [name: string]: unknown } | null
        const missing = required.filter((name) => given?.[name] === undefined)
        return missing.length === 0
          ? { value: value as Value }
          : { issues: [{ message: `${missing.join(', ')} missing` }] }
      },
      jsonSchema: { input: () => json, output: () => json },
    },
  }
}
