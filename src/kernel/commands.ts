/**
 * Commands: what other operating-system processes want of the kernel that owns the store (`polity kill`, `answer`, `top`,
 * `resume`). They write their wishes into the store; the kernel looks for them now and then.
 *
 *     const commands = listen({ store, clock, flush, kill, answer, resume, fork, collect, revoke, forget, info, status })
 *     await commands?.close()
 *
 * A wish that names a reply is told how it went: its outcome is published with the status for OUTCOME_MS. How many processes
 * stand is told once, for it is long: whoever missed it asks again.
 *
 * Invariants
 *   CO1. What a wish came to is kept before its outcome is published, and before the wish leaves the store.
 *   CO2. A wish that a crash interrupts is done by the next kernel. Done twice, it does no more than once: a process that
 *        has ended is not killed again, a question that was answered has gone, a fork is made and files are restored once
 *        under their reply. Only a source that is revoked again takes what was written from it since.
 *   CO3. A kernel that closes in order counts as none that had the wish, and leaves the next one none that it has done. One
 *        that TRIES_MAX kernels had, and none did, is done by no other: that is told to whoever waits, and to whoever runs
 *        the kernel.
 */
import type { ForkOptions } from './branches.ts'
import type { Clock } from './clock.ts'
import type { Command, Store } from './drivers.ts'
import type { ErrorData } from './errors.ts'
import { PolityError, invalid, toErrorData, warn } from './errors.ts'
import type { Revocation, RevokeOptions } from './revoke.ts'
import type { FilesPoint, Json, Pid, ProcessInfo } from './types.ts'

/** What commands may do to the kernel. */
export interface CommandsOptions {
  readonly store: Store
  readonly clock: Clock
  /** False once the kernel is closed: nobody is heard any more. */
  readonly isOpen: () => boolean
  /** Ends once all that has happened is kept. */
  readonly flush: () => Promise<void>
  readonly kill: (pid: Pid, reason: string | undefined) => void
  readonly answer: (id: number, text: string, more: { readonly proof?: string; readonly value?: Json }) => void
  /** The pids of all that go on. `law` is the hash of the one under which they are to do that knowingly. */
  readonly resume: (pid: Pid, law: string | undefined) => readonly Pid[]
  readonly fork: (pid: Pid, options: ForkOptions, law: string | undefined) => Promise<Pid>
  /** How many journals went, once they have. */
  readonly collect: (keep: number) => Promise<number>
  /** Once under a key, where there is one. */
  readonly restoreFiles: (pid: Pid, point: FilesPoint, once: string | undefined) => Promise<Json>
  readonly collectFiles: () => Promise<Json>
  /** Takes the notes that come from a source. */
  readonly revoke: (source: string, options: RevokeOptions) => Promise<Revocation>
  /** Forgets a note of a principal, as a process of it. */
  readonly forget: (id: string, principal: string) => Promise<void>
  /** How one process stands. */
  readonly info: (pid: Pid) => ProcessInfo
  /** What `polity top` shows. */
  readonly status: () => { readonly [key: string]: Json }
}

/** How a wish went, under the name that its sender gave it. */
export interface Outcome {
  readonly reply: string
  readonly value?: Json
  readonly error?: ErrorData
}

/** Looks for commands until it is closed; undefined for a store that can hold none. */
export function listen(options: CommandsOptions): { close(): Promise<void> } | undefined {
  const { store, clock, isOpen, flush, status } = options
  if (store.takeCommands === undefined) return undefined
  /** The last ones, the oldest first. */
  let outcomes: (Outcome & { readonly at: number; readonly isLong?: true })[] = []
  let done: Command[] = []
  const underWay = new Set<Command>()
  /** Those that a kernel that closed was at. */
  const undone: Command[] = []
  let isDue = false
  const publish = (): void => {
    isDue = false
    const oldest = clock.now() - OUTCOME_MS
    outcomes = outcomes.filter(({ at }) => at >= oldest).slice(-OUTCOMES_MAX)
    try {
      store.commandsDone?.(done)
      done = []
      if (isAsked) store.publishStatus?.(JSON.stringify({ ...status(), outcomes: outcomes as unknown as Json }))
      isAsked = false
      outcomes = outcomes.filter(({ isLong }) => isLong !== true)
    } catch (error) {
      warn('what was done of the store’s commands, and the status, could not be written', error)
    }
  }
  const settled = (): Promise<void> => new Promise((resolve) => clock.soon(resolve))
  /** Whether somebody looks for the status. */
  let isAsked = false
  /** Once for all wishes that were granted together. */
  const publishSoon = (): void => {
    if (isDue) return
    isDue = true
    clock.soon(() => isDue && isOpen() && publish())
  }
  const take = async (command: Command): Promise<void> => {
    underWay.add(command)
    const isTriedOut = (command.tries ?? 0) >= TRIES_MAX
    try {
      if (isTriedOut) throw triedOut(command)
      const value = await obey(command, options)
      // What waits for an answer has it first, and writes what comes of that.
      await settled()
      await flush()
      if (command.reply !== undefined)
        outcomes.push({
          at: clock.now(),
          reply: command.reply,
          value,
          ...(command.command === 'status' && command.pids !== undefined ? { isLong: true } : {}),
        })
    } catch (error) {
      // Of a kernel that was closed meanwhile it is still wished: the next one grants it.
      if (!isOpen()) {
        underWay.delete(command)
        undone.push(command)
        return
      }
      // A wish from outside that cannot be granted (an ended pid, an answered question) harms nobody here. Whoever wished what
      // ended two kernels may have gone with them.
      if (command.reply === undefined || isTriedOut)
        warn(`the command ${command.command} from outside was not obeyed`, error)
      if (command.reply !== undefined)
        outcomes.push({ at: clock.now(), reply: command.reply, error: toErrorData(error) })
    }
    underWay.delete(command)
    done.push(command)
    if (command.command === 'status' || command.reply !== undefined) isAsked = true
    publishSoon()
  }
  const wait = () =>
    clock.after(POLL_MS, () => {
      if (!isOpen()) return
      try {
        for (const command of store.takeCommands?.() ?? []) void take(command)
      } catch (error) {
        // A store that is busy with somebody else’s write; the wishes are still there the next time.
        warn('the store’s commands could not be read', error)
      }
      // What could not be told of is told of now.
      if (done.length > 0) publishSoon()
      timer = wait()
    })
  let timer = wait()
  return {
    async close() {
      timer.cancel()
      // What is kept is done, once those who waited for that have heard it, and those who waited for them.
      for (let turn = 0; underWay.size > 0 && turn < CLOSE_TURNS_MAX; turn++) {
        await settled()
        await flush().catch(() => {})
      }
      if (isDue || done.length > 0) publish()
      undone.push(...underWay)
      if (undone.length === 0) return
      try {
        store.giveBackCommands?.(undone)
      } catch (error) {
        warn('what was not done of the store’s commands could not be given back', error)
      }
    },
  }
}

