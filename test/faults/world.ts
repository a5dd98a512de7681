/**
 * A world from a seed: a kernel with programs, models, tools, people and a store, all of which fail; and what came of it.
 *
 *     const world = await runWorld(123)
 *     for (const promise of promises) promise(world)
 *
 * Everything random comes from the seed and all time from one stepped clock, so a seed is a whole story that can be told
 * again. Crashes drop the kernel where it is: nothing is delivered to it any more, and the next one finds what was committed.
 */
import { memoryStore } from '../../src/drivers/store/memory.ts'
import { PolityError } from '../../src/kernel/errors.ts'
import type { DisciplineName } from '../../src/kernel/disciplines.ts'
import { disciplineNames } from '../../src/kernel/disciplines.ts'
import type { Batch, Store } from '../../src/kernel/drivers.ts'
import type { Kernel, KernelOptions, Run } from '../../src/kernel/kernel.ts'
import { createKernel } from '../../src/kernel/kernel.ts'
import type { JournalEvent, Json, Pid, Question } from '../../src/kernel/types.ts'
import type { Law, Rule } from '../../src/policy/law.ts'
import type { Life, Time } from './clock.ts'
import { createTime } from './clock.ts'
import type { Deed } from './ledger.ts'
import { createTools, toolNames } from './ledger.ts'
import { createActor, createBudget, createScript } from './programs.ts'
import type { Arrival, Bill, CoreSpec } from './provider.ts'
import { createProvider } from './provider.ts'
import type { Random } from './random.ts'
import { createRandom } from './random.ts'
import type { StoreFaults, StoreView } from './store.ts'
import { faultyStore } from './store.ts'

/** Simulated time after which a world should long have ended, ms. */
const WORLD_MS_MAX = 30 * 24 * 3_600_000
/** Timers after which a world goes round in circles. */
const STEPS_MAX = 60_000
/** Halts of the kernel after which the disk is mended, and is full no more. */
const HALTS_TILL_MENDED = 5
/**
 * Lives after which it does, too: the first, one after each of at most 6 crashes (`crashesMax`, which also counts closes) and
 * one after each of 5 halts. The other faults of a store halt a kernel as well, four in a row, and are counted with them; one
 * that came after the 5 would be one more, and the 20,000 worlds of the long run have none.
 */
const LIVES_MAX = 12
/** Descendants of one root. */
const CHILDREN_MAX = 20

export const limits = {
  waitMs: 3_600_000,
  askMs: 300_000,
  toolMs: 20_000,
  generateMs: 30_000,
  coreWaitMs: 600_000,
  generateBackoffMs: 50,
  outputTokensDefault: 120,
  processesLiveMax: 40,
  processDepthMax: 6,
  callsPerProcessMax: 400,
  commitRetryMs: 20,
  commitTriesMax: 4,
  breakerOpenMs: 3_000,
} as const

/** What makes the worlds of a family differ from those that seeds alone make: for tests of the tests. */
export interface WorldOptions {
  readonly kernel?: (options: KernelOptions) => KernelOptions
  readonly store?: (store: Store, life: Life) => Store
}

export interface Answer {
  readonly question: Question
  readonly text: string
  readonly life: number
  readonly key: string | undefined
}

export interface World {
  readonly seed: number
  readonly journal: readonly JournalEvent[]
  readonly store: Store
  readonly law: Law | undefined
  readonly cores: readonly CoreSpec[]
  readonly deeds: readonly Deed[]
  /** Deeds and arrivals of a process that, as its kernel knew, had ended. */
  readonly afterEnd: readonly string[]
  readonly bills: readonly Bill[]
  readonly arrivals: readonly Arrival[]
  readonly answers: readonly Answer[]
  readonly asked: readonly { readonly question: Question; readonly life: number }[]
  readonly acknowledged: readonly { readonly kind: string; readonly pid: Pid; readonly value: Json }[]
  readonly heard: readonly JournalEvent[]
  readonly results: readonly { readonly pid: Pid; readonly value?: Json; readonly error?: string }[]
  /** `seq` of the last event that each life found at its start. */
  readonly lives: readonly { readonly firstSeq: number }[]
  readonly replays: readonly { readonly pid: Pid; readonly same: boolean; readonly difference: string | undefined }[]
  /** What was seen to be wrong while it ran, by promise. */
  readonly faults: readonly { readonly promise: number; readonly what: string }[]
  readonly ms: number
  readonly steps: number
  readonly crashes: number
  /** Clock jumps, crashes or stops that delay timers. */
  readonly delayed: boolean
}

