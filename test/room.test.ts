/**
 * Calls that wait for room in a budget: what others have set aside comes back when their calls end. In simulated time, where
 * a wait that nothing ends is a failure (`settled`), through the kernel.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { randomAt, simulatedClock } from '../src/kernel/clock.ts'
import { PolityError } from '../src/kernel/errors.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Budget, Json, Program } from '../src/kernel/types.ts'
import { createWorld, cutStore, endOf, rawModel } from './world.ts'

const isLong = process.env['POLITY_LONG'] === '1'

interface Calls {
  /** Tokens that each may answer with; null for no limit. */
  readonly calls: readonly (number | null)[]
}

/** Calls at once; how each ended. */
const crowd = defineProgram('crowd', async (sys, { calls }: Calls) => {
  const ends = await Promise.all(
    calls.map((maxOutputTokens, i) =>
      sys.generate({ prompt: `call ${i}`, ...(maxOutputTokens === null ? {} : { maxOutputTokens }) }).then(
        ({ finishReason }) => finishReason as string,
        (error: unknown) => (PolityError.isInstance(error) ? error.code : String(error)),
      ),
    ),
  )
  return ends as Json
})

interface Beside {
  /** Most calls that were under way together, and most tokens that they might answer with together. */
  readonly most: { calls: number; tokens: number }
  readonly order: string[]
  /** With how much each might answer, in the order in which they were asked. */
  readonly sizes: number[]
}

/** Answers in a few words after a while. */
function slow(delayMs: (call: LanguageModelV4CallOptions, index: number) => number) {
  const clock = simulatedClock({ seed: 1 })
  const beside: Beside = { most: { calls: 0, tokens: 0 }, order: [], sizes: [] }
  let [calls, tokens] = [0, 0]
  const model = scripted(
    (call, index) => ({
      text: 'yes',
      usage: { inputTokens: 6, outputTokens: Math.min(4, call.maxOutputTokens ?? 4) },
      delayMs: delayMs(call, index),
    }),
    { clock },
  )
  async function counted<Answer>(call: LanguageModelV4CallOptions, answer: () => PromiseLike<Answer>): Promise<Answer> {
    const { maxOutputTokens = 0 } = call
    calls++
    tokens += maxOutputTokens
    beside.sizes.push(maxOutputTokens)
    beside.most.calls = Math.max(beside.most.calls, calls)
    beside.most.tokens = Math.max(beside.most.tokens, tokens)
    beside.order.push(/call \d+/.exec(JSON.stringify(call.prompt))?.[0] ?? '')
    try {
      return await answer()
    } finally {
      calls--
      tokens -= maxOutputTokens
    }
  }
  const counting = rawModel(
    (call) => counted(call, () => model.doGenerate(call)),
    (call) => counted(call, () => model.doStream(call)),
  )
  return { clock, models: { main: counting }, beside }
}

