/**
 * Making one order out of several (reciprocal rank fusion). Pure.
 *
 *     fuseRanks([['a', 'b'], ['b', 'c']], 1)                              // [['b', 1.5], ['a', 1], ['c', 0.5]]
 */

/**
 * Reciprocal rank fusion (Cormack, Clarke and Buettcher 2009): a thing at place i of a list, from 0, gets 1 / (i + constant)
 * from it. Equal sums keep the order in which they were first seen.
 *
 * @param constant 1 in Graphiti, where the first place weighs much; 60 (61 from 0) in the paper.
 */
export function fuseRanks(
  lists: readonly (readonly string[])[],
  constant = 1,
): (readonly [id: string, score: number])[] {
  const scores = new Map<string, number>()
  for (const list of lists)
    for (const [i, id] of list.entries()) scores.set(id, (scores.get(id) ?? 0) + 1 / (i + constant))
  return [...scores].sort((a, b) => b[1] - a[1])
}
