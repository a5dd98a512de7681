/**
 * How well memory finds what was said, and how fast: recall and latency side by side.
 *
 *     npm run bench:memory -- conversations.json          the form is in bench/memory-file.ts
 *     npm run bench:memory                                our own conversations: the held-out stories, 5 seeds
 *       --stories tuning --seeds 10                       other stories, more seeds
 *       --stories moby-dick|addresses                     real prose, and what people asked about it (memory-prose.ts)
 *       --baselines                                       beside BM25, vectors and their fusion, with 95 % intervals
 *       --ablate                                          without each kind of evidence in turn
 *       --embedder words|hashing|none --json              another embedder (words when not given); the figures as JSON
 *
 * Each turn becomes a note of its own ("Ann: Hi!", with its session and the session's date) through `sys.remember`, in order,
 * each conversation under a principal of its own; each question is one `sys.recall`, its time measured where the program
 * waits. No model takes part and nothing is set per file. recall@k is the share of a question's evidence among the first k
 * notes, any@k the share of questions with any of it there, MRR the mean of 1 / rank of the first.
 *
 * Ends with 2 and one sentence where the file or an option is wrong.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { boot, loadEmbedder } from '../src/boot.ts'
import type { Embedder } from '../src/kernel/drivers.ts'
import type { Candidate, RankWeights } from '../src/kernel/recall.ts'
import { rankNotes, rankWeights } from '../src/kernel/recall.ts'
import type { Note, Sys } from '../src/kernel/types.ts'
import { makeConversation, readStories } from './conversations.ts'
import { percentile } from './figures.ts'
import { baselines } from './memory-baselines.ts'
import type { ReadConversation, ReadFile } from './memory-file.ts'
import { FileFault, checkConversations, readConversations } from './memory-file.ts'
import { proseConversation, proseNames } from './memory-prose.ts'

/** Notes that a question asks for: beyond this a rank adds less than 0.02 to the MRR of its question. */
const LIMIT = 50

const HELP = `node bench/memory.ts [conversations.json] [options]: how well and how fast memory finds what was said

  --stories name    our own conversations, without a file: tuning, held-out (default), ${proseNames.join(' or ')}
  --seeds n         how many of them are made, 1 to 1,000 (default 5); not of ${proseNames.join(' and ')}
  --embedder name   words (default), hashing or none
  --baselines       beside BM25, vectors and their fusion
  --ablate          without each kind of evidence in turn
  --json            the figures as JSON

The form of a file, and what the figures mean, is at the top of bench/memory-file.ts and bench/memory.ts.
`

/** Of each question, where its evidence came: 1 for the first note; Infinity for what did not come. */
type Ranks = readonly (readonly number[])[]

interface Measured {
  readonly ranks: Ranks
  readonly ms: readonly number[]
  readonly notes: number
  readonly ingestMs: number
  /** Processor time of all recalls. */
  readonly cpuMs: number
}

/** What is printed of a way to recall. */
interface Quality {
  readonly 'recall@1': number
  readonly 'recall@5': number
  readonly 'recall@10': number
  readonly 'any@10': number
  readonly MRR: number
}

