/**
 * What one open stream of the OpenAI-compatible gateway holds, and what a piece of it allocates and takes of the processor.
 * The model speaks in the same process, when it is told to, so what is counted is the server, the gateway, the kernel and
 * the one web stream that every model of the AI SDK answers with.
 *
 *     node bench/gateway-streams.ts [--streams 1000] [--pieces 20] [--rounds 3] [--top 20]
 *
 * Beside it a bare node:http server that keeps the same number of answers open and writes the same events. Each is a process
 * of its own; the clients are in this one, and keep their connections from round to round, so a connection's own socket is
 * in neither figure. What is held is what stays after a full collection, less what was there before; what is allocated is
 * sampled, in rounds of their own, as it slows the processor down. Neither depends on what else the machine does. Rounds
 * before the first are not counted: they compile. `--top` shows which functions allocate most.
 */
import { fork } from 'node:child_process'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { LanguageModelV4StreamPart } from '@ai-sdk/provider'
import { boot } from '../src/boot.ts'
import type { LanguageModel } from '../src/kernel/drivers.ts'
import { startServer } from '../src/server/http.ts'
import { createModelDoor } from '../src/server/model-door.ts'
import { openaiDoor } from '../src/server/openai/door.ts'
import { sampleAllocations } from './allocations.ts'
import { spread } from './figures.ts'
import { question } from './gateway-question.ts'

const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '1000' },
    pieces: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '3' },
    top: { type: 'string', default: '0' },
    role: { type: 'string' },
  },
})

const body = JSON.stringify({ ...question, stream: true })
const PIECE = 'some words '

/** A contestant: its port, and what makes all its open streams say a piece, or end. */
interface Contestant {
  readonly port: number
  piece(): void
  end(): void
}

async function gateway(): Promise<Contestant> {
  const open = new Set<ReadableStreamDefaultController<LanguageModelV4StreamPart>>()
  const model: LanguageModel = {
    specificationVersion: 'v4',
    provider: 'up',
    modelId: 'stream',
    supportedUrls: {},
    capabilities: { slots: 100_000 },
    doGenerate: () => Promise.reject(new Error('it streams')),
    doStream: async () => ({
      stream: new ReadableStream<LanguageModelV4StreamPart>({
        start(controller) {
          open.add(controller)
          controller.enqueue({ type: 'text-start', id: '0' })
          controller.enqueue({ type: 'text-delta', id: '0', delta: PIECE })
        },
      }),
    }),
  }
  const kernel = await boot({ models: { 'up/stream': model } })
  const caller = { principal: 'bench', scopes: new Set(['models'] as const), key: null }
  const { port } = await startServer({
    doors: [openaiDoor({ models: createModelDoor(kernel) })],
    authenticate: () => caller,
    port: 0,
    limits: { streamsPerPrincipalMax: 100_000 },
  })
  const usage = {
    inputTokens: { total: 200, noCache: 200, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: 50, text: 50, reasoning: 0 },
  }
  return {
    port,
    piece() {
      for (const controller of open) controller.enqueue({ type: 'text-delta', id: '0', delta: PIECE })
    },
    end() {
      for (const controller of open) {
        controller.enqueue({ type: 'text-end', id: '0' })
        controller.enqueue({ type: 'finish', finishReason: { unified: 'stop', raw: 'stop' }, usage })
        controller.close()
      }
      open.clear()
    },
  }
}

function bare(): Promise<Contestant> {
  const open = new Set<ServerResponse>()
  const event = `data: ${JSON.stringify({
    id: 'x',
    created: 0,
    model: question.model,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta: { content: PIECE }, logprobs: null, finish_reason: null }],
  })}\n\n`
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      open.add(response)
      response.setHeader('content-type', 'text/event-stream')
      response.write(event)
    })
  })
  const contestant = (): Contestant => ({
    port: (server.address() as AddressInfo).port,
    piece() {
      for (const response of open) response.write(event)
    },
    end() {
      for (const response of open) response.end('data: [DONE]\n\n')
      open.clear()
    },
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(contestant())))
}

// ------------------------------------------------------------------------------------------------- within a contestant

type Order = 'piece' | 'end' | 'heap' | 'sample' | 'time' | 'told'

/** What was allocated and how long the processor worked since `sample` or `time`; `bytes` is 0 where nothing was sampled. */
interface Told {
  readonly bytes: number
  readonly cpu: number
  readonly top: readonly (readonly [place: string, bytes: number])[]
}

