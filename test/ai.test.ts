/**
 * The AI SDK on Polity: its functions and agents run unchanged on the kernel's scheduler, budgets, law and journal.
 * Through the real `ai` package, a real kernel and scripted models.
 */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4FunctionTool,
  LanguageModelV4GenerateResult,
  LanguageModelV4Message,
  LanguageModelV4StreamPart,
} from '@ai-sdk/provider'
import {
  APICallError,
  NoSuchModelError,
  Output,
  ToolLoopAgent,
  embed,
  embedMany,
  generateObject,
  generateText,
  isStepCount,
  streamText,
  tool,
} from 'ai'
import { z } from 'zod'
import type { PolityMetadata, PolityOptions } from '../src/ai.ts'
import { createPolity } from '../src/ai.ts'
import { streamOf } from '../src/ai/reply.ts'
import type { Script, ScriptedModel } from '../src/drivers/llm/scripted.ts'
import { promptText, scripted, toParts } from '../src/drivers/llm/scripted.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import type { Embedder } from '../src/kernel/drivers.ts'
import { PolityError } from '../src/kernel/errors.ts'
import type { Kernel, KernelOptions } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { parseLaw } from '../src/policy/law.ts'
import type { ModelReply } from '../src/server/model-door.ts'
import { modelConformance } from '../src/testing.ts'

globalThis.AI_SDK_LOG_WARNINGS = false

const kernels: Kernel[] = []
after(() => Promise.all(kernels.map((kernel) => kernel.close())))

function kernelOf(options: Omit<KernelOptions, 'store'>): Kernel {
  const kernel = createKernel({ store: memoryStore(), ...options })
  kernels.push(kernel)
  return kernel
}

/** A kernel with one scripted core, `main`, and a provider on it. */
function worldOf(
  script: Script | ScriptedModel,
  more: Omit<KernelOptions, 'store'> = {},
  options: Omit<PolityOptions, 'kernel'> = {},
) {
  const model = 'doStream' in script ? script : scripted(script)
  const kernel = kernelOf({ models: { main: model }, ...more })
  return { model, kernel, polity: createPolity({ kernel, ...options }) }
}

const polityOf = ({ providerMetadata }: { readonly providerMetadata: unknown }) =>
  (providerMetadata as { polity: PolityMetadata }).polity

/** The error of a call, as the AI SDK throws it. */
async function errorOf(promise: PromiseLike<unknown>): Promise<Error> {
  return Promise.resolve(promise).then(
    () => assert.fail('it does not fail'),
    (error: Error) => error,
  )
}

async function callErrorOf(promise: PromiseLike<unknown>): Promise<APICallError & { readonly code: string }> {
  const error = await errorOf(promise)
  assert.ok(APICallError.isInstance(error), String(error))
  assert.ok(PolityError.isInstance(error.cause))
  return Object.assign(error, { code: error.cause.code })
}

async function partsOf(stream: ReadableStream<LanguageModelV4StreamPart>): Promise<LanguageModelV4StreamPart[]> {
  const parts: LanguageModelV4StreamPart[] = []
  for await (const part of stream) parts.push(part)
  return parts
}

/** A stream to its end, as a promise that fails where the stream says an error. */
async function streamed(options: Parameters<typeof streamText>[0]): Promise<void> {
  for await (const part of streamText({ ...options, onError() {} }).stream) if (part.type === 'error') throw part.error
}

const hi: LanguageModelV4Message = { role: 'user', content: [{ type: 'text', text: 'hi' }] }
const pay = tool({
  description: 'Pays somebody',
  inputSchema: z.object({ to: z.string() }),
  execute: ({ to }) => `paid ${to}`,
})
const look = tool({
  description: 'Looks something up',
  inputSchema: z.object({ q: z.string() }),
  execute: ({ q }) => `${q}: 42`,
})

// --------------------------------------------------------------------------------------------------------- conformance

