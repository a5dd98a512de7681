/**
 * The server as clients meet it, well-behaved and hostile ones: real sockets on loopback. After everything that is done to
 * it, it answers normally.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Agent, request as httpRequest } from 'node:http'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { afterEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import type { ErrorCode } from '../src/kernel/errors.ts'
import { PolityError, clientAdvice, errorTable } from '../src/kernel/errors.ts'
import type { Server, ServerOptions } from '../src/server/http.ts'
import { startServer } from '../src/server/http.ts'
import { defaultServerLimits } from '../src/server/limits.ts'
import type { Caller } from '../src/server/caller.ts'
import type { Door, EventStream, Exchange } from '../src/server/route.ts'
import { statusTable } from '../src/server/status.ts'
import { within } from './world.ts'

const isLong = process.env['POLITY_LONG'] === '1'

// ------------------------------------------------------------------------------------------------------------ a server

interface Opened extends Server {
  /** Paths whose handlers ran. */
  readonly handled: string[]
  /** What the owner was told of. */
  readonly told: unknown[]
  /** Streams that were opened, with the exchange of each. */
  readonly streams: { readonly stream: EventStream; readonly exchange: Exchange }[]
  /** Requests that wait, as their handlers see them. */
  readonly waiting: Exchange[]
}

const ada: Caller = { principal: 'ada', scopes: new Set(['runs']), key: 'k1' }
let open: Opened | undefined

async function opened(options: Partial<ServerOptions> = {}): Promise<Opened> {
  const handled: string[] = []
  const told: unknown[] = []
  const streams: { stream: EventStream; exchange: Exchange }[] = []
  const waiting: Exchange[] = []
  const noted = (handle: (exchange: Exchange) => void | Promise<void>) => (exchange: Exchange) => {
    handled.push(`${exchange.method} ${exchange.path}`)
    return handle(exchange)
  }
  const door: Door = {
    routes: [
      {
        method: 'GET',
        path: '/hello',
        scope: null,
        handle: noted(({ reply, query }) => reply(200, { hello: query.get('to') })),
      },
      { method: 'GET', path: '/files/:path', scope: null, handle: noted(({ reply, params }) => reply(200, params)) },
      {
        method: 'POST',
        path: '/json',
        scope: 'runs',
        handle: noted(async ({ json, reply }) => reply(200, { got: await json() })),
      },
      {
        method: 'POST',
        path: '/small',
        scope: 'runs',
        bodyBytesMax: 10,
        handle: noted(async ({ json, reply }) => reply(200, await json())),
      },
      { method: 'DELETE', path: '/files/:path', scope: 'files', handle: noted(({ reply }) => reply(200, null)) },
      {
        method: 'GET',
        path: '/throw/:code',
        scope: null,
        handle: noted(({ params }) => Promise.reject(new PolityError(params['code'] as ErrorCode, 'as asked'))),
      },
      {
        method: 'GET',
        path: '/boom',
        scope: null,
        handle: noted(() => {
          throw new Error('the password is hunter2')
        }),
      },
      { method: 'GET', path: '/silent', scope: null, handle: noted(() => {}) },
      {
        method: 'GET',
        path: '/late',
        scope: null,
        handle: noted(({ replyText }) => {
          replyText(200, 'text/plain', 'said')
          throw new Error('late')
        }),
      },
      {
        method: 'GET',
        path: '/wait',
        scope: null,
        handle: noted((exchange) => {
          waiting.push(exchange)
          return new Promise((_, reject) =>
            exchange.signal.addEventListener('abort', () => reject(exchange.signal.reason as Error)),
          )
        }),
      },
      {
        method: 'GET',
        path: '/never',
        scope: null,
        handle: noted((exchange) => {
          waiting.push(exchange)
          return new Promise(() => {})
        }),
      },
      {
        method: 'GET',
        path: '/slow/:ms',
        scope: null,
        handle: noted(async ({ reply, params }) => {
          await pause(Number(params['ms']))
          reply(200, 'slow')
        }),
      },
      {
        method: 'GET',
        path: '/stream',
        scope: 'runs',
        handle: noted((exchange) => void streams.push({ stream: exchange.events(), exchange })),
      },
      {
        method: 'GET',
        path: '/big/:bytes',
        scope: null,
        handle: noted((exchange) => {
          waiting.push(exchange)
          exchange.replyText(200, 'text/plain', 'x'.repeat(Number(exchange.params['bytes'])))
        }),
      },
    ],
  }
  const named: Door = {
    routes: [
      {
        method: 'GET',
        path: '/named/throw',
        scope: null,
        handle: () => Promise.reject(new PolityError('TIMEOUT', 'too late')),
      },
    ],
    errorBody: ({ message }, status) => ({ fault: message, status }),
    statusOf: ({ code }) => (code === 'TIMEOUT' ? 200 : undefined),
  }
  const server = await startServer({
    doors: [door, named],
    authenticate: ({ headers }) => (headers.authorization === 'Bearer wrong' ? { refused: 'not with this key' } : ada),
    port: 0,
    onError: (error) => told.push(error),
    ...options,
  })
  open = { ...server, handled, told, streams, waiting }
  return open
}

/** It answers normally, soon, on a new connection. */
async function isWell({ url }: Server): Promise<void> {
  const response = await within(
    3_000,
    fetch(`${url}/hello?to=you`, { headers: { connection: 'close' } }),
    'a normal request',
  )
  assert.deepEqual([response.status, await response.json()], [200, { hello: 'you' }])
}

/** A socket that nobody reads does not hear that the other side is gone, and would keep the tests from ending. */
const dialed: Socket[] = []
afterEach(async () => {
  for (const socket of dialed.splice(0)) socket.destroy()
  const server = open
  open = undefined
  if (server !== undefined) await within(4_000, server.close(), 'close')
})

// ------------------------------------------------------------------------------------------------------------- clients

interface Answer {
  readonly status: number
  readonly headers: { readonly [name: string]: string }
  readonly body: string
}

