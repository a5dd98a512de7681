/**
 * Local models: any GGUF file, in this process, by llama.cpp. An answer can be interrupted at any token, kept in a file, and
 * taken up again later or elsewhere as if nothing had been (`preempt: 'exact'`).
 *
 *     const model = await llama('/models/qwen2.5-1.5b.gguf')          // or the name of a model that Ollama has pulled
 *     const kernel = await boot({ models: { local: model } })          // or boot({ model: 'llama:/models/….gguf' })
 *     …
 *     model.stats(); await model.close()
 *
 * Needs the package `node-llama-cpp`, an optional peer: `npm install node-llama-cpp`.
 *
 * `providerOptions.llama`: `grammar`, a GBNF grammar that the answer keeps to; `logprobs: true`, the probabilities of the
 * chosen tokens in `providerMetadata.llama.logprobs`. `responseFormat` with a schema, and tools, are kept to token by token.
 *
 * Invariants
 *   LL1. In `batching: 'alone'` the same request on the same machine and file gets the same answer, text and probabilities,
 *        whatever ran before or runs beside it and in however many turns it is made. Without a `seed`, requests of different
 *        calls of the kernel differ.
 *   LL2. Answers are written `sequences` at a time; more calls wait in the order of arrival. A kernel is offered fewer
 *        (`slots`): what made room for another stays in its sequence meanwhile, and finds one when it goes on.
 *   LL3. A state is read only if this machine wrote it for this request (state.ts); everything else is `STATE_FOREIGN`. It is
 *        good until `forgetState` or `close`, also for the next operating-system process where `stateFolder` is the same.
 */
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
  SharedV4Warning,
} from '@ai-sdk/provider'
import type { Clock } from '../../kernel/clock.ts'
import { realClock } from '../../kernel/clock.ts'
import type { LanguageModel, ModelCapabilities, Turn as KernelTurn } from '../../kernel/drivers.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { FindOptions } from './llama/files.ts'
import { findModel, fingerprintOf } from './llama/files.ts'
import type { Request, Turn } from './llama/generation.ts'
import { runTurn } from './llama/generation.ts'
import { constraintOf } from './llama/constraint.ts'
import { openMachine } from './llama/library.ts'
import { functionTools, invalid, renderPrompt } from './llama/prompt.ts'
import { SAMPLING_DEFAULTS } from './llama/sampler.ts'
import { unenforced } from './llama/schema.ts'
import { createPool } from './llama/sequences.ts'
import type { Belonging } from './llama/state.ts'
import { dropState, isStateId, loadState, readState, saveState, sha256 } from './llama/state.ts'
import { toUsage } from './scripted.ts'

export interface LlamaOptions extends FindOptions {
  /** @default the file's name */
  readonly modelId?: string
  /** Answers that a kernel has written side by side. Minimum 1. @default one less than there are sequences, at least 1 */
  readonly slots?: number
  /**
   * Places for answers, those that made room for others among them: each takes the memory of `contextTokens`. At least
   * `slots`; with as many as slots, who goes on reads its state from its file. @default one more than `slots`; without those
   * 5 (4 slots, invented: what small local servers are started with)
   */
  readonly sequences?: number
  /** Tokens of prompt and answer together. @default what the model was trained on, at most 4,096 */
  readonly contextTokens?: number
  /**
   * `alone`: sequences are computed one after the other, each as if there were no other: the same bits whatever runs beside
   * it. `together`: several in one step, which a GPU does in the time of one; the last digits of probabilities then depend on
   * the company, and rarely a token. @default 'alone' on a processor, 'together' on a GPU
   */
  readonly batching?: 'alone' | 'together'
  /** Tokens of a prompt that are computed in one step; an abort, or another call's turn, waits for one step. @default 64 alone (invented), 512 together */
  readonly batchTokens?: number
  /** @default one less than there are cores */
  readonly threads?: number
  /** Where the model is computed. @default 'auto': on a GPU if the library has a binary for one */
  readonly gpu?: 'auto' | 'cuda' | 'vulkan' | 'metal' | false
  /** How the model was taught to read conversations: a format's name in node-llama-cpp, such as 'chatML'. @default 'auto': by the file */
  readonly format?: string
  /** Chance of calls that bring no seed. @default 0 */
  readonly seed?: number
  /**
   * Where states are kept; the process that takes an answer up after a crash has to name it too. `boot` with the path of a
   * store names `<store>-states`. @default a folder of this process in the system's temporary one, removed by `close`
   */
  readonly stateFolder?: string
  /** Of the times in stats. @default realClock() */
  readonly clock?: Clock
}

