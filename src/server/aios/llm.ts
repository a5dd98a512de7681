/**
 * Queries to a model: chat, JSON, tool calls that the client makes, tool calls that the kernel makes, and file operations
 * in plain words.
 *
 *     const body = await answerLlm(session, query, { choices, files })
 *
 * What AIOS reads and drops is honoured: temperature, max_new_tokens, response_format, and the text that comes beside tool
 * calls. A failure of a provider is an answer, with the error inside, as in AIOS.
 *
 * Invariants
 *   AL1. A tool's name comes back as the client wrote it, whatever the provider was told.
 *   AL2. Every call that the model makes is answered for; AIOS runs the first only.
 */
import { PolityError, fieldOf } from '../../kernel/errors.ts'
import type { ErrorData } from '../../kernel/errors.ts'
import type { GenerateRequest, Json, Message, ToolDescription } from '../../kernel/types.ts'
import type { ModelReply } from '../model-door.ts'
import type { AnswerFormat } from '../openai/options.ts'
import { describedTool, settingsOf } from '../openai/options.ts'
import type { AssistantPart, UserPart } from '../openai/prompt.ts'
import { createConversation, imagePart, parseArguments } from '../openai/prompt.ts'
import { statusTable } from '../status.ts'
import { coresOf } from './choice.ts'
import type { Files } from './files.ts'
import { fileTools } from './files.ts'
import type { LlmChoice, LlmQuery, Times } from './query.ts'
import { envelope } from './query.ts'
import type { Session } from './session.ts'
import { callTools, toolResponse } from './tools.ts'

/** What AIOS says where a model that was asked for is not there. */
const NOT_AVAILABLE = 'Selected LLMs are not all available. Please check the available LLMs.'

/** The body of the answer. */
export async function answerLlm(
  session: Session,
  query: LlmQuery,
  { choices, files }: { readonly choices: readonly LlmChoice[]; readonly files: Files },
): Promise<Json> {
  const cores = coresOf(choices, session.models.models)
  if (cores === undefined) return envelope(llmResponse({ error: NOT_AVAILABLE, status_code: 500 }), [])
  const tools =
    query.action_type === 'operate_file' ? fileTools : (query.tools ?? []).map((tool) => describedTool(tool.function))
  const names = wireNames(tools)
  const request = {
    ...(cores.length === 0 ? {} : { model: cores }),
    messages: messagesOf(query.messages, names),
    settings: modelSettings(query, choices),
    tools: tools.map((tool) => ({ ...tool, name: names.get(tool.name) as string })),
  }
  try {
    switch (query.action_type) {
      case 'operate_file':
        return await operateFiles(session, request, names, files)
      case 'call_tool':
        return await generateAndCall(session, request, names)
      default:
        return await chat(session, request, names)
    }
  } catch (error) {
    if (!PolityError.isInstance(error) || session.signal.aborted || error.code === 'INVALID_ARGUMENT') throw error
    if (query.action_type === 'operate_file') return `Error: ${error.message}`
    const said = fieldOf(error.detail, 'statusCode')
    const status = typeof said === 'number' ? said : statusTable[error.code]
    return envelope(llmResponse({ error: error.message, status_code: status }), [])
  }
}

interface Request {
  readonly model?: readonly string[]
  readonly messages: readonly Message[]
  readonly tools: readonly ToolDescription[]
  readonly settings: NonNullable<Parameters<Session['models']['generate']>[0]['settings']>
}

async function generate(session: Session, request: Request): Promise<{ reply: ModelReply; times: readonly Times[] }> {
  const { models, caller, signal } = session
  const reply = await models.generate({ caller, ...request }, { signal })
  return { reply, times: await modelTimes(session, reply.pid) }
}

/** When the model calls of a process waited and ran, by its journal; none where that is gone already. */
async function modelTimes({ kernel }: Session, pid: number): Promise<readonly Times[]> {
  const created = new Map<number, number>()
  const times: Times[] = []
  for (const event of await kernel.events(pid)) {
    if (event.type === 'call-start' && event.call === 'generate') created.set(event.n, event.at)
    const createdMs = event.type === 'call-end' ? created.get(event.n) : undefined
    if (event.type !== 'call-end' || createdMs === undefined) continue
    times.push({ createdMs, startMs: createdMs + (event.waitedMs ?? 0), endMs: event.at })
  }
  return times
}

// --------------------------------------------------------------------------------------------------------------- chat

