/**
 * Code actions: what they can do, and what they cannot. The attempts to get out are real ones, each run through the kernel
 * as a program would run it. Where bubblewrap is missing, Python and shell are tested to be refused, and the output says so.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdtempDisposableSync, readFileSync, readdirSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { codeAct, codeOf } from '../src/agents/code-act.ts'
import { codeAction } from '../src/agents/pieces/code-action.ts'
import type { CodeActionOptions, CodeResult } from '../src/agents/pieces/code-action.ts'
import { findWalls, programFolders } from '../src/drivers/sandbox/bubblewrap.ts'
import { nodeArguments } from '../src/drivers/sandbox/javascript.ts'
import { seccompFilter } from '../src/drivers/sandbox/seccomp.ts'
import { sandboxSupport } from '../src/drivers/sandbox/support.ts'
import { codeTools } from '../src/drivers/sandbox/tools.ts'
import type { CodeToolsOptions } from '../src/drivers/sandbox/tools.ts'
import { PolityError, boot, defineProgram, defineTool } from '../src/index.ts'
import type { Json, Kernel, Tool } from '../src/index.ts'
import { scripted } from '../src/testing.ts'

const support = await sandboxSupport()
const hasWalls = support.every(({ isAvailable }) => isAvailable)
const languages = ['javascript', 'python', 'shell'] as const
/** Apart, because no file here is to name the home of anybody. */
const home = 'root'
/** Short, so that what runs for ever is soon over. */
const limits = { cpuMs: 1_000, stepMs: 3_000, memoryBytes: 134_217_728, diskBytes: 8_388_608, processes: 24 }
/** JavaScript's machine gets less, to be full sooner. */
const vmBytes = 33_554_432

// ------------------------------------------------------------------------------------------------------------ the world

const heard: Json[] = []
const echo = defineTool({
  name: 'echo',
  description: 'Says it again.',
  effect: 'read',
  inputSchema: z.unknown(),
  execute: (input) => {
    heard.push(input as Json)
    return input
  },
})
const fail = defineTool({
  name: 'fail',
  description: 'Fails.',
  effect: 'read',
  inputSchema: z.unknown(),
  execute: () => {
    throw new Error('as it was told')
  },
})
const hostile = defineTool({
  name: 'hostile',
  description: 'Answers with what a hostile server would.',
  effect: 'read',
  inputSchema: z.unknown(),
  execute: () =>
    JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"then":"x"}') as Json,
})
const dotted = defineTool({ ...echo, name: 'a.b-c' })
const tools = [echo, fail, hostile, dotted] as unknown as Tool[]

/** Boots a kernel with the tools that run code; `act` runs one action in a process of its own. */
async function openWorld(options: CodeToolsOptions = {}) {
  const code = codeTools({ languages, ...options, limits: { ...limits, ...options.limits } })
  const kernel = await boot({ model: scripted([]), tools: [...code, ...tools] })
  const actor = defineProgram('actor', (sys, action: CodeActionOptions) => codeAction(sys, action))
  return {
    kernel,
    act: (language: CodeActionOptions['language'], code: string): Promise<CodeResult> =>
      kernel.spawn(actor, { language, code } as CodeActionOptions).result,
  }
}

let kernel: Kernel
let small: Awaited<ReturnType<typeof openWorld>>
let act: Awaited<ReturnType<typeof openWorld>>['act']
before(async () => {
  ;({ kernel, act } = await openWorld())
  small = await openWorld({ limits: { memoryBytes: vmBytes, cpuMs: 400, stepMs: 6_000 } })
})
after(async () => {
  await kernel.close()
  await small.kernel.close()
})

const js = (code: string) => act('javascript', code)
const python = (code: string) => act('python', code)
const shell = (code: string) => act('shell', code)

const commandLine = (pid: number | string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}
/** Command lines of this machine that contain a text. */
const running = (text: string): string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(commandLine)
    .filter((line) => line.includes(text) && !line.includes(import.meta.filename))
const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
const isAlive = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
async function until(holds: () => boolean, ms: number): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end; await pause(2)) if (holds()) return true
  return holds()
}

// ----------------------------------------------------------------------------------------------------------- what it can

