/**
 * The simulated model: a serving machine with slots, speeds, rate limits and a prefix cache, but no weights.
 *
 *     const model = simulated({ clock, slots: 4, prefillTokensPerSecond: 600, decodeTokensPerSecond: 150, requestsPerMinute: 500 })
 *     …
 *     model.stats()   // calls, refusals, tokens, busy slot time
 *
 * What a call costs, in this order:
 *   1. Admission. Where there are no rate windows, no free slot: 429 before anything else. Prompt and `maxOutputTokens`
 *      beyond `contextTokens`: 400. No room in a rate window: 429 with the time until there is. No free slot: 429 with
 *      `retryAfterMs`, or a place in the queue (`refuse: 'queue'`).
 *   2. `latencyMs`, during which the slot is held. A call that `failureRate` picks fails here with 500.
 *   3. Prefill: the prompt's tokens that are not in the prefix cache, at `prefillTokensPerSecond`.
 *   4. Decode: the answer's tokens, at `decodeTokensPerSecond`.
 * So n equal calls on k slots take ceil(n / k) x (latencyMs + 1000 x (prompt / prefill + output / decode)) ms.
 * Speeds are per slot and do not fall when slots fill. Where they do, as on one processor that serves all slots, give a
 * `machine` (serving-machine.ts): steps 3 and 4 are then its, with batches, memory and weights, and the speeds here unused.
 *
 * Tokens are four characters of the prompt as text (roles, tools and tool results included), see `promptText`.
 * The prefix cache holds blocks of 16 tokens, each known by the hash of everything up to its end, and forgets the least
 * recently used (Kwon et al. 2023, "PagedAttention", and vLLM's automatic prefix caching, whose default block this is).
 * A block counts as cached once the prefill that writes it is over. Answers are not cached, only prompts.
 * A rate window counts what was admitted in the last 60 s; a call counts with its prompt and the answer it will get,
 * an aborted one in the end only with what it took.
 *
 * Invariants
 *   V1. Time and chance come only from `clock`, `seed` and the requests: the same requests at the same times get the same ends.
 *   V2. An answer depends on seed, request seed and prompt only, not on when, where or how (stream or not) it is asked for.
 *   V3. An aborted or cancelled call frees its slot at once, and counts only the tokens it had taken by then.
 *   V4. Never more than `slots` calls in flight, nor more than a rate limit admitted in any 60 s.
 */
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
} from '@ai-sdk/provider'
import { randomAt, type Clock, type Timer } from '../../kernel/clock.ts'
import type { LanguageModel, ModelCapabilities } from '../../kernel/drivers.ts'
import { PolityError } from '../../kernel/errors.ts'
import { BLOCK_TOKENS as blockTokens, type ServingMachine, type Taken } from './serving-machine.ts'
import {
  callError,
  charsPerToken,
  promptText,
  tokensOf,
  toParts,
  toUsage,
  type CallError,
  type ScriptedToolCall,
} from './scripted.ts'

