/**
 * What the environment says of the export, beside what the exporters read themselves (endpoints, headers, time-outs):
 * which signals are wanted, whether content is, how large the queue is.
 *
 *     const settings = readSettings(process.env)      // throws CONFIG_INVALID that names the variable
 *
 * Names and meanings are those of OpenTelemetry's specification. What its SDK would pass over in silence is refused: who
 * asked for telemetry should not find out in a month that there was none.
 */
import { readFileSync } from 'node:fs'
import { validateHeaderName, validateHeaderValue } from 'node:http'
import { PolityError, messageOf } from '../../kernel/errors.ts'

export interface Settings {
  readonly traces: boolean
  readonly metrics: boolean
  /** Whether messages, arguments and results are exported. */
  readonly content: boolean
  /** Spans that wait to be sent, at most. */
  readonly queueMax: number
  /** Spans in one request, at most. */
  readonly batchMax: number
  /** How long spans are collected before they are sent, ms. */
  readonly batchMs: number
  /** How often metrics are sent, ms. */
  readonly metricsMs: number
  readonly certificates: { readonly traces: Certificates; readonly metrics: Certificates }
}

/** For HTTPS: whom to believe, and who we are. */
export interface Certificates {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
}

type Environment = Readonly<Record<string, string | undefined>>

export function readSettings(env: Environment): Settings {
  const isDisabled =
    checkOneOf(env, 'OTEL_SDK_DISABLED', /^(?:true|false)$/i, 'true or false')?.toLowerCase() === 'true'
  for (const signal of ['', 'TRACES_', 'METRICS_']) {
    checkProtocol(env, `OTEL_EXPORTER_OTLP_${signal}PROTOCOL`)
    const name = `OTEL_EXPORTER_OTLP_${signal}ENDPOINT`
    const url = textOf(env, name)
    if (url !== undefined) checkUrl(url, name)
    checkHeaders(env, `OTEL_EXPORTER_OTLP_${signal}HEADERS`)
    numberOf(env, `OTEL_EXPORTER_OTLP_${signal}TIMEOUT`, 10_000)
    checkOneOf(env, `OTEL_EXPORTER_OTLP_${signal}COMPRESSION`, /^(?:gzip|none)$/, 'gzip or none')
  }
  const temporality = 'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE'
  checkOneOf(env, temporality, /^(?:cumulative|delta|lowmemory)$/i, 'cumulative, delta or lowmemory')
  checkAttributes(env, 'OTEL_RESOURCE_ATTRIBUTES')
  const queueMax = numberOf(env, 'OTEL_BSP_MAX_QUEUE_SIZE', 2_048)
  const batchMax = numberOf(env, BATCH, Math.min(queueMax, 512))
  if (batchMax > queueMax)
    throw wrong(BATCH, `at most OTEL_BSP_MAX_QUEUE_SIZE, the spans that wait, ${queueMax}`, String(batchMax))
  return {
    traces: !isDisabled && isWanted(env, 'OTEL_TRACES_EXPORTER'),
    metrics: !isDisabled && isWanted(env, 'OTEL_METRICS_EXPORTER'),
    content: wantsContent(env),
    queueMax,
    batchMax,
    batchMs: numberOf(env, 'OTEL_BSP_SCHEDULE_DELAY', 5_000),
    metricsMs: numberOf(env, 'OTEL_METRIC_EXPORT_INTERVAL', 60_000),
    certificates: { traces: certificatesOf(env, 'TRACES'), metrics: certificatesOf(env, 'METRICS') },
  }
}

/** Where signals go to and whether content does, for a person. `url` goes before what the environment says. */
export function describeSettings(
  { traces, metrics, content }: Settings,
  url: string | undefined,
  env: Environment,
): string {
  const byPlace = new Map<string, string[]>()
  for (const signal of [...(traces ? ['traces' as const] : []), ...(metrics ? ['metrics' as const] : [])]) {
    const origin = originOf(signal, url, env)
    byPlace.set(origin, [...(byPlace.get(origin) ?? []), signal])
  }
  if (byPlace.size === 0) return 'nothing is sent: the environment says so'
  const places = [...byPlace].map(([place, signals]) => `${signals.join(' and ')} to ${place}`)
  return `${places.join(', ')}${content ? ', with all that is said' : ''}`
}

/** The server that a signal goes to. */
export function originOf(signal: 'traces' | 'metrics', url: string | undefined, env: Environment): string {
  return new URL(
    url ??
      textOf(env, `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`) ??
      textOf(env, 'OTEL_EXPORTER_OTLP_ENDPOINT') ??
      'http://localhost:4318',
  ).origin
}

