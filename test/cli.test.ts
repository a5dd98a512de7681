/**
 * The command line as people and scripts meet it: real processes in a folder of their own, with the offline model.
 *
 * Each test asks several things of one spawn, because a start costs more than the work.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { loadCommand } from '../src/cli/commands.ts'
import { parseCommandLine } from '../src/cli/options.ts'
import { readSqliteStore } from '../src/drivers/store/sqlite-reader.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { reader } from '../src/drivers/llm/reader.ts'
import { realClock } from '../src/kernel/clock.ts'
import { PolityError } from '../src/kernel/errors.ts'
import { createKernel } from '../src/kernel/kernel.ts'

const bin = resolve(import.meta.dirname, '../bin/polity.js')
const ESCAPE = '\u001b'
const front = resolve(import.meta.dirname, '../src/index.ts')

interface Outcome {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

interface Started {
  readonly done: Promise<Outcome>
  readonly out: () => string
  readonly err: () => string
  kill(signal: NodeJS.Signals): void
}

let folder = ''
const children = new Set<Started>()

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'polity-cli-'))
  const file = (name: string, text: string | Uint8Array): void => writeFileSync(join(folder, name), text)
  for (const name of ['docs', 'empty', 'binary', 'folder.db']) mkdirSync(join(folder, name))
  file('docs/store.md', '# Store\n\nThe write-ahead log survives a kill -9.\n\nCats are kept in the barn at night.\n')
  file('docs/budget.md', '# Budget\n\nA budget is reserved before the call and settled after it.\n')
  file('binary/x.bin', new Uint8Array(300))
  file('one.txt', 'The lighthouse keeper was called Ingrid.\n')
  file('broken.law', '{"rules":[{"id":1}]}')
  file('text.db', 'no database')
  file('echo.ts', 'export default async (sys, input) => ({ got: input })\n')
  file('text.ts', "export default async () => 'plain'\n")
  file('boom.ts', "export default async () => { throw new Error('boom\\nat night') }\n")
  file(
    'stray.ts',
    "export default async (sys) => { void Promise.reject(new Error('stray')); await sys.sleep(60_000) }\n",
  )
  file('number.ts', 'export default 5\n')
  file('none.ts', 'export const x = 1\n')
  file('never.ts', 'await new Promise(() => {})\nexport default 1\n')
  file('syntax.ts', 'export default async function ( {\n')
  file(
    'slow.ts',
    'export default async function slow(sys, ms) { const { text } = await sys.generate(`wait ${ms}`); await sys.sleep(ms); return { text, drawn: sys.random() } }\n',
  )
  file(
    'asker.ts',
    "export default async function asker(sys) { return sys.ask('Which colour?', { choices: ['red', 'blue'] }) }\n",
  )
  file(
    'team.ts',
    `import { defineProgram } from ${JSON.stringify(front)}
const member = defineProgram('member', async (sys, n) => { if (n > 1) await sys.sleep(n); return n })
export default defineProgram('team', async (sys, ms) => { const pids = [await sys.spawn(member, 1), await sys.spawn(member, ms)]; return Promise.all(pids.map((pid) => sys.wait(pid))) })
`,
  )
})

after(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Started {
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: folder,
    env: { ...process.env, POLITY_STORE: '', POLITY_DEBUG: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  const done = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      children.delete(started)
      resolve({ code, out, err })
    })
  })
  const started: Started = { done, out: () => out, err: () => err, kill: (signal) => void child.kill(signal) }
  children.add(started)
  return started
}

const polity = (...args: string[]): Promise<Outcome> => start(args).done

/** Waits until `look` gives something. */
async function until<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const { now } = realClock()
  for (const startedAt = now(); now() - startedAt < 15_000; await pause(30)) {
    const found = await look()
    if (found !== undefined) return found
  }
  throw new Error('it did not come to be within 15 s')
}

interface Listed {
  readonly isOwned: boolean
  readonly owner: number | null
  readonly processes: readonly {
    readonly pid: number
    readonly program: string
    readonly state: string
    readonly waiting: string | null
  }[]
}

