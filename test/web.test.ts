/**
 * The dashboard in a real browser, on a real server: it shows what happens as it happens, and what a person does in it is
 * done, and nothing else. Needs Chromium; without one the browser tests are skipped, and say so.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { readdirSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import type { Browser, Page } from 'playwright-core'
import { z } from 'zod'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Json, Sys } from '../src/kernel/types.ts'
import { lawSchema } from '../src/policy/law-schema.ts'
import { parseLaw } from '../src/policy/law.ts'
import { createKey, revokeKey } from '../src/server/keys.ts'
import { apiDoor } from '../src/server/api/door.ts'
import type { Scope } from '../src/server/caller.ts'
import { startServer } from '../src/server/http.ts'
import { webDoor, webFolder } from '../src/server/web-door.ts'
import { changesOf } from '../web/src/diff.ts'
import { count, usd } from '../web/src/format.ts'
import { clockAhead } from './clock-ahead.ts'
import { doubting } from './doubting.ts'
import type { World, WorldOptions } from './web/world.ts'
import { programs, startWorld } from './web/world.ts'
import { HANGS_MS } from './world.ts'

const root = join(import.meta.dirname, '..')
const chromium = ['POLITY_CHROMIUM', 'CHROME_PATH']
  .map((name) => process.env[name])
  .concat('/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome')
  .find((path) => path !== undefined && existsSync(path))
const skip = chromium === undefined ? 'no Chromium is installed; name one in POLITY_CHROMIUM' : false

function programNamed(name: string): (typeof programs)[number] {
  return programs.find((one) => one.name === name) as (typeof programs)[number]
}

/** As a provider may write them: with marks, unseen characters, and at length. */
const refusalWords = `Too many requests <b>a minute</b>\u202e ${'x'.repeat(2_000)}`

/** Builds the dashboard where it is missing or older than its sources. */
function buildWeb(): void {
  const built = statSync(join(root, 'dist/web/index.html'), { throwIfNoEntry: false })?.mtimeMs ?? 0
  const youngest = [
    'web',
    'src/client.ts',
    'src/client-options.ts',
    'src/policy/runaway.ts',
    'src/evaluation/team.ts',
    'src/evaluation/team-measures.ts',
    'src/agents/pieces/speaker.ts',
  ]
    .flatMap((path) => timesIn(join(root, path)))
    .reduce((a, b) => Math.max(a, b))
  if (built > youngest) return
  execFileSync(process.execPath, [join(root, 'node_modules/vite/bin/vite.js'), 'build', 'web', '--logLevel', 'warn'], {
    cwd: root,
    stdio: 'pipe',
  })
}

/** Gives the page a key, and goes to a view of it. */
async function withKey(page: Page, key: string, view: string): Promise<void> {
  await page.getByRole('dialog').getByLabel('Key').fill(key)
  await page.getByRole('dialog').getByRole('button', { name: 'Use this key' }).click()
  await page.keyboard.press(view)
}

function timesIn(path: string): number[] {
  const stat = statSync(path)
  return stat.isDirectory() ? readdirSync(path).flatMap((name) => timesIn(join(path, name))) : [stat.mtimeMs]
}

