/**
 * Operations on processes: list, start, look, end, go on.
 *
 * Invariant
 *   PO1. What a client is told to have been done, or to have ended, is kept first: a crash after the answer does not take it
 *        back.
 */
import { z } from 'zod'
import { toErrorData } from '../../kernel/errors.ts'
import type { Pid, SpawnOptions } from '../../kernel/types.ts'
import type { View } from '../view.ts'
import type { Api } from './door.ts'
import type { Operation } from './operation.ts'
import { operation } from './operation.ts'
import { listOf, listQuery, processAt, treeOf } from './process-list.ts'
import type { Result } from './process-schemas.ts'
import * as schemas from './process-schemas.ts'
import { WAIT_S_MAX } from './wait.ts'

export function processOperations({ kernel, view }: Api): readonly Operation[] {
  const awaitEnd = endings()
  const kept = async <Answer>(answer: Answer): Promise<Answer> => {
    await kernel.flush()
    return answer
  }

  return [
    operation({
      id: 'listProcesses',
      method: 'GET',
      path: '/processes',
      scope: 'runs',
      summary: 'List processes',
      description:
        'Those that run or are stopped, and those that ended lately (limits.processesEndedMax); with all=true those that ended before too, as long as their journals are kept.',
      query: listQuery,
      reply: schemas.ProcessPage,
      run: async ({ caller, query, signal }) => kept(await listOf(view(caller), query, signal)),
    }),
    operation({
      id: 'startProcess',
      method: 'POST',
      path: '/processes',
      scope: 'runs',
      summary: 'Start a process',
      description:
        'On behalf of the caller, and on the account of its key. The answer says that it runs; its end is at /processes/{pid}/result.',
      body: schemas.StartRequest,
      isOnce: true,
      status: 201,
      reply: schemas.Process,
      errors: ['NO_SUCH_PROGRAM', 'NO_SUCH_TOOL', 'ACCESS_DENIED', 'LIMIT_EXCEEDED', 'TOO_LARGE'],
      run({ caller, body: { program, input, ...options }, once }) {
        const { pid } = view(caller).spawn(program, input, options as unknown as SpawnOptions, once)
        return kept(processAt(view(caller), pid))
      },
    }),
    operation({
      id: 'getProcess',
      method: 'GET',
      path: '/processes/:pid',
      scope: 'runs',
      summary: 'One process',
      reply: schemas.Process,
      errors: ['NO_SUCH_PROCESS'],
      run: ({ caller, params }) => kept(processAt(view(caller), params.pid)),
    }),
    operation({
      id: 'getTree',
      method: 'GET',
      path: '/processes/:pid/tree',
      scope: 'runs',
      summary: 'A process with its descendants',
      reply: schemas.ProcessTree,
      errors: ['NO_SUCH_PROCESS'],
      run: async ({ caller, params, signal }) => kept(await treeOf(view(caller), params.pid, signal)),
    }),
    operation({
      id: 'killProcess',
      method: 'POST',
      path: '/processes/:pid/kill',
      scope: 'runs',
      summary: 'Kill a process with its descendants',
      description: 'One that has ended stays as it ended.',
      body: schemas.KillRequest,
      reply: schemas.Process,
      errors: ['NO_SUCH_PROCESS'],
      run({ caller, params, body }) {
        view(caller).kill(params.pid, body.reason)
        return kept(processAt(view(caller), params.pid))
      },
    }),
    operation({
      id: 'forkProcess',
      method: 'POST',
      path: '/processes/:pid/fork',
      scope: 'runs',
      summary: 'A new process with the past of another',
      description: 'Up to its call `at`, which it makes anew; files and notes are those of that moment.',
      body: schemas.ForkRequest,
      isOnce: true,
      status: 201,
      reply: schemas.Process,
      errors: ['NO_SUCH_PROCESS', 'NO_SUCH_PROGRAM', 'NO_SUCH_TOOL', 'SETUP_MISMATCH', 'LIMIT_EXCEEDED'],
      async run({ caller, params, body, once }) {
        const { pid } = await view(caller).fork(params.pid, body, once)
        return kept(processAt(view(caller), pid))
      },
    }),
    operation({
      id: 'resumeProcess',
      method: 'POST',
      path: '/processes/:pid/resume',
      scope: 'runs',
      summary: 'Go on with a process that was stopped, and its descendants',
      description:
        'With what it was begun with: where the server has another model, price, law or other folders since, it does not go on. One that runs goes on running; one that has ended is forked instead.',
      reply: schemas.Resumed,
      errors: ['NO_SUCH_PROCESS', 'NO_SUCH_PROGRAM', 'NO_SUCH_TOOL', 'SETUP_MISMATCH'],
      run({ caller, params }) {
        const mine = view(caller)
        return { items: mine.resume(params.pid).map(({ pid }) => processAt(mine, pid)) }
      },
    }),
    operation({
      id: 'replayProcess',
      method: 'POST',
      path: '/processes/:pid/replay',
      scope: 'runs',
      summary: 'Run an ended process again against its journal, without any effect',
      reply: schemas.ReplayReport,
      errors: ['NO_SUCH_PROCESS', 'NO_SUCH_PROGRAM', 'NO_SUCH_TOOL'],
      run: ({ caller, params }) => view(caller).replay(params.pid),
    }),
    operation({
      id: 'sendMail',
      method: 'POST',
      path: '/processes/:pid/send',
      scope: 'runs',
      summary: 'Send a message to a process that runs',
      description: 'It receives it as from outside: `from` is 0.',
      body: schemas.MailRequest,
      reply: schemas.Done,
      errors: ['NO_SUCH_PROCESS', 'MAILBOX_FULL', 'TOO_LARGE'],
      run({ caller, params, body }) {
        view(caller).send(params.pid, body.body)
        return kept({})
      },
    }),
    operation({
      id: 'getResult',
      method: 'GET',
      path: '/processes/:pid/result',
      scope: 'runs',
      summary: 'How a process ended',
      description: 'Answers when it has, or when `wait` is over: then state says that it still runs.',
      query: z.strictObject({
        wait: z.coerce.number().min(0).max(WAIT_S_MAX).optional().describe('Longest wait, s. Default 0'),
      }),
      reply: schemas.Result,
      errors: ['NO_SUCH_PROCESS'],
      async run({ caller, params, query, signal }) {
        const mine = view(caller)
        mine.info(params.pid)
        await awaitEnd(mine, params.pid, (query.wait ?? 0) * 1000, signal)
        return resultOf(mine, params.pid)
      },
    }),
  ]
}

