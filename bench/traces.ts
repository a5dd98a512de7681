/**
 * Traces of uses for eviction policies, and how often a cache that follows one has what is used.
 *
 *     hitRate('lru-2', scanTrace(1), 40)
 *     belady(scanTrace(1), 40)             // the best there can be: it knows what comes (Belady 1966)
 */
import { evictionOf, type EvictionName } from '../src/kernel/eviction.ts'
import { randomAt } from '../src/kernel/clock.ts'

export type Trace = readonly number[]

/** Of all uses, the share that the cache had. */
export function hitRate(name: EvictionName, trace: Trace, capacity: number): number {
  const policy = evictionOf(name)<number>({ capacity })
  let hits = 0
  let held = 0
  for (const key of trace) {
    if (policy.has(key)) {
      hits++
      policy.hit(key)
      continue
    }
    if (held === capacity) {
      policy.evict(key)
      held--
    }
    policy.add(key)
    held++
  }
  return hits / trace.length
}

/** The same of a cache that evicts what is used again last. */
export function belady(trace: Trace, capacity: number): number {
  const nextOf: number[] = []
  const seen = new Map<number, number>()
  for (let i = trace.length - 1; i >= 0; i--) {
    nextOf[i] = seen.get(trace[i] as number) ?? Infinity
    seen.set(trace[i] as number, i)
  }
  const held = new Map<number, number>()
  let hits = 0
  for (const [i, key] of trace.entries()) {
    if (held.has(key)) hits++
    else if (held.size === capacity) {
      let last: number | undefined
      for (const [one, next] of held) if (last === undefined || next > (held.get(last) as number)) last = one
      held.delete(last as number)
    }
    held.set(key, nextOf[i] as number)
  }
  return hits / trace.length
}

const USES = 10_000

/** Half of the uses are of 40 keys, the others of 2,000 that are hardly used again: bar M5 of our reference. */
export function scanTrace(seed: number): Trace {
  return Array.from({ length: USES }, (_, i) =>
    randomAt(seed, i, 0) < 0.5 ? Math.floor(randomAt(seed, i, 1) * 40) : 40 + Math.floor(randomAt(seed, i, 1) * 2_000),
  )
}

/** 1,000 keys with Zipf's law (s = 1). */
export function zipfTrace(seed: number): Trace {
  return Array.from({ length: USES }, (_, i) => Math.floor(1_000 ** randomAt(seed, i, 2)) - 1)
}

/** 60 keys, round and round. */
export function loopTrace(): Trace {
  return Array.from({ length: USES }, (_, i) => i % 60)
}

/** 40 keys with Zipf's law, others every 1,000 uses. */
export function shiftingTrace(seed: number): Trace {
  return Array.from({ length: USES }, (_, i) => Math.floor(i / 1_000) * 40 + Math.floor(40 ** randomAt(seed, i, 3)) - 1)
}

/** Runs of 5 neighbours, from places with Zipf's law, among scans of 200: what reads notes and their neighbours does. */
export function sessionTrace(seed: number): Trace {
  const trace: number[] = []
  for (let n = 0; trace.length < USES; n++) {
    const isScan = randomAt(seed, n, 4) < 0.02
    const start = isScan
      ? 10_000 + Math.floor(randomAt(seed, n, 5) * 100_000)
      : Math.floor(500 ** randomAt(seed, n, 5)) * 5
    for (let i = 0; i < (isScan ? 200 : 5); i++) trace.push(start + i)
  }
  return trace.slice(0, USES)
}
