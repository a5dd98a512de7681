/**
 * Facts in two times: when something held in the world, and when that was learned. The rule by which a fact ends another
 * one is Graphiti's (Rasmussen et al. 2025, "Zep: a temporal knowledge graph architecture for agent memory", section 2.2.3).
 *
 *     const { fact, ended } = admit({ validFrom: june, validTo: null }, contradicted, now)
 *     holds(fact, { at: july })
 *     holds(fact, { at: july, knownAt: may })
 *
 * Pure: times are ms since 1970, and an end is not part of its interval.
 *
 * Invariants
 *   TF1. Of facts that contradict one another at most those that begin at the same time hold at one time, in whatever order
 *        they came.
 *   TF2. A fact is never taken back: its earlier ends stay, with when they were learned, so what was known at a time can be
 *        asked for. (The release overwrites them.)
 */

/** When a fact holds. */
export interface Interval {
  readonly validFrom: number
  /** null: it still does. */
  readonly validTo: number | null
}

export interface TemporalFact extends Interval {
  readonly learnedAt: number
  /** The ends it had before, the first one first: each until the time at which a new one was learned. */
  readonly earlierEnds: readonly { readonly validTo: number | null; readonly until: number }[]
}

export interface AdmitOptions {
  /**
   * As in the release: a new fact whose end is known is not cut by one that begins later and contradicts it, so both hold.
   * @default false
   */
  readonly asPublished?: boolean
}

/** A new fact, and what becomes of those that it contradicts, at their places; undefined for those that stay as they are. */
export function admit<Known extends TemporalFact>(
  given: Interval,
  contradicted: readonly Known[],
  now: number,
  { asPublished = false }: AdmitOptions = {},
): { readonly fact: TemporalFact; readonly ended: readonly (Known | undefined)[] } {
  const fact: TemporalFact = { ...given, learnedAt: now, earlierEnds: [] }
  const later = contradicted.filter((one) => overlap(one, given) && one.validFrom > given.validFrom)
  const cut = later.reduce((first, one) => Math.min(first, one.validFrom), Infinity)
  const isCut = cut < Infinity && !(asPublished && given.validTo !== null)
  return {
    fact: isCut ? ended(fact, cut, now) : fact,
    ended: contradicted.map((one) =>
      overlap(one, given) && one.validFrom < given.validFrom ? ended(one, given.validFrom, now) : undefined,
    ),
  }
}

function ended<Known extends TemporalFact>(fact: Known, validTo: number, now: number): Known {
  return { ...fact, validTo, earlierEnds: [...fact.earlierEnds, { validTo: fact.validTo, until: now }] }
}

export function overlap(a: Interval, b: Interval): boolean {
  return a.validFrom < (b.validTo ?? Infinity) && b.validFrom < (a.validTo ?? Infinity)
}

/** Whether a fact held at a time, as it is known now or as it was known then. */
export function holds(
  { validFrom, validTo, learnedAt, earlierEnds }: TemporalFact,
  { at, knownAt = Infinity }: { readonly at: number; readonly knownAt?: number },
): boolean {
  if (learnedAt > knownAt) return false
  const then = earlierEnds.find(({ until }) => knownAt < until)
  const end = then === undefined ? validTo : then.validTo
  return validFrom <= at && at < (end ?? Infinity)
}
