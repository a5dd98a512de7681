/**
 * The kernel: puts the mechanisms together, keeps the process table, and is what doors hold.
 *
 *     const kernel = createKernel({ store: memoryStore(), models: { 'offline/reader': reader() } })
 *     const run = kernel.spawn(program, input, { budget: { usd: 0.5 } })
 *     for await (const event of run.events) …
 *     await run.result
 *     await kernel.close()
 *
 * Users boot through `boot` of the front door, which also reads strings (a store's path, `provider/model`, a law's file).
 *
 * Invariants
 *   R1. What a caller is told (a result, an event) is kept by the store first.
 *   R2. Opening a store finds every process where its journal ends; nothing runs before `resume`.
 */
import type { Law } from '../policy/law.ts'
import { freshState } from '../policy/law.ts'
import { createAccess } from './access.ts'
import { createAccounts } from './accounts.ts'
import { createApprovals } from './approvals.ts'
import { createAudit } from './audit.ts'
import type { ForkOptions, Start } from './branches.ts'
import { createBranches } from './branches.ts'
import type { Clock } from './clock.ts'
import { randomAt, realClock } from './clock.ts'
import { listen } from './commands.ts'
import type { CoreInfo, ModelOptions } from './cores.ts'
import { coreInfos, createCores, hasRates, rememberMinute } from './cores.ts'
import { createDeadlines } from './deadlines.ts'
import type { DisciplineName, DisciplineOptions } from './disciplines.ts'
import { createDispatcher } from './dispatcher.ts'
import type { Embedder, LanguageModel, ProcessHead, ProcessRange, Put, LeaseStore, Store } from './drivers.ts'
import type { ErrorData } from './errors.ts'
import { PolityError, fromErrorData, invalid, noSuchProcess, toErrorData } from './errors.ts'
import type { Gate } from './gate.ts'
import { createGate } from './gate.ts'
import { createInbox } from './inbox.ts'
import { createJournal } from './journal.ts'
import type { KeysOf } from './known-keys.ts'
import { checkKeys } from './known-keys.ts'
import type { Limits } from './limits.ts'
import { checkLimits } from './limits.ts'
import { ancestorsOf, createLineage, isWithin } from './lineage.ts'
import { union } from './lists.ts'
import { createLlm } from './llm.ts'
import { createMailbox } from './mailbox.ts'
import { createMemory } from './memory.ts'
import { createNoteReader } from './note-reader.ts'
import { createStarts } from './once.ts'
import type { Past } from './past.ts'
import { ownUsage, readPast, startIn, startOf, unmade } from './past.ts'
import { toPlain } from './plain.ts'
import { PRINCIPAL_TAKES, checkPrincipal, isPrincipal } from './principal.ts'
import { Process, charge, headInfo, isClean, labelsOf, processInfo, transition } from './process.ts'
import { defineProgram } from './program.ts'
import { createPrograms } from './programs.ts'
import type { RecallGuard } from './recall-guard.ts'
import { guardKeys } from './recall-guard.ts'
import { createRetention } from './retention.ts'
import type { Revocation, RevokeOptions } from './revoke.ts'
import { revocable, revocationOf } from './revoke.ts'
import { MINUTE_MS, createScheduler } from './scheduler.ts'
import type { Collected } from './file-collection.ts'
import type { Files } from './storage.ts'
import { createStorage } from './storage.ts'
import type { Machine } from './syscalls.ts'
import { checkAccountBudget, checkPoint, checkRunOptions } from './syscalls.ts'
import { createToolStates } from './tool-state.ts'
import { checkTools, createTools } from './tools.ts'
import type {
  AccountBudget,
  AccountInfo,
  Budget,
  FileEntry,
  FilesPoint,
  JournalEvent,
  Json,
  ModelChoice,
  Once,
  Pid,
  Price,
  ProcessEnd,
  ProcessInfo,
  ProcessStart,
  Program,
  Question,
  RunEvent,
  RunOptions,
  Standing,
  Sys,
  Tool,
  Usage,
} from './types.ts'
import { createVectors } from './vectors.ts'
import type { Watch, WatchOptions } from './watch.ts'
import { createWatch } from './watch.ts'

export type { CoreInfo, ModelOptions } from './cores.ts'

/** The parts of a kernel; `boot` makes them of strings. */
export interface KernelOptions {
  readonly store: Store
  /** Cores by the name under which programs ask for them. */
  readonly models?: { readonly [name: string]: LanguageModel | ModelOptions }
  /** Model of calls that name none. @default the first of `models` */
  readonly model?: ModelChoice
  /** US dollars for a million tokens, by the name of the model. A budget in dollars needs the price of every model it pays for. */
  readonly prices?: { readonly [model: string]: Price }
  readonly embedder?: Embedder
  /** What stands against notes that somebody planted to be recalled: places by trust and source (recall-guard.ts); false: nothing. @default `{}`, which changes what comes first and leaves no place empty */
  readonly recallGuard?: RecallGuard | false
  /** Known from the start, so that what an earlier kernel ran of them goes on. Two of one name and version are refused. @default none */
  readonly programs?: readonly Program[]
  /** Tools that every root process holds, beside those of its program. */
  readonly tools?: readonly Tool[]
  /** @default every process may call the tools it holds */
  readonly law?: Law
  /** Gives the key that approvals from other operating-system processes are signed with; called only when it is needed. @default none: only who holds the kernel can allow a call */
  readonly approvalKey?: () => string
  /** What a door keeps in the store's table `meta` beside the start of a root process, in the same batch. @default nothing */
  readonly beside?: (start: ProcessStart) => Beside | undefined
  /** The key of what a door keeps beside a root process: it goes with the journal. @default it stays */
  readonly besideKey?: (root: Pid) => string
  /**
   * Asked before another operating-system process lets a run go on here, or forks it: throws what stands against that. `law` is
   * the hash of the law that was named for it. What it returns is kept as with `beside`, once the run goes on. @default nothing stands against it
   */
  readonly goesOn?: (start: ProcessStart, law: string | undefined) => Beside | undefined
  readonly clock?: Clock
  readonly limits?: Partial<Limits>
  /** Order in which waiting model calls are served. @default 'attained-service' */
  readonly discipline?: DisciplineName
  readonly disciplineOptions?: DisciplineOptions
  /** What this kernel shares the limits of its cores through with other kernels that use the same provider keys; closed with the kernel. @default the limits are its own */
  readonly leases?: LeaseStore
}

