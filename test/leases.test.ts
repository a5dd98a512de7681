/**
 * Limits that several kernels share: leases in simulated time, against a provider that counts every request, and the store
 * that they go through.
 */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'
import { simulated } from '../src/drivers/llm/simulated.ts'
import { leaseConformance } from '../src/drivers/store/conformance-leases.ts'
import { leaseMemory } from '../src/drivers/store/lease-memory.ts'
import { openLeaseFile } from '../src/drivers/store/lease-file.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import type { SimulatedClock } from '../src/kernel/clock.ts'
import { randomAt, simulatedClock } from '../src/kernel/clock.ts'
import type { LanguageModel, LeaseStore } from '../src/kernel/drivers.ts'
import { PolityError } from '../src/kernel/errors.ts'
import type { Sys } from '../src/kernel/types.ts'
import { fleet, fleetLimits } from './leases/fleet.ts'
import type { World } from './world.ts'
import { codeOf, createWorld, endOf, recordingStore, settled } from './world.ts'

const isLong = process.env['POLITY_LONG'] === '1'
const folder = mkdtempSync(join(tmpdir(), 'polity-leases-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const fresh = (): string => join(folder, `${files++}.db`)

leaseConformance({ opener: leaseMemory, test, name: 'leases in memory' })
leaseConformance({
  opener: () => {
    const path = fresh()
    return () => openLeaseFile(path)
  },
  test,
  name: 'lease file',
})

test('a lease file is not the store of a kernel, and the other way round', () => {
  const [shared, store] = [fresh(), fresh()]
  openLeaseFile(shared).close()
  openSqliteStore(store).close()
  assert.throws(() => openLeaseFile(store), { code: 'STORE_INVALID' })
  assert.throws(() => openSqliteStore(shared), { code: 'STORE_INVALID' })
})

test('a lease file that is removed under its kernels is a clear error, not a second file', () => {
  const path = fresh()
  const a = openLeaseFile(path)
  a.update('k', () => '1')
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix)
  const b = openLeaseFile(path)
  assert.throws(() => a.update('k', () => '2'), { code: 'STORE_FAILED', message: /removed or replaced/ })
  b.update('k', (value) => `${value}`)
  a.close()
  b.close()
})

test('a living holder whose seat file is removed is not taken for dead: everybody says what is wrong', () => {
  const path = fresh()
  const [a, b] = [openLeaseFile(path), openLeaseFile(path)]
  rmSync(`${path}-seat-0`)
  const says = { code: 'STORE_FAILED', message: /-seat-0 was removed or replaced/ }
  assert.throws(() => b.isAlive(a.holder), says)
  assert.throws(() => openLeaseFile(path), says)
  assert.throws(() => a.update('k', () => '1'), says)
  assert.equal(a.isAlive(b.holder), true)
  a.close()
  const c = openLeaseFile(path)
  assert.deepEqual([b.isAlive(a.holder), b.isAlive(c.holder)], [false, true])
  for (const one of [b, c]) one.close()
})

test('models with one key count in one window, in one kernel and in several', async () => {
  const clock = simulatedClock({ startMs: 0 })
  const open = leaseMemory()
  const model = (rateWindowMs: number) => ({
    model: simulated({ clock, slots: 2, requestsPerMinute: 60 }),
    key: 'the key',
    rateWindowMs,
  })
  const boot = (...windows: number[]): World =>
    createWorld({ clock, leases: open(), models: Object.fromEntries(windows.map((ms, i) => [`m${i}`, model(ms)])) })
  const wrong = { code: 'CONFIG_INVALID', message: /in windows of 2000 ms.*in windows of 60000 ms/ }
  assert.throws(() => boot(60_000, 2_000), wrong)
  const other = leaseMemory()
  const bootOther = (ms: number): World => createWorld({ clock, leases: other(), models: { m: model(ms) } })
  const first = bootOther(60_000)
  assert.throws(() => bootOther(2_000), wrong)
  const second = bootOther(60_000)
  await first.kernel.close()
  assert.throws(() => bootOther(2_000), wrong)
  await second.kernel.close()
  // Nobody counts in the other any more.
  await bootOther(2_000).kernel.close()
})

interface Load {
  readonly calls: number
  /** When its calls come, ms: all at once at the start, or over so long. */
  readonly overMs: number
  readonly outputTokens: number
}

interface Provider {
  readonly slots?: number
  readonly requestsPerMinute?: number
  readonly tokensPerMinute?: number
}

interface Outcome {
  readonly clock: SimulatedClock
  readonly refused: number
  readonly codes: readonly string[]
  readonly perKernel: readonly number[]
  readonly ms: number
  readonly busySlotMs: number
}

/** Kernels with one key, each with its own load. */
async function share(
  provider: Provider,
  loads: readonly Load[],
  crash?: { readonly at: number; readonly kernel: number },
): Promise<Outcome> {
  const clock = simulatedClock({ seed: 11, startMs: 0 })
  const server = simulated({
    clock,
    slots: 1_000,
    ...provider,
    latencyMs: 100,
    decodeTokensPerSecond: 100,
    prefillTokensPerSecond: Infinity,
    outputTokens: 1_000,
  })
  const open = leaseMemory()
  const perKernel = loads.map(() => 0)
  const codes: string[] = []
  const worlds: { world: World; shared: LeaseStore; death: AbortController; dead: boolean }[] = []
  const ends: Promise<unknown>[] = []
  let lastAt = 0
  for (const [k, { calls, overMs, outputTokens }] of loads.entries()) {
    const shared = open()
    const death = new AbortController()
    const one: (typeof worlds)[number] = { world: undefined as never, shared, death, dead: false }
    const model: LanguageModel = {
      ...server,
      // The connections of a dead process are closed by its machine, and it sends nothing more.
      doGenerate: (call) =>
        one.dead
          ? new Promise(() => {})
          : server.doGenerate({
              ...call,
              abortSignal: AbortSignal.any([death.signal, ...(call.abortSignal ? [call.abortSignal] : [])]),
            }),
    }
    one.world = createWorld({
      clock,
      store: recordingStore({ durability: 'memory' }),
      models: { server: { model, key: 'the key' } },
      leases: shared,
      limits: { coreWaitMs: 7 * 24 * 3_600_000 },
    })
    worlds.push(one)
    const mine = Array.from({ length: calls }, async (_, i) => {
      const at = overMs * randomAt(k, 1, i)
      await new Promise<void>((resolve) => void clock.after(at, resolve))
      if (one.dead) return
      const run = one.world.kernel.spawn(async (sys: Sys) => {
        const end = await endOf(sys.generate({ prompt: `${k} ${i}`, maxOutputTokens: outputTokens }))
        codes.push(codeOf(end))
        perKernel[k] = (perKernel[k] as number) + 1
        lastAt = clock.now()
        return null
      }, null)
      await Promise.race([run.result, died(k)])
    })
    ends.push(...mine)
  }
  function died(k: number): Promise<void> {
    return crash?.kernel === k ? deaths : new Promise(() => {})
  }
  let die: () => void = () => {}
  const deaths = new Promise<void>((resolve) => (die = resolve))
  if (crash !== undefined)
    clock.after(crash.at, () => {
      const one = worlds[crash.kernel] as (typeof worlds)[number]
      one.dead = true
      // Its lock falls; it returns nothing.
      one.shared.close()
      one.death.abort()
      die()
    })
  await settled(clock, Promise.all(ends))
  const { refused, busySlotMs } = server.stats()
  for (const { world } of worlds) await world.kernel.close()
  return { clock, refused, codes, perKernel, ms: lastAt, busySlotMs }
}

describe('leases', () => {
  test('property: whatever the kernels do, the key never gets more than it takes, and every call ends', () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          slots: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
          requestsPerMinute: fc.option(fc.integer({ min: 5, max: 120 }), { nil: undefined }),
          tokensPerMinute: fc.option(fc.integer({ min: 1_500, max: 6_000 }), { nil: undefined }),
        }),
        fc.array(
          fc.record({
            calls: fc.integer({ min: 1, max: 12 }),
            overMs: fc.constantFrom(0, 0, 10_000, 120_000),
            outputTokens: fc.integer({ min: 10, max: 400 }),
          }),
          { minLength: 1, maxLength: 6 },
        ),
        async ({ slots, requestsPerMinute, tokensPerMinute }, loads) => {
          const outcome = await share(
            {
              ...(slots === undefined ? {} : { slots }),
              ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
              ...(tokensPerMinute === undefined ? {} : { tokensPerMinute }),
            },
            loads,
          )
          assert.equal(outcome.refused, 0)
          assert.equal(
            outcome.codes.length,
            loads.reduce((sum, { calls }) => sum + calls, 0),
          )
          assert.ok(outcome.codes.every((code) => code === 'ok'))
        },
      ),
      { numRuns: isLong ? 25 : 3 },
    ))

  test('eight kernels use up a rate: requests', async () => {
    const { refused, ms, perKernel } = await share(
      { requestsPerMinute: 80 },
      Array.from({ length: 8 }, () => ({ calls: 20, overMs: 0, outputTokens: 50 })),
    )
    assert.equal(refused, 0)
    assert.deepEqual(perKernel, Array(8).fill(20))
    // 160 at 80 a minute: at once, then after a minute.
    assert.ok(ms <= 1.05 * 60_000 + 1_000, `${ms} ms`)
  })

  test('eight kernels use up the slots, and none of them is left behind', async () => {
    const { refused, ms, busySlotMs } = await share(
      { slots: 8 },
      Array.from({ length: 8 }, () => ({ calls: 8, overMs: 0, outputTokens: 100 })),
    )
    assert.equal(refused, 0)
    const utilisation = busySlotMs / 8 / ms
    assert.ok(utilisation >= 0.9, `${(100 * utilisation).toFixed(1)} % of the slots were used`)
  })

  test('one kernel alone uses all of it, and gives way to a second that comes later', async () => {
    const { refused, perKernel, ms } = await share({ slots: 4 }, [
      { calls: 60, overMs: 0, outputTokens: 100 },
      { calls: 12, overMs: 6_000, outputTokens: 100 },
    ])
    assert.equal(refused, 0)
    assert.deepEqual(perKernel, [60, 12])
    // 72 calls of 1.1 s on four slots.
    assert.ok(ms <= 1.1 * 18 * 1_100, `${ms} ms`)
  })

  test('one kernel alone is as fast as it would be without the others, where slots and requests are both scarce', async () => {
    const { refused, ms } = await share({ slots: 8, requestsPerMinute: 160 }, [
      { calls: 200, overMs: 0, outputTokens: 50 },
    ])
    assert.equal(refused, 0)
    // 160 of them by eight at once in 12 s, the others when their minute is over.
    assert.ok(ms >= 60_000 && ms <= 70_000, `${ms} ms`)
  })

  test('what a dead kernel had leased is taken back, and its requests and tokens count as used', async () => {
    const { refused, perKernel, ms } = await share(
      { slots: 8, requestsPerMinute: 240, tokensPerMinute: 60_000 },
      [
        { calls: 150, overMs: 0, outputTokens: 500 },
        { calls: 60, overMs: 0, outputTokens: 100 },
      ],
      { at: 7_000, kernel: 0 },
    )
    assert.equal(perKernel[1], 60)
    assert.ok(ms < 120_000, `${ms} ms`)
    assert.equal(refused, 0)
  })
})

