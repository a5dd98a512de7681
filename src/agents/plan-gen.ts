/**
 * PlanGEN (Parmar et al. 2025, "PlanGEN: a multi-agent framework for generating planning and reasoning trajectories for complex
 * problem solving"): a plan is verified against the constraints of its problem, and the way to plan is chosen while trying.
 *
 *     kernel.spawn(planGen, { question, method: 'mixture' })
 *
 * A constraint agent lists what the problem demands; a verification agent scores a plan from -100 to 100 with a word on what is
 * wrong; 95 is enough. `best-of-n` samples plans, `tree-of-thought` grows them step by step and keeps the best branch, `rebase`
 * grows many with children in proportion to their reward, `mixture` picks one of these by algorithm-choice.ts, five times at most,
 * each with the last verdict in view.
 *
 * Constants are the paper's: 5 samples at temperature .7; 3 children a step; width 10, shrinking by level.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Sys } from '../kernel/types.ts'
import { armsOf, chooseArm, creditArm, type ArmOptions } from './pieces/algorithm-choice.ts'
import { askJson } from './pieces/json-answer.ts'
import { largest } from './pieces/largest.ts'

export type PlanMethod = 'best-of-n' | 'tree-of-thought' | 'rebase'

export interface PlanGenInput {
  readonly question: string
  /** @default 'mixture' */
  readonly method?: PlanMethod | 'mixture'
  /** A score that is enough. @default 95 */
  readonly threshold?: number
  /** Rounds of a plan with a verdict in view. @default 5 */
  readonly rounds?: number
  /** Plans of `best-of-n`. @default 5 */
  readonly samples?: number
  /** Children of a step of `tree-of-thought`. @default 3 */
  readonly children?: number
  /** Plans of the first level of `rebase`. @default 10 */
  readonly width?: number
  /** Steps of a plan that is grown. @default 6 */
  readonly depth?: number
  readonly choice?: Omit<ArmOptions, 'priors'>
  /** A held tool that verifies in place of the model: input `{ plan }`, output `{ score, feedback }`. @default the model */
  readonly verifier?: string
}

export interface GeneratedPlan {
  readonly plan: string
  readonly score: number
  readonly constraints: readonly string[]
  readonly methods: readonly PlanMethod[]
}

interface Verdict {
  readonly plan: string
  readonly score: number
  readonly feedback: string
}

/** Where nothing was planned: the least score that there is. */
const NO_PLAN: Verdict = { plan: '', score: -100, feedback: '' }
const METHODS: readonly PlanMethod[] = ['best-of-n', 'tree-of-thought', 'rebase']
const CONSTRAIN =
  'List every constraint that a solution of the problem has to keep, a sentence each. Answer with JSON: {"constraints": ["…"]}.'
const VERIFY = `Hold the plan against the constraints. Answer with JSON: {"score": -100 to 100, "feedback": "what is wrong, by constraint"}. 100: all are kept.`
const PRIOR = `Say how suited each way to plan is for the problem, 0 to 1. Answer with JSON: {"best-of-n": 0.5, "tree-of-thought": 0.5, "rebase": 0.5}.`
const PLAN = 'Write a complete plan that solves the problem and keeps all constraints. Write only the plan.'
const STEP = 'Write the next step of the plan, one line; write "END" where the plan is complete.'

const constrained = z.object({ constraints: z.array(z.string()) })
const verified = z.object({ score: z.number().min(-100).max(100), feedback: z.string() })
const suited = z.record(z.string(), z.number().min(0).max(1))

export const planGen = defineProgram('plan-gen', async (sys, input: PlanGenInput): Promise<GeneratedPlan> => {
  const { question, method = 'mixture', threshold = 95, rounds = 5 } = input
  const asked = await askJson(sys, { instructions: CONSTRAIN, prompt: question }, constrained)
  const constraints = asked?.constraints ?? []
  const problem = `Problem: ${question}\nConstraints:\n${constraints.map((one) => `- ${one}`).join('\n')}`
  const priors = method === 'mixture' ? await askJson(sys, { instructions: PRIOR, prompt: problem }, suited) : undefined
  const arms = armsOf(method === 'mixture' ? METHODS : [method])
  const methods: PlanMethod[] = []
  let best = NO_PLAN
  let failed = false
  for (let round = 0; round < rounds && best.score < threshold; round++) {
    const arm = chooseArm(arms, { ...input.choice, ...(priors === undefined ? {} : { priors }) })
    methods.push(arm.name as PlanMethod)
    const feedback =
      best.feedback === '' ? '' : `\n\nThe last plan:\n${best.plan}\nWhat was wrong with it: ${best.feedback}`
    const found = await WAYS[arm.name as PlanMethod](sys, problem + feedback, input)
    const isBetter = round === 0 || found.score > best.score
    creditArm(arm, (found.score + 100) / 200, { recovered: failed && isBetter })
    failed = !isBetter
    if (isBetter) best = found
  }
  return { plan: best.plan, score: best.score, constraints, methods }
})