const search = {
  prompt: [{ role: 'user', content: [{ type: 'text', text: 'find x' }] }],
  tools: [{ type: 'function', name: 'search', inputSchema: { type: 'object' } }],
} satisfies LanguageModelV4CallOptions
const echo: Script = (call) => `You said ${promptText(call.prompt)}`

for (const [name, wrap] of [
  ['polity', (script: Script) => worldOf(scripted(script, { deltaChars: 3 })).polity('main')],
  [
    'polity on polity',
    (script: Script) =>
      worldOf([], { models: { main: worldOf(scripted(script, { deltaChars: 3 })).polity() } }).polity('main'),
  ],
] as const)
  describe(`conformance of ${name}`, () =>
    modelConformance({
      test: (title, fn) => test(title, fn),
      make: () => wrap(echo),
      traits: {
        slow: () => ({ model: wrap([{ text: 'a beginning', hang: true }]) }),
        toolCall: () => ({
          model: wrap([{ text: 'let me see', toolCalls: [{ name: 'search', input: { q: 'x' } }] }]),
          call: search,
        }),
        failing: () => ({ model: wrap([{ error: { statusCode: 400 } }]), statusCode: 502, isRetryable: false }),
      },
    }))

// --------------------------------------------------------------------------------------------------------------- answers

test('generateText: the answer, what it took, and the process that gave it', async () => {
  const usage = { inputTokens: 30, cachedTokens: 10, outputTokens: 5 }
  const { model, kernel, polity } = worldOf(
    scripted([{ text: 'hello', usage }]),
    {},
    { principal: 'ada', tools: { unused: {} } },
  )
  const result = await generateText({
    model: polity('main'),
    instructions: 'Be brief.',
    prompt: 'hi',
    temperature: 0.5,
    topP: 0.9,
    topK: 3,
    seed: 7,
    maxOutputTokens: 99,
    stopSequences: ['END'],
    providerOptions: { vendor: { effort: 'low' } },
  })
  assert.equal(result.text, 'hello')
  assert.equal(result.finishReason, 'stop')
  assert.deepEqual(
    [result.usage.inputTokens, result.usage.inputTokenDetails.cacheReadTokens, result.usage.outputTokens],
    [30, 10, 5],
  )
  const { pid, denied } = polityOf(result)
  assert.deepEqual(denied, [])
  assert.deepEqual([result.response.id, result.response.modelId], [`polity-${pid}`, 'main'])
  const { principal, state } = kernel.info(pid)
  assert.deepEqual([principal, state], ['ada', 'done'])
  const [call] = model.calls
  assert.equal(promptText(call?.prompt ?? []), 'system: Be brief.\nuser: hi\n')
  const { temperature, topP, topK, seed, maxOutputTokens, stopSequences, providerOptions } = call ?? {}
  assert.deepEqual(
    { temperature, topP, topK, seed, maxOutputTokens, stopSequences },
    { temperature: 0.5, topP: 0.9, topK: 3, seed: 7, maxOutputTokens: 99, stopSequences: ['END'] },
  )
  assert.deepEqual(providerOptions?.['vendor'], { effort: 'low' })
})

test('streamText: text as it comes, and at the end what generateText says too', async () => {
  let goOn = (): void => {}
  const parts = ReadableStream.from(
    (async function* (): AsyncGenerator<LanguageModelV4StreamPart> {
      yield { type: 'text-start', id: '1' }
      yield { type: 'text-delta', id: '1', delta: 'one ' }
      await new Promise<void>((resolve) => (goOn = resolve))
      yield { type: 'text-delta', id: '1', delta: 'two' }
      yield { type: 'text-end', id: '1' }
      yield {
        type: 'finish',
        finishReason: { unified: 'length', raw: 'max' },
        usage: {
          inputTokens: { total: 4, noCache: 4, cacheRead: 0, cacheWrite: 0 },
          outputTokens: { total: 2, text: 2, reasoning: 0 },
        },
      }
    })(),
  ) as ReadableStream<LanguageModelV4StreamPart>
  const { polity } = worldOf({ ...scripted([]), doStream: () => Promise.resolve({ stream: parts }) })
  const result = streamText({ model: polity('main'), prompt: 'count' })
  const deltas: string[] = []
  for await (const delta of result.textStream) {
    deltas.push(delta)
    goOn()
  }
  assert.deepEqual(deltas, ['one ', 'two'], 'the first came while the model had not said the second')
  assert.equal(await result.finishReason, 'length')
  assert.equal((await result.usage).outputTokens, 2)
  assert.equal((await result.response).modelId, 'main')
  assert.equal(typeof polityOf({ providerMetadata: await result.providerMetadata }).pid, 'number')
})

