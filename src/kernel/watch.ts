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

/**
 * What one watcher of a process has not heard yet. By hand and not as a generator: who gives up while nothing happens is let
 * go at once, not when something does. One object, with methods in place of closures: each streamed answer has one.
 */
class Queue implements AsyncIterator<RunEvent, undefined> {
  readonly process: Process
  /** Nothing more comes. */
  over: boolean
  readonly #eventsMax: number
  readonly #leave: (queue: Queue) => void
  /** Replaced, not changed, while it is empty: who reads as fast as it is told never needs one. */
  #events: RunEvent[] = NO_EVENTS
  /** Those who have asked for an event that has not come, the oldest first; while there are any, no event waits. */
  #asking: Asking[] = NOBODY_ASKS

  constructor(process: Process, eventsMax: number, leave: (queue: Queue) => void) {
    this.process = process
    this.over = process.state !== 'running'
    this.#eventsMax = eventsMax
    this.#leave = leave
  }

  next(): Promise<IteratorResult<RunEvent, undefined>> {
    if (this.#events.length > 0) {
      const value = this.#events.shift() as RunEvent
      if (this.#events.length === 0) {
        this.#events = NO_EVENTS
        if (this.over) this.#leave(this)
      }
      return Promise.resolve({ value, done: false })
    }
    if (this.over) return Promise.resolve(OVER)
    return new Promise((resolve) => {
      if (this.#asking.length === 0) this.#asking = [resolve]
      else this.#asking.push(resolve)
    })
  }

  return(): Promise<IteratorResult<RunEvent, undefined>> {
    this.#events = NO_EVENTS
    this.end()
    return Promise.resolve(OVER)
  }

  push(event: RunEvent): void {
    const events = this.#events
    // It has left, while an event went round.
    if (this.over && events.length === 0) return
    const last = events[events.length - 1]
    if (this.#asking.length > 0) this.#asking.shift()?.({ value: event, done: false })
    else if (event.type === 'text-delta' && last?.type === 'text-delta' && last.pid === event.pid && last.n === event.n)
      events[events.length - 1] = { ...event, delta: last.delta + event.delta }
    else if (events.length === 0) this.#events = [event]
    else {
      if (events.length >= this.#eventsMax) {
        const oldest = events.findIndex((one) => one.type === 'text-delta')
        events.splice(Math.max(0, oldest), 1)
      }
      events.push(event)
    }
    if (event.type === 'process-end' && event.pid === this.process.pid) this.end()
  }

  /** Nothing more comes: who asks for it is told so. */
  end(): void {
    this.over = true
    if (this.#events.length > 0) return
    const asking = this.#asking
    this.#asking = NOBODY_ASKS
    for (const resolve of asking) resolve(OVER)
    this.#leave(this)
  }
}

type Asking = (given: IteratorResult<RunEvent, undefined>) => void

const NO_EVENTS: RunEvent[] = Object.freeze([]) as never
const NOBODY_ASKS: Asking[] = Object.freeze([]) as never

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
  /** By root; replaced, not changed, as nearly all have one. */
  const queues = new Map<Pid, readonly Queue[]>()
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
      // A map that is cleared gets a new table, also where it was empty.
      if (earlyTexts > 0) early.clear()
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
    for (const queue of watching) if (isWithin(event.pid, queue.process)) queue.push(event)
  }

  function leave(hear: (event: RunEvent) => void): void {
    if (hearers.get(hear) === true) textHearers--
    hearers.delete(hear)
  }

  function follow(process: Process): AsyncIterator<RunEvent, undefined> {
    const queue = new Queue(process, limits.watchEventsMax, leaveQueue)
    const root = process.root.pid
    if (!queue.over) queues.set(root, [...(queues.get(root) ?? []), queue])
    return queue
  }

  function leaveQueue(queue: Queue): void {
    const root = queue.process.root.pid
    const rest = (queues.get(root) ?? []).filter((one) => one !== queue)
    if (rest.length > 0) queues.set(root, rest)
    else queues.delete(root)
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
        if (queue.process === process) queue.end()
      }
    },
    close() {
      for (const watching of queues.values()) for (const queue of watching) queue.end()
    },
  }
}
