/**
 * Model calls: from a request of a program to the driver's interface and back.
 *
 *     checkRequest → promptOf → (the gate reserves) → generate: admit, call the driver, read its answer, settle
 *
 * It streams when somebody watches the text and asks for the whole answer otherwise; the two give the same `Generation`.
 *
 * Invariants
 *   M1. A lease of a core is released exactly once, whatever the driver does.
 *   M2. A refusal (429) is the scheduler's business: the call goes back to the queue and its process never sees it.
 *   M3. What a driver sends is checked before it is believed; nonsense is `DRIVER_INVALID`, never a crash.
 */
import type { LanguageModelV4CallOptions, LanguageModelV4GenerateResult, LanguageModelV4Message, LanguageModelV4StreamPart, LanguageModelV4Usage } from '@ai-sdk/provider'
import type { Clock } from './clock.ts'
import { randomAt } from './clock.ts'
import type { Deadlines } from './deadlines.ts'
import type { LanguageModel } from './drivers.ts'
import { PolityError, messageOf } from './errors.ts'
import type { Limits } from './limits.ts'
import { freezePlain, toPlain } from './plain.ts'
import type { Call, Process } from './process.ts'
import { overBudget, tokensLeft, usdLeft } from './process.ts'
import type { Core, Scheduler, Ticket } from './scheduler.ts'
import { createStamp } from './stamp.ts'
import type { CallStart, CallUsage, GenerateRequest, Generation, Json, Message, ModelChoice, ModelContent, Reservation, ToolCall, ToolDescription } from './types.ts'

// ---------------------------------------------------------------------------------------------------------- requests

/** A request as checked: messages in the driver's form and frozen; everything else plain. */
export interface CheckedRequest {
  readonly messages: readonly LanguageModelV4Message[]
  readonly models: readonly string[]
  readonly options: { readonly [key: string]: Json | undefined }
  readonly tools: readonly string[]
}

const optionKeys = ['maxOutputTokens', 'temperature', 'topP', 'topK', 'seed', 'stopSequences', 'schema', 'toolChoice', 'providerOptions', 'deadlineMs'] as const
const requestKeys = new Set<string>([...optionKeys, 'model', 'instructions', 'prompt', 'messages', 'tools'])

/** Messages seen before, with their estimated tokens: each is checked and frozen once, however often it is sent. */
const known = createStamp<{ readonly message: LanguageModelV4Message; readonly tokens: number }>()

function knowMessage(message: Message, at: () => string, limits: Limits): LanguageModelV4Message {
  if (typeof message !== 'object' || message === null) throw invalid(at(), 'a message such as { role: "user", content: "…" }', message)
  const seen = known.get(message)
  if (seen !== undefined) return seen.message
  const { role, content } = message
  if (role !== 'system' && role !== 'user' && role !== 'assistant' && role !== 'tool') throw invalid(`${at()}.role`, '"system", "user", "assistant" or "tool"', role)
  let form: LanguageModelV4Message
  if (typeof content === 'string') {
    if (role === 'tool') throw invalid(`${at()}.content`, 'a list of tool results', content)
    form = role === 'system' ? { role, content } : { role, content: [{ type: 'text', text: content }] }
  } else {
    if (role === 'system' || !Array.isArray(content)) throw invalid(`${at()}.content`, role === 'system' ? 'text' : 'text or a list of parts', content)
    form = message as LanguageModelV4Message
  }
  const entry = { message: form, tokens: estimateMessage(form) }
  known.set(message, entry)
  freezePlain(message, at, limits.valueBytesMax)
  if (form !== message) {
    known.set(form, entry)
    freezePlain(form, at, limits.valueBytesMax)
  }
  return form
}

