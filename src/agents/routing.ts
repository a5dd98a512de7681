/**
 * Routing: a question is handed to the one of some models that is worth its price, in each of the ways of the survey of Varangot-Reille et
 * al. 2025 ("Doing more with less: a survey on routing strategies for resource optimisation in large language model-based systems").
 *
 *     spawn(routing, { question, candidates: [{ name: 'small', model: 'a/small', cost: 1 }, { name: 'large', model: 'a/large', cost: 29 }], how: 'cascade' })
 *     // { answer, by: 'small', spent: 2, tried: ['small', 'small'], accepted: true }
 *
 * Before the answer: `similarity` (the nearest past questions), `supervised` (a regression on them), `reinforcement` (linear Thompson sampling with
 * the cost in the reward), `generative` (a model says how good each would be). After the answer: `cascade` asks the cheapest first, of equal
 * cost who comes first in `candidates`, and goes on until an answer is accepted, by a model that verifies it or because several samples
 * agree. Past questions are given as `history`; what came of this one is for the caller to add.
 *
 * Invariants
 *   RT1. What the asked candidates cost together is never above the budget.
 *   RT2. A cascade that runs out ends with the last answer, marked as not accepted.
 *   RT3. A text is embedded once, however many routes of it `history` tells.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import { askJson } from './pieces/json-answer.ts'
import { beliefsOf, drawArm, learn } from './pieces/linear-thompson.ts'
import { unit } from './pieces/nearest.ts'
import {
  byNeighbours,
  byRegression,
  chooseRoute,
  type RouteCandidate,
  type RouteEstimate,
  type RouteRules,
} from './pieces/route-estimates.ts'
import { tally } from './pieces/vote.ts'

export interface ModelRoute extends RouteCandidate {
  /** @default the model of the process */
  readonly model?: string
  /** What the generative router is told of it. @default its name alone */
  readonly description?: string
  /** Put before the question: a strategy is a route too. */
  readonly instructions?: string
}

export interface RoutingInput extends RouteRules {
  readonly question: string
  readonly candidates: readonly ModelRoute[]
  /** @default 'cascade' */
  readonly how?: 'similarity' | 'supervised' | 'reinforcement' | 'generative' | 'cascade'
  readonly history?: readonly { readonly question: string; readonly route: string; readonly quality: number }[]
  /** Of a cascade: `judge` asks the model whether the answer is right, `agreement` asks a candidate `samples` times. @default 'judge' */
  readonly accept?: 'judge' | 'agreement'
  /** @default 3 */
  readonly samples?: number
  /** Share of the samples that have to agree. @default 1 */
  readonly agreeing?: number
}

export interface RoutedAnswer {
  readonly answer: string
  readonly by: string
  /** Costs of the candidates that were asked, each as often as it was. */
  readonly spent: number
  readonly tried: readonly string[]
  /** Whether a cascade's check passed; true for the other ways, which check nothing. */
  readonly accepted: boolean
}

const VERIFY = 'Check the answer to the question step by step. Answer with JSON: {"right": true or false}.'
const FORESEE =
  'Say how likely each of the candidates is to answer the question well, 0 to 1. Answer with JSON: {"name": 0.5, …}.'
const verified = z.object({ right: z.boolean() })
const foreseen = z.record(z.string(), z.number().min(0).max(1))

export const routing = defineProgram('routing', async (sys, input: RoutingInput): Promise<RoutedAnswer> => {
  const { candidates, how = 'cascade', budget = Infinity } = input
  if (!candidates.some(({ cost }) => cost <= budget))
    throw new PolityError(
      'INVALID_ARGUMENT',
      `routing: no candidate costs ${budget} or less; raise the budget or add a cheaper one`,
    )
  if (how === 'cascade') return cascade(sys, input)
  const estimates = await estimate(sys, input, how)
  const route = chooseRoute(estimates, input) as ModelRoute
  return {
    answer: await answerBy(sys, route, input.question, 0),
    by: route.name,
    spent: route.cost,
    tried: [route.name],
    accepted: true,
  }
})

