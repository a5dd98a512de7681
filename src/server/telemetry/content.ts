/**
 * Messages in the form that the GenAI conventions give them, as JSON: what is exported only where content was asked for.
 *
 *     inputMessages(expandMessages(start, starts))       // { system, input }
 *     outputMessage(generation)
 *
 * Invariant
 *   CO1. No attribute is longer than ATTRIBUTE_CHARS_MAX: texts are cut, and of a long conversation the oldest messages
 *        left out, so that it stays JSON and a full queue stays small.
 */
import type { LanguageModelV4Message } from '@ai-sdk/provider'
import type { FinishReason, Generation, Json } from '../../kernel/types.ts'

/** Characters of one attribute. */
const ATTRIBUTE_CHARS_MAX = 32_768
/** Characters of one text in it. */
const TEXT_CHARS_MAX = 8_192

interface Part {
  readonly type: string
  readonly [key: string]: Json | undefined
}

interface ConventionMessage {
  readonly role: string
  readonly parts: readonly Part[]
  readonly finish_reason?: string
}

/** What a model was told, apart from what it was told before everything else. */
export function inputMessages(messages: readonly LanguageModelV4Message[]): {
  readonly system: string | undefined
  readonly input: string
} {
  const system = messages.flatMap(({ role, content }) =>
    role === 'system' ? [{ type: 'text', content: cut(content) }] : [],
  )
  const others = messages.filter(({ role }) => role !== 'system')
  return {
    system: system.length === 0 ? undefined : newest(system),
    input: newest(others.map((message) => ({ role: message.role, parts: partsOf(message.content) }))),
  }
}

/** What a model answered. */
export function outputMessage({ message, finishReason }: Generation): string {
  return newest([{ role: 'assistant', parts: partsOf(message.content), finish_reason: finishReasonOf(finishReason) }])
}

/** What a program was given, or returned, as a message. */
export function messageOf(role: 'user' | 'assistant', value: Json): string {
  const message: ConventionMessage = {
    role,
    parts: [{ type: 'text', content: cut(typeof value === 'string' ? value : JSON.stringify(value)) }],
  }
  return newest([role === 'assistant' ? { ...message, finish_reason: 'stop' } : message])
}

/** Arguments or a result, as JSON. */
export function valueOf(value: Json): string {
  const text = JSON.stringify(value)
  return text.length <= ATTRIBUTE_CHARS_MAX ? text : JSON.stringify(cut(text))
}

/** The word that the conventions have for it. */
export function finishReasonOf(reason: FinishReason): string {
  if (reason === 'content-filter') return 'content_filter'
  return reason === 'tool-calls' ? 'tool_call' : reason
}

function partsOf(content: unknown): readonly Part[] {
  if (typeof content === 'string') return [{ type: 'text', content: cut(content) }]
  return (content as readonly { readonly type: string; readonly [key: string]: Json | undefined }[]).map((part) => {
    switch (part.type) {
      case 'text':
      case 'reasoning':
        return { type: part.type, content: cut(String(part['text'])) }
      case 'tool-call':
        return { type: 'tool_call', id: part['toolCallId'], name: part['toolName'], arguments: small(part['input']) }
      case 'tool-result':
        return { type: 'tool_call_response', id: part['toolCallId'], response: small(part['output']) }
      default:
        // Files and what else there is: that they were there, not what is in them.
        return { type: part.type, mime_type: part['mediaType'] }
    }
  })
}

function small(value: Json | undefined): Json {
  const text = JSON.stringify(value ?? null)
  return text.length <= TEXT_CHARS_MAX ? (value ?? null) : cut(text)
}

/** As JSON, without the oldest where all are too long; the newest is always there, with the last parts that have room. */
function newest(entries: readonly (ConventionMessage | Part)[]): string {
  const kept = newestOf(entries, ATTRIBUTE_CHARS_MAX)
  const last = entries.at(-1)
  if (kept.length > 0 || last === undefined || !('parts' in last)) return `[${kept.join(',')}]`
  const parts = (last as ConventionMessage).parts
  const room = newestOf(parts, ATTRIBUTE_CHARS_MAX - JSON.stringify([{ ...last, parts: [] }]).length).length
  return JSON.stringify([{ ...last, parts: parts.slice(parts.length - room) }])
}

/** Each as JSON: as many of the last as a list of so many characters has room for. */
function newestOf(entries: readonly object[], charsMax: number): readonly string[] {
  const kept: string[] = []
  let length = 2
  for (const entry of entries.toReversed()) {
    const text = JSON.stringify(entry)
    length += text.length + 1
    if (length > charsMax) break
    kept.unshift(text)
  }
  return kept
}

function cut(text: string): string {
  return text.length <= TEXT_CHARS_MAX ? text : `${text.slice(0, TEXT_CHARS_MAX - 1)}…`
}
