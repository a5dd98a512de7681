/** All processes, as a table or as a tree. */
import { memo, useMemo, useState } from 'react'
import type { Process, ProcessState } from '../../../src/client.ts'
import { age, count, duration, usd } from '../format.ts'
import { useKeys } from '../keys.ts'
import { List } from '../list.tsx'
import type { Row } from '../live.ts'
import { RefusedWaits } from '../refusal.tsx'
import { goTo, runHash } from '../route.ts'
import { Search, wordsIn } from '../search.tsx'
import {
  Empty,
  Failure,
  State,
  Waiting,
  useLiveVersion,
  useOrderVersion,
  useSession,
  useSessionState,
  useTick,
} from '../ui.tsx'

type Column = 'pid' | 'program' | 'state' | 'principal' | 'waiting' | 'core' | 'calls' | 'tokens' | 'usd' | 'age'

const columns: readonly { readonly id: Column; readonly title: string; readonly isNumber?: true }[] = [
  { id: 'pid', title: 'Pid', isNumber: true },
  { id: 'program', title: 'Program' },
  { id: 'state', title: 'State' },
  { id: 'principal', title: 'Principal' },
  { id: 'waiting', title: 'Doing' },
  { id: 'core', title: 'Core' },
  { id: 'calls', title: 'Calls', isNumber: true },
  { id: 'tokens', title: 'Tokens', isNumber: true },
  { id: 'usd', title: 'Money', isNumber: true },
  { id: 'age', title: 'Age', isNumber: true },
]

const filters = ['all', 'running', 'asks', 'stopped', 'done', 'failed', 'killed'] as const
type Filter = (typeof filters)[number]

/** Kept while the page is open, so that who comes back finds what they left. */
const kept: {
  query: string
  filter: Filter
  sort: Column
  isDown: boolean
  isTree: boolean
  folded: ReadonlySet<number>
  chosen: number | undefined
} = { query: '', filter: 'all', sort: 'state', isDown: false, isTree: false, folded: new Set(), chosen: undefined }

interface Line {
  readonly row: Row
  readonly depth: number
  readonly children: number
}