async function resultOf(view: View, pid: Pid): Promise<Result> {
  const { state } = view.info(pid)
  if (state === 'running' || state === 'stopped') return { pid, state }
  try {
    return { pid, state, value: await view.run(pid).result }
  } catch (error) {
    return { pid, state, error: toErrorData(error) }
  }
}

/**
 * Waiting for the ends of processes. One listener a process, however many requests wait and give up: the kernel keeps a
 * listener until the process ends.
 */
function endings(): (view: View, pid: Pid, ms: number, signal: AbortSignal) => Promise<void> {
  const waiting = new Map<Pid, Set<() => void>>()

  function tell(pid: Pid): void {
    const all = waiting.get(pid) ?? []
    waiting.delete(pid)
    for (const wake of all) wake()
  }

  return (view, pid, ms, signal) => {
    if (ms === 0 || view.info(pid).state !== 'running' || signal.aborted) return Promise.resolve()
    let all = waiting.get(pid)
    if (all === undefined) {
      waiting.set(pid, (all = new Set()))
      // Stopped is an end too: nothing more comes of it by itself.
      view.run(pid).result.then(
        () => tell(pid),
        () => tell(pid),
      )
    }
    const mine = all
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', wake)
        mine.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, ms)
      signal.addEventListener('abort', wake, { once: true })
      mine.add(wake)
    })
  }
}
