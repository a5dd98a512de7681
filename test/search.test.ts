/**
 * Search in a store: words and vectors, through segments and merges, against plain readings of the same entries; and what a
 * kill leaves of it.
 *
 *   POLITY_SEED=7 …   from that seed; POLITY_LONG=1 for more of all
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from 'node:sqlite'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { createRanking, type Part } from '../src/drivers/store/bm25.ts'
import { createCodeMemory, SLOT_CODES } from '../src/drivers/store/codes.ts'
import { createSearch, searchTables, type Search, type SearchOptions } from '../src/drivers/store/search.ts'
import type { Postings } from '../src/drivers/store/postings.ts'
import { createProducts } from '../src/drivers/store/products.ts'
import { createSegments, type SpaceSegments } from '../src/drivers/store/segments.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { tokensOf } from '../src/drivers/store/tokens.ts'
import { randomAt } from '../src/kernel/clock.ts'

const isLong = process.env['POLITY_LONG'] === '1'
const seed = Number(process.env['POLITY_SEED'] ?? Date.now() % 2 ** 31)
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'polity-search-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function opened(options?: SearchOptions): { database: DatabaseSync; search: Search } {
  const database = new DatabaseSync(':memory:')
  database.exec(searchTables)
  return { database, search: createSearch(database, options) }
}

const WORDS = 'whale ship sea harbour captain storm sail rope anchor mast gull fog'.split(' ')

/** Words with Zipf's frequencies. */
function textOf(seed: number, number: number, length = 8): string {
  return Array.from(
    { length: 1 + Math.floor(randomAt(seed, number, 0) * length) },
    (_, i) => WORDS[Math.floor(WORDS.length ** randomAt(seed, number, 1 + i)) - 1] as string,
  ).join(' ')
}

function vectorOf(seed: number, number: number, dimensions = 8): Float32Array {
  return Float32Array.from({ length: dimensions }, (_, i) => randomAt(seed, number, 100 + i) - 0.5)
}

/** BM25 of each entry, read plainly. */
function plainScores(entries: ReadonlyMap<string, string>, words: readonly string[]): Map<string, number> {
  const tokens = new Map([...entries].map(([key, text]) => [key, tokensOf(text)]))
  const mean = [...tokens.values()].reduce((sum, list) => sum + list.length, 0) / tokens.size
  const scores = new Map<string, number>()
  for (const word of new Set(words.flatMap(tokensOf))) {
    const docs = [...tokens.values()].filter((list) => list.includes(word)).length
    const weight = Math.max(Math.log((tokens.size - docs + 0.5) / (docs + 0.5)), 1e-6)
    for (const [key, list] of tokens) {
      const times = list.filter((one) => one === word).length
      if (times > 0)
        scores.set(
          key,
          (scores.get(key) ?? 0) + (weight * 2.2 * times) / (times + 1.2 * (0.25 + (0.75 * list.length) / mean)),
        )
    }
  }
  return scores
}

test('scores are those of plain BM25 over the searched entries, however they lie in segments and whatever the limit', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 2, max: 40 }),
      fc.subarray(WORDS, { minLength: 1 }),
      fc.integer({ min: 1, max: 20 }),
      (seed, count, recentMax, words, limit) => {
        const { search } = opened({ recentMax })
        const entries = new Map<string, string>()
        for (let i = 0; i < count; i++) {
          entries.set(`a\0${i}`, textOf(seed, i))
          search.index('note', `a\0${i}`, { text: textOf(seed, i) })
          search.index('note', `b\0${i}`, { text: 'whale '.repeat(30) }) // rare there, common here: it must not count
          if (i % 7 === 0) search.find('note', ['a\0'], words, limit)
        }
        const scores = plainScores(entries, words)
        const hits = search.find('note', ['a\0'], words, limit)
        const best = [...scores.values()].toSorted((a, b) => b - a).slice(0, limit)
        assert.equal(hits.length, best.length)
        for (const [i, { key, score }] of hits.entries()) {
          // Words in more than half of the entries weigh 1e-6, and may be left out.
          assert(Math.abs(score - (best[i] as number)) < 1e-4, `${i}: ${score}, not ${best[i]}`)
          assert(Math.abs(score - (scores.get(key) as number)) < 1e-4)
        }
      },
    ),
    { seed, numRuns: isLong ? 300 : 25 },
  )
})

