/**
 * The store under the folder index: one SQLite FTS5 file, and how it is built, updated, opened and thrown away. Knows nothing of searching.
 *
 *     await build(indexPath, root, files, {})            // a whole index, in a private file that is then linked into place
 *     const database = openExisting(indexPath, root)     // or undefined when it is not a good index of this root
 *     await update(database, root, files, {})            // indexes what differs, takes out what is gone
 *
 * Invariants
 *   FS1. No more than about `sliceBytes` of text is indexed between two returns to the event loop.
 *   FS2. A reader of the index never sees half a file: files and their passages change in one transaction.
 *   FS3. A build that fails or is aborted leaves nothing behind; an update that does leaves the index as it was at its last commit.
 *   FS4. Nothing is ever deleted by opening.
 */
import { readFile, link, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import type { FolderIndexOptions } from './folder-index.ts'
import { cutPassages, isMarkdown } from './passages.ts'
import { spaced } from './segments.ts'
import type { WalkedFile } from './walk.ts'

/** Bytes of text indexed between two returns to the event loop; about 10 ms of work. */
const sliceBytes = 64 * 1024
/** Bytes indexed in one update transaction, so that another process waits for the lock about a second at most. */
const transactionBytes = 8 * 1024 * 1024
/** Pause between two attempts to write an index that another process writes, ms. */
const busyPauseMs = 25
/** Attempts after the first; with the pauses, an index is waited for as long as `busyMs`. */
const busyRetriesMax = 400
/** Pages of 4 kB that one step of the final merge may write. */
const mergePages = 24
const indexVersion = 5

const schema = `
  CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE files(id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, mtimeMs REAL NOT NULL, text INTEGER NOT NULL,
    firstPassage INTEGER NOT NULL, lastPassage INTEGER NOT NULL);
  CREATE TABLE passages(id INTEGER PRIMARY KEY, file INTEGER NOT NULL, line INTEGER NOT NULL, endLine INTEGER NOT NULL,
    byteOffset INTEGER NOT NULL, byteLength INTEGER NOT NULL, heading TEXT);
  CREATE VIRTUAL TABLE words USING fts5(path, heading, body, content='', contentless_delete=1, tokenize='porter unicode61 remove_diacritics 2');
  INSERT INTO words(words, rank) VALUES('automerge', 0), ('crisismerge', 1900);
`

/** Builds a whole index in a private file and links it into place; when another process was first, its index stays. */
export async function build(
  indexPath: string,
  root: string,
  files: readonly WalkedFile[],
  options: Partial<FolderIndexOptions>,
): Promise<void> {
  const privatePath = `${indexPath}.${process.pid}-${++buildCount}.building`
  await rm(privatePath, { force: true })
  try {
    const database = new DatabaseSync(privatePath)
    try {
      database.exec(
        'PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -32000',
      )
      database.exec(schema)
      database.prepare("INSERT INTO meta VALUES('version', ?), ('root', ?)").run(String(indexVersion), root)
      database.exec('BEGIN')
      await indexFiles(database, root, files, options, async () => {})
      database.exec('COMMIT')
      await mergeWords(database, 'everything', options.signal)
    } finally {
      database.close()
    }
    // Written into the file while nobody else knows it: the change of mode needs the file for itself.
    const shared = new DatabaseSync(privatePath)
    shared.exec('PRAGMA journal_mode = WAL')
    shared.close()
    try {
      await link(privatePath, indexPath)
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      if (code !== 'EEXIST') await rename(privatePath, indexPath) // a file system without hard links
      else if (!isUsable(indexPath, root)) {
        await removeIndex(indexPath)
        await link(privatePath, indexPath)
      }
    }
  } catch (error) {
    throw explained(error, indexPath)
  } finally {
    await rm(privatePath, { force: true })
  }
}

let buildCount = 0

/**
 * Brings the index up to the files given: indexes what differs, takes out what is gone. `within` limits what may be taken
 * out; somebody said that these files changed, so they are indexed whatever their size and time say.
 */
export async function update(
  database: DatabaseSync,
  root: string,
  files: readonly WalkedFile[],
  options: Partial<FolderIndexOptions>,
  within?: readonly string[],
): Promise<{ indexed: number; removed: number; unreadable: number }> {
  const known = new Map<string, { id: number; size: number; mtimeMs: number }>()
  for (const row of database.prepare('SELECT id, path, size, mtimeMs FROM files').iterate())
    known.set(row['path'] as string, row as unknown as { id: number; size: number; mtimeMs: number })
  const changed = files.filter((file) => {
    if (within !== undefined) return true
    const before = known.get(file.path)
    return before === undefined || before.size !== file.size || before.mtimeMs !== file.mtimeMs
  })
  const present = new Set(files.map((file) => file.path))
  const gone = [...(within ?? known.keys())].filter((path) => known.has(path) && !present.has(path))
  if (changed.length === 0 && gone.length === 0) return { indexed: 0, removed: 0, unreadable: 0 }
  try {
    await begin(database)
    for (const [index, path] of gone.entries()) {
      forget(database, path)
      if (index % 64 === 63) await nextTurn()
    }
    const { unreadable } = await indexFiles(database, root, changed, options, async () => {
      database.exec('COMMIT')
      await begin(database)
    })
    database.exec('COMMIT')
    await mergeWords(database, 'where many', options.signal)
    database.exec('PRAGMA wal_checkpoint(PASSIVE)')
    return { indexed: changed.length - unreadable, removed: gone.length, unreadable }
  } catch (error) {
    if (database.isOpen && database.isTransaction) database.exec('ROLLBACK')
    throw explained(error, database.location() ?? '')
  }
}

/** Starts a write transaction; while another process holds the lock it waits without blocking the event loop. All writing to an index that others share begins here. */
async function begin(database: DatabaseSync): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      // SQLite's own waiting would hold the event loop. Reading keeps it: in WAL mode a read waits for no writer, only a moment for a recovery.
      database.exec('PRAGMA busy_timeout = 0')
      database.exec('BEGIN IMMEDIATE')
      return
    } catch (error) {
      if (resultCodeOf(error) !== sqliteBusy || attempt >= busyRetriesMax) throw error
    } finally {
      database.exec(`PRAGMA busy_timeout = ${busyMs}`)
    }
    await pause(busyPauseMs)
  }
}