const agent = new Agent({ keepAlive: true })

/** A request with exactly these headers: `fetch` would not let a page's headers be set. */
function ask(
  { port }: Server,
  {
    method = 'GET',
    path = '/hello',
    headers = {},
    body,
  }: { method?: string; path?: string; headers?: { [name: string]: string }; body?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { host: '127.0.0.1', port, method, path, headers: { host: `127.0.0.1:${port}`, ...headers }, agent },
      (response: IncomingMessage) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers as Answer['headers'], body: text }),
        )
        response.on('error', reject)
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

/** A socket that keeps what it is sent. */
async function dial({ port }: Server): Promise<Socket & { readonly said: () => string; readonly gone: Promise<void> }> {
  const socket = connect({ host: '127.0.0.1', port })
  dialed.push(socket)
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  socket.on('error', () => {})
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await once(socket, 'connect')
  return Object.assign(socket, { said: () => text, gone })
}

/** What comes back for raw bytes, until the server closes the connection. */
async function raw(server: Server, bytes: string | Uint8Array, { ends = true } = {}): Promise<string> {
  const socket = await dial(server)
  socket.write(bytes)
  if (ends) socket.end()
  await within(4_000, socket.gone, 'the end of the connection')
  return socket.said()
}

const statusesIn = (text: string): number[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]))

async function until(what: string, isSo: () => boolean, ms = 3_000): Promise<void> {
  for (let waited = 0; !isSo(); waited += 5) {
    assert.ok(waited < ms, `within ${ms} ms: ${what}`)
    await pause(5)
  }
}

// -------------------------------------------------------------------------------------------------------------- routes

