/**
 * The journal in a store file: rows of events, and where each process has its own.
 *
 *     const journal = createJournalTable(database)
 *     for (const row of toRows(batch.events, lastSeq)) journal.append(row)
 *     journal.events(pid)
 *
 * How it is kept. `journal` is a log: one row for each process in a commit, added at the end, keyed by the seq of the
 * row's last event. `place` says in which rows a process has events. It is brought up to date in bulk (`indexPlaces`),
 * because doing it with every append doubles the pages that a commit writes; readers look at the rows that it does not
 * know yet themselves. Measured against a table clustered by process: a commit of 500 events of 500 processes writes
 * some 40 pages instead of 500, and runs at more than twice the speed.
 *
 * A row holds its events as JSON, one a line, so that the first or the last can be read without the others.
 *
 * Invariants
 *   J1. The largest key of `journal` is the largest seq in it.
 *   J2. `place` holds (pid, seq) of every row with seq <= `indexed`, and of no other.
 *   J3. Events of one process, row after row by key and line after line, are in order of seq.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { ProcessHead, ProcessRange } from '../../kernel/drivers.ts'
import type { JournalEvent, Pid, ProcessEnd } from '../../kernel/types.ts'
import { messageOf } from '../../kernel/errors.ts'
import { damaged } from './connection.ts'
import { preparer } from './statements.ts'

/** The journal, and where the events of a process lie in it. */
export const journalTables = `
  CREATE TABLE journal(seq INTEGER PRIMARY KEY, pid INTEGER NOT NULL, events TEXT NOT NULL);
  CREATE TABLE place(pid INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY(pid, seq)) WITHOUT ROWID;
  CREATE TABLE state(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
  INSERT INTO state VALUES('indexed', -1), ('lastSeq', -1)`

/** Processes whose heads are read at once. */
const PAGE_PROCESSES = 256

const INDEXED = "(SELECT value FROM state WHERE key = 'indexed')"

/** The first and the last row of the next processes by pid: from `place`, and from the rows that it does not know yet. */
const headsSql = (order: 'ASC' | 'DESC'): string => `
  WITH known AS (SELECT pid, min(seq) AS first, max(seq) AS last FROM place
                 WHERE pid >= ?1 AND pid < ?2 GROUP BY pid ORDER BY pid ${order} LIMIT ?3),
       fresh AS (SELECT pid, min(seq) AS first, max(seq) AS last FROM journal
                 WHERE seq > ${INDEXED} AND pid >= ?1 AND pid < ?2 GROUP BY pid),
       page AS MATERIALIZED (SELECT pid, min(first) AS first, max(last) AS last
                             FROM (SELECT * FROM known UNION ALL SELECT * FROM fresh)
                             GROUP BY pid ORDER BY pid ${order} LIMIT ?3)
  SELECT page.pid AS pid, a.events AS first, CASE WHEN page.first = page.last THEN NULL ELSE b.events END AS last
  FROM page CROSS JOIN journal AS a ON a.seq = page.first CROSS JOIN journal AS b ON b.seq = page.last
  ORDER BY page.pid ${order}`
const HEADS_UP_SQL = headsSql('ASC')
const HEADS_DOWN_SQL = headsSql('DESC')

const EVENTS_SQL = `
  SELECT events FROM journal WHERE seq IN
    (SELECT seq FROM place WHERE pid = ?1 UNION ALL SELECT seq FROM journal WHERE seq > ${INDEXED} AND pid = ?1) ORDER BY seq`

const SINCE_SQL = 'SELECT events FROM journal WHERE seq > ?1 ORDER BY seq'

/** Events of one process that were committed together, a line each. */
export interface Row {
  readonly pid: Pid
  /** Of the row's last event. */
  seq: number
  /** Events as JSON, one a line. */
  text: string
}

/** The rows for events after seq `after`, one a process. Events up to it are known already. */
export function toRows(events: readonly JournalEvent[], after: number): Row[] {
  const rows: Row[] = []
  let row: Row | undefined
  let byPid: Map<Pid, Row> | undefined
  for (const event of events) {
    if (event.seq <= after) continue
    const text = JSON.stringify(event)
    if (row !== undefined && row.pid !== event.pid) {
      byPid ??= new Map(rows.map((row) => [row.pid, row]))
      row = byPid.get(event.pid)
    }
    if (row === undefined) {
      row = { pid: event.pid, seq: event.seq, text }
      rows.push(row)
      byPid?.set(row.pid, row)
    } else {
      row.seq = event.seq
      row.text += `\n${text}`
    }
  }
  return rows
}

/** The journal of a store file. */
export interface JournalTable {
  append(row: Row): void
  /** Brings `place` up to date. Its caller opens the transaction. */
  indexPlaces(): void
  lastSeq(): number
  /** Sets what `lastSeq` returns at least. */
  keepLastSeq(seq: number): void
  events(pid: Pid): JournalEvent[]
  /** Events of all processes behind `seq`, by row: those of one process in the order of `seq`. */
  since(seq: number): JournalEvent[]
  processes(range?: ProcessRange): Generator<ProcessHead, void>
  /** Removes at most `rowsMax` rows of a process, of those that `place` knows; returns how many. */
  removeRows(pid: Pid, rowsMax: number): number
}

