/**
 * `polity trace <pid>`: every system call of a process with its time, like strace.
 *
 *     +12.345 ms  #3 call(search {"query":"kill -9"}) = [{"path":"docs/journal.md"… <1.234 ms>
 *
 * The first time is since the process began, the last is how long the call took. A call that has not ended has `?`.
 * With `--sources` each call is followed by where its texts came from (provenance.ts). The last line of a process with
 * several model calls says how much of their prompts had been sent before: what a provider's prompt cache can pay for.
 * On stderr it says which core refuses that the process waits for, or one below it (refusals.ts); with `--follow` once each.
 */
import type { StoreReader } from '../../drivers/store/sqlite-reader.ts'
import type { CachedPrefix } from '../../kernel/cached-prefix.ts'
import { cachedPrefix } from '../../kernel/cached-prefix.ts'
import type { CoreInfo } from '../../kernel/kernel.ts'
import { startOf } from '../../kernel/past.ts'
import type {
  CallEnd,
  CallReserve,
  CallStart,
  FileEntry,
  JournalEvent,
  Pid,
  Preempted,
  ProcessStart,
} from '../../kernel/types.ts'
import { costOf, counted } from '../amounts.ts'
import { describeCall, describeValue } from '../call-text.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { pidOf, usageError } from '../options.ts'
import type { Part } from '../provenance.ts'
import { provenanceIn } from '../provenance.ts'
import { refusalText, sayRefusals } from '../refusals.ts'
import { exitCodeOfSignal, exitCodes } from '../report.ts'
import { refusingFor } from '../run-status.ts'
import { askStatus, ownerOf, readStore } from '../store-file.ts'
import { cut, widthOf, wrap } from '../table.ts'
import { oneLine, roomOf } from '../terminal.ts'

const FOLLOW_MS = 100
/** How often the kernel is asked which cores are waited for: its journal does not say that they refuse. */
const STATUS_LOOK_MS = 1_000
/** Where a line has less room for a call than this, what came of it stands on a line of its own. */
const ROOM_MIN = 44
/** What is left of a call, and of its value, beside a long account of what it cost. */
const LEAST = 12
/** Of a second line. */
const INDENT = 4
/** Widths of lines that go to no terminal. */
const PIPE_COLUMNS = 160

export const trace = defineCommand({
  name: 'trace',
  summary: 'every system call of a process, with times',
  usage: '<pid>',
  positionals: [1, 1],
  options: {
    follow: { kind: 'flag', short: 'f', help: 'go on as the process does, until it ends' },
    tree: { kind: 'flag', short: 't', help: 'its descendants too' },
    full: { kind: 'flag', help: 'arguments and values whole' },
    sources: { kind: 'flag', help: 'where each text of prompts, arguments and notes came from' },
  },
  details:
    'Each line has the time since the process began, the number of the call, the call, its value or error, and how long it took. `polity fork <pid> --at n` goes on from call #n in another way.',
  examples: [
    'polity trace 17',
    'polity trace 17 --tree --full',
    'polity trace 17 --sources',
    'polity trace 17 --follow --json',
  ],
  async run(context, { values, positionals }) {
    const pid = pidOf(positionals[0])
    if (values.sources && values.follow) throw usageError('--sources is for what is over: leave out --follow')
    const reader = readStore(context.storePath)
    try {
      startOf(reader, pid)
      const options = {
        full: values.full,
        tree: values.tree,
        sources: values.sources,
        columns: context.out.isTerminal ? context.out.columns : PIPE_COLUMNS,
      }
      if (!values.follow) {
        printWhole(context, reader, pid, options)
        for (const core of await refusingCores(context, reader, pid)) {
          const text = refusalText(core, context.clock.now())
          if (text !== undefined) context.note(context.err.paint('yellow', text))
        }
        return exitCodes.done
      }
      return await followTrace(context, reader, pid, options)
    } finally {
      reader.close()
    }
  },
})

interface TraceOptions {
  readonly full: boolean
  readonly tree: boolean
  readonly sources: boolean
  readonly columns: number
}

/** One call, or the beginning or end of a process, with the time by which it is placed. */
interface Entry {
  readonly at: number
  readonly pid: Pid
  readonly start?: CallStart
  readonly end?: CallEnd
  readonly event?: JournalEvent
  /** Of a `call-reserve`: why something is set aside only now. */
  readonly why?: string
}

