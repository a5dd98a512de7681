/** Models that take turns on a machine that has no room for all: few loads, nobody idle, nobody for ever outside. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { servingMachine } from '../src/drivers/llm/serving-machine.ts'
import { simulated } from '../src/drivers/llm/simulated.ts'
import { simulatedClock } from '../src/kernel/clock.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Tenant } from '../src/kernel/residency.ts'
import { createResidency } from '../src/kernel/residency.ts'
import { createDiscipline } from '../src/kernel/disciplines.ts'
import { defaultLimits } from '../src/kernel/limits.ts'
import type { Core, CoreCall } from '../src/kernel/scheduler.ts'
import { createScheduler } from '../src/kernel/scheduler.ts'
import { codeOf, createWorld, endOf } from './world.ts'

const LOAD_MS = 5_000

/** Models `names` on one machine with room for `residentMax`, under a kernel that knows it, or not. */
function house(names: readonly string[], residentMax: number, isKnown: boolean, limits: { coreTurnMs?: number } = {}) {
  const clock = simulatedClock({ seed: 2, startMs: 0 })
  const machine = servingMachine({
    clock,
    sequencesMax: 8,
    iterationMs: 20,
    prefillTokenMs: 0.1,
    decodeSequenceMs: 0.1,
    kvTokens: 32_000,
    residentMax,
    loadMs: LOAD_MS,
  })
  const models = Object.fromEntries(
    names.map((modelId) => {
      const model = simulated({ clock, machine, modelId, refuse: 'queue', outputTokens: 20 })
      return [modelId, isKnown ? { model, host: { name: 'machine', residentMax } } : { model, slots: 1_000 }]
    }),
  )
  return { clock, machine, world: createWorld({ clock, models, limits }) }
}

/** Asks each of these models, all at once; returns when each was answered, ms. */
async function askAll(house_: ReturnType<typeof house>, models: readonly string[]): Promise<number[]> {
  const { world, clock } = house_
  const ask = defineProgram('ask', async (sys, { model, i }: { model: string; i: number }) => {
    await sys.generate({ model, prompt: `question ${i}`, maxOutputTokens: 40 })
    return clock.now()
  })
  return await world.settled(Promise.all(models.map((model, i) => world.kernel.spawn(ask, { model, i }).result)))
}

test('calls are grouped by model: as many loads as models, where a loader without a scheduler loads at every change', async () => {
  const names = ['a', 'b', 'c', 'd']
  const questions = Array.from({ length: 80 }, (_, i) => names[(i * 7 + (i >> 2)) % 4] as string)
  const known = house(names, 1, true)
  const ends = await askAll(known, questions)
  assert.equal(known.machine.stats().loads, 4)
  assert.deepEqual(
    known.world.kernel.cores.map(({ loads }) => loads),
    [1, 1, 1, 1],
  )
  const unknown = house(names, 1, false)
  const others = await askAll(unknown, questions)
  assert.ok(unknown.machine.stats().loads > 50, `${unknown.machine.stats().loads} loads`)
  assert.ok(Math.max(...others) > 3 * Math.max(...ends), `${Math.max(...others)} ms and ${Math.max(...ends)} ms`)
})

test('with room for two, two models are served together and the third waits for its turn', async () => {
  const names = ['a', 'b', 'c']
  const room = house(names, 2, true)
  const ends = await askAll(
    room,
    Array.from({ length: 30 }, (_, i) => names[i % 3] as string),
  )
  assert.equal(room.machine.stats().loads, 3)
  const last = (model: string): number => Math.max(...ends.filter((_, i) => names[i % 3] === model))
  assert.ok(last('c') > last('a') && last('c') > last('b'))
})

