/**
 * The scheduler, in simulated time against a serving machine with slots and rate windows: no call is sent that would be
 * refused, and nothing idles while work waits (promise 6).
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { callError, scripted } from '../src/drivers/llm/scripted.ts'
import type { SimulatedModel, SimulatedOptions } from '../src/drivers/llm/simulated.ts'
import { simulated } from '../src/drivers/llm/simulated.ts'
import type { SimulatedClock } from '../src/kernel/clock.ts'
import { simulatedClock } from '../src/kernel/clock.ts'
import type { LanguageModel } from '../src/kernel/drivers.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { CallEnd, Json, Pid, Sys } from '../src/kernel/types.ts'
import type { World } from './world.ts'
import { answer, codeOf, createWorld, endOf, rawModel, recordingStore, streamOf } from './world.ts'

const MINUTE_MS = 60_000

/** What reached the model and when, kept by the test and not by the scheduler or the model. */
interface Trace {
  readonly arrivals: { readonly at: number; tokens: number }[]
  mostInFlight: number
  readonly refusals: number[]
}

function traced(model: LanguageModel, clock: SimulatedClock): { model: LanguageModel; trace: Trace } {
  const trace: Trace = { arrivals: [], mostInFlight: 0, refusals: [] }
  let inFlight = 0
  return {
    trace,
    model: {
      ...model,
      async doGenerate(call) {
        const arrival = { at: clock.now(), tokens: 0 }
        trace.mostInFlight = Math.max(trace.mostInFlight, ++inFlight)
        try {
          const result = await model.doGenerate(call)
          arrival.tokens = (result.usage.inputTokens.total ?? 0) + (result.usage.outputTokens.total ?? 0)
          trace.arrivals.push(arrival)
          return result
        } catch (error) {
          if ((error as { statusCode?: number }).statusCode === 429) trace.refusals.push(clock.now())
          throw error
        } finally {
          inFlight--
        }
      },
    },
  }
}

/** The most that any 60 s held, over all windows that begin with an arrival. */
function mostInAMinute(arrivals: Trace['arrivals'], amount: (arrival: Trace['arrivals'][number]) => number): number {
  const sorted = arrivals.toSorted((a, b) => a.at - b.at)
  let most = 0
  let sum = 0
  let from = 0
  for (const arrival of sorted) {
    sum += amount(arrival)
    while ((sorted[from] as { at: number }).at <= arrival.at - MINUTE_MS)
      sum -= amount(sorted[from++] as Trace['arrivals'][number])
    most = Math.max(most, sum)
  }
  return most
}

interface Load {
  readonly processes: number
  readonly callsEach: number
  readonly outputTokens: number
  /** Time between the spawns, ms. */
  readonly everyMs?: number
}

interface Outcome {
  readonly world: World
  readonly trace: Trace
  readonly server: SimulatedModel
  readonly ms: number
  readonly codes: Json[]
}

async function drive(
  server: Omit<SimulatedOptions, 'clock'>,
  { processes, callsEach, outputTokens, everyMs = 0 }: Load,
  options: Parameters<typeof createWorld>[0] = {},
): Promise<Outcome> {
  const clock = simulatedClock({ seed: 3 })
  const inner = simulated({ clock, ...server })
  const { model, trace } = traced(inner, clock)
  const world = createWorld({
    ...options,
    clock,
    store: recordingStore({ durability: 'memory' }),
    models: { server: model },
  })
  const client = defineProgram('client', async (sys, i: number) => {
    await sys.sleep(i * everyMs)
    const codes: string[] = []
    for (let n = 0; n < callsEach; n++)
      codes.push(codeOf(await endOf(sys.generate({ prompt: `client ${i} call ${n}`, maxOutputTokens: outputTokens }))))
    return codes
  })
  let doneAt = 0
  const startedAt = clock.now()
  const runs = Array.from({ length: processes }, (_, i) =>
    world.kernel.spawn(client, i).result.then((codes) => ((doneAt = clock.now()), codes)),
  )
  const codes = (await world.settled(Promise.all(runs))).flat()
  return { world, trace, server: inner, ms: doneAt - startedAt, codes }
}

