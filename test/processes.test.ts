/**
 * Processes: who dies with whom, who hears of it, what waits in a mailbox, what a watcher sees, and how long the dead are
 * remembered. Simulated time throughout, so that a hang is a failure and an hour is a millisecond.
 */
// oxlint-disable unicorn/consistent-function-scoping, unicorn/no-thenable -- a test reads best with its parts beside it; broken things are the point
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { realClock } from '../src/kernel/clock.ts'
import type { LanguageModel } from '../src/kernel/drivers.ts'
import { PolityError } from '../src/kernel/errors.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Json, Pid, Program, ProcessInfo, RunEvent, Sys } from '../src/kernel/types.ts'
import { codeOf, createWorld, cutStore, endOf, noUsage, recordingStore, rawModel, streamOf, tool } from './world.ts'
import type { World } from './world.ts'

const echo = defineProgram('echo', (_sys, input: Json) => Promise.resolve(input))
const sleeper = defineProgram('sleeper', async (sys, ms: number) => {
  await sys.sleep(ms)
  return ms
})
const failing = defineProgram('failing', () => Promise.reject(new Error('of its own')))

/** A tree of sleepers, `width` children a node, `depth` generations below this one. */
const tree: Program<{ depth: number; width: number }, null> = defineProgram('tree', async (sys, { depth, width }) => {
  if (depth > 0) for (let i = 0; i < width; i++) await sys.spawn(tree, { depth: depth - 1, width })
  await sys.sleep(1e9)
  return null
})

const spawned = (world: World, body: (sys: Sys) => Promise<unknown>, options = {}) =>
  world.kernel.spawn(body as (sys: Sys) => Promise<Json>, null, options)
const lived = (world: World, body: (sys: Sys) => Promise<unknown>, options = {}): Promise<Json> =>
  world.settled(spawned(world, body, options).result)
const byPid = (world: World): Map<Pid, ProcessInfo> => new Map(world.kernel.ps().map((info) => [info.pid, info]))

describe('a tree', () => {
  for (const [how, act, code] of [
    ['is killed', (world: World, pid: Pid) => world.kernel.kill(pid, 'enough'), 'KILLED'],
    ['runs out of time', () => {}, 'BUDGET_EXCEEDED'],
  ] as const) {
    test(`ends whole, children no later than parents, when its root ${how}`, async () => {
      const world = createWorld()
      const run = world.kernel.spawn(
        tree,
        { depth: 3, width: 3 },
        how === 'is killed' ? {} : { budget: { wallMs: 5_000 } },
      )
      await lived(world, (sys) => sys.sleep(10))
      assert.equal(world.kernel.ps().filter((info) => info.state === 'running').length, 1 + 3 + 9 + 27)
      act(world, run.pid)
      assert.equal(codeOf(await world.settled(endOf(run.result))), code)
      const infos = byPid(world)
      const order = world.store.batches
        .flatMap(({ events }) => events)
        .filter((event) => event.type === 'process-end')
        .map((event) => event.pid)
      for (const info of infos.values()) {
        if (info.program !== 'tree') continue
        assert.equal(info.state, 'killed')
        assert.equal(info.error?.code, info.pid === run.pid ? code : 'PARENT_ENDED')
        if (info.parent !== null)
          assert.ok(
            order.indexOf(info.pid) < order.indexOf(info.parent),
            `${info.pid} ends after its parent ${info.parent}`,
          )
      }
      assert.equal(order.length, new Set(order).size, 'everybody ends once')
    })
  }

  test('a program that returns or throws takes its children with it', async () => {
    for (const ends of [
      () => 'fine',
      () => {
        throw new Error('not fine')
      },
    ]) {
      const world = createWorld()
      const run = spawned(world, async (sys) => {
        await sys.spawn(tree, { depth: 2, width: 2 })
        await sys.sleep(5)
        return ends()
      })
      await world.settled(endOf(run.result))
      assert.deepEqual(
        world.kernel.ps().filter((info) => info.state === 'running'),
        [],
      )
    }
  })

  test('a killed child leaves its parent and its siblings alone', async () => {
    const world = createWorld()
    const ends = await lived(world, async (sys) => {
      const [a, b, c] = [await sys.spawn(sleeper, 50), await sys.spawn(sleeper, 60), await sys.spawn(sleeper, 70)]
      await sys.kill(b)
      return Promise.all([a, b, c].map(async (pid) => codeOf(await endOf(sys.wait(pid)))))
    })
    assert.deepEqual(ends, ['ok', 'KILLED', 'ok'])
  })

  test('one that has ended stays as it is, also where its journal is gone or the kernel closed', async () => {
    const world = createWorld({ limits: { processesEndedMax: 1 } })
    const run = world.kernel.spawn(async () => 1, null)
    await world.settled(run.result)
    for (let i = 0; i < 200; i++) await world.settled(world.kernel.spawn(async () => i, null).result)
    await world.kernel.collect(0)
    assert.throws(() => world.kernel.kill(run.pid), { code: 'NO_SUCH_PROCESS' })
    run.kill()
    await world.kernel.close()
    run.kill()
    assert.equal(run.info().state, 'done')
  })

  test('one kills its own descendants and itself, nobody else', async () => {
    const world = createWorld()
    const bystander = world.kernel.spawn(sleeper, 1_000)
    const grandchild = defineProgram('grandchild', (sys) => sys.sleep(1e6))
    const child = defineProgram('child', async (sys, to: Pid) => {
      await sys.send(to, await sys.spawn(grandchild, null))
      await sys.sleep(1e6)
      return null
    })
    const nosy = defineProgram('nosy', async (sys, others: readonly Pid[]): Promise<Json> =>
      Promise.all(others.map(async (pid) => codeOf(await endOf(sys.kill(pid))))),
    )
    const seen = await lived(world, async (sys) => {
      const first = await sys.spawn(child, sys.pid)
      const { body } = await sys.receive()
      const refused = await sys.wait(await sys.spawn(nosy, [sys.pid, first, bystander.pid, body as Pid]))
      await sys.kill(body as Pid)
      return [refused, codeOf(await endOf(sys.kill(bystander.pid))), codeOf(await endOf(sys.kill(first)))]
    })
    assert.deepEqual(seen, [
      ['ACCESS_DENIED', 'ACCESS_DENIED', 'ACCESS_DENIED', 'ACCESS_DENIED'],
      'ACCESS_DENIED',
      'ok',
    ])
    const suicide = spawned(world, async (sys) => {
      await sys.kill(sys.pid, 'I have had enough')
      return 'not reached'
    })
    assert.equal(codeOf(await world.settled(endOf(suicide.result))), 'KILLED')
    assert.equal(await world.settled(bystander.result), 1_000)
  })

  test('its depth and its number are bounded', async () => {
    const world = createWorld({ limits: { processDepthMax: 5, processesLiveMax: 20 } })
    const nest: Program<number, Json> = defineProgram('nest', async (sys, level) => {
      const end = await endOf(sys.spawn(nest, level + 1))
      return 'code' in end ? [level, end.code] : sys.wait(end.value as Pid)
    })
    assert.deepEqual(await world.settled(world.kernel.spawn(nest, 0).result), [4, 'LIMIT_EXCEEDED'])
    const codes = (await lived(world, (sys) =>
      Promise.all(Array.from({ length: 30 }, async () => codeOf(await endOf(sys.spawn(sleeper, 1))))),
    )) as string[]
    assert.equal(codes.filter((code) => code === 'ok').length, 19)
    assert.throws(
      () => {
        for (let i = 0; i < 30; i++) world.kernel.spawn(sleeper, 1)
      },
      { code: 'LIMIT_EXCEEDED' },
    )
  })
})