describe('a lease store that fails', () => {
  function failing(): { shared: LeaseStore; fail(on: boolean): void } {
    const inner = leaseMemory()()
    let isFailing = false
    return {
      fail: (on) => void (isFailing = on),
      shared: {
        ...inner,
        update(key, change) {
          if (isFailing) throw new PolityError('STORE_FAILED', 'the disk is gone')
          inner.update(key, change)
        },
      },
    }
  }

  test('nothing is sent without a lease: calls wait, then fail and say why, and go on when it is back', async () => {
    const clock = simulatedClock({ startMs: 0 })
    const server = simulated({ clock, slots: 2, outputTokens: 100, decodeTokensPerSecond: 100 })
    const { shared, fail } = failing()
    fail(true)
    const world = createWorld({ clock, models: { server }, leases: shared })
    const ask = () =>
      endOf(world.kernel.spawn(async (sys: Sys) => (await sys.generate('hi')).finishReason, null).result)
    const first = await world.settled(ask())
    assert.ok('code' in first && first.code === 'DRIVER_UNAVAILABLE', JSON.stringify(first))
    assert.match(first.message, /shares with other kernels.*the disk is gone/)
    assert.ok(clock.now() >= 5_000 && clock.now() < 8_000, `after ${clock.now()} ms`)
    assert.equal(server.stats().calls, 0)
    fail(false)
    await world.settled(new Promise<void>((resolve) => void clock.after(1_500, resolve)))
    assert.equal(codeOf(await world.settled(ask())), 'ok')
    await world.kernel.close()
  })

  test('a short failure is not seen by anybody', async () => {
    const clock = simulatedClock({ startMs: 0 })
    const server = simulated({ clock, slots: 2, outputTokens: 100, decodeTokensPerSecond: 100 })
    const { shared, fail } = failing()
    const world = createWorld({ clock, models: { server }, leases: shared })
    for (let at = 500; at < 60_000; at += 5_000) {
      clock.after(at, () => fail(true))
      clock.after(at + 3_000, () => fail(false))
    }
    const codes = await world.settled(
      world.kernel.spawn(
        async (sys: Sys) =>
          Promise.all(Array.from({ length: 60 }, async (_, i) => codeOf(await endOf(sys.generate(`${i}`))))),
        null,
      ).result,
    )
    assert.deepEqual([...new Set(codes as string[])], ['ok'])
    await world.kernel.close()
  })
})

