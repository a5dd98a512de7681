/**
 * Booting on what an earlier kernel left: what is found, what is resumed, and how it goes on.
 *
 * A crash here is a kernel whose store says no more: what was committed is all that the next one gets.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { anything } from '../src/kernel/anything.ts'
import type { LanguageModel, Store } from '../src/kernel/drivers.ts'
import { PolityError } from '../src/kernel/errors.ts'
import type { Kernel, KernelOptions } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { endsAfter, outcomeIn, pastOf } from '../src/kernel/past.ts'
import { defineProgram } from '../src/kernel/program.ts'
import { defineTool } from '../src/kernel/tools.ts'
import type { JournalEvent, Json, Pid, Program, Sys, Tool } from '../src/kernel/types.ts'
import type { Life, Time } from './faults/clock.ts'
import { createTime } from './faults/clock.ts'

interface Machine {
  readonly time: Time
  /** Boots a kernel on what was committed. */
  boot(options: Omit<KernelOptions, 'store' | 'clock'>): Kernel
  /** The kernel that runs now hears and writes nothing more. */
  crash(): void
  /** Moves time until the promise is settled. */
  end<T>(promise: Promise<T>): Promise<T>
}

function machine(): Machine {
  const disk = memoryStore()
  const time = createTime(3, false)
  let life: Life | undefined
  return {
    time,
    boot(options) {
      const mine = (life = time.live())
      const store: Store = {
        ...disk,
        durability: 'relaxed',
        commit: (batch) => (mine.alive ? disk.commit(batch) : never()),
        close: () => {},
      }
      return createKernel({ ...options, clock: mine.clock, store })
    },
    crash() {
      if (life !== undefined) life.alive = false
    },
    async end(promise) {
      let isSettled = false
      const settled = (): void => void (isSettled = true)
      promise.then(settled, settled)
      await time.drain()
      while (!isSettled && (await time.step())) continue
      assert(isSettled, 'nothing moves any more')
      return promise
    },
  }
}