/** An entry of the table `meta` that a door keeps beside a run. */
export interface Beside {
  readonly key: string
  readonly value: string
}

/** One run of a program. */
export interface Run<Output = Json> {
  readonly pid: Pid
  /** What it was started with; undefined where that was nothing. */
  readonly input: Json | undefined
  /** The output, once it is kept; rejects with a `PolityError`. */
  readonly result: Promise<Output>
  /** Everything that happens to the process and its descendants from when one begins to go through it until the process ends. */
  readonly events: AsyncIterable<RunEvent>
  readonly usage: Usage
  /** What it did and learned so far, as far as the law cares; that of its end is known also once its journal is gone. */
  readonly standing: Standing
  info(): ProcessInfo
  /** Ends it; one that has ended stays as it is, also where its journal is gone or the kernel closed. Else throws `KERNEL_CLOSED`. */
  kill(reason?: string): void
}

/** Which of the processes that have a journal. */
export interface HistoryRange extends ProcessRange {
  /** Only those of this principal: found without the others being read. @default all */
  readonly principal?: string
}

/** How a replay went. */
export interface ReplayReport {
  readonly same: boolean
  /** Where the program left its journal. */
  readonly difference?: string
  /** Calls that were made as the journal has them. */
  readonly calls: number
}

/** The kernel as doors hold it. */
export interface Kernel {
  readonly limits: Limits
  spawn<Input, Output>(
    program: Program<Input, Output> | ((sys: Sys, input: Input) => Promise<Output>) | string,
    input: Input,
    options?: RunOptions,
  ): Run<Output>
  /** The run of a process that runs, stopped or ended lately; throws `NO_SUCH_PROCESS`. */
  run(pid: Pid): Run
  /** Lives the journal of a process again, with its descendants, and goes on. @default every process that was stopped */
  resume(pid?: Pid): readonly Run[]
  /** A new process with the past of another up to its call `at`. @default all its past */
  fork(pid: Pid, options?: ForkOptions): Promise<Run>
  /** Runs an ended process again against its journal, without any effect, and says whether it made the same calls. */
  replay(pid: Pid): Promise<ReplayReport>
  kill(pid: Pid, reason?: string): void
  /** Sends as from outside (`from` is 0). */
  send(pid: Pid, body: Json): void
  ps(): readonly ProcessInfo[]
  /** Every process that has a journal, also of earlier kernels, by pid. Reads as it is gone through, and holds nobody up. @default all, ascending */
  history(range?: HistoryRange): AsyncIterable<ProcessInfo>
  info(pid: Pid): ProcessInfo
  /** The files of a process, as whoever owns it may see them (storage.ts). Throws `NO_SUCH_PROCESS`. */
  files(pid: Pid): Files
  /** Brings files of a process that has not ended back to what they were, for whoever owns it; see `Sys.restore`. */
  restoreFiles(pid: Pid, point: FilesPoint): Promise<FileEntry>
  /** Removes versions and contents of files that nobody can see any more; after `collect`, that is what only what went could see. */
  collectFiles(): Promise<Collected>
  /**
   * Resolves once all that was done before is kept, as durably as the store promises, with what came of the answers that were
   * given. Rejects where the store could not keep it, and once the kernel is closed.
   */
  flush(): Promise<void>
  /** Its part of the journal. */
  events(pid: Pid): Promise<readonly JournalEvent[]>
  readonly questions: readonly Question[]
  /**
   * Answers a question. `value` goes with `done`, the answer to a call in doubt: what the call returned (default null). Throws
   * `INVALID_ARGUMENT` for what the question does not take, such as a value that the tool's output schema refuses; the
   * question then stays open.
   */
  answer(id: number, text: string, value?: Json): void
  readonly cores: readonly CoreInfo[]
  /** Model of calls that name none; null without one. */
  readonly model: ModelChoice | null
  /** Name of the embedder; null without one. */
  readonly embedder: string | null
  /** What an account has used. With `budget` it has these ceilings from now on; before that, or after a restart, none. */
  account(name: string, budget?: AccountBudget): AccountInfo
  /** Accounts that have ceilings, or that something was ever paid from, by name (in the order of its UTF-8 bytes): from behind `after` on, at most `limit`. A page costs what is on it. @default all */
  accounts(after?: string, limit?: number): readonly AccountInfo[]
  /** Hears every event once it is kept, and with `text` (the default) what models say as it comes, for which they stream. Returns a function that stops it. */
  watch(hear: (event: RunEvent) => void, options?: WatchOptions): () => void
  /**
   * Removes the journals of ended processes, the oldest first, until `keep` are left. Tells, once they are gone, how many
   * went: fewer than there are too many where a fork holds one. Rejects where the store could not remove them; they stay.
   */
  collect(keep: number): Promise<number>
  /**
   * Takes all notes that come from a source, by themselves or through the notes they were drawn from, from every process,
   * whatever snapshot or fork it goes back to. The owner's deed: no law is asked. With `dryRun` only tells which. It cannot
   * be undone.
   */
  revokeSource(source: string, options?: RevokeOptions & { readonly dryRun?: boolean }): Promise<Revocation>
  /** Forgets a note of a principal, as a process of it, under the law. Throws `NO_SUCH_NOTE`. */
  forgetNote(id: string, principal: string): Promise<void>
  /** The principals in whose memory something was kept, by name: who they are, and nothing of what it was. @default from the first one on */
  memories(after?: string): AsyncIterable<string>
  /** Keeps an entry of the store's table `meta` for a door, in order with the journal; null removes it. The kernel's own keys are not for doors. */
  keep(key: string, value: string | null): void
  /** The entries whose keys begin with that, by key, as the store has them: what doors have kept, those of earlier kernels too. */
  kept(prefix: string): Iterable<readonly [key: string, value: string | Uint8Array]>
  /** Commits what has happened so far before it returns, unless the store makes it wait: for who tells a person of a run that has only just begun. */
  keepNow(): void
  /** Stops all processes where they are (they can be resumed), writes what is left and gives the store up. */
  close(): Promise<void>
}

/** All that a kernel can be told. */
export const kernelKeys: KeysOf<KernelOptions> = {
  store: true,
  models: true,
  model: true,
  prices: true,
  embedder: true,
  recallGuard: true,
  programs: true,
  tools: true,
  law: true,
  approvalKey: true,
  beside: true,
  besideKey: true,
  goesOn: true,
  clock: true,
  limits: true,
  discipline: true,
  disciplineOptions: true,
  leases: true,
}

