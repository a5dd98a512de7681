/**
 * What a provider says of its limits in the headers of its answers.
 *
 * Forms read: `retry-after` (seconds or HTTP date), `retry-after-ms`; OpenAI's `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`
 * (resets as durations such as `6m0s`, `20ms`, or seconds); Anthropic's `anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}`
 * (resets as RFC 3339 times). Anything else is not heard.
 */
export interface RateLimits {
  readonly retryAfterMs?: number
  readonly requestsPerMinute?: number
  readonly tokensPerMinute?: number
  /** Set when nothing is left: how long until something is, ms. */
  readonly exhaustedForMs?: number
}

type Headers = { readonly [name: string]: string | undefined }

/** The limits that these headers state; nothing where they state none. */
export function readRateLimits(headers: Headers | undefined, now: number): RateLimits {
  if (headers === undefined) return {}
  const read = (name: string) => headers[name] ?? headers[name.toLowerCase()]
  const kinds = ['requests', 'tokens'] as const
  const limit = (kind: string) =>
    positive(read(`x-ratelimit-limit-${kind}`) ?? read(`anthropic-ratelimit-${kind}-limit`))
  let exhaustedForMs: number | undefined
  for (const kind of kinds) {
    const remaining = read(`x-ratelimit-remaining-${kind}`) ?? read(`anthropic-ratelimit-${kind}-remaining`)
    if (remaining === undefined || Number(remaining) > 0) continue
    const reset = durationMs(read(`x-ratelimit-reset-${kind}`) ?? read(`anthropic-ratelimit-${kind}-reset`), now)
    if (reset !== undefined) exhaustedForMs = Math.max(exhaustedForMs ?? 0, reset)
  }
  return {
    retryAfterMs: positive(read('retry-after-ms')) ?? durationMs(read('retry-after'), now),
    requestsPerMinute: limit('requests'),
    tokensPerMinute: limit('tokens'),
    exhaustedForMs,
  }
}

function positive(text: string | undefined): number | undefined {
  const value = Number(text)
  return text !== undefined && text !== '' && Number.isFinite(value) && value > 0 ? value : undefined
}

const units: { readonly [unit: string]: number } = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

function durationMs(text: string | undefined, now: number): number | undefined {
  if (text === undefined || text === '') return undefined
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1_000
  if (/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) {
    let total = 0
    for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g))
      total += Number(amount) * (units[unit as string] ?? 0)
    return total
  }
  const time = Date.parse(text)
  return Number.isNaN(time) ? undefined : Math.max(0, time - now)
}
