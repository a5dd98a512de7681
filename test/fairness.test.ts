/**
 * What the disciplines promise, as theorems with their bounds, on thousands of seeded calls in simulated time: every bound
 * is computed by the test from what reached the model, and held against every step or every call.
 */
import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { callError } from '../src/drivers/llm/scripted.ts'
import { simulated } from '../src/drivers/llm/simulated.ts'
import { randomAt, simulatedClock } from '../src/kernel/clock.ts'
import type { ModelOptions } from '../src/kernel/cores.ts'
import type { LanguageModel } from '../src/kernel/drivers.ts'
import type { KernelOptions } from '../src/kernel/kernel.ts'
import { createQuotas } from '../src/kernel/quotas.ts'
import type { CallEnd, CallStart, Sys } from '../src/kernel/types.ts'
import type { World } from './world.ts'
import { codeOf, createWorld, endOf, recordingStore } from './world.ts'

const isLong = process.env['POLITY_LONG'] === '1'

/** Tokens that the simulated server writes a second: a call of so many takes a second. */
const SECOND_TOKENS = 100

interface Ask {
  readonly who: string
  /** When it is asked, ms. */
  readonly at: number
  readonly outputTokens: number
  /** What it may write at most, and so what is reserved. @default outputTokens */
  readonly maxOutputTokens?: number
  readonly priority?: number
  readonly deadlineMs?: number
}

interface Answered {
  readonly ask: Ask
  arrivedAt: number
  servedAt: number
  endedAt: number
  reserved: number
  used: number
  code: string
}

interface Options extends Pick<KernelOptions, 'discipline' | 'disciplineOptions' | 'limits'> {
  readonly slots: number
  readonly requestsPerMinute?: number
  readonly tokensPerMinute?: number
  /** Goes before the server. */
  readonly before?: (who: string) => void
  /** Done in the world beside what is asked. */
  readonly beside?: (world: World) => void
}

