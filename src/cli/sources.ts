/**
 * Sources: the folders and files that a question is asked of, as the tools `search`, `read` and `list`.
 *
 *     const sources = await openSources(['docs', 'README.md'], { indexFolder: '.polity/index', onProgress })
 *     boot({ tools: sources.tools })
 *     sources.place('README.md')          // the path as a person can open it from where they stand
 *
 * One folder is searched as it is. Of several, each has a name of its own under which its paths begin; hits of each are taken in
 * turn, because scores of two indexes do not compare. A single file is indexed and read from a copy beside the index,
 * made again when the file changes (a link would keep the old text when an editor replaces the file).
 *
 * Invariants
 *   S1. What is not under a given folder and is not a given file cannot be read, listed or found.
 */
import { createHash } from 'node:crypto'
import type { Stats } from 'node:fs'
import { copyFileSync, mkdirSync, readdirSync, realpathSync, rmSync, statSync, utimesSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { FolderIndex, IndexProgress, IndexReport, SearchHit } from '../drivers/folder/folder-index.ts'
import { openFolderIndex } from '../drivers/folder/folder-index.ts'
import { folderTools, readLines } from '../drivers/folder/tools.ts'
import type { SkipCounts } from '../drivers/folder/walk.ts'
import type { FolderWatch, FolderWatchOptions } from '../drivers/folder/watch.ts'
import { watchFolder } from '../drivers/folder/watch.ts'
import { emptySkips } from '../drivers/folder/walk.ts'
import type { Clock } from '../kernel/clock.ts'
import { PolityError, messageOf } from '../kernel/errors.ts'
import type { Tool } from '../kernel/types.ts'
import { bytes, counted, duration } from './amounts.ts'
import { fromHere } from './place.ts'
import { isNoSpace } from './report.ts'

export interface SourcesOptions {
  /** Folder of the index files. */
  readonly indexFolder: string
  readonly clock: Clock
  readonly signal?: AbortSignal
  /** Called as a source is indexed. */
  readonly onProgress?: (source: string, progress: IndexProgress) => void
  /** Told of what keeps a watched index from following its files, in a sentence; once, until it follows them again. @default nothing */
  readonly onProblem?: (text: string) => void
}

export interface Sources {
  readonly tools: readonly Tool[]
  /** What was read, indexed and left out, in a sentence. */
  readonly summary: string
  readonly report: SourcesReport
  /** A path of the tools as it can be opened from the working directory. */
  place(path: string): string
  /** From now on the indexes follow what happens to the files; a single file is read again when it is named again. */
  watch(): void
  close(): void
}

/** Of all folders and files together. */
export interface SourcesReport {
  readonly files: number
  readonly bytes: number
  /** Of them, those that were new or had changed. */
  readonly indexed: number
  /** Files that were not read, by reason. */
  readonly leftOut: SkipCounts
}

interface Source {
  /** What its paths begin with, in the tools: '' where there is one folder. */
  readonly prefix: string
  readonly index: FolderIndex
  /** Absolute: the folder, or for a single file the folder that it stands in. */
  readonly folder: string
  /** For a single file: its name, in its folder and in the tools. */
  readonly file: string | undefined
}

export async function openSources(paths: readonly string[], options: SourcesOptions): Promise<Sources> {
  const startedAt = options.clock.now()
  const sources: Source[] = []
  try {
    for (const path of new Set(paths.map((path) => resolve(path)))) {
      sources.push(await openSource(path, paths.length === 1, new Set(sources.map(({ prefix }) => prefix)), options))
    }
  } catch (error) {
    for (const { index } of sources) index.close()
    throw error
  }
  const report = reportOf(sources)
  const watches: FolderWatch[] = []
  return {
    tools: toolsOf(sources) as unknown as readonly Tool[],
    summary: summaryOf(sources, report, options.clock.now() - startedAt),
    report,
    place(path) {
      const { source, inside } = sourceOf(sources, path) ?? {}
      return source === undefined || inside === undefined ? path : fromHere(join(source.folder, inside))
    },
    watch() {
      for (const { index, file, folder } of sources)
        if (file === undefined) watches.push(watchFolder(index, { clock: options.clock, ...telling(folder, options) }))
    },
    close() {
      for (const one of watches) one.close()
      for (const { index } of sources) index.close()
    },
  }
}

/** Who hears of a watch: the same problem once, until the index has followed its files again. */
function telling(folder: string, { onProblem }: SourcesOptions): Pick<FolderWatchOptions, 'onReport' | 'onError'> {
  const told = new Set<string>()
  return {
    onReport: () => told.clear(),
    onError(error) {
      const message = messageOf(error)
      if (told.has(message)) return
      told.add(message)
      onProblem?.(`the index of ${fromHere(folder)} is behind its files for now, and goes on trying: ${message}`)
    },
  }
}

/** Whether they can be opened, before anything is made for them. Throws `CONFIG_INVALID`. */
export function checkSources(paths: readonly string[]): void {
  for (const path of paths) statOf(resolve(path))
}

function statOf(path: string): Stats {
  const shown = fromHere(path)
  let stat
  try {
    stat = statSync(path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    throw wrong(
      code === 'ENOENT' || code === 'ENOTDIR'
        ? `there is no folder or file ${shown}; --in names the folder to read`
        : `${shown} cannot be read: ${messageOf(error)}`,
      error,
    )
  }
  if (!stat.isDirectory() && !stat.isFile())
    throw wrong(`${shown} is neither a folder nor a file; --in names the folder to read`)
  return stat
}

async function openSource(
  path: string,
  isAlone: boolean,
  taken: ReadonlySet<string>,
  { indexFolder, signal, onProgress }: SourcesOptions,
): Promise<Source> {
  const shown = fromHere(path)
  const stat = statOf(path)
  const name = basename(path) || 'root'
  const stem = `${name
    .replace(/[^\w.-]+/g, '-')
    .replace(/^\.+/, '')
    .slice(0, 40)}-${createHash('sha256').update(realpathSync(path)).digest('hex').slice(0, 12)}`
  const file = stat.isFile() ? name : undefined
  try {
    const root = file === undefined ? path : copyOf(path, join(indexFolder, `${stem}.copy`))
    const index = await openFolderIndex(root, {
      indexPath: join(indexFolder, `${stem}.index`),
      ...(signal === undefined ? {} : { signal }),
      ...(onProgress === undefined ? {} : { onProgress: (progress) => onProgress(shown, progress) }),
    })
    if (index.report().files === 0) {
      index.close()
      throw wrong(emptySentence(shown, file !== undefined, index))
    }
    return {
      prefix: file === undefined && isAlone ? '' : freeName(name, taken),
      index,
      folder: file === undefined ? path : dirname(path),
      file,
    }
  } catch (error) {
    if (PolityError.isInstance(error) || signal?.aborted === true) throw error
    if (isNoSpace(error))
      throw new PolityError(
        'STORE_FAILED',
        `there is no space left for the index of ${shown} under ${indexFolder}; free some, or keep store and index elsewhere with --store`,
        { cause: error },
      )
    throw wrong(`${shown} cannot be indexed under ${indexFolder}: ${messageOf(error)}`, error)
  }
}

/** A folder with a copy of one file in it, made again when the file changes. */
function copyOf(path: string, folder: string): string {
  const to = join(folder, basename(path).replace(/^\.+/, '_'))
  const stat = statSync(path)
  mkdirSync(folder, { recursive: true })
  for (const name of readdirSync(folder)) if (join(folder, name) !== to) rmSync(join(folder, name))
  const copied = statSync(to, { throwIfNoEntry: false })
  if (copied === undefined || copied.size !== stat.size || Math.abs(copied.mtimeMs - stat.mtimeMs) > 1) {
    copyFileSync(path, to)
    utimesSync(to, stat.atime, stat.mtime)
  }
  return folder
}

function emptySentence(shown: string, isFile: boolean, index: FolderIndex): string {
  const { skips } = index.report()
  if (isFile)
    return skips.tooLarge > 0
      ? `${shown} is larger than the 16 MiB that are read of one file`
      : `${shown} is not a text file; expected text, Markdown or source code`
  const left = leftOutOf(skips, ['hidden'])
  return `${shown} holds no text files${left === '' ? ': it is empty' : ` (left out: ${left})`}; --in names the folder to read`
}

function freeName(name: string, taken: ReadonlySet<string>): string {
  let free = name
  for (let n = 2; taken.has(free); n++) free = `${name}-${n}`
  return free
}

/** What is left out, and how it is called. Hidden files are meant to be, and so are links to what is read anyway. */
const leftOutNames: Readonly<Partial<Record<keyof SkipCounts, string>>> = {
  binary: 'binary',
  tooLarge: 'over 16 MiB',
  unreadable: 'unreadable',
  linkOutside: 'linked from elsewhere',
  beyondLimit: 'beyond the first 200,000',
}

function leftOutOf(skips: SkipCounts, more: readonly (keyof SkipCounts)[] = []): string {
  return [...(Object.keys(leftOutNames) as (keyof SkipCounts)[]), ...more]
    .filter((reason) => skips[reason] > 0)
    .map((reason) => `${skips[reason].toLocaleString('en-US')} ${leftOutNames[reason] ?? reason}`)
    .join(', ')
}

function reportOf(sources: readonly Source[]): SourcesReport {
  const reports = sources.map(({ index }) => index.report())
  const sum = (count: (report: IndexReport) => number): number =>
    reports.reduce((total, report) => total + count(report), 0)
  const leftOut = emptySkips()
  for (const reason of Object.keys(leftOut) as (keyof SkipCounts)[]) leftOut[reason] = sum(({ skips }) => skips[reason])
  return {
    files: sum(({ files }) => files),
    bytes: sum((report) => report.bytes),
    indexed: sum(({ indexed }) => indexed),
    leftOut,
  }
}

function summaryOf(
  sources: readonly Source[],
  { files, bytes: size, indexed, leftOut }: SourcesReport,
  tookMs: number,
): string {
  const names = sources.map(({ folder, file }) => fromHere(file === undefined ? folder : join(folder, file))).join(', ')
  const left = leftOutOf(leftOut)
  return `reading ${names}: ${counted(files, 'file')}, ${bytes(size)}${indexed === 0 ? '' : `; ${indexed} indexed in ${duration(tookMs)}`}${left === '' ? '' : `; left out: ${left}`}`
}

// ---------------------------------------------------------------------------------------------------------- the tools

/** The tools of any sources as they are declared, without a folder: for a replay, where what they gave comes from the journal. */
export function declaredTools(): readonly Tool[] {
  return folderTools(NO_INDEX).map((tool) =>
    Object.assign(tool, {
      execute: () => Promise.reject(new Error(`a replay executes no tool, and was to execute ${tool.name}`)),
    }),
  ) as unknown as readonly Tool[]
}

/** Only what executes looks at an index. */
const NO_INDEX = Object.freeze({}) as FolderIndex

/** The source of a path of the tools, and the path inside it. */
function sourceOf(sources: readonly Source[], path: string): { source: Source; inside: string } | undefined {
  for (const source of sources) {
    if (source.file !== undefined) {
      if (path === source.prefix) return { source, inside: source.file }
    } else if (source.prefix === '') return { source, inside: path }
    else if (path.startsWith(`${source.prefix}/`)) return { source, inside: path.slice(source.prefix.length + 1) }
  }
  return undefined
}

function toolsOf(sources: readonly Source[]): readonly unknown[] {
  const [first] = sources
  if (first === undefined) return []
  if (sources.length === 1 && first.file === undefined) return folderTools(first.index)
  const together: FolderIndex = {
    ...first.index,
    async search(query, options = {}) {
      const found = await Promise.all(
        sources.map(async (source) =>
          (await source.index.search(query, options)).map((hit) =>
            Object.assign(hit, { path: nameOf(source, hit.path) }),
          ),
        ),
      )
      return inTurn(found).slice(0, options.limit ?? HITS_DEFAULT)
    },
    list({ prefix = '', limit = PATHS_DEFAULT } = {}) {
      const paths = sources.flatMap((source) =>
        source.index.list({ limit: PATHS_MAX }).map((path) => nameOf(source, path)),
      )
      return paths
        .filter((path) => path.startsWith(prefix))
        .toSorted()
        .slice(0, limit)
    },
  }
  const [search, read, list] = folderTools(together)
  return [
    search,
    {
      ...read,
      async execute(
        { path, from, to }: { path: string; from?: number | undefined; to?: number | undefined },
        { signal }: { signal?: AbortSignal } = {},
      ) {
        const place = sourceOf(sources, path)
        if (place === undefined)
          throw new Error(
            `There is no file ${JSON.stringify(path)} here; paths begin with ${sources.map(({ prefix }) => prefix).join(' or ')}.`,
          )
        const { source, inside } = place
        const lines = {
          path: source.file === undefined ? inside : (source.index.list({ limit: 1 })[0] ?? inside),
          ...(from === undefined ? {} : { from }),
          ...(to === undefined ? {} : { to }),
        }
        return { ...(await readLines(source.index.root, lines, signal)), path }
      },
    },
    list,
  ]
}

const HITS_DEFAULT = 10
const PATHS_DEFAULT = 200
const PATHS_MAX = 1_000

function nameOf({ prefix, file }: Source, path: string): string {
  return file === undefined ? `${prefix}/${path}` : prefix
}

/** The first of each, the second of each, and so on. */
function inTurn(lists: readonly (readonly SearchHit[])[]): SearchHit[] {
  const turns: SearchHit[] = []
  for (let at = 0; lists.some((list) => at < list.length); at++) turns.push(...lists.flatMap((list) => list[at] ?? []))
  return turns
}

function wrong(message: string, cause?: unknown): PolityError {
  return new PolityError('CONFIG_INVALID', message, cause === undefined ? {} : { cause })
}
