/**
 * What bench/memory.ts compares the kernel's recall with, over the same turns and at the same budget: as many turns returned.
 *
 *     const rank = baselines(turns, vectorsOfTurns)
 *     rank['BM25'](question, vectorOfQuestion)        // ids, best first
 *
 * `BM25, all words` and `+ window` are those of the figures known of the public data (words as they are, k1 1.5, b 0.75; the
 * window adds 0.4 of the score of the turn on each side). `BM25` is the stronger form, with stems and without stop words.
 * `vectors` is the cosine of the embedder in use, and `fusion` the two by reciprocal rank (Cormack, Clarke, Buettcher 2009, k = 60).
 */
import { searchWords } from '../src/kernel/query.ts'
import { stem } from '../src/kernel/stem.ts'
import { wordsIn } from '../src/kernel/words.ts'

export interface PlainTurn {
  readonly id: string
  readonly text: string
  readonly session: number
}

/** Ids of turns for a question, best first. */
export type Baseline = (question: string, vector: readonly number[] | undefined) => readonly string[]

/** All baselines over the turns of one conversation, by name. Without vectors those that need them are missing. */
export function baselines(
  turns: readonly PlainTurn[],
  vectors: readonly (readonly number[])[] | undefined,
): Readonly<Record<string, Baseline>> {
  const plain = bm25(turns.map(({ text }) => wordsIn(text)))
  const stemmed = bm25(turns.map(({ text }) => wordsIn(text).map(stem)))
  const stemsOf = (question: string): string[] => [...new Set(searchWords(question).map(stem))]
  const ordered = (scores: readonly number[]): string[] =>
    [...scores.keys()]
      .filter((place) => scores[place]! > 0)
      .sort((a, b) => scores[b]! - scores[a]! || a - b)
      .map((place) => turns[place]!.id)
  const windowed = (scores: readonly number[]): number[] =>
    scores.map((score, place) => {
      const beside = [place - 1, place + 1].filter((other) => turns[other]?.session === turns[place]!.session)
      return score + beside.reduce((sum, other) => sum + 0.4 * scores[other]!, 0)
    })
  const cosines = (vector: readonly number[] | undefined): number[] =>
    turns.map((_, place) => dot(vectors?.[place] ?? [], vector ?? []))
  return {
    'BM25, all words': (question) => ordered(plain([...new Set(wordsIn(question))])),
    'BM25, all words + window': (question) => ordered(windowed(plain([...new Set(wordsIn(question))]))),
    BM25: (question) => ordered(stemmed(stemsOf(question))),
    ...(vectors === undefined
      ? {}
      : {
          vectors: (_, vector) => ordered(cosines(vector)),
          fusion: (question, vector) => fused([ordered(stemmed(stemsOf(question))), ordered(cosines(vector))]),
        }),
  }
}

function bm25(documents: readonly (readonly string[])[], k1 = 1.5, b = 0.75): (words: readonly string[]) => number[] {
  const mean = documents.reduce((sum, { length }) => sum + length, 0) / documents.length
  const holding = new Map<string, Map<number, number>>()
  for (const [place, words] of documents.entries()) {
    for (const word of words) {
      const places = holding.get(word) ?? new Map<number, number>()
      holding.set(word, places.set(place, (places.get(place) ?? 0) + 1))
    }
  }
  return (words) => {
    const scores: number[] = documents.map(() => 0)
    for (const word of words) {
      const places = holding.get(word)
      if (places === undefined) continue
      const rarity = Math.log(1 + (documents.length - places.size + 0.5) / (places.size + 0.5))
      for (const [place, times] of places)
        scores[place]! += (rarity * times * (k1 + 1)) / (times + k1 * (1 - b + (b * documents[place]!.length) / mean))
    }
    return scores
  }
}

function fused(lists: readonly (readonly string[])[]): string[] {
  const scores = new Map<string, number>()
  for (const list of lists)
    for (const [place, id] of list.entries()) scores.set(id, (scores.get(id) ?? 0) + 1 / (60 + place + 1))
  return [...scores].sort((a, b) => b[1] - a[1]).map(([id]) => id)
}

function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * (b[i] ?? 0)
  return sum
}