interface Plan {
  readonly cores: readonly CoreSpec[]
  readonly law: Law | undefined
  readonly discipline: DisciplineName
  readonly storeFaults: StoreFaults
  readonly toolFaultRate: number
  readonly toolCrash: number
  readonly crashesMax: number
  readonly watched: boolean
  readonly strict: boolean
  readonly yields: boolean
}

function createPlan(random: Random): Plan {
  const calm = random.chance(0.15)
  const crashy = !calm && random.chance(0.8)
  const rate = (p: number, value: number): number => (!calm && random.chance(p) ? value : 0)
  const cores = Array.from({ length: random.int(1, 3) }, (_, i): CoreSpec => ({
    id: `test/m${i}`,
    slots: random.chance(0.7) ? random.int(1, 3) : undefined,
    requestsPerMinute: random.chance(0.15) ? random.int(2, 20) : undefined,
    price: random.chance(0.7) ? { input: random.int(1, 5), output: random.int(5, 20) } : undefined,
    faultRate: rate(0.7, random.pick([0.05, 0.2, 0.5])),
    refuses: random.chance(0.5),
    crash: crashy ? rate(0.5, 0.03) : 0,
  }))
  return {
    cores,
    law: random.chance(0.5) ? undefined : createLaw(random),
    discipline: random.pick(disciplineNames),
    storeFaults: {
      failBefore: rate(0.4, 0.05),
      failAfter: rate(0.4, 0.05),
      slow: rate(0.4, 0.2),
      crash: crashy ? rate(0.6, 0.02) : 0,
      full: rate(0.1, 0.01),
    },
    toolFaultRate: rate(0.6, random.pick([0.1, 0.3])),
    toolCrash: crashy ? rate(0.6, 0.06) : 0,
    crashesMax: crashy ? random.int(1, 6) : 0,
    watched: random.chance(0.5),
    strict: random.chance(0.3),
    yields: random.chance(0.5),
  }
}

function createLaw(random: Random): Law {
  const rules: Rule[] = [
    { id: 'secret', effect: 'deny', tool: 'secret' },
    { id: 'risky', effect: 'ask', tool: 'risky' },
    { id: 'small', effect: 'deny', tool: 'pay', args: { amount: { minimum: 60 } } },
  ]
  if (random.chance(0.3)) rules.push({ id: 'no-notes', effect: 'deny', call: 'remember', principal: 'eve' })
  if (random.chance(0.3)) rules.push({ id: 'ask-model', effect: 'ask', call: 'generate', principal: 'eve' })
  if (random.chance(0.3))
    rules.push({ id: 'ask-child', effect: 'ask', call: random.pick(['spawn', 'write', 'fork']), principal: 'local' })
  if (random.chance(0.9)) rules.push({ id: 'tools', effect: 'allow', call: 'call' })
  return { rules }
}