/** Everything since the model was opened. */
export interface LlamaStats {
  readonly calls: number
  /** Tokens of prompts that were computed. */
  readonly prefilledTokens: number
  /** Tokens of prompts that were in a sequence already, or copied from one. */
  readonly reusedTokens: number
  readonly decodedTokens: number
  readonly interruptions: number
  /** States that were read back; others were still in their sequence. */
  readonly loads: number
  readonly stateBytes: number
  /** Time for writing and reading states, ms. */
  readonly stateMs: number
}

export interface LlamaModel extends LanguageModel {
  readonly capabilities: ModelCapabilities
  /** The GGUF file. */
  readonly path: string
  stats(): LlamaStats
  forgetState(state: string): void
  /** Gives the memory back. Calls under way fail. */
  close(): Promise<void>
}

/** Opens a local model: the path of a GGUF file, or the name of a model that Ollama has here. */
export async function llama(spec: string, options: LlamaOptions = {}): Promise<LlamaModel> {
  const { sequences = (options.slots ?? SLOTS) + 1, seed = 0, clock = realClock(), gpu = 'auto' } = options
  const { slots = Math.max(1, sequences - 1) } = options
  for (const [name, value] of Object.entries({
    slots,
    sequences,
    batchTokens: options.batchTokens ?? 1,
    threads: options.threads ?? 1,
  }))
    if (!Number.isInteger(value) || value < 1)
      throw new PolityError('INVALID_ARGUMENT', `${name} takes a whole number of at least 1, not ${value}`)
  if (slots > sequences)
    throw new PolityError('INVALID_ARGUMENT', `slots is ${slots}, and there are ${sequences} sequences for them`)
  const path = findModel(spec, options)
  const machine = await openMachine({
    path,
    sequences,
    batchTokens: options.batchTokens,
    batching: options.batching,
    contextTokens: options.contextTokens,
    threads: options.threads,
    gpu,
    format: options.format ?? 'auto',
  })
  const pool = createPool(machine)
  let ownFolder: string | undefined
  let belongs: Promise<string> | undefined
  const count = {
    calls: 0,
    prefilledTokens: 0,
    decodedTokens: 0,
    interruptions: 0,
    loads: 0,
    stateBytes: 0,
    stateMs: 0,
  }
  const closing = new AbortController()

  const givenFolder = options.stateFolder === undefined ? undefined : resolve(options.stateFolder)
  const folder = (): string => givenFolder ?? (ownFolder ??= mkdtempSync(join(tmpdir(), 'polity-llama-')))

  /** What a state of this request belongs to. The model's file is read when that is first asked for. */
  async function belongingOf(request: Request): Promise<Belonging> {
    belongs ??= fingerprintOf(path).then((fingerprint) => {
      const { version, context, batching, threads } = machine
      return [
        `model ${fingerprint}`,
        version,
        `${sequences} sequences of ${context.contextSize} tokens, ${context.batchSize} a step, ${batching}, ${threads} threads, gpu ${machine.llama.gpu}`,
        `${process.arch} ${cpus()[0]?.model.trim()}`,
      ].join('; ')
    })
    return { machine: await belongs, request: sha256(JSON.stringify(request)) }
  }

  function toRequest(call: LanguageModelV4CallOptions): Request {
    const rendered = renderPrompt(machine, call)
    const room = machine.contextTokens - rendered.tokens.length
    if (room < 1)
      throw invalid(
        `the prompt has ${rendered.tokens.length} tokens, and the context holds ${machine.contextTokens} with the answer; open the model with more contextTokens, or send less`,
      )
    const { pid, n } = polityOf(call)
    return {
      prompt: rendered.tokens,
      sampling: {
        temperature: call.temperature ?? SAMPLING_DEFAULTS.temperature,
        topK: call.topK ?? SAMPLING_DEFAULTS.topK,
        topP: call.topP ?? SAMPLING_DEFAULTS.topP,
      },
      seed: call.seed ?? seed,
      // Calls without a seed of their own draw from a stream of their place in the journal: a replay draws the same.
      stream: call.seed !== undefined || pid === undefined ? 0 : Math.imul(pid, 0x9e37_79b1) + (n ?? 0) + 1,
      constraint: constraintOf(call),
      outputTokens: Math.min(call.maxOutputTokens ?? room, room),
      stops: [...rendered.stops, ...(call.stopSequences ?? [])],
    }
  }

  async function run(
    call: LanguageModelV4CallOptions,
    signal: AbortSignal,
    onText: ((delta: string) => void) | undefined,
  ): Promise<LanguageModelV4GenerateResult> {
    signal.throwIfAborted()
    count.calls++
    const request = toRequest(call)
    const { turn } = polityOf(call)
    const manifest =
      turn?.state === undefined ? undefined : await readState(folder(), turn.state, await belongingOf(request))
    const seat = await pool.take(request.prompt, signal, turn?.state)
    try {
      const startedAt = clock.now()
      if (manifest !== undefined && turn?.state !== undefined) {
        if (seat.holds !== turn.state) {
          await loadState(folder(), turn.state, manifest, seat.sequence)
          count.loads++
        }
        seat.holds = undefined
        if (manifest.written.length > 0) seat.prefilled()
      }
      const loadMs = clock.now() - startedAt
      const there = seat.sequence.nextTokenIndex
      const made = await runTurn(machine, seat, request, {
        written: manifest?.written ?? [],
        goOn: turn?.goOn,
        onText,
        signal,
        logprobs: call.providerOptions?.['llama']?.['logprobs'] === true,
      })
      count.prefilledTokens += Math.max(0, Math.min(request.prompt.length, seat.sequence.nextTokenIndex) - there)
      count.decodedTokens += made.written.length - (manifest?.written.length ?? 0)
      const result = toResult(call, request, made, {
        cached: Math.min(seat.reused, request.prompt.length),
        earlier: manifest?.written,
      })
      if (made.finish !== 'interrupted') return result
      const belonging = await belongingOf(request)
      const savingAt = clock.now()
      const state = await saveState(folder(), seat.sequence, made.written, belonging)
      if (signal.aborted) {
        // Nobody will hear of it.
        dropState(folder(), state.id)
        signal.throwIfAborted()
      }
      seat.holds = state.id
      const ms = loadMs + clock.now() - savingAt
      count.interruptions++
      count.stateBytes += state.bytes
      count.stateMs += ms
      return {
        ...result,
        providerMetadata: { ...result.providerMetadata, polity: { state: state.id, bytes: state.bytes, ms } },
      }
    } finally {
      pool.giveBack(seat)
    }
  }

  /** Ends at once when it is aborted; what the runtime is in the middle of ends by itself (GN3). */
  function start(
    call: LanguageModelV4CallOptions,
    signal: AbortSignal,
    onText?: (delta: string) => void,
  ): Promise<LanguageModelV4GenerateResult> {
    return new Promise((resolve, reject) => {
      const leave = (): void => reject(signal.reason)
      if (signal.aborted) return leave()
      signal.addEventListener('abort', leave, { once: true })
      run(call, signal, onText)
        .finally(() => signal.removeEventListener('abort', leave))
        .then(resolve, reject)
    })
  }

  const signalOf = (call: LanguageModelV4CallOptions, more?: AbortSignal): AbortSignal =>
    AbortSignal.any([closing.signal, call.abortSignal, more].filter((one) => one !== undefined))

  return {
    specificationVersion: 'v4',
    provider: 'llama',
    modelId: options.modelId ?? basename(path),
    supportedUrls: {},
    path,
    capabilities: {
      slots,
      contextTokens: machine.contextTokens,
      price: { input: 0, output: 0 },
      preempt: 'exact',
    },
    stats: () => ({ ...count, reusedTokens: pool.reusedTokens }),
    forgetState(state) {
      pool.forget(state)
      try {
        if (isStateId(state)) dropState(folder(), state)
      } catch {
        // A file that cannot be removed stays, and nobody asks for it.
      }
    },
    doGenerate: (call) => start(call, signalOf(call)),
    doStream: (call) => openStream(call, (signal, onText) => start(call, signal, onText), signalOf),
    async close() {
      closing.abort(new PolityError('DRIVER_FAILED', `the local model ${path} was closed`))
      await machine.close()
      if (ownFolder !== undefined) await rm(ownFolder, { recursive: true, force: true })
    },
  }
}

