/**
 * What a client of a door is told to have been done, or to have ended, is kept first: a crash after the answer takes nothing
 * back. Over real HTTP, and an editor's protocol, on a store that keeps nothing for a while.
 */
import assert from 'node:assert/strict'
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { PROTOCOL_VERSION, client, methods, ndJsonStream } from '@agentclientprotocol/sdk'
import { hashingEmbedder } from '../src/drivers/embedder/hashing.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { realClock } from '../src/kernel/clock.ts'
import type { Put, Store } from '../src/kernel/drivers.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { JournalEvent, Json, Program } from '../src/kernel/types.ts'
import { a2aDoor } from '../src/server/a2a/door.ts'
import { serveAcp } from '../src/server/acp.ts'
import { aguiDoor } from '../src/server/agui.ts'
import type { Server } from '../src/server/http.ts'
import { mcpDoor } from '../src/server/mcp/door.ts'
import { doorPrograms, doorsOf, serve } from '../src/server/serve.ts'
import { within } from './world.ts'

interface Batch {
  readonly events: readonly JournalEvent[]
  readonly puts: readonly Put[]
}

interface SlowStore {
  readonly store: Store
  /** From now on, batches of this kind are not kept before `release`. */
  hold(isHeld?: (batch: Batch) => boolean): void
  release(): void
  /** Whether there is a batch that waits. */
  isHolding(): boolean
}

function slowStore(): SlowStore {
  const disk = memoryStore()
  let isHeld: ((batch: Batch) => boolean) | undefined
  let waiting: (() => void)[] = []
  return {
    store: {
      ...disk,
      durability: 'relaxed',
      async commit(batch) {
        const kept = { events: [...batch.events], puts: [...batch.puts] }
        if (isHeld?.(kept) === true) await new Promise<void>((resolve) => waiting.push(resolve))
        await disk.commit(kept)
      },
    },
    hold(which = () => true) {
      isHeld = which
    },
    release() {
      isHeld = undefined
      for (const go of waiting.splice(0)) go()
    },
    isHolding: () => waiting.length > 0,
  }
}

/** What is told once the store has kept it. Fails where it is told before. */
async function toldOnceKept<Told>(
  { hold, release, isHolding }: SlowStore,
  what: string,
  ask: () => Promise<Told>,
  isHeld?: (batch: Batch) => boolean,
): Promise<Told> {
  hold(isHeld)
  let early: unknown
  const told = ask()
  told.then(
    (said) => (early ??= said),
    (error: unknown) => (early ??= error),
  )
  try {
    while (!isHolding() && early === undefined) await pause(5)
    await pause(50)
    assert.equal(early, undefined, `${what} was told before it was kept: ${String(early)}`)
  } finally {
    release()
  }
  return within(2_000, told, what)
}

/** Asks by JSON-RPC: an A2A agent, or the MCP server of 2026-07-28. */
async function rpc(server: Server, path: string, method: string, params: { readonly [name: string]: unknown }) {
  const answer = await fetch(`${server.url}/${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'a2a-version': '1.0',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      'mcp-name': String(params['taskId'] ?? params['name']),
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method,
      params: path === 'mcp' ? { ...params, _meta: ofMcp } : params,
    }),
  })
  const said = await answer.text()
  assert.match(said, /"result"/, `${path} ${method}`)
  return said
}

const ofMcp = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {
    elicitation: { form: {} },
    extensions: { 'io.modelcontextprotocol/tasks': {} },
  },
}

const isEnd = ({ events }: Batch): boolean => events.some(({ type }) => type === 'process-end')

test('a run that was started, by whatever door, forked, sent to, answered or killed is kept before the client is told', async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'polity-told-'))
  const slow = slowStore()
  const asks = defineProgram('asks', async (sys) => {
    await sys.receive()
    return sys.ask('Go on?')
  }) as Program
  const kernel = createKernel({ store: slow.store, programs: [asks] })
  const server = await serve({
    kernel,
    doors: doorsOf({ kernel, programs: [asks] }),
    store: join(folder.path, 'keys.db'),
    port: 0,
  })

  /** Returns what was told first. */
  async function toldBy(path: string, body: object): Promise<string> {
    await kernel.flush()
    return toldOnceKept(slow, path, async () => {
      const answer = await fetch(`${server.url}/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      const reader = answer.body?.getReader()
      const said = Buffer.from((await reader?.read())?.value ?? []).toString()
      void reader?.cancel()
      assert.ok(answer.ok, said)
      return said
    })
  }
  const post = async (path: string, body: object): Promise<{ readonly pid: number }> =>
    JSON.parse(await toldBy(`api/v1/${path}`, body)) as { readonly pid: number }

  try {
    const { pid } = await post('processes', { program: 'asks' })
    await post(`processes/${pid}/send`, { body: 'hello' })
    while (kernel.questions.length === 0) await pause(5)
    const fork = await post(`processes/${pid}/fork`, { at: 0 })
    await post(`questions/${kernel.questions[0]?.id}/answer`, { text: 'yes' })
    await post(`processes/${fork.pid}/kill`, {})
    const submitted = await toldBy('aios/agents/submit', { agent_id: 'a/asks', agent_config: { task: 'go' } })
    assert.match(submitted, /"execution_id":\d/)
    const input = { threadId: 't', runId: 'r', messages: [{ id: 'u', role: 'user', content: 'go' }] }
    assert.match(await toldBy('agui/asks', { ...input, tools: [], context: [] }), /RUN_STARTED/)
  } finally {
    await server.close()
    await kernel.close()
  }
})

