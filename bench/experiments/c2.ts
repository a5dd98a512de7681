/**
 * C2, debate: seven workers of skill .6 read each other and answer again. One who is wrong turns right with a·k/n and one who is
 * right turns wrong with b·(1 - k/n), where k of the n answers that it reads, its own included, are right. How many are right is
 * then a Markov chain, whose distribution is computed exactly and held against the net, round by round. A net that lost a
 * message, counted its own twice, or showed a later round would differ.
 *
 * Then debate against a vote at equal calls (7 x 3 against 21): where they cross, and what is left where errors go together.
 */
import { layeredNet, type Layer } from '../../src/agents/layered-net.ts'
import { ownFirst } from '../../src/agents/debate.ts'
import { drawnPlurality } from '../../src/agents/pieces/vote.ts'
import type { Experiment } from './experiment.ts'
import { binomial, chance, difficulty, keyed, range, skillOf } from './population.ts'

/** What a round does to one who is wrong, and to one who is right, where a share of all is right. */
export interface Regime {
  turnsRight(share: number): number
  turnsWrong(share: number): number
}
export const swayed = (a: number, b: number): Regime => ({
  turnsRight: (share) => a * share,
  turnsWrong: (share) => b * (1 - share),
})
const FOLLOWING: Regime = {
  turnsRight: (share) => (share > 0.5 ? 0.5 : 0),
  turnsWrong: (share) => (share < 0.5 ? 0.5 : 0),
}

const REGIMES: readonly (readonly [string, Regime, readonly number[]])[] = [
  ['no exchange', swayed(0, 0), [0.7102, 0.7102, 0.7102, 0.7102, 0.7102, 0.7102]],
  ['imitation', swayed(1, 1), [0.7102, 0.6556, 0.6324, 0.6196]],
  ['majority', FOLLOWING, [0.7102, 0.7102, 0.7102, 0.7102, 0.7102]],
  ['truth-biased', swayed(0.4, 0.2), [0.7102, 0.7458, 0.7741, 0.7972, 0.8165, 0.8329]],
  ['error-biased', swayed(0.2, 0.4), [0.7102, 0.6027, 0.5256, 0.4668, 0.4202, 0.3823]],
]
const [N, P] = [7, 0.6]

/** The exact chance that most are right, after each round. @param rounds the first included */
export function exactDebate(n: number, p: number, { turnsRight, turnsWrong }: Regime, rounds: number) {
  let at = range(n + 1).map((k) => binomial(n, k, p))
  const found: { readonly majority: number; readonly mean: number }[] = []
  for (let round = 0; round < rounds; round++) {
    found.push({
      majority: at.reduce((sum, mass, k) => sum + (2 * k > n ? mass : 2 * k === n ? mass / 2 : 0), 0),
      mean: at.reduce((sum, mass, k) => sum + (mass * k) / n, 0),
    })
    const next = range(n + 1).map(() => 0)
    for (const [k, mass] of at.entries())
      for (let stay = 0; stay <= k; stay++)
        for (let come = 0; come <= n - k; come++)
          next[stay + come] =
            (next[stay + come] as number) +
            mass * binomial(k, stay, 1 - turnsWrong(k / n)) * binomial(n - k, come, turnsRight(k / n))
    at = next
  }
  return found
}

/** Accuracy of the plurality and of the members after each round, by the net. */
export async function debated(
  n: number,
  p: number,
  regime: Regime,
  rounds: number,
  questions: number,
  { sigma = 0, seed = 1 } = {},
) {
  const theta = skillOf(p, sigma)
  const found = range(rounds).map(() => ({ majority: 0, mean: 0 }))
  for (let question = 0; question < questions; question++) {
    const right = chance(theta, difficulty(seed, question, sigma))
    const layers = await layeredNet<boolean>({
      agents: n,
      layers: rounds,
      async reply(agent, layer, seen) {
        const u = keyed(seed, question, agent, layer)
        return seen.length === 0 ? u < right : revised(agent, seen, n, regime, u)
      },
    })
    for (const [round, layer] of layers.entries()) {
      const ballots = layer.map(({ reply }) => reply)
      const one = found[round] as (typeof found)[number]
      if (drawnPlurality(ballots, () => keyed(seed, question, round, 77)) === true) one.majority += 1 / questions
      one.mean += ballots.filter(Boolean).length / n / questions
    }
  }
  return found
}

