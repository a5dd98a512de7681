/**
 * Reading notes where they lie in the store: every version of each, and what leads to them.
 *
 *     const notes = createNoteReader(store)
 *     notes.see(space, seq)                                     // as this branch sees it
 *     for (const seq of notes.newestFirst(space, { tag: 'harbour' })) …
 *
 * Keys of a space, each beginning with its id: `\0` and the note for what stands now, with its words and its vector;
 * `\1\0`, the event at which it ended and the note for each version before; `\2\0` and a digest for the indexes: notes of
 * a session, a source, a tag, a kind, and those drawn from a note. What writes them is note-versions.ts.
 *
 * Invariants
 *   NR1. A branch sees of its origin what stood there at the cut, whatever became of it. Only what was revoked, nobody sees.
 *   NR2. An index holds every note that ever had the property, with the event since which it did. Whoever reads one looks
 *        at the note.
 */
import { sha256 } from './digest.ts'
import type { Store } from './drivers.ts'
import type { Limits } from './limits.ts'
import { defaultLimits } from './limits.ts'
import { merged } from './lists.ts'
import type { NoteVersion } from './note.ts'
import type { Space } from './spaces.ts'
import { PRINCIPAL } from './spaces.ts'
import { createTier } from './tier.ts'
import type { NoteKind, RecallOptions } from './types.ts'

/** Notes as they can be read. */
export interface NoteReader {
  /** What stands there for the branch, and its key; undefined where there is nothing, or no more. */
  see(space: Space, seq: number): Seen | undefined
  /** The same, also where that is the word that it is gone. `look` reads what stands now. */
  find(space: Space, seq: number, look?: (key: string) => NoteVersion | undefined): Seen | undefined
  read(key: string): NoteVersion | undefined
  /** The notes that may have what is asked for, the newest first; whether they do, the note says. */
  newestFirst(space: Space, asked: RecallOptions, before?: number): Iterable<number>
  /** The same where an index that the filters name holds no more than `max`: of the shortest one. Undefined where none does. */
  few(space: Space, asked: RecallOptions, max: number): readonly number[] | undefined
  /** The nearest notes that may be of the session, from this one on in one direction, without it. @param limit default 16 */
  beside(space: Space, session: string, seq: number, direction: 'before' | 'after', limit?: number): Iterable<number>
  /** Notes that may be drawn from this one. */
  drawnFrom(space: Space, seq: number): Iterable<Indexed>
  /** Whether any note was drawn from another. */
  hasDrawn(space: Space): boolean
  /** Notes that ever were of the source. */
  ofSource(space: Space, source: string): Iterable<Indexed>
  /** Under which the store searches the notes of a branch. */
  prefixes(space: Space): readonly string[]
  /** The note of a key. */
  seqIn(key: string): number
  /** Ids of the spaces that hold notes. */
  spaces(): Iterable<string>
  /** The principals among them, by name, from behind that one on. */
  principals(after?: string): Iterable<string>
}

/** A note, and the event since which it has the property. */
export interface Indexed {
  readonly seq: number
  readonly since: number
}

/** A version and where it was found. */
export interface Seen {
  readonly key: string
  readonly version: NoteVersion
}

const LIVE = '\0'
const PAST = '\u0001\0'
const INDEX = '\u0002\0'
const END = '\u0003'
/** Digits of a place in the journal: sorts as it counts, up to 2^53. */
const DIGITS = 16
const LATEST = Number.MAX_SAFE_INTEGER
/** Bytes of a note that is kept parsed, estimated: objects of its own, and a few times the characters they came from. */
const PARSED_BYTES = 512
const PARSED_SHARE = 3
/** Entries of a session that are looked at on one side of a note: gone ones stand there too. */
const BESIDE_MAX = 16

