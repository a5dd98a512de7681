/**
 * Snapshots: one id for state, notes and files. `restore` brings all three back, `fork` branches all three off, and neither
 * reaches what others did.
 */
// oxlint-disable unicorn/consistent-function-scoping -- a test reads best with its parts beside it
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { PolityError } from '../src/kernel/errors.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Json, Pid, Program, Sys } from '../src/kernel/types.ts'
import type { RecordingStore, World } from './world.ts'
import { codeOf, createWorld, cutStore, endOf, recordingStore, tool } from './world.ts'

const spawned = (world: World, body: (sys: Sys) => Promise<unknown>, options = {}) =>
  world.kernel.spawn(body as (sys: Sys) => Promise<Json>, null, options)
const lived = (world: World, body: (sys: Sys) => Promise<unknown>, options = {}): Promise<Json> =>
  world.settled(spawned(world, body, options).result)

/** What a process sees of its world, as plain data. */
async function sight(sys: Sys): Promise<Json> {
  const files = await sys.list()
  const contents = await Promise.all(files.map(async ({ path }) => [path, await sys.read(path)]))
  const notes = (await sys.recall('note', { limit: 100 })).map(({ text }) => text)
  return { files: contents, notes: notes.toSorted() }
}

describe('restore', () => {
  test('brings back state, notes and files together, and nothing of what came after', async () => {
    const world = createWorld()
    const seen = await lived(world, async (sys) => {
      await sys.write('kept', 'one')
      await sys.write('removed', 'back again')
      const kept = await sys.remember('note kept')
      const forgotten = await sys.remember('note forgotten and back')
      let local = 'before'
      const { id, restored } = await sys.snapshot()
      if (restored === 0) {
        local = 'after'
        await sys.write('kept', 'two')
        await sys.write('new', 'x')
        await sys.remove('removed')
        await sys.remember('note new')
        await sys.forget(forgotten)
        await sys.restore(id)
      }
      return [local, restored, await sight(sys), (await sys.recall('note kept'))[0]?.id === kept]
    })
    assert.deepEqual(seen, [
      'before',
      1,
      {
        files: [
          ['kept', 'one'],
          ['removed', 'back again'],
        ],
        notes: ['note forgotten and back', 'note kept'],
      },
      true,
    ])
  })

  test('never returns, and counts how often it was done', async () => {
    const world = createWorld()
    let passed = 0
    const counts = await lived(world, async (sys) => {
      const { id, restored } = await sys.snapshot()
      await sys.write('count', `${restored}`)
      if (restored < 5) {
        await sys.restore(id)
        passed++
      }
      return [restored, await sys.read('count')]
    })
    assert.deepEqual([counts, passed], [[5, '5'], 0])
  })

  test('nests: an inner one undoes the inner, an outer one both, and an id of the undone is gone', async () => {
    const world = createWorld()
    const trail: string[] = []
    const seen = await lived(world, async (sys) => {
      await sys.write('f', '0')
      const outer = await sys.snapshot()
      await sys.write('f', `outer ${outer.restored}`)
      const inner = await sys.snapshot()
      trail.push(`${outer.restored}.${inner.restored}`)
      if (inner.restored === 0) {
        await sys.write('f', 'inner')
        await sys.restore(inner.id)
      }
      const between = await sys.read('f')
      if (outer.restored === 0) {
        await sys.send(sys.pid, inner.id)
        await sys.restore(outer.id)
      }
      return [between, outer.restored, inner.restored]
    })
    // After the outer restore the inner snapshot is a new one, not restored yet.
    assert.deepEqual(trail, ['0.0', '0.1', '1.0', '1.1'])
    assert.deepEqual(seen, ['outer 1', 1, 1])
  })

  test('kills the children spawned since, keeps the older ones, and un-receives what was received', async () => {
    const world = createWorld()
    const sleeper = defineProgram('sleeper', async (sys, ms: number) => (await sys.sleep(ms), ms))
    const post = defineProgram('post', (sys, to: Pid) => sys.send(to, 'letter'))
    const seen = await lived(world, async (sys) => {
      const old = await sys.spawn(sleeper, 1_000)
      await sys.wait(await sys.spawn(post, sys.pid))
      const { id, restored } = await sys.snapshot()
      const letter = (await sys.receive({ timeoutMs: 5 })).body
      if (restored === 0) {
        await sys.spawn(sleeper, 1e8)
        await sys.restore(id)
      }
      return [letter, await sys.wait(old)]
    })
    assert.deepEqual(seen, ['letter', 1_000])
    const ends = world.kernel
      .ps()
      .filter((info) => info.program === 'sleeper')
      .map((info) => [info.state, info.error?.code])
    assert.deepEqual(ends.toSorted(), [
      ['done', undefined],
      ['killed', 'PARENT_ENDED'],
    ])
  })

  test('ends the children spawned since at once: what they would have written later is not there', async () => {
    const world = createWorld()
    const late = defineProgram('late', async (sys) => {
      await sys.sleep(50)
      await sys.write('late', 'by a child that was undone')
    })
    const seen = await lived(world, async (sys) => {
      const { id, restored } = await sys.snapshot()
      if (restored === 0) {
        await sys.spawn(late, null)
        await sys.restore(id)
      }
      await sys.sleep(100)
      return sys.list()
    })
    assert.deepEqual(seen, [])
  })

  test('in the middle of parallel work leaves nothing of the old frame behind', async () => {
    const world = createWorld({
      tools: [
        tool(
          'slow',
          (input, { signal }) =>
            new Promise((resolve, reject) => {
              signal.addEventListener('abort', () => reject(signal.reason as Error))
              void world.clock.after(50, () => resolve(input))
            }),
        ),
      ],
    })
    let frames = 0
    let leaked = 0
    const run = spawned(world, async (sys) => {
      const frame = ++frames
      const { id, restored } = await sys.snapshot()
      const work = Promise.all([
        sys.call('slow', 1),
        sys.sleep(20),
        sys.receive({ timeoutMs: 30 }).catch(() => 'nothing'),
      ])
      void work.then(
        () => (frame === 1 ? leaked++ : 0),
        () => leaked++,
      )
      if (restored === 0) {
        await sys.sleep(5)
        await sys.restore(id)
      }
      return work
    })
    assert.deepEqual(await world.settled(run.result), [1, null, 'nothing'])
    assert.equal(leaked, 0)
    const report = await world.settled(world.kernel.replay(run.pid))
    assert.equal(report.same, true, report.difference)
  })

  test('of an id that is unknown, foreign, of another process of the same tree, or nonsense is refused', async () => {
    const world = createWorld()
    const child = defineProgram('child', async (sys) => (await sys.snapshot()).id)
    const codes = await lived(world, async (sys) => {
      const theirs = (await sys.wait(await sys.spawn(child, null))) as string
      const { id } = await sys.snapshot()
      const codes: string[] = []
      for (const wrong of [
        theirs,
        '',
        '.',
        'x.y',
        '1',
        `${id}.0`,
        ` ${id}`,
        `${sys.pid}.99999`,
        `${sys.pid}.-1`,
        `${sys.pid}.NaN`,
        '0x1.0',
        `${sys.pid}.0`,
      ])
        codes.push(codeOf(await endOf(sys.restore(wrong))))
      return codes
    })
    assert.deepEqual(codes, Array(12).fill('NO_SUCH_SNAPSHOT'))
  })

  test('undoes the process’s own work and its children’s, not its parent’s, its siblings’ or another tree’s of the same principal', async () => {
    const world = createWorld()
    const own = defineProgram('own', async (sys) => {
      const { id, restored } = await sys.snapshot()
      if (restored === 0) {
        await sys.write('mine', 'x')
        await sys.wait(await sys.spawn(helper, null))
        await sys.sleep(100)
        await sys.restore(id)
      }
      return sight(sys)
    })
    const helper = defineProgram(
      'helper',
      async (sys) => (await sys.write('child', 'x'), await sys.remember('note of the child'), null),
    )
    const sibling = defineProgram('sibling', async (sys) => {
      await sys.sleep(50)
      await sys.write('sibling', 'x')
      await sys.remember('note of the sibling')
      return null
    })
    const other = spawned(world, async (sys) => {
      await sys.sleep(50)
      await sys.remember('note of another tree')
      await sys.sleep(1_000)
      return (await sys.recall('note of another tree')).some(({ text }) => text === 'note of another tree')
    })
    const seen = await lived(world, async (sys) => {
      const [a, b] = [await sys.spawn(own, null), await sys.spawn(sibling, null)]
      await sys.sleep(50)
      await sys.write('parent', 'x')
      await sys.wait(b)
      return sys.wait(a)
    })
    assert.deepEqual(seen, {
      files: [
        ['parent', 'x'],
        ['sibling', 'x'],
      ],
      notes: ['note of another tree', 'note of the sibling'],
    })
    assert.equal(await world.settled(other.result), true)
  })
})

