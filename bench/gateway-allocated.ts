/**
 * What one request to the OpenAI-compatible gateway allocates, kept or not, and the time of the processor that it takes. The
 * model answers at once and in the same process, so what is counted is the server, the gateway and the kernel.
 *
 *     node bench/gateway-allocated.ts [--requests 4000] [--rounds 3] [--store memory|sqlite] [--top 20]
 *
 * Beside it a bare node:http server that reads the same body as JSON and writes the same answer. Each is a process of its
 * own, whose heap is sampled; the clients, 20 at a time, are in this one. Allocation hardly depends on what else the machine
 * does, unlike time. `--top` shows which functions allocate most.
 */
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { boot } from '../src/boot.ts'
import type { LanguageModel } from '../src/kernel/drivers.ts'
import { startServer } from '../src/server/http.ts'
import { createModelDoor } from '../src/server/model-door.ts'
import { openaiDoor } from '../src/server/openai/door.ts'
import { sampleAllocations } from './allocations.ts'
import { spread } from './figures.ts'
import { question, said, wholeAnswer } from './gateway-question.ts'

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '4000' },
    rounds: { type: 'string', default: '3' },
    store: { type: 'string', default: 'memory' },
    top: { type: 'string' },
    role: { type: 'string' },
  },
})

/** Requests that are open at the same time. */
const TOGETHER = 20
const body = JSON.stringify(question)

// ---------------------------------------------------------------------------------------------------------- contestants

async function gateway(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'polity-allocated-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const model: LanguageModel = {
    specificationVersion: 'v4',
    provider: 'up',
    modelId: 'stream',
    supportedUrls: {},
    capabilities: { slots: 100_000 },
    doGenerate: async () => ({
      content: [{ type: 'text', text: said }],
      finishReason: { unified: 'stop', raw: 'stop' },
      usage: {
        inputTokens: { total: 200, noCache: 200, cacheRead: 0, cacheWrite: 0 },
        outputTokens: { total: 50, text: 50, reasoning: 0 },
      },
      warnings: [],
    }),
    doStream: () => Promise.reject(new Error('it answers whole')),
  }
  const kernel = await boot({
    models: { 'up/stream': model },
    ...(values.store === 'sqlite' ? { store: join(folder, 'polity.db') } : {}),
  })
  const caller = { principal: 'bench', scopes: new Set(['models'] as const), key: null }
  const { port } = await startServer({
    doors: [openaiDoor({ models: createModelDoor(kernel) })],
    authenticate: () => caller,
    port: 0,
  })
  return port
}

function bare(): Promise<number> {
  const server = createServer((request, response) => {
    let asked = ''
    request.setEncoding('utf8')
    request.on('data', (piece: string) => (asked += piece))
    request.on('end', () => {
      const { model } = JSON.parse(asked) as { model: string }
      const text = JSON.stringify({ ...wholeAnswer, model })
      response.setHeader('content-type', 'application/json')
      response.end(text)
    })
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)))
}

/** What a contestant tells of the time since it was last asked: bytes by function, and processor time, ms. */
interface Told {
  readonly bytes: number
  readonly cpu: number
  readonly top: readonly (readonly [place: string, bytes: number])[]
}

async function sample(): Promise<() => Promise<Told>> {
  let allocations = await sampleAllocations(1_024)
  let from = process.cpuUsage()
  return async () => {
    const { user, system } = process.cpuUsage(from)
    const { bytes, places } = await allocations.end()
    allocations = await sampleAllocations(1_024)
    from = process.cpuUsage()
    return { bytes, cpu: (user + system) / 1_000, top: places.slice(0, Number(values.top ?? 0)) }
  }
}

// -------------------------------------------------------------------------------------------------------------- clients

const agent = new Agent({ keepAlive: true, maxSockets: TOGETHER })

function ask(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      port,
      path: '/v1/chat/completions',
      method: 'POST',
      agent,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    })
    request.on('error', reject)
    request.on('response', (answer) => {
      let length = 0
      answer.on('data', (piece: Buffer) => (length += piece.length))
      answer.on('end', () =>
        answer.statusCode === 200 && length > said.length
          ? resolve()
          : reject(new Error(`answered with ${answer.statusCode}`)),
      )
    })
    request.end(body)
  })
}

async function askAll(port: number, count: number): Promise<void> {
  let left = count
  await Promise.all(
    Array.from({ length: TOGETHER }, async () => {
      while (left-- > 0) await ask(port)
    }),
  )
}

async function main(): Promise<void> {
  const requests = Number(values.requests)
  const rows = []
  for (const role of ['bare', 'gateway']) {
    const child = fork(import.meta.filename, ['--role', role, '--store', values.store, '--top', values.top ?? '0'])
    const hear = <T>(): Promise<T> => new Promise((resolve) => void child.once('message', (told) => resolve(told as T)))
    const told = (): Promise<Told> => {
      child.send('tell')
      return hear<Told>()
    }
    const { port } = await hear<{ port: number }>()
    // The first thousands compile.
    await askAll(port, requests)
    await told()
    const rounds: Told[] = []
    for (let round = 0; round < Number(values.rounds); round++) {
      await askAll(port, requests)
      rounds.push(await told())
    }
    child.disconnect()
    const each = (of: (one: Told) => number): string => spread(rounds.map((one) => of(one) / requests))
    rows.push({
      what: role === 'bare' ? 'bare node:http server' : `gateway, store ${values.store}`,
      'kB allocated a request': each(({ bytes }) => bytes / 1_000),
      'processor ms a request': each(({ cpu }) => cpu),
    })
    for (const [place, bytes] of rounds.at(-1)?.top ?? [])
      console.log(`${(bytes / requests / 1_000).toFixed(2).padStart(7)} kB  ${place}`)
  }
  console.table(rows)
  process.exit(0)
}

if (values.role === undefined) await main()
else {
  const port = values.role === 'bare' ? await bare() : await gateway()
  const tell = await sample()
  process.on('disconnect', () => process.exit())
  process.on('message', () => void tell().then((told) => process.send?.(told)))
  process.send?.({ port })
}
