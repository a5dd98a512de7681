/**
 * MCP both ways: outside servers as tools under the law, real processes over stdio and real HTTP, well-behaved and not;
 * and the kernel as a server, with the official client and the official conformance suite.
 */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { CallToolResult } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import assert from 'node:assert/strict'
import { once as nextOf } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect as netConnect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, mock, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { z } from 'zod'
import type { Mcp, McpOptions } from '../src/drivers/mcp.ts'
import { openMcp } from '../src/drivers/mcp.ts'
import { readSqliteStore } from '../src/drivers/store/sqlite-reader.ts'
import { pinsOf } from '../src/drivers/tool-pins.ts'
import { boot, defineProgram, defineTool } from '../src/index.ts'
import type { JournalEvent } from '../src/kernel/types.ts'
import type { Json, Kernel, KernelOptions, Law, Tool } from '../src/index.ts'
import type { Server } from '../src/server/http.ts'
import { startServer } from '../src/server/http.ts'
import type { McpDoorOptions } from '../src/server/mcp/door.ts'
import { mcpDoor } from '../src/server/mcp/door.ts'
import { loadServerSdk } from '../src/server/mcp/sdk.ts'
import { createSessions } from '../src/server/mcp/sessions.ts'
import type { Caller, Scope } from '../src/server/caller.ts'
import { testClient, testServer } from './conformance/mcp.ts'
import { codeOf, endOf, within } from './world.ts'

const folder = mkdtempSync(join(tmpdir(), 'polity-mcp-'))
const raw = join(import.meta.dirname, 'mcp', 'raw-server.ts')
const modern = join(import.meta.dirname, 'mcp', 'modern-server.ts')
let files = 0

/** A server of raw-server.ts, and the file that it writes to. */
function server(mode: string): { readonly command: string; readonly args: string[]; readonly file: string } {
  const file = join(folder, `${mode}-${files++}.jsonl`)
  return { command: process.execPath, args: [raw, mode, file], file }
}

type Note = { readonly [key: string]: unknown }
const notes = (file: string): Note[] =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Note)
    : []
const callsIn = (file: string): Note[] => notes(file).filter(({ call }) => call !== undefined)