export function Processes() {
  const { live } = useSession()
  const { isLoaded, isCut, older, line } = useSessionState()
  const [view, setView] = useState(kept)
  const change = (part: Partial<typeof kept>): void =>
    setView((before) => Object.assign(kept, { ...before, ...part }) && { ...kept })
  const { query, filter, sort, isDown, isTree, folded, chosen } = view
  const order = useOrderVersion()

  const { counts, lines } = useMemo(() => {
    const words = wordsIn(query)
    const sums: { [Name in Filter]: number } = {
      all: 0,
      running: 0,
      asks: 0,
      stopped: 0,
      done: 0,
      failed: 0,
      killed: 0,
    }
    const found: Row[] = []
    for (const row of live.rows.values()) {
      const { state } = row.process
      sums.all++
      sums[state]++
      if (row.asks) sums.asks++
      if (filter !== 'all' && (filter === 'asks' ? !row.asks : state !== filter)) continue
      if (!words.every((word) => isIn(row, word))) continue
      found.push(row)
    }
    return { counts: sums, lines: isTree ? treeOf(found, live.rows, folded) : sorted(found, sort, isDown) }
  }, [order, query, filter, sort, isDown, isTree, folded, live])

  const index = useMemo(() => lines.findIndex(({ row }) => row.process.pid === chosen), [lines, chosen])

  function fold(line: Line | undefined, isFolded: boolean): void {
    if (line === undefined || !isTree) return
    const { pid, parent } = line.row.process
    if (isFolded && (line.children === 0 || folded.has(pid)))
      return void (parent !== null && change({ chosen: parent }))
    const next = new Set(folded)
    if (isFolded) next.add(pid)
    else next.delete(pid)
    change({ folded: next })
  }

  useKeys({
    t: () => change({ isTree: !isTree }),
    h: () => fold(lines[index], true),
    l: () => fold(lines[index], false),
    ArrowLeft: () => fold(lines[index], true),
    ArrowRight: () => fold(lines[index], false),
    Escape: () => change({ query: '', filter: 'all' }),
  })

  const sortBy = (column: Column): void =>
    change({ isTree: false, sort: column, isDown: column === sort && !isTree ? !isDown : isNumeric(column) })

  return (
    <section className="fill">
      <div className="tools">
        <Search
          of="processes"
          value={query}
          onChange={(text) => change({ query: text })}
          onEnter={lines.length === 0 ? undefined : () => change({ chosen: lines[0]?.row.process.pid })}
        />
        <div className="chips" role="group" aria-label="State">
          {filters.map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={filter === one}
              onClick={() => change({ filter: one })}
              className={counts[one] === 0 ? 'none' : ''}
            >
              {one === 'asks' ? 'asks you' : one} <b>{counts[one]}</b>
            </button>
          ))}
        </div>
        <div className="chips end" role="group" aria-label="Shape">
          <button type="button" aria-pressed={!isTree} onClick={() => change({ isTree: false })}>
            Table
          </button>
          <button type="button" aria-pressed={isTree} onClick={() => change({ isTree: true })}>
            Tree
          </button>
        </div>
      </div>
      <RefusedWaits />
      {isCut && (
        <p className="hint">
          There are more processes than are shown here; narrow the list on the server with the API.
        </p>
      )}
      {lines.length === 0 ? (
        line === 'refused' ? (
          <Empty title="This key shows no runs">
            <p>
              Ask the owner of the server for one with the scope runs; then forget this one, at the top, and give the
              other.
            </p>
          </Empty>
        ) : !isLoaded ? (
          <Waiting what="the processes" />
        ) : live.rows.size === 0 ? (
          <Empty title="Nothing runs yet">
            <p>Start a program, and it appears here at once:</p>
            <pre>{`curl -X POST ${location.origin}/api/v1/processes \\\n  -H 'content-type: application/json' -d '{"program": "…", "input": "…"}'`}</pre>
            <p>
              Or point an agent at this server: <code>OPENAI_BASE_URL={location.origin}/v1</code>
            </p>
          </Empty>
        ) : (
          <Empty title="No process is like that">
            <button type="button" onClick={() => change({ query: '', filter: 'all' })}>
              Show all {counts.all}
            </button>
          </Empty>
        )
      ) : (
        <Lines
          lines={lines}
          index={index}
          isTree={isTree}
          folded={folded}
          sort={sort}
          isDown={isDown}
          sortBy={sortBy}
          choose={(pid) => change({ chosen: pid })}
          fold={fold}
        />
      )}
      {isLoaded && live.rows.size > 0 && older !== 'none' && <Older isReading={older === 'reading'} />}
    </section>
  )
}

/** What ended earlier is read when somebody asks for it. */
function Older({ isReading }: { readonly isReading: boolean }) {
  const session = useSession()
  const [error, setError] = useState<Error>()
  const read = (): void => {
    setError(undefined)
    session.readOlder().catch(setError)
  }
  if (error !== undefined) return <Failure error={error} again={read} />
  return (
    <p className="foot">
      <span className="muted">The journal has runs that ended earlier.</span>{' '}
      <button type="button" disabled={isReading} onClick={read}>
        Read older runs
      </button>
    </p>
  )
}

