/**
 * How the words of a segment lie in bytes: blocks of entries, an entry being a token with the places where it stands.
 *
 *     const blocks = blockWriter(first, (leader, data) => …)
 *     blocks.add('whale', [17, 1, 23, 2])          // tokens in order; in entry 17 once, in entry 23 twice
 *     blocks.end()
 *     for (const { word, postings } of entriesIn(data)) …
 *
 * Places are numbers of entries within a space, ascending, each kept as the distance to the one before; how often the word
 * stands there follows where it is not once. Numbers are variable-length (7 bits a byte), as everywhere in search engines
 * (Manning, Raghavan, Schütze, Introduction to Information Retrieval, 2008, section 5.3).
 *
 * Invariants
 *   PB1. A token of more than `PART_BYTES` has blocks of its own; the others share blocks of at most `SHARED_BYTES`, known by
 *        their first token, their leader. So a token stands in the last block that does not come after it, and in those
 *        before with the token itself as leader.
 *   PB2. Each part says how many entries of the whole segment hold the token, and counts distances from `first` anew.
 */

/** Bytes of a block of many tokens: about a page. */
const SHARED_BYTES = 3_900
/** Bytes of one block of a frequent token. */
const PART_BYTES = 16_000

/** Where a token stands: `[entry, times, entry, times, …]`, ascending. */
export type Places = number[]

/** Some or all places of a token, still as bytes. */
export interface Postings {
  /** Entries of the segment that hold the token. */
  readonly total: number
  readonly data: Uint8Array
  readonly from: number
  readonly to: number
}

/** How often each entry of a segment holds a token, from its first entry on: for a frequent token, in which entries are looked up. */
export interface Dense {
  /** Entries that hold the token. */
  readonly total: number
  readonly times: Uint8Array
}

/** Where a token stands in a range of entries. */
export type List = readonly Postings[] | Places | Dense

/** Takes tokens in order, gives blocks. */
export interface BlockWriter {
  add(word: string, places: Places): void
  end(): void
}

/** `first` is the number before which no entry of the segment lies. */
export function blockWriter(first: number, write: (leader: string, data: Uint8Array) => void): BlockWriter {
  let shared = Buffer.allocUnsafe(SHARED_BYTES * 2)
  let used = 0
  let leader = ''
  let body = Buffer.allocUnsafe(PART_BYTES * 2)

  function flush(): void {
    if (used > 0) write(leader, shared.subarray(0, used))
    used = 0
  }

  /** Encodes places from `from` on, until the part is full. Returns the index of the first that is left. */
  function encode(places: Places, from: number): { next: number; bytes: number } {
    let at = 0
    let last = first
    let next = from
    for (; next < places.length && at < PART_BYTES; next += 2) {
      const entry = places[next] as number
      const times = places[next + 1] as number
      at = writeNumber(body, at, (entry - last) * 2 + (times > 1 ? 1 : 0))
      if (times > 1) at = writeNumber(body, at, times)
      last = entry
    }
    return { next, bytes: at }
  }

  function append(word: string, total: number, bytes: number): void {
    const needed = used + word.length * 3 + 15 + bytes
    if (needed > shared.length) {
      const larger = Buffer.allocUnsafe(needed * 2)
      shared.copy(larger, 0, 0, used)
      shared = larger
    }
    if (used === 0) leader = word
    const length = Buffer.byteLength(word)
    used = writeNumber(shared, used, length)
    used += shared.write(word, used, length)
    used = writeNumber(shared, used, total)
    used = writeNumber(shared, used, bytes)
    used += body.copy(shared, used, 0, bytes)
  }

  return {
    add(word, places) {
      const total = places.length / 2
      let { next, bytes } = encode(places, 0)
      if (next === places.length && bytes < PART_BYTES) {
        if (used > 0 && used + bytes + word.length > SHARED_BYTES) flush()
        append(word, total, bytes)
        return
      }
      flush()
      for (;;) {
        append(word, total, bytes)
        write(word, shared.subarray(0, used))
        used = 0
        if (next === places.length) return
        ;({ next, bytes } = encode(places, next))
      }
    },
    end: flush,
  }
}

/** The entries of a block, in order. */
export function* entriesIn(data: Uint8Array): Generator<{ readonly word: string; readonly postings: Postings }, void> {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const place = { at: 0 }
  while (place.at < data.length) {
    const length = readNumber(data, place)
    const word = bytes.toString('utf8', place.at, (place.at += length))
    yield { word, postings: readHead(data, place) }
  }
}

/** The entry of a token in a block that may hold it. `word` is UTF-8. */
export function findIn(data: Uint8Array, word: Uint8Array): Postings | undefined {
  const place = { at: 0 }
  while (place.at < data.length) {
    const length = readNumber(data, place)
    const start = place.at
    place.at += length
    const postings = readHead(data, place)
    if (length === word.length && isAt(data, start, word)) return postings
  }
  return undefined
}

function isAt(data: Uint8Array, start: number, word: Uint8Array): boolean {
  for (let i = 0; i < word.length; i++) if (data[start + i] !== word[i]) return false
  return true
}

/** Reads counts, and goes behind the places. */
function readHead(data: Uint8Array, place: { at: number }): Postings {
  const total = readNumber(data, place)
  const bytes = readNumber(data, place)
  const from = place.at
  place.at += bytes
  return { total, data, from, to: place.at }
}

/** Adds the places to a list. */
export function decode({ data, from, to }: Postings, first: number, places: Places): void {
  const place = { at: from }
  for (let entry = first; place.at < to;) {
    const number = readNumber(data, place)
    entry += number >>> 1
    places.push(entry, (number & 1) === 1 ? readNumber(data, place) : 1)
  }
}

/** The places of a token in a segment of so many entries; undefined where it stands somewhere too often for 8 bits. */
export function denseOf(parts: readonly Postings[], size: number): Dense | undefined {
  const all = new Uint8Array(size)
  for (const { data, from, to } of parts) {
    const place = { at: from }
    for (let entry = 0; place.at < to;) {
      const number = readNumber(data, place)
      entry += number >>> 1
      const times = (number & 1) === 1 ? readNumber(data, place) : 1
      if (times > TIMES_MAX) return undefined
      all[entry] = times
    }
  }
  return { total: parts[0]?.total ?? 0, times: all }
}

const TIMES_MAX = 255

/** The next number; `place` goes behind it. */
export function readNumber(data: Uint8Array, place: { at: number }): number {
  let byte = data[place.at++] as number
  if (byte < 128) return byte
  let number = byte & 127
  for (let shift = 7; byte >= 128; shift += 7) {
    byte = data[place.at++] as number
    number |= (byte & 127) << shift
  }
  return number
}

function writeNumber(data: Uint8Array, at: number, number: number): number {
  let left = number
  while (left >= 128) {
    data[at++] = (left & 127) | 128
    left >>>= 7
  }
  data[at++] = left
  return at
}
