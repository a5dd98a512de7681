/**
 * Push notifications of A2A: the official client names webhooks, and real servers on loopback are told, or hang, fail and
 * lead elsewhere.
 */
import assert from 'node:assert/strict'
import type { lookup } from 'node:dns'
import { mkdtempSync, rmSync } from 'node:fs'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer as createRawServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Task, TaskPushNotificationConfig } from '@a2a-js/sdk'
import type { Client } from '@a2a-js/sdk/client'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import type { Store } from '../src/kernel/drivers.ts'
import type { Kernel } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Json, Program } from '../src/kernel/types.ts'
import { a2aDoor } from '../src/server/a2a/door.ts'
import type { PushOptions } from '../src/server/a2a/push.ts'
import { createPush } from '../src/server/a2a/push.ts'
import { createWebhook } from '../src/server/a2a/webhook.ts'
import type { Caller, Scope } from '../src/server/caller.ts'
import type { Server } from '../src/server/http.ts'
import { startServer } from '../src/server/http.ts'
import { createKey, revokeKey, scopesOfKeys } from '../src/server/keys.ts'
import { bindings, clientOf, say, until } from './a2a-client.ts'
import { lasting, within } from './world.ts'

const echo = defineProgram('echo', async (_sys, input: Json) => ({ echo: input }))
const waiter = defineProgram('waiter', async (sys) => {
  await sys.send(0, 'waiting')
  return (await sys.receive()).body
})
const greeter = defineProgram('greeter', async (sys) => `Hello, ${await sys.ask('Who is there?')}`)
const programs = [echo, waiter, greeter] as readonly Program[]

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const callers: { readonly [key: string]: Caller } = {
  ada: { principal: 'ada', scopes: new Set<Scope>(['runs', 'approvals']), key: 'k1' },
  bob: { principal: 'bob', scopes: new Set<Scope>(['runs', 'approvals']), key: 'k2' },
  eve: { principal: 'eve', scopes: new Set<Scope>(['runs']), key: 'k4' },
  root: { principal: 'root', scopes: new Set<Scope>(['admin']), key: 'k3' },
}

interface Opened {
  readonly kernel: Kernel
  readonly server: Server
  stop(): Promise<void>
}

async function opened(push: PushOptions | undefined, store: Store = memoryStore()): Promise<Opened> {
  const kernel = createKernel({ store, programs })
  const server = await startServer({
    doors: [
      a2aDoor({
        kernel,
        programs,
        ...(push === undefined ? {} : { push: { retryMs: 10, ...push } }),
      }),
    ],
    authenticate: ({ headers }) =>
      callers[headers.authorization?.slice('Bearer '.length) ?? ''] ?? { refused: 'no key' },
    port: 0,
    limits: { drainMs: 50 },
  })
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => (stopped ??= kernel.close().then(() => server.close()))
  closing.push(stop)
  return { kernel, server, stop }
}

/** What loopback is allowed to hear. */
const here: PushOptions = { privateHosts: ['127.0.0.1'], timeoutMs: 300 }

interface Heard {
  readonly headers: IncomingHttpHeaders
  readonly body: { readonly [key: string]: Json }
}

interface Receiver {
  readonly url: string
  readonly heard: Heard[]
}

/** A real server that hears what it is told, and answers as `answer` has it. */
async function receiver(answer: (response: ServerResponse, nth: number) => void = ok): Promise<Receiver> {
  const heard: Heard[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => void (text += chunk.toString()))
    request.on('end', () => {
      heard.push({ headers: request.headers, body: JSON.parse(text) as Heard['body'] })
      answer(response, heard.length)
    })
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, heard }
}

const ok = (response: ServerResponse): void => void response.writeHead(204).end()

const config = (url: string, more: Partial<TaskPushNotificationConfig> = {}): TaskPushNotificationConfig => ({
  tenant: '',
  id: '',
  taskId: '',
  url,
  token: '',
  authentication: undefined,
  ...more,
})

const begun = async (client: Client, url?: string): Promise<string> =>
  ((await client.sendMessage(say('go', {}, true, url === undefined ? undefined : config(url)))) as Task).id

/** What was told, in a word each. */
function told({ heard }: Receiver): string[] {
  return heard.map(({ body }) => {
    const [kind = '', value] = Object.entries(body)[0] ?? []
    const { status } = value as { readonly status?: { readonly state: string } }
    return status === undefined ? kind : `${kind} ${status.state.replace('TASK_STATE_', '')}`
  })
}
const isDone = (one: Receiver): boolean => told(one).some((word) => word.endsWith('COMPLETED'))

