/**
 * What a message says of tasks that the SDK does not carry to a handler, in both forms that MCP has of them:
 *
 *     revision 2025-11-25         the client asks for a task: `params.task` of tools/call (experimental there)
 *     revision 2026-07-28         the server decides, for clients that declare the extension io.modelcontextprotocol/tasks
 *                                 (SEP-2663) in the capabilities that come with each request
 *
 *     const marked = withTaskMark(body)                 // before the SDK reads it
 *     isTaskAsked(context), knowsTasks(context)         // in a handler
 *
 * Both are told by a client alone, so they grant nothing: a call that becomes a task is the same process under the same law.
 */
import type { ClientCapabilities, ServerContext } from '@modelcontextprotocol/server'
import type { Json } from '../../kernel/types.ts'
import { fieldOf, textOf } from '../fields.ts'

/** Name of the extension (SEP-2663). */
export const TASKS = 'io.modelcontextprotocol/tasks'
/** Of what a result, a request or a notice belongs to (2025-11-25, tasks). */
export const RELATED_TASK = 'io.modelcontextprotocol/related-task'
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities'
/** Where the task that a client asks for is put, so that it reaches the handler of a tool. */
const MARK = 'polity/task'

/** Whether a call may become a task (`execution.taskSupport` of 2025-11-25). */
export type TaskSupport = 'required' | 'optional' | 'forbidden'

/** The message, or each of a batch, with what it says of a task where a handler finds it. */
export function withTaskMark<Message>(message: Message): Message {
  if (Array.isArray(message)) return message.map(withTaskMark) as Message
  const given = message as unknown as Json
  const params = fieldOf(given, 'params')
  const task = fieldOf(params, 'task')
  if (textOf(given, 'method') !== 'tools/call' || typeof task !== 'object' || task === null) return message
  const meta = fieldOf(params, '_meta')
  const own = typeof meta === 'object' && meta !== null && !Array.isArray(meta) ? meta : {}
  return { ...message, params: { ...(params as object), _meta: { ...own, [MARK]: task } } }
}

/** The client of the earlier form asks for a task. */
export function isTaskAsked({ mcpReq }: ServerContext): boolean {
  return mcpReq._meta?.[MARK] !== undefined
}

/** What a client of the later era says with a request that it can do. */
export function capabilitiesIn({ mcpReq }: ServerContext): ClientCapabilities | undefined {
  return (mcpReq.envelope as { readonly [key: string]: ClientCapabilities } | undefined)?.[CAPABILITIES]
}

/** The client of the later form takes a task in place of a result. */
export function knowsTasks(context: ServerContext): boolean {
  return declares(capabilitiesIn(context) as Json | undefined)
}

/**
 * Why a call of a tool that runs as a task only is refused; undefined where it is not, or the message is none. A handler of a
 * tool cannot answer with an error of the protocol, so it is looked for before. In a batch each call is refused by its handler.
 */
export function taskRefusal(
  message: Json | undefined,
  isModern: boolean,
  supportOf: (tool: string) => TaskSupport | undefined,
): { readonly code: number; readonly message: string; readonly data?: Json } | undefined {
  if (textOf(message, 'method') !== 'tools/call') return undefined
  const params = fieldOf(message, 'params')
  const tool = textOf(params, 'name')
  if (tool === undefined || supportOf(tool) !== 'required') return undefined
  const text = `tool ${tool} runs as a task only; `
  if (!isModern)
    return fieldOf(params, 'task') === undefined
      ? { code: METHOD_NOT_FOUND, message: `${text}send params.task with the call` }
      : undefined
  if (declares(fieldOf(fieldOf(params, '_meta'), CAPABILITIES))) return undefined
  return {
    code: MISSING_CAPABILITY,
    message: `${text}declare the extension ${TASKS} in the client's capabilities`,
    data: { requiredCapabilities: { extensions: { [TASKS]: {} } } },
  }
}

function declares(capabilities: Json | undefined): boolean {
  return fieldOf(fieldOf(capabilities, 'extensions'), TASKS) !== undefined
}

/** 2025-11-25, tasks: what a call without a task gets where one is required. */
const METHOD_NOT_FOUND = -32_601
/** 2026-07-28: MissingRequiredClientCapability. */
const MISSING_CAPABILITY = -32_021
