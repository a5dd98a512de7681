/**
 * The teams of a store, for `polity top --team`: who spoke to whom, how much, and how the leader's ledger stands.
 *
 *     const look = teamsOf(reader)
 *     look({ all: false, isOwned: true })          // looks again each time; what has ended is read once
 *
 * A team is a process tree with more than one seat: see src/evaluation/team.ts.
 */
import type { StoreReader } from '../../drivers/store/sqlite-reader.ts'
import type { Line, Seat, Team } from '../../evaluation/team.ts'
import { teamOf } from '../../evaluation/team.ts'
import type { Monopoly, Stalling } from '../../evaluation/team-measures.ts'
import { monopoly, stalling } from '../../evaluation/team-measures.ts'
import type { JournalEvent, Pid } from '../../kernel/types.ts'
import { counted, tokens } from '../amounts.ts'
import { table, type Column } from '../table.ts'
import type { Channel } from '../terminal.ts'
import { oneLine } from '../terminal.ts'

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

/** Looks through a store for its teams, by their first process. */
export function teamsOf(reader: StoreReader): (choice: TeamChoice) => readonly TeamInfo[] {
  const ended = new Map<Pid, readonly JournalEvent[]>()
  return ({ all, isOwned }) => {
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
    return [...trees].flatMap(([pid, { program, isOver, pids }]) => {
      if (isOver && !all) return []
      const team = teamOf(pids.flatMap(eventsOf).toSorted((a, b) => a.seq - b.seq))
      if (team.seats.length < 2) return []
      const seats = team.seats.map((seat): Seat =>
        seat.state === 'running' && !isOwned ? { ...seat, state: 'stopped' } : seat,
      )
      const { lines, waits } = team
      return [{ pid, program, seats, lines, waits, ledgers: stalling(team), most: monopoly(team) ?? null }]
    })
  }

  function eventsOf(pid: Pid): readonly JournalEvent[] {
    const known = ended.get(pid)
    if (known !== undefined) return known
    const events = reader.events(pid)
    if (events.at(-1)?.type === 'process-end') ended.set(pid, events)
    return events
  }
}

const seatColumns: readonly Column[] = [
  { title: 'SEAT', widthMin: 16 },
  { title: 'WHO' },
  { title: 'STATE' },
  { title: 'MESSAGES', align: 'right' },
  { title: 'TOKENS', align: 'right' },
  { title: 'MODEL TOKENS', align: 'right', rank: 1 },
]

const lineColumns: readonly Column[] = [
  { title: 'FROM', widthMin: 12 },
  { title: 'TO', widthMin: 12 },
  { title: 'HOW' },
  { title: 'MESSAGES', align: 'right' },
  { title: 'TOKENS', align: 'right' },
]

/** The lines of a picture of teams. */
export function teamPicture(teams: readonly TeamInfo[], out: Channel): string[] {
  return teams.flatMap((team, i) => [...(i === 0 ? [] : ['']), ...pictureOf(team, out)])
}

function pictureOf({ pid, program, seats, lines, ledgers, most }: TeamInfo, out: Channel): string[] {
  const width = out.isTerminal ? out.columns : Infinity
  const bold = (text: string, row: number): string => (row < 0 ? out.paint('bold', text) : text)
  const names = new Map(
    seats.map(({ id, name, kind }) => [id, kind === 'process' ? `${id} ${oneLine(name)}` : oneLine(id)]),
  )
  const nameOf = (id: string): string => names.get(id) ?? id
  const messages = lines.reduce((sum, line) => sum + line.messages, 0)
  const head = `team ${pid} ${oneLine(program)}: ${counted(seats.length, 'seat')}, ${counted(messages, 'message')} heard`
  const depths = depthsOf(seats)
  const rows = seats.map(({ id, kind, state, messages, tokens: said, modelTokens }) => [
    `${'  '.repeat(Math.min(8, depths.get(id) ?? 0))}${nameOf(id)}`,
    kind,
    state ?? '-',
    String(messages),
    tokens(said),
    tokens(modelTokens),
  ])
  return [
    out.paint('bold', head),
    ...ledgers.map((one) => ledgerLine(one)),
    ...(most === null ? [] : [mostLine(most, nameOf)]),
    ...table(seatColumns, rows, width, bold),
    ...(lines.length === 0
      ? []
      : [
          '',
          ...table(
            lineColumns,
            lines.map((line) => rowOf(line, nameOf)),
            width,
            bold,
          ),
        ]),
  ]
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
