/** One run: what it is, what it does, and what can be done with it. */
import { Suspense, lazy, useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import type { Budget, Process } from '../../../src/client.ts'
import { age, count, duration, moment, usd } from '../format.ts'
import { useKeys } from '../keys.ts'
import type { Tab } from '../route.ts'
import { RefusedWaits } from '../refusal.tsx'
import { goTo, runHash, tabs } from '../route.ts'
import type { RunEvents } from '../trace.ts'
import { openRunEvents, useTrace } from '../trace.ts'
import {
  Confirm,
  Empty,
  Failure,
  State,
  Waiting,
  say,
  useAsked,
  useLiveVersion,
  useSession,
  useSessionState,
  useTick,
} from '../ui.tsx'
import { Conversation } from './conversation.tsx'
import { Events } from './events.tsx'
import { Files } from './files.tsx'
import { Result } from './result.tsx'
import { Timeline } from './timeline.tsx'

const Team = lazy(() => import('./team.tsx'))

const tabTitles: { readonly [Name in Tab]: string } = {
  timeline: 'Timeline',
  conversation: 'Conversation',
  team: 'Team',
  events: 'Events',
  files: 'Files',
  result: 'Result',
}

type Deed = 'kill' | 'fork' | 'replay' | 'resume'

export function Run({
  pid,
  tab,
  call,
}: {
  readonly pid: number
  readonly tab: Tab
  readonly call: number | undefined
}) {
  const session = useSession()
  const { line, isLoaded } = useSessionState()
  useLiveVersion()
  const process = session.live.rows.get(pid)?.process
  const isPaused = line === 'paused'
  const events = useMemo(() => openRunEvents(session, pid, isPaused), [session, pid, isPaused])
  useEffect(() => () => events.stop(), [events])
  // Old runs are not in the list, but are still there; one that is no longer in it is asked for too.
  const asked = useAsked<Process | undefined>(
    async (signal) => (process !== undefined || !isLoaded ? undefined : session.client.processes.get(pid, { signal })),
    [pid, isLoaded, process === undefined],
  )
  const known = process ?? asked.value
  if (known === undefined) {
    if (asked.error !== undefined)
      return (
        <Empty title={`There is no run ${pid}`}>
          <Failure error={asked.error} again={asked.again} />
          <p>
            <a href="#/processes">All processes</a>
          </p>
        </Empty>
      )
    return <Waiting what={`run ${pid}`} />
  }
  return <Known process={known} tab={tab} call={call} events={events} />
}

function Known({
  process,
  tab,
  call,
  events,
}: {
  readonly process: Process
  readonly tab: Tab
  readonly call: number | undefined
  readonly events: RunEvents
}) {
  const session = useSession()
  const { pid, state } = process
  const [deed, setDeed] = useState<{ readonly what: Deed; readonly at?: number }>()
  const trace = useTrace(session, pid, events)
  const isOver = process.endedAt !== null
  const go = (by: number): void => goTo(runHash(pid, tabs[(tabs.indexOf(tab) + by + tabs.length) % tabs.length]), true)
  const fork = (at?: number): void => setDeed(at === undefined ? { what: 'fork' } : { what: 'fork', at })
  useKeys({
    '[': () => go(-1),
    ']': () => go(1),
    f: () => fork(call),
    x: () => !isOver && setDeed({ what: 'kill' }),
    r: () =>
      state === 'stopped'
        ? setDeed({ what: 'resume' })
        : isOver
          ? setDeed({ what: 'replay' })
          : say('It runs; it can be resumed when it is stopped, and replayed when it has ended.'),
  })
  return (
    <section className="fill run">
      <Head process={process}>
        <button type="button" onClick={() => fork()}>
          Fork
        </button>
        {state === 'stopped' && (
          <button type="button" className="primary" onClick={() => setDeed({ what: 'resume' })}>
            Resume
          </button>
        )}
        {isOver ? (
          <button type="button" onClick={() => setDeed({ what: 'replay' })}>
            Replay
          </button>
        ) : (
          <button type="button" className="danger" onClick={() => setDeed({ what: 'kill' })}>
            Kill
          </button>
        )}
      </Head>
      <div className="tabs" role="tablist" aria-label="Run">
        {tabs.map((one) => (
          <a
            key={one}
            id={`tab-${one}`}
            role="tab"
            href={runHash(pid, one)}
            aria-selected={one === tab}
            aria-controls="tab-panel"
            onClick={(event) => {
              event.preventDefault()
              goTo(runHash(pid, one), true)
            }}
          >
            {tabTitles[one]}
            {one === 'timeline' && trace.spans.length > 0 && <b> {count(trace.spans.length)}</b>}
          </a>
        ))}
      </div>
      <div className="panel" role="tabpanel" id="tab-panel" aria-labelledby={`tab-${tab}`}>
        <Suspense fallback={<Waiting what="the view" />}>
          {tab === 'timeline' && <Timeline process={process} trace={trace} chosen={call} fork={fork} />}
          {tab === 'conversation' && (
            <Conversation process={process} trace={trace} events={events} chosen={call} fork={fork} />
          )}
          {tab === 'team' && <Team process={process} events={events} />}
          {tab === 'events' && <Events pid={pid} events={events} />}
          {tab === 'files' && <Files pid={pid} events={events} />}
          {tab === 'result' && <Result process={process} />}
        </Suspense>
      </div>
      {deed !== undefined && <Deeds process={process} deed={deed} onClose={() => setDeed(undefined)} />}
    </section>
  )
}

function Head({ process, children }: { readonly process: Process; readonly children: React.ReactNode }) {
  const { live } = useSession()
  useTick(1_000)
  const {
    pid,
    program,
    version,
    name,
    principal,
    parent,
    root,
    forkOf,
    state,
    startedAt,
    endedAt,
    usage,
    budget,
    waiting,
    core,
    queued,
  } = process
  const row = live.rows.get(pid)
  const facts: (readonly [string, React.ReactNode])[] = [
    ['principal', principal],
    ['age', endedAt === null ? age(live.now() - startedAt) : duration(endedAt - startedAt)],
    ['tokens', <Used key="t" used={usage.inputTokens + usage.outputTokens} of={budget.tokens} write={count} />],
    ['money', <Used key="u" used={usage.usd} of={budget.usd} write={usd} />],
    ['model calls', <Used key="s" used={usage.steps} of={budget.steps} write={count} />],
    ['system calls', count(usage.calls)],
    ['children', <Used key="c" used={usage.children} of={budget.children} write={count} />],
  ]
  return (
    <header className="run-head">
      <div className="run-title">
        <a href="#/processes" className="back" aria-label="All processes">
          ‹
        </a>
        <h2>
          <span className="number">{pid}</span> {program}
          <span className="muted">@{version}</span>
        </h2>
        <State state={state} asks={row?.asks === true && state === 'running'} />
        {name !== null && <span className="muted">{name}</span>}
        {waiting !== null && (
          <span className="muted doing">
            {waiting}
            {core !== null && (queued ? `, in the queue of ${core}` : ` on ${core}`)}
          </span>
        )}
        <span className="spring" />
        <div className="actions">{children}</div>
      </div>
      <dl className="facts">
        {facts.map(([title, value]) => (
          <div key={title}>
            <dt>{title}</dt>
            <dd>{value}</dd>
          </div>
        ))}
        <div>
          <dt>started</dt>
          <dd>{moment(startedAt)}</dd>
        </div>
        {parent !== null && (
          <div>
            <dt>parent</dt>
            <dd>
              <a href={runHash(parent)}>{parent}</a>
              {root !== parent && root !== pid && (
                <>
                  {' of '}
                  <a href={runHash(root)}>{root}</a>
                </>
              )}
            </dd>
          </div>
        )}
        {forkOf !== null && (
          <div>
            <dt>fork of</dt>
            <dd>
              <a href={runHash(forkOf)}>{forkOf}</a>
            </dd>
          </div>
        )}
      </dl>
      {endedAt === null && <RefusedWaits root={pid} />}
    </header>
  )
}

function Used({
  used,
  of,
  write,
}: {
  readonly used: number
  readonly of: number | undefined
  readonly write: (n: number) => string
}) {
  if (of === undefined) return <>{write(used)}</>
  return (
    <>
      {write(used)} <span className="muted">of {write(of)}</span>
    </>
  )
}

function Deeds({
  process: { pid, program, budget },
  deed: { what, at },
  onClose,
}: {
  readonly process: Process
  readonly deed: { readonly what: Deed; readonly at?: number }
  readonly onClose: () => void
}) {
  const { client, live } = useSession()
  if (what === 'kill')
    return (
      <Confirm
        title={`Kill ${pid} ${program}?`}
        action="Kill"
        danger
        onClose={onClose}
        run={async (form) => {
          const reason = String(form.get('reason') ?? '').trim()
          live.adopt(await client.processes.kill(pid, reason === '' ? undefined : reason))
          say(`${pid} was killed.`)
        }}
      >
        <p>It ends with all its descendants. Its journal stays: it can be looked at, replayed and forked.</p>
        <label>
          Reason, told to whoever waits for it
          <input name="reason" maxLength={1_000} />
        </label>
      </Confirm>
    )
  if (what === 'fork')
    return (
      <Confirm
        title={at === undefined ? `Fork ${pid} ${program}` : `Fork ${pid} ${program} at call ${at}`}
        action="Fork"
        onClose={onClose}
        run={async (form) => {
          const limits: Budget = { ...budget }
          for (const key of ['usd', 'tokens', 'steps'] as const) {
            const given = String(form.get(key) ?? '').trim()
            if (given === '') delete limits[key]
            else limits[key] = Number(given)
          }
          const made = await client.processes.fork(pid, { ...(at === undefined ? {} : { at }), budget: limits })
          live.adopt(made)
          say(`${made.pid} goes on from call ${at ?? 'the last'} of ${pid}.`)
          goTo(runHash(made.pid))
        }}
      >
        <p>
          {at === undefined
            ? 'A new process with all the past of this one goes on from here.'
            : at === 0
              ? 'A new process begins anew with the same input.'
              : `A new process has the same past up to call ${at - 1}, and makes call ${at} anew. Nothing of the past is paid for again.`}
        </p>
        <div className="fields">
          {(
            [
              ['usd', 'Dollars at most'],
              ['tokens', 'Tokens at most'],
              ['steps', 'Model calls at most'],
            ] as const
          ).map(([key, title]) => (
            <label key={key}>
              {title}
              <input
                name={key}
                type="number"
                min="0"
                step={key === 'usd' ? 'any' : '1'}
                defaultValue={budget[key] ?? ''}
                placeholder="no limit"
              />
            </label>
          ))}
        </div>
      </Confirm>
    )
  if (what === 'resume')
    return (
      <Confirm
        title={`Resume ${pid} ${program}?`}
        action="Resume"
        onClose={onClose}
        run={async () => {
          const { items } = await client.processes.resume(pid)
          for (const one of items) live.adopt(one)
          say(`${pid} goes on.`)
        }}
      >
        <p>It goes on where its journal ends, with its descendants.</p>
      </Confirm>
    )
  return <Replay pid={pid} program={program} onClose={onClose} />
}

function Replay({
  pid,
  program,
  onClose,
}: {
  readonly pid: number
  readonly program: string
  readonly onClose: () => void
}) {
  const { client } = useSession()
  const report = useAsked((signal) => client.processes.replay(pid, { signal }), [pid])
  return (
    <Confirm title={`Replay of ${pid} ${program}`} action="Close" onClose={onClose} run={async () => undefined}>
      <p>The program runs again against its journal, without any effect.</p>
      {report.error !== undefined && <Failure error={report.error} />}
      {report.value === undefined && report.error === undefined && <p role="status">It runs…</p>}
      {report.value !== undefined && (
        <p role="status">
          {report.value.same
            ? `It made the same ${count(report.value.calls)} calls.`
            : `It made ${count(report.value.calls)} calls as the journal has them, and then another: ${report.value.difference ?? 'no more is known'}`}
        </p>
      )}
    </Confirm>
  )
}

/** Renders again with each frame in which something happened to the run. */
export function useRunEvents(events: RunEvents): number {
  return useSyncExternalStore(events.subscribe, () => events.version)
}
