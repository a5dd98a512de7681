/**
 * `polity files`: the files of a run, version by version: list, show, versions, diff, grep, search, rollback.
 *
 * All but `rollback` read the store, also while a server has it open. `rollback` is done by the kernel that has it, or by
 * one for this command alone.
 */
import { basename } from 'node:path/posix'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { memoryStore } from '../../drivers/store/memory.ts'
import type { StoreReader } from '../../drivers/store/sqlite-reader.ts'
import type { Put } from '../../kernel/drivers.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Turns } from '../../kernel/file-list.ts'
import { checkPatterns, listFiles, runThrough } from '../../kernel/file-list.ts'
import { createFileSearch } from '../../kernel/file-search.ts'
import { createFileTree } from '../../kernel/file-tree.ts'
import { defaultLimits } from '../../kernel/limits.ts'
import { startIn, startOf } from '../../kernel/past.ts'
import type { Space } from '../../kernel/spaces.ts'
import { spacesOf } from '../../kernel/spaces.ts'
import { filesIn } from '../../kernel/storage.ts'
import type { FileEntry, FilesPoint, Pid } from '../../kernel/types.ts'
import { bytes, counted } from '../amounts.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { wishOr } from '../elsewhere.ts'
import { checkTaken, checkWords, pidOf, usageError } from '../options.ts'
import { exitCodes } from '../report.ts'
import { readStore } from '../store-file.ts'
import type { Column } from '../table.ts'
import { table } from '../table.ts'
import { oneLine, roomOf, shownIn } from '../terminal.ts'

interface Values {
  readonly glob: string | undefined
  readonly removed: boolean
  readonly version: number | undefined
  readonly from: number | undefined
  readonly at: string | undefined
  readonly snapshot: string | undefined
  readonly regex: boolean
  readonly limit: number | undefined
}

/** What a command looks at. */
interface Sight {
  readonly reader: StoreReader
  readonly tree: ReturnType<typeof createFileTree>
  readonly files: ReturnType<typeof filesIn>
  readonly space: Space
}

type Verb = (context: Context, sight: Sight, given: readonly string[], values: Values) => void | Promise<void>

const SEARCH_LIMIT = 10
/** What each verb takes of the options. */
const VERB_OPTIONS: { readonly [verb: string]: readonly (keyof Values)[] } = {
  list: ['glob', 'removed'],
  show: ['version', 'at'],
  versions: [],
  diff: ['version', 'from'],
  grep: ['glob', 'regex'],
  search: ['limit'],
  rollback: ['version', 'at', 'snapshot'],
}

/** What each verb takes behind the pid. */
const VERB_WORDS: { readonly [verb: string]: readonly string[] } = {
  list: ['[prefix]'],
  show: ['<path>'],
  versions: ['<path>'],
  diff: ['<path>'],
  grep: ['<text>', '[prefix]'],
  search: ['<words>', '[prefix]'],
  rollback: ['[path]'],
}

export const files = defineCommand({
  name: 'files',
  summary: 'the files of a run: list, show, versions, diff, grep, search, rollback',
  usage: Object.entries(VERB_WORDS)
    .map(([verb, words]) => [verb, '<pid>', ...words].join(' '))
    .join(' | '),
  positionals: [2, 4],
  options: {
    glob: { kind: 'text', value: 'glob', help: 'list, grep: only paths of this form, such as "docs/**/*.md"' },
    removed: { kind: 'flag', help: 'list: those that were removed too' },
    version: { kind: 'whole', value: 'n', help: 'show, diff, rollback: that version (default the last)' },
    from: { kind: 'whole', value: 'n', help: 'diff: since that version (default the one before)' },
    at: { kind: 'text', value: 'time', help: 'show, rollback: as it was then, such as 2026-01-31T12:00:00Z' },
    snapshot: { kind: 'text', value: 'id', help: 'rollback: as it was at that snapshot' },
    regex: { kind: 'flag', help: 'grep: the text is a regular expression' },
    limit: { kind: 'whole', value: 'n', help: `search: so many files (default ${SEARCH_LIMIT})` },
  },
  details:
    'A process, its parent and its children have the same files. `rollback` takes a path, a folder that ends in /, or nothing for all files; it makes new versions, so it can be undone in the same way. Files of a run that has ended stay as they are.',
  examples: [
    'polity files list 17',
    'polity files show 17 notes/today.md --version 240',
    'polity files show 17 presentation/video.mp4 > video.mp4',
    'polity files diff 17 notes/today.md',
    'polity files grep 17 budget notes/',
    'polity files search 17 "when was the budget agreed"',
    'polity files rollback 17 notes/ --at 2026-01-31T12:00:00Z',
  ],
  async run(context, { values, positionals: [verb = '', pidText, ...given] }) {
    const takes = Object.hasOwn(VERB_WORDS, verb) ? VERB_WORDS[verb] : undefined
    if (takes === undefined)
      throw usageError(`polity files takes ${Object.keys(VERB_WORDS).join(', ')}, not ${JSON.stringify(verb)}`)
    const pid = pidOf(pidText)
    checkTaken('polity files', verb, VERB_OPTIONS, values)
    checkWords(`polity files ${verb} ${pid}`, takes, given)
    if (verb === 'rollback') return rollback(context, pid, given, values)
    const act = verbs[verb] as Verb
    const reader = readStore(context.storePath)
    try {
      const space = spacesOf(startOf(reader, pid), (one) => startIn(reader, one)).files
      const tree = createFileTree(reader)
      await act(context, { reader, tree, space, files: filesIn(tree, space, defaultLimits) }, given, values)
      return exitCodes.done
    } finally {
      reader.close()
    }
  },
})

