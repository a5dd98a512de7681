/**
 * Vectors of entries, and which of them are nearest to one by their cosine.
 *
 *     const vectors = createVectors(database)
 *     vectors.put(id, vector)
 *     vectors.nearest([space], vector, { limit: 10, admitsIn })
 *
 * A vector is kept in the file with 8 bits a number. Codes of the settled ones are kept there too, and in memory (codes.ts):
 * 4 bits a number, of the vector after a fixed random rotation. A search narrows down three times: by their signs it goes
 * through all codes of the space, by the codes it orders those that are left, and what is best then is read from the file
 * and ordered by its cosine. Recent entries, and all of a small space, are in memory in full: nothing is narrowed down there.
 * How many of the true nearest are found so stands in bench/README.md.
 *
 * After the rotation each number tells as much as the others, whatever the embedder does with its dimensions, and the share
 * of signs in which two vectors differ follows their angle (Charikar, Similarity Estimation Techniques from Rounding
 * Algorithms, 2002). It changes signs and goes through a Hadamard transform, twice (Ailon and Chazelle, The Fast
 * Johnson-Lindenstrauss Transform, 2009).
 *
 * Invariants
 *   VE1. The code of a vector depends on the vector alone.
 *   VE2. Only vectors of one length are compared.
 *   VE3. What is in memory is known by `settled`, `next` and `thinned` of its space; the file is always right.
 *   VE4. Of a small space the settled vectors lie together in the file. One that has grown has a row for each, and codes; so
 *        has a small one of which format 2 of the file was the last. Both are read the same, so writers may differ in `smallMax`.
 *        A vector that is removed goes with its row at once. One that lies together with others is found no more, and stays
 *        in the file until its range is thinned, as a code does, or its space has grown: taking it out alone would write
 *        all of its value again, up to 512 vectors, for each note that is forgotten or changed.
 *   VE5. A space that does not fit into memory is read from the file each time: slow, and right. Of the codes of a space all
 *        are in memory, or none; which of both is decided when they are read, and anew when others come or go.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { EvictionName } from '../../kernel/eviction.ts'
import { createTier } from '../../kernel/tier.ts'
import { bestOf, type Best, type Ranked } from './best.ts'
import { createCodeMemory, PRODUCTS_MAX, SLOT_CODES, type CodeMemory } from './codes.ts'
import { createProducts, type Products } from './products.ts'
import { SPACE_ENTRIES, type Space } from './spaces.ts'
import { preparer } from './statements.ts'

/**
 * `vector` by the id of the entry; `code` has those of settled entries together: their numbers, 32 bits each, then their codes.
 * Where its `dimensions` are below 0, its entries have no row in `vector`: in place of codes it has the vectors themselves,
 * each with the sum of its squares in front, 32 bits.
 */
export const vectorTables = `
  CREATE TABLE vector(id INTEGER PRIMARY KEY, data BLOB NOT NULL);
  CREATE TABLE code(id INTEGER PRIMARY KEY, space INTEGER NOT NULL, dimensions INTEGER NOT NULL, first INTEGER NOT NULL,
    data BLOB NOT NULL, UNIQUE(space, dimensions, first))`

/** Numbers of a code: as many as the next power of two has for the dimensions, within these. */
const CODE_SIZE_MIN = 256
const CODE_SIZE_MAX = 1_024
/** Recent entries of a space, at most: so many become a segment. */
export const RECENT_MAX = 512
/** Settled entries up to which a space is small: comparing with all of so many is as fast as narrowing down. */
const SMALL_MAX = 2_048
/** Part of the memory for codes that one space may take: at the default, 1.2 million vectors of up to 256 numbers. */
const SPACE_SHARE = 0.75
/** Part of a space that its signs let through, and how many at least: of a million, what holds .998 of the ten nearest (bench/README.md). */
const SIGNS_PART = 0.005
const SIGNS_MIN = 4_096
/** Entries that are read from the file, at least, and beyond those that are wanted. */
const READ_MIN = 200
const READ_MORE = 50
/** Distance between two values of a code, in standard deviations of its numbers: the best for 16 values of a normal distribution (Max, Quantizing for Minimum Distortion, 1960). */
const STEP = 0.3352