async function chat(session: Session, request: Request, names: ReadonlyMap<string, string>): Promise<Json> {
  const { reply, times } = await generate(session, request)
  const { text } = reply.generation
  const hasTools = request.tools.length > 0
  const calls = reply.toolCalls.map((call) => ({
    name: writtenName(names, call.name),
    parameters: call.input,
    id: call.id,
  }))
  // Nothing is to be said about calls that the law denied but why: the client did not hear of them.
  const denied = calls.length === 0 && text === '' ? deniedBy(reply) : undefined
  const response = llmResponse({
    response_message: text === '' && hasTools ? null : text,
    tool_calls: hasTools ? calls : null,
    ...(denied === undefined ? {} : { error: denied.message, status_code: statusTable[denied.code] }),
  })
  return envelope(response, times)
}

function deniedBy({ denied }: ModelReply): ErrorData | undefined {
  return denied[0]?.error
}

function llmResponse(of: {
  readonly response_message?: string | null
  readonly tool_calls?: Json
  readonly error?: string
  readonly status_code?: number
}): Json {
  return {
    response_class: 'llm',
    response_message: of.response_message ?? null,
    tool_calls: of.tool_calls ?? null,
    finished: true,
    error: of.error ?? null,
    status_code: of.status_code ?? 200,
  }
}

// ---------------------------------------------------------------------------------------------------------- call_tool

/** The model chooses, the kernel calls. */
async function generateAndCall(session: Session, request: Request, names: ReadonlyMap<string, string>): Promise<Json> {
  const { reply, times } = await generate(session, request)
  const denied = deniedBy(reply)
  if (reply.toolCalls.length === 0) {
    if (denied !== undefined) return envelope(toolResponse([{ error: denied }]), times)
    // As AIOS answers it: without the envelope.
    return {
      response_class: 'tool',
      response_message: 'No tool was called by LLM',
      finished: false,
      error: null,
      status_code: 200,
    }
  }
  const calls = reply.toolCalls.map(({ name, input }) => ({ name: writtenName(names, name), parameters: input }))
  const called = await callTools(session, calls, reply.pid)
  return envelope(toolResponse(called.results), [...times, called.times])
}

// -------------------------------------------------------------------------------------------------------- operate_file

/** Plain words become file operations, and these a sentence. The answer is a bare text, as AIOS's terminal expects it. */
async function operateFiles(
  session: Session,
  request: Request,
  names: ReadonlyMap<string, string>,
  files: Files,
): Promise<string> {
  const { reply } = await generate(session, request)
  if (reply.toolCalls.length === 0) return reply.generation.text || (deniedBy(reply)?.message ?? '')
  const conversation = createConversation(request.messages)
  const asked: AssistantPart[] = reply.toolCalls.map(({ id, name, input }) => ({
    type: 'tool-call',
    toolCallId: id,
    toolName: name,
    input,
  }))
  conversation.assistant(asked)
  const texts: string[] = []
  for (const { id, name, input } of reply.toolCalls) {
    const { text } = await files.operate(session, writtenName(names, name), paramsOf(input))
    texts.push(text)
    conversation.result(id, { type: 'text', value: text })
  }
  const { reply: summary } = await generate(session, {
    ...request,
    messages: [...request.messages, ...conversation.messages],
    settings: { ...request.settings, toolChoice: { type: 'none' } },
  })
  return summary.generation.text || texts.join('\n')
}

function paramsOf(input: Json): { readonly [key: string]: Json } {
  return typeof input === 'object' && input !== null && !Array.isArray(input) ? (input as { [key: string]: Json }) : {}
}

// -------------------------------------------------------------------------------------------------- what a query means

function modelSettings(query: LlmQuery, choices: readonly LlmChoice[]): Request['settings'] {
  // The SDK always sends a temperature and a length, its defaults; what stands beside an LLM was meant.
  const chosen = (key: 'temperature' | 'max_new_tokens'): number | null =>
    choices.find((choice) => typeof choice[key] === 'number')?.[key] ?? query[key] ?? null
  return settingsOf({
    temperature: chosen('temperature'),
    maxOutputTokens: chosen('max_new_tokens'),
    format: formatOf(query),
  })
}

