/**
 * A store that fails as disks and databases do: before it wrote, after it wrote (so that the same batch comes again), late,
 * for a while or for ever; and at which a kernel dies in the middle of a commit.
 *
 * What it has committed outlives the kernel: each life gets a view of the same memory.
 */
import type { Batch, Store } from '../../src/kernel/drivers.ts'
import type { Life, Time } from './clock.ts'
import type { Random } from './random.ts'

export interface StoreFaults {
  readonly failBefore: number
  readonly failAfter: number
  readonly slow: number
  readonly crash: number
  /** Begins a time in which every commit fails. */
  readonly full: number
}

export interface StoreView {
  readonly store: Store
  /** The administrator makes room. */
  heal(): void
}

export interface StoreOptions {
  readonly inner: Store
  readonly faults: StoreFaults
  readonly random: Random
  readonly time: Time
  readonly life: Life
  readonly durability: 'relaxed' | 'strict'
  /** Kills the kernel, if it may still be killed. */
  readonly crash: () => boolean
  readonly onCommit: (batch: Batch) => void
  /** Whether the disk is full no more. */
  readonly isMended: () => boolean
}

export function faultyStore({
  inner,
  faults,
  random,
  time,
  life,
  durability,
  crash,
  onCommit,
  isMended,
}: StoreOptions): StoreView {
  let fullUntil = 0

  function write(batch: Batch): void {
    if (!life.alive) return
    inner.commit(batch)
    onCommit(batch)
  }

  function commit(batch: Batch): void | Promise<void> {
    if (!life.alive) return never()
    if (time.now() < fullUntil) throw new Error('disk full')
    // Chance is asked first: other worlds stay as they were.
    if (random.chance(faults.full) && !isMended()) {
      fullUntil = time.now() + (random.chance(0.3) ? Infinity : random.int(10, 300))
      throw new Error('disk full')
    }
    if (random.chance(faults.crash)) {
      const isWritten = random.chance(0.5)
      if (isWritten) write(batch)
      if (crash()) return never()
      if (isWritten) return
    }
    if (random.chance(faults.failBefore)) throw new Error('it was not written')
    if (random.chance(faults.slow)) {
      const fails = random.chance(0.2)
      return new Promise((resolve, reject) =>
        time.after(random.int(1, 40), () => {
          if (!fails) write(batch)
          if (!life.alive) return
          if (fails) reject(new Error('it was not written, and we waited for that'))
          else resolve()
        }),
      )
    }
    write(batch)
    if (random.chance(faults.failAfter)) throw new Error('it was written, and the word was lost')
  }

  return {
    store: { ...inner, durability, commit, close: () => {}, drop: (pids) => void (life.alive && inner.drop(pids)) },
    heal: () => void (fullUntil = 0),
  }
}

export function never<T>(): Promise<T> {
  return new Promise(() => {})
}
