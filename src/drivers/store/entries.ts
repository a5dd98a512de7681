/**
 * The ordered tables of a store file: `blob`, `file`, `note` and `meta`, each from key to text or bytes.
 *
 *     const entries = createEntries(database)
 *     entries.put({ table: 'note', key: 'alice/1', value: '{…}', text: 'words to find it by' })
 *     for (const [key, value] of entries.range('note', 'alice/', 'alice0')) …
 *
 * Invariants
 *   E1. Keys are ordered by their UTF-8 bytes. Lone surrogates, which UTF-8 cannot hold, become U+FFFD.
 *   E2. A value comes back as the type that it was put as.
 *   E3. A range holds no statement open while its reader works: entries are read `PAGE_ENTRIES` at a time, so writes in
 *       between are allowed and are seen where the reader has not been yet.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Put, Table } from '../../kernel/drivers.ts'
import { createSearch, preparer, searchTables, type Search } from './search.ts'

const tables: readonly Table[] = ['blob', 'file', 'note', 'meta']
/** Entries read from a table at once. Few, because a value can be of many megabytes. */
const PAGE_ENTRIES = 64

/** The ordered tables beside the journal. */
export const entryTables = `${tables.map((table) => `CREATE TABLE ${table}(key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID`).join(';')};${searchTables}`

/** What a key stands for. */
export type Value = string | Uint8Array

/** How many, and from which end. */
export interface RangeOptions {
  /** Most entries. @default all */
  readonly limit?: number
  /** From the last to the first. @default false */
  readonly reverse?: boolean
}

/** The ordered tables of a store file. */
export interface Entries {
  put(put: Put): void
  get(table: Table, key: string): Value | undefined
  range(
    table: Table,
    from: string,
    to: string,
    options?: RangeOptions,
  ): Generator<readonly [key: string, value: Value], void>
  readonly search: Search['find']
}

/** `page` wraps every read of a range, to name its errors. */
export function createEntries(database: DatabaseSync, page: <T>(read: () => T) => T = (read) => read()): Entries {
  const prepare = preparer(database)
  const search = createSearch(database)
  return {
    search: search.find,
    put({ table, key, value, text }) {
      if (value === null) prepare(`DELETE FROM ${table} WHERE key = ?`).run(key)
      else prepare(`INSERT INTO ${table} VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = ?2`).run(key, value)
      if (value === null || text === undefined || text === '') search.remove(table, key)
      else search.index(table, key, text)
    },
    get: (table, key) => prepare(`SELECT value FROM ${table} WHERE key = ?`).get(key)?.['value'] as Value | undefined,
    *range(table, from, to, { limit = Infinity, reverse = false } = {}) {
      const order = reverse ? 'DESC' : 'ASC'
      for (let left = limit, start = from, end = to; left > 0;) {
        const count = Math.min(Math.ceil(left), PAGE_ENTRIES)
        const sql = `SELECT key, value FROM ${table} WHERE key >= ? AND key < ? ORDER BY key ${order} LIMIT ?`
        const rows = page(() => prepare(sql).all(start, end, count))
        for (const row of rows) yield [row['key'] as string, row['value'] as Value]
        if (rows.length < count) return
        left -= count
        const last = rows.at(-1)?.['key'] as string
        if (reverse) end = last
        else start = `${last}\0` // the next key there can be
      }
    },
  }
}
