/** One contestant with one workload on one server: what came out. */
import { simulated } from '../../src/drivers/llm/simulated.ts'
import { servingMachine } from '../../src/drivers/llm/serving-machine.ts'
import { simulatedClock } from '../../src/kernel/clock.ts'
import type { LanguageModel } from '../../src/kernel/drivers.ts'
import { workBound } from './bound.ts'
import type { Contestant } from './contestants.ts'
import { A10_SLOTS, LATENCY_MS, a10 } from './server.ts'
import type { Agent } from './workloads.ts'
import { answerTokens } from './workloads.ts'

/** Times are ms of simulated time. */
export interface Outcome {
  readonly contestant: string
  readonly makespanMs: number
  readonly calls: number
  readonly inputTokens: number
  readonly outputTokens: number
  /** Tokens of prompts that were computed although they had been computed before. */
  readonly wastedTokens: number
  readonly refused: number
  /** Of the tokens of prompts, those found in the prefix cache. */
  readonly cachedShare: number
  /** From a call's being asked for to its being sent to a server that took it, sorted. */
  readonly waits: readonly number[]
  /** From an agent's coming to its end, sorted: batch agents, and people. */
  readonly turnarounds: readonly number[]
  readonly people: readonly number[]
  /** Jain's index of the tokens a second that batch agents got: (Σ x)² / (n Σ x²); 1 is equal. */
  readonly jain: number
  /** The work bound of these calls (bound.ts, 1). */
  readonly workMs: number
  /** The largest of coming and running, over agents (bound.ts, 2, where it ran alone). */
  readonly longestMs: number
  /** What the simulation took, s of this machine. */
  readonly tookS: number
}

/** All contestants of one workload with one number of agents. */
export interface Summary {
  readonly workload: string
  readonly agents: number
  readonly polityMs: number
  readonly boundMs: number
  readonly by: ReadonlyMap<string, Outcome>
}

/** A provider key instead of the machine: slots of their own speed, and rates. */
export interface Key {
  readonly slots: number
  readonly prefillTokensPerSecond: number
  readonly decodeTokensPerSecond: number
  readonly latencyMs: number
  readonly requestsPerMinute: number
  readonly tokensPerMinute: number
}

export async function contend(
  agents: readonly Agent[],
  { name, refuse, run }: Contestant,
  key?: Key,
): Promise<Outcome> {
  const clock = simulatedClock({ seed: 7, startMs: 0 })
  const machine = servingMachine({ clock, ...a10 })
  const bound = workBound(a10)
  const server = simulated({
    clock,
    refuse,
    queueMax: 1_000_000,
    retryAfterMs: 1_000,
    ...(key ?? {
      machine: { ...machine, submit: (job) => (bound.add(job), machine.submit(job)) },
      slots: A10_SLOTS,
      latencyMs: LATENCY_MS,
    }),
    answer({ call }) {
      const outputTokens = answerTokens(call.seed as number, call.maxOutputTokens as number)
      return { text: 'word '.repeat(outputTokens).slice(0, outputTokens * 4), outputTokens }
    },
  })
  const sentAt = new Map<number, number>()
  const askedAt = new Map<number, number>()
  const tokensOf = new Map<number, number>()
  const model: LanguageModel = {
    ...server,
    async doGenerate(call) {
      const at = clock.now()
      const result = await server.doGenerate(call)
      const number = call.seed as number
      sentAt.set(number, at)
      const agent = Math.floor(number / 1_000)
      tokensOf.set(agent, (tokensOf.get(agent) ?? 0) + (result.usage.outputTokens.total ?? 0))
      return result
    },
  }
  const waits: number[] = []
  const turnarounds: number[] = []
  const people: number[] = []
  const rates: number[] = []
  const beganAt: number[] = []
  let longestMs = 0
  const started = performance.now()
  await run({
    clock,
    model,
    agents,
    slots: key?.slots ?? A10_SLOTS,
    asked: (call) => void askedAt.set(call, clock.now()),
    answered(call) {
      waits.push((sentAt.get(call) as number) - (askedAt.get(call) as number))
      askedAt.delete(call)
      sentAt.delete(call)
    },
    began: (i) => void (beganAt[i] = clock.now()),
    ended(i) {
      const { at, kind } = agents[i] as Agent
      // The very first agent reads instructions that all share, which in another schedule somebody else may have read.
      if (i > 0) longestMs = Math.max(longestMs, at + clock.now() - (beganAt[i] as number))
      ;(kind === 'batch' ? turnarounds : people).push(clock.now() - at)
      if (kind === 'batch') rates.push((tokensOf.get(i) ?? 0) / (clock.now() - at))
    },
  })
  const makespanMs = clock.now()
  const stats = server.stats()
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
  return {
    contestant: name,
    makespanMs,
    calls: stats.completed,
    inputTokens: stats.inputTokens,
    outputTokens: stats.outputTokens,
    wastedTokens: key === undefined ? machine.stats().prefillTokens - bound.prefillTokens : 0,
    refused: stats.refused,
    cachedShare: stats.cachedTokens / stats.inputTokens,
    waits: waits.toSorted((a, b) => a - b),
    turnarounds: turnarounds.toSorted((a, b) => a - b),
    people: people.toSorted((a, b) => a - b),
    jain: sum(rates) ** 2 / (rates.length * sum(rates.map((rate) => rate * rate))),
    workMs: key === undefined ? LATENCY_MS + bound.workMs() : 0,
    longestMs,
    tookS: (performance.now() - started) / 1_000,
  }
}
