/**
 * Event streams: server-sent events of all processes of a caller, or of one process with its descendants.
 *
 *     GET /api/v1/events
 *     GET /api/v1/processes/17/events?after=0        from the beginning of 17
 *
 * The id of an event is its place in the journal; a stream goes on after `Last-Event-ID`, or `after`. What was missed comes
 * from the journals where the stream is of one process, and otherwise from the ring of its feed (feed.ts). Three events
 * are the stream's own: `reset`, some of what was missed is gone, so whoever keeps a picture fetches it anew; `end`, the
 * process has ended, and there is nothing to come back for; and `failure`, the server ends the stream, and says why.
 *
 * Invariants
 *   EV1. Without a `reset`, a reader that comes back with the last id it saw gets every event once, in order.
 *   EV2. A reader is sent only what its view shows.
 *   EV3. A reader that is too slow is not buffered for: text of models is merged, then left out; of journal events it
 *        reads on where it was, from the ring, the journals, or after a `reset`.
 */
import { z } from 'zod'
import { PolityError } from '../../kernel/errors.ts'
import type { JournalEvent, Pid } from '../../kernel/types.ts'
import type { Caller } from '../caller.ts'
import type { EventStream, Exchange } from '../route.ts'
import type { View } from '../view.ts'
import type { Api } from './door.ts'
import { lastWord } from './failure.ts'
import type { Entry, Feeds, Reader } from './feed.ts'
import { entryOf } from './feed.ts'
import type { Operation } from './operation.ts'
import { flag, operation, severalOf } from './operation.ts'
import * as schemas from './event-schemas.ts'

/** Events that are looked at before others have a turn. */
const BATCH = 256
/** Events that are read from journals at once to fill a gap; a longer one is a `reset`. */
const REFILL_EVENTS_MAX = 100_000

const types = schemas.RunEvent.options.map(({ shape }) => shape.type.value)
const query = z.strictObject({
  after: z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .describe('Only events after this place in the journal. The header Last-Event-ID goes first. Default from now on'),
  types: severalOf(types),
  text: flag.describe(
    'Whether models stream for this listener, so that what they say can be read as it comes. Default true where types has text-delta',
  ),
})

export function eventOperations({ view, feeds }: Api): readonly Operation[] {
  return [
    operation({
      id: 'streamEvents',
      method: 'GET',
      path: '/events',
      scope: 'runs',
      summary: 'What happens to all processes of the caller',
      description:
        'Goes on after Last-Event-ID while the server still has what was missed; else the event `reset` says so. For an admin: all processes. The event `failure` is the last one where the server ends the stream: an error, and its status.',
      query,
      isStream: true,
      reply: schemas.RunEvent,
      run: ({ caller, query: asked, exchange }) => stream(exchange, view(caller), feeds, asked),
    }),
    operation({
      id: 'streamProcessEvents',
      method: 'GET',
      path: '/processes/:pid/events',
      scope: 'runs',
      summary: 'What happens to a process and its descendants',
      description:
        'From the journal where something was missed: after=0 gives everything from the beginning. The event `end` is the last one, once the process has ended; `failure` where the server ends the stream: an error, and its status.',
      query,
      isStream: true,
      reply: schemas.RunEvent,
      errors: ['NO_SUCH_PROCESS'],
      run: ({ caller, params, query: asked, exchange }) => stream(exchange, view(caller), feeds, asked, params.pid),
    }),
  ]
}

async function stream(
  exchange: Exchange,
  view: View,
  feeds: Feeds,
  asked: z.output<typeof query>,
  pid?: Pid,
): Promise<void> {
  const { signal, caller } = exchange
  const after = lastIdOf(exchange) ?? asked.after
  const wanted = new Set<string>(asked.types?.split(',') ?? types)
  const tree = pid === undefined ? undefined : treeOf(view, pid)
  const wants = (one: Pid): boolean => wanted.has('text-delta') && tree?.pids.has(one) !== false
  const streams = asked.text === undefined ? wanted.has('text-delta') : asked.text === 'true'
  const reader = feeds.open(view, keyOf(caller), { wants, streams })
  signal.addEventListener('abort', reader.wake, { once: true })
  try {
    const sending: Sending = { out: exchange.events({}, lastWord), reader, signal, wanted }
    if (tree === undefined) await sendAll(sending, after)
    else await sendTree(sending, tree, after)
    sending.out.end()
  } finally {
    signal.removeEventListener('abort', reader.wake)
    reader.close()
  }
}

/** Callers with one key see the same. */
function keyOf({ principal, scopes }: Caller): string {
  return scopes.has('admin') ? 'admin' : `principal ${principal}`
}

function lastIdOf({ headers }: Exchange): number | undefined {
  const given = headers['last-event-id']
  if (given === undefined || given === '') return undefined
  if (typeof given === 'string' && /^\d{1,15}$/.test(given)) return Number(given)
  throw new PolityError('INVALID_ARGUMENT', 'Last-Event-ID takes the id of an event of this stream, a whole number')
}

interface Sending {
  readonly out: EventStream
  readonly reader: Reader
  readonly signal: AbortSignal
  readonly wanted: ReadonlySet<string>
}

// --------------------------------------------------------------------------------------------------- of all processes

async function sendAll(sending: Sending, after: number | undefined): Promise<void> {
  const { reader, signal } = sending
  const { feed } = reader
  let at = feed.end
  if (after !== undefined) at = feed.indexAfter(after) ?? (await reset(sending))
  while (!signal.aborted) {
    const batch = feed.read(at, BATCH)
    if (batch === undefined) {
      at = await reset(sending)
      continue
    }
    for (const entry of batch) {
      if (signal.aborted) return
      await sendEntry(sending, entry)
      at++
    }
    await sendText(sending)
    if (batch.length < BATCH) await reader.changed()
  }
}

