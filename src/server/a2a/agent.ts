/**
 * One program as an A2A agent, for one caller: what the protocol asks, as calls of the caller's view of the kernel.
 *
 * Invariants
 *   AG1. A caller reaches the tasks that its view shows, and of those only what A2A clients began with this program. Every
 *        other task is as if it were not there.
 *   AG2. A message that came before begins no second task while the first one has a journal: the same id of the same caller
 *        is the same message, and with other words it is refused.
 *   AG3. A message answers a question of the program, from who has the scope `approvals`; no approval is given by one.
 */
import type {
  Artifact,
  CancelTaskRequest,
  GetTaskRequest,
  ListTasksRequest,
  ListTasksResponse,
  Message,
  SendMessageRequest,
  StreamResponse,
  SubscribeToTaskRequest,
  Task,
  TaskStatus,
} from '@a2a-js/sdk'
import type { A2ARequestHandler } from '@a2a-js/sdk/server'
import { sha256 } from '../../kernel/digest.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { JournalEvent, Pid, ProcessEnd, ProcessInfo } from '../../kernel/types.ts'
import { canonical } from '../../policy/canonical.ts'
import { fieldOf } from '../fields.ts'
import type { Following } from '../follow.ts'
import { questionsOf } from '../follow.ts'
import type { View } from '../view.ts'
import type { A2aSdk } from './sdk.ts'
import type { Known, Telling } from './tasks.ts'
import { ANSWERS, contextOf, nameOf, parseName, valueOf } from './tasks.ts'

const PAGE_SIZE = 50
const PAGE_SIZE_MAX = 100

