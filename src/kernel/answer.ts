/**
 * The answer of a model driver: read whole or as a stream, checked before it is believed, made into a `Generation`.
 */
import type { LanguageModelV4CallOptions, LanguageModelV4GenerateResult, LanguageModelV4Message, LanguageModelV4StreamPart, LanguageModelV4Usage } from '@ai-sdk/provider'
import type { LanguageModel } from './drivers.ts'
import { PolityError } from './errors.ts'
import { estimatePrompt, estimateTokens, knowAnswer } from './messages.ts'
import { freezePlain } from './plain.ts'
import type { Core } from './scheduler.ts'
import type { CallUsage, Generation, Json, ModelContent, ToolCall } from './types.ts'

/** What a driver sent, in its own words. */
export interface Answer {
  readonly content: readonly ModelContent[]
  readonly finishReason: Generation['finishReason']
  readonly usage: LanguageModelV4Usage | undefined
  readonly headers: { readonly [name: string]: string | undefined } | undefined
}

export function wholeAnswer(model: LanguageModel, result: LanguageModelV4GenerateResult): Answer {
  if (typeof result !== 'object' || result === null || !Array.isArray(result.content)) throw badDriver(model, 'doGenerate gave no content list')
  return { content: result.content, finishReason: result.finishReason?.unified, usage: result.usage, headers: result.response?.headers }
}

/** Reads a stream to its end; stops when `signal` aborts, whatever the driver does. */
export async function streamedAnswer(model: LanguageModel, options: LanguageModelV4CallOptions, signal: AbortSignal, onText: (delta: string) => void, partsMax: number): Promise<Answer> {
  const result = await model.doStream(options)
  if (typeof result?.stream?.getReader !== 'function') throw badDriver(model, 'doStream gave no stream')
  const reader = result.stream.getReader()
  const content: ModelContent[] = []
  const texts = new Map<string, { type: 'text' | 'reasoning'; text: string }>()
  let finish: Extract<LanguageModelV4StreamPart, { type: 'finish' }> | undefined
  try {
    for (let parts = 0; ; parts++) {
      if (parts > partsMax) throw badDriver(model, `a stream of more than ${partsMax} parts`)
      const { done, value: part } = await reader.read()
      if (done || signal.aborted) break
      switch (part?.type) {
        case 'text-start':
        case 'reasoning-start': {
          const text = { type: part.type === 'text-start' ? ('text' as const) : ('reasoning' as const), text: '' }
          texts.set(`${text.type}:${part.id}`, text)
          content.push(text)
          break
        }
        case 'text-delta':
        case 'reasoning-delta': {
          const kind = part.type === 'text-delta' ? 'text' : 'reasoning'
          const text = texts.get(`${kind}:${part.id}`)
          if (text === undefined || typeof part.delta !== 'string') throw badDriver(model, `${part.type} without its start, or without text`)
          text.text += part.delta
          if (kind === 'text') onText(part.delta)
          break
        }
        case 'tool-call':
        case 'tool-result':
        case 'file':
        case 'source':
          content.push(part)
          break
        case 'finish':
          finish = part
          break
        case 'error':
          throw part.error
        default:
          if (typeof part?.type !== 'string') throw badDriver(model, 'a stream part without a type')
      }
    }
  } finally {
    reader.cancel().catch(() => {})
  }
  if (finish === undefined) throw badDriver(model, 'the stream ended without a finish part')
  return { content, finishReason: finish.finishReason?.unified, usage: finish.usage, headers: result.response?.headers }
}

function badDriver(model: LanguageModel, what: string): PolityError {
  return new PolityError('DRIVER_INVALID', `${model.provider}/${model.modelId}: ${what}`)
}

const finishReasons = new Set(['stop', 'length', 'content-filter', 'tool-calls', 'error', 'interrupted', 'other'])

export function toGeneration(answer: Answer, usage: CallUsage, core: Core, bytesMax: number): Generation {
  let text = ''
  let toolCalls: ToolCall[] | undefined
  let content: object[] | undefined
  for (const part of answer.content) {
    let kept: object
    switch (part?.type) {
      case 'text':
      case 'reasoning':
        if (typeof part.text !== 'string') throw badDriver(core.model, `a ${part.type} part without text`)
        if (part.type === 'text') text += part.text
        kept = withOptions({ type: part.type, text: part.text }, part)
        break
      case 'tool-call': {
        if (typeof part.toolName !== 'string' || typeof part.toolCallId !== 'string') throw badDriver(core.model, 'a tool call without name or id')
        const input = parseInput(part.input)
        kept = withOptions({ type: 'tool-call', toolCallId: part.toolCallId, toolName: part.toolName, input }, part)
        const call = { id: part.toolCallId, name: part.toolName, input }
        if (toolCalls === undefined) toolCalls = [call]
        else toolCalls.push(call)
        break
      }
      case 'file':
      case 'source':
      case 'tool-result':
      case 'custom':
      case 'reasoning-file':
      case 'tool-approval-request':
        continue
      default:
        throw badDriver(core.model, `content of an unknown type "${String((part as { type?: unknown } | null)?.type)}"`)
    }
    if (content === undefined) content = [kept]
    else content.push(kept)
  }
  const message = { role: 'assistant', content: content ?? [] } as unknown as LanguageModelV4Message
  knowAnswer(message, usage.outputTokens)
  const finishReason = finishReasons.has(answer.finishReason) ? answer.finishReason : 'other'
  try {
    return freezePlain({ text, toolCalls: toolCalls ?? [], message, finishReason, usage, model: core.id }, () => `the answer of ${core.id}`, bytesMax)
  } catch (error) {
    throw PolityError.isInstance(error) && error.code === 'INVALID_ARGUMENT' ? badDriver(core.model, error.message) : error
  }
}

/** What a provider wants back with a part (signatures, cache marks) goes back with it. */
function withOptions(part: Record<string, unknown>, from: { readonly providerMetadata?: unknown }): object {
  if (from.providerMetadata !== undefined) part['providerOptions'] = from.providerMetadata
  return part
}

function parseInput(input: unknown): Json {
  if (typeof input !== 'string') return (input ?? {}) as Json
  if (input === '') return {}
  try {
    return JSON.parse(input) as Json
  } catch {
    return input
  }
}

/** The provider's counts where they are numbers, ours where they are not; and what a wrong estimate teaches the core. */
export function usageOf(answer: Answer, core: Core, messages: readonly LanguageModelV4Message[], estimated: { readonly inputTokens: number; readonly maxOutputTokens: number }): CallUsage {
  const input = count(answer.usage?.inputTokens?.total)
  const output = count(answer.usage?.outputTokens?.total)
  const inputTokens = input ?? estimated.inputTokens
  const cachedTokens = Math.min(count(answer.usage?.inputTokens?.cacheRead) ?? 0, inputTokens)
  const outputTokens = output ?? Math.min(estimated.maxOutputTokens, estimateTokens(JSON.stringify(answer.content)))
  if (input !== undefined && input > estimated.inputTokens) core.tokenRatio = Math.max(core.tokenRatio, input / Math.max(1, estimatePrompt(messages)))
  return { inputTokens, cachedTokens, outputTokens, usd: cost(core, inputTokens, cachedTokens, outputTokens), estimated: input === undefined || output === undefined }
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? Math.ceil(value) : undefined
}

function cost({ price }: Core, input: number, cached: number, output: number): number {
  if (price === undefined) return 0
  return ((input - cached) * price.input + cached * (price.cached ?? price.input) + output * price.output) / 1e6
}
