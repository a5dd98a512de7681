/**
 * Agent tokens (AgentStore, Jia et al. 2024): for each agent of a pool one row of numbers, trained on demonstrations of what it can do, that
 * says how well it suits a task. Who joins adds a row, and changes no other.
 *
 *     const tokens = tokensOf({ mail: vectorsOfItsDemos, maps: … })
 *     enroll(tokens, 'music', vectors)
 *     tokensFor(tokens, vector, 5)                // the names of five, the likeliest first
 *
 * The paper adds tokens to the vocabulary of a model whose other weights stay, and trains their embeddings to come next after a task. Here a
 * row is a logistic regression on the vector of a text by an embedder, its own demos against those of the others: what the paper trains, on
 * what any machine has.
 *
 * Invariants
 *   AT1. `enroll` leaves every row that there is as it was.
 *   AT2. Rows weigh an agent's own demos as much as all others together, so that a row does not depend on how large the pool is.
 */
import { chanceOf, fitLogistic } from './logistic.ts'
import { unit } from './nearest.ts'

/** The rows, and the demos that later rows are told apart from. Plain data. */
export interface AgentTokens {
  readonly rows: { [agent: string]: readonly number[] }
  readonly demos: { [agent: string]: readonly (readonly number[])[] }
}

/** Of the regression. Ours. */
const RIDGE = 0.1

/** A row for each agent, from the vectors of its demonstrations, one at least. */
export function tokensOf(demos: { readonly [agent: string]: readonly (readonly number[])[] }): AgentTokens {
  const tokens: AgentTokens = { rows: {}, demos: {} }
  for (const [agent, vectors] of Object.entries(demos)) tokens.demos[agent] = vectors.map(unit)
  for (const agent of Object.keys(demos)) tokens.rows[agent] = rowOf(tokens, agent)
  return tokens
}

/** Adds an agent, or trains its row anew. */
export function enroll(tokens: AgentTokens, agent: string, vectors: readonly (readonly number[])[]): void {
  tokens.demos[agent] = vectors.map(unit)
  tokens.rows[agent] = rowOf(tokens, agent)
}

/** The `k` agents whose rows suit a task best, the best first; of equal ones who came first. */
export function tokensFor({ rows }: AgentTokens, task: readonly number[], k: number): string[] {
  const x = featuresOf(unit(task))
  const chances = new Map(Object.entries(rows).map(([agent, row]) => [agent, chanceOf(row, x)]))
  return [...chances.keys()].toSorted((a, b) => (chances.get(b) as number) - (chances.get(a) as number)).slice(0, k)
}

function rowOf({ demos }: AgentTokens, agent: string): number[] {
  const own = demos[agent] ?? []
  const others = Object.entries(demos).flatMap(([name, vectors]) => (name === agent ? [] : vectors))
  return fitLogistic(
    [
      ...own.map((vector) => ({ x: featuresOf(vector), y: 1, weight: 0.5 / own.length })),
      ...others.map((vector) => ({ x: featuresOf(vector), y: 0, weight: 0.5 / others.length })),
    ],
    { ridge: RIDGE },
  )
}

/** With a constant, for how likely an agent is at all. */
function featuresOf(vector: readonly number[]): number[] {
  return [1, ...vector]
}