export interface SimulatedOptions {
  /** Real or simulated. */
  readonly clock: Clock
  /** The processor that serves the calls, alone or with other models. @default none: each slot has its speeds */
  readonly machine?: ServingMachine
  /** @default 'simulated' */
  readonly provider?: string
  /** @default 'simulated' */
  readonly modelId?: string
  /** Calls in flight at once. Minimum 1. @default the machine's sequences; else 4 (invented: what small local servers are started with) */
  readonly slots?: number
  /** Speed of reading the prompt, per slot. @default 614 (measured: 162M parameters, q8_0, llama.cpp, one thread of a 2-core machine) */
  readonly prefillTokensPerSecond?: number
  /** Speed of writing the answer, per slot. @default 149 (measured in the same run) */
  readonly decodeTokensPerSecond?: number
  /** Time before the first token beside the prefill: network and queues, ms. @default 20 (invented) */
  readonly latencyMs?: number
  /** Calls admitted in any 60 s. @default no limit */
  readonly requestsPerMinute?: number
  /** Input and output tokens admitted in any 60 s. @default no limit */
  readonly tokensPerMinute?: number
  /** Input and output tokens of one call. @default 128,000 */
  readonly contextTokens?: number
  /** Size of the prefix cache. @default 0: none */
  readonly prefixCacheTokens?: number
  /** Chooses the answers and the failures. @default the clock's */
  readonly seed?: number
  /** Length of the answers: one number, or least and most, chosen by the prompt. `maxOutputTokens` cuts it. @default 64 (invented) */
  readonly outputTokens?: number | readonly [min: number, max: number]
  /** Writes the answers. Must depend on its argument only (V2). @default words chosen by seed and prompt */
  readonly answer?: (question: SimulatedQuestion) => string | SimulatedAnswer
  /** What happens to a call when all slots are taken. @default '429' */
  readonly refuse?: '429' | 'queue'
  /** Calls that wait under `refuse: 'queue'`; beyond: 429. @default 10,000 */
  readonly queueMax?: number
  /** What a call refused for lack of a slot is told to wait, ms. @default 1,000 (invented) */
  readonly retryAfterMs?: number
  /** Whether answers and refusals carry `retry-after`, `retry-after-ms` and `x-ratelimit-*` headers. @default true */
  readonly headers?: boolean
  /** Share of admitted calls that fail with 500, in [0, 1]. @default 0 */
  readonly failureRate?: number
  /** Tokens from one stream delta to the next; the first comes with the first token. Minimum 1. @default 16 */
  readonly deltaTokens?: number
  /** Whether `capabilities` tells slots, rates and context; false leaves them to be learned. @default true */
  readonly declare?: boolean
  /**
   * 'prefix': a prompt that ends in an assistant message goes on where that text breaks off, so that an answer in pieces
   * equals the answer in one. @default 'none'
   */
  readonly preempt?: 'none' | 'prefix'
}

export interface SimulatedQuestion {
  readonly call: LanguageModelV4CallOptions
  /** The prompt as text, tools first. */
  readonly text: string
  readonly promptTokens: number
  /** In [0, 1): the index-th random number of this question. */
  random(index: number): number
}

export interface SimulatedAnswer {
  readonly text?: string
  readonly toolCalls?: readonly ScriptedToolCall[]
  /** What the answer counts as. @default its length */
  readonly outputTokens?: number
}

/** Everything since the model was made. */
export interface SimulatedStats {
  /** Calls received: completed + refused + failed + aborted + inFlight + queued. */
  readonly calls: number
  readonly completed: number
  /** Calls turned away with 429. */
  readonly refused: number
  /** Calls answered with 400 or 500. */
  readonly failed: number
  readonly aborted: number
  readonly inFlight: number
  readonly maxInFlight: number
  readonly queued: number
  /** Prompt tokens read, from the cache or not; of aborted calls those read until then. */
  readonly inputTokens: number
  /** Of the input tokens, those from the cache. */
  readonly cachedTokens: number
  /** Tokens written; of aborted calls those written until then. */
  readonly outputTokens: number
  /** Sum over slots of the time they were taken, ms. */
  readonly busySlotMs: number
}

export interface SimulatedModel extends LanguageModel {
  readonly capabilities: ModelCapabilities
  stats(): SimulatedStats
}

/** One call from admission to its end. Times are ms by the clock. */
interface Serving {
  readonly question: Question
  readonly watcher: Watcher
  /** What the token window holds of it. */
  readonly charge: Charge
  state: 'waiting' | 'running' | 'ended'
  startMs: number
  prefillEndMs: number
  cachedTokens: number
  timer: Timer | undefined
  /** Takes it away from the machine, and says what it took. */
  recall: (() => Taken) | undefined
  readonly signal: AbortSignal | undefined
  onAbort: (() => void) | undefined
}

interface Question {
  readonly promptTokens: number
  readonly blocks: readonly number[]
  readonly content: readonly LanguageModelV4Content[]
  readonly outputTokens: number
  readonly cut: boolean
}

/** Who waits for a call: told once of its end, and before that of tokens as they come, when it asks for them. */
interface Watcher {
  readonly onTokens?: (question: Question, tokens: number, headers: Record<string, string> | undefined) => void
  readonly onDone: (result: LanguageModelV4GenerateResult) => void
  readonly onFail: (error: unknown) => void
}

