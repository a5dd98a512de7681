/**
 * P4, the choice of an algorithm: three planners that succeed with .45, .6 and .75 (the planted bandit), chosen by PlanGEN's
 * algorithm 1 to the letter, by its mean-normalised form, and by UCB1.
 */
import { armsOf, chooseArm, creditArm, type ArmOptions } from '../../src/agents/algorithm-choice.ts'
import { largest } from '../../src/agents/search-tree.ts'
import { ucb1 } from '../../src/agents/upper-confidence.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import { mean, type Experiment } from './experiment.ts'

const RATES = [0.45, 0.6, 0.75]
const names = RATES.map((rate) => `succeeds ${rate}`)

/** Mean reward of so many pulls. A pull's luck belongs to its number, so every rule meets the same luck. */
export function planted(seed: number, pulls: number, rule: ArmOptions | 'ucb1'): number {
  const arms = armsOf(names)
  let earned = 0
  for (let pull = 0; pull < pulls; pull++) {
    const arm =
      rule === 'ucb1'
        ? (largest(arms, ({ sum, count }) =>
            ucb1({ value: sum / Math.max(1, count - 1), visits: count - 1, parentVisits: pull }),
          ) as (typeof arms)[number])
        : chooseArm(arms, rule)
    const at = arms.indexOf(arm)
    const reward = randomAt(seed, at, pull) < (RATES[at] as number) ? 1 : 0
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
    const over = (pulls: number, rule: ArmOptions | 'ucb1') =>
      mean(Array.from({ length: seeds }, (_, seed) => planted(seed, pulls, rule)))
    const [at60, at400] = [over(60, {}), over(400, {})]
    const [letter60, letter400] = [over(60, { asPublished: true }), over(400, { asPublished: true })]
    return {
      measured: `${at60.toFixed(3)}, ${at400.toFixed(3)}; to the letter ${letter60.toFixed(3)}, ${letter400.toFixed(3)}; UCB1 ${over(60, 'ucb1').toFixed(3)}, ${over(400, 'ucb1').toFixed(3)}; half the exploration ${over(400, { exploration: 0.5 }).toFixed(3)} at 400`,
      ok: at60 >= 0.65 && at400 >= 0.69 && letter60 <= 0.62 && letter400 <= 0.62,
    }
  },
}
