/**
 * The teams of a store, for `polity top --team`: who spoke to whom, how much, and how the leader's ledger stands.
 *
 *     const look = teamsOf(reader)
 *     look({ all: false, isOwned: true })          // looks again each time, and reads what is new
 *
 * A team is a process tree with more than one seat: see src/evaluation/team.ts.
 */
import type { StoreReader } from '../../drivers/store/sqlite-reader.ts'
import type { Line, Seat, Team, TeamReader } from '../../evaluation/team.ts'
import { openTeam } from '../../evaluation/team.ts'
import type { Monopoly, Stalling } from '../../evaluation/team-measures.ts'
import { monopoly, stalling } from '../../evaluation/team-measures.ts'
import type { JournalEvent, Pid } from '../../kernel/types.ts'
import { counted, tokens } from '../amounts.ts'
import { table, wrap, type Column } from '../table.ts'
import type { Channel } from '../terminal.ts'
import { oneLine, roomOf } from '../terminal.ts'

/** One team, as `--json` has it; what was said stands in the traces. */
export interface TeamInfo extends Pick<Team, 'seats' | 'lines' | 'waits'> {
  /** Its first process. */
  readonly pid: Pid
  readonly program: string
  /** Of each leader that keeps a progress ledger. */
  readonly ledgers: readonly Stalling[]
  /** Who says most; null while fewer than two have said something. */
  readonly most: Monopoly | null
}

/** Which teams. */
export interface TeamChoice {
  /** Those that have ended too. */
  readonly all: boolean
  /** Whether a kernel has the store open: without one, what has not ended is stopped. */
  readonly isOwned: boolean
}

/** Looks through a store for its teams, by their first process; from the second look on it reads only what is new. */
export function teamsOf(reader: StoreReader): (choice: TeamChoice) => readonly TeamInfo[] {
  const known = new Map<Pid, TeamReader>()
  /** What the known teams have heard. */
  let heardSeq = -1
  return ({ all, isOwned }) => {
    // Before the processes: whoever began by then is among them.
    const upTo = reader.lastSeq()
    const roots = new Map<Pid, Pid>()
    const trees = new Map<Pid, { readonly program: string; readonly isOver: boolean; readonly pids: Pid[] }>()
    for (const { start, end } of reader.processes()) {
      const root = start.parent === null ? start.pid : roots.get(start.parent)
      // Of a tree whose first process was removed nothing can be told.
      if (root === undefined) continue
      roots.set(start.pid, root)
      if (start.parent === null) trees.set(root, { program: start.program, isOver: end !== undefined, pids: [] })
      trees.get(root)?.pids.push(start.pid)
    }
    for (const pid of known.keys()) if (!trees.has(pid)) known.delete(pid)
    if (known.size > 0 && upTo > heardSeq)
      for (const event of inOrder(reader.since(heardSeq), upTo)) known.get(roots.get(event.pid) ?? 0)?.hear(event)
    heardSeq = upTo
    return [...trees].flatMap(([pid, { program, isOver, pids }]) => {
      if (isOver && !all) return []
      const team = (known.get(pid) ?? learned(pid, pids, upTo)).team()
      if (team.seats.length < 2) return []
      const seats = team.seats.map((seat): Seat =>
        seat.state === 'running' && !isOwned ? { ...seat, state: 'stopped' } : seat,
      )
      const { lines, waits } = team
      return [{ pid, program, seats, lines, waits, ledgers: stalling(team), most: monopoly(team) ?? null }]
    })
  }

  /** A team that was not looked at before. */
  function learned(root: Pid, pids: readonly Pid[], upTo: number): TeamReader {
    const team = openTeam()
    const events = pids.flatMap((pid) => reader.events(pid))
    for (const event of inOrder(events, upTo)) team.hear(event)
    known.set(root, team)
    return team
  }
}

function inOrder(events: readonly JournalEvent[], upTo: number): readonly JournalEvent[] {
  return events.filter(({ seq }) => seq <= upTo).toSorted((a, b) => a.seq - b.seq)
}

const seatColumns: readonly Column[] = [
  { title: 'SEAT', widthMin: 16 },
  { title: 'WHO', rank: 3 },
  { title: 'STATE', rank: 2 },
  { title: 'MESSAGES', align: 'right', rank: 1 },
  { title: 'TOKENS', align: 'right' },
  { title: 'MODEL TOKENS', align: 'right', rank: 4 },
]

const lineColumns: readonly Column[] = [
  { title: 'FROM', widthMin: 12 },
  { title: 'TO', widthMin: 12 },
  { title: 'HOW', rank: 2 },
  { title: 'MESSAGES', align: 'right', rank: 1 },
  { title: 'TOKENS', align: 'right' },
]

/** The lines of a picture of teams. */
export function teamPicture(teams: readonly TeamInfo[], out: Channel): string[] {
  return teams.flatMap((team, i) => [...(i === 0 ? [] : ['']), ...pictureOf(team, out)])
}