describe('waiting', () => {
  test('leaves nothing behind with who is waited for: not who ran out of time, nor who was killed', async () => {
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    const world = createWorld({ store: { ...memoryStore(), batches: [] }, limits: { processesEndedMax: 1 } })
    const daemon = spawned(world, async (sys) => sys.receive())
    const ways: readonly ((sys: Sys) => Promise<unknown>)[] = [
      (sys) => sys.wait(daemon.pid),
      (sys) => sys.wait(daemon.pid, { timeoutMs: 1e6 }),
      (sys) => sys.wait(daemon.pid, { timeoutMs: 1 }),
    ]
    for (const [way, wait] of ways.entries()) {
      const waiter = defineProgram(`waiter-${way}`, async (sys, input: number[]) => {
        await wait(sys).catch(() => null)
        return input.length
      })
      let before = 0
      for (let i = 0; i < 220; i++) {
        // As large as a leak has to be, to be seen.
        const run = world.kernel.spawn(
          waiter,
          Array.from({ length: 10_000 }, () => i),
        )
        await lived(world, (sys) => sys.sleep(2))
        run.kill()
        await world.settled(endOf(run.result))
        if (i === 19) {
          gc()
          before = process.memoryUsage().heapUsed
        }
      }
      gc()
      const more = process.memoryUsage().heapUsed - before
      assert.ok(more < 8e6, `way ${way}: 200 who waited left ${more} bytes`)
    }
  })

  test('before and after the end gives the same, to everybody who asks', async () => {
    const world = createWorld()
    const seen = await lived(world, async (sys) => {
      const pid = await sys.spawn(sleeper, 20)
      const early = await Promise.all([sys.wait(pid), sys.wait(pid), sys.wait(pid)])
      await sys.sleep(100)
      return [early, await sys.wait(pid), await sys.wait(pid)]
    })
    assert.deepEqual(seen, [[20, 20, 20], 20, 20])
  })

  test('a failure reaches who waits as its code and message, and only them', async () => {
    const world = createWorld()
    const seen = await lived(world, async (sys) => {
      const pid = await sys.spawn(failing, null)
      const unheard = await sys.spawn(failing, null)
      await sys.sleep(1)
      return [await endOf(sys.wait(pid)), unheard > 0]
    })
    assert.deepEqual(seen, [{ code: 'PROGRAM_FAILED', message: 'of its own' }, true])
  })

  test('for oneself or an ancestor is refused at once: nobody outlives their parent', async () => {
    const world = createWorld()
    const inner = defineProgram('inner', async (sys, pids: readonly Pid[]): Promise<Json> =>
      Promise.all([...pids, sys.pid].map(async (pid) => codeOf(await endOf(sys.wait(pid))))),
    )
    const outer = defineProgram('outer', async (sys, pid: Pid) =>
      sys.wait<Json>(await sys.spawn(inner, [pid, sys.pid])),
    )
    assert.deepEqual(await lived(world, async (sys) => sys.wait(await sys.spawn(outer, sys.pid))), [
      'INVALID_ARGUMENT',
      'INVALID_ARGUMENT',
      'INVALID_ARGUMENT',
    ])
  })

  test('a limit ends the wait and not the child; waiting again hears the end', async () => {
    const world = createWorld()
    const seen = await lived(world, async (sys) => {
      const pid = await sys.spawn(sleeper, 500)
      const codes: string[] = []
      for (let i = 0; i < 3; i++) codes.push(codeOf(await endOf(sys.wait(pid, { timeoutMs: 10 }))))
      return [codes, await sys.wait(pid)]
    })
    assert.deepEqual(seen, [['TIMEOUT', 'TIMEOUT', 'TIMEOUT'], 500])
  })

  test('2,000 zombies are there until their parent asks for each, one by one, however few are remembered', async () => {
    const world = createWorld({ limits: { processesEndedMax: 10, processesKeptMax: 10 } })
    const sum = await lived(world, async (sys) => {
      const pids: Pid[] = []
      for (let i = 0; i < 2_000; i++) pids.push(await sys.spawn(echo, i))
      await sys.sleep(1_000)
      // Others come and go meanwhile: the forgotten ones are those that nobody can ask for.
      for (let i = 0; i < 600; i++) await sys.wait(await sys.spawn(echo, 'passing'))
      let sum = 0
      for (const pid of pids) sum += (await sys.wait(pid)) as number
      return sum
    })
    assert.equal(sum, 1_999_000)
  })

  test('a wait that ran out of time does not let the child be forgotten', async () => {
    const world = createWorld({ limits: { processesEndedMax: 10, processesKeptMax: 10 } })
    const value = await lived(world, async (sys) => {
      const pid = await sys.spawn(sleeper, 50)
      await endOf(sys.wait(pid, { timeoutMs: 10 }))
      await sys.sleep(100)
      for (let i = 0; i < 600; i++) await sys.wait(await sys.spawn(echo, 'passing'))
      return sys.wait(pid)
    })
    assert.equal(value, 50)
  })

  test('a child that others have waited for is there for its parent too', async () => {
    const world = createWorld({ limits: { processesEndedMax: 10, processesKeptMax: 10 } })
    const curious = defineProgram('curious', async (sys, pid: Pid) => sys.wait<Json>(pid))
    const values = await lived(world, async (sys) => {
      const pid = await sys.spawn(sleeper, 5)
      const first = await sys.wait<Json>(await sys.spawn(curious, pid))
      for (let i = 0; i < 600; i++) await sys.wait(await sys.spawn(echo, 'passing'))
      return [first, await sys.wait<Json>(pid)]
    })
    assert.deepEqual(values, [5, 5])
  })

  test('the dead are forgotten in the end: RAM and store hold what the limits say', async () => {
    const world = createWorld({ store: recordingStore({ durability: 'memory' }), limits: { processesEndedMax: 100 } })
    for (let i = 0; i < 1_500; i++) await world.settled(world.kernel.spawn(echo, i).result)
    assert.ok(world.kernel.ps().length <= 100 + 256, `${world.kernel.ps().length} processes in the table`)
    assert.ok(
      [...world.store.processes()].length <= 100 + 512,
      `${[...world.store.processes()].length} journals in the store`,
    )
    assert.throws(() => world.kernel.run(1), { code: 'NO_SUCH_PROCESS' })
  })
})

