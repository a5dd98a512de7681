/**
 * What the status of a kernel says of one run: which processes are of it, and which cores they wait for.
 *
 *     isBelow(reader, status.processes, pid, root)   // undefined where that is not known yet
 *     coresOf(reader, status, root)                  // of all its cores, those that the run waits for
 */
import type { StoreReader } from '../drivers/store/sqlite-reader.ts'
import type { CoreInfo } from '../kernel/kernel.ts'
import type { Pid, ProcessInfo } from '../kernel/types.ts'
import type { Status } from './store-file.ts'

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

/** The cores that the run, or a process below it, waits for. */
export function coresOf(
  reader: Pick<StoreReader, 'processes'>,
  { cores, processes }: Status,
  root: Pid,
): readonly CoreInfo[] {
  const running = processes.filter(({ state }) => state === 'running')
  return cores.filter(({ id }) =>
    running.some((one) => one.core === id && isBelow(reader, processes, one.pid, root) === true),
  )
}
