/**
 * How alike two texts are, by the letters that have to be changed: 1 where none, 0 where all.
 *
 *     editSimilarity('Results', 'result')       // 6/7: one letter of seven is to be removed, case does not count
 *     mostAlike('Resluts', ['Method', 'Results'])   // { text: 'Results', similarity: .71 }
 */

/** 1 minus Levenshtein's distance over the longer length; 1 for two empty texts. Case and spaces at the ends do not count. */
export function editSimilarity(a: string, b: string): number {
  const [from, to] = [[...a.trim().toLowerCase()], [...b.trim().toLowerCase()]]
  let row = Array.from({ length: to.length + 1 }, (_, i) => i)
  for (const [i, sign] of from.entries()) {
    const next = [i + 1]
    for (const [j, other] of to.entries())
      next.push(
        Math.min((row[j] as number) + (sign === other ? 0 : 1), (row[j + 1] as number) + 1, (next[j] as number) + 1),
      )
    row = next
  }
  const longer = Math.max(from.length, to.length)
  return longer === 0 ? 1 : 1 - (row[to.length] as number) / longer
}

/** Of several the first that is most alike; undefined of none. */
export function mostAlike(
  text: string,
  others: readonly string[],
): { readonly text: string; readonly similarity: number } | undefined {
  const all = others.map((one) => ({ text: one, similarity: editSimilarity(text, one) }))
  return all.reduce<(typeof all)[number] | undefined>(
    (best, one) => (best === undefined || one.similarity > best.similarity ? one : best),
    undefined,
  )
}
