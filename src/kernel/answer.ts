/**
 * The answer of a model driver: read whole or as a stream, checked before it is believed, made into a `Generation`.
 */
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4GenerateResult,
  LanguageModelV4Message,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
} from '@ai-sdk/provider'
import { costOf } from './cores.ts'
import type { LanguageModel } from './drivers.ts'
import { PolityError, fieldOf } from './errors.ts'
import { estimateTokens, knowAnswer } from './messages.ts'
import { freezePlain, toPlain } from './plain.ts'
import type { Core } from './scheduler.ts'
import type { CallUsage, Generation, Json, ModelContent, ToolCall } from './types.ts'

/** What a driver sent, in its own words. */
export interface Answer {
  readonly content: readonly ModelContent[]
  readonly finishReason: Generation['finishReason']
  readonly usage: LanguageModelV4Usage | undefined
  readonly headers: { readonly [name: string]: string | undefined } | undefined
  /** What the driver says to the kernel beside its answer. */
  readonly polity: unknown
}

/** What `doGenerate` gave, as far as its shape goes; throws `DRIVER_INVALID`. */
export function wholeAnswer(model: LanguageModel, result: LanguageModelV4GenerateResult): Answer {
  if (typeof result !== 'object' || result === null || !Array.isArray(result.content))
    throw badDriver(model, 'doGenerate gave no content list')
  return {
    content: result.content,
    finishReason: result.finishReason?.unified,
    usage: result.usage,
    headers: headersOf(fieldOf(result.response, 'headers')),
    polity: fieldOf(result.providerMetadata, 'polity'),
  }
}

/** The headers that are texts, by their names in lower case: a driver may hand over anything. */
export function headersOf(given: unknown): Answer['headers'] {
  if (typeof given !== 'object' || given === null) return undefined
  try {
    const entries = Object.entries(given).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
    return entries.length === 0
      ? undefined
      : Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), value]))
  } catch {
    // Headers that cannot be read teach nothing about the provider's limits, and that is all they are for.
    return undefined
  }
}

/** What is too much in a stream, and how to let others have a turn while one is read that never pauses. */
export interface StreamOptions {
  readonly partsMax: number
  readonly bytesMax: number
  readonly turn: (go: () => void) => void
}

/** Parts of a stream after which others have their turn: one that never waits would keep timers and signals from theirs. */
const PARTS_A_TURN = 256

/** Reads a stream to its end; stops when `signal` aborts, whatever the driver does. May throw before there is a promise. */
export function streamedAnswer(
  model: LanguageModel,
  options: LanguageModelV4CallOptions,
  signal: AbortSignal,
  onText: (delta: string, parts: number) => void,
  limits: StreamOptions,
): Promise<Answer> {
  // Not one function with what follows: what is open for minutes would hold on to the request as long.
  return Promise.resolve(model.doStream(options)).then((result) => {
    if (typeof result?.stream?.getReader !== 'function') throw badDriver(model, 'doStream gave no stream')
    return readAll(result.stream.getReader(), signal, new Collected(model, result.response, onText, limits), limits)
  })
}

async function readAll(
  reader: ReadableStreamDefaultReader<LanguageModelV4StreamPart>,
  signal: AbortSignal,
  collected: Collected,
  { turn }: StreamOptions,
): Promise<Answer> {
  const leave = (): void => void Promise.resolve(reader.cancel()).catch(() => {})
  signal.addEventListener('abort', leave, { once: true })
  // Before there was a stream nobody could leave it.
  if (signal.aborted) leave()
  try {
    for (;;) {
      if (collected.parts % PARTS_A_TURN === PARTS_A_TURN - 1) await new Promise<void>(turn)
      const { done, value } = await reader.read()
      if (done || signal.aborted) break
      collected.add(value)
    }
  } finally {
    signal.removeEventListener('abort', leave)
    leave()
  }
  return collected.answer()
}

const NOTHING: ModelContent[] = Object.freeze([]) as never

/** What has come of a stream. One small object, with little that is made before it is needed: a thousand may be open. */
class Collected {
  readonly #model: LanguageModel
  readonly #response: unknown
  readonly #onText: (delta: string, parts: number) => void
  readonly #limits: StreamOptions
  parts = 0
  #bytes = 0
  /** Replaced, not changed, while it is empty. */
  #content = NOTHING
  /** The text that was begun last, to which nearly all parts belong, and the others. */
  #last: BegunText | undefined = undefined
  #others: Map<string, CollectedText> | undefined = undefined
  #finish: Extract<LanguageModelV4StreamPart, { type: 'finish' }> | undefined = undefined

  constructor(
    model: LanguageModel,
    response: unknown,
    onText: (delta: string, parts: number) => void,
    limits: StreamOptions,
  ) {
    this.#model = model
    this.#response = response
    this.#onText = onText
    this.#limits = limits
  }

