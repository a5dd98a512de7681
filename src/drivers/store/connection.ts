/**
 * Connections to a store file: opening, checking whose file it is, and saying what went wrong.
 *
 *     const database = openConnection(path, { readOnly: true })
 *     guarded(path, () => database.exec('…'))      // SQLite's errors come out as `PolityError`
 *
 * Invariants
 *   F1. A file that is not a store of a format that is read is never written to.
 *   F2. `node:sqlite` is loaded by the first connection, not by importing this file.
 *   F3. No file of a store is ever opened except by SQLite: closing a second descriptor of a file drops the POSIX locks
 *       that this process holds on it.
 */
import { copyFileSync, existsSync, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { PolityError, messageOf } from '../../kernel/errors.ts'
import { makeFolder } from '../make-folder.ts'

/** Written into the header of every store file: "poli". */
const APPLICATION_ID = 0x706f6c69
/** Format of the tables. A file with another one is refused, but for those that this version goes on with. */
const FORMAT = 3
/** Format 2 has the same tables, and no vectors of small spaces together in `code` (vectors.ts): all that it may hold is read. */
const FORMATS_READ: readonly number[] = [2, FORMAT]
const PAGE_BYTES = 4_096
/** Longest wait for another process that writes (a command, at most a millisecond or so), ms. */
const BUSY_MS = 2_000

/** SQLite's primary result codes that mean something to a reader of our errors. */
const codes = {
  busy: 5,
  locked: 6,
  readOnly: 8,
  io: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  format: 24,
  notADatabase: 26,
} as const

/** Opens the file with our settings; throws `STORE_INVALID`, `STORE_LOCKED`. */
export function openConnection(path: string, options: { readOnly?: boolean; busyMs?: number } = {}): DatabaseSync {
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite')
  return new DatabaseSync(path, { readOnly: options.readOnly ?? false, timeout: options.busyMs ?? BUSY_MS })
}

/**
 * Opens a store for looking only, also where nothing can be written: on a read-only mount, in a folder of somebody else.
 * SQLite wants to make the shared memory of the log there, and refuses when it cannot.
 */
export function openForReading(path: string): { readonly database: DatabaseSync; close(): void } {
  try {
    const database = openConnection(path, { readOnly: true })
    try {
      numberOf(database, 'PRAGMA user_version') // the file is opened by the first look at it
      return { database, close: () => database.isOpen && database.close() }
    } catch (error) {
      database.close()
      throw error
    }
  } catch (error) {
    const code = resultCodeOf(error)
    if (code !== codes.cannotOpen && code !== codes.readOnly) throw error
    return openUnwritable(path, error)
  }
}

function openUnwritable(path: string, refusal: unknown): ReturnType<typeof openForReading> {
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite')
  if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) === 0) {
    // All that was written stands in the file itself; who cannot write sees it as it is now.
    const database = new DatabaseSync(`${pathToFileURL(path).href}?immutable=1`, { readOnly: true })
    return { database, close: () => database.isOpen && database.close() }
  }
  // What was written last stands in the log, which is read where its shared memory can be made. No lock of ours is lost by
  // the copy (F3): where one is held, the file can be written.
  const folder = mkdtempSync(join(tmpdir(), 'polity-store-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  try {
    const copy = join(folder, 'store.db')
    for (const suffix of ['', '-wal']) copyFileSync(path + suffix, copy + suffix)
    const database = openConnection(copy, { readOnly: true })
    return {
      database,
      close() {
        if (database.isOpen) database.close()
        remove()
      },
    }
  } catch {
    remove()
    throw refusal
  }
}

// ------------------------------------------------------------------------------------------------------------- files

/** The one absolute path of a store file, whatever links lead to it, so that its lock is one too. */
export function realStorePath(path: string): string {
  if (path === '' || path === ':memory:') {
    throw new PolityError(
      'CONFIG_INVALID',
      `A store file needs a path, and got "${path}". For a store without a file use memoryStore().`,
    )
  }
  const absolute = resolve(path)
  try {
    return realpathSync(absolute)
  } catch {
    // Not there yet, or not readable: what opens it next says which.
  }
  try {
    return join(realpathSync(dirname(absolute)), basename(absolute))
  } catch {
    return absolute
  }
}

/** Makes the folder that a file is to lie in. */
export function createFolderOf(path: string): void {
  try {
    makeFolder(dirname(resolve(path)))
  } catch (error) {
    throw new PolityError('STORE_FAILED', `The folder of the store ${path} cannot be created: ${messageOf(error)}.`, {
      cause: error,
    })
  }
}

/** Bytes of a file, 0 when there is none. Does not open it (F3). */
export function fileBytes(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat?.isDirectory()) throw new PolityError('STORE_INVALID', `${path} is a folder; a store is one file.`)
  return stat?.size ?? 0
}

// ------------------------------------------------------------------------------------------------------------ format

