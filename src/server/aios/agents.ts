/**
 * Submitted agents: programs that are served, started as AIOS starts the agents of its hub.
 *
 *     await submitAgent(kernel, view, body)      // { status: 'success', execution_id, message }
 *
 * An agent `author/name` is the program of that name, or else the one named after the slash; its input is the task, as it
 * is. The execution id is the pid, so it is the same for every door, and still there after a restart.
 */
import { z } from 'zod'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Json, ProcessInfo } from '../../kernel/types.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { View } from '../view.ts'
import { parseBody } from './query.ts'

const submission = z.object({
  agent_id: z.string().min(1).max(200),
  agent_config: z.looseObject({ task: z.json() }),
})

/** Begins the name of a submitted process, so that `ps` finds it again. */
const NAME = 'aios-agent/'

/** Tells the id once it is kept: a crash after that does not take it back. Throws `NO_SUCH_PROGRAM`. */
export async function submitAgent(kernel: Kernel, view: View, body: Json): Promise<Json> {
  const { agent_id: id, agent_config: config } = parseBody(submission, body)
  const run = view.spawn(programOf(view, id), config.task, { name: NAME + id })
  await kernel.flush()
  return { status: 'success', execution_id: run.pid, message: `Agent ${id} submitted for execution` }
}

function programOf({ programs }: View, id: string): string {
  const found = [id, id.slice(id.lastIndexOf('/') + 1)].find((name) =>
    programs.some((one) => one.name === name || `${one.name}@${one.version}` === name),
  )
  if (found !== undefined) return found
  const names = programs.map(({ name }) => name).join(', ')
  throw new PolityError('NO_SUCH_PROGRAM', `no agent "${id}" is served here; there are ${names || 'none'}`)
}

/** Tells of an end once it is kept. Throws `NO_SUCH_PROCESS`, also for what is another principal's. */
export async function agentStatus(kernel: Kernel, view: View, id: string): Promise<Json> {
  const execution_id = Number(id)
  const { state, error } = view.info(execution_id)
  if (state === 'done') return { status: 'completed', result: await view.run(execution_id).result, execution_id }
  if (state === 'running' || state === 'stopped' || error === null)
    return { status: 'running', message: 'Execution in progress', execution_id }
  await kernel.flush()
  const { code, message } = error
  return { status: 'failed', message, error: { code, message }, execution_id }
}

/** Submitted agents that run, or ended lately; of an end it tells once that is kept. */
export async function agentProcesses(kernel: Kernel, view: View): Promise<Json> {
  const processes: Json[] = []
  for (const info of view.ps()) {
    if (info.name?.startsWith(NAME) !== true) continue
    const run = view.run(info.pid)
    const task = run.input ?? null
    processes.push({
      agent_id: info.name.slice(NAME.length),
      execution_id: info.pid,
      status: statusOf(info),
      start_time: new Date(info.startedAt).toISOString(),
      config: { task },
      task,
      ...(info.endedAt === null ? {} : { end_time: new Date(info.endedAt).toISOString() }),
      ...(info.state === 'done' ? { result: await run.result } : {}),
    })
  }
  await kernel.flush()
  return { status: 'success', processes }
}

function statusOf({ state }: ProcessInfo): string {
  return state === 'done' ? 'completed' : state === 'failed' || state === 'killed' ? 'failed' : 'running'
}
