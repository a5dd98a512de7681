/**
 * MM-Agent (Liu et al. 2025, "MM-Agent: LLM as agents for real-world mathematical modeling problem"): a problem is analysed, split into tasks that wait for
 * each other, each modelled with methods from a tree, computed by code, and reported.
 *
 *     kernel.spawn(mmAgent, { question, methods })       // the process holds code.start and code.resume for the computations
 *
 * The analysis is written and bettered by a critic (actor, critic, improver). Tasks are a graph of one level (task-graph.ts); its plan has five
 * tries. Methods come from a tree: a leaf is worth half the mean of the classes above it and half its own likeness to the task; six are
 * shown. A task sees the description, model and result of exactly those that it waits for. Code has a debug loop of three. Constants are the
 * release's, as options. Likeness is by words (topics.ts), where the release compares vectors or asks a model. The code is ours: the release is GPL.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import { codeOf } from './code-act.ts'
import { codeAction } from './pieces/code-action.ts'
import { askJson } from './pieces/json-answer.ts'
import { carryOutGraph, type Inputs, type PlannedTask, type TaskNode } from './pieces/task-graph.ts'
import { likeness } from './pieces/topics.ts'

/** A tree of methods: classes above, methods at the leaves. */
export interface MethodNode {
  readonly name: string
  readonly description: string
  readonly below?: readonly MethodNode[]
}

export interface MmAgentInput {
  readonly question: string
  readonly methods?: readonly MethodNode[]
  /** @default 4 */
  readonly tasks?: number
  /** Rounds of critic and improver. @default 1 */
  readonly rounds?: number
  /** Methods that a task is shown. @default 6 */
  readonly shown?: number
  /** Runs of a task's code. @default 3 */
  readonly debug?: number
}

export interface Modelled {
  readonly goal: string
  readonly model: string
  readonly result: string
}

export interface MmAgented {
  readonly report: string
  readonly analysis: string
  readonly tasks: readonly (PlannedTask & { readonly status: TaskNode<Modelled>['status']; readonly result: string })[]
}

/** Tries for a plan of tasks, in the release. */
const PLAN_TRIES = 5
const ANALYSE = 'Analyse the problem: what is given, what is asked, what has to be assumed.'
const CRITICISE = 'Criticise the analysis of the problem: what is missing, wrong or vague, a line each.'
const IMPROVE = 'Better the analysis by the criticism. Write only the analysis.'
const splitInto = (tasks: number): string =>
  `Split the problem into at most ${tasks} tasks of modelling. A task names those whose results it needs. Answer with JSON: {"tasks": [{"id": "1", "goal": "…", "after": []}]}.`
const MODEL =
  'Write the mathematical model for the task: quantities, equations, and how they are solved. Use the methods shown where they fit.'
const CODE =
  'Write JavaScript that computes the task by its model, and print the results with console.log. One block between ``` fences.'
const REPORT = 'Write the report: the problem, the assumptions, each model, its results, and what they mean.'
const planned = z.object({
  tasks: z.array(z.object({ id: z.string(), goal: z.string(), after: z.array(z.string()) })).min(1),
})

export const mmAgent = defineProgram('mm-agent', async (sys, input: MmAgentInput): Promise<MmAgented> => {
  const { question, rounds = 1, tasks: tasksMax = 4 } = input
  const say = async (instructions: string, prompt: string): Promise<string> =>
    (await sys.generate({ instructions, prompt, temperature: 0 })).text.trim()
  let analysis = await say(ANALYSE, question)
  for (let round = 0; round < rounds; round++) {
    const criticism = await say(CRITICISE, `Problem: ${question}\n\nAnalysis:\n${analysis}`)
    analysis = await say(IMPROVE, `Problem: ${question}\n\nAnalysis:\n${analysis}\n\nCriticism:\n${criticism}`)
  }
  const plan = async (): Promise<readonly PlannedTask[]> =>
    (
      (
        await askJson(
          sys,
          { instructions: splitInto(tasksMax), prompt: `Problem: ${question}\n\nAnalysis:\n${analysis}` },
          planned,
        )
      )?.tasks ?? []
    ).slice(0, tasksMax)
  const root = await carryOutGraph<Modelled>(
    question,
    {
      plan: ({ level }) => (level === 0 ? plan() : Promise.resolve([])),
      execute: async (task, inputs) => ({ result: await solve(sys, task, inputs, input, say) }),
      combine: async ({ goal }, results) => ({
        goal,
        model: '',
        result: [...results.values()].map(({ result }) => result).join('\n'),
      }),
      replan: plan,
    },
    { levelsMax: 1, replansMax: PLAN_TRIES - 1 },
  )
  const below = root.below ?? []
  const parts = below.map(
    ({ goal, result }) => `## ${goal}\n${result?.model ?? ''}\nResult: ${result?.result ?? 'none'}`,
  )
  const report = await say(REPORT, [`Problem: ${question}`, `Analysis:\n${analysis}`, ...parts].join('\n\n'))
  return {
    report,
    analysis,
    tasks: below.map(({ id, goal, after, status, result }) => ({
      id,
      goal,
      after,
      status,
      result: result?.result ?? '',
    })),
  }
})

async function solve(
  sys: Sys,
  { goal }: TaskNode<Modelled>,
  inputs: Inputs<Modelled>,
  { methods = [], shown = 6, debug = 3 }: MmAgentInput,
  say: (instructions: string, prompt: string) => Promise<string>,
): Promise<Modelled> {
  const before = [...inputs.values()].map((one) => `Before: ${one.goal}\nModel: ${one.model}\nResult: ${one.result}`)
  const near = rankedMethods(methods, (text) => likeness(text, goal)).slice(0, shown)
  const listed =
    near.length === 0
      ? []
      : [`Methods:\n${near.map(({ name, description }) => `- ${name}: ${description}`).join('\n')}`]
  const written = await say(MODEL, [`Task: ${goal}`, ...before, ...listed].join('\n\n'))
  let wrong = ''
  for (let tries = 0; tries < debug; tries++) {
    const code = codeOf(await say(CODE, [`Task: ${goal}`, ...before, `Model:\n${written}`, wrong].join('\n\n').trim()))
    if (code === undefined) break
    const { output, error } = await codeAction(sys, { code, tools: [] })
    if (error === undefined) return { goal, model: written, result: output.trim() }
    wrong = `The last code failed: ${error.message}\n${code}`
  }
  return { goal, model: written, result: 'not computed' }
}

/** Leaves by half the mean worth of the classes above and half their own, the best first. Classes without leaves count as leaves. */
export function rankedMethods(
  tree: readonly MethodNode[],
  worth: (text: string) => number,
): readonly (MethodNode & { readonly score: number })[] {
  const found: (MethodNode & { readonly score: number })[] = []
  const walk = (node: MethodNode, above: readonly number[]): void => {
    const own = worth(`${node.name} ${node.description}`)
    if (node.below !== undefined && node.below.length > 0)
      return node.below.forEach((child) => walk(child, [...above, own]))
    const mean = above.reduce((sum, one) => sum + one, 0) / (above.length || 1)
    found.push({ ...node, score: 0.5 * mean + 0.5 * own })
  }
  tree.forEach((node) => walk(node, []))
  return found.toSorted((a, b) => b.score - a.score)
}
