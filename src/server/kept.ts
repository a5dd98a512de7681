/**
 * What a client is told to have been done is kept first: a crash after the answer takes nothing back.
 *
 *     view.answer(question, 'yes')
 *     await keptAll(kernel, clock)
 *     reply(200, {})
 */
import type { Clock } from '../kernel/clock.ts'
import type { Kernel } from '../kernel/kernel.ts'

/** Resolves once all that was done is kept, and what came of the answers that were given. Rejects as `Kernel.flush` does. */
export async function keptAll(kernel: Kernel, clock: Clock): Promise<void> {
  // What waits for an answer has it in the continuation of a promise, and then journals what comes of it.
  await new Promise<void>((resolve) => clock.soon(resolve))
  await kernel.flush()
}
