/**
 * Pages of a list whose order does not change: a cursor names the last item that was given, by what it is sorted by.
 *
 *     pageOf(items, query, ({ pid }) => [pid])
 *
 * Invariants
 *   PG1. Who goes through all pages sees each item that was there from the beginning to the end once, and none twice,
 *        whatever comes and goes meanwhile.
 *   PG2. The keys of an item never change, and no two items have the same.
 */
import { z } from 'zod'
import { PolityError } from '../../kernel/errors.ts'

export const PAGE_DEFAULT = 100
const PAGE_MAX = 1_000

/** What every list takes. */
export const pageQuery = {
  cursor: z.string().max(2_000).optional().describe('`next` of the page before. Default the first page'),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).optional().describe(`Items of a page. Default ${PAGE_DEFAULT}`),
}

export interface PageAsked {
  readonly cursor?: string | undefined
  readonly limit?: number | undefined
}

type Key = string | number
type Keys = readonly Key[]

/** The page after the cursor. `keysOf` are what the items are sorted by, the first first; `down` turns the order round. */
export function pageOf<Item>(
  all: readonly Item[],
  { cursor, limit = PAGE_DEFAULT }: PageAsked,
  keysOf: (item: Item) => Keys,
  down = false,
): { items: Item[]; next: string | null } {
  const sign = down ? -1 : 1
  const after = cursor === undefined ? undefined : readCursor(cursor)
  // The first `limit` and one more, in order: a long list is gone through, not sorted.
  const best: { readonly item: Item; readonly keys: Keys }[] = []
  for (const item of all) {
    const keys = keysOf(item)
    if (after !== undefined && sign * compare(keys, after) <= 0) continue
    const last = best[limit]
    if (last !== undefined && sign * compare(keys, last.keys) > 0) continue
    let low = 0
    let high = best.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (sign * compare((best[middle] as (typeof best)[number]).keys, keys) < 0) low = middle + 1
      else high = middle
    }
    best.splice(low, 0, { item, keys })
    if (best.length > limit + 1) best.pop()
  }
  const page = best.slice(0, limit)
  const last = best.length > limit ? page.at(-1) : undefined
  return { items: page.map(({ item }) => item), next: last === undefined ? null : cursorOf(last.keys) }
}

export function cursorOf(keys: Keys): string {
  return Buffer.from(JSON.stringify(keys)).toString('base64url')
}

export function readCursor(cursor: string): Keys {
  try {
    const keys: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
    if (Array.isArray(keys) && keys.every((key) => typeof key === 'string' || typeof key === 'number')) return keys
  } catch {
    // Told below.
  }
  throw new PolityError('INVALID_ARGUMENT', 'query: cursor is none; pass `next` of the page before as it is')
}

/** A cursor whose one key is a number: a pid, a version, the number of an entry. */
export function readPlace(cursor: string): number {
  const [place, ...more] = readCursor(cursor)
  if (more.length === 0 && typeof place === 'number' && Number.isSafeInteger(place)) return place
  throw ofAnotherOrder()
}

/** A cursor whose one key is a text: a path, a principal. */
export function readName(cursor: string): string {
  const [name, ...more] = readCursor(cursor)
  if (more.length === 0 && typeof name === 'string') return name
  throw ofAnotherOrder()
}

function ofAnotherOrder(): PolityError {
  return new PolityError('INVALID_ARGUMENT', 'query: cursor is of a list in another order; begin without it')
}

function compare(a: Keys, b: Keys): number {
  for (let i = 0; i < a.length; i++) {
    const [one, other] = [a[i] as Key, b[i]]
    if (one === other) continue
    // A cursor of another order: its keys are of other kinds.
    if (typeof one !== typeof other) throw ofAnotherOrder()
    return one < (other as Key) ? -1 : 1
  }
  return 0
}