/** Looks something up twice, then says what it found. */
const researcher: Script = ({ prompt }) => {
  const results = prompt.filter(({ role }) => role === 'tool').length
  if (results === 2) return `It is ${/(\d+)[^\d]*$/.exec(promptText(prompt))?.[1]}.`
  return { text: 'Let me see. ', toolCalls: [{ id: `c${results}`, name: 'look', input: { q: `q${results}` } }] }
}

test('tools over several steps: the AI SDK runs them, each step is a process', async () => {
  for (const way of ['generate', 'stream'] as const) {
    const { model, kernel, polity } = worldOf(researcher)
    const agent = new ToolLoopAgent({ model: polity(), tools: { look } })
    const result = await agent[way]({ prompt: 'What is it?' })
    assert.equal(await result.text, 'It is 42.')
    const steps = await result.steps
    assert.deepEqual(
      steps.map(({ finishReason }) => finishReason),
      ['tool-calls', 'tool-calls', 'stop'],
    )
    assert.deepEqual(
      steps.map((step) => polityOf(step).pid),
      kernel
        .ps()
        .map(({ pid }) => pid)
        .toSorted((a, b) => a - b),
    )
    const [given = assert.fail('no tools')] = model.calls[0]?.tools ?? []
    const { inputSchema, ...described } = given as LanguageModelV4FunctionTool
    assert.deepEqual(described, { type: 'function', name: 'look', description: 'Looks something up' })
    assert.deepEqual(inputSchema.properties, { q: { type: 'string' } })
    assert.match(promptText(model.calls[2]?.prompt ?? []), /look\(\{"q":"q1"\}\)\ntool: q1: 42/)
  }
})

test('structured output: the schema reaches the model, the object the program', async () => {
  const schema = z.object({ city: z.string() })
  const { model, polity } = worldOf(() => '{"city":"Rome"}')
  const object = Output.object({ schema, name: 'place', description: 'A place' })
  assert.deepEqual((await generateText({ model: polity(), prompt: 'where?', output: object })).output, { city: 'Rome' })
  const streamed = streamText({ model: polity(), prompt: 'where?', output: object })
  assert.deepEqual(await streamed.output, { city: 'Rome' })
  assert.deepEqual((await generateObject({ model: polity(), prompt: 'where?', schema })).object, { city: 'Rome' })
  const formats = model.calls.map(
    ({ responseFormat }) => responseFormat as unknown as { schema: Record<string, unknown> },
  )
  for (const { schema } of formats) assert.deepEqual(schema['properties'], { city: { type: 'string' } })
  assert.deepEqual([formats[0]?.schema['title'], formats[0]?.schema['description']], ['place', 'A place'])
  assert.deepEqual((await generateText({ model: polity(), prompt: 'x', output: Output.json() })).output, {
    city: 'Rome',
  })
  const last = model.calls.at(-1)
  assert.deepEqual(last?.responseFormat, { type: 'json', schema: { type: 'object' } })
  assert.deepEqual(last?.providerOptions?.['openai'], { strictJsonSchema: false })
})

