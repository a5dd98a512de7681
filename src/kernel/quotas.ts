/**
 * Quotas: what a single principal may hold of a core, so that one that floods it leaves room for the others.
 *
 * A call that has a slot keeps it to its end, and what was sent counts against the rates for a minute: fairness alone
 * cannot take back what a flood got hold of while nobody else was there. So a part of the slots, of the requests and of the
 * tokens a minute, the `reserve`, is kept from whoever holds all the rest (trunk reservation, as telephone networks do it).
 *
 * Invariants
 *   QU1. While another principal has called in the last `RESERVE_MS`, no principal is given more than its quota of slots,
 *        requests or tokens; a call larger than the quota of tokens goes when its principal has no others there.
 *   QU2. A principal that is alone is held back by nothing.
 *   QU3. What is older than a window is forgotten, also of a principal that is alone and never asked about.
 *   QU4. At most two principals can be at a quota at once, since it is at least half: looking past them is cheap.
 */
import type { WaitingCall } from './disciplines.ts'
import type { Window } from './sliding-window.ts'
import { slidingWindow } from './sliding-window.ts'

/** How long a principal that called is counted on to call again, ms. */
const RESERVE_MS = 600_000
/** Principals whose holdings are remembered before the first sweep. */
const HOLDINGS_SWEEP = 1_024

/** What the quotas are a part of. */
interface Limited {
  readonly slots: number
  readonly requestsPerWindow: number
  readonly tokensPerWindow: number
  readonly windowMs: number
}

interface Holding {
  inFlight: number
  tokensReserved: number
  readonly requestTimes: Window
  readonly tokenTimes: Window
}

/** The quotas of one core. */
export interface Quotas {
  /** A principal asks for the core. */
  called(principal: string, now: number): void
  /** No other principal is counted on. */
  isAlone(principal: string, now: number): boolean
  /** The quota of so much. */
  of(limit: number): number
  /** When its principal may be given the core for it: not after `now` if it may, Infinity if only a release can tell. */
  roomAt(call: WaitingCall, now: number): number
  /** The largest call that the others wait behind; a larger one waits until there is room for it, and is overtaken. */
  readonly blockingTokensMax: number
  granted(call: WaitingCall, now: number): void
  sent(principal: string, grantedAt: number, now: number): void
  released(call: WaitingCall, tokens: number, now: number): void
}

/** Quotas that keep the part `reserve` of what a core has from each single principal. */
export function createQuotas(limited: () => Limited, reserve: number): Quotas {
  const holdings = new Map<string, Holding>()
  /** The last two principals that called, the latest first. */
  let latest = { principal: '', at: -Infinity }
  let before = latest
  let sweepAt = HOLDINGS_SWEEP

  function holdingOf(principal: string, now: number): Holding {
    let holding = holdings.get(principal)
    if (holding === undefined) {
      if (holdings.size >= sweepAt) {
        for (const [name, { inFlight, requestTimes, tokenTimes }] of holdings) {
          const since = now - limited().windowMs
          if (inFlight === 0 && requestTimes.sum(since) + tokenTimes.sum(since) === 0) holdings.delete(name)
        }
        sweepAt = Math.max(HOLDINGS_SWEEP, 2 * holdings.size)
      }
      holding = { inFlight: 0, tokensReserved: 0, requestTimes: slidingWindow(), tokenTimes: slidingWindow() }
      holdings.set(principal, holding)
    }
    return holding
  }

  const aloneAt = (principal: string): number => (latest.principal === principal ? before.at : latest.at) + RESERVE_MS
  const quotaOf = (limit: number): number =>
    limit === Infinity ? limit : Math.max(1, limit - Math.ceil(limit * reserve))

  return {
    called(principal, now) {
      if (latest.principal === principal) latest.at = now
      else {
        before = latest
        latest = { principal, at: now }
      }
    },
    isAlone: (principal, now) => aloneAt(principal) <= now,
    of: quotaOf,
    roomAt({ principal, tokens }, now) {
      const freeAt = aloneAt(principal)
      if (freeAt <= now) return now
      const core = limited()
      const { windowMs } = core
      const { inFlight, tokensReserved, requestTimes, tokenTimes } = holdingOf(principal, now)
      if (inFlight >= quotaOf(core.slots)) return freeAt
      let at = now
      if (core.requestsPerWindow !== Infinity) {
        const over = requestTimes.sum(now - windowMs) + 1 - quotaOf(core.requestsPerWindow)
        if (over > 0) at = Math.max(at, requestTimes.freeAt(over) + windowMs)
      }
      if (core.tokensPerWindow !== Infinity) {
        const used = tokenTimes.sum(now - windowMs)
        const over = Math.min(used + tokensReserved, used + tokensReserved + tokens - quotaOf(core.tokensPerWindow))
        if (over > used) return freeAt
        if (over > 0) at = Math.max(at, tokenTimes.freeAt(over) + windowMs)
      }
      return Math.min(at, freeAt)
    },
    get blockingTokensMax() {
      return limited().tokensPerWindow * reserve
    },
    granted({ principal, tokens }, now) {
      const holding = holdingOf(principal, now)
      holding.inFlight++
      holding.tokensReserved += tokens
      const { requestsPerWindow, windowMs } = limited()
      if (requestsPerWindow === Infinity) return
      holding.requestTimes.add(now, 1)
      holding.requestTimes.sum(now - windowMs)
    },
    sent(principal, grantedAt, now) {
      holdingOf(principal, now).requestTimes.move(grantedAt, now)
    },
    released({ principal, tokens }, took, now) {
      const holding = holdingOf(principal, now)
      holding.inFlight--
      holding.tokensReserved -= tokens
      const { tokensPerWindow, windowMs } = limited()
      if (tokensPerWindow === Infinity) return
      holding.tokenTimes.add(now, took)
      holding.tokenTimes.sum(now - windowMs)
    },
  }
}
