/**
 * C5, pruning: six classes of tasks, nine roles, three that a class needs. For each training task 24 teams of drawn size are tried;
 * what a team is worth is the share of the needed roles that it has less .025 a member, and it is seen through noise of deviation .1.
 * The vector of a task is its class through noise of .3 in twelve numbers. The pruner never sees which roles are needed.
 * Beside it F1 by how many standard errors are taken off what a role is worth, from none. The levels of the utility are ours; the bars on F1, size and gain are the published check's.
 */
import { drawnDag, keptBy, trainPruner, worthOf, type PruningExample } from '../../src/agents/pieces/graph-pruning.ts'
import { mean } from '../figures.ts'
import { normal, type Experiment } from './experiment.ts'
import { keyed, range } from './population.ts'

const [CLASSES, ROLES, NEEDED, SIZE, TRIED] = [6, 9, 3, 12, 24]
/** Standard errors taken off; 1 is the default of `worthOf`. */
const SWEPT = [0, 0.25, 0.5, 1, 1.5, 2]
const [COST, NOISE, BLUR] = [0.025, 0.1, 0.3]

/** The roles that a class needs: three of nine. */
const neededBy = (seed: number, kind: number): readonly number[] =>
  range(ROLES)
    .toSorted((a, b) => keyed(seed, kind, a, 1) - keyed(seed, kind, b, 1))
    .slice(0, NEEDED)

const worth = (needed: readonly number[], team: readonly number[]): number =>
  needed.filter((role) => team.includes(role)).length / NEEDED - COST * team.length

function taskOf(seed: number, task: number) {
  const kind = Math.floor(keyed(seed, task, 2) * CLASSES)
  const query = range(SIZE).map(
    (i) => (i % CLASSES === kind ? 1 : 0) + BLUR * normal(keyed(seed, task, i, 3), keyed(seed, task, i, 4)),
  )
  return { needed: neededBy(seed, kind), query }
}

/** What is seen of one task: teams of a size that is normal about half the pool. */
function learned(seed: number, task: number, errors?: number): PruningExample {
  const { needed, query } = taskOf(seed, task)
  const teams = range(TRIED).map((team) => {
    const z = normal(keyed(seed, task, team, 5), keyed(seed, task, team, 6))
    const size = Math.min(ROLES, Math.max(2, Math.round(ROLES / 2 + 1.5 * z)))
    const members = range(ROLES)
      .toSorted((a, b) => keyed(seed, task, team, a, 7) - keyed(seed, task, team, b, 7))
      .slice(0, size)
    const noise = NOISE * normal(keyed(seed, task, team, 8), keyed(seed, task, team, 9))
    return { members: range(ROLES).map((role) => members.includes(role)), utility: worth(needed, members) + noise }
  })
  return { query, worth: worthOf(teams, errors === undefined ? {} : { errors }) }
}

/** @param errors standard errors taken off what a role is worth; the default of `worthOf` where none are given */
export function pruned(seed: number, tasks: number, errors?: number) {
  const pruner = trainPruner(range(tasks).map((task) => learned(seed, task, errors)))
  const shown = range(100).map((task) => {
    const { needed, query } = taskOf(seed, 10_000 + task)
    const kept = keptBy(pruner, query)
    const hits = kept.filter((role) => needed.includes(role)).length
    return {
      f1: (2 * hits) / (kept.length + NEEDED),
      size: kept.length,
      utility: worth(needed, kept),
      all: worth(needed, range(ROLES)),
    }
  })
  return {
    f1: mean(shown.map(({ f1 }) => f1)),
    size: mean(shown.map(({ size }) => size)),
    utility: mean(shown.map(({ utility }) => utility)),
    all: mean(shown.map(({ all }) => all)),
  }
}

/** Of so many drawn graphs, those with a circle: repeatedly without the nodes that nothing leads to, something is left. */
export function circles(draws: number): number {
  let found = 0
  for (let draw = 0; draw < draws; draw++) {
    let [counter, nodes] = [0, range(2 + (draw % 8))]
    const edges = drawnDag(
      nodes.length,
      () => keyed(draw, 1),
      () => keyed(draw, counter++, 2),
    )
    for (let free = nodes; free.length > 0;) {
      const left = nodes
      free = nodes.filter((node) => !edges.some(([from, to]) => to === node && left.includes(from)))
      nodes = nodes.filter((node) => !free.includes(node))
    }
    if (nodes.length > 0) found++
  }
  return found
}

export const c5: Experiment = {
  id: 'C5',
  what: 'pruning nine roles to the three that a class needs',
  bar: 'at 230 training tasks F1 ≥ .88, mean team ≤ 4, utility ≥ that of all nine + .08; no circle in 10,000 drawn graphs',
  seeds: 30,
  run(seeds) {
    const over = (tasks: number, errors?: number) => {
      const runs = range(seeds).map((seed) => pruned(seed, tasks, errors))
      const of = (key: 'f1' | 'size' | 'utility' | 'all'): number => mean(runs.map((one) => one[key]))
      return { f1: of('f1'), size: of('size'), utility: of('utility'), all: of('all') }
    }
    const [few, some, many] = [over(60), over(230), over(400)]
    const swept = SWEPT.map((errors) => over(230, errors))
    const bad = circles(10_000)
    const told = (one: typeof some): string =>
      `F1 ${one.f1.toFixed(3)}, team ${one.size.toFixed(1)}, utility ${one.utility.toFixed(3)}`
    return {
      measured: `60 tasks: ${told(few)}; 230: ${told(some)}; 400: ${told(many)}; 230 with ${SWEPT.join(', ')} standard errors off: F1 ${swept.map(({ f1 }) => f1.toFixed(3)).join(', ')}, team ${swept.map(({ size }) => size.toFixed(1)).join(', ')}; all nine ${some.all.toFixed(3)}; ${bad} circles`,
      ok: some.f1 >= 0.88 && some.size <= 4 && some.utility >= some.all + 0.08 && bad === 0,
    }
  },
}
