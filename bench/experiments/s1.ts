/**
 * S1, search by fork in real worlds: `tree-search` and `armap` on `craft.dag` and `plan.strips`, with a noisy scripted value and five
 * proposals a state that miss the oracle's action in one state of five. Against them the paper's baseline, greedy (the first
 * proposal, no values, as many actions as they have values), and a stricter one that looks one step ahead with the same number of
 * values. In these two worlds hardly anything can be lost by an action; in the planted tree every wrong way is final. Beside it:
 * what a fork costs, with the whole life of its child.
 *
 * Several levels are reported: crafting from 5 on takes several crafters, and the oracle of planning takes too long from 3 on. The
 * bar is on the level where greedy is nearest to half of the episodes, whatever the others do there: where it nearly always or
 * nearly never succeeds there is nothing to tell apart. How long a task is says what can be reached at all: armap takes an action for
 * ten values, so twelve in an episode.
 */
import { armap } from '../../src/agents/armap.ts'
import { goFrom, placeHere, stay } from '../../src/agents/places.ts'
import { largest } from '../../src/agents/pieces/largest.ts'
import { treeSearch } from '../../src/agents/tree-search.ts'
import { boot } from './experiment.ts'
import { scripted } from '../../src/drivers/llm/scripted.ts'
import { craft, type CraftState } from '../../src/environments/craft.ts'
import { drawAt, type Action, type Rules } from '../../src/environments/environment.ts'
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
/** Deviation of the noise, and the steps of the oracle from which on the value is 0: so many, or all that a longer task takes. */
const NOISE = { sigma: 0.1, horizonMin: 12 }
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

interface Method {
  readonly program: Program<never, unknown>
  readonly input: { readonly [name: string]: Json }
  /** Values without noise: what the noise costs. @default false */
  readonly isExact?: boolean
}

const SEARCH = { budget: 12, distinct: true, commitsMax: VALUES / 12, propose: PROPOSE }

const methods: { readonly [name: string]: Method } = {
  greedy: { program: treeSearch, input: { budget: 0, commitsMax: VALUES, propose: PROPOSE } },
  'one step ahead': { program: oneStepAhead, input: {} },
  'tree-search': { program: treeSearch, input: SEARCH },
  'tree-search by exact values': { program: treeSearch, input: SEARCH, isExact: true },
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
  readonly levels: readonly number[]
  readonly taskOf: (seed: number, level: number) => Json
  /** Steps that the oracle takes from the start. */
  readonly stepsOf: (seed: number, level: number) => number
  /** Value and proposals. */
  readonly tools: (seed: number, level: number, isExact: boolean) => readonly [Tool, Tool]
}

function stepsOf<Task extends Json, State extends Json>(
  rules: Rules<Task, State>,
  seed: number,
  level: number,
): number {
  const draw = drawAt(seed, 0)
  let state = rules.start(rules.task(seed, level), draw)
  let steps = 0
  for (; rules.toAct(state).length > 0; steps++) state = rules.step(state, rules.oracle(state), draw).state
  return steps
}

function guided<Task extends Json, State extends Json>(
  name: string,
  rules: Rules<Task, State>,
  levels: readonly number[],
  others: (state: State) => readonly Pick<Action, 'name' | 'args'>[],
): Setting {
  const world = worldOf(rules)
  return {
    name,
    world,
    levels,
    taskOf: (seed, level) => rules.task(seed, level),
    stepsOf: (seed, level) => stepsOf(rules, seed, level),
    tools(seed, level, isExact) {
      const proposals = {
        others: (state: Json) => others((state as unknown as { state: State }).state),
        blind: 0.2,
        seed,
      }
      const horizon = Math.max(NOISE.horizonMin, stepsOf(rules, seed, level))
      return [
        valueTool(world, { sigma: isExact ? 0 : NOISE.sigma, horizon, seed }),
        fiveOf(proposeTool(world, proposals)),
      ]
    },
  }
}

/** The same proposals, five however many are asked for. */
const fiveOf = (tool: Tool): Tool => ({ ...tool, execute: (_, context) => tool.execute({ n: 5 }, context) })

const settings: readonly Setting[] = [
  guided('craft.dag', craft, [1, 2, 3, 4], pieces),
  guided('plan.strips', strips, [1, 2], applicable),
  {
    name: 'planted tree',
    world: worldOf(plantedTree),
    levels: [1],
    taskOf: (seed) => plantedTree.task(seed, 1),
    stepsOf: (seed) => stepsOf(plantedTree, seed, 1),
    tools: (_seed, _level, isExact) => [noisyValue(isExact ? 0 : 0.2), policySamples],
  },
]

/** The same tool, and how often it was called. */
function countedTool(tool: Tool): { readonly tool: Tool; readonly count: () => number } {
  let calls = 0
  return { tool: { ...tool, execute: (input, context) => (calls++, tool.execute(input, context)) }, count: () => calls }
}

/** The level, of the rates of each, where greedy is nearest to half; the first of equals. */
export function levelJudged<Rates extends { readonly [method: string]: number }>(
  rates: readonly Rates[],
): Rates | undefined {
  return largest(rates, (won) => -Math.abs((won['greedy'] ?? 0) - 0.5))
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
  bar: 'tree-search and armap succeed strictly more often than greedy at equal calls, at the level where greedy is nearest to half; a fork < 1 ms',
  seeds: 30,
  async run(seeds) {
    const parts: string[] = []
    let ok = true
    for (const { name, world, levels, taskOf, stepsOf, tools } of settings) {
      // A place is an ended process: all of a search are kept.
      const kernel = await boot({ model: scripted([]), limits: { processesEndedMax: 10_000 } })
      const rates: { readonly [method: string]: number }[] = []
      for (const level of levels) {
        const won: { [method: string]: number } = {}
        for (const [method, { program, input, isExact = false }] of Object.entries(methods))
          for (let seed = 0; seed < seeds; seed++) {
            const [valued, proposals] = tools(seed, level, isExact)
            const value = countedTool(valued)
            const players = { program, input, search: true, tools: [value.tool, proposals] }
            const run = await spawnEpisode(kernel, world, { params: taskOf(seed, level), seed }, players)
            const { score, players: ended } = await run.result
            for (const player of Object.values(ended))
              if ('error' in player) throw new Error(JSON.stringify(player.error))
            won[method] = (won[method] ?? 0) + (score ?? 0) / seeds
            ok &&= value.count() <= VALUES
          }
        rates.push(won)
      }
      await kernel.close()
      const judged = levelJudged(rates)
      const low = judged?.['greedy'] ?? 1
      ok &&= (judged?.['tree-search'] ?? 0) > low && (judged?.['armap'] ?? 0) > low
      const shown = Object.keys(methods).map(
        (method) => `${method} ${rates.map((won) => (won[method] ?? 0).toFixed(2)).join(' / ')}`,
      )
      const steps = levels.map((level) => median(Array.from({ length: seeds }, (_, seed) => stepsOf(seed, level))))
      const at =
        levels.length > 1 ? ` at levels ${levels.join(' / ')}, judged at ${levels[rates.indexOf(judged ?? {})]}` : ''
      parts.push(`${name}${at}: median steps of the oracle ${steps.join(' / ')}, ${shown.join(', ')}`)
    }
    const fork = await forkTime()
    return { measured: `${parts.join('; ')}; a fork with its child ${fork.toFixed(2)} ms`, ok: ok && fork < 1 }
  },
}
