/**
 * ToolChain* (Zhuang et al. 2023, "ToolChain*: efficient action space navigation in large language models with A* search"):
 * A* over calls, where what a call costs and what is left are guessed from plans that worked before and from the model.
 *
 *     kernel.spawn(toolChainStar, { question, expansionsMax: 20 })           // in an episode
 *
 * A node is a call; the one with the smallest g + h is popped, taken in a fork, and what may follow is proposed. The costs are in
 * plan-costs.ts. Plans that ended well are notes of the principal (tag `tool-chain-star`), so a second task knows of the first.
 * Model calls: one for a proposal (`samples` of them, counted) and one to imagine the rest of the plan, for each expansion.
 *
 * Changed: the paper plans and then calls; here a call is taken when its node is popped, because there are forks.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import { actionTools, historyText, type Step } from './pieces/acting.ts'
import { bestPath, type Way } from './pieces/best-path.ts'
import { askJson } from './pieces/json-answer.ts'
import { earnedAt, goFrom, placeHere, stay, type Place, type Survey } from './places.ts'
import { costToGo, stepCost, type Plan } from './pieces/plan-costs.ts'
import type { Candidate, ProposeOptions } from './pieces/proposals.ts'

export interface ToolChainInput {
  readonly question: string
  /** Nodes expanded. @default 20 */
  readonly expansionsMax?: number
  /** Weight of remembered plans against proposals in what a call costs. @default 0.5 */
  readonly alpha?: number
  /** Weight of remembered plans against imagined ones in what is left. @default 0.5 */
  readonly beta?: number
  /** Remembered plans that are looked at. @default 5 */
  readonly plansMax?: number
  /** Ask the model for the rest of the plan; else what is left is guessed from remembered plans and `lengthGuess`. @default true */
  readonly imagine?: boolean
  /** Length of a plan that nobody imagined. @default 10 */
  readonly lengthGuess?: number
  readonly propose?: ProposeOptions
}

export interface ToolChained {
  readonly steps: readonly Step[]
  readonly done: boolean
  /** Sum of the costs of its calls. */
  readonly cost: number
  readonly expansions: number
}

const TAG = 'tool-chain-star'
const IMAGINE = `Write down the calls that are still needed to do the task, in order, by their names alone. Answer with JSON: {"calls": ["…"]}.`
const imagined = z.object({ calls: z.array(z.string()).max(100) })

/** A call, not yet taken until its place is known. */
interface Node {
  readonly from: Place | undefined
  readonly candidate: Candidate | undefined
  place: Place | undefined
  /** Length of the whole plan, as it was imagined when this node was expanded. */
  planLength: number
}

export const toolChainStar = defineProgram(
  'tool-chain-star',
  async (sys, input: ToolChainInput): Promise<ToolChained> => {
    const { question, expansionsMax = 20, alpha, beta, plansMax = 5, imagine = true, lengthGuess = 10 } = input
    const survey: Survey = { question, propose: { ...input.propose } }
    const memory = await plansLike(sys, question, plansMax)

    const first = await placeHere(sys, survey)
    const start: Node = { from: undefined, candidate: undefined, place: first, planLength: lengthGuess }
    const taken = async (node: Node): Promise<Place> => {
      if (node.place === undefined && node.from !== undefined && node.candidate !== undefined)
        [node.place] = await goFrom(sys, node.from, [node.candidate.action], survey)
      return node.place as Place
    }

    const found = await bestPath(start, {
      isGoal: async ({ state }) => (await taken(state)).done,
      async next(way) {
        const place = await taken(way.state)
        const names = namesOf(way)
        const rest = imagine ? await restOf(sys, question, place.steps) : undefined
        if (rest !== undefined) way.state.planLength = names.length + rest.length
        return (place.candidates ?? []).map((candidate) => ({
          state: { from: place, candidate, place: undefined, planLength: lengthGuess },
          cost: stepCost([...names, candidate.action.name], candidate.share, memory, alpha),
        }))
      },
      left: (way) => costToGo(namesOf(way), memory, way.parent?.state.planLength ?? lengthGuess, beta),
      expansionsMax,
    })

    const last = await taken(found.path.at(-1) as Node)
    await stay(sys, last)
    if (last.done && earnedAt(last) >= 1)
      await sys.remember({ text: question, tags: [TAG], data: last.steps.map(({ action }) => action.name) })
    return { steps: last.steps, done: last.done, cost: found.cost, expansions: found.expansions }
  },
)

async function plansLike(sys: Sys, question: string, limit: number): Promise<Plan[]> {
  if (limit === 0) return []
  const notes = await sys.recall(question, { limit, tag: TAG })
  return notes.flatMap(({ data }) => (Array.isArray(data) && data.length > 0 ? [data as unknown as Plan] : []))
}

async function restOf(sys: Sys, question: string, steps: readonly Step[]): Promise<Plan | undefined> {
  const calls = actionTools(sys).map(({ name }) => name)
  const prompt = `Task: ${question}\nCalls: ${calls.join(', ')}\n\n${historyText(steps)}`
  return (await askJson(sys, { instructions: IMAGINE, prompt }, imagined))?.calls
}

function namesOf(way: Way<Node>): Plan {
  const names: string[] = []
  for (let at: Way<Node> | undefined = way; at !== undefined; at = at.parent)
    if (at.state.candidate !== undefined) names.unshift(at.state.candidate.action.name)
  return names
}
