/**
 * Ownership of a store: one kernel at a time, and none after its process died.
 *
 *     const release = takeOwnership(path, () => ownerPid)
 *
 * The lock is an exclusive transaction on an empty SQLite file beside the store, `<path>-owner`. The operating system
 * drops it with the process, however that ends, so there is no stale lock to clean up; the file stays, because removing
 * it while another process opens it would make two locks.
 *
 * Limits: on network file systems without POSIX locks there is no lock.
 */
import { PolityError } from '../../kernel/errors.ts'
import { guarded, isBusy, openConnection } from './connection.ts'

/** Takes the store or throws `STORE_LOCKED` at once. Returns what gives it up. */
export function takeOwnership(path: string, readOwner: () => number | undefined): () => void {
  const lock = guarded(path, () => openConnection(`${path}-owner`, { busyMs: 0 }))
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    return () => lock.isOpen && lock.close()
  } catch (error) {
    lock.close()
    if (!isBusy(error))
      return guarded(path, () => {
        throw error
      })
    const owner = readOwner()
    const who =
      owner === undefined ? 'another process' : owner === process.pid ? `this process (${owner})` : `process ${owner}`
    throw new PolityError(
      'STORE_LOCKED',
      `The store ${path} is open in ${who}. Close that kernel, or name another store file.`,
      {
        cause: error,
        ...(owner === undefined ? {} : { detail: { pid: owner } }),
      },
    )
  }
}
