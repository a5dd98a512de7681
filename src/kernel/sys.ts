/**
 * `sys`: the face of the kernel to one frame of one program. Every call goes to the gate; `now` and `random` are computed
 * from what the journal holds, so they need no entry of their own.
 *
 * Invariant
 *   SY1. Every argument reaches the gate, also one too many, so that none is passed over.
 */
import { randomAt } from './clock.ts'
import type { Origin } from './past.ts'
import type { Process } from './process.ts'
import type {
  CallName,
  FileEntry,
  FilesPoint,
  Generation,
  Json,
  Mail,
  Pid,
  Program,
  RecalledNote,
  Snapshot,
  SpawnOptions,
  Sys,
  ToolDescription,
} from './types.ts'
import { describeTool } from './tools.ts'

/** How a call of a frame reaches the gate. */
export type Invoke = (process: Process, frame: number, name: CallName, given: readonly unknown[]) => Promise<unknown>

/** `sys` for the present frame of a process. */
export function createSys(process: Process, invoke: Invoke): Sys {
  return new ProcessSys(process, invoke)
}

class ProcessSys implements Sys {
  readonly #process: Process
  readonly #frame: number
  readonly #invoke: Invoke

  constructor(process: Process, invoke: Invoke) {
    this.#process = process
    this.#frame = process.frame
    this.#invoke = invoke
  }

  /** With all that was given: what a call does not take is refused where its arguments are checked. */
  #call<T>(name: CallName, given: readonly unknown[]): Promise<T> {
    return this.#invoke(this.#process, this.#frame, name, given) as Promise<T>
  }

  get pid() {
    return (originOf(this.#process) ?? this.#process).pid
  }

  get principal() {
    return this.#process.principal
  }

  get tools(): readonly ToolDescription[] {
    return [...this.#process.tools.values()].map(describeTool)
  }

  spawn<Input, Output>(
    ...given: [program: Program<Input, Output> | string, input: Input, options?: SpawnOptions]
  ): Promise<Pid> {
    return this.#call('spawn', given)
  }

  fork(...given: []): Promise<Pid> {
    return this.#call('fork', given)
  }

  wait<Output = Json>(...given: Parameters<Sys['wait']>): Promise<Output> {
    return this.#call('wait', given)
  }

  kill(...given: Parameters<Sys['kill']>): Promise<void> {
    return this.#call('kill', given)
  }

  sleep(...given: Parameters<Sys['sleep']>): Promise<void> {
    return this.#call('sleep', given)
  }

  send(...given: Parameters<Sys['send']>): Promise<number> {
    return this.#call('send', given)
  }

  receive(...given: Parameters<Sys['receive']>): Promise<Mail> {
    return this.#call('receive', given)
  }

  generate(...given: Parameters<Sys['generate']>): Promise<Generation> {
    return this.#call('generate', given)
  }

  embed(...given: Parameters<Sys['embed']>): Promise<readonly (readonly number[])[]> {
    return this.#call('embed', given)
  }

  call<Output = Json>(...given: Parameters<Sys['call']>): Promise<Output> {
    return this.#call('call', given)
  }

  ask(...given: Parameters<Sys['ask']>): Promise<string> {
    return this.#call('ask', given)
  }

  remember(...given: Parameters<Sys['remember']>): Promise<string> {
    return this.#call('remember', given)
  }

  recall(...given: Parameters<Sys['recall']>): Promise<readonly RecalledNote[]> {
    return this.#call('recall', given)
  }

  forget(...given: Parameters<Sys['forget']>): Promise<void> {
    return this.#call('forget', given)
  }

  read(...given: Parameters<Sys['read']>): Promise<string> {
    return this.#call('read', given)
  }

  write(...given: Parameters<Sys['write']>): Promise<FileEntry> {
    return this.#call('write', given)
  }

  list(...given: Parameters<Sys['list']>): Promise<readonly FileEntry[]> {
    return this.#call('list', given)
  }

  remove(...given: Parameters<Sys['remove']>): Promise<void> {
    return this.#call('remove', given)
  }

  snapshot(...given: []): Promise<Snapshot> {
    return this.#call('snapshot', given)
  }

  restore(...given: [id: string]): Promise<never>
  restore(...given: [files: FilesPoint]): Promise<FileEntry>
  restore(...given: [to: string | FilesPoint]): Promise<never> | Promise<FileEntry> {
    return this.#call('restore', given)
  }

  now(): number {
    return this.#process.learnedAt
  }

  random(): number {
    const process = this.#process
    if (process.frame !== this.#frame) return 0
    return randomAt(originOf(process)?.seed ?? process.start.seed, 0, process.drawn++)
  }
}

/** Whose past a fork is living: until it has gone through that, it has the origin's pid and draws the origin's numbers. */
function originOf({ past, made }: Process): Origin | undefined {
  return past?.origins.find((origin) => made < origin.starts || past.learned < origin.ends)
}
