/**
 * The door for agents of AIOS, by what AIOS's own SDK sends: the bodies below have its fields, in its order, over real HTTP
 * on real kernels; only the models are scripted. The wire contract was captured from AIOS and is written down case by case.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'
import { z } from 'zod'
import type { Script } from '../src/drivers/llm/scripted.ts'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { realClock } from '../src/kernel/clock.ts'
import type { Kernel, KernelOptions } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import { defineTool } from '../src/kernel/tools.ts'
import type { Json, Program, Tool } from '../src/kernel/types.ts'
import type { Law } from '../src/policy/law.ts'
import { aiosDoor, aiosPrograms } from '../src/server/aios/door.ts'
import { createKey } from '../src/server/keys.ts'
import { createModelDoor } from '../src/server/model-door.ts'
import { serve } from '../src/server/serve.ts'

// -------------------------------------------------------------------------------------------------------------- worlds

interface Reply {
  readonly status: number
  /** The body as it came: the order of its keys counts. */
  readonly text: string
  // oxlint-disable-next-line typescript/no-explicit-any -- what came over the wire
  readonly json: any
}

interface Served {
  readonly kernel: Kernel
  readonly url: string
  readonly calls: readonly LanguageModelV4CallOptions[]
  get(path: string, key?: string): Promise<Reply>
  post(path: string, body: unknown, key?: string): Promise<Reply>
  query(body: unknown, key?: string): Promise<Reply>
  close(): Promise<void>
}

