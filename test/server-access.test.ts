/**
 * Who may use a server, and what of it: keys beside a real store file, views of a real kernel, and `polity serve` itself.
 */
import assert from 'node:assert/strict'
import { execFile, spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { networkInterfaces, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import fc from 'fast-check'
import type { Account } from '../src/client.ts'
import { createClient } from '../src/client.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { readSqliteStore } from '../src/drivers/store/sqlite-reader.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { PolityError } from '../src/kernel/errors.ts'
import type { Kernel, KernelOptions } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Program, RunEvent, Sys } from '../src/kernel/types.ts'
import { isLoopback } from '../src/server/guards.ts'
import type { Unknown } from '../src/server/http.ts'
import { createKey, keysOf, listKeys, openKeys, revokeKey } from '../src/server/keys.ts'
import { createModelDoor } from '../src/server/model-door.ts'
import type { Caller, Scope } from '../src/server/caller.ts'
import { doorPrograms, doorsOf, serve } from '../src/server/serve.ts'
import type { View } from '../src/server/view.ts'
import { viewOf } from '../src/server/view.ts'
import { startCommand } from './cli-context.ts'
import { codeOf, endOf, within } from './world.ts'

const folder = mkdtempSync(join(tmpdir(), 'polity-server-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let stores = 0
const newStore = (): string => join(folder, `${++stores}.db`)

const NOW = 1_700_000_000_000
/** Where a process is not bounded in its files. */
const noLimit = process.platform === 'win32'
const fixed = (now = NOW) => ({ now: () => now })
const bearing = (key: string | undefined, headers: { [name: string]: string } = {}): IncomingMessage =>
  ({ headers: { ...(key === undefined ? {} : { authorization: `Bearer ${key}` }), ...headers } }) as IncomingMessage
const told = (who: Caller | Unknown): string => ('refused' in who ? `refused: ${who.refused}` : who.principal)

function isRefused(action: () => unknown, code: string, message: RegExp): void {
  assert.throws(action, (error) => PolityError.isInstance(error) && error.code === code && message.test(error.message))
}

/** What is warned of is of the test, and no noise. */
async function quietly<T>(
  action: () => T | Promise<T>,
): Promise<{ readonly value: T; readonly warnings: readonly string[] }> {
  const warnings: string[] = []
  const emit = process.emitWarning
  process.emitWarning = ((text: string) => void warnings.push(text)) as typeof process.emitWarning
  try {
    return { value: await action(), warnings }
  } finally {
    process.emitWarning = emit
  }
}

// ---------------------------------------------------------------------------------------------------------------- keys

describe('keys', () => {
  test('open what they were made for until they are revoked or expire, however they are sent', () => {
    const store = newStore()
    const { key, entry } = createKey(
      store,
      { principal: 'ada', scopes: ['runs', 'models'], label: 'laptop', priority: 3, expiresAt: NOW + 1_000 },
      NOW,
    )
    assert.match(key, /^polity_[0-9a-f]{8}_[A-Za-z0-9_-]{43}$/)
    let now = NOW
    const keys = openKeys(store, { clock: { now: () => now }, isPrivate: false })
    const ways: { [name: string]: IncomingMessage } = {
      bearer: bearing(key),
      'x-api-key': bearing(undefined, { 'x-api-key': key }),
      'both, with a stand-in': bearing('sk-none', { 'x-api-key': key }),
      basic: bearing(undefined, { authorization: `Basic ${Buffer.from(`anybody:${key}`).toString('base64')}` }),
      'lower case': bearing(undefined, { authorization: `bearer ${key}` }),
    }
    for (const [name, request] of Object.entries(ways)) {
      const who = keys.authenticate(request) as Caller
      assert.deepEqual(
        [who.principal, [...who.scopes].toSorted(), who.key, who.priority],
        ['ada', ['models', 'runs'], entry.id, 3],
        name,
      )
    }
    assert.match(told(keys.authenticate(bearing(undefined))), /^refused: this server needs a key/)
    now = NOW + 1_000
    assert.match(told(keys.authenticate(bearing(key))), /^refused: this key has expired/)
    now = NOW
    assert.equal(told(keys.authenticate(bearing(key))), 'ada')
    revokeKey(store, entry.id, NOW)
    assert.match(told(keys.authenticate(bearing(key))), /^refused: this key was revoked/)
    assert.equal(revokeKey(store, entry.id, NOW + 5).revokedAt, NOW, 'revoked once')
  })

  test('a key that is not exactly one of them opens nothing', () => {
    const store = newStore()
    const made = ['ada', 'bob'].map((principal) => createKey(store, { principal, scopes: ['admin'] }, NOW).key)
    const keys = openKeys(store, { clock: fixed(), isPrivate: true })
    const [one, two] = made as [string, string]
    const mutations = fc.oneof(
      fc
        .tuple(fc.nat(one.length - 1), fc.constantFrom(...'abcdefABCDEF0123456789_-'))
        .map(([at, char]) => one.slice(0, at) + char + one.slice(at + 1)),
      fc.nat(one.length - 1).map((length) => one.slice(0, length)),
      fc.string().map((tail) => `${one}${tail}`),
      fc.constantFrom(
        one.slice(0, 16) + two.slice(16),
        two.slice(0, 16) + one.slice(16),
        one.toUpperCase(),
        `${one} ${two}`,
        'polity_',
        '',
        'undefined',
        'null',
      ),
      fc.string(),
    )
    fc.assert(
      fc.property(
        mutations.filter((key) => !made.includes(key.trim())),
        (key) => {
          for (const request of [bearing(key), bearing(undefined, { 'x-api-key': key })])
            assert.match(told(keys.authenticate(request)), /^refused: this (key is not known|server needs a key)/)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('only hashes are kept, in a file that its owner alone may read', () => {
    const store = newStore()
    const { key } = createKey(store, { principal: 'ada', scopes: ['models'] }, NOW)
    const path = `${store}-keys`
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.doesNotMatch(readFileSync(path, 'utf8'), new RegExp(key.slice('polity_12345678_'.length)))
    assert.deepEqual(
      readdirSync(folder).filter((name) => /keys\.\d/.test(name)),
      [],
      'nothing half-made is left',
    )
    chmodSync(path, 0o644)
    isRefused(() => listKeys(store), 'CONFIG_INVALID', /others may read .*chmod 600/)
    isRefused(() => openKeys(store, { clock: fixed(), isPrivate: true }), 'CONFIG_INVALID', /others may read/)
  })

  test('what a key cannot be is refused, and nothing is written', () => {
    const store = newStore()
    const wrong = (input: object, message: RegExp): void =>
      isRefused(
        () => createKey(store, { principal: 'ada', scopes: ['models'], ...input } as never, NOW),
        'INVALID_ARGUMENT',
        message,
      )
    wrong({ principal: '' }, /principal/)
    wrong({ principal: 'a\nb' }, /principal/)
    wrong({ principal: 'nobody' }, /who has no key/)
    wrong({ scopes: [] }, /scopes/)
    wrong({ scopes: ['root'] }, /models, runs/)
    wrong({ budget: { tokens: -1 } }, /tokens and usd/)
    wrong({ budget: { tokens: 1.5 } }, /tokens and usd of at least 0, tokens whole/)
    wrong({ budget: { usd: Number.NaN } }, /tokens and usd/)
    wrong({ budget: { wallMs: 5 } }, /tokens and usd/)
    wrong({ priority: Infinity }, /priority/)
    wrong({ label: 'a\u0000' }, /label/)
    wrong({ expiresAt: NOW }, /time to come/)
    isRefused(() => revokeKey(store, 'ffffffff', NOW), 'INVALID_ARGUMENT', /polity key list/)
    assert.equal(existsSync(`${store}-keys`), false)
  })

  test('any series of edits is seen by a running server with its next request', () => {
    const principals = ['ada', 'bob']
    const action = fc.oneof(
      fc.record({
        type: fc.constant('create' as const),
        principal: fc.constantFrom(...principals),
        ms: fc.option(fc.integer({ min: 1, max: 50 })),
      }),
      fc.record({ type: fc.constant('revoke' as const), which: fc.nat(5) }),
      fc.record({ type: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 20 }) }),
    )
    fc.assert(
      fc.property(fc.array(action, { maxLength: 8 }), (actions) => {
        const store = newStore()
        let now = NOW
        const keys = openKeys(store, { clock: { now: () => now }, isPrivate: true })
        const made: { key: string; id: string; principal: string; until: number; isRevoked: boolean }[] = []
        assert.deepEqual(keys.authenticate(bearing('sk-any')), {
          principal: 'local',
          scopes: new Set(['models', 'runs', 'memory', 'files', 'approvals', 'admin']),
          key: null,
        })
        for (const one of actions) {
          if (one.type === 'pass') now += one.ms
          if (one.type === 'create') {
            const { key, entry } = createKey(
              store,
              { principal: one.principal, scopes: ['models'], ...(one.ms === null ? {} : { expiresAt: now + one.ms }) },
              now,
            )
            made.push({
              key,
              id: entry.id,
              principal: one.principal,
              until: entry.expiresAt ?? Infinity,
              isRevoked: false,
            })
          }
          const chosen = one.type === 'revoke' ? made[one.which % Math.max(1, made.length)] : undefined
          if (chosen !== undefined) {
            revokeKey(store, chosen.id, now)
            chosen.isRevoked = true
          }
          for (const { key, principal, until, isRevoked } of made) {
            const who = told(keys.authenticate(bearing(key)))
            assert.equal(who.startsWith('refused') ? 'refused' : who, isRevoked || now >= until ? 'refused' : principal)
          }
          assert.equal(
            'refused' in keys.authenticate(bearing('sk-any')),
            made.length > 0,
            'a key is needed once there is one',
          )
        }
        assert.deepEqual(
          listKeys(store).map(({ id }) => id),
          made.map(({ id }) => id),
        )
      }),
      { numRuns: 25 },
    )
  })

  test('edits of several processes at once all stay', async () => {
    const store = newStore()
    const source = `import { createKey } from ${JSON.stringify(pathToFileURL(resolve('src/server/keys.ts')).href)}
for (let i = 0; i < 6; i++) createKey(${JSON.stringify(store)}, { principal: process.argv[1], scopes: ['models'] }, ${NOW})`
    const names = ['p1', 'p2', 'p3', 'p4']
    await Promise.all(
      names.map((name) => promisify(execFile)(process.execPath, ['--input-type=module', '-e', source, name])),
    )
    for (const name of names) assert.equal(listKeys(store).filter(({ principal }) => principal === name).length, 6)
  })

  test('a file that is damaged or gone lets nobody in, and a server that starts says why', async () => {
    const store = newStore()
    const path = `${store}-keys`
    const { key } = createKey(store, { principal: 'ada', scopes: ['models'] }, NOW)
    const whole = readFileSync(path, 'utf8')
    const keys = openKeys(store, { clock: fixed(), isPrivate: true })
    const write = (text: string): void => writeFileSync(path, text, { mode: 0o600 })
    const damage = fc.oneof(
      fc.nat(whole.length - 1).map((length) => whole.slice(0, length)),
      fc
        .tuple(fc.nat(whole.length - 1), fc.string({ minLength: 1, maxLength: 3 }))
        .map(([at, text]) => whole.slice(0, at) + text + whole.slice(at + 1)),
      fc.constantFrom(
        '',
        '[]',
        'null',
        '{}',
        '{"format":1}',
        '{"format":2,"keys":[]}',
        '{"format":1,"keys":[{}]}',
        '{"format":1,"keys":{}}',
      ),
    )
    const { warnings } = await quietly(() =>
      fc.assert(
        fc.property(damage, (text) => {
          write(text)
          const who = keys.authenticate(bearing(key))
          const stranger = keys.authenticate(bearing('sk-any'))
          assert.ok('refused' in stranger, 'no damage opens the server')
          // A changed label is no damage; then the key is what it was.
          if (!('refused' in who)) assert.equal(who.key, key.slice(7, 15))
          write(whole)
          assert.equal(told(keys.authenticate(bearing(key))), 'ada', 'mended, it opens again')
        }),
        { numRuns: 150 },
      ),
    )
    assert.match(warnings[0] ?? '', /nobody is let in/)
    write('{"format":1,"keys":[{}]}')
    isRefused(
      () => openKeys(store, { clock: fixed(), isPrivate: true }),
      'CONFIG_INVALID',
      /entry 1 is not one of a key.*backup/,
    )
    isRefused(() => createKey(store, { principal: 'ada', scopes: ['models'] }, NOW), 'CONFIG_INVALID', /damaged/)
    assert.equal(readFileSync(path, 'utf8'), '{"format":1,"keys":[{}]}', 'what is damaged is not written over')
    write(whole)
    await quietly(() => {
      rmSync(path)
      assert.match(told(keys.authenticate(bearing('sk-any'))), /^refused: the keys of this server cannot be read/)
    })
  })

  test('an error that passes keeps nobody out once it has passed, and is warned of once', async () => {
    const store = newStore()
    const { key } = createKey(store, { principal: 'ada', scopes: ['models'] }, NOW)
    let fails = false
    const heard: number[] = []
    const onKeys = (entries: readonly unknown[]): void => {
      if (fails) throw new Error('the account cannot be read')
      heard.push(entries.length)
    }
    const keys = openKeys(store, { clock: fixed(), isPrivate: true, onKeys })
    createKey(store, { principal: 'bob', scopes: ['models'] }, NOW)
    const { warnings } = await quietly(() => {
      fails = true
      for (let i = 0; i < 3; i++)
        assert.match(told(keys.authenticate(bearing(key))), /^refused: the keys of this server cannot be read/)
      fails = false
      for (let i = 0; i < 3; i++) assert.equal(told(keys.authenticate(bearing(key))), 'ada')
    })
    assert.deepEqual(heard, [1, 2], 'an edit is heard once')
    assert.equal(warnings.length, 1, warnings.join('\n'))
  })

  test('a server that had no file descriptor left for its keys reads them once it has one', { skip: noLimit }, () => {
    const store = newStore()
    const { key } = createKey(store, { principal: 'ada', scopes: ['models'] }, NOW)
    const source = `import { closeSync, openSync } from 'node:fs'
import { createKey, openKeys } from ${JSON.stringify(pathToFileURL(resolve('src/server/keys.ts')).href)}
const [store, key] = process.argv.slice(1)
const keys = openKeys(store, { clock: { now: () => ${NOW} }, isPrivate: true })
const who = () => keys.authenticate({ headers: { 'x-api-key': key } })
createKey(store, { principal: 'bob', scopes: ['models'] }, ${NOW})
const taken = []
try { for (;;) taken.push(openSync('/dev/null')) } catch (error) { if (error.code !== 'EMFILE') throw error }
const without = who().isFault
for (const one of taken) closeSync(one)
console.log(without, who().principal)`
    const words = ['-c', 'ulimit -n 256 && exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', source]
    const { stdout, stderr } = spawnSync('sh', [...words, store, key], { encoding: 'utf8' })
    assert.equal(stdout, 'true ada\n', stderr)
    assert.match(stderr, /nobody is let in.*EMFILE/)
  })
})

// --------------------------------------------------------------------------------------------------------------- views

const waits = defineProgram('waits', async (sys: Sys, input) => {
  await sys.receive()
  return input
})
const asks = defineProgram('asks', (sys: Sys) => sys.ask('Which?', { choices: ['red', 'blue'] }))
const says = defineProgram('says', async (sys: Sys, text: string) => {
  await sys.sleep(0)
  return `${sys.principal} says ${text}`
})
const programs = [waits, asks, says] as unknown as readonly Program[]

const kernels: Kernel[] = []
after(() => Promise.all(kernels.map((kernel) => kernel.close())))

function kernelFor(): Kernel {
  const kernel = createKernel({ store: memoryStore(), programs, models: { main: scripted(() => 'hello') } })
  kernels.push(kernel)
  return kernel
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let tries = 0; !isSo(); tries++) {
    assert.ok(tries < 1_000, what)
    await pause(2)
  }
}

const callerOf = (principal: string, more: Partial<Caller> = {}): Caller => ({
  principal,
  scopes: new Set<Scope>(['runs']),
  key: null,
  ...more,
})

describe('views', () => {
  test('show each principal its own processes and nothing of any other', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('ada', 'bob', 'eve'), { minLength: 1, maxLength: 8 }),
        async (owners) => {
          const kernel = kernelFor()
          const views = new Map(['ada', 'bob', 'eve'].map((name) => [name, viewOf(kernel, callerOf(name), programs)]))
          const heard = new Map<string, RunEvent[]>([...views.keys()].map((name) => [name, []]))
          for (const [name, view] of views) view.watch((event) => void heard.get(name)?.push(event))
          const pids = owners.map((name, i) => {
            const started = (views.get(name) as View).spawn(i % 2 === 0 ? 'waits' : 'asks', i)
            return started.pid
          })
          await until('all wait', () => pids.every((pid) => kernel.info(pid).waiting !== null))
          await kernel.flush()
          const missing = 999_999
          for (const [name, view] of views) {
            const own = pids.filter((_, i) => owners[i] === name)
            assert.deepEqual(
              view.ps().map(({ pid }) => pid),
              own,
            )
            assert.deepEqual([...new Set(heard.get(name)?.map(({ pid }) => pid))].toSorted(), own.toSorted())
            assert.deepEqual(
              view.questions.map(({ pid }) => pid).toSorted(),
              own.filter((pid) => kernel.info(pid).program === 'asks').toSorted(),
            )
            for (const pid of own) assert.equal((await view.events(pid)).length > 0, true)
            const foreign = pids.find((_, i) => owners[i] !== name)
            const looks: { readonly [name: string]: (pid: number) => unknown } = {
              info: view.info,
              run: view.run,
              events: view.events,
              fork: (pid) => view.fork(pid),
              replay: view.replay,
              resume: view.resume,
              kill: (pid) => view.kill(pid, 'mine now'),
              send: (pid) => view.send(pid, 'psst'),
            }
            for (const [what, look] of Object.entries(looks)) {
              const said = async (pid: number) => endOf((async () => look(pid))())
              const none = await said(missing)
              assert.deepEqual(none, { code: 'NO_SUCH_PROCESS', message: `there is no process ${missing}` }, what)
              if (foreign === undefined) continue
              assert.deepEqual(
                await said(foreign),
                { code: 'NO_SUCH_PROCESS', message: `there is no process ${foreign}` },
                what,
              )
            }
            for (const { id, pid } of kernel.questions) {
              if (own.includes(pid)) continue
              const end = await endOf((async () => view.answer(id, 'red'))())
              const none = await endOf((async () => view.answer(missing, 'red'))())
              assert.deepEqual(
                [codeOf(end), 'message' in end && end.message],
                [codeOf(none), 'message' in none && none.message.replace(String(missing), String(id))],
              )
            }
          }
          assert.ok(
            pids.every((pid) => kernel.info(pid).state === 'running'),
            'nobody touched what is not theirs',
          )
          const all = viewOf(kernel, callerOf('root', { scopes: new Set(['admin']) }), programs)
          assert.deepEqual(
            all.ps().map(({ pid }) => pid),
            pids,
          )
          assert.equal(all.questions.length, kernel.questions.length)
          for (const pid of pids) all.kill(pid)
          await kernel.close()
        },
      ),
      { numRuns: 25 },
    )
  })

  test('start programs on behalf of their caller, whatever the caller says', async () => {
    const kernel = kernelFor()
    kernel.account('k1', { tokens: 1_000 })
    const view = viewOf(kernel, callerOf('ada', { key: 'k1', priority: 2 }), programs)
    assert.equal(await view.spawn('says', 'hi').result, 'ada says hi')
    assert.equal(await view.spawn('says@1', 'hi').result, 'ada says hi')
    const priorities = [undefined, 1, 2, 9].map(
      (priority) => view.spawn('waits', null, priority === undefined ? {} : { priority }).info().priority,
    )
    assert.deepEqual(priorities, [2, 1, 2, 2], 'the priority of the key is the default and the most')
    const start = (await view.events(view.spawn('waits', null).pid))[0]
    assert.ok(start?.type === 'process-start' && start.account === 'k1' && start.principal === 'ada')
    for (const wrong of [{ principal: 'root' }, { account: 'k2' }, { after: 1 }, { labels: [] }])
      isRefused(
        () => view.spawn('waits', null, wrong as never),
        'INVALID_ARGUMENT',
        /spawn: options takes budget, priority, tools, name, law/,
      )
    isRefused(() => view.spawn('waits', null, { priority: 'high' } as never), 'INVALID_ARGUMENT', /priority/)
    view.spawn('asks', null)
    await until('the question', () => view.questions.length === 1)
    const [question] = view.questions
    view.answer(question?.id ?? 0, 'blue')
    assert.equal(await view.run(question?.pid ?? 0).result, 'blue')
    await kernel.close()
  })

  test('run nothing that is not served: not what another’s run spawned, not another’s request to a model', async () => {
    const kernel = kernelFor()
    const bob = viewOf(kernel, callerOf('bob'), programs)
    const ada = callerOf('ada')
    await createModelDoor(kernel).generate({ caller: ada, messages: [{ role: 'user', content: 'the secret of ada' }] })
    await createModelDoor(kernel).generate({
      caller: { principal: 'bob' },
      messages: [{ role: 'user', content: 'of bob' }],
    })
    await createModelDoor(kernel).generate({ caller: ada, messages: [{ role: 'user', content: 'the secret of ada' }] })
    const inner = defineProgram('inner', async (sys: Sys) => sys.sleep(0))
    await kernel.spawn(inner, null, { principal: 'ada' }).result
    for (const name of ['gateway', 'gateway@1', 'inner', 'nothing', '', null])
      isRefused(() => bob.spawn(name as string, null), 'NO_SUCH_PROGRAM', /there are waits, asks, says/)
    const own = bob.ps().find(({ program }) => program === 'gateway')?.pid ?? 0
    for (const again of [() => bob.fork(own, { at: 0 }), () => bob.replay(own), async () => bob.resume(own)])
      assert.equal(codeOf(await endOf(again())), 'NO_SUCH_PROGRAM')
    const done = bob.spawn('says', 'hi')
    await done.result
    assert.deepEqual(await bob.replay(done.pid), { same: true, calls: 1 })
    const again = await bob.fork(done.pid, { at: 0 })
    assert.deepEqual([await again.result, again.info().principal], ['bob says hi', 'bob'])
    // Another program of the same name, spawned by somebody's run, does not take the place of the one that is served.
    const fake = defineProgram('says', async () => 'taken over') as unknown as Program
    await kernel.spawn(fake, null).result
    assert.equal(await bob.spawn('says', 'hi').result, 'bob says hi')
    await kernel.close()
  })
})

// --------------------------------------------------------------------------------------------------------------- serve

const bin = resolve('bin/polity.js')
const env = { ...process.env, POLITY_STORE: '', POLITY_DEBUG: '', NO_COLOR: '1' }

function runCli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((done) => {
    execFile(process.execPath, [bin, ...args], { cwd: folder, env }, (error, out, err) =>
      done({ code: error === null ? 0 : Number(error.code), out, err }),
    )
  })
}

