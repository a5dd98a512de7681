/**
 * How far the planner goes: problems of growing size in every domain, for a shortest plan and for any.
 *
 *     node bench/planning.ts [--seeds 3] [--expansions 5000] [--sizes 8]
 *
 * Of each domain and size, the medians over the seeds that were solved: length, states expanded, milliseconds of processor time;
 * beside them how many were not, because the bound on expansions came first. A domain stops growing when that happens to a
 * shortest plan.
 */
import { parseArgs } from 'node:util'
import { drawAt } from '../src/environments/environment.ts'
import { groundTask } from '../src/environments/grounding.ts'
import { parseDomain, parseProblem } from '../src/environments/pddl.ts'
import { planningDomains } from '../src/environments/planning-domains.ts'
import { planFor } from '../src/environments/planning.ts'
import { median } from './figures.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '3' },
    expansions: { type: 'string', default: '5000' },
    sizes: { type: 'string', default: '8' },
  },
})
const [SEEDS, EXPANSIONS, SIZES] = [Number(values.seeds), Number(values.expansions), Number(values.sizes)]

const table = []
for (const { name, text, problem, sizeOf } of planningDomains) {
  const domain = parseDomain(text)
  for (let level = 1, isWithin = true; level <= SIZES && isWithin; level++) {
    const tasks = Array.from({ length: SEEDS }, (_, seed) =>
      groundTask(domain, parseProblem(problem(drawAt(seed, level), sizeOf(level)), domain)),
    )
    const figures = (search: 'shortest' | 'greedy') =>
      tasks.map((task) => {
        const before = process.cpuUsage()
        const found = planFor(task, { search, expansionsMax: EXPANSIONS })
        const { user, system } = process.cpuUsage(before)
        const isFound = found.outcome === 'solved'
        return {
          isFound,
          length: isFound ? found.actions.length : NaN,
          expansions: found.expansions,
          ms: (user + system) / 1000,
        }
      })
    const [shortest, greedy] = [figures('shortest'), figures('greedy')]
    isWithin = shortest.every(({ isFound }) => isFound)
    const of = (list: typeof shortest, key: 'length' | 'expansions' | 'ms') => {
      const found = list.filter(({ isFound }) => isFound)
      const missing = found.length < list.length ? `, ${list.length - found.length} not` : ''
      return found.length === 0 ? 'none' : `${median(found.map((one) => one[key]))}${missing}`
    }
    table.push({
      domain: name,
      level,
      size: sizeOf(level),
      actions: median(tasks.map(({ actions }) => actions.length)),
      'shortest: length': of(shortest, 'length'),
      'states ': of(shortest, 'expansions'),
      'ms ': of(shortest, 'ms'),
      'greedy: length': of(greedy, 'length'),
      states: of(greedy, 'expansions'),
      ms: of(greedy, 'ms'),
    })
  }
}
console.table(table)
