/**
 * Search in a store: which entries hold some words (BM25), and whose vectors are nearest to one (cosine).
 *
 *     database.exec(searchTables)
 *     const search = createSearch(database)
 *     search.index('note', 'alice\0n1', { text: 'the budget of May', vector })
 *     search.find('note', ['alice\0'], ['budget'], 10)        // [{ key: 'alice\0n1', score: 0.53… }]
 *     search.nearest('note', ['alice\0'], vector, 10)
 *
 * The same for every store with a `node:sqlite` connection: a file's (sqlite.ts) or one in memory (memory.ts).
 *
 * How it lies in the file. Entries belong to spaces (spaces.ts). What is indexed is first kept as it came (`recent`,
 * `vector`); every 512 entries of a space become a segment with their words (segments.ts) and a row of their vectors, or of
 * codes of them where the space is large (vectors.ts). Reading keeps of each space what it needs again and again in memory:
 * the words of the recent entries, lengths, where words stand that were looked for, codes (tiers, each with a byte limit). All
 * that is kept in memory comes out of the file and is known by the version of the space, so that it does not matter which
 * thread or process wrote, nor whether it was rolled back.
 *
 * Invariants
 *   T1. Words are data: whatever they hold, they are looked for. A word that is cut in several tokens ("covid-19") is found
 *       where all of them stand in the entry.
 *   T2. An entry has at most one text and one vector: indexing it again, or removing it, takes the old ones out.
 *   T3. A key is found only under a prefix that it begins with, compared by characters: case counts, nothing is a wildcard.
 *   T4. Equal scores are ordered by key, so that the same store gives the same answer.
 *   T5. A search sees one state of the file, and reads what lies in the spaces of its prefixes; rarity is counted there.
 *
 * Limit: where a prefix takes only some keys of a space, rarity is still counted in the space, and its lists are gone through.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Put, Table } from '../../kernel/drivers.ts'
import type { Ranked } from './best.ts'
import { createRanking, type Part } from './bm25.ts'
import type { Places } from './postings.ts'
import { createSegments, segmentTables, type Found, type Segment, type SegmentHead } from './segments.ts'
import { createSpaces, SPACE_ENTRIES, spaceTables, type Space } from './spaces.ts'
import { preparer } from './statements.ts'
import type { EvictionName } from '../../kernel/eviction.ts'
import { createTier, type Tier } from '../../kernel/tier.ts'
import { termsOf, tokensOf } from './tokens.ts'
import { createVectors, RECENT_MAX, vectorTables } from './vectors.ts'

/** `recent` has the tokens of entries that no segment has yet, in order, by the id of `searchable`. */
export const searchTables = [
  spaceTables,
  segmentTables,
  vectorTables,
  'CREATE TABLE recent(id INTEGER PRIMARY KEY, tokens TEXT NOT NULL)',
].join(';')

const MIB = 2 ** 20
/** Tokens of an entry count up to this length, which 16 bits hold. */
const LENGTH_MAX = 65_535

/** What a search may take of memory. */
export interface SearchOptions {
  /** Bytes for what is known of spaces' words: tokens of recent entries, lengths. @default 64 MiB */
  readonly wordBytesMax?: number
  /** Bytes for where words stand that were looked for. @default 48 MiB */
  readonly listBytesMax?: number
  /** Bytes for codes of vectors: 160 for a vector of up to 256 numbers, 640 for one of 1,024. @default 256 MiB */
  readonly vectorBytesMax?: number
  /** Which space goes from memory when another needs the room. @default 'lru-2' */
  readonly eviction?: EvictionName
  /** Entries of a space that become a segment; fewer than 512 are for tests. 2 to 512. @default 512 */
  readonly recentMax?: number
  /** Entries in segments up to which the vectors of a space lie together, and are all compared; others are for tests. @default 2,048 */
  readonly smallMax?: number
}

/** What each part of it takes at most where nothing else is said. */
export const searchDefaults = { wordBytesMax: 64 * MIB, listBytesMax: 48 * MIB, vectorBytesMax: 256 * MIB }

/** An entry that a search found. */
export interface SearchHit {
  readonly key: string
  /** Higher is better; comparable within one result only. */
  readonly score: number
}

