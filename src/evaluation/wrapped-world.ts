/**
 * A world behind an interface (agents/step-interface.ts): neither the world nor the agent is changed.
 *
 *     spawnEpisode(kernel, wrapWorld(worldOf(desk), face), task, { program: react })
 *
 * An action whose observation matches a repair is followed by what the repair does first, and taken once more; hints are added to
 * what is seen. What it does for the agent are steps of the world and count as such. Only the action of an agent that acts
 * alone is repaired; where several act in one turn, hints are all there is.
 *
 * Invariants
 *   WW1. Where nothing matches, turns, rewards, states and scores are those of the world itself.
 *   WW2. A world behind another interface is another world: it has a version of its own.
 */
import { firstOf, repairOf, type StepInterface } from '../agents/pieces/step-interface.ts'
import type { Action, Turn } from '../environments/environment.ts'
import { sha256 } from '../kernel/digest.ts'
import type { Json } from '../kernel/types.ts'
import { canonical } from '../policy/canonical.ts'
import type { OpenEnvironment, World } from './world.ts'

export function wrapWorld(world: World, face: StepInterface): World {
  return {
    ...world,
    id: `${world.id}/wrapped`,
    version: `${world.version}+${sha256(canonical(face as unknown as Json)).slice(0, 12)}`,
    description: face.rules === '' ? world.description : `${world.description}\n${face.rules}`,
    async open() {
      const inner = await world.open()
      return { ...bound(inner), step: (actions) => stepped(inner, face, actions) }
    },
  }
}

async function stepped(inner: OpenEnvironment, face: StepInterface, actions: readonly Action[]): Promise<Turn> {
  let turn = await inner.step(actions)
  const [action] = actions
  if (action === undefined) return turn
  const repair = repairOf(face, action, observed(turn, action.agent))
  if (repair === undefined) return turn
  if (actions.length === 1 && repair.first !== undefined) {
    for (const first of firstOf(repair, action)) {
      if (turn.done) break
      turn = joined(turn, await inner.step([{ args: {}, ...first, agent: action.agent }]))
    }
    if (!turn.done) turn = joined(turn, await inner.step(actions))
  }
  return repair.say === undefined ? turn : hinted(turn, action.agent, repair.say)
}

function observed({ views, errors }: Turn, agent: string): string {
  return [...errors.filter((one) => one.agent === agent).map(({ message }) => message), views[agent]?.text ?? ''].join(
    '\n',
  )
}

/** The later turn, with what was earned in both. */
function joined(before: Turn, after: Turn): Turn {
  const agents = new Set([...Object.keys(before.reward), ...Object.keys(after.reward)])
  const reward = Object.fromEntries(
    [...agents].map((one) => [one, (before.reward[one] ?? 0) + (after.reward[one] ?? 0)]),
  )
  return { ...after, reward }
}

function hinted(turn: Turn, agent: string, say: string): Turn {
  const view = turn.views[agent]
  if (view === undefined) return turn
  return { ...turn, views: { ...turn.views, [agent]: { ...view, text: `${view.text}\n${say}` } } }
}

/** An environment's methods, also of one that is a class. */
function bound(inner: OpenEnvironment): OpenEnvironment {
  return {
    reset: (task) => inner.reset(task),
    step: (actions) => inner.step(actions),
    state: () => inner.state(),
    restore: (state) => inner.restore(state),
    score: () => inner.score(),
    metrics: () => inner.metrics(),
    ...(inner.close === undefined ? {} : { close: () => inner.close?.() }),
  }
}
