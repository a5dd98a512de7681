/**
 * The folder index: full-text search over the text files under a root, kept in one SQLite FTS5 file.
 *
 *     const index = await openFolderIndex('docs', { indexPath: '/tmp/docs.index' })
 *     const hits = await index.search('how are budgets reserved')
 *     index.close()
 *
 * The index holds words and places, not text: a hit's text is read from its file by byte offset. It takes about as much room as the files (bench/folder-index.ts). A later open compares path, size and
 * time of change with what the index knows and reads only files that differ.
 *
 * How two processes share one index: a first build goes to a private file that is linked into place (the first to finish wins, the other takes over the winner's); updates are short
 * transactions in WAL mode, retried without blocking the event loop.
 *
 * Invariants
 *   F1. Search text is never parsed as FTS syntax: words are taken out of it and quoted.
 *   F2. A hit's text is what stands in the file now: a hit in a file that changed since is indexed again before it is returned.
 *   F3. An index that is corrupt, of another version or of another root is deleted and built again, of the folder as it is then;
 *       once, however many searches and refreshes meet the damage together. Where that fails, the next of them tries again.
 *
 * Limits: words are found by the `porter unicode61` tokenizer, which stems English; scripts without spaces are cut into words before it (segments.ts). Files in UTF-16 hold NUL bytes and count as binary.
 */