/** What an entry is found by. */
export interface Indexed extends Pick<Put, 'text' | 'vector'> {
  /** There is nothing older: nobody looks for it. @default false */
  readonly isNew?: boolean
}

/** Search over the entries of a store. */
export interface Search {
  /** Takes the text and the vector of an entry, in place of older ones; neither takes it out. */
  index(table: Table, key: string, by: Indexed): void
  remove(table: Table, key: string): void
  find(table: Table, prefixes: readonly string[], words: readonly string[], limit: number): SearchHit[]
  nearest(table: Table, prefixes: readonly string[], vector: Float32Array, limit: number): SearchHit[]
  /** What is in memory of spaces' words: how many spaces, and their bytes. */
  readonly kept: Pick<Tier<number, unknown>, 'size' | 'bytes'>
}

/** What is kept in memory of a space. */
interface Known {
  readonly space: Space
  readonly segments: readonly (Segment & SegmentHead)[]
  readonly recent: RecentTokens
  readonly dead: Set<number>
  /** Keys within the space, of entries that were found before. */
  readonly keys: Map<number, string>
}

/** The index of a database. */
export function createSearch(database: DatabaseSync, options: SearchOptions = {}): Search {
  const {
    wordBytesMax = searchDefaults.wordBytesMax,
    listBytesMax = searchDefaults.listBytesMax,
    vectorBytesMax = searchDefaults.vectorBytesMax,
  } = options
  const { eviction = 'lru-2', recentMax = RECENT_MAX } = options
  const prepare = preparer(database)
  const spaces = createSpaces(database)
  const segments = createSegments(database, { bytesMax: listBytesMax, eviction })
  const vectors = createVectors(database, { bytesMax: vectorBytesMax, eviction, smallMax: options.smallMax })
  const rank = createRanking()
  const tier = createTier<number, Known>({ bytesMax: wordBytesMax, eviction })

  function remove(table: Table, key: string): void {
    const removed = spaces.remove(table, key)
    if (removed === undefined) return
    const id = removed.space * SPACE_ENTRIES + removed.entry
    prepare('DELETE FROM recent WHERE id = ?').run(id)
    vectors.remove(id)
  }

  function index(table: Table, key: string, { text = '', vector, isNew = false }: Indexed): void {
    if (!isNew) remove(table, key)
    const tokens = tokensOf(text)
    const hasVector = vector !== undefined && vector.length > 0
    if (tokens.length === 0 && !hasVector) return
    const { space, entry } = spaces.add(table, key, tokens.length)
    const id = space.id * SPACE_ENTRIES + entry
    if (tokens.length > 0) prepare('INSERT INTO recent VALUES(?, ?)').run(id, tokens.join(' '))
    if (hasVector) vectors.put(id, vector)
    if (space.next - space.settled >= recentMax - earlierBy(space, recentMax)) settle(space)
  }

  /** Recent entries become a segment, and segments that are due are merged. */
  function settle({ id, settled, next, dead }: Space): void {
    const words = new Map<string, Places>()
    const lengths = new Uint16Array(next - settled)
    for (const [entry, text] of recentOf(id, settled, next)) {
      const tokens = text.split(' ')
      lengths[entry - settled] = Math.min(tokens.length, LENGTH_MAX)
      addTokens(words, entry, tokens)
    }
    segments.write(id, settled, next, words, lengths)
    const goneNow = (): Set<number> => new Set(dead === 0 ? [] : spaces.deadSince(id, 0))
    vectors.settle(id, settled, next, goneNow())
    prepare('DELETE FROM recent WHERE id >= ? AND id < ?').run(id * SPACE_ENTRIES + settled, id * SPACE_ENTRIES + next)
    spaces.bury(id, settled, next)
    spaces.settle(id)
    const gone = goneNow()
    for (const [first, last] of segments.settle(id, gone)) {
      if (gone.size === 0) continue
      vectors.thin(id, first, last, gone)
      spaces.bury(id, first, last)
    }
  }

  /** Recent entries with their tokens, in order. */
  function* recentOf(space: number, first: number, last: number): Generator<readonly [entry: number, tokens: string]> {
    const base = space * SPACE_ENTRIES
    const statement = prepare('SELECT id, tokens FROM recent WHERE id >= ? AND id < ? ORDER BY id')
    statement.setReturnArrays(true)
    const rows = statement.all(base + first, base + last) as unknown as (readonly [id: number, tokens: string])[]
    for (const [id, tokens] of rows) yield [id - base, tokens]
  }

  /** What is known of a space, read on from where it was read last. */
  function knownOf(space: Space): Known {
    const before = tier.get(space.id)
    if (before?.space.version === space.version) return before
    const isSettled = before?.space.settled === space.settled
    const heads = new Map(before?.segments.map((segment) => [segment.id, segment]))
    const known: Known = {
      space,
      segments: isSettled
        ? before.segments
        : segments
            .of(space.id)
            .map((segment) => heads.get(segment.id) ?? Object.assign(segment, segments.head(segment))),
      recent: isSettled ? before.recent : createRecentTokens(space.settled),
      dead: isSettled ? before.dead : new Set(),
      keys: before?.keys ?? new Map(),
    }
    for (const [entry, tokens] of recentOf(space.id, isSettled ? before.space.next : space.settled, space.next))
      known.recent.add(entry, tokens)
    for (const entry of spaces.deadSince(space.id, isSettled ? before.space.version : 0)) known.dead.add(entry)
    return tier.set(space.id, known, bytesOf(known))
  }

  function partsOf({ space, segments: all, recent }: Known, found: Found): Part[] {
    const parts: Part[] = all.map((segment, i) => ({
      space: space.id,
      first: segment.first,
      last: segment.last,
      lengths: segment.lengths,
      find: (token) => found(space.id, token)[i],
    }))
    if (recent.count() > 0) {
      const { settled: first, next: last } = space
      parts.push({ space: space.id, first, last, lengths: recent.lengths(), find: recent.find })
    }
    return parts
  }

  /** One state of the file for as long as `work` reads: a statement that has not come to its end holds it. */
  function atOnce<T>(work: () => T): T {
    const hold = prepare('SELECT 1 FROM sqlite_schema').iterate()
    hold.next()
    try {
      return work()
    } finally {
      hold.return?.()
    }
  }

  /** Takes the keys of entries into memory, as far as they are not there. */
  function learnKeys(known: Known, entries: readonly number[]): void {
    const { space, keys } = known
    if (keys.size + entries.length > KEYS_MAX) keys.clear()
    const missing = entries.filter((entry) => !keys.has(entry))
    if (missing.length === 0) return
    spaces.addKeys(keys, space, missing)
    tier.resize(space.id, bytesOf(known))
  }

  /** What prefixes reach, with what is known of it, and which of its entries count. */
  function reached(table: Table, prefixes: readonly string[]) {
    const scopes = spaces.under(table, prefixes)
    const known = new Map(scopes.map(({ space }) => [space.id, knownOf(space)]))
    const only = new Map(
      scopes.flatMap(({ space, keys }) => (keys ? [[space.id, spaces.entriesUnder(space.id, keys)] as const] : [])),
    )

    function admitsIn(space: number): ((entry: number) => boolean) | undefined {
      const { dead } = known.get(space) as Known
      const some = only.get(space)
      if (some !== undefined) return (entry) => some.has(entry) && !dead.has(entry)
      return dead.size > 0 ? (entry) => !dead.has(entry) : undefined
    }

    /** With keys, ordered by score and key. */
    function hitsOf(ranked: readonly Ranked[]): SearchHit[] {
      for (const [space, own] of Map.groupBy(ranked, ({ space }) => space))
        learnKeys(
          known.get(space) as Known,
          own.map(({ entry }) => entry),
        )
      const hits: SearchHit[] = []
      for (const { space, entry, score } of ranked) {
        const { space: own, keys } = known.get(space) as Known
        const key = keys.get(entry)
        if (key !== undefined) hits.push({ key: own.prefix + key, score })
      }
      return hits.sort((a, b) => b.score - a.score || (a.key < b.key ? -1 : 1))
    }

    return { known: [...known.values()], admitsIn, hitsOf }
  }

  function find(table: Table, prefixes: readonly string[], words: readonly string[], limit: number): SearchHit[] {
    const terms = termsOf(words)
    if (terms.length === 0 || !(limit > 0)) return []
    return atOnce(() => {
      const { known, admitsIn, hitsOf } = reached(table, prefixes)
      let [docs, live, tokens] = [0, 0, 0]
      for (const { space } of known) {
        docs += space.docs + space.dead
        live += space.docs
        tokens += space.tokens
      }
      const lengthMean = tokens / Math.max(1, live)
      const found = segments.fetch(
        known.map((one) => ({ space: one.space.id, segments: one.segments })),
        [...new Set(terms.flat())],
      )
      const parts = known.flatMap((one) => partsOf(one, found))
      return hitsOf(rank({ parts, terms, docs, lengthMean, limit: Math.floor(limit), admitsIn }))
    })
  }

  function nearest(table: Table, prefixes: readonly string[], vector: Float32Array, limit: number): SearchHit[] {
    if (!(limit > 0) || vector.length === 0) return []
    return atOnce(() => {
      const { known, admitsIn, hitsOf } = reached(table, prefixes)
      const spaces = known.map(({ space }) => space)
      return hitsOf(vectors.nearest(spaces, vector, { limit: Math.floor(limit), admitsIn }))
    })
  }

  return { index, remove, find, nearest, kept: tier }
}

