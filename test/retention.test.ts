/**
 * Which journals of ended processes stay: the oldest go first, and a past stays as long as somebody has it.
 */
import assert from 'node:assert/strict'
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import type { Put, Store } from '../src/kernel/drivers.ts'
import type { Kernel } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import { defineTool } from '../src/kernel/tools.ts'
import type { Pid, Program, Usage } from '../src/kernel/types.ts'
import { parseLaw } from '../src/policy/law.ts'

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

/** A disk whose journals cannot be removed as long as it is busy. */
function busyAtDrop(disk: Disk): Disk & { isBusy: boolean } {
  const place = {
    isBusy: true,
    open(): Store {
      const store = disk.open()
      return {
        ...store,
        drop(pids) {
          if (place.isBusy) throw new Error('busy')
          store.drop(pids)
        },
      }
    },
  }
  return place
}

/** What a kernel counts for a process after a crash now: of what is in the store, and of nothing else. */
async function usageAfterCrash(store: Store, programs: readonly Program[], pid: Pid): Promise<Usage> {
  await settle()
  const other = createKernel({ store: { ...store, commit: () => {}, close: () => {} }, programs })
  const { usage } = other.info(pid)
  await other.close()
  return { ...usage }
}

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
      assert.equal(await kernel.collect(3), 1, 'the oldest that may go')
      assert.deepEqual([origin, ...forks, last].map(has), [true, false, true, true])
      assert.equal((await kernel.replay(forks[1])).same, true, 'its past is there')
      assert.equal(await kernel.collect(1), 2)
      assert.deepEqual([origin, ...forks, last].map(has), [false, false, false, true])
    })

    test('what a door keeps beside a run goes with its journal, whoever asks for that', async () => {
      const store = disk().open()
      const kernel = createKernel({
        store,
        programs: [twice],
        limits: { processesEndedMax: 1, processesKeptMax: 1 },
        beside: ({ pid }) => ({ key: `beside/${pid}`, value: 'kept' }),
        besideKey: (pid) => `beside/${pid}`,
      })
      const kept = (): string[] => [...kernel.kept('beside/')].map(([key]) => key)
      const whoseJournals = (): string[] => [...store.processes()].map(({ start: { pid } }) => `beside/${pid}`)
      const first = await ran(kernel)
      const second = kernel.spawn(
        defineProgram('parent', async (sys) => sys.wait(await sys.spawn(twice, null))),
        null,
      )
      await second.result
      assert.deepEqual(kept(), [`beside/${first}`, `beside/${second.pid}`])
      assert.equal(await kernel.collect(2), 1)
      await kernel.flush()
      assert.deepEqual(kept(), [`beside/${second.pid}`])
      // As many as make the kernel do it by itself.
      for (let i = 0; i < 140; i++) await ran(kernel)
      await settle()
      await kernel.flush()
      assert.ok(kept().length < 140)
      assert.deepEqual(kept().toSorted(), whoseJournals().toSorted())
      await kernel.close()
    })

    test('a fork of a fork holds both; with it the whole line goes', async (t) => {
      const { kernel, has } = boot(t, disk())
      const origin = await ran(kernel)
      const fork = await forked(kernel, origin)
      const line = [origin, fork, await forked(kernel, fork)]
      await ran(kernel)
      assert.equal(await kernel.collect(3), 1)
      assert.deepEqual(line.map(has), [true, true, false])
      assert.equal(await kernel.collect(1), 2)
      assert.deepEqual(line.map(has), [false, false, false])
    })

    test('a journal that is forked while it is about to go stays, with what it came from, and is counted once', async (t) => {
      const place = disk()
      const asks = defineProgram('asks', async (sys) => {
        await sys.wait(await sys.spawn(twice, null))
        return sys.ask('go on?')
      }) as unknown as Program
      const programs = [twice, asks]
      const first = createKernel({ store: place.open(), programs })
      const parent = first.spawn(asks, null).pid
      while (first.questions.length === 0) await settle()
      const child = first.ps().find((one) => one.parent === parent)
      const origin = child?.pid as Pid
      const used = first.info(parent).usage
      const fork = await forked(first, origin)
      const forking = first.fork(fork)
      const going = first.collect(0)
      const late = await forking
      assert.equal(await going, 0, 'both were chosen, and stay')
      assert.deepEqual(await late.result, await first.run(fork).result)
      await settle()
      assert.equal((await first.replay(late.pid)).same, true, 'its past is there')
      await first.close()

      const second = createKernel({ store: place.open(), programs })
      assert.deepEqual(second.info(parent).usage, used)
      second.resume()
      assert.equal((await second.replay(late.pid)).same, true)
      assert.equal(await second.collect(0), 3, 'what the last one held is free')
      await second.close()
      const third = createKernel({ store: place.open(), programs })
      t.after(() => third.close())
      for (const pid of [origin, fork, late.pid]) assert.deepEqual(await third.events(pid), [])
      assert.deepEqual(third.info(parent).usage, used)
    })

    test('children that ended before a restart go with their parent, once that has ended', async (t) => {
      const place = disk()
      const asks = defineProgram('asks', async (sys) => {
        const children = [await sys.spawn(twice, null), await sys.spawn(twice, null)]
        await sys.wait(children[0] as Pid)
        await sys.ask('go on?')
        return sys.wait(children[1] as Pid)
      }) as unknown as Program
      const programs = [twice, asks]
      const first = createKernel({ store: place.open(), programs })
      first.spawn(asks, null)
      while (first.questions.length === 0 || first.ps().filter(({ state }) => state === 'done').length < 2)
        await settle()
      await first.close()
      const second = createKernel({ store: place.open(), programs })
      t.after(() => second.close())
      const run = second.resume()[0]
      while (second.questions.length === 0) await settle()
      assert.equal(await second.collect(0), 0, 'it may still wait for them')
      second.answer(second.questions[0]?.id ?? 0, 'yes')
      assert.equal(await run?.result, 'two')
      assert.equal(await second.collect(0), 3)
      for await (const { pid } of second.history()) assert.fail(`process ${pid} is there still`)
    })

    test('so it is after a restart', async (t) => {
      const place = disk()
      const first = boot(t, place)
      const origin = await ran(first.kernel)
      const fork = await forked(first.kernel, origin)
      const line = [origin, fork, await forked(first.kernel, fork)]
      await first.kernel.close()
      const second = boot(t, place)
      assert.equal(await second.kernel.collect(2), 1)
      assert.deepEqual(line.map(second.has), [true, true, false])
      await second.kernel.close()
      const third = boot(t, place)
      assert.equal((await third.kernel.replay(fork)).same, true)
      assert.equal(await third.kernel.collect(0), 2, 'what the last one held is free')
      assert.deepEqual(line.map(third.has), [false, false, false])
    })

    test('the history of a principal is what of it has a journal, by pid from either end, also after a restart', async (t) => {
      const place = disk()
      const first = boot(t, place)
      const of = async (kernel: Kernel, range: Parameters<Kernel['history']>[0]): Promise<Pid[]> => {
        const found: Pid[] = []
        for await (const { pid } of kernel.history(range)) found.push(pid)
        return found
      }
      const [ann, all]: Pid[][] = [[], []]
      for (let i = 0; i < 9; i++) {
        const principal = i % 3 === 0 ? 'ann' : 'bob'
        const run = first.kernel.spawn(twice, null, { principal })
        await run.result
        all?.push(run.pid)
        if (principal === 'ann') ann?.push(run.pid)
      }
      const [one, two, three] = ann as [Pid, Pid, Pid]
      const look = async (kernel: Kernel, left: readonly Pid[]): Promise<void> => {
        assert.deepEqual(await of(kernel, { principal: 'ann' }), left)
        assert.deepEqual(await of(kernel, { principal: 'ann', reverse: true }), left.toReversed())
        assert.deepEqual(
          await of(kernel, { principal: 'ann', from: two, to: three }),
          left.filter((pid) => pid === two),
        )
        assert.deepEqual(await of(kernel, { principal: 'ann', from: three, to: three + 1 }), [three])
        assert.deepEqual(await of(kernel, { principal: 'nobody' }), [])
      }
      await look(first.kernel, [one, two, three])
      const fork = await forked(first.kernel, three)
      await look(first.kernel, [one, two, three, fork])
      assert.equal(await first.kernel.collect(9), 1)
      await look(first.kernel, [two, three, fork])
      await first.kernel.close()
      const second = boot(t, place)
      await look(second.kernel, [two, three, fork])
      assert.deepEqual(await of(second.kernel, {}), [...(all as Pid[]).slice(1), fork])
    })

    test('a journal that could not be removed goes another time, and its origin not before it', async (t) => {
      const place = busyAtDrop(disk())
      const { kernel, has } = boot(t, place)
      const line = [await ran(kernel)]
      line.push(await forked(kernel, line[0] as Pid))
      await assert.rejects(kernel.collect(1), /busy/)
      place.isBusy = false
      assert.deepEqual(line.map(has), [true, true])
      assert.equal(await kernel.collect(0), 2)
      assert.deepEqual(line.map(has), [false, false])
    })

    test('a fork whose journal could not be removed holds its origin as before, and one more that was removed then does not free it', async (t) => {
      const place = busyAtDrop(disk())
      const { kernel, has } = boot(t, place)
      const origin = await ran(kernel)
      const forks = [await forked(kernel, origin), await forked(kernel, origin)] as const
      await assert.rejects(kernel.collect(2), /busy/)
      place.isBusy = false
      for (const [keep, left] of [
        [2, [true, false, true]],
        [1, [true, false, false]],
        [0, [false, false, false]],
      ] as const) {
        assert.equal(await kernel.collect(keep), 1)
        assert.deepEqual([origin, ...forks].map(has), left)
      }
    })

    test('where a collection cannot read the store, all of its journals go another time, and what was read is not counted', async (t) => {
      const place = disk()
      const store = place.open()
      let unread: Pid | undefined
      const child = defineProgram('child', (sys) => sys.list()) as Program
      const parent = defineProgram('parent', async (sys) => {
        for (let i = 0; i < 3; i++) await sys.wait(await sys.spawn(child, null))
        return sys.ask('more?')
      }) as Program
      const kernel = createKernel({
        store: {
          ...store,
          events(pid) {
            if (pid === unread) throw new Error('unread')
            return store.events(pid)
          },
        },
        programs: [twice, child, parent],
      })
      t.after(() => kernel.close())
      const has = (pid: Pid): boolean => store.events(pid).length > 0
      const origin = await ran(kernel)
      const forks = [await forked(kernel, origin), await forked(kernel, origin)]
      const { pid } = kernel.spawn(parent, null)
      for (let waits = 0; waits < 100 && kernel.questions.length === 0; waits++) await settle()
      const children = kernel.ps().flatMap((one) => (one.parent === pid ? [one.pid] : []))
      assert.equal(children.length, 3)
      const all = [origin, ...forks, ...children]
      const usedAfterRestart = (): Promise<Usage> => usageAfterCrash(store, [child, parent], pid)
      const usage = await usedAfterRestart()
      assert.equal(usage.children, 3)

      unread = children[1]
      await assert.rejects(kernel.collect(1), /unread/)
      assert.deepEqual(all.map(has), [true, true, true, true, true, true])
      assert.deepEqual(await usedAfterRestart(), usage)
      unread = undefined
      const last = await forked(kernel, origin)
      assert.equal(await kernel.collect(4), 3)
      assert.deepEqual([...all, last].map(has), [true, false, false, false, true, true, true], 'one more fork holds it')
      assert.deepEqual(await usedAfterRestart(), usage)
      assert.equal(await kernel.collect(0), 4)
      assert.deepEqual([...all, last].filter(has), [])
      assert.deepEqual(await usedAfterRestart(), usage)
    })

    test('the children that a parent did not wait for go after it, ended or not when it ended', async (t) => {
      const store = disk().open()
      const child = defineProgram('child', (sys, ms: number) => sys.sleep(ms)) as Program
      const parent = defineProgram('parent', async (sys) => {
        const pids = [await sys.spawn(child, 0), await sys.spawn(child, 1e8)]
        await sys.sleep(5)
        return pids
      })
      const kernel = createKernel({ store, programs: [child, parent] })
      t.after(() => kernel.close())
      const run = kernel.spawn(parent, null)
      const pids = [run.pid, ...(await run.result)]
      assert.deepEqual(
        pids.map((pid) => kernel.info(pid).state),
        ['done', 'done', 'killed'],
      )
      assert.equal(await kernel.collect(0), 3)
      assert.deepEqual(
        pids.map((pid) => store.events(pid).length),
        [0, 0, 0],
      )
    })

    test('what children used is counted once, however often their journals could not be removed', async (t) => {
      const place = disk()
      const store = place.open()
      const bugs = { isBusy: true }
      const child = defineProgram('child', (sys) => sys.list()) as Program
      const parent = defineProgram('parent', async (sys) => {
        for (let i = 0; i < 4; i++) await sys.wait(await sys.spawn(child, null))
        return sys.ask('more?')
      }) as Program
      const open = (): Kernel => {
        const kernel = createKernel({
          store: {
            ...store,
            close: () => {},
            drop(pids) {
              if (bugs.isBusy) throw new Error('busy')
              store.drop(pids)
            },
          },
          programs: [child, parent],
        })
        t.after(() => kernel.close())
        return kernel
      }
      const kernel = open()
      const { pid } = kernel.spawn(parent, null)
      for (let waits = 0; waits < 100 && kernel.questions.length === 0; waits++) await settle()
      const used = kernel.info(pid).usage
      assert.deepEqual([used.children, used.calls], [4, 4 + 4 * 2 + 1])
      const usedAfterRestart = (): Promise<Usage> => usageAfterCrash(store, [child, parent], pid)
      const usage = await usedAfterRestart()
      assert.equal(usage.children, 4)
      for (const keep of [3, 3, 2]) {
        await assert.rejects(kernel.collect(keep), /busy/)
        assert.deepEqual(await usedAfterRestart(), usage, `busy, ${keep} were to stay`)
      }
      bugs.isBusy = false
      for (const keep of [3, 1, 0]) {
        assert.ok((await kernel.collect(keep)) > 0)
        assert.deepEqual(await usedAfterRestart(), usage, `${keep} stay`)
      }
      await kernel.close()
      assert.deepEqual(open().info(pid).usage, usage)
      store.close()
    })

    test('what a person allowed in a run goes with its journal, and with no other', async (t) => {
      const place = disk()
      const send = defineTool({
        name: 'send',
        description: 'Sends.',
        effect: 'idempotent',
        inputSchema: z.object({}),
        execute: () => null,
      })
      const sender = defineProgram('sender', (sys) => sys.call('send', {})) as Program
      const open = (): { kernel: Kernel; store: Store; approvals(): string[] } => {
        const store = place.open()
        const kernel = createKernel({
          store,
          programs: [sender],
          tools: [send],
          law: parseLaw({ rules: [{ id: 'q', effect: 'ask', tool: 'send' }] }),
          approvalKey: () => 'key',
        })
        t.after(() => kernel.close())
        return {
          kernel,
          store,
          approvals: () => [...store.range('meta', 'approval ', 'approval!')].map(([key]) => key),
        }
      }
      const first = open()
      const allowed = async (): Promise<Pid> => {
        const run = first.kernel.spawn(sender, null)
        for (let waits = 0; waits < 100 && first.kernel.questions.length === 0; waits++) await settle()
        first.kernel.answer(first.kernel.questions[0]?.id ?? 0, 'allow')
        await run.result
        return run.pid
      }
      const pids = [await allowed(), await allowed(), await allowed()]
      await settle()
      const expected = pids.map((pid) => `approval once ${pid}.0`)
      assert.deepEqual(first.approvals().toSorted(), expected.toSorted())
      assert.equal(await first.kernel.collect(2), 1)
      await settle()
      assert.deepEqual(first.approvals().toSorted(), expected.slice(1).toSorted())
      await first.kernel.close()
      const second = open()
      assert.equal(await second.kernel.collect(1), 1)
      await settle()
      assert.deepEqual(second.approvals(), expected.slice(2))
    })

    test('a collection that nobody asked for, and that the store refuses, is told of', async (t) => {
      const place = busyAtDrop(disk())
      const kernel = createKernel({
        store: place.open(),
        programs: [twice],
        limits: { processesEndedMax: 1, processesKeptMax: 1 },
      })
      t.after(() => kernel.close())
      const warned = new Promise<Error>((resolve) => void process.once('warning', resolve))
      for (let i = 0; i < 70; i++) await ran(kernel)
      assert.match((await warned).message, /old journals could not be removed: busy/)
      place.isBusy = false
      assert.equal(await kernel.collect(0), 70)
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
      await assert.rejects(kernel.collect(0), /busy/)
      assert.equal(has(first), true)
      assert.equal(await started(kernel, 'one'), first, 'the journal is there, and so is the key')
      await assert.rejects(started(kernel, 'other'), { code: 'KEY_REUSED' })

      bugs.isBusy = false
      assert.equal(await kernel.collect(0), 1)
      assert.equal(has(first), false)
      const second = await started(kernel, 'other')
      assert.notEqual(second, first, 'both are gone')

      // A crash between the journal and the key leaves the key.
      bugs.loses = true
      assert.equal(await kernel.collect(0), 1)
      await kernel.close()
      const again = boot(t, place)
      assert.equal(again.has(second), false)
      const third = await started(again.kernel, 'third')
      assert.notEqual(third, second, 'a key that is left over holds nothing')
      assert.equal(await started(again.kernel, 'third'), third)
    })

    test('a key starts another process as soon as its journal is gone, also while the store does not know yet that it goes', async (t) => {
      const store = disk().open()
      const started: Pid[] = []
      const start = (): void =>
        void started.push(kernel.spawn(twice, null, { once: { key: 'order-17', digest: 'one' } }).pid)
      const { kernel } = boot(t, {
        open: () => ({
          ...store,
          drop(pids) {
            store.drop(pids)
            queueMicrotask(start)
          },
        }),
      })
      start()
      await settle()
      start()
      assert.equal(await kernel.collect(0), 1)
      const [first, again, afterIt] = started
      assert.equal(again, first)
      assert.equal(started.length, 3)
      assert.notEqual(afterIt, first)
    })

    test('a key that was used again stays, where a store removed the journal before it and said that it could not', async (t) => {
      let fails = true
      const store = disk().open()
      const kernel = createKernel({
        store: {
          ...store,
          drop(pids) {
            store.drop(pids)
            if (fails) throw new Error('no word came back')
          },
        },
        programs: [twice],
        limits: { processesEndedMax: 1 },
      })
      t.after(() => kernel.close())
      const started = async (): Promise<Pid> => {
        const run = kernel.spawn(twice, null, { once: { key: 'order-17', digest: 'one' } })
        await run.result
        return run.pid
      }
      const first = await started()
      await assert.rejects(kernel.collect(0), /no word came back/)
      // Until the first has left RAM too.
      while (kernel.ps().some(({ pid }) => pid === first)) await ran(kernel)
      const second = await started()
      assert.notEqual(second, first)
      fails = false
      await kernel.collect(1)
      assert.equal(await started(), second)
    })
  })
}
