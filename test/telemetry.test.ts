/**
 * Telemetry as a collector sees it: a real one on loopback, which takes OTLP in JSON, and real runs on real kernels; only
 * the models are scripted. What is expected of spans is worked out from the journal.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import type { Context } from '../src/cli/command.ts'
import { serve as serveCommand } from '../src/cli/commands/serve.ts'
import { parseCommandLine } from '../src/cli/options.ts'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { realClock, simulatedClock } from '../src/kernel/clock.ts'
import { PolityError } from '../src/kernel/errors.ts'
import type { Kernel, KernelOptions, Run } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { CallEnd, CallStart, JournalEvent, Json, Pid, Program, RunOptions, Sys } from '../src/kernel/types.ts'
import { parseLaw } from '../src/policy/law.ts'
import { startServer } from '../src/server/http.ts'
import { createModelDoor } from '../src/server/model-door.ts'
import { openaiDoor } from '../src/server/openai/door.ts'
import type { Telemetry, TelemetryOptions } from '../src/server/telemetry.ts'
import { startTelemetry } from '../src/server/telemetry.ts'
import { modelOf } from '../src/server/telemetry/names.ts'
import { createRecorder } from '../src/server/telemetry/records.ts'
import { describeSettings, readSettings } from '../src/server/telemetry/settings.ts'
import { createCallers, parseTraceparent } from '../src/server/telemetry/traceparent.ts'
import { cutStore, endOf, recordingStore, settled, tool, within } from './world.ts'

const isLong = process.env['POLITY_LONG'] === '1'
const folder = mkdtempSync(join(tmpdir(), 'polity-telemetry-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const ends: (() => unknown)[] = []
// Collectors last.
after(async () => {
  for (const end of ends.toReversed()) await end()
})

// --------------------------------------------------------------------------------------------------------- a collector

type Value = string | number | boolean | readonly Value[]

interface Span {
  readonly name: string
  readonly kind: number
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  /** ms since 1970. */
  readonly startedAt: number
  readonly endedAt: number
  readonly attributes: { readonly [name: string]: Value }
  readonly status: { readonly code?: number; readonly message?: string }
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
}

interface Point {
  readonly attributes: { readonly [name: string]: Value }
  /** Of a histogram, how many; else the value. */
  readonly count: number
  readonly sum: number
}

interface Collector {
  readonly url: string
  readonly spans: readonly Span[]
  /** The last that was sent of a metric. */
  points(name: string): readonly Point[]
  readonly metricNames: readonly string[]
  readonly resource: { readonly [name: string]: Value }
  /** Everything that was received, as text. */
  readonly received: readonly string[]
  readonly headers: readonly NodeJS.Dict<string | string[]>[]
  /** How it answers: a status, or not at all. */
  answer: number | 'never'
  close(): Promise<void>
}

async function collector(answer: Collector['answer'] = 200): Promise<Collector> {
  const received: string[] = []
  const headers: NodeJS.Dict<string | string[]>[] = []
  const spans: Span[] = []
  const metrics = new Map<string, readonly Point[]>()
  let resource: Collector['resource'] = {}
  const server: Server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    request.on('end', () => {
      received.push(text)
      headers.push(request.headers)
      if (self.answer === 'never') return
      if (self.answer === 200) {
        if (request.url === '/v1/traces') takeSpans(JSON.parse(text))
        else if (request.url === '/v1/metrics') takeMetrics(JSON.parse(text))
        else response.statusCode = 404
      } else response.statusCode = self.answer
      response.setHeader('content-type', 'application/json').end('{}')
    })
  })

  function takeSpans(body: { resourceSpans: Raw[] }): void {
    for (const { resource: of, scopeSpans } of body.resourceSpans) {
      resource = attributesOf(of)
      for (const scope of scopeSpans)
        for (const span of scope.spans)
          spans.push({
            name: span.name,
            kind: span.kind,
            traceId: span.traceId,
            spanId: span.spanId,
            parentSpanId: span.parentSpanId,
            startedAt: Number(BigInt(span.startTimeUnixNano)) / 1e6,
            endedAt: Number(BigInt(span.endTimeUnixNano)) / 1e6,
            attributes: attributesOf(span),
            status: span.status,
            links: span.links,
          })
    }
  }

  function takeMetrics(body: { resourceMetrics: Raw[] }): void {
    for (const { scopeMetrics } of body.resourceMetrics)
      for (const scope of scopeMetrics)
        for (const metric of scope.metrics) {
          const { dataPoints } = metric.histogram ?? metric.sum ?? metric.gauge
          metrics.set(
            metric.name,
            dataPoints.map((point: Raw) => ({
              attributes: attributesOf(point),
              count: Number(point.count ?? point.asInt ?? point.asDouble),
              sum: Number(point.sum ?? 0),
            })),
          )
        }
  }

  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const self: Collector = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    points: (name) => metrics.get(name) ?? [],
    get metricNames() {
      return [...metrics.keys()]
    },
    get resource() {
      return resource
    },
    received,
    headers,
    answer,
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
  ends.push(self.close)
  return self
}

// oxlint-disable-next-line no-explicit-any -- what was received is not ours to type
type Raw = any

function attributesOf({ attributes }: Raw): { [name: string]: Value } {
  return Object.fromEntries(attributes.map(({ key, value }: Raw) => [key, valueOf(value)]))
}

function valueOf(value: Raw): Value {
  if (value.arrayValue !== undefined) return value.arrayValue.values.map(valueOf)
  return value.stringValue ?? value.boolValue ?? Number(value.intValue ?? value.doubleValue)
}

// -------------------------------------------------------------------------------------------------------------- worlds

interface World {
  readonly kernel: Kernel
  readonly telemetry: Telemetry
  readonly collector: Collector
  /** What the owner was told. */
  readonly problems: readonly string[]
  settled<T>(promise: Promise<T>): Promise<T>
  /** Everything is sent. */
  sent(): Promise<readonly Span[]>
}

async function world(
  options: Partial<KernelOptions> & { readonly telemetry?: Partial<TelemetryOptions>; readonly at?: Collector } = {},
): Promise<World> {
  const { telemetry: telemetryOptions, at, ...kernelOptions } = options
  const to = at ?? (await collector())
  const clock = simulatedClock({ seed: 1, startMs: 1_700_000_000_000 })
  const problems: string[] = []
  const kernel = createKernel({ clock, store: memoryStore(), ...kernelOptions })
  const telemetry = await startTelemetry({
    kernel,
    url: to.url,
    clock: kernelOptions.clock ?? clock,
    onProblem: (text) => problems.push(text),
    ...telemetryOptions,
  })
  ends.push(async () => {
    await kernel.close()
    await telemetry.close()
  })
  return {
    kernel,
    telemetry,
    collector: to,
    problems,
    settled: (promise) => settled(clock, promise),
    async sent() {
      await kernel.flush()
      await within(5_000, telemetry.flush(), 'the flush')
      return to.spans
    },
  }
}

