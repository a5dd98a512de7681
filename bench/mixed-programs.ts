/**
 * What runs in the soaks (day.ts, mixed-load.ts): programs of every kind that the system calls allow, their tools, and a model that
 * has bad moments.
 *
 *     const model = moody(simulated({ clock, … }), { clock, seed: 7, bad: 0.02 })
 *     kernel.spawn(team, { text: 'plan it', children: 3 })
 *
 * `polity serve bench/mixed-programs.ts` serves the programs; the last of them tells how its operating-system process does.
 *
 * Invariant
 *   MP1. Every program ends by itself, but `parked`, which ends when it is mailed `done`.
 */
import type { LanguageModelV4StreamPart, LanguageModelV4StreamResult } from '@ai-sdk/provider'
import { z } from 'zod'
import { observe } from '../src/agents/react.ts'
import { callError } from '../src/drivers/llm/scripted.ts'
import type { SimulatedAnswer, SimulatedModel, SimulatedQuestion } from '../src/drivers/llm/simulated.ts'
import { simulated } from '../src/drivers/llm/simulated.ts'
import { randomAt, realClock } from '../src/kernel/clock.ts'
import type { Clock } from '../src/kernel/clock.ts'
import type { LanguageModel } from '../src/kernel/drivers.ts'
import { PolityError } from '../src/kernel/errors.ts'
import { defineProgram } from '../src/kernel/program.ts'
import { defineTool } from '../src/kernel/tools.ts'
import type { Json, Message, Pid, Program, Sys } from '../src/kernel/types.ts'

// ---------------------------------------------------------------------------------------------------------------- tools

/** How often each payment was made, by its idempotency key: none may be made twice. */
export const payments = new Map<string, number>()

export const lookup = defineTool({
  name: 'lookup',
  description: 'Looks something up.',
  effect: 'read',
  inputSchema: z.object({ about: z.string() }),
  execute: ({ about }) => `${about}: ${'fact '.repeat(20)}`,
})

export const pay = defineTool({
  name: 'pay',
  description: 'Pays somebody.',
  effect: 'once',
  control: ['to', 'amount'],
  outbound: true,
  inputSchema: z.object({ to: z.string(), amount: z.number() }),
  execute(_, { idempotencyKey }) {
    payments.set(idempotencyKey, (payments.get(idempotencyKey) ?? 0) + 1)
    return { paid: true }
  },
})

/** Heeds neither its end nor its time limit. */
export const stuck = defineTool({
  name: 'stuck',
  description: 'Never answers.',
  effect: 'read',
  timeoutMs: 500,
  inputSchema: z.object({}),
  execute: () => new Promise<string>(() => {}),
})

/** A payment waits for a person's word; what no rule names is denied. */
export const law = {
  rules: [
    { id: 'look', effect: 'allow', tool: 'lookup' },
    { id: 'try', effect: 'allow', tool: 'stuck' },
    { id: 'pay', effect: 'ask', tool: 'pay' },
  ],
} as const

// ---------------------------------------------------------------------------------------------------------------- model

/** Asks for tools after a request, mostly, and answers once they have answered. */
export function answer({ call, random }: SimulatedQuestion): SimulatedAnswer {
  const names = (call.tools ?? []).map(({ name }) => name)
  const last = call.prompt.at(-1)?.role
  const chance = random(0)
  if (last === 'user' && names.length > 0 && call.toolChoice?.type !== 'none' && chance < 0.9) {
    const named = names.find((name) => name === (chance < 0.1 ? 'stuck' : chance < 0.3 ? 'pay' : 'lookup')) ?? names[0]
    const input =
      named === 'pay' ? { to: 'ada', amount: 1 + Math.floor(random(1) * 9) } : named === 'stuck' ? {} : { about: 'x' }
    return { toolCalls: [{ name: named as string, input }] }
  }
  return { text: 'word '.repeat(5 + Math.floor(random(2) * 60)) }
}

export interface Moods {
  readonly clock: Clock
  readonly seed: number
  /** Share of calls that go wrong in one of four ways. */
  readonly bad: number
  /** Longest that a call hangs, ms; then it fails. @default for ever, until it is cancelled */
  readonly hangMs?: number
  /** Whether all calls fail now. @default never */
  readonly isDown?: () => boolean
}

