/**
 * What one run costs: the model asks for a tool, the tool runs, the model answers. Serial, with a model that takes no time.
 *
 *     node bench/per-run.ts [--runs 20000] [--rounds 5] [--json]
 *
 * Contestants, each in a process of its own, one after another in every round: a bare loop with the same checks of the
 * tool's input, the AI SDK's ToolLoopAgent, Polity in memory, Polity with its journal in SQLite (relaxed; every call with
 * its times is in it, which is all the tracing there is). More peers: bench/peers/.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { LanguageModel as AiSdkModel } from 'ai'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { median, percentile, spread } from './figures.ts'
import { adder, addInput, addTool, bareRun, oneRun } from './one-run.ts'

const contestants = ['bare loop', 'Polity, memory', 'Polity, SQLite relaxed', 'AI SDK'] as const
type Contestant = (typeof contestants)[number]

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'boolean' },
    child: { type: 'string' },
  },
})
const runs = Number(values.runs)
const WARM_UP_RUNS = 3_000

if (values.child === undefined) parent()
else await child(values.child as Contestant)

async function child(contestant: Contestant): Promise<void> {
  const { run, close } = await prepare(contestant)
  for (let i = 0; i < WARM_UP_RUNS; i++) await run(i)
  const times = new Float64Array(runs)
  const cpu = process.cpuUsage()
  for (let i = 0; i < runs; i++) {
    const started = performance.now()
    const text = await run(i)
    times[i] = (performance.now() - started) * 1000
    if (text !== 'three') throw new Error(`a run ended with ${text}`)
  }
  const { user, system } = process.cpuUsage(cpu)
  times.sort()
  console.log(
    JSON.stringify({ p50: percentile(times, 0.5), p99: percentile(times, 0.99), cpu: (user + system) / runs }),
  )
  await close()
}

async function prepare(
  contestant: Contestant,
): Promise<{ run: (i: number) => Promise<string>; close: () => Promise<void> | void }> {
  const model = adder({ latencyMs: 0 })
  if (contestant === 'bare loop') {
    return { run: (i) => bareRun(model, `run ${i}`), close: () => {} }
  }
  if (contestant === 'AI SDK') {
    const { ToolLoopAgent, tool } = await import('ai')
    const agent = new ToolLoopAgent({
      model: model as AiSdkModel,
      tools: { add: tool({ description: addTool.description, inputSchema: addInput, execute: ({ a, b }) => a + b }) },
    })
    return { run: async (i) => (await agent.generate({ prompt: `run ${i}` })).text, close: () => {} }
  }
  const folder = mkdtempSync(join(tmpdir(), 'polity-bench-'))
  const store =
    contestant === 'Polity, memory'
      ? memoryStore()
      : openSqliteStore(join(folder, 'bench.db'), { durability: 'relaxed' })
  const kernel = createKernel({ store, models: { model }, tools: [addTool] })
  return {
    run: (i) => kernel.spawn(oneRun, `run ${i}`).result,
    async close() {
      await kernel.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function parent(): void {
  const figures = new Map<Contestant, { p50: number; p99: number; cpu: number }[]>(
    contestants.map((name) => [name, []]),
  )
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [name, rounds] of figures) {
      const { stdout, stderr, status } = spawnSync(
        process.execPath,
        [import.meta.filename, '--child', name, '--runs', String(runs)],
        { encoding: 'utf8' },
      )
      if (status !== 0) throw new Error(`${name}: ${stderr}`)
      rounds.push(JSON.parse(stdout) as { p50: number; p99: number; cpu: number })
    }
  }
  const bare = median((figures.get('bare loop') ?? []).map((one) => one.p50))
  const table = [...figures].map(([contestant, rounds]) => ({
    contestant,
    'p50 µs': spread(rounds.map((one) => one.p50)),
    'p99 µs': median(rounds.map((one) => one.p99)),
    'cpu µs': median(rounds.map((one) => one.cpu)),
    'times the bare loop': Math.round((median(rounds.map((one) => one.p50)) / bare) * 10) / 10,
  }))
  if (values.json === true) console.log(JSON.stringify(table))
  else console.table(table)
}
