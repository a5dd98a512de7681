/**
 * Shared limits: several kernels with one provider key lease its slots, requests and tokens from each other, so that all of
 * them together stay below what the provider allows.
 *
 *     const lease = createLease(leases, 'openai', core, { clock, marginMs, failMs })
 *     lease.roomAt(tokens, now)             // not after now: a call of so many tokens may be sent
 *     lease.granted(call, now); lease.sent(call, now); lease.released(call, tokens, now)
 *
 * The kernels hold one entry of a lease store (drivers.ts): who has leased how much, and what was used in the last window.
 * Everything happens in `update`s of that entry (some 30 µs in a file: docs/kernel/leases.md), and most calls need none.
 *
 *   - How much is leased: what the waiting calls can use, at most the free part divided by the number of kernels there are
 *     (guided self-scheduling: Polychronopoulos and Kuck 1987, "Guided self-scheduling", section 3), at least one call.
 *   - How it is used: a slot is used again by the next call of the same kernel. A request is used up when it has reached the
 *     provider, at the latest `marginMs` after it was sent; tokens when the answer is there. What is used up counts for a window.
 *   - How it is returned: every `SYNC_MS` a kernel that holds something looks at the entry, writes down what it used, and
 *     returns what it does not use. Where others wait it does so after each call.
 *   - Who waits is served in the order in which it began to wait: nobody is given what an earlier kernel still needs.
 *
 * Invariants
 *   L1. Leased and used within a window, over all kernels, is never above the limit (a call larger than the whole limit
 *       counts as the whole limit, and goes alone). All that have a key open name one window for it; who names another is
 *       refused.
 *   L2. A lease does not run out while its holder lives: a kernel that was stopped, or whose thread is busy, has calls at
 *       the provider all the same. It is taken back when the holder is dead, which the lease store knows (H2): its slots at
 *       once, its requests and tokens as if they had been used at that moment.
 *   L3. Where the store is slow or gone, nothing new is leased and nothing is sent without a lease: the limits hold. Calls
 *       wait, and after `failMs` they fail with `DRIVER_UNAVAILABLE`, so that a fallback is asked; it is tried again all the time.
 */
import type { Clock, Timer } from './clock.ts'
import type { LeaseStore } from './drivers.ts'
import { PolityError, messageOf } from './errors.ts'

/** How often a kernel that holds something, or waits, looks at the entry, ms. */
const SYNC_MS = 50
/** How often a kernel that only waits looks, also where there can be no room yet: one of those before it may be dead, ms. */
const LOOK_MS_MAX = 1_000
/** Longest pause before a store that failed is tried again, ms. */
const RETRY_MS_MAX = 1_000
/** How long a kernel that waits is believed to wait without asking again, ms. */
const STALE_MS = 2_000
/** Time between two looks at who is dead, ms. */
const DEAD_LOOK_MS = 200
/** What was used is kept in so many parts of a window: times are rounded up by a hundredth of it. */
const WINDOW_PARTS = 100

/** Slots, requests and tokens. */
type Amounts = [slots: number, requests: number, tokens: number]

/** What a kernel has of an entry. */
interface Claim {
  /** Leased: in use, or to be used. */
  readonly open: Amounts
  /** What the first of its waiting calls needs, and since when; absent while none waits for a lease. */
  readonly need?: Amounts
  readonly since?: number
  /** When it comes again, if it waits. */
  readonly at: number
}

/** An entry of the lease store: one provider key. */
interface Entry {
  /** Who has the key open, and the window that each counts in, ms: what one prunes, the others rely on. */
  readonly windows: { [holder: string]: number }
  readonly claims: { [holder: string]: Claim }
  /** What was used up in the last window, by time. */
  used: [at: number, requests: number, tokens: number][]
}

/** The core that a lease is for, as it is now. */
export interface LeasedCore {
  readonly id: string
  /** Infinity where nobody declared them: such slots are not shared. */
  readonly slots: number
  readonly requestsPerWindow: number
  readonly tokensPerWindow: number
  readonly windowMs: number
  /** Calls that wait for it. */
  readonly waiting: number
  /** Looks whether those have room. */
  pump(): void
}

/** How leases are handled. */
export interface LeaseOptions {
  readonly clock: Clock
  /** A request has reached the provider after so long, ms. */
  readonly marginMs: number
  /** After so long without the lease store, waiting calls fail, ms. */
  readonly failMs: number
}

