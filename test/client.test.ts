/** The client of the native API against a real server with real keys: what it refuses itself, what it is told, and when it gives up. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createPolity } from '../src/ai.ts'
import { parseCommandLine } from '../src/cli/options.ts'
import type { Client, StreamedEvent } from '../src/client.ts'
import { ApiError, PolityError, createClient, errorTable } from '../src/client.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import type { Kernel } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Program, Sys } from '../src/kernel/types.ts'
import type { Server } from '../src/server/http.ts'
import type { Scope } from '../src/server/caller.ts'
import { createKey, revokeKey } from '../src/server/keys.ts'
import type { ServerLimits } from '../src/server/limits.ts'
import { doorPrograms, doorsOf, serve } from '../src/server/serve.ts'
import { serveMcpStdio } from '../src/server/mcp/stdio.ts'
import { cliContext } from './cli-context.ts'
import { within } from './world.ts'

const folder = mkdtempSync(join(tmpdir(), 'polity-client-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

interface Served {
  readonly kernel: Kernel
  readonly server: Server
  readonly store: string
  /** A key with these scopes, and how it is revoked. */
  key(scopes: readonly Scope[], expiresMs?: number): { readonly key: string; revoke(): void }
  close(): Promise<void>
}

let stores = 0
const idle = defineProgram('idle', async (sys: Sys) => {
  for (;;) await sys.receive()
}) as unknown as Program

async function served({
  limits = {},
  store = join(folder, `${++stores}.db`),
  port = 0,
}: { limits?: Partial<ServerLimits>; store?: string; port?: number } = {}): Promise<Served> {
  const kernel = createKernel({ store: memoryStore(), programs: [idle, ...doorPrograms] })
  const all = { heartbeatMs: 40, drainMs: 100, ...limits }
  const key: Served['key'] = (scopes, expiresMs) => {
    const at = expiresMs === undefined ? {} : { expiresAt: Date.now() + expiresMs }
    const { key, entry } = createKey(store, { principal: 'ada', scopes, ...at }, Date.now())
    return { key, revoke: () => void revokeKey(store, entry.id, Date.now()) }
  }
  const server = await serve({
    kernel,
    store,
    port,
    doors: doorsOf({ kernel, programs: [idle], limits: all }),
    limits: all,
  })
  const close = async (): Promise<void> => {
    await server.close()
    await kernel.close()
  }
  closing.push(close)
  return { kernel, server, store, key, close }
}

const failure = async (promise: Promise<unknown>): Promise<ApiError> => {
  const error: unknown = await within(
    5_000,
    promise.then(
      () => assert.fail('it was not refused'),
      (rejected: unknown) => rejected,
    ),
  )
  assert.ok(error instanceof ApiError, String(error))
  return error
}

async function toEnd(events: AsyncIterable<StreamedEvent>, heard: (event: StreamedEvent) => void): Promise<void> {
  for await (const event of events) heard(event)
}

async function until(is: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !is(); i++) await pause(10)
  assert.ok(is())
}