/** A model of which some calls are refused (429), fail (503), hang, or break off in the middle of a stream. */
export function moody(inner: LanguageModel, { clock, seed, bad, hangMs, isDown = () => false }: Moods): LanguageModel {
  let calls = 0
  const fault = (statusCode: number): Error =>
    callError({
      message: `a bad moment: ${statusCode}`,
      statusCode,
      ...(statusCode === 429 ? { headers: { 'retry-after-ms': '300' } } : {}),
    })

  /** Rejects when the call is cancelled, or after `hangMs`. */
  function hang(signal: AbortSignal | undefined): Promise<never> {
    return new Promise((_, reject) => {
      const stop = (): void => {
        timer?.cancel()
        signal?.removeEventListener('abort', stop)
        reject(signal?.aborted === true ? (signal.reason as Error) : fault(503))
      }
      const timer = hangMs === undefined ? undefined : clock.after(hangMs, stop)
      if (signal?.aborted === true) stop()
      else signal?.addEventListener('abort', stop)
    })
  }

  function before(signal: AbortSignal | undefined): Promise<never> | 'breaks' | 'well' {
    const drawn = randomAt(seed, 1, calls++)
    if (isDown()) return Promise.reject(fault(503))
    if (drawn >= bad) return 'well'
    const way = Math.floor((drawn / bad) * 4)
    if (way === 0) return Promise.reject(fault(429))
    if (way === 1) return Promise.reject(fault(503))
    return way === 2 ? hang(signal) : 'breaks'
  }

  return {
    ...inner,
    async doGenerate(call) {
      const mood = before(call.abortSignal)
      if (typeof mood !== 'string') return mood
      const result = await inner.doGenerate(call)
      if (mood === 'breaks') throw new Error('socket hang up')
      return result
    },
    async doStream(call) {
      const mood = before(call.abortSignal)
      if (typeof mood !== 'string') return mood
      const result = await inner.doStream(call)
      return mood === 'well' ? result : broken(result)
    },
  }
}

/** A stream that fails with its third piece. */
function broken(result: LanguageModelV4StreamResult): LanguageModelV4StreamResult {
  let pieces = 0
  const cut = new TransformStream<LanguageModelV4StreamPart, LanguageModelV4StreamPart>({
    transform(part, controller) {
      if (part.type === 'text-delta' && ++pieces === 3) controller.error(new Error('socket hang up'))
      else controller.enqueue(part)
    },
  })
  return { ...result, stream: result.stream.pipeThrough(cut) }
}

/** The upstream of `polity serve`: its models as a provider package gives them (mixed-load.ts makes the package). */
export const bench = {
  languageModel(modelId: string): LanguageModel {
    const clock = realClock({ seed: 7 })
    const inner = simulated({
      clock,
      provider: 'bench',
      modelId,
      slots: 400,
      refuse: 'queue',
      latencyMs: 40,
      prefillTokensPerSecond: 50_000,
      decodeTokensPerSecond: 120,
      deltaTokens: 4,
      answer,
    })
    upstreams.push(inner)
    return moody(inner, { clock, seed: 7, bad: 0.02, hangMs: 20_000 })
  },
}
const upstreams: SimulatedModel[] = []

// ------------------------------------------------------------------------------------------------------------- programs

/** What the programs are told; a text alone is its `text`. */
export interface Told {
  readonly text?: string
  readonly children?: number
  readonly model?: string | readonly string[]
  /** How long to sleep, wait or ask, ms. */
  readonly ms?: number
}

function toldOf(input: Json | undefined): Required<Pick<Told, 'text'>> & Told {
  return typeof input === 'object' && input !== null && !Array.isArray(input)
    ? { text: 'hello', ...(input as Told) }
    : { text: String(input ?? 'hello') }
}

const modelOf = ({ model }: Told): { model?: string | readonly string[] } => (model === undefined ? {} : { model })

export const chat = defineProgram('chat', async (sys, input: Json) => {
  const told = toldOf(input)
  return (await sys.generate({ prompt: told.text, maxOutputTokens: 200, ...modelOf(told) })).text
})

/** Asks the model and its tools in turn, as agents do. */
export const agent = defineProgram(
  'agent',
  async (sys, input: Json) => {
    const told = toldOf(input)
    const messages: Message[] = [{ role: 'user', content: told.text }]
    const tools = sys.tools.map(({ name }) => name)
    for (let step = 0; step < 4; step++) {
      const { text, toolCalls, message } = await sys.generate({
        messages,
        tools,
        maxOutputTokens: 300,
        ...modelOf(told),
      })
      if (toolCalls.length === 0) return text
      messages.push(message, await observe(sys, toolCalls), { role: 'user', content: `go on, ${step}` })
    }
    return 'enough'
  },
  { tools: [lookup, pay, stuck] },
)