export function simulated(options: SimulatedOptions): SimulatedModel {
  const config = toConfig(options)
  const { clock } = options
  const requests = rateWindow(config.requestsPerMinute)
  const tokens = rateWindow(config.tokensPerMinute)
  const hasWindows = Math.min(config.requestsPerMinute, config.tokensPerMinute) !== Infinity
  const cache = prefixCache(config.prefixCacheTokens)
  const waiting: Serving[] = []
  let waitingFrom = 0
  let started = 0
  const count = { calls: 0, completed: 0, refused: 0, failed: 0, aborted: 0, inFlight: 0, maxInFlight: 0, queued: 0 }
  const took = { inputTokens: 0, cachedTokens: 0, outputTokens: 0, busySlotMs: 0 }

  /** Takes a call in; returns what ends it before its time. Throws what a server would answer at once. */
  function serve(call: LanguageModelV4CallOptions, watcher: Watcher): (reason: unknown) => void {
    call.abortSignal?.throwIfAborted()
    count.calls++
    const now = clock.now()
    // A crowd that asks again and again is turned away without being read.
    if (!hasWindows && config.refuse === '429' && count.inFlight >= config.slots)
      throw refusal('All slots are taken.', config.retryAfterMs, now)
    const question = toQuestion(call, config)
    const context = question.promptTokens + (call.maxOutputTokens ?? 0)
    if (context > config.contextTokens) {
      count.failed++
      const message = `This model's maximum context length is ${config.contextTokens} tokens; ${context} were requested (${question.promptTokens} in the prompt).`
      throw callError({ message, statusCode: 400, headers: limitHeaders(now) })
    }
    const total = question.promptTokens + question.outputTokens
    if (total > config.tokensPerMinute) {
      count.failed++
      const message = `Request too large: ${total} tokens, and the limit is ${config.tokensPerMinute} a minute.`
      throw callError({ message, statusCode: 400, headers: limitHeaders(now) })
    }
    const wantMs = Math.max(requests.waitMs(now, 1), tokens.waitMs(now, total))
    if (wantMs > 0) throw refusal('Rate limit reached.', wantMs, now)
    const full = count.inFlight >= config.slots
    if (full && (config.refuse === '429' || count.queued >= config.queueMax))
      throw refusal('All slots are taken.', config.retryAfterMs, now)
    requests.add(now, 1)
    const charge = tokens.add(now, total)
    const serving: Serving = {
      question,
      watcher,
      charge,
      state: 'waiting',
      startMs: 0,
      prefillEndMs: 0,
      cachedTokens: 0,
      timer: undefined,
      recall: undefined,
      signal: call.abortSignal,
      onAbort: undefined,
    }
    if (full) {
      waiting.push(serving)
      count.queued++
    } else start(serving)
    if (serving.signal !== undefined) {
      serving.onAbort = () => abort(serving, serving.signal?.reason)
      serving.signal.addEventListener('abort', serving.onAbort, { once: true })
    }
    return (reason) => abort(serving, reason)
  }

  /** The call is over, whatever the end: nothing of it is left on the clock or on the signal. */
  function close(serving: Serving): void {
    serving.state = 'ended'
    serving.timer?.cancel()
    if (serving.onAbort !== undefined) serving.signal?.removeEventListener('abort', serving.onAbort)
  }

  function refusal(message: string, waitMs: number, now: number): CallError {
    count.refused++
    const headers = limitHeaders(now)
    if (config.headers) {
      headers['retry-after'] = String(Math.ceil(waitMs / 1000))
      headers['retry-after-ms'] = String(Math.ceil(waitMs))
    }
    return callError({ message, statusCode: 429, headers })
  }

  function start(serving: Serving): void {
    const { question } = serving
    const now = clock.now()
    serving.state = 'running'
    serving.startMs = now
    count.inFlight++
    count.maxInFlight = Math.max(count.maxInFlight, count.inFlight)
    if (config.failureRate > 0 && randomAt(config.seed, failureStream, started++) < config.failureRate) {
      serving.prefillEndMs = Infinity
      serving.timer = clock.after(config.latencyMs, () => fail(serving))
      return
    }
    if (options.machine !== undefined) {
      serving.timer = clock.after(config.latencyMs, () => give(options.machine as ServingMachine, serving))
      return
    }
    // The last token is always computed: without it there is nothing to write the first one from.
    const hit = cache.read(question.blocks, now)
    serving.cachedTokens = Math.min(hit * blockTokens, question.promptTokens - 1)
    const prefillMs = ((question.promptTokens - serving.cachedTokens) * 1000) / config.prefillTokensPerSecond
    serving.prefillEndMs = now + config.latencyMs + prefillMs
    cache.write(question.blocks, serving.prefillEndMs)
    advance(serving, 0)
  }

  /** The call has reached the machine. */
  function give(machine: ServingMachine, serving: Serving): void {
    const { question, watcher } = serving
    serving.recall = machine.submit({
      model: config.modelId,
      promptTokens: question.promptTokens,
      outputTokens: question.outputTokens,
      blocks: question.blocks,
      ...(watcher.onTokens === undefined ? {} : { deltaTokens: config.deltaTokens }),
      onTokens: (written) =>
        watcher.onTokens?.(question, written, written === 1 && config.headers ? limitHeaders(clock.now()) : undefined),
      onDone({ cachedTokens }) {
        serving.cachedTokens = cachedTokens
        complete(serving)
      },
    })
  }

  /** Tells of tokens that are due, then waits for the next ones, then for the end. */
  function advance(serving: Serving, sent: number): void {
    const { outputTokens } = serving.question
    const { onTokens } = serving.watcher
    if (sent > 0)
      onTokens?.(serving.question, sent, sent === 1 && config.headers ? limitHeaders(clock.now()) : undefined)
    const next =
      onTokens === undefined ? outputTokens : Math.min(outputTokens, sent === 0 ? 1 : sent + config.deltaTokens)
    const dueMs = serving.prefillEndMs + (next * 1000) / config.decodeTokensPerSecond
    serving.timer = clock.after(Math.max(0, dueMs - clock.now()), () =>
      next < outputTokens ? advance(serving, next) : complete(serving),
    )
  }

  function complete(serving: Serving): void {
    const { question, cachedTokens } = serving
    count.completed++
    took.inputTokens += question.promptTokens
    took.cachedTokens += cachedTokens
    took.outputTokens += question.outputTokens
    leave(serving)
    serving.watcher.onDone({
      content: question.content.map((part) => ({ ...part })),
      finishReason: {
        unified: question.cut
          ? 'length'
          : question.content.some((part) => part.type === 'tool-call')
            ? 'tool-calls'
            : 'stop',
        raw: undefined,
      },
      usage: toUsage(question.promptTokens, cachedTokens, question.outputTokens),
      warnings: [],
      ...(config.headers ? { response: { headers: limitHeaders(clock.now()) } } : {}),
    })
  }

  function fail(serving: Serving): void {
    count.failed++
    refund(serving, 0)
    leave(serving)
    serving.watcher.onFail(
      callError({
        message: 'The server had an error while processing the request.',
        statusCode: 500,
        headers: limitHeaders(clock.now()),
      }),
    )
  }

  function abort(serving: Serving, reason: unknown): void {
    if (serving.state === 'ended') return
    count.aborted++
    if (serving.state === 'waiting') {
      close(serving)
      count.queued--
      refund(serving, 0)
    } else {
      const { question, startMs, prefillEndMs, cachedTokens, recall } = serving
      const now = clock.now()
      if (options.machine !== undefined) {
        const taken = recall?.() ?? { inputTokens: 0, cachedTokens: 0, outputTokens: 0 }
        took.inputTokens += taken.inputTokens
        took.cachedTokens += taken.cachedTokens
        took.outputTokens += taken.outputTokens
        refund(serving, taken.inputTokens + taken.outputTokens)
        leave(serving)
        serving.watcher.onFail(reason)
        return
      }
      const prefilled = (Math.max(0, now - startMs - config.latencyMs) / 1000) * config.prefillTokensPerSecond
      const reached = now >= startMs + config.latencyMs
      const input =
        now >= prefillEndMs
          ? question.promptTokens
          : reached
            ? Math.min(question.promptTokens, cachedTokens + Math.floor(prefilled))
            : 0
      const decoded = now >= prefillEndMs ? Math.floor(((now - prefillEndMs) / 1000) * config.decodeTokensPerSecond) : 0
      // 0 ms at infinite speed is NaN: all of it.
      const output = Number.isNaN(decoded) ? question.outputTokens : Math.min(question.outputTokens, decoded)
      took.inputTokens += input
      took.cachedTokens += reached ? cachedTokens : 0
      took.outputTokens += output
      if (now < prefillEndMs) cache.forget(question.blocks, prefillEndMs)
      refund(serving, input + output)
      leave(serving)
    }
    serving.watcher.onFail(reason)
  }

  /** Gives back to the token window what the call did not take. */
  function refund(serving: Serving, tokensTaken: number): void {
    tokens.settle(serving.charge, tokensTaken)
  }

  function leave(serving: Serving): void {
    close(serving)
    count.inFlight--
    took.busySlotMs += clock.now() - serving.startMs
    while (waitingFrom < waiting.length && count.inFlight < config.slots) {
      const next = waiting[waitingFrom++] as Serving
      if (next.state !== 'waiting') continue
      count.queued--
      start(next)
    }
    if (waitingFrom > 1_024 && waitingFrom * 2 > waiting.length) {
      waiting.splice(0, waitingFrom)
      waitingFrom = 0
    }
  }

  function limitHeaders(now: number): Record<string, string> {
    return config.headers ? { ...requests.headers('requests', now), ...tokens.headers('tokens', now) } : {}
  }

  return {
    specificationVersion: 'v4',
    provider: options.provider ?? 'simulated',
    modelId: config.modelId,
    supportedUrls: {},
    capabilities: toCapabilities(config),
    stats: () => ({ ...count, ...took }),
    doGenerate: (call) => new Promise((onDone, onFail) => void serve(call, { onDone, onFail })),
    doStream: (call) => new Promise((resolve, reject) => stream(call, serve, resolve, reject)),
  }
}

