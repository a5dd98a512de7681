/**
 * What the calls of one client have done and learned, from one call to the next: each call is a process of its own, and
 * the law is to see them as one run.
 *
 *     const standing = createStanding(kernel, labels)
 *     const run = offer.start(kernel, input, standing.options())
 *     standing.began()
 *     standing.ended(run.pid, labelsIn(await kernel.events(run.pid)))
 *
 * Invariants
 *   ST1. What a call has learned, the calls that begin after its end have learned too: no label is lost, also where calls
 *        ran side by side. Of those, the one that ended last is the one behind which the next stands (temporal rules).
 *   ST2. Standings that were made with one set of labels have learned the same, whichever of them learned it.
 */
import type { Kernel } from '../../kernel/kernel.ts'
import type { JournalEvent, Pid, RunOptions } from '../../kernel/types.ts'

export interface ClientStanding {
  /** No call of it is under way. */
  readonly isIdle: boolean
  options(): Pick<RunOptions, 'after' | 'labels'>
  /** A call is under way, until `ended` or `left`. */
  began(): void
  ended(pid: Pid, labels: readonly string[]): void
  /** A call stopped without an end: nothing can stand behind it. */
  left(labels: readonly string[]): void
  /** The client was shown something with these labels. */
  learned(labels: readonly string[]): void
}

/** `labels`: what is known already, and where what is learned is kept. */
export function createStanding(kernel: Kernel, labels: Set<string> = new Set()): ClientStanding {
  let last: Pid | undefined
  let openCount = 0

  /** A journal that was removed says no more than what is kept here. */
  function isKept(pid: Pid): boolean {
    try {
      kernel.info(pid)
      return true
    } catch {
      return false
    }
  }

  function learned(more: readonly string[]): void {
    for (const label of more) labels.add(label)
  }

  return {
    get isIdle() {
      return openCount === 0
    },
    options: () => ({
      ...(labels.size === 0 ? {} : { labels: [...labels] }),
      ...(last === undefined || !isKept(last) ? {} : { after: last }),
    }),
    began() {
      openCount++
    },
    ended(pid, more) {
      openCount--
      learned(more)
      last = pid
    },
    left(more) {
      openCount--
      learned(more)
    },
    learned,
  }
}

/** Labels of everything that a journal tells: of how its process began, of what it was given, and of its end. */
export function labelsIn(events: readonly JournalEvent[]): string[] {
  const labels = new Set<string>()
  for (const event of events) {
    const found =
      event.type === 'process-start'
        ? event.standing?.labels
        : event.type === 'mail-sent'
          ? event.mail.labels
          : event.type === 'call-end' || event.type === 'process-end'
            ? event.labels
            : undefined
    for (const label of found ?? []) labels.add(label)
  }
  return [...labels]
}
