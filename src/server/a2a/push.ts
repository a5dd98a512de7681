/**
 * Push notifications of A2A: what becomes of a task, told to a webhook that its client named (A2A 1.0, sections 4.3 and 9.5).
 *
 *     const push = createPush({ kernel, options, streamOf })
 *     push.set({ principal: 'ada', pid: 17, program: 'clerk', scopes: ['runs'], key: 'k1', version: '1.0' }, config)
 *
 * The task as it stands comes first, then each change of its state and its artifact, as SendStreamingMessage would tell them;
 * what a model says on the way is left out. One that was not taken is tried TRIES_MAX times, then the next one is told.
 *
 * Invariants
 *   PU1. A configuration is its principal's: to anybody else it is not there, an admin included, who would see its token.
 *   PU2. A configuration is in the store until the end of its task was told, or nobody took it. After a restart it is told
 *        how the task stands then: an update may come twice, and the end is not lost.
 *   PU3. Who may not see a task is told nothing of it: before each try the key that named the webhook is looked at, and once
 *        that is revoked, has expired or holds the scope no more, its configurations go.
 *   PU4. What a client makes the server keep and send is bounded: PER_TASK_MAX, PER_PRINCIPAL_MAX, one request at a time for
 *        each configuration, TRIES_MAX tries.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { StreamResponse, TaskPushNotificationConfig } from '@a2a-js/sdk'
import { PolityError, warn } from '../../kernel/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Pid } from '../../kernel/types.ts'
import type { Scope } from '../caller.ts'
import { infoIn } from '../view.ts'
import type { A2aSdk } from './sdk.ts'
import { loadA2a } from './sdk.ts'
import type { Webhook, WebhookOptions } from './webhook.ts'
import { createWebhook } from './webhook.ts'

/** That webhooks are told, and how. */
export interface PushOptions extends WebhookOptions {
  /** What a key may do now: its id, null where there were no keys (`scopesOfKeys` of keys.ts). @default what it could */
  readonly scopesOf?: (key: string | null) => readonly Scope[]
  /** Pause before the second try, ms; doubled for each one after it. @default 1_000 */
  readonly retryMs?: number
}

/** Whose configuration it is, and of which task. */
export interface PushOwner {
  readonly principal: string
  readonly pid: Pid
  readonly program: string
  /** What its key could do: whether it is told of questions, and of others' tasks, depends on that. */
  readonly scopes: readonly Scope[]
  /** Id of its key; null on a server without keys. */
  readonly key: string | null
  /** Of the protocol, in which it is told. */
  readonly version: string
}

type Config = Omit<TaskPushNotificationConfig, 'tenant' | 'taskId'>

interface Entry {
  readonly owner: PushOwner
  readonly config: Config
}

export interface Push {
  /** Throws `INVALID_ARGUMENT`. */
  check(config: TaskPushNotificationConfig): void
  /** One with the same id is replaced. */
  set(owner: PushOwner, config: TaskPushNotificationConfig): TaskPushNotificationConfig
  list(owner: Pick<PushOwner, 'principal' | 'pid'>): readonly TaskPushNotificationConfig[]
  remove(owner: Pick<PushOwner, 'principal' | 'pid'>, id: string): void
}

export interface PushParts {
  readonly kernel: Kernel
  readonly options: PushOptions
  /** What becomes of a task, from how it stands to its end. Rejects with `NO_SUCH_PROCESS` where its owner does not see it. */
  streamOf(sdk: A2aSdk, owner: PushOwner, signal: AbortSignal): AsyncGenerator<StreamResponse>
}

/** In the table `meta`, with the pid and the id behind it. */
const PREFIX = 'a2a-push\0'
const PER_TASK_MAX = 10
const PER_PRINCIPAL_MAX = 1_000
const TRIES_MAX = 5
const RETRY_MS = 1_000
const RETRY_MS_MAX = 3_600_000
const ID = /^[\x21-\x7e]{1,128}$/
/** What HTTP takes in a header. */
const SECRET = /^[\x20-\x7e]{0,4096}$/
const SCHEME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/

