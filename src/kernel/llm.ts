/**
 * Model calls: what one may cost, and its start.
 *
 *     checkRequest (request.ts) → plan → the gate reserves → generate: an exchange (exchange.ts) → the answer (answer.ts)
 *
 * The plan is an upper estimate: what is reserved before the call covers what is settled after it, as far as the input
 * was estimated well; the output cannot be longer, since the provider is told its limit.
 */
import { PolityError } from './errors.ts'
import type { ExchangeOptions, Plan } from './exchange.ts'
import { Exchange } from './exchange.ts'
import { FRAME_TOKENS, estimatePrompt, estimateTokens } from './messages.ts'
import type { Call, Process } from './process.ts'
import { overBudget, tokensLeft, usdLeft } from './process.ts'
import type { CheckedRequest } from './request.ts'
import type { Core } from './scheduler.ts'
import { createStamp } from './stamp.ts'
import type { ToolDescription } from './types.ts'

export interface Llm {
  /** What the call may cost at most, and the output limit that follows; throws `BUDGET_EXCEEDED` where nothing is left. */
  plan(process: Process, request: CheckedRequest, steps: 0 | 1): Plan
  /** Ends the call, some time. */
  generate(call: Call, request: CheckedRequest, plan: Plan): void
}

export interface LlmOptions extends ExchangeOptions {
  readonly cores: ReadonlyMap<string, Core>
}

export function createLlm(options: LlmOptions): Llm {
  const { cores, limits, describe } = options

  function core(model: string): Core {
    const found = cores.get(model)
    if (found !== undefined) return found
    throw new PolityError(
      'NO_SUCH_MODEL',
      `no core serves "${model}"; there are ${[...cores.keys()].join(', ') || 'none'}`,
    )
  }

  function plan(process: Process, request: CheckedRequest, steps: 0 | 1): Plan {
    const chain = request.models.length === 1 ? [core(request.models[0] as string)] : request.models.map(core)
    let raw = estimatePrompt(request.messages)
    for (let i = 0; i < request.tools.length; i++) raw += toolTokens(describe(process, request.tools[i] as string))
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
    // Where the request named no maximum, a budget that has room for less than the default makes the answer shorter.
    if (asked === undefined) {
      output = Math.min(output, tokensLeft(process) - inputTokens)
      if (left !== Infinity)
        for (const { price } of chain)
          if (price !== undefined && price.output > 0)
            output = Math.min(output, Math.floor(((left - (inputTokens * price.input) / 1e6) * 1e6) / price.output))
      output = Math.max(1, Math.floor(output))
    }
    let usd = 0
    for (let i = 0; i < chain.length; i++) {
      const { price } = chain[i] as Core
      if (price !== undefined) usd = Math.max(usd, (inputTokens * price.input + output * price.output) / 1e6)
    }
    const reserved = { tokens: inputTokens + output, usd }
    const over = overBudget(process, { tokens: reserved.tokens, usd, steps })
    if (over !== undefined) throw over
    return { cores: chain, estimatedTokens: raw, inputTokens, maxOutputTokens: output, reserved }
  }

  return { plan, generate: (call, request, plan) => new Exchange(options, call, request, plan).start() }
}

const toolEstimates = createStamp<number>()

function toolTokens(tool: ToolDescription): number {
  let tokens = toolEstimates.get(tool)
  if (tokens === undefined) {
    tokens = FRAME_TOKENS + estimateTokens(JSON.stringify(tool))
    toolEstimates.set(tool, tokens)
  }
  return tokens
}
