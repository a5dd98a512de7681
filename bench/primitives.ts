/**
 * What single constructs cost: the figures behind the lessons in bench/README.md. Time with its share of collection, and
 * live bytes.
 *
 *     node --expose-gc bench/primitives.ts
 */
import { createStamp } from '../src/kernel/stamp.ts'
import { median } from './figures.ts'

const COUNT = 200_000
const ROUNDS = 5
const collect = globalThis.gc
if (collect === undefined) throw new Error('run with --expose-gc')

const weak = new WeakMap<object, number>()
const stamp = createStamp<number>()

const constructs: { readonly [name: string]: (i: number) => unknown } = {
  'an object literal': (i) => ({ a: i, b: i }),
  'the same with a getter': (i) => ({
    a: i,
    get b() {
      return i
    },
  }),
  'an object in a WeakMap': (i) => {
    const object = { a: i, b: i }
    weak.set(object, i)
    return object
  },
  'an object with a stamp': (i) => {
    const object = { a: i, b: i }
    stamp.set(object, i)
    return object
  },
  'a timer, set and cleared': () => clearTimeout(setTimeout(() => {}, 600_000)),
  'an AbortController and its signal': () => {
    const controller = new AbortController()
    void controller.signal
    return controller
  },
  'Promise.withResolvers': () => {
    const { promise, resolve } = Promise.withResolvers<number>()
    return { promise, resolve }
  },
  'a promise that hands its resolve out': () => {
    const held: { promise: unknown; resolve: unknown } = {
      promise: undefined,
      resolve: undefined,
    }
    held.promise = new Promise<number>((resolve) => {
      held.resolve = resolve
    })
    return held
  },
  '[item]': (i) => [i],
  '[] and one push': (i) => {
    const list: number[] = []
    list.push(i)
    return list
  },
}

const table = Object.entries(constructs).map(([construct, make]) => {
  const nanoseconds: number[] = []
  const bytes: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const kept: unknown[] = Array.from({ length: COUNT })
    collect()
    const before = process.memoryUsage().heapUsed
    const started = performance.now()
    for (let i = 0; i < COUNT; i++) kept[i] = make(i)
    nanoseconds.push(((performance.now() - started) / COUNT) * 1e6)
    collect()
    bytes.push((process.memoryUsage().heapUsed - before) / COUNT)
    kept.length = 0
  }
  return { construct, 'ns each': median(nanoseconds), 'live bytes each': median(bytes) }
})
console.table(table)
