/**
 * The files that a run wrote, version by version, as its journal has them: there is no list of files to be asked for, and
 * no two versions are compared.
 */
import { useState } from 'react'
import { count, moment } from '../format.ts'
import { Prose } from '../json.tsx'
import { useKeys } from '../keys.ts'
import { runHash } from '../route.ts'
import type { RunEvents } from '../trace.ts'
import { Empty, Failure, Waiting } from '../ui.tsx'
import { useRunEvents } from './run.tsx'

interface Version {
  readonly seq: number
  readonly pid: number
  readonly n: number
  readonly at: number
  /** null: it was removed. */
  readonly content: string | null
  /** Of the kernel; null while the write has not ended. */
  readonly number: number | null
}

/** By path; the youngest version first. */
function filesOf(events: RunEvents): ReadonlyMap<string, readonly Version[]> {
  const files = new Map<string, Version[]>()
  const open = new Map<string, Version & { path: string }>()
  for (const event of events.all) {
    if (event.type === 'call-start' && (event.call === 'write' || event.call === 'remove')) {
      const { path, content } = (event.args ?? {}) as { readonly path?: string; readonly content?: string }
      if (path === undefined) continue
      const { seq, pid, n, at } = event
      open.set(`${pid}.${n}`, {
        seq,
        pid,
        n,
        at,
        path,
        content: event.call === 'remove' ? null : (content ?? ''),
        number: null,
      })
    } else if (event.type === 'call-end') {
      const made = open.get(`${event.pid}.${event.n}`)
      open.delete(`${event.pid}.${event.n}`)
      if (made === undefined || event.error !== undefined) continue
      const { path, ...version } = made
      const number = (event.value as { readonly version?: number } | null | undefined)?.version ?? null
      files.set(path, [{ ...version, number }, ...(files.get(path) ?? [])])
    }
  }
  return files
}

export function Files({ pid, events }: { readonly pid: number; readonly events: RunEvents }) {
  const version = useRunEvents(events)
  const files = filesOf(events)
  const paths = [...files.keys()].sort()
  const [chosen, setChosen] = useState<{ readonly path: string; readonly seq: number | undefined }>()
  const path = chosen !== undefined && files.has(chosen.path) ? chosen.path : paths[0]
  const versions = (path === undefined ? undefined : files.get(path)) ?? []
  const shown = versions.find(({ seq }) => seq === chosen?.seq) ?? versions[0]
  const move = (by: number): void => {
    const next = paths[Math.max(0, Math.min(paths.length - 1, paths.indexOf(path ?? '') + by))]
    if (next !== undefined) setChosen({ path: next, seq: undefined })
  }
  useKeys({ j: () => move(1), k: () => move(-1) })
  if (events.error !== undefined && events.all.length === 0) return <Failure error={events.error} />
  if (version === 0 && events.all.length === 0) return <Waiting what="the journal" />
  if (path === undefined || shown === undefined)
    return (
      <Empty title="It has written no file">
        <p>Files that it or its children write appear here, version by version.</p>
      </Empty>
    )
  return (
    <div className="files">
      <ul className="side" role="listbox" aria-label="Files" tabIndex={0}>
        {paths.map((one) => (
          <li
            key={one}
            role="option"
            aria-selected={one === path}
            onClick={() => setChosen({ path: one, seq: undefined })}
          >
            {one} <b>{files.get(one)?.length}</b>
          </li>
        ))}
      </ul>
      <div className="page">
        <div className="tools">
          <h3>{path}</h3>
          <label className="inline">
            <span className="unseen">Version</span>
            <select value={shown.seq} onChange={(event) => setChosen({ path, seq: Number(event.target.value) })}>
              {versions.map(({ seq, number, content, at }) => (
                <option key={seq} value={seq}>
                  {content === null ? 'removed' : `version ${number ?? '?'}`} {moment(at)}
                </option>
              ))}
            </select>
          </label>
          <span className="muted">
            {shown.content !== null && `${count(new Blob([shown.content]).size)} bytes · `}written by{' '}
            <a href={runHash(shown.pid, 'timeline', shown.n)}>
              {shown.pid === pid ? 'this run' : shown.pid}, call {shown.n}
            </a>
          </span>
        </div>
        {shown.content === null ? <p className="muted">It was removed.</p> : <Prose text={shown.content} />}
      </div>
    </div>
  )
}