/** What a worker says after reading its own answer and those of the others, as debate.ts shows them. */
export function revised(
  agent: number,
  seen: Layer<boolean>,
  n: number,
  { turnsRight, turnsWrong }: Regime,
  u: number,
): boolean {
  const { own, others } = ownFirst(agent, seen)
  const share = ((own?.reply === true ? 1 : 0) + others.filter(({ reply }) => reply).length) / n
  return own?.reply === true ? u >= turnsWrong(share) : u < turnsRight(share)
}

const majorityOf = (n: number, p: number): number => exactDebate(n, p, swayed(0, 0), 1)[0]?.majority as number
const truthOf = (p: number): number => exactDebate(7, p, swayed(0.4, 0.2), 3)[2]?.majority as number

export const c2: Experiment = {
  id: 'C2',
  what: 'debate of 7 workers of skill .6, five ways to be swayed, up to six rounds',
  bar: 'every cell within .0105 of the exact chain, which is the table’s; crossing with a vote of 21 at p = .5655 ± .01; sign right at p = .5 and .6, and at .4 and .6 where errors go together',
  seeds: 20_000,
  async run(questions) {
    let [worst, offTable, martingale] = [0, 0, 0]
    for (const [i, [, regime, table]] of REGIMES.entries()) {
      const exact = exactDebate(N, P, regime, table.length)
      const measured = await debated(N, P, regime, table.length, questions, { seed: i + 1 })
      for (const [round, cell] of table.entries()) {
        const [ours, theirs] = [
          measured[round] as { majority: number; mean: number },
          exact[round] as { majority: number; mean: number },
        ]
        offTable = Math.max(offTable, Math.abs(theirs.majority - cell))
        worst = Math.max(worst, Math.abs(ours.majority - theirs.majority), Math.abs(ours.mean - theirs.mean))
        if (i === 1) martingale = Math.max(martingale, Math.abs(theirs.mean - P))
      }
    }
    let [low, high] = [0.51, 0.65]
    for (let step = 0; step < 40; step++) {
      const mid = (low + high) / 2
      if (truthOf(mid) > majorityOf(21, mid)) low = mid
      else high = mid
    }
    const at: { readonly p: number; readonly debate: number; readonly vote: number }[] = []
    for (const p of [0.6, 0.4]) {
      const rounds = await debated(7, p, swayed(0.4, 0.2), 3, questions, { sigma: 2, seed: 11 })
      const [vote] = await debated(21, p, swayed(0, 0), 1, questions, { sigma: 2, seed: 11 })
      at.push({ p, debate: rounds[2]?.majority as number, vote: vote?.majority as number })
    }
    const shown = at.map(({ p, debate, vote }) => `p = ${p}: ${debate.toFixed(3)} for ${vote.toFixed(3)}`)
    return {
      measured: `worst cell ${worst.toFixed(4)} off; exact within ${offTable.toFixed(5)} of the table; imitation keeps the mean (${martingale.toExponential(0)}); crossing ${low.toFixed(4)}; p = .5: ${truthOf(0.5).toFixed(3)} for ${majorityOf(21, 0.5).toFixed(3)}, p = .6: ${truthOf(0.6).toFixed(3)} for ${majorityOf(21, 0.6).toFixed(3)}; errors together ${shown.join(', ')}`,
      ok:
        worst <= 0.0105 &&
        offTable <= 0.00006 &&
        Math.abs(low - 0.5655) <= 0.01 &&
        truthOf(0.5) > majorityOf(21, 0.5) &&
        truthOf(0.6) < majorityOf(21, 0.6) &&
        at.every(({ debate, vote }) => debate > vote),
    }
  },
}
