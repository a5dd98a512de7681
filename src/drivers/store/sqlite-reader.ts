/**
 * A store file seen from other processes: reading it, and talking to the kernel that owns it.
 *
 *     const reader = readSqliteStore('clerk.db')     // while a kernel runs on it, or when none does
 *     sendCommand('clerk.db', { command: 'kill', pid: 12 })
 *     const status = readStatus('clerk.db')
 *
 * Invariants
 *   R1. A reader takes no lock that the owner waits for, and sees whole commits only.
 *   R2. Nothing here makes a store: where there is none, the error says so. One that cannot be written can be read.
 */
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { Command, Store } from '../../kernel/drivers.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { JournalEvent } from '../../kernel/types.ts'
import { deleteCommand, insertCommand, readState } from './commands.ts'
import { checkFormat, fileBytes, guarded, openConnection, openForReading, realStorePath } from './connection.ts'
import type { Dropping } from './dropping.ts'
import { createDropping } from './dropping.ts'
import { createEntries } from './entries.ts'
import { createJournalTable } from './journal-table.ts'

/** A store file as other processes may read it. */
export interface StoreReader extends Pick<
  Store,
  'processes' | 'events' | 'lastSeq' | 'get' | 'range' | 'search' | 'nearest' | 'close'
> {
  /** What the owner published last; undefined before it did. */
  status(): string | undefined
  /** Events of all processes behind `seq`; those of one process in the order of `seq`. */
  since(seq: number): JournalEvent[]
}

/** Opens a store for reading, without owning it. */
export function readSqliteStore(path: string): StoreReader {
  const { database, file, close } = openExisting(path, openForReading)
  const read = <T>(work: () => T): T => guarded(file, work)
  const dropping = createDropping(database)
  try {
    return read(() => readerOf(database, file, { read, dropping, close }))
  } catch (error) {
    close()
    throw error
  }
}

function readerOf(
  database: DatabaseSync,
  file: string,
  { read, dropping, close }: { read: <T>(work: () => T) => T; dropping: Dropping; close: () => void },
): StoreReader {
  const journal = createJournalTable(database, {
    path: file,
    page: read,
    isDropped() {
      dropping.reload()
      return dropping.has
    },
  })
  const entries = createEntries(database, read, { noteBytesMax: 0 })
  return {
    processes: journal.processes,
    events: (pid) => read(() => journal.events(pid)),
    since: (seq) => read(() => journal.since(seq)),
    lastSeq: () => read(() => journal.lastSeq()),
    get: (table, key) => read(() => entries.get(table, key)),
    range: entries.range,
    search: (table, prefixes, words, limit) => read(() => entries.search(table, prefixes, words, limit)),
    nearest: (table, prefixes, vector, limit) => read(() => entries.nearest(table, prefixes, vector, limit)),
    status: () => read(() => readState(database, 'status') as string | undefined),
    close,
  }
}

/** Leaves a wish for the kernel that owns the store, or for the next one. Waits at most 2 s for a write lock. */
export function sendCommand(path: string, command: Command): void {
  changeCommands(path, (database) => insertCommand(database, command))
}

/** Takes a command back by its `reply`, so that nobody does it any more; false where an owner has taken it. */
export function takeBackCommand(path: string, reply: string): boolean {
  return changeCommands(path, (database) => deleteCommand(database, reply))
}

function changeCommands<T>(path: string, change: (database: DatabaseSync) => T): T {
  const { database, file, close } = openExisting(path, (file) => {
    const database = openConnection(file)
    return { database, close: () => database.isOpen && database.close() }
  })
  try {
    return guarded(file, () => {
      // Nothing that would hold the owner up: no wait for the disk, no checkpoint.
      database.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0')
      return change(database)
    })
  } finally {
    close()
  }
}

/** What the owner of the store published last; undefined when it never did. */
export function readStatus(path: string): string | undefined {
  const reader = readSqliteStore(path)
  try {
    return reader.status()
  } finally {
    reader.close()
  }
}

/** A connection to a file that is a store. */
export function openExisting(
  path: string,
  open: typeof openForReading,
): { readonly database: DatabaseSync; readonly file: string; close(): void } {
  const file = realStorePath(path)
  if (guarded(file, () => fileBytes(file)) === 0)
    throw new PolityError(
      'STORE_INVALID',
      `There is no store at ${file}${existsSync(file) ? ': the file is empty' : ''}.`,
    )
  const { database, close } = guarded(file, () => open(file))
  try {
    if (!guarded(file, () => checkFormat(database, file)))
      throw new PolityError(
        'STORE_INVALID',
        `There is no store at ${file}: nothing stands in it. What was written may be in a file ${basename(file)}-wal that belongs beside it.`,
      )
    return { database, file, close }
  } catch (error) {
    close()
    throw error
  }
}
