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
 *   Q4. Two threads never commit at once for long: while the second has a batch, `commit` has not resolved, and nothing but
 *       what other processes wait for (commands, status) is written here.
 *
 * A store that has much to do gets a second thread (commit-thread.ts). Small commits stay here, where they take 0.1 ms and
 * no hop between threads. A checkpoint goes in two passes: a long one beside the commits, then a short one for what came
 * meanwhile, with the commits behind it in the thread, after which the log can begin anew.
 */
import { closeSync, openSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import type { Batch, Command, Durability, Put, Store } from '../../kernel/drivers.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { KeysOf } from '../../kernel/known-keys.ts'
import { checkKeys } from '../../kernel/known-keys.ts'
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
  raiseFormat,
  realStorePath,
  toStoreError,
} from './connection.ts'
import { startCommitThread, type CommitThread } from './commit-thread.ts'
import { createDropping, droppingTables } from './dropping.ts'
import { createEntries, entryTables, type MemoryOptions } from './entries.ts'
import { createJournalTable, journalTables, toRows, type Row } from './journal-table.ts'
import { takeOwnership } from './ownership.ts'
import { createTransactions } from './transactions.ts'

/** How a store file is kept. */
export interface SqliteStoreOptions {
  /** What a commit that has returned survives. @default 'relaxed' */
  readonly durability?: Exclude<Durability, 'memory'>
  /** Size beyond which the file does not grow, bytes; a commit then fails as on a full disk. At least 1 MiB. @default none */
  readonly fileBytesMax?: number
  /** Bytes of memory for what is read again and again, and which of it goes first. */
  readonly memory?: MemoryOptions
}

const optionKeys: KeysOf<SqliteStoreOptions> = { durability: true, fileBytesMax: true, memory: true }

/** Rows that the index of places may be behind. */
const UNINDEXED_ROWS_MAX = 512
/** Characters of text that count as much as a commit of its own (transactions.ts). */
const TEXT_A_LOAD = 4_096
/** Load of a write whose size is not known beforehand. */
const UPKEEP_LOAD = 64
const CACHE_KIB = 16_384
/** Rows of a batch that are worth the hop to the second thread, some 0.1 ms. */
const THREAD_ROWS_MIN = 64
/** Load of a store that will have more: its thread is started, so that it is there when it is needed. */
const THREAD_LOAD = 64
/** Load after which the thread brings the log into the file. */
const CHECKPOINT_LOAD = 2_048
/** Pages of the log after which SQLite brings it into the file by itself; its own default. */
const LOG_PAGES = 1_000
const FILE_BYTES_MIN = 1_048_576

/** Where there can be no second thread. */
const noThread: CommitThread = {
  isReady: false,
  commit: () => Promise.reject(new Error('there is no thread')),
  checkpoint: () => Promise.reject(new Error('there is no thread')),
  close: () => {},
}

/** Opens the store, makes it where there is none, and owns it until `close` or the end of the process. */
export function openSqliteStore(path: string, options: SqliteStoreOptions = {}): Store {
  checkKeys('openSqliteStore', options, optionKeys)
  const { durability = 'relaxed', fileBytesMax, memory = {} } = options
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
    makeAlone(file)
    database = guarded(file, () => openConnection(file))
    guarded(file, () => prepare(database as DatabaseSync, file, durability, fileBytesMax))
    return ownStore(database, file, { durability, settings: settingsOf(durability, fileBytesMax), memory }, release)
  } catch (error) {
    if (database?.isOpen) database.close()
    release()
    throw error
  }
}

