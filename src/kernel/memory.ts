/**
 * Memory: what a principal's processes learned and keep, found again by its words.
 *
 * A note belongs to the space of its principal and outlives process and kernel; a fork sees its origin's notes as they
 * were and adds its own. Recall is lexical: full text with stemming, ranked by BM25 (the store's); the empty query finds
 * all notes, the newest first.
 *
 * Invariants
 *   N1. Nobody recalls, or forgets, a note of another principal.
 *   N2. A note's `seq` is that of the event that reported it (so `before` names one state of memory).
 */
import { provenanceOf } from './access.ts'
import type { Store } from './drivers.ts'
import { PolityError, invalid } from './errors.ts'
import type { Journal } from './journal.ts'
import type { Limits } from './limits.ts'
import { toPlain } from './plain.ts'
import type { Process, Space } from './process.ts'
import { labelsOf } from './process.ts'
import type { Note, NoteInput, RecalledNote } from './types.ts'

interface StoredNote {
  readonly text: string
  readonly tags: readonly string[]
  readonly source: string | null
  /** Who wrote it. */
  readonly pid: number
  readonly at: number
  readonly seq: number
  /** Of what its writer had learned. */
  readonly labels?: readonly string[]
  readonly tools?: readonly string[]
  readonly trust?: Note['trust']
  /** Set when it was forgotten, and by whom. */
  readonly forgottenSeq?: number
  readonly forgottenBy?: number
}

/** Notes of principals, with their search. */
export interface Memory {
  remember(process: Process, note: CheckedNote): string
  recall(process: Process, recall: Recall): readonly RecalledNote[]
  forget(process: Process, id: string): null
  /** Undoes what those that `isOwn` names remembered and forgot from that event on. */
  rollBack(space: Space, before: number, isOwn: (pid: number) => boolean): void
}

/** What `recall` is asked, checked. */
export interface Recall {
  readonly query: string
  readonly limit: number
  readonly tag: string | undefined
  /** Of the empty query: only notes older than this one. */
  readonly before: string | undefined
}

/** A note as `remember` takes it, checked. */
export interface CheckedNote {
  readonly text: string
  readonly tags: readonly string[]
  readonly source: string | null
}

/** Where notes are kept. */
export interface MemoryOptions {
  readonly store: Store
  readonly journal: Journal
  readonly limits: Limits
  readonly now: () => number
}

/** The memory of a kernel. */
export function createMemory({ store, journal, limits, now }: MemoryOptions): Memory {
  /** Notes that one answer without a query holds; a bit less than a value may have. */
  const pageBytes = limits.valueBytesMax / 2

  function put(key: string, note: StoredNote): void {
    journal.put({ table: 'note', key, value: JSON.stringify(note), text: [note.text, ...note.tags].join('\n') })
  }

  function remember(process: Process, { text, tags, source }: CheckedNote): string {
    const seq = journal.lastSeq + 1
    const id = `n${seq}`
    const labels = labelsOf(process)
    const note: StoredNote = {
      text,
      tags,
      source,
      pid: process.pid,
      at: now(),
      seq,
      ...(labels === undefined ? {} : { labels }),
      ...provenanceOf(process, text),
    }
    put(`${process.notes.id}\0${id}`, note)
    return id
  }

  /** The note as the space sees it: its own branch, then what was there before it branched off. */
  function visible(space: Space, id: string, before: number): { key: string; note: StoredNote } | undefined {
    const key = `${space.id}\0${id}`
    const value = store.get('note', key)
    if (value !== undefined) {
      const note = JSON.parse(value as string) as StoredNote
      const gone = note.seq >= before || (note.forgottenSeq !== undefined && note.forgottenSeq < before)
      return gone ? undefined : { key, note }
    }
    return space.base === undefined ? undefined : visible(space.base.space, id, Math.min(before, space.base.before))
  }

  function recall(process: Process, { query, limit, tag, before }: Recall): readonly RecalledNote[] {
    const prefixes: string[] = []
    for (let space: Space | undefined = process.notes; space !== undefined; space = space.base?.space)
      prefixes.push(`${space.id}\0`)
    if (query === '') return newest(process, prefixes, limit, tag, before === undefined ? LATEST : seqOf(before))
    const words = wordsOf(query)
    if (words.length === 0) return []
    // Forgotten notes, other branches' and other tags' are filtered after the search, so it asks for more than it needs,
    // and for more still where that was not enough.
    for (let width = limit * SEARCH_WIDTH + SEARCH_WIDTH; ; width *= SEARCH_WIDTH) {
      const hits = store.search('note', prefixes, words, width)
      const notes = keep(process, hits, limit, tag)
      if (notes.length === limit || hits.length < width || width > SEARCH_HITS_MAX) return notes
    }
  }

  function keep(
    process: Process,
    hits: readonly { readonly key: string; readonly score: number }[],
    limit: number,
    tag: string | undefined,
  ): readonly RecalledNote[] {
    const found: RecalledNote[] = []
    const seen = new Set<string>()
    for (const { key, score } of hits) {
      const id = key.slice(key.indexOf('\0') + 1)
      if (seen.has(id)) continue
      seen.add(id)
      const note = noteOf(process, id, tag, score)
      if (note !== undefined && found.push(note) === limit) break
    }
    return found
  }

  /** A note of which only the id is known, if the process sees it and it has the tag. */
  function noteOf(process: Process, id: string, wanted: string | undefined, score: number): RecalledNote | undefined {
    const note = visible(process.notes, id, LATEST)?.note
    if (note === undefined || (wanted !== undefined && !note.tags.includes(wanted))) return undefined
    const { text, tags, source, pid, at, labels = [], tools = [], trust = 'untrusted' } = note
    return { id, text, tags, source, pid, at, labels, tools, trust, score }
  }

  /** Without a search: all keys are gone through, and only the notes that are given are read. */
  function newest(
    process: Process,
    prefixes: readonly string[],
    limit: number,
    tag: string | undefined,
    before: number,
  ): readonly RecalledNote[] {
    const seqs = new Set<number>()
    for (const prefix of prefixes) {
      for (const [key] of store.range('note', prefix, `${prefix.slice(0, -1)}\u0001`)) {
        const seq = seqOf(key.slice(prefix.length))
        if (seq < before) seqs.add(seq)
      }
    }
    const found: RecalledNote[] = []
    let bytes = 0
    for (const seq of Array.from(seqs).sort((a, b) => b - a)) {
      const note = noteOf(process, `n${seq}`, tag, 0)
      if (note === undefined) continue
      // Many long notes are several pages: the value of a call has an end.
      bytes += Buffer.byteLength(JSON.stringify(note))
      if (found.length > 0 && bytes > pageBytes) break
      if (found.push(note) === limit) break
    }
    return found
  }

  function forget(process: Process, id: string): null {
    const found = visible(process.notes, id, LATEST)
    if (found === undefined) throw new PolityError('NO_SUCH_NOTE', `there is no note "${id}" in this memory`)
    // In a branch the origin's note stays as it is; the branch gets a forgotten copy in front of it.
    put(`${process.notes.id}\0${id}`, { ...found.note, forgottenSeq: journal.lastSeq + 1, forgottenBy: process.pid })
    return null
  }

  function rollBack(space: Space, before: number, isOwn: (pid: number) => boolean): void {
    for (const [key, value] of store.range('note', `${space.id}\0`, `${space.id}\u0001`)) {
      const { forgottenSeq, forgottenBy, ...note } = JSON.parse(value as string) as StoredNote
      if (forgottenSeq === undefined) {
        if (note.seq >= before && isOwn(note.pid))
          put(key, { ...note, forgottenSeq: journal.lastSeq + 1, forgottenBy: note.pid })
      } else if (forgottenSeq >= before && isOwn(forgottenBy ?? note.pid) && note.seq < before) put(key, note)
    }
  }

  return { remember, recall, forget, rollBack }
}

