/**
 * Codes of vectors in memory: 4 bits a number, and their signs once more in a form that is scanned fast.
 *
 *     const codes = createCodeMemory(256)                  // codes of 256 numbers
 *     const slot = codes.take()                            // room for SLOT_CODES of them
 *     codes.write(slot, 0, code)                           // or several, one after the other
 *     codes.ask(numbers)                                   // the query, with numbers of 8 bits
 *     codes.near(slot, 1, Infinity)                        // 1: how many are near; which and how near is in `found`
 *     codes.products(Int32Array.of(codes.placeOf(slot, 0)), 1)   // [the product of the query with it]
 *     codes.give(slot)
 *
 * A code has 16 bytes for each 32 numbers: number i in the low half of byte i, number 16 + i in the high half. A half holds
 * 0 to 15 and means -7.5 to 7.5; its sign is that of the number.
 *
 * How far a code is from the query: for each sign that differs, as much as the query's number is large. So a code is reduced
 * to its signs and the query is not, as in RaBitQ (Gao and Long, RaBitQ, 2024). The signs of four numbers are 16 cases, so a
 * table of 16 bytes for each four tells what they add, and one instruction looks up 16 codes in it at once (André, Kermarrec,
 * Le Scouarnec, Cache Locality is not Enough, 2015). A table's numbers are rounded to 0 to 15, so that those of 16 tables
 * still fit into a byte together; how many more codes have to be looked at for it stands in bench/README.md.
 *
 * Both scans are WebAssembly, a few hundred bytes put together below (instructions.ts): some 2 ns for the signs of 256
 * numbers, where JavaScript takes 30 (`node bench/memory-scale.ts --parts`). Where there is no WebAssembly (`node --jitless`) the same is done in JavaScript.
 *
 * Invariants
 *   CO1. Both ways give the same numbers.
 *   CO2. Slots that were given back are used again; memory never shrinks, so its owner bounds how many it takes.
 */

import {
  ADD,
  advance,
  type Code,
  get,
  I32,
  instanceOf,
  isBelow,
  load,
  loop,
  MULTIPLY,
  PAGE_BYTES,
  set,
  type SharedBytes,
  simd,
  sized,
  tee,
  V128,
  zeros,
} from './instructions.ts'

/** Codes that a slot has room for. */
export const SLOT_CODES = 512
/** Products that are asked for at once, at most. */
export const PRODUCTS_MAX = 4_096
/** Where things lie in front of the slots: tables of the query, its numbers, sums of a group; what is near; places, products. */
const TABLES = 0
const NUMBERS = 4_096
const SUMS = 5_120
const FETCHED_SUM = 5_376
const NEAR = 6_144
const PLACES = 8_192
const PRODUCTS = PLACES + PRODUCTS_MAX * 4
const FRONT_BYTES = PAGE_BYTES
/** Codes whose signs lie interleaved, byte by byte. */
const GROUP = 16
/** Slots whose signs lie together, with their codes behind: a scan of 512 KB in a row is three times as fast as of 16 KB. */
const CHUNK_SLOTS = 32
/** Codes that are fetched from memory at once, and bytes of a line of it. Waiting for each alone takes four times as long. */
const FETCHED = 256
const LINE_BYTES = 64
/** Bytes of signs that are summed up in bytes: two tables each, so that no sum is above 255. */
const SUMMED = 8
const TABLE_MAX = 15

/** Codes in slots. */
export interface CodeMemory {
  /** Bytes of a slot. */
  readonly slotBytes: number
  take(): number
  give(slot: number): void
  /** Codes from a place on, one after the other. */
  write(slot: number, place: number, codes: Uint8Array): void
  /** Sets the query. */
  ask(numbers: Int8Array): void
  /** How many of the first `count` codes of a slot are less than `limit` away; `found` has them until the next call. */
  near(slot: number, count: number, limit: number): number
  /** The largest distance. */
  readonly distanceMax: number
  /** Places in the slot, ascending, and distances. */
  readonly found: { readonly places: Uint16Array; readonly distances: Uint16Array }
  /** What `products` calls a code. */
  placeOf(slot: number, place: number): number
  /** The sums of the query's numbers times 0 to 15. Good until the next call. */
  products(places: Int32Array, count: number): Int32Array
}

interface Scans {
  readonly memory: SharedBytes
  /** Writes place and distance of what is near, 16 bits each; returns where they end. */
  readonly near: (from: number, end: number, tables: number, tablesEnd: number, out: number, limit: number) => number
  /** `size` is the bytes of a code. */
  readonly products: (from: number, end: number, query: number, size: number, out: number) => void
  /** The signs of one code, each 8 of them `GROUP` bytes behind those before. */
  readonly signs: (from: number, end: number, out: number) => void
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
  const distanceMax = (size / 4) * TABLE_MAX
  const chunkAt = (slot: number): number => FRONT_BYTES + Math.floor(slot / CHUNK_SLOTS) * CHUNK_SLOTS * slotBytes
  const signsAt = (slot: number): number => chunkAt(slot) + (slot % CHUNK_SLOTS) * SLOT_CODES * signBytes
  const codesAt = CHUNK_SLOTS * SLOT_CODES * signBytes
  const placeOf = (slot: number, place: number): number =>
    chunkAt(slot) + codesAt + ((slot % CHUNK_SLOTS) * SLOT_CODES + place) * codeBytes

