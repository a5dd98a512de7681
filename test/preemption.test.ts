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
import { rememberMinute } from '../src/kernel/cores.ts'
import { createDiscipline } from '../src/kernel/disciplines.ts'
import { defaultLimits } from '../src/kernel/limits.ts'
import type { Scheduler } from '../src/kernel/scheduler.ts'
import { createScheduler } from '../src/kernel/scheduler.ts'
import type { Clock } from '../src/kernel/clock.ts'
import type { LanguageModel, ModelCapabilities, Turn } from '../src/kernel/drivers.ts'
import { PolityError } from '../src/kernel/errors.ts'
import { ownUsage } from '../src/kernel/past.ts'
import type {
  CallStart,
  CallUsage,
  Generation,
  JournalEvent,
  KeptTurn,
  Preempted,
  Program,
} from '../src/kernel/types.ts'
import type { LanguageModelV4CallOptions, LanguageModelV4GenerateResult } from '@ai-sdk/provider'
import type { RecordingStore } from './world.ts'
import { createWorld, cutStore, recordingStore } from './world.ts'

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

/** What an exact driver keeps: where in which answer it is, by the id of the state. */
type States = Map<string, { readonly prompt: string; readonly at: number }>

interface ExactOptions {
  /** The driver has lost it. */
  readonly lose?: (state: string) => boolean
  readonly states?: States
  readonly forgetState?: (state: string) => void
  /** Told of each word. */
  readonly onWord?: (prompt: string) => void
}

