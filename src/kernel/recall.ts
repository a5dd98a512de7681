/**
 * The ranking of a recall: of the notes that the searches found, which come first, and why each came back.
 *
 *     rankNotes('What did Melanie paint?', candidates, { limit: 10 })   // [{ note, score, why() }, …]
 *
 * Pure: no store, no clock, no model. Memory gathers candidates widely (`searchWords` in query.ts says what to ask the full
 * text for; the vectors' search and the neighbours of what both found complete them), and this orders them.
 *
 * A note's own evidence is its words (BM25 over what was gathered) and its meaning (the cosine), each against the best
 * candidate's. In a conversation an answer seldom holds the words of the question that is asked later: they stand in the
 * turn before it, or somewhere in the session. So a note gets a share of the evidence of the notes beside it, most of it
 * from a question by somebody else that it follows, and of its session as a whole. What is itself a question, or hardly
 * more than an interjection, counts less; what was said by whom the query names, or when, counts more, and so does what
 * tells a time or a number where the query asks for one.
 * bench/README.md has what each part adds, and what was tried and left out.
 *
 * Invariants
 *   R1. The same query, candidates and options give the same order, whatever order the candidates come in.
 *   R2. A note's score is the sum of the scores of its reasons, and each of these is above 0.
 */
import { readQuery, tells } from './query.ts'
import type { Note, RecallReason } from './types.ts'
import type { WantedStems } from './words.ts'
import { countStems, wantedStems } from './words.ts'

/** A note that may answer the query, with what the searches know of it. */
export interface Candidate {
  readonly note: Note
  /** BM25 of the store's search; absent where the search did not return it. */
  readonly lexical?: number
  /** Cosine with the query's vector; absent where the note has no vector or the search did not return it. */
  readonly vector?: number
  /** Id of the note before it in its session, if there is one. */
  readonly previous?: string
}

/** A candidate that stays, with its place by score. */
export interface RankedNote {
  readonly note: Note
  readonly score: number
  /** The reasons, the weightiest first; never none. Worked out when it is called: most of a ranking is not shown. */
  why(): readonly RecallReason[]
}

/** What a ranking is told beside the query. */
export interface RankOptions {
  /** At most so many. */
  readonly limit: number
  /** Notes in the memory that was searched, for how rare a word is. @default as many as there are candidates */
  readonly total?: number
  /** When the query is asked, ms since 1970, for "yesterday" and the like. @default such words mean nothing */
  readonly now?: number
  /** @default rankWeights */
  readonly weights?: Partial<RankWeights>
}

/** What each kind of evidence counts, where the best candidate's words count 1. */
export interface RankWeights {
  /** The words of the query in the note. */
  readonly lexical: number
  /** The nearness of its vector. */
  readonly vector: number
  /** Share taken off the own evidence of a note that ends with a question mark. */
  readonly question: number
  /** Share taken off the own evidence of a note without a word; less for each word, up to `SHORT_WORDS`. */
  readonly short: number
  /** Share added to the own evidence of what the named speaker said. */
  readonly name: number
  /** Share added to the own evidence of a note from the time that is spoken of. */
  readonly time: number
  /** Share added to all evidence of a note that tells a time, where the query asks when. */
  readonly tellsTime: number
  /** The same of a number, where it asks how many. */
  readonly tellsNumber: number
  /** Share of the evidence of the note before. */
  readonly previous: number
  /** The same in addition, where that is a question by another speaker. */
  readonly answer: number
  /** Share of the evidence of the note before the one before. */
  readonly secondPrevious: number
  /** The same in addition, in a talk: where the note says who speaks. Its turns are shorter than paragraphs. */
  readonly secondTurn: number
  /** Share of the evidence of the note after. */
  readonly following: number
  /** The words of the query in the session as a whole. */
  readonly session: number
  /** Share of the evidence of a fact or summary that was drawn from the note. */
  readonly derived: number
  /** Share of the evidence of a note that is linked with it. */
  readonly link: number
}

/**
 * Ours: round numbers on a plateau, found on the stories of bench/stories/tuning.txt, the first two talks of bench/talks and
 * the tuning half of the questions of test/quality. `npm run bench:memory -- --ablate` says what each adds.
 */
