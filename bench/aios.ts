/**
 * The door for agents of AIOS, over HTTP as AIOS's SDK uses it: how many calls a second, and how long each takes, with a model
 * that takes 50 ms and has no limit. The same protocol and loads as AIOS was measured with.
 *
 *     node bench/aios.ts [--json] [--rounds 3]
 *
 * Loads are agents × calls, one call of an agent after another. The client is a process of its own with kept connections.
 * `behind`: a call of 50 ms that is sent while one of 6 s runs. AIOS's own figures stand beside ours as they were measured
 * on the same machine with the same model; they are not measured anew here.
 */
import { fork } from 'node:child_process'
import { Agent, request } from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { realClock } from '../src/kernel/clock.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { aiosDoor, aiosPrograms } from '../src/server/aios/door.ts'
import { createModelDoor } from '../src/server/model-door.ts'
import { serve } from '../src/server/serve.ts'
import { median, percentile, spread } from './figures.ts'

const CALL_MS = 50
const LONG_MS = 6_000

/** Agents, calls of each, and what AIOS did with it: calls a second, and its mean latency. */
const loads: readonly (readonly [agents: number, calls: number, aios: string])[] = [
  [1, 5, '0.9 a second, 1,140 ms'],
  [6, 3, '5.4 a second, 1,100 ms'],
  [60, 1, '5.2 a second, 6,200 ms'],
  [120, 1, '5.2 a second, 12,000 ms'],
  [250, 1, 'not measured on 2 cores'],
  [120, 50, 'not measured'],
]

interface Done {
  readonly wallMs: number
  /** Latencies of the calls, ms, sorted. */
  readonly tookMs: readonly number[]
}

const { values } = parseArgs({
  options: { json: { type: 'boolean' }, rounds: { type: 'string', default: '3' }, client: { type: 'string' } },
})
if (values.client === undefined) await measure(Number(values.rounds))
else beClient(values.client)

// -------------------------------------------------------------------------------------------------------------- client

/** Sends what it is told to, and tells how long it took. */
function beClient(url: string): void {
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity })
  const ask = (name: string, text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const body = JSON.stringify({
        query_type: 'llm',
        agent_name: name,
        query_data: {
          query_class: 'llm',
          llms: null,
          messages: [{ role: 'user', content: text }],
          tools: null,
          action_type: 'chat',
          temperature: 1.0,
          max_new_tokens: 1000,
          message_return_type: 'text',
          response_format: null,
        },
      })
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
      const sent = request(`${url}/query`, { method: 'POST', agent, headers }, (response) => {
        response.on('error', reject)
        response.resume()
        response.on('end', () =>
          response.statusCode === 200 ? resolve() : reject(new Error(`${response.statusCode}`)),
        )
      })
      sent.on('error', reject)
      sent.end(body)
    })
  process.on('message', async ({ agents, calls, text }: { agents: number; calls: number; text: string }) => {
    const tookMs: number[] = []
    const started = performance.now()
    await Promise.all(
      Array.from({ length: agents }, async (_, i) => {
        for (let call = 0; call < calls; call++) {
          const sent = performance.now()
          await ask(`agent-${i}`, text)
          tookMs.push(performance.now() - sent)
        }
      }),
    )
    process.send?.({ wallMs: performance.now() - started, tookMs: tookMs.toSorted((a, b) => a - b) } satisfies Done)
  })
}

// ------------------------------------------------------------------------------------------------------------- measure

async function measure(rounds: number): Promise<void> {
  const rows = [...(await measureOn('memory', rounds)), ...(await measureOn('SQLite', rounds))]
  if (values.json === true) console.log(JSON.stringify(rows))
  else console.table(rows)
}

async function measureOn(kind: 'memory' | 'SQLite', rounds: number): Promise<object[]> {
  const folder = mkdtempSync(join(tmpdir(), 'polity-bench-aios-'))
  const store = join(folder, 'bench.db')
  const model = scripted(
    ({ prompt }) => ({ text: 'ok', delayMs: promptText(prompt).includes('long') ? LONG_MS : CALL_MS }),
    { clock: realClock(), callsKeptMax: 0, capabilities: { slots: 100_000 } },
  )
  const kernel = createKernel({
    store: kind === 'memory' ? memoryStore() : openSqliteStore(store),
    models: { model },
    programs: aiosPrograms,
  })
  const server = await serve({
    kernel,
    doors: [aiosDoor({ kernel, models: createModelDoor(kernel) })],
    store,
    port: 0,
  })
  const clients = [1, 2].map(() => fork(import.meta.filename, ['--client', server.url]))
  const [client, other] = clients as [(typeof clients)[0], (typeof clients)[0]]
  const load = (by: typeof client, agents: number, calls: number, text = 'short'): Promise<Done> =>
    new Promise((resolve) => {
      by.once('message', (done) => resolve(done as Done))
      by.send({ agents, calls, text })
    })
  const rows: object[] = []
  try {
    await load(client, 120, 5)
    for (const [agents, calls, aios] of loads) {
      const done: Done[] = []
      const before = process.cpuUsage()
      for (let round = 0; round < rounds; round++) done.push(await load(client, agents, calls))
      const { user, system } = process.cpuUsage(before)
      rows.push({
        store: kind,
        load: `${agents} × ${calls}`,
        'calls/s': spread(done.map(({ wallMs }) => (agents * calls * 1000) / wallMs)),
        'p50 ms': median(done.map(({ tookMs }) => percentile(tookMs, 0.5))),
        'p90 ms': median(done.map(({ tookMs }) => percentile(tookMs, 0.9))),
        'CPU ms a call': Math.round((user + system) / (10 * rounds * agents * calls)) / 100,
        AIOS: aios,
      })
    }
    const behind: number[] = []
    const long = load(other, 1, 1, 'long')
    await new Promise((resolve) => setTimeout(resolve, 200))
    for (let round = 0; round < rounds; round++) behind.push((await load(client, 1, 1)).wallMs)
    await long
    rows.push({
      store: kind,
      load: 'behind',
      'p50 ms': median(behind),
      'p90 ms': Math.round(Math.max(...behind) * 100) / 100,
      AIOS: '6,700 ms',
    })
  } finally {
    for (const one of clients) one.kill()
    await server.close()
    await kernel.close()
    rmSync(folder, { recursive: true })
  }
  return rows
}
