/**
 * The OpenAI-compatible gateway, used by OpenAI's own client over real HTTP on real kernels; only the models are scripted.
 */
import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { after, describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { LanguageModelV4CallOptions, LanguageModelV4StreamPart } from '@ai-sdk/provider'
import OpenAI from 'openai'
import { zodFunction, zodResponseFormat, zodTextFormat } from 'openai/helpers/zod'
import { z } from 'zod'
import type { Script, ScriptedOptions } from '../src/drivers/llm/scripted.ts'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import type { Clock } from '../src/kernel/clock.ts'
import { realClock, simulatedClock } from '../src/kernel/clock.ts'
import type { Embedder } from '../src/kernel/drivers.ts'
import type { Kernel, KernelOptions } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import type { Law } from '../src/policy/law.ts'
import { startServer } from '../src/server/http.ts'
import type { ServerLimits } from '../src/server/limits.ts'
import { createModelDoor } from '../src/server/model-door.ts'
import { openaiDoor } from '../src/server/openai/door.ts'
import { createKeptResponses } from '../src/server/openai/kept-responses.ts'
import { within } from './world.ts'

// -------------------------------------------------------------------------------------------------------------- worlds

interface Served {
  readonly kernel: Kernel
  readonly url: string
  /** A client of this principal. */
  client(principal?: string, options?: { readonly maxRetries?: number }): OpenAI
  /** What the model was asked, call by call. */
  readonly calls: readonly LanguageModelV4CallOptions[]
  /** A request as no client would send it. */
  post(path: string, body: unknown): Promise<{ status: number; error: Record<string, unknown>; headers: Headers }>
}

const ends: (() => Promise<void>)[] = []
after(async () => void (await Promise.all(ends.map((end) => end()))))

const letters: Embedder = {
  name: 'test/letters',
  embed: (texts) => Promise.resolve(texts.map((text) => [text.length, 0.1, -2.5])),
}

async function serve(
  script: Script,
  options: Partial<KernelOptions> & {
    readonly scripted?: ScriptedOptions
    readonly doorClock?: Clock
    readonly serverLimits?: Partial<ServerLimits>
  } = {},
): Promise<Served> {
  const { scripted: scriptedOptions, doorClock, serverLimits, ...kernelOptions } = options
  const model = scripted(script, { clock: realClock(), ...scriptedOptions })
  const kernel = createKernel({
    store: memoryStore(),
    models: { 'test/model': model },
    embedder: letters,
    ...kernelOptions,
  })
  const server = await startServer({
    doors: [openaiDoor({ models: createModelDoor(kernel), ...(doorClock === undefined ? {} : { clock: doorClock }) })],
    port: 0,
    limits: serverLimits,
    authenticate({ headers }) {
      const principal = /^Bearer key-of-(\w+)$/.exec(headers.authorization ?? '')?.[1]
      if (principal === undefined) return { refused: 'this key is not known' }
      return {
        principal,
        scopes: new Set([principal === 'guest' ? 'files' : 'models']),
        key: principal === 'team' ? 'team' : null,
        ...(principal === 'bob' ? { priority: 3 } : {}),
      }
    },
  })
  ends.push(async () => {
    await server.close()
    await kernel.close()
  })
  return {
    kernel,
    url: server.url,
    calls: model.calls,
    client: (principal = 'ada', { maxRetries = 0 } = {}) =>
      new OpenAI({ baseURL: `${server.url}/v1`, apiKey: `key-of-${principal}`, maxRetries }),
    async post(path, body) {
      const response = await fetch(server.url + path, {
        method: 'POST',
        headers: { authorization: 'Bearer key-of-ada', 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      const { error } = (await response.json()) as { error: Record<string, unknown> }
      return { status: response.status, error, headers: response.headers }
    },
  }
}

const model = 'test/model'
const hello = [{ role: 'user' as const, content: 'hello' }]

const weather = {
  type: 'function' as const,
  function: {
    name: 'weather',
    description: 'The weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}
const askWeather = (city: string, id?: string) => ({
  name: 'weather',
  input: { city },
  ...(id === undefined ? {} : { id }),
})

/** The field of an answer that OpenAI's types do not know. */
const polityOf = (answer: unknown) =>
  (answer as { polity: { pids: number[]; usd: number; denied: { name: string; code: string; reason: string }[] } })
    .polity

async function rejection(promise: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  try {
    await promise
  } catch (error) {
    assert.ok(error instanceof OpenAI.APIError, `rejected with ${String(error)}`)
    return error
  }
  throw new assert.AssertionError({ message: 'the request succeeded' })
}

// ---------------------------------------------------------------------------------------------------------------- chat

describe('chat completions', () => {
  test('an answer has its text, its end, its usage and the process that served it', async () => {
    const { client, kernel } = await serve([
      { text: 'hello to you', usage: { inputTokens: 12, cachedTokens: 8, outputTokens: 3 } },
    ])
    const { data, response } = await client().chat.completions.create({ model, messages: hello }).withResponse()
    assert.match(data.id, /^chatcmpl-[0-9a-f]{24}$/)
    assert.equal(data.object, 'chat.completion')
    assert.equal(data.model, model)
    assert.ok(Math.abs(data.created - Date.now() / 1000) < 5)
    assert.deepEqual(data.choices[0]?.message.content, 'hello to you')
    assert.equal(data.choices[0]?.finish_reason, 'stop')
    assert.equal(data.usage?.prompt_tokens, 12)
    assert.equal(data.usage?.completion_tokens, 3)
    assert.equal(data.usage?.total_tokens, 15)
    assert.equal(data.usage?.prompt_tokens_details?.cached_tokens, 8)
    const pid = Number(response.headers.get('x-polity-pid'))
    assert.deepEqual(polityOf(data), { pids: [pid], usd: 0, denied: [] })
    const { principal, state } = kernel.info(pid)
    assert.deepEqual([principal, state], ['ada', 'done'])
  })

  test('the model is asked what the client asked, in the form of the kernel', async () => {
    const { client, calls } = await serve(['fine'])
    await client().chat.completions.create({
      model,
      messages: [
        { role: 'system', content: 'be short' },
        {
          role: 'developer',
          content: [
            { type: 'text', text: 'be' },
            { type: 'text', text: 'kind' },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'what is this?' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,aGk=', detail: 'low' } },
            { type: 'image_url', image_url: { url: 'https://example.org/cat.png' } },
            { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,aGk=' } },
            { type: 'input_audio', input_audio: { data: 'aGk=', format: 'mp3' } },
          ],
        },
        { role: 'assistant', content: 'a cat', refusal: null },
        // As @openai/agents sends back what it was sent.
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'or a dog', annotations: [], role: 'assistant' } as { type: 'text'; text: string },
          ],
        },
        { role: 'user', content: 'sure?', name: 'ada' },
      ],
      temperature: 0.2,
      top_p: 0.9,
      seed: 7,
      stop: 'END',
      max_completion_tokens: 99,
      reasoning_effort: 'low',
      verbosity: 'low',
      parallel_tool_calls: false,
      // Harmless.
      user: 'u1',
      metadata: { a: 'b' },
      store: false,
      service_tier: 'auto',
      logprobs: false,
      n: 1,
    })
    const [call] = calls
    assert.deepEqual(call?.prompt, [
      { role: 'system', content: 'be short' },
      { role: 'system', content: 'be\nkind' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'what is this?' },
          {
            type: 'file',
            mediaType: 'image/png',
            data: { type: 'data', data: 'aGk=' },
            providerOptions: { openai: { imageDetail: 'low' } },
          },
          { type: 'file', mediaType: 'image', data: { type: 'url', url: 'https://example.org/cat.png' } },
          { type: 'file', mediaType: 'application/pdf', data: { type: 'data', data: 'aGk=' }, filename: 'a.pdf' },
          { type: 'file', mediaType: 'audio/mpeg', data: { type: 'data', data: 'aGk=' } },
        ],
      },
      { role: 'assistant', content: [{ type: 'text', text: 'a cat' }] },
      { role: 'assistant', content: [{ type: 'text', text: 'or a dog' }] },
      { role: 'user', content: [{ type: 'text', text: 'sure?' }] },
    ])
    assert.equal(call?.temperature, 0.2)
    assert.equal(call?.topP, 0.9)
    assert.equal(call?.seed, 7)
    assert.deepEqual(call?.stopSequences, ['END'])
    assert.equal(call?.maxOutputTokens, 99)
    assert.deepEqual(call?.providerOptions?.['openai'], {
      parallelToolCalls: false,
      reasoningEffort: 'low',
      textVerbosity: 'low',
    })
  })

  test('a stream passes text on as it comes, says its usage where it is asked to, and ends', async () => {
    const { client } = await serve(
      [
        { text: 'one two three', usage: { inputTokens: 5, cachedTokens: 2, outputTokens: 3 } },
        'one two three',
        'one two three',
      ],
      { scripted: { deltaChars: 4 } },
    )
    const chunks: OpenAI.ChatCompletionChunk[] = []
    const stream = await client().chat.completions.create({
      model,
      messages: hello,
      stream: true,
      stream_options: { include_usage: true },
    })
    for await (const chunk of stream) chunks.push(chunk)
    assert.deepEqual(chunks[0]?.choices[0]?.delta, { role: 'assistant', content: '', refusal: null })
    const texts = chunks.flatMap((chunk) => chunk.choices[0]?.delta.content ?? [])
    assert.equal(texts.join(''), 'one two three')
    assert.equal(new Set(chunks.map(({ id }) => id)).size, 1)
    const end = chunks.at(-2)
    assert.equal(end?.choices[0]?.finish_reason, 'stop')
    assert.equal(polityOf(end).pids.length, 1)
    assert.deepEqual(chunks.at(-1)?.choices, [])
    assert.equal(chunks.at(-1)?.usage?.prompt_tokens_details?.cached_tokens, 2)

    for await (const chunk of await client().chat.completions.create({ model, messages: hello, stream: true }))
      assert.equal(chunk.choices.length, 1, 'every chunk has a choice where usage was not asked for')

    const heard: string[] = []
    const helper = client().chat.completions.stream({ model, messages: hello })
    helper.on('content', (delta) => heard.push(delta))
    const final = await helper.finalChatCompletion()
    assert.equal(final.choices[0]?.message.content, 'one two three')
    assert.equal(heard.join(''), 'one two three')
  })

  test('the first piece of text is there while the model still thinks about the second', async () => {
    let goOn: () => void = () => {}
    const second = new Promise<void>((resolve) => (goOn = resolve))
    const { client } = await serve(['never asked'], {
      models: {
        'test/model': {
          ...scripted([]),
          doStream: () =>
            Promise.resolve({
              stream: new ReadableStream({
                async start(controller) {
                  controller.enqueue({ type: 'stream-start', warnings: [] })
                  controller.enqueue({ type: 'text-start', id: '0' })
                  controller.enqueue({ type: 'text-delta', id: '0', delta: 'first' })
                  await second
                  controller.enqueue({ type: 'text-delta', id: '0', delta: ' second' })
                  controller.enqueue({ type: 'text-end', id: '0' })
                  controller.enqueue({
                    type: 'finish',
                    finishReason: { unified: 'length', raw: undefined },
                    usage: {
                      inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
                      outputTokens: { total: 2, text: 2, reasoning: 0 },
                    },
                  })
                  controller.close()
                },
              }),
            }),
        },
      },
    })
    let text = ''
    let reason: string | null | undefined
    const stream = await client().chat.completions.create({ model, messages: hello, stream: true })
    for await (const { choices } of stream) {
      text += choices[0]?.delta.content ?? ''
      if (text === 'first') goOn()
      reason = choices[0]?.finish_reason
    }
    assert.equal(text, 'first second')
    assert.equal(reason, 'length')
  })

  test('tools go round: the call to the client, its result to the model, over two requests', async () => {
    const { client, calls } = await serve([{ toolCalls: [askWeather('Rome', 'c1')] }, 'sunny in Rome'])
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'weather in Rome?' }]
    const first = await client().chat.completions.create({ model, messages, tools: [weather], tool_choice: 'required' })
    const choice = first.choices[0]
    assert.equal(choice?.finish_reason, 'tool_calls')
    assert.equal(choice?.message.content, null)
    assert.deepEqual(choice?.message.tool_calls, [
      { id: 'c1', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } },
    ])
    assert.deepEqual(calls[0]?.toolChoice, { type: 'required' })
    assert.deepEqual(calls[0]?.tools?.[0], {
      type: 'function',
      name: 'weather',
      description: 'The weather of a city',
      inputSchema: weather.function.parameters,
    })
    messages.push(choice?.message as OpenAI.ChatCompletionMessage, {
      role: 'tool',
      tool_call_id: 'c1',
      content: '{"sky":"clear"}',
    })
    const second = await client().chat.completions.create({ model, messages, tools: [weather] })
    assert.equal(second.choices[0]?.message.content, 'sunny in Rome')
    assert.deepEqual(calls[1]?.prompt.slice(1), [
      {
        role: 'assistant',
        content: [{ type: 'tool-call', toolCallId: 'c1', toolName: 'weather', input: { city: 'Rome' } }],
      },
      {
        role: 'tool',
        content: [
          {
            type: 'tool-result',
            toolCallId: 'c1',
            toolName: 'weather',
            output: { type: 'text', value: '{"sky":"clear"}' },
          },
        ],
      },
    ])
  })

  test('the runner of the client loops over parallel calls until the answer', async () => {
    const { client, calls } = await serve([
      { text: 'looking', toolCalls: [askWeather('Rome', 'c1'), askWeather('Oslo', 'c2')] },
      'Rome is warmer',
    ])
    const asked: string[] = []
    const runner = client().chat.completions.runTools({
      model,
      stream: true,
      messages: [{ role: 'user', content: 'Rome or Oslo?' }],
      tools: [
        zodFunction({
          name: 'weather',
          parameters: z.object({ city: z.string() }),
          function: ({ city }) => {
            asked.push(city)
            return `${city}: ${city.length}`
          },
        }),
      ],
    })
    assert.equal(await runner.finalContent(), 'Rome is warmer')
    assert.deepEqual(asked.toSorted(), ['Oslo', 'Rome'])
    const last = calls[1]?.prompt.at(-1)
    assert.equal(last?.role, 'tool')
    assert.equal(last?.content.length, 2, 'the results of one answer are one message')
  })

  test('a choice of one tool, of some tools and of none reaches the model', async () => {
    const { client, calls } = await serve(['a', 'b', 'c'])
    const other = { type: 'function' as const, function: { name: 'other' } }
    const ask = (tool_choice: OpenAI.ChatCompletionToolChoiceOption) =>
      client().chat.completions.create({ model, messages: hello, tools: [weather, other], tool_choice })
    await ask({ type: 'function', function: { name: 'other' } })
    await ask({
      type: 'allowed_tools',
      allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'weather' } }] },
    })
    await ask('none')
    assert.deepEqual(
      calls.map(({ toolChoice }) => toolChoice),
      [{ type: 'tool', toolName: 'other' }, { type: 'required' }, { type: 'none' }],
    )
    assert.deepEqual(
      calls.map(({ tools }) => tools?.map(({ name }) => name)),
      [['other', 'weather'], ['weather'], ['other', 'weather']],
    )
  })

  test('structured output: the schema reaches the model, and the helper of the client reads the answer', async () => {
    const { client, calls } = await serve(['{"city":"Rome","degrees":21}', '{"any":1}', '{"city":"Rome","degrees":21}'])
    const Report = z.object({ city: z.string(), degrees: z.number() })
    const parsed = await client().chat.completions.parse({
      model,
      messages: hello,
      response_format: zodResponseFormat(Report, 'report'),
    })
    assert.deepEqual(parsed.choices[0]?.message.parsed, { city: 'Rome', degrees: 21 })
    const format = calls[0]?.responseFormat as { type: string; schema: { required: string[] } }
    assert.equal(format.type, 'json')
    assert.deepEqual(format.schema.required, ['city', 'degrees'])
    assert.equal(calls[0]?.providerOptions?.['openai']?.['strictJsonSchema'], true)

    await client().chat.completions.create({ model, messages: hello, response_format: { type: 'json_object' } })
    assert.deepEqual(calls[1]?.responseFormat, { type: 'json', schema: { type: 'object' } })

    const streamed = client().chat.completions.stream({
      model,
      messages: hello,
      response_format: zodResponseFormat(Report, 'report'),
    })
    assert.deepEqual((await streamed.finalChatCompletion()).choices[0]?.message.parsed, { city: 'Rome', degrees: 21 })
  })

  test('n answers are n calls of the model, each with its own seed', async () => {
    const script: Script = (call) => `answer ${call.seed}`
    const { client, calls } = await serve(script)
    const whole = await client().chat.completions.create({ model, messages: hello, n: 3, seed: 10 })
    assert.deepEqual(
      whole.choices.map(({ index, message }) => [index, message.content]),
      [
        [0, 'answer 10'],
        [1, 'answer 11'],
        [2, 'answer 12'],
      ],
    )
    assert.equal(new Set(polityOf(whole).pids).size, 3)
    assert.equal(calls.length, 3)
    const streamed = client().chat.completions.stream({ model, messages: hello, n: 2, seed: 1 })
    const { choices } = await streamed.finalChatCompletion()
    assert.deepEqual(
      choices.map(({ message }) => message.content),
      ['answer 1', 'answer 2'],
    )
  })

  test('one of n answers that fails ends the others', async () => {
    let signal: AbortSignal | undefined
    const { client } = await serve((call) => {
      if (call.seed === 1) return { error: { statusCode: 400, message: 'no' } }
      signal = call.abortSignal
      return { hang: true }
    })
    const error = await rejection(client().chat.completions.create({ model, messages: hello, n: 2, seed: 0 }))
    assert.equal(error.status, 502)
    assert.equal(signal?.aborted, true)
  })

  test('a client that reads slowly gets all the text in fewer pieces, and keeps its connection', async () => {
    const text = 'abcd'.repeat(60_000)
    const { url, kernel } = await serve([text], { scripted: { deltaChars: 4 } })
    // Reads nothing until the model has said all.
    const isSaid = new Promise<void>((resolve) =>
      kernel.watch(({ type }) => void (type === 'process-end' && resolve())),
    )
    const sse = await new Promise<string>((resolve, reject) => {
      const request = httpRequest(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: 'Bearer key-of-ada', 'content-type': 'application/json' },
      })
      request.on('error', reject)
      request.on('response', (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.pause()
        void isSaid.then(() => response.on('data', (piece: string) => (body += piece)).resume())
        response.on('end', () => resolve(body))
        response.on('error', reject)
      })
      request.end(JSON.stringify({ model, messages: hello, stream: true }))
    })
    const events = sse.split('\n\n').filter((event) => event.startsWith('data: '))
    assert.equal(events.at(-1), 'data: [DONE]')
    assert.match(events.at(-2) as string, /"finish_reason":"stop"/, 'what waited was sent before the end')
    let heard = ''
    for (const event of events.slice(0, -1))
      heard += (JSON.parse(event.slice(6)) as OpenAI.ChatCompletionChunk).choices[0]?.delta.content ?? ''
    assert.equal(heard, text)
    assert.ok(events.length < 25_000, `${events.length} events for 60,000 pieces`)
  })
})

