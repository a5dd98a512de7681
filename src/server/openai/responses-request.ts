/**
 * A request of OpenAI's Responses API, and what it asks of the model door. Pure.
 *
 *     const body = parseBody(responsesBody, json)
 *     const { request, messages } = responsesRequest(body, previous, find)
 */
import { z } from 'zod'
import type { Json, Message } from '../../kernel/types.ts'
import type { ModelRequest } from '../model-door.ts'
import {
  allowedFields,
  anyObject,
  choiceMode,
  functionFields,
  harmless,
  imageDetail,
  objectFormat,
  parseAt,
  refusalPart,
  schemaFields,
  sharedFields,
  textFormat,
  unsupported,
  verbosity,
} from './body.ts'
import { badField } from './errors.ts'
import type { FunctionChoice } from './options.ts'
import { requestOf } from './options.ts'
import type { AssistantPart, Conversation, ToolOutput, UserPart } from './prompt.ts'
import { createConversation, filePart, imagePart, parseArguments } from './prompt.ts'

const functionTool = z.strictObject({
  type: z.literal(
    'function',
    'only tools of the type "function" are supported; run other tools yourself, as functions',
  ),
  ...functionFields,
})

const namedFunction = z.strictObject({ type: z.literal('function'), name: z.string() })

const toolChoice = z.union([
  choiceMode,
  z.discriminatedUnion('type', [
    namedFunction,
    z.strictObject({ type: z.literal('allowed_tools'), ...allowedFields(namedFunction) }),
  ]),
])

const format = z.discriminatedUnion('type', [
  textFormat,
  objectFormat,
  z.strictObject({ type: z.literal('json_schema'), ...schemaFields(anyObject) }),
])

/** The body of POST /v1/responses. */
export const responsesBody = z.strictObject({
  ...sharedFields,
  input: z.union([z.string(), z.array(z.looseObject({ type: z.string().nullish() }))]),
  instructions: z.string().nullish(),
  previous_response_id: z.string().nullish(),
  tools: z.array(functionTool).nullish(),
  tool_choice: toolChoice.nullish(),
  text: z.strictObject({ format: format.nullish(), verbosity }).nullish(),
  max_output_tokens: z.int().min(1).nullish(),
  reasoning: z
    .strictObject({
      effort: z.string().nullish(),
      summary: unsupported('answers have no reasoning items', 'auto'),
      generate_summary: unsupported('answers have no reasoning items', 'auto'),
    })
    .nullish(),
  stream_options: z.strictObject({ include_obfuscation: harmless }).nullish(),
  store: z.boolean().nullish(),
  // There are no reasoning items whose content could be included.
  include: z.array(z.literal('reasoning.encrypted_content', 'nothing else can be included')).nullish(),
  // Of tools that the server runs: there are none.
  max_tool_calls: harmless,
  truncation: unsupported('a conversation that does not fit is refused', 'disabled'),
  background: unsupported('', false),
  conversation: unsupported('use previous_response_id'),
  prompt: unsupported('there are no prompt templates'),
  context_management: unsupported('', []),
})

export type ResponsesBody = z.output<typeof responsesBody>

// -------------------------------------------------------------------------------------------------------------- items

const id = z.string().nullish()
const status = harmless

const inputPart = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('input_text'), text: z.string() }),
  z.strictObject({
    type: z.literal('input_image'),
    image_url: z.string(),
    detail: imageDetail,
    file_id: unsupported('no files are kept for models; send image_url'),
  }),
  z.strictObject({
    type: z.literal('input_file'),
    file_data: z.string().nullish(),
    file_url: z.string().nullish(),
    filename: z.string().nullish(),
    detail: harmless,
    file_id: unsupported('no files are kept for models; send file_data or file_url'),
  }),
])

/** Text that a model said, as clients send it back. */
const outputPart = z.discriminatedUnion('type', [
  z.object({ type: z.enum(['output_text', 'input_text']), text: z.string() }),
  refusalPart,
])

const message = z.discriminatedUnion('role', [
  z.strictObject({
    type: z.literal('message').optional(),
    role: z.enum(['user', 'system', 'developer']),
    content: z.union([z.string(), z.array(inputPart).min(1)]),
    id,
    status,
    phase: harmless,
  }),
  z.object({ role: z.literal('assistant'), content: z.union([z.string(), z.array(outputPart)]) }),
])

const functionCall = z.object({
  type: z.literal('function_call'),
  call_id: z.string().min(1),
  name: z.string(),
  arguments: z.string(),
})

const functionCallOutput = z.strictObject({
  type: z.literal('function_call_output'),
  call_id: z.string(),
  output: z.union([z.string(), z.array(inputPart)]),
  name: harmless,
  id,
  status,
})

const itemReference = z.strictObject({ type: z.literal('item_reference').nullish(), id: z.string() })

