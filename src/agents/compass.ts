/**
 * COMPASS (Li et al. 2025, "Cooperative multi-agent planning with adaptive skill synthesis"): every player plans for itself from
 * what it sees and is told, and acts by skills in code that the team keeps, a setting of the joint step.
 *
 *     const program = compass({ entitiesOf: ({ data }) => data.entities })
 *     spawnEpisode(kernel, teamWorld(world), task, { program, tools: codeTools() })
 *
 * In each turn players tell those in their sight what they know of (entity-propagation.ts). Then each looks back on its last skill, says
 * its next sub-task, and takes a skill of the library or writes one: a function of what it knows that returns an action, run in the
 * sandbox. Needs the pair of tools that runs code (drivers/sandbox/tools).
 *
 * Invariants
 *   CP1. A skill that throws, or returns no action, is not kept, and its player does nothing.
 *   CP2. A skill is kept after its action was carried out and found useful in the next turn.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Program, Sys } from '../kernel/types.ts'
import { actionShape } from './pieces/acting.ts'
import { codeAction } from './pieces/code-action.ts'
import { functionsIn, type CodeFunction } from './pieces/code-functions.ts'
import { entitiesText, MATE, merged, propagated, type Entity, type Known } from './pieces/entity-propagation.ts'
import type { Mind } from './pieces/joint-draft.ts'
import type { Move, Player } from './pieces/joint-plan.ts'
import { jointSteps, type JointInput, type Jointed } from './joint-step.ts'
import { findSkills, keepSkill, skillsCode, skillsText, withNeeded } from './pieces/skills.ts'

export interface CompassOptions {
  /** What a player sees, by its view; players of the team have the type `mate` and their names as ids. */
  readonly entitiesOf: (player: Player) => readonly Omit<Entity, 'time'>[]
  /** Skills that are shown. Not verified. @default 5 */
  readonly skillsShown?: number
  /** Library of the team. @default 'compass' */
  readonly box?: string
}

const REFLECT = `Look back on your last skill: did it help the team? Answer with JSON: {"useful": true or false, "lesson": "…"}.`
const reflectShape = z.object({ useful: z.boolean(), lesson: z.string().default('') })
const TASK = `Say your next sub-task for the team's task, in a sentence. Answer with JSON: {"task": "…"}.`
const taskShape = z.object({ task: z.string() })
const ACT = `Carry out your sub-task by a skill. Take one that is listed: {"skill": "name"}. Or write one in JavaScript, a function of the state
{me, view, entities, actions} with a comment that says what it does, which returns an action {name, args}: {"code": "// …\\nfunction name(state) {…}"}.`
const actShape = z.object({ skill: z.string().optional(), code: z.string().optional() })

/** The program, for worlds whose views are read so. */
export function compass(options: CompassOptions): Program<JointInput, Jointed> {
  return defineProgram('compass', (sys, input: JointInput) =>
    jointSteps(sys, { draft: 'each', sees: 'own', ...input, mind: () => compassMind(options) }),
  )
}

/** What a player has in its head. */
interface Own {
  readonly turn: number
  readonly task: string
  readonly lesson: string
  /** What it did in that turn; `made`: the skill, where it was new. */
  last?: { readonly skill: string; readonly made?: CodeFunction | undefined }
}

export function compassMind({ entitiesOf, skillsShown = 5, box = 'compass' }: CompassOptions): Mind {
  let turn = 0
  let earned = 0
  let known = new Map<string, Known>()
  const heads = new Map<string, Own>()

  /** Looking back and ahead, once a turn. */
  async function thought(sys: Sys, { player, ask }: Parameters<Mind['decide']>[1], news: string): Promise<Own> {
    const before = heads.get(player.name)
    if (before?.turn === turn) return before
    let lesson = before?.lesson ?? ''
    if (before?.last !== undefined) {
      const { skill, made } = before.last
      const found = await ask(REFLECT, `${news}\n\nYour last skill: ${skill}. The team earned ${earned}.`, reflectShape)
      if (found?.useful === true && made !== undefined) await keepSkill(sys, made, { box })
      lesson = found?.lesson ?? ''
    }
    const next = await ask(TASK, `${news}${lesson === '' ? '' : `\n\nLesson: ${lesson}`}`, taskShape)
    const own: Own = { turn, task: next?.task ?? '', lesson }
    heads.set(player.name, own)
    return own
  }

  return {
    saw({ players, last }, reward) {
      turn++
      earned = reward
      const seen = new Map(players.map((player) => [player.name, entitiesOf(player)]))
      for (const [name, entities] of seen) {
        const reports = entities.map((entity): Entity => ({ ...entity, time: turn }))
        known.set(name, merged(known.get(name) ?? new Map<string, Entity>(), reports))
      }
      known = propagated(known, (name) =>
        (seen.get(name) ?? []).filter(({ type }) => type === MATE).map(({ id }) => id),
      )
      // What was not carried out is nothing to look back on.
      for (const [name, own] of heads) if (!last.some(({ agent }) => agent === name)) delete own.last
    },
    async decide(sys, asked): Promise<Move | undefined> {
      const { player, ask } = asked
      const entities = known.get(player.name) ?? new Map<string, Entity>()
      const news = `\n\nYou know of:\n${entitiesText(entities, turn)}`
      const own = await thought(sys, asked, news)
      delete own.last
      const near = await findSkills(sys, own.task, { limit: skillsShown, box })
      const list = near.length === 0 ? 'none yet' : skillsText(near)
      const said = await ask(ACT, `${news}\n\nYour sub-task: ${own.task}\n\nSkills:\n${list}`, actShape)
      const made = said?.code === undefined ? undefined : functionsIn(said.code)[0]
      const skill = made?.name ?? said?.skill
      if (skill === undefined) return undefined
      const needed = await withNeeded(sys, made === undefined ? [skill] : made.calls, { box })
      const state = {
        me: player.name,
        view: player.data,
        entities: [...entities.values()] as unknown as Json,
        actions: player.actions.map(({ name }) => name),
      }
      const code = `${skillsCode(needed)}${made?.source ?? ''}\nreturn ${skill}(${JSON.stringify(state)})`
      const { value, error } = await codeAction(sys, { code, tools: [] })
      const action = actionShape.safeParse(value)
      if (error !== undefined || !action.success) return undefined
      own.last = { skill, made }
      return { ...action.data, agent: player.name }
    },
  }
}
