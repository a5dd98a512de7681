/** `polity memory`: the notes of a principal, why a query finds them, and what came from a source, taken back. */
import { loadEmbedder } from '../../boot.ts'
import type { StoreReader } from '../../drivers/store/sqlite-reader.ts'
import { PolityError } from '../../kernel/errors.ts'
import { checkLimits, defaultLimits } from '../../kernel/limits.ts'
import { noteAt, recallNotes } from '../../kernel/memory.ts'
import { createNoteReader } from '../../kernel/note-reader.ts'
import { checkNoteId, checkRecall, matches, seqOf } from '../../kernel/note.ts'
import { PRINCIPAL_TAKES, isPrincipal } from '../../kernel/principal.ts'
import type { Revocation } from '../../kernel/revoke.ts'
import { revocable, revocationOf } from '../../kernel/revoke.ts'
import { PRINCIPAL } from '../../kernel/spaces.ts'
import type { Note, RecalledNote } from '../../kernel/types.ts'
import { createVectors } from '../../kernel/vectors.ts'
import { counted } from '../amounts.ts'
import type { Context, ValuesOf } from '../command.ts'
import { defineCommand } from '../command.ts'
import { serverOf, wishOr } from '../elsewhere.ts'
import { checkTaken, embedderOption, usageError } from '../options.ts'
import { exitCodes } from '../report.ts'
import { embedderDefault, embedderIn } from '../setup.ts'
import { readStore } from '../store-file.ts'
import { table, wrap } from '../table.ts'
import { oneLine, roomOf, visible } from '../terminal.ts'

/** Whose notes, where nobody is named: those of runs that the command line begins. */
const PRINCIPAL_DEFAULT = 'local'
const LIMIT_DEFAULT = 20
/** Notes that are counted to say how many a list leaves out. */
const COUNTED_MAX = 10_000
/** Sources in the stats. */
const SOURCES_SHOWN = 10

const options = {
  principal: { kind: 'text', value: 'name', help: `whose notes (default ${PRINCIPAL_DEFAULT}; revoke: everybody’s)` },
  limit: {
    kind: 'whole',
    value: 'n',
    range: [1, defaultLimits.recallNotesMax],
    help: `list, search: most notes (default ${LIMIT_DEFAULT}, at most ${defaultLimits.recallNotesMax})`,
  },
  kind: { kind: 'texts', value: 'kind', help: 'list, search: only note, fact or summary' },
  tag: { kind: 'text', value: 'tag', help: 'list, search: only with this tag' },
  session: { kind: 'text', value: 'name', help: 'list, search: only of this session' },
  source: { kind: 'text', value: 'source', help: 'list, search: only of this source' },
  trust: { kind: 'text', value: 'tier', help: 'list, search: at least request, trusted or untrusted' },
  before: { kind: 'text', value: 'id', help: 'list: only notes older than this one' },
  'dry-run': { kind: 'flag', help: 'revoke: only tell what would be taken back' },
  embedder: {
    ...embedderOption.embedder,
    help: 'search: hashing, words, or provider/model (default that of the server, or of the latest run)',
  },
} as const

type Values = ValuesOf<typeof options>
type Verb = (context: Context, word: string, values: Values) => number | Promise<number>

const filters = ['principal', 'limit', 'kind', 'tag', 'session', 'source', 'trust'] as const

const verbs: {
  readonly [verb: string]: {
    readonly takes: string | undefined
    readonly options: readonly (keyof Values)[]
    readonly run: Verb
  }
} = {
  list: {
    takes: undefined,
    options: [...filters, 'before'],
    run: (context, _word, values) => find(context, '', values),
  },
  search: { takes: 'a query', options: [...filters, 'embedder'], run: find },
  show: { takes: 'the id of a note', options: ['principal'], run: show },
  forget: { takes: 'the id of a note', options: ['principal'], run: forget },
  revoke: { takes: 'the source of notes', options: ['principal', 'dry-run'], run: revoke },
  stats: { takes: undefined, options: ['principal'], run: (context, _word, values) => stats(context, values) },
}

/** The options of each verb. */
const verbOptions = Object.fromEntries(Object.entries(verbs).map(([verb, { options: own }]) => [verb, own]))