/** Of a model that nobody said more of. */
const SLOTS = 4

/** What the kernel says beside the call. */
function polityOf(call: LanguageModelV4CallOptions): { pid?: number; n?: number; turn?: KernelTurn } {
  return (call.providerOptions?.['polity'] ?? {}) as { pid?: number; n?: number; turn?: KernelTurn }
}

function toResult(
  call: LanguageModelV4CallOptions,
  request: Request,
  { finish, text, toolCall, logprobs, written }: Turn,
  { cached, earlier }: { readonly cached: number; readonly earlier: readonly number[] | undefined },
): LanguageModelV4GenerateResult {
  const content: LanguageModelV4Content[] = text === '' ? [] : [{ type: 'text', text }]
  if (toolCall !== undefined)
    content.push({
      type: 'tool-call',
      toolCallId: `call-${sha256(JSON.stringify([request.prompt, request.seed, request.stream, written])).slice(0, 12)}`,
      toolName: toolCall.name,
      input: toolCall.input === '' ? '{}' : toolCall.input,
    })
  // A later turn reads nothing: what was read stands in its state.
  const [input, read] = earlier === undefined ? [request.prompt.length, cached] : [0, 0]
  return {
    content,
    finishReason: { unified: finish, raw: undefined },
    usage: toUsage(input, read, written.length - (earlier?.length ?? 0)),
    warnings: warningsOf(call),
    ...(logprobs.length === 0 ? {} : { providerMetadata: { llama: { logprobs: [...logprobs] } } }),
  }
}