export function checkRequest(request: GenerateRequest | string, process: Process, defaultModel: ModelChoice | undefined, limits: Limits): CheckedRequest {
  if (typeof request === 'string') request = { prompt: request }
  if (typeof request !== 'object' || request === null) throw invalid('generate', 'a prompt or a request object', request)
  for (const key in request) if (!requestKeys.has(key)) throw invalid(`generate.${key}`, `one of ${[...requestKeys].join(', ')}`, key)
  const { instructions, prompt } = request
  const messages: LanguageModelV4Message[] = []
  if (instructions !== undefined) {
    if (typeof instructions !== 'string') throw invalid('generate.instructions', 'text', instructions)
    messages.push(knowMessage({ role: 'system', content: instructions }, () => 'generate.instructions', limits))
  }
  if ((prompt === undefined) === (request.messages === undefined)) throw invalid('generate', 'either prompt or messages', prompt === undefined ? 'neither' : 'both')
  if (prompt !== undefined) {
    if (typeof prompt !== 'string') throw invalid('generate.prompt', 'text', prompt)
    messages.push(knowMessage({ role: 'user', content: prompt }, () => 'generate.prompt', limits))
  } else {
    if (!Array.isArray(request.messages)) throw invalid('generate.messages', 'a list of messages', request.messages)
    for (let i = 0; i < request.messages.length; i++) messages.push(knowMessage(request.messages[i] as Message, () => `generate.messages[${i}]`, limits))
  }
  const choice = request.model ?? process.program.model ?? defaultModel
  if (choice === undefined) throw new PolityError('NO_SUCH_MODEL', 'the call names no model, and neither its program nor the kernel has a default')
  const models = typeof choice === 'string' ? [choice] : choice
  if (!Array.isArray(models) || models.length === 0 || models.some((one) => typeof one !== 'string')) throw invalid('generate.model', '"provider/model" or a list of such names', choice)
  const tools = request.tools ?? NO_TOOLS
  if (!Array.isArray(tools)) throw invalid('generate.tools', 'a list of names of held tools', tools)
  for (const tool of tools) if (!process.tools.has(tool)) throw new PolityError('NO_SUCH_TOOL', `process ${process.pid} holds no tool "${String(tool)}"; it holds ${[...process.tools.keys()].join(', ') || 'none'}`)
  let options: { [key: string]: Json | undefined } | undefined
  for (const key of optionKeys) {
    const value = request[key]
    if (value !== undefined) (options ??= {})[key] = toPlain(value, () => `generate.${key}`, limits.valueBytesMax)
  }
  const max = options?.['maxOutputTokens']
  if (max !== undefined && !(typeof max === 'number' && Number.isInteger(max) && max >= 1)) throw invalid('generate.maxOutputTokens', 'a whole number of at least 1', max)
  return { messages, models, options: options ?? NO_OPTIONS, tools }
}

const NO_TOOLS: readonly string[] = Object.freeze([])
const NO_OPTIONS = Object.freeze({})

function invalid(at: string, expected: string, got: unknown): PolityError {
  return new PolityError('INVALID_ARGUMENT', `${at} takes ${expected}, not ${messageOf(got).slice(0, 80)}`)
}

/**
 * The request as journaled. Messages that stood at the beginning of this process's last request are named, not repeated:
 * `{ like: n, keep: k, add: […] }`. A long conversation is so written once, not once a step.
 */
export function toJournal(request: CheckedRequest, process: Process, n: number): Json {
  const { messages, models, options, tools } = request
  const last = process.lastPrompt
  let keep = 0
  if (last !== undefined) while (keep < messages.length && keep < last.messages.length && messages[keep] === last.messages[keep]) keep++
  process.lastPrompt = { n, messages }
  const prompt = last !== undefined && keep > 0 ? { like: last.n, keep, add: messages.slice(keep) } : { add: messages }
  return { models, tools, options, messages: prompt } as unknown as Json
}

/** Messages of a journaled `generate`, whole again. `starts` are the calls of the same process by number. */
export function expandMessages(start: CallStart, starts: readonly (CallStart | undefined)[]): readonly LanguageModelV4Message[] {
  const { messages } = start.args as unknown as { messages: { like?: number; keep?: number; add: readonly LanguageModelV4Message[] } }
  if (messages.like === undefined) return messages.add
  const before = starts[messages.like]
  return [...(before === undefined ? [] : expandMessages(before, starts)).slice(0, messages.keep), ...messages.add]
}

// ------------------------------------------------------------------------------------------------------------ tokens

/**
 * Tokens of a text, estimated upward: a third of its UTF-8 bytes. English prose has about 4.2 bytes a token in today's
 * vocabularies, code and other scripts fewer; each core's `tokenRatio` learns what remains.
 */
export function estimateTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / 3)
}

/** Tokens that frame one message, as in OpenAI's published chat format (3 to 4 each). */
const FRAME_TOKENS = 4

