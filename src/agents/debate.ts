/**
 * Debate (Du et al. 2023, "Improving factuality and reasoning in language models through multiagent debate"; as a way to spend
 * calls, Yang et al. 2025, "Revisiting multi-agent debate as test-time scaling"): all answer, all read all answers, all answer again.
 *
 *     kernel.spawn(debate, { question, members: 7, rounds: 3 })     // members: roles and models, or how many of the program's model
 *
 * In a later round a member sees its own answer first and then those of the others. The answer is the plurality of the last round,
 * ties drawn. It ends early where all agree. Two baselines are settings of it: self-consistency is `rounds: 1` with as many
 * members as there are calls, self-refine is `members: 1` with as many rounds.
 */
import { defineProgram } from '../kernel/program.ts'
import { layeredNet, type Layer } from './layered-net.ts'
import { ANSWER_FORM, answerKey, askMember, listed, membersOf, type Member, type Reasoned } from './pieces/team.ts'
import { drawnPlurality } from './pieces/vote.ts'

export interface DebateInput {
  readonly question: string
  /** @default 3 */
  readonly members?: readonly Member[] | number
  /** The first included. @default 2 */
  readonly rounds?: number
  /** Ends where all agree. @default true, for more than one member */
  readonly untilAgreed?: boolean
  /** @default 0.7 */
  readonly temperature?: number
}

export interface Debated {
  readonly answer: string
  /** The plurality after each round: how the debate went. */
  readonly byRound: readonly string[]
  /** What was said, by round. */
  readonly said: readonly Layer<Reasoned>[]
  readonly calls: number
}

const DEBATE = `Use your own last answer and those of the other agents as advice: they may be wrong, and so may you. Answer the question again.
${ANSWER_FORM}`

export const debate = defineProgram('debate', async (sys, input: DebateInput): Promise<Debated> => {
  const { question, rounds = 2, temperature = 0.7 } = input
  const members = membersOf(input.members ?? 3)
  const { untilAgreed = members.length > 1 } = input
  let calls = 0
  const said = await layeredNet<Reasoned>({
    agents: members.length,
    layers: rounds,
    reply(agent, layer, seen) {
      calls++
      const member = members[agent] as Member
      const to = members.flatMap(({ name }, other) => (other === agent ? [] : [name]))
      const spoken = { temperature, to, turn: layer + 1 }
      if (seen.length === 0) return askMember(sys, member, { ...spoken, prompt: question })
      const { own, others } = ownFirst(agent, seen)
      const answers = others.map(({ reply }) => `${reply.reasoning} Answer: ${reply.answer}`)
      const mine = own === undefined ? '' : `\n\nYour last answer: ${own.reply.reasoning} Answer: ${own.reply.answer}`
      const prompt = `${question}${mine}\n\nAnswers of other agents:\n${answers.length === 0 ? 'none' : listed(answers)}`
      return askMember(sys, member, { ...spoken, instructions: DEBATE, prompt })
    },
    stop: (layer) => untilAgreed && isUnanimous(layer),
  })
  const byRound = said.map(
    (layer) => (drawnPlurality(layer, () => sys.random(), { key: keyOf }) as (typeof layer)[0]).reply.answer,
  )
  return { answer: byRound.at(-1) as string, byRound, said, calls }
})

/** A layer as one of its agents reads it. */
export function ownFirst<Reply>(agent: number, seen: Layer<Reply>) {
  return { own: seen.find((one) => one.agent === agent), others: seen.filter((one) => one.agent !== agent) }
}

function isUnanimous(layer: Layer<Reasoned>): boolean {
  return layer.every((one) => keyOf(one) === keyOf(layer[0] as typeof one))
}

function keyOf({ reply }: { readonly reply: Reasoned }): string {
  return answerKey(reply.answer)
}
