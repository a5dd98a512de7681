/** `polity memory`: the notes of a principal, why a query finds them, and what came from a source, taken back. */
import { loadEmbedder } from '../../boot.ts'
import type { StoreReader } from '../../drivers/store/sqlite-reader.ts'
import { PolityError } from '../../kernel/errors.ts'
import { createKernel } from '../../kernel/kernel.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { checkLimits } from '../../kernel/limits.ts'
import { noteAt, recallNotes } from '../../kernel/memory.ts'
import { PRINCIPAL, createNoteReader } from '../../kernel/note-reader.ts'
import { checkNoteId, checkRecall, seqOf } from '../../kernel/note.ts'
import type { Revocation } from '../../kernel/revoke.ts'
import { revocable, revocationOf } from '../../kernel/revoke.ts'
import type { Note, RecalledNote } from '../../kernel/types.ts'
import { createVectors } from '../../kernel/vectors.ts'
import { counted } from '../amounts.ts'
import type { Context, ValuesOf } from '../command.ts'
import { defineCommand } from '../command.ts'
import { wish } from '../elsewhere.ts'
import { embedderOption, usageError } from '../options.ts'
import { exitCodes } from '../report.ts'
import { embedderDefault } from '../setup.ts'
import { openStore, ownerOf, readStore } from '../store-file.ts'
import { table } from '../table.ts'
import { oneLine, visible } from '../terminal.ts'

/** Whose notes, where nobody is named: those of runs that the command line begins. */
const PRINCIPAL_DEFAULT = 'local'
const LIMIT_DEFAULT = 20
/** Sources in the stats. */
const SOURCES_SHOWN = 10

const options = {
  principal: { kind: 'text', value: 'name', help: `whose notes (default ${PRINCIPAL_DEFAULT}; revoke: everybody’s)` },
  limit: { kind: 'whole', value: 'n', help: `list, search: most notes (default ${LIMIT_DEFAULT})` },
  kind: { kind: 'texts', value: 'kind', help: 'list, search: only note, fact or summary' },
  tag: { kind: 'text', value: 'tag', help: 'list, search: only with this tag' },
  session: { kind: 'text', value: 'name', help: 'list, search: only of this session' },
  source: { kind: 'text', value: 'source', help: 'list, search: only of this source' },
  trust: { kind: 'text', value: 'tier', help: 'list, search: at least request, trusted or untrusted' },
  'dry-run': { kind: 'flag', help: 'revoke: only tell what would be taken back' },
  ...embedderOption,
} as const

type Values = ValuesOf<typeof options>
type Verb = (context: Context, word: string, values: Values) => number | Promise<number>

const verbs: { readonly [verb: string]: { readonly takes: string | undefined; readonly run: Verb } } = {
  list: { takes: undefined, run: (context, _word, values) => find(context, '', values) },
  search: { takes: 'a query', run: find },
  show: { takes: 'the id of a note', run: show },
  forget: { takes: 'the id of a note', run: forget },
  revoke: { takes: 'the source of notes', run: revoke },
  stats: { takes: undefined, run: (context, _word, values) => stats(context, values) },
}

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
    return found.run(context, word ?? '', values)
  },
})

// ------------------------------------------------------------------------------------------------------------ reading

function spaceOf({ principal = PRINCIPAL_DEFAULT }: Values): { readonly id: string } {
  return { id: `${PRINCIPAL}${principal}` }
}

async function find(context: Context, query: string, values: Values): Promise<number> {
  const { limit = LIMIT_DEFAULT, kind, tag, session, source, trust, embedder = embedderDefault } = values
  const given = {
    limit,
    ...(kind.length === 0 ? {} : { kinds: kind }),
    ...Object.fromEntries(Object.entries({ tag, session, source, trust }).filter(([, value]) => value !== undefined)),
  }
  const limits = checkLimits(undefined)
  const asked = checkRecall(query, given, limits)
  const vectors = createVectors({ embedder: await loadEmbedder(embedder), clock: context.clock, limits })
  const vector = query === '' ? undefined : await vectors.of(query)
  const reader = readStore(context.storePath)
  try {
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
    return exitCodes.done
  } finally {
    reader.close()
  }
}

