/**
 * Time, randomness and turns of the event loop: the only source of all three.
 *
 * `realClock()` is the machine's; `simulatedClock({ seed })` jumps from timer to timer without waiting, so that hours of
 * a kernel's life run in milliseconds and the same seed gives the same run.
 *
 * Invariants
 *   C1. `now()` never goes back while a kernel lives, whatever the wall clock does.
 *   C2. `soon(fn)` runs `fn` when every promise continuation that can run has run. Replay stands on this: an end is
 *       delivered only when the program has nothing left to do (see process.ts).
 *   C3. In simulated time nothing waits: time moves only when no continuation is left.
 */
import { heap } from './heap.ts'

/** Something that was set and has not happened yet. */
export interface Timer {
  cancel(): void
  /** Whether the operating-system process stays alive for it. @default true */
  hold(on: boolean): void
}

/** Where all time and randomness of a kernel come from. */
export interface Clock {
  readonly seed: number
  /** Milliseconds since 1970, with microseconds as decimals. */
  now(): number
  /** Calls `fn` once after at least `ms`. */
  after(ms: number, fn: () => void): Timer
  /** Calls `fn` once no promise continuation is left to run, before timers and I/O. */
  soon(fn: () => void): void
  /** Calls `fn` after timers and I/O had their turn. */
  yield(fn: () => void): void
}

/** Longest delay that the platform's timers take, ms. */
const TIMER_MS_MAX = 2_147_483_647

/** The time of the machine, with a random seed unless one is given. */
export function realClock(options: { seed?: number } = {}): Clock {
  const origin = performance.timeOrigin
  return {
    seed: options.seed ?? Math.floor(Math.random() * 2 ** 32),
    now: () => Math.round((origin + performance.now()) * 1000) / 1000,
    after(ms, fn) {
      if (ms <= TIMER_MS_MAX) {
        const timer = setTimeout(fn, ms)
        return { cancel: () => clearTimeout(timer), hold: (on) => void (on ? timer.ref() : timer.unref()) }
      }
      let inner = this.after(TIMER_MS_MAX, () => {
        inner = this.after(ms - TIMER_MS_MAX, fn)
      })
      return { cancel: () => inner.cancel(), hold: (on) => inner.hold(on) }
    },
    soon,
    yield: (fn) => void setImmediate(fn),
  }
}

// A tick scheduled from inside a continuation runs once the queue of continuations is empty; one scheduled from a timer
// or another tick would run before it. Hence the detour through a continuation.
function soon(fn: () => void): void {
  queueMicrotask(() => process.nextTick(fn))
}

/** A clock that stands still until nothing else can happen. */
export interface SimulatedClock extends Clock {
  /** Moves time forward without running timers in between, as a suspended machine does. Negative values are ignored (C1). */
  jump(ms: number): void
  /** Timers that wait. */
  readonly pending: number
}

/** How simulated time goes. */
export interface SimulatedClockOptions {
  readonly seed?: number
  readonly startMs?: number
  /** What time stands still for, asked before each timer: a store that writes in another thread. @default nothing */
  readonly waitsFor?: () => Promise<unknown> | undefined
}

/** Time for tests and simulations: it jumps from timer to timer, the same for the same seed. */
export function simulatedClock(options: SimulatedClockOptions = {}): SimulatedClock {
  const timers = heap<{ at: number; order: number; fn: (() => void) | undefined }>(
    (a, b) => a.at - b.at || a.order - b.order,
  )
  let now = options.startMs ?? 1_700_000_000_000
  let order = 0
  let scheduled = false
  function schedule(): void {
    if (scheduled) return
    scheduled = true
    setImmediate(step)
  }
  function step(): void {
    const waitsFor = options.waitsFor?.()
    if (waitsFor !== undefined) {
      const goOn = (): void => void setImmediate(step)
      waitsFor.then(goOn, goOn)
      return
    }
    scheduled = false
    for (let timer = timers.pop(); timer !== undefined; timer = timers.pop()) {
      if (timer.fn === undefined) continue
      now = Math.max(now, timer.at)
      const fn = timer.fn
      timer.fn = undefined
      schedule()
      fn()
      return
    }
  }
  return {
    seed: options.seed ?? 1,
    now: () => now,
    after(ms, fn) {
      const timer = { at: now + Math.max(0, ms), order: order++, fn: fn as (() => void) | undefined }
      timers.push(timer)
      schedule()
      return { cancel: () => void (timer.fn = undefined), hold: () => {} }
    },
    soon,
    yield: soon,
    jump: (ms) => void (now += Math.max(0, ms)),
    get pending() {
      return timers.size
    },
  }
}

/**
 * The `index`-th random number in [0, 1) of a stream. Counter-based: no state, so that a replayed or forked process draws
 * what the original drew. Mixing function: splitmix32 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
 * generators", 32-bit variant), applied once per word.
 */
export function randomAt(seed: number, stream: number, index: number): number {
  let h = mix((seed | 0) + 0x9e3779b9)
  h = mix(h ^ (stream | 0))
  h = mix((h + Math.imul(index | 0, 0x9e3779b9)) | 0)
  const high = h >>> 5
  const low = mix(h ^ 0x85ebca6b) >>> 6
  return (high * 67_108_864 + low) / 9_007_199_254_740_992
}

function mix(value: number): number {
  let z = value | 0
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
  return z ^ (z >>> 15)
}
