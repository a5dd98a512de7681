/**
 * The conformance suite of models: what the kernel takes for granted of any `LanguageModel`, as tests that outsiders run on theirs.
 *
 *     import { test } from 'node:test'
 *     modelConformance({ test, make: () => myModel(), traits: { slow: () => ({ model: myModel() }) } })
 *
 * It uses no test framework: `test(name, fn)` of any will do. `make` gives a fresh model to each test. What a model cannot be
 * asked without help (to call a tool, to fail, to take its time) is asked through `traits`; what no trait covers is
 * skipped, and the test's name says so.
 *
 * Invariants checked
 *   D1. `doGenerate` and `doStream` give the same answer to the same call (`deterministic`).
 *   D2. A stream is `stream-start?`, then blocks of start, deltas and end under one id, then one `finish`, and nothing after it.
 *   D3. A call ends within 100 ms of its abort, whether that comes before or during it, and a stream that is cancelled too.
 *   D4. Usage is there and adds up (`usage`).
 *   D5. The arguments of a tool call are a string that holds JSON.
 *   D6. The call's options are not changed.
 *   D7. Calls at the same time do not touch one another.
 *   D8. A failure is an Error that says `isRetryable`, and `statusCode` where there was an answer.
 *   D9. Under `preempt: 'prefix'`, a prompt that ends with the beginning of an answer gets the rest of it.
 *   D10. Under `preempt: 'exact'`, an answer in turns equals the answer in one, and its tokens are counted once. A state can
 *        be taken up again until it is forgotten.
 */
import assert from 'node:assert/strict'
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
  LanguageModelV4Usage,
} from '@ai-sdk/provider'
import { realClock, type Clock } from '../../kernel/clock.ts'
import type { LanguageModel } from '../../kernel/drivers.ts'
import { PolityError } from '../../kernel/errors.ts'

/** A model with a call that brings out what a trait is about. */
export interface ModelCase {
  readonly model: LanguageModel
  /** @default a one-line user prompt */
  readonly call?: LanguageModelV4CallOptions
}

type Make = () => ModelCase | Promise<ModelCase>

export interface ModelTraits {
  /** The same call gets the same answer. Without it only the form of answers is checked. @default true */
  readonly deterministic?: boolean
  /** Whether tokens are counted. 'sometimes' checks only the counts that are there. @default 'always' */
  readonly usage?: 'always' | 'sometimes'
  /** Calls made at the same time. @default 8, or the model's declared slots where they are fewer */
  readonly concurrent?: number
  /** A call that takes at least a second of real time, or for ever. @default abort is checked on whatever is left of a quick call */
  readonly slow?: Make
  /** A call that is answered with a tool call. @default skipped */
  readonly toolCall?: Make
  /** A call that fails, and what it should say. @default skipped */
  readonly failing?: () => FailingCase | Promise<FailingCase>
  /** What the model says as `preempt`, and so is tested for (D9, D10). A model that says so without this trait fails. @default 'none' */
  readonly preempt?: 'none' | 'prefix' | 'exact'
}

export interface FailingCase extends ModelCase {
  /** @default any */
  readonly statusCode?: number
  /** @default any boolean */
  readonly isRetryable?: boolean
}

export interface ModelConformanceOptions {
  /** A fresh model. */
  readonly make: () => LanguageModel | Promise<LanguageModel>
  /** The framework's `test`. */
  readonly test: (name: string, fn: () => Promise<void>) => unknown
  readonly traits?: ModelTraits
  /** What limits of time are measured by: real time, whatever clock the model has. @default realClock() */
  readonly clock?: Clock
}

/** How soon after an abort a call must have ended, ms. */
const abortMsMax = 100
/** How long any one call may take before the suite gives up, ms. */
const callMsMax = 60_000

