/**
 * Tools with a state: what a tool keeps follows its process through forks, restores, crashes and children, and no step is
 * executed again that the journal holds.
 */
// oxlint-disable unicorn/consistent-function-scoping -- a test reads best with its parts beside it
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { defineProgram } from '../src/kernel/program.ts'
import type { Json, Pid, Program, Sys, Tool } from '../src/kernel/types.ts'
import { codeOf, createWorld, cutStore, endOf, recordingStore, tool } from './world.ts'

/** A list that grows: `add` puts a letter behind it and answers with all of it, at once or later. */
function listTools(): { readonly tools: readonly Tool[]; readonly executed: Json[] } {
  const executed: Json[] = []
  const grown = (state: Json | undefined, letter: Json): Json => [...((state ?? []) as Json[]), letter]
  const tools = [
    tool('add', (letter, context) => {
      executed.push(letter)
      const next = grown(context.state, letter)
      context.keep(next)
      return next
    }),
    tool('addLater', async (letter, context) => {
      executed.push(letter)
      await Promise.resolve()
      const next = grown(context.state, letter)
      context.keep(next)
      return next
    }),
    tool('list', (_, context) => context.state ?? []),
    tool('fail', (letter, context) => {
      context.keep(grown(context.state, letter))
      throw new Error('after it kept')
    }),
    tool('adopt', (pid, context) => {
      context.keep(context.stateOf(pid as Pid) ?? null)
      return context.state ?? []
    }),
    tool('where', (_, { names, space }) => [names, space]),
  ].map((one) => ({ ...one, state: 'list' }))
  return { tools, executed }
}

function lived(body: (sys: Sys) => Promise<unknown>, tools = listTools().tools): Promise<Json> {
  const world = createWorld({ tools })
  return world.settled(world.kernel.spawn(body as (sys: Sys) => Promise<Json>, null).result)
}

