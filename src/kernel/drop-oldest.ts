/**
 * Makes room in a full table of what was computed before.
 *
 *     if (table.size >= tableMax) dropOldest(table)
 *     table.set(word, found)
 *
 * The oldest eighth goes at once, since looking for the oldest costs more the more went before.
 */
export function dropOldest(table: Map<unknown, unknown>): void {
  let left = table.size >> 3
  for (const key of table.keys()) {
    if (left-- <= 0) return
    table.delete(key)
  }
}
