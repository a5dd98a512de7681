/** A team: who spoke to whom and how much as a graph and as a table, who waits for whom, and how the leader's ledger stands. */
import type { Edge, Node, NodeProps } from '@xyflow/react'
import { Background, Controls, Handle, MarkerType, Position, ReactFlow } from '@xyflow/react'
import '@xyflow/react/dist/base.css'
import { useMemo } from 'react'
import type { Line, Process, Seat, Stalling, TeamView } from '../../../src/client.ts'
import { monopoly, openTeam, stalling } from '../../../src/client.ts'
import { count, usd } from '../format.ts'
import { goTo, runHash } from '../route.ts'
import { useTheme } from '../theme.ts'
import type { RunEvents } from '../trace.ts'
import { Empty, Failure, State, Waiting, useLiveVersion, useSession } from '../ui.tsx'
import { useRunEvents } from './run.tsx'

/** More cannot be told apart on a screen. */
const SEATS_MAX = 200
/** With more lines their numbers cover the graph, and stand in the table alone. */
const LABELS_MAX = 24
const ROWS_MAX = 200
const NODE_WIDTH = 190
const COLUMN = 290
const ROW = 74
/** How far the line between two of one column, a row apart, goes out; and the most. */
const BEND = 34
const BEND_MAX = 300

/** Reads the events of a run as they come; what the page has dropped since stays read. */
function reading(events: RunEvents): () => TeamView {
  let reader = openTeam()
  let heard = 0
  let seen = { all: events.all, dropped: 0 }
  return () => {
    const { all, dropped } = events
    // A list that was begun anew, and not because its beginning was dropped, is a journal that was read anew.
    if (all !== seen.all && dropped <= seen.dropped) {
      reader = openTeam()
      heard = 0
    }
    seen = { all, dropped }
    for (const event of all.slice(Math.max(0, heard - dropped))) reader.hear(event as Parameters<typeof reader.hear>[0])
    heard = dropped + all.length
    return reader.team()
  }
}

type SeatNode = Node<
  { readonly process: Process | undefined; readonly seat: Seat; readonly isHere: boolean; readonly asks: boolean },
  'seat'
>

export default function Team({ process, events }: { readonly process: Process; readonly events: RunEvents }) {
  const { live } = useSession()
  const { isDark } = useTheme()
  const version = useRunEvents(events)
  const liveVersion = useLiveVersion()
  const read = useMemo(() => reading(events), [events])
  const team = useMemo(read, [read, version])
  const seats = useMemo(() => team.seats.slice(0, SEATS_MAX), [team])
  const places = useMemo(() => placesOf(seats), [seats])
  const nodes = useMemo<SeatNode[]>(
    () =>
      seats.map((seat) => {
        const row = seat.kind === 'process' ? live.rows.get(seat.pid) : undefined
        return {
          id: seat.id,
          type: 'seat',
          position: places.get(seat.id) ?? { x: 0, y: 0 },
          initialWidth: NODE_WIDTH,
          initialHeight: 52,
          draggable: false,
          ariaLabel: `${seat.name} of ${seat.pid}, ${seat.state ?? seat.kind}`,
          data: { process: row?.process, seat, isHere: seat.id === String(process.pid), asks: row?.asks === true },
        }
      }),
    [seats, places, liveVersion, live, process.pid],
  )
  const edges = useMemo(() => edgesOf(team, places), [team, places])
  if (events.error !== undefined && events.all.length === 0) return <Failure error={events.error} />
  if (events.all.length === 0) return <Waiting what="the team" />
  if (seats.length < 2)
    return (
      <Empty title="This run has no team">
        <p>Its process is alone: it has begun no other, had no mail, and speaks for no members.</p>
      </Empty>
    )
  return (
    <div className="team">
      <p className="legend">
        <span className="stroke spawn" /> began <span className="stroke wait" /> waits for{' '}
        <span className="stroke mail" /> spoke to (messages · tokens)
        <span className="muted">
          {' '}
          {team.seats.length} seats
          {team.seats.length > SEATS_MAX && `, the first ${SEATS_MAX}`}
          {events.dropped > 0 && '; the beginning of the journal is not in this page'}
        </span>
      </p>
      <div className="graph">
        <ReactFlow
          nodes={nodes}
          edges={edges}
          nodeTypes={nodeTypes}
          colorMode={isDark ? 'dark' : 'light'}
          fitView
          fitViewOptions={{ padding: 0.12, maxZoom: 1 }}
          minZoom={0.1}
          nodesConnectable={false}
          elementsSelectable
          onNodeDoubleClick={(_, { data }) => goTo(runHash(data.seat.pid))}
          proOptions={{ hideAttribution: true }}
        >
          <Background gap={24} size={1} />
          <Controls showInteractive={false} />
        </ReactFlow>
      </div>
      <Talk team={team} />
    </div>
  )
}

