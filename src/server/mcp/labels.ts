/**
 * Labels of a journal: who is shown it has learned them.
 *
 *     run.learned(labelsIn(await kernel.events(pid)))
 *
 * Pure.
 */
import type { JournalEvent } from '../../kernel/types.ts'

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
