/**
 * The reader's word vectors: how alike two words are, by the company they keep in general English.
 *
 *     likeness(vectorOf('doctor'), vectorOf('physician'))   // 0.70
 *     likeness(vectorOf('doctor'), vectorOf('whale'))       // about 0
 *
 * The table is GloVe's, a factored table of counts, made small by scripts/build-reader-vectors.ts. It is read once, at the first question (about 40 ms); a vector is unpacked when its word is first met.
 *
 * Invariants
 *   RV1. Every vector has length 1, so that a likeness is between -1 and 1.
 *   RV2. The table is general English; nothing in it comes from a corpus or from its questions.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { dropOldest } from '../../kernel/drop-oldest.ts'

/** A direction of length 1. */
export type Vector = Float32Array

/** How many numbers a vector has. */
export const dimensions = 96

interface Table {
  /** The place of a word in the order of frequency. */
  readonly places: ReadonlyMap<string, number>
  readonly words: readonly string[]
  readonly bytes: Uint8Array
  lengths: Float32Array | undefined
  readonly vectors: (Vector | undefined)[]
}

let table: Table | undefined

/** The vector of a word as written in lower case; undefined when it is not known. */
export function vectorOf(word: string): Vector | undefined {
  table ??= load()
  const place = table.places.get(word)
  return place === undefined ? undefined : (table.vectors[place] ??= unpacked(table.bytes, place))
}

/** The place of a word, as written in lower case, in the order of frequency: 0 for the commonest; undefined when it is not known. */
export function placeByFrequency(word: string): number | undefined {
  table ??= load()
  return table.places.get(word)
}

/** The commonest words, the commonest first. */
export function frequentWords(count: number): readonly string[] {
  table ??= load()
  return table.words.slice(0, count)
}

/** How rare a word is in general English, 0 for the commonest to 1 for one that is not in the table. */
export function rarityInEnglish(word: string): number {
  table ??= load()
  const place = table.places.get(word)
  return place === undefined ? 1 : Math.log(1 + place) / Math.log(1 + table.places.size)
}

/** The words most alike to a word, best first, with their likeness; at least `likenessLeast`. None for an unknown word. */
export function nearestTo(word: string): readonly (readonly [word: string, likeness: number])[] {
  const before = nearest.get(word)
  if (before !== undefined) return before
  const vector = vectorOf(word)
  const found: [string, number][] = []
  if (vector !== undefined && table !== undefined) {
    const { words, bytes } = table
    table.lengths ??= lengthsOf(bytes, words.length)
    // For each byte of a packed vector, what each of its 256 values adds to the product.
    const adds = new Float32Array(128 * dimensions)
    for (let at = 0; at < dimensions / 2; at++)
      for (let byte = 0; byte < 256; byte++)
        adds[at * 256 + byte] =
          ((byte >> 4) - 8) * (vector[2 * at] as number) + ((byte & 15) - 8) * (vector[2 * at + 1] as number)
    const half = dimensions / 2
    for (let place = 0; place < words.length; place++) {
      let sum = 0
      const from = place * half
      for (let at = 0; at < half; at++) sum += adds[(at << 8) | (bytes[from + at] as number)] as number
      const cosine = sum / (table.lengths[place] as number)
      if (cosine >= likenessLeast && words[place] !== word) found.push([words[place] as string, cosine])
    }
  }
  const best = found.toSorted((a, b) => b[1] - a[1]).slice(0, nearestMax)
  if (nearest.size >= nearestWordsMax) dropOldest(nearest)
  nearest.set(word, best)
  return best
}

const likenessLeast = 0.5
const nearestMax = 40
const nearest = new Map<string, readonly (readonly [string, number])[]>()
const nearestWordsMax = 1_000

function lengthsOf(bytes: Uint8Array, count: number): Float32Array {
  const squares = Uint8Array.from({ length: 256 }, (_, byte) => ((byte >> 4) - 8) ** 2 + ((byte & 15) - 8) ** 2)
  const half = dimensions / 2
  return Float32Array.from({ length: count }, (_, place) => {
    let sum = 0
    for (let at = 0; at < half; at++) sum += squares[bytes[place * half + at] as number] as number
    return Math.sqrt(sum) || 1
  })
}

/** The cosine between two vectors. */
export function likeness(a: Vector, b: Vector): number {
  let sum = 0
  for (let at = 0; at < dimensions; at++) sum += (a[at] as number) * (b[at] as number)
  return sum
}

function unpacked(bytes: Uint8Array, place: number): Vector {
  const vector = new Float32Array(dimensions)
  let square = 0
  for (let at = 0; at < dimensions; at++) {
    const byte = bytes[(place * dimensions + at) >> 1] as number
    const value = (at % 2 === 0 ? byte >> 4 : byte & 15) - 8
    vector[at] = value
    square += value * value
  }
  const length = Math.sqrt(square) || 1
  for (let at = 0; at < dimensions; at++) vector[at] = (vector[at] as number) / length
  return vector
}

function load(): Table {
  const file = readFileSync(join(import.meta.dirname, 'reader-vectors.bin'))
  const first = file.indexOf('\n---\n') + 5
  const second = file.indexOf('\n---\n', first)
  const words = file.toString('latin1', first, second).split('\n')
  return {
    places: new Map(words.map((word, place) => [word, place])),
    words,
    bytes: file.subarray(second + 5),
    lengths: undefined,
    vectors: Array.from({ length: words.length }),
  }
}