describe('fork', () => {
  test('isolates files and notes both ways, from the call on', async () => {
    const world = createWorld()
    const seen = await lived(world, async (sys) => {
      await sys.write('shared', 'before')
      await sys.write('gone', 'x')
      const early = await sys.remember('note before')
      const pid = await sys.fork()
      const who = pid === 0 ? 'child' : 'parent'
      await sys.write('shared', who)
      await sys.write(`only ${who}`, 'x')
      if (pid === 0) await sys.forget(early)
      else await sys.remove('gone')
      await sys.remember(`note of the ${who}`)
      await sys.sleep(10)
      const mine = await sight(sys)
      return pid === 0 ? mine : [mine, await sys.wait(pid)]
    })
    assert.deepEqual(seen, [
      {
        files: [
          ['only parent', 'x'],
          ['shared', 'parent'],
        ],
        notes: ['note before', 'note of the parent'],
      },
      {
        files: [
          ['gone', 'x'],
          ['only child', 'x'],
          ['shared', 'child'],
        ],
        notes: ['note of the child'],
      },
    ])
  })

  test('of a fork sees what its origin saw; a restore in it goes back to before the fork, for itself alone', async () => {
    const world = createWorld()
    const seen = await lived(world, async (sys) => {
      await sys.write('f', 'origin')
      const { id, restored } = await sys.snapshot()
      await sys.write('f', 'written after the snapshot')
      const pid = await sys.fork()
      if (pid !== 0) {
        const theirs = await sys.wait<Json>(pid)
        return [await sys.read('f'), restored, theirs]
      }
      await sys.write('f', 'child')
      if (restored === 0) await sys.restore(id)
      // In its second life the child makes the calls after the snapshot anew, the fork among them.
      return [await sys.read('f'), restored]
    })
    const again = ['written after the snapshot', 1, ['child', 1]]
    assert.deepEqual(seen, ['written after the snapshot', 0, again])
  })

  test('from outside at every call sees the files of exactly that moment', async () => {
    const world = createWorld()
    const writer = defineProgram('writer', async (sys) => {
      for (let i = 0; i < 5; i++) await sys.write('f', `${i}`)
      return sys.read('f')
    })
    const run = world.kernel.spawn(writer, null)
    assert.equal(await world.settled(run.result), '4')
    const second = createWorld({
      clock: world.clock,
      store: cutStore(world.store.batches, world.store.batches.length),
      programs: [reader() as unknown as Program],
    })
    function reader() {
      // The same calls up to the cut, then a look.
      return defineProgram('writer', async (sys) => {
        let last: Json = null
        for (let i = 0; i < 5; i++) {
          const end = await endOf(sys.write('f', `${i}`))
          last = 'code' in end ? end.code : null
        }
        return [last, await sys.read('f')]
      })
    }
    for (let at = 0; at <= 5; at++) {
      const fork = await second.settled(second.kernel.fork(run.pid, { at }))
      assert.deepEqual(await second.settled(fork.result), [null, '4'])
      assert.equal(
        (await second.kernel.events(fork.pid)).filter((event) => event.type === 'call-start' && event.call === 'write')
          .length,
        5 - at,
      )
    }
  })
})

