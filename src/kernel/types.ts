/**
 * The words of the machine: what programs, tools and doors say to the kernel and hear from it. Types only.
 *
 * Everything that is journaled is plain JSON (`Json`); live objects never are.
 */
import type { LanguageModelV4Content, LanguageModelV4Message, LanguageModelV4ToolChoice } from '@ai-sdk/provider'
import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec'
import type { Law, LawState, Rule } from '../policy/law.ts'
import type { ErrorData } from './errors.ts'

/** Plain data: what may be journaled. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined }
/** A process by the place of its start event in the journal. */
export type Pid = number

// ---------------------------------------------------------------------------------------------------------- programs

/** A program: `(sys, input) => Promise<output>`, with a name under which a journal can find it again. */
export interface Program<Input = unknown, Output = unknown> {
  readonly name: string
  /** Part of the identity: a journal made by one version is not replayed by another. @default '1' */
  readonly version: string
  /** Tools that a process of this program holds, if its parent holds them. */
  readonly tools: readonly Tool[]
  /** A run of it holds these tools and none of the kernel's. @default it holds both */
  readonly ownToolsOnly?: true
  /** Model for calls that name none. */
  readonly model: ModelChoice | undefined
  run(sys: Sys, input: Input): Promise<Output>
}

/** A model by name, a driver object, or a chain of either, tried in order. */
export type ModelChoice = string | readonly string[]

// ------------------------------------------------------------------------------------------------------------- tools

/**
 * What a tool does to the world, and so what happens when a crash leaves a call in doubt:
 * `read` is repeated, `idempotent` is repeated with the same key, `once` is asked of a person.
 */
export type Effect = 'read' | 'idempotent' | 'once'

/** A schema of any Standard Schema library that can also describe itself as JSON Schema (zod 4, valibot, arktype …). */
export interface ToolSchema<Value> {
  readonly '~standard': StandardSchemaV1.Props<unknown, Value> & Partial<StandardJSONSchemaV1.Props<unknown, Value>>
}

/** What a tool is told of its call. */
export interface ToolContext {
  /** Aborts when the call is cancelled, killed or out of time. */
  readonly signal: AbortSignal
  /** The same for every try of this call, across crashes; different for any other call. */
  readonly idempotencyKey: string
  readonly pid: Pid
  readonly principal: string
  /** Names of the calling process and of those above it, the root's first. */
  readonly names: readonly (string | null)[]
  /** Names what `state` belongs to: one for each process tree, another for each fork. */
  readonly space: string
  /** Of a tool with a `state`: what was kept last in this space, frozen; undefined where nothing was. */
  readonly state: Json | undefined
  /**
   * Of a tool with a `state`: becomes the state once this call ends with a value; calls that are made meanwhile read it
   * already. The value is frozen. Throws `INVALID_ARGUMENT`, `TOO_LARGE`.
   */
  keep(state: Json): void
  /** The state as a descendant of the caller has it, such as a fork; throws `NO_SUCH_PROCESS`, `ACCESS_DENIED`. */
  stateOf(pid: Pid): Json | undefined
}

/** A function that models may ask for, with what the kernel has to know of it. */
export interface Tool<Input = unknown, Output = unknown> {
  /** 1 to 64 letters, digits, `_`, `-`, `.` or `/`. */
  readonly name: string
  readonly description: string
  readonly inputSchema: ToolSchema<Input>
  readonly outputSchema?: ToolSchema<Output>
  /** @default 'once', the careful reading of a tool that says nothing */
  readonly effect?: Effect
  /** Arguments that steer what the effect hits (recipient, path, amount). Read by the law. */
  readonly control?: readonly string[]
  /** Labels of what it returns, such as `private` or `untrusted`: whoever learns it has seen them. Read by the law. */
  readonly labels?: readonly string[]
  /** What it returns is as good as the user's own word: values in it have the origin `trusted`. @default false */
  readonly trusted?: boolean
  /** Whether a call tells something to the outside: mail, a web page, a payment. @default unknown, which no rule trusts */
  readonly outbound?: boolean
  /** Names of things that only one call at a time may hold, in all processes. */
  readonly locks?: readonly string[]
  /** @default limits.toolMs */
  readonly timeoutMs?: number
  /**
   * Name of what the kernel keeps for its calls, by process tree; tools with one name have it in common. It follows the
   * process: a fork goes on with a copy, a restore brings it back. 1 to 64 characters as in `name`. @default none
   */
  readonly state?: string
  execute(input: Input, context: ToolContext): Output | Promise<Output>
}

