/**
 * The shape of notes: how what a program gives is checked, how a note is kept, and which notes a recall asks for.
 *
 *     const checked = checkNote('the harbour freezes', limits)
 *     const asked = checkRecall('harbour', { kinds: ['fact'] }, limits)
 *     matches(note, asked)
 *
 * Pure: no store, no clock.
 *
 * Invariants
 *   NO1. What is checked has every field, so that nothing downstream asks whether one is there.
 *   NO2. A kept note leaves out what is as it would be by default; `noteOf` puts it back.
 */
import { PolityError, invalid } from './errors.ts'
import type { Limits } from './limits.ts'
import { toPlain } from './plain.ts'
import { createStamp } from './stamp.ts'
import type { Json, Note, NoteInput, NoteKind, Pid, RecallOptions, Trust } from './types.ts'

/** A note as `remember` takes it, checked. */
export interface CheckedNote extends Omit<NoteInput, 'tags' | 'source'> {
  readonly tags: readonly string[]
  readonly source: string | null
}

/** One version of a note, as it stands in the store. */
export interface NoteVersion extends Omit<CheckedNote, 'id'> {
  /** Of the id: the place in the journal of the event that first reported the note. */
  readonly seq: number
  /** Who wrote it. */
  readonly pid: Pid
  readonly at: number
  /** From which event on it is what the id stands for. @default seq */
  readonly from?: number
  /** Who made it that, where that is not who wrote it. @default pid */
  readonly by?: Pid
  /** Of what its writer had learned, and of its parents. */
  readonly labels?: readonly string[]
  readonly tools?: readonly string[]
  readonly trust?: Trust
  /** Of the note before it in its session, when it was made. */
  readonly previous?: number
  /** There is no such note from here on. */
  readonly gone?: 'forgotten' | 'revoked'
  /** Of a revoked one: since which event it came from the source. What was there from then on, nobody sees. */
  readonly revokedSince?: number
}

/** What `recall` is asked, checked. */
export interface Recall extends RecallOptions {
  readonly query: string
  readonly limit: number
}

/** From the most to the least. */
const TRUST: readonly Trust[] = ['request', 'trusted', 'untrusted']

/** The less trusted of two. */
export function leastTrust(a: Trust, b: Trust): Trust {
  return TRUST.indexOf(a) >= TRUST.indexOf(b) ? a : b
}

const notes = createStamp<Note>()

/** A note of the store as whoever recalls it sees it: the same one for the same version, not to be changed. */
export function noteOf(version: NoteVersion): Note {
  let note = notes.get(version)
  if (note === undefined) notes.set(version, (note = shown(version)))
  return note
}

function shown(version: NoteVersion): Note {
  const { seq, text, tags, source, pid, at, labels = [], tools = [], trust = 'untrusted' } = version
  const { kind = 'note', keywords = [], context = '', session = null } = version
  const { validFrom = at, validTo = null, parents = [], links = [], data = null } = version
  return {
    id: idOf(seq),
    text,
    tags,
    source,
    pid,
    at,
    labels,
    tools,
    trust,
    kind,
    keywords,
    context,
    session,
    validFrom,
    validTo,
    parents,
    links,
    data,
  }
}

/** What a note is found by: its text, and what was given to find it by. */
export function searchTextOf({ text, tags, keywords = [], context = '' }: CheckedNote): string {
  return [text, ...tags, ...keywords, context].filter((part) => part !== '').join('\n')
}

/** Whether two notes differ in nothing that somebody could have learned: the text, what it is found by, and its data. */
export function saysTheSame(a: CheckedNote | NoteVersion, b: CheckedNote | NoteVersion): boolean {
  return a.text === b.text && searchTextOf(a) === searchTextOf(b) && dataText(a.data) === dataText(b.data)
}

/** What its vector is made of. */
export function meaningOf({ text, keywords = [], context = '' }: CheckedNote): string {
  return [context, text, keywords.join(' ')].filter((part) => part !== '').join('\n')
}

export function idOf(seq: number): string {
  return `n${seq}`
}

/** Of an id: the place in the journal of the event that first reported the note. */
export function seqOf(id: string): number {
  return Number(id.slice(1))
}

/** Whether a note is one of those that are asked for; `limit`, `before` and the query are no business of this. */
export function matches(
  note: Note,
  { tag, kinds, ids, session, source, trust, validAt, learnedBefore }: RecallOptions,
): boolean {
  return (
    (tag === undefined || note.tags.includes(tag)) &&
    (kinds === undefined || kinds.includes(note.kind)) &&
    (ids === undefined || ids.includes(note.id)) &&
    (session === undefined || note.session === session) &&
    (source === undefined || note.source === source) &&
    (trust === undefined || TRUST.indexOf(note.trust) <= TRUST.indexOf(trust)) &&
    (validAt === undefined || (note.validFrom <= validAt && (note.validTo === null || validAt < note.validTo))) &&
    (learnedBefore === undefined || note.at < learnedBefore)
  )
}

