/**
 * Refine: propose, let it be checked, and better what is wrong, until the check passes or the rounds are over.
 *
 *     kernel.spawn(refine, { question, checker: 'check_plan', rounds: 5 })
 *
 * The loop of TravelPlanner's agents (Xie et al. 2024, "TravelPlanner: a benchmark for real-world planning with language agents", and
 * work on its refinement): a planner, feedback, a refiner. Feedback of a model was found unreliable there, so a held tool that checks
 * is better: input `{ plan }`, output `{ ok, feedback }`. Without one the model is its own critic (self-refine, Madaan et al. 2023).
 *
 * Invariant
 *   RE1. The plan returned is the one that passed, else the one with the fewest faults; of equal ones the first.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Sys } from '../kernel/types.ts'
import { askJson } from './pieces/json-answer.ts'

export interface RefineInput {
  readonly question: string
  readonly instructions?: string
  /** Name of a held tool that checks. @default the model checks */
  readonly checker?: string
  /** Refinements. @default 5 */
  readonly rounds?: number
}

export interface Refined {
  readonly plan: string
  readonly ok: boolean
  /** Plans that were made, the first included. */
  readonly plans: number
}

interface Checked {
  readonly ok: boolean
  readonly feedback: readonly string[]
}

const PLAN = 'Write a plan for the task. Write only the plan.'
const BETTER = 'Better the plan: mend what is wrong with it and leave the rest as it is. Write only the plan.'
const CHECK =
  'Check the plan against the task. Answer with JSON: {"ok": true or false, "feedback": ["what is wrong, a sentence each"]}.'
const checked = z.object({ ok: z.boolean(), feedback: z.array(z.string()) })

export const refine = defineProgram('refine', async (sys, input: RefineInput): Promise<Refined> => {
  const { question, rounds = 5 } = input
  const write = async (instructions: string, prompt: string): Promise<string> => {
    const own = input.instructions === undefined ? instructions : `${instructions}\n\n${input.instructions}`
    return (await sys.generate({ instructions: own, prompt, temperature: 0 })).text.trim()
  }
  let plan = await write(PLAN, `Task: ${question}`)
  let found = await check(sys, input, plan)
  let best = { plan, faults: found.feedback.length }
  let plans = 1
  for (; !found.ok && plans <= rounds; plans++) {
    const wrong = found.feedback.map((one) => `- ${one}`).join('\n')
    plan = await write(BETTER, `Task: ${question}\n\nPlan:\n${plan}\n\nWrong with it:\n${wrong}`)
    found = await check(sys, input, plan)
    if (found.ok || found.feedback.length < best.faults) best = { plan, faults: found.feedback.length }
  }
  return { plan: best.plan, ok: found.ok, plans }
})

async function check(sys: Sys, { question, checker }: RefineInput, plan: string): Promise<Checked> {
  if (checker !== undefined) return (await sys.call<Json>(checker, { plan })) as unknown as Checked
  const said = await askJson(sys, { instructions: CHECK, prompt: `Task: ${question}\n\nPlan:\n${plan}` }, checked)
  return said ?? { ok: false, feedback: ['The check said nothing that could be read.'] }
}