describe('a code action', () => {
  test('in JavaScript has output, a value, tools, errors it can catch, and other tools at the same time', async () => {
    const result = await js(`
      console.log('one', { two: 2 }, [3n], Symbol('four'))
      const [a, b] = await Promise.all([tools.echo({ n: 1 }), tools['a.b-c']({ n: 2 })])
      try { await tools.fail() } catch (error) { console.log(error.code, error.message) }
      ;({ sum: a.n + b.n, at: typeof Date.now(), same: Date.now() === Date.now() })`)
    assert.equal(result.output, 'one {"two":2} ["3"] "Symbol(four)"\nTOOL_FAILED tool fail: as it was told\n')
    assert.deepEqual(result.value, { sum: 3, at: 'number', same: true })
    assert.equal(result.error, undefined)
  })

  test('may return, throw, and be wrong', async () => {
    assert.equal((await js('const a = 2; return a * 3')).value, 6)
    assert.match((await js('null.x')).error?.message ?? '', /TypeError: .*null/s)
    assert.match((await js('a b c')).error?.message ?? '', /SyntaxError/)
    assert.equal((await js('throw null')).error?.message, 'thrown: null')
  })

  test('cannot call what it was not given', async () => {
    const { value } = await js('Object.keys(tools).toSorted()')
    assert.deepEqual(value, ['a.b-c', 'echo', 'fail', 'hostile'])
  })

  test('draws other random numbers than the one before', async () => {
    const [a, b] = [await js('Math.random()'), await js('Math.random()')]
    assert.notEqual(a.value, b.value)
  })

  test('is replayed from the journal, without running', async () => {
    const run = kernel.spawn(
      defineProgram('replayed', (sys, code: string) => codeAction(sys, { code })),
      'console.log("x"); (await tools.echo({ q: 1 })).q',
    )
    assert.equal((await run.result).value, 1)
    const before = heard.length
    assert.deepEqual({ ...(await kernel.replay(run.pid)), calls: 0 }, { same: true, calls: 0 })
    assert.equal(heard.length, before)
  })

  test('that waits too long for its answer is run anew, and no call is made twice', async () => {
    let asked = 0
    const slow = defineTool({
      name: 'slow',
      description: 'Takes its time.',
      effect: 'once',
      inputSchema: z.unknown(),
      execute: async (input) => {
        asked++
        await pause(150)
        return input
      },
    })
    const kernel = await boot({ model: scripted([]), tools: [...codeTools({ parkedMs: 20 }), slow] as Tool[] })
    const run = kernel.spawn(
      defineProgram('patient', (sys) =>
        codeAction(sys, { code: 'console.log("a"); await tools.slow(1) + await tools.slow(Math.random())' }),
      ),
      null,
    )
    const { value, output } = await run.result
    assert.ok((value as number) > 1)
    assert.equal(output, 'a\n')
    assert.equal(asked, 2)
    await kernel.close()
  })

  test('goes on after a crash of the kernel, from the answers that it had', async () => {
    using folder = mkdtempDisposableSync(join(tmpdir(), 'polity-sandbox-'))
    const store = join(folder.path, 'store.db')
    const made: string[] = []
    const open = async (isSecond: boolean) => {
      const step = defineTool({
        name: 'step',
        description: 'A step.',
        effect: 'read',
        inputSchema: z.object({ name: z.string() }),
        execute: async ({ name }) => {
          made.push(name)
          if (name === 'b' && !isSecond) await new Promise(() => undefined)
          return `did ${name}`
        },
      })
      const program = defineProgram(
        'crashing',
        (sys) =>
          codeAction(sys, {
            code: "const a = await tools.step({ name: 'a' }); a + ', ' + await tools.step({ name: 'b' })",
          }),
        { tools: [...codeTools(), step] as Tool[] },
      )
      return { kernel: await boot({ store, model: scripted([]), programs: [program] }), program }
    }
    const first = await open(false)
    const { pid } = first.kernel.spawn(first.program, null)
    assert.ok(await until(() => made.includes('b'), 10_000))
    await first.kernel.close()
    const second = await open(true)
    const [run] = second.kernel.resume(pid)
    assert.ok(run !== undefined)
    assert.equal(((await run.result) as unknown as CodeResult).value, 'did a, did b')
    assert.deepEqual(made, ['a', 'b', 'b'])
    await second.kernel.close()
  })

  test('is the act of a CodeAct agent', async () => {
    const kernel = await boot({
      tools: [...codeTools(), ...tools],
      model: scripted(['Let me see.\n```js\nconsole.log(6 * 7)\n```', 'It is 42.']),
    })
    const run = kernel.spawn(codeAct, { question: 'What is it?' })
    assert.equal(await run.result, 'It is 42.')
    const asked = JSON.stringify((await kernel.events(run.pid)).filter(({ type }) => type === 'call-start'))
    assert.match(asked, /Output:\\n42/)
    await kernel.close()
    assert.equal(codeOf('no code'), undefined)
    assert.equal(codeOf('a\n```python\nprint(1)\n```\nb\n```\n2\n```'), 'print(1)\n')
  })

  test('is stopped within 100 ms when its process is killed', async (t) => {
    const code = '[].lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)'
    const endless = defineProgram('endless', (sys) => codeAction(sys, { code }))
    // The best of three: on a machine with other work a dead process may wait for its turn to go.
    const tookMs: number[] = []
    for (let tries = 0; tries < 3 && !tookMs.some((ms) => ms < 100); tries++) {
      const others = new Set(childrenOf(process.pid))
      const world = await openWorld()
      const run = world.kernel.spawn(endless, null)
      run.result.catch(() => undefined)
      await pause(600)
      const mine = childrenOf(process.pid).find((pid) => !others.has(pid))
      assert.ok(mine !== undefined)
      const start = performance.now()
      world.kernel.kill(run.pid, 'enough')
      assert.ok(await until(() => !isAlive(mine), 1_000))
      tookMs.push(performance.now() - start)
      await world.kernel.close()
    }
    t.diagnostic(`dead after ${tookMs.map((ms) => ms.toFixed(1)).join(', ')} ms`)
    assert.ok(tookMs.some((ms) => ms < 100))
  })

  test('whose process is killed from outside ends with an error', async () => {
    const others = new Set(childrenOf(process.pid))
    const world = await openWorld()
    const result = world.act('javascript', 'for (;;);')
    assert.ok(await until(() => childrenOf(process.pid).some((pid) => !others.has(pid)), 5_000))
    for (const pid of childrenOf(process.pid)) if (!others.has(pid)) process.kill(pid, 'SIGKILL')
    assert.match((await result).error?.message ?? '', /ended early \(SIGKILL\)/)
    await world.kernel.close()
  })

  test('leaves no process behind when its kernel is killed with kill -9', async (t) => {
    const url = (path: string): string => JSON.stringify(pathToFileURL(join(import.meta.dirname, '..', path)).href)
    const source = `
      import { boot, defineProgram } from ${url('src/index.ts')}
      import { codeAction } from ${url('src/agents/pieces/code-action.ts')}
      import { codeTools } from ${url('src/drivers/sandbox/tools.ts')}
      import { scripted } from ${url('src/testing.ts')}
      const tools = codeTools({ languages: ['javascript', 'python'], limits: { stepMs: 60_000, cpuMs: 60_000 } })
      const kernel = await boot({ model: scripted([]), tools })
      const go = defineProgram('go', (sys, action) => codeAction(sys, action))
      kernel.spawn(go, { code: '[].lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)' })
      kernel.spawn(go, { code: '1' }).result.then(() => undefined)
      ${hasWalls ? "kernel.spawn(go, { language: 'python', code: 'import os, time\\nif os.fork() == 0: os.setsid()\\nwhile True: time.sleep(1)' })" : ''}
    `
    const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', source], { stdio: 'ignore' })
    const found = new Set<number>()
    const countAlive = (): number => {
      const visit = (pid: number): void => {
        for (const child of alive(pid)) {
          found.add(child)
          visit(child)
        }
      }
      visit(parent.pid as number)
      return [...found].filter(isAlive).length
    }
    // Five that stay: the endless loop, and Python with its fork, behind two of bubblewrap. The trials of the walls do not stay.
    const least = hasWalls ? 5 : 1
    for (let tries = 0; tries < 20; tries++) {
      await until(() => countAlive() >= least, 5_000)
      await pause(1_000)
      if (countAlive() >= least) break
    }
    assert.ok(countAlive() >= least, `children were running: ${[...found].filter(isAlive).map(commandLine).join('\n')}`)
    parent.kill('SIGKILL')
    const start = performance.now()
    const areGone = await until(() => ![...found].some(isAlive), 5_000)
    t.diagnostic(`${found.size} processes gone after ${(performance.now() - start).toFixed(0)} ms`)
    assert.ok(areGone, `left: ${[...found].filter(isAlive).map(commandLine).join('\n')}`)

    function alive(pid: number): number[] {
      try {
        return childrenOf(pid)
      } catch {
        return []
      }
    }
  })
})