/** The vectors of a database. Writers open the transactions. */
export interface Vectors {
  put(id: number, vector: Float32Array): void
  remove(id: number): void
  /** Entries of a range of a space are settled. `dead` are those of the space that are gone. */
  settle(space: number, first: number, last: number, dead: ReadonlySet<number>): void
  /** Codes of dead entries go. */
  thin(space: number, first: number, last: number, dead: ReadonlySet<number>): void
  nearest(spaces: readonly Space[], vector: Float32Array, options: NearestOptions): Ranked[]
}

/** How many are wanted, and of which. */
export interface NearestOptions {
  readonly limit: number
  /** Which entries of a space may come; undefined where all may. */
  admitsIn(space: number): ((entry: number) => boolean) | undefined
}

/** Memory for what is known of vectors. */
export interface VectorMemoryOptions {
  readonly bytesMax: number
  readonly eviction: EvictionName
  /** Settled entries up to which a space is small. @default 2,048 */
  readonly smallMax?: number
}

/** Some codes in memory, with the numbers of their entries. */
interface Slot {
  readonly slot: number
  count: number
  readonly entries: Uint32Array
}

/** What is in memory of a space, for vectors of one length. */
interface Known {
  /** As of which state. */
  space: Space
  /** Codes of the entries before `from`. */
  readonly slots: Slot[]
  from: number
  /** Those from there on, in full. */
  full: Full
  /** Whether all codes before `from` are in `slots`, or none is. */
  readonly isInMemory: boolean
}

/** Vectors with 8 bits a number, each `stride` behind the one before, with the numbers of their entries and their lengths. */
interface Vectors8 {
  readonly data: Int8Array
  readonly stride: number
  readonly entries: ArrayLike<number>
  readonly lengths: ArrayLike<number>
}

/** Vectors that came row by row, with room for more. */
interface Rows extends Vectors8 {
  data: Int8Array
  readonly entries: number[]
  readonly lengths: number[]
}

/** Vectors in full: those that lie together in the file, and those of rows. */
interface Full {
  packed: readonly Vectors8[]
  readonly rows: Rows
}

