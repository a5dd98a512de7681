/**
 * A kernel for the doors of a server, in which a run goes on, or is forked, only with what it was begun with: the server may
 * have been started otherwise since. What clients cannot do knowingly, the owner can: `polity resume 17 --law clerk.json`.
 *
 *     const served = asBegun(kernel, store, setups)
 *     served.resume(17)                             // throws SETUP_MISMATCH: it was begun with another law
 *
 * Invariants
 *   AB1. What the store does not say of a run keeps it from nothing: what a library or an earlier version began.
 *   AB2. A client learns what differs, and no path or content of it.
 */
import type { Store } from '../kernel/drivers.ts'
import { PolityError } from '../kernel/errors.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Pid } from '../kernel/types.ts'
import type { Setup } from './setup.ts'
import { differenceOf, nameOf, setupAt } from './setup.ts'

/** @param setups what the server begins runs with, by `name@version` of their program */
export function asBegun(
  kernel: Kernel,
  store: Pick<Store, 'get'>,
  setups: { readonly [program: string]: Setup },
): Kernel {
  function check(pid: Pid): void {
    let root = kernel.info(pid)
    while (root.parent !== null) root = kernel.info(root.parent)
    const own = setupAt(store, { pid: root.pid, at: root.startedAt })
    const theirs = setups[nameOf({ name: root.program, version: root.version })]
    // Whether a program is served at all is not asked here.
    const differs = own === undefined || theirs === undefined ? undefined : differenceOf(own, theirs)
    if (differs !== undefined)
      throw new PolityError(
        'SETUP_MISMATCH',
        `process ${root.pid} was begun with another ${differs} than this server has; who runs the server can start it with that, or go on with the run by \`polity resume ${root.pid}\``,
      )
  }

  const resume: Kernel['resume'] = (pid) => {
    const pids = pid === undefined ? kernel.ps().filter(({ state }) => state === 'stopped') : [{ pid }]
    for (const one of pids) check(one.pid)
    return kernel.resume(pid)
  }
  const fork: Kernel['fork'] = async (pid, options) => {
    check(pid)
    return kernel.fork(pid, options)
  }
  return Object.create(kernel, { resume: { value: resume }, fork: { value: fork } }) as Kernel
}