/** Indexes files inside an open transaction. `commit` is called between files, every `transactionBytes`. */
async function indexFiles(
  database: DatabaseSync,
  root: string,
  files: readonly WalkedFile[],
  options: Partial<FolderIndexOptions>,
  commit: () => Promise<void>,
): Promise<{ unreadable: number }> {
  const insertFile = database.prepare(
    'INSERT INTO files(path, size, mtimeMs, text, firstPassage, lastPassage) VALUES(?, ?, ?, ?, 0, -1)',
  )
  const setPassages = database.prepare('UPDATE files SET firstPassage = ?, lastPassage = ? WHERE id = ?')
  const insertPassage = database.prepare(
    'INSERT INTO passages(file, line, endLine, byteOffset, byteLength, heading) VALUES(?, ?, ?, ?, ?, ?)',
  )
  const insertWords = database.prepare('INSERT INTO words(rowid, path, heading, body) VALUES(?, ?, ?, ?)')
  const totalBytes = files.reduce((sum, file) => sum + file.size, 0)
  let done = 0
  let doneFiles = 0
  let unreadable = 0
  let sinceTurn = 0
  let sinceCommit = 0
  const turn = async (): Promise<void> => {
    sinceTurn = 0
    options.onProgress?.({ files: doneFiles, bytes: done, totalBytes })
    await nextTurn()
    options.signal?.throwIfAborted()
  }
  const readAhead = readerOf(root, files)
  for (const file of files) {
    const bytes = await readAhead(file)
    forget(database, file.path)
    const isText = bytes !== undefined && !bytes.subarray(0, 8_192).includes(0)
    if (bytes !== undefined) {
      const { lastInsertRowid } = insertFile.run(file.path, file.size, file.mtimeMs, isText ? 1 : 0)
      if (isText) {
        const pathWords = pathText(file.path)
        let first: number | bigint = 0
        let last: number | bigint = -1
        for (const passage of cutPassages(bytes, isMarkdown(file.path))) {
          last = insertPassageRows(insertPassage, insertWords, lastInsertRowid, pathWords, passage, bytes)
          if (first === 0) first = last
          sinceTurn += passage.byteLength
          if (sinceTurn >= sliceBytes) await turn()
        }
        setPassages.run(first, last, lastInsertRowid)
      }
    } else unreadable++
    done += file.size
    doneFiles++
    sinceTurn += 2_000 // what a file costs, however small
    sinceCommit += file.size + 2_000
    if (sinceTurn >= sliceBytes) await turn()
    if (sinceCommit >= transactionBytes) {
      sinceCommit = 0
      await commit()
    }
  }
  options.onProgress?.({ files: doneFiles, bytes: done, totalBytes })
  return { unreadable }
}

function insertPassageRows(
  insertPassage: StatementSync,
  insertWords: StatementSync,
  file: number | bigint,
  pathWords: string,
  passage: { line: number; endLine: number; byteOffset: number; byteLength: number; heading: string },
  bytes: Buffer,
): number | bigint {
  const { line, endLine, byteOffset, byteLength, heading } = passage
  const { lastInsertRowid } = insertPassage.run(
    file,
    line,
    endLine,
    byteOffset,
    byteLength,
    heading === '' ? null : heading,
  )
  const text = bytes.toString('utf8', byteOffset, byteOffset + byteLength)
  // As many characters as bytes: plain ASCII, in which there is nothing to cut.
  insertWords.run(lastInsertRowid, pathWords, spaced(heading), text.length === byteLength ? text : spaced(text))
  return lastInsertRowid
}