/** The notes of a store. */
export function createNoteReader(
  store: Pick<Store, 'get' | 'range'>,
  { notesCachedBytesMax }: Pick<Limits, 'notesCachedBytesMax'> = defaultLimits,
): NoteReader {
  /** What was parsed, with what it was parsed from: as long as that stands there, it holds. */
  const parsed = createTier<string, { readonly value: string; readonly version: NoteVersion }>({
    bytesMax: notesCachedBytesMax,
    eviction: 'lru', // a finer choice would take as long as the parsing that it saves
  })

  function read(key: string): NoteVersion | undefined {
    const value = store.get('note', key) as string | undefined
    if (value === undefined) return undefined
    const known = parsed.get(key)
    if (known?.value === value) return known.version
    const version = JSON.parse(value) as NoteVersion
    return parsed.set(key, { value, version }, PARSED_BYTES + value.length * PARSED_SHARE).version
  }

  function find(space: Space, seq: number, look: (key: string) => NoteVersion | undefined = read): Seen | undefined {
    let limit = LATEST
    for (let at: Space | undefined = space; at !== undefined; at = at.base?.space) {
      let key = liveKey(at.id, seq)
      let version = look(key)
      if (version?.revokedSince !== undefined && version.revokedSince < limit) return { key, version }
      while (version !== undefined && fromOf(version) >= limit) {
        key = pastKey(at.id, fromOf(version), seq)
        version = read(key)
      }
      if (version !== undefined) return { key, version }
      limit = Math.min(limit, at.base?.before ?? limit)
    }
    return undefined
  }

  function see(space: Space, seq: number): Seen | undefined {
    const seen = find(space, seq)
    return seen?.version.gone === undefined ? seen : undefined
  }

  function* keysOf(from: string, to: string, reverse: boolean, limit = Infinity): Generator<number> {
    for (const [key] of store.range('note', from, to, { reverse, limit })) yield seqIn(key)
  }

  function* newestFirst(space: Space, asked: RecallOptions, before = LATEST): Generator<number> {
    const [index] = indexesFor(asked)
    if (index !== undefined) return yield* inIndex(space, index, before)
    const runs: Generator<number>[] = []
    for (let at: Space | undefined = space; at !== undefined; at = at.base?.space)
      runs.push(keysOf(liveKey(at.id, 0), liveKey(at.id, before), true))
    yield* merged(runs, descending)
  }

  function inIndex(space: Space, index: readonly string[], before = LATEST, limit = Infinity): Generator<number> {
    const runs: Generator<number>[] = []
    for (let at: Space | undefined = space; at !== undefined; at = at.base?.space)
      for (const one of index) runs.push(keysOf(indexKey(at.id, one, 0), indexKey(at.id, one, before), true, limit))
    return merged(runs, descending)
  }

  function few(space: Space, asked: RecallOptions, max: number): readonly number[] | undefined {
    let shortest: readonly number[] | undefined
    for (const index of indexesFor(asked)) {
      const most = Math.min(max, (shortest?.length ?? Infinity) - 1)
      const seqs = [...inIndex(space, index, LATEST, most + 1)]
      if (seqs.length <= most) shortest = seqs
    }
    return shortest
  }

  function* beside(
    space: Space,
    session: string,
    seq: number,
    direction: 'before' | 'after',
    limit = BESIDE_MAX,
  ): Generator<number> {
    const index = `s${digestOf(session)}`
    const isBefore = direction === 'before'
    const runs: Generator<number>[] = []
    for (let at: Space | undefined = space; at !== undefined; at = at.base?.space) {
      const [from, to] = isBefore ? [0, seq] : [seq + 1, LATEST]
      runs.push(keysOf(indexKey(at.id, index, from), indexKey(at.id, index, to), isBefore, limit))
    }
    if (runs.length === 1) return yield* runs[0] as Generator<number>
    yield* merged(runs, isBefore ? descending : ascending)
  }

  /** Of an origin, only what was so when this branched off. */
  function* indexed(space: Space, index: string): Generator<Indexed> {
    let before = LATEST
    for (let at: Space | undefined = space; at !== undefined; at = at.base?.space) {
      for (const [key, value] of store.range('note', indexKey(at.id, index, 0), indexKey(at.id, index, LATEST)))
        if (Number(value) < before) yield { seq: seqIn(key), since: Number(value) }
      before = Math.min(before, at.base?.before ?? before)
    }
  }

  function* spaces(start = '', end = '\u{10ffff}'): Generator<string> {
    for (let from = start; ;) {
      const [first] = store.range('note', from, end, { limit: 1 })
      if (first === undefined) return
      const id = spaceIdIn(first[0])
      yield id
      from = `${id}${END}`
    }
  }

  function* principals(after?: string): Generator<string> {
    const start = after === undefined ? PRINCIPAL : `${PRINCIPAL}${after}${END}`
    for (const id of spaces(start, `${PRINCIPAL}\u{10ffff}`)) yield id.slice(PRINCIPAL.length)
  }

  return {
    see,
    find,
    read,
    newestFirst,
    few,
    beside,
    hasDrawn(space) {
      for (let at: Space | undefined = space; at !== undefined; at = at.base?.space) {
        const [first] = store.range('note', indexKey(at.id, 'p', 0), indexKey(at.id, 'q', 0), { limit: 1 })
        if (first !== undefined) return true
      }
      return false
    },
    drawnFrom: (space, seq) => indexed(space, `p${pad(seq)}`),
    ofSource: (space, source) => indexed(space, `f${digestOf(source)}`),
    prefixes(space) {
      const all = [`${space.id}${LIVE}`]
      for (let at = space.base?.space; at !== undefined; at = at.base?.space)
        all.push(`${at.id}${LIVE}`, `${at.id}${PAST}`)
      return all
    },
    seqIn,
    spaces: () => spaces(),
    principals,
  }
}