describe('routes', () => {
  test('are answered by method and path; HEAD as GET without its body; what is not there says so', async () => {
    const server = await opened()
    const got = await ask(server, { path: '/files/a%2Fb%20c?x=1' })
    assert.deepEqual([got.status, got.body], [200, '{"path":"a/b c"}'])
    const head = await ask(server, { method: 'HEAD', path: '/files/abc' })
    assert.deepEqual(
      [head.status, head.headers['content-length'], head.body],
      [200, String('{"path":"abc"}'.length), ''],
    )
    assert.equal((await ask(server, { path: '/hello/?to=me' })).status, 200, 'a slash at the end is no other place')
    assert.equal((await ask(server, { path: '/nothing' })).status, 404)
    const wrong = await ask(server, { method: 'PUT', path: '/files/a' })
    assert.deepEqual([wrong.status, wrong.headers['allow']], [405, 'GET, HEAD, DELETE, OPTIONS'])
    const options = await ask(server, { method: 'OPTIONS', path: '/json' })
    assert.deepEqual(
      [options.status, options.headers['allow'], options.headers['access-control-allow-origin']],
      [204, 'POST, OPTIONS', undefined],
    )
    assert.equal((await ask(server, { path: '/files/%E0%A4%A' })).status, 400)
    assert.equal(
      (await ask(server, { path: `/files/${'x'.repeat(1_025)}` })).status,
      400,
      'a part of a path has its limit',
    )
    for (const name of ['x-content-type-options', 'cache-control', 'content-security-policy', 'x-frame-options'])
      for (const answer of [got, wrong, options]) assert.ok(answer.headers[name], name)
  })

  test('need the scope they name, and a caller that is known', async () => {
    const server = await opened()
    const unknown = await ask(server, { method: 'POST', path: '/json', headers: { authorization: 'Bearer wrong' } })
    assert.deepEqual([unknown.status, unknown.headers['www-authenticate']], [401, 'Bearer realm="polity"'])
    assert.match(unknown.body, /not with this key/)
    const page = await ask(server, {
      path: '/stream',
      headers: { authorization: 'Bearer wrong', 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' },
    })
    assert.match(page.headers['www-authenticate'] ?? '', /^Basic /, 'a person at a browser is asked for a key')
    assert.equal((await ask(server, { method: 'DELETE', path: '/files/a' })).status, 403, 'ada has not the scope files')
    assert.equal(
      (await ask(server, { headers: { authorization: 'Bearer wrong' } })).status,
      200,
      'what needs no scope is open',
    )
    assert.deepEqual(server.handled, ['GET /hello'])
  })

  test('that collide, options that do not fit and a port that is taken are refused at the start', async () => {
    const server = await opened()
    const route = { method: 'GET', path: '/a', scope: null, handle: () => {} } as const
    const refused = async (message: RegExp, options: Partial<ServerOptions>): Promise<void> => {
      const started = startServer({ doors: [], authenticate: () => ada, port: 0, ...options })
      await assert.rejects(
        started,
        (error) => PolityError.isInstance(error) && error.code === 'CONFIG_INVALID' && message.test(error.message),
      )
    }
    await refused(/GET \/a/, { doors: [{ routes: [route, route] }] })
    await refused(/in use/, { port: server.port })
    await refused(/is no origin/, { allowOrigins: ['https://a.example/'] })
    await refused(/is no host name/, { allowHosts: ['a.example:80'] })
    await refused(/not boddyBytesMax; did you mean bodyBytesMax/, { limits: { boddyBytesMax: 1 } as object })
    await refused(/above 0/, { limits: { drainMs: 0 } })
  })
})

// -------------------------------------------------------------------------------------------------------------- errors

describe('errors', () => {
  test('of the table each have a status, and tell clients that try again by themselves whether to', async () => {
    const server = await opened()
    for (const code of Object.keys(errorTable) as ErrorCode[]) {
      const { status, headers, body } = await ask(server, { path: `/throw/${code}` })
      assert.equal(status, statusTable[code], code)
      assert.ok(status >= 400 && status < 600, `${code} is an error to HTTP too`)
      const { retry: retryable } = errorTable[code]
      assert.deepEqual(JSON.parse(body), { error: { code, message: 'as asked', todo: clientAdvice(code), retryable } })
      // Who reads this has a wire and no shell, and no hand on the program or its configuration.
      assert.doesNotMatch(JSON.parse(body).error.todo, /`|boot|spawn|manifest|core|configuration|disk/, code)
      if (/\b(?:raise|mended|damaged|taken|add)\b/.test(JSON.parse(body).error.todo))
        assert.match(JSON.parse(body).error.todo, /who runs/, code)
      assert.equal(headers['x-should-retry'], String(retryable), code)
      assert.equal(headers['retry-after'] !== undefined, status === 429 || status === 503, `${code} says when`)
      if (retryable) assert.ok([429, 503, 504].includes(status), `${code} may succeed later, so its status says so`)
    }
    const wanted: { [code in ErrorCode]?: number } = {
      INVALID_ARGUMENT: 400,
      BUDGET_EXCEEDED: 402,
      ACCESS_DENIED: 403,
      NO_SUCH_PROCESS: 404,
      NO_SUCH_MODEL: 404,
      TOO_LARGE: 413,
      LIMIT_EXCEEDED: 429,
      KILLED: 499,
      OVERLOADED: 503,
      DRIVER_UNAVAILABLE: 503,
      PROGRAM_FAILED: 500,
    }
    for (const [code, status] of Object.entries(wanted)) assert.equal(statusTable[code as ErrorCode], status, code)
    assert.deepEqual(server.told, [])
  })

  test('that are not of the table are the owner’s to know, and so is a handler that does not answer', async () => {
    const server = await opened()
    for (const path of ['/boom', '/silent']) {
      const { status, body } = await ask(server, { path })
      assert.equal(status, 500)
      assert.doesNotMatch(body, /hunter2|handler|Error:/)
    }
    assert.deepEqual(server.told.map(String), [
      'Error: the password is hunter2',
      'Error: the handler of GET /silent returned without an answer',
    ])
    assert.equal((await ask(server, { path: '/late' })).body, 'said', 'what was said stays said')
    await isWell(server)
  })

  test('of what should never fail are one 500 more, and the server goes on', async () => {
    const fails = () => {
      throw new Error('not even this')
    }
    const route = {
      method: 'GET',
      path: '/odd',
      scope: null,
      handle: () => Promise.reject(new PolityError('TIMEOUT', 'x')),
    } as const
    const header = {
      method: 'GET',
      path: '/header',
      scope: null,
      handle: ({ reply }: Exchange) => reply(200, 1, { 'x-a': 'b\nc' }),
    } as const
    const cycle: { self?: unknown } = {}
    cycle.self = cycle
    const round = {
      method: 'GET',
      path: '/round',
      scope: null,
      handle: ({ reply }: Exchange) => reply(200, cycle as never),
    } as const
    const hello = {
      method: 'GET',
      path: '/hello',
      scope: null,
      handle: ({ reply }: Exchange) => reply(200, { hello: 'you' }),
    } as const
    const server = await opened({
      doors: [
        { routes: [route], errorBody: fails },
        { routes: [header, round, hello, { ...hello, path: '/mine', scope: 'runs' }] },
      ],
      authenticate: fails,
      onError: () => {},
    })
    for (const path of ['/odd', '/header', '/round', '/mine']) {
      const { status, body } = await ask(server, { path })
      // Whose request it is may be known again when it comes the next time.
      assert.deepEqual([status, body.includes('not even')], [path === '/mine' ? 503 : 500, false], path)
    }
    await isWell(server)
  })

  test('have the form and status that their door gives them, also where nothing is below its path', async () => {
    const server = await opened()
    const thrown = await ask(server, { path: '/named/throw' })
    assert.deepEqual([thrown.status, JSON.parse(thrown.body)], [200, { fault: 'too late', status: 200 }])
    const missing = await ask(server, { path: '/named/nothing' })
    assert.deepEqual([missing.status, JSON.parse(missing.body).status], [404, 404])
  })
})

// -------------------------------------------------------------------------------------------------------------- guards

describe('guards', () => {
  test('no host but the machine’s own, the bound and the declared ones reaches a handler', async () => {
    const server = await opened({ allowHosts: ['agents.example.com'] })
    const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/)
    const foreign = fc.oneof(
      fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.')),
      fc.ipV4(),
      fc.ipV6().map((address) => `[${address}]`),
      label.map((name) => `127.0.0.1.${name}.example`),
      label.map((name) => `localhost.${name}`),
      label.map((name) => `${name}.agents.example.com`),
      fc.constantFrom(
        'localhost.evil.com',
        'agents.example.com.evil.com',
        '127.0.0.1@evil.com',
        '[::2]',
        '0.0.0.0',
        'a b',
        '127.1:80:80',
        '::1',
        '2130706433',
      ),
    )
    const isOwn = (host: string): boolean => /^127\.\d+\.\d+\.\d+$|^\[(0*:)+:?0*1\]$|^localhost$/.test(host)
    await fc.assert(
      fc.asyncProperty(
        foreign.filter((host) => !isOwn(host)),
        fc.constantFrom('', ':80', `:${server.port}`),
        async (host, port) => {
          const { status } = await ask(server, { headers: { host: host + port } })
          assert.ok(status === 403, `${host + port} was answered with ${status}`)
        },
      ),
      { numRuns: isLong ? 5_000 : 300 },
    )
    assert.deepEqual(statusesIn(await raw(server, 'GET /hello HTTP/1.1\r\nHost:\r\n\r\n')), [403])
    assert.deepEqual(server.handled, [])
    for (const host of [
      'localhost',
      'LOCALHOST:1',
      'app.localhost:7070',
      '127.0.0.1',
      '127.3.2.1:80',
      '[::1]:9',
      'agents.example.com',
      'Agents.Example.com:443',
      'localhost.',
    ])
      assert.equal((await ask(server, { headers: { host } })).status, 200, host)
    for (const head of [
      'GET /hello HTTP/1.1',
      'GET /hello HTTP/1.0',
      'GET /hello HTTP/1.1\r\nHost: localhost\r\nHost: evil.com',
      'GET http://evil.com/hello HTTP/1.1\r\nHost: localhost',
    ])
      assert.deepEqual(statusesIn(await raw(server, `${head}\r\n\r\n`)), [400], head)
    assert.equal(server.handled.length, 9)
  })

  test('no page of another origin reaches a handler, whatever it sends', async () => {
    const server = await opened({ allowOrigins: ['https://app.example.com'] })
    const origin = fc.oneof(
      fc
        .tuple(
          fc.constantFrom('http', 'https', 'chrome-extension'),
          fc.stringMatching(/^[a-z0-9-]{1,12}(\.[a-z]{2,8}){0,2}(:[1-9]\d{1,3})?$/),
        )
        .map(([scheme, host]) => `${scheme}://${host}`),
      fc
        .integer({ min: 1, max: 65_535 })
        .filter((port) => port !== server.port)
        .map((port) => `http://127.0.0.1:${port}`),
      fc.constantFrom(
        'null',
        '',
        'http://localhost',
        `http://localhost:${server.port}`,
        `file://127.0.0.1:${server.port}`,
        'https://app.example.com.evil.com',
        'http://app.example.com',
        'https://app.example.com:8443',
        'https://APP.example.com',
      ),
    )
    const site = fc.constantFrom(undefined, 'cross-site', 'same-site', 'same-origin', 'none')
    await fc.assert(
      fc.asyncProperty(
        origin,
        site,
        fc.constantFrom('GET', 'POST', 'OPTIONS', 'HEAD', 'DELETE'),
        async (from, says, method) => {
          const path = method === 'POST' ? '/json' : '/hello'
          const headers = {
            origin: from,
            ...(says === undefined ? {} : { 'sec-fetch-site': says }),
            'access-control-request-method': 'GET',
          }
          const answer = await ask(server, { method, path, headers })
          assert.deepEqual([answer.status, answer.headers['access-control-allow-origin']], [403, undefined])
        },
      ),
      { numRuns: isLong ? 5_000 : 150 },
    )
    for (const says of ['cross-site', 'same-site']) {
      assert.equal(
        (await ask(server, { headers: { 'sec-fetch-site': says } })).status,
        403,
        'an image or a script of another site',
      )
      const frame = { 'sec-fetch-site': says, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }
      assert.equal((await ask(server, { headers: frame })).status, 403, 'a frame of another site')
      assert.equal(
        (await ask(server, { method: 'POST', path: '/json', headers: { ...frame, 'sec-fetch-dest': 'document' } }))
          .status,
        403,
        'a form of another site',
      )
    }
    assert.deepEqual(server.handled, [])
    const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
    assert.equal((await ask(server, { headers: link })).status, 200, 'a link that a person follows')
    assert.equal(
      (await ask(server, { headers: { origin: `http://127.0.0.1:${server.port}`, 'sec-fetch-site': 'same-origin' } }))
        .status,
      200,
      'its own page',
    )
    const allowed = await ask(server, {
      headers: { origin: 'https://app.example.com', 'sec-fetch-site': 'cross-site' },
    })
    assert.deepEqual(
      [allowed.status, allowed.headers['access-control-allow-origin'], allowed.headers['vary']],
      [200, 'https://app.example.com', 'Origin'],
    )
    const preflight = await ask(server, {
      method: 'OPTIONS',
      path: '/json',
      headers: {
        origin: 'https://app.example.com',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization, content-type',
      },
    })
    assert.deepEqual(
      [
        preflight.status,
        preflight.headers['access-control-allow-methods'],
        preflight.headers['access-control-allow-headers'],
        preflight.headers['access-control-allow-credentials'],
      ],
      [204, 'POST, OPTIONS', 'authorization, content-type', undefined],
    )
  })

  test('what a form can send without asking is no body', async () => {
    const server = await opened()
    const post = (headers: { [name: string]: string }) =>
      ask(server, { method: 'POST', path: '/json', headers, body: '{"a":1}' })
    for (const type of [
      'text/plain',
      'text/plain; x=application/json',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/jsonx',
      'application/json, text/plain',
      'text/json',
      '',
    ])
      assert.equal((await post(type === '' ? {} : { 'content-type': type })).status, 415, type)
    assert.equal((await post({ 'content-type': 'application/json; charset=latin1' })).status, 415)
    assert.equal((await post({ 'content-type': 'application/json', 'content-encoding': 'gzip' })).status, 415)
    assert.deepEqual(server.handled, [])
    for (const type of [
      'application/json',
      'Application/JSON; charset="UTF-8"',
      'application/merge-patch+json',
      'application/json;charset=utf8',
    ])
      assert.deepEqual((await post({ 'content-type': type })).body, '{"got":{"a":1}}', type)
    assert.equal((await ask(server, { method: 'POST', path: '/json' })).body, '{"got":null}', 'an empty body is null')
  })
})

// -------------------------------------------------------------------------------------------------------------- bodies

describe('bodies', () => {
  const json = { 'content-type': 'application/json' }

  test('any JSON comes as it was sent; anything else is one clear 400', async () => {
    const server = await opened()
    const post = (body: string) => ask(server, { method: 'POST', path: '/json', headers: json, body })
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const text = JSON.stringify(value)
        assert.deepEqual(JSON.parse((await post(text)).body), { got: JSON.parse(text) })
      }),
      { numRuns: 100 },
    )
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 1, unit: 'binary' }), async (text) => {
        let isJson = text.trim() === ''
        try {
          JSON.parse(text)
          isJson = true
        } catch {}
        assert.equal((await post(text)).status, isJson ? 200 : 400)
      }),
      { numRuns: 100 },
    )
    for (const depth of [255, 257]) {
      const text =
        `${'[{"a":'.repeat(depth >> 1)}${'['.repeat(depth & 1)}${']'.repeat(depth & 1)}${'}]'.repeat(depth >> 1)}`.replace(
          ':}',
          ':1}',
        )
      assert.equal((await post(text)).status, depth > 256 ? 400 : 200, `${depth} deep`)
    }
    assert.equal((await post('['.repeat(1_000_000))).status, 400)
    assert.equal((await post(JSON.stringify('[{"\\'.repeat(1_000)))).status, 200, 'brackets in a text are text')
    const invalid = await raw(
      server,
      Buffer.concat([
        Buffer.from(
          `POST /json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n`,
        ),
        Buffer.from([0x22, 0xff, 0xfe, 0x22]),
      ]),
    )
    assert.match(invalid, /400 .*not UTF-8/s)
  })

  test('larger than the limit is 413 without being read, whether its length is announced or not', async () => {
    const server = await opened({ limits: { bodyBytesMax: 1_000, lingerMs: 100 } })
    const head = 'POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
    const announced = await dial(server)
    announced.write(`${head}Content-Length: 1001\r\n\r\n`)
    await until('413 before a byte of the body', () => announced.said().startsWith('HTTP/1.1 413 '))
    await within(1_000, announced.gone, 'the end of a connection that still owes a body')
    const asked = await dial(server)
    asked.write(`${head}Expect: 100-continue\r\nContent-Length: 9999\r\n\r\n`)
    await until('413 in place of 100', () => asked.said().includes('\r\n\r\n'))
    assert.deepEqual(statusesIn(asked.said()), [413])
    assert.deepEqual(server.handled, [])
    const welcome = await dial(server)
    welcome.write(`${head}Expect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n`)
    await until('100', () => welcome.said().startsWith('HTTP/1.1 100 '))
    welcome.write('[]')
    await welcome.gone
    assert.deepEqual(statusesIn(welcome.said()), [100, 200])
    const chunked = await dial(server)
    chunked.write(`${head}Transfer-Encoding: chunked\r\n\r\n`)
    const chunk = `${(500).toString(16)}\r\n${'1'.repeat(500)}\r\n`
    chunked.write(chunk + chunk)
    chunked.write(chunk)
    await until('413 once it is too large', () => chunked.said().startsWith('HTTP/1.1 413 '))
    const endless = setInterval(() => chunked.writable && chunked.write(chunk), 5)
    await within(1_000, chunked.gone, 'the end of a body without end')
    clearInterval(endless)
    assert.equal(
      (await ask(server, { method: 'POST', path: '/small', headers: json, body: '"23456789"' })).status,
      200,
      'exactly the limit of its route',
    )
    assert.equal(
      (await ask(server, { method: 'POST', path: '/small', headers: json, body: '"234567890"' })).status,
      413,
    )
    await isWell(server)
  })
})

