/**
 * What happened, from the events of the journal: calls and processes as they end, each with its place in a trace.
 *
 *     const recorder = createRecorder({ eventsOf: kernel.events, onCall, onProcess, … })
 *     kernel.watch(recorder.hear, { text: 'if-streamed' })
 *     await recorder.idle()
 *
 * A run is a trace. Ids are hashes of what the journal says, so that a run that is resumed by another kernel goes on in its
 * own trace: of the start of its root (place, time, seed), and of the places where processes and calls began.
 *
 * Invariants
 *   RC1. Of what is heard, each call and each process is told once, when it ends; a call that was open when its process
 *        ended, or was undone by a restore, ends with that.
 *   RC2. What is not known (a process that began before anybody listened, the origin of a fork) is read from the journal
 *        first; what was heard meanwhile waits, in order.
 *   RC3. Not more than WAITING_MAX events wait. Beyond, they are lost, which is told, and what is known is read anew.
 *   RC4. Nothing is kept of a process that has ended.
 */
import { hash } from 'node:crypto'
import type { Clock } from '../../kernel/clock.ts'
import type { ErrorData } from '../../kernel/errors.ts'
import type { CallEnd, CallStart, JournalEvent, Pid, ProcessEnd, ProcessStart, RunEvent } from '../../kernel/types.ts'
import { livesOf } from '../api/trace.ts'
import type { Remote } from './traceparent.ts'

/** A process, and where it stands in its trace. */
export interface Traced {
  readonly start: ProcessStart
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  /** What a root was forked from. */
  readonly origin: Remote | undefined
  readonly calls: Map<number, OpenCall>
  /** Where the calls began that started children, by number. */
  readonly begins: Map<number, number>
  /** Where its snapshots were taken, by the number of the call. */
  readonly snapshots: Map<number, number>
  /** Its model calls by number, where content is wanted: each repeats only what is new. */
  readonly prompts: CallStart[]
}

interface OpenCall {
  readonly start: CallStart
  startedAt: number
  sentAt: number | undefined
  /** Its answer made room for others: it had been sent before. */
  inTurns: boolean
  /** Something was set aside for it. */
  reserved: boolean
  queueMs: number
  wasQueued: boolean
  askedMs: number
  wasAsked: boolean
  wait: { readonly at: number; readonly core: string | null } | undefined
  core: string | undefined
  firstTextAt: number | undefined
}

/** A system call that ended. Times are those of the journal, ms since 1970. */
export interface CallRecord extends Readonly<Omit<OpenCall, 'wait'>> {
  readonly process: Traced
  readonly spanId: string
  readonly endedAt: number
  /** Absent where it ended with its process, or was undone. */
  readonly end: CallEnd | undefined
  readonly error: ErrorData | undefined
  /** It ended without an end of its own. */
  readonly cancelled: boolean
  /** It was in a queue, or waited for a person, to its end. */
  readonly stillWaited: boolean
}

export interface RecorderOptions {
  /** The journal of a process; empty where there is none. */
  readonly eventsOf: (pid: Pid) => Promise<readonly JournalEvent[]>
  /** The span that a root is a child of, if it is of another program's. */
  readonly remoteOf: (pid: Pid) => Remote | undefined
  /** The kernel's: when the first text of a model comes is in no journal. */
  readonly clock: Clock
  /** Whether what models were told will be asked for. */
  readonly keepPrompts: boolean
  readonly onCall: (call: CallRecord) => void
  readonly onProcess: (process: Traced, end: ProcessEnd) => void
  /** Events of which nothing can be told. */
  readonly onMissed: (events: number, why: unknown) => void
}

export interface Recorder {
  hear(event: RunEvent): void
  /** Resolves once all that was heard has been told. */
  idle(): Promise<void>
}

/** Events that may wait for a journal to be read. */
const WAITING_MAX = 50_000