function triedOut({ command, pid }: Command): PolityError {
  const what = pid === undefined ? command : `${command} ${pid}`
  return new PolityError(
    'LIMIT_EXCEEDED',
    `${TRIES_MAX} kernels took up the wish ${what}, and each ended before it was done; no other tries it: look what became of it before you wish it again`,
  )
}

function obey(
  wish: Command,
  { kill, answer, resume, fork, collect, revoke, forget, info, restoreFiles, collectFiles }: CommandsOptions,
): Json | Promise<Json> {
  const { command, pid, pids, id, text, proof, value, at, budget, keep, law, source, principal, reply } = wish
  const given = <T>(value: T | undefined, name: string): T => {
    if (value === undefined) throw invalid(`the command ${command}`, name, 'nothing')
    return value
  }
  switch (command) {
    case 'kill':
      kill(given(pid, 'pid'), text)
      return null
    case 'answer':
      answer(given(id, 'id'), given(text, 'text'), {
        ...(proof === undefined ? {} : { proof }),
        ...(value === undefined ? {} : { value: JSON.parse(value) as Json }),
      })
      return null
    case 'resume':
      return [...resume(given(pid, 'pid'), law)]
    case 'fork': {
      const options = {
        ...(at === undefined ? {} : { at }),
        ...(budget === undefined ? {} : { budget }),
        ...(reply === undefined ? {} : { once: { key: `wish ${reply}`, digest: JSON.stringify([pid, at, budget]) } }),
      }
      return fork(given(pid, 'pid'), options, law)
    }
    case 'collect':
      return collect(given(keep, 'keep'))
    case 'revoke':
      return revoke(
        given(source, 'source'),
        principal === undefined ? {} : { principal },
      ) as Promise<unknown> as Promise<Json>
    case 'forget':
      return forget(given(text, 'text'), given(principal, 'principal')).then(() => null)
    case 'restore-files':
      return restoreFiles(given(pid, 'pid'), JSON.parse(given(text, 'text')) as FilesPoint, reply)
    case 'collect-files':
      return collectFiles()
    case 'status':
      if (pids !== undefined) return infosOf(pids, info) as unknown as Json
      return pid === undefined ? null : (info(pid) as unknown as Json)
  }
}

/** How they stand; those of which nothing is known any more are left out. */
function infosOf(pids: readonly Pid[], info: (pid: Pid) => ProcessInfo): ProcessInfo[] {
  if (!Array.isArray(pids) || pids.length > statusPidsMax)
    throw invalid('the command status', `pids, at most ${statusPidsMax}`, pids)
  return pids.flatMap((pid) => {
    try {
      return [info(pid)]
    } catch (error) {
      if (PolityError.isInstance(error) && error.code === 'NO_SUCH_PROCESS') return []
      throw error
    }
  })
}

/** Processes that one wish asks about: some 200 kB of answer. */
export const statusPidsMax = 500

/** Kernels that try one wish: what ends each of them would end all that come. */
const TRIES_MAX = 2
/** Turns in which a wish that is done when its kernel closes comes to its end; each lets all continuations run, and what they wrote be kept. */
const CLOSE_TURNS_MAX = 16
/** How often wishes are looked for, ms. */
const POLL_MS = 100
/** How long an outcome is published, ms: whoever waits for one looks twenty times a second. */
const OUTCOME_MS = 10_000
/** The last ones of that time: whoever has many wishes waits for the first ones before it sends more. */
const OUTCOMES_MAX = 1_000
