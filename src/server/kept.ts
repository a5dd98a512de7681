/**
 * What doors have left beside the journals: entries of the store's table `meta`, written by `kernel.keep` and read by the
 * next server.
 *
 *     const kept = keptIn(store)
 *     for (const [key, value] of kept('mcp-task\0')) …
 */
import type { Store } from '../kernel/drivers.ts'

/** The entries whose keys begin with that. */
export type Kept = (prefix: string) => Iterable<readonly [key: string, value: string | Uint8Array]>

export function keptIn(store: Pick<Store, 'range'>): Kept {
  return (prefix) => store.range('meta', prefix, `${prefix}\u{10ffff}`)
}
