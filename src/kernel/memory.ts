/**
 * Memory: what a principal's processes learned and keep, found again by its words, its meaning and what stands beside it.
 *
 * A note belongs to the space of its principal and outlives process and kernel; a fork sees its origin's notes as they
 * were and adds its own. Recall gathers candidates widely: notes that hold words of the query (the store's full text),
 * notes near to it in meaning (the store's vectors, where the kernel has an embedder), the notes beside those in their
 * session, what facts and summaries among them were drawn from, and what they are linked with. `rankNotes` (recall.ts)
 * orders them and says why each came. The empty query finds all notes, the newest first.
 *
 * Invariants
 *   N1. Nobody recalls, changes or forgets a note of another principal.
 *   N2. A note's `seq` is that of the event that first reported it (so `before` names one state of memory), also after
 *       another took its place.
 *   N3. A note is trusted no more than the least of its parents, and carries their labels and tools.
 *   N4. A filter holds for every note that comes back. What could match is looked for until all was seen, or
 *       `recallLooksMax` notes were: if none of these passed, it is an error and not an empty answer.
 */
import { provenanceOf } from './access.ts'
import type { Store } from './drivers.ts'
import { PolityError } from './errors.ts'
import type { Meaning } from './file-search.ts'
import type { Journal } from './journal.ts'
import type { Limits } from './limits.ts'
import { union } from './lists.ts'
import type { NoteReader } from './note-reader.ts'
import { createNoteVersions, goneOf } from './note-versions.ts'
import type { CheckedNote, NoteVersion, Recall } from './note.ts'
import { idOf, isNoteId, leastTrust, matches, meaningOf, noteOf, saysTheSame, seqOf } from './note.ts'
import type { Process } from './process.ts'
import { labelsOf } from './process.ts'
import type { CandidatesOptions } from './candidates.ts'
import { candidatesOf } from './candidates.ts'
import type { RecallGuard } from './recall-guard.ts'
import { createWriteRate, guardRecall } from './recall-guard.ts'
import { rankNotes } from './recall.ts'
import type { RevocableNote, RevokeOptions } from './revoke.ts'
import { revocable } from './revoke.ts'
import type { Space } from './spaces.ts'
import { FORK, PRINCIPAL } from './spaces.ts'
import type { Note, Pid, RecalledNote } from './types.ts'
import type { Vectors } from './vectors.ts'

/** Notes of principals, with their search. */
export interface Memory {
  /** Makes the note, or puts it in the place of the one that it names; returns its id. Throws `NO_SUCH_NOTE`. */
  remember(process: Process, note: CheckedNote, vector?: Float32Array): string
  recall(process: Process, recall: Recall, vector?: Float32Array): readonly RecalledNote[]
  /**
   * Asks for vectors of notes that should have one and do not, at most so many, and gives them what comes. `isUp` tells in
   * the end whether the embedder answered: a text that has no vector then has none at all.
   */
  fillIn(process: Process, meaning: Meaning, most: number, isUp: Promise<boolean>): Promise<void>
  forget(process: Process, id: string): null
  /** Undoes what those that `isOwn` names remembered and forgot from that event on. */
  rollBack(process: Process, before: number, isOwn: (pid: Pid) => boolean): void
  /** Removes versions of a principal's notes that ended before that event: no journal of it leads back there any more. */
  collect(principal: string, before: number): void
  /** Removes the notes of a fork whose journal is gone. */
  dropBranch(pid: Pid): void
  /** Takes all notes that come from a source from everybody, or from one principal; returns what they were (revoke.ts). */
  revokeSource(source: string, options: RevokeOptions): readonly RevocableNote[]
}

/** Where notes are kept. */
export interface MemoryOptions {
  readonly store: Store
  readonly journal: Journal
  readonly limits: Limits
  readonly now: () => number
  /** @default none: recall is by words */
  readonly vectors?: Vectors | undefined
  /** What stands against poisoned notes; false: nothing. @default `{}`, the guard as it is */
  readonly guard?: RecallGuard | false | undefined
}

