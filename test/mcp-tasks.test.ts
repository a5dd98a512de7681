/**
 * Tasks of MCP both ways: calls that go on without their client, with the official clients against our server in both eras,
 * and our client against an official server; over a restart, too.
 */
import { Client as LaterClient, StreamableHTTPClientTransport as LaterTransport } from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  CallToolResultSchema,
  ElicitRequestSchema,
  TaskStatusNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { openMcp } from '../src/drivers/mcp.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { boot, defineProgram, defineTool } from '../src/index.ts'
import type { Json, Kernel, KernelOptions, Program, Question, Tool } from '../src/index.ts'
import type { Store } from '../src/kernel/drivers.ts'
import type { Caller, Scope } from '../src/server/caller.ts'
import type { Server } from '../src/server/http.ts'
import { startServer } from '../src/server/http.ts'
import type { McpDoorOptions } from '../src/server/mcp/door.ts'
import { mcpDoor } from '../src/server/mcp/door.ts'
import { serveTasks } from './mcp/task-killed.ts'
import { codeOf, endOf, lasting, within } from './world.ts'

const folder = mkdtempSync(join(tmpdir(), 'polity-mcp-tasks-'))
const opened: { close(): Promise<void> }[] = []
after(async () => {
  for (const one of opened.toReversed()) await one.close()
  rmSync(folder, { recursive: true, force: true })
})

const TASKS = 'io.modelcontextprotocol/tasks'

// ------------------------------------------------------------------------------------------------------------ as a server

/** Opened by a test that lets `gated` end. */
const gates = new Map<string, () => void>()
const gated = defineTool({
  name: 'gated',
  description: 'Ends when it is let.',
  effect: 'read',
  inputSchema: z.object({ gate: z.string() }),
  outputSchema: z.object({ through: z.string() }),
  execute: ({ gate }, { signal }) =>
    new Promise<{ through: string }>((resolve, reject) => {
      gates.set(gate, () => resolve({ through: gate }))
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    }),
}) as Tool
const failing = defineTool({
  name: 'failing',
  description: 'Fails.',
  effect: 'read',
  inputSchema: z.object({}),
  async execute() {
    await pause(60)
    throw new Error('out of order')
  },
}) as Tool
const secret = defineTool({
  name: 'secret',
  description: 'Tells what taints.',
  effect: 'read',
  labels: ['untrusted'],
  inputSchema: z.object({}),
  execute: () => 'hearsay',
}) as Tool
const act = defineTool({ name: 'act', description: 'Acts.', inputSchema: z.object({}), execute: () => 'acted' }) as Tool
const asker = defineProgram('asker', async (sys) => {
  await sys.sleep(60)
  return `Hello, ${await sys.ask('Who is there?')}`
}) as Program
/** Learns what taints, and then waits: for a person, or for mail. */
const gossip = defineProgram(
  'gossip',
  async (sys, asks: Json) => {
    await sys.call('secret', {})
    await sys.sleep(60)
    return asks === true ? sys.ask('Shall I tell?') : (await sys.receive()).body
  },
  { tools: [secret] },
) as Program
const tools = [gated, failing, secret, act]
const programs = [asker, gossip]

async function serve(
  options: Partial<KernelOptions> = {},
  door: Partial<McpDoorOptions> = {},
): Promise<{ kernel: Kernel; server: Server }> {
  const store = (options.store ?? memoryStore()) as Store
  const kernel = await boot({ tools, programs, ...options, store })
  const server = await startServer({
    doors: [mcpDoor({ kernel, tools, programs, taskAfterMs: 30, ...door })],
    port: 0,
    limits: { drainMs: 50 },
    authenticate({ headers }) {
      const [principal = '', ...scopes] = String(headers['x-caller']).split(' ')
      return { principal, scopes: new Set(scopes as Scope[]), key: null } satisfies Caller
    },
  })
  opened.push(kernel, server)
  return { kernel, server }
}

/** The official client of the earlier era, which has tasks of its own. */
async function earlier({ url }: Pick<Server, 'url'>, who = 'ada runs approvals', answer?: string): Promise<Client> {
  const client = new Client(
    { name: 'test', version: '1' },
    { capabilities: answer === undefined ? {} : { elicitation: { form: {} } } },
  )
  if (answer !== undefined)
    client.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'accept', content: { answer } }))
  const requestInit = { headers: { 'x-caller': who } }
  await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit }) as never)
  opened.push(client)
  return client
}

type Told = { readonly [key: string]: Json }