/** A driver that says `exact`: it writes one word each `msPerToken`, and keeps its place under an id until that is forgotten. */
function exactDriver(
  clock: Clock,
  msPerToken: number,
  {
    lose = () => false,
    states = new Map(),
    forgetState = (state) => void states.delete(state),
    onWord = () => {},
  }: ExactOptions = {},
): LanguageModel {
  let kept = states.size
  const capabilities: ModelCapabilities = { slots: 1, contextTokens: 10_000, preempt: 'exact' }
  async function generate(call: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult> {
    const turn = (call.providerOptions?.['polity'] as { turn?: Turn } | undefined)?.turn
    const prompt = JSON.stringify(call.prompt)
    const from = turn?.state === undefined ? undefined : states.get(turn.state)
    if (turn?.state !== undefined && (from?.prompt !== prompt || lose(turn.state)))
      throw new PolityError('STATE_FOREIGN', 'that state is not here')
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
      onWord(prompt)
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
    forgetState,
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
  const states: States = new Map()
  const model = exactDriver(clock, 10, { states, lose: (state) => state === 'state-1' })
  const kernel = await kernelOf({ clock, models: { m: { model, quantumTokens: 5 } }, discipline: 'round-robin' })
  const runs = [0, 1].map((i) => kernel.spawn(asks, { prompt: `agent ${i}`, tokens: 12 }))
  const [first, second] = (await Promise.all(runs.map((run) => run.result))) as Ended[]
  await kernel.close()
  for (const one of [first, second]) assert.equal(one?.text.split(' ').length, 13)
  const total = (one: Ended | undefined): number => (one?.usage.inputTokens ?? 0) + (one?.usage.outputTokens ?? 0)
  assert.deepEqual([total(first), total(second)], [32, 57], 'five tokens and the prompt were lost')
  assert.equal(states.size, 0, 'nothing is kept of what has ended')
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

/** A prompt that is estimated at the twenty tokens that the drivers below count for it. */
const TWENTY = 'x'.repeat(48)

/** A driver that does whatever `answer` says with a turn; what it counts for each is `usage`. */
function wilfulDriver(
  clock: Clock,
  answer: (turn: Turn) => LanguageModelV4GenerateResult | PolityError,
): { model: LanguageModel; turns: () => number } {
  let turns = 0
  const capabilities: ModelCapabilities = { slots: 1, contextTokens: 10_000, preempt: 'exact' }
  return {
    turns: () => turns,
    model: {
      specificationVersion: 'v4',
      provider: 'test',
      modelId: 'wilful',
      supportedUrls: {},
      capabilities,
      async doGenerate(call) {
        turns++
        await new Promise<void>((resolve) => void clock.after(10, resolve))
        const said = answer(call.providerOptions!['polity']!['turn'] as unknown as Turn)
        if (said instanceof PolityError) throw said
        return said
      },
      doStream: () => Promise.reject(new Error('not asked for')),
    },
  }
}

function turnOf(inputTokens: number, outputTokens: number, state?: string): LanguageModelV4GenerateResult {
  return {
    content: [{ type: 'text', text: 'x '.repeat(outputTokens) }],
    finishReason: { unified: (state === undefined ? 'stop' : 'interrupted') as 'stop', raw: undefined },
    usage: {
      inputTokens: { total: inputTokens, noCache: undefined, cacheRead: 0, cacheWrite: undefined },
      outputTokens: { total: outputTokens, text: undefined, reasoning: undefined },
    },
    warnings: [],
    ...(state === undefined ? {} : { providerMetadata: { polity: { state, bytes: 1, ms: 0 } } }),
  }
}

void test('an answer that a driver interrupts of its own accord is no answer', async () => {
  const clock = simulatedClock()
  const { model, turns } = wilfulDriver(clock, () => turnOf(20, 10, 'state'))
  const kernel = await kernelOf({ clock, models: { m: model } })
  const run = kernel.spawn(asks, { prompt: 'x', tokens: 50 }, { budget: { tokens: 200 } })
  await assert.rejects(run.result, { code: 'DRIVER_INVALID' })
  assert.equal(turns(), 1)
  assert.ok(run.usage.inputTokens + run.usage.outputTokens <= 200)
  await kernel.close()
})

for (const [name, isLosing, answer] of [
  [
    'whose states are lost again and again',
    true,
    (turn: Turn) =>
      turn.state !== undefined
        ? new PolityError('STATE_FOREIGN', 'not here')
        : turn.goOn(5)
          ? turnOf(20, 50)
          : turnOf(20, 5, 'state'),
  ],
  [
    'whose driver counts the prompt at each turn',
    false,
    (turn: Turn) => (turn.goOn(5) ? turnOf(20, 50) : turnOf(20, 5, 'state')),
  ],
] as const)
  void test(`a call ${name} stays in its budget, and comes to an end`, async () => {
    for (const tokens of [120, 100_000]) {
      const clock = simulatedClock()
      const { model, turns } = wilfulDriver(clock, answer)
      const kernel = await kernelOf({ clock, models: { m: { model, quantumTokens: 5 } }, discipline: 'round-robin' })
      const run = kernel.spawn(asks, { prompt: TWENTY, tokens: 50 }, { budget: { tokens } })
      const others = Array.from({ length: 20 }, (_, i) =>
        kernel.spawn(asks, { prompt: 'y', tokens: 50, afterMs: 15 * i }).result.catch(() => {}),
      )
      const end = await run.result.then(
        () => 'ok',
        (error: PolityError) => error.code,
      )
      await Promise.all(others)
      assert.equal(end, tokens === 120 ? 'BUDGET_EXCEEDED' : isLosing ? 'ok' : 'DRIVER_INVALID')
      const spent = run.usage.inputTokens + run.usage.outputTokens
      assert.ok(spent <= tokens, `${spent} tokens of ${tokens}`)
      assert.ok(turns() < 1_000, `${turns()} turns`)
      await kernel.close()
    }
  })

void test('a turn that fails, or falls to the next core, is asked for again only where a budget has it', async () => {
  for (const [chain, isRetryable] of [
    [['m'], true],
    [['m', 'n'], false],
  ] as const) {
    const clock = simulatedClock()
    const { model } = wilfulDriver(clock, (turn) => {
      if (turn.state !== undefined) throw Object.assign(new Error('broken'), { isRetryable })
      return turn.goOn(40) ? turnOf(20, 50) : turnOf(20, 40, 'state')
    })
    const kernel = await kernelOf({
      clock,
      models: { m: { model, quantumTokens: 5 }, n: exactDriver(clock, 10) },
      discipline: 'round-robin',
    })
    const ask = defineProgram('ask', async (sys) => {
      const { usage } = await sys.generate({ prompt: TWENTY, maxOutputTokens: 50, model: [...chain] })
      return usage.outputTokens
    })
    const run = kernel.spawn(ask, null, { budget: { tokens: 100 } })
    const other = kernel.spawn(asks, { prompt: 'y', tokens: 50 }).result.catch(() => {})
    await assert.rejects(run.result, { code: 'BUDGET_EXCEEDED' })
    await other
    assert.ok(run.usage.inputTokens + run.usage.outputTokens <= 100)
    await kernel.close()
  }
})

void test('a turn that never ends costs what was set aside, and with it what earlier turns took: not both', async () => {
  const clock = simulatedClock()
  const capabilities: ModelCapabilities = { slots: 1, contextTokens: 10_000, preempt: 'exact' }
  let hung = false
  const model: LanguageModel = {
    ...exactDriver(clock, 10),
    capabilities,
    async doGenerate(call) {
      const turn = call.providerOptions!['polity']!['turn'] as unknown as Turn
      if (turn.state !== undefined && !hung) {
        hung = true
        return new Promise(() => {})
      }
      await new Promise<void>((resolve) => void clock.after(10, resolve))
      return turn.state === undefined && !hung && !turn.goOn(5) ? turnOf(20, 5, 'state') : turnOf(20, 50)
    },
  }
  const kernel = await kernelOf({
    clock,
    models: { m: { model, quantumTokens: 5 } },
    discipline: 'round-robin',
    limits: { generateMs: 1_000 },
  })
  const runs = [TWENTY, 'y'].map((prompt) => kernel.spawn(asks, { prompt, tokens: 50 }))
  await Promise.all(runs.map((run) => run.result))
  const { usage } = runs[0] as (typeof runs)[number]
  // Seventy were set aside for the first try, and seventy were taken by the second.
  assert.equal(usage.inputTokens + usage.outputTokens, 140)
  await kernel.close()
})

void test('what a text has come to is added up, not measured anew at each of its deltas', async (t) => {
  const clock = simulatedClock()
  const model = simulated({
    clock,
    slots: 1,
    latencyMs: 0,
    preempt: 'prefix',
    outputTokens: 1_000,
    deltaTokens: 1,
    contextTokens: 100_000,
  })
  const kernel = await kernelOf({ clock, models: { m: { model, preempt: true } } })
  let measured = 0
  const { byteLength } = Buffer
  t.mock.method(Buffer, 'byteLength', (text: string) => {
    measured += text.length
    return byteLength(text)
  })
  const runs = [0, 1].map((i) => kernel.spawn(asks, { prompt: `agent ${i}`, tokens: 1_500 }))
  const ends = (await Promise.all(runs.map((run) => run.result))) as Ended[]
  const written = ends.reduce((sum, { text }) => sum + text.length, 0)
  assert.ok(written > 3_000 && measured < 50 * written, `${measured} characters were measured, ${written} written`)
  await kernel.close()
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

// ------------------------------------------------------------------------------------------------------------ crashes

/** What a journal has of the one model call of a process. */
interface Left {
  readonly hasEnded: boolean
  /** It was under way. */
  readonly isSent: boolean
  readonly reserved: number
  /** Turns that still count, and what all of them took. */
  readonly turns: readonly KeptTurn[]
  readonly spent: CallUsage
}

function leftOf(events: readonly JournalEvent[], pid: number): Left {
  let left: Left = {
    hasEnded: false,
    isSent: false,
    reserved: 0,
    turns: [],
    spent: { inputTokens: 0, cachedTokens: 0, outputTokens: 0, usd: 0, estimated: false },
  }
  for (const event of events) {
    if (event.pid !== pid || !('n' in event) || event.n !== 0) continue
    if (event.type === 'call-start')
      left = { ...left, isSent: true, reserved: (event as CallStart).reserved?.tokens ?? 0 }
    if (event.type === 'call-reserve') left = { ...left, reserved: event.reserved.tokens }
    if (event.type === 'call-sent') left = { ...left, isSent: true }
    if (event.type === 'call-end') left = { ...left, hasEnded: true, isSent: false }
    if (event.type !== 'call-wait') continue
    left = { ...left, isSent: false }
    const { turn } = event
    if (turn === undefined) continue
    const { inputTokens, outputTokens } = left.spent
    left = {
      ...left,
      turns: turn.anew === true ? [turn] : [...left.turns, turn],
      spent: {
        ...left.spent,
        inputTokens: inputTokens + turn.usage.inputTokens,
        outputTokens: outputTokens + turn.usage.outputTokens,
      },
    }
  }
  return left
}

void test('killed anywhere, an answer goes on behind the turns that the journal has: only what was under way is paid again', async () => {
  const lengths = [30, 9, 17]
  /** Of one that the first kernel loses, the answer is begun again. */
  const LOST = 'state-3'
  const store = recordingStore()
  const states: States = new Map()
  const forgottenAt = new Map<string, number>()
  const clock = simulatedClock()
  const options = (of: Clock, more: ExactOptions) => ({
    models: { m: { model: exactDriver(of, 10, { states, ...more }), quantumTokens: 4 } },
    discipline: 'round-robin' as const,
    programs: [asks as Program],
  })
  const first = createWorld({
    clock,
    store,
    ...options(clock, {
      forgetState: (state) => void forgottenAt.set(state, store.batches.length),
      lose: (state) => state === LOST,
    }),
  })
  const runs = lengths.map((tokens, i) => first.kernel.spawn(asks, { prompt: `agent ${i}`, tokens }))
  const pids = runs.map(({ pid }) => pid)
  await first.settled(Promise.all(runs.map((run) => run.result)))
  const { batches } = store
  let goneOn = 0
  for (let count = 1; count < batches.length; count++) {
    const events = batches.slice(0, count).flatMap((batch) => batch.events)
    const wrote = new Map<string, number>()
    const time = simulatedClock({ startMs: clock.now() })
    const later = createWorld({
      clock: time,
      store: cutStore(batches, count),
      ...options(time, {
        forgetState: () => {},
        onWord: (prompt) => void wrote.set(prompt, (wrote.get(prompt) ?? 0) + 1),
      }),
    })
    const { kernel, settled } = later
    kernel.resume()
    for (const [i, pid] of pids.entries()) {
      if (!events.some((event) => event.pid === pid)) continue
      const tokens = lengths[i] as number
      const { text } = (await settled(kernel.run(pid).result)) as unknown as Ended
      assert.equal(text, Array.from({ length: tokens }, (_, k) => `w${k} `).join(''), `${count}: agent ${i}`)
      const { hasEnded, isSent, reserved, turns, spent } = leftOf(events, pid)
      if (hasEnded || reserved === 0) continue
      const state = turns.at(-1)?.state
      if (state !== undefined && state !== LOST)
        assert.ok((forgottenAt.get(state) ?? Infinity) > count, `${count}: ${state} is kept`)
      const written = turns.reduce((sum, { usage }) => sum + usage.outputTokens, 0)
      const prompt = [...wrote.keys()].find((one) => one.includes(`agent ${i}`))
      assert.equal(wrote.get(prompt ?? '') ?? 0, tokens - written, `${count}: agent ${i}`)
      if (written > 0) goneOn++
      // What was under way may have cost all that was set aside.
      const before = Math.max(isSent ? reserved : 0, spent.inputTokens + spent.outputTokens)
      const { usage } = kernel.info(pid)
      assert.equal(
        usage.inputTokens + usage.outputTokens,
        before + (written > 0 ? 0 : 20) + tokens - written,
        `${count}: agent ${i} ${isSent ? 'was under way' : 'waited'}`,
      )
      const books = ownUsage(later.store.events(pid))
      assert.deepEqual(
        [books.inputTokens, books.outputTokens],
        [usage.inputTokens, usage.outputTokens],
        `${count}: books`,
      )
    }
    await kernel.close()
  }
  assert.ok(goneOn > 20, `${goneOn} answers went on`)
})

void test('an answer that waits for room in a budget after a crash goes on behind its turns all the same', async () => {
  const lengths = [14, 60, 30]
  const store = recordingStore()
  const states: States = new Map()
  const clock = simulatedClock()
  const options = (of: Clock, onWord: (prompt: string) => void) => ({
    models: { m: { model: exactDriver(of, 10, { states, onWord, forgetState: () => {} }), quantumTokens: 4 } },
    discipline: 'round-robin' as const,
    programs: [asks as Program],
  })
  const first = createWorld({ clock, store, ...options(clock, () => {}) })
  const runs = lengths.map((tokens, i) =>
    first.kernel.spawn(asks, { prompt: `agent ${i}`, tokens }, { account: 'team' }),
  )
  const pids = runs.map(({ pid }) => pid)
  await first.settled(Promise.all(runs.map((run) => run.result)))
  const { batches } = store
  let waited = 0
  for (let count = 1; count < batches.length; count++) {
    const events = batches.slice(0, count).flatMap((batch) => batch.events)
    const left = pids.map((pid) => leftOf(events, pid))
    if (left.some(({ hasEnded, turns }) => hasEnded || turns.length === 0)) continue
    const wrote = new Map<string, number>()
    const later = simulatedClock({ startMs: clock.now() })
    const { kernel, settled } = createWorld({
      clock: later,
      store: cutStore(batches, count),
      ...options(later, (prompt) => void wrote.set(prompt, (wrote.get(prompt) ?? 0) + 1)),
    })
    // For all but the last of them; what the others have set aside for turns that are paid comes back.
    const { inputTokens, outputTokens } = kernel.account('team').used
    const reserved = left.reduce((sum, one) => sum + one.reserved, 0)
    kernel.account('team', { tokens: inputTokens + outputTokens + reserved - 1 })
    kernel.resume()
    for (const [i, pid] of pids.entries()) {
      const tokens = lengths[i] as number
      const { text } = (await settled(kernel.run(pid).result)) as unknown as Ended
      assert.equal(text, Array.from({ length: tokens }, (_, k) => `w${k} `).join(''), `${count}: agent ${i}`)
      const written = (left[i] as Left).turns.reduce((sum, { usage }) => sum + usage.outputTokens, 0)
      const prompt = [...wrote.keys()].find((one) => one.includes(`agent ${i}`))
      assert.equal(wrote.get(prompt ?? '') ?? 0, tokens - written, `${count}: agent ${i}`)
    }
    waited++
    await kernel.close()
  }
  assert.ok(waited > 3, `${waited}`)
})

void test('a crash between two turns of a text that is gone on with loses nothing of it', async () => {
  const store = recordingStore()
  const clock = simulatedClock()
  const options = (of: Clock) => {
    const model = simulated({
      clock: of,
      seed: 3,
      slots: 1,
      latencyMs: 0,
      preempt: 'prefix',
      outputTokens: 60,
      deltaTokens: 4,
    })
    return { models: { m: { model, preempt: true } }, discipline: 'priority' as const, programs: [asks as Program] }
  }
  const { kernel, settled } = createWorld({ clock, store, ...options(clock) })
  const batch = kernel.spawn(asks, { prompt: 'batch', tokens: 200 })
  const person = kernel.spawn(asks, { prompt: 'person', tokens: 200, afterMs: 200 }, { priority: 5 })
  const [{ text }] = (await settled(Promise.all([batch.result, person.result]))) as [Ended, Ended]
  const { batches } = store
  let waited = 0
  for (let count = 1; count < batches.length; count++) {
    const events = batches.slice(0, count).flatMap((one) => one.events)
    const { hasEnded, isSent, turns, spent } = leftOf(events, batch.pid)
    if (hasEnded || turns.length === 0) continue
    const later = simulatedClock({ startMs: clock.now() })
    const world = createWorld({ clock: later, store: cutStore(batches, count), ...options(later) })
    world.kernel.resume()
    const again = (await world.settled(world.kernel.run(batch.pid).result)) as unknown as Ended
    assert.equal(again.text, text, `${count}`)
    const { usage } = world.kernel.info(batch.pid)
    if (!isSent) {
      waited++
      // Of what is broken off the server counts nothing: a third of its bytes is the estimate, a fourth the truth.
      const said = turns
        .flatMap(({ content }) => content.map((part) => (part.type === 'text' ? part.text : '')))
        .join('')
      assert.ok(said.length > 0 && text.startsWith(said))
      assert.equal(usage.outputTokens, spent.outputTokens + again.usage.outputTokens)
      assert.ok(again.usage.outputTokens <= Math.ceil((text.length - said.length) / 3), 'no token is written twice')
      assert.ok(usage.inputTokens > spent.inputTokens, 'what is there is read again')
    }
    await world.kernel.close()
  }
  assert.ok(waited > 0)
})

/** Asks, goes back to before it asked, and asks something else in its place. */
const goesBack = defineProgram(
  'goes-back',
  async (sys, { tokens, backMs, ahead }: { tokens: number; backMs: number; ahead: boolean }) => {
    // One that is asked before the snapshot is not undone, and goes on.
    const first = ahead ? sys.generate({ prompt: 'kept', maxOutputTokens: tokens }) : undefined
    const { id, restored } = await sys.snapshot()
    if (restored === 0) {
      void sys.generate({ prompt: 'undone', maxOutputTokens: tokens })
      await sys.sleep(backMs)
      await sys.restore(id)
    }
    const after = await sys.generate({ prompt: 'after', maxOutputTokens: tokens })
    return { kept: (await first)?.text ?? null, after: after.text, preempted: after.usage.preempted ?? null }
  },
)

void test('an answer in turns that a restore undid is no part of the next one with its number, also after a crash', async () => {
  const drivers = {
    exact: (of: Clock, states: States) => exactDriver(of, 10, { states }),
    prefix: (of: Clock) =>
      simulated({ clock: of, seed: 3, slots: 1, latencyMs: 0, preempt: 'prefix', outputTokens: 60, deltaTokens: 4 }),
  }
  let [undone, goneOn] = [0, 0]
  for (const [kind, quantumTokens, tokens, backsMs] of [
    ['exact', 4, 20, [90, 150, 230]],
    ['prefix', 10, 200, [300, 700]],
  ] as const)
    for (const ahead of [false, true]) {
      const options = (of: Clock, states: States = new Map()) => ({
        models: { m: { model: drivers[kind](of, states), preempt: true, quantumTokens } },
        discipline: 'round-robin' as const,
        programs: [asks as Program, goesBack as Program],
      })
      /** What each prompt is answered with where nobody makes room and nothing is undone. */
      const alone = async (prompt: string): Promise<string> => {
        const clock = simulatedClock()
        const kernel = await kernelOf({ clock, ...options(clock) })
        const { text } = (await kernel.spawn(asks, { prompt, tokens }).result) as Ended
        await kernel.close()
        return text
      }
      const expected = { kept: ahead ? await alone('kept') : null, after: await alone('after') }
      for (const backMs of backsMs) {
        const what = `${kind}, back after ${backMs} ms${ahead ? ', one ahead' : ''}`
        const store = recordingStore()
        const clock = simulatedClock()
        const states: States = new Map()
        const { kernel, settled } = createWorld({ clock, store, ...options(clock, states) })
        const run = kernel.spawn(goesBack, { tokens, backMs, ahead })
        const other = kernel.spawn(asks, { prompt: 'other', tokens: 2 * tokens })
        const { preempted, ...said } = (await settled(run.result)) as { preempted: Preempted | null }
        await settled(other.result)
        assert.deepEqual(said, expected, what)
        const n = Number(ahead) + 1
        const turnsOf = (from: readonly JournalEvent[]): number =>
          from.filter((event) => event.type === 'call-wait' && event.n === n && event.turn !== undefined).length
        const all = store.batches.flatMap((one) => one.events).filter(({ pid }) => pid === run.pid)
        const backAt = all.findIndex(({ type }) => type === 'process-rewind')
        assert.equal(preempted?.times ?? 0, turnsOf(all.slice(backAt)), `${what}: turns of its own`)
        assert.equal(states.size, 0, `${what}: no state is left`)
        await kernel.close()
        const { batches } = store
        for (let count = 1; count < batches.length; count++) {
          const events = batches.slice(0, count).flatMap((one) => one.events)
          const mine = events.filter(({ pid }) => pid === run.pid)
          const back = mine.findIndex(({ type }) => type === 'process-rewind')
          // Where the old answer has turns, and the new one has not begun or has not ended.
          if (back < 0 || turnsOf(mine.slice(0, back)) === 0 || mine.at(-1)?.type === 'process-end') continue
          const later = simulatedClock({ startMs: clock.now() })
          const world = createWorld({ clock: later, store: cutStore(batches, count), ...options(later) })
          world.kernel.resume()
          const again = (await world.settled(world.kernel.run(run.pid).result)) as { preempted: unknown }
          assert.deepEqual({ ...again, preempted: 0 }, { ...expected, preempted: 0 }, `${what}, cut at ${count}`)
          const isBegun = mine.slice(back).some((event) => event.type === 'call-start' && event.n === n)
          if (isBegun) goneOn++
          else undone++
          const books = ownUsage(world.store.events(run.pid))
          const { usage } = world.kernel.info(run.pid)
          assert.deepEqual([books.inputTokens, books.outputTokens], [usage.inputTokens, usage.outputTokens], what)
          await world.kernel.close()
        }
      }
    }
  assert.ok(undone > 2 && goneOn > 10, `${undone} cut before the new answer, ${goneOn} within it`)
})

/** Forks beside an answer; both ask for all of it. */
const forks = defineProgram('forks', async (sys, { tokens, forkMs }: { tokens: number; forkMs: number }) => {
  const asked = sys.generate({ prompt: 'shared', maxOutputTokens: tokens })
  await sys.sleep(forkMs)
  const child = await sys.fork()
  const { text } = await asked
  return child === 0 ? { texts: [text] } : { texts: [text, ...(await sys.wait<{ texts: string[] }>(child)).texts] }
})

void test('an answer in turns that was open at a fork is whole in both, also after a crash', async () => {
  const tokens = 200
  const options = (of: Clock) => {
    const model = simulated({
      clock: of,
      seed: 3,
      slots: 1,
      latencyMs: 0,
      preempt: 'prefix',
      outputTokens: 60,
      deltaTokens: 4,
    })
    return {
      models: { m: { model, preempt: true, quantumTokens: 10 } },
      discipline: 'round-robin' as const,
      programs: [asks as Program, forks as Program],
    }
  }
  const alone = simulatedClock()
  const quiet = await kernelOf({ clock: alone, ...options(alone) })
  const { text } = (await quiet.spawn(asks, { prompt: 'shared', tokens }).result) as Ended
  await quiet.close()
  const expected = { texts: [text, text] }
  const clock = simulatedClock()
  const store = recordingStore()
  const { kernel, settled } = createWorld({ clock, store, ...options(clock) })
  const run = kernel.spawn(forks, { tokens, forkMs: 600 })
  const other = kernel.spawn(asks, { prompt: 'other', tokens })
  assert.deepEqual(await settled(run.result), expected)
  await settled(other.result)
  await kernel.close()
  const { batches } = store
  let goneOn = 0
  for (let count = 1; count < batches.length; count++) {
    const events = batches.slice(0, count).flatMap((one) => one.events)
    const fork = events.find((event) => event.type === 'process-start' && event.forkOf !== null)
    const hasTurn = ({ pid, type, ...event }: JournalEvent): boolean =>
      pid === fork?.pid && type === 'call-wait' && 'turn' in event
    if (fork === undefined || !events.some(hasTurn)) continue
    const later = simulatedClock({ startMs: clock.now() })
    const world = createWorld({ clock: later, store: cutStore(batches, count), ...options(later) })
    world.kernel.resume()
    assert.deepEqual(await world.settled(world.kernel.run(run.pid).result), expected, `cut at ${count}`)
    goneOn++
    await world.kernel.close()
  }
  assert.ok(goneOn > 3, `${goneOn} forks went on`)
})

void test('what a call took in turns is charged when it is killed while it waits, and its state is forgotten; a kernel that closes keeps it', async () => {
  const clock = simulatedClock()
  const states: States = new Map()
  const store = recordingStore()
  const options = {
    models: { m: { model: exactDriver(clock, 10, { states }), quantumTokens: 4 } },
    discipline: 'round-robin' as const,
    programs: [asks as Program],
  }
  const first = createWorld({ clock, store, ...options })
  const [killed, stopped] = [0, 1].map((i) => first.kernel.spawn(asks, { prompt: `agent ${i}`, tokens: 20 }))
  const kept = async (of: { readonly pid: number }, turns: number): Promise<void> => {
    for (;;) {
      const left = leftOf(
        store.batches.flatMap((one) => one.events),
        of.pid,
      )
      if (left.turns.length === turns && !left.isSent && first.kernel.info(of.pid).queued) return
      await first.settled(new Promise<void>((resolve) => void clock.after(1, resolve)))
    }
  }
  assert.ok(killed !== undefined && stopped !== undefined)
  await kept(killed, 2)
  killed.result.catch(() => {})
  first.kernel.kill(killed.pid)
  const { inputTokens, outputTokens } = first.kernel.info(killed.pid).usage
  assert.deepEqual([inputTokens, outputTokens], [20, 8])
  // Who waits must have somebody to wait for.
  const other = first.kernel.spawn(asks, { prompt: 'agent 2', tokens: 20 })
  for (const run of [stopped, other]) run.result.catch(() => {})
  await kept(stopped, 3)
  await first.kernel.close()
  const left = leftOf(
    store.batches.flatMap((one) => one.events),
    stopped.pid,
  )
  assert.ok([...states.keys()].includes(left.turns.at(-1)?.state ?? ''))
  const later = simulatedClock({ startMs: clock.now() })
  const second = createWorld({
    clock: later,
    store: cutStore(store.batches, store.batches.length),
    ...options,
    models: { m: { model: exactDriver(later, 10, { states }), quantumTokens: 4 } },
  })
  second.kernel.resume()
  await second.settled(second.kernel.run(stopped.pid).result)
  await second.settled(second.kernel.run(other.pid).result)
  const { usage } = second.kernel.info(stopped.pid)
  assert.deepEqual([usage.inputTokens, usage.outputTokens], [20, 20])
  assert.equal(states.size, 0)
  await second.kernel.close()
})

void test('an answer in turns of a fallback goes on there; on another model, or one that keeps no states, it is begun anew', async () => {
  const store = recordingStore()
  const clock = simulatedClock()
  const states: States = new Map()
  const ask = defineProgram('ask', async (sys, prompt: string) => {
    return (await sys.generate({ prompt, maxOutputTokens: 12, model: ['down', 'm'] })).text
  })
  const options = (of: Clock, more: object = {}) => {
    const down = scripted(() => ({ error: { statusCode: 401, message: 'no' } }), { clock: of })
    const m = { model: exactDriver(of, 10, { states, forgetState: () => {} }), quantumTokens: 5, ...more }
    const kernel = { clock: of, models: { down, m }, programs: [ask as Program], discipline: 'round-robin' as const }
    return { down, kernel }
  }
  const first = createWorld({ ...options(clock).kernel, clock, store })
  const runs = ['one', 'two'].map((prompt) => first.kernel.spawn(ask, prompt))
  const [pid] = runs.map((run) => run.pid) as [number]
  await first.settled(Promise.all(runs.map((run) => run.result)))
  const waits = (count: number): boolean => {
    const { turns, isSent } = leftOf(
      store.batches.slice(0, count).flatMap((one) => one.events),
      pid,
    )
    return turns.length === 1 && !isSent
  }
  const count = store.batches.findIndex((_, i) => waits(i))
  assert.ok(count > 0)
  for (const [more, asked, wrote] of [
    [{}, 0, 7],
    [{ preempt: false }, 1, 12],
  ] as const) {
    const later = simulatedClock({ startMs: clock.now() })
    const { down, kernel } = options(later, more)
    const world = createWorld({ ...kernel, clock: later, store: cutStore(store.batches, count) })
    world.kernel.resume(pid)
    const text = await world.settled(world.kernel.run(pid).result)
    assert.equal(text, Array.from({ length: 12 }, (_, i) => `w${i} `).join(''))
    assert.equal(down.calls.length, asked)
    assert.equal(world.kernel.info(pid).usage.outputTokens, 5 + wrote)
    await world.kernel.close()
  }
})

/** What a scheduler is told where the journals end after so many commits. */
function rememberedOf(
  store: RecordingStore,
  clock: Clock,
  model: LanguageModel,
  count = store.batches.length,
): { requests: number; tokens: number } {
  const sum = { requests: 0, tokens: 0 }
  const scheduler = createScheduler(clock, defaultLimits)
  const core = scheduler.createCore({ id: 'm', model, discipline: createDiscipline('fifo') })
  const counting: Scheduler = {
    ...scheduler,
    remember(_core, _at, requests, tokens) {
      sum.requests += requests
      sum.tokens += tokens
    },
  }
  const events = store.batches.slice(0, count).flatMap((one) => one.events)
  const journals = [...new Set(events.map(({ pid }) => pid))].map((pid) => events.filter((event) => event.pid === pid))
  rememberMinute(new Map([['m', core]]), counting, journals, clock.now())
  return sum
}

void test('after a restart a call that waited for a person counts against the minute once it has its word, and not before', async () => {
  for (const word of ['allow', 'deny']) {
    const store = recordingStore()
    const clock = simulatedClock()
    const driver = exactDriver(clock, 10)
    let asked = 0
    const model: LanguageModel = { ...driver, doGenerate: (call) => (asked++, driver.doGenerate(call)) }
    const { kernel, settled } = createWorld({
      clock,
      store,
      // Slots for one: the second waits for its turn after it has its word.
      models: { m: { model, slots: 1, requestsPerMinute: 1_000, tokensPerMinute: 100_000 } },
      law: { rules: [{ id: 'word', effect: 'ask', call: 'generate' }] },
      programs: [asks as Program],
    })
    const runs = [9, 17].map((tokens, i) => kernel.spawn(asks, { prompt: `agent ${i}`, tokens }))
    const ended = Promise.allSettled(runs.map((run) => run.result))
    await settled(new Promise<void>((resolve) => void clock.after(1_000, resolve)))
    assert.equal(kernel.questions.length, 2)
    assert.deepEqual(rememberedOf(store, clock, model), { requests: 0, tokens: 0 })
    const before = store.batches.length
    for (const { id } of kernel.questions) kernel.answer(id, word)
    await settled(ended)
    assert.equal(asked, word === 'allow' ? 2 : 0)
    const used = runs.reduce((total, { usage }) => total + usage.inputTokens + usage.outputTokens, 0)
    assert.deepEqual(rememberedOf(store, clock, model), { requests: asked, tokens: used })
    // Between the two it is no more than that, and what is set aside for those that are under way.
    let most = 0
    for (let count = before; count < store.batches.length; count++) {
      const { requests, tokens } = rememberedOf(store, clock, model, count)
      assert.ok(requests <= asked && tokens <= used + 60, `${count}: ${requests} requests, ${tokens} tokens`)
      most = Math.max(most, requests)
    }
    assert.equal(most, asked)
  }
})

void test('after a restart each turn counts against the minute as the request that it was, and its tokens once', async () => {
  const store = recordingStore()
  const clock = simulatedClock()
  const driver = exactDriver(clock, 10)
  let asked = 0
  const model: LanguageModel = { ...driver, doGenerate: (call) => (asked++, driver.doGenerate(call)) }
  const { kernel, settled } = createWorld({
    clock,
    store,
    models: { m: { model, quantumTokens: 4, requestsPerMinute: 1_000, tokensPerMinute: 100_000 } },
    discipline: 'round-robin',
    programs: [asks as Program],
  })
  const runs = [30, 9, 17].map((tokens, i) => kernel.spawn(asks, { prompt: `agent ${i}`, tokens }))
  await settled(Promise.all(runs.map((run) => run.result)))
  assert.ok(asked > 2 * runs.length)
  const remembered = (count: number) => rememberedOf(store, clock, model, count)
  const used = runs.reduce((total, { usage }) => total + usage.inputTokens + usage.outputTokens, 0)
  assert.deepEqual(remembered(store.batches.length), { requests: asked, tokens: used })
  // Half way it is no more than that, and what is set aside for the one that is under way.
  for (let count = 1; count < store.batches.length; count++) {
    const { requests, tokens } = remembered(count)
    assert.ok(requests <= asked && tokens <= used + 60, `${count}: ${requests} requests, ${tokens} tokens`)
  }
})
