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
import { heap } from '../../kernel/heap.ts'

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
  const sign = order === 'highest' || order === 'last' ? -1 : 1
  const entries = heap<Entry<Item>>((a, b) => (a.key === b.key ? a.place - b.place : sign * (a.key - b.key)))
  let pushed = 0
  return {
    get size() {
      return entries.size
    },
    push(item, key = 0) {
      const place = pushed++
      // Without keys of their own, entries are ordered by when they came.
      entries.push({ item, key: order === 'first' || order === 'last' ? place : key, place })
    },
    pop: () => entries.pop()?.item,
  }
}
