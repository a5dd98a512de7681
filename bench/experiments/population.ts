/**
 * Simulated workers with planted skill, for experiments on teams: what a team does with answers, without a model.
 *
 * A question has a difficulty d of the normal distribution with deviation `sigma`, and a worker of skill θ answers it right with
 * 1 / (1 + e^(d - θ)). With sigma 0 workers err independently, and the closed forms hold; with sigma 2 they err together, as
 * recorded models do (their answers to GSM8K correlate by .3 to .5: experiment C13), and most gains of voting vanish. An
 * experiment on teams shows both.
 *
 * Answer 0 is right, 1 to `wrong` are not; no worker knows that. Every draw is a function of its keys, so the order of calls
 * changes nothing.
 */
import { randomAt } from '../../src/kernel/clock.ts'
import { normal } from './experiment.ts'

/** A draw in [0, 1) that belongs to these numbers. */
export function keyed(seed: number, ...keys: readonly number[]): number {
  let at = seed
  for (const key of keys.slice(0, -1)) at = Math.floor(randomAt(at, key, 1) * 2 ** 32)
  return randomAt(at, keys.at(-1) ?? 0, 0)
}

export function difficulty(seed: number, question: number, sigma: number): number {
  return sigma === 0 ? 0 : sigma * normal(keyed(seed, question, 1), keyed(seed, question, 2))
}

export function chance(theta: number, d: number): number {
  return 1 / (1 + Math.exp(d - theta))
}

/** The skill that is right with p over all questions. By the trapezoidal rule and bisection. */
export function skillOf(p: number, sigma: number): number {
  if (sigma === 0) return Math.log(p / (1 - p))
  const over = (theta: number): number => {
    let [sum, weight] = [0, 0]
    for (let z = -6; z <= 6; z += 0.02) {
      const density = Math.exp(-(z * z) / 2)
      sum += density * chance(theta, sigma * z)
      weight += density
    }
    return sum / weight
  }
  return whereReached(over, p, [-20, 20])
}

/** Where a rising function reaches a value between these ends, by bisection. */
export function whereReached(
  rising: (x: number) => number,
  value: number,
  [from, to]: readonly [number, number],
): number {
  let [low, high] = [from, to]
  for (let step = 0; step < 60; step++) {
    const mid = (low + high) / 2
    if (rising(mid) < value) low = mid
    else high = mid
  }
  return (low + high) / 2
}

/** An answer: right with this chance, else one of so many wrong ones; `popular`: the chance of the wrong one that many take. */
export function answered(right: number, wrong: number, u: number, v: number, popular = 0): number {
  if (u < right) return 0
  if (v < popular) return 1
  return 1 + Math.floor(((v - popular) / (1 - popular)) * wrong)
}

/** The chance of exactly k of n. */
export function binomial(n: number, k: number, p: number): number {
  let ways = 1
  for (let i = 0; i < k; i++) ways = (ways * (n - i)) / (i + 1)
  return ways * p ** k * (1 - p) ** (n - k)
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}
