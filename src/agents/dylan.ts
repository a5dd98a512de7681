/**
 * DyLAN (Liu et al. 2024, "A dynamic LLM-powered agent network for task-oriented agent collaboration"): layers of roles that rate
 * each other, an early end where most agree, and from the third layer on only those whom a ranker keeps.
 *
 *     const { answer, importance } = await kernel.spawn(dylan, { question }).result
 *     mostImportant(tasks.map(({ importance }) => importance), 3)     // agent-importance.ts: the team to keep for more such tasks
 *
 * An agent sees the answers of the layer before, in an order that is drawn, and gives an answer and a rating of 1 to 5 for each.
 * More than two thirds of a layer that agree end it: nobody else is asked. The answer is the plurality of the last layer, of equal
 * ones the first. Teams of up to three stay whole; where the ranker says nothing that can be read, the first two go on.
 *
 * The release compares the ranker's choice with places in a shuffled list, so that two others go on; `asPublished` does so too.
 * Defaults are the paper's for MMLU: seven roles, three layers, two kept.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import { isOurEnd } from './pieces/our-end.ts'
import { agentImportance, byAgent, edgeWeights } from './pieces/agent-importance.ts'
import { layeredNet, shuffled, type Layer, type Said } from './layered-net.ts'
import type { Heard } from './pieces/speaker.ts'
import { answerKey, askMember, listed, membersOf, reasonedShape, type Member } from './pieces/team.ts'
import { plurality, tally } from './pieces/vote.ts'

export interface DylanInput {
  readonly question: string
  /** @default the seven roles of the paper */
  readonly members?: readonly Member[] | number
  /** @default 3 */
  readonly layers?: number
  /** Agents that go on from the third layer on. @default 2 */
  readonly kept?: number
  /** Keeps whom the release keeps. @default false */
  readonly asPublished?: boolean
}

export interface Dylaned {
  readonly answer: string
  /** Summed over the layers, by member; the layers sum to 1 each. */
  readonly importance: readonly number[]
  /** What was said, by layer. */
  readonly layers: readonly Layer<Rated>[]
  /** Model calls, the ranker's included, second tries not. */
  readonly calls: number
}

/** An answer, with a rating for each answer of the layer before, in the order of that layer. */
export interface Rated {
  readonly answer: string
  readonly reasoning?: string
  readonly ratings: readonly number[]
}

const ROLES = ['economist', 'doctor', 'lawyer', 'mathematician', 'psychologist', 'programmer', 'historian']
const ANSWER = `Answer the question. Below it may be answers of other agents: judge them, and rate each from 1 (useless) to 5 (right and well argued).
Answer with JSON: {"reasoning": "…", "answer": "the answer alone", "ratings": [one number for each answer of the others, in their order]}.`
const RANK = 'Choose the best answers to the question, the best first. Answer with JSON: {"best": [numbers]}.'
const rated = reasonedShape.extend({ ratings: z.array(z.number()).default([]) })
const ranked = z.object({ best: z.array(z.number().int()) })

export const dylan = defineProgram('dylan', async (sys, input: DylanInput): Promise<Dylaned> => {
  const { question, kept = 2 } = input
  const named = ROLES.map((name): Member => ({ name, instructions: `You are a ${name}.` }))
  const members = membersOf(input.members ?? named)
  // Who reads an answer is known when it is read: the ranker chooses.
  const heardIn = (seen: Layer<Rated>, turn: number): Heard[] =>
    seen.map(({ agent }) => ({ name: (members[agent] as Member).name, turn }))
  return dylanNet({
    ...input,
    kept,
    agents: members.length,
    random: () => sys.random(),
    async reply(agent, layer, seen) {
      const order = shuffled([...seen.keys()], () => sys.random())
      const answers = order
        .map((i) => (seen[i] as Said<Rated>).reply)
        .map((one) => `${one.reasoning} Answer: ${one.answer}`)
      const prompt = answers.length === 0 ? question : `${question}\n\nAnswers of other agents:\n${listed(answers)}`
      const said = await askMember(
        sys,
        members[agent] as Member,
        { instructions: ANSWER, prompt, temperature: 0.7, to: [], turn: layer + 1, heard: heardIn(seen, layer) },
        rated,
      )
      const isRated = said.ratings.length === order.length
      return { ...said, ratings: isRated ? seen.map((_one, i) => said.ratings[order.indexOf(i)] as number) : [] }
    },
    async rank(last, layer) {
      const order = shuffled([...last.keys()], () => sys.random())
      const answers = order
        .map((i) => (last[i] as Said<Rated>).reply)
        .map((one) => `${one.reasoning} Answer: ${one.answer}`)
      const prompt = `${question}\n\n${listed(answers)}`
      try {
        const asked = { instructions: RANK, prompt, heard: heardIn(last, layer) }
        const { best } = await askMember(sys, { name: 'Ranker' }, asked, ranked)
        return best.flatMap((place) => order[place - 1] ?? [])
      } catch (error) {
        if (!PolityError.isInstance(error) || isOurEnd(error)) throw error
        return []
      }
    },
  })
})

export interface DylanRules {
  readonly agents: number
  readonly layers?: number
  readonly kept: number
  readonly asPublished?: boolean
  /** Draws in [0, 1). */
  random(): number
  reply(agent: number, layer: number, seen: Layer<Rated>): Promise<Rated>
  /** Places in the last layer, the best first. @param layer that is about to begin, from 0 */
  rank(last: Layer<Rated>, layer: number): Promise<readonly number[]>
}

/** The net without its prompts. */
export async function dylanNet({
  agents,
  layers = 3,
  kept,
  asPublished = false,
  random,
  reply,
  rank,
}: DylanRules): Promise<Dylaned> {
  let calls = 0
  const mostOf = (active: number): number => Math.floor((2 * active) / 3)
  const said = await layeredNet<Rated>({
    agents,
    layers,
    order: (active) => shuffled(active, random),
    quorum: (active) => mostOf(active) + 1,
    stop: (layer, active) => (tally(layer, { key: keyOf })[0]?.weight ?? 0) > mostOf(active.length),
    reply(agent, layer, seen) {
      calls++
      return reply(agent, layer, seen)
    },
    async keep(active, last, layer) {
      if (layer < RANK_FROM || active.length <= RANKED_ABOVE) return active
      calls++
      const best = await rank(last, layer)
      const places = [...new Set([...best, ...last.keys()])].slice(0, kept)
      const ids = places.map((place) => (last[place] as Said<Rated>).agent)
      const positions = shuffled(active, random)
      return asPublished ? ids.map((id) => positions[active.indexOf(id)] as number) : ids
    },
  })
  const final = plurality(said.at(-1) as Layer<Rated>, { key: keyOf }) as Said<Rated>
  const nodes = said.map((layer, at) =>
    layer.map((one) => ({
      ...one,
      weights: at === 0 ? [] : edgeWeights(one.reply.ratings, (said[at - 1] as Layer<Rated>).length),
    })),
  )
  const importance = agentImportance(nodes, (one) => keyOf(one) === keyOf(final))
  return { answer: final.reply.answer, importance: byAgent(nodes, importance, agents), layers: said, calls }
}

/** The layer, from 0, before which the team is reformed; and how many agents are few enough that all go on. */
const [RANK_FROM, RANKED_ABOVE] = [2, 3]

function keyOf({ reply }: Said<Rated>): string {
  return answerKey(reply.answer)
}