type Way = (sys: Sys, problem: string, input: PlanGenInput) => Promise<Verdict>

const WAYS: { readonly [method in PlanMethod]: Way } = {
  async 'best-of-n'(sys, problem, { samples = 5, verifier }) {
    const plans = await Promise.all(Array.from({ length: samples }, () => say(sys, PLAN, problem)))
    return bestOf(await Promise.all(plans.map((plan) => verify(sys, problem, plan, verifier))))
  },
  async 'tree-of-thought'(sys, problem, { children = 3, depth = 6, verifier }) {
    let at = NO_PLAN
    for (let level = 0; level < depth; level++) {
      const grown = await grow(sys, problem, at.plan, children)
      const open = grown.filter((plan) => plan !== at.plan)
      if (open.length === 0) break
      at = bestOf(await Promise.all(open.map((plan) => verify(sys, problem, plan, verifier))))
      if (open.length < grown.length) break
    }
    return at
  },
  async rebase(sys, problem, { width = 10, depth = 6, verifier }) {
    let [level, ended]: [readonly Verdict[], Verdict[]] = [[{ plan: '', score: 0, feedback: '' }], []]
    for (
      let wide = width, deep = 0;
      wide > 0 && deep < depth && level.length > 0;
      wide = Math.floor(wide / 2), deep++
    ) {
      const shares = shared(
        level.map(({ score }) => score),
        wide,
      )
      const grown = await Promise.all(
        level.map(async (at, i) => {
          const plans = await grow(sys, problem, at.plan, shares[i] as number)
          if (at.plan !== '' && plans.includes(at.plan)) ended.push(at)
          return [...new Set(plans.filter((plan) => plan !== at.plan))]
        }),
      )
      level = await Promise.all(grown.flat().map((plan) => verify(sys, problem, plan, verifier)))
    }
    return bestOf([...ended, ...level])
  },
}

/** `wide` children, in proportion to e^(score / 50): the largest shares are rounded up first. */
export function shared(scores: readonly number[], wide: number): number[] {
  const weights = scores.map((score) => Math.exp(score / SCORE_SCALE))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const exact = weights.map((weight) => (weight / total) * wide)
  const shares = exact.map(Math.floor)
  let left = wide - shares.reduce((sum, share) => sum + share, 0)
  for (const [i] of [...exact.entries()].toSorted(
    ([i, a], [j, b]) => b - Math.floor(b) - (a - Math.floor(a)) || i - j,
  )) {
    if (left-- <= 0) break
    ;(shares[i] as number)++
  }
  return shares
}

/** Of a softmax over scores of -100 to 100; the paper does not say its temperature. */
const SCORE_SCALE = 50
const TEMPERATURE = 0.7

/** The plan with one more step, so many times; a plan that ends stays as it is. */
async function grow(sys: Sys, problem: string, plan: string, times: number): Promise<string[]> {
  const prompt = `${problem}\n\nThe plan so far:\n${plan === '' ? 'nothing' : plan}`
  const steps = await Promise.all(Array.from({ length: times }, () => say(sys, STEP, prompt)))
  return steps.map((step) => (/^\W*END\W*$/.test(step) ? plan : `${plan}${plan === '' ? '' : '\n'}${step}`))
}

async function say(sys: Sys, instructions: string, prompt: string): Promise<string> {
  return (await sys.generate({ instructions, prompt, temperature: TEMPERATURE })).text.trim()
}

async function verify(sys: Sys, problem: string, plan: string, verifier: string | undefined): Promise<Verdict> {
  if (verifier !== undefined)
    return { plan, ...((await sys.call<Json>(verifier, { plan })) as { score: number; feedback: string }) }
  const said = await askJson(sys, { instructions: VERIFY, prompt: `${problem}\n\nPlan:\n${plan}` }, verified)
  return { plan, ...(said ?? { score: -100, feedback: 'The verifier said nothing that could be read.' }) }
}

function bestOf(verdicts: readonly Verdict[]): Verdict {
  return largest(verdicts, ({ score }) => score) ?? NO_PLAN
}