// ------------------------------------------------------------------------------------------------------------ checking

/** A note as it was given, or `INVALID_ARGUMENT`, `TOO_LARGE`. */
export function checkNote(given: unknown, limits: Limits): CheckedNote {
  const plain = toPlain(given, 'a note', limits.valueBytesMax)
  const note = (typeof plain === 'string' ? { text: plain } : (plain ?? {})) as {
    readonly [Key in keyof NoteInput]?: Json
  }
  if (typeof note !== 'object' || Array.isArray(note)) throw invalid('remember', 'a text or a note', plain)
  for (const key of Object.keys(note)) {
    if (!NOTE_KEYS.has(key))
      throw new PolityError('INVALID_ARGUMENT', `a note takes ${[...NOTE_KEYS].join(', ')}, not ${key.slice(0, 80)}`)
  }
  const { text, tags = [], source = null, kind, keywords, context, session, data, id } = note
  const { validFrom, validTo, parents, links } = note
  if (typeof text !== 'string' || text.trim() === '')
    throw new PolityError('INVALID_ARGUMENT', 'a note takes a text that is not empty')
  if (source !== null) checkNoteSource(source)
  const checked: { -readonly [Key in keyof CheckedNote]: CheckedNote[Key] } = {
    text,
    tags: listOf('tags', tags, limits, isText, 'texts'),
    source: source as string | null,
  }
  if (kind !== undefined) checked.kind = kindOf('a note’s kind', kind)
  if (keywords !== undefined) checked.keywords = listOf('keywords', keywords, limits, isText, 'texts')
  if (context !== undefined) checked.context = textOf('context', context)
  // A note has null where there is none: what was recalled can be given back.
  if (session !== undefined && session !== null) {
    if (session === '') throw invalid('a note’s session', 'a text that is not empty', session)
    checked.session = textOf('session', session)
  }
  if (validFrom !== undefined) checked.validFrom = timeOf('a note’s validFrom', validFrom)
  if (validTo !== undefined && validTo !== null) checked.validTo = timeOf('a note’s validTo', validTo)
  if (typeof validFrom === 'number' && typeof validTo === 'number' && validTo < validFrom)
    throw invalid('a note’s validTo', 'a time that is not before its validFrom', validTo)
  if (parents !== undefined) checked.parents = listOf('parents', parents, limits, isNoteId, IDS)
  if (links !== undefined) checked.links = listOf('links', links, limits, isNoteId, IDS)
  if (data !== undefined && data !== null) checked.data = data
  if (id !== undefined) checked.id = checkNoteId('a note’s id', id)
  checkNoteSize(checked, limits)
  return checked
}

/** Throws `TOO_LARGE` where the note has more bytes than a note may have. */
export function checkNoteSize(
  { text, context = '', keywords = [], data }: Pick<CheckedNote, 'text' | 'context' | 'keywords' | 'data'>,
  limits: Limits,
): void {
  const bytes = [text, context, ...keywords, dataText(data)].reduce((sum, part) => sum + Buffer.byteLength(part), 0)
  if (bytes > limits.noteBytesMax)
    throw new PolityError('TOO_LARGE', `the note has ${bytes} bytes; the limit noteBytesMax is ${limits.noteBytesMax}`)
}

