/**
 * The scheduler: admits model calls to cores, so that no call is sent that would be refused and no core idles while work
 * waits (promise 6).
 *
 * A core is one model with one key: slots, requests a minute, tokens a minute. A call is admitted when all three have
 * room; until then it stands in the core's queue, in the order of the discipline. What a provider does not declare is
 * learned from its refusals (429) and headers.
 *
 *     scheduler.admit(core, call)             // `call.granted()` is called some time, also before this returns
 *     scheduler.sent(core, call, grantedAt)   // where a grant was not used at once
 *     scheduler.release(core, call, { … })    // exactly once after a grant
 *     scheduler.leave(core, call)             // instead, while it still waits
 *     scheduler.yields(core, call, tokens)    // while it is served, where its driver can go on later: whether it makes room
 *
 * Invariants
 *   S1. In flight <= slots; requests admitted in any 60 s <= requests a minute; tokens reserved or used in any 60 s <=
 *       tokens a minute (a call larger than the whole limit goes alone). Where the owner says that the provider counts in
 *       shorter windows, the same of these, each with its part of the minute.
 *   S2. A call that was admitted is granted, refused or left exactly once.
 *   S3. If the queue is not empty, something will look at it again: a release, or a timer.
 *   S4. A call makes room only for one that its place is all that is missing for, and only where that one goes before it, or
 *       where it has had its quantum and does not go before that one. Who made room is never refused for a full queue.
 */
import type { Clock, Timer } from './clock.ts'
import type { Discipline, WaitingCall } from './disciplines.ts'
import type { LanguageModel, ModelHost } from './drivers.ts'
import { PolityError } from './errors.ts'
import type { Limits } from './limits.ts'
import type { Quotas } from './quotas.ts'
import { createQuotas } from './quotas.ts'
import { readRateLimits } from './rate-limits.ts'
import type { Residency } from './residency.ts'
import { createResidency } from './residency.ts'
import type { Lease, LeasedCore } from './leases.ts'
import type { Window } from './sliding-window.ts'
import { slidingWindow } from './sliding-window.ts'
import type { Price } from './types.ts'
import type { Place, Queue } from './queue.ts'
import { createQueue } from './queue.ts'

/** A model with its queue and its limits, as the scheduler keeps it. */
export interface Core {
  readonly id: string
  readonly model: LanguageModel
  readonly price: Price | undefined
  readonly contextTokens: number
  readonly discipline: Discipline
  /** How calls in flight make room for others: not at all, by a saved state, or by reading the prompt again. */
  readonly preempt: 'none' | 'prefix' | 'exact'
  /** Tokens after which a call makes room for one that does not go before it either; Infinity: never. */
  readonly quantumTokens: number
  slots: number
  /** The owner's word; refusals lower `slots` below it for a while. Infinity where it is learned. */
  readonly slotsMax: number
  /** Most calls that were in flight together, as far as a call among them was served that came last. */
  slotsSeen: number
  /** By how many slots the next probe goes up. */
  probeStep: number
  requestsPerMinute: number
  tokensPerMinute: number
  /** The window in which the provider counts both, ms; of the minute it allows its part. */
  readonly windowMs: number
  inFlight: number
  /** Estimated tokens are multiplied by this to be what the provider counts. Never below 1: estimates err upward. */
  tokenRatio: number
  /** Tokens of inputs that the provider counted, and by how many the estimates for them were wrong, either way. */
  readonly counted: { tokens: number; wrong: number }
  /** The calls that wait, in the order of the discipline. */
  readonly queue: Queue<CoreCall>
  /** Where no single principal may hold all of the core. */
  readonly quotas: Quotas | undefined
  /** Where other kernels use the same limits. */
  readonly lease: Lease | undefined
  /** Where it takes turns with others on a machine that has no room for all. */
  readonly residency: Residency<Core> | undefined
  readonly stats: { admitted: number; refused: number; failed: number; loads: number }
  // Sliding windows.
  readonly requestTimes: Window
  readonly tokenTimes: Window
  tokensReserved: number
  pausedUntil: number
  /** Set while it has only refused since then: when that began, when it last did, and its last words. */
  refusing: { readonly since: number; readonly lastAt: number; readonly words: string } | undefined
  /** Undeclared slots grow with success until the first refusal. */
  growing: boolean
  refusedAt: number
  /** Failures in a row. */
  failures: number
  /** Whose they are; null for those of several principals. */
  failedBy: string | null | undefined
  /** The breaker has opened, and no call was served since. */
  tripped: boolean
  openUntil: number
  timer: Timer | undefined
  timerAt: number
}

