/**
 * Spaces: which searchable entries there are, by number, each space with its own numbers and counts.
 *
 * The space of an entry is its table and its key up to and including the first NUL; keys without one share a space for each
 * table. The kernel keeps each principal's notes under such a beginning, so a search costs what its own spaces hold.
 *
 *     const spaces = createSpaces(database)
 *     const place = spaces.add('note', 'ann\0n7', 12)      // { space, entry }: the next number of that space
 *     spaces.remove('note', 'ann\0n7')
 *     for (const { space, keys } of spaces.under('note', ['ann\0'])) …
 *
 * Invariants
 *   SP1. A key has at most one entry; the number of an entry is never given again.
 *   SP2. `version` grows with every change of a space, so that who read it before knows whether, and from where, to read on.
 *   SP3. `docs` and `tokens` count the entries with text that are there; `dead` those that are not, and that segments may
 *        still hold. `dead` has a row for each, by the version that it came with.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Table } from '../../kernel/drivers.ts'
import { preparer, prefixEnd, rowReader } from './statements.ts'

/** `searchable.id` is `space * SPACE_ENTRIES + entry`. Keys stand without the beginning that their space has in common. */
export const spaceTables = `
  CREATE TABLE space(id INTEGER PRIMARY KEY, name TEXT NOT NULL, prefix TEXT NOT NULL, version INTEGER NOT NULL,
    next INTEGER NOT NULL, settled INTEGER NOT NULL, thinned INTEGER NOT NULL,
    docs INTEGER NOT NULL, tokens INTEGER NOT NULL, dead INTEGER NOT NULL, UNIQUE(name, prefix));
  CREATE TABLE searchable(id INTEGER PRIMARY KEY, space INTEGER NOT NULL, key TEXT NOT NULL, length INTEGER NOT NULL,
    UNIQUE(space, key));
  CREATE TABLE dead(space INTEGER NOT NULL, version INTEGER NOT NULL, entry INTEGER NOT NULL,
    PRIMARY KEY(space, version)) WITHOUT ROWID`

/** Numbers that a space has: every write of an entry takes one. 33 million spaces have room. */
export const SPACE_ENTRIES = 2 ** 28

/** Rows that are read one after the other in the time that looking for one takes. */
const ROWS_A_SEEK = 3

/** A space as it was read. */
export interface Space {
  readonly id: number
  readonly prefix: string
  readonly version: number
  /** The next entry has this number. */
  readonly next: number
  /** Entries below are in segments, the others are recent. */
  readonly settled: number
  /** The version at which something settled was last taken out. */
  readonly thinned: number
  readonly docs: number
  readonly tokens: number
  readonly dead: number
}

/** A space that prefixes reach into. */
export interface Scope {
  readonly space: Space
  /** Beginnings of keys within it, of which one has to fit; undefined when all keys do. */
  readonly keys: readonly string[] | undefined
}

/** Keys as one text; without a size where some between the first and the last are gone. */
interface KeyText {
  readonly first: number
  readonly size: number | null
  readonly text: string
}

/** The spaces of a database. Writers open the transactions. */
export interface Spaces {
  /** A number for an entry of so many tokens, which has no other. */
  add(table: Table, key: string, tokens: number): { readonly space: Space; readonly entry: number }
  /** Undefined when the key had no entry. */
  remove(table: Table, key: string): { readonly space: number; readonly entry: number } | undefined
  under(table: Table, prefixes: readonly string[]): Scope[]
  /** Adds the keys of entries within their space, and maybe of others; none for those that are gone. */
  addKeys(keys: Map<number, string>, space: Space, entries: readonly number[]): void
  /** The entries of a space whose keys within it begin with one of these. */
  entriesUnder(space: number, beginnings: readonly string[]): Set<number>
  /** Entries that were removed after that version. */
  deadSince(space: number, version: number): number[]
  /** All entries are in segments now. */
  settle(space: number): void
  /** Neither segments nor codes hold the dead of a range any more. */
  bury(space: number, first: number, last: number): void
}

