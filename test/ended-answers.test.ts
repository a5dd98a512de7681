/**
 * Why an answer ended before its end: its key was revoked or has expired, the server closes, its client went away. What the
 * official clients of the doors are told of it, whole and in streams, and what the journal keeps. Real keys, real HTTP.
 */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { connect as dial, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import OpenAI from 'openai'
import { z } from 'zod'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { realClock } from '../src/kernel/clock.ts'
import type { Kernel } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import { defineTool } from '../src/kernel/tools.ts'
import type { Pid, Program, Sys, Tool } from '../src/kernel/types.ts'
import type { Server } from '../src/server/http.ts'
import { createKey, revokeKey } from '../src/server/keys.ts'
import type { ServerLimits } from '../src/server/limits.ts'
import { doorPrograms, doorsOf, serve } from '../src/server/serve.ts'
import { clientOf, say } from './a2a-client.ts'
import { within } from './world.ts'

const folder = mkdtempSync(join(tmpdir(), 'polity-ended-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

interface Served {
  readonly kernel: Kernel
  readonly server: Server
  readonly key: string
  revoke(): void
  /** What lets the tool `gate` go on. */
  open(): void
}

let stores = 0

/** A model that says a word and no more, a tool that waits, a program that calls it, and a key for all doors. */
async function served(limits: Partial<ServerLimits> = {}, expiresMs?: number): Promise<Served> {
  const gate = Promise.withResolvers<void>()
  const tool = defineTool({
    name: 'gate',
    description: 'Waits.',
    effect: 'read',
    inputSchema: z.object({}),
    async execute(_, { signal }) {
      const ended = new Promise<never>((_resolve, reject) => signal.addEventListener('abort', reject))
      await Promise.race([gate.promise, ended])
      return 'through'
    },
  }) as Tool
  const worker = defineProgram(
    'worker',
    async (sys: Sys) => {
      await sys.send(0, 'begun')
      return sys.call('gate', {})
    },
    { tools: [tool] },
  ) as unknown as Program
  const kernel = createKernel({
    store: memoryStore(),
    models: { 'test/model': scripted(() => ({ text: 'a word', hang: true }), { clock: realClock() }) },
    programs: [worker, ...doorPrograms],
    tools: [tool],
  })
  const store = join(folder, `${++stores}.db`)
  const { key, entry } = createKey(
    store,
    {
      principal: 'ada',
      scopes: ['models', 'runs'],
      ...(expiresMs === undefined ? {} : { expiresAt: Date.now() + expiresMs }),
    },
    Date.now(),
  )
  const all = { heartbeatMs: 40, drainMs: 100, ...limits }
  const doors = doorsOf({ kernel, programs: [worker], tools: [tool], limits: all })
  const server = await serve({ kernel, store, port: 0, doors, limits: all })
  closing.push(
    () => kernel.close(),
    () => server.close(),
  )
  return { kernel, server, key, revoke: () => void revokeKey(store, entry.id, Date.now()), open: gate.resolve }
}

const openai = ({ server, key }: Served): OpenAI =>
  new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0 })

const until = async (what: string, holds: () => boolean): Promise<void> => {
  await within(
    5_000,
    (async () => {
      while (!holds()) await pause(5)
    })(),
    what,
  )
}
const running = ({ kernel }: Served): number => kernel.ps().filter(({ state }) => state === 'running').length
const running1 = (world: Served): Promise<void> => until('a process runs', () => running(world) === 1)

/** How the journal says that each process ended. */
async function endsIn({ kernel }: Served): Promise<readonly (string | undefined)[]> {
  const pids: readonly Pid[] = kernel.ps().map(({ pid }) => pid)
  const journals = await Promise.all(pids.map((pid) => kernel.events(pid)))
  return journals.map((events) => {
    const end = events.at(-1)
    return end?.type === 'process-end' ? end.error?.message : undefined
  })
}

async function thrown(promise: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  const error: unknown = await within(
    5_000,
    promise.then(
      () => assert.fail('nothing was thrown'),
      (rejected: unknown) => rejected,
    ),
  )
  assert.ok(error instanceof OpenAI.APIError, String(error))
  return error
}

const REVOKED = 'this key was revoked; ask the owner of the server for another'
const messages = [{ role: 'user' as const, content: 'hello' }]

/** A stream to its end, once its first word was heard. */
async function toEnd(stream: Promise<AsyncIterable<unknown>>, heard: () => void): Promise<void> {
  for await (const event of await stream) if (JSON.stringify(event).includes('a word')) heard()
}

const streams = {
  'Chat Completions': (client: OpenAI, heard: () => void) =>
    toEnd(client.chat.completions.create({ model: 'test/model', messages, stream: true }), heard),
  Responses: (client: OpenAI, heard: () => void) =>
    toEnd(client.responses.create({ model: 'test/model', input: 'hello', stream: true }), heard),
  'the final response': async (client: OpenAI, heard: () => void) => {
    const stream = client.responses.stream({ model: 'test/model', input: 'hello' })
    stream.on('response.output_text.delta', heard)
    return stream.finalResponse()
  },
} as const

describe('a stream of the OpenAI door', () => {
  for (const [name, listen] of Object.entries(streams)) {
    test(`says that its key was revoked, or has expired, ${name}`, async () => {
      for (const how of ['revoked', 'expired'] as const) {
        const world = await served({}, how === 'expired' ? 800 : undefined)
        const heard = Promise.withResolvers<void>()
        const end = thrown(listen(openai(world), heard.resolve) as Promise<unknown>)
        await within(2_000, heard.promise)
        if (how === 'revoked') world.revoke()
        const error = await end
        const why = how === 'revoked' ? REVOKED : 'this key has expired; ask the owner of the server for another'
        assert.deepEqual([error.code, error.message.includes(why)], ['invalid_api_key', true], error.message)
        await until('the process ends', () => running(world) === 0)
        assert.deepEqual(await endsIn(world), [`killed from outside: ${why}`])
      }
    })

    test(`says that the server closes, ${name}`, async () => {
      const world = await served()
      const heard = Promise.withResolvers<void>()
      const end = thrown(listen(openai(world), heard.resolve) as Promise<unknown>)
      await within(2_000, heard.promise)
      await world.server.close()
      const error = await end
      assert.deepEqual([error.code, error.message.includes('the server is closing')], ['kernel_closed', true])
      assert.deepEqual(await endsIn(world), ['killed from outside: the server is closing'])
    })
  }

  test('of Responses fails in both words that it has, and nothing comes after them', async () => {
    const world = await served()
    const response = await fetch(`${world.server.url}/v1/responses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${world.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'test/model', input: 'hello', stream: true }),
    })
    world.revoke()
    const events = [...(await within(2_000, response.text())).matchAll(/^data: (.*)$/gm)].map(
      ([, data]) => JSON.parse(data as string) as { readonly type: string; readonly sequence_number: number },
    )
    assert.deepEqual(
      events.slice(-2).map(({ type }) => type),
      ['response.failed', 'error'],
    )
    assert.deepEqual(
      events.map(({ sequence_number }) => sequence_number),
      events.map((_, at) => at),
    )
    const failed = events.at(-2) as unknown as {
      readonly response: { readonly status: string; readonly error: unknown }
    }
    assert.deepEqual(
      [failed.response.status, failed.response.error],
      ['failed', { code: 'invalid_api_key', message: REVOKED, retryable: false }],
    )
  })
})

describe('a whole answer', () => {
  const whole = {
    'Chat Completions': (client: OpenAI) => client.chat.completions.create({ model: 'test/model', messages }),
    'of several choices': (client: OpenAI) => client.chat.completions.create({ model: 'test/model', messages, n: 2 }),
    Responses: (client: OpenAI) => client.responses.create({ model: 'test/model', input: 'hello' }),
  } as const
  for (const [name, ask] of Object.entries(whole))
    test(`is 401 once its key was revoked, and 503 when the server closes: ${name}`, async () => {
      const count = name === 'of several choices' ? 2 : 1
      const revoked = await served()
      const refused = thrown(ask(openai(revoked)))
      await until('it is asked', () => running(revoked) === count)
      revoked.revoke()
      const unknown = await refused
      assert.ok(unknown instanceof OpenAI.AuthenticationError)
      assert.deepEqual(
        [unknown.status, unknown.code, unknown.headers?.get('x-should-retry')],
        [401, 'invalid_api_key', 'false'],
      )
      assert.match(unknown.headers?.get('www-authenticate') ?? '', /^Bearer /)
      assert.ok(unknown.message.includes(REVOKED))
      assert.deepEqual(await endsIn(revoked), Array(count).fill(`killed from outside: ${REVOKED}`))

      const closed = await served()
      const cut = thrown(ask(openai(closed)))
      await until('it is asked', () => running(closed) === count)
      await closed.server.close()
      const closes = await cut
      assert.deepEqual(
        [closes.status, closes.code, closes.headers?.get('x-should-retry'), closes.headers?.get('retry-after')],
        [503, 'kernel_closed', 'true', '1'],
      )
      assert.deepEqual(await endsIn(closed), Array(count).fill('killed from outside: the server is closing'))
    })

  test('that nobody waits for ends its process, and the journal says that its client went away', async () => {
    const world = await served()
    const gone = new AbortController()
    const answer = openai(world).chat.completions.create({ model: 'test/model', messages }, { signal: gone.signal })
    await running1(world)
    gone.abort()
    await assert.rejects(answer, OpenAI.APIUserAbortError)
    await until('the process ends', () => running(world) === 0)
    assert.deepEqual(await endsIn(world), ['killed from outside: its client went away'])
  })

  test('of AIOS has the status too', async () => {
    for (const how of ['revoked', 'closed'] as const) {
      const world = await served()
      const answer = fetch(`${world.server.url}/aios/query`, {
        method: 'POST',
        headers: { authorization: `Bearer ${world.key}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          query_type: 'llm',
          agent_name: 'ada',
          query_data: { messages, action_type: 'chat', message_return_type: 'text' },
        }),
      })
      await running1(world)
      if (how === 'revoked') world.revoke()
      else void world.server.close()
      const response = await within(5_000, answer)
      assert.equal(response.status, how === 'revoked' ? 401 : 503, await response.text())
    }
  })
})

