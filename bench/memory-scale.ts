/**
 * Memory at scale: how fast notes with vectors are kept, how fast and how well they are found again.
 *
 *     node bench/memory-scale.ts                                        # 100,000 notes of one principal
 *     node bench/memory-scale.ts --notes 1000000
 *     node bench/memory-scale.ts --notes 10000000 --principals 10000
 *     node bench/memory-scale.ts --notes 1000000 --file /tmp/notes.db   # makes the file where there is none, and asks of it
 *     node bench/memory-scale.ts --prefilter                            # only how well vectors are found, on real sentences
 *     node bench/memory-scale.ts --parts                                # what its parts cost, against the ways not taken
 *
 * Notes are those of prose.ts, with vectors of the hashing embedder (256 numbers), committed as the kernel does: the note's
 * value, its words, its vector and the event that reports it, `--batch` notes a commit, principals in turn. Then the store is
 * opened anew, and questions are asked, one after another, each of a principal drawn at random: by words, by vector, and the
 * ten best values of each read. With `--rounds` each is asked so often in a row, and its shortest times count: what a busy
 * machine stretches least, with all that the question needs in the caches. Half the questions have a rare word of the note
 * that they ask for, half only common ones.
 *
 * Beside the times stands what was found. `planted`: the note that the question was made from is among the ten best.
 * `agreement`: of the true ten best, by a scan of all notes of the principal in 64-bit BM25 and 32-bit cosine, how many came;
 * one with the score of the tenth counts as it. The resident set is the largest until the last question, before that scan;
 * with a file that was there, it is that of the questions alone, and nothing is told of keeping notes.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import { hashingEmbedder } from '../src/drivers/embedder/hashing.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { createCodeMemory, SLOT_CODES } from '../src/drivers/store/codes.ts'
import { createProducts } from '../src/drivers/store/products.ts'
import { rowReader } from '../src/drivers/store/statements.ts'
import { tokensOf } from '../src/drivers/store/tokens.ts'
import { dimensions as wordDimensions, vectorOf } from '../src/drivers/llm/reader-vectors.ts'
import { randomAt } from '../src/kernel/clock.ts'
import type { Batch, Put, Store } from '../src/kernel/drivers.ts'
import { percentile } from './figures.ts'
import { readProse } from './prose.ts'

const { values: options } = parseArgs({
  options: {
    notes: { type: 'string', default: '100000' },
    principals: { type: 'string', default: '1' },
    batch: { type: 'string', default: '100' },
    /** The store; what is needed to know what is true lies beside it. Both stay. @default one that goes in the end */
    file: { type: 'string' },
    questions: { type: 'string', default: '200' },
    /** How often each is asked of one principal; its shortest times count. */
    rounds: { type: 'string', default: '1' },
    /** Of these the agreement is taken: a scan of all notes each. */
    scanned: { type: 'string', default: '40' },
    prefilter: { type: 'boolean', default: false },
    parts: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const NOTES = Number(options.notes)
const PRINCIPALS = Number(options.principals)
const BATCH = Number(options.batch)
const QUESTIONS = Number(options.questions)
const ROUNDS = Number(options.rounds)
const SCANNED = Math.min(QUESTIONS, Number(options.scanned))
const FOUND = 10
/** What a recall asks a store for, to have enough left after its filters (src/kernel/candidates.ts). */
const ASKED = 400

const prose = readProse()
const { signal } = new AbortController()
const DIMENSIONS = 256
const hashing = hashingEmbedder({ dimensions: DIMENSIONS })

async function embedded(texts: readonly string[]): Promise<Float32Array[]> {
  return (await hashing.embed(texts, { signal })).map((vector) => Float32Array.from(vector))
}

const spaceOf = (note: number): string => `p${note % PRINCIPALS}\0`
const keyOf = (note: number): string => `${spaceOf(note)}n${note}`

// ---------------------------------------------------------------------------------------------------------- notes in

