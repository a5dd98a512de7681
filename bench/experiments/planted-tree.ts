/**
 * A planted tree as a world: at each place `branching` ways on, one of them right, `depth` deep; nobody goes back. With two tools that
 * stand in for a model: a value that is noisy, and a policy that prefers the right way a little.
 */
import { defineTool } from '../../src/kernel/tools.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import type { Json, Tool } from '../../src/kernel/types.ts'
import type { Rules } from '../../src/environments/environment.ts'
import { EPISODE, worldState } from '../../src/evaluation/episode.ts'
import { z } from 'zod'
import { normal } from './experiment.ts'

interface TreeTask {
  readonly seed: number
  readonly branching: number
  readonly depth: number
  readonly [key: string]: Json
}

interface TreeState {
  readonly task: TreeTask
  readonly path: readonly number[]
  readonly [key: string]: Json
}

const rightWay = ({ seed, branching }: TreeTask, deep: number): number =>
  Math.floor(randomAt(seed, 0, deep) * branching)
const placeOf = ({ path }: TreeState): number => path.reduce((place, way) => place * 16 + way + 1, 1)
/** How many of its ways are right before the first wrong one. */
const rightOf = ({ task, path }: TreeState): number => {
  const wrong = path.findIndex((way, deep) => way !== rightWay(task, deep))
  return wrong < 0 ? path.length : wrong
}

/** Steps that were really taken, in all episodes. */
export const taken = { steps: 0 }

export const plantedTree: Rules<TreeTask, TreeState> = {
  id: 'planted-tree',
  version: '1',
  description: 'Go down the tree by the right ways.',
  stepsMax: 100,
  task: (seed) => ({ seed, branching: 3, depth: 5 }),
  start: (task) => ({ task, path: [] }),
  toAct: ({ task, path }) => (path.length >= task.depth ? [] : ['walker']),
  view: ({ task, path }) => ({
    text: `You are at ${path.join('.') || 'the root'}.`,
    actions: [
      {
        name: 'go',
        description: 'Go on.',
        input: {
          type: 'object',
          properties: { way: { type: 'integer', minimum: 0, maximum: task.branching - 1 } },
          required: ['way'],
        },
        effect: 'write',
      },
    ],
  }),
  step(state, [action]) {
    if (action === undefined) return { state }
    taken.steps++
    return { state: { ...state, path: [...state.path, Number(action.args?.['way'])] } }
  },
  score: (state) => (rightOf(state) === state.task.depth ? 1 : 0),
  oracle: (state) => [{ agent: 'walker', name: 'go', args: { way: rightWay(state.task, state.path.length) } }],
}

const nothing = z.object({}).loose()

/** Share of the way that is right, with noise of deviation sigma that belongs to the place. */
export function noisyValue(sigma: number): Tool {
  return defineTool({
    name: 'episode_value',
    description: 'How good this place looks.',
    effect: 'read',
    state: EPISODE,
    inputSchema: nothing,
    execute(_, context) {
      const state = (worldState(context) as unknown as { state: TreeState }).state
      const place = placeOf(state)
      const noise = normal(randomAt(state.task.seed, 1, 2 * place), randomAt(state.task.seed, 1, 2 * place + 1))
      return { value: Math.min(1, Math.max(0, rightOf(state) / state.task.depth + sigma * noise)) }
    },
  }) as Tool
}

/** Samples of a policy: each way weighs e^g with g drawn for it, and one more for the right way. */
export const policySamples: Tool = defineTool({
  name: 'episode_propose',
  description: 'What might be done.',
  effect: 'read',
  state: EPISODE,
  inputSchema: z.object({ n: z.number() }),
  execute({ n }, context) {
    const state = (worldState(context) as unknown as { state: TreeState }).state
    const { task, path } = state
    const place = placeOf(state)
    const weights = Array.from({ length: task.branching }, (_, way) => {
      const drawn = normal(
        randomAt(task.seed, 2, 64 * place + 2 * way),
        randomAt(task.seed, 2, 64 * place + 2 * way + 1),
      )
      return Math.exp(drawn + (way === rightWay(task, path.length) ? 1 : 0))
    })
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const actions = Array.from({ length: n }, (_, sample) => {
      let left = randomAt(task.seed, 3, 64 * place + sample) * total
      const way = weights.findIndex((weight) => (left -= weight) < 0)
      return { name: 'go', args: { way: Math.max(0, way) } }
    })
    return { actions }
  },
}) as Tool