async function main(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      stories: { type: 'string' },
      seeds: { type: 'string' },
      embedder: { type: 'string', default: 'words' },
      baselines: { type: 'boolean', default: false },
      ablate: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return
  }
  if (positionals.length > 1)
    throw new FileFault(`one file at a time, not ${positionals.length}: ${positionals.join(', ')}`)
  if (!['words', 'hashing', 'none'].includes(values.embedder))
    throw new FileFault(`--embedder takes words, hashing or none, not "${values.embedder}"`)
  for (const name of ['stories', 'seeds'] as const)
    if (positionals[0] !== undefined && values[name] !== undefined)
      throw new FileFault(`--${name} chooses our own conversations and means nothing beside a file; leave one out`)
  const file =
    positionals[0] === undefined
      ? await ownConversations(values.stories ?? 'held-out', values.seeds)
      : await readConversations(positionals[0])
  const { conversations, skipped } = file
  const questions = sum(conversations.map((each) => each.questions.length))
  if (questions === 0)
    throw new FileFault('no question names a turn of its conversation as evidence; nothing can be measured')
  const embedder = values.embedder === 'none' ? undefined : await loadEmbedder(values.embedder)

  const measured: Measured[] = []
  for (const [place, conversation] of conversations.entries()) {
    progress(`conversation ${place + 1} of ${conversations.length}`)
    measured.push(await measure(conversation, embedder))
  }
  const rows: Record<string, readonly Ranks[]> = { Polity: measured.map(({ ranks }) => ranks) }
  if (values.baselines) {
    progress('baselines')
    for (const ranks of await Promise.all(conversations.map((each) => ranksOfBaselines(each, embedder))))
      for (const [name, one] of Object.entries(ranks)) rows[name] = [...(rows[name] ?? []), one]
  }
  if (values.ablate) {
    for (const [name, weights] of ablations()) {
      progress(name)
      rows[name] = await Promise.all(conversations.map((each) => ranksOfPure(each, embedder, weights)))
    }
  }
  progress('')

  const ms = measured.flatMap((each) => each.ms).sort((a, b) => a - b)
  const notes = sum(measured.map((each) => each.notes))
  const report = {
    conversations: conversations.length,
    sessions: sum(conversations.map(({ sessions }) => sessions.length)),
    notes,
    questions,
    skipped,
    embedder: values.embedder,
    rows: Object.fromEntries(Object.entries(rows).map(([name, each]) => [name, qualityOf(each.flat())])),
    ahead: Object.fromEntries(
      Object.entries(rows).flatMap(([name, each]) =>
        name === 'Polity' ? [] : [[name, differences(rows['Polity']!, each)]],
      ),
    ),
    latency: {
      p50ms: percentile(ms, 0.5),
      p99ms: percentile(ms, 0.99),
      cpuMs: percentile([sum(measured.map((each) => each.cpuMs)) / ms.length], 0),
    },
    rememberedPerSecond: Math.round(notes / (sum(measured.map((each) => each.ingestMs)) / 1000)),
  }
  process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : table(report))
}

async function ownConversations(stories: string, seeds: string | undefined): Promise<ReadFile> {
  const count = Number(seeds ?? 5)
  if (!Number.isInteger(count) || count < 1 || count > 1_000)
    throw new FileFault(`--seeds takes a number from 1 to 1,000, not "${seeds}"`)
  const prose = proseNames.find((name) => name === stories)
  if (prose !== undefined && seeds !== undefined)
    throw new FileFault(`--seeds means nothing with --stories ${stories}, which is as it was written`)
  if (prose !== undefined) return checkConversations(await proseConversation(prose), prose)
  let text: string
  try {
    text = await readFile(join(import.meta.dirname, 'stories', `${stories}.txt`), 'utf8')
  } catch {
    throw new FileFault(`--stories takes tuning, held-out, ${proseNames.join(' or ')}, not "${stories}"`)
  }
  const all = readStories(text)
  return checkConversations(
    Array.from({ length: count }, (_, seed) => makeConversation(all, seed + 1)),
    `bench/stories/${stories}.txt`,
  )
}

// ------------------------------------------------------------------------------------------------------------ measuring

/** A turn as it is kept. */
interface KeptTurn {
  readonly id: string
  readonly text: string
  readonly session: string
  readonly validFrom: number
}

function turnsOf({ sessions, times }: ReadConversation): KeptTurn[] {
  return sessions.flatMap(({ turns }, session) =>
    turns.map(({ id, speaker, text }, order) => ({
      id,
      text: speaker === '' ? text : `${speaker}: ${text}`,
      session: `session ${session + 1}`,
      validFrom: times[session]! + order * 1000,
    })),
  )
}

/** Turns that one process remembers. */
const TURNS_A_PROCESS = 200

/** One conversation through the kernel. */
async function measure(conversation: ReadConversation, embedder: Embedder | undefined): Promise<Measured> {
  const kernel = await boot(embedder === undefined ? {} : { embedder })
  try {
    const turns = turnsOf(conversation)
    const turnOf = new Map<string, string>()
    const start = performance.now()
    // As much at a time as the input of a process may hold: the turns are its request, so that they count as the user's own words.
    for (let from = 0; from < turns.length; from += TURNS_A_PROCESS) {
      const ingest = kernel.spawn(
        async (sys: Sys, given: readonly KeptTurn[]) => {
          for (const { id, ...note } of given) turnOf.set(await sys.remember(note), id)
        },
        turns.slice(from, from + TURNS_A_PROCESS),
        { principal: 'friends' },
      )
      await ingest.result
    }
    const ingestMs = performance.now() - start

    const ranks: (readonly number[])[] = []
    const ms: number[] = []
    const before = process.cpuUsage()
    const ask = kernel.spawn(
      async (sys: Sys) => {
        for (const { question, evidence } of conversation.questions) {
          const asked = performance.now()
          const notes = await sys.recall(question, { limit: LIMIT })
          ms.push(performance.now() - asked)
          ranks.push(
            ranksIn(
              notes.map(({ id }) => turnOf.get(id)!),
              evidence,
            ),
          )
        }
      },
      null,
      { principal: 'friends' },
    )
    await ask.result
    const { user, system } = process.cpuUsage(before)
    return { ranks, ms, notes: turnOf.size, ingestMs, cpuMs: (user + system) / 1000 }
  } finally {
    await kernel.close()
  }
}