async function listed(store: string, ...more: string[]): Promise<Listed> {
  return JSON.parse((await polity('ps', '--json', '--store', store, ...more)).out) as Listed
}

/** The pid of a process that is at its `sleep`, read here: a start of `polity ps` could take as long as the sleep. */
function sleeping(store: string): Promise<number> {
  return until(() => {
    const path = join(folder, store)
    if (!existsSync(path)) return undefined
    try {
      const journal = readSqliteStore(path)
      try {
        for (const { start, end } of journal.processes()) {
          const last = journal.events(start.pid).at(-1)
          if (end === undefined && last?.type === 'call-start' && last.call === 'sleep') return start.pid
        }
        return undefined
      } finally {
        journal.close()
      }
    } catch (error) {
      // The store is only being made.
      if (PolityError.isInstance(error)) return undefined
      throw error
    }
  })
}

test('ask answers with places that can be opened, says what it does on stderr, and answers the same as JSON', async () => {
  const asked = await polity('ask', 'What', 'survives a kill -9?', '--in', 'docs')
  assert.equal(asked.code, 0, asked.err)
  assert.match(asked.out, /write-ahead log survives a kill -9.*\[docs\/store\.md:3\]/)
  assert.match(asked.err, /reading docs: 2 files, .* 2 indexed/)
  assert.match(asked.err, /is done: .* model calls, .* tokens/)
  assert.ok(!(asked.out + asked.err).includes(ESCAPE))
  const again = await polity('ask', 'What survives a kill -9?', '--in', join(folder, 'docs'), '--json', '--quiet')
  assert.equal(again.err, '')
  const answer = JSON.parse(again.out) as { output: { found: boolean; claims: { path: string; line: number }[] } }
  assert.equal(answer.output.found, true)
  assert.deepEqual(
    answer.output.claims.map(({ path, line }) => `${path}:${line}`),
    ['docs/store.md:3'],
  )
  assert.equal(readFileSync(join(folder, '.polity/.gitignore'), 'utf8'), '*\n')
})

test('ask reads a single file, several sources at once, and says when there is no answer', async () => {
  const [one, many, none] = await Promise.all([
    polity('ask', 'Who was the lighthouse keeper?', '--in', 'one.txt', '--store', 'a/p.db'),
    polity(
      'ask',
      'What was the lighthouse keeper called, and when is a budget reserved?',
      '--in',
      'one.txt',
      '--in',
      'docs',
      '--store',
      'b/p.db',
      '--readers',
      '2',
    ),
    polity('ask', 'Who discovered penicillin?', '--in', 'docs', '--store', 'c/p.db'),
  ])
  assert.match(one.out, /Ingrid.*\[one\.txt:1\]/, one.err)
  assert.match(many.out, /\[one\.txt:1\]/, many.err)
  assert.match(many.out, /\[docs\/budget\.md:3\]/)
  assert.equal(none.code, 0)
  assert.equal(none.out.trim().split('\n').length, 1)
  assert.match(none.out, /nothing/)
})

test('ask without a question answers one from its own docs', async () => {
  const { code, out, err } = await polity('ask', '--store', 'own.db')
  assert.equal(code, 0, err)
  assert.match(err, /kill -9/)
  assert.notEqual(out, '')
})

