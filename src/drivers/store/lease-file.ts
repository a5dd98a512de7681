/**
 * Entries that kernels in several operating-system processes of one machine share, in one SQLite file: what they lease of
 * the provider keys that they all use (kernel/leases.ts).
 *
 *     const kernel = await boot({ store: 'clerk.db', leases: 'keys.db', models: … })     // and another with 'auditor.db'
 *
 * Each opener has a seat: an exclusive transaction on a file `<path>-seat-<n>` of its own, as the owner of a store has one
 * (ownership.ts). The operating system drops it with the process, however that ends, so who is alive is known and never
 * guessed from the time. The files stay; there are as many as there ever were openers at once. `<path>-open` is locked
 * while somebody opens the file.
 *
 * Invariants
 *   SH1. A holder's name is its seat and a number that is counted up in the file: no two openers ever have the same (H2).
 *   SH2. An `update` that finds another writer waits `BUSY_MS` at most, then throws: the thread that calls it has more to do.
 *   SH3. If the file is removed or replaced while it is open, `update` throws: those who open it later are not among those
 *        who have it open, and would lease the same again. So it does if the file of its seat is, and nobody takes that seat:
 *        a lock on another file would say nothing about who is alive.
 *
 * Commits do not wait for the disk (`synchronous = OFF`): a killed process loses nothing, and what a power loss takes is of
 * no use a minute later. It may leave the file broken; then it can be removed, as long as no kernel has it open.
 *
 * Limits: file systems without POSIX locks, as of ownership.ts; kernels on several machines.
 */
import { statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import type { LeaseStore } from '../../kernel/drivers.ts'
import { PolityError } from '../../kernel/errors.ts'
import { createFolderOf, guarded, isBusy, numberOf, openConnection, realStorePath } from './connection.ts'

/** Written into the header of the file: "pols". */
const APPLICATION_ID = 0x706f6c73
const FORMAT = 2
/** Longest wait of an update for another writer, ms. An update takes some 30 µs (`node bench/leases.ts`). */
const BUSY_MS = 25
/** Most that can have the file open at once. */
const SEATS_MAX = 1_024

/** Opens the entries of leases, makes them where there are none. Throws `STORE_FAILED`, `STORE_INVALID`. */
export function openLeaseFile(path: string): LeaseStore {
  createFolderOf(path)
  const file = realStorePath(path)
  const database = guarded(file, () => openConnection(file))
  try {
    return guarded(file, () => openEntries(database, file))
  } catch (error) {
    database.close()
    throw error
  }
}

function openEntries(database: DatabaseSync, file: string): LeaseStore {
  alone(file, () => prepare(database, file))
  const seat = takeSeat(database, file)
  const seated = identityOf(seatOf(file, seat.number))
  let holder: string
  try {
    holder = nameHolder(database, file, seat.number)
    database.exec(`PRAGMA busy_timeout = ${BUSY_MS}`)
  } catch (error) {
    seat.release()
    throw error
  }
  const opened = identityOf(file)
  const begin = database.prepare('BEGIN IMMEDIATE')
  const commit = database.prepare('COMMIT')
  const get = database.prepare('SELECT value FROM entry WHERE key = ?')
  const put = database.prepare(
    'INSERT INTO entry(key, value) VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value',
  )
  const sittingOn = database.prepare('SELECT holder, file FROM seat WHERE number = ?')
  const rise = database.prepare('UPDATE seat SET file = NULL WHERE number = ? AND holder = ?')

  return {
    holder,
    isAlive(one) {
      if (one === holder) return true
      return guarded(file, () => {
        const number = Number(one.slice(0, one.indexOf('.')))
        const sitting = sittingOn.get(number)
        if (sitting?.['holder'] !== one || sitting['file'] === null) return false
        if (inodeOf(seatOf(file, number)) !== sitting['file']) throw replaced(seatOf(file, number), file)
        return isSeatTaken(file, number)
      })
    },
    update(key, change) {
      if (identityOf(file) !== opened)
        throw new PolityError(
          'STORE_FAILED',
          `The lease file ${file} was removed or replaced while kernels have it open. Close them, then start them again.`,
        )
      const place = seatOf(file, seat.number)
      if (identityOf(place) !== seated) throw replaced(place, file)
      guarded(file, () => {
        begin.run()
        try {
          const value = get.get(key)?.['value']
          put.run(key, change(typeof value === 'string' ? value : undefined))
          commit.run()
        } catch (error) {
          if (database.isTransaction) database.exec('ROLLBACK')
          throw error
        }
      })
    },
    close() {
      if (!database.isOpen) return
      try {
        rise.run(seat.number, holder)
      } catch {
        // Its lock falls all the same; the row only says that the file of the seat is still to be there.
      }
      database.close()
      seat.release()
    },
  }
}

/** Runs `work` while no other process opens the file: only one can make it, and tell that it did. */
function alone(file: string, work: () => void): void {
  const lock = openConnection(`${file}-open`)
  try {
    lock.exec('BEGIN EXCLUSIVE')
    work()
  } finally {
    lock.close()
  }
}

/** Checks whose file it is, and makes the tables of an empty one. */
function prepare(database: DatabaseSync, file: string): void {
  const application = numberOf(database, 'PRAGMA application_id')
  const format = numberOf(database, 'PRAGMA user_version')
  const isEmpty = application === 0 && format === 0 && numberOf(database, 'SELECT count(*) FROM sqlite_schema') === 0
  if (!isEmpty && (application !== APPLICATION_ID || format !== FORMAT))
    throw new PolityError(
      'STORE_INVALID',
      `${file} is no file of shared limits (application id ${application}, format ${format}). Name another one: it is made where there is none, and is not the store of a kernel.`,
    )
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF')
  database.exec(`BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS entry(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS seat(number INTEGER PRIMARY KEY, holder TEXT NOT NULL, opened INTEGER NOT NULL, file TEXT);
    PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT};
    COMMIT`)
}

/** The first seat that nobody has. */
function takeSeat(database: DatabaseSync, file: string): { readonly number: number; release(): void } {
  const fileOf = database.prepare('SELECT file FROM seat WHERE number = ?')
  for (let number = 0; number < SEATS_MAX; number++) {
    const kept = fileOf.get(number)?.['file']
    if (typeof kept === 'string' && inodeOf(seatOf(file, number)) !== kept) throw replaced(seatOf(file, number), file)
    const lock = openConnection(seatOf(file, number), { busyMs: 0 })
    try {
      lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
      return { number, release: () => lock.isOpen && lock.close() }
    } catch (error) {
      lock.close()
      if (!isBusy(error)) throw error
    }
  }
  throw new PolityError('STORE_FAILED', `${SEATS_MAX} kernels share ${file}; no more can.`)
}

function isSeatTaken(file: string, number: number): boolean {
  const lock = openConnection(seatOf(file, number), { busyMs: 0 })
  try {
    lock.exec('BEGIN EXCLUSIVE; ROLLBACK')
    return false
  } catch (error) {
    if (isBusy(error)) return true
    throw error
  } finally {
    lock.close()
  }
}

/** The seat is taken: whoever had it is no longer alive from here on (SH1). */
function nameHolder(database: DatabaseSync, file: string, number: number): string {
  database.exec('BEGIN IMMEDIATE')
  try {
    const opened = 1 + numberOf(database, 'SELECT max(opened) FROM seat')
    const holder = `${number}.${opened}`
    const sit = database.prepare('INSERT OR REPLACE INTO seat(number, holder, opened, file) VALUES(?, ?, ?, ?)')
    sit.run(number, holder, opened, inodeOf(seatOf(file, number)) ?? null)
    database.exec('COMMIT')
    return holder
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

function seatOf(file: string, number: number): string {
  return `${file}-seat-${number}`
}

/** Tells the file of a seat from another in its place, also after a restart of the machine, which may number devices anew. */
function inodeOf(seat: string): string | undefined {
  const stat = statSync(seat, { throwIfNoEntry: false, bigint: true })
  return stat === undefined ? undefined : `${stat.ino}`
}

function replaced(seat: string, file: string): PolityError {
  return new PolityError(
    'STORE_FAILED',
    `The file ${seat} was removed or replaced: who has ${file} open can no longer be told. Close the kernels that use it, remove it and all files whose names begin with it, then start them again.`,
  )
}

/** What tells a file from another of the same name. */
function identityOf(file: string): string | undefined {
  const stat = statSync(file, { throwIfNoEntry: false })
  return stat === undefined ? undefined : `${stat.dev}:${stat.ino}`
}
