/**
 * The dispatcher: gives processes their turns on the one thread there is.
 *
 * A process that has something to learn (it starts, or a call of it ended) is woken and stands in a queue. In each round
 * every waiting process learns one thing; then all continuations run to their end; then comes the next round.
 *
 * Invariants
 *   D1. A process learns one thing at a time, and only when it has nothing left to do: the order of its calls is a
 *       function of what it learned, so a replay can repeat it (promise 5).
 *   D2. Rounds do not run longer than `sliceMs` in a row without a turn of the event loop: no crowd of agents starves
 *       timers, sockets or signals.
 */
import type { Clock } from './clock.ts'
import type { Limits } from './limits.ts'

/** What can stand in the queue. `queued` is the dispatcher's own mark. */
export interface Dispatchable {
  queued: boolean
  /** Learns one thing; returns whether more waits. */
  learn(): boolean
}

/** The queue of those that have something to learn. */
export interface Dispatcher {
  wake(process: Dispatchable): void
  /** Processes that wait for their turn. */
  readonly length: number
}

/** A dispatcher on a clock. */
export function createDispatcher(clock: Clock, limits: Limits): Dispatcher {
  let queue: Dispatchable[] = []
  let head = 0
  let scheduled = false
  let turnMarked = false
  let sliceEndsAt = 0

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    if (turnMarked && clock.now() >= sliceEndsAt) clock.yield(round)
    else clock.soon(round)
  }

  function newTurn(): void {
    turnMarked = false
  }

  function round(): void {
    scheduled = false
    if (!turnMarked) {
      // The first round of this turn of the event loop; the mark falls when the loop has gone round.
      turnMarked = true
      sliceEndsAt = clock.now() + limits.sliceMs
      clock.yield(newTurn)
    }
    // Who is woken during this round stands behind its end and learns in the next.
    const end = Math.min(queue.length, head + limits.roundDeliveriesMax)
    while (head < end) {
      const process = queue[head++] as Dispatchable
      process.queued = false
      if (process.learn() && !process.queued) {
        process.queued = true
        queue.push(process)
      }
    }
    if (head === queue.length) {
      queue.length = 0
      head = 0
    } else if (head > COMPACT_AT && head * 2 > queue.length) {
      queue = queue.slice(head)
      head = 0
    }
    if (head < queue.length) schedule()
  }

  return {
    wake(process) {
      if (process.queued) return
      process.queued = true
      queue.push(process)
      schedule()
    },
    get length() {
      return queue.length - head
    },
  }
}

/** Served places at the head of the queue that are kept before the array is cut. */
const COMPACT_AT = 1_024