/** Command line, exit code, what the sentence says. */
const refused: readonly (readonly [args: readonly string[], code: number, says: RegExp])[] = [
  [['nosuch'], 2, /no command "nosuch"/],
  [['trase', '1'], 2, /did you mean `polity trace`/],
  [['ask', ''], 2, /question is empty/],
  [['ask', 'q', '--in', 'nowhere'], 2, /no folder or file nowhere/],
  [['ask', 'q', '--in', 'empty'], 2, /empty holds no text files: it is empty/],
  [['ask', 'q', '--in', 'binary'], 2, /no text files \(left out: 1 binary file\)/],
  [['ask', 'q', '--in', 'binary/x.bin'], 2, /not a text file/],
  [['ask', 'q', '--model', 'nosuch/x'], 2, /@ai-sdk\/nosuch.*npm install/],
  [['ask', 'q', '--model', 'garbage'], 2, /provider\/model/],
  [['ask', 'q', '--law', 'broken.law', '--in', 'docs'], 2, /rules\[0\]\.id must be/],
  [['ask', 'q', '--law', 'no.law', '--in', 'docs'], 2, /no law file no\.law/],
  [['ask', 'q', '--in', 'docs', '--store', 'folder.db'], 2, /is a folder/],
  [['ask', 'q', '--in', 'docs', '--store', 'text.db'], 2, /not a Polity store/],
  [['ask', 'q', '--in', 'docs', '--store', '/proc/nowhere/p.db'], 2, /cannot be made/],
  [['ask', 'q', '--stroe', 'x'], 2, /no option --stroe; did you mean --store/],
  [['ask', 'q', '--in', 'docs', '--budget-tokens', '5', '--store', 'd.db'], 1, /budget of 5 tokens/],
  [['run', 'echo.ts', '--price', 'cheap'], 2, /--price takes dollars/],
  [['run', 'missing.ts'], 2, /no file missing\.ts/],
  [['run', 'docs'], 2, /is a folder/],
  [['run', 'one.txt'], 2, /not a \.ts or \.js file/],
  [['run', 'none.ts'], 2, /no default export \(it exports x\)/],
  [['run', 'number.ts'], 2, /is a number; expected a program/],
  [['run', 'never.ts'], 1, /waits for something that cannot come/],
  [['run', 'syntax.ts'], 2, /does not load/],
  [['run', 'boom.ts', '--store', 'e.db'], 1, /boom at night/],
  [['run', 'stray.ts', '--store', 'f.db'], 1, /nothing waited for: stray/],
  [['ps', '--store', 'missing.db'], 2, /no store at missing\.db/],
  [['trace', 'x'], 2, /a pid is a whole number/],
  [['top', '--interval', '1'], 2, /at least 100 ms/],
  [['help', 'pss'], 2, /did you mean ps/],
]

/** What is wrong with the words alone is found before anything else is loaded. */
const misspelt: readonly (readonly [words: readonly string[], says: RegExp])[] = [
  [['ask', 'q', '--store'], /--store needs a value/],
  [['ask', 'q', '--json=1'], /--json takes no value/],
  [['ask', 'q', '--budget-usd', 'much'], /number of at least 0, not "much"/],
  [['ask', 'q', '--budget-tokens', '-3'], /whole number of at least 0, not "-3"/],
  [['run'], /needs <file\.ts>/],
  [['ps', 'extra'], /does not take "extra"/],
  [['ask', 'q', '--in', '--json'], /--in needs a value/],
  [['ask', 'q', '--readers', '1.5'], /whole number/],
  [['answer', '12'], /needs more; expected polity answer <id> <text>/],
]

test('words that no command takes are named, with what it takes', async () => {
  for (const [[name = '', ...words], says] of misspelt) {
    const command = await loadCommand(name)
    assert.ok(command)
    assert.throws(
      () => parseCommandLine(command, words),
      (error) => PolityError.isInstance(error) && says.test(error.message),
    )
  }
})

test('what is wrong is one sentence on stderr with the right exit code, and never a stack', async () => {
  const waiting = [...refused]
  // A few at a time: each is a process of its own.
  await Promise.all(
    Array.from({ length: 3 }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [args, code, says] = next
        const outcome = await polity(...args, '--quiet')
        const about = `polity ${args.join(' ')}: ${outcome.err}`
        assert.equal(outcome.code, code, about)
        assert.match(outcome.err, says, about)
        assert.equal(outcome.err.trim().split('\n').length, 1, about)
        assert.doesNotMatch(outcome.err, /^\s+at |node:internal/m, about)
        assert.equal(outcome.out, '', about)
      }
    }),
  )
  const json = await polity('trace', '99', '--json', '--store', 'd.db')
  assert.equal(json.code, 2)
  assert.equal((JSON.parse(json.out) as { error: { code: string } }).error.code, 'NO_SUCH_PROCESS')
})

