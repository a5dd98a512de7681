/**
 * Codes of vectors in memory: 4 bits a number, and their signs once more in a form that is scanned fast.
 *
 *     const codes = createCodeMemory(256)                  // codes of 256 numbers
 *     const slot = codes.take()                            // room for SLOT_CODES of them
 *     codes.write(slot, 0, code)                           // or several, one after the other
 *     codes.ask(signs, numbers)                            // the query: its signs, and its numbers of 8 bits
 *     codes.near(slot, 1, Infinity)                        // 1: how many are near; which and how near is in `found`
 *     codes.products(Int32Array.of(codes.placeOf(slot, 0)), 1)   // [the product of the query with it]
 *     codes.give(slot)
 *
 * A code has 16 bytes for each 32 numbers: number i in the low half of byte i, number 16 + i in the high half. A half holds
 * 0 to 15 and means -7.5 to 7.5; its sign is that of the number.
 *
 * How far a code is from the query: each sign that differs counts 1, and 3 where the query's number is large. These are
 * nearly the best two sizes for numbers of a normal distribution, 0.45 and 1.51 standard deviations, with 0.98 between them
 * (Max, Quantizing for Minimum Distortion, 1960). That a query should not be reduced to its signs as what is searched is, is
 * RaBitQ's idea (Gao and Long, RaBitQ, 2024); with it a fifth of the codes has to be looked at for the same result
 * (bench/README.md).
 *
 * Both scans are WebAssembly, a few hundred bytes put together below, with the instructions on 16 bytes at once that
 * JavaScript does not have: some 3 ns for the signs of 256 numbers, where JavaScript takes 30 (`node bench/memory-scale.ts
 * --parts`). Where there is no WebAssembly (`node --jitless`) the same is done in JavaScript.
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
/** Where things lie in front of the slots: the query's signs, which of its numbers are large, and all of them; what is near; places, products. */
const SIGNS = 0
const LARGE = 256
const NUMBERS = 1_024
const NEAR = 4_096
const PLACES = 8_192
const PRODUCTS = PLACES + PRODUCTS_MAX * 4
const FRONT_BYTES = PAGE_BYTES
/** Bytes of what is said of four codes of which one is near: where they end, and the distance of each. */
const NEAR_BYTES = 12
/** A number is large from here on, in standard deviations. */
const LARGE_MIN = 0.98
/** What a differing sign of a large number counts. */
export const DISTANCE_EACH = 3

/** Codes in slots. */
export interface CodeMemory {
  /** Bytes of a slot. */
  readonly slotBytes: number
  take(): number
  give(slot: number): void
  /** Codes from a place on, one after the other. */
  write(slot: number, place: number, codes: Uint8Array): void
  /** Sets the query: its code, of which the signs count, and its numbers. */
  ask(code: Uint8Array, numbers: Int8Array): void
  /** How many of the first `count` codes of a slot are less than `limit` away; `found` has them until the next call. */
  near(slot: number, count: number, limit: number): number
  /** Places in the slot, ascending, and distances: at most `DISTANCE_EACH` for each number. */
  readonly found: { readonly places: Uint16Array; readonly distances: Uint16Array }
  /** What `products` calls a code. */
  placeOf(slot: number, place: number): number
  /** The sums of the query's numbers times 0 to 15. Good until the next call. */
  products(places: Int32Array, count: number): Int32Array
}

interface Scans {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): unknown }
  /** Returns where what it says ends. */
  readonly near: (from: number, end: number, query: number, queryEnd: number, out: number, limit: number) => number
  /** `size` is the bytes of a code. */
  readonly products: (from: number, end: number, query: number, size: number, out: number) => void
  /** The signs of one code, each 32 of them 16 bytes behind those before. */
  readonly signs: (from: number, end: number, out: number) => void
}

/** The part of WebAssembly's interface that is used here; the types of Node do not have it. */
interface WebAssemblyLike {
  readonly Memory: new (size: { initial: number }) => Scans['memory']
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (
    module: object,
    imports: object,
  ) => { readonly exports: Pick<Scans, 'near' | 'products' | 'signs'> }
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
  const front = (): Uint16Array => new Uint16Array(scans.memory.buffer, 0, FRONT_BYTES / 2)
  let halves = front()
  const found = { places: new Uint16Array(SLOT_CODES), distances: new Uint16Array(SLOT_CODES) }
  const signs = new Uint8Array(signBytes)
  const slotAt = (slot: number): number => FRONT_BYTES + slot * slotBytes
  const placeOf = (slot: number, place: number): number => slotAt(slot) + SLOT_CODES * signBytes + place * codeBytes

