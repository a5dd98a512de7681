/**
 * The journal: the one record of what happened, written in groups.
 *
 *     const journal = createJournal({ store, clock, limits, onCommit, onHalt })
 *     const seq = journal.append({ type: 'call-start', … })     // buffered; committed within this turn of the event loop
 *     journal.whenKept(() => …)                               // runs once everything appended so far is committed
 *
 * Durability, recovery, replay, fork, tracing and watching all read this one stream.
 *
 * Invariants
 *   J1. Events are committed in order of `seq`, whole batches, never two commits at once. What is kept is a prefix of
 *       what was appended.
 *   J2. Puts (notes, files) are in the batch of the event that reports them: neither is ever kept without the other.
 *   J3. A failed commit is tried again; when the tries are used up the kernel halts, and nothing after is ever kept.
 *   J4. What is kept is told in order of `seq`, also where somebody who is told makes the next commit.
 */
import type { Clock } from './clock.ts'
import type { Put, Store } from './drivers.ts'
import { PolityError, messageOf } from './errors.ts'
import type { Limits } from './limits.ts'
import type { JournalEvent, Pid } from './types.ts'

type Unsequenced<E> = E extends unknown ? Omit<E, 'seq' | 'at'> & { seq?: number; at?: number } : never
/** An event before the journal gives it its place and time; the object is taken over. */
export type NewEvent = Unsequenced<JournalEvent>

/** The end of the journal, where events are added. */
export interface Journal {
  append(event: NewEvent): JournalEvent
  /** Adds to the batch of the next event; call it just before that event's `append`. */
  put(put: Put): void
  /** Adds to what is written next; no event reports it, and no account pays for it. */
  putAlone(put: Put): void
  /** Calls back once everything appended so far is kept; with an error if that will never be. */
  whenKept(fn: (error?: PolityError) => void): void
  /** Commits what is buffered. */
  flush(): Promise<void>
  /** The same before it returns, up to the first commit that the store makes it wait for; that one and what follows it come as ever. */
  flushNow(): void
  /** Events of a process that are appended and not kept yet. */
  unkept(pid: Pid): readonly JournalEvent[]
  readonly lastSeq: number
  readonly halted: PolityError | undefined
}

/** Where the journal is kept, and who is told. */
export interface JournalOptions {
  readonly store: Store
  readonly clock: Clock
  readonly limits: Limits
  /** Hears of each event as it is appended, with what is put beside it. */
  readonly onAppend?: (event: JournalEvent, puts: readonly Put[]) => void
  readonly onCommit: (events: readonly JournalEvent[]) => void
  readonly onHalt: (error: PolityError) => void
}

interface Segment {
  events: JournalEvent[]
  puts: Put[]
  waiters: ((error?: PolityError) => void)[]
}

