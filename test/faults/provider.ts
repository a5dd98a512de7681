/**
 * A model provider outside the kernel: it counts what it was asked and what that cost, and it fails as providers do.
 *
 * It is honest: it bills what it served, and what it may have served of a request that was given up; a refusal and a server's
 * error cost nothing. Its bills are the measure of promise 3, its arrivals of promise 6, its prompts of promise 7.
 */
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
} from '@ai-sdk/provider'
import type { LanguageModel } from '../../src/kernel/drivers.ts'
import type { Price } from '../../src/kernel/types.ts'
import { callError, promptText, streamOf, toParts, tokensOf, toUsage } from '../../src/drivers/llm/scripted.ts'
import type { Life, Time } from './clock.ts'
import type { Random } from './random.ts'
import { never } from './store.ts'

export interface CoreSpec {
  readonly id: string
  readonly slots: number | undefined
  readonly requestsPerMinute: number | undefined
  readonly price: Price | undefined
  /** Share of calls that go wrong in some way. */
  readonly faultRate: number
  /** Whether it may refuse by 429. */
  readonly refuses: boolean
  readonly crash: number
}

export interface Bill {
  readonly core: string
  readonly pid: number
  readonly n: number
  readonly tokens: number
  readonly usd: number
}

export interface Arrival {
  readonly core: string
  readonly pid: number
  readonly n: number
  readonly life: number
  readonly at: number
  readonly prompt: readonly unknown[]
  /** Requests in service with it, itself included. */
  readonly inService: number
}

interface Request {
  readonly life: Life
  readonly options: LanguageModelV4CallOptions
  readonly pid: number
  readonly n: number
  readonly input: number
  open: boolean
}

export interface ProviderOptions {
  readonly time: Time
  readonly random: Random
  readonly crash: () => boolean
  readonly onBill: (bill: Bill) => void
  readonly onArrival: (arrival: Arrival) => void
}

type Fault =
  | 'slow'
  | 'hang'
  | 'deaf'
  | 'server'
  | 'unavailable'
  | 'bad-request'
  | 'refused'
  | 'refused-headers'
  | 'garbage'
  | 'no-usage'
  | 'wild-usage'
  | 'throw'

const faults: readonly Fault[] = [
  'slow',
  'hang',
  'deaf',
  'server',
  'unavailable',
  'bad-request',
  'garbage',
  'no-usage',
  'wild-usage',
  'throw',
]