export const memory = defineCommand({
  name: 'memory',
  summary: 'notes: list them, search them and see why, take back what came from a source',
  usage: 'list | search <query> | show <id> | forget <id> | revoke <source> | stats',
  positionals: [1, 2],
  options,
  details:
    '`search` finds notes as `recall` does for a program, and says why each came. `revoke` takes back every note of a source and every note drawn from one of those, also from snapshots and forks; it cannot be undone, and --dry-run shows what it would take. ' +
    'A kernel that has the store open is asked to do it.',
  examples: [
    'polity memory list --kind fact',
    'polity memory search "when does the harbour freeze?"',
    'polity memory revoke https://example.org/page --dry-run',
    'polity memory stats --principal ada',
  ],
  async run(context, { values, positionals: [verb = '', word] }) {
    const found = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
    if (found === undefined)
      throw usageError(`polity memory takes ${Object.keys(verbs).join(', ')}, not ${JSON.stringify(verb)}`)
    if ((word === undefined) !== (found.takes === undefined) || word === '')
      throw usageError(`polity memory ${verb} takes ${found.takes ?? 'nothing more'}`)
    checkTaken('polity memory', verb, verbOptions, values)
    if (values.principal !== undefined && !isPrincipal(values.principal))
      throw usageError(`--principal takes ${PRINCIPAL_TAKES}, not ${JSON.stringify(values.principal)}`)
    return found.run(context, word ?? '', values)
  },
})

// ------------------------------------------------------------------------------------------------------------ reading

function spaceOf({ principal = PRINCIPAL_DEFAULT }: Values): { readonly id: string } {
  return { id: `${PRINCIPAL}${principal}` }
}

async function find(context: Context, query: string, values: Values): Promise<number> {
  const { limit = LIMIT_DEFAULT, kind, tag, session, trust, before } = values
  const source = values.source === undefined ? undefined : unquoted(values.source)
  if (before !== undefined) noteIdOf(before)
  const given = {
    limit,
    ...(kind.length === 0 ? {} : { kinds: kind }),
    ...Object.fromEntries(
      Object.entries({ tag, session, source, trust, before }).filter(([, value]) => value !== undefined),
    ),
  }
  const limits = checkLimits(undefined)
  const asked = checkRecall(query, given, limits)
  const reader = readStore(context.storePath)
  try {
    const embedder = query === '' ? undefined : await loadEmbedder(values.embedder ?? embedderOf(context, reader))
    const vector =
      embedder === undefined ? undefined : await createVectors({ embedder, clock: context.clock, limits }).of(query)
    const notes = createNoteReader(reader)
    const found = recallNotes({
      notes,
      store: reader,
      space: spaceOf(values),
      asked,
      vector,
      guard: {},
      now: context.clock.now(),
      limits,
    })
    if (found.length === 0) noteWhy(context, reader, values)
    context.result(found.length === 0 ? '' : tableOf(context, found, query !== ''), found)
    if (query === '') noteRest(context, countOf(notes, spaceOf(values), asked), found)
    return exitCodes.done
  } finally {
    reader.close()
  }
}

/** That of the server that has the store open, else of the latest run. */
function embedderOf(context: Context, reader: StoreReader): string {
  const [served] = Object.values(serverOf(context)?.setups ?? {})
  const known = served === undefined ? embedderIn(reader) : (served.embedder ?? embedderDefault)
  if (known === undefined)
    context.note(
      `the store does not say with which embedder its notes were kept; this search uses ${embedderDefault}, and --embedder names another`,
    )
  return known ?? embedderDefault
}

/** How many notes a list has in all, counted up to `COUNTED_MAX`. */
function countOf(
  notes: ReturnType<typeof createNoteReader>,
  space: { readonly id: string },
  asked: ReturnType<typeof checkRecall>,
): number {
  let count = 0
  const { before } = asked
  for (const seq of notes.newestFirst(space, asked, before === undefined ? undefined : seqOf(before))) {
    const note = noteAt(notes, space, seq)
    if (note !== undefined && matches(note, asked) && ++count === COUNTED_MAX) break
  }
  return count
}

function noteRest(context: Context, count: number, found: readonly RecalledNote[]): void {
  const last = found.at(-1)
  if (last === undefined || count <= found.length) return
  const all = count === COUNTED_MAX ? `${count} or more` : String(count)
  context.note(`${found.length} of ${all}; --before ${last.id} goes on`)
}

/** Nothing was found: perhaps because the notes are somebody else's. */
function noteWhy(context: Context, reader: StoreReader, values: Values): void {
  const { id } = spaceOf(values)
  const owners = [...createNoteReader(reader).principals()]
  if (owners.includes(id.slice(PRINCIPAL.length))) return context.note('no note is like that')
  context.note(
    `${oneLine(id.slice(PRINCIPAL.length))} has no notes here${owners.length === 0 ? '' : `; there are some of ${owners.slice(0, 20).map(oneLine).join(', ')}`}`,
  )
}

