/**
 * What commands say on a terminal of 40 columns, and the lines that they give to be typed: commands in this process, on a
 * store of their own.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { describeCall, describeValue } from '../src/cli/call-text.ts'
import { commandNames } from '../src/cli/commands.ts'
import { widthOf } from '../src/cli/table.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { realClock } from '../src/kernel/clock.ts'
import type { Store } from '../src/kernel/drivers.ts'
import type { Kernel } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Law } from '../src/policy/law.ts'
import { createKey } from '../src/server/keys.ts'
import type { Started } from './cli-context.ts'
import { startCommand } from './cli-context.ts'
import { HANGS_MS } from './world.ts'

const folder = mkdtempSync(join(tmpdir(), 'polity-lines-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const front = JSON.stringify(resolve(import.meta.dirname, '../src/index.ts'))
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

/** A command on a terminal of so many columns; undefined: in a pipe. */
function start(store: string, columns: number | undefined, name: string, ...words: string[]): Started {
  const storePath = join(folder, store)
  const commandLine = (text: string): string => `polity ${text} --store ${store}`
  return startCommand({ storePath, columns, commandLine }, name, ...words)
}

async function ended(
  store: string,
  columns: number | undefined,
  name: string,
  ...words: string[]
): Promise<{ readonly out: string; readonly err: string; readonly code: number }> {
  const { said, code } = start(store, columns, name, ...words)
  const exit = await code
  return { ...said, code: exit }
}

/** What it says that matches. */
async function heard({ said }: Started, what: RegExp): Promise<RegExpExecArray> {
  const { now } = realClock()
  for (const begun = now(); now() - begun < HANGS_MS; await pause(10)) {
    const found = what.exec(`${said.out}${said.err}`)
    if (found !== null) return found
  }
  throw new Error(`${what} was not said: ${said.out}${said.err}`)
}

const WIDTH = 40
/** Nothing is wider than the terminal but what is to be typed, which is copied as it stands. */
function assertFits(text: string, what: string): void {
  const wide = text.split('\n').filter((line) => widthOf(line) > WIDTH && !line.startsWith('polity '))
  assert.deepEqual(wide, [], what)
}

test('on 40 columns the help of every command fits, but for the examples, which are to be typed', async () => {
  for (const words of [[], ...commandNames.map((name) => [name])]) {
    const { out, code } = await ended('none.db', WIDTH, 'help', ...words)
    assert.equal(code, 0)
    assertFits(out.replace(/\nexamples?\n.*$/s, ''), `help ${words.join(' ')}`)
  }
})

