/**
 * The soaks of bench/ in short: a day of a kernel in simulated time, and mixed load on a server with clients that leave. No run is
 * lost, no request goes unanswered, and nothing is left of what is over. With `POLITY_LONG=1` a whole day, and a minute of load
 * on `polity serve` itself; the figures of bench/README.md come from longer ones.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { liveADay } from '../bench/day.ts'
import { createClients } from '../bench/mixed-clients.ts'
import { answer, law, moody, payments, programs } from '../bench/mixed-programs.ts'
import { simulated } from '../src/drivers/llm/simulated.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { randomAt, realClock } from '../src/kernel/clock.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import type { Pid } from '../src/kernel/types.ts'
import { parseLaw } from '../src/policy/law.ts'
import type { Caller } from '../src/server/caller.ts'
import { fileSpace } from '../src/server/aios/file-space.ts'
import { createFiles } from '../src/server/aios/files.ts'
import { createModelDoor } from '../src/server/model-door.ts'
import { doorPrograms, doorsOf, serve } from '../src/server/serve.ts'

const isLong = process.env['POLITY_LONG'] === '1'

describe('a day in simulated time', () => {
  for (const store of ['memory', 'sqlite'] as const)
    test(`every run ends once and as documented, and nothing is left of it: ${store}`, async (t) => {
      const day = await liveADay({
        hours: isLong ? 24 : 2,
        runs: isLong ? 300 : 80,
        store,
        seed: isLong ? 2 : 1,
        // The heap here holds what other tests left too; `node bench/day.ts` counts in a process of its own.
        countObjects: false,
      })
      t.diagnostic(JSON.stringify({ ...day, hours: day.hours.length }))
      assert.deepEqual(day.faults, [])
      assert.ok(day.runs > 100 && (day.ends['done'] ?? 0) > day.runs / 2)
      for (const end of ['KILLED', 'BUDGET_EXCEEDED', 'PROGRAM_FAILED']) assert.ok((day.ends[end] ?? 0) > 0, end)
    })
})

describe('mixed load', () => {
  test('every request is answered or cut by its client, and afterwards nothing runs', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'polity-soak-'))
    const clock = realClock({ seed: 3 })
    const upstream = simulated({
      clock,
      slots: 100,
      refuse: 'queue',
      latencyMs: 5,
      prefillTokensPerSecond: 50_000,
      decodeTokensPerSecond: 1_000,
      answer,
    })
    const kernel = createKernel({
      store: openSqliteStore(join(folder, 'soak.db')),
      models: { 'up/model': moody(upstream, { clock, seed: 3, bad: 0.1, hangMs: 100 }) },
      programs: [...programs, ...doorPrograms],
      law: parseLaw(law),
      approvalKey: () => 'the key of the test',
      limits: { generateBackoffMs: 10 },
    })
    const told: unknown[] = []
    const server = await serve({
      kernel,
      doors: doorsOf({ kernel, programs }),
      store: join(folder, 'soak.db'),
      port: 0,
      limits: { drainMs: 100 },
      onError: (error) => told.push(error),
    })
    let drawn = 0
    const clients = createClients({ url: server.url, random: () => randomAt(5, 0, drawn++), cutShare: 0.2 })
    const open = new Set<Pid>()
    kernel.watch((event) => {
      if (event.type === 'process-start') open.add(event.pid)
      else if (event.type === 'process-end') open.delete(event.pid)
    })
    try {
      const kinds = ['chat', 'chat', 'responses', 'run', 'follow', 'notes', 'mcp', 'a2a', 'aios', 'raw'] as const
      let isOver = false
      const acted = Promise.all([...kinds, ...kinds, ...kinds].map((kind) => clients.act(kind))).finally(
        () => (isOver = true),
      )
      const left = (): Pid[] => [...open].filter((pid) => kernel.info(pid).program !== fileSpace.name)
      for (let i = 0; (!isOver || left().length > 0) && i < 1_000; i++) {
        for (const { id, choices } of kernel.questions) kernel.answer(id, choices?.[i % 2] ?? 'yes')
        await pause(10)
      }
      await acted
      t.diagnostic(JSON.stringify(clients.tally))
      assert.deepEqual(clients.faults, [])
      assert.deepEqual(told, [])
      assert.deepEqual(left(), [])
      assert.equal(kernel.cores[0]?.inFlight, 0)
      assert.equal(upstream.stats().inFlight, 0)
      assert.ok(Object.values(clients.tally).some(({ cut }) => cut > 0))
      assert.ok(clients.ledger.ends.size > 0, 'no client was told how a run ended')
      for (const [pid, end] of clients.ledger.ends) if (end !== undefined) assert.equal(kernel.info(pid).state, end)
      for (const [pid, ids] of clients.ledger.followed) {
        const events = (await kernel.events(pid)).map(({ seq }) => seq)
        assert.deepEqual(
          events.filter((seq) => !ids.includes(seq)),
          [],
        )
        assert.equal(new Set(ids).size, ids.length)
      }
      assert.ok([...payments.values()].every((count) => count === 1))
    } finally {
      clients.close()
      await server.close()
      await kernel.close()
      rmSync(folder, { recursive: true })
    }
  })

  test('a minute of it on polity serve', { skip: !isLong }, async () => {
    const bench = join(import.meta.dirname, '..', 'bench', 'mixed-load.ts')
    const { stdout } = await promisify(execFile)(process.execPath, [bench, '--minutes', '1', '--json'])
    assert.deepEqual((JSON.parse(stdout) as { faults: string[] }).faults, [])
  })
})

test('the files of agents whose spaces were killed take no place', async () => {
  const kernel = createKernel({ store: memoryStore(), programs: doorPrograms })
  const files = createFiles(kernel, { placesMax: 3 })
  const caller: Caller = { principal: 'ada', scopes: new Set(['files']), key: null }
  const { signal } = new AbortController()
  const write = (agent: string) => {
    const session = { kernel, models: createModelDoor(kernel), caller, agent, signal, origin: '' }
    return files.operate(session, 'write', { file_path: 'a.txt', content: 'hello' })
  }
  for (const agent of ['a', 'b', 'c', 'd', 'e']) {
    assert.equal((await write(agent)).error, undefined)
    for (const { pid, program } of kernel.ps()) if (program === fileSpace.name) kernel.kill(pid)
  }
  for (const agent of ['f', 'g', 'h']) assert.equal((await write(agent)).error, undefined)
  assert.match((await write('i')).text, /3 agents are open/)
  await kernel.close()
})
