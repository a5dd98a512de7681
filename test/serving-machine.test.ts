/** The serving machine: what one batch costs, memory that runs out, prefixes that are shared, weights that are loaded. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'
import fc from 'fast-check'
import type { Job, MachineOptions, ServingMachine } from '../src/drivers/llm/serving-machine.ts'
import { servingMachine } from '../src/drivers/llm/serving-machine.ts'
import { simulated } from '../src/drivers/llm/simulated.ts'
import { simulatedClock } from '../src/kernel/clock.ts'
import { settled } from './world.ts'

/** An iteration is 10 ms, a token of a prompt 1, a sequence that writes 2, a token of context 0.01. */
const costs = {
  iterationMs: 10,
  prefillTokenMs: 1,
  decodeSequenceMs: 2,
  contextTokenMs: 0.01,
  sequencesMax: 4,
  batchTokensMax: 64,
  kvTokens: 4_096,
} as const

interface Ask {
  /** ms after the start. */
  readonly at: number
  readonly prompt: number
  readonly output: number
  /** Jobs with the same family begin with the same blocks. @default its own */
  readonly family?: number
  readonly model?: string
  /** Given up after so long, ms. */
  readonly leavesMs?: number
  readonly deltaTokens?: number
}

interface Served {
  readonly ends: readonly number[]
  readonly cached: readonly number[]
  readonly machine: ServingMachine
}

/** Serves what is asked; ends are ms after the start, -1 for who left. */
async function serve(asks: readonly Ask[], more: Partial<MachineOptions> = {}): Promise<Served> {
  const clock = simulatedClock({ startMs: 0 })
  const machine = servingMachine({ clock, ...costs, ...more })
  const start = clock.now()
  const ends: number[] = []
  const cached: number[] = []
  let left = asks.length
  const over = new Promise<void>((resolve) => {
    for (const [i, one] of asks.entries()) {
      const { prompt: promptTokens, output: outputTokens, deltaTokens, family = i + 1_000 } = one
      const blocks = Array.from(
        { length: Math.floor((promptTokens + outputTokens) / 16) },
        (_, n) => family * 1_000 + n,
      )
      const done = (end: number): void => {
        assert.equal(ends[i], undefined, 'it ends once')
        ends[i] = end
        if (--left === 0) resolve()
      }
      clock.after(one.at, () => {
        let told = 0
        const job: Job = {
          model: one.model ?? 'm',
          promptTokens,
          outputTokens,
          blocks,
          ...(deltaTokens === undefined ? {} : { deltaTokens }),
          onTokens: (written) => (assert.ok(written > told && written < outputTokens), (told = written)),
          onDone(taken) {
            assert.deepEqual([taken.inputTokens, taken.outputTokens], [promptTokens, outputTokens])
            cached[i] = taken.cachedTokens
            done(clock.now() - start)
          },
        }
        const cancel = machine.submit(job)
        if (one.leavesMs !== undefined)
          clock.after(one.leavesMs, () => {
            if (ends[i] !== undefined) return
            const taken = cancel()
            assert.ok(taken.inputTokens <= promptTokens && taken.outputTokens <= outputTokens)
            done(-1)
          })
      })
    }
  })
  await settled(clock, over)
  while (clock.pending > 0) await new Promise((resolve) => void setImmediate(resolve))
  return { ends, cached, machine }
}

const rounded = (values: readonly number[]): number[] => values.map((value) => Math.round(value * 1e4) / 1e4)

describe('one batch', () => {
  test('a call alone takes its chunks and then an iteration a token, each with the context that it reads', async () => {
    const { ends, machine } = await serve([{ at: 0, prompt: 100, output: 3 }])
    // 64 and 36 tokens of prompt, the second chunk reads the first; then two tokens on 100 and 101.
    assert.deepEqual(rounded(ends), rounded([10 + 64 + (10 + 36 + 0.64) + (12 + 1) + (12 + 1.01)]))
    const { iterations, prefillTokens, outputTokens, busyMs } = machine.stats()
    assert.deepEqual([iterations, prefillTokens, outputTokens], [4, 100, 3])
    assert.deepEqual(rounded([busyMs]), rounded(ends))
  })

  test('who comes in the middle of an iteration joins after it, and both pay for both', async () => {
    const { ends } = await serve([
      { at: 0, prompt: 10, output: 5 },
      { at: 25, prompt: 10, output: 2 },
    ])
    // Read until 20; write until 32.1; read and write together until 32.1 + 10 + 10 + 2 + .11; then two write.
    const joined = 20 + 12.1 + (10 + 10 + 2 + 0.11)
    const both = joined + (10 + 4 + 0.12 + 0.1)
    assert.deepEqual(rounded(ends), rounded([both + 12.13, both]))
  })

  test('there is room for so many sequences, and the next comes when one goes', async () => {
    const { ends, machine } = await serve(
      Array.from({ length: 8 }, () => ({ at: 0, prompt: 4, output: 10 })),
      { sequencesMax: 4 },
    )
    assert.equal(machine.stats().sequencesMost, 4)
    assert.equal(new Set(rounded(ends.slice(0, 4))).size, 1)
    assert.deepEqual(rounded(ends.slice(4)), rounded(ends.slice(4).map(() => 2 * (ends[0] as number))))
  })
})

