/**
 * The scheduler: admits model calls to cores, so that no call is sent that would be refused and no core idles while work
 * waits (promise 6).
 *
 * A core is one model with one key: slots, requests a minute, tokens a minute. A call is admitted when all three have
 * room; until then it stands in the core's queue, in the order of the discipline. What a provider does not declare is
 * learned from its refusals (429) and headers.
 *
 *     scheduler.admit(core, call)             // `call.granted()` is called some time, also before this returns
 *     scheduler.sent(core, grantedAt)         // where a grant was not used at once
 *     scheduler.release(core, call, { … })    // exactly once after a grant
 *     scheduler.leave(call)                   // instead, while it still waits
 *
 * Invariants
 *   S1. In flight <= slots; requests admitted in any 60 s <= requests a minute; tokens reserved or used in any 60 s <=
 *       tokens a minute (a call larger than the whole limit goes alone).
 *   S2. A call that was admitted is granted, refused or left exactly once.
 *   S3. If the queue is not empty, something will look at it again: a release, or a timer.
 */
import type { Clock, Timer } from './clock.ts'
import type { Discipline, WaitingCall } from './disciplines.ts'
import type { LanguageModel } from './drivers.ts'
import { PolityError } from './errors.ts'
import { heap } from './heap.ts'
import type { Heap } from './heap.ts'
import type { Limits } from './limits.ts'
import { readRateLimits } from './rate-limits.ts'
import type { Price } from './types.ts'

/** A model with its queue and its limits, as the scheduler keeps it. */
export interface Core {
  readonly id: string
  readonly model: LanguageModel
  readonly price: Price | undefined
  readonly contextTokens: number
  slots: number
  /** The owner's word; refusals lower `slots` below it for a while. Infinity where it is learned. */
  readonly slotsMax: number
  /** Most calls that were in flight together, as far as a call among them was served that came last. */
  slotsSeen: number
  /** By how many slots the next probe goes up. */
  probeStep: number
  requestsPerMinute: number
  tokensPerMinute: number
  inFlight: number
  readonly discipline: Discipline
  /** Estimated tokens are multiplied by this to be what the provider counts. Never below 1: estimates err upward. */
  tokenRatio: number
  /** Tokens of inputs that the provider counted, and by how many the estimates for them were wrong, either way. */
  readonly counted: { tokens: number; wrong: number }
  readonly queue: Heap<Place>
  /** Calls in the queue. */
  waiting: number
  readonly stats: { admitted: number; refused: number; failed: number }
  // Sliding minute.
  readonly requestTimes: Window
  readonly tokenTimes: Window
  tokensReserved: number
  pausedUntil: number
  /** Undeclared slots grow with success until the first refusal. */
  growing: boolean
  refusedAt: number
  failures: number
  openUntil: number
  timer: Timer | undefined
  timerAt: number
}

/** A model call as its core sees it. */
export interface CoreCall extends WaitingCall {
  /** Where it stands in a queue; the scheduler's own mark. */
  place: Place | undefined
  /** Calls that were in flight when it was granted, itself among them; the scheduler's own mark too. */
  together: number
  /** Its turn has come; or, with an error, it will have none on this core. */
  granted(error: PolityError | undefined): void
}

/** A place in a queue. Who leaves does not make the others move up at once: the place stays, empty, until it is the first. */
interface Place {
  readonly core: Core
  readonly key: number
  readonly order: number
  call: CoreCall | undefined
}

/** How a granted call went. */
export type Release =
  | {
      readonly type: 'served'
      readonly tokens: number
      readonly headers?: { readonly [name: string]: string | undefined }
    }
  | { readonly type: 'refused'; readonly headers?: { readonly [name: string]: string | undefined } }
  | { readonly type: 'failed' }
  /** Cancelled by its caller: says nothing about the core. The tokens count as spent. */
  | { readonly type: 'cancelled' }

/** What is known of a core from the start. */
export interface CoreOptions {
  readonly id: string
  readonly model: LanguageModel
  readonly price?: Price
  readonly slots?: number
  readonly requestsPerMinute?: number
  readonly tokensPerMinute?: number
  readonly contextTokens?: number
  readonly discipline: Discipline
}

