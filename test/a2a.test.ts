/**
 * A2A both ways: the official client against our server, and our programs against another Polity server; real sockets on
 * loopback, SQLite where a restart is in the story.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, test } from 'node:test'
import type { SendMessageRequest, StreamResponse, Task } from '@a2a-js/sdk'
import { Role, TaskState } from '@a2a-js/sdk'
import type { Client } from '@a2a-js/sdk/client'
import { findAgents, remoteAgent } from '../src/drivers/a2a.ts'
import { createConnection } from '../src/drivers/a2a/connection.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import type { Kernel, KernelOptions } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Json, Program } from '../src/kernel/types.ts'
import { parseLaw } from '../src/policy/law.ts'
import type { A2aDoorOptions } from '../src/server/a2a/door.ts'
import { a2aDoor } from '../src/server/a2a/door.ts'
import type { Server } from '../src/server/http.ts'
import { startServer } from '../src/server/http.ts'
import type { Caller, Scope } from '../src/server/caller.ts'
import { as, bindings, clientOf, oldCard, reached, say, until } from './a2a-client.ts'
import { noUsage, rawModel, tool, within } from './world.ts'
import { clumsy } from './clumsy.ts'

// ------------------------------------------------------------------------------------------------------------- programs

const echo = defineProgram('echo', async (_sys, input: Json) => ({ echo: input }))
const greeter = defineProgram('greeter', async (sys, input: Json) => {
  const name = await sys.ask(`Who is ${input}?`, { choices: ['Ada', 'Bob'] })
  return `Hello, ${name}`
})
const sleeper = defineProgram('sleeper', async (sys) => {
  await sys.send(0, 'going to bed')
  await sys.sleep(3_600_000)
  return 'awake'
})
const listener = defineProgram('listener', async (sys) => (await sys.receive()).body)
const failing = defineProgram('failing', async (sys, input: Json) => {
  if (input === 'law') await sys.call('pay', {})
  throw new Error('out of order')
})
const pay = tool('pay', () => 'paid')
const payer = defineProgram('payer', async (sys) => sys.call('pay', {}), { tools: [pay] })
const speaker = defineProgram('speaker', async (sys, input: string) => (await sys.generate(input)).text)
const drafter = defineProgram('drafter', async (sys) => {
  await sys.generate('a')
  await sys.generate('b')
  return 'seven'
})
const programs = [echo, greeter, sleeper, listener, failing, payer, speaker, drafter, clumsy] as readonly Program[]

// -------------------------------------------------------------------------------------------------------------- servers

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const all: readonly Scope[] = ['runs', 'approvals']
const callers: { readonly [key: string]: Caller } = {
  ada: { principal: 'ada', scopes: new Set(all), key: 'k1' },
  bob: { principal: 'bob', scopes: new Set(all), key: 'k2' },
  mute: { principal: 'ada', scopes: new Set<Scope>(['runs']), key: 'k3' },
}

interface Opened {
  readonly kernel: Kernel
  readonly server: Server
  /** Served under /cards, beside those of the door. */
  readonly cards: Map<string, Json>
  stop(): Promise<void>
}

async function opened(
  options: Partial<KernelOptions> = {},
  door: Partial<A2aDoorOptions> = {},
  port = 0,
): Promise<Opened> {
  const kernel = createKernel({ store: memoryStore(), programs, ...options })
  const cards = new Map<string, Json>()
  const server = await startServer({
    doors: [
      a2aDoor({ kernel, programs, ...door }),
      {
        routes: [
          {
            method: 'GET',
            path: '/cards/:file',
            scope: 'runs',
            handle: ({ params, reply }) => reply(200, cards.get(params['file'] ?? '') ?? null),
          },
        ],
      },
    ],
    authenticate: ({ headers }) =>
      callers[headers.authorization?.slice('Bearer '.length) ?? ''] ?? { refused: 'no key' },
    port,
    limits: { drainMs: 200 },
  })
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> =>
    (stopped ??= (async () => {
      await kernel.close()
      await server.close()
    })())
  closing.push(stop)
  return { kernel, server, cards, stop }
}

const sent = async (client: Client, request: SendMessageRequest): Promise<Task> =>
  (await client.sendMessage(request)) as Task
const stateOf = ({ status }: Task): string => TaskState[status?.state ?? -1] ?? 'none'
const saidBy = ({ status }: Pick<Task, 'status'>): string => (status?.message?.parts[0]?.content?.value as string) ?? ''
const outputOf = ({ artifacts }: Pick<Task, 'artifacts'>): unknown => artifacts[0]?.parts[0]?.content?.value
const get = (client: Client, id: string): Promise<Task> => client.getTask({ id, tenant: '' })

/** Pieces of the output as a client puts them together. */
interface Artifacts {
  readonly pieces: string[]
  readonly ends: boolean[]
}

async function draftOf(stream: AsyncGenerator<StreamResponse>): Promise<Artifacts> {
  let pieces: string[] = []
  const ends: boolean[] = []
  for await (const { payload } of stream) {
    if (payload?.$case !== 'artifactUpdate') continue
    const { artifact, append, lastChunk } = payload.value
    assert.equal(artifact?.artifactId, 'output')
    const said = artifact.parts.map(({ content }) => content?.value as string)
    pieces = append ? [...pieces, ...said] : said
    ends.push(lastChunk)
  }
  return { pieces, ends }
}

async function eventsOf(stream: AsyncGenerator<StreamResponse>): Promise<string[]> {
  const told: string[] = []
  for await (const { payload } of stream) {
    if (payload?.$case === 'artifactUpdate') told.push(`artifact ${payload.value.artifact?.parts[0]?.content?.value}`)
    else if (payload?.$case === 'task') told.push(`task ${stateOf(payload.value)}`)
    else if (payload?.$case === 'statusUpdate')
      told.push(`${stateOf(payload.value as never)} ${saidBy(payload.value as never)}`.trim())
  }
  return told
}

