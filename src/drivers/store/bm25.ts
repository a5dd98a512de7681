/**
 * BM25 over parts of spaces: the best entries for some words, without looking at more postings than can matter.
 *
 *     const best = createRanking()
 *     best({ parts, terms: [['whale'], ['covid', '19']], docs: 1_000, lengthMean: 40, limit: 10, admitsIn })
 *
 * The score is Robertson's and Zaragoza's (The Probabilistic Relevance Framework: BM25 and Beyond, 2009) in the form of
 * SQLite's FTS5: k1 = 1.2, b = 0.75, and a word in more than half of all entries counts almost nothing. A word is rare or
 * common among the `docs` entries that are searched, not in the whole store.
 *
 * Words are taken from the rarest to the commonest, part by part, into accumulators. When even all words that are left could
 * not bring a new entry among the best, they only add to entries that are there (MaxScore: Turtle and Flood, Query
 * Evaluation: Strategies and Optimizations, 1995), and those go that cannot reach the best any more. Where there are many
 * entries, the rarest words alone are looked through before, which tells what score the best reach at least, so that the
 * common words are looked up for few entries from the first part on. Words that count almost nothing are looked at only
 * where there are not enough entries without them.
 *
 * Invariants
 *   BM1. The result is that of scoring every entry. Where the words together stand in more than `POSTINGS_MAX` places, the
 *        commonest are left out, the same ones for every entry; the rarest is always there.
 *   BM2. It does not depend on how entries lie in segments. Of equal scores at the limit, the older entries stay.
 */
import { bestOf, type Ranked } from './best.ts'
import { decode, type Dense, type List, type Places, type Postings } from './postings.ts'

/** Saturation of repeated words, and how much long entries pay for their length: the values of FTS5. */
const K1 = 1.2
const B = 0.75
/** Weight of a word in more than half of the entries, as FTS5 has it. */
const WEIGHT_MIN = 1e-6
/** Postings of the words of one search, together. */
const POSTINGS_MAX = 8_000_000
/** From so many entries on, the rarest words are looked through first: those with this part of all postings together. Round numbers of ours. */
const FLOOR_DOCS_MIN = 4_096
const FLOOR_PART = 0.125
/** Entries up to this length have their norm computed once a search. */
const LENGTHS_READY = 1_024

/** Entries `first <= entry < last` of a space, with the words they hold. */
export interface Part {
  readonly space: number
  readonly first: number
  readonly last: number
  /** Tokens of each entry. */
  readonly lengths: Uint16Array
  /** Where a token stands; `undefined` where it does not. */
  find(token: string): List | undefined
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
  /** Which entries of a space may be in the result; undefined where all may. */
  admitsIn(space: number): ((entry: number) => boolean) | undefined
}

interface Term {
  readonly weight: number
  readonly found: readonly (readonly List[] | undefined)[]
  readonly docs: number
}

/** What is summed up in a part, by the place of an entry after the first of the part. */
interface Sums {
  scores: Float64Array
  /** Places with a score above 0, in the order in which they got one; room for one more. */
  touched: Int32Array
  count: number
  /** What a word counts in an entry of a length that it stands in once, of its weight. */
  readonly ones: Float64Array
  readonly norms: Float64Array
  lengthMean: number
}

