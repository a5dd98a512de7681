/**
 * The scheduler: admits model calls to cores, so that no call is sent that would be refused and no core idles while work
 * waits (promise 6).
 *
 * A core is one model with one key: slots, requests a minute, tokens a minute. A call is admitted when all three have
 * room; until then it stands in the core's queue, in the order of the discipline. What a provider does not declare is
 * learned from its refusals (429) and headers.
 *
 *     const ticket = scheduler.admit(core, waiting, granted)     // `granted` may be called before this returns
 *     scheduler.release(ticket, { … })                          // exactly once after a grant
 *     scheduler.leave(ticket)                                   // instead, while it still waits
 *
 * Invariants
 *   S1. In flight <= slots; requests admitted in any 60 s <= requests a minute; tokens reserved or used in any 60 s <=
 *       tokens a minute (a call larger than the whole limit goes alone).
 *   S2. A ticket is granted, refused or left exactly once.
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

export interface Core {
  readonly id: string
  readonly model: LanguageModel
  readonly price: Price | undefined
  readonly contextTokens: number
  slots: number
  /** Whether `slots` is the owner's word; otherwise it is learned. */
  readonly slotsDeclared: boolean
  requestsPerMinute: number
  tokensPerMinute: number
  inFlight: number
  readonly discipline: Discipline
  /** Estimated tokens are multiplied by this to be what the provider counted. Never below 1: estimates err upward. */
  tokenRatio: number
  readonly queue: Heap<Ticket>
  /** Tickets in the queue that have not left. */
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

export interface Ticket {
  readonly core: Core
  readonly call: WaitingCall
  readonly key: number
  readonly order: number
  granted: Granted | undefined
  /** Tokens set aside while in flight. */
  readonly tokens: number
}

/** The call has its place; or, with an error, it will have none here. */
export type Granted = (error: PolityError | undefined, ticket: Ticket) => void

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

const MINUTE_MS = 60_000
/** Pause after a refusal that names none, ms. */
const PAUSE_MS = 1_000
/** A refusal that says "at once" is not believed: asking again without a pause would never let anything else run, ms. */
const PAUSE_MS_MIN = 50

