/**
 * The store as commands meet it: which file it is, who has it open, and how to ask that kernel.
 *
 * Invariants
 *   S1. Looking never makes a file and never takes the store from a kernel that could start at the same moment for more
 *       than an instant; `openStore` waits that instant out.
 *   S2. A live kernel is asked through its store (sendCommand, status), never by a second door.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { makeFolder } from '../drivers/make-folder.ts'
import { openConnection, realStorePath } from '../drivers/store/connection.ts'
import { readState } from '../drivers/store/commands.ts'
import { memoryDefaults } from '../drivers/store/entries.ts'
import type { StoreReader } from '../drivers/store/sqlite-reader.ts'
import { readSqliteStore, sendCommand, takeBackCommand } from '../drivers/store/sqlite-reader.ts'
import type { SqliteStoreOptions } from '../drivers/store/sqlite.ts'
import { openSqliteStore } from '../drivers/store/sqlite.ts'
import type { Outcome } from '../kernel/commands.ts'
import { statusPidsMax } from '../kernel/commands.ts'
import type { ProcessHead, Store } from '../kernel/drivers.ts'
import { PolityError, messageOf } from '../kernel/errors.ts'
import type { Limits } from '../kernel/limits.ts'
import { defaultLimits } from '../kernel/limits.ts'
import type { CoreInfo } from '../kernel/kernel.ts'
import type { Pid, ProcessInfo, Question } from '../kernel/types.ts'
import { isNoSpace } from './report.ts'

export const storePathDefault = '.polity/polity.db'

/** What a kernel publishes when it is asked. */
export interface Status {
  readonly at: number
  /** So many and no more, the youngest of those that have not ended first; `askProcesses` has the others. */
  readonly processes: readonly ProcessInfo[]
  readonly cores: readonly CoreInfo[]
  readonly questions: readonly Question[]
}

const OPEN_TRIES_MAX = 4
const OPEN_PAUSE_MS = 15
/** A kernel looks for wishes every 100 ms, when it is not computing. */
const STATUS_WAIT_MS = 2_000
const STATUS_PAUSE_MS = 20
/** Pages that are asked for at once: 2 MB of answer. */
const PAGES_TOGETHER_MAX = 8
/** A page is published once; where another answer took its place before it was seen, it is asked for again, ms. */
const PAGE_AGAIN_MS = 1_000

/** Opens the store for a kernel, and makes it where there is none. */
export async function openStore(path: string, options: Pick<SqliteStoreOptions, 'memory'> = {}): Promise<Store> {
  prepareStoreFolder(path)
  for (let tries = 1; ; tries++) {
    try {
      return openSqliteStore(path, options)
    } catch (error) {
      // Another command may just be looking whether somebody owns it.
      if (!PolityError.isInstance(error) || error.code !== 'STORE_LOCKED' || tries >= OPEN_TRIES_MAX)
        throw toOpenError(path, error)
      await pause(OPEN_PAUSE_MS)
    }
  }
}

const MIB = 2 ** 20
const { notesCachedBytesMax } = defaultLimits

/** What the caches of notes and searches may take together by default, MiB. */
export const cacheDefault = Object.values(memoryDefaults).reduce((sum, one) => sum + one, notesCachedBytesMax) / MIB

/** The caches of a store and of its kernel where they may take so much together, MiB: shared as by default. */
export function cachesWithin(
  mib: number,
): Required<Pick<SqliteStoreOptions, 'memory'>> & { readonly limits: Partial<Limits> } {
  const bytesOf = (part: number): number => Math.floor((mib / cacheDefault) * part)
  return {
    memory: Object.fromEntries(Object.entries(memoryDefaults).map(([name, part]) => [name, bytesOf(part)])),
    limits: { notesCachedBytesMax: bytesOf(notesCachedBytesMax) },
  }
}

