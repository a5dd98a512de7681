/**
 * What the OpenAI-compatible gateway adds to a model call: latency of whole answers at a constant rate, of the pieces of
 * many open streams, and how soon clients that went away stop costing.
 *
 *     node bench/gateway.ts [--rate 500] [--seconds 5] [--rounds 3] [--streams 1000] [--store memory|sqlite] [--json]
 *                           [--node=--max-semi-space-size=16]
 *
 * Beside it, in the same run and in turn, a bare proxy: node:http, which parses nothing and pipes both ways. Both call
 * the same upstream server over HTTP, with the same kept-alive connections, so what differs is what the gateway does: it
 * checks the request, makes a process of it, asks the law, queues and journals the call, reads the model's answer and
 * writes it anew. Each of the three is a process of its own; the clients are in this one. The load is open: a request is
 * sent when it is due, whatever became of those before, and its time counts from when it was due. Three seconds of answers
 * and one round of streams go before and are not counted: they compile. `--node`: flags of Node for the gateway alone, as its
 * operator may give them in `NODE_OPTIONS`.
 */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { Agent, createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { LanguageModelV4CallOptions, LanguageModelV4StreamPart } from '@ai-sdk/provider'
import { boot } from '../src/boot.ts'
import { promptText } from '../src/drivers/llm/scripted.ts'
import type { LanguageModel } from '../src/kernel/drivers.ts'
import { startServer } from '../src/server/http.ts'
import { createModelDoor } from '../src/server/model-door.ts'
import { openaiDoor } from '../src/server/openai/door.ts'
import { question, wholeAnswer } from './gateway-question.ts'

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    streams: { type: 'string', default: '1000' },
    store: { type: 'string', default: 'memory' },
    node: { type: 'string', default: '' },
    json: { type: 'boolean' },
    role: { type: 'string' },
    upstream: { type: 'string' },
  },
})

/** How long the upstream model thinks about a whole answer, ms. */
const THINKS_MS = 20
/** Pieces of a streamed answer, and the time between them, ms. */
const PIECES = 10
const PIECE_MS = 500

const agent = new Agent({ keepAlive: true, maxSockets: Infinity })

// ------------------------------------------------------------------------------------------------------------ upstream

/** A model server as simple as one can be; it counts the streams that are open. A piece is the time at which it was sent. */
function upstream(): void {
  let open = 0
  listen(
    createServer((request, response) => {
      if (request.url === '/open') return void response.end(String(open))
      let body = ''
      request.setEncoding('utf8')
      request.on('data', (piece: string) => (body += piece))
      request.on('end', () => {
        if (!body.includes('"stream":true')) {
          setTimeout(() => {
            response.setHeader('content-type', 'application/json')
            response.end(JSON.stringify(wholeAnswer))
          }, THINKS_MS)
          return
        }
        open++
        let sent = 0
        response.setHeader('content-type', 'text/event-stream')
        const timer = setInterval(() => {
          if (sent++ < PIECES)
            return void response.write(
              `data: ${JSON.stringify(pieceOf(`${performance.timeOrigin + performance.now()} `))}\n\n`,
            )
          clearInterval(timer)
          response.end('data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
        }, PIECE_MS)
        response.on('close', () => {
          clearInterval(timer)
          open--
        })
      })
    }),
  )
}

function pieceOf(content: string): object {
  return { id: 'x', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content }, finish_reason: null }] }
}

// --------------------------------------------------------------------------------------------------------- contestants

/** Pipes both ways, and lets go of the upstream when its client goes. */
function proxy(to: string): void {
  listen(
    createServer((request, response) => {
      const { host: _, ...headers } = request.headers
      const onward = httpRequest(to + request.url, { method: request.method ?? 'GET', headers, agent })
      onward.on('response', (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        response.flushHeaders()
        answer.pipe(response)
      })
      onward.on('error', () => response.destroy())
      response.on('close', () => response.writableFinished || onward.destroy())
      request.pipe(onward)
    }),
  )
}

async function gateway(to: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'polity-gateway-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const kernel = await boot({
    models: { 'up/stream': modelAt(to) },
    ...(values.store === 'sqlite' ? { store: join(folder, 'polity.db') } : {}),
  })
  const caller = { principal: 'bench', scopes: new Set(['models'] as const), key: null }
  const { port } = await startServer({
    doors: [openaiDoor({ models: createModelDoor(kernel) })],
    authenticate: () => caller,
    port: 0,
    limits: { streamsPerPrincipalMax: 100_000 },
  })
  process.send?.({ port })
}

