/**
 * Removing ended processes from a store file without a pause that anyone would feel.
 *
 * `begin` notes the wish in one row, after which nobody sees those processes; `step` then removes a bounded number of
 * rows, and the owner takes a step now and one in each turn of the event loop until nothing is left. A wish that a crash
 * interrupts is gone on with by the next owner.
 *
 * Freed pages are used by later appends. Beyond a reserve of a quarter of the file they go back to the file system, in
 * steps as well (`auto_vacuum = INCREMENTAL`): a kernel that once ran 100,000 processes does not keep their space, and one
 * that drops as much as it writes does not grow and shrink its file all day.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Pid } from '../../kernel/types.ts'
import { numberOf } from './connection.ts'
import type { JournalTable } from './journal-table.ts'
import { preparer } from './statements.ts'

/** The table of removals that are under way. */
export const droppingTables = 'CREATE TABLE dropping(id INTEGER PRIMARY KEY, pids TEXT NOT NULL)'

/** Rows removed in one step; about 5 ms. */
const ROWS_A_STEP = 500
/** Pages given back in one step; about 5 ms. */
const PAGES_A_STEP = 250
/** Part of a file's pages that may be free, and a number of pages that is never worth the work. */
const FREE_PART = 0.25
const FREE_PAGES_MIN = 1_024

/** Removal in steps. */
export interface Dropping {
  has(pid: Pid): boolean
  /** Notes the wish and removes the first rows. Its caller opens the transaction. */
  begin(pids: readonly Pid[]): void
  /** Removes some more. Its caller opens the transaction. True when it should be called again. */
  step(): boolean
  /** Takes back what was done since `settle`, when its transaction was rolled back. */
  undo(): void
  settle(): void
  /** Reads from the file what is under way: at opening, and for readers in other processes. */
  reload(): void
}

/** The removals of a store file; without its journal, only who is being removed. */
export function createDropping(database: DatabaseSync, journal?: JournalTable): Dropping {
  const prepare = preparer(database)
  let waiting = new Set<Pid>()
  let added: readonly Pid[] = []
  let finished: Pid[] = []
  function settle(): void {
    added = []
    finished = []
  }

  function removeSome(): boolean {
    let left = ROWS_A_STEP
    for (const pid of waiting) {
      const removed = journal?.removeRows(pid, left) ?? 0
      if (removed === left) return true // there may be more of this process
      waiting.delete(pid)
      finished.push(pid)
      left -= removed + 1 // a look costs something too
      if (left <= 0) break
    }
    if (waiting.size > 0) return true
    prepare('DELETE FROM dropping').run()
    return false
  }
  return {
    has: (pid) => waiting.has(pid),
    begin(pids) {
      added = pids.filter((pid) => !waiting.has(pid))
      for (const pid of pids) waiting.add(pid)
      if (removeSome()) prepare('INSERT INTO dropping(pids) VALUES(?)').run(JSON.stringify(pids))
    },
    step() {
      if (waiting.size > 0 && removeSome()) return true
      const excess = excessPages(database)
      if (excess > 0) database.exec(`PRAGMA incremental_vacuum(${Math.min(excess, PAGES_A_STEP)})`)
      return excess > PAGES_A_STEP
    },
    undo() {
      for (const pid of finished) waiting.add(pid)
      for (const pid of added) waiting.delete(pid)
      settle()
    },
    settle,
    reload() {
      const rows = prepare('SELECT pids FROM dropping').all()
      waiting = new Set(rows.flatMap((row) => JSON.parse(row['pids'] as string) as Pid[]))
    },
  }
}

function excessPages(database: DatabaseSync): number {
  const free = numberOf(database, 'PRAGMA freelist_count')
  if (free < FREE_PAGES_MIN) return 0
  return Math.ceil(free - Math.max(FREE_PAGES_MIN / 2, numberOf(database, 'PRAGMA page_count') * FREE_PART))
}
