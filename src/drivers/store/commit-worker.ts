/**
 * What runs in the second thread of a store: commits and checkpoints on a connection of its own, one after the other.
 *
 * Started by commit-thread.ts, which says what the jobs mean. It opens its connection at the first job, so that a thread
 * that was never used holds nothing.
 */
// oxlint-disable unicorn/require-post-message-target-origin -- a thread is no window
import type { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import type { Put } from '../../kernel/drivers.ts'
import { openConnection } from './connection.ts'
import { createEntries } from './entries.ts'
import { createJournalTable, type Row } from './journal-table.ts'
import { createTransactions } from './transactions.ts'

/** What the thread is started with: the file, and the settings of the connection that owns it. */
export interface ThreadData {
  readonly path: string
  readonly settings: string
  /** Set to 1 and notified when the connection is closed. */
  readonly closed: Int32Array
}

/** A job; `close` has no answer. */
export type Job =
  | { readonly job: 'commit'; readonly rows: readonly Row[]; readonly puts: readonly Put[]; readonly index: boolean }
  | { readonly job: 'checkpoint' }
  | { readonly job: 'close' }

/** How a job ended; SQLite's errors by their code, since its objects do not pass between threads. */
export type Answer =
  | { readonly ready: true }
  | { readonly error?: { readonly message: string; readonly errcode?: number } }

const { path, settings, closed } = workerData as ThreadData

interface Connection {
  readonly database: DatabaseSync
  write(rows: readonly Row[], puts: readonly Put[], index: boolean): void
}

let connection: Connection | undefined

function open(): Connection {
  const database = openConnection(path)
  database.exec(`${settings}; PRAGMA wal_autocheckpoint = 0`)
  const journal = createJournalTable(database, { path })
  const entries = createEntries(database, undefined, { noteBytesMax: 0 })
  const transaction = createTransactions(database)
  return {
    database,
    write(rows, puts, index) {
      transaction.whole(() => {
        if (index) journal.indexPlaces()
        for (const row of rows) journal.append(row)
        for (const put of puts) entries.put(put)
      })
    },
  }
}

function perform(job: Job): void {
  if (job.job === 'close') {
    try {
      connection?.database.close()
    } finally {
      Atomics.store(closed, 0, 1)
      Atomics.notify(closed, 0)
    }
    return
  }
  connection ??= open()
  if (job.job === 'commit') connection.write(job.rows, job.puts, job.index)
  else connection.database.exec('PRAGMA wal_checkpoint(PASSIVE)')
}

parentPort?.on('message', (job: Job) => {
  let answer: Answer = {}
  try {
    perform(job)
  } catch (error) {
    const { message, errcode } = error as { message: string; errcode?: number }
    answer = { error: { message, ...(errcode === undefined ? {} : { errcode }) } }
  }
  parentPort?.postMessage(answer)
})
parentPort?.postMessage({ ready: true } satisfies Answer)