describe('mailboxes', () => {
  test('keep each sender’s order, and lose and repeat nothing', async () => {
    const world = createWorld()
    const sender = defineProgram(
      'sender',
      async (sys, { to, name, count }: { to: Pid; name: string; count: number }) => {
        for (let i = 0; i < count; i++) {
          await sys.send(to, [name, i])
          if (sys.random() < 0.5) await sys.sleep(sys.random() * 5)
        }
        return null
      },
    )
    const got = (await lived(world, async (sys) => {
      for (const name of ['a', 'b', 'c', 'd']) await sys.spawn(sender, { to: sys.pid, name, count: 50 })
      const got: Json[] = []
      for (let i = 0; i < 200; i++) {
        got.push((await sys.receive()).body)
        if (sys.random() < 0.2) await sys.sleep(3)
      }
      return got
    })) as [string, number][]
    for (const name of ['a', 'b', 'c', 'd']) {
      assert.deepEqual(
        got.filter((one) => one[0] === name).map((one) => one[1]),
        Array.from({ length: 50 }, (_, i) => i),
      )
    }
  })

  test('`from` picks, and leaves the others where they were', async () => {
    const world = createWorld()
    const post = defineProgram('post', (sys, { to, body }: { to: Pid; body: string }) => sys.send(to, body))
    const got = await lived(world, async (sys) => {
      const a = await sys.spawn(post, { to: sys.pid, body: 'from a' })
      await sys.wait(a)
      const b = await sys.spawn(post, { to: sys.pid, body: 'from b' })
      await sys.wait(b)
      return [
        (await sys.receive({ from: b })).body,
        (await sys.receive()).body,
        codeOf(await endOf(sys.receive({ timeoutMs: 5 }))),
      ]
    })
    assert.deepEqual(got, ['from b', 'from a', 'TIMEOUT'])
  })

  test('a receive that ran out of time takes no message with it', async () => {
    const world = createWorld()
    const got = await lived(world, async (sys) => {
      const ends = await Promise.all([endOf(sys.receive({ timeoutMs: 5 })), endOf(sys.receive({ timeoutMs: 5 }))])
      await sys.send(sys.pid, 'kept')
      return [ends.map(codeOf), (await sys.receive()).body]
    })
    assert.deepEqual(got, [['TIMEOUT', 'TIMEOUT'], 'kept'])
  })

  test('are bounded: the sender is told, to all or to none, and can send again once there is room', async () => {
    const world = createWorld({ limits: { mailboxMessagesMax: 3 } })
    const idle = defineProgram('idle', (sys) => sys.sleep(1e6))
    const got = await lived(world, async (sys) => {
      const codes: string[] = []
      for (let i = 0; i < 5; i++) codes.push(codeOf(await endOf(sys.send(sys.pid, i))))
      const [first] = [await sys.receive()]
      codes.push(codeOf(await endOf(sys.send(sys.pid, 'again'))))
      const a = await sys.spawn(idle, null, { name: 'group' })
      await sys.spawn(idle, null, { name: 'group' })
      for (let i = 0; i < 3; i++) await sys.send(a, i)
      codes.push(codeOf(await endOf(sys.send('group', 'to all'))))
      return [codes, first.body]
    })
    assert.deepEqual(got, [['ok', 'ok', 'ok', 'MAILBOX_FULL', 'MAILBOX_FULL', 'ok', 'MAILBOX_FULL'], 0])
  })

  test('what was accepted is received, however little room its body leaves for what stands around it', async () => {
    const valueBytesMax = 1_000
    const world = createWorld({ limits: { valueBytesMax } })
    const body = 'x'.repeat(valueBytesMax - 2)
    const run = spawned(world, async (sys) => {
      const waiting = sys.receive()
      await sys.send(sys.pid, body)
      await sys.send(sys.pid, body)
      const all = [await waiting, await sys.receive()]
      assert.ok(all.every((mail) => Object.isFrozen(mail) && mail.body === body))
      return [all.length, codeOf(await endOf(sys.send(sys.pid, `${body}x`)))]
    })
    assert.deepEqual(await world.settled(run.result), [2, 'TOO_LARGE'])
    assert.equal((await world.settled(world.kernel.replay(run.pid))).same, true)
  })

  test('a receive and a wait for the longest time there is end after it; those without a time do not', async () => {
    const world = createWorld({ limits: { waitMs: 1_000 } })
    const codes = await lived(world, async (sys) => {
      const daemon = await sys.spawn(
        defineProgram('daemon', async (one) => (await one.receive()).body),
        null,
      )
      const codes = [
        codeOf(await endOf(sys.receive({ timeoutMs: 1_000 }))),
        codeOf(await endOf(sys.wait(daemon, { timeoutMs: 1_000 }))),
      ]
      const [mail, end] = [sys.receive(), sys.wait<string>(daemon)]
      for (let i = 0; i < 2; i++) await sys.sleep(1_000)
      await sys.send(sys.pid, 'mail')
      await sys.send(daemon, 'end')
      return [...codes, (await mail).body, await end]
    })
    assert.deepEqual(codes, ['TIMEOUT', 'TIMEOUT', 'mail', 'end'])
  })

  test('a name reaches its whole group, without the dead', async () => {
    const world = createWorld()
    const member = defineProgram('member', async (sys) => (await sys.receive()).body)
    const got = await lived(world, async (sys) => {
      const members: Pid[] = []
      for (let i = 0; i < 3; i++) members.push(await sys.spawn(member, null, { name: 'choir' }))
      await sys.spawn(member, null, { name: 'audience' })
      await sys.kill(members[0] as Pid)
      return [
        await sys.send('choir', 'sing'),
        await sys.wait(members[1] as Pid),
        await sys.wait(members[2] as Pid),
        codeOf(await endOf(sys.send('choir', 'again'))),
      ]
    })
    assert.deepEqual(got, [2, 'sing', 'sing', 'NO_SUCH_PROCESS'])
  })
})

