/**
 * The reader's measures of meaning: how much of a question a sentence says in other words, by word vectors (reader-vectors.ts).
 *
 *     const meaningOf = meaningsFor(question, terms)
 *     meaningOf(sentence).alikeNear   // the share of the question's terms to which some word in or around the sentence is alike
 *
 * Invariants
 *   RM1. Every share is between 0 and 1, and every mass is at least 0.
 *   RM2. A name or a number is alike to itself only.
 */
import { stopWords } from '../folder/words.ts'
import type { Question, Term } from './reader-question.ts'
import type { Passage, Sentence } from './reader-sentences.ts'
import { dimensions, likeness, rarityInEnglish, vectorOf, type Vector } from './reader-vectors.ts'
import { wordsIn, type Word } from './reader-words.ts'

export interface Meaning {
  /** Share of terms alike to a word of the sentence, of those around it or of its headings, each by how alike and how near. */
  alikeNear: number
  /** The same anywhere in the passage. */
  alikePassage: number
  /** Of the terms that are no names alone, the share alike to a word of the sentence itself. */
  alikePlain: number
  /** How alike the sentence as a whole is to the question as a whole. */
  gist: number
  /** The same for the sentence with those around it. */
  gistNear: number
  /** How much of what the sentence says is of the question. */
  toThePoint: number
  /** How alike a word of the sentence is to the kind of thing asked for («which island»). */
  kindAlike: number
  /** Weight of the terms met in the sentence, in fifths: unlike a share it tells how much there was to meet. */
  held: number
  /** The same in it and around it. */
  heldNear: number
  /** Weight of the terms not met there. */
  lost: number
  /** Weight of the heaviest term not met there. */
  lostHeaviest: number
  /** How many terms there are, in tenths. */
  asked: number
}

/** Two words that are this alike or less have nothing to do with each other. */
const likenessLeast = 0.3
const massUnit = 5
const heaviestTerm = 1.4
const termsTold = 10
/** What a word is worth in the sentence next to the one measured, and in the one beyond. */
const worthBeside = [0.8, 0.6]
const worthInHeading = 0.7
/** A short sentence cannot be wholly to the point. */
const shortest = 2

/** What a sentence says. */
interface Said {
  readonly words: readonly SaidWord[]
  /** For each term, how well the best of its words stands for it. */
  readonly met: Float64Array
  /** The sum of its vectors, by rarity, and the sum of the rarities. */
  readonly sum: Float32Array
  readonly weight: number
}

interface SaidWord {
  readonly lower: string
  readonly weight: number
  readonly vector: Vector | undefined
  /** How well it stands for the term it stands for best. */
  readonly worth: number
}

