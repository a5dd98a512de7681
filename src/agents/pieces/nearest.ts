/**
 * Nearest first: for each of some texts, the order in which others are near to it by the kernel's embedder.
 *
 *     const [order] = await nearestFirst(sys, [task], cards)       // places in `cards`, the nearest first
 *
 * Ties keep the given order. Vectors are brought to length 1, so that near is the cosine.
 */
import type { Sys } from '../../kernel/types.ts'

/** Places in `others` for each text, the nearest first; one `embed` call. */
export async function nearestFirst(
  sys: Sys,
  texts: readonly string[],
  others: readonly string[],
): Promise<readonly (readonly number[])[]> {
  const vectors = (await sys.embed([...texts, ...others])).map(unit)
  const [from, to] = [vectors.slice(0, texts.length), vectors.slice(texts.length)]
  return from.map((vector) => {
    const near = to.map((other) => inner(vector, other))
    return [...near.keys()].toSorted((a, b) => (near[b] as number) - (near[a] as number) || a - b)
  })
}

/** The vector with length 1; all zeros stay so. */
export function unit(vector: readonly number[]): readonly number[] {
  const length = Math.sqrt(inner(vector, vector))
  return length === 0 ? vector : vector.map((value) => value / length)
}

/** Inner product. */
export function inner(a: readonly number[], b: readonly number[]): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}