describe('calls that wait for room', () => {
  test('all go on where what was set aside comes back, and none is cut short by it', async () => {
    const { clock, models, beside } = slow(() => 100)
    const w = createWorld({ clock, models, programs: [crowd] })
    const budget = { tokens: 20_000 }
    const run = w.kernel.spawn(crowd, { calls: Array.from({ length: 60 }, () => null) }, { budget })
    assert.deepEqual(
      await w.settled(run.result),
      Array.from({ length: 60 }, () => 'stop'),
    )
    assert.equal(beside.most.calls, 4)
    assert.ok(beside.most.tokens <= 20_000, `${beside.most.tokens}`)
    assert.deepEqual([run.usage.inputTokens + run.usage.outputTokens, run.usage.steps], [600, 60])
    assert.deepEqual(
      beside.order,
      Array.from({ length: 60 }, (_, i) => `call ${i}`),
    )
  })

  test('what is spent is refused at once, whoever is under way', async () => {
    const { clock, models } = slow(() => 60_000)
    const w = createWorld({ clock, models, programs: [crowd] })
    const from = w.clock.now()
    const run = w.kernel.spawn(crowd, { calls: [900, 1_200] }, { budget: { tokens: 1_000 } })
    const events: string[] = []
    const times: number[] = []
    const over = (async () => {
      for await (const event of run.events)
        if (event.type === 'call-end') {
          events.push(event.error?.code ?? 'value')
          times.push(event.at - from)
        }
    })()
    assert.deepEqual(await w.settled(run.result), ['stop', 'BUDGET_EXCEEDED'])
    await over
    assert.deepEqual(events, ['BUDGET_EXCEEDED', 'value'])
    assert.ok((times[0] as number) < 1_000 && (times[1] as number) >= 60_000, times.join(' '))
  })

  test('nobody who comes later takes the room of the first, and what it needs is set aside for it alone', async () => {
    // The third needs most of it, also when the second has ended; the small ones behind it would always find room.
    const { clock, models, beside } = slow((_, index) => (index === 0 ? 1_000 : 10))
    const w = createWorld({ clock, models, programs: [crowd] })
    const small = Array.from({ length: 20 }, () => 50)
    const run = w.kernel.spawn(crowd, { calls: [300, 300, 600, ...small] }, { budget: { tokens: 900 } })
    const ends = (await w.settled(run.result)) as string[]
    assert.ok(ends.every((end) => end === 'stop'))
    assert.deepEqual(
      beside.order,
      ends.map((_, i) => `call ${i}`),
    )
  })

  test('nobody who waits for another payer too is overtaken by who came later', async () => {
    // Of one process with 640 and an account with 1,100: the third call has room in the process, and the others come later.
    const { clock, models, beside } = slow((_, index) => [10_000, 30_000][index] ?? 10)
    const w = createWorld({ clock, models, programs: [crowd] })
    w.kernel.account('team', { tokens: 1_100 })
    const holds = w.kernel.spawn(crowd, { calls: [700] }, { account: 'team' })
    const run = w.kernel.spawn(crowd, { calls: [300, 200, 400, 30] }, { account: 'team', budget: { tokens: 640 } })
    await w.settled(holds.result)
    const ends = (await w.settled(run.result)) as string[]
    assert.ok(
      ends.every((end) => end === 'stop'),
      ends.join(' '),
    )
    // The first two are of different runs.
    assert.deepEqual(beside.order, ['call 0', 'call 0', 'call 1', 'call 2', 'call 3'])
  })

  test('who has its turn at one payer and has to wait for another stands there where it came', async () => {
    const { clock, models, beside } = slow((_, index) => [10_000, 5_000][index] ?? 10)
    const later = defineProgram('later', async (sys) => {
      const first = sys.generate({ prompt: 'first', maxOutputTokens: 300 })
      await sys.sleep(1_000)
      await Promise.all([first, sys.generate({ prompt: 'second', maxOutputTokens: 400 })])
      return 'done'
    })
    const w = createWorld({ clock, models, programs: [crowd, later] })
    w.kernel.account('team', { tokens: 1_400 })
    const draws = (tokens: number) => w.kernel.spawn(crowd, { calls: [tokens] }, { account: 'team' })
    const runs = [draws(700), w.kernel.spawn(later, null, { account: 'team', budget: { tokens: 640 } }), draws(450)]
    await w.settled(new Promise<void>((resolve) => void w.clock.after(2_000, resolve)))
    // The 400 waits for its own run, and comes to the account's line when this is there already.
    runs.push(draws(100))
    for (const run of runs) await w.settled(run.result)
    assert.deepEqual(beside.sizes, [700, 300, 450, 400, 100])
  })

  test('who came first to a tree is passed by no call of a child, and dollars are waited for too', async () => {
    const { clock, models, beside } = slow((_, index) => (index === 0 ? 1_000 : 10))
    const parent = defineProgram('parent', async (sys) => {
      const own = sys.generate({ prompt: 'call 0', maxOutputTokens: 500 })
      const first = sys.generate({ prompt: 'call 1', maxOutputTokens: 900 })
      const child = await sys.spawn(crowd, { calls: [50, 50] })
      const ends = await Promise.all([own, first])
      await sys.wait(child)
      return ends.map(({ finishReason }) => finishReason)
    })
    const w = createWorld({
      clock,
      models,
      programs: [crowd, parent],
      prices: { main: { input: 0, output: 1_000_000 } },
    } as never)
    // A dollar a token of the answer.
    const run = w.kernel.spawn(parent, null, { budget: { usd: 1_000 } })
    assert.deepEqual(await w.settled(run.result), ['stop', 'stop'])
    assert.deepEqual(beside.order, ['call 0', 'call 1', 'call 0', 'call 1'])
    assert.equal(beside.most.calls, 2)
  })

  test('who is killed stands in nobody’s way, and a raised ceiling is had at once', async () => {
    const { clock, models } = slow((_, index) => (index === 0 ? 3_600_000 : 10))
    const w = createWorld({ clock, models, programs: [crowd] })
    const from = w.clock.now()
    // Else time goes to the end of the first as soon as nothing happens.
    const tick = (): void => void (isOver || w.clock.after(10, tick))
    let isOver = false
    tick()
    w.kernel.account('team', { tokens: 1_000 })
    const draws = (tokens: number) => w.kernel.spawn(crowd, { calls: [tokens] }, { account: 'team' })
    const [, dead, behind] = [draws(500), draws(600), draws(50)]
    await w.settled(new Promise<void>((resolve) => void w.clock.after(1_000, resolve)))
    w.kernel.kill(dead.pid, 'not any more')
    assert.deepEqual(await w.settled(behind.result), ['stop'])
    const large = draws(5_000)
    assert.deepEqual(await w.settled(large.result), ['BUDGET_EXCEEDED'])
    const waits = draws(800)
    await w.settled(new Promise<void>((resolve) => void w.clock.after(1_000, resolve)))
    assert.equal(w.kernel.info(waits.pid).waiting, 'generate(budget)')
    w.kernel.account('team', { tokens: 100_000 })
    assert.deepEqual(await w.settled(waits.result), ['stop'])
    assert.ok(w.clock.now() - from < 10_000, 'the first is still under way')
    isOver = true
    await w.kernel.close()
  })

  test('who waits and is killed leaves the line, and so does who held the room', async () => {
    const { clock, models } = slow((_, index) => (index === 0 ? 3_600_000 : 10))
    const w = createWorld({ clock, models, programs: [crowd] })
    w.kernel.account('team', { tokens: 1_000 })
    const draws = (tokens: number) => w.kernel.spawn(crowd, { calls: [tokens] }, { account: 'team' })
    const [holds, waits, last] = [draws(900), draws(901), draws(800)]
    await w.settled(new Promise<void>((resolve) => void w.clock.after(1_000, resolve)))
    assert.ok(w.kernel.account('team').reserved.tokens > 900)
    const waitingOf = ({ pid }: { readonly pid: number }) => {
      const { waiting, core, queued } = w.kernel.info(pid)
      return [waiting, core, queued]
    }
    assert.deepEqual([holds, waits, last].map(waitingOf), [
      ['generate', 'main', false],
      ['generate(budget)', null, true],
      ['generate(budget)', null, true],
    ])
    w.kernel.kill(waits.pid, 'not any more')
    w.kernel.kill(holds.pid, 'enough')
    // What was sent and not answered counts as spent: the last has no room any more, and is told so.
    assert.deepEqual(await w.settled(last.result), ['BUDGET_EXCEEDED'])
    assert.equal(w.kernel.account('team').reserved.tokens, 0)
    w.kernel.account('team', { tokens: 3_000 })
    assert.deepEqual(await w.settled(draws(800).result), ['stop'])
    await w.settled(endOf(waits.result))
    await w.settled(endOf(holds.result))
  })

  test('a run that was cut while its calls waited goes on with them, and replays', async () => {
    const calls = [null, null, null, 700, null, 300]
    const before = slow(() => 100)
    const first = createWorld({ clock: before.clock, models: before.models, programs: [crowd] })
    const run = first.kernel.spawn(crowd, { calls }, { budget: { tokens: 5_000 } })
    const whole = await first.settled(run.result)
    assert.deepEqual(whole, ['stop', 'stop', 'stop', 'stop', 'stop', 'stop'])
    assert.equal((await first.settled(first.kernel.replay(run.pid))).same, true)
    const { batches } = first.store
    for (let at = 1; at < batches.length; at++) {
      const { clock, models } = slow(() => 100)
      const again = createWorld({ clock, models, programs: [crowd], store: cutStore(batches, at) })
      const [resumed] = again.kernel.resume()
      if (resumed === undefined) continue
      const ends = (await again.settled(resumed.result)) as string[]
      // A try that a crash lost is spent as it was set aside: then there may be too little for the others.
      assert.ok(
        ends.every((end) => end === 'stop' || end === 'length' || end === 'BUDGET_EXCEEDED'),
        ends.join(' '),
      )
      assert.equal((await again.settled(again.kernel.replay(resumed.pid))).same, true)
      const { inputTokens, outputTokens } = resumed.usage
      assert.ok(inputTokens + outputTokens <= 5_000)
    }
  })

  test('property: trees of runs with budgets at any level: every call ends, no budget is exceeded, nothing stays set aside', async () => {
    let waited = 0
    const tree: Program<Json, Json> = defineProgram('tree', async (sys, input: Json): Promise<Json> => {
      const { seed, depth } = input as { seed: number; depth: number }
      const random = (index: number): number => randomAt(seed, depth, index)
      const children =
        depth === 0
          ? []
          : await Promise.all(
              Array.from({ length: 1 + Math.floor(random(0) * 3) }, (_, i) => {
                const budget: Budget = random(10 + i) < 0.5 ? { tokens: Math.floor(200 + random(20 + i) * 9_000) } : {}
                return sys.spawn(tree, { seed: seed * 7 + i + 1, depth: depth - 1 }, { budget })
              }),
            )
      const own = Array.from({ length: Math.floor(random(1) * 6) }, (_, i) =>
        sys
          .generate({
            prompt: `call ${i}`,
            ...(random(30 + i) < 0.3 ? {} : { maxOutputTokens: Math.floor(1 + random(40 + i) * 2_000) }),
          })
          .then(
            () => 'done',
            (error: unknown) => (PolityError.isInstance(error) ? error.code : String(error)),
          ),
      )
      if (random(2) < 0.2 && children[0] !== undefined) await sys.kill(children[0], 'not needed')
      const ends = await Promise.all([
        ...own,
        ...children.map((pid) =>
          sys.wait(pid).then(
            () => 'done',
            (error: unknown) => (PolityError.isInstance(error) ? error.code : String(error)),
          ),
        ),
      ])
      return ends as Json
    })
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 500, max: 20_000 }),
        async (seed, tokens) => {
          const { clock, models, beside } = slow((_, index) => Math.floor(randomAt(seed, 99, index) * 500))
          const w = createWorld({ clock, models, programs: [tree] })
          w.kernel.account('team', { tokens })
          const runs = [1, 2].map((one) => w.kernel.spawn(tree, { seed: seed + one, depth: 2 }, { account: 'team' }))
          for (const run of runs) await w.settled(endOf(run.result))
          const { used, reserved } = w.kernel.account('team')
          assert.deepEqual(reserved, { tokens: 0, usd: 0 })
          assert.ok(
            used.inputTokens + used.outputTokens <= tokens,
            `${used.inputTokens + used.outputTokens} of ${tokens}`,
          )
          assert.ok(beside.most.tokens <= tokens, `${beside.most.tokens} of ${tokens} under way`)
          for (const run of runs) {
            const events = await w.settled(w.kernel.events(run.pid))
            const starts = events.filter((event) => event.type === 'call-start')
            waited += events.filter(({ type }) => type === 'call-reserve').length
            assert.deepEqual(
              starts.map(({ n }) => n),
              starts.map((_, i) => i),
              'calls stand in the order in which they were made',
            )
          }
        },
      ),
      { numRuns: isLong ? 500 : 60 },
    )
    assert.ok(waited > 0, 'no call ever waited')
  })
})
