/**
 * Lists of files: which paths begin so, have a form, or hold a line; and every version of one.
 *
 *     const list = listFiles(tree, view, { prefix: 'notes/', grep: 'budget' }, limits)
 *     runThrough(list, { pause, isOpen })       // the result, or a promise of it where there is much to look at
 *
 * A list is a generator that stops now and then, so that whoever looks through a million paths lets others work.
 *
 * Invariants
 *   FL1. What a list reads beyond its result is bounded between two stops: paths, and bytes of contents.
 *   FL2. A result fits into the value of a call: a page ends before it is too large, and what is no page is an error.
 *   FL3. Patterns are matched in linear time; a literal one is looked for as it is.
 */
import { createAutomaton } from '../policy/automaton.ts'
import { parseRegex, searching } from '../policy/regex.ts'
import type { FileTree, Version } from './file-tree.ts'
import { LATEST } from './file-tree.ts'
import { PolityError, messageOf } from './errors.ts'
import type { Limits } from './limits.ts'
import { pathGlob, shownPath } from './paths.ts'
import type { View } from './shares.ts'
import type { FileEntry, ListOptions } from './types.ts'

/** What `list` is asked, checked; but for `search` (file-search.ts). */
export interface Listing extends Omit<ListOptions, 'search'> {
  readonly prefix: string
}

/** Files, with the labels of all that was looked at for it. */
export interface Listed {
  readonly entries: readonly FileEntry[]
  readonly labels: readonly string[]
}

/** Work that stops now and then, and goes on when what it names is over. */
export type Stops<Result> = Generator<Promise<unknown> | undefined, Result, undefined>

/** Paths that are looked at before others have a turn: some milliseconds. */
const PATHS_A_STEP = 2_048
/** Bytes of contents that are looked through before others have a turn: some milliseconds. */
const BYTES_A_STEP = 2_097_152
/** Lines of one file that `grep` returns, and characters of each. */
const LINES_MAX = 20
const LINE_CHARS_MAX = 400
/** A file with a NUL in its beginning is not text. */
const BINARY_LOOK_BYTES = 8_192
/** What an entry takes beside its texts, in characters. */
const ENTRY_CHARS = 120

/** The files that were asked for. Throws `INVALID_ARGUMENT`, `LIMIT_EXCEEDED`. */
export function* listFiles(tree: FileTree, view: View, listing: Listing, limits: Limits): Stops<Listed> {
  const { limit, after } = listing
  const isPage = limit !== undefined || after !== undefined
  const charsMax = limits.valueBytesMax / 2
  const most = limit ?? limits.listPathsMax
  const found: FileEntry[] = []
  const labels = new Set<string>()
  let chars = 0
  const looks = listing.versions === true ? versionsOf(tree, view, listing) : filesOf(tree, view, listing, labels)
  for (const [entry, version] of looks) {
    if (entry === undefined || version === undefined) {
      yield undefined
      continue
    }
    if (found.length === most && isPage) break
    chars += ENTRY_CHARS + entry.path.length
    for (const { text } of entry.lines ?? []) chars += text.length + ENTRY_CHARS / 2
    if (found.length > 0 && chars > charsMax && isPage) break
    if (found.length === most || chars > 2 * charsMax)
      throw new PolityError(
        'LIMIT_EXCEEDED',
        `more than ${found.length} files begin with "${listing.prefix}", as many as one list returns (listPathsMax is ${limits.listPathsMax}); name a longer prefix, or page with limit and after`,
      )
    found.push(entry)
    for (const label of version.labels ?? []) labels.add(label)
  }
  return { entries: found, labels: [...labels] }
}

/** An entry, or neither where others may have a turn. */
type Look = readonly [entry?: FileEntry, version?: Version]

function* versionsOf(tree: FileTree, view: View, { prefix: path, after }: Listing): Generator<Look> {
  const before = typeof after === 'number' ? after : LATEST
  for (const version of tree.versions(view.space, path, before)) yield [entryOf(view, path, version), version]
}

function* filesOf(tree: FileTree, view: View, listing: Listing, labels: Set<string>): Generator<Look> {
  const { glob, grep, removed = false, after } = listing
  const isMeant = glob === undefined ? () => true : pathGlob(glob)
  const linesIn = grep === undefined ? undefined : lineFinder(grep, listing)
  const shows = view.shows ?? view.share?.shows ?? (() => true)
  let paths = 0
  let bytes = 0
  const options = { after: typeof after === 'string' ? after : undefined }
  for (const [path, version] of tree.entries(view.space, beginning(listing, view), options)) {
    if (++paths % PATHS_A_STEP === 0 || bytes > BYTES_A_STEP) {
      bytes = 0
      yield []
    }
    if ((version.hash === null && !removed) || !shows(path) || !isMeant(path)) continue
    if (linesIn === undefined) {
      yield [entryOf(view, path, version), version]
      continue
    }
    if (version.hash === null) continue
    bytes += version.bytes
    const text = textIn(tree.content(version.hash, path))
    if (text === undefined) continue
    // That a file does not hold it tells something of it too.
    for (const label of version.labels ?? []) labels.add(label)
    const lines = linesIn(text)
    if (lines.length > 0) yield [{ ...entryOf(view, path, version), lines }, version]
  }
}