describe('push notifications', () => {
  test('tell a webhook what becomes of a task, with the token and the credentials that its client gave', async () => {
    const { server } = await opened(here)
    const hook = await receiver()
    const client = await clientOf(server, 'waiter')
    assert.equal((await client.getAgentCard()).capabilities?.pushNotifications, true)
    const authentication = { scheme: 'Bearer', credentials: 's3cret' }
    const given = config(hook.url, { token: 'a token', authentication })
    const { id } = (await client.sendMessage(say('go', {}, true, given))) as Task
    await until(() => hook.heard.length >= 1)
    await client.sendMessage(say('news', { taskId: id }, true))
    await until(() => isDone(hook))
    assert.equal(told(hook)[0], 'task WORKING')
    assert.deepEqual(told(hook).slice(-2), ['artifactUpdate', 'statusUpdate COMPLETED'])
    assert.match(JSON.stringify(hook.heard), /"taskId":"\d+".*news/)
    for (const { headers } of hook.heard) {
      assert.equal(headers['x-a2a-notification-token'], 'a token')
      assert.equal(headers.authorization, 'Bearer s3cret')
      assert.equal(headers['content-type'], 'application/a2a+json')
    }
  })

  test('are off where nobody turned them on, and the card says so', async () => {
    const { server } = await opened(undefined)
    const client = await clientOf(server, 'waiter')
    assert.equal((await client.getAgentCard()).capabilities?.pushNotifications, false)
    await assert.rejects(begun(client, 'https://example.com/hook'), /sends no push notifications/)
  })

  for (const binding of bindings)
    test(`${binding}: a configuration is set, read, listed, replaced and deleted, by its principal alone`, async () => {
      const { server } = await opened(here)
      const hook = await receiver()
      const client = await clientOf(server, 'waiter', 'ada', binding)
      const taskId = await begun(client)
      const made = await client.createTaskPushNotificationConfig(config(hook.url, { taskId, id: 'one', token: 't' }))
      assert.deepEqual([made.id, made.taskId, made.url, made.token], ['one', taskId, hook.url, 't'])
      const at = { tenant: '', taskId, id: 'one' }
      assert.equal((await client.getTaskPushNotificationConfig(at)).url, hook.url)
      await client.createTaskPushNotificationConfig(config(`${hook.url}?again`, { taskId, id: 'one' }))
      const { configs } = await client.listTaskPushNotificationConfig({
        tenant: '',
        taskId,
        pageSize: 0,
        pageToken: '',
      })
      assert.deepEqual(
        configs.map(({ url }) => url),
        [`${hook.url}?again`],
      )
      for (const [key, id] of [
        ['bob', taskId],
        ['ada', '999999'],
      ] as const) {
        const other = await clientOf(server, 'waiter', key, binding)
        const errors = await Promise.all(
          [
            other.createTaskPushNotificationConfig(config(hook.url, { taskId: id })),
            other.getTaskPushNotificationConfig({ ...at, taskId: id }),
            other.listTaskPushNotificationConfig({ tenant: '', taskId: id, pageSize: 0, pageToken: '' }),
            other.deleteTaskPushNotificationConfig({ ...at, taskId: id }),
          ].map((one) => (one as Promise<unknown>).then(() => 'reached').catch((error: Error) => error.message)),
        )
        assert.deepEqual(new Set(errors), new Set(['there is no such task']), key)
      }
      const admin = await clientOf(server, 'waiter', 'root', binding)
      const seen = await admin.listTaskPushNotificationConfig({ tenant: '', taskId, pageSize: 0, pageToken: '' })
      assert.deepEqual(seen.configs, [], 'who sees every task sees no token')
      await client.deleteTaskPushNotificationConfig(at)
      await assert.rejects(client.getTaskPushNotificationConfig(at), /no such push configuration/)
      await until(() => hook.heard.length >= 1)
      const before = hook.heard.length
      await client.sendMessage(say('news', { taskId }, true))
      await pause(50)
      assert.equal(hook.heard.length, before, 'who was deleted is told no more')
    })

  test('a client of version 0.3 is told in its form', async () => {
    const { server } = await opened(here)
    const hook = await receiver()
    await begun(await clientOf(server, 'echo', 'ada', 'JSON-RPC 0.3'), hook.url)
    await until(() => hook.heard.some(({ body }) => JSON.stringify(body).includes('"completed"')))
    assert.equal(hook.heard[0]?.body['kind'], 'task')
  })

  test('a question is told, and what comes after its answer', async () => {
    const { server } = await opened(here)
    const hook = await receiver()
    const client = await clientOf(server, 'greeter')
    const taskId = await begun(client, hook.url)
    await until(() => told(hook).some((word) => word.endsWith('INPUT_REQUIRED')))
    await client.sendMessage(say('Eve', { taskId }, true))
    await until(() => isDone(hook))
    assert.match(JSON.stringify(hook.heard), /Who is there\?.*Hello, Eve/)
  })

  test('who may not answer is told of a question as of one for somebody else', async () => {
    const { server } = await opened(here)
    const hook = await receiver()
    await begun(await clientOf(server, 'greeter', 'eve'), hook.url)
    await until(() => told(hook).some((word) => word.endsWith('_REQUIRED')))
    assert.deepEqual(
      told(hook).filter((word) => word.endsWith('_REQUIRED')),
      [told(hook).find((word) => word.endsWith('AUTH_REQUIRED'))],
    )
    assert.match(JSON.stringify(hook.heard), /waits for a person: Who is there/)
  })

  test('are bounded in number: ten of a task, a thousand of a principal, and one that is replaced is not one more', async () => {
    const kernel = createKernel({ store: memoryStore(), programs })
    closing.push(() => kernel.close())
    const push = createPush({ kernel, options: here, async *streamOf() {} })
    const owner = (pid: number, principal = 'ada') => ({
      principal,
      pid,
      program: 'waiter',
      scopes: ['runs'] as const,
      key: 'k1',
      version: '1.0',
    })
    const set = (pid: number, id: number | string, principal?: string) =>
      push.set(owner(pid, principal), config('http://127.0.0.1/hook', { id: String(id) }))
    const pids = Array.from({ length: 101 }, () => kernel.spawn(waiter as Program, null, { principal: 'ada' }).pid)
    const last = pids.pop() as number
    for (let id = 1; id <= 10; id++) set(pids[0] as number, id)
    assert.throws(() => set(pids[0] as number, 11), /at most 10 push configurations/)
    set(pids[0] as number, 10)
    for (const pid of pids.slice(1)) for (let id = 1; id <= 10; id++) set(pid, id)
    assert.throws(() => set(last, 1), /a principal 1000 in all/)
    set(pids[0] as number, 10)
    set(last, 1, 'bob')
    push.remove(owner(pids[0] as number), '10')
    set(last, 1)
  })
})

