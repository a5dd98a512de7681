/**
 * Binary decision diagrams: Boolean functions as shared if-then-else nodes, so that equal functions are one number.
 *
 *     const bdd = createBdd(10_000, 1_000_000)
 *     const f = bdd.or(bdd.variable(0), bdd.not(bdd.variable(1)))
 *     bdd.high(f), bdd.low(f), bdd.level(f)        the node "if variable `level` then `high` else `low`"
 *
 * The monitor (monitor.ts) uses them twice: for guards over the atoms of an event, and for states, which are functions of
 * what the rest of the run still has to fulfil. Reduced and ordered as in Bryant 1986; no complement edges, no reordering.
 *
 * Invariants
 *   B1. Two functions are equal exactly when their numbers are: `FALSE` is 0, `TRUE` is 1.
 *   B2. On every path levels grow, so a variable is asked at most once.
 *   B3. Numbers depend only on the order of the calls: the same calls give the same numbers.
 *   B4. Nodes and work are bounded; what goes beyond throws `TooLarge`, and work is counted, not timed, so that the same
 *       formula is too large on every machine or on none.
 */

export const FALSE = 0
export const TRUE = 1

/** Level of the two constants: below every variable. */
const CONSTANT_LEVEL = 0x7fff_ffff

/** Numbers of nodes and levels are packed three in a key below 2^53. */
const NODE_LIMIT = 2 ** 20
const LEVEL_LIMIT = 2 ** 11

/** The formula needs more nodes or more work than it was given. */
export class TooLarge extends Error {}

/** What `make` makes; undefined where it is too large. */
export function unlessTooLarge<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch (error) {
    if (error instanceof TooLarge) return undefined
    throw error
  }
}

export interface Bdd {
  /** The function that is true where the variable of this level is. */
  readonly variable: (level: number) => number
  readonly not: (f: number) => number
  readonly and: (f: number, g: number) => number
  readonly or: (f: number, g: number) => number
  /** `if` then `then` else `otherwise`; the parts may be any functions. */
  readonly choose: (condition: number, then: number, otherwise: number) => number
  readonly level: (f: number) => number
  readonly high: (f: number) => number
  readonly low: (f: number) => number
  /** Counts work done outside against the same bound. */
  readonly spend: (work: number) => void
}

/** An empty set of diagrams that holds at most `nodesMax` nodes (2^20 at most) and does at most `workMax` steps. */
export function createBdd(nodesMax: number, workMax: number): Bdd {
  const levels = [CONSTANT_LEVEL, CONSTANT_LEVEL]
  const lows = [FALSE, TRUE]
  const highs = [FALSE, TRUE]
  const known = new Map<number, number>()
  const ands = new Map<number, number>()
  const nots = new Map<number, number>()
  let work = 0

  function spend(units: number): void {
    work += units
    if (work > workMax) throw new TooLarge(`more than ${workMax} steps of work`)
  }

  function node(level: number, low: number, high: number): number {
    if (low === high) return low
    const key = (level * NODE_LIMIT + low) * NODE_LIMIT + high
    const found = known.get(key)
    if (found !== undefined) return found
    if (levels.length >= Math.min(nodesMax, NODE_LIMIT) || level >= LEVEL_LIMIT)
      throw new TooLarge(`more than ${nodesMax} nodes`)
    known.set(key, levels.length)
    lows.push(low)
    highs.push(high)
    return levels.push(level) - 1
  }

  function not(f: number): number {
    if (f <= TRUE) return TRUE - f
    const found = nots.get(f)
    if (found !== undefined) return found
    spend(1)
    const result = node(levels[f] as number, not(lows[f] as number), not(highs[f] as number))
    nots.set(f, result)
    nots.set(result, f)
    return result
  }

  function and(f: number, g: number): number {
    if (f === FALSE || g === FALSE) return FALSE
    if (f === TRUE || f === g) return g
    if (g === TRUE) return f
    const key = f < g ? f * NODE_LIMIT + g : g * NODE_LIMIT + f
    const found = ands.get(key)
    if (found !== undefined) return found
    spend(1)
    const level = Math.min(levels[f] as number, levels[g] as number)
    const [fLow, fHigh] = levels[f] === level ? [lows[f] as number, highs[f] as number] : [f, f]
    const [gLow, gHigh] = levels[g] === level ? [lows[g] as number, highs[g] as number] : [g, g]
    const result = node(level, and(fLow, gLow), and(fHigh, gHigh))
    ands.set(key, result)
    return result
  }

  const or = (f: number, g: number): number => not(and(not(f), not(g)))

  return {
    variable: (level) => node(level, FALSE, TRUE),
    not,
    and,
    or,
    choose: (condition, then, otherwise) => or(and(condition, then), and(not(condition), otherwise)),
    level: (f) => levels[f] as number,
    high: (f) => highs[f] as number,
    low: (f) => lows[f] as number,
    spend,
  }
}