describe('budgets, priority, tools: what a child has is what its ancestors leave', () => {
  test('a child’s own larger budget gives it nothing that its grandparent does not have', async () => {
    const model = scripted(() => ({ text: 'x', usage: { inputTokens: 10, outputTokens: 10 } }))
    const world = createWorld({ models: { model } })
    const spender = defineProgram('spender', async (sys) => {
      let spent = 0
      for (;;) {
        const end = await endOf(sys.generate({ prompt: 'a prompt of thirty characters!', maxOutputTokens: 10 }))
        if ('code' in end) return [spent, end.code]
        spent++
      }
    })
    const middle = defineProgram('middle', async (sys) =>
      sys.wait(await sys.spawn(spender, null, { budget: { tokens: 1e9, steps: 1e9 } })),
    )
    const run = spawned(
      world,
      async (sys) => [
        await sys.wait(await sys.spawn(middle, null, { budget: { tokens: 1e9 } })),
        await sys.wait(await sys.spawn(middle, null)),
      ],
      { budget: { tokens: 1_000, steps: 20 } },
    )
    const [first, second] = (await world.settled(run.result)) as unknown as [[number, string], [number, string]]
    assert.deepEqual([first[1], second], ['BUDGET_EXCEEDED', [0, 'BUDGET_EXCEEDED']])
    assert.equal(first[0], 20)
    assert.deepEqual([run.usage.steps, run.usage.inputTokens, run.usage.outputTokens], [20, 200, 200])
  })

  test('priority is inherited; a child holds no tool that its parent does not', async () => {
    const a = tool('a', () => 'a')
    const b = tool('b', () => 'b')
    const world = createWorld({ tools: [a, b] })
    const what = defineProgram('what', async (sys): Promise<Json> => [
      sys.tools.map(({ name }) => name),
      codeOf(await endOf(sys.call('b', null))),
    ])
    const through = defineProgram('through', async (sys): Promise<Json> => [
      codeOf(await endOf(sys.spawn(what, null, { tools: ['b'] }))),
      await sys.wait<Json>(await sys.spawn(what, null)),
    ])
    const declares = defineProgram('declares', () => Promise.resolve(null), { tools: [b] })
    const run = spawned(
      world,
      async (sys) => {
        const child = await sys.spawn(through, null, { tools: ['a'] })
        return [
          await sys.wait(child),
          await sys.wait(await sys.spawn(what, null, { tools: [] })),
          codeOf(await endOf(sys.spawn(declares, null))),
          codeOf(await endOf(sys.wait(await sys.spawn(narrow, declares.name, { tools: ['a'] })))),
        ]
      },
      { priority: 7 },
    )
    assert.deepEqual(await world.settled(run.result), [
      ['NO_SUCH_TOOL', [['a'], 'NO_SUCH_TOOL']],
      [[], 'NO_SUCH_TOOL'],
      'ok',
      'ACCESS_DENIED',
    ])
    assert.ok(world.kernel.ps().every((info) => info.priority === 7))
  })
  const narrow = defineProgram('narrow', async (sys, name: string) => sys.spawn(name, null))
})

