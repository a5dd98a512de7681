/**
 * Mixture of agents (Wang et al. 2024, "Mixture-of-Agents enhances large language model capabilities"): layers of proposers that
 * see all answers of the layer before, and an aggregator that writes the last one.
 *
 *     kernel.spawn(mixtureOfAgents, { question })                                       // 3 layers of 6: 13 calls
 *     kernel.spawn(mixtureOfAgents, { question, layers: 2, proposers: models, aggregator })
 *
 * Each proposer of a later layer, and the aggregator, has the question, and before it the numbered answers with the word to judge
 * them and not to copy. A proposer whose call fails is missing from the list; the kernel has tried it again by then.
 *
 * `layers` counts the aggregator's: (layers - 1) x proposers + 1 calls. With `aggregate: 'vote'` the answers of the last layer
 * are counted in place of the call, and ties are drawn.
 *
 * The paper's are 3 layers, 6 proposers and temperature .7.
 */
import { defineProgram } from '../kernel/program.ts'
import { layeredNet, type Layer } from './layered-net.ts'
import { answerKey, hearMember, listed, membersOf, type Member } from './pieces/team.ts'
import { drawnPlurality } from './pieces/vote.ts'

export interface MixtureInput {
  readonly question: string
  /** Those of every layer; a number asks the program's model so often. @default 6 */
  readonly proposers?: readonly Member[] | number
  readonly aggregator?: Member
  /** The aggregator's included. Minimum 2. @default 3 */
  readonly layers?: number
  /** @default 'model' */
  readonly aggregate?: 'model' | 'vote'
  /** @default 0.7 */
  readonly temperature?: number
}

export interface Mixed {
  readonly answer: string
  /** What the proposers said, a list for each layer. */
  readonly proposals: readonly (readonly string[])[]
  readonly calls: number
}

const COMBINE = `Other agents answered the user's request; their answers are below. Judge them: some may be partial or wrong. Do not copy
one: write a better, complete and correct answer of your own from what is right in them.`

export const mixtureOfAgents = defineProgram('mixture-of-agents', async (sys, input: MixtureInput): Promise<Mixed> => {
  const { question, layers = 3, aggregate = 'model', temperature = 0.7 } = input
  const proposers = membersOf(input.proposers ?? 6)
  let calls = 0
  const names = proposers.map(({ name }) => name)
  const aggregator = input.aggregator ?? { name: 'Aggregator' }
  const say = (member: Member, turn: number, seen: Layer<string>): Promise<string> => {
    calls++
    const references = seen.map(({ reply }) => reply)
    const instructions = references.length === 0 ? '' : `${COMBINE}\n\n${listed(references)}`
    const to = turn < layers - 1 ? names : turn === layers - 1 && aggregate === 'model' ? [aggregator.name] : []
    return hearMember(sys, member, { instructions, prompt: question, temperature, to, turn })
  }
  const said = await layeredNet<string>({
    agents: proposers.length,
    layers: layers - 1,
    reply: (agent, layer, seen) => say(proposers[agent] as Member, layer + 1, seen),
  })
  const last = said.at(-1) ?? []
  const answer =
    aggregate === 'model'
      ? await say(aggregator, layers, last)
      : (drawnPlurality(
          last.map(({ reply }) => reply),
          () => sys.random(),
          { key: answerKey },
        ) as string)
  return { answer, proposals: said.map((layer) => layer.map(({ reply }) => reply)), calls }
})