/** A model call as its core sees it. */
export interface CoreCall extends WaitingCall {
  /** Where it stands in a queue; the scheduler's own mark. */
  place: Place<CoreCall> | undefined
  /** Calls that were in flight when it was granted, itself among them; the scheduler's own mark too. */
  together: number
  /** Its turn has come; or, with an error, it will have none on this core. */
  granted(error: PolityError | undefined): void
}

/** How a granted call went. */
export type Release =
  | {
      readonly type: 'served'
      readonly tokens: number
      readonly headers?: { readonly [name: string]: string | undefined }
    }
  | {
      readonly type: 'refused'
      readonly headers?: { readonly [name: string]: string | undefined }
      /** The provider's own. */
      readonly words: string
      /** No waiting mends it: the call does not come back, and the core does not pause for others. */
      readonly isFinal: boolean
    }
  | { readonly type: 'failed' }
  /** It made room for another and will come back for the rest. */
  | { readonly type: 'yielded'; readonly tokens: number }
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
  /** @default 60,000 */
  readonly rateWindowMs?: number
  /** Whether calls in flight make room for others. @default true where the driver can go on exactly */
  readonly preempt?: boolean
  /** @default Infinity */
  readonly quantumTokens?: number
  readonly discipline: Discipline
  /** The part of the core that no single principal may hold (quotas.ts). @default 0 */
  readonly reserve?: number
  /** The machine on which it takes turns with other cores (residency.ts). @default what the driver says */
  readonly host?: ModelHost
  /** Makes the lease on limits that other kernels use too. @default they are this kernel's alone */
  readonly lease?: (core: LeasedCore) => Lease
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
  sent(core: Core, call: CoreCall, grantedAt: number): void
  release(core: Core, call: CoreCall, how: Release): void
  leave(core: Core, call: CoreCall): void
  /** Whether a call in flight that wrote so many tokens since its last grant should make room (S4). */
  yields(core: Core, call: CoreCall, tokens: number): boolean
}

