/**
 * How notes of a layered memory fade, rise and sink: the formulas of FinMem (Yu et al. 2023, "FinMem: a performance-enhanced
 * LLM trading agent with layered memory and character design", sections 3.1 and 3.2, constants of its release).
 *
 *     let standing = begin('short', 70)
 *     standing = dayPasses(standing)        // undefined: it has faded away
 *     standing = credit(standing, +1)       // it led to something good
 *     rankFaded(candidates, { limit: 5 })
 *
 * Pure: days are counted, nothing looks at a clock.
 *
 * Invariants
 *   FA1. In a day: recency and importance fade, then what is below a threshold is gone, then notes jump, twice, from the
 *        shortest layer to the longest.
 *   FA2. A jump upward makes a note as recent as a new one; a jump downward leaves its age as it is.
 */

export type Layer = 'short' | 'mid' | 'long' | 'reflection'

export interface LayerTerms {
  /** Days in which recency falls to 1/e (Q). */
  readonly recencyDays: number
  /** Share of its importance that a note keeps from one day to the next (alpha). */
  readonly importanceKept: number
  /** Importance from which on a note jumps to the next longer layer. @default never */
  readonly up?: number
  /** Importance below which it jumps to the next shorter one. @default never */
  readonly down?: number
  /** What a note's importance begins with, and how often. */
  readonly importance: readonly (readonly [value: number, probability: number])[]
}

const OFTEN_80: LayerTerms['importance'] = [
  [40, 0.05],
  [60, 0.15],
  [80, 0.8],
]

/** The layers, the shortest first; reflections stay in theirs. */
export const layers: { readonly [name in Layer]: LayerTerms } = {
  short: {
    recencyDays: 3,
    importanceKept: 0.92,
    up: 60,
    importance: [
      [50, 0.5],
      [70, 0.45],
      [90, 0.05],
    ],
  },
  mid: {
    recencyDays: 90,
    importanceKept: 0.967,
    up: 80,
    down: 60,
    importance: [
      [40, 0.05],
      [60, 0.8],
      [80, 0.15],
    ],
  },
  long: { recencyDays: 365, importanceKept: 0.988, down: 80, importance: OFTEN_80 },
  reflection: { recencyDays: 365, importanceKept: 0.988, importance: OFTEN_80 },
}

/** A note is gone below either. */
export const thresholds = { recency: 0.05, importance: 5 } as const

/** What a good or bad outcome adds to importance, for each point of the note's whole count. */
const CREDIT = 5
/** Importance above this counts as this much. */
const IMPORTANCE_FULL = 100

/** Where a note stands. */
export interface Standing {
  readonly layer: Layer
  /** 0 and up. */
  readonly importance: number
  /** Days since it came or last jumped upward. */
  readonly days: number
  /** Good outcomes less bad ones. */
  readonly credits: number
}

export function begin(layer: Layer, importance: number): Standing {
  return { layer, importance, days: 0, credits: 0 }
}

/** The importance that a new note begins with, for a number drawn from [0, 1). */
export function drawImportance(layer: Layer, drawn: number): number {
  let sum = 0
  for (const [value, probability] of layers[layer].importance) {
    sum += probability
    if (drawn < sum) return value
  }
  return layers[layer].importance.at(-1)?.[0] as number
}

/** S = exp(-days / Q). */
export function recencyOf({ layer, days }: Pick<Standing, 'layer' | 'days'>): number {
  return Math.exp(-days / layers[layer].recencyDays)
}

/** A day later; undefined once the note is gone. */
export function dayPasses(
  standing: Standing,
  { recency, importance } = thresholds as Thresholds,
): Standing | undefined {
  const faded = {
    ...standing,
    days: standing.days + 1,
    importance: standing.importance * layers[standing.layer].importanceKept,
  }
  if (recencyOf(faded) < recency || faded.importance < importance) return undefined
  return jumped(jumped(faded))
}

export interface Thresholds {
  readonly recency: number
  readonly importance: number
}

/** Some days later. */
export function daysPass(standing: Standing, days: number, below?: Thresholds): Standing | undefined {
  let now: Standing | undefined = standing
  for (let day = 0; day < days && now !== undefined; day++) now = dayPasses(now, below)
  return now
}

/** One round: short to mid, then mid to long or short, then long to mid; a note may jump more than once. */
function jumped(standing: Standing): Standing {
  let now = standing
  const up = (layer: Layer): Standing => ({ ...now, layer, days: 0 })
  if (now.layer === 'short' && now.importance >= (layers.short.up as number)) now = up('mid')
  if (now.layer === 'mid') {
    if (now.importance >= (layers.mid.up as number)) now = up('long')
    else if (now.importance < (layers.mid.down as number)) now = { ...now, layer: 'short' }
  }
  if (now.layer === 'long' && now.importance < (layers.long.down as number)) now = { ...now, layer: 'mid' }
  return now
}

/**
 * Something good (1) or bad (-1) came of the note. The whole count is added five times over, so repeated credit grows
 * with its square, as published.
 */
export function credit(standing: Standing, outcome: 1 | -1): Standing {
  const credits = standing.credits + outcome
  return { ...standing, credits, importance: standing.importance + CREDIT * credits }
}

/** What a note weighs without a question: recency and importance, each up to 1. */
export function weightOf(standing: Standing): number {
  return recencyOf(standing) + Math.min(standing.importance, IMPORTANCE_FULL) / IMPORTANCE_FULL
}

// ------------------------------------------------------------------------------------------------------------- ranking

export interface FadedCandidate {
  readonly id: string
  /** Cosine with the question, -1 to 1. */
  readonly similarity: number
  /** `weightOf` its standing. */
  readonly weight: number
}

export interface RankFadedOptions {
  readonly limit: number
  /** The release's order: see `rankFaded`. @default false */
  readonly asPublished?: boolean
  /** As published, a question's vector is not of unit length; this is its length. @default 1 */
  readonly queryLength?: number
}

/**
 * The best by similarity and weight together, out of the `limit` most similar and the `limit` weightiest ones.
 *
 * As published, the second list holds the least weighty (a list sorted upward is read from its start), a note in both lists
 * takes two places of the result, similarities carry the length of the question's vector, and the order is that of ids.
 * The release then shuffles; a caller who wants that draws from `sys.random()`.
 */
export function rankFaded<Candidate extends FadedCandidate>(
  candidates: readonly Candidate[],
  { limit, asPublished = false, queryLength = 1 }: RankFadedOptions,
): Candidate[] {
  const score = ({ similarity, weight }: Candidate): number => similarity * (asPublished ? queryLength : 1) + weight
  const similar = candidates.toSorted((a, b) => b.similarity - a.similarity).slice(0, limit)
  const weighty = candidates
    .toSorted((a, b) => (asPublished ? a.weight - b.weight : b.weight - a.weight))
    .slice(0, limit)
  const both = [...similar, ...weighty]
  if (!asPublished) return [...new Set(both)].sort((a, b) => score(b) - score(a)).slice(0, limit)
  const chosen = both.sort((a, b) => score(b) - score(a)).slice(0, limit)
  return [...new Set(chosen)].sort((a, b) => (a.id < b.id ? -1 : 1))
}