export function createVectors(
  database: DatabaseSync,
  { bytesMax, eviction, smallMax = SMALL_MAX }: VectorMemoryOptions,
): Vectors {
  const prepare = preparer(database)
  const memories = new Map<number, CodeMemory>()
  let createdProducts: Products | undefined
  const tier = createTier<string, Known & { readonly memory: CodeMemory }>({
    bytesMax,
    eviction,
    onLeave: ({ slots, memory }) => slots.forEach(({ slot }) => memory.give(slot)),
  })

  function memoryFor(dimensions: number): CodeMemory {
    const size = codeSizeOf(dimensions)
    let memory = memories.get(size)
    if (memory === undefined) memories.set(size, (memory = createCodeMemory(size)))
    return memory
  }

  /** Made for the first question: most stores are never asked. */
  const products: Products = (...given) => (createdProducts ??= createProducts())(...given)

  function put(id: number, vector: Float32Array): void {
    prepare('INSERT INTO vector VALUES(?, ?)').run(id, new Uint8Array(quantised(vector).buffer))
  }

  function rowsOf(space: number, first: number, last: number): { entry: number; data: Int8Array }[] {
    const base = space * SPACE_ENTRIES
    const statement = prepare('SELECT id, data FROM vector WHERE id >= ? AND id < ? ORDER BY id')
    statement.setReturnArrays(true)
    const rows = statement.all(base + first, base + last) as unknown as (readonly [id: number, data: Uint8Array])[]
    return rows.map(([id, data]) => ({ entry: id - base, data: signed(data) }))
  }

  /** Vectors of a range of a space. */
  function vectorsOf(space: number, first: number, last: number, dimensions: number): Joined {
    const base = space * SPACE_ENTRIES
    const sql = `SELECT ${joined} FROM (SELECT id, data FROM vector WHERE id >= ? AND id < ? AND length(data) = ? ORDER BY id) AS vector`
    return joinedIn(prepare(sql).get(base + first, base + last, dimensions))
  }

  /** Vectors of these ids. */
  function vectorsOfIds(ids: readonly number[], dimensions: number): Joined {
    const sql = `SELECT ${joined} FROM json_each(?) AS wanted CROSS JOIN vector ON vector.id = wanted.value WHERE length(data) = ?`
    return joinedIn(prepare(sql).get(JSON.stringify(ids), dimensions))
  }

  function settle(space: number, first: number, last: number, dead: ReadonlySet<number>): void {
    if (last <= smallMax) return pack(space, first, last)
    unpack(space, dead)
    for (const [dimensions, group] of rowsByLength(space, first, last))
      keep(
        space,
        dimensions,
        first,
        group.map(({ entry, data }) => ({ entry, code: codeOf(data) })),
      )
  }

  /** All that a search of a small space compares comes as one value, on pages behind each other, and not from a row for each. */
  function pack(space: number, first: number, last: number): void {
    for (const [dimensions, group] of rowsByLength(space, first, last))
      keep(
        space,
        -dimensions,
        first,
        group.map(({ entry, data }) => ({ entry, code: withSquares(data) })),
      )
    const base = space * SPACE_ENTRIES
    prepare('DELETE FROM vector WHERE id >= ? AND id < ?').run(base + first, base + last)
  }

  /** A space is not small any more: codes tell which of its vectors are worth reading, each from a row of its own. */
  function unpack(space: number, dead: ReadonlySet<number>): void {
    const sql = 'SELECT id, dimensions, first, data FROM code WHERE space = ? AND dimensions < 0'
    for (const { id, dimensions, first, data } of prepare(sql).all(space) as unknown as CodeRow[]) {
      const codes: Entry[] = []
      for (const { entry, code } of unpacked(data, dimensions)) {
        if (dead.has(entry)) continue
        const vector = code.subarray(SQUARES_BYTES)
        prepare('INSERT INTO vector VALUES(?, ?)').run(space * SPACE_ENTRIES + entry, vector)
        codes.push({ entry, code: codeOf(signed(vector)) })
      }
      if (codes.length > 0) keep(space, -dimensions, first, codes)
      prepare('DELETE FROM code WHERE id = ?').run(id)
    }
  }

  function rowsByLength(space: number, first: number, last: number) {
    return Map.groupBy(rowsOf(space, first, last), ({ data }) => data.length)
  }

  function keep(space: number, dimensions: number, first: number, entries: readonly Entry[]): void {
    const sql = 'INSERT INTO code(space, dimensions, first, data) VALUES(?, ?, ?, ?)'
    prepare(sql).run(space, dimensions, first, packed(entries))
  }

  function thin(space: number, first: number, last: number, dead: ReadonlySet<number>): void {
    const rows = prepare('SELECT id, dimensions, first, data FROM code WHERE space = ?').all(space)
    for (const { id, dimensions, first: at, data } of rows as unknown as CodeRow[]) {
      if (at < first || at >= last) continue
      const all = unpacked(data, dimensions)
      const alive = all.filter(({ entry }) => !dead.has(entry))
      if (alive.length === all.length) continue
      prepare('DELETE FROM code WHERE id = ?').run(id)
      if (alive.length > 0) keep(space, dimensions, at, alive)
    }
  }

  /** Vectors of a small space that lie together. */
  function packedOf(space: number, dimensions: number): Vectors8[] {
    const rows = prepare('SELECT data FROM code WHERE space = ? AND dimensions = ? ORDER BY first').all(
      space,
      -dimensions,
    )
    return rows.map((row) => {
      const { entries, codes, stride } = codesIn(row['data'] as Uint8Array, -dimensions)
      const view = new DataView(codes.buffer, codes.byteOffset)
      const lengths = Array.from(entries, (_, i) => Math.sqrt(view.getUint32(i * stride, true)))
      return { data: signed(codes.subarray(SQUARES_BYTES)), stride, entries, lengths }
    })
  }

  function* settledCodes(space: Space, dimensions: number, from: number): Generator<Codes, void> {
    const rows = prepare('SELECT data FROM code WHERE space = ? AND dimensions = ? AND first >= ? ORDER BY first')
    for (const row of rows.iterate(space.id, dimensions, from)) yield codesIn(row['data'] as Uint8Array, dimensions)
  }

  /** Puts codes into slots, the first into `last` as far as there is room. */
  function* filled(all: Iterable<Codes>, memory: CodeMemory, last?: Slot): Generator<Slot, void> {
    for (const { entries, codes, stride } of all) {
      for (let from = 0; from < entries.length;) {
        if (last === undefined || last.count === SLOT_CODES) {
          last = { slot: memory.take(), count: 0, entries: new Uint32Array(SLOT_CODES) }
          yield last
        }
        const to = Math.min(entries.length, from + SLOT_CODES - last.count)
        memory.write(last.slot, last.count, codes.subarray(from * stride, to * stride))
        last.entries.set(entries.subarray(from, to), last.count)
        last.count += to - from
        from = to
      }
    }
  }

  /** Whether the codes of a space fit into memory beside those of others. Codes of dead entries count as long as they are there. */
  function fits({ id }: Space, dimensions: number, memory: CodeMemory): boolean {
    const sql = 'SELECT total(length(data)) AS bytes FROM code WHERE space = ? AND dimensions = ?'
    const { bytes } = prepare(sql).get(id, dimensions) as { bytes: number }
    const codes = bytes / (4 + codeSizeOf(dimensions) / 2)
    const slotBytes = Math.ceil(codes / SLOT_CODES) * bytesOf(memory)
    return slotBytes <= bytesMax * SPACE_SHARE && slotBytes + RECENT_MAX * 2 * (dimensions + FULL_BYTES) <= bytesMax
  }

  /** What is in memory of a space, read on from where it was read last. */
  function knownOf(space: Space, dimensions: number, memory: CodeMemory): Known {
    const key = `${space.id}/${dimensions}`
    let known = tier.get(key)
    if (known?.space.version === space.version) return known
    const from = space.settled <= smallMax ? 0 : space.settled
    // The dead among what was settled or thinned since are told of no more.
    let isOld = known?.space.thinned !== space.thinned || (from === 0 && known.space.settled !== space.settled)
    // Which codes there are changes with what is settled or thinned alone, not with what is removed.
    const isInMemory = !isOld && known?.from === from ? known.isInMemory : from === 0 || fits(space, dimensions, memory)
    isOld ||= known?.isInMemory !== isInMemory
    if (known !== undefined && isOld) {
      tier.delete(key)
      known = undefined
    }
    known ??= { space: { ...space, next: 0 }, slots: [], from: 0, full: emptyFull(dimensions), isInMemory, memory }
    let first = known.space.next
    if (known.from !== from) {
      if (isInMemory) {
        for (const slot of filled(settledCodes(space, dimensions, known.from), memory, known.slots.at(-1)))
          known.slots.push(slot)
      }
      known.full = emptyFull(dimensions)
      known.from = first = from
    }
    if (first === from) known.full.packed = packedOf(space.id, dimensions)
    addRows(known.full.rows, vectorsOf(space.id, first, space.next, dimensions), space.id, dimensions)
    known.space = space
    const fullBytes = [known.full.rows, ...known.full.packed].reduce(
      (sum, { data, entries }) => sum + data.length + entries.length * FULL_BYTES,
      0,
    )
    return tier.set(key, known, known.slots.length * bytesOf(memory) + fullBytes)
  }

  /** All codes of a space, slot by slot. */
  function* slotsOf(known: Known, dimensions: number, memory: CodeMemory): Generator<Slot, void> {
    if (known.isInMemory) return yield* known.slots
    let full: Slot | undefined
    for (const slot of filled(settledCodes(known.space, dimensions, 0), memory)) {
      if (full !== undefined) yield full
      if (full !== undefined) memory.give(full.slot)
      full = slot
    }
    if (full === undefined) return
    yield full
    memory.give(full.slot)
  }

  /** Offers the entries of a space to the best, by what their codes say. */
  function offer(known: Known, query: Query, best: Best, admits?: (entry: number) => boolean): void {
    const memory = memoryFor(query.vector.length)
    memory.ask(query.numbers)
    const { isInMemory } = known
    const { id, settled } = known.space
    const asked = new Int32Array(PRODUCTS_MAX)

    function offerAll(places: ArrayLike<number>, count: number, slotOf: (place: number) => Slot): void {
      for (let start = 0; start < count; start += PRODUCTS_MAX) {
        const size = Math.min(PRODUCTS_MAX, count - start)
        for (let i = 0; i < size; i++) {
          const place = places[start + i] as number
          asked[i] = memory.placeOf(slotOf(place).slot, place % SLOT_CODES)
        }
        const products = memory.products(asked, size)
        for (let i = 0; i < size; i++) {
          const product = products[i] as number
          if (product < best.least) continue
          const place = places[start + i] as number
          const entry = slotOf(place).entries[place % SLOT_CODES] as number
          if (best.wants(product, id, entry)) best.add(product, id, entry)
        }
      }
    }

    const wanted = Math.max(SIGNS_MIN, Math.floor(settled * SIGNS_PART))
    const all = memory.distanceMax + 1

    /** Those that are less than `start` away by their signs, the closest of them. */
    function closestBelow(start: number) {
      const passed = closest(wanted, all, start)
      let limit = start
      let base = 0
      for (const slot of slotsOf(known, query.vector.length, memory)) {
        const count = memory.near(slot.slot, slot.count, limit)
        const { places, distances } = memory.found
        const here: number[] = []
        for (let i = 0; i < count; i++) {
          const place = places[i] as number
          const distance = distances[i] as number
          if (distance >= limit || admits?.(slot.entries[place] as number) === false) continue
          limit = passed.add(distance, base + place)
          if (!isInMemory) here.push(place)
        }
        base += SLOT_CODES
        if (!isInMemory) offerAll(here, here.length, () => slot) // the next one takes its place
      }
      return passed
    }

    if (!isInMemory) return void closestBelow(all)
    const start = likelyLimit(known.slots, wanted, all, memory)
    let passed = closestBelow(start)
    if (passed.count() < wanted && start < all) passed = closestBelow(all)
    const places = passed.list()
    offerAll(places, places.length, (place) => known.slots[Math.floor(place / SLOT_CODES)] as Slot)
  }

  function nearest(spaces: readonly Space[], given: Float32Array, { limit, admitsIn }: NearestOptions): Ranked[] {
    const vector = given.map((number) => (Number.isFinite(number) ? number : 0))
    const length = Math.sqrt(vector.reduce((sum, number) => sum + number * number, 0))
    const memory = memoryFor(vector.length)
    const rotated = rotatedOf(quantised(vector))
    const query: Query = { vector, numbers: quantised(rotated) }
    const best = bestOf(Math.max(READ_MIN, limit + READ_MORE))
    const ranked = bestOf(limit)
    for (const space of spaces) {
      const known = knownOf(space, vector.length, memory)
      const admits = admitsIn(space.id)
      for (const { entries, lengths, data, stride } of [known.full.rows, ...known.full.packed]) {
        const all = products(vector, data, stride, entries.length)
        for (let i = 0; i < entries.length; i++) {
          const entry = entries[i] as number
          if (admits?.(entry) === false) continue
          const lengthsProduct = length * (lengths[i] as number)
          const score = lengthsProduct > 0 ? (all[i] as number) / lengthsProduct : 0
          if (ranked.wants(score, space.id, entry)) ranked.add(score, space.id, entry)
        }
      }
      if (known.from > 0) offer(known, query, best, admits)
    }
    read(best.list(), vector, length, ranked)
    return ranked.list()
  }

  /** Adds entries with their cosine. */
  function read(chosen: readonly Ranked[], vector: Float32Array, length: number, ranked: Best): void {
    if (chosen.length === 0) return
    const { ids, data } = vectorsOfIds(
      chosen.map(({ space, entry }) => space * SPACE_ENTRIES + entry).sort((a, b) => a - b),
      vector.length,
    )
    const all = products(vector, data, vector.length, ids.length)
    for (const [i, id] of ids.entries()) {
      const space = Math.floor(id / SPACE_ENTRIES)
      const entry = id - space * SPACE_ENTRIES
      const own = lengthOf(data, i * vector.length, vector.length)
      const score = length * own > 0 ? (all[i] as number) / (length * own) : 0
      if (ranked.wants(score, space, entry)) ranked.add(score, space, entry)
    }
  }

  return {
    put,
    remove: (id) => void prepare('DELETE FROM vector WHERE id = ?').run(id),
    settle,
    thin,
    nearest,
  }
}

