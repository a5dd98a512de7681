/**
 * A recipe tree, and-or: a thing to have, the things that it is made of, and so on down to what can be gathered (Zhu et al. 2023,
 * "Ghost in the Minecraft", section 3.1).
 *
 *     const tree = recipeTree({ item: 'lamp', count: 2 }, waysOf)      // AND: all that a way needs; OR: one way of several
 *     actionsOf(tree)                                                 // gather first, what needs it after
 *
 * Of several ways the one that gathers fewest pieces is taken. What a way makes beyond what was asked for is left over, and is used
 * before more is made. The tree is made once for each thing, so a thing that many need is decomposed once.
 *
 * Invariants
 *   SG1. What an action needs was gathered or made by actions before it, in full counts.
 *   SG2. A way that needs what it makes is not taken.
 */

export interface Need {
  readonly item: string
  readonly count: number
}

/** A way to make something: one turn of it takes `needs` and gives `count` pieces. */
export interface MakingWay {
  readonly item: string
  readonly count: number
  readonly needs: readonly Need[]
}

export interface SubGoal extends Need {
  /** How it is made; undefined: it is gathered. */
  readonly way: MakingWay | undefined
  /** How often. */
  readonly turns: number
  readonly below: readonly SubGoal[]
}

export type SubGoalAction =
  | { readonly do: 'gather'; readonly item: string; readonly count: number }
  | { readonly do: 'make'; readonly item: string; readonly way: MakingWay }

/** The ways to make a thing; none: it is gathered. */
export type WaysOf = (item: string) => readonly MakingWay[]

/** The tree below a goal, with what is left over taken into account in the order of its actions. Undefined where none of its ways comes to an end. */
export function recipeTree(
  goal: Need,
  waysOf: WaysOf,
  have: ReadonlyMap<string, number> = new Map(),
): SubGoal | undefined {
  const best = cheapestWays(goal.item, waysOf)
  if (best === undefined) return undefined
  const left = new Map(have)
  const decompose = ({ item, count }: Need): SubGoal => {
    const used = Math.min(count, left.get(item) ?? 0)
    left.set(item, (left.get(item) ?? 0) - used)
    const missing = count - used
    const way = best.get(item)?.way
    if (missing === 0 || way === undefined) return { item, count: missing, way: undefined, turns: 0, below: [] }
    const turns = Math.ceil(missing / way.count)
    // What is made in the most steps first, so that what it leaves over is there for the others.
    const needs = way.needs.toSorted((a, b) => (best.get(b.item)?.depth ?? 0) - (best.get(a.item)?.depth ?? 0))
    const below = needs.map((need) => decompose({ item: need.item, count: need.count * turns }))
    left.set(item, (left.get(item) ?? 0) + turns * way.count - missing)
    return { item, count: missing, way, turns, below }
  }
  return decompose(goal)
}

/** What is to be done for a tree, in order: below first. */
export function actionsOf({ item, count, way, turns, below }: SubGoal): SubGoalAction[] {
  if (way === undefined) return count === 0 ? [] : [{ do: 'gather', item, count }]
  const making = Array.from({ length: turns }, (): SubGoalAction => ({ do: 'make', item, way }))
  return [...below.flatMap(actionsOf), ...making]
}

/** Pieces to gather for a tree, by thing. */
export function gathered(tree: SubGoal): Map<string, number> {
  const counts = new Map<string, number>()
  for (const action of actionsOf(tree))
    if (action.do === 'gather') counts.set(action.item, (counts.get(action.item) ?? 0) + action.count)
  return counts
}

interface Cheapest {
  readonly way: MakingWay | undefined
  /** Pieces gathered for one piece of it, without regard to what is left over. */
  readonly pieces: number
  readonly depth: number
}

/** For everything that the goal may need: its way with the fewest pieces. Ways are settled cheapest first, so circles fall out. */
function cheapestWays(goal: string, waysOf: WaysOf): ReadonlyMap<string, Cheapest> | undefined {
  const known = new Map<string, readonly MakingWay[]>()
  for (const open = [goal]; open.length > 0;) {
    const item = open.pop() as string
    if (known.has(item)) continue
    const ways = waysOf(item)
    known.set(item, ways)
    for (const { needs } of ways) for (const need of needs) open.push(need.item)
  }
  const best = new Map<string, Cheapest>()
  for (const [item, ways] of known) if (ways.length === 0) best.set(item, { way: undefined, pieces: 1, depth: 0 })
  for (let settled = true; settled;) {
    settled = false
    let next: (Cheapest & { readonly item: string }) | undefined
    for (const [item, ways] of known) {
      if (best.has(item)) continue
      for (const way of ways) {
        const needs = way.needs.map((need) => ({ of: best.get(need.item), count: need.count }))
        if (needs.some(({ of }) => of === undefined)) continue
        const pieces = needs.reduce((sum, { of, count }) => sum + (of as Cheapest).pieces * count, 0) / way.count
        const depth = 1 + Math.max(0, ...needs.map(({ of }) => (of as Cheapest).depth))
        if (next === undefined || pieces < next.pieces) next = { item, way, pieces, depth }
      }
    }
    if (next === undefined) break
    const { item, ...cheapest } = next
    best.set(item, cheapest)
    settled = !best.has(goal)
  }
  return best.has(goal) ? best : undefined
}
