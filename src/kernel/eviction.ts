/**
 * Eviction: which of the things in memory goes when there is no more room. Pure; it names keys and holds no values.
 *
 *     const policy = evictionOf('lru-2')({ capacity: 100 })
 *     policy.has(key) ? policy.hit(key) : (full && policy.evict(key), policy.add(key))
 *
 * `lru`: the one not used for the longest time.
 * `lru-2`: the one whose second last use is the longest ago (O'Neil, O'Neil, Weikum, The LRU-K Page Replacement Algorithm,
 *   1993), so that what is read once, as by a scan, goes before what is used again and again.
 * `lru-2-lists`: the approximation of AIOS's LRU-K replacer (commit c86f40f): two lists by last use, of those used less than
 *   twice, which go first, and of the others.
 * `2q`: a first-in first-out list for the new, whose leavers are remembered; who comes again joins a list by last use
 *   (Johnson, Shasha, 2Q, 1994).
 * `arc`: two lists by last use, of those used once and of those used again, whose shares follow what was missed (Megiddo, Modha,
 *   ARC: A Self-Tuning, Low Overhead Replacement Cache, 2003).
 *
 * Invariants
 *   EV1. `evict` names a key that is in, and takes it out; undefined when there is none.
 *   EV2. The same uses give the same evictions: there is no clock but the order of uses.
 *   EV3. What a policy remembers of keys that are out is bounded by its capacity.
 */

/** Who goes, by a policy. */
export interface Eviction<Key> {
  has(key: Key): boolean
  /** A key that is in was used. */
  hit(key: Key): void
  /** A key that is not in comes in, which is its first use. */
  add(key: Key): void
  /** A key leaves because its owner says so. */
  remove(key: Key): void
  /** Makes room for a key that is not in: call it before `add`. */
  evict(incoming: Key): Key | undefined
}

/** The policies by name. */
export type EvictionName = 'lru' | 'lru-2' | 'lru-2-lists' | '2q' | 'arc'

export interface EvictionOptions {
  /** Keys that are in when there is no room, about: shares and memories of a policy are parts of it. At least 1. */
  readonly capacity: number
}

/** A policy by its name. */
export function evictionOf(name: EvictionName): <Key>(options: EvictionOptions) => Eviction<Key> {
  switch (name) {
    case 'lru':
      return lru
    case 'lru-2':
      return (options) => lruK({ ...options, k: 2 })
    case 'lru-2-lists':
      return (options) => lruKLists({ ...options, k: 2 })
    case '2q':
      return twoQueues
    case 'arc':
      return arc
  }
}

/** By last use. */
export function lru<Key>(_options?: EvictionOptions): Eviction<Key> {
  const keys = ordered<Key>()
  return {
    has: keys.has,
    hit: keys.renew,
    add: keys.renew,
    remove: keys.remove,
    evict: keys.takeOldest,
  }
}

export interface LruKOptions extends EvictionOptions {
  /** Uses that count. At least 1; with 1 it is `lru`. @default 2 */
  readonly k?: number
  /** Keys that are out whose uses are still known, for each that is in. The paper's Retained Information Period. @default 4 */
  readonly remembered?: number
}

/** By the k-th last use; keys with fewer uses go first, the one not used for the longest time before the others. */
export function lruK<Key>({ capacity, k = 2, remembered = 4 }: LruKOptions): Eviction<Key> {
  /** The last k uses, the newest first. */
  const uses = new Map<Key, number[]>()
  /** Those that are in and have fewer than k uses. */
  const few = ordered<Key>()
  /** Those that are in and have k, by their k-th last use. Places that later uses have made void are passed over. */
  const many = new Map<Key, number>()
  let heap: (readonly [use: number, key: Key])[] = []
  /** Those that are out and still known, by their leaving. */
  const out = ordered<Key>()
  let time = 0

  function use(key: Key): void {
    const times = uses.get(key) ?? []
    times.unshift(++time)
    if (times.length > k) times.pop()
    uses.set(key, times)
    if (times.length < k) return few.renew(key)
    few.remove(key)
    const kth = times[k - 1] as number
    many.set(key, kth)
    push(heap, [kth, key])
    if (heap.length > many.size * 2 + 64) {
      heap = [...many].map(([key, kth]) => [kth, key] as const).sort((a, b) => a[0] - b[0])
    }
  }

  function oldest(): Key | undefined {
    const first = few.takeOldest()
    if (first !== undefined) return first
    for (let top = pop(heap); top !== undefined; top = pop(heap)) if (many.get(top[1]) === top[0]) return top[1]
    return undefined
  }

  return {
    has: (key) => few.has(key) || many.has(key),
    hit: use,
    add(key) {
      out.remove(key)
      use(key)
    },
    remove(key) {
      few.remove(key)
      many.delete(key)
      uses.delete(key)
    },
    evict() {
      const key = oldest()
      if (key === undefined) return undefined
      many.delete(key)
      out.renew(key)
      if (out.size() > capacity * remembered) uses.delete(out.takeOldest() as Key)
      return key
    },
  }
}

