/**
 * Runs that answer one request: they end with their client.
 *
 *     endLeftOvers(kernel, ['gateway'])          // when a door is made
 *     const value = await resultFor(run, exchange.signal)
 */
import type { Kernel, Run } from '../kernel/kernel.ts'

/** The result of a run, which a signal kills: its client went away. Rejects with its error. */
export async function resultFor<Output>(run: Run<Output>, signal: AbortSignal | undefined): Promise<Output> {
  const stop = (): void => run.kill('its client went away')
  if (signal?.aborted === true) stop()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    return await run.result
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

/** Ends what an earlier server left of runs of these programs: nobody waits for their answers any more. */
export function endLeftOvers(kernel: Kernel, programs: readonly string[]): void {
  for (const { pid, program, state } of kernel.ps())
    if (state === 'stopped' && programs.includes(program)) kernel.kill(pid, 'its client is gone')
}