function tableOf(context: Context, found: readonly RecalledNote[], isRanked: boolean): string {
  const rows = found.map(({ id, score, why, at, kind, trust, source, text }) => [
    id,
    ...(isRanked ? [score.toFixed(3), why.map(({ by }) => by).join(', ')] : [new Date(at).toISOString().slice(0, 16)]),
    kind,
    trust,
    oneLine(source ?? '-'),
    oneLine(text),
  ])
  const columns = [
    { title: 'ID' },
    ...(isRanked
      ? [
          { title: 'SCORE', align: 'right' as const },
          { title: 'WHY', widthMin: 12, rank: 0 },
        ]
      : [{ title: 'LEARNED', rank: 1 }]),
    { title: 'KIND', rank: 2 },
    { title: 'TRUST', rank: 3 },
    { title: 'SOURCE', widthMin: 8, rank: 4 },
    { title: 'TEXT', widthMin: 20 },
  ]
  return linesOf(context, columns, rows)
}

function linesOf(context: Context, columns: Parameters<typeof table>[0], rows: readonly (readonly string[])[]): string {
  return table(columns, rows, roomOf(context.out), (text, row) =>
    row < 0 ? context.out.paint('bold', text) : text,
  ).join('\n')
}

function show(context: Context, word: string, values: Values): number {
  const id = noteIdOf(word)
  const reader = readStore(context.storePath)
  try {
    const notes = createNoteReader(reader)
    const space = spaceOf(values)
    const note = noteAt(notes, space, seqOf(id))
    if (note === undefined)
      throw new PolityError('NO_SUCH_NOTE', `${space.id.slice(PRINCIPAL.length)} has no note ${id}`)
    const drawn = [...notes.drawnFrom(space, seqOf(id))].flatMap(({ seq }) => {
      const child = noteAt(notes, space, seq)
      return child?.parents.includes(id) === true ? [child.id] : []
    })
    const rows = Object.entries({ ...note, at: timeOf(note.at), validFrom: timeOf(note.validFrom), drawn })
      .filter(([key, value]) => key !== 'text' && value !== null && value !== '' && !isEmptyList(value))
      .map(
        ([key, value]) =>
          `${context.out.paint('dim', key.padEnd(NAME_WIDTH))}${besideName(context, visible(toText(value)))}`,
      )
    const text = wrap(visible(note.text), roomOf(context.out))
    context.result([text, '', ...rows].join('\n'), { ...note, drawn })
    return exitCodes.done
  } finally {
    reader.close()
  }
}

const NAME_WIDTH = 11

/** On a terminal what does not fit beside its name goes on below itself. */
function besideName({ out }: Context, text: string): string {
  return out.isTerminal ? wrap(text, out.columns - NAME_WIDTH).replaceAll('\n', `\n${' '.repeat(NAME_WIDTH)}`) : text
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}

function toText(value: unknown): string {
  if (typeof value === 'string') return value
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
    ? value.join(', ')
    : JSON.stringify(value)
}

function timeOf(ms: number): string {
  return Number.isFinite(new Date(ms).getTime()) ? new Date(ms).toISOString() : String(ms)
}

function noteIdOf(word: string): string {
  try {
    return checkNoteId('polity memory', word)
  } catch {
    throw usageError(`a note has an id such as n17, not ${JSON.stringify(word)}; \`polity memory list\` shows them`)
  }
}

function stats(context: Context, { principal }: Values): number {
  const reader = readStore(context.storePath)
  try {
    const notes = createNoteReader(reader)
    const owners = [...notes.principals()].filter((one) => principal === undefined || one === principal)
    const found = owners.map((owner) => statsOf(notes, owner))
    if (found.length === 0)
      context.note(principal === undefined ? 'there are no notes here' : `${oneLine(principal)} has no notes here`)
    const rows = found.map(({ principal: owner, note, fact, summary, request, trusted, untrusted, bytes, sources }) => [
      oneLine(owner),
      ...[note, fact, summary, request, trusted, untrusted, bytes].map(String),
      sources.map(({ source, notes: count }) => `${quoted(source)} (${count})`).join(', ') || '-',
    ])
    const columns = [
      { title: 'PRINCIPAL', widthMin: 8 },
      ...['NOTES', 'FACTS', 'SUMMARIES', 'REQUEST', 'TRUSTED', 'UNTRUSTED', 'BYTES'].map((title, i) => ({
        title,
        align: 'right' as const,
        ...(i === 0 ? {} : { rank: i }),
      })),
      { title: 'SOURCES', widthMin: 12, rank: 8 },
    ]
    context.result(found.length === 0 ? '' : linesOf(context, columns, rows), found)
    return exitCodes.done
  } finally {
    reader.close()
  }
}

