/**
 * Plan costs: how far a sequence of actions is like plans that worked, as numbers for A* (ToolChain*, Zhuang et al. 2023,
 * "ToolChain*: efficient action space navigation in large language models with A* search", section 3).
 *
 *     costSoFar(path, shares, memory) + costToGo(path, memory, imagined)      // f = g + h
 *
 * g adds (1 - g1)^α (1 - g2)^(1 - α) for each action: g1 how far the path up to it is a common subsequence with a remembered
 * plan, g2 how often the model proposed it. h is (1 - h1)^β (1 - h2)^(1 - β): h1 how late the last action comes in remembered
 * plans, h2 how much of the plan that the model imagines lies behind. Nothing bounds h from above by what is truly left, so the
 * first goal found need not be the cheapest; `best-path.ts` with an honest bound is exact (experiment P1).
 *
 * The details of h1 for actions that no plan holds are not verified: here it is the value of the nearest known name times how
 * near that is.
 *
 * Invariant
 *   PC1. Each cost is in 0..1, so no edge is negative.
 */

/** Names of actions, in order. */
export type Plan = readonly string[]

/** Length of the longest common subsequence. */
export function commonLength(a: Plan, b: Plan): number {
  let row = Array.from({ length: b.length + 1 }, () => 0)
  for (const one of a) {
    const next = [0]
    for (const [j, other] of b.entries())
      next.push(one === other ? (row[j] as number) + 1 : Math.max(next[j] as number, row[j + 1] as number))
    row = next
  }
  return row.at(-1) as number
}

/** g1: the best share of a remembered plan, or of the path, that is common to both. 0 where nothing is remembered. */
export function likeness(path: Plan, memory: readonly Plan[]): number {
  return Math.max(
    0,
    ...memory.map((plan) => commonLength(path, plan) / Math.max(1, Math.min(path.length, plan.length))),
  )
}

/** What the path cost. `shares[i]`: how often action i was proposed, 0 to 1. */
export function costSoFar(path: Plan, shares: readonly number[], memory: readonly Plan[], alpha = 0.5): number {
  let cost = 0
  for (let i = 0; i < path.length; i++) cost += stepCost(path.slice(0, i + 1), shares[i] ?? 0, memory, alpha)
  return cost
}

/** What the last action of the path cost. */
export function stepCost(path: Plan, share: number, memory: readonly Plan[], alpha = 0.5): number {
  return (1 - likeness(path, memory)) ** alpha * (1 - share) ** (1 - alpha)
}

/** What is guessed to be left. `imagined`: the length of a whole plan, as the model imagines it from here. */
export function costToGo(path: Plan, memory: readonly Plan[], imagined: number, beta = 0.5): number {
  const behind = Math.min(1, path.length / Math.max(1, imagined))
  return (1 - lateness(path.at(-1), memory)) ** beta * (1 - behind) ** (1 - beta)
}

/** h1: where in remembered plans the action stands on average, 1 at their end. */
export function lateness(action: string | undefined, memory: readonly Plan[]): number {
  if (action === undefined) return 0
  const places = memory.flatMap((plan) => {
    const at = plan.lastIndexOf(action)
    return at < 0 ? [] : [(at + 1) / plan.length]
  })
  if (places.length > 0) return places.reduce((sum, place) => sum + place, 0) / places.length
  let [nearest, likeness] = ['', 0]
  for (const name of new Set(memory.flat())) {
    const near = nameLikeness(name, action)
    if (near > likeness) [nearest, likeness] = [name, near]
  }
  return likeness === 0 ? 0 : likeness * lateness(nearest, memory)
}

/** How far two names share their pairs of letters (Dice 1945), 0 to 1. */
export function nameLikeness(a: string, b: string): number {
  const pairs = (name: string) => new Set(Array.from({ length: name.length - 1 }, (_, i) => name.slice(i, i + 2)))
  const [left, right] = [pairs(a.toLowerCase()), pairs(b.toLowerCase())]
  const common = [...left].filter((pair) => right.has(pair)).length
  return left.size + right.size === 0 ? 0 : (2 * common) / (left.size + right.size)
}
