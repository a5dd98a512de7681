/**
 * The least time in which a machine can have served a set of calls, whoever schedules them.
 *
 *     bound.add(job)                    // every call once, as any run asked for it
 *     bound.ms(alone, windows)          // the largest of the three bounds below
 *
 * A schedule is anything that runs on the machine of serving-machine.ts: it may know all calls beforehand.
 *
 * 1. Work. The machine computes one iteration after another, so the makespan is at least the sum of what all iterations
 *    take: a for each iteration, b for each token of a prompt, c for each token that is written, d for each token read.
 *    - Iterations: a call of n tokens takes part in at least n (its prompt's last chunk gives the first token, each other
 *      token has one of its own; n = 0 takes one), and at most S calls take part in one: at least ⌈Σ max(1, n) / S⌉.
 *    - Prompts: of a prompt of p tokens the first ⌊(p − 1) / 16⌋ blocks can come from the cache, the rest (1 to 16 tokens)
 *      is always computed. A block can be found only after it was computed once, as part of a prompt or of an answer. So
 *      Σ (p − 16 ⌊(p − 1) / 16⌋), and 16 for each distinct block among the first ones that is part of no answer.
 *    - Writing: c (n − 1) for each call, in any schedule.
 *    - Reading: the token t + 1 of a call reads p + t tokens in any schedule: d Σ Σ (p + t). What chunks read is left out.
 * 2. The longest agent. Its calls and pauses follow each other, each call takes at least what it takes alone with its
 *    prefix cached, and it comes no earlier than it comes: max (arrival + time alone). Alone, on the same machine, is
 *    what the serial baseline measures, agent by agent, on a memory that has every earlier prompt of the agent and the
 *    instructions that all share; but for the first agent, which is therefore left out.
 * 3. Rate windows. In any 60 s at most R calls are admitted, so the last of N not before (⌈N / R⌉ − 1) x 60 s; the same for
 *    tokens, which count at admission or after it. Then it takes its least time alone.
 */
import type { Job, MachineOptions } from '../../src/drivers/llm/serving-machine.ts'
import { BLOCK_TOKENS } from '../../src/drivers/llm/serving-machine.ts'

export interface Bound {
  add(job: Job): void
  readonly calls: number
  readonly outputTokens: number
  /** Prompt tokens that somebody has to compute. */
  readonly prefillTokens: number
  /** Bound 1, ms. */
  workMs(): number
}

export function workBound(machine: Omit<MachineOptions, 'clock'>): Bound {
  const asked = new Set<number>()
  const written = new Set<number>()
  let [calls, outputTokens, turns, tails, reads, writes] = [0, 0, 0, 0, 0, 0]
  const prefillTokens = (): number => {
    let blocks = 0
    for (const hash of asked) if (!written.has(hash)) blocks++
    return tails + blocks * BLOCK_TOKENS
  }
  return {
    add({ promptTokens: p, outputTokens: n, blocks }) {
      calls++
      outputTokens += n
      turns += Math.max(1, n)
      writes += Math.max(0, n - 1)
      reads += n > 1 ? (n - 1) * p + ((n - 1) * (n - 2)) / 2 : 0
      const cacheable = Math.floor((p - 1) / BLOCK_TOKENS)
      tails += p - cacheable * BLOCK_TOKENS
      // A block stands for all that is before it: where one is known, those before it are.
      for (let i = cacheable - 1; i >= 0 && !asked.has(blocks[i] as number); i--) asked.add(blocks[i] as number)
      for (let i = Math.floor(p / BLOCK_TOKENS); i < blocks.length; i++) written.add(blocks[i] as number)
    },
    get calls() {
      return calls
    },
    get outputTokens() {
      return outputTokens
    },
    get prefillTokens() {
      return prefillTokens()
    },
    workMs: () =>
      Math.ceil(turns / machine.sequencesMax) * machine.iterationMs +
      prefillTokens() * machine.prefillTokenMs +
      writes * machine.decodeSequenceMs +
      reads * (machine.contextTokenMs ?? 0),
  }
}

/** Bound 3: when the last of `amount` is admitted at the earliest, ms. */
export function windowBoundMs(amount: number, perMinute: number | undefined): number {
  return perMinute === undefined ? 0 : (Math.ceil(amount / perMinute) - 1) * 60_000
}
