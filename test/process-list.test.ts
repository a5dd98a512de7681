/**
 * What doors say of who runs and what was spent: each the same, after a collection, beside a kernel and without one, and of
 * more processes than one status shows. The commands run in this process, beside the kernel that has the store.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { ProcessList } from '../src/cli/process-list.ts'
import { listProcesses } from '../src/cli/process-list.ts'
import { loadCommand } from '../src/cli/commands.ts'
import { parseCommandLine } from '../src/cli/options.ts'
import type { ProcessTree } from '../src/client.ts'
import { createClient } from '../src/client.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { readSqliteStore } from '../src/drivers/store/sqlite-reader.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import type { Clock } from '../src/kernel/clock.ts'
import { realClock } from '../src/kernel/clock.ts'
import { statusPidsMax } from '../src/kernel/commands.ts'
import type { Store } from '../src/kernel/drivers.ts'
import type { Kernel, KernelOptions } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { unused } from '../src/kernel/process.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Pid, Program, Usage } from '../src/kernel/types.ts'
import { addChild, addUsage, openIn } from '../src/kernel/usage.ts'
import { doorsOf, serve } from '../src/server/serve.ts'
import { cliContext } from './cli-context.ts'
import { clockAhead } from './clock-ahead.ts'
import { createWorld, cutStore, HANGS_MS } from './world.ts'

const folder = mkdtempSync(join(tmpdir(), 'polity-process-list-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const asks = defineProgram('asks', async (sys, times: number) => {
  for (let i = 0; i < times; i++) await sys.generate({ prompt: 'well?', maxOutputTokens: 10 })
  return times
})
const parents = defineProgram('parents', async (sys, times: number) => {
  for (let i = 0; i < times; i++) await sys.wait(await sys.spawn(asks, i + 1))
  await sys.spawn(grand, times)
  return (await sys.receive()).body
})
const grand = defineProgram('grand', async (sys, times: number) => {
  for (let i = 0; i < times; i++) await sys.wait(await sys.spawn(asks, 1))
  return (await sys.receive()).body
})
const parked = defineProgram('parked', async (sys) => (await sys.receive()).body)
const programs = [asks, parents, grand, parked] as unknown as readonly Program[]
const price = { input: 1e6, output: 1e6 }
const models = () => ({
  main: { model: scripted(() => ({ text: 'yes', usage: { inputTokens: 6, outputTokens: 4 } })), price },
})

function boot(store: string, options: Partial<KernelOptions> = {}): Kernel {
  return createKernel({ store: openSqliteStore(store), models: models(), programs, ...options })
}

async function polity(
  store: string,
  clock: Clock,
  name: string,
  ...words: string[]
): Promise<{ out: string; err: string }> {
  const { context, said } = cliContext({ storePath: store, isJson: words.includes('--json'), clock })
  const command = await loadCommand(name)
  assert.ok(command !== undefined)
  assert.equal(await command.run(context, parseCommandLine(command, words)), 0, said.err)
  return said
}

const listed = async (store: string, name: 'ps' | 'top', ...words: string[]): Promise<ProcessList> =>
  JSON.parse(
    (await polity(store, realClock(), name, '--json', ...(name === 'top' ? ['--once'] : []), ...words)).out,
  ) as ProcessList

async function until(is: () => boolean, what: string): Promise<void> {
  const { now } = realClock()
  for (const startedAt = now(); !is(); await pause(5)) if (now() - startedAt > HANGS_MS) assert.fail(`never: ${what}`)
}

const waits = (kernel: Kernel, pid: Pid): boolean => kernel.info(pid).waiting === 'receive'

/** Usage by pid. */
type Said = { readonly [pid: Pid]: Usage }

const saidOf = (processes: Iterable<{ readonly pid: Pid; readonly usage: Usage }>): Said =>
  Object.fromEntries([...processes].map(({ pid, usage }) => [pid, { ...usage }]))