describe('a receiver', () => {
  test('that fails for a while is tried again, and one that says no is not', async () => {
    const { server } = await opened(here)
    const ill = await receiver((response, nth) => void response.writeHead(nth <= 2 ? 500 : 204).end())
    const closed = await receiver((response) => void response.writeHead(410).end())
    const client = await clientOf(server, 'echo')
    await begun(client, ill.url)
    await until(() => isDone(ill))
    assert.equal(ill.heard.length - new Set(ill.heard.map(({ body }) => JSON.stringify(body))).size, 2)
    await begun(client, closed.url)
    await until(() => isDone(closed))
    const all = closed.heard.map(({ body }) => JSON.stringify(body))
    assert.equal(new Set(all).size, all.length)
  })

  test('that always fails is told each thing five times and no more, and the server goes on', async () => {
    const { server } = await opened(here)
    const ill = await receiver((response) => void response.writeHead(503).end())
    const client = await clientOf(server, 'echo')
    await begun(client, ill.url)
    await until(() => told(ill).filter((word) => word.endsWith('COMPLETED')).length === 5)
    await pause(100)
    const counts = Map.groupBy(ill.heard, ({ body }) => JSON.stringify(body))
    assert.deepEqual(new Set([...counts.values()].map(({ length }) => length)), new Set([5]))
  })

  test('that hangs holds up nobody but itself', async () => {
    const { server } = await opened({ ...here, timeoutMs: 60 })
    const hanging = await receiver(() => {})
    const hook = await receiver()
    const client = await clientOf(server, 'waiter')
    const taskId = await begun(client, hanging.url)
    await client.createTaskPushNotificationConfig(config(hook.url, { taskId }))
    await client.sendMessage(say('news', { taskId }, true))
    await until(() => isDone(hook))
    assert.ok(!isDone(hanging), 'it still has its tries of the first')
    await until(() => hanging.heard.length === 2)
  })

  test('that answers with another protocol, or goes away without an answer, holds nobody', async () => {
    for (const [answer, expected] of [
      ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n', 101],
      ['HTTP/1.1 100 Continue\r\n\r\n', 'no answer'],
      ['', 'no answer'],
    ] as const) {
      const raw = createRawServer((socket) => {
        socket.on('error', () => {})
        socket.once('data', () => (answer === '' ? socket.end() : socket.write(answer)))
      })
      await new Promise<void>((resolve) => void raw.listen(0, '127.0.0.1', resolve))
      closing.push(() => raw.close())
      const webhook = createWebhook({ ...here, timeoutMs: 60 })
      const url = `http://127.0.0.1:${(raw.address() as AddressInfo).port}/`
      const posted = { headers: {}, body: '{}', signal: new AbortController().signal }
      const said = webhook.post(url, posted).catch(() => 'no answer')
      assert.equal(await within(2_000, said, JSON.stringify(answer)), expected)
    }
  })

  test('that leads elsewhere is not followed', async () => {
    const { server } = await opened(here)
    const inside = await receiver()
    const leading = await receiver((response) => void response.writeHead(307, { location: inside.url }).end())
    await begun(await clientOf(server, 'echo'), leading.url)
    await until(() => isDone(leading))
    await pause(30)
    assert.deepEqual(inside.heard, [])
  })

  test('on this machine or a private network is refused, however it is written', async () => {
    const { server, kernel } = await opened({ privateHosts: ['hooks.internal'] })
    const client = await clientOf(server, 'echo')
    for (const host of [
      '127.0.0.1',
      '127.1',
      '0x7f.1',
      '2130706433',
      'localhost',
      'a.localhost',
      'localhost.',
      '0.0.0.0',
      '10.0.0.7',
      '100.64.0.1',
      '169.254.169.254',
      '172.16.0.1',
      '192.168.1.1',
      '198.18.0.1',
      '224.0.0.1',
      '255.255.255.255',
      '[::1]',
      '[::]',
      '[::ffff:127.0.0.1]',
      '[::ffff:10.0.0.1]',
      '[64:ff9b::7f00:1]',
      '[2002:7f00:1::]',
      '[fc00::1]',
      '[fe80::1]',
      '[ff02::1]',
    ])
      await assert.rejects(begun(client, `https://${host}/hook`), /private network/, host)
    for (const url of [
      'http://example.com/hook',
      'ftp://example.com',
      'file:///etc/passwd',
      'https://a:b@example.com',
      '',
      'x',
    ])
      await assert.rejects(begun(client, url), /url takes an https URL/, url)
    assert.deepEqual(kernel.ps(), [], 'nothing began')
    for (const host of [
      'http://x',
      '*',
      '*.internal',
      'x:80',
      'x/y',
      'a b',
      '',
      '.',
      'a..b',
      '%41',
      '999.1.1.1',
      '[x]',
      '[::1]:80',
    ])
      assert.throws(() => createWebhook({ privateHosts: [host] }), /is no host that could be told/, host)
  })

  test('is told nevertheless where it is named, however both are written', () => {
    for (const [named, asked] of [
      ['LOCALHOST.', 'localhost'],
      ['127.1', '127.0.0.1'],
      ['0:0:0:0:0:0:0:1', '[::1]'],
      ['[::1]', '[0::1]'],
      ['::ffff:10.0.0.7', '[::ffff:a00:7]'],
      ['bücher.internal', 'BÜCHER.internal.'],
      ['hooks_2.internal', 'Hooks_2.internal'],
    ] as const) {
      const { check } = createWebhook({ privateHosts: [named] })
      check(`http://${asked}/hook`)
      assert.throws(() => check('http://10.0.0.8/hook'), /private network/)
    }
  })

  test('that has no address is said to have none', async () => {
    const resolve = ((_name: string, _options: object, callback: (error: null, found: unknown) => void) =>
      callback(null, [])) as unknown as typeof lookup
    const posted = { headers: {}, body: '{}', signal: new AbortController().signal }
    await assert.rejects(
      createWebhook({ lookup: resolve }).post('https://nowhere.example/', posted),
      /nowhere\.example has no address/,
    )
  })

  test('whose name leads inside is not reached, whatever it was when it was looked at first', async () => {
    const inside = await receiver()
    const { port } = new URL(inside.url)
    const posted = { headers: {}, body: '{}', signal: new AbortController().signal }
    for (const answers of [
      [{ address: '127.0.0.1', family: 4 }],
      [
        { address: '93.184.216.34', family: 4 },
        { address: '::1', family: 6 },
      ],
    ]) {
      const resolve = ((_name: string, _options: object, callback: (error: null, found: unknown) => void) =>
        callback(null, answers)) as unknown as typeof lookup
      const webhook = createWebhook({ lookup: resolve })
      webhook.check(`https://rebound.example:${port}/hook`)
      await assert.rejects(webhook.post(`https://rebound.example:${port}/hook`, posted), /private network/)
    }
    const resolve = ((_name: string, _options: object, callback: (error: null, found: unknown) => void) =>
      callback(null, [{ address: '127.0.0.1', family: 4 }])) as unknown as typeof lookup
    const allowed = createWebhook({ lookup: resolve, privateHosts: ['hooks.internal'] })
    assert.equal(await allowed.post(`http://hooks.internal:${port}/hook`, posted), 204)
    assert.equal(inside.heard.length, 1)
  })
})

