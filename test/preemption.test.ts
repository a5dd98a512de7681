/** Preemption inside a generation: who makes room for whom, what it costs, and that the answer stays the answer. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { boot } from '../src/boot.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { simulated } from '../src/drivers/llm/simulated.ts'
import type { Kernel } from '../src/index.ts'
import { defineProgram } from '../src/index.ts'
import { simulatedClock } from '../src/kernel/clock.ts'
import type { Clock } from '../src/kernel/clock.ts'
import type { LanguageModel, ModelCapabilities, Turn } from '../src/kernel/drivers.ts'
import { PolityError } from '../src/kernel/errors.ts'
import type { Generation } from '../src/kernel/types.ts'
import type { LanguageModelV4CallOptions, LanguageModelV4GenerateResult } from '@ai-sdk/provider'

/** One model call after `afterMs`; when it ended is part of what it returns. */
const asks = defineProgram(
  'asks',
  async (sys, { prompt, tokens, afterMs = 0 }: { prompt: string; tokens: number; afterMs?: number }) => {
    if (afterMs > 0) await sys.sleep(afterMs)
    const { text, usage } = await sys.generate({ prompt, maxOutputTokens: tokens })
    return { text, usage, endedAt: await sys.now() }
  },
)

interface Ended {
  readonly text: string
  readonly usage: Generation['usage']
  readonly endedAt: number
}

/**
 * A driver that says `exact`: it writes one word each `msPerToken`, and keeps its place under an id. A state is used once,
 * for the request that it was made for.
 */