export function createRecorder(options: RecorderOptions): Recorder {
  const { clock, onCall, onProcess, onMissed } = options
  const processes = new Map<Pid, Traced>()
  /** With undefined where some were lost. */
  let waiting: (JournalEvent | undefined)[] = []
  let reading: Promise<void> | undefined

  function hear(event: RunEvent): void {
    if (event.type === 'text-delta') {
      const call = processes.get(event.pid)?.calls.get(event.n)
      if (call !== undefined) call.firstTextAt ??= clock.now()
      return
    }
    if (event.type === 'mail-sent') return
    if (reading === undefined) {
      if (!tried(event)) reading = read(event)
    } else if (waiting.length < WAITING_MAX) waiting.push(event)
    else {
      onMissed(waiting.length + 1, `more than ${WAITING_MAX} events waited`)
      waiting = [undefined]
    }
  }

  /** As `take`. An event that nothing can be made of costs that event, and not its listener. */
  function tried(event: JournalEvent): boolean {
    try {
      return take(event)
    } catch (error) {
      onMissed(1, error)
      return true
    }
  }

  /** False where something has to be read first. */
  function take(event: JournalEvent): boolean {
    const known = processes.get(event.pid)
    if (known !== undefined) {
      fold(known, event, true)
      return true
    }
    if (event.type !== 'process-start' || event.forkOf !== null) return false
    const parent = event.parent === null ? undefined : processes.get(event.parent)
    if (event.parent !== null && parent === undefined) return false
    processes.set(event.pid, traced(event, parent, undefined))
    return true
  }

  /** Reads what is missing for an event, then takes it and what has come since. */
  async function read(first: JournalEvent): Promise<void> {
    let batch: readonly (JournalEvent | undefined)[] = [first]
    while (batch.length > 0) {
      for (const event of batch) {
        if (event === undefined) {
          processes.clear()
          continue
        }
        if (tried(event)) continue
        try {
          const process = await find(event.pid, event.seq)
          if (process === undefined) onMissed(1, `the journal of process ${event.pid} is gone`)
          else fold(process, event, true)
        } catch (error) {
          onMissed(1, error)
        }
      }
      batch = waiting
      waiting = []
    }
    reading = undefined
  }

  /** A process as it stood before a place in the journal. */
  async function find(pid: Pid, before: number): Promise<Traced | undefined> {
    const known = processes.get(pid)
    if (known !== undefined) return known
    const lives = await livesOf(pid, options.eventsOf)
    const own = lives.at(-1)?.events ?? []
    const [start] = own
    if (start?.type !== 'process-start') return undefined
    const parent = start.parent === null ? undefined : await find(start.parent, before)
    const from = start.parent === null && start.forkOf !== null ? await find(start.forkOf.pid, before) : undefined
    const process = traced(start, parent, from)
    for (const { events, until } of lives)
      for (const event of events) {
        if (until === undefined || event.seq >= until.seq) break
        fold(process, event, false)
      }
    // What it took over from its origin began, for it, when it began.
    for (const call of process.calls.values()) call.startedAt = Math.max(call.startedAt, start.at)
    let isOver = false
    for (const event of own) {
      if (event.seq >= before) break
      fold(process, event, false)
      isOver ||= event.type === 'process-end'
    }
    if (!isOver) processes.set(pid, process)
    return process
  }

  function traced(start: ProcessStart, parent: Traced | undefined, from: Traced | undefined): Traced {
    const { pid, seq, parentCall } = start
    const remote = start.parent === null ? options.remoteOf(pid) : undefined
    const traceId = parent?.traceId ?? remote?.traceId ?? traceIdOf(start)
    const begin = parentCall === null ? undefined : parent?.begins.get(parentCall)
    return {
      start,
      traceId,
      spanId: spanIdOf(traceId, pid, seq),
      parentSpanId:
        parent === undefined
          ? remote?.spanId
          : begin === undefined
            ? parent.spanId
            : spanIdOf(traceId, parent.start.pid, begin),
      origin: from === undefined ? undefined : { traceId: from.traceId, spanId: from.spanId },
      calls: new Map(),
      begins: new Map(),
      snapshots: new Map(),
      prompts: [],
    }
  }

  /** Brings a process up to date; `isNew` where it has not been told of before. */
  function fold(process: Traced, event: JournalEvent, isNew: boolean): void {
    const { calls } = process
    const call = 'n' in event ? calls.get(event.n) : undefined
    switch (event.type) {
      case 'call-start':
        calls.set(event.n, opened(event))
        if (event.call === 'spawn' || event.call === 'fork') process.begins.set(event.n, event.seq)
        if (options.keepPrompts && event.call === 'generate' && event.args !== null) process.prompts[event.n] = event
        return
      case 'call-reserve':
        if (call !== undefined) call.reserved = true
        return
      case 'call-wait':
        if (call === undefined) return
        endWait(call, event.at)
        call.wait = event
        call.inTurns ||= event.turn !== undefined
        if (event.core !== null) call.core = event.core
        return
      case 'call-sent':
        if (call === undefined) return
        endWait(call, event.at)
        if (!call.inTurns) call.sentAt = event.at
        return
      case 'call-end':
        if (call === undefined) return
        calls.delete(event.n)
        if (call.start.call === 'snapshot') process.snapshots.set(event.n, event.seq)
        if (isNew) onCall(ended(process, call, event.at, event, event.error))
        return
      case 'process-rewind': {
        const cut = process.snapshots.get(event.n) ?? 0
        for (const [n, one] of calls)
          if (one.start.seq > cut) {
            calls.delete(n)
            if (isNew) onCall(ended(process, one, event.at, undefined, undefined))
          }
        return
      }
      case 'process-end': {
        processes.delete(event.pid)
        const error = event.state === 'done' ? undefined : errorOf(event)
        if (isNew) for (const one of calls.values()) onCall(ended(process, one, event.at, undefined, error))
        calls.clear()
        if (isNew) onProcess(process, event)
      }
    }
  }

  return {
    hear,
    async idle() {
      while (reading !== undefined) await reading
    },
  }
}

