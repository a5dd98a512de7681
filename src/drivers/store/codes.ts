/**
 * Codes of vectors in memory: 4 bits a number, and their signs once more in a form that is scanned fast.
 *
 *     const codes = createCodeMemory(256)                  // codes of 256 numbers
 *     const slot = codes.take()                            // room for SLOT_CODES of them
 *     codes.write(slot, 0, code)
 *     codes.ask(signs, numbers)                            // the query: its signs, and its numbers of 8 bits
 *     codes.distances(slot, 1)                             // [in how many signs the first one differs]
 *     codes.products(Int32Array.of(codes.placeOf(slot, 0)), 1)   // [the product of the query with it]
 *     codes.give(slot)
 *
 * A code has 16 bytes for each 32 numbers: number i in the low half of byte i, number 16 + i in the high half. A half holds
 * 0 to 15 and means -7.5 to 7.5; its sign is that of the number. Both scans are WebAssembly, a few hundred bytes put
 * together below, with the instructions on 16 bytes at once that JavaScript does not have: some 6 ns for the signs of 256
 * numbers, where JavaScript takes 50. Where there is no WebAssembly (`node --jitless`) the same is done in JavaScript.
 *
 * Invariants
 *   CO1. Both ways give the same numbers.
 *   CO2. Slots that were given back are used again; memory never shrinks, so its owner bounds how many it takes.
 */

/** Codes that a slot has room for. */
export const SLOT_CODES = 512
/** Products that are asked for at once, at most. */
export const PRODUCTS_MAX = 4_096
const PAGE_BYTES = 65_536
/** Where things lie in front of the slots: the query's signs and numbers, distances, places, products. */
const SIGNS = 0
const NUMBERS = 1_024
const DISTANCES = 4_096
const PLACES = 8_192
const PRODUCTS = PLACES + PRODUCTS_MAX * 4
const FRONT_BYTES = PAGE_BYTES

/** Codes in slots. */
export interface CodeMemory {
  /** Bytes of a slot. */
  readonly slotBytes: number
  take(): number
  give(slot: number): void
  write(slot: number, place: number, code: Uint8Array): void
  /** Sets the query: its code, of which the signs count, and its numbers. */
  ask(code: Uint8Array, numbers: Int8Array): void
  /** In how many signs each of the first `count` codes of a slot differs. Good until the next call. */
  distances(slot: number, count: number): Uint16Array
  /** What `products` calls a code. */
  placeOf(slot: number, place: number): number
  /** The sums of the query's numbers times 0 to 15. Good until the next call. */
  products(places: Int32Array, count: number): Int32Array
}

type Scan = (from: number, end: number, query: number, size: number, out: number) => void
interface Scans {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): unknown }
  /** `size` is where the query ends. */
  readonly distances: Scan
  /** `size` is the bytes of a code. */
  readonly products: Scan
}

/** The part of WebAssembly's interface that is used here; the types of Node do not have it. */
interface WebAssemblyLike {
  readonly Memory: new (size: { initial: number }) => Scans['memory']
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (
    module: object,
    imports: object,
  ) => { readonly exports: Pick<Scans, 'distances' | 'products'> }
}

/** An empty memory for codes of so many numbers, 256 to 1,024. `useWebAssembly` is for comparing the two ways. */
export function createCodeMemory(size: number, useWebAssembly = true): CodeMemory {
  const signBytes = size / 8
  const codeBytes = size / 2
  const slotBytes = SLOT_CODES * (signBytes + codeBytes)
  const free: number[] = []
  let slots = 0
  const scans = (useWebAssembly ? fastScans() : undefined) ?? plainScans()
  let bytes = new Uint8Array(scans.memory.buffer)
  let words = new Uint32Array(scans.memory.buffer)
  const signs = new Uint8Array(signBytes)
  const signWords = new Uint32Array(signs.buffer)
  const slotAt = (slot: number): number => FRONT_BYTES + slot * slotBytes
  const placeOf = (slot: number, place: number): number => slotAt(slot) + SLOT_CODES * signBytes + place * codeBytes

  return {
    slotBytes,
    placeOf,
    take() {
      const known = free.pop()
      if (known !== undefined) return known
      const missing = slotAt(slots + 1) - bytes.length
      if (missing > 0) {
        scans.memory.grow(Math.ceil(Math.max(missing, slots * slotBytes * 0.03) / PAGE_BYTES))
        bytes = new Uint8Array(scans.memory.buffer)
        words = new Uint32Array(scans.memory.buffer)
      }
      return slots++
    },
    give: (slot) => void free.push(slot),
    write(slot, place, code) {
      bytes.set(code, placeOf(slot, place))
      readSigns(code, signs)
      // Four codes lie interleaved, 32 signs of each at a time, so that a scan has four sums beside each other.
      let at = slotAt(slot) / 4 + (place >> 2) * signWords.length * 4 + (place & 3)
      for (let i = 0; i < signWords.length; i++, at += 4) words[at] = signWords[i] as number
    },
    ask(code, numbers) {
      readSigns(code, signs)
      bytes.set(signs, SIGNS)
      bytes.set(new Uint8Array(numbers.buffer, numbers.byteOffset, size), NUMBERS)
    },
    distances(slot, count) {
      const from = slotAt(slot)
      const end = from + Math.ceil(count / 4) * 4 * signBytes
      if (count > 0) scans.distances(from, end, SIGNS, SIGNS + signBytes, DISTANCES)
      return new Uint16Array(bytes.buffer, DISTANCES, count)
    },
    products(places, count) {
      words.set(places.subarray(0, count), PLACES / 4)
      if (count > 0) scans.products(PLACES, PLACES + count * 4, NUMBERS, codeBytes, PRODUCTS)
      return new Int32Array(bytes.buffer, PRODUCTS, count)
    },
  }
}

