/**
 * Who serves the agents of the bench: Polity, and what one would write without it.
 *
 * Each is given the same server, the same clock and the same agents, and returns when every agent has ended.
 *
 * - `serial`: one agent after the other, as the AIOS paper's first "without" (aios issue 56: agent A finishes all its steps,
 *   then agent B starts). Calls that an agent makes at once run at once.
 * - `unlimited`: all agents at once, every call sent at once. After a 429 it waits as providers tell their users to: what
 *   `retry-after` says, and no less than a random time below 1, 2, 4 … 60 s (OpenAI's guide on rate limits). It never gives
 *   up; the guide stops after six tries, with which most agents would not end.
 * - `queue`: the same on a server that queues what it has no room for, first come first served: bare vLLM, which never refuses.
 * - `calls`: a semaphore around each call, as wide as the server, with the same retry behind it.
 * - `agents`: a semaphore around each agent, as wide as the server: so many agents at a time, with the same retry.
 * - `AIOS-like`: what AIOS's scheduler does (measured on its sources): sleeps 1 s, takes what is in the queue, at most
 *   min(32, cores + 4) calls in threads, waits for the slowest, sleeps again. On a server that queues, as it does not retry.
 *   With 6 threads, as it has on the 2 cores on which it was measured, and with 32, the most that it can have.
 * - `Polity`: a kernel in memory, one process an agent, discipline `fair-share`; batch agents belong to one principal, each
 *   person is one. One setting for all workloads.
 */
import type { LanguageModelV4Prompt } from '@ai-sdk/provider'
import { readRateLimits } from '../../src/kernel/rate-limits.ts'
import { memoryStore } from '../../src/drivers/store/memory.ts'
import type { Clock } from '../../src/kernel/clock.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import type { LanguageModel } from '../../src/kernel/drivers.ts'
import { createKernel } from '../../src/kernel/kernel.ts'
import { defineProgram } from '../../src/kernel/program.ts'
import type { Agent, Io, Message } from './workloads.ts'

export interface Contest {
  readonly clock: Clock
  readonly model: LanguageModel
  readonly agents: readonly Agent[]
  /** Calls that the server takes at once. */
  readonly slots: number
  /** Told of each call by its number: when it was asked for and answered. */
  asked(call: number): void
  answered(call: number): void
  /** Told of each agent by its place in `agents`: when it is let in, and when it has ended. */
  began(agent: number): void
  ended(agent: number): void
}

export interface Contestant {
  readonly name: string
  /** What the server does when it is full. */
  readonly refuse: '429' | 'queue'
  run(contest: Contest): Promise<void>
}

const AIOS_BATCH_MS = 1_000

function pauseOn(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve))
}

function promptOf(messages: readonly Message[]): LanguageModelV4Prompt {
  return messages.map(({ role, content }) =>
    role === 'system' ? { role, content } : { role, content: [{ type: 'text', text: content }] },
  )
}

/** One call, asked until it is answered. */
async function send(contest: Contest, messages: readonly Message[], most: number, call: number): Promise<string> {
  const { model, clock } = contest
  const options = { prompt: promptOf(messages), maxOutputTokens: most, seed: call }
  for (let tries = 0; ; tries++) {
    try {
      const { content } = await model.doGenerate(options)
      return content[0]?.type === 'text' ? content[0].text : ''
    } catch (error) {
      if ((error as { statusCode?: number }).statusCode !== 429) throw error
      const headers = (error as { responseHeaders?: Record<string, string> }).responseHeaders
      const told = readRateLimits(headers, clock.now()).retryAfterMs ?? 0
      await pauseOn(clock, Math.max(told, randomAt(7, call, tries) * Math.min(60_000, 1_000 * 2 ** tries)))
    }
  }
}

/** Lets `width` in at a time, the others in the order in which they came. */
function semaphore(width: number): <T>(work: () => Promise<T>) => Promise<T> {
  let taken = 0
  let first = 0
  const queue: (() => void)[] = []
  return async (work) => {
    if (taken >= width) await new Promise<void>((resolve) => void queue.push(resolve))
    else taken++
    try {
      return await work()
    } finally {
      const next = queue[first]
      if (next === undefined) taken--
      else {
        first++
        next()
      }
    }
  }
}

