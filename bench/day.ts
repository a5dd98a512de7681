/**
 * A day of a kernel in simulated time, under the load of a small office: is every run ended once, as documented, and does
 * anything grow?
 *
 *     node bench/day.ts [--hours 24] [--runs 1000] [--store memory|sqlite] [--seed 1] [--json]
 *
 * `runs` begin in a mean hour, in two waves of twelve hours: chats, agents whose payments wait for a person, teams of
 * children that may take hours, processes that are parked and mailed, questions that run out, forks, snapshots, budgets and accounts
 * that are spent, kills, and readers that watch and leave. Three models serve them: one declares its limits; one answers 429
 * beyond limits that it keeps to itself; one is down for some minutes every two hours. Of all calls some are refused, fail, hang, or
 * break off in the middle of a stream. Each hour old journals are removed.
 *
 * Checked: the load generator keeps books of its own (`Ledger`), from what it was told and from the events, and they must
 * agree; when the day is over and all has ended, every table is back at its floor; the heap after a full collection has in the last
 * quarter what it had in the second, less what a store in memory keeps on purpose (`keptMb`). Ends with 1 where one fails.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { queryObjects, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { simulated } from '../src/drivers/llm/simulated.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { randomAt, simulatedClock } from '../src/kernel/clock.ts'
import type { Store } from '../src/kernel/drivers.ts'
import { toErrorData } from '../src/kernel/errors.ts'
import { Exchange } from '../src/kernel/exchange.ts'
import type { Kernel, Run } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { Call, Process } from '../src/kernel/process.ts'
import type { Json, Pid, Program, RunEvent, RunOptions } from '../src/kernel/types.ts'
import { parseLaw } from '../src/policy/law.ts'
import type { Told } from './mixed-programs.ts'
import * as mixed from './mixed-programs.ts'

export interface DayOptions {
  readonly hours: number
  /** Runs that begin in a mean hour. */
  readonly runs: number
  readonly store: 'memory' | 'sqlite'
  readonly seed: number
  /** Whether objects that outlive their process are looked for in the heap when all has ended; takes a second. @default true */
  readonly countObjects?: boolean
}

/** How the machine is at the end of an hour, after a full collection. */
export interface Hour {
  readonly hour: number
  readonly heapMb: number
  readonly rssMb: number
  /** What the store in memory keeps beside journals: notes, files, settled accounts. 0 for SQLite. */
  readonly keptMb: number
  readonly running: number
  readonly questions: number
}

