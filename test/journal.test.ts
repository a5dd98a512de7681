/**
 * The journal: what belongs together is kept together, and nobody is told of anything before it is kept, or out of order.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryStore } from '../src/drivers/store/memory.ts'
import type { Store } from '../src/kernel/drivers.ts'
import { realClock } from '../src/kernel/clock.ts'
import { createJournal } from '../src/kernel/journal.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defaultLimits } from '../src/kernel/limits.ts'
import type { CallStart, Pid } from '../src/kernel/types.ts'
import { parseLaw } from '../src/policy/law.ts'
import { recordingStore, tool } from './world.ts'

test('a decision of the law is in the batch of what follows from it, however few events a batch holds', async () => {
  for (const commitEventsMax of [1, 2, 3]) {
    const store = recordingStore()
    const law = parseLaw({
      rules: [
        { id: 'looks', effect: 'allow', tool: 'look' },
        { id: 'pays', effect: 'ask', tool: 'pay' },
      ],
    })
    const tools = [tool('look', () => 1), tool('pay', () => 2), tool('burn', () => 3)]
    const kernel = createKernel({ store, law, tools, limits: { commitEventsMax } })
    const run = kernel.spawn(async (sys) => {
      const names = ['look', 'pay', 'burn', 'look', 'burn', 'look']
      await Promise.allSettled(names.map((name, i) => sys.call(name, i)))
    }, null)
    while (kernel.questions.length === 0) await new Promise((resolve) => setImmediate(resolve))
    kernel.answer(kernel.questions[0]?.id ?? 0, 'allow')
    await run.result
    await kernel.close()
    let decisions = 0
    for (const { events, puts } of store.batches) {
      for (const { key, value } of puts) {
        if (!key.startsWith('audit ')) continue
        decisions++
        const { n, what, effect, by } = JSON.parse(value as string) as {
          readonly n: number
          readonly what: string
          readonly effect: string
          readonly by: string | null
        }
        const follows =
          effect === 'ask' ? 'call-wait' : effect === 'deny' ? 'call-end' : by === null ? 'call-start' : 'call-sent'
        assert.ok(
          events.some((event) => event.type === follows && event.n === n),
          `${commitEventsMax} events a batch: ${effect} ${what} is without its ${follows}`,
        )
      }
    }
    assert.equal(decisions, 7)
  }
})

test('every listener hears of events in their order, also where one of them makes the next commit', async () => {
  for (const durability of ['memory', 'relaxed'] as const) {
    const kernel = createKernel({ store: { ...memoryStore(), durability } })
    const heard: number[] = []
    let victim: Pid | undefined
    kernel.watch((event) => {
      if ((event as CallStart).call !== 'write' || victim === undefined) return
      void kernel.run(victim).result.catch(() => {})
      kernel.kill(victim)
      kernel.keepNow()
      victim = undefined
    })
    kernel.watch((event) => void ('seq' in event && heard.push(event.seq)))
    victim = kernel.spawn(async (sys) => sys.sleep(1e6), null).pid
    await kernel.spawn(async (sys) => {
      await sys.sleep(1)
      await sys.write('a', '1')
      await sys.write('b', '1')
    }, null).result
    assert.deepEqual(
      heard,
      heard.map((_, i) => (heard[0] as number) + i),
      durability,
    )
    assert.ok(heard.length >= 8)
    await kernel.close()
  }
})

test('a result that is asked for while a commit is under way waits for its own', async () => {
  const disk = memoryStore()
  const store: Store = {
    ...disk,
    durability: 'relaxed',
    async commit(batch) {
      const { events, puts } = { events: [...batch.events], puts: [...batch.puts] }
      await new Promise((resolve) => setTimeout(resolve, 50))
      await disk.commit({ events, puts })
    },
  }
  const kernel = createKernel({ store })
  const run = kernel.spawn(async () => 1, null)
  // All of it has happened and is on its way: nothing is left to commit.
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(run.info().state, 'done')
  assert.equal(disk.events(run.pid).length, 0)
  assert.equal(await run.result, 1)
  assert.equal(disk.events(run.pid).at(-1)?.type, 'process-end')
  await kernel.close()
})

test('one that throws when it is told keeps nothing from the others of its commit, and its error is not lost', () => {
  const turns: (() => void)[] = []
  const later = (fn: () => void): void => void turns.push(fn)
  const told: string[] = []
  const journal = createJournal({
    store: { ...memoryStore(), durability: 'relaxed' },
    clock: { ...realClock(), soon: later, yield: later },
    limits: defaultLimits,
    onCommit(events) {
      told.push(`${events.length} events`)
      if (told.length === 1) throw new Error('the watcher broke')
    },
    onHalt: assert.fail,
  })
  const rest = (): void => {
    for (let turn = turns.shift(); turn !== undefined; turn = turns.shift()) turn()
  }
  journal.append({ type: 'mail-read', pid: 1, id: 1 } as never)
  journal.whenKept(() => {
    told.push('first')
    // What is appended meanwhile is committed all the same.
    journal.append({ type: 'mail-read', pid: 1, id: 2 } as never)
    throw new Error('the waiter broke')
  })
  journal.whenKept(() => told.push('second'))
  assert.throws(rest, /the watcher broke/)
  assert.deepEqual(told, ['1 events', 'first', 'second'])
  rest()
  assert.deepEqual(told, ['1 events', 'first', 'second', '1 events'])
})
