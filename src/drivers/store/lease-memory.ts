/**
 * Entries that the kernels of one operating-system process share: for tests and simulations of many kernels.
 *
 *     const open = leaseMemory()
 *     const kernels = [1, 2, 3].map(() => createKernel({ leases: open(), … }))
 */
import type { LeaseStore } from '../../kernel/drivers.ts'
import { PolityError } from '../../kernel/errors.ts'

/** Makes an empty set of entries; what it returns opens it, as often as there are kernels. */
export function leaseMemory(): () => LeaseStore {
  const entries = new Map<string, string>()
  const alive = new Set<string>()
  let opened = 0
  return () => {
    const holder = `${++opened}`
    alive.add(holder)
    return {
      holder,
      isAlive: (one) => alive.has(one),
      update(key, change) {
        if (!alive.has(holder)) throw new PolityError('KERNEL_CLOSED', 'the entries of leases in memory are closed')
        entries.set(key, change(entries.get(key)))
      },
      close: () => void alive.delete(holder),
    }
  }
}