function Box({ data: { process, seat, isHere, asks } }: NodeProps<SeatNode>) {
  const state = process?.state ?? seat.state
  const spent = process === undefined ? seat.modelTokens : process.usage.inputTokens + process.usage.outputTokens
  return (
    <div className={`member ${seat.kind}${isHere ? ' here' : ''}`}>
      <Handle id="born" type="target" position={Position.Left} isConnectable={false} />
      <Handle id="in" type="target" position={Position.Left} isConnectable={false} style={{ top: '28%' }} />
      <Handle id="back" type="source" position={Position.Left} isConnectable={false} style={{ top: '72%' }} />
      <div>
        {seat.kind === 'process' && (
          <>
            <a href={runHash(seat.pid)} className="number">
              {seat.pid}
            </a>{' '}
          </>
        )}
        <b>{seat.name}</b>
      </div>
      <div className="small">
        {state === null ? (
          <span className="muted">{seat.kind}</span>
        ) : (
          <State state={state} asks={asks && state === 'running'} />
        )}
        <span className="muted">
          {' '}
          {spent > 0 && count(spent)}
          {process !== undefined && process.usage.usd > 0 && ` · ${usd(process.usage.usd)}`}
        </span>
      </div>
      <Handle id="bears" type="source" position={Position.Right} isConnectable={false} />
      <Handle id="out" type="source" position={Position.Right} isConnectable={false} style={{ top: '28%' }} />
      <Handle id="home" type="target" position={Position.Right} isConnectable={false} style={{ top: '72%' }} />
    </div>
  )
}

const nodeTypes = { seat: Box }

