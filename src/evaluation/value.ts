/**
 * Scripted judgement: a value of where an episode stands and proposals of what to do next, with seeded noise. They stand in
 * for a model where a search is to be measured and not a model, and they cost no tokens.
 *
 *     spawnEpisode(kernel, world, task, { program, search: true, tools: [valueTool(world, { sigma: 0.2, seed: 1 })] })
 *
 * The true value is how near the end is: 1 - the oracle's steps left / `horizon`, never below 0; 1 where it is over, 0 where
 * it is not and the oracle knows no way on (a dead end), or none before the episode is cut off. Noise is drawn from the seed and the state, so the same state has the
 * same value whoever asks and however often: a search that asks again learns nothing.
 */
import { normalOf } from '../agents/pieces/linear-thompson.ts'
import { canonical } from '../policy/canonical.ts'
import type { Action } from '../environments/environment.ts'
import { anything } from '../kernel/anything.ts'
import { randomAt } from '../kernel/clock.ts'
import { sha256 } from '../kernel/digest.ts'
import { PolityError } from '../kernel/errors.ts'
import { defineTool } from '../kernel/tools.ts'
import type { Json, Tool } from '../kernel/types.ts'
import { EPISODE, worldState } from './episode-tools.ts'
import type { World } from './world.ts'
import { openStage } from './world.ts'

export const VALUE = 'episode_value'
export const PROPOSE = 'episode_propose'

/** How wrong the judgement is. */
export interface Noise {
  /** Steps of the oracle from which on the value is 0. @default 20 */
  readonly horizon?: number
  /** Standard deviation of what is added to a value, before it is cut to 0..1. @default 0 */
  readonly sigma?: number
  readonly seed?: number
}

/** Steps of the oracle that are followed before it is given up. */
const ORACLE_STEPS_MAX = 1_000

/** `episode_value`: input `{}`, output `{ value }`, 0 to 1. */
export function valueTool(world: World, { horizon = 20, sigma = 0, seed = 0 }: Noise = {}): Tool {
  const stepsLeft = countedSteps(world)
  return defineTool({
    name: VALUE,
    description: 'How far along the way to the goal things are, 0 to 1, by a guess.',
    effect: 'read',
    inputSchema: anything({ type: 'object', properties: {} }),
    state: EPISODE,
    async execute(_, context) {
      const present = worldState(context)
      const value = Math.max(0, 1 - (await stepsLeft(present)) / horizon)
      return { value: Math.min(1, Math.max(0, value + sigma * normalAt(seed, present))) }
    },
  }) as Tool
}

/** What is proposed beside the oracle's next action, and how often that is missing. */
export interface ProposalOptions {
  /** Actions that could be tried in this state; of them some are proposed. */
  readonly others: (state: Json) => readonly Pick<Action, 'name' | 'args'>[]
  /** Share of states in which the oracle's action is not among the proposals. @default 0 */
  readonly blind?: number
  readonly seed?: number
}

/** `episode_propose`: input `{ n }`, output `{ actions }`, at most n different ones, in no order. */
export function proposeTool(world: World, { others, blind = 0, seed = 0 }: ProposalOptions): Tool {
  return defineTool({
    name: PROPOSE,
    description: 'Actions that might be taken next.',
    effect: 'read',
    inputSchema: anything({ type: 'object', properties: { n: { type: 'integer', minimum: 1 } } }),
    state: EPISODE,
    async execute(input, context) {
      const { n = 1 } = (input ?? {}) as { readonly n?: number }
      const present = worldState(context)
      const place = placeOf(present)
      let drawn = 0
      const draw = (): number => randomAt(seed, place, drawn++)
      const isBlind = draw() < blind
      const [next] = (await world.oracle?.(present)) ?? []
      const actions = new Map<string, Pick<Action, 'name' | 'args'>>()
      const add = ({ name, args = {} }: Pick<Action, 'name' | 'args'>): void =>
        void actions.set(canonical({ name, args }), { name, args })
      if (next !== undefined && !isBlind) add(next)
      const pool = [...others(present)]
      while (actions.size < n && pool.length > 0) {
        const [one] = pool.splice(Math.floor(draw() * pool.length), 1)
        if (
          one !== undefined &&
          !(isBlind && next?.name === one.name && canonical(next.args ?? {}) === canonical(one.args ?? {}))
        )
          add(one)
      }
      return {
        actions: [...actions]
          .toSorted(([a], [b]) => (sha256(a + place) < sha256(b + place) ? -1 : 1))
          .map(([, one]) => one),
      }
    },
  }) as Tool
}

/** Steps that the oracle needs from a state to the end, Infinity where it comes to none; remembered by state. The world is open while it is asked. */
function countedSteps(world: World): (state: Json) => Promise<number> {
  const { oracle } = world
  if (oracle === undefined)
    throw new PolityError(
      'CONFIG_INVALID',
      `${world.id} has no oracle, and a scripted value needs one; ask a model for values`,
    )
  const known = new WeakMap<object, number>()
  return async (from) => {
    const remembered = known.get(from as object)
    if (remembered !== undefined) return remembered
    const stage = openStage(world)
    try {
      let state = from
      let turn = await stage.look(from)
      let steps = 0
      for (; !turn.done && steps < ORACLE_STEPS_MAX; steps++) {
        const actions = await oracle(state)
        if (actions.length === 0) break
        ;({ state, turn } = await stage.step(state, actions))
      }
      const left = turn.done && turn.truncated === undefined ? steps : Infinity
      known.set(from as object, left)
      return left
    } finally {
      await stage.close()
    }
  }
}

/** A number that a state has to itself, as a place to draw from: 48 bits of its hash. */
function placeOf(state: Json): number {
  return Number.parseInt(sha256(canonical(state)).slice(0, 12), 16)
}

/** A draw of the standard normal distribution that a state has to itself. */
function normalAt(seed: number, state: Json): number {
  const place = placeOf(state)
  return normalOf(randomAt(seed, place, 0), randomAt(seed, place, 1))
}
