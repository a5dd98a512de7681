/**
 * Retention: which ended processes stay in RAM, and whose journals stay in the store. The oldest go first.
 *
 *     retention.retire(process)      // it has ended, and nobody waits for it any more
 *     await retention.collect(100)   // removes journals until 100 of ended processes are left
 *
 * Invariants
 *   K1. The end of a process is kept before its journal goes: a crash in between leaves one of them.
 *   K2. What a removed child used is noted for its parent first, so that a parent that runs on keeps its sums; once, also
 *       where its journal could not be removed then and goes another time.
 *   K3. The journal of a process stays while a fork of it has one: it is the fork's past. With its last fork it may go.
 *       So it is with a fork that is made while the journal is about to go.
 *   K4. After the journal of a process goes the key under which it was started (once.ts).
 *   K5. Whose journals there are is known without the store being read: a principal's few are found among many.
 *   K6. Of a fork, what may be asked for without its journal is put down before that goes (tool-state.ts).
 */
import type { ProcessHead, Store } from './drivers.ts'
import { PolityError, messageOf, warn } from './errors.ts'
import type { Journal } from './journal.ts'
import type { Limits } from './limits.ts'
import type { Starts } from './once.ts'
import type { Process } from './process.ts'
import { unused } from './process.ts'
import type { Pid, ProcessStart, Usage } from './types.ts'
import { addChild, removedKey, removedNote, removedOf } from './usage.ts'
import type { Counted } from './usage.ts'

/** Who is forgotten, and when. */
export interface Retention {
  /** A journal began: of a fork, it keeps the one that it came from. */
  began(start: ProcessStart): void
  /** Processes of a principal that have a journal, by pid ascending. */
  journalsOf(principal: string): ReadonlySet<Pid>
  /** Puts an ended process in line to be forgotten: first from RAM, later from the store. */
  retire(process: Process): void
  /** Removes the journals of ended processes until `keep` are left; tells how many went. Rejects where the store could not remove them. */
  collect(keep: number): Promise<number>
  /** Takes over what an earlier kernel left, and says what the ended children of unfinished processes used. */
  recover(
    heads: Iterable<ProcessHead>,
    lately: number,
  ): {
    readonly unfinished: readonly ProcessStart[]
    /** Those that ended after `lately`. */
    readonly endedLately: readonly ProcessStart[]
    usedBelow(pid: Pid): Usage[]
  }
}

/** Where ended processes stand. */
export interface RetentionOptions {
  readonly store: Store
  readonly journal: Journal
  readonly limits: Limits
  readonly table: Map<Pid, Process>
  readonly starts: Starts
  readonly isOpen: () => boolean
  /** Hears that the journal of a fork goes, while it is still there. */
  readonly onGoing: (pid: Pid) => void
  /** Hears which journals went: what only they could lead back to may go too. */
  readonly onGone: (gone: readonly Pick<Kept, 'pid' | 'principal' | 'parent' | 'origin'>[]) => void
}

interface Kept {
  readonly pid: Pid
  readonly principal: string
  readonly parent: Pid | null
  /** The process that it was forked from. */
  readonly origin: Pid | null
  /** Key under which it was started (once.ts). */
  readonly once?: string
}