/** What the graph shows, to be read and counted. */
function Talk({ team }: { readonly team: TeamView }) {
  const names = namesOf(team.seats)
  const most = monopoly(team)
  const rows = team.lines.toSorted((a, b) => b.tokens - a.tokens)
  return (
    <div className="talk">
      {stalling(team).map((one) => (
        <Ledger key={one.pid} ledger={one} name={names.get(String(one.pid)) ?? String(one.pid)} />
      ))}
      {most !== undefined && (
        <p>
          <b>{names.get(most.seat)}</b> says most: {Math.round(100 * most.share)} % of the tokens of {most.of}{' '}
          <span className="muted">(even: {Math.round(100 / most.of)} %)</span>
        </p>
      )}
      <table aria-label="Who spoke to whom">
        <thead>
          <tr>
            <th>From</th>
            <th>To</th>
            <th>How</th>
            <th className="number">Messages</th>
            <th className="number">Tokens</th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, ROWS_MAX).map(({ from, to, kind, messages, tokens }) => (
            <tr key={`${from}\0${to}\0${kind}`}>
              <td>{names.get(from) ?? from}</td>
              <td>{names.get(to) ?? to}</td>
              <td className="muted">{kind}</td>
              <td className="number">{messages}</td>
              <td className="number">{count(tokens)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > ROWS_MAX && <p className="muted">and {rows.length - ROWS_MAX} lines with less</p>}
    </div>
  )
}

function Ledger({ ledger, name }: { readonly ledger: Stalling; readonly name: string }) {
  const { counts, count: stalls, stalledAt, plans, last } = ledger
  const how = last.isSatisfied
    ? 'satisfied'
    : last.isInLoop
      ? 'in a loop'
      : last.isProgress
        ? 'progress'
        : 'no progress'
  return (
    <p className="ledger">
      Ledger of <b>{name}</b>, step {counts.length}:{' '}
      <span className={last.isSatisfied || last.isProgress ? '' : 'bad'}>{how}</span>
      {!last.isSatisfied && last.speaker !== '' && (
        <>
          ; next <b>{last.speaker}</b>: {last.instruction}
        </>
      )}
      <span className="muted">
        {' '}
        {stalls} {stalls === 1 ? 'stall' : 'stalls'}
        {stalledAt.length > 0 && `, stalled at ${stalledAt.join(', ')}`}, {plans} {plans === 1 ? 'plan' : 'plans'}
      </span>
    </p>
  )
}

/** Of members of one name, with the process that speaks for them. */
function namesOf(seats: readonly Seat[]): ReadonlyMap<string, string> {
  const many = Map.groupBy(seats, ({ name }) => name)
  return new Map(
    seats.map(({ id, pid, kind, name }) => {
      const isOne = kind === 'outside' || many.get(name)?.length === 1
      return [id, kind === 'process' ? `${id} ${name}` : isOne ? name : `${name} (${pid})`]
    }),
  )
}

type Places = ReadonlyMap<string, { readonly x: number; readonly y: number }>

/** A column for each generation; whoever has others below stands in the middle of them. */
function placesOf(seats: readonly Seat[]): Places {
  const known = new Set(seats.map(({ id }) => id))
  const below = Map.groupBy(seats, ({ parent }) => (parent !== null && known.has(parent) ? parent : ''))
  const places = new Map<string, { x: number; y: number }>()
  let line = 0
  const place = ({ id }: Seat, depth: number): number => {
    const ys = (below.get(id) ?? []).map((seat) => place(seat, depth + 1))
    const y = ys.length === 0 ? line++ * ROW : ((ys[0] as number) + (ys.at(-1) as number)) / 2
    places.set(id, { x: depth * COLUMN, y })
    return y
  }
  for (const seat of below.get('') ?? []) place(seat, 0)
  return places
}

function edgesOf({ seats, lines, waits }: TeamView, places: Places): Edge[] {
  const edges: Edge[] = []
  const isDrawn = ({ from, to }: { from: string; to: string }): boolean =>
    from !== to && places.has(from) && places.has(to)
  const marker = (color: string) => ({ type: MarkerType.ArrowClosed, width: 16, height: 16, color: `var(${color})` })
  for (const { id, parent } of seats)
    if (parent !== null && isDrawn({ from: parent, to: id }))
      edges.push({
        id: `s ${parent} ${id}`,
        source: parent,
        target: id,
        className: 'spawn',
        sourceHandle: 'bears',
        targetHandle: 'born',
        type: 'smoothstep',
      })
  for (const { from, to } of waits)
    if (isDrawn({ from, to }))
      edges.push({
        id: `w ${from} ${to}`,
        source: from,
        target: to,
        className: 'wait',
        markerEnd: marker('--muted'),
        ...sidesOf(from, to, places),
      })
  const pairs = pairsOf(lines.filter(isDrawn), places)
  for (const { from, to, there, back, messages, tokens } of pairs)
    edges.push({
      id: `m ${from} ${to}`,
      source: from,
      target: to,
      className: 'mail',
      ...(pairs.length <= LABELS_MAX ? { label: `${messages} · ${count(tokens)}` } : {}),
      ...(there ? { markerEnd: marker('--accent') } : {}),
      ...(back ? { markerStart: marker('--accent') } : {}),
      ...sidesOf(from, to, places),
      ...bendOf(from, to, places),
    })
  return edges
}

/** What two seats said to each other, as one line from the left to the right or down. */
interface Pair {
  readonly from: string
  readonly to: string
  /** Whether the first spoke to the second, and the second to the first. */
  there: boolean
  back: boolean
  messages: number
  tokens: number
}

/** Mail and words; tasks and answers go along the lines of who began whom. */
function pairsOf(lines: readonly Line[], places: Places): readonly Pair[] {
  const pairs = new Map<string, Pair>()
  for (const { from, to, kind, messages, tokens } of lines) {
    if (kind !== 'mail' && kind !== 'said') continue
    const isThere = isBefore(from, to, places)
    const [first, second] = isThere ? [from, to] : [to, from]
    const key = `${first}\0${second}`
    const pair = pairs.get(key) ?? { from: first, to: second, there: false, back: false, messages: 0, tokens: 0 }
    pair.there ||= isThere
    pair.back ||= !isThere
    pair.messages += messages
    pair.tokens += tokens
    pairs.set(key, pair)
  }
  return [...pairs.values()]
}

/** Whether a seat stands to the left of another, or above it. */
function isBefore(from: string, to: string, places: Places): boolean {
  const [a, b] = [places.get(from), places.get(to)]
  return a !== undefined && b !== undefined && (a.x === b.x ? a.y < b.y : a.x < b.x)
}

/** In a column a line goes around those between, the further the more there are. */
function bendOf(from: string, to: string, places: Places): Partial<Edge> {
  const [a, b] = [places.get(from), places.get(to)]
  if (a === undefined || b === undefined || a.x !== b.x) return {}
  const offset = Math.min(BEND_MAX, (Math.abs(a.y - b.y) / ROW) * BEND)
  return { type: 'smoothstep', pathOptions: { offset, borderRadius: 12 } } as Partial<Edge>
}

/** To the right where it goes down the tree, to the left where it goes up; among equals down on the right and up on the left. */
function sidesOf(from: string, to: string, places: Places): Pick<Edge, 'sourceHandle' | 'targetHandle'> {
  const isOut = isBefore(from, to, places)
  const isLevel = places.get(from)?.x === places.get(to)?.x
  return { sourceHandle: isOut ? 'out' : 'back', targetHandle: isLevel === isOut ? 'home' : 'in' }
}
