/**
 * A request of OpenAI's Chat Completions, and what it asks of the model door. Pure.
 *
 *     const body = parseBody(chatBody, json)
 *     models.generate({ caller, ...chatRequest(body) })
 */
import { z } from 'zod'
import type { ModelRequest } from '../model-door.ts'
import {
  allowedFields,
  anyObject,
  choiceMode,
  functionFields,
  harmless,
  imageDetail,
  objectFormat,
  refusalPart,
  schemaFields,
  sharedFields,
  textFormat,
  unsupported,
  verbosity,
} from './body.ts'
import { badField } from './errors.ts'
import type { AnswerFormat, FunctionChoice } from './options.ts'
import { requestOf } from './options.ts'
import type { AssistantPart, UserPart } from './prompt.ts'
import { audioPart, createConversation, filePart, imagePart, parseArguments } from './prompt.ts'

/** Answers that one request may ask for: each is a process of its own. */
const CHOICES_MAX = 16

const textPart = z.strictObject({ type: z.literal('text'), text: z.string() })
/** Text, whole or in parts. */
const text = z.union([z.string(), z.array(textPart).min(1)])
/** Who of several speaks: models are not told. */
const name = harmless

const userPart = z.discriminatedUnion('type', [
  textPart,
  z.strictObject({
    type: z.literal('image_url'),
    image_url: z.strictObject({ url: z.string(), detail: imageDetail }),
  }),
  z.strictObject({
    type: z.literal('input_audio'),
    input_audio: z.strictObject({ data: z.string(), format: z.enum(['wav', 'mp3']) }),
  }),
  z.strictObject({
    type: z.literal('file'),
    file: z.strictObject({
      file_data: z.string(),
      filename: z.string().nullish(),
      file_id: unsupported('no files are kept for models; send file_data'),
    }),
  }),
])

/** Clients send back what they were sent, with what they made of it: other fields of an assistant's message are passed over. */
const assistantMessage = z.object({
  role: z.literal('assistant'),
  content: z
    .union([
      z.string(),
      z.array(z.discriminatedUnion('type', [z.object({ type: z.literal('text'), text: z.string() }), refusalPart])),
    ])
    .nullish(),
  refusal: z.string().nullish(),
  tool_calls: z
    .array(
      z.object({
        id: z.string().min(1),
        type: z.literal('function', 'only calls of functions are supported'),
        function: z.object({ name: z.string(), arguments: z.string() }),
      }),
    )
    .nullish(),
  function_call: unsupported('use tool_calls'),
  audio: unsupported('answers are text'),
})

const message = z.discriminatedUnion('role', [
  z.strictObject({ role: z.enum(['system', 'developer']), content: text, name }),
  z.strictObject({ role: z.literal('user'), content: z.union([z.string(), z.array(userPart).min(1)]), name }),
  assistantMessage,
  z.strictObject({ role: z.literal('tool'), content: text, tool_call_id: z.string(), name }),
])

const functionTool = z.strictObject({
  type: z.literal('function', 'only tools of the type "function" are supported'),
  function: z.strictObject(functionFields),
})

const namedFunction = z.strictObject({ type: z.literal('function'), function: z.strictObject({ name: z.string() }) })

const toolChoice = z.union([
  choiceMode,
  z.discriminatedUnion('type', [
    namedFunction,
    z.strictObject({
      type: z.literal('allowed_tools'),
      allowed_tools: z.strictObject(allowedFields(namedFunction)),
    }),
  ]),
])

const responseFormat = z.discriminatedUnion('type', [
  textFormat,
  objectFormat,
  z.strictObject({ type: z.literal('json_schema'), json_schema: z.strictObject(schemaFields(anyObject.optional())) }),
])

/** The body of POST /v1/chat/completions. */
export const chatBody = z.strictObject({
  ...sharedFields,
  messages: z.array(message).min(1),
  tools: z.array(functionTool).nullish(),
  tool_choice: toolChoice.nullish(),
  response_format: responseFormat.nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  n: z.int().min(1).max(CHOICES_MAX).nullish(),
  seed: z.int().nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(4)]).nullish(),
  stream_options: z.strictObject({ include_usage: z.boolean().nullish(), include_obfuscation: harmless }).nullish(),
  reasoning_effort: z.string().nullish(),
  verbosity,
  store: unsupported('chat completions are not kept; the Responses API keeps them for an hour', false),
  modalities: unsupported('answers are text', ['text']),
  audio: unsupported('answers are text'),
  frequency_penalty: unsupported('', 0),
  presence_penalty: unsupported('', 0),
  logit_bias: unsupported('', {}),
  logprobs: unsupported('no model here tells its probabilities', false),
  prediction: unsupported(''),
  web_search_options: unsupported('give the model a tool that searches'),
  function_call: unsupported('use tool_choice'),
  functions: unsupported('use tools', []),
})