/** Retention of a kernel, empty until `recover`. */
export function createRetention({
  store,
  journal,
  limits,
  table,
  starts,
  isOpen,
  onGoing,
  onGone,
}: RetentionOptions): Retention {
  /** Processes up to here are an earlier kernel's: what was noted for them is known to the store alone. */
  const earlier = journal.lastSeq
  /** Ended processes in RAM and journals in the store, the oldest first. */
  const ended: Pid[] = []
  let kept: Kept[] = []
  /** What children of running processes used whose journals were removed, by the parent. */
  const removedUsage = new Map<Pid, Counted>()
  /** Children that are in those sums, and whose journals are in the store still. */
  const counted = new Set<Pid>()
  /** Children of unfinished processes that ended under an earlier kernel: who is resumed may still wait for them. */
  const endedBefore = new Map<Pid, Kept[]>()
  /** How many journals of forks each process is the past of. */
  const forks = new Map<Pid, number>()
  /** By principal. */
  const journals = new Map<string, Set<Pid>>()

  function began(start: ProcessStart): void {
    hold(start.forkOf?.pid ?? null)
    const own = journals.get(start.principal)
    if (own === undefined) journals.set(start.principal, new Set([start.pid]))
    else own.add(start.pid)
  }

  function went({ pid, principal, once }: Kept): void {
    counted.delete(pid)
    if (once !== undefined) starts.forget(once, pid)
    const own = journals.get(principal)
    own?.delete(pid)
    if (own?.size === 0) journals.delete(principal)
  }

  function hold(origin: Pid | null): void {
    if (origin !== null) forks.set(origin, (forks.get(origin) ?? 0) + 1)
  }

  /** A fork's journal goes. Returns its origin if that was the last one. */
  function release(origin: Pid | null): Pid | undefined {
    if (origin === null) return undefined
    const left = (forks.get(origin) ?? 1) - 1
    if (left > 0) forks.set(origin, left)
    else forks.delete(origin)
    return left > 0 ? undefined : origin
  }

  function retire(process: Process): void {
    ended.push(process.pid)
    const children = endedBefore.get(process.pid)
    if (children !== undefined) {
      for (const child of children) kept.push(child)
      endedBefore.delete(process.pid)
    }
    kept.push(keptOf(process.start))
    if (ended.length < limits.processesEndedMax + RETIRE_STEP) return
    for (const pid of ended.splice(0, ended.length - limits.processesEndedMax)) table.delete(pid)
    const keep = store.durability === 'memory' ? limits.processesEndedMax : limits.processesKeptMax
    if (kept.length < keep + RETIRE_STEP) return
    // They stay where they are, and go another time. Why a kernel has closed, others tell.
    collect(keep).catch((error: unknown) => isOpen() && warn('old journals could not be removed', error))
  }

  async function collect(keep: number): Promise<number> {
    if (typeof keep !== 'number' || !(keep >= 0))
      throw new PolityError(
        'INVALID_ARGUMENT',
        `collect takes how many journals stay, not ${messageOf(keep).slice(0, 80)}`,
      )
    const drop = take(keep)
    if (drop.length === 0) return 0
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        putBack(drop)
        reject(error)
      }
      const whenKept = (go: () => void): void =>
        journal.whenKept((error) => {
          if (error !== undefined) return fail(error)
          if (!isOpen()) return fail(new PolityError('KERNEL_CLOSED', 'the kernel was closed before old journals went'))
          go()
        })
      // Not before their ends are kept: a crash in between would leave neither journal nor end.
      whenKept(() => {
        try {
          note(drop)
        } catch (error) {
          return fail(error as Error)
        }
        whenKept(() => {
          try {
            resolve(remove(drop))
          } catch (error) {
            reject(error as Error)
          }
        })
      })
    })
  }

  /** Takes out of the line who is to go, so that nobody else takes them too. */
  function take(keep: number): readonly Kept[] {
    const over = kept.length - keep
    if (over <= 0) return []
    let drop: readonly Kept[]
    if (forks.size === 0) {
      drop = kept.slice(0, over)
      kept = kept.slice(over)
    } else {
      drop = chosen(over)
      const pids = new Set(drop.map(({ pid }) => pid))
      kept = kept.filter(({ pid }) => !pids.has(pid))
    }
    return drop
  }

  /** They go another time. */
  function putBack(drop: readonly Kept[]): void {
    kept = [...drop, ...kept]
    for (const { origin } of drop) hold(origin)
  }

  /** The oldest whose journals may go, at most so many; after a fork, the origin that only it held. */
  function chosen(count: number): readonly Kept[] {
    const drop: Kept[] = []
    const held = new Map<Pid, Kept>()
    for (const one of kept) {
      if (drop.length >= count) break
      if (forks.has(one.pid)) held.set(one.pid, one)
      else {
        for (let next: Kept | undefined = one; next !== undefined && drop.length < count;) {
          drop.push(next)
          const free = release(next.origin)
          next = free === undefined ? undefined : held.get(free)
        }
      }
    }
    return drop
  }

  /** What is to be known of them once they are gone. Where the store cannot be read it throws, and nothing is counted. */
  function note(drop: readonly Kept[]): void {
    for (const { pid, origin } of drop) if (origin !== null) onGoing(pid)
    const obsolete = drop.filter(
      ({ pid }) => removedUsage.has(pid) || (pid <= earlier && store.get('meta', removedKey(pid)) !== undefined),
    )
    // A parent that runs on has used what its children used, also after a restart: it is noted before they go.
    const used: (readonly [pid: Pid, parent: Pid, usage: Usage])[] = []
    for (const { pid, parent } of drop) {
      if (parent === null || counted.has(pid) || table.get(parent)?.ended !== false) continue
      const last = store.events(pid).at(-1)
      if (last?.type === 'process-end') used.push([pid, parent, last.usage])
    }
    for (const { pid } of obsolete) {
      removedUsage.delete(pid)
      journal.putAlone({ table: 'meta', key: removedKey(pid), value: null })
    }
    for (const [pid, parent, usage] of used) {
      removedUsage.set(parent, addChild(removedUsage.get(parent) ?? unused(), usage))
      counted.add(pid)
    }
    for (const parent of new Set(used.map(([, parent]) => parent)))
      journal.putAlone({
        table: 'meta',
        key: removedKey(parent),
        value: removedNote(removedUsage.get(parent) as Usage, counted),
      })
  }

  /** Returns how many went. */
  function remove(drop: readonly Kept[]): number {
    const { going, held } = parted(drop)
    if (held.length > 0) kept = [...held, ...kept]
    if (going.length === 0) return 0
    try {
      store.drop(going.map(({ pid }) => pid))
    } catch (error) {
      putBack(going)
      throw error
    }
    for (const one of going) went(one)
    onGone(going)
    return going.length
  }

  /** Those that may still go, and those that somebody forked meanwhile; these hold what they came from again, which is behind them. */
  function parted(drop: readonly Kept[]): { readonly going: readonly Kept[]; readonly held: readonly Kept[] } {
    const going: Kept[] = []
    const held: Kept[] = []
    for (const one of drop) {
      if (forks.has(one.pid)) {
        held.push(one)
        hold(one.origin)
      } else going.push(one)
    }
    return { going, held }
  }

  function recover(heads: Iterable<ProcessHead>, lately: number): ReturnType<Retention['recover']> {
    const unfinished: ProcessStart[] = []
    const endedLately: ProcessStart[] = []
    const usage = new Map<Pid, Usage[]>()
    /** Of each unfinished process, the children whose journals were to be removed when a crash came. */
    const removed = new Map<Pid, ReadonlySet<Pid>>()
    for (const { start, end } of heads) {
      began(start)
      const { pid, parent } = start
      if (end === undefined) {
        unfinished.push(start)
        const noted = removedOf(store, pid)
        if (noted.usage !== undefined) removedUsage.set(pid, noted.usage)
        removed.set(pid, new Set(noted.pids))
        usage.set(pid, noted.usage === undefined ? [] : [noted.usage])
        continue
      }
      if (end.at > lately) endedLately.push(start)
      const waiter = parent === null ? undefined : removed.get(parent)
      if (waiter === undefined) kept.push(keptOf(start))
      else if (waiter.has(pid)) {
        counted.add(pid)
        kept.push(keptOf(start))
      } else {
        usage.get(parent as Pid)?.push(addChild(unused(), end.usage))
        const siblings = endedBefore.get(parent as Pid)
        if (siblings === undefined) endedBefore.set(parent as Pid, [keptOf(start)])
        else siblings.push(keptOf(start))
      }
    }
    return { unfinished, endedLately, usedBelow: (pid) => usage.get(pid) ?? [] }
  }

  return { began, journalsOf: (principal) => journals.get(principal) ?? NONE, retire, collect, recover }
}

function keptOf({ pid, principal, parent, forkOf, once }: ProcessStart): Kept {
  const kept = { pid, principal, parent, origin: forkOf?.pid ?? null }
  return once === undefined ? kept : { ...kept, once }
}

const NONE: ReadonlySet<Pid> = new Set()

/** Ended processes that wait before the oldest are forgotten together. */
const RETIRE_STEP = 64