describe('events', () => {
  async function collected(events: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
    const all: RunEvent[] = []
    for await (const event of events) all.push(event)
    return all
  }

  test('who watches everything but text makes no model stream; with one who wants text it does, and only that one hears it', async () => {
    const model = scripted(() => 'one two')
    const ways: string[] = []
    const seen: LanguageModel = {
      ...model,
      doGenerate: (call) => (ways.push('whole'), model.doGenerate(call)),
      doStream: (call) => (ways.push('streamed'), model.doStream(call)),
    }
    const w = createWorld({ models: { main: seen } })
    const heard: string[] = []
    const stops = [w.kernel.watch(({ type }) => heard.push(type), { text: false })]
    const once = (): Promise<Json> =>
      w.settled(w.kernel.spawn(async (sys: Sys) => (await sys.generate('hi')).text, null).result)
    await once()
    const texts: string[] = []
    stops.push(w.kernel.watch((event) => event.type === 'text-delta' && texts.push(event.delta)))
    await once()
    for (const stop of stops) for (let i = 0; i < 2; i++) stop()
    await once()
    assert.deepEqual([ways, texts.join('')], [['whole', 'streamed', 'whole'], 'one two'])
    assert.ok(heard.length > 4 && !heard.includes('text-delta'))
  })

  test('the text of a call is told behind its start and before its end, also where a store keeps things late', async () => {
    for (const store of [
      recordingStore({ durability: 'memory' }),
      recordingStore({ durability: 'memory', slowly: (done) => void setImmediate(done) }),
      recordingStore({ durability: 'strict' }),
    ]) {
      const w = createWorld({
        models: { main: scripted(() => 'one two three four', { deltaChars: 4 }) },
        store,
      })
      const heard: RunEvent[] = []
      const stop = w.kernel.watch((event) => heard.push(event))
      const run = w.kernel.spawn(async (sys: Sys) => {
        await Promise.all(['a', 'b'].map((prompt) => sys.generate(prompt)))
        return (await sys.generate('c')).text
      }, null)
      const seen = collected(run.events)
      await w.settled(run.result)
      stop()
      for (const events of [heard, await w.settled(seen)]) {
        assert.equal(events[0]?.type, 'process-start')
        for (const n of [0, 1, 2]) {
          const types = events.flatMap((event) => ('n' in event && event.n === n ? [event] : []))
          const text = types.map((event) => (event.type === 'text-delta' ? event.delta : '')).join('')
          assert.equal(text, 'one two three four')
          // Nothing waits for the turn of the event loop to end, nor is put together that came in pieces.
          if (events === heard) assert.ok(types.length > 5, `${types.length} events of call ${n}`)
          assert.deepEqual([types[0]?.type, types.at(-1)?.type], ['call-start', 'call-end'], store.durability)
        }
      }
    }
  })

  test('text is heard while the model speaks, before the turn of the event loop ends, where no store is waited for', async () => {
    const heard: string[] = []
    let heardAtEnd = 0
    function* parts() {
      yield { type: 'text-start', id: '0' }
      for (let i = 0; i < 20; i++) yield { type: 'text-delta', id: '0', delta: `${i} ` }
      heardAtEnd = heard.length
      yield { type: 'text-end', id: '0' }
      yield { type: 'finish', finishReason: { unified: 'stop', raw: undefined }, usage: noUsage }
    }
    const model = rawModel(
      () => Promise.reject(new Error('it is watched, and so it streams')),
      () => Promise.resolve(streamOf(parts())),
    )
    const w = createWorld({ models: { main: model }, store: recordingStore({ durability: 'memory' }) })
    w.kernel.watch((event) => event.type === 'text-delta' && heard.push(event.delta))
    await w.settled(w.kernel.spawn(async (sys: Sys) => (await sys.generate('hi')).text, null).result)
    assert.equal(heard.length, 20)
    assert.ok(heardAtEnd >= 10, `${heardAtEnd} of 20 heard when the model had said all`)
  })

  test('while a disk is stuck no more text waits than a watcher may have, the oldest calls lose theirs, and nobody’s is forgotten', async () => {
    const stuck: (() => void)[] = []
    let isStuck = false
    const store = recordingStore({
      durability: 'memory',
      slowly: (done) => (isStuck ? void stuck.push(done) : done()),
    })
    const said = 'word '.repeat(40)
    const w = createWorld({
      limits: { watchEventsMax: 10 },
      models: { main: { model: scripted(() => said, { deltaChars: 5 }), slots: 12 } },
      store,
    })
    const speak = async (calls: number, leaves: boolean): Promise<readonly RunEvent[]> => {
      const heard: RunEvent[] = []
      const stop = w.kernel.watch((event) => heard.push(event))
      isStuck = true
      const { result } = w.kernel.spawn(async (sys: Sys) => {
        await Promise.all(Array.from({ length: calls }, () => sys.generate('hi')))
        return null
      }, null)
      for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve))
      assert.ok(stuck.length > 0 && heard.every(({ type }) => type !== 'text-delta'))
      if (leaves) stop()
      isStuck = false
      for (const done of stuck.splice(0)) done()
      await w.settled(result)
      stop()
      return heard
    }
    const texts = (heard: readonly RunEvent[], n?: number) =>
      heard.flatMap((event) => (event.type === 'text-delta' && (n === undefined || event.n === n) ? [event.delta] : []))
    // What a watcher leaves behind takes no room from the next one, nor does what was told.
    for (const leaves of [true, false, false]) {
      const heard = await speak(1, leaves)
      assert.equal(texts(heard).length, leaves ? 0 : 10)
      if (!leaves) assert.equal(texts(heard).join(''), said)
    }
    const heard = await speak(12, false)
    assert.equal(texts(heard).length, 10)
    for (let n = 0; n < 12; n++)
      assert.ok(said.endsWith(texts(heard, n).join('')), `call ${n}: what is missing is its beginning`)
  })

  test('a thought that was streamed keeps the signature that came with its end, for the next request', async () => {
    const signed = { some: { signature: 'abc' } }
    const parts = [
      { type: 'reasoning-start', id: '0', providerMetadata: { some: { draft: true } } },
      { type: 'reasoning-delta', id: '0', delta: 'hm' },
      { type: 'reasoning-end', id: '0', providerMetadata: signed },
      { type: 'text-start', id: '0' },
      { type: 'text-delta', id: '0', delta: 'so' },
      { type: 'text-end', id: '0' },
      { type: 'finish', finishReason: { unified: 'stop', raw: undefined }, usage: noUsage },
    ]
    const model = rawModel(
      () => Promise.reject(new Error('it is watched, and so it streams')),
      () => Promise.resolve(streamOf(parts)),
    )
    const w = createWorld({ models: { main: model } })
    const run = w.kernel.spawn(async (sys: Sys) => (await sys.generate('why?')).message as unknown as Json, null)
    const events = (async () => {
      for await (const event of run.events) void event
    })()
    assert.deepEqual(await w.settled(run.result), {
      role: 'assistant',
      content: [
        { type: 'reasoning', text: 'hm', providerOptions: signed },
        { type: 'text', text: 'so' },
      ],
    })
    await events
  })

  test('come in the order of the journal, from spawn to exit, for the process and what descends from it', async () => {
    const world = createWorld({ models: { model: scripted(() => 'one two three', { deltaChars: 4 }) } })
    const asker = defineProgram('asker', async (sys) => (await sys.generate('hi')).text)
    const stranger = world.kernel.spawn(sleeper, 3)
    const run = spawned(world, async (sys) => sys.wait(await sys.spawn(asker, null)))
    const events = await world.settled(collected(run.events))
    const journal = events.filter((event) => 'seq' in event)
    assert.deepEqual(
      journal.map((event) => event.seq),
      journal.map((event) => event.seq).toSorted((a, b) => a - b),
    )
    assert.equal(journal[0]?.type, 'process-start')
    assert.deepEqual([events.at(-1)?.type, events.at(-1)?.pid], ['process-end', run.pid])
    assert.ok(!events.some((event) => event.pid === stranger.pid))
    const child = events.find((event) => event.type === 'process-start' && event.parent === run.pid) as RunEvent
    const text = events.flatMap((event) => (event.type === 'text-delta' ? [event] : []))
    assert.equal(text.map((event) => event.delta).join(''), 'one two three')
    assert.ok(text.every((event) => event.pid === child.pid))
    const start = events.findIndex((event) => event.type === 'call-start' && event.call === 'generate')
    const end = events.findIndex((event) => event.type === 'call-end' && event.pid === child.pid)
    for (const event of text)
      assert.ok(
        events.indexOf(event) > start && events.indexOf(event) < end,
        'text comes between the start and the end of its call',
      )
    for (const event of journal)
      assert.ok(
        world.store.events(event.pid).some((kept) => kept.seq === event.seq),
        'what is told is kept',
      )
  })

  test('of a child are not those of its younger siblings', async () => {
    const world = createWorld()
    const run = spawned(world, async (sys) => {
      const first = await sys.spawn(sleeper, 20)
      await sys.send(sys.pid, first)
      const second = await sys.spawn(sleeper, 5)
      return [await sys.wait(first), await sys.wait(second)]
    })
    await lived(world, (sys) => sys.sleep(1))
    const [first, second] = world.kernel.ps().filter((info) => info.parent === run.pid)
    const events = await world.settled(collected(world.kernel.run(first?.pid as Pid).events))
    assert.ok(events.length > 0)
    assert.ok(
      events.every((event) => event.pid === first?.pid),
      `sees ${second?.pid} too`,
    )
    await world.settled(run.result)
  })

  test('a watcher that does not keep up costs bounded memory, and ends when the run does', async () => {
    const world = createWorld({
      limits: { watchEventsMax: 50 },
      models: { model: scripted(() => 'word '.repeat(2_000), { deltaChars: 5 }) },
    })
    const run = spawned(world, async (sys) => {
      await Promise.all(Array.from({ length: 20 }, () => sys.generate('hi')))
      for (let i = 0; i < 500; i++) await sys.sleep(1)
      return 'done'
    })
    const iterator = run.events[Symbol.asyncIterator]()
    const first = await world.settled(iterator.next())
    assert.equal(first.done, false)
    assert.equal(await world.settled(run.result), 'done')
    const rest: RunEvent[] = []
    for (
      let next = await world.settled(iterator.next());
      next.done !== true;
      next = await world.settled(iterator.next())
    )
      rest.push(next.value)
    assert.ok(rest.length <= 51, `${rest.length} events waited`)
    assert.equal(rest.at(-1)?.type, 'process-end')
  })

  test('end also where the process is stopped or the kernel closed, and for who comes too late', async () => {
    const world = createWorld()
    const run = spawned(world, (sys) => sys.sleep(1e9))
    const events = collected(run.events)
    await lived(world, (sys) => sys.sleep(1))
    await world.settled(world.kernel.close())
    assert.ok((await world.settled(events)).length > 0)
    assert.deepEqual(await world.settled(collected(run.events)), [])
  })

  test('of a resumed process that no longer makes its calls end, as its result does', async () => {
    const first = createWorld()
    const { pid } = first.kernel.spawn(
      defineProgram('changes', async (sys) => void (await sys.sleep(10), await sys.sleep(1e9))),
      null,
    )
    await lived(first, (sys) => sys.sleep(20))
    await first.settled(first.kernel.close())
    const store = recordingStore()
    for (const batch of first.store.batches) void store.commit(batch)
    const second = createWorld({
      store,
      programs: [defineProgram('changes', async (sys) => void (await sys.write('a', 'b'))) as unknown as Program],
    })
    const [run] = second.kernel.resume(pid)
    const events = collected((run as NonNullable<typeof run>).events)
    assert.equal(codeOf(await second.settled(endOf((run as NonNullable<typeof run>).result))), 'REPLAY_MISMATCH')
    await second.settled(events)
  })

  test('who gives up while nothing happens is let go at once, and no model streams for them any more', async () => {
    const ways: string[] = []
    const model = scripted(() => 'one two')
    const seen: LanguageModel = {
      ...model,
      doGenerate: (call) => (ways.push('whole'), model.doGenerate(call)),
      doStream: (call) => (ways.push('streamed'), model.doStream(call)),
    }
    const world = createWorld({ models: { model: seen } })
    const run = spawned(world, async (sys) => {
      for (let i = 0; i < 2; i++) {
        await sys.receive()
        await sys.generate('hi')
      }
    })
    const events = run.events[Symbol.asyncIterator]()
    // What happens from here on is kept for who asks later.
    world.kernel.send(run.pid, 'go')
    await lived(world, (sys) => sys.sleep(5))
    const types: string[] = []
    for (let i = 0; i < 8; i++) types.push((await world.settled(events.next())).value?.type ?? '')
    assert.deepEqual([types[0], types.includes('text-delta')], ['process-start', true])
    let pending = events.next()
    while ((await Promise.race([pending, new Promise((resolve) => setImmediate(resolve))])) !== undefined)
      pending = events.next()
    const over = { value: undefined, done: true }
    assert.deepEqual(await events.return?.(), over)
    assert.deepEqual(await pending, over)
    assert.deepEqual(await events.next(), over)
    world.kernel.send(run.pid, 'go')
    await world.settled(run.result)
    assert.deepEqual(ways, ['streamed', 'whole'])
  })

  test('a hearer that throws harms nobody', async () => {
    const world = createWorld()
    const warnings: string[] = []
    const hear = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', hear)
    const heard: RunEvent[] = []
    world.kernel.watch(() => {
      throw new Error('I do not want to hear this')
    })
    world.kernel.watch((event) => heard.push(event))
    assert.equal(await lived(world, async (sys) => (await sys.sleep(1), 'fine')), 'fine')
    assert.ok(
      heard.some((event) => event.type === 'process-end'),
      'the others hear everything',
    )
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', hear)
    assert.ok(
      warnings.some((message) => message.includes('I do not want to hear this')),
      'and it is not passed over in silence',
    )
  })
})

