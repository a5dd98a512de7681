/**
 * Watching: who wants to see what happens, and the bounded queues through which they see it.
 *
 * Nobody's slowness slows the kernel: a watcher that does not keep up has its text deltas merged and, beyond the limit,
 * its oldest ones dropped. Journal events are never dropped for a watcher that is within its limit of them.
 */
import { PolityError, messageOf } from './errors.ts'
import type { Limits } from './limits.ts'
import type { Call, Process } from './process.ts'
import type { Pid, RunEvent } from './types.ts'

/** Those who watch, and what they are told. */
export interface Watch {
  /** Whether anybody watches anything. */
  readonly active: boolean
  tell(root: Pid, event: RunEvent): void
  /** Where the text of a tree's models goes; undefined while nobody watches it. */
  textOf(root: Pid): ((delta: string, call: Call) => void) | undefined
  /** The events of a process and its descendants until it ends. */
  events(process: Process, over: boolean): AsyncIterable<RunEvent>
  all(hear: (event: RunEvent) => void): () => void
  /** The process was stopped: nothing more comes of it. */
  stopped(process: Process): void
  close(): void
}

interface Queue {
  readonly process: Process
  readonly events: RunEvent[]
  over: boolean
  wake: (() => void) | undefined
}

/** `isWithin` says whether a process is another or descends from it. */
export function createWatch(limits: Limits, isWithin: (pid: Pid, process: Process) => boolean): Watch {
  const queues = new Map<Pid, Set<Queue>>()
  const hearers = new Set<(event: RunEvent) => void>()

  function tell(root: Pid, event: RunEvent): void {
    for (const hear of hearers) {
      try {
        hear(event)
      } catch (error) {
        // A listener's fault is not the kernel's: it hears nothing more, and its owner is told.
        hearers.delete(hear)
        globalThis.process.emitWarning(`a listener of kernel.watch threw and was removed: ${messageOf(error)}`)
      }
    }
    const watching = queues.get(root)
    if (watching === undefined) return
    for (const queue of watching) push(queue, event)
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
    queue.wake?.()
  }

  async function* events(process: Process, over: boolean): AsyncGenerator<RunEvent> {
    if (over) return
    const queue: Queue = { process, events: [], over: process.state !== 'running', wake: undefined }
    const root = process.root.pid
    const set = queues.get(root) ?? new Set()
    queues.set(root, set)
    set.add(queue)
    try {
      for (;;) {
        for (let next = queue.events.shift(); next !== undefined; next = queue.events.shift()) yield next
        if (queue.over) return
        await new Promise<void>((resolve) => (queue.wake = resolve))
      }
    } finally {
      set.delete(queue)
      if (set.size === 0) queues.delete(root)
    }
  }

  return {
    get active() {
      return queues.size > 0 || hearers.size > 0
    },
    tell,
    textOf(root) {
      if (hearers.size === 0 && !queues.has(root)) return undefined
      return (delta, call) => tell(root, { type: 'text-delta', pid: call.process.pid, n: call.n, delta })
    },
    events,
    all(hear) {
      if (typeof hear !== 'function')
        throw new PolityError('INVALID_ARGUMENT', `watch takes a function, not ${messageOf(hear).slice(0, 80)}`)
      hearers.add(hear)
      return () => void hearers.delete(hear)
    },
    stopped(process) {
      for (const queue of queues.get(process.root.pid) ?? []) {
        if (queue.process !== process) continue
        queue.over = true
        queue.wake?.()
      }
    },
    close() {
      for (const set of queues.values()) {
        for (const queue of set) {
          queue.over = true
          queue.wake?.()
        }
      }
    },
  }
}