interface Query {
  readonly vector: Float32Array
  readonly numbers: Int8Array
}

interface Entry {
  readonly entry: number
  readonly code: Uint8Array
}

/** Codes side by side, `stride` bytes each, with the numbers of their entries. */
interface Codes {
  readonly entries: Uint32Array
  readonly codes: Uint8Array
  readonly stride: number
}

interface CodeRow {
  readonly id: number
  readonly dimensions: number
  readonly first: number
  readonly data: Uint8Array
}

/** Of a slot, with the numbers of its entries. */
function bytesOf(memory: CodeMemory): number {
  return memory.slotBytes + SLOT_CODES * 4
}

function signed(data: Uint8Array): Int8Array {
  return new Int8Array(data.buffer, data.byteOffset, data.byteLength)
}

function packed(entries: readonly Entry[]): Uint8Array {
  const stride = entries[0]?.code.length ?? 0
  const data = new Uint8Array(entries.length * (4 + stride))
  const view = new DataView(data.buffer)
  for (const [i, { entry, code }] of entries.entries()) {
    view.setUint32(i * 4, entry, true)
    data.set(code, entries.length * 4 + i * stride)
  }
  return data
}

/** Bytes of a code, or of a vector with its sum of squares. */
function strideOf(dimensions: number): number {
  return dimensions < 0 ? SQUARES_BYTES - dimensions : codeSizeOf(dimensions) / 2
}

