/**
 * A sample without replacement.
 *
 *     sample(['a', 'b', 'c'], 2, () => sys.random())      // two different ones
 */

/** So many different ones, in the order drawn; all where there are not as many. @param random draws in [0, 1), one for each */
export function sample<Item>(items: readonly Item[], count: number, random: () => number): Item[] {
  const left = [...items]
  return Array.from(
    { length: Math.min(count, left.length) },
    () => left.splice(Math.floor(random() * left.length), 1)[0] as Item,
  )
}
