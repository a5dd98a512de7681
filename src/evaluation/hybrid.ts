/**
 * Hybrid verification of candidates: tests that are run, and a verifier that only reads (Jain et al. 2025, "R2E-Gym").
 *
 *     const best = hybrid([{ regression: 12, tests: 3, verifier: 0.7 }, …])        // its place in the list
 *
 * Tests tell apart badly (many candidates pass the same ones); a verifier that reads is swayed by style. So the verifier
 * keeps the upper part, and the tests choose in it.
 */

/** What is known of one candidate. */
export interface Candidate {
  /** Tests of the repository that it passes. */
  readonly regression: number
  /** Tests that were written for the issue that it passes. */
  readonly tests: number
  /** The verifier's probability that it is right, 0 to 1. */
  readonly verifier: number
}

export type Verification = 'execution-based' | 'execution-free' | 'hybrid'

/**
 * The candidates that a way of verification cannot tell apart from the best, by their places; what it expects is the mean
 * over them. Execution-based: most regression tests passed, then most tests. Execution-free: the highest probability. Hybrid:
 * the max(3, floor(n / 2)) with the highest probability (ties: regression tests, then tests), of them by regression tests,
 * tests, and probability, in this order.
 */
export function chosen(candidates: readonly Candidate[], by: Verification = 'hybrid'): readonly number[] {
  const all = candidates.map((_, i) => i)
  const best = (places: readonly number[], value: (candidate: Candidate) => number): readonly number[] => {
    const most = Math.max(...places.map((i) => value(candidates[i] as Candidate)))
    return places.filter((i) => value(candidates[i] as Candidate) === most)
  }
  const executed = (places: readonly number[]): readonly number[] =>
    best(
      best(places, (one) => one.regression),
      (one) => one.tests,
    )
  const probability = (one: Candidate): number => one.verifier
  if (candidates.length === 0) return []
  if (by === 'execution-based') return executed(all)
  if (by === 'execution-free') return best(all, probability)
  const order = all.toSorted((i, j) => {
    const [a, b] = [candidates[i] as Candidate, candidates[j] as Candidate]
    return b.verifier - a.verifier || b.regression - a.regression || b.tests - a.tests || i - j
  })
  return best(executed(order.slice(0, Math.max(3, Math.floor(candidates.length / 2)))), probability)
}

/** The first of them; undefined where there is no candidate. */
export function hybrid(candidates: readonly Candidate[]): number | undefined {
  return chosen(candidates).toSorted((a, b) => a - b)[0]
}
