/**
 * Full text of a store: which entries hold one of some words, best first. SQLite's FTS5 with BM25.
 *
 *     database.exec(searchTables)
 *     const search = createSearch(database)
 *     search.index('note', 'alice/1', 'the budget of May')
 *     search.find('note', ['alice/'], ['budget'], 10)      // [{ key: 'alice/1', score: 0.53… }]
 *
 * The same for every store with a `node:sqlite` connection: a file's (sqlite.ts) or one in memory (memory.ts).
 *
 * Invariants
 *   T1. Words are data: whatever they hold, they are looked for, never read as FTS syntax. A word that the tokenizer
 *       cuts in several ("covid-19") is found where they stand next to each other.
 *   T2. An entry has at most one text: indexing it again, or removing it, takes its old words out.
 *   T3. A key is found only under a prefix that it begins with, compared by characters: case counts, nothing is a wildcard.
 *   T4. Equal scores are ordered by key, so that the same store gives the same answer.
 *
 * Limits: `porter` stems English; `unicode61` does not cut Chinese, Japanese or Thai into words. The score counts how rare
 * a word is in all tables and prefixes together, and a search reads every entry that holds a word before it looks at
 * prefixes: its cost grows with the whole store, not with the prefix.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Table } from '../../kernel/drivers.ts'

/** FTS5 keeps the words only (`content=''`): the text itself is the business of the entry's value. */
export const searchTables = `
  CREATE TABLE searchable(id INTEGER PRIMARY KEY, name TEXT NOT NULL, key TEXT NOT NULL, UNIQUE(name, key));
  CREATE VIRTUAL TABLE words USING fts5(text, content='', contentless_delete=1, tokenize='porter unicode61 remove_diacritics 2')`

/** An entry that a search found. */
export interface SearchHit {
  readonly key: string
  /** Higher is better; comparable within one result only. */
  readonly score: number
}

/** Full text over the entries of a store. */
export interface Search {
  /** Takes the text of an entry, in place of an older one. */
  index(table: Table, key: string, text: string): void
  remove(table: Table, key: string): void
  find(table: Table, prefixes: readonly string[], words: readonly string[], limit: number): SearchHit[]
}

/** The index of a database. */
export function createSearch(database: DatabaseSync): Search {
  const prepare = preparer(database)
  function remove(table: Table, key: string): void {
    const row = prepare('DELETE FROM searchable WHERE name = ? AND key = ? RETURNING id').get(table, key)
    if (row !== undefined) prepare('DELETE FROM words WHERE rowid = ?').run(row['id'] as number)
  }
  return {
    remove,
    index(table, key, text) {
      remove(table, key)
      const { lastInsertRowid } = prepare('INSERT INTO searchable(name, key) VALUES(?, ?)').run(table, key)
      prepare('INSERT INTO words(rowid, text) VALUES(?, ?)').run(lastInsertRowid, text)
    },
    find(table, prefixes, words, limit) {
      const spans = prefixes.map((prefix) => [prefix, prefixEnd(prefix)] as const)
      if (spans.length === 0 || words.length === 0 || limit <= 0) return []
      // The places of the key ranges are part of the statement, their values are not.
      const scope = spans.map(([, end]) => (end === undefined ? 'key >= ?' : '(key >= ? AND key < ?)')).join(' OR ')
      const found = prepare(
        `SELECT key, -bm25(words) AS score FROM words CROSS JOIN searchable ON searchable.id = words.rowid
         WHERE words MATCH ? AND name = ? AND (${scope}) ORDER BY score DESC, key LIMIT ?`,
      ).all(
        quoted(words),
        table,
        ...spans.flat().filter((bound) => bound !== undefined),
        Math.min(Math.floor(limit), 2 ** 31),
      )
      return found.map((row) => ({ key: row['key'] as string, score: row['score'] as number }))
    },
  }
}

/** Prepares each statement once. Statements are few: their texts never hold data. */
export function preparer(database: DatabaseSync): (sql: string) => StatementSync {
  const statements = new Map<string, StatementSync>()
  return (sql) => {
    let statement = statements.get(sql)
    if (statement === undefined) statements.set(sql, (statement = database.prepare(sql)))
    return statement
  }
}

/** An FTS5 expression for "any of these words". FTS5 reads its expression as a C string, so a NUL would end it. */
function quoted(words: readonly string[]): string {
  return words.map((word) => `"${word.replaceAll('\0', ' ').replaceAll('"', '""')}"`).join(' OR ')
}

/** The smallest key after all that begin with `prefix`; undefined when there is none. */
export function prefixEnd(prefix: string): string | undefined {
  const points = Array.from(prefix.toWellFormed(), (character) => character.codePointAt(0) as number)
  while (points.at(-1) === 0x10ffff) points.pop()
  const last = points.pop()
  if (last === undefined) return undefined
  return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1)
}
