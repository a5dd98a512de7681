/**
 * Time of a world: it stands still until somebody steps it, and each life of the kernel has a view of its own that dies with it.
 *
 *     const time = createTime(seed)
 *     const life = time.live()          // a clock for one kernel
 *     while (await time.step()) check()   // one timer, and everything that follows from it
 *     life.alive = false                // nothing is delivered to that kernel any more
 */
import type { Clock } from '../../src/kernel/clock.ts'
import { heap } from '../../src/kernel/heap.ts'

export interface Life {
  alive: boolean
  readonly number: number
  readonly clock: Clock
}

export interface Time {
  now(): number
  /** A timer of the world itself: no crash takes it. */
  after(ms: number, fn: () => void): void
  /** Runs the next timer, then every continuation; false when there is none. */
  step(): Promise<boolean>
  /** Lets every continuation run. */
  drain(): Promise<void>
  jump(ms: number): void
  live(): Life
}

interface Entry {
  readonly at: number
  readonly order: number
  fn: (() => void) | undefined
}

export function createTime(seed: number, yieldToTimers: boolean): Time {
  const timers = heap<Entry>((a, b) => a.at - b.at || a.order - b.order)
  let now = 1_700_000_000_000
  let order = 0
  let lives = 0

  function add(ms: number, fn: () => void): Entry {
    const entry: Entry = { at: now + Math.max(0, ms), order: order++, fn }
    timers.push(entry)
    return entry
  }

  function drain(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }

  return {
    now: () => now,
    after: (ms, fn) => void add(ms, fn),
    drain,
    jump: (ms) => void (now += ms),
    async step() {
      for (let entry = timers.pop(); entry !== undefined; entry = timers.pop()) {
        const { fn } = entry
        if (fn === undefined) continue
        entry.fn = undefined
        now = Math.max(now, entry.at)
        fn()
        await drain()
        return true
      }
      return false
    },
    live() {
      const life: Life = {
        alive: true,
        number: lives++,
        clock: {
          seed,
          now: () => now,
          after(ms, fn) {
            const entry = add(ms, () => life.alive && fn())
            return { cancel: () => void (entry.fn = undefined), hold: () => {} }
          },
          soon,
          yield: (fn) => (yieldToTimers ? void add(0, () => life.alive && fn()) : soon(fn)),
        },
      }
      function soon(fn: () => void): void {
        queueMicrotask(() => process.nextTick(() => life.alive && fn()))
      }
      return life
    },
  }
}
