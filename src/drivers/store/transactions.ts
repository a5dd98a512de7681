/**
 * Write transactions on a connection that is the only regular writer of its file.
 *
 *     const transaction = createTransactions(database)
 *     transaction.run(() => { insert.run(1); insert.run(2) }, 2)
 *     transaction.runSingle(() => insert.run(3), 1)        // one statement, which is a transaction by itself
 *
 * Between writes the connection keeps its read transaction, which saves 4 of the 6 file locks of a commit, a third of its
 * time. While it does, SQLite cannot start its write-ahead log anew; so every `PINNED_LOAD_MAX` a write goes without, and
 * SQLite's own checkpoint after it gets its chance.
 *
 * Invariants
 *   W1. A transaction is kept whole or rolled back whole.
 *   W2. When another process has written since, the work is done again on what it left; nothing of it was done before.
 */
import type { DatabaseSync } from 'node:sqlite'
import { isBusy } from './connection.ts'

/** Load between two chances for a checkpoint; a small commit is 1. */
const PINNED_LOAD_MAX = 512

/** Write transactions on one connection. */
export interface Transactions {
  /** One transaction, without keeping a read transaction after it. */
  whole(work: () => void): void
  run(work: () => void, load: number): void
  runSingle(work: () => void, load: number): void
  /** Lets go of the read transaction, so that the next statement sees what other processes wrote. */
  unpin(): void
}

/** The transactions of a database. */
export function createTransactions(database: DatabaseSync): Transactions {
  const begin = database.prepare('BEGIN IMMEDIATE')
  const commit = database.prepare('COMMIT')
  // A statement that has not come to its end keeps its read transaction; this one has some rows left for ever.
  const pinning = database.prepare('SELECT 1 FROM sqlite_schema')
  let pin: NodeJS.Iterator<unknown> | undefined
  let pinnedLoad = 0

  function unpin(): void {
    pin?.return?.()
    pin = undefined
  }

  function repin(): void {
    if (pin !== undefined) return
    pin = pinning.iterate()
    pin.next()
    pinnedLoad = 0
  }

  function whole(work: () => void): void {
    begin.run()
    try {
      work()
      commit.run()
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }

  function pinned(work: () => void, load: number): void {
    pinnedLoad += load
    if (pinnedLoad < PINNED_LOAD_MAX) repin()
    else {
      // Unpinned: when this write ends, SQLite checkpoints if its log is long enough (1,000 pages) and no thread does it.
      unpin()
      pinnedLoad = 0
      return work()
    }
    try {
      work()
    } catch (error) {
      if (!isBusy(error)) throw error
      unpin() // another process has written since: look again, and wait for it if it still does
      work()
    }
  }

  return {
    whole,
    unpin,
    run: (work, load) => pinned(() => whole(work), load),
    runSingle: pinned,
  }
}