  return {
    slotBytes,
    placeOf,
    found,
    take() {
      const known = free.pop()
      if (known !== undefined) return known
      const missing = slotAt(slots + 1) - bytes.length
      if (missing > 0) {
        scans.memory.grow(Math.ceil(Math.max(missing, slots * slotBytes * 0.03) / PAGE_BYTES))
        bytes = new Uint8Array(scans.memory.buffer)
        words = new Uint32Array(scans.memory.buffer)
        halves = front()
      }
      return slots++
    },
    give: (slot) => void free.push(slot),
    write(slot, place, codes) {
      bytes.set(codes, placeOf(slot, place))
      // Four codes lie interleaved, 32 signs of each at a time, so that a scan has four sums beside each other.
      for (let i = 0; i < codes.length / codeBytes; i++) {
        const at = place + i
        const from = placeOf(slot, at)
        scans.signs(from, from + codeBytes, slotAt(slot) + (at >> 2) * signBytes * 4 + (at & 3) * 4)
      }
    },
    ask(code, numbers) {
      readSigns(code, signs)
      bytes.set(signs, SIGNS)
      readLarge(numbers.subarray(0, size), signs)
      bytes.set(signs, LARGE)
      bytes.set(new Uint8Array(numbers.buffer, numbers.byteOffset, size), NUMBERS)
    },
    near(slot, count, limit) {
      if (count === 0) return 0
      const from = slotAt(slot)
      const end = from + Math.ceil(count / 4) * 4 * signBytes
      const outEnd = scans.near(from, end, SIGNS, SIGNS + signBytes, NEAR, Math.min(limit, size * DISTANCE_EACH + 1))
      let near = 0
      for (let at = NEAR; at < outEnd; at += NEAR_BYTES) {
        const first = (((words[at / 4] as number) - from) / (signBytes * 4) - 1) * 4
        for (let lane = 0; lane < 4; lane++) {
          const distance = halves[at / 2 + 2 + lane] as number
          if (distance >= limit || first + lane >= count) continue
          found.places[near] = first + lane
          found.distances[near++] = distance
        }
      }
      return near
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

/** A bit for each number, set where it is large among them. */
function readLarge(numbers: Int8Array, large: Uint8Array): void {
  let squares = 0
  for (const number of numbers) squares += number * number
  const least = LARGE_MIN * Math.sqrt(squares / numbers.length)
  large.fill(0)
  for (const [i, number] of numbers.entries()) if (Math.abs(number) > least) (large[i >> 3] as number) |= 1 << (i & 7)
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
    near(from, end, query, queryEnd, out, limit) {
      const words = new Uint32Array(buffer)
      const halves = new Uint16Array(buffer)
      for (let at = from / 4; at < end / 4;) {
        const sums = [0, 0, 0, 0]
        for (let word = query / 4; word < queryEnd / 4; word++) {
          for (let lane = 0; lane < 4; lane++) {
            const differing = (words[at++] as number) ^ (words[word] as number)
            const large = differing & (words[word + LARGE / 4] as number)
            ;(sums[lane] as number) += onesIn(differing) + (DISTANCE_EACH - 1) * onesIn(large)
          }
        }
        if (!sums.some((sum) => sum < limit)) continue
        words[out / 4] = at * 4
        halves.set(sums, out / 2 + 2)
        out += NEAR_BYTES
      }
      return out
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
    signs(from, end, out) {
      const codes = new Uint8Array(buffer, from, end - from)
      const signs = new Uint8Array(codes.length / 4)
      readSigns(codes, signs)
      const words = new Uint32Array(buffer)
      for (const [i, word] of new Uint32Array(signs.buffer).entries()) words[out / 4 + i * 4] = word
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
  const { near, products, signs } = new WebAssembly.Instance(module, { m: { m: memory } }).exports
  return { memory, near, products, signs }
}

type Code = number[]
const I32 = 0x7f
const V128 = 0x7b
const get = (local: number): Code => [0x20, local]
const set = (local: number): Code => [0x21, local]
/** Sets it and goes on with it. */
const tee = (local: number): Code => [0x22, local]
const simd = (...code: Code): Code => [0xfd, ...code]
const zeros = simd(0x0c, ...Array.from({ length: 16 }, () => 0))
const advance = (local: number, by: number): Code => [...get(local), 0x41, ...sized(by), 0x6a, ...set(local)]
const isBelow = (a: number, b: number): Code => [...get(a), ...get(b), 0x49]
/** Repeats while its body leaves true. */
const loop = (...body: Code[]): Code => [0x03, 0x40, ...body.flat(), 0x0d, 0, 0x0b]
const load = (local: number, offset: number): Code => [...get(local), ...simd(0x00, 0, offset)]
const ADD = 0x6a

/** The module in the binary format of WebAssembly 2.0 (with SIMD): three functions on one memory. */
function scanModule(): Code {
  const bodies = [nearBody(), productsBody(), signsBody()].flatMap((body) => sized(body.length).concat(body))
  const numbers = (count: number): Code => [count, ...Array.from({ length: count }, () => I32)]
  return [
    [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    [1, 25, 3, 0x60, ...numbers(6), ...numbers(1), 0x60, ...numbers(5), 0, 0x60, ...numbers(3), 0], // types: numbers to one, or to nothing
    [2, 8, 1, 1, 0x6d, 1, 0x6d, 2, 0, 1], // imports: a memory "m" of "m", of at least a page
    [3, 4, 3, 0, 1, 2], // functions: one of each type
    [7, 27, 3, ...named('near'), 0, 0, ...named('products'), 0, 1, ...named('signs'), 0, 2],
    [10, ...sized(bodies.length + 1), 3, ...bodies],
  ].flat()
}

/**
 *     near(codes, end, query, queryEnd, out, limit):
 *       do { sums = 0; at = query
 *            do { bytes = 0
 *                 8 times: differing = 16 bytes of codes xor 4 times 4 bytes of the query
 *                          large = the ones in each byte of (differing and 4 times 4 bytes of what is large)
 *                          bytes += the ones in each byte of differing + large + large
 *                 sums += bytes, two by two } while (at < queryEnd)
 *            if any of the sums, two by two, is below the limit:
 *              out[0] = codes; out[1 and 2] = four sums of 16 bits; out += 3 } while (codes < end)
 *       out
 */
function nearBody(): Code {
  const [codes, end, query, queryEnd, out, limit, at, bytes, sums, differing, large] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
  ] as const
  const loadFourTimes = (offset: number): Code => [...get(at), ...simd(0x09, 0, ...sized(offset))]
  const [and, xor, ones, addBytes, add16s] = [simd(0x4e), simd(0x51), simd(0x62), simd(0x6e), simd(0x8e, 1)]
  const [pairsOfBytes, pairsOf16s, narrow, storeHalf] = [simd(0x7d), simd(0x7f), simd(0x86, 1), simd(0x5b, 0, 4, 0)]
  const [fourTimes, areBelow, isAny] = [simd(0x11), simd(0x3a), simd(0x53)]
  const eightWords = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((word) =>
    [
      [...load(codes, word * 16), ...loadFourTimes(word * 4), ...xor, ...tee(differing)],
      [...loadFourTimes(LARGE + word * 4), ...and, ...ones, ...tee(large), ...get(large), ...addBytes],
      [...get(differing), ...ones, ...addBytes, ...get(bytes), ...addBytes, ...set(bytes)],
    ].flat(),
  )
  const body = loop(
    [...zeros, ...set(sums), ...get(query), ...set(at)],
    loop(
      [...zeros, ...set(bytes), ...eightWords],
      [...get(sums), ...get(bytes), ...pairsOfBytes, ...add16s, ...set(sums)],
      [...advance(codes, 128), ...advance(at, 32), ...isBelow(at, queryEnd)],
    ),
    [...get(sums), ...pairsOf16s, ...tee(sums), ...get(limit), ...fourTimes, ...areBelow, ...isAny],
    [0x04, 0x40, ...get(out), ...get(codes), 0x36, 2, 0],
    [...get(out), ...get(sums), ...get(sums), ...narrow, ...storeHalf, ...advance(out, NEAR_BYTES), 0x0b],
    isBelow(codes, end),
  )
  return [2, 1, I32, 4, V128, ...body, ...get(out), 0x0b] // locals: one number, four vectors
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

/**
 *     signs(code, end, out):
 *       do { halves = 16 bytes of code
 *            out[0] = the highest bits of the low halves, then those of the high ones; code++; out++, four words } while (code < end)
 */
function signsBody(): Code {
  const [code, end, out, halves] = [0, 1, 2, 3] as const
  const highestBits = simd(0x64)
  const low = [...get(halves), 0x41, 4, ...simd(0x6b), ...highestBits] // shifted left by 4
  const high = [...get(halves), ...highestBits, 0x41, 16, 0x74]
  const body = loop(
    [...load(code, 0), ...set(halves)],
    [...get(out), ...low, ...high, 0x72, 0x36, 2, 0],
    [...advance(code, 16), ...advance(out, 16), ...isBelow(code, end)],
  )
  return [1, 1, V128, ...body, 0x0b] // locals: one vector
}

/** A number of up to 13 bits, always in two bytes. */
function sized(number: number): Code {
  return [(number & 127) | 128, number >> 7]
}

function named(name: string): Code {
  return [name.length, ...Buffer.from(name)]
}