describe('results', () => {
  test('are one promise a process, however many ask; a resumed process has a new one', async () => {
    const first = createWorld()
    const asks = defineProgram('asks', async (sys) => sys.ask('well?'))
    const { pid } = first.kernel.spawn(asks, null)
    const stopped = first.kernel.run(pid).result
    assert.equal(first.kernel.run(pid).result, stopped)
    const end = endOf(stopped)
    await lived(first, (sys) => sys.sleep(1))
    await first.settled(first.kernel.close())
    assert.equal(codeOf(await end), 'KERNEL_CLOSED')
    const second = createWorld({
      store: cutStore(first.store.batches, Infinity),
      programs: [asks as unknown as Program],
    })
    const before = second.kernel.run(pid).result
    assert.equal(codeOf(await second.settled(endOf(before))), 'KERNEL_CLOSED')
    second.kernel.resume()
    await lived(second, (sys) => sys.sleep(1))
    second.kernel.answer(second.kernel.questions[0]?.id as number, 'well')
    assert.equal(await second.settled(second.kernel.run(pid).result), 'well')
  })

  test('are what the program returned, plain and frozen; what is not plain fails the process', async () => {
    const world = createWorld()
    const given = { list: [1, { a: 'b' }], gone: undefined }
    const value = (await lived(world, () => Promise.resolve(given))) as { list: unknown }
    assert.deepEqual(value, { list: [1, { a: 'b' }] })
    assert.ok(Object.isFrozen(value) && Object.isFrozen(value.list))
    for (const [what, code] of [
      [() => 1, 'INVALID_ARGUMENT'],
      [new Map(), 'INVALID_ARGUMENT'],
      ['x'.repeat(2_000_000), 'TOO_LARGE'],
    ] as const)
      assert.equal(codeOf(await world.settled(endOf(spawned(world, () => Promise.resolve(what)).result))), code)
  })

  test('of a program that throws anything at all is an error of the table', async () => {
    const throwing = (): never => {
      throw new Error('trap')
    }
    const thrown: unknown[] = [
      new Error('plain'),
      'a text',
      undefined,
      null,
      42n,
      Symbol('s'),
      new Proxy({}, { get: throwing, has: throwing, getPrototypeOf: throwing }),
      Object.assign(new Error('forged'), { [Symbol.for('polity.error')]: true, code: 'NO_SUCH_CODE' }),
      new PolityError('ACCESS_DENIED', 'by the program itself'),
    ]
    const world = createWorld()
    for (const [i, error] of thrown.entries()) {
      for (const program of [
        () => Promise.reject(error),
        () => {
          throw error
        },
      ]) {
        const code = codeOf(await world.settled(endOf(spawned(world, program).result)))
        assert.equal(code, i === thrown.length - 1 ? 'ACCESS_DENIED' : 'PROGRAM_FAILED')
      }
    }
  })

  test('of a program that is not async, or returns what only looks like a promise', async () => {
    const world = createWorld()
    const run = (program: unknown) =>
      world.settled(endOf(world.kernel.spawn(program as (sys: Sys) => Promise<Json>, null).result))
    assert.deepEqual(await run(() => 5), { value: 5 })
    assert.deepEqual(await run(() => ({ then: (resolve: (value: number) => void) => resolve(6) })), { value: 6 })
    assert.equal(
      codeOf(
        await run(() => ({
          then() {
            throw new Error('no')
          },
        })),
      ),
      'PROGRAM_FAILED',
    )
    assert.equal(
      codeOf(
        await run(() => ({
          get then() {
            throw new Error('no')
          },
        })),
      ),
      'PROGRAM_FAILED',
    )
    assert.equal(
      codeOf(
        await run(() =>
          Object.assign(Promise.resolve(1), {
            then() {
              throw new Error('no')
            },
          }),
        ),
      ),
      'PROGRAM_FAILED',
    )
  })
})