function program<Input extends Json>(
  name: string,
  run: (sys: Sys, input: Input) => Promise<Json>,
  more: Partial<Program> = {},
): Program<Input, Json> {
  return { ...defineProgram(name, run), ...more } as Program<Input, Json>
}

const one = <T>(found: readonly T[]): T => {
  assert.equal(found.length, 1, `${found.length} instead of one`)
  return found[0] as T
}

/** Rounded as nanoseconds of a float are. */
const near = (actual: number, expected: number, what: string): void =>
  assert.ok(Math.abs(actual - expected) < 0.001, `${what}: ${actual} instead of ${expected}`)

// --------------------------------------------------------------------------------------------------------------- spans

/** What a drawn program does, one after another. */
type Step =
  | { readonly do: 'generate' | 'fail' | 'tool' | 'broken' | 'denied' | 'unknown' | 'sleep' | 'remember' | 'ask' }
  | { readonly do: 'spawn'; readonly steps: readonly Step[]; readonly wait: boolean }
  | { readonly do: 'beside'; readonly steps: readonly Step[] }

const { steps: stepsArbitrary } = fc.letrec<{ steps: Step[]; step: Step }>((tie) => ({
  steps: fc.array(tie('step'), { maxLength: 4 }),
  step: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.record({
      do: fc.constantFrom(
        ...(['generate', 'fail', 'tool', 'broken', 'denied', 'unknown', 'sleep', 'remember', 'ask'] as const),
      ),
    }),
    fc.record({ do: fc.constant('spawn' as const), steps: tie('steps'), wait: fc.boolean() }),
    fc.record({ do: fc.constant('beside' as const), steps: tie('steps') }),
  ),
}))

const drawn: Program<readonly Step[], Json> = program('drawn', async (sys: Sys, steps: Json): Promise<Json> => {
  for (const step of steps as unknown as readonly Step[]) await take(sys, step).catch(() => null)
  return null
}) as unknown as Program<readonly Step[], Json>

async function take(sys: Sys, step: Step): Promise<unknown> {
  switch (step.do) {
    case 'generate':
      return sys.generate({ prompt: 'hello', temperature: 0.5, maxOutputTokens: 20 })
    case 'fail':
      return sys.generate('fail')
    case 'tool':
      return sys.call('look', { at: 1 })
    case 'broken':
      return sys.call('broken', null)
    case 'denied':
      return sys.call('forbidden', null)
    case 'unknown':
      return sys.call('nowhere', null)
    case 'sleep':
      return sys.sleep(7)
    case 'remember':
      return sys.remember('a note')
    case 'ask':
      return sys.ask('well?', { timeoutMs: 30, default: 'yes' })
    case 'spawn': {
      const pid = await sys.spawn(drawn, step.steps)
      return step.wait ? sys.wait(pid) : null
    }
    default:
      return Promise.allSettled(step.steps.map((each) => take(sys, each)))
  }
}

const tools = [
  tool('look', () => 'seen'),
  tool('broken', () => {
    throw new Error('it broke')
  }),
  tool('forbidden', () => 'never'),
]
const law = parseLaw({
  rules: [
    { id: 'no', effect: 'deny', tool: 'forbidden' },
    { id: 'all', effect: 'allow', tool: '*' },
  ],
})

function drawnModel() {
  return scripted((call) =>
    promptText(call.prompt).includes('fail')
      ? { error: { statusCode: 400, message: 'no' } }
      : { text: 'world', usage: { inputTokens: 11, cachedTokens: 3, outputTokens: 5 } },
  )
}

/** Names of spans by the call that they are of; other calls are none. */
const spanNames: { readonly [call: string]: (args: Raw) => string } = {
  generate: (args) => `chat ${args.models[0].replace('maker/', '')}`,
  call: (args) => `execute_tool ${args?.tool ?? 'unknown'}`,
  spawn: (args) => `spawn ${args.program}`,
  fork: () => 'fork',
  wait: () => 'wait',
  ask: () => 'ask',
  sleep: () => 'sleep',
  receive: () => 'receive',
}

/** Fails unless the spans are those that the journals of these processes tell of, each once. */
function assertSpans(spans: readonly Span[], journals: ReadonlyMap<Pid, readonly JournalEvent[]>): void {
  const processes = new Map(
    spans.filter(({ name }) => name.startsWith('invoke_agent')).map((span) => [span.attributes['polity.pid'], span]),
  )
  assert.equal(new Set(spans.map(({ spanId }) => spanId)).size, spans.length, 'a span was sent twice')
  const wanted: string[] = []
  for (const [pid, events] of journals) {
    const [start] = events
    const end = events.at(-1)
    assert.ok(start?.type === 'process-start' && end?.type === 'process-end')
    const own = processes.get(pid)
    assert.ok(own !== undefined, `process ${pid} is no span`)
    wanted.push(own.spanId)
    assert.equal(own.name, `invoke_agent ${start.program}`)
    near(own.startedAt, start.at, 'start')
    near(own.endedAt, end.at, 'end')
    assert.equal(own.status.code, end.state === 'done' ? 0 : 2)
    assert.equal(own.attributes['error.type'], end.state === 'done' ? undefined : (end.error?.code ?? 'KILLED'))
    assert.equal(own.attributes['gen_ai.usage.output_tokens'], end.usage.outputTokens)
    const parent = start.parent === null ? undefined : processes.get(start.parent)
    assert.equal(own.traceId, parent?.traceId ?? own.traceId)
    const by = spans.find(
      ({ attributes }) => attributes['polity.pid'] === start.parent && attributes['polity.call'] === start.parentCall,
    )
    assert.equal(own.parentSpanId, by?.spanId, `process ${pid} is not within the call that spawned it`)
    assert.equal(by === undefined, start.parent === null)
    for (const called of events.filter((event): event is CallStart => event.type === 'call-start')) {
      const name = spanNames[called.call]?.(called.args)
      if (name === undefined) continue
      const span = one(
        spans.filter(
          ({ attributes, startedAt }) =>
            attributes['polity.pid'] === pid &&
            attributes['polity.call'] === called.n &&
            Math.abs(startedAt - called.at) < 0.001,
        ),
      )
      wanted.push(span.spanId)
      assert.equal(span.name, name)
      assert.deepEqual([span.traceId, span.parentSpanId], [own.traceId, own.spanId])
      const ended = events.find(
        (event): event is CallEnd => event.type === 'call-end' && event.n === called.n && event.seq > called.seq,
      )
      near(span.endedAt, ended?.at ?? end.at, 'end of a call')
      const code: string | undefined =
        ended === undefined ? (end.state === 'done' ? undefined : (end.error?.code ?? 'KILLED')) : ended.error?.code
      assert.deepEqual([span.status.code, span.attributes['error.type']], [code === undefined ? 0 : 2, code])
      assert.equal(span.attributes['polity.cancelled'] ?? false, ended === undefined)
      assert.equal(span.attributes['gen_ai.usage.input_tokens'], ended?.usage?.inputTokens)
      assert.equal(span.attributes['gen_ai.usage.output_tokens'], ended?.usage?.outputTokens)
      assert.equal(span.attributes['polity.refused'] ?? false, ended?.refused ?? false)
    }
  }
  assert.deepEqual(spans.map(({ spanId }) => spanId).toSorted(), wanted.toSorted(), 'there are spans of nothing')
}

