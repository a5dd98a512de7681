/**
 * Telemetry: what a kernel does, sent to an OpenTelemetry collector as traces and metrics, by OTLP over HTTP, in the words
 * of the GenAI conventions. Off unless it is asked for; see docs/telemetry.md.
 *
 *     const telemetry = await startTelemetry({ kernel, url: 'http://127.0.0.1:4318' })
 *     …
 *     await kernel.close()
 *     await telemetry.close()
 *
 * Everything is made from the events that the kernel tells its watchers: it has no part of this.
 *
 * Invariants
 *   TE1. Before `startTelemetry` nothing is loaded, heard or sent.
 *   TE2. Nobody waits for the collector: what it does not take fast enough is dropped, counted, and said.
 *   TE3. `close` takes no longer than `closeMs`, whatever the collector does.
 */
import { readFileSync } from 'node:fs'
import type { Resource } from '@opentelemetry/resources'
import type { Clock } from '../kernel/clock.ts'
import { realClock } from '../kernel/clock.ts'
import { messageOf } from '../kernel/errors.ts'
import type { KeysOf } from '../kernel/known-keys.ts'
import { checkKeys } from '../kernel/known-keys.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Door } from './route.ts'
import type { Meters } from './telemetry/exporters.ts'
import { openMeters, openTraces } from './telemetry/exporters.ts'
import type { Metrics } from './telemetry/metrics.ts'
import { createMetrics } from './telemetry/metrics.ts'
import { createRecorder } from './telemetry/records.ts'
import type { Otel } from './telemetry/sdk.ts'
import { loadOtel } from './telemetry/sdk.ts'
import type { Settings } from './telemetry/settings.ts'
import { whyOutOfReach } from './telemetry/reach.ts'
import { checkUrl, describeSettings, originOf, readSettings } from './telemetry/settings.ts'
import { createSpans } from './telemetry/spans.ts'
import { createCallers } from './telemetry/traceparent.ts'

export interface TelemetryOptions {
  readonly kernel: Kernel
  /** Base address of the collector; `/v1/traces` and `/v1/metrics` are added. @default OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4318 */
  readonly url?: string
  /** Whether messages, arguments and results are sent too. @default OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT, else no */
  readonly content?: boolean
  /** Longest that `close` waits for the collector, ms. @default 2000 */
  readonly closeMs?: number
  /** Other than the environment says (OTEL_BSP_…, OTEL_METRIC_EXPORT_INTERVAL). */
  readonly limits?: Partial<Pick<Settings, 'queueMax' | 'batchMax' | 'batchMs' | 'metricsMs'>>
  /** The kernel's. @default the machine's */
  readonly clock?: Clock
  /** Told when sending begins to fail, when it works again, and at the end what was lost. @default a warning of the process */
  readonly onProblem?: (text: string) => void
}

export interface TelemetryCounts {
  /** Spans that were made. */
  readonly spans: number
  /** Of these, those that the collector took. */
  readonly sent: number
  /** Of these, those that it never will: refused, not taken in time, or too many at once. */
  readonly dropped: number
  /** Events of the journal of which nothing could be made. */
  readonly missed: number
}

export interface Telemetry {
  /** The kernel as doors are to have it, so that a run is a child of the span that its request names (`traceparent`). */
  readonly kernel: Kernel
  /** The doors that were made with it. */
  doors(doors: readonly Door[]): readonly Door[]
  readonly counts: TelemetryCounts
  /** What is sent where, in words. */
  readonly summary: string
  /** Sends what there is. Never rejects; resolves when it was taken or given up. */
  flush(): Promise<void>
  /** Sends what there is, within `closeMs`, and ends. After the kernel's own `close`, so that its last words are heard. */
  close(): Promise<void>
}

const CLOSE_MS = 2_000

/** Throws `CONFIG_INVALID` where telemetry could not start: a package is missing, a variable is wrong. */
export async function checkTelemetry(): Promise<void> {
  readSettings(process.env)
  await loadOtel()
}

const optionKeys: KeysOf<TelemetryOptions> = {
  kernel: true,
  url: true,
  content: true,
  closeMs: true,
  limits: true,
  clock: true,
  onProblem: true,
}

