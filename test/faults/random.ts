/** Randomness of a world: one stream from its seed, drawn in the order in which things happen. */
import { randomAt } from '../../src/kernel/clock.ts'

export interface Random {
  /** In [0, 1). */
  next(): number
  chance(p: number): boolean
  /** A whole number from `from` to `to`, both included. */
  int(from: number, to: number): number
  pick<T>(list: readonly T[]): T
}

export function createRandom(seed: number, stream: number): Random {
  let drawn = 0
  const next = (): number => randomAt(seed, stream, drawn++)
  return {
    next,
    chance: (p) => next() < p,
    int: (from, to) => from + Math.floor(next() * (to - from + 1)),
    pick: (list) => list[Math.floor(next() * list.length)] as (typeof list)[number],
  }
}