/** Lets everything happen that happens without time. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}

function program<Input, Output>(
  name: string,
  run: (sys: Sys, input: Input) => Promise<Output>,
  options: { version?: string; tools?: Tool[] } = {},
): Program {
  return defineProgram(name, run, options as object) as unknown as Program
}

const tool = (name: string, effect: 'read' | 'idempotent' | 'once', execute: Tool<Json, Json>['execute']): Tool =>
  defineTool({ name, description: name, effect, inputSchema: anything<Json>(), execute }) as unknown as Tool

const never = (): Promise<never> => new Promise(() => {})

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'none'
  } catch (error) {
    return PolityError.isInstance(error) ? error.code : String(error)
  }
}

test('after a boot the unfinished processes are there, stopped; nothing runs before resume', async () => {
  const m = machine()
  let runs = 0
  const asks = program('asks', async (sys) => {
    runs++
    return sys.ask('well?')
  })
  const first = m.boot({ programs: [asks] })
  const { pid } = first.spawn(asks, null, { principal: 'ann', name: 'one', priority: 2, budget: { steps: 3 } })
  await m.end(
    first.spawn(
      program('done', async () => 1),
      null,
    ).result,
  )
  m.crash()
  const second = m.boot({ programs: [asks] })
  await settle()
  assert.equal(runs, 1)
  const [info, ...others] = second.ps()
  assert.deepEqual(others, [])
  assert.deepEqual(
    [
      info?.pid,
      info?.state,
      info?.program,
      info?.principal,
      info?.name,
      info?.priority,
      info?.budget,
      info?.error?.code,
    ],
    [pid, 'stopped', 'asks', 'ann', 'one', 2, { steps: 3 }, 'KERNEL_CLOSED'],
  )
  assert.equal(second.questions.length, 0)
  const [run] = second.resume()
  await settle()
  assert.equal(runs, 2)
  const [question] = second.questions
  assert.equal(question?.text, 'well?')
  second.answer(question?.id ?? 0, 'well')
  assert.equal(await m.end(run?.result as Promise<unknown>), 'well')
})

test('a tree is resumed as a tree: parents wait for the same children, which hold what they held', async () => {
  const m = machine()
  const held: string[][] = []
  const look = tool('look', 'read', () => 1)
  const pay = tool('pay', 'once', () => 2)
  const leaf = program('leaf', async (sys) => {
    held.push(sys.tools.map(({ name }) => name))
    return sys.ask('leaf')
  })
  const bare = program('bare', async (sys) => {
    held.push(sys.tools.map(({ name }) => name))
    return sys.ask('bare')
  })
  const root = program(
    'root',
    async (sys) => {
      const pids = [await sys.spawn(leaf, null), await sys.spawn(bare, null, { tools: [] })]
      return Promise.all(pids.map((pid) => sys.wait(pid)))
    },
    { tools: [look, pay] },
  )
  const first = m.boot({ programs: [root, leaf, bare] })
  const { pid } = first.spawn(root, null)
  await settle()
  assert.deepEqual(held, [['look', 'pay'], []])
  await first.close()
  const second = m.boot({ programs: [root, leaf, bare] })
  const runs = second.resume(pid)
  assert.equal(runs.length, 3)
  await settle()
  assert.deepEqual(held.slice(2), [['look', 'pay'], []], 'what a child holds neither grows nor shrinks')
  for (const { id, text } of second.questions) second.answer(id, `${text} answered`)
  assert.deepEqual(await m.end(runs[0]?.result as Promise<unknown>), ['leaf answered', 'bare answered'])
  assert.equal((await m.end(second.replay(runs[1]?.pid ?? 0))).same, true, 'a child with its parent’s tools replays')
})

test('closing a kernel ends no call: who waits for another goes on waiting after resume', async () => {
  const m = machine()
  const sleeper = program('sleeper', async (sys) => {
    await sys.ask('wake?')
    return 'slept'
  })
  const waiter = program('waiter', async (sys, pid: Pid) => sys.wait(pid))
  const first = m.boot({ programs: [sleeper, waiter] })
  const target = first.spawn(sleeper, null)
  const { pid } = first.spawn(waiter, target.pid)
  await settle()
  await first.close()
  const second = m.boot({ programs: [sleeper, waiter] })
  second.resume()
  await settle()
  second.answer(second.questions[0]?.id ?? 0, 'yes')
  assert.equal(await m.end(second.run(pid).result), 'slept')
})

test('resume names the program that is missing, by its version', async () => {
  const m = machine()
  const asks = (version: string): Program => program('asks', async (sys) => sys.ask(version), { version })
  const first = m.boot({ programs: [asks('1')] })
  const { pid } = first.spawn('asks', null)
  await settle()
  m.crash()
  const second = m.boot({ programs: [asks('2')] })
  assert.throws(
    () => second.resume(),
    (error) => PolityError.isInstance(error) && error.code === 'NO_SUCH_PROGRAM' && error.message.includes('asks@1'),
  )
  assert.equal(second.info(pid).state, 'stopped')
  m.crash()
  // Both at hand: the journal's version runs, and a name alone means the newest.
  const third = m.boot({ programs: [asks('1'), asks('2')] })
  third.resume()
  third.spawn('asks', null)
  await settle()
  assert.deepEqual(
    third.questions.map(({ text }) => text),
    ['1', '2'],
  )
})

test('resume throws before anything runs where the past of one is missing, and the others go on by themselves', async () => {
  const disk = memoryStore()
  const store: Store = { ...disk, durability: 'relaxed', close() {} }
  const asks = program('asks', async (sys) => sys.ask('go on?'))
  const first = createKernel({ store, programs: [asks] })
  const origin = first.spawn(asks, null)
  const other = first.spawn(asks, null)
  await settle()
  const fork = await first.fork(origin.pid)
  await settle()
  first.kill(origin.pid)
  await first.close()
  disk.drop([origin.pid]) // as a damaged store may come to have it
  const second = createKernel({ store, programs: [asks] })
  assert.throws(() => second.resume(), { code: 'NO_SUCH_PROCESS' })
  assert.deepEqual(
    [other.pid, fork.pid].map((pid) => second.info(pid).state),
    ['stopped', 'stopped'],
  )
  second.resume(other.pid)
  await settle()
  assert.deepEqual(
    second.questions.map(({ pid }) => pid),
    [other.pid],
  )
  await second.close()
})

test('whoever closes a kernel, also a second time, waits until its store is given up', async () => {
  const disk = memoryStore()
  let open = true
  const store: Store = {
    ...disk,
    durability: 'relaxed',
    async commit({ events, puts }) {
      const batch = { events: [...events], puts: [...puts] }
      await settle()
      await disk.commit(batch)
    },
    close: () => void (open = false),
  }
  const kernel = createKernel({ store })
  kernel.spawn(
    program('naps', async (sys) => sys.sleep(600_000)),
    null,
  )
  const first = kernel.close()
  await kernel.close()
  assert.equal(open, false)
  await first
  await kernel.close()
})

test('a changed program stops with the call it no longer makes, and nothing is lost', async () => {
  const m = machine()
  const said = (second: string): Program =>
    program('said', async (sys) => {
      await sys.write('a', 'first')
      await sys.write(second, 'second')
      return sys.ask('now?')
    })
  const waits = program('waits', async (sys, pid: Pid) => sys.wait(pid))
  const first = m.boot({ programs: [said('b'), waits] })
  const { pid } = first.spawn('said', null)
  const waiter = first.spawn(waits, pid)
  await settle()
  const before = await first.events(pid)
  m.crash()
  const second = m.boot({ programs: [said('c'), waits] })
  const [run] = second.resume()
  assert.equal(await codeOf(m.end(run?.result as Promise<unknown>)), 'REPLAY_MISMATCH')
  assert.match(second.info(pid).error?.message ?? '', /call 1 \(write\).*"b".*"c"/)
  assert.equal(second.info(pid).state, 'stopped')
  assert.deepEqual(await second.events(pid), before)
  assert.equal(second.info(waiter.pid).state, 'running', 'who waits for it is not told of an end that was none')
  m.crash()
  const third = m.boot({ programs: [said('b'), waits] })
  third.resume()
  await settle()
  third.answer(third.questions[0]?.id ?? 0, 'done')
  assert.equal(await m.end(third.run(pid).result), 'done')
  assert.equal(await m.end(third.run(waiter.pid).result), 'done')
})

test('another default model is for new calls: what the journal has was asked of the old one, and is not asked again', async () => {
  const m = machine()
  const asked: string[] = []
  const model = (name: string, hangs = () => false) =>
    scripted(() => {
      asked.push(name)
      return hangs() ? { hang: true } : { text: `by ${name}` }
    })
  let hangs = true
  const talks = program('talks', async (sys) => {
    const said = [(await sys.generate('one')).text]
    const [two] = await Promise.all([sys.generate('two'), sys.ask('go on?')])
    said.push(two.text, (await sys.generate('three')).text)
    return said
  })
  const first = m.boot({
    programs: [talks],
    models: { 'a/old': model('old', () => asked.length > 1 && hangs), 'a/new': model('new') },
    model: 'a/old',
  })
  const { pid } = first.spawn(talks, null)
  await settle()
  assert.deepEqual(asked, ['old', 'old'])
  m.crash()
  hangs = false
  const options = { programs: [talks], models: { 'a/new': model('new'), 'a/old': model('old') } }
  const second = m.boot({ ...options, model: 'a/new' })
  second.resume()
  await settle()
  second.answer(second.questions[0]?.id ?? 0, 'yes')
  assert.deepEqual(await m.end(second.run(pid).result), ['by old', 'by old', 'by new'])
  assert.deepEqual(asked.slice(2), ['old', 'new'], 'what was in flight goes to the model that it was sent to')
  m.crash()
  const third = m.boot({ ...options, model: ['a/old', 'a/new'] })
  assert.deepEqual(await m.end(third.replay(pid)), { same: true, calls: 4 })
  const fork = await m.end(third.fork(pid, { at: 3 }))
  assert.deepEqual(await m.end(fork.result), ['by old', 'by old', 'by old'])
})

test('a program that names another model than its journal does not make the same call', async () => {
  const m = machine()
  const models = { 'a/old': scripted(() => 'x'), 'a/new': scripted(() => 'x') }
  const talks = (named?: string): Program =>
    program('talks', async (sys) => {
      await sys.generate({ prompt: 'one', ...(named === undefined ? {} : { model: named }) })
      return sys.ask('go on?')
    })
  const first = m.boot({ programs: [talks('a/old')], models })
  const { pid } = first.spawn('talks', null)
  await settle()
  for (const [named, said] of [
    ['a/new', /the journal has .*a\/old.*a\/new/],
    [undefined, /its arguments differ/],
  ] as const) {
    m.crash()
    const next = m.boot({ programs: [talks(named)], models })
    const [run] = next.resume()
    assert.equal(await codeOf(m.end(run?.result as Promise<unknown>)), 'REPLAY_MISMATCH')
    assert.match(next.info(pid).error?.message ?? '', said)
  }
})

test('sleeping, waiting and receiving go on for the rest of their time', async () => {
  const m = machine()
  const timed = (name: string, run: (sys: Sys) => Promise<unknown>): Program =>
    program(name, async (sys) => {
      await run(sys).catch(() => {})
      return sys.now()
    })
  const programs = [
    timed('sleeps', (sys) => sys.sleep(10_000)),
    timed('receives', (sys) => sys.receive({ timeoutMs: 10_000 })),
    timed('waits', async (sys) => sys.wait(await sys.spawn(program('hangs', never), null), { timeoutMs: 10_000 })),
    timed('asks', (sys) => sys.ask('?', { timeoutMs: 10_000 })),
  ]
  const first = m.boot({ programs: [...programs, program('hangs', never)] })
  const startedAt = m.time.now()
  const pids = programs.map(({ name }) => first.spawn(name, null).pid)
  await m.end(new Promise<void>((resolve) => m.time.after(4_000, resolve)))
  m.crash()
  m.time.jump(3_000)
  const second = m.boot({ programs: [...programs, program('hangs', never)] })
  second.resume()
  for (const pid of pids)
    assert.equal(Number(await m.end(second.run(pid).result)) - startedAt, 10_000, second.info(pid).program)
})

test('a budget of time goes on from the spawn, also while no kernel is there, and is over at once where it ran out meanwhile', async () => {
  const m = machine()
  const hangs = program('hangs', async (sys) => sys.receive())
  const first = m.boot({ programs: [hangs] })
  const startedAt = m.time.now()
  const [short, long] = [5_000, 10_000].map((wallMs) => first.spawn(hangs, null, { budget: { wallMs } }).pid)
  await m.end(new Promise<void>((resolve) => m.time.after(4_000, resolve)))
  m.crash()
  m.time.jump(3_000)
  const second = m.boot({ programs: [hangs] })
  second.resume()
  for (const [pid, endedAfter] of [
    [short, 7_000],
    [long, 10_000],
  ] as const) {
    assert.equal(await codeOf(m.end(second.run(pid as Pid).result)), 'BUDGET_EXCEEDED')
    assert.equal(m.time.now() - startedAt, endedAfter)
  }
})

test('budgets go on: what was used stays used, and a call in doubt counts as what was set aside for it', async () => {
  const m = machine()
  let hangs = false
  const model = () =>
    scripted(() => (hangs ? { hang: true } : { text: 'x', usage: { inputTokens: 5, outputTokens: 10 } }))
  const talks = program('talks', async (sys) => {
    await sys.generate({ prompt: 'one', maxOutputTokens: 20 })
    const [again, more] = await Promise.allSettled([sys.generate({ prompt: 'two', maxOutputTokens: 20 }), sys.sleep(1)])
    return [again.status, again.status === 'rejected' ? (again.reason as PolityError).code : null, more.status]
  })
  const first = m.boot({ programs: [talks], models: { 'a/b': { model: model(), price: { input: 1, output: 2 } } } })
  hangs = false
  const { pid } = first.spawn(talks, null, { budget: { tokens: 45, steps: 2 } })
  const stop = first.watch((event) => {
    if (event.type === 'call-end' && event.n === 0) hangs = true
  })
  await settle()
  stop()
  m.crash()
  hangs = false
  const second = m.boot({ programs: [talks], models: { 'a/b': { model: model(), price: { input: 1, output: 2 } } } })
  const { usage } = second.info(pid)
  const reserved = (await second.events(pid)).flatMap((event) =>
    event.type === 'call-start' && event.n === 1 && event.reserved !== undefined ? [event.reserved] : [],
  )[0]
  assert(reserved !== undefined)
  assert.equal(usage.inputTokens + usage.outputTokens, 15 + reserved.tokens)
  assert(Math.abs(usage.usd - (25 / 1e6 + reserved.usd)) < 1e-12)
  assert.equal(usage.steps, 2)
  const [run] = second.resume()
  // 45 tokens: 15 used, 26 may have been, and 26 more would be needed.
  assert.deepEqual(await m.end(run?.result as Promise<unknown>), ['rejected', 'BUDGET_EXCEEDED', 'fulfilled'])
  m.crash()
  const third = m.boot({ programs: [talks], models: { 'a/b': model() } })
  const end = (await third.events(pid)).at(-1)
  assert(end?.type === 'process-end')
  assert.equal(end.usage.inputTokens + end.usage.outputTokens, 15 + reserved.tokens, 'and it stays so')
})

test('a call that only waited for a core costs nothing, after a close and after a crash; one that was sent costs all', async () => {
  for (const ends of ['close', 'crash'] as const) {
    const m = machine()
    let life = 1
    const sent: string[] = []
    const model = () =>
      scripted(({ prompt }) => {
        const which = JSON.stringify(prompt).includes('two') ? 'two' : 'one'
        sent.push(which)
        return which === 'two' || life === 1
          ? { hang: true }
          : { text: 'x', usage: { inputTokens: 5, outputTokens: 10 } }
      })
    const talks = program('talks', async (sys, prompt: string) => {
      const { text } = await sys.generate({ prompt, maxOutputTokens: 20 })
      return text
    })
    const options = () => ({
      programs: [talks],
      models: { 'a/b': { model: model(), slots: 1, price: { input: 1, output: 2 } } },
    })
    const first = m.boot(options())
    const one = first.spawn(talks, 'one', { budget: { tokens: 50 } }).pid
    // It has room for one try and no more.
    const two = first.spawn(talks, 'two', { budget: { tokens: 25, steps: 1 } }).pid
    await settle()
    assert.equal(first.info(two).queued, true)
    if (ends === 'close') await first.close()
    else m.crash()
    life = 2
    const second = m.boot(options())
    assert.deepEqual([second.info(one).usage.outputTokens, second.info(two).usage.outputTokens], [25, 0], ends)
    assert.equal(second.info(two).usage.usd, 0)
    second.resume()
    assert.equal(await m.end(second.run(one).result), 'x')
    await settle()
    assert.deepEqual(sent, ['one', 'one', 'two'])
    m.crash()
    const third = m.boot(options())
    assert.equal(third.info(two).usage.outputTokens, 25, 'it was sent after it had waited, and may have been paid for')
    third.resume(two)
    assert.equal(await codeOf(m.end(third.run(two).result)), 'BUDGET_EXCEEDED')
  }
})

test('what is sent is in the journal before it is sent, also after a queue; what was refused waits again', async () => {
  const m = machine()
  const kept: string[] = []
  const keptWhenSent: (string | undefined)[] = []
  const model = scripted((_call, i) => {
    keptWhenSent.push(kept.at(-1))
    return i === 0 ? { error: { statusCode: 429, message: 'later' } } : { hang: true }
  })
  const talks = program('talks', async (sys) => (await sys.generate({ prompt: 'one', maxOutputTokens: 20 })).text)
  const options = { programs: [talks], models: { 'a/b': model } }
  const first = m.boot(options)
  first.watch(({ type }) => void kept.push(type))
  const { pid } = first.spawn(talks, null)
  await settle()
  assert.deepEqual(kept, ['process-start', 'call-start', 'call-wait'])
  m.crash()
  const second = m.boot(options)
  assert.equal(second.info(pid).usage.outputTokens, 0, 'refused, and so not paid for')
  second.watch(({ type }) => void kept.push(type))
  second.resume()
  await m.end(new Promise<void>((resolve) => m.time.after(2_000, resolve)))
  assert.deepEqual(keptWhenSent, ['call-start', 'call-reserve'])
  m.crash()
  assert.equal(m.boot(options).info(pid).usage.outputTokens, 25)
})

test('a call that waited for one core and is sent to the next is in the journal as sent', async () => {
  const m = machine()
  const hangs = (): LanguageModel => ({ ...scripted(() => ({ hang: true })), capabilities: { slots: 1 } })
  const talks = program('talks', async (sys) => {
    return (await sys.generate({ prompt: 'one', maxOutputTokens: 20, model: ['a/b', 'c/d'] })).text
  })
  const options = () => ({
    programs: [talks],
    models: { 'a/b': hangs(), 'c/d': hangs() },
    limits: { coreWaitMs: 1_000 },
  })
  const first = m.boot(options())
  first.spawn(talks, null)
  const { pid } = first.spawn(talks, null)
  await m.end(new Promise<void>((resolve) => m.time.after(2_000, resolve)))
  const { core, queued } = first.info(pid)
  assert.deepEqual([core, queued], ['c/d', false])
  m.crash()
  assert.equal(m.boot(options()).info(pid).usage.outputTokens, 25, 'it may have been paid for')
})

test('what children used stays used when their journals are gone', async () => {
  const m = machine()
  const child = program('child', async (sys) => (await sys.generate({ prompt: 'x', maxOutputTokens: 20 })).text)
  const parent = program('parent', async (sys) => {
    for (let i = 0; i < 3; i++) await sys.wait(await sys.spawn(child, null))
    return sys.ask('more?')
  })
  const options = () => ({
    programs: [child, parent],
    models: { 'a/b': scripted(() => ({ text: 'x', usage: { inputTokens: 5, outputTokens: 10 } })) },
  })
  const first = m.boot(options())
  const { pid } = first.spawn(parent, null, { budget: { tokens: 100, children: 3 } })
  await settle()
  const used = first.info(pid).usage
  assert.deepEqual([used.outputTokens, used.steps, used.children], [30, 3, 3])
  assert.equal(await m.end(first.collect(1)), 2)
  assert.equal(await m.end(first.collect(0)), 1)
  m.crash()
  const second = m.boot(options())
  assert.deepEqual({ ...second.info(pid).usage }, { ...used })
  second.resume()
  await settle()
  second.answer(second.questions[0]?.id ?? 0, 'no')
  await m.end(second.run(pid).result)
  assert.deepEqual({ ...second.info(pid).usage }, { ...used })
  assert.equal(await m.end(second.collect(0)), 1)
  assert.deepEqual([...second.ps()].length, 1)
})

test('a step that a crash interrupted is tried again as the same step, and each try is paid for', async () => {
  const m = machine()
  let hangs = true
  const model = () =>
    scripted(() => (hangs ? { hang: true } : { text: 'x', usage: { inputTokens: 5, outputTokens: 10 } }))
  const talks = program('talks', async (sys) => (await sys.generate({ prompt: 'one', maxOutputTokens: 20 })).text)
  const options = () => ({ programs: [talks], models: { 'a/b': model() } })
  let kernel = m.boot(options())
  const { pid } = kernel.spawn(talks, null, { budget: { steps: 1 } })
  for (let crashes = 1; crashes <= 3; crashes++) {
    await settle()
    m.crash()
    kernel = m.boot(options())
    const { usage } = kernel.info(pid)
    assert.equal(usage.steps, 1)
    assert.equal(usage.outputTokens, crashes * 25, `${crashes} tries of 25 tokens may have been paid for`)
    hangs = crashes < 3
    kernel.resume()
  }
  assert.equal(await m.end(kernel.run(pid).result), 'x')
  assert.deepEqual([kernel.info(pid).usage.steps, kernel.info(pid).usage.outputTokens], [1, 85])
})

test('mailboxes survive: what was received is not received again, and what came while a process was stopped waits', async () => {
  const m = machine()
  const gets = program('gets', async (sys) => {
    const bodies: Json[] = [(await sys.receive()).body]
    await sys.ask('more?')
    while (bodies.length < 4) bodies.push((await sys.receive()).body)
    return bodies
  })
  const first = m.boot({ programs: [gets] })
  const { pid } = first.spawn(gets, null)
  await settle()
  for (const body of ['a', 'b']) first.send(pid, body)
  await settle()
  m.crash()
  const second = m.boot({ programs: [gets] })
  second.send(pid, 'c')
  second.resume()
  second.send(pid, 'd')
  await settle()
  second.answer(second.questions[0]?.id ?? 0, 'yes')
  assert.deepEqual(await m.end(second.run(pid).result), ['a', 'b', 'c', 'd'])
})

test('without a key approvals are asked again: nobody’s word outlives the kernel that heard it', async () => {
  const m = machine()
  let paid = 0
  const pay = tool('pay', 'idempotent', () => ++paid)
  const pays = program('pays', async (sys) => sys.call('pay', { to: 'bob' }))
  const options = {
    programs: [pays],
    tools: [pay],
    law: { rules: [{ id: 'ask', effect: 'ask' as const, tool: 'pay' }] },
  }
  const first = m.boot(options)
  const { pid } = first.spawn(pays, null)
  await settle()
  assert.deepEqual(
    first.questions.map(({ kind, detail }) => [kind, detail]),
    [['approval', { tool: 'pay', input: { to: 'bob' } }]],
  )
  m.crash()
  const second = m.boot(options)
  second.resume()
  await settle()
  assert.equal(paid, 0)
  assert.deepEqual(
    second.questions.map(({ kind }) => kind),
    ['approval'],
  )
  second.answer(second.questions[0]?.id ?? 0, 'allow')
  assert.equal(await m.end(second.run(pid).result), 1)
})

test('a once call that waited for its approval at the crash has not begun; one that was approved is in doubt', async () => {
  const m = machine()
  let tries = 0
  const pay = tool('pay', 'once', () => (++tries === 1 ? never() : 'paid'))
  const pays = program('pays', (sys) => sys.call('pay', {}))
  const options = {
    programs: [pays],
    tools: [pay],
    law: { rules: [{ id: 'ask', effect: 'ask' as const, tool: 'pay' }] },
  }
  const first = m.boot(options)
  const { pid } = first.spawn(pays, null)
  await settle()
  const kinds: string[] = []
  // Asked about, crashed, asked about again, allowed, crashed within the effect, crashed while the second try waits.
  for (const answer of [undefined, 'allow', 'retry', 'allow']) {
    m.crash()
    const kernel = m.boot(options)
    kernel.resume()
    await settle()
    const [question] = kernel.questions
    kinds.push(question?.kind ?? 'none')
    if (answer === undefined) continue
    kernel.answer(question?.id ?? 0, answer)
    await m.time.drain()
    if (tries === 2) assert.equal(await m.end(kernel.run(pid).result), 'paid')
  }
  assert.deepEqual([kinds, tries], [['approval', 'approval', 'in-doubt', 'approval'], 2])
})

test('a fork of a call that waits for its approval has not begun it either, also after a crash; once it was approved, it is in doubt in all of them', async () => {
  for (const isApproved of [false, true]) {
    const m = machine()
    let isPaid = false
    const pay = tool('pay', 'once', () => ((isPaid = true), never()))
    const pays = program('pays', async (sys) => {
      const paying = sys.call('pay', {})
      await sys.sleep(1_000)
      await sys.sleep(1_000)
      return paying
    })
    const options = {
      programs: [pays],
      tools: [pay],
      law: { rules: [{ id: 'ask', effect: 'ask' as const, tool: 'pay' }] },
    }
    const first = m.boot(options)
    const { pid } = first.spawn(pays, null)
    await settle()
    const early = await m.end(first.fork(pid, { at: 1 }))
    const second = await m.end(first.fork(early.pid))
    const ended = await m.end(first.fork(pid, { at: 1 }))
    await settle()
    first.kill(ended.pid)
    assert.deepEqual(
      first.questions.map((one) => [one.pid, one.kind]),
      [[pid, 'approval']],
      'who forks from it waits with it',
    )
    await settle()
    // The word comes while this one is made.
    const forking = first.fork(pid, { at: 1 })
    if (isApproved) first.answer(first.questions[0]?.id ?? 0, 'allow')
    const during = await m.end(forking)
    await settle()
    assert.equal(isPaid, isApproved)
    assert.equal((await m.end(first.events(ended.pid))).at(-1)?.type, 'process-end', 'who has ended is told nothing')
    // What is cut off before the word came, but made behind it, has a call that was let through all the same.
    const late = await m.end(first.fork(pid, { at: 1 }))
    const all = [early, second, during, late].map((one) => one.pid)
    const kind = isApproved ? 'in-doubt' : 'approval'
    const asked = (kernel: Kernel) =>
      kernel.questions.map((one) => [one.pid, one.kind]).toSorted(([a], [b]) => Number(a) - Number(b))
    first.kill(pid)
    await settle()
    // Those that follow the one that goes on first wait for what comes of it.
    assert(asked(first).length > 0 && asked(first).every(([, one]) => one === kind), JSON.stringify(asked(first)))
    m.crash()
    const kernel = m.boot(options)
    kernel.resume()
    for (const one of all) {
      await settle()
      assert.deepEqual(asked(kernel)[0], [one, kind])
      kernel.kill(one)
    }
    // Also where none of them is left that could tell.
    const last = await m.end(kernel.fork(pid, { at: 1 }))
    await settle()
    assert.deepEqual(asked(kernel), [[last.pid, kind]])
  }
})

test('a fork that comes late to a call which its origin was let through since has its end, and does nothing again, also after a crash', async () => {
  for (const crashes of [false, true]) {
    const m = machine()
    let payments = 0
    const pay = tool('pay', 'once', () => ++payments)
    // What it did before takes a fork some turns of the event loop to go through.
    const pays = program('pays', async (sys) => {
      for (let i = 0; i < 300; i++) await sys.remember(`note ${i}`)
      return sys.call('pay', {})
    })
    const options = {
      programs: [pays],
      tools: [pay],
      law: { rules: [{ id: 'ask', effect: 'ask' as const, tool: 'pay' }] },
    }
    const first = m.boot(options)
    const run = first.spawn(pays, null)
    await settle()
    await m.time.drain()
    const fork = await first.fork(run.pid).then((fork) => {
      first.answer(first.questions[0]?.id ?? 0, 'allow')
      if (crashes) void run.result.then(() => m.crash())
      return fork
    })
    assert.equal(await m.end(run.result), 1)
    const kernel = crashes ? m.boot(options) : first
    if (crashes) kernel.resume()
    await settle()
    assert.deepEqual(kernel.questions, [])
    assert.equal(await m.end(kernel.run(fork.pid).result), 1)
    assert.equal(payments, 1)
  }
})

test('a fork from before a rewind knows what became of a call that was open over it', async () => {
  for (const [ends, questions] of [
    ['never', ['approval', 'approval', 'in-doubt']],
    ['paid', ['approval', 'approval']],
  ] as const) {
    const m = machine()
    let tries = 0
    const pay = tool('pay', 'once', () => (tries++, ends === 'paid' ? ends : never()))
    const pays = program('pays', async (sys) => {
      const paying = sys.call('pay', {})
      await sys.sleep(1_000)
      const { id, restored } = await sys.snapshot()
      if (restored === 0) await sys.restore(id)
      return paying
    })
    const kernel = m.boot({
      programs: [pays],
      tools: [pay],
      law: { rules: [{ id: 'ask', effect: 'ask' as const, tool: 'pay' }] },
    })
    const asked: string[] = []
    kernel.watch((event) => event.type === 'process-rewind' && asked.push('rewind'))
    const kinds = (): string[] => kernel.questions.map(({ kind }) => kind)
    const run = kernel.spawn(pays, null)
    run.result.catch(() => {})
    await settle()
    const seen = kinds()
    while (asked.length === 0) assert(await m.time.step())
    await settle()
    // Its question was withdrawn with its first try.
    seen.push(...kinds())
    kernel.answer(kernel.questions[0]?.id ?? 0, 'allow')
    await settle()
    assert.equal(tries, 1)
    if (ends === 'paid') assert.equal(await m.end(run.result), 'paid')
    else run.kill()
    const fork = await m.end(kernel.fork(run.pid, { at: 1 }))
    await settle()
    seen.push(...kinds())
    if (ends === 'paid') assert.equal(await m.end(fork.result), 'paid')
    assert.deepEqual([seen, tries], [questions, 1])
    fork.kill()
  }
})

test('a fork from a future that a rewind undid hears nothing of the calls that have its numbers now', () => {
  const [pid, taken] = [1, { id: '1.0', restored: 0 }]
  const journal = [
    { type: 'process-start' },
    { type: 'call-start', n: 0, call: 'snapshot', args: {} },
    { type: 'call-end', n: 0, value: taken },
    { type: 'call-start', n: 1, call: 'call', args: { tool: 'pay' } },
    { type: 'call-wait', n: 1, core: null },
    { type: 'call-start', n: 2, call: 'fork', args: {} },
    { type: 'process-rewind', n: 0, value: taken },
    { type: 'call-start', n: 1, call: 'call', args: { tool: 'other' } },
    { type: 'call-sent', n: 1 },
    { type: 'call-end', n: 1, value: 'done' },
  ].map((event, seq) => ({ pid, seq, at: seq, ...event }) as unknown as JournalEvent)
  const past = pastOf(journal, { before: 5 })
  assert.deepEqual([...past.asked], [1])
  assert.deepEqual(endsAfter(journal, 5, past), [])
  assert.deepEqual(outcomeIn(journal, { n: 1, startSeq: 3 }), { isSent: false })
})

test('an effect in doubt is a question with its key; the person’s word decides', async () => {
  for (const [answer, value, expected] of [
    ['done', 'receipt', ['receipt', 1]],
    ['retry', undefined, ['paid', 2]],
    ['fail', undefined, ['IN_DOUBT', 1]],
  ] as const) {
    const m = machine()
    const keys: string[] = []
    let hangs = true
    const pay = tool('pay', 'once', (_input, { idempotencyKey }) => {
      keys.push(idempotencyKey)
      return hangs ? never() : 'paid'
    })
    const pays = program('pays', async (sys) =>
      sys.call('pay', {}).catch((error: unknown) => (error as PolityError).code),
    )
    const first = m.boot({ programs: [pays], tools: [pay] })
    const { pid } = first.spawn(pays, null)
    await settle()
    m.crash()
    hangs = false
    const second = m.boot({ programs: [pays], tools: [pay] })
    second.resume()
    await settle()
    const [question] = second.questions
    assert.equal(question?.kind, 'in-doubt')
    assert.equal((question?.detail as { idempotencyKey: string } | undefined)?.idempotencyKey, keys[0])
    second.answer(question?.id ?? 0, answer, value)
    assert.deepEqual([await m.end(second.run(pid).result), keys.length], expected)
    assert.equal(new Set(keys).size, 1)
  }
})

test('every doubt is asked about, however many questions wait: none is told to have come to nothing', async () => {
  const m = machine()
  let tries = 0
  const pay = tool('pay', 'once', () => (tries++, never()))
  const pays = program('pays', async (sys) => codeOf(sys.call('pay', {})))
  const asks = program('asks', async (sys) => codeOf(sys.ask('well?')))
  const first = m.boot({ programs: [pays, asks], tools: [pay] })
  for (let i = 0; i < 3; i++) first.spawn(pays, null)
  await settle()
  m.crash()
  const second = m.boot({ programs: [pays, asks], tools: [pay], limits: { inboxMax: 1 } })
  const runs = second.resume()
  await settle()
  assert.deepEqual(
    second.questions.map(({ kind }) => kind),
    ['in-doubt', 'in-doubt', 'in-doubt'],
  )
  assert.equal(await m.end(second.spawn(asks, null).result), 'LIMIT_EXCEEDED')
  for (const { id } of second.questions) second.answer(id, 'fail')
  assert.deepEqual(await m.end(Promise.all(runs.map((run) => run.result))), ['IN_DOUBT', 'IN_DOUBT', 'IN_DOUBT'])
  assert.equal(tries, 3)
})

test('the number of a question is of no other after a crash: what a person saw before it answers nothing else', async () => {
  const m = machine()
  const pay = tool('pay', 'once', never)
  const pays = program('pays', async (sys) => Promise.all([1, 2, 3].map(async (n) => codeOf(sys.call('pay', n)))))
  m.boot({ programs: [pays], tools: [pay] }).spawn(pays, null)
  await settle()
  const seen: number[] = []
  for (let life = 0; life < 4; life++) {
    m.crash()
    const kernel = m.boot({ programs: [pays], tools: [pay] })
    kernel.resume()
    await settle()
    const ids = kernel.questions.map(({ id }) => id)
    assert.equal(ids.length, 3 - Math.min(life, 1))
    for (const id of seen) assert.throws(() => kernel.answer(id, 'done'), /no question/)
    seen.push(...ids)
    if (life === 0) kernel.answer(ids[2] ?? 0, 'fail')
    await settle()
  }
  assert.equal(new Set(seen).size, 3 + 2 * 3)
})

test('a message that a store has read is as it was sent: whole and frozen, however large', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'polity-mail-'))
  try {
    const waits = program('waits', async (sys) => {
      await sys.ask('go on?')
      const { body, ...mail } = await sys.receive()
      return [(body as { text: string }).text.length, Object.isFrozen(body), Object.keys(mail)]
    })
    const boot = (): Kernel =>
      createKernel({
        store: openSqliteStore(join(folder, 'store.db')),
        programs: [waits],
        limits: { valueBytesMax: 1_000 },
      })
    const first = boot()
    const run = first.spawn(waits, null)
    const stopped = codeOf(run.result)
    first.send(run.pid, { text: 'x'.repeat(980) })
    await first.close()
    assert.equal(await stopped, 'KERNEL_CLOSED')
    const second = boot()
    const [resumed] = second.resume()
    while (second.questions.length === 0) await settle()
    second.answer(second.questions[0]?.id ?? 0, 'yes')
    assert.deepEqual(await resumed?.result, [980, true, ['id', 'from']])
    await second.close()
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a store that fails is asked `commitTriesMax` times; where the last of them is kept, the kernel goes on', async () => {
  for (const [fails, code, commits] of [
    [3, 'none', 5],
    [4, 'STORE_FAILED', 4],
  ] as const) {
    const time = createTime(3, false)
    const disk = memoryStore()
    let left = 0
    let tries = 0
    const store: Store = {
      ...disk,
      durability: 'relaxed',
      commit(batch) {
        tries++
        if (left-- > 0) throw new Error('the disk is away')
        return disk.commit(batch)
      },
      close: () => {},
    }
    const kernel = createKernel({ store, clock: time.live().clock, limits: { commitTriesMax: 4 } })
    left = fails
    const { result } = kernel.spawn(async () => 'kept', null)
    let told: string | undefined
    void codeOf(result).then((said) => (told = said))
    await time.drain()
    while (told === undefined && (await time.step())) continue
    assert.deepEqual([told, tries], [code, commits])
  }
})

test('notes and files outlive kernels: notes by principal, files by tree', async () => {
  const m = machine()
  const notes = program('notes', async (sys) => {
    const id = await sys.remember(`the sky over ${sys.principal} is blue`)
    await sys.write('a', sys.principal)
    await sys.ask('go on?')
    return [id, (await sys.recall('sky')).map(({ text }) => text), await sys.read('a')]
  })
  const first = m.boot({ programs: [notes] })
  for (const principal of ['ann', 'bob']) first.spawn(notes, null, { principal })
  await settle()
  m.crash()
  const second = m.boot({ programs: [notes] })
  const runs = second.resume()
  await settle()
  for (const { id } of second.questions) second.answer(id, 'yes')
  const results = (await m.end(Promise.all(runs.map((run) => run.result)))) as unknown as [string, string[], string][]
  assert.deepEqual(
    results.map(([, found, read]) => [found, read]),
    [
      [['the sky over ann is blue'], 'ann'],
      [['the sky over bob is blue'], 'bob'],
    ],
  )
  const later = program('later', async (sys) => (await sys.recall('sky')).map(({ id }) => id))
  m.crash()
  const third = m.boot({ programs: [later] })
  assert.deepEqual(await m.end(third.spawn(later, null, { principal: 'ann' }).result), [results[0]?.[0]])
  assert.deepEqual(await m.end(third.spawn(later, null, { principal: 'eve' }).result), [])
})

test('two forks at once take two children from the budget, and a fork made during a call shares its effect', async () => {
  const m = machine()
  let paid = 0
  let free = (): void => {}
  const pay = tool('pay', 'once', async () => {
    await new Promise<void>((resolve) => (free = resolve))
    return ++paid
  })
  const forks = program('forks', async (sys) => {
    const paying = sys.call('pay', {})
    const results = await Promise.allSettled([sys.fork(), sys.fork()])
    const pids = results.map((one) => (one.status === 'fulfilled' ? one.value : (one.reason as PolityError).code))
    return [pids.includes(0) ? 'child' : pids[1], await paying] as Json
  })
  const kernel = m.boot({ programs: [forks], tools: [pay] })
  const run = kernel.spawn(forks, null, { budget: { children: 1 } })
  await settle()
  assert.equal(kernel.questions.length, 0, 'nothing is in doubt')
  const child = kernel.ps().find(({ parent }) => parent === run.pid)
  assert(child !== undefined)
  const told = kernel.run(child.pid).result
  free()
  assert.deepEqual(await m.end(told).catch((error: PolityError) => error.code), ['child', 1])
  assert.deepEqual(await m.end(run.result), ['BUDGET_EXCEEDED', 1])
  assert.equal(run.usage.children, 1)
})

test('functions without a name are told apart by their text, and children of one text by the call that spawned them', async () => {
  const m = machine()
  const parent = program('parent', async (sys) => {
    const pids: Pid[] = []
    for (const i of [0, 1, 2])
      pids.push(await sys.spawn((async (own: Sys) => [i, await own.ask(`child ${i}`)]) as unknown as Program, null))
    pids.push(await sys.spawn((async (own: Sys) => ['other', await own.ask('child 3')]) as unknown as Program, null))
    return Promise.all(pids.map((pid) => sys.wait(pid)))
  })
  const first = m.boot({ programs: [parent] })
  const { pid } = first.spawn(parent, null)
  await settle()
  const versions = first.ps().map(({ program: name, version }) => `${name}@${version}`)
  assert.equal(new Set(versions).size, 3, 'the parent, one text, another text')
  await first.close()
  const second = m.boot({ programs: [parent] })
  second.resume()
  await settle()
  assert.equal(second.questions.length, 4)
  for (const { id, text } of second.questions) second.answer(id, text)
  assert.deepEqual(await m.end(second.run(pid).result), [
    [0, 'child 0'],
    [1, 'child 1'],
    [2, 'child 2'],
    ['other', 'child 3'],
  ])
  for (const { pid: child } of second.ps()) assert.equal((await m.end(second.replay(child))).same, true)
})

test('a journal of one of several functions with one text is lived by nobody else’s', async () => {
  const m = machine()
  const make =
    (said: string) =>
    async (sys: Sys): Promise<Json> => [said, await sys.ask(said)]
  const asked = async (kernel: Kernel, said: string): Promise<Pid> => {
    const run = kernel.spawn(make(said), null)
    await settle()
    kernel.answer(kernel.questions[0]?.id ?? 0, 'yes')
    assert.deepEqual(await m.end(run.result), [said, 'yes'])
    return run.pid
  }
  const first = m.boot({})
  const pids = [await asked(first, 'one'), await asked(first, 'two')]
  assert.equal(new Set(first.ps().map(({ version }) => version)).size, 1)
  for (const pid of pids)
    assert.equal((await m.end(first.replay(pid))).same, true, 'here each process knows its function')
  const fork = await m.end(first.fork(pids[0] as Pid))
  assert.deepEqual(await m.end(fork.result), ['one', 'yes'])
  m.crash()
  const second = m.boot({})
  await asked(second, 'three')
  await asked(second, 'four')
  assert.equal(await codeOf(m.end(second.fork(pids[0] as Pid))), 'NO_SUCH_PROGRAM')
  await assert.rejects(m.end(second.replay(pids[1] as Pid)), /several functions without a name/)
})

test('what a restore cancelled in the minute before a restart counts against the rates of after it too, and so does what it tried again', async () => {
  // The call that is cancelled began behind the snapshot, or was open when it was made.
  for (const isOlder of [false, true]) {
    const m = machine()
    const sentAt: number[] = []
    const model = () => scripted(() => (sentAt.push(m.time.now()) === 1 ? { hang: true } : 'x'))
    const talks = program('talks', async (sys) => (await sys.generate('one')).text)
    const goesBack = program('goes-back', async (sys) => {
      const older = isOlder ? sys.generate('one') : undefined
      const { id, restored } = await sys.snapshot()
      if (restored === 0) {
        if (!isOlder) void sys.generate('one')
        await sys.sleep(1_000)
        await sys.restore(id)
      }
      return (await (older ?? sys.generate('one'))).text // of the same number
    })
    const options = () => ({ programs: [talks, goesBack], models: { 'a/b': { model: model(), requestsPerMinute: 2 } } })
    const startedAt = m.time.now()
    await m.end(m.boot(options()).spawn(goesBack, null).result)
    m.crash()
    m.time.jump(20_000)
    await m.end(m.boot(options()).spawn(talks, null).result)
    assert.deepEqual(
      sentAt.map((at) => at - startedAt),
      [0, 1_000, 60_000],
      isOlder ? 'open at the snapshot' : 'begun behind it',
    )
  }
})

test('what was sent in the minute before a restart counts against the rates of after it', async () => {
  for (const rate of [{ requestsPerMinute: 3 }, { tokensPerMinute: 45 }]) {
    const m = machine()
    const sentAt: number[] = []
    let hangs = true
    const model = () =>
      scripted((_call, i) => {
        sentAt.push(m.time.now())
        return hangs && i === 2 ? { hang: true } : { text: 'x', usage: { inputTokens: 5, outputTokens: 10 } }
      })
    const talks = program('talks', async (sys) => (await sys.generate({ prompt: 'one', maxOutputTokens: 10 })).text)
    const options = () => ({ programs: [talks], models: { 'a/b': { model: model(), ...rate } } })
    const first = m.boot(options())
    // Two that ended, and one that the crash interrupts.
    for (let i = 0; i < 2; i++) await m.end(first.spawn(talks, null).result)
    first.spawn(talks, null)
    await settle()
    const startedAt = m.time.now()
    assert.equal(sentAt.length, 3)
    m.crash()
    m.time.jump(20_000)
    hangs = false
    const second = m.boot(options())
    await m.end(second.spawn(talks, null).result)
    assert.deepEqual(
      sentAt.map((at) => at - startedAt),
      [0, 0, 0, 60_000],
      JSON.stringify(rate),
    )
  }
})

test('one that has stopped says so to who asks, and to who asks when it has ended how that was', async () => {
  const { time, boot, crash, end } = machine()
  const waits = defineProgram('waits', async (sys: Sys) => sys.ask('Go on?'))
  const { pid } = boot({ programs: [waits] }).spawn(waits, null)
  await time.drain()
  crash()
  const kernel = boot({ programs: [waits] })
  const run = kernel.run(pid)
  await end(assert.rejects(run.result, { code: 'KERNEL_CLOSED' }))
  kernel.kill(pid, 'no longer wanted')
  await end(assert.rejects(run.result, { code: 'KILLED' }))
  // A rejection that nobody hears would end this process.
  await new Promise((resolve) => void setImmediate(resolve))
})
