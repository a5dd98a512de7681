/**
 * Unkept: what was put and is not kept yet, for who looks something up in a store that does not have the newest.
 *
 *     const grants = createUnkept<Grant>({ store, journal })
 *     grants.set(key, grant)                                // beside the put of it, before the event that it goes with
 *     grants.get(key) ?? store.get('file', key)             // undefined: what the store has is the newest
 *
 * Invariants
 *   U1. What was set last is found until it is kept, however many others are set meanwhile.
 */
import type { Store } from './drivers.ts'
import type { Journal } from './journal.ts'

/** What the store does not have yet, by key. */
export interface Unkept<Value> {
  get(key: string): Value | undefined
  set(key: string, value: Value): void
}

/** Where things are put and kept. */
export interface UnkeptOptions {
  readonly store: Pick<Store, 'lastSeq'>
  readonly journal: Pick<Journal, 'lastSeq'>
  /** So many are found after they are kept too, and the store is not asked: for what nobody else writes. @default none */
  readonly rememberedMax?: number
}

/** Empty: the store has all there is. */
export function createUnkept<Value>({ store, journal, rememberedMax = 0 }: UnkeptOptions): Unkept<Value> {
  /** With the event that it is kept with, or one that is kept no earlier; the oldest first. */
  const values = new Map<string, { readonly value: Value; readonly seq: number }>()
  let most = rememberedMax
  return {
    get(key) {
      const found = values.get(key)
      if (found === undefined || rememberedMax > 0 || found.seq > store.lastSeq()) return found?.value
      values.delete(key)
      return undefined
    },
    set(key, value) {
      values.delete(key)
      values.set(key, { value, seq: journal.lastSeq + 1 })
      if (values.size <= most) return
      const kept = store.lastSeq()
      for (const [oldest, { seq }] of values) {
        if (seq > kept || values.size <= rememberedMax / 2) break
        values.delete(oldest)
      }
      // The store is not asked again for each of many that it does not have yet.
      most = Math.max(rememberedMax, values.size * 2)
    },
  }
}
