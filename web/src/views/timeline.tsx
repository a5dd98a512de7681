/** The system calls of a run on a line of time, and the one that was chosen, whole. */
import { useMemo } from 'react'
import type { Process, Span } from '../../../src/client.ts'
import { clock, count, duration, usd } from '../format.ts'
import { Exact } from '../json.tsx'
import { useKeys } from '../keys.ts'
import { List } from '../list.tsx'
import { goTo, runHash } from '../route.ts'
import type { Trace } from '../trace.ts'
import { Empty, Failure, Waiting, useAsked, useSession, useTick } from '../ui.tsx'

export function Timeline({
  process,
  trace: { spans, isLoaded, isCut, error },
  chosen,
  fork,
}: {
  readonly process: Process
  readonly trace: Trace
  readonly chosen: number | undefined
  readonly fork: (at?: number) => void
}) {
  const { live } = useSession()
  useTick(process.endedAt === null ? 1_000 : 3_600_000)
  const index = useMemo(() => spans.findIndex(({ n, undone }) => n === chosen && !undone), [spans, chosen])
  const { pid } = process
  useKeys({ Escape: chosen === undefined ? undefined : () => goTo(runHash(pid, 'timeline'), true) })
  if (error !== undefined && spans.length === 0) return <Failure error={error} />
  if (spans.length === 0)
    return isLoaded ? (
      <Empty title="It has made no system call yet">
        <p>{process.endedAt === null ? 'Calls appear here as they start.' : 'It ended without one.'}</p>
      </Empty>
    ) : (
      <Waiting what="the trace" />
    )
  const from = (spans[0] as Span).startedAt
  const to = Math.max(
    process.endedAt ?? live.now(),
    ...spans.slice(-200).map(({ endedAt, startedAt }) => endedAt ?? startedAt),
    from + 1,
  )
  const span = spans[index]
  return (
    <div className={`split${span === undefined ? '' : ' open'}`}>
      <List
        id="span"
        className="timeline"
        role="grid"
        label="System calls"
        count={spans.length}
        rowHeight={28}
        chosen={index}
        onChoose={(i) => goTo(runHash(pid, 'timeline', spans[i]?.n), true)}
        head={
          <div className="head span-row" role="row" aria-rowindex={1}>
            <div role="columnheader" className="number">
              #
            </div>
            <div role="columnheader">Call</div>
            <div role="columnheader" className="axis" aria-label={`Time, ${duration(to - from)} in all`}>
              <Ticks ms={to - from} />
            </div>
            <div role="columnheader" className="number">
              Took
            </div>
            <div role="columnheader" className="number c-tokens">
              Tokens
            </div>
            <div role="columnheader" className="number c-usd">
              Money
            </div>
          </div>
        }
        row={(i) => (
          <SpanLine
            key={`${(spans[i] as Span).seq}`}
            span={spans[i] as Span}
            index={i}
            isChosen={i === index}
            from={from}
            to={to}
            now={process.endedAt ?? live.now()}
            choose={(n) => goTo(runHash(pid, 'timeline', n), true)}
          />
        )}
      />
      {isCut && <p className="hint">The first {count(spans.length)} calls are shown; the API has the rest.</p>}
      {span !== undefined && <Detail pid={pid} span={span} fork={fork} />}
    </div>
  )
}

/** At most six marks, at round times. */
function Ticks({ ms }: { readonly ms: number }) {
  const rough = ms / 5
  const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)))
  const step = ([1, 2, 5, 10].find((n) => n * power >= rough) ?? 10) * power
  const marks: number[] = []
  for (let at = 0; at < ms * 0.94; at += step) marks.push(at)
  return (
    <>
      {marks.map((at) => (
        <span key={at} className="tick" style={{ insetInlineStart: `${(at / ms) * 100}%` }}>
          {at === 0 ? '0' : duration(at)}
        </span>
      ))}
    </>
  )
}

function callName({ call, tool }: Pick<Span, 'call' | 'tool'>): string {
  return tool ?? call
}

/** What matters of the summary of the arguments; the summary itself where nothing is known of the call. */
function briefOf({ call, args }: Span): string {
  const field = (name: string): string | undefined =>
    new RegExp(`"${name}":("(?:[^"\\\\]|\\\\.)*"?|[^,}]+)`).exec(args)?.[1]
  const plain = (name: string): string => field(name)?.replace(/^"|"$/g, '') ?? ''
  switch (call) {
    case 'spawn':
      return plain('program')
    case 'wait':
    case 'kill':
      return plain('pid')
    case 'receive':
      return field('from') === undefined ? '' : `from ${plain('from')}`
    case 'send':
      return `to ${plain('to')}: ${plain('body')}`
    case 'write':
    case 'read':
    case 'remove':
      return plain('path')
    case 'remember':
    case 'ask':
      return plain('text')
    case 'recall':
      return plain('query')
    default:
      return args
  }
}

function kindOf({ call, error, refused }: Span): string {
  if (refused) return 'refused'
  if (error !== null) return 'error'
  return call === 'generate' || call === 'embed' ? 'model' : call === 'call' ? 'tool' : 'other'
}

