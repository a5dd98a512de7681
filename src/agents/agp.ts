/**
 * AGP (Li et al. 2025, "Adaptive graph pruning for multi-agent communication"): of a pool of roles only those that the question needs
 * work, along edges without a circle, and a last call decides.
 *
 *     kernel.spawn(agp, { question, members, pruner })       // pruner: trainPruner of graph-pruning.ts, over vectors of `sys.embed`
 *
 * Without a pruner everybody works. Nodes begin as soon as those before them have ended, so branches run side by side. A member that
 * fails is missing to those after it.
 */
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import { drawnDag, keptBy, type Pruner } from './pieces/graph-pruning.ts'
import { isOutOfBudget } from './pieces/our-end.ts'
import { askMember, listed, membersOf, type Member, type Reasoned } from './pieces/team.ts'

export interface AgpInput {
  readonly question: string
  readonly members: readonly Member[]
  /** A row for each member. @default everybody is kept */
  readonly pruner?: Pruner
  /** Chance of an edge between two who are kept. @default 1: as many as there can be without a circle */
  readonly edgeChance?: number
}

export interface Pruned {
  readonly answer: string
  /** Names of those who worked. */
  readonly kept: readonly string[]
  /** Pairs [who was heard, who heard]. */
  readonly edges: readonly (readonly [string, string])[]
}

const DECIDER = 'Decider'

export const agp = defineProgram(
  'agp',
  async (sys, { question, members: given, pruner, edgeChance = 1 }: AgpInput): Promise<Pruned> => {
    const members = membersOf(given)
    if (pruner !== undefined && pruner.length !== members.length)
      throw new PolityError('INVALID_ARGUMENT', `the pruner has ${pruner.length} rows for ${members.length} members`)
    const team =
      pruner === undefined
        ? members
        : keptBy(pruner, (await sys.embed([question]))[0] ?? []).map((i) => members[i] as Member)
    const edges = drawnDag(
      team.length,
      () => edgeChance,
      () => sys.random(),
    )
    const name = (node: number): string => (team[node] as Member).name
    const works = new Map<number, Promise<Reasoned | undefined>>()
    const work = (node: number): Promise<Reasoned | undefined> => {
      const begun = works.get(node) ?? workOf(node)
      works.set(node, begun)
      return begun
    }
    const heard = async (nodes: readonly number[]): Promise<string> => {
      const said = await Promise.all(nodes.map(async (node) => ({ node, reply: await work(node) })))
      const texts = said.flatMap(({ node, reply }) =>
        reply === undefined ? [] : `${name(node)}: ${reply.reasoning} Answer: ${reply.answer}`,
      )
      return texts.length === 0 ? question : `${question}\n\nWhat others found:\n${listed(texts)}`
    }
    const workOf = async (node: number): Promise<Reasoned | undefined> => {
      const prompt = await heard(edges.filter(([, to]) => to === node).map(([from]) => from))
      const to = [...edges.flatMap(([from, next]) => (from === node ? [name(next)] : [])), DECIDER]
      try {
        return await askMember(sys, team[node] as Member, { prompt, to })
      } catch (error) {
        if (!PolityError.isInstance(error) || isOutOfBudget(error)) throw error
        return undefined
      }
    }
    const { answer } = await askMember(sys, { name: DECIDER }, { prompt: await heard([...team.keys()]) })
    return {
      answer,
      kept: team.map((one) => one.name),
      edges: edges.map(([from, to]) => [name(from), name(to)] as const),
    }
  },
)
