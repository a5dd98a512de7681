/**
 * The guard of a recall: what of a ranking may be shown, so that notes which somebody else wrote cannot fill it.
 *
 *     const { notes, held, isAnomalous } = guardRecall(query, ranked, { limit: 10, coherenceMax })
 *
 * Pure; runs after the ranking, on more notes than are asked for, so that others can take the places that it frees. A ranking
 * that holds only trusted notes passes as it is. The defences are those that published poisoning of memories calls for
 * (AgentPoison, arXiv 2407.12784; MINJA, arXiv 2503.03704): optimised triggers draw a query into a compact cluster of
 * planted notes, many or few, from one source or several. Nothing here looks at how a text reads: filters of perplexity
 * and rephrased queries were measured there and do not help.
 *
 * Invariants
 *   RG1. Untrusted notes take at most `untrustedShareMax` of the places while trusted ones can take the others; of one
 *        source, at most `perSourceMax` while anything else can.
 *   RG2. A place is left empty only where that was asked for, by `coherenceMax` or `confirmationsMin`: whatever else is
 *        doubted comes last, and fills what nothing better does.
 *   RG3. What is not doubted keeps its order, a trusted note is never held back, and what is held is told, with the reason.
 */
import type { KeysOf } from './known-keys.ts'
import { QUERY_WORDS_MAX } from './query.ts'
import type { Note } from './types.ts'
import { runsIn } from './words.ts'

/** A ranked note, as far as the guard looks at it. */
export interface Guarded {
  readonly note: Pick<Note, 'id' | 'text' | 'trust' | 'tools' | 'source' | 'pid'>
}

/** How a recall is guarded. */
export interface GuardOptions {
  /** Places of the result. */
  readonly limit: number
  /** Largest share of the places for untrusted notes while there are trusted ones, 0 to 1. @default 0.5 */
  readonly untrustedShareMax?: number
  /** Places for untrusted notes of one source while others can take them. @default half of `limit`, rounded up */
  readonly perSourceMax?: number
  /** An untrusted note as similar as this to one of its source that is shown comes last; above 1, none does. @default 0.95 */
  readonly duplicateMin?: number
  /** An untrusted note is shown only if so many notes of other sources, or one trusted note, say nearly the same. @default 0 */
  readonly confirmationsMin?: number
  /** How similar the untrusted notes of a result may be to each other in the mean; above it they are held. Calibrate it with `coherenceLimit`. @default no bound */
  readonly coherenceMax?: number
  /** Whether an untrusted note comes last that rests on words of the query of which no trusted note knows. @default true */
  readonly checkWords?: boolean
  /** Whether trusted notes stand before all others: then a planted note is never the first. @default false */
  readonly trustedFirst?: boolean
  /** How similar two notes are, 0 to 1: the cosine of their vectors, where there are some. @default the cosine of their words */
  readonly similarity?: Similarity
}

export type Similarity = (a: Guarded['note'], b: Guarded['note']) => number

/**
 * Why a note is shown only where places are left. `quota`: its tier or its source had its places. `duplicate`: of one that is
 * shown. `leaning`, `aside`: it rests mostly, or only, on words of the query of which no trusted note knows.
 */
export type Doubtful = 'quota' | 'leaning' | 'duplicate' | 'aside'

/** Why a note is not shown. `anomaly`: the untrusted notes of this result are a cluster. `unconfirmed`: nobody else says so. */
export type HeldWhy = Doubtful | 'anomaly' | 'unconfirmed'

/** A ranking after the guard. */
export interface GuardedRecall<N> {
  /** At most `limit`, in the order of the ranking. */
  readonly notes: readonly N[]
  /** What of the first `limit` is not shown, in the order of the ranking. */
  readonly held: readonly { readonly id: string; readonly why: HeldWhy }[]
  /** Mean similarity of the untrusted notes among the first `limit`, each with each; 0 for fewer than `CLUSTER_MIN`, and without a bound. */
  readonly coherence: number
  /** Whether that is above `coherenceMax`. */
  readonly isAnomalous: boolean
}

