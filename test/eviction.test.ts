/**
 * Eviction: each policy against what its paper says, on small traces by hand and on random ones by a plain reading; and the
 * tier that uses them.
 *
 *   POLITY_SEED=7 …   from that seed
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { belady, hitRate, scanTrace } from '../bench/traces.ts'
import { evictionOf, lru, lruK, lruKLists, type Eviction, type EvictionName } from '../src/kernel/eviction.ts'
import { createTier } from '../src/kernel/tier.ts'

const seed = Number(process.env['POLITY_SEED'] ?? Date.now() % 2 ** 31)
const names: readonly EvictionName[] = ['lru', 'lru-2', 'lru-2-lists', '2q', 'arc']

/** What is in after the uses, and what went, in order. */
function run(policy: Eviction<number>, capacity: number, uses: readonly number[]): { gone: number[]; in: number[] } {
  const gone: number[] = []
  let held = 0
  for (const key of uses) {
    if (policy.has(key)) {
      policy.hit(key)
      continue
    }
    if (held === capacity) {
      gone.push(policy.evict(key) as number)
      held--
    }
    policy.add(key)
    held++
  }
  return { gone, in: [...new Set(uses)].filter((key) => policy.has(key)).toSorted((a, b) => a - b) }
}

test('LRU-K evicts by the k-th last use; AIOS’s lists, by the last one', () => {
  // Both were used twice; the second last use of 1 is the older one.
  assert.deepEqual(run(lruK({ capacity: 2, k: 2 }), 2, [1, 2, 2, 1, 3]).gone, [1])
  assert.deepEqual(run(lruKLists({ capacity: 2, k: 2 }), 2, [1, 2, 2, 1, 3]).gone, [2])
  // What was used once goes before what was used twice, however long ago.
  for (const policy of [lruK, lruKLists])
    assert.deepEqual(run(policy({ capacity: 3, k: 2 }), 3, [1, 1, 2, 3, 4]).gone, [2])
})

test('with k = 1 LRU-K is LRU', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(12), { maxLength: 200, size: 'max' }),
      fc.integer({ min: 1, max: 8 }),
      (uses, capacity) => {
        const expected = run(lru(), capacity, uses)
        assert.deepEqual(run(lruK({ capacity, k: 1 }), capacity, uses), expected)
        assert.deepEqual(run(lruKLists({ capacity, k: 1 }), capacity, uses), expected)
      },
    ),
    { seed },
  )
})

test('LRU-K is what its definition says, on any uses', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(12), { maxLength: 300, size: 'max' }),
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 4 }),
      (uses, capacity, k) => {
        const history = new Map<number, number[]>()
        const held = new Set<number>()
        const gone: number[] = []
        for (const [time, key] of uses.entries()) {
          if (!held.has(key) && held.size === capacity) {
            const last = (one: number, nth: number): number => history.get(one)?.at(-nth) ?? -1
            const victim = [...held].toSorted((a, b) => last(a, k) - last(b, k) || last(a, 1) - last(b, 1))[0] as number
            held.delete(victim)
            gone.push(victim)
          }
          held.add(key)
          history.set(key, [...(history.get(key) ?? []), time])
        }
        assert.deepEqual(run(lruK({ capacity, k, remembered: 100 }), capacity, uses).gone, gone)
      },
    ),
    { seed, numRuns: 300 },
  )
})

test('every policy names keys that are in, holds as many as fit, and decides the same twice; none beats Belady', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      fc.array(fc.nat(20), { minLength: 1, maxLength: 300, size: 'max' }),
      fc.integer({ min: 1, max: 10 }),
      (name, uses, capacity) => {
        const once = run(evictionOf(name)<number>({ capacity }), capacity, uses)
        assert(once.gone.every((key) => key !== undefined))
        assert.equal(once.in.length, Math.min(capacity, new Set(uses).size))
        assert.deepEqual(run(evictionOf(name)<number>({ capacity }), capacity, uses), once)
        assert(hitRate(name, uses, capacity) <= belady(uses, capacity) + 1e-12)
      },
    ),
    { seed, numRuns: 300 },
  )
})

test('keys that their owner removes are gone, and come in again as others do', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      fc.array(fc.record({ key: fc.nat(9), what: fc.constantFrom('use', 'use', 'remove', 'evict') }), {
        maxLength: 200,
        size: 'max',
      }),
      (name, steps) => {
        const policy = evictionOf(name)<number>({ capacity: 5 })
        const held = new Set<number>()
        for (const { key, what } of steps) {
          if (what === 'remove') {
            policy.remove(key)
            held.delete(key)
          } else if (what === 'evict') {
            const victim = policy.evict(99)
            assert.equal(victim === undefined, held.size === 0)
            if (victim !== undefined) assert(held.delete(victim))
          } else if (policy.has(key)) policy.hit(key)
          else {
            policy.add(key)
            held.add(key)
          }
          for (let one = 0; one < 10; one++) assert.equal(policy.has(one), held.has(one))
        }
      },
    ),
    { seed },
  )
})

test('on a trace that scans pollute, LRU-2 hits at least 1.25 times as often as LRU, and no more than Belady', () => {
  const trace = scanTrace(1)
  for (const capacity of [20, 40, 60]) {
    const [plain, two] = [hitRate('lru', trace, capacity), hitRate('lru-2', trace, capacity)]
    assert(two >= 1.25 * plain, `${capacity}: ${two} and ${plain}`)
    assert(two <= belady(trace, capacity))
  }
})

test('a tier holds no more bytes than it may, gives back what it was given, and tells of each value that leaves once', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      fc.array(
        fc.record({
          key: fc.nat(15),
          bytes: fc.integer({ min: 1, max: 60 }),
          what: fc.constantFrom('set', 'get', 'delete', 'resize'),
        }),
      ),
      (eviction, steps) => {
        const live = new Map<object, number>()
        const last = new Map<number, object>()
        const tier = createTier<number, object>({
          bytesMax: 100,
          eviction,
          onLeave: (value) => assert(live.delete(value)),
        })
        for (const { key, bytes, what } of steps) {
          if (what === 'delete') {
            tier.delete(key)
            assert.equal(tier.get(key), undefined)
          } else if (what === 'get') {
            const value = tier.get(key)
            if (value !== undefined) assert.equal(value, last.get(key))
          } else if (what === 'resize') {
            const value = last.get(key)
            const size = bytes * 2
            // Whoever is too large alone goes; else others may, or it.
            if (value !== undefined && live.has(value)) live.set(value, size)
            tier.resize(key, size)
            if (size > 100) assert.equal(tier.get(key), undefined)
          } else {
            const value = {}
            live.set(value, bytes)
            last.set(key, value)
            assert.equal(tier.set(key, value, bytes), value)
            assert.equal(tier.get(key), value)
          }
          assert(tier.bytes <= 100)
          assert.equal(
            tier.bytes,
            [...live.values()].reduce((sum, one) => sum + one, 0),
          )
        }
        const large = {}
        assert.equal(tier.set(3, large, 101), large)
        assert.equal(tier.get(3), undefined)
      },
    ),
    { seed, numRuns: 300 },
  )
})