const modelKeys: KeysOf<ModelOptions> = {
  model: true,
  slots: true,
  requestsPerMinute: true,
  tokensPerMinute: true,
  contextTokens: true,
  price: true,
  preempt: true,
  quantumTokens: true,
  rateWindowMs: true,
  key: true,
  host: true,
}

const disciplineKeys: KeysOf<DisciplineOptions> = { ageMs: true, weights: true, within: true, reserve: true }
const priceKeys: KeysOf<Price> = { input: true, output: true, cached: true }

/** A misspelt law is no law, so nothing that is not known is passed over. */
function checkOptions(options: KernelOptions): void {
  checkKeys('createKernel', options, kernelKeys)
  const { models, prices, disciplineOptions, recallGuard, tools } = options
  for (const [id, given] of Object.entries(models ?? {}))
    if (typeof given === 'object' && given !== null && 'model' in given) checkKeys(`model "${id}"`, given, modelKeys)
  for (const [id, price] of Object.entries(prices ?? {})) checkKeys(`price of "${id}"`, price, priceKeys)
  if (disciplineOptions !== undefined) checkKeys('disciplineOptions', disciplineOptions, disciplineKeys)
  if (recallGuard !== undefined && recallGuard !== false) checkKeys('recallGuard', recallGuard, guardKeys)
  if (tools !== undefined) checkTools('tools', tools)
}

/** The number of the question that was asked last, in the table `meta`. */
const LAST_QUESTION = 'question'

