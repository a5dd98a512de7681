/**
 * Foreign environments: a program that speaks over its stdin and stdout, or a server that is reached by URL, as a world.
 *
 *     const world = await foreignWorld({ command: 'python3 maze.py' })
 *     const world = await foreignWorld({ url: 'http://127.0.0.1:7080/environments/craft.dag' })
 *
 * The messages are those of src/environments/wire.ts. Every environment that is opened is a process, or an episode of the
 * server, of its own. One that cannot save its state is brought back by taking its actions again; where that ends otherwise
 * than the first time, it is said.
 *
 * Invariants
 *   FO1. Every message ends within `timeoutMs`: with what was answered, or an error that says what the environment said last.
 *   FO2. A process that was started is gone after `close`.
 *   FO3. An action that the environment refuses is an error of the turn, as it is in ours; whatever else goes wrong is thrown,
 *        and says that the environment has failed.
 */
import { spawn } from 'node:child_process'
import { isDeepStrictEqual } from 'node:util'
import type { Action, ActionError, Turn } from '../environments/environment.ts'
import type { Answer, Described, Message } from '../environments/wire.ts'
import { actionErrorCodes, readDescription, readMetrics, readScore, readTurn } from '../environments/wire.ts'
import { PolityError, messageOf } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'
import { inTime } from './in-time.ts'
import type { EpisodeTask, OpenEnvironment, World } from './world.ts'

/** How long a foreign environment may take. */
export interface ForeignOptions {
  /** For one answer, ms. @default 60,000 */
  readonly timeoutMs?: number
}

/** Characters of stderr that an error tells, from its end. */
const STDERR_MAX = 1_000
/** Characters of a line that an environment writes: more is no answer. */
const LINE_CHARS_MAX = 16 * 2 ** 20
/** Characters that an error tells of a line that could not be read. */
const BROKEN_CHARS = 200
/** How long a process has to end by itself once it was told to, ms. */
const ENDING_MS = 2_000

/** Sends messages, one after another. */
interface Line {
  ask(message: Message): Promise<Answer>
  close(): Promise<void>
}

/** Where it is: a command line of the shell, or the address at which its episodes are opened. */
export type ForeignPlace = { readonly command: string } | { readonly url: string }

/**
 * A world that others wrote. The params of its tasks are those of the message `reset`; a `level` among them is told as such,
 * and where nothing else is among them the environment draws the task by its seed. Throws `DRIVER_FAILED`,
 * `DRIVER_INVALID`, `DRIVER_TIMEOUT`, `DRIVER_UNAVAILABLE`.
 */
export async function foreignWorld(place: ForeignPlace, { timeoutMs = 60_000 }: ForeignOptions = {}): Promise<World> {
  const connect = (): Promise<Line> =>
    'url' in place ? overHttp(place.url, timeoutMs) : overStdio(place.command, timeoutMs)
  const first = await connect()
  let described: Described
  try {
    described = readDescription(valueOf(await first.ask({ op: 'describe' })))
  } finally {
    await first.close()
  }
  const { id, version, description } = described

  /** The first turn of an episode, for what is not described. */
  async function begun(task: EpisodeTask): Promise<Turn> {
    const line = await connect()
    try {
      return readTurn(valueOf(await line.ask({ op: 'reset', task: taskOf(task) })))
    } finally {
      await line.close()
    }
  }

  return {
    id,
    version,
    description,
    actions: async (task) =>
      described.actions ?? Object.values((await begun(task)).views).flatMap(({ actions }) => actions),
    ...(described.agents === undefined ? {} : { agents: () => described.agents as readonly string[] }),
    open: async () => openOver(await connect(), described.saves),
  }
}

function taskOf({ params, seed }: EpisodeTask): { seed: number; level?: number; params?: Json } {
  if (params === null || typeof params !== 'object' || Array.isArray(params)) return { seed, params }
  const { level, ...rest } = params as { readonly [name: string]: Json }
  return {
    seed,
    ...(typeof level === 'number' ? { level } : {}),
    ...(Object.keys(rest).length === 0 ? {} : { params: rest }),
  }
}