describe('an event stream', () => {
  for (const scope of ['one process', 'all processes'] as const)
    for (const how of ['was revoked', 'has expired'] as const)
      test(`of ${scope} says that its key ${how}, and the client raises that at once`, async () => {
        const world = await served()
        const { key, revoke } = world.key(['runs'], how === 'has expired' ? 600 : undefined)
        let asked = 0
        const client = createClient({
          url: world.server.url,
          key,
          fetch: (...given) => {
            asked++
            return fetch(...given)
          },
        })
        const { pid } = await client.processes.start({ program: 'idle' })
        asked = 0
        const begun = Promise.withResolvers<void>()
        const events =
          scope === 'one process' ? client.processes.events(pid, { after: 0 }) : client.events({ after: 0 })
        const end = failure(toEnd(events, () => begun.resolve()))
        await within(2_000, begun.promise)
        if (how === 'was revoked') revoke()
        const error = await end
        const why = `this key ${how}; ask the owner of the server for another`
        assert.deepEqual([error.code, error.status, error.message, error.retryable], ['ACCESS_DENIED', 401, why, false])
        assert.equal(asked, 1, 'it did not have to ask again to learn why')
      })

  test('whose last event is read by hand has the error, its status, and nothing behind it', async () => {
    const world = await served()
    const { key, revoke } = world.key(['runs'])
    const response = await fetch(`${world.server.url}/api/v1/events`, { headers: { authorization: `Bearer ${key}` } })
    revoke()
    const text = await within(2_000, response.text())
    const [, name, data = ''] = /event: (.*)\ndata: (.*)\n\n$/.exec(text) ?? []
    assert.equal(name, 'failure')
    assert.deepEqual(JSON.parse(data), {
      type: 'failure',
      code: 'ACCESS_DENIED',
      message: 'this key was revoked; ask the owner of the server for another',
      todo: 'Send a key as `Authorization: Bearer …`; who runs this server can make one.',
      retryable: false,
      status: 401,
    })
  })

  test('goes on where it was when its server closed and another took its place: that is no end', async () => {
    const first = await served()
    const { key } = first.key(['runs'])
    const url = first.server.url
    const client = createClient({ url, key })
    const gone = new AbortController()
    const heard: StreamedEvent[] = []
    const end = toEnd(
      client.events({ signal: gone.signal, types: ['process-start'] }),
      (event) => void heard.push(event),
    )
    const raw = await fetch(`${url}/api/v1/events`, { headers: { authorization: `Bearer ${key}` } })
    await client.processes.start({ program: 'idle' })
    for (let i = 0; i < 200 && heard.length < 1; i++) await pause(5)
    await first.close()
    const last = /event: failure\ndata: (.*)\n\n$/.exec(await raw.text())?.[1] ?? '{}'
    const { code, retryable, status, todo } = JSON.parse(last)
    assert.deepEqual([code, retryable, status, typeof todo], ['KERNEL_CLOSED', true, 503, 'string'])
    const second = await served({ store: first.store, port: first.server.port })
    for (let i = 0; i < 400 && heard.length < 3; i++) {
      if (i % 40 === 0) second.kernel.spawn(idle, null, { principal: 'ada' })
      await pause(10)
    }
    gone.abort()
    await within(2_000, end)
    assert.ok(heard.some(({ type }) => type === 'process-start') && heard.length >= 3, JSON.stringify(heard))
  })

  test('that has no room is tried again until there is some', async () => {
    const world = await served({ limits: { streamsPerPrincipalMax: 1 } })
    const statuses: number[] = []
    const client = createClient({
      url: world.server.url,
      key: world.key(['runs']).key,
      async fetch(...given) {
        const response = await fetch(...given)
        statuses.push(response.status)
        return response
      },
    })
    const [gone, enough] = [new AbortController(), new AbortController()]
    const first = toEnd(client.events({ signal: gone.signal }), () => {})
    await until(() => statuses.length === 1)
    const second = toEnd(client.events({ signal: enough.signal }), () => enough.abort())
    await until(() => statuses.includes(429))
    gone.abort()
    await first
    await until(() => statuses.at(-1) === 200)
    world.kernel.spawn(idle, null, { principal: 'ada' })
    await within(2_000, second)
  })

  test('that something in front of its server fails is tried again, and what is not there is an error at once', async () => {
    const world = await served()
    const asked: string[] = []
    const client = createClient({
      url: world.server.url,
      key: world.key(['runs']).key,
      async fetch(input, init) {
        asked.push(String(input))
        const error = { code: 'STORE_INVALID', message: 'for now', retryable: false }
        return asked.length > 1 ? fetch(input, init) : new Response(JSON.stringify({ error }), { status: 500 })
      },
    })
    const enough = new AbortController()
    const events = toEnd(client.events({ signal: enough.signal }), () => enough.abort())
    await until(() => asked.length === 2)
    await pause(100)
    world.kernel.spawn(idle, null, { principal: 'ada' })
    await within(2_000, events)
    asked.length = 2
    const { code, status } = await failure(toEnd(client.processes.events(999), () => {}))
    assert.deepEqual([code, status, asked.length], ['NO_SUCH_PROCESS', 404, 3])
  })

  test('whose server cannot read its keys for a while is told that it is no fault of the key, and goes on after it', async () => {
    const world = await served()
    const { key } = world.key(['runs'])
    const headers = { authorization: `Bearer ${key}` }
    const raw = await fetch(`${world.server.url}/api/v1/events`, { headers })
    const client = createClient({ url: world.server.url, key })
    const enough = new AbortController()
    const events = toEnd(client.events({ signal: enough.signal }), () => enough.abort())
    await pause(100)
    const keys = `${world.store}-keys`
    const whole = readFileSync(keys)
    writeFileSync(keys, '{')
    const last = /event: failure\ndata: (.*)\n\n$/.exec(await within(2_000, raw.text()))?.[1] ?? '{}'
    const { code, retryable, status } = JSON.parse(last)
    assert.deepEqual([code, retryable, status], ['STORE_FAILED', true, 503])
    const refused = await failure(client.processes.list())
    assert.deepEqual([refused.code, refused.retryable, refused.status], ['STORE_FAILED', true, 503])
    writeFileSync(keys, whole)
    for (let i = 0; i < 100 && !enough.signal.aborted; i++) {
      world.kernel.spawn(idle, null, { principal: 'ada' })
      await pause(50)
    }
    await within(1_000, events)
  })
})

