/**
 * The past of a process: its part of the journal, folded so that it can be lived again.
 *
 *     pastOf(events)                       everything that is known: to resume, to replay
 *     pastOf(events, { before })           what was known before that event: to fork
 *     pastOf(events, { origin })           of a fork: the past of the process it came from, then its own
 *     readPast(store, start)               of any process, from the store
 *
 * Invariants
 *   H1. `ends` stand in the order in which the process learned them.
 *   H2. What a rewind undid is not in the past; what it kept is as if it had never been followed by anything else.
 *   H3. A fork's own end of a call goes before an origin's: whatever the origin learns later is not the fork's.
 */
import type { Store } from './drivers.ts'
import { noSuchProcess, PolityError } from './errors.ts'
import type { Call } from './process.ts'
import { NOTHING_RESERVED } from './process.ts'
import type {
  CallEnd,
  CallStart,
  CallUsage,
  JournalEvent,
  Json,
  KeptTurn,
  Mail,
  Pid,
  ProcessEnd,
  ProcessStart,
  Reservation,
  Usage,
} from './types.ts'

/** What a process did and learned, to be lived again. */
export interface Past {
  /** By the number of the call. */
  readonly starts: readonly CallStart[]
  readonly ends: readonly CallEnd[]
  /** Messages that were sent to the process and not received. */
  readonly mail: readonly Mail[]
  readonly end: ProcessEnd | undefined
  /** Where the pasts of the processes it was forked from end, and who they were; the oldest first. */
  readonly origins: readonly Origin[]
  /** When the process, or the oldest it was forked from, began: the time before anything was learned, ms. */
  readonly startedAt: number | undefined
  /** Place of the last event in it, -1 for none. */
  readonly lastSeq: number
  /** Numbers of the calls whose end is known. */
  readonly ended: ReadonlySet<number>
  /** Of these, the ones that the law refused. */
  readonly refused: ReadonlySet<number>
  /** Numbers of the model calls that the process itself, not one it was forked from, has been charged a step for. */
  readonly counted: ReadonlySet<number>
  /** Numbers of the calls that waited for a person's word, and had not gone on, here or where it was forked from: nothing of them has happened. */
  readonly asked: ReadonlySet<number>
  /** Turns of its own answers that made room and have not ended, by the number of the call: the model goes on there. */
  readonly turns: ReadonlyMap<number, PastTurns>
  /** Of `ends`, how many the program has learned again. */
  learned: number
  /** Calls that the program made again and that wait for their end. */
  readonly made: Map<number, Call>
}

/** The turns of an answer so far, the first one first, and the core that the last of them was on. */
export interface PastTurns {
  readonly core: string | null
  readonly kept: readonly KeptTurn[]
}

/** A process that a fork came from, and how much of the past is its. */
export interface Origin {
  readonly starts: number
  readonly ends: number
  readonly pid: Pid
  readonly seed: number
}

/** How much of the events is the past, and what came before them. */
export interface PastOptions {
  /** Only what stands before this event. @default everything */
  readonly before?: number
  readonly origin?: Past
  /** The process that forks, when its past is cut for the fork. */
  readonly forking?: { readonly pid: Pid; readonly seed: number }
}

/** Events, folded into a past. */
export function pastOf(
  events: readonly JournalEvent[],
  { before = Infinity, origin, forking }: PastOptions = {},
): Past {
  let starts: CallStart[] = origin === undefined ? [] : [...origin.starts]
  let ends: CallEnd[] = origin === undefined ? [] : [...origin.ends]
  const mails: Mail[] = origin === undefined ? [] : [...origin.mail]
  let end: ProcessEnd | undefined
  let startedAt = origin?.startedAt
  let origins = origin?.origins ?? []
  let lastSeq = -1
  const counted = new Set<number>()
  const asked = new Set(origin?.asked)
  const turns = new Map<number, PastTurns>()
  for (const event of events) {
    if (event.seq >= before) break
    lastSeq = event.seq
    switch (event.type) {
      case 'process-start':
        startedAt ??= event.at
        break
      case 'call-start':
        starts[event.n] = event
        if (event.reserved === undefined) counted.delete(event.n)
        else counted.add(event.n)
        asked.delete(event.n)
        turns.delete(event.n)
        break
      case 'call-wait':
        if (event.core === null) asked.add(event.n)
        if (event.turn === undefined) break
        turns.set(event.n, { core: event.core, kept: [...(turns.get(event.n)?.kept ?? []), event.turn] })
        break
      case 'call-sent':
        asked.delete(event.n)
        break
      case 'call-reserve':
        counted.add(event.n)
        break
      case 'call-end':
        ends.push(event)
        turns.delete(event.n)
        break
      case 'mail-sent':
        mails.push(event.mail)
        break
      case 'process-end':
        end = event
        break
      case 'process-rewind': {
        const cut = ends.findIndex((one) => one.n === event.n)
        const cutSeq = (ends[cut] as CallEnd).seq
        const undone = ends.slice(cut + 1)
        starts = starts.filter((one) => one.seq < cutSeq)
        ends = ends.slice(0, cut)
        ends.push({ type: 'call-end', seq: event.seq, at: event.at, pid: event.pid, n: event.n, value: event.value })
        for (const one of undone) if (starts[one.n] !== undefined) ends.push(one)
        // The next call with the number of one that was undone is another call.
        for (const known of [counted, asked, turns])
          for (const n of known.keys()) if (starts[n] === undefined) known.delete(n)
        // What the process did after it went back is its own, also where an origin had made a call of that number.
        const { length } = starts
        origins = origins.map((one) => ({
          ...one,
          starts: Math.min(one.starts, length),
          ends: Math.min(one.ends, cut),
        }))
      }
    }
  }
  const received = new Set<number>()
  const ended = new Set<number>()
  const refused = new Set<number>()
  for (const one of ends) {
    ended.add(one.n)
    if (one.refused === true) refused.add(one.n)
    if (starts[one.n]?.call === 'receive' && one.value !== undefined) received.add((one.value as unknown as Mail).id)
  }
  return {
    starts,
    ends,
    mail: mails.filter((mail) => !received.has(mail.id)),
    end,
    origins:
      forking === undefined
        ? origins
        : [...origins, { starts: starts.length, ends: ends.length, pid: forking.pid, seed: forking.seed }],
    startedAt,
    lastSeq,
    ended,
    refused,
    counted,
    asked,
    // A fork goes on from none of its origin's: the state is not its own, and its journal would have only the rest.
    turns: forking === undefined ? turns : new Map(),
    learned: 0,
    made: new Map(),
  }
}