const verbs: { readonly [verb: string]: Verb } = {
  async list(context, sight, [prefix = ''], { glob, removed }) {
    const entries = await listed(context, sight, prefix, { removed, ...(glob === undefined ? {} : { glob }) })
    const rows = entries.map(({ path, version, bytes: size, at, removed: isGone = false }) => [
      String(version),
      new Date(at).toISOString(),
      isGone ? 'removed' : bytes(size),
      oneLine(path),
    ])
    show(context, ['VERSION', 'WRITTEN', 'SIZE', 'PATH'], rows, entries)
    if (entries.length === 0) context.note('no file')
  },
  show(context, { files: own }, [path], { version, at }) {
    const asked = pathOf('show', path)
    const ms = timeOf(at)
    if (version !== undefined && ms !== undefined) throw usageError('files show takes --version or --at, not both')
    const then = ms === undefined ? undefined : [...own.versions(asked)].find((one) => one.at <= ms)
    if (ms !== undefined && (then === undefined || then.removed))
      throw new PolityError('NO_SUCH_FILE', `there was no file "${path}" at ${new Date(ms).toISOString()}`)
    const found = own.read(asked, then?.version ?? version)
    if (found.encoding === 'base64' && !context.isJson) {
      if (context.out.isTerminal)
        throw new PolityError(
          'INVALID_ARGUMENT',
          `"${path}" is not text; send it to a file (> ${basename(asked)}), or take --json, which prints it in base64`,
        )
      context.status.clear()
      return context.out.write(Buffer.from(found.content, 'base64'))
    }
    context.result(shownIn(context.out, found.content.replace(/\n$/, '')), found)
  },
  versions(context, { files: own }, [path]) {
    const found = [...own.versions(pathOf('versions', path))]
    if (found.length === 0) throw new PolityError('NO_SUCH_FILE', `there is no file "${path}"`)
    const rows = found.map((one) => [
      String(one.version),
      new Date(one.at).toISOString(),
      one.removed ? 'removed' : bytes(one.bytes),
      String(one.pid),
      one.labels.join(' '),
    ])
    show(context, ['VERSION', 'WRITTEN', 'SIZE', 'BY', 'LABELS'], rows, found)
  },
  diff(context, { files: own }, [path], { version, from }) {
    const asked = pathOf('diff', path)
    const to = version ?? own.read(asked).version
    const since = from ?? [...own.versions(asked, to)].find(({ removed }) => !removed)?.version
    if (since === undefined) throw new PolityError('NO_SUCH_FILE', `"${path}" has no version before ${to}`)
    const diff = own.diff(asked, since, to)
    context.result(shownIn(context.out, diff.replace(/\n$/, '')), { path: asked, from: since, to, diff })
  },
  async grep(context, sight, [text, prefix = ''], { glob, regex }) {
    if (text === undefined) throw usageError('files grep takes a text: polity files grep 17 budget')
    const entries = await listed(context, sight, prefix, { grep: text, regex, ...(glob === undefined ? {} : { glob }) })
    const lines = entries.flatMap(({ path, lines: found = [] }) =>
      found.map((one) => `${oneLine(path)}:${one.line}: ${shownIn(context.out, one.text)}`),
    )
    context.result(lines.join('\n'), entries)
    if (entries.length === 0) context.note('no file has a line with that')
  },
  async search(context, sight, [words, prefix = ''], { limit = SEARCH_LIMIT }) {
    if (words === undefined) throw usageError('files search takes words: polity files search 17 "the budget of May"')
    const found = await search(context, sight, words, prefix, limit)
    context.result(found.map(({ path, line, text }) => `${oneLine(path)}:${line}: ${oneLine(text)}`).join('\n'), found)
    if (found.length === 0) context.note('no file has these words')
  },
}

