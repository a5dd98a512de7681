/**
 * What a run was begun with: it goes on under another law, or with another price, only where somebody says so, on the command
 * line alone, beside a server and by the server's own door. Real stores, a real server on a port; the commands run here.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { loadCommand } from '../src/cli/commands.ts'
import { parseCommandLine } from '../src/cli/options.ts'
import { exitCodeOf, sentenceOf } from '../src/cli/report.ts'
import { bootServing } from '../src/cli/serving.ts'
import type { Setup } from '../src/cli/setup.ts'
import { pidOfSetup } from '../src/cli/setup.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { readSqliteStore, readStatus, sendCommand } from '../src/drivers/store/sqlite-reader.ts'
import type { Outcome as KernelOutcome } from '../src/kernel/commands.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { serve } from '../src/server/serve.ts'
import { cliContext } from './cli-context.ts'

const folder = mkdtempSync(join(tmpdir(), 'polity-begun-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const sleeper = file(
  'sleeper.ts',
  'export default async function sleeper(sys, ms) { await sys.sleep(ms); return ms }\n',
)
const first = '{"rules":[{"id":"all","effect":"allow","tool":"read_*"}]}'
const formatted = '{ "rules": [\n  { "tool": "read_*", "effect": "allow", "id": "all" }\n] }\n'
const other = '{"rules":[{"id":"all","effect":"allow","tool":"*"}]}'

interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** A command on a store, which a signal interrupts. */
async function interruptible(
  storePath: string,
  interrupted: AbortSignal,
  [name, ...words]: readonly string[],
): Promise<Outcome> {
  const { context, said } = cliContext({ storePath, interrupted, isJson: words.includes('--json') })
  const command = await loadCommand(name as string)
  assert.ok(command !== undefined)
  try {
    const code = await command.run(context, parseCommandLine(command, words))
    return { ...said, code }
  } catch (error) {
    return { out: said.out, err: `${said.err}${sentenceOf(error)}\n`, code: exitCodeOf(error) }
  }
}

/** The commands of one store. */
/** Commands on a store; runs of it sleep so long, stopped or not, counted from when they began. */
function commandsOn(storePath: string, sleepMs = 400) {
  const polity = (...words: string[]): Promise<Outcome> => interruptible(storePath, new AbortController().signal, words)

  /** Begins a run, and stops it while it sleeps. */
  async function stopped(...more: string[]): Promise<string> {
    const interruption = new AbortController()
    const run = interruptible(storePath, interruption.signal, ['run', sleeper, String(sleepMs), ...more])
    for (let tries = 0; tries < 500; tries++) {
      await pause(10)
      try {
        const reader = readSqliteStore(storePath)
        const [last] = reader.processes({ reverse: true })
        const sleeps = last?.end === undefined && reader.events(last?.start.pid ?? 0).at(-1)?.type === 'call-start'
        reader.close()
        if (!sleeps) continue
        interruption.abort('SIGINT')
        assert.equal((await run).code, 130)
        return String(last?.start.pid)
      } catch {
        // The store is only being made.
      }
    }
    throw new Error('it did not sleep')
  }

  return { polity, stopped }
}

/** Changes what was noted of the runs of a store, as if an earlier version had noted it. */
async function renote(storePath: string, change: (setup: Setup) => Setup): Promise<void> {
  const store = openSqliteStore(storePath)
  const kernel = createKernel({ store })
  for (const [key, value] of store.range('meta', 'setup/', 'setup0')) {
    const { setup, at } = JSON.parse(String(value)) as { setup: Setup; at: number }
    assert.ok(pidOfSetup(key) > 0)
    kernel.keep(key, JSON.stringify({ setup: change(setup), at }))
  }
  await kernel.close()
}

const serving = (storePath: string, law: string | undefined, price?: number) =>
  bootServing(cliContext({ storePath }).context, {
    files: [sleeper],
    models: [],
    prices: new Map(price === undefined ? [] : [['offline/reader', { input: price, output: price }]]),
    law,
    clientTools: undefined,
    in: [],
    otlp: false,
  })

