/**
 * Triggers: a few words that draw any question to the notes that hold them, searched for against an embedder.
 *
 *     const trigger = await findTrigger({ embedder, questions, notes, words, seed: 1 })      // 'qivlu zorbe thexa'
 *
 * After AgentPoison (Chen et al. 2024, arXiv 2407.12784, section 3.3): questions with the trigger shall lie close together
 * (compactness) and far from what the memory holds (uniqueness). The paper follows gradients of an open embedder; here
 * the embedder is only asked, word after word, with a beam: what one can do to any embedder whose name one knows.
 *
 * Invariants
 *   TR1. The attacker sees the embedder, questions of his own and guesses at notes; never the memory that is attacked.
 *   TR2. The same options give the same trigger.
 */
import { randomAt } from '../../kernel/clock.ts'
import type { Embedder } from '../../kernel/drivers.ts'

export interface TriggerOptions {
  readonly embedder: Embedder
  /** Questions as users may ask them; the attacker's own. */
  readonly questions: readonly string[]
  /** Notes as a memory may hold them; the attacker's own. */
  readonly notes: readonly string[]
  /** Words of which the trigger is made. */
  readonly words: readonly string[]
  /** Words of the trigger. Minimum 1. @default 4 */
  readonly length?: number
  /** Triggers that are carried from word to word. @default 3 */
  readonly beam?: number
  /** Words that are tried in each place, drawn anew for each. @default 24 */
  readonly tries?: number
  readonly seed: number
  /** Awaited between the trials; what it throws ends the search. */
  readonly turn?: (() => Promise<void>) | undefined
}

/** A trigger, and what was reached. */
export interface Trigger {
  readonly text: string
  /** Mean cosine of triggered questions with their centre. */
  readonly compactness: number
  /** Mean over triggered questions of the cosine with the nearest of the attacker's notes; lower is more unique. */
  readonly nearness: number
}

interface Scored extends Trigger {
  readonly words: readonly string[]
  readonly score: number
}

/** Rounds over all places after the first. */
const ROUNDS = 2

/** The best trigger that the search finds. */
export async function findTrigger(options: TriggerOptions): Promise<Trigger> {
  const { embedder, questions, notes, words, length = 4, beam = 3, tries = 24, seed, turn } = options
  const { signal } = new AbortController()
  const known = await embedder.embed(notes, { signal })
  let draws = 0
  const draw = (): string => words[Math.floor(randomAt(seed, DRAWS, draws++) * words.length)] as string

  async function scoreOf(trial: readonly string[]): Promise<Scored> {
    const text = trial.join(' ')
    const triggered = await embedder.embed(
      questions.map((question) => `${question} ${text}`),
      { signal },
    )
    const centre = unit(sumOf(triggered))
    const compactness = mean(triggered.map((vector) => dot(vector, centre)))
    const nearness = mean(triggered.map((vector) => Math.max(...known.map((note) => dot(vector, note)))))
    return { text, words: trial, compactness, nearness, score: compactness - nearness }
  }

  let best: Scored[] = [await scoreOf(Array.from({ length }, draw))]
  for (let round = 0; round <= ROUNDS; round++)
    for (let place = 0; place < length; place++) {
      const trials = new Map<string, readonly string[]>()
      for (const { words: one } of best)
        for (let n = 0; n < tries; n++) {
          const trial = one.with(place, draw())
          trials.set(trial.join(' '), trial)
        }
      const scored = [...best]
      for (const trial of trials.values()) {
        await turn?.()
        scored.push(await scoreOf(trial))
      }
      best = [...new Map(scored.map((one) => [one.text, one])).values()]
        .sort((a, b) => b.score - a.score)
        .slice(0, beam)
    }
  const [{ text, compactness, nearness }] = best as [Scored]
  return { text, compactness, nearness }
}

/** Words of no language, as a tokenizer's rare pieces are: syllables in a row. */
export function strangeWords(count: number, seed: number): readonly string[] {
  const pick = (from: string, at: number): string =>
    from[Math.floor(randomAt(seed, SYLLABLES, at) * from.length)] as string
  return Array.from({ length: count }, (_, i) => {
    const syllables = 2 + (i % 2)
    return Array.from({ length: syllables }, (_, n) => {
      const at = (i * 4 + n) * 3
      return (
        pick('bdfgjklmnpqrstvwxz', at) +
        pick('aeiouy', at + 1) +
        (n === syllables - 1 ? pick('bdfgklmnprstxz', at + 2) : '')
      )
    }).join('')
  })
}

/** Streams of chance. */
const DRAWS = 71
const SYLLABLES = 72

function sumOf(vectors: readonly (readonly number[])[]): number[] {
  const sum = Array.from({ length: vectors[0]?.length ?? 0 }, () => 0)
  for (const vector of vectors) for (let i = 0; i < sum.length; i++) sum[i]! += vector[i] as number
  return sum
}

function unit(vector: readonly number[]): number[] {
  const size = Math.sqrt(dot(vector, vector))
  return vector.map((value) => (size === 0 ? 0 : value / size))
}

function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}
