/**
 * C13, recorded answers: what four models of unequal skill answered to the first 660 questions of GSM8K (bench/data/gsm8k), voted on,
 * weighed and cascaded. Real models err together; this says what a vote is then worth. The published figures that the bars come
 * from are over all 1,319 questions; ours are exact over these 660, with weights learned on one half and everything shown on the other.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { plurality } from '../../src/agents/pieces/vote.ts'
import { mean } from '../figures.ts'
import type { Experiment } from './experiment.ts'
import { range } from './population.ts'

interface Recorded {
  readonly models: readonly string[]
  /** Answers by model, null where none could be read, and whether each was right. */
  readonly items: readonly { readonly a: readonly (string | null)[]; readonly ok: readonly number[] }[]
}

/** Wrong answers among which one is taken, for the weights: as with ten options. */
const WRONG = 9
const path = join(import.meta.dirname, '../data/gsm8k/recorded-answers.json')

/** Correlation of two columns of 0 and 1. */
export function phi(a: readonly number[], b: readonly number[]): number {
  const [p, q] = [mean(a), mean(b)]
  return (mean(a.map((one, i) => one * (b[i] as number))) - p * q) / Math.sqrt(p * (1 - p) * q * (1 - q))
}

export function recorded() {
  const { items, models } = JSON.parse(readFileSync(path, 'utf8')) as Recorded
  const [learn, show] = [items.slice(0, items.length / 2), items.slice(items.length / 2)]
  const column = (model: number, of = items): number[] => of.map(({ ok }) => ok[model] as number)
  const pairs = range(models.length).flatMap((a) => range(a).map((b) => phi(column(a), column(b))))
  /** Accuracy of weighed ballots on the second half; of equal weights the model that comes first in `order` wins. */
  const votes = (weights: readonly number[], order: readonly number[]): number =>
    mean(
      show.map(({ a, ok }) => {
        const ballots = order.flatMap((model) =>
          a[model] === null ? [] : [{ answer: a[model], ok: ok[model] as number, weight: weights[model] as number }],
        )
        return plurality(ballots, { key: ({ answer }) => String(answer), weight: ({ weight }) => weight })?.ok ?? 0
      }),
    )
  const skill = range(models.length).map((model) => mean(column(model, learn)))
  const strongestFirst = range(models.length).toSorted((a, b) => (skill[b] as number) - (skill[a] as number))
  const odds = skill.map((p) => Math.log((WRONG * p) / (1 - p)))
  const even = models.map(() => 1)
  const agreed = items.filter(({ a }) => a[0] !== null && a[0] === a[1])
  const cascade = items.map((one) =>
    agreed.includes(one) ? { ok: one.ok[0] as number, cost: 2 } : { ok: one.ok[3] as number, cost: 2 + 29 },
  )
  return {
    questions: items.length,
    accuracies: range(models.length).map((model) => mean(column(model))),
    pairs,
    any: mean(items.map(({ ok }) => (ok.includes(1) ? 1 : 0))),
    best: mean(column(3, show)),
    plurality: votes(even, strongestFirst),
    weakestFirst: votes(even, strongestFirst.toReversed()),
    logOdds: votes(odds, strongestFirst),
    anyShown: mean(show.map(({ ok }) => (ok.includes(1) ? 1 : 0))),
    agreed: agreed.length / items.length,
    precision: mean(agreed.map(({ ok }) => ok[0] as number)),
    cascade: mean(cascade.map(({ ok }) => ok)),
    cost: mean(cascade.map(({ cost }) => cost)),
  }
}

export const c13: Experiment = {
  id: 'C13',
  what: 'four recorded solvers of GSM8K, 660 questions',
  bar: 'correlation of every pair ≥ .25; a vote gains ≤ .03 on the best of the four; the cascade no worse than it by more than .01, for less (figures over all 1,319: not measured)',
  seeds: 1,
  run() {
    const {
      accuracies,
      pairs,
      any,
      best,
      plurality: vote,
      weakestFirst,
      logOdds,
      anyShown,
      agreed,
      precision,
      cascade,
      cost,
    } = recorded()
    const of = (values: readonly number[]): string => values.map((one) => one.toFixed(3)).join(' ')
    const strongest = Math.max(...accuracies)
    return {
      measured: `accuracies ${of(accuracies)}, pairs correlate by ${Math.min(...pairs).toFixed(2)} to ${Math.max(...pairs).toFixed(2)}, any right ${any.toFixed(3)}; second half: best ${best.toFixed(3)}, plurality ${vote.toFixed(3)} with ties to the strongest and ${weakestFirst.toFixed(3)} to the weakest, by log-odds ${logOdds.toFixed(3)}, any right ${anyShown.toFixed(3)}; cascade ${cascade.toFixed(3)} at cost ${cost.toFixed(1)} for ${strongest.toFixed(3)} at 29 (the small two agree on ${(100 * agreed).toFixed(0)} %, right ${precision.toFixed(2)})`,
      ok:
        Math.min(...pairs) >= 0.25 &&
        vote <= best + 0.03 &&
        logOdds <= best + 0.03 &&
        cascade >= strongest - 0.01 &&
        cost < 29,
    }
  },
}