test('run takes JSON or text and prints a text as it is, anything else as JSON', async () => {
  const [json, text, plain, asJson] = await Promise.all([
    polity('run', 'echo.ts', '{"a":[1,2]}', '--store', 'g.db'),
    polity('run', 'echo.ts', 'not { json', '--store', 'h.db'),
    polity('run', 'text.ts', '--store', 'i.db', '-q'),
    polity('run', 'text.ts', '--store', 'j.db', '--json'),
  ])
  assert.deepEqual(JSON.parse(json.out), { got: { a: [1, 2] } })
  assert.deepEqual(JSON.parse(text.out), { got: 'not { json' })
  assert.deepEqual([plain.out, plain.err], ['plain\n', ''])
  assert.partialDeepStrictEqual(JSON.parse(asJson.out), { state: 'done', output: 'plain' })
})

test('a finished run can be listed, traced, replayed, forked and collected', async () => {
  const store = ['--store', 'life.db']
  const ran = await polity('run', 'slow.ts', '30', ...store)
  assert.equal(ran.code, 0, ran.err)
  const { processes } = await listed('life.db', '--all')
  const pid = String(processes[0]?.pid)
  const [ps, trace, full, json, follow, top, doctor, inbox] = await Promise.all([
    polity('ps', ...store),
    polity('trace', pid, ...store),
    polity('trace', pid, '--full', '--tree', ...store),
    polity('trace', pid, '--json', ...store),
    polity('trace', pid, '--follow', '--json', ...store),
    polity('top', '--once', ...store),
    polity('doctor', ...store),
    polity('inbox', '--json', ...store),
  ])
  assert.match(ps.err, /1 process ended; --all shows them/)
  assert.match(
    trace.out,
    /\+\d+\.\d{3} ms {2}#0 generate\("wait 30"\) = ".*" \d+→\d+ tok <\d+\.\d{3} ms>\n.*#1 sleep\(30 ms\) = nothing <\d+\.\d{3} ms>\n.*done \{/,
  )
  assert.match(full.out, /"role":"user"/)
  assert.deepEqual(
    (JSON.parse(json.out) as { calls: { call: string }[] }).calls.map(({ call }) => call),
    ['generate', 'sleep'],
  )
  assert.deepEqual(
    follow.out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { type: string }).type),
    ['process-start', 'call', 'call', 'process-end'],
  )
  assert.match((await polity('replay', pid, ...store)).out, /^same: process \d+ made its 2 calls/)
  assert.match(top.out, /no kernel\n0 running, 0 stopped, 1 ended/)
  assert.match(doctor.out, /^ok +node +\d+.*\nok +sqlite.*\nok +store +life\.db: .* 1 process ended/)
  assert.deepEqual(JSON.parse(inbox.out), { questions: [], stopped: [] })

  const fork = await polity('fork', pid, '--at', '1', '--json', ...store)
  assert.equal(fork.code, 0, fork.err)
  assert.equal(
    (JSON.parse(fork.out) as { output: { text: string } }).output.text,
    (JSON.parse(ran.out) as { text: string }).text,
  )
  const [badFork, ended, noPid] = [
    await polity('fork', pid, '--at', '99', ...store),
    await polity('resume', pid, ...store),
    await polity('kill', '9999', ...store),
  ]
  assert.match(badFork.err, /takes a call from 0 to 2, not 99/)
  assert.deepEqual([badFork.code, ended.code, noPid.code], [2, 2, 2])
  const gc = await polity('gc', '--keep', '0', '--json', ...store)
  // The origin of a fork stays as long as its journal is another's past.
  assert.equal((JSON.parse(gc.out) as { removed: number }).removed, 1)
})

test('a program that changed is told to differ by replay', async () => {
  writeFileSync(
    join(folder, 'changing.ts'),
    "export default async function changing(sys) { await sys.sleep(1); return 'a' }\n",
  )
  assert.equal((await polity('run', 'changing.ts', '--store', 'k.db')).code, 0)
  writeFileSync(
    join(folder, 'changing.ts'),
    "export default async function changing(sys) { await sys.sleep(2); return 'a' }\n",
  )
  const { processes } = await listed('k.db', '--all')
  const replay = await polity('replay', String(processes[0]?.pid), '--store', 'k.db')
  assert.equal(replay.code, 1)
  assert.match(replay.out, /^differs: .*sleep.*its arguments differ/)
})

