/**
 * A store file as a store that nothing is written to: for a kernel that replays what another kernel has open.
 *
 *     const kernel = await boot({ store: readOnlyStore('clerk.db'), programs: [clerk] })
 *     await kernel.replay(17)
 *
 * Invariants
 *   RO1. It takes nothing from the owner: neither the store, nor a lock that is waited for, nor the wishes of other processes.
 *   RO2. What would be written is refused with `STORE_LOCKED`, so nothing seems to be kept that is not.
 */
import type { Store } from '../../kernel/drivers.ts'
import { PolityError } from '../../kernel/errors.ts'
import { readSqliteStore } from './sqlite-reader.ts'

/** Throws `STORE_INVALID` where there is no store. */
export function readOnlyStore(path: string): Store {
  const { status: _, ...reader } = readSqliteStore(path)
  const refuse = (): never => {
    throw new PolityError('STORE_LOCKED', `the store ${path} was opened for reading only; nothing is written to it`)
  }
  return { ...reader, durability: 'relaxed', commit: refuse, drop: refuse }
}
