/**
 * One contestant of concurrent.ts, in this process; prints its figures.
 *
 *     node bench/concurrent-child.ts "bare loop"|memory|relaxed 10000
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHistogram } from 'node:perf_hooks'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { adder, addTool, bareRun, oneRun } from './one-run.ts'

export interface Figures {
  readonly wallMs: number
  readonly cpuMs: number
  readonly stallMs: number
  readonly rssMb: number
}

const [name = 'memory', runs = '10000'] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'polity-bench-'))
const { run, close } = contestant(name, folder)
// The machine is warm when it serves: compile the paths first, with few at once.
for (let i = 0; i < 50; i++) await Promise.all(Array.from({ length: 100 }, () => run('warm')))
const stalls = createHistogram()
let last = performance.now()
const probe = setInterval(() => {
  const now = performance.now()
  stalls.record(Math.max(1, Math.round((now - last - 1) * 1000)))
  last = now
}, 1)
const cpu = process.cpuUsage()
const started = performance.now()
const results = await Promise.all(Array.from({ length: Number(runs) }, (_, i) => run(`run ${i}`)))
const wallMs = performance.now() - started
const { user, system } = process.cpuUsage(cpu)
clearInterval(probe)
if (results.some((text) => text !== 'three')) throw new Error('a run ended with another answer')
const rssMb = process.resourceUsage().maxRSS / 1024
const figures: Figures = { wallMs, cpuMs: (user + system) / 1000, stallMs: stalls.max / 1000, rssMb }
console.log(JSON.stringify(figures))
await close()
rmSync(folder, { recursive: true, force: true })

interface Running {
  run(question: string): Promise<string>
  close(): Promise<void> | void
}

function contestant(name: string, folder: string): Running {
  const model = adder({ latencyMs: 50 })
  if (name === 'bare loop') return { run: (question) => bareRun(model, question), close: () => {} }
  const store = name === 'memory' ? memoryStore() : openSqliteStore(join(folder, 'bench.db'), { durability: 'relaxed' })
  const kernel = createKernel({ store, models: { model }, tools: [addTool] })
  return { run: (question) => kernel.spawn(oneRun, question).result, close: () => kernel.close() }
}
