/**
 * The largest of some things by a key (arg max).
 *
 *     largest(routes, ({ quality }) => quality)        // undefined where there are none
 */

/** The one with the largest key; of equal ones the first. Undefined where there is none. */
export function largest<Item>(items: Iterable<Item>, keyOf: (item: Item) => number): Item | undefined {
  let best: Item | undefined
  let bestKey = -Infinity
  for (const item of items) {
    const key = keyOf(item)
    if (best === undefined || key > bestKey) [best, bestKey] = [item, key]
  }
  return best
}