/** The first event of a process that the store has; throws `NO_SUCH_PROCESS`. */
export function startOf(store: Pick<Store, 'processes'>, pid: Pid): ProcessStart {
  const start = startIn(store, pid)
  if (start === undefined) throw noSuchProcess(pid)
  return start
}

/** The same; undefined where no journal of it is left. */
export function startIn(store: Pick<Store, 'processes'>, pid: Pid): ProcessStart | undefined {
  if (!Number.isSafeInteger(pid)) return undefined
  for (const { start } of store.processes({ from: pid, to: pid + 1 })) if (start.pid === pid) return start
  return undefined
}

/** Everything of a process that is kept, with what it shares with those it was forked from. */
export function readPast(store: Store, start: ProcessStart): Past {
  const origin = start.forkOf === null ? undefined : originPast(store, start.forkOf)
  return origin === undefined ? pastOf(store.events(start.pid)) : pastOf(store.events(start.pid), { origin })
}

/** The past that a fork shares with its origin, with the `fork` call returning 0 in it. */
export function originPast(store: Store, { pid, seq, call }: NonNullable<ProcessStart['forkOf']>): Past {
  const events = store.events(pid)
  const head = events[0]
  if (head?.type !== 'process-start')
    throw new PolityError('NO_SUCH_PROCESS', `the journal of process ${pid}, from which this one was forked, is gone`)
  const origin = head.forkOf === null ? undefined : originPast(store, head.forkOf)
  // From the end, where most forks are made.
  const at = events.findLastIndex((event) => event.seq < seq) + 1
  const before = events.slice(0, at)
  const forking = events[at]
  if (call !== null && forking?.seq === seq && forking.type === 'call-start')
    before.push(forking, { type: 'call-end', seq, at: forking.at, pid, n: call, value: 0 })
  const forked = { pid: head.pid, seed: head.seed }
  return pastOf(before, origin === undefined ? { forking: forked } : { origin, forking: forked })
}

/** Ends of calls that were open before that event and ended after it: a fork takes them over, so their effect is not done again. */
export function endsAfter(events: readonly JournalEvent[], before: number, past: Past): CallEnd[] {
  const ends: CallEnd[] = []
  for (const event of futureOf(events, before))
    if (event.type === 'call-end' && past.starts[event.n] !== undefined && !past.ended.has(event.n)) ends.push(event)
  return ends
}

/** What became of a call: whether it may have happened, and its end. */
export interface Outcome {
  readonly isSent: boolean
  readonly end?: CallEnd
}

/** What became of a call in one journal that has it, or in which it went on. */
export function outcomeIn(
  events: readonly JournalEvent[],
  { n, startSeq }: { readonly n: number; readonly startSeq: number },
): Outcome {
  let isSent = false
  for (const event of events) {
    if (event.seq <= startSeq) continue
    // Behind a rewind another call may have its number.
    if (event.type === 'call-start' && event.n === n) break
    if (event.type === 'call-sent' && event.n === n) isSent = true
    if (event.type === 'call-end' && event.n === n) return { isSent: true, end: event }
  }
  return { isSent }
}

/**
 * What comes from that event on. A rewind to behind it leaves the calls that were open there as they are, and they go on; after one
 * to before it others have their numbers.
 */