  /** Makes the processor fetch codes that lie far apart, many at once: it waits for none of them. */
  function prefetch(places: Int32Array, from: number, to: number): void {
    let sum = 0
    for (let i = from; i < to; i++) {
      const at = places[i] as number
      for (let line = at; line < at + codeBytes; line += LINE_BYTES) sum ^= words[line >> 2] as number
    }
    words[FETCHED_SUM / 4] = sum // so that it cannot be left out
  }

  return {
    slotBytes,
    placeOf,
    distanceMax,
    found,
    take() {
      const known = free.pop()
      if (known !== undefined) return known
      const missing = placeOf(slots, SLOT_CODES) - bytes.length
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
      for (let i = 0; i < codes.length / codeBytes; i++) {
        const at = place + i
        const from = placeOf(slot, at)
        scans.signs(from, from + codeBytes, signsAt(slot) + (at - (at % GROUP)) * signBytes + (at % GROUP))
      }
    },
    ask(numbers) {
      writeTables(numbers, bytes.subarray(TABLES, TABLES + size * 4))
      bytes.set(new Uint8Array(numbers.buffer, numbers.byteOffset, size), NUMBERS)
    },
    near(slot, count, limit) {
      if (count === 0) return 0
      const from = signsAt(slot)
      const end = from + Math.ceil(count / GROUP) * GROUP * signBytes
      const outEnd = scans.near(from, end, TABLES, TABLES + size * 4, NEAR, Math.min(limit, distanceMax + 1))
      let near = (outEnd - NEAR) / 4
      for (let i = 0, at = NEAR / 2; i < near; i++, at += 2) {
        found.places[i] = halves[at] as number
        found.distances[i] = halves[at + 1] as number
      }
      // The last group may have room that is not taken.
      while (near > 0 && (found.places[near - 1] as number) >= count) near--
      return near
    },
    products(places, count) {
      words.set(places.subarray(0, count), PLACES / 4)
      for (let from = 0; from < count; from += FETCHED) {
        const to = Math.min(count, from + FETCHED)
        prefetch(places, from, to)
        scans.products(PLACES + from * 4, PLACES + to * 4, NUMBERS, codeBytes, PRODUCTS + from * 4)
      }
      return new Int32Array(bytes.buffer, PRODUCTS, count)
    },
  }
}

/** Of each four numbers, what each case of four signs adds to the distance: the sizes of those whose signs differ. */
function writeTables(numbers: Int8Array, tables: Uint8Array): void {
  const exact = new Float64Array(tables.length)
  let largest = 0
  for (let at = 0; at < exact.length; at += 16) {
    for (let signs = 0; signs < 16; signs++) {
      for (let bit = 0; bit < 4; bit++) {
        const number = numbers[at / 4 + bit] as number
        if (number >= 0 !== ((signs >> bit) & 1) > 0) (exact[at + signs] as number) += Math.abs(number)
      }
      largest = Math.max(largest, exact[at + signs] as number)
    }
  }
  const scale = largest > 0 ? TABLE_MAX / largest : 0
  for (let at = 0; at < exact.length; at++) tables[at] = Math.round((exact[at] as number) * scale)
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
    near(from, end, tables, tablesEnd, out, limit) {
      const bytes = new Uint8Array(buffer)
      const halves = new Uint16Array(buffer)
      const groupBytes = ((tablesEnd - tables) / 32) * GROUP
      for (let place = 0, group = from; group < end; place += GROUP, group += groupBytes) {
        for (let lane = 0; lane < GROUP; lane++) {
          let sum = 0
          for (let at = group + lane, table = tables; table < tablesEnd; at += GROUP, table += 32) {
            const signs = bytes[at] as number
            sum += (bytes[table + (signs & 15)] as number) + (bytes[table + 16 + (signs >> 4)] as number)
          }
          if (sum >= limit) continue
          halves[out / 2] = place + lane
          halves[out / 2 + 1] = sum
          out += 4
        }
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
      const bytes = new Uint8Array(buffer)
      for (let at = from; at < end; at += 16) {
        for (let first = 0; first < 16; first += 8, out += GROUP) {
          let [low, high] = [0, 0]
          for (let bit = 0; bit < 8; bit++) {
            const code = bytes[at + first + bit] as number
            low |= ((code >> 3) & 1) << bit
            high |= (code >> 7) << bit
          }
          bytes[out] = low
          bytes[out + 2 * GROUP] = high
        }
        out += 2 * GROUP
      }
    },
  }
}

// ---------------------------------------------------------------------------------------------------- in WebAssembly