/** `page` wraps every read of `processes`, to name its errors. `isDropped` hides processes whose rows wait for removal. */
export function createJournalTable(
  database: DatabaseSync,
  options: { path: string; page?: <T>(read: () => T) => T; isDropped?: () => (pid: Pid) => boolean },
): JournalTable {
  const { path, page = (read) => read(), isDropped = () => () => false } = options
  const prepare = preparer(database)
  const insert = database.prepare('INSERT INTO journal VALUES(?, ?, ?)')
  return {
    append: (row) => void insert.run(row.seq, row.pid, row.text),
    indexPlaces() {
      prepare(`INSERT INTO place SELECT pid, seq FROM journal WHERE seq > ${INDEXED} ORDER BY pid, seq`).run()
      prepare(
        "UPDATE state SET value = max(value, (SELECT coalesce(max(seq), -1) FROM journal)) WHERE key = 'indexed'",
      ).run()
    },
    lastSeq() {
      const row = prepare(
        "SELECT max(value, (SELECT coalesce(max(seq), -1) FROM journal)) AS last FROM state WHERE key = 'lastSeq'",
      ).get()
      return (row?.['last'] as number | undefined) ?? -1
    },
    keepLastSeq: (seq) => void prepare("UPDATE state SET value = max(value, ?) WHERE key = 'lastSeq'").run(seq),
    events(pid) {
      if (isDropped()(pid)) return []
      return eventsIn(prepare(EVENTS_SQL).all(pid), path)
    },
    since(seq) {
      const dropped = isDropped()
      // A row is known by its last event: an earlier one of it may be known already.
      return eventsIn(prepare(SINCE_SQL).all(seq), path).filter((event) => event.seq > seq && !dropped(event.pid))
    },
    *processes({ from = Number.MIN_SAFE_INTEGER, to = Number.MAX_SAFE_INTEGER, reverse = false } = {}) {
      for (let first = from, end = to; first < end;) {
        const count = Math.min(PAGE_PROCESSES, end - first)
        const { rows, dropped } = page(() => ({
          rows: prepare(reverse ? HEADS_DOWN_SQL : HEADS_UP_SQL).all(first, end, count),
          dropped: isDropped(),
        }))
        for (const row of rows) {
          if (dropped(row['pid'] as Pid)) continue
          const head = toHead(row['first'], row['last'] ?? row['first'], path)
          if (head !== undefined) yield head
        }
        if (rows.length < count) return
        const last = rows.at(-1)?.['pid'] as Pid
        if (reverse) end = last
        else first = last + 1
      }
    },
    removeRows(pid, rowsMax) {
      const seqs = 'SELECT seq FROM place WHERE pid = ?1 ORDER BY seq LIMIT ?2'
      prepare(`DELETE FROM journal WHERE seq IN (${seqs})`).run(pid, rowsMax)
      return Number(prepare(`DELETE FROM place WHERE pid = ?1 AND seq IN (${seqs})`).run(pid, rowsMax).changes)
    },
  }
}

/** What is left of a process that was dropped and written to again has no start, and is no process. */
function toHead(first: unknown, last: unknown, path: string): ProcessHead | undefined {
  if (typeof first !== 'string' || typeof last !== 'string') throw damaged(path, 'a row of the journal is not text')
  const line = first.indexOf('\n')
  const start = parse(line < 0 ? first : first.slice(0, line), path)
  if (start.type !== 'process-start') return undefined
  const end = endOf(last.slice(last.lastIndexOf('\n') + 1), path)
  return end === undefined ? { start } : { start, end }
}

/** Text cannot hold a bare `"type":"process-end"`, since quotes are escaped in it; a value can, hence the second look. */
function endOf(line: string, path: string): ProcessEnd | undefined {
  if (!line.includes('"type":"process-end"')) return undefined
  const event = parse(line, path)
  return event.type === 'process-end' ? event : undefined
}

function eventsIn(rows: readonly { readonly [column: string]: unknown }[], path: string): JournalEvent[] {
  const events: JournalEvent[] = []
  for (const row of rows) {
    const text = row['events']
    if (typeof text !== 'string') throw damaged(path, 'a row of the journal is not text')
    if (text.includes('\n')) for (const line of text.split('\n')) events.push(parse(line, path))
    else events.push(parse(text, path))
  }
  return events
}

function parse(line: string, path: string): JournalEvent {
  let event: JournalEvent | null
  try {
    event = JSON.parse(line) as JournalEvent | null
  } catch (error) {
    throw damaged(path, `an event of the journal is not JSON (${messageOf(error)})`, error)
  }
  if (typeof event?.type !== 'string') throw damaged(path, 'an event of the journal has no type')
  return event
}
