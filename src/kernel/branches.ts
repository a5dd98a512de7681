/**
 * Branches: the two ways from a past to another future. A fork is a new process with the past of another up to a point;
 * a restore takes a process back to one of its snapshots.
 *
 *     const child = await branches.fork(pid, { at: 3 })       // from outside: everything before call 3 is its past
 *     await branches.forkInside(parent, call)                 // `sys.fork`
 *     await branches.restore(process, '12.4')                 // `sys.restore`
 *
 * Invariants
 *   B1. A branch begins with what is kept: what is lost by a crash was never of its past.
 *   B2. The end of a call that a fork had open when it was made is taken over, so that its effect is not done again; that it
 *       was let through, where it waited for a person's word, is taken over too.
 *   B3. A restore takes back state, notes and files of the process and its descendants, and nothing that was spent.
 */
import type { Dispatcher } from './dispatcher.ts'
import type { ProcessHead, Store } from './drivers.ts'
import type { ErrorData } from './errors.ts'
import { PolityError, messageOf, noSuchProcess, toErrorData } from './errors.ts'
import type { Gate } from './gate.ts'
import type { Journal } from './journal.ts'
import type { Memory } from './memory.ts'
import type { Outcome, Past } from './past.ts'
import { endsAfter, originPast, outcomeIn, readPast, startOf } from './past.ts'
import type { Call, Process } from './process.ts'
import { overBudget, transition } from './process.ts'
import type { Programs } from './programs.ts'
import type { Storage } from './storage.ts'
import type { ToolStates } from './tool-state.ts'
import { checkRunOptions } from './syscalls.ts'
import type {
  Budget,
  CallEnd,
  CallStart,
  JournalEvent,
  Json,
  Once,
  Pid,
  ProcessStart,
  Program,
  RunOptions,
  Tool,
} from './types.ts'

/** A process that is to begin. */
export interface Start {
  readonly program: Program
  readonly input: Json | undefined
  readonly options: RunOptions
  /** @default by the options, the program and the parent */
  readonly held?: ReadonlyMap<string, Tool>
  readonly parent?: Process
  /** The call of the parent that starts it. */
  readonly call?: number
  /** Whose past it has, and up to where. */
  readonly fork?: { readonly of: Process | ProcessHead; readonly seq: number; readonly call: number | null }
  /** Of a child that is forked from outside, and so becomes a root: where it came from. */
  readonly lineage?: NonNullable<ProcessStart['lineage']>
}

/** What a fork from outside has otherwise than its origin. */
export interface ForkOptions {
  /** Number of the first call that is not of its past. @default all its past */
  readonly at?: number
  readonly budget?: Budget
  readonly priority?: number
  /** Account that the fork draws on. @default that of its origin */
  readonly account?: string
  /** Makes it once; see `RunOptions`. */
  readonly once?: Once
}

/** Fork and restore, for the gate and for doors. */
export interface Branches {
  fork(pid: Pid, options?: ForkOptions): Promise<Process>
  /** Makes a child of `parent` with its past up to `call`, in which that call returned 0; ends `call` with its pid. */
  forkInside(parent: Process, call: Call): Promise<void>
  /**
   * What is kept of a call that a fork has from its origin: whether it may have happened there, or in a fork between the two, and its
   * end, with what its tool kept then.
   */
  becameOf(call: Call): Outcome
  /** The process goes back to its snapshot; throws `NO_SUCH_SNAPSHOT`. */
  restore(process: Process, id: string): Promise<void>
}

/** What branches need of the rest of the kernel. */
export interface BranchesOptions {
  readonly store: Store
  readonly journal: Journal
  readonly dispatcher: Dispatcher
  readonly programs: Programs
  readonly memory: Memory
  readonly storage: Storage
  readonly toolStates: ToolStates
  readonly gate: () => Gate
  /** Throws where the kernel is closed. */
  readonly checkOpen: () => void
  readonly start: (start: Start) => Process
  /** The process that was started under this key. Throws `KEY_REUSED`. */
  readonly startedBefore: (once: Once | undefined) => Process | undefined
  readonly kill: (process: Process, error: ErrorData) => void
  /** Whether the process is `ancestor` or descends from it, also when only its journal is left. */
  readonly descends: (pid: Pid, ancestor: Process) => boolean
}

/** Where a process goes back to. */
interface Back {
  readonly id: string
  /** Number of the snapshot, its past and its end. */
  readonly n: number
  readonly past: Past
  readonly before: CallEnd
  /** Files and notes as they were at this event. */
  readonly cut: number
}

