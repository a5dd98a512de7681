/**
 * What the calls of one client have done and learned, from one call to the next: each call is a process of its own, and
 * the law is to see them as one run.
 *
 *     const standing = createStanding(kernel, principal)
 *     const run = offer.start(kernel, input, standing.options())
 *     standing.ended(run.pid, labels)
 *
 * Invariants
 *   ST1. What a call has learned, the calls that begin after its end have learned too: no label is lost, also where calls
 *        ran side by side. Of those, the one that ended last is the one behind which the next stands (temporal rules).
 */
import type { Kernel } from '../../kernel/kernel.ts'
import type { Pid, RunOptions } from '../../kernel/types.ts'

export interface ClientStanding {
  options(): Pick<RunOptions, 'after' | 'labels'>
  ended(pid: Pid, labels: readonly string[]): void
}

export function createStanding(kernel: Kernel): ClientStanding {
  const labels = new Set<string>()
  let last: Pid | undefined

  /** A journal that was removed says no more than what is kept here. */
  function isKept(pid: Pid): boolean {
    try {
      kernel.info(pid)
      return true
    } catch {
      return false
    }
  }

  return {
    options: () => ({
      ...(labels.size === 0 ? {} : { labels: [...labels] }),
      ...(last === undefined || !isKept(last) ? {} : { after: last }),
    }),
    ended(pid, learned) {
      for (const label of learned) labels.add(label)
      last = pid
    },
  }
}
