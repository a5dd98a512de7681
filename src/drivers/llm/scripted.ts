/**
 * The scripted model: it answers what a test wrote down, and nothing else.
 *
 *     const model = scripted(['hello', { toolCalls: [{ name: 'search', input: { query: 'x' } }] }, { error: { statusCode: 429 } }])
 *     const echo = scripted((call) => promptText(call.prompt))
 *     …
 *     model.assertComplete()
 *
 * A list is strict: each answer is given once, in order, and a call beyond it fails and says which call was unexpected.
 * With concurrent callers the order of calls is not the test's to know; `match` ties an answer to the call it is for.
 *
 * Invariants
 *   M1. `doStream` and `doGenerate` give the same content, usage and finish reason for the same answer.
 *   M2. Nothing is shared between two answers, raw `parts` and `result` excepted: a caller may change what it got.
 *   M3. A call that ends by abort rejects, or errors its stream, with the signal's reason; `ignoreAbort` alone breaks this.
 *   M4. Time comes only from `clock`.
 *
 * The second half of the file is the vocabulary of answers that the other drivers of this folder share: provider errors,
 * and the two ways between a result and its stream parts.
 */
import { AssertionError } from 'node:assert'
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4Prompt,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
  LanguageModelV4Usage,
} from '@ai-sdk/provider'
import type { Clock } from '../../kernel/clock.ts'
import type { LanguageModel, ModelCapabilities } from '../../kernel/drivers.ts'
import { PolityError, messageOf } from '../../kernel/errors.ts'

// ------------------------------------------------------------------------------------------------------------ script

export interface ScriptedToolCall {
  readonly name: string
  /** A string is sent as it is, so that a script can write arguments that are not JSON; anything else as its JSON. @default {} */
  readonly input?: unknown
  /** @default `call-<index of the model call>-<place in the answer>` */
  readonly id?: string
}

/** A failure as a provider would report it. */
export interface ScriptedError {
  /** @default 'scripted failure' */
  readonly message?: string
  readonly statusCode?: number
  /** Headers of the refused answer, such as `retry-after`. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** @default true for 408, 409, 429 and 5xx, as in the AI SDK */
  readonly isRetryable?: boolean
}

/** Tokens of an answer, as the provider would count them. What is absent is counted by length. */
export interface ScriptedUsage {
  readonly inputTokens?: number
  /** Of the input tokens, those read from the provider's cache. @default 0 */
  readonly cachedTokens?: number
  readonly outputTokens?: number
}

/** One answer. The parts that are present come in this order: delay, reasoning, text, tool calls, then error or hang. */
export interface ScriptedAnswer {
  readonly text?: string
  readonly reasoning?: string
  readonly toolCalls?: readonly ScriptedToolCall[]
  /** @default 'tool-calls' where there are any, else 'stop' */
  readonly finishReason?: LanguageModelV4FinishReason['unified']
  /** null: the provider says nothing of usage. @default counted at four characters a token */
  readonly usage?: ScriptedUsage | null
  /** The call fails. With content beside it, a stream sends the content first and then an `error` part. An `Error` is thrown as it is. */
  readonly error?: string | Error | ScriptedError
  /** Time before anything is sent, ms by `options.clock`. */
  readonly delayMs?: number
  /** The call never ends; with content beside it, a stream sends the content and then nothing. */
  readonly hang?: boolean
  /** Neither delay nor hang ends when the call is aborted. @default false */
  readonly ignoreAbort?: boolean
  /** Stream parts as they are, unchecked: for what a broken provider sends. Nothing is added to them, also no finish. */
  readonly parts?: readonly unknown[]
  /** What `doGenerate` gives, as it is, unchecked: the same for those who do not stream. @default what the parts add up to */
  readonly result?: unknown
  /** Only calls for which this is true get the answer. @default any call */
  readonly match?: (call: LanguageModelV4CallOptions, index: number) => boolean
  /** The answer may be given any number of times. @default once */
  readonly repeat?: boolean
}

export type Script =
  | readonly (string | ScriptedAnswer)[]
  /** `undefined` means that the call was not expected. */
  | ((call: LanguageModelV4CallOptions, index: number) => Reply | PromiseLike<Reply>)

