/**
 * The loop of R&D-Agent(Q) (Li et al. 2025, "R&D-Agent-Quant: a multi-agent framework for data-centric factors and model joint
 * optimization"): betters a solution step by step, and a bandit says which kind of step is worth most at the solution that there is.
 *
 *     const lab = bandit({ arms: [{ name: 'factor', program: betterFactors }, { name: 'model', program: betterModel }], judge: 'backtest' })
 *     spawn(lab, { task: 'Predict tomorrow.', steps: 20 })        →   { best, metrics, value, pulls }
 *
 * A step: linear-thompson.ts chooses an arm by the metrics of the best solution; the arm's program is given the task, the best solution
 * and the last steps, and returns a candidate; the held tool `judge` (a backtest) measures it, input `{ candidate }`, output `{ metrics }`;
 * the weighted sum of the metrics is what the arm earned. A candidate is the new best only if it is better.
 *
 * Invariants
 *   BA1. The value of the best never falls.
 *   BA2. A step that fails earns the value of what there is, no more, and is told to the next.
 */
import { PolityError, messageOf } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Program } from '../kernel/types.ts'
import { holds } from './pieces/acting.ts'
import { beliefsOf, drawArm, learn, type Belief } from './pieces/linear-thompson.ts'
import { inner } from './pieces/nearest.ts'
import { isOurEnd, isOutOfBudget } from './pieces/our-end.ts'

/** IC, ICIR, rank IC, rank ICIR, annual return, information ratio, maximum drawdown with its sign turned, Sharpe ratio. */
export const QUANT_WEIGHTS: readonly number[] = [0.1, 0.1, 0.05, 0.05, 0.25, 0.15, 0.1, 0.2]

/** What an arm is given: a step to make. */
export interface BanditStep {
  readonly task: string
  /** The best candidate; null before the first. */
  readonly best: Json
  readonly metrics: readonly number[] | null
  /** What the last steps gave, the newest last. */
  readonly feedback: readonly string[]
}

export interface BanditOptions {
  readonly arms: readonly { readonly name: string; readonly program: Program<BanditStep, Json> }[]
  /** A tool that the process holds: measures a candidate. */
  readonly judge: string
  /** Weight of each metric in the value. @default those of the release, for eight metrics of trading */
  readonly weights?: readonly number[]
  /** @default 'bandit' */
  readonly name?: string
}

export interface BanditInput {
  readonly task: string
  /** @default 20 */
  readonly steps?: number
}

export interface Bettered {
  readonly best: Json
  readonly metrics: readonly number[] | null
  readonly value: number | null
  /** The arm of each step. */
  readonly pulls: readonly string[]
  readonly beliefs: readonly Belief[]
}

/** Steps that the next one is told of. */
const FEEDBACK_MAX = 3

export function bandit({
  arms,
  judge,
  weights = QUANT_WEIGHTS,
  name = 'bandit',
}: BanditOptions): Program<BanditInput, Bettered> {
  if (arms.length === 0)
    throw new PolityError('CONFIG_INVALID', `${name}: arms takes at least one way to better a solution`)
  return defineProgram(
    name,
    async (sys, { task, steps = 20 }: BanditInput): Promise<Bettered> => {
      if (!holds(sys, judge))
        throw new PolityError(
          'INVALID_ARGUMENT',
          `${name}: the process holds no tool "${judge}" that judges candidates`,
        )
      // A constant beside the metrics: before the first candidate there is nothing else to go by.
      const beliefs = beliefsOf(
        arms.map((arm) => arm.name),
        { size: weights.length + 1 },
      )
      const pulls: string[] = []
      const feedback: string[] = []
      let best: { readonly candidate: Json; readonly metrics: readonly number[]; readonly value: number } | undefined
      for (let step = 0; step < steps; step++) {
        const context = [1, ...(best?.metrics ?? weights.map(() => 0))]
        const chosen = drawArm(beliefs, context, () => sys.random())
        const arm = arms.find((one) => one.name === chosen.name) as (typeof arms)[number]
        pulls.push(arm.name)
        let made: { readonly candidate: Json; readonly measured: Json } | undefined
        try {
          const pid = await sys.spawn(arm.program, {
            task,
            best: best?.candidate ?? null,
            metrics: best?.metrics ?? null,
            feedback: feedback.slice(-FEEDBACK_MAX),
          })
          const candidate = await sys.wait<Json>(pid)
          made = { candidate, measured: await sys.call<Json>(judge, { candidate }) }
        } catch (error) {
          if (isOutOfBudget(error)) break
          if (isOurEnd(error)) throw error
          feedback.push(`${arm.name}: failed: ${messageOf(error)}`)
        }
        let earned = best?.value ?? 0
        if (made !== undefined) {
          // A judge that measures wrongly is no fault of an arm.
          const metrics = metricsOf(made.measured, weights.length)
          earned = inner(weights, metrics)
          const isBetter = best === undefined || earned > best.value
          feedback.push(`${arm.name}: ${earned.toPrecision(4)}, ${isBetter ? 'the new best' : 'no better, dropped'}`)
          if (isBetter) best = { candidate: made.candidate, metrics, value: earned }
        }
        learn(chosen, context, earned)
      }
      return {
        best: best?.candidate ?? null,
        metrics: best?.metrics ?? null,
        value: best?.value ?? null,
        pulls,
        beliefs,
      }
    },
    { tools: [...new Set(arms.flatMap(({ program: { tools } }) => tools))] },
  )
}

function metricsOf(said: Json, size: number): readonly number[] {
  const metrics = (said as { readonly metrics?: unknown } | null)?.metrics
  if (!Array.isArray(metrics) || metrics.length !== size || !metrics.every((value) => Number.isFinite(value)))
    throw new PolityError('TOOL_INVALID', `the judge has to return { metrics } with ${size} numbers`)
  return metrics as number[]
}