describe('a tool with a state', () => {
  test('keeps it from call to call, for one process tree; another run begins anew', async () => {
    const world = createWorld({ tools: listTools().tools })
    const body = async (sys: Sys): Promise<Json> => {
      await sys.call('add', 'a')
      return sys.call('addLater', 'b')
    }
    for (let i = 0; i < 2; i++) assert.deepEqual(await world.settled(world.kernel.spawn(body, null).result), ['a', 'b'])
  })

  test('a call that fails keeps nothing', async () => {
    const seen = await lived(async (sys) => {
      await sys.call('add', 'a')
      const end = await endOf(sys.call('fail', 'b'))
      return [codeOf(end), await sys.call('list', null)]
    })
    assert.deepEqual(seen, ['TOOL_FAILED', ['a']])
  })

  test('a child that was spawned shares it, a fork goes on with its own', async () => {
    const child = defineProgram('child', (sys) => sys.call('add', 'child'))
    const seen = await lived(async (sys) => {
      await sys.call('add', 'a')
      await sys.wait(await sys.spawn(child, null))
      const pid = await sys.fork()
      if (pid === 0) return sys.call('add', 'fork')
      const fork = await sys.wait(pid)
      return [fork, await sys.call('add', 'b')]
    })
    assert.deepEqual(seen, [
      ['a', 'child', 'fork'],
      ['a', 'child', 'b'],
    ])
  })

  test('goes on from a descendant, also an ended one, and from nobody else', async () => {
    const world = createWorld({ tools: listTools().tools })
    const other = world.kernel.spawn((sys) => sys.call('add', 'stranger'), null)
    await world.settled(other.result)
    const run = world.kernel.spawn(async (sys) => {
      await sys.call('add', 'a')
      const pid = await sys.fork()
      if (pid === 0) return sys.call('add', 'fork')
      await sys.wait(pid)
      const adopted = await sys.call('adopt', pid)
      return [
        adopted,
        await sys.call('add', 'b'),
        codeOf(await endOf(sys.call('adopt', other.pid))),
        codeOf(await endOf(sys.call('adopt', 12_345))),
      ] as Json
    }, null)
    assert.deepEqual(await world.settled(run.result), [
      ['a', 'fork'],
      ['a', 'fork', 'b'],
      'ACCESS_DENIED',
      'NO_SUCH_PROCESS',
    ])
  })

  test('goes on from forks whose journals have gone, while the one they descend from runs; nobody else does', async () => {
    const world = createWorld({
      tools: listTools().tools,
      store: recordingStore({ durability: 'memory' }),
      limits: { processesEndedMax: 1 },
    })
    const FORKS = 150
    const curious = defineProgram('curious', async (sys, pid: Pid) => codeOf(await endOf(sys.call('adopt', pid))))
    let forks: readonly Pid[] = []
    let nested: Pid | undefined
    const run = world.kernel.spawn(async (sys) => {
      await sys.call('add', 'a')
      const pids: Pid[] = []
      for (let i = 0; i < FORKS; i++) {
        const pid = await sys.fork()
        // Some only look, some act, and one forks again and does not act itself.
        if (pid === 0 && i === 1) {
          const inner = await sys.fork()
          if (inner === 0) return sys.call('add', 'inner')
          await sys.wait(inner)
          return inner
        }
        if (pid === 0) return i % 2 === 0 ? sys.call('add', i) : sys.call('list', null)
        const end = await sys.wait(pid)
        if (i === 1) nested = end as Pid
        pids.push(pid)
      }
      forks = pids
      await sys.call('add', 'later')
      const seen: Json[] = []
      for (const pid of [...pids, nested as Pid]) seen.push(await sys.call('adopt', pid))
      const stranger = await sys.spawn(curious, pids[0] as Pid)
      return [seen, await sys.wait(stranger)]
    }, null)
    const [seen, stranger] = (await world.settled(run.result)) as [Json[], string]
    assert.deepEqual(seen, [
      ...Array.from({ length: FORKS }, (_, i) => (i % 2 === 0 ? ['a', i] : ['a'])),
      ['a', 'inner'],
    ])
    assert.equal(stranger, 'ACCESS_DENIED')
    assert.ok(world.store.events(forks[0] as Pid).length === 0 && world.store.events(nested as Pid).length === 0)
    // Nothing is put down for what nobody can ask for any more.
    const state = () => [...world.store.range('file', 'state fork ', 'state fork!')].length
    const before = state()
    for (let i = 0; i < FORKS; i++) {
      const ended = world.kernel.spawn(async (sys) => {
        await sys.call('add', 'x')
        const pid = await sys.fork()
        return pid === 0 ? null : sys.wait(pid)
      }, null)
      await world.settled(ended.result)
    }
    assert.equal(state(), before)
  })

  test('a fork that was made while a call was open has what that call kept, and does not execute it again', async () => {
    const { tools, executed } = listTools()
    const seen = await lived(async (sys) => {
      const added = sys.call('addLater', 'a')
      const pid = await sys.fork()
      await added
      const mine = await sys.call('add', pid === 0 ? 'fork' : 'origin')
      return pid === 0 ? mine : [mine, await sys.wait(pid)]
    }, tools)
    assert.deepEqual(seen, [
      ['a', 'origin'],
      ['a', 'fork'],
    ])
    assert.deepEqual(executed.toSorted(), ['a', 'fork', 'origin'])
  })

  test('a fork does not see what its origin kept after it', async () => {
    const seen = await lived(async (sys) => {
      await sys.call('add', 'a')
      const origin = sys.pid
      const pid = await sys.fork()
      if (pid === 0) {
        await sys.receive({ from: origin })
        return [await sys.call('list', null), await sys.call('add', 'fork')]
      }
      await sys.call('add', 'late')
      await sys.send(pid, 'now')
      return sys.wait(pid)
    })
    assert.deepEqual(seen, [['a'], ['a', 'fork']])
  })

  test('a call that is open when its process is forked, and ends later, keeps for both', async () => {
    let release = (): void => {}
    const slow = {
      ...tool('slow', async (letter, context) => {
        await new Promise<void>((resolve) => (release = resolve))
        context.keep([letter])
        return [letter]
      }),
      state: 'list',
      effect: 'idempotent' as const,
    }
    const open = tool('open', () => {
      release()
      return null
    })
    const seen = await lived(
      async (sys) => {
        const kept = sys.call('slow', 'a')
        const pid = await sys.fork()
        if (pid !== 0) await sys.call('open', null)
        await kept
        const list = await sys.call('list', null)
        return pid === 0 ? list : [list, await sys.wait(pid)]
      },
      [...listTools().tools, slow, open],
    )
    assert.deepEqual(seen, [['a'], ['a']])
  })

  /** Keeps `a`, and ends when `release` is called; `open` calls it. */
  function slowTools(fails = false): readonly Tool[] {
    let release = (): void => {}
    return [
      {
        ...tool('slow', async (letter, context) => {
          const next = [...((context.state ?? []) as Json[]), letter]
          context.keep(next)
          await new Promise<void>((resolve) => (release = resolve))
          if (fails) throw new Error('after it kept')
          return next
        }),
        state: 'list',
      },
      tool('open', () => (release(), null)),
    ]
  }

  test('an older state is not put over a newer one, when the call that kept it ends later', async () => {
    const seen = await lived(
      async (sys) => {
        const slow = sys.call('slow', 'a')
        const added = await sys.call('add', 'b')
        await sys.call('open', null)
        return [await slow, added, await sys.call('list', null)]
      },
      [...listTools().tools, ...slowTools()],
    )
    assert.deepEqual(seen, [['a'], ['a', 'b'], ['a', 'b']])
  })

  test('of a call that fails nothing is read any more, nor of one that its process took with it', async () => {
    const child = defineProgram('child', (sys) => sys.call('slow', 'b'))
    const seen = await lived(
      async (sys) => {
        await sys.call('add', 'a')
        const slow = endOf(sys.call('slow', 'b'))
        const meanwhile = await sys.call('list', null)
        await sys.call('open', null)
        const failed = [codeOf(await slow), await sys.call('list', null)]
        const pid = await sys.spawn(child, null)
        await sys.sleep(1)
        const during = await sys.call('list', null)
        await sys.kill(pid)
        return [meanwhile, failed, during, await sys.call('list', null)] as Json
      },
      [...listTools().tools, ...slowTools(true)],
    )
    assert.deepEqual(seen, [['a', 'b'], ['TOOL_FAILED', ['a']], ['a', 'b'], ['a']])
  })

  test('whoever reads a state has learned what whoever kept it had', async () => {
    const { tools } = listTools()
    const secret = { ...tool('secret', () => 's'), labels: ['secret'] }
    const world = createWorld({ tools: [...tools, secret] })
    const child = defineProgram('child', async (sys) => sys.call('add', (await sys.call('secret', null)) as Json))
    const labelsIn = (pid: Pid, n: number) => {
      const end = world.store.events(pid).find((one) => one.type === 'call-end' && one.n === n)
      return end?.type === 'call-end' ? end.labels : 'no end'
    }
    // Only kept and read, not returned: the child is not waited for.
    const reader = defineProgram('reader', async (sys): Promise<Json> => {
      await sys.call('list', null)
      await sys.spawn(child, null)
      await sys.sleep(1)
      await sys.call('list', null)
      await sys.call('add', 'more')
      return sys.call('list', null)
    }) as Program
    const reads = world.kernel.spawn(reader, null)
    await world.settled(reads.result)
    assert.deepEqual(
      [0, 3, 5].map((n) => labelsIn(reads.pid, n)),
      [undefined, ['secret'], ['secret']],
    )
    // A fork is gone on from; its own end is not looked at.
    const adopts = world.kernel.spawn(async (sys) => {
      const pid = await sys.fork()
      if (pid === 0) return sys.call('add', (await sys.call('secret', null)) as Json)
      await sys.sleep(1)
      return sys.call('adopt', pid)
    }, null)
    assert.deepEqual(await world.settled(adopts.result), ['s'])
    assert.deepEqual(labelsIn(adopts.pid, 2), ['secret'])
    // And so after a restart, when only the store has it.
    const programs = [reader, child as Program]
    const later = createWorld({ tools: [...tools, secret], programs, store: world.store, clock: world.clock })
    const fork = await later.settled(later.kernel.fork(reads.pid, { at: 5 }))
    await later.settled(fork.result)
    const end = world.store.events(fork.pid).find((one) => one.type === 'call-end')
    assert.deepEqual(end?.type === 'call-end' && end.labels, ['secret'])
  })

  test('a tool is told who calls it, by the names of the processes above it', async () => {
    const child = defineProgram('child', (sys) => sys.call('where', null))
    const seen = await lived(async (sys) => sys.wait(await sys.spawn(child, null, { name: 'ada' })))
    assert.deepEqual(seen, [[null, 'ada'], 'tree 1'])
  })

  test('a tool that named no state and asks for one is told so', async () => {
    const careless = tool('careless', (_, context) => context.state ?? null)
    assert.deepEqual(
      await lived(async (sys) => codeOf(await endOf(sys.call('careless', null))), [careless]),
      'CONFIG_INVALID',
    )
  })
})