function openOver(line: Line, saves: boolean): OpenEnvironment {
  let task: EpisodeTask = { params: {}, seed: 0 }
  let taken: (readonly Action[])[] = []
  let last: Turn | undefined

  async function reset(given: EpisodeTask): Promise<Turn> {
    task = given
    taken = []
    return (last = readTurn(valueOf(await line.ask({ op: 'reset', task: taskOf(given) }))))
  }
  async function step(actions: readonly Action[]): Promise<Turn> {
    const answer = await line.ask({ op: 'step', actions: actions.map((one) => ({ ...one, args: { ...one.args } })) })
    const turn = refusedTurn(answer, actions, last) ?? readTurn(valueOf(answer))
    taken.push(actions)
    return (last = turn)
  }

  return {
    reset,
    step,
    async state() {
      if (saves) return valueOf(await line.ask({ op: 'state' }))
      return structuredClone({ task, taken, last }) as unknown as Json
    },
    async restore(state) {
      if (saves) return (last = readTurn(valueOf(await line.ask({ op: 'restore', state: state as never }))))
      const before = state as unknown as { task: EpisodeTask; taken: (readonly Action[])[]; last: Turn }
      let turn = await reset(before.task)
      for (const actions of before.taken) turn = await step(actions)
      if (!isDeepStrictEqual(turn, before.last))
        throw new PolityError(
          'DRIVER_INVALID',
          `the environment cannot save its state, and its ${before.taken.length} actions taken again led elsewhere: it is not decided by its seed`,
        )
      return turn
    },
    score: async () => readScore(valueOf(await line.ask({ op: 'score' }))),
    metrics: async () => readMetrics(valueOf(await line.ask({ op: 'metrics' }))),
    close: () => line.close(),
  }
}

/** Codes by which a message is refused: it has changed nothing, and was the fault of who acts. */
const refusals = new Map<string, ActionError['code']>([
  ['INVALID_ARGUMENT', 'NOT_POSSIBLE'],
  ...actionErrorCodes.map((code) => [code, code] as const),
])

/** The turn after actions that were refused: nothing has changed. */
function refusedTurn(answer: Answer, actions: readonly Action[], last: Turn | undefined): Turn | undefined {
  const error = errorOf(answer)
  const code = refusals.get(error?.code ?? '')
  if (error === undefined || code === undefined || last === undefined || actions.length === 0) return undefined
  return { ...last, reward: {}, errors: actions.map(({ agent }) => ({ agent, code, message: error.message })) }
}

function errorOf(answer: Answer): { readonly code: string; readonly message: string } | undefined {
  const { error } = (answer ?? {}) as { readonly error?: { readonly code: string; readonly message: string } }
  return typeof error?.message === 'string' ? error : undefined
}

/** The value of an answer. Throws `DRIVER_FAILED` with what the environment says is wrong. */
function valueOf(answer: Answer): Json {
  const error = errorOf(answer)
  if (error !== undefined) throw new PolityError('DRIVER_FAILED', `the environment says: ${error.message}`)
  if (answer !== null && typeof answer === 'object' && 'ok' in answer) return answer.ok
  throw new PolityError('DRIVER_INVALID', 'the environment answered with neither "ok" nor "error"')
}

