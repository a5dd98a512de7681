/**
 * The methods by which a client follows its tasks, added to its server: of 2026-07-28 `tasks/get`, `tasks/update` and
 * `tasks/cancel` (SEP-2663), of 2025-11-25 `tasks/get`, `tasks/result`, `tasks/list` and `tasks/cancel`.
 *
 *     addTaskMethods(sdk, server, { kernel, tasks, calls }, client)
 *
 * Invariants
 *   TM1. Every method asks the caller's view: another principal's task is one that is not there.
 *   TM2. What a client is shown of a task counts as learned before it is shown.
 *   TM3. A client that has not declared the extension is refused by name (2026-07-28).
 *   TM4. A wait for a result that ends before its task does, since the server closes or its caller is refused, is told why.
 *   TM5. An update that is told as taken was, and is kept: what has not the shape of an answer, or is none of the choices, is refused whole.
 */
import type { McpServer, ServerContext } from '@modelcontextprotocol/server'
import { z } from 'zod'
import type { ErrorData } from '../../kernel/errors.ts'
import { PolityError, fromErrorData } from '../../kernel/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Question } from '../../kernel/types.ts'
import { isRetryable } from '../status.ts'
import { viewOf } from '../view.ts'
import type { Calls, Client } from './calls.ts'
import { answerIn, formOf, keyOf } from './forms.ts'
import type { ServerSdk } from './sdk.ts'
import { labelsIn } from './labels.ts'
import { RELATED_TASK, TASKS, knowsTasks } from './task-wire.ts'
import type { Task, Tasks } from './tasks.ts'
import { CANCELED } from './tasks.ts'

export interface TaskMethodsOptions {
  readonly kernel: Kernel
  readonly tasks: Tasks
  readonly calls: Calls
}

/** Of a client; whether it can ask its user is told with each request of the later era. */
type Who = Pick<Client, 'caller' | 'standing'> & {
  readonly era: 'legacy' | 'modern'
  readonly canAsk: (context: ServerContext) => boolean
}

const PAGE_SIZE = 50
const named = z.looseObject({ taskId: z.string() })
const paged = z.looseObject({ cursor: z.string().optional() })
const result = z.looseObject({})

