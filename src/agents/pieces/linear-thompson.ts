/**
 * Linear Thompson sampling: which of some arms to pull where a context is known, when what an arm gives is linear in it. As R&D-Agent(Q)
 * chooses (Li et al. 2025, "R&D-Agent-Quant"); the posterior is that of Bayesian linear regression (Agrawal and Goyal 2013).
 *
 *     const arms = beliefsOf(['factor', 'model'], { size: 8 })
 *     const arm = drawArm(arms, context, () => sys.random())
 *     learn(arm, context, reward)
 *
 * Per arm the belief is N(μ, P⁻¹); it starts as N(0, 10) and rewards have a variance of .5, both of the release. After a reward r at x:
 * P' = P + x xᵀ / σ², μ' = P'⁻¹ (P μ + x r / σ²). The release has P' μ in place of P μ, by which old rewards are counted again at every
 * step; `asPublished` does so, and experiment C8 shows what it costs.
 *
 * Invariant
 *   LT1. μ is the ridge regression of the rewards on the contexts, with penalty σ² / 10.
 */
import { diagonal, backSolve, cholesky, solve } from './positive-definite.ts'
import { inner } from './nearest.ts'
import { largest } from './largest.ts'

/** Of the release. */
const PRIOR_VARIANCE = 10
/** Of the release. */
const NOISE_VARIANCE = 0.5

/** What is believed of one arm. Plain data, so that it can be written down. */
export interface Belief {
  readonly name: string
  /** P, the inverse of the covariance. */
  precision: number[][]
  /** P μ. */
  shift: number[]
  readonly noiseVariance: number
}

export interface BeliefOptions {
  /** Numbers of a context. */
  readonly size: number
  /** @default 10 */
  readonly priorVariance?: number
  /** Of a reward. @default 0.5 */
  readonly noiseVariance?: number
}

export function beliefsOf(
  names: readonly string[],
  { size, priorVariance = PRIOR_VARIANCE, noiseVariance = NOISE_VARIANCE }: BeliefOptions,
): Belief[] {
  return names.map((name) => ({
    name,
    precision: diagonal(size, 1 / priorVariance),
    shift: Array.from({ length: size }, () => 0),
    noiseVariance,
  }))
}

/** The arm whose drawn weights promise most; of equal ones the first. `random` gives numbers in [0, 1); two for each weight. */
export function drawArm(arms: readonly Belief[], context: readonly number[], random: () => number): Belief {
  return largest(arms, ({ precision, shift }) => {
    const factor = cholesky(precision)
    const noise = backSolve(
      factor,
      shift.map(() => normalOf(random(), random())),
    )
    return inner(context, solve(factor, shift)) + inner(context, noise)
  }) as Belief
}

/** μ: what is believed of the weights, on the mean. */
export function meanOf({ precision, shift }: Belief): number[] {
  return solve(cholesky(precision), shift)
}

/** A reward that an arm gave in a context. */
export function learn(
  belief: Belief,
  context: readonly number[],
  reward: number,
  { asPublished = false }: { /** With the slip of the release. @default false */ readonly asPublished?: boolean } = {},
): void {
  const { precision, noiseVariance } = belief
  const after = precision.map((row, i) =>
    row.map((value, j) => value + ((context[i] as number) * (context[j] as number)) / noiseVariance),
  )
  const mean = asPublished ? meanOf(belief) : []
  const known = asPublished ? after.map((row) => inner(row, mean)) : belief.shift
  belief.shift = known.map((value, i) => value + ((context[i] as number) * reward) / noiseVariance)
  belief.precision = after
}

/** A draw of N(0, 1) from two even ones (Box and Muller 1958). */
export function normalOf(u: number, v: number): number {
  return Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v)
}