/** A tool as a model sees it. */
export interface ToolDescription {
  readonly name: string
  readonly description: string
  readonly inputSchema: { readonly [key: string]: Json | undefined }
}

// ------------------------------------------------------------------------------------------------------------ models

/** A message of a conversation, in the AI SDK’s form or with plain text. */
export type Message = LanguageModelV4Message | { readonly role: 'user' | 'assistant'; readonly content: string }

/** What a model is asked. */
export interface GenerateRequest {
  /** @default the program's model, else the kernel's */
  readonly model?: ModelChoice
  /** What the model is told before everything else. */
  readonly instructions?: string
  /** One user message. Give this or `messages`, not both. */
  readonly prompt?: string
  readonly messages?: readonly Message[]
  /** Names of held tools that the model may ask for. @default none */
  readonly tools?: readonly string[]
  readonly toolChoice?: LanguageModelV4ToolChoice
  /** @default limits.outputTokensDefault, less where a budget leaves less */
  readonly maxOutputTokens?: number
  readonly temperature?: number
  readonly topP?: number
  readonly topK?: number
  readonly seed?: number
  readonly stopSequences?: readonly string[]
  /** A JSON Schema: the answer is JSON that a caller can parse. The kernel does not check it; the program does. */
  readonly schema?: { readonly [key: string]: Json | undefined }
  /** Passed to the provider as it is, but for `polity`: that is the kernel's, and what a program writes there stands in the journal only. */
  readonly providerOptions?: { readonly [provider: string]: { readonly [key: string]: Json | undefined } }
  /** When the answer is no longer worth having, ms from now. Read by the `deadline` discipline. */
  readonly deadlineMs?: number
}

/** A tool that a model asked for. */
export interface ToolCall {
  readonly id: string
  readonly name: string
  /** The arguments as the model wrote them, parsed; a string if they were not JSON. */
  readonly input: Json
}

/** Why the model stopped. */
export type FinishReason = 'stop' | 'length' | 'content-filter' | 'tool-calls' | 'error' | 'interrupted' | 'other'

/** What a model answered. */
export interface Generation {
  readonly text: string
  readonly toolCalls: readonly ToolCall[]
  /** Everything the model sent, in its order and the driver's form; append it to the messages to go on. */
  readonly message: LanguageModelV4Message
  readonly finishReason: FinishReason
  readonly usage: CallUsage
  /** The core that answered. */
  readonly model: string
}

/** A part of what a model sent, in the driver’s form. */
export type ModelContent = LanguageModelV4Content

/** What one model call took. Tokens as the provider counted them, or as we estimated where it says nothing. */
export interface CallUsage {
  readonly inputTokens: number
  /** Of the input tokens, those served from the provider's prompt cache. */
  readonly cachedTokens: number
  readonly outputTokens: number
  /** US dollars by the price table; 0 for a core without a price. */
  readonly usd: number
  /** True where the provider sent no counts and ours stand in. */
  readonly estimated: boolean
  /** What it cost that the call made room for others. Absent: it did not. */
  readonly preempted?: Preempted
}

/** What it cost to interrupt a generation and to go on with it. All of it is in the counts of its `CallUsage` already. */
export interface Preempted {
  /** How often. */
  readonly times: number
  /** Tokens that were read, and paid, again: 0 where the state was kept. */
  readonly tokensAgain: number
  /** Bytes of the states that were kept. */
  readonly stateBytes: number
  /** Time for keeping states and taking them up again, ms. */
  readonly stateMs: number
}

