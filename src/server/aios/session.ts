/**
 * One query as its handlers see it, and how they run a program for it.
 *
 *     const { value, times } = await runFor(session, program, asked)
 */
import type { Kernel } from '../../kernel/kernel.ts'
import type { Json, Pid, Program } from '../../kernel/types.ts'
import type { ModelDoor } from '../model-door.ts'
import type { Caller } from '../caller.ts'
import { runOptionsOf } from '../caller.ts'
import { resultFor } from '../request-run.ts'
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

/**
 * Runs a program as a process of the caller, to its end. Throws what the program threw; a client that goes away ends it.
 *
 * What is asked comes as its first message, and its input is null: a model or a client's program may have made it up, and
 * the input counts as what the user asked for. `after` is the process that it stands behind before the law.
 */
export async function runFor<Output extends Json>(
  { kernel, caller, signal }: Session,
  program: Program<never, Output>,
  asked: Json,
  after?: Pid,
): Promise<{ readonly value: Output; readonly times: Times }> {
  const run = kernel.spawn(program as Program<Json, Output>, null, {
    ...runOptionsOf(caller),
    ...(after === undefined ? {} : { after }),
  })
  kernel.send(run.pid, asked)
  const value = await resultFor(run, signal)
  const { startedAt, endedAt } = run.info()
  return { value, times: { createdMs: startedAt, startMs: startedAt, endMs: endedAt ?? startedAt } }
}
