/**
 * Which journals of ended processes stay: the oldest go first, and a past stays as long as somebody has it.
 */
import assert from 'node:assert/strict'
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import type { Put, Store } from '../src/kernel/drivers.ts'
import type { Kernel } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Pid, Program } from '../src/kernel/types.ts'

const twice = defineProgram('twice', async (sys) => {
  await sys.write('a', 'one')
  await sys.write('a', 'two')
  return sys.read('a')
}) as Program

/** A store that can be opened again on what it kept. */
interface Disk {
  open(): Store
}

const folder = mkdtempDisposableSync(join(tmpdir(), 'polity-retention-'))
let files = 0

const disks: { readonly [name: string]: () => Disk } = {
  memory() {
    const store: Store = { ...memoryStore(), durability: 'relaxed', close: () => {} }
    return { open: () => store }
  },
  SQLite() {
    const path = join(folder.path, `${files++}.db`)
    return { open: () => openSqliteStore(path, { durability: 'relaxed' }) }
  },
}

test.after(() => folder.remove())

function boot(t: TestContext, disk: Disk): { kernel: Kernel; has(pid: Pid): boolean } {
  const store = disk.open()
  const kernel = createKernel({ store, programs: [twice], limits: { processesEndedMax: 1_000 } })
  t.after(() => kernel.close())
  return {
    kernel,
    has: (pid) => store.events(pid).length > 0,
  }
}

async function ran(kernel: Kernel): Promise<Pid> {
  const run = kernel.spawn(twice, null)
  await run.result
  return run.pid
}

async function forked(kernel: Kernel, pid: Pid): Promise<Pid> {
  const run = await kernel.fork(pid, { at: 1 })
  await run.result
  return run.pid
}

/** Not the note that a key goes. */
function isNoKey({ key, value }: Put): boolean {
  return value !== null || !key.startsWith('once ')
}

/** What `collect` begins, a commit later, has happened. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}

for (const [name, disk] of Object.entries(disks)) {
  describe(name, () => {
    test('an origin stays while a fork of it has a journal, and goes with the last one', async (t) => {
      const { kernel, has } = boot(t, disk())
      const origin = await ran(kernel)
      const forks = [await forked(kernel, origin), await forked(kernel, origin)] as const
      const last = await ran(kernel)
      assert.equal(kernel.collect(3), 1, 'the oldest that may go')
      await settle()
      assert.deepEqual([origin, ...forks, last].map(has), [true, false, true, true])
      assert.equal((await kernel.replay(forks[1])).same, true, 'its past is there')
      assert.equal(kernel.collect(1), 2)
      await settle()
      assert.deepEqual([origin, ...forks, last].map(has), [false, false, false, true])
    })

    test('a fork of a fork holds both; with it the whole line goes', async (t) => {
      const { kernel, has } = boot(t, disk())
      const origin = await ran(kernel)
      const fork = await forked(kernel, origin)
      const line = [origin, fork, await forked(kernel, fork)]
      await ran(kernel)
      assert.equal(kernel.collect(3), 1)
      await settle()
      assert.deepEqual(line.map(has), [true, true, false])
      assert.equal(kernel.collect(1), 2)
      await settle()
      assert.deepEqual(line.map(has), [false, false, false])
    })

    test('so it is after a restart', async (t) => {
      const place = disk()
      const first = boot(t, place)
      const origin = await ran(first.kernel)
      const fork = await forked(first.kernel, origin)
      const line = [origin, fork, await forked(first.kernel, fork)]
      await first.kernel.close()
      const second = boot(t, place)
      assert.equal(second.kernel.collect(2), 1)
      await settle()
      assert.deepEqual(line.map(second.has), [true, true, false])
      await second.kernel.close()
      const third = boot(t, place)
      assert.equal((await third.kernel.replay(fork)).same, true)
      assert.equal(third.kernel.collect(0), 2, 'what the last one held is free')
      await settle()
      assert.deepEqual(line.map(third.has), [false, false, false])
    })

    test('a journal that could not be removed goes another time, and its origin not before it', async (t) => {
      let fails = true
      const place = disk()
      const store = place.open()
      const { kernel, has } = boot(t, {
        open: () => ({
          ...store,
          drop(pids) {
            if (fails) throw new Error('busy')
            store.drop(pids)
          },
        }),
      })
      const warned = new Promise<Error>((resolve) => void process.once('warning', resolve))
      const line = [await ran(kernel)]
      line.push(await forked(kernel, line[0] as Pid))
      assert.equal(kernel.collect(1), 1)
      assert.match((await warned).message, /1 old journals could not be removed: busy/)
      fails = false
      assert.deepEqual(line.map(has), [true, true])
      assert.equal(kernel.collect(0), 2)
      await settle()
      assert.deepEqual(line.map(has), [false, false])
    })

    test('a key goes after its journal, and never before it', async (t) => {
      const place = disk()
      const store = place.open()
      const bugs = { isBusy: true, loses: false }
      const { kernel, has } = boot(t, {
        open: () => ({
          ...store,
          commit: (batch) => store.commit(bugs.loses ? { ...batch, puts: batch.puts.filter(isNoKey) } : batch),
          drop(pids) {
            if (bugs.isBusy) throw new Error('busy')
            store.drop(pids)
          },
        }),
      })
      const started = async (by: Kernel, digest: string): Promise<Pid> => {
        const run = by.spawn(twice, null, { once: { key: 'order-17', digest } })
        await run.result
        return run.pid
      }
      const first = await started(kernel, 'one')
      const warned = new Promise((resolve) => void process.once('warning', resolve))
      assert.equal(kernel.collect(0), 1)
      await warned
      await settle()
      assert.equal(has(first), true)
      assert.equal(await started(kernel, 'one'), first, 'the journal is there, and so is the key')
      await assert.rejects(started(kernel, 'other'), { code: 'KEY_REUSED' })

      bugs.isBusy = false
      assert.equal(kernel.collect(0), 1)
      await settle()
      assert.equal(has(first), false)
      const second = await started(kernel, 'other')
      assert.notEqual(second, first, 'both are gone')

      // A crash between the journal and the key leaves the key.
      bugs.loses = true
      assert.equal(kernel.collect(0), 1)
      await settle()
      await kernel.close()
      const again = boot(t, place)
      assert.equal(again.has(second), false)
      const third = await started(again.kernel, 'third')
      assert.notEqual(third, second, 'a key that is left over holds nothing')
      assert.equal(await started(again.kernel, 'third'), third)
    })
  })
}
