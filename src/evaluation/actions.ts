/**
 * Recorded actions: episodes that somebody played elsewhere, replayed in a world and scored.
 *
 *     {"seed": 7, "level": 2, "actions": [{"agent": "crafter", "name": "get", "args": {"item": "oak", "count": 1}}, …]}
 *
 * One episode a line. A turn is one action, or a list of those of all players. `params` stands for seed and level where the
 * episode is not one of the world's own. `id` names it.
 */
import { z } from 'zod'
import type { Action, ActionError } from '../environments/environment.ts'
import type { Json } from '../kernel/types.ts'
import { failureOf, stateHashOf, unscored, type Failure } from './episode-tools.ts'
import { jsonLines, readLine } from './json-lines.ts'
import type { Standing, World } from './world.ts'
import { openStage } from './world.ts'

const action = z.object({ agent: z.string(), name: z.string(), args: z.record(z.string(), z.json()).optional() })
const episode = z.object({
  id: z.string().optional(),
  seed: z.number().int(),
  level: z.number().int().optional(),
  params: z.json().optional(),
  actions: z.array(z.union([action, z.array(action)])),
})

const EXPECTED = '{ seed, actions: [{ agent, name, args? }, …] }'

/** What came of one recorded episode. */
export interface Replayed {
  readonly id: string
  /** 0 to 1; null: not scored, because the world failed. */
  readonly score: number | null
  /** How it failed. */
  readonly failure?: Failure
  readonly metrics: { readonly [name: string]: number }
  /** Turns that were taken; actions behind the end are not. */
  readonly steps: number
  readonly done: boolean
  /** What could not be done, with its turn. */
  readonly errors: readonly (ActionError & { readonly turn: number })[]
  readonly stateHash: string
}

/** Every episode of a file; one whose world fails is not scored. Throws `INVALID_ARGUMENT` with the line that is wrong. */
export async function replayActions(
  world: World,
  text: string,
  name: string,
  params: (seed: number, level?: number) => Json,
): Promise<readonly Replayed[]> {
  const stage = openStage(world)
  const found: Replayed[] = []
  try {
    for (const line of jsonLines(text, name)) {
      const { id, seed, level, params: own, actions } = readLine(episode, line, name, EXPECTED)
      const errors: (ActionError & { readonly turn: number })[] = []
      const task = { params: own === undefined ? params(seed, level) : (own as Json), seed }
      const told = { id: id ?? `line ${line.at}`, errors }
      let at: Standing | undefined
      try {
        at = await stage.begin(task)
        for (const given of actions) {
          if (at.turn.done) break
          const { turn, state } = await stage.step(at.state, [given].flat() as readonly Action[])
          at = { turn, state }
          errors.push(...turn.errors.map((error) => ({ ...error, turn: turn.steps })))
        }
        const { state, turn } = at
        const [score, metrics] = [await stage.score(state), await stage.metrics(state)]
        found.push({ ...told, score, metrics, steps: turn.steps, done: turn.done, stateHash: stateHashOf(state) })
      } catch (thrown) {
        found.push({ ...told, ...unscored(failureOf(thrown), at?.state ?? null, at?.turn.steps ?? 0) })
      }
    }
  } finally {
    await stage.close()
  }
  return found
}