test('a configuration outlives its server: after a restart the webhook is told how the task ended', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'polity-a2a-push-'))
  closing.push(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'a.db')
  let isDeaf = false
  const hook = await receiver((response) => (isDeaf ? void response.destroy() : ok(response)))
  const first = await opened({ ...here, retryMs: 60_000 }, openSqliteStore(path))
  const client = await clientOf(first.server, 'waiter')
  const [going, ended] = [await begun(client, hook.url), await begun(client, hook.url)]
  await until(() => hook.heard.length >= 2)
  // One ends, and nobody hears it before the server does too.
  isDeaf = true
  await client.sendMessage(say('over', { taskId: ended }, true))
  await until(() => first.kernel.info(Number(ended)).state === 'done')
  await first.stop()
  isDeaf = false
  hook.heard.length = 0
  const store = openSqliteStore(path)
  const left = (): number => [...store.range('meta', 'a2a-push', 'a2a-pusi')].length
  const second = await opened(here, store)
  await until(() => left() === 1)
  assert.match(JSON.stringify(hook.heard), /"over"/)
  const again = await clientOf(second.server, 'waiter')
  second.kernel.resume(Number(going))
  hook.heard.length = 0
  await again.sendMessage(say('at last', { taskId: going }, true))
  await until(() => left() === 0)
  assert.match(JSON.stringify(hook.heard), /"at last"/)
  await second.stop()
  hook.heard.length = 0
  await opened(here, openSqliteStore(path))
  await pause(50)
  assert.deepEqual(hook.heard, [], 'what was told as ended is not told again')
})

