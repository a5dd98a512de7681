/**
 * A tier: what is used most, in memory under a byte limit, in front of where all of it is kept.
 *
 *     const tier = createTier<string, Note>({ bytesMax: 16 * 2 ** 20 })
 *     const note = tier.get(key) ?? tier.set(key, read(key), bytes)
 *
 * It remembers, and nothing more: whoever fills it knows what is true, and tells it what changed.
 *
 * Invariants
 *   TI1. The values that are in are together no larger than `bytesMax`, by the sizes that they were set with or have been
 *        resized to. One that is larger alone is not kept.
 *   TI2. A value that leaves, or is replaced, is told to `onLeave` once.
 */
import { evictionOf, type EvictionName } from './eviction.ts'

export interface TierOptions<Key, Value> {
  /** Bytes of all values together. */
  readonly bytesMax: number
  /** Who goes when there is no room. @default 'lru-2' */
  readonly eviction?: EvictionName
  /** Values that fit in, about; a policy's memory of those that are out is measured by it. @default 1,024 */
  readonly capacity?: number
  readonly onLeave?: (value: Value, key: Key) => void
}

/** Values in memory, by key. */
export interface Tier<Key, Value> {
  /** Counts as a use. */
  get(key: Key): Value | undefined
  /** Counts as a use; returns the value, kept or not. */
  set(key: Key, value: Value, bytes: number): Value
  /** A value that is in has grown or shrunk, which is no use of it: others leave for it, or it leaves itself. */
  resize(key: Key, bytes: number): void
  delete(key: Key): void
  readonly bytes: number
  /** Values that are in. */
  readonly size: number
}

/** An empty one. */
export function createTier<Key, Value>(options: TierOptions<Key, Value>): Tier<Key, Value> {
  const { bytesMax, eviction = 'lru-2', capacity = 1_024, onLeave } = options
  const policy = evictionOf(eviction)<Key>({ capacity })
  const values = new Map<Key, { readonly value: Value; readonly bytes: number }>()
  let used = 0

  function leave(key: Key): void {
    const held = values.get(key)
    if (held === undefined) return
    values.delete(key)
    used -= held.bytes
    onLeave?.(held.value, key)
  }

  function makeRoom(bytes: number, key: Key): void {
    while (used + bytes > bytesMax) {
      const victim = policy.evict(key)
      if (victim === undefined) return
      leave(victim) // nothing, when it is the key itself, which is set anew
    }
  }

  return {
    get(key) {
      const held = values.get(key)
      if (held === undefined) return undefined
      policy.hit(key)
      return held.value
    },
    set(key, value, bytes) {
      const before = values.get(key)
      if (before !== undefined) {
        values.delete(key)
        used -= before.bytes
        if (before.value !== value) onLeave?.(before.value, key)
      }
      if (bytes > bytesMax) {
        policy.remove(key)
        return value
      }
      if (before !== undefined) policy.hit(key)
      makeRoom(bytes, key)
      if (!policy.has(key)) policy.add(key)
      values.set(key, { value, bytes })
      used += bytes
      return value
    },
    resize(key, bytes) {
      const held = values.get(key)
      if (held === undefined) return
      values.set(key, { value: held.value, bytes })
      used += bytes - held.bytes
      if (bytes <= bytesMax) return makeRoom(0, key)
      policy.remove(key)
      leave(key)
    },
    delete(key) {
      policy.remove(key)
      leave(key)
    },
    get bytes() {
      return used
    },
    get size() {
      return values.size
    },
  }
}
