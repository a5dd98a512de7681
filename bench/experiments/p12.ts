/**
 * P12, reasoning capacity: teams that are binary symmetric channels. One part that answers wrongly with ε has 1 - H(ε) bits; two parts
 * one after another have less than either; replacing the worse one by an oracle gains the most.
 */
import { bottleneck, mutualInformation, type Pair } from '../../src/agents/reasoning-capacity.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import type { Experiment } from './experiment.ts'

const RUNS = 20_000
const entropy = (p: number): number => (p <= 0 || p >= 1 ? 0 : -p * Math.log2(p) - (1 - p) * Math.log2(1 - p))

/** What comes out of parts in a row that each flip what they get, as often as they err. */
function team(seed: number, errors: readonly number[]): Pair[] {
  return Array.from({ length: RUNS }, (_, i): Pair => {
    const asked = randomAt(seed, 0, i) < 0.5
    let said = asked
    for (const [part, error] of errors.entries()) if (randomAt(seed, part + 1, i) < error) said = !said
    return [String(asked), String(said)]
  })
}

export const p12: Experiment = {
  id: 'P12',
  what: 'reasoning capacity of noisy channels, 20,000 runs each',
  bar: 'the estimate of 1 - H(ε) within .02; two stages ≤ the weaker (within the same .02); the bottleneck found always',
  seeds: 100,
  run(seeds) {
    let [worst, found, ordered] = [0, 0, 0]
    for (let seed = 0; seed < seeds; seed++) {
      // Errors of 0 to .45, at least .03 apart.
      const one = 0.45 * randomAt(seed, 9, 0)
      const apart = 0.03 + 0.1 * randomAt(seed, 9, 1)
      const two = one > 0.22 ? one - apart : one + apart
      const [planner, executor] = [
        mutualInformation(team(seed, [one])),
        mutualInformation(team(seed + 1_000_000, [two])),
      ]
      worst = Math.max(worst, Math.abs(planner - (1 - entropy(one))), Math.abs(executor - (1 - entropy(two))))
      const both = team(seed, [one, two])
      if (mutualInformation(both) <= Math.min(planner, executor) + 0.02) ordered++
      const [first] = bottleneck(both, [
        { part: 'planner', observed: team(seed, [0, two]) },
        { part: 'executor', observed: team(seed, [one, 0]) },
      ])
      if (first?.part === (one > two ? 'planner' : 'executor')) found++
    }
    return {
      measured: `worst ${worst.toFixed(4)}; ${ordered} of ${seeds} within the weaker; bottleneck ${found} of ${seeds}`,
      ok: worst <= 0.02 && ordered === seeds && found === seeds,
    }
  },
}