// ----------------------------------------------------------------------------------------------------- of one process

/** A process with its descendants, as they become known. */
interface Tree {
  readonly pid: Pid
  readonly pids: Set<Pid>
  readonly view: View
  /** Its end was sent, or had been before. */
  isOver: boolean
}

function treeOf(view: View, pid: Pid): Tree {
  view.info(pid)
  const tree: Tree = { pid, pids: new Set([pid]), view, isOver: false }
  addLiving(tree)
  return tree
}

/** Adds the descendants that are in the table. A child has a larger pid than its parent. */
function addLiving({ view, pids }: Tree): void {
  for (const { pid, parent } of view.ps().toSorted((a, b) => a.pid - b.pid))
    if (parent !== null && pids.has(parent)) pids.add(pid)
}

async function sendTree(sending: Sending, tree: Tree, after: number | undefined): Promise<void> {
  const { out, reader, signal } = sending
  const { feed } = reader
  let last = after
  let at = feed.end
  if (last === undefined) {
    const ended = (await tree.view.events(tree.pid)).at(-1)
    // What is in the feed is still to be sent.
    tree.isOver = ended?.type === 'process-end' && !feed.read(at, Infinity)?.some(({ seq }) => seq === ended.seq)
  } else ({ at, last } = await refill(sending, tree, last))
  while (!signal.aborted && !tree.isOver) {
    const batch = feed.read(at, BATCH)
    if (batch === undefined) {
      if (last === undefined) at = await reset(sending)
      else ({ at, last } = await refill(sending, tree, last))
      continue
    }
    for (const entry of batch) {
      if (signal.aborted) return
      at++
      if (!isIn(tree, entry)) continue
      await sendEntry(sending, entry)
      last = entry.seq
    }
    await sendText(sending)
    if (batch.length < BATCH && !tree.isOver) await reader.changed()
  }
  if (!signal.aborted) out.send({ event: 'end', data: '{}' })
}

function isIn(tree: Tree, { type, pid, parent }: Entry): boolean {
  if (parent !== null && tree.pids.has(parent)) tree.pids.add(pid)
  if (type === 'process-end' && pid === tree.pid) tree.isOver = true
  return tree.pids.has(pid)
}

/** Sends what the journals have after `last`. Says where the feed goes on from there, and what was sent last. */
async function refill(
  sending: Sending,
  tree: Tree,
  last: number,
): Promise<{ readonly at: number; readonly last: number }> {
  const { reader, signal } = sending
  const { feed } = reader
  for (;;) {
    const from = feed.end
    const found = await readJournals(tree, last)
    // Whatever was read has been heard by the feed when this returns.
    await tree.view.events(tree.pid)
    const heard = feed.read(from, Infinity)
    // More came meanwhile than a ring holds.
    if (heard === undefined) continue
    const at = feed.end
    if (found === undefined || found.isGone) await reset(sending)
    const seqs = new Set(found?.events.map(({ seq }) => seq))
    const missed = (found?.events ?? []).map(entryOf).concat(heard.filter(({ seq }) => seq > last && !seqs.has(seq)))
    missed.sort((a, b) => a.seq - b.seq)
    for (const entry of missed) {
      if (signal.aborted) break
      if (isIn(tree, entry)) await sendEntry(sending, entry)
    }
    return { at, last: missed.at(-1)?.seq ?? last }
  }
}

/** Events of the tree after `last`; undefined where they are too many. `isGone`: the journal of a descendant was removed. */
async function readJournals(
  tree: Tree,
  last: number,
): Promise<{ readonly events: JournalEvent[]; readonly isGone: boolean } | undefined> {
  const { view, pids } = tree
  addLiving(tree)
  const events: JournalEvent[] = []
  let isGone = false
  // Grows as it is gone through.
  for (const pid of pids) {
    let journal: readonly JournalEvent[] = []
    try {
      journal = await view.events(pid)
    } catch (error) {
      if (!PolityError.isInstance(error) || error.code !== 'NO_SUCH_PROCESS') throw error
      isGone = true
    }
    const calls = new Map<number, string>()
    for (const event of journal) {
      if (event.seq > last) events.push(event)
      if (event.type === 'call-start') calls.set(event.n, event.call)
      else if (event.type === 'call-end' && typeof event.value === 'number' && event.value > 0) {
        const call = calls.get(event.n)
        if (call === 'spawn' || call === 'fork') pids.add(event.value)
      } else if (event.type === 'process-end' && pid === tree.pid && event.seq <= last) tree.isOver = true
    }
    if (events.length > REFILL_EVENTS_MAX) return undefined
  }
  return { events, isGone }
}

// -------------------------------------------------------------------------------------------------------------- sending

async function sendEntry(sending: Sending, { type, text, seq, pid, n }: Entry): Promise<void> {
  const { out, wanted } = sending
  // What a model said stands before the end of its call.
  if (n !== null) await sendText(sending, { pid, n })
  if (wanted.has(type) && !out.send({ event: type, data: text, id: String(seq) })) await out.drained()
}

async function sendText({ out, reader }: Sending, of?: { readonly pid: Pid; readonly n: number }): Promise<void> {
  for (const text of reader.takeText(of))
    if (!out.send({ event: text.type, data: JSON.stringify(text) })) await out.drained()
}

/** Some of what was missed is gone. What comes now goes on from the place that is returned. */
async function reset({ out, reader }: Sending): Promise<number> {
  const { end, lastSeq } = reader.feed
  if (!out.send({ event: 'reset', data: '{}', ...(lastSeq === undefined ? {} : { id: String(lastSeq) }) }))
    await out.drained()
  return end
}
