/**
 * Which agents of a pool a query needs, and who of them hears whom: learned from teams that were tried.
 *
 *     const worth = worthOf(teams)                         // of one task: what the presence of each agent changed, at least
 *     const pruner = trainPruner([{ query, worth }, …])    // over tasks: query is a vector
 *     keptBy(pruner, query)                                // the agents for another query, by number
 *     drawnDag(4, () => 0.5, random)                       // edges without a circle
 *
 * After AGP (Li et al. 2025, "Adaptive graph pruning for multi-agent communication"), with a logistic head for each agent
 * over the vector of the query in place of its graph convolution. Kept from it: what was tried counts by what it was worth,
 * a node stays from .55 on, the loss has .05 of the mean probability, so that small teams win where both do, and an edge
 * that closes a circle is not drawn.
 *
 * Invariants
 *   GP1. `drawnDag` has no circle, whatever the chances.
 *   GP2. At least one agent is kept.
 */
import { PolityError } from '../../kernel/errors.ts'
import { chanceOf } from './logistic.ts'
import { inner } from './nearest.ts'
import { cholesky, solve } from './positive-definite.ts'

/** A team that was tried on a task, and what it was worth. */
export interface TriedTeam {
  readonly members: readonly boolean[]
  readonly utility: number
}

export interface WorthOptions {
  /**
   * Standard errors that are taken off, so that an agent is needed only where what it changes stands out of the noise of so few
   * teams; 0 takes the estimate as it is. A pruner learns from the sign, which noise often has wrong where little is at stake
   * (experiment C5). From 0 on. @default 1
   */
  readonly errors?: number
}

/**
 * Of each agent, what its presence changes, the others as they are: least squares of the utility on who was in the team, with a
 * ridge of 1 that draws what was hardly tried towards 0, less its standard error. AGP reads it from edges that it learns by
 * reinforcement.
 */
export function worthOf(teams: readonly TriedTeam[], { errors = 1 }: WorthOptions = {}): number[] {
  if (!(errors >= 0))
    throw new PolityError('INVALID_ARGUMENT', `worthOf takes off 0 or more standard errors, not ${errors}; 1 is usual`)
  const size = teams[0]?.members.length ?? 0
  if (size === 0) return []
  const overTeams = (of: (team: TriedTeam) => number): number =>
    teams.reduce((sum, team) => sum + of(team), 0) / teams.length
  const middle = overTeams(({ utility }) => utility)
  const shares = Array.from({ length: size }, (_, agent) =>
    overTeams(({ members }) => (members[agent] === true ? 1 : 0)),
  )
  const rows = teams.map(({ members }) => shares.map((share, agent) => (members[agent] === true ? 1 : 0) - share))
  const right = shares.map((_, a) =>
    rows.reduce((sum, row, i) => sum + (row[a] as number) * ((teams[i] as TriedTeam).utility - middle), 0),
  )
  const system = shares.map((_, a) =>
    shares.map((_share, b) =>
      rows.reduce((sum, row) => sum + (row[a] as number) * (row[b] as number), a === b ? 1 : 0),
    ),
  )
  const factor = cholesky(system)
  const worth = solve(factor, right)
  const missed = rows.map((row, i) => (teams[i] as TriedTeam).utility - middle - inner(row, worth))
  const variance = inner(missed, missed) / Math.max(1, teams.length - size - 1)
  return worth.map((one, agent) => {
    const spread = solve(
      factor,
      worth.map((_, other) => (other === agent ? 1 : 0)),
    )[agent] as number
    return one - errors * Math.sqrt(variance * spread)
  })
}

export interface PruningExample {
  readonly query: readonly number[]
  /** By agent: it is needed where this is above 0, and the more it differs from 0 the more the example counts. */
  readonly worth: readonly number[]
}

/** A row for each agent: a weight for each number of the query, and its bias last. Plain data. */
export type Pruner = readonly (readonly number[])[]

export interface TrainOptions {
  /** Passes over all examples. @default 300 */
  readonly epochs?: number
  /** @default 1 */
  readonly rate?: number
  /** Weight of the mean probability in the loss. @default 0.05, AGP's */
  readonly sparsity?: number
}

/** Logistic regression by gradient descent over all examples at once, from zero: the same examples give the same pruner. */
export function trainPruner(
  examples: readonly PruningExample[],
  { epochs = 300, rate = 1, sparsity = 0.05 }: TrainOptions = {},
): Pruner {
  const agents = examples[0]?.worth.length ?? 0
  const size = (examples[0]?.query.length ?? 0) + 1
  const rows = Array.from({ length: agents }, () => Array.from({ length: size }, () => 0))
  const seen = examples.map(({ query, worth }) => ({ x: withConstant(query), worth }))
  for (let epoch = 0; epoch < epochs; epoch++)
    for (const [agent, row] of rows.entries()) {
      const slope = row.map(() => 0)
      let total = 0
      for (const { x, worth } of seen) {
        const p = chanceOf(row, x)
        const [own, weight] = [worth[agent] as number, Math.abs(worth[agent] as number)]
        const error = weight * (p - (own > 0 ? 1 : 0) + sparsity * p * (1 - p))
        total += weight
        for (let i = 0; i < size; i++) slope[i] = (slope[i] as number) + error * (x[i] as number)
      }
      for (let i = 0; i < size; i++)
        row[i] = (row[i] as number) - (rate * (slope[i] as number)) / Math.max(total, Number.MIN_VALUE)
    }
  return rows
}

/** An agent is kept from this chance on. */
const KEPT_FROM = 0.55

/** The agents that a query needs, by number; where none reaches the threshold, the likeliest. */
export function keptBy(pruner: Pruner, query: readonly number[], from = KEPT_FROM): number[] {
  const chances = pruner.map((row) => chanceOf(row, withConstant(query)))
  const kept = chances.flatMap((chance, agent) => (chance >= from ? [agent] : []))
  return kept.length > 0 ? kept : [chances.indexOf(Math.max(...chances))]
}

/** Pairs [from, to] among 0 to `nodes` - 1: each drawn with its chance, in a random order, unless it closes a circle. */
export function drawnDag(
  nodes: number,
  chance: (from: number, to: number) => number,
  random: () => number,
): (readonly [number, number])[] {
  const reached = Array.from({ length: nodes }, (_, node) => new Set([node]))
  const edges: (readonly [number, number])[] = []
  const pairs = Array.from({ length: nodes * nodes }, (_, i) => [Math.floor(i / nodes), i % nodes] as const)
  const drawn = pairs.flatMap((pair) =>
    pair[0] !== pair[1] && random() < chance(...pair) ? [{ pair, at: random() }] : [],
  )
  for (const { pair } of drawn.toSorted((a, b) => a.at - b.at)) {
    const [from, to] = pair
    if (reached[to]?.has(from) === true) continue
    edges.push(pair)
    for (const below of reached) if (below.has(from)) for (const node of reached[to] as Set<number>) below.add(node)
  }
  return edges
}

/** For the bias, which is the last of a row. */
function withConstant(query: readonly number[]): readonly number[] {
  return [...query, 1]
}
