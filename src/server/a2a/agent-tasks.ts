/**
 * The tasks of one agent that a view reaches, and how each of them changes: what streams send to clients, and pushes to their
 * webhooks (push.ts).
 *
 *     const tasks = createAgentTasks({ telling, kernel, view, program: 'clerk', following, signal })
 *     for await (const response of tasks.stream({ pid: 17, isNew: false })) …
 *
 * Invariant
 *   AT1. A task is what an A2A client began with this program, and the view shows. Every other pid is as if it were not there.
 */
import type { Artifact, StreamResponse, TaskStatus } from '@a2a-js/sdk'
import { PolityError } from '../../kernel/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { JournalEvent, Pid, ProcessEnd, ProcessInfo } from '../../kernel/types.ts'
import { fieldOf } from '../fields.ts'
import type { Following } from '../follow.ts'
import { questionsOf } from '../follow.ts'
import type { View } from '../view.ts'
import type { Known, Telling } from './tasks.ts'
import { contextOf, parseName } from './tasks.ts'

/** A task that is told from here on. */
export interface Told {
  readonly pid: Pid
  /** No call of it has begun before. */
  readonly isNew: boolean
}

type Change = Standing | Draft

interface Standing {
  readonly type: 'standing'
  readonly status: TaskStatus
  /** Of a task that has ended. */
  readonly end: ProcessEnd | undefined
}

/** A piece of what the model of the program is saying, in its call `n`. */
interface Draft {
  readonly type: 'draft'
  readonly n: number
  readonly delta: string
}

export interface AgentTasksOptions {
  readonly telling: Telling
  readonly kernel: Kernel
  readonly view: View
  /** Its name. */
  readonly program: string
  readonly following: Following
  readonly signal: AbortSignal
}

export interface StreamOptions {
  readonly historyLength?: number | undefined
  /** Who joins a task that asks wants to hear what comes after the answer. @default false */
  readonly joins?: boolean
  /** To the end of the task, whatever it asks, and without what its model says on the way. @default false */
  readonly toEnd?: boolean
}

export interface AgentTasks {
  /** Throws `NO_SUCH_PROCESS` for whatever is no task of this agent. */
  found(pid: Pid): Pick<Known, 'info' | 'name'>
  isTask(info: ProcessInfo): boolean
  known(pid: Pid): Promise<Known>
  changes(told: Told): AsyncGenerator<Change, void, undefined>
  stream(told: Told, options?: StreamOptions): AsyncGenerator<StreamResponse, void>
}

export function createAgentTasks({ telling, kernel, view, program, following, signal }: AgentTasksOptions): AgentTasks {
  function found(pid: Pid): Pick<Known, 'info' | 'name'> {
    const info = view.info(pid)
    const name = isTask(info) ? parseName(info.name) : undefined
    if (name === undefined) throw new PolityError('NO_SUCH_PROCESS', `there is no process ${pid}`)
    return { info, name }
  }

  function isTask(info: ProcessInfo): boolean {
    return (
      info.program === program && info.parent === null && info.forkOf === null && parseName(info.name) !== undefined
    )
  }

  async function known(pid: Pid): Promise<Known> {
    const { info, name } = found(pid)
    const events = await view.events(pid)
    return { info, name, events, questions: questionsOf(kernel, info.pid) }
  }

  /** How a task changes, beginning with how it stands now, until it has ended or was stopped. */
  async function* changes({ pid, isNew }: Told): AsyncGenerator<Change, void, undefined> {
    const contextId = contextOf(pid, found(pid).name)
    let isFirst = true
    /** Calls that were under way when this began: what their model said before was not heard. */
    let missed: ReadonlySet<number> = new Set()
    for await (const step of following.follow(pid, signal)) {
      if (step.type === 'questions') {
        const { info, events } = await known(pid)
        if (isFirst && !isNew) missed = openCallsOf(events)
        const last = events.at(-1)
        const end = last?.type === 'process-end' ? last : undefined
        // Told by its own step.
        if (end !== undefined && !isFirst) continue
        isFirst = false
        const at = end?.at ?? step.questions[0]?.askedAt ?? info.startedAt
        yield { type: 'standing', status: telling.status(pid, contextId, step.questions, end, at), end }
        if (end !== undefined) return
      } else if (step.type === 'process-end' && step.pid === pid) {
        yield { type: 'standing', status: telling.status(pid, contextId, [], step, step.at), end: step }
        return
      } else if (step.type === 'text-delta') {
        if (step.pid === pid && !missed.has(step.n)) yield { type: 'draft', n: step.n, delta: step.delta }
      } else if (step.type === 'call-start' && step.call === 'send' && fieldOf(step.args, 'to') === 0) {
        // What a program says to whoever watches.
        const body = fieldOf(step.args, 'body') ?? null
        const status = telling.progress(pid, contextId, `said-${step.seq}`, body, step.at)
        yield { type: 'standing', status, end: undefined }
      }
    }
  }

  /**
   * The task, and then its changes. What a model says is told as it comes, as a draft of the output: the first piece of a
   * call begins the artifact anew, the others go on with it, and the output is its end.
   */
  async function* stream(
    task: Told,
    { historyLength, joins = false, toEnd = false }: StreamOptions = {},
  ): AsyncGenerator<StreamResponse, void> {
    const { pid } = task
    const ids = { taskId: String(pid), contextId: contextOf(pid, found(pid).name) }
    const output = (artifact: Artifact, append: boolean, lastChunk: boolean): StreamResponse => ({
      payload: { $case: 'artifactUpdate', value: { ...ids, artifact, append, lastChunk, metadata: undefined } },
    })
    let told: string | undefined
    let draft: { readonly n: number; text: string } | undefined
    for await (const change of changes(task)) {
      if (change.type === 'draft') {
        if (toEnd) continue
        const { n, delta } = change
        const goesOn = draft?.n === n
        draft = { n, text: goesOn ? `${draft?.text}${delta}` : delta }
        yield output(telling.output(delta), goesOn, false)
        continue
      }
      const { status, end } = change
      const isFirst = told === undefined
      const before = told
      told = `${status.state} ${status.message?.messageId}`
      if (isFirst) {
        const value = telling.task(await known(pid), historyLength)
        yield { payload: { $case: 'task', value } }
        if (telling.isOver(value.status?.state)) return
      } else if (told !== before) {
        const artifact = end === undefined ? undefined : telling.artifact(end)
        if (artifact !== undefined) {
          const isTold = draft !== undefined && draft.text === end?.value
          yield isTold
            ? output({ ...artifact, parts: telling.output('').parts }, true, true)
            : output(artifact, false, true)
        }
        yield { payload: { $case: 'statusUpdate', value: { ...ids, status, metadata: undefined } } }
      }
      if (telling.isAsking(status.state) && !toEnd && !(joins && isFirst)) return
    }
  }

  return { found, isTask, known, changes, stream }
}

/** Calls that have not ended. */
function openCallsOf(events: readonly JournalEvent[]): ReadonlySet<number> {
  const open = new Set<number>()
  for (const event of events) {
    if (event.type === 'call-start') open.add(event.n)
    else if (event.type === 'call-end') open.delete(event.n)
  }
  return open
}
