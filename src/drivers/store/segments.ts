/**
 * Segments: what a space's entries hold, token by token, in a form that is read fast and never changed.
 *
 *     const segments = createSegments(database)
 *     segments.write(space, first, last, words)          // of entries that no segment has yet: a segment of level 0
 *     segments.settle(space, dead)                       // merges where there are many of a level
 *     segments.fetch([{ space, segments: [segment] }], ['whale'])(space, 'whale')    // where it stands, segment by segment
 *
 * New entries become a small segment, `MERGED_AT_ONCE` segments of a level become one of the next: a log-structured merge
 * (O'Neil, Cheng, Gawlick, O'Neil, The Log-Structured Merge-Tree, 1996), as in most search engines. So each posting is
 * written a few times, in order, and a search looks into a few dozen segments at most.
 *
 * Invariants
 *   SG1. Segments of a space cover ranges of entry numbers that do not overlap; older ranges have higher levels.
 *   SG2. An id of a segment is never used again (AUTOINCREMENT), so that what was read of one may be kept in memory.
 *        So where a word stands in it is kept in memory once it was looked for: as bytes, or entry by entry for a word that
 *        stands in much of a large segment.
 *   SG3. A merge leaves out dead entries; nothing else is lost.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { EvictionName } from '../../kernel/eviction.ts'
import { createTier, type Tier } from '../../kernel/tier.ts'
import {
  type BlockWriter,
  blockWriter,
  decode,
  denseOf,
  entriesIn,
  findIn,
  type List,
  type Places,
  type Postings,
} from './postings.ts'
import { preparer, rowReader } from './statements.ts'
import { compareKeys } from '../../kernel/lists.ts'

/**
 * The blocks of a segment have ids that follow each other, from `base` on; `leaders` has the first token of each, in order.
 * `lengths` has the tokens of each entry of the range, 16 bits each.
 */
export const segmentTables = `
  CREATE TABLE segment(id INTEGER PRIMARY KEY AUTOINCREMENT, space INTEGER NOT NULL, level INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, base INTEGER NOT NULL, leaders TEXT NOT NULL, lengths BLOB NOT NULL);
  CREATE INDEX segment_space ON segment(space, first);
  CREATE TABLE block(id INTEGER PRIMARY KEY, data BLOB NOT NULL)`

/** Segments of a level that become one of the next. */
const MERGED_AT_ONCE = 8
/** Level whose segments stay as they are, of some 33,000 entries: a larger merge would hold a commit up for longer. */
const LEVEL_MAX = 2
/** Part of a segment of at least so many entries in which a token stands that is kept in memory entry by entry: eight times as large as its bytes at most. */
const DENSE_PART = 0.125
const DENSE_ENTRIES_MIN = 4_096
/** About what a list in memory takes beside its bytes, with the id of its segment. */
const LIST_BYTES = 160
/** About what a word in memory takes beside its lists and its letters, also what the tier knows of it. */
const WORD_BYTES = 400

/** A range of entries of a space, `first <= entry < last`. */
export interface Segment {
  readonly id: number
  readonly level: number
  readonly first: number
  readonly last: number
  /** The id of its first block. */
  readonly base: number
}

/** What a segment is read by. */
export interface SegmentHead {
  /** The first token of each block. */
  readonly leaders: readonly string[]
  /** Tokens of each entry of the range. */
  readonly lengths: Uint16Array
}

/** The segments of a database. */
export interface Segments {
  of(space: number): Segment[]
  head(segment: Segment): SegmentHead
  write(space: number, first: number, last: number, words: ReadonlyMap<string, Places>, lengths: Uint16Array): void
  /** Merges where it is due; `dead` are entries to leave out. Returns the ranges that have none of them any more. */
  settle(space: number, dead: ReadonlySet<number>): (readonly [first: number, last: number])[]
  /** Reads where words stand in the segments of several spaces, as far as that is not in memory. */
  fetch(groups: readonly SpaceSegments[], words: readonly string[]): Found
  /** What is in memory: words of spaces, and their bytes. */
  readonly kept: Pick<Tier<string, unknown>, 'size' | 'bytes'>
}

/** All segments of a space. */
export interface SpaceSegments {
  readonly space: number
  readonly segments: readonly (Segment & SegmentHead)[]
}

/** Where a word stands in each segment of a space. Of what was fetched. */
export type Found = (space: number, word: string) => readonly List[]

/** Memory for where words stand. */
export interface ListMemoryOptions {
  readonly bytesMax: number
  readonly eviction: EvictionName
}

/** A word in the segments of a space, which are known by their ids: what they are read by has its own owner, who lets it go. */
interface Known {
  readonly ids: readonly number[]
  readonly lists: readonly List[]
}