/** Opens the store for reading; throws when there is none. */
export function readStore(path: string): StoreReader {
  if (path !== '' && !existsSync(path)) {
    throw new PolityError(
      'STORE_INVALID',
      `there is no store at ${path}: nothing has run here; \`polity ask\` and \`polity run\` make one, --store names another`,
    )
  }
  try {
    return readSqliteStore(path)
  } catch (error) {
    const cause = (error as { cause?: { errcode?: number; message?: string } }).cause
    if ((cause?.errcode ?? 0) % 256 !== SQLITE_CANNOT_OPEN) throw error
    throw new PolityError(
      'CONFIG_INVALID',
      `the store ${path} cannot be opened for reading (${cause?.message}); make it readable, or name another file with --store`,
      { cause: error },
    )
  }
}

/** What the store has of some processes: of one that is not among them nothing can be resumed, and its pid may be given again. */
export function headsIn(path: string, pids: readonly Pid[]): readonly ProcessHead[] {
  let reader: StoreReader | undefined
  try {
    const store = (reader = readStore(path))
    return pids.flatMap((pid) => [...store.processes({ from: pid, to: pid + 1 })])
  } catch {
    return [] // what cannot be read now is not found
  } finally {
    reader?.close()
  }
}

/** Whether a kernel has the store open, and the id of its operating-system process where that is known. */
export function ownerOf(path: string): { readonly isOwned: boolean; readonly pid: number | undefined } {
  const file = realStorePath(path)
  if (!isLocked(`${file}-owner`)) return { isOwned: false, pid: undefined }
  let database: ReturnType<typeof openConnection> | undefined
  try {
    database = openConnection(file, { readOnly: true, busyMs: 200 })
    const pid = readState(database, 'owner')
    return { isOwned: true, pid: typeof pid === 'number' ? pid : undefined }
  } catch {
    // Owned, by whom the file cannot say now.
    return { isOwned: true, pid: undefined }
  } finally {
    database?.close()
  }
}

/** The owner holds an exclusive lock on that file as long as it lives; a reader of it is refused. */
function isLocked(path: string): boolean {
  if (!existsSync(path)) return false
  let lock: ReturnType<typeof openConnection> | undefined
  try {
    lock = openConnection(path, { readOnly: true, busyMs: 0 })
    lock.prepare('SELECT count(*) FROM sqlite_schema').get()
    return false
  } catch (error) {
    return ((error as { errcode?: number }).errcode ?? 0) % 256 === SQLITE_BUSY
  } finally {
    lock?.close()
  }
}

const SQLITE_BUSY = 5
const SQLITE_CANNOT_OPEN = 14

/** Asks the kernel that owns the store how things stand; undefined when it does not answer in time. */
export async function askStatus(
  path: string,
  reader: StoreReader,
  waitMs = STATUS_WAIT_MS,
): Promise<Status | undefined> {
  const before = reader.status()
  try {
    sendCommand(path, { command: 'status' })
  } catch {
    return undefined // a store that can only be read: its owner is not asked, and so does not answer
  }
  for (let waited = 0; waited < waitMs; waited += STATUS_PAUSE_MS) {
    await pause(STATUS_PAUSE_MS)
    const status = reader.status()
    if (status !== undefined && status !== before) return JSON.parse(status) as Status
  }
  return undefined
}

/**
 * How these processes stand, by pid, asked of the kernel that owns the store and of whom that is its status: those that the
 * status shows, and the others page by page. Those of which it knows nothing any more are left out. undefined when it does
 * not answer in time, which it has for each page.
 */
