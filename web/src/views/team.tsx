/** A team as a graph: its processes, who began whom, who waits for whom, and the mail between them. */
import type { Edge, Node, NodeProps } from '@xyflow/react'
import { Background, Controls, Handle, MarkerType, Position, ReactFlow } from '@xyflow/react'
import '@xyflow/react/dist/base.css'
import { useMemo } from 'react'
import type { Process, ProcessState } from '../../../src/client.ts'
import { count, usd } from '../format.ts'
import { goTo, runHash } from '../route.ts'
import { useTheme } from '../theme.ts'
import type { RunEvents } from '../trace.ts'
import { Failure, State, Waiting, useLiveVersion, useSession } from '../ui.tsx'
import { useRunEvents } from './run.tsx'

/** More cannot be told apart on a screen. */
const NODES_MAX = 200
const NODE_WIDTH = 190
const COLUMN = 270
const ROW = 74

interface Member {
  readonly pid: number
  readonly parent: number | null
  readonly program: string
  readonly name: string | null
  state: ProcessState
  children: number[]
}

interface Drawn {
  readonly members: ReadonlyMap<number, Member>
  readonly mail: ReadonlyMap<string, number>
  /** By waiting and awaited; true while it lasts. */
  readonly waits: ReadonlyMap<string, boolean>
  readonly isCut: boolean
}

function drawnOf(events: RunEvents): Drawn {
  const members = new Map<number, Member>()
  const mail = new Map<string, number>()
  const waits = new Map<string, boolean>()
  const open = new Map<string, string>()
  let isCut = false
  for (const event of events.all) {
    switch (event.type) {
      case 'process-start': {
        if (members.size >= NODES_MAX) {
          isCut = true
          break
        }
        const { pid, parent, program, name } = event
        members.set(pid, { pid, parent, program, name, state: 'running', children: [] })
        if (parent !== null) members.get(parent)?.children.push(pid)
        break
      }
      case 'mail-sent': {
        const key = `${event.mail.from} ${event.pid}`
        mail.set(key, (mail.get(key) ?? 0) + 1)
        break
      }
      case 'call-start': {
        const { pid } = (event.args ?? {}) as { readonly pid?: unknown }
        if (event.call !== 'wait' || typeof pid !== 'number') break
        const key = `${event.pid} ${pid}`
        open.set(`${event.pid}.${event.n}`, key)
        waits.set(key, true)
        break
      }
      case 'call-end': {
        const key = open.get(`${event.pid}.${event.n}`)
        if (key !== undefined) waits.set(key, false)
        break
      }
      case 'process-end': {
        const member = members.get(event.pid)
        if (member !== undefined) member.state = event.state
        break
      }
      default:
    }
  }
  return { members, mail, waits, isCut }
}

type MemberNode = Node<
  { readonly process: Process | undefined; readonly member: Member; readonly isHere: boolean; readonly asks: boolean },
  'member'
>

export default function Team({ process, events }: { readonly process: Process; readonly events: RunEvents }) {
  const { live } = useSession()
  const { isDark } = useTheme()
  const version = useRunEvents(events)
  const liveVersion = useLiveVersion()
  const drawn = useMemo(() => drawnOf(events), [events, version])
  const places = useMemo(() => placesOf(drawn.members, process.pid), [drawn, process.pid])
  const nodes = useMemo<MemberNode[]>(
    () =>
      [...drawn.members.values()].map((member) => {
        const row = live.rows.get(member.pid)
        return {
          id: String(member.pid),
          type: 'member',
          position: places.get(member.pid) ?? { x: 0, y: 0 },
          initialWidth: NODE_WIDTH,
          initialHeight: 52,
          draggable: false,
          ariaLabel: `${member.pid} ${member.program} ${member.state}`,
          data: { process: row?.process, member, isHere: member.pid === process.pid, asks: row?.asks === true },
        }
      }),
    [drawn, places, liveVersion, live, process.pid],
  )
  const edges = useMemo(() => edgesOf(drawn), [drawn])
  if (events.error !== undefined && events.all.length === 0) return <Failure error={events.error} />
  if (nodes.length === 0) return <Waiting what="the team" />
  return (
    <div className="team">
      <p className="legend">
        <span className="stroke spawn" /> began <span className="stroke wait" /> waits for{' '}
        <span className="stroke mail" /> mail
        <span className="muted">
          {' '}
          {nodes.length} {nodes.length === 1 ? 'process: it has no team' : 'processes'}
          {drawn.isCut && `, the first ${NODES_MAX}`}
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
          onNodeDoubleClick={(_, { id }) => goTo(runHash(Number(id)))}
          proOptions={{ hideAttribution: true }}
        >
          <Background gap={24} size={1} />
          <Controls showInteractive={false} />
        </ReactFlow>
      </div>
    </div>
  )
}