function pictureOf({ pid, program, seats, lines, ledgers, most }: TeamInfo, out: Channel): string[] {
  const width = roomOf(out)
  const wrapped = (line: string): string[] => wrap(line, width).split('\n')
  const bold = (text: string, row: number): string => (row < 0 ? out.paint('bold', text) : text)
  const names = new Map(
    seats.map(({ id, name, kind }) => [id, kind === 'process' ? `${id} ${oneLine(name)}` : oneLine(id)]),
  )
  const nameOf = (id: string): string => names.get(id) ?? id
  const messages = lines.reduce((sum, line) => sum + line.messages, 0)
  const head = `team ${pid} ${oneLine(program)}: ${counted(seats.length, 'seat')}, ${counted(messages, 'message')} heard`
  const depths = depthsOf(seats)
  const max = shownMax(out)
  const [shownSeats, otherSeats] = largestOf(seats, max, ({ parent }) => parent === null)
  const [shownLines, otherLines] = largestOf(lines, max)
  const rows = shownSeats.map(({ id, kind, state, messages, tokens: said, modelTokens }) => [
    `${'  '.repeat(Math.min(8, depths.get(id) ?? 0))}${nameOf(id)}`,
    kind,
    state ?? '-',
    String(messages),
    tokens(said),
    tokens(modelTokens),
  ])
  return [
    ...wrapped(head).map((line) => out.paint('bold', line)),
    ...ledgers.flatMap((one) => wrapped(ledgerLine(one))),
    ...(most === null ? [] : wrapped(mostLine(most, nameOf))),
    ...table(seatColumns, rows, width, bold),
    ...restOf('seat', otherSeats).flatMap(wrapped),
    ...(lines.length === 0
      ? []
      : [
          '',
          ...table(
            lineColumns,
            shownLines.map((line) => rowOf(line, nameOf)),
            width,
            bold,
          ),
          ...restOf('line', otherLines).flatMap(wrapped),
        ]),
  ]
}

/** Seats of a team, and lines between them, that are shown: on a terminal as many as both have room for on its screen. */
function shownMax({ isTerminal, rows }: Channel): number {
  return isTerminal ? Math.max(SHOWN_MIN, Math.floor((rows - AROUND) / 2)) : Infinity
}

/** Rows of a screen that are neither seats nor lines, about. */
const [SHOWN_MIN, AROUND] = [5, 12]

interface Weighed {
  readonly messages: number
  readonly tokens: number
}

/** Those with the most tokens where there are more than `max`, in the order in which they stand, and the others; `isFirst` go before all. */
function largestOf<Row extends Weighed>(
  rows: readonly Row[],
  max: number,
  isFirst: (row: Row) => boolean = () => false,
): readonly [shown: readonly Row[], others: readonly Row[]] {
  if (rows.length <= max) return [rows, []]
  const order = rows.toSorted(
    (a, b) => Number(isFirst(b)) - Number(isFirst(a)) || b.tokens - a.tokens || b.messages - a.messages,
  )
  const shown = new Set(order.slice(0, max))
  return [rows.filter((row) => shown.has(row)), order.slice(max)]
}

/** What is not shown, in a line. */
function restOf(what: 'seat' | 'line', others: readonly Weighed[]): string[] {
  if (others.length === 0) return []
  const sum = (of: (one: Weighed) => number): number => others.reduce((all, one) => all + of(one), 0)
  const said = `${counted(
    sum(({ messages }) => messages),
    'message',
  )}, ${tokens(sum((one) => one.tokens))} tokens`
  return [`and ${counted(others.length, what)} more: ${said}`]
}

function rowOf({ from, to, kind, messages, tokens: said }: Line, nameOf: (id: string) => string): string[] {
  return [nameOf(from), nameOf(to), kind, String(messages), tokens(said)]
}

function ledgerLine({ pid, counts, stalledAt, count, plans, last }: Stalling): string {
  const stands = last.isSatisfied
    ? 'satisfied'
    : `${last.isProgress ? 'progress' : 'no progress'}${last.isInLoop ? ', in a loop' : ''}; next ${oneLine(last.speaker) || 'nobody'}`
  const stalls = stalledAt.length === 0 ? '' : `, stalled at ${stalledAt.join(', ')}`
  return `ledger of ${pid}: step ${counts.length}, ${stands}; ${counted(count, 'stall')}${stalls}; ${counted(plans, 'plan')}`
}

function mostLine({ seat, share, of }: Monopoly, nameOf: (id: string) => string): string {
  return `says most: ${nameOf(seat)}, ${Math.round(100 * share)} % of the tokens of ${of} (even: ${Math.round(100 / of)} %)`
}

/** How far a seat stands below the top. */
function depthsOf(seats: readonly Seat[]): ReadonlyMap<string, number> {
  const parents = new Map(seats.map(({ id, parent }) => [id, parent]))
  const depths = new Map<string, number>()
  const depthOf = (id: string): number => {
    const known = depths.get(id)
    if (known !== undefined) return known
    const parent = parents.get(id) ?? null
    const depth = parent === null ? 0 : depthOf(parent) + 1
    depths.set(id, depth)
    return depth
  }
  for (const { id } of seats) depthOf(id)
  return depths
}
