/**
 * What a short text is about: the stems of its words, without those that say little. Two texts about one thing share some.
 *
 *     likeness('collect wood', 'collect some wood')   // 1
 */
import { searchWords } from '../../kernel/query.ts'
import { stem } from '../../kernel/stem.ts'

export function topicsOf(text: string): ReadonlySet<string> {
  return new Set(searchWords(text).map(stem))
}

/** How much two texts are about the same, 0 to 1: what both are about, as a share of what either is. */
export function likeness(a: string, b: string): number {
  return a === b ? 1 : jaccard(topicsOf(a), topicsOf(b))
}

/** What two sets have in common, as a share of what either has: 0 to 1. */
export function jaccard<Value>(a: ReadonlySet<Value>, b: ReadonlySet<Value>): number {
  const both = [...a].filter((one) => b.has(one)).length
  return both === 0 ? 0 : both / (a.size + b.size - both)
}
