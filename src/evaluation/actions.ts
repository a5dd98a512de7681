/**
 * Recorded actions: episodes that somebody played elsewhere, replayed in a world and scored.
 *
 *     {"seed": 7, "level": 2, "actions": [{"agent": "crafter", "name": "get", "args": {"item": "oak", "count": 1}}, …]}
 *
 * One episode a line. A turn is one action, or a list of those of all players. `params` stands for seed and level where the
 * episode is not one of the world's own. `id` names it.
 */
import { canonical } from '../policy/canonical.ts'
import { z } from 'zod'
import type { Action, ActionError } from '../environments/environment.ts'
import { sha256 } from '../kernel/digest.ts'
import type { Json } from '../kernel/types.ts'
import { jsonLines, readLine } from './json-lines.ts'
import type { World } from './world.ts'
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
  readonly score: number
  readonly metrics: { readonly [name: string]: number }
  /** Turns that were taken; actions behind the end are not. */
  readonly steps: number
  readonly done: boolean
  /** What could not be done, with its turn. */
  readonly errors: readonly (ActionError & { readonly turn: number })[]
  readonly stateHash: string
}

/** Every episode of a file. Throws `INVALID_ARGUMENT` with the line that is wrong. */
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
      let { state, turn } = await stage.begin(task)
      for (const given of actions) {
        if (turn.done) break
        ;({ state, turn } = await stage.step(state, [given].flat() as readonly Action[]))
        errors.push(...turn.errors.map((error) => ({ ...error, turn: turn.steps })))
      }
      found.push({
        id: id ?? `line ${line.at}`,
        score: await stage.score(state),
        metrics: await stage.metrics(state),
        steps: turn.steps,
        done: turn.done,
        errors,
        stateHash: sha256(canonical(state)),
      })
    }
  } finally {
    await stage.close()
  }
  return found
}