/** By how much the first segment of a space is shorter: up to half, so that spaces that grow together do not settle all at once. */
function earlierBy({ id, settled }: Space, recentMax: number): number {
  return settled > 0 ? 0 : Math.floor((((id - 1) * GOLDEN) % 1) * recentMax * 0.5)
}

/** Its multiples spread evenly over a unit (Knuth, TAOCP 3, section 6.4). */
const GOLDEN = (Math.sqrt(5) - 1) / 2

/** Keys of one space that are kept in memory. */
const KEYS_MAX = 16_384
/** About what a place in a list or set takes in memory, bytes. */
const PLACE_BYTES = 32

/** With the keys, of which each takes two places. */
function bytesOf({ segments, recent, dead, keys }: Known): number {
  return segments.reduce(
    (sum, { lengths, leaders }) => sum + lengths.byteLength + leaders.length * PLACE_BYTES,
    recent.bytes() + (dead.size + keys.size * 2) * PLACE_BYTES,
  )
}

/** Adds an entry to lists of places, which stay in order. */
function addTokens(words: Map<string, Places>, entry: number, tokens: readonly string[]): void {
  for (const token of tokens) {
    const places = words.get(token)
    if (places === undefined) words.set(token, [entry, 1])
    else if (places.at(-2) === entry) (places[places.length - 1] as number)++
    else places.push(entry, 1)
  }
}

