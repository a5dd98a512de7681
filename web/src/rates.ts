/**
 * What the cores got through lately, second by second: by core and by principal.
 *
 * Invariants
 *   RA1. WINDOW_S seconds are kept of each name, and SERIES_MAX names of each kind; further ones are counted as `others`.
 */
import type { Live } from './live.ts'

export const WINDOW_S = 300
const SERIES_MAX = 64

export interface Series {
  readonly name: string
  /** By second; see `Rates.at`. */
  readonly calls: Float64Array
  readonly tokens: Float64Array
  callsInAll: number
  tokensInAll: number
  usdInAll: number
  waitedMsInAll: number
  failedInAll: number
}

export interface Rates {
  readonly cores: ReadonlyMap<string, Series>
  readonly principals: ReadonlyMap<string, Series>
  /** When counting began, s since 1970. */
  readonly since: number
  /** The seconds that are kept, the oldest first, up to the last whole one. */
  seconds(): number[]
  /** Of one series, in the same order. */
  read(values: Float64Array): number[]
  stop(): void
}

export function createRates(live: Live): Rates {
  const cores = new Map<string, Series>()
  const principals = new Map<string, Series>()
  const since = Math.floor(live.now() / 1_000)
  let second = since

  /** Clears the seconds in which nothing was heard. */
  function moveTo(now: number): void {
    for (let at = Math.max(second + 1, now - WINDOW_S + 1); at <= now; at++) {
      for (const map of [cores, principals])
        for (const { calls, tokens } of map.values()) calls[at % WINDOW_S] = tokens[at % WINDOW_S] = 0
    }
    second = Math.max(second, now)
  }

  function seriesOf(map: Map<string, Series>, wanted: string): Series {
    const name = map.has(wanted) || map.size < SERIES_MAX ? wanted : 'others'
    let series = map.get(name)
    if (series === undefined) {
      const zeros = (): Float64Array => new Float64Array(WINDOW_S)
      series = {
        name,
        calls: zeros(),
        tokens: zeros(),
        callsInAll: 0,
        tokensInAll: 0,
        usdInAll: 0,
        waitedMsInAll: 0,
        failedInAll: 0,
      }
      map.set(name, series)
    }
    return series
  }

  const stop = live.onFinished((call) => {
    const at = Math.floor(call.at / 1_000)
    moveTo(at)
    const place = at % WINDOW_S
    for (const series of [seriesOf(cores, call.core), seriesOf(principals, call.principal)]) {
      if (second - at < WINDOW_S) {
        series.calls[place] = (series.calls[place] as number) + 1
        series.tokens[place] = (series.tokens[place] as number) + call.tokens
      }
      series.callsInAll++
      series.tokensInAll += call.tokens
      series.usdInAll += call.usd
      series.waitedMsInAll += call.waitedMs
      if (call.failed) series.failedInAll++
    }
  })

  function range(): [from: number, to: number] {
    moveTo(Math.floor(live.now() / 1_000))
    // What nobody counted is not drawn, but for the first minute: a line needs room.
    return [Math.max(second - WINDOW_S + 1, Math.min(since, second - 60)), second - 1]
  }

  return {
    cores,
    principals,
    since,
    seconds() {
      const [from, to] = range()
      return Array.from({ length: to - from + 1 }, (_, i) => from + i)
    },
    read(values) {
      const [from, to] = range()
      // Before counting began nobody knows; there the line begins at zero.
      return Array.from({ length: to - from + 1 }, (_, i) => values[(from + i) % WINDOW_S] as number)
    },
    stop,
  }
}
