/**
 * The forward pass of an agentic neural network (Ma et al. 2025, "Agentic neural networks: self-evolving multi-agent systems via textual
 * backpropagation"): a task is split into layers, each a small team with a sub-task; for each layer one aggregation is chosen when its turn
 * comes, and what it comes to is the input of the next.
 *
 *     const pass = await kernel.spawn(annForward, { question }).result       // { answer, layers, log, calls }
 *     kernel.spawn(annForward, { question: another, layers, past })         // the same teams, with what came of earlier passes
 *
 * The choice is made from the description of each aggregation (aggregations.ts), the sub-task, the input of the layer and what earlier passes came to
 * (`past`); where it cannot be read, the first candidate is taken. A layer that names its aggregation has it. A layer sees the task, its sub-task and
 * the output of the layer before, and nothing else of it.
 *
 * `layers` and `log` are plain data: a backward pass reads the log, changes the layers, and calls this again. There is none here.
 *
 * From notes on the paper: its prompts and the sizes of its teams are not known; ours are options.
 *
 * Invariants
 *   AN1. The input of a layer is the output of the one before; that of the last is the answer.
 *   AN2. The log has each answer of each member, with what it was asked and the aggregation that it was asked by, in the order of the calls' ends.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import type { Layer } from './layered-net.ts'
import { AGGREGATIONS, aggregated, type Aggregation } from './pieces/aggregations.ts'
import { askJson } from './pieces/json-answer.ts'
import type { Heard } from './pieces/speaker.ts'
import { ANSWER_FORM, askMember, listed, membersOf, type Member, type Reasoned } from './pieces/team.ts'

/** A layer of the network. */
export interface AnnLayer {
  readonly subtask: string
  readonly team: readonly Member[]
  /** @default chosen when its turn comes */
  readonly aggregation?: Aggregation
}

/** What an earlier pass came to in one layer. */
export interface AnnPast {
  readonly subtask: string
  readonly aggregation: Aggregation
  /** 0 to 1. */
  readonly score: number
}

export interface AnnForwardInput {
  readonly question: string
  /** @default a model splits the question */
  readonly layers?: readonly AnnLayer[]
  /** What is chosen among, the first where nothing else is said. @default all five of aggregations.ts */
  readonly aggregations?: readonly Aggregation[]
  /** @default none */
  readonly past?: readonly AnnPast[]
  /** Layers that a model may make. @default 4 */
  readonly layersMax?: number
  /** Members that it may give a layer. @default 3 */
  readonly teamMax?: number
  /** Rounds of a debate, answers of a self-refinement. @default 2 */
  readonly rounds?: number
  /** @default 0.7 */
  readonly temperature?: number
}

export interface AnnLogged {
  /** From 0. */
  readonly layer: number
  /** Name of the member. */
  readonly agent: string
  readonly input: string
  readonly output: Reasoned
  readonly aggregation: Aggregation
}

export interface AnnForwarded {
  readonly answer: string
  /** As they ran: with the aggregations that were chosen. */
  readonly layers: readonly Required<AnnLayer>[]
  readonly log: readonly AnnLogged[]
  /** Splitting, choices and answers; second tries not. */
  readonly calls: number
}

const SPLIT = `Split the task into layers that are worked one after another: each has a sub-task, and a small team of experts for it. What one layer comes to is given to the next, and the last one answers the task. Answer with JSON: {"layers": [{"subtask": "…", "team": [{"name": "…", "role": "You are …"}]}]}.`
const CHOOSE = `Choose how a team comes to its answer, by the sub-task, its input, and what came of earlier passes. Answer with JSON: {"aggregation": "name"}.`
/** What who reads answers is told. */
const AGAIN: { readonly [name in Aggregation]: string } = {
  vote: ANSWER_FORM,
  debate: `Below are the answers of the team: they may be wrong, yours too. Judge them, then answer again.\n${ANSWER_FORM}`,
  'self-refine': `Below is your answer. Find what is wrong with it, and better it.\n${ANSWER_FORM}`,
  chain: `Below is what was made before you. Go on from it with your part.\n${ANSWER_FORM}`,
  mixture: `Below are the answers of the team. Write one of your own from what is right in them.\n${ANSWER_FORM}`,
}
/** Aggregations with their sub-tasks whose earlier results are shown, those that came last. */
const PAST_MAX = 50
const split = z.object({
  layers: z
    .array(
      z.object({
        subtask: z.string().min(1),
        team: z.array(z.object({ name: z.string().min(1), role: z.string() })).min(1),
      }),
    )
    .min(1),
})

