/**
 * P1, A*: trees with 4 or 5 children a node, six deep, each step at a planted cost of .1 to 1; every leaf is a goal. The same
 * search with three guesses of what is left: none (Dijkstra), a tenth for each step to go, and the true rest shrunk by a drawn
 * factor of .9 to 1. The cheapest leaf is computed apart, by walking the whole tree.
 */
import { bestPath, type Way } from '../../src/agents/pieces/best-path.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import { median } from '../figures.ts'
import type { Experiment } from './experiment.ts'

const DEPTH = 6
const CHEAPEST_STEP = 0.1

/** A planted tree in heap order: the children of node i of its layer are b·i … b·i + b - 1 of the one below. */
function plant(seed: number, branching: number) {
  const costs = Array.from({ length: DEPTH }, (_, layer) =>
    Float64Array.from(
      { length: branching ** (layer + 1) },
      (_, i) => CHEAPEST_STEP + (1 - CHEAPEST_STEP) * randomAt(seed, layer, i),
    ),
  )
  // What is truly left below each node, from the leaves up.
  const rest = Array.from({ length: DEPTH + 1 }, (_, layer) => new Float64Array(branching ** layer))
  for (let layer = DEPTH - 1; layer >= 0; layer--) {
    const below = rest[layer + 1] as Float64Array
    for (let i = 0; i < branching ** layer; i++) {
      let least = Infinity
      for (let child = branching * i; child < branching * (i + 1); child++)
        least = Math.min(least, (costs[layer] as Float64Array)[child]! + below[child]!)
      ;(rest[layer] as Float64Array)[i] = least
    }
  }
  return { costs, rest }
}

async function measure(seed: number, branching: number) {
  const { costs, rest } = plant(seed, branching)
  const search = (left: (way: Way<number>) => number) =>
    bestPath(0, {
      next: ({ state, depth }) =>
        Array.from({ length: branching }, (_, k) => {
          const child = branching * state + k
          return { state: child, cost: (costs[depth] as Float64Array)[child]! }
        }),
      left,
      isGoal: ({ depth }) => depth === DEPTH,
    })
  const dijkstra = await search(() => 0)
  const bound = await search(({ depth }) => CHEAPEST_STEP * (DEPTH - depth))
  const informed = await search(
    ({ state, depth }) => (rest[depth] as Float64Array)[state]! * (0.9 + 0.1 * randomAt(seed, 100 + depth, state)),
  )
  const truth = (rest[0] as Float64Array)[0] as number
  const isEqual = [dijkstra, bound, informed].every(({ cost, isGoal }) => isGoal && Math.abs(cost - truth) < 1e-9)
  return { isEqual, counts: [dijkstra, bound, informed].map(({ expansions }) => expansions) }
}

export const p1: Experiment = {
  id: 'P1',
  what: 'A*, planted trees of 4 and 5 children, 6 deep',
  bar: 'cost of Dijkstra always; median expansions ≤ .65 × his with a bound by depth, ≤ .15 × informed',
  seeds: 1_000,
  async run(seeds) {
    const parts: string[] = []
    let ok = true
    for (const branching of [4, 5]) {
      const runs: Awaited<ReturnType<typeof measure>>[] = []
      for (let seed = 0; seed < seeds; seed++) runs.push(await measure(seed, branching))
      const [none, bound, informed] = [0, 1, 2].map((i) => median(runs.map(({ counts }) => counts[i] as number)))
      const equal = runs.filter(({ isEqual }) => isEqual).length
      ok &&= equal === seeds && bound! <= 0.65 * none! && informed! <= 0.15 * none!
      parts.push(`${equal} of ${seeds} equal, ${none} → ${bound} → ${informed}`)
    }
    return { measured: parts.join('; '), ok }
  },
}
