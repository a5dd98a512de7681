/** The model drivers: scripted, simulated, recorded, by provider name, and the conformance suite that they all pass. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { APICallError, type LanguageModelV4CallOptions, type LanguageModelV4StreamPart } from '@ai-sdk/provider'
import { modelConformance, type ModelConformanceOptions } from '../src/drivers/llm/conformance.ts'
import { loadModel, toModel } from '../src/drivers/llm/provider.ts'
import { record, replay } from '../src/drivers/llm/recorded.ts'
import { callError, foldParts, promptText, scripted, streamOf, tokensOf, toParts } from '../src/drivers/llm/scripted.ts'
import { simulated } from '../src/drivers/llm/simulated.ts'
import { realClock, simulatedClock, type Clock } from '../src/kernel/clock.ts'
import type { LanguageModel } from '../src/kernel/drivers.ts'
import { readRateLimits } from '../src/kernel/rate-limits.ts'

const folder = mkdtempSync(join(tmpdir(), 'polity-models-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const ask = (text: string, extra: Partial<LanguageModelV4CallOptions> = {}): LanguageModelV4CallOptions => ({
  prompt: [{ role: 'user', content: [{ type: 'text', text }] }],
  ...extra,
})
const at = (pid: number, n: number) => ({ providerOptions: { polity: { pid, n } } })

async function textOf(model: LanguageModel, call: LanguageModelV4CallOptions): Promise<string> {
  const { content } = await model.doGenerate(call)
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('')
}

async function partsOf(model: LanguageModel, call: LanguageModelV4CallOptions): Promise<LanguageModelV4StreamPart[]> {
  return readAll((await model.doStream(call)).stream)
}

async function readAll(stream: ReadableStream<LanguageModelV4StreamPart>): Promise<LanguageModelV4StreamPart[]> {
  const parts: LanguageModelV4StreamPart[] = []
  for await (const part of stream) parts.push(part)
  return parts
}

/** How a call ended: its value, or of its error what callers read. */
async function endOf(promise: PromiseLike<unknown>): Promise<unknown> {
  return promise.then(undefined, (error: Partial<APICallError> & Error) => {
    const { name, message, statusCode, isRetryable, responseHeaders } = error
    return { name, message, statusCode, isRetryable, retryAfter: responseHeaders?.['retry-after'] }
  })
}

/** The AI SDK's models return any thenable; what follows wants a promise. */
const promised = <T>(thenable: PromiseLike<T>): Promise<T> => Promise.resolve(thenable)

const isCode = (code: string, message: RegExp) => (error: unknown) => {
  assert.equal((error as { code?: string }).code, code, String(error))
  assert.match((error as Error).message, message)
  return true
}

const later = (clock: Clock, ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve))

// ---------------------------------------------------------------------------------------------------------- conformance

const suite = (name: string, options: Omit<ModelConformanceOptions, 'test'>): void =>
  void describe(`conformance of ${name}`, () => modelConformance({ ...options, test: (title, fn) => test(title, fn) }))

const search = { name: 'search', input: { query: 'x' } }

suite('scripted', {
  make: () => scripted((call) => `You said ${promptText(call.prompt)}`, { deltaChars: 3 }),
  traits: {
    slow: () => ({ model: scripted([{ text: 'a beginning', hang: true }]) }),
    toolCall: () => ({ model: scripted([{ text: 'let me see', toolCalls: [search, { name: 'stop' }] }]) }),
    failing: () => ({ model: scripted([{ error: { statusCode: 429 } }]), statusCode: 429, isRetryable: true }),
  },
})

const clocks: readonly (readonly [string, Clock])[] = [
  ['real time', realClock({ seed: 1 })],
  ['simulated time', simulatedClock({ seed: 1 })],
]
for (const [name, clock] of clocks) {
  const fast = {
    clock,
    slots: 8,
    latencyMs: 1,
    prefillTokensPerSecond: 50_000,
    decodeTokensPerSecond: 5_000,
    requestsPerMinute: 1_000,
    prefixCacheTokens: 4_096,
  }
  suite(`simulated in ${name}`, {
    make: () => simulated({ ...fast, preempt: 'prefix' }),
    traits: {
      preempt: 'prefix',
      // In simulated time no call is slow: a thousand seconds of it pass between two turns of the event loop.
      ...(name === 'real time' ? { slow: () => ({ model: simulated({ clock, latencyMs: 1_000_000 }) }) } : {}),
      toolCall: () => ({ model: simulated({ ...fast, answer: () => ({ text: 'let me see', toolCalls: [search] }) }) }),
      failing: () => ({ model: simulated({ ...fast, failureRate: 1 }), statusCode: 500, isRetryable: true }),
    },
  })
}

// A fixture with enough answers for every call that the suite makes, recorded from a simulated model.
const conformanceFile = join(folder, 'conformance.ndjson')
const abortedFile = join(folder, 'aborted.ndjson')
const failedFile = join(folder, 'failed.ndjson')
{
  const clock = simulatedClock({ seed: 3 })
  const model = record(simulated({ clock, slots: 8 }), conformanceFile)
  const calls = [
    ...Array.from({ length: 8 }, (_, i) => ask(`Say the number ${i}.`)),
    ask('Say hello.'),
    ask('Say hello.', { providerOptions: { other: { kept: true } } }),
  ]
  for (const call of calls) {
    for (let i = 0; i < 2; i++) {
      await model.doGenerate(call)
      await partsOf(model, call)
    }
  }
  const slow = record(simulated({ clock }), abortedFile)
  for (const way of ['doGenerate', 'doStream'] as const) {
    const controller = new AbortController()
    const running: PromiseLike<unknown> = slow[way](ask('Say hello.', { abortSignal: controller.signal }))
    controller.abort()
    await assert.rejects(promised(running))
  }
  const failing = record(simulated({ clock, failureRate: 1 }), failedFile)
  await assert.rejects(promised(failing.doGenerate(ask('Say hello.'))))
}
suite('replay', {
  make: () => replay(conformanceFile),
  traits: {
    slow: () => ({ model: replay(abortedFile) }),
    toolCall: async () => {
      const file = join(folder, 'tools.ndjson')
      rmSync(file, { force: true })
      await record(scripted([{ toolCalls: [search] }]), file).doGenerate(ask('Say hello.'))
      return { model: replay(file) }
    },
    failing: () => ({ model: replay(failedFile), statusCode: 500, isRetryable: true }),
  },
})
suite('record', {
  make: () =>
    record(
      scripted((call) => promptText(call.prompt)),
      join(folder, 'recording.ndjson'),
    ),
  traits: { slow: () => ({ model: record(scripted([{ hang: true }]), join(folder, 'recording.ndjson')) }) },
})