function formatOf({ response_format: format, action_type, message_return_type }: LlmQuery): AnswerFormat | undefined {
  const given = format?.['json_schema'] as { readonly schema?: Json; readonly strict?: Json } | null | undefined
  if (format?.type === 'json_schema' && typeof given?.schema === 'object' && given.schema !== null)
    return {
      type: 'json_schema',
      schema: given.schema as NonNullable<GenerateRequest['schema']>,
      strict: given.strict === true,
    }
  const isJson =
    action_type === 'chat_with_json_output' || message_return_type === 'json' || format?.type === 'json_object'
  return isJson ? { type: 'json_object' } : undefined
}

/** By the name that the client wrote, the name that the model is told: most providers take no slash. */
function wireNames(tools: readonly ToolDescription[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>()
  const taken = new Set<string>()
  for (const { name: written } of tools) {
    if (names.has(written))
      throw new PolityError('INVALID_ARGUMENT', `two tools are named "${written}"; names must differ`)
    let name = written.replaceAll('/', '__')
    while (taken.has(name)) name += '_'
    taken.add(name)
    names.set(written, name)
  }
  return names
}

function writtenName(names: ReadonlyMap<string, string>, told: string): string {
  for (const [written, wire] of names) if (wire === told) return written
  return told
}

/** Messages in OpenAI's form, read kindly: agents put together what they send by hand. */
function messagesOf(messages: LlmQuery['messages'], names: ReadonlyMap<string, string>): readonly Message[] {
  const conversation = createConversation()
  for (const [i, message] of messages.entries()) {
    const at = `messages[${i}]`
    switch (message.role) {
      case 'system':
      case 'developer':
        conversation.system(textOf(message['content'], at))
        break
      case 'user':
        conversation.user(userParts(message['content'], at))
        break
      case 'assistant':
        conversation.assistant(assistantParts(message, at, names))
        break
      case 'tool':
        if (
          !conversation.result(String(message['tool_call_id']), { type: 'text', value: textOf(message['content'], at) })
        )
          throw wrong(at, 'a tool_call_id of a call that an assistant’s message before it has')
        break
      default:
        throw wrong(`${at}.role`, '"system", "user", "assistant" or "tool"')
    }
  }
  return conversation.messages
}

function textOf(content: unknown, at: string): string {
  if (typeof content === 'string') return content
  if (content === null || content === undefined) return ''
  return userParts(content, at)
    .map((part) => {
      if (part.type === 'text') return part.text
      throw wrong(`${at}.content`, 'text')
    })
    .join('\n')
}

function userParts(content: unknown, at: string): UserPart[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  if (!Array.isArray(content)) throw wrong(`${at}.content`, 'text or a list of parts')
  return content.map((part: Record<string, unknown> | null, i) => {
    if (part?.['type'] === 'text' && typeof part['text'] === 'string') return { type: 'text', text: part['text'] }
    const image = part?.['type'] === 'image_url' ? part['image_url'] : undefined
    const url = typeof image === 'string' ? image : (image as { url?: unknown } | undefined)?.url
    if (typeof url !== 'string') throw wrong(`${at}.content[${i}]`, 'a part of the type "text" or "image_url"')
    return imagePart(url, undefined, `${at}.content[${i}]`)
  })
}

/** Calls as OpenAI has them, or as AIOS answers them. */
function assistantParts(
  message: { readonly [key: string]: unknown },
  at: string,
  names: ReadonlyMap<string, string>,
): AssistantPart[] {
  const text = textOf(message['content'], at)
  const parts: AssistantPart[] = text === '' ? [] : [{ type: 'text', text }]
  const calls = message['tool_calls'] ?? []
  if (!Array.isArray(calls)) throw wrong(`${at}.tool_calls`, 'a list')
  for (const call of calls as Record<string, unknown>[]) {
    const { name, arguments: written } = (call['function'] ?? {
      name: call['name'],
      arguments: call['parameters'],
    }) as {
      readonly name?: unknown
      readonly arguments?: unknown
    }
    if (typeof call['id'] !== 'string' || typeof name !== 'string')
      throw wrong(`${at}.tool_calls`, 'calls with an id and the name of a function')
    const input = typeof written === 'string' ? parseArguments(written) : ((written ?? {}) as Json)
    parts.push({
      type: 'tool-call',
      toolCallId: call['id'],
      toolName: names.get(name) ?? name.replaceAll('/', '__'),
      input,
    })
  }
  return parts
}

function wrong(at: string, expected: string): PolityError {
  return new PolityError('INVALID_ARGUMENT', `${at} takes ${expected}`)
}
