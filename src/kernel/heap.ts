/** A priority queue: what timers and waiting calls stand in. */
export interface Heap<T> {
  push(item: T): void
  pop(): T | undefined
  peek(): T | undefined
  /** The order of the item at this index has changed: it goes where it belongs now. */
  fix(index: number): void
  readonly size: number
}

/**
 * A binary heap: the smallest by `compare` first. Push, pop and fix cost O(log n). Who wants to `fix` an item is told by
 * `moved` where it stands, each time that it moves; -1 when it is popped.
 */
export function heap<T>(compare: (a: T, b: T) => number, moved?: (item: T, index: number) => void): Heap<T> {
  const items: T[] = []

  function set(i: number, item: T): void {
    items[i] = item
    moved?.(item, i)
  }

  /** Puts the item at `i` or above it. */
  function up(i: number, item: T): void {
    while (i > 0) {
      const above = (i - 1) >> 1
      const parent = items[above] as T
      if (compare(item, parent) >= 0) break
      set(i, parent)
      i = above
    }
    set(i, item)
  }

  /** Puts the item at `i` or below it. */
  function down(i: number, item: T): void {
    for (;;) {
      let child = 2 * i + 1
      if (child >= items.length) break
      if (child + 1 < items.length && compare(items[child + 1] as T, items[child] as T) < 0) child++
      if (compare(items[child] as T, item) >= 0) break
      set(i, items[child] as T)
      i = child
    }
    set(i, item)
  }

  return {
    get size() {
      return items.length
    },
    peek: () => items[0],
    push(item) {
      items.push(item)
      up(items.length - 1, item)
    },
    pop() {
      const top = items[0]
      const last = items.pop()
      if (top !== undefined) moved?.(top, -1)
      if (last !== undefined && items.length > 0) down(0, last)
      return top
    },
    fix(index) {
      const item = items[index] as T
      if (index > 0 && compare(item, items[(index - 1) >> 1] as T) < 0) up(index, item)
      else down(index, item)
    },
  }
}