async function obey(contestant: Contestant): Promise<void> {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  let allocations: Awaited<ReturnType<typeof sampleAllocations>> | undefined
  let from = process.cpuUsage()
  const orders: { readonly [name in Order]: () => unknown } = {
    piece: contestant.piece,
    end: contestant.end,
    async heap() {
      // What a collection frees may hold on to more by a finalizer.
      for (let time = 0; time < 4; time++) {
        gc()
        await new Promise((resolve) => setTimeout(resolve, 30))
      }
      return process.memoryUsage().heapUsed
    },
    async sample() {
      allocations = await sampleAllocations()
      from = process.cpuUsage()
    },
    time: () => (from = process.cpuUsage()),
    async told(): Promise<Told> {
      const { user, system } = process.cpuUsage(from)
      const { bytes, places } = (await allocations?.end()) ?? { bytes: 0, places: [] }
      allocations = undefined
      return { bytes, cpu: (user + system) / 1_000, top: places.slice(0, Number(values.top)) }
    },
  }
  process.on('message', (order: Order) => {
    void Promise.resolve(orders[order]()).then((said) => process.send?.({ said: said ?? null }))
  })
  process.on('disconnect', () => process.exit())
  process.send?.({ said: contestant.port })
}

// -------------------------------------------------------------------------------------------------------------- clients

const agent = new Agent({ keepAlive: true, maxSockets: Infinity })

/** Opens a stream; `hear` is told of each piece. Resolves with the answer's end once it has begun. */
function open(port: number, hear: () => void): Promise<{ readonly end: Promise<void> }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      port,
      path: '/v1/chat/completions',
      method: 'POST',
      agent,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    })
    request.on('error', reject)
    request.on('response', (answer: IncomingMessage) => {
      // A piece is never cut: it is far smaller than what a connection takes at once.
      answer.setEncoding('utf8').on('data', (text: string) => {
        for (let at = text.indexOf(PIECE); at >= 0; at = text.indexOf(PIECE, at + 1)) hear()
      })
      resolve({ end: new Promise((ended) => answer.on('close', ended)) })
    })
    request.end(body)
  })
}

interface Round {
  readonly held: number
  readonly opening: Told
  readonly each: Told
}

async function round(port: number, ask: <T>(order: Order) => Promise<T>, isSampled: boolean): Promise<Round> {
  const count = Number(values.streams)
  let heard = 0
  const hearing = async (pieces: number): Promise<void> => {
    while (heard < count * pieces) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const begin = isSampled ? 'sample' : 'time'
  const before = await ask<number>('heap')
  await ask(begin)
  const ends: Promise<void>[] = []
  for (let i = 0; i < count; i++) ends.push((await open(port, () => heard++)).end)
  await hearing(1)
  const opening = await ask<Told>('told')
  const held = (await ask<number>('heap')) - before
  await ask(begin)
  for (let piece = 0; piece < Number(values.pieces); piece++) {
    await ask('piece')
    await hearing(piece + 2)
  }
  const each = await ask<Told>('told')
  await ask('end')
  await Promise.all(ends)
  return { held, opening, each }
}

async function main(): Promise<void> {
  const [streams, rounds] = [Number(values.streams), Number(values.rounds)]
  const pieces = streams * Number(values.pieces)
  const rows = []
  for (const role of ['bare', 'gateway']) {
    const child = fork(import.meta.filename, ['--role', role, '--top', values.top])
    const hear = <T>(): Promise<T> =>
      new Promise((resolve) => void child.once('message', (told: { said: T }) => resolve(told.said)))
    const ask = <T>(order: Order): Promise<T> => {
      child.send(order)
      return hear<T>()
    }
    const port = await hear<number>()
    const timed: Round[] = []
    const sampled: Round[] = []
    for (let time = 0; time < rounds + 2; time++) {
      const one = await round(port, ask, false)
      const other = await round(port, ask, true)
      if (time < 2) continue
      timed.push(one)
      sampled.push(other)
    }
    child.disconnect()
    rows.push({
      what: role === 'bare' ? 'bare node:http server' : 'gateway',
      'kB held by a stream': spread([...timed, ...sampled].map(({ held }) => held / streams / 1_000)),
      'kB allocated to open it': spread(sampled.map(({ opening }) => opening.bytes / streams / 1_000)),
      'processor ms to open it': spread(timed.map(({ opening }) => opening.cpu / streams)),
      'kB allocated a piece': spread(sampled.map(({ each }) => each.bytes / pieces / 1_000)),
      'processor µs a piece': spread(timed.map(({ each }) => (each.cpu * 1_000) / pieces)),
    })
    for (const [what, of, per] of [
      ['to open it', (one: Round) => one.opening, streams],
      ['a piece', (one: Round) => one.each, pieces],
    ] as const)
      for (const [place, bytes] of of(sampled.at(-1) as Round).top)
        console.log(`${(bytes / per).toFixed(0).padStart(7)} bytes ${what}  ${place}`)
  }
  console.table(rows)
  process.exit(0)
}

if (values.role === undefined) await main()
else await obey(values.role === 'bare' ? await bare() : await gateway())
