/**
 * The command line as people and scripts meet it: real processes in a folder of their own, with the offline model.
 *
 * Each test asks several things of one spawn, because a start costs more than the work.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { stripVTControlCharacters } from 'node:util'
import { loadCommand } from '../src/cli/commands.ts'
import { jsonOrText, parseCommandLine } from '../src/cli/options.ts'
import { readSqliteStore } from '../src/drivers/store/sqlite-reader.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { reader } from '../src/drivers/llm/reader.ts'
import { realClock } from '../src/kernel/clock.ts'
import { PolityError } from '../src/kernel/errors.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { HANGS_MS } from './world.ts'

const bin = resolve(import.meta.dirname, '../bin/polity.js')
const LONG = process.env['POLITY_LONG'] === '1'
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
  file(
    'deep.ts',
    "import { readFileSync } from 'node:fs'\nconst load = (path) =>\n  readFileSync(path)\nexport default async (sys, input) => {\n  await sys.sleep(1)\n  return load(input)\n}\n",
  )
  file('exit.ts', 'export default async (sys) => { await sys.sleep(1); process.exit(0) }\n')
  file('no-tool.ts', "export default async (sys) => sys.call('nosuch', {})\n")
  file('exit-at-once.ts', 'process.exit(0)\n')
  file('guest.ts', "export default async (sys, guest = 'nobody') => { await sys.sleep(1); return { guest } }\n")
  file(
    'finder.ts',
    "export default async (sys, ms) => { await sys.sleep(ms); const hits = await sys.call('search', { query: 'survives keeper' }); return hits.map(({ path }) => path) }\n",
  )
  file('half.ts', "export default async function half(sys, ms) { await sys.sleep(ms); throw new Error('half way') }\n")
  file('quick.ts', 'export default async function slow(sys, ms) { await sys.sleep(ms); return `quick ${ms}` }\n')
  file('empty.law', '{"rules":[]}')
  file('closed.law', '{"rules":[{"id":"no-search","effect":"deny","tool":"search","reason":"not in office hours"}]}')
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
    'seats.ts',
    `export { debate as default } from ${JSON.stringify(resolve(import.meta.dirname, '../src/agents/debate.ts'))}\n`,
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

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}, stdin?: string | Buffer): Started {
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: folder,
    env: { ...process.env, POLITY_STORE: '', POLITY_DEBUG: '', ...env },
    stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  child.stdin?.on('error', () => {}) // it may end before it has read everything
  child.stdin?.end(stdin)
  let out = ''
  let err = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text))
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
/** The same with something on stdin. */
const fed = (stdin: string | Buffer, ...args: string[]): Promise<Outcome> => start(args, {}, stdin).done

/** Waits until `look` gives something. */
async function until<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const { now } = realClock()
  for (const startedAt = now(); now() - startedAt < HANGS_MS; await pause(30)) {
    const found = await look()
    if (found !== undefined) return found
  }
  throw new Error(`it did not come to be within ${HANGS_MS} ms`)
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

/** The pids of those that are at a `sleep` or a question, read here: a start of `polity ps` could take as long as the sleep. */
function waiting(store: string): number[] {
  const path = join(folder, store)
  if (!existsSync(path)) return []
  try {
    const journal = readSqliteStore(path)
    try {
      return [...journal.processes()].flatMap(({ start, end }) => {
        const last = journal.events(start.pid).at(-1)
        const waits = end === undefined && last?.type === 'call-start' && ['sleep', 'ask'].includes(last.call)
        return waits ? [start.pid] : []
      })
    } finally {
      journal.close()
    }
  } catch (error) {
    // The store is only being made.
    if (PolityError.isInstance(error)) return []
    throw error
  }
}