/** Untrusted notes that make a cluster. */
const CLUSTER_MIN = 3

/** What of a ranking may be shown. `ranked` is best first, and should be several times longer than `limit`. */
export function guardRecall<N extends Guarded>(
  query: string,
  ranked: readonly N[],
  options: GuardOptions,
): GuardedRecall<N> {
  const { limit, untrustedShareMax = 0.5, duplicateMin = 0.95, confirmationsMin = 0, checkWords = true } = options
  const { perSourceMax = Math.ceil(limit / 2), coherenceMax = Infinity, similarity = similarityOfWords() } = options
  const trusted = ranked.filter(({ note }) => isTrusted(note))
  if (trusted.length === ranked.length)
    return { notes: ranked.slice(0, limit), held: [], coherence: 0, isAnomalous: false }

  const coherence = coherenceMax === Infinity ? 0 : coherenceOf(ranked.slice(0, limit), similarity)
  const isAnomalous = coherence > coherenceMax
  const leaningOf = checkWords ? leaningIn(query, ranked) : () => 'none' as const
  const untrustedMax = trusted.length === 0 ? limit : Math.max(1, Math.floor(limit * untrustedShareMax))
  const why = new Map<N, HeldWhy>()
  const shown: N[] = []
  const perSource = new Map<string, number>()
  let untrusted = 0

  /** Why an untrusted note is not shown, whatever places there are. */
  function whyHeld({ note }: N, place: number): HeldWhy | undefined {
    if (isAnomalous && place < limit) return 'anomaly'
    const isAlone = confirmationsMin > 0 && !isConfirmed(note, ranked, confirmationsMin, similarity)
    return isAlone ? 'unconfirmed' : undefined
  }

  /** Why an untrusted note is shown only where places are left. */
  function doubtOf(one: N): Doubtful | undefined {
    const leaning = leaningOf(one)
    if (leaning !== 'none') return leaning
    const isFull = sourcesOf(one.note).some((source) => (perSource.get(source) ?? 0) >= perSourceMax)
    if (isFull || untrusted >= untrustedMax) return 'quota'
    const isTwin = ({ note: other }: N): boolean =>
      !isTrusted(other) && isOneSource(other, one.note) && similarity(other, one.note) >= duplicateMin
    return shown.some(isTwin) ? 'duplicate' : undefined
  }

  function show(one: N): void {
    shown.push(one)
    if (isTrusted(one.note)) return
    untrusted++
    for (const source of sourcesOf(one.note)) perSource.set(source, (perSource.get(source) ?? 0) + 1)
  }

  // Once for what may stand where it is; then what takes the places that are left, the least doubtful first.
  const late: { readonly [Doubt in Doubtful]: N[] } = { quota: [], leaning: [], duplicate: [], aside: [] }
  for (const [place, one] of ranked.entries()) {
    if (shown.length === limit) break
    if (isTrusted(one.note)) {
      show(one)
      continue
    }
    const held = whyHeld(one, place)
    const doubt = held === undefined ? doubtOf(one) : undefined
    if (held !== undefined) why.set(one, held)
    else if (doubt !== undefined) late[doubt].push(one)
    else show(one)
  }
  if (options.trustedFirst === true) shown.sort((a, b) => Number(isTrusted(b.note)) - Number(isTrusted(a.note)))
  for (const [doubt, ones] of Object.entries(late))
    for (const one of ones)
      if (shown.length < limit) show(one)
      else why.set(one, doubt as Doubtful)
  const held = ranked
    .slice(0, limit)
    .flatMap((one) => (shown.includes(one) ? [] : [{ id: one.note.id, why: why.get(one) ?? 'quota' }]))
  return { notes: shown, held, coherence, isAnomalous }
}

export function isTrusted({ trust }: Pick<Note, 'trust'>): boolean {
  return trust !== 'untrusted'
}