/** Seconds in `commit`, without those of making notes and vectors. The vectors are kept in a file, for `truth`. */
async function fill(store: Store, vectorsPath: string): Promise<{ seconds: number; longestMs: number; cpuUs: number }> {
  let seconds = 0
  let longestMs = 0
  let cpuUs = 0
  const file = await open(vectorsPath, 'w')
  for (let first = 0; first < NOTES; first += BATCH) {
    const notes = Array.from({ length: Math.min(BATCH, NOTES - first) }, (_, i) => prose.note(first + i))
    const vectors = await embedded(notes.map(({ text }) => text))
    await file.writev(vectors)
    const puts: Put[] = []
    const events: Batch['events'][number][] = []
    for (const [i, { text }] of notes.entries()) {
      const seq = first + i
      const value = JSON.stringify({
        text,
        tags: [],
        source: null,
        pid: 1,
        at: 1_763_700_000_000 + seq,
        seq,
        labels: [],
      })
      puts.push({ table: 'note', key: keyOf(seq), value, text, vector: vectors[i] as Float32Array })
      events.push({ seq, at: 1_763_700_000_000 + seq, pid: 1, type: 'call-end', call: seq, value: `n${seq}` } as never)
    }
    const [started, cpu] = [performance.now(), process.cpuUsage()]
    await store.commit({ events, puts })
    const took = performance.now() - started
    cpuUs += cpuSince(cpu)
    seconds += took / 1_000
    longestMs = Math.max(longestMs, took)
    if (first % (BATCH * 100) === 0) await new Promise((resolve) => void setImmediate(resolve))
  }
  await file.close()
  return { seconds, longestMs, cpuUs }
}

/** Processor time of all threads, µs: what a busy machine does not stretch. */
function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return user + system
}

/** Reads of files by this process so far, of whole pages here; NaN where the system does not say. */
function readsSoFar(): number {
  const io = '/proc/self/io'
  return existsSync(io) ? Number(/syscr: (\d+)/.exec(readFileSync(io, 'utf8'))?.[1]) : NaN
}

// --------------------------------------------------------------------------------------------------------- questions

interface Question {
  readonly note: number
  readonly words: readonly string[]
  readonly vector: Float32Array
}

async function questions(): Promise<Question[]> {
  const list = Array.from({ length: QUESTIONS }, (_, i) => {
    const note = Math.floor(randomAt(11, 0, i) * NOTES)
    return { note, text: prose.question(prose.note(note), i, i % 2 === 1) }
  })
  const vectors = await embedded(list.map(({ text }) => text))
  return list.map(({ note, text }, i) => ({
    note,
    words: [...new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu))],
    vector: vectors[i] as Float32Array,
  }))
}

type Hits = readonly { readonly key: string; readonly score: number }[]

function ask(store: Store, { note, words, vector }: Question) {
  const started = performance.now()
  const lexical = store.search('note', [spaceOf(note)], words, ASKED)
  const between = performance.now()
  const near = store.nearest('note', [spaceOf(note)], vector, ASKED)
  const after = performance.now()
  for (const { key } of [...lexical.slice(0, FOUND), ...near.slice(0, FOUND)])
    JSON.parse(store.get('note', key) as string)
  return { lexical, near, wordsMs: between - started, vectorMs: after - between, allMs: performance.now() - started }
}

/** Of some rounds, the shortest time of each part: what a busy machine stretches least. */
function shortest(store: Store, question: Question): Times {
  const rounds = Array.from({ length: ROUNDS }, (): Times => ask(store, question))
  const least = (of: keyof Times): number => Math.min(...rounds.map((round) => round[of]))
  return { wordsMs: least('wordsMs'), vectorMs: least('vectorMs'), allMs: least('allMs') }
}

interface Times {
  readonly wordsMs: number
  readonly vectorMs: number
  readonly allMs: number
}

// -------------------------------------------------------------------------------------------------------------- truth

/** Notes whose vectors are read at once. */
const TRUTH_READ = 1_000