/** Bytes of the sum of its squares in front of a vector. */
const SQUARES_BYTES = 4

function withSquares(data: Int8Array): Uint8Array {
  const code = new Uint8Array(SQUARES_BYTES + data.length)
  new DataView(code.buffer).setUint32(0, squaresOf(data, 0, data.length), true)
  code.set(data, SQUARES_BYTES) // bytes keep their bits
  return code
}

function codesIn(data: Uint8Array, dimensions: number): Codes {
  const stride = strideOf(dimensions)
  const count = data.length / (4 + stride)
  const view = new DataView(data.buffer, data.byteOffset)
  const entries = new Uint32Array(count)
  for (let i = 0; i < count; i++) entries[i] = view.getUint32(i * 4, true)
  return { entries, codes: data.subarray(count * 4), stride }
}

function unpacked(data: Uint8Array, dimensions: number): Entry[] {
  const { entries, codes, stride } = codesIn(data, dimensions)
  return Array.from(entries, (entry, i) => ({ entry, code: codes.subarray(i * stride, (i + 1) * stride) }))
}

/** The distance below which about as many as wanted lie, and some more, by every sixteenth slot; `all` where they are few. */
function likelyLimit(slots: readonly Slot[], wanted: number, all: number, memory: CodeMemory): number {
  if (slots.length < SAMPLED_SLOTS * 2) return all
  const counts = new Uint32Array(all)
  let seen = 0
  for (let i = 0; i < slots.length; i += SAMPLED_SLOTS) {
    const { slot, count } = slots[i] as Slot
    const { distances } = memory.found
    const all = memory.near(slot, count, Infinity)
    for (let j = 0; j < all; j++) (counts[distances[j] as number] as number)++
    seen += count
  }
  const enough = (wanted * 1.25 * seen) / (slots.length * SLOT_CODES) + SAMPLED_MORE
  let limit = 0
  for (let sum = 0; limit < all && sum < enough; limit++) sum += counts[limit] as number
  return limit
}

