/**
 * Many agents, one model with 20 slots that answers 429 beyond: does everybody finish, how many calls are refused, and how
 * near is the wall time to the ideal (all calls in full slots, one behind another)?
 *
 *     node bench/contention.ts [--json]
 *
 * Each agent makes two model calls of 50 ms. `declared`: the kernel is told the slots. `learned`: it has to find them out.
 * The 10,000 run in simulated time (50 s of it), the 300 in real time.
 */
import { parseArgs } from 'node:util'
import { simulated } from '../src/drivers/llm/simulated.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { realClock, simulatedClock } from '../src/kernel/clock.ts'
import type { DisciplineName } from '../src/kernel/disciplines.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import { percentile } from './figures.ts'

const { values } = parseArgs({ options: { json: { type: 'boolean' } } })
const SLOTS = 20
const CALL_MS = 50

const twoCalls = defineProgram('two-calls', async (sys, i: number) => {
  await sys.generate(`first of ${i}`)
  await sys.generate(`second of ${i}`)
  return sys.now()
})

async function contend(agents: number, time: 'real' | 'simulated', declared: boolean, discipline: DisciplineName) {
  const clock = time === 'real' ? realClock() : simulatedClock({ seed: 7 })
  const model = simulated({
    clock,
    slots: SLOTS,
    latencyMs: CALL_MS,
    prefillTokensPerSecond: Infinity,
    decodeTokensPerSecond: Infinity,
    refuse: '429',
    retryAfterMs: 100,
    declare: declared,
  })
  const kernel = createKernel({ store: memoryStore(), clock, models: { model }, discipline })
  const started = clock.now()
  const ends = await Promise.allSettled(Array.from({ length: agents }, (_, i) => kernel.spawn(twoCalls, i).result))
  const wallMs = clock.now() - started
  const finished = ends
    .flatMap((end) => (end.status === 'fulfilled' ? [end.value - started] : []))
    .toSorted((a, b) => a - b)
  const idealMs = Math.ceil((agents * 2) / SLOTS) * CALL_MS
  const { refused } = model.stats()
  await kernel.close()
  return {
    agents,
    time,
    slots: declared ? 'declared' : 'learned',
    discipline,
    finished: finished.length,
    refused,
    'wall ms': Math.round(wallMs),
    'of ideal': Math.round((wallMs / idealMs) * 1000) / 1000,
    'median finish ms': percentile(finished, 0.5),
  }
}

const table = []
for (const discipline of ['attained-service', 'fifo'] as const) {
  for (const declared of [true, false]) {
    table.push(await contend(300, 'real', declared, discipline))
    table.push(await contend(10_000, 'simulated', declared, discipline))
  }
}
if (values.json === true) console.log(JSON.stringify(table))
else console.table(table)
