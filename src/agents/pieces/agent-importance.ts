/**
 * Agent importance: how much each agent of a layered net has to do with its answer, from the last layer backwards.
 *
 *     const importance = agentImportance(layers, (node) => node.answer === final)     // per layer, one number for each node
 *     mostImportant(tasks, 3)                                                         // over tasks: whom to keep
 *
 * DyLAN (Liu et al. 2024, "A dynamic LLM-powered agent network for task-oriented agent collaboration", section 3.2): in the last
 * layer those who gave the answer share 1 evenly; before, an agent has what its successors have, by the weights that they gave it.
 *
 * Invariants
 *   IM1. Every layer sums to 1, up to rounding.
 *   IM2. The weights of a node over the layer before it sum to 1 (`edgeWeights`).
 */

/** One agent in one layer. */
export interface NetNode {
  readonly agent: number
  /** Its weight for each node of the layer before, in the order of that layer; nothing in the first. Sums to 1. */
  readonly weights: readonly number[]
}

/** The largest rating that can be given. */
const RATING_MAX = 5

/**
 * Ratings of 1 to 5 as weights that sum to 1: clipped, then divided by their sum. Even weights where nothing can be read from
 * them: no list, one of another length, or nothing above 0.
 */
export function edgeWeights(ratings: readonly number[] | undefined, count: number): number[] {
  const isRead = ratings?.length === count && ratings.every((rating) => Number.isFinite(rating))
  const clipped = isRead ? ratings.map((rating) => Math.min(1, Math.max(0, rating / RATING_MAX))) : []
  const total = clipped.reduce((sum, weight) => sum + weight, 0)
  return total > 0 ? clipped.map((weight) => weight / total) : Array.from({ length: count }, () => 1 / count)
}

/** The importance of every node, by layer and in the order of the layer. @param isFinal whether a node of the last layer gave the answer */
export function agentImportance<Node extends NetNode>(
  layers: readonly (readonly Node[])[],
  isFinal: (node: Node) => boolean,
): readonly (readonly number[])[] {
  const last = layers.at(-1) ?? []
  const agreed = last.filter(isFinal).length
  const found: (readonly number[])[] = [last.map((node) => (isFinal(node) ? 1 / agreed : 0))]
  for (let at = layers.length - 2; at >= 0; at--) {
    const [after, worth] = [layers[at + 1] as readonly Node[], found[0] as readonly number[]]
    const own = (layers[at] as readonly Node[]).map((_, i) =>
      after.reduce((sum, { weights }, j) => sum + (weights[i] ?? 0) * (worth[j] as number), 0),
    )
    found.unshift(own)
  }
  return found
}

/** The importance of each of so many agents in one task: its nodes' summed over the layers. */
export function byAgent(
  layers: readonly (readonly NetNode[])[],
  importance: readonly (readonly number[])[],
  agents: number,
): number[] {
  const sums = Array.from({ length: agents }, () => 0)
  for (const [at, layer] of layers.entries())
    for (const [i, { agent }] of layer.entries())
      sums[agent] = (sums[agent] as number) + (importance[at]?.[i] as number)
  return sums
}

/** The `k` agents with the largest mean over tasks, best first; of equal ones the first. @param tasks importances by agent */
export function mostImportant(tasks: readonly (readonly number[])[], k: number): number[] {
  const agents = tasks[0]?.length ?? 0
  const totals = Array.from({ length: agents }, (_, agent) =>
    tasks.reduce((sum, one) => sum + (one[agent] as number), 0),
  )
  return totals
    .map((total, agent) => ({ total, agent }))
    .toSorted((a, b) => b.total - a.total)
    .slice(0, k)
    .map(({ agent }) => agent)
}
