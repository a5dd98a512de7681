/**
 * What an experiment is expected to tell: exact sums over finitely many hypotheses and outcomes, in nats.
 *
 *     const table = tableOf(hypotheses, (hypothesis) => chancesOf(design, hypothesis))
 *     informationGain(weights, table)          // I(hypothesis; outcome), Lindley 1956
 *     weights = posterior(weights, table, outcome)
 *
 * Nothing is sampled. Where a prior or an outcome is continuous it has to be put on a grid first (`normalGrid`,
 * `densityGrid`); the sums are then exact for that grid, and how near the grid is to what it stands for is the caller's
 * business.
 */

/** Chances of the outcomes `low`, `low + 1` and so on; they add up to 1. */
export interface Chances {
  readonly low: number
  readonly of: ArrayLike<number>
}

/** The chances of all outcomes under all hypotheses. */
export interface Table {
  /** The smallest outcome there is, and how many there are from it on. */
  readonly low: number
  readonly outcomes: number
  /** Of a hypothesis: its smallest outcome, where its chances begin, and the entropy of its outcome. */
  readonly lows: Int32Array
  readonly from: Uint32Array
  readonly chances: Float64Array
  readonly entropies: Float64Array
}

/** Values with their weights, which add up to 1. */
export interface Grid {
  readonly values: readonly number[]
  readonly weights: readonly number[]
}

/** The table of an experiment. */
export function tableOf(hypotheses: number, chancesOf: (hypothesis: number) => Chances): Table {
  const lows = new Int32Array(hypotheses)
  const from = new Uint32Array(hypotheses + 1)
  const entropies = new Float64Array(hypotheses)
  let chances = new Float64Array(4 * hypotheses)
  let [low, high, size] = [Infinity, -Infinity, 0]
  for (let i = 0; i < hypotheses; i++) {
    const { low: least, of } = chancesOf(i)
    lows[i] = least
    low = Math.min(low, least)
    high = Math.max(high, least + of.length)
    if (size + of.length > chances.length) {
      const larger = new Float64Array(2 * chances.length + of.length)
      larger.set(chances)
      chances = larger
    }
    chances.set(of, size)
    entropies[i] = entropyOf(of)
    from[i + 1] = size += of.length
  }
  return { low, outcomes: high - low, lows, from, chances: chances.slice(0, size), entropies }
}

/** The chances of the outcomes of a table, whatever hypothesis holds. */
export function predictive(weights: Float64Array, table: Table): Float64Array {
  const { low, outcomes, lows, from, chances } = table
  const marginal = new Float64Array(outcomes)
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] as number
    if (weight === 0) continue
    const [begin, end] = [from[i] as number, from[i + 1] as number]
    const shift = (lows[i] as number) - low - begin
    for (let j = begin; j < end; j++)
      marginal[j + shift] = (marginal[j + shift] as number) + weight * (chances[j] as number)
  }
  return marginal
}

/** The information that the outcome is expected to give about the hypothesis: H(outcome) - H(outcome | hypothesis). */
export function informationGain(weights: Float64Array, table: Table): number {
  let gain = entropyOf(predictive(weights, table))
  for (let i = 0; i < weights.length; i++) gain -= (weights[i] as number) * (table.entropies[i] as number)
  return Math.max(0, gain)
}

/** The weights of the hypotheses after an outcome (Bayes); as they were after one that none of them allows. */
export function posterior(weights: Float64Array, table: Table, outcome: number): Float64Array {
  const next = new Float64Array(weights.length)
  let sum = 0
  for (let i = 0; i < weights.length; i++) {
    const weight = (weights[i] as number) * chanceOf(table, i, outcome)
    next[i] = weight
    sum += weight
  }
  if (sum === 0) return weights
  for (let i = 0; i < next.length; i++) {
    const weight = (next[i] as number) / sum
    next[i] = weight < NEGLIGIBLE ? 0 : weight
  }
  return next
}

/** Weights below it are none: less than the rounding of a sum that they would be part of. */
const NEGLIGIBLE = 1e-18

/** The chance of an outcome under a hypothesis. */
export function chanceOf({ lows, from, chances }: Table, hypothesis: number, outcome: number): number {
  const at = outcome - (lows[hypothesis] as number)
  const begin = from[hypothesis] as number
  return at < 0 || at >= (from[hypothesis + 1] as number) - begin ? 0 : (chances[begin + at] as number)
}

/** Entropy of weights that add up to 1, in nats. */
export function entropyOf(weights: ArrayLike<number>): number {
  let entropy = 0
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] as number
    if (weight > 0) entropy -= weight * Math.log(weight)
  }
  return entropy
}

/** A density (up to a factor) at the middles of equal cells. */
export function densityGrid(density: (value: number) => number, from: number, to: number, cells: number): Grid {
  const values = Array.from({ length: cells }, (_, i) => from + ((to - from) * (i + 0.5)) / cells)
  return { values, weights: normalized(values.map(density)) }
}