function SpanLine({
  span,
  index,
  isChosen,
  from,
  to,
  now,
  choose,
}: {
  readonly span: Span
  readonly index: number
  readonly isChosen: boolean
  readonly from: number
  readonly to: number
  readonly now: number
  readonly choose: (n: number) => void
}) {
  const { n, startedAt, endedAt, waitedMs, askedMs, usage, error, inherited, undone, refused, rule, child } = span
  const end = endedAt ?? now
  const whole = Math.max(0, end - startedAt)
  const share = (ms: number): string => `${(Math.max(0, ms) / (to - from)) * 100}%`
  const waited = Math.min(whole, waitedMs + askedMs)
  return (
    <div
      id={`span-${index}`}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={isChosen}
      className={`span-row${inherited ? ' past' : ''}${undone ? ' undone' : ''}`}
      onClick={() => choose(n)}
    >
      <div role="gridcell" className="number muted">
        {n}
      </div>
      <div role="gridcell" className="c-call" title={span.args}>
        <span className={`kind ${kindOf(span)}`}>{callName(span)}</span>
        {child !== null && (
          <>
            {' '}
            <a href={runHash(child)} tabIndex={-1} onClick={(event) => event.stopPropagation()}>
              {child}
            </a>
          </>
        )}{' '}
        <span className="muted">
          {error === null ? briefOf(span) : `${error.code}${rule === null ? '' : ` by ${rule}`}`}
        </span>
      </div>
      <div
        role="gridcell"
        className="axis"
        aria-label={`from ${duration(startedAt - from)}, waited ${duration(waited)}`}
      >
        <span
          className={`bar-span ${kindOf(span)}${endedAt === null ? ' open' : ''}`}
          style={{ insetInlineStart: share(startedAt - from), inlineSize: `max(2px, ${share(whole)})` }}
        >
          {waited > 0 && <i className="waited" style={{ inlineSize: `${(waited / Math.max(1, whole)) * 100}%` }} />}
        </span>
      </div>
      <div role="gridcell" className="number">
        {endedAt === null ? <span className="muted">{refused ? '' : duration(whole)}…</span> : duration(whole)}
      </div>
      <div role="gridcell" className="number c-tokens">
        {usage === null ? '' : count(usage.inputTokens + usage.outputTokens)}
      </div>
      <div role="gridcell" className="number c-usd">
        {usage === null ? '' : usd(usage.usd)}
      </div>
    </div>
  )
}

function Detail({
  pid,
  span,
  fork,
}: {
  readonly pid: number
  readonly span: Span
  readonly fork: (at?: number) => void
}) {
  const { client } = useSession()
  const whole = useAsked((signal) => client.processes.call(pid, span.n, { signal }), [`${pid}.${span.n}`, span.endedAt])
  const { n, startedAt, endedAt, waitedMs, askedMs, core, usage, error, refused, rule, inherited, child } = span
  const facts: (readonly [string, string])[] = [
    ['started', clock(startedAt)],
    ['took', endedAt === null ? 'not ended yet' : duration(endedAt - startedAt)],
    ...(waitedMs > 0 ? [['in a queue', duration(waitedMs)] as const] : []),
    ...(askedMs > 0 ? [['for a person', duration(askedMs)] as const] : []),
    ...(core === null ? [] : [['core', core] as const]),
    ...(usage === null
      ? []
      : [
          [
            'tokens in',
            `${usage.inputTokens.toLocaleString('en')}${usage.cachedTokens > 0 ? `, ${usage.cachedTokens.toLocaleString('en')} cached` : ''}`,
          ] as const,
          ['tokens out', `${usage.outputTokens.toLocaleString('en')}${usage.estimated ? ', estimated' : ''}`] as const,
          ['money', usd(usage.usd)] as const,
        ]),
    ...(inherited ? [['past', `of ${span.pid}`] as const] : []),
  ]
  return (
    <aside className="detail" aria-label={`Call ${n}`}>
      <div className="detail-head">
        <h3>
          <span className="number muted">{n}</span> {span.call}
          {span.tool !== null && <> {span.tool}</>}
        </h3>
        <span className="spring" />
        <button type="button" className="primary" onClick={() => fork(n)}>
          Fork from here
        </button>
        <button type="button" className="quiet" aria-label="Close" onClick={() => goTo(runHash(pid, 'timeline'), true)}>
          ✕
        </button>
      </div>
      <dl className="facts">
        {facts.map(([title, value]) => (
          <div key={title}>
            <dt>{title}</dt>
            <dd>{value}</dd>
          </div>
        ))}
        {child !== null && (
          <div>
            <dt>began</dt>
            <dd>
              <a href={runHash(child)}>{child}</a>
            </dd>
          </div>
        )}
      </dl>
      {refused && (
        <p className="decision deny">
          The law did not let it through{rule === null ? ': no rule allows it' : ''}
          {rule !== null && (
            <>
              : rule <code>{rule}</code>
            </>
          )}
          .
        </p>
      )}
      {error !== null && (
        <div className="failure">
          <p>
            <code>{error.code}</code> {error.message}
          </p>
        </div>
      )}
      {whole.error !== undefined && <Failure error={whole.error} again={whole.again} />}
      <h4>Arguments</h4>
      {whole.value === undefined ? (
        <pre className="brief">{span.args}</pre>
      ) : (
        <Exact value={whole.value.given ?? null} />
      )}
      {(span.value !== null || whole.value?.returned !== undefined) && (
        <>
          <h4>Value</h4>
          {whole.value === undefined ? (
            <pre className="brief">{span.value}</pre>
          ) : (
            <Exact value={whole.value.returned ?? null} />
          )}
        </>
      )}
    </aside>
  )
}
