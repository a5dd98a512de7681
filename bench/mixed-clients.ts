/**
 * The clients of bench/mixed-load.ts: every kind of request that the doors take, well-formed or not, by clients of which many leave
 * at some random moment.
 *
 *     const clients = createClients({ url, random, cutShare: 0.2 })
 *     await clients.kinds.chat()
 *     clients.tally        // what was sent, and what became of it
 *     clients.faults       // what must not happen
 *
 * Invariants
 *   MC1. A request is answered in full, or cut by us; anything else is a fault.
 *   MC2. What a client was told (a pid, an end, an event) is kept in the ledger, to be compared with the journal afterwards.
 */
import { Agent, request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** Longest that a request may take, ms: more than the longest answer of the upstream, three tries of it included. */
const ANSWER_MS = 150_000
const AGENTS = 20

/** When a client leaves, ms: half of them while they send or before the first word, the others any time in an answer. */
const momentOf = (which: number, where: number): number => (which < 0.5 ? where * 20 : where ** 2 * 1_500)

export interface ClientsOptions {
  readonly url: string
  /** In [0, 1). */
  readonly random: () => number
  /** Share of requests that their client leaves. */
  readonly cutShare: number
}

/** What became of the requests of one kind. */
export interface Counts {
  sent: number
  answered: number
  cut: number
  readonly statuses: { [status: string]: number }
}

/** What clients were told. */
export interface Ledger {
  /** How processes ended, by pid; undefined where nobody was told. */
  readonly ends: Map<number, string | undefined>
  /** Places in the journal that followers of one process were sent, in order. */
  readonly followed: Map<number, readonly number[]>
}

interface Asked {
  readonly body?: unknown
  readonly headers?: { readonly [name: string]: string }
  /** When the client leaves, ms from the beginning. @default by chance */
  readonly cutMs?: number
  /** Reads a piece, then pauses so long, ms. */
  readonly pauseMs?: number
  /** Hears the text as it comes. */
  readonly hear?: (text: string) => void
}

interface Answer {
  readonly state: 'answered' | 'cut' | 'broken'
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
}

export function createClients({ url, random, cutShare }: ClientsOptions) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1_000 })
  const tally: { [kind: string]: Counts } = {}
  const faults: string[] = []
  const ledger: Ledger = { ends: new Map(), followed: new Map() }
  let underWay = 0
  let messages = 0

  const below = (n: number): number => Math.floor(random() * n)
  const oneOf = <Value>(values: readonly Value[]): Value => values[below(values.length)] as Value
  const countsOf = (kind: string): Counts => (tally[kind] ??= { sent: 0, answered: 0, cut: 0, statuses: {} })

  function fault(what: string): void {
    if (faults.length < 10_000) faults.push(what)
  }

  /** One request. */
  function send(kind: string, method: string, path: string, asked: Asked = {}): Promise<Answer> {
    const counts = countsOf(kind)
    counts.sent++
    underWay++
    const { body, headers, hear, pauseMs } = asked
    const cutMs = asked.cutMs ?? (random() < cutShare ? momentOf(random(), random()) : undefined)
    const text = body === undefined ? undefined : JSON.stringify(body)
    return new Promise<Answer>((resolve) => {
      let isCut = false
      let heard = ''
      let response: IncomingMessage | undefined
      const sent = httpRequest(url + path, {
        method,
        // Some clients make a connection of their own.
        ...(random() < 0.2 ? { agent: false } : { agent }),
        headers: {
          ...(text === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
          ...headers,
        },
      })
      const cut = cutMs === undefined ? undefined : setTimeout(leave, cutMs)
      const late = setTimeout(() => end('broken', `no answer in ${ANSWER_MS} ms`), ANSWER_MS)
      let isOver = false
      function leave(): void {
        isCut = true
        sent.destroy()
        end('cut')
      }
      function end(state: Answer['state'], why = ''): void {
        if (isOver) return
        isOver = true
        clearTimeout(cut)
        clearTimeout(late)
        underWay--
        const status = response?.statusCode ?? 0
        if (state === 'answered') {
          counts.answered++
          counts.statuses[status] = (counts.statuses[status] ?? 0) + 1
          if (status === 500) fault(`${kind}: 500 ${heard.slice(0, 300)}`)
        } else if (state === 'cut') counts.cut++
        else {
          fault(`${kind}: ${method} ${path} broke after ${heard.length} characters: ${why}`)
          sent.destroy()
        }
        resolve({ state, status, headers: response?.headers ?? {}, text: heard })
      }
      sent.on('error', (error) => end(isCut ? 'cut' : 'broken', String(error)))
      sent.on('response', (answer) => {
        response = answer
        answer.setEncoding('utf8')
        answer.on('data', (piece: string) => {
          heard += piece
          hear?.(piece)
          if (pauseMs === undefined) return
          answer.pause()
          setTimeout(() => answer.resume(), pauseMs)
        })
        answer.on('error', (error) => end(isCut ? 'cut' : 'broken', String(error)))
        answer.on('end', () => end('answered'))
        answer.on('close', () => end(isCut ? 'cut' : 'broken', 'closed in the middle of an answer'))
      })
      // Some bodies come in two parts; some of their senders leave between them.
      if (text !== undefined && random() < 0.1) {
        sent.write(text.slice(0, text.length >> 1))
        setTimeout(() => sent.destroyed || sent.end(text.slice(text.length >> 1)), below(50))
      } else sent.end(text)
    })
  }

  /** Those of which nobody asks how they ended, too. */
  function note(pid: unknown, end?: string): void {
    const number = Number(pid)
    if (!Number.isSafeInteger(number) || number <= 0) return fault(`no pid: ${String(pid)}`)
    ledger.ends.set(number, end ?? ledger.ends.get(number))
  }

  // ------------------------------------------------------------------------------------------------- models, by OpenAI

  const question = (): string => `${'word '.repeat(5 + below(200))}${below(1e9)}`

  async function chat(): Promise<void> {
    const stream = random() < 0.5
    const kind = stream ? 'chat, streamed' : 'chat'
    const answer = await send(kind, 'POST', '/v1/chat/completions', {
      body: {
        messages: [{ role: 'user', content: question() }],
        max_tokens: 150,
        stream,
        ...(random() < 0.2
          ? { tools: [{ type: 'function', function: { name: 'lookup', parameters: { type: 'object' } } }] }
          : {}),
      },
      headers: random() < 0.1 ? { 'x-polity-run': `run-${below(50)}` } : {},
      ...(random() < 0.1 ? { pauseMs: 100 } : {}),
    })
    if (answer.state !== 'answered') return
    if (answer.status === 200 && stream && !/data: \[DONE\]|"error"/.test(answer.text))
      fault(`${kind}: a stream without an end`)
    if (answer.status === 200 && !stream) for (const pid of String(answer.headers['x-polity-pid']).split(',')) note(pid)
  }

  async function responses(): Promise<void> {
    const stream = random() < 0.5
    const kind = stream ? 'responses, streamed' : 'responses'
    const body = { input: question(), max_output_tokens: 150, stream, store: random() < 0.8 }
    const answer = await send(kind, 'POST', '/v1/responses', { body })
    if (answer.state !== 'answered' || answer.status !== 200) return
    if (stream) {
      if (!/event: (response\.(completed|failed|incomplete)|error)/.test(answer.text))
        fault(`${kind}: a stream without an end`)
      return
    }
    const { id } = JSON.parse(answer.text) as { id: string }
    if (body.store && random() < 0.3)
      await send(kind, 'POST', '/v1/responses', { body: { ...body, stream: false, previous_response_id: id } })
  }

  // ------------------------------------------------------------------------------------------------ processes, by our API

  const whole: readonly [program: string, ms?: number][] = [
    ['chat'],
    ['agent'],
    ['agent'],
    ['team', 200],
    ['notebook'],
    ['brancher', 200],
    ['asker', 4_000],
    ['caller', 3_000],
    ['faulty'],
  ]

  async function start(
    kind: string,
    program: string,
    more: object = {},
    options: object = {},
  ): Promise<number | undefined> {
    const input = { text: question(), ...more }
    const answer = await send(kind, 'POST', '/api/v1/processes', { body: { program, input, ...options } })
    if (answer.state !== 'answered' || answer.status !== 201) return undefined
    const { pid } = JSON.parse(answer.text) as { pid: number }
    note(pid)
    return pid
  }

  /** Starts a process, and waits for it, kills it, forks it or looks at it. */
  async function run(): Promise<void> {
    const kind = 'processes'
    const [program, ms] = oneOf(whole)
    const isPoor = random() < 0.1
    const pid = isPoor
      ? await start(kind, 'spender', {}, { budget: { steps: 2 } })
      : await start(kind, program, ms === undefined ? {} : { ms })
    if (pid === undefined) return
    const at = `/api/v1/processes/${pid}`
    const chance = random()
    if (chance < 0.15) {
      await pause(below(500))
      await send(kind, 'POST', `${at}/kill`, { body: { reason: 'the load wants it' } })
    } else if (chance < 0.25) {
      await pause(below(500))
      const forked = await send(kind, 'POST', `${at}/fork`, { body: {} })
      if (forked.state === 'answered' && forked.status === 201) note((JSON.parse(forked.text) as { pid: number }).pid)
    } else if (chance < 0.35) {
      await send(kind, 'GET', `${at}/trace?full=true`)
      await send(kind, 'GET', `${at}/tree`)
      await send(kind, 'GET', '/api/v1/processes?state=running&limit=50')
    }
    const answer = await send(kind, 'GET', `${at}/result?wait=30`)
    if (answer.state !== 'answered') return
    const { state } = JSON.parse(answer.text) as { state: string }
    if (answer.status === 200 && state !== 'running') note(pid, state)
  }

  /** Follows a process from its beginning to its end, over as many connections as it takes. */
  async function follow(): Promise<void> {
    const kind = 'events of one'
    const pid = await start(kind, oneOf(['team', 'chat', 'agent', 'notebook']), { ms: 500 })
    if (pid === undefined) return
    const ids: number[] = []
    let hasEnded = false
    for (let tries = 0; tries < 200 && !hasEnded; tries++) {
      let rest = ''
      await send(kind, 'GET', `/api/v1/processes/${pid}/events?after=0`, {
        headers: ids.length === 0 ? {} : { 'last-event-id': String(ids.at(-1)) },
        cutMs: 20 + below(700),
        hear(text) {
          const events = (rest + text).split('\n\n')
          rest = events.pop() as string
          for (const event of events) {
            const id = /^id: (\d+)$/m.exec(event)?.[1]
            if (id !== undefined) ids.push(Number(id))
            if (/^event: end$/m.test(event)) hasEnded = true
          }
        },
      })
    }
    if (hasEnded) ledger.followed.set(pid, ids)
  }

  /** Looks at everything for some seconds; some read slowly, all leave. */
  async function watch(): Promise<void> {
    const types = random() < 0.5 ? '?types=process-start,process-end' : ''
    await send('events of all', 'GET', `/api/v1/events${types}`, {
      cutMs: 500 + below(6_000),
      ...(random() < 0.4 ? { pauseMs: below(3_000) } : {}),
    })
  }

  async function notes(): Promise<void> {
    const kind = 'notes'
    const kept = await send(kind, 'POST', '/api/v1/notes', { body: { text: `note ${question()}`, tags: ['soak'] } })
    await send(kind, 'GET', `/api/v1/notes?query=word&limit=5`)
    if (kept.state !== 'answered' || kept.status !== 201) return
    await send(kind, 'DELETE', `/api/v1/notes/${(JSON.parse(kept.text) as { id: string }).id}`)
  }

  /** Says yes to most of what is asked, and no to some; what is left waits on, or runs out. */
  async function answerQuestions(all: boolean): Promise<void> {
    const kind = 'questions'
    const answer = await send(kind, 'GET', '/api/v1/questions', all ? { cutMs: ANSWER_MS } : {})
    if (answer.state !== 'answered' || answer.status !== 200) return
    const { items } = JSON.parse(answer.text) as { items: { id: number; choices: string[] | null }[] }
    for (const { id, choices } of items) {
      if (!all && random() < 0.3) continue
      const text = random() < 0.8 ? (choices?.[0] ?? 'yes') : (choices?.at(-1) ?? 'no')
      await send(kind, 'POST', `/api/v1/questions/${id}/answer`, {
        body: { text },
        ...(all ? { cutMs: ANSWER_MS } : {}),
      })
    }
  }

  async function mailParked(): Promise<void> {
    const kind = 'mail'
    const pid = await start(kind, 'parked', {}, { name: 'parked' })
    if (pid === undefined) return
    await pause(2_000 + below(5_000))
    await send(kind, 'POST', `/api/v1/processes/${pid}/send`, { body: { body: 'done' } })
  }

  // ------------------------------------------------------------------------------------------------- the other protocols

  const mcpHeaders = { accept: 'application/json, text/event-stream' }

  async function mcp(): Promise<void> {
    const kind = 'MCP'
    const rpc = (id: number, method: string, params?: object) => ({ jsonrpc: '2.0', id, method, params })
    const begun = await send(kind, 'POST', '/mcp', {
      headers: mcpHeaders,
      body: rpc(1, 'initialize', {
        protocolVersion: '2025-11-25',
        capabilities: {},
        clientInfo: { name: 'soak', version: '1' },
      }),
    })
    const id = begun.headers['mcp-session-id']
    if (begun.state !== 'answered' || typeof id !== 'string') return
    const headers = { ...mcpHeaders, 'mcp-session-id': id, 'mcp-protocol-version': '2025-11-25' }
    await send(kind, 'POST', '/mcp', { headers, body: { jsonrpc: '2.0', method: 'notifications/initialized' } })
    await send(kind, 'POST', '/mcp', { headers, body: rpc(2, 'tools/list') })
    if (random() < 0.3) void send(kind, 'GET', '/mcp', { headers, cutMs: 200 + below(4_000) })
    for (let i = 0; i < 1 + below(3); i++)
      await send(kind, 'POST', '/mcp', {
        headers,
        body: rpc(3 + i, 'tools/call', {
          name: oneOf(['run_chat', 'run_notebook', 'run_team']),
          arguments: { input: question() },
          _meta: { progressToken: i },
        }),
      })
    if (random() < 0.5) await send(kind, 'DELETE', '/mcp', { headers })
  }

  async function a2a(): Promise<void> {
    const kind = 'A2A'
    const headers = { 'a2a-version': '1.0' }
    const call = (program: string, method: string, params: object, asked: Asked = {}) =>
      send(kind, 'POST', `/a2a/${program}`, { headers, body: { jsonrpc: '2.0', id: 1, method, params }, ...asked })
    const message = { messageId: `m${++messages}`, role: 'ROLE_USER', parts: [{ text: question() }] }
    const program = oneOf(['chat', 'agent', 'team', 'notebook'])
    if (random() < 0.4) return void (await call(program, 'SendStreamingMessage', { message }))
    const configuration = { returnImmediately: random() < 0.5 }
    const answer = await call(program, 'SendMessage', { message, configuration })
    if (answer.state !== 'answered') return
    const { result } = JSON.parse(answer.text) as { result?: { task?: { id: string } } }
    const id = result?.task?.id
    if (id === undefined) return fault(`${kind}: no task in ${answer.text.slice(0, 200)}`)
    note(id)
    await call(program, random() < 0.3 ? 'CancelTask' : 'GetTask', { id })
    if (random() < 0.1) await call(program, 'ListTasks', { pageSize: 10 })
  }

  async function aios(): Promise<void> {
    const kind = 'AIOS'
    const agent_name = `agent-${below(AGENTS)}`
    const query = (query_type: string, query_data: object) =>
      send(kind, 'POST', '/aios/query', { body: { query_type, agent_name, query_data } })
    const chance = random()
    if (chance < 0.4)
      await query('llm', {
        messages: [{ role: 'user', content: question() }],
        action_type: 'chat',
        max_new_tokens: 150,
      })
    else if (chance < 0.6) {
      const kept = await query('memory', { operation_type: 'add_memory', params: { content: question() } })
      await query('memory', { operation_type: 'retrieve_memory', params: { content: 'word', limit: 3 } })
      if (kept.state === 'answered' && kept.status === 200) {
        const { response } = JSON.parse(kept.text) as { response: { memory_id: string | null } }
        if (response.memory_id === null) fault(`AIOS kept a memory without an id: ${kept.text}`)
        await query('memory', { operation_type: 'remove_memory', params: { memory_id: response.memory_id } })
      }
    } else {
      const file_path = `${oneOf(['a', 'b', 'c'])}.txt`
      await query('storage', { operation_type: 'write', params: { file_path, content: question() } })
      await query('storage', { operation_type: 'retrieve', params: { query_text: 'word', n: 2 } })
    }
    if (random() < 0.02) await killSpace(agent_name)
  }

  /** Ends the process that holds an agent's files; the agent's next query begins another. */
  async function killSpace(agent: string): Promise<void> {
    const found = await send('AIOS', 'GET', `/api/v1/processes?state=running&program=aios-files&name=aios%2F${agent}`)
    if (found.state !== 'answered' || found.status !== 200) return
    const { items } = JSON.parse(found.text) as { items: { pid: number }[] }
    for (const { pid } of items) await send('AIOS', 'POST', `/api/v1/processes/${pid}/kill`, { body: {} })
  }

  const look = async (): Promise<void> =>
    void (await send(
      'looks',
      'GET',
      oneOf(['/metrics', '/healthz', '/api/v1/cores', '/v1/models', '/a2a', '/nowhere']),
    ))

  // ------------------------------------------------------------------------------------------------------------ malformed

  const host = `host: ${new URL(url).host}\r\n`
  const json = 'content-type: application/json\r\n'
  /** Texts that are no good request, and whether their client waits for the answer. */
  const malformed: readonly (readonly [text: string, waits: boolean])[] = [
    ['nonsense\r\n\r\n', true],
    [`GET / HTTP/9.9\r\n${host}\r\n`, true],
    [`POST /v1/chat/completions HTTP/1.1\r\n${host}${json}content-length: 9\r\n\r\n{"messag\n`, true],
    [`POST /v1/chat/completions HTTP/1.1\r\n${host}content-type: text/plain\r\ncontent-length: 2\r\n\r\n{}`, true],
    [`POST /api/v1/processes HTTP/1.1\r\n${host}${json}content-length: 4000\r\n\r\n${'['.repeat(4_000)}`, true],
    [`GET /api/v1/processes/%zz HTTP/1.1\r\n${host}\r\n`, true],
    [`GET / HTTP/1.1\r\n${host}x: ${'y'.repeat(20_000)}\r\n\r\n`, true],
    [`GET / HTTP/1.1\r\nhost: evil.example\r\n\r\n`, true],
    [`POST /mcp HTTP/1.1\r\n${host}${json}transfer-encoding: chunked\r\n\r\nzz\r\n`, true],
    [`POST /v1/chat/completions HTTP/1.1\r\n${host}con`, false],
    [`POST /v1/chat/completions HTTP/1.1\r\n${host}${json}content-length: 5000\r\n\r\n{"model":`, false],
    [`POST /aios/query HTTP/1.1\r\n${host}${json}transfer-encoding: chunked\r\n\r\n5\r\n{"a":`, false],
    ['', false],
  ]

  /** Over a bare socket; who waits wants an answer or the end of the connection. */
  function raw(): Promise<void> {
    const kind = 'malformed'
    const [text, waits] = oneOf(malformed)
    const counts = countsOf(kind)
    counts.sent++
    underWay++
    return new Promise((resolve) => {
      const { port, hostname } = new URL(url)
      const socket = connect(Number(port), hostname)
      let heard = ''
      const late = setTimeout(() => {
        fault(`${kind}: no answer to ${JSON.stringify(text.slice(0, 80))}`)
        socket.destroy()
      }, ANSWER_MS)
      socket.on('data', (piece) => (heard += piece.toString('latin1')))
      socket.on('error', () => {})
      socket.on('connect', () => {
        socket.write(text)
        if (!waits) setTimeout(() => socket.destroy(), below(300))
      })
      // The client hangs up once it has an answer, as the connection may be kept.
      socket.on('data', () => waits && setTimeout(() => socket.end(), 50))
      socket.on('close', () => {
        clearTimeout(late)
        underWay--
        const status = /^HTTP\/1\.1 (\d+)/.exec(heard)?.[1]
        if (!waits) counts.cut++
        else {
          counts.answered++
          const said = status ?? 'closed'
          counts.statuses[said] = (counts.statuses[said] ?? 0) + 1
          if (status !== undefined && !status.startsWith('4'))
            fault(`${kind}: ${status} to ${JSON.stringify(text.slice(0, 80))}`)
        }
        resolve()
      })
    })
  }

  // ------------------------------------------------------------------------------------------------------------- together

  /** Each kind with its share of the load. */
  const kinds = {
    chat: [30, chat],
    responses: [12, responses],
    run: [20, run],
    follow: [6, follow],
    watch: [4, watch],
    notes: [6, notes],
    answer: [3, () => answerQuestions(false)],
    mail: [3, mailParked],
    mcp: [6, mcp],
    a2a: [6, a2a],
    aios: [10, aios],
    look: [3, look],
    raw: [5, raw],
  } satisfies { readonly [name: string]: readonly [weight: number, act: () => Promise<void>] }

  return {
    tally,
    faults,
    fault,
    ledger,
    send,
    get underWay() {
      return underWay
    },
    /** One client of some kind, from its first request to its last. @default any, by its share */
    async act(kind?: keyof typeof kinds): Promise<void> {
      if (kind !== undefined) return kinds[kind][1]()
      let drawn = random() * Object.values(kinds).reduce((sum, [weight]) => sum + weight, 0)
      for (const [weight, act] of Object.values(kinds)) {
        drawn -= weight
        if (drawn < 0) return act()
      }
    },
    answerAll: () => answerQuestions(true),
    close: () => agent.destroy(),
  }
}
export type Clients = ReturnType<typeof createClients>
