/**
 * A world of several players as a world of one, the team: it sees what each of them sees, and gives the actions of all at once.
 * For programs that plan for several (agents/joint-step.ts); a program for one player acts in it too.
 *
 *     spawnEpisode(kernel, teamWorld(worldOf(kitchen)), task, { program: hmas2, tools: [teamCheck(teamWorld(worldOf(kitchen)))] })
 *
 * The team's one action is `act` with a list of its players' actions; who is not in it does nothing. Players of `others` are not
 * of the team: a function of the state plays them, and the team sees what they did.
 *
 * Invariants
 *   TW1. A turn of the team is a turn of the world; states, scores and metrics are the world's.
 *   TW2. Nobody acts for a player who is not of the team.
 *   TW3. What the team is told as done was done: nothing that the world refused.
 *   TW4. A team beside others is another world than one beside nobody, or beside others of another name: it has a version of its own.
 */
import { z } from 'zod'
import { CHECK } from '../agents/pieces/joint-plan.ts'
import {
  badArguments,
  type Action,
  type ActionDescription,
  type ActionError,
  type Turn,
} from '../environments/environment.ts'
import { PolityError } from '../kernel/errors.ts'
import { issuesOf } from '../kernel/input-form.ts'
import { defineTool } from '../kernel/tools.ts'
import type { Json, Tool } from '../kernel/types.ts'
import { EPISODE, worldState } from './episode-tools.ts'
import { openStage, type OpenEnvironment, type Soon, type World } from './world.ts'

/** The one player. */
export const TEAM = 'team'

export interface TeamOptions {
  /** Who else plays. @default nobody */
  readonly others?: Others
}

/** Players who are not of the team. */
export interface Others {
  /** What they are as partners; a new name wherever they play otherwise, for results are kept by it. Not empty. */
  readonly name: string
  /** By player: what it does in a state of the world, as its environment gives it. */
  readonly play: { readonly [agent: string]: (state: Json) => Soon<Omit<Action, 'agent'>> }
}

/** What `data` of the team's view has. */
export interface TeamView {
  /** Players of the team who are to act: what each sees and can do. */
  readonly players: readonly {
    readonly name: string
    readonly text: string
    readonly data: Json
    readonly actions: readonly ActionDescription[]
  }[]
  /** What everybody did last, also who is not of the team; without what could not be done. */
  readonly last: readonly Action[]
}

const actionShape = z.object({ agent: z.string(), name: z.string(), args: z.record(z.string(), z.json()).optional() })
const jointShape = z.object({ actions: z.array(actionShape) })
const ACT: ActionDescription = {
  name: 'act',
  description: 'What each player of the team does now, an action each; who is not named does nothing.',
  input: z.toJSONSchema(jointShape) as ActionDescription['input'],
  effect: 'write',
}

/** A team's state: that of the world, and what was done last. */
interface Kept {
  readonly world: Json
  readonly last: readonly Action[]
}

/** The world as a team sees it. Throws `INVALID_ARGUMENT` for others without a name. */
export function teamWorld(world: World, { others }: TeamOptions = {}): World {
  const { oracle, floor } = world
  if (others?.name === '')
    throw new PolityError('INVALID_ARGUMENT', `${world.id}: others in a team’s world have a name`)
  const play = others?.play ?? {}
  const isOther = (agent: string): boolean => play[agent] !== undefined
  const beside = others === undefined ? '' : `+${JSON.stringify([others.name, ...Object.keys(play).toSorted()])}`
  return {
    id: `${world.id}/team`,
    version: `${world.version}${beside}`,
    description: world.description,
    actions: () => [ACT],
    agents: () => [TEAM],
    open: async () => opened(await world.open(), play, isOther),
    ...(floor === undefined ? {} : { floor }),
    ...(oracle === undefined
      ? {}
      : {
          async oracle(state) {
            const actions = await oracle(worldIn(state))
            return [joint(actions.filter(({ agent }) => !isOther(agent)))]
          },
        }),
  }
}

function joint(actions: readonly Action[]): Action {
  return { agent: TEAM, name: ACT.name, args: { actions: actions as unknown as Json } }
}