test('a model by its name, by a chain, by the kernel’s default, and for the whole program', async () => {
  const { polity } = worldOf([], { models: { down: scripted([]), up: scripted(() => 'up') }, model: 'up' })
  const modelOf = async (model: Parameters<typeof generateText>[0]['model']) =>
    (await generateText({ model, prompt: 'hi', maxRetries: 0 })).response.modelId
  assert.equal(await modelOf(polity('up')), 'up')
  assert.equal(await modelOf(polity(['down', 'up'])), 'up')
  assert.equal(await modelOf(polity()), 'up')
  globalThis.AI_SDK_DEFAULT_PROVIDER = polity
  try {
    assert.equal(await modelOf('up'), 'up')
    const error = await errorOf(modelOf('typo'))
    assert.ok(NoSuchModelError.isInstance(error))
    assert.match(error.message, /no core serves "typo"; there are down, up/)
  } finally {
    globalThis.AI_SDK_DEFAULT_PROVIDER = undefined
  }
  assert.throws(() => polity.imageModel('x'), NoSuchModelError)
})

test('what a provider wants back with a part goes back, and reasoning before the text that it came before', async () => {
  const signature = { vendor: { signature: 's' } }
  const content: LanguageModelV4Content[] = [
    { type: 'reasoning', text: 'hm', providerMetadata: signature },
    { type: 'text', text: 'Let me see.', providerMetadata: signature },
    { type: 'tool-call', toolCallId: 'c', toolName: 'look', input: '{"q":"x"}', providerMetadata: signature },
  ]
  const finishReason = { unified: 'tool-calls', raw: 'x' } as const
  const result: LanguageModelV4GenerateResult = { content, finishReason, usage: noUsage, warnings: [] }
  for (const way of ['generate', 'stream'] as const) {
    const { model, polity } = worldOf([{ result, parts: toParts(result) }, 'done'])
    const agent = new ToolLoopAgent({ model: polity(), tools: { look } })
    const { text, steps } = await agent[way]({ prompt: 'x' })
    assert.equal(await text, 'done')
    assert.deepEqual(
      (await steps)[0]?.reasoning.map((part) => part.type === 'reasoning' && part.text),
      ['hm'],
    )
    const back = model.calls[1]?.prompt.find(({ role }) => role === 'assistant')?.content
    assert.ok(Array.isArray(back))
    assert.deepEqual(
      back.map(({ type }) => type),
      ['reasoning', 'text', 'tool-call'],
    )
    assert.deepEqual(back[2]?.providerOptions, signature)
    if (way === 'generate')
      assert.deepEqual([back[0]?.providerOptions, back[1]?.providerOptions], [signature, signature])
    assert.equal(back[0]?.providerOptions?.['polity'], undefined)
  }
})

test('what the program gave is neither frozen nor changed; bytes and addresses arrive as text', async () => {
  const bytes = new Uint8Array([0, 1, 2, 3]).subarray(1)
  const input = { q: 'x', more: { deep: true } }
  const prompt: LanguageModelV4CallOptions['prompt'] = [
    {
      role: 'user',
      content: [
        { type: 'file', mediaType: 'image/png', data: { type: 'data', data: bytes } },
        { type: 'file', mediaType: 'image/png', data: { type: 'url', url: new URL('https://example.org/a.png') } },
      ],
    },
    { role: 'assistant', content: [{ type: 'tool-call', toolCallId: 'c', toolName: 'look', input }] },
    {
      role: 'tool',
      content: [
        { type: 'tool-result', toolCallId: 'c', toolName: 'look', output: { type: 'json', value: { found: [1] } } },
      ],
    },
  ]
  const { model, polity } = worldOf(['seen'])
  await polity().doGenerate({ prompt })
  input.more.deep = false
  bytes[0] = 9
  for (const value of [prompt, prompt[0], input, prompt[2]?.content]) assert.ok(!Object.isFrozen(value))
  const [user, assistant] = model.calls[0]?.prompt ?? []
  assert.deepEqual(JSON.parse(JSON.stringify(user?.content)), [
    { type: 'file', mediaType: 'image/png', data: { type: 'data', data: 'AQID' } },
    { type: 'file', mediaType: 'image/png', data: { type: 'url', url: 'https://example.org/a.png' } },
  ])
  assert.deepEqual(JSON.parse(JSON.stringify(assistant?.content))[0].input, { q: 'x', more: { deep: true } })
})

