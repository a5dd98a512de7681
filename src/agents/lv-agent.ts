/**
 * LVAgent (Chen et al. 2025, "LVAgent: long video understanding by multi-round dynamical collaboration of MLLM agents"): a team
 * answers; where it is split, its members score each other, the one with the lowest sum leaves, and the rest answer again.
 *
 *     kernel.spawn(lvAgent, { question, members: [{ name: 'a', model: '…' }, { name: 'b', model: '…' }, { name: 'c', model: '…' }] })
 *
 * More than half that agree end it, so a team of three asks three, two and one. Each scores the others from 1 to 10; of equal sums
 * the one that stands last among the members leaves; scores that cannot be read count for nothing. What was said,
 * by those too who have left, is passed on in short.
 *
 * Looking at a video is no part of this file: its frames come with the question, or through tools. The release reads the right
 * answer inside its loop, to log it; here nothing that runs has it.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import { isOurEnd } from './pieces/our-end.ts'
import { layeredNet, type Layer, type Said } from './layered-net.ts'
import type { Heard } from './pieces/speaker.ts'
import { ANSWER_FORM, answerKey, askMember, listed, membersOf, type Member, type Reasoned } from './pieces/team.ts'
import { plurality, tally } from './pieces/vote.ts'

export interface LvInput {
  readonly question: string
  /** Where sums are equal, who stands first stays. @default 3 of the program's model */
  readonly members?: readonly Member[] | number
}

export interface Eliminated<Reply> {
  readonly layers: readonly Layer<Reply>[]
  /** Those who left, in order. */
  readonly left: readonly number[]
  readonly answer: string
  /** Answers and scorings. */
  readonly calls: number
}

const AGAIN = `The team was split. Read what was said before, decide what is right, and answer the question again.\n${ANSWER_FORM}`
const SCORE = `Score the answer of each other agent from 1 to 10: how sound its reasoning is and how likely it is right.
Answer with JSON: {"scores": [one number for each, in their order]}.`
const HISTORY_CHARS_MAX = 400
const scored = z.object({ scores: z.array(z.number().min(1).max(10)) })

export const lvAgent = defineProgram('lv-agent', async (sys, { question, members: given }: LvInput) => {
  const members = membersOf(given ?? 3)
  const nameOf = ({ agent }: Said<unknown>): string => (members[agent] as Member).name
  const text = (one: Said<Reasoned>): string =>
    `${nameOf(one)}: ${one.reply.reasoning.slice(0, HISTORY_CHARS_MAX)} Answer: ${one.reply.answer}`
  // Whether anybody reads an answer is known when the team was split.
  const heardIn = (seen: Layer<Reasoned>, turn: number): Heard[] => seen.map((one) => ({ name: nameOf(one), turn }))
  return lvNet<Reasoned>({
    agents: members.length,
    answerOf: ({ answer }) => answerKey(answer),
    reply(agent, layer, seen) {
      const member = members[agent] as Member
      const spoken = { to: [], turn: layer + 1 }
      if (seen.length === 0) return askMember(sys, member, { ...spoken, prompt: question })
      const prompt = `${question}\n\nSaid before:\n${listed(seen.map(text))}`
      const others = seen.filter((one) => one.agent !== agent)
      return askMember(sys, member, { ...spoken, heard: heardIn(others, layer), instructions: AGAIN, prompt })
    },
    async score(judge, others, layer) {
      const prompt = `${question}\n\nAnswers of the others:\n${listed(others.map(text))}`
      try {
        const asked = { instructions: SCORE, prompt, heard: heardIn(others, layer) }
        return (await askMember(sys, members[judge] as Member, asked, scored)).scores
      } catch (error) {
        // As one who fails to answer is missing, so are the scores of one who fails to score.
        if (!PolityError.isInstance(error) || isOurEnd(error)) throw error
        return []
      }
    },
  })
})

export interface LvRules<Reply> {
  readonly agents: number
  answerOf(reply: Reply): string
  reply(agent: number, layer: number, seen: Layer<Reply>): Promise<Reply>
  /** Scores of the others by one of those who answered, in order; a list of another length counts for nothing. */
  score(judge: number, others: Layer<Reply>, layer: number): Promise<readonly number[]>
}

/** The net without its prompts. */
export async function lvNet<Reply>({ agents, answerOf, reply, score }: LvRules<Reply>): Promise<Eliminated<Reply>> {
  let calls = 0
  const left: number[] = []
  const keyOf = (one: Said<Reply>): string => answerOf(one.reply)
  const layers = await layeredNet<Reply>({
    agents,
    layers: agents,
    stop: (layer, active) => (tally(layer, { key: keyOf })[0]?.weight ?? 0) > active.length / 2,
    reply(agent, layer, seen) {
      calls++
      return reply(agent, layer, seen)
    },
    async keep(_, last, layer) {
      const given = new Map(last.map(({ agent }) => [agent, [] as number[]]))
      await Promise.all(
        last.map(async ({ agent: judge }) => {
          const others = last.filter(({ agent }) => agent !== judge)
          if (others.length === 0) return
          calls++
          const scores = await score(judge, others, layer)
          if (scores.length !== others.length) return
          for (const [i, { agent }] of others.entries()) given.get(agent)?.push(scores[i] as number)
        }),
      )
      const best = [...given]
        .map(([agent, scores]) => ({ agent, mean: meanOf(scores) }))
        .toSorted((a, b) => b.mean - a.mean || a.agent - b.agent)
        .map(({ agent }) => agent)
      if (best.length > 1) left.push(best.pop() as number)
      return best.toSorted((a, b) => a - b)
    },
  })
  const final = plurality(layers.at(-1) as Layer<Reply>, { key: keyOf }) as Said<Reply>
  return { layers, left, answer: answerOf(final.reply), calls }
}

/** Means go by the order of sums where all have scored, and favour nobody who has not. Who was scored by nobody stays. */
function meanOf(scores: readonly number[]): number {
  return scores.length === 0 ? Number.MAX_VALUE : scores.reduce((sum, one) => sum + one, 0) / scores.length
}