test('a wait for a result that the server cuts short is told that it closes, not that the run goes on', async () => {
  const world = await served()
  const client = createClient({ url: world.server.url, key: world.key(['runs']).key })
  const { pid } = await client.processes.start({ program: 'idle' })
  const end = failure(client.processes.result(pid))
  await pause(100)
  await world.close()
  const error = await end
  assert.deepEqual([error.code, error.status, error.retryable], ['KERNEL_CLOSED', 503, true])
})

test('an error says whether trying again may help: of the API in its body, of others by the status, in results by its code', async () => {
  const world = await served()
  const client = createClient({ url: world.server.url, key: world.key(['runs']).key })
  const missing = await failure(client.processes.get(999))
  assert.deepEqual([missing.code, missing.retryable], ['NO_SUCH_PROCESS', false])
  const unknown = await failure(createClient({ url: world.server.url, key: 'polity_x' }).processes.list())
  assert.deepEqual([unknown.code, unknown.status, unknown.retryable], ['ACCESS_DENIED', 401, false])
  const answering = (status: number, body: string): Promise<ApiError> =>
    failure(createClient({ url: world.server.url, fetch: async () => new Response(body, { status }) }).processes.list())
  const told = (code: string, more = {}): string => JSON.stringify({ error: { code, message: 'm', ...more } })
  assert.equal((await answering(503, 'a proxy')).retryable, true)
  assert.equal((await answering(404, 'a proxy')).retryable, false)
  assert.equal((await answering(503, told('OVERLOADED'))).retryable, true)
  assert.equal((await answering(429, told('LIMIT_EXCEEDED'))).retryable, false)
  assert.equal((await answering(429, told('LIMIT_EXCEEDED', { retryable: true }))).retryable, true)
  assert.equal((await answering(500, told('NEW_CODE'))).retryable, true)
  const { pid } = await client.processes.start({ program: 'idle' })
  await client.processes.kill(pid, 'enough')
  const { error } = await client.processes.result(pid)
  assert.equal(errorTable[error?.code ?? 'OVERLOADED'].retry, false)
})

