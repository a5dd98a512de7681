/**
 * What one run allocates, kept or not: the heap is sampled while thousands of runs wait for their model at once. The
 * program and the model of the bench are included.
 *
 *     node bench/allocated.ts [--runs 5000] [--rounds 3]
 */
import { parseArgs } from 'node:util'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { sampleAllocations } from './allocations.ts'
import { spread } from './figures.ts'
import { adder, addTool, oneRun } from './one-run.ts'

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '5000' }, rounds: { type: 'string', default: '3' } },
})
const runs = Number(values.runs)

const kernel = createKernel({ store: memoryStore(), models: { model: adder({ latencyMs: 20 }) }, tools: [addTool] })

async function all(): Promise<void> {
  await Promise.all(Array.from({ length: runs }, () => kernel.spawn(oneRun, 'What is 1 + 2?').result))
}

async function kilobytesEach(): Promise<number> {
  const allocations = await sampleAllocations()
  await all()
  return (await allocations.end()).bytes / runs / 1000
}

// The machine is warm when it serves: compile the paths first.
for (let round = 0; round < 3; round++) await all()
const kilobytes: number[] = []
for (let round = 0; round < Number(values.rounds); round++) kilobytes.push(await kilobytesEach())
console.table([{ runs, 'kB allocated each': spread(kilobytes) }])
await kernel.close()
