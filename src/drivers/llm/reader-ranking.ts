/**
 * The reader's judgement: which sentences of the evidence answer a question, and how well the best of them is supported.
 *
 *     const { ranked, support, missing } = rank(parseQuestion('Who …?'), evidence)
 *
 * Each sentence gets a few plain measures (reader-features.ts): how much of the question, weighted by the rarity of its words, stands in it, next to it, or in its headings and path; whether the words
 * stay together; whether it has the form of a definition and holds the kind of thing asked for. Its score is their weighted sum, and so is its support, with other weights.
 *
 * Invariants
 *   RR1. The order is total and depends on the input only: ties go by path, then line.
 *   RR2. Support is between 0 and 1, and 0 without evidence.
 *   RR3. A sentence is ranked once, however many tools returned it.
 */
import type { Evidence } from './reader-evidence.ts'
import { measureSentences, placeOf, type Features } from './reader-features.ts'
import type { Question, Term } from './reader-question.ts'
import type { Sentence } from './reader-sentences.ts'

export interface RankedSentence {
  readonly sentence: Sentence
  readonly features: Features
  /** For the order. */
  readonly score: number
  /** For the decision to answer, 0 to 1. */
  readonly support: number
}

export interface Ranking {
  /** Best first, at most `rankedMax`. */
  readonly ranked: readonly RankedSentence[]
  /** Support of the best. */
  readonly support: number
  /** Terms that the best sentence and its surroundings do not hold, heaviest first. */
  readonly missing: readonly Term[]
}

const rankedMax = 12

/** Weights of the score. Tuned on the tuning half of test/quality/questions only. */
export const scoreWeights: Readonly<Features> = {
  here: 0.92,
  kin: 1.03,
  near: 0.28,
  heading: 0.96,
  path: 1.1,
  passage: 0.35,
  lostName: -0.19,
  nameHere: 0,
  plainMet: 0.25,
  absent: 0,
  headLost: 0,
  beside: 0.11,
  close: 0.02,
  pairs: 0.26,
  defining: 0.65,
  headed: 0.3,
  fits: 0.36,
  explains: 0,
  unfit: -0.21,
  fitsClose: 0.23,
  rank: 0.23,
  asking: -0.06,
  title: -0.54,
  code: -0.3,
  table: -0.21,
  short: -0.24,
  long: -0.37,
}

/** Weights of the support, with a constant. Tuned likewise. */
export const supportWeights: Readonly<Features> & { readonly constant: number } = {
  here: 0.7,
  kin: 0.43,
  near: 0,
  heading: 0.31,
  path: 0.6,
  passage: 0.26,
  lostName: -0.79,
  nameHere: 0,
  plainMet: 2.13,
  absent: -0.83,
  headLost: -0.7,
  beside: 0,
  close: 0,
  pairs: 0.68,
  defining: 0.77,
  headed: 0.8,
  fits: 0.37,
  explains: 0.27,
  unfit: -0.07,
  fitsClose: 0.69,
  rank: 0.06,
  asking: 0,
  title: 0,
  code: 0,
  table: 0,
  short: 0,
  long: 0,
  constant: -2.53,
}

/** Ranks every sentence of the evidence. */
export function rank(
  question: Question,
  evidence: readonly Evidence[],
  wordScores: ReadonlyMap<string, number> = new Map(),
): Ranking {
  const { asked, measured } = measureSentences(question, evidence, wordScores)
  const best = new Map<string, RankedSentence>()
  for (const { sentence, features } of measured) {
    const judged = {
      sentence,
      features,
      score: weigh(features, scoreWeights),
      support: 1 / (1 + Math.exp(-(supportWeights.constant + weigh(features, supportWeights)))),
    }
    const key = `${sentence.path}\n${sentence.line}\n${sentence.text}`
    const before = best.get(key)
    if (before === undefined || judged.score > before.score) best.set(key, judged)
  }
  const ranked = [...best.values()].toSorted(order).slice(0, rankedMax)
  const top = ranked[0]
  if (top === undefined) return { ranked, support: 0, missing: question.terms }
  const missing = asked.terms
    .filter((term) => placeOf(term, top.sentence) === undefined)
    .toSorted((a, b) => b.weight - a.weight)
  return { ranked, support: top.support, missing }
}

function weigh(features: Features, weights: Readonly<Features>): number {
  let sum = 0
  for (const name in weights) sum += (features[name as keyof Features] ?? 0) * weights[name as keyof Features]
  return sum
}

function order(a: RankedSentence, b: RankedSentence): number {
  return (
    b.score - a.score ||
    (a.sentence.path < b.sentence.path ? -1 : a.sentence.path > b.sentence.path ? 1 : a.sentence.line - b.sentence.line)
  )
}
