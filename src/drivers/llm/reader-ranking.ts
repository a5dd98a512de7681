/**
 * The reader's judgement: which sentences of the evidence answer a question, and how well the best of them is supported.
 *
 *     const { ranked, support, missing } = rank(parseQuestion('Who …?'), evidence)
 *
 * Each sentence gets a few plain measures (reader-features.ts): how much of the question, weighted by the rarity of its words, stands in it, next to it, or in its headings and path; whether the words
 * stay together; whether it has the form of a definition and holds the kind of thing asked for. Its score is their weighted sum; its support is a logistic regression on them (reader-weights.ts, fitted by
 * scripts/fit-reader.ts).
 *
 * Invariants
 *   RR1. The order is total and depends on the input only: ties go by path, then line.
 *   RR2. Support is between 0 and 1, and 0 without evidence.
 *   RR3. A sentence is ranked once, however many tools returned it.
 */
import type { Evidence } from './reader-evidence.ts'
import { measureSentences, meet, type Features } from './reader-features.ts'
import type { Question, Term } from './reader-question.ts'
import type { Sentence } from './reader-sentences.ts'
import { scoreWeights, supportWeights } from './reader-weights.ts'

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
  /** Support of the best supported among the first three. */
  readonly support: number
  /** Terms that the best sentence and its surroundings do not hold, heaviest first. */
  readonly missing: readonly Term[]
}

const rankedMax = 12

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
    .filter((term) => meet(term, top.sentence, asked).place === undefined)
    .toSorted((a, b) => b.weight - a.weight)
  return { ranked, support: Math.max(...ranked.slice(0, 3).map((each) => each.support)), missing }
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