export function addTaskMethods(
  { server: sdk }: ServerSdk,
  { server }: McpServer,
  { kernel, tasks, calls }: TaskMethodsOptions,
  { caller, standing, era, canAsk }: Who,
): void {
  const view = viewOf(kernel, caller)
  const isModern = era === 'modern'

  async function find(taskId: string, context: ServerContext): Promise<Task> {
    if (isModern && !knowsTasks(context))
      throw new sdk.MissingRequiredClientCapabilityError(
        { requiredCapabilities: { extensions: { [TASKS]: {} } } },
        `tasks need the extension ${TASKS} in the client's capabilities`,
      )
    const task = await tasks.find(view, taskId)
    if (task === undefined) throw wrong('there is no such task')
    standing.learned(labelsIn(task.events))
    return task
  }

  /** Those that this client is shown, which it has learned then. */
  async function questionsOf({ info, end }: Task, context: ServerContext): Promise<readonly Question[]> {
    if (end !== undefined) return []
    const questions = calls.questionsOf(info.pid, { caller, canAsk: canAsk(context) })
    for (const { pid } of questions) standing.learned(labelsIn(await kernel.events(pid)))
    return questions
  }

  const wrong = (message: string): Error => new sdk.ProtocolError(sdk.ProtocolErrorCode.InvalidParams, message)

  if (isModern) {
    server.registerCapabilities({ extensions: { [TASKS]: {} } })
    server.setRequestHandler('tasks/get', { params: named, result }, async ({ taskId }, context) => {
      const task = await find(taskId, context)
      const questions = await questionsOf(task, context)
      const told = tasks.toCurrent(task, questions)
      const { end } = task
      return {
        ...told,
        ...(told.status === 'completed' ? { result: { ...tasks.result(task), resultType: 'complete' } } : {}),
        ...(told.status === 'failed'
          ? { error: { code: INTERNAL, message: told.statusMessage ?? 'it failed', ...dataOf(end?.error) } }
          : {}),
        ...(end === undefined && questions.length > 0
          ? {
              inputRequests: Object.fromEntries(
                questions.map((one) => [keyOf(one), sdk.inputRequired.elicit(formOf(one))]),
              ),
            }
          : {}),
      }
    })
    server.setRequestHandler('tasks/update', { params: named, result }, async ({ taskId }, context) => {
      const task = await find(taskId, context)
      const { inputResponses = {}, droppedInputResponseKeys: [strange] = [] } = context.mcpReq
      if (strange !== undefined || Object.keys(inputResponses).length === 0)
        throw wrong(
          `inputResponses takes ${EXPECTED} by the key of its question${strange === undefined ? '' : `, which ${JSON.stringify(strange.slice(0, 80))} has not`}`,
        )
      // All of them are looked at before the first is an answer; what is not asked, or no longer, is passed over (SEP-2663).
      const answers = (await questionsOf(task, context)).flatMap((question) => {
        const key = keyOf(question)
        if (!Object.hasOwn(inputResponses, key)) return []
        const said = sdk.inputResponse(inputResponses, key)
        if (said.kind !== 'elicit') throw wrong(`${key} takes ${EXPECTED}`)
        const text = answerIn(said, question)
        if (said.action === 'accept' && (text === undefined || question.choices?.includes(text) === false))
          throw wrong(`${key} takes as content.answer ${question.choices?.join(', ') ?? 'a text'}`)
        return [{ question, text }]
      })
      for (const { question, text } of answers) answer(question, text)
      await kernel.flush()
      return {}
    })
    server.setRequestHandler('tasks/cancel', { params: named, result }, async ({ taskId }, context) => {
      const { info } = await find(taskId, context)
      view.kill(info.pid, CANCELED)
      await kernel.flush()
      return {}
    })
    return
  }

  server.registerCapabilities({ tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } })
  server.setRequestHandler('tasks/get', { params: named, result }, async ({ taskId }, context) => {
    const task = await find(taskId, context)
    return tasks.toEarlier(task, await questionsOf(task, context))
  })
  server.setRequestHandler('tasks/result', { params: named, result }, async ({ taskId }, context) => {
    const gone = calls.goneIn(context)
    const task = await ended(await find(taskId, context), context, gone)
    const value = tasks.result(task)
    // The task goes on, or is resumed: it is the wait that has ended.
    if (task.end === undefined && gone.aborted) {
      const error = calls.whyGone(gone)
      const { code, message } = error
      throw new sdk.ProtocolError(sdk.ProtocolErrorCode.InternalError, `${code}: ${message}`, dataOf(error).data)
    }
    if (value === undefined)
      throw new sdk.ProtocolError(
        sdk.ProtocolErrorCode.InternalError,
        task.end === undefined
          ? 'the task is stopped; its owner can resume it'
          : `${task.end.error?.code}: ${task.end.error?.message}`,
        dataOf(task.end?.error).data,
      )
    return { ...value, _meta: { ...value._meta, [RELATED_TASK]: { taskId } } }
  })
  server.setRequestHandler('tasks/list', { params: paged, result }, async ({ cursor }) => {
    if (cursor !== undefined && !/^[1-9]\d{0,15}$/.test(cursor))
      throw wrong('cursor takes the nextCursor of an earlier answer')
    const all = tasks.list(view)
    const rest = cursor === undefined ? all : all.filter(({ pid }) => pid < Number(cursor))
    const page = rest.slice(0, PAGE_SIZE)
    const told = await Promise.all(
      page.map(async (info) => {
        const { statusMessage: _, ...task } = tasks.toEarlier(await tasks.of(info), [])
        return task
      }),
    )
    return { tasks: told, ...(rest.length > page.length ? { nextCursor: String(page.at(-1)?.pid) } : {}) }
  })
  server.setRequestHandler('tasks/cancel', { params: named, result }, async ({ taskId }, context) => {
    const { info, end } = await find(taskId, context)
    if (end !== undefined) throw wrong('the task has ended already')
    view.kill(info.pid, CANCELED)
    return tasks.toEarlier(await tasks.of(view.info(info.pid)), [])
  })

  /** Waits for the end; the user of the client is asked meanwhile what the task asks. */
  async function ended(task: Task, context: ServerContext, gone: AbortSignal): Promise<Task> {
    const { pid } = task.info
    const passed = new Set<number>()
    const { mcpReq } = context
    let current = task
    while (current.end === undefined && !gone.aborted) {
      const client = { caller, canAsk: canAsk(context) }
      const question = await calls.questionOf(pid, client, passed, context)
      if (question !== undefined) {
        passed.add(question.id)
        standing.learned(labelsIn(await kernel.events(question.pid)))
        const form = { ...formOf(question), _meta: { [RELATED_TASK]: { taskId: String(pid) } } }
        // Who does not answer leaves it in the inbox.
        const said = await mcpReq.elicitInput(form, { relatedRequestId: mcpReq.id }).catch(() => ({}))
        answer(question, answerIn(said, question))
      }
      current = await tasks.of(view.info(pid))
      if (question === undefined) break
    }
    standing.learned(labelsIn(current.events))
    return current
  }

  function answer(question: Question, said: string | undefined): void {
    if (said === undefined) return
    try {
      view.answer(question.id, said)
    } catch (error) {
      // Somebody else was faster, or its time was over; what is not one of the choices leaves it in the inbox.
      if (!PolityError.isInstance(error)) throw error
    }
  }
}

/** What `code: message` alone does not say: whether trying again may help. */
function dataOf(error: ErrorData | undefined): {
  readonly data?: { readonly code: string; readonly retryable: boolean }
} {
  return error === undefined ? {} : { data: { code: error.code, retryable: isRetryable(fromErrorData(error)) } }
}

/** Of a form that was shown. */
const EXPECTED = '{ action: "accept", "decline" or "cancel", content }'

/** JSON-RPC 2.0: internal error. */
const INTERNAL = -32_603
