/**
 * The dispatcher: gives processes their turns on the one thread there is.
 *
 * A process that has something to learn (it starts, or a call of it ended) is woken. In each round every woken process
 * learns one thing; then all continuations run to their end; then comes the next round. Where a round has not room for all,
 * those go first who were woken since the last one began: in a crowd a process goes through with its step before the next
 * ones begin theirs, so that not all of them hold at once what a step makes on its way.
 *
 * Invariants
 *   D1. A process learns one thing at a time, and only when it has nothing left to do: the order of its calls is a
 *       function of what it learned, so a replay can repeat it (promise 5).
 *   D2. Rounds do not run longer than `sliceMs` in a row without a turn of the event loop: no crowd of agents starves
 *       timers, sockets or signals.
 *   D3. Nobody waits for ever: a part of each round is for those whom earlier ones had no room for, the first of them first.
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
  /** Woken since the last round began. */
  let woken: Dispatchable[] = []
  /** Those whom a round had no room for, from `head` on. */
  let waiting: (Dispatchable | undefined)[] = []
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
    // Who is woken during this round learns in the next.
    const going = woken
    woken = []
    const { roundDeliveriesMax: places } = limits
    const room = Math.min(going.length, places - Math.min(waiting.length - head, Math.ceil(places * WAITING_SHARE)))
    let served = 0
    try {
      while (served < room) deliver(going[served++] as Dispatchable)
    } finally {
      for (let i = served; i < going.length; i++) waiting.push(going[i])
    }
    const end = Math.min(waiting.length, head + places - served)
    while (head < end) {
      const process = waiting[head] as Dispatchable
      // Who had its turn is let go at once: this may be all that holds an answer.
      waiting[head++] = undefined
      deliver(process)
    }
    if (head === waiting.length) {
      waiting.length = 0
      head = 0
    } else if (head > COMPACT_AT && head * 2 > waiting.length) {
      waiting = waiting.slice(head)
      head = 0
    }
    if (woken.length > 0 || head < waiting.length) schedule()
  }

  function deliver(process: Dispatchable): void {
    process.queued = false
    if (process.learn() && !process.queued) {
      process.queued = true
      woken.push(process)
    }
  }

  return {
    wake(process) {
      if (process.queued) return
      process.queued = true
      woken.push(process)
      schedule()
    },
    get length() {
      return woken.length + waiting.length - head
    },
  }
}

/** Served places at the head of those who wait that are kept before the array is cut. */
const COMPACT_AT = 1_024
/** Of each round's places, those for who waits: a step takes three or four rounds, so a crowd's next ones begin in time. */
const WAITING_SHARE = 1 / 8