type Through = <T>(work: () => Promise<T>) => Promise<T>
const atOnce: Through = (work) => work()

/** All agents through one door, all their calls through another. */
async function runPlain(contest: Contest, { agent = atOnce, call = atOnce }: { agent?: Through; call?: Through }) {
  const { clock, agents } = contest
  const io: Io = {
    pause: (ms) => pauseOn(clock, ms),
    async ask(messages, most, number) {
      contest.asked(number)
      const answer = await call(() => send(contest, messages, most, number))
      contest.answered(number)
      return answer
    },
  }
  await Promise.all(
    agents.map(async (one, i) => {
      if (one.at > 0) await pauseOn(clock, one.at)
      await agent(() => (contest.began(i), one.run(io)))
      contest.ended(i)
    }),
  )
}

/** The door of AIOS: calls wait for the next batch, a batch for its slowest call. */
function batchLoop(clock: Clock, threads: number): Through {
  let queue: (() => Promise<void>)[] = []
  let isRunning = false
  async function loop(): Promise<void> {
    isRunning = true
    while (queue.length > 0) {
      await pauseOn(clock, AIOS_BATCH_MS)
      const batch = queue.slice(0, threads)
      queue = queue.slice(threads)
      await Promise.all(batch.map((work) => work()))
    }
    isRunning = false
  }
  return (work) =>
    new Promise((resolve, reject) => {
      queue.push(() => work().then(resolve, reject))
      if (!isRunning) void loop()
    })
}

async function runPolity(contest: Contest, discipline: 'fair-share' | 'fifo'): Promise<void> {
  const { clock, agents, model } = contest
  const kernel = createKernel({
    store: memoryStore(),
    clock,
    models: { model },
    discipline,
    limits: { coreWaitMs: 1e9 },
  })
  const program = defineProgram('agent', async (sys, i: number) => {
    await (agents[i] as Agent).run({
      pause: (ms) => sys.sleep(ms).then(() => undefined),
      async ask(messages, most, call) {
        contest.asked(call)
        const { text } = await sys.generate({ messages: [...messages], maxOutputTokens: most, seed: call })
        contest.answered(call)
        return text
      },
    })
    return null
  })
  await Promise.all(
    agents.map(async ({ at, kind }, i) => {
      if (at > 0) await pauseOn(clock, at)
      contest.began(i)
      await kernel.spawn(program, i, {
        priority: kind === 'interactive' ? 1 : 0,
        principal: kind === 'interactive' ? `person ${i}` : 'batch',
      }).result
      contest.ended(i)
    }),
  )
  await kernel.close()
}

export const contestants: readonly Contestant[] = [
  { name: 'serial', refuse: '429', run: (contest) => runPlain(contest, { agent: semaphore(1) }) },
  { name: 'unlimited', refuse: '429', run: (contest) => runPlain(contest, {}) },
  { name: 'queue', refuse: 'queue', run: (contest) => runPlain(contest, {}) },
  { name: 'calls', refuse: '429', run: (contest) => runPlain(contest, { call: semaphore(contest.slots) }) },
  { name: 'agents', refuse: '429', run: (contest) => runPlain(contest, { agent: semaphore(contest.slots) }) },
  {
    name: 'AIOS-like, 6',
    refuse: 'queue',
    run: (contest) => runPlain(contest, { call: batchLoop(contest.clock, 6) }),
  },
  {
    name: 'AIOS-like, 32',
    refuse: 'queue',
    run: (contest) => runPlain(contest, { call: batchLoop(contest.clock, 32) }),
  },
  { name: 'Polity', refuse: '429', run: (contest) => runPolity(contest, 'fair-share') },
]

/** For who wants the last agent to end early rather than the mean one, on a key with rates, where no prefix is to be kept warm. */
export const polityFifo: Contestant = {
  name: 'Polity, fifo',
  refuse: '429',
  run: (contest) => runPolity(contest, 'fifo'),
}