type Serve = (call: LanguageModelV4CallOptions, watcher: Watcher) => (reason: unknown) => void

/** The stream opens with the first token: until then the call can still fail as a whole, as over HTTP. */
function stream(
  call: LanguageModelV4CallOptions,
  serve: Serve,
  resolve: (result: LanguageModelV4StreamResult) => void,
  reject: (error: unknown) => void,
): void {
  let controller: ReadableStreamDefaultController<LanguageModelV4StreamPart> | undefined
  let sentChars = 0
  const open = (
    headers: Record<string, string> | undefined,
  ): ReadableStreamDefaultController<LanguageModelV4StreamPart> => {
    if (controller !== undefined) return controller
    let opened: ReadableStreamDefaultController<LanguageModelV4StreamPart> | undefined
    const parts = new ReadableStream<LanguageModelV4StreamPart>({
      start: (c) => void (opened = c),
      cancel: (reason) => stop(reason),
    })
    controller = opened as unknown as ReadableStreamDefaultController<LanguageModelV4StreamPart>
    controller.enqueue({ type: 'stream-start', warnings: [] })
    resolve({ stream: parts, ...(headers === undefined ? {} : { response: { headers } }) })
    return controller
  }
  const send = (out: ReadableStreamDefaultController<LanguageModelV4StreamPart>, text: string, chars: number): void => {
    if (sentChars === 0) out.enqueue({ type: 'text-start', id: '0' })
    out.enqueue({ type: 'text-delta', id: '0', delta: text.slice(sentChars, chars) })
    sentChars = chars
  }
  const stop = serve(call, {
    onTokens({ content, outputTokens }, tokens, headers) {
      const first = content[0]
      const out = open(headers)
      if (first?.type !== 'text') return
      const chars = wholeChars(first.text, Math.floor((first.text.length * tokens) / outputTokens))
      if (chars > sentChars) send(out, first.text, chars)
    },
    onDone(result) {
      const out = open(result.response?.headers)
      const first = result.content[0]
      const isText = first?.type === 'text'
      if (isText) {
        if (first.text.length > sentChars) send(out, first.text, first.text.length)
        if (sentChars > 0) out.enqueue({ type: 'text-end', id: '0' })
      }
      const rest = toParts({
        ...result,
        content: isText ? result.content.slice(1) : result.content,
        response: undefined,
      })
      for (const part of rest) if (part.type !== 'stream-start') out.enqueue(part)
      out.close()
    },
    onFail(error) {
      if (controller === undefined) reject(error)
      else controller.error(error)
    },
  })
}