test('a model that always has work is asked to go when another has waited for a turn', async () => {
  const { world, machine, clock } = house(['busy', 'rare'], 1, true, { coreTurnMs: 20_000 })
  let isOver = false
  const flood = defineProgram('flood', async (sys) => {
    let calls = 0
    // oxlint-disable-next-line no-unmodified-loop-condition -- the other program ends it
    for (; !isOver; calls++) await sys.generate({ model: 'busy', prompt: `${calls}`, maxOutputTokens: 40 })
    return calls
  })
  const rare = defineProgram('rare', async (sys) => {
    await sys.sleep(3_000)
    const waited: number[] = []
    for (let i = 0; i < 3; i++) {
      const from = await sys.now()
      await sys.generate({ model: 'rare', prompt: `${i}`, maxOutputTokens: 40 })
      waited.push((await sys.now()) - from)
    }
    isOver = true
    return waited
  })
  const floods = Array.from({ length: 16 }, () => world.kernel.spawn(flood, null).result)
  const waited = await world.settled(world.kernel.spawn(rare, null).result)
  await world.settled(Promise.all(floods))
  // A turn, what is in flight, two loads (whoever is out comes back first), and its own answer.
  for (const ms of waited) assert.ok(ms < 20_000 + 3_000 + 2 * LOAD_MS + 3_000, `waited ${ms} ms`)
  assert.ok(machine.stats().loads <= 8, `${machine.stats().loads} loads in ${clock.now()} ms`)
})

test('machines that do not agree on their room are refused at the start', async () => {
  const clock = simulatedClock()
  const models = Object.fromEntries(
    [1, 2].map((residentMax) => [`m${residentMax}`, { model: simulated({ clock }), host: { name: 'm', residentMax } }]),
  )
  assert.throws(() => createWorld({ clock, models }), { code: 'CONFIG_INVALID' })
})

test('a killed process leaves its turn to the others', async () => {
  const { world, clock } = house(['a', 'b'], 1, true)
  const one = defineProgram(
    'one',
    async (sys, model: string) => (await sys.generate({ model, prompt: 'x', maxOutputTokens: 40 })).text.length,
  )
  const first = world.kernel.spawn(one, 'a')
  const second = world.kernel.spawn(one, 'b')
  clock.after(1_000, () => world.kernel.kill(first.pid))
  assert.equal(codeOf(await endOf(world.settled(second.result))), 'ok')
  assert.equal(codeOf(await endOf(world.settled(first.result))), 'KILLED')
})

/** A core of the property: calls come, are granted while it serves, and end. */
interface Seat extends Tenant {
  readonly queue: { waiting: number }
  inFlight: number
}

test('property: never more than there is room for, none sent out with calls in flight, none idle while others wait, none for ever', () => {
  const TURN_MS = 100
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.tuple(fc.nat(4), fc.constantFrom('comes', 'comes', 'ends', 'time'), fc.nat(40)), {
        maxLength: 300,
        size: 'max',
      }),
      (roomMax, steps) => {
        const seats: Seat[] = Array.from({ length: 5 }, () => ({
          queue: { waiting: 0 },
          inFlight: 0,
          stats: { loads: 0 },
        }))
        const residency = createResidency<Seat>(roomMax, TURN_MS)
        for (const seat of seats) residency.join(seat)
        let now = 0
        const grant = (): void => {
          for (const seat of residency.settle(now)) assert.ok(residency.serves(seat))
          for (const seat of seats)
            if (residency.serves(seat))
              while (seat.queue.waiting > 0 && seat.inFlight < 2) {
                seat.queue.waiting--
                seat.inFlight++
              }
          const served = seats.filter((seat) => residency.serves(seat))
          assert.ok(served.length <= roomMax)
          for (const seat of seats) assert.ok(seat.inFlight === 0 || seat.stats.loads > 0)
          assert.ok(seats.filter((seat) => seat.inFlight > 0).length <= roomMax, 'calls of more models than have room')
          const waits = seats.filter((seat) => seat.queue.waiting > 0 && !residency.serves(seat) && seat.inFlight === 0)
          if (waits.length > 0)
            for (const seat of served) assert.ok(seat.inFlight > 0 || seat.queue.waiting > 0, 'idle while others wait')
        }
        for (const [which, what, ms] of steps) {
          const seat = seats[which] as Seat
          if (what === 'comes') seat.queue.waiting++
          else if (what === 'ends' && seat.inFlight > 0) seat.inFlight--
          else now += ms
          grant()
        }
        // From here each call takes a moment and the floods go on: everybody who waits comes in within its bound.
        const outside = new Set(seats.filter((seat) => seat.queue.waiting > 0 && !residency.serves(seat)))
        const until = now + (Math.ceil(5 / roomMax) + 1) * (TURN_MS + 1)
        const loads = new Map([...outside].map((seat) => [seat, seat.stats.loads]))
        for (; now <= until; now++) {
          for (const seat of seats) {
            if (seat.inFlight > 0) seat.inFlight--
            if (residency.serves(seat)) seat.queue.waiting++
          }
          grant()
        }
        for (const seat of outside)
          assert.ok(seat.stats.loads > (loads.get(seat) as number) || seat.inFlight > 0, 'waited for ever')
      },
    ),
    { numRuns: process.env['POLITY_LONG'] ? 5_000 : 150 },
  )
})

