/**
 * A look at a store file from end to end: is it whole, and can every event of its journal be read?
 *
 *     const { faults, events } = checkStore('clerk.db')
 *
 * It reads all of the file, beside the kernel that owns it, and writes nothing. What it looks at:
 *   - SQLite's own check of pages, tables, indexes and the full text;
 *   - that each row of the journal is text, each line of it an event of the row's process, in order of seq (J1, J3);
 *   - that `place` knows the rows that it should and no others (J2).
 */
import type { DatabaseSync } from 'node:sqlite'
import { messageOf } from '../../kernel/errors.ts'
import type { JournalEvent, Pid } from '../../kernel/types.ts'
import { numberOf, openForReading } from './connection.ts'
import { openExisting } from './sqlite-reader.ts'

export interface StoreCheck {
  /** Each in a sentence without its full stop; none when the store is whole. */
  readonly faults: readonly string[]
  /** Faults beyond those that are told. */
  readonly more: number
  /** Events that can be read. */
  readonly events: number
  /** Processes that have some. */
  readonly processes: number
}

/** Faults that are told; one broken page can make thousands. */
const FAULTS_MAX = 5
const PAGE_ROWS = 256
const FAULT_CHARS_MAX = 200

export function checkStore(path: string): StoreCheck {
  const { database, close } = openExisting(path, openForReading)
  const faults: string[] = []
  let more = 0
  const fault = (text: string): void => {
    if (faults.length < FAULTS_MAX) faults.push(text.slice(0, FAULT_CHARS_MAX))
    else more++
  }
  const attempt = (what: string, work: () => void): void => {
    try {
      work()
    } catch (error) {
      fault(`${what}: ${messageOf(error)}`)
    }
  }
  const lasts = new Map<Pid, number>()
  let events = 0
  try {
    attempt('the file cannot be read to its end', () => {
      // One state of the file for all that follows, while its owner goes on.
      database.exec('BEGIN')
      for (const row of database.prepare(`PRAGMA integrity_check(${FAULTS_MAX})`).iterate()) {
        for (const line of String(Object.values(row)[0]).split('\n'))
          if (line !== 'ok' && !line.startsWith('***')) fault(`SQLite finds: ${line}`)
      }
    })
    attempt('the journal cannot be read to its end', () => {
      for (const row of rowsOf(database)) events += checkRow(row, lasts, fault)
    })
    attempt('the index of places cannot be read', () => checkPlaces(database, fault))
  } finally {
    close()
  }
  return { faults, more, events, processes: lasts.size }
}

interface JournalRow {
  readonly seq: number
  readonly pid: Pid
  readonly events: unknown
}

/** A page at a time: a journal can be larger than the memory. */
function* rowsOf(database: DatabaseSync): Generator<JournalRow, void> {
  const page = database.prepare('SELECT seq, pid, events FROM journal WHERE seq > ? ORDER BY seq LIMIT ?')
  for (let after = Number.MIN_SAFE_INTEGER; ;) {
    const rows = page.all(after, PAGE_ROWS) as unknown as JournalRow[]
    yield* rows
    if (rows.length < PAGE_ROWS) return
    after = (rows.at(-1) as JournalRow).seq
  }
}

/** Returns how many of its events can be read. */
function checkRow(
  { seq, pid, events: text }: JournalRow,
  lasts: Map<Pid, number>,
  fault: (text: string) => void,
): number {
  const where = `row ${seq} of the journal, of process ${pid},`
  if (typeof text !== 'string') {
    fault(`${where} is not text`)
    return 0
  }
  let good = 0
  let last: number | undefined
  for (const line of text.split('\n')) {
    let event: Partial<JournalEvent> | null
    try {
      event = JSON.parse(line) as Partial<JournalEvent> | null
    } catch {
      fault(`${where} holds an event that is not JSON`)
      continue
    }
    if (typeof event?.type !== 'string' || typeof event.seq !== 'number')
      fault(`${where} holds something that is no event`)
    else if (event.pid !== pid) fault(`${where} holds an event of process ${event.pid}`)
    else {
      const before = lasts.get(pid)
      if (before !== undefined && event.seq <= before) fault(`${where} holds event ${event.seq} after event ${before}`)
      lasts.set(pid, event.seq)
      last = event.seq
      good++
    }
  }
  if (last !== undefined && last !== seq) fault(`${where} ends with event ${last}`)
  return good
}

function checkPlaces(database: DatabaseSync, fault: (text: string) => void): void {
  const indexed = "(SELECT value FROM state WHERE key = 'indexed')"
  const lost = numberOf(
    database,
    `SELECT count(*) FROM journal AS j WHERE seq <= ${indexed} AND NOT EXISTS (SELECT 1 FROM place WHERE pid = j.pid AND seq = j.seq)`,
  )
  if (lost > 0) fault(`the index of places does not know ${lost} of its rows, so their processes are not whole`)
  const empty = numberOf(
    database,
    'SELECT count(*) FROM place AS p WHERE NOT EXISTS (SELECT 1 FROM journal WHERE seq = p.seq AND pid = p.pid)',
  )
  if (empty > 0) fault(`the journal lacks ${empty} of the rows that the index of places leads to`)
}