describe('over a restart', () => {
  /** Writes, snapshots, goes back, writes again: what is read at the end is told by the steps alone. */
  const steps = defineProgram(
    'steps',
    async (
      sys,
      { before, undone, after }: { before: readonly string[]; undone: readonly string[]; after: readonly string[] },
    ): Promise<Json> => {
      const put = async (paths: readonly string[], content: string): Promise<void> => {
        for (const path of paths) {
          await sys.write(path, content)
          await sys.remember(`note ${path} ${content}`)
        }
      }
      await put(before, 'before')
      const { id, restored } = await sys.snapshot()
      if (restored === 0) {
        await put(undone, 'undone')
        await sys.restore(id)
      }
      await put(after, 'after')
      return sight(sys)
    },
  ) as unknown as Program

  function resumed(store: RecordingStore, world: World): World {
    return createWorld({ clock: world.clock, store, programs: [steps] })
  }

  test('property: cut anywhere, a run with a restore ends with the state, notes and files that its steps say', async () => {
    const paths = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(
        paths,
        paths,
        paths,
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (before, undone, after, share) => {
          const world = createWorld({ programs: [steps] })
          const run = world.kernel.spawn(steps, { before, undone, after })
          const expected = {
            files: [...new Set([...before, ...after])]
              .toSorted()
              .map((path) => [path, after.includes(path) ? 'after' : 'before']),
            notes: [
              ...before.map((path) => `note ${path} before`),
              ...after.map((path) => `note ${path} after`),
            ].toSorted(),
          }
          assert.deepEqual(await world.settled(run.result), expected)
          const again = resumed(cutStore(world.store.batches, Math.round(share * world.store.batches.length)), world)
          if (again.store.lastSeq() < 0 || again.kernel.ps().length === 0) return
          again.kernel.resume()
          assert.deepEqual(await again.settled(again.kernel.run(run.pid).result), expected)
        },
      ),
      { numRuns: 150 },
    )
  })
})