async function journalsOf(kernel: Kernel): Promise<Map<Pid, readonly JournalEvent[]>> {
  const journals = new Map<Pid, readonly JournalEvent[]>()
  for (const { pid } of kernel.ps()) journals.set(pid, await kernel.events(pid))
  return journals
}

describe('spans', () => {
  test('every process, model call and tool call of the journal is one span, with its parent, times, tokens and end', async () => {
    const to = await collector()
    await fc.assert(
      fc.asyncProperty(
        fc.array(stepsArbitrary, { minLength: 1, maxLength: 3 }),
        fc.nat(60),
        async (runs, killAfter) => {
          const before = to.spans.length
          const {
            kernel,
            settled: ready,
            sent,
            telemetry,
          } = await world({
            at: to,
            models: { 'maker/model': { model: drawnModel(), slots: 2 } },
            model: 'maker/model',
            tools,
            law,
          })
          const started = runs.map((steps) => kernel.spawn(drawn, steps))
          // Some runs are killed on their way.
          const killer = kernel.spawn(async (sys: Sys) => {
            await sys.sleep(killAfter)
            kernel.kill((started[0] as Run).pid, 'enough')
          }, undefined)
          await ready(Promise.all([...started, killer].map(({ result }) => endOf(result))))
          await sent()
          assertSpans(to.spans.slice(before), await journalsOf(kernel))
          await kernel.close()
          await telemetry.close()
          const { spans, sent: taken, dropped, missed } = telemetry.counts
          assert.deepEqual([taken, dropped, missed], [spans, 0, 0])
        },
      ),
      { numRuns: isLong ? 300 : 12 },
    )
  })

  test('say what was asked of whom, what it took and what came of it, in the words of the conventions', async () => {
    const asked = program('asking', async (sys) => {
      await sys.generate({
        prompt: 'x',
        model: ['google/fast', 'openai.responses/slow'],
        temperature: 0.5,
        topP: 0.9,
        maxOutputTokens: 99,
        seed: 7,
      })
      await sys.embed(['abc'])
      return 'done'
    })
    const usage = { inputTokens: 100, cachedTokens: 40, outputTokens: 8 }
    const {
      kernel,
      settled: ready,
      sent,
      collector: to,
    } = await world({
      models: {
        'google/fast': scripted(() => ({ error: { statusCode: 503 } })),
        'openai.responses/slow': { model: scripted(() => ({ text: 'y', usage, finishReason: 'length' })) },
      },
      prices: { 'openai.responses/slow': { input: 1, output: 10, cached: 0.5 } },
      embedder: { name: 'mistral/embed', embed: (texts) => Promise.resolve(texts.map(() => [1])) },
    })
    const run = kernel.spawn(asked, null, { name: 'first', principal: 'ada' })
    await ready(run.result)
    const spans = await sent()
    const chat = one(spans.filter(({ name }) => name === 'chat fast'))
    assert.deepEqual(chat.attributes, {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'gcp.gemini',
      'gen_ai.request.model': 'fast',
      'gen_ai.response.model': 'slow',
      'gen_ai.response.finish_reasons': ['length'],
      'gen_ai.request.temperature': 0.5,
      'gen_ai.request.top_p': 0.9,
      'gen_ai.request.max_tokens': 99,
      'gen_ai.request.seed': 7,
      'gen_ai.usage.input_tokens': 100,
      'gen_ai.usage.output_tokens': 8,
      'gen_ai.usage.cache_read.input_tokens': 40,
      'polity.usage.usd': chat.attributes['polity.usage.usd'],
      'polity.core': 'openai.responses/slow',
      'polity.pid': run.pid,
      'polity.call': 0,
    })
    near(Number(chat.attributes['polity.usage.usd']), (60 * 1 + 40 * 0.5 + 8 * 10) / 1e6, 'dollars')
    assert.equal(chat.kind, 3, 'CLIENT')
    const embeddings = one(spans.filter(({ name }) => name === 'embeddings embed'))
    assert.equal(embeddings.attributes['gen_ai.provider.name'], 'mistral_ai')
    const agent = one(spans.filter(({ name }) => name === 'invoke_agent asking'))
    assert.equal(agent.kind, 1, 'INTERNAL')
    assert.deepEqual(
      Object.entries(agent.attributes).filter(([name]) => !name.includes('usage')),
      Object.entries({
        'polity.pid': run.pid,
        'gen_ai.operation.name': 'invoke_agent',
        'gen_ai.provider.name': 'polity',
        'gen_ai.agent.name': 'asking',
        'gen_ai.agent.version': '1',
        'polity.principal': 'ada',
        'polity.process.name': 'first',
        'polity.state': 'done',
      }).toSorted(([a], [b]) => Object.keys(agent.attributes).indexOf(a) - Object.keys(agent.attributes).indexOf(b)),
    )
    assert.deepEqual(
      [to.resource['service.name'], to.resource['telemetry.sdk.name']],
      ['polity', 'opentelemetry'],
      'who sends is said',
    )
  })

  test('name who provides a model as the conventions do, whichever API of it the AI SDK names', () => {
    for (const [core, provider] of [
      ['google/gemini', 'gcp.gemini'],
      ['google.generative-ai/gemini', 'gcp.gemini'],
      ['google-vertex/gemini', 'gcp.vertex_ai'],
      ['google.vertex.chat/gemini', 'gcp.vertex_ai'],
      ['googleVertex.anthropic.messages/claude', 'gcp.vertex_ai'],
      ['openai.responses/gpt', 'openai'],
      ['mine/model', 'mine'],
    ] as const)
      assert.equal(modelOf(core).provider, provider, core)
  })

  test('of a run that another kernel goes on with are those of one trace, and begin when it began', async () => {
    const { spans: found, journals } = await resumed()
    assertSpans(found, journals)
    assert.equal(new Set(found.map(({ traceId }) => traceId)).size, 1)
  })

  /** A run with a child whose kernel is closed while both wait, and that another one goes on with. */
  async function resumed(): Promise<{ spans: readonly Span[]; journals: Map<Pid, readonly JournalEvent[]> }> {
    const child = program('child', async (sys) => {
      await sys.generate('one')
      await sys.sleep(1_000)
      await sys.generate('two')
      return null
    })
    const parent = program('parent', async (sys) => sys.wait(await sys.spawn(child, null)))
    const to = await collector()
    const first = recordingStore()
    const options = { at: to, models: { 'maker/model': drawnModel() }, model: 'maker/model', programs: [child, parent] }
    const before = await world({ ...options, store: first })
    const run = before.kernel.spawn(parent, null)
    const slept = new Promise<void>((done) => {
      before.kernel.watch((event) => event.type === 'call-start' && event.call === 'sleep' && done(), { text: false })
    })
    await before.settled(slept)
    await before.kernel.close()
    await before.telemetry.close()
    assert.deepEqual(to.spans.map(({ name }) => name).toSorted(), ['chat model', 'spawn child'])
    const again = await world({ ...options, store: cutStore(first.batches, first.batches.length) })
    again.kernel.resume(run.pid)
    await again.settled(again.kernel.run(run.pid).result)
    return { spans: await again.sent(), journals: await journalsOf(again.kernel) }
  }

  test('of forks are theirs: one from within is its parent’s child, one from outside names what it came from', async () => {
    const forking = program('forking', async (sys) => {
      const beside = sys.sleep(50)
      const pid = await sys.fork()
      await sys.generate(pid === 0 ? 'child' : 'parent')
      await beside
      if (pid !== 0) await sys.wait(pid)
      return null
    })
    const {
      kernel,
      settled: ready,
      sent,
    } = await world({
      models: { 'maker/model': drawnModel() },
      model: 'maker/model',
      programs: [forking],
    })
    const run = kernel.spawn(forking, null)
    await ready(run.result)
    const spans = await sent()
    const [parent, child] = spans
      .filter(({ name }) => name.startsWith('invoke'))
      .toSorted((a, b) => Number(a.attributes['polity.pid']) - Number(b.attributes['polity.pid']))
    const fork = one(spans.filter(({ name }) => name === 'fork'))
    assert.ok(parent !== undefined && child !== undefined)
    assert.deepEqual(
      [child.traceId, child.parentSpanId, fork.parentSpanId],
      [parent.traceId, fork.spanId, parent.spanId],
    )
    // The sleep that was under way is of both, and ends in both.
    const sleeps = spans.filter(({ name }) => name === 'sleep')
    assert.deepEqual(
      sleeps.map(({ parentSpanId }) => parentSpanId).toSorted(),
      [parent.spanId, child.spanId].toSorted(),
    )
    assert.equal(spans.filter(({ name }) => name === 'chat model').length, 2)

    const outside = await ready(kernel.fork(run.pid))
    await ready(endOf(outside.result))
    const other = one(
      (await sent()).filter(
        ({ attributes, name }) => attributes['polity.pid'] === outside.pid && name.startsWith('invoke'),
      ),
    )
    assert.notEqual(other.traceId, parent.traceId)
    assert.equal(other.parentSpanId, undefined)
    assert.deepEqual(
      other.links.map(({ traceId, spanId }) => ({ traceId, spanId })),
      [{ traceId: parent.traceId, spanId: parent.spanId }],
    )
  })

  test('of calls that a restore undid are there, once, and so are those that were made instead', async () => {
    const going = program('going', async (sys) => {
      const { id, restored } = await sys.snapshot()
      await sys.generate(`try ${restored}`)
      if (restored === 2) return null
      const slow = sys.sleep(10_000)
      await sys.restore(id)
      return slow as never
    })
    const {
      kernel,
      settled: ready,
      sent,
    } = await world({
      models: { 'maker/model': drawnModel() },
      model: 'maker/model',
    })
    const run = kernel.spawn(going, null)
    await ready(run.result)
    const spans = await sent()
    const starts = (await kernel.events(run.pid)).filter((event) => event.type === 'call-start')
    for (const [call, name] of [
      ['generate', 'chat model'],
      ['sleep', 'sleep'],
    ] as const)
      assert.equal(
        spans.filter((span) => span.name === name).length,
        starts.filter((start) => start.call === call).length,
        name,
      )
    assert.equal(spans.filter(({ name }) => name === 'chat model').length, 3)
    assert.equal(spans.filter(({ attributes }) => attributes['polity.cancelled'] === true).length, 2)
    assert.equal(new Set(spans.map(({ spanId }) => spanId)).size, spans.length)
  })
})

