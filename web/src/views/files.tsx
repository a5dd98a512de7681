/** The files of a run, version by version: as they are, and what each version changed. */
import { useMemo, useState } from 'react'
import type { Client, FileVersion } from '../../../src/client.ts'
import { changesOf } from '../diff.ts'
import type { DiffLine } from '../diff.ts'
import { count, moment } from '../format.ts'
import { Prose, shown } from '../json.tsx'
import { useKeys } from '../keys.ts'
import { runHash } from '../route.ts'
import type { RunEvents } from '../trace.ts'
import { Empty, Failure, Waiting, useAsked, usePaced, useSession } from '../ui.tsx'
import { useRunEvents } from './run.tsx'

/** Files and versions of one file that are listed; beyond, the page says so. */
const FILES_MAX = 1_000
const VERSIONS_MAX = 1_000
const REFRESH_MS = 1_000

export function Files({ pid, events }: { readonly pid: number; readonly events: RunEvents }) {
  const { client } = useSession()
  const version = useRunEvents(events)
  const { written, calls } = useMemo(() => writesIn(events), [events, version])
  const [chosen, setChosen] = useState<string>()
  const found = useAsked(
    (signal) => client.processes.files(pid, { removed: true, limit: FILES_MAX }, { signal }),
    [pid, usePaced(written, REFRESH_MS)],
  )
  const files = found.value?.items ?? []
  const file = files.find(({ path }) => path === chosen) ?? files[0]
  const move = (by: number): void => {
    const at = files.findIndex(({ path }) => path === file?.path)
    setChosen(files[Math.max(0, Math.min(files.length - 1, at + by))]?.path)
  }
  useKeys({ j: () => move(1), k: () => move(-1) })
  if (found.error !== undefined && found.value === undefined) return <Failure error={found.error} again={found.again} />
  if (found.value === undefined) return <Waiting what="the files" />
  if (file === undefined)
    return (
      <Empty title="It has no file">
        <p>Files that it, its parent or its children write appear here, version by version.</p>
      </Empty>
    )
  return (
    <div className="files">
      <div className="side">
        <ul role="listbox" aria-label="Files" tabIndex={0}>
          {files.map(({ path, bytes, removed }) => (
            <li
              key={path}
              role="option"
              title={path}
              aria-selected={path === file.path}
              className={removed ? 'gone' : ''}
              onClick={() => setChosen(path)}
            >
              <span>{path}</span> <b>{removed ? 'removed' : count(bytes)}</b>
            </li>
          ))}
        </ul>
        {found.value.next !== null && <p className="muted small">There are more; the API has them all.</p>}
      </div>
      <File key={`${pid} ${file.path}`} pid={pid} last={file} calls={calls} />
    </div>
  )
}

/** How often files were written or removed as far as the page knows, and by which call each version. */
function writesIn(events: RunEvents): { readonly written: number; readonly calls: ReadonlyMap<number, number> } {
  const open = new Set<string>()
  const calls = new Map<number, number>()
  let written = 0
  for (const event of events.all) {
    if (event.type === 'call-start' && (event.call === 'write' || event.call === 'remove'))
      open.add(`${event.pid}.${event.n}`)
    else if (event.type === 'call-end' && open.delete(`${event.pid}.${event.n}`)) {
      written++
      // A version is the place of the event that reported it.
      calls.set(event.seq, event.n)
    } else if (event.type === 'process-rewind' || event.type === 'files-restored') written++
  }
  return { written, calls }
}

function File({
  pid,
  last,
  calls,
}: {
  readonly pid: number
  readonly last: FileVersion
  readonly calls: ReadonlyMap<number, number>
}) {
  const { client } = useSession()
  const { path } = last
  const [version, setVersion] = useState<number>()
  const [other, setOther] = useState<number>()
  const [showsText, setShowsText] = useState(false)
  const listed = useAsked(
    (signal) => client.processes.fileVersions(pid, path, { limit: VERSIONS_MAX }, { signal }),
    [path, last.version],
  )
  const versions = listed.value?.items ?? [last]
  const index = Math.max(
    0,
    versions.findIndex((one) => one.version === version),
  )
  const now = versions[index] as FileVersion
  const before = versions.find((one) => one.version === other && one !== now) ?? versions[index + 1]
  const isChange = !showsText && before !== undefined
  useKeys({ d: () => setShowsText(!showsText), n: () => step(-1), p: () => step(1) })

  function step(by: number): void {
    const next = versions[Math.max(0, Math.min(versions.length - 1, index + by))]
    setVersion(next?.version)
    setOther(undefined)
  }

  const name = (one: FileVersion): string =>
    `${one.removed ? 'removed' : `version ${one.version}`}, ${moment(one.at)}${one.version === last.version ? ', the last' : ''}`
  const n = calls.get(now.version)
  return (
    <div className="page">
      <div className="tools">
        <h3>{path}</h3>
        {versions.length > 1 && (
          <div className="chips" role="group" aria-label="What is shown">
            <button
              type="button"
              aria-pressed={isChange}
              disabled={before === undefined}
              onClick={() => setShowsText(false)}
            >
              Changes
            </button>
            <button type="button" aria-pressed={!isChange} onClick={() => setShowsText(true)}>
              Text
            </button>
          </div>
        )}
        <label className="inline">
          <span className={isChange ? 'muted' : 'unseen'}>{isChange ? 'of' : 'Version'}</span>{' '}
          <select
            aria-label="Version"
            value={now.version}
            onChange={(event) => {
              setVersion(Number(event.target.value))
              setOther(undefined)
            }}
          >
            {versions.map((one) => (
              <option key={one.version} value={one.version}>
                {name(one)}
              </option>
            ))}
          </select>
        </label>
        {isChange && (
          <label className="inline">
            <span className="muted">since</span>{' '}
            <select
              aria-label="Compared with"
              value={before.version}
              onChange={(event) => setOther(Number(event.target.value))}
            >
              {versions
                .filter((one) => one !== now)
                .map((one) => (
                  <option key={one.version} value={one.version}>
                    {name(one)}
                  </option>
                ))}
            </select>
          </label>
        )}
      </div>
      <p className="muted small">
        {!now.removed && `${count(now.bytes)} bytes · `}
        {now.removed ? 'removed by ' : 'written by '}
        <a href={runHash(now.pid, 'timeline', n)}>
          {now.pid === pid ? 'this run' : `run ${now.pid}`}
          {n !== undefined && `, call ${n}`}
        </a>
        {versions.length > 1 && ` · ${versions.length}${listed.value?.next == null ? '' : ' newest'} versions`}
        {now.labels.length > 0 && (
          <>
            {' · its writer had seen '}
            <span className="bad">{now.labels.join(', ')}</span>
          </>
        )}
      </p>
      {listed.error !== undefined && <Failure error={listed.error} again={listed.again} />}
      {isChange ? (
        <Changes client={client} pid={pid} before={before} after={now} />
      ) : (
        <Text client={client} pid={pid} of={now} />
      )}
    </div>
  )
}