test('Ctrl-C leaves a run that the printed line resumes, with the answer it would have had', async () => {
  const run = start(['run', 'slow.ts', '4000', '--store', 'l.db'])
  const pid = await sleeping('l.db')
  run.kill('SIGINT')
  const stopped = await run.done
  assert.equal(stopped.code, 130)
  assert.equal(stopped.out, '')
  const line = /go on with: .*(resume \d+ --store l\.db)/.exec(stopped.err)
  assert.ok(line, stopped.err)
  const { processes } = await listed('l.db')
  assert.deepEqual(
    processes.map(({ state }) => state),
    ['stopped'],
  )
  const resumed = await polity(...(line[1] as string).split(' '))
  assert.equal(resumed.code, 0, resumed.err)
  const replay = await polity('replay', String(pid), '--store', 'l.db')
  assert.match(replay.out, /^same/)
  assert.match((JSON.parse(resumed.out) as { text: string }).text, /wait 4000/)
})

test('a killed tree is resumed with its children, also by another folder’s command', async () => {
  const run = start(['run', 'team.ts', '3000', '--store', 'm.db'])
  await sleeping('m.db')
  run.kill('SIGTERM')
  assert.equal((await run.done).code, 143)
  const { processes } = await listed('m.db')
  assert.deepEqual(
    processes.map(({ program, state }) => `${program} ${state}`),
    ['team stopped', 'member stopped'],
  )
  const resumed = await polity('resume', '--store', join(folder, 'm.db'))
  assert.equal(resumed.code, 0, resumed.err)
  assert.deepEqual(JSON.parse(resumed.out), [1, 3000])
})