/** Of so many slots one is looked at first. */
const SAMPLED_SLOTS = 16
/** How many more are taken than a sample says: that it says too little by chance shall be rare. */
const SAMPLED_MORE = 64

/** Keeps the closest places of those below `start`: as many as wanted, and those as far as the last of them. */
function closest(wanted: number, all: number, start: number) {
  const counts = new Uint32Array(all)
  let places = new Int32Array(wanted * 2 + 1_024)
  let distances = new Uint16Array(places.length)
  let count = 0
  let kept = 0
  let limit = start

  function clear(): void {
    let left = 0
    for (let i = 0; i < count; i++) {
      if ((distances[i] as number) >= limit) continue
      places[left] = places[i] as number
      distances[left++] = distances[i] as number
    }
    count = left
    if (count * 2 < places.length) return
    const [before, beforeDistances] = [places, distances]
    places = new Int32Array(before.length * 2)
    places.set(before)
    distances = new Uint16Array(places.length)
    distances.set(beforeDistances)
  }

  return {
    count: () => kept,
    /** Returns the distance from which on none comes in any more. */
    add(distance: number, place: number): number {
      if (count === places.length) clear()
      places[count] = place
      distances[count++] = distance
      counts[distance] = (counts[distance] as number) + 1
      kept++
      // The farthest go, as long as enough stay without them.
      while (kept - (counts[limit - 1] as number) >= wanted) kept -= counts[--limit] as number
      return limit
    },
    list(): Int32Array {
      clear()
      return places.subarray(0, count)
    },
  }
}