export function modelConformance({ make, test, traits = {}, clock = realClock() }: ModelConformanceOptions): void {
  const { deterministic = true, usage = 'always' } = traits
  const within = <T>(ms: number, what: string, promise: PromiseLike<T>): Promise<T> => limit(clock, ms, what, promise)
  const generate = async (model: LanguageModel, call: LanguageModelV4CallOptions): Promise<Answer> => {
    const result = await within(callMsMax, 'doGenerate', model.doGenerate(call))
    checkContent(result.content)
    checkFinish(result.finishReason)
    checkUsage(result.usage, usage)
    assert.ok(Array.isArray(result.warnings), 'warnings is a list')
    return { content: result.content, finishReason: result.finishReason.unified, usage: result.usage }
  }
  const stream = async (model: LanguageModel, call: LanguageModelV4CallOptions): Promise<Answer> => {
    const answer = fold(await within(callMsMax, 'the stream', readAll(model.doStream(call))))
    checkUsage(answer.usage, usage)
    return answer
  }
  const skip = (name: string, why: string): void => void test(`${name} (skipped: ${why})`, async () => {})

  test('a model says what it is', async () => {
    const model = await make()
    checkModel(model)
    assert.equal(
      model.capabilities?.preempt ?? 'none',
      traits.preempt ?? 'none',
      'capabilities.preempt is what the trait `preempt` has tested',
    )
  })

  test('doGenerate gives well-formed content, a finish reason and usage', async () => {
    await generate(await make(), callOf())
  })

  test('doStream gives well-formed parts in order, and one finish at the end', async () => {
    await stream(await make(), callOf())
  })

  if (deterministic) {
    test('doGenerate and doStream give the same answer', async () => {
      assert.deepEqual(essence(await stream(await make(), callOf())), essence(await generate(await make(), callOf())))
    })
  } else skip('doGenerate and doStream give the same answer', 'not deterministic')

  test('the options of a call are not changed', async () => {
    const call = {
      ...callOf(),
      providerOptions: { other: { kept: true } },
      headers: { 'x-kept': 'yes' },
      abortSignal: new AbortController().signal,
    }
    const before = structuredClone({ ...call, abortSignal: undefined })
    for (const value of [call.prompt, call.providerOptions, call.headers]) freeze(value)
    await generate(await make(), call)
    await stream(await make(), call)
    assert.deepEqual({ ...call, abortSignal: undefined }, before)
  })

  test('calls at the same time do not touch one another', async () => {
    const model = await make()
    const size = traits.concurrent ?? Math.max(1, Math.min(8, model.capabilities?.slots ?? 8))
    const calls = Array.from({ length: size }, (_, i) => callOf(`Say the number ${i}.`))
    const together = await Promise.all(
      calls.map((call, i) => (i % 2 === 0 ? generate(model, call) : stream(model, call))),
    )
    if (!deterministic) return
    const alone = await make()
    for (const [i, call] of calls.entries())
      assert.deepEqual(essence(together[i] as Answer), essence(await generate(alone, call)), `answer ${i}`)
  })

  test('a call that is aborted before it begins is refused at once', async () => {
    const reason = new DOMException('aborted before', 'AbortError')
    const abortSignal = AbortSignal.abort(reason)
    const { model, call = callOf() } = await (traits.slow?.() ?? { model: await make() })
    await assert.rejects(
      within(abortMsMax, 'doGenerate', model.doGenerate({ ...call, abortSignal })),
      'doGenerate rejects',
    )
    await assert.rejects(
      within(abortMsMax, 'doStream', readAll(model.doStream({ ...call, abortSignal }))),
      'doStream rejects, or its stream errors',
    )
  })

  for (const way of ['doGenerate', 'doStream'] as const) {
    test(`${way} ends promptly when it is aborted`, async () => {
      const { model, call = callOf() } = await (traits.slow?.() ?? { model: await make() })
      const controller = new AbortController()
      const options = { ...call, abortSignal: controller.signal }
      const running =
        way === 'doGenerate' ? settle(model.doGenerate(options)) : settle(readAll(model.doStream(options)))
      await pause(clock, traits.slow === undefined ? 0 : 20)
      controller.abort()
      const end = await within(abortMsMax, `${way} after the abort`, running)
      if (traits.slow !== undefined) assert.equal(end, 'rejected', `${way} of a slow call rejects when it is aborted`)
    })
  }

  test('a stream that its reader cancels ends promptly', async () => {
    const model = await make()
    const { stream: parts } = await within(callMsMax, 'doStream', model.doStream(callOf()))
    const reader = parts.getReader()
    await within(callMsMax, 'the first part', reader.read())
    await within(abortMsMax, 'cancel', reader.cancel(new Error('enough')))
  })

  const { toolCall, failing } = traits
  if (toolCall === undefined) skip('the arguments of a tool call are JSON text', 'no trait `toolCall`')
  else {
    test('the arguments of a tool call are JSON text', async () => {
      for (const ask of [generate, stream]) {
        const { model, call = callOf() } = await toolCall()
        const answer = await ask(model, call)
        assert.ok(
          answer.content.some((part) => part.type === 'tool-call'),
          'the answer holds a tool call',
        )
        assert.equal(answer.finishReason, 'tool-calls')
      }
    })
  }

  if (failing === undefined) skip('a failure says whether to try again', 'no trait `failing`')
  else {
    test('a failure says whether to try again', async () => {
      for (const way of ['doGenerate', 'doStream'] as const) {
        const { model, call = callOf(), statusCode, isRetryable } = await failing()
        const running: PromiseLike<unknown> =
          way === 'doGenerate' ? model.doGenerate(call) : readAll(model.doStream(call), true)
        const error: unknown = await within(callMsMax, way, running).then(
          () => assert.fail(`${way} does not fail`),
          (thrown: unknown) => thrown,
        )
        assert.ok(error instanceof Error, `${way} rejects with an Error`)
        const said = error as Error & { statusCode?: unknown; isRetryable?: unknown }
        assert.equal(typeof said.isRetryable, 'boolean', `${way}: isRetryable (the error: ${error.message})`)
        if (statusCode !== undefined) assert.equal(said.statusCode, statusCode, `${way}: statusCode`)
        if (isRetryable !== undefined) assert.equal(said.isRetryable, isRetryable, `${way}: isRetryable`)
      }
    })
  }

  const goesOn = 'the beginning of an answer as the end of a prompt gets the rest of the answer'
  if (traits.preempt !== 'prefix') skip(goesOn, 'the model does not say preempt `prefix`')
  else {
    test(goesOn, async () => {
      const model = await make()
      const whole = textOf(await generate(model, callOf()))
      assert.notEqual(whole, '', 'there is an answer to interrupt')
      const begun = await firstDelta(model, callOf())
      assert.ok(whole.startsWith(begun), 'the interrupted answer is a beginning of the whole')
      const prompt = [
        ...callOf().prompt,
        { role: 'assistant' as const, content: [{ type: 'text' as const, text: begun }] },
      ]
      assert.equal(begun + textOf(await generate(model, { prompt })), whole)
      assert.equal(begun + textOf(await stream(model, { prompt })), whole)
    })
  }

  const resumes = 'an answer that was interrupted and taken up again equals the answer in one'
  if (traits.preempt !== 'exact') skip(resumes, 'the model does not say preempt `exact`')
  else {
    test(resumes, async () => {
      const model = await make()
      const whole = await generate(model, callOf())
      let state: string | undefined
      let text = ''
      let read = 0
      let wrote = 0
      for (let turns = 0; ; turns++) {
        assert.ok(turns < 1_000, 'an answer ends')
        // Two tokens, three, two, …; by both ways of asking.
        const turn = { goOn: (tokens: number) => tokens < 2 + (turns % 2), ...(state === undefined ? {} : { state }) }
        const call = { ...callOf(), providerOptions: { polity: { turn } as never } }
        // As if a crash had cut a turn short: it is run again from where it began.
        if (turns === 2)
          await model.doGenerate({
            ...call,
            providerOptions: { polity: { turn: { ...turn, goOn: () => true } } as never },
          })
        const parts = turns % 2 === 0 ? undefined : await readAll(model.doStream(call))
        const result = parts === undefined ? await model.doGenerate(call) : lastOf(parts)
        text += parts === undefined ? joined((result as LanguageModelV4GenerateResult).content, 'text') : textIn(parts)
        read += result.usage.inputTokens.total ?? NaN
        wrote += result.usage.outputTokens.total ?? NaN
        const said = result.providerMetadata?.['polity']?.['state']
        if (result.finishReason.unified !== 'interrupted') break
        assert.ok(typeof said === 'string', 'a turn that was interrupted names its state')
        if (state !== undefined) model.forgetState?.(state)
        state = said
      }
      if (state !== undefined) model.forgetState?.(state)
      assert.notEqual(state, undefined, 'it was interrupted')
      assert.equal(text, textOf(whole))
      assert.deepEqual([read, wrote], [whole.usage.inputTokens.total, whole.usage.outputTokens.total])
      model.forgetState?.('a state that nobody kept')
      for (const one of ['a state that nobody kept', ...(model.forgetState === undefined ? [] : [state])])
        await assert.rejects(
          within(
            callMsMax,
            'doGenerate',
            model.doGenerate({
              ...callOf(),
              providerOptions: { polity: { turn: { goOn: () => true, state: one } } as never },
            }),
          ),
          (error) => PolityError.isInstance(error) && error.code === 'STATE_FOREIGN',
          'a state that nobody kept, or that was forgotten, is refused with STATE_FOREIGN',
        )
    })
  }
}