export interface Day {
  readonly runs: number
  readonly processes: number
  readonly calls: number
  /** How runs ended, by state or error. */
  readonly ends: { readonly [end: string]: number }
  readonly hours: readonly Hour[]
  /** What is left when all has ended. */
  readonly floor: { readonly [table: string]: number }
  /** The heap of the last quarter against the second, less what is kept on purpose. */
  readonly growth: number
  readonly seconds: number
  readonly faults: readonly string[]
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const MB = 2 ** 20
const ENDED_MAX = 256
/** Ended processes that wait before the oldest are forgotten together (src/kernel/retention.ts). */
const RETIRE_STEP = 64
const KEPT_MAX = 2_000
const GROWTH_MAX = 1.05
/** Below this nothing is warm, and growth is not judged. */
const HOURS_MIN = 12
const PARKED = 30

// --------------------------------------------------------------------------------------------------------------- ledger

/** A run that was accepted. */
interface Entry {
  readonly program: string
  readonly isBounded: boolean
  isKilled: boolean
}

const ofModels = ['DRIVER_FAILED', 'DRIVER_INVALID', 'DRIVER_TIMEOUT', 'DRIVER_UNAVAILABLE', 'OVERLOADED']
/** Errors with which a run of each program may end, beside `KILLED` where it was killed and `BUDGET_EXCEEDED` where it is bounded. */
const errorsOf: { readonly [program: string]: readonly string[] } = {
  chat: ofModels,
  agent: ofModels,
  spender: ofModels,
  asker: ['NO_ANSWER'],
  caller: ['TIMEOUT', 'NO_SUCH_PROCESS'],
  faulty: ['PROGRAM_FAILED'],
  team: [],
  notebook: [],
  brancher: [],
  parked: [],
}

function createLedger() {
  /** Runs that were accepted and of which nobody heard an end. */
  const open = new Map<Pid, Entry>()
  /** Processes that began and did not end, by the events. */
  const living = new Set<Pid>()
  const counts = { runs: 0, processes: 0, processEnds: 0, roots: 0, calls: 0 }
  const ends: { [end: string]: number } = {}
  const faults: string[] = []

  function fault(what: string): void {
    if (faults.length < 50) faults.push(what)
  }

  function ended(pid: Pid, end: string): void {
    const entry = open.get(pid)
    if (entry === undefined) return fault(`run ${pid} ended twice`)
    open.delete(pid)
    ends[end] = (ends[end] ?? 0) + 1
    const { program, isBounded, isKilled } = entry
    const isAllowed =
      end === 'done'
        ? program !== 'faulty'
        : errorsOf[program]?.includes(end) === true ||
          (isKilled && end === 'KILLED') ||
          (isBounded && end === 'BUDGET_EXCEEDED')
    if (!isAllowed) fault(`run ${pid} of ${program} ended with ${end}`)
  }

  return {
    open,
    living,
    counts,
    ends,
    faults,
    fault,
    accepted(run: Run<unknown>, entry: Entry): void {
      counts.runs++
      open.set(run.pid, entry)
      run.result.then(
        () => ended(run.pid, 'done'),
        (error: unknown) => ended(run.pid, toErrorData(error).code),
      )
    },
    hear(event: RunEvent): void {
      if (event.type === 'process-start') {
        counts.processes++
        if (event.parent === null) counts.roots++
        living.add(event.pid)
      } else if (event.type === 'process-end') {
        counts.processEnds++
        if (!living.delete(event.pid)) fault(`process ${event.pid} ended, and did not run`)
      } else if (event.type === 'call-start') counts.calls++
    },
  }
}

// ------------------------------------------------------------------------------------------------------------------ day

export async function liveADay({ hours, runs, store: kind, seed, countObjects = true }: DayOptions): Promise<Day> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const began = performance.now()
  const folder = kind === 'sqlite' ? mkdtempSync(join(tmpdir(), 'polity-day-')) : undefined
  const { store, keptMb, written } = counted(
    folder === undefined ? memoryStore() : openSqliteStore(join(folder, 'day.db')),
  )
  const clock = simulatedClock({ seed, waitsFor: written })
  let drawn = 0
  const random = (): number => randomAt(seed, 99, drawn++)
  const below = (n: number): number => Math.floor(random() * n)
  const chance = (share: number): boolean => random() < share

  const dawn = clock.now()
  const hourOf = (): number => (clock.now() - dawn) / HOUR_MS
  const kernel = createKernel({
    store,
    clock,
    models: modelsOf(clock, seed, hourOf),
    prices: Object.fromEntries(MODELS.map((name) => [name, { input: 1, output: 4 }])),
    tools: [],
    programs: mixed.programs,
    law: parseLaw(mixed.law),
    approvalKey: () => 'the key of the day',
    discipline: kind === 'memory' ? 'fair-share' : 'attained-service',
    limits: {
      processesEndedMax: ENDED_MAX,
      processesKeptMax: KEPT_MAX,
      generateMs: MINUTE_MS,
      coreWaitMs: 10 * MINUTE_MS,
      askMs: 2 * HOUR_MS,
    },
  })
  const ledger = createLedger()
  kernel.watch(ledger.hear, { text: false })
  for (let i = 0; i < 5; i++) kernel.account(`team-${i}`, { tokens: runs * hours * 20 })

  function spawn(program: Program<never, unknown>, told: Told = {}, options: RunOptions = {}): Run<unknown> {
    const isBounded = options.budget !== undefined || options.account !== undefined
    const run = kernel.spawn(
      program as Program,
      { text: `a question of ${'words '.repeat(below(60))}`, ...told } as Json,
      {
        // New people come all day; a few of them stay.
        principal: chance(0.7) ? `user-${below(20)}` : `guest-${Math.floor(clock.now() / MINUTE_MS)}`,
        ...options,
      },
    )
    ledger.accepted(run, { program: program.name, isBounded, isKilled: false })
    if (chance(0.05)) killLater(run)
    if (chance(0.03)) void readSome(run)
    return run
  }