test('an end is kept before any door tells a client of it: in the answer that waits for it, and to who looks', async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'polity-told-'))
  const slow = slowStore()
  const echo = defineProgram('echo', async (sys) => {
    await sys.sleep(20)
    return 'done and told'
  }) as Program
  const waits = defineProgram('waits', async (sys) => {
    if ((await sys.receive()).body === 'fail') throw new Error('out of order')
    return 'done and told'
  }) as Program
  const programs = [echo, waits]
  const kernel = createKernel({
    store: slow.store,
    programs: [...programs, ...doorPrograms],
    models: { main: scripted(() => 'done and told') },
    embedder: hashingEmbedder(),
  })
  const server = await serve({
    kernel,
    doors: doorsOf({ kernel, programs }),
    store: join(folder.path, 'keys.db'),
    port: 0,
  })
  const asked = async (path: string, body?: object): Promise<string> => {
    const answer = await fetch(`${server.url}/${path}`, {
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
      headers: { 'content-type': 'application/json', 'a2a-version': '1.0' },
    })
    const said = await answer.text()
    assert.ok(answer.ok, `${path}: ${said}`)
    return said
  }
  const toldEnd = async (what: string, ask: () => Promise<string>, expected = /done and told/): Promise<void> => {
    await kernel.flush()
    assert.match(await toldOnceKept(slow, what, ask, isEnd), expected, what)
  }
  const ended = (path: string, body?: object, expected?: RegExp): Promise<void> =>
    toldEnd(`${path} ${JSON.stringify(body)}`, () => asked(path, body), expected)
  const endedRpc = (path: string, method: string, params: { readonly [name: string]: unknown }): Promise<void> =>
    toldEnd(`${path} ${method}`, () => rpc(server, path, method, params))
  const message = (messageId: string) => ({ messageId, role: 'ROLE_USER', parts: [{ text: 'hi' }] })
  const messages = [{ role: 'user', content: 'hi' }]
  const aios = (query_type: string, query_data: object) => ({ agent_name: 'a', query_type, query_data })
  const pidIn = (said: string): number => (JSON.parse(said) as { readonly pid: number }).pid

  try {
    await endedRpc('a2a/echo', 'SendMessage', { message: message('m1') })
    await ended('a2a/echo/message:send', { message: message('m2') })
    await endedRpc('a2a/echo', 'SendStreamingMessage', { message: message('m3') })
    const input = { threadId: 't', runId: 'r', messages: [{ id: 'u', ...messages[0] }], tools: [], context: [] }
    await ended('agui/echo', input, /RUN_FINISHED/)
    await ended('v1/chat/completions', { messages })
    await ended('v1/chat/completions', { messages, stream: true }, /\[DONE\]/)
    await ended('v1/responses', { input: 'hi' })
    await ended('v1/embeddings', { input: 'hi', model: kernel.embedder }, /"embedding"/)
    await ended('aios/query', aios('llm', { messages, action_type: 'chat' }))
    const note = { operation_type: 'add_memory', params: { content: 'hi' } }
    await ended('aios/query', aios('memory', note), /"success":true/)
    const write = { operation_type: 'write', params: { file_path: 'a', content: 'b' } }
    await ended('aios/query', aios('storage', write), /"finished":true/)
    await endedRpc('mcp', 'tools/call', { name: 'run_echo', arguments: { input: 'x' } })
    await ended('api/v1/notes', { text: 'hi' }, /"id"/)
    await ended(`api/v1/processes/${pidIn(await asked('api/v1/processes', { program: 'echo' }))}/result?wait=10`)

    // Who looks at runs that have ended, and whose ends are not kept yet.
    const run = pidIn(await asked('api/v1/processes', { program: 'waits' }))
    const begin = { message: message('m4'), configuration: { returnImmediately: true } }
    const [, task] = /"id":"(\d+)"/.exec(await rpc(server, 'a2a/waits', 'SendMessage', begin)) ?? []
    const submitted = await asked('aios/agents/submit', { agent_id: 'waits', agent_config: { task: 'go' } })
    const [, agent] = /"execution_id":(\d+)/.exec(submitted) ?? []
    await kernel.flush()
    slow.hold(isEnd)
    kernel.send(run, 'go')
    kernel.send(Number(task), 'go')
    kernel.send(Number(agent), 'fail')
    while (!slow.isHolding()) await pause(5)
    const looks: readonly (readonly [what: string, look: () => Promise<string>, expected: RegExp])[] = [
      ...(
        [
          [`api/v1/processes/${run}`, /"state":"done"/],
          ['api/v1/processes', /"state":"failed"/],
          ['api/v1/processes?all=true', /"state":"failed"/],
          [`api/v1/processes/${run}/tree`, /"state":"done"/],
          [`api/v1/processes/${run}/result`, /done and told/],
          [`aios/agents/${agent}/status`, /out of order/],
          ['aios/agents/ps', /"status":"failed"/],
        ] as const
      ).map(([path, expected]) => [path, () => asked(path), expected] as const),
      ['GetTask', () => rpc(server, 'a2a/waits', 'GetTask', { id: task }), /done and told/],
      ['ListTasks', () => rpc(server, 'a2a/waits', 'ListTasks', {}), /COMPLETED/],
    ]
    const early: string[] = []
    let isKept = false
    const told = looks.map(async ([what, look, expected]) => {
      const said = await look()
      if (!isKept) early.push(what)
      assert.match(said, expected, what)
    })
    await pause(200)
    isKept = true
    slow.release()
    await within(2_000, Promise.all(told), 'what is told of the ends')
    assert.deepEqual(early, [], 'told before it was kept')
  } finally {
    slow.release()
    await server.close()
    await kernel.close()
  }
})