/** What a process and its descendants took so far. */
export interface Usage {
  readonly inputTokens: number
  readonly cachedTokens: number
  readonly outputTokens: number
  readonly usd: number
  /** Model calls. */
  readonly steps: number
  /** System calls. */
  readonly calls: number
  /** Descendants spawned or forked. */
  readonly children: number
}

/** What a call may cost at most. */
export interface Reservation {
  readonly tokens: number
  readonly usd: number
}

/** US dollars for a million tokens of one model. */
export interface Price {
  readonly input: number
  readonly output: number
  /** @default input */
  readonly cached?: number
}

// ----------------------------------------------------------------------------------------------------------- budgets

/** Ceilings for a process with all its descendants. A child's may be lower than its parent's, never higher in effect. */
export interface Budget {
  /** Input and output tokens together. */
  readonly tokens?: number
  readonly usd?: number
  /** From spawn, by the kernel's clock. */
  readonly wallMs?: number
  /** Model calls. */
  readonly steps?: number
  /** Descendants. */
  readonly children?: number
}

// --------------------------------------------------------------------------------------------------------- processes

/** What a process is given beside its program and input. */
export interface SpawnOptions {
  readonly budget?: Budget
  /** Higher goes first under the `priority` discipline. @default the parent's, else 0 */
  readonly priority?: number
  /** Of the tools that parent and program hold, those that this process holds. @default all of them */
  readonly tools?: readonly string[]
  /** Address for `send`, beside the pid. Not unique: a group is several processes of one name. */
  readonly name?: string
  /**
   * Rules that bind this process and its descendants beside the law of the kernel and the laws of its ancestors: what one
   * of them denies is denied. So it can only narrow, whoever wrote it, also a model. Rules only, without `then`.
   */
  readonly law?: { readonly description?: string; readonly rules: readonly Rule[] }
}

/** What a door may say of a run beside that. */
export interface RunOptions extends SpawnOptions {
  /** On whose behalf. Children have their parent's. @default 'local' */
  readonly principal?: string
  /** Account that the run draws on beside its own budget; see `Kernel.account`. @default none */
  readonly account?: string
  /** Labels of the input: what the run has learned before it begins. @default none */
  readonly labels?: readonly string[]
  /** Starts it once: who comes again with the same key is given the process that was started first, as long as it has a journal. */
  readonly once?: Once
  /**
   * An ended run of the same principal behind which this one stands before the law: what that did and learned counts. Its pid
   * while it has a journal, or at any time its `Run.standing`, which is the door's to keep for that principal.
   */
  readonly after?: Pid | Standing
  /** What the files of the run may come to, its children's and forks' among them. @default the kernel's limits */
  readonly quota?: FileQuota
}

/** Ceilings of an account; `wallMs` is none of them. */
export interface AccountBudget extends Budget {
  /** What may be written into the store for its runs in a day: events, files and notes, bytes. Room comes back evenly. */
  readonly bytesPerDay?: number
}

/** What makes one request out of several tries. */
export interface Once {
  /** 1 to 500 characters, of whoever asks: two who ask under one key ask for the same. */
  readonly key: string
  /** Of everything that was asked for. */
  readonly digest: string
}

/** What an account has and has used. */
export interface AccountInfo {
  readonly name: string
  readonly budget: Budget
  readonly used: Usage
  /** Set aside for calls that are under way. */
  readonly reserved: Reservation
  /** What of its `bytesPerDay` is filled now; null where it has none. */
  readonly room: { readonly bytes: number; readonly bytesPerDay: number } | null
}

/** Where a process stands: see process.ts. */
export type ProcessState = 'running' | 'stopped' | 'done' | 'failed' | 'killed'

/** A process as seen from outside: plain data. */
export interface ProcessInfo {
  readonly pid: Pid
  readonly parent: Pid | null
  /** `fork` makes a process out of another's journal. */
  readonly forkOf: Pid | null
  readonly program: string
  readonly version: string
  readonly name: string | null
  readonly principal: string
  readonly priority: number
  readonly state: ProcessState
  /** What it waits for, as `call(detail)`; null when it computes or has ended. */
  readonly waiting: string | null
  /** Core of its model call, and whether the call is still in the queue. */
  readonly core: string | null
  readonly queued: boolean
  readonly startedAt: number
  readonly endedAt: number | null
  readonly usage: Usage
  readonly budget: Budget
  readonly error: ErrorData | null
}

