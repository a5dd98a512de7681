/**
 * The alphabet of a regular expression: code points in classes that none of its sets tells apart.
 *
 *     const alphabet = createAlphabet([[97, 122], [48, 57]])
 *     alphabet.classOf(98) === alphabet.classOf(120)    // true: no set has the one without the other
 *
 * Invariants
 *   AL1. Two code points are of one class exactly when each set holds both or neither.
 *   AL2. The classes are 0, 1, 2, …; each has a sample.
 */
import type { Ranges } from './regex.ts'
import { lastCodePoint } from './regex.ts'

export interface Alphabet {
  /** The code points where a class may begin; ascending, the first is 0. */
  readonly cuts: readonly number[]
  /** A code point of each class. */
  readonly samples: readonly number[]
  classOf(point: number): number
}

export function createAlphabet(sets: readonly Ranges[]): Alphabet {
  const distinct = [...new Map(sets.map((set) => [set.join(), set])).values()]
  const points = new Set([0])
  for (const set of distinct)
    for (let i = 0; i < set.length; i++) points.add(i % 2 === 0 ? (set[i] as number) : (set[i] as number) + 1)
  points.delete(lastCodePoint + 1)
  const cuts = [...points].sort((a, b) => a - b)
  const classes = new Map<string, number>()
  const samples: number[] = []
  const classAt = cuts.map((cut) => {
    const signature = distinct.map((set) => (isIn(set, cut) ? '1' : '0')).join('')
    let cls = classes.get(signature)
    if (cls === undefined) {
      cls = samples.push(cut) - 1
      classes.set(signature, cls)
    }
    return cls
  })
  const search = (point: number): number => classAt[lastAtMost(cuts, point)] as number
  const latin = Uint16Array.from({ length: 256 }, (_, point) => search(point))
  return { cuts, samples, classOf: (point) => (point < 256 ? (latin[point] as number) : search(point)) }
}

export function isIn(set: Ranges, point: number): boolean {
  for (let i = 0; i < set.length; i += 2)
    if (point >= (set[i] as number) && point <= (set[i + 1] as number)) return true
  return false
}

/** The index of the last number that is at most the given one. */
function lastAtMost(numbers: readonly number[], at: number): number {
  let low = 0
  let high = numbers.length - 1
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if ((numbers[middle] as number) <= at) low = middle
    else high = middle - 1
  }
  return low
}