async function estimate(
  sys: Sys,
  { question, candidates, history = [], costWeight = 0, budget = Infinity }: RoutingInput,
  how: Exclude<RoutingInput['how'], 'cascade' | undefined>,
): Promise<(RouteEstimate & ModelRoute)[]> {
  if (how === 'generative') {
    const list = candidates.map(({ name, description = '' }) => `- ${name}: ${description}`).join('\n')
    const said = await askJson(
      sys,
      { instructions: FORESEE, prompt: `Candidates:\n${list}\n\nQuestion: ${question}` },
      foreseen,
    )
    return candidates.map((one) => ({
      ...one,
      quality: said?.[one.name] ?? 0.5,
      uncertainty: said === undefined ? 1 : 0.5,
    }))
  }
  const texts = [...new Set([question, ...history.map((one) => one.question)])]
  const vectors = await sys.embed(texts)
  const vectorOf = new Map(texts.map((text, i) => [text, vectors[i] as readonly number[]]))
  const at = vectorOf.get(question) as readonly number[]
  const outcomes = history.map((one) => ({ ...one, query: vectorOf.get(one.question) as readonly number[] }))
  const joined = (estimates: readonly RouteEstimate[]) =>
    estimates.map((one, i) => ({ ...(candidates[i] as ModelRoute), ...one }))
  if (how === 'similarity') return joined(byNeighbours(outcomes, at, candidates))
  if (how === 'supervised') return joined(byRegression(outcomes, at, candidates))
  const context = (vector: readonly number[]): number[] => [1, ...unit(vector)]
  const arms = beliefsOf(
    candidates.filter(({ cost }) => cost <= budget).map(({ name }) => name),
    { size: at.length + 1, ...QUALITY_SPREAD },
  )
  for (const { route, quality, query: then } of outcomes) {
    const arm = arms.find(({ name }) => name === route)
    const cost = candidates.find(({ name }) => name === route)?.cost ?? 0
    if (arm !== undefined) learn(arm, context(then), quality - costWeight * cost)
  }
  const drawn = drawArm(arms, context(at), () => sys.random())
  // The draw has weighed quality and cost already: it is taken as it is.
  return candidates.filter(({ name }) => name === drawn.name).map((one) => ({ ...one, quality: 1, uncertainty: 1 }))
}

/** Of qualities between 0 and 1, and of what is believed of them at first. Ours. */
const QUALITY_SPREAD = { priorVariance: 0.25, noiseVariance: 0.25 }

async function cascade(
  sys: Sys,
  { question, candidates, budget = Infinity, accept = 'judge', samples = 3, agreeing = 1 }: RoutingInput,
): Promise<RoutedAnswer> {
  const tried: string[] = []
  let spent = 0
  let last: { readonly answer: string; readonly by: string } | undefined
  const cheapestFirst = candidates.toSorted((a, b) => a.cost - b.cost)
  for (const route of cheapestFirst) {
    const isLast = route === cheapestFirst.at(-1)
    const times = accept === 'agreement' && !isLast ? samples : 1
    if (spent + times * route.cost > budget) break
    spent += times * route.cost
    const answers = await Promise.all(
      Array.from({ length: times }, () => answerBy(sys, route, question, times > 1 ? SAMPLED : 0)),
    )
    tried.push(...answers.map(() => route.name))
    const [most] = tally(answers, { key: (answer) => answer.trim() })
    last = { answer: most?.ballot ?? '', by: route.name }
    const accepted =
      accept === 'agreement'
        ? times > 1 && (most?.weight ?? 0) >= agreeing * times
        : (
            await askJson(
              sys,
              { instructions: VERIFY, prompt: `Question: ${question}\nAnswer: ${last.answer}` },
              verified,
            )
          )?.right === true
    if (accepted) return { ...last, spent, tried, accepted }
  }
  if (last === undefined)
    throw new PolityError(
      'INVALID_ARGUMENT',
      `routing: the budget of ${budget} does not pay for ${samples} samples of the cheapest candidate`,
    )
  return { ...last, spent, tried, accepted: false }
}

const SAMPLED = 0.7

async function answerBy(
  sys: Sys,
  { model, instructions }: ModelRoute,
  question: string,
  temperature: number,
): Promise<string> {
  const { text } = await sys.generate({
    prompt: question,
    temperature,
    ...(model === undefined ? {} : { model }),
    ...(instructions === undefined ? {} : { instructions }),
  })
  return text
}
