/**
 * LLM-based algorithms, predicted: what an algorithm made of model calls will cost, how long it will take and how wrong it may be
 * (Chen et al. 2024, "On the design and analysis of LLM-based algorithms").
 *
 *     const split = { size: 2_000, block: 125, systemTokens: 200, itemTokens: 4, answerTokens: 8 }
 *     tokensOf(split)                                   // ⌈n / m⌉ (L_sys + L_dec) + n t
 *     bestBlock({ ...split, workers: 16, latency })     // the block size with the least latency
 *
 * Problems of size n are cut into k = ⌈n / m⌉ blocks of at most m items, one call each, side by side on p workers, and what comes back is
 * joined without a model. Latency of a call is `prefill` for each token read and `decode` for each written, in the same unit.
 *
 * Bounds on what is wrong: of counts, the sum of the blocks' errors; of sorting with an exact merge, the largest error of a block;
 * of retrieval, the chance that the block with the answer misses it, and the chances that others make one up.
 */

export interface Split {
  /** Items of the problem, n. */
  readonly size: number
  /** Items of one call, m. */
  readonly block: number
  /** Tokens that every call begins with, L_sys. */
  readonly systemTokens: number
  /** Tokens of one item, t. */
  readonly itemTokens: number
  /** Tokens of an answer, L_dec. */
  readonly answerTokens: number
}

export interface CallTime {
  /** Of a token that is read. */
  readonly prefill: number
  /** Of a token that is written. */
  readonly decode: number
}

/** Items of each call: all but the last have `block`. */
export function blocksOf({ size, block }: Pick<Split, 'size' | 'block'>): number[] {
  const calls = Math.ceil(size / block)
  return Array.from({ length: calls }, (_, i) => Math.min(block, size - i * block))
}

/** Tokens of all calls: k (L_sys + L_dec) + n t. */
export function tokensOf({ size, block, systemTokens, itemTokens, answerTokens }: Split): number {
  return Math.ceil(size / block) * (systemTokens + answerTokens) + size * itemTokens
}

/** Time of one call of so many items. */
export function callTime(
  items: number,
  { systemTokens, itemTokens, answerTokens, prefill, decode }: Omit<Split, 'size' | 'block'> & CallTime,
): number {
  return prefill * (systemTokens + items * itemTokens) + decode * answerTokens
}

/** Time of calls on so many workers, each call given to whoever is free first, in order (list scheduling). */
export function makespan(times: readonly number[], workers: number): number {
  const free = Array.from({ length: Math.max(1, Math.min(workers, times.length)) }, () => 0)
  for (const time of times) {
    const first = free.indexOf(Math.min(...free))
    free[first] = (free[first] as number) + time
  }
  return Math.max(0, ...free)
}

/** No schedule is shorter: the longest chain of calls that wait for each other, and all work shared evenly. */
export function makespanBound(times: readonly number[], workers: number, longestChain = Math.max(0, ...times)): number {
  return Math.max(longestChain, times.reduce((sum, time) => sum + time, 0) / workers)
}

/** Latency of a split on so many workers. */
export function latencyOf(split: Split & CallTime, workers: number): number {
  return makespan(
    blocksOf(split).map((items) => callTime(items, split)),
    workers,
  )
}

/** The block size with the least latency, of equal ones the largest: it costs the fewest tokens. Near n / p where answers are short. */
export function bestBlock(split: Omit<Split, 'block'> & CallTime, workers: number): number {
  let [best, least] = [split.size, Infinity]
  for (let block = split.size; block >= 1; block--) {
    const calls = Math.ceil(split.size / block)
    // All calls of a round take as long as a full one; only sizes that change the number of calls or rounds need be looked at.
    const rounds = Math.ceil(calls / workers)
    const latency = rounds * callTime(block, split)
    if (latency < least) [best, least] = [block, latency]
  }
  return best
}

/** Largest error of a count that is the sum of counts. */
export function countErrorBound(errors: readonly number[]): number {
  return errors.reduce((sum, error) => sum + Math.abs(error), 0)
}

/** Largest difference between two lists of numbers in order, place by place. */
export function largestDifference(a: readonly number[], b: readonly number[]): number {
  return Math.max(0, ...a.map((value, i) => Math.abs(value - (b[i] ?? Infinity))))
}

/** Two sorted lists as one; with exact comparison the largest error does not grow. */
export function merged(a: readonly number[], b: readonly number[]): number[] {
  const all: number[] = []
  for (let i = 0, j = 0; i < a.length || j < b.length;)
    all.push(
      j >= b.length || (i < a.length && (a[i] as number) <= (b[j] as number)) ? (a[i++] as number) : (b[j++] as number),
    )
  return all
}

/** Times that an answer goes through a merge by a model: in pairs, or one after another. */
export function mergeLevels(blocks: number, order: 'hierarchical' | 'incremental'): number {
  return order === 'hierarchical' ? Math.ceil(Math.log2(Math.max(1, blocks))) : Math.max(0, blocks - 1)
}

/** Chance that a question to all blocks is answered wrongly, at most. */
export function retrievalFailureBound(miss: number, inventions: readonly number[]): number {
  return Math.min(1, miss + inventions.reduce((sum, chance) => sum + chance, 0))
}
