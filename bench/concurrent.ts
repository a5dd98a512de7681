/**
 * Ten thousand agents at once: each makes two model calls of 50 ms and one tool call. The model has room for all of them,
 * so what is measured is the kernel: wall time, memory, and how long the event loop stood still.
 *
 *     node bench/concurrent.ts [--runs 10000] [--store memory|relaxed] [--rounds 5] [--json]
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHistogram } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { median, spread } from './figures.ts'
import { adder, addTool, oneRun } from './one-run.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '10000' },
    store: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'boolean' },
    child: { type: 'boolean' },
  },
})
const runs = Number(values.runs)

if (values.child === true) await child(values.store ?? 'memory')
else parent()

async function child(storeName: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'polity-bench-'))
  const store =
    storeName === 'memory' ? memoryStore() : openSqliteStore(join(folder, 'bench.db'), { durability: 'relaxed' })
  const kernel = createKernel({ store, models: { model: adder({ latencyMs: 50 }) }, tools: [addTool] })
  // The machine is warm when it serves: compile the paths first.
  await Promise.all(Array.from({ length: 5_000 }, () => kernel.spawn(oneRun, 'warm').result))
  const stalls = createHistogram()
  let last = performance.now()
  const probe = setInterval(() => {
    const now = performance.now()
    stalls.record(Math.max(1, Math.round((now - last - 1) * 1000)))
    last = now
  }, 1)
  const cpu = process.cpuUsage()
  const started = performance.now()
  const results = await Promise.all(Array.from({ length: runs }, (_, i) => kernel.spawn(oneRun, `run ${i}`).result))
  const wallMs = performance.now() - started
  const { user, system } = process.cpuUsage(cpu)
  clearInterval(probe)
  if (results.some((text) => text !== 'three')) throw new Error('a run ended with another answer')
  const rssMb = process.resourceUsage().maxRSS / 1024
  console.log(JSON.stringify({ wallMs, cpuMs: (user + system) / 1000, stallMs: stalls.max / 1000, rssMb }))
  await kernel.close()
  rmSync(folder, { recursive: true, force: true })
}

function parent(): void {
  const table = []
  for (const store of values.store === undefined ? ['memory', 'relaxed'] : [values.store]) {
    const rounds = Array.from({ length: Number(values.rounds) }, () => {
      const { stdout, stderr, status } = spawnSync(
        process.execPath,
        [import.meta.filename, '--child', '--runs', String(runs), '--store', store],
        { encoding: 'utf8' },
      )
      if (status !== 0) throw new Error(stderr)
      return JSON.parse(stdout) as { wallMs: number; cpuMs: number; stallMs: number; rssMb: number }
    })
    table.push({
      store,
      runs,
      'wall ms': spread(rounds.map((one) => one.wallMs)),
      'cpu ms': median(rounds.map((one) => one.cpuMs)),
      'worst stall ms': spread(rounds.map((one) => one.stallMs)),
      'peak RSS MB': spread(rounds.map((one) => one.rssMb)),
    })
  }
  if (values.json === true) console.log(JSON.stringify(table))
  else console.table(table)
}