test('a stream waits as long as the server asks for, up to a bound; beyond it, it ends with what it was refused with', async () => {
  const asked: number[] = []
  const refusing = (seconds: string): Client =>
    createClient({
      url: 'http://127.0.0.1:1',
      async fetch() {
        asked.push(performance.now())
        const error = { code: 'OVERLOADED', message: 'come again', retryable: true }
        return new Response(JSON.stringify({ error }), { status: 503, headers: { 'retry-after': seconds } })
      },
    })
  for (const events of [
    refusing('86400').events(),
    refusing('1').events({ retryAfterMsMax: 999 }),
    refusing('61').processes.events(1),
  ]) {
    asked.length = 0
    const error = await failure(toEnd(events, () => {}))
    assert.deepEqual([error.code, error.status, asked.length], ['OVERLOADED', 503, 1])
    assert.ok([86_400_000, 1_000, 61_000].includes(error.retryAfterMs ?? 0))
  }
  asked.length = 0
  const gone = new AbortController()
  const patient = toEnd(refusing('1').events({ signal: gone.signal, retryAfterMsMax: 1_000 }), () => {})
  await until(() => asked.length === 2)
  assert.ok((asked[1] ?? 0) - (asked[0] ?? 0) >= 900)
  gone.abort()
  await patient
  // A timer of Node that is to run longer than 2^31 ms runs at once.
  asked.length = 0
  const forever = new AbortController()
  const waits = toEnd(refusing('2147484').events({ signal: forever.signal, retryAfterMsMax: Infinity }), () => {})
  await pause(100)
  assert.equal(asked.length, 1)
  forever.abort()
  await waits
})

test('a server that is not there, or whose answer is cut, is named with what to do; who aborts hears of that alone', async () => {
  const world = await served()
  await world.close()
  const { url } = world.server
  const client = createClient({ url })
  const unanswered = async (promise: Promise<unknown>): Promise<PolityError> => {
    const error: unknown = await promise.then(
      () => assert.fail('it was answered'),
      (thrown: unknown) => thrown,
    )
    assert.ok(PolityError.isInstance(error), String(error))
    assert.deepEqual([error.code, error.retryable], ['DRIVER_UNAVAILABLE', true])
    return error
  }
  const gone = await unanswered(client.processes.list())
  assert.ok(gone.cause instanceof TypeError)
  assert.match(
    gone.message,
    new RegExp(
      `^no answer from ${url} to GET /api/v1/processes \\(.*ECONNREFUSED.*\\); look whether the server runs there`,
    ),
  )
  assert.match((await unanswered(client.processes.start({ program: 'idle' }))).message, /to POST \/api\/v1\/processes /)
  await unanswered(client.notes.forget('x'))
  await unanswered(client.processes.result(1))

  const cutting = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('{"items":')
    setTimeout(() => response.destroy(), 20)
  })
  await new Promise<void>((resolve) => cutting.listen(0, '127.0.0.1', resolve))
  closing.push(() => cutting.close())
  const { port } = cutting.address() as AddressInfo
  await unanswered(createClient({ url: `http://127.0.0.1:${port}` }).processes.list())

  const page = createClient({ url, fetch: async () => new Response('<html>', { status: 200 }) })
  const { code, status, message } = await failure(page.processes.list())
  assert.deepEqual([code, status, message], ['HTTP', 200, 'the server answered 200: <html>'])

  const another = await served()
  const own = createClient({ url: another.server.url, key: another.key(['runs']).key })
  const { pid } = await own.processes.start({ program: 'idle' })
  const aborting = new AbortController()
  const end = own.processes.result(pid, { signal: aborting.signal })
  setTimeout(() => aborting.abort(), 30)
  await assert.rejects(end, { name: 'AbortError' })
  await assert.rejects(own.processes.result(pid, { signal: AbortSignal.timeout(30) }), { name: 'TimeoutError' })
})

// ------------------------------------------------------------------------------------------------------------- options