type Reply = string | ScriptedAnswer | undefined

export interface ScriptedOptions {
  /** @default 'scripted' */
  readonly provider?: string
  /** @default 'scripted' */
  readonly modelId?: string
  readonly capabilities?: ModelCapabilities
  /** Needed by scripts with `delayMs`. */
  readonly clock?: Clock
  /** The list starts again when it is used up: of the answers that match, the least used is given. @default false */
  readonly repeat?: boolean
  /** Longest text of one stream delta, UTF-16 units. Minimum 1. @default the whole text */
  readonly deltaChars?: number
  /** Received calls that are kept in `calls`; later ones are only counted. 0 for measurements. @default 1,000 */
  readonly callsKeptMax?: number
}

export interface ScriptedModel extends LanguageModel {
  /** The calls received, in order, as they were when they came. */
  readonly calls: readonly LanguageModelV4CallOptions[]
  /** How many calls were received, also beyond `callsKeptMax`. */
  readonly callCount: number
  /** Throws unless every answer of the list was given and no call was unexpected. */
  assertComplete(): void
}

const answerKeys = new Set<string>([
  'text',
  'reasoning',
  'toolCalls',
  'finishReason',
  'usage',
  'error',
  'delayMs',
  'hang',
  'ignoreAbort',
  'parts',
  'result',
  'match',
  'repeat',
] satisfies (keyof ScriptedAnswer)[])

