/**
 * S1, search by fork in real worlds: `tree-search` and `armap` on `craft.dag` and `plan.strips`, with a noisy scripted value and five
 * proposals a state that miss the oracle's action in one state of five. Against them the paper's baseline, greedy (the first
 * proposal, no values, at most as many actions as they have values), and a stricter one that looks one step ahead with the same
 * number of values. Beside it: what a fork costs, with the whole life of its child.
 *
 * In `craft.dag` and `plan.strips` nothing is lost by an action, so who goes on long enough arrives, for a call an action, and a
 * search that pays several calls for each falls behind. A search is worth its calls where steps count: the bar is on episodes
 * that the world ends after three times the oracle's steps, at every level. Greedy comes to that end before its calls are used up,
 * so it has as many as it can use and not as many as the searches. A later end and none are reported beside it. In the planted tree
 * every wrong way is final. How long a task is says what can be reached at all: armap takes an action for ten values, so twenty in
 * an episode. Crafting from level 5 on takes several crafters, and the oracle of planning takes too long from 3 on.
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
const VALUES = 200
/** Steps of the world after which an episode ends, to those of the oracle. */
const STEPS = [3, 6, Infinity] as const
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

/** The paper's 20 values a search. */
const SEARCH = { budget: 20, distinct: true, commitsMax: VALUES / 20, propose: PROPOSE }

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

/** A figure of each method. */
interface Rates {
  readonly [method: string]: number
}

interface Setting {
  readonly name: string
  /** The world of a task, which ends after so many of the oracle's steps. */
  readonly world: (seed: number, level: number, steps: number) => World
  /** Where it is reported: `STEPS`, or without an end where every action is final. */
  readonly steps: readonly number[]
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
  const known = new Map<string, number>()
  /** The oracle plays each task once. */
  const steps = (seed: number, level: number): number => {
    const task = `${seed} ${level}`
    const counted = known.get(task) ?? stepsOf(rules, seed, level)
    known.set(task, counted)
    return counted
  }
  return {
    name,
    world: (seed, level, limit) =>
      worldOf({ ...rules, stepsMax: Math.min(rules.stepsMax, limit * steps(seed, level)) }),
    steps: STEPS,
    levels,
    taskOf: (seed, level) => rules.task(seed, level),
    stepsOf: steps,
    tools(seed, level, isExact) {
      const proposals = {
        others: (state: Json) => others((state as unknown as { state: State }).state),
        blind: 0.2,
        seed,
      }
      const horizon = Math.max(NOISE.horizonMin, steps(seed, level))
      return [
        valueTool(world, { sigma: isExact ? 0 : NOISE.sigma, horizon, seed }),
        fiveOf(proposeTool(world, proposals)),
      ]
    },
  }
}

/** The same proposals, five however many are asked for. */
const fiveOf = (tool: Tool): Tool => ({ ...tool, execute: (_, context) => tool.execute({ n: 5 }, context) })

export const settings: readonly Setting[] = [
  guided('craft.dag', craft, [1, 2, 3, 4], pieces),
  guided('plan.strips', strips, [1, 2], applicable),
  {
    name: 'planted tree',
    world: () => worldOf(plantedTree),
    steps: [Infinity],
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
  what: `search by fork in worlds, at most ${VALUES} values or greedy actions an episode`,
  bar: `tree-search and armap succeed strictly more often than greedy at every level, where the world ends after ${STEPS[0]} times the steps of the oracle; a fork < 1 ms`,
  seeds: 30,
  async run(seeds) {
    const parts: string[] = []
    let ok = true
    for (const setting of settings) {
      const { name, levels, steps } = setting
      const shortest = levels.map((level) =>
        median(Array.from({ length: seeds }, (_, seed) => setting.stepsOf(seed, level))),
      )
      const told = [
        `${name}${levels.length > 1 ? ` at levels ${levels.join(' / ')}` : ''}: median steps of the oracle ${shortest.join(' / ')}`,
      ]
      for (const limit of steps) {
        const rates: Rates[] = []
        for (const level of levels) {
          const { won, asked } = await compare(setting, level, limit, seeds)
          rates.push(won)
          if (limit === steps[0]) ok &&= areSearchesAbove(won)
          ok &&= Object.values(asked).every((most) => most <= VALUES)
        }
        const shown = Object.keys(methods).map(
          (method) => `${method} ${rates.map((won) => (won[method] ?? 0).toFixed(2)).join(' / ')}`,
        )
        told.push(
          `${steps.length === 1 ? '' : limit === Infinity ? 'without that end ' : `ended after ${limit} times these `}${shown.join(', ')}`,
        )
      }
      parts.push(told.join('; '))
    }
    const fork = await forkTime()
    return { measured: `${parts.join('. ')}. A fork with its child ${fork.toFixed(2)} ms`, ok: ok && fork < 1 }
  },
}

/** Strictly. */
export function areSearchesAbove({ greedy = 1, 'tree-search': tree = 0, armap: planned = 0 }: Rates): boolean {
  return tree > greedy && planned > greedy
}

/** Share of the episodes that each method ended well, and the most values that it asked for in one. */
export async function compare(
  { world, taskOf, tools }: Setting,
  level: number,
  limit: number,
  seeds: number,
): Promise<{ readonly won: Rates; readonly asked: Rates }> {
  // A place is an ended process: all of a search are kept.
  const kernel = await boot({ model: scripted([]), limits: { processesEndedMax: 10_000 } })
  const won: { [method: string]: number } = {}
  const asked: { [method: string]: number } = {}
  for (const [method, { program, input, isExact = false }] of Object.entries(methods)) {
    let sum = 0
    for (let seed = 0; seed < seeds; seed++) {
      const [valued, proposals] = tools(seed, level, isExact)
      const value = countedTool(valued)
      const players = { program, input, search: true, tools: [value.tool, proposals] }
      const run = await spawnEpisode(kernel, world(seed, level, limit), { params: taskOf(seed, level), seed }, players)
      const { score, players: ended } = await run.result
      for (const player of Object.values(ended)) if ('error' in player) throw new Error(JSON.stringify(player.error))
      sum += score ?? 0
      asked[method] = Math.max(asked[method] ?? 0, value.count())
    }
    won[method] = sum / seeds
  }
  await kernel.close()
  return { won, asked }
}