/** A client of the later era that says what it likes: the SDK has no tasks of its own there. */
async function later(
  { url }: Pick<Server, 'url'>,
  who = 'ada runs approvals',
  knowsTasks = true,
): Promise<(method: string, params: object) => Promise<Told>> {
  const capabilities = { elicitation: { form: {} }, ...(knowsTasks ? { extensions: { [TASKS]: {} } } : {}) }
  let id = 0
  return async (method, params) => {
    const { taskId, name } = params as { readonly taskId?: string; readonly name?: string }
    const response = await fetch(`${url}/mcp`, {
      method: 'POST',
      headers: {
        'x-caller': who,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': method,
        ...((taskId ?? name) === undefined ? {} : { 'mcp-name': String(taskId ?? name) }),
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: ++id,
        method,
        params: {
          ...params,
          _meta: {
            'io.modelcontextprotocol/protocolVersion': '2026-07-28',
            'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
            'io.modelcontextprotocol/clientCapabilities': capabilities,
          },
        },
      }),
    })
    const text = await response.text()
    const line = text.split('\n').findLast((one) => one.startsWith('data: {'))
    const { result, error } = JSON.parse(line?.slice('data: '.length) ?? text) as { result: Told; error?: Told }
    if (error !== undefined) throw Object.assign(new Error(String(error['message'])), { code: error['code'] })
    return result
  }
}

const call = (name: string, args: object = {}) => ['tools/call', { name, arguments: args }] as const

async function until<T>(look: () => Promise<T> | T, isRight: (found: T) => boolean): Promise<T> {
  for (let turn = 0; turn < 400; turn++) {
    const found = await look()
    if (isRight(found)) return found
    await pause(10)
  }
  throw new assert.AssertionError({ message: `never came: ${isRight.toString()}` })
}