/** A bit for each number, set where it is not negative. */
function readSigns(code: Uint8Array, signs: Uint8Array): void {
  signs.fill(0)
  for (let i = 0; i < code.length; i++) {
    const byte = code[i] as number
    const number = (i >> 4) * 32 + (i & 15)
    if ((byte & 8) !== 0) (signs[number >> 3] as number) |= 1 << (number & 7)
    if ((byte & 128) !== 0) (signs[(number + 16) >> 3] as number) |= 1 << (number & 7)
  }
}

// -------------------------------------------------------------------------------------------------- in plain JavaScript

function plainScans(): Scans {
  let buffer = new ArrayBuffer(FRONT_BYTES)
  const memory = {
    get buffer() {
      return buffer
    },
    grow(pages: number): void {
      buffer = buffer.transfer(buffer.byteLength + pages * PAGE_BYTES)
    },
  }
  return {
    memory,
    distances(from, end, query, queryEnd, out) {
      const words = new Uint32Array(buffer)
      const distances = new Uint16Array(buffer)
      for (let at = from / 4, to = out / 2; at < end / 4; to += 4) {
        distances.fill(0, to, to + 4)
        for (let word = query / 4; word < queryEnd / 4; word++)
          for (let lane = 0; lane < 4; lane++)
            (distances[to + lane] as number) += onesIn((words[at++] as number) ^ (words[word] as number))
      }
    },
    products(from, end, query, size, out) {
      const words = new Int32Array(buffer)
      const codes = new Uint8Array(buffer)
      const numbers = new Int8Array(buffer)
      for (let i = from / 4, to = out / 4; i < end / 4; i++, to++) {
        let sum = 0
        for (let at = 0; at < size; at++) {
          const byte = codes[(words[i] as number) + at] as number
          const number = query + (at >> 4) * 32 + (at & 15)
          sum += (byte & 15) * (numbers[number] as number) + (byte >> 4) * (numbers[number + 16] as number)
        }
        words[to] = sum
      }
    },
  }
}

