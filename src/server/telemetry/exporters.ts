/**
 * The way to the collector: OpenTelemetry's own processor, reader and exporters, with what becomes of each span counted.
 *
 *     const traces = openTraces(otel, {}, settings, say)
 *     traces.send(span)
 *     traces.counts                    // { spans, sent, dropped }
 *
 * Invariants
 *   EX1. A span that was made is sent, dropped, or one of the at most `queueMax` that wait; never two of these.
 *   EX2. `send` does not wait.
 */
import type { Agent } from 'node:http'
import type { AgentOptions } from 'node:https'
import type { Resource } from '@opentelemetry/resources'
import type { MeterProvider, PushMetricExporter } from '@opentelemetry/sdk-metrics'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace'
import type { Otel } from './sdk.ts'
import type { Certificates, Settings } from './settings.ts'

/** How a request went: undefined, or why the collector did not take it. */
type Say = (problem: unknown) => void

interface Way {
  /** Sends what there is. Rejects where the collector does not take it. */
  flush(): Promise<unknown>
  /** The same, for the last time. */
  shutdown(): Promise<unknown>
  /** What still waits is dropped, and connections are cut: they would hold a program that wants to end. */
  giveUp(): void
}

export interface Traces extends Way {
  readonly counts: { readonly spans: number; readonly sent: number; readonly dropped: number }
  send(span: ReadableSpan): void
}

export interface Meters extends Way {
  readonly provider: MeterProvider
}

/** Where to: with the whole address of the signal, or what the environment says. */
interface Address {
  readonly url?: string
}

export function openTraces(otel: Otel, address: Address, settings: Settings, say: Say): Traces {
  const line = openLine(settings.certificates.traces)
  const exporter = new otel.otlpTraces.OTLPTraceExporter({ ...address, httpAgentOptions: line.agentOf })
  const counts = { spans: 0, sent: 0, dropped: 0 }
  let waiting = 0
  let isOver = false
  const counted: SpanExporter = {
    export(spans, done) {
      exporter.export(spans, (result) => {
        if (!isOver) {
          waiting -= spans.length
          if (result.code === TAKEN) counts.sent += spans.length
          else counts.dropped += spans.length
          say(problemOf(result))
        }
        done(result)
      })
    },
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  }
  const { queueMax, batchMax, batchMs } = settings
  const processor = new otel.trace.BatchSpanProcessor({
    exporter: counted,
    maxQueueSize: queueMax,
    maxExportBatchSize: Math.min(queueMax, batchMax),
    scheduledDelayMillis: batchMs,
  })
  return {
    counts,
    send(span) {
      counts.spans++
      // The processor's own queue drops in silence, so it is never let run full.
      if (isOver || waiting >= queueMax) counts.dropped++
      else {
        waiting++
        processor.onEnd(span)
      }
    },
    giveUp() {
      isOver = true
      counts.dropped += waiting
      waiting = 0
      line.cut()
    },
    flush: () => processor.forceFlush(),
    shutdown: () => processor.shutdown(),
  }
}

export function openMeters(otel: Otel, address: Address, settings: Settings, resource: Resource, say: Say): Meters {
  const line = openLine(settings.certificates.metrics)
  const exporter = new otel.otlpMetrics.OTLPMetricExporter({ ...address, httpAgentOptions: line.agentOf })
  let isOver = false
  let pending = 0
  const told: PushMetricExporter = {
    export(data, done) {
      pending++
      exporter.export(data, (result) => {
        pending--
        if (!isOver) say(problemOf(result))
        done(result)
      })
    },
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
    selectAggregationTemporality: (type) => exporter.selectAggregationTemporality(type),
    selectAggregation: (type) => exporter.selectAggregation(type),
  }
  const reader = new otel.metrics.PeriodicExportingMetricReader({
    exporter: told,
    exportIntervalMillis: settings.metricsMs,
  })
  const provider = new otel.metrics.MeterProvider({ resource, readers: [reader] })
  return {
    provider,
    flush: () => provider.forceFlush(),
    shutdown: () => provider.shutdown(),
    giveUp() {
      if (pending > 0) say('not in time')
      isOver = true
      line.cut()
    },
  }
}

interface Line {
  /** Makes the agent that holds the connections of an exporter. */
  agentOf(protocol: string): Promise<Agent>
  /** Ends them, and makes no others. */
  cut(): void
}

/** Connections that can be cut. */
function openLine(certificates: Certificates): Line {
  const options: AgentOptions = { keepAlive: true, ...certificates }
  let agent: Agent | undefined
  let isCut = false
  return {
    async agentOf(protocol) {
      const { Agent } = protocol === 'https:' ? await import('node:https') : await import('node:http')
      agent = new Agent(options)
      if (isCut) refuse(agent)
      return agent
    },
    cut() {
      isCut = true
      if (agent !== undefined) refuse(agent)
    },
  }
}

function refuse(agent: Agent): void {
  agent.createConnection = (_options, done) => {
    // Without a code it is no failure of the network, after which the exporter would try again.
    done?.(new Error('telemetry has ended'), undefined as never)
    return undefined
  }
  agent.destroy()
}

/** `ExportResultCode.SUCCESS`, of a package that nothing else here needs. */
const TAKEN = 0

function problemOf({ code, error }: { readonly code: number; readonly error?: Error }): unknown {
  return code === TAKEN ? undefined : (error ?? 'it gave no reason')
}