import { lstat, open, realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { makeFolder } from '../make-folder.ts'
import type { DatabaseSync } from 'node:sqlite'
import { build, isCorrupt, openExisting, removeIndex, update } from './index-store.ts'
import { isHiddenPath, walk, type SkipCounts, type WalkedFile } from './walk.ts'
import { searchWords } from './words.ts'

export interface FolderIndexOptions {
  /** Where the index file stands. Its folder is made when missing. */
  readonly indexPath: string
  /** Larger files are skipped and counted. In bytes, at least 1. @default 16 MiB */
  readonly fileBytesMax?: number
  /** Files beyond this count are skipped and counted. At least 1. @default 200_000 */
  readonly filesMax?: number
  /** Called as indexing goes on, at most once a slice, and once at the end. */
  readonly onProgress?: (progress: IndexProgress) => void
  /** Ends indexing early; the open then rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

export interface IndexProgress {
  /** Files that needed indexing and are done. */
  readonly files: number
  /** Bytes of those files. */
  readonly bytes: number
  /** Bytes of all files that need indexing: new and changed ones. */
  readonly totalBytes: number
}

/** What an open or a refresh found and did. */
export interface IndexReport {
  /** Text files in the index now. */
  readonly files: number
  /** Their bytes. */
  readonly bytes: number
  /** Passages in the index now. */
  readonly passages: number
  /** Files indexed this time. */
  readonly indexed: number
  /** Files taken out because they are gone or no longer text. */
  readonly removed: number
  /** True when a whole index was built: none was there, or it was corrupt or of another root or version. */
  readonly built: boolean
  readonly skips: SkipCounts
}

export interface SearchHit {
  /** Relative to the root, with `/`. */
  readonly path: string
  /** First line of the passage, 1-based. */
  readonly line: number
  /** Last line of the passage, inclusive. */
  readonly endLine: number
  /** Markdown headings above the passage, outermost first, joined with ` > `; absent when there is none. */
  readonly heading?: string
  /** The passage as it stands in the file, lines joined with `\n`. */
  readonly text: string
  /** Relevance (bm25); higher is better, comparable only within one search. */
  readonly score: number
}

export interface FolderIndex {
  /** The real absolute path of the folder. */
  readonly root: string
  /** The report of the open or of the latest refresh. */
  readonly report: () => IndexReport
  /** The passages that fit a free-text query best. `limit` is clamped to 1 … 50. @default 10 */
  readonly search: (query: string, options?: { limit?: number; signal?: AbortSignal }) => Promise<SearchHit[]>
  /** Paths in the index that begin with `prefix`, sorted. `limit` is clamped to 1 … 1_000. @default 200 */
  readonly list: (options?: { prefix?: string; limit?: number }) => string[]
  /** Looks for changed, new and deleted files again; with `paths`, only at those files, which are read in any case. */
  readonly refresh: (paths?: readonly string[]) => Promise<IndexReport>
  readonly close: () => void
}

const noChanges = { indexed: 0, removed: 0, unreadable: 0 }
/** Passages whose file changed under a search lead to at most this many rounds of indexing again. */
const staleRoundsMax = 2
/** A search ranks at most about this many passages; the commonest words are dropped beyond. About 50 ms. */
const rowsRankedMax = 30_000
/** Weights of the columns path, heading and body in bm25. */
const columnWeights = '0.4, 1.6, 1.0'
const temporaryTables = `
  CREATE VIRTUAL TABLE IF NOT EXISTS temp.queryWords USING fts5(word, tokenize='porter unicode61 remove_diacritics 2');
  CREATE VIRTUAL TABLE IF NOT EXISTS temp.queryTerms USING fts5vocab('temp', 'queryWords', 'instance');
  CREATE VIRTUAL TABLE IF NOT EXISTS temp.wordCounts USING fts5vocab('main', 'words', 'row');
`

/** Opens the index of a folder, building or updating it first. */
export async function openFolderIndex(folder: string, options: FolderIndexOptions): Promise<FolderIndex> {
  const fileBytesMax = atLeastOne('fileBytesMax', options.fileBytesMax ?? 16 * 1024 * 1024)
  const filesMax = atLeastOne('filesMax', options.filesMax ?? 200_000)
  const indexPath = resolve(options.indexPath)
  const root = await realpath(folder).catch((error: unknown) => {
    throw new Error(`There is no folder ${folder}.`, { cause: error })
  })
  makeFolder(dirname(indexPath))
  const realIndexPath = join(await realpath(dirname(indexPath)), basename(indexPath))
  const except = new Set(['', '-wal', '-shm', '-journal'].map((suffix) => realIndexPath + suffix))
  const look = () =>
    walk(root, { fileBytesMax, filesMax, except, ...(options.signal ? { signal: options.signal } : {}) })

  let walked = await look()
  let database = openExisting(realIndexPath, root)
  let built = false
  if (database === undefined) {
    await build(realIndexPath, root, walked.files, options)
    database = openExisting(realIndexPath, root)
    if (database === undefined) throw new Error(`The index ${realIndexPath} was built and could not be opened again.`)
    built = true
  }
  let changes = noChanges
  let writing: Promise<unknown> = Promise.resolve()
  let isClosed = false
  let report: IndexReport
  try {
    changes = await update(database, root, walked.files, options)
    report = reportOf()
  } catch (error) {
    database.close()
    if (!isCorrupt(error)) throw error
    database = await rebuild()
    report = reportOf()
  }

  /** One update at a time: a connection has one transaction. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = writing.then(work, work)
    writing = done.catch(() => undefined)
    return done
  }

  /** The connection, or a clear error after `close`. It is not open where the index could not be built again. */
  function connection(): DatabaseSync {
    if (isClosed || database === undefined) throw new Error(`The index of ${root} is closed.`)
    return database
  }

  /** A new index of what is in the folder now, in place of a damaged one. */
  async function rebuild(): Promise<DatabaseSync> {
    walked = await look()
    changes = noChanges
    await removeIndex(realIndexPath)
    await build(realIndexPath, root, walked.files, options)
    const fresh = openExisting(realIndexPath, root)
    if (fresh === undefined) throw new Error(`The index ${realIndexPath} is corrupt and could not be built again.`)
    built = true
    return fresh
  }

  function isDamage(error: unknown, connected: DatabaseSync): boolean {
    return isCorrupt(error) || (!isClosed && !connected.isOpen)
  }

  /** Builds the index again, in its turn, unless another who met the same damage has. */
  async function renew(damaged: DatabaseSync): Promise<void> {
    if (connection() !== damaged) return
    if (damaged.isOpen) damaged.close()
    database = await rebuild()
    if (isClosed) database.close() // in the meantime
    report = reportOf()
  }

  function reportOf(): IndexReport {
    const db = connection()
    const totals = db
      .prepare('SELECT count(*) AS files, coalesce(sum(size), 0) AS bytes FROM files WHERE text = 1')
      .get() as { files: number; bytes: number }
    const passages = (db.prepare('SELECT count(*) AS n FROM passages').get() as { n: number }).n
    const binary = (db.prepare('SELECT count(*) AS n FROM files WHERE text = 0').get() as { n: number }).n
    const indexed = built ? totals.files : changes.indexed
    return {
      ...totals,
      passages,
      indexed,
      removed: changes.removed,
      built,
      skips: { ...walked.skips, binary, unreadable: walked.skips.unreadable + changes.unreadable },
    }
  }

  function refresh(paths?: readonly string[]): Promise<IndexReport> {
    return inTurn(async () => {
      const connected = connection()
      built = false
      try {
        // The bound on files is kept by a walk alone.
        if (paths !== undefined && report.files + paths.length <= filesMax) {
          const there = await filesAt(root, paths, fileBytesMax, except)
          changes = await update(connected, root, there, options, paths)
        } else {
          walked = await look()
          changes = await update(connected, root, walked.files, options)
        }
        report = reportOf()
      } catch (error) {
        if (!isDamage(error, connected)) throw error
        await renew(connected)
      }
      return report
    })
  }

  async function search(
    query: string,
    { limit = 10, signal }: { limit?: number; signal?: AbortSignal } = {},
  ): Promise<SearchHit[]> {
    signal?.throwIfAborted()
    const words = searchWords(query)
    if (words.length === 0) return []
    for (let round = 0; ; round++) {
      const connected = connection()
      let rows: HitRow[]
      try {
        const kept = affordableWords(connected, words, report.passages)
        rows = hitRows(connected, kept.map((word) => `"${word}"`).join(' OR '), clamp(limit, 1, 50))
      } catch (error) {
        if (!isDamage(error, connected) || round >= staleRoundsMax) throw error
        await inTurn(() => renew(connected))
        continue
      }
      const hits = await Promise.all(rows.map((row) => readHit(root, row)))
      signal?.throwIfAborted()
      const stale = [...new Set(rows.filter((_, index) => hits[index] === undefined).map((row) => row.path))]
      if (stale.length > 0 && round < staleRoundsMax) {
        await inTurn(async () => {
          const now = await nowOf(root, stale)
          const current = connection()
          await update(current, root, now, {}, stale).catch((error: unknown) => {
            if (!isDamage(error, current)) throw error
            return renew(current)
          })
        })
        continue
      }
      return hits.filter((hit) => hit !== undefined)
    }
  }

  function list({ prefix = '', limit = 200 }: { prefix?: string; limit?: number } = {}): string[] {
    const connected = connection()
    if (!connected.isOpen) throw new Error(`The index of ${root} was damaged and is being built again. Search first.`)
    const rows = connected
      .prepare('SELECT path FROM files WHERE text = 1 AND substr(path, 1, ?) = ? ORDER BY path LIMIT ?')
      .all([...prefix].length, prefix, clamp(limit, 1, 1_000)) as unknown as { path: string }[]
    return rows.map((row) => row.path)
  }

  function close(): void {
    isClosed = true
    if (database?.isOpen) database.close()
  }

  return { root, report: () => report, search, list, refresh, close }
}

/**
 * Of the words of a query, those that can be ranked in time: the rarest ones, as long as together they match at most `rowsRankedMax` passages. A search runs without a pause,
 * so the commonest words, which say least, are what it can do without. The tokenizer itself says which terms a word becomes.
 */
function affordableWords(database: DatabaseSync, words: readonly string[], passages: number): readonly string[] {
  if (words.length < 2 || passages * words.length <= rowsRankedMax) return words
  database.exec(temporaryTables)
  const insert = database.prepare('INSERT INTO temp.queryWords(rowid, word) VALUES(?, ?)')
  for (const [index, word] of words.entries()) insert.run(index + 1, word)
  const terms = database.prepare('SELECT doc, term FROM temp.queryTerms').all() as unknown as {
    doc: number
    term: string
  }[]
  database.exec('DELETE FROM temp.queryWords')
  const count = database.prepare('SELECT doc FROM temp.wordCounts WHERE term = ?')
  const costs = words.map((word, index) => {
    const counts = terms
      .filter((each) => each.doc === index + 1)
      .map(({ term }) => (count.get(term) as { doc: number } | undefined)?.doc ?? 0)
    return { word, passages: counts.length === 0 ? 0 : Math.min(...counts) }
  })
  costs.sort((a, b) => a.passages - b.passages)
  let total = 0
  const kept = costs.filter(
    (each) => each.passages > 0 && ((total += each.passages) <= rowsRankedMax || total === each.passages),
  )
  return kept.length > 0 ? kept.map((each) => each.word) : words.slice(0, 1)
}

interface HitRow {
  readonly path: string
  readonly size: number
  readonly mtimeMs: number
  readonly line: number
  readonly endLine: number
  readonly byteOffset: number
  readonly byteLength: number
  readonly heading: string | null
  readonly score: number
}

function hitRows(database: DatabaseSync, match: string, limit: number): HitRow[] {
  return database
    .prepare(
      `SELECT path, size, mtimeMs, line, endLine, byteOffset, byteLength, heading, score FROM
        (SELECT rowid AS id, -bm25(words, ${columnWeights}) AS score FROM words WHERE words MATCH ? ORDER BY bm25(words, ${columnWeights}) LIMIT ?) AS hit
        JOIN passages ON passages.id = hit.id JOIN files ON files.id = passages.file ORDER BY score DESC, path, line`,
    )
    .all(match, limit) as unknown as HitRow[]
}

/** The text of a hit, or undefined when its file is not what was indexed. */
async function readHit(root: string, row: HitRow): Promise<SearchHit | undefined> {
  const file = await open(join(root, row.path), 'r').catch(() => undefined)
  if (file === undefined) return undefined
  try {
    const stat = await file.stat()
    if (stat.size !== row.size || stat.mtimeMs !== row.mtimeMs) return undefined
    const bytes = Buffer.allocUnsafe(row.byteLength)
    const { bytesRead } = await file.read(bytes, 0, row.byteLength, row.byteOffset)
    if (bytesRead !== row.byteLength) return undefined
    const text = bytes.toString('utf8').replaceAll('\r\n', '\n')
    return {
      path: row.path,
      line: row.line,
      endLine: row.endLine,
      ...(row.heading ? { heading: row.heading } : {}),
      text,
      score: row.score,
    }
  } finally {
    await file.close()
  }
}

/** The present state of some files of the index; those that are gone are left out. */
async function nowOf(root: string, paths: readonly string[]): Promise<WalkedFile[]> {
  const found: WalkedFile[] = []
  for (const path of paths) {
    const file = await open(join(root, path), 'r').catch(() => undefined)
    if (file === undefined) continue
    const stat = await file.stat().finally(() => file.close())
    if (stat.isFile()) found.push({ path, size: stat.size, mtimeMs: stat.mtimeMs })
  }
  return found
}

/** Of some paths, those at which there is a file that a walk would list, as it is now. */
async function filesAt(
  root: string,
  paths: readonly string[],
  fileBytesMax: number,
  except: ReadonlySet<string>,
): Promise<WalkedFile[]> {
  const found: WalkedFile[] = []
  for (const path of paths) {
    if (isHiddenPath(path) || except.has(join(root, path))) continue
    const stat = await lstat(join(root, path)).catch(() => undefined)
    if (stat?.isFile() === true && stat.size <= fileBytesMax)
      found.push({ path, size: stat.size, mtimeMs: stat.mtimeMs })
  }
  return found
}

function atLeastOne(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new RangeError(`${name} must be a whole number of at least 1, and is ${value}.`)
  return value
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, Math.trunc(value) || low))
}