/** What the two ways of asking have in common. */
interface Answer {
  readonly content: readonly LanguageModelV4Content[]
  readonly finishReason: LanguageModelV4FinishReason['unified']
  readonly usage: LanguageModelV4Usage
}

function callOf(text = 'Say hello.'): LanguageModelV4CallOptions {
  return { prompt: [{ role: 'user', content: [{ type: 'text', text }] }] }
}

/** An answer without what two equal answers may differ in: ids, provider metadata, how text is cut into blocks. */
function essence({ content, finishReason, usage }: Answer): object {
  return {
    text: joined(content, 'text'),
    reasoning: joined(content, 'reasoning'),
    tools: content.flatMap((part) => (part.type === 'tool-call' ? [[part.toolName, part.input]] : [])),
    finishReason,
    tokens: [usage.inputTokens.total, usage.outputTokens.total],
  }
}

function joined(content: readonly LanguageModelV4Content[], type: 'text' | 'reasoning'): string {
  return content.map((part) => (part.type === type ? part.text : '')).join('')
}

function textOf(answer: Answer): string {
  return joined(answer.content, 'text')
}

function lastOf(parts: readonly LanguageModelV4StreamPart[]): Extract<LanguageModelV4StreamPart, { type: 'finish' }> {
  const last = parts.at(-1)
  if (last?.type !== 'finish') assert.fail('the stream ends with finish')
  return last
}

