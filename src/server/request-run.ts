/**
 * Runs that answer one request: they end with it, and the journal and the client are told why.
 *
 *     endLeftOvers(kernel, ['gateway'])          // when a door is made
 *     const value = await resultFor(run, exchange.signal)
 *
 * Invariant
 *   RR1. A run that a signal ends, ends for the reason of the signal: its client went away, its key was revoked, the server
 *        closes. That stands in the journal, and is what `resultFor` rejects with.
 */
import { PolityError, messageOf } from '../kernel/errors.ts'
import type { Kernel, Run } from '../kernel/kernel.ts'

/**
 * The result of a run, which a signal kills. Rejects with its error, or with the reason of the signal. `heard` is what goes
 * on as long as the run does, such as hearing its text: the result is asked for behind it, so that one thing is waited for.
 */
export async function resultFor<Output>(
  run: Run<Output>,
  signal: AbortSignal | undefined,
  heard?: Promise<void>,
): Promise<Output> {
  const stop = (): void => run.kill(messageOf(whyAborted(signal)))
  if (signal?.aborted === true) stop()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    if (heard !== undefined) await heard
    return await run.result
  } catch (error) {
    const isStopped = signal?.aborted === true && PolityError.isInstance(error) && error.code === 'KILLED'
    throw isStopped ? whyAborted(signal) : error
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

/** Why nobody waits for a run any more. What aborts with no reason of ours is a client that went away. */
export function whyAborted(signal: AbortSignal | undefined): PolityError {
  const reason: unknown = signal?.reason
  return PolityError.isInstance(reason) ? reason : new PolityError('KILLED', 'its client went away')
}

/** Ends what an earlier server left of runs of these programs: nobody waits for their answers any more. */
export function endLeftOvers(kernel: Kernel, programs: readonly string[]): void {
  for (const { pid, program, state } of kernel.ps())
    if (state === 'stopped' && programs.includes(program)) kernel.kill(pid, 'its client is gone')
}
