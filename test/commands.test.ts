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
import type { Kernel } from '../src/kernel/kernel.ts'
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

test('an answer from outside leaves the store only once what it came to is kept', async () => {
  const path = fresh()
  const disk = openSqliteStore(path)
  const isKept = (pid: Pid): boolean => disk.events(pid).some((event) => event.type === 'call-end')
  const left: boolean[] = []
  const store: Store = {
    ...disk,
    commandsDone(commands) {
      if (commands.length > 0) left.push(isKept(run.pid))
      disk.commandsDone?.(commands)
    },
  }
  const kernel = createKernel({ store })
  const run = kernel.spawn(
    defineProgram('asks', (sys) => sys.ask('Go on?')),
    null,
  )
  while (kernel.questions.length === 0) await pause(5)
  sendCommand(path, { command: 'answer', id: kernel.questions[0]?.id as number, text: 'yes' })
  assert.equal(await run.result, 'yes')
  await kernel.close()
  assert.deepEqual(left, [true])
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
      giveBackCommands: (undone) => void (isOver || disk.giveBackCommands?.(undone)),
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

test('a store says how many owners had a wish, but for those that gave it back; who takes it back after it was taken is told that it may be done', () => {
  const path = fresh()
  openSqliteStore(path).close()
  for (const [pid, reply] of ['a', 'b', 'c'].entries()) sendCommand(path, { command: 'kill', pid, reply })
  const owners: (readonly (readonly [reply?: string, tries?: number])[])[] = []
  for (let owner = 0; owner < 4; owner++) {
    const store = openSqliteStore(path)
    const taken = store.takeCommands?.() ?? []
    owners.push(taken.map(({ reply, tries }) => [reply, tries]))
    assert.deepEqual(store.takeCommands?.(), [], 'each once')
    if (owner === 0) {
      sendCommand(path, { command: 'kill', pid: 9, reply: 'd' })
      assert.equal(takeBackCommand(path, 'd'), true)
      assert.equal(takeBackCommand(path, 'b'), false)
    }
    if (owner % 2 === 0) store.giveBackCommands?.(taken)
    store.close()
  }
  assert.deepEqual(owners, [
    [
      ['a', undefined],
      ['b', undefined],
      ['c', undefined],
    ],
    [
      ['a', undefined],
      ['c', undefined],
    ],
    [
      ['a', 1],
      ['c', 1],
    ],
    [
      ['a', 1],
      ['c', 1],
    ],
  ])
  const given = fresh()
  const owner = openSqliteStore(given)
  sendCommand(given, { command: 'kill', pid: 1, reply: 'e', tries: 7 })
  owner.giveBackCommands?.(owner.takeCommands?.() ?? [])
  assert.equal(takeBackCommand(given, 'e'), true, 'nobody had it, whatever its sender says')
  owner.close()
})

/** Warnings of the kernel until it is disposed. */
function warnings(): Disposable & { readonly said: string[] } {
  const said: string[] = []
  const hear = ({ message }: Error): void => void said.push(message)
  process.on('warning', hear)
  return { said, [Symbol.dispose]: () => void process.off('warning', hear) }
}

test('a wish outlives any number of kernels that close in order while they are at it', async () => {
  const path = fresh()
  let pid: Pid = 0
  for (let close = 0; close < 3; close++) {
    const disk = openSqliteStore(path)
    let held: (() => void) | undefined
    let isSlow = false
    const took = Promise.withResolvers<void>()
    const store: Store = {
      ...disk,
      async commit(batch) {
        const { events, puts } = { events: [...batch.events], puts: [...batch.puts] }
        if (isSlow) await new Promise<void>((resolve) => (held = resolve))
        await disk.commit({ events, puts })
      },
      takeCommands() {
        const taken = disk.takeCommands?.() ?? []
        if (taken.length > 0) took.resolve()
        return taken
      },
    }
    const kernel = createKernel({ store, programs: [naps] })
    if (close === 0) {
      pid = kernel.spawn(naps, null).pid
      await kernel.events(pid)
      sendCommand(path, { command: 'fork', pid, reply: 'fork' })
    }
    // What it waits for before it forks is on its way to the store when it closes.
    isSlow = true
    kernel.keep('test', String(close))
    await took.promise
    const closing = kernel.close()
    isSlow = false
    held?.()
    await closing
  }
  const kernel = createKernel({ store: openSqliteStore(path), programs: [naps] })
  const { value } = await outcomeOf(path, 'fork')
  assert.equal(kernel.info(value as Pid).forkOf, pid)
  await kernel.close()
})

test('a wish that two kernels ended on is tried by no other, and that is told', async () => {
  const path = fresh()
  let pid: Pid = 0
  for (let life = 0; life < 2; life++) {
    const disk = openSqliteStore(path)
    const { store, lose, crash } = crashing(disk)
    const kernel = createKernel({ store, programs: [naps] })
    if (life === 0) {
      pid = kernel.spawn(naps, null).pid
      await kernel.events(pid)
      sendCommand(path, { command: 'fork', pid, reply: 'fork' })
      sendCommand(path, { command: 'kill', pid })
    }
    lose('commits')
    while (kernel.info(pid).state !== 'killed') await pause(10)
    crash()
    await kernel.close()
  }
  using heard = warnings()
  const kernel = createKernel({ store: openSqliteStore(path), programs: [naps] })
  const { error } = await outcomeOf(path, 'fork')
  assert.equal(error?.code, 'LIMIT_EXCEEDED')
  assert.match(error.message, new RegExp(`^2 kernels took up the wish fork ${pid}, and each ended before it was done`))
  assert.equal(kernel.info(pid).state, 'stopped')
  for (const what of ['fork', 'kill'])
    assert.ok(
      heard.said.some((one) =>
        one.startsWith(`the command ${what} from outside was not obeyed: 2 kernels took up the wish ${what} ${pid}`),
      ),
      heard.said.join('\n'),
    )
  await kernel.close()
  const next = openSqliteStore(path)
  assert.deepEqual(next.takeCommands?.(), [])
  next.close()
})

test('files that were restored before a crash are not restored again: what was written since stays', async () => {
  const scribe = defineProgram('scribe', async (sys) => {
    await sys.write('a', 'one')
    await sys.write('a', 'two')
    await sys.receive()
    await sys.write('a', 'three')
    await sys.sleep(600_000)
  }) as Program
  const path = fresh()
  const { store, lose, crash } = crashing(openSqliteStore(path))
  const first = createKernel({ store, programs: [scribe] })
  const { pid } = first.spawn(scribe, null)
  const written = async (kernel: Kernel, count: number): Promise<readonly number[]> => {
    for (;;) {
      await kernel.events(pid)
      const versions = [...kernel.files(pid).versions('a')].map(({ version }) => version).toReversed()
      if (versions.length >= count) return versions
      await pause(10)
    }
  }
  const [version] = await written(first, 2)
  lose('ends')
  const text = JSON.stringify({ path: 'a', version })
  sendCommand(path, { command: 'restore-files', pid, text, reply: 'back' })
  const restored = (await written(first, 3)).at(-1)
  first.send(pid, 'go on')
  const before = await written(first, 4)
  crash()
  await first.close()

  const kernel = createKernel({ store: openSqliteStore(path), programs: [scribe] })
  const { value } = await outcomeOf(path, 'back')
  assert.equal((value as { readonly version: number }).version, restored)
  assert.deepEqual(await written(kernel, 0), before)
  assert.equal((await kernel.events(pid)).filter(({ type }) => type === 'files-restored').length, 1)
  await kernel.close()
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

test('whenever a kernel closes, a wish that it has done and kept is told and gone, and only one that it has not is the next one’s', async () => {
  const scribe = defineProgram('scribe', async (sys) => {
    await sys.write('a', 'one')
    await sys.write('a', 'two')
    const id = await sys.remember('hello')
    await sys.ask(String(id))
  }) as Program
  for (const [command, count] of [
    ['forget', 12],
    ['restore-files', 5],
  ] as const) {
    const seen = new Set<boolean>()
    // Each time it closes a step later after the wish was taken: a continuation, or all that are left.
    for (let later = 0; later < count; later++) {
      const path = fresh()
      const disk = openSqliteStore(path, { durability: 'relaxed' })
      const took = Promise.withResolvers<void>()
      const store: Store = {
        ...disk,
        takeCommands() {
          const taken = disk.takeCommands?.() ?? []
          if (taken.length > 0) took.resolve()
          return taken
        },
      }
      const kernel = createKernel({ store, programs: [scribe] })
      const { pid } = kernel.spawn(scribe, null)
      while (kernel.questions.length === 0) await pause(1)
      await kernel.events(pid)
      const versions = [...kernel.files(pid).versions('a')].map(({ version }) => version)
      sendCommand(path, {
        reply: 'r',
        ...(command === 'forget'
          ? { command, text: kernel.questions[0]?.text as string, principal: 'local' }
          : { command, pid, text: JSON.stringify({ path: 'a', version: Math.min(...versions) }) }),
      })
      await took.promise
      for (let i = 0; i < later; i++)
        await new Promise<void>((resolve) => (i % 2 === 0 ? queueMicrotask(resolve) : process.nextTick(resolve)))
      await kernel.close()
      const next = openSqliteStore(path)
      const isDone =
        command === 'forget'
          ? [...next.processes()].some(({ start, end }) => start.program === 'owner/forget' && end?.state === 'done')
          : next.events(pid).some(({ type }) => type === 'files-restored')
      assert.equal(next.takeCommands?.().length, isDone ? 0 : 1, `${command}, ${later} later`)
      next.close()
      assert.equal(readStatus(path)?.includes('"reply":"r"') ?? false, isDone)
      seen.add(isDone)
    }
    assert.equal(seen.size, 2, 'it was closed before and after')
  }
})

test('how processes stand is told once; what else came of a wish, whatever it names, is told for longer', async () => {
  const path = fresh()
  const kernel = createKernel({ store: openSqliteStore(path), programs: [naps] })
  const { pid } = kernel.spawn(naps, null)
  await kernel.events(pid)
  sendCommand(path, { command: 'fork', pid, pids: [pid], reply: 'fork' })
  sendCommand(path, { command: 'status', pids: [pid], reply: 'status' })
  await Promise.all([outcomeOf(path, 'fork'), outcomeOf(path, 'status')])
  sendCommand(path, { command: 'status', reply: 'later' })
  await outcomeOf(path, 'later')
  const { outcomes } = JSON.parse(readStatus(path) as string) as { readonly outcomes: readonly Outcome[] }
  assert.deepEqual(
    outcomes.map(({ reply }) => reply),
    ['fork', 'later'],
  )
  await kernel.close()
})