/** Numbers of -127 to 127, the largest of which is one of these ends. Their cosine with another is that of the vector, nearly. */
function quantised(vector: Float32Array): Int8Array {
  let largest = 0
  for (const number of vector) if (Math.abs(number) > largest) largest = Math.abs(number)
  const scale = largest > 0 && largest < Infinity ? 127 / largest : 0
  const data = new Int8Array(vector.length)
  for (let i = 0; i < vector.length; i++) data[i] = Math.round((vector[i] as number) * scale)
  return data
}

/** Of the vector that begins at that place. */
function lengthOf(data: Int8Array, at: number, dimensions: number): number {
  return Math.sqrt(squaresOf(data, at, dimensions))
}

function squaresOf(data: Int8Array, at: number, dimensions: number): number {
  let squares = 0
  // By its place: stepping through with `of` takes five times as long. Whole numbers: adding others takes twice as long.
  for (let i = at; i < at + dimensions; i++) squares = (squares + (data[i] as number) * (data[i] as number)) | 0
  return squares
}

/** Vectors of one length side by side, by the ids of their entries. */
interface Joined {
  readonly ids: readonly number[]
  readonly data: Int8Array
}

/** The columns of `Joined`: one row of all vectors, as a row for each takes longer. SQLite joins bytes as they are, and calls them text until they are cast. */
const joined = "json_group_array(vector.id) AS ids, CAST(group_concat(data, '') AS BLOB) AS data"

