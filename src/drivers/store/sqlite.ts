/**
 * The store in one SQLite file: what a kernel keeps when it should survive.
 *
 *     const store = openSqliteStore('clerk.db')                             // survives a killed process
 *     const store = openSqliteStore('clerk.db', { durability: 'strict' })   // survives power loss
 *
 * What each durability keeps. In both, a commit is in the write-ahead log when `commit` returns. `relaxed` leaves it to
 * the operating system to bring it to the disk: a killed or crashed process loses nothing, a power loss may lose the last
 * commits, always from the end, never out of the middle. `strict` waits for the disk (one fsync a commit).
 *
 * Beside the file: `-wal` and `-shm` while it is open, `-owner` for the lock. Other processes read it and send commands
 * through sqlite-reader.ts. How the journal lies in the file: journal-table.ts.
 *
 * Invariants
 *   Q1. Each write is one transaction (transactions.ts): kept whole or not at all, and the store stays usable.
 *   Q2. Events come in order of seq, over all batches. Of a batch that comes again, those up to `lastSeq` are left out and
 *       the entries are put again, which changes nothing (K2) and keeps what a retry had added to it.
 *   Q3. A commit that has been kept does not fail: the index of places is brought up to date before the write that it
 *       is due at, and a checkpoint that fails after one leaves everything in the log.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Batch, Command, Durability, Store } from '../../kernel/drivers.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Pid } from '../../kernel/types.ts'
import { commandTables, createCommandBox, readState, writeState } from './commands.ts'
import {
  checkFormat,
  createFolderOf,
  createTables,
  fileBytes,
  guarded,
  openConnection,
  prepareFile,
  realStorePath,
} from './connection.ts'
import { createDropping, droppingTables } from './dropping.ts'
import { createEntries, entryTables } from './entries.ts'
import { createJournalTable, journalTables, toRows, type Row } from './journal-table.ts'
import { takeOwnership } from './ownership.ts'
import { createTransactions } from './transactions.ts'

/** How a store file is kept. */
export interface SqliteStoreOptions {
  /** What a commit that has returned survives. @default 'relaxed' */
  readonly durability?: Exclude<Durability, 'memory'>
  /** Size beyond which the file does not grow, bytes; a commit then fails as on a full disk. At least 1 MiB. @default none */
  readonly fileBytesMax?: number
}

/** Rows that the index of places may be behind. */
const UNINDEXED_ROWS_MAX = 512
/** Characters of text that count as much as a commit of its own (transactions.ts). */
const TEXT_A_LOAD = 4_096
/** Load of a write whose size is not known beforehand. */
const UPKEEP_LOAD = 64
const CACHE_KIB = 16_384
const FILE_BYTES_MIN = 1_048_576

/** Opens the store, makes it where there is none, and owns it until `close` or the end of the process. */
export function openSqliteStore(path: string, options: SqliteStoreOptions = {}): Store {
  const { durability = 'relaxed', fileBytesMax } = options
  if (durability !== 'relaxed' && durability !== 'strict') {
    throw new PolityError(
      'CONFIG_INVALID',
      `durability is 'relaxed' or 'strict', and got ${JSON.stringify(durability)}.`,
    )
  }
  if (fileBytesMax !== undefined && !(fileBytesMax >= FILE_BYTES_MIN)) {
    throw new PolityError(
      'CONFIG_INVALID',
      `fileBytesMax is a number of at least ${FILE_BYTES_MIN}, and got ${fileBytesMax}.`,
    )
  }
  createFolderOf(path)
  const file = realStorePath(path)
  if (guarded(file, () => fileBytes(file)) > 0) guarded(file, () => readOwner(file)) // refuses what is no store before anything is written
  const release = takeOwnership(file, () => readOwner(file))
  let database: DatabaseSync | undefined
  try {
    database = guarded(file, () => openConnection(file))
    guarded(file, () => prepare(database as DatabaseSync, file, durability, fileBytesMax))
    return ownStore(database, file, durability, release)
  } catch (error) {
    if (database?.isOpen) database.close()
    release()
    throw error
  }
}

/** Checks the format on the way. */
function readOwner(file: string): number | undefined {
  const database = openConnection(file, { readOnly: true, busyMs: 50 })
  try {
    const owner = checkFormat(database, file) ? readState(database, 'owner') : undefined
    return typeof owner === 'number' ? owner : undefined
  } finally {
    database.close()
  }
}

