/**
 * What a caller sees of a kernel, and what it may do there: the processes of its own principal, or all of them for `admin`.
 *
 *     const view = viewOf(kernel, caller, programs)
 *     view.spawn('clerk', 'Pay the invoices.', { budget: { usd: 0.5 } })
 *     view.info(17)                       // throws NO_SUCH_PROCESS, also where 17 is somebody else's
 *
 * Doors ask a view and never the kernel for a process, an event or a question.
 *
 * Invariants
 *   VI1. What belongs to another principal is as if it were not there: the same error, with the same words.
 *   VI2. What is spawned belongs to its caller: its principal, the account of its key, no higher priority than the key's.
 *   VI3. Only a program that is served runs. The kernel knows more by name: each function that a run spawned, and what the
 *        gateway made of each request; such a function holds what it was made with, which may be another's.
 */
import type { ForkOptions } from '../kernel/branches.ts'
import { PolityError, invalid, messageOf, noSuchProcess } from '../kernel/errors.ts'
import type { HistoryRange, Kernel, ReplayReport, Run } from '../kernel/kernel.ts'
import type { Files } from '../kernel/storage.ts'
import type { WatchOptions } from '../kernel/watch.ts'
import type {
  JournalEvent,
  Json,
  Once,
  Pid,
  ProcessInfo,
  Program,
  Question,
  RunEvent,
  SpawnOptions,
} from '../kernel/types.ts'
import { GATEWAY } from './model-door.ts'
import type { Caller } from './caller.ts'
import { holds, runOptionsOf } from './caller.ts'

export interface View {
  /** The programs that may be spawned. */
  readonly programs: readonly Program[]
  /** The processes in the table that the caller may see; see `Kernel.ps`. */
  ps(): readonly ProcessInfo[]
  /** Also those that ended long ago, or before a restart, as far as they have a journal; see `Kernel.history`. Ends early with the signal. */
  history(range?: HistoryRange, signal?: AbortSignal): AsyncIterable<ProcessInfo>
  info(pid: Pid): ProcessInfo
  files(pid: Pid): Files
  run(pid: Pid): Run
  /** Its part of the journal. */
  events(pid: Pid): Promise<readonly JournalEvent[]>
  /** Starts a program that is served by its name, or `name@version`; with `once` no second time. Throws `NO_SUCH_PROGRAM`, `INVALID_ARGUMENT`, `KEY_REUSED`. */
  spawn(program: string, input: Json | undefined, options?: SpawnOptions, once?: Once): Run
  fork(pid: Pid, options?: ForkOptions, once?: Once): Promise<Run>
  replay(pid: Pid): Promise<ReplayReport>
  resume(pid: Pid): readonly Run[]
  kill(pid: Pid, reason?: string): void
  /** Sends as from outside. */
  send(pid: Pid, body: Json): void
  readonly questions: readonly Question[]
  answer(id: number, text: string, value?: Json): void
  /** Hears every event of what the caller may see. Returns a function that stops it. */
  watch(hear: (event: RunEvent) => void, options?: WatchOptions): () => void
}