/** What a process did and learned, as far as the law cares. */
export interface Standing extends LawState {
  /** Labels of what it has learned, sorted. */
  readonly labels: readonly string[]
}

/** What a message carries from one process to another. */
export interface Mail {
  readonly id: number
  readonly from: Pid
  readonly body: Json
  /** Labels of what the sender had learned. */
  readonly labels?: readonly string[]
  /** Files that came with it. */
  readonly share?: FileShare
}

// ------------------------------------------------------------------------------------------------------------ memory

/** What a note is: something observed as it was, a statement drawn from other notes, or the gist of several. */
export type NoteKind = 'note' | 'fact' | 'summary'

/** A note before it is kept. */
export interface NoteInput {
  readonly text: string
  readonly tags?: readonly string[]
  /** Where it was learned: a path, a URL, a tool. */
  readonly source?: string
  /** @default 'note' */
  readonly kind?: NoteKind
  /** Words that it shall also be found by. @default none */
  readonly keywords?: readonly string[]
  /** One sentence about what it stands in; it is found by that too. @default '' */
  readonly context?: string
  /** The conversation or episode it belongs to. Notes of one session are neighbours in the order in which they came. */
  readonly session?: string
  /** Since when it holds in the world, ms since 1970. @default when it was remembered */
  readonly validFrom?: number
  /** Until when it held, ms since 1970, itself not included. @default it still holds */
  readonly validTo?: number
  /** Ids of the notes it was drawn from. It is trusted no more than the least of them, and revoked with any of them. */
  readonly parents?: readonly string[]
  /** Ids of notes that belong to it. */
  readonly links?: readonly string[]
  /** What a program keeps with the note; not searched. @default null */
  readonly data?: Json
  /** The id of a note of this memory whose place it takes. The id stays; snapshots and forks made before see the old one. */
  readonly id?: string
}

/** A note of a principal. */
export interface Note {
  readonly id: string
  readonly text: string
  readonly tags: readonly string[]
  readonly source: string | null
  readonly pid: Pid
  /** When it was learned, ms since 1970; of a note that took another's place, when that was. */
  readonly at: number
  /** Labels of what its writer had learned. */
  readonly labels: readonly string[]
  /** Tools whose answers its writer, or a process above it, had learned, also through other notes. */
  readonly tools: readonly string[]
  /** Where the text as a whole came from: the user's own words, the answer of a trusted tool, or elsewhere. */
  readonly trust: Trust
  readonly kind: NoteKind
  readonly keywords: readonly string[]
  readonly context: string
  readonly session: string | null
  readonly validFrom: number
  readonly validTo: number | null
  readonly parents: readonly string[]
  readonly links: readonly string[]
  readonly data: Json
}

/** How far the text of a note is trusted, from the most to the least. */
export type Trust = 'request' | 'trusted' | 'untrusted'

/** Which notes `recall` returns. */
export interface RecallOptions {
  /** At most so many. @default 10 */
  limit?: number
  /** Only those with this tag. */
  tag?: string
  /** Of the empty query: only notes older than the one with this id. @default from the newest on */
  before?: string
  /** Only those of these kinds. @default all */
  kinds?: readonly NoteKind[]
  /** Only these notes, by id, as far as they are there; with the empty query in the order given. */
  ids?: readonly string[]
  /** Only those of this session. */
  session?: string
  /** Only those of this source. */
  source?: string
  /** Only those at least so far trusted. @default 'untrusted', which is all */
  trust?: Trust
  /** Only those that held at that time, ms since 1970. */
  validAt?: number
  /** Only those learned before that time, ms since 1970: what was known then. */
  learnedBefore?: number
}

