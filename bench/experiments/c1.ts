/**
 * C1, voting: n workers of skill p with so many wrong options, a plurality with drawn ties, against the exact accuracy (counted
 * over all divisions of n votes among the options). Beside it the same majority where errors go together (sigma 2), and a tie
 * that the first voter wins where voters stand by skill.
 */
import { drawnPlurality, plurality } from '../../src/agents/pieces/vote.ts'
import { layeredNet } from '../../src/agents/layered-net.ts'
import type { Experiment } from './experiment.ts'
import { answered, binomial, chance, difficulty, keyed, range, skillOf } from './population.ts'

const CELLS = [
  [3, 0.6, 1, 0.648],
  [5, 0.6, 1, 0.6826],
  [7, 0.6, 1, 0.7102],
  [9, 0.6, 1, 0.7334],
  [3, 0.4, 3, 0.448],
  [5, 0.4, 3, 0.5094],
  [7, 0.4, 3, 0.5586],
  [11, 0.4, 3, 0.635],
  [5, 0.3, 3, 0.3346],
  [11, 0.3, 3, 0.3764],
  [5, 0.25, 3, 0.25],
  [7, 0.5, 3, 0.7431],
] as const

/** The exact accuracy of a plurality with drawn ties. */
export function exactVote(n: number, p: number, wrong: number): number {
  /** The chance that so many right votes win, where the others go evenly to the options that are left; `tied` of them have `most`. */
  const wins = (right: number, others: number, options: number, most: number, tied: number): number =>
    options === 0
      ? right > most
        ? 1
        : right === most
          ? 1 / (tied + 1)
          : 0
      : range(others + 1).reduce((sum, votes) => {
          const now = votes > most ? 1 : votes === most ? tied + 1 : tied
          const rest = wins(right, others - votes, options - 1, Math.max(most, votes), now)
          return sum + binomial(others, votes, 1 / options) * rest
        }, 0)
  return range(n + 1).reduce((sum, right) => sum + binomial(n, right, p) * wins(right, n - right, wrong, 0, 0), 0)
}

/** The accuracy of a one-layer net over so many questions. @param skills chance of each worker to be right, over all questions */
export async function voted(
  skills: readonly number[],
  questions: number,
  { wrong = 1, sigma = 0, tie = 'drawn' as 'drawn' | 'first', seed = 1 } = {},
): Promise<number> {
  const thetas = skills.map((p) => skillOf(p, sigma))
  let right = 0
  for (let question = 0; question < questions; question++) {
    const d = difficulty(seed, question, sigma)
    const [layer] = await layeredNet({
      agents: skills.length,
      layers: 1,
      reply: async (agent) =>
        answered(
          chance(thetas[agent] as number, d),
          wrong,
          keyed(seed, question, agent, 3),
          keyed(seed, question, agent, 4),
        ),
    })
    const ballots = (layer ?? []).map(({ reply }) => reply)
    const winner = tie === 'first' ? plurality(ballots) : drawnPlurality(ballots, () => keyed(seed, question, 5))
    if (winner === 0) right++
  }
  return right / questions
}

/** So many workers of one skill. */
const crew = (n: number, p: number): number[] => range(n).map(() => p)

export const c1: Experiment = {
  id: 'C1',
  what: 'votes of 3 to 11 workers, twelve cells',
  bar: 'every cell within .0105 of the exact accuracy, which is the table’s; where errors go together the majority of 3, 7, 21 gains ≤ .03',
  seeds: 20_000,
  async run(questions) {
    let [worst, offTable] = [0, 0]
    for (const [n, p, wrong, table] of CELLS) {
      const exact = exactVote(n, p, wrong)
      offTable = Math.max(offTable, Math.abs(exact - table))
      const measured = await voted(crew(n, p), questions, { wrong, seed: n * 100 + wrong })
      worst = Math.max(worst, Math.abs(measured - exact))
    }
    const together: number[] = []
    for (const n of [3, 7, 21]) together.push(await voted(crew(n, 0.6), questions, { sigma: 2 }))
    const unequal = [0.8, 0.6, 0.4, 0.4]
    const first = await voted(unequal, questions, { wrong: 3, tie: 'first' })
    const drawn = await voted(unequal, questions, { wrong: 3 })
    const oracle =
      range(questions).filter((question) => range(6).some((agent) => keyed(7, question, agent) < 0.6)).length /
      questions
    return {
      measured: `worst cell ${worst.toFixed(4)} off; exact within ${offTable.toFixed(5)} of the table; errors together: ${together.map((one) => one.toFixed(3)).join(', ')} for .648, .710, .826; voters by skill: first wins ${first.toFixed(3)}, drawn ${drawn.toFixed(3)}; any of 6 right ${oracle.toFixed(4)} (exact .9959)`,
      ok: worst <= 0.0105 && offTable <= 0.00006 && together.every((one) => one <= 0.63) && first > drawn + 0.01,
    }
  },
}