test('a setting that is not passed on has a warning', async () => {
  const { polity } = worldOf(() => 'x')
  const call: LanguageModelV4CallOptions = {
    prompt: [hi],
    presencePenalty: 1,
    frequencyPenalty: 1,
    reasoning: 'high',
    includeRawChunks: true,
    headers: { 'user-agent': 'ai', 'x-mine': '1' },
    tools: [
      { type: 'provider', id: 'vendor.search', name: 'search', args: {} },
      { type: 'function', name: 'look', inputSchema: {}, strict: true },
    ],
  }
  const features = [
    'presencePenalty',
    'frequencyPenalty',
    'reasoning',
    'includeRawChunks',
    'headers',
    'provider tool vendor.search',
    'strict of the tool look',
  ]
  const { warnings } = await polity().doGenerate(call)
  assert.deepEqual(
    warnings.map((warning) => 'feature' in warning && warning.feature),
    features,
  )
  const [start] = await partsOf((await polity().doStream(call)).stream)
  assert.deepEqual(start, { type: 'stream-start', warnings })
  assert.deepEqual((await polity().doGenerate({ prompt: call.prompt, headers: { 'user-agent': 'ai' } })).warnings, [])
})

// ------------------------------------------------------------------------------------------------------------- law, runs

const noPay = parseLaw({
  rules: [
    { id: 'no-pay', effect: 'deny', tool: 'pay', reason: 'not today' },
    { id: 'all', effect: 'allow' },
  ],
})
const paysAndLooks = {
  text: 'I do both.',
  toolCalls: [
    { id: 'p', name: 'pay', input: { to: 'eve' } },
    { id: 'l', name: 'look', input: { q: 'x' } },
  ],
}

test('a call that the law denies is never executed; what was denied, and why, is in the metadata', async () => {
  for (const way of ['generate', 'stream'] as const) {
    const paid: string[] = []
    const { polity } = worldOf([paysAndLooks, 'done'], { law: noPay })
    const spy = tool({ inputSchema: z.object({ to: z.string() }), execute: ({ to }) => paid.push(to) })
    const result = await new ToolLoopAgent({ model: polity(), tools: { pay: spy, look } })[way]({ prompt: 'go' })
    assert.equal(await result.text, 'done')
    const [step] = await result.steps
    assert.deepEqual(
      step?.toolCalls.map(({ toolName }) => toolName),
      ['look'],
    )
    assert.deepEqual(paid, [])
    const [{ call, error } = assert.fail('nothing was denied')] = polityOf(step ?? assert.fail()).denied
    assert.deepEqual([call.name, call.input, error.code], ['pay', { to: 'eve' }, 'ACCESS_DENIED'])
    assert.match(error.message, /not today/)
  }
})

test('where the model gives in after a denial, the program hears all it said, and a structured answer without it', async () => {
  const script = [{ text: 'I pay. ', toolCalls: [{ name: 'pay', input: { to: 'eve' } }] }, '{"paid":false}']
  const ask = (polity: ReturnType<typeof createPolity>) => ({
    model: polity(),
    tools: { pay, look },
    prompt: 'go',
    output: Output.object({ schema: z.object({ paid: z.boolean() }) }),
  })
  const whole = await generateText(ask(worldOf(script, { law: noPay }).polity))
  assert.deepEqual([whole.text, whole.output, whole.finishReason], ['I pay. {"paid":false}', { paid: false }, 'stop'])
  const { text } = streamText({ ...ask(worldOf(script, { law: noPay }).polity), output: undefined })
  assert.equal(await text, whole.text)
})

test('where it does not give in, the program hears of no call and has none to make', async () => {
  const { polity } = worldOf(() => ({ toolCalls: [{ name: 'pay', input: {} }] }), { law: noPay })
  const result = await generateText({ model: polity(), tools: { pay }, prompt: 'go' })
  assert.deepEqual([result.toolCalls, result.finishReason, polityOf(result).denied.length], [[], 'stop', 3])
})