export const rankWeights: RankWeights = {
  lexical: 1,
  vector: 0.6,
  question: 0.6,
  short: 0.5,
  name: 0.2,
  time: 0.5,
  tellsTime: 0.3,
  tellsNumber: 0.2,
  previous: 0.3,
  answer: 0.3,
  secondPrevious: 0.15,
  secondTurn: 0.15,
  following: 0.2,
  session: 0.3,
  derived: 0.5,
  link: 0.1,
}

/** The candidates that answer, best first. */
export function rankNotes(
  query: string,
  candidates: readonly Candidate[],
  options: RankOptions,
): readonly RankedNote[] {
  const weights = options.weights === undefined ? rankWeights : { ...rankWeights, ...options.weights }
  const speakerOf = candidates.map(({ note }) => SPEAKER.exec(note.text)?.[1])
  const speakers = new Set(speakerOf.filter((name) => name !== undefined))
  const { stems, speaker, isThen, asks } = readQuery(query, speakers, options.now)

  /** How often each candidate holds each stem, row by row. */
  const counts = new Uint16Array(candidates.length * stems.length)
  const wanted = wantedStems(stems)
  const readings = candidates.map(({ note }, place) =>
    read(note, speakerOf[place], asks, wanted, counts, place * stems.length),
  )
  const lexical = lexicalEvidence(candidates, readings, counts, stems.length, options.total)
  const vector = vectorEvidence(candidates)
  const session = sessionEvidence(candidates, counts, stems.length)

  const places = new Map<string, number>()
  for (const [place, { note }] of candidates.entries()) places.set(note.id, place)
  const placeOf = (id: string | undefined): number => (id === undefined ? -1 : (places.get(id) ?? -1))

  const count = candidates.length
  /** What a note has of itself, and what it gives to those beside it, before it is dampened. */
  const own = new Float64Array(count)
  const dampened = new Float64Array(count)
  const score = new Float64Array(count)
  const previous = candidates.map((candidate) => placeOf(candidate.previous))
  for (let i = 0; i < count; i++) {
    const { length, isQuestion } = readings[i]!
    own[i] = weights.lexical * lexical[i]! + weights.vector * vector[i]!
    dampened[i] = 1 - weights.short * Math.max(0, 1 - length / SHORT_WORDS)
    if (isQuestion) dampened[i]! *= 1 - weights.question
  }
  const isNamed = (i: number): boolean => speaker !== undefined && readings[i]!.speaker === speaker
  const isOfTime = (i: number): boolean => isThen !== undefined && isThen(candidates[i]!.note.validFrom)

  /** Share added to all evidence of a note that tells what is asked for. */
  const form = asks === undefined ? 0 : asks === 'time' ? weights.tellsTime : weights.tellsNumber

  /**
   * Every share that a note gets, told to `tell` with its reason, but for its form, which is a share of their sum. Told twice:
   * for all to know the sums, for the best to say why.
   */
  function evidence(i: number, tell: (by: RecallReason['by'], share: number, through?: string) => void): void {
    const { note } = candidates[i]!
    const kept = dampened[i]!
    if (lexical[i]! > 0) tell('lexical', weights.lexical * lexical[i]! * kept)
    if (vector[i]! > 0) tell('vector', weights.vector * vector[i]! * kept)
    if (isNamed(i)) tell('name', weights.name * own[i]! * kept)
    if (isOfTime(i)) tell('time', weights.time * own[i]! * kept)
    const first = previous[i]!
    if (first !== -1) {
      const answers = readings[first]!.isQuestion && readings[first]!.speaker !== readings[i]!.speaker
      const share = weights.previous + (answers ? weights.answer : 0)
      tell('neighbour', share * own[first]!, candidates[first]!.note.id)
      const second = previous[first]!
      const secondShare = weights.secondPrevious + (readings[i]!.speaker === undefined ? 0 : weights.secondTurn)
      if (second !== -1) tell('neighbour', secondShare * own[second]!, candidates[second]!.note.id)
    }
    const next = following[i]!
    if (next !== -1) tell('neighbour', weights.following * own[next]!, candidates[next]!.note.id)
    if (session[i]! > 0) tell('session', weights.session * session[i]!)
    for (const id of drawnFrom.get(note.id) ?? []) tell('derived', weights.derived * own[places.get(id)!]!, id)
    // The best of its links only: a note with many would have a share of everything that fits a little.
    let nearest: string | undefined
    for (const id of linkedWith.get(note.id) ?? [])
      if (nearest === undefined || own[places.get(id)!]! > own[places.get(nearest)!]!) nearest = id
    if (nearest !== undefined) tell('link', weights.link * own[places.get(nearest)!]!, nearest)
  }

  const following = new Int32Array(count).fill(-1)
  const drawnFrom = new Map<string, string[]>()
  const linkedWith = new Map<string, string[]>()
  for (const [i, { note }] of candidates.entries()) {
    const before = previous[i]!
    // Of several that follow one note, the first that came.
    if (before !== -1 && (following[before] === -1 || newerFirst(note, candidates[following[before]!]!.note) > 0))
      following[before] = i
    if (note.kind !== 'note')
      for (const parent of note.parents) if (places.has(parent)) join(drawnFrom, parent, note.id)
    for (const link of note.links) {
      if (!places.has(link)) continue
      join(linkedWith, link, note.id)
      if (!candidates[places.get(link)!]!.note.links.includes(note.id)) join(linkedWith, note.id, link)
    }
  }

  for (let i = 0; i < count; i++) {
    evidence(i, (_, share) => (score[i]! += share))
    if (readings[i]!.isOfForm) score[i]! *= 1 + form
  }
  return Array.from({ length: count }, (_, i) => i)
    .filter((i) => score[i]! > 0)
    .sort((a, b) => score[b]! - score[a]! || newerFirst(candidates[a]!.note, candidates[b]!.note))
    .slice(0, options.limit)
    .map((i) => ({ note: candidates[i]!.note, score: score[i]!, why: () => reasonsOf(i) }))

  function reasonsOf(i: number): RecallReason[] {
    const why: RecallReason[] = []
    evidence(i, (by, share, through) => {
      if (share > 0) why.push(through === undefined ? { by, score: share } : { by, score: share, through })
    })
    if (readings[i]!.isOfForm && form > 0) why.push({ by: 'form', score: (score[i]! * form) / (1 + form) })
    return why.sort((a, b) => b.score - a.score)
  }
}

