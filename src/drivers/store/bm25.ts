/**
 * BM25 over parts of spaces: the best entries for some words, without looking at more postings than can matter.
 *
 *     const best = createRanking()
 *     best({ parts, terms: [['whale'], ['covid', '19']], docs: 1_000, tokens: 40_000, limit: 10, admits })
 *
 * The score is Robertson's and Zaragoza's (The Probabilistic Relevance Framework: BM25 and Beyond, 2009) in the form of
 * SQLite's FTS5: k1 = 1.2, b = 0.75, and a word in more than half of all entries counts almost nothing. A word is rare or
 * common among the `docs` entries that are searched, not in the whole store.
 *
 * Words are taken from the rarest to the commonest, part by part, into accumulators. When even all words that are left could
 * not bring a new entry among the best, they only add to entries that are there (MaxScore: Turtle and Flood, Query
 * Evaluation: Strategies and Optimizations, 1995). Words that count almost nothing are looked at only where there are not
 * enough entries without them.
 *
 * Invariants
 *   BM1. The result is that of scoring every entry, until `POSTINGS_MAX` postings were read; then the commonest words of the
 *        query are left out.
 *   BM2. It does not depend on how entries lie in segments. Of equal scores at the limit, the older entries stay.
 */
import { bestOf, type Ranked } from './best.ts'
import { decode, type Places, type Postings } from './postings.ts'

/** Saturation of repeated words, and how much long entries pay for their length: the values of FTS5. */
const K1 = 1.2
const B = 0.75
/** Weight of a word in more than half of the entries, as FTS5 has it. */
const WEIGHT_MIN = 1e-6
/** Postings that one search reads; some 30 ms. */
const POSTINGS_MAX = 4_000_000
/** Entries up to this length have their norm computed once a search. */
const LENGTHS_READY = 1_024

/** Entries `first <= entry < last` of a space, with the words they hold. */
export interface Part {
  readonly space: number
  readonly first: number
  readonly last: number
  /** Tokens of each entry. */
  readonly lengths: { readonly [index: number]: number }
  /** Where a token stands: as bytes, or as a list; `undefined` where it does not. */
  find(token: string): readonly Postings[] | Places | undefined
}

/** What is looked for, and where. */
export interface Question {
  readonly parts: readonly Part[]
  /** Words, each as the tokens of which an entry has to hold all. */
  readonly terms: readonly (readonly string[])[]
  /** Entries of all parts, those included that are gone. */
  readonly docs: number
  /** Mean length of an entry, in tokens. */
  readonly lengthMean: number
  readonly limit: number
  /** Whether an entry may be in the result; asked only of those that would be. */
  admits(space: number, entry: number): boolean
}

interface Term {
  readonly weight: number
  readonly found: readonly (readonly (readonly Postings[] | Places)[] | undefined)[]
  readonly docs: number
}

