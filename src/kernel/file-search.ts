/**
 * Search in files: passages by their words, and by their meaning where the kernel has an embedder.
 *
 *     const search = createFileSearch({ store, tree, journal, vectors })
 *     runThrough(search.find(view, 'notes/', 'when was the budget agreed', 10), turns)
 *
 * A search first takes up what was written since the last one, so a write pays nothing for it and the first search in a
 * space pays for all of it. Text files are cut into passages of whole lines, which lie in the table `file` with their words
 * and vectors. Passages without a vector have a mark (`bare`) until one is there: a search asks for those of some below its
 * prefix, so a long text has its meaning only after several, and none is lost by an outage. Both searches are fused by reciprocal ranks (Cormack et al. 2009, "Reciprocal rank fusion").
 *
 * Invariants
 *   FX1. A passage is found only as long as its process sees the very version that it was cut from.
 *   FX2. A branch takes up only what it has otherwise than its base.
 *   FX3. One search asks for the vectors of at most `BARE_A_SEARCH` passages, `BARE_AT_ONCE` at a time, and is not charged for more.
 */
import type { Store } from './drivers.ts'
import type { Listed, Stops } from './file-list.ts'
import { entryOf, textIn } from './file-list.ts'
import type { FileTree } from './file-tree.ts'
import { newestKey } from './file-tree.ts'
import type { Journal } from './journal.ts'
import { QUERY_WORDS_MAX } from './query.ts'
import { fuseRanks } from './rank-fusion.ts'
import type { View } from './shares.ts'
import type { Space } from './spaces.ts'
import type { FileEntry } from './types.ts'
import { wordsIn } from './words.ts'

/** Passages of files, found again. */
export interface FileSearch {
  find(view: View, prefix: string, query: string, limit: number, meaning?: Meaning): Stops<Listed>
}

/** The vector of a text for whoever searches: a promise of it, of nothing where none came, or nothing where none may be asked for. */
export type Meaning = (text: string) => Promise<Float32Array | undefined> | undefined

/** The files, and where their passages are kept: in the same store, or beside it where that is only read. */
export interface FileSearchOptions {
  readonly store: Pick<Store, 'get' | 'range' | 'search' | 'nearest'>
  readonly tree: FileTree
  readonly journal: Pick<Journal, 'putAlone' | 'flush'>
}

/** A part of a text: whole lines, numbered from 1; or of a very long line a piece. */
export interface Passage {
  readonly line: number
  readonly endLine: number
  readonly text: string
}

interface KeptPassage extends Omit<Passage, 'text'> {
  readonly path: string
  readonly version: number
  /** Number of the passage in its file. */
  readonly n: number
}

/** Characters at which a passage ends with its paragraph, and at which it ends wherever it is. */
const PASSAGE_CHARS = 800
const PASSAGE_CHARS_MAX = 1_600
/** Passages of one file in a result. */
const PASSAGES_A_FILE = 3
/** More passages are asked for than files are wanted, since several can be of one file, and some of older versions. */
const SEARCH_WIDTH = 8
const SEARCH_WIDTH_MAX = 10_000
/** Of reciprocal rank fusion: the paper's, for places from 0. */
const RANK_CONSTANT = 61
/** Passages that are put before they are written. */
const PUTS_A_STEP = 256
/** Passages that one search asks for the vectors of, and those that it asks for together: some seconds of an embedder. */
const BARE_A_SEARCH = 256
const BARE_AT_ONCE = 64