function timeOf(at: string | undefined): number | undefined {
  const ms = at === undefined ? undefined : Date.parse(at)
  if (Number.isNaN(ms)) throw usageError(`--at takes a time such as 2026-01-31T12:00:00Z, not ${JSON.stringify(at)}`)
  return ms
}

function listed(
  context: Context,
  { tree, space }: Sight,
  prefix: string,
  options: { glob?: string; grep?: string; regex?: boolean; removed?: boolean },
): Promise<readonly FileEntry[]> {
  checkPatterns(options)
  const limits = { ...defaultLimits, listPathsMax: Infinity, valueBytesMax: Infinity }
  const work = listFiles(tree, { space, quota: undefined }, { ...options, prefix }, limits)
  return Promise.resolve(runThrough(work, turnsOf(context))).then(({ entries }) => entries)
}

function turnsOf({ interrupted }: Context): Turns {
  return { pause: () => nextTurn(), isOpen: () => !interrupted.aborted }
}

interface Found {
  readonly path: string
  readonly line: number
  readonly endLine: number
  readonly text: string
  readonly score: number
}

/** The best passage of each file. What the store cannot be given here, their words, is gathered beside it. */
async function search(
  context: Context,
  { tree, space }: Sight,
  query: string,
  prefix: string,
  limit: number,
): Promise<Found[]> {
  const store = memoryStore()
  try {
    let puts: Put[] = []
    const journal = {
      putAlone: (put: Put): void => void puts.push(put),
      flush: async (): Promise<void> => {
        await store.commit({ events: [], puts })
        puts = []
      },
    }
    const work = createFileSearch({ store, tree, journal }).find({ space, quota: undefined }, prefix, query, limit)
    const { entries } = await runThrough(work, turnsOf(context))
    return entries.flatMap(({ path, passages: [best] = [], score = 0 }) =>
      best === undefined ? [] : [{ path, ...best, score }],
    )
  } finally {
    store.close()
  }
}

async function rollback(context: Context, pid: Pid, [path]: readonly string[], values: Values): Promise<number> {
  const { version, at, snapshot } = values
  const ms = timeOf(at)
  const point: FilesPoint = {
    ...(path === undefined ? {} : { path }),
    ...(version === undefined ? {} : { version }),
    ...(ms === undefined ? {} : { at: ms }),
    ...(snapshot === undefined ? {} : { snapshot }),
  }
  if ([version, ms, snapshot].filter((one) => one !== undefined).length !== 1)
    throw usageError('files rollback takes one of --version, --at, --snapshot')
  const entry = await wishOr(context, { command: 'restore-files', pid, text: JSON.stringify(point) }, (kernel) =>
    kernel.restoreFiles(pid, point),
  )
  const isGone = entry.removed === true
  const what =
    entry.files === undefined
      ? `${oneLine(entry.path)} is as it was${isGone ? ': removed, there was none' : ''}`
      : `${counted(entry.files, 'file')} ${isGone ? 'removed: there was none of them' : 'changed back'}`
  context.result(`${what} (version ${entry.version})`, entry)
  return exitCodes.done
}

function pathOf(verb: string, path: string | undefined): string {
  if (path === undefined) throw usageError(`files ${verb} takes a path: polity files ${verb} 17 notes/today.md`)
  return path
}

/** A path is more than when it was written; when a version was written is more than its size. */
const columnOf: { readonly [title: string]: Partial<Column> } = {
  VERSION: { align: 'right' },
  WRITTEN: { widthMin: 16 },
  SIZE: { align: 'right', rank: 1 },
  PATH: { widthMin: 12 },
  BY: { rank: 2 },
  LABELS: { widthMin: 8, rank: 3 },
}

function show(context: Context, titles: readonly string[], rows: readonly (readonly string[])[], value: unknown): void {
  const columns = titles.map((title): Column => ({ title, ...columnOf[title] }))
  const lines = rows.length === 0 ? [] : table(columns, rows, roomOf(context.out))
  context.result(lines.join('\n'), value)
}