// ----------------------------------------------------------------------------------------------------------- responses

describe('responses', () => {
  test('an answer has its text, its usage and its settings, and can be read again for an hour', async () => {
    const { client, calls } = await serve([
      { text: 'hello to you', usage: { inputTokens: 12, cachedTokens: 8, outputTokens: 3 } },
    ])
    const response = await client().responses.create({
      model,
      input: 'hello',
      instructions: 'be kind',
      temperature: 0.5,
      max_output_tokens: 50,
      metadata: { job: '7' },
      reasoning: { effort: 'low' },
      include: [],
      tools: [],
    })
    assert.match(response.id, /^resp_[0-9a-f]{24}$/)
    assert.equal(response.status, 'completed')
    assert.equal(response.output_text, 'hello to you')
    assert.equal(response.model, model)
    assert.equal(response.instructions, 'be kind')
    assert.deepEqual(response.metadata, { job: '7' })
    assert.equal(response.usage?.input_tokens, 12)
    assert.equal(response.usage?.input_tokens_details.cached_tokens, 8)
    assert.equal(response.usage?.total_tokens, 15)
    assert.equal(polityOf(response).pids.length, 1)
    assert.deepEqual(calls[0]?.prompt, [
      { role: 'system', content: 'be kind' },
      { role: 'user', content: [{ type: 'text', text: 'hello' }] },
    ])
    assert.equal(calls[0]?.maxOutputTokens, 50)
    const again = await client().responses.retrieve(response.id)
    assert.deepEqual(again, response)
  })

  test('items of every supported kind reach the model', async () => {
    const { client, calls } = await serve(['fine'])
    await client().responses.create({
      model,
      input: [
        { role: 'developer', content: 'be short' },
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'hi' },
            { type: 'input_image', detail: 'auto', image_url: 'data:image/png;base64,aGk=' },
          ],
        },
        { id: 'rs_1', type: 'reasoning', summary: [] },
        {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text: 'looking', annotations: [] }],
        },
        { type: 'function_call', call_id: 'c1', name: 'weather', arguments: '{"city":"Rome"}' },
        { type: 'function_call', call_id: 'c2', name: 'weather', arguments: 'not json' },
        { type: 'function_call_output', call_id: 'c1', output: 'sunny' },
        { type: 'function_call_output', call_id: 'c2', output: [{ type: 'input_text', text: 'what?' }] },
        { type: 'message', role: 'user', content: 'and now?' },
      ],
    })
    assert.deepEqual(calls[0]?.prompt, [
      { role: 'system', content: 'be short' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'hi' },
          { type: 'file', mediaType: 'image/png', data: { type: 'data', data: 'aGk=' } },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'looking' },
          { type: 'tool-call', toolCallId: 'c1', toolName: 'weather', input: { city: 'Rome' } },
          { type: 'tool-call', toolCallId: 'c2', toolName: 'weather', input: 'not json' },
        ],
      },
      {
        role: 'tool',
        content: [
          { type: 'tool-result', toolCallId: 'c1', toolName: 'weather', output: { type: 'text', value: 'sunny' } },
          {
            type: 'tool-result',
            toolCallId: 'c2',
            toolName: 'weather',
            output: { type: 'content', value: [{ type: 'text', text: 'what?' }] },
          },
        ],
      },
      { role: 'user', content: [{ type: 'text', text: 'and now?' }] },
    ])
  })

  test('a stream has its events in order, numbered, and ends with the response', async () => {
    const { client } = await serve(
      [{ text: 'let me look', toolCalls: [askWeather('Rome', 'c1'), askWeather('Oslo', 'c2')] }],
      { scripted: { deltaChars: 4 } },
    )
    const events: OpenAI.Responses.ResponseStreamEvent[] = []
    const stream = await client().responses.create({
      model,
      input: 'weather?',
      stream: true,
      tools: [{ type: 'function', name: 'weather', parameters: weather.function.parameters, strict: true }],
    })
    for await (const event of stream) events.push(event)
    assert.deepEqual(
      events.map(({ sequence_number }) => sequence_number),
      events.map((_, i) => i),
    )
    const call = [
      'response.output_item.added',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.done',
      'response.output_item.done',
    ]
    assert.deepEqual(
      events.map(({ type }) => type).filter((type, i, all) => type !== all[i - 1]),
      [
        'response.created',
        'response.in_progress',
        'response.output_item.added',
        'response.content_part.added',
        'response.output_text.delta',
        'response.output_text.done',
        'response.content_part.done',
        'response.output_item.done',
        ...call,
        ...call,
        'response.completed',
      ],
    )
    const said = events.flatMap((event) => (event.type === 'response.output_text.delta' ? [event.delta] : []))
    assert.equal(said.join(''), 'let me look')
    const last = events.at(-1)
    assert.ok(last?.type === 'response.completed')
    assert.deepEqual(
      last.response.output.map((item) => (item.type === 'function_call' ? item.arguments : item.type)),
      ['message', '{"city":"Rome"}', '{"city":"Oslo"}'],
    )
    const done = events.flatMap((event) => (event.type === 'response.output_item.done' ? [event.item] : []))
    assert.deepEqual(done, last.response.output)
  })

  test('the helper of the client follows a stream, and reads structured output', async () => {
    const { client } = await serve(['{"city":"Rome"}', '{"city":"Oslo"}'], { scripted: { deltaChars: 3 } })
    const City = z.object({ city: z.string() })
    const text = { format: zodTextFormat(City, 'city') }
    let heard = ''
    const stream = client().responses.stream({ model, input: 'where?', text })
    stream.on('response.output_text.delta', ({ delta }) => (heard += delta))
    const final = await stream.finalResponse()
    assert.equal(heard, '{"city":"Rome"}')
    assert.deepEqual(final.output_parsed, { city: 'Rome' })
    const parsed = await client().responses.parse({ model, input: 'where?', text })
    assert.deepEqual(parsed.output_parsed, { city: 'Oslo' })
  })

  test('a conversation goes on from a response, by its id or by its items, and instructions stay behind', async () => {
    const { client, calls } = await serve([
      { toolCalls: [askWeather('Rome', 'c1')] },
      'sunny',
      'as I said: sunny',
      'by reference',
    ])
    const tools: OpenAI.Responses.FunctionTool[] = [
      { type: 'function', name: 'weather', parameters: weather.function.parameters, strict: false },
    ]
    const first = await client().responses.create({ model, input: 'weather in Rome?', instructions: 'once', tools })
    assert.equal(first.output[0]?.type, 'function_call')
    const second = await client().responses.create({
      model,
      previous_response_id: first.id,
      input: [{ type: 'function_call_output', call_id: 'c1', output: 'clear sky' }],
      tools,
    })
    assert.equal(second.output_text, 'sunny')
    assert.equal(second.previous_response_id, first.id)
    await client().responses.create({ model, previous_response_id: second.id, input: 'again?' })
    assert.deepEqual(
      calls[2]?.prompt.map(({ role }) => role),
      ['user', 'assistant', 'tool', 'assistant', 'user'],
    )
    await client().responses.create({
      model,
      input: [
        { role: 'user', content: 'weather in Rome?' },
        { type: 'item_reference', id: first.output[0]?.id as string },
        { type: 'function_call_output', call_id: 'c1', output: 'clear sky' },
      ],
    })
    assert.deepEqual(calls[3]?.prompt, calls[1]?.prompt)
  })

  test('what was not stored, or is another’s, is not found', async () => {
    const { client } = await serve(['a', 'b'])
    const secret = await client('ada').responses.create({ model, input: 'my secret' })
    const unstored = await client('ada').responses.create({ model, input: 'x', store: false })
    for (const [who, id] of [
      ['bob', secret.id],
      ['ada', unstored.id],
    ] as const) {
      const got = await rejection(client(who).responses.retrieve(id))
      assert.ok(got instanceof OpenAI.NotFoundError)
      const gone = await rejection(client(who).responses.create({ model, input: 'go on', previous_response_id: id }))
      assert.ok(gone instanceof OpenAI.BadRequestError)
      assert.deepEqual([gone.code, gone.param], ['previous_response_not_found', 'previous_response_id'])
    }
    const item = secret.output[0]?.id as string
    const reference = await rejection(
      client('bob').responses.create({ model, input: [{ type: 'item_reference', id: item }] }),
    )
    assert.ok(reference instanceof OpenAI.BadRequestError)
    assert.equal((await client('ada').responses.retrieve(secret.id)).id, secret.id)
  })

  test('an answer that was cut is incomplete, and says why', async () => {
    const { client } = await serve([
      { text: 'too lo', finishReason: 'length' },
      { text: 'too lo', finishReason: 'content-filter' },
    ])
    const whole = await client().responses.create({ model, input: 'hi' })
    assert.equal(whole.status, 'incomplete')
    assert.equal(whole.incomplete_details?.reason, 'max_output_tokens')
    const types: string[] = []
    for await (const { type } of await client().responses.create({ model, input: 'hi', stream: true })) types.push(type)
    assert.equal(types.at(-1), 'response.incomplete')
  })

  test('what is kept is bounded: an hour, a thousand responses, 32 MB a principal', () => {
    const clock = simulatedClock()
    const kept = createKeptResponses(clock, 1_000)
    const keep = (who: string, id: string, chars = 1) =>
      kept.keep(who, { response: { id }, messages: [{ role: 'user', content: 'x'.repeat(chars) }] })
    keep('ada', 'first')
    for (let i = 0; i < 1_000; i++) keep('ada', `r${i}`)
    assert.equal(kept.find('ada', 'first'), undefined)
    assert.ok(kept.find('ada', 'r0'))
    for (let i = 0; i < 5; i++) keep('bob', `large${i}`, 10_000_000)
    assert.equal(kept.find('bob', 'large1'), undefined)
    assert.ok(kept.find('bob', 'large2'))
    assert.ok(kept.find('ada', 'r0'), 'one principal takes no room of another')
    clock.jump(3_599_000)
    assert.ok(kept.find('ada', 'r0'))
    clock.jump(2_000)
    assert.equal(kept.find('ada', 'r0'), undefined)
  })
})

