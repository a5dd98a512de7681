/**
 * S1, search by fork in real worlds: `tree-search` and `armap` on `craft.dag` and `plan.strips`, with a noisy scripted value and five
 * proposals a state that miss the oracle's action in one state of five. Against them the paper's baseline, greedy (the first
 * proposal, no values, as many actions as they have values), and a stricter one that looks one step ahead with the same number of
 * values. In these two worlds hardly anything can be lost by an action; in the planted tree every wrong way is final. Beside it:
 * what a fork costs, with the whole life of its child.
 */
import { armap } from '../../src/agents/armap.ts'
import { goFrom, placeHere, stay } from '../../src/agents/places.ts'
import { largest } from '../../src/agents/pieces/largest.ts'
import { treeSearch } from '../../src/agents/tree-search.ts'
import { boot } from './experiment.ts'
import { scripted } from '../../src/drivers/llm/scripted.ts'
import { craft, type CraftState } from '../../src/environments/craft.ts'
import type { Action } from '../../src/environments/environment.ts'
import { strips, type StripsState } from '../../src/environments/strips.ts'
import { spawnEpisode } from '../../src/evaluation/episode.ts'
import { proposeTool, valueTool } from '../../src/evaluation/value.ts'
import { worldOf, type World } from '../../src/evaluation/world.ts'
import { defineProgram } from '../../src/kernel/program.ts'
import type { Json, Program, Tool } from '../../src/kernel/types.ts'
import { median } from '../figures.ts'
import type { Experiment } from './experiment.ts'
import { noisyValue, plantedTree, policySamples } from './planted-tree.ts'

/** Values that an episode may ask for. */
const VALUES = 120
const NOISE = { horizon: 12, sigma: 0.1 }
const PROPOSE = { by: 'tool', branching: 5, toolSamples: 20 } as const
const FORKS = 300

/** Takes the best of the proposals by its value, again and again. */
const oneStepAhead = defineProgram('one-step-ahead', async (sys, { question }: { question: string }) => {
  const survey = { question, propose: PROPOSE }
  let at = await placeHere(sys, survey)
  for (let used = 0; !at.done;) {
    const actions = (at.candidates ?? []).slice(0, VALUES - used).map(({ action }) => action)
    const places = await goFrom(sys, at, actions, { ...survey, value: { by: 'tool' } })
    used += places.length
    const best = largest(places, ({ value = 0 }) => value)
    if (best === undefined) break
    at = best
  }
  await stay(sys, at)
})

const methods: {
  readonly [name: string]: { readonly program: Program<never, unknown>; readonly input: { [name: string]: Json } }
} = {
  greedy: { program: treeSearch, input: { budget: 0, commitsMax: VALUES, propose: PROPOSE } },
  'one step ahead': { program: oneStepAhead, input: {} },
  'tree-search': {
    program: treeSearch,
    input: { budget: 12, distinct: true, commitsMax: VALUES / 12, propose: PROPOSE },
  },
  armap: {
    program: armap,
    input: { rollouts: 10, horizon: 0, weight: 1, distinct: true, stepsMax: VALUES / 10, propose: PROPOSE },
  },
}

const pieces = ({ task: { recipes } }: CraftState): Pick<Action, 'name' | 'args'>[] => {
  const made = new Set(recipes.map(({ item }) => item))
  const things = new Set(recipes.flatMap(({ item, ingredients }) => [item, ...Object.keys(ingredients)]))
  const args = (item: string): { [name: string]: Json } => (made.has(item) ? { item } : { item, count: 2 })
  return [...things].map((item) => ({ name: made.has(item) ? 'craft' : 'get', args: args(item) }))
}
const applicable = (state: StripsState): Pick<Action, 'name' | 'args'>[] =>
  (strips.view(state, 'planner').data as unknown as { applicable: Action[] }).applicable