/** What a note's quotas go by: the source that it claims, and the tools it came through, which nobody can claim. */
export function sourcesOf({ source, tools, pid }: Pick<Note, 'source' | 'tools' | 'pid'>): readonly string[] {
  const through = tools.length > 0 ? [`tools ${tools.join(' ')}`] : []
  if (source !== null) return [`source ${source}`, ...through]
  return through.length > 0 ? through : [`process ${pid}`]
}

function isOneSource(a: Guarded['note'], b: Guarded['note']): boolean {
  const others = sourcesOf(b)
  return sourcesOf(a).some((source) => others.includes(source))
}

function isConfirmed(
  note: Guarded['note'],
  ranked: readonly Guarded[],
  confirmationsMin: number,
  similarity: Similarity,
): boolean {
  const sources = new Set<string>()
  for (const { note: other } of ranked) {
    if (isOneSource(note, other) || similarity(note, other) < CONFIRMING) continue
    if (isTrusted(other)) return true
    sources.add(sourcesOf(other).at(-1) as string)
    if (sources.size >= confirmationsMin) return true
  }
  return false
}

/** Two notes as similar as this say nearly the same. A choice of ours, by eye. */
const CONFIRMING = 0.6

// ------------------------------------------------------------------------------------------------------------ clusters

/** Mean similarity of the untrusted among these notes, each with each; 0 for fewer than three. */
export function coherenceOf(ranked: readonly Guarded[], similarity: Similarity = similarityOfWords()): number {
  const notes = ranked.map(({ note }) => note).filter((note) => !isTrusted(note))
  if (notes.length < CLUSTER_MIN) return 0
  let sum = 0
  for (const [i, a] of notes.entries()) for (const b of notes.slice(i + 1)) sum += similarity(a, b)
  return sum / ((notes.length * (notes.length - 1)) / 2)
}

/** The bound for `coherenceMax`: what so large a share of honest results stays under. @param share 0 to 1, default 0.99 */
export function coherenceLimit(honest: readonly number[], share = 0.99): number {
  const sorted = honest.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Infinity
}

/** The cosine of the counts of words, 0 to 1. Texts are read once for each function that this returns. */
export function similarityOfWords(): Similarity {
  const known = new Map<string, ReadonlyMap<string, number>>()
  const countsOf = (text: string): ReadonlyMap<string, number> => {
    let counts = known.get(text)
    if (counts === undefined) known.set(text, (counts = counted(text)))
    return counts
  }
  return (a, b) => cosine(countsOf(a.text), countsOf(b.text))
}

function counted(text: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const word of runsIn(text)) counts.set(word, (counts.get(word) ?? 0) + 1)
  return counts
}

function cosine(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): number {
  let dot = 0
  for (const [word, count] of a) dot += count * (b.get(word) ?? 0)
  return dot === 0 ? 0 : dot / Math.sqrt(squares(a) * squares(b))
}

function squares(counts: ReadonlyMap<string, number>): number {
  let sum = 0
  for (const count of counts.values()) sum += count * count
  return sum
}

// --------------------------------------------------------------------------------------------------------------- aside

/**
 * How far a note rests on words of the query of which no trusted note knows, while trusted ones know others. A trigger is such
 * a set of words: it makes a note the best for whatever else is asked. So is a name of which only pages speak; but then no
 * trusted note speaks better to the rest of the query, as it does where the rest is a question of its own.
 */
function leaningIn(query: string, ranked: readonly Guarded[]): (one: Guarded) => 'none' | 'leaning' | 'aside' {
  const asked = contentOf(query).slice(0, QUERY_WORDS_MAX)
  const shared = new Map<Guarded, readonly string[]>()
  /** How many trusted notes know a word. */
  const known = new Map<string, number>()
  for (const one of ranked) {
    const words = beginningsIn(one.note.text, asked)
    shared.set(one, words)
    if (isTrusted(one.note)) for (const word of words) known.set(word, (known.get(word) ?? 0) + 1)
  }
  // A word that few trusted notes hold says more of what is asked than one that many do.
  const backing = (one: Guarded): number =>
    (shared.get(one) ?? []).reduce((sum, word) => sum + (known.has(word) ? 1 / (known.get(word) as number) : 0), 0)
  const best = ranked.reduce((most, one) => (isTrusted(one.note) ? Math.max(most, backing(one)) : most), 0)
  return (one) => {
    const words = shared.get(one) ?? []
    const backed = words.filter((word) => known.has(word)).length
    if (known.size === 0 || words.length === backed) return 'none'
    if (backed === 0) return 'aside'
    return words.length - backed > backed && backing(one) < best ? 'leaning' : 'none'
  }
}

