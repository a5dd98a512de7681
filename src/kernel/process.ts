/**
 * A process: a record, its open calls, its budget. State changes by named actions in one function, `transition`.
 *
 * States: `running` (it has a program frame), `stopped` (its journal is all there is; it can be resumed), and the three
 * ends `done`, `failed`, `killed`.
 *
 * Invariants
 *   P1. An ended process never changes again and has no open call.
 *   P2. A child ends no later than its parent.
 *   P3. Along every path from a process to its root: used + reserved <= budget at the moment a call is let through.
 */
import type { LanguageModelV4Message } from '@ai-sdk/provider'
import type { Text } from '../policy/values.ts'
import { abort } from './abort.ts'
import type { Timer } from './clock.ts'
import type { Dispatchable } from './dispatcher.ts'
import type { ProcessHead } from './drivers.ts'
import type { ErrorData } from './errors.ts'
import { PolityError } from './errors.ts'
import type { Past } from './past.ts'
import type { Space, Spaces } from './spaces.ts'
import { rootSpaces } from './spaces.ts'
import type { Told } from './told.ts'
import type {
  Budget,
  CallEnd,
  CallName,
  CallUsage,
  Json,
  Mail,
  Pid,
  ProcessInfo,
  ProcessStart,
  ProcessState,
  Program,
  Reservation,
  Standing,
  Tool,
  Usage,
} from './types.ts'

/** What is told that its call was cancelled. An object and not a function: a model call is one already (exchange.ts). */
export interface Abortable {
  aborted(error: PolityError): void
}

/** A system call that has not ended: what its mechanism may know and do. */
export class Call {
  readonly process: Process
  readonly n: number
  readonly name: CallName
  args: Json = null
  /** What the law sees, where that is more than what the journal has. */
  judged: Json | undefined = undefined
  /** False once the call has its end; whatever a driver says later is not heard. */
  open = true
  startedAt = 0
  /** Place of its start in the journal: the same for every try, in every frame. */
  startSeq = 0
  /** In whose journal that is: of a call that a fork took over, its origin's. */
  startPid = 0
  /** Counted as a step: a step is a call, however often it is tried. */
  counted = false
  /** Whether its process may learn its end: false while the journal is still being kept. */
  ready = false
  /** Time in a core's queue, ms. */
  waitedMs = 0
  /** Core it waits for or runs on, for `ps`. */
  core: string | undefined = undefined
  inQueue = false
  reserved: Reservation | undefined = undefined
  usage: CallUsage | undefined = undefined
  value: Json | undefined = undefined
  /** State of a tool that is kept with its end (tool-state.ts). */
  held: { readonly name: string; readonly state: Json; readonly labels: readonly string[] } | undefined = undefined
  /** The law let it through, and its standing knows. */
  passed = false
  /** The law refused it. */
  refused = false
  /** Labels of the value. */
  labels: readonly string[] | undefined = undefined
  error: ErrorData | undefined = undefined
  /** Its end as the journal has it. */
  end: CallEnd | undefined = undefined
  timer: Timer | undefined = undefined
  /** The same call in forks that were made while it was open: they get its end, so that its effect is not done again. */
  followers: { readonly call: Call; readonly goOn: () => void }[] | undefined = undefined
  /** What the program was given, and what settles it: with a value, or with a promise that is rejected. */
  promise: Promise<unknown> | undefined = undefined
  resolve: (value: unknown) => void = ignore
  #controller: AbortController | undefined = undefined
  #aborted: PolityError | undefined = undefined
  /** One listener, as nearly always, or several. */
  #onAbort: Abortable | Abortable[] | undefined = undefined

  constructor(process: Process, n: number, name: CallName) {
    this.process = process
    this.n = n
    this.name = name
  }