describe('a store that cannot be read at that moment', () => {
  /** A store whose reads fail from the `left`-th on, once it is told to. */
  function unsure(): { store: RecordingStore; failAfter(reads: number | undefined): void } {
    const store = recordingStore()
    let left: number | undefined
    const read = <Given extends readonly unknown[], Got>(of: (...given: Given) => Got) =>
      function (...given: Given): Got {
        if (left !== undefined && left-- <= 0) throw new PolityError('STORE_FAILED', 'the disk does not answer')
        return of(...given)
      }
    const { events, range, get } = store
    return {
      store: { ...store, events: read(events), range: read(range), get: read(get) },
      failAfter: (reads) => (left = reads),
    }
  }

  test('ends a process that went back, or leaves it where it was: nothing hangs, nothing is done twice', async () => {
    let wasEnded = false
    for (let reads = 0; ; reads++) {
      const { store, failAfter } = unsure()
      const world = createWorld({ store, tools: [tool('trouble', () => failAfter(reads))] })
      const run = spawned(world, async (sys) => {
        await sys.write('f', 'before')
        const { id, restored } = await sys.snapshot()
        if (restored > 0) return 'back'
        await sys.write('f', 'after')
        await sys.call('trouble', null)
        const end = await endOf(sys.restore(id))
        return `refused: ${codeOf(end)}`
      })
      const end = await world.settled(endOf(run.result))
      failAfter(undefined)
      if ('code' in end) {
        wasEnded = true
        assert.equal(end.code, 'STORE_FAILED', end.message)
        assert.equal(run.info().state, 'killed')
      } else if (end.value === 'back') {
        await world.kernel.close()
        break
      } else assert.match(String(end.value), /^refused: /)
      await world.kernel.close()
    }
    assert.ok(wasEnded, 'no read failed behind the point of no return')
  })

  test('ends a fork that did not get its past: it does not begin anew', async () => {
    let wasEnded = false
    for (let reads = 0; ; reads++) {
      const { store, failAfter } = unsure()
      let paid = 0
      const world = createWorld({ store, tools: [tool('pay', () => ++paid, { effect: 'once' })] })
      const run = spawned(world, async (sys) => {
        await sys.call('pay', 1)
        return sys.sleep(10_000).then(() => 'slept')
      })
      await world.settled(spawned(world, async (sys) => sys.sleep(10)).result)
      failAfter(reads)
      const forked = await world.settled(endOf(world.kernel.fork(run.pid)))
      failAfter(undefined)
      await world.settled(run.result)
      const all = world.kernel.ps()
      assert.equal(paid, 1, `after ${reads} reads a fork paid again`)
      if (!('code' in forked)) {
        await world.kernel.close()
        break
      }
      wasEnded ||= all.some(({ state }) => state === 'killed')
      assert.ok(
        all.every(({ state }) => state === 'done' || state === 'killed'),
        JSON.stringify(all.map(({ state }) => state)),
      )
      await world.kernel.close()
    }
    assert.ok(wasEnded, 'no read failed behind the start of a fork')
  })
})
