/**
 * What is taken of a file: the program to run, all that can be served, what a linter looks at, and where an error of its own
 * is said to be. Commands run in this process, on a store of their own.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { importFile, whyNotLoaded } from '../src/cli/import-file.ts'
import { placeOf } from '../src/cli/place.ts'
import { loadExported, loadProgramFile } from '../src/cli/program-file.ts'
import { realClock } from '../src/kernel/clock.ts'
import { offersOf } from '../src/server/mcp/offers.ts'
import type { Started } from './cli-context.ts'
import { startCommand } from './cli-context.ts'
import { HANGS_MS } from './world.ts'

const folder = mkdtempSync(join(tmpdir(), 'polity-program-file-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const front = JSON.stringify(resolve(import.meta.dirname, '../src/index.ts'))

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

const USES = `import { z } from ${JSON.stringify(import.meta.resolve('zod'))}\nimport { defineTool } from ${front}\n`
const TOOL = `defineTool({ name: 'add', description: 'Adds', effect: 'read', inputSchema: z.strictObject({ a: z.number() }), execute: ({ a }) => a + 1 })`
const tools = file('tools.ts', `${USES}export const add = ${TOOL}\n`)
const listed = file('listed.ts', `${USES}export default [${TOOL}]\n`)
const twice = file('twice.ts', `${USES}export const add = ${TOOL}\nexport default [add]\n`)
const single = file(
  'single.ts',
  `import { defineProgram } from ${front}\nexport const only = defineProgram('only', async (sys, n) => n)\nexport { only as also }\n`,
)
const several = file(
  'several.ts',
  `import { defineProgram } from ${front}
export const asks = defineProgram('asks', async (sys) => sys.ask('Go on?'))
export const fails = defineProgram('fails', async (sys) => {
  await sys.sleep(500)
  throw new Error('half way')
})
`,
)
const nothing = file('nothing.ts', 'export const x = 1\n')

function start(name: string, ...words: string[]): Started {
  return startCommand({ storePath: join(folder, 'a.db') }, name, ...words)
}

async function messageOfFailure(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => assert.fail('it did not fail'),
    (reason: unknown) => reason,
  )
  return (error as Error).message
}

async function heard({ said }: Started, what: RegExp): Promise<RegExpExecArray> {
  const { now } = realClock()
  for (const begun = now(); now() - begun < HANGS_MS; await pause(10)) {
    const found = what.exec(`${said.out}${said.err}`)
    if (found !== null) return found
  }
  throw new Error(`${what} was not said: ${said.out}${said.err}`)
}

test('the only program of a file is run without a default export; of several, or none, a sentence says what to write', async () => {
  const { main, programs } = await loadProgramFile(single)
  assert.deepEqual([main.name, programs.length], ['only', 1])
  assert.match(
    await messageOfFailure(loadProgramFile(several)),
    /several\.ts has no default export, and several programs: asks, fails; write `export default` before the one to run/,
  )
  for (const path of [tools, listed])
    assert.match(await messageOfFailure(loadProgramFile(path)), /no default export, and tools only: add; write/)
  assert.match(
    await messageOfFailure(loadExported(nothing)),
    /no default export \(it exports x\), and no program or tool/,
  )
  const run = start('run', single, '7')
  assert.deepEqual([await run.code, run.said.out], [0, '7\n'], run.said.err)
})

test('lint looks at a file of tools, and at one of several programs', async () => {
  const { programs, tools: found } = await loadExported(listed)
  assert.deepEqual([programs.length, found.map(({ name }) => name)], [0, ['add']])
  for (const path of [tools, listed, several]) {
    const linted = start('lint', path)
    assert.equal(await linted.code, 0, linted.said.err)
  }
})

test('a tool that a file exports by its name and in a list is one tool, and is offered over MCP', async () => {
  const { tools: found } = await loadExported(twice)
  assert.deepEqual(
    found.map(({ name }) => name),
    ['add'],
  )
  assert.deepEqual(offersOf({ tools: found }).filter(({ name }) => name === 'add').length, 1)
})

test('all programs of a file are served by name, and go on without the server; a file of tools is told where it can be served', async () => {
  const server = start('serve', several, '--port', '0')
  const [, url] = await heard(server, /^(http\S+)[^]*OPENAI_API_KEY/m)
  assert.match(server.said.out, /^programs {2}asks, fails$/m)
  for (const program of ['asks', 'fails']) {
    const { status } = await fetch(`${url}/api/v1/processes`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ program }),
    })
    assert.equal(status, 201)
  }
  server.stop()
  await server.code

  const resumed = start('resume')
  const [, id = ''] = await heard(resumed, /polity answer (\d+)/)
  assert.equal(await start('answer', id, 'yes').code, 0)
  assert.equal(await resumed.code, 1)
  assert.match(resumed.said.out, /^yes$/m)
  // The program that threw is none that the file exports by default, and its place is known.
  assert.match(resumed.said.err, /failed at \S*several\.ts:5:9: half way/)

  const refused = start('serve', tools, '--port', '0')
  assert.equal(await refused.code, 2)
  assert.match(refused.said.err, /exports no program to serve, but tools only: add; .* polity mcp \S*tools\.ts/)
})

test('an error of one’s own has its place there, also where another copy of Polity threw it', async () => {
  const copy = join(folder, 'checkout')
  mkdirSync(join(copy, 'dist', 'chunks'), { recursive: true })
  file('checkout/package.json', '{"name":"polity","type":"module"}')
  file('checkout/dist/chunks/polity.js', "export const defineTool = () => { throw new Error('no schema') }\n")
  symlinkSync(join(copy, 'dist', 'chunks', 'polity.js'), join(folder, 'linked.js'))
  const path = file('bad-tool.mjs', "import { defineTool } from './linked.js'\n\nexport const bad = defineTool()\n")
  const error: unknown = await importFile(path).catch((reason: unknown) => reason)
  assert.match(String(placeOf(error)), /bad-tool\.mjs:3:20$/)
  assert.match(whyNotLoaded(path, error), /does not load \(\S*bad-tool\.mjs:3:20\): no schema$/)
})

test('a file that finds no polity, or one that is not built, says what to do', async () => {
  const root = resolve(import.meta.dirname, '..')
  const why = async (path: string): Promise<string> =>
    importFile(path).then(
      () => assert.fail('it loads'),
      (error: unknown) => whyNotLoaded(path, error),
    )
  const path = file('hello.mjs', "import { boot } from 'polity'\nexport default async () => boot\n")
  assert.match(
    await why(path),
    new RegExp(
      `Cannot find package 'polity' .*; (run npm run build in ${root}, then )?run npm install ${root} in the project of the file$`,
    ),
  )
  const linked = join(folder, 'project', 'node_modules', 'polity')
  mkdirSync(linked, { recursive: true })
  file(
    'project/node_modules/polity/package.json',
    '{"name":"polity","type":"module","exports":{".":"./dist/index.js","./agents/*":"./dist/agents/*.js"}}',
  )
  const text = "import { boot } from 'polity'\nexport default async () => boot\n"
  assert.match(await why(file('project/hello.mjs', text)), /; run npm run build in \S*node_modules\/polity$/)
  // Where it is built, something else is missing.
  mkdirSync(join(linked, 'dist'))
  file('project/node_modules/polity/dist/index.js', '')
  const other = file('project/other.mjs', "import 'polity/agents/nosuch'\n")
  assert.match(await why(other), /Cannot find module \S*nosuch\.js' imported from \S*other\.mjs$/)
})
