/**
 * Agent K's nested memory (Grosnit et al. 2024, "Large language models orchestrating structured reasoning achieve Kaggle grandmaster level"): a stage after another,
 * and in each try three kinds of action in their order: on the long-term memory, on the working memory, and outside.
 *
 *     kernel.spawn(agentK, { question, stages: [{ name: 'clean', goal: '…', test: '(await run(rows)).length === 3 ? 1 : 0' }] })
 *
 * A try: cases of earlier runs are read from the long-term memory (nearest × their score), the working memory is built of them and of what
 * the present run has seen, code is written and run in the sandbox with the stage's tests, which give the reward, 0 to 1. A case is written
 * where its reward is above the best that is known for its goal: what is remembered is chosen by reward, no weights are changed. A
 * stage goes on to the next with its best code, of which later stages see the name and goal, and their tests the code.
 *
 * The paper's scraping, its unit tests written by models (`tests` are given here), Bayesian optimisation and submission belong to its competitions
 * and are left out.
 *
 * Invariant
 *   AK1. The long-term memory holds, of each goal, cases of strictly rising reward.
 */
import { defineProgram } from '../kernel/program.ts'
import type { Json, Sys } from '../kernel/types.ts'
import { codeOf } from './code-act.ts'
import { codeAction } from './pieces/code-action.ts'
import { allNotes } from './pieces/notes.ts'
import { likeness } from './pieces/topics.ts'

export interface AgentKStage {
  readonly name: string
  readonly goal: string
  /** JavaScript behind the code of this stage and of those before it; its last expression is the reward, 0 to 1. */
  readonly test: string
}

export interface AgentKInput {
  readonly question: string
  readonly stages: readonly AgentKStage[]
  /** Tries of a stage. @default 5 */
  readonly triesMax?: number
  /** Reward that is enough. @default 1 */
  readonly enough?: number
  /** Cases in the working memory. @default 3 */
  readonly cases?: number
}

export interface Case {
  readonly goal: string
  readonly code: string
  readonly reward: number
}

export interface AgentKed {
  readonly stages: readonly {
    readonly name: string
    readonly reward: number
    readonly tries: number
    readonly recalled: number
  }[]
  readonly code: string
  /** Cases that were written. */
  readonly written: number
}

const TAG = 'agent-k'
const CODE =
  'Write JavaScript for the stage: function declarations that do what its goal says, without packages. One block between ``` fences. Cases of earlier work are shown with their rewards, 0 to 1: keep what earned much.'
/** Cases that are looked at. */
const CASES_MAX = 200

export const agentK = defineProgram('agent-k', async (sys, input: AgentKInput): Promise<AgentKed> => {
  const { question, triesMax = 5, enough = 1, cases = 3 } = input
  const stages: { name: string; reward: number; tries: number; recalled: number }[] = []
  let [code, written] = ['', 0]
  for (const { name, goal, test } of input.stages) {
    // What this run saw itself belongs to the working memory, good or not.
    const seen: string[] = []
    let best: Case = { goal, code: '', reward: -1 }
    let [tries, recalled] = [0, 0]
    while (tries < triesMax && best.reward < enough) {
      tries++
      const known = await usefulCases(sys, goal, cases)
      recalled = Math.max(recalled, known.length)
      const working = [
        ...known.map((one) => `Case, reward ${one.reward.toFixed(2)}, goal ${one.goal}:\n${one.code}`),
        ...seen.slice(-cases),
      ]
      const prompt = [`Task: ${question}`, `Stage ${name}: ${goal}`, ...working].join('\n\n')
      const own = codeOf((await sys.generate({ instructions: CODE, prompt, temperature: tries === 1 ? 0 : 1 })).text)
      if (own === undefined) continue
      const { value, error } = await codeAction(sys, { code: `${code}\n${own}\n;${test}`, tools: [] })
      const reward = error === undefined && typeof value === 'number' ? Math.min(1, Math.max(0, value)) : 0
      seen.push(
        `Tried now, reward ${reward.toFixed(2)}${error === undefined ? '' : `, error ${error.message}`}:\n${own}`,
      )
      if (reward > best.reward) best = { goal, code: own, reward }
      if (await keepCase(sys, { goal, code: own, reward })) written++
    }
    stages.push({ name, reward: Math.max(0, best.reward), tries, recalled })
    if (best.reward <= 0) break
    code += `${best.code}\n`
  }
  return { stages, code, written }
})

/** The cases that are worth most here: how near their goal is, times what they earned. */
async function usefulCases(sys: Sys, goal: string, limit: number): Promise<readonly Case[]> {
  const notes = await sys.recall(goal, { tag: TAG, limit: Math.max(limit * 5, 10) })
  return usefulOf(
    notes.map(({ data }) => data as unknown as Case),
    goal,
  ).slice(0, limit)
}

/** Cases in descending order of likeness × reward. */
export function usefulOf(cases: readonly Case[], goal: string): readonly Case[] {
  return cases.toSorted((a, b) => likeness(b.goal, goal) * b.reward - likeness(a.goal, goal) * a.reward)
}

/** Writes a case where it earned more than any that is known for its goal. */
async function keepCase(sys: Sys, one: Case): Promise<boolean> {
  if (one.reward <= 0) return false
  for await (const { data } of allNotes(sys, { tag: TAG }, CASES_MAX)) {
    const known = data as unknown as Case
    if (known.goal === one.goal && known.reward >= one.reward) return false
  }
  await sys.remember({ text: one.goal, tags: [TAG], data: one as unknown as Json })
  return true
}