const LATEST = Number.MAX_SAFE_INTEGER

/** Of an id: the place in the journal of the event that reported the note. */
function seqOf(id: string): number {
  return Number(id.slice(1))
}

/** An id as `remember` gave it, or `INVALID_ARGUMENT`. */
export function checkNoteId(id: unknown): string {
  if (typeof id === 'string' && /^n\d{1,15}$/.test(id)) return id
  throw invalid('recall: before', 'the id of a note, such as "n17"', id)
}

/** Hits beyond which a recall takes what it has. */
const SEARCH_HITS_MAX = 10_000
/** How many more entries a search asks for than a recall returns. */
const SEARCH_WIDTH = 4
/** Words of a query beyond this add nothing to its meaning. */
const QUERY_WORDS_MAX = 64

/** The words of a query, lower case, without repetition. */
function wordsOf(query: string): string[] {
  const words = new Set<string>()
  for (const [word] of query
    .normalize('NFKC')
    .toLowerCase()
    .matchAll(/[\p{L}\p{N}]+/gu)) {
    words.add(word)
    if (words.size === QUERY_WORDS_MAX) break
  }
  return [...words]
}

/** A note as it was given, or `INVALID_ARGUMENT`. */
export function checkNote(note: unknown, limits: Limits): CheckedNote {
  const given = toPlain(note, 'a note', limits.valueBytesMax)
  for (const key of typeof given === 'object' && given !== null ? Object.keys(given) : []) {
    if (!NOTE_KEYS.has(key))
      throw new PolityError('INVALID_ARGUMENT', `a note takes ${[...NOTE_KEYS].join(', ')}, not ${key.slice(0, 80)}`)
  }
  const {
    text,
    tags = [],
    source = null,
  } = (typeof given === 'string' ? { text: given } : (given ?? {})) as Partial<NoteInput>
  if (typeof text !== 'string' || text.trim() === '')
    throw new PolityError('INVALID_ARGUMENT', 'a note takes a text that is not empty')
  if (!Array.isArray(tags) || tags.some((tag) => typeof tag !== 'string'))
    throw new PolityError('INVALID_ARGUMENT', 'a note’s tags are a list of texts')
  if (source !== null && typeof source !== 'string')
    throw new PolityError('INVALID_ARGUMENT', 'a note’s source is a text')
  const bytes = Buffer.byteLength(text)
  if (bytes > limits.noteBytesMax)
    throw new PolityError('TOO_LARGE', `the note has ${bytes} bytes; the limit noteBytesMax is ${limits.noteBytesMax}`)
  return { text, tags, source }
}

const NOTE_KEYS: ReadonlySet<string> = new Set(['text', 'tags', 'source'])