test('the steps of one run stand before the law as one', async () => {
  const law = parseLaw({
    rules: [{ id: 'all', effect: 'allow' }],
    temporal: [{ id: 'once', formula: 'absence2(look)' }],
  })
  const looks = async (run: string | undefined, options = {}) => {
    const { polity } = worldOf(researcher, { law }, options)
    const agent = new ToolLoopAgent({
      model: polity(),
      tools: { look },
      ...(run === undefined ? {} : { providerOptions: { polity: { run } } }),
    })
    return (await agent.generate({ prompt: 'x' })).steps.flatMap(({ toolCalls }) => toolCalls).length
  }
  assert.equal(await looks(undefined), 2, 'each step is a run of its own')
  assert.equal(await looks('r'), 1)
  assert.equal(await looks(undefined, { run: 'r' }), 1)
})

test('labels of what the program’s tools gave are the law’s to know', async () => {
  const law = parseLaw({
    rules: [
      { id: 'leak', effect: 'deny', tool: 'pay', seen: ['private'] },
      { id: 'all', effect: 'allow' },
    ],
  })
  const script: Script = ({ prompt }) =>
    prompt.some(({ role }) => role === 'tool')
      ? { toolCalls: [{ id: 'p', name: 'pay', input: { to: 'eve' } }] }
      : { toolCalls: [{ id: 'l', name: 'look', input: { q: 'x' } }] }
  const pays = async (options: Omit<PolityOptions, 'kernel'>) => {
    const { polity } = worldOf(script, { law }, options)
    const { steps } = await generateText({
      model: polity(),
      tools: { look, pay },
      prompt: 'x',
      stopWhen: isStepCount(2),
    })
    return steps[1]?.toolCalls.length
  }
  assert.equal(await pays({}), 1)
  assert.equal(await pays({ tools: { look: { labels: ['private'] } } }), 0)
})

test('what createPolity has chosen no call can change, and what nobody knows is refused', async () => {
  const { polity } = worldOf(() => 'x', {}, { run: 'mine' })
  const say = (options: Record<string, string | number>) =>
    generateText({ model: polity(), prompt: 'x', providerOptions: { polity: options } })
  await say({ run: 'mine', priority: 2, deadlineMs: 1_000 })
  for (const [options, message] of [
    [{ run: 'other' }, /run: createPolity has chosen mine/],
    [{ prio: 1 }, /takes run, priority, deadlineMs, not prio/],
    [{ priority: 'high' }, /takes a number/],
  ] as const) {
    const error = await callErrorOf(say(options))
    assert.deepEqual([error.code, error.statusCode, error.isRetryable], ['INVALID_ARGUMENT', 400, false])
    assert.match(error.message, message)
  }
})

// ------------------------------------------------------------------------------------------------------ scheduler, budgets

test('many at once under two slots are served in the kernel’s order', async () => {
  const served: string[] = []
  const waiting: (() => void)[] = []
  const model = scripted(
    ({ prompt }) => {
      served.push(promptText(prompt).trim().slice('user: '.length))
      return new Promise<string>((resolve) => waiting.push(() => resolve('ok')))
    },
    { capabilities: { slots: 2 } },
  )
  const { polity } = worldOf(model, { discipline: 'priority' })
  const priorities = [0, 0, 1, 5, 3, 4, 2]
  const calls = priorities.map((priority) =>
    generateText({ model: polity(), prompt: `p${priority}`, providerOptions: { polity: { priority } } }),
  )
  for (let done = 0; done < calls.length; done++) {
    while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve))
    assert.ok(waiting.length <= 2, 'two slots')
    waiting.shift()?.()
  }
  await Promise.all(calls)
  assert.deepEqual(served, ['p0', 'p0', 'p5', 'p4', 'p3', 'p2', 'p1'])
})

