/**
 * Candidates of a recall: which notes may answer, gathered widely, before the ranking says which do.
 *
 *     const { candidates, isCut } = candidatesOf({ notes, store, space: process.notes, asked, vector, looksMax: 20_000 })
 *
 * Notes that hold words of the query, by the store's full text; notes near to it in meaning, by the store's vectors; and
 * from the best of those on: the notes beside them in their session, what they were drawn from, what was drawn from them,
 * and what they are linked with.
 *
 * Invariants
 *   CA1. A candidate is what stands there for the branch that asks, and what its filters let through.
 *   CA2. Where filters leave too little of a search, and an index that they name holds few notes, all of these are searched.
 *        Else the search is made wider, until nothing is left to be found or `looksMax` notes were looked at.
 */
import type { Store } from './drivers.ts'
import type { NoteReader } from './note-reader.ts'
import type { NoteVersion, Recall } from './note.ts'
import { idOf, matches, noteOf, seqOf } from './note.ts'
import type { Space } from './spaces.ts'
import type { Candidate } from './recall.ts'
import { searchWords } from './query.ts'
import type { Note } from './types.ts'

/** What is asked of which notes. */
export interface CandidatesOptions {
  readonly notes: NoteReader
  readonly store: Pick<Store, 'search' | 'nearest'>
  readonly space: Space
  readonly asked: Recall
  /** What the query means, where that is known. */
  readonly vector: Float32Array | undefined
  /** Notes that are looked at for the filters; beyond, what was found so far is all. */
  readonly looksMax: number
}

/** Candidates that each search gives, where there are so many: what is further down rarely answers. */
const FOUND_MIN = 400
/** How many times as many candidates as notes are asked for. */
const FOUND_SHARE = 4
/** How much wider a search is made where filters left too little of the last one. */
const WIDENING = 4
/** Notes of an index that are all searched, by their keys. */
const INDEXED_MAX = 4_096
/** Of each search, the best ones from which others are looked for. */
const NEAR_FROM = 100
/** Notes on each side in a session. */
const BESIDE = 2
/** Entries of a session that are read at once. */
const SESSION_READ_MAX = 256
/** Notes drawn from one note. */
const DRAWN_MAX = 8
/** Parents and links that one note leads to, and all of them together. */
const LEADS_MAX = 8
const LEADS_ALL_MAX = 400

type Growing = { -readonly [Key in keyof Candidate]: Candidate[Key] }

/** The notes that may answer, in no order. */
export interface Candidates {
  readonly candidates: readonly Candidate[]
  /** `looksMax` notes were looked at, and others that may answer were not. */
  readonly isCut: boolean
}