/** Asks all of it, each by a process of its own; returns what became of each, in the order in which it was asked. */
async function serve(asks: readonly Ask[], options: Options): Promise<readonly Answered[]> {
  const { slots, requestsPerMinute, tokensPerMinute, before, beside, ...kernel } = options
  const clock = simulatedClock({ seed: 7, startMs: 0 })
  const server = simulated({
    clock,
    slots,
    latencyMs: 0,
    prefillTokensPerSecond: Infinity,
    decodeTokensPerSecond: SECOND_TOKENS,
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
    ...(tokensPerMinute === undefined ? {} : { tokensPerMinute }),
    answer: ({ text }) => ({ text: 'yes', outputTokens: asks[Number(/#(\d+)#/.exec(text)?.[1])]?.outputTokens ?? 1 }),
  })
  const answered: Answered[] = asks.map((ask) => ({
    ask,
    arrivedAt: ask.at,
    servedAt: NaN,
    endedAt: NaN,
    reserved: 0,
    used: 0,
    code: '',
  }))
  const model: LanguageModel = {
    ...server,
    async doGenerate(call) {
      const one = answered[Number(/#(\d+)#/.exec(JSON.stringify(call.prompt))?.[1])]
      if (one !== undefined) one.servedAt = clock.now()
      before?.(one?.ask.who ?? '')
      return server.doGenerate(call)
    },
  }
  const store = recordingStore({ durability: 'memory' })
  const world = createWorld({ ...kernel, clock, store, models: { server: { model } satisfies ModelOptions } })
  const program = async (sys: Sys, i: number): Promise<null> => {
    const { outputTokens, maxOutputTokens = outputTokens, deadlineMs } = asks[i] as Ask
    const one = answered[i] as Answered
    const end = await endOf(
      sys.generate({ prompt: `#${i}#`, maxOutputTokens, ...(deadlineMs === undefined ? {} : { deadlineMs }) }),
    )
    one.code = codeOf(end)
    one.endedAt = clock.now()
    return null
  }
  const pids = new Map<number, Answered>()
  const runs = asks.map(
    ({ who, at, priority = 0 }, i) =>
      new Promise<unknown>((resolve, reject) => {
        clock.after(at, () => {
          const run = world.kernel.spawn(program, i, { principal: who, priority })
          pids.set(run.pid, answered[i] as Answered)
          run.result.then(resolve, reject)
        })
      }),
  )
  beside?.(world)
  await world.settled(Promise.all(runs))
  for (const { events } of store.batches)
    for (const event of events) {
      const one = pids.get(event.pid)
      if (one === undefined) continue
      if (event.type === 'call-start') one.reserved = (event as CallStart).reserved?.tokens ?? one.reserved
      const { usage } = event as CallEnd
      if (event.type === 'call-end' && usage !== undefined) one.used = usage.inputTokens + usage.outputTokens
    }
  if (before === undefined) assert.equal(server.stats().refused, 0)
  return answered
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length
const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] as number

describe('fair-share', () => {
  /**
   * The bound of Sheng et al. 2024, section 4, between any two principals over any time in which both have calls waiting:
   * 2 max(wp Linput, wq M), here with input and output of weight 1, so that M, the most tokens in flight, is the larger.
   * With weights, service is divided by them, and so is the bound by the smaller of the two. Returns the part of it that was
   * reached.
   */
  function worstGap(answered: readonly Answered[], weights: { readonly [who: string]: number } = {}): number {
    const steps = answered
      .flatMap((one) => [
        { at: one.servedAt, one, by: Math.max(one.reserved, one.used) },
        { at: one.endedAt, one, by: -Math.max(one.reserved, one.used) },
      ])
      .toSorted((a, b) => a.at - b.at || a.by - b.by)
    let inFlight = 0
    let most = 0
    for (const { by } of steps) most = Math.max(most, (inFlight += by))
    const names = [...new Set(answered.map(({ ask }) => ask.who))]
    const ends = answered.toSorted((a, b) => a.endedAt - b.endedAt)
    let worst = 0
    for (const [i, a] of names.entries())
      for (const b of names.slice(i + 1)) {
        const both = [a, b].map((name) => answered.filter(({ ask }) => ask.who === name))
        // Both have calls waiting from the first arrival of the later one to the first time that one has none left.
        const from = Math.max(...both.map((list) => Math.min(...list.map(({ ask }) => ask.at))))
        const to = Math.min(...both.map((list) => Math.max(...list.map(({ servedAt }) => servedAt))))
        const [aWeight, bWeight] = [weights[a] ?? 1, weights[b] ?? 1]
        const bound = (2 * most) / Math.min(aWeight, bWeight)
        let gap = 0
        let [low, high] = [0, 0]
        for (const { ask, endedAt, used } of ends) {
          if (endedAt <= from || endedAt > to) continue
          if (ask.who === a) gap += used / aWeight
          if (ask.who === b) gap -= used / bWeight
          low = Math.min(low, gap)
          high = Math.max(high, gap)
        }
        assert.ok(high - low <= bound, `the service of ${a} and ${b} differed by ${high - low}; the bound is ${bound}`)
        worst = Math.max(worst, (high - low) / bound)
      }
    return worst
  }

  test('property: the service of principals that have calls waiting never differs by more than 2 max(Linput, M), at any step', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 8 }),
        fc.array(
          fc.record({
            at: fc.constantFrom(0, 0, 500, 5_000),
            calls: fc.integer({ min: 10, max: 120 }),
            most: fc.integer({ min: 10, max: 400 }),
            part: fc.double({ min: 0.02, max: 1, noNaN: true }),
            weight: fc.constantFrom(1, 1, 2, 5),
          }),
          { minLength: 2, maxLength: 5 },
        ),
        async (slots, principals) => {
          const asks = principals.flatMap(({ at, calls, most, part }, i) =>
            Array.from({ length: calls }, (_, n) => ({
              who: `p${i}`,
              at,
              maxOutputTokens: most,
              outputTokens: Math.max(1, Math.floor(most * part * (0.5 + randomAt(3, i, n) / 2))),
            })),
          )
          const weights = Object.fromEntries(principals.map(({ weight }, i) => [`p${i}`, weight]))
          const disciplineOptions = { weights }
          worstGap(await serve(asks, { discipline: 'fair-share', disciplineOptions, slots }), weights)
        },
      ),
      { numRuns: isLong ? 40 : 4 },
    ))

  test('who reserves much and uses little is served as much as who reserves what it uses', async () => {
    const asks = Array.from({ length: isLong ? 4_800 : 1_000 }, (_, i) =>
      i % 6 === 0
        ? { who: 'exact', at: 0, outputTokens: 50 }
        : { who: 'shy', at: 0, outputTokens: 10, maxOutputTokens: 500 },
    )
    const answered = await serve(asks, { discipline: 'fair-share', slots: 4 })
    worstGap(answered)
    const half = Math.max(...answered.map(({ endedAt }) => endedAt)) / 2
    const served = (who: string): number =>
      answered.filter(({ ask, endedAt }) => ask.who === who && endedAt <= half).reduce((sum, { used }) => sum + used, 0)
    const [exact, shy] = [served('exact'), served('shy')]
    assert.ok(Math.abs(exact - shy) <= 0.05 * (exact + shy), `exact had ${exact} tokens, shy ${shy}`)
  })
})

test('priority: no call is overtaken by one that came later than its priority weighs, so nobody waits for ever', async () => {
  const ageMs = 2_000
  const mostPriority = 5
  const asks = Array.from({ length: isLong ? 8_000 : 700 }, (_, i) => ({
    who: 'p',
    // 2.5 slots' worth for 2 slots: the queue only grows.
    at: Math.floor(i * 400 + 300 * randomAt(1, 1, i)),
    outputTokens: SECOND_TOKENS,
    priority: randomAt(1, 2, i) < 0.1 ? 0 : Math.ceil(mostPriority * randomAt(1, 3, i)),
  }))
  const answered = await serve(asks, { discipline: 'priority', disciplineOptions: { ageMs }, slots: 2 })
  const byService = answered.toSorted((a, b) => a.servedAt - b.servedAt)
  const placeOf = ({ ask }: Answered): number => ask.at - (ask.priority ?? 0) * ageMs
  for (const [i, one] of byService.entries())
    for (const later of byService.slice(i + 1, i + 1_000))
      if (later.ask.at < one.servedAt) assert.ok(placeOf(one) <= placeOf(later), `${one.servedAt}: out of its turn`)
  // The bound: before a call go at most those that came before its arrival plus its distance from the highest priority.
  for (const { ask, servedAt } of answered) {
    const weighsMs = (mostPriority - (ask.priority ?? 0)) * ageMs
    const before = answered.filter((other) => other.ask.at <= ask.at + weighsMs && other.endedAt > ask.at).length
    assert.ok(servedAt - ask.at <= (before / 2 + 1) * 1_000, `waited ${servedAt - ask.at} ms behind ${before}`)
  }
})

describe('deadline', () => {
  interface Job {
    readonly release: number
    readonly due: number
  }

  /** The most jobs of one second that can be in time on `slots`: a maximum matching of jobs and seconds, by augmenting paths. */
  function optimum(jobs: readonly Job[], slots: number): number {
    const places = new Map<string, number>()
    const placed = (i: number, seen: Set<string>): boolean => {
      const { release, due } = jobs[i] as Job
      for (let second = release; second < due; second++)
        for (let slot = 0; slot < slots; slot++) {
          const place = `${second}/${slot}`
          if (seen.has(place)) continue
          seen.add(place)
          const holder = places.get(place)
          if (holder === undefined || placed(holder, seen)) {
            places.set(place, i)
            return true
          }
        }
      return false
    }
    return jobs.filter((_, i) => placed(i, new Set())).length
  }

  async function inTime(jobs: readonly Job[], slots: number, discipline: 'deadline' | 'fifo'): Promise<number> {
    const asks = jobs.map(({ release, due }) => ({
      who: 'p',
      at: release * 1_000,
      outputTokens: SECOND_TOKENS,
      deadlineMs: (due - release) * 1_000,
    }))
    const answered = await serve(asks, { discipline, slots })
    return answered.filter(({ ask, endedAt }) => endedAt <= ask.at + ask.deadlineMs! + 1e-6).length
  }

  test('property: of calls of equal length as many are in time as can be, by an exact optimum', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat({ max: 12 }), fc.integer({ min: 1, max: 8 })), {
          minLength: 1,
          maxLength: 24,
          size: 'max',
        }),
        fc.integer({ min: 1, max: 3 }),
        async (pairs, slots) => {
          // Of those that come at the same instant the first is served at once, so they come by their deadlines.
          const jobs = pairs
            .map(([release, length]) => ({ release, due: release + length }))
            .toSorted((a, b) => a.release - b.release || a.due - b.due)
          assert.equal(await inTime(jobs, slots, 'deadline'), optimum(jobs, slots))
        },
      ),
      { numRuns: isLong ? 400 : 30 },
    ))

  test('under overload it misses as few as it must, where fifo misses many more', async () => {
    const count = isLong ? 2_000 : 250
    const jobs = Array.from({ length: count }, (_, i) => {
      const release = Math.floor(randomAt(2, 1, i) * 0.42 * count)
      return { release, due: release + 1 + Math.floor(20 * randomAt(2, 2, i)) }
    })
    const [edf, fifo, best] = [await inTime(jobs, 2, 'deadline'), await inTime(jobs, 2, 'fifo'), optimum(jobs, 2)]
    assert.equal(edf, best)
    assert.ok(best >= 0.8 * count && fifo < 0.7 * best, `${edf} in time, ${fifo} under fifo, ${best} can be`)
  })
})