// ------------------------------------------------------------------------------------------------------------ the pair

describe('the pair of tools', () => {
  const start = { language: 'javascript', code: 'await tools.echo(1)', tools: ['echo'], now: 0, seed: 0, answered: [] }

  /** Runs a program and returns what its calls came to. */
  const calls = async (run: (call: (tool: string, input: Json) => Promise<Json>) => Promise<Json>): Promise<Json> =>
    kernel.spawn(
      defineProgram('caller', (sys) =>
        run((tool, input) =>
          sys.call<Json>(tool, input).catch((error: PolityError) => `${error.code}: ${error.message}`),
        ),
      ),
      null,
    ).result

  test('knows a session by its process and its round only', async () => {
    const step = (await calls((call) => call('code.start', start))) as { session: string }
    const stolen = await calls((call) =>
      call('code.resume', { session: step.session, round: 0, answers: [{ value: 1 }] }),
    )
    assert.match(stolen as string, /^TOOL_FAILED: code.resume: session .* is gone/)
    const wrong = await calls(async (call) => {
      const { session } = (await call('code.start', start)) as { session: string }
      return [
        await call('code.resume', { session, round: 1, answers: [{ value: 1 }] }),
        await call('code.resume', { session, round: 0, answers: [] }),
        await call('code.resume', { session, round: 0, answers: [{ value: 1 }] }),
        await call('code.resume', { session, round: 0, answers: [{ value: 1 }] }),
      ]
    })
    const [round, count, done, twice] = wrong as [string, string, { value: Json }, string]
    assert.match(round, /is gone/)
    assert.match(count, /^INVALID_ARGUMENT: code.resume: 1 answers are wanted/)
    assert.equal(done.value, 1)
    assert.match(twice, /is gone/)
  })

  test('holds code that is run anew against the calls that it made', async () => {
    const other = { ...start, answered: [{ calls: [{ tool: 'echo', input: 2 }], answers: [{ value: 2 }] }] }
    const step = (await calls((call) => call('code.start', other))) as { error: { message: string } }
    assert.match(step.error.message, /made other calls than before/)
  })

  test('waits for room when too many actions are open', async () => {
    const world = await openWorld({ sessionsMax: 2 })
    const all = await Promise.all([1, 2, 3, 4, 5].map((n) => world.act('javascript', `await tools.echo(${n})`)))
    assert.deepEqual(
      all.map(({ value }) => value),
      [1, 2, 3, 4, 5],
    )
    await world.kernel.close()
  })

  test('refuses options that are none', () => {
    assert.throws(() => codeTools({ parkedMs: -1 }), /CONFIG_INVALID|parkedMs takes a whole number/)
  })

  test('refuses a language that cannot be held here, with the reason and what to install', async (t) => {
    for (const { language, level, isAvailable, reason } of support)
      t.diagnostic(`${language} (${level}): ${isAvailable ? 'yes' : 'NO'}, ${reason}`)
    await findWalls([])
    try {
      for (const language of ['python', 'shell'] as const) {
        const error = await act(language, 'echo').then(
          () => assert.fail(`${language} ran without walls`),
          (error: unknown) => error as PolityError,
        )
        assert.equal(error.code, 'CONFIG_INVALID')
        assert.match(error.message, process.platform === 'linux' ? /bwrap is not installed; install it/ : /needs Linux/)
      }
    } finally {
      await findWalls(programFolders())
    }
    const none = await openWorld({ languages: ['javascript'] })
    await assert.rejects(none.act('shell', 'true'), /codeTools was given javascript only/)
    await none.kernel.close()
  })
})