/** What one kernel may use of limits that several share. */
export interface Lease {
  /** When a call of so many tokens may be sent: not after `now` if it may, else when to ask again. */
  roomAt(tokens: number, now: number): number
  /** Set while the lease store has failed for too long. */
  readonly error: PolityError | undefined
  granted(call: object, tokens: number, now: number): void
  sent(call: object, now: number): void
  /** `tokens` is what the call took; 0 where it was refused. */
  released(call: object, tokens: number, now: number): void
  /** Returns everything; what is in flight counts as used. */
  close(): void
}

interface Sent {
  at: number
  readonly tokens: number
  /** Its request has been written down as used. */
  counted: boolean
}

/** The lease of one core on the entry of its key. */
export function createLease(leases: LeaseStore, key: string, core: LeasedCore, options: LeaseOptions): Lease {
  const { clock, marginMs, failMs } = options
  const name = `${leases.holder}/${core.id}`
  const inFlight = new Map<object, Sent>()
  /** Leased and not in use. */
  let free: Amounts = [0, 0, 0]
  /** Used up, and not yet written down. */
  let spent: Entry['used'] = []
  let reserved = 0
  let waitedTokens = 1
  /** Others wait: what is free goes back before it is used again. */
  let contended = false
  /** Nothing came back since the last lease: what is free was given in the knowledge of the others. */
  let fresh = false
  let askAt = 0
  let deadLookAt = 0
  let failedAt: number | undefined
  let retryMs = SYNC_MS
  let failure: unknown
  let timer: Timer | undefined
  let isClosed = false
  /** Its window stands in the entry. */
  let isMember = false

  const tokensOf = (tokens: number): number =>
    core.tokensPerWindow === Infinity ? 0 : Math.min(tokens, core.tokensPerWindow)
  const fits = (tokens: number): boolean =>
    (core.slots === Infinity || free[0] >= 1) &&
    (core.requestsPerWindow === Infinity || free[1] >= 1) &&
    free[2] >= tokensOf(tokens)

  /** Stands among those that have the key open; throws `CONFIG_INVALID` where one of them counts in another window (L1). */
  function enter({ windows }: Entry): void {
    for (const [other, windowMs] of Object.entries(windows)) {
      if (other === name || (isMember && windowMs === core.windowMs)) continue
      if (!leases.isAlive(holderOf(other))) delete windows[other]
      else if (windowMs !== core.windowMs)
        throw new PolityError(
          'CONFIG_INVALID',
          `${core.id} counts the limits of key "${key}" in windows of ${core.windowMs} ms, and ${other.slice(other.indexOf('/') + 1)}, which shares them, in windows of ${windowMs} ms. Give all models of a key the same rateWindowMs, in all kernels, or keys of their own.`,
        )
    }
    windows[name] = core.windowMs
  }

  /** Writes down what was used, returns what is not in use, and leases anew for the calls that wait. */
  function sync(now: number, waiting: number, dead?: ReadonlySet<string>): void {
    for (const one of inFlight.values()) {
      if (one.counted || one.at + marginMs > now) continue
      one.counted = true
      spent.push([one.at + marginMs, 1, 0])
    }
    let uncounted = 0
    for (const { counted } of inFlight.values()) if (!counted) uncounted++
    const busy: Amounts = [inFlight.size, uncounted, reserved]
    let given: Amounts | undefined
    let others: string[] = []
    let nextAt = now + SYNC_MS
    let isContended = false
    leases.update(key, (text) => {
      const state = entryOf(text)
      if (!isClosed) enter(state)
      const mine = state.claims[name]
      for (const holder of dead ?? []) takeBack(state, holder, now)
      state.used = merged([...state.used, ...spent], now, core.windowMs)
      delete state.claims[name]
      others = Object.keys(state.claims)
      if (isClosed) {
        delete state.windows[name]
        return JSON.stringify(state)
      }
      const need: Amounts = [1, 1, tokensOf(waitedTokens)]
      const since = mine?.since ?? now
      const ahead = others
        .map((other) => state.claims[other] as Claim)
        .filter((claim, i) => isWaiting(claim, now) && isBefore(claim, others[i] as string, since))
      const room = waiting === 0 ? undefined : freeOf(state, busy, ahead)
      if (room !== undefined && need.every((amount, i) => (room[i] as number) >= amount)) {
        const want: Amounts = [waiting, waiting, waiting * need[2]]
        given = want.map((amount, i) => {
          const part = Math.floor((room[i] as number) / (others.length + 1))
          return Math.min(amount, Math.max(need[i] as number, part))
        }) as Amounts
      } else if (room !== undefined) {
        // Were all others to return all that they have, there would be no room before that; or not before one of those
        // that wait longer has had its turn.
        for (const { open } of Object.values(state.claims)) addTo(room, open, 1)
        if (room.some((amount, i) => amount < (need[i] as number)))
          nextAt = Math.min(
            expiryFor(state.used, room, need) + core.windowMs,
            ...ahead.map(({ at }) => (at > now ? at : now + SYNC_MS)),
          )
        nextAt = Math.max(now + 1, Math.min(nextAt, now + LOOK_MS_MAX))
      }
      const open = busy.map((amount, i) => amount + (given?.[i] ?? 0)) as Amounts
      const waits = waiting > 0 && given === undefined
      if (waits || open.some((amount) => amount > 0))
        state.claims[name] = { open, at: nextAt, ...(waits ? { need, since } : {}) }
      isContended = others.some((other) => isWaiting(state.claims[other] as Claim, now))
      return JSON.stringify(state)
    })
    isMember = true
    spent = []
    free = given ?? [0, 0, 0]
    contended = isContended
    fresh = true
    failedAt = undefined
    retryMs = SYNC_MS
    askAt = given === undefined ? Math.max(now + 1, nextAt) : now
    if (dead !== undefined || given !== undefined || waiting === 0 || now < deadLookAt) return
    // There is no room: perhaps somebody who is dead holds it.
    deadLookAt = now + DEAD_LOOK_MS
    const gone = others.filter((other) => !leases.isAlive(holderOf(other)))
    if (gone.length > 0) sync(now, waiting, new Set(gone))
  }

  function isBefore({ since }: Claim, other: string, mySince: number): boolean {
    return (since as number) < mySince || (since === mySince && other < name)
  }

  /** What is free for this kernel: not in use, not leased by others, not needed by those who wait longer. */
  function freeOf(state: Entry, busy: Amounts, ahead: readonly Claim[]): Amounts {
    const room: Amounts = [core.slots - busy[0], core.requestsPerWindow - busy[1], core.tokensPerWindow - busy[2]]
    for (const [, requests, tokens] of state.used) {
      room[1] -= requests
      room[2] -= tokens
    }
    for (const { open } of Object.values(state.claims)) addTo(room, open, -1)
    for (const { need } of ahead) if (need !== undefined) addTo(room, need, -1)
    return room
  }

  /** `sync`, with a store that may fail (L3). */
  function attempt(now: number, waiting = core.waiting): void {
    try {
      sync(now, waiting)
    } catch (error) {
      failure = error
      failedAt ??= now
      askAt = now + retryMs
      retryMs = Math.min(RETRY_MS_MAX, retryMs * 2)
    }
  }

  /** Looks at the entry from time to time, as long as there is something to return or to wait for. */
  function keepLooking(): void {
    if (timer !== undefined || isClosed) return
    // Who only waits looks when there may be room; who holds something looks more often.
    const waitMs = inFlight.size > 0 || spent.length > 0 ? 0 : askAt - clock.now()
    timer = clock.after(Math.max(SYNC_MS, waitMs), () => {
      timer = undefined
      if (isClosed) return
      const now = clock.now()
      if (now >= askAt) attempt(now)
      const isIdle = inFlight.size === 0 && core.waiting === 0 && failedAt === undefined && spent.length === 0
      if (!isIdle) keepLooking()
      if (core.waiting > 0) core.pump()
    })
    timer.hold(false)
  }

  // At the start, so that what cannot go together is said before anything is sent. A store that fails is asked again (L3).
  try {
    leases.update(key, (text) => {
      const state = entryOf(text)
      enter(state)
      return JSON.stringify(state)
    })
    isMember = true
  } catch (error) {
    if (PolityError.isInstance(error) && error.code === 'CONFIG_INVALID') throw error
  }

  return {
    get error() {
      if (failedAt !== undefined && PolityError.isInstance(failure) && failure.code === 'CONFIG_INVALID') return failure
      if (failedAt === undefined || clock.now() - failedAt < failMs) return undefined
      return new PolityError(
        'DRIVER_UNAVAILABLE',
        `the limits that ${core.id} shares with other kernels could not be reached for ${failMs} ms (${messageOf(failure)}); nothing is sent without them`,
        { cause: failure },
      )
    },
    roomAt(tokens, now) {
      waitedTokens = tokens
      if (fits(tokens) && (fresh || !contended)) return now
      // A call that finds nobody waiting does not wait itself yet.
      if (now >= askAt) attempt(now, Math.max(1, core.waiting))
      keepLooking()
      return fits(tokens) && (fresh || !contended) ? now : Math.max(now + 1, askAt)
    },
    granted(call, tokens, now) {
      const amount = tokensOf(tokens)
      inFlight.set(call, { at: now, tokens: amount, counted: false })
      free = [free[0] - 1, free[1] - 1, free[2] - amount]
      reserved += amount
      keepLooking()
    },
    sent(call, now) {
      const one = inFlight.get(call)
      if (one !== undefined && !one.counted) one.at = now
    },
    released(call, tokens, now) {
      const one = inFlight.get(call)
      if (one === undefined) return
      inFlight.delete(call)
      reserved -= one.tokens
      const took = core.tokensPerWindow === Infinity ? 0 : tokens
      if (took > 0 || !one.counted) spent.push([now, one.counted ? 0 : 1, took])
      free = [free[0] + 1, free[1], free[2] + Math.max(0, one.tokens - took)]
      fresh = false
      // What came back may be what was lacking, here or where another waits.
      if (failedAt === undefined) askAt = now
      keepLooking()
    },
    close() {
      if (isClosed) return
      isClosed = true
      timer?.cancel()
      const now = clock.now()
      for (const { tokens, counted } of inFlight.values()) spent.push([now, counted ? 0 : 1, tokens])
      inFlight.clear()
      reserved = 0
      attempt(now)
    },
  }
}

