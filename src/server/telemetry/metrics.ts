/**
 * Metrics: those of the GenAI conventions for a client of models, and the kernel's own, in line with what Prometheus is
 * given (../metrics.ts), whose names they have with dots for underscores.
 *
 *     const metrics = createMetrics(meterProvider.getMeter('polity'), kernel)
 *     metrics.ofCall(record)
 *
 * Invariant
 *   MX1. No attribute has a value that a client can choose: principals, programs and tools are left out, and a call of a
 *        model that nobody serves has reached none.
 */
import type { Attributes, Meter, ObservableGauge } from '@opentelemetry/api'
import type { CoreInfo, Kernel } from '../../kernel/kernel.ts'
import type { ProcessEnd } from '../../kernel/types.ts'
import { askedOf, modelOf, wasSent } from './names.ts'
import type { CallRecord, Traced } from './records.ts'

export interface Metrics {
  ofCall(call: CallRecord): void
  ofProcess(process: Traced, end: ProcessEnd): void
}

/** The buckets that the conventions ask for, s. */
const SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
/** Waiting for people takes longer, s. */
const PATIENCE = [0.1, 1, 10, 60, 300, 900, 3_600, 14_400, 86_400]
const TOKENS = Array.from({ length: 14 }, (_, power) => 4 ** power)

export function createMetrics(meter: Meter, kernel: Kernel): Metrics {
  describeStanding(meter, kernel)
  const { embedder } = kernel
  const histogram = (name: string, unit: string, description: string, explicitBucketBoundaries: number[]) =>
    meter.createHistogram(name, { unit, description, advice: { explicitBucketBoundaries } })
  const duration = histogram('gen_ai.client.operation.duration', 's', 'GenAI operation duration.', SECONDS)
  const firstChunk = histogram(
    'gen_ai.client.operation.time_to_first_chunk',
    's',
    'Time to receive the first text of a model that streams.',
    SECONDS,
  )
  const tokens = histogram('gen_ai.client.token.usage', '{token}', 'Number of input and output tokens used.', TOKENS)
  const queue = histogram('polity.queue.wait', 's', 'Time of model calls in the queue of a core.', SECONDS)
  const approval = histogram(
    'polity.approval.wait',
    's',
    'Time of calls that waited for a person to allow them.',
    PATIENCE,
  )
  const processes = histogram('polity.process.duration', 's', 'From the start of a process to its end.', PATIENCE)
  const counter = (name: string, unit: string, description: string) => meter.createCounter(name, { unit, description })
  const calls = counter('polity.calls', '{call}', 'System calls that ended.')
  const errors = counter(
    'polity.errors',
    '{error}',
    'System calls that ended with an error; budgets that refused one too.',
  )
  const decisions = counter(
    'polity.decisions',
    '{decision}',
    'What became of tool calls before the law: let through, denied, or asked about.',
  )
  const usd = counter('polity.usd', 'USD', 'US dollars for model calls, by the price table.')

  function ofModel(call: CallRecord): void {
    const asked = askedOf(call, embedder)
    if (asked === undefined) return
    const { endedAt, startedAt, sentAt, firstTextAt, end, error, cancelled } = call
    const { provider, model } = modelOf(asked.request)
    const attributes: Attributes = {
      'gen_ai.operation.name': asked.operation,
      'gen_ai.provider.name': provider,
      'gen_ai.request.model': model,
      ...(asked.response === undefined ? {} : { 'gen_ai.response.model': modelOf(asked.response).model }),
    }
    const begun = sentAt ?? startedAt
    if (wasSent(call) && !cancelled)
      duration.record(Math.max(0, endedAt - begun) / 1e3, {
        ...attributes,
        ...(error === undefined ? {} : { 'error.type': error.code }),
      })
    if (firstTextAt !== undefined) firstChunk.record(Math.max(0, firstTextAt - begun) / 1e3, attributes)
    if (end?.usage === undefined) return
    tokens.record(end.usage.inputTokens, { ...attributes, 'gen_ai.token.type': 'input' })
    if (asked.operation === 'chat')
      tokens.record(end.usage.outputTokens, { ...attributes, 'gen_ai.token.type': 'output' })
    if (end.usage.usd > 0) usd.add(end.usage.usd, { 'polity.core': asked.response ?? 'none' })
  }

  return {
    ofCall(call) {
      const { start, end, error, core } = call
      ofModel(call)
      if (call.wasQueued) queue.record(call.queueMs / 1e3, { 'polity.core': core ?? 'none' })
      if (call.wasAsked) {
        approval.record(call.askedMs / 1e3)
        decisions.add(1, { 'polity.effect': 'ask' })
      }
      if (end === undefined) return
      const isRefused = end.refused === true
      const outcome = isRefused ? 'refused' : error === undefined ? 'done' : 'failed'
      calls.add(1, { 'polity.call.name': start.call, 'polity.outcome': outcome })
      if (error !== undefined) errors.add(1, { 'error.type': error.code })
      if (isRefused) decisions.add(1, { 'polity.effect': 'deny' })
      else if (start.call === 'call') decisions.add(1, { 'polity.effect': 'allow' })
    },
    ofProcess({ start }, end) {
      processes.record(Math.max(0, end.at - start.at) / 1e3, { 'polity.state': end.state })
    },
  }
}

/** What is looked up when metrics are sent. */
function describeStanding(meter: Meter, kernel: Kernel): void {
  const gauge = (
    name: string,
    unit: string,
    description: string,
    look: (set: (value: number, attributes: Attributes) => void) => void,
  ): void => {
    const made: ObservableGauge = meter.createObservableGauge(name, { unit, description })
    made.addCallback((result) => look((value, attributes) => result.observe(value, attributes)))
  }
  gauge('polity.processes', '{process}', 'Processes in the table of the kernel.', (set) => {
    const counts = { running: 0, stopped: 0, done: 0, failed: 0, killed: 0 }
    for (const { state } of kernel.ps()) counts[state]++
    for (const [state, count] of Object.entries(counts)) set(count, { 'polity.state': state })
  })
  gauge('polity.questions', '{question}', 'Questions that wait for a person.', (set) => {
    const counts = { ask: 0, approval: 0, 'in-doubt': 0 }
    for (const { kind } of kernel.questions) counts[kind]++
    for (const [kind, count] of Object.entries(counts)) set(count, { 'polity.kind': kind })
  })
  const ofCores = (name: string, unit: string, description: string, value: (core: CoreInfo) => number): void =>
    gauge(name, unit, description, (set) => {
      for (const core of kernel.cores) set(value(core), { 'polity.core': core.id })
    })
  ofCores('polity.core.slots', '{call}', 'Calls that a core takes at once.', (core) => core.slots)
  ofCores('polity.core.busy', '{call}', 'Calls that a core serves.', (core) => core.inFlight)
  ofCores('polity.core.queue.length', '{call}', 'Calls that wait for a core.', (core) => core.waiting)
  ofCores('polity.core.breaker.open', '1', '1 while the circuit breaker of a core is open.', (core) =>
    Number(core.open),
  )
}