// --------------------------------------------------------------------------------------------------------------- server

describe('a program as an agent', () => {
  test('has a card, runs a message to its end, and gives its output as an artifact of the same kind', async () => {
    const { server } = await opened({}, { cards: { echo: { description: 'Says it again.' } } })
    const client = await clientOf(server, 'echo')
    const card = await client.getAgentCard()
    assert.deepEqual(
      [card.name, card.description, card.version, card.capabilities?.streaming, card.capabilities?.pushNotifications],
      ['echo', 'Says it again.', '1', true, false],
    )
    const task = await sent(client, say('hi', { contextId: 'my context' }))
    assert.equal(stateOf(task), 'TASK_STATE_COMPLETED')
    assert.equal(task.contextId, 'my context')
    assert.deepEqual(outputOf(task), { echo: 'hi' })
    assert.deepEqual(outputOf(await get(client, task.id)), { echo: 'hi' })
    const data = say({
      content: { $case: 'data', value: { a: [1] } },
      metadata: undefined,
      filename: '',
      mediaType: '',
    })
    assert.deepEqual(outputOf(await sent(client, data)), { echo: { a: [1] } })
    const wellKnown = await fetch(`${server.url}/.well-known/agent-card.json`, { headers: as('ada') })
    assert.equal(((await wellKnown.json()) as { name: string }).name, 'echo')
    assert.equal((await fetch(`${server.url}/.well-known/agent-card.json`)).status, 401)
  })

  test('of which there is none: a server without programs says how to have one', async () => {
    const { server } = await opened({}, { programs: [] })
    const told = async (path: string): Promise<[status: number, message: string]> => {
      const response = await fetch(server.url + path, { headers: as('ada') })
      return [response.status, ((await response.json()) as { error: { message: string } }).error.message]
    }
    const why = 'the server has no programs; start it with one, such as polity serve agent.ts'
    assert.deepEqual(await told('/.well-known/agent-card.json'), [404, `NO_SUCH_PROGRAM: no agent is served: ${why}`])
    const named = await told('/a2a/echo/.well-known/agent-card.json')
    assert.deepEqual(named, [404, `NO_SUCH_PROGRAM: no agent "echo" is served: ${why}`])
  })

  test('streams what happens: its progress, its states, its artifact and its end', async () => {
    const { server, kernel } = await opened()
    assert.deepEqual(await eventsOf((await clientOf(server, 'echo')).sendMessageStream(say('hi'))), [
      'task TASK_STATE_WORKING',
      'artifact [object Object]',
      'TASK_STATE_COMPLETED',
    ])
    const client = await clientOf(server, 'sleeper')
    const told = eventsOf(client.sendMessageStream(say('night')))
    const { pid } = await until(() =>
      kernel.ps().find(({ program, waiting }) => program === 'sleeper' && waiting !== null),
    )
    await client.cancelTask({ id: String(pid), tenant: '', metadata: undefined })
    const [first, progress, last] = await within(5_000, told)
    assert.equal(first, 'task TASK_STATE_WORKING')
    assert.equal(progress, 'TASK_STATE_WORKING going to bed')
    assert.match(last ?? '', /^TASK_STATE_CANCELED KILLED: .*canceled by its client/)
    await assert.rejects(client.cancelTask({ id: String(pid), tenant: '', metadata: undefined }), /has ended already/)
  })

  test('asks its client, whose next message on the task is the answer', async () => {
    const { server, kernel } = await opened()
    const client = await clientOf(server, 'greeter')
    const task = await sent(client, say('she'))
    assert.equal(stateOf(task), 'TASK_STATE_INPUT_REQUIRED')
    assert.equal(saidBy(task), 'Who is she?')
    assert.deepEqual(task.status?.message?.metadata?.['choices'], ['Ada', 'Bob'])
    await assert.rejects(sent(client, say('Eve', { taskId: task.id })), /takes Ada, Bob, not "Eve"/)
    await assert.rejects(sent(client, say('Ada', { taskId: task.id, contextId: 'other' })), /is of context/)
    const stale = { taskId: task.id, metadata: { 'polity/answers': 'question-0' } }
    await assert.rejects(sent(client, say('Ada', stale)), /waits for no answer any more/)
    // Who joins hears what comes after the answer.
    const joined = eventsOf(client.resubscribeTask({ id: task.id, tenant: '' }))
    await new Promise((resolve) => void setTimeout(resolve, 50))
    const answers = task.status?.message?.messageId as string
    const done = await sent(client, say('Ada', { taskId: task.id, metadata: { 'polity/answers': answers } }))
    assert.equal(outputOf(done), 'Hello, Ada')
    // That it works again may be over before it is told.
    const heard = (await within(5_000, joined)).filter((one) => one !== 'TASK_STATE_WORKING')
    assert.deepEqual(heard, ['task TASK_STATE_INPUT_REQUIRED', 'artifact Hello, Ada', 'TASK_STATE_COMPLETED'])
    assert.deepEqual(
      (await get(client, task.id)).history.map(({ role, parts }) => [role, parts[0]?.content?.value]),
      [
        [Role.ROLE_USER, 'she'],
        [Role.ROLE_AGENT, 'Who is she?'],
        [Role.ROLE_USER, 'Ada'],
      ],
    )
    assert.deepEqual(kernel.questions, [])
    await assert.rejects(sent(client, say('again', { taskId: task.id })), /has ended/)
  })

  test('gets a message that answers nothing as mail', async () => {
    const { server } = await opened()
    const client = await clientOf(server, 'listener')
    const { id } = await sent(client, say('begin', {}, true))
    assert.equal(outputOf(await sent(client, say('news', { taskId: id }))), 'news')
  })

  test('a message never approves a call, nor answers for who may not', async () => {
    const law = parseLaw({ rules: [{ id: 'asks', effect: 'ask', tool: 'pay' }] })
    const { server, kernel } = await opened({ law })
    const client = await clientOf(server, 'payer')
    const task = await sent(client, say('go'))
    assert.equal(stateOf(task), 'TASK_STATE_AUTH_REQUIRED')
    await assert.rejects(sent(client, say('allow', { taskId: task.id })), /waits for a person/)
    assert.equal(kernel.questions.length, 1, 'it still waits')
    kernel.answer(kernel.questions[0]?.id as number, 'deny')
    const [last] = (await eventsOf(client.resubscribeTask({ id: task.id, tenant: '' })).catch(() => [])).slice(-1)
    assert.match(last ?? `${stateOf(await get(client, task.id))}`, /TASK_STATE_REJECTED/)
    const mute = await clientOf(server, 'greeter', 'mute')
    const asked = await sent(mute, say('she'))
    assert.equal(stateOf(asked), 'TASK_STATE_AUTH_REQUIRED')
    await assert.rejects(sent(mute, say('Ada', { taskId: asked.id })), /waits for a person/)
  })

  test('fails with the reason, and is rejected where the law denies it', async () => {
    const { server } = await opened({
      law: parseLaw({ rules: [{ id: 'no', effect: 'deny', tool: 'pay', reason: 'no money' }] }),
      tools: [pay],
    })
    const client = await clientOf(server, 'failing')
    const failed = await sent(client, say('x'))
    assert.deepEqual([stateOf(failed), saidBy(failed)], ['TASK_STATE_FAILED', 'PROGRAM_FAILED: out of order'])
    assert.deepEqual(failed.status?.message?.metadata, { code: 'PROGRAM_FAILED', retryable: false })
    const rejected = await sent(client, say('law'))
    assert.equal(stateOf(rejected), 'TASK_STATE_REJECTED')
    assert.match(saidBy(rejected), /no money/)
  })

  test('a call with wrong arguments is no part of what is told', async () => {
    const { server } = await opened()
    const client = await clientOf(server, 'clumsy')
    const task = await sent(client, say('go'))
    assert.deepEqual(
      [stateOf(task), outputOf(task), task.history.length],
      ['TASK_STATE_COMPLETED', 'INVALID_ARGUMENT', 1],
    )
    assert.deepEqual(await eventsOf(client.sendMessageStream(say('go'))), [
      'task TASK_STATE_WORKING',
      'artifact INVALID_ARGUMENT',
      'TASK_STATE_COMPLETED',
    ])
  })

  test('one message is one task, however often it comes', async () => {
    const { server, kernel } = await opened()
    const client = await clientOf(server, 'echo')
    const request = say('once')
    const [first, second] = [await sent(client, request), await sent(client, request)]
    assert.equal(first.id, second.id)
    assert.notEqual((await sent(await clientOf(server, 'echo', 'bob'), request)).id, first.id)
    assert.equal(kernel.ps().filter(({ program }) => program === 'echo').length, 2)
    const other = say('twice', { messageId: request.message?.messageId as string })
    await assert.rejects(sent(client, other), /messageId is that of another message/)
  })

  test('a message that comes again after a restart is the task that it began, also where that has ended', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'polity-a2a-'))
    closing.push(() => rmSync(folder, { recursive: true }))
    const store = () => openSqliteStore(join(folder, 'a.db'))
    const before = await opened({ store: store() })
    const request = say('once')
    const { id } = await sent(await clientOf(before.server, 'echo'), request)
    // A fork has the name of the task, and is none.
    const fork = await before.kernel.fork(Number(id))
    await fork.result
    await before.stop()
    const after = await opened({ store: store() })
    const client = await clientOf(after.server, 'echo')
    const again = await sent(client, request)
    assert.deepEqual([again.id, stateOf(again), outputOf(again)], [id, 'TASK_STATE_COMPLETED', { echo: 'once' }])
    await assert.rejects(get(client, String(fork.pid)), /there is no such task/)
    assert.notEqual((await sent(client, say('once'))).id, id)
  })

  for (const binding of bindings)
    test(`${binding}: nobody reaches the tasks of another, nor processes that are no tasks, nor another agent’s`, async () => {
      const { server, kernel } = await opened()
      const client = (program: string, key: string): Promise<Client> => clientOf(server, program, key, binding)
      const [ada, bob] = [await client('sleeper', 'ada'), await client('sleeper', 'bob')]
      const { id } = await sent(ada, say('mine', {}, true))
      const own = kernel.spawn(sleeper, null, { principal: 'ada' })
      const elsewhere = await client('echo', 'ada')
      for (const [who, pid] of [
        [bob, id],
        [bob, '999999'],
        [ada, String(own.pid)],
        [elsewhere, id],
        [ada, 'x'],
      ] as const) {
        const errors = await Promise.all(
          [
            get(who, pid),
            who.cancelTask({ id: pid, tenant: '', metadata: undefined }),
            who.sendMessage(say('psst', { taskId: pid })),
            eventsOf(who.resubscribeTask({ id: pid, tenant: '' })),
          ].map((one) => one.then(() => 'reached').catch((error: Error) => error.message)),
        )
        assert.deepEqual(new Set(errors), new Set(['there is no such task']), pid)
      }
      await assert.rejects(client('echo', 'eve'), 'who has no key reads no card')
      assert.equal(kernel.info(Number(id)).state, 'running')
      // Version 0.3 has no list.
      if (binding === 'JSON-RPC 0.3') return
      const list = async (who: Client) =>
        (
          await who.listTasks({
            tenant: '',
            contextId: '',
            status: TaskState.TASK_STATE_WORKING,
            pageToken: '',
            statusTimestampAfter: undefined,
          })
        ).tasks.map((task) => task.id)
      assert.deepEqual(await list(ada), [id])
      assert.deepEqual(await list(bob), [])
    })

  for (const binding of bindings)
    test(`${binding}: the official client runs, follows, answers and cancels`, async () => {
      const model = scripted(() => 'Words come one by one.', { deltaChars: 6 })
      const { server, kernel } = await opened({ models: { main: model } })
      const client = (program: string): Promise<Client> => clientOf(server, program, 'ada', binding)
      reached.clear()
      const echoed = await client('echo')
      const { id, ...task } = await sent(echoed, say('hi'))
      assert.equal(stateOf(task as Task), 'TASK_STATE_COMPLETED')
      assert.deepEqual(outputOf(await get(echoed, id)), { echo: 'hi' })
      assert.equal((await get(echoed, id)).history.length, 1)
      assert.deepEqual(
        [...reached].filter((path) => path.startsWith('/a2a/echo') && !path.endsWith('.json')),
        binding === 'HTTP+JSON' ? ['/a2a/echo/message:send', `/a2a/echo/tasks/${id}`] : ['/a2a/echo'],
      )
      assert.deepEqual(await eventsOf(echoed.sendMessageStream(say('hi'))), [
        'task TASK_STATE_WORKING',
        'artifact [object Object]',
        'TASK_STATE_COMPLETED',
      ])

      const greeting = await client('greeter')
      const asked = await sent(greeting, say('she'))
      assert.deepEqual([stateOf(asked), saidBy(asked)], ['TASK_STATE_INPUT_REQUIRED', 'Who is she?'])
      await assert.rejects(sent(greeting, say('Eve', { taskId: asked.id })), /takes Ada, Bob, not "Eve"/)
      const joined = eventsOf(greeting.resubscribeTask({ id: asked.id, tenant: '' }))
      await new Promise((resolve) => void setTimeout(resolve, 50))
      assert.equal(outputOf(await sent(greeting, say('Ada', { taskId: asked.id }))), 'Hello, Ada')
      assert.equal((await within(5_000, joined)).at(-1), 'TASK_STATE_COMPLETED')

      const sleeping = await client('sleeper')
      const { id: asleep } = await sent(sleeping, say('night', {}, true))
      const canceled = await sleeping.cancelTask({ id: asleep, tenant: '', metadata: undefined })
      assert.equal(stateOf(canceled), 'TASK_STATE_CANCELED')
      assert.equal(kernel.info(Number(asleep)).state, 'killed')
      await assert.rejects(sleeping.cancelTask({ id: asleep, tenant: '', metadata: undefined }), {
        name: /TaskNotCancelable/,
      })

      const { pieces, ends } = await draftOf((await client('speaker')).sendMessageStream(say('speak')))
      assert.equal(pieces.join(''), 'Words come one by one.')
      assert.ok(pieces.length > 2, `it came in pieces: ${JSON.stringify(pieces)}`)
      assert.deepEqual(ends, [...pieces.slice(1).map(() => false), true])
    })

  test('what a model says on the way is a draft, which the next one and the output replace', async () => {
    const { server } = await opened({
      models: { main: scripted(['one two three', 'four five six'], { deltaChars: 4 }) },
    })
    const told: string[] = []
    for await (const { payload } of (await clientOf(server, 'drafter')).sendMessageStream(say('x'))) {
      if (payload?.$case !== 'artifactUpdate') continue
      const { artifact, append, lastChunk } = payload.value
      told.push(`${append ? '+' : '='}${artifact?.parts[0]?.content?.value}${lastChunk ? '.' : ''}`)
    }
    const [first, last] = [told[0], told.at(-1)]
    assert.match(first ?? '', /^=one/)
    assert.equal(told.filter((one) => one.startsWith('=')).length, 3)
    assert.equal(last, '=seven.')
  })

  test('who joins in the middle of what a model says hears the output, and no half of a draft', async () => {
    let finish = (): void => {}
    const late = new Promise<void>((resolve) => (finish = resolve))
    let begun = 0
    const parts = async function* (): AsyncGenerator<unknown> {
      yield { type: 'stream-start', warnings: [] }
      yield { type: 'text-start', id: '1' }
      yield { type: 'text-delta', id: '1', delta: 'not heard, ' }
      begun++
      await late
      yield { type: 'text-delta', id: '1', delta: 'heard' }
      yield { type: 'text-end', id: '1' }
      yield { type: 'finish', finishReason: { unified: 'stop', raw: undefined }, usage: noUsage }
    }
    const model = rawModel(
      () => Promise.reject(new Error('it only streams')),
      () => Promise.resolve({ stream: ReadableStream.from(parts()) as ReadableStream<never> }),
    )
    const { server } = await opened({ models: { main: model } })
    const client = await clientOf(server, 'speaker')
    const first = draftOf(client.sendMessageStream(say('speak')))
    await until(() => begun === 1)
    const { tasks } = await client.listTasks({
      tenant: '',
      contextId: '',
      status: 0,
      pageToken: '',
      statusTimestampAfter: undefined,
    })
    const joined = draftOf(client.resubscribeTask({ id: tasks[0]?.id as string, tenant: '' }))
    await new Promise((resolve) => void setTimeout(resolve, 50))
    finish()
    assert.deepEqual(await within(5_000, joined), { pieces: ['not heard, heard'], ends: [true] })
    assert.equal((await within(5_000, first)).pieces.join('|'), 'not heard, |heard|')
  })

  test('the card is one for clients of both versions, and names each interface', async () => {
    const { server } = await opened()
    const response = await fetch(`${server.url}/a2a/echo/.well-known/agent-card.json`, { headers: as('ada') })
    const card = (await response.json()) as { [field: string]: unknown; supportedInterfaces: { url: string }[] }
    const at = `${server.url}/a2a/echo`
    assert.deepEqual(card.supportedInterfaces, [
      { url: at, protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
      { url: at, protocolBinding: 'HTTP+JSON', protocolVersion: '1.0' },
      { url: at, protocolBinding: 'JSONRPC', protocolVersion: '0.3' },
    ])
    assert.deepEqual([card['url'], card['preferredTransport'], card['protocolVersion']], [at, 'JSONRPC', '0.3'])
    assert.deepEqual(card['securitySchemes'], {
      key: {
        type: 'http',
        scheme: 'Bearer',
        description: 'A key of this server, made by `polity key create`.',
        httpAuthSecurityScheme: {
          scheme: 'Bearer',
          description: 'A key of this server, made by `polity key create`.',
        },
      },
    })
  })

  test('the card names the address that clients reach, behind a proxy with a path too', async () => {
    for (const url of ['https://agents.example/house', 'https://agents.example/house/']) {
      const { server } = await opened({}, { url })
      const response = await fetch(`${server.url}/.well-known/agent-card.json`, { headers: as('ada') })
      const card = (await response.json()) as { url: string; supportedInterfaces: { url: string }[] }
      const at = 'https://agents.example/house/a2a/echo'
      assert.deepEqual([card.url, ...card.supportedInterfaces.map((one) => one.url)], [at, at, at, at])
    }
  })

  test('REST: refuses what it does not know with the protocol’s errors and their statuses', async () => {
    const { server } = await opened()
    const ask = async (method: string, path: string, body?: unknown, headers: { [name: string]: string } = {}) => {
      const response = await fetch(`${server.url}/a2a/echo/${path}`, {
        method,
        headers: { ...as('ada'), 'a2a-version': '1.0', 'content-type': 'application/a2a+json', ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const { error } = (await response.json()) as { error: { message: string; details?: { reason?: string }[] } }
      return [response.status, error.details?.[0]?.reason ?? error.message]
    }
    const hi = { message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'hi' }] } }
    assert.deepEqual(await ask('GET', 'tasks/1'), [404, 'TASK_NOT_FOUND'])
    assert.deepEqual(await ask('GET', 'tasks/1', undefined, { 'a2a-version': '' }), [400, 'VERSION_NOT_SUPPORTED'])
    assert.deepEqual(await ask('GET', 'tasks/1', undefined, { 'a2a-version': '2.0' }), [400, 'VERSION_NOT_SUPPORTED'])
    const bare = { 'a2a-version': '' }
    assert.deepEqual(await ask('GET', 'tasks/1?A2A-Version=1.0', undefined, bare), [404, 'TASK_NOT_FOUND'])
    assert.deepEqual(await ask('GET', 'tasks/1?A2A-Version=0.3'), [404, 'TASK_NOT_FOUND'], 'the header goes first')
    assert.equal((await ask('GET', 'tasks?pageSize=0'))[0], 400)
    assert.equal((await ask('GET', 'tasks?status=nonsense'))[0], 400)
    assert.equal((await ask('GET', 'tasks?status=99'))[0], 400)
    assert.equal((await ask('GET', 'tasks?pageSize=many'))[0], 400)
    assert.equal((await ask('GET', 'tasks/1?historyLength=-1'))[0], 400)
    for (const body of [{}, [], 'null', { message: 5 }, { message: { ...hi.message, parts: [null] } }])
      assert.equal((await ask('POST', 'message:send', body))[0], 400, JSON.stringify(body))
    assert.equal((await ask('POST', 'message:send', '{'))[0], 400)
    assert.equal((await ask('POST', 'message:send', hi, { 'content-type': 'text/plain' }))[0], 415)
    assert.equal((await ask('POST', 'message:send', hi, { authorization: 'Bearer eve' }))[0], 401)
    assert.deepEqual(await ask('POST', 'tasks/1/pushNotificationConfigs', {}), [400, 'PUSH_NOTIFICATION_NOT_SUPPORTED'])
    assert.deepEqual(await ask('GET', 'extendedAgentCard'), [400, 'EXTENDED_AGENT_CARD_NOT_CONFIGURED'])
    assert.deepEqual(await ask('GET', 'nonsense'), [400, 'UNSUPPORTED_OPERATION'])
    assert.deepEqual(await ask('DELETE', 'tasks/1'), [400, 'UNSUPPORTED_OPERATION'])
  })

  test('what is refused before the binding has the form of the binding', async () => {
    const { server } = await opened()
    const refused = async (path: string, key: string, method = 'POST') => {
      const response = await fetch(`${server.url}${path}`, { method, headers: { authorization: `Bearer ${key}` } })
      const body = (await response.json()) as { [field: string]: unknown; error: { [field: string]: unknown } }
      return { status: response.status, body }
    }
    const infoOf = (reason: string): object => ({
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason,
      domain: 'polity',
      metadata: { retryable: 'false' },
    })
    for (const [path, key, method, status, name, reason] of [
      ['/a2a/echo/message:send', 'eve', 'POST', 401, 'UNAUTHENTICATED', 'ACCESS_DENIED'],
      ['/a2a/echo/tasks', 'eve', 'GET', 401, 'UNAUTHENTICATED', 'ACCESS_DENIED'],
      ['/a2a/nobody/tasks', 'ada', 'GET', 404, 'NOT_FOUND', 'NO_SUCH_PROGRAM'],
      ['/a2a/echo/tasks', 'ada', 'PATCH', 405, 'UNIMPLEMENTED', 'INVALID_ARGUMENT'],
    ] as const) {
      const { status: got, body } = await refused(path, key, method)
      const { message, ...error } = body.error
      assert.deepEqual(error, {
        code: status,
        status: name,
        details: [infoOf(reason)],
      })
      assert.deepEqual([got, Object.keys(body), typeof message], [status, ['error'], 'string'])
    }
    for (const path of ['/a2a/echo', '/a2a/echo/.well-known/agent-card.json'] as const) {
      const { status, body } = await refused(path, 'eve', path === '/a2a/echo' ? 'POST' : 'GET')
      assert.deepEqual([status, body['jsonrpc'], body['id'], body.error['code']], [401, '2.0', null, -32_603])
      assert.deepEqual(body.error['data'], [infoOf('ACCESS_DENIED')])
    }
  })

  test('lists its tasks page by page, the latest first', async () => {
    const { server } = await opened()
    const client = await clientOf(server, 'echo')
    const ids: string[] = []
    for (const one of ['a', 'b', 'c', 'd', 'e']) ids.unshift((await sent(client, say(one, { contextId: 'c' }))).id)
    const seen: string[] = []
    const base = { tenant: '', contextId: 'c', status: 0, pageSize: 2, statusTimestampAfter: undefined }
    let pageToken = ''
    do {
      const page = await client.listTasks({ ...base, pageToken })
      assert.equal(page.totalSize, 5)
      seen.push(...page.tasks.map(({ id }) => id))
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    assert.deepEqual(seen, ids)
    await assert.rejects(client.listTasks({ ...base, pageToken: '', pageSize: 0 }), /pageSize takes 1 to 100/)
  })

  test('says in the words of the protocol what it does not do', async () => {
    const { server } = await opened()
    const client = await clientOf(server, 'echo')
    const push = say('hi')
    Object.assign(push.configuration as object, {
      taskPushNotificationConfig: {
        tenant: '',
        id: '',
        taskId: '',
        url: 'http://x',
        token: '',
        authentication: undefined,
      },
    })
    await assert.rejects(client.sendMessage(push), { name: /PushNotificationNotSupported/ })
    await assert.rejects(client.sendMessage(say('hi', { role: Role.ROLE_AGENT })), /role takes ROLE_USER/)
    await assert.rejects(client.sendMessage(say('hi', { parts: [] })), /at least one part/)
    await assert.rejects(client.sendMessage(say('hi', { messageId: '' })), /messageId takes 1 to 200/)
    const post = async (body: unknown, headers: { [name: string]: string } = {}) => {
      const response = await fetch(`${server.url}/a2a/echo`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...as('ada'), ...headers },
        body: JSON.stringify(body),
      })
      return ((await response.json()) as { error: { code: number } }).error.code
    }
    const answerTo = async (body: unknown, headers: { [name: string]: string }) => {
      const response = await fetch(`${server.url}/a2a/echo`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...as('ada'), ...headers },
        body: JSON.stringify(body),
      })
      const { id, result } = (await response.json()) as { id: unknown; result: { tasks: unknown } }
      return { id, tasks: result.tasks }
    }
    const call = { jsonrpc: '2.0', id: 1, method: 'GetTask', params: { id: '1' } }
    assert.equal(await post(call), -32009, 'without a version it is 0.3, which has no such method')
    assert.equal(await post({ ...call, method: 'tasks/get' }), -32001)
    assert.equal(await post({ ...call, method: 'tasks/none' }), -32601)
    assert.equal(await post(call, { 'A2A-Version': '2.0' }), -32009)
    assert.equal(await post(call, { 'A2A-Version': '1.0' }), -32001)
    assert.equal(await post({ ...call, method: 'nonsense' }, { 'A2A-Version': '1.0' }), -32601)
    const listed = { 'A2A-Version': '1.0' }
    assert.equal(await post({ ...call, method: 'nonsense', params: undefined }, listed), -32601)
    for (const wrong of ['nonsense', [call], [], null, 5, { ...call, id: 1.5 }, { ...call, id: {} }, { id: 1 }])
      for (const headers of [{}, listed]) assert.equal(await post(wrong, headers), -32600, JSON.stringify(wrong))
    assert.equal(await post({ ...call, method: 'ListTasks', params: { status: 'nonsense' } }, listed), -32602)
    for (const id of [0, '', -1, 'x', null]) {
      const { params: _, ...bare } = { ...call, id, method: 'ListTasks' }
      assert.deepEqual(await answerTo(bare, listed), { id, tasks: [] })
    }
    const broken = await fetch(`${server.url}/a2a/echo`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...as('ada') },
      body: '{"jsonrpc": "2.0",',
    })
    const { id, error } = (await broken.json()) as { id: unknown; error: { code: number } }
    assert.deepEqual([broken.status, id, error.code], [400, null, -32700], 'no JSON')
    const unknown = await fetch(`${server.url}/a2a/nobody`, { method: 'POST', headers: as('ada') })
    assert.equal(unknown.status, 404)
  })

  test('a task outlives its server: after a restart the same task goes on, and its question is answered', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'polity-a2a-'))
    closing.push(() => rmSync(folder, { recursive: true }))
    const store = () => openSqliteStore(join(folder, 'a.db'))
    const before = await opened({ store: store() })
    const request = say('she')
    const task = await sent(await clientOf(before.server, 'greeter'), request)
    assert.equal(stateOf(task), 'TASK_STATE_INPUT_REQUIRED')
    await before.stop()
    const after = await opened({ store: store() })
    const client = await clientOf(after.server, 'greeter')
    const stopped = await sent(client, request)
    assert.deepEqual([stopped.id, stateOf(stopped)], [task.id, 'TASK_STATE_WORKING'], 'found again, and stopped')
    after.kernel.resume()
    const joined = eventsOf(client.resubscribeTask({ id: task.id, tenant: '' }))
    await until(() => after.kernel.questions.length === 1)
    const old = { taskId: task.id, metadata: { 'polity/answers': task.status?.message?.messageId } }
    await assert.rejects(sent(client, say('Ada', old)), /waits for no answer any more/)
    assert.equal(outputOf(await sent(client, say('Bob', { taskId: task.id }))), 'Hello, Bob')
    assert.deepEqual((await within(5_000, joined)).at(-1), 'TASK_STATE_COMPLETED')
  })
})