// ------------------------------------------------------------------------------------------------------------- anywhere

type Step = 'add' | 'addLater' | 'both' | 'fork' | 'snapshot' | 'restore' | 'child'
const step = fc.constantFrom<Step>('add', 'addLater', 'both', 'fork', 'snapshot', 'restore', 'child')

/** Lives the steps and returns what it saw; each process checks the state against the letters that it knows to be in it. */
function program(steps: readonly Step[]): Program<Json, Json> {
  const child = defineProgram('child', (sys: Sys) => sys.call('add', 'c'))
  return defineProgram('steps', async (sys) => {
    let known = ''
    let snapshot: { readonly id: string; readonly known: string } | undefined
    let restores = 0
    const seen: Json[] = []
    const check = (list: Json): void => {
      if ((list as string[]).join('') !== known) seen.push(`expected ${known}, not ${(list as string[]).join('')}`)
    }
    for (const [i, one] of steps.entries()) {
      const letter = String.fromCodePoint(65 + i)
      if (one === 'add' || one === 'addLater') {
        known += letter
        check(await sys.call(one, letter))
      } else if (one === 'both') {
        known += letter + letter
        await Promise.all([sys.call('addLater', letter), sys.call('addLater', letter)])
      } else if (one === 'child') {
        known += 'c'
        check(await sys.wait(await sys.spawn(child, null)))
      } else if (one === 'fork') {
        const pid = await sys.fork()
        if (pid !== 0) seen.push(await sys.wait(pid))
        else {
          known += 'f'
          check(await sys.call('add', 'f'))
          if (steps.slice(0, i).filter((before) => before === 'fork').length >= 2) return [known, ...seen]
        }
      } else if (one === 'snapshot') {
        const taken = await sys.snapshot()
        if (taken.restored === 0) snapshot = { id: taken.id, known }
        else {
          restores = taken.restored
          snapshot = { id: taken.id, known }
        }
      } else if (snapshot !== undefined && restores < 2) await sys.restore(snapshot.id)
      check(await sys.call('list', null))
    }
    return [known, ...seen]
  })
}

test('whatever a process does, and wherever a crash comes, the state is what its own calls made it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 8 }), fc.nat(100), async (steps, percent) => {
      const given = program(steps)
      const world = createWorld({ tools: listTools().tools, programs: [given as Program] })
      const run = world.kernel.spawn(given, null)
      const expected = await world.settled(run.result)
      assert.ok(!JSON.stringify(expected).includes('expected'), JSON.stringify(expected))
      assert.equal((await world.settled(world.kernel.replay(run.pid))).same, true)
      const cut = cutStore(world.store.batches, Math.round((percent / 100) * world.store.batches.length))
      const again = createWorld({
        tools: listTools().tools,
        programs: [given as Program],
        store: cut,
        clock: world.clock,
      })
      if (cut.lastSeq() < 0) return
      again.kernel.resume()
      assert.deepEqual(await again.settled(again.kernel.run(run.pid).result), expected)
    }),
    { numRuns: process.env['POLITY_LONG'] === '1' ? 200 : 40 },
  )
})