/** The upstream as a model of the kernel. */
function modelAt(to: string): LanguageModel {
  async function ask(call: LanguageModelV4CallOptions, stream: boolean): Promise<IncomingMessage> {
    const messages = [{ role: 'user', content: promptText(call.prompt) }]
    return post(to, { model: 'up/stream', messages, ...(stream ? { stream } : {}) }, call.abortSignal).answer
  }
  const usage = {
    inputTokens: { total: 200, noCache: 200, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: 50, text: 50, reasoning: 0 },
  }
  return {
    specificationVersion: 'v4',
    provider: 'up',
    modelId: 'stream',
    supportedUrls: {},
    capabilities: { slots: 100_000 },
    async doGenerate(call) {
      const { choices } = JSON.parse(await textOf(await ask(call, false))) as typeof wholeAnswer
      return {
        content: [{ type: 'text', text: choices[0]?.message.content ?? '' }],
        finishReason: { unified: 'stop', raw: 'stop' },
        usage,
        warnings: [],
      }
    },
    async doStream(call) {
      const answer = await ask(call, true)
      const stream = new ReadableStream<LanguageModelV4StreamPart>({
        start(controller) {
          controller.enqueue({ type: 'text-start', id: '0' })
          onEvents(answer, (data) => {
            if (data === '[DONE]') {
              controller.enqueue({ type: 'text-end', id: '0' })
              controller.enqueue({ type: 'finish', finishReason: { unified: 'stop', raw: 'stop' }, usage })
              return controller.close()
            }
            const delta = contentOf(data)
            if (delta !== '') controller.enqueue({ type: 'text-delta', id: '0', delta })
          })
          answer.on('error', (error) => controller.error(error))
        },
        cancel: () => void answer.destroy(),
      })
      return { stream }
    },
  }
}

// -------------------------------------------------------------------------------------------------------------- clients

interface Answering {
  readonly request: ClientRequest
  readonly answer: Promise<IncomingMessage>
}

function post(to: string, body: object, signal?: AbortSignal): Answering {
  const text = JSON.stringify(body)
  const request = httpRequest(`${to}/v1/chat/completions`, {
    method: 'POST',
    agent,
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
    ...(signal === undefined ? {} : { signal }),
  })
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve)
    request.on('error', reject)
  })
  request.end(text)
  return { request, answer }
}

function textOf(answer: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    answer.setEncoding('utf8')
    answer.on('data', (piece: string) => (text += piece))
    answer.on('end', () => resolve(text))
    answer.on('error', reject)
  })
}

function onEvents(answer: IncomingMessage, hear: (data: string) => void): void {
  let rest = ''
  answer.setEncoding('utf8')
  answer.on('data', (piece: string) => {
    const lines = (rest + piece).split('\n')
    rest = lines.pop() as string
    for (const line of lines) if (line.startsWith('data: ')) hear(line.slice('data: '.length))
  })
}

function contentOf(data: string): string {
  const { choices } = JSON.parse(data) as { choices: { delta: { content?: string } }[] }
  return choices[0]?.delta.content ?? ''
}

/** Whole answers at a constant rate: the time of each from when it was due, ms. */
async function constantRate(to: string, rate: number, seconds: number): Promise<number[]> {
  const count = rate * seconds
  const taken: number[] = []
  const open: Promise<void>[] = []
  const from = performance.now() + 50
  async function one(due: number): Promise<void> {
    const answer = await post(to, question).answer
    const text = await textOf(answer)
    taken.push(performance.now() - due)
    assert.ok(answer.statusCode === 200 && text.includes('word word'), text.slice(0, 200))
  }
  for (let sent = 0; sent < count;) {
    const due = from + (sent * 1_000) / rate
    if (due <= performance.now()) {
      open.push(one(due))
      sent++
    } else await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now() - 0.5)))
  }
  await Promise.all(open)
  return taken
}

/** Times of pieces from the upstream to the client, ms. The first come while and just after the streams are opened. */
interface PieceTimes {
  readonly first: readonly number[]
  readonly later: readonly number[]
}

/** Streams, all open at once. */
async function openStreams(to: string, count: number): Promise<PieceTimes> {
  const first: number[] = []
  const later: number[] = []
  await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      // Not all in one moment, and not in step with each other.
      await new Promise((resolve) => setTimeout(resolve, (i * PIECE_MS) / count))
      const answer = await post(to, { ...question, stream: true }).answer
      let isDone = false
      let pieces = 0
      onEvents(answer, (data) => {
        if (data === '[DONE]') return void (isDone = true)
        const now = performance.timeOrigin + performance.now()
        for (const stamp of contentOf(data).split(' ')) {
          if (stamp === '') continue
          ;(pieces++ === 0 ? first : later).push(now - Number(stamp))
        }
      })
      await new Promise((resolve) => answer.on('close', resolve))
      assert.ok(isDone && pieces === PIECES, `a stream ended with ${pieces} of ${PIECES} pieces`)
    }),
  )
  return { first, later }
}

/** Streams whose clients all go away: how long the upstream still works for any of them, ms. */
async function goneClients(to: string, upstreamUrl: string, count: number): Promise<number> {
  const open = Array.from({ length: count }, () => post(to, { ...question, stream: true }))
  for (const { answer } of open) answer.catch(() => {})
  while ((await openAt(upstreamUrl)) < count) await new Promise((resolve) => setTimeout(resolve, 5))
  const from = performance.now()
  for (const { request } of open) request.destroy()
  while ((await openAt(upstreamUrl)) > 0) await new Promise((resolve) => setTimeout(resolve, 1))
  return performance.now() - from
}