async function ranksOfBaselines(
  conversation: ReadConversation,
  embedder: Embedder | undefined,
): Promise<Record<string, Ranks>> {
  const turns = conversation.sessions.flatMap((session, place) =>
    session.turns.map(({ id, text }) => ({ id, text, session: place })),
  )
  const vectors = await embedded(
    embedder,
    turns.map(({ text }) => text),
  )
  const asked = await embedded(
    embedder,
    conversation.questions.map(({ question }) => question),
  )
  return Object.fromEntries(
    Object.entries(baselines(turns, vectors)).map(([name, rank]) => [
      name,
      conversation.questions.map(({ question, evidence }, place) =>
        ranksIn(rank(question, asked?.[place]).slice(0, LIMIT), evidence),
      ),
    ]),
  )
}

/** The ranking alone over all turns, without the store: the same figures but for what the searches leave out. */
async function ranksOfPure(
  conversation: ReadConversation,
  embedder: Embedder | undefined,
  weights: Partial<RankWeights>,
): Promise<Ranks> {
  const turns = turnsOf(conversation)
  const vectors = await embedded(
    embedder,
    turns.map(({ text }) => text),
  )
  const asked = await embedded(
    embedder,
    conversation.questions.map(({ question }) => question),
  )
  const notes = turns.map(({ id, text, session, validFrom }, place): { note: Note; previous?: string } => ({
    note: {
      id,
      text,
      session,
      validFrom,
      at: place,
      kind: 'note',
      trust: 'request',
      source: null,
      context: '',
      validTo: null,
      data: null,
      pid: 1,
      tags: [],
      labels: [],
      tools: [],
      keywords: [],
      parents: [],
      links: [],
    },
    ...(turns[place - 1]?.session === session ? { previous: turns[place - 1]!.id } : {}),
  }))
  return conversation.questions.map(({ question, evidence }, at) => {
    const candidates = notes.map((each, place): Candidate => {
      if (vectors === undefined) return each
      let cosine = 0
      for (const [i, value] of vectors[place]!.entries()) cosine += value * asked![at]![i]!
      return { ...each, vector: cosine }
    })
    return ranksIn(
      rankNotes(question, candidates, { limit: LIMIT, weights }).map(({ note }) => note.id),
      evidence,
    )
  })
}

/** The ranking as it is, and without each kind of evidence. */
function ablations(): (readonly [string, Partial<RankWeights>])[] {
  const names = Object.keys(rankWeights).filter(
    (name) => name !== 'derived' && name !== 'link',
  ) as (keyof RankWeights)[]
  const neighbours = { previous: 0, answer: 0, secondPrevious: 0, secondTurn: 0, following: 0 }
  return [
    ['the ranking alone', {}],
    ...names.map((name) => [`without ${name}`, { [name]: 0 }] as const),
    ['without neighbours', neighbours],
    ['without all of these', { ...neighbours, session: 0, question: 0, short: 0, name: 0 }],
  ]
}

async function embedded(
  embedder: Embedder | undefined,
  texts: readonly string[],
): Promise<readonly (readonly number[])[] | undefined> {
  return embedder?.embed(texts, { signal: new AbortController().signal })
}

function ranksIn(ids: readonly string[], evidence: readonly string[]): number[] {
  return evidence.map((id) => ids.indexOf(id) + 1 || Infinity)
}

// -------------------------------------------------------------------------------------------------------------- figures

function qualityOf(ranks: Ranks): Quality {
  const mean = (of: (each: readonly number[]) => number): number => sum(ranks.map(of)) / ranks.length
  const share = (k: number) => (each: readonly number[]) => each.filter((rank) => rank <= k).length / each.length
  return {
    'recall@1': mean(share(1)),
    'recall@5': mean(share(5)),
    'recall@10': mean(share(10)),
    'any@10': mean((each) => (Math.min(...each) <= 10 ? 1 : 0)),
    MRR: mean((each) => 1 / Math.min(...each)),
  }
}