describe('a call as a task, 2026-07-28', () => {
  test('one that takes long goes on as a process without its client, and its result is there for who comes again', async () => {
    const { server, kernel } = await serve()
    const ask = await later(server)
    const made = await ask(...call('gated', { gate: 'one' }))
    assert.equal(made['resultType'], 'task')
    assert.equal(made['status'], 'working')
    assert.equal(made['ttlMs'], null)
    const taskId = String(made['taskId'])
    assert.equal(kernel.info(Number(taskId)).state, 'running')
    const working = await ask('tasks/get', { taskId })
    assert.deepEqual([working['status'], working['result']], ['working', undefined])
    gates.get('one')?.()
    const again = await later(server)
    const end = await until(
      () => again('tasks/get', { taskId }),
      ({ status }) => status !== 'working',
    )
    assert.equal(end['status'], 'completed')
    assert.deepEqual((end['result'] as Told)['structuredContent'], { through: 'one' })
    assert.ok(Date.parse(String(end['lastUpdatedAt'])) >= Date.parse(String(end['createdAt'])))
  })

  test('one that is done soon is a result, and who knows no tasks waits', async () => {
    const { server } = await serve()
    const soon = await (await later(server))(...call('secret'))
    assert.deepEqual([soon['resultType'], soon['taskId']], ['complete', undefined])
    const stranger = await later(server, 'ada runs', false)
    const waited = stranger(...call('gated', { gate: 'two' }))
    await until(
      () => gates.get('two'),
      (gate) => gate !== undefined,
    )
    await pause(60)
    gates.get('two')?.()
    assert.deepEqual((await waited)['structuredContent'], { through: 'two' })
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel'])
      await assert.rejects(stranger(method, { taskId: '1' }), { code: -32_021 })
  })

  test('one that must be a task refuses who knows none, and is one however soon it is done', async () => {
    const { server } = await serve({}, { taskSupport: { secret: 'required', act: 'forbidden' } })
    await assert.rejects((await later(server, 'ada runs', false))(...call('secret')), { code: -32_021 })
    const ask = await later(server)
    const { taskId } = await ask(...call('secret'))
    const end = await ask('tasks/get', { taskId: String(taskId) })
    assert.deepEqual((end['result'] as Told)['content'], [{ type: 'text', text: 'hearsay' }])
    const old = await earlier(server)
    await assert.rejects(old.callTool({ name: 'secret', arguments: {} }), { code: -32_601 })
    const { tools: listed } = await old.listTools()
    const support = Object.fromEntries(listed.map(({ name, execution }) => [name, execution?.taskSupport]))
    assert.deepEqual([support['secret'], support['gated'], support['act']], ['required', 'optional', undefined])
    assert.throws(
      () => mcpDoor({ kernel: {} as never, taskSupport: { nothing: 'required' } }),
      /"nothing", which is not/,
    )
  })

  test('canceled, its process is killed; told again that is no error; an error of the tool is a result', async () => {
    const { server, kernel } = await serve()
    const ask = await later(server)
    const taskId = String((await ask(...call('gated', { gate: 'three' })))['taskId'])
    for (let twice = 0; twice < 2; twice++) {
      const { resultType, taskId: none } = await ask('tasks/cancel', { taskId })
      assert.deepEqual([resultType, none], ['complete', undefined])
    }
    assert.equal(kernel.info(Number(taskId)).state, 'killed')
    assert.equal((await ask('tasks/get', { taskId }))['status'], 'cancelled')
    const other = String((await ask(...call('gated', { gate: 'four' })))['taskId'])
    kernel.kill(Number(other), 'somebody else did')
    const failed = await ask('tasks/get', { taskId: other })
    assert.equal(failed['status'], 'failed')
    assert.match(String((failed['error'] as Told)['message']), /somebody else did/)
    assert.deepEqual((failed['error'] as Told)['data'], { code: 'KILLED', retryable: false })
    const broken = String((await ask(...call('failing')))['taskId'])
    const end = await until(
      () => ask('tasks/get', { taskId: broken }),
      ({ status }) => status !== 'working',
    )
    assert.equal(end['status'], 'completed')
    assert.equal((end['result'] as Told)['isError'], true)
  })

  test('to anybody else a task is not there, whatever it does, and neither is a process that is none', async () => {
    const { server, kernel } = await serve()
    const ada = await later(server)
    const begin = async (...what: Parameters<typeof call>): Promise<string> =>
      String((await ada(...call(...what)))['taskId'])
    const running = await begin('gated', { gate: 'five' })
    const canceled = await begin('gated', { gate: 'none' })
    await ada('tasks/cancel', { taskId: canceled })
    const all = [running, canceled, await begin('failing'), await begin('run_asker')]
    await until(
      () => kernel.questions.length,
      (count) => count === 1,
    )
    const [later_, earlier_] = [await later(server, 'bob runs approvals'), await earlier(server, 'bob runs approvals')]
    const anything = z.looseObject({})
    const ways: { [way: string]: (taskId: string) => Promise<unknown> } = {}
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel'])
      ways[method] = (taskId) => later_(method, { taskId, inputResponses: { 'question-1': { action: 'accept' } } })
    for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel'])
      ways[`${method} of the earlier era`] = (taskId) => earlier_.request({ method, params: { taskId } }, anything)
    const before = JSON.stringify(kernel.ps())
    for (const [way, ask] of Object.entries(ways)) {
      const said = (taskId: string): Promise<string> => ask(taskId).then((found) => JSON.stringify(found), String)
      const absent = await said('999999')
      assert.match(absent, /there is no such task/, way)
      for (const taskId of all) assert.equal(await said(taskId), absent, `${way} ${taskId}`)
    }
    assert.deepEqual(await earlier_.experimental.tasks.listTasks(), { tasks: [] })
    assert.equal(JSON.stringify(kernel.ps()), before)
    const { tasks: own } = await (await earlier(server)).experimental.tasks.listTasks()
    assert.deepEqual(
      own.map(({ taskId }) => taskId),
      all.toReversed(),
    )
    const plain = kernel.spawn(async () => 'not yours', null, { principal: 'ada' })
    await plain.result
    for (const none of [String(plain.pid), '0', '-1', '1e3', `0${running}`, 'x'])
      await assert.rejects(ada('tasks/get', { taskId: none }), { code: -32_602 })
  })

  test('what a task asks is shown to who may answer, and to nobody else', async () => {
    const { server, kernel } = await serve()
    const ask = await later(server)
    const taskId = String((await ask(...call('run_asker')))['taskId'])
    const asking = await until(
      () => ask('tasks/get', { taskId }),
      ({ status }) => status === 'input_required',
    )
    const [[key, form] = []] = Object.entries(asking['inputRequests'] as Told)
    assert.match(JSON.stringify(form), /Who is there\?/)
    const mute = await later(server, 'ada runs')
    const hidden = await mute('tasks/get', { taskId })
    assert.deepEqual([hidden['status'], hidden['inputRequests']], ['working', undefined])
    const inputResponses = { [String(key)]: { action: 'accept', content: { answer: 'Eve' } } }
    await mute('tasks/update', { taskId, inputResponses })
    assert.equal(kernel.questions.length, 1)
    await ask('tasks/update', { taskId, inputResponses: { ...inputResponses, unknown: { action: 'accept' } } })
    const end = await until(
      () => ask('tasks/get', { taskId }),
      ({ status }) => status === 'completed',
    )
    assert.match(JSON.stringify(end['result']), /Hello, Eve/)
  })

  test('an answer that is none is refused and takes nothing, and what nobody asks is passed over', async () => {
    const chooser = defineProgram('chooser', async (sys) => {
      await sys.sleep(60)
      return sys.ask('Which?', { choices: ['red', 'blue'] })
    }) as Program
    const { server, kernel } = await serve({ programs: [chooser] }, { programs: [chooser] })
    const ask = await later(server)
    const taskId = String((await ask(...call('run_chooser')))['taskId'])
    const [{ id }] = (await until(
      () => kernel.questions,
      (all) => all.length === 1,
    )) as unknown as [{ readonly id: number }]
    const key = `question-${id}`
    const red = { action: 'accept', content: { answer: 'red' } }
    for (const inputResponses of [
      undefined,
      {},
      'red',
      [red],
      { [key]: 'red' },
      { [key]: null },
      { [key]: red, other: 'red' },
      { [key]: {} },
      { [key]: { action: 'perhaps' } },
      { [key]: { role: 'user', content: { type: 'text', text: 'red' } } },
      { [key]: { action: 'accept' } },
      { [key]: { action: 'accept', content: { answer: 1 } } },
      { [key]: { action: 'accept', content: { answer: 'green' } } },
    ])
      await assert.rejects(
        ask('tasks/update', { taskId, ...(inputResponses === undefined ? {} : { inputResponses }) }),
        { code: -32_602, message: / takes / },
        JSON.stringify(inputResponses),
      )
    for (const inputResponses of [{ [key]: { action: 'cancel' } }, { 'question-999': red }])
      assert.ok(await ask('tasks/update', { taskId, inputResponses }))
    assert.equal(kernel.questions.length, 1)
    await ask('tasks/update', { taskId, inputResponses: { [key]: red } })
    assert.equal(await kernel.run(Number(taskId)).result, 'red')
    assert.ok(await ask('tasks/update', { taskId, inputResponses: { [key]: red } }), 'it was answered')
  })

  test('what a client is shown of a task counts for what it does next', async () => {
    const rules = [
      { id: 'no-hearsay', effect: 'deny', tool: 'act', seen: ['untrusted'] },
      { id: 'rest', effect: 'allow', tool: '*' },
    ]
    const { server } = await serve({ law: { rules } as never }, { taskSupport: { secret: 'required' } })
    const ask = await later(server)
    assert.equal((await ask(...call('act')))['isError'], undefined)
    const taskId = String((await ask(...call('secret')))['taskId'])
    await until(
      () => ask('tasks/get', { taskId }),
      ({ status }) => status === 'completed',
    )
    assert.match(JSON.stringify(await ask(...call('act'))), /ACCESS_DENIED/)
  })

  test('who was never told of a task has none: not in the list, not by a name, not after a restart', async () => {
    const store = lasting()
    const { server, kernel } = await serve({ store })
    const [ask, old] = [await later(server), await earlier(server)]
    const told = String((await ask(...call('run_gossip', { input: false })))['taskId'])
    await ask(...call('secret'))
    const named = kernel.spawn(asker, null, { principal: 'ada', name: 'mcp-task:run_asker' })
    named.result.catch(() => {})
    const fork = await kernel.fork(Number(told))
    fork.result.catch(() => {})
    const other = lasting()
    const patient = await serve({ store: other }, { taskAfterMs: 60_000 })
    const asked = await (await later(patient.server))(...call('run_asker'))
    assert.deepEqual([asked['resultType'], asked['taskId']], ['input_required', undefined])
    for (const [client, tasks] of [
      [old, [told]],
      [await earlier(patient.server), []],
    ] as const)
      assert.deepEqual(
        (await client.experimental.tasks.listTasks()).tasks.map(({ taskId }) => taskId),
        tasks,
      )
    for (const { pid } of [named, fork]) await assert.rejects(ask('tasks/get', { taskId: String(pid) }), /no such task/)
    await patient.kernel.close()
    assert.deepEqual(
      (await serve({ store: other })).kernel.ps().map(({ state }) => state),
      ['stopped'],
    )
    await kernel.close()
    const second = await serve({ store })
    await until(
      () => second.kernel.info(Number(told)).state,
      (state) => state === 'running',
    )
    assert.deepEqual(
      second.kernel.ps().map(({ pid, state }) => [pid, state]),
      [
        [Number(told), 'running'],
        [named.pid, 'stopped'],
        [fork.pid, 'stopped'],
      ],
    )
  })

  test('that a call goes on as a task is told once its process and its mark are kept', async () => {
    const disk = lasting()
    let held: Promise<void> | undefined
    const store: Store = { ...disk, commit: async (batch) => (await held, disk.commit(batch)) }
    const { server } = await serve({ store })
    const ask = await later(server)
    await ask('tools/list', {})
    let release = (): void => {}
    held = new Promise((resolve) => (release = resolve))
    let isTold = false
    const told = ask(...call('run_asker')).finally(() => (isTold = true))
    await pause(120)
    assert.equal(isTold, false)
    release()
    const taskId = String((await told)['taskId'])
    const key = `mcp-task\0${taskId}`
    assert.deepEqual(
      [...disk.range('meta', 'mcp-task', 'mcp-tasl')].map(([at, value]) => [at, String(value)]),
      [[key, 'run_asker']],
    )
  })

  test('what a client is shown of a task counts after a restart too, whichever way it is shown', async () => {
    const rules = [
      { id: 'no-hearsay', effect: 'deny', tool: 'act', seen: ['untrusted'] },
      { id: 'rest', effect: 'allow', tool: '*' },
    ]
    const law = { rules } as never
    const store = lasting()
    const first = await serve({ store, law }, { taskSupport: { secret: 'required' }, taskAfterMs: 0 })
    const who = (name: string): string => `${name} runs approvals`
    const begun = async (name: string, what: ReturnType<typeof call>): Promise<string> =>
      String((await (await later(first.server, who(name)))(...what))['taskId'])
    const mayAct = async ({ server }: { server: Server }, name: string): Promise<boolean> =>
      (await (await later(server, who(name)))(...call('act')))['isError'] !== true
    const ended = await begun('ada', call('secret'))
    const asks = call('run_gossip', { input: true })
    const [looked, waited] = [await begun('bob', asks), await begun('cy', asks)]
    const quiet = await begun('dora', call('run_gossip', { input: false }))
    await until(
      () => first.kernel.info(Number(ended)).state,
      (state) => state === 'done',
    )
    await first.kernel.close()
    const second = await serve({ store, law })
    await until(
      () => second.kernel.questions.length,
      (count) => count === 2,
    )
    for (const name of ['ada', 'bob', 'cy', 'dora'])
      assert.ok(await mayAct(second, name), `${name} has seen nothing yet`)
    await (
      await later(second.server, who('ada'))
    )('tasks/get', { taskId: ended })
    assert.equal(await mayAct(second, 'ada'), false, 'an end')
    const { status } = await (await later(second.server, who('bob')))('tasks/get', { taskId: looked })
    assert.equal(status, 'input_required')
    assert.equal(await mayAct(second, 'bob'), false, 'a question')
    const cy = await earlier(second.server, who('cy'), 'yes')
    let mayCy: Promise<boolean> | undefined
    cy.setRequestHandler(ElicitRequestSchema, async () => {
      await (mayCy = mayAct(second, 'cy'))
      return { action: 'accept', content: { answer: 'yes' } }
    })
    await within(5_000, cy.experimental.tasks.getTaskResult(waited, CallToolResultSchema), 'the end')
    assert.equal(await mayCy, false, 'a form')
    const dora = await earlier(second.server, who('dora'))
    const result = dora.experimental.tasks.getTaskResult(quiet, CallToolResultSchema)
    await pause(30)
    second.kernel.send(Number(quiet), 'go')
    await within(5_000, result, 'the end')
    assert.equal(await mayAct(second, 'dora'), false, 'a result that was waited for')
  })
})