/** The length `chars`, or one less where that would cut a character of two units in half. */
function wholeChars(text: string, chars: number): number {
  const unit = chars < text.length && chars > 0 ? text.charCodeAt(chars - 1) : 0
  return unit >= 0xd800 && unit <= 0xdbff ? chars - 1 : chars
}

// ---------------------------------------------------------------------------------------------------------- questions

/** Stream of `randomAt` that chooses failures (the letters `fail`). Answers use their question's hash as stream. */
const failureStream = 0x6661_696c

/** Three letters and a space: one token each. */
const words = (
  'act add age aim air all and ant arc ask bay bed big bit box bus buy can cap car cut day dry ear end era eye far few fit fly fog ' +
  'gas get gym hat her hot ice ink its jet job key law let lot map may mix net new now oak odd off old one our out own pan pay pen'
).split(' ')

type Config = ReturnType<typeof toConfig>

function toConfig(options: SimulatedOptions) {
  const { outputTokens = 64 } = options
  const [outputMin, outputMax] = typeof outputTokens === 'number' ? [outputTokens, outputTokens] : outputTokens
  const config = {
    modelId: options.modelId ?? 'simulated',
    machine: options.machine,
    slots: options.slots ?? options.machine?.sequencesMax ?? 4,
    prefillTokensPerSecond: options.prefillTokensPerSecond ?? 614,
    decodeTokensPerSecond: options.decodeTokensPerSecond ?? 149,
    latencyMs: options.latencyMs ?? 20,
    requestsPerMinute: options.requestsPerMinute ?? Infinity,
    tokensPerMinute: options.tokensPerMinute ?? Infinity,
    contextTokens: Math.min(options.contextTokens ?? 128_000, options.machine?.kvTokens ?? Infinity),
    prefixCacheTokens: options.prefixCacheTokens ?? 0,
    seed: options.seed ?? options.clock.seed,
    outputMin,
    outputMax,
    answer: options.answer,
    refuse: options.refuse ?? '429',
    queueMax: options.queueMax ?? 10_000,
    retryAfterMs: options.retryAfterMs ?? 1_000,
    headers: options.headers ?? true,
    failureRate: options.failureRate ?? 0,
    deltaTokens: options.deltaTokens ?? 16,
    declare: options.declare ?? true,
    preempt: options.preempt ?? 'none',
  } as const
  const atLeast = {
    slots: 1,
    requestsPerMinute: 1,
    tokensPerMinute: 1,
    contextTokens: 1,
    deltaTokens: 1,
    latencyMs: 0,
    prefixCacheTokens: 0,
    outputMin: 0,
    failureRate: 0,
  }
  for (const [name, least] of Object.entries(atLeast)) {
    const value = config[name as keyof typeof atLeast]
    if (!(value >= least)) throw new PolityError('INVALID_ARGUMENT', `${name} must be at least ${least}, got ${value}`)
  }
  for (const name of ['prefillTokensPerSecond', 'decodeTokensPerSecond'] as const) {
    if (!(config[name] > 0)) throw new PolityError('INVALID_ARGUMENT', `${name} must be above 0, got ${config[name]}`)
  }
  if (outputMax < outputMin)
    throw new PolityError('INVALID_ARGUMENT', `outputTokens must be [least, most], got [${outputMin}, ${outputMax}]`)
  return config
}

