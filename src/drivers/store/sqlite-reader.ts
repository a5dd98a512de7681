/**
 * A store file seen from other processes: reading it, and talking to the kernel that owns it.
 *
 *     const reader = readSqliteStore('clerk.db')     // while a kernel runs on it, or when none does
 *     sendCommand('clerk.db', { command: 'kill', pid: 12 })
 *     const status = readStatus('clerk.db')
 *
 * Invariants
 *   R1. A reader takes no lock that the owner waits for, and sees whole commits only.
 *   R2. Nothing here makes a file: where there is no store, the error says so.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Command, Store } from '../../kernel/drivers.ts'
import { PolityError } from '../../kernel/errors.ts'
import { insertCommand, readState } from './commands.ts'
import { checkFormat, fileBytes, guarded, openConnection, realStorePath } from './connection.ts'
import { createDropping } from './dropping.ts'
import { createEntries } from './entries.ts'
import { createJournalTable } from './journal-table.ts'

export interface StoreReader extends Pick<
  Store,
  'processes' | 'events' | 'lastSeq' | 'get' | 'range' | 'search' | 'close'
> {
  /** What the owner published last; undefined before it did. */
  status(): string | undefined
}

/** Opens a store for reading, without owning it. */
export function readSqliteStore(path: string): StoreReader {
  const { database, file } = openExisting(path, true)
  const read = <T>(work: () => T): T => guarded(file, work)
  const dropping = createDropping(database)
  const journal = createJournalTable(database, {
    path: file,
    page: read,
    isDropped() {
      dropping.reload()
      return dropping.has
    },
  })
  const entries = createEntries(database, read)
  return {
    processes: journal.processes,
    events: (pid) => read(() => journal.events(pid)),
    lastSeq: () => read(() => journal.lastSeq()),
    get: (table, key) => read(() => entries.get(table, key)),
    range: entries.range,
    search: (table, prefixes, words, limit) => read(() => entries.search(table, prefixes, words, limit)),
    status: () => read(() => readState(database, 'status') as string | undefined),
    close: () => database.isOpen && database.close(),
  }
}

/** Leaves a wish for the kernel that owns the store, or for the next one. Waits at most 2 s for a write lock. */
export function sendCommand(path: string, command: Command): void {
  const { database, file } = openExisting(path, false)
  try {
    guarded(file, () => {
      // Nothing that would hold the owner up: no wait for the disk, no checkpoint.
      database.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0')
      insertCommand(database, command)
    })
  } finally {
    database.close()
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

function openExisting(path: string, readOnly: boolean): { database: DatabaseSync; file: string } {
  const file = realStorePath(path)
  if (guarded(file, () => fileBytes(file)) === 0)
    throw new PolityError('STORE_INVALID', `There is no store at ${file}.`)
  const database = guarded(file, () => openConnection(file, { readOnly }))
  try {
    if (!guarded(file, () => checkFormat(database, file)))
      throw new PolityError('STORE_INVALID', `There is no store at ${file}: the file is empty.`)
    return { database, file }
  } catch (error) {
    database.close()
    throw error
  }
}