function exactDriver(clock: Clock, msPerToken: number, lose: (state: string) => boolean = () => false): LanguageModel {
  const states = new Map<string, { readonly prompt: string; readonly at: number }>()
  let kept = 0
  const capabilities: ModelCapabilities = { slots: 1, contextTokens: 10_000, preempt: 'exact' }
  async function generate(call: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult> {
    const turn = (call.providerOptions?.['polity'] as { turn?: Turn } | undefined)?.turn
    const prompt = JSON.stringify(call.prompt)
    const from = turn?.state === undefined ? undefined : states.get(turn.state)
    if (turn?.state !== undefined && (from?.prompt !== prompt || lose(turn.state))) {
      states.delete(turn.state)
      throw new PolityError('STATE_FOREIGN', 'that state is not here')
    }
    if (turn?.state !== undefined) states.delete(turn.state)
    const start = from?.at ?? 0
    let at = start
    const end = (finish: 'length' | 'interrupted', state?: string): LanguageModelV4GenerateResult => ({
      content: [{ type: 'text', text: Array.from({ length: at - start }, (_, i) => `w${start + i} `).join('') }],
      finishReason: { unified: finish, raw: undefined },
      usage: {
        inputTokens: { total: from === undefined ? 20 : 0, noCache: undefined, cacheRead: 0, cacheWrite: undefined },
        outputTokens: { total: at - start, text: undefined, reasoning: undefined },
      },
      warnings: [],
      ...(state === undefined ? {} : { providerMetadata: { polity: { state, bytes: 100 * at, ms: 2 } } }),
    })
    while (at < (call.maxOutputTokens ?? 10)) {
      await new Promise<void>((resolve, reject) => {
        clock.after(msPerToken, resolve)
        call.abortSignal?.addEventListener('abort', () => reject(call.abortSignal?.reason), { once: true })
      })
      at++
      if (at < (call.maxOutputTokens ?? 10) && turn?.goOn(at - start) === false) {
        const id = `state-${kept++}`
        states.set(id, { prompt, at })
        return end('interrupted', id)
      }
    }
    return end('length')
  }
  return {
    specificationVersion: 'v4',
    provider: 'test',
    modelId: 'exact',
    supportedUrls: {},
    capabilities,
    doGenerate: generate,
    doStream: () => Promise.reject(new Error('not asked for')),
  }
}

async function kernelOf(options: Parameters<typeof boot>[0]): Promise<Kernel> {
  return boot({ programs: [asks], ...options })
}

void test('with a token quantum, calls take turns in the middle of their answers, and each answer is whole', async () => {
  const clock = simulatedClock()
  const model = exactDriver(clock, 10)
  const ends = async (quantumTokens?: number): Promise<Ended[]> => {
    const kernel = await kernelOf({
      clock,
      models: { m: { model, ...(quantumTokens === undefined ? {} : { quantumTokens }) } },
      discipline: 'round-robin',
    })
    const from = clock.now()
    const lengths = [40, 4, 12]
    const runs = lengths.map((tokens, i) => kernel.spawn(asks, { prompt: `agent ${i}`, tokens }))
    const found = (await Promise.all(runs.map((run) => run.result))) as Ended[]
    await kernel.close()
    for (const [i, { text }] of found.entries())
      assert.equal(text, Array.from({ length: lengths[i] as number }, (_, k) => `w${k} `).join(''))
    return found.map((one) => ({ ...one, endedAt: one.endedAt - from }))
  }
  const [long, short] = await ends()
  assert.deepEqual([long?.endedAt, short?.endedAt], [400, 440], 'without one, the short waits for the long')
  const [longer, sooner, middle] = await ends(4)
  assert.deepEqual([longer?.endedAt, sooner?.endedAt, middle?.endedAt], [560, 80, 280])
  assert.equal(sooner?.usage.preempted, undefined, 'who fits in one turn has nothing to pay')
  // Three turns of the middle one, and of the long one three beside it; then nobody waits, and it runs on.
  assert.equal(middle?.usage.preempted?.times, 2)
  assert.deepEqual(longer?.usage.preempted, { times: 3, tokensAgain: 0, stateBytes: 400 + 800 + 1_200, stateMs: 6 })
  assert.deepEqual([longer?.usage.inputTokens, longer?.usage.outputTokens], [20, 40], 'nothing is paid twice')
})

void test('a call of higher priority takes the core in the middle of an answer; the answer goes on when it is done', async () => {
  const clock = simulatedClock()
  for (const [discipline, urgent, plain] of [
    ['priority', 270, 500],
    ['fifo', 500, 400],
  ] as const) {
    const kernel = await kernelOf({ clock, models: { m: exactDriver(clock, 10) }, discipline })
    const from = clock.now()
    const batch = kernel.spawn(asks, { prompt: 'batch', tokens: 40 })
    const person = kernel.spawn(asks, { prompt: 'person', tokens: 10, afterMs: 165 }, { priority: 5 })
    const [slow, quick] = (await Promise.all([batch.result, person.result])) as Ended[]
    assert.deepEqual([(quick as Ended).endedAt - from, (slow as Ended).endedAt - from], [urgent, plain], discipline)
    assert.equal(slow?.text.split(' ').length, 41)
    await kernel.close()
  }
})

void test('a state that is lost is no lost answer: it is written again from its beginning, and what was spent stays counted', async () => {
  const clock = simulatedClock()
  const model = exactDriver(clock, 10, (state) => state === 'state-1')
  const kernel = await kernelOf({ clock, models: { m: { model, quantumTokens: 5 } }, discipline: 'round-robin' })
  const runs = [0, 1].map((i) => kernel.spawn(asks, { prompt: `agent ${i}`, tokens: 12 }))
  const [first, second] = (await Promise.all(runs.map((run) => run.result))) as Ended[]
  await kernel.close()
  for (const one of [first, second]) assert.equal(one?.text.split(' ').length, 13)
  const total = (one: Ended | undefined): number => (one?.usage.inputTokens ?? 0) + (one?.usage.outputTokens ?? 0)
  assert.deepEqual([total(first), total(second)], [32, 57], 'five tokens and the prompt were lost')
})

void test('a server that can only go on with a text is interrupted where its owner says so, and what is read again is counted', async () => {
  const clock = simulatedClock()
  const model = (): LanguageModel =>
    simulated({ clock, slots: 1, latencyMs: 0, preempt: 'prefix', outputTokens: 60, deltaTokens: 4, refuse: '429' })
  const alone = await kernelOf({ clock, models: { m: model() }, discipline: 'priority' })
  const expected = (await alone.spawn(asks, { prompt: 'batch', tokens: 200 }).result) as Ended
  await alone.close()
  for (const preempt of [false, true]) {
    const kernel = await kernelOf({ clock, models: { m: { model: model(), preempt } }, discipline: 'priority' })
    const from = clock.now()
    const batch = kernel.spawn(asks, { prompt: 'batch', tokens: 200 }, { budget: { tokens: 2_000 } })
    const person = kernel.spawn(asks, { prompt: 'person', tokens: 200, afterMs: 200 }, { priority: 5 })
    const [slow, quick] = (await Promise.all([batch.result, person.result])) as Ended[]
    assert.equal(slow?.text, expected.text, 'the same text, in one piece or two')
    assert.equal((quick as Ended).endedAt < (slow as Ended).endedAt, preempt)
    const cost = slow?.usage.preempted
    assert.equal(cost?.times, preempt ? 1 : undefined)
    if (cost !== undefined && slow !== undefined) {
      // The prompt, and what had been written by then.
      assert.ok(cost.tokensAgain > expected.usage.inputTokens && cost.tokensAgain < 2 * total(expected))
      assert.ok(total(slow) > total(expected) + expected.usage.inputTokens)
      assert.equal(cost.stateBytes, 0)
      assert.ok((quick as Ended).endedAt - from < 700)
    }
    assert.ok(batch.usage.inputTokens + batch.usage.outputTokens <= 2_000)
    await kernel.close()
  }
  function total({ usage }: Ended): number {
    return usage.inputTokens + usage.outputTokens
  }
})

void test('where no budget has the means to read the prompt again, a call is not interrupted', async () => {
  const clock = simulatedClock()
  const model = simulated({ clock, slots: 1, latencyMs: 0, preempt: 'prefix', outputTokens: 60, deltaTokens: 4 })
  const kernel = await kernelOf({ clock, models: { m: { model, preempt: true } }, discipline: 'priority' })
  const batch = kernel.spawn(asks, { prompt: 'batch', tokens: 200 }, { budget: { tokens: 300 } })
  const person = kernel.spawn(asks, { prompt: 'person', tokens: 200, afterMs: 200 }, { priority: 5 })
  const [slow, quick] = (await Promise.all([batch.result, person.result])) as Ended[]
  assert.equal(slow?.usage.preempted, undefined)
  assert.ok((quick as Ended).endedAt > (slow as Ended).endedAt)
  await kernel.close()
})

void test('a driver that says none is never interrupted, and is not told of turns', async () => {
  const clock = simulatedClock()
  const model = scripted(() => ({ text: 'done', delayMs: 100 }), { clock, capabilities: { slots: 1 } })
  const kernel = await kernelOf({
    clock,
    models: { m: { model, preempt: true, quantumTokens: 1 } },
    discipline: 'priority',
  })
  await Promise.all([0, 9].map((priority) => kernel.spawn(asks, { prompt: 'x', tokens: 5 }, { priority }).result))
  for (const call of model.calls) assert.deepEqual(Object.keys(call.providerOptions?.['polity'] ?? {}), ['pid', 'n'])
  await kernel.close()
  await assert.rejects(
    kernelOf({ models: { m: { model, quantumTokens: 0 } } }),
    /quantumTokens of "m" takes a whole number/,
  )
})

void test('whatever the discipline, the quantum and the crowd: every answer is whole, and nothing is paid twice', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('fifo', 'round-robin', 'priority', 'fair-share', 'deadline', 'attained-service'),
      fc.integer({ min: 1, max: 9 }),
      fc.array(
        fc.record({
          tokens: fc.integer({ min: 1, max: 25 }),
          afterMs: fc.integer({ min: 0, max: 200 }),
          priority: fc.integer({ min: 0, max: 5 }),
        }),
        { minLength: 2, maxLength: 8 },
      ),
      async (discipline, quantumTokens, crowd) => {
        const clock = simulatedClock()
        const kernel = await kernelOf({
          clock,
          models: { m: { model: exactDriver(clock, 10), quantumTokens } },
          discipline,
        })
        const runs = crowd.map(({ priority, ...input }, i) =>
          kernel.spawn(asks, { prompt: `agent ${i}`, ...input }, { priority, principal: `p${i % 3}` }),
        )
        const found = (await Promise.all(runs.map((run) => run.result))) as Ended[]
        await kernel.close()
        for (const [i, { text, usage }] of found.entries()) {
          assert.equal(text, Array.from({ length: crowd[i]?.tokens ?? 0 }, (_, k) => `w${k} `).join(''))
          assert.deepEqual([usage.inputTokens, usage.outputTokens], [20, crowd[i]?.tokens])
        }
      },
    ),
    { numRuns: process.env['POLITY_LONG'] === '1' ? 300 : 20 },
  )
})