function fastScans(): Scans | undefined {
  return instanceOf<Omit<Scans, 'memory'>>(1, [
    { name: 'near', parameters: 6, results: 1, body: nearBody() },
    { name: 'products', parameters: 5, results: 0, body: productsBody() },
    { name: 'signs', parameters: 3, results: 0, body: signsBody() },
  ])
}

/**
 *     near(codes, end, tables, tablesEnd, out, limit):
 *       do { low = 0; high = 0; table = tables
 *            do { bytes = 0
 *                 SUMMED times: signs = 16 bytes of codes; bytes += table[signs & 15] + the next table[signs >> 4]
 *                 low += the first 8 bytes; high += the others } while (table < tablesEnd)
 *            below = a bit for each of low, then of high, that is below the limit
 *            if below: SUMS = low, high
 *              do { out[0] = place + the number of the lowest bit of below; out[1] = its sum; out += 2
 *                   below &= below - 1 } while (below)
 *            place += 16 } while (codes < end)
 *       out
 */
function nearBody(): Code {
  const [codes, end, tables, tablesEnd, out, limit, table, place, below, bytes, signs, low, high, fifteens] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
  ] as const
  const [lookUp, and, shiftRight, addBytes, add16s] = [simd(0x0e), simd(0x4e), simd(0x8d, 1), simd(0x6e), simd(0x8e, 1)]
  const [firstHalf, otherHalf, eightTimes, areBelow] = [simd(0x89, 1), simd(0x8a, 1), simd(0x10), simd(0x2f)]
  const [narrow, bits, store, store16] = [simd(0x65), simd(0x64), simd(0x0b, 0, 0), [0x3b, 1]]
  const tableAt = (number: number): Code => [...get(table), ...simd(0x00, 0, ...sized(number * 16))]
  const number = (value: number): Code => [0x41, ...sized(value)]
  const summed = Array.from({ length: SUMMED }, (_, i) =>
    [
      [...load(codes, i * 16), ...set(signs), ...get(bytes)],
      [...tableAt(i * 2), ...get(signs), ...get(fifteens), ...and, ...lookUp, ...addBytes],
      [...tableAt(i * 2 + 1), ...get(signs), ...number(4), ...shiftRight, ...get(fifteens), ...and, ...lookUp],
      [...addBytes, ...set(bytes)],
    ].flat(),
  )
  const belowLimit = (sums: number): Code => [...get(sums), ...get(limit), ...eightTimes, ...areBelow]
  const lowestBit = [...get(below), 0x68]
  const body = loop(
    [...zeros, ...tee(low), ...set(high), ...get(tables), ...set(table)],
    loop(
      [...zeros, ...set(bytes), ...summed.flat()],
      [...get(low), ...get(bytes), ...firstHalf, ...add16s, ...set(low)],
      [...get(high), ...get(bytes), ...otherHalf, ...add16s, ...set(high)],
      [...advance(codes, SUMMED * 16), ...advance(table, SUMMED * 32), ...isBelow(table, tablesEnd)],
    ),
    [...belowLimit(low), ...belowLimit(high), ...narrow, ...bits, ...tee(below), 0x04, 0x40],
    [...number(SUMS), ...get(low), ...store, ...number(SUMS + 16), ...get(high), ...store],
    loop(
      [...get(out), ...get(place), ...lowestBit, ADD, ...store16, 0],
      [...get(out), ...lowestBit, ...number(2), MULTIPLY, 0x2f, 1, ...sized(SUMS), ...store16, 2],
      [...advance(out, 4), ...get(below), ...get(below), ...number(1), 0x6b, 0x71, ...tee(below)],
    ),
    [0x0b, ...advance(place, GROUP), ...isBelow(codes, end)],
  )
  const start = [...number(TABLE_MAX), ...simd(0x0f), ...set(fifteens)]
  return [2, 3, I32, 5, V128, ...start, ...body, ...get(out), 0x0b] // locals: three numbers, five vectors
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
 *            bits = the highest bits of the low halves, then those of the high ones
 *            out[0, GROUP, 2 GROUP, 3 GROUP] = the four bytes of bits; code++; out += 4 GROUP } while (code < end)
 */
function signsBody(): Code {
  const [code, end, out, bits, halves] = [0, 1, 2, 3, 4] as const
  const highestBits = simd(0x64)
  const low = [...get(halves), 0x41, 4, ...simd(0x6b), ...highestBits] // shifted left by 4
  const high = [...get(halves), ...highestBits, 0x41, 16, 0x74]
  const storeByte = (byte: number): Code =>
    [...get(out), ...get(bits), 0x41, byte * 8, 0x76, 0x3a, 0, byte * GROUP].flat()
  const body = loop(
    [...load(code, 0), ...set(halves), ...low, ...high, 0x72, ...set(bits)],
    [0, 1, 2, 3].flatMap(storeByte),
    [...advance(code, 16), ...advance(out, 4 * GROUP), ...isBelow(code, end)],
  )
  return [2, 1, I32, 1, V128, ...body, 0x0b] // locals: one number, one vector
}