function toCapabilities(config: Config): ModelCapabilities {
  const { slots, requestsPerMinute, tokensPerMinute, contextTokens, preempt } = config
  if (!config.declare) return { preempt }
  return {
    slots,
    contextTokens,
    preempt,
    ...(requestsPerMinute === Infinity ? {} : { requestsPerMinute }),
    ...(tokensPerMinute === Infinity ? {} : { tokensPerMinute }),
  }
}

function toQuestion(call: LanguageModelV4CallOptions, config: Config): Question {
  const tools = toolsText(call)
  const text = tools + promptText(call.prompt)
  const promptTokens = Math.max(1, tokensOf(text.length))
  const begun = config.preempt === 'prefix' ? begunText(call) : undefined
  const asked = begun === undefined ? text : tools + promptText(call.prompt.slice(0, -1))
  let hash: number | undefined
  const random = (index: number): number => randomAt(config.seed, (hash ??= hashText(asked) ^ (call.seed ?? 0)), index)
  const answer = config.answer?.({ call, text: asked, promptTokens, random }) ?? defaultAnswer(config, random)
  const {
    text: whole = '',
    toolCalls = [],
    outputTokens = undefined,
  } = typeof answer === 'string' ? { text: answer } : answer
  const rest = begun !== undefined && whole.startsWith(begun) ? whole.slice(begun.length) : whole
  const calls = toolCalls.map(({ id, name, input = {} }, i): LanguageModelV4Content => {
    const json = typeof input === 'string' ? input : JSON.stringify(input)
    return {
      type: 'tool-call',
      toolCallId: id ?? `call-${(hashText(asked) >>> 0).toString(36)}-${i}`,
      toolName: name,
      input: json,
    }
  })
  const length =
    outputTokens ??
    tokensOf(rest.length) +
      calls.reduce(
        (sum, part) => sum + (part.type === 'tool-call' ? tokensOf(part.toolName.length + part.input.length) : 0),
        0,
      )
  const room = Math.min(call.maxOutputTokens ?? Infinity, Math.max(0, config.contextTokens - promptTokens))
  const cut = length > room
  const kept = cut ? rest.slice(0, wholeChars(rest, Math.min(rest.length, room * charsPerToken))) : rest
  const content: LanguageModelV4Content[] = kept === '' ? [] : [{ type: 'text', text: kept }]
  if (!cut) content.push(...calls)
  return {
    promptTokens,
    // A machine keeps the answer's blocks too: what follows in the next prompt is what a message of the assistant begins with.
    blocks:
      config.machine !== undefined
        ? blockHashes(`${text}assistant: ${kept}`, hashText(config.modelId))
        : config.prefixCacheTokens > 0
          ? blockHashes(text, 0)
          : [],
    content,
    outputTokens: Math.min(length, room),
    cut,
  }
}