  function killLater(run: Run<unknown>): void {
    clock.after(below(5 * MINUTE_MS), () => {
      const entry = ledger.open.get(run.pid)
      if (entry === undefined) return
      entry.isKilled = true
      run.kill('the day wants it')
    })
  }

  /** Watches a run, and leaves after some events. */
  async function readSome(run: Run<unknown>): Promise<void> {
    let left = 1 + below(30)
    for await (const _ of run.events) if (--left === 0) return
  }

  const park = (i: number): Run<unknown> =>
    spawn(
      mixed.parked,
      {},
      { name: 'parked', principal: `user-${i % 20}`, ...(i % 7 === 0 ? { budget: { wallMs: 5 * HOUR_MS } } : {}) },
    )

  const anyModel = (): Told => ({
    model: [MODELS, ['day/shaky', 'day/hidden'], 'day/hidden', 'day/declared'][below(4)] as never,
  })
  const kinds: readonly (readonly [weight: number, begin: () => unknown])[] = [
    [40, () => spawn(mixed.chat, anyModel(), chance(0.1) ? { account: `team-${below(5)}` } : {})],
    [4, () => spawn(mixed.chat, anyModel(), { budget: { tokens: 100 + below(200) } })],
    [16, () => spawn(mixed.agent, anyModel(), chance(0.2) ? { budget: { wallMs: 10 * MINUTE_MS } } : {})],
    [8, () => spawn(mixed.team, { ...anyModel(), children: 1 + below(5), ms: below(10) * MINUTE_MS })],
    [1, () => spawn(mixed.team, { ...anyModel(), children: 2, ms: 2 * HOUR_MS })],
    [3, () => spawn(mixed.notebook)],
    [4, () => spawn(mixed.brancher, { ms: below(MINUTE_MS) })],
    [5, () => spawn(mixed.asker, { ms: 5 * MINUTE_MS + below(HOUR_MS) })],
    [6, () => spawn(mixed.caller, { ms: MINUTE_MS })],
    [
      4,
      () =>
        spawn(mixed.spender, anyModel(), {
          budget: [{ tokens: 500 }, { usd: 0.001 }, { steps: 3 }, { wallMs: 5_000 }][below(4)] as object,
        }),
    ],
    [2, () => spawn(mixed.faulty)],
    [2, () => void park(below(100))],
    [2, mailSome],
    [2, forkSome],
  ]
  const weights = kinds.reduce((sum, [weight]) => sum + weight, 0)

  function begin(): void {
    let left = random() * weights
    for (const [weight, act] of kinds) {
      left -= weight
      if (left < 0) return void act()
    }
  }

  /** Ends a parked process. */
  function mailSome(): void {
    const all = kernel.ps().filter(({ program, state }) => program === 'parked' && state === 'running')
    if (all.length > PARKED) kernel.send((all[below(all.length)] as { pid: Pid }).pid, 'done')
  }

  function forkSome(): void {
    const roots = kernel.ps().filter(({ parent, program }) => parent === null && program !== 'parked')
    const from = roots[below(roots.length)]
    if (from === undefined) return
    kernel.fork(from.pid).then(
      (run) => ledger.accepted(run, { program: from.program, isBounded: true, isKilled: false }),
      // Its journal may be gone, the oldest first.
      (error: unknown) =>
        toErrorData(error).code === 'NO_SUCH_PROCESS' || ledger.fault(`fork of ${from.pid}: ${String(error)}`),
    )
  }

  /** A person, who looks at the questions when there is time, and leaves some of them. */
  function person(): void {
    for (const { id, choices } of kernel.questions)
      if (isDay() ? chance(0.4) : true) kernel.answer(id, choices?.[chance(0.8) ? 0 : 1] ?? 'yes')
    // Not for ever: a run that is lost would keep the day from ending.
    if (isDay() || (ledger.open.size > 0 && hourOf() < 2 * hours + 24))
      clock.after(MINUTE_MS + below(10 * MINUTE_MS), person)
  }

  const isDay = (): boolean => hourOf() < hours
  const samples: Hour[] = []

  function minute(): void {
    if (!isDay()) return
    // Two waves, so that the second and the last quarter of a day are alike.
    const mean = (runs / 60) * (1 + 0.8 * Math.sin((hourOf() * Math.PI) / 6))
    for (let i = Math.floor(mean + random()); i > 0; i--) clock.after(below(MINUTE_MS), () => isDay() && begin())
    clock.after(MINUTE_MS, minute)
  }

