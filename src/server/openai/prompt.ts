/**
 * Parts of messages in the form of the AI SDK's prompts, which is the kernel's: texts, images, files, tool calls and
 * their results. Pure; nothing is fetched: an address goes to the provider as it is.
 */
import type { LanguageModelV4Message } from '@ai-sdk/provider'
import type { Json, Message } from '../../kernel/types.ts'
import { badField } from './errors.ts'

type Parts<Role extends 'user' | 'assistant' | 'tool'> = Extract<LanguageModelV4Message, { role: Role }>['content']
export type UserPart = Parts<'user'>[number]
export type AssistantPart = Parts<'assistant'>[number]
type FilePart = Extract<UserPart, { type: 'file' }>
export type ToolOutput = Extract<Parts<'tool'>[number], { type: 'tool-result' }>['output']

/** An image by its address or as a data URL. Throws `INVALID_ARGUMENT` at `param`. */
export function imagePart(url: string, detail: string | null | undefined, param: string): FilePart {
  const part = url.startsWith('data:')
    ? dataPart(url, param, 'image/')
    : { type: 'file' as const, mediaType: 'image', data: addressOf(url, param) }
  return typeof detail === 'string' && detail !== 'auto'
    ? { ...part, providerOptions: { openai: { imageDetail: detail } } }
    : part
}

/** A file as a data URL or by its address. Throws `INVALID_ARGUMENT` at `param`. */
export function filePart(url: string, filename: string | null | undefined, param: string): FilePart {
  const part = url.startsWith('data:')
    ? dataPart(url, param, '')
    : { type: 'file' as const, mediaType: 'application/pdf', data: addressOf(url, param) }
  return typeof filename === 'string' ? { ...part, filename } : part
}

/** Sound, base64. */
export function audioPart(data: string, format: 'wav' | 'mp3'): FilePart {
  return { type: 'file', mediaType: format === 'mp3' ? 'audio/mpeg' : 'audio/wav', data: { type: 'data', data } }
}

function dataPart(url: string, param: string, kind: string): FilePart {
  const comma = url.indexOf(',')
  const [mediaType = '', ...marks] = url.slice('data:'.length, comma).split(';')
  if (comma < 0 || !marks.includes('base64') || !mediaType.includes('/') || !mediaType.startsWith(kind))
    throw badField(param, `Invalid '${param}': expected a data URL such as data:${kind || 'application/'}…;base64,….`)
  return { type: 'file', mediaType, data: { type: 'data', data: url.slice(comma + 1) } }
}

/** An address as text: what crosses the gate of the kernel is plain data, and providers write it out anyway. */
function addressOf(url: string, param: string): Extract<FilePart['data'], { type: 'url' }> {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url))
    throw badField(
      param,
      `Invalid '${param}': expected an address that begins with http:// or https://, or a data URL.`,
    )
  return { type: 'url', url: url as unknown as URL }
}

/** The arguments of a call as they were written: JSON where they are, else the text that the model wrote. */
export function parseArguments(text: string): Json {
  if (text === '') return {}
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}

/** The arguments of a call as OpenAI's form has them. */
export function writeArguments(input: Json): string {
  return typeof input === 'string' ? input : JSON.stringify(input)
}

/** A conversation as it is put together: what belongs to one message of the kernel's form is joined in one. */
export interface Conversation {
  readonly messages: readonly Message[]
  system(text: string): void
  user(parts: readonly UserPart[]): void
  /** `joins`: into the message before it, where that is also the assistant's. */
  assistant(parts: readonly AssistantPart[], joins?: boolean): void
  /** Returns false where no call before it has that id. */
  result(toolCallId: string, output: ToolOutput): boolean
}

/** A conversation that goes on from `before`. */
export function createConversation(before: readonly Message[] = []): Conversation {
  const messages: Message[] = []
  const toolNames = new Map<string, string>()
  /** The last message, while it can still grow. */
  let growing: { role: 'assistant' | 'tool'; content: unknown[] } | undefined
  const know = (content: Message['content']): void => {
    if (typeof content === 'string') return
    for (const part of content) if (part.type === 'tool-call') toolNames.set(part.toolCallId, part.toolName)
  }
  for (const message of before) if (message.role === 'assistant') know(message.content)

  function grow(role: 'assistant' | 'tool', content: readonly unknown[]): void {
    growing = { role, content: [...content] }
    messages.push(growing as unknown as Message)
  }

  return {
    messages,
    system(text) {
      growing = undefined
      messages.push({ role: 'system', content: text })
    },
    user(parts) {
      growing = undefined
      messages.push({ role: 'user', content: [...parts] })
    },
    assistant(parts, joins = false) {
      know([...parts])
      if (joins && growing?.role === 'assistant') growing.content.push(...parts)
      else grow('assistant', parts)
    },
    result(toolCallId, output) {
      const toolName = toolNames.get(toolCallId)
      if (toolName === undefined) return false
      const part = { type: 'tool-result', toolCallId, toolName, output }
      if (growing?.role === 'tool') growing.content.push(part)
      else grow('tool', [part])
      return true
    },
  }
}