/** A note that a query found. */
export interface RecalledNote extends Note {
  /** Higher is nearer to the query; comparable within one result only. 0 where the query was empty. */
  readonly score: number
  /** Why it came back, the weightiest reason first; none where the query was empty. */
  readonly why: readonly RecallReason[]
}

/** A reason for which a note was recalled. */
export interface RecallReason {
  /**
   * `lexical`: its words. `vector`: its meaning. `neighbour`: a note next to it in its session. `session`: its session as a
   * whole. `derived`: a fact or summary drawn from it. `link`: a note linked with it. `name`, `time`: who or when the query
   * speaks of. `form`: it tells a time, or a number, where the query asks for one.
   */
  readonly by: 'lexical' | 'vector' | 'neighbour' | 'session' | 'derived' | 'link' | 'name' | 'time' | 'form'
  /** What it added to the score. */
  readonly score: number
  /** The note through which it was found. */
  readonly through?: string
}

// ----------------------------------------------------------------------------------------------------------- storage

/** A version of a file, without its content. */
export interface FileEntry {
  readonly path: string
  /** Grows with every write in the kernel; `read` takes it. */
  readonly version: number
  readonly bytes: number
  readonly at: number
  /** The file was removed by this version: it has no content. */
  readonly removed?: true
  /** Of a folder that was copied, moved or restored: how many files that made; `bytes` are theirs together. */
  readonly files?: number
  /** Of `grep`: the first lines that match, numbered from 1. */
  readonly lines?: readonly { readonly line: number; readonly text: string }[]
  /** Of `search`: higher fits better; comparable within one result only. */
  readonly score?: number
  /** Of `search`: the passages that fit, best first, with the lines that they take up. */
  readonly passages?: readonly { readonly line: number; readonly endLine: number; readonly text: string }[]
}

/** Which version of a file `read` returns, and in what form. */
export interface ReadOptions {
  /** The one with this number. @default the last one */
  readonly version?: number
  /** The one that was the last at that time, ms since 1970. */
  readonly at?: number
  /** Text, or what any bytes can be written as. @default 'utf8', which refuses what is not UTF-8 */
  readonly encoding?: 'utf8' | 'base64'
  /** Only the bytes from the first of these to before the second; of text, whole characters only. @default all */
  readonly range?: readonly [from: number, to: number]
  /** Not the content, but how it differs from that of this version: a unified diff, empty where it does not. */
  readonly diff?: number
}

/** What `write` takes in place of a content: another file, or with paths that end in `/` a folder, as it is or was. */
export interface FileSource {
  readonly from: string
  /** The content of this version; of a folder, what stood in it when this version was written. @default the last */
  readonly version?: number
  /** The same at that time, ms since 1970. */
  readonly at?: number
  /** It is no longer there afterwards. @default false */
  readonly move?: boolean
}

/** Which files `list` returns, and what of them. */
export interface ListOptions {
  /** Paths of this form: `*` is anything but `/`, `**` anything, `?` one character, `{a,b}` either. Counted from the root. */
  readonly glob?: string
  /** Text files with a line that holds this, with those lines. */
  readonly grep?: string
  /** `grep` is a regular expression: of the law's kind, which takes linear time (policy.md). @default false */
  readonly regex?: boolean
  /** `grep` holds for both cases; not with `regex`. @default false */
  readonly ignoreCase?: boolean
  /** Text files with passages about this, best first. Not together with `grep`, `after` or `versions`. */
  readonly search?: string
  /** At most so many. @default all, or an error beyond limits.listPathsMax; 10 for `search` */
  readonly limit?: number
  /** Goes on behind this path; of `versions`, behind the version of this number. */
  readonly after?: string | number
  /** Those that were removed too. @default false */
  readonly removed?: boolean
  /** Every version of the one file with this path, the newest first, removals among them. @default false */
  readonly versions?: boolean
}

/** Files as they were: of a folder (`path` ends in `/`), of one file, or all. One of the last three says when. */
export interface FilesPoint {
  /** @default all files of the tree */
  readonly path?: string
  /** When this version was written. */
  readonly version?: number
  /** At that time, ms since 1970. */
  readonly at?: number
  /** At that snapshot of a process of this tree. */
  readonly snapshot?: string
}