function textIn(parts: readonly LanguageModelV4StreamPart[]): string {
  return parts.map((part) => (part.type === 'text-delta' ? part.delta : '')).join('')
}

/** The text of a stream that is aborted after its first delta. */
async function firstDelta(model: LanguageModel, call: LanguageModelV4CallOptions): Promise<string> {
  const controller = new AbortController()
  const { stream } = await model.doStream({ ...call, abortSignal: controller.signal })
  const reader = stream.getReader()
  for (;;) {
    const { value, done } = await reader.read()
    assert.ok(!done, 'the stream holds text')
    if (value.type !== 'text-delta') continue
    controller.abort()
    await reader.cancel().catch(() => {}) // an aborted stream has errored already, which is what was asked of it
    return value.delta
  }
}

async function readAll(
  opening: PromiseLike<LanguageModelV4StreamResult>,
  throwErrors = false,
): Promise<LanguageModelV4StreamPart[]> {
  const { stream } = await opening
  assert.ok(stream instanceof ReadableStream, 'stream is a ReadableStream')
  const parts: LanguageModelV4StreamPart[] = []
  for await (const part of stream) {
    if (throwErrors && part.type === 'error') throw part.error
    parts.push(part)
  }
  return parts
}

function settle(promise: PromiseLike<unknown>): Promise<'fulfilled' | 'rejected'> {
  return Promise.resolve(promise).then(
    () => 'fulfilled',
    () => 'rejected',
  )
}

