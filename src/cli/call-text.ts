/**
 * System calls as text, like strace: `call(search {"query":"kill -9"}) = [{"path":"docs/…` and `generate("Split …")`.
 *
 *     describeCall('call', { tool: 'search', input: { query: 'x' } }, 60)
 *     describeValue('generate', value, 60)
 *
 * A width cuts what is long, in cells of a terminal, to at most that (at least 1); `Infinity` shows everything.
 */
import type { CallName, Generation, Json } from '../kernel/types.ts'
import { tokens } from './amounts.ts'
import { cut } from './table.ts'
import { oneLine } from './terminal.ts'

/** `name(arguments)`. */
export function describeCall(call: CallName, args: Json, width: number): string {
  return cut(`${call}(${describeArguments(call, args, Math.max(8, width - call.length - 2))})`, Math.max(1, width))
}

function describeArguments(call: CallName, args: Json, width: number): string {
  const given = (typeof args === 'object' && args !== null && !Array.isArray(args) ? args : {}) as Readonly<
    Record<string, Json | undefined>
  >
  switch (call) {
    case 'call':
      return `${text(given['tool'])} ${shorten(JSON.stringify(given['input'] ?? null), width - text(given['tool']).length - 1)}`
    case 'generate':
      return describePrompt(given, width)
    case 'spawn':
      return `${text(given['program'])}, ${shorten(JSON.stringify(given['input'] ?? null), width - text(given['program']).length - 2)}`
    case 'wait':
      return String(given['pid'] ?? '')
    case 'kill':
      return `${String(given['pid'] ?? '')}${given['reason'] === '' || given['reason'] === undefined ? '' : `, ${shorten(JSON.stringify(given['reason']), width - 10)}`}`
    case 'sleep':
      return `${String(given['ms'] ?? '')} ms`
    case 'receive':
      return given['from'] === undefined ? '' : `from ${String(given['from'])}`
    default: {
      // What was left at its default says nothing.
      const said = Object.entries(given).filter(
        ([key, value]) =>
          value !== null && value !== undefined && key !== 'timeoutMs' && !(key === 'limit' && call === 'recall'),
      )
      return shorten(
        said
          .map(([key, value]) => (said.length === 1 ? JSON.stringify(value) : `${key}: ${JSON.stringify(value)}`))
          .join(', '),
        width,
      )
    }
  }
}

interface JournaledPrompt {
  readonly like?: number
  readonly keep?: number
  readonly add?: readonly { readonly role?: string; readonly content?: Json }[]
}

/** The last thing said to the model; how much stood before it; the tools that it may ask for. */
function describePrompt(given: Readonly<Record<string, Json | undefined>>, width: number): string {
  const { add = [], like, keep = 0 } = (given['messages'] ?? {}) as JournaledPrompt
  const before = keep + Math.max(0, add.length - 1)
  const held = Array.isArray(given['tools']) ? given['tools'] : []
  const tools =
    held.length === 0
      ? ''
      : width === Infinity
        ? `, tools: ${held.join(' ')}`
        : `, ${held.length} ${held.length === 1 ? 'tool' : 'tools'}`
  const after = `${before > 0 ? `, ${before} before` : ''}${tools}`
  const last = add.at(-1)
  if (width === Infinity)
    return `${JSON.stringify(add)}${like === undefined ? '' : `, after ${keep} of #${like}`}${tools}`
  return `${shorten(describeMessage(last), width - after.length)}${after}`
}

function describeMessage(message: { readonly role?: string; readonly content?: Json } | undefined): string {
  if (message === undefined) return ''
  const { role, content } = message
  if (typeof content === 'string') return JSON.stringify(content)
  if (!Array.isArray(content)) return role ?? ''
  const parts = content as readonly { readonly type?: string; readonly text?: string; readonly toolName?: string }[]
  const results = parts.filter((part) => part.type === 'tool-result')
  if (results.length > 0)
    return `${results.length === 1 ? 'result' : `${results.length} results`} of ${[...new Set(results.map((part) => part.toolName))].join(', ')}`
  return parts.map((part) => (part.type === 'text' ? JSON.stringify(part.text ?? '') : `${part.type}`)).join(', ')
}

/** The value of a call, after its `=`. */
export function describeValue(call: CallName, value: Json | undefined, width: number): string {
  return cut(valueText(call, value, width), Math.max(1, width))
}

function valueText(call: CallName, value: Json | undefined, width: number): string {
  if (value === undefined || value === null) return 'nothing'
  if (call === 'generate' && width !== Infinity) {
    const { text: said, toolCalls, usage, finishReason } = value as unknown as Generation
    const cost = ` ${tokens(usage.inputTokens)}→${tokens(usage.outputTokens)} tok${finishReason === 'stop' || finishReason === 'tool-calls' ? '' : ` ${finishReason}`}`
    const asked = toolCalls.map((one) => `${one.name} ${JSON.stringify(one.input)}`).join(', ')
    return `${shorten(asked === '' ? JSON.stringify(said) : asked, width - cost.length)}${cost}`
  }
  return shorten(JSON.stringify(value), width)
}

/** A part that others stand beside: cut by itself, and never to nothing. */
function shorten(text: string, width: number): string {
  if (width === Infinity) return oneLine(text)
  const room = Math.max(8, width)
  const head = text.slice(0, room * 4)
  return cut(oneLine(head.length < text.length ? `${head}…` : head), room)
}

function text(value: Json | undefined): string {
  return typeof value === 'string' ? oneLine(value) : ''
}