/** Of a key, what processes that share it use at least. */
const USED_MIN = 0.8

// No request is refused that reaches the provider within the margin; each that takes longer may be one too many. On a machine
// that nobody starves none does.
describe('operating-system processes with one key', () => {
  if (isLong)
    test('a process that stood still for longer than a window comes back to leases that nobody took from it', async () => {
      const { refused, late, mostInFlight, served } = await fleet({
        path: fresh(),
        members: 3,
        windowMs: 1_000,
        windows: 5,
        killed: 0,
        stopped: 1,
      })
      assert.ok(refused.length <= late, `refused: ${refused.join(', ')}; ${late} were late`)
      assert.ok(mostInFlight <= fleetLimits(1_000).slots)
      assert.ok(served.every((calls) => calls > 0))
    })

  for (const { members, killed } of [
    { members: 2, killed: 1 },
    ...(isLong
      ? [
          { members: 2, killed: 0 },
          { members: 8, killed: 0 },
          { members: 8, killed: 3 },
        ]
      : []),
  ])
    test(`${members} processes${killed > 0 ? `, ${killed} of them killed with leases in hand,` : ''} use the key up and are never refused`, async (t) => {
      let used = 0
      // Where requests come late, processes wait for a processor, and not for the key: then once more, three times at most.
      for (let tries = 1; tries <= 3 && used < USED_MIN; tries++) {
        const { refused, late, mostInFlight, utilisation, served } = await fleet({
          path: fresh(),
          members,
          windowMs: isLong ? 2_000 : 1_000,
          windows: isLong ? 2 : 1,
          killed,
        })
        t.diagnostic(
          `${(100 * utilisation).toFixed(1)} % of the requests, ${mostInFlight} at once, ${late} later than allowed for, calls of each: ${served.join(', ')}`,
        )
        assert.ok(refused.length <= late, `refused: ${refused.join(', ')}; ${late} were late`)
        assert.ok(mostInFlight <= fleetLimits(1_000).slots)
        assert.ok(utilisation <= 1.02)
        assert.ok(served.every((calls) => calls > 0))
        used = utilisation
        if (!isLong || late === 0) break
      }
      if (isLong) assert.ok(used >= USED_MIN, `${(100 * used).toFixed(1)} % of the key was used`)
    })

  test('that open a file at the same time, which is not there yet, count up one entry without losing a step', async () => {
    const [path, processes, steps] = [fresh(), isLong ? 8 : 2, 100]
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    const children = Array.from({ length: processes }, () =>
      fork(join(import.meta.dirname, 'leases', 'counter.ts'), [path, `${steps}`], { execArgv: [], env }),
    )
    const ready = await Promise.all(children.map((child) => once(child, 'message')))
    assert.equal(ready.length, processes)
    for (const child of children) child.send('open')
    const exits = await Promise.all(children.map((child) => once(child, 'exit')))
    assert.deepEqual(
      exits.map(([code]) => code as unknown),
      children.map(() => 0),
    )
    const store = openLeaseFile(path)
    let found: string | undefined
    store.update('n', (value) => (found = value ?? ''))
    store.close()
    assert.equal(found, `${processes * steps}`)
  })
})