describe('a call as a task, 2025-11-25, with the official client', () => {
  test('is created, looked at, listed, waited for and canceled', async () => {
    const { server } = await serve()
    const client = await earlier(server)
    await client.listTools()
    const told: string[] = []
    const stream = client.experimental.tasks.callToolStream(
      { name: 'gated', arguments: { gate: 'six' } },
      CallToolResultSchema,
      { task: { ttl: 60_000 } },
    )
    for await (const message of stream) {
      if (message.type === 'taskCreated') assert.equal(message.task.ttl, null)
      if (message.type === 'taskStatus') setImmediate(() => gates.get('six')?.())
      told.push(message.type === 'taskStatus' ? message.task.status : message.type)
      if (message.type === 'result') assert.deepEqual(message.result.structuredContent, { through: 'six' })
    }
    assert.deepEqual([told[0], told.at(-1)], ['taskCreated', 'result'], told.join())
    const { tasks } = await client.experimental.tasks.listTasks()
    assert.deepEqual(
      tasks.map(({ status }) => status),
      ['completed'],
    )
    const created = await taskOf(client, 'gated', { gate: 'seven' })
    const canceled = await client.experimental.tasks.cancelTask(created)
    assert.equal(canceled.status, 'cancelled')
    await assert.rejects(client.experimental.tasks.cancelTask(created), { code: -32_602 })
    await assert.rejects(client.experimental.tasks.getTaskResult(created, CallToolResultSchema), /KILLED/)
    const broken = await taskOf(client, 'failing')
    const result = (await client.experimental.tasks.getTaskResult(broken, CallToolResultSchema)) as Told
    assert.equal(result['isError'], true)
    assert.equal((await client.experimental.tasks.getTask(broken)).status, 'failed')
  })

  test('tells the session that began it what becomes of it, and no other session', async () => {
    const { server, kernel } = await serve()
    const [client, other] = [await earlier(server, undefined, 'Eve'), await earlier(server)]
    const told = new Map<Client, Told[]>([client, other].map((one) => [one, []]))
    for (const [one, heard] of told)
      one.setNotificationHandler(TaskStatusNotificationSchema, ({ params }) => void heard.push(params as Told))
    const taskId = await taskOf(client, 'run_asker')
    await until(
      () => told.get(client),
      (heard) => heard?.at(-1)?.['status'] === 'input_required',
    )
    const [{ id }] = kernel.questions as readonly Question[] as readonly [Question]
    kernel.answer(id, 'Carol')
    const heard = (await until(
      () => told.get(client),
      (all) => all?.at(-1)?.['status'] === 'completed',
    )) as readonly Told[]
    const last = (await client.experimental.tasks.getTask(taskId)) as Told
    for (const key of ['taskId', 'status', 'createdAt', 'lastUpdatedAt', 'ttl', 'pollInterval'])
      assert.deepEqual(heard.at(-1)?.[key], last[key], key)
    assert.ok(
      heard.every((one, i) => one['status'] !== heard[i - 1]?.['status']),
      JSON.stringify(heard),
    )
    assert.deepEqual(told.get(other), [])
  })

  test('survives its session, and asks the user of who waits for its result', async () => {
    const { server } = await serve()
    const first = await earlier(server)
    const taskId = await taskOf(first, 'run_asker')
    await (first.transport as StreamableHTTPClientTransport).terminateSession()
    await first.close()
    const second = await earlier(server, 'ada runs approvals', 'Bob')
    const { content } = await within(
      5_000,
      second.experimental.tasks.getTaskResult(taskId, CallToolResultSchema),
      'the result',
    )
    assert.deepEqual(content, [{ type: 'text', text: 'Hello, Bob' }])
  })

  test('who waits for its result no longer leaves nobody who reads it', async () => {
    const { server, kernel } = await serve()
    let open = 0
    const { run } = kernel
    Object.assign(kernel, {
      run(pid: number) {
        const found = run(pid)
        async function* events(): AsyncGenerator<unknown> {
          open++
          try {
            yield* found.events
          } finally {
            open--
          }
        }
        return { ...found, events: events() }
      },
    })
    const client = await earlier(server)
    const taskId = await taskOf(client, 'gated', { gate: 'eight' })
    // Each reader looks for questions at once, and then now and again.
    let looks = 0
    const { questions } = kernel
    Object.defineProperty(kernel, 'questions', { get: () => (looks++, questions) })
    for (let i = 0; i < 12; i++) {
      const controller = new AbortController()
      const { signal } = controller
      looks = 0
      const said = client.request({ method: 'tasks/result', params: { taskId } }, z.looseObject({}), { signal })
      await until(
        () => looks,
        (count) => count > 0,
      )
      controller.abort()
      await assert.rejects(said)
    }
    await until(
      () => open,
      (count) => count <= 1,
    )
    // Whoever reads still, looks again at the end; of the last the server may not have heard that it is gone.
    await pause(50)
    looks = 0
    gates.get('eight')?.()
    await until(
      () => open,
      (count) => count === 0,
    )
    await pause(30)
    assert.ok(looks < 12, `twelve have gone, and there were ${looks} looks`)
  })

  test('is one in a batch as well, and what must be one is done in no other way', async () => {
    const { server, kernel } = await serve({}, { taskSupport: { secret: 'required' } })
    const client = await earlier(server)
    const { sessionId } = client.transport as StreamableHTTPClientTransport
    const message = (id: number, params: object) => ({ jsonrpc: '2.0', id, method: 'tools/call', params })
    const response = await fetch(`${server.url}/mcp`, {
      method: 'POST',
      headers: {
        'x-caller': 'ada runs approvals',
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-session-id': String(sessionId),
      },
      body: JSON.stringify([
        message(1, { name: 'secret', arguments: {} }),
        message(2, { name: 'secret', arguments: {}, task: {} }),
      ]),
    })
    const lines = (await response.text()).split('\n').filter((line) => line.startsWith('data: {'))
    const answers = lines.map((line) => JSON.parse(line.slice('data: '.length)) as { id: number; result: Told })
    const byId = new Map(answers.map(({ id, result }) => [id, result]))
    assert.match(JSON.stringify(byId.get(1)), /runs as a task only.*"isError":true/)
    assert.equal(typeof (byId.get(2)?.['task'] as Told | undefined)?.['taskId'], 'string', lines.join())
    assert.equal(kernel.ps().length, 1)
  })
})

