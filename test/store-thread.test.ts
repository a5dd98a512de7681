/**
 * The second thread of a SQLite store: what goes through it is kept as what does not, in order and whole, also where it is
 * killed, where the file is full, and where commits of both threads and checkpoints come in any order.
 *
 *   POLITY_SEED=7 …   from that seed; POLITY_LONG=1 for more of all
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { sendCommand } from '../src/drivers/store/sqlite-reader.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import type { Batch, Store } from '../src/kernel/drivers.ts'
import type { JournalEvent } from '../src/kernel/types.ts'

const isLong = process.env['POLITY_LONG'] === '1'
const seed = Number(process.env['POLITY_SEED'] ?? Date.now() % 2 ** 31)
const folder = mkdtempSync(join(tmpdir(), 'polity-store-thread-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const fresh = (): string => join(folder, `${files++}.db`)

/** Enough processes in one batch for the second thread. */
const MANY = 80

function event(seq: number, pid: number, text = `event ${seq}`): JournalEvent {
  return { type: 'call-end', seq, at: seq, pid, n: seq, value: text }
}

function batchOf(first: number, count: number): Batch {
  return {
    events: Array.from({ length: count }, (_, i) => event(first + i, 1 + ((first + i) % MANY))),
    puts: [
      { table: 'meta', key: `first ${first}`, value: `${count}` },
      { table: 'blob', key: `bytes ${first % 7}`, value: new Uint8Array([0, first % 256, 255]).subarray(1) },
    ],
  }
}

/** Commits until one goes through the second thread; returns the next seq. */
async function useThread(store: Store, first = 0): Promise<number> {
  for (let seq = first; ; seq += MANY) {
    const kept = store.commit(batchOf(seq, MANY))
    await kept
    if (kept !== undefined) return seq + MANY
    await sleep(1)
  }
}

function all(store: Store): unknown {
  return {
    last: store.lastSeq(),
    events: Array.from({ length: MANY }, (_, i) => store.events(1 + i)),
    meta: [...store.range('meta', '', '~')],
    // Bytes as numbers: one store gives a Buffer, the other an array.
    blobs: [...store.range('blob', '', '~')].map(([key, value]) => [key, [...(value as Uint8Array)]]),
  }
}

test('large and small commits, commands and checkpoints in any order are read as from a store in memory', async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('commit' as const), events: fc.integer({ min: 1, max: 8 }) }) },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('commit' as const), events: fc.integer({ min: MANY, max: 600 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constantFrom('command' as const, 'status' as const, 'turn' as const) }),
    },
    { weight: 1, arbitrary: fc.constant({ do: 'again' as const }) },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }),
      fc.constantFrom('relaxed' as const, 'strict' as const),
      async (steps, durability) => {
        const path = fresh()
        const store = openSqliteStore(path, { durability })
        const model = memoryStore()
        let seq = await useThread(store)
        for (let first = 0; first < seq; first += MANY) void model.commit(batchOf(first, MANY))
        let batch = batchOf(seq - MANY, MANY)
        let throughThread = 0
        for (const one of steps) {
          if (one.do === 'turn') await sleep(0)
          else if (one.do === 'status') store.publishStatus?.(`at ${seq}`)
          else if (one.do === 'command') {
            sendCommand(path, { command: 'kill', pid: seq })
            assert.deepEqual(
              store.takeCommands?.().map(({ pid }) => pid),
              [seq],
            )
          } else {
            if (one.do === 'commit') {
              batch = batchOf(seq, one.events)
              seq += one.events
              void model.commit(batch)
            }
            const kept = store.commit(batch) // the same again changes nothing
            if (kept !== undefined) throughThread++
            await kept
            assert.equal(store.lastSeq(), seq - 1)
            assert.equal(store.get('meta', `first ${batch.events[0]?.seq}`), `${batch.events.length}`)
          }
        }
        const large = steps.filter((one) => one.do === 'commit' && one.events >= MANY).length
        assert.ok(throughThread >= large, `${throughThread} commits of ${large} large ones went through the thread`)
        assert.deepEqual(all(store), all(model))
        store.close()
        const again = openSqliteStore(path)
        assert.deepEqual(all(again), all(model))
        again.close()
        rmSync(path)
      },
    ),
    { numRuns: isLong ? 40 : 5, seed, endOnFailure: true },
  )
})

test('the log stays short under a constant load of small commits', async () => {
  const path = fresh()
  const store = openSqliteStore(path)
  let seq = await useThread(store)
  let longest = 0
  for (let i = 0; i < (isLong ? 60_000 : 6_000); i++) {
    await store.commit({ events: [event(seq, 1 + (seq % MANY), 'x'.repeat(400))], puts: [] })
    seq++
    if (i % 10 === 0) await sleep(0)
    if (i % 100 === 0) longest = Math.max(longest, statSync(`${path}-wal`).size)
  }
  assert.ok(longest < 24 * 1_048_576, `the log grew to ${longest} bytes`)
  store.close()
  assert.throws(() => statSync(`${path}-wal`), { code: 'ENOENT' })
})

