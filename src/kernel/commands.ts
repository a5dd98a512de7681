/**
 * Commands: what other operating-system processes want of the kernel that owns the store (`polity kill`, `answer`, `top`).
 * They write their wishes into the store; the kernel looks for them now and then.
 *
 *     const commands = listen({ store, clock, kill, answer, status })
 *     commands?.cancel()
 */
import type { Clock } from './clock.ts'
import type { Command, Store } from './drivers.ts'
import { warn } from './errors.ts'
import type { Json, Pid } from './types.ts'

/** What commands may do to the kernel. */
export interface CommandsOptions {
  readonly store: Store
  readonly clock: Clock
  /** False once the kernel is closed: nobody is heard any more. */
  readonly isOpen: () => boolean
  readonly kill: (pid: Pid, reason: string | undefined) => void
  readonly answer: (id: number, text: string, proof: string | undefined) => void
  /** What `polity top` shows. */
  readonly status: () => Json
}

/** Looks for commands until it is cancelled; undefined for a store that can hold none. */
export function listen(options: CommandsOptions): { cancel(): void } | undefined {
  const { store, clock, isOpen } = options
  if (store.takeCommands === undefined) return undefined
  const wait = () =>
    clock.after(POLL_MS, () => {
      if (!isOpen()) return
      try {
        for (const command of store.takeCommands?.() ?? []) obey(command, options)
      } catch (error) {
        // A store that is busy with somebody else's write; the wishes are still there the next time.
        warn('the store’s commands could not be read', error)
      }
      timer = wait()
    })
  let timer = wait()
  return { cancel: () => timer.cancel() }
}

function obey({ command, pid, id, text, proof }: Command, { store, kill, answer, status }: CommandsOptions): void {
  try {
    if (command === 'kill' && pid !== undefined) kill(pid, text)
    else if (command === 'answer' && id !== undefined && text !== undefined) answer(id, text, proof)
    else if (command === 'status') store.publishStatus?.(JSON.stringify(status()))
  } catch (error) {
    // A wish from outside that cannot be granted (an ended pid, an answered question) harms nobody here.
    warn(`the command ${command} from outside was not obeyed`, error)
  }
}

/** How often wishes are looked for, ms. */
const POLL_MS = 100