/** What a tree may keep; beyond: `LIMIT_EXCEEDED`. */
export interface FileQuota {
  /** Files that are there. @default limits.treeFilesMax */
  readonly files?: number
  /** Of all kept versions together. @default limits.treeBytesMax */
  readonly bytes?: number
}

/** Files that one process lets another see. The receiver finds them below `/<id>/`, by the path that they have at home. */
export interface FileShare {
  readonly id: number
  /** A file, or with `/` at its end a folder; of the giver. */
  readonly path: string
  /** Whether the receiver may write and remove there too. */
  readonly write: boolean
}

/** A version of a file as its owner sees it from outside. */
export interface FileVersion extends Pick<FileEntry, 'path' | 'version' | 'bytes' | 'at'> {
  /** The process that wrote it. */
  readonly pid: Pid
  /** The file was removed here: this version has no content. */
  readonly removed: boolean
  /** Of what its writer had learned. */
  readonly labels: readonly string[]
}

/** A point that its process can go back to. */
export interface Snapshot {
  readonly id: string
  /** How often this snapshot was restored: 0 when it was made. A program branches on it, as on `fork`. */
  readonly restored: number
}

// -------------------------------------------------------------------------------------------------------- questions

/** How a person is asked. */
export interface AskOptions {
  /** What may be answered. @default anything */
  readonly choices?: readonly string[]
  /** @default limits.askMs */
  readonly timeoutMs?: number
  /** The answer when nobody answers in time. @default none: `NO_ANSWER` */
  readonly default?: string
  /** What is shown beside the question, and stands in the journal with it. @default nothing */
  readonly detail?: Json
}

/** A question that waits for a person. */
export interface Question {
  readonly id: number
  readonly pid: Pid
  readonly kind: 'ask' | 'approval' | 'in-doubt'
  readonly text: string
  readonly choices: readonly string[] | null
  readonly detail: Json
  readonly askedAt: number
  readonly expiresAt: number
  /** Of an approval: what exactly is to be allowed. */
  readonly binding?: Binding
  /** Of an approval that is read from the store: the kernel's signature over all of it. */
  readonly seal?: string
}

/** A call that the law asks about, as an approval names it. */
export interface Binding {
  readonly pid: Pid
  /** Root of its process tree: its run. */
  readonly root: Pid
  readonly principal: string
  /** The n-th call of its process. */
  readonly n: number
  /** Place of its start in the journal: a call that is made again after a restore is another. */
  readonly seq: number
  /** The rule that asks. */
  readonly rule: string | null
  /** The system call, or `tool` and its name. */
  readonly what: string
  /** SHA-256 of its arguments. */
  readonly argsHash: string
}

// ------------------------------------------------------------------------------------------------------ system calls

/** The system calls, as a program sees them. Each returns a promise that ends: value, `PolityError`, or the process does. */
export interface Sys {
  readonly pid: Pid
  readonly principal: string
  /** The held tools, in a fixed order. */
  readonly tools: readonly ToolDescription[]

  /** Starts a child. */
  spawn<Input, Output>(program: Program<Input, Output> | string, input: Input, options?: SpawnOptions): Promise<Pid>
  /** As in Unix: returns the child's pid in the parent and 0 in the child, which goes on from here with the same past. */
  fork(): Promise<Pid>
  /** The value of a process that ends, or its error. */
  wait<Output = Json>(pid: Pid, options?: { timeoutMs?: number }): Promise<Output>
  kill(pid: Pid, reason?: string): Promise<void>
  sleep(ms: number): Promise<void>

  /**
   * To a pid, to every process of that name of the same principal, or to 0: whoever watches. Returns how many took it.
   * With `share` the one receiver, and what descends from it, sees those files as well, until `remove('/<id>')`.
   */
  send(to: Pid | string, body: Json, options?: { share?: { path: string; write?: boolean } }): Promise<number>
  /** The oldest waiting message, or the next. */
  receive(options?: { from?: Pid; timeoutMs?: number }): Promise<Mail>

