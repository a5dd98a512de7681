/**
 * Where a caller's own trace goes on: the header `traceparent` of W3C Trace Context.
 *
 *     const callers = createCallers(kernel, clock)
 *     serve({ doors: callers.doors(doorsOf({ kernel: callers.kernel, … })) })
 *     callers.take(pid)            // { traceId, spanId } where its request had the header
 *
 * Invariants
 *   TP1. A run that began while a request with a valid header was handled has that caller; no other run has one,
 *        and none that began before: a start that is asked for again under its key.
 *   TP2. The flag `sampled` is not heeded: who calls cannot hide a run from whoever runs the kernel.
 *   TP3. Not more than REMOTES_MAX callers wait for their runs to be told of; the oldest are forgotten.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Clock } from '../../kernel/clock.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Pid } from '../../kernel/types.ts'
import type { Door } from '../route.ts'

/** A span of somebody else. */
export interface Remote {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 hexadecimal digits. */
  readonly spanId: string
}

export interface Callers {
  /** The kernel as doors are to have it. */
  readonly kernel: Kernel
  /** The doors, with the header of each request remembered while it is handled. */
  doors(doors: readonly Door[]): readonly Door[]
  /** The caller of a run, once. */
  take(pid: Pid): Remote | undefined
}

const REMOTES_MAX = 10_000

/** `clock` is the kernel's. */
export function createCallers(kernel: Kernel, clock: Clock): Callers {
  const handled = new AsyncLocalStorage<Remote>()
  const remotes = new Map<Pid, Remote>()

  const spawn: Kernel['spawn'] = (program, input, options) => {
    const remote = handled.getStore()
    const before = clock.now()
    const run = kernel.spawn(program, input, options)
    if (remote === undefined) return run
    // One that was started under its key before has been told of.
    if (options?.once !== undefined && kernel.info(run.pid).startedAt < before) return run
    // It is told once it is kept, which is later.
    remotes.set(run.pid, remote)
    const [oldest] = remotes.size > REMOTES_MAX ? remotes.keys() : []
    if (oldest !== undefined) remotes.delete(oldest)
    return run
  }

  return {
    kernel: Object.create(kernel, { spawn: { value: spawn } }) as Kernel,
    doors: (doors) =>
      doors.map((door) => ({
        ...door,
        routes: door.routes.map((route) => ({
          ...route,
          handle(exchange) {
            const remote = parseTraceparent(exchange.headers['traceparent'])
            return remote === undefined ? route.handle(exchange) : handled.run(remote, () => route.handle(exchange))
          },
        })),
      })),
    take(pid) {
      const remote = remotes.get(pid)
      remotes.delete(pid)
      return remote
    },
  }
}

/** `00-<trace>-<span>-<flags>`, or a later version that begins so. undefined where it is anything else. */
export function parseTraceparent(header: unknown): Remote | undefined {
  if (typeof header !== 'string') return undefined
  const match = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-[\da-f]{2}(-.*)?$/.exec(header.trim())
  if (match === null) return undefined
  const [, version, traceId = '', spanId = '', more] = match
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined
  return /^0+$/.test(traceId) || /^0+$/.test(spanId) ? undefined : { traceId, spanId }
}
