/** A priority queue: what timers and waiting calls stand in. */
export interface Heap<T> {
  push(item: T): void
  pop(): T | undefined
  peek(): T | undefined
  readonly size: number
}

/** A binary heap: the smallest by `compare` first. Push and pop cost O(log n). */
export function heap<T>(compare: (a: T, b: T) => number): Heap<T> {
  const items: T[] = []
  return {
    get size() {
      return items.length
    },
    peek: () => items[0],
    push(item) {
      let i = items.length
      items.push(item)
      while (i > 0) {
        const up = (i - 1) >> 1
        const parent = items[up] as T
        if (compare(item, parent) >= 0) break
        items[i] = parent
        i = up
      }
      items[i] = item
    },
    pop() {
      const top = items[0]
      const last = items.pop()
      if (last === undefined || items.length === 0) return top
      let i = 0
      for (;;) {
        let child = 2 * i + 1
        if (child >= items.length) break
        if (child + 1 < items.length && compare(items[child + 1] as T, items[child] as T) < 0) child++
        if (compare(items[child] as T, last) >= 0) break
        items[i] = items[child] as T
        i = child
      }
      items[i] = last
      return top
    },
  }
}
