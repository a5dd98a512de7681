/**
 * Making one order out of several (reciprocal rank fusion), and an order that does not repeat itself (maximal marginal
 * relevance). Pure.
 *
 *     fuseRanks([['a', 'b'], ['b', 'c']], 1)                              // [['b', 1.5], ['a', 1], ['c', 0.5]]
 *     rankByMargin(queryVector, candidates, { lambda: 0.5 })
 */

/**
 * Reciprocal rank fusion (Cormack, Clarke and Buettcher 2009): a thing at place i of a list, from 0, gets 1 / (i + constant)
 * from it. Equal sums keep the order in which they were first seen.
 *
 * @param constant 1 in Graphiti, where the first place weighs much; 60 (61 from 0) in the paper.
 */
export function fuseRanks(
  lists: readonly (readonly string[])[],
  constant = 1,
): (readonly [id: string, score: number])[] {
  const scores = new Map<string, number>()
  for (const list of lists)
    for (const [i, id] of list.entries()) scores.set(id, (scores.get(id) ?? 0) + 1 / (i + constant))
  return [...scores].sort((a, b) => b[1] - a[1])
}

export interface Marginal {
  readonly id: string
  readonly vector: readonly number[]
}

export interface MarginOptions {
  /** Weight of relevance against novelty, 0 to 1. @default 0.5, as in Graphiti */
  readonly lambda?: number
  /**
   * What a candidate should not repeat: those already chosen (Carbonell and Goldstein 1998), or any other candidate, which
   * also pushes down the first of two that are alike (Graphiti's release). @default 'chosen'
   */
  readonly against?: 'chosen' | 'all'
  /** @default all */
  readonly limit?: number
}

/** Maximal marginal relevance. Vectors are of unit length; ties keep the given order. */
export function rankByMargin(
  query: readonly number[],
  candidates: readonly Marginal[],
  { lambda = 0.5, against = 'chosen', limit = candidates.length }: MarginOptions = {},
): (readonly [id: string, score: number])[] {
  const score = (one: Marginal, others: readonly Marginal[]): number => {
    const repeated = others.reduce((most, other) => Math.max(most, dot(one.vector, other.vector)), 0)
    return lambda * dot(query, one.vector) - (1 - lambda) * repeated
  }
  if (against === 'all')
    return candidates
      .map(
        (one) =>
          [
            one.id,
            score(
              one,
              candidates.filter((other) => other !== one),
            ),
          ] as const,
      )
      .sort((a, b) => b[1] - a[1])
      .slice(0, limit)
  const left = [...candidates]
  const chosen: Marginal[] = []
  const order: (readonly [string, number])[] = []
  while (left.length > 0 && order.length < limit) {
    const scores = left.map((one) => score(one, chosen))
    const best = scores.indexOf(Math.max(...scores))
    const [one] = left.splice(best, 1) as [Marginal]
    chosen.push(one)
    order.push([one.id, scores[best] as number])
  }
  return order
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0)
}