test('on 40 columns trace, inbox, doctor and what went wrong in an evaluation are lines that fit, whatever stands in them', async () => {
  const talker = file(
    'talker.ts',
    `export default async function talker(sys) {
  await sys.write('notes/${'long'.repeat(12)}.md', '船'.repeat(60))
  await sys.generate('What is said of the harbour? '.repeat(9))
  await sys.generate('What is said of the harbour? '.repeat(9) + '船'.repeat(50))
  await sys.call('no-such-tool-with-a-long-name', { text: 'x'.repeat(90) }).catch(() => 0)
  const child = await sys.spawn(async function aChildWithALongName() { return 'y'.repeat(90) }, 'z'.repeat(90))
  await sys.wait(child)
  return sys.ask('Which of the two colours that were named is it to be?', { choices: ['red', 'blue'] })
}\n`,
  )
  const store = 'a-store-with-a-name-that-is-longer-than-a-narrow-line.db'
  const run = start(store, WIDTH, 'run', talker)
  await heard(run, /Which of the two/)
  const inbox = await ended(store, WIDTH, 'inbox')
  assertFits(inbox.out + inbox.err, 'inbox')
  assert.match(inbox.err, /^answer with:\npolity answer <id> <text> --store a-store.*\.db$/m)
  assert.equal((await ended(store, WIDTH, 'answer', '1', 'red')).code, 0)
  assert.equal(await run.code, 0, run.said.err)
  for (const more of [[], ['--tree'], ['--sources'], ['--tree', '--follow']]) {
    const { out } = await ended(store, WIDTH, 'trace', '1', ...more)
    assertFits(out, `trace ${more.join(' ')}`)
    assert.match(out, /^\+[\d.]+ ms( \[1\])? {2}#\d+ ask\(.*\n {4}= "red" <[\d.]+ ms>$/m)
    assert.match(out, /^\+[\d.]+ ms( \[1\])? {2}done "red"\n {4}2 model calls, \d+ tokens$/m)
  }
  const wide = await ended(store, 100, 'trace', '1')
  assert.match(wide.out, /#\d+ ask\(.*\) = "red" <[\d.]+ ms>$/m)
  assert.match(wide.out, /^ *\+[\d.]+ ms {2}done "red"; 2 model calls, \d+ tokens$/m)
  const doctor = await ended(store, WIDTH, 'doctor')
  assertFits(doctor.out, 'doctor')
  const place = ['--environment', 'forage', '--agent', 'mind-agent', '--seeds', '1']
  const evaluated = await ended('e.db', WIDTH, 'evaluate', ...place)
  assertFits(evaluated.out + evaluated.err, 'evaluate')
  assert.match(
    evaluated.err.replaceAll('\n', ' '),
    /1 of 1 tries of mind-agent at forage ended with INVALID_ARGUMENT: .*--team/,
  )
})

test('a call and its value take no more cells than they are given, whatever they say', () => {
  const long = '船'.repeat(60)
  const generation = { text: long, toolCalls: [], usage: { inputTokens: 5, outputTokens: 7 }, finishReason: 'length' }
  for (const width of [1, 5, 9, 24, 60]) {
    for (const text of [
      describeCall('call', { tool: long, input: { long } }, width),
      describeCall('spawn', { program: long, input: long }, width),
      describeCall('wait', { pid: 1234567890 }, width),
      describeCall('kill', { pid: 12, reason: long }, width),
      describeCall('sleep', { ms: 1234567890 }, width),
      describeCall('generate', { messages: { add: [{ role: 'user', content: long }] } }, width),
      describeCall('recall', { text: 'e\u0301'.repeat(90) }, width),
      describeValue('generate', generation, width),
      describeValue('call', long, width),
      describeValue('wait', null, width),
    ])
      assert.ok(text !== '' && widthOf(text) <= width, `${width}: ${text}`)
  }
  assert.equal(describeCall('call', { tool: 'look', input: long }, 24), 'call(look "船船船船船…)')
  assert.equal(describeCall('sleep', { ms: 1234567890 }, Infinity), 'sleep(1234567890 ms)')
})

test('lines of files are written whole on 40 columns; a pipe gets them as they are, a terminal sees control characters as signs', async () => {
  const long = `  ${'budget '.repeat(12)}`
  const written = `${long}\u001b]0;title\u0007\tend`
  const writer = file(
    'writer.ts',
    `export default async function writer(sys) {
  await sys.write('plan.md', 'one\\n')
  await sys.write('plan.md', 'one\\n' + ${JSON.stringify(written)} + '\\n')
}\n`,
  )
  assert.equal((await ended('f.db', undefined, 'run', writer)).code, 0)
  for (const [columns, line] of [
    [WIDTH, `${long}␛]0;title␇\tend`],
    [undefined, written],
  ] as const) {
    const said = async (...words: string[]): Promise<string> => (await ended('f.db', columns, 'files', ...words)).out
    assert.equal(await said('show', '1', 'plan.md'), `one\n${line}\n`)
    assert.equal(await said('grep', '1', 'budget'), `plan.md:2: ${line}\n`)
    assert.ok((await said('diff', '1', 'plan.md')).split('\n').includes(`+${line}`))
    // A passage is several lines: they are told as one.
    assert.equal(await said('search', '1', 'budget'), `plan.md:1: one ${'budget '.repeat(12)}␛]0;title␇ end\n`)
  }
})

test('serve says how a stopped run goes on, and that works where there are keys; replay of a child says what to replay', async () => {
  file(
    'child.ts',
    `import { defineProgram } from ${front}\nexport const child = defineProgram('child', async () => 7)\n`,
  )
  const parent = file(
    'parent.ts',
    `import { child } from './child.ts'\nexport default async function parent(sys) { const pid = await sys.spawn(child, null); await sys.wait(pid); return sys.ask('Go on?') }\n`,
  )
  const run = start('s.db', undefined, 'run', parent)
  await heard(run, /Go on\?/)
  run.stop()
  assert.equal(await run.code, 130, run.said.err)
  createKey(join(folder, 's.db'), { principal: 'ada', scopes: ['models'] }, realClock().now())
  const server = start('s.db', undefined, 'serve', parent, '--port', '0')
  const [, words = ''] = await heard(server, /^stopped .* or: polity (.*) --store s\.db$/m)
  const [name = '', ...rest] = words.split(' ')
  const resumed = start('s.db', undefined, name, ...rest)
  const [, id = ''] = await heard(resumed, /polity answer (\d+)/)
  assert.equal((await ended('s.db', undefined, 'answer', id, 'whole')).code, 0)
  assert.deepEqual([await resumed.code, resumed.said.out], [0, 'whole\n'], resumed.said.err)
  server.stop()
  await server.code
  const [, child = ''] = /spawn\(child, null\) = (\d+)/.exec((await ended('s.db', undefined, 'trace', '1')).out) ?? []
  assert.match((await ended('s.db', undefined, 'replay', '1')).out, /^same: /)
  const refused = await ended('s.db', undefined, 'replay', child)
  assert.equal(refused.code, 2)
  assert.match(
    refused.err,
    new RegExp(`process ${child} is a child of 1, .* replay the run instead: polity replay 1 --store s\\.db`),
  )
  const unforked = await ended('s.db', undefined, 'fork', child, '--at', '0')
  assert.equal(unforked.code, 2)
  assert.match(
    unforked.err,
    new RegExp(`process ${child} is a child of 1, .* export its program child; fork the run instead`),
  )
  const both = file('both.ts', "export { default } from './parent.ts'\nexport { child } from './child.ts'\n")
  const named = await ended('s.db', undefined, 'replay', child, '--program', both)
  assert.match(named.out, /^same: /, named.err)
  assert.equal((await ended('s.db', undefined, 'fork', child, '--at', '0', '--program', both)).out, '7\n')
})

test('trace tells room that came from an approval and from another try, and nothing where nothing was set aside', async () => {
  const crowd = defineProgram('crowd', async (sys, sizes: readonly number[]) => {
    const ends = await Promise.allSettled(
      sizes.map((maxOutputTokens, i) => sys.generate({ prompt: `call ${i}`, maxOutputTokens })),
    )
    return ends.map(({ status }) => status)
  })
  let [sent, isDeaf] = [0, false]
  const model = scripted(() => (++sent, isDeaf ? { hang: true } : { text: 'yes' }))
  const begin = (name: string, law?: Law): { kernel: Kernel; store: Store } => {
    const store = openSqliteStore(join(folder, name))
    return { store, kernel: createKernel({ store, models: { main: model }, programs: [crowd], ...(law && { law }) }) }
  }
  const asideIn = async (store: string): Promise<string[]> =>
    [...(await ended(store, undefined, 'trace', '1')).out.matchAll(/#\d \D*(?=: \d+ tokens set aside)/g)].map(
      ([said]) => said,
    )

  const one = begin('crowd.db')
  await one.kernel.spawn(crowd, [1_000, 1_000, 1_000], { budget: { tokens: 1_500 } }).result
  await one.kernel.close()
  assert.deepEqual(await asideIn('crowd.db'), ['#1 has room now', '#2 has room now'])

  isDeaf = true
  sent = 0
  const first = begin('cut.db')
  first.kernel.spawn(crowd, [1_000, 4_000, 100], { budget: { tokens: 4_500 } }).result.catch(() => {})
  while (sent === 0) await pause(5)
  await first.kernel.close()
  assert.deepEqual(await asideIn('cut.db'), [])
  isDeaf = false
  const second = begin('cut.db')
  await second.kernel.resume()[0]?.result
  await second.kernel.close()
  assert.deepEqual(await asideIn('cut.db'), ['#0 is tried again', '#2 has room now'])

  const held = begin('held.db', { rules: [{ id: 'asked', effect: 'ask', call: 'generate' }] })
  const run = held.kernel.spawn(crowd, [10])
  let id: number | undefined
  while (id === undefined) {
    id = held.kernel.questions[0]?.id
    await pause(5)
  }
  held.kernel.answer(id, 'allow')
  await run.result
  await held.kernel.close()
  assert.deepEqual(await asideIn('held.db'), ['#0 is allowed'])
})