/** Gathers them. */
export function candidatesOf({ notes, store, space, asked, vector, looksMax }: CandidatesOptions): Candidates {
  const { query, limit, ids } = asked
  const wanted = Math.max(limit * FOUND_SHARE, FOUND_MIN)
  const prefixes =
    ids === undefined ? notes.prefixes(space) : ids.flatMap((id) => notes.see(space, seqOf(id))?.key ?? [])
  const found = new Map<number, Growing>()
  /** Each note is read once; undefined where there is none for this branch. */
  const read = new Map<
    number,
    { readonly key: string; readonly version: NoteVersion; readonly note: Note } | undefined
  >()

  function look(seq: number): { readonly key: string; readonly version: NoteVersion; readonly note: Note } | undefined {
    if (read.has(seq)) return read.get(seq)
    const seen = notes.see(space, seq)
    const note = seen === undefined ? undefined : { ...seen, note: noteOf(seen.version) }
    read.set(seq, note)
    return note
  }

  function add(seq: number): Growing | undefined {
    const known = found.get(seq)
    if (known !== undefined) return known
    const seen = look(seq)
    if (seen === undefined || !matches(seen.note, asked)) return undefined
    const { previous } = seen.version
    const candidate: Growing =
      previous === undefined ? { note: seen.note } : { note: seen.note, previous: idOf(previous) }
    found.set(seq, candidate)
    return candidate
  }

  let keys: readonly string[] | undefined
  /** Of all notes that can match, where an index says that they are few. */
  function fewKeys(): readonly string[] | undefined {
    if (keys !== undefined || ids !== undefined) return keys
    keys = notes.few(space, asked, INDEXED_MAX)?.flatMap((seq) => {
      const seen = look(seq)
      return seen !== undefined && matches(seen.note, asked) ? [seen.key] : []
    })
    return keys
  }

  /** Nothing was left out for `looksMax`. */
  let isEnough = true

  /** The best that it found, best first. */
  function gather(
    by: 'lexical' | 'vector',
    search: (under: readonly string[], width: number) => readonly { readonly key: string; readonly score: number }[],
  ): readonly Candidate[] {
    const best: Candidate[] = []
    const done = new Set<string>()
    let under = prefixes
    for (let width = wanted, count = 0; ;) {
      const hits = search(under, width)
      let isCut = false
      for (const { key, score } of hits) {
        if (done.has(key)) continue
        done.add(key)
        const seq = notes.seqIn(key)
        isCut = read.size >= looksMax && !read.has(seq)
        if (isCut) break
        // Words of a version that this branch does not see.
        if (look(seq)?.key !== key) continue
        const candidate = add(seq)
        if (candidate === undefined) continue
        candidate[by] = score
        if (best.length < NEAR_FROM) best.push(candidate)
        if (++count === wanted) return best
      }
      if (hits.length < width && !isCut) return best
      const few = under === prefixes ? fewKeys() : undefined
      if (few !== undefined) under = few
      else if (under === prefixes && read.size >= looksMax) {
        isEnough = false
        return best
      } else width *= WIDENING
    }
  }

  /** The note of a place in a session, if it is one that neighbours go by. */
  function inSession(seq: number, session: string): boolean {
    const note = look(seq)?.note
    return note?.session === session && note.kind === 'note'
  }

  /** As far as each note knows the one before it, no index is read. */
  function addBefore(seq: number, session: string): void {
    let from = seq
    for (let count = 0; count < BESIDE; count++) {
      const previous = look(from)?.version.previous
      if (previous === undefined) return
      if (inSession(previous, session)) from = previous
      else {
        const next = nextIn(from, session, 'before')
        if (next === undefined) return
        from = next
      }
      add(from)
    }
  }

  function nextIn(from: number, session: string, direction: 'before' | 'after'): number | undefined {
    for (const seq of notes.beside(space, session, from, direction)) if (inSession(seq, session)) return seq
    return undefined
  }

  /** The index of a session is read once for all that was found in it, where they are not far apart. */
  function addAfter(found: readonly number[], session: string): void {
    const from = found.toSorted((a, b) => a - b)
    const reached = new Set([from[0] as number])
    const last = from.at(-1) as number
    let open = BESIDE
    for (const seq of notes.beside(space, session, from[0] as number, 'after', SESSION_READ_MAX)) {
      const isNear = from.includes(seq)
      if (isNear) reached.add(seq)
      if (open > 0 && (isNear || inSession(seq, session))) {
        add(seq)
        open--
      }
      if (isNear) open = BESIDE
      if (seq >= last && open === 0) break
    }
    for (const seq of from) {
      if (reached.has(seq)) continue
      let next: number | undefined = seq
      for (let count = 0; count < BESIDE && next !== undefined; count++) {
        next = nextIn(next, session, 'after')
        if (next !== undefined) add(next)
      }
    }
  }

  function addDrawnFrom({ id }: Note): void {
    let count = 0
    for (const { seq } of notes.drawnFrom(space, seqOf(id))) {
      if (look(seq)?.note.parents.includes(id) !== true) continue
      add(seq)
      if (++count === DRAWN_MAX) return
    }
  }

  const words = searchWords(query)
  const near = new Set<Candidate>()
  if (words.length > 0)
    for (const one of gather('lexical', (under, width) => store.search('note', under, words, width))) near.add(one)
  if (vector !== undefined)
    for (const one of gather('vector', (under, width) => store.nearest('note', under, vector, width))) near.add(one)
  const sessions = new Map<string, number[]>()
  const hasDrawn = notes.hasDrawn(space)
  let leads = 0
  for (const { note } of near) {
    for (const id of [...note.parents.slice(0, LEADS_MAX), ...note.links.slice(0, LEADS_MAX)])
      if (leads++ < LEADS_ALL_MAX) add(seqOf(id))
    if (hasDrawn) addDrawnFrom(note)
    const { session, kind, id } = note
    if (session === null || kind !== 'note') continue
    const others = sessions.get(session)
    if (others === undefined) sessions.set(session, [seqOf(id)])
    else others.push(seqOf(id))
  }
  for (const [session, seqs] of sessions) {
    for (const seq of seqs) addBefore(seq, session)
    addAfter(seqs, session)
  }
  return { candidates: [...found.values()], isCut: !isEnough }
}
