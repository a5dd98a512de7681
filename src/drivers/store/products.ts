/**
 * The products of one vector with many that have 8 bits a number.
 *
 *     const products = createProducts()
 *     products(vector, data, stride, count)        // of the vectors that begin at 0, stride, 2 * stride … of the data
 *
 * Four sums beside each other, of every fourth number each, as one would wait for itself; then their sum. WebAssembly
 * (instructions.ts) adds to two of them at once, which takes a third of the time, with bringing it the vectors
 * (`node bench/memory-scale.ts --parts`), and is as fast for the first question as for the thousandth.
 *
 * Invariants
 *   PR1. Both ways give the same numbers, to the last bit.
 */
import {
  advance,
  get,
  I32,
  instanceOf,
  isBelow,
  load,
  loop,
  PAGE_BYTES,
  set,
  simd,
  V128,
  zeros,
  ADD,
  type Code,
} from './instructions.ts'

export type Products = (vector: Float32Array, data: Int8Array, stride: number, count: number) => Float64Array

/** Numbers that are taken at once; other lengths of vectors are left to JavaScript. */
const STEP = 8
/** Where things lie: the numbers of the vector, the products, the data. */
const DIMENSIONS_MAX = 8_192
const PRODUCTS = DIMENSIONS_MAX * 8
const COUNT_MAX = 8_192
const DATA = PRODUCTS + COUNT_MAX * 8
const DATA_BYTES = 4 * PAGE_BYTES

/** `useWebAssembly` is for comparing the two ways. */
export function createProducts(useWebAssembly = true): Products {
  const fast = useWebAssembly ? fastProducts() : undefined
  if (fast === undefined) return plainProducts
  const numbers = new Float64Array(fast.memory.buffer, 0, DIMENSIONS_MAX)
  const bytes = new Int8Array(fast.memory.buffer, DATA, DATA_BYTES)

  return (vector, data, stride, count) => {
    const dimensions = vector.length
    const countAtOnce = Math.min(COUNT_MAX, Math.floor(DATA_BYTES / stride))
    if (dimensions % STEP !== 0 || dimensions > DIMENSIONS_MAX || countAtOnce === 0)
      return plainProducts(vector, data, stride, count)
    const products = new Float64Array(count)
    numbers.set(vector)
    for (let first = 0; first < count; first += countAtOnce) {
      const some = Math.min(countAtOnce, count - first)
      bytes.set(data.subarray(first * stride, (first + some - 1) * stride + dimensions))
      fast.products(DATA, DATA + some * stride, stride, 0, dimensions * 8, PRODUCTS)
      products.set(new Float64Array(fast.memory.buffer, PRODUCTS, some), first)
    }
    return products
  }
}

function plainProducts(vector: Float32Array, data: Int8Array, stride: number, count: number): Float64Array {
  const products = new Float64Array(count)
  for (let i = 0; i < count; i++) products[i] = product(vector, data, i * stride)
  return products
}

/** Of a vector and the one that begins at that place. */
function product(a: Float32Array, data: Int8Array, at: number): number {
  let one = 0
  let two = 0
  let three = 0
  let four = 0
  let i = 0
  for (; i + 3 < a.length; i += 4) {
    one += (a[i] as number) * (data[at + i] as number)
    two += (a[i + 1] as number) * (data[at + i + 1] as number)
    three += (a[i + 2] as number) * (data[at + i + 2] as number)
    four += (a[i + 3] as number) * (data[at + i + 3] as number)
  }
  for (; i < a.length; i++) one += (a[i] as number) * (data[at + i] as number)
  return one + two + three + four
}

function fastProducts() {
  type Scan = (data: number, end: number, stride: number, vector: number, vectorEnd: number, out: number) => void
  return instanceOf<{ readonly products: Scan }>((DATA + DATA_BYTES) / PAGE_BYTES, [
    { name: 'products', parameters: 6, results: 0, body: productsBody() },
  ])
}

/**
 *     products(data, end, stride, vector, vectorEnd, out):
 *       do { code = data; at = vector; oneTwo = 0; threeFour = 0
 *            do { eight = 8 bytes of code, as 16 bits each
 *                 four = its first four, as 32 bits each
 *                 oneTwo += the first two of four * 2 numbers of the vector; threeFour += the others * the next 2
 *                 the same with its last four; code += 8; at += 8 numbers } while (at < vectorEnd)
 *            out[0] = one + two + three + four; data += stride; out++ } while (data < end)
 */
function productsBody(): Code {
  const [data, end, stride, vector, vectorEnd, out, at, code, oneTwo, threeFour, eight, four] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
  ] as const
  const [load8, firstFour, lastFour] = [simd(0x01, 0, 0), simd(0xa7, 1), simd(0xa8, 1)]
  const [asNumbers, times, plus] = [simd(0xfe, 1), simd(0xf2, 1), simd(0xf0, 1)]
  const swapped = simd(0x0d, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)
  const lastTwo = [...get(four), ...get(four), ...swapped]
  const added = (sums: number, two: Code, offset: number): Code =>
    [[...get(sums), ...two, ...asNumbers, ...load(at, offset), ...times, ...plus], set(sums)].flat()
  const half = (widened: Code, offset: number): Code =>
    [
      [...get(eight), ...widened, ...set(four)],
      [...added(oneTwo, get(four), offset), ...added(threeFour, lastTwo, offset + 16)],
    ].flat()
  const lane = (sums: number, number: number): Code => [...get(sums), ...simd(0x21, number)]
  const plusNumber = 0xa0
  const sum = [lane(oneTwo, 0), lane(oneTwo, 1), plusNumber, lane(threeFour, 0), plusNumber, lane(threeFour, 1)].flat()
  const body = loop(
    [...get(data), ...set(code), ...get(vector), ...set(at), ...zeros, ...set(oneTwo), ...zeros, ...set(threeFour)],
    loop(
      [...get(code), ...load8, ...set(eight), ...half(firstFour, 0), ...half(lastFour, 32)],
      [...advance(code, STEP), ...advance(at, STEP * 8), ...isBelow(at, vectorEnd)],
    ),
    [...get(out), ...sum, plusNumber, 0x39, 3, 0],
    [...get(data), ...get(stride), ADD, ...set(data), ...advance(out, 8), ...isBelow(data, end)],
  )
  return [2, 2, I32, 4, V128, ...body, 0x0b] // locals: two numbers, four vectors
}