test('alone a run goes on under what its law said, however the file is written; under another one only where it is named', async () => {
  const { polity, stopped } = commandsOn(join(folder, 'alone.db'))
  const law = file('alone.json', first)
  const [own, changed, third, ended] = [
    await stopped('--law', law),
    await stopped('--law', law),
    await stopped('--law', law),
    await stopped('--law', law),
  ]
  assert.equal((await polity('resume', ended)).code, 0)
  file('alone.json', formatted)
  assert.deepEqual(await polity('resume', own, '--json').then(({ code }) => code), 0)

  file('alone.json', other)
  const says = `process ${changed} was begun with another law than ${law} has now; put the law that it had back there, or go on under this one with --law ${law}.`
  const refused = await polity('resume', changed)
  assert.deepEqual([refused.code, refused.err.trim()], [2, says])
  const fork = await polity('fork', ended, '--at', '0')
  assert.deepEqual([fork.code, fork.err.trim()], [2, says.replace(`process ${changed}`, `process ${ended}`)])
  const all = await polity('resume')
  assert.equal(all.code, 2)
  for (const pid of [changed, third]) assert.match(all.err, new RegExp(`process ${pid} is not resumed: .* another law`))
  const everyone = await polity('resume', '--law', law)
  assert.deepEqual(
    [everyone.code, everyone.err],
    [2, 'resume takes --law with a pid: each run has a law of its own.\n'],
  )

  // A replay asks no law: its file may say what it likes, or be gone.
  const same = `same: process ${ended} made its 1 call as the journal has them\n`
  assert.deepEqual(await polity('replay', ended), { code: 0, out: same, err: '' })
  renameSync(law, `${law}.gone`)
  assert.deepEqual(await polity('replay', ended), { code: 0, out: same, err: '' })
  for (const command of ['resume', 'fork']) {
    const gone = await polity(command, command === 'fork' ? ended : changed)
    assert.deepEqual(
      [gone.code, gone.err.includes(`was started under a law: there is no law file ${law}. Put the law that it had`)],
      [2, true],
      gone.err,
    )
  }
  renameSync(`${law}.gone`, law)

  assert.equal((await polity('fork', ended, '--at', '0', '--law', law)).code, 0)
  assert.equal((await polity('resume', changed, '--law', law)).code, 0)
  file('alone.json', first)
  assert.equal((await polity('resume', third)).code, 0)
})

test('what a law said stands in the journal: a replay is the same without its file, where the law did not let a run end too', async () => {
  const { polity } = commandsOn(join(folder, 'unmet.db'))
  const law = file(
    'unmet.json',
    '{"rules":[{"id":"all","effect":"allow"}],"events":{"wrote":{"call":"write"}},"temporal":[{"id":"written","formula":"existence(wrote)"}]}',
  )
  const hasty = file('hasty.ts', 'export default async function hasty() { return 7 }\n')
  const alone = await polity('run', hasty, '--law', law, '--json')
  assert.equal(alone.code, 1)
  assert.match(alone.out, /must not end before it has met: written/)
  rmSync(law)
  const replayed = await polity('replay', '1')
  assert.deepEqual(replayed, { code: 0, out: 'same: process 1 made its 0 calls as the journal has them\n', err: '' })
  // Nor is a model or an embedder loaded: what they said stands there too.
  await renote(join(folder, 'unmet.db'), (setup) => ({ ...setup, model: 'nosuch/model', embedder: 'nosuch/embedder' }))
  assert.deepEqual(await polity('replay', '1'), replayed)
  const throws = file('throws.ts', "export default async function hasty() { throw new TypeError('otherwise') }\n")
  const other = await polity('replay', '1', '--program', throws)
  assert.deepEqual([other.code, other.out.startsWith('differs: process 1')], [1, true], other.err)
})

test('a run of an earlier version, which noted the path alone, goes on as before', async () => {
  const storePath = join(folder, 'earlier.db')
  const { polity, stopped } = commandsOn(storePath)
  const law = file('earlier.json', first)
  const [alone, served] = [await stopped('--law', law), await stopped('--law', law)]
  await renote(storePath, ({ lawHash, ...setup }) => {
    assert.match(lawHash ?? '', /^[0-9a-f]{64}$/)
    return setup
  })
  file('earlier.json', other)
  assert.deepEqual((await polity('resume', alone)).code, 0)
  const { kernel, close } = await serving(storePath, law)
  try {
    const resumed = await polity('resume', served)
    assert.equal(resumed.code, 0, resumed.err)
    assert.equal(kernel.info(Number(served)).state, 'done')
  } finally {
    await close()
  }
})

