/**
 * The best few of many: a heap with the worst of them on top.
 *
 *     const best = bestOf(10)
 *     if (best.wants(score, space, entry)) best.add(score, space, entry)
 *     best.list()                                  // the best first
 *
 * Of equal scores the one of the smaller space, then the older entry, is better, so that the order of adding does not matter.
 */

/** An entry with its score. */
export interface Ranked {
  readonly space: number
  readonly entry: number
  readonly score: number
}

/** The best so far. */
export interface Best {
  /** The score below which nothing comes in any more. */
  readonly least: number
  wants(score: number, space: number, entry: number): boolean
  /** Only what it wants. */
  add(score: number, space: number, entry: number): void
  list(): Ranked[]
}

/** Keeps the `limit` best, at least one. */
export function bestOf(limit: number): Best {
  const heap: Ranked[] = []
  const isWorse = (a: Ranked, score: number, space: number, entry: number): boolean =>
    a.score !== score ? a.score < score : a.space !== space ? a.space > space : a.entry > entry
  const worseThan = (a: Ranked, b: Ranked): boolean => isWorse(a, b.score, b.space, b.entry)

  function sink(): void {
    const item = heap[0] as Ranked
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && worseThan(heap[child + 1] as Ranked, heap[child] as Ranked)) child++
      if (!worseThan(heap[child] as Ranked, item)) break
      heap[at] = heap[child] as Ranked
      at = child
    }
    heap[at] = item
  }

  function rise(): void {
    let at = heap.length - 1
    const item = heap[at] as Ranked
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!worseThan(item, heap[parent] as Ranked)) break
      heap[at] = heap[parent] as Ranked
      at = parent
    }
    heap[at] = item
  }

  return {
    get least(): number {
      return heap.length < limit ? -Infinity : (heap[0] as Ranked).score
    },
    wants(score: number, space: number, entry: number): boolean {
      return heap.length < limit || isWorse(heap[0] as Ranked, score, space, entry)
    },
    add(score: number, space: number, entry: number): void {
      if (heap.length < limit) {
        heap.push({ score, space, entry })
        rise()
      } else {
        heap[0] = { score, space, entry }
        sink()
      }
    },
    list: (): Ranked[] => heap.toSorted((a, b) => (worseThan(a, b) ? 1 : -1)),
  }
}