/** The tests of these titles that a model fails. */
async function failures(model: LanguageModel, titles: RegExp, slow: boolean): Promise<string[]> {
  const failed: string[] = []
  const waits: Promise<void>[] = []
  modelConformance({
    make: () => model,
    traits: slow ? { slow: () => ({ model }) } : {},
    test: (title, fn) => void (titles.test(title) && waits.push(fn().catch(() => void failed.push(title)))),
  })
  await Promise.all(waits)
  return failed
}

describe('the conformance suite', () => {
  const text: readonly LanguageModelV4StreamPart[] = [
    { type: 'text-start', id: '0' },
    { type: 'text-delta', id: '0', delta: 'x' },
    { type: 'text-end', id: '0' },
  ]
  const finish = toParts({
    content: [],
    finishReason: { unified: 'stop', raw: undefined },
    usage: {
      inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
      outputTokens: { total: 1, text: 1, reasoning: 0 },
    },
    warnings: [],
  }).at(-1)
  const broken: Readonly<Record<string, readonly unknown[]>> = {
    'no finish': text,
    'a part after finish': [finish, ...text],
    'two finishes': [finish, finish],
    'a delta of no block': [{ type: 'text-delta', id: '0', delta: 'x' }, finish],
    'a block left open': [{ type: 'text-start', id: '0' }, finish],
    'a late stream-start': [...text, { type: 'stream-start', warnings: [] }, finish],
    'an unknown part': [{ type: 'text' }, finish],
    'arguments that are not JSON': [{ type: 'tool-call', toolCallId: '1', toolName: 't', input: '{"a":' }, finish],
    'arguments that are not text': [{ type: 'tool-call', toolCallId: '1', toolName: 't', input: {} }, finish],
    'negative usage': [{ ...finish, usage: { inputTokens: { total: -1 }, outputTokens: { total: 1 } } }],
    'a finish reason of its own': [{ ...finish, finishReason: { unified: 'done' } }],
    'an error part': [{ type: 'error', error: new Error('no') }, finish],
  }
  for (const [name, parts] of Object.entries(broken)) {
    test(`finds ${name}`, async () => {
      const model = scripted([{ parts, repeat: true }])
      const ends: Promise<unknown>[] = []
      modelConformance({
        make: () => ({ ...model }),
        test: (title, fn) => void (title.startsWith('doStream gives') && ends.push(fn())),
      })
      assert.equal(ends.length, 1)
      await assert.rejects(ends[0] as Promise<unknown>)
    })
  }

  test('finds a model that is deaf to abort, one that mixes calls, and one that changes options', async () => {
    const deaf = scripted([{ hang: true, ignoreAbort: true, repeat: true }])
    assert.equal((await failures(deaf, /when it is aborted$/, true)).length, 2)
    const mixing = scripted((_, index) => `answer ${index}`)
    assert.equal((await failures(mixing, /^calls at the same time/, false)).length, 1)
    const changing = {
      ...scripted(() => 'x'),
      doGenerate: (call: LanguageModelV4CallOptions) => scripted(['x']).doGenerate((call.prompt.pop(), call)),
    }
    assert.equal((await failures(changing, /^the options of a call/, false)).length, 1)
  })
})

// ------------------------------------------------------------------------------------------------------------- scripted

const says = (word: string) => (call: LanguageModelV4CallOptions) => promptText(call.prompt).includes(word)