test('what a client of A2A, MCP or AG-UI asks for is kept before it is told that it is done: a webhook, an answer, the end of a task', async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'polity-told-'))
  const slow = slowStore()
  const waits = defineProgram('waits', async (sys) => (await sys.receive()).body) as Program
  const asks = defineProgram('asks', async (sys) => {
    await sys.sleep(60)
    await sys.ask('Go on?')
    return (await sys.receive()).body
  }) as Program
  const twice = defineProgram('twice', (sys) => Promise.all([sys.ask('Who?'), sys.ask('Why?')])) as Program
  const programs = [waits, asks, twice]
  const kernel = createKernel({ store: slow.store, programs })
  const server = await serve({
    kernel,
    doors: [
      a2aDoor({ kernel, programs, push: { privateHosts: ['127.0.0.1'] } }),
      mcpDoor({ kernel, programs, taskAfterMs: 20 }),
      aguiDoor({ kernel, programs }),
    ],
    store: join(folder.path, 'keys.db'),
    port: 0,
  })
  const told = async (path: string, method: string, params: { readonly [name: string]: unknown }): Promise<string> => {
    await kernel.flush()
    return toldOnceKept(slow, method, () => rpc(server, path, method, params))
  }
  try {
    const message = { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'hi' }] }
    const begin = { message, configuration: { returnImmediately: true } }
    const [, id = ''] = /"id":"(\d+)"/.exec(await told('a2a/waits', 'SendMessage', begin)) ?? []
    const named = { taskId: id, id: 'hook' }
    const created = await told('a2a/waits', 'CreateTaskPushNotificationConfig', {
      ...named,
      url: 'http://127.0.0.1:9/',
    })
    assert.match(created, /"id":"hook"/)
    await told('a2a/waits', 'DeleteTaskPushNotificationConfig', named)
    assert.match(await told('a2a/waits', 'CancelTask', { id }), /CANCELED/)

    const call = { name: 'run_asks', arguments: { input: 'x' } }
    const [, taskId = ''] = /"taskId":"(\d+)"/.exec(await told('mcp', 'tools/call', call)) ?? []
    while (kernel.questions.length === 0) await pause(5)
    const inputResponses = { [`question-${kernel.questions[0]?.id}`]: { action: 'accept', content: { answer: 'yes' } } }
    await told('mcp', 'tasks/update', { taskId, inputResponses })
    await told('mcp', 'tasks/cancel', { taskId })
    assert.equal(kernel.info(Number(taskId)).state, 'killed')

    // Of two questions one is answered; the other is told once the answer is kept.
    const [, asked = ''] = /"id":"(\d+)"/.exec(await rpc(server, 'a2a/twice', 'SendMessage', begin)) ?? []
    while (kernel.questions.length < 2) await pause(5)
    for (const [messageId, configuration] of [
      ['n', { returnImmediately: true }],
      ['o', {}],
    ] as const)
      await told('a2a/twice', 'SendMessage', { message: { ...message, messageId, taskId: asked }, configuration })
    const agui = async (more: object): Promise<string> => {
      const input = {
        threadId: 't',
        runId: 'r',
        messages: [{ id: 'u', role: 'user', content: 'go' }],
        tools: [],
        context: [],
      }
      const answer = await fetch(`${server.url}/agui/twice`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...input, ...more }),
      })
      return answer.text()
    }
    const [, interruptId] = /"id":"(\d+-\d+)"/.exec(await agui({})) ?? []
    const resume = [{ interruptId, status: 'resolved', payload: { answer: 'Ada' } }]
    await kernel.flush()
    assert.match(await toldOnceKept(slow, 'resume', () => agui({ resume })), /Why\?/)
  } finally {
    slow.release()
    await server.close()
    await kernel.close()
  }
})

