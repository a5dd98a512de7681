/**
 * Watching: who wants to see what happens, and the bounded queues through which they see it.
 *
 * Nobody's slowness slows the kernel: a watcher that does not keep up has its text deltas merged and, beyond the limit,
 * its oldest ones dropped. Journal events are never dropped for a watcher that is within its limit of them.
 *
 * Invariant
 *   W1. The text of a call is told behind the start of the call and before its end, whatever durability the store has.
 */
import { PolityError, messageOf } from './errors.ts'
import type { Limits } from './limits.ts'
import type { Call, Process } from './process.ts'
import type { JournalEvent, Pid, RunEvent, TextDelta } from './types.ts'

/** Those who watch, and what they are told. */
export interface Watch {
  /** What the journal keeps, as soon as it does; of each event the root of its process. */
  kept(events: readonly JournalEvent[], rootOf: (pid: Pid) => Pid): void
  /** Where the text of a tree's models goes; undefined while nobody watches it. */
  textOf(root: Pid): ((delta: string, call: Call) => void) | undefined
  /** The events of a process and its descendants, from when somebody begins to go through them until it ends. */
  events(process: Process): AsyncIterable<RunEvent>
  /** Everything that happens; the text of models too, unless it is said otherwise. */
  all(hear: (event: RunEvent) => void, options?: WatchOptions): () => void
  /** The process was stopped: nothing more comes of it. */
  stopped(process: Process): void
  close(): void
}

/** What a watcher of everything wants to hear. */
export interface WatchOptions {
  /**
   * Whether models are to stream for it, and it hears their text as it comes. With 'if-streamed' it hears that of models
   * which stream for somebody else. @default true
   */
  readonly text?: boolean | 'if-streamed'
}

const OVER: IteratorReturnResult<undefined> = Object.freeze({ value: undefined, done: true })

interface Queue {
  readonly process: Process
  readonly events: RunEvent[]
  /** Nothing more comes. */
  over: boolean
  readonly wake: () => void
}

/** What watching needs of the rest of the kernel. */
export interface WatchLinks {
  readonly limits: Limits
  /** Whether a process is another or descends from it. */
  readonly isWithin: (pid: Pid, process: Process) => boolean
  /** The last event that is kept. */
  readonly lastSeq: number
  /** Has the journal keep what was appended as soon as it can, which `kept` tells. */
  readonly keep: () => void
}