// ------------------------------------------------------------------------------------------------------------- content

describe('what was said', () => {
  const words = ['tell-it', 'be-kind', 'it-said', 'given-to', 'came-back', 'it-threw', 'put-in', 'put-out', 'of-person']

  async function told(content: boolean | undefined): Promise<Collector> {
    const {
      kernel,
      settled: ready,
      sent,
      collector: to,
    } = await world({
      models: {
        'maker/model': scripted(() => ({ text: 'it-said', toolCalls: [{ name: 'look', input: { q: 'given-to' } }] })),
      },
      model: 'maker/model',
      tools: [
        tool('look', () => 'came-back'),
        tool('broken', () => {
          throw new Error('it-threw')
        }),
      ],
      ...(content === undefined ? {} : { telemetry: { content } }),
    })
    const saying = program('saying', async (sys) => {
      const first = { role: 'user', content: 'tell-it' } as const
      const { message } = await sys.generate({ instructions: 'be-kind', messages: [first], tools: ['look'] })
      await sys.generate({ instructions: 'be-kind', messages: [first, message, { role: 'user', content: 'more' }] })
      await sys.call('look', { q: 'given-to' })
      await sys.call('broken', null).catch(() => null)
      await sys.ask('of-person', { timeoutMs: 5, default: 'yes' })
      return 'put-out'
    })
    await ready(kernel.spawn(saying, 'put-in').result)
    await sent()
    return to
  }

  test('is not exported', async () => {
    const { received, spans } = await told(undefined)
    for (const word of words) assert.ok(!received.some((text) => text.includes(word)), `"${word}" was exported`)
    assert.equal(spans.length, 6)
    const failed = one(spans.filter(({ name }) => name === 'execute_tool broken'))
    assert.deepEqual(failed.status, { code: 2, message: 'The tool threw an error.' })
  })

  test('is exported where it was asked for, in the form of the conventions', async () => {
    const { received, spans } = await told(true)
    for (const word of words.filter((one) => one !== 'of-person'))
      assert.ok(
        received.some((text) => text.includes(word)),
        `"${word}" was not exported`,
      )
    const [first, second] = spans.filter(({ name }) => name.startsWith('chat'))
    const read = (span: Span | undefined, name: string): unknown => JSON.parse(String(span?.attributes[name]))
    assert.deepEqual(read(first, 'gen_ai.system_instructions'), [{ type: 'text', content: 'be-kind' }])
    assert.deepEqual(read(first, 'gen_ai.input.messages'), [
      { role: 'user', parts: [{ type: 'text', content: 'tell-it' }] },
    ])
    assert.deepEqual(read(first, 'gen_ai.output.messages'), [
      {
        role: 'assistant',
        parts: [
          { type: 'text', content: 'it-said' },
          { type: 'tool_call', id: 'call-0-0', name: 'look', arguments: { q: 'given-to' } },
        ],
        finish_reason: 'tool_call',
      },
    ])
    assert.equal((read(second, 'gen_ai.input.messages') as unknown[]).length, 3, 'whole again')
    const looked = one(spans.filter(({ name }) => name === 'execute_tool look'))
    assert.deepEqual(read(looked, 'gen_ai.tool.call.arguments'), { q: 'given-to' })
    assert.deepEqual(read(looked, 'gen_ai.tool.call.result'), 'came-back')
  })

  test('stays JSON and small, however long a conversation is', async () => {
    const {
      kernel,
      settled: ready,
      sent,
    } = await world({
      models: { 'maker/model': scripted(() => 'y'.repeat(50_000), {}) },
      model: 'maker/model',
      telemetry: { content: true },
    })
    const messages = Array.from({ length: 40 }, (_, i) => ({
      role: 'user' as const,
      content: `${i} ${'x'.repeat(3_000)}`,
    }))
    await ready(kernel.spawn(async (sys: Sys) => void (await sys.generate({ messages })), undefined).result)
    const { attributes } = one((await sent()).filter(({ name }) => name.startsWith('chat')))
    const input = JSON.parse(String(attributes['gen_ai.input.messages'])) as { parts: { content: string }[] }[]
    assert.match(input.at(-1)?.parts[0]?.content ?? '', /^39 x+$/, 'the newest are kept')
    assert.equal(input.length, 10)
    assert.ok(String(attributes['gen_ai.output.messages']).length < 9_000)
  })

  test('of a message that is too long alone, the last parts are kept', async () => {
    const toolCalls = Array.from({ length: 8 }, (_, i) => ({
      id: `c${i}`,
      name: 'look',
      input: { q: 'x'.repeat(8_000) },
    }))
    const {
      kernel,
      settled: ready,
      sent,
    } = await world({
      models: { 'maker/model': scripted([{ toolCalls }]) },
      model: 'maker/model',
      telemetry: { content: true },
      tools: [tool('look', () => 'seen')],
    })
    const asking = async (sys: Sys): Promise<void> => void (await sys.generate({ prompt: 'x', tools: ['look'] }))
    await ready(kernel.spawn(asking, undefined).result)
    const { attributes } = one((await sent()).filter(({ name }) => name.startsWith('chat')))
    const text = String(attributes['gen_ai.output.messages'])
    const { parts, ...message } = one(JSON.parse(text) as { parts: { id: string }[] }[])
    assert.deepEqual(message, { role: 'assistant', finish_reason: 'tool_call' })
    assert.deepEqual(
      parts.map(({ id }) => id),
      ['c4', 'c5', 'c6', 'c7'],
    )
    assert.ok(text.length <= 32_768)
  })
})