async function contentOf(client: Client, pid: number, of: FileVersion, signal: AbortSignal): Promise<string> {
  return of.removed ? '' : (await client.processes.file(pid, of.path, of.version, { signal })).content
}

function Text({ client, pid, of }: { readonly client: Client; readonly pid: number; readonly of: FileVersion }) {
  const text = useAsked((signal) => contentOf(client, pid, of, signal), [of.version])
  if (of.removed) return <p className="muted">It was removed.</p>
  if (text.error !== undefined) return <Failure error={text.error} again={text.again} />
  if (text.value === undefined) return <Waiting what="the file" />
  return text.value === '' ? <p className="muted">It is empty.</p> : <Prose text={text.value} />
}

/** Lines around a change that are shown with it. */
const AROUND = 3
const ROWS_MAX = 2_000

function Changes({
  client,
  pid,
  before,
  after,
}: {
  readonly client: Client
  readonly pid: number
  readonly before: FileVersion
  readonly after: FileVersion
}) {
  const texts = useAsked(
    (signal) => Promise.all([contentOf(client, pid, before, signal), contentOf(client, pid, after, signal)]),
    [`${before.version} ${after.version}`],
  )
  const [unfolded, setUnfolded] = useState<ReadonlySet<number>>(new Set())
  const lines = useMemo(() => (texts.value === undefined ? undefined : changesOf(...texts.value)), [texts.value])
  if (texts.error !== undefined) return <Failure error={texts.error} again={texts.again} />
  if (lines === undefined) return <Waiting what="both versions" />
  const come = lines.filter(({ kind }) => kind === 'come').length
  const gone = lines.filter(({ kind }) => kind === 'gone').length
  if (come + gone === 0) return <p className="muted">Both have the same lines.</p>
  const parts = partsOf(lines)
  let rows = 0
  return (
    <>
      <p className="small" role="status">
        {after.removed ? 'It was removed; ' : before.removed ? 'It was there again; ' : ''}
        {come} {come === 1 ? 'line' : 'lines'} added, {gone} removed
      </p>
      <table className="diff" aria-label="Changes">
        <tbody>
          {parts.map((part, i) => {
            if (rows > ROWS_MAX) return null
            if (part.isFolded && !unfolded.has(i))
              return (
                <tr key={i} className="fold">
                  <td colSpan={4}>
                    <button type="button" className="link" onClick={() => setUnfolded(new Set([...unfolded, i]))}>
                      {part.lines.length} lines are the same
                    </button>
                  </td>
                </tr>
              )
            rows += part.lines.length
            return part.lines.slice(0, ROWS_MAX).map((line, j) => <Line key={`${i}.${j}`} line={line} />)
          })}
        </tbody>
      </table>
      {rows > ROWS_MAX && <p className="muted">What follows is not shown; look at the text.</p>}
    </>
  )
}

function Line({ line: { kind, text, before, after } }: { readonly line: DiffLine }) {
  return (
    <tr className={kind}>
      <td className="number">{before}</td>
      <td className="number">{after}</td>
      <td className="sign" aria-label={kind === 'come' ? 'added' : kind === 'gone' ? 'removed' : 'same'}>
        {kind === 'come' ? '+' : kind === 'gone' ? '−' : ''}
      </td>
      <td className="text" dir="auto">
        {shown(text)}
      </td>
    </tr>
  )
}

/** Runs of lines: those far from a change are folded, where that saves more than a line. */
function partsOf(lines: readonly DiffLine[]): { readonly lines: readonly DiffLine[]; readonly isFolded: boolean }[] {
  const near = new Uint8Array(lines.length)
  for (const [i, { kind }] of lines.entries())
    if (kind !== 'same') near.fill(1, Math.max(0, i - AROUND), Math.min(lines.length, i + AROUND + 1))
  const parts: { lines: DiffLine[]; isFolded: boolean }[] = []
  for (let i = 0; i < lines.length;) {
    let end = i + 1
    while (end < lines.length && near[end] === near[i]) end++
    const isFolded = near[i] === 0 && end - i > 1
    parts.push({ lines: lines.slice(i, end), isFolded })
    i = end
  }
  return parts
}
