/**
 * What routes are worth before they are taken, and which to take: the classes of estimate that the survey of routing has (Varangot-Reille et
 * al. 2025, "Doing more with less: a survey on routing strategies for resource optimisation in large language model-based systems"). Pure.
 *
 *     const estimates = byNeighbours(history, vector, candidates, { k: 5 })
 *     const route = chooseRoute(estimates, { budget: 0.01, costWeight: 2 })
 *
 * A candidate is whatever is routed to: a model, a prompt, an agent, a store. Quality is 0 to 1.
 *
 * Invariant
 *   RO1. What is chosen costs no more than the budget; of equal ones the first.
 */
import { chanceOf, fitLogistic } from './logistic.ts'
import { inner, unit } from './nearest.ts'
import { largest } from './largest.ts'

export interface RouteCandidate {
  readonly name: string
  /** What a use of it costs, in any one unit. */
  readonly cost: number
}

/** What came of a use: the vector of the query, who answered, how good it was. */
export interface RouteOutcome {
  readonly query: readonly number[]
  readonly route: string
  readonly quality: number
}

export interface RouteEstimate extends RouteCandidate {
  readonly quality: number
  /** Deviation of the estimate; 1 where nothing is known. */
  readonly uncertainty: number
}

/** Similarity: the mean quality on the nearest past queries that a candidate answered. @default k 5 */
export function byNeighbours(
  history: readonly RouteOutcome[],
  query: readonly number[],
  candidates: readonly RouteCandidate[],
  { k = 5 } = {},
): RouteEstimate[] {
  const at = unit(query)
  return candidates.map((candidate) => {
    const near = history
      .filter(({ route }) => route === candidate.name)
      .map((one) => ({ quality: one.quality, near: inner(unit(one.query), at) }))
      .toSorted((a, b) => b.near - a.near)
      .slice(0, k)
    const quality = near.length === 0 ? 0.5 : near.reduce((sum, one) => sum + one.quality, 0) / near.length
    return {
      ...candidate,
      quality,
      uncertainty: near.length === 0 ? 1 : Math.sqrt((quality * (1 - quality)) / near.length),
    }
  })
}

/** Supervised: a logistic regression of the quality of each candidate on the query. */
export function byRegression(
  history: readonly RouteOutcome[],
  query: readonly number[],
  candidates: readonly RouteCandidate[],
): RouteEstimate[] {
  const features = (vector: readonly number[]): number[] => [1, ...unit(vector)]
  return candidates.map((candidate) => {
    const own = history.filter(({ route }) => route === candidate.name)
    if (own.length === 0) return { ...candidate, quality: 0.5, uncertainty: 1 }
    const row = fitLogistic(
      own.map((one) => ({ x: features(one.query), y: one.quality })),
      { ridge: RIDGE },
    )
    return { ...candidate, quality: chanceOf(row, features(query)), uncertainty: 1 / Math.sqrt(own.length) }
  })
}

const RIDGE = 0.1

export interface RouteRules {
  /** @default no limit */
  readonly budget?: number
  /** Quality that one unit of cost is worth. @default 0: cost only breaks ties */
  readonly costWeight?: number
}

/** The route that is worth most for what it costs; undefined where none fits the budget. */
export function chooseRoute<Route extends RouteEstimate>(
  estimates: readonly Route[],
  { budget = Infinity, costWeight = 0 }: RouteRules = {},
): Route | undefined {
  const fitting = estimates.filter(({ cost }) => cost <= budget).toSorted((a, b) => a.cost - b.cost)
  return largest(fitting, ({ quality, cost }) => quality - costWeight * cost)
}