/** Whether it runs. One that has ended and whose parent has not looked yet does not. */
const isAlive = (pid: unknown): boolean => {
  try {
    process.kill(Number(pid), 0)
    return !existsSync('/proc') || !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${Number(pid)}/stat`, 'utf8'))
  } catch {
    return false
  }
}

const gone = async (pid: unknown): Promise<void> => {
  while (isAlive(pid)) await pause(5)
}

/** All that the journal of a store has. */
function eventsIn(path: string): readonly JournalEvent[] {
  const reader = readSqliteStore(path)
  try {
    return reader.since(-1)
  } finally {
    reader.close()
  }
}

const opened: { close(): Promise<void> }[] = []
after(async () => {
  await Promise.all(opened.map((one) => one.close()))
  rmSync(folder, { recursive: true, force: true })
})

async function open(options: McpOptions, law?: Law): Promise<{ mcp: Mcp; kernel: Kernel }> {
  const mcp = await openMcp(options)
  const kernel = await boot({ tools: mcp.tools, ...(law === undefined ? {} : { law }) })
  opened.push(kernel, mcp)
  return { mcp, kernel }
}

/** The well-behaved one, for tests that do it no harm. */
const good = server('good')
const shared = (({ file: _, ...raw }) =>
  once(() => open({ servers: { raw }, onProgress: (event) => heard.push(event) })))(good)
const heard: unknown[] = []

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => (made ??= { value: make() }).value
}

const call = (kernel: Kernel, tool: string, input: Json = {}): Promise<Json> =>
  kernel.spawn((sys) => sys.call(tool, input), null).result

// Most of their time they wait for processes to start.
describe('outside servers as tools', { concurrency: 4 }, () => {
  test('a tool of a server of the earlier era is called through the kernel, with its key', async () => {
    const { mcp, kernel } = await shared()
    assert.deepEqual(
      mcp.tools.map(({ name }) => name),
      ['echo', 'sum', 'picture', 'fail', 'slow', 'act', 'lie'].map((name) => `raw/${name}`),
    )
    assert.equal(await call(kernel, 'raw/echo', { text: 'hello' }), 'hello')
    assert.deepEqual(await call(kernel, 'raw/sum', { a: 2, b: 3 }), { sum: 5 })
    assert.deepEqual(await call(kernel, 'raw/picture'), {
      content: [{ type: 'image', data: 'AAAA', mimeType: 'image/png' }],
    })
    const keys = callsIn(good.file).flatMap(({ call: tool, key }) =>
      tool === 'echo' || tool === 'picture' ? [key] : [],
    )
    assert.equal(new Set(keys).size, 2)
    assert.match(String(keys[0]), /^\d+-\d+$/)
  })

  test('a server of the later era is spoken to in that era', async () => {
    const { kernel } = await open({ servers: { one: { command: process.execPath, args: [modern] } } })
    assert.equal(await call(kernel, 'one/era'), 'modern')
  })

  test('a server that ends when it is asked what it does not know is asked again as its era wants', async () => {
    const { file: _, ...raw } = server('fragile')
    const { kernel } = await open({ servers: { raw } })
    assert.equal(await call(kernel, 'raw/echo', { text: 'still here' }), 'still here')
  })

  test('arguments are checked before the server hears of them, and results before the program does', async () => {
    const { kernel } = await shared()
    for (const input of [{}, { a: 1 }, { a: 1, b: '2' }, { a: 1, b: 2, c: 3 }])
      assert.equal(codeOf(await endOf(call(kernel, 'raw/sum', input))), 'INVALID_ARGUMENT', JSON.stringify(input))
    const isWrong = ({ call: tool, given }: Note): boolean =>
      tool === 'sum' && JSON.stringify(Object.keys(given as object)) !== '["a","b"]'
    assert.ok(!callsIn(good.file).some((one) => isWrong(one) || (one['given'] as Note)['b'] === '2'))
    assert.equal(codeOf(await endOf(call(kernel, 'raw/sum', { a: 1e308, b: 1e308 }))), 'TOOL_INVALID')
    const failed = await endOf(call(kernel, 'raw/fail'))
    assert.equal(codeOf(failed), 'TOOL_FAILED')
    assert.match(JSON.stringify(failed), /no such page/)
    assert.match(JSON.stringify(await endOf(call(kernel, 'raw/lie'))), /TOOL_FAILED.*lie takes something else/)
  })

  test('progress is told, and who is killed cancels the call at the server', async () => {
    const { kernel } = await shared()
    const run = kernel.spawn((sys) => sys.call('raw/slow', {}), null)
    while (heard.length === 0) await pause(5)
    assert.deepEqual(heard, [{ progress: 1, total: 2, tool: 'raw/slow', pid: run.pid }])
    run.kill()
    while (!notes(good.file).some(({ cancelled }) => cancelled === true)) await pause(5)
  })

  test('a server that hangs costs its call its time and nothing else', async () => {
    const { file: _, ...raw } = server('hang')
    const { kernel } = await open({ servers: { raw: { ...raw, defaults: { timeoutMs: 60 } } } })
    assert.equal(codeOf(await endOf(call(kernel, 'raw/act'))), 'TOOL_TIMEOUT')
    assert.equal(await kernel.spawn(async () => 'alive', null).result, 'alive')
  })

  test('a server that dies under a call is started again: a read is repeated, what happens once is not', async () => {
    const once = server('die')
    const read = server('die')
    const of = ({ file: _, ...rest }: typeof once) => rest
    const { kernel } = await open({
      servers: { once: of(once), read: { ...of(read), defaults: { effect: 'read' } } },
    })
    assert.equal(await call(kernel, 'read/act'), 'done')
    const [first, second] = callsIn(read.file)
    assert.equal(first?.['key'], second?.['key'])
    const end = await endOf(call(kernel, 'once/act'))
    assert.match(JSON.stringify(end), /TOOL_FAILED.*whether it was done is not known/)
    assert.equal(callsIn(once.file).length, 1)
    assert.equal(await call(kernel, 'once/act'), 'done')
  })

  for (const mode of ['flood', 'endless', 'garbage'] as const) {
    test(`a server that answers with ${mode} is cut off or refused, and the kernel goes on`, async () => {
      const { file: _, ...raw } = server(mode)
      const { kernel } = await open({ servers: { raw: { ...raw, defaults: { timeoutMs: 20_000 } } } })
      const others = kernel.spawn(async (sys) => {
        for (let i = 0; i < 10; i++) await sys.sleep(1)
        return 'alive'
      }, null)
      const end = await within(25_000, endOf(call(kernel, 'raw/act')), 'the call')
      assert.equal(codeOf(end), mode === 'garbage' ? 'TOOL_INVALID' : 'TOOL_FAILED', JSON.stringify(end))
      assert.equal(await others.result, 'alive')
    })
  }

  test('a tool whose manifest changed is refused, the others are not, and the model never sees the new one', async () => {
    const { file, ...raw } = server('rug')
    const { mcp, kernel } = await open({ servers: { raw } })
    assert.equal(await call(kernel, 'raw/echo', { text: 'one' }), 'one')
    while (mcp.changed.length === 0) await endOf(call(kernel, 'raw/sum', { a: 1, b: 2 }))
    assert.deepEqual(mcp.changed, ['raw/echo'])
    assert.match(JSON.stringify(await endOf(call(kernel, 'raw/echo', { text: 'two' }))), /CONFIG_INVALID.*raw/)
    assert.equal(callsIn(file).filter((one) => one['call'] === 'echo').length, 1)
    const seen = await kernel.spawn(async (sys) => sys.tools.find(({ name }) => name === 'raw/echo')?.description, null)
      .result
    assert.equal(seen, 'Says it again.')
  })

  test('with pins, a server that shows other tools than somebody had seen is not opened', async () => {
    const { file: _, ...raw } = server('good')
    const pins = pinsOf((await shared()).mcp.tools)
    await (await openMcp({ servers: { raw }, pins })).close()
    const { 'raw/echo': echo, ...rest } = pins
    assert.ok(echo)
    await assert.rejects(openMcp({ servers: { raw }, pins: rest }), /raw\/echo has no pin/)
    await assert.rejects(
      openMcp({ servers: { raw }, pins: { ...rest, 'raw/echo': pins['raw/act'] as string } }),
      /raw\/echo is not what was pinned/,
    )
  })

  test('no server takes the place of another: two names are one only where the configuration says so, and then it is refused', async () => {
    const { file: _, ...twice } = server('twice')
    await assert.rejects(openMcp({ servers: { twice } }), /two tools named "echo"/)
    const { server: far } = await serve()
    const one = { url: `${far.url}/mcp`, headers: { 'x-caller': 'ada runs' } }
    await assert.rejects(
      openMcp({ servers: { a: one, b: one }, tools: { 'a/act': { as: 'act' }, 'b/act': { as: 'act' } } }),
      /b\/act and a\/act would both be called act/,
    )
    await assert.rejects(openMcp({ servers: { 'a/b': one } }), /a server is named/)
    await assert.rejects(openMcp({ servers: { one }, tools: { 'one/akt': { hidden: true } } }), /"one\/akt", which no/)
    const { kernel } = await open({ servers: { a: one, b: one }, tools: { 'b/act': { as: 'do' } } })
    assert.equal(await call(kernel, 'a/act', { what: 'one' }), 'did one')
    assert.equal(await call(kernel, 'do', { what: 'other' }), 'did other')
  })

  test('odd tools are left out, and a schema cannot stop the machine or stand for another', async () => {
    const { file, ...raw } = server('odd')
    const { mcp, kernel } = await open({ servers: { raw } })
    assert.deepEqual(
      mcp.leftOut.map(({ tool }) => tool),
      ['raw/with space', 'raw/long'],
    )
    const trapped = within(2_000, endOf(call(kernel, 'raw/trap', { text: `${'a'.repeat(60)}!` })))
    assert.match(JSON.stringify(await trapped), /INVALID_ARGUMENT.*could not be checked/)
    assert.match(JSON.stringify(await endOf(call(kernel, 'raw/unknown-words'))), /INVALID_ARGUMENT/)
    assert.equal(await call(kernel, 'raw/same-id', { x: 1 }), 'done')
    assert.match(JSON.stringify(await endOf(call(kernel, 'raw/same-id-too', { x: 1 }))), /INVALID_ARGUMENT.*y/)
    assert.deepEqual(
      callsIn(file).map((one) => one['call']),
      ['same-id'],
    )
  })

  test('what a server says of itself is believed only where the configuration says so', async () => {
    const { server: far } = await serve()
    const one = { url: `${far.url}/mcp`, headers: { 'x-caller': 'ada runs' } }
    const { mcp } = await open({
      servers: { a: one, b: { ...one, trustAnnotations: true }, c: { ...one, defaults: { effect: 'idempotent' } } },
      tools: { 'c/read': { trusted: true, control: [] }, 'c/act': { hidden: true } },
    })
    const of = (name: string) => mcp.tools.find((tool) => tool.name === name)
    assert.equal(of('a/read')?.effect, 'once')
    assert.equal(of('a/read')?.outbound, undefined)
    assert.deepEqual(of('a/read')?.labels, ['untrusted'])
    assert.equal(of('b/read')?.effect, 'read')
    assert.equal(of('b/read')?.outbound, false)
    assert.equal(of('b/act')?.effect, 'once')
    assert.equal(of('c/sleeper')?.effect, 'idempotent')
    assert.deepEqual(of('c/read')?.labels, [])
    assert.deepEqual(of('c/read')?.control, [])
    assert.equal(of('c/act'), undefined)
    await assert.rejects(open({ servers: { c: one }, tools: { 'c/read': { control: ['path'] } } }), {
      code: 'CONFIG_INVALID',
      message: /^tool "c\/read": control names "path", and its arguments are none$/,
    })
  })

  test('the law denies a tool of a server, and labels of results hold: who has read what is untrusted may not act', async () => {
    const { file, ...raw } = server('good')
    const law = {
      rules: [
        { id: 'no-acts-on-hearsay', effect: 'deny', tool: 'raw/act', seen: ['untrusted'] },
        ...['echo', 'act', 'fail'].map((name) => ({ id: name, effect: 'allow', tool: `raw/${name}` })),
      ],
    } as unknown as Law
    const { kernel } = await open({ servers: { raw } }, law)
    assert.equal(codeOf(await endOf(call(kernel, 'raw/sum', { a: 1, b: 2 }))), 'ACCESS_DENIED')
    assert.equal(await call(kernel, 'raw/act'), 'done')
    for (const first of ['raw/echo', 'raw/fail']) {
      const run = kernel.spawn(async (sys) => {
        await sys.call(first, { text: 'now act' }).catch(() => {})
        return sys.call('raw/act', {})
      }, null)
      assert.match(JSON.stringify(await endOf(run.result)), /ACCESS_DENIED.*no-acts-on-hearsay/, first)
    }
    assert.deepEqual(
      callsIn(file).map((one) => one['call']),
      ['act', 'echo', 'fail'],
    )
  })

  test('closed, no process is left: neither one that does not listen nor what it started', async () => {
    const { file, ...raw } = server('stubborn')
    const mcp = await openMcp({ servers: { raw } })
    const kernel = await boot({ tools: mcp.tools })
    const run = kernel.spawn((sys) => sys.call('raw/act', {}), null)
    run.result.catch(() => {})
    while (callsIn(file).length === 0) await pause(5)
    const [{ pid, child } = {}] = notes(file).slice(-2)
    assert.ok(isAlive(pid) && isAlive(child))
    await kernel.close()
    await mcp.close()
    assert.ok(!isAlive(pid))
    await within(1_000, gone(child), 'what it started')
    await assert.rejects(
      Promise.resolve(mcp.tools[0]?.execute({ text: '' }, { signal: new AbortController().signal } as never)),
      /is closed/,
    )
  })

  test('a server that is not there is named, with what it said', async () => {
    await assert.rejects(
      openMcp({ servers: { none: { command: 'no-such-command' } } }),
      /server none cannot be reached/,
    )
    await assert.rejects(
      openMcp({
        servers: { bad: { command: process.execPath, args: ['-e', 'console.error("no key");process.exit(1)'] } },
      }),
      /server bad cannot be reached.*no key/s,
    )
    await assert.rejects(openMcp({ servers: { bad: { url: 'file:///etc/passwd' } } }), /http or https/)
    await assert.rejects(
      openMcp({ servers: { bad: { url: 'http://127.0.0.1:1/mcp' } } }),
      /server bad cannot be reached/,
    )
  })
})

// ------------------------------------------------------------------------------------------------------------- as a server

const done: string[] = []
const act = defineTool({
  name: 'act',
  description: 'Does it.',
  inputSchema: z.object({ what: z.string() }),
  execute({ what }) {
    done.push(what)
    return `did ${what}`
  },
}) as Tool
const read = defineTool({
  name: 'read',
  description: 'Reads what others wrote.',
  effect: 'read',
  labels: ['untrusted'],
  outbound: false,
  inputSchema: z.object({}),
  outputSchema: z.object({ text: z.string() }),
  execute: () => ({ text: 'now act' }),
}) as Tool
const sleeper = defineTool({
  name: 'sleeper',
  description: 'Never ends.',
  effect: 'read',
  inputSchema: z.object({}),
  execute: (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', reject)),
}) as Tool
const clerk = defineProgram('clerk', async (sys, { name }: { readonly name: string }) => {
  await sys.call('read', {})
  return `${await sys.ask(`Who is ${name}?`, { default: 'nobody', timeoutMs: 60_000 })}: ${name}`
})
const worker = defineProgram('worker', async (sys, what: Json) => {
  // Wrong, so the journal has no arguments.
  await assert.rejects(sys.call(7 as never, {}), { code: 'INVALID_ARGUMENT' })
  const child = await sys.spawn(
    defineProgram('helper', async (inner) => inner.call('read', {})),
    null,
  )
  await sys.wait(child)
  return { what }
})

interface Served {
  readonly kernel: Kernel
  readonly server: Server
  /** A client of that caller. */
  connect(who?: string, options?: ConnectOptions): Promise<Client>
}

interface ConnectOptions {
  readonly era?: 'legacy' | 'auto'
  /** Name of the run that its calls belong to. */
  readonly run?: string
  /** What its user answers. */
  readonly answer?: (message: string) => object
}

/** A server that takes the principal, the key and the scopes of a caller from a header: `ada runs memory`, `ada#key runs`. */
async function serve(options: Partial<KernelOptions> = {}, door: Partial<McpDoorOptions> = {}): Promise<Served> {
  const tools = [act, read, sleeper]
  const kernel = await boot({ tools, programs: [clerk, worker] as never, ...options })
  const server = await startServer({
    doors: [mcpDoor({ kernel, tools, programs: [worker, clerk] as never, ...door })],
    port: 0,
    limits: { drainMs: 50 },
    authenticate({ headers }) {
      const [caller = '', ...scopes] = String(headers['x-caller']).split(' ')
      const [principal = '', key = null] = caller.split('#')
      return { principal, scopes: new Set(scopes as Scope[]), key } satisfies Caller
    },
  })
  opened.push(server, kernel)
  return {
    kernel,
    server,
    async connect(who = 'ada runs memory', { era = 'auto', run, answer } = {}) {
      const client = new Client(
        { name: 'test', version: '1' },
        {
          versionNegotiation: { mode: era },
          capabilities: answer === undefined ? {} : { elicitation: { form: {} } },
        },
      )
      if (answer !== undefined)
        client.setRequestHandler('elicitation/create', async ({ params }) => answer(params.message) as never)
      const requestInit = { headers: { 'x-caller': who, ...(run === undefined ? {} : { 'x-polity-run': run }) } }
      await client.connect(new StreamableHTTPClientTransport(new URL(`${server.url}/mcp`), { requestInit }))
      opened.unshift(client)
      return client
    },
  }
}

const use = (
  client: Client,
  name: string,
  args: { [key: string]: unknown } = {},
  options = {},
): Promise<CallToolResult> => client.callTool({ name, arguments: args }, options)
const textOf = ({ content }: CallToolResult): string => content.map((one) => ('text' in one ? one.text : '')).join('')
const law = (...rules: object[]): Law => ({ rules }) as unknown as Law
const asks = law(
  { id: 'ask-first', effect: 'ask', tool: 'act', reason: 'it acts' },
  { id: 'rest', effect: 'allow', tool: '*' },
)

const noHearsay = law(
  { id: 'no-hearsay', effect: 'deny', tool: 'act', seen: ['untrusted'] },
  { id: 'rest', effect: 'allow', tool: '*' },
)

/** Of what a run did, not of what it learned. */
const noActAfterRead = law(
  {
    id: 'reads',
    effect: 'allow',
    tool: 'read',
    then: { add: [{ id: 'no-act-after-read', effect: 'deny', tool: 'act' }] },
  },
  { id: 'rest', effect: 'allow', tool: '*' },
)

for (const era of ['legacy', 'auto'] as const) {
  describe(`the kernel as an MCP server, ${era === 'auto' ? '2026-07-28' : '2025-11-25'}`, () => {
    test('tools, notes and programs are offered to who holds the scope, and calls are processes of the caller', async () => {
      const { kernel, connect } = await serve()
      const client = await connect('ada runs', { era })
      assert.equal(client.getNegotiatedProtocolVersion(), era === 'auto' ? '2026-07-28' : '2025-11-25')
      const { tools } = await client.listTools()
      assert.deepEqual(
        tools.map(({ name }) => name),
        ['act', 'read', 'sleeper', 'run_worker', 'run_clerk'],
      )
      assert.deepEqual(tools[1]?.annotations, { readOnlyHint: true, idempotentHint: true, openWorldHint: false })
      assert.equal(textOf(await use(client, 'act', { what: `this in ${era}` })), `did this in ${era}`)
      assert.ok(done.includes(`this in ${era}`))
      assert.deepEqual((await use(client, 'read')).structuredContent, { text: 'now act' })
      const wrong = await use(client, 'act', { what: 7 })
      assert.ok(wrong.isError)
      assert.match(textOf(wrong), /^INVALID_ARGUMENT: tool act: what/)
      assert.ok(kernel.ps().every(({ principal }) => principal === 'ada'))
      await assert.rejects(use(client, 'remember', { text: 'x' }), /remember/)
    })

    test('the law denies a call, and what a session has read counts for what it does next', async () => {
      const { connect } = await serve({
        law: law(
          { id: 'never', effect: 'deny', tool: 'sleeper', reason: 'it never ends' },
          { id: 'no-hearsay', effect: 'deny', tool: 'act', seen: ['untrusted'] },
          { id: 'rest', effect: 'allow', tool: '*' },
        ),
      })
      const client = await connect('ada runs', { era })
      assert.match(textOf(await use(client, 'sleeper')), /^ACCESS_DENIED: .*it never ends/)
      assert.equal((await use(client, 'act', { what: 'before' })).isError, undefined)
      await use(client, 'read')
      assert.match(textOf(await use(client, 'act', { what: 'after' })), /ACCESS_DENIED/)
      assert.ok(!done.includes('after'))
      assert.equal((await use(await connect('bob runs', { era }), 'act', { what: 'of another' })).isError, undefined)
      // A client chooses its session and the name of its run: neither sheds what its principal has learned.
      for (const same of [await connect('ada runs', { era }), await connect('ada runs', { era, run: 'another' })])
        assert.match(textOf(await use(same, 'act', { what: 'after' })), /ACCESS_DENIED/)
      assert.ok(!done.includes('after'))
    })

    test('what a client sends is not its user’s own word', async () => {
      const { connect } = await serve({
        law: law({ id: 'as-asked', effect: 'allow', tool: 'act', origins: { what: 'request' } }),
      })
      const client = await connect('ada runs', { era })
      assert.match(textOf(await use(client, 'act', { what: 'forged' })), /ACCESS_DENIED/)
    })

    test('notes belong to the principal', async () => {
      const { connect } = await serve()
      const ada = await connect('ada runs memory', { era })
      const bob = await connect('bob runs memory', { era })
      const { id } = (await use(ada, 'remember', { text: 'the harbour opens at nine' })).structuredContent as {
        id: string
      }
      const found = async (client: Client) =>
        ((await use(client, 'recall', { query: 'harbour' })).structuredContent as { notes: { id: string }[] }).notes
      assert.deepEqual(
        (await found(ada)).map((note) => note.id),
        [id],
      )
      assert.deepEqual(await found(bob), [])
      assert.ok((await use(bob, 'forget', { id })).isError)
      await use(ada, 'forget', { id })
      assert.deepEqual(await found(ada), [])
    })

    test('a program runs to its end and tells its progress', async () => {
      const { kernel, connect } = await serve()
      const client = await connect('ada runs', { era })
      const heard: string[] = []
      const result = await use(
        client,
        'run_worker',
        { input: { due: 3 } },
        { onprogress: ({ message }: { message?: string }) => heard.push(String(message)) },
      )
      assert.deepEqual(result.structuredContent, { what: { due: 3 } })
      assert.ok(
        [/runs helper/, /: call read$/, /: call$/].every((told) => heard.some((one) => told.test(one))),
        heard.join('; '),
      )
      assert.equal(kernel.ps().find(({ program }) => program === 'worker')?.principal, 'ada')
    })

    test('a call that the law asks about waits for the client’s user, who holds the scope approvals', async () => {
      const { kernel, connect } = await serve({ law: asks })
      const shown: string[] = []
      const says = (answer: object) => (message: string) => {
        shown.push(message)
        return answer
      }
      const yes = await connect('ada runs approvals', {
        era,
        answer: says({ action: 'accept', content: { answer: 'allow' } }),
      })
      assert.equal(textOf(await use(yes, 'act', { what: `approved ${era}` })), `did approved ${era}`)
      assert.match(shown[0] as string, /Allow tool act\? \(.*it acts.*\)[^]*"approved/)
      const no = await connect('bob runs approvals', { era, answer: says({ action: 'decline' }) })
      assert.match(textOf(await use(no, 'act', { what: 'declined' })), /^ACCESS_DENIED/)
      assert.ok(!done.includes('declined'))
      assert.deepEqual(kernel.questions, [])
    })

    test('without that scope the question goes to the inbox, and the client is not asked', async () => {
      const { kernel, connect } = await serve({ law: asks })
      let asked = 0
      const client = await connect('ada runs', {
        era,
        answer: () => {
          asked++
          return { action: 'accept', content: { answer: 'allow' } }
        },
      })
      const result = use(client, 'act', { what: `by the inbox ${era}` })
      while (kernel.questions.length === 0) await pause(5)
      assert.ok(!done.includes(`by the inbox ${era}`))
      kernel.answer(kernel.questions[0]?.id as number, 'allow')
      assert.equal(textOf(await result), `did by the inbox ${era}`)
      assert.equal(asked, 0)
    })

    test('a program’s own question is answered by the client’s user; one who does not answer leaves it in the inbox', async () => {
      const { kernel, connect } = await serve()
      const client = await connect('ada runs approvals', {
        era,
        answer: () => ({ action: 'accept', content: { answer: 'a clerk' } }),
      })
      const input = { input: { name: 'Bartleby' } }
      assert.equal(textOf(await use(client, 'run_clerk', input)), 'a clerk: Bartleby')
      const silent = await connect('ada runs approvals', { era, answer: () => ({ action: 'cancel' }) })
      const result = use(silent, 'run_clerk', input)
      while (kernel.questions.length === 0) await pause(5)
      await pause(50)
      kernel.answer(kernel.questions[0]?.id as number, 'a scrivener')
      assert.equal(textOf(await result), 'a scrivener: Bartleby')
    })

    test('a client that cancels ends its process', async () => {
      const { kernel, connect } = await serve()
      const client = await connect('ada runs', { era })
      const abort = new AbortController()
      const result = use(client, 'sleeper', {}, { signal: abort.signal })
      result.catch(() => {})
      while (!kernel.ps().some(({ state }) => state === 'running')) await pause(5)
      abort.abort()
      while (kernel.ps().some(({ state }) => state === 'running')) await pause(5)
      assert.equal(kernel.ps()[0]?.state, 'killed')
      await assert.rejects(result)
    })

    test('a question counts as seen when the client is shown it', async () => {
      const { kernel, connect } = await serve({ law: noHearsay })
      const answers: (() => void)[] = []
      const asked = await connect('ada runs approvals', {
        era,
        answer: () => new Promise((resolve) => answers.push(() => resolve({ action: 'cancel' }))),
      })
      const result = use(asked, 'run_clerk', { input: { name: 'Bartleby' } })
      while (answers.length === 0) await pause(5)
      assert.match(textOf(await use(asked, 'act', { what: 'shown' })), /ACCESS_DENIED.*no-hearsay/)
      kernel.answer(kernel.questions[0]?.id as number, 'a clerk')
      answers[0]?.()
      assert.equal(textOf(await result), 'a clerk: Bartleby')
    })

    test('who reads a process or its trace has learned what it tells', async () => {
      for (const rest of ['', '/trace']) {
        const { kernel, connect } = await serve({ law: noHearsay })
        const run = kernel.spawn(async (sys) => sys.call('read', {}), null, { principal: 'ada' })
        await run.result
        const client = await connect('ada runs', { era })
        await client.readResource({ uri: 'polity://processes' })
        assert.equal((await use(client, 'act', { what: 'nothing read' })).isError, undefined)
        await client.readResource({ uri: `polity://processes/${run.pid}${rest}` })
        assert.match(textOf(await use(client, 'act', { what: 'read' })), /ACCESS_DENIED.*no-hearsay/, rest)
      }
    })

    test('the list of processes tells nothing that a process has said', async () => {
      const { kernel, connect } = await serve()
      const run = kernel.spawn(
        async () => {
          throw new Error('TULIP')
        },
        null,
        { principal: 'ada', name: 'TULIP' },
      )
      await endOf(run.result)
      const client = await connect('ada runs', { era })
      const { contents } = await client.readResource({ uri: 'polity://processes' })
      assert.match(JSON.stringify(contents), /PROGRAM_FAILED/)
      assert.doesNotMatch(JSON.stringify(contents), /TULIP/)
    })

    test('processes and traces are resources of their principal', async () => {
      const { kernel, connect } = await serve()
      const ada = await connect('ada runs', { era })
      const bob = await connect('bob runs', { era })
      await use(ada, 'act', { what: 'traced' })
      const [process] = kernel.ps()
      const readAs = async (client: Client, uri: string) =>
        JSON.parse(((await client.readResource({ uri })).contents[0] as { text: string }).text) as { length: number }
      assert.equal((await readAs(ada, 'polity://processes')).length, 1)
      assert.equal((await readAs(bob, 'polity://processes')).length, 0)
      assert.match(JSON.stringify(await readAs(ada, `polity://processes/${process?.pid}/trace`)), /traced/)
      await assert.rejects(readAs(bob, `polity://processes/${process?.pid}/trace`), /there is no process/)
    })
  })
}

test('a session of the earlier era lives on without the request that began it', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const sdk = await loadServerSdk()
  const sessions = createSessions(sdk, () => new sdk.server.McpServer({ name: 'test', version: '1' }), {
    perPrincipalMax: 8,
    returnMs: 1_000,
  })
  const caller: Caller = { principal: 'ada', scopes: new Set(), key: null }
  const ask = async (body: { readonly [key: string]: Json }, headers = {}): Promise<[WeakRef<object>, Response]> => {
    const exchange = { done: () => {} }
    const request = new Request('http://127.0.0.1/mcp', {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
      body: JSON.stringify(body),
    })
    const { signal } = new AbortController()
    const response = await sessions.answer(request, body, caller, {
      signal,
      use: (done) => void (exchange.done = done),
    })
    await response.text()
    exchange.done()
    return [new WeakRef(exchange), response]
  }
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } }
  const [first, { headers }] = await ask({ jsonrpc: '2.0', id: 1, method: 'initialize', params })
  await pause(20)
  collect()
  assert.equal(first.deref(), undefined)
  const session = { 'mcp-session-id': String(headers.get('mcp-session-id')), 'mcp-protocol-version': '2025-11-25' }
  const [, { status }] = await ask({ jsonrpc: '2.0', id: 2, method: 'ping' }, session)
  assert.equal(status, 200)
})