describe('declared limits', () => {
  test('property: never more in flight than slots, nor more requests or tokens in any 60 s than allowed, and so never a refusal', () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          slots: fc.integer({ min: 1, max: 8 }),
          requestsPerMinute: fc.option(fc.integer({ min: 5, max: 120 }), { nil: undefined }),
          tokensPerMinute: fc.option(fc.integer({ min: 300, max: 5_000 }), { nil: undefined }),
          latencyMs: fc.integer({ min: 0, max: 2_000 }),
          outputTokens: fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 30, max: 60 })),
        }),
        fc.record({
          processes: fc.integer({ min: 1, max: 20 }),
          callsEach: fc.integer({ min: 1, max: 5 }),
          outputTokens: fc.constant(64),
          everyMs: fc.constantFrom(0, 0, 500, 5_000),
        }),
        async (limits, load) => {
          const { trace, server, codes } = await drive(limits, load)
          assert.ok(
            codes.every((code) => code === 'ok'),
            `ended ${JSON.stringify(codes.filter((code) => code !== 'ok'))}`,
          )
          assert.equal(server.stats().refused, 0)
          assert.ok(trace.mostInFlight <= limits.slots, `${trace.mostInFlight} in flight on ${limits.slots} slots`)
          if (limits.requestsPerMinute !== undefined)
            assert.ok(mostInAMinute(trace.arrivals, () => 1) <= limits.requestsPerMinute)
          if (limits.tokensPerMinute !== undefined)
            assert.ok(mostInAMinute(trace.arrivals, ({ tokens }) => tokens) <= limits.tokensPerMinute)
        },
      ),
      { numRuns: 150 },
    ))

  test('work conserving: slots are never idle while calls wait, makespan within 1.05 of the ideal', async () => {
    for (const discipline of [
      'fifo',
      'round-robin',
      'priority',
      'fair-share',
      'deadline',
      'attained-service',
    ] as const) {
      const { server, ms } = await drive(
        { slots: 4, outputTokens: [20, 200] },
        { processes: 60, callsEach: 5, outputTokens: 256 },
        { discipline },
      )
      const ideal = server.stats().busySlotMs / 4
      assert.ok(ms <= 1.05 * ideal, `${discipline}: ${ms} ms, ideal ${ideal} ms`)
    }
  })

  test('a rate is used up: n calls at r a minute take no longer than they must', async () => {
    const { ms, codes } = await drive(
      { slots: 50, requestsPerMinute: 30, outputTokens: 10, latencyMs: 100 },
      { processes: 100, callsEach: 1, outputTokens: 16 },
    )
    assert.equal(codes.length, 100)
    // 30 at once, 30 a minute later, 30 two, 10 three minutes later.
    assert.ok(ms >= 3 * MINUTE_MS && ms <= 3 * MINUTE_MS + 1_000, `${ms} ms`)
  })

  test('a call larger than the whole token limit goes alone instead of waiting for ever', async () => {
    const { codes, trace } = await drive(
      { slots: 4, tokensPerMinute: 200, outputTokens: 10 },
      { processes: 4, callsEach: 1, outputTokens: 2_000 },
    )
    assert.deepEqual(codes, ['ok', 'ok', 'ok', 'ok'])
    assert.equal(trace.mostInFlight, 1)
  })
})