test('attained-service: agents of ten steps end earlier on average than under fifo, at the same throughput', async () => {
  const outcome = async (discipline: 'fifo' | 'attained-service') => {
    const clock = simulatedClock({ seed: 5, startMs: 0 })
    const model = simulated({
      clock,
      slots: 8,
      latencyMs: 0,
      prefillTokensPerSecond: 1e9,
      decodeTokensPerSecond: SECOND_TOKENS,
      outputTokens: [20, 180],
    })
    const world = createWorld({ clock, store: recordingStore({ durability: 'memory' }), models: { model }, discipline })
    const took = Array.from({ length: isLong ? 500 : 100 }, async (_, i) => {
      const at = i * 500
      await new Promise<void>((resolve) => void clock.after(at, resolve))
      await world.kernel.spawn(async (sys: Sys) => {
        for (let n = 0; n < 10; n++) await sys.generate({ prompt: `${i} ${n}`, maxOutputTokens: 200 })
        return null
      }, null).result
      return clock.now() - at
    })
    return { meanMs: mean(await world.settled(Promise.all(took))), makespanMs: clock.now() }
  }
  const [fifo, attained] = [await outcome('fifo'), await outcome('attained-service')]
  assert.ok(attained.meanMs < 0.75 * fifo.meanMs, `mean ${attained.meanMs} ms, under fifo ${fifo.meanMs} ms`)
  assert.ok(
    attained.makespanMs <= 1.05 * fifo.makespanMs,
    `makespan ${attained.makespanMs} ms, under fifo ${fifo.makespanMs} ms`,
  )
})

