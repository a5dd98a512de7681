/**
 * Statistics of evaluations: how sure a mean is, what several tries are worth, and whether one agent is better than another.
 * Pure functions of numbers; `null` where something is not defined, never 0.
 *
 *     estimate([1, 0, 1, 1], { clusters: ['a', 'a', 'b', 'c'] })     { mean: 0.75, stderr, interval, n: 4, clusters: 3 }
 *     passAtK(10, 3, 5)   passHatK(10, 3, 5)                          of ten tries three passed
 *     pairedDifference(a, b)                                          a minus b on the same questions
 *     paretoFront([{ cost: 1, score: 0.5 }, …])
 *
 * Sources: Miller 2024, "Adding error bars to evals" (arXiv:2411.00640), for clustered errors and paired differences; Chen et
 * al. 2021, "Evaluating large language models trained on code", for pass@k; Yao et al. 2024, "tau-bench", for pass^k.
 */
import { randomAt } from '../kernel/clock.ts'

/** A mean and how sure it is. */
export interface Estimate {
  /** null where there is no value. */
  readonly mean: number | null
  /** Standard error; null for fewer than two clusters. */
  readonly stderr: number | null
  /** Where the true mean lies, by Student's t with clusters - 1 degrees of freedom; null as `stderr`. */
  readonly interval: readonly [low: number, high: number] | null
  readonly n: number
  readonly clusters: number
}

export interface EstimateOptions {
  /** The cluster of each value, such as its template: values of one cluster are not independent. @default each its own */
  readonly clusters?: readonly string[]
  /** Of the interval. @default 0.95 */
  readonly level?: number
}

/**
 * The mean with its clustered standard error: the square root of the sum over clusters of the squared sums of deviations,
 * over n (Miller 2024, equation 4), times sqrt(C / (C - 1)) for finitely many clusters. With every value its own cluster
 * that is the usual standard error.
 */
export function estimate(values: readonly number[], { clusters, level = 0.95 }: EstimateOptions = {}): Estimate {
  const n = values.length
  if (n === 0) return { mean: null, stderr: null, interval: null, n, clusters: 0 }
  const mean = values.reduce((sum, value) => sum + value, 0) / n
  const deviations = [
    ...sumsByCluster(
      values.map((value) => value - mean),
      clusters,
    ).values(),
  ]
  const c = deviations.length
  if (c < 2) return { mean, stderr: null, interval: null, n, clusters: c }
  const squares = deviations.reduce((sum, deviation) => sum + deviation * deviation, 0)
  const stderr = Math.sqrt((squares * c) / (c - 1)) / n
  const half = studentQuantile((1 + level) / 2, c - 1) * stderr
  return { mean, stderr, interval: [mean - half, mean + half], n, clusters: c }
}

function sumsByCluster(values: readonly number[], clusters: readonly string[] | undefined): Map<string, number> {
  const sums = new Map<string, number>()
  for (const [i, value] of values.entries()) {
    const cluster = clusters?.[i] ?? ` ${i}`
    sums.set(cluster, (sums.get(cluster) ?? 0) + value)
  }
  return sums
}

/** Wilson's interval of a share (Wilson 1927): for few tries, and shares near 0 and 1. */
export function wilson(passed: number, n: number, level = 0.95): readonly [low: number, high: number] | null {
  if (n === 0) return null
  const z = normalQuantile((1 + level) / 2)
  const [p, zz] = [passed / n, (z * z) / n]
  const [middle, half] = [p + zz / 2, z * Math.sqrt((p * (1 - p)) / n + zz / (4 * n))]
  return [Math.max(0, (middle - half) / (1 + zz)), Math.min(1, (middle + half) / (1 + zz))]
}

/** The chance that of k tries at least one passes, unbiased, from n tries of which c passed: 1 - C(n-c, k) / C(n, k). null for n < k. */
export function passAtK(n: number, c: number, k: number): number | null {
  if (n < k || k < 1) return null
  if (n - c < k) return 1
  let fail = 1
  for (let i = n - c + 1; i <= n; i++) fail *= 1 - k / i
  return 1 - fail
}

/** The chance that all of k tries pass, unbiased: C(c, k) / C(n, k). null for n < k. */
export function passHatK(n: number, c: number, k: number): number | null {
  if (n < k || k < 1) return null
  let all = 1
  for (let i = 0; i < k; i++) all *= Math.max(0, c - i) / (n - i)
  return all
}

// --------------------------------------------------------------------------------------------------------- comparisons

/** How much better one is than another on the same questions. */
export interface Difference extends Estimate {
  /** Chance of a difference as large if there were none: sign flips of whole clusters, all of them or 10,000 drawn. */
  readonly p: number | null
  /** Of the two lists; null where one of them does not vary. */
  readonly correlation: number | null
  /** Questions on which the first did better, the second did better, and neither. */
  readonly better: number
  readonly worse: number
  readonly equal: number
}

/** Clusters up to which every combination of signs is looked at. */
const EXACT_MAX = 14
const FLIPS = 10_000

/** The first minus the second, pair by pair. `seed` is that of the drawn sign flips. */
export function pairedDifference(
  first: readonly number[],
  second: readonly number[],
  { clusters, level, seed = 0 }: EstimateOptions & { readonly seed?: number } = {},
): Difference {
  const differences = first.map((value, i) => value - (second[i] as number))
  const count = (is: (difference: number) => boolean): number => differences.filter(is).length
  return {
    ...estimate(differences, {
      ...(clusters === undefined ? {} : { clusters }),
      ...(level === undefined ? {} : { level }),
    }),
    p: flipped([...sumsByCluster(differences, clusters).values()], seed),
    correlation: correlationOf(first, second),
    better: count((one) => one > 0),
    worse: count((one) => one < 0),
    equal: count((one) => one === 0),
  }
}

