/**
 * A map that can be read in the order of its keys' UTF-8 bytes: the tables of the store in memory.
 *
 * Writing costs a hash lookup; the order is brought up to date by the next `range`. Removed keys stay in the order until
 * they are half of it.
 */
import { compareKeys } from '../../kernel/lists.ts'
import type { RangeOptions, Value } from './entries.ts'

/** A map that can be read in the order of its keys. */
export interface SortedMap {
  get(key: string): Value | undefined
  set(key: string, value: Value): void
  delete(key: string): void
  /** The entries with `from <= key < to` as they are now. */
  range(from: string, to: string, options?: RangeOptions): (readonly [key: string, value: Value])[]
}

/** More new keys than this are sorted together; fewer are put in their places one by one. */
const INSERTS_MAX = 16

/** An empty one. */
export function sortedMap(): SortedMap {
  /** `undefined` for a removed key that `order` still holds. */
  const values = new Map<string, Value | undefined>()
  let order: string[] = []
  let fresh: string[] = []
  let removed = 0

  function settle(): void {
    if (removed > 16 && removed * 2 > values.size) {
      for (const [key, value] of values) if (value === undefined) values.delete(key)
      order = order.filter((key) => values.has(key))
      fresh = fresh.filter((key) => values.has(key))
      removed = 0
    }
    if (fresh.length > INSERTS_MAX) order = merged(fresh.sort(compareKeys))
    else for (const key of fresh) order.splice(placeOf(key), 0, key)
    fresh = []
  }

  /** The order with these, which are in order: keys are compared only to find the places of the new ones. */
  function merged(keys: readonly string[]): string[] {
    const all: string[] = []
    let from = 0
    for (const key of keys) {
      for (const end = placeOf(key); from < end; from++) all.push(order[from] as string)
      all.push(key)
    }
    for (; from < order.length; from++) all.push(order[from] as string)
    return all
  }

  /** Index of the first key that is not below `key`. */
  function placeOf(key: string): number {
    let low = 0
    for (let high = order.length; low < high;) {
      const middle = (low + high) >>> 1
      if (compareKeys(order[middle] as string, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  return {
    get: (key) => values.get(key),
    set(key, value) {
      if (values.get(key) === undefined) {
        if (values.has(key)) removed--
        else fresh.push(key)
      }
      values.set(key, value)
    },
    delete(key) {
      if (values.get(key) === undefined) return
      values.set(key, undefined)
      removed++
    },
    range(from, to, { limit = Infinity, reverse = false } = {}) {
      settle()
      const found: (readonly [string, Value])[] = []
      const first = placeOf(from)
      const end = placeOf(to)
      for (let i = 0; i < end - first && found.length < limit; i++) {
        const key = order[reverse ? end - 1 - i : first + i] as string
        const value = values.get(key)
        if (value !== undefined) found.push([key, value])
      }
      return found
    },
  }
}
