/** The models: slots, queues, rates, and which of them refuse; what they got through lately, and who got it. */
import { Fragment, useMemo } from 'react'
import { Chart, Stroke, strokes } from '../chart.tsx'
import { count, duration, percent, usd } from '../format.ts'
import type { Series } from '../rates.ts'
import { WINDOW_S } from '../rates.ts'
import { Refusal } from '../refusal.tsx'
import { Empty, Failure, Waiting, usePolled, useOrderVersion, useSession, useTick } from '../ui.tsx'

/** Over how long a line is smoothed, s: single calls would be peaks. */
const SMOOTH_S = 10
const FAIR_S = 60
const REFRESH_MS = 2_000
/** Of the table of cores. */
const COLUMNS = 9

export default function Cores() {
  const { client, live, rates } = useSession()
  const tick = useTick(1_000)
  const cores = usePolled((signal) => client.cores({ signal }), REFRESH_MS)
  const order = useOrderVersion()

  /** Who runs, waits and gets what. */
  const people = useMemo(() => {
    const found = new Map<string, { running: number; queued: number }>()
    for (const { process } of live.rows.values()) {
      if (process.state !== 'running') continue
      const one = found.get(process.principal) ?? { running: 0, queued: 0 }
      one.running++
      if (process.queued) one.queued++
      found.set(process.principal, one)
    }
    return found
  }, [order, live])

  const charts = useMemo(() => {
    const seconds = rates.seconds()
    const byCore = topOf([...rates.cores.values()])
    const byPrincipal = topOf([...rates.principals.values()])
    const totals = byPrincipal.map(({ tokens }) => windowed(rates.read(tokens), FAIR_S))
    const sums = seconds.map((_, i) => totals.reduce((sum, values) => sum + (values[i] as number), 0))
    return {
      byCore,
      byPrincipal,
      throughput: [
        seconds,
        ...byCore.map(({ tokens }) => windowed(rates.read(tokens), SMOOTH_S).map((n) => n / SMOOTH_S)),
      ],
      shares: [seconds, ...totals.map((values) => values.map((n, i) => (sums[i] === 0 ? 0 : n / (sums[i] as number))))],
      lastShares: totals.map((values) => (sums.at(-1) === 0 ? 0 : (values.at(-1) as number) / (sums.at(-1) as number))),
      lastMinute: totals.map((values) => values.at(-1) as number),
    }
  }, [tick, rates])

  if (cores.value === undefined)
    return cores.error === undefined ? (
      <Waiting what="the cores" />
    ) : (
      <Failure error={cores.error} again={cores.again} />
    )
  const { items } = cores.value
  if (items.length === 0)
    return (
      <Empty title="There is no model">
        <p>
          Start the server with one: <code>polity serve --model openai/…</code>
        </p>
      </Empty>
    )
  const names = [...new Set([...charts.byPrincipal.map(({ name }) => name), ...people.keys()])]
  const fairness = jain(charts.lastMinute.filter((n) => n > 0))
  return (
    <section className="page wide">
      <h2 className="title">Cores</h2>
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th>Core</th>
              <th>Slots</th>
              <th className="number">Queue</th>
              <th className="number">Requests/min</th>
              <th className="number">Tokens/min</th>
              <th className="number">Sent</th>
              <th className="number">Refused</th>
              <th className="number">Failed</th>
              <th>Breaker</th>
            </tr>
          </thead>
          <tbody>
            {items.map((core) => (
              <Fragment key={core.id}>
                <tr>
                  <th scope="row">{core.id}</th>
                  <td>
                    <Slots busy={core.inFlight} all={core.slots} />
                  </td>
                  <td className="number">{count(core.waiting)}</td>
                  <td className="number">{core.requestsPerMinute === null ? '–' : count(core.requestsPerMinute)}</td>
                  <td className="number">{core.tokensPerMinute === null ? '–' : count(core.tokensPerMinute)}</td>
                  <td className="number">{count(core.admitted)}</td>
                  <td className="number">{count(core.refused)}</td>
                  <td className={`number${core.failed > 0 ? ' bad' : ''}`}>{count(core.failed)}</td>
                  <td>{core.open ? <span className="bad">open: takes no calls for now</span> : 'closed'}</td>
                </tr>
                {core.refusal !== null && (
                  <tr className="under">
                    <td colSpan={COLUMNS}>
                      <Refusal core={core} />
                    </td>
                  </tr>
                )}
              </Fragment>
            ))}
          </tbody>
        </table>
      </div>
      <div className="charts">
        <figure>
          <figcaption>
            <b>Throughput</b> tokens a second, by core
          </figcaption>
          <Chart
            label="Tokens a second by core"
            names={charts.byCore.map(({ name }) => name)}
            data={charts.throughput}
            write={count}
          />
          <Legend
            series={charts.byCore}
            value={(_, i) => `${count((charts.throughput[i + 1] as number[]).at(-1) ?? 0)}/s`}
          />
        </figure>
        <figure>
          <figcaption>
            <b>Fairness</b> share of the tokens of the last minute, by principal
            {fairness !== undefined && (
              <span title="Jain's index: 1 where all got the same, 1/n where one of n got everything">
                {' '}
                · index {fairness.toFixed(2)}
              </span>
            )}
          </figcaption>
          <Chart
            label="Share of the tokens of the last minute by principal"
            names={charts.byPrincipal.map(({ name }) => name)}
            data={charts.shares}
            write={(n) => `${Math.round(n * 100)}%`}
            max={1}
          />
          <Legend series={charts.byPrincipal} value={(_, i) => percent(charts.lastShares[i] ?? 0)} />
        </figure>
      </div>
      <p className="muted small">
        Counted in this tab from the calls that ended since it was opened; the last {duration(WINDOW_S * 1_000)} are
        drawn.
      </p>
      {names.length > 0 && (
        <>
          <h2 className="title">Principals</h2>
          <div className="scroll">
            <table>
              <thead>
                <tr>
                  <th>Principal</th>
                  <th className="number">Running</th>
                  <th className="number">In a queue</th>
                  <th className="number">Calls</th>
                  <th className="number">Tokens</th>
                  <th className="number">Money</th>
                  <th className="number">Mean wait</th>
                  <th className="number">Failed</th>
                </tr>
              </thead>
              <tbody>
                {names.map((name) => {
                  const series = rates.principals.get(name)
                  const now = people.get(name)
                  return (
                    <tr key={name}>
                      <th scope="row">{name}</th>
                      <td className="number">{count(now?.running ?? 0)}</td>
                      <td className="number">{count(now?.queued ?? 0)}</td>
                      <td className="number">{count(series?.callsInAll ?? 0)}</td>
                      <td className="number">{count(series?.tokensInAll ?? 0)}</td>
                      <td className="number">{usd(series?.usdInAll ?? 0)}</td>
                      <td className="number">
                        {series === undefined ? '–' : duration(series.waitedMsInAll / Math.max(1, series.callsInAll))}
                      </td>
                      <td className="number">{count(series?.failedInAll ?? 0)}</td>
                    </tr>
                  )
                })}
              </tbody>
            </table>
          </div>
        </>
      )}
    </section>
  )
}