  /** Made when first asked for: most calls never need one. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted)
    }
    return this.#controller.signal
  }

  /** Tells `one` when the call is cancelled; at once if it already is. */
  onAbort(one: Abortable): void {
    if (this.#aborted !== undefined) one.aborted(this.#aborted)
    else if (this.#onAbort === undefined) this.#onAbort = one
    else if (Array.isArray(this.#onAbort)) this.#onAbort.push(one)
    else this.#onAbort = [this.#onAbort, one]
  }

  /** Tells driver and mechanism to stop. */
  abort(error: PolityError): void {
    if (this.#aborted !== undefined) return
    this.#aborted = error
    if (this.#controller !== undefined) abort(this.#controller, error)
    const told = this.#onAbort
    this.#onAbort = undefined
    if (Array.isArray(told)) for (const one of told) one.aborted(error)
    else told?.aborted(error)
  }

  /** `promise`, or the cancellation if that comes first. Whatever a driver does, its caller goes on. */
  race<T>(promise: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.onAbort({ aborted: reject })
      promise.then(resolve, reject)
    })
  }
}

function ignore(): void {}

const CLEAN: Standing = Object.freeze({ fired: Object.freeze([]), trace: Object.freeze([]), labels: Object.freeze([]) })

export function isClean({ fired, trace, runaway, labels }: Standing): boolean {
  return fired.length === 0 && trace.length === 0 && runaway === undefined && labels.length === 0
}

/** Labels of what a process makes of what it has learned; undefined for none. */
export function labelsOf(process: Process): readonly string[] | undefined {
  return process.standing.labels.length === 0 ? undefined : process.standing.labels
}

/** What pays for calls: a process, those above it, and the account that its root draws on. */
export interface Payer {
  /** As errors name it. */
  readonly label: string
  /** null for an account. */
  readonly pid: Pid | null
  readonly budget: Budget
  readonly used: { -readonly [K in keyof Usage]: Usage[K] }
  reservedTokens: number
  reservedUsd: number
  readonly above: Payer | undefined
  /** Calls that wait until something comes back to it, in the order in which they came; undefined where none does. */
  line: Set<Waiting> | undefined
}

/** A call that waits for room in a budget (room.ts). */
export interface Waiting {
  readonly call: Call
  /** The place in which it came among all that ever waited. */
  readonly came: number
  /** Tries to go on; gives who has to get something back first, undefined where it went on or ended. */
  readonly go: () => Payer | undefined
  /** In whose line it stands. */
  at: Payer
}

/** Nothing used yet. */
export function unused(): { -readonly [K in keyof Usage]: Usage[K] } {
  return { inputTokens: 0, cachedTokens: 0, outputTokens: 0, usd: 0, steps: 0, calls: 0, children: 0 }
}

/** The answer of a tool, with what is known of it as a source of values. */
export interface LearnedAnswer {
  readonly tool: string
  readonly labels: readonly string[] | undefined
  readonly isTrusted: boolean
  /** Whether it is a source for rules that name tools or labels; else only as a trusted one. */
  readonly isNamed: boolean
  /** Place of its end in the journal. */
  readonly seq: number
  /** The texts in it, to look for values in. */
  readonly text: Text
}

/** What a process has beside what its start event says. */
export interface ProcessLinks {
  readonly parent: Process | undefined
  /** Of a root that draws on an account. */
  readonly account?: Payer | undefined
  readonly program: Program
  readonly tools: ReadonlyMap<string, Tool>
  /** For a fork: the spaces it branched off. @default those of its parent; of a root, its own */
  readonly branch?: Spaces | undefined
}

/** Shared by all that wait for nothing. Frozen, so that nobody changes it by mistake. */
export const NO_CALLS = Object.freeze([]) as unknown as Call[]
/** What a call holds that holds nothing back. */
export const NOTHING_RESERVED: Reservation = Object.freeze({ tokens: 0, usd: 0 })

/** The record of a process. */
export class Process implements Dispatchable, Payer {
  readonly pid: Pid
  readonly start: ProcessStart
  readonly parent: Process | undefined
  readonly above: Payer | undefined
  readonly program: Program
  readonly tools: ReadonlyMap<string, Tool>
  readonly branch: ProcessLinks['branch']

  state: ProcessState = 'running'
  value: Json | undefined = undefined
  error: ErrorData | undefined = undefined
  endedAt: number | undefined = undefined
  /** Descendants of the first degree that run, and those that ended and were not waited for. */
  children: Set<Process> | undefined = undefined

  /** Counts restarts of the program frame (resume, restore): what an old frame still does is not heard. */
  frame = 0
  /** Its end is under way. */
  ending = false
  /** The program has been called in this frame. */
  entered = false
  /** System calls made in this frame. */
  made = 0
  /** Random numbers drawn in this frame. */
  drawn = 0
  /** Time of the last thing learned, ms. */
  learnedAt: number
  open: Call[] = []
  /** Ended calls whose end the program has not learned yet; replaced, not changed, while it is empty. */
  ends: Call[] = NO_CALLS
  /** The journal's part of this process while it is being replayed. */
  past: Past | undefined = undefined
  mail: Mail[] | undefined = undefined
  /** Its open `receive` calls, oldest first. */
  receivers: Call[] | undefined = undefined
  /** `wait` calls of others for this process. */
  onEnd: Set<(process: Process) => void> | undefined = undefined
  /** What doors hear of its end: one for all of them, made when first asked for. */
  result: Pick<PromiseWithResolvers<Json>, 'promise' | 'resolve'> | undefined = undefined
  /** Messages of the last `generate`, to journal only what is new. */
  lastPrompt: { readonly n: number; readonly messages: readonly LanguageModelV4Message[] } | undefined = undefined
  wallTimer: Timer | undefined = undefined

  used: { -readonly [K in keyof Usage]: Usage[K] } = unused()
  reservedTokens = 0
  reservedUsd = 0
  line: Set<Waiting> | undefined = undefined
  standing: Standing
  /** Answers of tools in which access.ts looks for values: of those that are declared trusted, and of all where the law asks. */
  answers: LearnedAnswer[] | undefined = undefined
  /** Characters in them; Infinity once one more did not fit. */
  answerChars = 0
  /** Of a root: what the tools of its tree were told (told.ts), once something asks for it. */
  told: Told | undefined = undefined
  /** Names of tools whose answers, or errors, it has learned, also through notes. */
  heard: readonly string[] | undefined = undefined

  queued = false
  readonly #learn: (process: Process) => boolean

  constructor(
    start: ProcessStart,
    { parent, account, program, tools, branch }: ProcessLinks,
    learn: (process: Process) => boolean,
  ) {
    this.pid = start.pid
    this.start = start
    this.parent = parent
    this.above = parent ?? account
    this.program = program
    this.tools = tools
    this.branch = branch
    this.learnedAt = start.at
    this.standing = start.standing ?? CLEAN
    this.#learn = learn
  }

  // What its start event says is read there: a hundred thousand parked processes pay for each field.
  get principal(): string {
    return this.start.principal
  }

  get label(): string {
    return `process ${this.pid}`
  }

  get priority(): number {
    return this.start.priority
  }

  get budget(): Budget {
    return this.start.budget
  }

  get startedAt(): number {
    return this.start.at
  }

  get root(): Process {
    return this.parent === undefined ? this : this.parent.root
  }

  get depth(): number {
    return this.parent === undefined ? 0 : this.parent.depth + 1
  }

  get files(): Space {
    return this.spaces.files
  }

  get notes(): Space {
    return this.spaces.notes
  }

  get spaces(): Spaces {
    return this.branch ?? this.parent?.spaces ?? rootSpaces(this.start)
  }

  learn(): boolean {
    return this.#learn(this)
  }

  get ended(): boolean {
    return this.state !== 'running' && this.state !== 'stopped'
  }
}

/** What can happen to the state of a process. */
export type Action =
  | {
      readonly type: 'end'
      readonly state: 'done' | 'failed' | 'killed'
      readonly at: number
      readonly value?: Json
      readonly error?: ErrorData
    }
  | { readonly type: 'stop'; readonly error: ErrorData }
  /** The program frame is left behind; the next one follows with `restart`. */
  | { readonly type: 'leave' }
  | { readonly type: 'restart'; readonly past: Past | undefined }

/** The only place where the state of a process changes. */
export function transition(process: Process, action: Action): void {
  if (process.ended) throw new Error(`process ${process.pid} has ended and cannot ${action.type}`)
  process.frame++
  process.ends = NO_CALLS
  process.receivers = undefined
  switch (action.type) {
    case 'end':
      process.state = action.state
      process.value = action.value
      process.error = action.error
      process.endedAt = action.at
      process.past = undefined
      process.told = undefined
      process.mail = undefined
      process.lastPrompt = undefined
      return
    case 'stop':
      process.state = 'stopped'
      process.error = action.error
      process.past = undefined
      return
    case 'leave':
      process.past = undefined
      return
    case 'restart': {
      // Who was told that it stopped has had that; now it may end.
      if (process.state === 'stopped') process.result = undefined
      process.state = 'running'
      process.error = undefined
      process.entered = false
      process.made = 0
      process.drawn = 0
      process.learnedAt = action.past?.startedAt ?? process.startedAt
      process.lastPrompt = undefined
      process.standing = process.start.standing ?? CLEAN
      process.answers = undefined
      process.answerChars = 0
      process.heard = undefined
      process.past = action.past
      // What came in since the past was read is waiting too.
      const { mail = [], lastSeq = -1 } = action.past ?? {}
      const waiting = [...mail, ...(process.mail ?? []).filter((one) => one.id > lastSeq)]
      process.mail = waiting.length === 0 ? undefined : waiting
    }
  }
}

// ----------------------------------------------------------------------------------------------------------- budgets

/** What something may take from the budgets. */
export interface Charge {
  readonly tokens?: number
  readonly usd?: number
  readonly steps?: number
  readonly children?: number
}

/** The first ceiling on the way to the root that the charge would break, as an error; undefined if there is none. What is set aside for calls under way counts as used. */
export function overBudget(process: Process, charge: Charge): PolityError | undefined {
  for (let at: Payer | undefined = process; at !== undefined; at = at.above) {
    const short = shortage(at, charge, true)
    if (short !== undefined) return exceeded(at, short)
  }
  return undefined
}

/**
 * The first on the way to the root who would have room for the charge if nothing were set aside, and has none now; undefined
 * where all have it. Throws `BUDGET_EXCEEDED` where what is spent leaves too little.
 */
export function busyPayer(process: Process, charge: Charge): Payer | undefined {
  let busy: Payer | undefined
  for (let at: Payer | undefined = process; at !== undefined; at = at.above) {
    if (shortage(at, charge, true) === undefined) continue
    const spent = shortage(at, charge, false)
    if (spent !== undefined) throw exceeded(at, spent)
    busy ??= at
  }
  return busy
}

/** What one payer lacks for a charge, by the first ceiling that it would break. */
interface Shortage {
  readonly kind: keyof Budget
  readonly used: number
  readonly reserved: number
  readonly wanted: number
  readonly budget: number
}

/** What is set aside for calls under way counts as used where `isHeldCounted`. */
function shortage(payer: Payer, charge: Charge, isHeldCounted: boolean): Shortage | undefined {
  const { budget, used } = payer
  const held = isHeldCounted ? payer : NOTHING_HELD
  return (
    beyond('steps', used.steps, 0, charge.steps, budget.steps) ??
    beyond('children', used.children, 0, charge.children, budget.children) ??
    beyond('tokens', used.inputTokens + used.outputTokens, held.reservedTokens, charge.tokens, budget.tokens) ??
    beyond('usd', used.usd, held.reservedUsd, charge.usd, budget.usd)
  )
}

function beyond(
  kind: keyof Budget,
  used: number,
  reserved: number,
  wanted: number | undefined,
  budget: number | undefined,
): Shortage | undefined {
  if (wanted === undefined || budget === undefined || used + reserved + wanted <= budget) return undefined
  return { kind, used, reserved, wanted, budget }
}

const NOTHING_HELD = { reservedTokens: 0, reservedUsd: 0 }

function exceeded({ label, pid }: Payer, short: Shortage): PolityError {
  const { kind, used, reserved, wanted, budget } = short
  const held = reserved === 0 ? '' : ` and ${round(reserved)} reserved`
  return new PolityError(
    'BUDGET_EXCEEDED',
    `${label} has a budget of ${budget} ${kind}: ${round(used)} used${held}, ${round(wanted)} more needed`,
    { detail: { pid, ...short } },
  )
}

function round(value: number): number {
  return Math.round(value * 1e6) / 1e6
}

/** Tokens that are not spent, by the tightest budget on the way to the root; Infinity without one. Some may be set aside. */
export function tokensLeft(process: Process): number {
  let left = Infinity
  for (let at: Payer | undefined = process; at !== undefined; at = at.above) {
    if (at.budget.tokens !== undefined)
      left = Math.min(left, at.budget.tokens - at.used.inputTokens - at.used.outputTokens)
  }
  return left
}

/** US dollars that are not spent, by the tightest budget; Infinity without one. Some may be set aside. */
export function usdLeft(process: Process): number {
  let left = Infinity
  for (let at: Payer | undefined = process; at !== undefined; at = at.above) {
    if (at.budget.usd !== undefined) left = Math.min(left, at.budget.usd - at.used.usd)
  }
  return left
}

/** Sets aside, here and in every ancestor. */
export function reserve(process: Process, { tokens, usd }: Reservation): void {
  for (let at: Payer | undefined = process; at !== undefined; at = at.above) {
    at.reservedTokens += tokens
    at.reservedUsd += usd
  }
}

/** Gives back what was set aside. */
export function unreserve(process: Process, { tokens, usd }: Reservation): void {
  for (let at: Payer | undefined = process; at !== undefined; at = at.above) {
    at.reservedTokens -= tokens
    at.reservedUsd = at.reservedTokens === 0 ? 0 : at.reservedUsd - usd
  }
}

/** Adds to what the process and its ancestors used. */
export function charge(process: Process, more: Partial<Usage>): void {
  for (let at: Payer | undefined = process; at !== undefined; at = at.above) {
    const { used } = at
    if (more.inputTokens !== undefined) used.inputTokens += more.inputTokens
    if (more.cachedTokens !== undefined) used.cachedTokens += more.cachedTokens
    if (more.outputTokens !== undefined) used.outputTokens += more.outputTokens
    if (more.usd !== undefined) used.usd += more.usd
    if (more.steps !== undefined) used.steps += more.steps
    if (more.calls !== undefined) used.calls += more.calls
    if (more.children !== undefined) used.children += more.children
  }
}

// ------------------------------------------------------------------------------------------------------------- views

/** A process as doors show it: plain data. */
export function processInfo(process: Process): ProcessInfo {
  const call = process.open[0]
  return {
    pid: process.pid,
    parent: process.parent?.pid ?? null,
    forkOf: process.start.forkOf?.pid ?? null,
    program: process.program.name,
    version: process.program.version,
    name: process.start.name,
    principal: process.principal,
    priority: process.priority,
    state: process.state,
    waiting: call === undefined || process.state !== 'running' ? null : waitingFor(call, process.open.length),
    core: call?.core ?? null,
    queued: call?.inQueue ?? false,
    startedAt: process.startedAt,
    endedAt: process.endedAt ?? null,
    usage: { ...process.used },
    budget: process.budget,
    error: process.error ?? null,
  }
}

/** The same of a process of which only the first and the last event are known; `withoutEnd`: its state where it has no end. */
export function headInfo({ start, end }: ProcessHead, withoutEnd: 'running' | 'stopped'): ProcessInfo {
  return {
    pid: start.pid,
    parent: start.parent,
    forkOf: start.forkOf?.pid ?? null,
    program: start.program,
    version: start.version,
    name: start.name,
    principal: start.principal,
    priority: start.priority,
    state: end?.state ?? withoutEnd,
    waiting: null,
    core: null,
    queued: false,
    startedAt: start.at,
    endedAt: end?.at ?? null,
    usage: end?.usage ?? unused(),
    budget: start.budget,
    error: end?.error ?? null,
  }
}

function waitingFor(call: Call, open: number): string {
  const more = open > 1 ? ` +${open - 1}` : ''
  const args = call.args as { readonly tool?: string; readonly pid?: number } | null
  return `${call.name}${detailOf(call, args)}${more}`
}

function detailOf(
  { name, inQueue, core }: Call,
  args: { readonly tool?: string; readonly pid?: number } | null,
): string {
  if (name === 'call') return `(${args?.tool ?? ''})`
  if (name === 'wait') return `(${args?.pid ?? ''})`
  return inQueue && core === undefined ? '(budget)' : ''
}