describe('scripted', () => {
  test('gives each answer once, in order, and says which call was one too many', async () => {
    const model = scripted(['one', { text: 'two' }])
    assert.throws(() => model.assertComplete(), /2 of 2 answers were never asked for: 0, 1/)
    assert.equal(await textOf(model, ask('a')), 'one')
    assert.equal(await textOf(model, ask('b')), 'two')
    model.assertComplete()
    await assert.rejects(
      promised(model.doGenerate(ask('the third question'))),
      isCode(
        'DRIVER_FAILED',
        /call 2 of scripted\/scripted was not expected: the script has 2 answers.*the third question/,
      ),
    )
    assert.throws(() => model.assertComplete(), /call 2/)
    assert.deepEqual(
      model.calls.map((call) => promptText(call.prompt)),
      ['user: a\n', 'user: b\n', 'user: the third question\n'],
    )
  })

  test('ties answers to calls with match, whatever the order of concurrent callers', async () => {
    for (const order of [
      ['critic', 'author', 'critic'],
      ['author', 'critic', 'critic'],
    ]) {
      const model = scripted([
        { match: says('critic'), text: 'no' },
        { match: says('author'), text: 'draft' },
        { match: says('critic'), text: 'yes' },
      ])
      const answers = await Promise.all(order.map((who) => textOf(model, ask(who))))
      assert.deepEqual(order.map((who, i) => `${who}: ${answers[i]}`).toSorted(), [
        'author: draft',
        'critic: no',
        'critic: yes',
      ])
      assert.ok(answers.indexOf('no') < answers.indexOf('yes'))
      model.assertComplete()
      await assert.rejects(promised(model.doGenerate(ask('author'))), /no answer of the script that is left matches it/)
    }
  })

  test('repeats one answer, or the whole list', async () => {
    const model = scripted([{ match: (call) => call.temperature === 0, text: 'cold', repeat: true }, 'warm'])
    assert.deepEqual(
      [
        await textOf(model, ask('', { temperature: 0 })),
        await textOf(model, ask('', { temperature: 0 })),
        await textOf(model, ask('')),
      ],
      ['cold', 'cold', 'warm'],
    )
    const round = scripted(['a', 'b'], { repeat: true })
    assert.deepEqual(
      [await textOf(round, ask('')), await textOf(round, ask('')), await textOf(round, ask(''))],
      ['a', 'b', 'a'],
    )
    const matching = scripted([{ match: (call) => call.temperature === 0, text: 'x' }, 'y', 'z'], { repeat: true })
    assert.deepEqual(
      [await textOf(matching, ask('')), await textOf(matching, ask('')), await textOf(matching, ask(''))],
      ['y', 'z', 'y'],
    )
  })

  test('streams what it generates, cut between characters', async () => {
    const answer = {
      reasoning: 'hm',
      text: 'naïve 👩‍🚀 text',
      toolCalls: [{ ...search, id: 'c1' }],
      usage: { inputTokens: 9, cachedTokens: 4, outputTokens: 5 },
    }
    for (const deltaChars of [1, 2, 3, 5, Infinity]) {
      const model = scripted([answer, answer], { deltaChars })
      const whole = await model.doGenerate(ask(''))
      const parts = await partsOf(model, ask(''))
      assert.deepEqual(foldParts(parts), whole)
      if (deltaChars >= 2)
        for (const part of parts)
          if (part.type === 'text-delta') assert.ok(part.delta.isWellFormed(), JSON.stringify(part.delta))
    }
  })

  test('fails as a provider fails, before or within the stream', async () => {
    const error = { statusCode: 503, headers: { 'retry-after': '7' }, message: 'busy' }
    const model = scripted([{ error }, { error }, { text: 'so far', error }, { error: new TypeError('mine') }])
    const thrown = await promised(model.doGenerate(ask(''))).catch((e: unknown) => e)
    assert.ok(APICallError.isInstance(thrown))
    assert.deepEqual(
      [thrown.statusCode, thrown.isRetryable, thrown.responseHeaders, thrown.message],
      [503, true, { 'retry-after': '7' }, 'busy'],
    )
    await assert.rejects(promised(model.doStream(ask(''))), { statusCode: 503 })
    const parts = await partsOf(model, ask(''))
    assert.deepEqual(
      parts.map((part) => part.type),
      ['stream-start', 'text-start', 'text-delta', 'text-end', 'error', 'finish'],
    )
    await assert.rejects(promised(model.doGenerate(ask(''))), TypeError)
  })

  test('delays by the clock, and hangs until the abort or for ever', async () => {
    const clock = simulatedClock()
    const model = scripted(
      [
        { text: 'late', delayMs: 5_000 },
        { text: 'never', delayMs: 5_000 },
        { hang: true },
        { hang: true, ignoreAbort: true },
        { text: 'begun', hang: true },
      ],
      { clock },
    )
    const start = clock.now()
    assert.equal(await textOf(model, ask('')), 'late')
    assert.equal(clock.now() - start, 5_000)
    for (const index of [1, 2]) {
      const controller = new AbortController()
      const running = promised(model.doGenerate(ask('', { abortSignal: controller.signal })))
      controller.abort(new Error(`stop ${index}`))
      await assert.rejects(running, new RegExp(`stop ${index}`))
    }
    const deaf = new AbortController()
    let ended = false
    void promised(model.doGenerate(ask('', { abortSignal: deaf.signal }))).finally(() => (ended = true))
    deaf.abort()
    await later(clock, 1_000)
    assert.equal(ended, false)
    const controller = new AbortController()
    const { stream } = await model.doStream(ask('', { abortSignal: controller.signal }))
    const reader = stream.getReader()
    const types = [
      (await reader.read()).value?.type,
      (await reader.read()).value?.type,
      (await reader.read()).value?.type,
    ]
    assert.deepEqual(types, ['stream-start', 'text-start', 'text-delta'])
    await reader.read() // text-end
    const next = reader.read()
    controller.abort(new Error('enough'))
    await assert.rejects(next, /enough/)
  })

  test('sends garbage as it is written, and says nothing of usage when told so', async () => {
    const garbage = [{ type: 'text-delta', id: 'nobody', delta: 1 }, null, 'text']
    const model = scripted([{ parts: garbage }, { result: 'not an answer' }, { text: 'x', usage: null }])
    assert.deepEqual(await partsOf(model, ask('')), garbage)
    assert.equal(await model.doGenerate(ask('')), 'not an answer')
    assert.equal((await model.doGenerate(ask(''))).usage.outputTokens.total, undefined)
  })

  test('refuses a script with a mistake at once', () => {
    assert.throws(
      () => scripted([{ txt: 'x' } as object]),
      isCode('INVALID_ARGUMENT', /answer 0 .* unknown field "txt"/),
    )
    assert.throws(() => scripted([{ text: 'x', delayMs: 1 }]), isCode('INVALID_ARGUMENT', /pass the clock/))
    assert.throws(() => scripted([], { deltaChars: 0 }), isCode('INVALID_ARGUMENT', /deltaChars/))
  })

  test('does not make a signal that is made when it is first read, as the kernel’s is', async () => {
    let reads = 0
    const controller = new AbortController()
    const call = (): LanguageModelV4CallOptions => ({
      ...ask('x'),
      get abortSignal() {
        reads++
        return controller.signal
      },
    })
    const model = scripted(['x', { hang: true }])
    await model.doGenerate(call())
    assert.equal(reads, 0)
    const hanging = promised(model.doGenerate(call()))
    assert.equal(reads, 1)
    controller.abort(new Error('stop'))
    await assert.rejects(hanging, /stop/)
    assert.equal(model.calls[0]?.abortSignal?.aborted, true)
  })

  test('keeps a bounded number of calls, as they were when they came', async () => {
    const model = scripted(() => 'x', { callsKeptMax: 2 })
    const call = ask('first')
    for (let i = 0; i < 5; i++) {
      await model.doGenerate(call)
      call.prompt.push({ role: 'user', content: [] })
    }
    assert.deepEqual(
      [model.calls.length, model.callCount, model.calls[0]?.prompt.length, model.calls[1]?.prompt.length],
      [2, 5, 1, 2],
    )
  })
})

// ------------------------------------------------------------------------------------------------------------ simulated

/** Which of a thousand calls fail. */
async function failedCalls(seed: number): Promise<number[]> {
  const clock = simulatedClock()
  const model = simulated({ clock, seed, slots: 1_000, failureRate: 0.3 })
  const ends = await Promise.allSettled(Array.from({ length: 1_000 }, () => model.doGenerate(ask('x'))))
  assert.equal(model.stats().failed, ends.filter((end) => end.status === 'rejected').length)
  return ends.flatMap((end, i) => (end.status === 'rejected' ? [i] : []))
}

/** A prompt of 100 tokens, with its role. */
const prompt100 = (word = 'x'): LanguageModelV4CallOptions => ask(word.repeat(400 - 'user: \n'.length))