/** What was kept of an answer: one of its items by id. */
export type FindItem = (id: string) => Json | undefined

/**
 * What the body asks of the model door, and the conversation up to its answer without the instructions, which hold for
 * this request alone. Throws `INVALID_ARGUMENT`.
 */
export function responsesRequest(
  body: ResponsesBody,
  previous: readonly Message[],
  find: FindItem,
): { readonly request: Omit<ModelRequest, 'caller'>; readonly messages: readonly Message[] } {
  const asked = requestOf(body, body.tools ?? [], functionChoice(body.tool_choice), {
    maxOutputTokens: body.max_output_tokens,
    format: body.text?.format ?? undefined,
    reasoningEffort: body.reasoning?.effort,
    verbosity: body.text?.verbosity,
  })
  const conversation = createConversation(previous)
  if (typeof body.input === 'string') conversation.user([{ type: 'text', text: body.input }])
  else for (const [i, item] of body.input.entries()) addItem(conversation, item as Json, `input[${i}]`, find)
  const messages = [...previous, ...conversation.messages]
  if (messages.length === 0) throw badField('input', "'input' has to hold at least one item.")
  const told: readonly Message[] =
    typeof body.instructions === 'string' ? [{ role: 'system', content: body.instructions }, ...messages] : messages
  return { request: { ...asked, messages: told }, messages }
}

function functionChoice(choice: ResponsesBody['tool_choice']): FunctionChoice | undefined {
  if (choice === undefined || choice === null) return undefined
  if (typeof choice === 'string') return choice
  return choice.type === 'function'
    ? { name: choice.name }
    : { mode: choice.mode, names: choice.tools.map((tool) => tool.name) }
}

function addItem(conversation: Conversation, item: Json, at: string, find: FindItem): void {
  const given = item as { readonly type?: string | null; readonly role?: Json; readonly id?: Json }
  const type = given.type ?? ('role' in given ? 'message' : 'item_reference')
  switch (type) {
    case 'message': {
      const read = parseAt(message, item, at)
      if (read.role === 'assistant') return conversation.assistant(saidParts(read.content))
      const parts = userParts(read.content, `${at}.content`)
      if (read.role === 'user') return conversation.user(parts)
      if (parts.some((part) => part.type !== 'text'))
        throw badField(`${at}.content`, `A message with the role '${read.role}' holds text only.`)
      return conversation.system(parts.map((part) => (part.type === 'text' ? part.text : '')).join('\n'))
    }
    case 'function_call': {
      const { call_id, name, arguments: written } = parseAt(functionCall, item, at)
      const part = { type: 'tool-call' as const, toolCallId: call_id, toolName: name, input: parseArguments(written) }
      return conversation.assistant([part], true)
    }
    case 'function_call_output': {
      const { call_id, output } = parseAt(functionCallOutput, item, at)
      if (!conversation.result(call_id, outputOf(output, `${at}.output`)))
        throw badField(
          `${at}.call_id`,
          `No tool call found for function call output with call_id ${call_id}: the call has to stand before its output, or in the response named by previous_response_id.`,
        )
      return
    }
    case 'item_reference': {
      const { id: named } = parseAt(itemReference, item, at)
      const found = find(named)
      if (found === undefined) throw badField(`${at}.id`, `Item with id '${named}' not found.`)
      return addItem(conversation, found, at, find)
    }
    // What another server’s model thought: it cannot be read here, and no answer of ours has any.
    case 'reasoning':
      return
    default:
      throw badField(
        `${at}.type`,
        `Items of the type '${type}' are not supported by this server; it takes message, function_call, function_call_output, item_reference and reasoning.`,
        'unsupported_value',
      )
  }
}

function userParts(content: string | readonly z.output<typeof inputPart>[], at: string): UserPart[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  return content.map((part, i) => {
    if (part.type === 'input_text') return { type: 'text', text: part.text }
    if (part.type === 'input_image') return imagePart(part.image_url, part.detail, `${at}[${i}].image_url`)
    if (typeof part.file_data === 'string') return filePart(part.file_data, part.filename, `${at}[${i}].file_data`)
    if (typeof part.file_url === 'string') return filePart(part.file_url, part.filename, `${at}[${i}].file_url`)
    throw badField(`${at}[${i}]`, `'${at}[${i}]' has to hold file_data or file_url.`, 'missing_required_parameter')
  })
}

function saidParts(content: string | readonly z.output<typeof outputPart>[]): AssistantPart[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  return content.map((part) => ({ type: 'text', text: part.type === 'refusal' ? part.refusal : part.text }))
}

function outputOf(output: string | readonly z.output<typeof inputPart>[], at: string): ToolOutput {
  if (typeof output === 'string') return { type: 'text', value: output }
  return { type: 'content', value: userParts(output, at) }
}
