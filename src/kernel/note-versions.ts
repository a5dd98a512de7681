/**
 * Changing notes: what is remembered, rewritten, forgotten, undone and collected, as versions in the store.
 *
 *     versions.change(space, next, vector)          // a new note, a new text of one, or the word that it is gone
 *     versions.undo(space, 17, isOwn, pid)          // what those did from event 17 on
 *     versions.collect('principal ada', 400, 1_000) // what nobody can see any more
 *
 * How they lie there is told in note-reader.ts.
 *
 * Invariants
 *   NV1. The versions of a note follow each other without a gap: each begins at the event at which the one before ended.
 *   NV2. The words and the vector of what stands now, and only they, are where a principal's search looks. What stood there
 *        before is searched for branches alone.
 *   NV3. A branch that changes a note of its origin takes the version it saw into its own past first, so that undoing
 *        needs no look at the origin.
 *   NV4. What a note was drawn from and of which source it was stays in the indexes, whatever takes its place: who rewrites
 *        a note does not hide where it came from.
 *   NV5. What stands there and should have a vector has one, or a mark: none is lost by an outage of the embedder.
 */
import type { Put, Store } from './drivers.ts'
import type { Journal } from './journal.ts'
import type { Limits } from './limits.ts'
import type { NoteReader } from './note-reader.ts'
import { createNoteReader, fromOf, indexKey, indexesOf, liveKey, pastKey, rangeOf, seqIn } from './note-reader.ts'
import type { NoteVersion } from './note.ts'
import { searchTextOf } from './note.ts'
import type { Space } from './spaces.ts'
import { FORK } from './spaces.ts'
import type { Pid } from './types.ts'

/** The versions of all notes of a store. */
export interface NoteVersions extends NoteReader {
  /** What stands there for the branch once all that was appended is kept; for whoever changes it. */
  latest(space: Space, seq: number): NoteVersion | undefined
  /** The version that was there when it went, for a note that is gone; undefined where it was revoked. */
  lastText(space: Space, seq: number): NoteVersion | undefined
  /** Puts a version in the place of what is there, from the next event on. */
  change(space: Space, next: NoteVersion, options?: ChangeOptions): void
  /** Nobody sees any more what the note was since that event, in this space and in those that branched off after it. */
  revoke(space: Space, seq: number, since: number): void
  /** Notes that this version has no vector yet: with the event that comes next. */
  markBare(space: Space, version: NoteVersion): void
  /** It shall have none, after all. */
  unmarkBare(space: Space, version: NoteVersion): void
  /** Versions that wait for their vector, in this branch and those it came from, at most so many, with where they stand. */
  bare(space: Space, limit: number): readonly (readonly [at: Space, version: NoteVersion])[]
  /** Gives what stands there its vector, if it is still that version. */
  addVector(space: Space, version: NoteVersion, vector: Float32Array): void
  /** Undoes what those that `isOwn` names did from that event on. Returns what stands again. */
  undo(space: Space, before: number, isOwn: (pid: Pid) => boolean, by: Pid): readonly NoteVersion[]
  /** Removes versions that ended before that event, at most so many; returns how many went. */
  collect(spaceId: string, before: number, limit: number): number
  /** Removes all of a space. */
  drop(spaceId: string): void
}

/** How a version is put. */
export interface ChangeOptions {
  readonly vector?: Float32Array | undefined
  /** No event reports it: an owner's deed, which no process pays for. @default false */
  readonly alone?: boolean
}

/** Where versions lie. */
export interface NoteVersionsOptions {
  readonly store: Store
  readonly journal: Journal
  /** @default those of limits.ts */
  readonly limits?: Pick<Limits, 'notesCachedBytesMax'>
}

const NONE: ReadonlySet<string> = new Set()
/** Changes that are looked for among what is not kept yet before those that are kept by now are let go. */
const UNKEPT_STEP = 1_024

