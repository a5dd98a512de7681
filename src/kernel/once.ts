/**
 * Once: a start that carries a key happens once, however often it is asked for, also across restarts.
 *
 *     const once = createStarts({ store, journal })
 *     once.find({ key, digest })          // pid of the process that was started under the key, if there was one
 *     once.begin({ key, digest }, pid, () => journal.append(start))
 *     once.forget(key, pid)               // its journal goes, and the key with it
 *
 * The digest is that of the request: a key that comes with another one is refused (`KEY_REUSED`).
 *
 * Invariants
 *   ON1. An entry is kept in one batch with the start of its process: neither is there without the other.
 *   ON2. A key holds for as long as the journal of its process is kept.
 */
import type { Store } from './drivers.ts'
import { PolityError } from './errors.ts'
import type { Journal } from './journal.ts'
import type { Once, Pid } from './types.ts'

/** Which starts there were. */
export interface Starts {
  /** Throws `KEY_REUSED`. */
  find(once: Once): Pid | undefined
  /** `append` appends the first event of the process. */
  begin<Event>(once: Once, pid: Pid, append: () => Event): Event
  forget(key: string, pid: Pid): void
}

interface Entry {
  readonly pid: Pid
  readonly digest: string
}

export function createStarts({ store, journal }: { readonly store: Store; readonly journal: Journal }): Starts {
  /** Those that are on their way to the store. */
  const fresh = new Map<string, Entry>()
  const keyOf = (key: string): string => `once ${key}`

  function entryOf(key: string): Entry | undefined {
    const kept = fresh.get(key) ?? store.get('meta', keyOf(key))
    return typeof kept === 'string' ? (JSON.parse(kept) as Entry) : (kept as Entry | undefined)
  }

  return {
    find({ key, digest }) {
      const entry = entryOf(key)
      if (entry !== undefined && entry.digest !== digest)
        throw new PolityError('KEY_REUSED', `this key started process ${entry.pid} by another request`, {
          detail: { pid: entry.pid },
        })
      return entry?.pid
    },
    begin({ key, digest }, pid, append) {
      const entry = { pid, digest }
      fresh.set(key, entry)
      journal.put({ table: 'meta', key: keyOf(key), value: JSON.stringify(entry) })
      const event = append()
      journal.whenKept(() => fresh.get(key) === entry && fresh.delete(key))
      return event
    },
    forget(key, pid) {
      if (entryOf(key)?.pid === pid) journal.put({ table: 'meta', key: keyOf(key), value: null })
    },
  }
}
