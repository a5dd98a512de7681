/**
 * ProAgent (Zhang et al. 2024, "ProAgent: building proactive cooperative agents with large language models"): a player beside
 * partners that it does not know, a setting of the joint step.
 *
 *     const world = teamWorld(worldOf(kitchen), { others: { name: 'greedy', play: { 'cook 2': partner } } })
 *     spawnEpisode(kernel, world, task, { program: proAgent, tools: [teamCheck(world)] })
 *
 * In each turn it says what every partner will do, and what it does itself. Its action is tried first (`episode_check`) and chosen anew
 * with the reason where it cannot be done, so that nothing impossible is done. When the turn has come, what it expected is held against what
 * the partner did: belief correction. The corrected pairs of the last turns are its memory of each partner.
 *
 * Invariant
 *   PA1. What is remembered of a partner is what it did; with `correct: false`, for comparison, what was expected.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import { actionShape } from './pieces/acting.ts'
import type { Move, Plan } from './pieces/joint-plan.ts'
import type { Mind } from './pieces/joint-draft.ts'
import { jointSteps, type JointInput, type Jointed } from './joint-step.ts'

export interface ProAgentInput extends JointInput {
  /** Turns of a partner that are remembered. Not verified. @default 20 */
  readonly memorySteps?: number
  /** Whether expectations are corrected by what partners do. @default true */
  readonly correct?: boolean
}

/** What was expected of a partner in a turn, and what it did. */
export interface Belief {
  readonly partner: string
  readonly expected: string
  readonly did: string
}

const PARTNER = `You play beside partners that you cannot order about and that cannot hear you. Think about what is to be done, say what
each partner will do now, and choose your own action so that it goes well with theirs. Answer with JSON:
{"analysis": "…", "expected": {"partner": "name of its action"}, "action": {"name": "…", "args": {…}}}.`
const proShape = z.object({
  analysis: z.string().default(''),
  expected: z.record(z.string(), z.string()).default({}),
  action: actionShape,
})

export const proAgent = defineProgram('pro-agent', (sys, input: ProAgentInput): Promise<Jointed> => {
  const { memorySteps, correct, ...rest } = input
  return jointSteps(sys, { draft: 'each', sees: 'own', ...rest, mind: () => proMind({ memorySteps, correct }) })
})

/** The memory of the players of a run, each of its own. */
export function proMind({
  memorySteps = 20,
  correct = true,
}: {
  readonly memorySteps?: number | undefined
  readonly correct?: boolean | undefined
}): Mind {
  /** By player: what it expects of each partner in this turn, and what it knows of them. */
  const expected = new Map<string, { readonly [partner: string]: string }>()
  const known = new Map<string, Belief[]>()
  return {
    saw({ last }) {
      for (const [player, of] of expected)
        known.set(player, [...(known.get(player) ?? []), ...corrected(of, last, correct)])
      expected.clear()
    },
    async decide(_, { player, ask }): Promise<Move | undefined> {
      const memory = beliefText(known.get(player.name) ?? [], memorySteps)
      const said = await ask(PARTNER, memory, proShape)
      if (said === undefined) return undefined
      expected.set(player.name, said.expected)
      return { ...said.action, agent: player.name }
    },
  }
}

/** What was expected, held against what was done. A partner that did nothing is left out. */
export function corrected(expected: { readonly [partner: string]: string }, last: Plan, correct = true): Belief[] {
  return Object.entries(expected).flatMap(([partner, action]) => {
    const did = last.find(({ agent }) => agent === partner)?.name
    return did === undefined ? [] : [{ partner, expected: action, did: correct ? did : action }]
  })
}

/** The memory as a model reads it: what each partner did, the commonest first, and the last turn that went otherwise than expected. */
export function beliefText(beliefs: readonly Belief[], memorySteps: number): string {
  const parts = [...Map.groupBy(beliefs, ({ partner }) => partner)].map(([partner, all]) => {
    const kept = all.slice(-memorySteps)
    const counts = [...Map.groupBy(kept, ({ did }) => did)]
      .map(([did, of]) => [did, of.length] as const)
      .toSorted((a, b) => b[1] - a[1])
    const surprise = kept.findLast((one) => one.did !== one.expected)
    const also = surprise === undefined ? '' : ` You last expected ${surprise.expected} and it was ${surprise.did}.`
    return `${partner}, last ${kept.length} turns: ${counts.map(([did, count]) => `${did} ${count}`).join(', ')}.${also}`
  })
  return parts.length === 0 ? '' : `\n\nWhat you know of your partners:\n${parts.join('\n')}`
}