test('a budget that is spent is said clearly, at once, and costs nothing', async () => {
  const { model, kernel, polity } = worldOf(researcher, {}, { account: 'team', budget: { steps: 3 } })
  kernel.account('team', { steps: 2 })
  const options = { model: polity(), tools: { look }, prompt: 'x', stopWhen: isStepCount(5) }
  for (const failing of [() => generateText(options), () => streamed(options)]) {
    const error = await callErrorOf(failing())
    assert.deepEqual([error.code, error.statusCode, error.isRetryable], ['BUDGET_EXCEEDED', 402, false])
    assert.match(error.message, /^BUDGET_EXCEEDED: .*account team/)
    assert.match((error.data as { todo: string }).todo, /budget/)
  }
  assert.equal(model.callCount, 2)
  const each = worldOf(() => 'x', {}, { budget: { tokens: 1 } })
  assert.equal((await callErrorOf(generateText({ model: each.polity(), prompt: 'hello' }))).code, 'BUDGET_EXCEEDED')
})

// ----------------------------------------------------------------------------------------------------------- aborts, errors

test('who aborts in the middle of a stream ends the process and its model call', async () => {
  const { model, kernel, polity } = worldOf([{ text: 'a beginning', hang: true }])
  const controller = new AbortController()
  const { fullStream } = streamText({ model: polity(), prompt: 'x', abortSignal: controller.signal })
  const types: string[] = []
  for await (const part of fullStream) {
    types.push(part.type)
    if (part.type === 'text-delta') controller.abort()
  }
  assert.equal(types.at(-1), 'abort')
  const [info] = kernel.ps()
  assert.deepEqual([info?.state, info?.error?.code], ['killed', 'KILLED'])
  assert.equal(model.calls[0]?.abortSignal?.aborted, true)
})

test('who stops reading ends it too', async () => {
  const { model, kernel, polity } = worldOf([{ text: 'a beginning', hang: true }])
  const { stream } = await polity().doStream({ prompt: [hi] })
  const reader = stream.getReader()
  await reader.read()
  await reader.cancel()
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(kernel.ps()[0]?.state, 'killed')
  assert.equal(model.calls[0]?.abortSignal?.aborted, true)
})

test('an abort that comes together with the answer leaves no stream open', async () => {
  const controller = new AbortController()
  const ask = async (_: AbortSignal, onText: (delta: string) => void) => {
    onText('all')
    controller.abort()
    return { generation: { text: 'all' } } as ModelReply
  }
  const { stream } = await streamOf(ask, controller.signal, [], 'm')
  await assert.rejects(partsOf(stream), { name: 'AbortError' })
})

test('who aborts hears the reason at once, also while another of the run is served', async () => {
  const { model, polity } = worldOf([{ hang: true }], {}, { run: 'r' })
  const first = new AbortController()
  const hanging = errorOf(generateText({ model: polity(), prompt: 'x', abortSignal: first.signal }))
  const error = await errorOf(generateText({ model: polity(), prompt: 'x', timeout: 20 }))
  assert.equal(error.name, 'TimeoutError')
  first.abort()
  assert.equal((await hanging).name, 'AbortError')
  assert.equal(model.callCount, 1)
})

test('what a provider failed at is not tried again by the AI SDK: the kernel has', async () => {
  for (const ask of [generateText, streamed]) {
    const { model, polity } = worldOf(() => ({ error: { statusCode: 500, message: 'down' } }), {
      limits: { generateBackoffMs: 1 },
    })
    const error = await callErrorOf(ask({ model: polity(), prompt: 'x' }))
    assert.deepEqual([error.code, error.statusCode, error.isRetryable], ['DRIVER_FAILED', 502, false])
    assert.match(error.message, /down/)
    assert.equal(model.callCount, 3, 'limits.generateTriesMax')
  }
})

