/**
 * Tasks of outside MCP servers: a call that its server answers with a task is waited for here, until there is a result.
 *
 *     liftTask(message)                                         // before the SDK reads it, which knows no tasks
 *     const task = taskIn(await client.callTool(…))
 *     const result = task === undefined ? … : await awaitTask(task, { ask, signal, elicit, failed })
 *
 * Both forms: of 2026-07-28 the extension io.modelcontextprotocol/tasks (SEP-2663), of 2025-11-25 the experimental one.
 *
 * Invariants
 *   DT1. The server is asked no more often than it says, and at pauses of POLL_MS_MIN to POLL_MS_MAX.
 *   DT2. A call that is aborted (its time, its process) cancels the task at the server, as does one that cannot go on.
 *   DT3. Where the connection is lost while a task goes on, the same task is asked for again; nothing is called twice.
 */
import type { CallToolResult } from '@modelcontextprotocol/client'
import { setTimeout as pause } from 'node:timers/promises'
import type { PolityError } from '../../kernel/errors.ts'
import { fieldOf } from '../../kernel/errors.ts'
import type { Elicit } from './options.ts'
import { unlessAborted } from '../../kernel/unless-aborted.ts'

/** What a client of 2026-07-28 declares (SEP-2663). */
export const TASKS = 'io.modelcontextprotocol/tasks'

/** As a server tells it, in either form. */
export interface Task {
  readonly taskId: string
  readonly status: string
  readonly statusMessage?: unknown
  /** 2026-07-28; `pollInterval` is that of 2025-11-25. */
  readonly pollIntervalMs?: unknown
  readonly pollInterval?: unknown
  readonly result?: unknown
  readonly error?: unknown
  readonly inputRequests?: unknown
}

export interface Awaiting {
  /** Resolves with null where the connection was lost or could not be opened. Rejects with what the server says against it. */
  ask(method: string, params: { readonly [key: string]: unknown }, signal: AbortSignal): Promise<object | null>
  readonly signal: AbortSignal
  readonly elicit?: Elicit | undefined
  failed(message: string): PolityError
}

/** Between two looks, where the server does not say, ms. */
const POLL_MS = 1_000
const POLL_MS_MIN = 20
const POLL_MS_MAX = 60_000
/** How long the server may take to hear of a cancel, ms. */
const CANCEL_MS = 2_000
/** Looks in a row that may find no connection, REST_MS apart. */
const LOST_MAX = 15
const REST_MS = 1_000
const MESSAGE_CHARS_MAX = 2_000
/** Where a task stands in a result once it was lifted. */
const LIFTED = 'polity/task'

/** Makes of an answer that is a task one that the SDK takes, with the task in its `_meta`. Other messages stay as they are. */
export function liftTask(message: unknown): void {
  const result = fieldOf(message, 'result')
  const isModern = fieldOf(result, 'resultType') === 'task'
  const task = isModern ? result : fieldOf(result, 'task')
  if (typeof fieldOf(task, 'taskId') !== 'string') return
  const meta = fieldOf(result, '_meta') as object | undefined
  const taken = { content: [], ...(isModern ? { resultType: 'complete' } : {}), _meta: { ...meta, [LIFTED]: task } }
  Object.assign(message as object, { result: taken })
}

export function taskIn({ _meta }: CallToolResult): Task | undefined {
  return _meta?.[LIFTED] as Task | undefined
}

/** Waits for a task to end. Throws `TOOL_FAILED`, or why the signal was aborted. */
export async function awaitTask(task: Task, awaiting: Awaiting): Promise<CallToolResult> {
  const { ask, signal } = awaiting
  const { taskId } = task
  try {
    return await settled(task, awaiting)
  } catch (error) {
    // One that has ended is told in vain.
    ask('tasks/cancel', { taskId }, AbortSignal.timeout(CANCEL_MS)).catch(() => {})
    signal.throwIfAborted()
    throw error
  }
}

async function settled(first: Task, { ask, signal, elicit, failed }: Awaiting): Promise<CallToolResult> {
  const { taskId } = first
  const answered = new Set<string>()
  let task = first
  for (let lost = 0; lost < LOST_MAX;) {
    const { status, result, error, inputRequests, statusMessage } = task
    const said = String(statusMessage ?? '').slice(0, MESSAGE_CHARS_MAX)
    let value = result
    if (status === 'cancelled') throw failed(`was cancelled by its server: ${said}`)
    if (error !== undefined) throw failed(`failed: ${messageIn(error)}`)
    if (inputRequests !== undefined) await answer(inputRequests)
    // Of 2025-11-25, whose results are asked for, and who asks its user while they are.
    const isToBeAsked =
      status === 'completed' || status === 'failed' || (status === 'input_required' && elicit !== undefined)
    if (value === undefined && inputRequests === undefined && isToBeAsked)
      value = (await ask('tasks/result', { taskId }, signal)) ?? undefined
    if (value !== undefined) {
      if (Array.isArray(fieldOf(value, 'content'))) return value as CallToolResult
      throw failed('ended with what is no result of a tool')
    }
    await pause(lost > 0 ? REST_MS : pauseOf(task), undefined, { signal })
    const found = (await ask('tasks/get', { taskId }, signal)) as Task | null
    lost = found === null ? lost + 1 : 0
    if (found !== null) task = found
  }
  throw failed(`could not be asked for ${LOST_MAX} times; whether it was done is not known`)

  async function answer(requests: unknown): Promise<void> {
    const inputResponses: { [key: string]: unknown } = {}
    for (const [key, request] of Object.entries(requests as { readonly [key: string]: unknown })) {
      if (answered.has(key)) continue
      if (elicit === undefined || fieldOf(request, 'method') !== 'elicitation/create')
        throw failed(`asks for ${messageIn({ message: fieldOf(request, 'method') })}, which nobody here answers`)
      answered.add(key)
      const form = (fieldOf(request, 'params') ?? {}) as { readonly [key: string]: unknown }
      inputResponses[key] = await unlessAborted(elicit(form), signal)
    }
    if (
      Object.keys(inputResponses).length > 0 &&
      (await ask('tasks/update', { taskId, inputResponses }, signal)) === null
    )
      for (const key of Object.keys(inputResponses)) answered.delete(key)
  }
}

function pauseOf({ pollIntervalMs, pollInterval }: Task): number {
  const said = pollIntervalMs ?? pollInterval
  const ms = typeof said === 'number' && said > 0 ? said : POLL_MS
  return Math.min(POLL_MS_MAX, Math.max(POLL_MS_MIN, ms))
}

function messageIn(error: unknown): string {
  const message = fieldOf(error, 'message')
  return (typeof message === 'string' ? message : 'nobody knows why').slice(0, MESSAGE_CHARS_MAX)
}