/** Of what stands now. */
export function liveKey(space: string, seq: number): string {
  return `${space}${LIVE}${pad(seq)}`
}

/** Of the version that ended at the event `until`. */
export function pastKey(space: string, until: number, seq: number): string {
  return `${space}${PAST}${pad(until)} ${pad(seq)}`
}

export function indexKey(space: string, index: string, seq: number): string {
  return `${space}${INDEX}${index} ${pad(seq)}`
}

export function seqIn(key: string): number {
  return Number(key.slice(-DIGITS))
}

/** The space of a key: ids of spaces have no control characters. */
function spaceIdIn(key: string): string {
  let end = 0
  while (key.charCodeAt(end) > 2) end++
  return key.slice(0, end)
}

/** Values may be long, and of any characters. */
function digestOf(value: string): string {
  return sha256(value).slice(0, 32)
}

/** All that is of one kind in a space: what stands now, or what stood there before. */
export function rangeOf(space: string, kind: 'live' | 'past' | 'all'): readonly [from: string, to: string] {
  if (kind === 'live') return [`${space}${LIVE}`, `${space}${PAST}`]
  return kind === 'past' ? [`${space}${PAST}`, `${space}${INDEX}`] : [`${space}${LIVE}`, `${space}${END}`]
}

export function fromOf({ from, seq }: NoteVersion): number {
  return from ?? seq
}

function pad(seq: number): string {
  return String(seq).padStart(DIGITS, '0')
}

/** The indexes that a version stands in. */
export function indexesOf({ session, source, tags, kind, parents = [], gone }: NoteVersion): string[] {
  if (gone !== undefined) return []
  const indexes = parents.map((parent) => `p${pad(Number(parent.slice(1)))}`)
  if (session !== undefined) indexes.push(`s${digestOf(session)}`)
  if (source !== null) indexes.push(`f${digestOf(source)}`)
  for (const tag of new Set(tags)) indexes.push(`t${digestOf(tag)}`)
  if (isIndexed(kind)) indexes.push(`k${kind}`)
  return indexes
}

/** Most notes are plain ones: an index of them would be all. */
function isIndexed(kind: NoteKind | undefined): boolean {
  return kind !== undefined && kind !== 'note'
}

/** The indexes that filters name, each by itself enough, the one that is likely the shortest first. */
function indexesFor({ session, source, tag, kinds }: RecallOptions): readonly (readonly string[])[] {
  const indexes: (readonly string[])[] = []
  if (source !== undefined) indexes.push([`f${digestOf(source)}`])
  if (session !== undefined) indexes.push([`s${digestOf(session)}`])
  if (tag !== undefined) indexes.push([`t${digestOf(tag)}`])
  if (kinds?.every(isIndexed) === true) indexes.push([...new Set(kinds)].map((kind) => `k${kind}`))
  return indexes
}

function ascending(a: number, b: number): number {
  return a - b
}

function descending(a: number, b: number): number {
  return b - a
}