function defaultAnswer({ outputMin, outputMax }: Config, random: (index: number) => number): SimulatedAnswer {
  const length = outputMin + Math.floor(random(0) * (outputMax - outputMin + 1))
  let text = ''
  for (let i = 1; i <= length; i++) text += `${words[Math.floor(random(i) * words.length)]}${i === length ? '.' : ' '}`
  return { text, outputTokens: undefined }
}

/** The text of a last assistant message that is nothing but text. */
function begunText(call: LanguageModelV4CallOptions): string | undefined {
  const last = call.prompt.at(-1)
  if (last?.role !== 'assistant') return undefined
  let text = ''
  for (const part of last.content) {
    if (part.type !== 'text') return undefined
    text += part.text
  }
  return text
}

const toolTexts = new WeakMap<object, string>()

/** Tools stand before the prompt, as providers put them. The same list is written out once. */
function toolsText({ tools }: LanguageModelV4CallOptions): string {
  if (tools === undefined || tools.length === 0) return ''
  let text = toolTexts.get(tools)
  if (text === undefined) toolTexts.set(tools, (text = `${JSON.stringify(tools)}\n`))
  return text
}

// ------------------------------------------------------------------------------------------------------- prefix cache

const blockChars = blockTokens * charsPerToken

/** One hash for each whole block; each also covers all that stands before its block. FNV-1a in two lanes, 53 bits together. */
function blockHashes(text: string, salt: number): number[] {
  const hashes: number[] = []
  let a = 0x811c_9dc5 ^ salt
  let b = 0x9e37_79b9
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    a = Math.imul(a ^ unit, 0x0100_0193)
    b = Math.imul(b ^ unit, 0x85eb_ca6b)
    if ((i + 1) % blockChars === 0) hashes.push((a >>> 0) * 2_097_152 + ((b ^ (b >>> 15)) >>> 11))
  }
  return hashes
}

