/**
 * The time of the machine, which a test can set ahead: what is told after ten seconds need not be waited for. Timers that
 * wait are not hurried.
 *
 *     const clock = clockAhead()
 *     clock.setAhead(12_000)
 */
import type { Clock } from '../src/kernel/clock.ts'
import { realClock } from '../src/kernel/clock.ts'

export interface ClockAhead extends Clock {
  /** By so much more than before. */
  setAhead(ms: number): void
}

export function clockAhead(): ClockAhead {
  const clock = realClock()
  let aheadMs = 0
  return { ...clock, now: () => clock.now() + aheadMs, setAhead: (ms) => void (aheadMs += ms) }
}