export interface Scheduler {
  createCore(options: CoreOptions): Core
  admit(core: Core, call: WaitingCall, granted: Granted): Ticket
  release(ticket: Ticket, how: Release): void
  leave(ticket: Ticket): void
}

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
      slotsDeclared: slots !== undefined,
      requestsPerMinute: options.requestsPerMinute ?? capabilities?.requestsPerMinute ?? Infinity,
      tokensPerMinute: options.tokensPerMinute ?? capabilities?.tokensPerMinute ?? Infinity,
      inFlight: 0,
      discipline: options.discipline,
      tokenRatio: 1,
      queue: heap<Ticket>((a, b) => a.key - b.key || a.order - b.order),
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

  function admit(core: Core, call: WaitingCall, granted: Granted): Ticket {
    const ticket: Ticket = { core, call, key: core.discipline.key(call), order: order++, granted, tokens: call.tokens }
    const now = clock.now()
    if (core.openUntil > now) return refuse(ticket, unavailable(core, now))
    if (core.waiting >= limits.coreQueueMax) {
      return refuse(
        ticket,
        new PolityError(
          'OVERLOADED',
          `${core.waiting} calls already wait for ${core.id}; the limit coreQueueMax is ${limits.coreQueueMax}`,
        ),
      )
    }
    if (core.waiting === 0 && roomAt(core, ticket, now) <= now) grant(ticket, now)
    else {
      core.queue.push(ticket)
      core.waiting++
      // At the head of the queue it may have room where the one behind it has none.
      if (headOf(core) === ticket) pump(core, now)
    }
    return ticket
  }

  function refuse(ticket: Ticket, error: PolityError): Ticket {
    const { granted } = ticket
    ticket.granted = undefined
    ticket.core.discipline.served(ticket.call, 0)
    granted?.(error, ticket)
    return ticket
  }

  function grant(ticket: Ticket, now: number): void {
    const { core, granted } = ticket
    ticket.granted = undefined
    core.inFlight++
    core.stats.admitted++
    core.discipline.admitted(ticket.call, ticket.key)
    if (core.requestsPerMinute !== Infinity) core.requestTimes.add(now, 1)
    core.tokensReserved += ticket.tokens
    granted?.(undefined, ticket)
  }

  /** When there will be room for the ticket: a time not after `now` if there is, Infinity if only a release can tell. */
  function roomAt(core: Core, ticket: Ticket, now: number): number {
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
      const over = used + core.tokensReserved + ticket.tokens - core.tokensPerMinute
      if (over > 0 && used + core.tokensReserved > 0) {
        if (over > used) return used > 0 && core.inFlight === 0 ? core.tokenTimes.freeAt(used) + MINUTE_MS : Infinity
        at = Math.max(at, core.tokenTimes.freeAt(over) + MINUTE_MS)
      }
    }
    return at
  }

  /** Grants what there is room for; otherwise sees to it that somebody looks again (S3). */
  function pump(core: Core, now: number): void {
    for (let ticket = headOf(core); ticket !== undefined; ticket = headOf(core)) {
      const at = roomAt(core, ticket, now)
      if (at > now) {
        if (at !== Infinity) lookAgain(core, at, now)
        return
      }
      core.queue.pop()
      core.waiting--
      grant(ticket, now)
    }
  }

  /** The first that still waits; those that left before it are cleared away. */
  function headOf(core: Core): Ticket | undefined {
    for (;;) {
      const ticket = core.queue.peek()
      if (ticket === undefined || ticket.granted !== undefined) return ticket
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

  function release(ticket: Ticket, how: Release): void {
    const { core } = ticket
    const now = clock.now()
    const inFlight = core.inFlight--
    core.tokensReserved -= ticket.tokens
    switch (how.type) {
      case 'served':
        core.failures = 0
        // First: the tokens of the answer that tells the limit count against it.
        learn(core, how.headers, now)
        spent(core, ticket, how.tokens, now)
        if (!core.slotsDeclared && inFlight >= core.slots) grow(core, now)
        break
      case 'refused':
        core.stats.refused++
        // It will be given a key again when it comes back.
        core.discipline.served(ticket.call, 0)
        refused(core, how.headers, inFlight, now)
        break
      case 'failed':
        core.stats.failed++
        core.failures++
        spent(core, ticket, ticket.tokens, now)
        if (core.failures >= limits.breakerFailuresMax) openBreaker(core, now)
        break
      case 'cancelled':
        spent(core, ticket, ticket.tokens, now)
    }
    // A cancelled call may be one of many that go together (a killed tree, a kernel that closes): its place is given away
    // when all of them are gone, not to the next of them.
    if (core.waiting === 0) return
    if (how.type === 'cancelled') clock.soon(() => pump(core, clock.now()))
    else pump(core, now)
  }

  function spent(core: Core, ticket: Ticket, tokens: number, now: number): void {
    core.discipline.served(ticket.call, tokens)
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
      core.slots++
      core.refusedAt = now
    }
  }

  /**
   * A refusal is read as "too many at once" when others are in flight and the headers name no exhausted rate: the core
   * then has as many slots as calls that were not refused. Otherwise it is a rate, and the core pauses as told.
   */
  function refused(
    core: Core,
    headers: { readonly [name: string]: string | undefined } | undefined,
    inFlight: number,
    now: number,
  ): void {
    const pausedBefore = core.pausedUntil
    const retryAfterMs = learn(core, headers, now)
    core.growing = false
    core.refusedAt = now
    if (core.pausedUntil > Math.max(now, pausedBefore)) return
    const others = inFlight - 1
    if (others >= 1) core.slots = Math.min(core.slots, others)
    else core.pausedUntil = Math.max(core.pausedUntil, now + Math.max(PAUSE_MS_MIN, retryAfterMs ?? PAUSE_MS))
  }

  function openBreaker(core: Core, now: number): void {
    core.openUntil = now + limits.breakerOpenMs
    for (let ticket = core.queue.pop(); ticket !== undefined; ticket = core.queue.pop()) {
      if (ticket.granted !== undefined) refuse(ticket, unavailable(core, now))
    }
    core.waiting = 0
  }

  function leave(ticket: Ticket): void {
    if (ticket.granted === undefined) return
    ticket.granted = undefined
    ticket.core.discipline.served(ticket.call, 0)
    ticket.core.waiting--
    // It may have been what the others stood behind.
    if (ticket.core.waiting > 0) pump(ticket.core, clock.now())
  }

  return { createCore, admit, release, leave }
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