/** Exports what happens from now on. Throws `CONFIG_INVALID`. */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  checkKeys('startTelemetry', options, optionKeys)
  const { kernel, url, closeMs = CLOSE_MS, clock = realClock() } = options
  const onProblem = options.onProblem ?? ((text) => process.emitWarning(text))
  if (url !== undefined) checkUrl(url, 'telemetry: url')
  const read = readSettings(process.env)
  const content = options.content ?? read.content
  const settings: Settings = { ...read, ...options.limits, content }
  const otel = await loadOtel()
  const scope = scopeOf()
  const resource = resourceOf(otel, scope)
  const say = { traces: reporter('spans', onProblem), metrics: reporter('metrics', onProblem) }
  const traces = settings.traces ? openTraces(otel, addressOf(url, 'traces'), settings, say.traces) : undefined
  const meters = settings.metrics
    ? openMeters(otel, addressOf(url, 'metrics'), settings, resource, say.metrics)
    : undefined
  // Where no span is sent, nobody asks whose child it is.
  const callers = traces === undefined ? undefined : createCallers(kernel, clock)
  const metrics = meters === undefined ? undefined : metricsOf(meters)
  const ends = [traces, meters].filter((one) => one !== undefined)
  let missed = 0

  function metricsOf({ provider }: Meters): Metrics {
    const meter = provider.getMeter(scope.name, scope.version)
    meter
      .createObservableCounter('polity.telemetry.spans.dropped', {
        unit: '{span}',
        description: 'Spans that the collector never took.',
      })
      .addCallback((result) => result.observe(traces?.counts.dropped ?? 0))
    return createMetrics(meter, kernel)
  }

  const spans = createSpans({ otel, resource, scope, content, embedder: kernel.embedder })
  const recorder = createRecorder({
    eventsOf: kernel.events,
    remoteOf: (pid) => callers?.take(pid),
    clock,
    keepPrompts: content,
    onCall(call) {
      metrics?.ofCall(call)
      const span = traces === undefined ? undefined : spans.ofCall(call)
      if (span !== undefined) traces?.send(span)
    },
    onProcess(ended, end) {
      metrics?.ofProcess(ended, end)
      traces?.send(spans.ofProcess(ended, end))
    },
    onMissed(events, why) {
      if (missed === 0) onProblem(`telemetry: some of what happened is missing: ${messageOf(why)}`)
      missed += events
    },
  })
  const leave =
    traces === undefined && metrics === undefined ? () => {} : kernel.watch(recorder.hear, { text: 'if-streamed' })

  // Said early, and once: of what goes on failing nothing more is said.
  const first = settings.traces ? 'traces' : settings.metrics ? 'metrics' : undefined
  if (first !== undefined)
    void whyOutOfReach(originOf(first, url, process.env)).then(
      (problem) => problem !== undefined && closing === undefined && say[first](problem),
    )

  async function flush(): Promise<void> {
    await recorder.idle()
    // What becomes of it is counted and told where it is sent.
    await Promise.allSettled(ends.map((one) => one.flush()))
  }

  let closing: Promise<void> | undefined
  return {
    kernel: callers?.kernel ?? kernel,
    doors: callers?.doors ?? ((doors) => doors),
    summary: describeSettings(settings, url, process.env),
    get counts() {
      return { spans: 0, sent: 0, dropped: 0, ...traces?.counts, missed }
    },
    flush,
    close: () =>
      (closing ??= (async () => {
        leave()
        const gone = (async () => {
          await recorder.idle()
          await Promise.allSettled(ends.map((one) => one.shutdown()))
        })()
        await atMost(closeMs, gone)
        for (const end of ends) end.giveUp()
        const { spans: made, dropped } = traces?.counts ?? { spans: 0, dropped: 0 }
        if (dropped > 0) onProblem(`telemetry: ${dropped} of ${made} spans were not taken by the collector`)
      })()),
  }
}

/** Who makes the spans. */
function scopeOf(): Scope {
  const { name, version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as Scope
  return { name, version }
}

interface Scope {
  readonly name: string
  readonly version: string
}

/** Who sends: what the environment says (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES) goes before what we say. */
function resourceOf({ resources }: Otel, { name, version }: Scope): Resource {
  return resources
    .defaultResource()
    .merge(resources.resourceFromAttributes({ 'service.name': name, 'service.version': version }))
    .merge(resources.detectResources({ detectors: [resources.resourceAttributesEnvDetector] }))
    .merge(resources.detectResources({ detectors: [resources.serviceNameEnvDetector] }))
}

function addressOf(url: string | undefined, signal: 'traces' | 'metrics'): { readonly url?: string } {
  return url === undefined ? {} : { url: `${url.replace(/\/+$/, '')}/v1/${signal}` }
}

/** Says when sending begins to fail, and when it works again; nothing in between. */
function reporter(what: string, onProblem: (text: string) => void): (problem: unknown) => void {
  let isFailing = false
  return (problem) => {
    if (problem === undefined && isFailing) onProblem(`telemetry: ${what} are taken by the collector again`)
    if (problem !== undefined && !isFailing)
      onProblem(`telemetry: ${what} are not taken by the collector (${messageOf(problem)}); what runs goes on`)
    isFailing = problem !== undefined
  }
}

/** Waits for sockets, which do not keep to a clock that is simulated. */
async function atMost(ms: number, done: Promise<unknown>): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = realClock().after(ms, resolve)
    void done.finally(() => {
      timer.cancel()
      resolve()
    })
  })
}
