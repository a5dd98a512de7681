/**
 * A million runs in one kernel: does memory stay where it is?
 *
 *     node bench/soak.ts [--runs 1000000] [--json]
 *
 * Compared: the mean resident set of the last tenth against that of the second tenth (the first is warm-up).
 */
import { parseArgs } from 'node:util'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { adder, addTool, oneRun } from './one-run.ts'

const { values } = parseArgs({ options: { runs: { type: 'string', default: '1000000' }, json: { type: 'boolean' } } })
const runs = Number(values.runs)
const WAVE = 100

const kernel = createKernel({ store: memoryStore(), models: { model: adder({ latencyMs: 0 }) }, tools: [addTool] })
const tenths: number[][] = Array.from({ length: 10 }, () => [])
const started = performance.now()
for (let done = 0; done < runs; done += WAVE) {
  await Promise.all(Array.from({ length: WAVE }, (_, i) => kernel.spawn(oneRun, `run ${done + i}`).result))
  if (done % (runs / 1000) === 0) tenths[Math.floor((done * 10) / runs)]?.push(process.memoryUsage.rss() / 2 ** 20)
}
const seconds = (performance.now() - started) / 1000
await kernel.close()

const mean = (list: readonly number[]) => list.reduce((sum, one) => sum + one, 0) / list.length
const second = mean(tenths[1] ?? [])
const last = mean(tenths[9] ?? [])
const figures = {
  runs,
  seconds: Math.round(seconds),
  'second tenth MB': Math.round(second),
  'last tenth MB': Math.round(last),
  ratio: Math.round((last / second) * 1000) / 1000,
}
if (values.json === true) console.log(JSON.stringify(figures))
else console.table([figures])