/** Search in the files of a store. */
export function createFileSearch({ store, tree, journal }: FileSearchOptions): FileSearch {
  /** Spaces in which a search is at work, until it is over. */
  const busy = new Map<string, Promise<void>>()

  /** One at a time in a space: two would write over each other's passages. */
  function* alone<Result>({ id }: Space, work: Stops<Result>): Stops<Result> {
    for (let other = busy.get(id); other !== undefined; other = busy.get(id)) yield other
    let over = (): void => {}
    busy.set(
      id,
      new Promise((resolve) => {
        over = resolve
      }),
    )
    try {
      return yield* work
    } finally {
      busy.delete(id)
      over()
    }
  }

  /** Takes up what the space sees otherwise than at the last time. */
  function* takeUp(space: Space, hasMeaning: boolean): Stops<void> {
    const key = `passages-of ${space.id}`
    const from = Number(store.get('file', key) ?? space.base?.before ?? 0)
    const paths = new Set<string>()
    let until = from
    // What its base wrote after it branched off, it sees as it was before.
    for (const one of space.base === undefined ? [space] : [space, space.base.space])
      for (const { seq, path } of tree.changes(one, from)) {
        until = Math.max(until, seq + 1)
        paths.add(path)
      }
    if (paths.size === 0) return
    let puts = 0
    for (const path of paths) {
      puts += takeUpFile(space, path, hasMeaning)
      if (puts < PUTS_A_STEP) continue
      puts = 0
      yield journal.flush()
    }
    journal.putAlone({ table: 'file', key, value: String(until) })
    yield journal.flush()
  }

  function takeUpFile(space: Space, path: string, hasMeaning: boolean): number {
    const begin = passageKey(space, path)
    const old = [...store.range('file', begin, `${begin}~`)].map(([key]) => key)
    const version = tree.newest(space, path)
    const text = version === undefined || version.hash === null ? undefined : textIn(tree.content(version.hash, path))
    let n = 0
    if (version !== undefined && text !== undefined) {
      for (const { line, endLine, text: part } of cutPassages(text)) {
        const key = passageKey(space, path, n)
        const kept: KeptPassage = { path, version: version.version, n, line, endLine }
        journal.putAlone({ table: 'file', key, value: JSON.stringify(kept), text: `${path}\n${part}` })
        if (hasMeaning) journal.putAlone({ table: 'file', key: bareKey(key), value: '' })
        n++
      }
    }
    for (const key of old.slice(n)) journal.putAlone({ table: 'file', key, value: null })
    return n + old.length + 1
  }

  /** Gives vectors to passages that have none, until so many were asked for or none comes. Returns for how many it asked. */
  function* fillIn(space: Space, prefix: string, meaning: Meaning, most: number): Stops<number> {
    const begin = bareKey(`passage ${space.id}\0${prefix}`)
    let asked = 0
    for (let from = begin; asked < most;) {
      const marks: string[] = []
      for (const [mark] of store.range('file', from, `${begin}\u{10ffff}`, {
        limit: Math.min(BARE_AT_ONCE, most - asked),
      }))
        marks.push(mark)
      if (marks.length === 0) break
      from = `${marks.at(-1) as string}\0`
      let isOut = false
      let came = 0
      const waiting: Promise<void>[] = []
      for (const mark of marks) {
        const key = mark.replace('bare ', 'passage ')
        const value = store.get('file', key)
        const text = value === undefined ? undefined : textOfPassage(space, JSON.parse(value as string) as KeptPassage)
        if (value === undefined || text === undefined) {
          journal.putAlone({ table: 'file', key: mark, value: null })
          continue
        }
        const made = meaning(text)
        if (made === undefined) {
          isOut = true
          break
        }
        asked++
        waiting.push(
          made.then((vector) => {
            if (vector === undefined) return
            came++
            journal.putAlone({ table: 'file', key, value, text, vector })
            journal.putAlone({ table: 'file', key: mark, value: null })
          }),
        )
      }
      if (waiting.length > 0) yield Promise.all(waiting)
      yield journal.flush()
      if (isOut || (waiting.length > 0 && came === 0)) break
    }
    return asked
  }

  function textOfPassage(space: Space, { path, version, n }: KeptPassage): string | undefined {
    const newest = tree.newest(space, path)
    if (newest === undefined || newest.hash === null || newest.version !== version) return undefined
    const text = textIn(tree.content(newest.hash, path))
    const passage = text === undefined ? undefined : nth(cutPassages(text), n)
    return passage === undefined ? undefined : `${path}\n${passage.text}`
  }

  function* find(view: View, prefix: string, query: string, limit: number, meaning?: Meaning): Stops<Listed> {
    const spaces: Space[] = []
    for (let at: Space | undefined = view.space; at !== undefined; at = at.base?.space) spaces.unshift(at)
    for (const space of spaces) yield* alone(space, takeUp(space, meaning !== undefined))
    const words = queryWords(query)
    let vector: Float32Array | undefined
    const asked = meaning?.(query)
    if (asked !== undefined) yield asked.then((made) => void (vector = made))
    // Where the question itself has no vector, those of passages serve nobody.
    if (vector !== undefined && meaning !== undefined)
      for (let left = BARE_A_SEARCH, at = spaces.length; left > 0 && at-- > 0;) {
        const space = spaces[at] as Space
        left -= yield* alone(space, fillIn(space, prefix, meaning, left))
      }
    const prefixes: string[] = []
    for (let at: Space | undefined = view.space; at !== undefined; at = at.base?.space)
      prefixes.push(`passage ${at.id}\0${prefix}`)
    for (let width = limit * SEARCH_WIDTH; ; width *= SEARCH_WIDTH) {
      const lexical = words.length === 0 ? [] : store.search('file', prefixes, words, width)
      const near = vector === undefined ? [] : store.nearest('file', prefixes, vector, width)
      const listed = together(view, [lexical, near], limit)
      const isAll = lexical.length < width && near.length < width
      if (listed.entries.length === limit || isAll || width >= SEARCH_WIDTH_MAX) return listed
      yield undefined
    }
  }

  function together(view: View, lists: readonly (readonly { readonly key: string }[])[], limit: number): Listed {
    const fused = fuseRanks(
      lists.map((hits) => hits.map(({ key }) => key)),
      RANK_CONSTANT,
    )
    const files = new Map<string, { entry: FileEntry; text: string; passages: Passage[] }>()
    const labels = new Set<string>()
    for (const [key, score] of fused.toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))) {
      const value = store.get('file', key)
      if (value === undefined) continue
      const { path, version, n, line, endLine } = JSON.parse(value as string) as KeptPassage
      let file = files.get(path)
      if (file === undefined) {
        if (files.size === limit || (view.shows ?? view.share?.shows)?.(path) === false) continue
        const newest = tree.newest(view.space, path)
        if (newest === undefined || newest.hash === null || newest.version !== version) continue
        const text = textIn(tree.content(newest.hash, path))
        if (text === undefined) continue
        file = { entry: { ...entryOf(view, path, newest), score }, text, passages: [] }
        files.set(path, file)
        for (const label of newest.labels ?? []) labels.add(label)
      }
      if (file.passages.length === PASSAGES_A_FILE || file.entry.version !== version) continue
      const passage = nth(cutPassages(file.text), n)
      if (
        passage?.line === line &&
        passage.endLine === endLine &&
        !file.passages.some((one) => one.text === passage.text)
      )
        file.passages.push(passage)
    }
    return { entries: [...files.values()].map(({ entry, passages }) => ({ ...entry, passages })), labels: [...labels] }
  }

  return { find }
}