// ------------------------------------------------------------------------------------------------ embeddings and models

describe('embeddings and models', () => {
  test('vectors come as the client asks: base64 unless told otherwise', async () => {
    const { client, url } = await serve([])
    const made = await client().embeddings.create({ model: 'test/letters', input: ['a', 'abc'] })
    assert.deepEqual(
      made.data.map(({ embedding }) => embedding),
      [
        [1, Math.fround(0.1), -2.5],
        [3, Math.fround(0.1), -2.5],
      ],
    )
    assert.equal(made.model, 'test/letters')
    const plain = await client().embeddings.create({ model: 'test/letters', input: 'ab', encoding_format: 'float' })
    assert.deepEqual(plain.data[0]?.embedding, [2, 0.1, -2.5])
    const raw = await fetch(`${url}/v1/embeddings`, {
      method: 'POST',
      headers: { authorization: 'Bearer key-of-ada', 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'test/letters', input: 'ab', encoding_format: 'base64' }),
    })
    const { data } = (await raw.json()) as { data: { embedding: string }[] }
    const bytes = Buffer.from(data[0]?.embedding as string, 'base64')
    assert.deepEqual([bytes.length, bytes.readFloatLE(0)], [12, 2])
  })

  test('dimensions are refused unless they are those of the vectors', async () => {
    const { client } = await serve([])
    const ask = (dimensions: number) =>
      client().embeddings.create({ model: 'test/letters', input: 'a', dimensions, encoding_format: 'float' })
    assert.equal((await ask(3)).data[0]?.embedding.length, 3)
    assert.equal((await rejection(ask(2))).param, 'dimensions')
    assert.equal((await rejection(client().embeddings.create({ model, input: 'a' }))).code, 'model_not_found')
    assert.equal(
      (await rejection(client().embeddings.create({ model: 'test/letters', input: [[1, 2]] }))).param,
      'input[0]',
    )
  })

  test('models are listed and found by their names, slashes and all', async () => {
    const { client, url } = await serve([])
    const names: string[] = []
    for await (const one of client().models.list()) names.push(one.id)
    assert.deepEqual(names, ['test/model', 'test/letters'])
    assert.equal((await client().models.retrieve('test/model')).id, 'test/model')
    const plain = await fetch(`${url}/v1/models/test/model`, { headers: { authorization: 'Bearer key-of-ada' } })
    assert.equal(((await plain.json()) as { id: string }).id, 'test/model')
    const error = await rejection(client().models.retrieve('test/other'))
    assert.ok(error instanceof OpenAI.NotFoundError)
    assert.equal(error.code, 'model_not_found')
  })
})

