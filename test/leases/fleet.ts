/**
 * Operating-system processes that share a provider key and want more of it than there is, some of them killed -9 with
 * leases in hand: for the test of shared limits and for its bench.
 *
 *     const { refused, utilisation } = await fleet({ path: 'keys.db', members: 8, windows: 10, killed: 3 })
 */
import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ProviderLimits } from './provider.ts'
import { startProvider } from './provider.ts'

/** How long a request may be under way until the provider counts it: what the kernels are told to allow for, ms. */
const MARGIN_MS = 200

/** What the key allows in windows of so many ms. Requests are what runs out first. */
export function fleetLimits(windowMs: number): ProviderLimits {
  return { slots: 8, requests: 0.06 * windowMs, tokens: 3.5 * windowMs, windowMs, answerMs: 80 }
}

export interface Fleet {
  /** Why each request was refused that was. */
  readonly refused: readonly string[]
  /** Requests that were under way for longer than the kernels allow for: each may be one too many in its window. */
  readonly late: number
  readonly mostInFlight: number
  /** Requests that were served, as a part of what the key allows in the time. */
  readonly utilisation: number
  /** Calls of each member that was told to stop. */
  readonly served: readonly number[]
}

export interface FleetOptions {
  /** Where the lease file is to be. */
  readonly path: string
  readonly members: number
  /** The window in which the provider counts, ms. */
  readonly windowMs: number
  /** How long they run and are counted, in windows of the provider. */
  readonly windows: number
  /** So many are killed when half of that is over. */
  readonly killed: number
  /** So many stand still from then to the end of it, with calls at the provider. @default 0 */
  readonly stopped?: number
}

export async function fleet({ path, members, windowMs, windows, killed, stopped = 0 }: FleetOptions): Promise<Fleet> {
  const limits = fleetLimits(windowMs)
  const provider = await startProvider(limits)
  const script = join(import.meta.dirname, 'member.ts')
  // A member is no test of its own, also when a test starts it.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const children = Array.from({ length: members }, () =>
    fork(script, [path, provider.url, JSON.stringify(limits), `${MARGIN_MS}`], { execArgv: [], env }),
  )
  try {
    await Promise.all(children.map((child) => Promise.race([once(child, 'message'), failed(child)])))
    const count = provider.of('the key')
    await sleep(windowMs)
    const from = performance.now()
    await sleep((windows / 2) * windowMs)
    for (const child of children.slice(0, killed)) child.kill('SIGKILL')
    const still = children.slice(killed, killed + stopped)
    for (const child of still) child.kill('SIGSTOP')
    await sleep((windows / 2) * windowMs)
    for (const child of still) child.kill('SIGCONT')
    const to = performance.now()
    const served = await Promise.all(
      children.slice(killed).map(async (child) => {
        const answered = once(child, 'message')
        child.send('stop')
        return Number((await answered)[0])
      }),
    )
    const inTime = count.served.filter((at) => at >= from && at < to).length
    return {
      refused: count.refused,
      late: count.underWayMs.filter((ms) => ms > MARGIN_MS).length,
      mostInFlight: count.mostInFlight,
      utilisation: inTime / (limits.requests * ((to - from) / windowMs)),
      served,
    }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    provider.close()
  }
}

/** A member that ends before it is told to. */
async function failed(child: ChildProcess): Promise<never> {
  const [code] = (await once(child, 'exit')) as [number | null]
  throw new Error(`a member ended with ${code} before it was ready`)
}