test('what a method does not take is called what it is where there is no Node', async () => {
  const client = createClient({ url: 'http://127.0.0.1:1' })
  const { process } = globalThis
  const said: string[] = []
  for (const limit of [true, null, Symbol('ten'), 'ten', Number.NaN]) {
    let refused: Promise<unknown>
    Object.assign(globalThis, { process: undefined })
    try {
      refused = client.budgets({ limit: limit as never })
    } finally {
      Object.assign(globalThis, { process })
    }
    await refused.catch(({ message }: Error) => said.push(message))
  }
  const ends = ['true', 'null', 'Symbol(ten)', 'ten', 'NaN']
  assert.deepEqual(
    said,
    ends.map((end) => `budgets: limit takes a number, not ${end}`),
  )
})

/** What each method says of a key that is nearly one of its own, and of a value of another type. */
const methods: {
  readonly [at: string]: readonly [
    misspelt: (client: Client) => unknown,
    meant: string,
    mistyped: (client: Client) => unknown,
    says: string,
  ]
} = {
  'processes.list': [
    ({ processes }) => processes.list({ stat: 'running' } as never),
    'state',
    ({ processes }) => processes.list({ state: 5 } as never),
    'state takes a text or a list of texts, not 5',
  ],
  'processes.get': [
    ({ processes }) => processes.get(1, { singal: undefined } as never),
    'signal',
    ({ processes }) => processes.get('../notes' as never),
    'pid takes a whole number, not ../notes',
  ],
  'processes.start': [
    ({ processes }) => processes.start({ program: 'idle' }, { idempotencykey: 'a' } as never),
    'idempotencyKey',
    ({ processes }) => processes.start({ program: 'idle' }, { idempotencyKey: 'ä' }),
    'idempotencyKey takes 1 to 200 printable ASCII characters, not ä',
  ],
  'processes.kill': [
    ({ processes }) => processes.kill(1, 'why', { signa: null } as never),
    'signal',
    ({ processes }) => processes.kill(-1),
    'pid takes a whole number, not -1',
  ],
  'processes.fork': [
    ({ processes }) => processes.fork(1, {}, { idempotentKey: 'a' } as never),
    'idempotencyKey',
    ({ processes }) => processes.fork(1.5),
    'pid takes a whole number, not 1.5',
  ],
  'processes.resume': [
    ({ processes }) => processes.resume(1, { sinal: 1 } as never),
    'signal',
    ({ processes }) => processes.resume(undefined as never),
    'pid takes a whole number, not undefined',
  ],
  'processes.replay': [
    ({ processes }) => processes.replay(1, { sinal: 1 } as never),
    'signal',
    ({ processes }) => processes.replay(1, { signal: 5 } as never),
    'signal takes an AbortSignal, not 5',
  ],
  'processes.send': [
    ({ processes }) => processes.send(1, 'x', { sinal: 1 } as never),
    'signal',
    ({ processes }) => processes.send('1' as never, 'x'),
    'pid takes a whole number, not "1"',
  ],
  'processes.tree': [
    ({ processes }) => processes.tree(1, { sinal: 1 } as never),
    'signal',
    ({ processes }) => processes.tree(Number.NaN),
    'pid takes a whole number, not NaN',
  ],
  'processes.result': [
    ({ processes }) => processes.result(1, { waitMS: 5 } as never),
    'waitMs',
    ({ processes }) => processes.result(1, { waitMs: '5' } as never),
    'waitMs takes at least 0 ms, not "5"',
  ],
  'processes.trace': [
    ({ processes }) => processes.trace(1, { ful: true } as never),
    'full',
    ({ processes }) => processes.trace(1, { full: 'yes' } as never),
    'full takes true or false, not yes',
  ],
  'processes.call': [
    ({ processes }) => processes.call(1, 0, { sinal: 1 } as never),
    'signal',
    ({ processes }) => processes.call(1, '0' as never),
    'n takes a whole number, not "0"',
  ],
  'processes.conversation': [
    ({ processes }) => processes.conversation(1, { sor: 'n' } as never),
    'sort',
    ({ processes }) => processes.conversation(1, { limit: 'x' } as never),
    'limit takes a number, not x',
  ],
  'processes.files': [
    ({ processes }) => processes.files(1, { prefx: 'a' } as never),
    'prefix',
    ({ processes }) => processes.files(1, { prefix: ['a'] } as never),
    "prefix takes text, not [ 'a' ]",
  ],
  'processes.file': [
    ({ processes }) => processes.file(1, 'a', undefined, { sinal: 1 } as never),
    'signal',
    ({ processes }) => processes.file(1, {} as never),
    'path takes text that is not empty, not {}',
  ],
  'processes.fileVersions': [
    ({ processes }) => processes.fileVersions(1, 'a', { limt: 1 } as never),
    'limit',
    ({ processes }) => processes.fileVersions(1, 5 as never),
    'path takes text that is not empty, not 5',
  ],
  'processes.events': [
    ({ processes }) => processes.events(1, { afer: 0 } as never),
    'after',
    ({ processes }) => processes.events(1, { types: 'process-end' } as never),
    'types takes a list of texts, not process-end',
  ],
  'notes.list': [
    ({ notes }) => notes.list({ tags: 'a' } as never),
    'tag',
    ({ notes }) => notes.list({ validAt: new Date(0) } as never),
    'validAt takes a number, not 1970-01-01T00:00:00.000Z',
  ],
  'notes.search': [
    ({ notes }) => notes.search('x', { limits: 5 } as never),
    'limit',
    ({ notes }) => notes.search(''),
    'query takes text that is not empty, not ""',
  ],
  'notes.remember': [
    ({ notes }) => notes.remember({ text: 'x' }, { sinal: 1 } as never),
    'signal',
    ({ notes }) => notes.remember({ text: 'x' }, { signal: {} } as never),
    'signal takes an AbortSignal, not {}',
  ],
  'notes.revoke': [
    ({ notes }) => notes.revoke({ source: 'x' }, { sinal: 1 } as never),
    'signal',
    ({ notes }) => notes.revoke({ source: 'x' }, { signal: true } as never),
    'signal takes an AbortSignal, not true',
  ],
  'notes.forget': [
    ({ notes }) => notes.forget('n1', 'ada', { sinal: 1 } as never),
    'signal',
    ({ notes }) => notes.forget(1 as never),
    'id takes text that is not empty, not 1',
  ],
  'notes.memories': [
    ({ notes }) => notes.memories({ cusor: 'a' } as never),
    'cursor',
    ({ notes }) => notes.memories({ cursor: null } as never),
    'cursor takes text, not null',
  ],
  events: [
    (client) => client.events({ type: ['process-end'] } as never),
    'types',
    (client) => client.events({ after: 'n1' } as never),
    'after takes a whole number, not n1',
  ],
  'questions.list': [
    ({ questions }) => questions.list({ sinal: 1 } as never),
    'signal',
    ({ questions }) => questions.list({ signal: 'a' } as never),
    'signal takes an AbortSignal, not a',
  ],
  'questions.answer': [
    ({ questions }) => questions.answer(1, 'allow', undefined, { sinal: 1 } as never),
    'signal',
    ({ questions }) => questions.answer('q1' as never, 'allow'),
    'id takes a whole number, not q1',
  ],
  ...Object.fromEntries(
    (['tools', 'programs', 'cores', 'limits', 'openapi'] as const).map((at) => [
      at,
      [
        (client: Client) => client[at]({ sinal: 1 } as never),
        'signal',
        (client: Client) => client[at]({ signal: 1 } as never),
        'signal takes an AbortSignal, not 1',
      ] as const,
    ]),
  ),
  'policy.get': [
    ({ policy }) => policy.get({ sinal: 1 } as never),
    'signal',
    ({ policy }) => policy.get({ signal: 1 } as never),
    'signal takes an AbortSignal, not 1',
  ],
  'policy.explain': [
    ({ policy }) => policy.explain({}, undefined, { sinal: 1 } as never),
    'signal',
    ({ policy }) => policy.explain({}, undefined, { signal: 1 } as never),
    'signal takes an AbortSignal, not 1',
  ],
  'policy.test': [
    ({ policy }) => policy.test([], undefined, { sinal: 1 } as never),
    'signal',
    ({ policy }) => policy.test([], undefined, { signal: 1 } as never),
    'signal takes an AbortSignal, not 1',
  ],
  audit: [
    (client) => client.audit({ sor: 'number' } as never),
    'sort',
    (client) => client.audit({ sort: 5 } as never),
    'sort takes text, not 5',
  ],
  budgets: [
    (client) => client.budgets({ limits: 5 } as never),
    'limit',
    (client) => client.budgets({ limit: '5' } as never),
    'limit takes a number, not "5"',
  ],
}

