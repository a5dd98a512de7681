/**
 * Joint assignment: who does each task of a small graph, chosen as one, because whoever comes next has to get on with what came before. As
 * M3 scores it (Li et al. 2024, "Towards robust multi-modal reasoning via model selection"), learned from what worked.
 *
 *     const scorer = trainAssignment({ candidates: [['blip', 'git'], ['gpt']], edges: [[0, 1]] }, samples)
 *     bestAssignment(scorer, graph, query)        // [1, 0]: the second candidate of the first task, the first of the second
 *
 * The score of an assignment is the sum, over its tasks, of what the query says of the chosen candidate and, over the edges of the graph,
 * of how well the two that meet there get on. The paper learns this sum by an attention network of two layers along the graph; a sum over
 * nodes and edges is the part of it that two layers can see of a pair, and needs no training library. The loss is the paper's, over all
 * assignments of a sample: log(1 + Σ e^s of those that fail) + log(1 + Σ e^-s of those that work).
 *
 * Invariants
 *   J1. Training is a function of the samples in their order; nothing is drawn.
 *   J2. Of equal scores the first assignment in lexical order is chosen.
 */
import { PolityError } from '../../kernel/errors.ts'
import { inner } from './nearest.ts'

export interface AssignmentGraph {
  /** For each task the names of those that can do it. */
  readonly candidates: readonly (readonly string[])[]
  /** Pairs of tasks, the second of which takes what the first gives. */
  readonly edges: readonly (readonly [number, number])[]
}

/** For each task the place of the chosen candidate. */
export type Assignment = readonly number[]

export interface AssignmentSample {
  /** What is known of the query, a vector. */
  readonly query: readonly number[]
  /** Whether it worked, for each assignment in the order of `assignmentsOf`; undefined where it was not tried. */
  readonly worked: readonly (boolean | undefined)[]
}

/** What was learned. Plain data. */
export interface AssignmentScorer {
  /** A row for a task and candidate, by `task:name`: a constant, then a weight for each number of the query. */
  readonly rows: { [key: string]: number[] }
  /** How well two get on, by `task:name>task:name`. */
  readonly pairs: { [key: string]: number }
}

export interface TrainOptions {
  /** Times that the samples are gone through. @default 10 */
  readonly epochs?: number
  /** Of AdaGrad (Duchi et al. 2011). @default 0.1 */
  readonly rate?: number
  /** Whether the edges are seen; without, each task is chosen for itself. @default true */
  readonly withEdges?: boolean
}

/** Joint assignments that are scored one by one; the paper has 70. */
const ASSIGNMENTS_MAX = 10_000

/** Every assignment, in lexical order. */
export function assignmentsOf({ candidates }: AssignmentGraph): Assignment[] {
  const count = candidates.reduce((product, { length }) => product * length, 1)
  if (count === 0 || count > ASSIGNMENTS_MAX)
    throw new PolityError(
      'INVALID_ARGUMENT',
      `a graph takes 1 to ${ASSIGNMENTS_MAX} joint assignments, not ${count}; leave candidates out`,
    )
  return candidates.reduce<number[][]>(
    (all, { length }) => all.flatMap((one) => [...Array(length).keys()].map((i) => [...one, i])),
    [[]],
  )
}

export function trainAssignment(
  graph: AssignmentGraph,
  samples: readonly AssignmentSample[],
  { epochs = 10, rate = 0.1, withEdges = true }: TrainOptions = {},
): AssignmentScorer {
  const scorer: AssignmentScorer = { rows: {}, pairs: {} }
  const all = assignmentsOf(graph).map((one) => partsOf(graph, one))
  // Squares of the slopes so far: a weight goes against its slope, the less the more it has moved.
  const squares = new Map<string, number[]>()
  const move = (key: string, weights: number[], slopes: readonly number[]): void => {
    const sums = squares.get(key) ?? weights.map(() => STEPS_AT_FIRST)
    squares.set(key, sums)
    for (const [i, slope] of slopes.entries()) {
      sums[i] = (sums[i] as number) + slope * slope
      weights[i] = (weights[i] as number) - (rate * slope) / Math.sqrt(sums[i] as number)
    }
  }
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (const { query, worked } of samples) {
      const x = [1, ...query]
      const scores = scoresOf(scorer, all, x)
      const [failing, working] = [true, false].map((fails) =>
        scores.reduce((sum, s, i) => (worked[i] === !fails ? sum + Math.exp(fails ? s : -s) : sum), 1),
      ) as [number, number]
      const [rowSlopes, pairSlopes] = [new Map<string, number>(), new Map<string, number>()]
      for (const [i, { nodes, edges }] of all.entries()) {
        const did = worked[i]
        if (did === undefined) continue
        const s = scores[i] as number
        const slope = did ? -Math.exp(-s) / working : Math.exp(s) / failing
        for (const key of nodes) rowSlopes.set(key, (rowSlopes.get(key) ?? 0) + slope)
        if (withEdges) for (const key of edges) pairSlopes.set(key, (pairSlopes.get(key) ?? 0) + slope)
      }
      for (const [key, slope] of rowSlopes) {
        move(
          key,
          (scorer.rows[key] ??= x.map(() => 0)),
          x.map((value) => slope * value),
        )
      }
      for (const [key, slope] of pairSlopes) {
        const pair = [scorer.pairs[key] ?? 0]
        move(key, pair, [slope])
        scorer.pairs[key] = pair[0] as number
      }
    }
  }
  return scorer
}

/** The assignment that promises most for a query. */
export function bestAssignment(scorer: AssignmentScorer, graph: AssignmentGraph, query: readonly number[]): Assignment {
  const all = assignmentsOf(graph)
  const scores = scoresOf(
    scorer,
    all.map((one) => partsOf(graph, one)),
    [1, ...query],
  )
  return all[scores.indexOf(Math.max(...scores))] as Assignment
}

/** So that the first steps are not of the full rate. */
const STEPS_AT_FIRST = 1e-2

interface Parts {
  readonly nodes: readonly string[]
  readonly edges: readonly string[]
}

function partsOf({ candidates, edges }: AssignmentGraph, assignment: Assignment): Parts {
  const nodes = assignment.map((place, task) => `${task}:${candidates[task]?.[place] as string}`)
  return { nodes, edges: edges.map(([a, b]) => `${nodes[a] as string}>${nodes[b] as string}`) }
}

/** The score of each; what the query says of a candidate is computed once. */
function scoresOf({ rows, pairs }: AssignmentScorer, all: readonly Parts[], x: readonly number[]): number[] {
  const own = new Map(Object.entries(rows).map(([key, row]) => [key, inner(row, x)]))
  return all.map(
    ({ nodes, edges }) =>
      nodes.reduce((sum, key) => sum + (own.get(key) ?? 0), 0) + edges.reduce((sum, key) => sum + (pairs[key] ?? 0), 0),
  )
}