test('behind QuickJS there is a Node without rights', () => {
  const source = `
    const tries = {
      file: () => require('node:fs').readFileSync('/etc/passwd'),
      list: () => require('node:fs').readdirSync('/'),
      write: () => require('node:fs').writeFileSync('/tmp/x', ''),
      process: () => require('node:child_process').execSync('id'),
      addon: () => process.dlopen({ exports: {} }, '/x.node'),
      code: () => new Function('return 1')(),
      wasi: () => new (require('node:wasi').WASI)({ version: 'preview1' }),
    }
    for (const [name, attempt] of Object.entries(tries)) {
      try { attempt(); console.log(name, 'OUT') } catch (error) { console.log(name, error.code ?? error.name) }
    }
    console.log(JSON.stringify(process.env))`
  const { stdout } = spawnSync(process.execPath, [...nodeArguments(), '-e', source], { env: {}, encoding: 'utf8' })
  assert.doesNotMatch(stdout, /OUT/)
  assert.equal(stdout.match(/ERR_ACCESS_DENIED|ERR_DLOPEN_DISABLED|EvalError|ERR_\w+/g)?.length, 7, stdout)
  assert.match(stdout, /\{\}\n$/)
})

test('the filter of system calls is whole instructions, for the machines it knows', () => {
  for (const arch of ['x64', 'arm64']) assert.equal((seccompFilter(arch)?.length ?? 1) % 8, 0)
  assert.equal(seccompFilter('mips'), undefined)
})

// ------------------------------------------------------------------------------------------------------ attempts to get out

const isLong = process.env['POLITY_LONG'] === '1'

/** An attempt, and whether it was contained. Attempts that end otherwise than with a result are not. */
type Attempt = readonly [name: string, code: string, isContained: (result: CodeResult) => boolean]

/** Runs attempts and says how many were contained. */
function attempts(language: (typeof languages)[number], list: () => readonly Attempt[], world: () => typeof act): void {
  describe(`attempts to get out of ${language}`, { concurrency: 1 }, () => {
    // Each costs a process that starts an engine: npm test makes every other one, the long tests all.
    const entries = list().filter((_, i) => isLong || language !== 'javascript' || i % 2 === 0)
    let contained = 0
    for (const [name, code, isContained] of entries) {
      test(name, async () => {
        const start = performance.now()
        const result = await world()(language, code)
        const tookMs = performance.now() - start
        assert.ok(isContained(result), JSON.stringify({ ...result, output: result.output.slice(0, 2_000) }))
        assert.ok(tookMs < 10_000, `took ${tookMs} ms`)
        assert.equal(({} as { polluted?: unknown }).polluted, undefined)
        contained++
      })
    }
    after(() => console.log(`${language}: ${contained} of ${entries.length} attempts contained`))
  })
}

const fails =
  (code: string, message = /(?:)/) =>
  ({ error }: CodeResult) =>
    error !== undefined && (code === '' || code.split('|').includes(error.code)) && message.test(error.message)
const is =
  (value: Json) =>
  (result: CodeResult): boolean =>
    JSON.stringify(result.value) === JSON.stringify(value)
const outOfTime = fails('TOOL_TIMEOUT')
const outOfRoom = fails('LIMIT_EXCEEDED|TOOL_FAILED|TOOL_TIMEOUT')

