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
 *   E3. A value in memory is the one in the file: whoever writes with another connection says so (`forget`).
 *   E4. A range holds no statement open while its reader works: entries are read `PAGE_ENTRIES` at a time, so writes in
 *       between are allowed and are seen where the reader has not been yet.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Put, Table } from '../../kernel/drivers.ts'
import { createTier } from '../../kernel/tier.ts'
import { createSearch, searchDefaults, searchTables, type Search, type SearchOptions } from './search.ts'
import { preparer } from './statements.ts'

const tables: readonly Table[] = ['blob', 'file', 'note', 'meta']
/** Entries read from a table at once. Few, because a value can be of many megabytes. */
const PAGE_ENTRIES = 64

/**
 * The ordered tables beside the journal. Contents are long and their keys have no order that anybody asks for: in a tree of
 * keys alone, with contents beside it in the order in which they came, a look-up reads few pages.
 */
export const entryTables = `${tables.map((table) => `CREATE TABLE ${table}(key TEXT PRIMARY KEY, value NOT NULL)${table === 'blob' ? '' : ' WITHOUT ROWID'}`).join(';')};${searchTables}`

/** What a value in memory takes beside its characters, about, and what a usual note takes with it. */
const ENTRY_BYTES = 200
const NOTE_BYTES = 1_024

/** What a key stands for. */
export type Value = string | Uint8Array

/** How many, and from which end. */
export interface RangeOptions {
  /** Most entries. @default all */
  readonly limit?: number
  /** From the last to the first. @default false */
  readonly reverse?: boolean
}

/** What a store may take of memory for what is read again and again; all of it can be read from the file too. */
export interface MemoryOptions extends SearchOptions {
  /** Bytes for values of notes. 0 where other processes write: nothing is kept then. @default 32 MiB */
  readonly noteBytesMax?: number
}

/** What each part of it takes at most where nothing else is said. */
export const memoryDefaults = { noteBytesMax: 32 * 2 ** 20, ...searchDefaults }

/** The ordered tables of a store file. */
export interface Entries {
  put(put: Put): void
  /** What was put by another connection. */
  forget(put: Put): void
  get(table: Table, key: string): Value | undefined
  range(
    table: Table,
    from: string,
    to: string,
    options?: RangeOptions,
  ): Generator<readonly [key: string, value: Value], void>
  readonly search: Search['find']
  readonly nearest: Search['nearest']
}

/** `page` wraps every read of a range, to name its errors. */
export function createEntries(
  database: DatabaseSync,
  page: <T>(read: () => T) => T = (read) => read(),
  { noteBytesMax = memoryDefaults.noteBytesMax, ...options }: MemoryOptions = {},
): Entries {
  const prepare = preparer(database)
  const search = createSearch(database, options)
  /** Notes that are read often. */
  const hot = createTier<string, Value>({
    bytesMax: noteBytesMax,
    eviction: options.eviction ?? 'lru-2',
    capacity: Math.ceil(noteBytesMax / NOTE_BYTES),
  })

  function read(table: Table, key: string): Value | undefined {
    return prepare(`SELECT value FROM ${table} WHERE key = ?`).get(key)?.['value'] as Value | undefined
  }

  return {
    search: search.find,
    nearest: search.nearest,
    forget({ table, key }) {
      if (table === 'note') hot.delete(key)
    },
    put({ table, key, value, text, vector }) {
      if (table === 'note') hot.delete(key)
      if (value === null) {
        prepare(`DELETE FROM ${table} WHERE key = ?`).run(key)
        return search.remove(table, key)
      }
      const insert = prepare(`INSERT INTO ${table} VALUES(?, ?) ON CONFLICT(key) DO NOTHING`)
      const isNew = insert.run(key, value).changes !== 0
      if (!isNew) prepare(`UPDATE ${table} SET value = ?2 WHERE key = ?1`).run(key, value)
      search.index(table, key, { text, vector, isNew })
    },
    get(table, key) {
      if (table !== 'note') return read(table, key)
      const known = hot.get(key)
      if (known !== undefined) return known
      const value = read(table, key)
      return typeof value === 'string' ? hot.set(key, value, 2 * (key.length + value.length) + ENTRY_BYTES) : value
    },
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
