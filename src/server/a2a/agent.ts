/**
 * One program as an A2A agent, for one caller: what the protocol asks, as calls of the caller's view of the kernel.
 *
 * Invariants
 *   AG1. A caller reaches the tasks that its view shows, and of those only what A2A clients began with this program. Every
 *        other task is as if it were not there.
 *   AG2. A message that came before begins no second task while the first one has a journal: the same id of the same caller
 *        is the same message, and with other words it is refused.
 *   AG3. A message answers a question of the program, from who has the scope `approvals`; no approval is given by one.
 *   AG4. What a client is told to have been done, or to have ended, is kept first.
 */
import type {
  CancelTaskRequest,
  DeleteTaskPushNotificationConfigRequest,
  GetTaskPushNotificationConfigRequest,
  GetTaskRequest,
  ListTaskPushNotificationConfigsRequest,
  ListTasksRequest,
  ListTasksResponse,
  Message,
  SendMessageRequest,
  StreamResponse,
  SubscribeToTaskRequest,
  Task,
  TaskPushNotificationConfig,
} from '@a2a-js/sdk'
import type { A2ARequestHandler, ServerCallContext } from '@a2a-js/sdk/server'
import { sha256 } from '../../kernel/digest.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Pid } from '../../kernel/types.ts'
import { canonical } from '../../policy/canonical.ts'
import { questionsOf } from '../follow.ts'
import type { View } from '../view.ts'
import type { AgentTasks, Told } from './agent-tasks.ts'
import type { Push, PushOwner } from './push.ts'
import type { A2aSdk } from './sdk.ts'
import type { Telling } from './tasks.ts'
import { ANSWERS, contextOf, nameOf, parseName, valueOf } from './tasks.ts'

const PAGE_SIZE = 50
const PAGE_SIZE_MAX = 100

export interface AgentOptions {
  readonly sdk: A2aSdk
  readonly telling: Telling
  readonly kernel: Kernel
  readonly view: View
  /** Its name. */
  readonly program: string
  readonly card: () => ReturnType<A2ARequestHandler['getAgentCard']>
  readonly tasks: AgentTasks
  /** undefined where no webhooks are told. */
  readonly push: Push | undefined
  /** What its configurations are kept for. */
  readonly owner: Omit<PushOwner, 'pid' | 'version'>
}

export function createAgent({
  sdk: { errors, types },
  telling,
  kernel,
  view,
  program,
  card,
  tasks: { found, isTask, known, changes, stream },
  push,
  owner,
}: AgentOptions): A2ARequestHandler {
  // ------------------------------------------------------------------------------------------------------- messages

  async function sendMessage(request: SendMessageRequest, context: ServerCallContext): Promise<Task> {
    const task = await take(request, context)
    const { historyLength, returnImmediately = false } = request.configuration ?? {}
    if (returnImmediately) await kernel.flush()
    else
      for await (const change of changes(task))
        if (change.type === 'standing' && telling.isInterrupted(change.status.state)) break
    return telling.task(await known(task.pid), historyLength)
  }

  async function* sendMessageStream(
    request: SendMessageRequest,
    context: ServerCallContext,
  ): AsyncGenerator<StreamResponse, void, undefined> {
    yield* stream(await take(request, context), { historyLength: request.configuration?.historyLength })
  }

  /** Begins a task, or goes on with one. */
  async function take({ message, configuration }: SendMessageRequest, context: ServerCallContext): Promise<Told> {
    const config = configuration?.taskPushNotificationConfig
    // What is wrong with it is said before anything begins.
    if (config !== undefined) pushes().check(config)
    if (message === undefined) throw new errors.RequestMalformedError('message is missing')
    if (message.role !== types.Role.ROLE_USER)
      throw new errors.RequestMalformedError('message.role takes ROLE_USER: the agent is the one who answers')
    const told = message.taskId === '' ? begin(message) : { pid: await goOn(message), isNew: false }
    if (config !== undefined) pushes().set(ownerOf(told.pid, context), config)
    return told
  }

  function begin({ contextId, messageId, parts }: Message): Told {
    const name = nameOf({ contextId, messageId })
    const value = valueOf(parts)
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

  async function listTasks(request: ListTasksRequest): Promise<ListTasksResponse> {
    const { contextId, status, pageSize = PAGE_SIZE, pageToken, historyLength, statusTimestampAfter } = request
    const withArtifacts = request.includeArtifacts === true
    if (!(pageSize >= 1 && pageSize <= PAGE_SIZE_MAX))
      throw new errors.RequestMalformedError(`pageSize takes 1 to ${PAGE_SIZE_MAX}, not ${pageSize}`)
    if (status === types.TaskState.UNRECOGNIZED)
      throw new errors.RequestMalformedError('status takes a state such as TASK_STATE_WORKING')
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

  function pushes(): Push {
    if (push !== undefined) return push
    throw new errors.PushNotificationNotSupportedError(
      'this server sends no push notifications; follow the task with SubscribeToTask',
    )
  }

  function ownerOf(pid: Pid, { requestedVersion: version }: ServerCallContext): PushOwner {
    return { ...owner, pid, version }
  }

  /** The configurations of a task that this caller reaches. */
  function configsOf(taskId: string): { readonly all: readonly TaskPushNotificationConfig[]; readonly pid: Pid } {
    const own = pushes()
    const { pid } = found(pidOf(taskId)).info
    return { all: own.list({ ...owner, pid }), pid }
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
      yield* stream({ pid: info.pid, isNew: false }, { joins: true })
    },
    async createTaskPushNotificationConfig(config: TaskPushNotificationConfig, context: ServerCallContext) {
      const { pid } = configsOf(config.taskId)
      if ((await known(pid)).events.at(-1)?.type === 'process-end')
        throw new errors.UnsupportedOperationError(`task ${pid} has ended; get it instead`)
      const set = pushes().set(ownerOf(pid, context), config)
      await kernel.flush()
      return set
    },
    async getTaskPushNotificationConfig({ taskId, id }: GetTaskPushNotificationConfigRequest) {
      const { all } = configsOf(taskId)
      // Version 0.3 may name none.
      const config = id === '' ? all[0] : all.find((one) => one.id === id)
      if (config === undefined) throw new errors.TaskNotFoundError(`task ${taskId} has no such push configuration`)
      return config
    },
    async listTaskPushNotificationConfigs({ taskId }: ListTaskPushNotificationConfigsRequest) {
      return { configs: [...configsOf(taskId).all], nextPageToken: '' }
    },
    async deleteTaskPushNotificationConfig({ taskId, id }: DeleteTaskPushNotificationConfigRequest) {
      const { pid } = configsOf(taskId)
      pushes().remove({ ...owner, pid }, id)
      await kernel.flush()
    },
  }
}