/** AIOS's approximation: nothing is known of keys that are out, and those with k uses go by their last one. */
export function lruKLists<Key>({ k = 2 }: LruKOptions): Eviction<Key> {
  const counts = new Map<Key, number>()
  const few = ordered<Key>()
  const many = ordered<Key>()

  function use(key: Key): void {
    const count = (counts.get(key) ?? 0) + 1
    counts.set(key, count)
    if (count < k) return few.renew(key)
    few.remove(key)
    many.renew(key)
  }

  return {
    has: (key) => counts.has(key),
    hit: use,
    add: use,
    remove(key) {
      counts.delete(key)
      few.remove(key)
      many.remove(key)
    },
    evict() {
      const key = few.takeOldest() ?? many.takeOldest()
      if (key !== undefined) counts.delete(key)
      return key
    },
  }
}

/** The shares that the paper found good: a quarter for the new, and as many remembered as are half of what is in. */
const NEW_PART = 0.25
const REMEMBERED_PART = 0.5

/** 2Q, the full version. */
export function twoQueues<Key>({ capacity }: EvictionOptions): Eviction<Key> {
  const fresh = ordered<Key>()
  const left = ordered<Key>()
  const main = ordered<Key>()
  const freshMax = Math.max(1, Math.floor(capacity * NEW_PART))
  const leftMax = Math.max(1, Math.floor(capacity * REMEMBERED_PART))

  return {
    has: (key) => fresh.has(key) || main.has(key),
    hit(key) {
      if (main.has(key)) main.renew(key) // a new one stays in its place: uses close to each other are one
    },
    add(key) {
      if (!left.has(key)) return fresh.renew(key)
      left.remove(key)
      main.renew(key)
    },
    remove(key) {
      fresh.remove(key)
      main.remove(key)
    },
    evict() {
      if (fresh.size() > freshMax || (main.size() === 0 && fresh.size() > 0)) {
        const key = fresh.takeOldest() as Key
        left.renew(key)
        if (left.size() > leftMax) left.takeOldest()
        return key
      }
      return main.takeOldest() ?? fresh.takeOldest()
    },
  }
}

/** ARC, as in figure 4 of the paper. */
export function arc<Key>({ capacity }: EvictionOptions): Eviction<Key> {
  const once = ordered<Key>()
  const again = ordered<Key>()
  const onceLeft = ordered<Key>()
  const againLeft = ordered<Key>()
  /** How many of those used once shall be in. */
  let target = 0

  function adapt(key: Key): void {
    if (onceLeft.has(key)) target = Math.min(capacity, target + Math.max(1, againLeft.size() / onceLeft.size()))
    else if (againLeft.has(key)) target = Math.max(0, target - Math.max(1, onceLeft.size() / againLeft.size()))
  }

  return {
    has: (key) => once.has(key) || again.has(key),
    hit(key) {
      once.remove(key)
      again.renew(key)
    },
    add(key) {
      const isKnown = onceLeft.has(key) || againLeft.has(key)
      onceLeft.remove(key)
      againLeft.remove(key)
      if (isKnown) again.renew(key)
      else once.renew(key)
    },
    remove(key) {
      once.remove(key)
      again.remove(key)
    },
    evict(incoming) {
      adapt(incoming)
      const isNew = !onceLeft.has(incoming) && !againLeft.has(incoming)
      // Case IV: what is remembered makes room first; where all of it is in, the oldest goes for good.
      if (isNew && once.size() + onceLeft.size() >= capacity) {
        if (onceLeft.size() === 0 && once.size() > 0) return once.takeOldest()
        onceLeft.takeOldest()
      } else if (isNew && once.size() + again.size() + onceLeft.size() + againLeft.size() >= 2 * capacity)
        againLeft.takeOldest()
      const isOnce =
        once.size() > 0 && (once.size() > target || (againLeft.has(incoming) && once.size() === Math.floor(target)))
      const [from, to] = isOnce || again.size() === 0 ? [once, onceLeft] : [again, againLeft]
      const key = from.takeOldest()
      if (key !== undefined) to.renew(key)
      return key
    },
  }
}

// ----------------------------------------------------------------------------------------------------------- orders

/** Keys in the order in which they were renewed last. */
function ordered<Key>() {
  const keys = new Set<Key>()
  return {
    has: (key: Key): boolean => keys.has(key),
    size: (): number => keys.size,
    renew(key: Key): void {
      keys.delete(key)
      keys.add(key)
    },
    remove: (key: Key): void => void keys.delete(key),
    takeOldest(): Key | undefined {
      const { value, done } = keys.values().next()
      if (done) return undefined
      keys.delete(value)
      return value
    },
  }
}

/** A binary heap with the smallest number on top. */
function push<Key>(heap: (readonly [number, Key])[], item: readonly [number, Key]): void {
  let at = heap.length
  heap.push(item)
  while (at > 0) {
    const parent = (at - 1) >> 1
    const above = heap[parent] as readonly [number, Key]
    if (above[0] <= item[0]) break
    heap[at] = above
    at = parent
  }
  heap[at] = item
}

function pop<Key>(heap: (readonly [number, Key])[]): readonly [number, Key] | undefined {
  const top = heap[0]
  const item = heap.pop()
  if (top === undefined || item === undefined || heap.length === 0) return top
  let at = 0
  for (;;) {
    let child = at * 2 + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && (heap[child + 1]?.[0] as number) < (heap[child]?.[0] as number)) child++
    const below = heap[child] as readonly [number, Key]
    if (below[0] >= item[0]) break
    heap[at] = below
    at = child
  }
  heap[at] = item
  return top
}