/** Throws unless it is an address of HTTP. */
export function checkUrl(url: string, name: string): void {
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return
  throw wrong(name, 'an address such as http://127.0.0.1:4318', url)
}

function checkProtocol(env: Environment, name: string): void {
  const given = textOf(env, name)
  if (given !== undefined && given !== 'http/json')
    throw wrong(name, 'http/json, the one that Polity sends (to the HTTP port of a collector, mostly 4318)', given)
}

/** What they say is secret: an error names the place only. */
function checkHeaders(env: Environment, name: string): void {
  for (const [i, pair] of (textOf(env, name) ?? '').split(',').entries()) {
    if (pair.trim() === '') continue
    try {
      const [key, value] = decodedPair(pair)
      if (pair.includes(';') || value === '') throw new Error('it would be left out')
      validateHeaderName(key)
      validateHeaderValue(key, value)
    } catch {
      const expected = 'name=value with commas between, where what is special in a value is written as in %2C'
      throw new PolityError('CONFIG_INVALID', `${name} takes ${expected}; number ${i + 1} in it is not that`)
    }
  }
}

function checkAttributes(env: Environment, name: string): void {
  for (const pair of (textOf(env, name) ?? '').split(',')) {
    if (pair.trim() === '') continue
    try {
      const [key, value] = decodedPair(pair)
      if (pair.split('=').length > 2 || Math.max(key.length, value.length) > 255) throw new Error('it is not taken')
    } catch {
      throw wrong(name, 'key=value with commas between, each part of at most 255 characters, = written as %3D', pair)
    }
  }
}

/** Throws where it is none. */
function decodedPair(pair: string): readonly [key: string, value: string] {
  const at = pair.indexOf('=')
  const key = pair.slice(0, Math.max(0, at)).trim()
  if (key === '') throw new Error('it has no key')
  return [decodeURIComponent(key), decodeURIComponent(pair.slice(at + 1).trim())]
}

function certificatesOf(env: Environment, signal: string): Certificates {
  const found: { [key: string]: Buffer } = {}
  for (const [key, end] of Object.entries({ ca: 'CERTIFICATE', cert: 'CLIENT_CERTIFICATE', key: 'CLIENT_KEY' })) {
    const name = [`OTEL_EXPORTER_OTLP_${signal}_${end}`, `OTEL_EXPORTER_OTLP_${end}`].find(
      (one) => textOf(env, one) !== undefined,
    )
    if (name === undefined) continue
    try {
      found[key] = readFileSync(textOf(env, name) as string)
    } catch (error) {
      throw new PolityError('CONFIG_INVALID', `${name} takes a file that can be read: ${messageOf(error)}`, {
        cause: error,
      })
    }
  }
  return found
}

function isWanted(env: Environment, name: string): boolean {
  const given = textOf(env, name) ?? 'otlp'
  if (given === 'otlp') return true
  if (given === 'none') return false
  throw wrong(name, 'otlp or none', given)
}

const BATCH = 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE'
const CONTENT = 'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT'

function wantsContent(env: Environment): boolean {
  const given = textOf(env, CONTENT)?.toLowerCase() ?? 'false'
  // There are no events here to put it on.
  if (['true', 'span_only', 'span_and_event'].includes(given)) return true
  if (['false', 'no_content', 'event_only'].includes(given)) return false
  throw wrong(CONTENT, 'span_only (or true), or no_content', given)
}

function numberOf(env: Environment, name: string, byDefault: number): number {
  const given = textOf(env, name)
  if (given === undefined) return byDefault
  const number = Number(given)
  if (Number.isSafeInteger(number) && number >= 1 && number < 2 ** 31) return number
  throw wrong(name, 'a whole number of at least 1', given)
}

function checkOneOf(env: Environment, name: string, values: RegExp, expected: string): string | undefined {
  const given = textOf(env, name)
  if (given === undefined || values.test(given)) return given
  throw wrong(name, expected, given)
}

/** An empty variable is one that is not set. */
function textOf(env: Environment, name: string): string | undefined {
  const text = env[name]?.trim()
  return text === '' ? undefined : text
}

function wrong(name: string, expected: string, given: string): PolityError {
  return new PolityError('CONFIG_INVALID', `${name} takes ${expected}; it is ${JSON.stringify(given.slice(0, 200))}`)
}