attempts(
  'javascript',
  () => [
    [
      'constructor.constructor of a host function',
      `const g = console.log.constructor('return this')(); [typeof g.process, typeof g.require, g === globalThis]`,
      is(['undefined', 'undefined', true]),
    ],
    [
      'constructor.constructor of a tool, its promise and its error',
      `const ps = [tools.echo, tools.echo(1)]; try { await tools.fail() } catch (e) { ps.push(e) }; ps.map((p) => p.constructor.constructor('return typeof process + typeof globalThis.tools')())`,
      is(['undefinedobject', 'undefinedobject', 'undefinedobject']),
    ],
    [
      'the async function and generator constructors',
      `const f = (async () => {}).constructor, h = (function* () {}).constructor; [await f('return typeof process')(), h('yield typeof require')().next().value]`,
      is(['undefined', 'undefined']),
    ],
    [
      'names of a host',
      `[typeof process, typeof require, typeof module, typeof fetch, typeof XMLHttpRequest, typeof WebAssembly, typeof Deno, typeof Bun, typeof std, typeof os, typeof setTimeout, typeof Worker, typeof SharedArrayBuffer === 'x', typeof Atomics === 'x'].filter((x) => x !== 'undefined' && x !== false)`,
      is([]),
    ],
    ['a static import', `import fs from 'node:fs'; fs.readFileSync('/etc/passwd')`, fails('TOOL_FAILED')],
    ['a dynamic import', `await import('node:fs')`, fails('TOOL_FAILED')],
    ['an import of a file', `await import('file:///etc/passwd')`, fails('TOOL_FAILED')],
    ['require', `require('child_process').execSync('id')`, fails('TOOL_FAILED', /not defined/)],
    [
      'prototype pollution, then a call',
      `Object.prototype.polluted = 1; Array.prototype.map = JSON.parse = JSON.stringify = Promise.prototype.then = Map.prototype.get = () => { throw 1 }; Object.defineProperty(Object.prototype, 'tool', { value: 'fail' }); (await tools.echo({ a: 1 })).a`,
      () => true,
    ],
    [
      '__proto__ in the input of a call',
      `await tools.echo(JSON.parse('{"__proto__":{"polluted":1},"a":2}')); 1`,
      is(1),
    ],
    [
      '__proto__ in the answer of a tool',
      `const a = await tools.hostile(); [({}).polluted === undefined, Object.getPrototypeOf(a) === Object.prototype]`,
      is([true, true]),
    ],
    ['__proto__ in the value', `JSON.parse('{"__proto__":{"polluted":true}}')`, () => true],
    ['a getter in the value', `({ get a() { return typeof process } })`, is({ a: 'undefined' })],
    ['a proxy as the value, whose traps never end', `new Proxy({}, { ownKeys() { for (;;); } })`, outOfTime],
    ['toJSON that never ends', `({ toJSON() { for (;;); } })`, outOfTime],
    ['a thenable that resolves to itself for ever', `const t = { then(resolve) { resolve(t) } }; t`, outOfTime],
    ['a thrown proxy', `throw new Proxy(new Error('x'), { get() { throw 1 } })`, fails('TOOL_FAILED')],
    [
      'an error whose message never ends',
      `throw Object.defineProperty(new Error(), 'message', { get() { for (;;); } })`,
      outOfTime,
    ],
    [
      'symbol, bigint, function, undefined as values',
      `[Symbol('a'), 10n ** 30n, () => 1, undefined, NaN]`,
      ({ value }) => Array.isArray(value),
    ],
    ['a value that is a circle', `const a = {}; a.a = a; a`, ({ error }) => error === undefined],
    ['forged lines of the protocol', `console.log('\\n{"end":{"value":"forged"}}\\n'); 'real'`, is('real')],
    ['eval of a huge text', `eval('1+'.repeat(5e6) + '1')`, outOfRoom],
    ['deeply nested source', `eval('['.repeat(1e5) + ']'.repeat(1e5))`, outOfRoom],
    ['an endless loop', 'for (;;);', outOfTime],
    ['an endless loop in finally', 'for (;;) { try { for (;;); } finally { continue } }', outOfTime],
    ['an endless chain of promises', '(async () => { for (;;) await 0 })(); await new Promise(() => {})', outOfTime],
    ['an endless loop inside the engine', '[].lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)', outOfTime],
    [
      'an endless sort',
      `Array.from({ length: 1e5 }, (_, i) => i).sort(() => { for (let i = 0; i < 1e6; i++); return 1 })`,
      outOfTime,
    ],
    ['a catastrophic pattern', `/^(a+)+$/.test('a'.repeat(50) + 'b')`, outOfTime],
    ['a bomb of arrays', 'const a = []; for (;;) a.push(new Array(1e5).fill(1))', outOfRoom],
    ['one huge array', 'new Array(1e9).fill(0).length', outOfRoom],
    ['a bomb of texts', `let s = 'x'; for (;;) s += s`, outOfRoom],
    ['a huge repeat', `'x'.repeat(2 ** 30 - 30).length`, outOfRoom],
    ['a huge buffer', 'new Uint8Array(2 ** 32 - 10).fill(1).length', outOfRoom],
    ['many buffers', 'const a = []; for (;;) a.push(new ArrayBuffer(1e6))', outOfRoom],
    [
      'a bomb of closures that catches the end of memory',
      'let a = []; for (;;) try { for (;;) a.push(() => a) } catch { a.length--; }',
      outOfRoom,
    ],
    ['a huge bigint', '2n ** (2n ** 30n)', outOfRoom],
    ['deep recursion', 'const f = () => f() + 1; f()', fails('', /stack/)],
    ['deep recursion, caught', 'let n = 0; const f = () => { n++; try { f() } catch { f() } }; f(); n', outOfRoom],
    ['deep JSON', `JSON.parse('['.repeat(1e6))`, outOfRoom],
    [
      'a value too deep for the kernel',
      'let o = {}; for (let i = 0; i < 500; i++) o = { o }; o',
      fails('INVALID_ARGUMENT'),
    ],
    ['a deep value', 'let o = {}; for (let i = 0; i < 1e5; i++) o = { o }; o', () => true],
    ['a large value', `'x'.repeat(1e6)`, fails('TOO_LARGE')],
    [
      'a large input of a call',
      `await tools.echo('x'.repeat(2e6)).catch((e) => 'refused')`,
      (r) => r.error !== undefined || r.value === 'refused',
    ],
    [
      'a gigabyte of output',
      `const s = 'x'.repeat(1e5); for (let i = 0; i < 1e4; i++) console.log(s)`,
      ({ output, isCut, error }) => output.length <= 32_768 && isCut && error?.code === 'TOOL_TIMEOUT',
    ],
    ['a promise that never resolves', 'await new Promise(() => {})', fails('TOOL_FAILED', /nothing will ever resolve/)],
    [
      'a million calls at once',
      `const all = []; for (let i = 0; i < 1e6; i++) all.push(tools.echo(i).then(() => 1, () => 0)); (await Promise.all(all)).reduce((a, b) => a + b)`,
      (r) => r.error !== undefined || r.value === 32,
    ],
    [
      'calls without end',
      `let n = 0; for (;;) { await tools.echo(n); n++ }`,
      fails('TOOL_FAILED', /at most 256 calls/),
    ],
    ['a tool that it was not given', `await tools['code.start']({})`, fails('TOOL_FAILED', /not a function/)],
  ],
  () => small.act,
)