/** All words: in names and numbers of files, also one that says little is part of them. */
export function queryWords(query: string): readonly string[] {
  return [...new Set(wordsIn(query))].slice(0, QUERY_WORDS_MAX)
}

function passageKey(space: Space, path: string, n?: number): string {
  return `passage ${newestKey(space, path).slice('newest '.length)}\0${n === undefined ? '' : String(n).padStart(8, '0')}`
}

/** The mark of a passage that has no vector. */
function bareKey(passage: string): string {
  return passage.replace('passage ', 'bare ')
}

function nth<T>(items: Iterable<T>, n: number): T | undefined {
  let at = 0
  for (const item of items) if (at++ === n) return item
  return undefined
}

/** A text in passages: lines together until a paragraph ends and they are long enough; very long lines in pieces. */
export function* cutPassages(text: string): Generator<Passage> {
  let open = ''
  let first = 1
  let last = 1
  let line = 0
  for (const whole of linesOf(text)) {
    line++
    for (const piece of piecesOf(whole)) {
      if (open !== '' && open.length + piece.length > PASSAGE_CHARS_MAX) {
        yield { line: first, endLine: last, text: open.trimEnd() }
        open = ''
      }
      const isBlank = piece.trim() === ''
      if (open === '' && isBlank) continue
      if (open === '') first = line
      if (!isBlank) last = line
      open += `${piece}\n`
    }
    if (open.length < PASSAGE_CHARS || whole.trim() !== '') continue
    yield { line: first, endLine: last, text: open.trimEnd() }
    open = ''
  }
  if (open !== '') yield { line: first, endLine: last, text: open.trimEnd() }
}

function* linesOf(text: string): Generator<string> {
  for (let from = 0; from < text.length;) {
    const next = text.indexOf('\n', from)
    yield text.slice(from, next < 0 ? text.length : next).replace(/\r$/, '')
    from = next < 0 ? text.length : next + 1
  }
}

/** No character is cut in two. */
function* piecesOf(line: string): Generator<string> {
  let from = 0
  while (line.length - from > PASSAGE_CHARS_MAX) {
    const end = from + PASSAGE_CHARS_MAX
    const cut = (line.charCodeAt(end - 1) & 0xfc00) === 0xd800 ? end - 1 : end
    yield line.slice(from, cut)
    from = cut
  }
  yield line.slice(from)
}