// --------------------------------------------------------------------------------------------------------------- driver

describe('a remote agent as a program', () => {
  const local = (options: Partial<KernelOptions> = {}): Kernel => {
    const kernel = createKernel({ store: memoryStore(), ...options })
    closing.push(() => kernel.close())
    return kernel
  }

  test('returns what came of it, labelled as untrusted', async () => {
    const { server } = await opened()
    const kernel = local()
    const agent = remoteAgent({ card: `${server.url}/a2a/echo`, headers: as('ada') })
    const run = kernel.spawn(agent, { deep: [1] })
    assert.deepEqual(await within(5_000, run.result), { echo: { deep: [1] } })
    const end = (await kernel.events(run.pid)).at(-1)
    assert.deepEqual(end?.type === 'process-end' && end.labels, ['untrusted'])
    assert.equal((await kernel.replay(run.pid)).same, true)
  })

  test('reaches agents that speak REST only, or version 0.3 only', async () => {
    const { server, cards: served } = await opened()
    const at = `${server.url}/a2a/greeter/.well-known/agent-card.json`
    const card = (await (await fetch(at, { headers: as('ada') })).json()) as {
      readonly supportedInterfaces: readonly { readonly protocolBinding: string }[]
    }
    const rest = card.supportedInterfaces.filter(({ protocolBinding }) => protocolBinding === 'HTTP+JSON')
    const cards = { old: await oldCard(at, 'ada'), rest: { ...card, supportedInterfaces: rest } }
    for (const [name, shown] of Object.entries(cards)) {
      served.set(`${name}.json`, shown as Json)
      const kernel = local()
      const agent = remoteAgent({ card: `${server.url}/cards/${name}.json`, headers: as('ada'), name: 'far' })
      const run = kernel.spawn(agent, 'he')
      const question = await until(() => kernel.questions[0])
      assert.deepEqual(question.choices, ['Ada', 'Bob'])
      kernel.answer(question.id, 'Bob')
      assert.equal(await within(5_000, run.result), 'Hello, Bob', name)
    }
  })

  test('stands under the law here: what may not be sent is not sent', async () => {
    const { server, kernel: there } = await opened()
    const kernel = local({ law: parseLaw({ rules: [{ id: 'no', effect: 'deny', tool: 'echo/send' }] }) })
    const agent = remoteAgent({ card: `${server.url}/a2a/echo`, headers: as('ada'), name: 'echo' })
    await assert.rejects(kernel.spawn(agent, 'secret').result, { code: 'ACCESS_DENIED' })
    assert.equal(there.ps().length, 0)
  })

  test('passes a question on to a person here, with its choices', async () => {
    const { server } = await opened()
    const kernel = local()
    const run = kernel.spawn(remoteAgent({ card: `${server.url}/a2a/greeter`, headers: as('ada'), name: 'far' }), 'he')
    const question = await until(() => kernel.questions[0])
    assert.deepEqual([question.text, question.choices], ['Agent far asks: Who is he?', ['Ada', 'Bob']])
    kernel.answer(question.id, 'Bob')
    assert.equal(await within(5_000, run.result), 'Hello, Bob')
  })

  test('cancels its task when it is killed, also while a person is asked, and when its time is up', async () => {
    const { server, kernel: there } = await opened()
    const kernel = local()
    const state = (program: string) => there.ps().find((one) => one.program === program)?.state
    const asked = kernel.spawn(remoteAgent({ card: `${server.url}/a2a/greeter`, headers: as('ada') }), 'he')
    await until(() => kernel.questions[0])
    asked.kill()
    await until(() => state('greeter') === 'killed')
    const late = kernel.spawn(remoteAgent({ card: `${server.url}/a2a/sleeper`, headers: as('ada') }), '', {
      budget: { wallMs: 300 },
    })
    await assert.rejects(within(5_000, late.result), { code: 'BUDGET_EXCEEDED' })
    await until(() => state('sleeper') === 'killed')
  })

  test('fails with what the agent says of it, and where the agent is not there', async () => {
    const { server } = await opened()
    const kernel = local()
    const agent = remoteAgent({ card: `${server.url}/a2a/failing`, headers: as('ada'), name: 'far' })
    await assert.rejects(kernel.spawn(agent, 'x').result, {
      code: 'TOOL_FAILED',
      message: 'agent far: failed: PROGRAM_FAILED: out of order',
    })
    const nobody = remoteAgent({ card: `${server.url}/a2a/nobody`, headers: as('ada') })
    await assert.rejects(kernel.spawn(nobody, 'x').result, { code: 'TOOL_FAILED', message: /404/ })
    assert.throws(() => remoteAgent({ card: 'ftp://x' }), { code: 'CONFIG_INVALID' })
  })

  test('sends nothing where the card leads elsewhere, neither headers nor messages', async () => {
    const thief = await opened()
    const { server } = await opened({}, { url: thief.server.url })
    const run = local().spawn(remoteAgent({ card: `${server.url}/a2a/echo`, headers: as('ada') }), 'x')
    await assert.rejects(run.result, { code: 'ACCESS_DENIED', message: /is not to have the messages and headers/ })
    assert.equal(thief.kernel.ps().length, 0)
  })

  test('takes no card without headers whose interface is on another origin, and says so when it is read', async () => {
    const asked: string[] = []
    const listening = async (card?: object): Promise<string> => {
      const http = createServer((request, response) => {
        asked.push(`${card === undefined ? 'thief' : 'card'} ${request.method}`)
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify(card ?? {}))
      })
      await new Promise<void>((resolve) => void http.listen(0, '127.0.0.1', resolve))
      closing.push(() => http.close())
      return `http://127.0.0.1:${(http.address() as AddressInfo).port}`
    }
    const thief = await listening()
    for (const protocolBinding of ['JSONRPC', 'HTTP+JSON']) {
      const url = await listening({
        name: 'clerk',
        version: '1',
        description: '',
        supportedInterfaces: [{ url: `${thief}/a2a`, protocolBinding, protocolVersion: '1.0', tenant: '' }],
        capabilities: {},
        defaultInputModes: [],
        defaultOutputModes: [],
        skills: [],
      })
      const isTold = {
        code: 'ACCESS_DENIED',
        message: new RegExp(`^the card of an agent at ${url} leads to ${thief},`),
      }
      await assert.rejects(createConnection({ card: url }).card(), isTold)
      await assert.rejects(local().spawn(remoteAgent({ card: url }), 'secret').result, {
        code: 'ACCESS_DENIED',
        message: /leads to/,
      })
    }
    assert.deepEqual(asked, ['card GET', 'card GET', 'card GET', 'card GET'])
  })

  test('after a crash the task is followed on, and nothing is sent twice', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'polity-a2a-'))
    closing.push(() => rmSync(folder, { recursive: true }))
    const { server, kernel: there } = await opened()
    const agent = remoteAgent({ card: `${server.url}/a2a/listener`, headers: as('ada') }) as Program
    const open = (): Kernel => createKernel({ store: openSqliteStore(join(folder, 'b.db')), programs: [agent] })
    const before = open()
    before.spawn(agent, 'begin')
    await until(() => before.ps()[0]?.waiting?.includes('/follow'))
    await before.close()
    await new Promise((resolve) => void setTimeout(resolve, 100))
    assert.equal(there.ps()[0]?.state, 'running', 'who closes does not cancel')
    const after = open()
    closing.push(() => after.close())
    const [run] = after.resume()
    there.send(there.ps()[0]?.pid as number, 'news')
    assert.equal(await within(5_000, (run as NonNullable<typeof run>).result), 'news')
    assert.equal(there.ps().length, 1)
  })

  for (const effect of ['once', 'idempotent'] as const)
    test(`a crash while a message is sent: ${effect}`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'polity-a2a-'))
      closing.push(() => rmSync(folder, { recursive: true }))
      const { server, kernel: there } = await opened()
      // Between the two, a wire on which the answer to a message is late.
      let isSlow = true
      let sends = 0
      const wire = await startServer({
        port: 0,
        authenticate: () => ({ refused: 'nobody' }),
        limits: { drainMs: 100 },
        doors: [
          {
            routes: (['GET', 'POST'] as const).map((method) => ({
              method,
              path: '/a2a/*',
              scope: null,
              async handle(exchange) {
                const { path, headers } = exchange
                const body = method === 'POST' ? JSON.stringify(await exchange.json()) : null
                const response = await fetch(`${server.url}${path}`, {
                  method,
                  ...(body === null ? {} : { body }),
                  headers: { ...as('ada'), 'content-type': 'application/json', 'a2a-version': '1.0' },
                })
                const said = (await response.text()).replaceAll(server.url, `http://${headers.host}`)
                const isSend = body?.includes('"SendMessage"') === true
                if (isSend) sends++
                if (isSend && isSlow)
                  await new Promise((resolve) => exchange.signal.addEventListener('abort', resolve, { once: true }))
                const type = response.headers.get('content-type') as string
                exchange.replyText(response.status, type, said)
              },
            })),
          },
        ],
      })
      closing.push(() => wire.close())
      const agent = remoteAgent({ card: `${wire.url}/a2a/echo`, name: 'far', effect }) as Program
      const open = (): Kernel => createKernel({ store: openSqliteStore(join(folder, 'b.db')), programs: [agent] })
      const before = open()
      before.spawn(agent, 'begin')
      await until(() => there.ps()[0]?.state === 'done')
      await before.close()
      isSlow = false
      const after = open()
      closing.push(() => after.close())
      const [run] = after.resume()
      if (effect === 'once') {
        const doubt = await until(() => after.questions[0])
        assert.equal(doubt.kind, 'in-doubt')
        // As late as a person is: the agent is asked for the task before anything is sent again.
        await new Promise((resolve) => void setTimeout(resolve, 1_000))
        after.answer(doubt.id, 'retry')
      }
      assert.deepEqual(await within(8_000, (run as NonNullable<typeof run>).result), { echo: 'begin' })
      assert.equal(there.ps().length, 1)
      assert.equal(sends, effect === 'once' ? 1 : 2)
    })

  test('the agents of a server are found with what their cards say, and can be spawned', async () => {
    const skills = [{ name: 'greeting', description: 'Greets people.', tags: ['hello'] }]
    const { server } = await opened({}, { cards: { greeter: { skills } } })
    const found = await findAgents({ server: server.url, headers: as('ada'), prefix: 'b.' })
    assert.deepEqual(
      found.map(({ name }) => name),
      programs.map(({ name }) => `b.${name}`),
    )
    assert.equal(found[1]?.skills[0]?.description, 'Greets people.')
    assert.deepEqual(await local().spawn(found[0]?.program as Program<Json, Json>, 'x').result, { echo: 'x' })
    await assert.rejects(findAgents({ server: server.url }), { code: 'TOOL_FAILED', message: /401/ })
  })
})
