/**
 * Disciplines: who goes next on a busy core. Each is asked for the one thing it is chosen for, on a simulated server, and all
 * of them that nobody starves who should not.
 */
// oxlint-disable unicorn/consistent-function-scoping -- a test reads best with its parts beside it
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { simulated } from '../src/drivers/llm/simulated.ts'
import { simulatedClock } from '../src/kernel/clock.ts'
import type { DisciplineName, DisciplineOptions, WaitingCall } from '../src/kernel/disciplines.ts'
import { createDiscipline, disciplineNames } from '../src/kernel/disciplines.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Sys } from '../src/kernel/types.ts'
import type { Place } from '../src/kernel/queue.ts'
import { createQueue } from '../src/kernel/queue.ts'
import { createWorld, recordingStore } from './world.ts'

/** Output tokens of one call: 149 tokens a second make it a second. */
const SECOND_TOKENS = 149

interface Job {
  readonly name: string
  /** When it is spawned, s. */
  readonly at?: number
  /** Model calls, one after the other, each of a second. */
  readonly calls?: number
  readonly priority?: number
  readonly principal?: string
  readonly deadlineMs?: number
}

interface Served {
  readonly name: string
  /** Seconds since the start. */
  readonly at: number
}

/** Serves jobs on one slot of one-second calls; returns every call in the order in which it was served. */
async function serve(
  discipline: DisciplineName,
  jobs: readonly Job[],
  { slots = 1, ...disciplineOptions }: DisciplineOptions & { slots?: number } = {},
): Promise<Served[]> {
  const clock = simulatedClock({ seed: 5 })
  const server = simulated({
    clock,
    slots,
    latencyMs: 0,
    prefillTokensPerSecond: 1e9,
    decodeTokensPerSecond: SECOND_TOKENS,
    outputTokens: SECOND_TOKENS,
  })
  const world = createWorld({
    clock,
    store: recordingStore({ durability: 'memory' }),
    models: { server },
    discipline,
    disciplineOptions,
  })
  const served: Served[] = []
  const startedAt = clock.now()
  const runs = jobs.map(({ name, at = 0, calls = 1, priority, principal, deadlineMs }) => {
    const job = async (sys: Sys): Promise<null> => {
      for (let i = 0; i < calls; i++) {
        await sys.generate({
          prompt: name,
          maxOutputTokens: SECOND_TOKENS,
          ...(deadlineMs === undefined ? {} : { deadlineMs }),
        })
        served.push({ name, at: (clock.now() - startedAt) / 1_000 })
      }
      return null
    }
    const spawn = () =>
      world.kernel.spawn(job, null, {
        ...(priority === undefined ? {} : { priority }),
        ...(principal === undefined ? {} : { principal }),
      }).result
    return at === 0
      ? spawn()
      : new Promise((resolve, reject) => void clock.after(at * 1_000, () => spawn().then(resolve, reject)))
  })
  await world.settled(Promise.all(runs))
  assert.equal(server.stats().refused, 0)
  return served
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
}

const names = (served: readonly Served[]): string => served.map(({ name }) => name).join('')
const count = (served: readonly Served[], name: string, until = Infinity): number =>
  served.filter((one) => one.name === name && one.at <= until).length
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number

test('fifo serves in the order of arrival', async () => {
  assert.equal(
    names(
      await serve('fifo', [
        { name: 'a' },
        { name: 'b', at: 0.1 },
        { name: 'c', at: 0.2, priority: 100 },
        { name: 'd', at: 0.3, deadlineMs: 1 },
      ]),
    ),
    'abcd',
  )
})

test('round-robin gives each process a turn: a long one does not hold up the short ones', async () => {
  const clock = simulatedClock()
  const server = simulated({
    clock,
    slots: 1,
    latencyMs: 0,
    prefillTokensPerSecond: 1e9,
    decodeTokensPerSecond: SECOND_TOKENS,
    outputTokens: SECOND_TOKENS,
  })
  const world = createWorld({ clock, models: { server }, discipline: 'round-robin' })
  const order: string[] = []
  const ask = (sys: Sys, name: string): Promise<unknown> =>
    sys.generate({ prompt: name, maxOutputTokens: SECOND_TOKENS }).then(() => order.push(name))
  const greedy = defineProgram(
    'greedy',
    async (sys) => (await Promise.all(Array.from({ length: 8 }, () => ask(sys, 'G'))), null),
  )
  const modest = defineProgram(
    'modest',
    async (sys) => (await sys.sleep(100), await ask(sys, 'm'), await ask(sys, 'm'), null),
  )
  await world.settled(Promise.all([world.kernel.spawn(greedy, null).result, world.kernel.spawn(modest, null).result]))
  // The modest one arrives behind eight calls and is served at once, both times.
  assert.ok(order.slice(0, 5).filter((name) => name === 'm').length === 2, order.join(''))
})