export type ChatBody = z.output<typeof chatBody>

/** What the body asks of the model door. Throws `INVALID_ARGUMENT`. */
export function chatRequest(body: ChatBody): Omit<ModelRequest, 'caller'> {
  const tools = (body.tools ?? []).map((tool) => tool.function)
  const asked = requestOf(body, tools, functionChoice(body.tool_choice), {
    seed: body.seed,
    maxOutputTokens: outputLimit(body),
    stop: typeof body.stop === 'string' ? [body.stop] : body.stop,
    format: answerFormat(body.response_format),
    reasoningEffort: body.reasoning_effort,
    verbosity: body.verbosity,
  })
  return Object.assign(asked, { messages: messagesOf(body.messages) })
}

function outputLimit({ max_tokens, max_completion_tokens }: ChatBody): number | null | undefined {
  const both = typeof max_tokens === 'number' && typeof max_completion_tokens === 'number'
  if (both && max_tokens !== max_completion_tokens)
    throw badField('max_tokens', "'max_tokens' and 'max_completion_tokens' say different things; give one.")
  return max_completion_tokens ?? max_tokens
}

function functionChoice(choice: ChatBody['tool_choice']): FunctionChoice | undefined {
  if (choice === undefined || choice === null) return undefined
  if (typeof choice === 'string') return choice
  if (choice.type === 'function') return { name: choice.function.name }
  const { mode, tools } = choice.allowed_tools
  return { mode, names: tools.map((tool) => tool.function.name) }
}

function answerFormat(format: ChatBody['response_format']): AnswerFormat | undefined {
  if (format === undefined || format === null) return undefined
  if (format.type !== 'json_schema') return format
  const { schema = { type: 'object' }, strict } = format.json_schema
  return { type: 'json_schema', schema, strict }
}

function messagesOf(messages: ChatBody['messages']): ModelRequest['messages'] {
  const conversation = createConversation()
  for (let i = 0; i < messages.length; i++) {
    const one = messages[i] as ChatBody['messages'][number]
    switch (one.role) {
      case 'system':
      case 'developer':
        conversation.system(joined(one.content))
        break
      case 'user':
        conversation.user(userParts(one.content, i))
        break
      case 'assistant':
        conversation.assistant(assistantParts(one))
        break
      case 'tool':
        if (!conversation.result(one.tool_call_id, { type: 'text', value: joined(one.content) }))
          throw badField(
            `messages[${i}].tool_call_id`,
            `No message before messages[${i}] has a tool call with the id '${one.tool_call_id}': a message with the role 'tool' answers a call of an assistant's message.`,
          )
    }
  }
  return conversation.messages
}

function joined(content: z.output<typeof text>): string {
  return typeof content === 'string' ? content : content.map((part) => part.text).join('\n')
}

function userParts(content: string | readonly z.output<typeof userPart>[], place: number): UserPart[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  return content.map((part, i) => {
    const at = `messages[${place}].content[${i}]`
    switch (part.type) {
      case 'text':
        return { type: 'text', text: part.text }
      case 'image_url':
        return imagePart(part.image_url.url, part.image_url.detail, `${at}.image_url.url`)
      case 'input_audio':
        return audioPart(part.input_audio.data, part.input_audio.format)
      case 'file':
        return filePart(part.file.file_data, part.file.filename, `${at}.file.file_data`)
    }
  })
}

function assistantParts({ content, refusal, tool_calls }: z.output<typeof assistantMessage>): AssistantPart[] {
  const parts: AssistantPart[] = []
  const say = (said: string): void => void (said !== '' && parts.push({ type: 'text', text: said }))
  if (typeof content === 'string') say(content)
  else for (const part of content ?? []) say(part.type === 'text' ? part.text : part.refusal)
  say(refusal ?? '')
  for (const call of tool_calls ?? [])
    parts.push({
      type: 'tool-call',
      toolCallId: call.id,
      toolName: call.function.name,
      input: parseArguments(call.function.arguments),
    })
  return parts
}