function warningsOf(call: LanguageModelV4CallOptions): SharedV4Warning[] {
  const warnings: SharedV4Warning[] = []
  if (call.presencePenalty !== undefined) warnings.push({ type: 'unsupported', feature: 'presencePenalty' })
  if (call.frequencyPenalty !== undefined) warnings.push({ type: 'unsupported', feature: 'frequencyPenalty' })
  const schemas = [
    ...(call.responseFormat?.type === 'json' ? [call.responseFormat.schema] : []),
    ...functionTools(call).map((tool) => tool.inputSchema),
  ]
  const left = [...new Set(schemas.flatMap(unenforced))]
  if (left.length > 0)
    warnings.push({ type: 'other', message: `not enforced while the answer is written: ${left.join(', ')}` })
  return warnings
}

function openStream(
  call: LanguageModelV4CallOptions,
  start: (signal: AbortSignal, onText: (delta: string) => void) => Promise<LanguageModelV4GenerateResult>,
  signalOf: (call: LanguageModelV4CallOptions, more: AbortSignal) => AbortSignal,
): Promise<LanguageModelV4StreamResult> {
  const reader = new AbortController()
  const signal = signalOf(call, reader.signal)
  if (signal.aborted) return Promise.reject(signal.reason)
  const stream = new ReadableStream<LanguageModelV4StreamPart>({
    start(controller) {
      controller.enqueue({ type: 'stream-start', warnings: warningsOf(call) })
      let isOpen = false
      const onText = (delta: string): void => {
        if (signal.aborted) return
        if (!isOpen) controller.enqueue({ type: 'text-start', id: '0' })
        isOpen = true
        controller.enqueue({ type: 'text-delta', id: '0', delta })
      }
      start(signal, onText).then(
        ({ content, finishReason, usage, providerMetadata }) => {
          if (isOpen) controller.enqueue({ type: 'text-end', id: '0' })
          for (const part of content) {
            if (part.type !== 'tool-call') continue
            controller.enqueue({ type: 'tool-input-start', id: part.toolCallId, toolName: part.toolName })
            controller.enqueue({ type: 'tool-input-delta', id: part.toolCallId, delta: part.input })
            controller.enqueue({ type: 'tool-input-end', id: part.toolCallId })
            controller.enqueue(part)
          }
          controller.enqueue({
            type: 'finish',
            finishReason,
            usage,
            ...(providerMetadata === undefined ? {} : { providerMetadata }),
          })
          controller.close()
        },
        // A reader that left is not told; `error` on its stream would throw.
        (error: unknown) => void (reader.signal.aborted || controller.error(error)),
      )
    },
    cancel: (reason) => reader.abort(reason ?? new DOMException('the reader left', 'AbortError')),
  })
  return Promise.resolve({ stream })
}