export function createProvider(
  { id, price, faultRate, refuses, crash: crashRate }: CoreSpec,
  { time, random, crash, onBill, onArrival }: ProviderOptions,
): (life: Life) => LanguageModel {
  const inService = new Set<Request>()

  function bill(request: Request, output: number): void {
    const usd = price === undefined ? 0 : (request.input * price.input + output * price.output) / 1e6
    onBill({ core: id, pid: request.pid, n: request.n, tokens: request.input + output, usd })
  }

  /** Given up while it was served: the provider bills what it has made so far. */
  function giveUp(request: Request): void {
    if (!request.open) return
    request.open = false
    inService.delete(request)
    bill(request, random.int(0, request.options.maxOutputTokens ?? 0))
  }

  function arrive(life: Life, options: LanguageModelV4CallOptions): Request {
    const { pid, n } = (options.providerOptions ?? {})['polity'] as unknown as { pid: number; n: number }
    const request: Request = { life, options, pid, n, input: tokensOf(promptText(options.prompt).length), open: true }
    for (const other of inService) if (!other.life.alive) giveUp(other)
    inService.add(request)
    onArrival({
      core: id,
      pid,
      n,
      life: life.number,
      at: time.now(),
      prompt: options.prompt,
      inService: inService.size,
    })
    options.abortSignal?.addEventListener('abort', () => giveUp(request))
    return request
  }

  function serve(request: Request, fault: Fault | undefined): LanguageModelV4GenerateResult {
    const { options } = request
    const max = options.maxOutputTokens ?? 1
    const tools = options.tools ?? []
    const asks = tools.length > 0 && options.toolChoice?.type !== 'none' && max > 12 && random.chance(0.5)
    const calls = asks ? Array.from({ length: random.int(1, 2) }, () => random.pick(tools)) : []
    const content = [
      { type: 'text' as const, text: `said ${random.int(0, 99)}` },
      ...calls.map(({ name }, i) => ({
        type: 'tool-call' as const,
        toolCallId: `t${request.n}-${i}`,
        toolName: name,
        input: random.chance(0.1) ? '{"wh' : JSON.stringify({ what: `asked ${random.int(0, 9)}` }),
      })),
    ]
    // Who does not say what it counted can only bill for what can be seen.
    const output =
      fault === undefined || fault === 'slow'
        ? random.int(1, Math.min(max, 40))
        : Math.min(max, tokensOf(JSON.stringify(content).length))
    request.open = false
    inService.delete(request)
    bill(request, output)
    return {
      content,
      finishReason: { unified: calls.length > 0 ? 'tool-calls' : 'stop', raw: undefined },
      usage:
        fault === 'no-usage'
          ? (undefined as unknown as LanguageModelV4GenerateResult['usage'])
          : fault === 'wild-usage'
            ? toUsage(Number.NaN, -5, Number.NEGATIVE_INFINITY)
            : toUsage(request.input, random.int(0, request.input), output),
      warnings: [],
    }
  }

  function fail(request: Request, error: unknown): never {
    request.open = false
    inService.delete(request)
    throw error
  }

  async function answer(life: Life, options: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult> {
    if (!life.alive) return never()
    const request = arrive(life, options)
    if (random.chance(crashRate) && crash()) return never()
    const fault = random.chance(faultRate)
      ? random.pick(refuses ? [...faults, 'refused' as const, 'refused-headers' as const, 'refused' as const] : faults)
      : undefined
    if (fault === 'throw')
      return fail(
        request,
        random.pick<unknown>([undefined, 'a text', new TypeError('fetch failed'), { statusCode: 'x' }]),
      )
    const ms = fault === 'slow' ? random.int(20_000, 90_000) : random.chance(0.3) ? 0 : random.int(1, 3_000)
    if (ms > 0) {
      await new Promise<void>((resolve, reject) => {
        time.after(ms, () => request.open && life.alive && resolve())
        options.abortSignal?.addEventListener('abort', () => fault !== 'deaf' && reject(options.abortSignal?.reason))
      })
    }
    if (!life.alive) return never()
    switch (fault) {
      case 'hang':
        return new Promise((_, reject) =>
          options.abortSignal?.addEventListener('abort', () => reject(new Error('aborted'))),
        )
      case 'deaf':
        return never()
      case 'server':
        return fail(request, callError({ message: 'server error', statusCode: random.pick([500, 502, 408]) }))
      case 'unavailable':
        return fail(request, callError({ message: 'overloaded', statusCode: 503, isRetryable: true }))
      case 'bad-request':
        return fail(request, callError({ message: 'bad request', statusCode: random.pick([400, 401, 404, 422]) }))
      case 'refused':
        return fail(request, callError({ message: 'too many', statusCode: 429 }))
      case 'refused-headers':
        return fail(
          request,
          callError({
            message: 'too many',
            statusCode: 429,
            headers: random.pick<Record<string, string>>([
              { 'retry-after': '7' },
              { 'retry-after-ms': '1500' },
              { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '12s' },
            ]),
          }),
        )
      case 'garbage': {
        const result = serve(request, undefined)
        return random.pick<unknown>([
          null,
          'text',
          { ...result, content: 'no list' },
          { ...result, content: [{ type: 'nonsense' }] },
          { ...result, content: [{ type: 'text' }] },
          { ...result, content: [null] },
        ]) as LanguageModelV4GenerateResult
      }
      default:
        return serve(request, fault)
    }
  }

  async function stream(
    life: Life,
    options: LanguageModelV4CallOptions,
  ): Promise<{ stream: ReadableStream<LanguageModelV4StreamPart> }> {
    const result = await answer(life, options)
    if (typeof result !== 'object' || result === null || !Array.isArray(result.content)) return result as never
    try {
      return { stream: streamOf(toParts(result, 4)) }
    } catch {
      return { stream: null } as never
    }
  }

  return (life) => ({
    specificationVersion: 'v4',
    provider: 'test',
    modelId: id,
    supportedUrls: {},
    doGenerate: (options) => answer(life, options),
    doStream: (options) => stream(life, options),
  })
}