test('deadline serves who is due first; who has none comes last', async () => {
  const served = await serve(
    'deadline',
    [
      { name: '0' },
      { name: 'none' },
      { name: 'c', deadlineMs: 30_000 },
      { name: 'a', deadlineMs: 10_000 },
      { name: 'b', deadlineMs: 20_000 },
    ].map((job, i) => ({ ...job, at: i / 100 })),
  )
  assert.equal(names(served), '0abcnone')
})

describe('priority', () => {
  test('serves the higher first', async () => {
    const served = await serve(
      'priority',
      [{ name: '0' }, { name: 'c', priority: 1 }, { name: 'a', priority: 3 }, { name: 'b', priority: 2 }].map(
        (job, i) => ({ ...job, at: i / 100 }),
      ),
    )
    assert.equal(names(served), '0abc')
  })

  test('starves nobody: waiting weighs as much as priority in the end', async () => {
    // Two arrive every second for a server that serves one: the queue only grows, and all but one are of priority 5.
    const stream: Job[] = Array.from({ length: 400 }, (_, i) => ({ name: 'h', at: i / 2, priority: 5 }))
    const served = await serve('priority', [{ name: 'first' }, ...stream, { name: 'low', at: 0.01 }], { ageMs: 10_000 })
    const waited = served.find(({ name }) => name === 'low')?.at ?? Infinity
    // Who arrives 50 s later is served after it; those are at most the 100 that came before.
    assert.ok(waited <= 5 * 10 * 2 + 5, `served after ${waited} s`)
  })
})

describe('fair-share', () => {
  const crowd = (principal: string, processes: number): Job[] =>
    Array.from({ length: processes }, () => ({ name: principal, principal, calls: 400 / processes }))

  test('gives principals equal shares, however many processes each has', async () => {
    const served = await serve('fair-share', [...crowd('a', 20), ...crowd('b', 2)])
    const [a, b] = [count(served, 'a', 200), count(served, 'b', 200)]
    assert.ok(Math.abs(a - b) <= 0.05 * (a + b), `a had ${a}, b ${b} of the first 200`)
  })

  test('converges to the weights', async () => {
    const served = await serve('fair-share', [...crowd('a', 8), ...crowd('b', 8), ...crowd('c', 8)], {
      weights: { a: 5, b: 3, c: 2 },
    })
    const shares = ['a', 'b', 'c'].map((name) => count(served, name, 300) / 300)
    for (const [i, share] of [0.5, 0.3, 0.2].entries())
      assert.ok(
        Math.abs((shares[i] as number) - share) <= 0.05,
        `shares ${shares.map((one) => one.toFixed(3)).join(', ')}`,
      )
  })

  test('who was idle gets no credit for it, and who comes late waits for nobody’s past', async () => {
    const served = await serve('fair-share', [...crowd('a', 4), { name: 'b', principal: 'b', at: 100, calls: 50 }])
    const between = served.filter(({ at }) => at > 102 && at <= 142)
    const b = between.filter(({ name }) => name === 'b').length
    assert.ok(b >= 15 && b <= 25, `b had ${b} of the 40 calls after it came`)
  })

  test('calls that were cancelled in the queue are not held against their principal', async () => {
    const clock = simulatedClock()
    const server = simulated({
      clock,
      slots: 1,
      latencyMs: 0,
      prefillTokensPerSecond: 1e9,
      decodeTokensPerSecond: SECOND_TOKENS,
      outputTokens: SECOND_TOKENS,
    })
    const world = createWorld({
      clock,
      store: recordingStore({ durability: 'memory' }),
      models: { server },
      discipline: 'fair-share',
    })
    const served: string[] = []
    const ask = defineProgram('ask', async (sys, calls: number) => {
      for (let i = 0; i < calls; i++) {
        await sys.generate({ prompt: 'hi', maxOutputTokens: SECOND_TOKENS })
        served.push(sys.principal)
      }
      return null
    })
    const other = Array.from({ length: 4 }, () => world.kernel.spawn(ask, 50, { principal: 'b' }).result)
    const cancelled = Array.from({ length: 200 }, () => world.kernel.spawn(ask, 1, { principal: 'a' }))
    await world.settled(world.kernel.spawn(async (sys: Sys) => sys.sleep(10), null).result)
    for (const run of cancelled) run.kill()
    served.length = 0
    const mine = Array.from({ length: 4 }, () => world.kernel.spawn(ask, 10, { principal: 'a' }).result)
    await world.settled(Promise.all(mine))
    const share = served.filter((one) => one === 'a').length / served.length
    assert.ok(share >= 0.4, `a had ${(100 * share).toFixed()} % after its 200 cancelled calls`)
    await world.settled(Promise.all(other))
  })
})

