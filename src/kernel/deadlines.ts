/**
 * Deadlines: time limits that are almost never reached, for every model call and tool call.
 *
 * A platform timer costs about a microsecond to set and clear. Limits come in a few lengths only, so the calls of one length
 * stand in a list in the order of their ends, and one timer watches the first. Setting and clearing are two pointers each.
 *
 *     const deadline = deadlines.set(limits.generateMs, { late: () => … })
 *     deadline.cancel()
 */
import type { Clock, Timer } from './clock.ts'

/** Time limits that are almost never reached. */
export interface Deadlines {
  /** Calls `late` once after `ms`, to within a millisecond. */
  set(ms: number, waiter: Late): Timer
}

/** What a time limit is for. An object and not a function: a model call sets two, and is one object already. */
export interface Late {
  late(): void
}

class Entry implements Timer {
  at: number
  waiter: Late | undefined
  before: Entry
  after: Entry
  readonly #lane: Lane | undefined

  constructor(at: number, waiter: Late | undefined, lane: Lane | undefined) {
    this.at = at
    this.waiter = waiter
    this.before = this
    this.after = this
    this.#lane = lane
  }

  cancel(): void {
    if (this.waiter === undefined) return
    this.waiter = undefined
    this.before.after = this.after
    this.after.before = this.before
    // The timer of an empty lane runs on, so that the next call need not set one, but keeps nobody waiting.
    if (this.before === this.after) this.#lane?.timer?.hold(false)
  }

  hold(): void {}
}

interface Lane {
  /** Ring: its `after` is the next to end. */
  readonly ring: Entry
  timer: Timer | undefined
}

/** Deadlines on a clock: a timer a length, not one a limit. */
export function createDeadlines(clock: Clock): Deadlines {
  const lanes = new Map<number, Lane>()

  function watch(ms: number, lane: Lane): void {
    const first = lane.ring.after
    if (first === lane.ring) {
      lane.timer = undefined
      // A length that nobody uses any more: programs may choose their own.
      if (lanes.size > LANES_MAX) lanes.delete(ms)
      return
    }
    lane.timer = clock.after(Math.max(0, first.at - clock.now()), () => {
      const now = clock.now()
      for (let entry = lane.ring.after; entry !== lane.ring && entry.at <= now; entry = lane.ring.after) {
        const { waiter } = entry
        entry.cancel()
        waiter?.late()
      }
      watch(ms, lane)
    })
  }

  return {
    set(ms, waiter) {
      let lane = lanes.get(ms)
      if (lane === undefined) {
        lane = { ring: new Entry(Infinity, undefined, undefined), timer: undefined }
        lanes.set(ms, lane)
      }
      const { ring } = lane
      const entry = new Entry(clock.now() + ms, waiter, lane)
      entry.before = ring.before
      entry.after = ring
      ring.before.after = entry
      ring.before = entry
      if (lane.timer === undefined) watch(ms, lane)
      else if (entry.before === ring) lane.timer.hold(true)
      return entry
    },
  }
}

/** Lengths remembered while unused. */
const LANES_MAX = 64