/** The tokens of recent entries as one text, which is gone through for a token that is looked for: there are few, and most are never asked for. */
interface RecentTokens {
  /** Entries that came. */
  count(): number
  /** Tokens of each entry, by its place after the first. */
  lengths(): Uint16Array
  /** `tokens` with a space between them. Entries come in order. */
  add(entry: number, tokens: string): void
  find(token: string): Places | undefined
  bytes(): number
}

function createRecentTokens(first: number): RecentTokens {
  let text = ' '
  const entries: number[] = []
  /** Where the tokens of each entry end. */
  const ends: number[] = []
  let lengths = new Uint16Array(16)

  return {
    count: () => entries.length,
    lengths: () => lengths,
    add(entry, tokens) {
      text += `${tokens} `
      entries.push(entry)
      ends.push(text.length)
      let count = 1
      for (let i = 0; i < tokens.length; i++) if (tokens.charCodeAt(i) === SPACE) count++
      if (entry - first >= lengths.length) {
        const before = lengths
        lengths = new Uint16Array((entry - first) * 2)
        lengths.set(before)
      }
      lengths[entry - first] = Math.min(count, LENGTH_MAX)
    },
    find(token) {
      const places: number[] = []
      let at = 0
      for (let from = text.indexOf(token); from !== -1; from = text.indexOf(token, from + token.length)) {
        if (text.charCodeAt(from - 1) !== SPACE || text.charCodeAt(from + token.length) !== SPACE) continue
        while ((ends[at] as number) <= from) at++
        const entry = entries[at] as number
        if (places.at(-2) === entry) (places[places.length - 1] as number)++
        else places.push(entry, 1)
      }
      return places.length === 0 ? undefined : places
    },
    bytes: () => text.length + entries.length * PLACE_BYTES,
  }
}

const SPACE = 32
