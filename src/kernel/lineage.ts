/**
 * Lineage: who descends from whom, and which files and notes that makes theirs; also of processes of which only the journal
 * is left.
 *
 *     const process = lineage.find(pid)            // running, stopped or ended; from the table or from the store
 *     lineage.descends(pid, ancestor)
 *     lineage.branchOf(start)                      // the spaces of a fork
 */
import type { Store } from './drivers.ts'
import { startIn } from './past.ts'
import { Process, transition } from './process.ts'
import type { Programs } from './programs.ts'
import type { Spaces } from './spaces.ts'
import { spacesOf } from './spaces.ts'
import type { Pid, ProcessStart } from './types.ts'

/** Processes and what they come from. */
export interface Lineage {
  /** A process of the table, or one that ended so long ago that only the store knows it. */
  find(pid: Pid): Process | undefined
  /** Whether the process is `ancestor` or descends from it, also when only its journal is left. */
  descends(pid: Pid, ancestor: Process): boolean
  /** The spaces of a fork: what its origin had at the cut, and its own from there on. */
  branchOf(start: ProcessStart): Spaces | undefined
}

/** Where processes are looked up. */
export interface LineageOptions {
  readonly store: Store
  readonly table: ReadonlyMap<Pid, Process>
  readonly programs: Programs
}

/** The lineage of a kernel's processes. */
export function createLineage({ store, table, programs }: LineageOptions): Lineage {
  function branchOf(start: ProcessStart): Spaces | undefined {
    return start.forkOf === null ? undefined : spacesOf(start, (pid) => table.get(pid)?.start ?? startIn(store, pid))
  }

  /** A process of which only the journal is left, with the parents that its spaces come from. It learns nothing more. */
  function ghost(pid: Pid): Process | undefined {
    const [start] = store.events(pid)
    if (start?.type !== 'process-start') return undefined
    const parent = start.parent === null ? undefined : (table.get(start.parent) ?? ghost(start.parent))
    const links = { parent, program: programs.standIn(start), tools: programs.common, branch: branchOf(start) }
    return new Process(start, links, () => false)
  }

  function ended(pid: Pid): Process | undefined {
    const last = store.events(pid).at(-1)
    const process = last?.type === 'process-end' ? ghost(pid) : undefined
    if (last?.type !== 'process-end' || process === undefined) return undefined
    transition(
      process,
      last.error === undefined
        ? { type: 'end', state: last.state, at: last.at, value: last.value ?? null }
        : { type: 'end', state: last.state, at: last.at, error: last.error },
    )
    Object.assign(process.used, last.usage)
    process.standing = last.standing ?? { ...process.standing, labels: last.labels ?? [] }
    return process
  }

  return {
    find: (pid) => table.get(pid) ?? ended(pid),
    descends(pid, ancestor) {
      const process = table.get(pid) ?? ghost(pid)
      return process !== undefined && isWithin(process, ancestor.pid)
    },
    branchOf,
  }
}

/** Whom it descends from, the nearest first. */
export function ancestorsOf(process: Process): readonly Pid[] {
  const pids: Pid[] = []
  for (let at = process.parent; at !== undefined; at = at.parent) pids.push(at.pid)
  return pids
}

/** Whether the process is the one with this pid, or descends from it. */
export function isWithin(process: Process, pid: Pid): boolean {
  for (let at: Process | undefined = process; at !== undefined; at = at.parent) if (at.pid === pid) return true
  return false
}