/** Has children work side by side, kills the last, and gathers what the others say, also of those that fail. */
export const team = defineProgram('team', async (sys, input: Json) => {
  const told = toldOf(input)
  const children: Pid[] = []
  for (let i = 0; i < (told.children ?? 3); i++)
    children.push(
      await sys.spawn(
        (i % 2 === 0 ? chat : notebook) as Program<Json, Json>,
        { ...told, text: `${told.text} ${i}` } as Json,
      ),
    )
  const last = children.at(-1)
  if (last !== undefined && children.length > 2) await sys.kill(last, 'not needed')
  const said = await Promise.allSettled(children.map((pid) => sys.wait(pid)))
  await sys.sleep(told.ms ?? 50)
  return said.filter(({ status }) => status === 'fulfilled').length
})

/** Notes and files: written, found, taken back. */
export const notebook = defineProgram('notebook', async (sys, input: Json) => {
  const { text } = toldOf(input)
  const id = await sys.remember({ text: `${text} of process ${sys.pid}`, tags: ['soak'] })
  const found = await sys.recall('process', { limit: 3 })
  await sys.write('a/draft.txt', text)
  await sys.write('a/draft.txt', `${text}, again`)
  const files = await sys.list('a/')
  const content = await sys.read('a/draft.txt')
  await sys.remove('a/draft.txt')
  await sys.forget(id)
  return { found: found.length > 0, files: files.length, content }
})

/** Goes back to a snapshot once, and forks. */
export const brancher = defineProgram('brancher', async (sys, input: Json) => {
  const { ms = 20 } = toldOf(input)
  const { id, restored } = await sys.snapshot()
  await sys.write('try.txt', `${restored}`)
  if (restored === 0) await sys.restore(id)
  const child = await sys.fork()
  await sys.sleep(ms)
  return child === 0 ? 'child' : { child: await sys.wait(child) }
})

/** Asks a person, who may be late. */
export const asker = defineProgram('asker', async (sys, input: Json) => {
  const { text, ms = 30_000 } = toldOf(input)
  return sys.ask(text, { choices: ['yes', 'no'], timeoutMs: ms })
})

/** Waits for mail, most of its life; answers who writes to it. */
export const parked = defineProgram('parked', async (sys) => {
  for (let count = 0; ; count++) {
    const { from, body } = await sys.receive()
    if (body === 'done') return count
    if (from !== 0) await reply(sys, from, count)
    await sys.sleep(10)
  }
})

async function reply(sys: Sys, to: Pid, body: Json): Promise<void> {
  try {
    await sys.send(to, body)
  } catch (error) {
    // Who wrote has ended.
    if (!PolityError.isInstance(error) || error.code !== 'NO_SUCH_PROCESS') throw error
  }
}

/** Writes to all that are parked and waits for the first answer. */
export const caller = defineProgram('caller', async (sys, input: Json) => {
  const { ms = 5_000 } = toldOf(input)
  if ((await sys.send('parked', { from: sys.pid })) === 0) return null
  return (await sys.receive({ timeoutMs: ms })).body
})

/** Asks for more than any small budget has. */
export const spender = defineProgram('spender', async (sys, input: Json) => {
  const told = toldOf(input)
  for (let i = 0; i < 20; i++)
    await sys.generate({ prompt: `${told.text} ${i}`, maxOutputTokens: 100, ...modelOf(told) })
  return 'rich'
})

export const faulty = defineProgram('faulty', async (sys) => {
  await sys.sleep(5)
  throw new Error('out of order')
})

/** How this operating-system process does, after a full collection. */
export const gauge = defineProgram('gauge', async (): Promise<Json> => {
  globalThis.gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  const resources: { [name: string]: number } = {}
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1
  return {
    rss,
    heapUsed,
    external,
    resources,
    upstream: upstreams.reduce((sum, model) => sum + model.stats().inFlight + model.stats().queued, 0),
    paidTwice: [...payments.values()].filter((count) => count > 1).length,
  }
})

/** All of them, but the gauge. */
export const programs: readonly Program[] = [
  chat,
  agent,
  team,
  notebook,
  brancher,
  asker,
  parked,
  caller,
  spender,
  faulty,
] as readonly unknown[] as readonly Program[]

export default chat