/** Nobody watches yet. */
export function createWatch({ limits, isWithin, lastSeq, keep }: WatchLinks): Watch {
  const queues = new Map<Pid, Set<Queue>>()
  /** Each with whether it wants text. */
  const hearers = new Map<(event: RunEvent) => void, NonNullable<WatchOptions['text']>>()
  let textHearers = 0
  /** The last event that is kept. */
  let keptSeq = lastSeq
  /** Text of calls whose starts are not kept yet, by their places in the journal: where a disk is stuck, no more than a queue holds. */
  const early = new Map<number, TextDelta[]>()
  let earlyTexts = 0

  function kept(events: readonly JournalEvent[], rootOf: (pid: Pid) => Pid): void {
    keptSeq = events[events.length - 1]?.seq ?? keptSeq
    if (queues.size === 0 && hearers.size === 0) {
      early.clear()
      earlyTexts = 0
      return
    }
    for (const event of events) {
      const root = rootOf(event.pid)
      tell(root, event)
      const texts = early.get(event.seq)
      if (texts === undefined) continue
      early.delete(event.seq)
      earlyTexts -= texts.length
      for (const text of texts) tell(root, text)
    }
  }

  function say(root: Pid, delta: string, { process: { pid }, n, startSeq }: Call): void {
    const text: TextDelta = { type: 'text-delta', pid, n, delta }
    // A store that is not waited for may have kept nothing of it yet: whoever hears the model waits for no more than that.
    if (startSeq > keptSeq && !early.has(startSeq)) keep()
    if (startSeq <= keptSeq) return tell(root, text)
    const texts = early.get(startSeq)
    if (earlyTexts >= limits.watchEventsMax) {
      const last = texts?.pop()
      if (texts !== undefined && last !== undefined) return void texts.push({ ...last, delta: last.delta + delta })
      dropEarly()
    }
    earlyTexts++
    if (texts === undefined) early.set(startSeq, [text])
    else texts.push(text)
  }

  /** Makes room for the text of another call: the oldest goes. */
  function dropEarly(): void {
    for (const [seq, texts] of early) {
      texts.shift()
      earlyTexts--
      if (texts.length === 0) early.delete(seq)
      return
    }
  }

  function tell(root: Pid, event: RunEvent): void {
    for (const [hear, wantsText] of hearers) {
      if (event.type === 'text-delta' && wantsText === false) continue
      try {
        hear(event)
      } catch (error) {
        // A listener's fault is not the kernel's: it hears nothing more, and its owner is told.
        leave(hear)
        globalThis.process.emitWarning(`a listener of kernel.watch threw and was removed: ${messageOf(error)}`)
      }
    }
    const watching = queues.get(root)
    if (watching === undefined) return
    for (const queue of watching) push(queue, event)
  }

  function leave(hear: (event: RunEvent) => void): void {
    if (hearers.get(hear) === true) textHearers--
    hearers.delete(hear)
  }

  function push(queue: Queue, event: RunEvent): void {
    if (!isWithin(event.pid, queue.process)) return
    const { events } = queue
    const last = events[events.length - 1]
    if (event.type === 'text-delta' && last?.type === 'text-delta' && last.pid === event.pid && last.n === event.n) {
      events[events.length - 1] = { ...event, delta: last.delta + event.delta }
    } else {
      if (events.length >= limits.watchEventsMax) {
        const oldest = events.findIndex((one) => one.type === 'text-delta')
        events.splice(Math.max(0, oldest), 1)
      }
      events.push(event)
    }
    if (event.type === 'process-end' && event.pid === queue.process.pid) queue.over = true
    queue.wake()
  }

  /** By hand and not as a generator: who gives up while nothing happens is let go at once, not when something does. */
  function follow(process: Process): AsyncIterator<RunEvent, undefined> {
    const queue: Queue = { process, events: [], over: process.state !== 'running', wake: hand }
    const root = process.root.pid
    const set = queues.get(root) ?? new Set()
    if (!queue.over) queues.set(root, set.add(queue))
    /** Those who have asked for an event that has not come. */
    const asking: ((given: IteratorResult<RunEvent, undefined>) => void)[] = []

    function hand(): void {
      while (asking.length > 0 && (queue.events.length > 0 || queue.over)) {
        const value = queue.events.shift()
        asking.shift()?.(value === undefined ? OVER : { value, done: false })
      }
      if (queue.over && queue.events.length === 0) leaveQueue()
    }

    function leaveQueue(): void {
      set.delete(queue)
      if (set.size === 0 && queues.get(root) === set) queues.delete(root)
    }

    return {
      next: () =>
        new Promise((resolve) => {
          asking.push(resolve)
          hand()
        }),
      return() {
        queue.over = true
        queue.events.length = 0
        hand()
        return Promise.resolve(OVER)
      },
    }
  }

  return {
    kept,
    textOf(root) {
      if (textHearers === 0 && !queues.has(root)) return undefined
      return (delta, call) => say(root, delta, call)
    },
    events: (process) => ({ [Symbol.asyncIterator]: () => follow(process) }),
    all(hear, { text = true } = {}) {
      if (typeof hear !== 'function')
        throw new PolityError('INVALID_ARGUMENT', `watch takes a function, not ${messageOf(hear).slice(0, 80)}`)
      leave(hear)
      hearers.set(hear, text)
      if (text === true) textHearers++
      return () => leave(hear)
    },
    stopped(process) {
      for (const queue of queues.get(process.root.pid) ?? []) {
        if (queue.process !== process) continue
        queue.over = true
        queue.wake()
      }
    },
    close() {
      for (const set of queues.values()) {
        for (const queue of set) {
          queue.over = true
          queue.wake()
        }
      }
    },
  }
}