const asks = fc.array(
  fc.record({
    at: fc.integer({ min: 0, max: 3_000 }),
    prompt: fc.integer({ min: 1, max: 300 }),
    output: fc.integer({ min: 0, max: 60 }),
    family: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
    model: fc.constantFrom('a', 'b', 'c'),
    leavesMs: fc.option(fc.integer({ min: 0, max: 2_000 }), { nil: undefined, freq: 6 }),
  }),
  { minLength: 1, maxLength: 25, size: 'max' },
) as fc.Arbitrary<Ask[]>

/** The first writer's next block puts the last one back, for which there is room again one iteration later. */
const comesBackAtOnce: Ask[] = [
  { at: 0, prompt: 1, output: 39, model: 'a' },
  { at: 0, prompt: 93, output: 38, family: 1, model: 'a' },
  { at: 0, prompt: 241, output: 34, model: 'a' },
  { at: 0, prompt: 1, output: 33, family: 1, model: 'a' },
]

const putBackWhileWriting: Ask[] = [
  { at: 1, prompt: 167, output: 27, model: 'a' },
  { at: 0, prompt: 246, output: 60, model: 'c' },
]

describe('any jobs', () => {
  test('property: iterations taken together end when iterations taken one by one do', () =>
    fc.assert(
      fc.asyncProperty(asks, fc.constantFrom(512, 1_024, 4_096), async (jobs, kvTokens) => {
        // Costs with odd digits: nobody leaves at the very moment at which an iteration ends.
        const odd = { kvTokens, iterationMs: 10.0137, contextTokenMs: 0.010171 }
        const together = await serve(jobs, odd)
        // Told of each token, a batch can never run longer than an iteration.
        const apart = await serve(
          jobs.map((job) => ({ ...job, deltaTokens: 1 })),
          odd,
        )
        for (const [i, end] of together.ends.entries())
          assert.ok(Math.abs(end - (apart.ends[i] as number)) < 1e-3, `${i}: ${end} and ${apart.ends[i]}`)
        const { busyMs: _, ...counts } = together.machine.stats()
        const { busyMs: __, ...others } = apart.machine.stats()
        assert.deepEqual(counts, others)
      }),
      { numRuns: process.env['POLITY_LONG'] ? 2_000 : 60, examples: [[comesBackAtOnce, 512]] },
    ))

  test('property: all end, nothing stays, nothing is beyond its bound, and no token is lost', () =>
    fc.assert(
      fc.asyncProperty(
        asks,
        fc.constantFrom(512, 4_096),
        fc.constantFrom(1, 2, Infinity),
        fc.boolean(),
        fc.boolean(),
        async (jobs, kvTokens, residentMax, prefixCache, readTogether) => {
          const { machine } = await serve(jobs, { kvTokens, residentMax, loadMs: 500, prefixCache, readTogether })
          const stats = machine.stats()
          assert.deepEqual([stats.running, stats.waiting], [0, 0])
          assert.ok(stats.kvTokensMost <= kvTokens && stats.sequencesMost <= costs.sequencesMax)
          if (residentMax === Infinity) assert.equal(stats.loads, 0)
          if (!prefixCache) assert.equal(stats.cachedTokens, 0)
          if (jobs.some(({ leavesMs }) => leavesMs !== undefined)) return
          const sum = (of: (job: Ask) => number): number => jobs.reduce((total, job) => total + of(job), 0)
          assert.equal(
            stats.outputTokens,
            sum(({ output }) => output),
          )
          assert.equal(
            stats.prefillTokens + stats.cachedTokens - stats.recomputedTokens,
            sum(({ prompt }) => prompt),
          )
        },
      ),
      {
        numRuns: process.env['POLITY_LONG'] ? 2_000 : 60,
        examples: [[putBackWhileWriting, 512, 2, false, false]],
      },
    ))
})