// ------------------------------------------------------------------------------------------------------------- metrics

const pointOf = (points: readonly Point[], wanted: { readonly [name: string]: Value }): Point =>
  one(points.filter(({ attributes }) => Object.entries(wanted).every(([name, value]) => attributes[name] === value)))

describe('metrics', () => {
  test('count what the journal says: durations, tokens, queues, refusals, and what waits for a person', async () => {
    // Real time: what waits for a person would be over at once in simulated time.
    const clock = realClock()
    const usage = { inputTokens: 10, outputTokens: 4 }
    const {
      kernel,
      sent,
      collector: to,
    } = await world({
      clock,
      models: { 'openai/m': { model: scripted(() => ({ text: 'y', usage, delayMs: 20 }), { clock }), slots: 1 } },
      model: 'openai/m',
      tools: [tool('pay', () => 'paid')],
      law: parseLaw({ rules: [{ id: 'look', effect: 'ask', tool: 'pay' }] }),
    })
    const call = program('client-chose-this', async (sys) => (await sys.generate('x')).text)
    const runs = [
      kernel.spawn(call, null),
      kernel.spawn(call, null),
      kernel.spawn(call, null, { budget: { tokens: 1 } }),
    ]
    const paying = kernel.spawn(
      program('paying', async (sys) => {
        await sys.generate({ prompt: 'x', model: 'client/chose-this' }).catch(() => null)
        return sys.call('pay', null)
      }),
      null,
    )
    await Promise.all(runs.map(({ result }) => endOf(result)))
    await sent()
    assert.equal(pointOf(to.points('polity.questions'), { 'polity.kind': 'approval' }).count, 1)
    assert.equal(pointOf(to.points('polity.processes'), { 'polity.state': 'running' }).count, 1)
    kernel.answer(kernel.questions[0]?.id ?? 0, 'allow')
    await paying.result
    await sent()
    const of = { 'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'openai', 'gen_ai.request.model': 'm' }
    const journals = [...(await journalsOf(kernel)).values()].flat()
    const timeOf = (pid: Pid, type: string): number =>
      one(journals.filter((event) => event.pid === pid && event.type === type)).at
    const [first, second] = runs.map(({ pid }) => pid) as [Pid, Pid]
    const duration = pointOf(to.points('gen_ai.client.operation.duration'), of)
    assert.equal(duration.count, 2, 'those that reached a model')
    const served =
      timeOf(first, 'call-end') - timeOf(first, 'call-start') + timeOf(second, 'call-end') - timeOf(second, 'call-sent')
    near(duration.sum * 1e3, served, 'without the time in the queue')
    const input = pointOf(to.points('gen_ai.client.token.usage'), { ...of, 'gen_ai.token.type': 'input' })
    assert.deepEqual([input.count, input.sum], [2, 20])
    const output = pointOf(to.points('gen_ai.client.token.usage'), { ...of, 'gen_ai.token.type': 'output' })
    assert.deepEqual([output.count, output.sum], [2, 8])
    const queue = pointOf(to.points('polity.queue.wait'), { 'polity.core': 'openai/m' })
    assert.equal(queue.count, 1)
    near(queue.sum * 1e3, timeOf(second, 'call-sent') - timeOf(second, 'call-wait'), 'the queue')
    assert.equal(pointOf(to.points('polity.errors'), { 'error.type': 'BUDGET_EXCEEDED' }).count, 1)
    assert.equal(pointOf(to.points('polity.decisions'), { 'polity.effect': 'ask' }).count, 1)
    const approval = one(to.points('polity.approval.wait'))
    near(approval.sum * 1e3, timeOf(paying.pid, 'call-sent') - timeOf(paying.pid, 'call-wait'), 'the approval')
    assert.equal(pointOf(to.points('polity.questions'), { 'polity.kind': 'approval' }).count, 0)
    assert.equal(pointOf(to.points('polity.core.slots'), { 'polity.core': 'openai/m' }).count, 1)
    assert.equal(to.points('gen_ai.client.operation.time_to_first_chunk').length, 0, 'nothing streamed')
    const metricsOnly = to.received.filter((text) => text.includes('resourceMetrics')).join('\n')
    assert.doesNotMatch(metricsOnly, /chose-this|paying|"pay"/, 'a client chose a value of an attribute')
  })

  test('the time to the first text is known where somebody listens, and no model streams for it', async () => {
    const clock = simulatedClock({ seed: 1, startMs: 1_700_000_000_000 })
    const model = scripted(() => ({ text: 'one two', delayMs: 30 }), { clock, deltaChars: 3 })
    let streams = 0
    const watched = {
      ...model,
      doStream: (options: Parameters<typeof model.doStream>[0]) => (streams++, model.doStream(options)),
    }
    const {
      kernel,
      sent,
      collector: to,
    } = await world({ clock, models: { 'maker/model': watched }, model: 'maker/model' })
    const call = program('call', async (sys) => (await sys.generate('x')).text)
    await settled(clock, kernel.spawn(call, null).result)
    assert.equal(streams, 0)
    const run = kernel.spawn(call, null)
    const heard = (async () => {
      for await (const _ of run.events);
    })()
    await settled(clock, run.result)
    await heard
    const spans = (await sent()).filter(({ name }) => name === 'chat model')
    assert.deepEqual(
      spans.map(({ attributes }) => attributes['gen_ai.request.stream'] ?? false),
      [false, true],
    )
    const first = one(to.points('gen_ai.client.operation.time_to_first_chunk'))
    assert.equal(first.count, 1)
    near(first.sum, 0.03, 'the first text')
    near(Number(spans[1]?.attributes['gen_ai.response.time_to_first_chunk']), 0.03, 'on the span')
  })
})

// ------------------------------------------------------------------------------------------------------ a bad collector

describe('a collector that does not collect', () => {
  const busy = program('busy', async (sys) => {
    for (let i = 0; i < 20; i++) await sys.generate('x')
    return null
  })
  /** 20 calls and the process. */
  const SPANS = 21
  const options = { models: { 'maker/model': drawnModel() }, model: 'maker/model' }

  const bad: { readonly [name: string]: () => Promise<Collector> } = {
    'is not there': async () => {
      const gone = await collector()
      await gone.close()
      return gone
    },
    'never answers': () => collector('never'),
    'answers 500': () => collector(500),
    'answers 503': () => collector(503),
    refuses: () => collector(401),
  }
  for (const [name, make] of Object.entries(bad))
    test(`one that ${name} costs its spans, which are counted and told of, and nobody’s time`, async () => {
      const {
        kernel,
        telemetry,
        settled: ready,
        problems,
      } = await world({
        ...options,
        at: await make(),
        telemetry: { closeMs: 150, limits: { batchMs: 5, metricsMs: 20 } },
      })
      await within(2_000, ready(kernel.spawn(busy, null).result), 'the run')
      await within(1_000, kernel.close(), 'the kernel')
      await within(1_000, telemetry.close(), 'the end')
      assert.deepEqual(telemetry.counts, { spans: SPANS, sent: 0, dropped: SPANS, missed: 0 })
      assert.equal(problems.at(-1), `telemetry: ${SPANS} of ${SPANS} spans were not taken by the collector`)
      assert.ok(problems.length <= 3, problems.join('\n'))
    })

  test('where nobody listens that is said at the start, once, before anything is to be sent', async () => {
    const gone = await collector()
    await gone.close()
    const { kernel, telemetry, settled: ready, problems } = await world({ ...options, at: gone })
    for (let waits = 0; problems.length === 0 && waits < 200; waits++) await pause(10)
    assert.match(
      problems[0] ?? '',
      /^telemetry: spans are not taken by the collector \(.*ECONNREFUSED.*\); what runs goes on$/,
    )
    assert.equal(telemetry.counts.spans, 0)
    await ready(kernel.spawn(busy, null).result)
    assert.equal(problems.filter((text) => text.includes('spans are not taken')).length, 1)
    const there = await world({ ...options })
    await pause(50)
    assert.deepEqual(there.problems, [])
  })

  test('what waits for it is bounded, and what comes back is told of too', async () => {
    const at = await collector('never')
    const {
      kernel,
      telemetry,
      settled: ready,
      problems,
    } = await world({
      ...options,
      at,
      telemetry: { limits: { queueMax: 8, batchMax: 4, batchMs: 1 }, closeMs: 100 },
    })
    await ready(kernel.spawn(busy, null).result)
    await kernel.flush()
    assert.deepEqual(telemetry.counts, { spans: SPANS, sent: 0, dropped: SPANS - 8, missed: 0 })
    await telemetry.close()
    assert.equal(telemetry.counts.dropped, SPANS)
    assert.equal(problems.at(-1), `telemetry: ${SPANS} of ${SPANS} spans were not taken by the collector`)
  })

  test('a journal that is slow to be read bounds what waits for it; the loss is told, and what comes after is not lost', async () => {
    const placed = (seq: number) => ({ seq, at: seq, pid: 1 })
    const begun = { ...placed(1), type: 'process-start', parent: null, forkOf: null, parentCall: null, seed: 1 }
    const journal = [begun] as unknown as JournalEvent[]
    const { promise: readable, resolve: release } = Promise.withResolvers<void>()
    const told: string[] = []
    let missed = 0
    const recorder = createRecorder({
      eventsOf: () => readable.then(() => journal),
      remoteOf: () => undefined,
      clock: realClock(),
      keepPrompts: false,
      onCall: ({ start }) => told.push(`call ${start.n}`),
      onProcess: (_, { state }) => told.push(state),
      onMissed: (events) => void (missed += events),
    })
    const hear = (event: object): void => {
      journal.push(event as JournalEvent)
      recorder.hear(event as JournalEvent)
    }
    const CALLS = 60_000
    for (let n = 0; n < CALLS; n++) {
      hear({ ...placed(2 * n + 2), type: 'call-start', n, call: 'sleep', args: null })
      hear({ ...placed(2 * n + 3), type: 'call-end', n, value: null })
    }
    release()
    await recorder.idle()
    const lost = 2 * CALLS - 2 * told.length
    assert.ok(Math.abs(missed - lost) <= 2 && missed >= 100_000, `${missed} events were lost, and of calls ${lost}`)
    hear({ ...placed(2 * CALLS + 2), type: 'call-start', n: CALLS, call: 'sleep', args: null })
    hear({ ...placed(2 * CALLS + 3), type: 'process-end', state: 'done', usage: {} })
    await recorder.idle()
    // Calls that were lost have ended, and are not told of as if they had not.
    assert.deepEqual(told.slice(-2), [`call ${CALLS}`, 'done'])
    assert.equal(new Set(told).size, told.length)
  })

  test('one that comes back is sent to again, and that is said', async () => {
    const at = await collector(400)
    const { kernel, telemetry, settled: ready, sent, problems } = await world({ ...options, at })
    await ready(kernel.spawn(busy, null).result)
    await sent()
    at.answer = 200
    await ready(kernel.spawn(busy, null).result)
    await sent()
    assert.equal(at.spans.length, SPANS)
    assert.deepEqual(telemetry.counts, { spans: 2 * SPANS, sent: SPANS, dropped: SPANS, missed: 0 })
    assert.deepEqual(problems.map((text) => text.replace(/ \(.*\)/, '')).toSorted(), [
      'telemetry: metrics are not taken by the collector; what runs goes on',
      'telemetry: metrics are taken by the collector again',
      'telemetry: spans are not taken by the collector; what runs goes on',
      'telemetry: spans are taken by the collector again',
    ])
  })
})

// -------------------------------------------------------------------------------------------------------------- callers

describe('traceparent', () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  const spanId = '00f067aa0ba902b7'

  test('a request of the gateway is a child of the span that it names, sampled or not', async () => {
    const at = await collector()
    const { kernel, telemetry, sent } = await realWorld(at)
    const server = await startServer({
      doors: telemetry.doors([openaiDoor({ models: createModelDoor(telemetry.kernel) })]),
      port: 0,
      authenticate: () => ({ principal: 'ada', scopes: new Set(['models']), key: null }),
    })
    ends.push(() => server.close())
    const ask = async (traceparent?: string): Promise<void> => {
      const answered = await fetch(`${server.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(traceparent === undefined ? {} : { traceparent }) },
        body: JSON.stringify({ model: 'maker/model', messages: [{ role: 'user', content: 'x' }] }),
      })
      assert.equal(answered.status, 200, await answered.text())
    }
    await Promise.all([ask(`00-${traceId}-${spanId}-01`), ask()])
    await ask(`00-${traceId}-${spanId}-00`)
    await ask(`00-${'0'.repeat(32)}-${spanId}-01`)
    await sent()
    const processes = at.spans.filter(({ name }) => name === 'invoke_agent gateway')
    const mine = processes.filter((span) => span.traceId === traceId)
    assert.deepEqual([processes.length, mine.length], [4, 2])
    assert.deepEqual(new Set(mine.map(({ parentSpanId }) => parentSpanId)), new Set([spanId]))
    assert.equal(at.spans.filter((span) => span.name === 'chat model' && span.traceId === traceId).length, 2)
    for (const other of processes) if (other.traceId !== traceId) assert.equal(other.parentSpanId, undefined)
    assert.equal(kernel.ps().length, 4)
  })

  async function realWorld(at: Collector): Promise<{ kernel: Kernel; telemetry: Telemetry; sent(): Promise<void> }> {
    const kernel = createKernel({ store: memoryStore(), models: { 'maker/model': drawnModel() } })
    const telemetry = await startTelemetry({ kernel, url: at.url })
    ends.push(async () => {
      await kernel.close()
      await telemetry.close()
    })
    return {
      kernel,
      telemetry,
      async sent() {
        await kernel.flush()
        await telemetry.flush()
      },
    }
  }

  test('is of the run that a request began, not of one that its key had begun before, and waits within bounds', async () => {
    const kernel = createKernel({ store: memoryStore() })
    ends.push(() => kernel.close())
    const callers = createCallers(kernel, realClock())
    const idle = program('idle', async () => null)
    const headers = { traceparent: `00-${traceId}-${spanId}-01` }
    const ask = async (options: RunOptions): Promise<number> => {
      let pid = 0
      const handle = (): Promise<void> => Promise.resolve(void ({ pid } = callers.kernel.spawn(idle, null, options)))
      const [door] = callers.doors([{ routes: [{ method: 'POST', path: '/', scope: 'runs', handle }] }])
      await door?.routes[0]?.handle({ headers } as never)
      return pid
    }
    const once = { key: 'k', digest: 'd' }
    const pid = await ask({ once })
    assert.deepEqual(callers.take(pid), { traceId, spanId })
    await kernel.events(pid)
    await pause(2)
    assert.equal(await ask({ once }), pid)
    assert.equal(callers.take(pid), undefined)
    const first = await ask({})
    for (let at = 1; at < 10_000; at++) await ask({})
    const last = await ask({})
    assert.deepEqual([callers.take(first), callers.take(last)], [undefined, { traceId, spanId }])
  })

  test('is not looked at where no span is sent', async () => {
    const kernel = createKernel({ store: memoryStore() })
    const names = ['OTEL_TRACES_EXPORTER', 'OTEL_METRICS_EXPORTER']
    for (const name of names) process.env[name] = 'none'
    const telemetry = await startTelemetry({ kernel })
    for (const name of names) delete process.env[name]
    ends.push(async () => {
      await kernel.close()
      await telemetry.close()
    })
    assert.equal(telemetry.kernel, kernel)
  })

  test('is read as W3C wrote it, and anything else is as if it were not there', () => {
    const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`))
    fc.assert(
      fc.property(hex(2), hex(32), hex(16), hex(2), (version, trace, span, flags) => {
        const isValid = version !== 'ff' && !/^0*$/.test(trace) && !/^0*$/.test(span)
        const read = parseTraceparent(`${version}-${trace}-${span}-${flags}`)
        assert.deepEqual(read, isValid ? { traceId: trace, spanId: span } : undefined)
      }),
    )
    fc.assert(fc.property(fc.anything(), (given) => void parseTraceparent(given)))
    for (const wrong of [
      '',
      `00-${traceId}-${spanId}`,
      `00-${traceId}-${spanId}-01-x`,
      `00-${traceId.toUpperCase()}-${spanId}-01`,
    ])
      assert.equal(parseTraceparent(wrong), undefined, wrong)
  })
})