/** Every method there is by its name; those that go through pages are made of the one that gives a page. */
function namesOf(client: Client): string[] {
  return Object.entries(client)
    .flatMap(([name, one]) =>
      typeof one === 'function' ? [name] : Object.keys(one).map((method) => `${name}.${method}`),
    )
    .filter((name) => !/\.each/.test(name))
}

test('a method refuses an option that it does not take, or one of another type, before anything is sent', async (t) => {
  const client = createClient({ url: 'http://127.0.0.1:1', fetch: () => assert.fail('it was sent') })
  assert.deepEqual(Object.keys(methods).toSorted(), namesOf(client).toSorted())
  for (const [at, [misspelt, meant, mistyped, says]] of Object.entries(methods))
    await t.test(at, async () => {
      const said = async (call: (client: Client) => unknown): Promise<string> => {
        const error: unknown = await Promise.resolve()
          .then(() => call(client))
          .then(
            () => undefined,
            (thrown: unknown) => thrown,
          )
        assert.ok(PolityError.isInstance(error), String(error))
        assert.equal(error.code, 'INVALID_ARGUMENT')
        return error.message
      }
      const unknown = await said(misspelt)
      assert.ok(unknown.startsWith(`${at} takes the keys `), unknown)
      assert.ok(unknown.endsWith(`; did you mean ${meant}?`), unknown)
      assert.equal(await said(mistyped), `${at}: ${says}`)
    })
})