/** The true best of each question: all notes of its principal are gone through, once to count, once to score. */
async function truth(list: readonly Question[], vectorsPath: string) {
  const queries = list.map(({ note, words, vector }) => ({
    principal: note % PRINCIPALS,
    terms: [...new Set(words.flatMap((word) => tokensOf(word)))],
    vector,
    lexical: [] as number[],
    near: [] as number[],
  }))
  const file = await open(vectorsPath)
  for (const [principal, asking] of Map.groupBy(queries, (query) => query.principal)) {
    const count = Math.ceil((NOTES - principal) / PRINCIPALS)
    const tokensAt = (place: number): string[] => tokensOf(prose.note(principal + place * PRINCIPALS).text)
    const holding = new Map(asking.flatMap(({ terms }) => terms).map((term) => [term, 0]))
    let all = 0
    for (let place = 0; place < count; place++) {
      const tokens = tokensAt(place)
      all += tokens.length
      for (const token of new Set(tokens)) {
        const times = holding.get(token)
        if (times !== undefined) holding.set(token, times + 1)
      }
    }
    const weightOf = (term: string): number => {
      const docs = holding.get(term) as number
      return Math.max(Math.log((count - docs + 0.5) / (docs + 0.5)), 1e-6)
    }
    for (let first = 0; first < count; first += TRUTH_READ) {
      const block = await vectorsOf(file, principal, first, Math.min(TRUTH_READ, count - first))
      for (const [i, vector] of block.entries()) {
        const tokens = tokensAt(first + i)
        const times = new Map<string, number>()
        for (const token of tokens) if (holding.has(token)) times.set(token, (times.get(token) ?? 0) + 1)
        const damping = 1.2 * (0.25 + (0.75 * tokens.length * count) / all)
        for (const query of asking) {
          let score = 0
          for (const term of query.terms) {
            const one = times.get(term)
            if (one !== undefined) score += (weightOf(term) * 2.2 * one) / (one + damping)
          }
          keep(query.lexical, score)
          keep(query.near, cosine(query.vector, vector))
        }
      }
    }
  }
  await file.close()
  return queries
}

/** Vectors of a principal's notes, from the one at that place on, as `fill` wrote them: of all notes in their order. */
async function vectorsOf(file: FileHandle, principal: number, first: number, count: number): Promise<Float32Array[]> {
  if (PRINCIPALS === 1) {
    const numbers = new Float32Array(count * DIMENSIONS)
    await file.read(numbers, 0, numbers.byteLength, first * DIMENSIONS * 4)
    return Array.from({ length: count }, (_, i) => numbers.subarray(i * DIMENSIONS, (i + 1) * DIMENSIONS))
  }
  return Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const numbers = new Float32Array(DIMENSIONS)
      const note = principal + (first + i) * PRINCIPALS
      await file.read(numbers, 0, numbers.byteLength, note * DIMENSIONS * 4)
      return numbers
    }),
  )
}

/** The best scores, the best first. */
function keep(best: number[], score: number): void {
  if (best.length === FOUND && score <= (best.at(-1) as number)) return
  best.push(score)
  best.sort((a, b) => b - a)
  if (best.length > FOUND) best.pop()
}

function cosine(a: Float32Array, b: Float32Array): number {
  let ab = 0
  let aa = 0
  let bb = 0
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as number
    const y = b[i] as number
    ab += x * y
    aa += x * x
    bb += y * y
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0
}

/** Share of the true best that came: hits whose own true score is that of the tenth, or better. */
function agreement(hits: Hits, best: readonly number[], scoreOf: (key: string) => number): number {
  const least = (best.at(-1) as number) - 1e-5
  return hits.slice(0, FOUND).filter(({ key }) => scoreOf(key) >= least).length / best.length
}

// --------------------------------------------------------------------------------------------------------- prefilter

/** The mean of the vectors of a text's words: meanings, not letters. */
function meaning(text: string): Float32Array {
  const sum = new Float32Array(wordDimensions)
  for (const word of text.toLowerCase().match(/[a-z]+/g) ?? [])
    vectorOf(word)?.forEach((number, i) => void ((sum[i] as number) += number))
  return sum
}

async function prefilter(): Promise<void> {
  const sentences = prose.sentences.slice(0, 100_000)
  for (const [name, vectors] of [
    ['hashing, 256 numbers', await embedded(sentences)],
    ['mean of GloVe vectors, 96 numbers', sentences.map(meaning)],
  ] as const) {
    const store = memoryStore()
    store.commit({
      events: [],
      puts: sentences.map((_, i) => ({ table: 'note', key: `s\0${i}`, value: '', vector: vectors[i] as Float32Array })),
    })
    const asked = Array.from({ length: 100 }, (_, i) => Math.floor(randomAt(5, 0, i) * sentences.length))
    const queries = name.startsWith('hashing')
      ? await embedded(asked.map((i) => halfOf(sentences[i] as string)))
      : asked.map((i) => meaning(halfOf(sentences[i] as string)))
    let came = 0
    for (const query of queries) {
      const best: number[] = []
      for (const vector of vectors) keep(best, cosine(query, vector))
      came += agreement(store.nearest('note', ['s\0'], query, FOUND), best, (key) =>
        cosine(query, vectors[Number(key.slice(2))] as Float32Array),
      )
    }
    console.log(
      `${sentences.length} sentences, ${name}: recall@10 of the exact scan ${(came / queries.length).toFixed(3)}`,
    )
    store.close()
  }
}

