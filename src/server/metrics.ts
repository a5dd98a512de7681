/**
 * Metrics for Prometheus: how the kernel does, at GET /metrics, in its text format.
 *
 *     await startServer({ doors: [metricsDoor({ kernel })], … })
 *
 * What stands (processes, cores, questions) is looked up when it is asked for. What happens (calls, tokens, money) is
 * counted from when the door is made, whether somebody asks or not; no model streams for it.
 *
 * Invariants
 *   ME1. Nothing is kept outside this door: the registry is its own.
 *   ME2. No label has a value that a client can choose: principals, programs and names of tools are left out.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { LabelValues } from 'prom-client'
import { Counter, Gauge, Registry } from 'prom-client'
import type { Kernel } from '../kernel/kernel.ts'
import type { CallUsage, JournalEvent, Pid, RunEvent } from '../kernel/types.ts'
import type { Door } from './route.ts'

export interface MetricsOptions {
  readonly kernel: Kernel
}

export function metricsDoor({ kernel }: MetricsOptions): Door {
  const registry = new Registry()
  const registers = [registry]
  describeStanding(kernel, registers)
  kernel.watch(counting(registers), { text: false })
  describeDelay(registers)
  return {
    routes: [
      {
        method: 'GET',
        path: '/metrics',
        scope: 'admin',
        async handle({ replyText }) {
          replyText(200, registry.contentType, await registry.metrics())
        },
      },
    ],
  }
}

/** What is looked up. */
function describeStanding(kernel: Kernel, registers: Registry[]): void {
  gauge(
    'polity_processes',
    'Processes in the table: those that run or are stopped, and those that ended lately',
    ['state'],
    registers,
    (set) => {
      const counts = { running: 0, stopped: 0, done: 0, failed: 0, killed: 0 }
      for (const { state } of kernel.ps()) counts[state]++
      for (const [state, count] of Object.entries(counts)) set({ state }, count)
    },
  )
  gauge('polity_questions', 'Questions that wait for a person', ['kind'], registers, (set) => {
    const counts = { ask: 0, approval: 0, 'in-doubt': 0 }
    for (const { kind } of kernel.questions) counts[kind]++
    for (const [kind, count] of Object.entries(counts)) set({ kind }, count)
  })
  /** Nothing is shown of a core where there is no value yet. */
  const ofCores = (name: string, help: string, value: (core: Kernel['cores'][number]) => number | null): void =>
    gauge(name, help, ['core'], registers, (set) => {
      for (const core of kernel.cores) {
        const one = value(core)
        if (one !== null) set({ core: core.id }, one)
      }
    })
  ofCores('polity_core_slots', 'Calls that a core takes at once, as declared or learned', (core) => core.slots)
  ofCores('polity_core_busy', 'Calls that a core serves', (core) => core.inFlight)
  ofCores('polity_core_queue_length', 'Calls that wait for a core', (core) => core.waiting)
  ofCores('polity_core_breaker_open', '1 while the circuit breaker of a core is open', (core) => Number(core.open))
  ofCores('polity_core_admitted', 'Calls that a core was sent since the kernel began', (core) => core.admitted)
  ofCores('polity_core_refused', 'Of these, those that the provider refused for going too fast', (core) => core.refused)
  ofCores('polity_core_failed', 'Of these, those that failed', (core) => core.failed)
  ofCores(
    'polity_core_token_ratio',
    'What estimated tokens are multiplied by, learned from what the provider counted',
    (core) => core.tokenRatio,
  )
  ofCores(
    'polity_core_estimate_error',
    'By what share of the counted input tokens the estimates were wrong; absent before the first count',
    (core) => core.estimateError,
  )
}

type Set<Label extends string> = (labels: { readonly [name in Label]: string }, value: number) => void

function gauge<Label extends string>(
  name: string,
  help: string,
  labelNames: readonly Label[],
  registers: Registry[],
  look: (set: Set<Label>) => void,
): void {
  void new Gauge({
    name,
    help,
    labelNames: [...labelNames],
    registers,
    collect() {
      this.reset()
      look((labels, value) => this.set(labels as LabelValues<Label>, value))
    },
  })
}

/** What is counted: a listener for every event of the kernel. */
function counting(registers: Registry[]): (event: RunEvent) => void {
  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> =>
    new Counter({ name, help, labelNames: [...labelNames], registers })
  const events = counter('polity_journal_events_total', 'Events that the store has kept', ['type'])
  const processes = counter('polity_processes_ended_total', 'Processes that ended', ['state'])
  const calls = counter('polity_calls_total', 'System calls that ended', ['call', 'outcome'])
  const errors = counter('polity_errors_total', 'System calls that ended with an error', ['code'])
  const tokens = counter('polity_tokens_total', 'Tokens of model calls; cached ones are input too', ['core', 'kind'])
  const usd = counter('polity_usd_total', 'US dollars for model calls, by the price table', ['core'])
  const decisions = counter(
    'polity_decisions_total',
    'What became of tool calls before the law: let through, denied, or asked about',
    ['effect'],
  )
  /** Names of the open calls, to know of what an end is. */
  const open = new Map<Pid, Map<number, string>>()

  function ended(event: JournalEvent & { readonly type: 'call-end' }): void {
    const calling = open.get(event.pid)
    const call = calling?.get(event.n) ?? 'unknown'
    calling?.delete(event.n)
    const { error, refused, usage, value } = event
    calls.inc({ call, outcome: refused === true ? 'refused' : error === undefined ? 'done' : 'failed' })
    if (error !== undefined) errors.inc({ code: error.code })
    if (refused === true) decisions.inc({ effect: 'deny' })
    else if (call === 'call') decisions.inc({ effect: 'allow' })
    if (usage !== undefined) count(usage, (value as { readonly model?: string } | undefined)?.model ?? 'none')
  }

  function count(usage: CallUsage, core: string): void {
    tokens.inc({ core, kind: 'input' }, usage.inputTokens)
    tokens.inc({ core, kind: 'cached' }, usage.cachedTokens)
    tokens.inc({ core, kind: 'output' }, usage.outputTokens)
    usd.inc({ core }, usage.usd)
  }

  return (event) => {
    if (event.type === 'text-delta') return
    events.inc({ type: event.type })
    if (event.type === 'call-start') {
      const calling = open.get(event.pid)
      if (calling === undefined) open.set(event.pid, new Map([[event.n, event.call]]))
      else calling.set(event.n, event.call)
    } else if (event.type === 'call-end') ended(event)
    else if (event.type === 'call-wait' && event.core === null) decisions.inc({ effect: 'ask' })
    else if (event.type === 'process-end') {
      open.delete(event.pid)
      processes.inc({ state: event.state })
    }
  }
}

/** How late the event loop is, since the last time somebody asked. */
function describeDelay(registers: Registry[]): void {
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })
  delay.enable()
  gauge(
    'polity_event_loop_delay_seconds',
    'How late the event loop was since the last look',
    ['quantile'],
    registers,
    (set) => {
      // Of a timer that runs every few ms: its own time is not lateness. Nothing measured yet: NaN.
      const late = (ns: number): number => Math.max(0, (Number.isFinite(ns) ? ns : 0) / 1e9 - DELAY_RESOLUTION_MS / 1e3)
      set({ quantile: '0.5' }, late(delay.percentile(50)))
      set({ quantile: '0.99' }, late(delay.percentile(99)))
      set({ quantile: '1' }, late(delay.max))
      delay.reset()
    },
  )
}

/** How often the delay of the loop is measured, ms: fine enough for the kernel's slices of 5 ms (limits.sliceMs). */
const DELAY_RESOLUTION_MS = 10