/** What all paths that are looked for begin with: the longest of prefix, share and the plain beginning of the glob. */
function beginning({ prefix, glob = '' }: Listing, view: View): string {
  const plain = /^[^*?{]*/.exec(glob)?.[0] ?? ''
  let longest = prefix
  for (const one of [plain, view.share?.path ?? '']) {
    if (one.length > longest.length && one.startsWith(longest)) longest = one
  }
  return longest
}

export function entryOf(view: View, path: string, { version, bytes, at, hash }: Version): FileEntry {
  const entry = { path: shownPath(path, view.share?.id), version, bytes, at }
  return hash === null ? { ...entry, removed: true } : entry
}

// --------------------------------------------------------------------------------------------------------------- texts

/** undefined for what is not text. */
export function textIn(content: string | Uint8Array): string | undefined {
  if (typeof content === 'string') return content.slice(0, BINARY_LOOK_BYTES).includes('\0') ? undefined : content
  return content.subarray(0, BINARY_LOOK_BYTES).includes(0) ? undefined : decoded(content)
}

/** undefined for what is not UTF-8: whoever wrote it meant no text, or not for us. */
export function decoded(content: string | Uint8Array): string | undefined {
  if (typeof content === 'string') return content
  try {
    return decoder.decode(content)
  } catch {
    return undefined
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

type FoundLine = { readonly line: number; readonly text: string }

function lineFinder(
  pattern: string,
  { regex = false, ignoreCase = false }: Pick<Listing, 'regex' | 'ignoreCase'>,
): (text: string) => readonly FoundLine[] {
  const needle = ignoreCase ? pattern.toLowerCase() : pattern
  const holds = regex ? regexOf(pattern) : (line: string) => (ignoreCase ? line.toLowerCase() : line).includes(needle)
  const mayHold = regex ? () => true : holds
  return (text) => {
    const lines: FoundLine[] = []
    if (!mayHold(text)) return lines
    for (let from = 0, line = 1; from <= text.length && lines.length < LINES_MAX; line++) {
      const next = text.indexOf('\n', from)
      const end = next < 0 ? text.length : next
      const found = text.slice(from, end).replace(/\r$/, '')
      if (holds(found)) lines.push({ line, text: found.slice(0, LINE_CHARS_MAX) })
      from = end + 1
    }
    return lines
  }
}

function regexOf(pattern: string): (line: string) => boolean {
  try {
    return createAutomaton(searching(parseRegex(pattern, 'grep')), 'grep').accepts
  } catch (error) {
    throw new PolityError('INVALID_ARGUMENT', `list: ${messageOf(error)}; expected a regular expression as in a law`, {
      cause: error,
    })
  }
}

/** Checks patterns before anything is looked at. Throws `INVALID_ARGUMENT`. */
export function checkPatterns({ glob, grep, regex, ignoreCase }: ListOptions): void {
  if (glob !== undefined) pathGlob(glob)
  if (grep === '') throw new PolityError('INVALID_ARGUMENT', 'list: grep takes a text that is not empty')
  if (grep !== undefined && regex === true) regexOf(grep)
  if (regex === true && ignoreCase === true)
    throw new PolityError('INVALID_ARGUMENT', 'list: ignoreCase is for plain texts; write both cases as in [aA]')
}

// -------------------------------------------------------------------------------------------------------------- turns

/** How others get a turn. */
export interface Turns {
  pause(): Promise<void>
  /** Whether anybody still waits for the result. */
  isOpen(): boolean
}

/** The result at once where the work never stops, else a promise. */
export function runThrough<Result>(work: Stops<Result>, turns: Turns): Result | Promise<Result> {
  const first = work.next()
  return first.done === true ? first.value : goOn(work, first.value, turns)
}

async function goOn<Result>(
  work: Stops<Result>,
  stop: Promise<unknown> | undefined,
  { pause, isOpen }: Turns,
): Promise<Result> {
  try {
    for (let until = stop; ;) {
      await (until ?? pause())
      if (!isOpen()) throw new PolityError('KILLED', 'nobody waits for it any more')
      const next = work.next()
      if (next.done === true) return next.value
      until = next.value
    }
  } finally {
    // Work that is given up lets go of what it holds.
    work.return(undefined as never)
  }
}