test('those that go through pages say it with the first page', async () => {
  const client = createClient({ url: 'http://127.0.0.1:1', fetch: () => assert.fail('it was sent') })
  for (const each of [
    () => client.processes.each({ stat: 'running' } as never),
    () => client.processes.eachFile(1, { prefx: 'a' } as never),
    () => client.notes.each({ tags: 'a' } as never),
  ])
    await assert.rejects(
      toEnd(each() as AsyncIterable<never>, () => {}),
      { code: 'INVALID_ARGUMENT', message: /; did you mean / },
    )
})

test('a client says at once what of its options is none', () => {
  for (const [options, message] of [
    [
      {},
      /^createClient: url takes where the server is, such as http:\/\/127.0.0.1:7070, without \/api\/v1, not undefined$/,
    ],
    [{ url: 'localhost:7070' }, /^createClient: url takes .*, not localhost:7070$/],
    [{ url: '' }, /^createClient: url takes .*, not ""$/],
    [{ url: 'http://127.0.0.1:1/api/v1/' }, /^createClient: url takes .*, without \/api\/v1, not /],
    [{ url: 'http://ada:x@127.0.0.1:1' }, /^createClient: url takes /],
    [{ url: 'file:///tmp' }, /^createClient: url takes /],
    [{ url: 'http://127.0.0.1:1/?' }, /^createClient: url takes /],
    [{ url: 'http://127.0.0.1:1/#' }, /^createClient: url takes /],
    [{ url: 'http://127.0.0.1:1/api/v1 ' }, /^createClient: url takes /],
    [{ url: new URL('http://127.0.0.1:1') }, /^createClient: url takes /],
    [{ url: 'http://127.0.0.1:1', key: null }, /^createClient: key takes a key of `polity key create`, not null$/],
    [
      { url: 'http://127.0.0.1:1', key: 'polity_\u2026' },
      /^createClient: key takes .*, not text with other characters$/,
    ],
    [{ url: 'http://127.0.0.1:1', fetch: {} }, /^createClient: fetch takes a function like `fetch`, not \{\}$/],
  ] as const)
    assert.throws(() => createClient(options as never), { code: 'CONFIG_INVALID', message })
  createClient({ url: 'https://example.org/polity/', key: 'polity_x\n', fetch: undefined } as never)
})

