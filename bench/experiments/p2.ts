/**
 * P2, tree search in a real environment by fork: the program `tree-search` on the real kernel, on trees of three ways and depth five,
 * with a value of noise .2, for budgets of 0, 5, 10 and 20 values a search. The world itself counts the steps that were taken.
 */
import { boot } from './experiment.ts'
import { scripted } from '../../src/drivers/llm/scripted.ts'
import { treeSearch, type Searched } from '../../src/agents/tree-search.ts'
import { spawnEpisode } from '../../src/evaluation/episode.ts'
import { worldOf } from '../../src/evaluation/world.ts'
import type { Experiment } from './experiment.ts'
import { noisyValue, plantedTree, policySamples, taken } from './planted-tree.ts'

const BUDGETS = [0, 5, 10, 20]
const SIGMA = 0.2

export const p2: Experiment = {
  id: 'P2',
  what: 'best-first search by fork, noisy value',
  bar: 'success strictly increasing with the budget; budget never exceeded; steps of the world = values taken',
  seeds: 200,
  async run(seeds) {
    const kernel = await boot({ model: scripted([]) })
    const world = worldOf(plantedTree)
    const tools = [noisyValue(SIGMA), policySamples]
    const rates: number[] = []
    let [isWithin, isExact, replayed, steps] = [true, true, 0, 0]
    for (const budget of BUDGETS) {
      let right = 0
      for (let seed = 0; seed < seeds; seed++) {
        const before = taken.steps
        const run = await spawnEpisode(
          kernel,
          world,
          { params: plantedTree.task(seed, 1), seed },
          { program: treeSearch, input: { budget, propose: { toolSamples: 20 } }, tools, search: true },
        )
        const { score, players } = await run.result
        const player = players['walker']
        if (player === undefined || 'error' in player) throw new Error(`P2, seed ${seed}: ${JSON.stringify(player)}`)
        const found = player.output as unknown as Searched
        right += score ?? 0
        isWithin &&= found.valued <= budget * Math.max(1, found.commits)
        isExact &&= taken.steps - before === (budget === 0 ? found.commits : found.valued)
        steps += taken.steps - before
        replayed += found.replayed
      }
      rates.push(right / seeds)
    }
    await kernel.close()
    const isIncreasing = rates.every((rate, i) => i === 0 || rate > (rates[i - 1] as number))
    return {
      measured: `success ${rates.map((rate) => rate.toFixed(3)).join(' → ')}; budget ${isWithin ? 'kept' : 'exceeded'}; steps ${isExact ? 'exact' : 'not exact'}, ${steps.toLocaleString('en')} where reset and repetition takes ${replayed.toLocaleString('en')}`,
      ok: isIncreasing && isWithin && isExact,
    }
  },
}
