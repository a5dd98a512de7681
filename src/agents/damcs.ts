/**
 * DAMCS (Yang et al. 2025, "LLM-powered decentralized generative agents with adaptive hierarchical knowledge graph for cooperative
 * planning"): every player plans for itself from its own graph of experiences, and tells the others in a fixed form what matters to them;
 * a setting of the joint step.
 *
 *     spawnEpisode(kernel, teamWorld(world), task, { program: damcs, input: { recipes: { pickaxe: { wood: 1, iron: 1 } } } })
 *
 * What was done and what came of it are experiences under goals, goals under the team's task (knowledge-graph.ts). A player reads the branch that
 * it works on, whether its goal can be made from what it has (recipes), and of the last message of each other what its own goal calls for
 * (peer-messages.ts). It answers in one form: whom it helps and how, what it thinks of its last step, goals, action, and what it is and
 * has for the others, who hear it in the next turn. All think at the same time; who is busy, and so not to act, is not asked.
 *
 * Invariants
 *   DA1. What a player knows of another is what that one told, cut to the player's goal and needs.
 *   DA2. A decision is one experience, under the goal that it was for, when its turn has passed.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import { actionShape } from './pieces/acting.ts'
import type { Mind } from './pieces/joint-draft.ts'
import { planText, type Move, type Player } from './pieces/joint-plan.ts'
import { jointSteps, type JointInput, type Jointed } from './joint-step.ts'
import { knowledgeGraph } from './knowledge-graph.ts'
import { inWords, messageFor, type PeerMessage } from './pieces/peer-messages.ts'

export interface DamcsInput extends JointInput {
  /** What a thing is made of, and how many of each. A player's `inventory` is read from the data of its view. @default nothing is known */
  readonly recipes?: Recipes
}

export type Recipes = { readonly [item: string]: { readonly [part: string]: number } }

const FORM = `Work with the others, each of whom plans for itself. Answer with one JSON object:
{"collaboration": {"helps": "whom you help, or null", "how": "…"}, "reflection": "what came of your last step",
"goal": {"current": "what you work on now", "status": "open" or "done" or "failed" of your goal before this one},
"action": {"name": "…", "args": {…}},
"message": {"needs": ["…"], "request": "… or null", "offer": "… or null", "location": "… or null"}}.`
const wordOrNull = z.string().nullish()
const damcsShape = z.object({
  collaboration: z.object({ helps: wordOrNull, how: wordOrNull }).default({ helps: null, how: null }),
  reflection: z.string().default(''),
  goal: z.object({ current: z.string().min(1), status: z.enum(['open', 'done', 'failed']).default('open') }),
  action: actionShape,
  message: z
    .object({ needs: z.array(z.string()).default([]), request: wordOrNull, offer: wordOrNull, location: wordOrNull })
    .default({ needs: [], request: null, offer: null, location: null }),
})

export const damcs = defineProgram('damcs', (sys, input: DamcsInput): Promise<Jointed> => {
  const { recipes, ...rest } = input
  return jointSteps(sys, {
    draft: 'each',
    sees: 'own',
    history: 'none',
    ...rest,
    mind: ({ question }) => damcsMind(question, recipes),
  })
})

/** What a player works on, since that turn. */
interface Own {
  readonly turn: number
  readonly goal: string
  readonly needs: readonly string[]
}

function damcsMind(task: string, recipes: Recipes = {}): Mind {
  let turn = 0
  let earned = 0
  let did: readonly Move[] = []
  const heads = new Map<string, Own>()
  /** What each said last, and what of it can be heard: that of the turns before. */
  const said = new Map<string, PeerMessage>()
  let heard = new Map<string, PeerMessage>()

  return {
    saw({ last }, reward) {
      turn++
      earned = reward
      did = last
      heard = new Map(said)
    },
    async decide(sys, { player, ask }): Promise<Move | undefined> {
      const { name } = player
      const graph = knowledgeGraph({ space: 'damcs', agent: name })
      const before = heads.get(name)
      // Also when it is asked again: the graph has had the turn before by then.
      const past = before === undefined || before.turn === turn ? undefined : before
      if (before === undefined) await graph.aim(sys, task)
      const { goal, experiences } = await graph.plan(sys)
      const others = [...heard.values()].filter(({ from }) => from !== name)
      const done = did.filter(({ agent }) => agent === name)
      const step = done.length === 0 ? 'nothing could be done' : planText(done)
      const parts = [
        ...(goal === undefined ? [] : [`Your goal: ${goal.text}`]),
        ...(before === undefined ? [] : [`Can it be made: ${readiness(recipes, before.goal, inventoryOf(player))}`]),
        ...(experiences.length === 0
          ? []
          : [`What you did for it:\n${experiences.map(({ text }) => text).join('\n')}`]),
        ...(past === undefined ? [] : [`Your last step: ${step}; the team earned ${earned}`]),
        ...(others.length === 0
          ? []
          : [
              `The others:\n${others.map((one) => inWords(messageFor(one, before?.goal ?? task, before?.needs))).join('\n')}`,
            ]),
      ]
      const answer = await ask(FORM, parts.map((part) => `\n\n${part}`).join(''), damcsShape)
      if (answer === undefined) return undefined
      const { current, status } = answer.goal
      if (past !== undefined) {
        const experience = { goal: past.goal, action: step, result: answer.reflection, step: past.turn }
        await graph.experience(sys, experience)
        const { goal: now } = await graph.plan(sys)
        if (now !== undefined && status !== 'open') await graph.consolidate(sys, now.id, { status })
      }
      const { needs, request, offer, location } = answer.message
      heads.set(name, { turn, goal: current, needs })
      said.set(name, {
        from: name,
        goal: current,
        status: 'open',
        inventory: inventoryOf(player),
        needs,
        ...(request == null ? {} : { request }),
        ...(offer == null ? {} : { offer }),
        ...(location == null ? {} : { location }),
      })
      return { ...answer.action, agent: name }
    },
  }
}

/** What a player has, as far as its view says. */
function inventoryOf({ data }: Player): { readonly [item: string]: number } {
  const read = z.object({ inventory: z.record(z.string(), z.number()) }).safeParse(data)
  return read.success ? read.data.inventory : {}
}

/** For every thing of the recipes that a goal names: whether it can be made of what there is, or what is missing. */
export function readiness(recipes: Recipes, goal: string, inventory: { readonly [item: string]: number }): string {
  const named = Object.keys(recipes).filter((item) => goal.toLowerCase().includes(item.toLowerCase()))
  const lines = named.map((item) => {
    const missing = Object.entries(recipes[item] ?? {}).flatMap(([part, count]) => {
      const short = count - (inventory[part] ?? 0)
      return short > 0 ? [`${short} ${part}`] : []
    })
    return `${item}: ${missing.length === 0 ? 'ready' : `missing ${missing.join(', ')}`}`
  })
  return lines.join('; ') || 'not known'
}