function hashText(text: string): number {
  let hash = 0x811c_9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193)
  return hash | 0
}

interface PrefixCache {
  /** How many of the first blocks are there at `now`. */
  read(blocks: readonly number[], now: number): number
  /** The blocks will be there from `readyMs` on, where they are not yet, and become the most recently used. */
  write(blocks: readonly number[], readyMs: number): void
  /** The blocks that would have been there from `readyMs` on will not. */
  forget(blocks: readonly number[], readyMs: number): void
}

function prefixCache(tokensMax: number): PrefixCache {
  const blocksMax = Math.floor(tokensMax / blockTokens)
  /** Block to the time from which it is readable; the least recently used stands first. */
  const ready = new Map<number, number>()
  return {
    read(blocks, now) {
      let hits = 0
      while (hits < blocks.length && (ready.get(blocks[hits] as number) ?? Infinity) <= now) hits++
      return hits
    },
    write(blocks, readyMs) {
      // From the last to the first: of one prefix the tail is forgotten first, since a head without tail is still of use.
      for (let i = Math.min(blocks.length, blocksMax) - 1; i >= 0; i--) {
        const block = blocks[i] as number
        const before = ready.get(block)
        if (before !== undefined) ready.delete(block)
        ready.set(block, Math.min(before ?? Infinity, readyMs))
      }
      for (const block of ready.keys()) {
        if (ready.size <= blocksMax) break
        ready.delete(block)
      }
    },
    forget(blocks, readyMs) {
      for (const block of blocks) if (ready.get(block) === readyMs) ready.delete(block)
    },
  }
}

// ------------------------------------------------------------------------------------------------------- rate windows

const windowMs = 60_000

interface Charge {
  readonly atMs: number
  amount: number
}

interface RateWindow {
  /** How long until `amount` has room, ms; 0 when it has. */
  waitMs(now: number, amount: number): number
  add(now: number, amount: number): Charge
  /** Lowers a charge to what was taken in the end. */
  settle(charge: Charge, amount: number): void
  headers(kind: 'requests' | 'tokens', now: number): Record<string, string>
}

/** What was admitted in the last 60 s: nothing above `limit` in any 60 s, so stricter than a bucket that refills. */
function rateWindow(limit: number): RateWindow {
  if (limit === Infinity)
    return { waitMs: () => 0, add: (atMs, amount) => ({ atMs, amount }), settle: () => {}, headers: () => ({}) }
  const charges: Charge[] = []
  let from = 0
  let used = 0
  const expire = (now: number): void => {
    for (let first = charges[from]; first !== undefined && first.atMs + windowMs <= now; first = charges[++from])
      used -= first.amount
    if (from > 1_024 && from * 2 > charges.length) {
      charges.splice(0, from)
      from = 0
    }
  }
  return {
    waitMs(now, amount) {
      expire(now)
      let over = used + amount - limit
      for (let i = from; over > 0 && i < charges.length; i++) {
        const charge = charges[i] as Charge
        over -= charge.amount
        if (over <= 0) return charge.atMs + windowMs - now
      }
      return 0
    },
    add(now, amount) {
      const charge = { atMs: now, amount }
      charges.push(charge)
      used += amount
      return charge
    },
    settle(charge, amount) {
      // A charge that has left the window no longer counts in `used`.
      if (charges.length > from && charge.atMs >= (charges[from] as Charge).atMs) used -= charge.amount - amount
      charge.amount = amount
    },
    headers(kind, now) {
      expire(now)
      // Reset: until more room comes, which is what a caller who has none needs to know.
      const first = charges[from]
      return {
        [`x-ratelimit-limit-${kind}`]: String(limit),
        [`x-ratelimit-remaining-${kind}`]: String(Math.max(0, limit - used)),
        [`x-ratelimit-reset-${kind}`]: `${first === undefined ? 0 : Math.ceil(first.atMs + windowMs - now)}ms`,
      }
    },
  }
}
