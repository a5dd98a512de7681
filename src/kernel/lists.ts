/**
 * Lists in order: several as one.
 *
 *     union(['web'], undefined, ['secret', 'web'])                // ['secret', 'web']
 *     merged([near, far], (a, b) => a - b)                        // lazily, each item once
 *     compareKeys(a, b)                                           // the order of the store's keys
 *
 * Pure.
 */

/** What is in any of them, each once, in the order of UTF-16 units. */
export function union(...lists: readonly (readonly string[] | undefined)[]): readonly string[] {
  return [...new Set(lists.flatMap((list) => list ?? []))].toSorted()
}

/**
 * Several lists that are each in order as one. Of items that compare as equal, the one of the earliest list counts. No
 * list is read further than it has to be, and each is let go when the reader stops.
 */
export function* merged<Item>(
  lists: readonly Iterable<Item>[],
  compare: (a: Item, b: Item) => number,
): Generator<Item> {
  const runs = lists.map((list) => list[Symbol.iterator]())
  try {
    const heads = runs.map((run) => run.next())
    for (;;) {
      let first: IteratorYieldResult<Item> | undefined
      for (const head of heads)
        if (head.done !== true && (first === undefined || compare(head.value, first.value) < 0)) first = head
      if (first === undefined) return
      const { value } = first
      yield value
      for (const [at, head] of heads.entries())
        if (head.done !== true && compare(head.value, value) === 0) heads[at] = (runs[at] as Iterator<Item>).next()
    }
  } finally {
    for (const run of runs) run.return?.()
  }
}

/**
 * Order by UTF-8 bytes, which is order by code points. JavaScript's `<` compares UTF-16 units, where the surrogates of
 * characters beyond U+FFFF stand below U+E000 to U+FFFF.
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return (x < 0xd800 || y < 0xd800 ? x : rank(x)) - (x < 0xd800 || y < 0xd800 ? y : rank(y))
  }
  return a.length - b.length
}

function rank(unit: number): number {
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}