test('while a kernel has the store: runs are refused, and ps, top, trace, doctor and kill reach it', async () => {
  const store = ['--store', 'n.db']
  const run = start(['run', 'slow.ts', '60000', ...store])
  const pid = String(await sleeping('n.db'))
  const follow = start(['trace', pid, '--follow', ...store])
  const [second, list, top, trace, doctor] = await Promise.all([
    polity('run', 'echo.ts', ...store),
    listed('n.db'),
    polity('top', '--once', '--json', ...store),
    polity('trace', pid, ...store),
    polity('doctor', ...store),
  ])
  assert.equal(second.code, 3)
  assert.match(second.err, /is open in process \d+/)
  assert.equal(list.isOwned, true)
  assert.equal(list.processes[0]?.waiting, 'sleep')
  assert.equal((JSON.parse(top.out) as { cores: { id: string }[] }).cores[0]?.id, 'offline/reader')
  assert.match(trace.out, /#1 sleep\(60000 ms\) = \?/)
  assert.match(doctor.out, /warn +owner +a kernel in process \d+/)
  const killed = await polity('kill', pid, '--reason', 'enough', ...store)
  assert.equal(killed.code, 0, killed.err)
  assert.equal(killed.out, `killed ${pid}\n`)
  const ended = await run.done
  assert.equal(ended.code, 1)
  assert.match(ended.err, /was killed: .*enough/)
  assert.match((await follow.done).out, /killed KILLED: /)
  assert.match((await polity('kill', pid, ...store)).err, /has ended already \(killed\)/)
})

test('questions wait in the inbox, take what they may, and are asked again after an interruption', async () => {
  const store = ['--store', 'o.db']
  const run = start(['run', 'asker.ts', ...store])
  await until(() => (run.err().includes('Which colour?') ? true : undefined))
  const inbox = await polity('inbox', ...store)
  const id = /^ *(\d+) +\d+ +ask +Which colour\? +red, blue/m.exec(inbox.out)?.[1] ?? ''
  assert.notEqual(id, '', inbox.out + inbox.err)
  const wrong = await polity('answer', id, 'green', ...store)
  assert.match(wrong.err, /takes "red", "blue", not "green"/)
  assert.match((await polity('answer', '99999', 'red', ...store)).err, /no question 99999 waits/)
  run.kill('SIGINT')
  assert.equal((await run.done).code, 130)
  assert.match((await polity('inbox', ...store)).err, /stopped at a question \(Which colour\?\)/)
  const resumed = start(['resume', ...store])
  const again = await until(() => /answer (\d+)/.exec(resumed.err())?.[1])
  assert.equal((await polity('answer', again, 'red', ...store)).code, 0)
  assert.equal((await resumed.done).out, 'red\n')
})

test('a run of a library is resumed with the file named, and killed where no kernel runs', async () => {
  const store = openSqliteStore(join(folder, 'p.db'))
  const kernel = createKernel({ store, models: { 'offline/reader': reader() } })
  const runs = [kernel.spawn(slow as never, 300 as never), kernel.spawn(slow as never, 301 as never)]
  const results = Promise.allSettled(runs.map((run) => run.result))
  await pause(100)
  await kernel.close()
  await results
  const [first, second] = runs.map(({ pid }) => String(pid)) as [string, string]
  const unknown = await polity('resume', first, '--store', 'p.db')
  assert.equal(unknown.code, 2)
  assert.match(unknown.err, /name it with --program <file\.ts>/)
  assert.equal((await polity('resume', first, '--program', 'slow.ts', '--store', 'p.db')).code, 0)
  assert.equal((await polity('kill', second, '--store', 'p.db')).out, `killed ${second}\n`)
  assert.deepEqual((await listed('p.db')).processes, [])
})

test('help, version, a reader that goes away, and a Node that is too old', async () => {
  const [overview, bare, one, version, head] = await Promise.all([
    polity('help'),
    polity(),
    polity('trace', '--help'),
    polity('--version'),
    piped(`"${process.execPath}" "${bin}" help | head -1`),
  ])
  assert.match(overview.out, /usage {2}polity <command>/)
  for (const command of [
    'ask',
    'run',
    'ps',
    'top',
    'trace',
    'kill',
    'resume',
    'fork',
    'replay',
    'answer',
    'inbox',
    'gc',
    'doctor',
    'help',
  ])
    assert.match(overview.out, new RegExp(`^  ${command}\\b`, 'm'))
  assert.match(overview.out, /130 +interrupted/)
  assert.equal(bare.code, 2)
  assert.match(one.out, /--follow, -f/)
  assert.match(version.out, /^\d+\.\d+\.\d+\n$/)
  assert.deepEqual(head, { code: 0, out: 'polity: an operating system for LLM agents\n', err: '' })
  // Syntax that Node 12 parses: no `?.`, `??`, private fields or top-level await.
  const source = readFileSync(bin, 'utf8')
  assert.doesNotMatch(source, /\?\.|\?\?|^\s*await|#private|\bimport\s+\w+\s+from/m)
  assert.match(source, /wanted = 24/)
})

test('colours only on a terminal that wants them', { skip: process.platform === 'win32' }, async () => {
  const line = `"${process.execPath}" "${bin}" help`
  const coloured = await piped(`script -qec '${line}' /dev/null`)
  if (coloured.code === 127) return
  assert.ok(coloured.out.includes(`${ESCAPE}[1m`))
  assert.ok(!(await piped(`NO_COLOR=1 script -qec '${line}' /dev/null`)).out.includes(`${ESCAPE}[`))
})

/** As slow.ts has it. */
async function slow(
  sys: { generate(prompt: string): Promise<{ text: string }>; sleep(ms: number): Promise<void>; random(): number },
  ms: number,
) {
  const { text } = await sys.generate(`wait ${ms}`)
  await sys.sleep(ms)
  return { text, drawn: sys.random() }
}

function piped(line: string): Promise<Outcome> {
  const { NO_COLOR: _, ...env } = process.env
  const child = spawn('bash', ['-c', `set -o pipefail; ${line}`], {
    cwd: folder,
    env: { ...env, TERM: 'xterm' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  return new Promise((resolve, reject) => child.on('error', reject).on('close', (code) => resolve({ code, out, err })))
}