describe('simulated', () => {
  /** 100 tokens of prompt and 50 of answer take 50 + 100 + 500 ms. */
  const speeds = { latencyMs: 50, prefillTokensPerSecond: 1_000, decodeTokensPerSecond: 100, outputTokens: 50 } as const
  const callMs = 650

  test('n calls on k slots take as long as the formula says', async () => {
    for (const [n, k] of [
      [1, 1],
      [10, 3],
      [9, 3],
      [7, 8],
    ] as const) {
      const clock = simulatedClock()
      const model = simulated({ clock, slots: k, refuse: 'queue', ...speeds })
      const start = clock.now()
      await Promise.all(
        Array.from({ length: n }, (_, i) =>
          i % 2 === 0 ? model.doGenerate(prompt100()) : partsOf(model, prompt100()),
        ),
      )
      assert.ok(
        Math.abs(clock.now() - start - Math.ceil(n / k) * callMs) < 0.01,
        `${n} on ${k}: ${clock.now() - start} ms`,
      )
      const stats = model.stats()
      assert.deepEqual(
        [stats.calls, stats.completed, stats.maxInFlight, stats.inFlight, stats.queued],
        [n, n, Math.min(n, k), 0, 0],
      )
      assert.deepEqual([stats.inputTokens, stats.outputTokens], [n * 100, n * 50])
      assert.ok(Math.abs(stats.busySlotMs - n * callMs) < 0.01)
      assert.equal(clock.pending, 0)
    }
  })

  test('the same formula holds in real time', async () => {
    const clock = realClock({ seed: 1 })
    const model = simulated({
      clock,
      slots: 2,
      refuse: 'queue',
      latencyMs: 20,
      prefillTokensPerSecond: 10_000,
      decodeTokensPerSecond: 1_000,
      outputTokens: 50,
    })
    const start = clock.now()
    await Promise.all(Array.from({ length: 4 }, () => model.doGenerate(prompt100())))
    const took = clock.now() - start
    assert.ok(took >= 2 * 80 - 5 && took < 2 * 80 + 400, `${took} ms for 160`)
  })

  test('refuses what no slot is free for, with an error that a provider might send', async () => {
    const clock = simulatedClock()
    const model = simulated({ clock, slots: 2, retryAfterMs: 1_500, ...speeds })
    const running = [model.doGenerate(prompt100()), model.doGenerate(prompt100())]
    for (const refused of [model.doGenerate(prompt100()), model.doStream(prompt100())]) {
      const error = await promised<unknown>(refused).then(
        () => assert.fail('let through'),
        (e: unknown) => e,
      )
      assert.ok(APICallError.isInstance(error))
      assert.deepEqual(
        [
          error.statusCode,
          error.isRetryable,
          error.responseHeaders?.['retry-after'],
          error.responseHeaders?.['retry-after-ms'],
        ],
        [429, true, '2', '1500'],
      )
      assert.equal(readRateLimits(error.responseHeaders, clock.now()).retryAfterMs, 1_500)
    }
    await Promise.all(running)
    await model.doGenerate(prompt100())
    const { calls, completed, refused, maxInFlight } = model.stats()
    assert.deepEqual({ calls, completed, refused, maxInFlight }, { calls: 5, completed: 3, refused: 2, maxInFlight: 2 })
    const silent = simulated({ clock, slots: 1, headers: false, ...speeds })
    const first = silent.doGenerate(prompt100())
    assert.deepEqual(await promised(silent.doGenerate(prompt100())).catch((e: APICallError) => e.responseHeaders), {})
    await first
  })

  test('queues at most queueMax, first come first served', async () => {
    const clock = simulatedClock()
    const model = simulated({ clock, slots: 1, refuse: 'queue', queueMax: 2, ...speeds })
    const order: number[] = []
    const ends = [0, 1, 2, 3].map((i) => promised(model.doGenerate(prompt100())).then(() => void order.push(i)))
    await assert.rejects(ends[3] as Promise<void>, { statusCode: 429 })
    await Promise.all(ends.slice(0, 3))
    assert.deepEqual(order, [0, 1, 2])
  })

  test('holds requests a minute in any 60 seconds, and says when there is room', async () => {
    const clock = simulatedClock()
    const model = simulated({ clock, slots: 10, requestsPerMinute: 3, ...speeds })
    const headers = (await model.doGenerate(prompt100())).response?.headers
    assert.deepEqual([headers?.['x-ratelimit-limit-requests'], headers?.['x-ratelimit-remaining-requests']], ['3', '2'])
    assert.equal(readRateLimits(headers, clock.now()).requestsPerMinute, 3)
    await model.doGenerate(prompt100())
    await model.doGenerate(prompt100())
    const error = await promised(model.doGenerate(prompt100())).then(
      () => assert.fail(),
      (e: APICallError) => e,
    )
    const waitMs = Number(error.responseHeaders?.['retry-after-ms'])
    assert.equal(waitMs, 60_000 - 3 * callMs)
    assert.equal(readRateLimits(error.responseHeaders, clock.now()).exhaustedForMs, waitMs)
    await later(clock, waitMs - 1)
    await assert.rejects(promised(model.doGenerate(prompt100())), { statusCode: 429 })
    await later(clock, 1)
    await model.doGenerate(prompt100())
  })

  test('holds tokens a minute, and gives back what an aborted call did not take', async () => {
    const clock = simulatedClock()
    const model = simulated({ clock, slots: 10, tokensPerMinute: 400, ...speeds })
    const controller = new AbortController()
    const aborted = promised(model.doGenerate({ ...prompt100(), abortSignal: controller.signal }))
    const kept = model.doGenerate(prompt100())
    await assert.rejects(promised(model.doGenerate(prompt100())), { statusCode: 429 })
    await later(clock, 100) // latency, and half of the prefill
    controller.abort()
    await assert.rejects(aborted, { name: 'AbortError' })
    assert.equal(model.stats().inputTokens, 50)
    await model.doGenerate(prompt100())
    assert.equal((await kept).response?.headers?.['x-ratelimit-remaining-tokens'], String(400 - 50 - 150 - 150))
    await assert.rejects(promised(simulated({ clock, tokensPerMinute: 100, ...speeds }).doGenerate(prompt100())), {
      statusCode: 400,
      isRetryable: false,
    })
  })

  test('reads a cached prefix faster, reports it, and forgets the least recently used', async () => {
    const clock = simulatedClock()
    const model = simulated({ clock, slots: 2, prefixCacheTokens: 200, ...speeds })
    const timed = async (call: LanguageModelV4CallOptions) => {
      const start = clock.now()
      const { usage } = await model.doGenerate(call)
      return {
        ms: Math.round(clock.now() - start),
        cached: usage.inputTokens.cacheRead,
        fresh: usage.inputTokens.noCache,
      }
    }
    assert.deepEqual(await timed(prompt100('a')), { ms: callMs, cached: 0, fresh: 100 })
    assert.deepEqual(await timed(prompt100('a')), { ms: callMs - 96, cached: 96, fresh: 4 })
    const longer: LanguageModelV4CallOptions = {
      prompt: [...prompt100('a').prompt, { role: 'user', content: [{ type: 'text', text: 'and then?' }] }],
    }
    assert.equal((await timed(longer)).cached, 96)
    assert.equal((await timed(prompt100('b'))).cached, 0)
    assert.equal((await timed(prompt100('c'))).cached, 0) // 96 + 96 tokens fill 192 of 200: `a` is gone
    assert.equal((await timed(prompt100('a'))).cached, 0)
    assert.equal((await timed(prompt100('c'))).cached, 96)
    const together = await Promise.all([timed(prompt100('d')), timed(prompt100('d'))])
    assert.deepEqual(
      together.map(({ cached }) => cached),
      [0, 0],
      'what is being read is not cached yet',
    )
    assert.equal((await timed(prompt100('d'))).cached, 96)
  })

  test('frees the slot of an aborted or cancelled call at once, and counts what it had taken', async () => {
    const clock = simulatedClock()
    const model = simulated({ clock, slots: 1, prefixCacheTokens: 1_000, ...speeds })
    const controller = new AbortController()
    const { stream } = await model.doStream({ ...prompt100(), abortSignal: controller.signal })
    const running = readAll(stream)
    await later(clock, 90) // one token was written when the stream opened; nine more since
    controller.abort(new Error('stop'))
    await assert.rejects(running, /stop/)
    const cancelled = (await model.doStream(prompt100())).stream
    assert.equal(model.stats().inFlight, 1)
    await cancelled.cancel()
    const { inFlight, aborted, inputTokens, outputTokens, busySlotMs } = model.stats()
    assert.deepEqual(
      { inFlight, aborted, inputTokens, outputTokens },
      { inFlight: 0, aborted: 2, inputTokens: 200, outputTokens: 11 },
    )
    assert.ok(busySlotMs < 2 * callMs)
    await model.doGenerate(prompt100())
    assert.equal(clock.pending, 0)

    const early = new AbortController()
    const before = promised(model.doGenerate({ ...prompt100('z'), abortSignal: early.signal }))
    await later(clock, 60)
    early.abort()
    await assert.rejects(before)
    assert.equal(
      (await model.doGenerate(prompt100('z'))).usage.inputTokens.cacheRead,
      0,
      'a prefill that was broken off is not cached',
    )
  })

  test('answers depend on seed, request seed and prompt only', async () => {
    const clock = simulatedClock()
    const model = simulated({ clock, seed: 5, slots: 100, outputTokens: [10, 200] })
    const prompts = Array.from({ length: 20 }, (_, i) => ask(`question ${i}`))
    const forward = await Promise.all(prompts.map((call) => textOf(model, call)))
    const backward = await Promise.all(prompts.toReversed().map((call) => textOf(model, call)))
    assert.deepEqual(forward, backward.toReversed())
    assert.equal(new Set(forward).size, 20)
    assert.notEqual(await textOf(simulated({ clock, seed: 6 }), ask('question 0')), forward[0])
    assert.notEqual(await textOf(model, ask('question 0', { seed: 1 })), forward[0])
    const short = await model.doGenerate(ask('question 0', { maxOutputTokens: 3 }))
    assert.deepEqual([short.finishReason.unified, short.usage.outputTokens.total], ['length', 3])
    assert.ok((forward[0] as string).startsWith((short.content[0] as { text: string }).text))
    const own = simulated({ clock, answer: ({ text }) => text.toUpperCase() })
    assert.equal(await textOf(own, ask('hello')), 'USER: HELLO\n')
  })

  test('fails the share of calls that it was told to, the same ones from the same seed', async () => {
    const failed = await failedCalls(1)
    assert.ok(failed.length > 250 && failed.length < 350, `${failed.length} of 1000`)
    assert.deepEqual(await failedCalls(1), failed)
    assert.notDeepEqual(await failedCalls(2), failed)
  })

  test('refuses a prompt beyond its context, and says what it can do', async () => {
    const clock = simulatedClock()
    const model = simulated({ clock, contextTokens: 150, slots: 3, requestsPerMinute: 60 })
    assert.deepEqual(model.capabilities, { slots: 3, contextTokens: 150, requestsPerMinute: 60, preempt: 'none' })
    await assert.rejects(promised(model.doGenerate({ ...prompt100(), maxOutputTokens: 51 })), {
      statusCode: 400,
      isRetryable: false,
    })
    assert.equal((await model.doGenerate(prompt100())).usage.outputTokens.total, 50)
    assert.deepEqual(simulated({ clock, declare: false }).capabilities, { preempt: 'none' })
    assert.throws(() => simulated({ clock, slots: 0 }), isCode('INVALID_ARGUMENT', /slots must be at least 1, got 0/))
    assert.throws(
      () => simulated({ clock, decodeTokensPerSecond: Number.NaN }),
      isCode('INVALID_ARGUMENT', /decodeTokensPerSecond/),
    )
  })

  test('takes ten thousand calls at once', async () => {
    const clock = simulatedClock()
    const model = simulated({ clock, slots: 10_000, ...speeds })
    const start = clock.now()
    await Promise.all(Array.from({ length: 10_000 }, () => model.doGenerate(prompt100())))
    assert.equal(model.stats().maxInFlight, 10_000)
    assert.ok(Math.abs(clock.now() - start - callMs) < 0.01)
  })
})

