/**
 * P7, algorithms made of model calls: counting, sorting and retrieval cut into blocks, by a simulated model that errs with a rate
 * that grows with the size of a block. What came out is held against the bounds of llm-algorithms.ts, the best block size against
 * a walk over all of them, and the tokens against a sum over the calls.
 */
import {
  bestBlock,
  blocksOf,
  countErrorBound,
  largestDifference,
  latencyOf,
  makespan,
  makespanBound,
  merged,
  retrievalFailureBound,
  tokensOf,
} from '../../src/agents/llm-algorithms.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import { normal, type Experiment } from './experiment.ts'

const SIZE = 2_000
const BLOCKS = [5, 20, 50, 125, 200, 500]
const WORKERS = [1, 4, 16]
/** A model that answers shortly, so that reading is what takes time. */
const TIMES = { systemTokens: 0, itemTokens: 4, answerTokens: 0, prefill: 1, decode: 10 }

/** Error of one call on a block of m items: its deviation grows with m, so that its share of m does too. */
const deviationAt = (m: number): number => 0.002 * m ** 1.25

function measure(seed: number) {
  let [checks, kept] = [0, 0]
  const hold = (isKept: boolean): void => {
    checks++
    if (isKept) kept++
  }
  const relative: number[] = []
  for (const [at, block] of BLOCKS.entries()) {
    let drawn = 0
    const draw = () => randomAt(seed, at, drawn++)
    const noise = (m: number) => Math.round(deviationAt(m) * normal(draw(), draw()))
    const blocks = blocksOf({ size: SIZE, block })
    // Counting: each block has its true count, and the model's.
    const truths = blocks.map((items) => Math.round(items * draw()))
    const told = truths.map((truth, i) => truth + noise(blocks[i] as number))
    const error = Math.abs(told.reduce((a, b) => a + b, 0) - truths.reduce((a, b) => a + b, 0))
    hold(error <= countErrorBound(told.map((one, i) => one - (truths[i] as number))))
    relative.push(error / SIZE)
    // Sorting: the model writes some numbers wrongly, within each block.
    const lists = blocks.map((items) => Array.from({ length: items }, () => Math.floor(draw() * 10_000)))
    const order = (a: number, b: number) => a - b
    const right = lists.map((list) => list.toSorted(order))
    const wrong = right.map((list) => list.map((value) => value + noise(list.length)).toSorted(order))
    const most = Math.max(...right.map((list, i) => largestDifference(list, wrong[i] as number[])))
    hold(largestDifference(right.reduce(merged, []), wrong.reduce(merged, [])) <= most)
    // Tokens and time: the formula against the sum over the calls.
    const split = { size: SIZE, block, systemTokens: 200, itemTokens: 4, answerTokens: 8 }
    hold(tokensOf(split) === blocks.reduce((sum, items) => sum + 200 + 8 + items * 4, 0))
    const times = blocks.map(() => 1 + Math.floor(draw() * 50))
    hold(WORKERS.every((workers) => makespan(times, workers) >= makespanBound(times, workers)))
  }
  return { checks, kept, relative }
}

/** How often retrieval fails, and its bound: the block with the answer misses it, another makes one up; the first answer that is not "I do not know" is taken. */
function retrieval(seeds: number, block: number) {
  const miss = Math.min(0.5, 0.0005 * block)
  const invention = 0.002
  const blocks = Math.ceil(SIZE / block)
  let failures = 0
  const tries = seeds * 20
  for (let i = 0; i < tries; i++) {
    const needle = Math.floor(randomAt(i, block, 0) * blocks)
    let answer: 'right' | 'wrong' | undefined
    for (let at = 0; at < blocks && answer === undefined; at++) {
      const luck = randomAt(i, block, 1 + at)
      if (at === needle ? luck >= miss : luck < invention) answer = at === needle ? 'right' : 'wrong'
    }
    if (answer !== 'right') failures++
  }
  const rate = failures / tries
  const bound = retrievalFailureBound(
    miss,
    Array.from({ length: blocks - 1 }, () => invention),
  )
  return { rate, bound, isKept: rate <= bound + 3 * Math.sqrt((bound * (1 - bound)) / tries) }
}

export const p7: Experiment = {
  id: 'P7',
  what: 'counting, sorting and retrieval in blocks',
  bar: 'every error within its bound; the fastest block n/p ± 1 for p = 1, 4, 16; tokens exact',
  seeds: 50,
  run(seeds) {
    const runs = Array.from({ length: seeds }, (_, seed) => measure(seed))
    const [checks, kept] = [
      runs.reduce((sum, run) => sum + run.checks, 0),
      runs.reduce((sum, run) => sum + run.kept, 0),
    ]
    const relative = BLOCKS.map((_, at) => runs.reduce((sum, run) => sum + (run.relative[at] as number), 0) / seeds)
    const fastest = WORKERS.map((workers) => {
      let [best, least] = [0, Infinity]
      for (let block = 1; block <= SIZE; block++) {
        const time = latencyOf({ ...TIMES, size: SIZE, block }, workers)
        if (time <= least) [best, least] = [block, time]
      }
      return { found: bestBlock({ ...TIMES, size: SIZE }, workers), walked: best, expected: SIZE / workers }
    })
    const isFastest = fastest.every(
      ({ found, walked, expected }) => found === walked && Math.abs(found - expected) <= 1,
    )
    const searches = [20, 125, 500].map((block) => retrieval(seeds, block))
    const inBound = searches.filter(({ isKept }) => isKept).length
    return {
      measured: `${kept} of ${checks} within bounds, retrieval ${inBound} of ${searches.length} (${searches.map(({ rate, bound }) => `${rate.toFixed(3)} ≤ ${bound.toFixed(3)}`).join(', ')}); fastest ${fastest.map(({ found }) => found).join(', ')}; mean count error ${relative.at(-1)?.toFixed(4)} of n at m = ${BLOCKS.at(-1)}, ${relative[0]?.toFixed(4)} at ${BLOCKS[0]}`,
      ok: kept === checks && inBound === searches.length && isFastest,
    }
  },
}
