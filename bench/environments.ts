/**
 * How fast the worlds go: steps a second of processor time, of one episode after another, each with all views that its agents
 * would see. The median of five rounds; processor time, so that others at work on the machine are not counted.
 *
 *     node bench/environments.ts [--steps 20000]
 *
 * The actions are those of the oracle, chosen beforehand: the world alone is timed. Tasks are made beforehand too.
 */
import { parseArgs } from 'node:util'
import { environmentOf, oracleOf, play } from '../src/environments/environment.ts'
import { worlds } from '../src/environments/worlds.ts'
import { median } from './figures.ts'

const { values } = parseArgs({ options: { steps: { type: 'string', default: '20000' } } })
const STEPS = Number(values.steps)

const table = []
for (const [id, rules] of worlds) {
  const episodes = Array.from({ length: 20 }, (_, seed) => {
    const task = { params: rules.task(seed, Math.min(2, rules.levelMax ?? 2)), seed }
    return { task, ...play(rules, task, oracleOf(rules)) }
  })
  const rounds = Array.from({ length: 5 }, () => {
    const environment = environmentOf(rules)
    let steps = 0
    const before = process.cpuUsage()
    for (let i = 0; steps < STEPS; i++) {
      const { task, actions } = episodes[i % episodes.length] as (typeof episodes)[number]
      environment.reset(task)
      for (const chosen of actions) environment.step(chosen)
      steps += actions.length
    }
    const { user, system } = process.cpuUsage(before)
    return (steps / (user + system)) * 1_000_000
  })
  table.push({
    world: id,
    'steps/s': Math.round(median(rounds)),
    'score of the oracle': Math.min(...episodes.map((one) => one.score)),
  })
}
console.table(table)
