/**
 * Operations on processes: list, start, look, end, go on.
 */
import { z } from 'zod'
import { PolityError, toErrorData } from '../../kernel/errors.ts'
import type { Pid, ProcessInfo, SpawnOptions } from '../../kernel/types.ts'
import type { View } from '../view.ts'
import type { Api } from './door.ts'
import type { Operation } from './operation.ts'
import { operation, severalOf } from './operation.ts'
import { pageOf, pageQuery } from './paging.ts'
import type { Process, ProcessTree, Result } from './schemas.ts'
import * as schemas from './schemas.ts'

/** Longest wait of one request for a result, s. Below the 60 s after which common proxies give up. */
const WAIT_S_MAX = 50

const sorts = ['pid', '-pid', 'program', '-program', 'priority', '-priority'] as const

const listQuery = z.strictObject({
  state: severalOf(schemas.ProcessState.options),
  program: z.string().optional(),
  name: z.string().optional(),
  principal: z.string().optional().describe('Others than the caller are seen by an admin only'),
  parent: z.coerce.number().int().min(1).optional(),
  root: z.coerce.number().int().min(1).optional().describe('The process at the top of the tree'),
  sort: z.enum(sorts).optional().describe('`-` for downwards. Default -pid, the youngest first'),
  ...pageQuery,
})

export function processOperations({ view }: Api): readonly Operation[] {
  const awaitEnd = endings()

  return [
    operation({
      id: 'listProcesses',
      method: 'GET',
      path: '/processes',
      scope: 'runs',
      summary: 'List processes',
      description:
        'Those that run or are stopped, and those that ended lately (limits.processesEndedMax). Older ones are still found by their pid.',
      query: listQuery,
      reply: schemas.ProcessPage,
      run({ caller, query }) {
        const all = view(caller).ps()
        const byPid = new Map(all.map((one) => [one.pid, one]))
        const wanted = new Set(query.state?.split(','))
        const found = all.filter(
          (one) =>
            (query.state === undefined || wanted.has(one.state)) &&
            (query.program === undefined || one.program === query.program) &&
            (query.name === undefined || one.name === query.name) &&
            (query.principal === undefined || one.principal === query.principal) &&
            (query.parent === undefined || one.parent === query.parent) &&
            (query.root === undefined || rootOf(one, byPid) === query.root),
        )
        const sort = query.sort ?? '-pid'
        const key = sort.replace('-', '') as 'pid' | 'program' | 'priority'
        const page = pageOf(
          found,
          query,
          (one) => (key === 'pid' ? [one.pid] : [one[key], one.pid]),
          sort.startsWith('-'),
        )
        return { items: page.items.map((one) => processOf(one, rootOf(one, byPid))), next: page.next }
      },
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
      status: 201,
      reply: schemas.Process,
      errors: ['NO_SUCH_PROGRAM', 'NO_SUCH_TOOL', 'ACCESS_DENIED', 'LIMIT_EXCEEDED', 'TOO_LARGE'],
      run({ caller, body: { program, input, ...options } }) {
        const { pid } = view(caller).spawn(program, input, options as unknown as SpawnOptions)
        return processAt(view(caller), pid)
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
      run: ({ caller, params }) => processAt(view(caller), params.pid),
    }),
    operation({
      id: 'getTree',
      method: 'GET',
      path: '/processes/:pid/tree',
      scope: 'runs',
      summary: 'A process with its descendants',
      reply: schemas.ProcessTree,
      errors: ['NO_SUCH_PROCESS'],
      run: ({ caller, params }) => treeOf(view(caller), params.pid),
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
        return processAt(view(caller), params.pid)
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
      status: 201,
      reply: schemas.Process,
      errors: ['NO_SUCH_PROCESS', 'NO_SUCH_PROGRAM', 'NO_SUCH_TOOL', 'LIMIT_EXCEEDED'],
      async run({ caller, params, body }) {
        const { pid } = await view(caller).fork(params.pid, body)
        return processAt(view(caller), pid)
      },
    }),
    operation({
      id: 'resumeProcess',
      method: 'POST',
      path: '/processes/:pid/resume',
      scope: 'runs',
      summary: 'Go on with a process that was stopped, and its descendants',
      description: 'One that runs goes on running; one that has ended is forked instead.',
      reply: schemas.Resumed,
      errors: ['NO_SUCH_PROCESS', 'NO_SUCH_PROGRAM', 'NO_SUCH_TOOL'],
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
        return {}
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

/** A process as the API shows it. */
function processAt(view: View, pid: Pid): Process {
  const info = view.info(pid)
  let root = info
  try {
    while (root.parent !== null) root = view.info(root.parent)
  } catch (error) {
    // The journal of an ancestor was removed: what is left begins here.
    if (!PolityError.isInstance(error) || error.code !== 'NO_SUCH_PROCESS') throw error
  }
  return processOf(info, root.pid)
}

function processOf(info: ProcessInfo, root: Pid): Process {
  const { pid, parent, forkOf, program, version, name, principal, priority, state, waiting, core, queued } = info
  const { startedAt, endedAt, usage, budget, error } = info
  return {
    pid,
    parent,
    root,
    forkOf,
    program,
    version,
    name,
    principal,
    priority,
    state,
    waiting,
    core,
    queued,
    startedAt,
    endedAt,
    usage,
    budget,
    error,
  }
}

function rootOf(info: ProcessInfo, byPid: ReadonlyMap<Pid, ProcessInfo>): Pid {
  let root = info
  for (let next = byPid.get(root.parent ?? 0); next !== undefined; next = byPid.get(root.parent ?? 0)) root = next
  return root.parent ?? root.pid
}

function treeOf(view: View, pid: Pid): ProcessTree {
  const { root } = processAt(view, pid)
  const children = new Map<Pid, ProcessInfo[]>()
  for (const one of view.ps()) {
    if (one.parent === null) continue
    const list = children.get(one.parent)
    if (list === undefined) children.set(one.parent, [one])
    else list.push(one)
  }
  const below = (info: ProcessInfo): ProcessTree => ({
    ...processOf(info, root),
    children: (children.get(info.pid) ?? []).map(below),
  })
  return below(view.info(pid))
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
