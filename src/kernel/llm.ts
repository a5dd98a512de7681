/**
 * Model calls: what one may cost, and its start.
 *
 *     checkRequest (request.ts) → plan → the gate reserves → generate: an exchange (exchange.ts) → the answer (answer.ts)
 *
 * The plan is an upper estimate: what is reserved before the call covers what is settled after it, as far as the input
 * was estimated well; the output cannot be longer, since the provider is told its limit.
 */
import { costOf } from './cores.ts'
import { PolityError } from './errors.ts'
import type { ExchangeOptions, Plan } from './exchange.ts'
import { Exchange } from './exchange.ts'
import { FRAME_TOKENS, estimatePrompt, estimateTokens } from './messages.ts'
import type { PastTurns } from './past.ts'
import type { Call, Process } from './process.ts'
import { tokensLeft, usdLeft } from './process.ts'
import type { CheckedRequest } from './request.ts'
import type { Core } from './scheduler.ts'
import { describeTool } from './tools.ts'
import type { Tool } from './types.ts'

/** Model calls, planned and made. */
export interface Llm {
  /** What the call may cost at most, and the output limit that follows. */
  plan(process: Process, request: CheckedRequest): Plan
  /** Ends the call, some time. Where turns of it are in the journal, it goes on behind them. */
  generate(call: Call, request: CheckedRequest, plan: Plan, past?: PastTurns): void
}

/** What model calls need: the exchange’s options, and the cores. */
export interface LlmOptions extends ExchangeOptions {
  readonly cores: ReadonlyMap<string, Core>
  /** Whether a call of this tool could be let through: others are not offered to the model. */
  readonly isOpen: (process: Process, tool: string) => boolean
}

/** Model calls on these cores. */
export function createLlm(options: LlmOptions): Llm {
  const { cores, limits, isOpen } = options
  let lastChain: { readonly models: readonly string[]; readonly cores: readonly Core[] } | undefined

  function core(model: string): Core {
    const found = cores.get(model)
    if (found !== undefined) return found
    throw new PolityError(
      'NO_SUCH_MODEL',
      `no core serves "${model}"; there are ${[...cores.keys()].join(', ') || 'none'}`,
    )
  }

  /** Requests that name the same models share one list of names (request.ts), and one of cores. */
  function chainOf(models: readonly string[]): readonly Core[] {
    if (lastChain?.models !== models) lastChain = { models, cores: models.map(core) }
    return lastChain.cores
  }

  function offered(process: Process, tools: readonly string[]): readonly string[] {
    for (let i = 0; i < tools.length; i++)
      if (!isOpen(process, tools[i] as string)) return tools.filter((tool) => isOpen(process, tool))
    return tools
  }

  function plan(process: Process, request: CheckedRequest): Plan {
    const chain = chainOf(request.models)
    const tools = toolSetOf(process.tools, offered(process, request.tools))
    const raw = estimatePrompt(request.messages) + tools.tokens
    // The dearest and the most talkative core of the chain sets the reservation.
    let ratio = 1
    let contextTokens = 0
    for (let i = 0; i < chain.length; i++) {
      const one = chain[i] as Core
      ratio = Math.max(ratio, one.tokenRatio)
      contextTokens = Math.max(contextTokens, one.contextTokens)
    }
    const inputTokens = Math.ceil(raw * ratio)
    const asked = request.options['maxOutputTokens'] as number | undefined
    let output = Math.min(asked ?? limits.outputTokensDefault, contextTokens - inputTokens)
    if (output < 1)
      throw new PolityError(
        'TOO_LARGE',
        `the prompt has about ${inputTokens} tokens; ${chain.map((one) => `${one.id} takes ${one.contextTokens}`).join(', ')} with the answer`,
        { detail: { inputTokens, contextTokens } },
      )
    const left = usdLeft(process)
    if (left !== Infinity) {
      const unpriced = chain.find((one) => one.price === undefined)
      if (unpriced !== undefined)
        throw new PolityError(
          'BUDGET_EXCEEDED',
          `process ${process.pid} has a budget in US dollars, and nobody said what ${unpriced.id} costs: give its price to boot({ prices })`,
        )
    }
    // Where the request named no maximum, a budget in which less than the default is unspent makes the answer shorter.
    if (asked === undefined) {
      output = Math.min(output, tokensLeft(process) - inputTokens)
      if (left !== Infinity)
        for (const { price } of chain)
          if (price !== undefined && price.output > 0)
            output = Math.min(output, Math.floor(((left - costOf(price, inputTokens, 0, 0)) * 1e6) / price.output))
      output = Math.max(1, Math.floor(output))
    }
    let usd = 0
    for (let i = 0; i < chain.length; i++) usd = Math.max(usd, costOf((chain[i] as Core).price, inputTokens, 0, output))
    const reserved = { tokens: inputTokens + output, usd }
    return { cores: chain, tools: tools.forms, estimatedTokens: raw, inputTokens, maxOutputTokens: output, reserved }
  }

  return { plan, generate: (call, request, plan, past) => new Exchange(options, call, request, plan).start(past) }
}

/** Tools as drivers get them, with their estimated tokens. */
interface ToolSet {
  readonly held: ReadonlyMap<string, Tool>
  readonly names: readonly string[]
  readonly forms: readonly object[] | undefined
  readonly tokens: number
}

/** The last one made: most requests, of most processes, offer the same tools. */
let lastToolSet: ToolSet | undefined

function toolSetOf(held: ReadonlyMap<string, Tool>, names: readonly string[]): ToolSet {
  if (names.length === 0) return NO_TOOLS
  if (lastToolSet?.held === held && lastToolSet.names === names) return lastToolSet
  let tokens = 0
  // By name, whatever order a program or a server lists them in: tools stand before all messages in a provider's cache.
  const forms = names.toSorted().map((one) => {
    const { name, description, inputSchema } = describeTool(held.get(one) as Tool)
    const form = { type: 'function', name, description, inputSchema }
    tokens += FRAME_TOKENS + estimateTokens(JSON.stringify(form))
    return Object.freeze(form)
  })
  return (lastToolSet = { held, names, forms: Object.freeze(forms), tokens })
}

const NO_TOOLS: ToolSet = Object.freeze({ held: new Map(), names: [], forms: undefined, tokens: 0 })