/** A source as `revoke` takes it: one that a terminal would show in another way as JSON, with its controls as escapes. */
function quoted(source: string): string {
  if (oneLine(source) === source && !source.startsWith('"')) return source
  return JSON.stringify(source).replace(
    /[\p{Cc}\p{Cf}]/gu,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** The source that is meant: JSON of a text as `quoted` gives it, anything else as it is. */
function unquoted(word: string): string {
  if (!/^".*"$/s.test(word)) return word
  try {
    const value: unknown = JSON.parse(word)
    return typeof value === 'string' && value !== '' ? value : word
  } catch {
    return word
  }
}

interface Stats {
  readonly principal: string
  /** How many of each kind, and of each tier. */
  note: number
  fact: number
  summary: number
  request: number
  trusted: number
  untrusted: number
  /** Of their texts. */
  bytes: number
  /** Those with the most notes. */
  sources: readonly { readonly source: string; readonly notes: number }[]
}

function statsOf(notes: ReturnType<typeof createNoteReader>, principal: string): Stats {
  const space = { id: `${PRINCIPAL}${principal}` }
  const sources = new Map<string, number>()
  const all: Stats = {
    principal,
    note: 0,
    fact: 0,
    summary: 0,
    request: 0,
    trusted: 0,
    untrusted: 0,
    bytes: 0,
    sources: [],
  }
  for (const seq of notes.newestFirst(space, {})) {
    const note: Note | undefined = noteAt(notes, space, seq)
    if (note === undefined) continue
    all[note.kind]++
    all[note.trust]++
    all.bytes += Buffer.byteLength(note.text)
    if (note.source !== null) sources.set(note.source, (sources.get(note.source) ?? 0) + 1)
  }
  all.sources = [...sources]
    .toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .slice(0, SOURCES_SHOWN)
    .map(([source, count]) => ({ source, notes: count }))
  return all
}

// ----------------------------------------------------------------------------------------------------------- changing

async function forget(context: Context, word: string, { principal = PRINCIPAL_DEFAULT }: Values): Promise<number> {
  const id = noteIdOf(word)
  await wishOr<unknown>(context, { command: 'forget', text: id, principal }, (kernel) =>
    kernel.forgetNote(id, principal),
  )
  context.result(`forgot ${id}`, { id, principal })
  return exitCodes.done
}

async function revoke(context: Context, word: string, values: Values): Promise<number> {
  const source = unquoted(word)
  const { principal } = values
  const whose = principal === undefined ? {} : { principal }
  const isDry = values['dry-run']
  const found = isDry
    ? wouldRevoke(context, source, whose)
    : await wishOr(context, { command: 'revoke', source, ...whose }, (kernel) => kernel.revokeSource(source, whose))
  const did = isDry ? 'would revoke' : 'revoked'
  const forgotten =
    found.forgotten === 0 ? '' : `, and ${counted(found.forgotten, 'note')} forgotten before that forks could still see`
  context.result(`${did} ${counted(found.notes, 'note')}${forgotten}${listOf(context, found)}`, {
    source,
    dryRun: isDry,
    ...found,
  })
  if (found.notes + found.forgotten > 0) return exitCodes.done
  context.warn(`no note comes from ${quoted(source)}; sources are named as \`polity memory stats\` shows them`)
  return isDry ? exitCodes.done : exitCodes.failed
}

function wouldRevoke(context: Context, source: string, whose: { readonly principal?: string }): Revocation {
  const reader = readStore(context.storePath)
  try {
    return revocationOf([...revocable(reader, source, whose)])
  } finally {
    reader.close()
  }
}

function listOf(context: Context, { first, notes }: Revocation): string {
  if (first.length === 0) return ''
  const rows = first.map(({ principal, fork, id, through, text }) => [
    oneLine(principal) + (fork === null ? '' : ` (fork ${fork})`),
    id,
    through === null ? 'of the source' : `drawn from ${through}`,
    oneLine(text),
  ])
  const columns = [
    { title: 'PRINCIPAL', widthMin: 8 },
    { title: 'ID' },
    { title: 'WHY' },
    { title: 'TEXT', widthMin: 20 },
  ]
  const more = notes > first.length ? `\n… and ${counted(notes - first.length, 'more note')}` : ''
  return `\n${linesOf(context, columns, rows)}${more}`
}