function Slots({ busy, all }: { readonly busy: number; readonly all: number }) {
  // A driver that takes any number at once says so with the largest number there is.
  if (all > 1e9) return <span className="number">{busy} of any number</span>
  return (
    <span className="slots" title={`${busy} of ${all} slots are busy`}>
      {all <= 16 ? (
        Array.from({ length: Math.max(all, busy) }, (_, i) => (
          <i key={i} className={i < busy ? 'busy' : ''} aria-hidden="true" />
        ))
      ) : (
        <meter min={0} max={all} value={busy} aria-hidden="true" />
      )}
      <span className="number">
        {busy} of {all}
      </span>
    </span>
  )
}

function Legend({
  series,
  value,
}: {
  readonly series: readonly Series[]
  readonly value: (series: Series, i: number) => string
}) {
  if (series.length === 0) return <p className="muted small">No model call has ended since this tab was opened.</p>
  return (
    <ul className="chart-legend">
      {series.map((one, i) => (
        <li key={one.name}>
          <Stroke index={i} /> {one.name} <b className="number">{value(one, i)}</b>
        </li>
      ))}
    </ul>
  )
}

/** Those with most tokens: as many as there are strokes. */
function topOf(series: readonly Series[]): readonly Series[] {
  const top = [...series].sort((a, b) => b.tokensInAll - a.tokensInAll).slice(0, strokes.length)
  return top.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Sums over the last `width` values. */
function windowed(values: readonly number[], width: number): number[] {
  let sum = 0
  return values.map((value, i) => (sum += value - (values[i - width] ?? 0)))
}

/** Jain, Chiu and Hawe 1984. */
function jain(values: readonly number[]): number | undefined {
  if (values.length < 2) return undefined
  const sum = values.reduce((a, b) => a + b, 0)
  return (sum * sum) / (values.length * values.reduce((a, b) => a + b * b, 0))
}