/** A ranking that keeps its room from search to search. Another `postingsMax` is for tests. */
export function createRanking(postingsMax = POSTINGS_MAX): (question: Question) => Ranked[] {
  const sums: Sums = {
    scores: new Float64Array(0),
    touched: new Int32Array(0),
    count: 0,
    ones: new Float64Array(LENGTHS_READY),
    norms: new Float64Array(LENGTHS_READY),
    lengthMean: NaN,
  }

  function prepare({ parts, lengthMean }: Question): void {
    const size = parts.reduce((most, { first, last }) => Math.max(most, last - first), 0)
    if (sums.scores.length < size) {
      sums.scores = new Float64Array(size)
      sums.touched = new Int32Array(size + 1)
    }
    if (sums.lengthMean === lengthMean) return
    sums.lengthMean = lengthMean
    for (let length = 0; length < LENGTHS_READY; length++) {
      const norm = normOf(length, lengthMean)
      sums.norms[length] = norm
      sums.ones[length] = (K1 + 1) / (1 + norm)
    }
  }

  /** The best for the first `count` terms. */
  function rank(question: Question, terms: readonly Term[], count: number): Ranked[] {
    const { parts, limit, admitsIn } = question
    const best = bestOf(limit)
    // What the words from the i-th on can add at most; a little more, for what is lost in rounding.
    const rest = new Float64Array(count + 1)
    for (let i = count - 1; i >= 0; i--)
      rest[i] = (rest[i + 1] as number) + (terms[i] as Term).weight * (K1 + 1) * (1 + 1e-9)
    const floor = floorOf(question, terms, count)

    for (const [p, part] of parts.entries()) {
      const { space, first } = part
      const admits = admitsIn(space)
      const least = Math.max(floor, best.least)
      sums.count = 0
      for (let i = 0; i < count; i++) {
        const { found, weight } = terms[i] as Term
        const isKnownOnly = (rest[i] as number) < least
        if (isKnownOnly) {
          leaveOut(sums, least - (rest[i] as number))
          if (sums.count === 0) break
        }
        const lists = found[p]
        if (lists === undefined) continue
        const list = lists.length === 1 ? (lists[0] as List) : lists.map((one) => placesOf(one, first)).reduce(common)
        if (isDense(list)) {
          if (isKnownOnly) addToKnown(sums, list, part, weight)
          else addDense(sums, list, part, weight)
        } else if (isBytes(list)) {
          if (isKnownOnly) addBytesToKnown(sums, list, part, weight)
          else addBytes(sums, list, part, weight)
        } else addPlaces(sums, list, part, weight, isKnownOnly)
      }
      const { scores, touched } = sums
      for (let i = 0; i < sums.count; i++) {
        const at = touched[i] as number
        const score = scores[at] as number
        scores[at] = 0
        if (score < floor || !best.wants(score, space, first + at)) continue
        if (admits === undefined || admits(first + at)) best.add(score, space, first + at)
      }
    }
    return best.list()
  }

  /** A score that as many entries as are wanted reach: with the rarest words alone, which are soon looked through. */
  function floorOf(question: Question, terms: readonly Term[], count: number): number {
    if (question.docs < FLOOR_DOCS_MIN) return -Infinity
    const all = terms.slice(0, count).reduce((sum, { docs }) => sum + docs, 0)
    let rare = 0
    for (let docs = 0; rare < count; rare++) {
      docs += (terms[rare] as Term).docs
      if (docs > all * FLOOR_PART) break
    }
    const ranked = rare === 0 ? [] : rank(question, terms, rare)
    return ranked.length < question.limit ? -Infinity : (ranked.at(-1) as Ranked).score
  }

  return (question) => {
    if (question.limit <= 0) return []
    const terms = question.terms
      .map((tokens) => termOf(tokens, question))
      .filter(({ docs }) => docs > 0)
      .toSorted((a, b) => a.docs - b.docs)
    const readable = readableOf(terms, postingsMax)
    const telling = terms.findIndex(({ weight }) => weight <= WEIGHT_MIN)
    const count = telling === -1 ? readable : Math.min(telling, readable)
    prepare(question)
    const ranked = rank(question, terms, count)
    return ranked.length < question.limit && count < readable ? rank(question, terms, readable) : ranked
  }
}

// Each of the loops below is where a search spends its time: what it needs is at hand, and nothing is called in it. Whether an
// entry is new cannot be guessed from the one before, so a new one is counted without a branch.

/** Entries below a score go; they come to nothing. */
function leaveOut(sums: Sums, least: number): void {
  const { scores, touched } = sums
  let left = 0
  for (let i = 0; i < sums.count; i++) {
    const at = touched[i] as number
    const score = scores[at] as number
    const stays = Number(score >= least)
    scores[at] = score * stays
    touched[left] = at
    left += stays
  }
  sums.count = left
}

/** Adds a word to the entries that are known already. */
function addToKnown(sums: Sums, { times: all }: Dense, { lengths }: Part, weight: number): void {
  const { scores, touched, count } = sums
  for (let i = 0; i < count; i++) {
    const at = touched[i] as number
    const times = all[at] as number
    if (times > 0) (scores[at] as number) += impactOf(sums, times, lengths[at] as number, weight)
  }
}

/** Adds a word to all entries that hold it. */
function addDense(sums: Sums, { times: all }: Dense, { lengths }: Part, weight: number): void {
  const { scores, touched, ones } = sums
  let { count } = sums
  for (let at = 0; at < all.length; at++) {
    const times = all[at] as number
    if (times === 0) continue
    const length = lengths[at] as number
    const before = scores[at] as number
    if (before === 0) touched[count++] = at
    scores[at] =
      before +
      (times === 1 && length < LENGTHS_READY
        ? weight * (ones[length] as number)
        : impactOf(sums, times, length, weight))
  }
  sums.count = count
}