/** The two ways from a past to another future. */
export function createBranches({
  store,
  journal,
  dispatcher,
  programs,
  memory,
  storage,
  toolStates,
  gate,
  checkOpen,
  start,
  startedBefore,
  kill,
  descends,
}: BranchesOptions): Branches {
  /** Gives a fork its past; without it, it would begin anew and do again what is done. */
  function goOn(process: Process, events: readonly JournalEvent[]): void {
    try {
      takeOver(process, events)
    } catch (error) {
      giveUp(process, error)
      throw error
    }
  }

  /** Takes over the ends of calls that were open, and lives the rest again. */
  function takeOver(process: Process, events: readonly JournalEvent[]): void {
    const { forkOf } = process.start
    if (forkOf === null) return
    const past = originPast(store, forkOf)
    const adopted = endsAfter(events, forkOf.seq + (forkOf.call === null ? 0 : 1), past).map(
      ({ n, seq, value, error, labels, refused }) => {
        takeState(process, past.starts[n], seq)
        const end = {
          ...(error === undefined ? { value: value ?? null } : { error }),
          ...(labels === undefined ? {} : { labels }),
          ...(refused === undefined ? {} : { refused }),
        }
        return journal.append({ type: 'call-end', pid: process.pid, n, ...end }) as CallEnd
      },
    )
    const ended = adopted.length === 0 ? past.ended : new Set([...past.ended, ...adopted.map((one) => one.n)])
    const ends = adopted.length === 0 ? past.ends : [...past.ends, ...adopted]
    transition(process, { type: 'restart', past: { ...past, ends, ended, counted: new Set() } })
  }

  /** It has left one past and could not be given the other. Where the journal has halted it is stopped, and stays so. */
  function giveUp(process: Process, error: unknown): void {
    if (process.state === 'running') kill(process, toErrorData(error, 'STORE_FAILED'))
  }

  function becameOf(call: Call): Outcome {
    const { process, n, startPid } = call
    let isSent = false
    let { forkOf } = process.start
    while (forkOf !== null) {
      const found = outcomeIn(store.events(forkOf.pid), call)
      if (found.end !== undefined) {
        takeState(process, process.past?.starts[n], found.end.seq)
        return found
      }
      isSent ||= found.isSent
      forkOf = forkOf.pid === startPid ? null : startOf(store, forkOf.pid).forkOf
    }
    return { isSent }
  }

  /** What a tool kept with an end that is taken over is kept here too. */
  function takeState(process: Process, call: CallStart | undefined, end: number): void {
    const state =
      call?.call === 'call' ? process.tools.get((call.args as { readonly tool: string }).tool)?.state : undefined
    const origin = process.files.base?.space
    if (state !== undefined && origin !== undefined) toolStates.take(process, state, origin, end)
  }

  async function forkInside(parent: Process, call: Call): Promise<void> {
    await journal.flush()
    if (!call.open) return
    // Another fork may have come first while this one waited.
    const over = overBudget(parent, { children: 1 })
    if (over !== undefined) throw over
    const events = store.events(call.startPid)
    const child = start({
      program: parent.program,
      input: parent.start.input,
      held: parent.tools,
      options: { priority: parent.priority, ...(parent.start.name === null ? {} : { name: parent.start.name }) },
      parent,
      call: call.n,
      // A fork of a fork that was open when it was forked itself goes back to where that call was made.
      fork: {
        of: call.startPid === parent.pid ? parent : { start: startOf(store, call.startPid) },
        seq: call.startSeq,
        call: call.n,
      },
    })
    goOn(child, events)
    // At once: a child and the end of its fork are kept together, or a resumed parent would fork it again.
    gate().end(call, child.pid)
  }

  async function fork(pid: Pid, { at, budget, priority, account, once }: ForkOptions = {}): Promise<Process> {
    checkOpen()
    await journal.flush()
    checkOpen()
    const before = startedBefore(once)
    if (before !== undefined) return before
    const events = store.events(pid)
    const [head] = events
    if (head?.type !== 'process-start') throw noSuchProcess(pid)
    const past = readPast(store, head)
    if (at !== undefined && (!Number.isInteger(at) || at < 0 || at > past.starts.length)) {
      throw new PolityError(
        'INVALID_ARGUMENT',
        `process ${pid} made ${past.starts.length} system calls; fork takes a call from 0 to ${past.starts.length}, not ${messageOf(at).slice(0, 80)}`,
      )
    }
    const cut = at === undefined ? undefined : past.starts[at]
    // What is not kept yet is not of its past, now or after a crash.
    const seq = cut?.seq ?? past.end?.seq ?? store.lastSeq() + 1
    if (cut !== undefined && cut.pid !== pid)
      throw new PolityError(
        'INVALID_ARGUMENT',
        `call ${at} of process ${pid} was made before it was forked from process ${cut.pid}: fork that one`,
      )
    const lineage = lineageOf(head)
    const child = start({
      program: programs.of(head),
      input: head.input,
      ...(lineage === undefined ? {} : { lineage }),
      options: checkRunOptions({
        ...(account === undefined ? {} : { account }),
        ...(once === undefined ? {} : { once }),
        principal: head.principal,
        priority: priority ?? head.priority,
        budget: budget ?? head.budget,
        name: head.name ?? undefined,
        quota: quotaOf(head),
      }),
      held: programs.toolsOf(head),
      fork: { of: { start: head }, seq, call: null },
    })
    goOn(child, events)
    return child
  }

  /** What the files of its run may come to: a branch of them may come to no more. */
  function quotaOf({ parent, quota }: ProcessStart): ProcessStart['quota'] {
    const [above] = parent === null ? [] : store.events(parent)
    return above?.type === 'process-start' ? quotaOf(above) : quota
  }

  /** A child that is forked from outside has no parent: whose run it was in, and under what, stays with it. */
  function lineageOf(head: ProcessStart): ProcessStart['lineage'] {
    if (head.parent === null) return head.lineage
    const names: string[] = []
    let at = head
    while (at.parent !== null) {
      at = startOf(store, at.parent)
      names.push(at.program)
    }
    return {
      input: (at.lineage === undefined ? at.input : at.lineage.input) ?? null,
      programs: [...names, ...(at.lineage?.programs ?? [])],
    }
  }

  async function restore(process: Process, id: string): Promise<void> {
    const [pid, n] = id.split('.').map(Number)
    const unknown = () => new PolityError('NO_SUCH_SNAPSHOT', `process ${process.pid} has no snapshot "${id}"`)
    if (n === undefined || pid === undefined || Number.isNaN(n)) throw unknown()
    const { frame } = process
    await journal.flush()
    if (process.frame !== frame) return
    const past = readPast(store, startOf(store, process.pid))
    const taken = past.starts[n]
    const before = past.ends.find((end) => end.n === n)
    if (taken?.call !== 'snapshot' || before === undefined || (before.value as { id?: string } | undefined)?.id !== id)
      throw unknown()
    // Files and notes as they were when the snapshot was made, however often it was restored since.
    const made = store
      .events(taken.pid)
      .find((event) => event.type === 'call-end' && event.n === n && event.seq > taken.seq)
    const cut = made?.seq ?? before.seq
    // From here on nobody hears of an error: the call has ended with the past that it was made in.
    try {
      await goBack(process, { id, n, past, cut, before })
    } catch (error) {
      giveUp(process, error)
    }
  }

  async function goBack(process: Process, { id, n, past, before, cut }: Back): Promise<void> {
    const charged = gate().cancel(process, new PolityError('KILLED', 'its process went back to a snapshot'))
    if (process.children !== undefined) {
      for (const child of process.children) {
        if ((past.starts[child.start.parentCall ?? -1]?.seq ?? Infinity) > before.seq)
          kill(child, { code: 'PARENT_ENDED', message: `its parent, process ${process.pid}, went back to before it` })
      }
    }
    const isOwn = (one: Pid) => descends(one, process)
    storage.rollBack(process, cut, isOwn)
    toolStates.rollBack(process, cut, isOwn)
    memory.rollBack(process, cut, isOwn)
    const restored = ((before.value as { restored?: number }).restored ?? 0) + 1
    const value = { id, restored }
    journal.append(
      charged.tokens === 0
        ? { type: 'process-rewind', pid: process.pid, n, value }
        : { type: 'process-rewind', pid: process.pid, n, value, charged },
    )
    // Nothing that the old frame still does may follow the rewind in the journal.
    transition(process, { type: 'leave' })
    const left = process.frame
    await journal.flush()
    if (process.frame !== left) return
    transition(process, { type: 'restart', past: readPast(store, startOf(store, process.pid)) })
    dispatcher.wake(process)
  }

  return { fork, forkInside, becameOf, restore }
}