async function until(isSo: () => boolean): Promise<void> {
  for (let turn = 0; !isSo(); turn++) {
    assert(turn < 2_000, 'it did not come to that within two seconds')
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

const folder = mkdtempSync(join(tmpdir(), 'polity-aios-'))
const ends: (() => Promise<void>)[] = []
after(async () => {
  await Promise.all(ends.map((end) => end()))
  rmSync(folder, { recursive: true })
})
let stores = 0
const storePath = (): string => join(folder, `${stores++}.db`)

async function world(
  script: Script,
  {
    store = storePath(),
    sqlite = false,
    programs = [],
    ...options
  }: { store?: string; sqlite?: boolean; programs?: readonly Program[] } & Partial<Omit<KernelOptions, 'store'>> = {},
): Promise<Served> {
  const model = scripted(script, { clock: realClock() })
  const kernel = createKernel({
    store: sqlite ? openSqliteStore(store) : memoryStore(),
    models: { 'test/model': model, 'other/small': model, plain: model },
    programs: [...aiosPrograms, ...programs],
    ...options,
  })
  const door = aiosDoor({ kernel, models: createModelDoor(kernel), programs, prefix: '/aios' })
  const server = await serve({ kernel, doors: [door], store, port: 0 })
  const url = `${server.url}/aios`
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => (closed ??= server.close().then(() => kernel.close()))
  ends.push(close)
  async function send(path: string, init: RequestInit, key: string | undefined): Promise<Reply> {
    // As `requests` sends http://:key@host.
    const basic = key === undefined ? {} : { authorization: `Basic ${Buffer.from(`:${key}`).toString('base64')}` }
    const response = await fetch(url + path, {
      ...init,
      headers: { 'content-type': 'application/json', ...basic },
    })
    const text = await response.text()
    return { status: response.status, text, json: text.startsWith('<') ? null : JSON.parse(text) }
  }
  const post = (path: string, body: unknown, key?: string): Promise<Reply> =>
    send(path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }, key)
  return {
    kernel,
    url,
    calls: model.calls,
    get: (path, key) => send(path, {}, key),
    post,
    query: (body, key) => post('/query', body, key),
    close,
  }
}

// ------------------------------------------------------------------------------------------------------------- the SDK

type Body = { readonly [key: string]: unknown }
type Messages = readonly Body[]

const query = (type: string, agent: string, data: Body): Body => ({
  query_type: type,
  agent_name: agent,
  query_data: data,
})
const llm = (agent: string, messages: Messages, more: Body = {}): Body =>
  query('llm', agent, {
    query_class: 'llm',
    llms: null,
    messages,
    tools: null,
    action_type: 'chat',
    temperature: 1.0,
    max_new_tokens: 1000,
    message_return_type: 'text',
    response_format: null,
    ...more,
  })
const memory = (agent: string, operation_type: string, params: Body): Body =>
  query('memory', agent, { query_class: 'memory', operation_type, params })
const storage = (agent: string, operation_type: string, params: Body): Body =>
  query('storage', agent, { query_class: 'storage', params, operation_type })

/** What the functions of Cerebrum send. */
const sdk = {
  llm_chat: (agent: string, messages: Messages, llms: unknown = null) => llm(agent, messages, { llms }),
  llm_chat_with_json_output: (agent: string, messages: Messages, response_format: unknown = null) =>
    llm(agent, messages, {
      tools: [],
      action_type: 'chat_with_json_output',
      message_return_type: 'json',
      response_format,
    }),
  llm_chat_with_tool_call_output: (agent: string, messages: Messages, tools: unknown) =>
    llm(agent, messages, { tools, action_type: 'chat_with_tool_call_output' }),
  llm_call_tool: (agent: string, messages: Messages, tools: unknown) =>
    llm(agent, messages, { tools, action_type: 'call_tool' }),
  llm_operate_file: (agent: string, messages: Messages, tools: unknown = null) =>
    llm(agent, messages, { tools, action_type: 'operate_file' }),
  create_memory: (agent: string, content: string, metadata: Body = {}) =>
    memory(agent, 'add_memory', { content, metadata }),
  create_agentic_memory: (agent: string, content: string, metadata: Body = {}) =>
    memory(agent, 'add_agentic_memory', { content, metadata }),
  get_memory: (agent: string, memory_id: string) => memory(agent, 'get_memory', { memory_id }),
  update_memory: (agent: string, memory_id: string, content: string | null, metadata?: Body) =>
    memory(agent, 'update_memory', { memory_id, ...(metadata === undefined ? {} : { metadata }), content }),
  delete_memory: (agent: string, memory_id: string) => memory(agent, 'remove_memory', { memory_id }),
  search_memories: (agent: string, content: string, k = 5) => memory(agent, 'retrieve_memory', { content, k }),
  mount: (agent: string, root_dir: string) => storage(agent, 'mount', { root_dir }),
  retrieve_file: (agent: string, query_text: string, n: number, keywords: unknown = null) =>
    storage(agent, 'retrieve', { query_text, n, keywords }),
  create_file: (agent: string, file_path: string) => storage(agent, 'create_file', { file_path }),
  create_dir: (agent: string, dir_path: string) => storage(agent, 'create_dir', { dir_path }),
  write_file: (agent: string, file_path: string, content: string) => storage(agent, 'write', { file_path, content }),
  rollback_file: (agent: string, file_path: string, n: number) => storage(agent, 'rollback', { file_path, n }),
  share_file: (agent: string, file_path: string) => storage(agent, 'share', { file_path }),
  call_tool: (agent: string, tool_calls: unknown) => query('tool', agent, { query_class: 'tool', tool_calls }),
}

const hello: Messages = [{ role: 'user', content: 'Hello' }]

/** Bytes of an envelope, its times counted: how many steps it tells of. */
function envelope(response: unknown, steps: number): string {
  const times = Array.from({ length: steps }, () => 0)
  return JSON.stringify({
    response,
    start_times: times,
    end_times: times,
    waiting_times: times,
    turnaround_times: times,
  })
}
function counted({ text }: Reply): string {
  return text.replaceAll(
    /(_times":\[)([^\]]*)/g,
    (_, before: string, times: string) => before + times.replaceAll(/[^,]+/g, '0'),
  )
}
const llmResponse = (fields: Body): Body => ({
  response_class: 'llm',
  response_message: null,
  tool_calls: null,
  finished: true,
  error: null,
  status_code: 200,
  ...fields,
})
const memoryResponse = (fields: Body): Body => ({
  response_class: 'memory',
  memory_id: null,
  content: null,
  metadata: null,
  search_results: null,
  success: true,
  error: null,
  ...fields,
})
const storageResponse = (response_message: string): Body => ({
  response_class: 'storage',
  response_message,
  finished: true,
  error: null,
  status_code: 200,
})
const said = ({ json }: Reply): string => json.response.response_message

const openaiTool = (name: string): Body => ({
  type: 'function',
  function: {
    name,
    description: `The tool ${name}`,
    parameters: { type: 'object', properties: { a: { type: 'number' }, b: { type: 'number' } } },
  },
})
const adder = defineTool({
  name: 'adder',
  description: 'Adds',
  effect: 'read',
  inputSchema: z.object({ a: z.number(), b: z.number() }),
  execute: ({ a, b }) => {
    if (a === 13) throw new Error('not thirteen')
    return a + b
  },
}) as unknown as Tool
const last = (call: LanguageModelV4CallOptions | undefined): string => promptText(call?.prompt.slice(-1) ?? [])

// -------------------------------------------------------------------------------------------------------------- models

describe('model queries', () => {
  test('chat: the text, in AIOS’s envelope', async () => {
    const { query: ask } = await world(['Hi there'])
    const reply = await ask(sdk.llm_chat('demo', hello))
    assert.equal(reply.status, 200)
    assert.equal(counted(reply), envelope(llmResponse({ response_message: 'Hi there' }), 1))
  })

  test('temperature, length and the form of the answer reach the model, which AIOS drops', async () => {
    const { query: ask, calls } = await world(() => '{"city":"Oslo"}')
    await ask(llm('demo', hello, { temperature: 0.25, max_new_tokens: 77 }))
    await ask(llm('demo', hello, { llms: [{ name: 'model', backend: 'test', temperature: 0.5, max_new_tokens: 5 }] }))
    const schema = { type: 'object', properties: { city: { type: 'string' } } }
    const form = { type: 'json_schema', json_schema: { name: 'place', schema } }
    const reply = await ask(sdk.llm_chat_with_json_output('demo', hello, form))
    await ask(sdk.llm_chat_with_json_output('demo', hello))
    assert.equal(said(reply), '{"city":"Oslo"}')
    assert.deepEqual(
      calls.map(({ temperature, maxOutputTokens, responseFormat }) => [
        temperature,
        maxOutputTokens,
        responseFormat?.type === 'json' ? responseFormat.schema : null,
      ]),
      [
        [0.25, 77, null],
        [0.5, 5, null],
        [1, 1000, schema],
        [1, 1000, { type: 'object' }],
      ],
    )
  })

  test('tool calls come back under the names that the client wrote, beside the text, which AIOS loses', async () => {
    const { query: ask, calls } = await world([
      { text: 'Let me see.', toolCalls: [{ name: 'author__add__up', input: { a: 1, b: 2 }, id: 'c1' }] },
      'No tool is needed.',
    ])
    const tools = [openaiTool('author/add__up')]
    const called = await ask(sdk.llm_chat_with_tool_call_output('demo', hello, tools))
    const call = { name: 'author/add__up', parameters: { a: 1, b: 2 }, id: 'c1' }
    assert.equal(counted(called), envelope(llmResponse({ response_message: 'Let me see.', tool_calls: [call] }), 1))
    const history = [
      ...hello,
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c1', content: '3' },
    ]
    const plain = await ask(sdk.llm_chat_with_tool_call_output('demo', history, tools))
    assert.equal(counted(plain), envelope(llmResponse({ response_message: 'No tool is needed.', tool_calls: [] }), 1))
    assert.match(promptText(calls[1]?.prompt ?? []), /author__add__up/)
  })

  test('a provider that fails is an answer with the error inside; so is a model that is not there', async () => {
    const { query: ask } = await world([{ error: { statusCode: 401, message: 'wrong key' } }])
    const failed = await ask(sdk.llm_chat('demo', hello))
    assert.equal(failed.status, 200)
    assert.equal(failed.json.response.status_code, 401)
    assert.match(failed.json.response.error, /wrong key/)
    assert.equal(failed.json.response.finished, true)
    const absent = await ask(sdk.llm_chat('demo', hello, [{ name: 'model', backend: 'test' }, { name: 'absent' }]))
    const error = 'Selected LLMs are not all available. Please check the available LLMs.'
    assert.equal(counted(absent), envelope(llmResponse({ error, status_code: 500 }), 0))
  })

  test('llms are named by backend or by provider, listed so that they can be sent back, and tried in their order', async () => {
    const {
      query: ask,
      get,
      post,
    } = await world((call) => (last(call).includes('fail') ? { error: { statusCode: 500, isRetryable: false } } : 'ok'))
    const { json } = await get('/core/llms/list')
    assert.deepEqual(json, {
      status: 'success',
      llms: [
        { name: 'model', backend: 'test', provider: 'test' },
        { name: 'small', backend: 'other', provider: 'other' },
        { name: 'plain', backend: 'polity', provider: 'polity' },
      ],
    })
    for (const choice of [...json.llms, { name: 'small' }, { name: 'small', provider: 'other' }])
      assert.equal(said(await ask(sdk.llm_chat('demo', hello, [choice]))), 'ok')
    assert.equal(
      (await ask(sdk.llm_chat('demo', hello, [{ name: 'small', backend: 'test' }]))).json.response.status_code,
      500,
    )

    assert.deepEqual((await get('/user/selected/llms')).json, { status: 'warning', message: 'No LLM selected' })
    assert.deepEqual((await post('/user/select/llms', [])).json, { status: 'warning', message: 'No LLM selected' })
    assert.deepEqual((await post('/user/select/llms', [{ name: 'small', provider: 'other' }])).json, {
      status: 'success',
      message: 'LLMs [other/small] selected',
    })
    assert.equal((await post('/user/select/llms', [{ name: 'absent' }])).json.status, 'warning')
    assert.deepEqual((await get('/user/selected/llms')).json, {
      status: 'success',
      message: 'LLM [other/small] selected',
    })
  })

  test('call_tool runs what the model chose, every call of it, and says so where it chose nothing', async () => {
    const { query: ask } = await world(
      [
        { toolCalls: [{ name: 'author__adder', input: { a: 1, b: 2 } }] },
        {
          toolCalls: [
            { name: 'author__adder', input: { a: 1, b: 2 } },
            { name: 'author__adder', input: { a: 3, b: 4 } },
          ],
        },
        'I would rather not.',
      ],
      { tools: [adder] },
    )
    const tools = [openaiTool('author/adder')]
    const tool = { response_class: 'tool', response_message: '3', finished: true, error: null, status_code: 200 }
    assert.equal(counted(await ask(sdk.llm_call_tool('demo', hello, tools))), envelope(tool, 2))
    assert.equal(said(await ask(sdk.llm_call_tool('demo', hello, tools))), '["3","7"]')
    const none = await ask(sdk.llm_call_tool('demo', hello, tools))
    assert.equal(
      none.text,
      '{"response_class":"tool","response_message":"No tool was called by LLM","finished":false,"error":null,"status_code":200}',
    )
  })

  test('a client’s description of a tool that the kernel holds does not stand in its way', async () => {
    const { query: ask } = await world([{ toolCalls: [{ name: 'adder', input: { a: 2, b: 2 } }] }], { tools: [adder] })
    assert.equal(said(await ask(sdk.llm_call_tool('demo', hello, [openaiTool('adder')]))), '4')
  })

  test('operate_file does what is asked in plain words, and answers with a bare text', async () => {
    const { query: ask, calls } = await world([
      {
        toolCalls: [
          { name: 'create_file', input: { file_path: 'a.txt' } },
          { name: 'write', input: { file_path: 'a.txt', content: 'the plan' } },
        ],
      },
      'I made a.txt and wrote the plan.',
      'There is nothing to do.',
    ])
    const reply = await ask(sdk.llm_operate_file('demo', [{ role: 'user', content: 'write the plan to a.txt' }]))
    assert.equal(reply.text, '"I made a.txt and wrote the plan."')
    assert.match(last(calls[1]), /created successfully at: a\.txt[\s\S]*written to file: a\.txt/)
    assert.match(said(await ask(sdk.retrieve_file('demo', 'plan', 3))), /the plan/)
    assert.equal((await ask(sdk.llm_operate_file('demo', hello))).text, '"There is nothing to do."')
  })

  test('the times are those of the model call, waiting for a slot included', async () => {
    const model = scripted(() => ({ text: 'ok', delayMs: 100 }), {
      clock: realClock(),
      capabilities: { slots: 1 },
    })
    const { query: ask, kernel } = await world([], { models: { model } })
    const before = Date.now() / 1000
    const replies = await Promise.all([1, 2].map((i) => ask(sdk.llm_chat(`agent ${i}`, hello))))
    const took = replies.map(({ json }) => ({
      start: json.start_times[0] as number,
      end: json.end_times[0] as number,
      waiting: json.waiting_times[0] as number,
      turnaround: json.turnaround_times[0] as number,
    }))
    took.sort((a, b) => a.waiting - b.waiting)
    const [first, second] = took as [(typeof took)[0], (typeof took)[0]]
    for (const { start, end, waiting, turnaround } of took) {
      assert(start - waiting >= before - 0.01 && end <= Date.now() / 1000 + 0.01)
      assert(Math.abs(end - start + waiting - turnaround) < 1e-4, 'waiting and service make the turnaround')
      assert(end - start >= 0.095 && end - start < 0.2, `service took ${end - start}`)
    }
    assert(first.waiting < 0.02, `the first waited ${first.waiting}`)
    assert(second.waiting > 0.06 && second.start >= first.end - 0.01, `the second waited ${second.waiting}`)
    const ended = (await Promise.all(kernel.ps().map(({ pid }) => kernel.events(pid)))).flat()
    const journal = ended.filter((event) => event.type === 'call-end' && event.usage !== undefined)
    assert.deepEqual(took.map(({ end }) => end).toSorted(), journal.map(({ at }) => at / 1000).toSorted())
  })

  test('a call of 50 ms behind one of 6 s is answered within 100 ms, and a client that goes away ends its call', async () => {
    const {
      query: ask,
      url,
      kernel,
    } = await world((call) => ({
      text: 'ok',
      delayMs: last(call).includes('long') ? 6_000 : 50,
    }))
    await ask(sdk.llm_chat('short', hello))
    const gone = new AbortController()
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify(sdk.llm_chat('long', [{ role: 'user', content: 'long' }]))
    const long = fetch(`${url}/query`, { method: 'POST', headers, body, signal: gone.signal }).catch(() => 'gone')
    const runs = (): boolean => kernel.ps().some(({ state }) => state === 'running')
    await until(runs)
    // The best of three: another process may hold the machine for one.
    let took = Infinity
    for (let i = 0; i < 3; i++) {
      const started = performance.now()
      assert.equal(said(await ask(sdk.llm_chat('short', hello))), 'ok')
      took = Math.min(took, performance.now() - started)
    }
    assert(took < 100, `it took ${took} ms`)
    gone.abort()
    assert.equal(await long, 'gone')
    await until(() => !runs())
    assert.deepEqual(
      kernel
        .ps()
        .map(({ state }) => state)
        .toSorted(),
      ['done', 'done', 'done', 'done', 'killed'],
    )
  })

  test('what a model or a program put into a call is not what the user asked for', async () => {
    const law: Law = { rules: [{ id: 'asked', effect: 'allow', tool: 'adder', origins: { a: 'request' } }] }
    const { query: ask } = await world(() => ({ toolCalls: [{ name: 'adder', input: { a: 41, b: 1 } }] }), {
      law,
      tools: [adder],
    })
    const status = async (body: object): Promise<number> => (await ask(body)).json.response.status_code
    assert.equal(await status(sdk.call_tool('demo', [{ name: 'adder', parameters: { a: 41, b: 1 } }])), 403)
    assert.equal(await status(sdk.llm_call_tool('demo', hello, [openaiTool('adder')])), 403)
    const notes = await world([], {
      law: {
        rules: [
          { id: 'asked', effect: 'allow', call: 'remember', origins: { text: 'request' } },
          { id: 'no', effect: 'deny', call: 'remember' },
        ],
      },
    })
    const made = (await notes.query(sdk.create_memory('demo', 'a web page said so', {}))).json.response
    assert.equal(made.success, false)
    assert.match(made.error, /rule no/)
  })

  test('a file space hears its own requests, and not who may only send to runs', async () => {
    const { query: ask, kernel } = await world([])
    await ask(sdk.write_file('demo', 'a.txt', 'SECRET'))
    const space = kernel.ps().find(({ program }) => program === 'aios-files')?.pid ?? 0
    kernel.send(space, { call: 'read', args: ['a.txt'] })
    kernel.send(space, { call: 'write', args: ['a.txt', 'PWNED'] })
    await ask(storage('demo', 'create_file', { file_path: 'b.txt' }))
    const events = JSON.stringify((await kernel.events(space)).filter(({ type }) => type === 'call-start'))
    assert.ok(!events.includes('PWNED') && !/"call":"read","args":\{"path":"a.txt"/.test(events))
  })

  test('what the law denies is not called, and the client is told', async () => {
    const law = { default: 'deny', rules: [{ effect: 'allow', tool: 'looks' }] } as unknown as Law
    const { query: ask } = await world(() => ({ toolCalls: [{ name: 'adder', input: { a: 1, b: 2 } }] }), { law })
    const { response } = (await ask(sdk.llm_chat_with_tool_call_output('demo', hello, [openaiTool('adder')]))).json
    assert.deepEqual([response.tool_calls, response.response_message, response.status_code], [[], null, 403])
    assert.match(response.error, /adder/)
    const called = (await ask(sdk.llm_call_tool('demo', hello, [openaiTool('adder')]))).json.response
    assert.deepEqual([called.response_class, called.status_code], ['tool', 403])
  })
})

// -------------------------------------------------------------------------------------------------------------- memory

describe('memory queries', () => {
  test('a note is kept, told, changed under its id, found by its words, and removed', async () => {
    const { query: ask } = await world([])
    const added = await ask(
      sdk.create_memory('demo', 'The user prefers green tea', {
        tags: ['drinks'],
        keywords: ['tea'],
        priority: 'high',
      }),
    )
    const { memory_id } = added.json.response
    assert.match(memory_id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.equal(counted(added), envelope(memoryResponse({ memory_id }), 1))

    const got = await ask(sdk.get_memory('demo', memory_id))
    const { timestamp } = got.json.response.metadata
    assert.match(timestamp, /^\d{12}$/)
    const metadata = { keywords: ['tea'], tags: ['drinks'], category: 'Uncategorized', timestamp, priority: 'high' }
    assert.equal(
      counted(got),
      envelope(memoryResponse({ memory_id, content: 'The user prefers green tea', metadata }), 1),
    )

    await ask(sdk.create_memory('demo', 'The office is in Oslo'))
    const found = (await ask(sdk.search_memories('demo', 'which tea?', 3))).json.response
    assert.equal(found.search_results.length, 1)
    const [{ score, ...hit }] = found.search_results
    assert(score > 0)
    assert.deepEqual(Object.entries(hit), [
      ['content', 'The user prefers green tea'],
      ['keywords', ['tea']],
      ['tags', ['drinks']],
      ['category', 'Uncategorized'],
      ['timestamp', timestamp],
      ['memory_id', memory_id],
    ])

    const updated = await ask(sdk.update_memory('demo', memory_id, null, { tags: ['hot drinks'] }))
    assert.equal(counted(updated), envelope(memoryResponse({ memory_id }), 1))
    await ask(sdk.update_memory('demo', memory_id, 'The user prefers coffee'))
    const after = (await ask(sdk.get_memory('demo', memory_id))).json.response
    assert.equal(after.content, 'The user prefers coffee')
    assert.deepEqual(after.metadata, { ...metadata, tags: ['hot drinks'] })
    assert.deepEqual((await ask(sdk.search_memories('demo', 'green'))).json.response.search_results, [])

    assert.equal(counted(await ask(sdk.delete_memory('demo', memory_id))), envelope(memoryResponse({ memory_id }), 1))
    const missing = envelope(memoryResponse({ memory_id, success: false, error: 'Memory not found' }), 1)
    assert.equal(counted(await ask(sdk.delete_memory('demo', memory_id))), missing)
    assert.equal(counted(await ask(sdk.get_memory('demo', memory_id))), missing)
    assert.equal(counted(await ask(sdk.update_memory('demo', memory_id, 'again'))), missing)
  })

  test('k bounds what is found, best first', async () => {
    const { query: ask } = await world([])
    for (const text of ['one apple', 'apple apple apple', 'a pear', 'an apple and a pear'])
      await ask(sdk.create_memory('demo', text))
    const { search_results: both } = (await ask(sdk.search_memories('demo', 'apple', 2))).json.response
    assert.equal(both.length, 2)
    assert.equal(both[0].content, 'apple apple apple')
    assert.equal((await ask(sdk.search_memories('demo', 'apple', 500))).json.response.search_results.length, 3)
  })

  test('an agentic memory is described by a model, under what the client says of it', async () => {
    const { query: ask, calls } = await world([
      JSON.stringify({ keywords: ['fjord'], context: 'A city by the sea', tags: ['geography'] }),
      'I cannot write JSON',
    ])
    const { memory_id } = (await ask(sdk.create_agentic_memory('demo', 'Oslo lies by the sea', { tags: ['mine'] })))
      .json.response
    assert.match(promptText(calls[0]?.prompt ?? []), /Oslo lies by the sea/)
    const { metadata } = (await ask(sdk.get_memory('demo', memory_id))).json.response
    assert.deepEqual([metadata.keywords, metadata.tags, metadata.context], [['fjord'], ['mine'], 'A city by the sea'])
    assert.equal((await ask(sdk.search_memories('demo', 'fjord'))).json.response.search_results.length, 1)
    assert.equal((await ask(sdk.create_agentic_memory('demo', 'Bergen too'))).json.response.success, true)
  })

  test('odd queries are answered: what freezes AIOS for ever is an error here', async () => {
    const { query: ask } = await world([])
    const noId = (await ask(memory('demo', 'get_memory', {}))).json.response
    assert.equal(noId.success, false)
    assert.match(noId.error, /params\.memory_id/)
    assert.equal((await ask(memory('demo', 'retrieve_memory_raw', { content: 'x' }))).text, 'null')
    assert.equal((await ask(memory('demo', 'dream', {}))).json.response.error, 'Operation type: dream not supported')
    assert.match((await ask(sdk.create_memory('demo', ''))).json.response.error, /params\.content/)
    assert.equal((await ask(sdk.get_memory('demo', 'no such id'))).json.response.error, 'Memory not found')
  })
})

// ------------------------------------------------------------------------------------------------------------- storage

describe('storage queries', () => {
  test('each operation says what AIOS says of its success', async () => {
    const { query: ask } = await world([])
    const expect = async (body: Body, text: string): Promise<void> =>
      assert.equal(counted(await ask(body)), envelope(storageResponse(text), 1))
    await expect(sdk.mount('demo', 'root'), 'File system mounted successfully for agent: demo')
    await expect(sdk.create_file('demo', 'a.txt'), 'File has been created successfully at: a.txt')
    await expect(sdk.create_file('demo', 'a.txt'), 'File already exists at: a.txt')
    await expect(sdk.create_dir('demo', 'notes'), 'Directory has been created successfully at: notes')
    await expect(sdk.create_dir('demo', 'notes'), 'Directory already exists at: notes')
    await expect(sdk.write_file('demo', 'notes/b.txt', 'hello'), 'Content has been written to file: notes/b.txt')
    await expect(sdk.retrieve_file('demo', 'zebra', 3), 'No documents found')
    await expect(sdk.write_file('demo', 'a.txt', 'two'), 'Content has been written to file: a.txt')
    await expect(
      sdk.rollback_file('demo', 'a.txt', 1),
      'Successfully rolled back the file: a.txt to its previous 1 version',
    )
    const unknown = await ask(storage('demo', 'compress', {}))
    assert.equal(counted(unknown), envelope(storageResponse('Operation type: compress not supported'), 0))
  })

  const contentOf = async ({ query: ask, url }: Served, path: string, agent = 'demo'): Promise<string> => {
    const { share_link } = JSON.parse(said(await ask(sdk.share_file(agent, path)))) as { share_link: string }
    assert(share_link.startsWith(url))
    return (await fetch(share_link)).text()
  }

  test('rollback by n goes back n writes, and is itself one; by time to what was there then', async () => {
    const served = await world([])
    const { query: ask } = served
    let between = ''
    for (const text of ['one', 'two', 'three']) {
      await ask(sdk.write_file('demo', 'r.txt', text))
      await new Promise((resolve) => setTimeout(resolve, 3))
      if (text === 'one') between = new Date().toISOString()
      await new Promise((resolve) => setTimeout(resolve, 3))
    }
    await ask(sdk.rollback_file('demo', 'r.txt', 1))
    assert.equal(await contentOf(served, 'r.txt'), 'two')
    await ask(sdk.rollback_file('demo', 'r.txt', 1))
    assert.equal(await contentOf(served, 'r.txt'), 'three')
    await ask(sdk.rollback_file('demo', 'r.txt', 4))
    assert.equal(await contentOf(served, 'r.txt'), 'one')
    await ask(storage('demo', 'rollback', { file_path: 'root/r.txt', time: new Date().toISOString() }))
    assert.equal(await contentOf(served, 'r.txt'), 'one')
    await ask(sdk.write_file('demo', 'r.txt', 'four'))
    await ask(storage('demo', 'rollback', { file_path: 'r.txt', time: between }))
    assert.equal(await contentOf(served, 'r.txt'), 'one')
    await ask(storage('demo', 'delete_file', { file_path: 'r.txt' }))
    await ask(sdk.rollback_file('demo', 'r.txt', 1))
    assert.equal(await contentOf(served, 'r.txt'), 'one')
    const { response } = (await ask(sdk.rollback_file('demo', 'r.txt', 90))).json
    assert.deepEqual([response.status_code, response.finished], [404, true])
    assert.match(response.error, /earlier versions, not 90/)
  })

  test('a shared file is told of as AIOS does, and its link gives what it was then', async () => {
    const served = await world([])
    const { query: ask } = served
    await ask(sdk.write_file('demo', 'notes/a b.txt', 'then'))
    const shared = JSON.parse(said(await ask(sdk.share_file('demo', 'notes/a b.txt')))) as Record<string, string>
    assert.deepEqual(Object.keys(shared), ['file_name', 'file_path', 'share_link', 'expires_in', 'last_modified'])
    assert.deepEqual([shared['file_name'], shared['file_path']], ['a b.txt', 'notes/a b.txt'])
    await ask(sdk.write_file('demo', 'notes/a b.txt', 'now'))
    const linked = await fetch(shared['share_link'] as string)
    assert.equal(linked.headers.get('content-type'), 'text/plain; charset=utf-8')
    assert.equal(await linked.text(), 'then')
    assert.deepEqual(JSON.parse(said(await ask(sdk.share_file('demo', 'no.txt')))), { error: 'File not found: no.txt' })
  })

  test('retrieve finds what was just written, n at most, and no longer what was written over or deleted', async () => {
    const { query: ask } = await world([])
    await ask(sdk.write_file('demo', 'a.txt', 'budget of May'))
    await ask(sdk.write_file('demo', 'deep/b.txt', `budget ${'x'.repeat(3_000)}`))
    await ask(sdk.write_file('demo', 'c.txt', 'nothing of that'))
    const found = async (text: string, n: number, keywords: unknown = null): Promise<Body[]> => {
      const answer = said(await ask(sdk.retrieve_file('demo', text, n, keywords)))
      return answer === 'No documents found' ? [] : (JSON.parse(answer) as Body[])
    }
    const both = await found('the budget', 5)
    assert.deepEqual(
      both.map((one) => Object.keys(one)),
      [
        ['document_summary', 'metadata'],
        ['document_summary', 'metadata'],
      ],
    )
    assert.deepEqual(both.map(({ metadata }) => (metadata as Body)['file_path']).toSorted(), ['a.txt', 'deep/b.txt'])
    assert(both.every((one) => (one['document_summary'] as string).length <= 2_000))
    assert.equal((await found('budget', 1)).length, 1)
    assert.equal((await found('zebra', 5, ['may'])).length, 1)
    await ask(sdk.write_file('demo', 'a.txt', 'plan of June'))
    await ask(storage('demo', 'delete_dir', { dir_path: 'deep' }))
    assert.deepEqual(await found('budget', 5), [])
    assert.equal((await found('june', 5)).length, 1)
  })

  test('paths stay inside; those that begin with the mounted root are the same as those that do not', async () => {
    const served = await world([])
    const { query: ask } = served
    await ask(sdk.mount('demo', '/data/agents'))
    await ask(sdk.write_file('demo', '/data/agents/x/y.txt', 'here'))
    assert.equal(await contentOf(served, 'x/y.txt'), 'here')
    assert.equal(await contentOf(served, './x//y.txt'), 'here')
    for (const path of [
      '/etc/passwd',
      '../up.txt',
      'x/../../up.txt',
      '/data/agents/../up',
      '.aios-root',
      'x/.aios-directory',
      '',
      '.',
    ]) {
      const { response } = (await ask(sdk.write_file('demo', path, 'x'))).json
      assert.equal(response.status_code, 400, path)
      assert.notEqual(response.error, null)
    }
    assert.equal((await ask(sdk.write_file('demo', 'x', 'a directory'))).json.response.status_code, 400)
    assert.equal((await ask(sdk.create_dir('demo', 'x/y.txt'))).json.response.status_code, 400)
    assert.match(
      said(await ask(storage('demo', 'create_file', { file_name: 'n.txt', file_path: 'x' }))),
      /at: x\/n\.txt/,
    )
    assert.match(said(await ask(storage('demo', 'create_dir', { dir_name: 'd' }))), /at: d$/)
  })

  test('a write that the law denies is told of, and the next one is done', async () => {
    const law = {
      rules: [
        { id: 'no-keys', effect: 'deny', call: 'write', args: { path: { const: 'key.pem' } } },
        { effect: 'allow', tool: '*' },
      ],
    } as unknown as Law
    const { query: ask } = await world([], { law })
    const { response } = (await ask(sdk.write_file('demo', 'key.pem', 'x'))).json
    assert.equal(response.status_code, 403, JSON.stringify(response))
    assert.match(response.error, /no-keys/)
    assert.match(said(await ask(sdk.write_file('demo', 'other.pem', 'x'))), /^Content has been written/)
  })

  test('a write that a person has to allow is done once it is; other agents do not wait for that', async () => {
    const law = { rules: [{ id: 'look', effect: 'ask', call: 'write', args: { path: { const: 'live.txt' } } }] }
    const { query: ask, kernel } = await world([], { law: law as unknown as Law })
    const asked = ask(sdk.write_file('demo', 'live.txt', 'x'))
    await until(() => kernel.questions.length === 1)
    assert.match(said(await ask(sdk.write_file('other', 'a.txt', 'x'))), /^Content has been written/)
    kernel.answer(kernel.questions[0]?.id as number, 'allow')
    assert.match(said(await asked), /^Content has been written/)
  })
})

// --------------------------------------------------------------------------------------------------- tools and agents

describe('tool queries', () => {
  test('every call is made, also after one has failed; AIOS answers 500', async () => {
    const { query: ask } = await world([], { tools: [adder] })
    const call = (parameters: Body, name = 'author/adder'): Body => ({ name, parameters })
    const tool = { response_class: 'tool', response_message: '3', finished: true, error: null, status_code: 200 }
    assert.equal(counted(await ask(sdk.call_tool('demo', [call({ a: 1, b: 2 })]))), envelope(tool, 1))
    assert.equal(
      said(await ask(sdk.call_tool('demo', [call({ a: 1, b: 2 }), call({ a: 3, b: 4 }, 'adder')]))),
      '["3","7"]',
    )
    const failed = (await ask(sdk.call_tool('demo', [call({ a: 13, b: 2 })]))).json.response
    assert.deepEqual([failed.status_code, failed.response_message], [502, 'tool adder: not thirteen'])
    assert.equal((await ask(sdk.call_tool('demo', [call({ a: 'one', b: 2 })]))).json.response.status_code, 400)
    const unknown = (await ask(sdk.call_tool('demo', [call({}, 'author/absent')]))).json.response
    assert.equal(unknown.status_code, 404)
    assert.match(unknown.error, /no tool "absent"; it holds adder/)
    assert.equal(said(await ask(sdk.call_tool('demo', [call({ a: 1, b: 2 })]))), '3')
  })
})

describe('submitted agents', () => {
  const echo = defineProgram('echo', async (_sys, task: Json) => ({ result: task })) as unknown as Program
  const fails = defineProgram('author/fails', async () => Promise.reject(new Error('no luck'))) as unknown as Program
  const waits = defineProgram('waits', async (sys) => sys.receive()) as unknown as Program

  test('run, and are told of by their id: running, completed, failed, unknown', async () => {
    const { get, post, kernel } = await world([], { programs: [echo, fails, waits] })
    const submit = async (agent_id: string, task: unknown): Promise<number> => {
      const { json } = await post('/agents/submit', { agent_id, agent_config: { task } })
      const { execution_id } = json
      assert.deepEqual(json, { status: 'success', execution_id, message: `Agent ${agent_id} submitted for execution` })
      return execution_id
    }
    const done = await submit('example/echo', 'say it')
    const failed = await submit('author/fails', null)
    const running = await submit('waits', {})
    await kernel.run(done).result
    await kernel.run(failed).result.catch(() => {})
    assert.deepEqual((await get(`/agents/${done}/status`)).json, {
      status: 'completed',
      result: { result: 'say it' },
      execution_id: done,
    })
    assert.deepEqual((await get(`/agents/${running}/status`)).json, {
      status: 'running',
      message: 'Execution in progress',
      execution_id: running,
    })
    assert.equal((await get(`/agents/${failed}/status`)).json.status, 'failed')
    for (const id of ['999999', 'abc', '0']) assert.equal((await get(`/agents/${id}/status`)).status, 404)
    const { processes } = (await get('/agents/ps')).json
    assert.deepEqual(
      processes.map((one: Body) => [one['agent_id'], one['execution_id'], one['status'], one['task']]),
      [
        ['example/echo', done, 'completed', 'say it'],
        ['author/fails', failed, 'failed', null],
        ['waits', running, 'running', {}],
      ],
    )
    assert.deepEqual(Object.keys(processes[0]), [
      'agent_id',
      'execution_id',
      'status',
      'start_time',
      'config',
      'task',
      'end_time',
      'result',
    ])
  })

  test('are programs that are served, and nothing else that the kernel knows by name', async () => {
    const { post, query: ask } = await world(['ok'], { programs: [echo] })
    await ask(sdk.llm_chat('demo', hello))
    for (const agent_id of ['nobody/absent', 'gateway', 'x/gateway', 'aios-files']) {
      const { status, json } = await post('/agents/submit', { agent_id, agent_config: { task: 'x' } })
      assert.equal(status, 404, agent_id)
      assert.match(json.detail, /no agent .* there are echo$/)
    }
    const { status, json } = await post('/agents/submit', { agent_id: 'echo', agent_config: {} })
    assert.equal(status, 422)
    assert.deepEqual(json.detail[0].loc, ['body', 'agent_config', 'task'])
  })
})

// -------------------------------------------------------------------------------------------------------------- routes

describe('the other routes', () => {
  test('answer as AIOS, and where AIOS answers 500, properly', async () => {
    const { get, post } = await world([])
    const answers: [Reply, number, unknown][] = [
      [await get('/status'), 200, { status: 'ok', message: 'All core components are active.' }],
      [
        await get('/core/status'),
        200,
        { llms: 'active', storage: 'active', memory: 'active', tool: 'active', scheduler: 'active', factory: 'active' },
      ],
      [
        await post('/core/refresh', ''),
        200,
        { status: 'success', message: 'Configuration refreshed and components reinitialized' },
      ],
      [await post('/core/cleanup', ''), 200, { status: 'success', message: 'All components cleaned up' }],
      [await get('/get/mcp/server'), 200, { status: 'warning', message: 'MCP server not found' }],
    ]
    for (const [{ status, json }, expected, body] of answers) assert.deepEqual([status, json], [expected, body])
    const { json } = await get('/core/llms/check')
    assert.deepEqual([json.status, json.available.length, json.unavailable], ['success', 3, []])
    const refused = await post('/core/config/update', { provider: 'openai', api_key: 'sk-secret' })
    assert.equal(refused.status, 501)
    assert.match(refused.json.detail, /^Failed to update configuration: /)
  })

  test('a body that does not fit is answered as FastAPI does', async () => {
    const { post, query: ask } = await world([])
    const missing = await post('/query', { agent_name: 'demo' })
    assert.equal(missing.status, 422)
    assert.deepEqual(missing.json.detail[0], {
      type: 'missing',
      loc: ['body', 'query_type'],
      msg: 'Field required',
      input: { agent_name: 'demo' },
    })
    const other = await ask(query('telepathy', 'demo', {}))
    assert.deepEqual(other.json.detail[0], {
      type: 'literal_error',
      loc: ['body', 'query_type'],
      msg: "Input should be 'llm', 'memory', 'storage' or 'tool'",
      input: 'telepathy',
      ctx: { expected: "'llm', 'memory', 'storage' or 'tool'" },
    })
    const messages = await ask(llm('demo', hello, { messages: undefined }))
    assert.deepEqual(
      [messages.status, messages.json.detail[0].type, messages.json.detail[0].loc],
      [422, 'missing', ['body', 'query_data', 'messages']],
    )
    assert.equal((await ask(llm('demo', [{ role: 'poet', content: 'x' }]))).status, 422)
    const broken = await post('/query', '{"query_type":')
    assert.deepEqual([broken.status, broken.json.detail[0].loc], [422, ['body']])
  })
})

// ---------------------------------------------------------------------------------------------------- apart, and again

describe('whose it is', () => {
  test('two agents and two principals are apart, whatever they call themselves', async () => {
    const store = storePath()
    const key = (principal: string, scopes: Parameters<typeof createKey>[1]['scopes']): string =>
      createKey(store, { principal, scopes }, Date.now()).key
    const all = ['models', 'runs', 'memory', 'files'] as const
    const [ann, bob, guest] = [key('ann', all), key('bob', all), key('ann', ['models'])]
    const echo = defineProgram('echo', async (_sys, task: Json) => task) as unknown as Program
    const { query: ask, get, post, url } = await world(() => 'ok', { store, programs: [echo] })
    assert.equal((await ask(sdk.llm_chat('alice', hello))).status, 401)
    assert.equal((await get('/status')).status, 200)
    assert.equal(said(await ask(sdk.llm_chat('alice', hello), ann)), 'ok')

    const { memory_id } = (await ask(sdk.create_memory('alice', 'the password is tulip'), ann)).json.response
    await ask(sdk.write_file('alice', 'secret.txt', 'the password is tulip'), ann)
    const shared = JSON.parse(said(await ask(sdk.share_file('alice', 'secret.txt'), ann))) as { share_link: string }
    for (const [agent, who] of [
      ['mallory', ann],
      ['alice', bob],
    ] as const) {
      assert.equal((await ask(sdk.get_memory(agent, memory_id), who)).json.response.error, 'Memory not found')
      assert.equal((await ask(sdk.update_memory(agent, memory_id, 'x'), who)).json.response.success, false)
      assert.equal((await ask(sdk.delete_memory(agent, memory_id), who)).json.response.success, false)
      assert.deepEqual((await ask(sdk.search_memories(agent, 'password'), who)).json.response.search_results, [])
      assert.equal(said(await ask(sdk.retrieve_file(agent, 'password', 3), who)), 'No documents found')
      assert.match(said(await ask(sdk.share_file(agent, 'secret.txt'), who)), /File not found/)
    }
    const path = shared.share_link.slice(url.length)
    assert.equal((await get(path)).status, 401)
    assert.equal((await get(path, bob)).status, 404)
    assert.equal((await ask(sdk.get_memory('alice', memory_id), ann)).json.response.content, 'the password is tulip')

    const { execution_id } = (await post('/agents/submit', { agent_id: 'echo', agent_config: { task: 'x' } }, ann)).json
    assert.equal((await get(`/agents/${execution_id}/status`, ann)).status, 200)
    assert.equal((await get(`/agents/${execution_id}/status`, bob)).status, 404)
    assert.deepEqual((await get('/agents/ps', bob)).json.processes, [])
    await post('/user/select/llms', [{ name: 'small' }], ann)
    assert.equal((await get('/user/selected/llms', bob)).json.status, 'warning')

    assert.equal((await ask(sdk.llm_chat('alice', hello), guest)).status, 200)
    for (const body of [
      sdk.create_memory('alice', 'x'),
      sdk.write_file('alice', 'x', 'x'),
      sdk.call_tool('alice', []),
      sdk.llm_call_tool('alice', hello, []),
      sdk.llm_operate_file('alice', hello),
    ]) {
      const { status, json } = await ask(body, guest)
      assert.equal(status, 403)
      assert.match(json.detail, /scope/)
    }
    assert.equal((await get('/agents/ps', guest)).status, 403)
    assert.equal((await post('/core/refresh', '', ann)).status, 403)
  })

  test('a restart keeps memories and files, their ids and their versions', async () => {
    const store = storePath()
    const first = await world([], { store, sqlite: true })
    const { memory_id } = (await first.query(sdk.create_memory('demo', 'Oslo is cold', { tags: ['place'] }))).json
      .response
    await first.query(sdk.mount('demo', '/data'))
    await first.query(sdk.write_file('demo', 'a.txt', 'first'))
    await first.query(sdk.write_file('demo', '/data/a.txt', 'second'))
    await first.query(sdk.write_file('other', 'a.txt', 'not this'))
    await first.close()

    const again = await world([], { store, sqlite: true })
    const note = (await again.query(sdk.get_memory('demo', memory_id))).json.response
    assert.deepEqual([note.content, note.metadata.tags], ['Oslo is cold', ['place']])
    assert.match(said(await again.query(sdk.retrieve_file('demo', 'second', 3))), /"document_summary":"second"/)
    assert.match(said(await again.query(sdk.rollback_file('demo', '/data/a.txt', 1))), /^Successfully/)
    assert.match(said(await again.query(sdk.retrieve_file('demo', 'first', 3))), /"document_summary":"first"/)
    await again.close()

    const third = await world([], { store, sqlite: true })
    third.kernel.resume()
    assert.match(said(await third.query(sdk.retrieve_file('demo', 'first', 3))), /"document_summary":"first"/)
    assert.equal(third.kernel.ps().filter(({ program }) => program === 'aios-files').length, 2)
  })

  test('what one agent asks at once is done one after another', async () => {
    const { query: ask, get } = await world([], { sqlite: true })
    const { memory_id } = (await ask(sdk.create_memory('demo', 'start'))).json.response
    await ask(sdk.mount('demo', 'root'))
    const many = <Value>(make: (i: number) => Promise<Value>): Promise<Value[]> =>
      Promise.all(Array.from({ length: 12 }, (_, i) => make(i)))
    // Opens the connections, so that all arrive together.
    await many(() => get('/status'))
    const texts = (await many(() => ask(sdk.create_file('demo', 'one.txt')))).map(said)
    assert.equal(texts.filter((text) => text.startsWith('File already exists')).length, 11)
    const updates = await many((i) => ask(sdk.update_memory('demo', memory_id, null, { [`key${i}`]: i + 1 })))
    assert.deepEqual(new Set(updates.map(({ json }) => json.response.error)), new Set([null]))
    const { metadata } = (await ask(sdk.get_memory('demo', memory_id))).json.response
    assert.equal(Object.keys(metadata).filter((key) => key.startsWith('key')).length, 12 + 1)
  })
})