describe('serve', () => {
  test('is for this machine only until there is a key', async () => {
    const kernel = kernelFor()
    const store = newStore()
    const start = (options: object) => serve({ kernel, store, doors: [], port: 0, ...options })
    for (const options of [
      { host: '0.0.0.0' },
      { host: '::' },
      { host: '10.0.0.1' },
      { allowHosts: ['agents.example.com'] },
    ]) {
      const end = await endOf(start(options))
      assert.ok(
        'message' in end && end.code === 'CONFIG_INVALID' && /polity key create/.test(end.message),
        JSON.stringify(options),
      )
    }
    const { entry } = createKey(store, { principal: 'ada', scopes: ['models'] }, NOW)
    const server = await start({ host: '0.0.0.0' })
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((one) => one?.family === 'IPv4' && !one.internal)?.address
    for (const address of ['127.0.0.1', ...(outside === undefined ? [] : [outside])])
      assert.equal((await fetch(`http://${address}:${server.port}/healthz`)).status, 200, address)
    await server.close()
    revokeKey(store, entry.id, NOW)
    assert.equal(codeOf(await endOf(start({ host: '0.0.0.0' }))), 'CONFIG_INVALID', 'a revoked key is none')
    for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', '::1', 'app.localhost'])
      assert.ok(isLoopback(host), host)
    for (const host of [
      '0.0.0.0',
      '::',
      '10.0.0.1',
      '128.0.0.1',
      'localhost.evil.com',
      '::ffff:1.2.3.4',
      '127.0.0.1.evil.com',
      '',
    ])
      assert.ok(!isLoopback(host), host)
    await kernel.close()
  })

  test('a key that is revoked or expires hears no more on the streams that it opened', async () => {
    const says = defineProgram('says', async (_sys: Sys, text: string) => text) as unknown as Program
    for (const how of ['revoked', 'expired', 'first key'] as const) {
      const kernel = createKernel({ store: memoryStore(), programs: [says, ...doorPrograms] })
      const store = newStore()
      const root = { principal: 'root', scopes: ['admin'] as const }
      const expiresAt = Date.now() + 1_000
      const made =
        how === 'first key'
          ? undefined
          : createKey(store, how === 'expired' ? { ...root, expiresAt } : root, Date.now())
      const other = made && createKey(store, root, Date.now())
      const server = await serve({
        kernel,
        store,
        port: 0,
        doors: doorsOf({ kernel, programs: [says] }),
        limits: { heartbeatMs: 50 },
      })
      const opened = async (key: string | undefined) => {
        const response = await fetch(`${server.url}/api/v1/events`, {
          headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
        })
        assert.equal(response.status, 200)
        let text = ''
        const gone = (async () => {
          const decoder = new TextDecoder()
          for await (const chunk of response.body as ReadableStream<Uint8Array>) text += decoder.decode(chunk)
        })()
        gone.catch(() => {})
        return { gone, said: () => text }
      }
      const stream = await opened(made?.key)
      const still = other && (await opened(other.key))
      await kernel.spawn(says, 'before-it').result
      await until('what happens before', () => stream.said().includes('before-it'))
      if (how === 'revoked') revokeKey(store, made?.entry.id ?? '', Date.now())
      if (how === 'first key') createKey(store, root, Date.now())
      await within(3_000, stream.gone, `the stream, ${how}`)
      await kernel.spawn(says, 'after-it').result
      if (still !== undefined) await until('another key hears on', () => still.said().includes('after-it'))
      assert.doesNotMatch(stream.said(), /after-it/)
      await server.close()
      await kernel.close()
    }
  })

  test('counts all that is done with a key against its budget, and tells whether it is of use', async () => {
    const kernel = kernelFor()
    const store = newStore()
    const models = createModelDoor(kernel)
    const door = {
      routes: [
        {
          method: 'POST',
          path: '/ask',
          scope: 'models',
          async handle({ caller, reply }) {
            reply(
              200,
              (
                await models.generate({
                  caller,
                  messages: [{ role: 'user', content: 'hi' }],
                  settings: { maxOutputTokens: 20 },
                })
              ).generation.text,
            )
          },
        },
      ],
    } as const satisfies import('../src/server/route.ts').Door
    const server = await serve({ kernel, store, doors: [door], port: 0 })
    const ask = (key: string) =>
      fetch(`${server.url}/ask`, { method: 'POST', headers: { authorization: `Bearer ${key}` } })
    assert.equal((await ask('sk-any')).status, 200)
    const { key, entry } = createKey(store, { principal: 'ada', scopes: ['models'], budget: { tokens: 100 } }, NOW)
    assert.equal((await ask('sk-any')).status, 401)
    const statuses: number[] = []
    for (let i = 0; i < 20; i++) statuses.push((await ask(key)).status)
    assert.deepEqual([statuses[0], statuses.at(-1)], [200, 402])
    const { used } = kernel.account(entry.id)
    assert.ok(used.inputTokens + used.outputTokens <= 100)
    assert.deepEqual(await (await fetch(`${server.url}/healthz`)).json(), { status: 'ok' })
    await kernel.close()
    const ill = await fetch(`${server.url}/healthz`)
    assert.deepEqual([ill.status, ill.headers.get('retry-after')], [503, '1'])
    await server.close()
  })

  test('an owner sees what every key has spent, beside a server and alone; a key sees its own, whatever it opens', async () => {
    const path = newStore()
    const open = () =>
      createKernel({
        store: openSqliteStore(path),
        models: { main: scripted(() => ({ text: 'yes' })) },
        programs: [...doorPrograms],
      })
    const root = createKey(path, { principal: 'root', scopes: ['admin'] }, NOW)
    const near = createKey(path, { principal: 'ada', scopes: ['models'], budget: { tokens: 400 }, label: 'near' }, NOW)
    const fresh = createKey(path, { principal: 'mia', scopes: ['files'], budget: { usd: 2 } }, NOW)
    const listed = async (): Promise<{ readonly [id: string]: { readonly tokens: number; readonly usd: number } }> => {
      const { code, out } = await runCli('key', 'list', '--json', '--store', path)
      assert.equal(code, 0)
      const all = JSON.parse(out) as { id: string; spent: { tokens: number; usd: number } }[]
      return Object.fromEntries(all.map(({ id, spent }) => [id, spent]))
    }
    const nothing = { tokens: 0, usd: 0 }
    assert.deepEqual(await listed(), { [root.entry.id]: nothing, [near.entry.id]: nothing, [fresh.entry.id]: nothing })

    const kernel = open()
    const server = await serve({
      kernel,
      store: path,
      doors: doorsOf({ kernel, programs: [], keys: keysOf(path) }),
      port: 0,
    })
    const ask = async (max: number): Promise<number> => {
      const answer = await fetch(`${server.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${near.key}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          model: 'main',
          max_tokens: max,
          messages: [{ role: 'user', content: 'x '.repeat(200) }],
        }),
      })
      await answer.text()
      return answer.status
    }
    const as = (key: string) => createClient({ url: server.url, key })
    let spent = 0
    try {
      assert.equal(await ask(10), 200)
      const all = (await as(root.key).budgets()).accounts
      assert.deepEqual(
        all.map(({ name, holder }) => [name, holder?.principal]).toSorted(),
        [
          [root.entry.id, 'root'],
          [near.entry.id, 'ada'],
          [fresh.entry.id, 'mia'],
        ].toSorted(),
      )
      const { used, budget, holder } = all.find(({ name }) => name === near.entry.id) as Account
      spent = used.inputTokens + used.outputTokens
      assert.ok(spent > 0)
      assert.deepEqual([budget, holder], [{ tokens: 400 }, { principal: 'ada', label: 'near', isOpen: true }])
      for (const { key, entry } of [near, fresh]) {
        const { account, accounts } = await as(key).budgets()
        assert.deepEqual([account?.name, accounts.length], [entry.id, 1])
      }
      assert.deepEqual((await listed())[near.entry.id], { tokens: spent, usd: 0 }, 'beside a server')
      const { out } = await runCli('key', 'list', '--store', path)
      assert.match(out, new RegExp(`ada .* 400 tokens +${spent} tokens \\(${Math.floor(spent / 4)}%\\) .*near`))
      assert.match(out, /mia .* \$2\.00 +- /)
    } finally {
      await server.close()
      await kernel.close()
    }
    assert.deepEqual((await listed())[near.entry.id], { tokens: spent, usd: 0 }, 'alone')
    // A store that cannot be read is no reason not to see the keys.
    writeFileSync(path, 'nothing')
    const ill = await runCli('key', 'list', '--store', path)
    assert.deepEqual([ill.code, /ada .*\?/.test(ill.out)], [0, true], ill.err)
    assert.match(ill.err, /what was spent cannot be read/)
  })

  test('a key that tries to fill the disk is refused when its room in the store is full, and nobody else is', async () => {
    const path = newStore()
    const bytesMax = 1_000_000
    const embedder = {
      specificationVersion: 'v4',
      provider: 'test',
      modelId: 'embed',
      maxEmbeddingsPerCall: undefined,
      supportsParallelCalls: true,
      doEmbed: ({ values }: { values: string[] }) =>
        Promise.resolve({ embeddings: values.map(() => Array.from({ length: 512 }, (_, i) => i / 512)), warnings: [] }),
    }
    const kernel = createKernel({
      store: openSqliteStore(path),
      models: { main: scripted(() => ({ text: 'yes' })) },
      embedder: { name: 'embed', model: embedder } as unknown as NonNullable<KernelOptions['embedder']>,
      programs: [...doorPrograms],
    })
    const scopes = ['models', 'memory', 'runs'] as const
    const greedy = createKey(path, { principal: 'eve', scopes, budget: { tokens: 0 } }, NOW)
    const modest = createKey(path, { principal: 'ada', scopes: ['models', 'memory'] }, NOW)
    const server = await serve({
      kernel,
      store: path,
      doors: doorsOf({ kernel, programs: [] }),
      port: 0,
      limits: { keyBytesPerDayMax: bytesMax },
    })
    const send = async (key: string, method: string, at: string, body?: unknown) => {
      const answer = await fetch(`${server.url}${at}`, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const { status, headers } = answer
      const soon = headers.get('x-should-retry')
      return { status, text: await answer.text(), after: Number(headers.get('retry-after')), soon }
    }
    const chat = (key: string, chars: number) =>
      send(key, 'POST', '/v1/chat/completions', {
        model: 'main',
        messages: [{ role: 'user', content: 'x'.repeat(chars) }],
      })
    try {
      // Its budget is spent from the start: each of these is refused, and journaled all the same while there is room.
      const refused: number[] = []
      for (let i = 0; i < 12; i++) refused.push((await chat(greedy.key, 150_000)).status)
      assert.equal(refused[0], 429)
      const full = await chat(greedy.key, 150_000)
      assert.match(full.text, /has written \d+ bytes into the store within a day; its limit is 1000000/)
      // Whatever else a key can do that is written for it.
      const before = kernel.account(greedy.entry.id).room?.bytes ?? 0
      assert.ok(before >= bytesMax && before < bytesMax + 4 * 150_000, `${before} bytes`)
      // When to come again, and how full it is, are told truly.
      const againS = (before / bytesMax - 1) * 86_400
      const note = await send(greedy.key, 'POST', '/api/v1/notes', { text: 'y' })
      const { error } = JSON.parse(note.text) as {
        error: { todo: string; retryable: boolean; detail: { retryMs: number } }
      }
      assert.match(error.todo, /^Come again when `retry-after` has passed, or ask who runs this server for more room/)
      assert.equal(note.after, Math.ceil(error.detail.retryMs / 1_000))
      // It passes by itself; but not so soon that a client should try again at once.
      assert.deepEqual([error.retryable, note.soon], [true, 'false'])
      for (const { after } of [full, note])
        assert.ok(after > 1 && Math.abs(after - againS) < 30, `${after} s, not ${againS}`)
      const seen = createClient({ url: server.url, key: greedy.key })
      const { room } = (await seen.budgets()).account ?? {}
      assert.equal(room?.bytesPerDay, bytesMax)
      assert.ok(Math.abs((room?.bytes ?? 0) - before) < 1_000, `${room?.bytes} bytes, not ${before}`)
      const ways = await Promise.all([
        ...Array.from({ length: 20 }, () => chat(greedy.key, 100_000)),
        ...Array.from({ length: 20 }, () =>
          send(greedy.key, 'POST', '/v1/embeddings', { model: 'embed', input: ['a', 'b', 'c'] }),
        ),
        ...Array.from({ length: 20 }, () => send(greedy.key, 'POST', '/api/v1/notes', { text: 'y'.repeat(50_000) })),
        ...Array.from({ length: 20 }, () => send(greedy.key, 'GET', '/api/v1/notes')),
      ])
      assert.deepEqual([...new Set(ways.map(({ status }) => status))], [429], ways[0]?.text)
      assert.ok((kernel.account(greedy.entry.id).room?.bytes ?? 0) <= before, 'nothing more was written for it')
      assert.equal((await chat(modest.key, 1_000)).status, 200)
    } finally {
      await server.close()
      await kernel.close()
    }
    const reader = readSqliteStore(path)
    const kept = [...reader.processes()].filter(({ start }) => start.principal === 'eve')
    const bytes = kept
      .flatMap(({ start: { pid } }) => reader.events(pid))
      .reduce((sum, event) => sum + JSON.stringify(event).length, 0)
    reader.close()
    assert.ok(kept.length < 12 && bytes < bytesMax + 4 * 150_000, `${kept.length} processes, ${bytes} bytes`)
  })

  test('`polity serve` says of its keys what a request meets', async () => {
    const started = async (storePath: string, isJson: boolean) => {
      const { said, code, stop } = startCommand({ storePath, isJson }, 'serve', '--port', '0')
      for (let tries = 0; !said.out.endsWith('\n'); tries++) {
        assert.ok(tries < 1_000, said.err)
        await pause(10)
      }
      const url = String(/http:[^"\s]+/.exec(said.out)?.[0])
      const { status } = await fetch(`${url}/v1/models`, { headers: { authorization: 'Bearer none' } })
      stop()
      assert.equal(await code, 130, said.err)
      return { out: said.out, status }
    }
    const now = Date.now()
    const store = newStore()
    const ask = { principal: 'ada', scopes: ['models'] } as const
    const create = 'polity key create <principal>'
    for (const [edit, banner, key, json, status] of [
      [() => {}, `none: everybody on this machine may do everything; ${create} ends that`, 'none', [0, false], 200],
      [
        () => revokeKey(store, createKey(store, ask, now).entry.id, now),
        `all were revoked or have expired: nobody is let in; ${create} makes another`,
        'polity_…',
        [0, true],
        401,
      ],
      [
        () => createKey(store, { ...ask, expiresAt: now - 1 }, now - 2),
        `all were revoked or have expired: nobody is let in; ${create} makes another`,
        'polity_…',
        [0, true],
        401,
      ],
      [() => createKey(store, ask, now), '1 key: polity key list', 'polity_…', [1, true], 401],
    ] as const) {
      edit()
      const text = await started(store, false)
      assert.equal(/^keys +(.*)$/m.exec(text.out)?.[1], banner)
      assert.equal(/^export OPENAI_API_KEY=(.*)$/m.exec(text.out)?.[1], key)
      assert.equal(text.status, status)
      const { keys, needsKey } = JSON.parse((await started(store, true)).out) as { keys: number; needsKey: boolean }
      assert.deepEqual([keys, needsKey], json)
    }
  })

  test('`polity serve` and `polity key`, as they are lived with', async () => {
    const file = join(folder, 'slow.ts')
    writeFileSync(file, 'export default async function slow(sys, ms) { await sys.sleep(ms); return sys.principal }\n')
    const limits = ['--limit', 'processesKeptMax=10', '--limit', 'mcpSessionsPerPrincipalMax=1', '--cache', '54']
    const words = ['serve', 'slow.ts', '--port', '0', '--json', ...limits]
    const child = spawn(process.execPath, [bin, ...words], { cwd: folder, env })
    let out = ''
    let err = ''
    child.stdout.on('data', (text) => (out += text))
    child.stderr.on('data', (text) => (err += text))
    const ended = new Promise<number | null>((done) => child.once('exit', done))
    try {
      await within(
        20_000,
        new Promise<void>((done) => child.stdout.on('data', () => out.endsWith('\n') && done())),
        'the first line',
      )
      const {
        url,
        models,
        programs: names,
        keys,
      } = JSON.parse(out) as { url: string; models: string[]; programs: string[]; keys: number }
      assert.deepEqual([models, names, keys], [['offline/reader'], ['slow'], 0])
      assert.equal((await fetch(`${url}/v1/models`, { headers: { authorization: 'Bearer sk-any' } })).status, 200)
      const inForce = (await (await fetch(`${url}/api/v1/limits`)).json()) as { [name: string]: number }
      assert.deepEqual([inForce['processesKeptMax'], inForce['notesCachedBytesMax']], [10, 4 * 2 ** 20])
      const session = async (id?: string): Promise<Response> =>
        fetch(`${url}/mcp`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            ...(id === undefined ? {} : { 'mcp-session-id': id }),
          },
          body: JSON.stringify({
            jsonrpc: '2.0',
            id: 1,
            method: id === undefined ? 'initialize' : 'ping',
            params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
          }),
        })
      const begin = async (): Promise<string> => {
        const response = await session()
        await response.text()
        return String(response.headers.get('mcp-session-id'))
      }
      const [first, second] = [await begin(), await begin()]
      assert.deepEqual([(await session(first)).status, (await session(second)).status], [404, 200])
      const begun = await fetch(`${url}/api/v1/processes`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"program":"slow","input":60000}',
      })
      const { pid, principal } = (await begun.json()) as { pid: number; principal: string }
      assert.equal(principal, 'local')
      const made = await runCli('key', 'create', 'ada', '--budget-tokens', '5000', '--label', 'a b')
      assert.match(made.err, /^key [0-9a-f]{8} of ada opens models; it is shown this once\n$/)
      const key = made.out.trim()
      const status = async (): Promise<number> =>
        (await fetch(`${url}/v1/models`, { headers: { 'x-api-key': key } })).status
      assert.equal(await status(), 200)
      assert.equal((await fetch(`${url}/v1/models`)).status, 401)
      assert.match((await runCli('doctor')).out, /^ok +keys +1 key, 0 of them revoked$/m)
      const [list, wrong] = await Promise.all([runCli('key', 'list'), runCli('key', 'create', 'x', '--scope', 'root')])
      assert.match(list.out, /^ID +PRINCIPAL.*\n[0-9a-f]{8} +ada +models +5000 tokens .* open +a b\n$/)
      assert.deepEqual([wrong.code, wrong.out], [2, ''])
      for (const [given, why] of [
        ['--limit=none=1', /there is no limit none; those of the kernel/],
        ['--limit=processesKeptMax', /--limit takes a name and a number/],
        ['--limit=processesKeptMax=few', /not processesKeptMax=few/],
        ['--cache=0', /--cache takes a whole number of at least 1/],
      ] as const) {
        const refused = await runCli('serve', given, '--store', 'other.db')
        assert.deepEqual([refused.code, refused.out], [2, ''], given)
        assert.match(refused.err, why)
      }
      assert.equal((await runCli('key', 'revoke', key.slice(7, 15))).code, 0)
      assert.equal(await status(), 401)
      child.kill('SIGINT')
      assert.equal(await within(6_000, ended, 'the end'), 130, err)
      assert.match(err, new RegExp(`Process ${pid} is stopped; go on with: .* resume ${pid}\\n$`))
      const kept = readSqliteStore(join(folder, '.polity/polity.db'))
      const setup = kept.get('meta', `setup/${pid}`)
      kept.close()
      assert.equal(JSON.parse(String(setup)).setup.program, file, 'resume finds its file')
    } finally {
      child.kill('SIGKILL')
    }
  })
})