async function until(is: () => boolean | Promise<boolean>, what: string, ms = HANGS_MS): Promise<void> {
  const end = performance.now() + ms
  while (!(await is())) {
    if (performance.now() > end) assert.fail(`it never came true that ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

// ---------------------------------------------------------------------------------------------------------------- door

describe('the door', () => {
  const folder = mkdtempSync(join(tmpdir(), 'polity-web-door-'))
  after(() => rmSync(folder, { recursive: true, force: true }))

  /** Status, headers and body; the path is sent as it is, dots and all. */
  function ask(
    port: number,
    path: string,
    method = 'GET',
  ): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; text: string }> {
    return new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port, path, method }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: Buffer.concat(chunks).toString(),
          }),
        )
      }).on('error', reject)
    })
  }

  test('serves what was built, each with its type, and nothing beside it', async () => {
    const web = join(folder, 'web')
    const server = await startServer({
      doors: [webDoor({ folder: web })],
      authenticate: () => ({ refused: 'nobody has a key' }),
      port: 0,
    })
    try {
      const before = await ask(server.port, '/')
      assert.equal(before.status, 503)
      assert.match(before.text, /npm run build:web/)
      assert.equal(before.headers['cache-control'], 'no-store')

      mkdirSync(join(web, 'assets'), { recursive: true })
      writeFileSync(join(folder, 'secret.js'), 'secret')
      writeFileSync(join(web, 'secret.js'), 'secret')
      writeFileSync(join(web, 'assets', 'a-1.js'), 'js')
      writeFileSync(join(web, 'assets', 'a-1.css'), 'css')
      writeFileSync(join(web, 'assets', 'notes.txt'), 'secret')
      writeFileSync(join(web, 'assets', '.env'), 'secret')
      symlinkSync(join(folder, 'secret.js'), join(web, 'assets', 'link.js'))
      writeFileSync(join(web, 'index.html'), '<p>one')

      const page = await ask(server.port, '/')
      assert.deepEqual(
        [page.status, page.text, page.headers['content-type']],
        [200, '<p>one', 'text/html; charset=utf-8'],
      )
      assert.equal(page.headers['cache-control'], 'no-cache')
      const policy = String(page.headers['content-security-policy'])
      assert.match(policy, /default-src 'none'/)
      assert.match(policy, /script-src 'self';/)
      assert.match(policy, /frame-ancestors 'none'/)
      assert.doesNotMatch(policy, /unsafe|https?:|\*/)
      assert.equal(page.headers['x-content-type-options'], 'nosniff')

      const script = await ask(server.port, '/assets/a-1.js')
      assert.deepEqual([script.text, script.headers['content-type']], ['js', 'text/javascript; charset=utf-8'])
      assert.match(String(script.headers['cache-control']), /immutable/)
      assert.equal((await ask(server.port, '/assets/a-1.css')).headers['content-type'], 'text/css; charset=utf-8')
      assert.deepEqual(((head) => [head.status, head.text])(await ask(server.port, '/', 'HEAD')), [200, ''])

      for (const path of [
        '/assets/link.js',
        '/assets/notes.txt',
        '/assets/.env',
        '/assets/..%2fsecret.js',
        '/assets/%2e%2e%2fsecret.js',
        '/assets/../secret.js',
        '/assets/..%5csecret.js',
        '/assets/__proto__',
        '/assets/',
        '/secret.js',
        '/..%2f..%2fetc%2fpasswd',
        '/index.html%00.js',
      ]) {
        const { status, text } = await ask(server.port, path)
        assert.ok(status === 404 || status === 400, `${path}: ${status}`)
        assert.doesNotMatch(text, /^secret|root:/, path)
      }

      // The next build is served with the next page.
      rmSync(join(web, 'assets', 'a-1.js'))
      writeFileSync(join(web, 'assets', 'a-22.js'), 'newer')
      rmSync(join(web, 'index.html'))
      writeFileSync(join(web, 'index.html'), '<p>two, and longer')
      assert.equal((await ask(server.port, '/')).text, '<p>two, and longer')
      assert.equal((await ask(server.port, '/assets/a-22.js')).text, 'newer')
      assert.equal((await ask(server.port, '/assets/a-1.js')).status, 404)
    } finally {
      await server.close()
    }
  })
})

// ---------------------------------------------------------------------------------------------------------------- diff

test('the lines of a diff are those of both texts, with as many in common as there can be', () => {
  const text = fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 10 })
  fc.assert(
    fc.property(text, text, (before, after) => {
      const lines = changesOf(before.map((line) => `${line}\n`).join(''), after.map((line) => `${line}\n`).join(''))
      assert.deepEqual(
        lines.flatMap((line) => (line.kind === 'come' ? [] : [line.text])),
        before,
      )
      assert.deepEqual(
        lines.flatMap((line) => (line.kind === 'gone' ? [] : [line.text])),
        after,
      )
      for (const line of lines) {
        if (line.before !== null) assert.equal(before[line.before - 1], line.text)
        if (line.after !== null) assert.equal(after[line.after - 1], line.text)
      }
      assert.equal(lines.filter(({ kind }) => kind === 'same').length, inCommon(before, after))
    }),
  )
  // Two long texts that have nothing in common are no work.
  const long = Array.from({ length: 20_000 }, (_, i) => `line ${i}`)
  const started = performance.now()
  const lines = changesOf(long.join('\n'), long.map((line) => `${line}!`).join('\n'))
  assert.equal(lines.length, 40_000)
  assert.ok(performance.now() - started < 2_000)
})

/** The length of a longest common subsequence, in the plainest way. */
function inCommon(rows: readonly string[], columns: readonly string[]): number {
  let above: number[] = Array.from({ length: columns.length + 1 }, () => 0)
  for (const one of rows) {
    const row = [0]
    for (const [j, other] of columns.entries())
      row.push(one === other ? (above[j] as number) + 1 : Math.max(row[j] as number, above[j + 1] as number))
    above = row
  }
  return above.at(-1) as number
}

// ------------------------------------------------------------------------------------------------------------- browser

describe('the dashboard', { skip }, () => {
  let browser: Browser
  let page: Page
  before(async () => {
    buildWeb()
    const { chromium: launcher } = await import('playwright-core')
    browser = await launcher.launch({
      executablePath: chromium as string,
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    })
    page = await browser.newPage()
    page.setDefaultTimeout(HANGS_MS)
  })
  after(() => browser?.close())

  /** The page on a world of its own; fails where the page complains, or asks anything of another origin. */
  async function on(
    run: (page: Page, world: World) => Promise<void>,
    prepare?: (world: World) => unknown,
    options: WorldOptions = {},
  ): Promise<void> {
    const world = await startWorld({ speed: 40, ...options })
    const faults: string[] = []
    try {
      await prepare?.(world)
      await page.setViewportSize({ width: 1280, height: 800 })
      await page.emulateMedia({ colorScheme: 'light' })
      page.on('console', (message) => {
        // The browser itself says so of every refusal; what the page says of them is tested.
        if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) faults.push(message.text())
      })
      page.on('pageerror', (error) => faults.push(error.stack ?? error.message))
      page.on('request', (request) => {
        if (new URL(request.url()).origin !== world.url) faults.push(`asked ${request.url()}`)
      })
      await page.goto(world.url)
      await page.locator('nav').waitFor()
      await run(page, world)
      assert.deepEqual(faults, [])
    } finally {
      page.removeAllListeners()
      await page.goto('about:blank')
      await world.close()
    }
  }

  const row = (pid: number): string => `[role=row]:has(a[href="#/run/${pid}/timeline"])`
  const cell = (pid: number, column: string): string => `${row(pid)} .c-${column}`

  test('the table fills and follows what happens; search, filters and order narrow it', () =>
    on(async (page, { kernel }) => {
      await page.getByText('Nothing runs yet').waitFor()
      const idle = kernel.spawn(programNamed('idle'), null, { principal: 'ada', name: 'first' })
      await page.locator(row(idle.pid)).waitFor()
      await page.locator(cell(idle.pid, 'waiting'), { hasText: 'receive' }).waitFor()
      assert.equal(await page.locator(cell(idle.pid, 'principal')).innerText(), 'ada')

      const ticket = kernel.spawn(
        programNamed('triage'),
        { ticket: 7, text: 'I was billed twice' },
        { principal: 'grace' },
      )
      await page.locator(cell(ticket.pid, 'state'), { hasText: 'done' }).waitFor()
      const { inputTokens, outputTokens, calls } = kernel.info(ticket.pid).usage
      assert.ok(inputTokens > 1_000)
      assert.equal(
        await page.locator(cell(ticket.pid, 'tokens')).innerText(),
        `${((inputTokens + outputTokens) / 1_000).toFixed(1)}k`,
      )
      assert.equal(await page.locator(cell(ticket.pid, 'calls')).innerText(), String(calls))

      // Of one that runs, added up from what was heard.
      const clerk = kernel.spawn(programNamed('clerk'), { supplier: 'Northwind' }, { principal: 'local' })
      clerk.result.catch(() => {})
      await page.locator(cell(clerk.pid, 'state'), { hasText: 'asks you' }).waitFor()
      const far = kernel.info(clerk.pid).usage
      assert.equal(await page.locator(cell(clerk.pid, 'calls')).innerText(), String(far.calls))
      assert.equal(
        await page.locator(cell(clerk.pid, 'tokens')).innerText(),
        `${((far.inputTokens + far.outputTokens) / 1_000).toFixed(1)}k`,
      )
      assert.equal(await page.locator(cell(clerk.pid, 'usd')).innerText(), `$${far.usd.toFixed(4)}`)

      kernel.kill(idle.pid, 'enough')
      await page.locator(cell(idle.pid, 'state'), { hasText: 'killed' }).waitFor()

      await page.keyboard.press('/')
      await page.keyboard.type('grace')
      await until(async () => (await page.locator('[role=row]').count()) === 2, 'one row is left')
      await page.keyboard.press('Escape')
      await page.keyboard.press('Escape')
      await page.locator(row(idle.pid)).waitFor()
      await page.getByRole('button', { name: /^killed/ }).click()
      await until(async () => (await page.locator('[role=row]').count()) === 2, 'one row is left')
      await page.getByRole('button', { name: /^all/ }).click()
      await page.getByRole('columnheader', { name: 'Program' }).getByRole('button').click()
      assert.equal(await page.getByRole('columnheader', { name: 'Program' }).getAttribute('aria-sort'), 'ascending')
      assert.match(await page.locator('[role=row][aria-rowindex="2"]').innerText(), /clerk/)
    }))

  test('a run shows its calls, its conversation, its team, its events, its files and its end; a fork from a call is a process', () =>
    on(async (page, { kernel, url }) => {
      const team = kernel.spawn(
        programNamed('research'),
        { question: 'What is fair?', parts: ['queues', 'tokens'] },
        { principal: 'ada', budget: { usd: 1, tokens: 1_000_000 } },
      )
      await team.result
      await page.goto(`${url}/#/run/${team.pid}`)
      const spans = page.getByRole('grid', { name: 'System calls' })
      await spans.locator('[role=row][aria-rowindex="2"]', { hasText: 'generate' }).waitFor()
      const { calls } = (await (await fetch(`${url}/api/v1/processes/${team.pid}/trace`)).json()) as { calls?: unknown }
      assert.equal(calls, undefined)
      const trace = (await (await fetch(`${url}/api/v1/processes/${team.pid}/trace`)).json()) as { items: unknown[] }
      assert.equal(await spans.getAttribute('aria-rowcount'), String(trace.items.length + 1))
      // A call, whole.
      await spans.locator('[role=row]', { hasText: 'report.md' }).first().click()
      await page.getByRole('complementary', { name: 'Call 1' }).getByText('"# What is fair?').waitFor()

      const before = new Set(kernel.ps().map(({ pid }) => pid))
      await page.getByRole('button', { name: 'Fork from here' }).click()
      // A limit that is taken out of its field holds no more; the others stay.
      await page.getByLabel('Tokens at most').fill('')
      await page
        .getByRole('dialog', { name: /at call 1/ })
        .getByRole('button', { name: 'Fork' })
        .click()
      await until(
        () => kernel.ps().some(({ pid, forkOf }) => !before.has(pid) && forkOf === team.pid),
        'there is a fork',
      )
      const fork = kernel.ps().find(({ forkOf }) => forkOf === team.pid)
      assert.deepEqual(fork?.budget, { usd: 1 })
      await page.waitForURL(`${url}/#/run/${fork?.pid}/timeline`)
      await until(() => kernel.info(fork?.pid as number).state === 'done', 'the fork is done')
      await page.locator('.run-head', { hasText: new RegExp(`fork of\\s*${team.pid}`) }).waitFor()
      await page.locator('.span-row.past', { hasText: 'generate' }).waitFor()

      await page.goto(`${url}/#/run/${team.pid}/conversation`)
      await page.locator('.message.answer', { hasText: 'Fair sharing holds' }).waitFor()
      await page.keyboard.press('k')
      await page.locator('.message.answer', { hasText: 'Split the question' }).waitFor()
      await page.keyboard.press(']')
      await page.locator('.react-flow__node').nth(3).waitFor()
      assert.equal(await page.locator('.react-flow__node').count(), 4)
      await page
        .locator('.react-flow__edge.mail', { hasText: /2 · \d+/ })
        .nth(2)
        .waitFor({ state: 'attached' })
      const talk = page.getByRole('table', { name: 'Who spoke to whom' })
      // Three were begun, asked by mail and answered in it, and ended with a value.
      assert.equal(await talk.locator('tbody tr').count(), 3 * 4)
      await talk.locator('tr', { hasText: /critic.*research.*mail\s*1\s*23/s }).waitFor()
      await page.keyboard.press(']')
      const listed = page.getByRole('grid', { name: 'Events' })
      await listed.locator('[role=row]', { hasText: 'mail-sent' }).first().waitFor()
      await page.getByLabel('Search events').fill('mail-sent')
      await until(async () => {
        const types = await listed.locator('.event-row:not(.head) [role=gridcell]:nth-child(4)').allInnerTexts()
        return types.length > 0 && types.every((type) => type === 'mail-sent')
      }, 'only mails are listed')
      await page.getByLabel('Search events').blur()
      await page.keyboard.press(']')
      await page.getByRole('option', { name: /report.md/ }).click()
      const changes = page.getByRole('table', { name: 'Changes' })
      await changes.locator('tr.come', { hasText: 'Fair sharing holds' }).waitFor()
      await changes.locator('tr.gone', { hasText: 'Split the question' }).waitFor()
      await changes.locator('tr.same', { hasText: '# What is fair?' }).waitFor()
      await page.getByRole('link', { name: /this run, call/ }).waitFor()
      await page.keyboard.press('d')
      await page.locator('.page .prose', { hasText: 'Fair sharing holds' }).waitFor()
      await page.keyboard.press('p')
      await page.locator('.page .prose', { hasText: 'Split the question' }).waitFor()
      await page.keyboard.press(']')
      await page.locator('.exact', { hasText: '"sources"' }).waitFor()
      await page.keyboard.press('r')
      await page.getByText('It made the same').waitFor()
      await page.keyboard.press('Escape')
      await page.setViewportSize({ width: 320, height: 640 })
      for (const tab of ['Timeline', 'Conversation', 'Team', 'Events', 'Files', 'Result']) {
        await page.getByRole('tab', { name: tab }).click()
        assert.ok(await page.evaluate<boolean>('document.documentElement.scrollWidth <= 320'), `${tab} is too wide`)
      }
    }))

  test('a call in doubt is answered with what it returned, and a value that does not fit is refused', () =>
    on(async (page) => {
      const { kernel, pid, question } = await doubting({ outputSchema: z.object({ id: z.string() }) as never })
      const server = await startServer({
        doors: [apiDoor({ kernel }), webDoor({ folder: webFolder() })],
        authenticate: () => ({ principal: 'ada', scopes: new Set<Scope>(['admin']), key: null }),
        port: 0,
      })
      try {
        // Another origin than that of the world which the page came from.
        page.removeAllListeners('request')
        await page.goto(`${server.url}/#/inbox`)
        const card = page.locator(`#question-${question.id}`)
        const say = async (choice: string, value: string): Promise<void> => {
          await card.getByRole('textbox').fill(value)
          await card.getByRole('button', { name: choice }).click()
          await page.getByRole('dialog').getByRole('button', { name: 'Send' }).click()
        }
        for (const choice of ['retry', 'fail']) {
          await say(choice, 'r-17')
          await page.getByText(`${choice} takes no value: only done does`).waitFor()
          await page.keyboard.press('Escape')
        }
        await say('done', 'r-17')
        await page.getByText(/done takes what tool pay returned: .*expected object, received string/).waitFor()
        await page.keyboard.press('Escape')
        await say('done', '{"id": "r-17"}')
        assert.deepEqual(await kernel.run(pid).result, ['given', { id: 'r-17' }])
      } finally {
        await server.close()
        await kernel.close()
      }
    }))

  test('a team of members shows who says what to whom, how its ledger stands, and goes on when a person in it answers', () =>
    on(async (page, { kernel, url }) => {
      const run = kernel.spawn(programNamed('panel'), { question: 'Which pier?' }, { principal: 'ada' })
      await page.goto(`${url}/#/run/${run.pid}/team`)
      await page.locator('.ledger', { hasText: /step 1: progress; next Tester: try the pier at low water/ }).waitFor()
      await page.locator('.member', { hasText: 'Planner' }).waitFor()
      const talk = page.getByRole('table', { name: 'Who spoke to whom' })
      await talk.locator('tr', { hasText: /Tester.*Ingrid.*said/s }).waitFor()
      assert.equal(await page.locator('.member.person').count(), 0)
      for (const words of ['Pier 5, by far', 'As I said']) {
        await until(() => kernel.questions.length === 1, 'Ingrid is asked')
        await page.goto(`${url}/#/inbox`)
        const card = page.locator(`#question-${kernel.questions[0]?.id}`)
        await card.getByText('"Ingrid"').waitFor()
        await card.getByRole('textbox', { name: 'Answer' }).fill(words)
        await card.getByRole('button', { name: 'Answer' }).click()
        await page.getByRole('dialog').getByRole('button', { name: 'Send' }).click()
        await until(() => kernel.questions.length === 0, 'the answer is taken')
      }
      await run.result
      await page.goto(`${url}/#/run/${run.pid}/team`)
      await page.locator('.member.person', { hasText: 'Ingrid' }).waitFor()
      await page.locator('.ledger', { hasText: /step 2: no progress; .*1 stall, 0 plans/s }).waitFor()
      await talk.locator('tr', { hasText: /Ingrid.*Planner.*said\s*2\s*8/s }).waitFor()
      await page.getByText(/says most: \d+ % of the tokens of 3/).waitFor()
      // Alone there is nothing to draw.
      const alone = kernel.spawn(programNamed('idle'), null, { principal: 'ada' })
      await page.goto(`${url}/#/run/${alone.pid}/team`)
      await page.getByRole('heading', { name: 'This run has no team' }).waitFor()
    }))

  test('all notes are there without a query, the newest first; a tag and words narrow them; one that is forgotten is gone', () =>
    on(
      async (page) => {
        await page.keyboard.press('4')
        const notes = page.locator('.note')
        await notes.nth(49).waitFor()
        assert.match(await notes.first().innerText(), /^fact 59/)
        assert.match(await notes.first().innerText(), /from\s+log 59.*written by\s+run \d+\s+writer/s)
        assert.equal(await notes.count(), 50)
        await page.getByRole('button', { name: 'Older notes' }).click()
        await notes.nth(59).waitFor()
        assert.match(await notes.last().innerText(), /^fact 0/)
        await page.getByRole('button', { name: 'Older notes' }).waitFor({ state: 'detached' })
        await page.getByRole('button', { name: 'odd' }).first().click()
        await page.getByText('30 notes, the newest first with the tag odd').waitFor()
        await page.keyboard.press('Escape')
        await page.getByText('50 newest notes').waitFor()
        await page.getByLabel('Search notes').fill('fact 17')
        await page.keyboard.press('Enter')
        await page.locator('.note', { hasText: 'nearness' }).first().waitFor()
        assert.match(await notes.first().innerText(), /^fact 17/)
        await notes
          .first()
          .getByRole('button', { name: /^Forget note/ })
          .click()
        await page.getByRole('dialog').getByRole('button', { name: 'Forget' }).click()
        await page.locator('.note', { hasText: /^fact 17/ }).waitFor({ state: 'detached' })
        await page.getByLabel('Search notes').fill('zebra')
        await page.keyboard.press('Enter')
        await page.getByText('No note has these words').waitFor()
      },
      ({ kernel }) =>
        kernel.spawn(
          async (sys) => {
            for (let i = 0; i < 60; i++)
              await sys.remember({ text: `fact ${i}`, tags: i % 2 === 0 ? [] : ['odd'], source: `log ${i}` })
          },
          null,
          { principal: 'local', name: 'writer' },
        ).result,
    ))

  test('an admin chooses whose notes; a key of one principal is offered nobody', () => {
    const keys: string[] = []
    return on(
      async (page) => {
        const use = (key: string): Promise<void> => withKey(page, key, '4')
        await use(keys[0] as string)
        await page.getByRole('heading', { name: 'There are no notes' }).waitFor()
        const whose = page.getByLabel('Whose notes')
        assert.deepEqual(await whose.locator('option').allInnerTexts(), [
          'notes of this key',
          'notes of ada',
          'notes of mia',
        ])
        await whose.selectOption('mia')
        const notes = page.locator('.note')
        await notes.filter({ hasText: 'mia likes whales' }).waitFor()
        assert.equal(await notes.count(), 1)
        await page.getByLabel('Search notes').fill('whales')
        await page.keyboard.press('Enter')
        await notes.filter({ hasText: 'nearness' }).waitFor()
        assert.match(await notes.innerText(), /^mia likes whales/)
        await notes.getByRole('button', { name: /^Forget note/ }).click()
        await page.getByRole('dialog').getByRole('button', { name: 'Forget' }).click()
        await notes.waitFor({ state: 'detached' })
        await whose.selectOption('ada')
        await notes.filter({ hasText: 'ada likes whales' }).waitFor()
        await page.getByRole('button', { name: 'Forget key' }).click()
        await use(keys[1] as string)
        await notes.filter({ hasText: 'ada likes whales' }).waitFor()
        assert.equal(await whose.count(), 0)
      },
      async ({ kernel, store }) => {
        for (const principal of ['ada', 'mia'])
          await kernel.spawn(async (sys) => void (await sys.remember(`${principal} likes whales`)), null, { principal })
            .result
        keys.push(createKey(store, { principal: 'root', scopes: ['admin'] }, Date.now()).key)
        keys.push(createKey(store, { principal: 'ada', scopes: ['memory', 'runs'] }, Date.now()).key)
      },
    )
  })

  test('all that a law says is shown, and what lets a call through that no rule speaks of', () => {
    // Each key of a law, with the words by which it is seen; null: it binds nothing, and is for editors.
    const seen: { readonly [key: string]: RegExp | null } = {
      $schema: null,
      description: /^A law that has everything$/m,
      rules: /deny\s+no-deletes\s+nothing is deleted/,
      temporal: /ask\s+confirmed\s+precedence\(confirm, sending\)\s+ask before you send/,
      events: /sending\s+tool send_\*/,
      runaway: /deny\s+kernel\/runaway\s+the process ends/,
    }
    const runaway: { readonly [key: string]: RegExp } = {
      identical: /3 identical calls/,
      streak: /8 calls of one tool in a row/,
      calls: /5 tool calls in all/,
      spawns: /20 children/,
      burst: /20.0k tokens within 1 m 00 s/,
      effect: /deny\s+kernel\/runaway/,
      ends: /the process ends with more than/,
    }
    const { properties } = lawSchema
    assert.deepEqual(Object.keys(properties).toSorted(), Object.keys(seen).toSorted(), 'the law has grown')
    assert.deepEqual(Object.keys(properties.runaway.properties).toSorted(), Object.keys(runaway).toSorted())
    const law = parseLaw({
      $schema: 'law.json',
      description: 'A law that has everything',
      rules: [
        { id: 'no-deletes', effect: 'deny', tool: 'delete_*', reason: 'nothing is deleted' },
        { id: 'mail', effect: 'deny', call: 'send', principal: 'eve' },
        { id: 'all', effect: 'allow', tool: 'label' },
      ],
      temporal: [
        { id: 'confirmed', formula: 'precedence(confirm, sending)', effect: 'ask', reason: 'ask before you send' },
      ],
      events: { sending: { tool: 'send_*' } },
      runaway: {
        identical: 3,
        streak: 8,
        calls: 5,
        spawns: 20,
        burst: { tokens: 20_000, ms: 60_000 },
        effect: 'deny',
        ends: true,
      },
    })
    return on(
      async (page) => {
        await page.keyboard.press('5')
        await page.getByText('A law that has everything').waitFor()
        const text = await page.locator('.policy .columns > div').first().innerText()
        for (const [key, words] of [...Object.entries(seen), ...Object.entries(runaway)])
          if (words !== null) assert.match(text, words, key)
        // A rule opens to what it is, whole.
        await page.getByText('precedence(confirm, sending)').first().click()
        await page.locator('.exact', { hasText: '"formula"' }).waitFor()

        const decision = (what: string) => page.locator('.decisions .decision-row', { hasText: what })
        await decision('sleep').getByText('no rule speaks of it').waitFor()
        await decision('pay').getByText('no rule allows it').waitFor()
        assert.equal(await decision('sleep').getByText('allow').first().innerText(), 'allow')
      },
      async ({ kernel }) => {
        await kernel.spawn(
          async (sys) => {
            await sys.sleep(1)
            await sys.call('pay', { to: 'ACME', amount: 1, invoice: 'x' }).catch(() => {})
          },
          null,
          { principal: 'ada' },
        ).result
      },
      { law },
    )
  })

  test('an admin sees what every key has spent, the one nearest to its ceiling first; a key its own', () => {
    const keys: string[] = []
    return on(
      async (page) => {
        const use = (key: string): Promise<void> => withKey(page, key, '6')
        await use(keys[0] as string)
        await page.getByRole('heading', { name: 'All accounts, the nearest to a ceiling first' }).waitFor()
        const rows = page.locator('.accounts tbody tr')
        assert.deepEqual(
          (await rows.locator('.holder').allInnerTexts()).map((one) => one.trim()),
          ['mia', 'ada', 'root', 'eve'],
        )
        // That of a program has no key.
        assert.match(await rows.nth(2).innerText(), /^trial\s+spent .* tokens; no ceiling$/)
        const [near, far, free, shut] = [0, 1, 3, 4].map((i) => rows.nth(i))
        assert.match(
          await near!.innerText(),
          /^mia [0-9a-f]{8} nightly\s+tokens\s+(\d+) of \d+\s+spent \S+ and \1 tokens$/,
        )
        assert.equal(await near!.locator('.near').count(), 1, 'beyond nine tenths of it')
        assert.equal(await far!.locator('.near').count(), 0)
        const share = Number(await near!.getByRole('meter', { name: 'tokens' }).getAttribute('aria-valuenow'))
        assert.ok(share >= 90 && share <= 100, `${share}%`)
        assert.match(await free!.innerText(), /spent nothing; no ceiling/)
        assert.match(await shut!.innerText(), /revoked or expired/)
        // On a telephone nothing runs over its side.
        await page.setViewportSize({ width: 360, height: 740 })
        assert.ok(await page.evaluate<boolean>('document.documentElement.scrollWidth <= innerWidth'))
        assert.ok(
          await page.evaluate<boolean>(
            "[...document.querySelectorAll('.scroll')].every((one) => one.scrollWidth <= one.clientWidth)",
          ),
        )
        await page.setViewportSize({ width: 1280, height: 800 })
        await page.getByRole('button', { name: 'Forget key' }).click()
        // One that opens models alone.
        await use(keys[1] as string)
        await page.locator('.note .parts', { hasText: 'tokens' }).waitFor()
        assert.equal(await page.locator('.accounts').count(), 0)
      },
      async ({ kernel, store }) => {
        const add = (input: Parameters<typeof createKey>[1]) => createKey(store, input, Date.now())
        const root = add({ principal: 'root', scopes: ['admin'] })
        const spends = async (account: string, principal: string): Promise<number> => {
          await kernel.spawn(
            async (sys) => (await sys.generate({ prompt: 'Say something.', maxOutputTokens: 40 })).text,
            null,
            { account, principal },
          ).result
          const { used } = kernel.account(account)
          return used.inputTokens + used.outputTokens
        }
        const trial = await spends('trial', 'nobody')
        const mia = add({ principal: 'mia', scopes: ['models'], label: 'nightly', budget: { tokens: trial + 1 } })
        await spends(mia.entry.id, 'mia')
        const ada = add({ principal: 'ada', scopes: ['runs'], budget: { tokens: trial * 4 } })
        await spends(ada.entry.id, 'ada')
        const eve = add({ principal: 'eve', scopes: ['runs'], budget: { tokens: 0 } })
        revokeKey(store, eve.entry.id, Date.now())
        keys.push(root.key, mia.key)
      },
    )
  })

  test('what a run took says what the kernel says, children whose journals are gone with it, in the table, the tree and on its page', () => {
    const speaks = defineProgram('speaks', async (sys: Sys) => {
      await sys.generate({ prompt: 'Say something.', maxOutputTokens: 40 })
      return null
    })
    const asked = defineProgram('asked', async (sys: Sys) => {
      for (let i = 0; i < 3; i++) await sys.wait(await sys.spawn(speaks, null))
      return (await sys.receive()).body
    })
    let pid = 0
    return on(
      async (page, { kernel, url }) => {
        const { usage } = kernel.info(pid)
        assert.deepEqual([usage.steps, usage.children], [3, 3])
        const tokens = count(usage.inputTokens + usage.outputTokens)
        const says = async (): Promise<string[]> =>
          Promise.all(['tokens', 'usd', 'calls'].map((one) => page.locator(cell(pid, one)).innerText()))
        await page.locator(row(pid)).waitFor()
        const told = [tokens, usd(usage.usd), count(usage.calls)]
        assert.deepEqual(await says(), told)
        await page.getByRole('button', { name: 'Tree' }).click()
        assert.deepEqual(await says(), told)
        await page.goto(`${url}/#/run/${pid}/timeline`)
        await page.locator('.run-head').getByText(tokens, { exact: true }).waitFor()
        await page.locator('.run-head').getByText(usd(usage.usd), { exact: true }).waitFor()
      },
      async ({ kernel }) => {
        ;({ pid } = kernel.spawn(asked, null, { principal: 'ada' }))
        await until(() => kernel.info(pid).waiting === 'receive', 'its children have ended')
        assert.equal(await kernel.collect(0), 3)
      },
      { processesEndedMax: 1 },
    )
  })

  test('runs that ended long ago come from the journal when somebody asks for them', () =>
    on(
      async (page, { kernel }) => {
        const all = page.getByRole('button', { name: /^all/ })
        await page.getByRole('button', { name: 'Read older runs' }).waitFor()
        await until(async () => /all 2\d\d/.test(await all.innerText()), 'some are there')
        assert.ok(kernel.ps().length < 100)
        await page.getByRole('button', { name: 'Read older runs' }).click()
        await until(async () => /all 400/.test(await all.innerText()), 'all are there')
        await page.getByRole('button', { name: 'Read older runs' }).waitFor({ state: 'detached' })
        await page.keyboard.press('G')
        await page.keyboard.press('Enter')
        await page.locator('.run-head', { hasText: /‹\s*1 / }).waitFor()
        await page.keyboard.press('[')
        await page.locator('.exact', { hasText: /^0$/ }).waitFor()
      },
      async ({ kernel }) => {
        for (let i = 0; i < 400; i++) await kernel.spawn(async () => i, null).result
      },
      { processesEndedMax: 10 },
    ))

  test('what a model says is seen while it says it; a kill ends the run', () =>
    on(
      async (page, { kernel, url }) => {
        const plan = 'Split the question, read in parallel, let a critic look, then write.'
        const team = kernel.spawn(programNamed('research'), { question: 'Why?', parts: ['one'] }, { principal: 'ada' })
        team.result.catch(() => {})
        await page.goto(`${url}/#/run/${team.pid}/conversation`)
        const said = page.locator('.message.answer .prose', { hasText: 'Split' })
        await said.waitFor()
        const sofar = await said.innerText()
        assert.ok(plan.startsWith(sofar.trim()) && sofar.trim() !== plan, sofar)
        assert.equal(kernel.info(team.pid).usage.outputTokens, 0)
        await page.keyboard.press('x')
        const dialog = page.getByRole('dialog', { name: /^Kill/ })
        await dialog.getByLabel(/Reason/).fill('seen enough')
        assert.equal(kernel.info(team.pid).state, 'running')
        await dialog.getByRole('button', { name: 'Kill' }).click()
        await page.locator('.run-head', { hasText: 'killed' }).waitFor()
        assert.match(kernel.info(team.pid).error?.message ?? '', /seen enough/)
      },
      undefined,
      { tokensPerSecond: 6 },
    ))

  test('allow lets exactly the call pass that was shown; what a call says cannot look like the page', () =>
    on(
      async (page, { kernel, paid, url }) => {
        await page.keyboard.press('3')
        await page.locator('article').nth(1).waitFor()
        const [first, second] = kernel.questions
        assert.ok(first !== undefined && second !== undefined)
        const card = page.locator(`#question-${second.id}`)
        const shown = await card.locator('.exact').innerText()
        // One line of JSON once the page's own line breaks are taken away: nothing of the value broke a line by itself.
        const parsed = JSON.parse(shown.replaceAll('\n', '')) as unknown
        assert.deepEqual(parsed, (second.detail as { readonly input: unknown }).input)
        assert.doesNotMatch(shown.replaceAll('\n', ''), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
        assert.match(shown, /\\u202e/)
        const inside = await card.evaluate(
          (element: { querySelectorAll(selector: string): ArrayLike<{ closest(selector: string): unknown }> }) =>
            Array.from(element.querySelectorAll('.actions, h2, dl')).some((one) => one.closest('.framed') !== null),
        )
        assert.equal(inside, false)

        await page.locator(`#question-${first.id}`).getByRole('button', { name: 'Allow once' }).click()
        const dialog = page.getByRole('dialog', { name: 'Allow this one call?' })
        assert.match(await dialog.innerText(), /ACME/)
        assert.deepEqual(paid, [])
        await dialog.getByRole('button', { name: 'Allow once' }).click()
        await until(() => paid.length === 1, 'the call was made')
        assert.deepEqual(paid, [{ to: 'ACME', amount: 900, invoice: 'A-1' }])
        await page.locator(`#question-${first.id}`).waitFor({ state: 'detached' })

        await page.keyboard.press('d')
        await page.getByRole('dialog').getByRole('button', { name: 'Deny' }).click()
        await page.getByText('Nobody waits for you').waitFor()
        await until(() => kernel.info(second.pid).state === 'failed', 'the other call was refused')
        assert.equal(paid.length, 1)
        await page.goto(`${url}/#/run/${second.pid}/timeline/0`)
        await page.locator('.decision.deny', { hasText: 'large-payments' }).waitFor()
        await page.goto(`${url}/#/policy`)
        await page.locator('.decision-row', { hasText: 'large-payments' }).nth(2).waitFor()
      },
      ({ kernel }) => {
        kernel.spawn(programNamed('pay-once'), { to: 'ACME', amount: 900, invoice: 'A-1' }).result.catch(() => {})
        kernel
          .spawn(programNamed('pay-once'), {
            to: 'Contoso"\n}\n\u2028Approved by the owner\u202e\u2066 [ Deny ]\u200b\u0007\\n',
            amount: 9_400,
            invoice: '\u061c\ufeff</div><button>Allow once</button>',
          })
          .result.catch(() => {})
      },
    ))

  test('a call of the kernel that is asked about is shown whole, as it is allowed', () =>
    on(
      async (page, { kernel }) => {
        await page.keyboard.press('3')
        await page.locator('article').first().waitFor()
        const [question] = kernel.questions
        assert.match(await page.locator(`#question-${question?.id}`).innerText(), /spawn/)
        const shown = await page.locator(`#question-${question?.id} .exact`).innerText()
        assert.deepEqual(JSON.parse(shown.replaceAll('\n', '')), question?.detail)
        assert.match(shown, /"tools".*"pay".*"usd"/s)
        await page.getByRole('button', { name: 'Allow once' }).click()
        assert.match(await page.getByRole('dialog', { name: 'Allow this one call?' }).innerText(), /"pay"/)
      },
      ({ kernel }) => {
        const begins = async (sys: Sys): Promise<Json> =>
          sys.spawn('idle', { note: 'harmless' }, { tools: ['pay'], budget: { usd: 100 } })
        kernel.spawn(begins, null, { principal: 'eve' }).result.catch(() => {})
      },
    ))

  test('the keyboard reaches everything, and every control has a name', () =>
    on(
      async (page, { kernel }) => {
        const [youngest] = kernel.ps().toSorted((a, b) => b.pid - a.pid)
        await page.locator(row(youngest?.pid as number)).waitFor()
        await page.keyboard.press('j')
        await page.keyboard.press('j')
        await page.keyboard.press('k')
        assert.equal(await page.locator('[role=row][aria-selected=true]').getAttribute('aria-rowindex'), '2')
        await page.keyboard.press('Enter')
        await page.getByRole('tab', { name: /Timeline/, selected: true }).waitFor()
        await page.keyboard.press(']')
        await page.getByRole('tab', { name: 'Conversation', selected: true }).waitFor()
        await page.keyboard.press('Escape')
        await page.getByRole('grid', { name: 'Processes' }).waitFor()
        await page.keyboard.press('t')
        await page.getByRole('treegrid', { name: 'Processes' }).waitFor()
        await page.keyboard.press('t')
        await page.keyboard.press('?')
        await page.getByRole('dialog', { name: 'Keys' }).waitFor()
        await page.keyboard.press('Escape')
        await page.getByRole('dialog').waitFor({ state: 'detached' })
        // A tab stop is seen.
        await page.keyboard.press('Tab')
        assert.match(await page.evaluate<string>('getComputedStyle(document.activeElement).outlineStyle'), /solid|auto/)
        for (const [i, place] of ['processes', 'cores', 'inbox', 'memory', 'policy', 'budgets'].entries()) {
          await page.keyboard.press(String(i + 1))
          await page.waitForURL(`**/#/${place}`)
          await page.locator(`nav a[aria-current=page][href="#/${place}"]`).waitFor()
          await page.waitForTimeout(60)
          assert.deepEqual(await page.evaluate<string[]>(faultsOfAccess), [], place)
        }
        const ground = (): Promise<string> => page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
        const light = await ground()
        await page.emulateMedia({ colorScheme: 'dark' })
        const dark = await ground()
        assert.notEqual(dark, light)
        await page.keyboard.press('T')
        assert.equal(await ground(), light)
        await page.setViewportSize({ width: 800, height: 700 })
        for (const key of ['1', '2', '3', '4', '5', '6']) {
          await page.keyboard.press(key)
          await page.waitForTimeout(60)
          assert.ok(
            await page.evaluate<boolean>('document.documentElement.scrollWidth <= 800'),
            `view ${key} is too wide`,
          )
        }
      },
      ({ kernel }) => {
        for (let i = 0; i < 3; i++) kernel.spawn(programNamed('idle'), null, { principal: 'ada' })
        kernel.spawn(programNamed('interview'), 'Which?', { principal: 'ada' })
      },
    ))

  test('10,000 processes: no update keeps the page from its work for 100 ms, and few rows exist', () =>
    on(
      async (page, { kernel }) => {
        await until(
          async () =>
            /all 10\.?0*k?|all 10000/.test(
              await page
                .getByRole('button', { name: /^all/ })
                .innerText()
                .catch(() => ''),
            ),
          'all are there',
          15_000,
        )
        // The watch sees what it should.
        const burn =
          'new Promise((resolve) => setTimeout(() => { let x = 0; for (let i = 0; i < 3e8; i++) x = (x * 31 + i) | 0; resolve(x) }))'
        assert.ok((await longestTask(page, () => page.evaluate(burn))) > 50)
        const grid = page.getByRole('grid', { name: 'Processes' })
        assert.equal(await grid.getAttribute('aria-rowcount'), '10001')
        assert.ok((await page.locator('[role=row]').count()) < 60)
        const pids = kernel.ps().map(({ pid }) => pid)
        const longest = await longestTask(page, async () => {
          for (let round = 0; round < 4; round++) {
            for (let i = 0; i < 500; i++) kernel.send(pids[(i * 20 + round) % pids.length] as number, 'work')
            await page.waitForTimeout(300)
          }
          await page.getByRole('columnheader', { name: 'Calls' }).getByRole('button').click()
          await page.keyboard.press('G')
          await page.locator('[role=row][aria-rowindex="10001"]').waitFor()
          await page.keyboard.press('g')
          // What was sent is shown: two calls more for each time that one was woken.
          await page.locator('[role=row][aria-rowindex="2"] .c-calls', { hasText: /^[3-9]$/ }).waitFor()
        })
        console.log(`  10,000 processes: the longest task ${longest.toFixed(0)} ms`)
        assert.ok(longest < 100, `a task of ${longest} ms`)
        const wake = async (rounds: number): Promise<void> => {
          for (let round = 0; round < rounds; round++) {
            for (let i = 0; i < 500; i++) kernel.send(pids[(i * 20 + round) % pids.length] as number, 'work')
            await page.waitForTimeout(50)
          }
          await page.waitForTimeout(500)
        }
        await wake(20) // each row once
        const before = await heldBy(page)
        await wake(40)
        const held = await heldBy(page)
        console.log(
          `  after 20,000 more wakes ${(held.bytes - before.bytes) >> 10} kB more of ${before.bytes >> 10} kB`,
        )
        assert.ok(held.bytes < before.bytes * 1.15, `${before.bytes} bytes became ${held.bytes}`)
        assert.ok(held.nodes <= before.nodes + 20, `${before.nodes} nodes became ${held.nodes}`)
      },
      ({ kernel }) => {
        for (let i = 0; i < 10_000; i++) kernel.spawn(programNamed('busy'), null, { principal: `team-${i % 7}` })
      },
    ))

  test('10,000 principals: the page of budgets finds the one that is near its ceiling, and anybody by name; it stays quick, and does not grow', () =>
    on(
      async (page, { kernel, url }) => {
        // Ten pages.
        const refreshed = async (): Promise<void> => {
          for (let i = 0; i < 10; i++) await page.waitForResponse((one) => one.url().includes('only=accounts'))
        }
        const first = refreshed()
        await page.goto(`${url}/#/budgets`)
        await first
        const accounts = page.locator('.accounts tbody tr')
        await accounts.first().waitFor()
        assert.match(await accounts.first().innerText(), /^team-07777\s+tokens\s+\d+ of \d+/)
        const runs = page.locator('.budgets:not(.accounts) tbody tr')
        await runs.first().waitFor()
        assert.equal(await runs.locator('a').first().innerText(), String(kernel.ps().at(-2)?.pid), 'the nearest')
        assert.deepEqual([await accounts.count(), await runs.count()], [50, 50])
        await page
          .getByText('9950 more are farther from a ceiling')
          .or(page.getByText('9.9k more are'))
          .first()
          .waitFor()

        await page.keyboard.press('/')
        await page.keyboard.type('team-01234')
        await page.getByText('1 of 10.0k accounts').waitFor()
        assert.match(await accounts.innerText(), /^team-01234/)
        await page.getByLabel('Search accounts').fill('')
        const longest = await longestTask(page, async () => {
          const next = refreshed()
          const pids = kernel.ps().map(({ pid }) => pid)
          for (let i = 0; i < 500; i++) kernel.send(pids[i * 20] as number, 'work')
          await next
          await page.waitForTimeout(300)
        })
        // React keeps what it showed before until it renders twice more: so it is made to, or one answer more or less is held.
        const settled = async (): Promise<Held> => {
          await page.evaluate('document.activeElement.blur()')
          for (let i = 0; i < 2; i++) {
            await page.keyboard.press('?')
            await page.getByRole('dialog', { name: 'Keys' }).waitFor()
            await page.keyboard.press('Escape')
            await page.getByRole('dialog').waitFor({ state: 'detached' })
          }
          // Nodes of the dialog may be found to be gone by the second collection only.
          await heldBy(page)
          return heldBy(page)
        }
        await refreshed()
        const before = await settled()
        for (let i = 0; i < 3; i++) await refreshed()
        const held = await settled()
        console.log(`  10,000 principals and runs: the longest task ${longest.toFixed(0)} ms`)
        assert.ok(longest < 100, `a task of ${longest} ms`)
        assert.ok(held.bytes < before.bytes * 1.15, `${before.bytes} bytes became ${held.bytes}`)
        assert.ok(held.nodes <= before.nodes + 20, `${before.nodes} nodes became ${held.nodes}`)
        // What a table leaves out is there for who asks.
        await page.getByRole('button', { name: 'Show more' }).first().click()
        assert.equal(await accounts.count(), 200)
      },
      async ({ kernel }) => {
        for (let i = 0; i < 10_000; i++) kernel.account(`team-${String(i).padStart(5, '0')}`, { tokens: 5_000 })
        kernel.account('team-00003', { tokens: 0 })
        for (let i = 0; i < 10_000; i++)
          kernel.spawn(programNamed('busy'), null, {
            principal: `team-${i}`,
            budget: { wallMs: i === 9_999 ? 6e6 : 6e7 },
          })
        await kernel.spawn(
          async (sys) => (await sys.generate({ prompt: 'Say something.', maxOutputTokens: 40 })).text,
          null,
          { account: 'team-07777' },
        ).result
        const { used } = kernel.account('team-07777')
        kernel.account('team-07777', { tokens: used.inputTokens + used.outputTokens + 1 })
      },
    ))

  test('a server that wants a key is given one, and the page keeps it in its tab alone', () =>
    on(
      async (page, { store, kernel }) => {
        const dialog = page.getByRole('dialog', { name: 'This server needs a key' })
        await dialog.waitFor()
        await dialog.getByLabel('Key').fill('polity_00000000_wrong')
        await dialog.getByRole('button', { name: 'Use this key' }).click()
        await dialog.getByText('not known here').waitFor()
        // As the field shows one; no header could hold it.
        await dialog.getByLabel('Key').fill('polity_\u2026')
        await dialog.getByRole('button', { name: 'Use this key' }).click()
        await dialog.locator('input:invalid').waitFor()
        const { key, entry } = createKey(store, { principal: 'ada', scopes: ['runs'] }, Date.now())
        kernel.spawn(programNamed('idle'), null, { principal: 'grace', name: 'hidden' })
        const mine = kernel.spawn(programNamed('idle'), null, { principal: 'ada' })
        await dialog.getByLabel('Key').fill(key)
        await dialog.getByRole('button', { name: 'Use this key' }).click()
        await page.locator(row(mine.pid)).waitFor()
        assert.equal(await page.locator('[role=row]').count(), 2)
        assert.equal(await page.evaluate<string>("sessionStorage.getItem('polity.key')"), key)
        assert.doesNotMatch(
          await page.evaluate<string>('JSON.stringify(localStorage) + document.cookie + location.href'),
          /polity_/,
        )
        // What the key may not see says so.
        await page.keyboard.press('5')
        await page.getByRole('alert').getByText(/scope/).first().waitFor()
        // A key of which nothing else is bounded has room in the store by the day.
        await page.keyboard.press('6')
        const room = page.locator('.note .parts > div', { hasText: 'room' })
        await room.getByText(/^(0|\d[\d.]* (bytes|kB)) of [\d.]+ GB a day$/).waitFor()
        assert.equal(await room.getByRole('meter').getAttribute('aria-label'), 'room')
        await page.getByText(/^What it may spend has no ceiling\. What its runs write/).waitFor()
        await page.getByRole('button', { name: 'Forget key' }).click()
        await dialog.waitFor()
        assert.equal(await page.evaluate<string | null>("sessionStorage.getItem('polity.key')"), null)
        // One that is taken back while the page listens is asked for anew, and why.
        await withKey(page, key, '1')
        await page.locator(row(mine.pid)).waitFor()
        revokeKey(store, entry.id, Date.now())
        // With the next heartbeat, 1 s: what is asked for by itself would come upon it later.
        await dialog.getByText('this key was revoked').waitFor({ timeout: 3_000 })
      },
      ({ store }) => createKey(store, { principal: 'root', scopes: ['admin'] }, Date.now()),
    ))

  test('a stream that was refused is asked for again by itself, and at once where a person says so', () =>
    on(async (page, { kernel }) => {
      const events = '**/api/v1/events?*'
      const trouble = page.getByText('It is tried again by itself.')
      await page.route(events, (route) => route.fulfill({ status: 404, body: 'nothing here yet' }))
      await page.reload()
      await trouble.waitFor()
      await page.unroute(events)
      await trouble.waitFor({ state: 'detached', timeout: 6_000 })
      const first = kernel.spawn(programNamed('idle'), null)
      await page.locator(row(first.pid)).waitFor()
      // It would wait for ten minutes.
      await page.route(events, (route) => route.fulfill({ status: 429, headers: { 'retry-after': '600' }, body: '' }))
      await page.reload()
      await trouble.waitFor()
      await page.unroute(events)
      await page.getByRole('button', { name: 'Try now' }).click()
      await trouble.waitFor({ state: 'detached', timeout: 2_000 })
      const second = kernel.spawn(programNamed('idle'), null)
      await page.locator(row(second.pid)).waitFor()
    }))

  test('a core that refuses is told with its row and what to do, and where a run waits for it, until it serves', () => {
    const clock = clockAhead()
    let serves = false
    const model = scripted(() =>
      serves ? 'at last' : { error: { statusCode: 429, message: refusalWords, headers: { 'retry-after-ms': '100' } } },
    )
    const refusals = (kernel: World['kernel']): number => kernel.cores.at(-1)?.refused ?? 0
    const asker = defineProgram(
      'asker',
      async (sys: Sys) => (await sys.generate({ prompt: 'hi', model: 'edge/large' })).text,
    )
    const parent = defineProgram('parent', async (sys: Sys) => sys.wait(await sys.spawn(asker, null)))
    return on(
      async (page, { kernel, url }) => {
        const read = (go: () => Promise<unknown>): Promise<unknown> =>
          Promise.all([page.waitForResponse(`${url}/api/v1/cores`), go()])
        const run = kernel.spawn(parent, null, { principal: 'ada' })
        const other = kernel.spawn(asker, null, { principal: 'grace' })
        await until(() => refusals(kernel) > 1, 'it was refused')
        await page.keyboard.press('2')
        const core = page.getByRole('row', { name: /^edge\/large/ })
        await core.waitFor()
        assert.equal(await page.getByText('has refused').count(), 0, 'a moment is nothing to speak of')
        clock.setAhead(12_000)
        const idle = kernel.spawn(programNamed('idle'), null) // the page learns what time it is

        const said = page.locator('tr:has(th:text-is("edge/large")) + tr')
        await said
          .getByText(/^edge\/large has refused every call for \d+\ss: Too many requests <b>a minute<\/b>/)
          .waitFor()
        assert.match(await said.innerText(), /\\u202e.*x{200,}…\n+.*mend that at the provider, or name another model/s)
        await page.keyboard.press('1')
        const child = kernel.ps().find((one) => one.parent === run.pid)
        const waits = page.locator('.refused')
        await waits
          .getByText(
            new RegExp(
              `^Process ${other.pid} and 1 more wait for a core that refuses: edge/large has refused every call`,
            ),
          )
          .waitFor()
        // The run itself waits for its child.
        await page.goto(`${url}/#/run/${run.pid}/timeline`)
        await waits.getByText(`Process ${child?.pid} waits for a core that refuses: edge/large`).waitFor()
        await waits.getByRole('link', { name: String(child?.pid) }).click()
        await page.locator('.run-head', { hasText: 'asker' }).locator('.refused').waitFor()
        await read(() => page.goto(`${url}/#/run/${idle.pid}/timeline`))
        await page.locator('.run-head', { hasText: 'idle' }).waitFor()
        assert.equal(await waits.count(), 0)
        // Also of a call that began before the page was opened.
        await page.goto('about:blank')
        await page.goto(url)
        await waits.waitFor()
        const before = refusals(kernel)
        await until(() => refusals(kernel) > before + 2, 'it was refused again')
        assert.equal(await page.locator(cell(other.pid, 'waiting')).innerText(), 'generate')
        await page.setViewportSize({ width: 400, height: 700 })
        for (const key of ['1', '2']) {
          await page.keyboard.press(key)
          await page.getByText('has refused every call').waitFor()
          assert.ok(await page.evaluate<boolean>('document.documentElement.scrollWidth <= 400'), `view ${key}`)
        }
        const { width } = (await said.locator('.failure').boundingBox()) as { width: number }
        assert.ok(width > 300 && width < 400, 'it is read without scrolling')

        serves = true
        assert.equal(await run.result, 'at last')
        await page.getByText('has refused every call').waitFor({ state: 'detached' })
        await read(() => page.keyboard.press('1'))
        assert.equal(await waits.count(), 0)
      },
      undefined,
      { clock, models: { 'edge/large': model } },
    )
  })

  test('a line that was cut is said, and is taken up again without a loss', () =>
    on(async (page, world) => {
      const { kernel } = world
      await page.locator('.line-mark.live').waitFor()
      const first = kernel.spawn(programNamed('idle'), null)
      await page.locator(row(first.pid)).waitFor()
      await world.stopServing()
      await page.getByText('No connection to the server').waitFor()
      const second = kernel.spawn(programNamed('idle'), null)
      kernel.kill(first.pid)
      await world.serveAgain()
      await page.locator(row(second.pid)).waitFor()
      await page.locator(cell(first.pid, 'state'), { hasText: 'killed' }).waitFor()
      await page.locator('.trouble').waitFor({ state: 'detached' })
    }))

  test('what happened while the line was cut is not shown as if it still were: calls, questions', () =>
    on(async (page, world) => {
      const { kernel } = world
      await page.locator('.line-mark.live').waitFor()
      const { pid } = kernel.spawn(programNamed('digest'), 600)
      const asking = kernel.spawn(programNamed('interview'), 'Who is first?', { principal: 'local' })
      asking.result.catch(() => {})
      await page.locator(cell(pid, 'waiting'), { hasText: 'sleep' }).waitFor()
      await page.getByLabel('1 waiting').waitFor()
      await world.stopServing()
      const calls = kernel.info(pid).usage.calls
      kernel.kill(asking.pid)
      await until(() => kernel.info(pid).usage.calls > calls + 1, 'it did something nobody heard of')
      const late = kernel.info(pid).usage.calls
      await world.serveAgain()
      await page.locator('.line-mark.live').waitFor()
      await page.getByLabel('1 waiting').waitFor({ state: 'detached', timeout: 20_000 })
      await until(() => kernel.info(pid).usage.calls > late + 3, 'it went on')
      assert.doesNotMatch(await page.locator(cell(pid, 'waiting')).innerText(), /\+/)
    }))

  test('a run that the server knows no longer is said not to be there', () =>
    on(async (page, world) => {
      const { pid } = world.kernel.spawn(programNamed('idle'), null)
      await page.goto(`${world.url}/#/run/${pid}/timeline`)
      await page.locator('.run-head').waitFor()
      await world.stopServing()
      const other = await startWorld({ port: Number(new URL(world.url).port) })
      await page.getByText(`There is no run ${pid}`).waitFor()
      await other.close()
      await world.serveAgain()
    }))
})

