/** An editor and its agent: `polity acp` in a process of its own, and the client side of the official SDK. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { ClientContext, RequestPermissionRequest, SessionUpdate } from '@agentclientprotocol/sdk'
import { PROTOCOL_VERSION, client, methods, ndJsonStream } from '@agentclientprotocol/sdk'
import { realClock } from '../src/kernel/clock.ts'
import type { PolityError } from '../src/kernel/errors.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Json, Program } from '../src/kernel/types.ts'
import { parseLaw } from '../src/policy/law.ts'
import { serveAcp } from '../src/server/acp.ts'
import { HANGS_MS, recordingStore, tool, within } from './world.ts'

const bin = resolve(import.meta.dirname, '../bin/polity.js')
const front = resolve(import.meta.dirname, '../src/index.ts')

const agent = `
import { defineProgram, defineTool } from ${JSON.stringify(front)}
import { z } from ${JSON.stringify(import.meta.resolve('zod'))}
const tools = [
  defineTool({ name: 'pay', description: 'Pays.', inputSchema: z.object({ to: z.string() }), execute: ({ to }) => 'paid ' + to }),
  defineTool({ name: 'wire', description: 'Hangs.', effect: 'once', inputSchema: z.object({}), outputSchema: z.object({ id: z.string() }), execute: () => new Promise(() => {}) }),
  defineTool({ name: 'peek', description: 'Looks.', effect: 'read', labels: ['private'], inputSchema: z.object({}), execute: () => ({ pin: 7 }) }),
]
export default defineProgram('clerk', async (sys, input) => {
  console.log('this must not reach stdout')
  if (input === 'hello') return 'Hello, ' + (await sys.ask('Who are you?', { choices: ['Ada', 'Bob'] }))
  if (input === 'wrong') {
    const codes = new Set()
    for (const call of [
      () => sys.call('pay', { to: 7 }),
      () => sys.ask(7),
      () => sys.send(0, () => 0),
      () => sys.spawn(7, null),
      () => sys.generate(7),
    ]) await call().then(() => codes.add('none'), (error) => codes.add(error.code))
    return [...codes].join()
  }
  if (input === 'sleep') await sys.sleep(3_600_000)
  if (input === 'peek') return sys.call('peek', {})
  if (input === 'wire') {
    await sys.call('pay', { to: 'ada' })
    return 'receipt ' + (await sys.call('wire', {})).id
  }
  if (input.startsWith('What')) return (await sys.generate(input)).text
  if (input === 'slow') {
    await sys.call('pay', { to: 'ada' })
    await sys.sleep(1_000)
    return 'slept'
  }
  if (input === 'fail') throw new Error('out of order')
  const paid = []
  for (const to of input.split(' ')) paid.push(await sys.call('pay', { to }).catch((error) => error.code))
  return paid.join(', ')
}, { tools })
`
const law = {
  rules: [
    { id: 'secret', effect: 'deny', tool: 'pay', seen: ['private'] },
    { id: 'ada', effect: 'allow', tool: 'pay', args: { to: { const: 'ada' } } },
    { id: 'others', effect: 'ask', tool: 'pay', reason: 'not Ada' },
    { id: 'peek', effect: 'allow', tool: 'peek' },
    { id: 'wire', effect: 'allow', tool: 'wire' },
  ],
}

const LONG = process.env['POLITY_LONG'] === '1'

let folder = ''
/** Of all tests: a start costs more than the work. The last one closes it. */
let editor: Editor
/** Every agent that was started: one that a failed test left would keep the tests from ending. */
const children: ChildProcess[] = []
/** Who is asked for permissions. */
let person: Person = () => undefined
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'polity-acp-'))
  writeFileSync(join(folder, 'agent.ts'), agent)
  writeFileSync(join(folder, 'law.json'), JSON.stringify(law))
  editor = await open()
})
after(async () => {
  try {
    await editor?.close()
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
  rmSync(folder, { recursive: true, force: true })
})

interface Editor {
  readonly agent: ClientContext
  readonly err: () => string
  /** A new session. */
  session(): Promise<string>
  /** Why the turn ended, what was said in it, and its other updates. */
  prompt(sessionId: string, text: string): Promise<{ stop: string; said: string; updates: readonly SessionUpdate[] }>
  /** What was said in the last turn so far. */
  said(sessionId: string): string
  /** Prompts, and resolves when a call of a tool has ended. */
  begin(sessionId: string, text: string): Promise<void>
  /** What is told while a session is loaded, a line for each update. */
  load(sessionId: string): Promise<readonly string[]>
  /** Ends its stdin. Returns the exit code. */
  close(): Promise<number | null>
  /** Ends it with SIGKILL. */
  kill(): Promise<unknown>
}

/** What the person says to a permission; undefined closes the dialog. */
type Person = (asked: RequestPermissionRequest) => string | undefined

async function open(...more: string[]): Promise<Editor> {
  const words = ['acp', 'agent.ts', '--law', 'law.json', '--quiet', ...more]
  const child = spawn(process.execPath, [bin, ...words], { cwd: folder })
  children.push(child)
  let err = ''
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const ended = new Promise<number | null>((done) => void child.once('exit', done))
  const updates = new Map<string, SessionUpdate[]>()
  const stream = ndJsonStream(
    Writable.toWeb(child.stdin) as WritableStream<Uint8Array>,
    Readable.toWeb(child.stdout) as unknown as ReadableStream<Uint8Array>,
  )
  const connection = client({ name: 'editor' })
    .onRequest(methods.client.session.requestPermission, ({ params }) => {
      const optionId = person(params)
      return { outcome: optionId === undefined ? { outcome: 'cancelled' } : { outcome: 'selected', optionId } }
    })
    .onNotification(methods.client.session.update, ({ params: { sessionId, update } }) => {
      updates.get(sessionId)?.push(update)
    })
    .connect(stream)
  const told = await within(
    HANGS_MS,
    connection.agent.request(methods.agent.initialize, { protocolVersion: PROTOCOL_VERSION, clientCapabilities: {} }),
    `initialize (${err})`,
  )
  assert.equal(told.protocolVersion, PROTOCOL_VERSION)
  assert.equal(told.agentInfo?.name, 'clerk')
  const editing: Editor = {
    agent: connection.agent,
    err: () => err,
    async session() {
      const { sessionId } = await connection.agent.request(methods.agent.session.new, { cwd: folder, mcpServers: [] })
      return sessionId
    },
    async prompt(sessionId, text) {
      const mine: SessionUpdate[] = []
      updates.set(sessionId, mine)
      const request = connection.agent.request(methods.agent.session.prompt, {
        sessionId,
        prompt: [{ type: 'text', text }],
      })
      const { stopReason } = await within(HANGS_MS, request, `prompt ${text}`)
      return {
        stop: stopReason,
        said: wordsOf(mine),
        updates: mine.filter(({ sessionUpdate }) => sessionUpdate !== 'agent_message_chunk'),
      }
    },
    said: (sessionId) => wordsOf(updates.get(sessionId) ?? []),
    async load(sessionId) {
      const mine: SessionUpdate[] = []
      updates.set(sessionId, mine)
      const request = connection.agent.request(methods.agent.session.load, { sessionId, cwd: folder, mcpServers: [] })
      await within(HANGS_MS, request, `load ${sessionId}`)
      return mine.map(lineOf)
    },
    kill() {
      child.kill('SIGKILL')
      return within(HANGS_MS, ended, 'the agent')
    },
    close() {
      child.stdin.end()
      return within(HANGS_MS, ended, 'the agent')
    },
    async begin(sessionId, text) {
      editing.prompt(sessionId, text).catch(() => {})
      const isAt = (): boolean =>
        updates.get(sessionId)?.some((one) => one.sessionUpdate === 'tool_call_update') === true
      for (let turn = 0; turn < 500 && !isAt(); turn++) await pause(10)
      assert.ok(isAt())
    },
  }
  return editing
}

function wordsOf(updates: readonly SessionUpdate[]): string {
  return updates
    .map((one) => (one.sessionUpdate === 'agent_message_chunk' && one.content.type === 'text' ? one.content.text : ''))
    .join('')
}

function lineOf(update: SessionUpdate): string {
  switch (update.sessionUpdate) {
    case 'user_message_chunk':
    case 'agent_message_chunk':
      return `${update.sessionUpdate.split('_')[0]}: ${update.content.type === 'text' ? update.content.text : ''}`
    case 'tool_call':
      return `call: ${update.title} ${JSON.stringify(update.rawInput)}`
    case 'tool_call_update':
      return `call ${update.status}: ${JSON.stringify(update.rawOutput)}`
    default:
      return update.sessionUpdate
  }
}

test('a prompt is a run: its text, its tool calls with their ends, its questions, its failure', async () => {
  const { session, prompt } = editor
  const id = await session()
  const paid = await prompt(id, 'ada')
  assert.deepEqual([paid.stop, paid.said], ['end_turn', 'paid ada'])
  const [begun, ended] = paid.updates
  assert.ok(begun?.sessionUpdate === 'tool_call' && ended?.sessionUpdate === 'tool_call_update')
  assert.deepEqual([begun.title, begun.status, begun.rawInput], ['pay', 'in_progress', { to: 'ada' }])
  assert.deepEqual([ended.toolCallId, ended.status, ended.rawOutput], [begun.toolCallId, 'completed', 'paid ada'])
  const { said } = await prompt(id, 'What is a pid?')
  assert.match(said, /^I found nothing[^\n]*$/, 'what was said is not said again at the end')
  assert.equal(said.split('I found').length, 2)
  assert.deepEqual(await prompt(id, 'hello'), { stop: 'end_turn', said: 'Who are you? (Ada, Bob)', updates: [] })
  assert.equal((await prompt(id, 'Ada')).said, 'Hello, Ada')
  assert.match((await prompt(id, 'fail')).said, /^failed: PROGRAM_FAILED: out of order/)
  await assert.rejects(prompt('nowhere', 'ada'), /Invalid params/)
  const image = [{ type: 'image', data: '', mimeType: 'image/png' }] as const
  await assert.rejects(
    editor.agent.request(methods.agent.session.prompt, { sessionId: id, prompt: [...image] }),
    /takes text and links, not image/,
  )
  for (const empty of ['', ' \n\t']) await assert.rejects(prompt(id, empty), /Invalid params.*the prompt is empty/)
  const none = editor.agent.request(methods.agent.session.prompt, { sessionId: id, prompt: [] })
  await assert.rejects(none, /the prompt is empty/)
})

test('what the law asks is asked of the person in the editor, who allows the call that was shown and no other', async () => {
  const asked: RequestPermissionRequest[] = []
  person = (request) => {
    asked.push(request)
    const { input } = request.toolCall.rawInput as { input: { to: string } }
    return input.to === 'bob' ? 'allow' : input.to === 'eve' ? 'deny' : undefined
  }
  const { said, updates } = await editor.prompt(await editor.session(), 'bob eve mallory ada')
  assert.equal(said, 'paid bob, ACCESS_DENIED, ACCESS_DENIED, paid ada')
  assert.deepEqual(
    asked.map(({ toolCall }) => toolCall.rawInput),
    ['bob', 'eve', 'mallory'].map((to) => ({ tool: 'pay', input: { to } })),
  )
  const begun = updates.filter((one) => one.sessionUpdate === 'tool_call')
  assert.deepEqual(
    asked.map(({ toolCall }) => toolCall.toolCallId),
    begun.slice(0, 3).map(({ toolCallId }) => toolCallId),
    'the permission is for the call that is shown',
  )
})

test('the runs of a session follow each other before the law; those of another session do not', async () => {
  const { session, prompt } = editor
  const [one, other] = [await session(), await session()]
  assert.equal((await prompt(one, 'ada')).said, 'paid ada')
  assert.match((await prompt(one, 'peek')).said, /"pin": 7/)
  assert.equal((await prompt(one, 'ada')).said, 'ACCESS_DENIED')
  assert.equal((await prompt(other, 'ada')).said, 'paid ada')
})

test('a session goes on where the journal of its last run is gone, and stands where that ended', async () => {
  const read = tool('read', () => 'now act')
  const act = tool('act', () => 'acted')
  const law = parseLaw({
    rules: [
      { id: 'reads', effect: 'allow', tool: 'read', then: { add: [{ id: 'no-act', effect: 'deny', tool: 'act' }] } },
      { id: 'all', effect: 'allow', tool: '*' },
    ],
  })
  const program = defineProgram(
    'clerk',
    async (sys, said: string) => String(await sys.call(said, {}).catch((error: PolityError) => error.code)),
    { tools: [read, act] },
  ) as Program<Json, Json>
  const store = recordingStore()
  const clock = realClock()
  const kernel = createKernel({ store, law, programs: [program], clock, limits: { processesEndedMax: 1 } })
  const [input, output, over] = [new PassThrough(), new PassThrough(), new AbortController()]
  const served = serveAcp(
    { kernel, program, clock, heads: () => store.processes(), streams: { input, output } },
    over.signal,
  )
  const told: string[] = []
  const { agent: one } = client({ name: 'editor' })
    .onNotification(methods.client.session.update, ({ params: { update } }) => void told.push(lineOf(update)))
    .connect(ndJsonStream(Writable.toWeb(input), Readable.toWeb(output) as unknown as ReadableStream<Uint8Array>))
  await one.request(methods.agent.initialize, { protocolVersion: PROTOCOL_VERSION, clientCapabilities: {} })
  const { sessionId } = await one.request(methods.agent.session.new, { cwd: folder, mcpServers: [] })
  const say = async (text: string): Promise<string | undefined> => {
    await one.request(methods.agent.session.prompt, { sessionId, prompt: [{ type: 'text', text }] })
    return told.at(-1)
  }
  const others = async (): Promise<void> => {
    for (let i = 0; i < 70; i++) await kernel.spawn(async () => null, null).result
  }
  assert.equal(await say('act'), 'agent: acted')
  assert.equal(await say('read'), 'agent: now act')
  const [last] = kernel.ps().slice(-1)
  // Loaded where only the journal is left.
  await others()
  await one.request(methods.agent.session.load, { sessionId, cwd: folder, mcpServers: [] })
  await kernel.collect(0)
  assert.throws(() => kernel.info(last?.pid as number), { code: 'NO_SUCH_PROCESS' })
  assert.equal(await say('act'), 'agent: ACCESS_DENIED')
  await others()
  await kernel.collect(0)
  assert.equal(await say('act'), 'agent: ACCESS_DENIED')
  over.abort()
  await within(HANGS_MS, served, 'the agent')
  await kernel.close()
})

test('a session outlives the agent: killed with -9, it is listed and loaded, told again, and goes on', async () => {
  const ids = {
    asked: await editor.session(),
    learned: await editor.session(),
    unsaid: await editor.session(),
  }
  const empty = await editor.session()
  assert.equal((await editor.prompt(ids.asked, 'ada')).said, 'paid ada')
  // Calls with wrong arguments are no part of what is told.
  assert.deepEqual(await editor.prompt(ids.asked, 'wrong'), { stop: 'end_turn', said: 'INVALID_ARGUMENT', updates: [] })
  assert.equal((await editor.prompt(ids.asked, 'hello')).said, 'Who are you? (Ada, Bob)')
  assert.match((await editor.prompt(ids.learned, 'peek')).said, /"pin": 7/)
  await editor.begin(ids.unsaid, 'slow')
  await editor.kill()
  editor = await open()
  const { agent: after, prompt, load } = editor

  const { sessions } = await after.request(methods.agent.session.list, { cwd: folder })
  const mine = sessions.filter(({ sessionId }) => Object.values(ids).includes(sessionId))
  assert.deepEqual(
    mine.map(({ sessionId, title, cwd }) => [sessionId, title, cwd]),
    [
      [ids.unsaid, 'slow', folder],
      [ids.learned, 'peek', folder],
      [ids.asked, 'ada', folder],
    ],
    'the latest first',
  )
  assert.deepEqual((await after.request(methods.agent.session.list, { cwd: '/elsewhere' })).sessions, [])
  await assert.rejects(load(empty), { code: -32_002 }, 'nothing was said in it')
  await assert.rejects(prompt(ids.asked, 'Ada'), /Invalid params/, 'it is not loaded yet')

  for (const method of [methods.agent.session.load, methods.agent.session.resume] as const)
    await assert.rejects(
      after.request(method, { sessionId: ids.asked, cwd: '/elsewhere', mcpServers: [] }),
      (error: Error) => error.message.includes(`is of the folder ${JSON.stringify(folder)}, not "/elsewhere"`),
    )
  assert.deepEqual(await load(ids.asked), [
    'user: ada',
    'call: pay {"to":"ada"}',
    'call completed: "paid ada"',
    'agent: paid ada',
    'user: wrong',
    'agent: INVALID_ARGUMENT',
    'user: hello',
    'agent: Who are you? (Ada, Bob)',
  ])
  assert.deepEqual(await prompt(ids.asked, 'Bob'), { stop: 'end_turn', said: 'Hello, Bob', updates: [] })
  assert.deepEqual((await load(ids.asked)).slice(-3), [
    'agent: Who are you? (Ada, Bob)',
    'user: Bob',
    'agent: Hello, Bob',
  ])

  await after.request(methods.agent.session.resume, { sessionId: ids.learned, cwd: folder })
  assert.equal((await prompt(ids.learned, 'ada')).said, 'ACCESS_DENIED', 'the law knows what the runs before learned')

  const asked: (string | undefined | null)[] = []
  person = ({ toolCall: { title } }) => {
    asked.push(title?.replace(/\d+/, 'n'))
    return undefined
  }
  assert.deepEqual(await load(ids.unsaid), ['user: slow', 'call: pay {"to":"ada"}', 'call completed: "paid ada"'])
  assert.match((await prompt(ids.unsaid, 'ada')).said, /^Nothing was done/)
  assert.deepEqual(asked, ['Process n was interrupted'])
  await after.request(methods.agent.session.close, { sessionId: ids.unsaid })
  await assert.rejects(prompt(ids.unsaid, 'ada'), /Invalid params/)
})

test(
  'a run that was killed in its work goes on or ends, as its person says',
  { skip: !LONG && 'real processes, several seconds: POLITY_LONG=1' },
  async () => {
    const [goesOn, left] = [await editor.session(), await editor.session()]
    for (const id of [goesOn, left]) await editor.begin(id, 'slow')
    const changed = await editor.session()
    await editor.prompt(changed, 'hello')
    await editor.kill()
    writeFileSync(join(folder, 'agent.ts'), agent.replace('Who are you?', 'Who is there?'))
    editor = await open()
    const { prompt, load } = editor
    await load(goesOn)
    person = () => 'go-on'
    assert.deepEqual(await prompt(goesOn, 'where were we?'), { stop: 'end_turn', said: 'slept', updates: [] })
    assert.equal((await prompt(goesOn, 'ada')).said, 'paid ada', 'and the session with it')
    await load(left)
    let asked: string | null | undefined
    person = ({ toolCall: { title } }) => {
      asked = title
      return 'leave'
    }
    assert.equal((await prompt(left, 'ada')).said, 'paid ada')
    await load(changed)
    await assert.rejects(prompt(changed, 'Ada'), /the run cannot go on: .*call 0/)
    assert.equal((await prompt(changed, 'ada')).said, 'paid ada')
    assert.match(asked ?? '', /^Process \d+ cannot go on: .*call 0/)
  },
)

test('a run goes on under another law or with other folders only where its person is told and says so', async () => {
  const [unsaid, knowing] = [await editor.session(), await editor.session()]
  for (const id of [unsaid, knowing]) assert.match((await editor.prompt(id, 'hello')).said, /^Who /)
  await editor.kill()
  writeFileSync(join(folder, 'law.json'), JSON.stringify({ rules: law.rules.slice(1) }))
  editor = await open()
  const asked: (string | undefined | null)[] = []
  let says: string | undefined
  person = ({ toolCall: { title } }) => {
    asked.push(title?.replace(/\d+/, 'n'))
    return says
  }
  const another = (what: string): string => `Process n was begun with another ${what} than there is now`
  for (const id of [unsaid, knowing]) await editor.load(id)
  assert.match((await editor.prompt(unsaid, 'Ada')).said, /^Nothing was done/)
  says = 'go-on'
  assert.match((await editor.prompt(knowing, 'Ada')).said, /^Who /, 'without the answer, it asks again')
  assert.deepEqual(asked.splice(0), [another('law'), another('law')])
  // It was told, and is not told again; nor where the law is as it was.
  await editor.kill()
  editor = await open()
  await editor.load(knowing)
  assert.equal((await editor.prompt(knowing, 'Ada')).said, 'Hello, Ada')
  await editor.kill()
  writeFileSync(join(folder, 'law.json'), JSON.stringify(law))
  editor = await open('--in', folder)
  await editor.load(unsaid)
  says = 'leave'
  assert.equal((await editor.prompt(unsaid, 'ada')).said, 'paid ada')
  assert.deepEqual(asked.splice(0), [another('set of folders')])
  await editor.kill()
  editor = await open()
})

test('a call in doubt: who says that it happened is told where to say what it returned', async () => {
  const id = await editor.session()
  await editor.begin(id, 'wire')
  // The call behind the one that ended is kept.
  await pause(100)
  await editor.kill()
  editor = await open()
  await editor.load(id)
  person = ({ options }) => options.find(({ optionId }) => ['go-on', 'done'].includes(optionId))?.optionId
  const going = editor.prompt(id, 'where were we?')
  let told = ''
  for (let turn = 0; turn < 500 && !/polity answer/.test(told); turn++) {
    await pause(10)
    told = editor.said(id)
  }
  assert.match(told, /refused: done takes what tool wire returned: .*received null/)
  const [, number = ''] = /Question (\d+) waits still; .*: polity answer \1 done '<json>'/.exec(told) ?? []
  const answer = spawn(process.execPath, [bin, 'answer', number, 'done', '{"id": "r-17"}'], { cwd: folder })
  children.push(answer)
  await once(answer, 'exit')
  const { stop, said } = await going
  assert.equal(stop, 'end_turn')
  assert.match(said, /\nreceipt r-17$/)
})

test('a cancelled prompt kills its run; a closed editor stops it, so that it can be resumed', async () => {
  const { session, prompt, agent: asked, err, close } = editor
  const id = await session()
  const cancelled = prompt(id, 'sleep')
  await pause(100)
  await assert.rejects(prompt(id, 'ada'), /answers a prompt already/)
  await asked.notify(methods.agent.session.cancel, { sessionId: id })
  assert.equal((await cancelled).stop, 'cancelled')
  assert.equal((await prompt(id, 'ada')).said, 'paid ada', 'the session goes on')
  void prompt(id, 'sleep').catch(() => {})
  await pause(100)
  assert.match(err(), /this must not reach stdout/)
  assert.equal(await close(), 0)
  const ps = spawn(process.execPath, [bin, 'ps', '--all', '--json'], { cwd: folder })
  let out = ''
  for await (const chunk of ps.stdout) out += String(chunk)
  const { processes } = JSON.parse(out) as { readonly processes: readonly { readonly state: string }[] }
  const states = processes.map(({ state }) => state)
  // With those of the tests before: one is stopped still, and in a long run one was left.
  assert.equal(states.filter((state) => state === 'killed').length, LONG ? 4 : 2)
  assert.equal(states.filter((state) => state === 'stopped').length, 2)
})