interface Setting {
  readonly name: string
  readonly world: World
  readonly taskOf: (seed: number) => Json
  /** Value and proposals. */
  readonly tools: (seed: number) => readonly [Tool, Tool]
}

function guided<State>(
  world: World,
  others: (state: State) => readonly Pick<Action, 'name' | 'args'>[],
): Setting['tools'] {
  return (seed) => {
    const proposals = {
      others: (state: Json) => others((state as unknown as { state: State }).state),
      blind: 0.2,
      seed,
    }
    return [valueTool(world, { ...NOISE, seed }), fiveOf(proposeTool(world, proposals))]
  }
}

/** The same proposals, five however many are asked for. */
const fiveOf = (tool: Tool): Tool => ({ ...tool, execute: (_, context) => tool.execute({ n: 5 }, context) })

const [crafting, planning] = [worldOf(craft), worldOf(strips)]
const settings: readonly Setting[] = [
  { name: 'craft.dag', world: crafting, taskOf: (seed) => craft.task(seed, 2), tools: guided(crafting, pieces) },
  { name: 'plan.strips', world: planning, taskOf: (seed) => strips.task(seed, 1), tools: guided(planning, applicable) },
  {
    name: 'planted tree',
    world: worldOf(plantedTree),
    taskOf: (seed) => plantedTree.task(seed, 1),
    tools: () => [noisyValue(0.2), policySamples],
  },
]

/** The same tool, and how often it was called. */
function countedTool(tool: Tool): { readonly tool: Tool; readonly count: () => number } {
  let calls = 0
  return { tool: { ...tool, execute: (input, context) => (calls++, tool.execute(input, context)) }, count: () => calls }
}

/** ms of a fork, its child and the wait for it, in the middle of many. */
async function forkTime(): Promise<number> {
  const kernel = await boot({ model: scripted([]) })
  const forking = defineProgram('forking', async (sys) => {
    const pid = await sys.fork()
    if (pid !== 0) await sys.wait(pid)
  })
  const times = []
  for (let i = 0; i < FORKS; i++) {
    const started = performance.now()
    await kernel.spawn(forking, null).result
    times.push(performance.now() - started)
  }
  await kernel.close()
  return median(times)
}

export const s1: Experiment = {
  id: 'S1',
  what: `search by fork in worlds, ${VALUES} values an episode`,
  bar: 'tree-search and armap succeed strictly more often than greedy at equal calls; a fork < 1 ms',
  seeds: 30,
  async run(seeds) {
    // A place is an ended process: all of a search are kept.
    const kernel = await boot({ model: scripted([]), limits: { processesEndedMax: 100_000 } })
    const parts: string[] = []
    let ok = true
    for (const { name, world, taskOf, tools } of settings) {
      const rates: { [method: string]: number } = {}
      for (const [method, { program, input }] of Object.entries(methods)) {
        let [won, most] = [0, 0]
        for (let seed = 0; seed < seeds; seed++) {
          const [valued, proposals] = tools(seed)
          const value = countedTool(valued)
          const players = { program, input, search: true, tools: [value.tool, proposals] }
          const run = await spawnEpisode(kernel, world, { params: taskOf(seed), seed }, players)
          const { score, players: ended } = await run.result
          for (const player of Object.values(ended))
            if ('error' in player) throw new Error(JSON.stringify(player.error))
          won += score ?? 0
          most = Math.max(most, value.count())
        }
        rates[method] = won / seeds
        ok &&= most <= VALUES
      }
      const low = rates['greedy'] ?? 1
      ok &&= (rates['tree-search'] ?? 0) > low && (rates['armap'] ?? 0) > low
      parts.push(
        `${name}: ${Object.entries(rates)
          .map(([method, rate]) => `${method} ${rate.toFixed(2)}`)
          .join(', ')}`,
      )
    }
    await kernel.close()
    const fork = await forkTime()
    return { measured: `${parts.join('; ')}; a fork with its child ${fork.toFixed(2)} ms`, ok: ok && fork < 1 }
  },
}
