/**
 * The system calls of one process, page by page, kept up to date by its events.
 *
 * Invariant
 *   TR1. A page is read again only where something changed on it, and not sooner than REFRESH_MS after the last time.
 */
import { useEffect, useState } from 'react'
import type { RunEvent, Span } from '../../src/client.ts'
import type { Session } from './session.ts'

const PAGE = 1_000
/** Beyond, a trace is read in parts on demand. */
const SPANS_MAX = 20_000
const REFRESH_MS = 1_000

export interface Trace {
  readonly spans: readonly Span[]
  readonly isLoaded: boolean
  readonly isCut: boolean
  readonly error: Error | undefined
}

export function useTrace({ client }: Session, pid: number, events: RunEvents): Trace {
  const [trace, setTrace] = useState<Trace>({ spans: [], isLoaded: false, isCut: false, error: undefined })
  useEffect(() => {
    let isOver = false
    let spans: Span[] = []
    /** Cursor and length of what stands before the last page. */
    let cursor: string | undefined
    let before = 0
    let timer: ReturnType<typeof setTimeout> | undefined
    let readAt = -Infinity
    let isReading = false
    let isStale = false

    async function read(): Promise<void> {
      isReading = true
      isStale = false
      readAt = performance.now()
      try {
        for (;;) {
          const page = await client.processes.trace(pid, { limit: PAGE, ...(cursor === undefined ? {} : { cursor }) })
          if (isOver) return
          spans = [...spans.slice(0, before), ...page.items]
          const isCut = page.next !== null && spans.length >= SPANS_MAX
          setTrace({ spans, isLoaded: page.next === null || isCut, isCut, error: undefined })
          if (page.next === null || isCut) break
          cursor = page.next
          before = spans.length
        }
      } catch (error) {
        if (!isOver) setTrace((old) => ({ ...old, isLoaded: true, error: error as Error }))
      } finally {
        isReading = false
        if (isStale) soon()
      }
    }

    function soon(): void {
      isStale = true
      if (isReading || timer !== undefined || isOver) return
      timer = setTimeout(
        () => {
          timer = undefined
          void read()
        },
        Math.max(50, readAt + REFRESH_MS - performance.now()),
      )
    }

    const stop = events.listen((event) => {
      if (event.type === 'reset' || event.type === 'process-rewind') {
        cursor = undefined
        before = 0
        soon()
        return
      }
      if (event.type === 'text-delta' || event.pid !== pid) return
      // The end of a call on an earlier page: it alone is mended.
      if (event.type === 'call-end') {
        const i = spans.findIndex(({ n, undone, endedAt }) => n === event.n && !undone && endedAt === null)
        if (i >= 0 && i < before) {
          const old = spans[i] as Span
          spans = spans.with(i, {
            ...old,
            endedAt: event.at,
            error: event.error ?? null,
            usage: event.usage ?? null,
            waitedMs: event.waitedMs ?? old.waitedMs,
          })
        }
      }
      soon()
    })
    void read()
    return () => {
      isOver = true
      clearTimeout(timer)
      stop()
    }
  }, [client, pid, events])
  return trace
}

export type StreamedEvent = RunEvent | { readonly type: 'reset' }

/** Everything that happened to a run and its descendants, from its beginning. */
export interface RunEvents {
  /** The last EVENTS_MAX of the journal, the oldest first. */
  readonly all: readonly Exclude<RunEvent, { type: 'text-delta' }>[]
  /** How many came before those. */
  readonly dropped: number
  /** What models are saying in calls that have not ended, by `pid.n`. */
  readonly saying: ReadonlyMap<string, string>
  readonly error: Error | undefined
  readonly version: number
  listen(hear: (event: StreamedEvent) => void): () => void
  /** Told once a frame. */
  subscribe(hear: () => void): () => void
  stop(): void
}

const EVENTS_MAX = 20_000
const SAYING_CHARS_MAX = 100_000

/** With `isPaused` nothing is read: nobody looks, and connections are few. */
export function openRunEvents({ client, live }: Session, pid: number, isPaused: boolean): RunEvents {
  let all: Exclude<RunEvent, { type: 'text-delta' }>[] = []
  const saying = new Map<string, string>()
  const hearers = new Set<(event: StreamedEvent) => void>()
  const listeners = new Set<() => void>()
  const gone = new AbortController()
  let dropped = 0
  let version = 0
  let frame = 0
  let failed: Error | undefined

  function changed(): void {
    if (frame === 0)
      frame = requestAnimationFrame(() => {
        frame = 0
        version++
        for (const hear of listeners) hear()
      })
  }

  async function follow(): Promise<void> {
    try {
      for await (const event of client.processes.events(pid, { after: 0, signal: gone.signal })) {
        if (event.type === 'reset') {
          all = []
          dropped = 0
        } else if (event.type === 'text-delta') {
          const key = `${event.pid}.${event.n}`
          saying.set(key, ((saying.get(key) ?? '') + event.delta).slice(-SAYING_CHARS_MAX))
        } else {
          if (event.type === 'call-end') saying.delete(`${event.pid}.${event.n}`)
          all.push(event)
          if (all.length > EVENTS_MAX * 1.1) {
            dropped += all.length - EVENTS_MAX
            all = all.slice(-EVENTS_MAX)
          }
        }
        for (const hear of hearers) hear(event)
        changed()
      }
      // It has ended, so what the list says of it is the last word.
      if (!gone.signal.aborted && !live.rows.has(pid)) live.adopt(await client.processes.get(pid))
    } catch (error) {
      failed = error as Error
      changed()
    }
  }
  if (!isPaused) void follow()

  return {
    get all() {
      return all
    },
    get dropped() {
      return dropped
    },
    saying,
    get error() {
      return failed
    },
    get version() {
      return version
    },
    listen(hear) {
      hearers.add(hear)
      return () => hearers.delete(hear)
    },
    subscribe(hear) {
      listeners.add(hear)
      return () => listeners.delete(hear)
    },
    stop() {
      gone.abort()
      cancelAnimationFrame(frame)
    },
  }
}