// ------------------------------------------------------------------------------------------------------------ settings

describe('settings', () => {
  test('are those of the environment; what it says wrongly is named', () => {
    const byDefault = readSettings({})
    assert.deepEqual(byDefault, {
      traces: true,
      metrics: true,
      content: false,
      queueMax: 2_048,
      batchMax: 512,
      batchMs: 5_000,
      metricsMs: 60_000,
      certificates: { traces: {}, metrics: {} },
    })
    const CONTENT = 'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT'
    for (const given of ['true', 'SPAN_ONLY', 'span_and_event'])
      assert.equal(readSettings({ [CONTENT]: given }).content, true)
    for (const given of ['', 'false', 'no_content', 'event_only'])
      assert.equal(readSettings({ [CONTENT]: given }).content, false)
    const { traces, metrics } = readSettings({ OTEL_TRACES_EXPORTER: 'none' })
    assert.deepEqual([traces, metrics], [false, true])
    assert.equal(readSettings({ OTEL_SDK_DISABLED: 'true' }).metrics, false)
    assert.equal(readSettings({ OTEL_BSP_MAX_QUEUE_SIZE: '100' }).batchMax, 100)
    for (const [name, value] of Object.entries({
      [CONTENT]: 'maybe',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'x',
      OTEL_METRICS_EXPORTER: 'prometheus',
      OTEL_BSP_MAX_QUEUE_SIZE: '-1',
      OTEL_EXPORTER_OTLP_CERTIFICATE: join(folder, 'nowhere.pem'),
      OTEL_SDK_DISABLED: 'yes',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '4096',
      OTEL_EXPORTER_OTLP_TIMEOUT: 'abc',
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '0',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'zstd',
      OTEL_EXPORTER_OTLP_METRICS_COMPRESSION: 'GZIP',
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'deltas',
      OTEL_RESOURCE_ATTRIBUTES: 'a=b,c',
      OTEL_EXPORTER_OTLP_HEADERS: 'secret',
    }))
      assert.throws(
        () => readSettings({ [name]: value }),
        (error) =>
          PolityError.isInstance(error) &&
          error.code === 'CONFIG_INVALID' &&
          error.message.startsWith(`${name} takes `),
      )
  })

  test('of headers and attributes are refused where the SDK would leave something out; a secret is not told', () => {
    const name = 'OTEL_EXPORTER_OTLP_TRACES_HEADERS'
    for (const given of ['a=b,secret', '=secret', 'a=', 'a=%zz', 'a b=secret', 'a=secret;p', 'a=%0Asecret'])
      assert.throws(
        () => readSettings({ [name]: given }),
        (error: Error) => error.message.startsWith(`${name} takes `) && !error.message.includes('secret'),
        given,
      )
    for (const given of ['=b', 'a=b=c', 'a=%zz', `a=${'x'.repeat(256)}`])
      assert.throws(() => readSettings({ OTEL_RESOURCE_ATTRIBUTES: given }), { code: 'CONFIG_INVALID' }, given)
    readSettings({
      [name]: ' authorization=Basic%20YQ==, x-b = c,',
      OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: '500',
      OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: 'gzip',
      OTEL_RESOURCE_ATTRIBUTES: 'a=b%3Dc, d = ,',
      OTEL_SDK_DISABLED: 'FALSE',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '4096',
      OTEL_BSP_MAX_QUEUE_SIZE: '4096',
    })
  })

  test('are told in words: what goes where, and whether content does', () => {
    const told = (env: NodeJS.ProcessEnv, url?: string): string => describeSettings(readSettings(env), url, env)
    assert.equal(told({}), 'traces and metrics to http://localhost:4318')
    const apart = {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'https://me:secret@a.example/otlp',
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://b.example:1/m',
      OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'true',
    }
    assert.equal(told(apart), 'traces to https://a.example, metrics to http://b.example:1, with all that is said')
    assert.equal(told({ OTEL_METRICS_EXPORTER: 'none' }, 'http://c.example'), 'traces to http://c.example')
    assert.match(told({ OTEL_SDK_DISABLED: 'true' }), /^nothing is sent/)
  })

  test('packages that are not installed are named', async () => {
    // Beside this copy there is no node_modules.
    mkdirSync(join(folder, 'src/server/telemetry'), { recursive: true })
    mkdirSync(join(folder, 'src/kernel'))
    for (const file of ['src/server/telemetry/sdk.ts', 'src/kernel/errors.ts'])
      copyFileSync(resolve(file), join(folder, file))
    const { loadOtel } = (await import(pathToFileURL(join(folder, 'src/server/telemetry/sdk.ts')).href)) as {
      loadOtel: () => Promise<unknown>
    }
    await assert.rejects(loadOtel(), {
      code: 'CONFIG_INVALID',
      message: /npm i @opentelemetry\/api @opentelemetry\/resources /,
    })
  })
})