test('no rejection that a program forgot, lost or abandoned reaches the operating-system process', async () => {
  const leaked: unknown[] = []
  const hear = (reason: unknown): void => void leaked.push(reason)
  process.on('unhandledRejection', hear)
  try {
    const world = createWorld({
      models: { model: rawModel(() => Promise.reject(new Error('down'))) },
      tools: [tool('bad', () => Promise.reject(new Error('bad')), { timeoutMs: 5 })],
    })
    await lived(world, async (sys) => {
      // Forgotten: nobody awaits these.
      void sys.call('bad', null)
      void sys.generate('hi')
      void sys.read('absent')
      void sys.sleep(-1)
      void sys.wait(987_654)
      // Lost in a race.
      await Promise.race([sys.sleep(1), sys.call('bad', null)]).catch(() => {})
      await sys.sleep(100)
      return null
    })
    // Abandoned: the process ends while its calls are open, or is killed in the middle.
    await lived(world, (sys) => {
      void sys.call('bad', null)
      void sys.sleep(5)
      return Promise.resolve(null)
    })
    const run = spawned(world, async (sys) => Promise.all([sys.call('bad', null), sys.sleep(1e6), sys.receive()]))
    run.kill()
    await world.settled(endOf(run.result))
    // Nobody asks for this result.
    spawned(world, () => Promise.reject(new Error('unheard')))
    await lived(world, (sys) => sys.sleep(1_000))
    const real = createKernel({
      store: recordingStore({ durability: 'memory' }),
      clock: realClock({ seed: 1 }),
      tools: [tool('bad', () => Promise.reject(new Error('bad')))],
    })
    real.spawn(async (sys: Sys) => void sys.call('bad', null), null)
    real.spawn(async (sys: Sys) => void (await sys.sleep(1e6)), null)
    await new Promise((resolve) => setTimeout(resolve, 10))
    await real.close()
    await world.settled(world.kernel.close())
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
  } finally {
    process.off('unhandledRejection', hear)
  }
  assert.deepEqual(leaked, [])
})