/** A task that is told from here on. */
interface Told {
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

export interface AgentOptions {
  readonly sdk: A2aSdk
  readonly telling: Telling
  readonly kernel: Kernel
  readonly view: View
  /** Its name. */
  readonly program: string
  readonly card: () => ReturnType<A2ARequestHandler['getAgentCard']>
  readonly following: Following
  readonly signal: AbortSignal
}

export function createAgent({
  sdk: { errors, types },
  telling,
  kernel,
  view,
  program,
  card,
  following,
  signal,
}: AgentOptions): A2ARequestHandler {
  // ------------------------------------------------------------------------------------------------------- messages

  async function sendMessage(request: SendMessageRequest): Promise<Task> {
    const task = await take(request)
    const { historyLength, returnImmediately = false } = request.configuration ?? {}
    if (!returnImmediately)
      for await (const change of changes(task))
        if (change.type === 'standing' && telling.isInterrupted(change.status.state)) break
    return telling.task(await known(task.pid), historyLength)
  }

  async function* sendMessageStream(request: SendMessageRequest): AsyncGenerator<StreamResponse, void, undefined> {
    yield* stream(await take(request), request.configuration?.historyLength)
  }

  /** Begins a task, or goes on with one. */
  async function take({ message, configuration }: SendMessageRequest): Promise<Told> {
    if (configuration?.taskPushNotificationConfig !== undefined) throw noPush()
    if (message === undefined) throw new errors.RequestMalformedError('message is missing')
    if (message.role !== types.Role.ROLE_USER)
      throw new errors.RequestMalformedError('message.role takes ROLE_USER: the agent is the one who answers')
    if (message.taskId !== '') return { pid: await goOn(message), isNew: false }
    const { contextId, messageId } = message
    const name = nameOf({ contextId, messageId })
    const value = valueOf(message.parts)
    const key = `a2a ${sha256(canonical([program, messageId]))}`
    const once = { key, digest: sha256(canonical([contextId, value])) }
    const { pid } = view.spawn(program, value, { name }, once)
    return { pid, isNew: view.info(pid).usage.calls === 0 }
  }

  /** The answer to the question that waits, or mail for a program that asks nothing. */
  async function goOn(message: Message): Promise<Pid> {
    const { info, name, events, questions } = await known(pidOf(message.taskId))
    const { pid } = info
    const contextId = contextOf(pid, name)
    if (message.contextId !== '' && message.contextId !== contextId)
      throw new errors.RequestMalformedError(`task ${pid} is of context ${contextId}, not ${message.contextId}`)
    if (events.at(-1)?.type === 'process-end')
      throw new errors.UnsupportedOperationError(`task ${pid} has ended; send the message without its taskId`)
    const value = valueOf(message.parts)
    const [first] = questions
    const answers: unknown = message.metadata?.[ANSWERS]
    if (answers !== undefined && answers !== `question-${first?.id}`)
      throw new errors.RequestMalformedError(`the question ${JSON.stringify(answers)} waits for no answer any more`)
    if (first === undefined) view.send(pid, value)
    else if (telling.isAnswerable(first))
      view.answer(first.id, typeof value === 'string' ? value : JSON.stringify(value))
    else
      throw new errors.UnsupportedOperationError(
        `task ${pid} waits for a person who may answer or approve, through another door such as polity inbox; no message of this caller does`,
      )
    return pid
  }

  // ------------------------------------------------------------------------------------------------------------- tasks

  function pidOf(id: string): Pid {
    return /^[1-9]\d{0,15}$/.test(id) ? Number(id) : 0
  }

  /** Throws `NO_SUCH_PROCESS` for whatever is no task of this agent. */
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
  async function* stream(task: Told, historyLength?: number, joins = false): AsyncGenerator<StreamResponse, void> {
    const { pid } = task
    const ids = { taskId: String(pid), contextId: contextOf(pid, found(pid).name) }
    const output = (artifact: Artifact, append: boolean, lastChunk: boolean): StreamResponse => ({
      payload: { $case: 'artifactUpdate', value: { ...ids, artifact, append, lastChunk, metadata: undefined } },
    })
    let told: string | undefined
    let draft: { readonly n: number; text: string } | undefined
    for await (const change of changes(task)) {
      if (change.type === 'draft') {
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
      // Who joins a task that asks wants to hear what comes after the answer.
      if (status.state === types.TaskState.TASK_STATE_INPUT_REQUIRED && !(joins && isFirst)) return
    }
  }

  async function listTasks(request: ListTasksRequest): Promise<ListTasksResponse> {
    const { contextId, status, pageSize = PAGE_SIZE, pageToken, historyLength, statusTimestampAfter } = request
    const withArtifacts = request.includeArtifacts === true
    if (!(pageSize >= 1 && pageSize <= PAGE_SIZE_MAX))
      throw new errors.RequestMalformedError(`pageSize takes 1 to ${PAGE_SIZE_MAX}, not ${pageSize}`)
    const after = statusTimestampAfter === undefined ? undefined : Date.parse(statusTimestampAfter)
    if (Number.isNaN(after)) throw new errors.RequestMalformedError('statusTimestampAfter takes a time of ISO 8601')
    if (pageToken !== '' && pidOf(pageToken) === 0)
      throw new errors.RequestMalformedError('pageToken takes the nextPageToken of an earlier answer')
    const all = view
      .ps()
      .filter((info) => {
        const name = isTask(info) ? parseName(info.name) : undefined
        if (name === undefined) return false
        if (contextId !== '' && contextId !== contextOf(info.pid, name)) return false
        if (after !== undefined && (info.endedAt ?? info.startedAt) < after) return false
        const isAny = status === types.TaskState.TASK_STATE_UNSPECIFIED
        return isAny || status === telling.stateOf(info, info.endedAt === null ? questionsOf(kernel, info.pid) : [])
      })
      .toReversed()
    const rest = pageToken === '' ? all : all.filter(({ pid }) => pid < pidOf(pageToken))
    const page = rest.slice(0, pageSize)
    const tasks = await Promise.all(
      page.map(async ({ pid }) => {
        const task = telling.task(await known(pid), historyLength ?? 0)
        return withArtifacts ? task : { ...task, artifacts: [] }
      }),
    )
    return {
      tasks,
      nextPageToken: rest.length > page.length ? String(page.at(-1)?.pid) : '',
      pageSize,
      totalSize: all.length,
    }
  }

  // ---------------------------------------------------------------------------------------------------------- protocol

  function noPush(): Error {
    return new errors.PushNotificationNotSupportedError(
      'this server sends no push notifications; follow the task with SubscribeToTask',
    )
  }

  return {
    getAgentCard: () => Promise.resolve(card()),
    getAuthenticatedExtendedAgentCard: () =>
      Promise.reject(new errors.ExtendedAgentCardNotConfiguredError('there is one card for every caller')),
    sendMessage,
    sendMessageStream,
    getTask: async ({ id, historyLength }: GetTaskRequest) => telling.task(await known(pidOf(id)), historyLength),
    listTasks,
    async cancelTask({ id }: CancelTaskRequest) {
      const { info, events } = await known(pidOf(id))
      if (events.at(-1)?.type === 'process-end')
        throw new errors.TaskNotCancelableError(`task ${info.pid} has ended already`)
      view.kill(info.pid, 'canceled by its client')
      return telling.task(await known(info.pid))
    },
    async *resubscribe({ id }: SubscribeToTaskRequest) {
      const { info, events } = await known(pidOf(id))
      if (events.at(-1)?.type === 'process-end')
        throw new errors.UnsupportedOperationError(`task ${info.pid} has ended; get it instead`)
      yield* stream({ pid: info.pid, isNew: false }, undefined, true)
    },
    createTaskPushNotificationConfig: () => Promise.reject(noPush()),
    getTaskPushNotificationConfig: () => Promise.reject(noPush()),
    listTaskPushNotificationConfigs: () => Promise.reject(noPush()),
    deleteTaskPushNotificationConfig: () => Promise.reject(noPush()),
  }
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