function printWhole(context: Context, reader: StoreReader, pid: Pid, options: TraceOptions): void {
  const first = startOf(reader, pid)
  const parts = new Map<CallStart, readonly Part[]>()
  const entries = pidsOf(reader, pid, options.tree).flatMap((one) => {
    const events = reader.events(one)
    const own = entriesOf(events)
    if (options.sources) for (const [start, found] of provenanceIn(events)) parts.set(start, found)
    return own
  })
  entries.sort((a, b) => a.at - b.at)
  const prefix = cachedPrefix(reader.events(pid))
  if (context.isJson)
    return context.result('', {
      pid,
      program: first.program,
      prefix,
      calls: entries.flatMap((entry) =>
        entry.start === undefined
          ? []
          : [{ ...callJson(entry, first), ...(options.sources ? { parts: parts.get(entry.start) ?? [] } : {}) }],
      ),
      events: entries.flatMap(({ event }) => event ?? []),
    })
  for (const entry of entries) {
    context.result(lineOf(context, entry, first, options), undefined)
    if (entry.start === undefined) continue
    for (const part of parts.get(entry.start) ?? []) context.result(sourceLine(context, part), undefined)
  }
  if (prefix.prompts > 1)
    context.result(context.out.paint('dim', wrap(prefixText(prefix), roomOf(context.out), 'broken')), undefined)
  const hasChildren = entries.some(({ start }) => start?.call === 'spawn' || start?.call === 'fork')
  if (hasChildren && !options.tree) context.note(context.err.paint('dim', 'it has children; --tree shows them too'))
}

/** The cores that refuse and that the process, or one below it, waits for now: only the kernel that has the store open knows. */
async function refusingCores(context: Context, reader: StoreReader, pid: Pid): Promise<readonly CoreInfo[]> {
  const [head] = reader.processes({ from: pid, to: pid + 1 })
  if (head === undefined || head.end !== undefined || !ownerOf(context.storePath).isOwned) return []
  const status = await askStatus(context.storePath, reader)
  return status === undefined ? [] : refusingFor(context.storePath, reader, status, pid)
}

/** What of the prompts was sent before, in a line. */
function prefixText({ prompts, bytes, share, inputTokens, cachedShare, compactions, changes }: CachedPrefix): string {
  const again = `${Math.round(share * 100)} % of the ${(bytes / 1000).toFixed(1)} kB of its ${prompts} prompts had been sent before`
  const cached = `${Math.round(cachedShare * 100)} % of ${inputTokens} input tokens came from the provider's cache`
  const compacted = compactions === 0 ? [] : [counted(compactions, 'compaction')]
  const [first] = changes
  const changed =
    first === undefined
      ? []
      : [`${counted(changes.length, 'change')} of what had been sent, the first by call #${first.n} (--json has all)`]
  return [again, cached, ...compacted, ...changed].join('; ')
}

async function followTrace(context: Context, reader: StoreReader, pid: Pid, options: TraceOptions): Promise<number> {
  const first = startOf(reader, pid)
  const printed = new Set<string>()
  const say = sayRefusals(context)
  let askedAt = 0
  for (;;) {
    // Asked before the journal is read: what an owner wrote last is then not missed.
    const { isOwned } = ownerOf(context.storePath)
    const entries = pidsOf(reader, pid, options.tree).flatMap((one) => entriesOf(reader.events(one)))
    const isOver = entries.some(({ event }) => event?.type === 'process-end' && event.pid === pid)
    const isLast = isOver || !isOwned || context.interrupted.aborted
    // A call is printed when it has ended, so a line never changes.
    const ready = entries
      .filter((entry) => isLast || entry.start === undefined || entry.end !== undefined)
      .toSorted((a, b) => (a.end?.at ?? a.at) - (b.end?.at ?? b.at))
    for (const entry of ready) {
      const key = `${entry.pid}.${entry.start?.n ?? entry.event?.type}.${entry.start?.seq ?? entry.event?.seq}`
      if (printed.has(key)) continue
      printed.add(key)
      context.result(
        lineOf(context, entry, first, options),
        entry.start === undefined ? entry.event : callJson(entry, first),
      )
    }
    if (context.interrupted.aborted) return exitCodeOfSignal(context.interrupted.reason)
    if (isOver) return exitCodes.done
    if (!isOwned) {
      context.note(
        context.err.paint(
          'dim',
          `process ${pid} is stopped: no kernel has the store open; go on with ${context.commandLine(`resume ${pid}`)}`,
        ),
      )
      return exitCodes.done
    }
    if (context.clock.now() - askedAt >= STATUS_LOOK_MS) {
      say(await refusingCores(context, reader, pid))
      askedAt = context.clock.now()
    }
    await new Promise<void>((resolve) => void context.clock.after(FOLLOW_MS, resolve))
  }
}

/** The process and, of a tree, its descendants. */
function pidsOf(reader: StoreReader, pid: Pid, tree: boolean): Pid[] {
  if (!tree) return [pid]
  const pids = new Set([pid])
  // A child's pid is larger than its parent's, so one pass finds all.
  for (const { start } of reader.processes()) if (start.parent !== null && pids.has(start.parent)) pids.add(start.pid)
  return [...pids]
}