/** Processor time of a contestant so far, ms: what it costs, however busy the machine is. */
function cpuOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once('message', ({ cpu }: { cpu: number }) => resolve(cpu))
    child.send('cpu')
  })
}

async function openAt(url: string): Promise<number> {
  return Number(await (await fetch(`${url}/open`)).text())
}

// --------------------------------------------------------------------------------------------------------------- rows

function listen(server: ReturnType<typeof createServer>): void {
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
}

function start(role: string, upstreamUrl?: string): Promise<{ child: ChildProcess; url: string }> {
  const args = [
    '--role',
    role,
    '--store',
    values.store,
    ...(upstreamUrl === undefined ? [] : ['--upstream', upstreamUrl]),
  ]
  const flags = role === 'gateway' ? values.node.split(' ').filter((flag) => flag !== '') : []
  const child = fork(import.meta.filename, args, { execArgv: [...process.execArgv, ...flags] })
  return new Promise((resolve, reject) => {
    child.once('message', ({ port }: { port: number }) => resolve({ child, url: `http://127.0.0.1:${port}` }))
    child.once('exit', (code) => reject(new Error(`${role} ended with ${code}`)))
  })
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.floor((sorted.length - 1) * share)] as number
}

interface Row {
  readonly what: string
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly worst: number
}

function rowOf(what: string, taken: readonly number[]): Row {
  const sorted = taken.toSorted((a, b) => a - b)
  return { what, count: sorted.length, p50: at(sorted, 0.5), p99: at(sorted, 0.99), worst: at(sorted, 1) }
}

function added(what: string, polity: Row, bare: Row): Row {
  const { count } = polity
  return { what, count, p50: polity.p50 - bare.p50, p99: polity.p99 - bare.p99, worst: polity.worst - bare.worst }
}

async function main(): Promise<void> {
  const [rate, seconds, rounds, streams] = [values.rate, values.seconds, values.rounds, values.streams].map(Number) as [
    number,
    number,
    number,
    number,
  ]
  const server = await start('upstream')
  const contestants = [
    { name: 'bare proxy', ...(await start('proxy', server.url)) },
    { name: 'gateway', ...(await start('gateway', server.url)) },
  ]
  const whole = contestants.map((): number[] => [])
  const cpu = contestants.map((): number[] => [])
  const firstPieces = contestants.map((): number[] => [])
  const laterPieces = contestants.map((): number[] => [])
  const gone = contestants.map((): number[] => [])
  // The first seconds compile; they are not counted.
  for (const { url } of contestants) {
    await constantRate(url, rate, 3)
    await openStreams(url, streams)
  }
  for (let round = 0; round < rounds; round++)
    for (const [i, { url, child }] of contestants.entries()) {
      const before = await cpuOf(child)
      whole[i]?.push(...(await constantRate(url, rate, seconds)))
      cpu[i]?.push(((await cpuOf(child)) - before) / (rate * seconds))
    }
  for (let round = 0; round < rounds; round++)
    for (const [i, { url }] of contestants.entries()) {
      const { first, later } = await openStreams(url, streams)
      firstPieces[i]?.push(...first)
      laterPieces[i]?.push(...later)
    }
  for (let round = 0; round < rounds; round++)
    for (const [i, { url }] of contestants.entries()) gone[i]?.push(await goneClients(url, server.url, 200))
  for (const { child } of [server, ...contestants]) child.disconnect()

  const rows: Row[] = []
  for (const [what, taken] of [
    [`whole answers, ${rate} a second`, whole],
    ['of each, processor time', cpu],
    [`first pieces of ${streams} streams, ${Math.round((streams * 1_000) / PIECE_MS)} opened a second`, firstPieces],
    [`pieces of ${streams} open streams`, laterPieces],
    ['200 clients gone, until the last call ends', gone],
  ] as const) {
    const [bare, polity] = contestants.map(({ name }, i) => rowOf(`${what}: ${name}`, taken[i] as number[])) as [
      Row,
      Row,
    ]
    rows.push(bare, polity, added(`${what}: added`, polity, bare))
  }
  if (values.json === true) console.log(JSON.stringify({ store: values.store, rows }))
  else
    console.table(
      rows.map(({ what, count, p50, p99, worst }) => ({
        what,
        count,
        'p50 ms': p50.toFixed(2),
        'p99 ms': p99.toFixed(2),
        'worst ms': worst.toFixed(2),
      })),
    )
}

if (values.role !== undefined) {
  // Whose parent is gone has nobody to serve.
  process.on('disconnect', () => process.exit())
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.({ cpu: (user + system) / 1_000 })
  })
}
if (values.role === 'upstream') upstream()
else if (values.role === 'proxy') proxy(values.upstream as string)
else if (values.role === 'gateway') await gateway(values.upstream as string)
else {
  await main()
  process.exit(0)
}