test('an admin is told of what is another principal’s, after a restart too', async () => {
  const store = lasting()
  const left = (): number => [...store.range('meta', 'a2a-push', 'a2a-pusi')].length
  const first = await opened(here, store)
  const told = await receiver()
  const client = await clientOf(first.server, 'waiter')
  const admin = await clientOf(first.server, 'waiter', 'root')
  const going = await begun(client)
  await admin.createTaskPushNotificationConfig(config(told.url, { taskId: going }))
  await until(() => told.heard.length >= 1)
  await first.stop()
  const second = await opened(here, store)
  second.kernel.resume(Number(going))
  const ada = await clientOf(second.server, 'waiter')
  await ada.sendMessage(say('news', { taskId: going }, true))
  await until(() => isDone(told) && left() === 0)
})

test('a key that is none any more is told nothing, an admin’s and any other, between two tries and after a restart too', async () => {
  const store = lasting()
  const closed = new Set<string | null>()
  const scopesOf = (key: string | null): readonly Scope[] =>
    closed.has(key) ? [] : [...(Object.values(callers).find((one) => one.key === key)?.scopes ?? [])]
  const push: PushOptions = { ...here, scopesOf }
  const warned: string[] = []
  const hear = ({ message }: Error): void => void warned.push(message)
  process.on('warning', hear)
  closing.push(() => process.off('warning', hear))
  const left = (): number => [...store.range('meta', 'a2a-push', 'a2a-pusi')].length
  const { server, stop } = await opened(push, store)
  const hooks = [await receiver(), await receiver(), await receiver()] as const
  const [ada, bob, root] = [
    await clientOf(server, 'waiter'),
    await clientOf(server, 'waiter', 'bob'),
    await clientOf(server, 'waiter', 'root'),
  ]
  const [adas, bobs] = [await begun(ada, hooks[0].url), await begun(bob, hooks[1].url)]
  await root.createTaskPushNotificationConfig(config(hooks[2].url, { taskId: bobs }))
  // How the task stands, and what its program says before it waits.
  await until(() => hooks.every(({ heard }) => heard.length >= 1))
  await pause(100)
  const before = hooks.map(({ heard }) => heard.length)
  closed.add('k1').add('k3')
  await ada.sendMessage(say('news', { taskId: adas }, true))
  await bob.sendMessage(say('news', { taskId: bobs }, true))
  await until(() => isDone(hooks[1]) && left() === 0)
  assert.deepEqual(
    hooks.map(({ heard }, i) => heard.length > (before[i] as number)),
    [false, true, false],
  )
  const why = 'the key that named the webhook was revoked or has expired'
  assert.deepEqual(warned.toSorted(), [
    `A2A push of task ${adas} of ada: ${why}`,
    `A2A push of task ${bobs} of root: ${why}`,
  ])
  // It is revoked while what was not taken waits to be tried again.
  const failing = await receiver((response) => (closed.add('k2'), void response.writeHead(503).end()))
  await begun(bob, failing.url)
  await until(() => left() === 0)
  assert.equal(failing.heard.length, 1)
  // It is revoked while nothing happens, or while the server is down.
  closed.delete('k2')
  const silent = await receiver()
  const [seen, kept] = [await begun(bob, silent.url), await begun(bob, silent.url)]
  await until(() => silent.heard.length >= 2 && left() === 2)
  await pause(100)
  const heard = silent.heard.length
  closed.add('k2')
  assert.deepEqual(
    (await bob.listTaskPushNotificationConfig({ tenant: '', taskId: seen, pageSize: 0, pageToken: '' })).configs,
    [],
  )
  await until(() => left() === 1)
  await stop()
  const { kernel } = await opened(push, store)
  kernel.resume(Number(kept))
  await until(() => left() === 0)
  assert.equal(silent.heard.length, heard)
})