test('attained-service: the median run ends earlier than under fifo, at the same throughput', async () => {
  // Agents of five steps arrive faster than they can be served.
  const jobs: Job[] = Array.from({ length: 40 }, (_, i) => ({ name: `${i}`, at: i * 0.5, calls: 5 }))
  const outcome = async (discipline: DisciplineName) => {
    const served = await serve(discipline, jobs, { slots: 4 })
    const ends = jobs.map(
      ({ name, at = 0 }) => Math.max(...served.filter((one) => one.name === name).map((one) => one.at)) - at,
    )
    return { median: median(ends), makespan: Math.max(...served.map(({ at }) => at)) }
  }
  const [fifo, attained] = [await outcome('fifo'), await outcome('attained-service')]
  assert.ok(attained.median < 0.8 * fifo.median, `median ${attained.median} s against ${fifo.median} s under fifo`)
  assert.ok(attained.makespan <= 1.02 * fifo.makespan, `makespan ${attained.makespan} s against ${fifo.makespan} s`)
})

describe('all of them', () => {
  const waiting = fc.record({
    pid: fc.integer({ min: 1, max: 5 }),
    principal: fc.constantFrom('a', 'b'),
    priority: fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(1e308, -1e308)),
    spawnedAt: fc.nat({ max: 1_000 }),
    arrivedAt: fc.nat({ max: 1_000 }),
    deadlineAt: fc.oneof(fc.nat({ max: 1_000 }), fc.constant(Infinity)),
    started: fc.boolean(),
    tokens: fc.integer({ min: 1, max: 1_000 }),
  }) as fc.Arbitrary<WaitingCall>

  for (const name of disciplineNames) {
    test(`${name}: property: the queue gives every call out once, whatever comes, is served or leaves`, () =>
      fc.assert(
        fc.property(fc.array(fc.tuple(waiting, fc.nat({ max: 4 })), { maxLength: 60, size: 'max' }), (steps) => {
          const queue = createQueue(createDiscipline(name), () => 500)
          const given = new Set<WaitingCall>()
          const places = new Map<WaitingCall, Place<WaitingCall>>()
          const take = (): boolean => {
            const place = queue.first()
            if (place === undefined) return false
            const { call } = place
            assert.ok(call !== undefined && !given.has(call))
            queue.take(place)
            places.delete(call)
            given.add(call)
            queue.settle(call, call.tokens >> 1)
            return true
          }
          for (const [call, what] of steps) {
            places.set(call, queue.push(call))
            if (what === 0) take()
            if (what === 1) {
              const [left, place] = [...places][0] as [WaitingCall, Place<WaitingCall>]
              queue.leave(place)
              places.delete(left)
              given.add(left)
            }
            if (what === 2) {
              const other = { ...call }
              queue.charge(other)
              queue.settle(other, other.tokens * 2)
            }
            assert.equal(queue.waiting, places.size)
          }
          while (take()) assert.equal(queue.waiting, places.size)
          assert.equal(given.size, steps.length)
          assert.equal(queue.waiting, 0)
        }),
        { numRuns: 100 },
      ))
  }

  test('remember a bounded number of flows: 30,000 principals that came and went leave no trace', () => {
    for (const name of ['fair-share', 'round-robin'] as const) {
      const queue = createQueue(createDiscipline(name), () => 500)
      const call = (i: number): WaitingCall => ({
        pid: i,
        principal: `p${i}`,
        priority: 0,
        spawnedAt: 0,
        arrivedAt: 0,
        deadlineAt: Infinity,
        started: false,
        tokens: 1,
      })
      collectGarbage()
      const before = process.memoryUsage().heapUsed
      for (let i = 0; i < 30_000; i++) {
        const one = call(i)
        queue.push(one)
        queue.take(queue.first() as Place<WaitingCall>)
        queue.settle(one, 1)
      }
      collectGarbage()
      const grown = process.memoryUsage().heapUsed - before
      assert.ok(grown < 16 * 1_048_576, `${name}: the heap grew by ${Math.round(grown / 1_048_576)} MB`)
    }
  })
})