async function taskOf(client: Client, name: string, args: { [key: string]: unknown } = {}): Promise<string> {
  const stream = client.experimental.tasks.callToolStream({ name, arguments: args }, CallToolResultSchema, { task: {} })
  for await (const message of stream) {
    if (message.type === 'taskCreated') return message.task.taskId
    assert.fail(JSON.stringify(message))
  }
  return assert.fail('no task')
}

/** Starts a server on a store, and says how to end it. */
type Start = (store: string, file: string) => Promise<{ readonly url: string; end(): Promise<void> }>

const inProcess: Start = async (store, file) => {
  const { url, close } = await serveTasks(store, file)
  opened.push({ close })
  return { url, end: close }
}
const asChild: Start = async (store, file) => {
  const script = join(import.meta.dirname, 'mcp', 'task-killed.ts')
  const child = spawn(process.execPath, [script, store, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  opened.push({ close: async () => void child.kill('SIGKILL') })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const end = async (): Promise<void> => {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  return { url: line.toString().trim(), end }
}

describe('a server that ends in the middle of tasks', () => {
  for (const [how, start, skip] of [
    ['closed', inProcess, false],
    ['killed by signal 9', asChild, process.env['POLITY_LONG'] !== '1' && 'real processes, seconds: POLITY_LONG=1'],
  ] as const)
    test(
      `${how}, loses none: what was done is still there, a program goes on, a call of a tool has failed`,
      { skip },
      async () => {
        const [store, file] = [join(folder, `${how}.db`), join(folder, `go-${how}`)]
        const { url, end } = await start(store, file)
        const client = await earlier({ url })
        const [quick, stuck, slow] = [
          await taskOf(client, 'quick'),
          await taskOf(client, 'stuck'),
          await taskOf(client, 'run_slow'),
        ]
        await client.experimental.tasks.getTaskResult(quick, CallToolResultSchema)
        await end()
        writeFileSync(file, '')
        const again = await earlier(await start(store, file))
        const { tasks } = again.experimental
        assert.equal((await tasks.getTask(quick)).status, 'completed')
        const done = await tasks.getTaskResult(quick, CallToolResultSchema)
        assert.deepEqual(done.content, [{ type: 'text', text: 'soon done' }])
        const gone = await within(10_000, tasks.getTaskResult(slow, CallToolResultSchema), 'the program')
        assert.deepEqual(gone.content, [{ type: 'text', text: 'begun: yes' }])
        assert.equal((await tasks.getTask(stuck)).status, 'failed')
      },
    )
})

// ------------------------------------------------------------------------------------------------------------- as a client

describe('tasks of outside servers', { concurrency: 3 }, () => {
  let files = 0
  async function open(): Promise<{ call: (tool: string) => ReturnType<Kernel['spawn']>; file: string }> {
    const file = join(folder, `task-server-${files++}.jsonl`)
    const script = join(import.meta.dirname, 'mcp', 'task-server.ts')
    const mcp = await openMcp({ servers: { far: { command: process.execPath, args: [script, file] } } })
    const kernel = await boot({ tools: mcp.tools })
    opened.push(mcp, kernel)
    return { call: (tool) => kernel.spawn((sys) => sys.call(`far/${tool}`, {}), null), file }
  }
  const notes = (file: string): { readonly [key: string]: unknown }[] =>
    existsSync(file)
      ? readFileSync(file, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as { readonly [key: string]: unknown })
      : []

  test('are waited for, looked at no more often than the server says, canceled with their process, and not begun anew', async () => {
    const { call, file } = await open()
    const begun = (tool: string): number => notes(file).filter((note) => note['begun'] === tool).length
    const stuck = call('stuck')
    stuck.result.catch(() => {})
    const before = performance.now()
    assert.equal(await call('slow').result, 'at last')
    const took = performance.now() - before
    assert.ok(took >= 300, `it is done after 20 ms, and may be looked at after 300; it was known after ${took}`)
    assert.match(JSON.stringify(await endOf(call('broken').result)), /TOOL_FAILED.*out of order/)
    stuck.kill()
    await until(
      () => notes(file),
      (all) => all.some(({ status }) => status === 'cancelled'),
    )
    // The server is started again to be asked, and knows of nothing.
    const end = await within(8_000, endOf(call('dies').result), 'the call')
    assert.equal(codeOf(end), 'TOOL_FAILED', JSON.stringify(end))
    assert.deepEqual(['slow', 'broken', 'stuck', 'dies'].map(begun), [1, 1, 1, 1])
  })

  test('of 2026-07-28 are followed over a connection that was lost, and asked about', async () => {
    const { server: far, kernel: there } = await serve()
    let isDown = false
    const mcp = await openMcp({
      servers: {
        far: {
          url: `${far.url}/mcp`,
          headers: { 'x-caller': 'ada runs approvals' },
          fetch: (url, init) => (isDown ? Promise.reject(new TypeError('fetch failed')) : fetch(url, init)),
        },
      },
      elicit: async () => ({ action: 'accept', content: { answer: 'Carol' } }),
    })
    const kernel = await boot({ tools: mcp.tools })
    opened.push(mcp, kernel)
    assert.equal(await kernel.spawn((sys) => sys.call('far/run_asker', {}), null).result, 'Hello, Carol')
    const run = kernel.spawn((sys) => sys.call('far/gated', { gate: 'far' }), null)
    const { pid } = await until(
      () => there.ps().find(({ program, state }) => program === 'mcp-client' && state === 'running'),
      (found) => found !== undefined,
    ).then((found) => found as { pid: number })
    await pause(100)
    isDown = true
    await pause(600)
    gates.get('far')?.()
    isDown = false
    assert.deepEqual(await within(8_000, run.result, 'the call'), { through: 'far' })
    assert.equal(there.ps().filter(({ program }) => program === 'mcp-client').length, 1)
    assert.equal(there.info(pid).state, 'done')
    const killed = kernel.spawn((sys) => sys.call('far/gated', { gate: 'never' }), null)
    killed.result.catch(() => {})
    await until(
      () => gates.has('never'),
      (is) => is,
    )
    await pause(100)
    killed.kill()
    await until(
      () => there.ps(),
      (all) => all.some(({ program, state }) => program === 'mcp-client' && state === 'killed'),
    )
  })

  test('an answer that its form does not allow is told as cancel, with a warning, and the task goes on', async (context) => {
    const chooser = defineProgram('chooser', async (sys) => {
      await sys.sleep(60)
      return sys.ask('Which?', { choices: ['red', 'blue'] })
    }) as Program
    const { server: far, kernel: there } = await serve({ programs: [chooser] }, { programs: [chooser] })
    const warned = context.mock.method(process, 'emitWarning', () => {})
    for (const answer of [{ action: 'accept', content: { answer: 'green' } }, { action: 'perhaps' }, undefined]) {
      let asked = 0
      const mcp = await openMcp({
        servers: { far: { url: `${far.url}/mcp`, headers: { 'x-caller': 'ada runs approvals' } } },
        elicit: async () => (asked++, answer as never),
      })
      const kernel = await boot({ tools: mcp.tools })
      opened.push(mcp, kernel)
      warned.mock.resetCalls()
      const { result } = kernel.spawn((sys) => sys.call('far/run_chooser', {}), null)
      result.catch(() => {})
      await until(
        () => asked,
        (count) => count > 0,
      )
      await pause(200)
      // Nobody chose: the question waits for who does.
      const [{ id }] = there.questions as readonly Question[] as readonly [Question]
      there.answer(id, 'blue')
      assert.equal(await within(8_000, result, 'the call'), 'blue')
      assert.equal(asked, 1)
      const warnings = warned.mock.calls.filter((one) => /an answer to MCP server far/.test(String(one.arguments[0])))
      assert.equal(warnings.length, 1)
    }
  })

  test('are canceled with their process also while its user is asked and says nothing', async () => {
    const { server: far, kernel: there } = await serve()
    let isAsked = false
    const mcp = await openMcp({
      servers: { far: { url: `${far.url}/mcp`, headers: { 'x-caller': 'ada runs approvals' } } },
      elicit: () => ((isAsked = true), new Promise(() => {})),
    })
    const kernel = await boot({ tools: mcp.tools })
    opened.push(mcp, kernel)
    const run = kernel.spawn((sys) => sys.call('far/run_asker', {}), null)
    run.result.catch(() => {})
    await until(
      () => isAsked,
      (is) => is,
    )
    run.kill()
    await until(
      () => there.ps().map(({ state }) => state),
      ([state]) => state === 'killed',
    )
  })
})

test('the later client of the official SDK is told of the extension', async () => {
  const { server } = await serve()
  const client = new LaterClient({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } })
  const requestInit = { headers: { 'x-caller': 'ada runs' } }
  await client.connect(new LaterTransport(new URL(`${server.url}/mcp`), { requestInit }))
  opened.push(client)
  const capabilities = client.getServerCapabilities()
  assert.deepEqual([capabilities?.extensions?.[TASKS], capabilities?.tasks], [{}, undefined])
})