/** Nothing was found: perhaps because the notes are somebody else's. */
function noteWhy(context: Context, reader: StoreReader, values: Values): void {
  const { id } = spaceOf(values)
  const owners = ownersIn(reader)
  if (owners.includes(id.slice(PRINCIPAL.length))) return context.note('no note is like that')
  context.note(
    `${oneLine(id.slice(PRINCIPAL.length))} has no notes here${owners.length === 0 ? '' : `; there are some of ${owners.slice(0, 20).map(oneLine).join(', ')}`}`,
  )
}

function ownersIn(reader: StoreReader): readonly string[] {
  return [...createNoteReader(reader).spaces()].flatMap((id) =>
    id.startsWith(PRINCIPAL) ? [id.slice(PRINCIPAL.length)] : [],
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
          { title: 'WHY', widthMin: 12 },
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
  return table(columns, rows, context.out.isTerminal ? context.out.columns : Infinity, (text, row) =>
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
      .map(([key, value]) => `${context.out.paint('dim', key.padEnd(NAME_WIDTH))}${visible(toText(value))}`)
    context.result([visible(note.text), '', ...rows].join('\n'), { ...note, drawn })
    return exitCodes.done
  } finally {
    reader.close()
  }
}

const NAME_WIDTH = 11

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
    const owners = ownersIn(reader).filter((one) => principal === undefined || one === principal)
    const found = owners.map((owner) => statsOf(notes, owner))
    if (found.length === 0)
      context.note(principal === undefined ? 'there are no notes here' : `${oneLine(principal)} has no notes here`)
    const rows = found.map(({ principal: owner, note, fact, summary, request, trusted, untrusted, bytes, sources }) => [
      oneLine(owner),
      ...[note, fact, summary, request, trusted, untrusted, bytes].map(String),
      sources.map(({ source, notes: count }) => `${oneLine(source)} (${count})`).join(', ') || '-',
    ])
    const columns = [
      { title: 'PRINCIPAL', widthMin: 8 },
      ...['NOTES', 'FACTS', 'SUMMARIES', 'REQUEST', 'TRUSTED', 'UNTRUSTED', 'BYTES'].map((title) => ({
        title,
        align: 'right' as const,
      })),
      { title: 'SOURCES', widthMin: 12, rank: 1 },
    ]
    context.result(found.length === 0 ? '' : linesOf(context, columns, rows), found)
    return exitCodes.done
  } finally {
    reader.close()
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

/** On a kernel of our own: nobody else has the store open. */
async function onStore<Value>(context: Context, work: (kernel: Kernel) => Promise<Value>): Promise<Value> {
  readStore(context.storePath).close()
  const kernel = createKernel({ store: await openStore(context.storePath) })
  try {
    return await work(kernel)
  } finally {
    await kernel.close()
  }
}

async function forget(context: Context, word: string, { principal = PRINCIPAL_DEFAULT }: Values): Promise<number> {
  const id = noteIdOf(word)
  if (ownerOf(context.storePath).isOwned) await wish(context, { command: 'forget', text: id, principal })
  else await onStore(context, (kernel) => kernel.forgetNote(id, principal))
  context.result(`forgot ${id}`, { id, principal })
  return exitCodes.done
}

async function revoke(context: Context, source: string, values: Values): Promise<number> {
  const { principal } = values
  const whose = principal === undefined ? {} : { principal }
  const isDry = values['dry-run']
  const found = isDry
    ? wouldRevoke(context, source, whose)
    : ownerOf(context.storePath).isOwned
      ? ((await wish(context, { command: 'revoke', source, ...whose })) as unknown as Revocation)
      : await onStore(context, (kernel) => kernel.revokeSource(source, whose))
  const did = isDry ? 'would revoke' : 'revoked'
  const forgotten =
    found.forgotten === 0 ? '' : `, and ${counted(found.forgotten, 'note')} forgotten before that forks could still see`
  context.result(`${did} ${counted(found.notes, 'note')}${forgotten}${listOf(context, found)}`, {
    source,
    dryRun: isDry,
    ...found,
  })
  if (found.notes + found.forgotten === 0)
    context.note(`no note comes from ${oneLine(source)}; sources are named as \`polity memory stats\` shows them`)
  return exitCodes.done
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
