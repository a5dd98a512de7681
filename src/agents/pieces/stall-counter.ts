/**
 * When a loop has stalled: steps that led nowhere are counted up, steps that led on are counted down.
 *
 *     const stalls = stallCounter({ stallsMax: 3 })
 *     stalls.note(false), stalls.note(false), stalls.note(false)        // false, false, true: it has stalled
 *
 * As Magentic-One counts (Fourney et al. 2024, "Magentic-One: a generalist multi-agent system for solving complex tasks"): a bad
 * step is one up, a good one is one down. Its paper begins at 0 again with a new plan; its release does not, so that one more bad
 * step stalls at once (`resets: false`). `relief: 'all'` counts bad steps in a row, as Mobile-Agent-E does.
 *
 * Invariant
 *   SC1. The count is never below 0, and never above `stallsMax`.
 */
import { PolityError } from '../../kernel/errors.ts'

export interface StallOptions {
  /** Bad steps, less good ones, that are a stall. Minimum 1. @default 3, as in Magentic-One */
  readonly stallsMax?: number
  /** What a good step takes off: one, or all. @default 'one' */
  readonly relief?: 'one' | 'all'
  /** Whether the count is 0 again after a stall. @default true */
  readonly resets?: boolean
}

export interface StallCounter {
  /** Takes in whether a step led on; true where it has stalled with it. */
  note(isProgress: boolean): boolean
  readonly count: number
}

export function stallCounter({ stallsMax = 3, relief = 'one', resets = true }: StallOptions = {}): StallCounter {
  if (!(stallsMax >= 1))
    throw new PolityError('INVALID_ARGUMENT', `stallsMax takes a number from 1 on, not ${stallsMax}`)
  let count = 0
  return {
    get count() {
      return count
    },
    note(isProgress) {
      count = isProgress ? (relief === 'all' ? 0 : Math.max(0, count - 1)) : Math.min(stallsMax, count + 1)
      const isStalled = !isProgress && count >= stallsMax
      if (isStalled && resets) count = 0
      return isStalled
    },
  }
}

/** How many of the last ones are the same as the very last: 1 where the one before differs, 0 of none. */
export function inARow(keys: readonly string[]): number {
  const last = keys.at(-1)
  const other = keys.findLastIndex((key) => key !== last)
  return keys.length - 1 - other
}