/** What has ended stays in RAM for a while without its journal. */
const lasting = <One extends { readonly endedAt: number | null }>(all: readonly One[]): One[] =>
  all.filter(({ endedAt }) => endedAt === null)

test('every door says the same of what a process and its tree took, children whose journals are gone with it', async () => {
  const path = join(folder, 'doors.db')
  const kernel = boot(path)
  const { pid: root } = kernel.spawn(parents, 3)
  const below = (): Pid => kernel.ps().find(({ program }) => program === 'grand')?.pid ?? 0
  await until(() => waits(kernel, root) && below() > 0 && waits(kernel, below()), 'all wait')
  const pids = [root, below()]
  const took = (): Said => saidOf(pids.map((pid) => kernel.info(pid)))
  const before = took()
  // Three children with six calls, the one that waits, and its three.
  assert.deepEqual([before[root]?.steps, before[root]?.children, before[root]?.outputTokens], [9, 7, 36])
  assert.equal(before[root]?.usd, 90)
  assert.equal(await kernel.collect(0), 6)
  assert.deepEqual(took(), before)

  const doors = doorsOf({ kernel, programs })
  const server = await serve({ kernel, doors, store: path, port: 0, clock: realClock(), limits: { drainMs: 100 } })
  try {
    const client = createClient({ url: server.url })
    assert.deepEqual(saidOf(lasting((await client.processes.list()).items)), before, 'the list of the API')
    assert.deepEqual(saidOf((await client.processes.list({ all: true })).items), before, 'with all that have a journal')
    assert.deepEqual(saidOf(await Promise.all(pids.map((pid) => client.processes.get(pid)))), before, 'one by one')
    const flat = (tree: ProcessTree): ProcessTree[] => [tree, ...tree.children.flatMap(flat)]
    assert.deepEqual(saidOf(flat(await client.processes.tree(root))), before, 'as a tree')
  } finally {
    await server.close()
  }
  const total = { tokens: 90, usd: 90 }
  for (const name of ['ps', 'top'] as const) {
    const list = await listed(path, name)
    assert.deepEqual([list.isAnswered, saidOf(list.processes), list.total], [true, before, total], name)
  }
  // Read beside the kernel, as if that did not answer.
  const reader = readSqliteStore(path)
  const silent = await listProcesses(path, reader, { waitMs: 0 })
  assert.deepEqual([silent.isAnswered, saidOf(silent.processes), silent.total], [false, before, total])
  reader.close()
  await kernel.close()

  const stopped = await listed(path, 'ps')
  assert.deepEqual([stopped.isOwned, saidOf(stopped.processes), stopped.total], [false, before, total], 'stopped')
  const again = boot(path)
  assert.deepEqual(saidOf(pids.map((pid) => again.info(pid))), before, 'by the next kernel')
  again.resume()
  await until(() => pids.every((pid) => waits(again, pid)), 'all wait again')
  again.kill(root)
  const ended = saidOf(pids.map((pid) => again.info(pid)))
  assert.deepEqual(ended, before, 'a call that it waited in is counted already')
  await again.close()
  assert.deepEqual(saidOf((await listed(path, 'ps', '--all')).processes), ended, 'of what has ended')
  for (const pid of pids) {
    const { out } = await polity(path, realClock(), 'trace', String(pid), '--json')
    const { events } = JSON.parse(out) as { events: { type: string; usage?: Usage }[] }
    assert.deepEqual({ ...events.find(({ type }) => type === 'process-end')?.usage }, ended[pid], 'by its trace')
  }
})