export function scripted(script: Script, options: ScriptedOptions = {}): ScriptedModel {
  if (typeof script !== 'function' && !Array.isArray(script))
    throw new PolityError(
      'INVALID_ARGUMENT',
      `scripted takes a list of answers, or a function that gives them, not ${messageOf(script).slice(0, 80)}`,
    )
  const { provider = 'scripted', modelId = 'scripted', deltaChars = Infinity, callsKeptMax = 1_000 } = options
  if (!(deltaChars >= 1)) throw new PolityError('INVALID_ARGUMENT', `deltaChars must be at least 1, got ${deltaChars}`)
  const name = `${provider}/${modelId}`
  const choose = typeof script === 'function' ? script : fromList(script, options)
  const calls: LanguageModelV4CallOptions[] = []
  let callCount = 0
  let unexpected: PolityError | undefined

  function receive(call: LanguageModelV4CallOptions): { index: number; reply: Reply | PromiseLike<Reply> } {
    const index = callCount++
    if (index < callsKeptMax) calls.push(copyOf(call))
    return { index, reply: choose(call, index) }
  }

  function toAnswer(reply: Reply, call: LanguageModelV4CallOptions, index: number): ScriptedAnswer {
    if (typeof reply === 'string') return { text: reply }
    if (reply !== undefined) return checkAnswer(reply, index, options)
    const error = new PolityError(
      'DRIVER_FAILED',
      `call ${index} of ${name} was not expected: ${whyUnexpected(script)}. Its prompt ends: ${JSON.stringify(promptText(call.prompt).slice(-200))}`,
    )
    unexpected ??= error
    throw error
  }

  /** Runs `ready` with the answer: at once when it is known now, so that an instant answer costs no extra turn. */
  function answer<T>(
    call: LanguageModelV4CallOptions,
    ready: (a: ScriptedAnswer, index: number) => T | Promise<T>,
  ): Promise<T> {
    try {
      if (!hasLazySignal(call)) call.abortSignal?.throwIfAborted()
      const { index, reply } = receive(call)
      if (typeof reply === 'object' && 'then' in reply) {
        return Promise.resolve(reply).then((later) => ready(toAnswer(later, call, index), index))
      }
      const value = ready(toAnswer(reply, call, index), index)
      return value instanceof Promise ? value : Promise.resolve(value)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** What the call waits for before it has a result: a delay, for ever, or (undefined) nothing. */
  function pause(a: ScriptedAnswer, call: LanguageModelV4CallOptions, hang: boolean): Promise<void> | undefined {
    if (a.delayMs === undefined && !hang) return undefined
    const signal = a.ignoreAbort ? undefined : call.abortSignal
    if (a.delayMs === undefined) return forever(signal)
    const delay = wait(options.clock as Clock, a.delayMs, signal)
    return hang ? delay.then(() => forever(signal)) : delay
  }

  return {
    specificationVersion: 'v4',
    provider,
    modelId,
    supportedUrls: {},
    ...(options.capabilities === undefined ? {} : { capabilities: options.capabilities }),
    calls,
    get callCount() {
      return callCount
    },
    doGenerate: (call) =>
      answer(call, (a, index) => {
        const result = () => {
          if (a.error !== undefined) throw toError(a.error)
          return toResult(a, call, index)
        }
        return pause(a, call, a.hang === true)?.then(result) ?? result()
      }),
    doStream: (call) =>
      answer(call, (a, index) => {
        const bare =
          a.parts === undefined &&
          a.result === undefined &&
          a.text === undefined &&
          a.reasoning === undefined &&
          a.toolCalls === undefined
        const open = (): LanguageModelV4StreamResult => {
          if (bare && a.error !== undefined) throw toError(a.error)
          return { stream: openStream(a, call, index, deltaChars) }
        }
        return pause(a, call, bare && a.hang === true)?.then(open) ?? open()
      }),
    assertComplete() {
      if (unexpected !== undefined) throw new AssertionError({ message: unexpected.message })
      const left = typeof script === 'function' ? [] : (choose as ListChooser).unused()
      if (left.length === 0) return
      throw new AssertionError({
        message: `${name}: ${left.length} of ${script.length} answers were never asked for: ${left.join(', ')}`,
      })
    },
  }
}

/**
 * Whether the call's signal is made when it is first read, as the kernel's is. Making one takes longer than an instant
 * answer, so such a signal is read by answers that wait, and no others.
 */
function hasLazySignal(call: LanguageModelV4CallOptions): boolean {
  return Object.getOwnPropertyDescriptor(call, 'abortSignal')?.get !== undefined
}

/** The prompt's array is the caller's, who appends to it between calls; its messages never change. */
function copyOf(call: LanguageModelV4CallOptions): LanguageModelV4CallOptions {
  const prompt = call.prompt.slice()
  if (!hasLazySignal(call)) return { ...call, prompt }
  return Object.create(Object.prototype, {
    ...Object.getOwnPropertyDescriptors(call),
    prompt: { value: prompt, enumerable: true },
  }) as LanguageModelV4CallOptions
}

/** Chooses from a list: the first answer that matches and is not used up. */
interface ListChooser {
  (call: LanguageModelV4CallOptions, index: number): Reply
  /** Places of the answers that were never given. */
  unused(): number[]
}

function fromList(list: readonly (string | ScriptedAnswer)[], options: ScriptedOptions): ListChooser {
  const entries = list.map((entry, i) => (typeof entry === 'string' ? { text: entry } : checkAnswer(entry, i, options)))
  const plain = entries.every((entry) => entry.match === undefined && entry.repeat !== true)
  const uses = entries.map(() => 0)
  let first = 0 // no answer before this place can be given again

  const use = (i: number): ScriptedAnswer | undefined => {
    if (i in uses) uses[i] = (uses[i] as number) + 1
    return entries[i]
  }
  const inOrder = (): ScriptedAnswer | undefined => use(options.repeat ? first++ % entries.length : first++)
  const matching = (call: LanguageModelV4CallOptions, index: number): ScriptedAnswer | undefined => {
    while (first < entries.length && uses[first] !== 0 && entries[first]?.repeat !== true && !options.repeat) first++
    let best = -1
    for (let i = first; i < entries.length; i++) {
      const entry = entries[i] as ScriptedAnswer
      const used = uses[i] as number
      if (used > 0 && entry.repeat !== true && !options.repeat) continue
      if (entry.match !== undefined && !entry.match(call, index)) continue
      if (!options.repeat) return use(i)
      if (best < 0 || used < (uses[best] as number)) best = i
    }
    return use(best)
  }
  return Object.assign(plain ? inOrder : matching, { unused: () => uses.flatMap((used, i) => (used === 0 ? [i] : [])) })
}

function checkAnswer(entry: ScriptedAnswer, index: number, options: ScriptedOptions): ScriptedAnswer {
  for (const key in entry) {
    if (!answerKeys.has(key))
      throw new PolityError(
        'INVALID_ARGUMENT',
        `answer ${index} of the script has an unknown field ${JSON.stringify(key)}`,
      )
  }
  if (entry.delayMs !== undefined && options.clock === undefined) {
    throw new PolityError(
      'INVALID_ARGUMENT',
      `answer ${index} of the script has delayMs; pass the clock it is measured by: scripted(script, { clock })`,
    )
  }
  return entry
}

function whyUnexpected(script: Script): string {
  if (typeof script === 'function') return 'the script function returned undefined'
  const matched = script.some((entry) => typeof entry !== 'string' && entry.match !== undefined)
  return matched ? 'no answer of the script that is left matches it' : `the script has ${script.length} answers`
}

function toError(error: string | Error | ScriptedError): Error {
  if (error instanceof Error) return error
  return callError(
    typeof error === 'string' ? { message: error } : { ...error, message: error.message ?? 'scripted failure' },
  )
}

function toResult(a: ScriptedAnswer, call: LanguageModelV4CallOptions, index: number): LanguageModelV4GenerateResult {
  if (a.result !== undefined) return a.result as LanguageModelV4GenerateResult
  if (a.parts !== undefined) return foldParts(a.parts as readonly LanguageModelV4StreamPart[])
  const content: LanguageModelV4Content[] = []
  let chars = 0
  if (a.reasoning !== undefined) {
    content.push({ type: 'reasoning', text: a.reasoning })
    chars += a.reasoning.length
  }
  if (a.text !== undefined) {
    content.push({ type: 'text', text: a.text })
    chars += a.text.length
  }
  for (const [i, { id, name, input = {} }] of a.toolCalls?.entries() ?? []) {
    const json = typeof input === 'string' ? input : JSON.stringify(input)
    content.push({ type: 'tool-call', toolCallId: id ?? `call-${index}-${i}`, toolName: name, input: json })
    chars += name.length + json.length
  }
  const unified = a.finishReason ?? (a.toolCalls !== undefined && a.toolCalls.length > 0 ? 'tool-calls' : 'stop')
  return { content, finishReason: { unified, raw: undefined }, usage: usageOf(a.usage, call, chars), warnings: [] }
}

function usageOf(
  usage: ScriptedUsage | null | undefined,
  call: LanguageModelV4CallOptions,
  chars: number,
): LanguageModelV4Usage {
  if (usage === null) return noUsage()
  return toUsage(
    usage?.inputTokens ?? tokensOf(promptText(call.prompt).length),
    usage?.cachedTokens ?? 0,
    usage?.outputTokens ?? tokensOf(chars),
  )
}

function openStream(
  a: ScriptedAnswer,
  call: LanguageModelV4CallOptions,
  index: number,
  deltaChars: number,
): ReadableStream<LanguageModelV4StreamPart> {
  const parts = (a.parts as LanguageModelV4StreamPart[] | undefined) ?? toParts(toResult(a, call, index), deltaChars)
  if (!a.hang) {
    if (a.error === undefined) return streamOf(parts)
    const failed: LanguageModelV4StreamPart = { type: 'error', error: toError(a.error) }
    if (a.parts !== undefined) return streamOf([...parts, failed])
    const finish: LanguageModelV4StreamPart = {
      type: 'finish',
      finishReason: { unified: 'error', raw: undefined },
      usage: noUsage(),
    }
    return streamOf([...parts.slice(0, -1), failed, finish])
  }
  const sent = a.parts === undefined ? parts.slice(0, -1) : parts
  return new ReadableStream<LanguageModelV4StreamPart>({
    start(controller) {
      for (const part of sent) controller.enqueue(part)
      if (!a.ignoreAbort) forever(call.abortSignal).catch((reason: unknown) => controller.error(reason))
    },
  })
}

function wait(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const timer = clock.after(ms, () => {
      signal?.removeEventListener('abort', stop)
      resolve()
    })
    const stop = (): void => {
      timer.cancel()
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', stop, { once: true })
  })
}

/** Rejects with the signal's reason when it aborts; never settles otherwise. */
function forever(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((_, reject) => {
    if (signal?.aborted) reject(signal.reason)
    else signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

// ------------------------------------------------------------------------------------------------- prompts and tokens

/** Characters (UTF-16 units) that count as one token where there is no tokenizer: the usual rule of thumb for English. */
export const charsPerToken = 4

/** Tokens of a text of that many characters. */
export function tokensOf(chars: number): number {
  return Math.ceil(chars / charsPerToken)
}

/** All text of a prompt, role by role: what the offline models count, hash and match against. */
export function promptText(prompt: LanguageModelV4Prompt): string {
  let text = ''
  for (const message of prompt) {
    text += `${message.role}: `
    if (typeof message.content === 'string') text += message.content
    else for (const part of message.content) text += partText(part)
    text += '\n'
  }
  return text
}

type PromptPart = Exclude<LanguageModelV4Prompt[number]['content'], string>[number]

function partText(part: PromptPart): string {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return part.text
    case 'tool-call':
      return `${part.toolName}(${JSON.stringify(part.input) ?? ''})`
    case 'tool-result': {
      const { output } = part
      if (output.type === 'text' || output.type === 'error-text') return output.value
      return JSON.stringify('value' in output ? output.value : (output.reason ?? output.type))
    }
    case 'file':
    case 'reasoning-file':
      return `[${part.mediaType}]`
    default:
      return `[${part.type}]`
  }
}

export function toUsage(inputTokens: number, cachedTokens: number, outputTokens: number): LanguageModelV4Usage {
  return {
    inputTokens: {
      total: inputTokens,
      noCache: inputTokens - cachedTokens,
      cacheRead: cachedTokens,
      cacheWrite: undefined,
    },
    outputTokens: { total: outputTokens, text: undefined, reasoning: undefined },
  }
}

function noUsage(): LanguageModelV4Usage {
  return {
    inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
    outputTokens: { total: undefined, text: undefined, reasoning: undefined },
  }
}

// ---------------------------------------------------------------------------------------------------- provider errors

export interface CallErrorOptions {
  readonly message: string
  readonly statusCode?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly url?: string
  readonly isRetryable?: boolean
}

/** An error of the shape of the AI SDK's `APICallError`, whose `isInstance` recognises it. */
export interface CallError extends Error {
  readonly url: string
  readonly requestBodyValues: unknown
  readonly statusCode: number | undefined
  readonly responseHeaders: Record<string, string> | undefined
  readonly responseBody: string | undefined
  readonly isRetryable: boolean
}

const callErrorMarkers = {
  [Symbol.for('vercel.ai.error')]: true,
  [Symbol.for('vercel.ai.error.AI_APICallError')]: true,
}

export function callError(options: CallErrorOptions): CallError {
  const { statusCode, headers, body } = options
  const retryable =
    statusCode !== undefined && (statusCode === 408 || statusCode === 409 || statusCode === 429 || statusCode >= 500)
  return Object.assign(new Error(options.message), callErrorMarkers, {
    name: 'AI_APICallError',
    url: options.url ?? '',
    requestBodyValues: {},
    statusCode,
    responseHeaders: headers === undefined ? undefined : { ...headers },
    responseBody: body,
    isRetryable: options.isRetryable ?? retryable,
  })
}

// ------------------------------------------------------------------------------------------- results and stream parts

/** The parts that a stream of this result sends. */
export function toParts(
  result: LanguageModelV4GenerateResult,
  deltaChars: number = Infinity,
): LanguageModelV4StreamPart[] {
  const parts: LanguageModelV4StreamPart[] = [{ type: 'stream-start', warnings: result.warnings }]
  if (result.response !== undefined) {
    const { id, timestamp, modelId } = result.response
    if (id !== undefined || timestamp !== undefined || modelId !== undefined)
      parts.push({ type: 'response-metadata', id, timestamp, modelId })
  }
  for (const [i, content] of result.content.entries()) {
    const id = String(i)
    const { providerMetadata } = content
    const extra = providerMetadata === undefined ? {} : { providerMetadata }
    if (content.type === 'text' || content.type === 'reasoning') {
      parts.push({ type: `${content.type}-start`, id, ...extra })
      for (const delta of cut(content.text, deltaChars)) parts.push({ type: `${content.type}-delta`, id, delta })
      parts.push({
        type: `${content.type}-end`,
        id,
        ...extra,
        ...('citations' in content ? { citations: content.citations } : {}),
      })
    } else if (content.type === 'tool-call') {
      const { toolCallId, toolName, providerExecuted, dynamic } = content
      const flags = {
        ...(providerExecuted === undefined ? {} : { providerExecuted }),
        ...(dynamic === undefined ? {} : { dynamic }),
      }
      parts.push({ type: 'tool-input-start', id: toolCallId, toolName, ...flags })
      for (const delta of cut(content.input, deltaChars))
        parts.push({ type: 'tool-input-delta', id: toolCallId, delta })
      parts.push({ type: 'tool-input-end', id: toolCallId }, content)
    } else {
      parts.push(content)
    }
  }
  const extra = result.providerMetadata === undefined ? {} : { providerMetadata: result.providerMetadata }
  parts.push({ type: 'finish', finishReason: result.finishReason, usage: result.usage, ...extra })
  return parts
}

function* cut(text: string, charsMax: number): Generator<string> {
  for (let start = 0; start < text.length;) {
    let end = Math.min(text.length, start + charsMax)
    // Never between the two halves of one character, unless a delta can hold only one half.
    if (end < text.length && end - start > 1 && isLead(text.charCodeAt(end - 1))) end--
    yield text.slice(start, end)
    start = end
  }
}

function isLead(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}

/**
 * The result that a stream's parts add up to. Blocks stand in the order in which they began.
 * Throws the first `error` part. Parts it does not know are left out; a stream without `finish` ends for the reason `other`.
 */
export function foldParts(parts: readonly LanguageModelV4StreamPart[]): LanguageModelV4GenerateResult {
  const content: LanguageModelV4Content[] = []
  const open = new Map<string, { type: 'text' | 'reasoning'; text: string; providerMetadata?: object }>()
  const result: LanguageModelV4GenerateResult = {
    content,
    finishReason: { unified: 'other', raw: undefined },
    usage: noUsage(),
    warnings: [],
  }
  for (const part of parts) {
    switch (part.type) {
      case 'text-start':
      case 'reasoning-start': {
        const type = part.type === 'text-start' ? 'text' : 'reasoning'
        const block = {
          type,
          text: '',
          ...(part.providerMetadata === undefined ? {} : { providerMetadata: part.providerMetadata }),
        } as const
        open.set(`${type} ${part.id}`, block)
        content.push(block)
        break
      }
      case 'text-delta':
      case 'reasoning-delta': {
        const block = open.get(`${part.type === 'text-delta' ? 'text' : 'reasoning'} ${part.id}`)
        if (block !== undefined) block.text += part.delta
        break
      }
      case 'text-end':
      case 'reasoning-end': {
        const block = open.get(`${part.type === 'text-end' ? 'text' : 'reasoning'} ${part.id}`)
        if (block === undefined) break
        if (part.providerMetadata !== undefined) block.providerMetadata = part.providerMetadata
        if (part.type === 'text-end' && part.citations !== undefined)
          Object.assign(block, { citations: part.citations })
        break
      }
      case 'stream-start':
        result.warnings = part.warnings
        break
      case 'response-metadata': {
        const { type: _, ...response } = part
        result.response = response
        break
      }
      case 'finish':
        result.finishReason = part.finishReason
        result.usage = part.usage
        if (part.providerMetadata !== undefined) result.providerMetadata = part.providerMetadata
        break
      case 'error':
        throw part.error
      case 'tool-call':
      case 'tool-result':
      case 'tool-approval-request':
      case 'file':
      case 'reasoning-file':
      case 'source':
      case 'custom':
        content.push(part)
        break
      default:
        break // tool-input-*, raw, ping: what they carry comes again, or was asked for as it is
    }
  }
  return result
}

/** A stream of parts that are known beforehand. */
export function streamOf(parts: readonly LanguageModelV4StreamPart[]): ReadableStream<LanguageModelV4StreamPart> {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(part)
      controller.close()
    },
  })
}