function estimateMessage(message: LanguageModelV4Message): number {
  if (typeof message.content === 'string') return FRAME_TOKENS + estimateTokens(message.content)
  let tokens = FRAME_TOKENS
  for (const part of message.content) {
    if (part.type === 'text' || part.type === 'reasoning') tokens += estimateTokens(part.text)
    else tokens += estimateTokens(JSON.stringify(part))
  }
  return tokens
}

/** Estimated tokens of messages; those sent before are not counted anew. */
export function estimatePrompt(messages: readonly Message[]): number {
  let tokens = 0
  for (const message of messages) {
    tokens += known.get(message)?.tokens ?? estimateMessage(message as LanguageModelV4Message)
  }
  return tokens
}

// ----------------------------------------------------------------------------------------------------------- machine

export interface Llm {
  /** What the call may cost at most, and the output limit that follows; throws `BUDGET_EXCEEDED` where nothing is left. */
  plan(process: Process, request: CheckedRequest): Plan
  generate(call: Call, request: CheckedRequest, plan: Plan): Promise<Generation>
  core(model: string): Core
}

export interface Plan {
  readonly cores: readonly Core[]
  readonly inputTokens: number
  readonly maxOutputTokens: number
  readonly reserved: Reservation
}

export interface LlmOptions {
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly limits: Limits
  readonly scheduler: Scheduler
  readonly cores: ReadonlyMap<string, Core>
  /** Descriptions of held tools for the model. */
  readonly describe: (process: Process, tools: readonly string[]) => readonly ToolDescription[]
  /** Undefined while nobody watches the text of this process. */
  readonly watcher: (process: Process) => ((delta: string, call: Call) => void) | undefined
  readonly onWait: (call: Call, core: string) => void
}

type AnswerParts = { content: ModelContent[]; finishReason: Generation['finishReason']; usage: LanguageModelV4Usage | undefined; headers: Record<string, string> | undefined }