// ----------------------------------------------------------------------------------------------------------- the command

describe('polity serve', () => {
  const ask = async (url: string): Promise<void> => {
    const answered = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'offline/reader', messages: [{ role: 'user', content: 'hello' }] }),
    })
    assert.equal(answered.status, 200, await answered.text())
  }

  /** The command as `polity` runs it, in this process: asked one question, and interrupted. */
  async function served(name: string, words: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
    const interrupted = new AbortController()
    const { promise: begun, resolve: begin, reject } = Promise.withResolvers<string>()
    const told: string[] = []
    const say = (text: string): void => void told.push(text)
    const channel = { paint: (_style: string, text: string) => text, line: say, write: say }
    const context = {
      out: channel,
      err: channel,
      clock: realClock(),
      storePath: join(folder, `${name}.db`),
      interrupted: interrupted.signal,
      unfinished: new Set(),
      commandLine: (text: string) => text,
      note: say,
      warn: say,
      result(text: string, { url }: { readonly url: string }) {
        say(text)
        begin(url)
      },
    } as unknown as Context
    const before = { ...process.env }
    Object.assign(process.env, env)
    try {
      const over = serveCommand.run(context, parseCommandLine(serveCommand, ['--port', '0', ...words]))
      over.catch(reject)
      await ask(await begun)
      interrupted.abort()
      await within(4_000, over, 'the command')
    } finally {
      for (const name of Object.keys(env)) {
        if (before[name] === undefined) delete process.env[name]
        else process.env[name] = before[name]
      }
    }
    return told.join('\n')
  }

  test('sends nothing unless --otlp asks for it, and then what the environment says, where it says', async () => {
    const to = await collector()
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: to.url,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-secret=s%20e',
      OTEL_SERVICE_NAME: 'clerks',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    }
    assert.doesNotMatch(await served('off', [], env), /^telemetry/m)
    assert.equal(to.received.length, 0)
    const said = await served('on', ['--otlp'], env)
    assert.deepEqual(to.spans.map(({ name }) => name).toSorted(), ['chat reader', 'invoke_agent gateway'])
    assert.deepEqual(
      [to.resource['service.name'], to.resource['deployment.environment.name'], to.headers[0]?.['x-secret']],
      ['clerks', 'test', 's e'],
    )
    assert.ok(to.metricNames.includes('gen_ai.client.token.usage'))
    assert.deepEqual(said.match(/^.*telemetry .*$/gm), [`telemetry traces and metrics to ${to.url}`])
  })

  test('says what is wrong before the store is taken', async () => {
    const refused = (words: readonly string[], env: NodeJS.ProcessEnv, message: RegExp): Promise<void> =>
      assert.rejects(served('never', words, env), message)
    await refused(['--otlp'], { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, /OTEL_EXPORTER_OTLP_PROTOCOL takes http\/json/)
    await refused(
      ['--otlp', 'http://127.0.0.1:4318'],
      {},
      /--otlp takes no address: OTEL_EXPORTER_OTLP_ENDPOINT=http:\/\/127\.0\.0\.1:4318 polity serve --otlp/,
    )
    assert.equal(existsSync(join(folder, 'never.db')), false)
  })

  test('ends in time, and says what was lost, where there is no collector', { skip: !isLong }, async () => {
    const down = await collector()
    await down.close()
    const words = ['serve', '--otlp', '--port', '0', '--json', '--store', join(folder, 'down.db')]
    const env = { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: down.url }
    const child = spawn(process.execPath, [resolve('bin/polity.js'), ...words], { cwd: folder, env })
    let out = ''
    let err = ''
    child.stderr.on('data', (text) => (err += text))
    const ended = new Promise<unknown>((done) => child.once('exit', done))
    try {
      const line = new Promise<void>((done) =>
        child.stdout.on('data', (text) => (out += text).endsWith('\n') && done()),
      )
      await within(60_000, line, 'the first line')
      await ask((JSON.parse(out) as { url: string }).url)
      child.kill('SIGINT')
      assert.equal(await within(5_000, ended, 'the server'), 130)
      assert.match(err, /polity: telemetry: 2 of 2 spans were not taken by the collector/)
    } finally {
      child.kill('SIGKILL')
    }
  })
})