/** How far ours is ahead, over conversations: the mean of the paired differences with the half-width of its 95 % interval. */
function differences(
  ours: readonly Ranks[],
  theirs: readonly Ranks[],
): Record<string, { mean: number; halfWidth: number }> {
  return Object.fromEntries(
    (['recall@10', 'MRR'] as const).map((name) => {
      const each = ours.map((ranks, place) => qualityOf(ranks)[name] - qualityOf(theirs[place]!)[name])
      const mean = sum(each) / each.length
      const variance = sum(each.map((value) => (value - mean) ** 2)) / Math.max(1, each.length - 1)
      return [
        name,
        { mean, halfWidth: each.length < 2 ? NaN : studentT(each.length - 1) * Math.sqrt(variance / each.length) },
      ]
    }),
  )
}

/** Two-sided 95 % quantile of Student's t: exact to 0.01 from 2 degrees of freedom on (Cornish-Fisher expansion, Abramowitz and Stegun 26.7.5). */
function studentT(freedom: number): number {
  if (freedom <= 2) return freedom === 1 ? 12.71 : 4.3
  const x = 1.959964
  const [x3, x5, x7] = [x ** 3, x ** 5, x ** 7]
  return (
    x +
    (x3 + x) / (4 * freedom) +
    (5 * x5 + 16 * x3 + 3 * x) / (96 * freedom ** 2) +
    (3 * x7 + 19 * x5 + 17 * x3 - 15 * x) / (384 * freedom ** 3)
  )
}

interface Report {
  readonly conversations: number
  readonly sessions: number
  readonly notes: number
  readonly questions: number
  readonly skipped: ReadFile['skipped']
  readonly embedder: string
  readonly rows: Readonly<Record<string, Quality>>
  readonly ahead: Readonly<Record<string, Readonly<Record<string, { mean: number; halfWidth: number }>>>>
  readonly latency: { readonly p50ms: number; readonly p99ms: number; readonly cpuMs: number }
  readonly rememberedPerSecond: number
}

function table({
  conversations,
  sessions,
  notes,
  questions,
  skipped,
  embedder,
  rows,
  ahead,
  latency,
  rememberedPerSecond,
}: Report): string {
  const count = (value: number): string => value.toLocaleString('en-US')
  const names = Object.keys(Object.values(rows)[0]!) as (keyof Quality)[]
  const wide = Math.max(...Object.keys(rows).map((name) => name.length), 8)
  const isCompared = Object.keys(ahead).length > 0
  const lines = [
    `${count(conversations)} conversations, ${count(sessions)} sessions, ${count(notes)} notes stored, ${count(questions)} questions, embedder ${embedder}`,
    ...[
      [skipped.evidence, 'ids of evidence name no turn and were left out'],
      [skipped.questions, 'questions have no evidence that is there and were left out'],
      [skipped.turns, 'turns have no text and were left out'],
    ].flatMap(([how, what]) => (how === 0 ? [] : [`${count(how as number)} ${what}`])),
    '',
    `${''.padEnd(wide)}  ${names.map((name) => name.padStart(9)).join('  ')}${isCompared ? '   Polity ahead in recall@10, MRR (95 %)' : ''}`,
  ]
  for (const [name, quality] of Object.entries(rows)) {
    const by = ahead[name]
    const beside =
      by === undefined
        ? ''
        : `   ${Object.values(by)
            .map(
              ({ mean, halfWidth }) =>
                `${mean < 0 ? '-' : '+'}${Math.abs(mean).toFixed(3)}${Number.isNaN(halfWidth) ? '' : ` ± ${halfWidth.toFixed(3)}`}`,
            )
            .join(', ')}`
    lines.push(`${name.padEnd(wide)}  ${names.map((each) => quality[each].toFixed(3).padStart(9)).join('  ')}${beside}`)
  }
  lines.push(
    '',
    `recall p50 ${latency.p50ms} ms, p99 ${latency.p99ms} ms, processor time ${latency.cpuMs} ms; ${count(rememberedPerSecond)} notes remembered a second`,
  )
  return `${lines.join('\n')}\n`
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text}`)
  else if (text !== '') process.stderr.write(`${text}\n`)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  const isUse =
    error instanceof FileFault || (error as { code?: unknown }).code?.toString().startsWith('ERR_PARSE_ARGS') === true
  if (!isUse) throw error
  process.stderr.write(`bench:memory: ${(error as Error).message}\n`)
  process.exitCode = 2
}
