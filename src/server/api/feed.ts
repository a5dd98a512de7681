/**
 * A feed: what happened lately to the processes that one caller may see, kept in a ring, so that a stream that was cut can
 * go on where it was, and a slow one holds nothing up.
 *
 *     const feeds = createFeeds({ clock })
 *     const reader = feeds.open(view, 'principal ada')
 *     const at = reader.feed.indexAfter(seq) ?? reader.feed.end      // undefined: some of it is gone
 *     const entries = reader.feed.read(at, 100)                      // undefined: the ring has gone on beyond it
 *     await reader.changed()
 *     reader.close()
 *
 * Readers pull: a feed keeps no queue for any of them but the text of models that they have not taken yet, merged.
 *
 * Invariants
 *   FE1. A feed keeps at most `ringEventsMax` events and about RING_CHARS_MAX characters; a reader DELTA_CHARS_MAX of text.
 *   FE2. What `indexAfter` answers for misses nothing: every visible event after that seq is read from there on, once.
 *   FE3. Models stream (docs/decisions/0003) for a feed that somebody reads who asked for that, and for LINGER_MS after the
 *        last of them, who may come back. A feed that nobody has read for so long watches nothing.
 */
import type { Clock, Timer } from '../../kernel/clock.ts'
import type { JournalEvent, Pid, RunEvent, TextDelta } from '../../kernel/types.ts'
import { defaultServerLimits } from '../limits.ts'
import type { View } from '../view.ts'

/** An event as it is sent. */
export interface Entry {
  readonly seq: number
  readonly pid: Pid
  readonly type: JournalEvent['type']
  /** Of a process that began. */
  readonly parent: Pid | null
  /** Of the end of a call: its number. */
  readonly n: number | null
  /** The event as JSON. */
  readonly text: string
}

/** The ring of one kind of caller. */
export interface Feed {
  /** Place of the next event to come. */
  readonly end: number
  /** Seq of the last event heard; undefined for none. */
  readonly lastSeq: number | undefined
  /** Place of the first event after that seq; undefined where some that come after it may be gone. */
  indexAfter(seq: number): number | undefined
  /** Up to so many events from that place on; undefined where they are gone. */
  read(at: number, count: number): readonly Entry[] | undefined
}

/** Somebody who reads a feed. */
export interface Reader {
  readonly feed: Feed
  /** What models have said since the last time, merged by call, or of one call; all of it is in its end too. */
  takeText(of?: { readonly pid: Pid; readonly n: number }): readonly TextDelta[]
  /** Resolves once there is something to read, or `wake` was called. */
  changed(): Promise<void>
  wake(): void
  close(): void
}

export interface Feeds {
  /** Reads what the view shows. Views with one key show the same. */
  open(view: View, key: string, asked?: FeedAsked): Reader
}

/** What a reader would like. */
export interface FeedAsked {
  /** Whose text. @default everybody's */
  readonly wants?: (pid: Pid) => boolean
  /** Whether models are to stream for it; without, it has what they stream for others. @default true */
  readonly streams?: boolean
}

/** Where events are large, as many as two bodies of the largest size. */
const RING_CHARS_MAX = 8_388_608
/** Removed at once when the ring is full: cutting the front of a list costs its length. */
const RING_STEP = 512
/** How long a feed is kept for readers that come back, ms: twelve tries of our client at its slowest. */
const LINGER_MS = 60_000
/** Text of models that waits for one reader; beyond it is left out. */
const DELTA_CHARS_MAX = 65_536

export interface FeedsOptions {
  readonly clock: Clock
  /** @default `streamEventsKeptMax` of limits.ts */
  readonly ringEventsMax?: number
  /** @default LINGER_MS */
  readonly lingerMs?: number
}

interface Waiting {
  readonly wants: (pid: Pid) => boolean
  readonly streams: boolean
  readonly texts: Map<string, TextDelta>
  chars: number
  wake: (() => void) | undefined
  /** Something came that was not waited for yet. */
  isDue: boolean
}

interface OpenFeed extends Feed {
  readonly readers: Set<Waiting>
  /** Hears it all anew, from now on; with `streams`, so that models stream. */
  listen(streams: boolean): void
  stop(): void
  /** Until models no longer stream for it, and until it is given up. */
  quiet: Timer | undefined
  linger: Timer | undefined
}