/** A journal that goes on where its store ends. */
export function createJournal({ store, clock, limits, onAppend, onCommit, onHalt }: JournalOptions): Journal {
  // The last segment is open; the others are full and wait. A put lies in the segment of the event after it (J2).
  let segments: Segment[] = [newSegment()]
  let seq = Math.max(0, store.lastSeq())
  let soon = false
  let later = false
  let committing = false
  let underWay: Segment | undefined
  let telling = false
  /** Kept, and not told of yet. */
  let untold: Segment[] = NONE
  let halted: PolityError | undefined
  /** Since the last event. */
  let puts: Put[] = NONE

  function open(): Segment {
    return segments[segments.length - 1] as Segment
  }

  /**
   * Somebody waits: commit once this round of deliveries is gathered. Nobody does: within this turn of the event loop.
   * Power-loss durability always gathers a whole turn, since it pays for a disk flush; so does a long queue of segments,
   * which must not keep timers and sockets waiting.
   */
  function schedule(urgent: boolean): void {
    if (committing || halted) return
    if (urgent && store.durability === 'relaxed' && segments.length === 1) {
      if (soon) return
      soon = true
      clock.soon(commitSoon)
    } else if (!later) {
      later = true
      clock.yield(commitLater)
    }
  }

  function commitSoon(): void {
    soon = false
    commit()
  }

  function commitLater(): void {
    later = false
    commit()
  }

  function commit(): void {
    if (committing || halted) return
    const segment = segments[0] as Segment
    if (isEmpty(segment)) return
    if (segments.length === 1) segments = [newSegment()]
    else segments.shift()
    committing = true
    underWay = segment
    attempt(segment, 1)
  }

  function attempt(segment: Segment, tries: number): void {
    let kept: void | Promise<void>
    try {
      kept = store.commit(segment)
    } catch (error) {
      return failed(segment, tries, error)
    }
    if (kept === undefined) return succeeded(segment)
    kept.then(
      () => succeeded(segment),
      (error: unknown) => failed(segment, tries, error),
    )
  }

  function succeeded(segment: Segment): void {
    committing = false
    underWay = undefined
    untold = added(untold, segment)
    if (telling) return
    telling = true
    let thrown: Thrown
    for (let kept = untold.shift(); kept !== undefined; kept = untold.shift()) {
      try {
        onCommit(kept.events)
      } catch (error) {
        thrown ??= { error }
      }
      const ofWaiters = callAll(kept.waiters)
      thrown ??= ofWaiters
    }
    telling = false
    const next = segments[0] as Segment
    if (!isEmpty(next)) schedule(next.waiters.length > 0)
    if (thrown !== undefined) throw thrown.error
  }

  function failed(segment: Segment, tries: number, error: unknown): void {
    if (tries < limits.commitTriesMax) {
      clock.after(limits.commitRetryMs, () => attempt(segment, tries + 1))
      return
    }
    committing = false
    halted = new PolityError('STORE_FAILED', `the journal could not be written: ${messageOf(error)}`, { cause: error })
    const waiters = [segment, ...segments].flatMap((one) => one.waiters)
    segments = [newSegment()]
    onHalt(halted)
    const thrown = callAll(waiters, halted)
    if (thrown !== undefined) throw thrown.error
  }

  /** A new segment; what was put since the last event belongs to the next one, and goes with it. */
  function openNext(): void {
    const full = open()
    const next = newSegment()
    segments.push(next)
    if (puts.length === 0) return
    next.puts = full.puts.filter((put) => puts.includes(put))
    full.puts = full.puts.filter((put) => !puts.includes(put))
  }

  function putAlone(put: Put): void {
    if (halted) return
    const segment = open()
    segment.puts = added(segment.puts, put)
    schedule(false)
  }

  function flushNow(): void {
    for (let left = segments.length; left > 0 && !committing; left--) commit()
  }

  function whenKept(fn: (error?: PolityError) => void): void {
    if (halted) return fn(halted)
    const segment = open()
    if (!committing && segments.length === 1 && segment.events.length === 0 && segment.puts.length === 0) return fn()
    segment.waiters = added(segment.waiters, fn)
    if (store.durability === 'memory') flushNow()
    else schedule(true)
  }

  return {
    append(event) {
      const placed = event as JournalEvent & { seq: number; at: number }
      placed.seq = ++seq
      placed.at = clock.now()
      if (halted) return placed
      // Only the start of a call opens a new segment: what belongs together (a write and its end, a child and the end of
      // its spawn) is appended in one go and always shares one.
      if (placed.type === 'call-start' && open().events.length >= limits.commitEventsMax) openNext()
      const segment = open()
      segment.events = added(segment.events, placed)
      onAppend?.(placed, puts)
      puts = NONE
      schedule(false)
      return placed
    },
    put(put) {
      if (halted) return
      putAlone(put)
      puts = added(puts, put)
    },
    putAlone,
    whenKept,
    flushNow,
    flush: () => new Promise((resolve, reject) => whenKept((error) => (error ? reject(error) : resolve()))),
    unkept: (pid) =>
      [...(underWay === undefined ? [] : [underWay]), ...segments].flatMap(({ events }) =>
        events.filter((event) => event.pid === pid),
      ),
    get lastSeq() {
      return seq
    },
    get halted() {
      return halted
    },
  }
}

/** Shared by all that have none. Frozen, so that nobody changes it by mistake. */
const NONE = Object.freeze([]) as unknown as never[]

/** A list with one more. Most have one, in memory; a list made with it takes a third of what one takes that grows. */
function added<T>(list: T[], one: T): T[] {
  if (list.length === 0) return [one]
  list.push(one)
  return list
}

type Thrown = { readonly error: unknown } | undefined

/** One who throws keeps nothing from the others; the first error is for when all have been told. */
function callAll(waiters: Segment['waiters'], given?: PolityError): Thrown {
  let thrown: Thrown
  for (const fn of waiters) {
    try {
      fn(given)
    } catch (error) {
      thrown ??= { error }
    }
  }
  return thrown
}

function isEmpty({ events, puts, waiters }: Segment): boolean {
  return events.length === 0 && puts.length === 0 && waiters.length === 0
}

function newSegment(): Segment {
  return { events: NONE, puts: NONE, waiters: NONE }
}