/** What a process ended with that was not done. */
export function errorOf({ error, state }: ProcessEnd): ErrorData {
  return error ?? { code: state === 'killed' ? 'KILLED' : 'PROGRAM_FAILED', message: state }
}

function opened(start: CallStart): OpenCall {
  return {
    start,
    startedAt: start.at,
    sentAt: undefined,
    inTurns: false,
    reserved: start.reserved !== undefined,
    queueMs: 0,
    wasQueued: false,
    askedMs: 0,
    wasAsked: false,
    wait: undefined,
    core: undefined,
    firstTextAt: undefined,
  }
}

function endWait(call: OpenCall, at: number): void {
  const { wait } = call
  if (wait === undefined) return
  if (wait.core === null) {
    call.askedMs += at - wait.at
    call.wasAsked = true
  } else {
    call.queueMs += at - wait.at
    call.wasQueued = true
  }
  call.wait = undefined
}

function ended(
  process: Traced,
  call: OpenCall,
  endedAt: number,
  end: CallEnd | undefined,
  error: ErrorData | undefined,
): CallRecord {
  const stillWaited = call.wait !== undefined
  endWait(call, endedAt)
  const spanId = spanIdOf(process.traceId, process.start.pid, call.start.seq)
  return { ...call, process, spanId, endedAt, end, error, cancelled: end === undefined, stillWaited }
}

/** Of a root. The seed tells kernels apart that began at the same time. */
function traceIdOf({ pid, at, seed }: ProcessStart): string {
  return hash('sha256', `polity ${pid} ${at} ${seed}`).slice(0, 32)
}

/** Of a process or a call of it, by the place in the journal where it began. */
function spanIdOf(traceId: string, pid: Pid, seq: number): string {
  return hash('sha256', `${traceId} ${pid} ${seq}`).slice(0, 16)
}