export function createSegments(database: DatabaseSync, { bytesMax, eviction }: ListMemoryOptions): Segments {
  const prepare = preparer(database)
  const rowsOfIds = rowReader<Uint8Array>(database, 'block', 'data')
  const tier = createTier<string, Known>({ bytesMax, eviction })

  function of(space: number): Segment[] {
    const sql = 'SELECT id, level, first, last, base FROM segment WHERE space = ? ORDER BY first'
    return prepare(sql).all(space) as unknown as Segment[]
  }

  function head({ id }: Segment): SegmentHead {
    const row = prepare('SELECT leaders, lengths FROM segment WHERE id = ?').get(id) as {
      leaders: string
      lengths: Uint8Array
    }
    return {
      leaders: row.leaders === '' ? [] : row.leaders.split(' '),
      lengths: new Uint16Array(row.lengths.slice().buffer),
    }
  }

  /** A segment of the words that `fill` gives, in order. */
  function create(
    space: number,
    { level, first, last }: Pick<Segment, 'level' | 'first' | 'last'>,
    lengths: Uint16Array,
    fill: (writer: BlockWriter) => void,
  ): void {
    const base = ((prepare('SELECT max(id) AS id FROM block').get()?.['id'] as number | null) ?? 0) + 1
    const leaders: string[] = []
    const insert = prepare('INSERT INTO block VALUES(?, ?)')
    const writer = blockWriter(first, (leader, data) => {
      insert.run(base + leaders.length, data)
      leaders.push(leader)
    })
    fill(writer)
    writer.end()
    prepare('INSERT INTO segment(space, level, first, last, base, leaders, lengths) VALUES(?, ?, ?, ?, ?, ?, ?)').run(
      space,
      level,
      first,
      last,
      base,
      leaders.join(' '),
      new Uint8Array(lengths.buffer, lengths.byteOffset, lengths.byteLength),
    )
  }

  function write(space: number, first: number, last: number, words: ReadonlyMap<string, Places>, lengths: Uint16Array) {
    const tokens = [...words.keys()]
    // Without surrogates the order of UTF-16 is that of UTF-8.
    tokens.sort(tokens.some((token) => surrogate.test(token)) ? compareKeys : undefined)
    create(space, { level: 0, first, last }, lengths, (writer) => {
      for (const token of tokens) writer.add(token, words.get(token) as Places)
    })
  }

  /** The tokens of a segment in order, each with all its places. */
  function* tokens({ first, base }: Segment, { leaders }: SegmentHead): Generator<readonly [string, Places], void> {
    const block = prepare('SELECT data FROM block WHERE id = ?')
    let [token, places]: [string, Places] = ['', []]
    for (let i = 0; i < leaders.length; i++) {
      for (const { word, postings } of entriesIn(block.get(base + i)?.['data'] as Uint8Array)) {
        if (word !== token) {
          if (places.length > 0) yield [token, places]
          token = word
          places = []
        }
        decode(postings, first, places)
      }
    }
    if (places.length > 0) yield [token, places]
  }

  /** One segment instead of several that lie beside each other. */
  function merge(space: number, inputs: readonly Segment[], level: number, dead: ReadonlySet<number>): void {
    const first = (inputs[0] as Segment).first
    const last = (inputs.at(-1) as Segment).last
    const heads = inputs.map(head)
    const lengths = new Uint16Array(last - first)
    for (const [i, input] of inputs.entries()) lengths.set((heads[i] as SegmentHead).lengths, input.first - first)
    create(space, { level, first, last }, lengths, (writer) => {
      for (const [token, places] of together(inputs.map((input, i) => tokens(input, heads[i] as SegmentHead)))) {
        const alive = dead.size === 0 ? places : living(places, dead)
        if (alive.length > 0) writer.add(token, alive)
      }
    })
    for (const [i, { id, base }] of inputs.entries()) {
      const end = base + (heads[i] as SegmentHead).leaders.length
      prepare('DELETE FROM block WHERE id >= ? AND id < ?').run(base, end)
      prepare('DELETE FROM segment WHERE id = ?').run(id)
    }
  }

  function settle(space: number, dead: ReadonlySet<number>): (readonly [number, number])[] {
    const clean: (readonly [number, number])[] = []
    for (let level = 0; level < LEVEL_MAX; level++) {
      const inputs = of(space).filter((segment) => segment.level === level)
      if (inputs.length < MERGED_AT_ONCE) continue
      merge(space, inputs, level + 1, dead)
      clean.push([(inputs[0] as Segment).first, (inputs.at(-1) as Segment).last])
    }
    // What was written again and again leaves ranges that are mostly dead.
    const all = dead.size === 0 ? [] : of(space)
    const counts = new Map<Segment, number>()
    for (const entry of dead) {
      const segment = segmentOf(all, entry)
      if (segment !== undefined) counts.set(segment, (counts.get(segment) ?? 0) + 1)
    }
    for (const [segment, count] of counts) {
      if (clean.some(([first, last]) => segment.first >= first && segment.last <= last)) continue
      if (count * 2 < segment.last - segment.first) continue
      merge(space, [segment], segment.level, dead)
      clean.push([segment.first, segment.last])
    }
    return clean
  }

  /** Reads a word in segments, and keeps it, from blocks that were read. */
  function learn(
    { space, segments }: SpaceSegments,
    word: string,
    before: Known | undefined,
    blocks: ReadonlyMap<number, Uint8Array>,
  ): Known {
    const key = `${space} ${word}`
    const utf8 = Buffer.from(word)
    let bytes = WORD_BYTES + key.length
    const lists = segments.map((segment): List => {
      const list = listIn(before, segment) ?? readList(segment, word, utf8, blocks)
      bytes += LIST_BYTES + bytesOf(list)
      return list
    })
    return tier.set(key, { ids: segments.map(({ id }) => id), lists }, bytes)
  }

  function fetch(groups: readonly SpaceSegments[], words: readonly string[]): Found {
    const found = new Map<string, readonly List[]>()
    const missing: (readonly [group: SpaceSegments, word: string, before: Known | undefined])[] = []
    const ids = new Set<number>()
    for (const group of groups) {
      if (group.segments.length === 0) continue // a word stands nowhere in it, which is no knowledge to keep
      for (const word of words) {
        const key = `${group.space} ${word}`
        const known = tier.get(key)
        if (known !== undefined && isOf(known, group)) {
          found.set(key, known.lists)
          continue
        }
        missing.push([group, word, known])
        for (const segment of group.segments) {
          if (listIn(known, segment) !== undefined) continue
          const [first, last] = blocksOf(segment.leaders, word)
          for (let i = first; i < last; i++) ids.add(segment.base + i)
        }
      }
    }
    if (missing.length > 0) {
      const blocks = new Map(rowsOfIds([...ids].sort((a, b) => a - b)))
      for (const [group, word, before] of missing)
        found.set(`${group.space} ${word}`, learn(group, word, before, blocks).lists)
    }
    return (space, word) => found.get(`${space} ${word}`) ?? []
  }

  return { of, head, write, settle, fetch, kept: tier }
}