test('of thousands of entries rare and common words find the same best as a reading of all of them', () => {
  const count = isLong ? 20_000 : 9_000
  const vocabulary = 500
  const { database, search } = opened({ listBytesMax: 40_000 })
  const roomy = createSearch(database)
  // Zipf's frequencies: some words stand in half of the entries, others in one. Now and then one is repeated beyond 8 bits.
  const tokens = Array.from({ length: count }, (_, i) => {
    const words = Array.from(
      { length: 3 + Math.floor(randomAt(seed, i, 0) * 24) },
      (_, w) => `w${Math.floor(vocabulary ** randomAt(seed, i, 1 + w))}`,
    )
    return i % 3_001 === 5 ? [...words, ...Array.from({ length: 300 }, () => 'w5')] : words
  })
  database.exec('BEGIN')
  for (const [i, list] of tokens.entries()) search.index('note', `a\0${i}`, { text: list.join(' ') })
  const isGone = (i: number): boolean => i % 11 === 3 && i < 8_192 // of what segments hold
  for (let i = 0; i < count; i++) if (isGone(i)) search.remove('note', `a\0${i}`)
  database.exec('COMMIT')
  // Rarity counts those that are gone too, as long as segments hold them.
  const docs = new Map<string, number>()
  for (const list of tokens) for (const word of new Set(list)) docs.set(word, (docs.get(word) ?? 0) + 1)
  const live = tokens.map((list, i) => ({ list, key: `a\0${i}` })).filter((_, i) => !isGone(i))
  const mean = live.reduce((sum, { list }) => sum + list.length, 0) / live.length
  for (let q = 0; q < (isLong ? 60 : 12); q++) {
    const drawn = Array.from({ length: q % 7 }, (_, w) => `w${Math.floor(vocabulary ** randomAt(seed, q, 500 + w))}`)
    const words = q % 3 === 0 ? [...drawn, 'w5'] : [...drawn, 'w40']
    const terms = [...new Set(words)].filter((word) => docs.has(word))
    const weights = terms.map((term) => {
      const holding = docs.get(term) as number
      return Math.log((count - holding + 0.5) / (holding + 0.5))
    })
    if (weights.some((weight) => weight <= 1e-6)) continue // may be left out
    const scores = new Map<string, number>()
    for (const { list, key } of live) {
      let score = 0
      for (const [t, term] of terms.entries()) {
        const times = list.filter((word) => word === term).length
        const norm = 1.2 * (0.25 + (0.75 * list.length) / mean)
        score += ((weights[t] as number) * 2.2 * times) / (times + norm)
      }
      if (score > 0) scores.set(key, score)
    }
    const limit = [1, 10, 100, 400][q % 4] as number
    const best = [...scores.values()].toSorted((a, b) => b - a).slice(0, limit)
    const hits = search.find('note', ['a\0'], words, limit)
    assert.equal(hits.length, best.length, words.join(' '))
    for (const [i, { key, score }] of hits.entries()) {
      assert(Math.abs(score - (best[i] as number)) < 1e-9, `${words.join(' ')}, ${i}: ${score}, not ${best[i]}`)
      assert(Math.abs(score - (scores.get(key) as number)) < 1e-9)
    }
    // What is in memory, and how much of it, changes nothing.
    for (let again = 0; again < 2; again++) assert.deepEqual(roomy.find('note', ['a\0'], words, limit), hits)
  }
})

/** What a ranking finds among notes of two lengths, with words that so many of them hold each, is what a reading of all finds. */
function checkRanking(
  seed: number,
  options: { notes: number; parts: number; holding: readonly number[]; limit: number; postingsMax: number },
): void {
  const { notes, parts: count, holding, limit, postingsMax } = options
  const lengths = Uint16Array.from({ length: notes }, (_, i) => 10 + Math.floor(randomAt(seed, i, 0) * 2))
  // The words of each, a different number of notes each, spread by chance.
  const words = new Map<string, ReadonlySet<number>>(
    holding.map((docs, w) => {
      const drawn = Float64Array.from({ length: notes }, (_, i) => randomAt(seed, i, 1 + w))
      const order = [...drawn.keys()].sort((a, b) => (drawn[a] as number) - (drawn[b] as number))
      return [`w${w}`, new Set(order.slice(0, docs))] as const
    }),
  )
  const parts = Array.from({ length: count }, (_, p): Part => {
    const [first, last] = [Math.floor((p * notes) / count), Math.floor(((p + 1) * notes) / count)]
    const own = lengths.subarray(first, last)
    const lists = new Map(
      [...words].map(([word, entries], w) => {
        const inPart = [...entries].filter((entry) => entry >= first && entry < last).toSorted((a, b) => a - b)
        const times = new Uint8Array(last - first)
        for (const entry of inPart) times[entry - first] = 1
        const isDense = (w + p) % 2 === 0 && inPart.length > 0
        return [word, isDense ? { total: inPart.length, times } : inPart.flatMap((entry) => [entry, 1])] as const
      }),
    )
    return { space: 1, first, last, lengths: own, find: (token) => lists.get(token) }
  })
  let read = 0
  const kept = [...words]
    .toSorted(([, a], [, b]) => a.size - b.size)
    .filter(([, { size }], i) => (read += size) <= postingsMax || i === 0)
  const plain = Array.from({ length: notes }, (_, entry) => {
    const held = kept.filter(([, entries]) => entries.has(entry))
    const norm = 1.2 * (0.25 + (0.75 * (lengths[entry] as number)) / 10)
    const score = held.reduce((sum, [, { size }]) => {
      return sum + (Math.log((notes - size + 0.5) / (size + 0.5)) * 2.2) / (1 + norm)
    }, 0)
    return { entry, score: Math.round(score * 1e9) / 1e9 }
  })
  const best = plain.filter(({ score }) => score > 0).toSorted((a, b) => b.score - a.score || a.entry - b.entry)
  const ranked = createRanking(postingsMax)({
    parts,
    terms: [...words.keys()].map((word) => [word]),
    docs: notes,
    lengthMean: 10,
    limit,
    admitsIn: () => undefined,
  })
  assert.deepEqual(
    ranked.map(({ entry, score }) => ({ entry, score: Math.round(score * 1e9) / 1e9 })),
    best.slice(0, limit),
    JSON.stringify({ seed, ...options }),
  )
}