/** A scheduler on a clock. */
export function createScheduler(clock: Clock, limits: Limits): Scheduler {
  const hosts = new Map<string, { readonly residentMax: number; readonly residency: Residency<Core> }>()

  function createCore(options: CoreOptions): Core {
    const { capabilities } = options.model
    const slots = options.slots ?? capabilities?.slots
    const windowMs = options.rateWindowMs ?? MINUTE_MS
    const core: Core = {
      id: options.id,
      model: options.model,
      price: options.price ?? capabilities?.price,
      contextTokens: options.contextTokens ?? capabilities?.contextTokens ?? 128_000,
      discipline: options.discipline,
      preempt: (options.preempt ?? capabilities?.preempt === 'exact') ? (capabilities?.preempt ?? 'none') : 'none',
      quantumTokens: options.quantumTokens ?? Infinity,
      slots: slots ?? limits.coreSlotsInitial,
      slotsMax: slots ?? Infinity,
      slotsSeen: 0,
      probeStep: 1,
      requestsPerMinute: options.requestsPerMinute ?? capabilities?.requestsPerMinute ?? Infinity,
      tokensPerMinute: options.tokensPerMinute ?? capabilities?.tokensPerMinute ?? Infinity,
      windowMs,
      inFlight: 0,
      tokenRatio: 1,
      counted: { tokens: 0, wrong: 0 },
      queue: createQueue<CoreCall>(options.discipline, () => clock.now()),
      quotas:
        (options.reserve ?? 0) === 0
          ? undefined
          : createQuotas(
              () => ({ slots: core.slots, ...windowLimits(core), windowMs: core.windowMs }),
              options.reserve as number,
            ),
      lease: options.lease?.({
        id: options.id,
        // Learned slots are this kernel's guess, not a limit of the key.
        get slots() {
          return core.slotsMax === Infinity ? Infinity : core.slots
        },
        get requestsPerWindow() {
          return windowLimits(core).requestsPerWindow
        },
        get tokensPerWindow() {
          return windowLimits(core).tokensPerWindow
        },
        windowMs,
        get waiting() {
          return core.queue.waiting
        },
        pump: () => pump(core, clock.now()),
      }),
      residency: residencyOn(options.host ?? capabilities?.host),
      stats: { admitted: 0, refused: 0, failed: 0, loads: 0 },
      requestTimes: slidingWindow(),
      tokenTimes: slidingWindow(),
      tokensReserved: 0,
      pausedUntil: 0,
      refusing: undefined,
      growing: slots === undefined,
      refusedAt: 0,
      failures: 0,
      failedBy: undefined,
      tripped: false,
      openUntil: 0,
      timer: undefined,
      timerAt: Infinity,
    }
    core.residency?.join(core)
    return core
  }

  function residencyOn(host: ModelHost | undefined): Residency<Core> | undefined {
    if (host === undefined) return undefined
    const known = hosts.get(host.name)
    if (!(host.residentMax >= 1) || (known !== undefined && known.residentMax !== host.residentMax))
      throw new PolityError(
        'CONFIG_INVALID',
        `all models of machine "${host.name}" must say the same residentMax, at least 1, not ${known === undefined ? '' : `${known.residentMax} and `}${host.residentMax}`,
      )
    const residency = known?.residency ?? createResidency<Core>(host.residentMax, limits.coreTurnMs)
    hosts.set(host.name, { residentMax: host.residentMax, residency })
    return residency
  }

  /** Where models take turns: who has room now is given its calls. */
  function takeTurns(core: Core): void {
    const { residency } = core
    if (residency === undefined) return
    const now = clock.now()
    for (const next of residency.settle(now)) pump(next, now)
    const next = residency.next()
    if (next !== undefined) lookAgain(next.core, next.at, now)
  }

  function remember(core: Core, at: number, requests: number, tokens: number): void {
    if (requests > 0 && core.requestsPerMinute !== Infinity) core.requestTimes.add(at, requests)
    if (tokens > 0 && core.tokensPerMinute !== Infinity) core.tokenTimes.add(at, tokens)
  }

  function admit(core: Core, call: CoreCall): void {
    const { queue, quotas } = core
    const now = clock.now()
    if (core.openUntil > now) return call.granted(unavailable(core, now))
    const waiting = queue.waiting >= limits.coreQueueMax ? queue.waiting : queue.waitingWith(call)
    if (waiting >= (quotas?.of(limits.coreQueueMax) ?? limits.coreQueueMax)) {
      const who = waiting === queue.waiting ? '' : ` of ${call.principal}`
      const full = `${waiting} calls${who} already wait for ${core.id}; the limit coreQueueMax is ${limits.coreQueueMax}`
      return call.granted(new PolityError('OVERLOADED', full))
    }
    quotas?.called(call.principal, now)
    const isAllowed = quotas === undefined || quotas.roomAt(call, now) <= now
    if (queue.waiting === 0 && isAllowed && roomAt(core, call.tokens, now) <= now) {
      queue.charge(call)
      return grant(core, call, now)
    }
    call.place = queue.push(call)
    // At the head of the queue it may have room where the one behind it has none.
    if (quotas !== undefined || queue.first()?.call === call) pump(core, now)
    takeTurns(core)
  }

  function grant(core: Core, call: CoreCall, now: number): void {
    call.together = ++core.inFlight
    core.stats.admitted++
    core.quotas?.granted(call, now)
    core.lease?.granted(call, call.tokens, now)
    if (core.requestsPerMinute !== Infinity) core.requestTimes.add(now, 1)
    core.tokensReserved += call.tokens
    call.granted(undefined)
  }

  function sent(core: Core, call: CoreCall, grantedAt: number): void {
    const now = clock.now()
    core.lease?.sent(call, now)
    if (core.requestsPerMinute === Infinity || now <= grantedAt) return
    core.requestTimes.move(grantedAt, now)
    core.quotas?.sent(call.principal, grantedAt, now)
  }

  /** When there will be room for so many tokens: a time not after `now` if there is, Infinity if only a release can tell. */
  function roomAt(core: Core, tokens: number, now: number): number {
    if (core.inFlight >= core.slots) return Infinity
    if (core.residency?.serves(core) === false) return Infinity
    // A breaker that was open lets one call try.
    if (core.tripped && core.inFlight > 0) return Infinity
    let at = core.pausedUntil
    const { windowMs } = core
    if (core.requestsPerMinute !== Infinity) {
      const used = core.requestTimes.sum(now - windowMs)
      const over = used + 1 - perWindow(core, core.requestsPerMinute)
      if (over > 0) at = Math.max(at, core.requestTimes.freeAt(over) + windowMs)
    }
    if (core.tokensPerMinute !== Infinity) {
      const used = core.tokenTimes.sum(now - windowMs)
      const over = used + core.tokensReserved + tokens - perWindow(core, core.tokensPerMinute)
      if (over > 0 && used + core.tokensReserved > 0) {
        if (over > used) return used > 0 && core.inFlight === 0 ? core.tokenTimes.freeAt(used) + windowMs : Infinity
        at = Math.max(at, core.tokenTimes.freeAt(over) + windowMs)
      }
    }
    // Last, since it may have to ask the others.
    return core.lease === undefined || at > now ? at : core.lease.roomAt(tokens, now)
  }

  /** Grants what there is room for; otherwise sees to it that somebody looks again (S3). */
  function pump(core: Core, now: number): void {
    const { queue, quotas } = core
    let heldUntil = Infinity
    /** Calls that the others need not wait behind: of a principal at its quota, or too large for the moment. */
    const isHeld = (call: CoreCall): boolean => {
      let at = (quotas as Quotas).roomAt(call, now)
      if (at <= now && call.tokens > (quotas as Quotas).blockingTokensMax && core.inFlight < core.slots)
        at = roomAt(core, call.tokens, now)
      if (at > now) heldUntil = Math.min(heldUntil, at)
      return at > now
    }
    for (;;) {
      const place = queue.first(quotas && isHeld)
      if (place === undefined) break
      const call = place.call as CoreCall
      const at = roomAt(core, call.tokens, now)
      if (at > now) {
        const failure = core.lease?.error
        if (failure !== undefined) return refuseAll(core, failure)
        heldUntil = Math.min(heldUntil, at)
        break
      }
      call.place = undefined
      queue.take(place)
      grant(core, call, now)
    }
    if (heldUntil !== Infinity) lookAgain(core, heldUntil, now)
  }

  function lookAgain(core: Core, at: number, now: number): void {
    if (core.timer !== undefined && core.timerAt <= at) return
    core.timer?.cancel()
    core.timerAt = at
    core.timer = clock.after(Math.max(1, at - now), () => {
      core.timer = undefined
      core.timerAt = Infinity
      pump(core, clock.now())
      takeTurns(core)
    })
  }

  function release(core: Core, call: CoreCall, how: Release): void {
    const now = clock.now()
    const inFlight = core.inFlight--
    core.tokensReserved -= call.tokens
    switch (how.type) {
      case 'served':
        core.failures = 0
        core.failedBy = undefined
        core.tripped = false
        core.refusing = undefined
        core.slotsSeen = Math.max(core.slotsSeen, call.together)
        // First: the tokens of the answer that tells the limit count against it.
        learn(core, how.headers, now)
        spent(core, call, how.tokens, now)
        if (core.slots < core.slotsMax && inFlight >= (core.quotas?.of(core.slots) ?? core.slots)) grow(core, now)
        break
      case 'refused':
        core.stats.refused++
        core.refusing = { since: core.refusing?.since ?? now, lastAt: now, words: how.words }
        // It will be charged again when it comes back.
        core.queue.settle(call, 0)
        core.quotas?.released(call, 0, now)
        core.lease?.released(call, 0, now)
        if (!how.isFinal) refused(core, call, how.headers, inFlight, now)
        break
      case 'failed':
        core.stats.failed++
        core.failures++
        core.failedBy = core.failures === 1 || core.failedBy === call.principal ? call.principal : null
        spent(core, call, call.tokens, now)
        // Where principals are kept apart, one of them whose calls fail takes the core from nobody else.
        if (
          core.failures >= limits.breakerFailuresMax &&
          (core.quotas === undefined || core.failedBy === null || core.quotas.isAlone(call.principal, now))
        )
          openBreaker(core, now)
        break
      case 'yielded':
        spent(core, call, how.tokens, now)
        break
      case 'cancelled':
        spent(core, call, call.tokens, now)
    }
    // A cancelled call may be one of many that go together (a killed tree, a kernel that closes): its place is given away
    // when all of them are gone, not to the next of them.
    if (core.queue.waiting === 0 && core.residency === undefined) return
    if (how.type !== 'cancelled') {
      pump(core, now)
      takeTurns(core)
    } else
      clock.soon(() => {
        pump(core, clock.now())
        takeTurns(core)
      })
  }

  function yields(core: Core, call: CoreCall, tokens: number): boolean {
    const { queue, discipline } = core
    if (queue.waiting === 0 || queue.waiting >= limits.coreQueueMax || core.inFlight < core.slots) return false
    const first = queue.first()?.call
    if (first === undefined) return false
    const now = clock.now()
    const isBefore = (a: CoreCall, b: CoreCall): boolean =>
      discipline.fair === undefined && discipline.key(a) < discipline.key(b)
    const isLate = discipline.lateAt !== undefined && discipline.lateAt(first) <= now
    const isUrgent = discipline.preempts === true && !isLate && isBefore(first, call)
    if (!isUrgent && (tokens < core.quantumTokens || isBefore(call, first))) return false
    // As if the call had gone: a place may not be what the other waits for.
    core.inFlight--
    core.tokensReserved -= call.tokens
    const at = roomAt(core, first.tokens, now)
    core.inFlight++
    core.tokensReserved += call.tokens
    return at <= now && (core.quotas === undefined || core.quotas.roomAt(first, now) <= now)
  }

  function spent(core: Core, call: CoreCall, tokens: number, now: number): void {
    core.queue.settle(call, tokens)
    core.quotas?.released(call, tokens, now)
    core.lease?.released(call, tokens, now)
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
    core.tripped = true
    core.openUntil = now + limits.breakerOpenMs
    refuseAll(core, unavailable(core, now))
  }

  /** None of those that wait now will have a turn. */
  function refuseAll(core: Core, error: PolityError): void {
    for (let place = core.queue.first(); place !== undefined; place = core.queue.first()) {
      const call = place.call as CoreCall
      call.place = undefined
      core.queue.leave(place)
      call.granted(error)
    }
  }

  function leave(core: Core, call: CoreCall): void {
    const { place } = call
    if (place === undefined) return
    call.place = undefined
    core.queue.leave(place)
    // It may have been what the others stood behind.
    if (core.queue.waiting > 0) pump(core, clock.now())
    // Or all that kept the core in (N2). Many may leave together (a killed tree): who comes in is seen when they have gone.
    if (core.residency !== undefined) clock.soon(() => takeTurns(core))
  }

  return { createCore, remember, admit, sent, release, leave, yields }
}

function unavailable(core: Core, now: number): PolityError {
  return new PolityError(
    'DRIVER_UNAVAILABLE',
    `${core.id} failed ${core.failures} times in a row; its next try is in ${Math.ceil((core.openUntil - now) / 1000)} s`,
  )
}

/** What a window of the provider has of the limits that are stated for a minute. */
function windowLimits(core: Core): { readonly requestsPerWindow: number; readonly tokensPerWindow: number } {
  return {
    requestsPerWindow: perWindow(core, core.requestsPerMinute),
    tokensPerWindow: perWindow(core, core.tokensPerMinute),
  }
}

function perWindow(core: Core, perMinute: number): number {
  return core.windowMs === MINUTE_MS ? perMinute : Math.max(1, Math.floor((perMinute * core.windowMs) / MINUTE_MS))
}
