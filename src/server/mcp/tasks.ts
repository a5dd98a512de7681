/**
 * Tasks of MCP: a call that goes on without its client, who comes back for what became of it. A task is the process of that
 * call: how it stands is read from the process table, the inbox and the journal. Beside them only a mark is kept of each:
 * that it is one, and of which offer.
 *
 *     const tasks = createTasks(kernel, offers, kept)
 *     tasks.resume()                                       // once, for those of an earlier server
 *     await tasks.mark(run.pid, offer.name)                // before its client is told
 *     const task = await tasks.find(view, '17')            // undefined for what is no task of that view
 *     tasks.toCurrent(task, questions)                     // as 2026-07-28 tells it (SEP-2663)
 *     tasks.toEarlier(task, questions)                     // as 2025-11-25 does
 *
 *     process                       2026-07-28          2025-11-25
 *     running, stopped              working             working
 *     asks this client's user       input_required      input_required
 *     done                          completed           completed
 *     failed                        completed, with a result that is an error     failed
 *     canceled by its client        cancelled           cancelled
 *     ended by anything else        failed              failed
 *
 * Invariants
 *   TK1. A caller reaches the tasks that its view shows. Every other id is as if it had never been one.
 *   TK2. What is told of an end is in the journal: a task that was told as ended is ended after any crash.
 *   TK3. A run of a program that was a task goes on after a restart; a call of a tool cannot, and has failed then.
 *   TK4. A process is a task by its mark alone, which is in the store before its client is told: neither its name nor that it
 *        might have become one makes it one.
 */
import type { CallToolResult } from '@modelcontextprotocol/server'
import { fromErrorData, warn } from '../../kernel/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { JournalEvent, Json, Pid, ProcessEnd, ProcessInfo, Question } from '../../kernel/types.ts'
import type { View } from '../view.ts'
import { infoIn } from '../view.ts'
import type { Offer } from './offers.ts'
import { CLIENT } from './offers.ts'
import { failure, toResult } from './results.ts'

export interface Task {
  readonly info: ProcessInfo
  /** Of a task that has ended; else they are not read. */
  readonly events: readonly JournalEvent[]
  readonly end: ProcessEnd | undefined
  readonly offer: Pick<Offer, 'outputSchema'>
}

export type TaskStatus = 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled'

/** What both forms tell of a task. */
type Told = {
  readonly taskId: string
  readonly status: TaskStatus
  readonly statusMessage?: string
  readonly createdAt: string
  readonly lastUpdatedAt: string
}

export interface Tasks {
  /** Makes a task of a process. Resolves once that is in the store, and all that came before. */
  mark(pid: Pid, offer: string): Promise<void>
  /** Goes on with the runs of programs that were tasks when an earlier server ended (TK3). Without its program one stays stopped. */
  resume(): void
  find(view: View, taskId: string): Promise<Task | undefined>
  /** Those in the table, the youngest first. */
  list(view: View): readonly ProcessInfo[]
  of(info: ProcessInfo): Promise<Task>
  toCurrent(
    task: Task,
    questions: readonly Question[],
  ): Told & { readonly ttlMs: null; readonly pollIntervalMs: number }
  toEarlier(task: Task, questions: readonly Question[]): Told & { readonly ttl: null; readonly pollInterval: number }
  /** What became of a task that ended with a value or with an error of the tool; else undefined. */
  result(task: Task): CallToolResult | undefined
}

/** In the table `meta`, with the pid behind it; the value is the name of the offer. */
const PREFIX = 'mcp-task\0'
/** Marks beyond which those of journals that were removed are looked for, and again when there are twice as many as stayed. */
const SWEEP_MIN = 1_000
/** Why a client's cancel ends a process: of everything that is killed, only this is told as cancelled. */
export const CANCELED = 'canceled by its MCP client'
/** How often a client should ask, ms. */
const POLL_MS = 500

