/** What an experiment is: a claim with a number, and the run that measures it. `node bench/experiments.ts` prints them all. */

export interface Experiment {
  readonly id: string
  /** What is planted, in a few words. */
  readonly what: string
  /** What has to be reached. */
  readonly bar: string
  /** Seeds that the command runs it with. */
  readonly seeds: number
  /** Measures; `ok` only where every part of the bar is reached. */
  run(seeds: number): Measured | Promise<Measured>
}

export interface Measured {
  readonly measured: string
  readonly ok: boolean
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** A draw of the normal distribution with mean 0 and deviation 1, from two even ones (Box and Muller). */
export function normal(u: number, v: number): number {
  return Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v)
}