test('what an editor’s user is told of a turn is kept first: the answer that was taken, a turn that was cancelled', async () => {
  const slow = slowStore()
  const program = defineProgram('twice', async (sys, said: Json) => {
    if (said === 'sleep') await sys.sleep(3_600_000)
    if (said === 'end') return sys.sleep(20).then(() => 'done and told')
    return Promise.all([sys.ask('Who?'), sys.ask('Why?')])
  }) as Program<Json, Json>
  const kernel = createKernel({ store: slow.store, programs: [program as Program] })
  const [input, output] = [new PassThrough(), new PassThrough()]
  const closing = new AbortController()
  const served = serveAcp(
    { kernel, program, clock: realClock(), heads: () => slow.store.processes(), streams: { input, output } },
    closing.signal,
  )
  const { agent } = client({ name: 'editor' })
    .onNotification(methods.client.session.update, () => {})
    .connect(ndJsonStream(Writable.toWeb(input), Readable.toWeb(output) as unknown as ReadableStream<Uint8Array>))
  try {
    await agent.request(methods.agent.initialize, { protocolVersion: PROTOCOL_VERSION, clientCapabilities: {} })
    const { sessionId } = await agent.request(methods.agent.session.new, { cwd: '/', mcpServers: [] })
    const say = (text: string): Promise<{ readonly stopReason: string }> =>
      agent.request(methods.agent.session.prompt, { sessionId, prompt: [{ type: 'text', text }] })
    const stop = async (
      what: string,
      ask: () => Promise<{ readonly stopReason: string }>,
      isHeld?: (batch: Batch) => boolean,
    ) => {
      await kernel.flush()
      return (await toldOnceKept(slow, what, ask, isHeld)).stopReason
    }
    assert.equal(await stop('an end', () => say('end'), isEnd), 'end_turn')
    assert.equal((await say('ask')).stopReason, 'end_turn')
    assert.equal(await stop('an answer', () => say('Ada')), 'end_turn')
    assert.equal((await say('because')).stopReason, 'end_turn')
    const slept = say('sleep')
    while (!kernel.ps().some(({ waiting }) => waiting === 'sleep')) await pause(5)
    const cancelled = await stop('a cancel', async () => {
      await agent.notify(methods.agent.session.cancel, { sessionId })
      return slept
    })
    assert.equal(cancelled, 'cancelled')
  } finally {
    slow.release()
    closing.abort()
    await served
    await kernel.close()
  }
})