export async function runWorld(seed: number, options: WorldOptions = {}): Promise<World> {
  const plan = createPlan(createRandom(seed, 1))
  const random = createRandom(seed, 2)
  const time = createTime(seed, plan.yields)
  const inner = memoryStore()
  const record = {
    deeds: [],
    bills: [],
    arrivals: [],
    answers: [],
    asked: [],
    acknowledged: [],
    heard: [],
    results: [],
    lives: [],
    replays: [],
    faults: [],
    afterEnd: [],
  } as Mutable<
    Pick<
      World,
      | 'deeds'
      | 'bills'
      | 'arrivals'
      | 'answers'
      | 'asked'
      | 'acknowledged'
      | 'heard'
      | 'results'
      | 'lives'
      | 'replays'
      | 'faults'
      | 'afterEnd'
    >
  >
  const note = (promise: number, what: string): void => void record.faults.push({ promise, what })
  let life: Life | undefined
  let kernel: Kernel | undefined
  let view: StoreView | undefined
  const committed: JournalEvent[] = []
  let committedSeq = -1
  const endsKept = new Set<Pid>()
  let crashes = 0
  let halts = 0
  let delayed = false
  let pendingResults = new Map<Promise<Json>, Pid>()
  let idleSince = new Map<string, { admitted: number; at: number }>()
  let questionsSeen = new Set<number>()
  let rootsLeft = random.int(1, 6)

  function crash(): boolean {
    if (life === undefined || !life.alive || crashes >= plan.crashesMax) return false
    life.alive = false
    crashes++
    delayed = true
    return true
  }

  const providers = plan.cores.map((core) =>
    createProvider(core, {
      time,
      random,
      crash,
      onBill: (bill) => void record.bills.push(bill),
      onArrival(arrival) {
        record.arrivals.push(arrival)
        checkArrival(core, arrival)
      },
    }),
  )

  function isEnded(pid: Pid): boolean {
    try {
      return !['running', 'stopped'].includes((kernel as Kernel).info(pid).state)
    } catch {
      return false
    }
  }

  function checkArrival(core: CoreSpec, { pid, n, life: number, at }: Arrival): void {
    if (isEnded(pid)) record.afterEnd.push(`the model was asked for process ${pid}`)
    // What is sent must be known to whoever comes after a crash.
    const fact = committed.findLast((event) => event.pid === pid && 'n' in event && event.n === n)
    if (!['call-start', 'call-reserve', 'call-sent'].includes(fact?.type ?? ''))
      note(3, `call ${n} of process ${pid} was sent, and the journal has ${fact?.type ?? 'nothing'} of it last`)
    if (core.requestsPerMinute === undefined) return
    const within = record.arrivals.filter((one) => one.core === core.id && one.life === number && one.at > at - 60_000)
    if (within.length > core.requestsPerMinute)
      note(6, `${core.id} takes ${core.requestsPerMinute} requests a minute and was sent ${within.length}`)
  }

  /** All that was ever kept, also what the kernel removed later. */
  function onCommit({ events }: Batch): void {
    for (const event of events) {
      if (event.seq <= committedSeq) continue
      committed.push(event)
      if (event.type === 'process-end') endsKept.add(event.pid)
    }
    committedSeq = Math.max(committedSeq, inner.lastSeq())
  }

  function boot(): void {
    if (record.lives.length >= LIVES_MAX) throw new Error('too many lives')
    const mine = time.live()
    life = mine
    view = faultyStore({
      inner,
      faults: plan.storeFaults,
      random,
      time,
      life: mine,
      durability: plan.strict ? 'strict' : 'relaxed',
      crash,
      onCommit,
      isMended: () => halts >= HALTS_TILL_MENDED,
    })
    const store = options.store?.(view.store, mine) ?? view.store
    const kernelOptions: KernelOptions = {
      store,
      clock: mine.clock,
      limits,
      discipline: plan.discipline,
      models: Object.fromEntries(
        plan.cores.map((core, i) => [
          core.id,
          {
            model: (providers[i] as ReturnType<typeof createProvider>)(mine),
            ...(core.slots === undefined ? {} : { slots: core.slots }),
            ...(core.requestsPerMinute === undefined ? {} : { requestsPerMinute: core.requestsPerMinute }),
            ...(core.price === undefined ? {} : { price: core.price }),
          },
        ]),
      ),
      programs: [
        createActor((kind, pid, value) => mine.alive && record.acknowledged.push({ kind, pid, value })) as never,
      ],
      tools: createTools(mine, {
        time,
        random,
        faults: { rate: plan.toolFaultRate, crash: plan.toolCrash },
        crash,
        onDeed(deed) {
          record.deeds.push(deed)
          if (isEnded(deed.pid)) record.afterEnd.push(`tool ${deed.tool} acted for process ${deed.pid}`)
        },
      }),
      ...(plan.law === undefined ? {} : { law: plan.law }),
    }
    record.lives.push({ firstSeq: inner.lastSeq() })
    pendingResults = new Map()
    idleSince = new Map()
    questionsSeen = new Set()
    kernel = createKernel(options.kernel?.(kernelOptions) ?? kernelOptions)
    if (plan.watched) kernel.watch((event) => mine.alive && event.type !== 'text-delta' && hear(event))
    if (kernel.ps().length > 0) for (const run of kernel.resume()) follow(run as Run, mine)
  }

  function hear(event: JournalEvent): void {
    if (inner.lastSeq() < event.seq) note(2, `event ${event.seq} was told before it was kept`)
    record.heard.push(event)
  }

  function follow(run: Run<Json>, mine: Life): void {
    const { pid, result } = run
    pendingResults.set(result, pid)
    result.then(
      (value) => {
        pendingResults.delete(result)
        if (!mine.alive) return
        if (!endsKept.has(pid)) note(2, `the result of process ${pid} was told before it was kept`)
        record.results.push({ pid, value })
      },
      (error: unknown) => {
        pendingResults.delete(result)
        if (mine.alive)
          record.results.push({ pid, error: PolityError.isInstance(error) ? error.code : `not ours: ${String(error)}` })
      },
    )
  }

  function spawnRoot(): void {
    if (rootsLeft === 0) return
    rootsLeft--
    const script = createScript(random, { models: plan.cores.map(({ id }) => id), depth: 3, opsMax: 12 })
    const tools = random.chance(0.2) ? { tools: toolNames.filter(() => random.chance(0.6)) } : {}
    try {
      const run = (kernel as Kernel).spawn('actor', script as unknown as Json, {
        principal: random.pick(['local', 'eve', 'adam']),
        // Forks that turn back to before they forked would go on for hours.
        budget: { children: CHILDREN_MAX, ...(random.chance(0.6) ? createBudget(random) : {}) },
        ...(random.chance(0.3) ? { name: random.pick(['ann', 'bob']) } : {}),
        ...(random.chance(0.3) ? { priority: random.int(-3, 3) } : {}),
        ...tools,
      })
      follow(run as Run<Json>, life as Life)
    } catch (error) {
      refusedOnlyAs(error, ['STORE_FAILED', 'KERNEL_CLOSED', 'LIMIT_EXCEEDED'])
    }
  }

  function refusedOnlyAs(error: unknown, codes: readonly string[]): void {
    if (!PolityError.isInstance(error) || !codes.includes(error.code)) throw error
  }

  /** Something that a person, a door or the machine does from outside. */
  function meddle(): void {
    if (life?.alive !== true || kernel === undefined) return
    const running = kernel.ps().filter((one) => one.state === 'running')
    const pid = running.length === 0 ? 0 : random.pick(running).pid
    try {
      switch (random.pick(['kill', 'send', 'fork', 'jump', 'crash', 'crash', 'close', 'collect'] as const)) {
        case 'kill':
          if (pid !== 0) kernel.kill(pid, 'by the world')
          break
        case 'send':
          if (pid !== 0) kernel.send(pid, 'from outside')
          break
        case 'fork': {
          const mine = life
          if (pid === 0) break
          kernel.fork(pid, random.chance(0.5) ? {} : { at: random.int(0, 3) }).then(
            (run) => mine.alive && follow(run as Run<Json>, mine),
            (error: unknown) =>
              mine.alive &&
              refusedOnlyAs(error, [
                'STORE_FAILED',
                'KERNEL_CLOSED',
                'LIMIT_EXCEEDED',
                'INVALID_ARGUMENT',
                'NO_SUCH_PROCESS',
              ]),
          )
          break
        }
        case 'jump':
          delayed = true
          time.jump(random.int(1, 100_000))
          break
        case 'crash':
          crash()
          break
        case 'close':
          if (crashes < plan.crashesMax) {
            crashes++
            delayed = true
            const mine = life
            void kernel.close().then(() => (mine.alive = false))
          }
          break
        case 'collect':
          kernel.collect(random.int(0, 2)).catch((error) => refusedOnlyAs(error, ['STORE_FAILED', 'KERNEL_CLOSED']))
      }
    } catch (error) {
      refusedOnlyAs(error, ['STORE_FAILED', 'KERNEL_CLOSED'])
    }
  }

  /** People look at new questions, and answer some of them after a while: doubts by looking into the ledger. */
  function attend(): void {
    const mine = life as Life
    const { questions } = kernel as Kernel
    for (const question of questions) {
      if (questionsSeen.has(question.id)) continue
      questionsSeen.add(question.id)
      record.asked.push({ question, life: mine.number })
      if (random.chance(0.15)) continue
      time.after(random.int(0, 5_000), () => {
        if (!mine.alive || !(kernel as Kernel).questions.some(({ id }) => id === question.id)) return
        const key =
          question.kind === 'in-doubt' ? (question.detail as { idempotencyKey: string }).idempotencyKey : undefined
        const deed = record.deeds.find((one) => one.key === key)
        const text =
          question.kind === 'ask'
            ? 'this'
            : question.kind === 'approval'
              ? random.pick(['allow', 'allow', 'deny'])
              : deed === undefined
                ? random.pick(['retry', 'retry', 'fail'])
                : 'done'
        record.answers.push({ question, text, life: mine.number, key })
        ;(kernel as Kernel).answer(question.id, text, deed?.result)
      })
    }
  }

  /** What must hold whenever nothing moves. */
  function look(): void {
    for (const core of (kernel as Kernel).cores) {
      const spec = plan.cores.find(({ id }) => id === core.id) as CoreSpec
      if (core.inFlight > core.slots && (spec.slots !== undefined || !spec.refuses))
        note(6, `${core.id} has ${core.slots} slots and ${core.inFlight} calls`)
      if (core.inFlight < 0 || core.waiting < 0)
        note(6, `${core.id} counts ${core.inFlight} in flight, ${core.waiting} waiting`)
      const isIdle = core.waiting > 0 && core.inFlight < core.slots && !core.open
      const since = idleSince.get(core.id)
      if (!isIdle) idleSince.delete(core.id)
      else if (since?.admitted !== core.admitted) idleSince.set(core.id, { admitted: core.admitted, at: time.now() })
      const idleMs = time.now() - (idleSince.get(core.id)?.at ?? time.now())
      // A steady core has no reason to keep anybody waiting; another one only until its minute or its pause is over.
      const patienceMs =
        spec.faultRate === 0 && spec.requestsPerMinute === undefined ? 0 : core.inFlight > 0 ? Infinity : 61_000
      if (isIdle && (patienceMs === 0 || idleMs > patienceMs) && !delayed)
        note(6, `${core.id} has ${core.inFlight} of ${core.slots} calls and ${core.waiting} wait for ${idleMs} ms`)
    }
    for (const { pid, state, usage, budget, error } of (kernel as Kernel).ps()) {
      if (error?.code === 'REPLAY_MISMATCH') note(5, error.message)
      if (budget.tokens !== undefined && usage.inputTokens + usage.outputTokens > budget.tokens)
        note(3, `process ${pid} (${state}) shows ${usage.inputTokens + usage.outputTokens} of ${budget.tokens} tokens`)
      if (budget.usd !== undefined && usage.usd > budget.usd + 1e-9)
        note(3, `process ${pid} (${state}) shows ${usage.usd} of ${budget.usd} dollars`)
      if (budget.steps !== undefined && usage.steps > budget.steps)
        note(3, `process ${pid} (${state}) shows ${usage.steps} of ${budget.steps} steps`)
      if (budget.children !== undefined && usage.children > budget.children)
        note(3, `process ${pid} (${state}) shows ${usage.children} of ${budget.children} children`)
    }
  }

  function isQuiet(): boolean {
    return rootsLeft === 0 && (kernel as Kernel).ps().every((one) => one.state !== 'running' && one.state !== 'stopped')
  }

  boot()
  const startedAt = time.now()
  let steps = 0
  for (let i = random.int(0, 8); i > 0; i--)
    time.after(random.pick([random.int(0, 200), random.int(0, 5_000), random.int(0, 30_000)]), meddle)
  spawnRoot()
  for (let i = rootsLeft; i > 0; i--) time.after(random.int(0, 2_000), () => life?.alive === true && spawnRoot())
  await time.drain()
  for (;;) {
    if (!(life as Life).alive) {
      await time.drain()
      time.jump(random.int(0, 2_000))
      boot()
      for (let i = random.chance(0.3) ? rootsLeft : 0; i > 0; i--)
        time.after(random.int(0, 500), () => life?.alive === true && spawnRoot())
      await time.drain()
      continue
    }
    look()
    attend()
    if (++steps > STEPS_MAX) {
      note(1, `no end after ${steps} timers`)
      break
    }
    if (await time.step()) continue
    // Nothing will happen any more: all is done, or the kernel halted, or roots were not spawned, or something hangs.
    const halted = isHalted(kernel as Kernel)
    if (!halted && isQuiet()) break
    if (halted) {
      if (pendingResults.size > 0)
        note(1, `the kernel halted and ${[...pendingResults.values()].join(', ')} was not told`)
      ;(life as Life).alive = false
      halts++
      delayed = true
      view?.heal()
      continue
    }
    if (rootsLeft > 0) spawnRoot()
    else {
      note(
        1,
        `nothing moves, and these do not end: ${JSON.stringify((kernel as Kernel).ps().filter((one) => one.endedAt === null))}`,
      )
      break
    }
    await time.drain()
  }
  if (time.now() - startedAt > WORLD_MS_MAX) note(1, `it took ${time.now() - startedAt} ms`)
  if (pendingResults.size > 0) note(1, `nobody was told of ${[...pendingResults.values()].join(', ')}`)

  const heads = [...inner.processes()]
  await replaySome(heads.filter(({ end }) => end !== undefined).map(({ start }) => start.pid))
  async function replaySome(pids: readonly Pid[]): Promise<void> {
    for (const pid of pids.slice(0, 4)) {
      let said: { same: boolean; difference?: string } | undefined
      void (kernel as Kernel).replay(pid).then(
        (report) => (said = report),
        (error: unknown) => (said = { same: false, difference: String(error) }),
      )
      await time.drain()
      while (said === undefined && (await time.step())) continue
      record.replays.push({
        pid,
        same: said?.same ?? false,
        difference: said === undefined ? 'it never ended' : said.difference,
      })
    }
  }
  return {
    seed,
    ...record,
    journal: committed,
    store: inner,
    law: plan.law,
    cores: plan.cores,
    ms: time.now() - startedAt,
    steps,
    crashes,
    delayed,
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] }

function isHalted(kernel: Kernel): boolean {
  try {
    kernel.resume()
    return false
  } catch {
    return true
  }
}

export type { Time }
