/**
 * The second thread of a store: it commits large batches, and brings the write-ahead log into the file, while the event
 * loop goes on: both wait for the disk.
 *
 *     const thread = startCommitThread(path, 'PRAGMA synchronous = NORMAL', () => …)
 *     if (thread.isReady) await thread.commit(rows, puts, false)
 *     thread.close()
 *
 * Invariants
 *   T1. Jobs are done one after the other, in the order in which they were given.
 *   T2. When `commit` resolves the batch is kept, when it rejects with an error of SQLite nothing of it is. When the thread
 *       itself ended (`isReady` is false then) either may be, and the file says which.
 *   T3. A job under way keeps the process alive, an idle thread does not.
 */
// oxlint-disable unicorn/require-post-message-target-origin -- a thread is no window
import { extname, join } from 'node:path'
import type { Put } from '../../kernel/drivers.ts'
import type { Answer, Job, ThreadData } from './commit-worker.ts'
import type { Row } from './journal-table.ts'

const entry = join(import.meta.dirname, `commit-worker${extname(import.meta.filename)}`)
/** Longest wait for the jobs under way when the store is closed, ms. */
const CLOSE_MS = 10_000

/** A thread with a connection of its own to the store file. */
export interface CommitThread {
  /** False until it has started, which takes some 40 ms, and after it failed. */
  readonly isReady: boolean
  /** Keeps a batch; with `index`, brings the index of places up to date before. */
  commit(rows: readonly Row[], puts: readonly Put[], index: boolean): Promise<void>
  /** Brings into the file what the log holds by now, as far as no reader needs it. Others may write at the same time. */
  checkpoint(): Promise<void>
  /** Ends the thread, after the jobs that it was given. Waits for them. */
  close(): void
}

/** Starts the thread. `settings` are the pragmas of its connection; `onEnd` is told when it ends of itself. */
export function startCommitThread(path: string, settings: string, onEnd: () => void): CommitThread {
  const { Worker } = process.getBuiltinModule('node:worker_threads')
  const closed = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(entry, {
    name: 'polity-store',
    execArgv: [],
    workerData: { path, settings, closed } satisfies ThreadData,
  })
  const waiting: { resolve: () => void; reject: (error: unknown) => void }[] = []
  let isReady = false
  let isClosed = false

  function failed(error: unknown): void {
    isReady = false
    if (!isClosed) onEnd()
    isClosed = true
    for (const one of waiting.splice(0)) one.reject(error)
  }

  worker.unref()
  worker.on('message', (answer: Answer) => {
    if ('ready' in answer) {
      isReady = true
      return
    }
    const one = waiting.shift()
    if (waiting.length === 0) worker.unref()
    if (answer.error === undefined) one?.resolve()
    else one?.reject(Object.assign(new Error(answer.error.message), { errcode: answer.error.errcode }))
  })
  worker.on('error', failed)
  worker.on('exit', () => failed(new Error('the thread of the store ended')))

  function ask(job: Job): Promise<void> {
    if (!isReady) return Promise.reject(new Error('the thread of the store is not there'))
    worker.ref()
    worker.postMessage(job)
    return new Promise((resolve, reject) => void waiting.push({ resolve, reject }))
  }

  return {
    get isReady() {
      return isReady
    },
    commit: (rows, puts, index) => ask({ job: 'commit', rows, puts: puts.map(movable), index }),
    checkpoint: () => ask({ job: 'checkpoint' }),
    close() {
      if (isReady) {
        worker.postMessage({ job: 'close' } satisfies Job)
        Atomics.wait(closed, 0, 0, CLOSE_MS)
      }
      isReady = false
      isClosed = true
      void worker.terminate()
    },
  }
}

/** Bytes without the rest of the buffer that they lie in, which would be copied with them. */
function movable(put: Put): Put {
  if (!(put.value instanceof Uint8Array) && put.vector === undefined) return put
  return {
    ...put,
    ...(put.value instanceof Uint8Array ? { value: put.value.slice() } : {}),
    ...(put.vector === undefined ? {} : { vector: put.vector.slice() }),
  }
}