function addTo(room: Amounts, amounts: Amounts, times: 1 | -1): void {
  room[0] += times * amounts[0]
  room[1] += times * amounts[1]
  room[2] += times * amounts[2]
}

function entryOf(text: string | undefined): Entry {
  return text === undefined ? { windows: {}, claims: {}, used: [] } : (JSON.parse(text) as Entry)
}

function holderOf(claim: string): string {
  return claim.slice(0, claim.indexOf('/'))
}

function isWaiting({ need, at }: Claim, now: number): boolean {
  return need !== undefined && at + STALE_MS > now
}

/** The lease of a dead holder: its slots are free, and what it may have sent counts as sent now (L2). */
function takeBack(state: Entry, holder: string, now: number): void {
  const claim = state.claims[holder]
  if (claim === undefined) return
  delete state.claims[holder]
  if (claim.open[1] + claim.open[2] > 0) state.used.push([now, claim.open[1], claim.open[2]])
}

/** What was used within the window, in as many parts as are kept, none of them in the future of `now` by more than one. */
function merged(used: Entry['used'], now: number, windowMs: number): Entry['used'] {
  const partMs = windowMs / WINDOW_PARTS
  const parts = new Map<number, [number, number]>()
  for (const [at, requests, tokens] of used) {
    if (at <= now - windowMs) continue
    const part = Math.ceil(Math.min(at, now) / partMs) * partMs
    const sum = parts.get(part)
    if (sum === undefined) parts.set(part, [requests, tokens])
    else {
      sum[0] += requests
      sum[1] += tokens
    }
  }
  return [...parts]
    .map(([at, [requests, tokens]]): Entry['used'][number] => [at, requests, tokens])
    .toSorted((a, b) => a[0] - b[0])
}

/** Time of the use with whose end there is room for `need`; Infinity where that is not enough. */
function expiryFor(used: Entry['used'], room: Amounts, need: Amounts): number {
  let [requests, tokens] = [room[1], room[2]]
  for (const [at, usedRequests, usedTokens] of used) {
    requests += usedRequests
    tokens += usedTokens
    if (requests >= need[1] && tokens >= need[2]) return at
  }
  return Infinity
}
