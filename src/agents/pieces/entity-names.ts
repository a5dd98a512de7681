/**
 * Whether two names are of one entity, without a model: as in Graphiti, equal but for case and space, or so alike that
 * nobody would take them for two. What neither of the two says is for a model to judge.
 *
 *     const found = sameName('Ann  Lee', names)          // index of the name, or undefined: nobody knows
 *     [nameMark('Ann Lee'), ...likenessMarks('Ann Lee')] // words under which a note about it is found again
 *
 * Likeness: MinHash of 32 permutations over three letters at a time, in bands of 4; names that share a band are compared
 * by Jaccard, which has to be at least 0.9. Names that are short or monotonous are never compared so.
 *
 * Corrected against the release: letters of all scripts count (there, only a to z, so that all other names are alike), and
 * equal names are the same however short.
 */
import { hash32, markOf } from './text-hash.ts'
import { jaccard } from './topics.ts'

/** As in Graphiti. */
const ENTROPY_MIN = 1.5
const LENGTH_MIN = 6
const WORDS_MIN = 2
const JACCARD_MIN = 0.9
const PERMUTATIONS = 32
const BAND = 4

/** The name that matches `name`, by its place; undefined where none surely does. */
export function sameName(name: string, known: readonly string[]): number | undefined {
  const equal = known.findIndex((one) => plainName(one) === plainName(name))
  if (equal >= 0) return equal
  if (!isTelling(name)) return undefined
  const own = shinglesOf(name)
  let best: { readonly place: number; readonly likeness: number } | undefined
  for (const [place, one] of known.entries()) {
    if (!isTelling(one) || !shareBand(name, one)) continue
    const likeness = jaccard(own, shinglesOf(one))
    if (likeness >= JACCARD_MIN && likeness > (best?.likeness ?? 0)) best = { place, likeness }
  }
  return best?.place
}

/** Lower case, one space between words. */
export function plainName(name: string): string {
  return name.normalize('NFKC').toLowerCase().replaceAll(/\s+/g, ' ').trim()
}

/** One word for a name and all that are equal to it. */
export function nameMark(name: string): string {
  return markOf(plainName(name))
}

/** One word for each band: two names are worth comparing if they share one. None for names that likeness does not reach. */
export function likenessMarks(name: string): string[] {
  return isTelling(name) ? bandsOf(name).map((band, i) => markOf(`${i}: ${band}`)) : []
}

/** Whether likeness says anything of the name: it is long enough, or of several words, and not of a few letters. */
export function isTelling(name: string): boolean {
  const letters = lettersOf(name)
  if (letters.length < LENGTH_MIN && letters.split(' ').length < WORDS_MIN) return false
  return entropyOf(letters.replaceAll(' ', '')) >= ENTROPY_MIN
}

/** Bits a letter: Shannon's, over the letters of the text. */
export function entropyOf(text: string): number {
  const counts = new Map<string, number>()
  for (const letter of text) counts.set(letter, (counts.get(letter) ?? 0) + 1)
  const each = [...counts.values()]
  const total = each.reduce((sum, count) => sum + count, 0)
  return each.reduce((sum, count) => sum - (count / total) * Math.log2(count / total), 0)
}

export function minHash(name: string): number[] {
  const shingles = [...shinglesOf(name)]
  return Array.from({ length: PERMUTATIONS }, (_, seed) => Math.min(...shingles.map((one) => hash32(one, seed))))
}

function bandsOf(name: string): string[] {
  const signature = minHash(name)
  return Array.from({ length: PERMUTATIONS / BAND }, (_, i) => signature.slice(i * BAND, (i + 1) * BAND).join(' '))
}

function shareBand(a: string, b: string): boolean {
  const bands = bandsOf(b)
  return bandsOf(a).some((band, i) => band === bands[i])
}

/** Letters, digits and apostrophes, in words. */
function lettersOf(name: string): string {
  return plainName(name)
    .replaceAll(/[^\p{L}\p{M}\p{N}' ]/gu, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

/** Three signs at a time, over the borders of words. */
function shinglesOf(name: string): ReadonlySet<string> {
  const letters = lettersOf(name).replaceAll(' ', '')
  if (letters.length < 3) return new Set([letters])
  return new Set(Array.from({ length: letters.length - 2 }, (_, i) => letters.slice(i, i + 3)))
}