describe('a stream of a run that goes on without its client', () => {
  for (const how of ['revoked', 'closed'] as const) {
    const told = how === 'revoked' ? /this key was revoked/ : /the server is closing/
    for (const binding of ['JSON-RPC', 'HTTP+JSON', 'JSON-RPC 0.3'] as const)
      test(`says why it ended: A2A, ${binding}, ${how}`, async () => {
        const world = await served()
        const client = await clientOf(world.server, 'worker', world.key, binding)
        const heard = Promise.withResolvers<void>()
        const end = assert.rejects(
          (async () => {
            for await (const event of client.sendMessageStream(say('go'))) if (event !== undefined) heard.resolve()
          })(),
          told,
        )
        await within(2_000, heard.promise)
        if (how === 'revoked') world.revoke()
        else await world.server.close()
        await within(2_000, end)
        assert.equal(running(world), 1)
      })

    test(`says why it ended: AG-UI, ${how}`, async () => {
      const world = await served()
      const response = await fetch(`${world.server.url}/agui/worker`, {
        method: 'POST',
        headers: { authorization: `Bearer ${world.key}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          threadId: 't',
          runId: 'r',
          messages: [{ id: 'u1', role: 'user', content: 'go' }],
          tools: [],
          context: [],
        }),
      })
      await running1(world)
      if (how === 'revoked') world.revoke()
      else await world.server.close()
      const said = await within(2_000, response.text())
      const last = JSON.parse(said.trimEnd().split('data: ').at(-1) as string) as { readonly [key: string]: string }
      assert.equal(last['type'], 'RUN_ERROR')
      assert.equal(last['code'], how === 'revoked' ? 'ACCESS_DENIED' : 'KERNEL_CLOSED')
      assert.match(last['message'] as string, told)
      assert.equal(running(world), 1)
    })
  }
})

describe('a call over MCP', () => {
  async function connected({ server, key }: Served, era: 'legacy' | 'auto', url = server.url): Promise<Client> {
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: era } })
    const requestInit = { headers: { authorization: `Bearer ${key}` } }
    await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit }))
    closing.push(() => client.close())
    assert.equal(client.getNegotiatedProtocolVersion(), era === 'legacy' ? '2025-11-25' : '2026-07-28')
    return client
  }
  const call = (client: Client): ReturnType<Client['callTool']> => {
    const result = client.callTool({ name: 'gate', arguments: {} })
    result.catch(() => {})
    return result
  }

  for (const era of ['legacy', 'auto'] as const) {
    test(`ends its process when its client closes, ${era}`, async () => {
      const world = await served({ mcpReturnMs: 300 })
      const client = await connected(world, era)
      void call(client)
      await running1(world)
      await client.close()
      if (era === 'legacy') {
        await pause(100)
        assert.equal(running(world), 1, 'it may take its stream up again')
      }
      await until('the process ends', () => running(world) === 0)
      assert.deepEqual(await endsIn(world), ['killed from outside: its client went away'])
    })

    test(`ends its process at once when its client cancels it, is refused, or the server closes, ${era}`, async () => {
      for (const how of ['cancels', 'revoked', 'closed'] as const) {
        const world = await served({ mcpReturnMs: 60_000 })
        const client = await connected(world, era)
        const abort = new AbortController()
        const result = client.callTool({ name: 'gate', arguments: {} }, { signal: abort.signal })
        result.catch(() => {})
        await running1(world)
        if (how === 'cancels') abort.abort()
        if (how === 'revoked') world.revoke()
        if (how === 'closed') {
          await world.server.close()
          const { isError, _meta } = await within(2_000, result)
          assert.deepEqual(
            [isError, _meta?.['polity/error']],
            [true, { code: 'KERNEL_CLOSED', message: 'the server is closing', retryable: true }],
          )
        }
        await until('the process ends', () => running(world) === 0)
        const canceled = era === 'legacy' ? 'its client canceled the call' : 'its client went away'
        const why = { cancels: canceled, revoked: REVOKED, closed: 'the server is closing' }[how]
        assert.deepEqual(await endsIn(world), [`killed from outside: ${why}`])
      }
    })
  }

  test('goes on where its client takes its broken stream up again, and ends when that breaks for good', async () => {
    await Promise.all((['answered', 'gone'] as const).map(broken))
  })

  async function broken(then: 'answered' | 'gone'): Promise<void> {
    const returnMs = 2_500
    const world = await served({ mcpReturnMs: returnMs })
    const lines = new Set<Socket>()
    const proxy = createServer((inside) => {
      const outside = dial(world.server.port, '127.0.0.1')
      for (const [one, other] of [
        [inside, outside],
        [outside, inside],
      ] as const) {
        lines.add(one)
        one.on('error', () => {})
        one.on('close', () => other.destroy())
        one.pipe(other)
      }
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const { port } = proxy.address() as { readonly port: number }
    const client = await connected(world, 'legacy', `http://127.0.0.1:${port}`)
    const result = call(client)
    await running1(world)
    // Its client has heard the id that it comes back with.
    await pause(100)
    const cut = (): void => {
      for (const line of lines) line.destroy()
      lines.clear()
    }
    cut()
    await until('the client comes back', () => lines.size > 0)
    await pause(returnMs + 300)
    assert.equal(running(world), 1, 'it was taken up again')
    if (then === 'answered') {
      world.open()
      assert.deepEqual((await within(2_000, result)).content, [{ type: 'text', text: 'through' }])
      proxy.close()
      return
    }
    proxy.close()
    cut()
    await until('the process ends', () => running(world) === 0)
    assert.deepEqual(await endsIn(world), ['killed from outside: its client went away'])
  }

  test('of a client that can take nothing up again ends at once', async () => {
    const world = await served({ mcpReturnMs: 60_000 })
    const post = (body: object, headers: { [name: string]: string }, signal?: AbortSignal): Promise<Response> =>
      fetch(`${world.server.url}/mcp`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          authorization: `Bearer ${world.key}`,
          ...headers,
        },
        body: JSON.stringify({ jsonrpc: '2.0', ...body }),
        ...(signal === undefined ? {} : { signal }),
      })
    const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } }
    const begun = await post({ id: 1, method: 'initialize', params }, {})
    await begun.text()
    const session = {
      'mcp-session-id': String(begun.headers.get('mcp-session-id')),
      'mcp-protocol-version': '2025-06-18',
    }
    const gone = new AbortController()
    const asked = { id: 2, method: 'tools/call', params: { name: 'gate', arguments: {} } }
    const answer = assert.rejects(post(asked, session, gone.signal), { name: 'AbortError' })
    await running1(world)
    gone.abort()
    await answer
    await until('the process ends', () => running(world) === 0)
    assert.deepEqual(await endsIn(world), ['killed from outside: its client went away'])
  })
})