// ------------------------------------------------------------------------------------------------------------- recorded

describe('recorded', () => {
  let files = 0
  const newFile = (): string => join(folder, `case-${files++}.ndjson`)

  test('a recording answers as the model did: text, tools, streams, bytes and errors', async () => {
    const file = newFile()
    const odd = {
      type: 'file',
      mediaType: 'image/png',
      data: { type: 'data', data: new Uint8Array([0, 255, 7]) },
    } as const
    const metadata = { type: 'response-metadata', id: 'r1', timestamp: new Date(5), modelId: 'm' } as const
    const source = scripted(
      [
        { text: 'hello', reasoning: 'hm' },
        { toolCalls: [search] },
        { error: { statusCode: 429, headers: { 'retry-after': '2', 'set-cookie': 'a=b' }, body: 'slow down' } },
        { text: 'so far', error: 'broken off' },
        {
          parts: [
            { type: 'stream-start', warnings: [] },
            metadata,
            odd,
            {
              type: 'finish',
              finishReason: { unified: 'stop', raw: 'end' },
              usage: { inputTokens: {}, outputTokens: {} },
            },
          ],
        },
      ],
      { repeat: true, deltaChars: 2 },
    )
    const calls = Array.from({ length: 10 }, (_, i) =>
      ask(`question ${i}`, { temperature: 0.5, providerOptions: { other: { mode: 'x' } } }),
    )
    const run = async (model: LanguageModel): Promise<unknown[]> => {
      const ends: unknown[] = []
      for (const [i, call] of calls.entries())
        ends.push(await endOf(i < 5 ? model.doGenerate(call) : partsOf(model, call)))
      return ends
    }
    const recorded = await run(record(source, file))
    const model = replay(file)
    assert.equal(JSON.stringify(await run(model)), JSON.stringify(recorded))
    model.assertComplete()
    assert.deepEqual(model.warnings, [])
    const [, file0] = (
      await partsOf(
        replay(file, { strict: false }),
        ask('question 9', { temperature: 0.5, providerOptions: { other: { mode: 'x' } } }),
      )
    ).filter((part) => part.type === 'file' || part.type === 'response-metadata')
    assert.deepEqual(file0, odd)
  })

  test('a stream is answered from what was generated, and the other way round', async () => {
    const file = newFile()
    const model = record(scripted(['one', 'two'], { deltaChars: 1 }), file)
    await model.doGenerate(ask('a'))
    await partsOf(model, ask('b'))
    const again = replay(file)
    assert.equal(await textOf(again, ask('b')), 'two')
    const [text] = foldParts(await partsOf(again, ask('a'))).content
    assert.deepEqual(text, { type: 'text', text: 'one' })
  })

  test('concurrent processes get their own answers in any interleaving', async () => {
    const file = newFile()
    const clock = simulatedClock({ seed: 9 })
    // All processes send the same prompts, so that only the place in the journal tells them apart.
    const run = async (model: LanguageModel, pauseMs: (pid: number, n: number) => number): Promise<string[][]> =>
      Promise.all(
        [1, 2, 3].map(async (pid) => {
          const answers: string[] = []
          for (let n = 0; n < 5; n++) {
            await later(clock, pauseMs(pid, n))
            const call = ask(`step ${n}`, at(pid, n))
            answers.push(
              n % 2 === 0
                ? await textOf(model, call)
                : JSON.stringify(foldParts(await partsOf(model, call)).content[0]),
            )
          }
          return answers
        }),
      )
    const live = scripted((_, index) => `answer ${index}`)
    const recorded = await run(record(live, file), (pid, n) => pid * 10 + n)
    assert.equal(new Set(recorded.flat()).size, 15)
    const model = replay(file)
    assert.deepEqual(await run(model, (pid, n) => (4 - pid) * 17 + ((n * 7) % 5)), recorded)
    model.assertComplete()
  })

  test('tries of one call are told apart by their order', async () => {
    const file = newFile()
    const model = record(scripted([{ error: { statusCode: 429 } }, 'second try']), file)
    await assert.rejects(promised(model.doGenerate(ask('x', at(1, 0)))))
    await model.doGenerate(ask('x', at(1, 0)))
    const again = replay(file)
    await assert.rejects(promised(again.doGenerate(ask('x', at(1, 0)))), { statusCode: 429 })
    assert.equal(await textOf(again, ask('x', at(1, 0))), 'second try')
    await assert.rejects(
      promised(again.doGenerate(ask('x', at(1, 0)))),
      isCode('REPLAY_MISMATCH', /call 0 of process 1 was tried more often than in the recording/),
    )
  })

  test('without a place, equal requests are answered in their order', async () => {
    const file = newFile()
    const model = record(scripted(['a1', 'b1', 'a2']), file)
    for (const text of ['a', 'b', 'a']) await model.doGenerate(ask(text))
    const again = replay(file)
    assert.deepEqual(
      [await textOf(again, ask('b')), await textOf(again, ask('a')), await textOf(again, ask('a', at(1, 0)))],
      ['b1', 'a1', 'a2'],
    )
    await assert.rejects(
      promised(again.doGenerate(ask('a'))),
      isCode('REPLAY_MISMATCH', /all 3 recorded answers are used/),
    )
  })

  test('a request that differs is an error that names the first difference, or a warning', async () => {
    const file = newFile()
    const model = record(scripted(['x', 'y'], { modelId: 'small' }), file)
    await model.doGenerate(ask('the weather in Oslo', at(1, 0)))
    await model.doGenerate(ask('next', { ...at(1, 1), temperature: 0 }))
    const changed = ask('the weather in Rome', at(1, 0))
    const expected =
      /call 0 of process 1 differs from the recorded one at prompt\[0\]\.content\[0\]\.text: recorded "the weather in Oslo", now "the weather in Rome"/
    await assert.rejects(promised(replay(file).doGenerate(changed)), isCode('REPLAY_MISMATCH', expected))
    await assert.rejects(
      promised(replay(file).doGenerate(ask('next', { ...at(1, 1), topK: 4 }))),
      isCode('REPLAY_MISMATCH', /at temperature: recorded 0, now nothing/),
    )
    await assert.rejects(
      promised(replay(file).doGenerate(ask('next', at(2, 0)))),
      isCode('REPLAY_MISMATCH', /call 0 of process 2 is not in the recording/),
    )
    await assert.rejects(
      promised(replay(file).doGenerate(ask('the weather in Rome'))),
      isCode('REPLAY_MISMATCH', /the next recorded one differs at prompt/),
    )
    const lenient = replay(file, { strict: false })
    assert.equal(await textOf(lenient, changed), 'x')
    assert.equal(await textOf(lenient, ask('other', at(7, 7))), 'y')
    assert.match(lenient.warnings[0] as string, expected)
    assert.equal(lenient.warnings.length, 2)
    assert.deepEqual([lenient.modelId, lenient.remaining], ['small', 0])
  })

  test('signal, headers and object key order do not make a request another', async () => {
    const file = newFile()
    await record(scripted(['x']), file).doGenerate({
      temperature: 0,
      ...ask('q', { headers: { authorization: 'Bearer one' } }),
      topP: 1,
    })
    assert.equal(
      await textOf(replay(file), {
        topP: 1,
        ...ask('q', { abortSignal: new AbortController().signal }),
        temperature: 0,
      }),
      'x',
    )
  })

  test('no key reaches the file', async () => {
    const file = newFile()
    const key = 'sk-proj-abcdefghijklmnopqrstuvwx'
    const other = 'a1b2c3d4e5f6g7h8' // of no known form: given as a secret
    const body = `Incorrect API key provided: ${key}`
    const failure = callError({
      message: body,
      statusCode: 401,
      url: `https://host/v1/x?key=${other}`,
      body,
      headers: { 'set-cookie': 'session=1', 'x-ratelimit-limit-requests': '5' },
    })
    const model = record(scripted([{ error: failure }, `it is ${other}`]), file, { secrets: [other] })
    const call = ask(`my key is ${key}, Bearer abcdefghijkl`, {
      headers: { authorization: `Bearer ${other}`, 'x-api-key': key },
      providerOptions: { openai: { apiKey: 'short', user: 'me' } },
    })
    await assert.rejects(promised(model.doGenerate(call)))
    await partsOf(model, call)
    const text = readFileSync(file, 'utf8')
    for (const leak of [key, other, 'short', 'abcdefghijkl', 'session=1', 'authorization', 'x-api-key'])
      assert.ok(!text.includes(leak), `${leak} is in the file`)
    assert.ok(text.includes('"user":"me"') && text.includes('x-ratelimit-limit-requests'))
    const again = replay(file, { secrets: [other] })
    await assert.rejects(promised(again.doGenerate(call)), {
      statusCode: 401,
      message: 'Incorrect API key provided: [secret]',
      url: 'https://host/v1/x',
    })
    assert.equal(await textOf(again, call), 'it is [secret]')
  })

  test('a key that goes on with another, or has several lines, is replaced whole; an empty text is no key', async () => {
    const file = newFile()
    const secrets = ['', 'abcdefabcdef', 'abcdefabcdef-rest', '-----BEGIN-----\nline\n-----END-----']
    const toolCalls = [{ name: 'login', input: { key: secrets[3] } }]
    const model = record(scripted([{ text: `it is ${secrets[2]}`, toolCalls }]), file, { secrets })
    await model.doGenerate(ask(`my key is ${secrets[1]}`))
    const text = readFileSync(file, 'utf8')
    for (const leak of ['abcdef', '-rest', 'line']) assert.ok(!text.includes(leak), `${leak} is in the file`)
    assert.ok(text.includes('my key is [secret]') && text.includes('it is [secret]'))
    const { content } = await replay(file, { secrets }).doGenerate(ask(`my key is ${secrets[1]}`))
    assert.deepEqual(content[1], {
      type: 'tool-call',
      toolCallId: 'call-0-0',
      toolName: 'login',
      input: '{"key":"[secret]"}',
    })
  })

  test('a torn last line is left out with a warning, and cut off before more is recorded', async () => {
    const file = newFile()
    await record(scripted(['one']), file).doGenerate(ask('a'))
    appendFileSync(file, '{"at":null,"hash":"12')
    const torn = replay(file)
    assert.equal(await textOf(torn, ask('a')), 'one')
    assert.match(torn.warnings[0] as string, /the last line of .* is torn \(21 characters/)
    await record(scripted(['two']), file).doGenerate(ask('b'))
    const whole = replay(file)
    assert.equal(await textOf(whole, ask('b')), 'two')
    assert.deepEqual([whole.warnings, whole.remaining], [[], 1])
    writeFileSync(file, readFileSync(file, 'utf8').replace('"hash"', '"hash'))
    assert.throws(() => replay(file), isCode('STORE_INVALID', /line 2 of the recording .* is not JSON/))
    writeFileSync(file, '{"some":"other file"}\n')
    assert.throws(() => replay(file), isCode('STORE_INVALID', /is not a recording of version 1/))
    assert.throws(
      () => replay(join(folder, 'absent.ndjson')),
      isCode('CONFIG_INVALID', /cannot be read.*record\(model, file\)/),
    )
  })

  test(
    'a line that the disk does not take whole is cut off, and recording goes on',
    { skip: process.platform === 'win32' && 'Windows has no such limit on a file' },
    () => {
      const file = newFile()
      const source = (path: string): string =>
        JSON.stringify(new URL(`../src/drivers/llm/${path}`, import.meta.url).href)
      const code = `
        import { record } from ${source('recorded.ts')}
        import { scripted } from ${source('scripted.ts')}
        const large = 'x'.repeat(300_000)
        const model = record(scripted(['one', large, large, { error: { statusCode: 400, message: large } }, 'two']), process.argv[1])
        const ask = (text) => ({ prompt: [{ role: 'user', content: [{ type: 'text', text }] }] })
        const ends = []
        const end = async (call) => ends.push(await call().then(() => 'done', (error) => error.code ?? error.message.slice(0, 20)))
        await end(async () => model.doGenerate(ask('a')))
        await end(async () => model.doGenerate(ask('large')))
        await end(async () => { for await (const part of (await model.doStream(ask('large'))).stream); })
        await end(async () => model.doGenerate(ask(large)))
        await end(async () => model.doGenerate(ask('b')))
        console.log(JSON.stringify(ends))`
      const shell = `trap '' XFSZ; ulimit -f 200; exec "$0" "$@"`
      const args = ['-c', shell, process.execPath, '--input-type=module', '-e', code, file]
      const { stdout, stderr } = spawnSync('sh', args, { encoding: 'utf8' })
      assert.equal(stdout, '["done","EFBIG","EFBIG","EFBIG","done"]\n', stderr)
      assert.equal(readFileSync(file, 'utf8').split('\n').length, 4) // the header, two calls, and nothing after them
      const whole = replay(file)
      assert.deepEqual([whole.warnings, whole.remaining], [[], 2])
    },
  )

  test('an aborted stream comes as far as it came, then waits for the abort', async () => {
    const file = newFile()
    const live = record(scripted([{ text: 'begun', hang: true }, 'whole']), file)
    const readThree = async (model: LanguageModel): Promise<string[]> => {
      const controller = new AbortController()
      const { stream } = await model.doStream(ask('q', { abortSignal: controller.signal }))
      const reader = stream.getReader()
      const types: string[] = []
      for (let i = 0; i < 4; i++) types.push((await reader.read()).value?.type as string)
      const next = reader.read()
      controller.abort(new Error('stop'))
      await assert.rejects(next, /stop/)
      return types
    }
    const types = await readThree(live)
    const { stream } = await live.doStream(ask('read to finish only'))
    const reader = stream.getReader()
    for (let part = await reader.read(); part.value?.type !== 'finish';) part = await reader.read()
    await reader.cancel()
    const again = replay(file)
    assert.deepEqual(await readThree(again), types)
    assert.equal(await textOf(again, ask('read to finish only')), 'whole')
  })

  test('a file of two models is answered one model at a time', async () => {
    const file = newFile()
    for (const modelId of ['small', 'large'])
      await record(
        scripted([`I am ${modelId}`], { modelId, capabilities: { slots: 2, preempt: 'exact' } }),
        file,
      ).doGenerate(ask('who?'))
    assert.throws(() => replay(file), isCode('CONFIG_INVALID', /holds calls of scripted\/small, scripted\/large/))
    const large = replay(file, { model: 'scripted/large' })
    assert.equal(await textOf(large, ask('who?')), 'I am large')
    assert.deepEqual(large.capabilities, { slots: 2, preempt: 'none' })
    assert.throws(
      () => replay(file, { model: 'scripted/none' }),
      isCode('CONFIG_INVALID', /holds no calls of scripted\/none/),
    )
  })

  test('a model that keeps its stream open is written when it has finished', async () => {
    const file = newFile()
    const [finish] = toParts(await scripted(['x']).doGenerate(ask(''))).slice(-1)
    const open = {
      ...scripted([]),
      doStream: async () => ({
        stream: new ReadableStream<LanguageModelV4StreamPart>({
          start: (c) => c.enqueue(finish as LanguageModelV4StreamPart),
        }),
      }),
    }
    const { stream } = await record(open, file).doStream(ask('q'))
    await stream.getReader().read()
    assert.equal((await partsOf(replay(file), ask('q'))).length, 1)
  })
})

// ------------------------------------------------------------------------------------------------------------- provider

describe('loadModel', () => {
  const project = join(folder, 'project')
  const v4 = `{ specificationVersion: 'v4', provider: 'fake', modelId: id, supportedUrls: {}, doGenerate() {}, doStream() {} }`

  function install(
    name: string,
    source: string,
    manifest: object = { exports: { '.': { types: './index.d.ts', import: './index.js' } } },
    root = project,
  ): void {
    const place = join(root, 'node_modules', name)
    mkdirSync(place, { recursive: true })
    writeFileSync(join(place, 'package.json'), JSON.stringify({ name, type: 'module', ...manifest }))
    writeFileSync(join(place, 'index.js'), source)
  }
  const load = (name: string, env = {}): Promise<LanguageModel> => loadModel(name, { cwd: project, env })
  const options = async (env = {}): Promise<unknown> =>
    ((await load('ollama/x', env)) as unknown as { options: unknown }).options

  test('finds the provider in a package of the working directory', async () => {
    install(
      '@ai-sdk/openai',
      `export const openai = Object.assign((id) => (${v4}), { languageModel: (id) => (${v4}) })`,
    )
    const model = await load('openai/gpt-x')
    assert.deepEqual([model.specificationVersion, model.modelId], ['v4', 'gpt-x'])
    mkdirSync(join(project, 'deep/er'), { recursive: true })
    assert.equal((await loadModel('openai/a/b', { cwd: join(project, 'deep/er') })).modelId, 'a/b')
    install('@ai-sdk/made-up', `export const madeUp = { languageModel: (id) => (${v4}) }`, { exports: './index.js' })
    assert.equal((await load('made-up/x')).modelId, 'x')
    install('@ai-sdk/maker', `export const createMaker = () => (id) => (${v4})`, { main: './index.js' })
    assert.equal((await load('maker/x')).modelId, 'x')
  })

  test('follows the links of a pnpm store', async () => {
    const store = join(project, 'node_modules/.pnpm/@ai-sdk+groq@1.0.0')
    install(
      '@ai-sdk/groq',
      `import { name } from 'its-own'; export const groq = (id) => ({ ...${v4}, provider: name })`,
      undefined,
      store,
    )
    install('its-own', `export const name = 'from the store'`, undefined, store)
    const link = join(project, 'node_modules/@ai-sdk/groq')
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(store, 'node_modules/@ai-sdk/groq'), link)
    assert.equal((await load('groq/x')).provider, 'from the store')
  })

  test('an absent package is named with the command that installs it', async () => {
    await assert.rejects(
      load('mistral/large'),
      isCode(
        'NO_SUCH_MODEL',
        /"mistral\/large" needs the package @ai-sdk\/mistral, which is not installed; run: npm install @ai-sdk\/mistral@latest$/,
      ),
    )
    await assert.rejects(
      load('openrouter/x/y'),
      isCode('NO_SUCH_MODEL', /npm install @openrouter\/ai-sdk-provider@latest$/),
    )
    await assert.rejects(
      load('nobody/x'),
      isCode('NO_SUCH_MODEL', /npm install @ai-sdk\/nobody@latest \(providers known by name: openai, /),
    )
    await assert.rejects(
      load('offline/nope'),
      isCode('NO_SUCH_MODEL', /^there is no "offline\/nope"; the only offline model is offline\/reader$/),
    )
    await assert.rejects(load('ollama/x'), isCode('NO_SUCH_MODEL', /npm install @ai-sdk\/openai-compatible@latest$/))
  })

  test('ollama goes through either package, at the address of the environment', async () => {
    install(
      '@ai-sdk/openai-compatible',
      `export const createOpenAICompatible = (options) => ({ languageModel: (id) => ({ ...${v4}, options }) })`,
    )
    assert.deepEqual(await options(), { name: 'ollama', baseURL: 'http://127.0.0.1:11434/v1', includeUsage: true })
    assert.deepEqual(await options({ OLLAMA_BASE_URL: 'http://box:1/v1/' }), {
      name: 'ollama',
      baseURL: 'http://box:1/v1',
      includeUsage: true,
    })
    install(
      'ollama-ai-provider-v2',
      `const make = (options) => (id) => ({ ...${v4}, options }); export const createOllama = make; export const ollama = make('default')`,
    )
    assert.equal(await options(), 'default')
    assert.deepEqual(await options({ OLLAMA_BASE_URL: 'http://box:1/v1' }), { baseURL: 'http://box:1/api' })
  })

  test('what is wrong with a package is said', async () => {
    install('@ai-sdk/cohere', `export const cohere = (id) => ({ ...${v4}, specificationVersion: 'v3' })`)
    await assert.rejects(
      load('cohere/x'),
      isCode('CONFIG_INVALID', /speaks version "v3" .* Polity 'v4' only: upgrade its package .* wrapLanguageModel/),
    )
    install('@ai-sdk/xai', `export const xai = () => { throw new Error('XAI_API_KEY is missing') }`)
    await assert.rejects(
      load('xai/x'),
      isCode('CONFIG_INVALID', /@ai-sdk\/xai refused "xai\/x": XAI_API_KEY is missing/),
    )
    install('@ai-sdk/azure', `import 'a-peer-that-is-absent'`)
    await assert.rejects(
      load('azure/x'),
      isCode('CONFIG_INVALID', /@ai-sdk\/azure is installed .* but does not load: .*a-peer-that-is-absent/),
    )
    install('@ai-sdk/google', `export const other = 1`)
    await assert.rejects(
      load('google/x'),
      isCode('CONFIG_INVALID', /@ai-sdk\/google has no export "google"; it exports other/),
    )
    install('@ai-sdk/deepseek', '', { main: './not-built.js' })
    rmSync(join(project, 'node_modules/@ai-sdk/deepseek/index.js'))
    await assert.rejects(
      load('deepseek/x'),
      isCode('CONFIG_INVALID', /@ai-sdk\/deepseek is installed .* but has no entry point/),
    )
  })

  test('a malformed name says what was expected', async () => {
    for (const name of ['gpt-5', '', '/x', 'openai/', 'Open AI/x', '../evil/x', 'openai/a b', '@scope/x']) {
      await assert.rejects(load(name), isCode('CONFIG_INVALID', /does not name a model; expected 'provider\/model'/))
    }
  })

  test('a model object passes if it speaks our version', async () => {
    const model = scripted([])
    assert.equal(await loadModel(model), model)
    assert.throws(
      () => toModel({ ...model, specificationVersion: 'v2' }, 'models.main'),
      isCode('CONFIG_INVALID', /^models\.main \(scripted\/scripted\) speaks version "v2"/),
    )
    assert.throws(() => toModel({}, 'it'), isCode('CONFIG_INVALID', /no doGenerate and doStream/))
    assert.throws(() => toModel(null, 'it'), isCode('CONFIG_INVALID', /it is null/))
  })
})

test('parts and results are two forms of one thing', async () => {
  const result = await scripted([{ text: 'a', reasoning: 'b', toolCalls: [search] }]).doGenerate(ask('x'))
  assert.deepEqual(foldParts(toParts(result)), result)
  assert.deepEqual(await readAll(streamOf(toParts(result))), toParts(result))
  assert.equal(tokensOf(9), 3)
})
