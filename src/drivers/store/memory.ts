/**
 * The store that keeps nothing: for tests, simulations, and runs that nobody will resume.
 *
 *     const kernel = await boot({ store: memoryStore() })
 *
 * A commit keeps references to the events, which are frozen plain objects; nothing is copied or encoded.
 *
 * Invariants
 *   M1. It passes the conformance suite that a store file passes; order, ranges and search answer alike.
 *   M2. SQLite is loaded by the first `search`, not before.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Batch, ProcessHead, Put, Store, Table } from '../../kernel/drivers.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { JournalEvent, Pid } from '../../kernel/types.ts'
import type { Value } from './entries.ts'
import { createSearch, searchTables, type Search, type SearchHit } from './search.ts'
import { sortedMap, type SortedMap } from './sorted-map.ts'

/** A store in memory. */
export function memoryStore(): Store {
  const journal = new Map<Pid, JournalEvent[]>()
  const tables: { readonly [table in Table]: SortedMap } = {
    blob: sortedMap(),
    file: sortedMap(),
    note: sortedMap(),
    meta: sortedMap(),
  }
  const texts = createLazySearch()
  let lastSeq = -1
  let isOpen = true

  function check(): void {
    if (!isOpen) throw new PolityError('KERNEL_CLOSED', 'The store in memory is closed.')
  }

  return {
    durability: 'memory',
    commit({ events, puts }: Batch): void {
      check()
      for (const event of events) {
        if (event.seq <= lastSeq) continue
        const list = journal.get(event.pid)
        if (list === undefined) journal.set(event.pid, [event])
        else list.push(event)
        lastSeq = event.seq
      }
      for (const put of puts) {
        const key = put.key.toWellFormed()
        if (put.value === null) tables[put.table].delete(key)
        else tables[put.table].set(key, ownCopy(put.value))
        texts.put(put, key)
      }
    },
    *processes({ from = -Infinity, to = Infinity, reverse = false } = {}) {
      check()
      const pids = [...journal.keys()].filter((pid) => pid >= from && pid < to)
      for (const pid of pids.sort((a, b) => (reverse ? b - a : a - b))) {
        const head = toHead(journal.get(pid))
        if (head !== undefined) yield head
      }
    },
    events(pid) {
      check()
      return journal.get(pid)?.slice() ?? []
    },
    lastSeq() {
      check()
      return lastSeq
    },
    get(table, key) {
      check()
      const value = tables[table].get(key.toWellFormed())
      return value === undefined ? undefined : ownCopy(value)
    },
    *range(table, from, to, options) {
      check()
      for (const [key, value] of tables[table].range(from.toWellFormed(), to.toWellFormed(), options))
        yield [key, ownCopy(value)]
    },
    search(table, prefixes, words, limit) {
      check()
      return texts.find(table, prefixes, words, limit)
    },
    nearest(table, prefixes, vector, limit) {
      check()
      return texts.nearest(table, prefixes, vector, limit)
    },
    drop(pids) {
      check()
      for (const pid of pids) journal.delete(pid)
    },
    close() {
      isOpen = false
      journal.clear()
      texts.close()
    },
  }
}

/** What a caller does to its bytes later is its own business. */
function ownCopy(value: Value): Value {
  return typeof value === 'string' ? value.toWellFormed() : value.slice()
}

function toHead(events: readonly JournalEvent[] | undefined): ProcessHead | undefined {
  const start = events?.[0]
  if (start?.type !== 'process-start') return undefined
  const end = events?.at(-1)
  return end?.type === 'process-end' ? { start, end } : { start }
}

/** Keeps texts and vectors until somebody searches, then has SQLite index them. */
function createLazySearch(): {
  put(put: Put, key: string): void
  find: Search['find']
  nearest: Search['nearest']
  close(): void
} {
  interface Waiting extends Pick<Put, 'table' | 'text' | 'vector'> {
    readonly key: string
  }
  /** What the index does not know yet, by table and key; without text and vector where it should forget an entry. */
  const waiting = new Map<string, Waiting>()
  let everHadAny = false
  let index: Search | undefined
  let database: DatabaseSync | undefined

  function opened(): Search {
    if (index === undefined) {
      const { DatabaseSync } = process.getBuiltinModule('node:sqlite')
      database = new DatabaseSync(':memory:')
      database.exec(searchTables)
      index = createSearch(database)
    }
    database?.exec('BEGIN')
    for (const { table, key, text, vector } of waiting.values()) index.index(table, key, { text, vector })
    database?.exec('COMMIT')
    waiting.clear()
    return index
  }

  return {
    put({ table, value, text, vector }, key) {
      const hasText = value !== null && text !== undefined && text !== ''
      const hasVector = value !== null && vector !== undefined
      if (!hasText && !hasVector && !everHadAny) return
      everHadAny = true
      waiting.set(`${table} ${key}`, {
        table,
        key,
        ...(hasText ? { text } : {}),
        ...(hasVector ? { vector: vector.slice() } : {}),
      })
    },
    find: (...args): SearchHit[] => (everHadAny ? opened().find(...args) : []),
    nearest: (...args): SearchHit[] => (everHadAny ? opened().nearest(...args) : []),
    close: () => database?.isOpen && database.close(),
  }
}