  generate(request: GenerateRequest | string): Promise<Generation>
  /** One vector per text. */
  embed(texts: readonly string[], options?: { model?: string }): Promise<readonly (readonly number[])[]>

  /** Calls a held tool. */
  call<Output = Json>(tool: string, input: Json): Promise<Output>
  /** Asks a person. */
  ask(text: string, options?: AskOptions): Promise<string>

  remember(note: NoteInput | string): Promise<string>
  /** The notes that fit, the best first. The empty query finds them all, the newest first; `before` a note goes on behind it. */
  recall(query: string, options?: RecallOptions): Promise<readonly RecalledNote[]>
  forget(id: string): Promise<void>

  read(path: string, options?: ReadOptions): Promise<string>
  /** A content, or that of another file or folder, which is not read for it. A version is made, nothing is overwritten. */
  write(path: string, content: string | Uint8Array | FileSource): Promise<FileEntry>
  /** The files whose paths begin so, by path. */
  list(prefix?: string, options?: ListOptions): Promise<readonly FileEntry[]>
  /** A file, or with `/` at the end a folder; its versions stay. Of `/<id>`, a share: taken back, or given up. */
  remove(path: string): Promise<void>
  /** One id for the state, the notes and the files of this process. */
  snapshot(): Promise<Snapshot>
  /** Goes back to a snapshot of this process: its `snapshot` call returns again. This call never does. */
  restore(id: string): Promise<never>
  /** Only files, and the process goes on: they are as they were, by versions of their own. */
  restore(files: FilesPoint): Promise<FileEntry>

  /** Time of the last thing this process learned, ms since 1970. It stands still between calls, so a replay sees the same. */
  now(): number
  /** In [0, 1), from the kernel's seed: a replay draws the same. */
  random(): number
}

/** The name of a system call. */
export type CallName = Exclude<keyof Sys, 'pid' | 'principal' | 'tools'>

// ----------------------------------------------------------------------------------------------------------- journal

interface Placed {
  /** Place in the journal; grows by one with each event of the kernel. */
  readonly seq: number
  /** Time, ms since 1970. */
  readonly at: number
  readonly pid: Pid
}

/** A process began. */
export interface ProcessStart extends Placed {
  readonly type: 'process-start'
  readonly parent: Pid | null
  /** The call of the parent that spawned it. */
  readonly parentCall: number | null
  readonly program: string
  readonly version: string
  /** Left out where it was started without any. */
  readonly input?: Json
  readonly name: string | null
  readonly principal: string
  readonly priority: number
  readonly budget: Budget
  /** Names of the tools that it holds. */
  readonly tools: readonly string[]
  /** Of a root that was forked from a child: the input of the run that the child was in, and the programs it ran under. */
  readonly lineage?: { readonly input: Json; readonly programs: readonly string[] }
  /** Laws that bind it beside the kernel's: those of its ancestors and its own. @default none */
  readonly laws?: readonly Law[]
  /** What the law knows of it before it begins: the standing of its parent, or of the run that it follows. @default nothing yet */
  readonly standing?: Standing
  /** Account that its run draws on. @default none */
  readonly account?: string
  /** What its files may come to. @default the kernel's limits */
  readonly quota?: FileQuota
  /** Key under which it was started. @default none */
  readonly once?: string
  /** Stream of its random numbers. */
  readonly seed: number
  /** For a fork: whose journal is its past, and up to which event. */
  readonly forkOf: { readonly pid: Pid; readonly seq: number; readonly call: number | null } | null
}

/** A system call was let through; its effect may begin. */
export interface CallStart extends Placed {
  readonly type: 'call-start'
  /** The n-th call of its process, from 0. */
  readonly n: number
  readonly call: CallName
  /** As checked. Messages that the process sent before are not repeated: see `expandMessages` in request.ts. */
  readonly args: Json
  /** Set aside from the budgets until the call ends; charged in full if a crash leaves the end unknown, unless it waited. */
  readonly reserved?: Reservation
}

