/**
 * Notices of what becomes of a task, for the session of the earlier era that began it (2025-11-25, tasks:
 * `notifications/tasks/status`, which a server may send). A client that holds no stream misses none by it: it asks anyway.
 *
 *     const notices = createTaskNotices(server, { kernel, tasks, calls, following }, { caller, standing })
 *     notices.begun(17, true)
 *     notices.close()
 *
 * The later era has them on a stream that a client asks for with the ids of its tasks (SEP-2663). The SDK's stream takes no
 * ids, and has one bus for all clients, so there are none.
 *
 * Invariants
 *   TN1. A notice is what `tasks/get` would answer, and counts as learned before it is sent.
 *   TN2. A session is told of at most FOLLOWED_MAX tasks at a time, and of none once it has ended.
 */
import type { McpServer } from '@modelcontextprotocol/server'
import { warn } from '../../kernel/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Pid } from '../../kernel/types.ts'
import type { Following } from '../follow.ts'
import { infoIn, viewOf } from '../view.ts'
import type { Calls, Client } from './calls.ts'
import { labelsIn } from './labels.ts'
import type { Tasks, TaskStatus } from './tasks.ts'

export interface TaskNotices {
  /** A call has become a task, and its client was told that it works. `canAsk`: whether the client can ask its user. */
  begun(pid: Pid, canAsk: boolean): void
  close(): void
}

export interface TaskNoticesOptions {
  readonly kernel: Kernel
  readonly tasks: Tasks
  readonly calls: Pick<Calls, 'questionsOf'>
  readonly following: Following
}

const FOLLOWED_MAX = 256

export function createTaskNotices(
  { server }: McpServer,
  { kernel, tasks, calls, following }: TaskNoticesOptions,
  { caller, standing }: Pick<Client, 'caller' | 'standing'>,
): TaskNotices {
  const view = viewOf(kernel, caller)
  const over = new AbortController()
  let followed = 0

  async function tell(pid: Pid, canAsk: boolean): Promise<void> {
    let last: TaskStatus = 'working'
    for await (const { type } of following.follow(pid, over.signal)) {
      if (type !== 'questions' && type !== 'process-end') continue
      const info = infoIn(view, pid)
      if (info === undefined) return
      const task = await tasks.of(info)
      const questions = task.end === undefined ? calls.questionsOf(pid, { caller, canAsk }) : []
      const told = tasks.toEarlier(task, questions)
      if (told.status === last) continue
      last = told.status
      standing.learned(labelsIn(task.events))
      for (const question of questions) standing.learned(labelsIn(await kernel.events(question.pid)))
      await server.notification({ method: 'notifications/tasks/status', params: told })
    }
  }

  return {
    begun(pid, canAsk) {
      if (followed >= FOLLOWED_MAX || over.signal.aborted) return
      followed++
      tell(pid, canAsk)
        .catch((error: unknown) => over.signal.aborted || warn(`notices of MCP task ${pid}`, error))
        .finally(() => followed--)
    },
    close: () => over.abort(),
  }
}
