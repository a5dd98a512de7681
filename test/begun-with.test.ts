/**
 * What a run was begun with: it goes on under another law, or with another price, only where somebody says so, on the command
 * line alone, beside a server and by the server's own door. Real stores, a real server on a port; the commands run here.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
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
import { readSqliteStore } from '../src/drivers/store/sqlite-reader.ts'
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

/** The commands of one store. */
function commandsOn(storePath: string) {
  async function interruptible(interrupted: AbortSignal, [name, ...words]: readonly string[]): Promise<Outcome> {
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
  const polity = (...words: string[]): Promise<Outcome> => interruptible(new AbortController().signal, words)

  /** Begins a run, and stops it while it sleeps. */
  async function stopped(...more: string[]): Promise<string> {
    const interruption = new AbortController()
    const run = interruptible(interruption.signal, ['run', sleeper, '400', ...more])
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
  const [same, changed, third, ended] = [
    await stopped('--law', law),
    await stopped('--law', law),
    await stopped('--law', law),
    await stopped('--law', law),
  ]
  assert.equal((await polity('resume', ended)).code, 0)
  file('alone.json', formatted)
  assert.deepEqual(await polity('resume', same, '--json').then(({ code }) => code), 0)

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

  // A replay asks no law: it says that the file has another one.
  const replayed = await polity('replay', ended)
  assert.deepEqual(
    [replayed.code, replayed.out],
    [0, `same: process ${ended} made its 1 call as the journal has them\n`],
  )
  assert.match(replayed.err, new RegExp(`process ${ended} was begun with another law than \\S+alone.json has now`))
  const told = JSON.parse((await polity('replay', ended, '--json')).out) as object
  assert.deepEqual(told, { pid: Number(ended), same: true, calls: 1, isLawChanged: true })
  const elsewhere = await polity('replay', ended, '--law', file('kept.json', formatted))
  assert.deepEqual([elsewhere.code, elsewhere.err], [0, ''])

  assert.equal((await polity('fork', ended, '--at', '0', '--law', law)).code, 0)
  assert.equal((await polity('resume', changed, '--law', law)).code, 0)
  // What it was gone on with is noted: from there on it is its own.
  assert.equal((await polity('replay', changed)).err, '')
  file('alone.json', first)
  assert.equal((await polity('resume', third)).code, 0)
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
        `process ${pid} was begun with another law than this server has; who runs the server can start it with that, or go on with the run by \`polity resume ${pid}\``,
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
