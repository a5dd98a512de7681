/**
 * Watching a folder: its index follows what happens to the files, without being asked.
 *
 *     const watch = watchFolder(index, { clock, onReport: ({ files }) => … })
 *     await watch.settled()        // what happened so far is in the index
 *     watch.close()
 *
 * The system says which paths something happened to. They are gathered until it is quiet for a moment, a burst at most a
 * second long, and then only they are looked at again: a file that was written is read, one that is gone is taken out. Where
 * a folder came, went or was renamed, where more happened than is worth looking at path by path, and where the system lost
 * count, the whole folder is compared by path, size and time of change, as at opening; so what happens while nobody watches
 * is found by the next open.
 *
 * Invariants
 *   WA1. What happened before `settled` was called is in the index when it resolves, as far as the system has told of it and the
 *        index could be written.
 *   WA2. One refresh at a time; what happens during one is in the next, and so is what a failed one was about.
 *   WA3. Where the system cannot watch (its limits, some network file systems), the folder is compared every few seconds.
 */
import type { FSWatcher } from 'node:fs'
import { watch as watchFiles } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import type { Clock, Timer } from '../../kernel/clock.ts'
import type { FolderIndex, IndexReport } from './folder-index.ts'
import { isHiddenPath } from './walk.ts'

export interface FolderWatchOptions {
  readonly clock: Clock
  /** Quiet after which what was gathered is looked at, ms. @default 100 */
  readonly quietMs?: number
  /** Longest that anything waits in a burst, ms. @default 1_000 */
  readonly burstMs?: number
  /** Between two comparisons where the system cannot watch, ms. @default 5_000 */
  readonly compareMs?: number
  /** Called after every refresh. */
  readonly onReport?: (report: IndexReport) => void
  /** Called where a refresh failed; it is tried again after a pause that grows from 100 ms to 30 s. @default nothing */
  readonly onError?: (error: unknown) => void
}

export interface FolderWatch {
  /** Whether the system tells what happens; otherwise the folder is compared now and then. */
  readonly isTold: () => boolean
  /** What happened so far is in the index; where that failed, it was tried once more. */
  settled(): Promise<void>
  close(): void
}

/** Paths of one burst that are looked at one by one; beyond, the folder is compared as a whole. */
const pathsMax = 1_000
/** Pause after a refresh that failed, ms; it doubles with each that follows, so that comparing a large folder again and again stays cheap. */
const retryMsMin = 100
/** The longest such pause, ms: a disk with room again is found this soon. */
const retryMsMax = 30_000

/** Begins at once, with a comparison of the whole: something may have happened since the index was opened. */
export function watchFolder(index: FolderIndex, options: FolderWatchOptions): FolderWatch {
  const { clock, quietMs = 100, burstMs = 1_000, compareMs = 5_000, onReport, onError } = options
  /** Paths that something happened to; undefined for anything. */
  let gathered: Set<string> | undefined = undefined
  let isDue = true
  let since = 0
  /** Refreshes that failed, one after the other; while there are any, the next waits until `retryAt`. */
  let failures = 0
  let retryAt = 0
  let timer: Timer | undefined
  let comparing: Timer | undefined
  let working: Promise<void> | undefined
  let isClosed = false
  let watcher: FSWatcher | undefined

  function happened(path: string | null): void {
    if (isClosed || (path !== null && isHiddenPath(path))) return
    if (!isDue) {
      gathered = new Set()
      since = clock.now()
    }
    isDue = true
    if (path === null || (gathered?.size ?? 0) >= pathsMax) gathered = undefined
    else gathered?.add(path)
    schedule()
  }

  function schedule(): void {
    if (working !== undefined || isClosed) return
    timer?.cancel()
    const now = clock.now()
    timer = later(Math.max(0, Math.min(quietMs, since + burstMs - now), retryAt - now), () => void work())
  }

  /** Nobody stays for it. */
  function later(ms: number, fn: () => void): Timer {
    const made = clock.after(ms, fn)
    made.hold(false)
    return made
  }

  function compareLater(): void {
    comparing = later(compareMs, () => {
      if (watcher === undefined) happened(null)
      compareLater()
    })
  }

  function work(): Promise<void> {
    working ??= refreshAll().finally(() => {
      working = undefined
      if (isDue) schedule()
    })
    return working
  }

  async function refreshAll(): Promise<void> {
    timer?.cancel()
    const paths = gathered
    isDue = false
    gathered = new Set()
    let isDone = false
    try {
      // An index that cannot even be asked is refreshed as a whole: that builds a damaged one again, or says what is wrong.
      const isWhole = paths === undefined || (await hasFolder(paths).catch(() => true))
      const report = await index.refresh(isWhole ? undefined : [...paths])
      isDone = true
      failures = retryAt = 0
      onReport?.(report)
    } catch (error) {
      if (!isDone) again(paths)
      if (!isClosed) onError?.(error)
    }
  }

  /** What a failed refresh was about is due again, with what has happened since. */
  function again(paths: ReadonlySet<string> | undefined): void {
    const both = paths === undefined || gathered === undefined ? undefined : new Set([...paths, ...gathered])
    gathered = both === undefined || both.size > pathsMax ? undefined : both
    isDue = true
    retryAt = clock.now() + Math.min(retryMsMax, retryMsMin * 2 ** failures++)
  }

  /** Whether something is or was no file: what happened to a folder happened to all that is in it. */
  async function hasFolder(paths: ReadonlySet<string>): Promise<boolean> {
    for (const path of paths) {
      const stat = await lstat(join(index.root, path)).catch(() => undefined)
      if (stat === undefined ? !index.list({ prefix: path, limit: 1 }).includes(path) : !stat.isFile()) return true
    }
    return false
  }

  try {
    watcher = watchFiles(index.root, { recursive: true, persistent: false }, (_, name) =>
      happened(name === null ? null : name.split(sep).join('/')),
    )
    watcher.on('error', (error) => {
      watcher?.close()
      watcher = undefined
      onError?.(error)
      happened(null)
    })
  } catch (error) {
    onError?.(error)
  }
  compareLater()
  schedule()

  return {
    isTold: () => watcher !== undefined,
    async settled() {
      // The system tells of a change a moment after it; what was under way may not have seen it.
      await new Promise<void>((resolve) => void clock.after(quietMs, resolve))
      await working
      while (isDue && !isClosed) {
        await work()
        if (failures > 0) break
      }
    },
    close() {
      isClosed = true
      timer?.cancel()
      comparing?.cancel()
      watcher?.close()
      watcher = undefined
    },
  }
}