function sleeping(store: string): Promise<number> {
  return until(() => waiting(store)[0])
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

test('ask says of each part of a question that found nothing that it did, and cites what answers the others', async () => {
  const question = 'What survives a kill -9, and who discovered penicillin, and when is a budget reserved?'
  const [some, few, none] = await Promise.all([
    polity('ask', question, '--in', 'docs', '--store', 'parts/1.db'),
    polity('ask', question, '--in', 'docs', '--store', 'parts/2.db', '--readers', '2', '--json'),
    polity('ask', 'Who painted the Mona Lisa, and who discovered penicillin?', '--in', 'docs', '--store', 'parts/3.db'),
  ])
  assert.match(some.out, /survives a kill -9\. \[docs\/store\.md:3\]\n.*\[docs\/budget\.md:3\]\n/, some.err)
  assert.match(some.out, /\nI found nothing in these files that answers "Who discovered penicillin\?"\.\n$/)
  const { output } = JSON.parse(few.out) as { output: { answer: string; found: boolean; unanswered: string[] } }
  assert.equal(output.found, true)
  assert.deepEqual(output.unanswered, ['Who discovered penicillin?', 'When is a budget reserved?'])
  assert.match(
    output.answer,
    /I did not look for "When is a budget reserved\?": .* more parts than there are readers\.$/,
  )
  assert.equal(none.out, 'I found nothing in these files that answers the question.\n')
})

test('ask reads its question from a pipe or where `-` stands, and says what is left out of the index', async () => {
  const folder = ['--in', 'mixed', '--store', 'piped/p.db']
  mixedFolder()
  const [piped, dash, empty, blank, long] = [
    await fed('Who was the lighthouse keeper?\n', 'ask', ...folder),
    await fed('Who was the lighthouse keeper?', 'ask', '-', '--json', ...folder),
    await fed('', 'ask', '-', ...folder),
    await fed(' \n', 'ask', ...folder),
    await fed('why? '.repeat(20_000), 'ask', '-', ...folder),
  ]
  assert.match(piped.out, /Ingrid.*\[mixed\/keeper\.txt:1\]/, piped.err)
  assert.match(piped.err, /reading mixed: 1 file, 41 B; 1 indexed in .*; left out: 2 binary, 1 over 16 MiB\n/)
  const { output, sources } = JSON.parse(dash.out) as {
    output: { answer: string; claims: { path: string }[] }
    sources: { files: number; leftOut: { binary: number; tooLarge: number; unreadable: number } }
  }
  assert.match(output.answer, /\[mixed\/keeper\.txt:1\]/)
  assert.equal(output.claims[0]?.path, 'mixed/keeper.txt')
  assert.partialDeepStrictEqual(sources, { files: 1, leftOut: { binary: 2, tooLarge: 1, unreadable: 0 } })
  for (const { code, err } of [empty, blank]) {
    assert.equal(code, 2)
    assert.match(err, /question on stdin is empty; expected: echo/)
  }
  assert.match(long.err, /question on stdin is larger than 65\.5 kB/)
})

test('who waits for a kernel that says nothing says so, and where it is interrupted what became of that', async () => {
  const store = ['--store', 'deaf.db']
  const asking = start(['run', 'asker.ts', ...store])
  await until(() => (/Which colour/.test(asking.err()) ? true : undefined))
  asking.kill('SIGINT')
  assert.equal((await asking.done).code, 130)
  const deaf = openSqliteStore(join(folder, 'deaf.db'))
  try {
    const said = `waiting for the kernel in process ${process.pid}\n`
    const gc = start(['gc', ...store])
    const kill = start(['kill', '1', ...store])
    await until(() => ([gc, kill].every(({ err }) => err() === said) ? true : undefined))
    gc.kill('SIGTERM')
    kill.kill('SIGINT')
    const owner = `${said}polity: interrupted; the kernel in process ${process.pid} that has the store open did not`
    const [collected, killed] = await Promise.all([gc.done, kill.done])
    assert.deepEqual([collected.code, collected.err], [143, `${owner} take this up; nothing was done: run it again.\n`])
    assert.deepEqual(
      [killed.code, killed.err],
      [130, `${owner} end process 1 yet; it will when it next looks, or end that kernel.\n`],
    )
  } finally {
    deaf.close()
  }
})

test('an input that is a number is the one that was written, and one of many digits is given as text', () => {
  for (const [given, read] of [
    ['"12345678901234567890"', '12345678901234567890'],
    ['12345678901234567890a', '12345678901234567890a'],
    ['4111111111111111', 4111111111111111],
    ['9007199254740992', 2 ** 53],
    ['-9007199254740994', -(2 ** 53) - 2],
    ['1e22', 1e22],
    ['0.30000000000000000001', 0.3],
    ['{"12345678901234567890":"12345678901234567890"}', { '12345678901234567890': '12345678901234567890' }],
  ] as const)
    assert.deepEqual(jsonOrText(given), read, given)
  for (const given of ['9007199254740993', '-9007199254740993', '[1, 12345678901234567890]', '9'.repeat(400)])
    assert.throws(() => jsonOrText(given), { code: 'INVALID_ARGUMENT' }, given)
  // What lies too deep to be looked through is JSON still; the kernel refuses it.
  const deep = `${'['.repeat(100_000)}1234567890123456${']'.repeat(100_000)}`
  assert.ok(Array.isArray(jsonOrText(deep)))
})

test('what is no UTF-8 is refused, on stdin and in the files that a command is told, and nothing is taken for it', async () => {
  const latin = (text: string): Buffer => Buffer.from(text, 'latin1')
  const file = (name: string, text: string): void => writeFileSync(join(folder, name), latin(text))
  file('latin.ts', 'export default async function same(sys: unknown, input: unknown) { return input }\n')
  file('latin.law', '{"rules":[{"id":"caf\xe9","effect":"allow"}]}')
  file('latin.cases', '[{"name":"caf\xe9"}]')
  const store = ['--store', 'latin.db']
  for (const [{ code, err }, said] of await Promise.all([
    fed(latin('{"receipt":"caf\xe9"}'), 'run', 'latin.ts', '-', ...store).then(
      (one) => [one, 'the input on stdin is'] as const,
    ),
    fed(latin('Where is the caf\xe9?'), 'ask', '-', ...store).then((one) => [one, 'the question on stdin is'] as const),
    polity('run', 'latin.ts', '1', '--law', 'latin.law', ...store).then(
      (one) => [one, 'latin.law is not a law: it is'] as const,
    ),
    polity('policy', 'explain', 'latin.law', '{"tool":"search"}').then((one) => [one, 'latin.law is'] as const),
    polity('serve', 'latin.ts', '--client-tools', 'latin.cases', ...store).then(
      (one) => [one, 'the file latin.cases of --client-tools cannot be read: it is'] as const,
    ),
  ])) {
    assert.equal(code, 2, err)
    assert.ok(err.startsWith(`polity: ${said} not UTF-8; save or send it as UTF-8`), err)
  }
  assert.ok(!existsSync(join(folder, 'latin.db')), 'something was begun')
  const marked = await fed('\ufeff{"caf\u00e9":1}', 'run', 'latin.ts', '-', ...store)
  assert.deepEqual([marked.code, marked.out], [0, '\ufeff{"caf\u00e9":1}\n'])
})

test('ask cites a file by its own name, whatever signs stand in it', async () => {
  mkdirSync(join(folder, 'signs/[lang]'), { recursive: true })
  const text = 'The lighthouse keeper was called Ingrid.\n'
  writeFileSync(join(folder, 'signs/[lang]/a:3].txt'), text)
  writeFileSync(join(folder, 'signs/back\\slash\n[1].txt'), 'A budget is reserved before the call.\n')
  const question = 'What was the lighthouse keeper called, and when is a budget reserved?'
  const [plain, json] = await Promise.all([
    polity('ask', question, '--in', 'signs', '--store', 'signs.db'),
    polity('ask', question, '--in', 'signs/[lang]/a:3].txt', '--in', 'signs', '--json', '--store', 'signs2.db'),
  ])
  assert.equal(
    plain.out,
    `${text.trim()} [signs/[lang]/a:3].txt:1]\nA budget is reserved before the call. [signs/back\\slash␊[1].txt:1]\n`,
    plain.err,
  )
  const { output } = JSON.parse(json.out) as { output: { claims: { path: string; line: number }[] } }
  assert.deepEqual(
    new Set(output.claims.map(({ path }) => path)),
    new Set(['signs/[lang]/a:3].txt', 'signs/back\\slash\n[1].txt']),
  )
})

/** A text, two binary files and one that is too large. */
function mixedFolder(): void {
  mkdirSync(join(folder, 'mixed'))
  writeFileSync(join(folder, 'mixed/keeper.txt'), 'The lighthouse keeper was called Ingrid.\n')
  for (const name of ['a.bin', 'b.bin']) writeFileSync(join(folder, 'mixed', name), new Uint8Array(300))
  writeFileSync(join(folder, 'mixed/huge.txt'), '')
  truncateSync(join(folder, 'mixed/huge.txt'), 17 * 1024 * 1024)
}

test('ask without a question answers one from its own docs', async () => {
  const { code, out, err } = await polity('ask', '--store', 'own.db')
  assert.equal(code, 0, err)
  assert.match(err, /kill -9/)
  assert.notEqual(out, '')
})

test('a program file in a project is read whatever its package.json says, or the line says what to do', async () => {
  const write = (name: string, text: string): void => writeFileSync(join(folder, 'project', name), text)
  mkdirSync(join(folder, 'project'))
  write('twice.ts', 'export const twice = (n: number) => 2 * n\n')
  write('count.ts', "import { twice } from './twice.ts'\nexport default async (sys: unknown, n: number) => twice(n)\n")
  write('old.js', '/*\nexport is what it does not say\n*/\nmodule.exports = async (sys, n) => n\n')
  const count = (file: string) => polity('run', `project/${file}`, '4', '--store', 'project.db')

  write('package.json', '{}')
  const untold = await count('count.ts')
  assert.deepEqual([untold.code, untold.out], [0, '8\n'], untold.err)
  // Each file by itself: neither it nor what it imports is read twice.
  assert.doesNotMatch(untold.err, /warning|package\.json/i)
  assert.deepEqual((({ code, out }) => [code, out])(await count('old.js')), [0, '4\n'])

  write('package.json', '{"type":"commonjs"}')
  const other = await count('count.ts')
  assert.equal(other.code, 2)
  assert.match(
    other.err,
    /count\.ts does not load \(project\/count\.ts:1\): .*; it is an ES module.*"type": "module".*npm pkg set type=module.*name the file count\.mts\.$/m,
  )
  write('package.json', '{"type":"module"}')
  const told = await count('count.ts')
  assert.deepEqual([told.code, told.out], [0, '8\n'], told.err)
  assert.doesNotMatch(told.err, /warning/i)
})

test('a function without a name goes on under the name of its file only, and a renamed file is told so', async () => {
  writeFileSync(join(folder, 'v.ts'), "export default async (sys) => { await sys.sleep(2_000); return 'on' }\n")
  const run = start(['run', 'v.ts', '--store', 'renamed.db'])
  await until(() => waiting('renamed.db').at(0))
  run.kill('SIGKILL')
  await run.done
  copyFileSync(join(folder, 'v.ts'), join(folder, 'v2.ts'))
  const { code, err } = await polity('resume', '1', '--program', 'v2.ts', '--store', 'renamed.db')
  assert.equal(code, 2, err)
  assert.match(
    err,
    /process 1 runs the program v, and v2\.ts has v2: a function without a name is called as its file is\. Name the file v\.ts, or the program: export default defineProgram\('v', …\)/,
  )
  // Named, it goes on from any file.
  writeFileSync(
    join(folder, 'v2.ts'),
    `import { defineProgram } from ${JSON.stringify(front)}\nexport default defineProgram('v', async (sys) => { await sys.sleep(2_000); return 'on' })\n`,
  )
  const named = await polity('resume', '1', '--program', 'v2.ts', '--store', 'renamed.db')
  assert.deepEqual([named.code, named.out], [0, 'on\n'], named.err)
})

/** Command line, exit code, what the sentence says. */
const refused: readonly (readonly [args: readonly string[], code: number, says: RegExp])[] = [
  [['nosuch'], 2, /no command "nosuch"/],
  [['trase', '1'], 2, /did you mean `polity trace`/],
  [['ask', ''], 2, /question is empty/],
  [['ask', '-'], 2, /question on stdin is empty/],
  [['ask', 'q', '--in', 'nowhere', '--store', 'in4.db'], 2, /no folder or file nowhere/],
  [['ask', 'q', '--in', 'empty', '--store', 'in1.db'], 2, /empty holds no text files: it is empty/],
  [['ask', 'q', '--in', 'binary', '--store', 'in2.db'], 2, /no text files \(left out: 1 binary\)/],
  [['ask', 'q', '--in', 'binary/x.bin', '--store', 'in3.db'], 2, /not a text file/],
  [['ask', 'q', '--model', 'nosuch/x'], 2, /@ai-sdk\/nosuch.*npm install/],
  [
    ['ask', 'q', '--model', 'offline/nope'],
    2,
    /there is no "offline\/nope"; the only offline model is offline\/reader\.\n$/,
  ],
  [['key', 'create', '', '--store', 'key.db'], 2, /principal takes 1 to 200 printable characters, not ""\.\n$/],
  [
    ['run', 'finder.ts', '1', '--in', 'docs', '--law', 'empty.law', '--store', 'in9.db'],
    1,
    /search is denied: no rule allows it\. The message says why: .* add one where no rule allows the call, /,
  ],
  [['ask', 'q', '--model', 'garbage'], 2, /provider\/model/],
  [['ask', 'q', '--law', 'broken.law', '--in', 'docs', '--store', 'in5.db'], 2, /rules\[0\]\.id must be/],
  [['ask', 'q', '--law', 'no.law', '--in', 'docs', '--store', 'in6.db'], 2, /no law file no\.law/],
  [['ask', 'q', '--in', 'docs', '--store', 'folder.db'], 2, /is a folder/],
  [['ask', 'q', '--in', 'docs', '--store', 'text.db'], 2, /not a Polity store/],
  [['ask', 'q', '--in', 'docs', '--store', '/proc/nowhere/p.db'], 2, /cannot be made/],
  [['ask', 'q', '--stroe', 'x'], 2, /no option --stroe; did you mean --store/],
  [['ask', 'q', '--in', 'docs', '--budget-tokens', '5', '--store', 'd.db'], 1, /budget of 5 tokens/],
  [['run', 'echo.ts', '--price', 'cheap'], 2, /--price takes dollars/],
  [['run', 'echo.ts', '12345678901234567890'], 2, /the whole number 12345678901234567890 has more digits .* in double/],
  [['run', 'echo.ts', '{"to":[{"card":9007199254740993}]}'], 2, /the whole number 9007199254740993 has more digits/],
  [['run', 'echo.ts', '1'.repeat(400)], 2, /the whole number 1{40}… has more digits/],
  [['run', 'missing.ts'], 2, /no file missing\.ts/],
  [['run', 'docs'], 2, /is a folder/],
  [['run', 'one.txt'], 2, /not a \.ts or \.js file/],
  [['run', 'none.ts'], 2, /no default export \(it exports x\)/],
  [['run', 'number.ts'], 2, /is a number; expected a program/],
  [['run', 'never.ts'], 1, /waits for something that cannot come/],
  [['run', 'syntax.ts'], 2, /syntax\.ts does not load \(syntax\.ts:1\): /],
  [['run', 'boom.ts', '--store', 'e.db'], 1, /process \d+ failed at boom\.ts:1:36: boom at night/],
  [['run', 'deep.ts', 'nowhere', '--store', 'e2.db'], 1, /process \d+ failed at deep\.ts:3:3: ENOENT/],
  [
    ['run', 'stray.ts', '--store', 'f.db'],
    4,
    /nothing waited for at stray\.ts:1:\d+: stray\. Process 1 is stopped; .*resume 1 --store f\.db/,
  ],
  [
    ['run', 'exit.ts', '--store', 'f2.db'],
    4,
    /ended the whole command with process\.exit\(0\).* Process 1 is stopped; .*resume 1 --store f2\.db/,
  ],
  [['run', 'no-tool.ts', '--store', 'f5.db'], 1, /process \d+ failed: process \d+ holds no tool "nosuch"/],
  [['run', 'exit-at-once.ts', '--store', 'f3.db'], 1, /ended the whole command with process\.exit\(0\)/],
  [
    ['run', 'finder.ts', '1', '--in', 'docs', '--law', 'closed.law', '--store', 'f4.db'],
    1,
    /tool search is denied: rule no-search: not in office hours/,
  ],
  [['run', ''], 2, /there is no file ""; a program is an export/],
  [['lint', '--law', ''], 2, /--law got an empty value/],
  [['lint', '--law', 'docs'], 2, /docs cannot be read: it is a folder, and a file is expected\.\n$/],
  // It has no end: all of it was read, and all the memory of the machine with it.
  [['lint', '--law', '/dev/zero'], 2, /\/dev\/zero cannot be read: it is larger than the 537 MB that are read of one/],
  [['run', 'echo.ts', '--law', 'docs', '--store', 'z.db'], 2, /docs is not a law: it is a folder, and a file is/],
  [['audit', '--head', '0'.repeat(64)], 2, /--head is of verify: polity audit verify --head <hash>\.\n$/],
  [['audit', 'verify', '--pid', '1'], 2, /audit verify takes no --pid: it follows the whole chain/],
  [['audit', 'verify', '--head', '5f1c'], 2, /--head takes a whole head .* 64 hexadecimal digits, not "5f1c"\.\n$/],
  [['key', 'list', '--scope', 'models'], 2, /polity key list takes no --scope; --scope belongs to create\.\n$/],
  [['key', 'revoke', '3f9a41c0', '--expires', '1h'], 2, /polity key revoke takes no --expires/],
  [['key', 'create', 'ada', '--store', 'folder.db'], 2, /folder\.db is a folder; a store is one file/],
  [['key', 'create', 'ada', '--store', 'text.db'], 2, /text\.db is not a Polity store/],
  [['policy', 'diff', 'a', 'b', '--widen'], 2, /polity policy diff takes no --widen; --widen belongs to adopt\.\n$/],
  [
    ['files', 'show', '1', 'a.md', 'b.md'],
    2,
    /files show 1 does not take "b\.md"; expected polity files show 1 <path>, /,
  ],
  [['files', 'diff', '1', 'a.md', 'b.md'], 2, /files diff 1 does not take "b\.md"/],
  [['files', 'rollback', '1', 'a.md', 'b.md', '--version', '1'], 2, /files rollback 1 does not take "b\.md"/],
  [['files', 'fetch', '1'], 2, /polity files takes list, show, .*, rollback, not "fetch"\.\n$/],
  [['agents', 'show', 'one', 'two'], 2, /polity agents show does not take "two"/],
  [['agents', 'schema', 'one'], 2, /polity agents schema does not take "one"/],
  [['agents', '--model', 'offline/reader'], 2, /polity agents list takes no --model; --model belongs to run, ask\.\n$/],
  [['evaluate', 'view', 'a.json', 'b.json'], 2, /polity evaluate view does not take "b\.json"/],
  [['evaluate', 'a.ts', 'b.ts'], 2, /polity evaluate does not take "b\.ts"; expected polity evaluate \[suite\.ts\]/],
  [
    ['emulate', 'cases.json', '--model', 'offline/reader'],
    2,
    /--model is that of --agent: the scripted agents ask none/,
  ],
  [['ps', '--store', 'missing.db'], 2, /no store at missing\.db/],
  [['trace', 'x'], 2, /a pid is a whole number/],
  [['--bogus'], 2, /polity has no option --bogus; those of a command stand behind it/],
  [['-q'], 2, /-q stands behind a command: polity <command> -q/],
  [['--verson'], 2, /did you mean --version\?/],
  [['serve', '--limit', 'procesesKeptMax=1'], 2, /no limit procesesKeptMax; did you mean processesKeptMax\?/],
  [['serve', '--limit', 'foo=1'], 2, /no limit foo; those of the kernel are in docs\/kernel\/limits\.md/],
  [['help', 'pss'], 2, /did you mean ps/],
]

/** What is wrong with the words alone is found before anything else is loaded. */
const misspelt: readonly (readonly [words: readonly string[], says: RegExp])[] = [
  [['ask', 'q', '--store'], /--store needs a value/],
  [['ask', 'q', '--json=1'], /--json takes no value/],
  [['ask', 'q', '--budget-usd', 'much'], /number of at least 0, not "much"/],
  [['ask', 'q', '--budget-tokens', '-3'], /whole number of at least 0, not "-3"/],
  [['run'], /needs <file\.ts>/],
  [['install'], /needs <folder \| package \| url>; expected polity install <folder \| package \| url>$/],
  [
    ['files'],
    /needs one of list, show, .*, rollback; expected polity files list <pid> \[prefix\] \| show <pid> <path> \| /,
  ],
  [['gc', '--keep', '5', '--keep', '6'], /--keep is given twice, 5 and 6; give it once$/],
  [
    ['run', 'a.ts', '--law', 'a.json', '--law', 'b.json'],
    /--law is given twice, "a\.json" and "b\.json"; give it once$/,
  ],
  [['emulate', 'cases.json', '--exceptions', '1.5'], /--exceptions takes a number from 0 to 1, not "1\.5"/],
  [['key'], /needs one of create, list, revoke; expected polity key create <principal> \| list \| revoke <id>$/],
  [['memory'], /needs one of list, search, show, forget, revoke, stats; expected polity memory list \| /],
  [['policy'], /needs one of diff, adopt, test, explain, learn, progent, schema; expected polity policy diff /],
  [['ps', 'extra'], /does not take "extra"/],
  [['top', '--interval', '1'], /--interval takes a whole number of at least 100, not "1"/],
  [['memory', 'list', '--limit', '-1'], /--limit takes a whole number from 1 to 100, not "-1"/],
  [['memory', 'list', '--limit', '0'], /--limit takes a whole number from 1 to 100, not "0"/],
  [['memory', 'search', 'x', '--limit', '101'], /--limit takes a whole number from 1 to 100, not "101"/],
  [['serve', '--port', '65536'], /--port takes a whole number from 0 to 65535, not "65536"/],
  [['run', 'echo.ts', '-52'], /no option -52; .* stands behind --, after all options: polity run … -- -52$/],
  [['trace', '-1'], /no option -1; .*: polity trace … -- -1$/],
  [['ps', '-1'], /no option -1; it takes --store/],
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

test('a command that fails says so by its code also where nobody reads its result, and --json behind -- is a word', async () => {
  const child = spawn(process.execPath, [bin, 'run', 'boom.ts', '--json', '--store', 'gone.db'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  child.stdout.destroy()
  const code = new Promise((resolve) => void child.on('close', resolve))
  const word = await polity('run', 'boom.ts', '--store', 'word.db', '--', '--json')
  assert.deepEqual([word.code, word.out], [1, ''])
  const missing = await polity('trace', '--store', 'missing.db', '--', '--json')
  assert.deepEqual([missing.code, missing.out], [2, ''])
  assert.equal(await code, 1)
})

test('a key is made where there is no store yet, or an empty file; the doctor sees that a file has no folder in it', async () => {
  writeFileSync(join(folder, 'made-empty.db'), '')
  for (const store of ['made-empty.db', 'not-yet/s.db'])
    assert.equal((await polity('key', 'create', 'ada', '--store', store)).code, 0, store)
  assert.deepEqual(
    readdirSync(folder).filter((name) => /^(?:text|folder)\.db-keys/.test(name)),
    [],
  )
  const doctor = await polity('doctor', '--store', 'text.db/s.db')
  assert.equal(doctor.code, 1)
  assert.match(doctor.out, /^fail +store +none at text\.db\/s\.db, and \S+text\.db is no folder that can be written/m)
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

test('a run that ends the command before it has waited for anything can be resumed when that is said; one that was not kept has no pid', async () => {
  writeFileSync(
    join(folder, 'lost.ts'),
    "export default async (sys) => { void Promise.reject(new Error('lost')); await sys.sleep(60_000) }\n",
  )
  writeFileSync(join(folder, 'leaves.ts'), 'export default () => process.exit(0)\n')
  const kept = ['--store', 'kept.db']
  const [first, second] = [await polity('run', 'lost.ts', ...kept), await polity('run', 'leaves.ts', ...kept)]
  const told = [first, second].map(({ code, err }) => [code, / resume (\d+) --store kept\.db\n$/.exec(err)?.[1]])
  assert.deepEqual(
    told.map(([code]) => code),
    [4, 4],
    first.err + second.err,
  )
  const pids = told.map(([, pid]) => Number(pid))
  const { processes } = await listed('kept.db', '--all')
  assert.deepEqual(
    processes.map(({ pid, program, state }) => [pid, program, state]),
    [
      [pids[0], 'lost', 'stopped'],
      [pids[1], 'leaves', 'stopped'],
    ],
  )
  // With what it was started with: the pid is all that is needed.
  assert.match((await polity('resume', String(pids[0]), ...kept)).err, /an error that nothing waited for at lost\.ts/)
  if (process.platform === 'win32') return
  // An input that the file has no room for: the start of the run cannot be kept.
  const full = (name: string, more = ''): Promise<Outcome> =>
    piped(
      `trap '' XFSZ; ulimit -f 200; "${process.execPath}" "${bin}" run ${name}.ts ${'x'.repeat(100_000)} --store full-${name}${more}.db ${more}`,
    )
  for (const [name, code] of [
    ['lost', 1],
    ['leaves', 1],
    ['quick', 4],
  ] as const) {
    const { code: was, err } = await full(name)
    assert.equal(was, code, err)
    assert.match(err, /Nothing of (?:the run|it) is found in the store, so it cannot be resumed\.\n$/)
    assert.doesNotMatch(err, /process \d|resume \d/i)
    assert.deepEqual((await listed(`full-${name}.db`, '--all')).processes, [])
  }
  const { code, out } = await full('quick', '--json')
  assert.equal(code, 4)
  assert.partialDeepStrictEqual(JSON.parse(out), { pid: null, state: 'stopped', error: { code: 'STORE_FAILED' } })
})

test('a replay of a run with folders needs neither them nor a place to write', async () => {
  const place = join(folder, 'replayed')
  mkdirSync(join(place, 'notes'), { recursive: true })
  for (const name of ['store.md', 'budget.md']) copyFileSync(join(folder, 'docs', name), join(place, 'notes', name))
  const law = join(place, 'law.json')
  writeFileSync(law, '{"rules":[{"id":"looks","effect":"allow","tool":"search"}]}')
  const store = ['--store', 'replayed/p.db']
  const [asked, found] = [
    await polity('ask', 'What survives a kill -9?', '--in', 'replayed/notes', ...store),
    await polity('run', 'finder.ts', '1', '--in', 'replayed/notes', '--in', 'one.txt', '--law', law, ...store),
  ]
  assert.deepEqual([asked.code, found.code], [0, 0], asked.err + found.err)
  const { processes } = await listed('replayed/p.db', '--all')
  const pids = processes.filter(({ program }) => ['research', 'finder'].includes(program)).map(({ pid }) => pid)
  assert.equal(pids.length, 2)
  // Neither what was read, nor the index of it, nor the key that only a new approval would need.
  for (const name of ['notes', 'index', 'p.db-key']) rmSync(join(place, name), { recursive: true, force: true })
  const left = readdirSync(place, { recursive: true }).toSorted()
  for (const pid of pids) {
    const { code, out, err } = await polity('replay', String(pid), ...store)
    assert.equal(code, 0, err)
    assert.match(out, /^same: process \d+ made its \d+ calls? as the journal has them\n$/)
  }
  assert.deepEqual(
    readdirSync(place, { recursive: true })
      .toSorted()
      .filter((name) => !/-(?:wal|shm)$/.test(String(name))),
    left.filter((name) => !/-(?:wal|shm)$/.test(String(name))),
  )
  const script = pids.map((pid) => `"${process.execPath}" "${bin}" replay ${pid} ${store.join(' ')} 2>&1`).join(' && ')
  const shown = await whereNothingCanBeWritten('replayed', script)
  if (shown !== undefined) assert.equal(shown.out.match(/^same: /gm)?.length, 2, shown.out)
})

test('a run whose law has gone or changed its form does not go on: it is said which file it was; a replay needs none', async () => {
  const law = join(folder, 'moved.law')
  writeFileSync(law, '{"rules":[{"id":"looks","effect":"allow","tool":"search"}]}')
  const store = ['--store', 'moved.db']
  const ran = await polity('run', 'guest.ts', '--law', law, ...store)
  assert.equal(ran.code, 0, ran.err)
  const pid = String((await listed('moved.db', '--all')).processes[0]?.pid)
  const saysOf = async () => {
    const { code, err } = await polity('fork', pid, ...store)
    assert.equal(code, 2)
    assert.match((await polity('replay', pid, ...store)).out, /^same: /)
    return err.trim()
  }
  const put = 'Put the law that it had back there, or name the file of a law with --law.'
  rmSync(law)
  assert.equal(await saysOf(), `polity: process ${pid} was started under a law: there is no law file ${law}. ${put}`)
  writeFileSync(law, '{')
  assert.ok((await saysOf()).startsWith(`polity: process ${pid} was started under a law: ${law} is not a law: `))
})

test('a program that is given no input has its own default, in the run, in its trace and in its replay', async () => {
  const store = ['--store', 'guest.db']
  const [none, nothing, json] = [
    await polity('run', 'guest.ts', ...store),
    await polity('run', 'guest.ts', 'null', ...store),
    await fed('{"of":"honour"}', 'run', 'guest.ts', '-', ...store),
  ]
  assert.deepEqual(
    [none, nothing, json].map(({ out }) => JSON.parse(out) as unknown),
    [{ guest: 'nobody' }, { guest: null }, { guest: { of: 'honour' } }],
  )
  const pid = String((await listed('guest.db', '--all')).processes[0]?.pid)
  assert.match((await polity('replay', pid, ...store)).out, /^same/)
  assert.match((await polity('trace', pid, ...store)).out, /start guest\n/)
  const fork = await polity('fork', pid, '--at', '0', ...store)
  assert.deepEqual(JSON.parse(fork.out), { guest: 'nobody' })
})

test('what a program threw is shown whole where stacks are asked for, and with its place as JSON', async () => {
  const [whole, json] = await Promise.all([
    start(['run', 'deep.ts', 'nowhere', '--store', 'deep1.db'], { POLITY_DEBUG: '1' }).done,
    polity('run', 'deep.ts', 'nowhere', '--store', 'deep2.db', '--json'),
  ])
  assert.match(whole.err, /Error: ENOENT[^\n]*\n(?: +at .*\n)* +at load \(.*deep\.ts:3:3\)/)
  assert.equal((JSON.parse(json.out) as { place: string }).place, 'deep.ts:3:3')
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
  // The origin of a fork stays as long as its journal is another's past, and goes with the last fork.
  assert.equal((JSON.parse(gc.out) as { removed: number }).removed, 2)
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

test('all that are stopped go on together: one that waits or fails keeps none of the others', async () => {
  const store = ['--store', 'together.db']
  const begin = async (words: readonly string[], nth: number): Promise<void> => {
    const run = start(['run', ...words, ...store])
    await until(() => (waiting('together.db').length === nth ? true : undefined))
    run.kill('SIGKILL')
    await run.done
  }
  // Each is killed at its sleep; the last has the name of the first in another file, so no kernel can have both.
  const runs = [
    ['slow.ts', '700'],
    ['half.ts', '600'],
    ['finder.ts', '650', '--in', 'docs'],
    ['finder.ts', '550', '--in', 'one.txt'],
    ['asker.ts'],
    ['quick.ts', '500'],
  ]
  for (const [at, words] of runs.entries()) await begin(words, at + 1)
  const stopped = (await listed('together.db')).processes.map(({ pid }) => pid)
  assert.equal(stopped.length, 6)
  const resumed = start(['resume', '--json', ...store])
  const id = await until(() => /answer (\d+)/.exec(resumed.err())?.[1])
  // While one waits for a person, the others come to their ends.
  await until(() => (resumed.out().trim().split('\n').length === 4 ? true : undefined))
  assert.equal((await polity('answer', id, 'red', ...store)).code, 0)
  const { code, out, err } = await resumed.done
  assert.equal(code, 1)
  const ends = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { pid: number; output?: unknown; error?: { message: string } })
  const endOf = (at: number) => ends.find(({ pid }) => pid === stopped[at])
  assert.match(JSON.stringify(endOf(0)?.output), /wait 700/)
  assert.equal(endOf(1)?.error?.message, 'half way')
  assert.deepEqual(endOf(2)?.output, ['store.md'])
  assert.deepEqual(endOf(3)?.output, ['one.txt'])
  assert.equal(endOf(4)?.output, 'red')
  assert.equal(endOf(5)?.output, 'quick 500')
  assert.equal(ends.at(-1)?.pid, stopped[5])
  assert.match(err, new RegExp(`process ${stopped[5]} is resumed after the others`))
  for (const pid of stopped) assert.match(err, new RegExp(`process ${pid} goes on`))
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
  const narrow = await piped(
    `script -qec 'stty cols 40; "${process.execPath}" "${bin}" top --once --store n.db; "${process.execPath}" "${bin}" ps --store n.db' /dev/null`,
  )
  if (narrow.code !== 127) {
    const lines = stripVTControlCharacters(narrow.out).split(/\r?\n/)
    assert.ok(
      lines.every((line) => line.length <= 40),
      narrow.out,
    )
    assert.match(lines.join(' '), /core offline\/reader: 0 busy, no limit, 0 waiting; 1 call, 0 refused, 0 failed/)
    assert.equal(lines.filter((line) => /^ *\d+ +slow +running +sleep/.test(line)).length, 2, narrow.out)
  }
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

// The same in one process, and so in every `npm test`: elsewhere.test.ts.
test(
  'while a server has the store, resume, fork and gc go through it, with the same output and exit codes',
  { skip: !LONG && 'real processes, several seconds: POLITY_LONG=1' },
  async () => {
    const store = ['--store', 'served.db']
    writeFileSync(join(folder, 'early.law'), '{"rules":[{"id":"all","effect":"allow"}]}')
    const begun: string[] = []
    const options = [[], [], ['--law', 'early.law']]
    for (const [at, more] of options.entries()) {
      const run = start(['run', at === 1 ? 'half.ts' : 'slow.ts', '300', ...more, ...store])
      await until(() => (waiting('served.db').length > at ? true : undefined))
      run.kill('SIGKILL')
      await run.done
      begun.push(String(waiting('served.db').toSorted((a, b) => a - b)[at]))
    }
    const [slow = '', half = '', lawful = ''] = begun
    const server = start(['serve', 'slow.ts', 'half.ts', '--port', '0', ...store])
    await until(() => (/OPENAI_BASE_URL/.test(server.out()) ? true : undefined))
    try {
      const [resumed, failed, other, over, none, locked] = await Promise.all([
        polity('resume', slow, ...store),
        polity('resume', half, '--json', ...store),
        polity('resume', lawful, ...store),
        polity('resume', slow, '--model', 'offline/reader', ...store),
        polity('fork', '99999', ...store),
        polity('run', 'echo.ts', ...store),
      ])
      assert.equal(resumed.code, 0, resumed.err)
      assert.match(resumed.err, /process \d+ goes on in the server \(process \d+\)\n.*process \d+ is done: /)
      assert.match(resumed.out, /^\{"text":".*","drawn":0\.\d+\}\n$/)
      assert.deepEqual([failed.code, (JSON.parse(failed.out) as { state: string }).state], [1, 'failed'], failed.err)
      assert.match(failed.err, /failed: .*half way/)
      assert.equal(other.code, 3)
      assert.match(
        other.err,
        /was begun with another law than the server in process \d+ has, and that has the store open/,
      )
      assert.equal(over.code, 3)
      assert.match(
        over.err,
        /goes on with its own program, model and price; leave out --model, or end that server first/,
      )
      assert.deepEqual([none.code, locked.code], [2, 3])
      assert.match(none.err, /there is no process 99999/)

      const [fork, badFork, again] = await Promise.all([
        polity('fork', slow, '--at', '1', ...store),
        polity('fork', slow, '--at', '99', ...store),
        polity('resume', slow, ...store),
      ])
      assert.equal(fork.code, 0, fork.err)
      assert.match(fork.err, new RegExp(`process \\d+ is a fork of ${slow} at call #1`))
      assert.equal((JSON.parse(fork.out) as { text: string }).text, (JSON.parse(resumed.out) as { text: string }).text)
      assert.match(badFork.err, /takes a call from 0 to 2, not 99/)
      assert.match(again.err, /has ended; fork it/)
      assert.deepEqual([badFork.code, again.code], [2, 2])
      const all = await polity('resume', ...store)
      assert.equal(all.code, 3, all.err)
      assert.match(all.err, new RegExp(`process ${lawful} is not resumed: .*another law`))

      const gc = await polity('gc', '--keep', '0', '--json', ...store)
      const files = { contents: 0, versions: 0, bytes: 0 }
      assert.deepEqual([gc.code, JSON.parse(gc.out)], [0, { removed: 3, left: 1, files }], gc.err)
      assert.equal((await polity('trace', slow, ...store)).code, 2)
    } finally {
      server.kill('SIGINT')
      await server.done
    }
    // The law's own run goes on where nobody has the store open, under its law.
    assert.equal((await polity('resume', lawful, ...store)).code, 0)
  },
)

test('people sit in a team: asked through the inbox, silent ones by their default; top --team shows who spoke to whom', async () => {
  const store = ['--store', 'seats.db']
  const members = [
    { name: 'Ann', instructions: 'You know the harbour.', person: {} },
    { name: 'Bob', person: { timeoutMs: 1, default: 'Pier 4' } },
  ]
  const run = start(['run', 'seats.ts', JSON.stringify({ question: 'Which pier?', members, rounds: 1 }), ...store])
  const question = await until(async () => {
    // Before there is a store it is an error.
    const { questions = [] } = JSON.parse((await polity('inbox', '--json', ...store)).out || '{}') as {
      questions?: { id: number; text: string; detail: unknown }[]
    }
    return questions.length === 1 ? questions[0] : undefined
  })
  assert.match(question.text, /^You know the harbour\.[^]*Which pier\?$/)
  assert.deepEqual(question.detail, { speaker: { name: 'Ann', to: ['Bob'], turn: 1 } })
  const during = await polity('top', '--team', '--once', ...store)
  assert.match(during.out, /^team \d+ debate: 3 seats, 1 message heard$/m)
  assert.match(during.out, /^ +\d+ Bob +person +- +1 +2 /m)
  assert.equal((await polity('answer', String(question.id), 'Pier 5', ...store)).code, 0)
  const { out, code } = await run.done
  assert.equal(code, 0)
  assert.deepEqual(
    (JSON.parse(out) as { said: { reply: { answer: string } }[][] }).said[0]?.map(({ reply }) => reply.answer),
    ['Pier 5', 'Pier 4'],
  )
  const [none, all, json] = await Promise.all([
    polity('top', '--team', '--once', ...store),
    polity('top', '--team', '--once', '--all', ...store),
    polity('top', '--team', '--once', '--all', '--json', ...store),
  ])
  assert.match(none.out, /no team runs or is stopped/)
  assert.match(all.out, /^\d+ Ann +\d+ Bob +said +1 +2$/m)
  assert.match(all.out, /^says most: \d+ (Ann|Bob), 50 % of the tokens of 2 \(even: 50 %\)$/m)
  const { teams } = JSON.parse(json.out) as { teams: { program: string; lines: unknown[]; ledgers: unknown[] }[] }
  assert.deepEqual(
    teams.map(({ program, lines, ledgers }) => [program, lines.length, ledgers.length]),
    [['debate', 2, 0]],
  )
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

test('a damaged store ends each command with 4 and its name, another file with 2, and the doctor says what is broken', async () => {
  for (const n of ['1', '2', '3']) assert.equal((await polity('run', 'echo.ts', n, '--store', 'whole.db')).code, 0)
  const size = statSync(join(folder, 'whole.db')).size
  const whole = readFileSync(join(folder, 'whole.db'))
  const looks = [['ps', '--all'], ['trace', '1'], ['kill', '1'], ['resume']]
  const broken: readonly (readonly [name: string, bytes: Uint8Array, code: number, says: RegExp])[] = [
    ['half.db', whole.subarray(0, size / 2), 4, /store .*half\.db is damaged/],
    ['schema.db', scribbled(whole, 100, 300), 4, /store .*schema\.db is damaged/],
    ['table.db', scribbled(whole, 8_192, 300), 4, /store .*table\.db is damaged/],
    ['empty.db', whole.subarray(0, 0), 2, /no store at .*empty\.db: the file is empty/],
  ]
  for (const [name, bytes, code, says] of broken) {
    writeFileSync(join(folder, name), bytes)
    const [doctor, ...outcomes] = await Promise.all([
      polity('doctor', '--store', name),
      ...looks.map((words) => polity(...words, '--quiet', '--store', name)),
    ])
    for (const [at, outcome] of outcomes.entries()) {
      const about = `${looks[at]?.join(' ')} on ${name}: ${outcome.err}`
      assert.equal(outcome.code, code, about)
      assert.match(outcome.err, says, about)
      assert.equal(outcome.err.trim().split('\n').length, 1, about)
    }
    assert.equal(doctor.code, 1, doctor.out)
    if (code === 4) assert.match(doctor.out, new RegExp(`fail .*\\n(?:.*\\n)*warn  remedy +keep a copy of ${name}`))
  }
})

test('the doctor reads the journal to its end and names the row that is wrong', async () => {
  const sound = await polity('doctor', '--store', 'whole.db')
  assert.match(sound.out, /ok +journal +6 events of 3 processes, all of which can be read/)
  const faults: readonly (readonly [sql: string, says: RegExp])[] = [
    [
      "UPDATE journal SET events = '{\"type' WHERE seq = 2",
      /row 2 of the journal, of process 1, holds an event that is not JSON/,
    ],
    ["UPDATE journal SET events = x'07' WHERE seq = 2", /row 2 .* is not text/],
    [
      'UPDATE journal SET events = replace(events, \'"seq":2\', \'"seq":0\') WHERE seq = 2',
      /holds event 0 after event 1/,
    ],
    ['UPDATE journal SET pid = 9 WHERE seq = 2', /of process 9, holds an event of process 1/],
    ['DELETE FROM journal WHERE seq = 2', /the journal lacks 1 of the rows/],
    ['DELETE FROM place WHERE seq = 2', /the index of places does not know 1 of its rows/],
  ]
  for (const [sql, says] of faults) {
    copyFileSync(join(folder, 'whole.db'), join(folder, 'inner.db'))
    const database = new DatabaseSync(join(folder, 'inner.db'))
    database.exec(sql)
    database.close()
    const { code, out } = await polity('doctor', '--store', 'inner.db')
    assert.equal(code, 1, sql + out)
    assert.match(out, says)
    assert.match(out, /warn +journal +\d+ events of .* can still be read/)
  }
})

/** A copy in which some bytes are noise. */
function scribbled(bytes: Uint8Array, from: number, count: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  for (let at = from; at < from + count; at++) copy[at] = (at * 2_654_435_761) >>> 24
  return copy
}

test(
  'a store that cannot be written is looked at as any other',
  { skip: process.platform === 'win32' && 'Windows has no such permissions' },
  async () => {
    const place = join(folder, 'still')
    mkdirSync(place)
    const run = start(['run', 'slow.ts', '60000', '--store', 'still/killed.db'])
    await sleeping('still/killed.db')
    run.kill('SIGKILL')
    await run.done
    assert.equal((await polity('run', 'echo.ts', '1', '--store', 'still/closed.db')).code, 0)
    for (const suffix of ['', '-wal']) copyFileSync(`${place}/killed.db${suffix}`, `${place}/log.db${suffix}`)
    const looks = ['killed', 'closed', 'log'].flatMap((name) =>
      ['ps --all', 'trace 1', 'run echo.ts'].map((look) => `${look} --store still/${name}.db`),
    )
    const script = looks.map((look) => `"${process.execPath}" "${bin}" ${look} 2>&1; echo "= $?"`).join('\n')
    const shown = await whereNothingCanBeWritten('still', script)
    if (shown === undefined) return
    const codes = [...shown.out.matchAll(/^= (\d+)$/gm)].map(([, code]) => Number(code))
    assert.deepEqual(codes, Array.from({ length: 3 }, () => [0, 0, 2]).flat(), shown.out)
    assert.equal([...shown.out.matchAll(/#1 sleep\(60000 ms\) = \?/g)].length, 2)
    assert.equal([...shown.out.matchAll(/cannot be opened for writing .* make it and its folder writable/g)].length, 3)
  },
)

/** Runs a script while a folder cannot be written; undefined where that cannot be had. */
async function whereNothingCanBeWritten(name: string, script: string): Promise<Outcome | undefined> {
  if (process.platform === 'win32') return undefined
  const place = join(folder, name)
  const looks = `${name}.sh`
  writeFileSync(join(folder, looks), `cd "${folder}"\n${script}\n`)
  const mount = `mount --bind ${name} ${name} && mount -o remount,ro,bind ${name}`
  // The superuser may write everywhere but on a mount that is read-only.
  const isRoot = process.getuid?.() === 0
  if (isRoot && (await piped(`unshare -m sh -c '${mount}'`)).code !== 0) return undefined
  if (isRoot) return piped(`unshare -m sh -c '${mount} && sh ${looks}'`)
  for (const file of readdirSync(place)) chmodSync(join(place, file), 0o444)
  chmodSync(place, 0o555)
  const shown = await piped(`sh ${looks}`)
  chmodSync(place, 0o755)
  return shown
}

test('what it gives to be typed runs from the folder one is in, whichever Node is on PATH', async () => {
  const old = `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.1.0'}})`
  const tooOld = `"${process.execPath}" --import "${old}"`
  // A `node` before the one that runs, and a folder with a blank on the way to the command.
  const others = join(folder, 'other nodes')
  mkdirSync(others)
  writeFileSync(join(others, 'node'), `#!/bin/sh\nexec ${tooOld} "$@"\n`, { mode: 0o755 })
  symlinkSync(resolve(bin, '..'), join(folder, 'a bin'))
  const path = `PATH="${others}:$PATH"`
  const [elsewhere, here, stopped] = await Promise.all([
    piped(`${tooOld} "${bin}" run echo.ts`),
    piped(`cd "${resolve(bin, '../..')}" && ${tooOld} bin/polity.js run echo.ts`),
    piped(`${path} "${process.execPath}" "a bin/polity.js" run exit.ts --store hint.db`),
  ])
  assert.equal(elsewhere.code, 2)
  assert.match(elsewhere.err, /^polity: this is Node 20\.1\.0, and Node 24 or later is needed; .*\n$/)
  const own = /run `(.* run) …`/.exec(elsewhere.err)?.[1]
  assert.deepEqual(JSON.parse((await piped(`${path} ${own} echo.ts 7 --store own.db`)).out), { got: 7 })
  assert.equal(existsSync(join(folder, 'own.db')), true)
  assert.match(here.err, /`npx polity run …`/)
  const hint = /go on with: (.*)\n/.exec(stopped.err)?.[1]
  // A run that has ended is shown with --all only.
  assert.match((await polity('trace', '999', '--store', 'hint.db')).err, /no process 999\. .*`polity ps --all`/)
  const gone = await piped(`${path} ${hint}`)
  assert.match(gone.err, /^process \d+ goes on\n/, `${hint}: ${gone.err}`)
  // The same Node on PATH is called by its name.
  const named = await piped(`PATH="${resolve(process.execPath, '..')}:$PATH" node "${bin}" run exit.ts --store hint.db`)
  assert.match(named.err, /go on with: node \S+polity\.js resume \d+ --store hint\.db\n/)
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

test(
  'colours only on a terminal that wants them',
  { skip: process.platform === 'win32' && 'Windows has no `script`' },
  async () => {
    const line = `"${process.execPath}" "${bin}" help`
    const coloured = await piped(`script -qec '${line}' /dev/null`)
    if (coloured.code === 127) return
    assert.ok(coloured.out.includes(`${ESCAPE}[1m`))
    assert.ok(!(await piped(`NO_COLOR=1 script -qec '${line}' /dev/null`)).out.includes(`${ESCAPE}[`))
  },
)

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

test('evaluate prints the same columns always, what went wrong beside them, and a log that others read', async () => {
  const from = (path: string): string => JSON.stringify(resolve(import.meta.dirname, '../src', path))
  writeFileSync(
    join(folder, 'suite.ts'),
    `import { defineProgram } from ${from('index.ts')}
import { exact } from ${from('evaluation/scorers.ts')}
import { worldTask } from ${from('evaluation/task.ts')}

const say = (name, run) => ({ name, program: defineProgram(name, run) })
const turn = (steps) => ({ toAct: ['one'], views: { one: { text: 'a room', data: null, actions } }, reward: {}, done: false, errors: [], steps })
const actions = [{ name: 'fill', description: 'Fills the room.', input: { type: 'object' }, effect: 'write' }]
const world = {
  id: 'room', version: '1', description: 'Fill the room.',
  actions: () => actions,
  open() {
    let state = { text: '' }
    return { reset: () => turn(0), step: () => ((state = { text: 'x'.repeat(2 ** 20) }), turn(1)), state: () => state, restore: (to) => ((state = to), turn(0)), score: () => 0, metrics: () => ({}) }
  },
}
export default {
  tasks: [
    { name: 'towns', samples: [{ id: '1', input: 'Which town?', target: 'Rome' }], scorers: [exact()] },
    worldTask(world, { seeds: 1, params: () => ({}) }),
  ],
  solvers: [
    say('roman', async (sys) => (sys.tools.length === 0 ? 'Rome' : sys.call('fill', {}).catch(() => 'it is full'))),
    say('broken', async () => { throw new Error('no idea') }),
  ],
}
`,
  )
  const [once, twice] = await Promise.all([
    polity('evaluate', 'suite.ts', '--store', 'once.db', '--out', 'log.json'),
    polity('evaluate', 'suite.ts', '--store', 'twice.db', '--epochs', '2'),
  ])
  assert.deepEqual([once.code, twice.code], [0, 0], once.err + twice.err)
  const columns = ({ out }: Outcome): string[] =>
    (out.split('\n')[0] as string).split(/ {2,}/).map((title) => title.replace(/\d$/, 'k'))
  assert.deepEqual(
    columns(once),
    'TASK|SOLVER|SCORER|MEAN|95 % INTERVAL|PASS@k|PASS^k|SCORED|TOKENS|USD|CALLS|PARETO'.split('|'),
  )
  assert.deepEqual(columns(twice), columns(once))
  assert.match(once.out, /^towns +roman +exact +1\.000 /m)
  assert.match(twice.out, /^towns +broken +exact +0\.000 .* 2\/2 /m)
  assert.match(once.out, /^towns +roman .* hull$/m)
  assert.match(once.out, /^towns +broken .* –$/m, 'what failed each time is on no front')
  assert.match(once.err, /^1 of 1 tries of broken at towns ended with PROGRAM_FAILED: no idea$/m)
  assert.match(twice.err, /^2 calls of tools by roman at room failed with TOO_LARGE: state "episode" is larger/m)

  const [paired, ignored, none, nobody, idle, viewed, named, absent, dead, full] = await Promise.all([
    polity('evaluate', 'compare', 'log.json', '--json'),
    polity('evaluate', 'compare', 'log.json', '--seeds', '3'),
    polity('evaluate', '--environment', 'craft.dag', '--agent', 'raect', '--out', 'none.json'),
    polity('evaluate', '--environment', 'craft.dag', '--agent', 'react', '--seeds', '0'),
    polity('evaluate', '--environment', 'craft.dag', '--agent', 'react', '--scorer', 'exact'),
    polity('evaluate', 'view', 'log.json'),
    polity('evaluate', '--environment', 'craft.dag', '--agent', 'hi-agent', '--seeds', '1', '--store', 'named.db'),
    polity('evaluate', 'nosuite.ts'),
    polity('evaluate', '--environment', 'no-such-maze --here', '--agent', 'react', '--seeds', '1'),
    polity('evaluate', 'view', 'log.json', '--html', '/dev/full'),
  ])
  assert.match(named.out, /^craft\.dag +hi-agent +episode +0\.000 /m, 'its file is subgoals.ts')
  assert.equal(absent.code, 2)
  assert.match(absent.err, /there is no file nosuite\.ts; a suite is a module, and its default export takes/)
  assert.equal(dead.code, 2)
  assert.match(dead.err, /the environment no-such-maze --here cannot be used: .*; it has to run and to answer as docs/)
  assert.doesNotMatch(dead.err, /provider|model|driver/i)
  if (existsSync('/dev/full')) {
    assert.equal(full.code, 4)
    assert.match(full.err, /\/dev\/full cannot be written: ENOSPC/)
  }
  assert.deepEqual(
    (JSON.parse(paired.out) as { task: string; mean: number }[]).map(({ task, mean }) => [task, mean]),
    [
      ['towns', -1],
      ['room', 0],
    ],
  )
  assert.equal(ignored.code, 2)
  assert.match(ignored.err, /evaluate compare takes no --seeds; --seeds belongs to --agent, verify/)
  assert.deepEqual([nobody.code, idle.code], [2, 2])
  assert.match(nobody.err, /--seeds takes a whole number from 1 to 10000, not 0/)
  assert.match(idle.err, /--scorer is of --data/)
  assert.match(none.err, /the standard library has no program "raect"/)
  assert.equal(existsSync(join(folder, 'none.json')), false, 'what cannot begin leaves no log')
  assert.equal(viewed.out, once.out)
})