/** The window of the rates that providers state, ms. */
export const MINUTE_MS = 60_000
/** Pause after a refusal that names none, ms. */
const PAUSE_MS = 1_000
/** A refusal that says "at once" is not believed: asking again without a pause would never let anything else run, ms. */
const PAUSE_MS_MIN = 50

/** Admission to cores. */
export interface Scheduler {
  createCore(options: CoreOptions): Core
  /** What an earlier kernel sent and used counts in this minute too; the oldest first. */
  remember(core: Core, at: number, requests: number, tokens: number): void
  admit(core: Core, call: CoreCall): void
  /** A call is sent only now, not when it was granted: its minute begins now. */
  sent(core: Core, grantedAt: number): void
  release(core: Core, call: CoreCall, how: Release): void
  leave(call: CoreCall): void
}

/** A scheduler on a clock. */
export function createScheduler(clock: Clock, limits: Limits): Scheduler {
  let order = 0

  function createCore(options: CoreOptions): Core {
    const { capabilities } = options.model
    const slots = options.slots ?? capabilities?.slots
    return {
      id: options.id,
      model: options.model,
      price: options.price ?? capabilities?.price,
      contextTokens: options.contextTokens ?? capabilities?.contextTokens ?? 128_000,
      slots: slots ?? limits.coreSlotsInitial,
      slotsMax: slots ?? Infinity,
      slotsSeen: 0,
      probeStep: 1,
      requestsPerMinute: options.requestsPerMinute ?? capabilities?.requestsPerMinute ?? Infinity,
      tokensPerMinute: options.tokensPerMinute ?? capabilities?.tokensPerMinute ?? Infinity,
      inFlight: 0,
      discipline: options.discipline,
      tokenRatio: 1,
      counted: { tokens: 0, wrong: 0 },
      queue: heap<Place>((a, b) => a.key - b.key || a.order - b.order),
      waiting: 0,
      stats: { admitted: 0, refused: 0, failed: 0 },
      requestTimes: slidingWindow(),
      tokenTimes: slidingWindow(),
      tokensReserved: 0,
      pausedUntil: 0,
      growing: slots === undefined,
      refusedAt: 0,
      failures: 0,
      openUntil: 0,
      timer: undefined,
      timerAt: Infinity,
    }
  }

  function remember(core: Core, at: number, requests: number, tokens: number): void {
    if (requests > 0 && core.requestsPerMinute !== Infinity) core.requestTimes.add(at, requests)
    if (tokens > 0 && core.tokensPerMinute !== Infinity) core.tokenTimes.add(at, tokens)
  }

  function admit(core: Core, call: CoreCall): void {
    const key = core.discipline.key(call)
    const now = clock.now()
    if (core.openUntil > now) return refuse(core, call, unavailable(core, now))
    if (core.waiting >= limits.coreQueueMax) {
      const full = `${core.waiting} calls already wait for ${core.id}; the limit coreQueueMax is ${limits.coreQueueMax}`
      return refuse(core, call, new PolityError('OVERLOADED', full))
    }
    if (core.waiting === 0 && roomAt(core, call.tokens, now) <= now) return grant(core, call, key, now)
    call.place = { core, key, order: order++, call }
    core.queue.push(call.place)
    core.waiting++
    // At the head of the queue it may have room where the one behind it has none.
    if (headOf(core)?.call === call) pump(core, now)
  }

  function refuse(core: Core, call: CoreCall, error: PolityError): void {
    core.discipline.served(call, 0)
    call.granted(error)
  }

  function grant(core: Core, call: CoreCall, key: number, now: number): void {
    call.together = ++core.inFlight
    core.stats.admitted++
    core.discipline.admitted(call, key)
    if (core.requestsPerMinute !== Infinity) core.requestTimes.add(now, 1)
    core.tokensReserved += call.tokens
    call.granted(undefined)
  }

  function sent(core: Core, grantedAt: number): void {
    const now = clock.now()
    if (core.requestsPerMinute !== Infinity && now > grantedAt) core.requestTimes.move(grantedAt, now)
  }

  /** When there will be room for so many tokens: a time not after `now` if there is, Infinity if only a release can tell. */
  function roomAt(core: Core, tokens: number, now: number): number {
    if (core.inFlight >= core.slots) return Infinity
    // A breaker that was open lets one call try.
    if (core.failures >= limits.breakerFailuresMax && core.inFlight > 0) return Infinity
    let at = core.pausedUntil
    if (core.requestsPerMinute !== Infinity) {
      const used = core.requestTimes.sum(now - MINUTE_MS)
      if (used >= core.requestsPerMinute)
        at = Math.max(at, core.requestTimes.freeAt(used - core.requestsPerMinute + 1) + MINUTE_MS)
    }
    if (core.tokensPerMinute !== Infinity) {
      const used = core.tokenTimes.sum(now - MINUTE_MS)
      const over = used + core.tokensReserved + tokens - core.tokensPerMinute
      if (over > 0 && used + core.tokensReserved > 0) {
        if (over > used) return used > 0 && core.inFlight === 0 ? core.tokenTimes.freeAt(used) + MINUTE_MS : Infinity
        at = Math.max(at, core.tokenTimes.freeAt(over) + MINUTE_MS)
      }
    }
    return at
  }

  /** Grants what there is room for; otherwise sees to it that somebody looks again (S3). */
  function pump(core: Core, now: number): void {
    for (let place = headOf(core); place !== undefined; place = headOf(core)) {
      const call = place.call as CoreCall
      const at = roomAt(core, call.tokens, now)
      if (at > now) {
        if (at !== Infinity) lookAgain(core, at, now)
        return
      }
      core.queue.pop()
      vacate(place)
      grant(core, call, place.key, now)
    }
  }

  function vacate(place: Place): void {
    if (place.call !== undefined) place.call.place = undefined
    place.call = undefined
    place.core.waiting--
  }

  /** The first that still waits; the empty places before it are cleared away. */
  function headOf(core: Core): Place | undefined {
    for (;;) {
      const place = core.queue.peek()
      if (place === undefined || place.call !== undefined) return place
      core.queue.pop()
    }
  }

  function lookAgain(core: Core, at: number, now: number): void {
    if (core.timer !== undefined && core.timerAt <= at) return
    core.timer?.cancel()
    core.timerAt = at
    core.timer = clock.after(Math.max(1, at - now), () => {
      core.timer = undefined
      core.timerAt = Infinity
      pump(core, clock.now())
    })
  }

  function release(core: Core, call: CoreCall, how: Release): void {
    const now = clock.now()
    const inFlight = core.inFlight--
    core.tokensReserved -= call.tokens
    switch (how.type) {
      case 'served':
        core.failures = 0
        core.slotsSeen = Math.max(core.slotsSeen, call.together)
        // First: the tokens of the answer that tells the limit count against it.
        learn(core, how.headers, now)
        spent(core, call, how.tokens, now)
        if (core.slots < core.slotsMax && inFlight >= core.slots) grow(core, now)
        break
      case 'refused':
        core.stats.refused++
        // It will be given a key again when it comes back.
        core.discipline.served(call, 0)
        refused(core, call, how.headers, inFlight, now)
        break
      case 'failed':
        core.stats.failed++
        core.failures++
        spent(core, call, call.tokens, now)
        if (core.failures >= limits.breakerFailuresMax) openBreaker(core, now)
        break
      case 'cancelled':
        spent(core, call, call.tokens, now)
    }
    // A cancelled call may be one of many that go together (a killed tree, a kernel that closes): its place is given away
    // when all of them are gone, not to the next of them.
    if (core.waiting === 0) return
    if (how.type === 'cancelled') clock.soon(() => pump(core, clock.now()))
    else pump(core, now)
  }

  function spent(core: Core, call: CoreCall, tokens: number, now: number): void {
    core.discipline.served(call, tokens)
    if (core.tokensPerMinute !== Infinity) core.tokenTimes.add(now, tokens)
  }

  function learn(
    core: Core,
    headers: { readonly [name: string]: string | undefined } | undefined,
    now: number,
  ): number | undefined {
    if (headers === undefined) return undefined
    const said = readRateLimits(headers, now)
    if (said.requestsPerMinute !== undefined && said.requestsPerMinute !== core.requestsPerMinute) {
      if (core.requestsPerMinute === Infinity) core.requestTimes.add(now, core.inFlight + 1)
      core.requestsPerMinute = said.requestsPerMinute
    }
    if (said.tokensPerMinute !== undefined) core.tokensPerMinute = said.tokensPerMinute
    if (said.exhaustedForMs !== undefined) core.pausedUntil = Math.max(core.pausedUntil, now + said.exhaustedForMs)
    return said.retryAfterMs
  }

  function grow(core: Core, now: number): void {
    if (core.growing) core.slots++
    else if (now - core.refusedAt >= limits.coreProbeMs) {
      core.slots = Math.min(core.slots + core.probeStep, core.slotsMax)
      core.probeStep *= 2
      core.refusedAt = now
    }
  }

  /**
   * A refusal is read as "too many at once" when others are in flight, as many together were not served before, and the
   * headers name no exhausted rate: the core then has as many slots as calls that were not refused. Otherwise it is a rate,
   * or a bad moment of the provider, and the core pauses as told. So that a provider can become smaller, what was served
   * before is believed once.
   */
  function refused(
    core: Core,
    { together }: CoreCall,
    headers: { readonly [name: string]: string | undefined } | undefined,
    inFlight: number,
    now: number,
  ): void {
    const pausedBefore = core.pausedUntil
    const retryAfterMs = learn(core, headers, now)
    const wasSeen = together <= core.slotsSeen
    core.slotsSeen = Math.min(core.slotsSeen, together - 1)
    if (!wasSeen) {
      core.growing = false
      core.refusedAt = now
      core.probeStep = 1
    }
    if (core.pausedUntil > Math.max(now, pausedBefore)) return
    const others = inFlight - 1
    if (others >= 1 && !wasSeen) core.slots = Math.min(core.slots, others)
    else core.pausedUntil = Math.max(core.pausedUntil, now + Math.max(PAUSE_MS_MIN, retryAfterMs ?? PAUSE_MS))
  }

  function openBreaker(core: Core, now: number): void {
    core.openUntil = now + limits.breakerOpenMs
    for (let place = core.queue.pop(); place !== undefined; place = core.queue.pop()) {
      const { call } = place
      if (call === undefined) continue
      vacate(place)
      refuse(core, call, unavailable(core, now))
    }
  }

  function leave(call: CoreCall): void {
    const { place } = call
    if (place === undefined) return
    vacate(place)
    const { core } = place
    core.discipline.served(call, 0)
    // It may have been what the others stood behind.
    if (core.waiting > 0) pump(core, clock.now())
  }

  return { createCore, remember, admit, sent, release, leave }
}

