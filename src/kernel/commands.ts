/**
 * Commands: what other operating-system processes want of the kernel that owns the store (`polity kill`, `answer`, `top`,
 * `resume`). They write their wishes into the store; the kernel looks for them now and then.
 *
 *     const commands = listen({ store, clock, flush, kill, answer, resume, fork, collect, revoke, forget, info, status })
 *     commands?.cancel()
 *
 * A wish that names a reply is told how it went: its outcome is published with the status for OUTCOME_MS.
 *
 * Invariants
 *   CO1. What a wish came to is kept before its outcome is published, and before the wish leaves the store.
 *   CO2. A wish that a crash interrupts is done by the next kernel. Done twice, it does no more than once: a process that
 *        has ended is not killed again, a question that was answered has gone, and a fork is made once under its reply.
 *        Only files that are restored go back from what was written since; that is a version that one can go back to.
 */
import type { ForkOptions } from './branches.ts'
import type { Clock } from './clock.ts'
import type { Command, Store } from './drivers.ts'
import type { ErrorData } from './errors.ts'
import { invalid, toErrorData, warn } from './errors.ts'
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
  readonly answer: (id: number, text: string, proof: string | undefined) => void
  /** The pids of all that go on. */
  readonly resume: (pid: Pid) => readonly Pid[]
  readonly fork: (pid: Pid, options: ForkOptions) => Promise<Pid>
  /** How many journals went. */
  readonly collect: (keep: number) => number
  readonly restoreFiles: (pid: Pid, point: FilesPoint) => Promise<Json>
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

/** Looks for commands until it is cancelled; undefined for a store that can hold none. */
export function listen(options: CommandsOptions): { cancel(): void } | undefined {
  const { store, clock, isOpen, flush, status } = options
  if (store.takeCommands === undefined) return undefined
  /** The last ones, the oldest first. */
  let outcomes: (Outcome & { readonly at: number })[] = []
  let done: Command[] = []
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
    } catch (error) {
      warn('what was done of the store’s commands, and the status, could not be written', error)
    }
  }
  /** Whether somebody looks for the status. */
  let isAsked = false
  /** Once for all wishes that were granted together. */
  const publishSoon = (): void => {
    if (isDue) return
    isDue = true
    clock.soon(() => isDue && isOpen() && publish())
  }
  const take = async (command: Command): Promise<void> => {
    try {
      const value = await obey(command, options)
      await flush()
      if (command.reply !== undefined) outcomes.push({ at: clock.now(), reply: command.reply, value })
    } catch (error) {
      // Of a kernel that was closed meanwhile it is still wished: the next one grants it.
      if (!isOpen()) return
      // A wish from outside that cannot be granted (an ended pid, an answered question) harms nobody here.
      if (command.reply === undefined) warn(`the command ${command.command} from outside was not obeyed`, error)
      else outcomes.push({ at: clock.now(), reply: command.reply, error: toErrorData(error) })
    }
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
    cancel() {
      timer.cancel()
      if (isDue || done.length > 0) publish()
    },
  }
}

function obey(
  wish: Command,
  { kill, answer, resume, fork, collect, revoke, forget, info, restoreFiles, collectFiles }: CommandsOptions,
): Json | Promise<Json> {
  const { command, pid, id, text, proof, at, budget, keep, source, principal, reply } = wish
  const given = <T>(value: T | undefined, name: string): T => {
    if (value === undefined) throw invalid(`the command ${command}`, name, 'nothing')
    return value
  }
  switch (command) {
    case 'kill':
      kill(given(pid, 'pid'), text)
      return null
    case 'answer':
      answer(given(id, 'id'), given(text, 'text'), proof)
      return null
    case 'resume':
      return [...resume(given(pid, 'pid'))]
    case 'fork':
      return fork(given(pid, 'pid'), {
        ...(at === undefined ? {} : { at }),
        ...(budget === undefined ? {} : { budget }),
        ...(reply === undefined ? {} : { once: { key: `wish ${reply}`, digest: JSON.stringify([pid, at, budget]) } }),
      })
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
      return restoreFiles(given(pid, 'pid'), JSON.parse(given(text, 'text')) as FilesPoint)
    case 'collect-files':
      return collectFiles()
    case 'status':
      return pid === undefined ? null : (info(pid) as unknown as Json)
  }
}

/** How often wishes are looked for, ms. */
const POLL_MS = 100
/** How long an outcome is published, ms: whoever waits for one looks twenty times a second. */
const OUTCOME_MS = 10_000
/** The last ones of that time: whoever has many wishes waits for the first ones before it sends more. */
const OUTCOMES_MAX = 1_000
