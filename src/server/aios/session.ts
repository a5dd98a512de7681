/**
 * One query as its handlers see it, and how they run a program for it.
 *
 *     const { value, times } = await runFor(query, program, input)
 */
import type { Kernel } from '../../kernel/kernel.ts'
import type { Json, Pid, Program } from '../../kernel/types.ts'
import type { ModelDoor, ModelRequest } from '../model-door.ts'
import type { Caller } from '../route.ts'
import { runOptionsOf } from '../view.ts'
import type { Times } from './query.ts'

/** Who asks for what, and by what it is done. */
export interface Session {
  readonly kernel: Kernel
  readonly models: ModelDoor
  readonly caller: Caller
  /** As it calls itself: a name inside its principal, never an authority. */
  readonly agent: string
  /** Aborts when the client went away. */
  readonly signal: AbortSignal
  /** Where the client reaches this door, without a slash at the end. */
  readonly origin: string
}

/** What a process is given beside its input, which counts as what the user asked for. */
export interface Beside {
  /** Its first message: what a model or a client's program made up. */
  readonly mail?: Json
  /** The process that it stands behind before the law. */
  readonly after?: Pid
}

/** Runs a program as a process of the caller, to its end. Throws what the program threw; a client that goes away ends it. */
export async function runFor<Output extends Json>(
  { kernel, caller, signal }: Session,
  program: Program<never, Output>,
  input: Json,
  { mail, after }: Beside = {},
): Promise<{ readonly value: Output; readonly times: Times }> {
  const run = kernel.spawn(program as Program<Json, Output>, input, {
    ...runOptionsOf(caller),
    ...(after === undefined ? {} : { after }),
  })
  if (mail !== undefined) kernel.send(run.pid, mail)
  const stop = (): void => run.kill('its client went away')
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  try {
    const value = await run.result
    const { startedAt, endedAt } = run.info()
    return { value, times: { createdMs: startedAt, startMs: startedAt, endMs: endedAt ?? startedAt } }
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** Who asks, as a model door takes it. */
export function askerOf({ caller }: Session): Pick<ModelRequest, 'caller' | 'priority'> {
  return caller.priority === undefined ? { caller } : { caller, priority: caller.priority }
}