test('property: through the scheduler too, whoever comes, ends, fails or leaves', () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 2 }),
      fc.array(
        fc.tuple(
          fc.nat(2),
          fc.constantFrom('comes', 'comes', 'ends', 'ends', 'fails', 'leaves', 'leaves', 'time'),
          fc.nat(9),
        ),
        { maxLength: 80, size: 'max' },
      ),
      async (residentMax, steps) => {
        const clock = simulatedClock({ startMs: 0 })
        const scheduler = createScheduler(clock, { ...defaultLimits, coreTurnMs: 10_000 })
        const seats = Array.from({ length: 3 }, (_, i) => {
          const model = { ...simulated({ clock }), capabilities: {} }
          const host = { name: 'machine', residentMax }
          // So few a minute that what is in often waits for something else than its turn.
          const core = scheduler.createCore({
            id: `m${i}`,
            model,
            host,
            slots: 2,
            requestsPerMinute: 1,
            discipline: createDiscipline('fifo'),
          })
          return { core, waiting: [] as CoreCall[], inFlight: [] as CoreCall[] }
        })
        for (const [which, what, n] of steps) {
          const { core, waiting, inFlight } = seats[which] as (typeof seats)[number]
          const [waits, runs] = [waiting[n % (waiting.length || 1)], inFlight[n % (inFlight.length || 1)]]
          if (what === 'comes') scheduler.admit(core, callOn(waiting, inFlight))
          else if (what === 'leaves' && waits !== undefined) {
            waiting.splice(waiting.indexOf(waits), 1)
            scheduler.leave(core, waits)
          } else if ((what === 'ends' || what === 'fails') && runs !== undefined) {
            inFlight.splice(inFlight.indexOf(runs), 1)
            scheduler.release(core, runs, what === 'ends' ? { type: 'served', tokens: 1 } : { type: 'failed' })
          } else if (what === 'time') clock.jump(n * 1_000)
          await new Promise<void>((resolve) => void clock.soon(() => clock.soon(resolve)))
          const served = seats.filter(({ core: one }) => one.residency?.serves(one))
          const isWaitedFor = ({ core: one }: { core: Core }): boolean =>
            one.queue.waiting > 0 && one.inFlight === 0 && one.residency?.serves(one) === false
          if (!seats.some(isWaitedFor)) continue
          for (const { core: one } of served)
            assert.ok(one.inFlight > 0 || one.queue.waiting > 0, `${one.id} is idle while others wait`)
        }
      },
    ),
    { numRuns: process.env['POLITY_LONG'] ? 2_000 : 100 },
  ))

function callOn(waiting: CoreCall[], inFlight: CoreCall[]): CoreCall {
  const call: CoreCall = {
    pid: 1,
    principal: 'p',
    priority: 0,
    spawnedAt: 0,
    arrivedAt: 0,
    deadlineAt: Infinity,
    started: false,
    tokens: 1,
    place: undefined,
    together: 0,
    granted(error) {
      const at = waiting.indexOf(call)
      if (at >= 0) waiting.splice(at, 1)
      if (error === undefined) inFlight.push(call)
    },
  }
  waiting.push(call)
  return call
}