function* futureOf(events: readonly JournalEvent[], before: number): Generator<JournalEvent, void> {
  for (const [i, event] of events.entries()) {
    if (event.seq < before) continue
    if (event.type === 'process-rewind') {
      const isTaken = (one: JournalEvent): boolean =>
        (one.type === 'call-end' || one.type === 'process-rewind') && one.n === event.n
      const taken = events.slice(0, i).findLast(isTaken)
      if (taken === undefined || taken.seq < before) return
    }
    yield event
  }
}

/**
 * What the process itself was charged, without its descendants. Calls in doubt count as they were reserved; calls that only
 * waited for a core were not sent, and cost nothing but what earlier turns of their answers took.
 */
export function ownUsage(events: readonly JournalEvent[]): { -readonly [K in keyof Usage]: Usage[K] } {
  return chargesIn(events).used
}

/** Of what it was charged, what is not known to have been used: set aside for calls that a crash, a time-out or the end of the process left in doubt. */
export function unsettledUsage(events: readonly JournalEvent[]): Reservation {
  return chargesIn(events).unsettled
}

function chargesIn(events: readonly JournalEvent[]) {
  const unsettled = { tokens: 0, usd: 0 }
  const used = { inputTokens: 0, cachedTokens: 0, outputTokens: 0, usd: 0, steps: 0, calls: 0, children: 0 }
  const open = new Map<number, Reservation>()
  const waiting = new Set<number>()
  const counted = new Set<number>()
  /** Turns of open calls, which their ends are to count. */
  const turns = new Map<number, CallUsage[]>()
  const add = ({ inputTokens, cachedTokens, outputTokens, usd }: CallUsage): void => {
    used.inputTokens += inputTokens
    used.cachedTokens += cachedTokens
    used.outputTokens += outputTokens
    used.usd += usd
  }
  const spend = (reserved: Reservation | undefined): void => {
    const { tokens, usd } = reserved ?? NOTHING_RESERVED
    used.outputTokens += tokens
    used.usd += usd
    unsettled.tokens += tokens
    unsettled.usd += usd
  }
  /** The end of the call will not count what it took until here: its turns, and all that was set aside if it was under way. */
  const settle = (n: number): void => {
    let { tokens, usd } = waiting.delete(n) ? NOTHING_RESERVED : (open.get(n) ?? NOTHING_RESERVED)
    for (const turn of turns.get(n) ?? []) {
      add(turn)
      tokens -= turn.inputTokens + turn.outputTokens
      usd -= turn.usd
    }
    turns.delete(n)
    spend({ tokens: Math.max(0, tokens), usd: Math.max(0, usd) })
  }
  for (const event of events) {
    switch (event.type) {
      case 'call-start':
        used.calls++
        counted.delete(event.n)
        waiting.delete(event.n)
        turns.delete(event.n)
        if (event.reserved === undefined) break
        open.set(event.n, event.reserved)
        counted.add(event.n)
        used.steps++
        break
      case 'call-wait':
        waiting.add(event.n)
        if (event.turn !== undefined) turns.set(event.n, [...(turns.get(event.n) ?? []), event.turn.usage])
        break
      case 'call-sent':
        waiting.delete(event.n)
        break
      case 'call-reserve':
        if (event.grown !== true) settle(event.n)
        open.set(event.n, event.reserved)
        if (!counted.has(event.n)) used.steps++
        counted.add(event.n)
        break
      case 'call-end':
        open.delete(event.n)
        if (event.usage !== undefined) add(event.usage)
        break
      case 'process-rewind':
        open.clear()
        turns.clear()
        spend(event.charged)
    }
  }
  for (const n of open.keys()) settle(n)
  return { used, unsettled }
}

/** How the call that the program makes differs from the one in the journal; undefined if it is the same. */
export function differs(recorded: CallStart, name: string, args: Json): string | undefined {
  if (recorded.call !== name) return `the journal has ${recorded.call} there`
  if (isSame(recorded.args, args)) return undefined
  const was = JSON.stringify(recorded.args)
  const is = JSON.stringify(args)
  if (was === is) return undefined
  let at = 0
  while (at < was.length && was[at] === is[at]) at++
  const from = Math.max(0, at - 20)
  return `its arguments differ: the journal has …${was.slice(from, at + 40)}…, the program says …${is.slice(from, at + 40)}…`
}

/** Whether both are written as one text, without writing it: a past is compared call by call. False is no proof. */
function isSame(one: Json, other: Json): boolean {
  if (one === other) return true
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false
  const keys = Object.keys(one)
  const others = Object.keys(other)
  if (keys.length !== others.length || Array.isArray(one) !== Array.isArray(other)) return false
  type Keyed = { readonly [key: string]: Json }
  return keys.every((key, i) => key === others[i] && isSame((one as Keyed)[key] as Json, (other as Keyed)[key] as Json))
}

/** The first call of the journal that the program does not make. */
export function unmade(past: Past, made: number): string {
  return `the program does not make call ${made} (${past.starts[made]?.call}), which the journal has`
}