// ------------------------------------------------------------------------------------------------------------- hostile

describe('hostile clients', () => {
  test('whatever bytes are sent, there is at most one refusal, then the connection ends', async () => {
    const server = await opened({ limits: { headersMs: 400, lingerMs: 100 } })
    const line = (text: string) => `${text}\r\n`
    const valid = [
      'POST /json HTTP/1.1',
      'Host: localhost',
      'Content-Type: application/json',
      'Content-Length: 2',
      '',
      '[]',
    ]
    const evil = fc.constantFrom(
      'Content-Length: 3',
      'Content-Length: -1',
      'Content-Length: 2, 2',
      'Content-Length: 0x2',
      'Transfer-Encoding: chunked',
      'Transfer-Encoding: chunked, identity',
      'Transfer-Encoding : chunked',
      'X: \0',
      ' folded',
      'NoColon',
      ': nothing',
      'Host: evil.com',
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Expect: something',
      `X: ${'y'.repeat(20_000)}`,
      'Trailer: a',
      'X:\u0080\u00ff',
      'GET / HTTP/1.1',
    )
    const mutated = fc.tuple(evil, fc.nat(4), fc.boolean()).map(([text, at, isInPlace]) => {
      const lines = [...valid]
      lines.splice(Math.min(at, 4), isInPlace ? 1 : 0, text)
      return Buffer.from(lines.map(line).join('').slice(0, -2), 'latin1')
    })
    const bytes = fc.oneof(
      { weight: 3, arbitrary: mutated },
      fc.uint8Array({ minLength: 1, maxLength: 400, size: 'max' }).map((one) => Buffer.from(one)),
      fc
        .string({ minLength: 1, maxLength: 200, size: 'max' })
        .map((one) => Buffer.from(`GET ${one} HTTP/1.1\r\nHost: localhost\r\n\r\n`)),
      fc.nat(80).map((length) => Buffer.from(valid.map(line).join('').slice(0, length))),
    )
    const samples = fc.sample(bytes, { numRuns: isLong ? 5_000 : 400, seed: 7 })
    const refusals = new Set<number>()
    for (let at = 0; at < samples.length; at += 50) {
      await Promise.all(
        samples.slice(at, at + 50).map(async (sample) => {
          const statuses = statusesIn(await raw(server, sample))
          const refused = statuses.filter((status) => status >= 400)
          assert.ok(
            refused.length <= 1 && statuses.length <= 2,
            `${JSON.stringify(sample.toString('latin1').slice(0, 300))}: ${statuses.join(', ')}`,
          )
          for (const status of statuses)
            assert.ok(status < 500, `${status} for ${JSON.stringify(sample.toString('latin1').slice(0, 300))}`)
          for (const status of refused) refusals.add(status)
        }),
      )
    }
    assert.ok(refusals.has(400) && refusals.has(431), [...refusals].join(', '))
    assert.deepEqual(server.told, [])
    await isWell(server)
  })

  test('a malformed request behind a good one does not garble the good one’s answer', async () => {
    const server = await opened()
    const text = await raw(server, 'GET /slow/50 HTTP/1.1\r\nHost: localhost\r\n\r\n\0\0\0\r\n\r\n', { ends: false })
    assert.deepEqual(statusesIn(text), [200])
    const streaming = await dial(server)
    streaming.write('GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n\0\0\r\n\r\n')
    await until('the stream', () => server.streams.length === 1)
    server.streams[0]?.stream.send({ data: 'one' })
    server.streams[0]?.stream.end()
    await within(2_000, streaming.gone, 'the end')
    assert.match(streaming.said(), /^HTTP\/1\.1 200 .*data: one\n\n\r\n0\r\n\r\n$/s)
    await isWell(server)
  })

  test('slow ones get 408, and nobody waits for them', async () => {
    const server = await opened({ limits: { headersMs: 200, requestMs: 500, lingerMs: 100 } })
    const head =
      'POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n'
    const drips = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const socket = await dial(server)
        // Headers without end, a body without end, and nothing at all.
        const first = ['GET /hello HTTP/1.1\r\nX: ', head, ''][i % 3] as string
        if (first !== '') socket.write(first)
        const drip = setInterval(() => first !== '' && socket.writable && socket.write('1'), 20)
        void socket.gone.then(() => clearInterval(drip))
        return socket
      }),
    )
    for (let i = 0; i < 5; i++) await isWell(server)
    await within(3_000, Promise.all(drips.map(({ gone }) => gone)), 'the end of slow connections')
    for (const socket of drips) assert.deepEqual(statusesIn(socket.said()), [408])
    assert.deepEqual(server.told, [])
    await isWell(server)
  })

  test('idle ones cost nothing but their place, and beyond the limit there is none', async () => {
    const count = isLong ? 9_000 : 1_000
    const server = await opened({ limits: { connectionsMax: count + 10, headersMs: 60_000, requestMs: 60_000 } })
    const sockets: Awaited<ReturnType<typeof dial>>[] = []
    for (let at = 0; at < count; at += 250)
      sockets.push(...(await Promise.all(Array.from({ length: Math.min(250, count - at) }, () => dial(server)))))
    // Some have asked once and are kept alive, the others never say a word.
    for (const socket of sockets.slice(0, 20)) socket.write('GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await until('their answers', () => sockets.slice(0, 20).every((one) => one.said().includes('hello')))
    for (let i = 0; i < 5; i++) await isWell(server)
    assert.equal(sockets.filter((one) => one.destroyed).length, 0)
    const more = await Promise.all(Array.from({ length: 15 }, () => dial(server)))
    await until('too many are turned away', () => more.filter((one) => one.destroyed).length >= 4)
    const startedAt = performance.now()
    await server.close()
    assert.ok(performance.now() - startedAt < 1_000, 'silent connections are not waited for')
    await within(4_000, Promise.all(sockets.map(({ gone }) => gone)), 'their end')
  })

  test('who goes away is noticed, before the body, in it, and while the answer is made', async () => {
    const server = await opened()
    const sockets = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const socket = await dial(server)
        socket.write(
          i % 3 === 0
            ? 'POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[1,'
            : `GET ${i % 3 === 1 ? '/wait' : '/never'} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
        )
        return socket
      }),
    )
    await until('all are under way', () => server.handled.length === 60)
    for (const [i, socket] of sockets.entries()) {
      if (i % 2 === 0) socket.resetAndDestroy()
      else socket.end()
    }
    await until(
      'every signal has aborted',
      () => server.waiting.length === 40 && server.waiting.every(({ signal }) => signal.aborted),
    )
    for (const { signal } of server.waiting) assert.equal((signal.reason as PolityError).code, 'KILLED')
    assert.deepEqual(server.told, [], 'a client that left is no fault of the server')
    const answered = await ask(server)
    assert.equal(answered.status, 200)
    await isWell(server)
  })

  test('who does not take an answer is cut', async () => {
    const server = await opened({ limits: { stallMs: 200 } })
    const socket = connect({ host: '127.0.0.1', port: server.port })
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write('GET /big/40000000 HTTP/1.1\r\nHost: localhost\r\n\r\n')
    socket.pause()
    await until('it is cut', () => server.waiting[0]?.signal.aborted === true)
    let bytes = 0
    socket.on('data', (chunk) => (bytes += chunk.length)).resume()
    await within(3_000, once(socket, 'close'), 'the end')
    assert.ok(bytes > 0 && bytes < 40_000_000, `${bytes} bytes of 40 MB came`)
    const response = await fetch(`${server.url}/big/10000000`)
    assert.equal((await response.text()).length, 10_000_000, 'who takes it gets all of it')
  })
})

// ------------------------------------------------------------------------------------------------------------- streams

describe('event streams', () => {
  const listen = (server: Server) =>
    dial(server).then((socket) => {
      socket.write('GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n')
      return socket
    })

  /** As the standard says (HTML, section 9.2.6), for one event. */
  function parse(text: string): { data: string; event?: string; id?: string }[] {
    const events: { data: string; event?: string; id?: string }[] = []
    let data: string[] = []
    let more: { event?: string; id?: string } = {}
    for (const line of text.split(/\r\n|\r|\n/)) {
      if (line === '') {
        if (data.length > 0) events.push({ data: data.join('\n'), ...more })
        data = []
        more = {}
      }
      const [, field, value = ''] = /^([^:]+)(?:: ?(.*))?$/s.exec(line) ?? []
      if (field === 'data') data.push(value)
      if (field === 'event' || field === 'id') more = { ...more, [field]: value }
    }
    return events
  }

  test('carry any text, and nothing that is sent can pass for another event', async () => {
    const server = await opened()
    const text = fc.string({
      unit: fc.oneof(
        fc.constantFrom('\n', '\r', '\r\n', 'data: ', 'id: ', ':', ' '),
        fc.string({ unit: 'grapheme', maxLength: 3 }),
      ),
    })
    const word = fc.string({ unit: 'grapheme-ascii', minLength: 1 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ data: text, event: word, id: word }, { requiredKeys: ['data'] }), {
          minLength: 1,
          maxLength: 5,
        }),
        async (events) => {
          const response = await fetch(`${server.url}/stream`)
          const { stream } = server.streams.at(-1) as (typeof server.streams)[number]
          for (const event of events) stream.send(event)
          stream.end()
          const trimmed = (one: string | undefined) => one?.replace(/^ /, '') ?? ''
          const got = parse(await response.text())
          assert.deepEqual(
            got.map(({ data, event, id }) => [data, trimmed(event), trimmed(id)]),
            events.map(({ data, event, id }) => [data.replaceAll(/\r\n|\r/g, '\n'), trimmed(event), trimmed(id)]),
          )
        },
      ),
      { numRuns: 60 },
    )
    await fetch(`${server.url}/stream`)
    const { stream } = server.streams.at(-1) as (typeof server.streams)[number]
    for (const bad of ['a\nb', 'a\rb', '\0']) {
      assert.throws(() => stream.send({ data: '', id: bad }), /one line/)
      assert.throws(() => stream.send({ data: '', event: bad }), /one line/)
    }
  })

  test('come as they are sent, show that they live, and end when their client leaves', async () => {
    const server = await opened({ limits: { heartbeatMs: 40 } })
    const socket = await listen(server)
    await until('the headers come before any event', () => /text\/event-stream[\s\S]*\r\n\r\n/.test(socket.said()))
    const { stream, exchange } = server.streams[0] as (typeof server.streams)[number]
    assert.equal(stream.send({ data: 'one' }), true)
    await until('an event comes when it is sent', () => socket.said().includes('data: one\n\n'), 500)
    await until('a silent stream says that it lives', () => socket.said().includes(': \n\n'))
    socket.destroy()
    await until('the signal', () => exchange.signal.aborted)
    await within(500, stream.drained(), 'drained, of a stream without a client')
    assert.equal(stream.send({ data: 'two' }), false)
    stream.end()
    const head = await ask(server, { method: 'HEAD', path: '/stream' })
    assert.deepEqual([head.status, head.headers['content-type']], [200, 'text/event-stream'])
    assert.equal(head.headers['cache-control'], 'no-store, no-transform')
    assert.equal(head.headers['x-content-type-options'], 'nosniff')
    await isWell(server)
  })

  test('a slow client is told of, waited for, and costs no more than the limit', async () => {
    const server = await opened({ limits: { streamBufferBytesMax: 300_000, stallMs: 20_000 } })
    const slow = await listen(server)
    await until('the stream', () => server.streams.length === 1)
    slow.pause()
    const { stream, exchange } = server.streams[0] as (typeof server.streams)[number]
    const data = 'x'.repeat(10_000)
    let sent = 0
    while (stream.send({ data })) {
      sent++
      await pause(0)
      assert.ok(sent < 10_000, 'the machine takes no more')
    }
    let isDrained = false
    const drained = stream.drained().then(() => (isDrained = true))
    await pause(50)
    assert.equal(isDrained, false, 'the client has not read')
    slow.resume()
    await within(2_000, drained, 'drained, once the client reads')
    await until('everything that was sent', () => slow.said().split('data: ').length - 1 === sent + 1)
    slow.pause()
    for (let i = 0; i < 20_000 && !exchange.signal.aborted; i++) {
      stream.send({ data })
      assert.ok(exchange.response.writableLength < 300_000 + 20_000, 'what waits is within the limit and one event')
      if (i % 100 === 0) await pause(0)
    }
    await until('it is cut', () => exchange.signal.aborted)
    await isWell(server)
  })

  test('a client that takes nothing is cut after a while, and one that is only told little is not', async () => {
    const server = await opened({ limits: { stallMs: 250, heartbeatMs: 50 } })
    const [quiet, stalled] = [await listen(server), await listen(server)]
    await until('both streams', () => server.streams.length === 2)
    stalled.pause()
    const of = (at: number) => server.streams[at] as (typeof server.streams)[number]
    while (of(1).stream.send({ data: 'x'.repeat(50_000) })) await pause(0)
    await within(3_000, of(1).stream.drained(), 'drained')
    assert.equal(of(1).exchange.signal.aborted, true)
    await pause(300)
    assert.equal(of(0).exchange.signal.aborted, false)
    assert.match(quiet.said(), /: \n\n/)
  })

  test('and answers under way end within a heartbeat when their caller is refused; others go on', async () => {
    let now: 'let in' | 'refused' | 'another' | 'without scope' | 'broken' = 'let in'
    const eve: Caller = { principal: 'eve', scopes: new Set(['runs']), key: 'k2' }
    const raws: Exchange[] = []
    const asks: Exchange[] = []
    const waits: Exchange[] = []
    const held: Door = {
      routes: [
        {
          method: 'GET',
          path: '/held/raw',
          scope: 'runs',
          handle(exchange) {
            raws.push(exchange)
            exchange.response.writeHead(200, { 'content-type': 'text/plain' })
            exchange.response.write('begun')
            return new Promise(() => {})
          },
        },
        {
          method: 'GET',
          path: '/held/wait',
          scope: 'runs',
          handle(exchange) {
            waits.push(exchange)
            return new Promise((resolve) =>
              exchange.signal.addEventListener('abort', () => {
                exchange.reply(200, 'secret')
                resolve()
              }),
            )
          },
        },
        {
          method: 'GET',
          path: '/held/deaf',
          scope: 'runs',
          handle(exchange) {
            asks.push(exchange)
            return new Promise(() => {})
          },
        },
        {
          method: 'GET',
          path: '/held/stream',
          scope: 'runs',
          handle(exchange) {
            const stream = exchange.events()
            exchange.signal.addEventListener('abort', () => stream.send({ data: 'secret' }))
            asks.push(exchange)
            stream.send({ data: 'begun' })
          },
        },
      ],
    }
    for (const then of ['refused', 'another', 'without scope', 'broken'] as const) {
      now = 'let in'
      raws.length = asks.length = waits.length = 0
      const told: unknown[] = []
      const server = await startServer({
        doors: [held],
        port: 0,
        limits: { heartbeatMs: 40 },
        onError: (error) => told.push(error),
        authenticate({ headers }) {
          if (headers.authorization !== 'Bearer eve') return ada
          if (now === 'broken') throw new Error('the keys are gone')
          if (now === 'refused') return { refused: 'this key was revoked' }
          if (now === 'another') return { ...eve, principal: 'mallory' }
          return now === 'without scope' ? { ...eve, scopes: new Set() } : eve
        },
      })
      try {
        const called = async (path: string, key: string) => {
          const socket = await dial(server)
          socket.write(
            `GET /held/${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${key}\r\nConnection: close\r\n\r\n`,
          )
          return socket
        }
        const other = await called('stream', 'ada')
        const [stream, raw, wait, deaf] = [
          await called('stream', 'eve'),
          await called('raw', 'eve'),
          await called('wait', 'eve'),
          await called('deaf', 'eve'),
        ]
        await until('all are under way', () => raws.length + waits.length + asks.length === 5)
        await pause(100)
        assert.ok([...raws, ...waits, ...asks].every(({ signal }) => !signal.aborted))
        now = then
        await within(1_000, Promise.all([stream.gone, raw.gone, wait.gone, deaf.gone]), `the answers, ${then}`)
        for (const { said } of [stream, raw, wait, deaf]) assert.doesNotMatch(said(), /secret/)
        assert.match(stream.said(), /data: begun[\s\S]*\r\n0\r\n\r\n$/, 'the stream ends whole')
        assert.match(raw.said(), /begun/)
        const status =
          { 'without scope': '403 Forbidden', broken: '503 Service Unavailable' }[then as string] ?? '401 Unauthorized'
        const code = then === 'broken' ? 'STORE_FAILED' : 'ACCESS_DENIED'
        assert.ok(wait.said().startsWith(`HTTP/1.1 ${status}\r\n`), wait.said())
        assert.ok(wait.said().includes(`"${code}"`), wait.said())
        assert.equal(/\r\nx-should-retry: true/.test(wait.said()), then === 'broken')
        assert.equal(/\r\nwww-authenticate: /.test(wait.said()), status.startsWith('401'))
        assert.equal(deaf.said(), '')
        const aborted = [...raws, ...waits, ...asks].filter(({ signal }) => signal.aborted)
        assert.deepEqual(
          aborted.map(({ caller, signal }) => `${caller.principal} ${(signal.reason as PolityError).code}`),
          Array(4).fill(`eve ${code}`),
        )
        const before = other.said().length
        await until('another caller hears on', () => other.said().length > before)
        assert.equal(told.length, then === 'broken' ? 4 : 0)
        other.destroy()
      } finally {
        await server.close()
      }
    }
  })

  test('of one principal are limited, and a place is free again when one ends', async () => {
    const server = await opened({ limits: { streamsPerPrincipalMax: 3 } })
    const sockets = await Promise.all([1, 2, 3].map(() => listen(server)))
    await until('three streams', () => server.streams.length === 3)
    assert.equal((await ask(server, { path: '/stream' })).status, 429)
    sockets[0]?.destroy()
    server.streams[1]?.stream.end()
    await until(
      'two places',
      () =>
        server.streams[0]?.exchange.signal.aborted === true && (server.streams[1]?.exchange.response.closed ?? false),
    )
    const again = await Promise.all([1, 2].map(() => listen(server)))
    await until('two more', () => again.every((one) => one.said().startsWith('HTTP/1.1 200')))
    assert.equal((await ask(server, { path: '/stream' })).status, 429)
  })
})

// ------------------------------------------------------------------------------------------------------------- the end

describe('close', () => {
  test('waits for answers, ends streams, and cuts what does not end', async () => {
    const server = await opened({ limits: { drainMs: 400 } })
    const answers = Promise.all([100, 150, 200].map((ms) => ask(server, { path: `/slow/${ms}` })))
    const streams = await Promise.all([1, 2].map(() => fetch(`${server.url}/stream`)))
    const never = assert.rejects(fetch(`${server.url}/never`))
    const waits = fetch(`${server.url}/wait`)
    await until('all are under way', () => server.handled.length === 7)
    server.streams[0]?.exchange.signal.addEventListener('abort', () => {
      server.streams[0]?.stream.send({ data: 'last word' })
      server.streams[0]?.stream.end()
    })
    const startedAt = performance.now()
    const closed = server.close()
    await assert.rejects(fetch(`${server.url}/hello`), 'no new connection is taken')
    assert.deepEqual(
      (await answers).map(({ status, headers }) => [status, headers['connection']]),
      [
        [200, 'keep-alive'],
        [200, 'keep-alive'],
        [200, 'keep-alive'],
      ].map(([status]) => [status, 'close']),
    )
    assert.deepEqual(await Promise.all(streams.map((one) => one.text())), ['data: last word\n\n', ''])
    assert.equal((await waits).status, 503, 'who hears the signal can still answer')
    await never
    await within(2_000, closed, 'close')
    assert.ok(performance.now() - startedAt < 1_500)
    assert.equal(server.close(), server.close(), 'closing twice is closing once')
    for (const { signal } of server.waiting) assert.equal((signal.reason as PolityError).code, 'KERNEL_CLOSED')
  })

  test('does not wait for clients that do nothing', async () => {
    const server = await opened()
    const silent = await Promise.all([1, 2, 3].map(() => dial(server)))
    silent[1]?.write('GET /hello HT')
    silent[2]?.write('GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await until('one answer', () => silent[2]?.said().includes('hello') ?? false)
    const startedAt = performance.now()
    await server.close()
    assert.ok(performance.now() - startedAt < 200, `${performance.now() - startedAt} ms`)
  })
})

test('the limits have the sizes that their reasons name', () => {
  const { heartbeatMs, stallMs, headersMs, requestMs, bodyBytesMax, streamBufferBytesMax } = defaultServerLimits
  assert.ok(heartbeatMs * 2 < stallMs, 'a living stream is never taken for a stalled one')
  assert.ok(headersMs < requestMs)
  assert.equal(bodyBytesMax, 4 * 1_048_576)
  assert.ok(streamBufferBytesMax >= bodyBytesMax)
})