function limit<T>(clock: Clock, ms: number, what: string, promise: PromiseLike<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () =>
      reject(new assert.AssertionError({ message: `${what} has not ended after ${ms} ms` })),
    )
    Promise.resolve(promise)
      .finally(() => timer.cancel())
      .then(resolve, reject)
  })
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void (ms === 0 ? clock.yield(resolve) : clock.after(ms, resolve)))
}

function freeze(value: object): void {
  Object.freeze(value)
  for (const item of Object.values(value)) if (typeof item === 'object' && item !== null) freeze(item as object)
}

// ------------------------------------------------------------------------------------------------------------- checks

function checkModel(model: LanguageModel): void {
  assert.equal(model.specificationVersion, 'v4')
  for (const key of ['provider', 'modelId'] as const)
    assert.ok(typeof model[key] === 'string' && model[key] !== '', `${key} is a name`)
  assert.ok(
    typeof model.supportedUrls === 'object' && model.supportedUrls !== null,
    'supportedUrls is an object or a promise of one',
  )
  assert.equal(typeof model.doGenerate, 'function')
  assert.equal(typeof model.doStream, 'function')
  const { capabilities } = model
  if (capabilities === undefined) return
  for (const key of ['slots', 'requestsPerMinute', 'tokensPerMinute', 'contextTokens'] as const) {
    const value = capabilities[key]
    assert.ok(
      value === undefined || (Number.isFinite(value) && value >= 1),
      `capabilities.${key} is absent or a number from 1, got ${value}`,
    )
  }
  const { preempt = 'none' } = capabilities
  assert.ok(
    ['none', 'prefix', 'exact'].includes(preempt),
    `capabilities.preempt is none, prefix or exact, got ${preempt}`,
  )
}

const finishReasons = new Set(['stop', 'length', 'content-filter', 'tool-calls', 'error', 'interrupted', 'other'])

function checkFinish(reason: LanguageModelV4FinishReason): void {
  assert.ok(
    finishReasons.has(reason?.unified),
    `finishReason.unified is one of ${[...finishReasons].join(', ')}, got ${JSON.stringify(reason)}`,
  )
}

function checkUsage(usage: LanguageModelV4Usage, presence: 'always' | 'sometimes'): void {
  const { inputTokens, outputTokens } = usage
  const counts: readonly (readonly [string, number | undefined])[] = [
    ...Object.entries(inputTokens).map(([key, value]) => [`inputTokens.${key}`, value] as const),
    ...Object.entries(outputTokens).map(([key, value]) => [`outputTokens.${key}`, value] as const),
  ]
  for (const [name, value] of counts) {
    assert.ok(
      value === undefined || (Number.isFinite(value) && value >= 0),
      `usage.${name} is absent or a count, got ${String(value)}`,
    )
  }
  if (presence === 'always') {
    assert.ok(inputTokens.total !== undefined && inputTokens.total > 0, 'usage.inputTokens.total is counted')
    assert.ok(outputTokens.total !== undefined, 'usage.outputTokens.total is counted')
  }
  const { total = Infinity, noCache = 0, cacheRead = 0 } = inputTokens
  assert.ok(
    noCache + cacheRead <= total,
    `usage.inputTokens: noCache ${noCache} and cacheRead ${cacheRead} are parts of total ${total}`,
  )
  const { total: written = Infinity, text = 0, reasoning = 0 } = outputTokens
  assert.ok(
    text <= written && reasoning <= written,
    `usage.outputTokens: text ${text} and reasoning ${reasoning} are parts of total ${written}`,
  )
}

