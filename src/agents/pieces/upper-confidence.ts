/**
 * Upper confidence: how much a choice is worth that was tried so and so often. Each published form is one function of plain
 * numbers; searches and bandits take the largest.
 *
 *     ucb1({ mean: 0.6, visits: 3, parentVisits: 10 })            // 0.6 + √2 · √(ln 10 / 3)
 *     largest(children, (child) => armapUct({ value: child.best, visits: child.visits, parentVisits }))
 *
 * `N` is how often the parent was visited, `n` how often the choice was. What was never visited comes first where a form divides
 * by n; forms with 1 + n do without.
 */

export interface Tried {
  /** Mean of the rewards, or what a form says instead. */
  readonly value: number
  readonly visits: number
  readonly parentVisits: number
}

/** Auer et al. 2002, "Finite-time analysis of the multiarmed bandit problem", section 2: Q + c √(ln N / n). @default c √2 */
export function ucb1({ value, visits, parentVisits }: Tried, weight: number = Math.SQRT2): number {
  return visits === 0 ? Infinity : value + weight * Math.sqrt(Math.log(Math.max(1, parentVisits)) / visits)
}

/** Of ARMAP's release (Chen et al. 2025): the weight of the unknown. */
export const ARMAP_WEIGHT = 6.364
/** Of the same release: where the weight of `varPuct` begins to grow. */
export const ARMAP_BASE = 50

/** ARMAP, `uct`: Q + 6.364 √(ln N) / (1 + n); Q is the largest return found below. */
export function armapUct({ value, visits, parentVisits }: Tried, weight = ARMAP_WEIGHT): number {
  return value + (weight * Math.sqrt(Math.log(Math.max(1, parentVisits)))) / (1 + visits)
}

/** ARMAP, `p_uct`: the same, with the unknown weighed by how likely the policy finds the action, 0 to 1. */
export function armapPuct(tried: Tried, prior: number, weight = ARMAP_WEIGHT): number {
  return armapUct(tried, weight * prior)
}

/** ARMAP, `var_p_uct`: the weight grows with the visits of the parent, by ln((N + 50 + 1) / 50). */
export function armapVarPuct(tried: Tried, prior: number, weight = ARMAP_WEIGHT, base = ARMAP_BASE): number {
  return armapPuct(tried, prior, weight + Math.log((tried.parentVisits + base + 1) / base))
}

/** Of HALO's release (Hou et al. 2025): the weight of the unknown. */
export const HALO_WEIGHT = 1.4

/**
 * HALO: value / visits + 1.4 √(ln N / n), where the release keeps a mean as the value and so divides twice. The corrected form
 * takes the mean as it is; `asPublished` divides.
 */
export function haloUcb(tried: Tried, { asPublished = false, weight = HALO_WEIGHT } = {}): number {
  const { value, visits } = tried
  return ucb1(asPublished && visits > 0 ? { ...tried, value: value / visits } : tried, weight)
}

/** What an agent of MASTER says of itself, and what came back from below it. */
export interface Assessed {
  /** What it was given at first, 0 to 1. */
  readonly reward: number
  /** How sure that was, 0 to 1. */
  readonly confidence: number
  /** Mean of the rewards that came back; none before the first. */
  readonly back: number | undefined
  readonly visits: number
  readonly parentVisits: number
}

/**
 * MASTER (Gan et al. 2025): value + 1 / (10 c0) · √(ln N / n): who is sure is explored less. Two readings of its value are found
 * in notes on the paper, neither verified: `blend` weighs first reward and what came back by confidence, c0 r0 + (1 - c0) mean;
 * `replace` takes the mean as soon as there is one. @default 'blend'
 */
export function masterUct(
  { reward, confidence, back, visits, parentVisits }: Assessed,
  reading: 'blend' | 'replace' = 'blend',
): number {
  const sure = Math.max(CONFIDENCE_MIN, Math.min(1, confidence))
  const blended = back === undefined ? reward : sure * reward + (1 - sure) * back
  const value = reading === 'blend' ? blended : (back ?? reward)
  return value + (1 / (10 * sure)) * Math.sqrt(Math.log(Math.max(1, parentVisits)) / Math.max(1, visits))
}

/** Whoever is not sure at all is explored as one who is a little: the form divides by it. */
const CONFIDENCE_MIN = 0.01