/** A ranking that keeps its room from search to search. */
export function createRanking(): (question: Question) => Ranked[] {
  let scores = new Float64Array(0)
  let touched = new Int32Array(0)
  const norms = new Float64Array(LENGTHS_READY)

  function rank(question: Question, terms: readonly Term[]): Ranked[] {
    const { parts, limit, admits, lengthMean } = question
    const best = bestOf(limit)
    for (let length = 0; length < LENGTHS_READY; length++) norms[length] = normOf(length, lengthMean)
    // What the words from the i-th on can add at most.
    const rest = new Float64Array(terms.length + 1)
    for (let i = terms.length - 1; i >= 0; i--) rest[i] = (rest[i + 1] as number) + (terms[i] as Term).weight * (K1 + 1)
    let left = POSTINGS_MAX

    for (const [p, { space, first, last, lengths }] of parts.entries()) {
      if (scores.length < last - first) {
        scores = new Float64Array(last - first)
        touched = new Int32Array(last - first)
      }
      let count = 0
      const add = (entry: number, times: number, weight: number, isKnownOnly: boolean): void => {
        const at = entry - first
        const before = scores[at] as number
        if (before === 0) {
          if (isKnownOnly) return
          touched[count++] = at
        }
        const length = lengths[at] as number
        const norm = length < LENGTHS_READY ? (norms[length] as number) : normOf(length, lengthMean)
        scores[at] = before + (weight * (K1 + 1) * times) / (times + norm)
      }
      for (const [i, { found, weight }] of terms.entries()) {
        const lists = found[p]
        if (lists === undefined || (left <= 0 && i > 0)) continue
        const isKnownOnly = (rest[i] as number) < best.least
        if (isKnownOnly && count === 0) break
        const list = lists[0] as readonly Postings[] | Places
        if (lists.length === 1 && isBytes(list)) {
          for (const { data, from, to } of list) {
            left -= to - from
            // `decode` in place: this loop is where a search spends its time.
            for (let at = from, entry = first; at < to;) {
              let byte = data[at++] as number
              let number = byte & 127
              for (let shift = 7; byte >= 128; shift += 7) {
                byte = data[at++] as number
                number |= (byte & 127) << shift
              }
              entry += number >>> 1
              let times = 1
              if ((number & 1) === 1) {
                byte = data[at++] as number
                times = byte & 127
                for (let shift = 7; byte >= 128; shift += 7) {
                  byte = data[at++] as number
                  times |= (byte & 127) << shift
                }
              }
              add(entry, times, weight, isKnownOnly)
            }
          }
        } else {
          const places = lists.map((one) => placesOf(one, first)).reduce(common)
          left -= places.length
          for (let at = 0; at < places.length; at += 2)
            add(places[at] as number, places[at + 1] as number, weight, isKnownOnly)
        }
      }
      for (let i = 0; i < count; i++) {
        const at = touched[i] as number
        const score = scores[at] as number
        scores[at] = 0
        if (best.wants(score, space, first + at) && admits(space, first + at)) best.add(score, space, first + at)
      }
    }
    return best.list()
  }

  return (question) => {
    if (question.limit <= 0) return []
    const terms = question.terms
      .map((tokens) => termOf(tokens, question))
      .filter(({ docs }) => docs > 0)
      .toSorted((a, b) => a.docs - b.docs)
    const telling = terms.filter(({ weight }) => weight > WEIGHT_MIN)
    const ranked = rank(question, telling)
    return ranked.length < question.limit && telling.length < terms.length ? rank(question, terms) : ranked
  }
}

/** Where a word stands in each part, and how much it tells. */
function termOf(tokens: readonly string[], { parts, docs: all }: Question): Term {
  let docs = 0
  const found = parts.map((part) => {
    const lists: (readonly Postings[] | Places)[] = []
    let least = Infinity
    for (const token of tokens) {
      const list = part.find(token)
      if (list === undefined || list.length === 0) return undefined
      least = Math.min(least, isBytes(list) ? (list[0] as Postings).total : list.length / 2)
      lists.push(list)
    }
    docs += least
    return lists
  })
  return { found, docs, weight: Math.max(Math.log((all - docs + 0.5) / (docs + 0.5)) || 0, WEIGHT_MIN) }
}

function normOf(length: number, mean: number): number {
  return K1 * (1 - B + (B * length) / mean)
}

function isBytes(list: readonly Postings[] | Places): list is readonly Postings[] {
  return typeof list[0] === 'object'
}

function placesOf(list: readonly Postings[] | Places, first: number): Places {
  if (!isBytes(list)) return list
  const places: Places = []
  for (const postings of list) decode(postings, first, places)
  return places
}

/** The entries of both lists, with the smaller number of times. */
function common(a: Places, b: Places): Places {
  const both: Places = []
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const [x, y] = [a[i] as number, b[j] as number]
    if (x === y) both.push(x, Math.min(a[i + 1] as number, b[j + 1] as number))
    if (x <= y) i += 2
    if (y <= x) j += 2
  }
  return both
}