function checkContent(content: readonly LanguageModelV4Content[]): void {
  assert.ok(Array.isArray(content), 'content is a list')
  for (const part of content) {
    if (part.type === 'text' || part.type === 'reasoning') assert.equal(typeof part.text, 'string', `${part.type}.text`)
    if (part.type === 'tool-call') checkToolCall(part)
  }
}

function checkToolCall(part: { toolCallId: unknown; toolName: unknown; input: unknown }): void {
  assert.ok(typeof part.toolCallId === 'string' && part.toolCallId !== '', 'toolCallId is a name')
  assert.ok(typeof part.toolName === 'string' && part.toolName !== '', 'toolName is a name')
  assert.equal(typeof part.input, 'string', 'tool-call input is a string')
  assert.doesNotThrow(
    () => JSON.parse(part.input as string),
    `tool-call input holds JSON, got ${JSON.stringify(part.input)}`,
  )
}

const contentParts = new Set([
  'tool-call',
  'tool-result',
  'tool-approval-request',
  'file',
  'reasoning-file',
  'source',
  'custom',
])
const otherParts = new Set(['stream-start', 'response-metadata', 'raw', 'ping'])

/** Adds a stream up while it checks that every part may stand where it stands. */
function fold(parts: readonly LanguageModelV4StreamPart[]): Answer {
  const content: LanguageModelV4Content[] = []
  const blocks = new Map<string, { kind: string; text: string; content?: { text: string } }>()
  for (const [i, part] of parts.entries()) {
    const at = `part ${i} (${part.type})`
    const [, kind, step] = /^(text|reasoning|tool-input)-(start|delta|end)$/.exec(part.type) ?? []
    if (kind !== undefined && step !== undefined && 'id' in part) foldBlock(blocks, content, part, kind, step, at)
    else if (part.type === 'stream-start') assert.equal(i, 0, `${at} is the first`)
    else if (part.type === 'error') assert.fail(`${at}: ${String(part.error)}`)
    else if (part.type === 'finish') {
      assert.equal(i, parts.length - 1, `${at} is the last of ${parts.length}`)
      assert.equal(blocks.size, 0, `${at}: blocks still open: ${[...blocks.keys()].join(', ')}`)
      checkFinish(part.finishReason)
      return { content, finishReason: part.finishReason.unified, usage: part.usage }
    } else if (contentParts.has(part.type)) content.push(part as LanguageModelV4Content)
    else assert.ok(otherParts.has(part.type), `${at} is a part of the interface`)
    if (part.type === 'tool-call') checkToolCall(part)
  }
  return assert.fail(`the stream ends without finish, after ${parts.length} parts`)
}

function foldBlock(
  blocks: Map<string, { kind: string; content?: { text: string } }>,
  content: LanguageModelV4Content[],
  part: LanguageModelV4StreamPart & { id?: unknown; delta?: unknown },
  kind: string,
  step: string,
  at: string,
): void {
  assert.ok(typeof part.id === 'string' && part.id !== '', `${at} has an id`)
  const key = `${kind} ${part.id}`
  const block = blocks.get(key)
  if (step === 'start') {
    assert.equal(block, undefined, `${at}: ${key} is already open`)
    if (kind === 'tool-input') return void blocks.set(key, { kind })
    const opened = { type: kind as 'text' | 'reasoning', text: '' }
    content.push(opened)
    blocks.set(key, { kind, content: opened })
    return
  }
  assert.ok(block !== undefined, `${at}: ${key} is not open`)
  if (step === 'end') return void blocks.delete(key)
  assert.equal(typeof part.delta, 'string', `${at}: delta`)
  if (block.content !== undefined) block.content.text += part.delta as string
}