export async function askProcesses(
  path: string,
  reader: StoreReader,
  { processes }: Pick<Status, 'processes'>,
  pids: readonly Pid[],
  waitMs = STATUS_WAIT_MS,
): Promise<ReadonlyMap<Pid, ProcessInfo> | undefined> {
  const shown = new Map(processes.map((one) => [one.pid, one]))
  const found = new Map<Pid, ProcessInfo>()
  const missing: Pid[] = []
  for (const pid of pids) {
    const info = shown.get(pid)
    if (info === undefined) missing.push(pid)
    else found.set(pid, info)
  }
  const together = PAGES_TOGETHER_MAX * statusPidsMax
  for (let at = 0; at < missing.length; at += together) {
    const pages = await askPages(path, reader, missing.slice(at, at + together), waitMs)
    if (pages === undefined) return undefined
    for (const info of pages) found.set(info.pid, info)
  }
  return found
}

/** Of this process: no two pages are asked for by the same name. */
let pages = 0

async function askPages(
  path: string,
  reader: StoreReader,
  pids: readonly Pid[],
  waitMs: number,
): Promise<readonly ProcessInfo[] | undefined> {
  const asked = new Map<string, readonly Pid[]>()
  for (let at = 0; at < pids.length; at += statusPidsMax)
    asked.set(`${process.pid} page ${++pages}`, pids.slice(at, at + statusPidsMax))
  const found: ProcessInfo[] = []
  // What stands there may be the answer to an earlier process of the same id.
  let seen = reader.status()
  for (let waited = 0; waited < waitMs; waited += PAGE_AGAIN_MS) {
    try {
      for (const [reply, some] of asked) sendCommand(path, { command: 'status', pids: some, reply })
    } catch {
      return undefined // as in askStatus
    }
    for (let ms = 0; ms < PAGE_AGAIN_MS && waited + ms < waitMs; ms += STATUS_PAUSE_MS) {
      await pause(STATUS_PAUSE_MS)
      const status = reader.status()
      if (status === undefined || status === seen) continue
      seen = status
      const { outcomes = [] } = JSON.parse(status) as { readonly outcomes?: readonly Outcome[] }
      for (const { reply, value } of outcomes) {
        // A kernel of an earlier version knows no pages.
        if (!asked.delete(reply)) continue
        if (!Array.isArray(value)) return undefined
        for (const info of value) found.push(info as unknown as ProcessInfo)
      }
      if (asked.size === 0) return found
    }
    for (const reply of asked.keys()) takeBackCommand(path, reply)
  }
  return undefined
}

/** Before anything ran, a store that cannot be written is a wrong choice of file, unless the disk is full. */
function toOpenError(path: string, error: unknown): unknown {
  if (!PolityError.isInstance(error) || error.code !== 'STORE_FAILED') return error
  if (isNoSpace(error))
    return new PolityError(
      'STORE_FAILED',
      `there is no space left for the store ${path}; free some (\`polity gc\` removes what has ended), or name another file with --store`,
      { cause: error },
    )
  return new PolityError(
    'CONFIG_INVALID',
    `the store ${path} cannot be opened for writing (${messageOf(error.cause)}); make it and its folder writable, or name another file with --store`,
    { cause: error },
  )
}

/** Makes the folder of the store where there is none. */
export function prepareStoreFolder(path: string): void {
  const folder = dirname(resolve(path))
  const isNew = !existsSync(folder)
  makeStoreFolder(folder)
  if (isNew && path === storePathDefault) keepOutOfGit(folder)
}

function makeStoreFolder(folder: string): void {
  try {
    makeFolder(folder)
  } catch (error) {
    if (isNoSpace(error))
      throw new PolityError(
        'STORE_FAILED',
        `there is no space left for the folder ${folder}; free some, or name another with --store`,
        { cause: error },
      )
    throw new PolityError(
      'CONFIG_INVALID',
      `the folder ${folder} of the store cannot be made (${messageOf(error)}); name a file in a writable one with --store`,
      { cause: error },
    )
  }
}

/** A folder of ours inside somebody's project is not for their repository. */
function keepOutOfGit(folder: string): void {
  try {
    writeFileSync(join(folder, '.gitignore'), '*\n')
  } catch {
    // It only keeps a list of changes short.
  }
}
