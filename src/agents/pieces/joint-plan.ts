/**
 * Joint plans: what each player of a team is to do in one turn, how a model is told of the turn and how it says a plan, and
 * whether a plan can be carried out.
 *
 *     const scene = sceneOf(await look(sys))
 *     const faults = await faultsIn(sys, scene, plan)      // [] or one for each action that cannot be done
 *
 * A team's world (evaluation/team-world.ts) shows what each player sees and takes the actions of all at once.
 */
import { z } from 'zod'
import { PolityError } from '../../kernel/errors.ts'
import { issuesOf } from '../../kernel/input-form.ts'
import type { Json, Sys } from '../../kernel/types.ts'
import { actionShape, holds, type Seen } from './acting.ts'

/** What one player is to do. */
export const moveShape = actionShape.extend({ agent: z.string() })
export type Move = z.infer<typeof moveShape>
/** A joint plan: at most one move each; who has none does nothing. */
export type Plan = readonly Move[]

export const planShape = z.object({ plan: z.array(moveShape) })
export const PLAN_FORM =
  'Say the plan as JSON: {"plan": [{"agent": "…", "name": "…", "args": {…}}]}, at most one action for each agent; who is not named does nothing.'

/** A player who is to act. */
export interface Player {
  readonly name: string
  readonly text: string
  readonly data: Json
  readonly actions: readonly {
    readonly name: string
    readonly description: string
    readonly input: { readonly [keyword: string]: Json }
  }[]
}

/** A turn of a team. */
export interface Scene {
  readonly players: readonly Player[]
  /** What everybody did last, also who is not of the team. */
  readonly last: Plan
}

/** What of a plan cannot be done. */
export interface Fault {
  /** Whose action it is; absent: it is the whole plan. */
  readonly agent?: string
  readonly message: string
}

/** A step that was taken. */
export interface JointStep {
  readonly plan: Plan
  /** What could not be done, and what of a plan was left out. @default nothing */
  readonly failed?: readonly Fault[]
  /** What was said before it. @default nothing */
  readonly dialogue?: readonly Said[]
}

/** A line of a dialogue. */
export interface Said {
  readonly by: string
  readonly text: string
}

/** A turn as a team's world shows it. Throws `INVALID_ARGUMENT` where this is no such world, with what it lacks. */
export function sceneOf({ data }: Pick<Seen, 'data'>): Scene {
  const read = sceneShape.safeParse(data)
  if (!read.success) throw noTeam(`what it sees is no turn of a team: ${issuesOf(read.error)}`)
  return read.data as Scene
}

/** A program for a team stands in a world of one player, or in none. */
export function noTeam(why = 'it stands in no episode'): PolityError {
  return new PolityError(
    'INVALID_ARGUMENT',
    `this program plays a team, and needs the world of one: add --team (\`polity evaluate --environment … --team\`), or give it teamWorld(world); ${why}`,
  )
}

const sceneShape = z.object({
  players: z.array(
    z.object({
      name: z.string(),
      text: z.string(),
      data: z.json(),
      actions: z.array(z.object({ name: z.string(), description: z.string(), input: z.record(z.string(), z.json()) })),
    }),
  ),
  last: z.array(moveShape),
})

/** The tool of a team's world that tries a plan without carrying it out. */
export const CHECK = 'episode_check'

/** What of a plan cannot be done: agents, actions and arguments that there are not, and what the world itself refuses, where the program holds its check. */
export async function faultsIn(sys: Sys, { players }: Scene, plan: Plan): Promise<readonly Fault[]> {
  const faults = plan.flatMap(({ agent, name, args = {} }, i): Fault[] => {
    const player = players.find((one) => one.name === agent)
    if (player === undefined)
      return [{ agent, message: `is not to act; to act are ${players.map((one) => one.name).join(', ')}` }]
    if (plan.findIndex((one) => one.agent === agent) < i)
      return [{ agent, message: 'has two actions; one is all there is time for' }]
    const action = player.actions.find((one) => one.name === name)
    if (action === undefined)
      return [
        {
          agent,
          message: `there is no action "${name}"; there are ${player.actions.map((one) => one.name).join(', ')}`,
        },
      ]
    const read = z.fromJSONSchema(action.input as Parameters<typeof z.fromJSONSchema>[0]).safeParse(args)
    return read.success ? [] : [{ agent, message: `${name}: ${issuesOf(read.error)}` }]
  })
  if (faults.length > 0 || plan.length === 0 || !holds(sys, CHECK)) return faults
  const tried = await sys.call<{ readonly faults: string[] }>(CHECK, { actions: plan as unknown as Json })
  return faultsSaid(tried.faults.join('\n'), plan)
}

/** What a team's world said of this plan: a line for each fault, `name: why` where it is a player's. */
export function faultsSaid(text: string, plan: Plan): Fault[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const agent = plan.find((move) => line.startsWith(`${move.agent}: `))?.agent
      return agent === undefined ? { message: line } : { agent, message: line.slice(agent.length + 2) }
    })
}

/** The plan without the moves that these faults name; nothing of it where one is of the whole plan. */
export function withoutFaulty(plan: Plan, faults: readonly Fault[]): Plan {
  return plan.filter((move) => !faults.some(({ agent = move.agent }) => agent === move.agent))
}

/** A line for each. */
export function faultsText(faults: readonly Fault[]): string {
  return faults.map(({ agent, message }) => (agent === undefined ? message : `${agent}: ${message}`)).join('\n')
}

/** What players see and can do, as a model reads it. */
export function sceneText(players: readonly Player[]): string {
  return players
    .map(({ name, text, actions }) => {
      const list = actions.map((one) => `${one.name} ${JSON.stringify(one.input['properties'] ?? {})}`)
      return `[${name}]\n${text}\nCan do: ${list.join('; ') || 'nothing'}`
    })
    .join('\n\n')
}

export function planText(plan: Plan): string {
  return plan.map((move) => `${move.agent}: ${moveText(move)}`).join('\n') || 'nobody acts'
}

/** A move without whose it is. */
export function moveText({ name, args = {} }: Move): string {
  return `${name} ${JSON.stringify(args)}`
}

export function dialogueText(dialogue: readonly Said[]): string {
  return dialogue.map(({ by, text }) => `${by}: ${text}`).join('\n') || 'Nobody has spoken yet.'
}

/** Steps as a model reads them, the newest last. */
export function stepsText(steps: readonly JointStep[]): string {
  return steps
    .map(({ plan, failed, dialogue = [] }) =>
      [
        ...(dialogue.length === 0 ? [] : [dialogueText(dialogue)]),
        planText(plan),
        ...(failed === undefined ? [] : [`Could not be done: ${faultsText(failed)}`]),
      ].join('\n'),
    )
    .join('\n---\n')
}