/** The blocks that may hold a word: the last whose leader does not come after it, and those before of which it is the leader. */
function blocksOf(leaders: readonly string[], word: string): readonly [first: number, last: number] {
  let low = 0
  for (let high = leaders.length; low < high;) {
    const middle = (low + high) >>> 1
    if (compareKeys(leaders[middle] as string, word) <= 0) low = middle + 1
    else high = middle
  }
  let first = low - 1
  while (first > 0 && leaders[first] === word && leaders[first - 1] === word) first--
  return [Math.max(0, first), low]
}

/** What is known of a segment that was there before too. */
function listIn(known: Known | undefined, { id }: Segment): List | undefined {
  return known?.lists[known.ids.indexOf(id)]
}

/** Whether all that is known is of these segments, and of all of them. */
function isOf({ ids }: Known, { segments }: SpaceSegments): boolean {
  return ids.length === segments.length && segments.every(({ id }, i) => id === ids[i])
}

/** The list of a word, of blocks that were read, in room of its own. */
function readList(
  { base, leaders, first: start, last: end }: Segment & SegmentHead,
  word: string,
  utf8: Uint8Array,
  blocks: ReadonlyMap<number, Uint8Array>,
): List {
  const [first, last] = blocksOf(leaders, word)
  const parts: Postings[] = []
  for (let i = first; i < last; i++) {
    const data = blocks.get(base + i)
    const part = data === undefined ? undefined : findIn(data, utf8)
    if (part !== undefined) parts.push(part)
  }
  const total = parts[0]?.total ?? 0
  const size = end - start
  const dense = size >= DENSE_ENTRIES_MIN && total >= size * DENSE_PART ? denseOf(parts, size) : undefined
  if (dense !== undefined) return dense
  return parts.map(({ data, from, to, total }) => ({ total, data: data.slice(from, to), from: 0, to: to - from }))
}

function bytesOf(list: List): number {
  if ('times' in list) return list.times.length
  return (list as readonly Postings[]).reduce((sum, { data }) => sum + data.length + LIST_BYTES, 0)
}

const surrogate = /[\ud800-\udfff]/

function living(places: Places, dead: ReadonlySet<number>): Places {
  const alive: Places = []
  for (let i = 0; i < places.length; i += 2) {
    const entry = places[i] as number
    if (!dead.has(entry)) alive.push(entry, places[i + 1] as number)
  }
  return alive
}

/** The segment whose range holds an entry; they are in order. */
function segmentOf(segments: readonly Segment[], entry: number): Segment | undefined {
  let low = 0
  for (let high = segments.length; low < high;) {
    const middle = (low + high) >>> 1
    if ((segments[middle] as Segment).last <= entry) low = middle + 1
    else high = middle
  }
  const segment = segments[low]
  return segment !== undefined && segment.first <= entry ? segment : undefined
}

/** Several ordered lists of tokens as one; places of the same token come in the order of the lists. */
function* together(lists: Generator<readonly [string, Places], void>[]): Generator<readonly [string, Places], void> {
  const heads = lists.map((list) => list.next().value)
  for (;;) {
    let least: string | undefined
    for (const head of heads) if (head && (least === undefined || compareKeys(head[0], least) < 0)) least = head[0]
    if (least === undefined) return
    let places: Places | undefined
    for (const [i, head] of heads.entries()) {
      if (!head || head[0] !== least) continue
      places = places === undefined ? head[1] : places.concat(head[1])
      heads[i] = lists[i]?.next().value
    }
    yield [least, places as Places]
  }
}