/** The part that is drawn with each frame. */
function Lines({
  lines,
  index,
  isTree,
  folded,
  sort,
  isDown,
  sortBy,
  choose,
  fold,
}: {
  readonly lines: readonly Line[]
  readonly index: number
  readonly isTree: boolean
  readonly folded: ReadonlySet<number>
  readonly sort: Column
  readonly isDown: boolean
  readonly sortBy: (column: Column) => void
  readonly choose: (pid: number | undefined) => void
  readonly fold: (line: Line, isFolded: boolean) => void
}) {
  const { live } = useSession()
  useLiveVersion()
  useTick(1_000)
  const now = live.now()
  return (
    <List
      id="process"
      className="processes"
      role={isTree ? 'treegrid' : 'grid'}
      label="Processes"
      count={lines.length}
      rowHeight={28}
      chosen={index}
      onChoose={(i) => choose(lines[i]?.row.process.pid)}
      onOpen={(i) => goTo(runHash(lines[i]?.row.process.pid as number))}
      head={
        <div className="head line-row" role="row" aria-rowindex={1}>
          {columns.map(({ id, title, isNumber }) => (
            <div
              key={id}
              role="columnheader"
              className={`c-${id}${isNumber === true ? ' number' : ''}`}
              aria-sort={!isTree && sort === id ? (isDown ? 'descending' : 'ascending') : 'none'}
            >
              <button type="button" onClick={() => sortBy(id)}>
                {title}
                {!isTree && sort === id && <span aria-hidden="true">{isDown ? ' ↓' : ' ↑'}</span>}
              </button>
            </div>
          ))}
        </div>
      }
      row={(i) => {
        const line = lines[i] as Line
        const { pid } = line.row.process
        return (
          <ProcessLine
            key={pid}
            line={line}
            index={i}
            revision={line.row.revision}
            isChosen={i === index}
            isTree={isTree}
            isFolded={folded.has(pid)}
            age={ageOf(line.row.process, now)}
            choose={choose}
            fold={fold}
          />
        )
      }}
    />
  )
}

interface ProcessLineProps {
  readonly line: Line
  readonly index: number
  readonly revision: number
  readonly isChosen: boolean
  readonly isTree: boolean
  readonly isFolded: boolean
  readonly age: string
  readonly choose: (pid: number) => void
  readonly fold: (line: Line, isFolded: boolean) => void
}

/** Drawn again where its process changed and not with the others. */
const ProcessLine = memo(
  ({ line, index, isChosen, isTree, isFolded, age, choose, fold }: ProcessLineProps) => {
    const { row, depth, children } = line
    const { pid, program, name, principal, state, waiting, core, queued, usage, error, forkOf } = row.process
    const doing = error !== null ? error.code : (waiting ?? '')
    return (
      <div
        id={`process-${index}`}
        role="row"
        className={`line-row ${state}`}
        aria-rowindex={index + 2}
        aria-selected={isChosen}
        {...(isTree ? { 'aria-level': depth + 1, ...(children > 0 ? { 'aria-expanded': !isFolded } : {}) } : {})}
        onClick={() => choose(pid)}
        onDoubleClick={() => goTo(runHash(pid))}
      >
        <div role="gridcell" className="c-pid number">
          <a href={runHash(pid)} tabIndex={-1}>
            {pid}
          </a>
        </div>
        <div
          role="gridcell"
          className="c-program"
          title={program}
          style={isTree ? { paddingInlineStart: depth * 16 } : undefined}
        >
          {isTree && (
            <button
              type="button"
              className="twist"
              tabIndex={-1}
              aria-label={isFolded ? 'Unfold' : 'Fold'}
              style={{ visibility: children > 0 ? 'visible' : 'hidden' }}
              onClick={() => fold(line, !isFolded)}
            >
              {isFolded ? '▸' : '▾'}
            </button>
          )}
          <span className="name">{program}</span>
          {name !== null && name !== program && <span className="muted"> ({name})</span>}
          {forkOf !== null && <span className="muted"> fork of {forkOf}</span>}
        </div>
        <div role="gridcell" className="c-state">
          <State state={state} asks={row.asks && state === 'running'} />
        </div>
        <div role="gridcell" className="c-principal">
          {principal}
        </div>
        <div role="gridcell" className={`c-waiting${error === null ? '' : ' bad'}`} title={error?.message ?? doing}>
          {doing}
        </div>
        <div role="gridcell" className="c-core">
          {core !== null && (queued ? <span className="muted">queue for {core}</span> : core)}
        </div>
        <div role="gridcell" className="c-calls number">
          {count(usage.calls)}
        </div>
        <div role="gridcell" className="c-tokens number">
          {count(usage.inputTokens + usage.outputTokens)}
        </div>
        <div role="gridcell" className="c-usd number">
          {usd(usage.usd)}
        </div>
        <div role="gridcell" className="c-age number">
          {age}
        </div>
      </div>
    )
  },
  (a, b) =>
    a.revision === b.revision &&
    a.age === b.age &&
    a.line.row === b.line.row &&
    a.line.depth === b.line.depth &&
    a.line.children === b.line.children &&
    a.index === b.index &&
    a.isChosen === b.isChosen &&
    a.isTree === b.isTree &&
    a.isFolded === b.isFolded,
)