test('a thread that ends of itself is missed by nobody: all goes on here, and the log stays short', async () => {
  const threads = process.getBuiltinModule('node:worker_threads')
  const { Worker } = threads
  const started: InstanceType<typeof Worker>[] = []
  threads.Worker = class extends Worker {
    constructor(...given: ConstructorParameters<typeof Worker>) {
      super(...given)
      started.push(this)
    }
  }
  try {
    const path = fresh()
    const store = openSqliteStore(path)
    let seq = await useThread(store)
    assert.equal(started.length, 1)
    await started[0]?.terminate()
    assert.equal(store.commit(batchOf(seq, MANY)), undefined)
    seq += MANY
    for (let i = 0; i < 4_000; i++, seq++) {
      await store.commit({ events: [event(seq, 1 + (seq % MANY), 'x'.repeat(400))], puts: [] })
      if (i % 100 === 0) await sleep(0)
    }
    assert.ok(statSync(`${path}-wal`).size < 8 * 1_048_576, `the log grew to ${statSync(`${path}-wal`).size} bytes`)
    // One that ends while it has a batch: kept or not, the same again is.
    const again = openSqliteStore(fresh())
    let next = await useThread(again)
    const kept = again.commit(batchOf(next, MANY))
    await Promise.allSettled([started[1]?.terminate(), kept])
    await again.commit(batchOf(next, MANY))
    next += MANY
    assert.equal(again.lastSeq(), next - 1)
    assert.equal(again.events(1).length, next / MANY)
    again.close()
    store.close()
  } finally {
    threads.Worker = Worker
  }
})

test('while the thread has a batch nothing is removed here, and what is removed goes on from batch to batch', async () => {
  const threads = process.getBuiltinModule('node:worker_threads')
  const { DatabaseSync, StatementSync } = process.getBuiltinModule('node:sqlite')
  const { Worker } = threads
  const { run } = StatementSync.prototype
  const jobs: string[] = []
  let overlaps = 0
  threads.Worker = class extends Worker {
    constructor(...given: ConstructorParameters<typeof Worker>) {
      super(...given)
      this.on('message', (answer: object) => void ('ready' in answer || jobs.shift()))
    }
    override postMessage(job: { readonly job: string }): void {
      jobs.push(job.job)
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
      super.postMessage(job)
    }
  }
  StatementSync.prototype.run = function (...given: readonly unknown[]) {
    if (this.sourceSQL === 'BEGIN IMMEDIATE' && jobs.includes('commit')) overlaps++
    return run.apply(this, given as Parameters<typeof run>)
  }
  try {
    const path = fresh()
    const store = openSqliteStore(path)
    let seq = await useThread(store)
    const old = Array.from({ length: 6_000 }, (_, i) => 1_000 + i)
    for (let i = 0; i < old.length; i += 300, seq += 300)
      await store.commit({ events: old.slice(i, i + 300).map((pid, n) => event(seq + n, pid)), puts: [] })
    store.drop(old)
    const rows = new DatabaseSync(path, { readOnly: true })
    const isRemoved = () => rows.prepare('SELECT count(*) AS n FROM dropping').get()?.['n'] === 0
    // One batch after the other, as a journal with much to do has them.
    let batches = 0
    for (; batches < 1_000 && !isRemoved(); batches++, seq += MANY) await store.commit(batchOf(seq, MANY))
    assert.ok(batches < 1_000)
    assert.equal(overlaps, 0)
    rows.close()
    store.close()
  } finally {
    StatementSync.prototype.run = run
    threads.Worker = Worker
  }
})

test('a full file keeps nothing of a batch in the thread either, and the store stays usable', async () => {
  const store = openSqliteStore(fresh(), { fileBytesMax: 2 * 1_048_576 })
  let seq = await useThread(store)
  const small = batchOf(seq, MANY)
  const large = { ...small, events: small.events.map(({ seq, pid }) => event(seq, pid, 'x'.repeat(50_000))) }
  const before = all(store)
  for (let i = 0; i < 3; i++) {
    const kept = store.commit(large)
    assert.ok(kept instanceof Promise)
    await assert.rejects(kept, { code: 'STORE_FAILED' })
    assert.deepEqual(all(store), before)
  }
  await store.commit(small)
  seq += MANY
  assert.equal(store.lastSeq(), seq - 1)
  store.close()
})

test('kill -9 in the middle of what the thread does loses nothing that was kept', { timeout: 120_000 }, async () => {
  const path = fresh()
  const url = JSON.stringify(import.meta.resolve('../src/drivers/store/sqlite.ts'))
  const code = `
    import { openSqliteStore } from ${url}
    import { say } from ${JSON.stringify(import.meta.resolve('./crash/say.ts'))}
    import { setTimeout as sleep } from 'node:timers/promises'
    const MANY = ${MANY}
    const event = ${event}
    const batchOf = ${batchOf}
    const store = openSqliteStore(${JSON.stringify(path)})
    let threads = 0
    for (let seq = store.lastSeq() + 1, i = 0; ; i++) {
      const count = i % 3 === 0 ? 3 : 2 * MANY
      const kept = store.commit(batchOf(seq, count))
      if (kept !== undefined) threads++
      await kept
      seq += count
      say(JSON.stringify([seq - 1, threads]))
      await sleep(threads === 0 ? 2 : 0)
    }`
  let last = -1
  for (let round = 0; round < (isLong ? 24 : 3); round++) {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
    while (!/,[1-9]\d*\]\n/.test(output)) await sleep(2) // until its thread has kept something
    await sleep((seed + round * 37) % 97)
    child.kill('SIGKILL')
    await once(child, 'close')
    const [said] = JSON.parse(output.slice(0, output.lastIndexOf('\n')).split('\n').at(-1) as string) as [
      number,
      number,
    ]
    const store = openSqliteStore(path)
    assert.ok(store.lastSeq() >= said, `${said} was kept, and ${store.lastSeq()} is there`)
    assert.ok(store.lastSeq() > last)
    last = store.lastSeq()
    const seqs = Array.from({ length: MANY }, (_, i) => store.events(1 + i).map(({ seq }) => seq)).flat()
    assert.deepEqual(
      seqs.toSorted((a, b) => a - b),
      Array.from({ length: last + 1 }, (_, i) => i),
    )
    // Whole batches, events with their entries.
    const counts = [...store.range('meta', '', '~')].map(([, value]) => Number(value))
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      last + 1,
    )
    store.close()
  }
})
