/**
 * The ports: the small interfaces behind which vendors and machines stand. Types only.
 *
 * A language model is any `LanguageModelV4` object of the AI SDK, as it is. What ours can do beyond it, they say in
 * `capabilities`. Each port has a conformance suite in `polity/testing` that outsiders run on theirs.
 */
import type { LanguageModelV4 } from '@ai-sdk/provider'
import type { Budget, JournalEvent, Pid, Price, ProcessEnd, ProcessStart } from './types.ts'

// ------------------------------------------------------------------------------------------------------------ models

/** What a model driver may say of itself, beyond the AI SDK's interface. All optional. */
export interface ModelCapabilities {
  /** Concurrent calls it takes; more would be refused. @default learned */
  readonly slots?: number
  /** Requests a minute. @default learned */
  readonly requestsPerMinute?: number
  /** Input and output tokens a minute. @default learned */
  readonly tokensPerMinute?: number
  /** Input and output tokens of one call. @default 128,000 */
  readonly contextTokens?: number
  /** What a call costs; zeros for a model that runs here. The kernel's own price table goes first. @default unknown */
  readonly price?: Price
  /** The machine that has room for only some of its models at once, where its weights have to be while it serves. @default none */
  readonly host?: ModelHost
  /**
   * Whether a generation can be stopped and taken up again: `exact` keeps a state when it is told to (`Turn`), and the answer
   * in turns is the answer in one; `prefix` goes on where the text of a last assistant message breaks off, and reads the
   * prompt again; `none` starts over. @default 'none'
   */
  readonly preempt?: 'none' | 'prefix' | 'exact'
}

/** What the kernel says to a driver of `preempt: 'exact'` with a call, as `providerOptions.polity.turn`. */
export interface Turn {
  /**
   * Asked after each token, with how many were written in this turn, and between steps of reading the prompt. false: keep
   * the state and end with `finishReason` `interrupted`, the text of this turn, and a `TurnEnd` as `providerMetadata.polity`.
   */
  readonly goOn: (tokens: number) => boolean
  /**
   * The state that an earlier turn of the same call left. Text of earlier turns is not told again, nor its tokens counted.
   * It stays good until `forgetState`: a turn that a crash cut short is run again from there.
   */
  readonly state?: string
}

/** How a turn that was interrupted ended. */
export interface TurnEnd {
  /** By this the driver finds the state again, also in another operating-system process. `STATE_FOREIGN` where it cannot be used. */
  readonly state: string
  /** What it takes to keep, bytes. */
  readonly bytes: number
  /** Time it took to read the last state and to write this one, ms. */
  readonly ms: number
}

/** A machine on which models take turns: all that name the same one share its room. */
export interface ModelHost {
  readonly name: string
  /** Models that have room at once. All that share the machine say the same. */
  readonly residentMax: number
}

/** A model driver: an AI SDK model, with what it may say of itself. */
export type LanguageModel = LanguageModelV4 & {
  readonly capabilities?: ModelCapabilities
  /** Of `preempt: 'exact'`: nobody goes on from this state any more. Does not throw, also where it knows of none. @default not told */
  forgetState?(state: string): void
}

/** A driver that makes vectors of texts. */
export interface Embedder {
  readonly name: string
  /** One vector per text, all of one length. */
  embed(texts: readonly string[], options: { signal: AbortSignal }): Promise<readonly (readonly number[])[]>
}

// ------------------------------------------------------------------------------------------------------------- store

/**
 * What a commit that has returned survives:
 * `memory` nothing; `relaxed` the death of the process; `strict` also the loss of power.
 */
export type Durability = 'memory' | 'relaxed' | 'strict'

/** Tables of the store beside the journal: ordered key-value. */
export type Table = 'blob' | 'file' | 'note' | 'meta'

/** An entry of a table, to be written with the events of its batch. */
export interface Put {
  readonly table: Table
  readonly key: string
  /** null removes the entry. */
  readonly value: string | Uint8Array | null
  /** Words under which `search` finds the entry. @default not searchable */
  readonly text?: string
  /** The direction of its meaning, by which `nearest` finds the entry; its length does not matter. @default none */
  readonly vector?: Float32Array
}

/** What is kept together or not at all. */
export interface Batch {
  readonly events: readonly JournalEvent[]
  readonly puts: readonly Put[]
}

/** The first and the last event of a process. */
export interface ProcessHead {
  readonly start: ProcessStart
  /** Absent while the process has not ended. */
  readonly end?: ProcessEnd
}

/** Which processes, and from which end. */
export interface ProcessRange {
  /** The first pid. @default the smallest */
  readonly from?: Pid
  /** The first pid that is none of them any more. @default behind the largest */
  readonly to?: Pid
  /** From the largest to the smallest. @default false */
  readonly reverse?: boolean
}