export function createPush({ kernel, options, streamOf }: PushParts): Push {
  const { retryMs = RETRY_MS, scopesOf, ...rest } = options
  if (!(retryMs >= 0 && retryMs <= RETRY_MS_MAX))
    throw new PolityError('CONFIG_INVALID', `push: retryMs takes 0 to ${RETRY_MS_MAX} ms, not ${retryMs}`)
  const webhook = createWebhook(rest)
  const entries = new Map<string, Entry>()
  /** By key: who is told now. */
  const following = new Map<string, AbortController>()
  const byPid = new Map<Pid, Set<string>>()

  for (const [key, value] of kernel.kept(PREFIX)) {
    const entry = JSON.parse(String(value)) as Entry
    // Its journal was removed, or its key is none any more.
    if (infoIn(kernel, entry.owner.pid) === undefined || !isOpen(entry.owner)) kernel.keep(key, null)
    else add(key, entry)
  }
  // One that was stopped is told of once it goes on; whether it has ended is known now.
  kernel.watch(({ pid }) => byPid.get(pid)?.forEach(begin), { text: false })
  for (const [key, { owner }] of entries) if (kernel.info(owner.pid).endedAt !== null) begin(key)

  /** Whether its key may do all that it could. Keys do not change, so that is all or nothing. */
  function isOpen({ key, scopes }: PushOwner): boolean {
    const now = scopesOf?.(key) ?? scopes
    return now.includes('admin') || scopes.every((scope) => now.includes(scope))
  }

  function add(key: string, entry: Entry): void {
    entries.set(key, entry)
    const { pid } = entry.owner
    byPid.set(pid, (byPid.get(pid) ?? new Set()).add(key))
  }

  function drop(key: string): void {
    const pid = entries.get(key)?.owner.pid
    entries.delete(key)
    following.get(key)?.abort()
    following.delete(key)
    if (pid === undefined) return
    byPid.get(pid)?.delete(key)
    if (byPid.get(pid)?.size === 0) byPid.delete(pid)
  }

  function forget(key: string): void {
    drop(key)
    kernel.keep(key, null)
  }

  function begin(key: string): void {
    const entry = entries.get(key)
    if (entry === undefined || following.has(key)) return
    const controller = new AbortController()
    following.set(key, controller)
    void tell(key, entry, controller.signal)
      .catch((error: unknown) => {
        // A kernel that has closed tells nobody; the next one goes on (PU2).
        const isClosed = PolityError.isInstance(error) && error.code === 'KERNEL_CLOSED'
        if (!isClosed && !controller.signal.aborted) unheard(entry, error)
      })
      .finally(() => {
        if (following.get(key) === controller) following.delete(key)
      })
  }

  /** The owner of the server is told. */
  function unheard({ owner }: Entry, why: unknown): void {
    warn(`A2A push of task ${owner.pid} of ${owner.principal}`, why)
  }

  async function tell(key: string, entry: Entry, signal: AbortSignal): Promise<void> {
    const sdk = await loadA2a()
    const { owner, config } = entry
    let refusal: unknown
    try {
      for await (const response of streamOf(sdk, owner, signal)) {
        const { body, contentType } =
          owner.version === '0.3'
            ? new sdk.legacy.V03PushNotificationSerializer().serialize(response)
            : new sdk.server.V1PushNotificationSerializer().serialize(response)
        const headers = { 'content-type': contentType, ...headersOf(config) }
        // Rejects once the kernel has closed: what is left is told by the next one.
        await kernel.flush()
        refusal = await deliver(webhook, config.url, { headers, body, signal }, retryMs, () => isOpen(owner))
        signal.throwIfAborted()
        if (refusal === CLOSED) break
      }
    } catch (error) {
      signal.throwIfAborted()
      if (!isUnseen(error)) throw error
      refusal = error
    }
    if (refusal !== CLOSED && !isUnseen(refusal) && infoIn(kernel, owner.pid)?.endedAt === null) return
    forget(key)
    if (refusal !== undefined) unheard(entry, refusal)
  }

  /** Those whose keys are none any more go. */
  function keysOf({ principal, pid }: Pick<PushOwner, 'principal' | 'pid'>): readonly string[] {
    return [...(byPid.get(pid) ?? [])].filter((key) => {
      const { owner } = entries.get(key) as Entry
      if (owner.principal !== principal) return false
      if (isOpen(owner)) return true
      forget(key)
      return false
    })
  }

  /** The first number that none of its configurations of that task has. */
  function freeId(owner: PushOwner): string {
    const taken = new Set(keysOf(owner).map((key) => entries.get(key)?.config.id))
    let n = 1
    while (taken.has(String(n))) n++
    return String(n)
  }

  function check({ id, url, token, authentication }: TaskPushNotificationConfig): void {
    webhook.check(url)
    if (id !== '' && !ID.test(id))
      throw new PolityError('INVALID_ARGUMENT', 'id takes 1 to 128 printable characters without spaces')
    if (!SECRET.test(token) || !SECRET.test(authentication?.credentials ?? ''))
      throw new PolityError('INVALID_ARGUMENT', 'token and credentials take at most 4096 printable ASCII characters')
    if (authentication !== undefined && !SCHEME.test(authentication.scheme))
      throw new PolityError('INVALID_ARGUMENT', 'authentication.scheme takes the name of one, such as Bearer')
  }

  return {
    check,
    set(owner, given) {
      check(given)
      const { url, token, authentication } = given
      const config: Config = { id: given.id || freeId(owner), url, token, authentication }
      const key = `${PREFIX}${owner.pid}\0${owner.principal}\0${config.id}`
      const own = keysOf(owner).filter((one) => one !== key)
      const isAnother = ([one, { owner: of }]: readonly [string, Entry]): boolean =>
        one !== key && of.principal === owner.principal
      const all = [...entries].filter(isAnother)
      if (own.length >= PER_TASK_MAX || all.length >= PER_PRINCIPAL_MAX)
        throw new PolityError(
          'INVALID_ARGUMENT',
          `a task has at most ${PER_TASK_MAX} push configurations, and a principal ${PER_PRINCIPAL_MAX} in all; delete one`,
        )
      const entry = { owner, config }
      kernel.keep(key, JSON.stringify(entry))
      drop(key)
      add(key, entry)
      begin(key)
      return toConfig(entry)
    },
    list: (owner) => keysOf(owner).map((key) => toConfig(entries.get(key) as Entry)),
    remove(owner, id) {
      const key = keysOf(owner).find((one) => entries.get(one)?.config.id === id)
      if (key === undefined) return
      forget(key)
    },
  }
}