/**
 * Milliseconds of the longest task of the page's own thread while `act` runs, in time of its processor: what other
 * processes take of the machine is not counted.
 */
async function longestTask(page: Page, act: () => Promise<unknown>): Promise<number> {
  const session = await page.context().newCDPSession(page)
  const events: { name: string; tid: number; args: { name?: string }; tdur?: number }[] = []
  session.on('Tracing.dataCollected', ({ value }) => void events.push(...(value as unknown as typeof events)))
  await session.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: { includedCategories: ['toplevel', '__metadata'], excludedCategories: ['*'] },
  })
  await act()
  // The task in which `act` was told of its end has ended when another one runs.
  await page.evaluate('0')
  const complete = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve))
  await session.send('Tracing.end')
  await complete
  await session.detach()
  const main = new Set(
    events.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain').map(({ tid }) => tid),
  )
  const times = events.flatMap(({ tid, tdur }) => (main.has(tid) && tdur !== undefined ? [tdur / 1_000] : []))
  assert.ok(times.length > 0, 'no task of the page was seen')
  return Math.max(...times)
}

interface Held {
  readonly bytes: number
  readonly nodes: number
}

/** What the page holds once what nobody reaches is gone. */
async function heldBy(page: Page): Promise<Held> {
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable')
  await session.send('HeapProfiler.collectGarbage')
  const { metrics } = await session.send('Performance.getMetrics')
  await session.detach()
  const of = (name: string): number => metrics.find((one) => one.name === name)?.value ?? NaN
  return { bytes: of('JSHeapUsedSize'), nodes: of('Nodes') }
}