const halfOf = (text: string): string =>
  text
    .split(' ')
    .filter((_, i) => i % 2 === 0)
    .join(' ')

// -------------------------------------------------------------------------------------------------------------- parts

/** The best of several rounds, µs: what a busy machine stretches least. */
function bestUs(work: (round: number) => void): number {
  let best = Infinity
  for (let round = 0; round < 30; round++) {
    const started = performance.now()
    work(round)
    best = Math.min(best, performance.now() - started)
  }
  return Math.round(best * 1_000)
}

function parts(): void {
  const database = new DatabaseSync(':memory:')
  database.exec('CREATE TABLE row(id INTEGER PRIMARY KEY, data BLOB)')
  database.exec('BEGIN')
  for (let i = 0; i < 50_000; i++) database.prepare('INSERT INTO row VALUES(?, zeroblob(256))').run(i)
  database.exec('COMMIT')
  const ids = (round: number): number[] => Array.from({ length: 450 }, (_, i) => (i * 111 + round * 31) % 50_000)
  const one = database.prepare('SELECT data FROM row WHERE id = ?')
  const many = rowReader<Uint8Array>(database, 'row', 'data')
  console.log(
    `450 rows of 256 bytes, a statement each: ${bestUs((round) => ids(round).forEach((id) => one.get(id)))} µs`,
  )
  console.log(`450 rows of 256 bytes, one statement: ${bestUs((round) => many(ids(round)))} µs`)
  database.close()
  for (const [name, useWebAssembly] of [
    ['WebAssembly', true],
    ['JavaScript', false],
  ] as const) {
    const codes = createCodeMemory(256, useWebAssembly)
    const slots = Array.from({ length: 1_954 }, () => codes.take())
    const code = Uint8Array.from({ length: 128 }, (_, i) => (i * 37) % 256)
    for (const slot of slots) for (let place = 0; place < SLOT_CODES; place++) codes.write(slot, place, code)
    codes.ask(new Int8Array(256).fill(3))
    const limit = 0 // as nearly none comes near where there are many
    const scan = bestUs(() => slots.forEach((slot) => codes.near(slot, SLOT_CODES, limit)))
    const places = Int32Array.from({ length: 4_000 }, (_, i) =>
      codes.placeOf(slots[i % slots.length] as number, (i * 7) % SLOT_CODES),
    )
    console.log(`signs of ${slots.length * SLOT_CODES} codes of 256 numbers, ${name}: ${scan} µs`)
    console.log(`products with 4,000 of them, ${name}: ${bestUs(() => codes.products(places, places.length))} µs`)
    const products = createProducts(useWebAssembly)
    const [vector, vectors] = [new Float32Array(256).fill(0.1), new Int8Array(256 * 1_000).fill(3)]
    const us = bestUs(() => products(vector, vectors, 256, 1_000))
    console.log(`products with 1,000 vectors of 256 numbers of 8 bits, ${name}: ${us} µs`)
  }
}

// --------------------------------------------------------------------------------------------------------------- run

/** A file that has other notes than those that are asked for says nothing about them. */
function checkNotes(store: Store, path: string, vectorsPath: string): void {
  const [there, vectors] = [store.lastSeq() + 1, statSync(vectorsPath, { throwIfNoEntry: false })?.size ?? 0]
  const isWhole = there === NOTES && vectors === NOTES * DIMENSIONS * Float32Array.BYTES_PER_ELEMENT
  if (isWhole && store.get('note', keyOf(NOTES - 1)) !== undefined) return
  throw new Error(
    `${path} holds ${there} notes, and not ${NOTES} of ${PRINCIPALS} principals with their vectors in ${vectorsPath}; name another file with --file, or remove both`,
  )
}

