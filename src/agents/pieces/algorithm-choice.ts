/**
 * Algorithm choice: the bandit by which PlanGEN (Parmar et al. 2025, "PlanGEN: a multi-agent framework for generating planning
 * and reasoning trajectories", algorithm 1) picks how to plan next.
 *
 *     const stats = armsOf(['best-of-n', 'tree-of-thought', 'rebase'])
 *     const arm = chooseArm(stats, { priors })       // then: creditArm(stats, arm, reward)
 *
 * Worth of an arm: its mean reward over the largest one of any arm, + √(2 ln (T + 1) / C) up to 5, + λ / (1 + T) · prior,
 * + α_div / (C + 1), + α_rec · recoveries.
 *
 * The algorithm of the paper divides the sum of rewards by the count *and* by the largest sum, so that what an arm has earned
 * fades as 1 / C and the choice tends to the uniform one; the formula in its text has the mean. The mean is the default here,
 * `asPublished` is algorithm 1. experiments P4 shows the difference.
 *
 * Invariant
 *   A1. Of equal arms the first is chosen.
 */
import { largest } from './largest.ts'

/** What is known of one way to do it. */
export interface Arm {
  readonly name: string
  /** Sum of its rewards, each 0 to 1. */
  sum: number
  /** As in the paper, one more than it was chosen. */
  count: number
  /** How often it did well right behind a failure of another. */
  recovered: number
}

export interface ArmOptions {
  /** How suited each is to the problem, 0 to 1, by name. @default 0 each */
  readonly priors?: { readonly [name: string]: number }
  /** Weight of the priors, fading with trials. Not given in the paper. @default 1 */
  readonly priorWeight?: number
  /** Weight of having been chosen seldom. Not given in the paper. @default 0 */
  readonly diversity?: number
  /** Weight of recoveries. Not given in the paper. @default 0 */
  readonly recovery?: number
  /** Weight of the unknown. @default 1; 0.5 earns more where rewards differ little */
  readonly exploration?: number
  /** Algorithm 1 to the letter. @default false */
  readonly asPublished?: boolean
}

/** Largest term of the unknown, in the paper. */
const UNKNOWN_MAX = 5

export function armsOf(names: readonly string[]): Arm[] {
  return names.map((name) => ({ name, sum: 0, count: 1, recovered: 0 }))
}

/** What each arm is worth now. */
export function worthOfArm(
  arms: readonly Arm[],
  arm: Arm,
  { priors = {}, priorWeight = 1, diversity = 0, recovery = 0, exploration = 1, asPublished = false }: ArmOptions = {},
): number {
  const trials = arms.reduce((sum, { count }) => sum + count - 1, 0)
  const earned = ({ sum, count }: Arm): number => (asPublished ? sum : sum / Math.max(1, count - 1))
  const top = Math.max(...arms.map(earned)) || 1
  const exploit = earned(arm) / top / (asPublished ? arm.count : 1)
  const unknown = Math.min(Math.sqrt((2 * Math.log(trials + 1)) / arm.count), UNKNOWN_MAX)
  const prior = (priorWeight / (1 + trials)) * (priors[arm.name] ?? 0)
  return exploit + exploration * unknown + prior + diversity / (arm.count + 1) + recovery * arm.recovered
}

/** The arm that is worth most. `arms` is not empty. */
export function chooseArm(arms: readonly Arm[], options: ArmOptions = {}): Arm {
  return largest(arms, (arm) => worthOfArm(arms, arm, options)) as Arm
}

/** What choosing it earned, 0 to 1. */
export function creditArm(arm: Arm, reward: number, { recovered = false } = {}): void {
  arm.sum += reward
  arm.count++
  if (recovered) arm.recovered++
}
