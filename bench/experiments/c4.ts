/**
 * C4, elimination: LVAgent's net with three workers of skill .6 and four options. A judge gives 8 where it holds an answer for
 * right and 3 where not, and holds it rightly with a planted chance. Split teams answer anew; who is left alone stays with its answer.
 * With these words the accuracy is exactly P(two agree on right) + P(split) · (p² + 2pq · j), which is a check of the net; so are the
 * calls. The reference's figures for judges and for calls are out of reach of this population: `exactOf(1)`, judges that are always
 * right, is below its figure for judges right .9. It has another, which it does not describe, and none is guessed here: more than one
 * reading comes near its figures, and none as it describes LVAgent (bench/elimination-readings.ts).
 */
import { lvNet } from '../../src/agents/lv-agent.ts'
import type { Experiment } from './experiment.ts'
import { answered, chance, difficulty, keyed, skillOf } from './population.ts'

/** Chance that a worker is right, and that it is wrong. */
export const [P, Q] = [0.6, 0.4]
/** Two at least agree on what is right. */
export const AGREED = P ** 3 + 3 * P ** 2 * Q
/** All differ, with a right one among them or none: two wrong ones agree with 1/3, three all differ with 2/9. */
export const DIFFER = { right: 3 * P * Q ** 2 * (2 / 3), none: Q ** 3 * (2 / 9) }
const SPLIT = DIFFER.right + DIFFER.none

/** The exact accuracy, by judges that are right with this chance; .5 by drawn scores. */
export function exactOf(judges: number): number {
  return AGREED + SPLIT * (P * P + 2 * P * Q * judges)
}

/** The exact mean of calls: a split team scores (3), answers (2), and unless both say the same scores and answers once more (2 + 1). */
export function exactCalls(): number {
  return 3 + SPLIT * (5 + 3 * (1 - P * P - (Q * Q) / 3))
}

/** @param judges chance that a judge is right; none: scores are drawn */
export async function eliminated(questions: number, judges: number | undefined, { sigma = 0, seed = 1 } = {}) {
  let [right, calls, split, splitCalls] = [0, 0, 0, 0]
  const theta = skillOf(P, sigma)
  for (let q = 0; q < questions; q++) {
    const p = chance(theta, difficulty(seed, q, sigma))
    const ended = await lvNet<number>({
      agents: 3,
      answerOf: String,
      async reply(agent, layer, seen) {
        const own = seen.find((one) => one.agent === agent)
        if (layer === 2 && own !== undefined) return own.reply
        return answered(p, 3, keyed(seed, q, agent, layer, 1), keyed(seed, q, agent, layer, 2))
      },
      score: async (judge, others, layer) =>
        others.map(({ agent, reply }) => {
          const u = keyed(seed, q, judge, agent, layer, 3)
          if (judges === undefined) return 1 + Math.floor(u * 10)
          return u < judges === (reply === 0) ? 8 : 3
        }),
    })
    if (ended.answer === '0') right++
    calls += ended.calls
    if (ended.layers.length === 1 && ended.calls !== 3) throw new Error('a team that agreed made more than three calls')
    if (ended.layers.length > 1) {
      split++
      splitCalls += ended.calls
    }
  }
  return {
    accuracy: right / questions,
    calls: calls / questions,
    afterSplit: splitCalls / split,
    split: split / questions,
  }
}

export const c4: Experiment = {
  id: 'C4',
  what: 'elimination in a team of three, skill .6',
  bar: 'within .012 of the exact accuracy of this population; accuracy .774 by drawn scores, .811 and .832 by judges right .75 and .9, each ± .012; rising with the judges; 3 calls where two agree at once, 5.4 to 5.5 in the mean',
  seeds: 20_000,
  async run(questions) {
    const runs = []
    for (const judges of [undefined, 0.5, 0.75, 0.9]) runs.push(await eliminated(questions, judges))
    const together = await eliminated(questions, 0.9, { sigma: 2 })
    const [drawn, even, good, better] = runs as [Ended, Ended, Ended, Ended]
    const off = Math.max(
      ...[drawn, even].map((one) => Math.abs(one.accuracy - exactOf(0.5))),
      Math.abs(good.accuracy - exactOf(0.75)),
      Math.abs(better.accuracy - exactOf(0.9)),
    )
    const near = (one: Ended, bar: number): boolean => Math.abs(one.accuracy - bar) <= 0.012
    return {
      measured: `worst ${off.toFixed(4)} off the exact, which is ${exactOf(0.9).toFixed(3)} at .9 and ${exactOf(1).toFixed(3)} for judges that are always right; ${drawn.accuracy.toFixed(3)} drawn, ${even.accuracy.toFixed(3)} judges at .5, ${good.accuracy.toFixed(3)} at .75, ${better.accuracy.toFixed(3)} at .9 (${together.accuracy.toFixed(3)} where errors go together); ${good.calls.toFixed(2)} calls in the mean, scorings counted (exact ${exactCalls().toFixed(2)}); ${(100 * good.split).toFixed(1)} % split, which take ${good.afterSplit.toFixed(2)}`,
      ok:
        off <= 0.012 &&
        Math.abs(good.calls - exactCalls()) <= 0.05 &&
        near(drawn, 0.774) &&
        near(good, 0.811) &&
        near(better, 0.832) &&
        drawn.accuracy < good.accuracy &&
        good.accuracy < better.accuracy &&
        good.calls >= 5.4 &&
        good.calls <= 5.5,
    }
  },
}

type Ended = Awaited<ReturnType<typeof eliminated>>