test('what a store alone says is what a kernel would count, whatever was collected, also where a child goes while it is read', async () => {
  const w = createWorld({ models: models(), programs, limits: { processesEndedMax: 1, processesKeptMax: 1 } })
  w.kernel.spawn(parents, 3)
  w.kernel.spawn(parents, 2)
  for (let i = 0; i < 40; i++) await new Promise((resolve) => void setImmediate(resolve))
  const during = w.store.batches.length
  await w.settled(w.kernel.collect(2))
  await w.settled(w.kernel.collect(0))
  const { batches } = w.store
  for (let count = 0; count <= batches.length; count++) {
    const { kernel } = createWorld({ models: models(), programs, store: cutStore(batches, count) })
    const open = openIn(cutStore(batches, count))
    assert.deepEqual(
      saidOf([...open].map(([pid, { used }]) => ({ pid, usage: used }))),
      saidOf(kernel.ps()),
      `after ${count} commits`,
    )
    await kernel.close()
  }
  const [before, behind] = [cutStore(batches, during), w.store as Store]
  const expected = saidOf([...openIn(before)].map(([pid, { used }]) => ({ pid, usage: used })))
  for (let looks = 0; looks < 30; looks++) {
    let left = looks
    const now = (): Store => (left-- > 0 ? before : behind)
    const open = openIn({
      range: (...args) => now().range(...args),
      processes: (...args) => now().processes(...args),
      events: (...args) => now().events(...args),
    })
    assert.deepEqual(
      saidOf([...open].map(([pid, { used }]) => ({ pid, usage: used }))),
      expected,
      `gone behind look ${looks}`,
    )
  }
  await w.kernel.close()
})

test('sums take every kind of usage', () => {
  const one: Usage = { inputTokens: 1, cachedTokens: 2, outputTokens: 3, usd: 4, steps: 5, calls: 6, children: 7 }
  assert.deepEqual(addUsage(addUsage(unused(), one), one), {
    inputTokens: 2,
    cachedTokens: 4,
    outputTokens: 6,
    usd: 8,
    steps: 10,
    calls: 12,
    children: 14,
  })
  assert.deepEqual(addChild(unused(), one), { ...one, children: 8 })
})

test('ps, top and trace know every process of a kernel that lives, also those beyond what one status shows', async () => {
  const path = join(folder, 'many.db')
  const clock = clockAhead()
  const model = scripted(() => ({ error: { statusCode: 429, message: 'slower', headers: { 'retry-after-ms': '50' } } }))
  const kernel = boot(path, { clock, models: { main: model } })
  // The oldest waits for a core that refuses, and so does the child of another.
  const held = kernel.spawn(asks, 1)
  const family = kernel.spawn(
    defineProgram('family', async (sys) => sys.wait(await sys.spawn(asks, 1))),
    null,
  )
  held.result.catch(() => {})
  family.result.catch(() => {})
  const many = 300 + statusPidsMax
  const pids = Array.from({ length: many }, () => kernel.spawn(parked, null).pid)
  await until(() => pids.every((pid) => waits(kernel, pid)) && (kernel.cores[0]?.refused ?? 0) > 1, 'all wait')
  clock.setAhead(12_000)
  const refused = kernel.cores[0]?.refused ?? 0
  await until(() => (kernel.cores[0]?.refused ?? 0) > refused, 'it was refused again')

  for (const name of ['ps', 'top'] as const) {
    const list = await listed(path, name)
    assert.equal(list.isAnswered, true)
    assert.deepEqual(
      list.processes.map(({ pid, state, waiting, usage }) => ({ pid, state, waiting, usage })),
      kernel
        .ps()
        .map(({ pid, state, waiting, usage }) => ({ pid, state, waiting, usage: { ...usage } }))
        // A child stands behind its parent.
        .toSorted(
          (a, b) => (kernel.info(a.pid).parent ?? a.pid) - (kernel.info(b.pid).parent ?? b.pid) || a.pid - b.pid,
        ),
      name,
    )
  }
  for (const { pid } of [held, family])
    assert.match((await polity(path, clock, 'trace', String(pid))).err, /main has refused every call for 1\d/)
  assert.equal((await polity(path, clock, 'trace', String(pids[0]))).err, '')

  // Two that look at once each have all of them.
  const both = await Promise.all([listed(path, 'ps'), listed(path, 'ps'), listed(path, 'top')])
  for (const list of both) assert.deepEqual([list.isAnswered, list.processes.length], [true, many + 3])
  await kernel.close()
})
