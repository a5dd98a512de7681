/**
 * A frontier: what a search may go on with, in one of four orders.
 *
 *     const frontier = createFrontier<Node>('lowest')      // A*: the smallest f first
 *     frontier.push(node, g + h)
 *     for (let next = frontier.pop(); next !== undefined; next = frontier.pop()) …
 *
 * `highest` is best-first search, `lowest` is A* and Dijkstra, `first` is breadth-first and `last` depth-first search.
 * Best-first, breadth-first and depth-first are one search with another frontier, as in the release of Koh et al. 2024.
 *
 * Invariant
 *   F1. Among equal keys the one that was pushed first is popped first (`last`: the one that was pushed last).
 */
export type Order = 'highest' | 'lowest' | 'first' | 'last'

export interface Frontier<Item> {
  readonly size: number
  push(item: Item, key?: number): void
  pop(): Item | undefined
}

interface Entry<Item> {
  readonly item: Item
  readonly key: number
  readonly place: number
}

export function createFrontier<Item>(order: Order): Frontier<Item> {
  const heap: Entry<Item>[] = []
  let pushed = 0
  const sign = order === 'highest' || order === 'last' ? -1 : 1

  const isBefore = (a: Entry<Item>, b: Entry<Item>): boolean =>
    a.key === b.key ? a.place < b.place : sign * (a.key - b.key) < 0

  function swap(i: number, j: number): void {
    const held = heap[i] as Entry<Item>
    heap[i] = heap[j] as Entry<Item>
    heap[j] = held
  }

  return {
    get size() {
      return heap.length
    },
    push(item, key = 0) {
      const place = pushed++
      // Without keys of their own, entries are ordered by when they came.
      heap.push({ item, key: order === 'first' || order === 'last' ? place : key, place })
      for (let i = heap.length - 1; i > 0;) {
        const parent = (i - 1) >> 1
        if (!isBefore(heap[i] as Entry<Item>, heap[parent] as Entry<Item>)) break
        swap(i, parent)
        i = parent
      }
    },
    pop() {
      const first = heap[0]
      const last = heap.pop()
      if (first === undefined || last === undefined) return undefined
      if (heap.length > 0) {
        heap[0] = last
        for (let i = 0; ;) {
          const left = 2 * i + 1
          let least = i
          for (const child of [left, left + 1])
            if (child < heap.length && isBefore(heap[child] as Entry<Item>, heap[least] as Entry<Item>)) least = child
          if (least === i) break
          swap(i, least)
          i = least
        }
      }
      return first.item
    },
  }
}