describe('memory', () => {
  test('a prompt that begins as another did is read from there on, its answer included', async () => {
    const { cached } = await serve([
      { at: 0, prompt: 160, output: 32, family: 1 },
      { at: 5_000, prompt: 208, output: 1, family: 1 },
      { at: 9_000, prompt: 208, output: 1, family: 2 },
    ])
    // 160 of the prompt and 31 of the answer were computed: eleven whole blocks; the last token is always computed.
    assert.deepEqual(cached, [0, 176, 0])
  })

  test('two that begin alike and come together read it twice, or the second waits for the first', async () => {
    const twins = [0, 0].map((at): Ask => ({ at, prompt: 160, output: 5, family: 1 }))
    assert.deepEqual((await serve(twins, { batchTokensMax: 512 })).cached, [0, 0])
    const { cached, machine } = await serve(twins, { batchTokensMax: 512, readTogether: true })
    assert.deepEqual(cached, [0, 144])
    assert.equal(machine.stats().prefillTokens, 176)
  })

  test('who has no room left puts the youngest back, which reads again what it had', async () => {
    const { machine, ends } = await serve(
      [
        { at: 0, prompt: 64, output: 120 },
        { at: 0, prompt: 64, output: 120 },
      ],
      { kvTokens: 256, prefixCache: false },
    )
    const { putBack, recomputedTokens, kvTokensMost } = machine.stats()
    assert.ok(putBack >= 1 && recomputedTokens > 64, `${putBack} put back, ${recomputedTokens} again`)
    assert.ok(kvTokensMost <= 256)
    assert.ok((ends[0] as number) < (ends[1] as number), 'the older one was not')
    assert.throws(() => machine.submit({ model: 'm', promptTokens: 250, outputTokens: 10, blocks: [], onDone() {} }))
  })
})

describe('weights', () => {
  test('a loader with one queue loads at every change of the model, the least recently used goes', async () => {
    const ask = (model: string, i: number): Ask => ({ at: i, prompt: 4, output: 2, model })
    const inTurn = ['a', 'b', 'a', 'b', 'a', 'b'].map(ask)
    const one = await serve(inTurn, { residentMax: 1, loadMs: 1_000 })
    assert.equal(one.machine.stats().loads, 6)
    assert.ok(Math.max(...one.ends) > 6_000)
    assert.equal((await serve(inTurn, { residentMax: 2, loadMs: 1_000 })).machine.stats().loads, 2)
    // With room for two, `c` takes the place of `a`, which was used before `b`.
    const three = await serve(['a', 'b', 'c', 'b', 'a'].map(ask), { residentMax: 2, loadMs: 1_000 })
    assert.equal(three.machine.stats().loads, 4)
  })
})

describe('as a model', () => {
  const ask = (text: string): LanguageModelV4CallOptions => ({
    prompt: [{ role: 'user', content: [{ type: 'text', text }] }],
  })

  test('two models on one machine slow each other down; usage says what was cached; an abort frees the place', async () => {
    const clock = simulatedClock()
    const machine = servingMachine({ clock, ...costs })
    const [a, b] = ['a', 'b'].map((modelId) =>
      simulated({ clock, machine, modelId, latencyMs: 5, outputTokens: 20, seed: 1 }),
    ) as [ReturnType<typeof simulated>, ReturnType<typeof simulated>]
    assert.deepEqual(a.capabilities, { slots: 4, contextTokens: 4_096, preempt: 'none' })
    const timed = async (...calls: Promise<unknown>[]): Promise<number> => {
      const start = clock.now()
      await settled(clock, Promise.all(calls))
      return clock.now() - start
    }
    const alone = await timed(Promise.resolve(a.doGenerate(ask('x'.repeat(400)))))
    const together = await timed(
      Promise.resolve(a.doGenerate(ask('y'.repeat(400)))),
      Promise.resolve(b.doGenerate(ask('y'.repeat(400)))),
    )
    assert.ok(together > 1.8 * alone, `${together} ms together, ${alone} alone`)
    const again = await settled(clock, Promise.resolve(a.doGenerate(ask('x'.repeat(400)))))
    assert.equal(again.usage.inputTokens.cacheRead, 96)
    const controller = new AbortController()
    const aborted = Promise.resolve(a.doGenerate({ ...ask('z'.repeat(400)), abortSignal: controller.signal }))
    clock.after(200, () => controller.abort(new Error('stop')))
    await assert.rejects(settled(clock, aborted), /stop/)
    assert.equal(a.stats().inFlight, 0)
    const { stream } = await settled(clock, Promise.resolve(a.doStream(ask('hello'))))
    let text = ''
    for await (const part of stream) if (part.type === 'text-delta') text += part.delta
    assert.equal(text.split(' ').length, 20)
    assert.equal(machine.stats().running, 0)
  })
})