/** What `recall` is asked, or `INVALID_ARGUMENT`, `TOO_LARGE`; `options` are plain. */
export function checkRecall(query: unknown, options: { readonly [key: string]: unknown }, limits: Limits): Recall {
  for (const key of Object.keys(options))
    if (!RECALL_KEYS.has(key)) throw invalid('recall: options', `the keys ${[...RECALL_KEYS].join(', ')}`, key)
  const { limit = RECALL_DEFAULT, tag, before, kinds, ids, session, source, trust, validAt, learnedBefore } = options
  if (typeof query !== 'string') throw invalid('recall: query', 'a text', query)
  if (Buffer.byteLength(query) > limits.valueBytesMax)
    throw new PolityError(
      'TOO_LARGE',
      `recall: the query has ${Buffer.byteLength(query)} bytes; the limit valueBytesMax is ${limits.valueBytesMax}`,
    )
  if (!Number.isInteger(limit) || (limit as number) < 1 || (limit as number) > limits.recallNotesMax)
    throw invalid('recall: limit', `1 to ${limits.recallNotesMax}`, limit)
  const recall: { -readonly [Key in keyof Recall]: Recall[Key] } = { query, limit: limit as number }
  if (tag !== undefined) recall.tag = textOf('tag', tag, 'recall: tag')
  if (before !== undefined) {
    if (query !== '' || ids !== undefined)
      throw invalid('recall: before', 'the empty query without ids, which has an order', before)
    recall.before = checkNoteId('recall: before', before)
  }
  if (kinds !== undefined) {
    if (!Array.isArray(kinds) || kinds.length === 0)
      throw invalid('recall: kinds', `a list of ${KINDS.join(', ')}`, kinds)
    recall.kinds = kinds.map((kind) => kindOf('recall: kinds', kind))
  }
  if (ids !== undefined) {
    if (!Array.isArray(ids) || ids.length > limits.recallNotesMax)
      throw invalid('recall: ids', `a list of at most ${limits.recallNotesMax} ids of notes`, ids)
    recall.ids = ids.map((id) => checkNoteId('recall: ids', id))
  }
  if (session !== undefined) recall.session = textOf('session', session, 'recall: session')
  if (source !== undefined) recall.source = textOf('source', source, 'recall: source')
  if (trust !== undefined) {
    if (!TRUST.includes(trust as Trust)) throw invalid('recall: trust', `one of ${TRUST.join(', ')}`, trust)
    recall.trust = trust as Trust
  }
  if (validAt !== undefined) recall.validAt = timeOf('recall: validAt', validAt)
  if (learnedBefore !== undefined) recall.learnedBefore = timeOf('recall: learnedBefore', learnedBefore)
  return recall
}

/** An id as `remember` gave it, or `INVALID_ARGUMENT`. */
export function checkNoteId(at: string, id: unknown): string {
  if (isNoteId(id)) return id
  throw invalid(at, IDS_EXAMPLE, id)
}

/** Whether it is written as `remember` writes ids: one note has one spelling. */
export function isNoteId(id: unknown): id is string {
  return typeof id === 'string' && /^n(?:0|[1-9]\d{0,14})$/.test(id)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function listOf(
  name: string,
  given: unknown,
  { noteItemsMax }: Limits,
  isOne: (value: unknown) => value is string,
  what: string,
): readonly string[] {
  if (!Array.isArray(given) || !given.every(isOne))
    throw new PolityError('INVALID_ARGUMENT', `a note’s ${name} are a list of ${what}`)
  if (given.length > noteItemsMax)
    throw new PolityError(
      'TOO_LARGE',
      `the note has ${given.length} ${name}; the limit noteItemsMax is ${noteItemsMax}`,
    )
  return given
}

function textOf(name: string, given: unknown, at = `a note’s ${name}`): string {
  if (typeof given !== 'string') throw new PolityError('INVALID_ARGUMENT', `${at} is a text`)
  return given
}

/** Sources are shown, compared and typed by people: no text may look like another, or break a line. */
function checkNoteSource(source: unknown): void {
  const given = textOf('source', source)
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (given === '' || /[\u0000-\u001f\u007f]/.test(given) || !given.isWellFormed())
    throw invalid(
      'a note’s source',
      'well-formed text that is not empty and has no control characters, or null',
      given.slice(0, 80),
    )
}

function kindOf(at: string, given: unknown): NoteKind {
  if (!KINDS.includes(given as NoteKind)) throw invalid(at, `one of ${KINDS.join(', ')}`, given)
  return given as NoteKind
}

function timeOf(at: string, given: unknown): number {
  if (typeof given !== 'number') throw invalid(at, 'a time in ms since 1970', given)
  return given
}

function dataText(data: Json | undefined): string {
  return data === undefined || data === null ? '' : JSON.stringify(data)
}

/** Notes that `recall` returns when it names no limit. */
const RECALL_DEFAULT = 10
const IDS = 'ids of notes'
const IDS_EXAMPLE = 'the id of a note, such as "n17"'
const KINDS: readonly NoteKind[] = ['note', 'fact', 'summary']
const NOTE_KEYS: ReadonlySet<string> = new Set<keyof NoteInput>([
  'text',
  'tags',
  'source',
  'kind',
  'keywords',
  'context',
  'session',
  'validFrom',
  'validTo',
  'parents',
  'links',
  'data',
  'id',
])
const RECALL_KEYS: ReadonlySet<string> = new Set<keyof RecallOptions>([
  'limit',
  'tag',
  'before',
  'kinds',
  'ids',
  'session',
  'source',
  'trust',
  'validAt',
  'learnedBefore',
])