function joinedIn(row: unknown): Joined {
  const { ids, data } = row as { readonly ids: string; readonly data: Uint8Array | null }
  return { ids: JSON.parse(ids) as number[], data: signed(data ?? new Uint8Array()) }
}

/** What a vector in memory takes beside its numbers, bytes. */
const FULL_BYTES = 16

function emptyFull(dimensions: number): Full {
  return { packed: [], rows: { data: new Int8Array(0), stride: dimensions, entries: [], lengths: [] } }
}

function addRows(full: Rows, { ids, data }: Joined, space: number, dimensions: number): void {
  const used = full.entries.length * dimensions
  if (used === 0) full.data = data
  else if (full.data.length < used + data.length) {
    // Twice as much, as notes come one by one.
    const larger = new Int8Array(Math.max(used + data.length, full.data.length * 2))
    larger.set(full.data.subarray(0, used))
    full.data = larger
  }
  if (used > 0) full.data.set(data, used)
  for (const [i, id] of ids.entries()) {
    full.entries.push(id - space * SPACE_ENTRIES)
    full.lengths.push(lengthOf(full.data, used + i * dimensions, dimensions))
  }
}

// ------------------------------------------------------------------------------------------------------------- codes

function codeSizeOf(dimensions: number): number {
  return Math.min(rotatedSizeOf(dimensions), CODE_SIZE_MAX)
}

function rotatedSizeOf(dimensions: number): number {
  let size = CODE_SIZE_MIN
  while (size < dimensions) size *= 2
  return size
}

function codeOf(data: Int8Array): Uint8Array {
  return codeFrom(rotatedOf(data))
}

/** Four bits a number: in which of 16 steps around 0 it lies. In the order of codes.ts. */
function codeFrom(rotated: Float32Array): Uint8Array {
  let squares = 0
  for (const number of rotated) squares += number * number
  const perStep = squares > 0 ? 1 / (STEP * Math.sqrt(squares / rotated.length)) : 0
  const valueOf = (number: number): number => Math.max(0, Math.min(15, Math.floor(number * perStep) + 8))
  const code = new Uint8Array(rotated.length / 2)
  for (let i = 0; i < code.length; i++) {
    const number = (i >> 4) * 32 + (i & 15)
    code[i] = valueOf(rotated[number] as number) | (valueOf(rotated[number + 16] as number) << 4)
  }
  return code
}

/** The numbers after the rotation, as many as a code has. Good until the next call. */
function rotatedOf(data: Int8Array): Float32Array {
  const size = rotatedSizeOf(data.length)
  let room = rooms.get(size)
  if (room === undefined) rooms.set(size, (room = new Float32Array(size)))
  room.fill(0)
  room.set(data)
  for (let turn = 0; turn < 2; turn++) {
    flip(room, turn)
    hadamard(room)
  }
  return room.subarray(0, CODE_SIZE_MAX)
}

const rooms = new Map<number, Float32Array>()

/** Changes signs, always the same ones: by the bits of a multiplicative hash (Knuth, TAOCP 3, section 6.4). */
function flip(numbers: Float32Array, turn: number): void {
  for (let i = 0; i < numbers.length; i++) {
    const hash = Math.imul(Math.imul(i * 2 + turn + 1, 0x9e3779b1) ^ 0x85ebca6b, 0xc2b2ae35)
    if (hash < 0) numbers[i] = -(numbers[i] as number)
  }
}

/** The fast Walsh-Hadamard transform, in place; the length is a power of two. */
function hadamard(numbers: Float32Array): void {
  for (let half = 1; half < numbers.length; half *= 2) {
    for (let start = 0; start < numbers.length; start += half * 2) {
      for (let i = start; i < start + half; i++) {
        const a = numbers[i] as number
        const b = numbers[i + half] as number
        numbers[i] = a + b
        numbers[i + half] = a - b
      }
    }
  }
}