/** Its key was looked at before it was told. */
const CLOSED = new PolityError('ACCESS_DENIED', 'the key that named the webhook was revoked or has expired')

/** Its journal was removed, or it is another's. */
function isUnseen(error: unknown): boolean {
  return PolityError.isInstance(error) && error.code === 'NO_SUCH_PROCESS'
}

function toConfig({ owner, config }: Entry): TaskPushNotificationConfig {
  return { tenant: '', taskId: String(owner.pid), ...config }
}

function headersOf({ token, authentication }: Config): { readonly [name: string]: string } {
  return {
    ...(token === '' ? {} : { 'x-a2a-notification-token': token }),
    ...(authentication === undefined
      ? {}
      : { authorization: `${authentication.scheme} ${authentication.credentials}`.trim() }),
  }
}

/**
 * Resolves with why nobody took it, undefined once somebody did. What the receiver says no to is not tried again. Rejects
 * with the signal.
 */
async function deliver(
  webhook: Webhook,
  url: string,
  posted: Parameters<Webhook['post']>[1],
  retryMs: number,
  isOpen: () => boolean,
): Promise<unknown> {
  let refusal: unknown
  for (let tries = 1; tries <= TRIES_MAX; tries++) {
    if (!isOpen()) return CLOSED
    try {
      const status = await webhook.post(url, posted)
      if (status >= 200 && status < 300) return undefined
      refusal = new Error(`the receiver answered ${status}`)
      if (status !== 408 && status !== 429 && status < 500) return refusal
    } catch (error) {
      refusal = error
      if (PolityError.isInstance(error)) return refusal
    }
    if (tries < TRIES_MAX) await pause(retryMs * 2 ** (tries - 1), undefined, { signal: posted.signal, ref: false })
  }
  return refusal
}