/** The same of places as bytes: `decode` (postings.ts) in place. */
function addBytes(sums: Sums, list: readonly Postings[], { lengths }: Part, weight: number): void {
  const { scores, touched, ones } = sums
  let { count } = sums
  for (const { data, from, to } of list) {
    for (let at = from, place = 0; at < to;) {
      let byte = data[at++] as number
      let number = byte & 127
      for (let shift = 7; byte >= 128; shift += 7) {
        byte = data[at++] as number
        number |= (byte & 127) << shift
      }
      place += number >>> 1
      const length = lengths[place] as number
      let impact = 0
      if ((number & 1) === 0 && length < LENGTHS_READY) impact = weight * (ones[length] as number)
      else {
        let times = 1
        if ((number & 1) === 1) {
          byte = data[at++] as number
          times = byte & 127
          for (let shift = 7; byte >= 128; shift += 7) {
            byte = data[at++] as number
            times |= (byte & 127) << shift
          }
        }
        impact = impactOf(sums, times, length, weight)
      }
      const before = scores[place] as number
      touched[count] = place
      count += Number(before === 0)
      scores[place] = before + impact
    }
  }
  sums.count = count
}

/** The same for the entries that are known already. */
function addBytesToKnown(sums: Sums, list: readonly Postings[], { lengths }: Part, weight: number): void {
  const { scores, ones } = sums
  for (const { data, from, to } of list) {
    for (let at = from, place = 0; at < to;) {
      let byte = data[at++] as number
      let number = byte & 127
      for (let shift = 7; byte >= 128; shift += 7) {
        byte = data[at++] as number
        number |= (byte & 127) << shift
      }
      place += number >>> 1
      let times = 1
      if ((number & 1) === 1) {
        byte = data[at++] as number
        times = byte & 127
        for (let shift = 7; byte >= 128; shift += 7) {
          byte = data[at++] as number
          times |= (byte & 127) << shift
        }
      }
      const before = scores[place] as number
      if (before === 0) continue
      const length = lengths[place] as number
      scores[place] =
        before +
        (times === 1 && length < LENGTHS_READY
          ? weight * (ones[length] as number)
          : impactOf(sums, times, length, weight))
    }
  }
}

function addPlaces(sums: Sums, places: Places, { first, lengths }: Part, weight: number, isKnownOnly: boolean): void {
  const { scores, touched } = sums
  for (let i = 0; i < places.length; i += 2) {
    const at = (places[i] as number) - first
    const before = scores[at] as number
    if (before === 0) {
      if (isKnownOnly) continue
      touched[sums.count++] = at
    }
    scores[at] = before + impactOf(sums, places[i + 1] as number, lengths[at] as number, weight)
  }
}

/** What a word adds to the score of an entry. The same, however it came to be known where the word stands (BM2). */
function impactOf({ ones, norms, lengthMean }: Sums, times: number, length: number, weight: number): number {
  const isReady = length < LENGTHS_READY
  const norm = isReady ? (norms[length] as number) : normOf(length, lengthMean)
  if (times === 1) return weight * (isReady ? (ones[length] as number) : (K1 + 1) / (1 + norm))
  return (weight * (K1 + 1) * times) / (times + norm)
}

/** Where a word stands in each part, and how much it tells. */
function termOf(tokens: readonly string[], { parts, docs: all }: Question): Term {
  let docs = 0
  const found = parts.map((part) => {
    const lists: List[] = []
    let least = Infinity
    for (const token of tokens) {
      const list = part.find(token)
      const total = list === undefined ? 0 : totalOf(list)
      if (list === undefined || total === 0) return undefined
      least = Math.min(least, total)
      lists.push(list)
    }
    docs += least
    return lists
  })
  return { found, docs, weight: Math.max(Math.log((all - docs + 0.5) / (docs + 0.5)) || 0, WEIGHT_MIN) }
}

/** How many terms, from the rarest on, have no more postings together than that; one at least. */
function readableOf(terms: readonly Term[], postingsMax: number): number {
  let count = 0
  for (let docs = 0; count < terms.length; count++) {
    docs += (terms[count] as Term).docs
    if (docs > postingsMax && count > 0) break
  }
  return count
}

function normOf(length: number, mean: number): number {
  return K1 * (1 - B + (B * length) / mean)
}

function isDense(list: List): list is Dense {
  return 'times' in list
}

function isBytes(list: readonly Postings[] | Places): list is readonly Postings[] {
  return typeof list[0] === 'object'
}

/** Entries that hold the token. */
function totalOf(list: List): number {
  if (isDense(list)) return list.total
  return isBytes(list) ? (list[0] as Postings).total : list.length / 2
}

function placesOf(list: List, first: number): Places {
  const places: Places = []
  if (isDense(list)) {
    for (const [at, times] of list.times.entries()) if (times > 0) places.push(first + at, times)
    return places
  }
  if (!isBytes(list)) return list
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