/** Run in the page: what a screen reader could not name, and what has a role without what the role needs. */
const faultsOfAccess = `(() => {
  const faults = []
  const seen = (e) => e.checkVisibility()
  const say = (e, what) => faults.push(what + ': ' + e.outerHTML.slice(0, 120))
  const nameOf = (e) => (e.getAttribute('aria-label') ?? '') + (e.labels ? [...e.labels].map((l) => l.textContent).join('') : '') + e.textContent + (e.title ?? '')
  for (const e of document.querySelectorAll('button, a[href], [role=tab], [role=option]')) if (seen(e) && nameOf(e).trim() === '') say(e, 'no name')
  for (const e of document.querySelectorAll('input, select, textarea'))
    if (seen(e) && !(e.getAttribute('aria-label') || [...(e.labels ?? [])].some((l) => l.textContent.trim() !== ''))) say(e, 'no label')
  for (const e of document.querySelectorAll('[role=grid], [role=treegrid], [role=listbox], [role=dialog], dialog, nav, [role=tablist], [role=group]'))
    if (!e.getAttribute('aria-label')) say(e, 'no label')
  for (const e of document.querySelectorAll('[role=row]'))
    if (!e.closest('[role=grid], [role=treegrid]') || !e.querySelector('[role=gridcell], [role=columnheader]')) say(e, 'a row out of place')
  for (const e of document.querySelectorAll('img, svg')) if (!e.closest('[aria-hidden=true], [role=img], button') && !e.getAttribute('aria-label')) say(e, 'no text')
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id)
  for (const id of new Set(ids)) if (ids.filter((one) => one === id).length > 1) faults.push('two of id ' + id)
  if (document.querySelectorAll('h1').length !== 1) faults.push('not one h1')
  if (document.querySelectorAll('main').length !== 1) faults.push('not one main')
  if (document.documentElement.lang === '') faults.push('no language')
  for (const e of document.querySelectorAll('[tabindex]')) if (e.tabIndex > 0) say(e, 'an order of its own')
  return faults
})()`