/** The memory of a kernel. */
export function createMemory({ store, journal, limits, now, vectors, guard = {} }: MemoryOptions): Memory {
  const versions = createNoteVersions({ store, journal, limits })
  /** The last note of sessions that go on, by space and session. */
  const lastOf = new Map<string, number>()
  const rate = guard !== false && guard.writeRate !== undefined ? createWriteRate(guard.writeRate) : undefined

  function remember(process: Process, { id, ...note }: CheckedNote, vector?: Float32Array): string {
    const space = process.notes
    const seq = id === undefined ? journal.lastSeq + 1 : seqOf(id)
    const earlier = id === undefined ? undefined : versions.latest(space, seq)
    if (id !== undefined && earlier === undefined) throw noSuchNote(id)
    const origins = originsOf(space, note.parents ?? [], earlier)
    const { trust, tools } = provenanceOf(process, note.text)
    // Who gives a note back with its own text says nothing new: it stays as trusted as it was.
    const own = earlier?.text === note.text ? (earlier.trust ?? 'untrusted') : trust
    const least = origins.reduce((one, origin) => leastTrust(one, origin.trust ?? 'untrusted'), own)
    const kept = earlier?.text === note.text ? (earlier.tools ?? []) : []
    const added = earlier !== undefined && saysTheSame(earlier, note) ? [] : tools
    const from = union(kept, added, ...origins.map((one) => one.tools ?? []))
    const writer = { trust: least, source: note.source ?? null, tools: from, pid: process.pid }
    if (rate?.admit(writer, now()) === false)
      throw new PolityError('LIMIT_EXCEEDED', `too many notes of one source within the time that the guard gives it`)
    const keptLabels = earlier?.text === note.text ? (earlier.labels ?? []) : []
    const labels = union(labelsOf(process) ?? [], keptLabels, ...origins.map((one) => one.labels ?? []))
    const previous = earlier?.session === note.session ? earlier?.previous : follow(space, note, seq)
    const made: NoteVersion = {
      ...note,
      seq,
      pid: process.pid,
      at: now(),
      ...(previous === undefined ? {} : { previous }),
      ...(labels.length === 0 ? {} : { labels }),
      tools: from,
      trust: least,
    }
    versions.change(space, made, { vector })
    if (vector === undefined && vectors !== undefined) versions.markBare(space, { ...made, from: journal.lastSeq + 1 })
    return idOf(seq)
  }

  /** The note before it in its session, after which it comes now. */
  function follow(space: Space, { session, kind = 'note' }: CheckedNote, seq: number): number | undefined {
    if (session === undefined || kind !== 'note') return undefined
    const name = `${space.id}\0${session}`
    const previous = lastOf.get(name) ?? lastIn(space, session, seq)
    // A note that moves to a session takes its place there by its id, as the list of the session does.
    if (previous !== undefined && previous >= seq) return lastIn(space, session, seq)
    lastOf.delete(name)
    if (lastOf.size >= SESSIONS_MAX) lastOf.delete(lastOf.keys().next().value as string)
    lastOf.set(name, seq)
    return previous
  }

  function lastIn(space: Space, session: string, seq: number): number | undefined {
    for (const before of versions.beside(space, session, seq, 'before')) {
      const note = noteAt(versions, space, before)
      if (note?.session === session && note.kind === 'note') return before
    }
    return undefined
  }

  /**
   * What a note was drawn from, also where that was forgotten since. A parent of which nothing is left is taken at the word
   * of the note that had it and whose place is taken.
   */
  function originsOf(
    space: Space,
    parents: readonly string[],
    earlier: NoteVersion | undefined,
  ): readonly NoteVersion[] {
    return parents.map((id) => {
      const found = versions.lastText(space, seqOf(id))
      if (found !== undefined) return found
      if (earlier?.parents?.includes(id) === true) return earlier
      throw new PolityError('NO_SUCH_NOTE', `there is no note "${id}" in this memory that it could be drawn from`)
    })
  }

  function recall(process: Process, asked: Recall, vector?: Float32Array): readonly RecalledNote[] {
    return recallNotes({ notes: versions, store, space: process.notes, asked, vector, guard, now: now(), limits })
  }

  async function fillIn(process: Process, meaning: Meaning, most: number, isUp: Promise<boolean>): Promise<void> {
    const waiting: Promise<void>[] = []
    for (const [at, version] of versions.bare(process.notes, most)) {
      const made = meaning(meaningOf(version))
      if (made === undefined) break
      waiting.push(
        made.then(async (vector) => {
          if (vector === undefined && !(await isUp)) return
          if (journal.halted !== undefined) return
          if (vector === undefined) versions.unmarkBare(at, version)
          else versions.addVector(at, version, vector)
        }),
      )
    }
    await Promise.all(waiting)
    // The search finds what is kept.
    if (waiting.length > 0) await journal.flush()
  }

  function forget(process: Process, id: string): null {
    const found = isNoteId(id) ? versions.latest(process.notes, seqOf(id)) : undefined
    if (found === undefined) throw noSuchNote(id)
    versions.change(process.notes, goneOf(found, process.pid))
    if (found.session !== undefined) lastOf.delete(`${process.notes.id}\0${found.session}`)
    return null
  }

  function rollBack(process: Process, before: number, isOwn: (pid: Pid) => boolean): void {
    const space = process.notes
    lastOf.clear()
    const again = versions.undo(space, before, isOwn, process.pid)
    if (vectors === undefined) return
    // What stands again is found by its words at once, and by its meaning when it has its vector again.
    for (const version of again) {
      versions.markBare(space, version)
      void vectors.of(meaningOf(version)).then((vector) => {
        if (vector !== undefined && journal.halted === undefined) versions.addVector(space, version, vector)
      })
    }
  }

  function revokeSource(source: string, options: RevokeOptions): readonly RevocableNote[] {
    const found = [...revocable(store, source, options)]
    for (const { space, seq, since } of found) versions.revoke(space, seq, since)
    lastOf.clear()
    return found
  }

  return {
    remember,
    recall,
    fillIn,
    forget,
    rollBack,
    collect: (principal, before) => void versions.collect(`${PRINCIPAL}${principal}`, before, COLLECTED_MAX),
    dropBranch: (pid) => versions.drop(`${FORK}${pid}`),
    revokeSource,
  }
}

