/**
 * What tools were told in a run: the inputs of the tool calls of a process tree, each with its place in the journal, read
 * from the journals of the tree. A value that was told is nothing that a later answer can vouch for.
 *
 *     const told = toldIn(process.root.start, eventsOf)   // what happened until now
 *     tell(told, seq, input)                              // and goes on
 *
 * Invariants
 *   TO1. It is a function of the journals: read at any time, or kept up from then on, it is the same.
 *   TO2. What is not known counts as told: beyond its bound, and where the journal of a process is gone.
 */
import { searchable, textsOf } from '../policy/values.ts'
import type { Text } from '../policy/values.ts'
import type { JournalEvent, Json, Pid, ProcessStart } from './types.ts'

/** What the tools of a process tree were told. */
export interface Told {
  /** By the places in the journal at which it was told, in their order. */
  readonly texts: Map<number, Text>
  /** The place from which on everything counts as told. */
  from: number
  /** Characters in the texts. */
  chars: number
}

/** All events of a process, also those that are not kept yet. */
export type EventsOf = (pid: Pid) => readonly JournalEvent[]

/** Characters of what the tools of one process tree were told; what comes after is not known. */
const TOLD_CHARS_MAX = 16 * 1_048_576

/** A tool is told something. */
export function tell(told: Told, seq: number, input: Json): void {
  if (seq >= told.from || told.texts.has(seq)) return
  const plain = textsOf(input).map(searchable).join('\n')
  told.chars += plain.length
  if (told.chars > TOLD_CHARS_MAX) told.from = seq
  else if (plain !== '') told.texts.set(seq, { plain })
}

/** What the tools of the tree under this root were told, by its journals. */
export function toldIn(root: ProcessStart, eventsOf: EventsOf): Told {
  const told: Told = { texts: new Map(), from: Infinity, chars: 0 }
  const found: [seq: number, input: Json][] = []
  if (!gather(root.pid, Infinity, eventsOf, found)) told.from = 0
  // A fork from outside goes on where its origin's whole run was.
  for (let at = root; at.forkOf !== null;) {
    const { pid, seq } = at.forkOf
    const origin = rootOf(pid, eventsOf)
    if (origin === undefined || !gather(origin.pid, seq, eventsOf, found)) {
      told.from = 0
      break
    }
    at = origin
  }
  for (const [seq, input] of found.sort(([a], [b]) => a - b)) tell(told, seq, input)
  return told
}

function rootOf(pid: Pid, eventsOf: EventsOf): ProcessStart | undefined {
  for (let at = pid; ;) {
    const [start] = eventsOf(at)
    if (start?.type !== 'process-start') return undefined
    if (start.parent === null) return start
    at = start.parent
  }
}

interface ToldBy {
  readonly seq: number
  readonly input: Json
}

/** Tool calls that a fork shares with its origin, by number. */
function takenOver({ forkOf }: ProcessStart, eventsOf: EventsOf): Map<number, ToldBy> {
  if (forkOf === null) return new Map()
  const events = eventsOf(forkOf.pid)
  const calls = events[0]?.type === 'process-start' ? takenOver(events[0], eventsOf) : new Map<number, ToldBy>()
  for (const event of events) {
    if (event.seq >= forkOf.seq) break
    if (event.type !== 'call-start') continue
    if (event.call !== 'call' || event.args === null) calls.delete(event.n)
    else calls.set(event.n, { seq: event.seq, input: (event.args as { readonly input: Json }).input })
  }
  return calls
}

/** What a process and those below it told before that event; false where a journal is gone. */
function gather(pid: Pid, before: number, eventsOf: EventsOf, found: [number, Json][]): boolean {
  const events = eventsOf(pid)
  const [start] = events
  if (start?.type !== 'process-start') return false
  const open = new Map<number, ToldBy | null>()
  const told = new Map<number, Json>()
  let past: ReadonlyMap<number, ToldBy> | undefined
  let isWhole = true
  for (const event of events) {
    if (event.seq >= before) break
    if (event.type === 'call-start') {
      if (event.call === 'spawn' || event.call === 'fork') open.set(event.n, null)
      else open.delete(event.n)
      if (event.call !== 'call' || event.args === null) continue
      const { input } = event.args as { readonly input: Json }
      open.set(event.n, { seq: event.seq, input })
      told.set(event.seq, input)
    } else if (event.type === 'call-wait' && event.core === null) {
      // Until a person allows it, nothing is told; of an origin, what became of it later is not looked at.
      const call = open.get(event.n)
      if (call && before === Infinity) told.delete(call.seq)
    } else if (event.type === 'call-sent') {
      // A tool call that was sent had waited for a person; a fork may have taken it over while it did.
      const call = open.get(event.n) ?? (past ??= takenOver(start, eventsOf)).get(event.n)
      if (call) told.set(event.seq, call.input)
    } else if (event.type === 'call-end') {
      const call = open.get(event.n)
      if (call === null && typeof event.value === 'number' && event.value > 0)
        isWhole = gather(event.value, before, eventsOf, found) && isWhole
      if (call && event.refused === true) told.delete(call.seq)
      open.delete(event.n)
    }
  }
  for (const one of told) found.push(one)
  return isWhole
}
