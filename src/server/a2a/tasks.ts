/**
 * A task of A2A is a process of Polity: how one is told as the other. Everything is read from the journal and the inbox, so
 * a task is the same after a restart, and nothing is kept beside them.
 *
 *     standing          state of the task
 *     running           WORKING
 *     asks a person     INPUT_REQUIRED, answered by the next message on the task, where the caller may answer
 *     asks for approval AUTH_REQUIRED, given through another door (`polity approve`), never by a message
 *     stopped           WORKING: its owner can resume it
 *     done              COMPLETED, with its output as an artifact
 *     failed            FAILED; REJECTED where the law denied it
 *     killed            CANCELED; FAILED where a budget or a limit ended it
 *
 * The name of the process holds what A2A calls the context and the message that began it: `a2a:<context>:<message>`.
 */
import type { Artifact, Message, Part, Task, TaskState, TaskStatus } from '@a2a-js/sdk'
import type { ErrorData } from '../../kernel/errors.ts'
import { PolityError, fromErrorData } from '../../kernel/errors.ts'
import type { JournalEvent, Json, Pid, ProcessEnd, ProcessInfo, Question } from '../../kernel/types.ts'
import { textOf } from '../fields.ts'
import { isRetryable } from '../status.ts'
import type { A2aSdk } from './sdk.ts'

export interface TaskName {
  /** '' where the client gave none. */
  readonly contextId: string
  readonly messageId: string
}

const PREFIX = 'a2a'
const ID = /^[^\p{Cc}\p{Cs}]{1,200}$/u

export function nameOf({ contextId, messageId }: TaskName): string {
  for (const [what, id] of Object.entries({ contextId: contextId || '-', messageId }))
    if (!ID.test(id)) throw new PolityError('INVALID_ARGUMENT', `message.${what} takes 1 to 200 printable characters`)
  return [PREFIX, encodeURIComponent(contextId), encodeURIComponent(messageId)].join(':')
}

/** What the name of a process says; undefined for one that no A2A client began. */
export function parseName(name: string | null): TaskName | undefined {
  const [prefix, context, message, ...rest] = name?.split(':') ?? []
  if (prefix !== PREFIX || context === undefined || message === undefined || rest.length > 0) return undefined
  try {
    return { contextId: decodeURIComponent(context), messageId: decodeURIComponent(message) }
  } catch {
    return undefined
  }
}

/** What is known of a process. */
export interface Known {
  readonly info: ProcessInfo
  readonly name: TaskName
  readonly events: readonly JournalEvent[]
  readonly questions: readonly Question[]
}

/** Metadata of an answer: the id of the message that asked. An answer to a question that waits no more is then refused. */
export const ANSWERS = 'polity/answers'

export interface Telling {
  task(known: Known, historyLength?: number): Task
  /** For tasks that are told without their journal: a list. */
  stateOf(info: ProcessInfo, questions: readonly Question[]): TaskState
  status(
    pid: Pid,
    contextId: string,
    questions: readonly Question[],
    end: ProcessEnd | undefined,
    at: number,
  ): TaskStatus
  artifact(end: ProcessEnd): Artifact | undefined
  /** The artifact of the output, with this as its one part. */
  output(value: Json): Artifact
  progress(pid: Pid, contextId: string, id: string, body: Json, at: number): TaskStatus
  isAnswerable(question: Question): boolean
  isOver(state: TaskState | undefined): boolean
  /** It waits for the next message of its client. */
  isAsking(state: TaskState | undefined): boolean
  /** The client has to do something before it goes on. */
  isInterrupted(state: TaskState | undefined): boolean
}

