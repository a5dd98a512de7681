/**
 * What a provider says of its limits: in the headers of its answers, and in the body of a refusal.
 *
 *     readRateLimits(headers, now)   // limits, and how long nothing is left
 *     readRefusal(error)             // why it refused, and whether waiting helps
 *
 * Forms of headers read: `retry-after` (seconds or HTTP date), `retry-after-ms`; OpenAI's `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`
 * (resets as durations such as `6m0s`, `20ms`, or seconds); Anthropic's `anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}`
 * (resets as RFC 3339 times). Anything else is not heard.
 *
 * Of a body, whatever its form, the strings under `code`, `type`, `reason`, `message`, `quotaId`, `quota_limit` and
 * `retryDelay` are read. OpenAI and those who speak as it does name an account without credit by a code, and a request
 * that is larger than its limit by its message; Anthropic names the former by a type or a message, with 400 or 402;
 * Google names a quota of a day in its id, and when to come again as `retryDelay`.
 */
import { fieldOf, messageOf } from './errors.ts'

export interface RateLimits {
  readonly retryAfterMs?: number
  readonly requestsPerMinute?: number
  readonly tokensPerMinute?: number
  /** Set when nothing is left: how long until something is, ms. */
  readonly exhaustedForMs?: number
}

/** Why a provider refused a call. */
export interface Refusal {
  /** Its own words. */
  readonly words: string
  /** No waiting mends it: the account has no credit, the quota of a day is used up, the request is larger than a limit. */
  readonly isFinal: boolean
  /** Set where its body says when to come again, ms. */
  readonly retryAfterMs?: number
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

/** What an error of a driver says of a refusal (429, or 400 for an account without credit). Never throws. */
export function readRefusal(error: unknown): Refusal {
  const words = messageOf(error)
  const said: Said[] = [{ key: 'message', text: words }]
  for (const key of ['code', 'type']) add(said, key, fieldOf(error, key))
  // What the AI SDK read of the answer may lack what its provider has no name for.
  collect(said, fieldOf(error, 'data'), 0)
  collect(said, bodyOf(error), 0)
  const delays = said.flatMap(({ key, text }) => (key === 'retryDelay' ? (durationMs(text, 0) ?? []) : []))
  return {
    words,
    isFinal: said.some(isFinal),
    ...(delays.length === 0 ? {} : { retryAfterMs: Math.max(...delays) }),
  }
}

interface Said {
  readonly key: string
  readonly text: string
}

/** Codes and types of accounts that nobody pays for any more. */
const UNPAID: ReadonlySet<string> = new Set([
  'insufficient_quota',
  'billing_hard_limit_reached',
  'billing_not_active',
  'credit_balance_exhausted',
  'exceeded_current_quota_error',
  'billing_error',
])

function isFinal({ key, text }: Said): boolean {
  switch (key) {
    case 'message':
      return /\bcredit balance is too low\b|^request too large\b/i.test(text)
    case 'quotaId':
    case 'quota_limit':
      return /per_?day/i.test(text)
    default:
      return UNPAID.has(text)
  }
}

/** Undefined where it is no JSON. */
function bodyOf(error: unknown): unknown {
  const body = fieldOf(error, 'responseBody')
  if (typeof body !== 'string' || body.length > BODY_CHARS_MAX) return undefined
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

const keysRead: ReadonlySet<string> = new Set([
  'code',
  'type',
  'reason',
  'message',
  'quotaId',
  'quota_limit',
  'retryDelay',
])

function collect(said: Said[], thing: unknown, depth: number): void {
  if (typeof thing !== 'object' || thing === null || depth > BODY_DEPTH_MAX) return
  for (const key of Object.keys(thing)) {
    if (said.length >= BODY_STRINGS_MAX) return
    const value = fieldOf(thing, key)
    if (keysRead.has(key)) add(said, key, value)
    collect(said, value, depth + 1)
  }
}

function add(said: Said[], key: string, text: unknown): void {
  if (typeof text === 'string') said.push({ key, text })
}

/** What is read of a body: the deepest that a provider sends is six deep, and holds a few kilobytes. */
const BODY_DEPTH_MAX = 8
const BODY_STRINGS_MAX = 100
const BODY_CHARS_MAX = 65_536

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