function entriesOf(events: readonly JournalEvent[]): Entry[] {
  const ends = new Map<number, CallEnd>()
  const reserves = reservesIn(events)
  const entries: Entry[] = []
  // From the last to the first: after a rewind a number was given again, and its end is the next one.
  for (const event of events.toReversed()) {
    if (event.type === 'call-end') ends.set(event.n, event)
    else if (event.type === 'call-start') {
      const end = ends.get(event.n)
      ends.delete(event.n)
      entries.push({ at: event.at, pid: event.pid, start: event, ...(end === undefined ? {} : { end }) })
    } else {
      const why = reserves.get(event)
      entries.push({ at: event.at, pid: event.pid, event, ...(why === undefined ? {} : { why }) })
    }
  }
  return entries.toReversed()
}

/**
 * Why something was set aside for calls after they had started. One that had something set aside and did not wait had been
 * sent: then that try is lost.
 */
function reservesIn(events: readonly JournalEvent[]): ReadonlyMap<JournalEvent, string> {
  const why = new Map<JournalEvent, string>()
  const [aside, waiting, asked] = [new Set<number>(), new Set<number>(), new Set<number>()]
  for (const event of events) {
    if (event.type === 'call-start') {
      for (const known of [aside, waiting, asked]) known.delete(event.n)
      if (event.reserved !== undefined) aside.add(event.n)
    } else if (event.type === 'call-wait') {
      waiting.add(event.n)
      if (event.core === null) asked.add(event.n)
    } else if (event.type === 'call-sent') waiting.delete(event.n)
    else if (event.type === 'call-reserve' && event.grown !== true && !isNothing(event)) {
      const { n } = event
      why.set(event, aside.has(n) && !waiting.has(n) ? 'is tried again' : asked.has(n) ? 'is allowed' : 'has room now')
      aside.add(n)
      waiting.delete(n)
      asked.delete(n)
    }
  }
  return why
}

/** Written where a call goes on in another kernel: it has nothing set aside until there is room, which is told then. */
function isNothing({ reserved: { tokens, usd } }: CallReserve): boolean {
  return tokens === 0 && usd === 0
}

function callJson({ start, end }: Entry, first: ProcessStart): { readonly [key: string]: unknown } {
  const { pid, n, call, args, at } = start as CallStart
  return {
    type: 'call',
    pid,
    n,
    call,
    args,
    startedMs: at - first.at,
    tookMs: end === undefined ? null : end.at - at,
    ...(end === undefined ? {} : end.error === undefined ? { value: end.value ?? null } : { error: end.error }),
    ...(end?.usage === undefined ? {} : { usage: end.usage }),
    ...(end?.waitedMs === undefined ? {} : { waitedMs: end.waitedMs }),
  }
}

/** Empty for an event that tells a reader nothing. */
function lineOf(context: Context, entry: Entry, first: ProcessStart, options: TraceOptions): string {
  const { out } = context
  if (entry.event?.type === 'call-reserve' && isNothing(entry.event)) return ''
  const { full, tree, columns } = options
  const time = `+${(entry.at - first.at).toFixed(3)} ms`
  const who = tree ? ` [${entry.pid}]` : ''
  const padded = time.padStart(14)
  const isNarrow = !full && columns - padded.length - who.length - 2 < ROOM_MIN
  const head = `${isNarrow ? time : padded}${who}  `
  const room = full ? Infinity : columns - head.length
  const said =
    entry.start === undefined
      ? eventText(context, entry, room, isNarrow)
      : isNarrow
        ? callOnTwoLines(context, entry.start, entry.end, room, columns - INDENT)
        : callText(context, entry.start, entry.end, room)
  return `${out.paint('dim', head)}${said}`
}

function sourceLine({ out }: Context, { path, from }: Part): string {
  const said = from.map(
    ({ call, what, principal, labels, trust }) =>
      `${call === null ? '' : `#${call} `}${what} (${[principal, trust, ...labels].map(oneLine).join(', ')})`,
  )
  const where = said.length === 0 ? 'the program itself' : said.join('; ')
  const line = `${oneLine(path)} from ${where}`
  if (!out.isTerminal) return `${' '.repeat(18)}${out.paint('dim', line)}`
  const indent = ' '.repeat(out.columns < 18 + ROOM_MIN ? INDENT : 18)
  const lines = wrap(line, out.columns - indent.length, 'broken').split('\n')
  return lines.map((one) => `${indent}${out.paint('dim', one)}`).join('\n')
}

