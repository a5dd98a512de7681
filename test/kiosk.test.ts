/** The kiosk: pages drawn by seed, solved in a real Chromium by what an agent sees. Without one, what needs it is skipped. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { isTree, pruneTree } from '../src/agents/pieces/web-tree.ts'
import { boot } from '../src/boot.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { drawAt, type Action, type Turn } from '../src/environments/environment.ts'
import { KIOSK_AGENT, kiosk, kioskPages, pageOf } from '../src/environments/kiosk.ts'
import { kioskActions } from '../src/environments/kiosk-actions.ts'
import { documentOf, isWanted, type KioskPage } from '../src/environments/kiosk-page.ts'
import { readTree, writeTree } from '../src/environments/kiosk-tree.ts'
import { episodeOf, spawnEpisode, type EpisodeResult, type Seen, type Told } from '../src/evaluation/episode.ts'
import { findChromium, kioskWorld } from '../src/evaluation/kiosk.ts'
import { worldTask } from '../src/evaluation/task.ts'
import { verify } from '../src/evaluation/verify.ts'
import { openStage, type OpenEnvironment, type World } from '../src/evaluation/world.ts'
import { PolityError } from '../src/kernel/errors.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Json } from '../src/kernel/types.ts'
import { tool } from './world.ts'

const LONG = process.env['POLITY_LONG'] === '1'
const skip = findChromium() === undefined && 'no Chromium is installed; name one in POLITY_CHROMIUM'

const acts = (name: string, args: Action['args'] = {}): Action => ({ agent: KIOSK_AGENT, name, args })
const taskOf = (page: string, seed = 3, level = 1) => ({ params: { page, level }, seed })
const dataOf = (turn: Turn) => turn.views[KIOSK_AGENT]?.data as { axtree_txt: string; last_action_error: string }
const hashOf = async (environment: OpenEnvironment) => ((await environment.state()) as { hash: string }).hash

// ----------------------------------------------------------------------------------------------------- without a browser

test('a task names a page, a content and a level; what else it names is refused, with what there is', () => {
  assert.deepEqual(kiosk.read({ level: 2 }, 7), kiosk.task(7, 2))
  assert.deepEqual(kiosk.read(kiosk.task(7, 2), 1), kiosk.task(7, 2))
  assert.equal(kiosk.task(-7).page, kiosk.task(7).page)
  const fields = 'there are page, content, level'
  const levels = `there is no level 5 of web.kiosk; there are levels 1 to ${kiosk.levelMax}`
  for (const [params, said] of [
    [{ gaol: 1 }, `a task of web.kiosk is { page, content, level }: there is no "gaol"; ${fields}`],
    [{ page: 'jail' }, 'there is no page "jail" in the kiosk; there are '],
    [{ page: 7 }, 'a task of web.kiosk is { page, content, level }: page: '],
    [{ level: 5 }, levels],
    [{ page: 'terms', level: 5 }, levels],
  ] as const)
    assert.throws(
      () => kiosk.read(params as Json, 1),
      (error) => PolityError.isInstance(error) && error.code === 'INVALID_ARGUMENT' && error.message.startsWith(said),
      JSON.stringify(params),
    )
  assert.throws(() => kiosk.task(1, 0), { message: levels.replace('5', '0') })
})

test('what is written of a tree is read again, whatever characters are in it', () => {
  const text = fc.string({ unit: fc.constantFrom(...'ab\'"\\[]=,: \n\té'), maxLength: 12 })
  const node = fc.record({
    name: text,
    value: fc.option(text, { nil: undefined }),
    checked: fc.boolean(),
    focused: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(node, { minLength: 1, maxLength: 6 }), (given) => {
      const nodes = given.map(({ name, value, checked, focused }, i) => ({
        nodeId: `${i}`,
        role: { value: 'checkbox' },
        name: { value: name },
        ...(value === undefined ? {} : { value: { value } }),
        properties: [
          { name: 'focused', value: { value: focused } },
          { name: 'checked', value: { value: String(checked) } },
        ],
        childIds: i + 1 < given.length ? [`${i + 1}`] : [],
        backendDOMNodeId: i,
      }))
      const read = readTree(writeTree(nodes, (i) => `a${i}`))
      assert.deepEqual(
        read,
        given.map(({ name, value, checked, focused }, i) => ({
          bid: `a${i}`,
          role: 'checkbox',
          name: name.trim(),
          value,
          properties: { ...(focused ? { focused: 'True' } : {}), checked: String(checked) },
          depth: i,
        })),
      )
    }),
    { numRuns: LONG ? 2_000 : 60 },
  )
})

test('pages are drawn by their seed, ask for something that is not there yet, and load nothing', () => {
  assert.ok(kioskPages.length >= 12)
  assert.equal(new Set(kioskPages.map(({ name }) => name)).size, kioskPages.length)
  for (const page of kioskPages) {
    const seen = new Set<string>()
    for (let seed = 0; seed < 16; seed++) {
      const content = page.draw(drawAt(seed, 0), 1 + (seed % 4))
      const html = documentOf(page, content)
      assert.equal(html, documentOf(page, page.draw(drawAt(seed, 0), 1 + (seed % 4))))
      assert.deepEqual(JSON.parse(JSON.stringify(content)), content)
      assert.doesNotMatch(html, /https?:|url\(|@import/)
      assert.ok(page.goal(content).length > 20)
      for (const nothing of [null, '', [], {}, false]) assert.ok(!isWanted(page, content, nothing), page.name)
      seen.add(html + page.goal(content))
    }
    assert.ok(seen.size > 12, `${page.name} has ${seen.size} instances of 16`)
  }
  assert.throws(() => pageOf({ page: 'casino', content: null }), /no page "casino" in the kiosk; there are .*checkout/)
})

test('a number is told in any words, and only one', () => {
  const page = pageOf({ page: 'statement', content: null })
  const content = page.draw(drawAt(1, 0), 1)
  const sum = Number(page.want(content))
  for (const [said, is] of [
    [`${sum}`, true],
    [`They paid ${sum} euros.`, true],
    [`${sum} or ${sum + 1}`, false],
    [`${sum}1`, false],
    ['nothing', false],
  ] as const)
    assert.equal(isWanted(page, content, said), is, said)
})

test('a browser that is not there is said to be missing, with what to do', async () => {
  await assert.rejects(
    async () => (await kioskWorld({ executable: '/no/such/chromium' }).open()).reset(taskOf('mixer')),
    (error) =>
      PolityError.isInstance(error) && error.code === 'CONFIG_INVALID' && /\/no\/such\/chromium/.test(error.message),
  )
})

// -------------------------------------------------------------------------------------------------------- in the browser

describe('in Chromium', { skip }, () => {
  const pages = [...kioskPages]
  // Chromium, and the process that it is.
  const folder = mkdtempSync(join(tmpdir(), 'polity-kiosk-'))
  const [executable, pidFile] = [join(folder, 'chromium'), join(folder, 'pid')]
  const script = `#!/bin/sh\necho $$ > '${pidFile}'\nexec '${findChromium()}' "$@"\n`
  writeFileSync(executable, script, { mode: 0o755 })
  const world = kioskWorld({ executable, pages })
  const windows: OpenEnvironment[] = []
  let first: OpenEnvironment
  let second: OpenEnvironment
  before(async () => {
    windows.push(await world.open(), await world.open())
    ;[first, second] = windows as [OpenEnvironment, OpenEnvironment]
  })
  after(async () => {
    for (const window of windows) await window.close?.()
    rmSync(folder, { recursive: true, force: true })
  })

  const oracle = async (environment: OpenEnvironment, from: World = world): Promise<readonly Action[]> =>
    (await from.oracle?.(await environment.state())) ?? []

  /** Plays a task by the oracle; nothing is right before its last action. */
  async function solve(environment: OpenEnvironment, task: { params: Json; seed: number }): Promise<readonly Turn[]> {
    const turns = [await environment.reset(task)]
    const name = `${JSON.stringify(task.params).slice(0, 60)} of seed ${task.seed}`
    while (turns.at(-1)?.done === false) {
      assert.equal(await environment.score(), 0, `${name} before its end`)
      const [action] = await oracle(environment)
      assert.ok(action)
      const turn = await environment.step([action])
      assert.deepEqual(turn.errors, [], `${name}: ${JSON.stringify(action)}`)
      turns.push(turn)
      if (!turn.done) continue
      // What ends it changes the world: without it the score is still 0, which was seen above.
      assert.equal(kioskActions.find((one) => one.name === action.name)?.effect, 'write')
    }
    assert.equal(await environment.score(), 1, name)
    assert.deepEqual(turns.at(-1)?.reward, { [KIOSK_AGENT]: 1 })
    return turns
  }

  /** As many as there are windows at once. */
  async function solveAll(tasks: { params: Json; seed: number }[], until = Infinity): Promise<readonly Turn[]> {
    const turns: Turn[] = []
    const left = [...tasks]
    await Promise.all(
      windows.map(async (window) => {
        for (let task = left.shift(); task !== undefined && performance.now() < until; task = left.shift())
          turns.push(...(await solve(window, task)))
      }),
    )
    return turns
  }

  test(`the oracle solves ${LONG ? 'every page' : 'four pages'} by what an agent sees, and without its last action nothing`, async () => {
    const names = LONG ? kioskPages.map(({ name }) => name) : ['board', 'editor', 'shop', 'terms']
    const turns = await solveAll(names.map((name, i) => taskOf(name, i, 1 + (i % 3))))
    // The trees can be pruned as AgentOccam does, and keep what can be acted on.
    let [before_, after_] = [0, 0]
    for (const turn of turns.filter(({ done }) => !done)) {
      const tree = dataOf(turn).axtree_txt
      const short = pruneTree(tree)
      assert.ok(isTree(tree), tree)
      assert.equal(pruneTree(short), short)
      for (const { bid, role, properties } of readTree(tree))
        if (/^(button|textbox|checkbox|radio|combobox|option|tab|slider|menuitem|searchbox)$/.test(role))
          assert.ok(
            properties['disabled'] === 'True' || short.includes(`[${bid}] ${role}`),
            `[${bid}] ${role} of\n${tree}\n\n${short}`,
          )
      before_ += tree.length
      after_ += short.length
    }
    assert.ok(after_ < 0.9 * before_, `${after_} of ${before_} characters`)
  })

  // Two windows at the same time; the tests of one come after each other.
  describe('in two windows', { concurrency: true }, () => {
    describe('the first', { concurrency: 1 }, () => {
      test('an action that cannot be done says why, at once, and the page is as it was', async () => {
        await first.reset(taskOf('projects'))
        const nodes = readTree(((await first.state()) as { tree: string }).tree)
        const bidOf = (role: string, name?: RegExp): string =>
          nodes.find((node) => node.role === role && (name === undefined || name.test(node.name)))?.bid ?? '?'
        const hash = await hashOf(first)
        for (const [action, code, why] of [
          [acts('goto', { url: 'http://example.org' }), 'UNKNOWN_ACTION', /no action "goto" now: noop, click/],
          [acts('click', {}), 'BAD_ARGUMENTS', /click: bid/],
          [acts('click', { bid: '1', button: 'both' }), 'BAD_ARGUMENTS', /button/],
          [acts('click', { bid: '999' }), 'NOT_POSSIBLE', /no element \[999\]/],
          [acts('click', { bid: '"] *' }), 'NOT_POSSIBLE', /no element/],
          [acts('click', { bid: bidOf('button', /^Delete/) }), 'NOT_POSSIBLE', /is covered by \[\d+\] div/],
          [acts('fill', { bid: bidOf('button', /^Delete/), value: 'x' }), 'NOT_POSSIBLE', /cannot be filled in/],
          [acts('check', { bid: bidOf('button', /^Reject/) }), 'NOT_POSSIBLE', /not a checkbox/],
          [acts('select_option', { bid: bidOf('button', /^Reject/), options: 'x' }), 'NOT_POSSIBLE', /not a <select>/],
          [acts('keyboard_press', { key: 'NoSuchKey' }), 'NOT_POSSIBLE', /NoSuchKey/],
        ] as const) {
          const turn = await first.step([action])
          assert.equal(turn.errors[0]?.code, code, JSON.stringify(action))
          assert.match(turn.errors[0]?.message ?? '', why)
          assert.match(dataOf(turn).last_action_error, why)
          assert.equal(await hashOf(first), hash, JSON.stringify(action))
        }
        const other = await first.step([acts('noop'), { agent: 'somebody', name: 'noop' }])
        assert.deepEqual(
          other.errors.map(({ code }) => code),
          ['NOT_YOUR_TURN'],
        )
        while (!(await first.step(await oracle(first))).done);
        assert.equal(await first.score(), 1)
      })

      test('doing nothing, giving up, and doing something else score 0', async () => {
        let turn = await first.reset(taskOf('shop'))
        while (!turn.done) turn = await first.step([])
        assert.deepEqual([turn.truncated, await first.score(), turn.steps], ['steps', 0, kiosk.stepsMax])
        await assert.rejects(async () => first.step([]), /is over/)
        await first.reset(taskOf('shop'))
        turn = await first.step([acts('report_infeasible', { reason: 'sold out' })])
        assert.deepEqual([turn.done, await first.score()], [true, 0])
        await first.reset(taskOf('mixer'))
        const apply =
          readTree(((await first.state()) as { tree: string }).tree).find(({ name }) => name === 'Apply')?.bid ?? ''
        turn = await first.step([acts('click', { bid: apply })])
        assert.deepEqual([turn.done, turn.reward, await first.score()], [true, {}, 0])
      })
    })

    describe('the second', { concurrency: 1 }, () => {
      test('fields of every kind are filled as by hand, what will not be checked is told, and modifiers are held', async () => {
        const fields: KioskPage = {
          name: 'fields',
          draw: () => null,
          goal: () => 'Fill in all of the fields.',
          want: () => 'never',
          html: () =>
            `<input aria-label="text" value="old"><textarea aria-label="area">old\nold</textarea><input aria-label="count" type="number" value="1">
             <input aria-label="day" type="date"><div aria-label="free" role="textbox" contenteditable>old</div><input aria-label="fixed" readonly value="x">
             <label><input type="checkbox" id="stubborn">Stubborn</label><label><input type="checkbox">Willing</label>
             <button id="go">Go</button><p id="log"></p>`,
          script: `
            const log = (text) => ($('#log').textContent += text + ' ')
            for (const one of all('input:not([type=checkbox]), textarea, [contenteditable]')) one.oninput = () => log(one.getAttribute('aria-label'))
            $('#stubborn').onclick = (event) => event.preventDefault()
            $('#go').onclick = ({ ctrlKey, shiftKey, detail }) => log('go' + [ctrlKey, shiftKey, detail])`,
          solve: () => ({ name: 'noop', args: {} }),
        }
        pages.push(fields)
        try {
          let turn = await second.reset(taskOf('fields'))
          const find = (name: string) =>
            readTree(dataOf(turn).axtree_txt).find((one) => one.bid !== undefined && one.name === name)
          const take = async (name: string, action: string, args: Action['args'] = {}) => {
            turn = await second.step([acts(action, { bid: find(name)?.bid ?? '?', ...args })])
            return [turn.errors[0]?.message ?? null, find(name)?.value ?? null]
          }
          const value = 'É "quoted" 漢字'
          for (const name of ['text', 'area', 'free'])
            assert.deepEqual(await take(name, 'fill', { value }), [null, value], name)
          assert.deepEqual(await take('count', 'fill', { value: '42' }), [null, '42'])
          assert.match(String((await take('count', 'fill', { value: 'many' }))[0]), /number/)
          assert.equal((await take('day', 'fill', { value: '2026-02-03' }))[0], null)
          assert.match(String((await take('fixed', 'fill', { value }))[0]), /read-only/)
          assert.equal((await take('area', 'clear'))[0], null)
          assert.match(String((await take('Stubborn', 'check'))[0]), /was clicked, and stayed unchecked/)
          for (const [action, checked] of [
            ['check', 'true'],
            ['check', 'true'],
            ['uncheck', 'false'],
          ] as const) {
            assert.equal((await take('Willing', action))[0], null)
            assert.equal(find('Willing')?.properties['checked'], checked)
          }
          await take('Go', 'click', { modifiers: ['Control', 'Shift'] })
          await take('Go', 'dblclick')
          const said = 'text area free count day area gotrue,true,1 gofalse,false,1 gofalse,false,2'
          assert.ok(dataOf(turn).axtree_txt.includes(said), dataOf(turn).axtree_txt)
        } finally {
          pages.pop()
        }
      })

      test('no request leaves, whatever a page tries', async () => {
        let connections = 0
        const server = createServer((_, response) => response.end('here')).on('connection', () => connections++)
        await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
        const to = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
        const evil: KioskPage = {
          name: 'evil',
          draw: () => null,
          goal: () => 'Press all of the buttons.',
          want: () => 'never',
          html: () =>
            `<img src="${to}a.png" alt=""><link rel="stylesheet" href="${to}b.css"><iframe src="${to}c"></iframe><a href="${to}d">Leave</a>
             <a href="${to}e" target="_blank">Open</a><form method="post" action="${to}f"><button>Post</button></form><button id="all">Try</button>`,
          script: `$('#all').onclick = () => {
            fetch('${to}g').catch(() => {})
            navigator.sendBeacon('${to}h', 'x')
            try { new WebSocket('${to.replace('http', 'ws')}i') } catch {}
            new Image().src = '${to}j'
            open('${to}k')
            document.head.append(el('script', { src: '${to}l' }))
            location.href = '${to}m'
          }`,
          solve: () => ({ name: 'noop', args: {} }),
        }
        pages.push(evil)
        try {
          await second.reset(taskOf('evil'))
          for (const { bid, role } of readTree(((await second.state()) as { tree: string }).tree))
            if (role === 'link' || role === 'button')
              assert.deepEqual((await second.step([acts('click', { bid: bid ?? '' })])).errors, [])
          const turn = await second.step([acts('noop', { wait_ms: 100 })])
          assert.match(dataOf(turn).axtree_txt, /button 'Try'/)
          assert.equal(connections, 0)
        } finally {
          pages.pop()
          server.closeAllConnections()
          server.close()
        }
      })
    })
  })

  test('a state comes back in another window, to the same document, and goes on as the first time', async () => {
    for (const page of LONG ? ['booking', 'terms', 'board', 'checkout', 'rename'] : ['booking']) {
      await first.reset(taskOf(page, 4, 2))
      await first.step([acts('click', { bid: '999' })])
      await first.step([])
      await first.step(await oracle(first))
      const saved = JSON.parse(JSON.stringify(await first.state())) as { hash: string; taken: Json[] }
      await second.restore(saved as never)
      assert.deepEqual(await second.state(), saved)
      for (;;) {
        const [one, other] = await Promise.all([first, second].map(async (window) => window.step(await oracle(window))))
        assert.deepEqual(other, one)
        assert.deepEqual(await second.state(), await first.state())
        if (one?.done === true) break
      }
      assert.equal(await second.score(), 1)
      if (page !== 'booking') continue
      const lie = { ...saved, hash: 'f'.repeat(64) }
      await assert.rejects(async () => second.restore(lie as never), /page "booking" led elsewhere/)
    }
  })

  const slow = { skip: !LONG && 'a browser takes seconds: POLITY_LONG=1' }
  test('a program plays an episode: it looks, forks, and goes on from where a fork stands', slow, async () => {
    const kernel = await boot({ model: scripted([]) })
    const apply = defineProgram('apply', async (sys) => {
      const seen = await sys.call<Seen>('episode_view', {})
      const { axtree_txt: tree, goal } = seen.data as { axtree_txt: string; goal: string }
      const pid = await sys.fork()
      if (pid === 0) {
        for (const { bid, role, name } of readTree(tree)) {
          const value = new RegExp(`${name} to (\\d+)`).exec(goal)?.[1]
          if (role === 'slider' && value !== undefined) await sys.call('fill', { bid: bid ?? '', value })
        }
        return null as never
      }
      await sys.wait(pid)
      const still = await sys.call<Seen>('episode_view', {})
      if ((still.data as { axtree_txt: string }).axtree_txt !== tree) throw new Error('the fork has changed our page')
      await sys.call('episode_adopt', { pid })
      await sys.call('click', { bid: readTree(tree).find(({ name }) => name === 'Apply')?.bid ?? '' })
      return null
    })
    const run = await spawnEpisode(kernel, world, taskOf('mixer', 5), { program: apply, search: true })
    const { score, done, players } = await run.result.finally(() => kernel.close())
    assert.deepEqual([score, done, players[KIOSK_AGENT]], [1, true, { output: null }])
  })

  test(
    'as many instances as twenty seconds have are solved; verify finds nothing wrong',
    { skip: !LONG && 'half a minute in a browser: POLITY_LONG=1' },
    async (t) => {
      const end = performance.now() + 20_000
      let solved = 0
      const tasks = Array.from({ length: 1_000 }, (_, i) => {
        const seed = 100 + i
        return { params: kiosk.task(seed, 1 + (i % 4)), seed }
      })
      while (tasks.length > 0 && performance.now() < end) {
        const some = tasks.splice(0, 8)
        await solveAll(some)
        solved += some.length
      }
      t.diagnostic(`${solved} instances`)
      assert.ok(solved >= 8)
      const kernel = await boot({ model: scripted([]) })
      const report = await verify(kernel, worldTask(world, { seeds: 5, params: kiosk.task })).finally(() =>
        kernel.close(),
      )
      assert.deepEqual(
        report.samples.flatMap(({ faults }) => faults),
        [],
      )
      const shown = kioskWorld({ screenshot: true })
      const window = await shown.open()
      const turn = await window.reset(taskOf('board'))
      const { screenshot } = dataOf(turn) as unknown as { screenshot: string }
      assert.equal(Buffer.from(screenshot, 'base64').subarray(1, 4).toString(), 'PNG')
      await window.close?.()
    },
  )

  test(`a browser that is killed in an episode is no score${LONG ? ', and the next episode has a new one' : ''}`, async () => {
    const kernel = await boot({ model: scripted([]) })
    const kill = tool('kill', () => (process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL'), null))
    const visit = defineProgram('visit', async (sys, { kills }: { readonly kills: boolean }) => {
      if (kills) await sys.call('kill', null)
      const { done, error } = await sys.call<Told>('noop', {})
      return [done, error?.code ?? null] as Json
    })
    // The first one plays in a window that is open already.
    const open = [async () => windows.pop() as OpenEnvironment]
    const stage = openStage({ ...world, open: () => (open.pop() ?? world.open)() })
    const results: EpisodeResult[] = []
    try {
      for (const kills of LONG ? [true, false, false] : [true]) {
        const players = { program: visit, input: { kills }, tools: [kill] }
        const program = await episodeOf(world, taskOf('board'), players, stage)
        results.push(await kernel.spawn(program, taskOf('board')).result)
      }
    } finally {
      await stage.close()
      await kernel.close()
    }
    const [killed, ...next] = results.map(({ score, failure, players }) => [score, failure?.code, players[KIOSK_AGENT]])
    assert.deepEqual(killed, [null, 'DRIVER_FAILED', { output: [true, 'DRIVER_FAILED'] }])
    assert.match(results[0]?.failure?.message ?? '', /^web\.kiosk: the browser failed: .*closed/)
    await assert.rejects(async () => first.reset(taskOf('board')), { code: 'DRIVER_FAILED' })
    for (const one of next) assert.deepEqual(one, [0, undefined, { output: [false, null] }])
  })
})