function opened(inner: OpenEnvironment, play: Others['play'], isOther: (agent: string) => boolean): OpenEnvironment {
  let last: readonly Action[] = []
  let turn: Turn | undefined
  const told = (now: Turn, errors: readonly ActionError[] = []): Turn => {
    turn = now
    return asTeam(now, last, isOther, errors)
  }
  return {
    async reset(task) {
      last = []
      return told(await inner.reset(task))
    },
    async step([action]) {
      const said = jointShape.safeParse(action?.args ?? { actions: [] })
      const own = said.success ? said.data.actions.filter(({ agent }) => !isOther(agent)) : []
      const errors = said.success
        ? said.data.actions
            .filter(({ agent }) => isOther(agent))
            .map(({ agent }) => badArguments(agent, 'is not of the team'))
        : [badArguments(TEAM, issuesOf(said.error))]
      const state = await inner.state()
      const theirs = await Promise.all(
        (turn?.toAct ?? [])
          .filter(isOther)
          .map(async (agent) => ({ ...(await play[agent]?.(state)), agent }) as Action),
      )
      const given = [...(own as readonly Action[]), ...theirs]
      const now = await inner.step(given)
      last = carriedOut(given, now.errors)
      return told(now, errors)
    },
    async state() {
      return { world: await inner.state(), last } as unknown as Json
    },
    async restore(state) {
      const kept = state as unknown as Kept
      last = kept.last
      return told(await inner.restore(kept.world))
    },
    score: () => inner.score(),
    metrics: () => inner.metrics(),
    ...(inner.close === undefined ? {} : { close: () => inner.close?.() }),
  }
}

/** One of a joint action's actions. */
export interface Part {
  /** Of the action; undefined where its player has none of that name. */
  readonly effect: ActionDescription['effect'] | undefined
  /** The joint action without it. */
  readonly without: Action
}

/** What a team's action is made of, in that turn; undefined of any other action. */
export function partsOf(turn: Turn, { agent, args }: Action): readonly Part[] | undefined {
  const view = turn.views[agent]
  const said = jointShape.safeParse(args)
  if (view === undefined || !view.actions.includes(ACT) || !said.success) return undefined
  const { players } = view.data as unknown as TeamView
  const actions = said.data.actions as readonly Action[]
  return actions.map(({ agent: player, name }, at) => ({
    effect: players.find((one) => one.name === player)?.actions.find((one) => one.name === name)?.effect,
    without: joint(actions.filter((_, k) => k !== at)),
  }))
}

/** The state of the world in a team's, in which is also what the team was told. */
export function worldIn(state: Json): Json {
  return (state as unknown as Kept).world
}

/** The actions without those that were refused: of several by one player the later ones, which had no turn. */
function carriedOut(actions: readonly Action[], errors: readonly ActionError[]): Action[] {
  return [...Map.groupBy(actions, ({ agent }) => agent)].flatMap(([agent, own]) =>
    own.slice(0, Math.max(0, own.length - errors.filter((one) => one.agent === agent).length)),
  )
}

/** A turn as the team is told it. What could not be done comes as one error, a line for each. */
function asTeam(
  turn: Turn,
  last: readonly Action[],
  isOther: (agent: string) => boolean,
  more: readonly ActionError[],
): Turn {
  const done = turn.done || turn.toAct.length === 0
  const failed = [...more, ...turn.errors.filter(({ agent }) => !isOther(agent))]
  const players = turn.toAct
    .filter((agent) => !isOther(agent))
    .map((name) => ({ name, ...(turn.views[name] ?? { text: '', actions: [] }) }))
  const text = players.map(({ name, text }) => `[${name}]\n${text}`).join('\n\n')
  const data = { players: players.map(({ data = null, ...rest }) => ({ ...rest, data })), last } as unknown as Json
  const earned = Object.entries(turn.reward).filter(([agent]) => !isOther(agent))
  return {
    ...turn,
    done,
    toAct: done ? [] : [TEAM],
    views: done ? {} : { [TEAM]: { text, data, actions: [ACT] } },
    reward: earned.length === 0 ? {} : { [TEAM]: earned.reduce((sum, [, one]) => sum + one, 0) },
    errors:
      failed.length === 0
        ? []
        : [
            {
              agent: TEAM,
              code: (failed[0] as ActionError).code,
              message: failed.map(({ agent, message }) => `${agent}: ${message.replaceAll('\n', ' ')}`).join('\n'),
            },
          ],
  }
}

/**
 * `episode_check`: input as `act` takes it, output `{ faults }`, a line for each action that could not be done here. Takes no turn.
 * It opens the world for each call, and closes it: a tool has no end at which it could.
 */
export function teamCheck(world: World): Tool {
  return defineTool({
    name: CHECK,
    description: 'Tries what the players would do, without doing it, and says what could not be done.',
    effect: 'read',
    inputSchema: jointShape,
    state: EPISODE,
    async execute({ actions }, context) {
      const stage = openStage(world)
      try {
        const { turn } = await stage.step(worldState(context), [joint(actions as readonly Action[])])
        return { faults: turn.errors.flatMap(({ message }) => message.split('\n')) }
      } finally {
        await stage.close()
      }
    },
  }) as Tool
}