/** `mayAnswer`: the caller is one who answers questions (scope `approvals`); to others they are as approvals are. */
export function createTelling({ types: { TaskState, Role } }: A2aSdk, mayAnswer: boolean): Telling {
  const isAnswerable = ({ kind }: Question): boolean => mayAnswer && kind === 'ask'

  function stateOf(state: ProcessInfo['state'], error: ErrorData | null, questions: readonly Question[]): TaskState {
    switch (state) {
      case 'running':
      case 'stopped': {
        const [first] = questions
        if (first === undefined) return TaskState.TASK_STATE_WORKING
        return isAnswerable(first) ? TaskState.TASK_STATE_INPUT_REQUIRED : TaskState.TASK_STATE_AUTH_REQUIRED
      }
      case 'done':
        return TaskState.TASK_STATE_COMPLETED
      case 'failed':
        return error?.code === 'ACCESS_DENIED' ? TaskState.TASK_STATE_REJECTED : TaskState.TASK_STATE_FAILED
      case 'killed':
        if (error?.code === 'ACCESS_DENIED') return TaskState.TASK_STATE_REJECTED
        return error?.code === 'KILLED' ? TaskState.TASK_STATE_CANCELED : TaskState.TASK_STATE_FAILED
    }
  }

  function message(
    pid: Pid,
    contextId: string,
    {
      id,
      value,
      isUser = false,
      metadata,
    }: { id: string; value: Json; isUser?: boolean; metadata?: Message['metadata'] },
  ): Message {
    return {
      messageId: id,
      contextId,
      taskId: String(pid),
      role: isUser ? Role.ROLE_USER : Role.ROLE_AGENT,
      parts: [partOf(value)],
      metadata,
      extensions: [],
      referenceTaskIds: [],
    }
  }

  function status(
    pid: Pid,
    contextId: string,
    questions: readonly Question[],
    end: ProcessEnd | undefined,
    at: number,
  ): TaskStatus {
    const [first] = questions
    const state = stateOf(end?.state ?? 'running', end?.error ?? null, questions)
    const say = (id: string, value: Json, metadata?: Message['metadata']): TaskStatus => ({
      state,
      message: message(pid, contextId, { id, value, metadata }),
      timestamp: new Date(at).toISOString(),
    })
    if (end?.error !== undefined)
      return say(`end-${end.seq}`, `${end.error.code}: ${end.error.message}`, {
        code: end.error.code,
        retryable: isRetryable(fromErrorData(end.error)),
      })
    if (end !== undefined || first === undefined)
      return { state, message: undefined, timestamp: new Date(at).toISOString() }
    const { id, text, choices, expiresAt } = first
    return say(`question-${id}`, isAnswerable(first) ? text : `waits for a person: ${text}`, {
      ...(choices === null || !isAnswerable(first) ? {} : { choices }),
      expiresAt: new Date(expiresAt).toISOString(),
    })
  }

  function output(value: Json): Artifact {
    return {
      artifactId: 'output',
      name: 'output',
      description: '',
      parts: [partOf(value)],
      metadata: undefined,
      extensions: [],
    }
  }

  function artifact({ value = null, labels }: ProcessEnd): Artifact | undefined {
    if (value === null) return undefined
    return { ...output(value), metadata: labels === undefined ? undefined : { labels } }
  }

  function history({ info: { pid }, name, events }: Known, contextId: string): Message[] {
    const asked = new Set<number>()
    const told: Message[] = []
    for (const event of events) {
      if (event.type === 'process-start' && event.input !== undefined)
        told.push(message(pid, contextId, { id: name.messageId, value: event.input, isUser: true }))
      if (event.type === 'call-start' && event.call === 'ask') {
        const text = textOf(event.args, 'text')
        // Its arguments were wrong: nobody was asked.
        if (text === undefined) continue
        asked.add(event.n)
        told.push(message(pid, contextId, { id: `${pid}-${event.n}`, value: text }))
      }
      if (event.type === 'call-end' && asked.has(event.n) && typeof event.value === 'string')
        told.push(message(pid, contextId, { id: `${pid}-${event.n}-answer`, value: event.value, isUser: true }))
    }
    return told
  }

  return {
    stateOf: ({ state, error }, questions) => stateOf(state, error, questions),
    status,
    artifact,
    output,
    progress: (pid, contextId, id, body, at) => ({
      state: TaskState.TASK_STATE_WORKING,
      message: message(pid, contextId, { id, value: body }),
      timestamp: new Date(at).toISOString(),
    }),
    task(known, historyLength) {
      const { info, name, events, questions } = known
      const { pid, startedAt, usage } = info
      const contextId = contextOf(pid, name)
      const last = events.at(-1)
      // What is not kept yet is not told: the journal says whether it has ended, and not the table.
      const end = last?.type === 'process-end' ? last : undefined
      const output = end === undefined ? undefined : artifact(end)
      const all = history(known, contextId)
      return {
        id: String(pid),
        contextId,
        status: status(pid, contextId, questions, end, end?.at ?? questions[0]?.askedAt ?? startedAt),
        artifacts: output === undefined ? [] : [output],
        history: historyLength === undefined ? all : historyLength <= 0 ? [] : all.slice(-historyLength),
        metadata: { usage },
      }
    },
    isAnswerable,
    isOver: (state) =>
      state === TaskState.TASK_STATE_COMPLETED ||
      state === TaskState.TASK_STATE_FAILED ||
      state === TaskState.TASK_STATE_CANCELED ||
      state === TaskState.TASK_STATE_REJECTED,
    isAsking: (state) => state === TaskState.TASK_STATE_INPUT_REQUIRED,
    isInterrupted: (state) =>
      state === TaskState.TASK_STATE_INPUT_REQUIRED || state === TaskState.TASK_STATE_AUTH_REQUIRED,
  }
}

/** That of the client, or one that only this task is in. */
export function contextOf(pid: Pid, { contextId }: TaskName): string {
  return contextId === '' ? `task-${pid}` : contextId
}

function partOf(value: Json): Part {
  return typeof value === 'string'
    ? { content: { $case: 'text', value }, metadata: undefined, filename: '', mediaType: 'text/plain' }
    : { content: { $case: 'data', value }, metadata: undefined, filename: '', mediaType: 'application/json' }
}

/** What a message says: its text, or its one piece of data. Throws `INVALID_ARGUMENT`. */
export function valueOf(parts: readonly Part[]): Json {
  const texts: string[] = []
  for (const { content } of parts) {
    if (content?.$case === 'text') texts.push(content.value)
    else if (content?.$case === 'data' && parts.length === 1) return content.value as Json
    else
      throw new PolityError(
        'INVALID_ARGUMENT',
        `message.parts takes parts of text, or one part of data, not ${content?.$case ?? 'an empty part'} among ${parts.length}`,
      )
  }
  if (texts.length === 0) throw new PolityError('INVALID_ARGUMENT', 'message.parts takes at least one part')
  return texts.join('\n')
}
