/**
 * Link expansion: the notes that a search hit, and the notes that these are linked with, within one budget.
 *
 *     expand(hits, linked, { limit: 10, linkedShare: 0.25 })
 *
 * `bench/memory-programs.ts` holds it against plain hits at the same budget.
 */

export interface ExpandOptions {
  /** Notes in all. */
  readonly limit: number
  /** Share of them that may be linked notes, 0 to 1. */
  readonly linkedShare: number
  /** As in A-MEM's release: `limit` hits, each followed by what it is linked with, and `limit` + 1 of those beside them. @default false */
  readonly expandsByOneMore?: boolean
}

/**
 * Hits, and behind them what the best of them are linked with, until the budget is used: linked notes take at most their
 * share, and what they do not take, hits do.
 */
export function expand<Found extends { readonly id: string }>(
  hits: readonly Found[],
  linked: ReadonlyMap<string, readonly Found[]>,
  { limit, linkedShare, expandsByOneMore = false }: ExpandOptions,
): Found[] {
  const taken = new Map<string, Found>()
  const linkedMax = expandsByOneMore ? limit + 1 : Math.floor(limit * linkedShare)
  const total = expandsByOneMore ? 2 * limit + 1 : limit
  let count = 0
  for (const hit of hits) {
    if (taken.size < total) taken.set(hit.id, hit)
    for (const one of linked.get(hit.id) ?? []) {
      if (count >= linkedMax || taken.size >= total) break
      if (taken.has(one.id)) continue
      taken.set(one.id, one)
      count++
    }
  }
  if (expandsByOneMore) return [...taken.values()]
  const found = hits.filter(({ id }) => taken.has(id))
  for (const { id } of found) taken.delete(id)
  return [...found, ...taken.values()]
}