function prepare(database: DatabaseSync, file: string, durability: Durability, fileBytesMax: number | undefined): void {
  const made = checkFormat(database, file)
  // An empty file has nothing that a power loss could take; `relaxed` saves the 30 ms of waiting for the disk.
  if (!made && durability === 'relaxed') database.exec('PRAGMA synchronous = OFF')
  if (!made) prepareFile(database)
  if (!made) createTables(database, [journalTables, entryTables, commandTables, droppingTables].join(';'))
  // `fullfsync` matters on macOS only, where fsync does not reach the disk.
  database.exec(
    durability === 'strict'
      ? 'PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON'
      : 'PRAGMA synchronous = NORMAL',
  )
  database.exec(`PRAGMA cache_size = -${CACHE_KIB}`)
  if (fileBytesMax !== undefined) database.exec(`PRAGMA max_page_count = ${Math.floor(fileBytesMax / 4_096)}`)
  writeState(database, 'owner', process.pid)
}

function ownStore(database: DatabaseSync, path: string, durability: Durability, release: () => void): Store {
  const read = <T>(work: () => T): T => guarded(path, work)
  const journal = createJournalTable(database, { path, page: read, isDropped: () => dropping.has })
  const dropping = createDropping(database, journal)
  const entries = createEntries(database, read)
  const commands = createCommandBox(database)
  const transaction = createTransactions(database)
  let lastSeq = -1
  let unindexedRows = UNINDEXED_ROWS_MAX // an earlier owner may have left some
  let droppingSoon = false
  let commandsVersion: unknown

  /** One transaction for `work`; or none of its own, when it is a single statement that makes one itself. */
  function write(work: () => void, load: number, isSingle = false): void {
    guarded(path, () => {
      if (unindexedRows >= UNINDEXED_ROWS_MAX) {
        transaction.run(journal.indexPlaces, UPKEEP_LOAD)
        unindexedRows = 0
      }
      if (isSingle) transaction.runSingle(work, load)
      else transaction.run(work, load)
    })
  }

  function changeDropping(work: () => void): void {
    dropping.settle()
    try {
      write(work, UPKEEP_LOAD)
    } catch (error) {
      dropping.undo()
      throw error
    }
  }

  function dropMore(): void {
    droppingSoon = false
    if (!database.isOpen) return
    let more = false
    try {
      changeDropping(() => void (more = dropping.step()))
    } catch {
      return // The wish stays noted in the file; the next `drop` or the next owner goes on, and says what fails.
    }
    if (more) dropSoon()
  }

  function dropSoon(): void {
    if (droppingSoon) return
    droppingSoon = true
    setImmediate(dropMore).unref()
  }

  read(() => {
    write(() => {}, 0)
    lastSeq = journal.lastSeq()
    dropping.reload()
    dropSoon()
  })

  return {
    durability,
    commit({ events, puts }: Batch): void {
      const rows = toRows(events, lastSeq)
      if (rows.length === 0 && puts.length === 0) return
      let load = 1
      for (const row of rows) load += row.text.length / TEXT_A_LOAD
      for (const { value } of puts) load += 1 + (value?.length ?? 0) / TEXT_A_LOAD
      if (puts.length === 0 && rows.length === 1) write(() => journal.append(rows[0] as Row), load, true)
      else {
        write(() => {
          for (const row of rows) journal.append(row)
          for (const put of puts) entries.put(put)
        }, load)
      }
      for (const row of rows) lastSeq = Math.max(lastSeq, row.seq)
      unindexedRows += rows.length
    },
    processes: journal.processes,
    events: (pid) => read(() => journal.events(pid)),
    lastSeq: () => read(() => journal.lastSeq()),
    get: (table, key) => read(() => entries.get(table, key)),
    range: entries.range,
    search: (table, prefixes, words, limit) => read(() => entries.search(table, prefixes, words, limit)),
    drop(pids: readonly Pid[]): void {
      if (pids.length === 0) return
      unindexedRows = UNINDEXED_ROWS_MAX // rows are found through the index of places
      changeDropping(() => {
        journal.keepLastSeq(lastSeq)
        dropping.begin(pids)
      })
      dropSoon()
    },
    takeCommands(): readonly Command[] {
      return read(() => {
        transaction.unpin()
        const version = commands.version()
        if (version === commandsVersion) return []
        let taken: Command[] = []
        write(() => void (taken = commands.take()), 1)
        commandsVersion = version // not before: what failed to be taken still waits
        return taken
      })
    },
    publishStatus: (status) => write(() => writeState(database, 'status', status), 1 + status.length / TEXT_A_LOAD),
    close(): void {
      if (!database.isOpen) return
      try {
        transaction.unpin()
        database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      } catch {
        // Nothing is lost: what could not be moved stays in the log, and the next owner moves it.
      } finally {
        database.close()
        release()
      }
    },
  }
}