export function createTasks(kernel: Kernel, offers: readonly Offer[]): Tasks {
  const byName = new Map(offers.map((offer) => [offer.name, offer]))
  /** By pid: the name of the offer. */
  const marks = new Map<Pid, string>()
  let sweepAt = SWEEP_MIN
  for (const [key, value] of kernel.kept(PREFIX)) marks.set(Number(key.slice(PREFIX.length)), String(value))
  sweep()

  const isTask = ({ pid }: ProcessInfo): boolean => marks.has(pid)

  /** Forgets those whose journals were removed. */
  function sweep(): void {
    if (marks.size <= sweepAt) return
    for (const pid of marks.keys()) {
      if (infoIn(kernel, pid) !== undefined) continue
      marks.delete(pid)
      kernel.keep(`${PREFIX}${pid}`, null)
    }
    sweepAt = Math.max(SWEEP_MIN, 2 * marks.size)
  }

  async function of(info: ProcessInfo): Promise<Task> {
    const offer = byName.get(marks.get(info.pid) ?? '') ?? {}
    if (info.endedAt === null) return { info, events: [], end: undefined, offer }
    const events = await kernel.events(info.pid)
    const last = events.at(-1)
    return { info, events, end: last?.type === 'process-end' ? last : undefined, offer }
  }

  function told({ info, end }: Task, questions: readonly Question[], status: TaskStatus): Told {
    const { pid, startedAt, state, waiting } = info
    const said =
      end?.error !== undefined
        ? `${end.error.code}: ${end.error.message}`
        : state === 'stopped'
          ? 'stopped; its owner can resume it'
          : status === 'working' && waiting?.startsWith('ask') === true
            ? 'waits for a person'
            : undefined
    return {
      taskId: String(pid),
      status,
      ...(said === undefined ? {} : { statusMessage: said }),
      createdAt: new Date(startedAt).toISOString(),
      lastUpdatedAt: new Date(end?.at ?? questions[0]?.askedAt ?? startedAt).toISOString(),
    }
  }

  function statusOf({ end }: Task, questions: readonly Question[]): TaskStatus {
    if (end === undefined) return questions.length > 0 ? 'input_required' : 'working'
    if (end.state === 'done') return 'completed'
    return isCanceled(end) ? 'cancelled' : 'failed'
  }

  return {
    async mark(pid, offer) {
      kernel.keep(`${PREFIX}${pid}`, offer)
      // Waits until that is kept.
      await kernel.events(pid)
      marks.set(pid, offer)
      sweep()
    },
    resume() {
      for (const { pid, program, state } of kernel.ps()) {
        if (state !== 'stopped' || program === CLIENT || !marks.has(pid)) continue
        try {
          for (const { result } of kernel.resume(pid)) result.catch(() => {})
        } catch (error) {
          warn(`MCP task ${pid} (${program}) stays stopped`, error)
        }
      }
    },
    async find(view, taskId) {
      const pid: Pid = /^[1-9]\d{0,15}$/.test(taskId) ? Number(taskId) : 0
      const info = infoIn(view, pid)
      return info !== undefined && isTask(info) ? of(info) : undefined
    },
    list: (view) => view.ps().filter(isTask).toReversed(),
    of,
    toCurrent(task, questions) {
      const status = task.end?.state === 'failed' ? 'completed' : statusOf(task, questions)
      return { ...told(task, questions, status), ttlMs: null, pollIntervalMs: POLL_MS }
    },
    toEarlier: (task, questions) => ({
      ...told(task, questions, statusOf(task, questions)),
      ttl: null,
      pollInterval: POLL_MS,
    }),
    result({ end, offer }) {
      if (end?.state === 'done') return toResult((end.value ?? null) as Json, offer)
      return end?.error !== undefined && end.state === 'failed' ? failure(fromErrorData(end.error)) : undefined
    },
  }
}

function isCanceled({ state, error }: ProcessEnd): boolean {
  return state === 'killed' && error?.code === 'KILLED' && error.message.endsWith(CANCELED)
}