test('the best are those of a reading of all, the older of equal ones, in one part or many, whatever words have to be left out', () => {
  const [notes, roomy] = [9_000, 8_000_000]
  for (const parts of [1, 7]) {
    // The rare word alone does not say what score a hundred reach; what it says of 50 they only just reach.
    checkRanking(seed, { notes, parts, holding: [3, 2_000], limit: 100, postingsMax: roomy })
    checkRanking(seed, { notes, parts, holding: [200, 2_001], limit: 50, postingsMax: roomy })
    // Common words go, in the last part as in the first.
    const holding = [90, 108, 126, 3_300, 3_310, 3_320, 3_330, 3_340]
    for (const postingsMax of [4_000, 8_000, 50]) checkRanking(seed, { notes, parts, holding, limit: 200, postingsMax })
  }
  fc.assert(
    fc.property(
      fc.record({
        notes: fc.integer({ min: 4_096, max: 6_000 }),
        parts: fc.integer({ min: 1, max: 9 }),
        holding: fc.uniqueArray(fc.integer({ min: 1, max: 2_000 }), { minLength: 1, maxLength: 6 }),
        limit: fc.integer({ min: 1, max: 300 }),
        postingsMax: fc.integer({ min: 1, max: 9_000 }),
      }),
      (options) => checkRanking(seed, options),
    ),
    { seed, numRuns: isLong ? 200 : 4 },
  )
})

test('keys of what was found count as memory of their space, and take no more of it than there is', () => {
  const { database, search } = opened()
  for (let space = 0; space < 20; space++)
    for (let i = 0; i < 600; i++)
      search.index('note', `${space}\0${i}`, { text: `whale ${i < 300 ? 'ship' : 'sea'}`, vector: vectorOf(1, i) })
  const [roomy, tight] = [createSearch(database), createSearch(database, { wordBytesMax: 100_000 })]
  roomy.find('note', ['1\0'], ['ship'], 1)
  const before = roomy.kept.bytes
  assert.equal(roomy.find('note', ['1\0'], ['ship'], 100).length, 100)
  const withKeys = roomy.kept.bytes
  assert(withKeys - before >= 99 * 40 && withKeys - before <= 99 * 100, `${withKeys - before} bytes for 99 keys`)
  roomy.find('note', ['1\0'], ['ship'], 100)
  assert.equal(roomy.kept.bytes, withKeys, 'known keys count once')
  // Of much of a space, all are read.
  roomy.nearest('note', ['1\0'], vectorOf(1, 400), 500)
  assert.equal(roomy.kept.bytes - before, Math.round((withKeys - before) / 99) * 599)
  for (let space = 0; space < 20; space++) {
    const prefixes = [`${space}\0`]
    assert.deepEqual(tight.find('note', prefixes, ['whale'], 600), roomy.find('note', prefixes, ['whale'], 600))
    assert(tight.kept.bytes <= 100_000 && tight.kept.size >= 1)
  }
  assert(tight.kept.size < 3, `${tight.kept.size} spaces with all their keys`)
  assert.equal(roomy.kept.size, 20)
})

test('words that are asked for take no more memory than they may, and hold nothing of a space that has been let go', async () => {
  const { database, search } = opened({ recentMax: 8 })
  for (let i = 0; i < 32; i++) search.index('note', `a\0${i}`, { text: `whale ${textOf(1, i)}` })
  const bytesMax = 40_000
  const segments = createSegments(database, { bytesMax, eviction: 'lru-2' })
  const read = (space: number): SpaceSegments => ({
    space,
    segments: segments.of(space).map((segment) => Object.assign(segment, segments.head(segment))),
  })
  const asked = Array.from({ length: 5_000 }, (_, i) => `unheard${i}`)
  segments.fetch([{ space: 3, segments: [] }], asked)
  assert.equal(segments.kept.size, 0)
  for (let i = 0; i < 8; i++) search.index('note', `b\0${i}`, { text: textOf(2, i) })
  const alone = read(2)
  assert.equal(alone.segments.length, 1)
  for (const word of asked) segments.fetch([alone], [word])
  assert(segments.kept.bytes <= bytesMax)
  assert(segments.kept.size > 10 && segments.kept.size < bytesMax / 400, `${segments.kept.size} words`)

  // Where a word stands in segments that are read anew is known without what was read before, and without the file.
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const before = (() => {
    const old = read(1)
    return { lists: segments.fetch([old], ['whale'])(1, 'whale'), heads: new WeakRef(old.segments) }
  })()
  await nextTurn()
  collect()
  assert.equal(before.heads.deref(), undefined)
  database.exec('DELETE FROM block')
  for (let i = 0; i < 8; i++) search.index('note', `a\0more${i}`, { text: 'whale' })
  const lists = segments.fetch([read(1)], ['whale'])(1, 'whale')
  assert.equal(before.lists.length, 4)
  for (const [i, list] of before.lists.entries()) assert.equal(lists[i], list)
  assert.equal((lists[4] as readonly Postings[])[0]?.total, 8)
})