/** A system call ended, with a value or an error. */
export interface CallEnd extends Placed {
  readonly type: 'call-end'
  readonly n: number
  readonly value?: Json
  /** Labels of the value: whoever learns it has seen them. */
  readonly labels?: readonly string[]
  /** Of a tool call: the tool is declared trusted. */
  readonly trusted?: true
  readonly error?: ErrorData
  /** The law did not let the call through, or nobody allowed it. */
  readonly refused?: true
  /** What it was charged. */
  readonly usage?: CallUsage
  /** Time in a queue, ms. */
  readonly waitedMs?: number
}

/**
 * Something was set aside for a call that had started before: when there was room for it, when a person had allowed it, or
 * for another try where the cost of the last one is not known (a crash, a time-out). What was set aside before is then spent.
 */
export interface CallReserve extends Placed {
  readonly type: 'call-reserve'
  readonly n: number
  readonly reserved: Reservation
  /** Nothing is spent: the call goes on, and `reserved` is all that is set aside for it now. */
  readonly grown?: true
}

/**
 * A call began to wait for its turn on a core, or for a person's word. Until it is sent, it has cost and done nothing; or,
 * of an answer that made room for another call, what its turns so far took and nothing else.
 */
export interface CallWait extends Placed {
  readonly type: 'call-wait'
  readonly n: number
  /** null: it waits for a person. */
  readonly core: string | null
  /** What its answer came to in the turn that has just ended. Absent: it waits for its first. */
  readonly turn?: KeptTurn
}

/** A turn of an answer, kept: so that a crash costs what was under way, and not the whole answer. */
export interface KeptTurn {
  /** What was written in it. */
  readonly content: readonly ModelContent[]
  /** By which the driver goes on. Absent where it goes on with the text. */
  readonly state?: string
  readonly usage: CallUsage
  /** What it cost to interrupt it. */
  readonly preempted: Preempted
  /** Nothing of earlier turns is of use any more: the answer was begun again. */
  readonly anew?: true
}

/** A call that waited has its turn, or the word; kept before it is sent. A call that never waited is sent once its start is kept. */
export interface CallSent extends Placed {
  readonly type: 'call-sent'
  readonly n: number
}

/** A message reached a mailbox. */
export interface MailSent extends Placed {
  readonly type: 'mail-sent'
  readonly mail: Mail
}

/** The process went back to a snapshot: everything after its call `n` is of the past, and call `n` ended anew. */
export interface ProcessRewind extends Placed {
  readonly type: 'process-rewind'
  readonly n: number
  readonly value: Json
  /** What was charged for calls that it cancelled. */
  readonly charged?: Reservation
}

/** Somebody from outside brought files of the process back to what they were; see `Kernel.restoreFiles`. */
export interface FilesRestored extends Placed {
  readonly type: 'files-restored'
  /** What was made of them, a `FileEntry`. */
  readonly value: Json
  /** Under which wish of another operating-system process: it is granted once. */
  readonly once?: string
}

/** A process ended. */
export interface ProcessEnd extends Placed {
  readonly type: 'process-end'
  readonly state: 'done' | 'failed' | 'killed'
  readonly value?: Json
  /** Labels of what it had learned, and so of the value. */
  readonly labels?: readonly string[]
  readonly error?: ErrorData
  readonly usage: Usage
  /** Of a root, where the law knows something of it: for the runs that follow it. */
  readonly standing?: Standing
}

/** An event of the journal. */
export type JournalEvent =
  | ProcessStart
  | CallStart
  | CallReserve
  | CallWait
  | CallSent
  | CallEnd
  | MailSent
  | ProcessRewind
  | FilesRestored
  | ProcessEnd

/** What a watcher sees: the journal as it becomes durable, and the text of models as it comes (never journaled). */
export type RunEvent = JournalEvent | TextDelta

/** A piece of what a model is saying. */
export interface TextDelta {
  readonly type: 'text-delta'
  readonly pid: Pid
  readonly n: number
  readonly delta: string
}