// -------------------------------------------------------------------------------------------------------------- errors

describe('errors', () => {
  test('what may be of several forms says which, or what is wrong with the one that was meant', async () => {
    const { post } = await serve([])
    const [chat, responses] = ['/v1/chat/completions', '/v1/responses']
    const said = (role: string, content: unknown): object => ({
      model,
      messages: [{ role, content, tool_call_id: 'x' }],
    })
    const items = (item: object): object => ({ model, input: [item] })
    const list = 'Invalid input: expected string or array'
    const choice = 'Invalid input: expected one of "none"|"auto"|"required" or object'
    const cases: [path: string, body: object, message: string][] = [
      [
        chat,
        { model, messages: hello, stop: [...'abcde'] },
        "Invalid 'stop': Too big: expected array to have <=4 items.",
      ],
      [chat, { model, messages: hello, stop: 5 }, `Invalid 'stop': ${list}.`],
      [chat, { model, messages: hello, tool_choice: 'never' }, `Invalid 'tool_choice': ${choice}.`],
      [chat, said('user', 5), `Invalid 'messages[0].content': ${list}.`],
      [chat, said('tool', {}), `Invalid 'messages[0].content': ${list}.`],
      [chat, { model, messages: [{ role: 'assistant', content: 5 }] }, `Invalid 'messages[0].content': ${list}.`],
      [responses, { model, input: 5 }, `Invalid 'input': ${list}.`],
      [responses, { model, input: 'x', tool_choice: 5 }, `Invalid 'tool_choice': ${choice}.`],
      [responses, items({ role: 'user', content: 5 }), `Invalid 'input[0].content': ${list}.`],
      [responses, items({ role: 'assistant', content: 5 }), `Invalid 'input[0].content': ${list}.`],
      [
        responses,
        items({ type: 'function_call_output', call_id: 'x', output: 5 }),
        `Invalid 'input[0].output': ${list}.`,
      ],
      ['/v1/embeddings', { input: 5 }, `Invalid 'input': ${list}.`],
      [
        '/v1/embeddings',
        { input: Array.from({ length: 2_049 }, () => 'x') },
        "Invalid 'input': Too big: expected array to have <=2048 items.",
      ],
    ]
    for (const [path, body, message] of cases) {
      const { status, error } = await post(path, body)
      assert.deepEqual([status, error['message']], [400, message], JSON.stringify(body).slice(0, 200))
    }
  })

  test('what is not supported, unknown or wrong is refused by name', async () => {
    const { post, calls } = await serve([])
    const chat = { model, messages: hello }
    const user = (content: unknown) => ({ messages: [{ role: 'user', content }] })
    const cases: [path: string, body: object, param: string | null, code: string][] = [
      ['chat/completions', { model }, 'messages', 'missing_required_parameter'],
      ['chat/completions', { ...chat, messages: [] }, 'messages', 'invalid_value'],
      [
        'chat/completions',
        { ...chat, messages: [{ role: 'clown', content: 'x' }] },
        'messages[0].role',
        'invalid_value',
      ],
      ['chat/completions', { ...chat, temperature: 'hot' }, 'temperature', 'invalid_type'],
      ['chat/completions', { ...chat, temperature: 3 }, 'temperature', 'invalid_value'],
      ['chat/completions', { ...chat, n: 17 }, 'n', 'invalid_value'],
      ['chat/completions', { ...chat, max_tokens: 0 }, 'max_tokens', 'invalid_value'],
      ['chat/completions', { ...chat, max_tokens: 1, max_completion_tokens: 2 }, 'max_tokens', 'invalid_value'],
      ['chat/completions', { ...chat, tempersture: 1 }, 'tempersture', 'unknown_parameter'],
      ['chat/completions', { ...chat, frequency_penalty: 0.5 }, 'frequency_penalty', 'unsupported_parameter'],
      ['chat/completions', { ...chat, logprobs: true }, 'logprobs', 'unsupported_parameter'],
      ['chat/completions', { ...chat, logit_bias: { 50: 1 } }, 'logit_bias', 'unsupported_parameter'],
      ['chat/completions', { ...chat, store: true }, 'store', 'unsupported_parameter'],
      ['chat/completions', { ...chat, modalities: ['text', 'audio'] }, 'modalities', 'unsupported_parameter'],
      ['chat/completions', { ...chat, functions: [{ name: 'f' }] }, 'functions', 'unsupported_parameter'],
      [
        'chat/completions',
        { ...chat, tools: [{ type: 'custom', custom: { name: 'c' } }] },
        'tools[0].type',
        'invalid_value',
      ],
      ['chat/completions', { ...chat, tools: [weather, weather] }, 'tools[1]', 'invalid_value'],
      ['chat/completions', { ...chat, tool_choice: 'required' }, 'tool_choice', 'invalid_value'],
      [
        'chat/completions',
        { ...chat, tools: [weather], tool_choice: { type: 'function', function: { name: 'x' } } },
        'tool_choice',
        'invalid_value',
      ],
      ['chat/completions', { ...chat, stream_options: { include_usage: true } }, 'stream_options', 'invalid_value'],
      ['chat/completions', { ...chat, ...user([{ type: 'video' }]) }, 'messages[0].content[0].type', 'invalid_value'],
      [
        'chat/completions',
        { ...chat, ...user([{ type: 'text', text: 'x', cache_control: {} }]) },
        'messages[0].content[0].cache_control',
        'unknown_parameter',
      ],
      [
        'chat/completions',
        { ...chat, ...user([{ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }]) },
        'messages[0].content[0].image_url.url',
        'invalid_value',
      ],
      [
        'chat/completions',
        { ...chat, ...user([{ type: 'image_url', image_url: { url: 'data:text/html;base64,aGk=' } }]) },
        'messages[0].content[0].image_url.url',
        'invalid_value',
      ],
      [
        'chat/completions',
        { ...chat, ...user([{ type: 'file', file: { file_id: 'f1' } }]) },
        'messages[0].content[0].file.file_data',
        'missing_required_parameter',
      ],
      [
        'chat/completions',
        { ...chat, messages: [{ role: 'tool', tool_call_id: 'c9', content: 'x' }] },
        'messages[0].tool_call_id',
        'invalid_value',
      ],
      ['chat/completions', [], null, 'invalid_type'],
      ['responses', { model }, 'input', 'missing_required_parameter'],
      ['responses', { model, input: [] }, 'input', 'invalid_value'],
      ['responses', { model, input: 'x', background: true }, 'background', 'unsupported_parameter'],
      ['responses', { model, input: 'x', conversation: 'conv_1' }, 'conversation', 'unsupported_parameter'],
      ['responses', { model, input: 'x', truncation: 'auto' }, 'truncation', 'unsupported_parameter'],
      ['responses', { model, input: 'x', tools: [{ type: 'web_search' }] }, 'tools[0].type', 'invalid_value'],
      ['responses', { model, input: 'x', include: ['message.output_text.logprobs'] }, 'include[0]', 'invalid_value'],
      ['responses', { model, input: [{ type: 'computer_call_output' }] }, 'input[0].type', 'unsupported_value'],
      [
        'responses',
        { model, input: [{ role: 'user', content: [{ type: 'input_image', file_id: 'f' }] }] },
        'input[0].content[0].image_url',
        'missing_required_parameter',
      ],
      [
        'responses',
        { model, input: [{ type: 'function_call_output', call_id: 'c9', output: 'x' }] },
        'input[0].call_id',
        'invalid_value',
      ],
      ['embeddings', { model: 'test/letters' }, 'input', 'missing_required_parameter'],
      ['embeddings', { model: 'test/letters', input: [] }, 'input', 'invalid_value'],
    ]
    for (const [path, body, param, code] of cases) {
      const { status, error } = await post(`/v1/${path}`, body)
      const said = { status, param: error['param'], code: error['code'], type: error['type'] }
      assert.deepEqual(said, { status: 400, param, code, type: 'invalid_request_error' }, JSON.stringify([body, error]))
      assert.equal(typeof error['message'], 'string')
    }
    assert.equal(calls.length, 0)
  })

  test('each failure is the class of error that the client has for it', async () => {
    const { client } = await serve(
      (call) => {
        const text = promptText(call.prompt)
        if (text.includes('break')) return { error: { statusCode: 400, message: 'the provider says no' } }
        if (text.includes('cut')) return { text: 'half', finishReason: 'error' }
        return 'fine'
      },
      {
        law: { rules: [{ id: 'no-secrets', effect: 'deny', call: 'generate', principal: 'eve' }] },
        limits: { processesLiveMax: 50 },
      },
    )
    const say = (who: string, content: string, more: object = {}) =>
      rejection(client(who).chat.completions.create({ model, messages: [{ role: 'user', content }], ...more }))
    const cases = [
      [say('un known', 'x'), OpenAI.AuthenticationError, 'invalid_api_key'],
      [say('guest', 'x'), OpenAI.PermissionDeniedError, 'access_denied'],
      [say('ada', 'x', { model: 'no/model' }), OpenAI.NotFoundError, 'model_not_found'],
      [say('ada', 'x', { temperature: 9 }), OpenAI.BadRequestError, 'invalid_value'],
      [say('ada', 'long '.repeat(90_000)), OpenAI.BadRequestError, 'context_length_exceeded'],
      [say('ada', 'break'), OpenAI.InternalServerError, 'driver_failed'],
      [say('ada', 'cut'), OpenAI.InternalServerError, 'driver_failed'],
      [say('eve', 'x'), OpenAI.PermissionDeniedError, 'access_denied'],
    ] as const
    for (const [promise, kind, code] of cases) {
      const error = await promise
      assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}, expected ${kind.name}`)
      assert.equal(error.code, code)
    }
  })

  test('a spent budget is a spent quota, and the client does not come again', async () => {
    const { client, calls } = await serve(['fine', 'fine'])
    const error = await rejection(
      client('ada', { maxRetries: 2 }).chat.completions.create(
        { model, messages: hello, max_tokens: 100 },
        { headers: { 'x-polity-budget-tokens': '20' } },
      ),
    )
    assert.ok(error instanceof OpenAI.RateLimitError)
    assert.equal(error.code, 'insufficient_quota')
    assert.equal(error.headers.get('x-should-retry'), 'false')
    assert.equal(calls.length, 0)
  })

  test('requests at once wait for what others have set aside of their budget, and none is refused', async () => {
    const { client, kernel, calls } = await serve(() => ({ text: 'fine', delayMs: 5 }))
    kernel.account('team', { tokens: 20_000 })
    const ask = () => client('team').chat.completions.create({ model, messages: hello })
    const answers = await Promise.all(Array.from({ length: 40 }, ask))
    assert.deepEqual(new Set(answers.map(({ choices }) => choices[0]?.finish_reason)), new Set(['stop']))
    // Nothing but these could have been shortened: each may be as long as if it were alone.
    assert.deepEqual(new Set(calls.map(({ maxOutputTokens }) => maxOutputTokens)), new Set([4_096]))
    assert.ok(kernel.account('team').used.outputTokens > 0)
  })

  test('a machine that is full is a rate limit, with the time to come again', async () => {
    const { client, post } = await serve([{ hang: true }], { limits: { coreQueueMax: 1, coreSlotsInitial: 1 } })
    const gone = new AbortController()
    const open = [1, 2].map(() =>
      client()
        .chat.completions.create({ model, messages: hello }, { signal: gone.signal })
        .catch(() => {}),
    )
    let refused: Awaited<ReturnType<typeof post>> | undefined
    for (let i = 0; i < 50 && refused === undefined; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      const early = await Promise.race([
        post('/v1/chat/completions', { model, messages: hello }),
        new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 200)),
      ])
      if (early?.status === 429) refused = early
    }
    assert.equal(refused?.error['code'], 'rate_limit_exceeded')
    assert.equal(refused?.headers.get('retry-after'), '1')
    assert.equal(refused?.headers.get('x-should-retry'), 'true')
    gone.abort()
    await Promise.all(open)
  })

  test('an error in the middle of a stream reaches the client as an error', async () => {
    const { client } = await serve((_call, i) =>
      i < 2 ? { text: 'half of it', error: { statusCode: 400, message: 'gone' } } : 'x',
    )
    const chat = await client().chat.completions.create({ model, messages: hello, stream: true })
    let text = ''
    const error = await rejection(
      (async () => {
        for await (const { choices } of chat) text += choices[0]?.delta.content ?? ''
      })(),
    )
    assert.equal(text, 'half of it')
    assert.equal(error.code, 'driver_failed')
    assert.equal((error.error as { readonly retryable?: unknown }).retryable, false)
    const types: string[] = []
    const failed = await rejection(
      (async () => {
        for await (const event of await client().responses.create({ model, input: 'x', stream: true })) {
          types.push(event.type)
          if (event.type === 'response.failed')
            assert.equal((event.response.error as { readonly retryable?: unknown } | null)?.retryable, false)
        }
      })(),
    )
    assert.equal(types.at(-1), 'response.failed')
    assert.match(failed.message, /gone/)
    assert.equal((failed.error as { readonly retryable?: unknown }).retryable, false)
  })

  test('an error in the middle of a stream says whether the same may succeed later, as the body of an answer does', async () => {
    const { client } = await serve([{ text: 'half of it', hang: true }, { hang: true }], {
      limits: { generateMs: 80, generateTriesMax: 1 },
    })
    const told = async (promise: Promise<unknown>): Promise<unknown> => {
      const { code, error } = await rejection(promise)
      return [code, (error as { readonly retryable?: unknown }).retryable]
    }
    const streamed = (async () => {
      for await (const chunk of await client().chat.completions.create({ model, messages: hello, stream: true }))
        void chunk
    })()
    assert.deepEqual(await told(streamed), ['driver_timeout', true])
    assert.deepEqual(await told(client().chat.completions.create({ model, messages: hello })), ['driver_timeout', true])
  })

  test('an error before the first word of a stream has its own status', async () => {
    const { client } = await serve([])
    for (const promise of [
      client().chat.completions.create({ model: 'no/model', messages: hello, stream: true }),
      client().responses.create({ model: 'no/model', input: 'x', stream: true }),
    ]) {
      const error = await rejection(promise)
      assert.ok(error instanceof OpenAI.NotFoundError)
      assert.equal(error.code, 'model_not_found')
    }
  })

  test('one stream too many is a rate limit, and its model call ends', async () => {
    const signals: (AbortSignal | undefined)[] = []
    const { client } = await serve(
      ({ abortSignal }) => {
        signals.push(abortSignal)
        return { text: 'a word', hang: true }
      },
      { serverLimits: { streamsPerPrincipalMax: 1 } },
    )
    const open = await client().chat.completions.create({ model, messages: hello, stream: true })
    const error = await rejection(client().chat.completions.create({ model, messages: hello, stream: true }))
    assert.ok(error instanceof OpenAI.RateLimitError)
    assert.deepEqual(
      signals.map((signal) => signal?.aborted),
      [false, true],
    )
    open.controller.abort()
  })

  test('a stream whose model says nothing for ten seconds begins all the same', async () => {
    const { client } = await serve([{ hang: true }], { doorClock: simulatedClock() })
    const stream = await client().chat.completions.create({ model, messages: hello, stream: true })
    for await (const { choices } of stream) {
      assert.equal(choices[0]?.delta.role, 'assistant')
      break
    }
  })

  test('an answer that a driver began anew is not passed off as one', async () => {
    const { client } = await serve(
      [{ text: 'the first try', error: { statusCode: 503, message: 'gone' } }, 'another try'],
      { limits: { generateBackoffMs: 1 } },
    )
    const stream = await client().chat.completions.create({ model, messages: hello, stream: true })
    const error = await rejection(
      (async () => {
        for await (const chunk of stream) void chunk
      })(),
    )
    assert.equal(error.code, 'driver_failed')
  })
})

// ------------------------------------------------------------------------------------------------------- open streams

test('an open stream holds less than 32 kB, both ends of its connection with it', async () => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const heap = async (): Promise<number> => {
    for (let time = 0; time < 4; time++) {
      gc()
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
    return process.memoryUsage().heapUsed
  }
  const open: ReadableStreamDefaultController<LanguageModelV4StreamPart>[] = []
  const kernel = createKernel({
    store: memoryStore(),
    models: {
      [model]: {
        specificationVersion: 'v4',
        provider: 'test',
        modelId: 'model',
        supportedUrls: {},
        capabilities: { slots: 1_000 },
        doGenerate: () => Promise.reject(new Error('it streams')),
        doStream: async () => ({
          stream: new ReadableStream({
            start(controller) {
              open.push(controller)
              controller.enqueue({ type: 'text-start', id: '0' })
              controller.enqueue({ type: 'text-delta', id: '0', delta: 'piece ' })
            },
          }),
        }),
      },
    },
  })
  const server = await startServer({
    doors: [openaiDoor({ models: createModelDoor(kernel) })],
    port: 0,
    authenticate: () => ({ principal: 'ada', scopes: new Set(['models']), key: null }),
  })
  ends.push(async () => {
    await server.close()
    await kernel.close()
  })
  const body = JSON.stringify({ model, messages: hello, tools: [weather], stream: true })
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`
  let heard = 0
  const sockets: Socket[] = []
  const openMore = async (count: number): Promise<void> => {
    const until = heard + count
    for (let i = 0; i < count; i++) {
      const socket = connect(server.port, '127.0.0.1', () => void socket.write(head + body))
      socket.on('data', (bytes) => void (heard += bytes.toString('latin1').split('piece ').length - 1))
      sockets.push(socket)
    }
    while (heard < until) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  // The first compile, and make what all share.
  await openMore(100)
  const before = await heap()
  await openMore(200)
  const held = ((await heap()) - before) / 200
  for (const socket of sockets) socket.destroy()
  for (const controller of open) controller.error(new Error('over'))
  assert.ok(held < 32_000, `${Math.round(held)} bytes a stream`)
})

// ------------------------------------------------------------------------------------------------- kernel and gateway

describe('the kernel behind the gateway', () => {
  for (const way of ['chat', 'responses'] as const)
    test(`a client that goes away (${way}) stops its model call within 100 ms, and its process`, async () => {
      let signal: AbortSignal | undefined
      const { client, kernel } = await serve((call) => {
        signal = call.abortSignal
        return { text: 'a word', hang: true }
      })
      const stream =
        way === 'chat'
          ? await client().chat.completions.create({ model, messages: hello, stream: true })
          : await client().responses.create({ model, input: 'hello', stream: true })
      for await (const event of stream) {
        void event
        break
      }
      stream.controller.abort()
      const aborted = new Promise<void>((resolve) => {
        if (signal?.aborted === true) resolve()
        else signal?.addEventListener('abort', () => resolve())
      })
      await within(100, aborted, 'the model call')
      assert.deepEqual(
        kernel.ps().map(({ state }) => state),
        ['killed'],
      )
    })

  test('a client that gives up waiting for a whole answer stops its model call', async () => {
    let signal: AbortSignal | undefined
    const called = Promise.withResolvers<void>()
    const { client } = await serve((call) => {
      signal = call.abortSignal
      called.resolve()
      return { hang: true }
    })
    const gone = new AbortController()
    const answer = client().chat.completions.create({ model, messages: hello }, { signal: gone.signal })
    await called.promise
    const aborted = new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()))
    gone.abort()
    await assert.rejects(answer, OpenAI.APIUserAbortError)
    await within(100, aborted, 'the model call')
  })

  const law: Law = {
    rules: [
      { id: 'no-oslo', effect: 'deny', tool: 'weather', args: { city: { const: 'Oslo' } }, reason: 'Oslo is secret' },
      { id: 'weather', effect: 'allow', tool: 'weather' },
    ],
  }

  test('a call that the law holds back is never seen; its name and the reason are told beside the answer', async () => {
    const answer = { text: 'looking', toolCalls: [askWeather('Rome', 'c1'), askWeather('Oslo', 'c2')] }
    const { client, calls } = await serve([answer, answer, answer, 'then without'], { law })
    const { data, response } = await client()
      .chat.completions.create({ model, messages: hello, tools: [weather] })
      .withResponse()
    assert.deepEqual(
      data.choices[0]?.message.tool_calls?.map(({ id }) => id),
      ['c1'],
    )
    assert.equal(response.headers.get('x-polity-denied'), 'weather')
    const [denied] = polityOf(data).denied
    assert.equal(denied?.name, 'weather')
    assert.equal(denied?.code, 'ACCESS_DENIED')
    assert.match(denied?.reason ?? '', /Oslo is secret/)
    assert.ok(!JSON.stringify({ ...data, polity: null }).includes('Oslo'))

    let sse = ''
    const stream = await client().chat.completions.create({ model, messages: hello, tools: [weather], stream: true })
    for await (const chunk of stream) sse += JSON.stringify({ ...chunk, polity: null })
    assert.ok(sse.includes('Rome') && !sse.includes('Oslo'))

    const tools: OpenAI.Responses.FunctionTool[] = [
      { type: 'function', name: 'weather', parameters: weather.function.parameters, strict: false },
    ]
    const said = await client().responses.create({ model, input: 'x', tools })
    assert.ok(!JSON.stringify({ ...said, polity: null }).includes('Oslo'))
    const next = await client().responses.create({
      model,
      previous_response_id: said.id,
      input: [{ type: 'function_call_output', call_id: 'c1', output: 'sunny' }],
    })
    assert.equal(next.output_text, 'then without')
    assert.ok(
      !JSON.stringify(calls[3]?.prompt).includes('Oslo'),
      'a call without a result would be refused by providers',
    )
  })

  test('an answer of which no call was let through is asked again, and its end is no call', async () => {
    const answer = { toolCalls: [askWeather('Oslo')] }
    const { client, calls } = await serve([answer, 'I may not look at Oslo', answer, answer, answer], { law })
    const ask = () => client().chat.completions.create({ model, messages: hello, tools: [weather] })
    const first = await ask()
    assert.equal(first.choices[0]?.message.content, 'I may not look at Oslo')
    assert.equal(first.choices[0]?.finish_reason, 'stop')
    assert.equal(polityOf(first).denied.length, 1)
    const second = await ask()
    assert.deepEqual(
      [second.choices[0]?.finish_reason, second.choices[0]?.message.content, second.choices[0]?.message.tool_calls],
      ['stop', '', undefined],
    )
    assert.equal(calls.length, 5)
  })

  test('requests that name the same run stand before the law as one; another’s run of that name is another', async () => {
    const { client } = await serve(
      ({ prompt }) => (prompt.at(-1)?.role === 'tool' ? 'enough' : { toolCalls: [askWeather('Rome')] }),
      { law: { rules: [{ id: 'once', effect: 'allow', tool: 'weather', then: { drop: ['once'] } }] } },
    )
    const ask = async (who: string, run?: string) => {
      const headers = run === undefined ? {} : { 'x-polity-run': run }
      const body = { model, messages: hello, tools: [weather] }
      const { choices } = await client(who).chat.completions.create(body, { headers })
      return choices[0]?.finish_reason
    }
    assert.equal(await ask('ada', 'job'), 'tool_calls')
    assert.equal(await ask('ada', 'job'), 'stop')
    assert.equal(await ask('ada', 'other job'), 'tool_calls')
    assert.equal(await ask('ada'), 'tool_calls')
    assert.equal(await ask('bob', 'job'), 'tool_calls')
  })

  test('terms in headers hold: priority and budget; a bad one is refused', async () => {
    const { client, kernel } = await serve(['a', 'b', 'c'])
    const ask = (headers: Record<string, string>, who = 'ada') =>
      client(who).chat.completions.create({ model, messages: hello }, { headers })
    const answer = await ask({
      'x-polity-run': 'job-1',
      'x-polity-priority': '5',
      'x-polity-deadline-ms': '2000',
      'x-polity-budget-tokens': '100000',
      'x-polity-budget-usd': '0.5',
    }).catch((error: unknown) => error)
    // The scripted model has no price, so that a ceiling in dollars cannot be kept.
    assert.ok(answer instanceof OpenAI.RateLimitError)
    await ask({ 'x-polity-run': 'job-1', 'x-polity-priority': '5', 'x-polity-budget-tokens': '100000' })
    const info = kernel.ps().at(-1)
    assert.equal(info?.priority, 5)
    assert.equal(info?.budget.tokens, 100_000)
    await ask({ 'x-polity-priority': '9' }, 'bob')
    assert.equal(kernel.ps().at(-1)?.priority, 3, 'no higher than the key allows')
    for (const [name, value] of [
      ['x-polity-priority', 'high'],
      ['x-polity-deadline-ms', '-1'],
      ['x-polity-budget-tokens', '1.5'],
      ['x-polity-budget-usd', '0'],
      ['x-polity-run', 'x'.repeat(201)],
    ] as const) {
      const error = await rejection(ask({ [name]: value }))
      assert.deepEqual([error.status, error.param], [400, name])
    }
  })

  test('a term that is misspelt is refused with what was meant, and begins nothing', async () => {
    const { client, kernel } = await serve(['a'])
    const requests = (headers: Record<string, string>) => [
      client().chat.completions.create({ model, messages: hello }, { headers }),
      client().chat.completions.create({ model, messages: hello, stream: true }, { headers }),
      client().responses.create({ model, input: 'hello' }, { headers }),
      client().embeddings.create({ model: 'test/letters', input: 'a' }, { headers }),
    ]
    for (const [name, meant] of [
      ['x-polity-budget-token', 'x-polity-budget-tokens'],
      ['X-Polity-Budgets-USD', 'x-polity-budget-usd'],
      ['x-polity-temperature', undefined],
    ] as const) {
      for (const error of await Promise.all(requests({ [name]: '20', 'x-polity-run': 'job' }).map(rejection))) {
        assert.deepEqual([error.status, error.code, error.param], [400, 'unknown_parameter', name.toLowerCase()])
        assert.match(error.message, /there is x-polity-run, x-polity-priority, x-polity-deadline-ms, x-polity-budget-/)
        assert.equal(/Did you mean (\S+)\?/.exec(error.message)?.[1], meant)
      }
    }
    assert.deepEqual(kernel.ps(), [])
    // What an answer says is no term; who passes a request on may send it.
    await client().chat.completions.create(
      { model, messages: hello },
      { headers: { 'x-polity-pid': '1', 'x-polity-denied': 'x' } },
    )
  })

  test('the ceilings and the priority hold for vectors too', async () => {
    const { client, kernel } = await serve([])
    const headers = { 'x-polity-budget-tokens': '1', 'x-polity-priority': '5', 'x-polity-run': 'job' }
    const ask = (input: string) => client().embeddings.create({ model: 'test/letters', input }, { headers })
    await ask('a')
    assert.equal(kernel.ps()[0]?.priority, 5)
    const error = await rejection(ask('a longer text, of more tokens than one'))
    assert.deepEqual([error.status, error.code], [429, 'insufficient_quota'])
  })
})