export function createSpaces(database: DatabaseSync): Spaces {
  const prepare = preparer(database)
  const keysOf = rowReader<string>(database, 'searchable', 'key')
  const columns = 'id, prefix, version, next, settled, thinned, docs, tokens, dead'

  function add(table: Table, key: string, tokens: number): { space: Space; entry: number } {
    const prefix = spaceOf(key)
    const docs = tokens > 0 ? 1 : 0
    const space = (prepare(
      `UPDATE space SET version = version + 1, next = next + 1, docs = docs + ?, tokens = tokens + ?
       WHERE name = ? AND prefix = ? RETURNING ${columns}`,
    ).get(docs, tokens, table, prefix) ??
      prepare(
        `INSERT INTO space(name, prefix, version, next, settled, thinned, docs, tokens, dead) VALUES(?, ?, 1, 1, 0, 0, ?, ?, 0)
         RETURNING ${columns}`,
      ).get(table, prefix, docs, tokens)) as unknown as Space
    const entry = space.next - 1
    if (entry >= SPACE_ENTRIES) throw new Error(`the space ${prefix} has had all of its ${SPACE_ENTRIES} entries`)
    prepare('INSERT INTO searchable VALUES(?, ?, ?, ?)').run(
      space.id * SPACE_ENTRIES + entry,
      space.id,
      key.slice(prefix.length),
      tokens,
    )
    return { space, entry }
  }

  function remove(table: Table, key: string): { space: number; entry: number } | undefined {
    const prefix = spaceOf(key)
    const row = prepare(
      `DELETE FROM searchable WHERE space = (SELECT id FROM space WHERE name = ? AND prefix = ?) AND key = ?
       RETURNING id, space, length`,
    ).get(table, prefix, key.slice(prefix.length)) as { id: number; space: number; length: number } | undefined
    if (row === undefined) return undefined
    const entry = row.id - row.space * SPACE_ENTRIES
    const { version } = prepare(
      `UPDATE space SET version = version + 1, docs = docs - ?, tokens = tokens - ?, dead = dead + 1
       WHERE id = ? RETURNING version`,
    ).get(row.length > 0 ? 1 : 0, row.length, row.space) as { version: number }
    prepare('INSERT INTO dead VALUES(?, ?, ?)').run(row.space, version, entry)
    return { space: row.space, entry }
  }

  function under(table: Table, prefixes: readonly string[]): Scope[] {
    const scopes = new Map<number, { space: Space; keys: string[] | undefined }>()
    const reach = (space: Space, beginning: string): void => {
      const known = scopes.get(space.id)
      if (beginning === '') scopes.set(space.id, { space, keys: undefined })
      else if (known === undefined) scopes.set(space.id, { space, keys: [beginning] })
      else known.keys?.push(beginning)
    }
    const one = prepare(`SELECT ${columns} FROM space WHERE name = ? AND prefix = ?`)
    for (const given of prefixes) {
      const prefix = given.toWellFormed()
      const own = spaceOf(prefix)
      const space = one.get(table, own) as unknown as Space | undefined
      if (space !== undefined) reach(space, prefix.slice(own.length))
      if (own !== '') continue
      // The beginning of the names of several spaces.
      const end = prefixEnd(prefix)
      const sql = `SELECT ${columns} FROM space WHERE name = ? AND prefix >= ? AND prefix <> ''`
      const rows =
        end === undefined ? prepare(sql).all(table, prefix) : prepare(`${sql} AND prefix < ?`).all(table, prefix, end)
      for (const row of rows) reach(row as unknown as Space, '')
    }
    return [...scopes.values()]
  }

  /** As one text, which takes half the time of rows, where all of them are there and none has in it what stands between them. */
  function addAllKeys(keys: Map<number, string>, base: number, next: number): void {
    const rows = 'SELECT id - ?1 AS entry, key FROM searchable WHERE id >= ?1 AND id < ?2 ORDER BY id'
    const { first, size, text } = prepare(
      `SELECT min(entry) AS first, iif(count(*) > max(entry) - min(entry), count(*), NULL) AS size,
       group_concat(key, char(10)) AS text FROM (${rows})`,
    ).get(base, base + next) as unknown as KeyText
    const all = size === null ? [] : text.split('\n')
    if (all.length === size) for (let i = 0; i < size; i++) keys.set(first + i, all[i] as string)
    else
      for (const row of prepare(rows).iterate(base, base + next)) keys.set(row['entry'] as number, row['key'] as string)
  }

  return {
    add,
    remove,
    under,
    addKeys(keys, { id, next }, entries) {
      const base = id * SPACE_ENTRIES
      if (next <= entries.length * ROWS_A_SEEK) return addAllKeys(keys, base, next)
      for (const [id, key] of keysOf(entries.map((entry) => base + entry))) keys.set(id - base, key)
    },
    entriesUnder(space, beginnings) {
      const entries = new Set<number>()
      const sql = 'SELECT id FROM searchable WHERE space = ? AND key >= ?'
      for (const beginning of beginnings) {
        const end = prefixEnd(beginning)
        const rows =
          end === undefined
            ? prepare(sql).all(space, beginning)
            : prepare(`${sql} AND key < ?`).all(space, beginning, end)
        for (const row of rows) entries.add((row['id'] as number) - space * SPACE_ENTRIES)
      }
      return entries
    },
    deadSince(space, version) {
      const rows = prepare('SELECT entry FROM dead WHERE space = ? AND version > ?').all(space, version)
      return rows.map((row) => row['entry'] as number)
    },
    settle: (space) => void prepare('UPDATE space SET settled = next WHERE id = ?').run(space),
    bury(space, first, last) {
      const sql = 'DELETE FROM dead WHERE space = ? AND entry >= ? AND entry < ?'
      const { changes } = prepare(sql).run(space, first, last)
      if (changes !== 0) prepare('UPDATE space SET dead = dead - ?, thinned = version WHERE id = ?').run(changes, space)
    },
  }
}

/** The beginning of a key that names its space. */
function spaceOf(key: string): string {
  return key.slice(0, key.indexOf('\0') + 1)
}