/** Of what is equally near, the newer is likelier to hold still. */
function newerFirst(a: Note, b: Note): number {
  return b.at - a.at || (a.id < b.id ? -1 : 1)
}

function join(lists: Map<string, string[]>, to: string, id: string): void {
  const list = lists.get(to)
  if (list === undefined) lists.set(to, [id])
  else list.push(id)
}

// ------------------------------------------------------------------------------------------------------------ evidence

/** BM25's saturation and length normalisation, as in the Lucene baselines of Lin et al. 2021 ("Pyserini", section 2). */
const K1 = 0.9
const B = 0.4
/** Words from which on a note is not dampened for its shortness. */
const SHORT_WORDS = 8
/** What the store's own score counts, against ours, where we see none of the words: in a language that it cuts into words and we do not, or further down in a long note. */
const STORE_ONLY = 0.5

/** BM25 (Robertson and Zaragoza 2009, section 3.4) against the best candidate's, 0 to 1. */
function lexicalEvidence(
  candidates: readonly Candidate[],
  readings: readonly Reading[],
  counts: Uint16Array,
  width: number,
  total = candidates.length,
): Float64Array {
  const count = candidates.length
  const rarity = new Float64Array(width)
  for (let column = 0; column < width; column++) {
    let holding = 0
    for (let row = 0; row < count; row++) if (counts[row * width + column]! > 0) holding++
    rarity[column] = rarityOf(holding, Math.max(total, count))
  }
  const mean = readings.reduce((sum, { length }) => sum + length, 0) / count || 1
  const scores = new Float64Array(count)
  let storeBest = 0
  for (let row = 0; row < count; row++) {
    const damping = K1 * (1 - B + (B * readings[row]!.length) / mean)
    for (let column = 0; column < width; column++) {
      const times = counts[row * width + column]!
      if (times > 0) scores[row]! += (rarity[column]! * times * (K1 + 1)) / (times + damping)
    }
    storeBest = Math.max(storeBest, candidates[row]!.lexical ?? 0)
  }
  toBest(scores)
  const isRead = scores.some((score) => score > 0)
  for (let row = 0; row < count; row++) {
    const { lexical = 0 } = candidates[row]!
    if (scores[row] === 0 && lexical > 0 && (!isRead || readings[row]!.isCut))
      scores[row] = (STORE_ONLY * lexical) / storeBest
  }
  return scores
}