/** The versions of a kernel's notes. */
export function createNoteVersions({ store, journal, limits }: NoteVersionsOptions): NoteVersions {
  const reader = createNoteReader(store, limits)
  const { find, read } = reader
  /** What was changed and may not be kept yet, by its key. */
  const unkept = new Map<string, NoteVersion>()

  function readLatest(key: string): NoteVersion | undefined {
    const kept = read(key)
    const made = unkept.get(key)
    if (made === undefined) return kept
    if (kept === undefined || fromOf(kept) < fromOf(made)) return made
    unkept.delete(key)
    return kept
  }

  function latest(space: Space, seq: number): NoteVersion | undefined {
    const version = find(space, seq, readLatest)?.version
    return version?.gone === undefined ? version : undefined
  }

  function lastText(space: Space, seq: number): NoteVersion | undefined {
    const seen = find(space, seq, readLatest)
    if (seen?.version.gone === undefined) return seen?.version
    if (seen.version.gone === 'revoked') return undefined
    for (let at: Space | undefined = space; at !== undefined; at = at.base?.space) {
      if (seen.key !== liveKey(at.id, seq)) continue
      return read(pastKey(at.id, fromOf(seen.version), seq))
    }
    return undefined
  }

  function change(space: Space, next: NoteVersion, { vector, alone = false }: ChangeOptions = {}): void {
    const put = (one: Put): void => (alone ? journal.putAlone(one) : journal.put(one))
    const from = journal.lastSeq + 1
    const { seq } = next
    const key = liveKey(space.id, seq)
    const before = from === seq ? undefined : (readLatest(key) ?? find(space, seq, readLatest)?.version)
    if (before !== undefined) {
      const text = before.gone === undefined ? { text: searchTextOf(before) } : {}
      put({ table: 'note', key: pastKey(space.id, from, seq), value: JSON.stringify(before), ...text })
    }
    const version = from === seq ? next : { ...next, from }
    const value = JSON.stringify(version)
    if (version.gone === undefined) {
      put({ table: 'note', key, value, text: searchTextOf(version), ...(vector === undefined ? {} : { vector }) })
      const had = before === undefined ? NONE : new Set(indexesOf(before))
      for (const index of indexesOf(version)) {
        const entry = indexKey(space.id, index, seq)
        // The first time counts.
        if (before === undefined || (!had.has(index) && store.get('note', entry) === undefined))
          put({ table: 'note', key: entry, value: String(from) })
      }
    } else put({ table: 'note', key, value })
    // Only what was there before can be changed twice before it is kept.
    if (before === undefined) return
    if (unkept.size >= UNKEPT_STEP) for (const old of unkept.keys()) readLatest(old)
    unkept.set(key, version)
  }

  function revoke(space: Space, seq: number, since: number): void {
    const stands = readLatest(liveKey(space.id, seq)) ?? find(space, seq, readLatest)?.version
    if (stands !== undefined && stands.gone !== 'revoked')
      change(space, { ...goneOf(stands, 0, 'revoked'), revokedSince: since }, { alone: true })
  }

  function undo(space: Space, before: number, isOwn: (pid: Pid) => boolean, by: Pid): readonly NoteVersion[] {
    const touched = new Set<number>()
    const [, liveEnd] = rangeOf(space.id, 'live')
    const [, pastEnd] = rangeOf(space.id, 'past')
    for (const [key] of store.range('note', liveKey(space.id, before), liveEnd)) touched.add(seqIn(key))
    for (const [key] of store.range('note', pastKey(space.id, before, 0), pastEnd)) touched.add(seqIn(key))
    const again: NoteVersion[] = []
    for (const seq of touched) {
      const since: NoteVersion[] = []
      let version = read(liveKey(space.id, seq))
      while (version !== undefined && fromOf(version) >= before) {
        since.push(version)
        version = read(pastKey(space.id, fromOf(version), seq))
      }
      const [now] = since
      const kept = since.find((one) => !isOwn(one.by ?? one.pid)) ?? version
      if (now === undefined || kept === now) continue
      if (kept === undefined || kept.gone !== undefined) {
        if (now.gone === undefined) change(space, goneOf(now, by, kept?.gone))
        continue
      }
      const { from: _from, ...content } = kept
      const back: NoteVersion = { ...content, by }
      change(space, back)
      again.push({ ...back, from: journal.lastSeq + 1 })
    }
    return again
  }

  function markBare(space: Space, version: NoteVersion): void {
    journal.put({ table: 'note', key: indexKey(space.id, BARE, version.seq), value: String(fromOf(version)) })
  }

  function unmarkBare(space: Space, { seq }: NoteVersion): void {
    journal.putAlone({ table: 'note', key: indexKey(space.id, BARE, seq), value: null })
  }

  function bare(space: Space, limit: number): readonly (readonly [Space, NoteVersion])[] {
    const found: (readonly [Space, NoteVersion])[] = []
    for (let at: Space | undefined = space; at !== undefined && found.length < limit; at = at.base?.space) {
      const range = [indexKey(at.id, BARE, 0), indexKey(at.id, BARE, LATEST)] as const
      for (const [mark, value] of store.range('note', ...range, { limit: limit - found.length })) {
        const key = liveKey(at.id, seqIn(mark))
        const version = readLatest(key)
        if (version !== undefined && version.gone === undefined && fromOf(version) === Number(value))
          found.push([at, version])
        // What took its place has a mark of its own or a vector; where it is not kept yet, neither is that mark.
        else if (!unkept.has(key)) journal.putAlone({ table: 'note', key: mark, value: null })
      }
    }
    return found
  }

  function addVector(space: Space, version: NoteVersion, vector: Float32Array): void {
    const key = liveKey(space.id, version.seq)
    const now = readLatest(key)
    if (now === undefined || now.gone !== undefined || fromOf(now) !== fromOf(version)) return
    journal.putAlone({ table: 'note', key, value: JSON.stringify(now), text: searchTextOf(now), vector })
    unmarkBare(space, version)
  }

  function collect(spaceId: string, before: number, limit: number): number {
    let removed = 0
    for (const [key, value] of store.range('note', pastKey(spaceId, 0, 0), pastKey(spaceId, before, 0), { limit })) {
      journal.putAlone({ table: 'note', key, value: null })
      removed++
      const old = JSON.parse(value as string) as NoteVersion
      const live = readLatest(liveKey(spaceId, old.seq))
      const isOver = live?.gone !== undefined && key === pastKey(spaceId, fromOf(live), old.seq)
      // In a branch it stands before what the origin has.
      if (isOver && !spaceId.startsWith(FORK)) {
        journal.putAlone({ table: 'note', key: liveKey(spaceId, old.seq), value: null })
        // Through what is gone, others may come from a source that is revoked one day.
        const isOrigin = !isEmpty(reader.drawnFrom({ id: spaceId }, old.seq))
        for (const index of indexesOf(old))
          if (!isOrigin || !ORIGINS.test(index))
            journal.putAlone({ table: 'note', key: indexKey(spaceId, index, old.seq), value: null })
        continue
      }
      if (live === undefined || old.gone !== undefined) continue
      const stays = new Set(indexesOf(live))
      for (const index of indexesOf(old))
        if (!stays.has(index) && !ORIGINS.test(index))
          journal.putAlone({ table: 'note', key: indexKey(spaceId, index, old.seq), value: null })
    }
    return removed
  }

  function drop(spaceId: string): void {
    for (const [key] of store.range('note', ...rangeOf(spaceId, 'all')))
      journal.putAlone({ table: 'note', key, value: null })
  }

  return { ...reader, latest, lastText, change, revoke, markBare, unmarkBare, bare, addVector, undo, collect, drop }
}

/** The word that a note is gone. */
export function goneOf({ seq, at }: NoteVersion, by: Pid, gone: NoteVersion['gone'] = 'forgotten'): NoteVersion {
  return { seq, text: '', tags: [], source: null, pid: by, at, gone }
}

function isEmpty(all: Iterable<unknown>): boolean {
  return all[Symbol.iterator]().next().done === true
}

/** Where those stand that wait for their vector. */
const BARE = 'v'
const LATEST = Number.MAX_SAFE_INTEGER

/** Where a note came from stays known, whatever takes its place (NV4). */
const ORIGINS = /^[fp]/
