/**
 * The package as npm packs it, in a folder where nothing else is: what is exported can be imported and type checks, the
 * threads and processes that it starts by their path start, the files that it reads are there, the command works.
 * Built and packed here, which takes ten seconds: POLITY_LONG=1.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { packedIn } from '../scripts/packed.ts'

const root = join(import.meta.dirname, '..')
const LONG = process.env['POLITY_LONG'] === '1'
let folder: string
let polity: string

interface End {
  readonly code: unknown
  readonly out: string
  readonly err: string
}

/** A fresh Node in the folder, without what the caller's environment says of Polity and Node. */
function node(...args: readonly string[]): Promise<End> {
  const env = { PATH: process.env['PATH'], HOME: folder }
  return new Promise((resolve) => {
    execFile(process.execPath, [...args], { cwd: folder, env, timeout: 60_000 }, (error, out, err) =>
      resolve({ code: error === null ? 0 : (error.code ?? error.signal), out, err }),
    )
  })
}

async function runs(name: string, text: string): Promise<unknown> {
  writeFileSync(join(folder, name), text)
  const end = await node(name)
  assert.equal(end.code, 0, end.err)
  return JSON.parse(end.out)
}

/** `polity/drivers/store/sqlite`, and all others that package.json exports. */
function exported(): string[] {
  const { exports } = JSON.parse(readFileSync(join(polity, 'package.json'), 'utf8')) as {
    exports: Record<string, { readonly types: string; readonly default: string } | string | null>
  }
  const found = Object.entries(exports).flatMap(([subpath, target]) => {
    if (target === null || typeof target === 'string' || exports[subpath] === null) return []
    const [head = '', tail] = target.default.split('*')
    if (tail === undefined) return [subpath]
    const files = globSync(target.default.replace('*', '**/*'), { cwd: polity })
    return files.map((file) => subpath.replace('*', file.slice(head.length - './'.length, -tail.length)))
  })
  return found.filter((subpath) => exports[subpath] !== null).map((subpath) => subpath.replace('.', 'polity'))
}

describe('the package', { skip: !LONG && 'builds and packs it, ten seconds: POLITY_LONG=1' }, () => {
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'polity-package-'))
    polity = packedIn(folder)
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('every subpath that it exports can be imported, with nothing else installed', async () => {
    const names = exported()
    assert.ok(names.length > 80, `${names.length}`)
    for (const name of ['polity', 'polity/testing', 'polity/agents/react', 'polity/drivers/store/sqlite'])
      assert.ok(names.includes(name), name)
    const empty = await runs(
      'all.mjs',
      `const empty = []
      for (const name of ${JSON.stringify(names)}) {
        const module = await import(name).catch((error) => { throw new Error(name + ': ' + error.message) })
        const types = await import('node:fs').then((fs) => fs.readFileSync(import.meta.resolve(name).slice(7).replace(/js$/, 'd.ts'), 'utf8'))
        if (Object.keys(module).length === 0 && /^export (declare )?(const|function|class)/m.test(types)) empty.push(name)
      }
      console.log(JSON.stringify(empty))
      process.exit()`,
    )
    assert.deepEqual(empty, [])
  })

  test('it is loaded as one chunk, and every import of it is the same kernel', async () => {
    const { files, isSame } = (await runs(
      'once.mjs',
      `import { registerHooks } from 'node:module'
      const loaded = []
      registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
      const { PolityError } = await import('polity')
      const files = loaded.filter((url) => url.startsWith('file:')).length
      const errors = await import('polity/kernel/errors')
      console.log(JSON.stringify({ files, isSame: PolityError === errors.PolityError }))`,
    )) as { files: number; isSame: boolean }
    assert.ok(files <= 3, `${files} files`)
    assert.equal(isSame, true)
  })

  test('the thread of the store, the process of code actions and the reader’s data are where they are looked for', async () => {
    const seen = await runs(
      'parts.mjs',
      `import { boot, defineProgram } from 'polity'
      import { codeAction } from 'polity/agents/pieces/code-action'
      import { codeTools } from 'polity/drivers/sandbox/tools'
      import { startCommitThread } from 'polity/drivers/store/commit-thread'
      import { scripted } from 'polity/testing'
      const act = defineProgram('act', (sys) => codeAction(sys, { code: '6 * 7' }), { tools: codeTools() })
      const kernel = await boot({ store: 'parts.db', model: scripted([]) })
      const { value } = await kernel.spawn(act, null).result
      await kernel.close()
      const ended = []
      const thread = startCommitThread('parts.db', 'PRAGMA synchronous = NORMAL', () => ended.push('ended'))
      for (let waits = 0; !thread.isReady && ended.length === 0 && waits < 500; waits++) await new Promise((r) => setTimeout(r, 20))
      const isReady = thread.isReady
      thread.close()
      const reading = await boot({ model: 'offline/reader' })
      await reading.close()
      console.log(JSON.stringify({ value, isReady, ended }))`,
    )
    assert.deepEqual(seen, { value: 42, isReady: true, ended: [] })
  })

  test('the command says its version, answers from its own docs, and serves its dashboard', async () => {
    const command = join(polity, 'bin/polity.js')
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
    assert.equal((await node(command, '--version')).out.trim(), version)
    const asked = await node(command, 'ask', 'Does Polity need a key or a network?')
    assert.equal(asked.code, 0, asked.err)
    assert.match(asked.out, /docs\/README\.md:\d+/)
    assert.match(readFileSync(join(polity, 'dist/web/index.html'), 'utf8'), /<div id="root">/)
    const served = await runs(
      'serve.mjs',
      `import { boot } from 'polity'
      import { doorsOf, serve } from 'polity/server/serve'
      import { scripted } from 'polity/testing'
      const kernel = await boot({ model: scripted([]) })
      const server = await serve({ kernel, store: 'served.db', port: 0, doors: doorsOf({ kernel, programs: [] }) })
      const page = await fetch(server.url)
      console.log(JSON.stringify([page.status, (await page.text()).includes('id="root"')]))
      await server.close()
      await kernel.close()
      process.exit()`,
    )
    assert.deepEqual(served, [200, true])
  })

  test('what it exports has types', async () => {
    mkdirSync(join(folder, 'node_modules/@types'), { recursive: true })
    symlinkSync(join(root, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'))
    const names = exported()
    writeFileSync(
      join(folder, 'types.ts'),
      names.map((name, at) => `import * as m${at} from '${name}'\nvoid m${at}`).join('\n'),
    )
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2024']
    const end = await node(join(root, 'node_modules/typescript/bin/tsc'), ...options, '--types', 'node', 'types.ts')
    assert.equal(end.code, 0, end.out)
  })
})
