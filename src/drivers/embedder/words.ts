/**
 * The words embedder: a text's meaning as the weighted mean of its words', without a model or a network.
 *
 *     const kernel = await boot({ embedder: 'words' })
 *     const [vector] = await wordsEmbedder().embed(['The doctor is ill'], { signal })   // near to "a sick physician"
 *
 * Smooth inverse frequency (Arora, Liang, Ma 2017, "A simple but tough-to-beat baseline for sentence embeddings", algorithm 1): a
 * word of frequency p weighs a / (a + p), and what all texts share is taken out. The words' vectors are the reader's
 * (llm/reader-vectors.ts, GloVe); their frequencies follow from their order by Zipf's law, and what all texts share is the
 * mean of the table under the same weights, so that no text changes the vector of another (the paper takes it from the corpus).
 *
 * It knows English words one by one; any other word is only near to itself. It knows no names: who speaks ("Anna: …") and what is written with a capital inside a
 * sentence are left out, as they would draw all that names the same person together. Names are found by their letters.
 *
 * Invariants
 *   WE1. A vector is a function of the text and of the table: no state, no order of calls changes it.
 *   WE2. It has length 1, or is all zeros for a text without a word that counts.
 */
import type { Embedder } from '../../kernel/drivers.ts'
import { runsIn } from '../../kernel/words.ts'
import { stopWords } from '../folder/words.ts'
import { dimensions, frequentWords, placeByFrequency, vectorOf } from '../llm/reader-vectors.ts'

/** The paper's a. It gives 1e-3 to 1e-4 as good values (section 4.1); between them the quality of recall does not differ here. */
const WEIGHT_A = 3e-4
/** Frequency of the commonest word of English, from which Zipf's law gives the others': the share of "the" in running text. */
const COMMONEST = 0.07
/** Words from which what all texts share is taken; the rarer ones add nothing to it. */
const COMMON_WORDS = 20_000
/** Texts between two looks at the signal. */
const TEXTS_A_TURN = 512

const SPEAKER = /^\p{Lu}[\p{L}’'. -]{0,40}:\s/u
/** A word with a capital that follows a word, a comma or a closing sign, so that it does not begin a sentence. */
const NAME = /(?<=[\p{L}\p{N},;)'’"”] )\p{Lu}[\p{L}]+(?:['’]s)?/gu

export function wordsEmbedder(): Embedder {
  let shared: Float32Array | undefined

  function vectorOfText(text: string): number[] {
    shared ??= sharedByAll()
    const sum = new Float32Array(dimensions)
    const plain = text.normalize('NFKC').replace(SPEAKER, '').replaceAll(NAME, ' ')
    for (const word of runsIn(plain)) {
      if (stopWords.has(word)) continue
      addWord(sum, word, weightOf(word))
    }
    let along = 0
    for (let i = 0; i < dimensions; i++) along += sum[i]! * shared[i]!
    for (let i = 0; i < dimensions; i++) sum[i]! -= along * shared[i]!
    return Array.from(toUnit(sum))
  }

  return {
    name: 'words',
    async embed(texts, { signal }) {
      const vectors: number[][] = []
      for (const [place, text] of texts.entries()) {
        if (place % TEXTS_A_TURN === 0) {
          if (place > 0) await new Promise((resolve) => void setImmediate(resolve))
          signal.throwIfAborted()
        }
        vectors.push(vectorOfText(text))
      }
      return vectors
    },
  }
}

function addWord(sum: Float32Array, word: string, weight: number): void {
  const vector = vectorOf(word) ?? directionOf(word)
  for (let i = 0; i < dimensions; i++) sum[i]! += weight * vector[i]!
}

function sharedByAll(): Float32Array {
  const sum = new Float32Array(dimensions)
  for (const [place, word] of frequentWords(COMMON_WORDS).entries())
    addWord(sum, word, (COMMONEST / (place + 1)) * weightOf(word))
  return toUnit(sum)
}

/** A direction of its own for a word that the table does not know, from its letters: near to itself, and to nothing else. */
function directionOf(word: string): Float32Array {
  // FNV-1a, then one step of xorshift for each number (Marsaglia 2003).
  let state = 0x811c9dc5
  for (let i = 0; i < word.length; i++) state = Math.imul(state ^ word.charCodeAt(i), 0x01000193)
  const direction = new Float32Array(dimensions)
  for (let i = 0; i < dimensions; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    direction[i] = state < 0 ? -1 : 1
  }
  return toUnit(direction)
}

/** What a word counts: nearly 1 for a rare one, little for one that is everywhere. */
function weightOf(word: string): number {
  const place = placeByFrequency(word)
  return place === undefined ? 1 : WEIGHT_A / (WEIGHT_A + COMMONEST / (place + 1))
}

function toUnit(vector: Float32Array): Float32Array {
  let squares = 0
  for (const value of vector) squares += value * value
  const length = Math.sqrt(squares)
  return length === 0 ? vector : vector.map((value) => value / length)
}