  add(part: LanguageModelV4StreamPart | undefined): void {
    const { partsMax, bytesMax } = this.#limits
    if (++this.parts > partsMax) throw badDriver(this.#model, `a stream of more than ${partsMax} parts`)
    switch (part?.type) {
      case 'text-start':
      case 'reasoning-start': {
        const text: CollectedText = { type: part.type === 'text-start' ? 'text' : 'reasoning', text: '' }
        if (part.providerMetadata !== undefined) text.providerMetadata = part.providerMetadata
        this.#begin(part.id, text)
        this.#push(text)
        break
      }
      case 'text-delta':
      case 'reasoning-delta': {
        const kind = part.type === 'text-delta' ? 'text' : 'reasoning'
        const text = this.#begun(kind, part.id)
        if (text === undefined || typeof part.delta !== 'string')
          throw badDriver(this.#model, `${part.type} without its start, or without text`)
        if ((this.#bytes += part.delta.length) > bytesMax)
          throw new PolityError(
            'TOO_LARGE',
            `the answer of ${this.#model.provider}/${this.#model.modelId} is larger than ${bytesMax} bytes`,
          )
        text.text += part.delta
        if (part.providerMetadata !== undefined) text.providerMetadata = part.providerMetadata
        if (kind === 'text') this.#onText(part.delta, this.#content.length)
        break
      }
      case 'text-end':
      case 'reasoning-end': {
        // The signature of a thought comes with its end; without it a provider does not take the thought back.
        const text = this.#begun(part.type === 'text-end' ? 'text' : 'reasoning', part.id)
        if (text !== undefined && part.providerMetadata !== undefined) text.providerMetadata = part.providerMetadata
        break
      }
      case 'tool-call':
      case 'tool-result':
      case 'file':
      case 'source':
        this.#push(part)
        break
      case 'finish':
        this.#finish = part
        break
      case 'error':
        throw part.error
      default:
        if (typeof part?.type !== 'string') throw badDriver(this.#model, 'a stream part without a type')
    }
  }

  #push(part: ModelContent): void {
    if (this.#content.length === 0) this.#content = [part]
    else this.#content.push(part)
  }

  #begin(id: string, text: CollectedText): void {
    const last = this.#last
    if (last !== undefined) (this.#others ??= new Map()).set(`${last.text.type}:${last.id}`, last.text)
    this.#last = { id, text }
  }

  #begun(kind: CollectedText['type'], id: string): CollectedText | undefined {
    const last = this.#last
    if (last !== undefined && last.id === id && last.text.type === kind) return last.text
    return this.#others?.get(`${kind}:${id}`)
  }

  answer(): Answer {
    const finish = this.#finish
    if (finish === undefined) throw badDriver(this.#model, 'the stream ended without a finish part')
    return {
      content: this.#content,
      finishReason: finish.finishReason?.unified,
      usage: finish.usage,
      headers: headersOf(fieldOf(this.#response, 'headers')),
      polity: fieldOf(finish.providerMetadata, 'polity'),
    }
  }
}

interface BegunText {
  readonly id: string
  readonly text: CollectedText
}

interface CollectedText {
  readonly type: 'text' | 'reasoning'
  text: string
  /** The last that came with it. */
  providerMetadata?: SharedV4ProviderMetadata
}

function badDriver(model: LanguageModel, what: string): PolityError {
  return new PolityError('DRIVER_INVALID', `${model.provider}/${model.modelId}: ${what}`)
}

/** Parts of an answer that a `Generation` does not have. */
const NOT_KEPT: ReadonlySet<string> = new Set([
  'file',
  'source',
  'tool-result',
  'custom',
  'reasoning-file',
  'tool-approval-request',
] satisfies ModelContent['type'][])

const NO_TOOL_CALLS: readonly ToolCall[] = Object.freeze([])
const finishReasons = new Set(['stop', 'length', 'content-filter', 'tool-calls', 'error', 'interrupted', 'other'])

/** The answer as the program gets it: plain, frozen, with its tool calls parsed. Throws `DRIVER_INVALID`, `TOO_LARGE`. */
export function toGeneration(answer: Answer, usage: CallUsage, core: Core, bytesMax: number): Generation {
  let text = ''
  let toolCalls: ToolCall[] | undefined
  let content: object[] | undefined
  // By index: an iterator costs a result object a part where this is not inlined.
  for (let i = 0; i < answer.content.length; i++) {
    const part = answer.content[i] as ModelContent
    let kept: object
    switch (part?.type) {
      case 'text':
      case 'reasoning':
        if (typeof part.text !== 'string') throw badDriver(core.model, `a ${part.type} part without text`)
        if (part.type === 'text') text += part.text
        kept = withOptions({ type: part.type, text: part.text }, part, core, bytesMax)
        break
      case 'tool-call': {
        if (typeof part.toolName !== 'string' || typeof part.toolCallId !== 'string')
          throw badDriver(core.model, 'a tool call without name or id')
        const input = parseInput(part.input, core, bytesMax)
        kept = withOptions(
          { type: 'tool-call', toolCallId: part.toolCallId, toolName: part.toolName, input },
          part,
          core,
          bytesMax,
        )
        const call = { id: part.toolCallId, name: part.toolName, input }
        if (toolCalls === undefined) toolCalls = [call]
        else toolCalls.push(call)
        break
      }
      default:
        if (NOT_KEPT.has(part?.type)) continue
        throw badDriver(core.model, `content of an unknown type "${String((part as { type?: unknown } | null)?.type)}"`)
    }
    if (content === undefined) content = [kept]
    else content.push(kept)
  }
  const message = { role: 'assistant', content: content ?? [] } as unknown as LanguageModelV4Message
  knowAnswer(message, usage.outputTokens)
  const finishReason = finishReasons.has(answer.finishReason) ? answer.finishReason : 'other'
  try {
    return freezePlain(
      { text, toolCalls: toolCalls ?? NO_TOOL_CALLS, message, finishReason, usage, model: core.id },
      () => `the answer of ${core.id}`,
      bytesMax,
    )
  } catch (error) {
    throw PolityError.isInstance(error) && error.code === 'INVALID_ARGUMENT'
      ? badDriver(core.model, error.message)
      : error
  }
}

/** What of an answer goes into a `Generation`, as plain data. Throws `DRIVER_INVALID`, `TOO_LARGE`. */
export function plainContent(content: readonly ModelContent[], core: Core, bytesMax: number): readonly ModelContent[] {
  const kept = content.filter((part) => !NOT_KEPT.has(part?.type))
  return plainOf(kept, 'its content', core, bytesMax) as unknown as readonly ModelContent[]
}

/** What a provider wants back with a part (signatures, cache marks) goes back with it. */
function withOptions(
  part: Record<string, unknown>,
  from: { readonly providerMetadata?: unknown },
  core: Core,
  bytesMax: number,
): object {
  if (from.providerMetadata !== undefined)
    part['providerOptions'] = plainOf(from.providerMetadata, 'the metadata of a part', core, bytesMax)
  return part
}

/** What the driver made itself: a copy, so that nothing alive of it gets into the journal. */
function plainOf(value: unknown, name: string, core: Core, bytesMax: number): Json {
  try {
    return toPlain(value, name, bytesMax)
  } catch (error) {
    throw PolityError.isInstance(error) && error.code === 'INVALID_ARGUMENT'
      ? badDriver(core.model, error.message)
      : error
  }
}

function parseInput(input: unknown, core: Core, bytesMax: number): Json {
  if (typeof input !== 'string') return plainOf(input ?? {}, 'the input of a tool call', core, bytesMax)
  if (input === '') return {}
  try {
    return JSON.parse(input) as Json
  } catch {
    return input
  }
}

/** The provider's counts where they are numbers, ours where they are not; and what a wrong estimate teaches the core. */
export function usageOf(
  answer: Answer,
  core: Core,
  estimated: { readonly estimatedTokens: number; readonly inputTokens: number; readonly maxOutputTokens: number },
  isFirst = true,
): CallUsage {
  const input = count(answer.usage?.inputTokens?.total)
  const output = count(answer.usage?.outputTokens?.total)
  const inputTokens = input ?? estimated.inputTokens
  const cachedTokens = Math.min(count(answer.usage?.inputTokens?.cacheRead) ?? 0, inputTokens)
  const outputTokens = output ?? Math.min(estimated.maxOutputTokens, estimateContent(answer.content))
  // A later turn reads what the estimate does not know of, or nothing.
  if (input !== undefined && isFirst) learnRatio(core, input, estimated)
  return {
    inputTokens,
    cachedTokens,
    outputTokens,
    usd: costOf(core.price, inputTokens, cachedTokens, outputTokens),
    estimated: input === undefined || output === undefined,
  }
}

/**
 * What a count teaches: an estimate that was too low raises the core's ratio at once, so that the next is not; one that was
 * too high lowers it by a sixteenth of the way, so that a single odd prompt is forgotten after some dozens of others.
 */
function learnRatio(core: Core, input: number, estimated: { estimatedTokens: number; inputTokens: number }): void {
  core.counted.tokens += input
  core.counted.wrong += Math.abs(estimated.inputTokens - input)
  const ratio = Math.min(TOKEN_RATIO_MAX, Math.max(1, input / Math.max(1, estimated.estimatedTokens)))
  core.tokenRatio += ratio > core.tokenRatio ? ratio - core.tokenRatio : (ratio - core.tokenRatio) / 16
}

/** Upward also where the content cannot be written down: `toGeneration` says what is wrong with it. */
function estimateContent(content: readonly ModelContent[]): number {
  try {
    return estimateTokens(JSON.stringify(content))
  } catch {
    return Infinity
  }
}

/**
 * An estimate is a third of a text's bytes and a token has at least one byte, so no estimate is wrong by more than this.
 * A larger count has another reason (a provider's own preamble, a lie) and says nothing about the next prompt.
 */
const TOKEN_RATIO_MAX = 3

/** No answer of any model has more tokens: a count beyond it is no count. */
const TOKENS_MAX = 1e9

function count(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= TOKENS_MAX ? Math.ceil(value) : undefined
}