/** Versions that go at once; what is left goes with the next journals. */
const COLLECTED_MAX = 10_000
/** Sessions of which the last note is known without a look. */
const SESSIONS_MAX = 10_000

/** What is asked of which notes, and how. */
export interface RecallNotesOptions extends Omit<CandidatesOptions, 'looksMax'> {
  readonly guard: RecallGuard | false
  /** ms since 1970, for "yesterday" in a query. */
  readonly now: number
  readonly limits: Limits
}

/** The notes that answer, best first; without a query those that are asked for, in the order of the ids or the newest first. */
export function recallNotes({ guard, now, limits, ...options }: RecallNotesOptions): readonly RecalledNote[] {
  const { asked, notes, space } = options
  const { query, limit } = asked
  if (query === '') return page(listed(notes, space, asked, limits), asked, limits)
  const { candidates, isCut } = candidatesOf({ ...options, looksMax: limits.recallLooksMax })
  if (candidates.length === 0 && isCut) throw lookedEnough(limits)
  // Who names notes, or asks for trusted ones only, chooses by itself.
  const isGuarded = guard !== false && asked.ids === undefined && (asked.trust ?? 'untrusted') === 'untrusted'
  const ranked = rankNotes(query, candidates, { limit: isGuarded ? candidates.length : limit, now })
  const shown = isGuarded ? guardRecall(query, ranked, { ...guard, limit }).notes : ranked
  return page(
    shown.map(({ note, score, why }) => ({ ...note, score, why: why() })),
    asked,
    limits,
  )
}

function* listed(notes: NoteReader, space: Space, asked: Recall, limits: Limits): Generator<RecalledNote> {
  const { ids, before } = asked
  const seqs = ids?.map(seqOf) ?? notes.newestFirst(space, asked, before === undefined ? undefined : seqOf(before))
  let looks = 0
  let isEmpty = true
  for (const seq of seqs) {
    if (looks++ === limits.recallLooksMax) {
      if (isEmpty) throw lookedEnough(limits, idOf(seq + 1))
      return
    }
    const note = noteAt(notes, space, seq)
    if (note === undefined || !matches(note, asked)) continue
    isEmpty = false
    yield { ...note, score: 0, why: [] }
  }
}

/** Many long notes are several pages: the value of a call has an end, and this leaves room in it. */
function page(notes: Iterable<RecalledNote>, { limit }: Recall, { valueBytesMax }: Limits): readonly RecalledNote[] {
  const shown: RecalledNote[] = []
  let bytes = 0
  for (const note of notes) {
    bytes += Buffer.byteLength(JSON.stringify(note))
    if (shown.length > 0 && bytes > valueBytesMax / 2) break
    if (shown.push(note) === limit) break
  }
  return shown
}

/** That there is nothing is said only where all that could match was looked at. `before`: where it goes on. */
function lookedEnough({ recallLooksMax }: Limits, before?: string): PolityError {
  const goOn = before === undefined ? 'ask without a query and page by page' : `go on with { before: '${before}' }`
  return new PolityError(
    'LIMIT_EXCEEDED',
    `recall: none of ${recallLooksMax} notes passes these filters, and others were not looked at (the limit recallLooksMax); ${goOn}, or filter by tag, session, source or kind`,
    before === undefined ? {} : { detail: { before } },
  )
}

function noSuchNote(id: string): PolityError {
  return new PolityError('NO_SUCH_NOTE', `there is no note "${id}" in this memory`)
}

/** What stands there for the branch, as a note. */
export function noteAt(notes: NoteReader, space: Space, seq: number): Note | undefined {
  const seen = notes.see(space, seq)
  return seen === undefined ? undefined : noteOf(seen.version)
}
