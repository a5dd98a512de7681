/**
 * Wishes of other operating-system processes: what they are told is kept, and a wish is not lost with the kernel that took it.
 */
import assert from 'node:assert/strict'
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readStatus, sendCommand, takeBackCommand } from '../src/drivers/store/sqlite-reader.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import type { Outcome } from '../src/kernel/commands.ts'
import type { Store } from '../src/kernel/drivers.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Pid, Program } from '../src/kernel/types.ts'

const folder = mkdtempDisposableSync(join(tmpdir(), 'polity-commands-'))
after(() => folder.remove())
let files = 0
const fresh = (): string => join(folder.path, `${files++}.db`)
const pause = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms))

const naps = defineProgram('naps', async (sys) => {
  await sys.write('a', 'one')
  await sys.sleep(600_000)
}) as Program

async function outcomeOf(path: string, reply: string): Promise<Outcome> {
  for (;;) {
    const { outcomes = [] } = JSON.parse(readStatus(path) ?? '{}') as { readonly outcomes?: readonly Outcome[] }
    const found = outcomes.find((outcome) => outcome.reply === reply)
    if (found !== undefined) return found
    await pause(10)
  }
}

test('who forks and kills from outside is answered once the fork and the end are kept', async () => {
  const path = fresh()
  const disk = openSqliteStore(path)
  let slow = false
  const told: boolean[] = []
  const store: Store = {
    ...disk,
    async commit(batch) {
      const { events, puts } = { events: [...batch.events], puts: [...batch.puts] }
      if (slow) await pause(30)
      await disk.commit({ events, puts })
    },
    publishStatus(text) {
      const { outcomes } = JSON.parse(text) as { readonly outcomes: readonly Outcome[] }
      for (const { reply, value } of outcomes) {
        const kept = reply === 'fork' ? disk.events(value as Pid) : disk.events(pid)
        told.push(kept.some(({ type }) => type === (reply === 'fork' ? 'process-start' : 'process-end')))
      }
      disk.publishStatus?.(text)
    },
  }
  const kernel = createKernel({ store, programs: [naps] })
  const { pid } = kernel.spawn(naps, null)
  await kernel.events(pid)
  slow = true
  sendCommand(path, { command: 'fork', pid, reply: 'fork' })
  assert.equal(typeof (await outcomeOf(path, 'fork')).value, 'number')
  sendCommand(path, { command: 'kill', pid, reply: 'kill' })
  await outcomeOf(path, 'kill')
  assert.ok(told.length >= 2 && told.every(Boolean))
  await kernel.close()
})

/** A store that does nothing more once it has crashed; before that, it may keep nothing or never hear that a wish is done. */
function crashing(disk: Store): { readonly store: Store; lose(what: 'commits' | 'ends'): void; crash(): void } {
  let isOver = false
  let lost: 'commits' | 'ends' | undefined
  let release: (() => void)[] = []
  return {
    store: {
      ...disk,
      commit(batch) {
        if (isOver) return undefined
        return lost === 'commits' ? new Promise((resolve) => release.push(resolve)) : disk.commit(batch)
      },
      takeCommands: () => (isOver ? [] : (disk.takeCommands?.() ?? [])),
      commandsDone: (commands) => void (isOver || lost === 'ends' || disk.commandsDone?.(commands)),
      publishStatus: (text) => void (isOver || lost === 'ends' || disk.publishStatus?.(text)),
      close: () => {},
    },
    lose: (what) => void (lost = what),
    crash() {
      isOver = true
      disk.close()
      for (const go of release) go()
      release = []
    },
  }
}

test('a wish that a crash interrupts before or after it is kept is done by the next kernel, and a fork is made once', async () => {
  for (const when of ['before', 'after'] as const) {
    const path = fresh()
    const disk = openSqliteStore(path)
    const { store, lose, crash } = crashing(disk)
    const first = createKernel({ store, programs: [naps] })
    const one = first.spawn(naps, null).pid
    const other = first.spawn(naps, null).pid
    await first.events(one)
    lose(when === 'before' ? 'commits' : 'ends')
    sendCommand(path, { command: 'kill', pid: one })
    sendCommand(path, { command: 'fork', pid: other, reply: 'fork' })
    while (first.info(one).state !== 'killed') await pause(10)
    await pause(20)
    crash()
    await first.close()

    const kernel = createKernel({ store: openSqliteStore(path), programs: [naps] })
    assert.equal(kernel.info(one).state, when === 'before' ? 'stopped' : 'killed')
    const { value } = await outcomeOf(path, 'fork')
    const forks: Pid[] = []
    for await (const { pid } of kernel.history()) if (pid !== one && pid !== other) forks.push(pid)
    assert.deepEqual(forks, [value])
    assert.equal(kernel.info(one).state, 'killed')
    await kernel.close()

    const third = openSqliteStore(path)
    assert.deepEqual(third.takeCommands?.(), [], 'both are done')
    third.close()
  }
})

test('a wish is tried by two owners, and not again; who takes it back after it was taken is told that it may be done', () => {
  const path = fresh()
  openSqliteStore(path).close()
  sendCommand(path, { command: 'kill', pid: 7, reply: 'a' })
  sendCommand(path, { command: 'kill', pid: 8, reply: 'b' })
  const pids: (readonly (Pid | undefined)[])[] = []
  for (let owner = 0; owner < 3; owner++) {
    const store = openSqliteStore(path)
    pids.push((store.takeCommands?.() ?? []).map(({ pid }) => pid))
    assert.deepEqual(store.takeCommands?.(), [], 'each once')
    if (owner === 0) {
      sendCommand(path, { command: 'kill', pid: 9, reply: 'c' })
      assert.equal(takeBackCommand(path, 'c'), true)
      assert.equal(takeBackCommand(path, 'b'), false)
    }
    store.close()
  }
  assert.deepEqual(pids, [[7, 8], [7], []])
})

test('what was done when the kernel closes is told and gone, and what was not is the next one’s', async () => {
  const path = fresh()
  const disk = openSqliteStore(path)
  let asked = false
  let go: (() => void) | undefined
  const store: Store = {
    ...disk,
    async commit(batch) {
      const { events, puts } = { events: [...batch.events], puts: [...batch.puts] }
      if (asked) await new Promise<void>((resolve) => (go = resolve))
      await disk.commit({ events, puts })
    },
  }
  const kernel = createKernel({ store, programs: [naps] })
  const { pid } = kernel.spawn(naps, null)
  await kernel.events(pid)
  asked = true
  sendCommand(path, { command: 'kill', pid, reply: 'kill' })
  while (go === undefined || kernel.info(pid).state !== 'killed') await pause(5)
  const closing = kernel.close()
  asked = false
  go()
  await closing
  assert.equal((await outcomeOf(path, 'kill')).error, undefined)
  const next = openSqliteStore(path)
  assert.deepEqual(next.takeCommands?.(), [])
  assert.equal(next.events(pid).at(-1)?.type, 'process-end')
  next.close()
})