test('keys are found again whatever stands in them, and whatever was removed beside them', () => {
  for (const isGap of [false, true]) {
    const { database, search } = opened()
    const keys = Array.from({ length: 40 }, (_, i) => `a\0${i % 7 === 3 ? 'two\nlines' : i % 7 === 4 ? '' : 'x'}${i}`)
    for (const [i, key] of keys.entries()) search.index('note', key, { vector: vectorOf(1, i) })
    if (isGap) for (const gone of [0, 17, 39]) search.remove('note', keys[gone] as string)
    const left = keys.filter((_, i) => !isGap || ![0, 17, 39].includes(i))
    for (const limit of [5, 40]) {
      const reader = createSearch(database)
      for (const [i, key] of keys.entries()) {
        const hits = reader.nearest('note', ['a\0'], vectorOf(1, i), limit).map((hit) => hit.key)
        assert.equal(hits[0] === key, left.includes(key), key)
        if (limit === 40) assert.deepEqual(hits.toSorted(), left.toSorted())
      }
    }
  }
  // Without a line in any of them.
  const { search } = opened()
  const keys = Array.from({ length: 40 }, (_, i) => `a\0x${i}`)
  for (const [i, key] of keys.entries()) search.index('note', key, { vector: vectorOf(1, i) })
  for (const [i, key] of keys.entries()) assert.equal(search.nearest('note', ['a\0'], vectorOf(1, i), 40)[0]?.key, key)
})

test('spaces that grow together do not become segments all at once', () => {
  const { database, search } = opened({ recentMax: 64 })
  const segments = database.prepare('SELECT count(*) AS n FROM segment')
  const rounds: number[] = []
  for (let round = 0, before = 0; round < 128; round++) {
    for (let space = 0; space < 64; space++) search.index('note', `${space}\0${round}`, { text: 'whale' })
    const now = segments.get()?.['n'] as number
    rounds.push(now - before)
    before = now
  }
  assert(Math.max(...rounds) <= 4, rounds.join(' '))
  assert(rounds.reduce((sum, one) => sum + one) >= 64)
})

/** The entries of `searchable` whose vectors are in the file, by rows or together. */
function entriesWithVectors(database: DatabaseSync): number[] {
  const ids = database
    .prepare('SELECT id FROM vector')
    .all()
    .map((row) => row['id'] as number)
  const dead = new Set(
    database
      .prepare('SELECT space, entry FROM dead')
      .all()
      .map(({ space, entry }) => `${space} ${entry}`),
  )
  for (const { space, dimensions, data } of database.prepare('SELECT * FROM code WHERE dimensions < 0').all()) {
    const bytes = data as Uint8Array
    const count = bytes.length / (4 + 4 - (dimensions as number))
    for (const entry of new Uint32Array(bytes.slice(0, count * 4).buffer))
      if (!dead.has(`${space} ${entry}`)) ids.push((space as number) * 2 ** 28 + entry)
  }
  return ids.sort((a, b) => a - b)
}