test(
  'a tool that the code was not given is refused even when it asks past its client',
  { skip: !hasWalls && 'no walls here: the refusals are tested instead' },
  async () => {
    const forged = `import json, socket
s = socket.socket(fileno=3)
s.sendall(json.dumps({'calls': [{'id': 0, 'tool': 'code.start', 'input': {}}]}).encode() + b'\\n')
print(s.recv(10000).decode())`
    assert.match((await python(forged)).output, /NO_SUCH_TOOL.*may call no tool \\?"code.start/)
  },
)

if (!hasWalls) {
  test('Python and shell are not tested on this machine', async (t) => {
    for (const { language, reason } of support) t.diagnostic(`${language}: ${reason}`)
    for (const { language, isAvailable } of support)
      if (!isAvailable) await assert.rejects(act(language, 'true'), { code: 'CONFIG_INVALID' })
  })
} else {
  describe('Python and shell', () => {
    test('have output, a value, tools and errors', async () => {
      const result = await python(`
import subprocess
print('one'); subprocess.run(['echo', 'two'])
try:
    tools.fail()
except ToolError as error:
    print(error.code)
[tools.echo(n=20)['n'] + tools.a_b_c({'n': 1})['n'] + tools['echo'](1), {'deep': [1, None]}]`)
      assert.deepEqual(result.value, [22, { deep: [1, null] }])
      assert.deepEqual(result.output.split('\n').toSorted(), ['', 'TOOL_FAILED', 'one', 'two'])
      assert.match((await python('1/0')).error?.message ?? '', /line 1.*ZeroDivisionError/s)
      assert.equal((await python('import sys; sys.exit(0)')).error, undefined)
      const said = await shell(`tool echo '{"n": [1,
        2]}' | tr 1 7; tool echo '"two\\nlines"'; tool fail || echo "failed $?"; exit 3`)
      assert.equal(said.output.replace(/TOOL_FAILED.*\n/, ''), '{"n":[7,2]}\ntwo\nlines\nfailed 1\n')
      assert.equal(said.error?.message, 'exit code 3')
    })

    test('cannot be run anew when they make other calls than before', async () => {
      const kernel = await boot({
        model: scripted([]),
        tools: [
          ...codeTools({ languages, parkedMs: 20 }),
          defineTool({ ...echo, execute: async () => pause(200, 1) }),
        ] as Tool[],
      })
      const run = kernel.spawn(
        defineProgram('fickle', (sys) =>
          codeAction(sys, { language: 'python', code: 'import time\ntools.echo(time.time_ns())' }),
        ),
        null,
      )
      assert.match((await run.result).error?.message ?? '', /made other calls than before/)
      await kernel.close()
    })
  })

  // Things of this machine that must stay out of reach.
  process.env['POLITY_TEST_SECRET'] = 'hunter2'
  const secret = `sleep-${process.pid}`
  let tcp: Server
  let unix: Server
  let port = 0
  const reached: string[] = []
  const udp = createSocket('udp4')
  before(async () => {
    tcp = createServer((socket) => void socket.destroy(void reached.push('tcp'))).listen(0, '127.0.0.1')
    unix = createServer((socket) => void socket.destroy(void reached.push('unix'))).listen(`\0polity-${process.pid}`)
    udp.on('message', () => reached.push('udp'))
    await new Promise<void>((done) => tcp.once('listening', done))
    port = (tcp.address() as AddressInfo).port
    await new Promise<void>((done) => udp.bind(port, '127.0.0.1', done))
  })
  after(() => {
    tcp.close()
    unix.close()
    udp.close()
    assert.deepEqual(reached, [], 'the network was reached')
  })

  const printed =
    (pattern: RegExp) =>
    ({ output }: CodeResult): boolean =>
      pattern.test(output)
  const silent = ({ output, value }: CodeResult): boolean =>
    !/root:|hunter2|SECRET/.test(output + JSON.stringify(value ?? null))
  const tried = (body: string): string =>
    `import os, socket, sys, ctypes, subprocess, time, threading\ntry:\n${body
      .split('\n')
      .map((line) => `    ${line}`)
      .join('\n')}\n    print('OUT')\nexcept BaseException as error:\n    print('held', type(error).__name__, error)`
  const held = ({ output }: CodeResult): boolean => output.includes('held') && !output.includes('OUT')
  /** A system call by its C name; held when it returns -1. */
  const libc = (call: string): string =>
    tried(
      `libc = ctypes.CDLL(None, use_errno=True)\nr = libc.${call}\nif r == -1: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))`,
    )

  test('what the attempts below look for is there to be found', async () => {
    const seen = reached.length
    connect(port, '127.0.0.1').on('error', assert.fail).unref()
    connect(`\0polity-${process.pid}`).on('error', assert.fail).unref()
    udp.send('x', port, '127.0.0.1')
    assert.ok(await until(() => reached.length === seen + 3, 1_000), reached.join())
    reached.length = 0
    assert.equal(process.env['POLITY_TEST_SECRET'], 'hunter2')
  })

  attempts(
    'python',
    () => [
      ['reads /etc/shadow', tried(`print(open('/etc/shadow').read())`), held],
      ['reads /etc/passwd', tried(`print(open('/etc/passwd').read())`), held],
      ['lists the home of root', tried(`print(os.listdir('/root'))`), held],
      [
        'lists /home and the sources of this test',
        tried(`print(os.listdir(${JSON.stringify(import.meta.dirname)}))`),
        held,
      ],
      ['reads the variables of the host', 'import os; print(dict(os.environ))', silent],
      [
        'reads the variables of its keepers',
        `import glob\nfor p in glob.glob('/proc/[0-9]*/environ'):\n  try: print(open(p, 'rb').read())\n  except OSError as e: print(e)`,
        silent,
      ],
      ['writes to /usr', tried(`open('/usr/lib/x', 'w')`), held],
      ['writes to /', tried(`open('/x', 'w')`), held],
      ['writes to /etc', tried(`open('/etc/x', 'w')`), held],
      ['writes to /dev', tried(`open('/dev/x', 'w')`), held],
      ['reads through /proc/self/root', tried(`print(open('/proc/self/${home}/etc/shadow').read())`), held],
      [
        'reads through /proc/1/root',
        tried(`print(open('/proc/1/${home}/etc/shadow').read()); print(os.listdir('/proc/1/${home}/${home}'))`),
        held,
      ],
      ['reads through /proc/1/cwd', tried(`print(open('/proc/1/cwd/../../../etc/shadow').read())`), held],
      [
        'finds files in descriptors that were left open',
        `import os; print([os.readlink('/proc/self/fd/' + f) for f in os.listdir('/proc/self/fd')])`,
        ({ output }) => !/\/(?!dev\/null|proc\/)/.test(output),
      ],
      ['connects to the loopback of the host', tried(`socket.create_connection(('127.0.0.1', PORT), 1)`), held],
      ['connects to the internet', tried(`socket.create_connection(('1.1.1.1', 80), 1)`), held],
      [
        'sends a datagram',
        tried(`socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('10.0.0.1', 53))`),
        held,
      ],
      ['asks a name server', tried(`socket.gethostbyname('example.org')`), held],
      [
        'connects to an abstract socket of the host',
        tried(`socket.socket(socket.AF_UNIX).connect('\\0polity-PID')`),
        held,
      ],
      ['opens a socket to the machine below', tried(`socket.socket(40, socket.SOCK_STREAM).connect((2, 1))`), held],
      ['opens a raw socket', tried(`socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)`), held],
      ['opens a netlink socket', tried(`socket.socket(16, socket.SOCK_RAW, 0)`), held],
      ['kills a process of the host', tried('os.kill(PID, 9)'), held],
      ['kills everything', tried(`os.kill(-1, 9)`), () => true],
      ['kills its keeper', `import os, time\nos.kill(1, 9)\ntime.sleep(0.2)\nprint('still here')`, () => true],
      [
        'sees processes of the host',
        `import os; [p for p in os.listdir('/proc') if p.isdigit() and int(p) > 50]`,
        is([]),
      ],
      ['traces its keeper', libc('ptrace(16, 1, 0, 0)'), held],
      ['reads the memory of its keeper', tried(`open('/proc/1/mem', 'rb').read(1)`), held],
      ['mounts', libc(`mount(b'none', b'/action', b'tmpfs', 0, None)`), held],
      ['unmounts', libc(`umount2(b'/usr', 2)`), held],
      ['makes a user namespace', libc('unshare(0x10000000)'), held],
      ['makes a user namespace by clone', libc('syscall(56, 0x10000011, 0, 0, 0, 0)'), held],
      ['enters the namespaces of its keeper', libc(`setns(os.open('/proc/1/ns/net', 0), 0)`), held],
      ['changes its root', libc(`chroot(b'/action')`), held],
      ['becomes root', tried('os.setuid(0)'), held],
      ['loads a program into the kernel', libc('syscall(321, 0, 0, 0)'), held],
      ['opens io_uring', libc('syscall(425, 8, 0)'), held],
      ['asks for the keys of the session', libc('syscall(250, 0, -3, 0)'), held],
      ['uses the other names of system calls (x32)', libc('syscall(0x40000000 + 101, 16, 1, 0, 0)'), held],
      ['hides memory in files without names', libc(`memfd_create(b'x', 0)`), held],
      [
        'makes a device',
        tried(`os.mknod('/action/sda', 0o060666, os.makedev(254, 0)); open('/action/sda', 'rb').read(1)`),
        held,
      ],
      [
        'types into the terminal of its keeper',
        tried(`import fcntl, termios; fcntl.ioctl(0, termios.TIOCSTI, b'x')`),
        held,
      ],
      ['changes the settings of the kernel', tried(`open('/proc/sys/kernel/core_pattern', 'w').write('|/x')`), held],
      ['pulls the emergency brake', tried(`open('/proc/sysrq-trigger', 'w').write('b')`), held],
      [
        'a fork bomb',
        'import os\nwhile True:\n  try: os.fork()\n  except OSError: pass',
        fails('TOOL_TIMEOUT|LIMIT_EXCEEDED|TOOL_FAILED'),
      ],
      [
        'a bomb of threads',
        'import threading, time\nn = 0\ntry:\n  while True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start(); n += 1\nexcept RuntimeError: print(n)',
        printed(/^\d\d?\n/),
      ],
      ['a memory bomb', 'a = []\nwhile True: a.append(bytearray(10**7))', fails('LIMIT_EXCEEDED')],
      [
        'a memory bomb of many processes',
        'import os, time\nfor i in range(16):\n  if os.fork() == 0:\n    a = bytearray(b"x" * 40_000_000)\n    time.sleep(60)\ntime.sleep(60)',
        fails('LIMIT_EXCEEDED', /bytes of memory/),
      ],
      ['an endless loop', 'while True: pass', outOfTime],
      ['a long sleep', 'import time; time.sleep(3600)', outOfTime],
      ['stops itself', 'import os, signal; os.kill(os.getpid(), signal.SIGSTOP)', outOfTime],
      ['fills the disk', tried(`for i in range(1000): open(f'/action/{i}', 'wb').write(b'x' * 10**6)`), held],
      ['fills /tmp', tried(`for i in range(1000): open(f'/tmp/{i}', 'wb').write(b'x' * 10**6)`), held],
      ['fills shared memory', tried(`for i in range(1000): open(f'/dev/shm/{i}', 'wb').write(b'x' * 10**6)`), held],
      ['a huge sparse file', tried(`f = open('/action/x', 'wb'); f.truncate(10**12)`), held],
      ['opens files without end', tried(`a = [open('/dev/null') for i in range(10000)]`), held],
      [
        'output without end',
        `import sys\nwhile True: sys.stdout.write('x' * 10**5)`,
        (r) => r.isCut && r.output.length <= 32_768 && fails('LIMIT_EXCEEDED|TOOL_TIMEOUT')(r),
      ],
      ['a large value', `'x' * 10**6`, fails('TOO_LARGE')],
      ['a line without end', `import os\nwhile True: os.write(3, b'x' * 10**6)`, fails('TOO_LARGE')],
      [
        'nonsense on the line',
        `import os, time\nos.write(3, b'{"calls": 7}\\n'); time.sleep(9)`,
        fails('TOOL_FAILED', /does not understand/),
      ],
      ['closes the line', `import os; os.close(3); os._exit(7)`, fails('TOOL_FAILED', /ended early/)],
      ['crashes', `import ctypes; ctypes.string_at(0)`, fails('TOOL_FAILED', /ended early/)],
      [
        'a daemon that outlives its action',
        `import os, subprocess\nif os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0:\n    os.execvp('sleep', ['${secret}', '4321'])\n  os._exit(0)\nprint('left')`,
        ({ output }) => output === 'left\n',
      ],
    ],
    () => (language, code) =>
      act(language, code.replaceAll('PORT', String(port)).replaceAll('PID', String(process.pid))),
  )

  attempts(
    'shell',
    () => [
      [
        'reads secrets',
        `cat /etc/shadow /etc/passwd /${home}/.ssh/* /home/*/.ssh/* 2>&1; env; cat /proc/*/environ 2>/dev/null | tr "\\0" "\\n"`,
        silent,
      ],
      [
        'becomes root by setuid programs',
        'for p in su sudo passwd mount newgrp pkexec; do command -v $p && timeout 1 $p 2>&1 </dev/null; done; id -u',
        printed(/65534\n$/),
      ],
      [
        'has no setuid program that works',
        'cp /usr/bin/id /action/id && chmod 4755 /action/id; /action/id -u; for p in $(find /usr/bin -perm -4000); do timeout 1 $p </dev/null >/dev/null 2>&1; done; id -u; grep CapEff /proc/self/status',
        printed(/65534\n(.*\n)*65534\nCapEff:\t0{16}/),
      ],
      [
        'links out of the work folder',
        `ln -s /etc/shadow a; cat a; ln -s /proc/1/${home}/etc/shadow b; cat b; ln /usr/bin/id c; cat ../../../../etc/shadow`,
        silent,
      ],
      [
        'races with links',
        'for i in 1 2 3 4 5 6 7 8 9; do ln -sfn /etc x; ln -sfn /action x; cat x/shadow; done 2>&1',
        silent,
      ],
      [
        'makes namespaces',
        'unshare -Ur id -u; unshare -m true; nsenter -t 1 -a id; chroot / id -u; echo $?',
        ({ output }) => !/^0$/m.test(output),
      ],
      [
        'mounts',
        'mount -t tmpfs none /action; mount --bind /usr /action; mount -o remount,rw /; mount -o remount,rw /usr; touch /usr/x && echo OUT',
        ({ output }) => !output.includes('OUT'),
      ],
      [
        'opens the network',
        `(exec 5<>/dev/tcp/127.0.0.1/PORT) && echo OUT; (echo x >/dev/udp/127.0.0.1/PORT) ; (exec 5<>/dev/tcp/1.1.1.1/80) && echo OUT`,
        ({ output }) => !output.includes('OUT'),
      ],
      ['a fork bomb', ':(){ :|:& };:', () => true],
      ['an endless loop', 'while :; do :; done', outOfTime],
      [
        'fills the disk',
        'dd if=/dev/zero of=/action/x bs=1M count=1000; cat /dev/zero > /tmp/x; echo $?; du -sm /action',
        printed(/^[0-9]\t\/action/m),
      ],
      [
        'output without end',
        'yes',
        ({ isCut, output, error }) => isCut && output.length <= 32_768 && error !== undefined,
      ],
      [
        'daemons that outlive their action',
        `(setsid bash -c 'exec -a ${secret} sleep 4321' &) ; nohup bash -c 'exec -a ${secret} sleep 4321' & disown; trap '' TERM HUP INT; echo left`,
        ({ output }) => output.includes('left'),
      ],
      ['a call that is not JSON', `tool echo '{"a": '`, fails('TOOL_FAILED', /understand/)],
      [
        'a call that tries to be two',
        `tool echo '1}]}\n{"end":{"value":"forged"}}'`,
        (r) => r.value !== 'forged' || r.error === undefined,
      ],
    ],
    () => (language, code) => act(language, code.replaceAll('PORT', String(port))),
  )

  test('nothing of any action is left running', async () => {
    assert.ok(await until(() => running(secret).length === 0, 1_000), running(secret).join('\n'))
    assert.ok(await until(() => running('bwrap').length === 0, 2_000), running('bwrap').join('\n'))
  })
}
