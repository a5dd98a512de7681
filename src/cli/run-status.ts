/**
 * What the status of a kernel says of one run: which processes are of it, and which cores they wait for.
 *
 *     isBelow(reader, status.processes, pid, root)   // undefined where that is not known yet
 *     await refusingFor(path, reader, status, root)  // of those that refuse, the ones that the run waits for
 */
import type { StoreReader } from '../drivers/store/sqlite-reader.ts'
import type { CoreInfo } from '../kernel/kernel.ts'
import type { Pid, ProcessInfo } from '../kernel/types.ts'
import type { Status } from './store-file.ts'
import { askProcesses } from './store-file.ts'

/**
 * Whether a process is the run or one below it. What the status does not show, for it shows so many and no more, is in the
 * store; undefined where it is not yet.
 */
export function isBelow(
  reader: Pick<StoreReader, 'processes'>,
  processes: readonly Pick<ProcessInfo, 'pid' | 'parent'>[],
  pid: Pid,
  root: Pid,
): boolean | undefined {
  let at: Pid | null | undefined = pid
  while (typeof at === 'number' && at !== root) {
    const from: Pid = at
    const shown = processes.find((one) => one.pid === from)
    at = shown === undefined ? [...reader.processes({ from, to: from + 1 })][0]?.start.parent : shown.parent
  }
  return at === undefined ? undefined : at === root
}

/** The cores that refuse and that the run, or a process below it, waits for; asks the kernel about each of those that has not ended. */
export async function refusingFor(
  path: string,
  reader: StoreReader,
  status: Status,
  root: Pid,
): Promise<readonly CoreInfo[]> {
  // A kernel of an earlier version says nothing of refusals.
  const cores = status.cores.filter(({ refusal }) => refusal !== null && refusal !== undefined)
  if (cores.length === 0) return []
  const processes = await askProcesses(path, reader, status, openBelow(reader, root))
  return coresOf(reader, { ...status, cores, processes: [...(processes?.values() ?? status.processes)] }, root)
}

/** The run and its descendants, but for those that have ended. */
function openBelow(reader: StoreReader, root: Pid): Pid[] {
  const open = new Set([root])
  // A child's pid is larger than its parent's, and its parent has not ended before it.
  for (const { start, end } of reader.processes({ from: root }))
    if (end === undefined && start.parent !== null && open.has(start.parent)) open.add(start.pid)
  return [...open]
}

/** The cores that the run, or a process below it, waits for. */
function coresOf(reader: Pick<StoreReader, 'processes'>, { cores, processes }: Status, root: Pid): readonly CoreInfo[] {
  const running = processes.filter(({ state }) => state === 'running')
  return cores.filter(({ id }) =>
    running.some((one) => one.core === id && isBelow(reader, processes, one.pid, root) === true),
  )
}