  function hour(): void {
    collect()
    const { heapUsed, rss } = process.memoryUsage()
    samples.push({
      hour: Math.round(hourOf()),
      heapMb: heapUsed / MB,
      rssMb: rss / MB,
      keptMb: keptMb(),
      running: ledger.living.size,
      questions: kernel.questions.length,
    })
    if (kind === 'sqlite')
      kernel.collect(KEPT_MAX / 2).catch((error: unknown) => ledger.fault(`collect: ${String(error)}`))
    if (isDay()) clock.after(HOUR_MS, hour)
  }

  for (let i = 0; i < PARKED; i++) park(i)
  minute()
  person()
  clock.after(HOUR_MS, hour)
  clock.after(hours * HOUR_MS, () => {
    for (const { pid, program, state } of kernel.ps())
      if (program === 'parked' && state === 'running') kernel.send(pid, 'done')
  })
  await quiet(clock, written)
  const states = new Map(kernel.ps().map(({ pid, state, waiting }) => [pid, waiting ?? state]))
  for (const [pid, { program }] of ledger.open) ledger.fault(`run ${pid} of ${program} was lost: ${states.get(pid)}`)
  const floor = floorOf(kernel, clock, ledger, countObjects)
  await kernel.close()
  if (folder !== undefined) rmSync(folder, { recursive: true })

  const { counts, ends, faults } = ledger
  const settled = Object.values(ends).reduce((sum, count) => sum + count, 0)
  if (settled !== counts.runs || counts.roots !== counts.runs || counts.processEnds !== counts.processes)
    ledger.fault(`the books do not agree: ${JSON.stringify({ settled, ...counts })}`)
  const paidTwice = [...mixed.payments.values()].filter((count) => count > 1).length
  if (paidTwice > 0) ledger.fault(`${paidTwice} payments were made twice`)
  mixed.payments.clear()
  const growth = growthOf(samples, hours)
  if (hours >= HOURS_MIN && !(growth <= GROWTH_MAX)) ledger.fault(`the heap grew by ${growth}`)
  const seconds = Math.round((performance.now() - began) / 100) / 10
  return {
    runs: counts.runs,
    processes: counts.processes,
    calls: counts.calls,
    ends,
    hours: samples,
    floor,
    growth,
    seconds,
    faults,
  }
}

const MODELS = ['day/declared', 'day/hidden', 'day/shaky'] as const

function modelsOf(clock: ReturnType<typeof simulatedClock>, seed: number, hourOf: () => number) {
  const { answer, moody } = mixed
  const common = {
    clock,
    provider: 'day',
    latencyMs: 300,
    prefillTokensPerSecond: 2_000,
    decodeTokensPerSecond: 80,
    answer,
  }
  const declared = simulated({ ...common, modelId: 'declared', slots: 60, requestsPerMinute: 2_000 })
  const hidden = simulated({ ...common, modelId: 'hidden', slots: 12, declare: false, headers: false })
  const shaky = simulated({ ...common, modelId: 'shaky', slots: 60 })
  const moods = { clock, seed, bad: 0.02 }
  return {
    'day/declared': moody(declared, moods),
    'day/hidden': moody(hidden, { ...moods, seed: seed + 1 }),
    'day/shaky': moody(shaky, { ...moods, seed: seed + 2, isDown: () => hourOf() % 2 > 1.9 }),
  }
}

/**
 * Without what other operating-system processes may wish, since who looks for it never rests. Beside it, what a store in memory
 * keeps, and what a store in another thread still writes.
 */
function counted(store: Store): {
  readonly store: Store
  keptMb(): number
  written(): Promise<void> | undefined
} {
  let kept = 0
  let writing: Promise<void> | undefined
  return {
    store: {
      durability: store.durability,
      commit(batch) {
        if (store.durability === 'memory')
          for (const { table, key, value } of batch.puts)
            if (value !== null && store.get(table, key) === undefined) kept += ENTRY_BYTES + key.length + value.length
        const done = store.commit(batch)
        if (done === undefined) return undefined
        const over = (): void => void (writing = undefined)
        writing = done.then(over, over)
        return done
      },
      processes: () => store.processes(),
      events: (pid) => store.events(pid),
      lastSeq: () => store.lastSeq(),
      get: (table, key) => store.get(table, key),
      range: (table, from, to, options) => store.range(table, from, to, options),
      search: (table, prefixes, words, limit) => store.search(table, prefixes, words, limit),
      nearest: (table, prefixes, vector, limit) => store.nearest(table, prefixes, vector, limit),
      drop: (pids) => store.drop(pids),
      close: () => store.close(),
    },
    keptMb: () => kept / MB,
    written: () => writing,
  }
}

