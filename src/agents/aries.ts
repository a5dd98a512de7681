/**
 * ARIES (Gimenes et al. 2025, "ARIES: autonomous reasoning with LLMs on interactive thought graph environments"): a policy model
 * looks at a graph of thoughts and says what is done to it next; a reasoning model does it.
 *
 *     kernel.spawn(aries, { question, ensemble: 5 })
 *
 * Moves are decompose, solve, refine, reduce (drop) and aggregate, of thought-graph.ts. The policy is asked `ensemble` times and the
 * most frequent legal move is made; of equal counts what was said first. It ends where a solved thought stands for the whole problem
 * and is worth at least `enough`, or after `movesMax`. The size of the ensemble, about 5, is not verified.
 *
 * Model calls: `ensemble` for the choice of a move and one for the move itself; a drop costs none.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { ModelChoice, Sys } from '../kernel/types.ts'
import { askJson } from './pieces/json-answer.ts'
import {
  applyMove,
  faultOfMove,
  solutionOf,
  startThoughts,
  thoughtsText,
  type Made,
  type Move,
  type Thought,
} from './pieces/thought-graph.ts'
import { plurality } from './pieces/vote.ts'

export interface AriesInput {
  readonly question: string
  /** Policies that vote. @default 5 */
  readonly ensemble?: number
  /** @default 20 */
  readonly movesMax?: number
  /** A score of the whole that ends the run, 0 to 1. @default 0.9 */
  readonly enough?: number
  /** Parts of a split at most. @default 4 */
  readonly partsMax?: number
  /** Models of the two roles. @default the kernel's */
  readonly policyModel?: ModelChoice
  readonly reasonerModel?: ModelChoice
}

export interface AriesOutput {
  readonly answer: string | null
  readonly moves: readonly Move[]
  readonly graph: readonly Thought[]
  /** Moves that were voted for and are not legal. */
  readonly refused: number
}

const POLICY = `You steer the solution of a problem as a graph of thoughts. Choose one move:
decompose (one open thought into parts), solve (one open thought), refine (one solved thought), reduce (drop thoughts of little worth),
aggregate (join solved thoughts of different parts). Answer with JSON: {"do": "…", "nodes": [numbers]}.`
const REASON: { readonly [what in Exclude<Move['do'], 'reduce'>]: string } = {
  decompose:
    'Split the thought into parts that can be solved apart and joined again. Answer with JSON: {"parts": ["…"]}.',
  solve:
    'Solve the thought. Answer with JSON: {"content": "the solution", "score": 0 to 1, how sure you are that it is right}.',
  refine: 'Better the solution. Answer with JSON: {"content": "…", "score": 0 to 1}.',
  aggregate:
    'Join the solutions into one of the whole that they are parts of. Answer with JSON: {"content": "…", "score": 0 to 1}.',
}
const moveShape = z.object({
  do: z.enum(['decompose', 'solve', 'refine', 'reduce', 'aggregate']),
  nodes: z.array(z.number().int().min(0)).min(1),
})
const partsShape = z.object({ parts: z.array(z.string()).min(2) })
const madeShape = z.object({ content: z.string(), score: z.number().min(0).max(1).optional() })

export const aries = defineProgram('aries', async (sys, input: AriesInput): Promise<AriesOutput> => {
  const { question, ensemble = 5, movesMax = 20, enough = 0.9 } = input
  if (!(ensemble >= 1)) throw new PolityError('INVALID_ARGUMENT', 'aries: ensemble takes at least 1 policy')
  const graph = startThoughts(question)
  const moves: Move[] = []
  let refused = 0
  for (let made = 0; made < movesMax; made++) {
    const ballots = await votes(sys, graph, moves, input, ensemble)
    const legal = ballots.filter((move) => faultOfMove(graph, move) === undefined)
    refused += ballots.length - legal.length
    const move = plurality(legal)
    if (move === undefined) break
    const contents = move.do === 'reduce' ? [] : await reason(sys, graph, move, input)
    if (contents === undefined) break
    applyMove(graph, move, contents)
    moves.push(move)
    const solution = solutionOf(graph)
    if (solution !== undefined && (solution.score ?? 1) >= enough) break
  }
  return { answer: solutionOf(graph)?.content ?? null, moves, graph, refused }
})

async function votes(
  sys: Sys,
  graph: readonly Thought[],
  moves: readonly Move[],
  { policyModel }: AriesInput,
  ensemble: number,
): Promise<Move[]> {
  const before = moves.map(({ do: what, nodes }) => `${what} ${nodes.join(', ')}`).join('; ') || 'none'
  const prompt = `Thoughts:\n${thoughtsText(graph)}\n\nMoves so far: ${before}`
  const request = {
    instructions: POLICY,
    prompt,
    temperature: ensemble > 1 ? 1 : 0,
    ...(policyModel === undefined ? {} : { model: policyModel }),
  }
  const said = await Promise.all(Array.from({ length: ensemble }, () => askJson(sys, request, moveShape)))
  return said.flatMap((move) => (move === undefined ? [] : [move]))
}

async function reason(
  sys: Sys,
  graph: readonly Thought[],
  { do: what, nodes }: Move,
  { question, reasonerModel, partsMax = 4 }: AriesInput,
): Promise<Made[] | undefined> {
  const thoughts = nodes.map((id) => `Thought ${id}: ${(graph[id] as Thought).content}`).join('\n')
  const request = {
    instructions: REASON[what as keyof typeof REASON],
    prompt: `Problem: ${question}\n${thoughts}`,
    ...(reasonerModel === undefined ? {} : { model: reasonerModel }),
  }
  if (what !== 'decompose') {
    const said = await askJson(sys, request, madeShape)
    return said === undefined ? undefined : [said]
  }
  return (await askJson(sys, request, partsShape))?.parts.slice(0, partsMax).map((content) => ({ content }))
}