test('vectors are found alike however they lie in the file: row by row, together, and while a space outgrows that', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.integer({ min: 2, max: 9 }),
      fc.array(fc.constantFrom(0, 5, 20, 1_000), { minLength: 1, maxLength: 4 }),
      fc.array(fc.record({ entry: fc.nat(40), isRemoval: fc.nat(4).map((n) => n === 0) }), {
        maxLength: 200,
        size: 'max',
      }),
      (seed, recentMax, smallMaxes, steps) => {
        const { database } = opened()
        // One after the other writes, as versions do; 0 is as the version before kept them, and all of them read.
        const kept = smallMaxes.map((smallMax) => createSearch(database, { recentMax, smallMax }))
        const entries = new Map<string, Float32Array>()
        for (const [i, { entry, isRemoval }] of steps.entries()) {
          const writer = kept[Math.floor((i * kept.length) / steps.length)] as Search
          const key = `a\0${entry}`
          const vector = vectorOf(seed, i, entry % 3 === 0 ? 12 : 8)
          if (isRemoval) writer.remove('note', key)
          else writer.index('note', key, { vector })
          if (isRemoval) entries.delete(key)
          else entries.set(key, vector)
          if (i % 40 !== 39 && i !== steps.length - 1) continue
          for (const reader of [...kept, createSearch(database, { recentMax, vectorBytesMax: 0 })])
            for (const dimensions of [8, 12]) {
              const hits = reader.nearest('note', ['a\0'], vectorOf(seed, 3, dimensions), 100)
              const own = [...entries].filter(([, vector]) => vector.length === dimensions).map(([key]) => key)
              assert.deepEqual(hits.map(({ key }) => key).toSorted(), own.toSorted())
              for (const { key, score } of hits) {
                const other = entries.get(key) as Float32Array
                assert(Math.abs(score - cosineOf(vectorOf(seed, 3, dimensions), other)) < 0.02)
              }
            }
        }
        const ids = database.prepare('SELECT id FROM searchable ORDER BY id').all()
        assert.deepEqual(
          entriesWithVectors(database),
          ids.map((row) => row['id']),
        )
      },
    ),
    { seed, numRuns: isLong ? 100 : 15 },
  )
})

test('settled vectors of a small space lie together in the file; once it has grown, each has a row again, and a code', () => {
  const { database, search } = opened({ recentMax: 16, smallMax: 64 })
  const count = (sql: string): unknown => database.prepare(`SELECT count(*) AS n FROM ${sql}`).get()?.['n']
  for (let i = 0; i < 64; i++) search.index('note', `a\0${i}`, { vector: vectorOf(1, i) })
  assert.deepEqual([count('vector'), count('code WHERE dimensions = -8'), count('code')], [0, 4, 4])
  search.index('note', 'a\0more', { vector: vectorOf(1, 64) })
  assert.deepEqual([count('vector'), count('code')], [1, 4])
  search.remove('note', 'a\x003')
  for (let i = 0; i < 15; i++) search.index('note', `a\0y${i}`, { vector: vectorOf(1, 65 + i) })
  assert.deepEqual([count('vector'), count('code WHERE dimensions = 8'), count('code')], [79, 5, 5])
})

function cosineOf(a: Float32Array, b: Float32Array): number {
  const product = (x: Float32Array, y: Float32Array): number =>
    x.reduce((sum, one, i) => sum + one * (y[i] as number), 0)
  return product(a, b) / Math.sqrt(product(a, a) * product(b, b))
}

test('what was written again or removed is gone from words and vectors, through merges, for every reader', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.integer({ min: 2, max: 9 }),
      fc.array(fc.record({ entry: fc.nat(30), isRemoval: fc.boolean(), space: fc.constantFrom('a\0', 'b\0', '') }), {
        maxLength: 400,
        size: 'max',
      }),
      (seed, recentMax, steps) => {
        const { database, search } = opened({ recentMax })
        // Another reader, as another process has it: it knows what the file says, and little of it fits into its memory.
        const other = createSearch(database, { recentMax, wordBytesMax: 2_000, vectorBytesMax: 0 })
        const entries = new Map<string, number>()
        const check = (reader: Search): void => {
          for (const prefixes of [['a\0'], ['b\0', 'a\x001'], [''], ['1', 'a']]) {
            const under = [...entries.keys()].filter((key) => prefixes.some((prefix) => key.startsWith(prefix)))
            const holding = under.filter((key) => textOf(seed, entries.get(key) as number).includes('ship'))
            assert.deepEqual(
              reader
                .find('note', prefixes, ['ships'], 1_000)
                .map(({ key }) => key)
                .toSorted(),
              holding.toSorted(),
            )
            const near = reader.nearest('note', prefixes, vectorOf(seed, 3), 1_000)
            assert.deepEqual(near.map(({ key }) => key).toSorted(), under.toSorted())
          }
        }
        for (const [i, { entry, isRemoval, space }] of steps.entries()) {
          const key = `${space}${entry}`
          if (isRemoval) search.remove('note', key)
          else search.index('note', key, { text: textOf(seed, i), vector: vectorOf(seed, i) })
          if (isRemoval) entries.delete(key)
          else entries.set(key, i)
          if (i % 50 === 10) check(other)
        }
        check(search)
        check(other)
        assert.equal(database.prepare('SELECT count(*) AS n FROM searchable').get()?.['n'], entries.size)
        assert.equal(entriesWithVectors(database).length, entries.size)
      },
    ),
    { seed, numRuns: isLong ? 300 : 15 },
  )
})

