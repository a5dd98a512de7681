/** What an experiment is: a claim with a number, and the run that measures it. `node bench/experiments.ts` prints them all. */
import { boot as bootKernel } from '../../src/boot.ts'
import { realClock } from '../../src/kernel/clock.ts'

export { normalOf as normal } from '../../src/agents/pieces/linear-thompson.ts'

/** A kernel whose programs draw the same numbers each time. */
export function boot(options: Parameters<typeof bootKernel>[0]): ReturnType<typeof bootKernel> {
  return bootKernel({ clock: realClock({ seed: 1 }), ...options })
}

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
  /** What was not at hand, and how to give it. This is then not what docs/papers.md has a row of, and `--write` leaves that row. */
  readonly lacks?: string
}
