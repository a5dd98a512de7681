/** Everything that happened to a run and its descendants, as the journal has it. */
import { useState } from 'react'
import { clock, count } from '../format.ts'
import { Exact } from '../json.tsx'
import { useKeys } from '../keys.ts'
import { List } from '../list.tsx'
import { runHash } from '../route.ts'
import type { RunEvents } from '../trace.ts'
import { Search, wordsIn } from '../search.tsx'
import { Empty, Failure, Waiting } from '../ui.tsx'
import { useRunEvents } from './run.tsx'

export function Events({ pid, events }: { readonly pid: number; readonly events: RunEvents }) {
  useRunEvents(events)
  const [query, setQuery] = useState('')
  const [chosen, setChosen] = useState<number>()
  useKeys({ Escape: chosen === undefined ? undefined : () => setChosen(undefined) })
  const words = wordsIn(query)
  const shown =
    words.length === 0 ? events.all : events.all.filter((event) => words.every((word) => wordsOf(event).includes(word)))
  const index = shown.findIndex(({ seq }) => seq === chosen)
  const event = shown[index]
  if (events.error !== undefined && events.all.length === 0) return <Failure error={events.error} />
  if (events.all.length === 0) return <Waiting what="the journal" />
  return (
    <div className="fill">
      <div className="tools">
        <Search of="events" value={query} onChange={setQuery} />
        <span className="muted">
          {count(shown.length)} events{events.dropped > 0 && `; ${count(events.dropped)} older ones are not kept here`}
        </span>
      </div>
      {shown.length === 0 ? (
        <Empty title="No event is like that" />
      ) : (
        <div className={`split${event === undefined ? '' : ' open'}`}>
          <List
            id="event"
            className="events"
            role="grid"
            label="Events"
            count={shown.length}
            rowHeight={26}
            chosen={index}
            onChoose={(i) => setChosen(shown[i]?.seq)}
            head={
              <div className="head event-row" role="row" aria-rowindex={1}>
                <div role="columnheader" className="number">
                  Place
                </div>
                <div role="columnheader">Time</div>
                <div role="columnheader" className="number">
                  Pid
                </div>
                <div role="columnheader">Event</div>
                <div role="columnheader">What</div>
              </div>
            }
            row={(i) => {
              const one = shown[i] as (typeof shown)[number]
              return (
                <div
                  key={one.seq}
                  id={`event-${i}`}
                  role="row"
                  aria-rowindex={i + 2}
                  aria-selected={i === index}
                  className="event-row"
                  onClick={() => setChosen(one.seq)}
                >
                  <div role="gridcell" className="number muted">
                    {one.seq}
                  </div>
                  <div role="gridcell">{clock(one.at)}</div>
                  <div role="gridcell" className="number">
                    {one.pid === pid ? (
                      one.pid
                    ) : (
                      <a href={runHash(one.pid)} tabIndex={-1}>
                        {one.pid}
                      </a>
                    )}
                  </div>
                  <div role="gridcell">{one.type}</div>
                  <div role="gridcell" className="muted">
                    {textOf(one)}
                  </div>
                </div>
              )
            }}
          />
          {event !== undefined && (
            <aside className="detail" aria-label={`Event ${event.seq}`}>
              <div className="detail-head">
                <h3>
                  <span className="number muted">{event.seq}</span> {event.type}
                </h3>
                <span className="spring" />
                <button type="button" className="quiet" aria-label="Close" onClick={() => setChosen(undefined)}>
                  ✕
                </button>
              </div>
              <Exact value={event} />
            </aside>
          )}
        </div>
      )}
    </div>
  )
}

/** What a search looks at: what its row shows, but for the time. */
function wordsOf(event: RunEvents['all'][number]): string {
  return `${event.seq} ${event.pid} ${event.type} ${textOf(event)}`.toLowerCase()
}

function textOf(event: RunEvents['all'][number]): string {
  switch (event.type) {
    case 'process-start':
      return `${event.program} for ${event.principal}`
    case 'call-start':
      return `${event.n} ${event.call} ${brief(event.args)}`
    case 'call-wait':
      return `${event.n} ${event.core === null ? 'for a person' : `for ${event.core}`}`
    case 'call-reserve':
      return `${event.n} ${event.reserved.tokens} tokens`
    case 'call-sent':
      return String(event.n)
    case 'call-end':
      return `${event.n} ${event.error === undefined ? brief(event.value) : event.error.code}`
    case 'mail-sent':
      return `from ${event.mail.from} ${brief(event.mail.body)}`
    case 'process-rewind':
      return `to call ${event.n}`
    case 'files-restored':
      return brief(event.value)
    case 'process-end':
      return `${event.state}${event.error === undefined ? '' : ` ${event.error.code}`}`
  }
}

function brief(value: unknown): string {
  if (
    typeof value === 'object' &&
    value !== null &&
    'text' in value &&
    typeof value.text === 'string' &&
    value.text !== ''
  )
    return value.text.slice(0, 160)
  return (JSON.stringify(value) ?? '').slice(0, 160)
}