function unavailable(core: Core, now: number): PolityError {
  return new PolityError(
    'DRIVER_UNAVAILABLE',
    `${core.id} failed ${core.failures} times in a row; its next try is in ${Math.ceil((core.openUntil - now) / 1000)} s`,
  )
}

/** Amounts with their times; forgets what is older than it is asked about. */
interface Window {
  add(at: number, amount: number): void
  /** One of what was added at `from` came later: at `to`, which is not before anything else in it. */
  move(from: number, to: number): void
  /** Sum of what came after `since`. */
  sum(since: number): number
  /** Time of the entry with which `amount` has been passed, counted from the oldest. */
  freeAt(amount: number): number
}

function slidingWindow(): Window {
  let times: number[] = []
  let amounts: number[] = []
  let head = 0
  let total = 0
  return {
    add(at, amount) {
      times.push(at)
      amounts.push(amount)
      total += amount
    },
    move(from, to) {
      let i = times.length - 1
      while (i >= head && ((times[i] as number) > from || amounts[i] === 0)) i--
      if (i < head || times[i] !== from) return
      ;(amounts[i] as number)--
      times.push(to)
      amounts.push(1)
    },
    sum(since) {
      while (head < times.length && (times[head] as number) <= since) total -= amounts[head++] as number
      if (head > 1_024 && head * 2 > times.length) {
        times = times.slice(head)
        amounts = amounts.slice(head)
        head = 0
      }
      return total
    },
    freeAt(amount) {
      let passed = 0
      for (let i = head; i < times.length; i++) {
        passed += amounts[i] as number
        if (passed >= amount) return times[i] as number
      }
      return times[times.length - 1] ?? 0
    },
  }
}