/** A new store is its owner's alone, and with it its log, which SQLite gives the same mode: it holds what was said, and what webhooks are to be told with. */
function makeAlone(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch {
    // It is there, or cannot be made: opening it says why.
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
  database.exec(settingsOf(durability, fileBytesMax))
  raiseFormat(database)
  writeState(database, 'owner', process.pid)
}

/** The pragmas of each connection that writes. */
function settingsOf(durability: Durability, fileBytesMax: number | undefined): string {
  return [
    // `fullfsync` matters on macOS only, where fsync does not reach the disk.
    durability === 'strict'
      ? 'PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON'
      : 'PRAGMA synchronous = NORMAL',
    `PRAGMA cache_size = -${CACHE_KIB}`,
    ...(fileBytesMax === undefined ? [] : [`PRAGMA max_page_count = ${Math.floor(fileBytesMax / 4_096)}`]),
  ].join('; ')
}

function ownStore(
  database: DatabaseSync,
  path: string,
  { durability, settings, memory }: { durability: Durability; settings: string; memory: MemoryOptions },
  release: () => void,
): Store {
  const read = <T>(work: () => T): T => guarded(path, work)
  const journal = createJournalTable(database, { path, page: read, isDropped: () => dropping.has })
  const dropping = createDropping(database, journal)
  const entries = createEntries(database, read, memory)
  const commands = createCommandBox(database)
  const transaction = createTransactions(database)
  let lastSeq = -1
  let unindexedRows = UNINDEXED_ROWS_MAX // an earlier owner may have left some
  let droppingSoon = false
  /** A step is due, and waits for the thread. */
  let droppingWaits = false
  let threadHasBatch = false
  let commandsVersion: unknown
  /** Number of the last one that this owner took. */
  let lastCommand = 0
  let thread: CommitThread | undefined
  let logLoad = 0
  let checkpointsThere = false
  let checkpoint: 'none' | 'beside' | 'between' = 'none'

  /** The second thread, once it is there: started when the store has much to do for the first time. */
  function readyThread(): CommitThread | undefined {
    if (thread === undefined) {
      try {
        thread = startCommitThread(path, settings, checkpointHere)
      } catch {
        thread = noThread // as where a process may have none; everything is done here then
      }
    }
    return thread.isReady ? thread : undefined
  }

  /** SQLite's own way, with which a commit now and then waits: until there is a thread, and when it ended. */
  function checkpointHere(): void {
    checkpointsThere = false
    if (database.isOpen) database.exec(`PRAGMA wal_autocheckpoint = ${LOG_PAGES}`)
  }

  /** Two passes, the second with all commits behind it. What fails stays in the log, and is tried at the next one. */
  async function checkpointBy(ready: CommitThread): Promise<void> {
    logLoad = 0
    try {
      checkpoint = 'beside'
      await ready.checkpoint()
      checkpoint = 'between'
      transaction.unpin()
      await ready.checkpoint()
    } catch {
      // As above.
    } finally {
      checkpoint = 'none'
    }
  }

  function bear(load: number): void {
    logLoad += load
    if (logLoad < THREAD_LOAD) return
    const ready = readyThread()
    if (ready === undefined) return
    if (!checkpointsThere) database.exec('PRAGMA wal_autocheckpoint = 0')
    checkpointsThere = true
    if (logLoad >= CHECKPOINT_LOAD && checkpoint === 'none') void checkpointBy(ready)
  }

  /** In the second thread. This connection sees what it wrote once it holds no read transaction. */
  async function commitBy(
    ready: CommitThread,
    rows: readonly Row[],
    puts: readonly Put[],
    load: number,
  ): Promise<void> {
    transaction.unpin()
    const index = unindexedRows >= UNINDEXED_ROWS_MAX
    threadHasBatch = true
    try {
      await ready.commit(rows, puts, index)
    } catch (error) {
      if (!ready.isReady) lastSeq = read(() => journal.lastSeq()) // it may have been kept before the thread ended
      if (droppingWaits) dropSoon()
      throw toStoreError(path, error)
    } finally {
      threadHasBatch = false
      transaction.unpin()
      for (const put of puts) entries.forget(put)
    }
    if (index) unindexedRows = 0
    kept(rows)
    bear(load)
    // Now, before the next batch may come: while one follows another there is no other time.
    if (droppingWaits) dropMore()
  }

  function kept(rows: readonly Row[]): void {
    for (const row of rows) lastSeq = Math.max(lastSeq, row.seq)
    unindexedRows += rows.length
  }

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
    bear(load)
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
    droppingWaits = threadHasBatch
    if (droppingWaits) return
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
    commit({ events, puts }: Batch): void | Promise<void> {
      const rows = toRows(events, lastSeq)
      if (rows.length === 0 && puts.length === 0) return
      let load = 1
      for (const row of rows) load += row.text.length / TEXT_A_LOAD
      for (const { value } of puts) load += 1 + (value?.length ?? 0) / TEXT_A_LOAD
      if (checkpoint === 'between' || rows.length >= THREAD_ROWS_MIN) {
        const ready = readyThread()
        if (ready !== undefined) return commitBy(ready, rows, puts, load)
      }
      if (puts.length === 0 && rows.length === 1) write(() => journal.append(rows[0] as Row), load, true)
      else {
        write(() => {
          for (const row of rows) journal.append(row)
          for (const put of puts) entries.put(put)
        }, load)
      }
      kept(rows)
    },
    processes: journal.processes,
    events: (pid) => read(() => journal.events(pid)),
    lastSeq: () => read(() => journal.lastSeq()),
    get: (table, key) => read(() => entries.get(table, key)),
    range: entries.range,
    search: (table, prefixes, words, limit) => read(() => entries.search(table, prefixes, words, limit)),
    nearest: (table, prefixes, vector, limit) => read(() => entries.nearest(table, prefixes, vector, limit)),
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
        if (!commands.any(lastCommand)) {
          commandsVersion = version // another connection wrote, as the second thread does all the time
          return []
        }
        let box: ReturnType<typeof commands.take> = { taken: [], last: lastCommand }
        write(() => void (box = commands.take(lastCommand)), 1)
        commandsVersion = version // not before: what failed to be taken still waits
        lastCommand = box.last
        return box.taken
      })
    },
    commandsDone: (done) => write(() => commands.done(done), done.length),
    giveBackCommands: (undone) => write(() => commands.giveBack(undone), undone.length),
    publishStatus: (status) => write(() => writeState(database, 'status', status), 1 + status.length / TEXT_A_LOAD),
    close(): void {
      if (!database.isOpen) return
      thread?.close()
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
