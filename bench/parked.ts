/**
 * A hundred thousand processes that wait for a message, then all get one.
 *
 *     node --expose-gc bench/parked.ts [--processes 100000] [--json]
 *
 * Measured: bytes a parked process holds (live heap after a forced collection, and growth of the resident set), and the
 * time from the first message to the last result.
 */
import { parseArgs } from 'node:util'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'

const { values } = parseArgs({
  options: { processes: { type: 'string', default: '100000' }, json: { type: 'boolean' } },
})
const count = Number(values.processes)
const collect = globalThis.gc
if (collect === undefined) throw new Error('run with --expose-gc')

const parked = defineProgram('parked', async (sys, _input: null) => (await sys.receive()).body)
const kernel = createKernel({ store: memoryStore() })

collect()
const before = process.memoryUsage()
const spawning = performance.now()
const pids = Array.from({ length: count }, () => kernel.spawn(parked, null).pid)
while (kernel.info(pids[count - 1] ?? 0).waiting === null) await new Promise((resolve) => setImmediate(resolve))
const spawnMs = performance.now() - spawning
collect()
const after = process.memoryUsage()

const results = pids.map((pid) => kernel.run(pid).result)
const waking = performance.now()
for (const pid of pids) kernel.send(pid, 'go')
await Promise.all(results)
const resumeMs = performance.now() - waking

const figures = {
  processes: count,
  'heap bytes each': Math.round((after.heapUsed - before.heapUsed) / count),
  'resident bytes each': Math.round((after.rss - before.rss) / count),
  'spawn ms': Math.round(spawnMs),
  'resume ms': Math.round(resumeMs),
}
if (values.json === true) console.log(JSON.stringify(figures))
else console.table([figures])
await kernel.close()