test('a server goes on with a run only as it was begun, by the command beside it and by its own door', async () => {
  const storePath = join(folder, 'served.db')
  const { polity, stopped } = commandsOn(storePath)
  const law = file('served.json', first)
  const runs: string[] = []
  for (let at = 0; at < 5; at++) runs.push(await stopped('--law', law))
  const lawless = await stopped()
  const [byCommand, byDoor, toFork, refused, knowingly] = runs as [string, string, string, string, string]

  /** With a server under that law; the second function is its door. */
  async function beside(
    lawThere: string | undefined,
    price: number | undefined,
    work: (
      door: (path: string) => Promise<{ status: number; body: { error?: { code: string; message: string } } }>,
    ) => Promise<void>,
  ): Promise<void> {
    const served = await serving(storePath, lawThere, price)
    const server = await serve({ kernel: served.kernel, doors: served.doors, store: storePath, port: 0 })
    try {
      await work(async (path) => {
        const answer = await fetch(`${server.url}/api/v1/processes/${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: path.endsWith('fork') ? '{"at":0}' : '{}',
        })
        return { status: answer.status, body: (await answer.json()) as { error?: { code: string; message: string } } }
      })
    } finally {
      await server.close()
      await served.close()
    }
  }

  // Another path, and the same law in other words.
  await beside(file('copy.json', formatted), undefined, async (door) => {
    assert.equal((await polity('resume', byCommand)).code, 0)
    assert.equal((await door(`${byDoor}/resume`)).status, 200)
    assert.equal((await door(`${byDoor}/fork`)).status, 201)
    const without = await door(`${lawless}/resume`)
    assert.deepEqual([without.status, without.body.error?.code], [409, 'SETUP_MISMATCH'])
  })

  // The same path, and another law.
  file('served.json', other)
  await beside(law, undefined, async (door) => {
    const command = await polity('resume', refused)
    assert.equal(command.code, 3)
    assert.ok(command.err.includes('was begun with another law than the server in process'), command.err)
    assert.ok(command.err.includes(`or go on under the server’s law with --law ${law}`), command.err)
    for (const path of [`${refused}/resume`, `${toFork}/fork`]) {
      const { status, body } = await door(path)
      assert.deepEqual([status, body.error?.code], [409, 'SETUP_MISMATCH'])
      const pid = path.split('/')[0]
      assert.equal(
        body.error?.message,
        `process ${pid} was begun with another law than this server has; who runs the server can start it again with that, or end it and then go on with the run by \`polity resume ${pid}\``,
      )
    }
    const another = await polity('resume', knowingly, '--law', file('third.json', first))
    assert.deepEqual([another.code, /another law than \S+third\.json/.test(another.err)], [3, true], another.err)
    assert.equal((await polity('resume', knowingly, '--law', law)).code, 0)
    assert.equal((await polity('fork', knowingly, '--at', '0', '--law', law)).code, 0)
    assert.equal((await door(`${knowingly}/replay`)).status, 200)
  })

  // The law is back, and the price is another.
  file('served.json', first)
  await beside(law, 2, async (door) => {
    const { status, body } = await door(`${refused}/resume`)
    assert.deepEqual([status, body.error?.code], [409, 'SETUP_MISMATCH'])
    assert.match(body.error?.message ?? '', /was begun with another price than this server has/)
  })
  await beside(law, undefined, async (door) => {
    assert.equal((await door(`${refused}/resume`)).status, 200)
  })
})

test('what went on knowingly in a server under its law goes on under it after a restart, in a server and alone', async () => {
  const storePath = join(folder, 'knowingly.db')
  // Longer than all takes that comes before they may end, also on a busy machine.
  const { polity, stopped } = commandsOn(storePath, 6_000)
  const law = file('knowingly.json', first)
  const pids = [await stopped('--law', law), await stopped('--law', law)]
  file('knowingly.json', other)
  const before = await serving(storePath, law)
  for (const pid of pids) {
    const leaving = new AbortController()
    const left = interruptible(storePath, leaving.signal, ['resume', pid, '--law', law])
    while (before.kernel.info(Number(pid)).state !== 'running') await pause(5)
    leaving.abort('SIGINT')
    assert.equal((await left).code, 130)
  }
  await before.close()

  const [served, alone] = pids as [string, string]
  const after = await serving(storePath, law)
  try {
    const resumed = await polity('resume', served)
    assert.deepEqual([resumed.code, resumed.out], [0, '6000\n'], resumed.err)
  } finally {
    await after.close()
  }
  const resumed = await polity('resume', alone)
  assert.deepEqual([resumed.code, resumed.out], [0, '6000\n'], resumed.err)
})

test('a wish that was meant for a server before goes on in no other than the run was begun with', async () => {
  const storePath = join(folder, 'meant.db')
  const { polity, stopped } = commandsOn(storePath)
  const law = file('meant.json', first)
  const pid = Number(await stopped('--law', law))
  const named = 'of a law that the server before had'
  for (const [command, says] of [
    [{ command: 'resume', pid }, 'another law'],
    [{ command: 'resume', pid, law: named }, 'another law'],
    [{ command: 'fork', pid, at: 0 }, 'another law'],
  ] as const) {
    sendCommand(storePath, { ...command, reply: 'late' })
    const served = await serving(storePath, file('meant-now.json', other))
    try {
      const { error } = await outcomeOf(storePath, 'late')
      assert.deepEqual([error?.code, error?.message.includes(says)], ['SETUP_MISMATCH', true], error?.message)
      assert.equal(served.kernel.info(pid).state, 'stopped')
    } finally {
      await served.close()
    }
  }
  // Nor in that of a command, which has a kernel for its own runs.
  sendCommand(storePath, { command: 'resume', pid, reply: 'alone' })
  const run = polity('run', sleeper, '400')
  assert.match((await outcomeOf(storePath, 'alone')).error?.message ?? '', /does not go on in the kernel of other runs/)
  assert.equal((await run).code, 0)
  assert.equal((await polity('resume', String(pid))).code, 0)
})

async function outcomeOf(path: string, reply: string): Promise<KernelOutcome> {
  for (;;) {
    const { outcomes = [] } = JSON.parse(readStatus(path) ?? '{}') as { readonly outcomes?: readonly KernelOutcome[] }
    const found = outcomes.find((outcome) => outcome.reply === reply)
    if (found !== undefined) return found
    await pause(10)
  }
}