/** Which of these beginnings of words stand in a text. */
function beginningsIn(text: string, beginnings: readonly string[]): readonly string[] {
  const plain = text.normalize('NFKC').toLowerCase()
  return beginnings.filter((word) => {
    for (let at = plain.indexOf(word); at >= 0; at = plain.indexOf(word, at + 1))
      if (at === 0 || !LETTER.test(plain[at - 1] as string)) return true
    return false
  })
}

const LETTER = /[\p{L}\p{N}\p{M}]/u

/** Words that carry meaning, cut so that most forms of one word are one; each once. */
function contentOf(text: string): readonly string[] {
  const words = runsIn(text).filter((word) => word.length >= 3 && !GRAMMAR.has(word))
  return [...new Set(words.map((word) => (word.length > 3 ? word.replace(/e?s$|e$/, '') : word).slice(0, STEM_CHARS)))]
}

/** Characters of a word that count: a crude stem, of any language. */
const STEM_CHARS = 6

/** English words that carry grammar: a note that shares only these with a query shares nothing. */
const GRAMMAR: ReadonlySet<string> = new Set(
  (
    'the and for are was were been being has have had does did doing will would can could shall should may might must not nor but ' +
    'this that these those there here then than what which who whom whose when where why how all any both each few more most other ' +
    'some such only own same too very just about above after again against because before below between down during from further ' +
    'into off once out over through under until upon while with without you your yours she her hers him his its they them their ' +
    'our ours let get got also one tell say said please'
  ).split(' '),
)

// -------------------------------------------------------------------------------------------------------------- writes

/** What a kernel is told about its guard. */
export interface RecallGuard extends Omit<GuardOptions, 'limit' | 'similarity'> {
  /** How fast a source may write; more is refused with `LIMIT_EXCEEDED`. @default as it likes */
  readonly writeRate?: WriteRate
}

/** All that a recall guard can be told. */
export const guardKeys: KeysOf<RecallGuard> = {
  untrustedShareMax: true,
  perSourceMax: true,
  duplicateMin: true,
  confirmationsMin: true,
  coherenceMax: true,
  checkWords: true,
  trustedFirst: true,
  writeRate: true,
}

/** Writes of one source in a time. */
export interface WriteRate {
  /** Untrusted notes that one source may add within `windowMs`. */
  readonly notesMax: number
  /** Length of the window, ms. */
  readonly windowMs: number
}

/** Sources whose writes are remembered; beyond, those that wrote least lately are forgotten. */
const SOURCES_MAX = 10_000

/** Counts what sources write; `admit` says whether one more fits, and counts it if so. Trusted notes always do. */
export function createWriteRate({ notesMax, windowMs }: WriteRate): {
  admit(note: Pick<Note, 'trust' | 'source' | 'tools' | 'pid'>, now: number): boolean
} {
  const written = new Map<string, readonly number[]>()
  return {
    admit(note, now) {
      if (isTrusted(note)) return true
      const lately = sourcesOf(note).map((source) => {
        const times = (written.get(source) ?? []).filter((at) => at > now - windowMs)
        return { source, times }
      })
      if (lately.some(({ times }) => times.length >= notesMax)) return false
      for (const { source, times } of lately) {
        // Whoever wrote last stands last in the map.
        written.delete(source)
        if (written.size >= SOURCES_MAX) written.delete(written.keys().next().value as string)
        written.set(source, [...times, now])
      }
      return true
    },
  }
}