export function createLlm({ clock, deadlines, limits, scheduler, cores, describe, watcher, onWait }: LlmOptions): Llm {
  function core(model: string): Core {
    const found = cores.get(model)
    if (found !== undefined) return found
    throw new PolityError('NO_SUCH_MODEL', `no core serves "${model}"; there are ${[...cores.keys()].join(', ') || 'none'}`)
  }

  function plan(process: Process, request: CheckedRequest): Plan {
    const chain = request.models.map(core)
    let raw = estimatePrompt(request.messages)
    if (request.tools.length > 0) for (const tool of describe(process, request.tools)) raw += toolTokens(tool)
    // The dearest and the most talkative core of the chain sets the reservation.
    let ratio = 1
    let contextTokens = 0
    for (const one of chain) {
      ratio = Math.max(ratio, one.tokenRatio)
      contextTokens = Math.max(contextTokens, one.contextTokens)
    }
    const inputTokens = Math.ceil(raw * ratio)
    const asked = request.options['maxOutputTokens'] as number | undefined
    let output = Math.min(asked ?? limits.outputTokensDefault, contextTokens - inputTokens)
    if (output < 1) throw new PolityError('TOO_LARGE', `the prompt has about ${inputTokens} tokens; ${chain.map((one) => `${one.id} takes ${one.contextTokens}`).join(', ')} with the answer`)
    // Where the request named no maximum, a budget that has room for less than the default makes the answer shorter.
    if (asked === undefined) {
      output = Math.min(output, tokensLeft(process) - inputTokens)
      const usd = usdLeft(process)
      if (usd !== Infinity) for (const { price } of chain) if (price !== undefined && price.output > 0) output = Math.min(output, Math.floor(((usd - (inputTokens * price.input) / 1e6) * 1e6) / price.output))
      output = Math.max(1, Math.floor(output))
    }
    let usd = 0
    for (const { price } of chain) if (price !== undefined) usd = Math.max(usd, (inputTokens * price.input + output * price.output) / 1e6)
    const reserved = { tokens: inputTokens + output, usd }
    const over = overBudget(process, { tokens: reserved.tokens, usd, steps: 1 })
    if (over !== undefined) throw over
    return { cores: chain, inputTokens, maxOutputTokens: output, reserved }
  }

  async function generate(call: Call, request: CheckedRequest, plan: Plan): Promise<Generation> {
    let last: PolityError | undefined
    for (const core of plan.cores) {
      for (let tries = 1; tries <= limits.generateTriesMax; tries++) {
        let answer: Generation | 'refused'
        try {
          do answer = await attempt(call, core, request, plan)
          while (answer === 'refused')
          return answer
        } catch (error) {
          if (!call.open) throw error
          last = PolityError.isInstance(error) ? error : new PolityError('DRIVER_FAILED', `${core.id}: ${messageOf(error)}`, { cause: error })
          if (last.code === 'DRIVER_UNAVAILABLE' || last.code === 'OVERLOADED' || !isRetryable(error)) break
          if (tries < limits.generateTriesMax) await call.race(pause(limits.generateBackoffMs * 2 ** (tries - 1) * (0.5 + randomAt(clock.seed, call.process.pid, call.n * 16 + tries))))
        }
      }
      // A driver that says that the request itself is wrong is believed; any other trouble is a reason to ask the next one.
      if (last !== undefined && isCallersFault(last)) break
    }
    throw last ?? new PolityError('NO_SUCH_MODEL', 'the call names no model')
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => clock.after(ms, resolve))
  }

  /** One stay on one core: admitted, asked, read, settled. Streams if somebody watches. */
  async function attempt(call: Call, core: Core, request: CheckedRequest, plan: Plan): Promise<Generation | 'refused'> {
    const leased = lease(call, core, request, plan)
    const ticket = leased instanceof Promise ? await leased : leased
    const stay = new Stay(call)
    const deadline = deadlines.set(limits.generateMs, () => stay.stop(new PolityError('DRIVER_TIMEOUT', `${core.id} did not answer within ${limits.generateMs} ms`)))
    let released = false
    try {
      const watch = watcher(call.process)
      const options = toOptions(stay, request, plan)
      const parts =
        watch === undefined ? toParts(core.model, await stay.race(core.model.doGenerate(options))) : await streamed(core.model, options, stay, (delta) => watch(delta, call), limits.streamPartsMax)
      const usage = settleUsage(parts, plan, core, request)
      const generation = toGeneration(parts, usage, core, limits.valueBytesMax)
      released = true
      scheduler.release(ticket, { type: 'served', tokens: usage.inputTokens + usage.outputTokens, headers: parts.headers })
      call.usage = usage
      return generation
    } catch (error) {
      if (!released) {
        if (!call.open) scheduler.release(ticket, { type: 'cancelled' })
        else if (statusOf(error) === 429) {
          scheduler.release(ticket, { type: 'refused', headers: headersOf(error) })
          return 'refused'
        } else if (isRetryable(error)) scheduler.release(ticket, { type: 'failed' })
        else scheduler.release(ticket, { type: 'served', tokens: plan.inputTokens, headers: headersOf(error) })
      }
      throw error
    } finally {
      deadline.cancel()
    }
  }

  function lease(call: Call, core: Core, request: CheckedRequest, plan: Plan): Ticket | Promise<Ticket> {
    const { process } = call
    const now = clock.now()
    let settled: { error?: PolityError } | undefined
    let settle: ((error?: PolityError) => void) | undefined
    const deadlineMs = request.options['deadlineMs'] as number | undefined
    call.core = core.id
    const ticket = scheduler.admit(
      core,
      {
        pid: process.pid,
        principal: process.principal,
        priority: process.priority,
        spawnedAt: process.startedAt,
        arrivedAt: now,
        deadlineAt: deadlineMs === undefined ? Infinity : call.startedAt + deadlineMs,
        started: process.used.steps > 1,
        tokens: plan.reserved.tokens,
      },
      (error) => {
        if (settle === undefined) settled = error === undefined ? {} : { error }
        else settle(error)
      },
    )
    if (settled !== undefined) {
      if (settled.error !== undefined) throw settled.error
      return ticket
    }
    call.inQueue = true
    onWait(call, core.id)
    return new Promise((resolve, reject) => {
      const timer = clock.after(limits.coreWaitMs, () => {
        scheduler.leave(ticket)
        settle?.(new PolityError('OVERLOADED', `the call waited ${limits.coreWaitMs} ms for a turn on ${core.id}`))
      })
      settle = (error) => {
        timer.cancel()
        call.inQueue = false
        call.waitedMs += clock.now() - now
        if (error !== undefined) reject(error)
        // Cancelled between the grant and here: give the place back.
        else if (!call.open) {
          scheduler.release(ticket, { type: 'cancelled' })
          reject(new PolityError('KILLED', 'the call was cancelled'))
        } else resolve(ticket)
      }
      call.onAbort((error) => {
        scheduler.leave(ticket)
        settle?.(error)
        settle = () => {}
      })
    })
  }

  function toOptions(stay: Stay, request: CheckedRequest, plan: Plan): LanguageModelV4CallOptions {
    const { options, tools } = request
    const result: Record<string, unknown> = {
      prompt: request.messages,
      maxOutputTokens: plan.maxOutputTokens,
      // Position in the journal: what `recorded` answers by. Providers ignore options that are not theirs.
      providerOptions: { ...(options['providerOptions'] as object | undefined), polity: { pid: stay.call.process.pid, n: stay.call.n } },
      get abortSignal() {
        return stay.signal
      },
    }
    for (const key of ['temperature', 'topP', 'topK', 'seed', 'stopSequences', 'toolChoice']) if (options[key] !== undefined) result[key] = options[key]
    if (options['schema'] !== undefined) result['responseFormat'] = { type: 'json', schema: options['schema'] }
    if (tools.length > 0) result['tools'] = describe(stay.call.process, tools).map((tool) => driverTool(tool))
    return result as unknown as LanguageModelV4CallOptions
  }

  return { plan, generate, core }
}