/** The words of the query in each session as one document, against the best session's; 0 for all where there is only one. */
function sessionEvidence(candidates: readonly Candidate[], counts: Uint16Array, width: number): Float64Array {
  const rows = new Map<string, number>()
  const rowOf = candidates.map(({ note: { session } }) => {
    if (session === null) return -1
    const known = rows.get(session)
    if (known !== undefined) return known
    rows.set(session, rows.size)
    return rows.size - 1
  })
  const shares = new Float64Array(candidates.length)
  if (rows.size < 2) return shares
  const held = new Float64Array(rows.size * width)
  for (const [place, row] of rowOf.entries()) {
    if (row === -1) continue
    for (let column = 0; column < width; column++) held[row * width + column]! += counts[place * width + column]!
  }
  const scores = new Float64Array(rows.size)
  for (let column = 0; column < width; column++) {
    let holding = 0
    for (let row = 0; row < rows.size; row++) if (held[row * width + column]! > 0) holding++
    const rarity = rarityOf(holding, rows.size)
    for (let row = 0; row < rows.size; row++) {
      const times = held[row * width + column]!
      scores[row]! += (rarity * times * (K1 + 1)) / (times + K1)
    }
  }
  toBest(scores)
  for (const [place, row] of rowOf.entries()) if (row !== -1) shares[place] = scores[row]!
  return shares
}

/** Cosines from the least near of those found to the nearest, above 0 to 1: how wide they lie depends on the embedder. */
function vectorEvidence(candidates: readonly Candidate[]): Float64Array {
  let least = Infinity
  let most = 0
  for (const { vector } of candidates) {
    if (vector === undefined || vector <= 0) continue
    least = Math.min(least, vector)
    most = Math.max(most, vector)
  }
  const floor = least - FLOOR_SHARE * (most - least)
  return Float64Array.from(candidates, ({ vector }) =>
    vector === undefined || vector <= 0 ? 0 : most === floor ? 1 : (vector - floor) / (most - floor),
  )
}

/** How far below the least near the floor lies, so that it too was found. Share of the span. */
const FLOOR_SHARE = 0.02

function rarityOf(holding: number, all: number): number {
  return Math.log(1 + (all - holding + 0.5) / (holding + 0.5))
}

function toBest(scores: Float64Array): void {
  let best = 0
  for (const score of scores) if (score > best) best = score
  if (best > 0) for (let i = 0; i < scores.length; i++) scores[i]! /= best
}

// ------------------------------------------------------------------------------------------------------------ readings

/** A note as the ranking sees it. */
interface Reading {
  /** Who said it, where the text begins with a name and a colon. */
  readonly speaker: string | undefined
  /** Whether it ends by asking. */
  readonly isQuestion: boolean
  /** Whether it tells a time, or a number, where the query asks for one. */
  readonly isOfForm: boolean
  /** Whether there is more of it than was read. */
  readonly isCut: boolean
  /** In words, without the speaker's name. */
  readonly length: number
}

/** "Melanie: …", "Dr. Ana Ruiz: …" */
const SPEAKER = /^(\p{Lu}[\p{L}’'.-]*(?: \p{Lu}[\p{L}’'.-]*){0,2}):\s/u
/** Characters of a note that are read: of a long one the beginning. What stands further down the store's own score tells. */
const READ_CHARS_MAX = 4_000

/** Reads a note, and adds to its row how often it holds the stems. */
function read(
  note: Note,
  speaker: string | undefined,
  asks: 'time' | 'number' | undefined,
  wanted: WantedStems,
  counts: Uint16Array,
  row: number,
): Reading {
  const isCut = note.text.length > READ_CHARS_MAX
  const text = isCut ? note.text.slice(0, READ_CHARS_MAX) : note.text
  let length = countStems(text, wanted, counts, row) - (speaker === undefined ? 0 : speaker.split(' ').length)
  for (const more of [...note.keywords, ...note.tags, note.context])
    if (more !== '') length += countStems(more, wanted, counts, row)
  const isOfForm = asks !== undefined && tells(text, asks)
  return { speaker, isQuestion: QUESTION.test(text.slice(-QUESTION_END)), isOfForm, isCut, length }
}

/** A question mark at the end, before closing signs. */
const QUESTION = /[?？]["'”’)]*\s*$/
/** Characters at the end of a text in which it is looked for. */
const QUESTION_END = 20
