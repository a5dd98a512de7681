/**
 * In a server a run goes on, or is forked, only with what it was begun with: the server may have been started otherwise since.
 * What clients cannot do knowingly, the owner can: `polity resume 17 --law clerk.json`.
 *
 *     const served = asBegun(kernel, store, setups)         // a kernel for the doors
 *     served.resume(17)                                     // throws SETUP_MISMATCH: it was begun with another law
 *     const kernel = await boot({ goesOn: termsOf(store, setups), … })   // the same for commands of other processes
 *
 * Invariants
 *   AB1. What the store does not say of a run keeps it from nothing at a door: what a library or an earlier version began.
 *        By a command such a run does not go on.
 *   AB2. A client learns what differs, and no path or content of it.
 *   AB3. What goes on knowingly under the law of the server has that as its own from then on, whoever goes on with it next.
 */
import type { Store } from '../kernel/drivers.ts'
import { PolityError, invalid } from '../kernel/errors.ts'
import type { Kernel, KernelOptions } from '../kernel/kernel.ts'
import type { Pid } from '../kernel/types.ts'
import type { Setup } from './setup.ts'
import { differenceOf, nameOf, setupAt, setupEntry } from './setup.ts'

/** What a server begins runs with, by `name@version` of their program. */
type Setups = { readonly [program: string]: Setup }

/** A kernel for the doors of a server. They resume one run at a time: one that cannot go on keeps no other. */
export function asBegun(kernel: Kernel, store: Pick<Store, 'get'>, setups: Setups): Kernel {
  function check(pid: Pid): void {
    let root = kernel.info(pid)
    while (root.parent !== null) root = kernel.info(root.parent)
    const own = setupAt(store, { pid: root.pid, at: root.startedAt })
    const theirs = setups[nameOf({ name: root.program, version: root.version })]
    // Whether a program is served at all is not asked here.
    const differs = own === undefined || theirs === undefined ? undefined : differenceOf(own, theirs)
    if (differs !== undefined) throw mismatch(root.pid, differs)
  }

  const resume: Kernel['resume'] = (pid) => {
    if (pid === undefined) throw invalid('resume', 'the pid of a process here', pid)
    check(pid)
    return kernel.resume(pid)
  }
  const fork: Kernel['fork'] = async (pid, options) => {
    check(pid)
    return kernel.fork(pid, options)
  }
  return Object.create(kernel, { resume: { value: resume }, fork: { value: fork } }) as Kernel
}

/** What a server asks of commands (elsewhere.ts), which may have been meant for the one before it. */
export function termsOf(store: Pick<Store, 'get'>, setups: Setups): NonNullable<KernelOptions['goesOn']> {
  return (root, law) => {
    const { pid, program, version } = root
    const own = setupAt(store, root)
    const theirs = setups[nameOf({ name: program, version })]
    if (own === undefined || theirs === undefined)
      throw new PolityError(
        'SETUP_MISMATCH',
        `process ${pid} does not go on in this server: ${own === undefined ? 'the store does not say with what it was begun' : `it runs ${nameOf({ name: program, version })}, which is not served`}`,
      )
    if (law === undefined) {
      const differs = differenceOf(own, theirs)
      if (differs !== undefined) throw mismatch(pid, differs)
      return undefined
    }
    const knowingly = { ...own, law: theirs.law, lawHash: theirs.lawHash }
    const differs = law === theirs.lawHash ? differenceOf(knowingly, theirs) : 'law'
    if (differs !== undefined) throw mismatch(pid, differs)
    return setupEntry(root, knowingly)
  }
}

function mismatch(pid: Pid, differs: string): PolityError {
  return new PolityError(
    'SETUP_MISMATCH',
    `process ${pid} was begun with another ${differs} than this server has; who runs the server can start it again with that, or end it and then go on with the run by \`polity resume ${pid}\``,
  )
}