test('what a principal that is alone did before its window is forgotten', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const limited = { slots: 4, requestsPerWindow: 1_000, tokensPerWindow: 100_000, windowMs: 60_000 }
  const quotas = createQuotas(() => limited, 0.3)
  const call = { principal: 'p', tokens: 10 } as Parameters<typeof quotas.granted>[0]
  const bytesAfter = (from: number, calls: number): number => {
    for (let i = from; i < from + calls; i++) {
      const now = i * 100
      quotas.called('p', now)
      if (quotas.roomAt(call, now) > now) assert.fail('held back')
      quotas.granted(call, now)
      quotas.released(call, 10, now)
    }
    collect()
    return process.memoryUsage().heapUsed
  }
  const before = bytesAfter(0, 10_000)
  const grown = bytesAfter(10_000, 100_000) - before
  assert.ok(grown < 1_000_000, `${grown} bytes more after 100,000 calls`)
})

describe('a principal that floods', () => {
  const minutes = isLong ? 10 : 2
  /** About a fifth of a core with 16 slots, 600 requests and 60,000 tokens a minute. */
  const victim: readonly Ask[] = Array.from({ length: minutes * 60 }, (_, i) => ({
    who: 'victim',
    at: Math.floor(1_000 * (i + 0.9 * randomAt(4, 1, i))),
    outputTokens: 20 + Math.floor(160 * randomAt(4, 2, i)),
    maxOutputTokens: 180,
  }))
  const floods: { readonly [name: string]: Partial<Options> & { asks: readonly Ask[] } } = {
    'of a thousand calls at once': {
      asks: Array.from({ length: isLong ? 3_000 : 400 }, (_, i) => ({
        who: 'hog',
        at: 10_000 + (i % 100),
        outputTokens: 100,
      })),
    },
    'of calls that write for minutes': {
      asks: Array.from({ length: 200 }, (_, i) => ({ who: 'hog', at: 10_000 + i, outputTokens: 3_000 })),
    },
    'of calls that reserve nearly the whole minute and use nothing': {
      asks: Array.from({ length: 300 }, (_, i) => ({
        who: 'hog',
        at: 10_000 + i * 500,
        outputTokens: 5,
        maxOutputTokens: 45_000,
      })),
    },
    'of calls that are taken back when they have been sent': {
      asks: [],
      beside: ({ clock, kernel }) => {
        for (let i = 0; i < (isLong ? 5_000 : 500); i++)
          clock.after(10_000 + i * 200, () => {
            const run = kernel.spawn(
              async (sys: Sys) => (await sys.generate({ prompt: 'x', maxOutputTokens: 2_000 }), null),
              null,
              { principal: 'hog' },
            )
            run.result.catch(() => {})
            clock.after(150, () => run.kill())
          })
      },
    },
    'of calls that the provider fails at': {
      asks: Array.from({ length: isLong ? 3_000 : 400 }, (_, i) => ({
        who: 'hog',
        at: 10_000 + i * 300,
        outputTokens: 10,
      })),
      before: (who) => {
        if (who === 'hog') throw callError({ message: 'broken', statusCode: 500 })
      },
    },
    'that fills the queue': {
      asks: Array.from({ length: isLong ? 3_000 : 400 }, (_, i) => ({
        who: 'hog',
        at: 10_000 + (i % 100),
        outputTokens: 100,
      })),
      limits: { coreQueueMax: 250 },
    },
  }
  const options: Options = {
    discipline: 'fair-share',
    disciplineOptions: { reserve: 0.3 },
    slots: 16,
    requestsPerMinute: 600,
    tokensPerMinute: 60_000,
  }
  const p95 = (answered: readonly Answered[]): number => {
    const mine = answered.filter(({ ask }) => ask.who === 'victim')
    assert.deepEqual([...new Set(mine.map(({ code }) => code))], ['ok'])
    return quantile(
      mine.map(({ ask, endedAt }) => endedAt - ask.at),
      0.95,
    )
  }

  let servedAlone: Promise<readonly Answered[]> | undefined
  const aloneMs = async (): Promise<number> => p95(await (servedAlone ??= serve(victim, options)))

  for (const [name, { asks, ...more }] of Object.entries(floods))
    test(`${name} moves another’s 95th percentile by at most 10 %`, async () => {
      const alone = await aloneMs()
      const beside = p95(await serve([...victim, ...asks], { ...options, ...more }))
      assert.ok(beside <= 1.1 * alone, `${Math.round(beside)} ms, alone ${Math.round(alone)} ms`)
    })

  test('would move it without a reserve', async () => {
    const flood = floods['of calls that write for minutes'] as { asks: readonly Ask[] }
    const alone = await aloneMs()
    const beside = p95(await serve([...victim, ...flood.asks], { ...options, disciplineOptions: {} }))
    assert.ok(beside > 2 * alone, `${Math.round(beside)} ms, alone ${Math.round(alone)} ms`)
  })
})