/** What an entry of a sorted map takes beside its texts: two strings, two places. */
const ENTRY_BYTES = 100

/** Waits until simulated time stands still: nothing will ever happen again. */
async function quiet(clock: ReturnType<typeof simulatedClock>, written: () => unknown): Promise<void> {
  for (let turns = 0; turns < 64; turns = clock.pending === 0 && written() === undefined ? turns + 1 : 0)
    await new Promise((resolve) => void setImmediate(resolve))
}

/** Everything here is to be 0, but for ended processes that are kept. */
function floorOf(
  kernel: Kernel,
  clock: ReturnType<typeof simulatedClock>,
  { living, fault }: ReturnType<typeof createLedger>,
  countObjects: boolean,
): Day['floor'] {
  const { cores } = kernel
  const kept = kernel.ps()
  const zero = {
    living: living.size,
    running: kept.filter(({ endedAt }) => endedAt === null).length,
    questions: kernel.questions.length,
    queued: cores.reduce((sum, { waiting }) => sum + waiting, 0),
    'in flight': cores.reduce((sum, { inFlight }) => sum + inFlight, 0),
    timers: clock.pending,
    'objects of model calls': countObjects ? queryObjects(Exchange, { format: 'count' }) : 0,
    'objects of calls': countObjects ? queryObjects(Call, { format: 'count' }) : 0,
    'objects of processes that are not kept': countObjects
      ? Math.max(0, queryObjects(Process, { format: 'count' }) - kept.length)
      : 0,
  }
  for (const [table, count] of Object.entries(zero)) if (count > 0) fault(`${count} ${table} are left`)
  if (kept.length > ENDED_MAX + RETIRE_STEP) fault(`${kept.length} processes are kept, and the limit is ${ENDED_MAX}`)
  return { ...zero, kept: kept.length }
}

function growthOf(samples: readonly Hour[], hours: number): number {
  const meanOf = (quarter: number): number => {
    const taken = samples.filter(({ hour }) => hour > ((quarter - 1) * hours) / 4 && hour <= (quarter * hours) / 4)
    return taken.reduce((sum, { heapMb, keptMb }) => sum + heapMb - keptMb, 0) / taken.length
  }
  return Math.round((meanOf(4) / meanOf(2)) * 1_000) / 1_000
}

// ----------------------------------------------------------------------------------------------------------------- main

function main(): void {
  const { values } = parseArgs({
    options: {
      hours: { type: 'string', default: '24' },
      runs: { type: 'string', default: '1000' },
      store: { type: 'string' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean' },
    },
  })
  // A process of its own for each, so that neither has the heap of the other.
  if (values.store === undefined) {
    for (const store of ['memory', 'sqlite']) {
      const args = ['--disable-warning=ExperimentalWarning', import.meta.filename, ...process.argv.slice(2)]
      if (spawnSync(process.execPath, [...args, '--store', store], { stdio: 'inherit' }).status !== 0)
        process.exitCode = 1
    }
    return
  }
  const store = values.store === 'sqlite' ? 'sqlite' : 'memory'
  const options = { hours: Number(values.hours), runs: Number(values.runs), store, seed: Number(values.seed) } as const
  void liveADay(options).then((day) => {
    if (values.json === true) console.log(JSON.stringify({ store, ...day }))
    else {
      const { hours, faults, ...rest } = day
      console.table(
        hours.map((one) =>
          Object.fromEntries(Object.entries(one).map(([name, value]) => [name, Math.round(value * 10) / 10])),
        ),
      )
      console.log({ store, ...rest })
      for (const one of faults) console.log(`FAULT ${one}`)
    }
    if (day.faults.length > 0) process.exitCode = 1
  })
}

if (import.meta.main) main()