const driverTools = new WeakMap<ToolDescription, object>()

function driverTool(tool: ToolDescription): object {
  let form = driverTools.get(tool)
  if (form === undefined) {
    form = Object.freeze({ type: 'function', name: tool.name, description: tool.description, inputSchema: tool.inputSchema })
    driverTools.set(tool, form)
  }
  return form
}

const toolEstimates = new WeakMap<ToolDescription, number>()

function toolTokens(tool: ToolDescription): number {
  let tokens = toolEstimates.get(tool)
  if (tokens === undefined) {
    tokens = FRAME_TOKENS + estimateTokens(JSON.stringify(tool))
    toolEstimates.set(tool, tokens)
  }
  return tokens
}

// ----------------------------------------------------------------------------------------------------------- answers

/** A call with one driver: stops when the call is cancelled or its time is up, and tells the driver so. */
class Stay {
  readonly call: Call
  #stopped: PolityError | undefined = undefined
  #reject: ((error: PolityError) => void) | undefined = undefined
  #controller: AbortController | undefined = undefined

  constructor(call: Call) {
    this.call = call
    call.onAbort((error) => this.stop(error))
  }

  /** Made when the driver asks for it. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#stopped !== undefined) this.#controller.abort(this.#stopped)
    }
    return this.#controller.signal
  }

  stop(error: PolityError): void {
    if (this.#stopped !== undefined) return
    this.#stopped = error
    this.#controller?.abort(error)
    this.#reject?.(error)
  }

  /** What the driver promised, or the stop if that comes first. One at a time. */
  race<T>(promised: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#reject = reject
      if (this.#stopped !== undefined) reject(this.#stopped)
      promised.then(resolve, reject)
    })
  }
}

function toParts(model: LanguageModel, result: LanguageModelV4GenerateResult): AnswerParts {
  if (typeof result !== 'object' || result === null || !Array.isArray(result.content)) throw badDriver(model, 'doGenerate gave no content list')
  return { content: result.content, finishReason: result.finishReason?.unified, usage: result.usage, headers: result.response?.headers as Record<string, string> | undefined }
}