test('a search reads what lies under its prefixes, and nothing for what lies elsewhere', () => {
  const { database, search } = opened()
  let rows = 0
  const { prepare } = database
  const counting = new Proxy(database, {
    get: (target, name) =>
      name !== 'prepare'
        ? Reflect.get(target, name)
        : (sql: string) => {
            const statement = prepare.call(database, sql)
            const all = statement.all.bind(statement) as (
              ...values: SQLInputValue[]
            ) => Record<string, SQLOutputValue>[]
            const get = statement.get.bind(statement) as (...values: SQLInputValue[]) => Record<string, SQLOutputValue>
            return Object.assign(statement, {
              all(...values: SQLInputValue[]) {
                const found = all(...values)
                rows += found.length
                return found
              },
              get(...values: SQLInputValue[]) {
                rows++
                return get(...values)
              },
            })
          },
  })
  for (let i = 0; i < 40; i++) search.index('note', `a\0${i}`, { text: textOf(1, i), vector: vectorOf(1, i) })
  function cost(): number {
    rows = 0
    const reader = createSearch(counting)
    assert.equal(reader.find('note', ['a\0'], ['whale', 'gull'], 5).length, 5)
    assert.equal(reader.nearest('note', ['a\0'], vectorOf(1, 7), 5).length, 5)
    return rows
  }
  const alone = cost()
  for (let i = 0; i < 3_000; i++) search.index('note', `b\0${i}`, { text: textOf(2, i), vector: vectorOf(2, i) })
  assert.equal(cost(), alone)
})

test('a transaction that is rolled back leaves nothing in memory either', () => {
  const { database, search } = opened({ recentMax: 4 })
  const find = (): string[] => search.find('note', ['a\0'], ['whale'], 10).map(({ key }) => key)
  search.index('note', 'a\x001', { text: 'whale', vector: vectorOf(1, 1) })
  assert.deepEqual(find(), ['a\x001'])
  for (const count of [2, 9]) {
    database.exec('BEGIN')
    for (let i = 0; i < count; i++) search.index('note', `a\0x${i}`, { text: 'whale', vector: vectorOf(1, i) })
    database.exec('ROLLBACK')
    assert.deepEqual(find(), ['a\x001'])
    for (let i = 0; i < count; i++) search.index('note', `a\0y${i}`, { text: 'gull', vector: vectorOf(2, i) })
    assert.deepEqual(find(), ['a\x001'])
    assert.equal(search.nearest('note', ['a\0'], vectorOf(1, 1), 1)[0]?.key, 'a\x001')
  }
})

test('what vectors are found through their codes are nearly all of the true nearest, also where codes do not fit into memory', () => {
  const count = isLong ? 20_000 : 3_000
  const dimensions = 64
  // Around 100 centres, as texts lie around topics.
  const vectors = Array.from({ length: count }, (_, i) => {
    const [own, centre] = [vectorOf(seed, i, dimensions), vectorOf(9, i % 100, dimensions)]
    return own.map((number, d) => number * 0.8 + (centre[d] as number))
  })
  const { database, search } = opened()
  database.exec('BEGIN')
  for (const [i, vector] of vectors.entries()) search.index('note', `a\0${i}`, { vector })
  database.exec('COMMIT')
  const small = createSearch(database, { vectorBytesMax: 0 })
  let came = 0
  for (let q = 0; q < 10; q++) {
    const query = (vectors[q * 17] as Float32Array).map((number, d) => number + vectorOf(8, q, dimensions)[d]! * 0.6)
    const best = vectors
      .map((vector, i) => ({ key: `a\0${i}`, score: cosineOf(query, vector) }))
      .toSorted((a, b) => b.score - a.score)
    const hits = search.nearest('note', ['a\0'], query, 10)
    came += hits.filter(({ key }) => best.slice(0, 10).some((one) => one.key === key)).length
    for (const { key, score } of hits)
      assert(Math.abs((best.find((one) => one.key === key)?.score as number) - score) < 0.01)
    assert.deepEqual(small.nearest('note', ['a\0'], query, 10), hits)
  }
  assert(came >= 95, `${came} of 100`)
})

