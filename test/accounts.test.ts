/**
 * What doors say of a run: the account that it draws on, the labels of its input, the run that it follows; and how a run
 * speaks to them. Through the kernel, across restarts.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { spentIn } from '../src/kernel/accounts.ts'
import type { PolityError } from '../src/kernel/errors.ts'
import { unused } from '../src/kernel/process.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Json, RunEvent, Sys } from '../src/kernel/types.ts'
import { parseLaw } from '../src/policy/law.ts'
import type { RecordingStore } from './world.ts'
import { codeOf, createWorld, cutStore, endOf, tool } from './world.ts'

const models = () => ({ main: scripted(() => ({ text: 'yes', usage: { inputTokens: 6, outputTokens: 4 } })) })
const asks = defineProgram('asks', async (sys, times) => {
  for (let i = 0; i < (times as number); i++) await sys.generate({ prompt: 'well?', maxOutputTokens: 10 })
  return 'done'
})

describe('accounts', () => {
  test('runs, children and forks draw on one account, and no more than it has', async () => {
    const parents = defineProgram('parents', async (sys, times) => sys.wait(await sys.spawn(asks, times as Json)))
    const w = createWorld({ models: models(), programs: [asks, parents] })
    w.kernel.account('team', { steps: 5 })
    const child = w.kernel.spawn(parents, 2, { account: 'team' })
    assert.equal(await w.settled(child.result), 'done')
    const fork = await w.settled(w.kernel.fork(child.pid, { at: 0 }))
    assert.equal(await w.settled(fork.result), 'done')
    assert.equal(w.kernel.account('team').used.steps, 4)
    const paid = await w.settled(w.kernel.fork(child.pid, { at: 0, account: 'other' }))
    assert.equal(await w.settled(paid.result), 'done')
    assert.deepEqual([w.kernel.account('team').used.steps, w.kernel.account('other').used.steps], [4, 2])
    const last = await w.settled(endOf(w.kernel.spawn(asks, 2, { account: 'team', budget: { steps: 9 } }).result))
    assert.ok(
      'code' in last && last.code === 'BUDGET_EXCEEDED' && /account team has a budget of 5 steps/.test(last.message),
    )
    assert.equal(await w.settled(w.kernel.spawn(asks, 2).result), 'done', 'others pay for themselves')
    w.kernel.account('team', { steps: 6 })
    assert.equal(await w.settled(w.kernel.spawn(asks, 1, { account: 'team' }).result), 'done', 'it was given more')
  })

  test('what is written for an account is bounded by its room, which comes back within a day', async () => {
    const DAY_MS = 86_400_000
    const writes = defineProgram('writes', async (sys, times) => {
      for (let i = 0; i < (times as number); i++) await sys.write(`${i}.txt`, 'x'.repeat(1_000))
      return 'done'
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ times: fc.integer({ min: 0, max: 9 }), hours: fc.integer({ min: 0, max: 30 }) }), {
          minLength: 1,
          maxLength: 12,
        }),
        fc.integer({ min: 1_000, max: 20_000 }),
        async (rounds, bytesPerDay) => {
          const w = createWorld({ models: models(), programs: [writes] })
          const first = w.kernel.account('team', { bytesPerDay })
          assert.deepEqual(first.room, { bytes: 0, bytesPerDay })
          const written: { readonly at: number; readonly bytes: number }[] = []
          const count = w.store.batches
          for (const { times, hours } of rounds) {
            const from = count.length
            const end = await w.settled(
              endOf((async () => w.kernel.spawn(writes, times, { account: 'team' }).result)()),
            )
            const bytes = count
              .slice(from)
              .flatMap(({ events, puts }) => [
                ...events.map((event) => JSON.stringify(event).length),
                ...puts.map(({ value }) => value?.length ?? 0),
              ])
              .reduce((sum, one) => sum + one, 0)
            written.push({ at: w.clock.now(), bytes })
            if ('code' in end) assert.equal(end.code, 'LIMIT_EXCEEDED')
            const { room } = w.kernel.account('team')
            assert.ok(room !== null && room.bytes >= 0)
            await w.settled(new Promise<void>((resolve) => void w.clock.after(hours * 3_600_000, resolve)))
          }
          for (const { at } of written) {
            const day = written.filter((one) => one.at >= at && one.at < at + DAY_MS)
            const sum = day.reduce((all, { bytes }) => all + bytes, 0)
            // One call that was let in, the end that tells of it, and what one process begins with.
            assert.ok(sum <= 2 * bytesPerDay + 4_000, `${sum} bytes in a day of ${bytesPerDay}`)
          }
          const others = await w.settled(w.kernel.spawn(writes, 1, { account: 'other' }).result)
          assert.equal(others, 'done')
        },
      ),
      { numRuns: 30 },
    )
  })

  test('room stays filled over a life without a ceiling, and what an open run wrote over an orderly close', async () => {
    const writes = defineProgram('writes', async (sys, waits) => {
      await sys.write('a.txt', `${sys.pid}`.padEnd(5_000, 'x'))
      return waits === true ? (await sys.receive()).body : 'done'
    })
    const after = (store: RecordingStore) =>
      createWorld({ programs: [writes], store: cutStore(store.batches, Infinity) })
    const first = createWorld({ programs: [writes] })
    first.kernel.account('team', { bytesPerDay: 100_000 })
    assert.equal(await first.settled(first.kernel.spawn(writes, false, { account: 'team' }).result), 'done')
    first.kernel.spawn(writes, true, { account: 'team' }).result.catch(() => {})
    for (let i = 0; i < 20; i++) await new Promise((resolve) => void setImmediate(resolve))
    const { bytes } = first.kernel.account('team').room ?? { bytes: 0 }
    assert.ok(bytes > 10_000, `${bytes} bytes`)
    await first.kernel.close()

    const second = after(first.store)
    assert.equal(await second.settled(second.kernel.spawn(writes, false, { account: 'team' }).result), 'done')
    assert.equal(second.kernel.account('team').room, null)
    await second.kernel.close()

    const third = after(second.store)
    const { room } = third.kernel.account('team', { bytesPerDay: 100_000 })
    assert.ok(room !== null && room.bytes >= bytes - 10 && room.bytes < bytes + 5_000, JSON.stringify({ room, bytes }))
    await third.kernel.close()
  })

  test('what retention notes is written for nobody', async () => {
    const w = createWorld({ models: models() })
    w.kernel.account('team', { bytesPerDay: 100_000 })
    for (let i = 0; i < 40; i++) {
      const once = { key: `${i}`.padEnd(500, 'k'), digest: 'd' }
      assert.equal(await w.settled(w.kernel.spawn(asks, 0, { once }).result), 'done')
    }
    assert.equal(await w.settled(w.kernel.collect(0)), 40)
    assert.equal(await w.settled(w.kernel.spawn(asks, 0, { account: 'team' }).result), 'done')
    assert.ok((w.kernel.account('team').room?.bytes ?? 0) < 2_000)
  })

  test('what is set aside for calls under way counts: many at once never go beyond it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 0, max: 300 }),
        async (runs, tokens) => {
          const w = createWorld({ models: models() })
          w.kernel.account('team', { tokens })
          const ends = await w.settled(
            Promise.all(runs.map((times) => endOf(w.kernel.spawn(asks, times, { account: 'team' }).result))),
          )
          const { used, reserved } = w.kernel.account('team')
          assert.ok(used.inputTokens + used.outputTokens <= tokens)
          assert.deepEqual(reserved, { tokens: 0, usd: 0 })
          const done = ends.filter((end) => codeOf(end) === 'ok').length
          assert.ok(done === runs.length || ends.some((end) => codeOf(end) === 'BUDGET_EXCEEDED'))
        },
      ),
      { numRuns: 60 },
    )
  })

  test('what was used stays used: after a crash at any commit, and when the journals are gone', async () => {
    const first = createWorld({ models: models(), programs: [asks] })
    first.kernel.account('team', { tokens: 1_000 })
    for (const times of [1, 3, 2]) await first.settled(first.kernel.spawn(asks, times, { account: 'team' }).result)
    const { batches } = first.store
    for (let count = 0; count <= batches.length; count++) {
      const store = cutStore(batches, count)
      const second = createWorld({ models: models(), programs: [asks], store })
      const kept = [...store.processes()].flatMap(({ start: { pid } }) => store.events(pid))
      let tokens = 0
      const open = new Map<string, number>()
      for (const event of kept) {
        if (event.type === 'call-start') open.set(`${event.pid} ${event.n}`, event.reserved?.tokens ?? 0)
        if (event.type !== 'call-end') continue
        open.delete(`${event.pid} ${event.n}`)
        tokens += (event.usage?.inputTokens ?? 0) + (event.usage?.outputTokens ?? 0)
      }
      for (const one of open.values()) tokens += one
      // From the store alone, before a kernel does anything with it.
      const spent = spentIn(cutStore(batches, count)).get('team')
      const { used } = second.kernel.account('team')
      assert.equal(used.inputTokens + used.outputTokens, tokens, `after ${count} commits`)
      assert.deepEqual(spent ?? unused(), used, `read after ${count} commits`)
      await second.settled(second.kernel.collect(0))
      assert.deepEqual(second.kernel.account('team').used, used, 'collected')
      await second.kernel.close()
    }
  })

  test('all of them are told, and a store alone tells the same: with children, forks, and children whose journals are gone', async () => {
    const parents = defineProgram('parents', async (sys, times) => {
      for (let i = 0; i < (times as number); i++) await sys.wait(await sys.spawn(asks, 2))
      return (await sys.receive()).body
    })
    const first = createWorld({
      models: models(),
      programs: [asks, parents],
      limits: { processesEndedMax: 1, processesKeptMax: 1 },
    })
    first.kernel.account('rich', { usd: 5 })
    const open = first.kernel.spawn(parents, 80, { account: 'team' })
    await first.settled(first.kernel.spawn(asks, 3, { account: 'other' }).result)
    await first.settled(first.kernel.spawn(asks, 3).result)
    await first.settled(first.kernel.fork(open.pid, { at: 1, account: 'other' }))
    await first.settled(first.kernel.collect(0))
    const told = first.kernel.accounts()
    assert.deepEqual(
      told.map(({ name, budget, used }) => [name, budget, used.steps > 0]),
      [
        ['other', {}, true],
        ['rich', { usd: 5 }, false],
        ['team', {}, true],
      ],
    )
    assert.deepEqual(
      told,
      told.map(({ name }) => first.kernel.account(name)),
    )
    const { batches } = first.store
    for (let count = 0; count <= batches.length; count += 7) {
      const spent = spentIn(cutStore(batches, count))
      const { kernel } = createWorld({ models: models(), programs: [asks, parents], store: cutStore(batches, count) })
      assert.deepEqual(
        kernel.accounts().map(({ name }) => name),
        [...spent.keys()].toSorted(),
      )
      for (const name of ['team', 'other', 'rich'])
        assert.deepEqual(spent.get(name) ?? unused(), kernel.account(name).used, `${name} after ${count} commits`)
      await kernel.close()
    }
    await first.kernel.close()
  })

  test('a page is the accounts behind a name, whoever is in RAM and whoever only in the store, and costs what is on it', async () => {
    // Of 10,000, of which the store has half; some of their names sort otherwise by their bytes than by their UTF-16 units.
    const names = Array.from({ length: 10_000 }, (_, i) => `${['a', '\u{1f600}', '\uff5e', 'é'][i % 4]}${i}`)
    const first = createWorld({ models: models() })
    const kept = names.filter((_, i) => i % 8 < 4)
    for (const account of kept) first.kernel.spawn(asks, 0, { account }).result.catch(() => {})
    await first.settled(first.kernel.spawn(asks, 1, { account: names[0] as string }).result)
    await first.kernel.close()

    const store = cutStore(first.store.batches, Infinity)
    const read = { entries: 0, gets: 0 }
    const { kernel } = createWorld({
      models: models(),
      store: {
        ...store,
        get(...args) {
          read.gets++
          return store.get(...args)
        },
        // As a store may read it: whole, before the first is taken.
        range(...args) {
          const found = [...store.range(...args)]
          read.entries += found.length
          return found
        },
      },
    })
    for (const [i, name] of names.entries()) if (i % 3 !== 0) kernel.account(name, { tokens: i })
    const known = names.filter((_, i) => i % 8 < 4 || i % 3 !== 0)
    const byBytes = known.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    assert.deepEqual(
      kernel.accounts().map(({ name }) => name),
      byBytes,
    )
    const seen: string[] = []
    for (let after: string | undefined; seen.length < names.length;) {
      Object.assign(read, { entries: 0, gets: 0 })
      const page = kernel.accounts(after, 100)
      assert.ok(read.entries <= 101 && read.gets === 0, JSON.stringify(read))
      seen.push(...page.map(({ name }) => name))
      if (page.length < 100) break
      after = page.at(-1)?.name
    }
    assert.deepEqual(seen, byBytes)
    // Behind a name that is none of theirs; one that nobody opened has no ceiling, and what it used.
    assert.equal(kernel.accounts('', 1)[0]?.name, byBytes[0])
    assert.deepEqual(kernel.accounts('\u{10ffff}'), [])
    const [one] = kernel.accounts('a', 1)
    assert.deepEqual([one?.name, one?.budget, one?.used.steps], ['a0', {}, 1])
    for (const wrong of [0, -1, 1.5, NaN, 'ten' as unknown as number])
      assert.throws(() => kernel.accounts(undefined, wrong), /accounts: limit takes a whole number of at least 1/)
    assert.throws(() => kernel.accounts(7 as unknown as string), /accounts: after takes the name of an account/)
    await kernel.close()
  })

  test('one that is only looked at is none', async () => {
    const w = createWorld({ models: models(), programs: [asks] })
    await w.settled(w.kernel.spawn(asks, 1, { account: 'team' }).result)
    const looked = w.kernel.account('taem')
    assert.deepEqual([looked.budget, looked.used, looked.room], [{}, unused(), null])
    const names = () => w.kernel.accounts().map(({ name }) => name)
    assert.deepEqual(names(), ['team'])
    w.kernel.account('taem', { tokens: 1 })
    assert.deepEqual(names(), ['taem', 'team'], 'until it is given ceilings')
    await w.kernel.close()
    const next = createWorld({ models: models(), store: cutStore(w.store.batches, Infinity) })
    assert.equal(next.kernel.account('team').used.steps, 1, 'as the store has it')
    await next.kernel.close()
  })

  test('a root that ends while a store is read is counted once', async () => {
    const w = createWorld({ models: models(), programs: [asks] })
    const waits = defineProgram('waits', async (sys) => {
      await sys.generate({ prompt: 'well?', maxOutputTokens: 10 })
      return (await sys.receive()).body
    })
    const run = w.kernel.spawn(waits, null, { account: 'team' })
    await w.settled(w.kernel.spawn(asks, 1, { account: 'team' }).result)
    const { batches } = w.store
    const during = batches.length
    w.kernel.send(run.pid, 'go')
    await w.settled(run.result)
    const [before, after] = [cutStore(batches, during), w.store]
    // It ends behind the n-th look at the store.
    for (let looks = 0; looks < 12; looks++) {
      let left = looks
      const now = (): typeof after => (left-- > 0 ? (before as typeof after) : after)
      const { steps } = spentIn({
        get: (...args) => now().get(...args),
        range: (...args) => now().range(...args),
        processes: (...args) => now().processes(...args),
        events: (...args) => now().events(...args),
      }).get('team') as { steps: number }
      assert.equal(steps, 2, `ended behind look ${looks}`)
    }
  })

  test('what is no budget is refused, shows what it was, and leaves the ceilings as they were', async () => {
    const w = createWorld({ models: models(), programs: [asks] })
    const budget = { tokens: 5_000, usd: 20, bytesPerDay: 1_000_000 }
    w.kernel.account('team-red', budget)
    const before = w.kernel.account('team-red')
    const wrong: readonly (readonly [unknown, RegExp])[] = [
      [5, /^account: budget takes an object such as \{ tokens: 5000 \}, not 5$/],
      [null, /^account: budget takes an object such as .*, not null$/],
      ['5', /^account: budget takes an object such as .*, not "5"$/],
      [true, /^account: budget takes an object such as .*, not true$/],
      [[], /^account: budget takes an object such as .*, not \[\]$/],
      [() => 5, /^account: budget takes an object such as .*, not \[Function/],
      [new Map([['tokens', 5]]), /^account: budget takes an object such as .*, not Map/],
      [Object.create({ tokens: 5 }), /^account: budget takes an object such as /],
      [{ tokens: '5' }, /^account: budget\.tokens takes a number of at least 0, not "5"$/],
      [{ bytesPerDay: '5' }, /^account: budget\.bytesPerDay takes a number of at least 0, not "5"$/],
      [{ bytesPerDay: Number.NaN }, /^account: budget\.bytesPerDay takes a number of at least 0, not NaN$/],
      [{ bytesPerDay: 0 }, /^account: budget\.bytesPerDay takes a number above 0, not 0$/],
      [{ token: 5 }, /^account: budget takes the keys .*did you mean tokens\?$/],
    ]
    for (const [given, said] of wrong)
      assert.throws(
        () => w.kernel.account('team-red', given as object),
        (error: unknown) => (error as PolityError).code === 'INVALID_ARGUMENT' && said.test((error as Error).message),
        `${String(said)} of ${JSON.stringify(given)}`,
      )
    assert.deepEqual(w.kernel.account('team-red'), before)
    // Nor does a run or a fork have fewer ceilings by such a one.
    for (const given of [5, null, '5', [], new Map([['tokens', 5]])])
      assert.throws(() => w.kernel.spawn(asks, 1, { budget: given as object }), { code: 'INVALID_ARGUMENT' })
    const run = w.kernel.spawn(asks, 0, { budget: { steps: 3 } })
    await w.settled(run.result)
    for (const given of [5, '5', []])
      assert.equal(
        await w.settled(endOf(w.kernel.fork(run.pid, { budget: given as object })).then(codeOf)),
        'INVALID_ARGUMENT',
      )
  })

  test('names and ceilings that are none are refused, and say why', () => {
    const { kernel } = createWorld({ models: models() })
    const refused = (what: () => unknown): string => {
      try {
        what()
        return 'taken'
      } catch (error) {
        return (error as Error).message
      }
    }
    assert.match(
      refused(() => kernel.account('')),
      /account takes a name of 1 to 200/,
    )
    assert.match(
      refused(() => kernel.account('a', { wallMs: 5 })),
      /an account does not run/,
    )
    assert.match(
      refused(() => kernel.account('a', { tokens: -1 })),
      /account: budget.tokens/,
    )
    assert.match(
      refused(() => kernel.spawn(asks, 1, { account: 'a\n' })),
      /spawn: account/,
    )
    assert.match(
      refused(() => kernel.spawn(asks, 1, { labels: [''] })),
      /spawn: labels/,
    )
    const inside = defineProgram('inside', async (sys) =>
      codeOf(await endOf(sys.spawn(asks, 1, { account: 'b' } as object))),
    )
    return kernel
      .spawn(inside, null)
      .result.then((code) => assert.equal(code, 'INVALID_ARGUMENT', 'a program chooses no account'))
  })
})

describe('runs that follow each other', () => {
  const law = parseLaw({
    rules: [
      { id: 'no-leak', effect: 'deny', tool: 'send', seen: ['private'] },
      { id: 'all', effect: 'allow' },
    ],
    temporal: [{ id: 'once', formula: 'absence2(pay)' }],
  })
  const tools = ['send', 'pay'].map((name) => tool(name, () => name))
  const calls = defineProgram('calls', async (sys, names) => {
    const codes: string[] = []
    for (const name of names as string[]) codes.push(codeOf(await endOf(sys.call(name, {}))))
    return codes
  })

  test('one stands where the other ended, also after a restart; who is another, or runs still, is not followed', async () => {
    const w = createWorld({ law, tools, programs: [calls] })
    const first = w.kernel.spawn(calls, ['pay', 'send'], { principal: 'ada' })
    assert.deepEqual(await w.settled(first.result), ['ok', 'ok'])
    const again = (world: typeof w, after: number, principal = 'ada') =>
      world.kernel.spawn(calls, ['pay', 'send'], { principal, after })
    assert.deepEqual(await w.settled(again(w, first.pid).result), ['ACCESS_DENIED', 'ok'])
    await w.kernel.close()
    const second = createWorld({ law, tools, programs: [calls], store: cutStore(w.store.batches, Infinity) })
    assert.deepEqual(await second.settled(again(second, first.pid).result), ['ACCESS_DENIED', 'ok'])
    assert.throws(() => again(second, first.pid, 'eve'), { code: 'NO_SUCH_PROCESS' })
    assert.throws(() => again(second, 9_999), { code: 'NO_SUCH_PROCESS' })
    const waits = second.kernel.spawn(async (sys: Sys) => sys.receive(), null, { principal: 'ada' })
    assert.throws(() => again(second, waits.pid), /has not ended/)
  })

  test('labels of the input bind the run, its children, and the run after it', async () => {
    const w = createWorld({ law, tools, programs: [calls] })
    const run = w.kernel.spawn(calls, ['send', 'pay'], { labels: ['private', 'private'] })
    assert.deepEqual(await w.settled(run.result), ['ACCESS_DENIED', 'ok'])
    const parent = defineProgram('parent', async (sys) => sys.wait(await sys.spawn(calls, ['send'])))
    assert.deepEqual(await w.settled(w.kernel.spawn(parent, null, { labels: ['private'] }).result), ['ACCESS_DENIED'])
    assert.deepEqual(await w.settled(w.kernel.spawn(calls, ['send', 'pay'], { after: run.pid }).result), [
      'ACCESS_DENIED',
      'ACCESS_DENIED',
    ])
    assert.deepEqual(await w.settled(w.kernel.replay(run.pid)), { same: true, calls: 2 })
  })
})

test('a message to 0 is heard by who watches, once it is kept; nobody has to', async () => {
  const w = createWorld({})
  const heard: Json[] = []
  const stop = w.kernel.watch((event: RunEvent) => {
    if (event.type === 'call-start' && event.call === 'send') heard.push(event.args)
  })
  const speaks = async (sys: Sys): Promise<number> => sys.send(0, { answer: 42 })
  assert.equal(await w.settled(w.kernel.spawn(speaks, null).result), 1)
  stop()
  assert.equal(await w.settled(w.kernel.spawn(speaks, null).result), 1)
  assert.deepEqual(heard, [{ to: 0, body: { answer: 42 } }])
})