async function streamed(
  model: LanguageModel,
  options: LanguageModelV4CallOptions,
  stay: Stay,
  onText: (delta: string) => void,
  partsMax: number,
): Promise<AnswerParts> {
  const result = await stay.race(model.doStream(options))
  if (typeof result?.stream?.getReader !== 'function') throw badDriver(model, 'doStream gave no stream')
  const reader = result.stream.getReader()
  const content: ModelContent[] = []
  const texts = new Map<string, { type: 'text' | 'reasoning'; text: string }>()
  let finish: { usage: LanguageModelV4Usage; finishReason: { unified: Generation['finishReason'] } } | undefined
  try {
    for (let parts = 0; ; parts++) {
      if (parts > partsMax) throw badDriver(model, `a stream of more than ${partsMax} parts`)
      const { done, value: part } = await stay.race<{ done: boolean; value?: LanguageModelV4StreamPart }>(reader.read())
      if (done) break
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
  return { content, finishReason: finish.finishReason?.unified, usage: finish.usage, headers: result.response?.headers as Record<string, string> | undefined }
}

function badDriver(model: LanguageModel, what: string): PolityError {
  return new PolityError('DRIVER_INVALID', `${model.provider}/${model.modelId}: ${what}`)
}

const finishReasons = new Set(['stop', 'length', 'content-filter', 'tool-calls', 'error', 'interrupted', 'other'])

function toGeneration(parts: AnswerParts, usage: CallUsage, core: Core, bytesMax: number): Generation {
  let text = ''
  const toolCalls: ToolCall[] = []
  const said: object[] = []
  for (const part of parts.content) {
    switch (part?.type) {
      case 'text':
      case 'reasoning':
        if (typeof part.text !== 'string') throw badDriver(core.model, `a ${part.type} part without text`)
        if (part.type === 'text') text += part.text
        said.push(withOptions({ type: part.type, text: part.text }, part))
        break
      case 'tool-call': {
        if (typeof part.toolName !== 'string' || typeof part.toolCallId !== 'string') throw badDriver(core.model, 'a tool call without name or id')
        const input = parseInput(part.input)
        said.push(withOptions({ type: 'tool-call', toolCallId: part.toolCallId, toolName: part.toolName, input }, part))
        toolCalls.push({ id: part.toolCallId, name: part.toolName, input })
        break
      }
      case 'file':
      case 'source':
      case 'tool-result':
      case 'custom':
      case 'reasoning-file':
      case 'tool-approval-request':
        break
      default:
        throw badDriver(core.model, `content of an unknown type "${String((part as { type?: unknown } | null)?.type)}"`)
    }
  }
  const message = { role: 'assistant', content: said } as unknown as LanguageModelV4Message
  // The provider counted it; when it is sent again, nobody has to.
  known.set(message, { message, tokens: FRAME_TOKENS + usage.outputTokens })
  const finishReason = finishReasons.has(parts.finishReason) ? parts.finishReason : 'other'
  try {
    return freezePlain({ text, toolCalls, message, finishReason, usage, model: core.id }, () => `the answer of ${core.id}`, bytesMax)
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

/** The provider's counts where they are numbers, ours where they are not; and what a wrong estimate teaches. */
function settleUsage(parts: AnswerParts, plan: Plan, core: Core, request: CheckedRequest): CallUsage {
  const input = count(parts.usage?.inputTokens?.total)
  const output = count(parts.usage?.outputTokens?.total)
  const cachedTokens = Math.min(count(parts.usage?.inputTokens?.cacheRead) ?? 0, input ?? plan.inputTokens)
  const inputTokens = input ?? plan.inputTokens
  const outputTokens = output ?? Math.min(plan.maxOutputTokens, estimateTokens(JSON.stringify(parts.content)))
  if (input !== undefined && input > plan.inputTokens) core.tokenRatio = Math.max(core.tokenRatio, input / Math.max(1, estimatePrompt(request.messages)))
  return { inputTokens, cachedTokens, outputTokens, usd: cost(core, inputTokens, cachedTokens, outputTokens), estimated: input === undefined || output === undefined }
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? Math.ceil(value) : undefined
}

function cost({ price }: Core, input: number, cached: number, output: number): number {
  if (price === undefined) return 0
  return ((input - cached) * price.input + cached * (price.cached ?? price.input) + output * price.output) / 1e6
}

// ------------------------------------------------------------------------------------------------------------ errors

function statusOf(error: unknown): number | undefined {
  const status = (error as { statusCode?: unknown } | null)?.statusCode
  return typeof status === 'number' ? status : undefined
}

function headersOf(error: unknown): Record<string, string> | undefined {
  const headers = (error as { responseHeaders?: unknown } | null)?.responseHeaders
  return typeof headers === 'object' && headers !== null ? (headers as Record<string, string>) : undefined
}

/** Whether the same call may go well on the same core in a moment: the driver's word, else server faults and silence. */
function isRetryable(error: unknown): boolean {
  if (PolityError.isInstance(error)) return error.code === 'DRIVER_TIMEOUT'
  const said = (error as { isRetryable?: unknown } | null)?.isRetryable
  if (typeof said === 'boolean') return said
  const status = statusOf(error)
  if (status !== undefined) return status === 408 || status === 409 || status >= 500
  return error instanceof TypeError && /fetch|network/i.test(error.message)
}

/** A refused request (bad input, bad key) would be refused by no other core for another reason; anything else may be. */
function isCallersFault(error: PolityError): boolean {
  const status = statusOf(error.cause)
  return status === 400 || status === 413 || status === 422
}