function flipped(sums: readonly number[], seed: number): number | null {
  // A cluster without a difference has no sign.
  const moving = sums.filter((sum) => sum !== 0)
  if (sums.length === 0) return null
  const observed = Math.abs(moving.reduce((a, b) => a + b, 0)) - 1e-12
  const isExact = moving.length <= EXACT_MAX
  const rounds = isExact ? 2 ** moving.length : FLIPS
  let asLarge = 0
  for (let round = 0; round < rounds; round++) {
    let sum = 0
    for (const [i, one] of moving.entries())
      sum += (isExact ? (round >> i) & 1 : randomAt(seed, round, i) < 0.5) ? one : -one
    if (Math.abs(sum) >= observed) asLarge++
  }
  // The sample itself is one of the drawn ones (Phipson and Smyth 2010): p is never 0.
  return isExact ? asLarge / rounds : (asLarge + 1) / (rounds + 1)
}

function correlationOf(a: readonly number[], b: readonly number[]): number | null {
  // By the values, as the mean of equal ones may be off by its rounding.
  if ([a, b].some((list) => list.every((value) => value === list[0]))) return null
  const [ma, mb] = [meanOf(a), meanOf(b)]
  let [ab, aa, bb] = [0, 0, 0]
  for (const [i, x] of a.entries()) {
    const [dx, dy] = [x - ma, (b[i] as number) - mb]
    ab += dx * dy
    aa += dx * dx
    bb += dy * dy
  }
  return ab / Math.sqrt(aa * bb)
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Corrects p-values of several comparisons (Holm 1979), in their order. */
export function holm(pValues: readonly number[]): readonly number[] {
  const corrected: number[] = Array.from(pValues)
  let most = 0
  const order = pValues.map((_, i) => i).toSorted((a, b) => (pValues[a] as number) - (pValues[b] as number))
  for (const [rank, i] of order.entries()) {
    most = Math.max(most, Math.min(1, (pValues[i] as number) * (pValues.length - rank)))
    corrected[i] = most
  }
  return corrected
}

/** What something costs, and what it reaches. */
export interface CostAndScore {
  readonly cost: number
  readonly score: number
}

/**
 * Those that no other one beats at its cost or less, the cheapest first. `isOnHull` are those that also no mixture of two
 * others beats: who draws one of two agents by lot reaches every point on the line between them.
 */
export function paretoFront<Point extends CostAndScore>(
  points: readonly Point[],
): readonly (Point & { readonly isOnHull: boolean })[] {
  const front: Point[] = []
  for (const point of points.toSorted((a, b) => a.cost - b.cost || b.score - a.score))
    if (front.length === 0 || point.score > (front.at(-1) as Point).score || isSame(point, front.at(-1) as Point))
      front.push(point)
  const hull: Point[] = []
  for (const point of front) {
    while (hull.length >= 2 && isBelow(hull.at(-1) as Point, hull.at(-2) as Point, point)) hull.pop()
    hull.push(point)
  }
  return front.map((point) => ({ ...point, isOnHull: hull.some((one) => isSame(one, point)) }))
}

function isSame(a: CostAndScore, b: CostAndScore): boolean {
  return a.cost === b.cost && a.score === b.score
}

/** Whether a point lies on or below the line between two others. */
function isBelow(point: CostAndScore, from: CostAndScore, to: CostAndScore): boolean {
  return (point.score - from.score) * (to.cost - from.cost) <= (to.score - from.score) * (point.cost - from.cost)
}

// ------------------------------------------------------------------------------------------------------- distributions

/** Quantile of Student's t distribution, by bisection of its distribution function; p from 0.5 to 1. */
export function studentQuantile(p: number, degrees: number): number {
  let [low, high] = [0, 1]
  while (studentBelow(high, degrees) < p && high < 1e9) high *= 2
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2
    if (studentBelow(middle, degrees) < p) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** NIST Digital Library of Mathematical Functions, 8.17: P(T < t) = 1 - I_x(v/2, 1/2) / 2 with x = v / (v + t^2), for t >= 0. */
function studentBelow(t: number, degrees: number): number {
  return 1 - incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5) / 2
}

/** The regularised incomplete beta function, by its continued fraction (DLMF 8.17.22), evaluated as by Lentz (1976). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0
  if (x >= 1) return 1
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a)
  const front = Math.exp(a * Math.log(x) + b * Math.log(1 - x) + logGamma(a + b) - logGamma(a) - logGamma(b)) / a
  let [f, c, d] = [1, 1, 0]
  for (let m = 0; m <= 300; m++) {
    const k = m >> 1
    const numerator =
      m === 0
        ? 1
        : m % 2 === 0
          ? (k * (b - k) * x) / ((a + 2 * k - 1) * (a + 2 * k))
          : -((a + k) * (a + b + k) * x) / ((a + 2 * k) * (a + 2 * k + 1))
    d = 1 / notZero(1 + numerator * d)
    c = notZero(1 + numerator / c)
    f *= c * d
    if (Math.abs(1 - c * d) < 1e-15) break
  }
  return front * (f - 1)
}

function notZero(value: number): number {
  return Math.abs(value) < 1e-300 ? 1e-300 : value
}

/** Stirling's series (DLMF 5.11.1) from 10 on, below by the recurrence. */
function logGamma(x: number): number {
  if (x < 10) return logGamma(x + 1) - Math.log(x)
  const y = 1 / (x * x)
  const series = (1 / 12 - y * (1 / 360 - y * (1 / 1_260 - y * (1 / 1_680 - y / 1_188)))) / x
  return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series
}

/** Of the standard normal distribution, to six digits: Student's with very many degrees of freedom. */
function normalQuantile(p: number): number {
  return studentQuantile(p, 1e9)
}