function callText({ out }: Context, start: CallStart, end: CallEnd | undefined, room: number): string {
  const number = `#${start.n} `
  const took = cut(tookText(start, end), room - number.length - 3 - 2 * LEAST)
  const left = room - number.length - took.length - 3
  // A short value leaves its room to the arguments, and short arguments to the value.
  const valueWidth =
    room === Infinity ? Infinity : Math.min(Math.floor(left * 0.45), valueText(start, end, left).length)
  const calledWidth = room === Infinity ? Infinity : left - valueWidth
  const called = describeCall(start.call, start.args, calledWidth)
  const valueRoom = room === Infinity ? Infinity : left - widthOf(called)
  const value = valueText(start, end, valueRoom)
  return `${out.paint('cyan', number)}${called} = ${valuePainted(out, end, value)}${out.paint('dim', took)}`
}

/** The call in what its line has left, and below it what came of it. */
function callOnTwoLines(
  { out }: Context,
  start: CallStart,
  end: CallEnd | undefined,
  room: number,
  below: number,
): string {
  const number = `#${start.n} `
  const called = describeCall(start.call, start.args, room - number.length)
  const took = cut(tookText(start, end), below - 2 - LEAST)
  const left = below - 2 - took.length
  const value = valueText(start, end, left)
  return `${out.paint('cyan', number)}${called}\n${' '.repeat(INDENT)}= ${valuePainted(out, end, value)}${out.paint('dim', took)}`
}

function valuePainted({ paint }: Context['out'], end: CallEnd | undefined, value: string): string {
  return end === undefined ? paint('yellow', value) : end.error === undefined ? value : paint('red', value)
}

function tookText(start: CallStart, end: CallEnd | undefined): string {
  return end === undefined ? '' : `${preemptedText(end.usage?.preempted)} <${(end.at - start.at).toFixed(3)} ms>`
}

/** What it cost that a model call made room for others. */
function preemptedText(preempted: Preempted | undefined): string {
  if (preempted === undefined) return ''
  const { times, tokensAgain, stateBytes, stateMs } = preempted
  const cost =
    stateBytes > 0
      ? `${(stateBytes / 1000).toFixed(1)} kB kept in ${stateMs.toFixed(1)} ms`
      : `${tokensAgain} tokens read again`
  return ` {made room ${times === 1 ? 'once' : `${times} times`}, ${cost}}`
}

function valueText({ call }: CallStart, end: CallEnd | undefined, width: number): string {
  if (end === undefined) return '?'
  return end.error === undefined
    ? describeValue(call, end.value, width)
    : cut(`${end.error.code}: ${oneLine(end.error.message)}`, Math.max(1, width))
}

function eventText({ out }: Context, { event: given, why }: Entry, room: number, isNarrow: boolean): string {
  const event = given as JournalEvent
  switch (event.type) {
    case 'process-start':
      return out.paint(
        'bold',
        cut(
          `start ${oneLine(event.program)}${event.forkOf === null ? '' : ` (fork of ${event.forkOf.pid})`} ${event.input === undefined ? '' : oneLine(JSON.stringify(event.input))}`.trimEnd(),
          room,
        ),
      )
    case 'process-end': {
      const what =
        event.error === undefined
          ? oneLine(JSON.stringify(event.value ?? null))
          : `${event.error.code}: ${oneLine(event.error.message)}`
      const style = event.state === 'done' ? 'bold' : 'red'
      const cost = costOf(event.usage)
      if (isNarrow)
        return [cut(`${event.state} ${what}`, room), `${' '.repeat(INDENT)}${cost}`]
          .map((line) => out.paint(style, line))
          .join('\n')
      return out.paint(style, `${cut(`${event.state} ${what}`, room - cost.length - 2)}; ${cost}`)
    }
    case 'mail-sent':
      return cut(`mail from ${event.mail.from}: ${oneLine(JSON.stringify(event.mail.body))}`, room)
    case 'process-rewind':
      return cut(`back to the snapshot of call #${event.n}`, room)
    case 'call-reserve':
      return cut(
        event.grown === true
          ? `#${event.n} made room: ${event.reserved.tokens} tokens set aside, to read its prompt again`
          : `#${event.n} ${why}: ${event.reserved.tokens} tokens set aside`,
        room,
      )
    case 'call-wait':
      return cut(
        event.turn === undefined
          ? `#${event.n} waits for ${event.core ?? "a person's word"}`
          : `#${event.n} made room after ${event.turn.usage.outputTokens} tokens, and waits for ${event.core}`,
        room,
      )
    case 'call-sent':
      return `#${event.n} goes on`
    case 'files-restored':
      return cut(restoredText(event.value as unknown as FileEntry), room)
    default:
      // One line, so that what is known of the run is still shown.
      return cut(
        `an event of a kind that this version of Polity does not know: ${oneLine((event as JournalEvent).type)}`,
        room,
      )
  }
}

/** The version is the one that was made: what it was made of stands in the history of the files. */
function restoredText({ path, files, version }: FileEntry): string {
  const what = path === '' ? 'all files' : oneLine(path)
  return `${what} brought back to an earlier version${files === undefined ? '' : ` (${counted(files, 'file')})`}; now version ${version}`
}
