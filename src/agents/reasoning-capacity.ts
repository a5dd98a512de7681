/**
 * Reasoning capacity of a team of agents: how much of what it is asked comes out of it, and which part holds it back (Pezeshkpour
 * et al. 2024, "Reasoning capacity in multi-agent systems: limitations, challenges and human-centered solutions").
 *
 *     reasoningCapacity(observed, best)               // I(Y; X) of the team over that of the best one, 0 to 1
 *     bottleneck([{ part: 'planner', observed: … }, …])   // whose replacement by an oracle gains the most
 *
 * Mutual information is estimated from counts of pairs (the plug-in estimate), in bits. It is biased upwards by about
 * (|X| - 1)(|Y| - 1) / (2 N ln 2), which matters for few runs and many outcomes.
 *
 * The measure of the paper is given without a way to estimate it; this is ours.
 */

/** One run: what was asked, and what came out, as words that are compared. */
export type Pair = readonly [asked: string, answered: string]

/** I(X; Y) in bits, from counts. 0 where there is nothing. */
export function mutualInformation(pairs: readonly Pair[]): number {
  const total = pairs.length
  const joint = new Map<string, Map<string, number>>()
  const answers = new Map<string, number>()
  for (const [x, y] of pairs) {
    let row = joint.get(x)
    if (row === undefined) joint.set(x, (row = new Map()))
    row.set(y, (row.get(y) ?? 0) + 1)
    answers.set(y, (answers.get(y) ?? 0) + 1)
  }
  let bits = 0
  for (const row of joint.values()) {
    const asked = [...row.values()].reduce((sum, n) => sum + n, 0)
    for (const [y, n] of row) bits += (n / total) * Math.log2((n * total) / (asked * (answers.get(y) as number)))
  }
  return bits
}

/** RC = I of the team over I of the best team there is, as far as it was run. @param best runs of that; the team's own count too */
export function reasoningCapacity(team: readonly Pair[], best: readonly Pair[]): number {
  const own = mutualInformation(team)
  const most = Math.max(own, mutualInformation(best))
  return most === 0 ? 0 : own / most
}

/** The team with one of its parts replaced by an oracle. */
export interface Replaced {
  readonly part: string
  readonly observed: readonly Pair[]
}

/** What each replacement gains in bits, the largest first: the first part is the bottleneck. */
export function bottleneck(
  team: readonly Pair[],
  replaced: readonly Replaced[],
): { readonly part: string; readonly gain: number }[] {
  const own = mutualInformation(team)
  return replaced
    .map(({ part, observed }) => ({ part, gain: mutualInformation(observed) - own }))
    .toSorted((a, b) => b.gain - a.gain)
}
