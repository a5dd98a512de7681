/**
 * Once: a start that carries a key happens once, however often it is asked for, also across restarts.
 *
 *     const once = createStarts({ store, journal, has: (pid) => table.has(pid) })
 *     once.find({ key, digest })          // pid of the process that was started under the key, if there was one
 *     once.begin({ key, digest }, pid, () => journal.append(start))
 *     once.forget(key, pid)               // its journal is gone, and the key goes after it
 *
 * The digest is that of the request: a key that comes with another one is refused (`KEY_REUSED`).
 *
 * Invariants
 *   ON1. An entry is kept in one batch with the start of its process: neither is there without the other.
 *   ON2. A key holds for as long as the journal of its process is kept: it goes after it, never before. One that a crash
 *        left without its process is as good as none, whatever its digest.
 */
import type { Store } from './drivers.ts'
import { PolityError } from './errors.ts'
import type { Journal } from './journal.ts'
import type { Once, Pid } from './types.ts'
import { createUnkept } from './unkept.ts'

/** Where starts are looked up. */
export interface StartsOptions {
  readonly store: Store
  readonly journal: Journal
  /** Whether there is such a process, in RAM or in the store. */
  readonly has: (pid: Pid) => boolean
}

/** Which starts there were. */
export interface Starts {
  /** Throws `KEY_REUSED`. */
  find(once: Once): Pid | undefined
  /** `append` appends the first event of the process. */
  begin<Event>(once: Once, pid: Pid, append: () => Event): Event
  /** Once its journal is gone. */
  forget(key: string, pid: Pid): void
}

interface Entry {
  readonly pid: Pid
  readonly digest: string
}

export function createStarts({ store, journal, has }: StartsOptions): Starts {
  /** null: the key goes. */
  const fresh = createUnkept<Entry | null>({ store, journal })
  const keyOf = (key: string): string => `once ${key}`

  function entryOf(key: string): Entry | undefined {
    const coming = fresh.get(key)
    if (coming !== undefined) return coming ?? undefined
    const kept = store.get('meta', keyOf(key))
    return kept === undefined ? undefined : (JSON.parse(String(kept)) as Entry)
  }

  return {
    find({ key, digest }) {
      const entry = entryOf(key)
      if (entry === undefined || !has(entry.pid)) return undefined
      if (entry.digest !== digest)
        throw new PolityError('KEY_REUSED', `this key started process ${entry.pid} by another request`, {
          detail: { pid: entry.pid },
        })
      return entry.pid
    },
    begin({ key, digest }, pid, append) {
      const entry = { pid, digest }
      fresh.set(key, entry)
      journal.put({ table: 'meta', key: keyOf(key), value: JSON.stringify(entry) })
      return append()
    },
    forget(key, pid) {
      if (entryOf(key)?.pid !== pid) return
      fresh.set(key, null)
      journal.putAlone({ table: 'meta', key: keyOf(key), value: null })
    },
  }
}