export const annForward = defineProgram('ann-forward', async (sys, input: AnnForwardInput): Promise<AnnForwarded> => {
  const { question, aggregations = Object.keys(AGGREGATIONS) as Aggregation[], rounds = 2, temperature = 0.7 } = input
  const strange = aggregations.find((name) => !Object.hasOwn(AGGREGATIONS, name))
  if (strange !== undefined || aggregations.length === 0)
    throw new PolityError(
      'INVALID_ARGUMENT',
      `aggregations takes some of ${Object.keys(AGGREGATIONS).join(', ')}, not ${strange === undefined ? 'none' : `"${strange}"`}`,
    )
  const structure = input.layers ?? (await splitInto(sys, input))
  if (structure.length === 0) throw new PolityError('INVALID_ARGUMENT', 'a network has at least one layer')
  let calls = input.layers === undefined ? 1 : 0
  const layers: Required<AnnLayer>[] = []
  const log: AnnLogged[] = []
  let output: Output | undefined
  /** Turns of the layers so far: those of each are counted on. */
  let turns = 0

  for (const [at, { subtask, team: given, aggregation: named }] of structure.entries()) {
    const team = membersOf(given)
    const before = output
    const task = [
      `Task: ${question}`,
      `Sub-task: ${subtask}`,
      ...(before === undefined ? [] : [`From the layer before: ${textOf(before.reply)}`]),
    ]
    const isOpen = named === undefined && aggregations.length > 1
    if (isOpen) calls++
    const choice = isOpen ? await chosen(sys, task, aggregations, input.past ?? []) : named
    const aggregation = choice ?? (aggregations[0] as Aggregation)
    layers.push({ subtask, team, aggregation })
    const begun = turns
    const ask = async (
      member: Member,
      depth: number,
      seen: Layer<Reasoned>,
      instructions: string,
    ): Promise<Reasoned> => {
      calls++
      const turn = begun + depth + 1
      turns = Math.max(turns, turn)
      const read = seen.length === 0 ? [] : [`Answers:\n${listed(seen.map(({ reply }) => textOf(reply)))}`]
      const prompt = [...task, ...read].join('\n\n')
      const words = seen.map(({ agent }) => ({ name: (team[agent] as Member).name, turn: turn - 1 }))
      const heard = [...(before === undefined ? [] : [before.by]), ...words].filter(({ name }) => name !== member.name)
      const asked = { instructions, prompt, temperature, to: [], turn, heard }
      const said = await askMember(sys, member, asked)
      log.push({ layer: at, agent: member.name, input: prompt, output: said, aggregation })
      return said
    }
    const { said, layer: depth } = await aggregated(aggregation, {
      agents: team.length,
      rounds,
      reply: (agent, depth, seen) =>
        ask(team[agent] as Member, depth, seen, seen.length === 0 ? ANSWER_FORM : AGAIN[aggregation]),
      write: (seen, depth) => ask({ name: AGGREGATOR }, depth, seen, AGAIN[aggregation]),
    })
    const name = said.agent === null ? AGGREGATOR : (team[said.agent] as Member).name
    output = { reply: said.reply, by: { name, turn: begun + depth + 1 } }
  }
  return { answer: (output as Output).reply.answer, layers, log, calls }
})

/** What a layer comes to, and who said it. */
interface Output {
  readonly reply: Reasoned
  readonly by: Heard
}

/** Who writes the answer of a mixture. */
const AGGREGATOR = 'Aggregator'

function textOf({ reasoning, answer }: Reasoned): string {
  return `${reasoning} Answer: ${answer}`
}

/** The layers that a model makes of a question; where it makes none, the question is one, for a team without roles. */
async function splitInto(
  sys: Sys,
  { question, layersMax = 4, teamMax = 3 }: AnnForwardInput,
): Promise<readonly AnnLayer[]> {
  const limits = `At most ${layersMax} layers, and ${teamMax} experts in each.`
  const said = await askJson(sys, { instructions: `${SPLIT} ${limits}`, prompt: `Task: ${question}` }, split)
  if (said === undefined) return [{ subtask: question, team: membersOf(teamMax) }]
  return said.layers.slice(0, layersMax).map(({ subtask, team }) => ({
    subtask,
    team: team.slice(0, teamMax).map(({ name, role }) => ({ name, instructions: role })),
  }))
}

/** The aggregation that a model chooses; undefined where nothing can be read. */
async function chosen(
  sys: Sys,
  task: readonly string[],
  aggregations: readonly Aggregation[],
  past: readonly AnnPast[],
): Promise<Aggregation | undefined> {
  const candidates = aggregations.map((name) => `- ${name}: ${AGGREGATIONS[name]}`).join('\n')
  const shown = meansOf(past).slice(-PAST_MAX)
  const parts = [...task, `Candidates:\n${candidates}`, `Earlier passes:\n${shown.join('\n') || 'none'}`]
  const shape = z.object({ aggregation: z.enum(aggregations as [Aggregation, ...Aggregation[]]) })
  return (await askJson(sys, { instructions: CHOOSE, prompt: parts.join('\n\n') }, shape))?.aggregation
}

/** By aggregation and sub-task, what earlier passes came to, a line each. */
function meansOf(past: readonly AnnPast[]): string[] {
  const groups = Map.groupBy(past, ({ aggregation, subtask }) => `${aggregation} on "${subtask}"`)
  return [...groups].map(([what, passes]) => {
    const mean = passes.reduce((sum, { score }) => sum + score, 0) / passes.length
    return `- ${what}: ${mean.toFixed(2)} in ${passes.length} passes`
  })
}