/** Reads files in the order given, one ahead of the one being indexed. A file that cannot be read gives undefined. */
function readerOf(root: string, files: readonly WalkedFile[]): (file: WalkedFile) => Promise<Buffer | undefined> {
  const read = (file: WalkedFile | undefined): Promise<Buffer | undefined> =>
    file === undefined ? Promise.resolve(undefined) : readFile(join(root, file.path)).catch(() => undefined)
  let position = 0
  let ahead = read(files[0])
  return () => {
    const current = ahead
    ahead = read(files[++position])
    return current
  }
}

/** The words of a path, so that a year or a name in a file name can be searched: `docs/1862_lincoln.md` → `docs 1862 lincoln md`. */
function pathText(path: string): string {
  return spaced(path.replaceAll(/[^\p{L}\p{N}\p{M}]+/gu, ' '))
}

function forget(database: DatabaseSync, path: string): void {
  const row = database.prepare('SELECT id, firstPassage, lastPassage FROM files WHERE path = ?').get(path) as
    | { id: number; firstPassage: number; lastPassage: number }
    | undefined
  if (row === undefined) return
  // A file's passages are inserted together, so their ids are one run and need no index of their own.
  database.prepare('DELETE FROM words WHERE rowid BETWEEN ? AND ?').run(row.firstPassage, row.lastPassage)
  database.prepare('DELETE FROM passages WHERE id BETWEEN ? AND ?').run(row.firstPassage, row.lastPassage)
  database.prepare('DELETE FROM files WHERE id = ?').run(row.id)
}

/** Merges the segments that indexing left, in short steps; fewer segments make searches faster. `where many` only merges levels of four segments or more. */
async function mergeWords(
  database: DatabaseSync,
  what: 'everything' | 'where many',
  signal: AbortSignal | undefined,
): Promise<void> {
  const changes = database.prepare('SELECT total_changes() AS n')
  const countOf = (): number => (changes.get() as { n: number }).n
  let pages = what === 'everything' ? -mergePages : mergePages // a negative count asks for one merge of everything, as «optimize» does, in steps
  for (let before = countOf(); ; before = countOf()) {
    await begin(database)
    database.prepare("INSERT INTO words(words, rank) VALUES('merge', ?)").run(pages)
    database.exec('COMMIT')
    if (countOf() - before < 2) return
    pages = mergePages
    await nextTurn()
    signal?.throwIfAborted()
  }
}

const sqliteBusy = 5
const sqliteIoError = 10
const sqliteCorrupt = 11
const sqliteFull = 13
const sqliteNotADatabase = 26
const sqliteLocked = 6
/** How long an index that another process writes is waited for, ms. */
const busyMs = 10_000

/** SQLite's primary result code, or undefined when the error is not SQLite's. */
function resultCodeOf(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | undefined)?.errcode
  return typeof code === 'number' ? code & 0xff : undefined
}

export function isCorrupt(error: unknown): boolean {
  const code = resultCodeOf((error as Error | undefined)?.cause ?? error)
  return code === sqliteCorrupt || code === sqliteNotADatabase
}

/** Opens a good index of this root, or returns undefined: missing, corrupt, of another version or root. Never deletes. */
export function openExisting(indexPath: string, root: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(`file:${encodeURI(indexPath).replaceAll('?', '%3f').replaceAll('#', '%23')}?mode=rw`, {
      timeout: busyMs,
    })
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY',
    )
    const meta = new Map(
      (database.prepare('SELECT key, value FROM meta').all() as unknown as { key: string; value: string }[]).map(
        (row) => [row.key, row.value],
      ),
    )
    if (meta.get('version') === String(indexVersion) && meta.get('root') === root) {
      database.prepare('SELECT id, path, size, mtimeMs, text FROM files LIMIT 1').get()
      database.prepare(`SELECT rowid FROM words WHERE words MATCH '"a"' LIMIT 1`).get()
      return database
    }
  } catch (error) {
    const code = resultCodeOf(error)
    // Busy is not broken: another process is writing it.
    if (code === undefined || code === sqliteBusy || code === sqliteLocked) {
      if (database?.isOpen) database.close()
      throw explained(error, indexPath)
    }
  }
  if (database?.isOpen) database.close()
  return undefined
}

function isUsable(indexPath: string, root: string): boolean {
  const database = openExisting(indexPath, root)
  database?.close()
  return database !== undefined
}

export async function removeIndex(indexPath: string): Promise<void> {
  for (const suffix of ['', '-wal', '-shm', '-journal']) await rm(indexPath + suffix, { force: true })
}

function explained(error: unknown, indexPath: string): unknown {
  const code = resultCodeOf(error)
  if (code === sqliteFull || (error as NodeJS.ErrnoException)?.code === 'ENOSPC')
    return new Error(
      `No space is left for the index ${indexPath}. Free about the size of the folder, or give another indexPath.`,
      { cause: error },
    )
  if (code === sqliteBusy || code === sqliteLocked)
    return new Error(`The index ${indexPath} is in use by another process. Try again, or give another indexPath.`, {
      cause: error,
    })
  if (code === sqliteIoError)
    return new Error(`The index ${indexPath} cannot be written or read: the disk reports an error.`, { cause: error })
  return error
}