/** Throws `STORE_INVALID` unless the file is a store of a format that is read. Returns false for a file without any content. */
export function checkFormat(database: DatabaseSync, path: string): boolean {
  const application = numberOf(database, 'PRAGMA application_id')
  const format = numberOf(database, 'PRAGMA user_version')
  if (application === APPLICATION_ID && FORMATS_READ.includes(format)) return true
  if (application === APPLICATION_ID) {
    throw new PolityError(
      'STORE_INVALID',
      `${path} is a store of format ${format}; this version of Polity reads format ${FORMATS_READ.join(' and ')}. The version of Polity that made it can read it; name another file with --store, or move it away and begin a new one.`,
    )
  }
  if (application === 0 && format === 0 && numberOf(database, 'SELECT count(*) FROM sqlite_schema') === 0) return false
  throw new PolityError(
    'STORE_INVALID',
    `${path} is a database of another program, not a Polity store (application id ${application}, expected ${APPLICATION_ID}).`,
  )
}

/** Settings that a file keeps from its first page on. They go before the first write. */
export function prepareFile(database: DatabaseSync): void {
  database.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL`)
}

/** Makes the tables of an empty file, all or none. */
export function createTables(database: DatabaseSync, tables: string): void {
  database.exec(
    `BEGIN IMMEDIATE; ${tables}; PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT}; COMMIT`,
  )
}

/** Before a store of an earlier format is written to: the version of Polity that made it refuses it from now on. */
export function raiseFormat(database: DatabaseSync): void {
  if (numberOf(database, 'PRAGMA user_version') !== FORMAT) database.exec(`PRAGMA user_version = ${FORMAT}`)
}

/** The one number that a statement gives. */
export function numberOf(database: DatabaseSync, sql: string): number {
  return Number(Object.values(database.prepare(sql).get() ?? {})[0] ?? 0)
}

// ------------------------------------------------------------------------------------------------------------ errors

/** Runs `work`; what SQLite throws comes out as the `PolityError` that says what to do. */
export function guarded<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw toStoreError(path, error)
  }
}

/** True when another connection holds a lock, or has written since this one's read transaction began. */
export function isBusy(error: unknown): boolean {
  return resultCodeOf(error) === codes.busy
}

/** The error as the table has it; errors that are not SQLite's are returned as they are. */
export function toStoreError(path: string, error: unknown): unknown {
  const options = { cause: error }
  switch (resultCodeOf(error)) {
    case undefined:
      return isClosed(error) ? new PolityError('KERNEL_CLOSED', `The store ${path} is closed.`, options) : error
    case codes.notADatabase:
    case codes.format:
      // Only a store has an owner.
      return existsSync(`${path}-owner`)
        ? damaged(path, 'it does not begin as an SQLite file does', error)
        : new PolityError('STORE_INVALID', `${path} is not a Polity store: an SQLite file was expected.`, options)
    case codes.corrupt:
      return damaged(path, messageOf(error), error)
    case codes.full:
      return new PolityError(
        'STORE_FAILED',
        `There is no space left for the store ${path}; nothing of the batch was kept. Free some: \`polity gc\` removes what has ended.`,
        options,
      )
    case codes.io:
      return new PolityError(
        'STORE_FAILED',
        `The disk reported an error for the store ${path} (${messageOf(error)}); nothing of the batch was kept.`,
        options,
      )
    case codes.cannotOpen:
      return new PolityError(
        'STORE_FAILED',
        `The store ${path} cannot be opened (${messageOf(error)}). The file must be readable, and for a run it and its folder writable.`,
        options,
      )
    case codes.readOnly:
      return new PolityError(
        'STORE_FAILED',
        `The store ${path} cannot be opened for writing (${messageOf(error)}). The file and its folder must be writable.`,
        options,
      )
    case codes.busy:
    case codes.locked:
      return new PolityError(
        'STORE_FAILED',
        `Another program holds a write lock on the store ${path} for too long.`,
        options,
      )
    default:
      return new PolityError('STORE_FAILED', `The store ${path} failed: ${messageOf(error)}.`, options)
  }
}

/** A store in which something is broken. The detail tells it from a file that is no store. */
export function damaged(path: string, what: string, cause?: unknown): PolityError {
  return new PolityError(
    'STORE_INVALID',
    `The store ${path} is damaged: ${what}. Restore it from a backup; \`polity doctor\` says what is left of it.`,
    { detail: { damaged: true }, ...(cause === undefined ? {} : { cause }) },
  )
}

/** SQLite's primary result code, or undefined when the error is not SQLite's. */
function resultCodeOf(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null | undefined)?.errcode
  return typeof code === 'number' ? code & 0xff : undefined
}

function isClosed(error: unknown): boolean {
  return (error as { code?: unknown } | null | undefined)?.code === 'ERR_INVALID_STATE'
}
