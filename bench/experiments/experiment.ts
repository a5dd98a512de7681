/** What an experiment is: a claim with a number, and the run that measures it. `node bench/experiments.ts` prints them all. */
export { normalOf as normal } from '../../src/agents/pieces/linear-thompson.ts'

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
