/**
 * `sys`: the face of the kernel to one frame of one program. Every call goes to the gate; `now` and `random` are computed
 * from what the journal holds, so they need no entry of their own.
 */
import { randomAt } from './clock.ts'
import type { Origin } from './past.ts'
import type { Process } from './process.ts'
import type {
  AskOptions,
  CallName,
  FileEntry,
  FileSource,
  FilesPoint,
  GenerateRequest,
  Generation,
  Json,
  ListOptions,
  Mail,
  NoteInput,
  Pid,
  Program,
  ReadOptions,
  RecallOptions,
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

  #call<T>(name: CallName, ...given: readonly unknown[]): Promise<T> {
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

  spawn<Input, Output>(program: Program<Input, Output> | string, input: Input, options?: SpawnOptions): Promise<Pid> {
    return this.#call('spawn', program, input, options)
  }

  fork(): Promise<Pid> {
    return this.#call('fork')
  }

  wait<Output = Json>(pid: Pid, options?: { timeoutMs?: number }): Promise<Output> {
    return this.#call('wait', pid, options)
  }

  kill(pid: Pid, reason?: string): Promise<void> {
    return this.#call('kill', pid, reason)
  }

  sleep(ms: number): Promise<void> {
    return this.#call('sleep', ms)
  }

  send(to: Pid | string, body: Json, options?: { share?: { path: string; write?: boolean } }): Promise<number> {
    return this.#call('send', to, body, options)
  }

  receive(options?: { from?: Pid; timeoutMs?: number }): Promise<Mail> {
    return this.#call('receive', options)
  }

  generate(request: GenerateRequest | string): Promise<Generation> {
    return this.#call('generate', request)
  }

  embed(texts: readonly string[], options?: { model?: string }): Promise<readonly (readonly number[])[]> {
    return this.#call('embed', texts, options)
  }

  call<Output = Json>(tool: string, input: Json): Promise<Output> {
    return this.#call('call', tool, input)
  }

  ask(text: string, options?: AskOptions): Promise<string> {
    return this.#call('ask', text, options)
  }

  remember(note: NoteInput | string): Promise<string> {
    return this.#call('remember', note)
  }

  recall(query: string, options?: RecallOptions): Promise<readonly RecalledNote[]> {
    return this.#call('recall', query, options)
  }

  forget(id: string): Promise<void> {
    return this.#call('forget', id)
  }

  read(path: string, options?: ReadOptions): Promise<string> {
    return this.#call('read', path, options)
  }

  write(path: string, content: string | Uint8Array | FileSource): Promise<FileEntry> {
    return this.#call('write', path, content)
  }

  list(prefix?: string, options?: ListOptions): Promise<readonly FileEntry[]> {
    return this.#call('list', prefix, options)
  }

  remove(path: string): Promise<void> {
    return this.#call('remove', path)
  }

  snapshot(): Promise<Snapshot> {
    return this.#call('snapshot')
  }

  restore(id: string): Promise<never>
  restore(files: FilesPoint): Promise<FileEntry>
  restore(to: string | FilesPoint): Promise<never> | Promise<FileEntry> {
    return this.#call('restore', to)
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