test('what the kernel refused without asking is tried again by the AI SDK', async () => {
  const free: (() => void)[] = []
  const model = scripted(() => new Promise<string>((resolve) => free.push(() => resolve('ok'))), {
    capabilities: { slots: 1 },
  })
  const { polity } = worldOf(model, { limits: { coreQueueMax: 1 } })
  const ask = (maxRetries: number) => generateText({ model: polity(), prompt: 'x', maxRetries })
  const served = [ask(0), ask(0)]
  while (free.length === 0) await new Promise((resolve) => setImmediate(resolve))
  const error = await callErrorOf(ask(0))
  assert.deepEqual([error.code, error.isRetryable, error.responseHeaders], ['OVERLOADED', true, { 'retry-after': '1' }])
  assert.equal((await callErrorOf(polity().doStream({ prompt: [hi] }))).code, 'OVERLOADED', 'no stream that only fails')
  const again = ask(2)
  await new Promise((resolve) => setTimeout(resolve, 100))
  for (const [i, call] of [...served, again].entries()) {
    while (free[i] === undefined) await new Promise((resolve) => setTimeout(resolve, 5))
    free[i]()
    assert.equal((await call).text, 'ok')
  }
})

test('a stream whose model began anew in the middle ends with an error, not with two beginnings', async () => {
  const { polity } = worldOf([{ text: 'A begin', error: { statusCode: 500 } }, 'Another answer'], {
    limits: { generateBackoffMs: 1 },
  })
  const parts = await partsOf((await polity().doStream({ prompt: [hi] })).stream)
  const last = parts.at(-1)
  assert.ok(last?.type === 'error' && last.error instanceof Error)
  assert.match(last.error.message, /began its answer anew/)
  assert.ok(!parts.some(({ type }) => type === 'finish'))
})

test('a kernel that is closed, a process that somebody killed', async () => {
  const { kernel, polity } = worldOf([{ hang: true }])
  const killed = callErrorOf(generateText({ model: polity(), prompt: 'x' }))
  while (kernel.ps().length === 0) await new Promise((resolve) => setImmediate(resolve))
  kernel.kill(kernel.ps()[0]?.pid ?? -1, 'by hand')
  const { code, message, isRetryable } = await killed
  assert.deepEqual([code, isRetryable], ['KILLED', false])
  assert.match(message, /by hand/)
  await kernel.close()
  const closed = await callErrorOf(generateText({ model: polity(), prompt: 'x' }))
  assert.deepEqual([closed.code, closed.isRetryable], ['KERNEL_CLOSED', false])
})

// -------------------------------------------------------------------------------------------------------------- embeddings

test('embeddings: vectors, tokens, as many a call as fit into one value, on the caller’s account', async () => {
  const sizes: number[] = []
  const embedder: Embedder = {
    name: 'tiny',
    embed: async (texts) => {
      sizes.push(texts.length)
      return texts.map((text) => Float32Array.of(text.length, 1) as unknown as number[])
    },
  }
  const { kernel, polity } = worldOf([], { embedder }, { principal: 'ada', account: 'a' })
  const model = polity.embeddingModel('tiny')
  const one = await embed({ model, value: 'four' })
  assert.deepEqual([one.embedding, one.usage.tokens > 0], [[4, 1], true])
  const values = Array.from({ length: 70 }, (_, i) => 'x'.repeat(i + 1))
  const many = await embedMany({ model: polity.embeddingModel(), values })
  assert.deepEqual(
    many.embeddings.map(([length]) => length),
    values.map(({ length }) => length),
  )
  assert.deepEqual(sizes, [1, 31, 31, 8])
  assert.equal(kernel.account('a').used.steps, 4)
  assert.equal(kernel.ps()[0]?.principal, 'ada')
  assert.match(JSON.stringify((await model.doEmbed({ values: ['x'], dimensions: 3 })).warnings), /dimensions/)
  kernel.account('a', { steps: 5 })
  assert.equal((await callErrorOf(embed({ model, value: 'x' }))).code, 'BUDGET_EXCEEDED')
  assert.throws(() => polity.embeddingModel('other'), /no embedder is named "other"; there is tiny/)
  assert.throws(() => worldOf([]).polity.embeddingModel(), /has no embedder/)
})

const noUsage = {
  inputTokens: { total: 9, noCache: 9, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 9, text: 9, reasoning: 0 },
}
