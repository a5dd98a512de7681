/**
 * Abort: tells a driver or a tool to stop, whatever its listeners do.
 *
 *     abort(controller, new PolityError('KILLED', '…'))
 *
 * Where a listener of an `AbortSignal` throws, Node takes the whole operating-system process down with it
 * (`uncaughtException`), and no `try` around `controller.abort()` helps. So each listener is put behind a guard just before:
 * signals that are never aborted, nearly all, cost nothing more. What listens to a signal derived from ours
 * (`AbortSignal.any`) is out of reach.
 */
import { getEventListeners } from 'node:events'
import { warn } from './errors.ts'

type Listener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown }

/** As `controller.abort(reason)`; a listener that throws or rejects is a warning. */
export function abort(controller: AbortController, reason: unknown): void {
  const { signal } = controller
  if (signal.aborted) return
  for (const listener of getEventListeners(signal, 'abort') as Listener[]) {
    // Nobody tells whether it was added to capture.
    for (const capture of [false, true]) signal.removeEventListener('abort', listener as never, { capture })
    signal.addEventListener('abort', guarded(listener))
  }
  controller.abort(reason)
}

function guarded(listener: Listener): (this: AbortSignal, event: Event) => void {
  return function (event) {
    try {
      const said: unknown = typeof listener === 'function' ? listener.call(this, event) : listener.handleEvent(event)
      if (typeof (said as { then?: unknown } | null | undefined)?.then === 'function')
        void Promise.resolve(said).catch(told)
    } catch (error) {
      told(error)
    }
  }
}

function told(error: unknown): void {
  warn('what listens to the abort of a call threw', error)
}
