/**
 * An order that does not repeat itself: maximal marginal relevance (Carbonell and Goldstein 1998). Pure.
 *
 *     rankByMargin(queryVector, candidates, { lambda: 0.5 })
 */
import { inner } from './nearest.ts'

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
    const repeated = others.reduce((most, other) => Math.max(most, inner(one.vector, other.vector)), 0)
    return lambda * inner(query, one.vector) - (1 - lambda) * repeated
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