async function scale(): Promise<void> {
  const folder = options.file === undefined ? mkdtempSync(join(process.cwd(), '.memory-scale-')) : undefined
  try {
    const path = options.file ?? join(folder as string, 'notes.db')
    const vectorsPath = `${path}.vectors`
    const isThere = existsSync(path)
    let store = openSqliteStore(path)
    const kept = isThere ? undefined : await fill(store, vectorsPath)
    checkNotes(store, path, vectorsPath)
    store.close()
    const openedAt = performance.now()
    store = openSqliteStore(path)
    const openMs = performance.now() - openedAt
    const list = await questions()
    const cold = ask(store, list[0] as Question).allMs
    const readsBefore = readsSoFar()
    const answers = list.map((question) => ask(store, question))
    const reads = readsSoFar() - readsBefore
    // Once more, now that files and code are warm: a principal of many is still asked for the first time by most.
    const warm = PRINCIPALS === 1 ? list.map((question) => shortest(store, question)) : answers
    const cpuMs = (work: (question: Question) => void): number => {
      const cpu = process.cpuUsage()
      for (const question of list) work(question)
      return Math.round((cpuSince(cpu) / list.length) * 0.1) / 100
    }
    const recallCpuMs = cpuMs((question) => void ask(store, question))
    const wordsCpuMs = cpuMs(({ note, words }) => void store.search('note', [spaceOf(note)], words, ASKED))
    const vectorsCpuMs = cpuMs(({ note, vector }) => void store.nearest('note', [spaceOf(note)], vector, ASKED))
    const rssMb = process.resourceUsage().maxRSS / 1024
    const ms = (of: 'wordsMs' | 'vectorMs' | 'allMs', share: number): number =>
      percentile(
        warm.map((answer) => answer[of]).toSorted((a, b) => a - b),
        share,
      )
    const planted = (of: 'lexical' | 'near', half: number): string => {
      const asked = answers
        .map((answer, i) => ({ hits: answer[of], note: list[i]?.note as number }))
        .filter((_, i) => i % 2 === half)
      return (
        asked.filter(({ hits, note }) => hits.slice(0, FOUND).some(({ key }) => key === keyOf(note))).length /
        asked.length
      ).toFixed(2)
    }
    const true10 = await truth(list.slice(0, SCANNED), vectorsPath)
    let [words, vectors] = [0, 0]
    for (const [i, best] of true10.entries()) {
      const { lexical, near } = answers[i] as (typeof answers)[number]
      words += agreement(lexical, best.lexical, (key) => lexical.find((hit) => hit.key === key)?.score ?? 0)
      const own = new Map<string, number>()
      const texts = near.slice(0, FOUND).map(({ key }) => prose.note(Number(key.slice(key.indexOf('\0') + 2))).text)
      for (const [n, vector] of (await embedded(texts)).entries())
        own.set(near[n]?.key ?? '', cosine(best.vector, vector))
      vectors += agreement(near, best.near, (key) => own.get(key) ?? 0)
    }
    const figures = {
      notes: NOTES,
      principals: PRINCIPALS,
      ...(kept && {
        'inserts/s (>= 5,000)': Math.round(NOTES / kept.seconds),
        'commit, CPU µs a note': Math.round(kept.cpuUs / NOTES),
        'longest commit ms': Math.round(kept.longestMs),
      }),
      'open ms': Math.round(openMs),
      'first recall ms': Math.round(cold * 10) / 10,
      'recall p50 ms': ms('allMs', 0.5),
      'recall p99 ms': ms('allMs', 0.99),
      'recall, CPU ms': recallCpuMs,
      'recall, pages read': Math.round(reads / list.length),
      'words, CPU ms': wordsCpuMs,
      'vectors, CPU ms': vectorsCpuMs,
      'words p50 ms': ms('wordsMs', 0.5),
      'words p99 ms': ms('wordsMs', 0.99),
      'vectors p50 ms': ms('vectorMs', 0.5),
      'vectors p99 ms': ms('vectorMs', 0.99),
      'planted by words, rare / common': `${planted('lexical', 0)} / ${planted('lexical', 1)}`,
      'planted by vector, rare / common': `${planted('near', 0)} / ${planted('near', 1)}`,
      'agreement@10 words': (words / SCANNED).toFixed(3),
      'agreement@10 vectors': (vectors / SCANNED).toFixed(3),
      'largest RSS MB (< 1,000)': Math.round(rssMb),
      'file bytes a note': Math.round(statSync(path).size / NOTES),
    }
    store.close()
    if (options.json) console.log(JSON.stringify(figures))
    else for (const [name, value] of Object.entries(figures)) console.log(`${name.padEnd(36)}${value}`)
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
}

if (options.prefilter) await prefilter()
else if (options.parts) parts()
else await scale()