describe('the kernel as an MCP server', () => {
  const post = (server: Server, body: object | string, headers: { [name: string]: string } = {}): Promise<Response> =>
    fetch(`${server.url}/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'x-caller': 'ada runs approvals',
        ...headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
  const initialize = {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
  }
  const list = { jsonrpc: '2.0', id: 2, method: 'tools/list' }

  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
  }
  /** A call of the later era, as text. */
  const sendTo = async (
    server: Server,
    name: string,
    args: object,
    more: { readonly caller?: string; readonly run?: string } & object = {},
  ): Promise<string> => {
    const { caller = 'ada runs approvals', run, ...params } = more
    const answer = await post(
      server,
      { jsonrpc: '2.0', id: 3, method: 'tools/call', params: { name, arguments: args, _meta: meta, ...params } },
      {
        'x-caller': caller,
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': name,
        ...(run === undefined ? {} : { 'x-polity-run': run }),
      },
    )
    return answer.text()
  }

  /** What the server left with its client. */
  const stateIn = (answer: string): string => /"requestState":"([^"]+)"/.exec(answer)?.[1] ?? ''

  test('a session is its caller’s alone, and ends when it is deleted', async () => {
    const { server } = await serve()
    const begun = await post(server, initialize)
    const session = { 'mcp-session-id': begun.headers.get('mcp-session-id') as string }
    await begun.text()
    for (const name of ['x-content-type-options', 'content-security-policy', 'cross-origin-resource-policy'])
      assert.ok(begun.headers.get(name), name)
    assert.match(session['mcp-session-id'], /^[A-Za-z0-9_-]{24}$/)
    assert.equal((await post(server, list, session)).status, 200)
    assert.equal((await post(server, list, { ...session, 'x-caller': 'bob runs' })).status, 404)
    assert.equal((await post(server, list)).status, 400)
    const headers = { ...session, 'x-caller': 'ada runs' }
    assert.equal((await fetch(`${server.url}/mcp`, { method: 'DELETE', headers })).status, 200)
    assert.equal((await post(server, list, session)).status, 404)
  })

  test('an initialize whose params are none is told what they lack, under its id', async () => {
    const { server } = await serve()
    const { protocolVersion, ...rest } = initialize.params
    for (const [id, params, said] of [
      [1, undefined, /params: .*expected object/],
      [
        'one',
        { ...initialize.params, protocolVersion: 5 },
        /params\.protocolVersion: .*expected string, received number/,
      ],
      [0, rest, /params\.protocolVersion: /],
      [2, { protocolVersion }, /params\.capabilities: .*params\.clientInfo: /],
    ] as const) {
      const answer = await post(server, { jsonrpc: '2.0', id, method: 'initialize', params })
      assert.equal(answer.status, 400)
      const { error, ...refused } = (await answer.json()) as { error: { code: number; message: string } }
      assert.deepEqual(refused, { jsonrpc: '2.0', id })
      assert.equal(error.code, -32_602)
      assert.match(error.message, said)
    }
    const other = (await (await post(server, list)).json()) as { error: { code: number; message: string } }
    assert.match(other.error.message, /begins with initialize/)
    const begun = await post(server, initialize)
    assert.equal(begun.status, 200)
    await begun.text()
  })

  test('a header of ours that is misspelt, or that is none of this door, is refused with what there is', async () => {
    const { server, kernel } = await serve()
    for (const [name, said] of [
      ['x-polity-runs', /no header x-polity-runs here; there is x-polity-run\. Did you mean x-polity-run\?$/],
      ['x-polity-budget-tokens', /no header x-polity-budget-tokens here; there is x-polity-run\.$/],
    ] as const)
      for (const body of [initialize, { ...list, params: { _meta: meta } }]) {
        const answer = await post(server, body, { [name]: '20' })
        assert.equal(answer.status, 400)
        const { error } = (await answer.json()) as { error: { message: string; data: { code: string } } }
        assert.match(error.message, said)
        assert.equal(error.data.code, 'INVALID_ARGUMENT')
      }
    assert.deepEqual(kernel.ps(), [])
  })

  test('who has not the scope is refused, and what is no JSON-RPC is answered in its form', async () => {
    const { server } = await serve()
    assert.equal((await post(server, initialize, { 'x-caller': 'ada memory' })).status, 403)
    const answer = await post(server, '{"jsonrpc":')
    assert.equal(answer.status, 400)
    assert.equal(((await answer.json()) as { error: { code: number } }).error.code, -32_700)
  })

  test('the answer of another caller, or for another tool, does not reach a call that waits', async () => {
    const { kernel, server } = await serve({ law: asks })
    const send = (name: string, more: object, caller = 'ada runs approvals'): Promise<string> =>
      within(3_000, sendTo(server, name, { what: 'stolen' }, { ...more, caller }), 'the answer')
    const asked = await send('act', {})
    assert.match(asked, /input_required/)
    const [question] = kernel.questions
    const requestState = stateIn(asked)
    const inputResponses = { [`question-${question?.id}`]: { action: 'accept', content: { answer: 'allow' } } }
    const answer = { requestState, inputResponses }
    assert.match(await send('act', answer, 'bob runs approvals'), /-32602.*Invalid or expired requestState/)
    const forged = [`${requestState}x`, requestState.slice(0, -2), String(question?.pid), '']
    for (const state of forged)
      assert.match(
        await send('act', { ...answer, requestState: state }),
        /-32602.*Invalid or expired requestState/,
        state,
      )
    assert.match(await send('read', answer), /no call of yours/)
    assert.equal(kernel.questions.length, 1)
    assert.ok(!done.includes('stolen'))
    assert.match(await send('act', answer), /did stolen/)
    assert.match(await send('act', answer), /no call of yours/)
  })

  test('what a run did counts for temporal rules also where its client was asked and never came back', async () => {
    const { kernel, server } = await serve({
      law: noActAfterRead,
    })
    assert.match(await sendTo(server, 'run_clerk', { input: { name: 'Bartleby' } }), /input_required/)
    const [question] = kernel.questions
    kernel.answer(question?.id as number, 'a clerk')
    await kernel.run(question?.pid as number).result
    assert.match(await sendTo(server, 'act', { what: 'never came back' }), /ACCESS_DENIED.*no-act-after-read/)
    assert.ok(!done.includes('never came back'))
  })

  test('an answer that comes in another run does not reach a call that waits', async () => {
    const { kernel, server } = await serve({ law: asks })
    const asked = await sendTo(server, 'act', { what: 'elsewhere' }, { run: 'one' })
    assert.match(asked, /input_required/)
    const [question] = kernel.questions
    const inputResponses = { [`question-${question?.id}`]: { action: 'accept', content: { answer: 'allow' } } }
    const answer = { requestState: stateIn(asked), inputResponses }
    assert.match(await sendTo(server, 'act', { what: 'elsewhere' }, { ...answer, run: 'two' }), /no call of yours/)
    assert.match(await sendTo(server, 'act', { what: 'elsewhere' }, { ...answer, run: 'one' }), /did elsewhere/)
  })

  test(
    'the order of a named run is not forgotten, however many others its principal names',
    { timeout: 60_000 },
    async () => {
      const { server } = await serve({ law: noActAfterRead })
      const read = (run?: string, caller = 'ada runs') =>
        sendTo(server, 'read', {}, { caller, ...(run === undefined ? {} : { run }) })
      const act = (what: string, run?: string, caller = 'ada runs') =>
        sendTo(server, 'act', { what }, { caller, ...(run === undefined ? {} : { run }) })
      await read()
      await read('oldest')
      for (let i = 0; i < 1_001; i += 11)
        await Promise.all(
          Array.from({ length: Math.min(11, 1_001 - i) }, (_, n) =>
            sendTo(server, 'none', {}, { caller: 'ada runs', run: `r${i + n}` }),
          ),
        )
      assert.match(await act('x', 'oldest'), /no-act-after-read/)
      assert.match(await act('x'), /no-act-after-read/)
    },
  )

  test('the name of a run is the principal’s, whichever of its keys it comes with', async () => {
    const { server } = await serve({ law: noActAfterRead })
    await sendTo(server, 'read', {}, { caller: 'ada#one runs', run: 'invoices' })
    const act = (caller: string, run: string) => sendTo(server, 'act', { what: 'keys' }, { caller, run })
    assert.match(await act('ada#two runs', 'invoices'), /no-act-after-read/)
    assert.match(await act('bob#two runs', 'invoices'), /did keys/)
    assert.match(await act('ada#two runs', 'others'), /did keys/)
  })

  /** Ends so many processes that the kernel holds none of them, and removes the journals of all that have ended. */
  const collected = async (kernel: Kernel): Promise<void> => {
    for (let i = 0; i < 70; i++) await kernel.spawn(async () => null, null).result
    await kernel.collect(0)
  }

  test('where a run stands is known also when the journal of its last call is gone', async () => {
    const { kernel, server } = await serve({ law: noActAfterRead, limits: { processesEndedMax: 1 } })
    for (const run of [undefined, 'named']) {
      const more = run === undefined ? {} : { run }
      await sendTo(server, 'read', {}, more)
      const [pid] = kernel
        .ps()
        .filter(({ program }) => program !== 'anonymous')
        .map((one) => one.pid)
      await collected(kernel)
      assert.throws(() => kernel.info(pid as number), { code: 'NO_SUCH_PROCESS' })
      assert.match(await sendTo(server, 'act', { what: 'x' }, more), /no-act-after-read/)
    }
  })

  test('a call whose client was asked is over when somebody else answered: it hears the end late, and nothing fails where it never comes', async () => {
    const { kernel, server } = await serve({ law: asks, limits: { processesEndedMax: 1 } })
    mock.timers.enable({ apis: ['setTimeout'] })
    let asked: readonly string[]
    try {
      asked = [await sendTo(server, 'act', { what: 'inbox 1' }), await sendTo(server, 'act', { what: 'inbox 2' })]
      const [first, second] = kernel.questions
      const runs = [first, second].map((question) => kernel.run(question?.pid as number))
      for (const question of [first, second]) kernel.answer(question?.id as number, 'allow')
      for (const run of runs) assert.match(JSON.stringify(await run.result), /did inbox/)
      await collected(kernel)
      assert.throws(() => kernel.info(first?.pid as number), { code: 'NO_SUCH_PROCESS' })
      const back = { requestState: stateIn(asked[0] as string), inputResponses: {} }
      assert.match(await sendTo(server, 'act', { what: 'inbox 1' }, back), /did inbox 1/)
      mock.timers.tick(600_000)
      assert.match(await sendTo(server, 'act', { what: 'closed' }), /input_required/)
      await kernel.close()
      mock.timers.tick(600_000)
    } finally {
      mock.timers.reset()
    }
  })

  test('a body with GET or DELETE is refused unread', async () => {
    const { server } = await serve()
    for (const method of ['GET', 'DELETE'])
      for (const length of ['content-length: 9', 'transfer-encoding: chunked']) {
        const socket = netConnect(server.port, '127.0.0.1')
        socket.on('error', () => {})
        const head = ['host: 127.0.0.1', 'x-caller: ada runs', 'content-type: application/json', length]
        socket.write(`${method} /mcp HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n`)
        const [answer] = (await within(3_000, nextOf(socket, 'data'), 'the answer')) as [Buffer]
        assert.match(String(answer), /^HTTP\/1.1 400 [^]*takes no body/, `${method} ${length}`)
        socket.destroy()
      }
  })

  test('one kernel uses the tools of another over HTTP, also after that was started anew', async () => {
    const first = await serve()
    const port = first.server.port
    const { kernel } = await open({
      servers: {
        far: {
          url: `${first.server.url}/mcp`,
          headers: { 'x-caller': 'ada runs' },
          defaults: { effect: 'idempotent' },
        },
      },
    })
    assert.equal(await call(kernel, 'far/act', { what: 'from afar' }), 'did from afar')
    assert.deepEqual(await call(kernel, 'far/read'), { text: 'now act' })
    await first.server.close()
    assert.match(JSON.stringify(await endOf(call(kernel, 'far/act', { what: 'nowhere' }))), /TOOL_FAILED/)
    const again = await startServer({
      doors: [mcpDoor({ kernel: first.kernel, tools: [act, read, sleeper], programs: [worker, clerk] as never })],
      port,
      limits: { drainMs: 50 },
      authenticate: () => ({ principal: 'ada', scopes: new Set<Scope>(['runs']), key: null }),
    })
    opened.unshift(again)
    let end = await endOf(call(kernel, 'far/act', { what: 'again' }))
    for (let i = 0; i < 100 && codeOf(end) !== 'ok'; i++) {
      await pause(50)
      end = await endOf(call(kernel, 'far/act', { what: 'again' }))
    }
    assert.deepEqual(end, { value: 'did again' })
  })

  test('two offers of one name are refused', async () => {
    const kernel = await boot()
    opened.push(kernel)
    const remember = { ...act, name: 'remember' }
    assert.throws(() => mcpDoor({ kernel, tools: [remember] }), /offered over MCP as remember/)
  })

  test('polity mcp serves a client over stdio, and ends with it', async () => {
    const cli = join(import.meta.dirname, '..', 'bin', 'polity.js')
    const store = join(folder, 'stdio.db')
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [cli, 'mcp', '--store', store, '--in', join(import.meta.dirname, 'mcp')],
      stderr: 'pipe',
    })
    const client = new Client({ name: 'test', version: '1' })
    await client.connect(transport)
    const { pid } = transport
    const { tools } = await client.listTools()
    for (const name of ['search', 'recall', 'run_research'])
      assert.ok(
        tools.some((tool) => tool.name === name),
        name,
      )
    await use(client, 'remember', { text: 'stdio works' })
    assert.match(textOf(await use(client, 'recall', { query: 'stdio' })), /stdio works/)
    await client.close()
    await within(2_000, gone(pid), 'polity mcp')
  })

  test('polity mcp offers the tools of a file that exports no program', async () => {
    const repository = join(import.meta.dirname, '..')
    const file = join(folder, 'add-tool.ts')
    writeFileSync(
      file,
      `import { z } from ${JSON.stringify(import.meta.resolve('zod'))}
import { defineTool } from ${JSON.stringify(join(repository, 'src/index.ts'))}
export const add = defineTool({ name: 'add', description: 'Adds', effect: 'read', inputSchema: z.object({ a: z.number(), b: z.number() }), execute: ({ a, b }) => a + b })
`,
    )
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [join(repository, 'bin/polity.js'), 'mcp', file, '--store', join(folder, 'add-tool.db')],
      stderr: 'pipe',
    })
    const client = new Client({ name: 'test', version: '1' })
    await client.connect(transport)
    const { tools } = await client.listTools()
    assert.deepEqual(
      tools.map(({ name }) => name).filter((name) => name === 'add' || name.startsWith('run_')),
      ['add'],
    )
    assert.equal(textOf(await use(client, 'add', { a: 2, b: 5 })), '7')
    await client.close()
  })

  test('polity mcp that a signal ends says that to the calls of its client, and a client that goes away is told apart', async () => {
    const cli = join(import.meta.dirname, '..', 'bin', 'polity.js')
    const file = join(folder, 'sleeper.ts')
    writeFileSync(file, 'export default async function sleeper(sys) { await sys.sleep(600_000) }\n')
    for (const [store, end, why] of [
      ['signal.db', 'SIGTERM', 'the server is closing'],
      ['stdin.db', 'stdin', 'its client went away'],
    ] as const) {
      const path = join(folder, store)
      const transport = new StdioClientTransport({
        command: process.execPath,
        args: [cli, 'mcp', file, '--store', path],
        stderr: 'pipe',
      })
      const client = new Client({ name: 'test', version: '1' })
      await client.connect(transport)
      const pid = transport.pid as number
      const call = use(client, 'run_sleeper', {}).then(textOf, (error: unknown) => String(error))
      const { task } = await client.request(
        { method: 'tools/call', params: { name: 'run_sleeper', arguments: {}, task: {} } as never },
        z.looseObject({ task: z.looseObject({ taskId: z.string() }) }),
      )
      const { taskId } = task
      const result = client
        .request({ method: 'tasks/result', params: { taskId } }, z.looseObject({}))
        .then(JSON.stringify, (error: unknown) => String(error))
      while (eventsIn(path).filter(({ type }) => type === 'call-start').length < 2) await pause(10)
      if (end === 'SIGTERM') process.kill(pid, end)
      else await client.close()
      if (end === 'SIGTERM')
        for (const said of [call, result])
          assert.match(await within(2_000, said, 'the call'), /KERNEL_CLOSED: the server is closing/)
      await within(5_000, gone(pid), 'polity mcp')
      const last = eventsIn(path).findLast(({ type }) => type === 'process-end')
      assert.ok(last?.type === 'process-end')
      assert.equal(last.error?.message, `killed from outside: ${why}`)
    }
  })
})

describe('the official conformance suite', () => {
  const hasTime = process.env['POLITY_LONG'] === '1'

  test('passes for the server, but for what is known to fail', async () => {
    const { failed, stale, output } = await testServer()
    assert.deepEqual({ failed, stale }, { failed: [], stale: [] }, output)
  })

  test(
    'passes for the client, but for what is known to fail',
    { skip: !hasTime && 'POLITY_LONG=1 runs it' },
    async () => {
      const { failed, stale, output } = await testClient()
      assert.deepEqual({ failed, stale }, { failed: [], stale: [] }, output)
    },
  )
})