/** How long it runs, or ran. */
function ageOf({ startedAt, endedAt }: Process, now: number): string {
  return endedAt === null ? age(now - startedAt) : duration(endedAt - startedAt)
}

function isIn({ words, process, asks }: Row, word: string): boolean {
  return (
    words.includes(word) ||
    process.state.startsWith(word) ||
    (process.waiting !== null && process.waiting.toLowerCase().includes(word)) ||
    (process.core !== null && process.core.toLowerCase().includes(word)) ||
    (process.error !== null && process.error.code.toLowerCase().includes(word)) ||
    (asks && 'asks'.startsWith(word))
  )
}

function isNumeric(column: Column): boolean {
  return columns.some(({ id, isNumber }) => id === column && isNumber === true)
}

/** Who waits for a person first, then who lives; the ended ones together, by age. */
const stateOrder: { readonly [State in ProcessState]: number } = {
  running: 1,
  stopped: 2,
  failed: 3,
  killed: 3,
  done: 3,
}

function keyOf({ process, asks }: Row, column: Column): string | number {
  switch (column) {
    case 'pid':
      return process.pid
    case 'program':
      return `${process.program} ${process.name ?? ''}`
    case 'state':
      return asks ? 0 : stateOrder[process.state]
    case 'principal':
      return process.principal
    case 'waiting':
      return process.waiting ?? '\uffff'
    case 'core':
      return process.core ?? '\uffff'
    case 'calls':
      return process.usage.calls
    case 'tokens':
      return process.usage.inputTokens + process.usage.outputTokens
    case 'usd':
      return process.usage.usd
    case 'age':
      // The older, the more.
      return -process.startedAt
  }
}

function sorted(rows: readonly Row[], column: Column, isDown: boolean): Line[] {
  const sign = isDown ? -1 : 1
  return rows
    .map((row) => ({ row, depth: 0, children: 0, key: keyOf(row, column) }))
    .sort((a, b) => (a.key < b.key ? -sign : a.key > b.key ? sign : b.row.process.pid - a.row.process.pid))
}

/** What was found with everything above it, children under their parents, the youngest trees first. */
function treeOf(found: readonly Row[], all: ReadonlyMap<number, Row>, folded: ReadonlySet<number>): Line[] {
  const shown = new Set<Row>()
  for (let row of found) {
    for (;;) {
      if (shown.has(row)) break
      shown.add(row)
      const above = row.process.parent === null ? undefined : all.get(row.process.parent)
      if (above === undefined) break
      row = above
    }
  }
  const children = new Map<number, Row[]>()
  const roots: Row[] = []
  for (const row of shown) {
    const { parent } = row.process
    if (parent === null || !all.has(parent)) roots.push(row)
    else if (children.has(parent)) children.get(parent)?.push(row)
    else children.set(parent, [row])
  }
  roots.sort((a, b) => b.process.pid - a.process.pid)
  const lines: Line[] = []
  const add = (row: Row, depth: number): void => {
    const below = children.get(row.process.pid) ?? []
    lines.push({ row, depth, children: below.length })
    if (folded.has(row.process.pid)) return
    below.sort((a, b) => a.process.pid - b.process.pid)
    for (const one of below) add(one, depth + 1)
  }
  for (const root of roots) add(root, 0)
  return lines
}