/** The number of ones in 32 bits (Warren, Hacker's Delight, 2012, section 5-1). */
function onesIn(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

// ---------------------------------------------------------------------------------------------------- in WebAssembly

function fastScans(): Scans | undefined {
  const { WebAssembly } = globalThis as { readonly WebAssembly?: WebAssemblyLike }
  if (WebAssembly === undefined) return undefined
  const memory = new WebAssembly.Memory({ initial: 1 })
  const module = new WebAssembly.Module(Uint8Array.from(scanModule()))
  const { distances, products } = new WebAssembly.Instance(module, { m: { m: memory } }).exports
  return { memory, distances, products }
}

type Code = number[]
const I32 = 0x7f
const V128 = 0x7b
const get = (local: number): Code => [0x20, local]
const set = (local: number): Code => [0x21, local]
const simd = (...code: Code): Code => [0xfd, ...code]
const zeros = simd(0x0c, ...Array.from({ length: 16 }, () => 0))
const advance = (local: number, by: number): Code => [...get(local), 0x41, ...sized(by), 0x6a, ...set(local)]
const isBelow = (a: number, b: number): Code => [...get(a), ...get(b), 0x49]
/** Repeats while its body leaves true. */
const loop = (...body: Code[]): Code => [0x03, 0x40, ...body.flat(), 0x0d, 0, 0x0b]
const load = (local: number, offset: number): Code => [...get(local), ...simd(0x00, 0, offset)]
const ADD = 0x6a

/** The module in the binary format of WebAssembly 2.0 (with SIMD): two functions of five numbers on one memory. */
function scanModule(): Code {
  const [first, second] = [distancesBody(), productsBody()]
  const bodies = [...sized(first.length), ...first, ...sized(second.length), ...second]
  return [
    [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    [1, 9, 1, 0x60, 5, I32, I32, I32, I32, I32, 0], // types: a function of five numbers, without a result
    [2, 8, 1, 1, 0x6d, 1, 0x6d, 2, 0, 1], // imports: a memory "m" of "m", of at least a page
    [3, 3, 2, 0, 0], // functions: two of that type
    [7, 24, 2, ...named('distances'), 0, 0, ...named('products'), 0, 1],
    [10, ...sized(bodies.length + 1), 2, ...bodies],
  ].flat()
}

/**
 *     distances(codes, end, query, queryEnd, out):
 *       do { sums = 0; at = query
 *            do { bytes = 0
 *                 8 times: bytes += the ones in each byte of (16 bytes of codes xor 4 times 4 bytes of the query)
 *                 sums += bytes, two by two } while (at < queryEnd)
 *            out = sums, two by two: four numbers of 16 bits } while (codes < end)
 */
function distancesBody(): Code {
  const [codes, end, query, queryEnd, out, at, bytes, sums] = [0, 1, 2, 3, 4, 5, 6, 7] as const
  const loadFourTimes = (offset: number): Code => [...get(at), ...simd(0x09, 0, offset)]
  const [xor, ones, addBytes, add16s] = [simd(0x51), simd(0x62), simd(0x6e), simd(0x8e, 1)]
  const [pairsOfBytes, pairsOf16s, narrow, storeHalf] = [simd(0x7d), simd(0x7f), simd(0x86, 1), simd(0x5b, 0, 0, 0)]
  const eightWords = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((word) =>
    [get(bytes), load(codes, word * 16), loadFourTimes(word * 4), xor, ones, addBytes, set(bytes)].flat(),
  )
  const body = loop(
    [...zeros, ...set(sums), ...get(query), ...set(at)],
    loop(
      [...zeros, ...set(bytes), ...eightWords],
      [...get(sums), ...get(bytes), ...pairsOfBytes, ...add16s, ...set(sums)],
      [...advance(codes, 128), ...advance(at, 32), ...isBelow(at, queryEnd)],
    ),
    [...get(out), ...get(sums), ...pairsOf16s, ...get(sums), ...narrow, ...storeHalf],
    [...advance(out, 8), ...isBelow(codes, end)],
  )
  return [2, 1, I32, 2, V128, ...body, 0x0b] // locals: one number, two vectors
}

/**
 *     products(places, end, query, size, out):
 *       do { code = places[0]; at = query; codeEnd = code + size; sums = 0
 *            do { halves = 16 bytes of code
 *                 sums += low halves * 16 numbers of the query + high halves * the next 16 } while (code < codeEnd)
 *            out[0] = the four sums together; places++; out++ } while (places < end)
 */
function productsBody(): Code {
  const [places, end, query, size, out, code, codeEnd, at, halves, sums, numbers, half] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
  ] as const
  const [timesLow, timesHigh, add16s] = [simd(0x9c, 1), simd(0x9d, 1), simd(0x8e, 1)]
  const [pairsOf16s, add32s] = [simd(0x7e), simd(0xae, 1)]
  const low = [...get(halves), 0x41, 15, ...simd(0x0f), ...simd(0x4e)] // and with 15 in each byte
  const high = [...get(halves), 0x41, 4, ...simd(0x6d)] // shifted right by 4
  const product = (part: Code, offset: number): Code =>
    [
      [...part, ...set(half), ...load(at, offset), ...set(numbers)],
      [...get(half), ...get(numbers), ...timesLow, ...get(half), ...get(numbers), ...timesHigh, ...add16s],
    ].flat()
  const lane = (number: number): Code => [...get(sums), ...simd(0x1b, number)]
  const body = loop(
    [...get(places), 0x28, 2, 0, ...set(code), ...get(query), ...set(at)],
    [...get(code), ...get(size), ADD, ...set(codeEnd), ...zeros, ...set(sums)],
    loop(
      [...load(code, 0), ...set(halves)],
      [...get(sums), ...product(low, 0), ...product(high, 16), ...add16s, ...pairsOf16s, ...add32s, ...set(sums)],
      [...advance(code, 16), ...advance(at, 32), ...isBelow(code, codeEnd)],
    ),
    [...get(out), ...lane(0), ...lane(1), ADD, ...lane(2), ADD, ...lane(3), ADD, 0x36, 2, 0],
    [...advance(places, 4), ...advance(out, 4), ...isBelow(places, end)],
  )
  return [2, 3, I32, 4, V128, ...body, 0x0b]
}

/** A number of up to 13 bits, always in two bytes. */
function sized(number: number): Code {
  return [(number & 127) | 128, number >> 7]
}

function named(name: string): Code {
  return [name.length, ...Buffer.from(name)]
}