test('a tool or a driver whose abort listener throws ends its own call only, and its owner is told', async () => {
  const uncaught: unknown[] = []
  const warned: string[] = []
  const hear = (error: unknown): void => void uncaught.push(error)
  const note = ({ message }: Error): void => void warned.push(message)
  process.on('uncaughtException', hear)
  process.on('unhandledRejection', hear)
  process.on('warning', note)
  try {
    let heard = 0
    const listen = (signal: AbortSignal, name: string): void => {
      const removed = (): void => void uncaught.push('was removed')
      signal.addEventListener('abort', removed)
      signal.addEventListener('abort', () => {
        throw new Error(`${name} throws`)
      })
      signal.addEventListener('abort', async () => {
        throw new Error(`${name} rejects`)
      })
      signal.addEventListener(
        'abort',
        {
          handleEvent() {
            throw new Error(`${name} captures`)
          },
        },
        { once: true, capture: true },
      )
      // oxlint-disable-next-line unicorn/prefer-add-event-listener -- both ways have to hold
      signal.onabort = () => {
        throw new Error(`${name} handles`)
      }
      signal.removeEventListener('abort', removed)
      signal.addEventListener('abort', () => void heard++)
    }
    const world = createWorld({
      models: {
        model: rawModel(({ abortSignal }) => {
          listen(abortSignal as AbortSignal, 'driver')
          return new Promise(() => {})
        }),
      },
      tools: [
        tool('hangs', (_input, { signal }) => {
          listen(signal, 'tool')
          return new Promise(() => {})
        }),
      ],
    })
    const run = spawned(world, async (sys) => Promise.all([sys.generate('hi'), sys.call('hangs', null)]))
    await lived(world, (sys) => sys.sleep(10))
    run.kill()
    assert.equal(codeOf(await world.settled(endOf(run.result))), 'KILLED')
    await lived(world, (sys) => sys.sleep(10))
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
    assert.equal(heard, 2)
  } finally {
    process.off('uncaughtException', hear)
    process.off('unhandledRejection', hear)
    process.off('warning', note)
  }
  assert.deepEqual(uncaught, [])
  assert.deepEqual(
    warned.map((message) => message.replace('what listens to the abort of a call threw: ', '')).toSorted(),
    ['driver', 'tool'].flatMap((name) => ['captures', 'handles', 'rejects', 'throws'].map((how) => `${name} ${how}`)),
  )
})