test('a key may do what it was made for until it is revoked or has expired; where there never was one, everybody everything', () => {
  const folder = mkdtempSync(join(tmpdir(), 'polity-a2a-push-'))
  closing.push(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'a.db')
  const made = (scopes: readonly Scope[], expiresAt?: number): string =>
    createKey(path, { principal: 'root', scopes, ...(expiresAt === undefined ? {} : { expiresAt }) }, 1_000).entry.id
  let now = 2_000
  const scopesOf = scopesOfKeys(path, { now: () => now })
  assert.ok(scopesOf(null).includes('admin'))
  assert.deepEqual(scopesOf('none'), [])
  const [admin, plain, brief] = [made(['runs', 'admin']), made(['runs']), made(['admin'], 3_000)]
  const all = () => [null, admin, plain, brief, 'none'].map(scopesOf)
  assert.deepEqual(all(), [[], ['runs', 'admin'], ['runs'], ['admin'], []])
  revokeKey(path, admin, 2_500)
  now = 3_000
  assert.deepEqual(all(), [[], [], ['runs'], [], []])
  rmSync(`${path}-keys`)
  assert.deepEqual(all(), [[], [], [], [], []])
})

test('a server whose kernel has closed tells nothing more: what is left is for the next one', async () => {
  let answer: (() => void) | undefined
  const hook = await receiver((response) => (answer = () => ok(response)))
  const { server, kernel } = await opened(here)
  const client = await clientOf(server, 'waiter')
  const taskId = await begun(client, hook.url)
  await until(() => hook.heard.length === 1)
  await client.sendMessage(say('over', { taskId }, true))
  await until(() => kernel.info(Number(taskId)).state === 'done')
  await kernel.close()
  answer?.()
  await pause(60)
  assert.equal(hook.heard.length, 1)
})

test('a configuration whose task is no longer there goes with the next start', async () => {
  const store = memoryStore()
  const owner = { principal: 'ada', pid: 999_999, program: 'waiter', scopes: ['runs'], key: 'k1', version: '1.0' }
  const value = JSON.stringify({ owner, config: { id: '1', url: 'http://127.0.0.1/hook', token: '' } })
  const left = (): number => [...store.range('meta', 'a2a-push', 'a2a-pusi')].length
  const { kernel } = await opened(undefined, store)
  kernel.keep('a2a-push\x00999999\0ada\x001', value)
  await kernel.flush()
  assert.equal(left(), 1)
  await opened(here, lasting(store))
  await until(() => left() === 0)
})