/** Prepares the measure for one question, whose terms have their final weights. */
export function meaningsFor(question: Question, terms: readonly Term[]): (sentence: Sentence) => Meaning {
  const total = terms.reduce((sum, term) => sum + term.weight, 0)
  const wanted = terms.map((term) => ({
    term,
    share: total === 0 ? 0 : term.weight / total,
    vector: term.isName ? undefined : vectorOf(term.raw.toLowerCase()),
    known: new Map<string, number>(),
  }))
  const kind = kindOf(question.text)
  const kindVector = kind === '' ? undefined : vectorOf(kind)
  const whole = new Float32Array(dimensions)
  for (const { vector, share } of wanted) if (vector) add(whole, vector, share)
  const said = new Map<Sentence, Said>()
  const headings = new Map<string, Float64Array>()
  const passages = new Map<Passage, Float64Array>()

  function worthFor(index: number, word: Word, lower: string, vector: Vector | undefined): number {
    const each = wanted[index] as (typeof wanted)[number]
    if (word.stem === each.term.stem) return 1
    if (each.vector === undefined || vector === undefined) return 0
    const before = each.known.get(lower)
    if (before !== undefined) return before
    const worth = Math.max(0, (likeness(each.vector, vector) - likenessLeast) / (1 - likenessLeast))
    each.known.set(lower, worth)
    return worth
  }

  function read(words: readonly Word[]): Said {
    const found: SaidWord[] = []
    const met = new Float64Array(wanted.length)
    const sum = new Float32Array(dimensions)
    let weight = 0
    for (const word of words) {
      const lower = word.raw.toLowerCase()
      if (stopWords.has(lower)) continue
      const vector = vectorOf(lower)
      const rarity = rarityInEnglish(lower) ** 2
      let best = 0
      for (let index = 0; index < wanted.length; index++) {
        const worth = worthFor(index, word, lower, vector)
        if (worth > best) best = worth
        if (worth > (met[index] as number)) met[index] = worth
      }
      found.push({ lower, weight: rarity, vector, worth: best })
      weight += rarity
      if (vector) add(sum, vector, rarity)
    }
    return { words: found, met, sum, weight }
  }

  const saidBy = (sentence: Sentence): Said => remembered(said, sentence, () => read(sentence.words))
  const metInHeading = ({ evidence: { heading } }: Passage): Float64Array =>
    remembered(headings, heading, () => read(wordsIn(heading)).met)
  const metInPassage = (passage: Passage): Float64Array =>
    remembered(passages, passage, () => {
      const met = Float64Array.from(metInHeading(passage))
      for (const sentence of passage.sentences) {
        const own = saidBy(sentence).met
        for (let index = 0; index < met.length; index++)
          met[index] = Math.max(met[index] as number, own[index] as number)
      }
      return met
    })

  const meanings = new Map<Sentence, Meaning>()
  const meaningOf = (sentence: Sentence): Meaning => {
    const own = saidBy(sentence)
    const around = [-2, -1, 1, 2].flatMap((step) => {
      const other = sentence.passage.sentences[sentence.index + step]
      return other === undefined ? [] : [{ said: saidBy(other), worth: worthBeside[Math.abs(step) - 1] as number }]
    })
    const inHeading = metInHeading(sentence.passage)
    const inPassage = metInPassage(sentence.passage)
    const meaning: Meaning = {
      alikeNear: 0,
      alikePassage: 0,
      alikePlain: 0,
      gist: cosine(whole, own.sum),
      gistNear: 0,
      toThePoint: own.words.reduce((sum, word) => sum + word.weight * word.worth, 0) / (own.weight + shortest),
      kindAlike: kindVector === undefined ? 0 : kindIn(own.words, kind, kindVector),
      held: 0,
      heldNear: 0,
      lost: 0,
      lostHeaviest: 0,
      asked: Math.min(1, wanted.length / termsTold),
    }
    let plain = 0
    for (const [index, { term, share }] of wanted.entries()) {
      const here = own.met[index] as number
      let near = Math.max(here, (inHeading[index] as number) * worthInHeading)
      for (const other of around) near = Math.max(near, (other.said.met[index] as number) * other.worth)
      meaning.alikeNear += share * near
      meaning.alikePassage += share * (inPassage[index] as number)
      if (!term.isName) {
        plain += share
        meaning.alikePlain += share * here
      }
      meaning.held += (term.weight * here) / massUnit
      meaning.heldNear += (term.weight * near) / massUnit
      meaning.lost += (term.weight * (1 - near)) / massUnit
      meaning.lostHeaviest = Math.max(meaning.lostHeaviest, (term.weight * (1 - near)) / heaviestTerm)
    }
    meaning.alikePlain = plain === 0 ? 1 : meaning.alikePlain / plain
    const window = Float32Array.from(own.sum)
    for (const other of around) add(window, other.said.sum, other.worth)
    meaning.gistNear = cosine(whole, window)
    return meaning
  }
  return (sentence) => remembered(meanings, sentence, () => meaningOf(sentence))
}

function remembered<K, V>(known: Map<K, V>, key: K, make: () => V): V {
  let value = known.get(key)
  if (value === undefined) known.set(key, (value = make()))
  return value
}

function kindIn(words: readonly SaidWord[], kind: string, vector: Vector): number {
  let best = 0
  for (const word of words)
    if (word.lower === kind) best = Math.max(best, 0.5)
    else if (word.vector !== undefined)
      best = Math.max(best, (likeness(vector, word.vector) - likenessLeast) / (1 - likenessLeast))
  return best
}

const verbs =
  'is|are|was|were|do|does|did|has|have|had|can|could|will|would|must|should|happens?|happened|became|causes?|if'
const kindPattern = new RegExp(
  `\\b(?:which|what)\\s+(?!(?:${verbs})\\b)(?:[\\p{L}-]+\\s+){0,2}?(\\p{L}+)(?=\\s+(?:${verbs}|of|in|to|from|for|that|by|on|at|with|\\p{L}+ed|\\p{L}+s)\\b)`,
  'iu',
)

/** The noun after «which» or «what», lower case; empty when there is none. */
function kindOf(text: string): string {
  return (kindPattern.exec(text)?.[1] ?? '').toLowerCase()
}

function add(sum: Float32Array, vector: Float32Array, weight: number): void {
  for (let at = 0; at < dimensions; at++) sum[at] = (sum[at] as number) + weight * (vector[at] as number)
}

/** The cosine, or 0 when it is negative or there is nothing to compare. */
function cosine(a: Float32Array, b: Float32Array): number {
  let product = 0
  let squareA = 0
  let squareB = 0
  for (let at = 0; at < dimensions; at++) {
    const [x, y] = [a[at] as number, b[at] as number]
    product += x * y
    squareA += x * x
    squareB += y * y
  }
  return squareA === 0 || squareB === 0 ? 0 : Math.max(0, product / Math.sqrt(squareA * squareB))
}