async function overStdio(command: string, timeoutMs: number): Promise<Line> {
  const child = spawn(command, { shell: true, stdio: ['pipe', 'pipe', 'pipe'], detached: true })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr = (stderr + chunk).slice(-STDERR_MAX)))
  child.once('error', (error) => (stderr += messageOf(error))) // it was not started, which `closed` tells
  child.stdin.on('error', () => {}) // its end is told by `closed`
  const told = (): string =>
    (broken === '' ? '' : `; it wrote a line that is no JSON (NaN and Infinity are none): ${broken}`) +
    (stderr.trim() === '' ? '' : `; it said: ${stderr.trim()}`)
  /** What waits for its answer, by the id of its message. */
  const waiting = new Map<unknown, { tell(answer: Answer): void; fail(error: PolityError): void }>()
  /** The last line that looks like an answer and is none. */
  let broken = ''
  /** Of the line that has not ended. */
  let pieces: string[] = []
  let length = 0
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = chunk.split('\n')
    pieces.push(lines[0] as string)
    length += (lines[0] as string).length
    if (length > LINE_CHARS_MAX) {
      const error = new PolityError(
        'DRIVER_INVALID',
        `a line of the environment is longer than ${LINE_CHARS_MAX} characters`,
      )
      for (const { fail } of waiting.values()) fail(error)
      kill(child.pid)
      return
    }
    if (lines.length === 1) return
    lines[0] = pieces.join('')
    const rest = lines.pop() as string
    pieces = [rest]
    length = rest.length
    for (const line of lines) {
      // Other lines are answers that came too late, or what the program prints.
      const answer = parsed(line)
      if (answer === undefined && line.startsWith('{')) broken = line.slice(0, BROKEN_CHARS)
      waiting.get(answer?.id)?.tell(answer as Answer)
    }
  })
  let isOver = false
  const closed = new Promise<void>((resolve) => void child.once('close', () => resolve())).then(() => {
    isOver = true
    for (const { fail } of waiting.values()) fail(ended())
  })
  const ended = (): PolityError => new PolityError('DRIVER_FAILED', `the environment "${command}" ended${told()}`)
  let asked = 0

  return {
    async ask(message) {
      const id = ++asked
      if (isOver) throw ended()
      const answer = new Promise<Answer>((tell, fail) => void waiting.set(id, { tell, fail }))
      child.stdin.write(`${JSON.stringify({ id, ...message })}\n`)
      try {
        return await inTime(timeoutMs, answer, () => `no answer to "${message.op}"${told()}`)
      } finally {
        waiting.delete(id)
      }
    },
    async close() {
      child.stdin.end(`${JSON.stringify({ id: ++asked, op: 'close' })}\n`)
      await inTime(ENDING_MS, closed, () => '').catch(() => {
        kill(child.pid)
        // Whoever it started and let go may have its pipes still.
        child.stdout.destroy()
        child.stderr.destroy()
      })
      await closed
    },
  }
}

/** With what it started: a shell stands between. */
function kill(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

function parsed(line: string): Answer | undefined {
  try {
    return JSON.parse(line) as Answer
  } catch {
    return undefined
  }
}

async function overHttp(url: string, timeoutMs: number): Promise<Line> {
  async function post(to: string, body: Json, method = 'POST'): Promise<Json> {
    let response: Response
    let text: string
    try {
      response = await fetch(to, {
        method,
        headers: { 'content-type': 'application/json' },
        ...(method === 'POST' ? { body: JSON.stringify(body) } : {}),
        signal: AbortSignal.timeout(timeoutMs),
      })
      text = await response.text()
    } catch (error) {
      const isLate = (error as Error).name === 'TimeoutError'
      throw new PolityError(
        isLate ? 'DRIVER_TIMEOUT' : 'DRIVER_UNAVAILABLE',
        isLate ? `no answer from ${to} within ${timeoutMs} ms` : `${to} cannot be reached: ${messageOf(error)}`,
        { cause: error },
      )
    }
    const value = parsed(text) as Json | undefined
    if (value !== undefined && response.ok) return value
    throw new PolityError('DRIVER_FAILED', `${to} answered ${response.status}: ${text.slice(0, STDERR_MAX)}`)
  }
  const opened = (await post(url, {})) as { episode?: unknown }
  if (typeof opened?.episode !== 'string')
    throw new PolityError('DRIVER_INVALID', `${url} opened no episode: expected { "episode": "…" }`)
  const episode = new URL(`${new URL(url).pathname.replace(/\/$/, '')}/${opened.episode}`, url).href
  return {
    ask: async (message) => (await post(episode, message as unknown as Json)) as unknown as Answer,
    async close() {
      await post(episode, null, 'DELETE').catch(() => {}) // it may have gone by itself
    },
  }
}
