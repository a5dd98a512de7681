/**
 * Small things that all tables of a store file share: statements prepared once, rows of many ids at once, and the range of keys under a prefix.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'

/** Prepares each statement once. Statements are few: their texts never hold data. */
export function preparer(database: DatabaseSync): (sql: string) => StatementSync {
  const statements = new Map<string, StatementSync>()
  return (sql) => {
    let statement = statements.get(sql)
    if (statement === undefined) statements.set(sql, (statement = database.prepare(sql)))
    return statement
  }
}

/**
 * Reads the rows of many ids with one statement, `[id, value]` each, in the order of the ids. `table` and `column` are ours,
 * never data.
 */
export function rowReader<Value>(
  database: DatabaseSync,
  table: string,
  column: string,
): (ids: readonly number[]) => (readonly [id: number, value: Value])[] {
  const sql = `SELECT one.id, one.${column} FROM json_each(?) AS wanted CROSS JOIN ${table} AS one ON one.id = wanted.value`
  let statement: StatementSync | undefined
  return (ids) => {
    if (ids.length === 0) return []
    statement ??= database.prepare(sql)
    statement.setReturnArrays(true)
    return statement.all(JSON.stringify(ids)) as unknown as (readonly [number, Value])[]
  }
}

/** The smallest key after all that begin with `prefix`; undefined when there is none. */
export function prefixEnd(prefix: string): string | undefined {
  const points = Array.from(prefix.toWellFormed(), (character) => character.codePointAt(0) as number)
  while (points.at(-1) === 0x10ffff) points.pop()
  const last = points.pop()
  if (last === undefined) return undefined
  return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1)
}