/** `programs` are those that clients may run; without any, they can look at runs and start none. */
export function viewOf(kernel: Kernel, caller: Caller, programs: readonly Program[] = []): View {
  const seesAll = holds(caller, 'admin')
  const mine = ({ principal }: { readonly principal: string }): boolean => seesAll || principal === caller.principal

  /** Keys of two principals are never the same. */
  function mineOnce(once: Once | undefined): { readonly once?: Once } {
    return once === undefined ? {} : { once: { ...once, key: `${caller.principal}\0${once.key}` } }
  }

  function info(pid: Pid): ProcessInfo {
    if (!Number.isSafeInteger(pid) || pid < 1) throw noSuchProcess(pid)
    const found = kernel.info(pid)
    if (!mine(found)) throw noSuchProcess(pid)
    return found
  }

  /** Throws unless the program of a process may be run again. */
  function rerunnable(pid: Pid): ProcessInfo {
    const found = info(pid)
    const { program, version } = found
    const isServed = programs.some((one) => one.name === program && one.version === version)
    // Who sees everything learns nothing new from what a function holds; but a request of the gateway has no second run.
    if (isServed || (seesAll && program !== GATEWAY)) return found
    throw new PolityError(
      'NO_SUCH_PROGRAM',
      `process ${pid} runs ${program} ${version}, which is not a program that is served here`,
    )
  }

  function questions(): readonly Question[] {
    return seesAll ? kernel.questions : kernel.questions.filter(({ pid }) => isMine(pid))
  }

  function isMine(pid: Pid): boolean {
    const found = infoIn(kernel, pid)
    return found !== undefined && mine(found)
  }

  return {
    programs,
    ps: () => kernel.ps().filter(mine),
    async *history(range, signal) {
      for await (const one of kernel.history(seesAll ? range : { ...range, principal: caller.principal })) {
        if (signal?.aborted === true) return
        if (mine(one)) yield one
      }
    },
    info,
    files(pid) {
      info(pid)
      return kernel.files(pid)
    },
    run(pid) {
      info(pid)
      return kernel.run(pid)
    },
    async events(pid) {
      info(pid)
      return kernel.events(pid)
    },
    spawn: (program, input, options = {}, once) =>
      kernel.spawn(programNamed(programs, program) as Program<Json | undefined, Json>, input, {
        ...checkKeys(options),
        ...runOptionsOf(caller, options.priority),
        ...mineOnce(once),
      }),
    async fork(pid, options = {}, once) {
      const { priority } = rerunnable(pid)
      // Who asks for it pays for it, whoever paid for what it is forked from.
      const { principal: _, ...own } = runOptionsOf(caller, options.priority ?? priority)
      return kernel.fork(pid, { ...options, ...own, ...mineOnce(once) })
    },
    async replay(pid) {
      rerunnable(pid)
      return kernel.replay(pid)
    },
    resume(pid) {
      rerunnable(pid)
      return kernel.resume(pid)
    },
    kill(pid, reason) {
      info(pid)
      kernel.kill(pid, reason)
    },
    send(pid, body) {
      info(pid)
      kernel.send(pid, body)
    },
    get questions() {
      return questions()
    },
    answer(id, text, value) {
      const own = questions()
      if (!own.some((one) => one.id === id))
        throw new PolityError(
          'INVALID_ARGUMENT',
          `no question ${messageOf(id).slice(0, 80)} waits; waiting: ${own.map((one) => one.id).join(', ') || 'none'}`,
        )
      kernel.answer(id, text, value)
    },
    watch(hear, options) {
      if (seesAll) return kernel.watch(hear, options)
      // Asked once for each process, and forgotten with its end.
      const known = new Map<Pid, boolean>()
      return kernel.watch((event) => {
        let own = event.type === 'process-start' ? mine(event) : known.get(event.pid)
        own ??= isMine(event.pid)
        if (event.type === 'process-end') known.delete(event.pid)
        else known.set(event.pid, own)
        if (own) hear(event)
      }, options)
    },
  }
}

/** undefined where there is no such process any more, or none that a view shows. */
export function infoIn(of: Pick<View, 'info'>, pid: Pid): ProcessInfo | undefined {
  try {
    return of.info(pid)
  } catch (error) {
    if (PolityError.isInstance(error) && error.code === 'NO_SUCH_PROCESS') return undefined
    throw error
  }
}

/** The program itself, not its name: by that the kernel finds the one that was given last, by whomever. */
function programNamed(programs: readonly Program[], name: unknown): Program {
  const found = programs.findLast((one) => one.name === name || `${one.name}@${one.version}` === name)
  if (found !== undefined) return found
  throw new PolityError(
    'NO_SUCH_PROGRAM',
    `no program ${JSON.stringify(messageOf(name).slice(0, 200))} is served; there are ${programs.map((one) => one.name).join(', ') || 'none'}`,
  )
}

/** What a client may say of its run; the rest is for doors. */
function checkKeys(options: SpawnOptions): SpawnOptions {
  for (const key of Object.keys(options))
    if (!clientKeys.includes(key as keyof SpawnOptions)) throw invalid('spawn: options', clientKeys.join(', '), key)
  return options
}

const clientKeys: readonly (keyof SpawnOptions)[] = ['budget', 'priority', 'tools', 'name', 'law']