function Box({ data: { process, member, isHere, asks } }: NodeProps<MemberNode>) {
  const state = process?.state ?? member.state
  return (
    <div className={`member ${state}${isHere ? ' here' : ''}`}>
      <Handle id="born" type="target" position={Position.Left} isConnectable={false} />
      <Handle id="in" type="target" position={Position.Left} isConnectable={false} style={{ top: '28%' }} />
      <Handle id="back" type="source" position={Position.Left} isConnectable={false} style={{ top: '72%' }} />
      <div>
        <a href={runHash(member.pid)} className="number">
          {member.pid}
        </a>{' '}
        <b>{member.name ?? member.program}</b>
      </div>
      <div className="small">
        <State state={state} asks={asks && state === 'running'} />
        {process !== undefined && (
          <span className="muted">
            {' '}
            {count(process.usage.inputTokens + process.usage.outputTokens)} · {usd(process.usage.usd)}
          </span>
        )}
      </div>
      <Handle id="bears" type="source" position={Position.Right} isConnectable={false} />
      <Handle id="out" type="source" position={Position.Right} isConnectable={false} style={{ top: '28%' }} />
      <Handle id="home" type="target" position={Position.Right} isConnectable={false} style={{ top: '72%' }} />
    </div>
  )
}

const nodeTypes = { member: Box }

/** A column for each generation; a parent stands in the middle of its children. */
function placesOf(members: ReadonlyMap<number, Member>, first: number): ReadonlyMap<number, { x: number; y: number }> {
  const places = new Map<number, { x: number; y: number }>()
  let line = 0
  const place = (pid: number, depth: number): number => {
    const { children = [] } = members.get(pid) ?? {}
    const ys = children.filter((child) => members.has(child)).map((child) => place(child, depth + 1))
    const y = ys.length === 0 ? line++ * ROW : ((ys[0] as number) + (ys.at(-1) as number)) / 2
    places.set(pid, { x: depth * COLUMN, y })
    return y
  }
  place(first, 0)
  for (const { pid, parent } of members.values())
    if (!places.has(pid) && (parent === null || !members.has(parent))) place(pid, 0)
  return places
}

function edgesOf({ members, mail, waits }: Drawn): Edge[] {
  const edges: Edge[] = []
  // To the right where it goes down the tree, to the left where it goes up.
  const handles = (from: number, to: number): Pick<Edge, 'sourceHandle' | 'targetHandle'> =>
    from < to ? { sourceHandle: 'out', targetHandle: 'in' } : { sourceHandle: 'back', targetHandle: 'home' }
  const marker = (color: string) => ({ type: MarkerType.ArrowClosed, width: 16, height: 16, color: `var(${color})` })
  for (const { pid, parent } of members.values())
    if (parent !== null && members.has(parent))
      edges.push({
        id: `s ${parent} ${pid}`,
        source: String(parent),
        target: String(pid),
        className: 'spawn',
        sourceHandle: 'bears',
        targetHandle: 'born',
        type: 'smoothstep',
      })
  for (const [key, isOpen] of waits) {
    const [from, to] = key.split(' ') as [string, string]
    if (isOpen && members.has(Number(from)) && members.has(Number(to)))
      edges.push({
        id: `w ${key}`,
        source: from,
        target: to,
        className: 'wait',
        markerEnd: marker('--muted'),
        ...handles(Number(from), Number(to)),
      })
  }
  for (const [key, n] of mail) {
    const [from, to] = key.split(' ') as [string, string]
    if (members.has(Number(from)) && members.has(Number(to)))
      edges.push({
        id: `m ${key}`,
        source: from,
        target: to,
        className: 'mail',
        ...(n > 1 ? { label: String(n) } : {}),
        markerEnd: marker('--accent'),
        ...handles(Number(from), Number(to)),
      })
  }
  return edges
}
