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
import { createAccess } from './access.ts'
import type { Clock } from './clock.ts'
import { randomAt, realClock } from './clock.ts'
import type { DisciplineName, DisciplineOptions } from './disciplines.ts'
import { createDiscipline, disciplineNames } from './disciplines.ts'
import { createDeadlines } from './deadlines.ts'
import { createDispatcher } from './dispatcher.ts'
import type { Command, Embedder, LanguageModel, ProcessHead, Store } from './drivers.ts'
import type { ErrorData } from './errors.ts'
import { PolityError, fromErrorData, messageOf, toErrorData } from './errors.ts'
import { createInbox } from './inbox.ts'
import { createJournal } from './journal.ts'
import type { Limits } from './limits.ts'
import { defaultLimits } from './limits.ts'
import { createLlm } from './llm.ts'
import { createMailbox } from './mailbox.ts'
import { createMemory } from './memory.ts'
import type { Past } from './past.ts'
import { endsAfter, ownUsage, pastOf, unmade } from './past.ts'
import { toPlain } from './plain.ts'
import type { Call, Space } from './process.ts'
import { Process, charge, overBudget, processInfo, transition } from './process.ts'
import type { Core } from './scheduler.ts'
import { createScheduler } from './scheduler.ts'
import { createStorage } from './storage.ts'
import type { Gate } from './gate.ts'
import { createGate } from './gate.ts'
import type { Machine } from './syscalls.ts'
import { checkSpawnOptions } from './syscalls.ts'
import { createTools, describeTool } from './tools.ts'
import type {
  Budget,
  CallEnd,
  JournalEvent,
  Json,
  ModelChoice,
  Pid,
  Price,
  ProcessInfo,
  ProcessStart,
  Program,
  Question,
  RunEvent,
  SpawnOptions,
  Sys,
  Tool,
  Usage,
} from './types.ts'
import type { Watch } from './watch.ts'
import { createWatch } from './watch.ts'

/** A model with what its owner knows of it beyond what the driver says. */
export interface ModelOptions {
  readonly model: LanguageModel
  readonly slots?: number
  readonly requestsPerMinute?: number
  readonly tokensPerMinute?: number
  readonly contextTokens?: number
  readonly price?: Price
}

export interface KernelOptions {
  readonly store: Store
  /** Cores by the name under which programs ask for them. */
  readonly models?: { readonly [name: string]: LanguageModel | ModelOptions }
  /** Model of calls that name none. @default the first of `models` */
  readonly model?: ModelChoice
  /** US dollars for a million tokens, by the name of the model. A budget in dollars needs the price of every model it pays for. */
  readonly prices?: { readonly [model: string]: Price }
  readonly embedder?: Embedder
  readonly programs?: readonly Program[]
  /** Tools that every root process holds, beside those of its program. */
  readonly tools?: readonly Tool[]
  /** @default every process may call the tools it holds */
  readonly law?: Law
  readonly clock?: Clock
  readonly limits?: Partial<Limits>
  /** Order in which waiting model calls are served. @default 'attained-service' */
  readonly discipline?: DisciplineName
  readonly disciplineOptions?: DisciplineOptions
}

/** One run of a program. */
export interface Run<Output = Json> {
  readonly pid: Pid
  /** The output, once it is kept; rejects with a `PolityError`. */
  readonly result: Promise<Output>
  /** Everything that happens to the process and its descendants from now on, until it ends. */
  readonly events: AsyncIterable<RunEvent>
  readonly usage: Usage
  info(): ProcessInfo
  kill(reason?: string): void
}

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
    options?: SpawnOptions,
  ): Run<Output>
  /** The run of a process that runs, stopped or ended lately; throws `NO_SUCH_PROCESS`. */
  run(pid: Pid): Run
  /** Lives the journal of a process again, with its descendants, and goes on. @default every process that was stopped */
  resume(pid?: Pid): readonly Run[]
  /** A new process with the past of another up to its call `at`. @default all its past */
  fork(pid: Pid, options?: { at?: number; budget?: Budget; priority?: number }): Promise<Run>
  /** Runs an ended process again against its journal, without any effect, and says whether it made the same calls. */
  replay(pid: Pid): Promise<ReplayReport>
  kill(pid: Pid, reason?: string): void
  /** Sends as from outside (`from` is 0). */
  send(pid: Pid, body: Json): void
  ps(): readonly ProcessInfo[]
  info(pid: Pid): ProcessInfo
  /** Its part of the journal. */
  events(pid: Pid): Promise<readonly JournalEvent[]>
  readonly questions: readonly Question[]
  answer(id: number, text: string, value?: Json): void
  readonly cores: readonly CoreInfo[]
  /** Hears every event once it is kept. Returns a function that stops it. */
  watch(hear: (event: RunEvent) => void): () => void
  /** Removes the journals of ended processes, the oldest first, until `keep` are left. Returns how many went. */
  collect(keep: number): number
  /** Stops all processes where they are (they can be resumed), writes what is left and gives the store up. */
  close(): Promise<void>
}