test('vectors are found whatever was removed beside them, and only where they are asked for, in memory and beside it', () => {
  const slots = 34
  const count = slots * SLOT_CODES + 40
  const { database, search } = opened()
  const dimensions = 16
  const query = vectorOf(seed, 1, dimensions)
  const moved = (i: number, by: number): Float32Array => {
    const other = vectorOf(seed, i, dimensions)
    return query.map((number, d) => number + by * (other[d] as number))
  }
  // Every sixteenth slot is full of what is near, and will be gone: all that a search would look at first.
  const isGone = (i: number): boolean => Math.floor(i / SLOT_CODES) % 16 === 0 && i < slots * SLOT_CODES
  const isWanted = (i: number): boolean => i % 400 === 399 && !isGone(i)
  const keyOf = (i: number): string => `a\0${isWanted(i) ? 'wanted' : i % 2 === 0 ? 'even' : 'odd'}${i}`
  const slotBytes = SLOT_CODES * 164
  const vectorBytesMax = ((slots - 1.5) * slotBytes) / 0.75 // not for all of it; for what will be left
  const tight = createSearch(database, { vectorBytesMax })
  const readers = { search, tight }
  database.exec('BEGIN')
  for (let i = 0; i < count; i++) {
    const vector = moved(i, isGone(i) ? 0.05 : isWanted(i) ? 0.2 : 4)
    search.index('note', keyOf(i), { vector, isNew: true })
    if (i !== (slots - 2) * SLOT_CODES) continue
    for (const [name, reader] of Object.entries(readers))
      // as long as all fits
      assert.equal(reader.nearest('note', ['a\0'], query, 100).length, 100, name)
  }
  // What came since is found as what was there.
  const late = (slots - 1) * SLOT_CODES + 3
  for (const [name, reader] of Object.entries(readers))
    assert.equal(reader.nearest('note', ['a\0'], moved(late, 4), 1)[0]?.key, keyOf(late), name)
  database.exec('COMMIT')
  const wanted = Array.from({ length: count }, (_, i) => i)
    .filter(isWanted)
    .map(keyOf)
  database.exec('BEGIN')
  for (let i = 0; i < count; i++) if (isGone(i)) search.remove('note', keyOf(i))
  database.exec('COMMIT')
  const fresh = createSearch(database, { vectorBytesMax })
  for (const [name, reader] of Object.entries({ ...readers, fresh })) {
    const keys = reader.nearest('note', ['a\0'], query, wanted.length).map(({ key }) => key)
    assert.deepEqual(keys.toSorted(), wanted.toSorted(), name)
    const odd = reader.nearest('note', ['a\0odd'], query, 50)
    assert.equal(odd.length, 50, name)
    assert(
      odd.every(({ key }) => key.startsWith('a\0odd')),
      name,
    )
  }
})

test('codes are compared alike in WebAssembly and in JavaScript', () => {
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom(256, 512, 1_024), (seed, size) => {
      const bytes = (number: number): Uint8Array =>
        Uint8Array.from({ length: size / 2 }, (_, i) => (number < 2 ? number * 255 : randomAt(seed, number, i) * 256))
      const results = [true, false].map((isFast) => {
        const codes = createCodeMemory(size, isFast)
        const slots = [codes.take(), codes.take(), codes.take()]
        codes.give(slots.splice(1, 1)[0] as number)
        for (const [s, slot] of slots.entries())
          for (let place = 0; place < SLOT_CODES; place += 7) {
            // One by one, or some together.
            const few = [0, 1, 2].map((more) => bytes(s * 100 + (place % 50) + more))
            if (place % 2 === 0 || place + few.length > SLOT_CODES) codes.write(slot, place, few[0] as Uint8Array)
            else codes.write(slot, place, Buffer.concat(few))
          }
        const found: unknown[] = []
        for (const number of [0, 1, 77]) {
          codes.ask(Int8Array.from({ length: size }, (_, i) => randomAt(seed, number, i) * 255 - 127))
          for (const slot of slots) {
            const places = Int32Array.from({ length: 50 }, (_, i) => codes.placeOf(slot, i * 7))
            const near = [Infinity, codes.distanceMax / 4, 0].map((limit) => {
              const count = codes.near(slot, SLOT_CODES - 3, limit)
              return [codes.found.places.slice(0, count), codes.found.distances.slice(0, count)]
            })
            assert.equal(near[0]?.[0]?.length, SLOT_CODES - 3)
            found.push(near, [...codes.products(places, 50)])
          }
        }
        return found
      })
      assert.deepEqual(results[0], results[1])
    }),
    { seed, numRuns: isLong ? 50 : 4 },
  )
})

test('products with vectors are the same in WebAssembly and in JavaScript, to the last bit, whatever the lengths', () => {
  const [fast, plain] = [createProducts(), createProducts(false)]
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 300 }), fc.nat(5), fc.nat(40), (seed, dimensions, gap, count) => {
      const vector = Float32Array.from({ length: dimensions }, (_, i) => randomAt(seed, 1, i) - 0.5)
      const stride = dimensions + gap
      const data = Int8Array.from({ length: stride * count }, (_, i) => randomAt(seed, 2, i) * 255 - 127)
      const products = fast(vector, data, stride, count)
      assert.deepEqual(products, plain(vector, data, stride, count))
      if (count === 0) return
      const first = vector.reduce((sum, number, i) => sum + number * (data[i] as number), 0)
      assert(Math.abs((products[0] as number) - first) < 0.01)
    }),
    { seed, numRuns: isLong ? 300 : 30 },
  )
  // More than are brought there at once.
  for (const [dimensions, count] of [
    [8, 20_000],
    [4_096, 100],
    [16_384, 2],
  ] as const) {
    const vector = Float32Array.from({ length: dimensions }, (_, i) => randomAt(seed, 1, i) - 0.5)
    const data = Int8Array.from({ length: dimensions * count }, (_, i) => (i * 37) % 255)
    assert.deepEqual(fast(vector, data, dimensions, count), plain(vector, data, dimensions, count))
  }
})