/** A normal distribution at equal distances, up to `reach` standard deviations to both sides. @default reach 3 */
export function normalGrid(mean: number, sd: number, points: number, reach = 3): Grid {
  const steps = Array.from({ length: points }, (_, i) => (points === 1 ? 0 : reach * ((2 * i) / (points - 1) - 1)))
  return { values: steps.map((z) => mean + sd * z), weights: normalized(steps.map((z) => Math.exp((-z * z) / 2))) }
}

/** A normal distribution at three points, with its own moments up to the fifth (Gauss and Hermite). */
export function threePoints(mean: number, sd: number): Grid {
  const far = Math.sqrt(3) * sd
  return { values: [mean - far, mean, mean + far], weights: [1 / 6, 2 / 3, 1 / 6] }
}

/** All combinations of independent values: their number, the values of each, and its weight. */
export function product(grids: readonly Grid[]): {
  readonly count: number
  readonly at: (hypothesis: number) => number[]
  readonly weights: Float64Array
} {
  const count = grids.reduce((all, { values }) => all * values.length, 1)
  const weights = new Float64Array(count).fill(1)
  let stride = 1
  for (const grid of grids) {
    const size = grid.values.length
    for (let i = 0; i < count; i++)
      weights[i] = (weights[i] as number) * (grid.weights[Math.floor(i / stride) % size] as number)
    stride *= size
  }
  const at = (hypothesis: number): number[] => {
    let rest = hypothesis
    return grids.map(({ values }) => {
      const value = values[rest % values.length] as number
      rest = Math.floor(rest / values.length)
      return value
    })
  }
  return { count, at, weights }
}

/** The same, so that they add up to 1. */
export function normalized(weights: readonly number[]): number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0)
  return weights.map((weight) => weight / sum)
}

/** Readings of an instrument with normal noise, in whole steps of `resolution`: the density at each, up to 6 standard deviations off. */
export function normalReadings(mean: number, sd: number, resolution: number): Chances {
  const low = Math.ceil((mean - 6 * sd) / resolution)
  const high = Math.floor((mean + 6 * sd) / resolution)
  return chancesOf(low, high, (outcome) => {
    const z = (resolution * outcome - mean) / sd
    return Math.exp(-0.5 * z * z)
  })
}

/** Successes of `n` trials. */
export function binomial(n: number, chance: number): Chances {
  if (chance <= 0) return { low: 0, of: [1] }
  if (chance >= 1) return { low: n, of: [1] }
  const [yes, no] = [Math.log(chance), Math.log1p(-chance)]
  const all = logFactorial(n)
  return chancesOf(0, n, (k) => Math.exp(all - logFactorial(k) - logFactorial(n - k) + k * yes + (n - k) * no))
}

/** Counts at a rate, up to 7 standard deviations off. */
export function poisson(rate: number): Chances {
  const reach = 7 * Math.sqrt(rate) + 7
  const logRate = Math.log(rate)
  return chancesOf(Math.max(0, Math.floor(rate - reach)), Math.ceil(rate + reach), (count) =>
    Math.exp(count * logRate - rate - logFactorial(count)),
  )
}

/** Outcomes from one to another with these weights. */
function chancesOf(low: number, high: number, weightOf: (outcome: number) => number): Chances {
  const of = new Float64Array(high - low + 1)
  let sum = 0
  for (let i = 0; i < of.length; i++) sum += of[i] = weightOf(low + i)
  for (let i = 0; i < of.length; i++) of[i] = (of[i] as number) / sum
  return { low, of }
}

/** No or yes, as 0 or 1. */
export function bernoulli(chance: number): Chances {
  return { low: 0, of: [1 - chance, chance] }
}

const logFactorials = [0]

function logFactorial(n: number): number {
  for (let k = logFactorials.length; k <= n; k++) logFactorials.push((logFactorials[k - 1] as number) + Math.log(k))
  return logFactorials[n] as number
}

/** The standard normal distribution function, to 14 digits (Hart 1968, algorithm 5666, as given by West 2005, "Better approximations to cumulative normal functions"). */
export function normalCdf(z: number): number {
  const x = Math.abs(z)
  if (x > 7.07) return z < 0 ? 0 : 1
  let above = 3.52624965998911e-2 * x + 0.700383064443688
  above = above * x + 6.37396220353165
  above = above * x + 33.912866078383
  above = above * x + 112.079291497871
  above = above * x + 221.213596169931
  above = above * x + 220.206867912376
  let below = 8.83883476483184e-2 * x + 1.75566716318264
  below = below * x + 16.064177579207
  below = below * x + 86.7807322029461
  below = below * x + 296.564248779674
  below = below * x + 637.333633378831
  below = below * x + 793.826512519948
  below = below * x + 440.413735824752
  const tail = (Math.exp(-0.5 * x * x) * above) / below
  return z < 0 ? tail : 1 - tail
}

/** The logistic function. */
export function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x))
}