/** A wish of another operating-system process for the kernel that owns the store. `status` with a pid is replied to with its `ProcessInfo`. */
export interface Command {
  readonly command:
    | 'kill'
    | 'answer'
    | 'status'
    | 'resume'
    | 'fork'
    | 'collect'
    | 'restore-files'
    | 'collect-files'
    | 'revoke'
    | 'forget'
  readonly pid?: Pid
  /** Of `status`: the processes that are asked about, at most 500. */
  readonly pids?: readonly Pid[]
  readonly id?: number
  readonly text?: string
  /** Of an answer that allows a call: the signed approval, as JSON. */
  readonly proof?: string
  /** Of an answer to a call in doubt: what the call returned, as JSON. */
  readonly value?: string
  /** Of a fork: the call from which it goes on, and its ceilings. */
  readonly at?: number
  readonly budget?: Budget
  /** Of `collect`: how many journals of ended processes stay. */
  readonly keep?: number
  /** Of `resume` and `fork`: hash of the law under which the run is to go on knowingly. @default that with which it was begun */
  readonly law?: string
  /** Of `revoke`: the source of the notes, and whose; without a principal, all. Of `forget`, the note is `text`. */
  readonly source?: string
  readonly principal?: string
  /** Under which name the outcome is published with the status. */
  readonly reply?: string
  /** Owners that had it before and ended before it was done; said by the store. @default 0 */
  readonly tries?: number
}

/**
 * The store: an append-only journal, ordered tables and full text, written together.
 *
 * Opening takes ownership; a second opener gets `STORE_LOCKED` at once. Rules that the conformance suite checks:
 *   K1. A batch is written whole or not at all. If `commit` fails, nothing of the batch is there.
 *   K2. Committing the same batch again (after an unclear failure) changes nothing: events are known by `seq`.
 *   K3. What `commit` has returned for is there after the crash that `durability` names.
 *   K4. Readers see all committed batches, in order of `seq`.
 */
export interface Store {
  readonly durability: Durability
  /** Returns when the batch is kept. May return at once or a promise; the kernel never overlaps two commits. */
  commit(batch: Batch): void | Promise<void>
  /** First and last event of every process in the range, by pid. Read as it is gone through. @default all, ascending */
  processes(range?: ProcessRange): Iterable<ProcessHead>
  /** All events of one process, in order. */
  events(pid: Pid): readonly JournalEvent[]
  /** The largest `seq` ever committed, -1 for none, also after `drop`. */
  lastSeq(): number
  get(table: Table, key: string): string | Uint8Array | undefined
  /** Entries with `from <= key < to`, by key, at most `limit`. Keys compare by UTF-8 bytes. */
  range(
    table: Table,
    from: string,
    to: string,
    options?: { limit?: number; reverse?: boolean },
  ): Iterable<readonly [key: string, value: string | Uint8Array]>
  /** Entries whose key begins with one of `prefixes` and whose text holds any of `words`, best first (BM25). */
  search(
    table: Table,
    prefixes: readonly string[],
    words: readonly string[],
    limit: number,
  ): readonly { readonly key: string; readonly score: number }[]
  /**
   * Entries whose key begins with one of `prefixes` and whose vector is nearest to `vector`, best first, by cosine. Only
   * vectors with as many dimensions are compared: those of other embedders are left out. The cosine is exact to about 0.01,
   * as vectors are kept with 8 bits a number; which entries come may miss some of the true ones (bench/memory-scale.ts).
   */
  nearest(
    table: Table,
    prefixes: readonly string[],
    vector: Float32Array,
    limit: number,
  ): readonly { readonly key: string; readonly score: number }[]
  /** Removes the events of ended processes. */
  drop(pids: readonly Pid[]): void
  /** Wishes of other operating-system processes, oldest first; each is returned once. Absent where there can be none. */
  takeCommands?(): readonly Command[]
  /** These are done, and what they did is kept: the next owner is not given them. @default done with `takeCommands` */
  commandsDone?(commands: readonly Command[]): void
  /** These are not done, and the owner closes in order: the next one is given them as this one was. @default as after a crash */
  giveBackCommands?(commands: readonly Command[]): void
  /** Answers to `status`: shown by `polity top` in another process. */
  publishStatus?(status: string): void
  /** Gives the store up. Safe to call twice. */
  close(): void
}

/**
 * Entries that several kernels change together, each in an operating-system process of its own: what they share of one
 * provider key (leases.ts). Rules that the conformance suite checks (src/drivers/store/conformance-leases.ts):
 *   H1. An `update` is whole: between its look and its write nobody else looks or writes.
 *   H2. A holder is alive until its `close` or the end of its operating-system process, however that comes, and no longer.
 *   H3. What `update` has returned for, all others see.
 *   H4. If `update` throws, nothing has changed. It throws soon rather than wait long: it is called on the one thread there is.
 */
export interface LeaseStore {
  /** Who opened it; no other opener ever had this name, or will. Without "/". */
  readonly holder: string
  isAlive(holder: string): boolean
  /** Replaces the entry by what `change` makes of it; `change` is called once, and does nothing but compute. Throws `STORE_FAILED`. */
  update(key: string, change: (value: string | undefined) => string): void
  /** Gives up the holder; entries stay. Safe to call twice. */
  close(): void
}