test('how far a code is from the query is the sizes of the numbers whose signs differ, to a 30th of the largest four', () => {
  const [size, count] = [256, 40]
  const codes = createCodeMemory(size)
  const slot = codes.take()
  const code = Uint8Array.from({ length: (count * size) / 2 }, (_, i) => randomAt(seed, 1, i) * 256)
  codes.write(slot, 0, code)
  const numbers = Int8Array.from({ length: size }, (_, i) => randomAt(seed, 2, i) * 255 - 127)
  codes.ask(numbers)
  const isNegative = (place: number, number: number): boolean => {
    const byte = code[(place * size) / 2 + (number >> 5) * 16 + (number & 15)] as number
    return (number & 16) === 0 ? (byte & 15) < 8 : byte < 128
  }
  const fours = Array.from({ length: size / 4 }, (_, i) => [...numbers.subarray(i * 4, i * 4 + 4)])
  const unit = Math.max(...fours.map((four) => four.reduce((sum, number) => sum + Math.abs(number), 0))) / 15
  assert.equal(codes.near(slot, count, Infinity), count)
  for (let place = 0; place < count; place++) {
    const differing = numbers.reduce(
      (sum, number, i) => sum + (number < 0 === isNegative(place, i) ? 0 : Math.abs(number)),
      0,
    )
    const distance = codes.found.distances[place] as number
    assert(Math.abs(distance - differing / unit) <= size / 8, `${place}: ${distance}, not ${differing / unit}`)
    assert(distance <= codes.distanceMax)
  }
})

test('scripts, accents and signs: a word is found as it was written, and nothing else', () => {
  const { search } = opened()
  const texts = [
    'Die Übergröße',
    'covid-19 is here',
    'covid in 19 towns',
    '猫は納屋で寝ます',
    'हिन्दी भाषा',
    'İstanbul',
    'ﬁne ﬀ',
    `${'x'.repeat(500)}y`,
  ]
  for (const [i, text] of texts.entries()) search.index('note', `a\0${i}`, { text })
  const find = (...words: string[]): string[] => search.find('note', ['a\0'], words, 10).map(({ key }) => key.slice(2))
  assert.deepEqual(find('UBERGRÖSSE'), [])
  assert.deepEqual(find('uBergröße'), ['0'])
  assert.deepEqual(find('covid-19'), ['1', '2'])
  assert.deepEqual(find('covid-20'), [])
  assert.deepEqual(find('納屋'), ['3'])
  assert.deepEqual(find('fine'), ['6'])
  assert.deepEqual(find('x'.repeat(400)), ['7'])
  assert.deepEqual(find('x'), [])
})

test('a note, its words and its vector survive a kill together, or not at all', async (t) => {
  const path = join(folder, 'killed.db')
  const script = `
    const { openSqliteStore } = await import(${JSON.stringify(join(import.meta.dirname, '../src/drivers/store/sqlite.ts'))})
    const store = openSqliteStore(${JSON.stringify(path)})
    const { randomAt } = await import(${JSON.stringify(join(import.meta.dirname, '../src/kernel/clock.ts'))})
    ${vectorOf}
    const { say } = await import(${JSON.stringify(join(import.meta.dirname, 'crash/say.ts'))})
    for (let seq = store.lastSeq() + 1; ; seq += 100) {
      const of = (i) => ({ table: 'note', key: 'a\\0' + (seq + i), value: String(seq + i), text: 'word' + (seq + i) + ' common',
        vector: vectorOf(1, seq + i, 32) })
      await store.commit({ events: Array.from({ length: 100 }, (_, i) => ({ type: 'call-end', seq: seq + i, at: 1, pid: 1, n: 1, value: '' })),
        puts: Array.from({ length: 100 }, (_, i) => of(i)) })
      say(seq + 99)
    }`
  let said = -1
  for (let kill = 0; kill < (isLong ? 25 : 2); kill++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.on('data', (data) => void (output += data))
    await once(child.stdout, 'data')
    setTimeout(() => child.kill('SIGKILL'), randomAt(seed, kill, 0) * 300)
    await once(child, 'close')
    said = Number(output.trimEnd().split('\n').at(-1))
    const store = openSqliteStore(path)
    const last = store.lastSeq()
    assert(last >= said, `${said} was acknowledged, ${last} is there`)
    const keys = [...store.range('note', '', '\u{10ffff}')].map(([key]) => key)
    assert.equal(keys.length, last + 1)
    assert.equal(store.search('note', ['a\0'], ['common'], last + 100).length, last + 1)
    for (const key of [keys[0] as string, keys.at(-1) as string, keys[Math.floor(keys.length / 2)] as string]) {
      const number = Number(key.slice(2))
      assert.deepEqual(
        store.search('note', ['a\0'], [`word${number}`], 2).map((hit) => hit.key),
        [key],
      )
      assert(
        (store.nearest('note', ['a\0'], vectorOf(1, number, 32), 5).find((hit) => hit.key === key)?.score as number) >
          0.999,
      )
    }
    store.close()
  }
  t.diagnostic(`${said + 1} notes acknowledged, seed ${seed}`)
})