export interface CoreInfo {
  readonly id: string
  readonly slots: number
  readonly inFlight: number
  readonly waiting: number
  readonly requestsPerMinute: number | null
  readonly tokensPerMinute: number | null
  readonly admitted: number
  readonly refused: number
  readonly failed: number
  readonly open: boolean
}

export function createKernel(options: KernelOptions): Kernel {
  const { store } = options
  const clock = options.clock ?? realClock()
  const limits = checkLimits(options.limits)
  const table = new Map<Pid, Process>()
  const programs = new Map<string, Program>()
  /** Resumed processes whose program nobody has named yet, by `name@version`. */
  const unnamed = new Map<string, Process[]>()
  const journal = createJournal({ store, clock, limits, onCommit, onHalt: halt })
  const dispatcher = createDispatcher(clock, limits)
  const deadlines = createDeadlines(clock)
  const scheduler = createScheduler(clock, limits)
  const inbox = createInbox(clock, limits, journal.lastSeq)
  const tools = createTools(deadlines, limits)
  const memory = createMemory({ store, journal, now: () => clock.now() })
  const storage = createStorage({ store, journal, limits, now: () => clock.now() })
  const mailbox = createMailbox({ journal, limits, end: (call, mail) => gate.end(call, mail) })
  const watch: Watch = createWatch(limits, (pid, process) => process.root === process || descends(pid, process))
  const cores = createCores()
  const kernelTools = new Map((options.tools ?? []).map((tool) => [tool.name, tool]))
  const kernelToolNames: readonly string[] = Object.freeze([...kernelTools.keys()])
  /** Ended processes in RAM and journals in the store, the oldest first. */
  const ended: Pid[] = []
  let kept: { readonly pid: Pid; readonly parent: Pid | null }[] = []
  /** What children of running processes used whose journals were removed, by the parent. */
  const removedUsage = new Map<Pid, Usage>()
  const forkOrigins = new Map<Pid, number>()
  let live = 0
  let closed: PolityError | undefined

  const llm = createLlm({
    clock,
    deadlines,
    limits,
    scheduler,
    cores,
    dispatcher,
    describe: (process, name) => describeTool(process.tools.get(name) as Tool),
    watcher: (process) => watch.textOf(process.root.pid),
    onWait(call, core) {
      if (watch.active) watch.tell(call.process.root.pid, { type: 'call-wait', pid: call.process.pid, n: call.n, core })
    },
    end: (call, generation) => gate.end(call, generation),
    fail: (call, error) => gate.fail(call, error),
    again: (call, go) => gate.again(call, go),
  })

  const machine: Machine = {
    clock,
    limits,
    journal,
    dispatcher,
    access: createAccess(options.law),
    llm,
    embedder: options.embedder,
    tools,
    memory,
    storage,
    mailbox,
    inbox,
    defaultModel: options.model ?? Object.keys(options.models ?? {})[0],
    volatile: store.durability === 'memory',
    program: (given) => findProgram(given),
    spawn: (parent, call, program, input, spawnOptions) =>
      start({ parent, call, program, input, options: spawnOptions }),
    fork: forkInside,
    restore,
    kill: (process, error) => finish(process, 'killed', undefined, toErrorData(error)),
    openElsewhere({ startSeq, process: own }) {
      for (const process of table.values()) {
        const found = process === own ? undefined : process.open.find((one) => one.startSeq === startSeq)
        if (found !== undefined) return found
      }
      return undefined
    },
    find,
    named: (process, name) =>
      [...table.values()].filter(
        (one) => one.start.name === name && one.principal === process.principal && one.state === 'running',
      ),
    waited(child, waiter) {
      if (child.parent === waiter && waiter.children?.delete(child) === true) retire(child)
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

  for (const program of options.programs ?? []) findProgram(program)
  recover()
  let pollTimer = pollCommands()

  // ------------------------------------------------------------------------------------------------------ processes

  function findProgram(given: Program | ((sys: Sys, input: never) => Promise<unknown>) | string): Program {
    if (typeof given === 'string') {
      const found = programs.get(given) ?? [...programs.values()].findLast((one) => one.name === given)
      if (found === undefined)
        throw new PolityError(
          'NO_SUCH_PROGRAM',
          `no program "${given.slice(0, 200)}" is registered; there are ${[...programs.keys()].join(', ') || 'none'}`,
        )
      return found
    }
    const program = (
      typeof given === 'function'
        ? { name: given.name || 'anonymous', version: '1', tools: [], model: undefined, run: given }
        : given
    ) as Program
    if (
      typeof program !== 'object' ||
      program === null ||
      typeof program.run !== 'function' ||
      typeof program.name !== 'string' ||
      program.name === ''
    ) {
      throw new PolityError(
        'INVALID_ARGUMENT',
        'spawn takes a program made by defineProgram or defineAgent, the name of a registered one, or an async function',
      )
    }
    const key = `${program.name}@${program.version}`
    if (programs.get(key) !== program) {
      if (
        typeof program.version !== 'string' ||
        program.version.length > VERSION_CHARS_MAX ||
        !Array.isArray(program.tools) ||
        program.tools.length > TOOLS_MAX ||
        [...program.tools].some((tool) => typeof tool?.name !== 'string')
      ) {
        throw new PolityError(
          'INVALID_ARGUMENT',
          `program ${program.name.slice(0, 200)} takes a version, a short text, and a list of tools; defineProgram sets both`,
        )
      }
      programs.delete(key)
      programs.set(key, program)
      const waiting = unnamed.get(key)
      unnamed.delete(key)
      for (const process of waiting ?? [])
        if (process.state === 'stopped') goOnFromJournal(process, startOf(process.pid))
    }
    return program
  }

  function heldTools(
    program: Program,
    parent: Process | undefined,
    names: readonly string[] | undefined,
  ): ReadonlyMap<string, Tool> {
    if (parent === undefined && names === undefined && program.tools.length === 0) return kernelTools
    const declared = new Map(program.tools.map((tool) => [tool.name, tool]))
    const available = parent?.tools ?? new Map([...kernelTools, ...declared])
    if (parent !== undefined) {
      for (const name of declared.keys()) {
        if (!available.has(name))
          throw new PolityError(
            'ACCESS_DENIED',
            `program ${program.name} declares tool "${name}", which its parent, process ${parent.pid}, does not hold`,
          )
      }
    }
    const wanted = names ?? (parent !== undefined && declared.size > 0 ? [...declared.keys()] : undefined)
    if (wanted === undefined) return available
    return pick(program, available, wanted)
  }

  /** The tools that a process was started with, those of its parent among them: by the journal, so never more. */
  function toolsOf(event: ProcessStart): ReadonlyMap<string, Tool> {
    const program = findProgram(`${event.program}@${event.version}`)
    let parentTools: ReadonlyMap<string, Tool> | undefined
    if (event.parent !== null) {
      const [parent] = table.has(event.parent) ? [] : store.events(event.parent)
      // A parent whose journal was removed: its tools are found by name among all that are known.
      parentTools =
        table.get(event.parent)?.tools ??
        (parent?.type === 'process-start'
          ? toolsOf(parent)
          : new Map([
              ...[...programs.values()].flatMap((one) => one.tools.map((tool) => [tool.name, tool] as const)),
              ...kernelTools,
            ]))
    }
    const available =
      parentTools ?? new Map([...kernelTools, ...program.tools.map((tool) => [tool.name, tool] as const)])
    return pick(program, available, event.tools)
  }

  function pick(
    program: Program,
    available: ReadonlyMap<string, Tool>,
    names: readonly string[],
  ): ReadonlyMap<string, Tool> {
    return new Map(
      names.map((name) => {
        const tool = available.get(name)
        if (tool === undefined)
          throw new PolityError(
            'NO_SUCH_TOOL',
            `a process of ${program.name} cannot be given tool "${name}"; available are ${[...available.keys()].join(', ') || 'none'}`,
          )
        return [name, tool]
      }),
    )
  }

  interface Start {
    /** @default by the options, the program and the parent */
    readonly held?: ReadonlyMap<string, Tool>
    readonly program: Program
    readonly input: Json
    readonly options: SpawnOptions
    readonly parent?: Process
    readonly call?: number
    readonly fork?: { readonly of: Process | ProcessHead; readonly seq: number; readonly call: number | null }
  }

  function start({
    program,
    input,
    options: spawnOptions,
    parent,
    call,
    fork,
    held = heldTools(program, parent, spawnOptions.tools),
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
    const pid = journal.lastSeq + 1
    const event = journal.append({
      type: 'process-start',
      seq: 0,
      at: 0,
      pid,
      parent: parent?.pid ?? null,
      parentCall: call ?? null,
      program: program.name,
      version: program.version,
      input,
      name: spawnOptions.name ?? null,
      principal: parent?.principal ?? spawnOptions.principal ?? 'local',
      priority: spawnOptions.priority ?? parent?.priority ?? 0,
      budget: spawnOptions.budget ?? NO_BUDGET,
      tools: held === kernelTools ? kernelToolNames : [...held.keys()],
      seed: Math.floor(randomAt(clock.seed, pid, 0) * 2 ** 32),
      forkOf:
        fork === undefined
          ? null
          : { pid: 'pid' in fork.of ? fork.of.pid : fork.of.start.pid, seq: fork.seq, call: fork.call },
    }) as ProcessStart
    if (event.forkOf !== null) forkOrigins.set(event.forkOf.pid, (forkOrigins.get(event.forkOf.pid) ?? 0) + 1)
    const process = toProcess(event, program, parent, held)
    if (parent !== undefined) charge(parent, { children: 1 })
    run(process)
    return process
  }

  /** A process as its start event says; in the table, not yet running. */
  function toProcess(
    event: ProcessStart,
    program: Program,
    parent: Process | undefined,
    held: ReadonlyMap<string, Tool>,
  ): Process {
    const process = new Process(event, { parent, program, tools: held, branch: branchOf(event) }, learn)
    table.set(process.pid, process)
    if (parent !== undefined) (parent.children ??= new Set()).add(process)
    return process
  }

  /** The spaces of a fork: what its origin had at the cut, and its own from there on. */
  function branchOf(event: ProcessStart): { files: Space; notes: Space } | undefined {
    if (event.forkOf === null) return undefined
    const { pid, seq } = event.forkOf
    const origin = table.get(pid) ?? ghost(pid)
    if (origin === undefined) return undefined
    const id = `fork ${event.pid}`
    return {
      files: { id, base: { space: origin.files, before: seq } },
      notes: { id, base: { space: origin.notes, before: seq } },
    }
  }

  /** A process of which only the journal is left, with the parents that its spaces come from. */
  function ghost(pid: Pid): Process | undefined {
    const [event] = store.events(pid)
    if (event?.type !== 'process-start') return undefined
    const parent = event.parent === null ? undefined : (table.get(event.parent) ?? ghost(event.parent))
    return new Process(event, { parent, program: programOf(event), tools: kernelTools, branch: branchOf(event) }, learn)
  }

  /** The registered program, or a stand-in that cannot run. */
  function programOf({ program, version }: ProcessStart): Program {
    return (
      programs.get(`${program}@${version}`) ?? {
        name: program,
        version,
        tools: [],
        model: undefined,
        run: () => Promise.reject(new Error('not registered')),
      }
    )
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
      value = toPlain(returned, () => `the output of ${process.program.name}`, limits.valueBytesMax)
    } catch (error) {
      return exitWith(process, toErrorData(error))
    }
    const told = replays.get(process)
    if (told === undefined) return finish(process, 'done', value, undefined)
    const was = process.past?.end
    const same =
      was?.state === 'killed' || (was?.state === 'done' && JSON.stringify(was.value) === JSON.stringify(value))
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
        retire(child)
      }
      process.children = undefined
    }
    const used = { ...process.used }
    const { at } = journal.append(
      error === undefined
        ? { type: 'process-end', pid: process.pid, state, value: value ?? null, usage: used }
        : { type: 'process-end', pid: process.pid, state, error, usage: used },
    )
    transition(
      process,
      error === undefined ? { type: 'end', state, at, value: value ?? null } : { type: 'end', state, at, error },
    )
    if (wasRunning) live--
    const { onEnd, parent } = process
    process.onEnd = undefined
    // A child that its parent may still wait for stays, and goes when it was waited for; everything else goes in its turn.
    const stays = parent !== undefined && !parent.ended && parent.children?.has(process) === true
    if (onEnd !== undefined) for (const fn of onEnd) fn(process)
    if (!stays) retire(process)
  }

  /** Stops a process where it is: its journal has no end, so it can be resumed. */
  function stop(process: Process, error: ErrorData): void {
    if (process.state !== 'running') return
    process.wallTimer?.cancel()
    gate.cancel(process, fromErrorData(error))
    transition(process, { type: 'stop', error })
    watch.stopped(process)
    live--
    const { onEnd } = process
    process.onEnd = undefined
    if (onEnd !== undefined) for (const fn of onEnd) fn(process)
  }

  /** Puts an ended process in line to be forgotten: first from RAM, later from the store. */
  function retire(process: Process): void {
    ended.push(process.pid)
    kept.push({ pid: process.pid, parent: process.start.parent })
    if (ended.length < limits.processesEndedMax + RETIRE_STEP) return
    for (const pid of ended.splice(0, ended.length - limits.processesEndedMax)) table.delete(pid)
    const keep = store.durability === 'memory' ? limits.processesEndedMax : limits.processesKeptMax
    if (kept.length >= keep + RETIRE_STEP) collect(keep)
  }

  function collect(keep: number): number {
    if (typeof keep !== 'number' || !(keep >= 0))
      throw new PolityError(
        'INVALID_ARGUMENT',
        `collect takes how many journals stay, not ${messageOf(keep).slice(0, 80)}`,
      )
    const over = kept.length - keep
    if (over <= 0) return 0
    const gone = kept.slice(0, over)
    kept = kept.slice(over)
    const drop = gone.filter((one) => {
      if ((forkOrigins.get(one.pid) ?? 0) === 0) return true
      kept.push(one)
      return false
    })
    // Not before their ends are kept: a crash in between would leave neither journal nor end.
    journal.whenKept((error) => error === undefined && closed === undefined && remove(drop))
    return drop.length
  }

  function remove(drop: typeof kept): void {
    const pids = drop.map(({ pid }) => pid)
    // A parent that runs on has used what its children used, also after a restart: it is noted before they go.
    const parents = new Set<Pid>()
    for (const { pid, parent } of drop) {
      if (removedUsage.delete(pid)) journal.put({ table: 'meta', key: removedKey(pid), value: null })
      if (parent === null || table.get(parent)?.ended !== false) continue
      const last = store.events(pid).at(-1)
      if (last?.type !== 'process-end') continue
      removedUsage.set(parent, sum(removedUsage.get(parent), last.usage))
      parents.add(parent)
    }
    for (const parent of parents)
      journal.put({
        table: 'meta',
        key: removedKey(parent),
        value: JSON.stringify({ usage: removedUsage.get(parent), pids }),
      })
    journal.whenKept((error) => {
      if (error !== undefined || closed !== undefined) return
      try {
        store.drop(pids)
      } catch (dropError) {
        // They stay where they are; nothing is lost but space.
        warn(`${pids.length} old journals could not be removed`, dropError)
      }
    })
  }

  // ------------------------------------------------------------------------------------------------- past and future

  /** All events of a process that are kept. */
  function pastOfProcess(start: ProcessStart): Past {
    const origin = start.forkOf === null ? undefined : originPast(start.forkOf)
    return origin === undefined ? pastOf(store.events(start.pid)) : pastOf(store.events(start.pid), { origin })
  }

  /** The past that a fork shares with its origin, with the `fork` call returning 0 in it. */
  function originPast({ pid, seq, call }: NonNullable<ProcessStart['forkOf']>): Past {
    const events = store.events(pid)
    const head = events[0]
    if (head?.type !== 'process-start')
      throw new PolityError('NO_SUCH_PROCESS', `the journal of process ${pid}, from which this one was forked, is gone`)
    const origin = head.forkOf === null ? undefined : originPast(head.forkOf)
    const before = events.filter((event) => event.seq < seq)
    const forking = call === null ? undefined : events.find((event) => event.type === 'call-start' && event.seq === seq)
    if (forking !== undefined)
      before.push(forking, { type: 'call-end', seq, at: forking.at, pid, n: call as number, value: 0 })
    const forked = { pid: head.pid, seed: head.seed }
    return pastOf(before, origin === undefined ? { forking: forked } : { origin, forking: forked })
  }

  function startOf(pid: Pid): ProcessStart {
    const [start] = store.events(pid)
    if (start?.type !== 'process-start') throw noSuchProcess(pid)
    return start
  }

  /** Gives a fork its past: takes over the ends of calls that were open, and lives the rest again. */
  function goOn(process: Process, events: readonly JournalEvent[]): void {
    const { forkOf } = process.start
    if (forkOf === null) return
    const past = originPast(forkOf)
    const adopted = endsAfter(events, forkOf.seq + (forkOf.call === null ? 0 : 1), past).map(({ n, value, error }) => {
      const end = error === undefined ? { value: value ?? null } : { error }
      return journal.append({ type: 'call-end', pid: process.pid, n, ...end }) as CallEnd
    })
    const whole =
      adopted.length === 0
        ? past
        : { ...past, ends: [...past.ends, ...adopted], ended: new Set([...past.ended, ...adopted.map((one) => one.n)]) }
    transition(process, { type: 'restart', past: { ...whole, counted: new Set() } })
  }

  async function forkInside(parent: Process, call: Call): Promise<void> {
    await journal.flush()
    if (!call.open) return
    // Another fork may have come first while this one waited.
    const over = overBudget(parent, { children: 1 })
    if (over !== undefined) throw over
    const child = start({
      program: parent.program,
      input: parent.start.input,
      held: parent.tools,
      options: { priority: parent.priority, ...(parent.start.name === null ? {} : { name: parent.start.name }) },
      parent,
      call: call.n,
      // A fork of a fork that was open when it was forked itself goes back to where that call was made.
      fork: {
        of: call.startPid === parent.pid ? parent : { start: startOf(call.startPid) },
        seq: call.startSeq,
        call: call.n,
      },
    })
    goOn(child, store.events(call.startPid))
    // At once: a child and the end of its fork are kept together, or a resumed parent would fork it again.
    gate.end(call, child.pid)
  }

  async function fork(
    pid: Pid,
    { at, budget, priority }: { at?: number; budget?: Budget; priority?: number } = {},
  ): Promise<Run> {
    checkOpen()
    await journal.flush()
    checkOpen()
    const events = store.events(pid)
    const [head] = events
    if (head?.type !== 'process-start') throw noSuchProcess(pid)
    const past = pastOfProcess(head)
    if (at !== undefined && (!Number.isInteger(at) || at < 0 || at > past.starts.length)) {
      throw new PolityError(
        'INVALID_ARGUMENT',
        `process ${pid} made ${past.starts.length} system calls; fork takes a call from 0 to ${past.starts.length}, not ${messageOf(at).slice(0, 80)}`,
      )
    }
    const cut = at === undefined ? undefined : past.starts[at]
    // What is not kept yet is not of its past, now or after a crash.
    const seq = cut?.seq ?? past.end?.seq ?? store.lastSeq() + 1
    if (cut !== undefined && cut.pid !== pid)
      throw new PolityError(
        'INVALID_ARGUMENT',
        `call ${at} of process ${pid} was made before it was forked from process ${cut.pid}: fork that one`,
      )
    const child = start({
      program: findProgram(`${head.program}@${head.version}`),
      input: head.input,
      options: checkSpawnOptions({
        principal: head.principal,
        priority: priority ?? head.priority,
        budget: budget ?? head.budget,
        name: head.name ?? undefined,
      }),
      held: toolsOf(head),
      fork: { of: { start: head }, seq, call: null },
    })
    goOn(child, events)
    return toRun(child)
  }

  async function restore(process: Process, id: string): Promise<void> {
    const [pid, n] = id.split('.').map(Number)
    const unknown = () => new PolityError('NO_SUCH_SNAPSHOT', `process ${process.pid} has no snapshot "${id}"`)
    if (n === undefined || pid === undefined || Number.isNaN(n)) throw unknown()
    const { frame } = process
    await journal.flush()
    if (process.frame !== frame) return
    const past = pastOfProcess(startOf(process.pid))
    const taken = past.starts[n]
    const before = past.ends.find((end) => end.n === n)
    if (taken?.call !== 'snapshot' || before === undefined || (before.value as { id?: string } | undefined)?.id !== id)
      throw unknown()
    // Files and notes as they were when the snapshot was made, however often it was restored since.
    const made = store
      .events(taken.pid)
      .find((event) => event.type === 'call-end' && event.n === n && event.seq > taken.seq)
    const cut = made?.seq ?? before.seq
    const charged = gate.cancel(process, new PolityError('KILLED', 'its process went back to a snapshot'))
    if (process.children !== undefined) {
      for (const child of process.children) {
        if ((past.starts[child.start.parentCall ?? -1]?.seq ?? Infinity) > before.seq)
          finish(child, 'killed', undefined, {
            code: 'PARENT_ENDED',
            message: `its parent, process ${process.pid}, went back to before it`,
          })
      }
    }
    const isOwn = (pid: Pid) => descends(pid, process)
    storage.rollBack(process, cut, isOwn)
    memory.rollBack(process.notes, cut, isOwn)
    const restored = ((before.value as { restored?: number }).restored ?? 0) + 1
    const value = { id, restored }
    journal.append(
      charged.tokens === 0
        ? { type: 'process-rewind', pid: process.pid, n, value }
        : { type: 'process-rewind', pid: process.pid, n, value, charged },
    )
    // Nothing that the old frame still does may follow the rewind in the journal.
    transition(process, { type: 'leave' })
    const left = process.frame
    await journal.flush()
    if (process.frame !== left) return
    transition(process, { type: 'restart', past: pastOfProcess(startOf(process.pid)) })
    dispatcher.wake(process)
  }

  // -------------------------------------------------------------------------------------------------------- recovery

  function recover(): void {
    const unfinished: ProcessStart[] = []
    const unfinishedPids = new Set<Pid>()
    const endedUsage = new Map<Pid, Usage[]>()
    const removedPids = new Map<Pid, readonly Pid[]>()
    for (const { start, end } of store.processes()) {
      if (start.forkOf !== null) forkOrigins.set(start.forkOf.pid, (forkOrigins.get(start.forkOf.pid) ?? 0) + 1)
      if (end === undefined) {
        unfinished.push(start)
        unfinishedPids.add(start.pid)
        removedWith(start.pid)
      } else {
        // A parent that goes on may still wait for it.
        if (start.parent === null || !unfinishedPids.has(start.parent))
          kept.push({ pid: start.pid, parent: start.parent })
        if (start.parent !== null && !removedWith(start.parent).includes(start.pid)) {
          const list = endedUsage.get(start.parent)
          if (list === undefined) endedUsage.set(start.parent, [end.usage])
          else list.push(end.usage)
        }
      }
    }
    for (const event of unfinished) {
      const parent = event.parent === null ? undefined : table.get(event.parent)
      const program = programOf(event)
      let held: ReadonlyMap<string, Tool> = new Map()
      try {
        held = toolsOf(event)
      } catch {
        // Told by `resume`, which needs them.
      }
      const process = toProcess(event, program, parent, held)
      transition(process, {
        type: 'stop',
        error: { code: 'KERNEL_CLOSED', message: 'the kernel that ran it is gone; resume it' },
      })
      charge(process, ownUsage(store.events(event.pid)))
      if (parent !== undefined) charge(parent, { children: 1 })
      for (const usage of endedUsage.get(event.pid) ?? []) charge(process, { ...usage, children: usage.children + 1 })
      const removed = removedUsage.get(event.pid)
      if (removed !== undefined) charge(process, removed)
    }

    /** Journals that were to be removed when a crash came: what they say is noted already. */
    function removedWith(parent: Pid): readonly Pid[] {
      let pids = removedPids.get(parent)
      if (pids === undefined) {
        const noted = store.get('meta', removedKey(parent))
        const { usage, pids: said } =
          noted === undefined ? { pids: [] } : (JSON.parse(noted as string) as { usage: Usage; pids: readonly Pid[] })
        if (usage !== undefined) removedUsage.set(parent, usage)
        removedPids.set(parent, (pids = said))
      }
      return pids
    }
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
    // it goes on once its parent has lived its `spawn` again (findProgram).
    const ready: { process: Process; event: ProcessStart }[] = []
    for (const process of stopped) {
      const event = startOf(process.pid)
      const key = `${event.program}@${event.version}`
      if (programs.has(key) || process.parent === undefined || !stopped.includes(process.parent)) {
        findProgram(key)
        if (process.parent === undefined) toolsOf(event)
        ready.push({ process, event })
      } else unnamed.set(key, [...(unnamed.get(key) ?? []), process])
    }
    for (const { process, event } of ready) goOnFromJournal(process, event)
    return stopped.map(toRun)
  }

  /** Lives its journal again, with the program and the tools that are known now. */
  function goOnFromJournal(process: Process, event: ProcessStart): void {
    Object.assign(process, { program: programOf(event), tools: toolsOf(event) })
    transition(process, { type: 'restart', past: pastOfProcess(event) })
    run(process)
  }

  function isWithin(process: Process, pid: Pid): boolean {
    for (let at: Process | undefined = process; at !== undefined; at = at.parent) if (at.pid === pid) return true
    return false
  }

  /** Whether the process is `ancestor` or descends from it, also when only its journal is left. */
  function descends(pid: Pid, ancestor: Process): boolean {
    const process = table.get(pid) ?? ghost(pid)
    return process !== undefined && isWithin(process, ancestor.pid)
  }

  async function replay(pid: Pid): Promise<ReplayReport> {
    checkOpen()
    await journal.flush()
    checkOpen()
    const event = startOf(pid)
    const past = pastOfProcess(event)
    if (past.end === undefined)
      throw new PolityError('INVALID_ARGUMENT', `process ${pid} has not ended; replay compares whole runs`)
    const program = findProgram(`${event.program}@${event.version}`)
    const held = toolsOf(event)
    const shadow = new Process(event, { parent: undefined, program, tools: held }, learn)
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
    const found = table.get(pid) ?? loadEnded(pid)
    if (found === undefined || found.principal !== process.principal) throw noSuchProcess(pid)
    return found
  }

  /** A process that ended so long ago that only the store knows it. */
  function loadEnded(pid: Pid): Process | undefined {
    const last = store.events(pid).at(-1)
    const process = last?.type === 'process-end' ? ghost(pid) : undefined
    if (last?.type !== 'process-end' || process === undefined) return undefined
    transition(
      process,
      last.error === undefined
        ? { type: 'end', state: last.state, at: last.at, value: last.value ?? null }
        : { type: 'end', state: last.state, at: last.at, error: last.error },
    )
    Object.assign(process.used, last.usage)
    return process
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
      return watch.events(this.#process, this.#process.ended)
    }

    get usage() {
      return { ...this.#process.used }
    }

    info() {
      return processInfo(this.#process)
    }

    kill(reason?: string) {
      kill(this.pid, reason)
    }
  }

  function toRun(process: Process): Run<never> {
    return new ProcessRun(process)
  }

  function resultOf(process: Process): Promise<Json> {
    return new Promise((resolve, reject) => {
      const tell = (): void => {
        journal.whenKept((error) => {
          if (error !== undefined) reject(error)
          else if (process.state === 'done') resolve(process.value ?? null)
          else reject(fromErrorData(process.error ?? { code: 'KERNEL_CLOSED', message: 'the kernel is closed' }))
        })
      }
      if (process.state === 'running') (process.onEnd ??= []).push(tell)
      else tell()
    })
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

  function onCommit(events: readonly JournalEvent[]): void {
    if (!watch.active) return
    for (const event of events) watch.tell(table.get(event.pid)?.root.pid ?? event.pid, event)
  }

  function halt(error: PolityError): void {
    closed ??= error
    for (const process of Array.from(table.values())) stop(process, toErrorData(error))
    watch.close()
  }

  function checkOpen(): void {
    if (closed !== undefined) throw closed
  }

  async function close(): Promise<void> {
    if (closed?.code === 'KERNEL_CLOSED') return
    const error = new PolityError('KERNEL_CLOSED', 'the kernel is closed; its processes can be resumed')
    if (closed === undefined) {
      closed = error
      for (const process of Array.from(table.values())) stop(process, toErrorData(error))
      await journal.flush().catch(() => {})
    }
    closed = error
    pollTimer?.cancel()
    for (const core of cores.values()) core.timer?.cancel()
    watch.close()
    store.close()
  }

  function pollCommands(): { cancel(): void } | undefined {
    if (store.takeCommands === undefined) return undefined
    return clock.after(POLL_MS, () => {
      if (closed !== undefined) return
      try {
        for (const command of store.takeCommands?.() ?? []) obey(command)
      } catch (error) {
        // A store that is busy with somebody else's write; the wishes are still there the next time.
        warn('the store’s commands could not be read', error)
      }
      pollTimer = pollCommands()
    })
  }

  function obey({ command, pid, id, text }: Command): void {
    try {
      if (command === 'kill' && pid !== undefined) kill(pid, text)
      else if (command === 'answer' && id !== undefined && text !== undefined) inbox.answer(id, text)
      else if (command === 'status')
        store.publishStatus?.(
          JSON.stringify({
            at: clock.now(),
            processes: ps().slice(-STATUS_MAX),
            cores: coreInfos(),
            questions: inbox.questions,
          }),
        )
    } catch (error) {
      // A wish from outside that cannot be granted (an ended pid, an answered question) harms nobody here.
      warn(`the command ${command} from outside was not obeyed`, error)
    }
  }

  function ps(): readonly ProcessInfo[] {
    return [...table.values()].map(processInfo)
  }

  function info(pid: Pid): ProcessInfo {
    const process = table.get(pid) ?? loadEnded(pid)
    if (process === undefined) throw noSuchProcess(pid)
    return processInfo(process)
  }

  function coreInfos(): readonly CoreInfo[] {
    return [...cores.values()].map((core) => ({
      id: core.id,
      slots: core.slots,
      inFlight: core.inFlight,
      waiting: core.waiting,
      requestsPerMinute: Number.isFinite(core.requestsPerMinute) ? core.requestsPerMinute : null,
      tokensPerMinute: Number.isFinite(core.tokensPerMinute) ? core.tokensPerMinute : null,
      ...core.stats,
      open: core.openUntil > clock.now(),
    }))
  }

  function createCores(): Map<string, Core> {
    const made = new Map<string, Core>()
    const name = options.discipline ?? 'attained-service'
    if (!disciplineNames.includes(name))
      throw new PolityError(
        'CONFIG_INVALID',
        `discipline takes ${disciplineNames.join(', ')}, not ${JSON.stringify(name)}`,
      )
    for (const [id, given] of Object.entries(options.models ?? {})) {
      const { model, ...more } =
        typeof given === 'object' && given !== null && 'model' in given ? given : { model: given }
      if (
        model?.specificationVersion !== 'v4' ||
        typeof model.doGenerate !== 'function' ||
        typeof model.doStream !== 'function'
      ) {
        throw new PolityError(
          'CONFIG_INVALID',
          `model "${id}" must be a LanguageModelV4 of the AI SDK 7, not ${model?.specificationVersion ?? typeof model}; update the provider package`,
        )
      }
      made.set(
        id,
        scheduler.createCore({
          ...more,
          id,
          model,
          price: checkPrice(id, options.prices?.[id] ?? more.price),
          discipline: createDiscipline(name, options.disciplineOptions),
        }),
      )
    }
    return made
  }

  return {
    limits,
    spawn(program, input, spawnOptions) {
      checkOpen()
      return toRun(
        start({
          program: findProgram(program as Program),
          input: toPlain(input, 'spawn: input', limits.valueBytesMax),
          options: checkSpawnOptions(spawnOptions),
        }),
      )
    },
    run(pid) {
      const process = table.get(pid) ?? loadEnded(pid)
      if (process === undefined) throw noSuchProcess(pid)
      return toRun(process)
    },
    resume,
    fork,
    replay,
    kill,
    send(pid, body) {
      checkOpen()
      const process = table.get(pid)
      if (process === undefined || process.ended) throw noSuchProcess(pid)
      mailbox.send({ pid: 0 } as Process, [process], toPlain(body, 'send: body', limits.valueBytesMax))
    },
    ps,
    info,
    async events(pid) {
      await journal.flush()
      return store.events(pid)
    },
    get questions() {
      return inbox.questions
    },
    answer: (id, text, value) => inbox.answer(id, text, value),
    get cores() {
      return coreInfos()
    },
    watch: watch.all,
    collect,
    close,
  }
}

const NO_BUDGET: Budget = Object.freeze({})

/** Where the usage of removed children stands in the store. */
function removedKey(parent: Pid): string {
  return `removed ${parent}`
}

/** With the child itself counted. */
function sum(
  before: Usage | undefined,
  { inputTokens, cachedTokens, outputTokens, usd, steps, calls, children }: Usage,
): Usage {
  return {
    inputTokens: (before?.inputTokens ?? 0) + inputTokens,
    cachedTokens: (before?.cachedTokens ?? 0) + cachedTokens,
    outputTokens: (before?.outputTokens ?? 0) + outputTokens,
    usd: (before?.usd ?? 0) + usd,
    steps: (before?.steps ?? 0) + steps,
    calls: (before?.calls ?? 0) + calls,
    children: (before?.children ?? 0) + children + 1,
  }
}
/** Tools of one program: more than any model can choose from. */
const TOOLS_MAX = 10_000
const VERSION_CHARS_MAX = 200
/** Ended processes that wait before the oldest are forgotten together. */
const RETIRE_STEP = 64
/** How often wishes of other operating-system processes are looked for, ms. */
const POLL_MS = 100
/** Processes in a published status, the youngest. */
const STATUS_MAX = 200

function noSuchProcess(pid: Pid): PolityError {
  return new PolityError('NO_SUCH_PROCESS', `there is no process ${messageOf(pid).slice(0, 80)}`)
}

/** For faults that concern nobody's run: the owner of the kernel is told, and it goes on. */
function warn(what: string, error: unknown): void {
  globalThis.process.emitWarning(`${what}: ${messageOf(error)}`, 'PolityWarning')
}

function checkPrice(model: string, price: Price | undefined): Price | undefined {
  if (price === undefined) return undefined
  const { input, output, cached = 0 } = price
  if ([input, output, cached].every((one) => typeof one === 'number' && one >= 0)) return price
  throw new PolityError(
    'CONFIG_INVALID',
    `the price of "${model}" takes { input, output } in US dollars for a million tokens, numbers of at least 0`,
  )
}

function checkLimits(given: Partial<Limits> | undefined): Limits {
  for (const [key, value] of Object.entries(given ?? {})) {
    if (!(key in defaultLimits))
      throw new PolityError(
        'CONFIG_INVALID',
        `there is no limit "${key}"; there are ${Object.keys(defaultLimits).join(', ')}`,
      )
    if (typeof value !== 'number' || !(value > 0))
      throw new PolityError('CONFIG_INVALID', `limit ${key} takes a number above 0, not ${JSON.stringify(value)}`)
  }
  return { ...defaultLimits, ...given }
}