/** A kernel on a store. Throws `CONFIG_INVALID`. */
export function createKernel(options: KernelOptions): Kernel {
  checkOptions(options)
  const { store } = options
  const clock = options.clock ?? realClock()
  const limits = checkLimits(options.limits)
  const table = new Map<Pid, Process>()
  const journal = createJournal({ store, clock, limits, onAppend, onCommit, onHalt: halt })
  const dispatcher = createDispatcher(clock, limits)
  const deadlines = createDeadlines(clock)
  const scheduler = createScheduler(clock, limits)
  const programs = createPrograms({
    tools: options.tools ?? [],
    table,
    store,
    onKnown: (process, program) => process.state === 'stopped' && goOnFromJournal(process, program),
  })
  const lineage = createLineage({ store, table, programs })
  const starts = createStarts({ store, journal, has })
  const retention = createRetention({
    store,
    journal,
    limits,
    table,
    starts,
    isOpen: () => closed === undefined,
    onGoing(pid) {
      const fork = lineage.find(pid)
      const above = fork === undefined ? [] : ancestorsOf(fork)
      if (above.some((one) => table.get(one)?.ended === false)) toolStates.outlive((fork as Process).files, above)
    },
    onGone(gone) {
      for (const { pid, parent, origin } of gone) {
        const beside = parent === null ? options.besideKey?.(pid) : undefined
        if (beside !== undefined) journal.putAlone({ table: 'meta', key: beside, value: null })
        if (origin !== null) memory.dropBranch(pid)
        approvals.forget(pid)
      }
      for (const principal of new Set(gone.map((one) => one.principal))) {
        const [oldest = journal.lastSeq + 1] = retention.journalsOf(principal)
        memory.collect(principal, oldest)
      }
    },
  })
  const inbox = createInbox({
    clock,
    limits,
    // Those of a store that has no such entry went on from the journal's numbers.
    lastId: Math.max(journal.lastSeq, Number(store.get('meta', LAST_QUESTION) ?? 0)),
    onId: (id) => journal.putAlone({ table: 'meta', key: LAST_QUESTION, value: String(id) }),
  })
  const toolStates = createToolStates(store, journal)
  const tools = createTools({ deadlines, limits, states: toolStates, find: lineage.find })
  const vectors =
    options.embedder === undefined ? undefined : createVectors({ embedder: options.embedder, clock, limits })
  const memory = createMemory({ store, journal, limits, now: () => clock.now(), vectors, guard: options.recallGuard })
  const storage = createStorage({
    store,
    journal,
    limits,
    now: () => clock.now(),
    may(process, call, place) {
      const verdict = access.decide(process, call, { ...place, ...(call === 'read' ? { version: null } : {}) })
      return verdict === undefined || verdict.decision.effect === 'allow'
    },
  })
  const mailbox = createMailbox({
    journal,
    limits,
    end(call, mail) {
      call.labels = mail.labels
      gate.end(call, mail)
    },
  })
  const watch: Watch = createWatch({
    limits,
    isWithin: (pid, process) => process.root === process || lineage.descends(pid, process),
    lastSeq: journal.lastSeq,
    keep: () => journal.whenKept(() => {}),
  })
  const cores = createCores(options, scheduler, {
    clock,
    marginMs: limits.leaseMarginMs,
    failMs: limits.leaseFailMs,
  })
  let live = 0
  let closed: PolityError | undefined
  let closing: Promise<void> | undefined
  /** The store is closed too. */
  let isShut = false

  const access = createAccess(options.law, (pid) => {
    const kept = store.events(pid)
    const last = kept.at(-1)?.seq ?? -1
    return [...kept, ...journal.unkept(pid).filter(({ seq }) => seq > last)]
  })
  const accounts = createAccounts({ store, journal, now: () => clock.now() })
  const approvals = createApprovals({ store, journal, clock, key: options.approvalKey })

  const llm = createLlm({
    isOpen: access.isOpen,
    clock,
    deadlines,
    limits,
    scheduler,
    cores,
    dispatcher,
    watcher: (process) => watch.textOf(process.root.pid),
    waits: (call, core, turn) => gate.waits(call, core, turn),
    sends: (call, go) => gate.sends(call, go),
    end: (call, generation) => gate.end(call, generation),
    fail: (call, error) => gate.fail(call, error),
    again: (call, go) => gate.again(call, go),
    grow: (call, more, go) => gate.grow(call, more, go),
    whenKept: (go) => journal.whenKept((error) => error === undefined && go()),
  })

  const branches = createBranches({
    store,
    journal,
    dispatcher,
    programs,
    memory,
    storage,
    toolStates,
    gate: () => gate,
    checkOpen,
    start,
    startedBefore,
    kill: (process, error) => finish(process, 'killed', undefined, error),
    descends: lineage.descends,
  })
  const defaultModel = options.model ?? Object.keys(options.models ?? {})[0]
  const machine: Machine = {
    clock,
    limits,
    journal,
    dispatcher,
    access,
    approvals,
    audit:
      options.law === undefined || store.durability === 'memory' ? undefined : createAudit({ store, journal, clock }),
    llm,
    vectors,
    tools,
    toolStates,
    memory,
    storage,
    mailbox,
    inbox,
    defaultModel,
    volatile: store.durability === 'memory',
    program: (given, by) => programs.find(given, by),
    spawn: (parent, call, program, input, spawnOptions) =>
      start({ parent, call, program, input, options: spawnOptions }),
    fork: branches.forkInside,
    becameOf: branches.becameOf,
    restore: branches.restore,
    kill: (process, error) => finish(process, 'killed', undefined, toErrorData(error)),
    full: ({ start: { account } }) => (account === undefined ? undefined : accounts.full(account)),
    openElsewhere({ startSeq, process: own }) {
      for (const process of table.values()) {
        const found = process === own ? undefined : process.open.find((one) => one.startSeq === startSeq)
        if (found !== undefined) return found
      }
      return undefined
    },
    find,
    named: mailbox.named,
    waited(child, waiter) {
      if (child.parent === waiter && waiter.children?.delete(child) === true) retention.retire(child)
    },
    replayed: (process) =>
      replays.get(process)?.({
        same: process.past?.end?.state === 'killed',
        difference: 'the program goes on where the journal has its end',
        calls: process.made,
      }),
    mismatch(process, message) {
      const told = replays.get(process)
      if (told !== undefined) told({ same: false, difference: message, calls: process.past?.learned ?? 0 })
      else
        stop(process, {
          code: 'REPLAY_MISMATCH',
          message: `process ${process.pid} (${process.program.name} ${process.program.version}): ${message}`,
        })
    },
  }
  const gate: Gate = createGate(machine)
  const replays = new Map<Process, (report: ReplayReport) => void>()

  programs.register(options.programs ?? [])
  recover()
  const commands = listen({
    store,
    clock,
    isOpen: () => closed === undefined,
    flush: journal.flush,
    kill,
    answer: answerFromOutside,
    resume(pid, law) {
      const kept = goesOn(pid, law)
      const runs = resume(pid)
      if (kept !== undefined) journal.putAlone({ table: 'meta', ...kept })
      return runs.map((run) => run.pid)
    },
    async fork(pid, forkOptions, law) {
      goesOn(pid, law)
      return (await branches.fork(pid, forkOptions)).pid
    },
    collect: retention.collect,
    revoke: revokeSource,
    forget: forgetNote,
    restoreFiles: async (pid, point, once) => (await restoreFiles(pid, point, once)) as unknown as Json,
    collectFiles: async () => (await collectFiles()) as unknown as Json,
    info,
    status: () =>
      ({
        at: clock.now(),
        processes: shown().map(processInfo),
        cores: coreInfos(cores, clock.now()),
        questions: approvals.sealed(inbox.questions),
      }) as unknown as { [key: string]: Json },
  })

  /** What is to be kept of the run once it goes on; of what there is not, others say so. */
  function goesOn(pid: Pid, law: string | undefined): Beside | undefined {
    const root = lineage.find(pid)?.root.start
    return root && options.goesOn?.(root, law)
  }

  // ------------------------------------------------------------------------------------------------------ processes

  function start({
    program,
    input,
    options: spawnOptions,
    parent,
    call,
    fork,
    lineage: came,
    held = programs.toolsFor(program, parent, spawnOptions.tools),
  }: Start): Process {
    if (live >= limits.processesLiveMax)
      throw new PolityError(
        'LIMIT_EXCEEDED',
        `${live} processes run; the limit processesLiveMax is ${limits.processesLiveMax}`,
      )
    if (parent !== undefined && parent.depth + 1 >= limits.processDepthMax)
      throw new PolityError(
        'LIMIT_EXCEEDED',
        `process ${parent.pid} is ${parent.depth + 1} deep; the limit processDepthMax is ${limits.processDepthMax}`,
      )
    const account = parent?.start.account ?? spawnOptions.account ?? fork?.of.start.account
    const full = account === undefined ? undefined : accounts.full(account)
    if (full !== undefined) throw full
    const pid = journal.lastSeq + 1
    const begins: Mutable<ProcessStart> = {
      type: 'process-start',
      seq: 0,
      at: 0,
      pid,
      parent: parent?.pid ?? null,
      parentCall: call ?? null,
      program: program.name,
      version: program.version,
      input: input as Json,
      name: spawnOptions.name ?? null,
      principal: parent?.principal ?? spawnOptions.principal ?? 'local',
      priority: spawnOptions.priority ?? parent?.priority ?? 0,
      budget: spawnOptions.budget ?? NO_BUDGET,
      tools: programs.namesOf(held),
      seed: Math.floor(randomAt(clock.seed, pid, 0) * 2 ** 32),
      forkOf:
        fork === undefined
          ? null
          : { pid: 'pid' in fork.of ? fork.of.pid : fork.of.start.pid, seq: fork.seq, call: fork.call },
    }
    // What is rare is added or taken away: a spread for each would cost every process.
    if (input === undefined) delete begins.input
    if (account !== undefined) begins.account = account
    const standing = inherited(parent, fork?.of.start) ?? given(spawnOptions, begins.principal)
    if (standing !== undefined) begins.standing = standing
    const laws = bound(parent, fork?.of.start, spawnOptions.law)
    if (laws !== undefined) begins.laws = laws
    if (came !== undefined) begins.lineage = came
    const { once } = spawnOptions
    if (once !== undefined) begins.once = once.key
    if (spawnOptions.quota !== undefined) begins.quota = spawnOptions.quota
    const event = (
      once === undefined ? journal.append(begins) : starts.begin(once, pid, () => journal.append(begins))
    ) as ProcessStart
    const beside = parent === undefined ? options.beside?.(event) : undefined
    if (beside !== undefined) journal.putAlone({ table: 'meta', ...beside })
    retention.began(event)
    const process = toProcess(event, program, parent, held)
    if (parent !== undefined) charge(parent, { children: 1 })
    run(process)
    return process
  }

  /** Whether there is such a process, be it that only its journal is left. */
  function has(pid: Pid): boolean {
    return table.has(pid) || startIn(store, pid) !== undefined
  }

  /** The process that was started under this key, while it has a journal. */
  function startedBefore(once: Once | undefined): Process | undefined {
    const pid = once === undefined ? undefined : starts.find(once)
    return pid === undefined ? undefined : lineage.find(pid)
  }

  /** The standing that a child takes over from its parent; a fork lives its own again, from where its origin began. */
  function inherited(parent: Process | undefined, origin: ProcessStart | undefined): Standing | undefined {
    const standing = origin === undefined ? parent?.standing : origin.standing
    return standing === undefined || isClean(standing) ? undefined : standing
  }

  /** What a door says that a run has learned, and where the run stood that it follows. */
  function given({ labels = [], after }: RunOptions, principal: string): Standing | undefined {
    if (after === undefined && labels.length === 0) return undefined
    const standing = typeof after === 'number' ? standingOf(after, principal) : after
    return { ...freshState, ...standing, labels: Object.freeze(union(standing?.labels, labels)) }
  }

  function standingOf(pid: Pid, principal: string): Standing | undefined {
    const process = table.get(pid)
    const begun = process?.start ?? startOf(store, pid)
    if (begun.principal !== principal || begun.parent !== null) throw noSuchProcess(pid)
    if (process !== undefined && !process.ended)
      throw new PolityError('INVALID_ARGUMENT', `spawn: after: process ${pid} has not ended`)
    if (process !== undefined) return process.standing
    return store.events(pid).findLast((event) => event.type === 'process-end')?.standing
  }

  /** The laws that bind a process: those of its parent, or of the process it is forked from, and its own. */
  function bound(
    parent: Process | undefined,
    origin: ProcessStart | undefined,
    own: Law | undefined,
  ): readonly Law[] | undefined {
    const laws = origin === undefined ? parent?.start.laws : origin.laws
    return own === undefined ? laws : [...(laws ?? []), own]
  }

  /** A process as its start event says; in the table, not yet running. */
  function toProcess(
    event: ProcessStart,
    program: Program,
    parent: Process | undefined,
    held: ReadonlyMap<string, Tool>,
  ): Process {
    const account = parent === undefined && event.account !== undefined ? accounts.of(event.account) : undefined
    const process = new Process(
      event,
      { parent, account, program, tools: held, branch: lineage.branchOf(event) },
      learn,
    )
    table.set(process.pid, process)
    mailbox.enlist(process)
    if (parent !== undefined) (parent.children ??= new Set()).add(process)
    return process
  }

  function run(process: Process): void {
    live++
    const { wallMs } = process.budget
    if (wallMs !== undefined) {
      process.wallTimer = clock.after(Math.max(0, process.startedAt + wallMs - clock.now()), () => {
        finish(process, 'killed', undefined, {
          code: 'BUDGET_EXCEEDED',
          message: `process ${process.pid} had a budget of ${wallMs} ms`,
          detail: { pid: process.pid, kind: 'wallMs' },
        })
      })
    }
    dispatcher.wake(process)
  }

  function learn(process: Process): boolean {
    return gate.learn(process, enter)
  }

  function enter(process: Process): void {
    const { frame } = process
    const returned = (value: unknown): void => {
      if (process.frame === frame) exit(process, value)
    }
    const threw = (error: unknown): void => {
      if (process.frame === frame) exitWith(process, toErrorData(error))
    }
    try {
      // Resolved, because a program may return no promise, or something that only looks like one.
      Promise.resolve(process.program.run(gate.sys(process), process.start.input)).then(returned, threw)
    } catch (error) {
      Promise.reject(error).then(returned, threw)
    }
  }

  function exit(process: Process, returned: unknown): void {
    if (leftEarly(process)) return
    let value: Json
    try {
      value = toPlain(returned, () => `the output of ${JSON.stringify(process.program.name)}`, limits.valueBytesMax)
    } catch (error) {
      return exitWith(process, toErrorData(error))
    }
    const told = replays.get(process)
    if (told === undefined) {
      const unmet = machine.access.unmet(process)
      if (unmet.length === 0) return finish(process, 'done', value, undefined)
      const rules = unmet.map(({ id, reason }) => (reason === undefined ? id : `${id} (${reason})`)).join(', ')
      const message = `the run returned, but must not end before it has met: ${rules}`
      const detail = { pid: process.pid, rules: unmet.map(({ id }) => id) }
      return exitWith(process, { code: 'ACCESS_DENIED', message, detail })
    }
    const was = process.past?.end
    const same =
      was?.state === 'killed' ||
      (was?.state === 'done' && JSON.stringify(was.value) === JSON.stringify(value)) ||
      // What it returned then is not known: the law did not let it end, and a replay asks no law.
      isUnmet(was)
    told(
      same
        ? { same, calls: process.made }
        : {
            same,
            calls: process.made,
            difference: `the journal ends with ${was?.state ?? 'nothing'}; the program returns something else`,
          },
    )
  }

  function exitWith(process: Process, error: ErrorData): void {
    if (leftEarly(process)) return
    const told = replays.get(process)
    if (told === undefined) return finish(process, 'failed', undefined, error)
    const was = process.past?.end
    const same = was?.state === 'killed' || (was?.state === 'failed' && was.error?.code === error.code)
    told(
      same
        ? { same, calls: process.made }
        : { same, calls: process.made, difference: `the program throws: ${error.message}` },
    )
  }

  /** Whether the program ended before it made all the calls that its journal has. */
  function leftEarly(process: Process): boolean {
    const { past, made } = process
    if (past === undefined || made >= past.starts.length) return false
    machine.mismatch(process, unmade(past, made))
    return true
  }

  function finish(
    process: Process,
    state: 'done' | 'failed' | 'killed',
    value: Json | undefined,
    error: ErrorData | undefined,
  ): void {
    // Whoever is told of the end may want to end it too (an abort listener of a tool).
    if (process.ended || process.ending) return
    if (journal.halted !== undefined) return
    process.ending = true
    const wasRunning = process.state === 'running'
    process.wallTimer?.cancel()
    if (process.open.length > 0)
      gate.cancel(process, error === undefined ? new PolityError('KILLED', 'its process ended') : fromErrorData(error))
    // Promise: what a parent's end reaches, it reaches first.
    if (process.children !== undefined) {
      for (const child of process.children) {
        if (!child.ended)
          finish(child, 'killed', undefined, {
            code: 'PARENT_ENDED',
            message: `its parent, process ${process.pid}, ended`,
          })
        retention.retire(child)
      }
      process.children = undefined
    }
    const used = { ...process.used }
    const { pid } = process
    const ends: Mutable<ProcessEnd> =
      error === undefined
        ? { type: 'process-end', seq: 0, at: 0, pid, state, value: value ?? null, usage: used }
        : { type: 'process-end', seq: 0, at: 0, pid, state, error, usage: used }
    const labels = labelsOf(process)
    if (labels !== undefined) ends.labels = labels
    if (process.parent === undefined) {
      if (!isClean(process.standing)) ends.standing = process.standing
      accounts.settle(process)
    }
    const { at } = journal.append(ends)
    transition(
      process,
      error === undefined ? { type: 'end', state, at, value: value ?? null } : { type: 'end', state, at, error },
    )
    mailbox.strike(process)
    if (wasRunning) live--
    const { parent } = process
    // A child that its parent may still wait for stays, and goes when it was waited for; everything else goes in its turn.
    const stays = parent !== undefined && !parent.ended && parent.children?.has(process) === true
    tellEnd(process)
    if (!stays) retention.retire(process)
  }

  /** Tells whoever waits that the process runs no longer. */
  function tellEnd(process: Process): void {
    const { onEnd, result } = process
    process.onEnd = undefined
    // What is told once is not told again, of one that stops and ends later.
    if (!process.ended) process.result = undefined
    if (result !== undefined) tellResult(process, result)
    if (onEnd !== undefined) for (const fn of onEnd) fn(process)
  }

  /** Stops a process where it is: its journal has no end, so it can be resumed. */
  function stop(process: Process, error: ErrorData): void {
    if (process.state !== 'running') return
    process.wallTimer?.cancel()
    gate.cancel(process, fromErrorData(error))
    transition(process, { type: 'stop', error })
    watch.stopped(process)
    live--
    tellEnd(process)
  }

  // -------------------------------------------------------------------------------------------------------- recovery

  /** Every process that had not ended is in the table again, stopped, with what it used. */
  function recover(): void {
    const { unfinished, endedLately, usedBelow } = retention.recover(store.processes(), clock.now() - MINUTE_MS)
    if (hasRates(cores)) rememberMinute(cores, scheduler, journalsOf([...unfinished, ...endedLately]), clock.now())
    for (const event of unfinished) {
      const parent = event.parent === null ? undefined : table.get(event.parent)
      let held: ReadonlyMap<string, Tool> = new Map()
      try {
        held = programs.toolsOf(event)
      } catch {
        // Told by `resume`, which needs them.
      }
      const process = toProcess(event, programs.standIn(event), parent, held)
      transition(process, {
        type: 'stop',
        error: { code: 'KERNEL_CLOSED', message: 'the kernel that ran it is gone; resume it' },
      })
      charge(process, ownUsage(store.events(event.pid)))
      if (parent !== undefined) charge(parent, { children: 1 })
      for (const usage of usedBelow(event.pid)) charge(process, usage)
    }
  }

  function* journalsOf(starts: readonly ProcessStart[]): Generator<readonly JournalEvent[]> {
    for (const { pid } of starts) yield store.events(pid)
  }

  function resume(pid?: Pid): readonly Run[] {
    checkOpen()
    const stopped = [...table.values()].filter(
      (process) => process.state === 'stopped' && (pid === undefined || isWithin(process, pid)),
    )
    if (pid !== undefined && stopped.length === 0) {
      const process = table.get(pid)
      if (process !== undefined && !process.ended) return [toRun(process)]
      throw process === undefined && store.events(pid).length === 0
        ? noSuchProcess(pid)
        : new PolityError('INVALID_ARGUMENT', `process ${pid} has ended; fork it to go on from one of its calls`)
    }
    // Throws what is missing before anything of it runs. The program of a child may be one that only its parent names:
    // it goes on once its parent has lived its `spawn` again (programs.ts).
    const ready: { process: Process; program: Program; past: Past }[] = []
    const unnamed: Process[] = []
    for (const process of stopped) {
      const past = readPast(store, process.start)
      if (programs.knows(process) || process.parent === undefined || !stopped.includes(process.parent)) {
        ready.push({ process, program: programs.of(process.start), past })
        if (process.parent === undefined) programs.toolsOf(process.start)
      } else unnamed.push(process)
    }
    for (const process of unnamed) programs.await(process)
    for (const { process, program, past } of ready) goOnFromJournal(process, program, past)
    return stopped.map(toRun)
  }

  /** Lives its journal again, with the program and the tools that are known now. */
  function goOnFromJournal(process: Process, program: Program, past = readPast(store, process.start)): void {
    Object.assign(process, { program })
    Object.assign(process, { tools: programs.toolsOf(process.start) })
    transition(process, { type: 'restart', past })
    run(process)
  }

  async function replay(pid: Pid): Promise<ReplayReport> {
    checkOpen()
    await journal.flush()
    checkOpen()
    const event = startOf(store, pid)
    const past = readPast(store, event)
    if (past.end === undefined)
      throw new PolityError('INVALID_ARGUMENT', `process ${pid} has not ended; replay compares whole runs`)
    const program = programs.of(event)
    const held = programs.toolsOf(event)
    const parent = event.parent === null ? undefined : lineage.find(event.parent)
    const shadow = new Process(event, { parent, program, tools: held }, learn)
    transition(shadow, { type: 'restart', past })
    return new Promise((resolve) => {
      replays.set(shadow, (report) => {
        replays.delete(shadow)
        transition(shadow, { type: 'stop', error: { code: 'KILLED', message: 'the replay is over' } })
        resolve(report.same ? { same: true, calls: report.calls } : report)
      })
      dispatcher.wake(shadow)
    })
  }

  // ------------------------------------------------------------------------------------------------------------ doors

  function find(process: Process, pid: Pid): Process {
    const found = lineage.find(pid)
    if (found === undefined || found.principal !== process.principal) throw noSuchProcess(pid)
    return found
  }

  /** A class, because an object literal with getters costs ten times one without. */
  class ProcessRun implements Run<never> {
    readonly #process: Process

    constructor(process: Process) {
      this.#process = process
    }

    get pid() {
      return this.#process.pid
    }

    get result() {
      return resultOf(this.#process) as Promise<never>
    }

    get events() {
      return watch.events(this.#process)
    }

    get input() {
      return this.#process.start.input
    }

    get usage() {
      return { ...this.#process.used }
    }

    get standing() {
      return this.#process.standing
    }

    info() {
      return processInfo(this.#process)
    }

    kill(reason?: string) {
      if (!this.#process.ended) kill(this.pid, reason)
    }
  }

  function toRun(process: Process): Run<never> {
    return new ProcessRun(process)
  }

  function resultOf(process: Process): Promise<Json> {
    if (process.result !== undefined) return process.result.promise
    const result = Promise.withResolvers<Json>()
    // One that has stopped may end otherwise later: then whoever asks hears that.
    if (process.state === 'running' || process.ended) process.result = result
    if (process.state !== 'running') tellResult(process, result)
    return result.promise
  }

  function tellResult(process: Process, { resolve }: NonNullable<Process['result']>): void {
    journal.whenKept((error) => {
      if (error === undefined && process.state === 'done') return resolve(process.value ?? null)
      resolve(
        Promise.reject(
          error ?? fromErrorData(process.error ?? { code: 'KERNEL_CLOSED', message: 'the kernel is closed' }),
        ),
      )
    })
  }

  /** An answer that another operating-system process wrote into the store. What allows a call has to be signed. */
  function answerFromOutside(id: number, text: string, more: { readonly proof?: string; readonly value?: Json }): void {
    const { proof = '', ...value } = more
    const question = inbox.questions.find((one) => one.id === id)
    if (question?.binding === undefined || text !== 'allow') return inbox.answer(id, text, value)
    inbox.answer(id, text, { ...value, approval: approvals.takeSigned(question.binding, proof) })
  }

  function kill(pid: Pid, reason?: string): void {
    checkOpen()
    const process = table.get(pid)
    if (process === undefined || process.ended) {
      if (process === undefined && store.events(pid).length === 0) throw noSuchProcess(pid)
      return
    }
    finish(process, 'killed', undefined, {
      code: 'KILLED',
      message: reason === undefined ? 'killed from outside' : `killed from outside: ${reason}`,
    })
  }

  function onAppend(event: JournalEvent, puts: readonly Put[]): void {
    const { account } = event.type === 'process-start' ? event : (table.get(event.pid)?.start ?? NOBODY)
    if (account !== undefined) accounts.wrote(account, () => bytesOf(event, puts))
  }

  function onCommit(events: readonly JournalEvent[]): void {
    watch.kept(events, (pid) => table.get(pid)?.root.pid ?? pid)
  }

  function halt(error: PolityError): void {
    closed ??= error
    for (const process of Array.from(table.values())) stop(process, toErrorData(error))
    watch.close()
  }

  function checkOpen(): void {
    if (closed !== undefined) throw closed
  }

  async function shutDown(): Promise<void> {
    const error = new PolityError('KERNEL_CLOSED', 'the kernel is closed; its processes can be resumed')
    if (closed === undefined) {
      closed = error
      for (const process of Array.from(table.values())) stop(process, toErrorData(error))
      accounts.keep()
      await journal.flush().catch(() => {})
    }
    closed = error
    await commands?.close()
    for (const core of cores.values()) {
      core.timer?.cancel()
      core.lease?.close()
    }
    options.leases?.close()
    watch.close()
    isShut = true
    store.close()
  }

  /** Whoever closes it, also once more, waits for the one end. */
  function close(): Promise<void> {
    return (closing ??= shutDown())
  }

  function ps(): readonly ProcessInfo[] {
    return [...table.values()].map(processInfo)
  }

  /** The youngest processes, by pid; those that have not ended go first. */
  function shown(): readonly Process[] {
    const all = [...table.values()]
    const lasting = all.filter((process) => !process.ended).slice(-STATUS_MAX)
    const room = STATUS_MAX - lasting.length
    const ended = room === 0 ? [] : all.filter((process) => process.ended).slice(-room)
    return [...lasting, ...ended].toSorted((a, b) => a.pid - b.pid)
  }

  async function* history({ principal, ...range }: HistoryRange = {}): AsyncGenerator<ProcessInfo> {
    await journal.flush()
    let read = 0
    for (const head of principal === undefined ? store.processes(range) : headsOf(principal, range)) {
      const process = table.get(head.start.pid)
      yield process === undefined ? headInfo(head, 'stopped') : processInfo(process)
      if (++read % HISTORY_STEP === 0) await new Promise<void>((resolve) => clock.yield(resolve))
    }
  }

  function* headsOf(
    principal: string,
    { from = -Infinity, to = Infinity, reverse = false }: ProcessRange,
  ): Generator<ProcessHead> {
    const own = retention.journalsOf(principal)
    const pids =
      to - from === 1 ? [from].filter((pid) => own.has(pid)) : [...own].filter((pid) => pid >= from && pid < to)
    for (const pid of reverse ? pids.toReversed() : pids) yield* store.processes({ from: pid, to: pid + 1 })
  }

  function files(pid: Pid): Files {
    const process = lineage.find(pid)
    if (process === undefined) throw noSuchProcess(pid)
    return storage.filesOf(process)
  }

  async function forgetNote(id: string, principal: string): Promise<void> {
    checkOpen()
    await resultOf(start({ program: forgetter, input: id, options: checkRunOptions({ principal }) }))
  }

  async function revokeSource(
    source: string,
    { principal, dryRun = false }: RevokeOptions & { readonly dryRun?: boolean } = {},
  ): Promise<Revocation> {
    checkOpen()
    if (typeof source !== 'string' || source === '') throw invalid('revokeSource', 'the source of notes', source)
    await journal.flush()
    checkOpen()
    if (principal !== undefined) checkPrincipal('revokeSource: principal', principal)
    const whose = principal === undefined ? {} : { principal }
    const found = dryRun ? [...revocable(store, source, whose)] : memory.revokeSource(source, whose)
    await journal.flush()
    return revocationOf(found)
  }

  async function restoreFiles(pid: Pid, point: FilesPoint, once?: string): Promise<FileEntry> {
    checkOpen()
    const checked = checkPoint(point, limits)
    // What was written since a kernel did this, and ended before it could say so, stays.
    if (once !== undefined)
      for (const event of store.events(pid))
        if (event.type === 'files-restored' && event.once === once) return event.value as unknown as FileEntry
    const process = table.get(pid)
    if (process === undefined || process.ended)
      throw lineage.find(pid) === undefined
        ? noSuchProcess(pid)
        : new PolityError(
            'INVALID_ARGUMENT',
            `process ${pid} has ended, and its files stay as they were; fork it to go on from there`,
          )
    // What is under way is of what they are now.
    await journal.flush()
    checkOpen()
    const { value } = storage.restore(process, checked, true)
    const restored = { type: 'files-restored', pid, value: value as unknown as Json } as const
    journal.append(once === undefined ? restored : { ...restored, once })
    await journal.flush()
    return value
  }

  function collectFiles(): Promise<Collected> {
    checkOpen()
    return storage.collect({
      pause: () => new Promise((resolve) => clock.yield(resolve)),
      isOpen: () => closed === undefined,
    })
  }

  function info(pid: Pid): ProcessInfo {
    const process = lineage.find(pid)
    if (process === undefined) throw noSuchProcess(pid)
    return processInfo(process)
  }

  return {
    limits,
    spawn(program, input, spawnOptions) {
      checkOpen()
      const checked = checkRunOptions(spawnOptions)
      const before = startedBefore(checked.once)
      // Of one that was started before, the program is known from now on: it can be resumed.
      if (before !== undefined && typeof program !== 'string') programs.find(program as Program)
      return toRun(
        before ??
          start({
            program: programs.find(program as Program),
            input: input === undefined ? undefined : toPlain(input, 'spawn: input', limits.valueBytesMax),
            options: checked,
          }),
      )
    },
    run(pid) {
      const process = lineage.find(pid)
      if (process === undefined) throw noSuchProcess(pid)
      return toRun(process)
    },
    resume,
    fork: async (pid, forkOptions) => toRun(await branches.fork(pid, forkOptions)),
    replay,
    kill,
    send(pid, body) {
      checkOpen()
      const process = table.get(pid)
      if (process === undefined || process.ended) {
        info(pid)
        throw new PolityError('NO_SUCH_PROCESS', `process ${pid} has ended, and receives nothing any more`)
      }
      mailbox.send(0, undefined, [process], toPlain(body, 'send: body', limits.valueBytesMax))
    },
    ps,
    history,
    info,
    files,
    restoreFiles: (pid, point) => restoreFiles(pid, point),
    collectFiles,
    async flush() {
      // What waits for an answer has it in the continuation of a promise, and then journals what comes of it.
      await new Promise<void>((resolve) => clock.soon(resolve))
      await journal.flush()
      if (isShut) throw new PolityError('KERNEL_CLOSED', 'the kernel is closed')
    },
    async events(pid) {
      await journal.flush()
      return store.events(pid)
    },
    get questions() {
      return inbox.questions
    },
    answer: (id, text, value) => inbox.answer(id, text, value === undefined ? {} : { value }),
    get cores() {
      return coreInfos(cores, clock.now())
    },
    model: defaultModel ?? null,
    embedder: options.embedder?.name ?? null,
    account(name, budget) {
      if (!isPrincipal(name)) throw invalid('account', `a name of ${PRINCIPAL_TAKES}`, name)
      if (budget !== undefined) {
        accounts.open(name, checkAccountBudget(budget))
        gate.raised(accounts.of(name))
      }
      return accounts.info(name)
    },
    accounts(after, limit = Infinity) {
      if (after !== undefined && typeof after !== 'string')
        throw invalid('accounts: after', 'the name of an account', after)
      if (limit !== Infinity && !(Number.isSafeInteger(limit) && limit >= 1))
        throw invalid('accounts: limit', 'a whole number of at least 1', limit)
      return accounts.page(after, limit)
    },
    watch: watch.all,
    collect: retention.collect,
    revokeSource,
    forgetNote,
    async *memories(after) {
      checkOpen()
      await journal.flush()
      checkOpen()
      yield* createNoteReader(store).principals(after)
    },
    keep(key, value) {
      checkOpen()
      journal.putAlone({ table: 'meta', key, value })
    },
    kept(prefix) {
      checkOpen()
      return store.range('meta', prefix, `${prefix}\u{10ffff}`)
    },
    keepNow: journal.flushNow,
    close,
  }
}

/** Whether the process returned, and the law did not let it end: not whether it threw what another process had failed with. */
function isUnmet(end: ProcessEnd | undefined): boolean {
  const { pid, rules } = (end?.error?.code === 'ACCESS_DENIED' ? (end.error.detail ?? {}) : {}) as {
    readonly pid?: Pid
    readonly rules?: Json
  }
  // A journal of an earlier version names no process.
  return Array.isArray(rules) && (pid === undefined || pid === end?.pid)
}

/** What an owner forgets, the journal has as the deed of a process. */
const forgetter = defineProgram('owner/forget', async (sys, id: string) => (await sys.forget(id), null)) as Program

const NO_BUDGET: Budget = Object.freeze({})

const NOBODY: { readonly account?: string } = Object.freeze({})

/**
 * What the store is given to keep, never much less: of calls, what may be large is measured, and the rest is put at
 * `CALL_BYTES`. To write out every event once more only to measure it would cost each call.
 */
function bytesOf(event: JournalEvent, puts: readonly Put[]): number {
  let bytes = eventBytes(event)
  for (const { key, value, text } of puts)
    for (const part of [key, value, text])
      if (part !== undefined && part !== null) bytes += typeof part === 'string' ? Buffer.byteLength(part) : part.length
  return bytes
}

function eventBytes(event: JournalEvent): number {
  switch (event.type) {
    case 'call-start':
      return CALL_BYTES + textBytes(event.args)
    case 'call-end':
      return CALL_BYTES + textBytes(event.value) + textBytes(event.labels) + textBytes(event.error)
    case 'call-wait':
      return CALL_BYTES + textBytes(event.turn)
    case 'call-reserve':
    case 'call-sent':
      return CALL_BYTES
    default:
      return textBytes(event)
  }
}

function textBytes(part: unknown): number {
  return part === undefined ? 0 : Buffer.byteLength(JSON.stringify(part))
}

/** An event of a call without arguments, value, labels and error: at most about so much text. */
const CALL_BYTES = 320

/** An event that is still being put together. */
type Mutable<Event> = { -readonly [Key in keyof Event]: Event[Key] }

/** Processes of a history that are read before others have a turn. */
const HISTORY_STEP = 256

/** Processes in a published status. */
const STATUS_MAX = 200
