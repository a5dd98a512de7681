/** A sliding window: amounts with their times; what is older than it is asked about is forgotten. */
export interface Window {
  add(at: number, amount: number): void
  /** One of what was added at `from` came later: at `to`, which is not before anything else in it. */
  move(from: number, to: number): void
  /** Sum of what came after `since`. */
  sum(since: number): number
  /** Time of the entry with which `amount` has been passed, counted from the oldest. */
  freeAt(amount: number): number
}

/** An empty window. */
export function slidingWindow(): Window {
  let times: number[] = []
  let amounts: number[] = []
  let head = 0
  let total = 0
  return {
    add(at, amount) {
      times.push(at)
      amounts.push(amount)
      total += amount
    },
    move(from, to) {
      let i = times.length - 1
      while (i >= head && ((times[i] as number) > from || amounts[i] === 0)) i--
      if (i < head || times[i] !== from) return
      ;(amounts[i] as number)--
      times.push(to)
      amounts.push(1)
    },
    sum(since) {
      while (head < times.length && (times[head] as number) <= since) total -= amounts[head++] as number
      if (head > 1_024 && head * 2 > times.length) {
        times = times.slice(head)
        amounts = amounts.slice(head)
        head = 0
      }
      return total
    },
    freeAt(amount) {
      let passed = 0
      for (let i = head; i < times.length; i++) {
        passed += amounts[i] as number
        if (passed >= amount) return times[i] as number
      }
      return times[times.length - 1] ?? 0
    },
  }
}
