/**
 * P4, the choice of an algorithm: three planners that succeed with .45, .6 and .75 (the planted bandit), chosen by PlanGEN's
 * algorithm 1 to the letter, by its mean-normalised form, and by UCB1.
 */
import { armsOf, chooseArm, creditArm, type Arm, type ArmOptions } from '../../src/agents/pieces/algorithm-choice.ts'
import { largest } from '../../src/agents/pieces/largest.ts'
import { ucb1 } from '../../src/agents/pieces/upper-confidence.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import { mean } from '../figures.ts'
import type { Experiment } from './experiment.ts'

const RATES = [0.45, 0.6, 0.75]

/** Which arm is pulled, before that pull. */
export type Chooser = (arms: readonly Arm[], pull: number) => Arm

export const byUcb1: Chooser = (arms, pull) =>
  largest(arms, ({ sum, count }) =>
    ucb1({ value: sum / Math.max(1, count - 1), visits: count - 1, parentVisits: pull }),
  ) as Arm

/** Mean reward of so many pulls of arms that succeed at these rates. A pull's luck belongs to its number, so every chooser meets the same. */
export function played(seed: number, pulls: number, rates: readonly number[], choose: Chooser, stream = 0): number {
  const arms = armsOf(rates.map(String))
  let earned = 0
  for (let pull = 0; pull < pulls; pull++) {
    const arm = choose(arms, pull)
    const at = arms.indexOf(arm)
    const reward = randomAt(seed, stream + at, pull) < (rates[at] as number) ? 1 : 0
    creditArm(arm, reward)
    earned += reward
  }
  return earned / pulls
}

export const p4: Experiment = {
  id: 'P4',
  what: 'algorithm choice, 3 planted arms',
  bar: 'mean-normalised ≥ .65 at 60 and ≥ .69 at 400 pulls; algorithm 1 to the letter ≤ .62',
  seeds: 1_000,
  run(seeds) {
    const over = (pulls: number, rule: ArmOptions | 'ucb1') => {
      const choose: Chooser = rule === 'ucb1' ? byUcb1 : (arms) => chooseArm(arms, rule)
      return mean(Array.from({ length: seeds }, (_, seed) => played(seed, pulls, RATES, choose)))
    }
    const [at60, at400] = [over(60, {}), over(400, {})]
    const [letter60, letter400] = [over(60, { asPublished: true }), over(400, { asPublished: true })]
    return {
      measured: `${at60.toFixed(3)}, ${at400.toFixed(3)}; to the letter ${letter60.toFixed(3)}, ${letter400.toFixed(3)}; UCB1 ${over(60, 'ucb1').toFixed(3)}, ${over(400, 'ucb1').toFixed(3)}; half the exploration ${over(400, { exploration: 0.5 }).toFixed(3)} at 400`,
      ok: at60 >= 0.65 && at400 >= 0.69 && letter60 <= 0.62 && letter400 <= 0.62,
    }
  },
}