describe('learned limits', () => {
  test('slots: after the first burst of refusals none, until the next probe a minute later', async () => {
    const { trace, codes, ms, world } = await drive(
      { slots: 8, declare: false, outputTokens: 50 },
      { processes: 100, callsEach: 20, outputTokens: 64 },
    )
    assert.ok(codes.every((code) => code === 'ok'))
    const first = trace.refusals[0] as number
    assert.ok(trace.refusals.length > 0 && ms > MINUTE_MS)
    const burst = trace.refusals.filter((at) => at === first).length
    const later = trace.refusals.filter((at) => at > first)
    assert.ok(
      later.length <= Math.ceil(ms / MINUTE_MS),
      `${burst} at first, then ${later.length} in ${ms} ms: at most one probe a minute`,
    )
    assert.ok(later.every((at) => at >= first + world.kernel.limits.coreProbeMs))
    assert.equal(world.kernel.cores[0]?.refused, trace.refusals.length)
  })

  test('a refusal among no more calls than were served together before takes no slot', async () => {
    for (const slots of [12, undefined]) {
      const clock = simulatedClock({ seed: 3 })
      const inner = simulated({ clock, slots: 12, declare: slots !== undefined, outputTokens: 50, headers: false })
      let calls = 0
      const model: LanguageModel = {
        ...inner,
        // A provider that is too busy for some, however few they are.
        doGenerate: (call) =>
          ++calls > 100 && calls % 25 === 0
            ? Promise.reject(
                callError({ message: 'overloaded', statusCode: 429, headers: { 'retry-after-ms': '100' } }),
              )
            : inner.doGenerate(call),
      }
      const world = createWorld({ clock, store: recordingStore({ durability: 'memory' }), models: { server: model } })
      const client = defineProgram('client', async (sys) => {
        for (let n = 0; n < 20; n++) await sys.generate({ prompt: 'hello', maxOutputTokens: 64 })
      })
      const startedAt = clock.now()
      const runs = Promise.all(Array.from({ length: 12 }, () => world.kernel.spawn(client, null).result))
      await world.settled(runs)
      assert.equal(world.kernel.cores[0]?.slots, slots ?? 64)
      // Twenty calls of 360 ms one after another; six refusals, each with a pause of 100 ms.
      const ms = clock.now() - startedAt
      assert.ok(ms < 10_000, `${ms} ms`)
    }
  })

  test('slots that were declared and refused come back, faster and faster, up to what was declared', async () => {
    const clock = simulatedClock({ seed: 3 })
    const small = simulated({ clock, slots: 2, latencyMs: 4_000, headers: false })
    const large = simulated({ clock, slots: 16, latencyMs: 4_000, headers: false })
    const startedAt = clock.now()
    const model: LanguageModel = {
      ...large,
      doGenerate: (call) => (clock.now() < startedAt + MINUTE_MS ? small : large).doGenerate(call),
    }
    const world = createWorld({ clock, store: recordingStore({ durability: 'memory' }), models: { server: model } })
    const client = defineProgram('client', async (sys) => {
      while (sys.now() < startedAt + 7 * MINUTE_MS) await sys.generate({ prompt: 'hello', maxOutputTokens: 64 })
    })
    const runs = Array.from({ length: 24 }, () => world.kernel.spawn(client, null).result)
    await new Promise<void>((resolve) => void clock.after(30_000, resolve))
    assert.equal(world.kernel.cores[0]?.slots, 2)
    await world.settled(Promise.all(runs))
    assert.equal(world.kernel.cores[0]?.slots, 16)
    assert.ok(world.kernel.cores[0].refused < 100, `${world.kernel.cores[0].refused} refusals`)
  })

  test('rates: read from the headers of the first answer, then no refusal at all', async () => {
    for (const limits of [
      { requestsPerMinute: 40 },
      { tokensPerMinute: 1_500 },
      { requestsPerMinute: 60, tokensPerMinute: 3_000 },
    ]) {
      const { trace, codes, world } = await drive(
        { slots: 1_000, declare: false, outputTokens: 20, ...limits },
        { processes: 150, callsEach: 1, outputTokens: 32, everyMs: 2_000 },
      )
      assert.ok(codes.every((code) => code === 'ok'))
      assert.deepEqual(trace.refusals, [], JSON.stringify(limits))
      const [core] = world.kernel.cores
      assert.deepEqual(
        [core?.requestsPerMinute, core?.tokensPerMinute],
        [limits.requestsPerMinute ?? null, limits.tokensPerMinute ?? null],
      )
    }
  })

  test('a burst that a rate refuses comes back when the provider said, each call once', async () => {
    const { trace, codes, ms } = await drive(
      { slots: 1_000, declare: false, requestsPerMinute: 20, outputTokens: 5 },
      { processes: 60, callsEach: 1, outputTokens: 8 },
    )
    assert.equal(codes.filter((code) => code === 'ok').length, 60)
    const first = trace.refusals[0] as number
    assert.ok(
      trace.refusals.every((at) => at <= first + 2_000),
      'what was refused was sent in the first burst',
    )
    assert.ok(ms <= 1.05 * 2 * MINUTE_MS + 2_000, `${ms} ms for three minutes’ worth, of which the first is at once`)
  })

  test('a process never sees a refusal: it waits, and its journal says for how long', async () => {
    let refusals = 0
    const clock = simulatedClock()
    const model = scripted(() =>
      refusals++ < 3 ? { error: { statusCode: 429, headers: { 'retry-after': '2' } } } : 'at last',
    )
    const world = createWorld({ clock, models: { model } })
    const run = world.kernel.spawn(async (sys: Sys) => (await sys.generate('hi')).text, null)
    assert.equal(await world.settled(run.result), 'at last')
    const end = (await world.kernel.events(run.pid)).find((event): event is CallEnd => event.type === 'call-end')
    assert.ok((end?.waitedMs ?? 0) >= 6_000, `waited ${end?.waitedMs} ms`)
    assert.equal(run.usage.steps, 1)
  })

  test('a driver that refuses on the spot, before it gives a promise, leaves no time limit of the first wait behind', async () => {
    const clock = simulatedClock()
    const slow = scripted([{ text: 'at last', delayMs: 10_000 }], { clock })
    let calls = 0
    const model = rawModel((options) => {
      if (calls++ > 0) return slow.doGenerate(options)
      throw Object.assign(new Error('too many'), { statusCode: 429, responseHeaders: { 'retry-after': '2' } })
    })
    const world = createWorld({ clock, models: { model }, limits: { coreWaitMs: 5_000 } })
    const started = clock.now()
    const run = world.kernel.spawn(async (sys: Sys) => (await sys.generate('hi')).text, null)
    assert.deepEqual(await world.settled(endOf(run.result)), { value: 'at last' })
    assert.equal(calls, 2)
    assert.ok(clock.now() - started >= 12_000)
  })

  test('headers that lie or babble neither stop the core nor make it run wild', async () => {
    for (const headers of [
      { 'x-ratelimit-limit-requests': '0' },
      { 'x-ratelimit-limit-requests': '-5', 'x-ratelimit-limit-tokens': 'NaN' },
      { 'x-ratelimit-limit-requests': '1e999' },
      { 'x-ratelimit-remaining-requests': '0' },
      { 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': 'soon' },
      { 'retry-after': 'yesterday' },
      { 'x-ratelimit-limit-tokens': '1' },
    ]) {
      const world = createWorld({
        models: {
          model: rawModel(() =>
            Promise.resolve({ ...answer('x'), response: { headers: headers as unknown as Record<string, string> } }),
          ),
        },
      })
      const codes = await world.settled(
        world.kernel.spawn(async (sys: Sys) => {
          const codes: string[] = []
          for (let i = 0; i < 5; i++)
            codes.push(codeOf(await endOf(sys.generate({ prompt: 'hi', maxOutputTokens: 5 }))))
          return codes
        }, null).result,
      )
      assert.deepEqual(codes, ['ok', 'ok', 'ok', 'ok', 'ok'], JSON.stringify(headers))
    }
  })
})

describe('trouble', () => {
  const down = { error: { statusCode: 503 } }

  test('the breaker opens after failures in a row, lets one try when its time is over, and closes when that goes well', async () => {
    const clock = simulatedClock()
    let isDown = true
    const asked: number[] = []
    const model = scripted(() => (asked.push(clock.now()), isDown ? down : 'well'))
    const world = createWorld({
      clock,
      models: { model },
      limits: { breakerFailuresMax: 5, breakerOpenMs: 10_000, generateTriesMax: 1 },
    })
    const seen = await world.settled(
      world.kernel.spawn(async (sys: Sys) => {
        const codes: string[][] = []
        const wave = async (n: number): Promise<void> =>
          void codes.push((await Promise.all(Array.from({ length: n }, () => endOf(sys.generate('hi'))))).map(codeOf))
        for (let i = 0; i < 5; i++) await wave(1)
        await wave(3)
        await sys.sleep(10_001)
        const before = asked.length
        await wave(4)
        codes.push([`${asked.length - before} tried`])
        await sys.sleep(10_001)
        isDown = false
        await wave(4)
        await wave(2)
        return codes
      }, null).result,
    )
    assert.deepEqual((seen as string[][]).slice(0, 5).flat(), Array(5).fill('DRIVER_FAILED'))
    const [refused, halfOpen, tried, well, after] = (seen as string[][]).slice(5)
    assert.deepEqual(refused, Array(3).fill('DRIVER_UNAVAILABLE'))
    assert.deepEqual(halfOpen, ['DRIVER_FAILED', 'DRIVER_UNAVAILABLE', 'DRIVER_UNAVAILABLE', 'DRIVER_UNAVAILABLE'])
    assert.deepEqual(tried, ['1 tried'])
    assert.deepEqual([well, after], [Array(4).fill('ok'), Array(2).fill('ok')])
    assert.equal(world.kernel.cores[0]?.open, false)
  })

  test('failures are tried again, with growing pauses, and the program sees only the end', async () => {
    const clock = simulatedClock()
    const asked: number[] = []
    const model = scripted(() => (asked.push(clock.now()), asked.length < 3 ? down : 'third time'))
    const world = createWorld({ clock, models: { model } })
    const run = world.kernel.spawn(async (sys: Sys) => (await sys.generate('hi')).text, null)
    assert.equal(await world.settled(run.result), 'third time')
    const [a, b, c] = asked as [number, number, number]
    assert.ok(b - a >= 125 && b - a <= 375 && c - b >= 250 && c - b <= 750, `pauses of ${b - a} and ${c - b} ms`)
  })

  test('who is killed in the pause between two tries pays for no answer, and in a try for what was set aside', async () => {
    // A try takes 100 ms, and the pause behind the first 125 to 375.
    for (const [at, isPaid] of [
      [50, true],
      [150, false],
      [550, true],
    ] as const) {
      const clock = simulatedClock()
      const model = scripted(() => ({ ...down, delayMs: clock.now() < begunAt + 100 ? 100 : 1_000 }), { clock })
      const world = createWorld({ clock, models: { model } })
      const begunAt = clock.now()
      const run = world.kernel.spawn(async (sys: Sys) => (await sys.generate('hi')).text, null)
      clock.after(at, () => {
        assert.equal(world.kernel.info(run.pid).queued, !isPaid)
        world.kernel.kill(run.pid, 'enough')
      })
      assert.equal(codeOf(await world.settled(endOf(run.result))), 'KILLED')
      assert.equal(run.usage.outputTokens > 0, isPaid, `killed after ${at} ms`)
    }
  })

  test('an answer that is too large was paid for, watched or not, and no other model is asked for another', async () => {
    const usage = {
      inputTokens: { total: 7, noCache: 7, cacheRead: undefined, cacheWrite: undefined },
      outputTokens: { total: 500, text: 500, reasoning: undefined },
    }
    const large = rawModel(
      () => Promise.resolve({ ...answer('x'.repeat(3_000)), usage }),
      () =>
        Promise.resolve(
          streamOf([
            { type: 'text-start', id: '0' },
            ...Array.from({ length: 30 }, () => ({ type: 'text-delta', id: '0', delta: 'x'.repeat(100) })),
            { type: 'text-end', id: '0' },
            { type: 'finish', finishReason: { unified: 'stop' }, usage },
          ]),
        ),
    )
    for (const isWatched of [false, true]) {
      const second = scripted(() => 'second')
      const world = createWorld({ models: { large, second }, limits: { valueBytesMax: 2_000 } })
      if (isWatched) world.kernel.watch(() => {})
      const run = world.kernel.spawn(
        async (sys: Sys) =>
          codeOf(await endOf(sys.generate({ prompt: 'hi', model: ['large', 'second'], maxOutputTokens: 600 }))),
        null,
      )
      assert.equal(await world.settled(run.result), 'TOO_LARGE')
      assert.equal(second.callCount, 0)
      const { inputTokens, outputTokens } = run.info().usage
      // What came was never read to its end: then all that was set aside is.
      if (isWatched) assert.ok(outputTokens >= 500 && outputTokens <= 600 && inputTokens > 0, `${outputTokens} tokens`)
      else assert.deepEqual([inputTokens, outputTokens], [7, 500])
      await world.kernel.close()
    }
  })

  test('a chain asks the next model when one is down, and stops where the request itself is wrong', async () => {
    const first = scripted([down, down, { error: { statusCode: 400 } }])
    const second = scripted(['from the second', 'again from the second'])
    const world = createWorld({ models: { first, second }, limits: { generateTriesMax: 2 } })
    const seen = await world.settled(
      world.kernel.spawn(async (sys: Sys) => {
        const { text, model } = await sys.generate({ prompt: 'hi', model: ['first', 'second'] })
        return [
          text,
          model,
          codeOf(await endOf(sys.generate({ prompt: 'hi', model: ['first', 'second'] }))),
          codeOf(await endOf(sys.generate({ prompt: 'hi', model: ['absent', 'second'] }))),
        ]
      }, null).result,
    )
    assert.deepEqual(seen, ['from the second', 'second', 'DRIVER_FAILED', 'NO_SUCH_MODEL'])
    assert.equal(second.callCount, 1)
  })

  test('a chain passes over a core whose breaker is open, at once', async () => {
    const first = scripted(() => down)
    const world = createWorld({
      models: { first, second: scripted(() => 'second') },
      limits: { generateTriesMax: 1, breakerFailuresMax: 2 },
    })
    const seen = await world.settled(
      world.kernel.spawn(async (sys: Sys) => {
        const models: string[] = []
        const before = sys.now()
        for (let i = 0; i < 5; i++)
          models.push((await sys.generate({ prompt: 'hi', model: ['first', 'second'] })).model)
        return [models, sys.now() - before]
      }, null).result,
    )
    assert.deepEqual(seen, [Array(5).fill('second'), 0])
    assert.equal(first.callCount, 2)
  })

  test('waiters that are cancelled leave the queue, and who stood behind them moves up', async () => {
    const clock = simulatedClock()
    const server = simulated({ clock, slots: 1, outputTokens: 149 })
    const world = createWorld({ clock, models: { server }, discipline: 'fifo' })
    const client = defineProgram(
      'client',
      async (sys) => (await sys.generate({ prompt: 'hi', maxOutputTokens: 149 })).text.length,
    )
    const runs = Array.from({ length: 50 }, () => world.kernel.spawn(client, null))
    await world.settled(world.kernel.spawn(async (sys: Sys) => sys.sleep(1), null).result)
    assert.deepEqual([world.kernel.cores[0]?.inFlight, world.kernel.cores[0]?.waiting], [1, 49])
    const before = clock.now()
    for (const run of runs.slice(0, 49).toReversed()) run.kill()
    const last = runs[49] as (typeof runs)[number]
    assert.ok(((await world.settled(last.result)) as number) > 0)
    assert.equal(world.kernel.cores[0]?.waiting, 0)
    assert.ok((last.info().endedAt as number) - before < 2_000, 'it had the core at once')
    assert.deepEqual([server.stats().aborted, server.stats().completed, server.stats().calls], [1, 1, 2])
  })

  test('a small call has its turn when the large one that it stood behind is killed, not when another call ends', async () => {
    const clock = simulatedClock()
    const world = createWorld({
      clock,
      models: {
        m: { model: scripted(() => ({ text: 'x', delayMs: 30_000 }), { clock }), tokensPerMinute: 10_000, slots: 5 },
      },
      discipline: 'fifo',
    })
    const calls = defineProgram('calls', async (sys, maxOutputTokens: number) => {
      await sys.generate({ prompt: 'x', maxOutputTokens })
    })
    const after = (ms: number): Promise<unknown> =>
      world.settled(world.kernel.spawn(async (sys: Sys) => sys.sleep(ms), null).result)
    const running = world.kernel.spawn(calls, 5_000)
    await after(10)
    const large = world.kernel.spawn(calls, 9_000)
    await after(10)
    const small = world.kernel.spawn(calls, 100)
    await after(10)
    assert.deepEqual([world.kernel.cores[0]?.inFlight, world.kernel.cores[0]?.waiting], [1, 2])
    large.kill()
    await after(10)
    assert.deepEqual([world.kernel.cores[0]?.inFlight, world.kernel.cores[0]?.waiting], [2, 0])
    await world.settled(Promise.all([running.result, small.result]))
  })

  test('a queue is bounded in length and in time; who is turned away is told', async () => {
    const clock = simulatedClock()
    const server = simulated({ clock, slots: 1, outputTokens: 1_490 })
    const world = createWorld({ clock, models: { server }, limits: { coreQueueMax: 5, coreWaitMs: 15_000 } })
    const codes = (await world.settled(
      world.kernel.spawn(
        async (sys: Sys) =>
          (
            await Promise.all(
              Array.from({ length: 10 }, () => endOf(sys.generate({ prompt: 'hi', maxOutputTokens: 1_500 }))),
            )
          ).map(codeOf),
        null,
      ).result,
    )) as string[]
    // One runs, five wait, four find the queue full; of the five one gets its turn in 15 s.
    assert.deepEqual(codes.filter((code) => code === 'ok').length, 2)
    assert.deepEqual(codes.filter((code) => code === 'OVERLOADED').length, 8)
    assert.deepEqual([world.kernel.cores[0]?.inFlight, world.kernel.cores[0]?.waiting], [0, 0])
  })

  test('property: whatever fails, refuses, hangs or is killed, every call ends and every core is free in the end', () =>
    fc.assert(
      fc.asyncProperty(fc.nat({ max: 1_000_000 }), fc.integer({ min: 1, max: 30 }), async (seed, processes) => {
        const clock = simulatedClock({ seed })
        let n = seed
        const next = (max: number): number => (n = (n * 1_103_515_245 + 12_345) % 2 ** 31) % max
        const model = scripted(
          () =>
            [
              { text: 'ok', delayMs: next(500) },
              { text: 'ok', delayMs: next(500) },
              { error: { statusCode: 429 }, delayMs: next(50) },
              { error: { statusCode: 500 }, delayMs: next(50) },
              { error: { statusCode: 400 } },
              { hang: true, ignoreAbort: true },
            ][next(6)],
          { clock, capabilities: next(2) === 0 ? {} : { slots: 1 + next(4), requestsPerMinute: 20 + next(100) } },
        )
        const world = createWorld({
          clock,
          store: recordingStore({ durability: 'memory' }),
          models: { model, spare: scripted(() => 'spare') },
          limits: { generateMs: 2_000, coreWaitMs: 30_000 },
        })
        const client = defineProgram(
          'client',
          async (sys, chain: boolean) =>
            (await endOf(sys.generate({ prompt: 'hi', model: chain ? ['model', 'spare'] : 'model' }))) as Json,
        )
        const runs = Array.from({ length: processes }, (_, i) => world.kernel.spawn(client, i % 3 === 0))
        const killer = world.kernel.spawn(async (sys: Sys) => {
          for (const run of runs.filter((_, i) => i % 4 === 1)) {
            await sys.sleep(next(300))
            run.kill()
          }
        }, null)
        await world.settled(Promise.all([killer, ...runs].map((run) => endOf(run.result as Promise<unknown>))))
        for (const core of world.kernel.cores) assert.deepEqual([core.id, core.inFlight, core.waiting], [core.id, 0, 0])
        const pids: Pid[] = world.kernel
          .ps()
          .filter((info) => info.state === 'running')
          .map((info) => info.pid)
        assert.deepEqual(pids, [])
      }),
      { numRuns: 100 },
    ))
})

test('calls that a process begins with together keep their place behind those who came before, under attained-service', async () => {
  const clock = simulatedClock({ seed: 3 })
  const world = createWorld({ clock, models: { server: simulated({ clock, slots: 1, outputTokens: 20 }) } })
  const order: string[] = []
  const pair = defineProgram('pair', async (sys, name: string) => {
    const ask = (which: string) =>
      sys.generate({ prompt: name + which, maxOutputTokens: 20 }).then(() => order.push(name + which))
    await Promise.all([ask('1'), ask('2')])
    await ask('3')
    return null
  })
  await world.settled(Promise.all(['a', 'b', 'c'].map((name) => world.kernel.spawn(pair, name).result)))
  // Nobody has started when all have asked twice; who was answered is ahead with what it asks next.
  assert.deepEqual(order, ['a1', 'a2', 'b1', 'a3', 'b2', 'c1', 'b3', 'c2', 'c3'])
})