test('blanks around the url and the key, as files and copying leave them, are not sent', async () => {
  const sent: (readonly [string, string | null])[] = []
  for (const [url, key] of [
    ['http://127.0.0.1:1 ', 'polity_x\n'],
    ['\n http://127.0.0.1:1// ', '\n\ufeffpolity_x'],
    ['http://127.0.0.1:1', '\u2028polity_x\u2028'],
  ] as const)
    await createClient({
      url,
      key,
      async fetch(at, { headers } = {}) {
        sent.push([String(at), new Headers(headers).get('authorization')])
        return Response.json({ items: [], next: null })
      },
    }).processes.list()
  for (const one of sent) assert.deepEqual(one, ['http://127.0.0.1:1/api/v1/processes', 'Bearer polity_x'])
  assert.equal(sent.length, 3)
})

// ------------------------------------------------------------------------------------------------------ of whom it asks

test('a name that no key can have is refused wherever a request names a principal', async () => {
  const world = await served()
  const root = createClient({ url: world.server.url, key: world.key(['admin']).key })
  for (const name of ['a\nb', 'x'.repeat(201), '\ud800'])
    for (const ask of [
      () => root.processes.list({ principal: name }),
      () => root.notes.list({ principal: name }),
      () => root.notes.search('x', { principal: name }),
      () => root.notes.forget('n1', name),
      () => root.notes.revoke({ source: 'x', principal: name }),
      () => root.policy.explain({ tool: 'x', principal: name }),
    ]) {
      // Half a pair is U+FFFD on the way: a character like others.
      if (name === '\ud800' && !/revoke|explain/.test(ask.toString())) continue
      const error = await failure(ask())
      assert.deepEqual([error.code, error.status], ['INVALID_ARGUMENT', 400])
      assert.match(error.message, /principal: takes 1 to 200 printable characters/)
    }
  // Characters are counted as people do, as those of keys are.
  assert.deepEqual((await root.processes.list({ principal: '\u{1f600}'.repeat(200) })).items, [])
})

test('and wherever a program or a person names one', async () => {
  const { kernel, store } = await served()
  const takes = (at: string) => ({
    code: 'INVALID_ARGUMENT',
    message: `${at} takes 1 to 200 printable characters, not a\nb`,
  })
  const principal = 'a\nb'
  assert.throws(() => kernel.spawn(idle, null, { principal }), takes('spawn: principal'))
  assert.throws(() => kernel.spawn(idle, null, { account: principal }), takes('spawn: account'))
  assert.throws(() => createPolity({ kernel, principal }), takes('createPolity: principal'))
  assert.throws(() => createPolity({ kernel, account: principal }), takes('createPolity: account'))
  assert.throws(() => createKey(store, { principal, scopes: ['runs'] }, Date.now()), takes('a key: principal'))
  await assert.rejects(kernel.forgetNote('n1', principal), takes('spawn: principal'))
  await assert.rejects(kernel.revokeSource('x', { principal }), takes('revokeSource: principal'))
  const caller = { principal, scopes: new Set<Scope>(['runs']), key: null }
  await assert.rejects(
    serveMcpStdio({ kernel, caller }, AbortSignal.abort()),
    takes('the client of MCP: its principal'),
  )
  const { memory } = await import('../src/cli/commands/memory.ts')
  const { context } = cliContext({ storePath: store })
  await assert.rejects(
    async () => memory.run(context, parseCommandLine(memory, ['list', '--principal', principal])),
    /--principal takes 1 to 200 printable characters, not "a\\nb"$/,
  )
})