export function createFeeds({
  clock,
  ringEventsMax = defaultServerLimits.streamEventsKeptMax,
  lingerMs = LINGER_MS,
}: FeedsOptions): Feeds {
  const feeds = new Map<string, OpenFeed>()
  const step = Math.min(RING_STEP, ringEventsMax)

  function openFeed(view: View): OpenFeed {
    const readers = new Set<Waiting>()
    const entries: Entry[] = []
    /** Place of the first entry. */
    let first = 0
    let chars = 0
    /** What comes after this seq is in the ring; undefined before the first event. */
    let floor: number | undefined

    function hear(event: RunEvent): void {
      if (event.type === 'text-delta') {
        for (const reader of readers) keepText(reader, event)
        return
      }
      const entry = entryOf(event)
      floor ??= event.seq - 1
      entries.push(entry)
      chars += entry.text.length
      while (entries.length > ringEventsMax || (chars > RING_CHARS_MAX && entries.length > 1)) drop()
      for (const reader of readers) wake(reader)
    }

    function drop(): void {
      // A few large events go one by one; a full ring of small ones by the step.
      const gone = entries.splice(0, entries.length > ringEventsMax ? step : 1)
      first += gone.length
      for (const { text } of gone) chars -= text.length
      floor = gone.at(-1)?.seq
    }

    let leave = (): void => {}
    let isStreaming: boolean | undefined
    return {
      readers,
      listen(streams) {
        if (isStreaming === streams) return
        isStreaming = streams
        leave()
        leave = view.watch(hear, { text: streams ? true : 'if-streamed' })
      },
      stop: () => leave(),
      quiet: undefined,
      linger: undefined,
      get end() {
        return first + entries.length
      },
      get lastSeq() {
        return entries.at(-1)?.seq
      },
      indexAfter(seq) {
        if (floor === undefined || seq < floor) return undefined
        let low = 0
        let high = entries.length
        while (low < high) {
          const middle = (low + high) >> 1
          if ((entries[middle] as Entry).seq > seq) high = middle
          else low = middle + 1
        }
        return first + low
      },
      read: (at, count) => (at < first ? undefined : entries.slice(at - first, at - first + count)),
    }
  }

  function close(key: string, feed: OpenFeed, reader: Waiting): void {
    if (!feed.readers.delete(reader)) return
    if (reader.streams && !hasStreams(feed)) {
      feed.quiet = clock.after(lingerMs, () => feed.listen(false))
      feed.quiet.hold(false)
    }
    if (feed.readers.size > 0) return
    feed.linger = clock.after(lingerMs, () => {
      feed.quiet?.cancel()
      feed.stop()
      feeds.delete(key)
    })
    feed.linger.hold(false)
  }

  return {
    open(view, key, { wants = () => true, streams = true } = {}) {
      let feed = feeds.get(key)
      if (feed === undefined) {
        feeds.set(key, (feed = openFeed(view)))
        feed.listen(streams)
      }
      feed.linger?.cancel()
      feed.linger = undefined
      if (streams) {
        feed.quiet?.cancel()
        feed.quiet = undefined
        feed.listen(true)
      }
      const reader: Waiting = { wants, streams, texts: new Map(), chars: 0, wake: undefined, isDue: false }
      const mine = feed
      mine.readers.add(reader)
      return {
        feed: mine,
        takeText(of) {
          const keys = of === undefined ? [...reader.texts.keys()] : [textKey(of)]
          const texts: TextDelta[] = []
          for (const key of keys) {
            const text = reader.texts.get(key)
            if (text === undefined) continue
            reader.texts.delete(key)
            reader.chars -= text.delta.length
            texts.push(text)
          }
          return texts
        },
        async changed() {
          if (!reader.isDue) await new Promise<void>((resolve) => (reader.wake = resolve))
          reader.isDue = false
          // What comes together is read together; the start of a call, on its way to the store, before its text.
          await new Promise<void>((resolve) => clock.yield(resolve))
        },
        wake: () => wake(reader),
        close: () => close(key, mine, reader),
      }
    },
  }
}

function hasStreams({ readers }: OpenFeed): boolean {
  for (const { streams } of readers) if (streams) return true
  return false
}

/** An event of the journal as it is sent. */
export function entryOf(event: JournalEvent): Entry {
  const { seq, pid, type } = event
  const parent = event.type === 'process-start' ? event.parent : null
  const n = event.type === 'call-end' ? event.n : null
  return { seq, pid, type, parent, n, text: JSON.stringify(event) }
}

function textKey({ pid, n }: { readonly pid: Pid; readonly n: number }): string {
  return `${pid}.${n}`
}

function keepText(reader: Waiting, event: TextDelta): void {
  if (reader.chars + event.delta.length > DELTA_CHARS_MAX || !reader.wants(event.pid)) return
  reader.chars += event.delta.length
  const key = textKey(event)
  const before = reader.texts.get(key)
  reader.texts.set(key, before === undefined ? event : { ...event, delta: before.delta + event.delta })
  wake(reader)
}

function wake(reader: Waiting): void {
  reader.isDue = true
  reader.wake?.()
  reader.wake = undefined
}
