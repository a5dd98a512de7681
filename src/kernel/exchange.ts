/**
 * An exchange: one model call on its way through its cores. It waits for a turn, asks the driver, reads the answer and
 * gives the core back; goes to the queue again when it was refused, tries again after a pause, asks the next core.
 *
 * Written as a small machine of callbacks, not as async functions, and as one object that is at once the call in its
 * core's queue, the waiter of its time limits, what the dispatcher wakes and what hears that its call was cancelled: there is
 * one in every step of every agent.
 *
 * Invariants
 *   X1. A granted place on a core is given back exactly once, whatever the driver does.
 *   X2. A refusal (429) is the scheduler's business: the call goes back to the queue and its process never sees it, unless
 *       no waiting mends it (rate-limits.ts): then it is a failure of this core, with the provider's words.
 *   X3. What was sent is known from the journal before it is sent: a call that only waited has cost nothing.
 *   X4. After the call was cancelled, or its stay with a driver is over, nothing that the driver says is heard.
 *   X5. What earlier turns took and what the next may take are set aside before it is asked for, whatever the driver says.
 *   X6. Where a core lets calls make room for others, an answer may come in turns: the exchange goes back to the queue with
 *       what it has, as old as it was, and later goes on. Its program gets one answer, and what the turns took together.
 *   X7. What a turn came to is in the journal before the next is asked for: after a crash the call goes on behind it. A
 *       state is given up when what takes its place is kept, not before.
 */
import type { LanguageModelV4CallOptions, LanguageModelV4GenerateResult } from '@ai-sdk/provider'
import { abort } from './abort.ts'
import type { Answer } from './answer.ts'
import { headersOf, plainContent, streamedAnswer, toGeneration, usageOf, wholeAnswer } from './answer.ts'
import type { Clock, Timer } from './clock.ts'
import { randomAt } from './clock.ts'
import { costOf } from './cores.ts'
import type { Deadlines, Late } from './deadlines.ts'
import type { Dispatchable, Dispatcher } from './dispatcher.ts'
import type { Turn, TurnEnd } from './drivers.ts'
import { PolityError, fieldOf, messageOf } from './errors.ts'
import type { Limits } from './limits.ts'
import { estimateTokens } from './messages.ts'
import type { PastTurns } from './past.ts'
import type { Abortable, Call, Process } from './process.ts'
import { NOTHING_RESERVED } from './process.ts'
import type { Refusal } from './rate-limits.ts'
import { readRateLimits, readRefusal } from './rate-limits.ts'
import type { CheckedRequest } from './request.ts'
import { NO_OPTIONS } from './request.ts'
import type { Core, CoreCall, Release, Scheduler } from './scheduler.ts'
import type { Turns } from './turns.ts'
import { joined, paid, startedOver, takenUp, textSoFar, turnEndOf, usageSoFar, withTurn } from './turns.ts'
import type { CallUsage, Generation, KeptTurn, Reservation } from './types.ts'

/** By so much a sum of costs may be wrong, US dollars. */
const USD_ERROR = 1e-9

/** What a call may take, worked out before it starts. */
export interface Plan {
  readonly cores: readonly Core[]
  /** The request's tools in the driver's form. */
  readonly tools: readonly object[] | undefined
  /** As estimated, before the core's ratio. */
  readonly estimatedTokens: number
  readonly inputTokens: number
  readonly maxOutputTokens: number
  readonly reserved: Reservation
}

/** What every exchange of a kernel shares. */
export interface ExchangeOptions {
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly limits: Limits
  readonly scheduler: Scheduler
  readonly dispatcher: Dispatcher
  /** Undefined while nobody watches the text of this process: then the whole answer is asked for, not a stream. */
  readonly watcher: (process: Process) => ((delta: string, call: Call) => void) | undefined
  /** The call stands in the queue of a core; with what its answer came to in the turn that has just ended. */
  readonly waits: (call: Call, core: string, turn?: KeptTurn) => void
  /** A call that waited has its turn: goes on once that is kept. */
  readonly sends: (call: Call, go: () => void) => void
  readonly end: (call: Call, generation: Generation) => void
  readonly fail: (call: Call, error: unknown) => void
  /** Sets aside as much again, then goes on; false where no budget has it. */
  readonly again: (call: Call, go: () => void) => boolean
  /** Sets aside more for a call that goes on in another turn, then goes on; false where no budget has it. */
  readonly grow: (call: Call, more: Reservation, go: () => void) => boolean
  /** Goes on once the journal has all that it was told until now; never where it will not. */
  readonly whenKept: (go: () => void) => void
}

/** One model call on its way through its cores, started by `start`. */
export class Exchange implements CoreCall, Dispatchable, Late, Abortable {
  readonly #options: ExchangeOptions
  readonly #call: Call
  readonly #request: CheckedRequest
  readonly #plan: Plan
  #core = 0
  #tries = 0
  /** Number of the stay with a driver; answers to an earlier one are not heard (X4). */
  #stay = 0
  /** It has a place on its core (X1). */
  #inFlight = false
  #timer: Timer | undefined = undefined
  #controller: AbortController | undefined = undefined
  #heardStay = 0
  #whole: LanguageModelV4GenerateResult | undefined = undefined
  #streamed: Answer | undefined = undefined
  /** Undefined while the answer has come in one. */
  #turns: Turns | undefined = undefined
  /** Earlier turns are of no use any more, and the journal does not know it yet. */
  #isAnew = false
  /** The core that it waits for by the last word of the journal; undefined where that is that it was sent. */
  #waitsFor: string | undefined = undefined
  /** In this stay the driver was told to make room. */
  #isTold = false
  /** By how much the prompt was longer than estimated: forgiven, as it is where an answer comes in one. */
  #over: Reservation = NOTHING_RESERVED
  /** States of this call that a driver lost. */
  #lost = 0
  queued = false
  place: CoreCall['place'] = undefined
  together = 0
  arrivedAt = 0
  #queuedAt = 0
  /** When it was first admitted in this kernel: neither a person's word nor the time between two kernels was a wait for a core. */
  #begunAt = 0

  constructor(options: ExchangeOptions, call: Call, request: CheckedRequest, plan: Plan) {
    this.#options = options
    this.#call = call
    this.#request = request
    this.#plan = plan
  }

  get pid(): number {
    return this.#call.process.pid
  }

  get principal(): string {
    return this.#call.process.principal
  }

  get priority(): number {
    return this.#call.process.priority
  }

  get spawnedAt(): number {
    return this.#call.process.startedAt
  }

  get deadlineAt(): number {
    const ms = this.#request.options['deadlineMs'] as number | undefined
    return ms === undefined ? Infinity : this.#call.startedAt + ms
  }

  get started(): boolean {
    // A call that was answered, not one that was asked for: calls that a process begins with together go one way.
    return this.#call.process.used.inputTokens > 0
  }

  get tokens(): number {
    return this.#plan.reserved.tokens
  }

  /** `past`: what an earlier kernel has of the answer. */
  start(past?: PastTurns): void {
    this.#call.onAbort(this)
    if (past !== undefined) this.#takeUp(past)
    this.#begunAt = this.#options.clock.now()
    this.#admit()
  }

  /** Goes on behind the turns of an earlier kernel, where their core is still one that can. */
  #takeUp({ core: id, kept }: PastTurns): void {
    const at = this.#plan.cores.findIndex((core) => core.id === id)
    const preempt = this.#plan.cores[at]?.preempt
    const turns = takenUp(kept)
    if (preempt !== (turns?.state === undefined ? 'prefix' : 'exact')) {
      this.#isAnew = true
      return
    }
    this.#core = at
    this.#turns = turns
    this.arrivedAt = this.#call.startedAt
  }

  #admit(): void {
    const { scheduler, clock, limits, deadlines } = this.#options
    const call = this.#call
    const core = this.#plan.cores[this.#core] as Core
    // Who made room keeps its age, or it would make room for ever.
    if (this.#turns === undefined) this.arrivedAt = clock.now()
    call.core = core.id
    scheduler.admit(core, this)
    // Granted at once; or granted, refused by its driver on the spot and queued again, all before this line.
    if (this.place === undefined || call.inQueue) return
    call.inQueue = true
    this.#queuedAt = clock.now()
    this.#timer = deadlines.set(limits.coreWaitMs, this)
    if (this.#waitsFor !== core.id) this.#waits(core)
  }

  #waits(core: Core, turn?: KeptTurn): void {
    this.#waitsFor = core.id
    this.#options.waits(this.#call, core.id, turn)
  }

  granted(error: PolityError | undefined): void {
    const call = this.#call
    if (call.inQueue) {
      call.inQueue = false
      call.waitedMs += this.#options.clock.now() - this.#queuedAt
      this.#timer?.cancel()
    }
    if (error !== undefined) return this.#next(error, error)
    this.#inFlight = true
    const core = this.#plan.cores[this.#core] as Core
    if (this.#waitsFor === undefined) return this.#ask(core)
    this.#waitsFor = undefined
    const { clock, scheduler, sends } = this.#options
    const grantedAt = clock.now()
    sends(call, () => {
      scheduler.sent(core, this, grantedAt)
      this.#ask(core)
    })
  }

  /** Its time is over: in the queue, or with the driver. */
  late(): void {
    const { scheduler, limits } = this.#options
    const core = this.#plan.cores[this.#core] as Core
    if (this.#inFlight) {
      const late = new PolityError('DRIVER_TIMEOUT', `${core.id} did not answer within ${limits.generateMs} ms`)
      // Told to stop before its place is given to another.
      if (this.#controller !== undefined) abort(this.#controller, late)
      this.#failed(this.#stay, late)
    } else {
      scheduler.leave(core, this)
      this.#call.inQueue = false
      const late = new PolityError('OVERLOADED', `the call waited ${limits.coreWaitMs} ms for a turn on ${core.id}`)
      this.#next(late, late)
    }
  }

  #ask(core: Core): void {
    const { deadlines, limits, watcher } = this.#options
    const stay = ++this.#stay
    this.#isTold = false
    const controller = new AbortController()
    this.#controller = controller
    this.#timer = deadlines.set(limits.generateMs, this)
    try {
      const options = this.#driverOptions(controller.signal, core)
      const watch = watcher(this.#call.process)
      // Who goes on with a text has to see it come.
      if (watch === undefined && core.preempt !== 'prefix') {
        const promised = core.model.doGenerate(options)
        if (typeof promised?.then !== 'function')
          throw new PolityError('DRIVER_INVALID', `${core.id}: doGenerate gave no promise`)
        promised.then(
          (result) => this.#heard(stay, result, undefined),
          (error: unknown) => this.#failed(stay, error),
        )
      } else this.#stream(core, stay, options, watch)
    } catch (error) {
      this.#failed(stay, error)
    }
  }

  /** Apart from `#ask`: its functions would keep all that these need for as long as an answer takes that nobody watches. */
  #stream(
    core: Core,
    stay: number,
    options: LanguageModelV4CallOptions,
    watch: ReturnType<ExchangeOptions['watcher']>,
  ): void {
    const { clock, limits } = this.#options
    const call = this.#call
    let said = ''
    let saidBytes = 0
    const tell = (delta: string, parts: number): void => {
      if (stay !== this.#stay) return
      watch?.(delta, call)
      // A text can be gone on with; a thought or a tool call cannot.
      if (core.preempt !== 'prefix' || parts !== 1) return
      said += delta
      // Added up: to measure the whole text at each delta would take the square of its length.
      saidBytes += Buffer.byteLength(delta)
      if (core.queue.waiting > 0) this.#maybeYield(core, said, Math.ceil(saidBytes / 3))
    }
    streamedAnswer(core.model, options, options.abortSignal as AbortSignal, tell, {
      partsMax: limits.streamPartsMax,
      bytesMax: limits.valueBytesMax,
      turn: clock.yield,
    }).then(
      (answer) => this.#heard(stay, undefined, answer),
      (error: unknown) => this.#failed(stay, error),
    )
  }

  #driverOptions(abortSignal: AbortSignal, core: Core): LanguageModelV4CallOptions {
    const { options, messages } = this.#request
    const { process, n } = this.#call
    // Position in the journal: what `recorded` answers by. Providers ignore options that are not theirs.
    const polity = core.preempt === 'exact' ? { pid: process.pid, n, turn: this.#turn(core) } : { pid: process.pid, n }
    const begun = core.preempt === 'prefix' ? textSoFar(this.#turns) : ''
    // A literal without accessors: an object with a getter of its own costs ten times one without (bench/primitives.ts).
    const usual = {
      prompt: begun === '' ? messages : [...messages, { role: 'assistant', content: [{ type: 'text', text: begun }] }],
      maxOutputTokens:
        begun === '' ? this.#plan.maxOutputTokens : Math.max(1, this.#plan.maxOutputTokens - estimateTokens(begun)),
      tools: this.#plan.tools,
      providerOptions:
        options['providerOptions'] === undefined ? { polity } : { ...(options['providerOptions'] as object), polity },
      abortSignal,
    }
    if (options === NO_OPTIONS) return usual as unknown as LanguageModelV4CallOptions
    return {
      ...usual,
      temperature: options['temperature'],
      topP: options['topP'],
      topK: options['topK'],
      seed: options['seed'],
      stopSequences: options['stopSequences'],
      responseFormat: options['schema'] === undefined ? undefined : { type: 'json', schema: options['schema'] },
      toolChoice: options['toolChoice'],
    } as unknown as LanguageModelV4CallOptions
  }

  /** What the driver is told of its turn: where it goes on, and whom to ask whether it may. */
  #turn(core: Core): Turn {
    const { scheduler, limits } = this.#options
    const stay = this.#stay
    const state = this.#turns?.state
    return {
      goOn: (tokens) => {
        // Whose states are lost again and again keeps its place, or it would never come to an end.
        if (stay !== this.#stay || this.#lost >= limits.generateTriesMax) return true
        if (!scheduler.yields(core, this, tokens)) return true
        this.#isTold = true
        return false
      },
      ...(state === undefined ? {} : { state }),
    }
  }

  /** The driver kept the state of a generation that made room: back to the queue with it. */
  #interrupted(core: Core, answer: Answer, { state, bytes, ms }: TurnEnd): void {
    if (!this.#isTold)
      throw new PolityError('DRIVER_INVALID', `${core.id} interrupted an answer that it was not told to interrupt`)
    const usage = usageOf(answer, core, this.#plan, this.#turns === undefined)
    const { inputTokens, maxOutputTokens } = this.#plan
    if (!usage.estimated && (this.#turns?.written ?? 0) + usage.outputTokens >= maxOutputTokens)
      throw new PolityError(
        'DRIVER_INVALID',
        `${core.id} interrupted an answer that had all its ${maxOutputTokens} tokens`,
      )
    if (this.#turns === undefined) {
      const usd = usage.usd - costOf(core.price, inputTokens, 0, usage.outputTokens)
      this.#over = { tokens: Math.max(0, usage.inputTokens - inputTokens), usd: Math.max(0, usd) }
    }
    const content = plainContent(answer.content, core, this.#options.limits.valueBytesMax)
    const preempted = { times: 1, tokensAgain: 0, stateBytes: bytes, stateMs: ms }
    this.#addTurn(core, { content, state, usage, preempted })
    this.#giveBack({ type: 'yielded', tokens: usage.inputTokens + usage.outputTokens })
    this.#whenCovered(() => this.#admit())
  }

  /** What may be taken from here on: the rest of an answer whose state is kept, else all of it. */
  #rest(): Reservation {
    const { cores, maxOutputTokens, reserved } = this.#plan
    if (this.#turns?.state === undefined) return reserved
    const tokens = Math.max(1, maxOutputTokens - this.#turns.written)
    return { tokens, usd: costOf((cores[this.#core] as Core).price, 0, 0, tokens) }
  }

  /** Goes on once that is set aside beside what earlier turns took; where no budget has it, the call ends (X5). */
  #whenCovered(go: () => void): void {
    const { grow, fail } = this.#options
    const call = this.#call
    const turns = this.#turns
    if (turns === undefined || call.reserved === undefined) return go()
    const rest = this.#rest()
    const { inputTokens, outputTokens } = turns.usage
    const tokens = inputTokens + outputTokens - this.#over.tokens + rest.tokens - call.reserved.tokens
    const usd = turns.usage.usd - this.#over.usd + rest.usd - call.reserved.usd
    // Sums of fractions of a dollar are not exact.
    if (tokens <= 0 && usd <= USD_ERROR) return go()
    if (grow(call, { tokens: Math.max(0, tokens), usd: Math.max(0, usd) }, go)) return
    fail(
      call,
      new PolityError(
        'BUDGET_EXCEEDED',
        `the answer was interrupted, and no budget has what it would take to go on with it: ${Math.max(0, tokens)} tokens more`,
      ),
    )
    this.#forgetLast()
  }

  /** A driver that can only go on with a text: what has come is kept here, and what was read will be read again. */
  #maybeYield(core: Core, said: string, tokens: number): void {
    const { scheduler, grow } = this.#options
    if (!scheduler.yields(core, this, tokens)) return
    const { inputTokens, reserved } = this.#plan
    const read = inputTokens + (this.#turns?.written ?? 0)
    let isKept = false
    let isGone = false
    const goOn = (): void => {
      isKept = true
      if (isGone && this.#call.open) this.#admit()
    }
    // Before anything is given up: without the means to go on it does not stop.
    if (!grow(this.#call, reserved, goOn)) return
    const usd = costOf(core.price, read, 0, tokens)
    const usage = { inputTokens: read, cachedTokens: 0, outputTokens: tokens, usd, estimated: true }
    const preempted = { times: 1, tokensAgain: read + tokens, stateBytes: 0, stateMs: 0 }
    this.#addTurn(core, { content: [{ type: 'text', text: said }], usage, preempted })
    if (this.#controller !== undefined)
      abort(this.#controller, new PolityError('KILLED', `${core.id} made room for another call`))
    this.#giveBack({ type: 'yielded', tokens: read + tokens })
    isGone = true
    if (isKept) this.#admit()
  }

  #addTurn(core: Core, made: KeptTurn): void {
    const turn = this.#isAnew ? { ...made, anew: true as const } : made
    const before = this.#turns?.state
    this.#isAnew = false
    this.#turns = withTurn(this.#turns, turn)
    // Paid, whatever becomes of it.
    this.#call.usage = usageSoFar(this.#turns)
    this.#waits(core, turn)
    if (before !== undefined) this.#forget(core, before)
  }

  #startOver(core: Core): void {
    const state = this.#turns?.state
    this.#isAnew ||= this.#turns !== undefined
    this.#turns = startedOver(this.#turns)
    if (state !== undefined) this.#forget(core, state)
  }

  /** Once what takes its place is kept, nobody goes on from a state: not this kernel, and none after it (X7). */
  #forget(core: Core, state: string): void {
    this.#options.whenKept(() => {
      try {
        core.model.forgetState?.(state)
      } catch {
        // What a driver still keeps is its own affair; the answer is not touched by it.
      }
    })
  }

  /** The call has come to its end, and needs no state any more. */
  #forgetLast(): void {
    const state = this.#turns?.state
    if (state !== undefined) this.#forget(this.#plan.cores[this.#core] as Core, state)
  }

  /** The driver answered. A thousand may answer in one turn of the event loop: each is read in its own time (dispatcher D2). */
  #heard(stay: number, whole: LanguageModelV4GenerateResult | undefined, streamed: Answer | undefined): void {
    if (stay !== this.#stay) return
    this.#whole = whole
    this.#streamed = streamed
    this.#heardStay = stay
    this.#options.dispatcher.wake(this)
  }

  learn(): boolean {
    const stay = this.#heardStay
    if (stay !== this.#stay) return false
    const { limits, end } = this.#options
    const call = this.#call
    const core = this.#plan.cores[this.#core] as Core
    let generation: Generation
    let answer: Answer
    let took = 0
    let isPaid = false
    try {
      answer = this.#streamed ?? wholeAnswer(core.model, this.#whole as LanguageModelV4GenerateResult)
      const turnEnd = core.preempt === 'exact' ? turnEndOf(answer) : undefined
      if (turnEnd !== undefined) {
        this.#interrupted(core, answer, turnEnd)
        return false
      }
      const last = usageOf(answer, core, this.#plan, this.#turns === undefined)
      took = last.inputTokens + last.outputTokens
      const usage = usageSoFar(this.#turns, last) as CallUsage
      // Paid, whatever becomes of it.
      call.usage = usage
      isPaid = true
      generation = toGeneration(joined(this.#turns, answer), usage, core, limits.valueBytesMax)
    } catch (error) {
      this.#failed(stay, error, mayHaveCost(error) && !(isPaid && isTooLarge(error)))
      return false
    }
    this.#giveBack({ type: 'served', tokens: took, headers: answer.headers })
    end(call, generation)
    this.#forgetLast()
    return false
  }

  /** The stay is over without an answer. `isLost`: it may have cost all that was set aside, and nobody knows. */
  #failed(stay: number, error: unknown, isLost = mayHaveCost(error)): void {
    if (stay !== this.#stay) return
    const status = statusOf(error)
    if (this.#turns?.state !== undefined && PolityError.isInstance(error) && error.code === 'STATE_FOREIGN') {
      // The state is lost: the same request is answered again from its beginning.
      this.#startOver(this.#plan.cores[this.#core] as Core)
      this.#lost++
      this.#giveBack({ type: 'served', tokens: 0 })
      return this.#whenCovered(() => this.#admit())
    }
    const refusal = status === 429 || status === 400 ? readRefusal(error) : undefined
    if (refusal !== undefined && (refusal.isFinal || status === 429)) return this.#refused(error, refusal)
    this.#giveBack(
      isRetryable(error)
        ? { type: 'failed' }
        : { type: 'served', tokens: this.#plan.inputTokens, headers: headersOf(fieldOf(error, 'responseHeaders')) },
    )
    const core = this.#plan.cores[this.#core] as Core
    this.#next(
      PolityError.isInstance(error)
        ? error
        : new PolityError('DRIVER_FAILED', `${core.id}: ${messageOf(error)}`, { cause: error, ...detailOf(error) }),
      error,
      isLost,
    )
  }

  /** Refused: back to the queue, or on to the next core where waiting for this one would be in vain. */
  #refused(error: unknown, { words, isFinal, retryAfterMs }: Refusal): void {
    const { clock, limits } = this.#options
    const { core } = this.#call
    const now = clock.now()
    const headers = headersOf(fieldOf(error, 'responseHeaders'))
    const pauseMs = readRateLimits(headers, now).retryAfterMs ?? retryAfterMs
    const leftMs = this.#begunAt + limits.coreWaitMs - now
    const isOver = isFinal || fieldOf(error, 'isRetryable') === false
    const isTooLong = !isOver && pauseMs !== undefined && leftMs > 0 && pauseMs > leftMs
    this.#giveBack({
      type: 'refused',
      headers: pauseMs === undefined ? headers : { ...headers, 'retry-after-ms': String(pauseMs) },
      words,
      isFinal: isOver || isTooLong,
    })
    if (!isOver && !isTooLong && leftMs > 0) return this.#admit()
    const failure = isOver
      ? new PolityError('DRIVER_FAILED', `${core}: ${words}`, { cause: error, ...detailOf(error) })
      : new PolityError(
          'OVERLOADED',
          isTooLong
            ? `${core} says to come again in ${Math.ceil(pauseMs / 1000)} s, and the limit coreWaitMs leaves the call ${Math.ceil(leftMs / 1000)} s: ${words}`
            : `${core} refused the call for ${limits.coreWaitMs} ms: ${words}`,
          { cause: error },
        )
    // Not the driver's word: whatever that says of trying again, it is over with this core.
    this.#next(failure, failure)
  }

  #giveBack(how: Release): void {
    this.#stay++
    this.#timer?.cancel()
    if (!this.#inFlight) return
    this.#inFlight = false
    this.#options.scheduler.release(this.#plan.cores[this.#core] as Core, this, how)
  }

  /** Again on this core after a pause, or on the next one, or not at all. `said` is the driver's own word. */
  #next(error: PolityError, said: unknown, isLost = false): void {
    const { limits, fail, again } = this.#options
    const call = this.#call
    if (!call.open) return
    const isAgain = isRetryable(said) && ++this.#tries < limits.generateTriesMax
    const goesOn = isAgain || (this.#core + 1 < this.#plan.cores.length && !isSameElsewhere(said))
    const afresh = (): void => {
      // What was set aside is spent, and what the turns took was part of it.
      this.#turns = paid(this.#turns)
      call.usage = usageSoFar(this.#turns)
      this.#goOn(isAgain)
    }
    if (goesOn && (!isLost || again(call, afresh))) {
      if (!isLost) this.#goOn(isAgain)
      return
    }
    if (isLost) {
      const { tokens, usd } = this.#rest()
      const inputTokens = Math.min(tokens, this.#turns?.state === undefined ? this.#plan.inputTokens : 0)
      const lost = { inputTokens, cachedTokens: 0, outputTokens: tokens - inputTokens, usd, estimated: true }
      call.usage = usageSoFar(this.#turns, lost)
    }
    fail(call, error)
    this.#forgetLast()
  }

  #goOn(isAgain: boolean): void {
    const core = this.#plan.cores[this.#core] as Core
    // A state may be what the turn failed for; a text can be gone on with, by the core that it is of.
    if (!isAgain || core.preempt === 'exact') this.#startOver(core)
    this.#whenCovered(() => this.#comeBack(isAgain))
  }

  #comeBack(isAgain: boolean): void {
    const { clock, limits } = this.#options
    const call = this.#call
    if (isAgain) {
      // Doubling, between half and one and a half of it, so that a crowd that failed together does not come back together.
      const pauseMs =
        limits.generateBackoffMs *
        2 ** (this.#tries - 1) *
        (0.5 + randomAt(clock.seed, call.process.pid, call.n * 16 + this.#tries))
      // Nothing is sent in this time: who is killed now pays for no answer.
      call.inQueue = true
      this.#timer = clock.after(pauseMs, () => {
        call.inQueue = false
        this.#admit()
      })
    } else {
      this.#core++
      this.#tries = 0
      this.#admit()
    }
  }

  /** Its call was cancelled. */
  aborted(error: PolityError): void {
    const { process } = this.#call
    this.#timer?.cancel()
    // Who was stopped may be resumed; whether this was a stop is known when it is done.
    if (this.#turns?.state !== undefined)
      this.#options.clock.soon(() => process.state === 'stopped' || this.#forgetLast())
    if (this.#inFlight) {
      if (this.#controller !== undefined) abort(this.#controller, error)
      this.#giveBack({ type: 'cancelled' })
    } else this.#options.scheduler.leave(this.#plan.cores[this.#core] as Core, this)
  }
}

function statusOf(error: unknown): number | undefined {
  const status = fieldOf(error, 'statusCode')
  return typeof status === 'number' ? status : undefined
}

/** A driver that says that it failed did not sell anything. One that was late, or said nonsense or too much, may have. */
export function mayHaveCost(error: unknown): boolean {
  return PolityError.isInstance(error) && COSTLY.has(error.code)
}

const COSTLY: ReadonlySet<string> = new Set(['DRIVER_TIMEOUT', 'DRIVER_INVALID', 'TOO_LARGE'])

function isTooLarge(error: unknown): boolean {
  return PolityError.isInstance(error) && error.code === 'TOO_LARGE'
}

/** Whether the same call may go well on the same core in a moment: the driver's word, else server faults and silence. */
function isRetryable(error: unknown): boolean {
  if (PolityError.isInstance(error)) return error.code === 'DRIVER_TIMEOUT'
  const said = fieldOf(error, 'isRetryable')
  if (typeof said === 'boolean') return said
  const status = statusOf(error)
  if (status !== undefined) return status === 408 || status === 409 || status >= 500
  return fieldOf(error, 'name') === 'TypeError' && /fetch|network/i.test(messageOf(error))
}

/** A bad request is refused by every core, and an answer that is too large was paid for: no other core is asked for it again. */
function isSameElsewhere(error: unknown): boolean {
  if (isTooLarge(error)) return true
  const status = statusOf(error)
  return status === 400 || status === 413 || status === 422
}

/** What the provider's server said, for a door that has to say it again. */
function detailOf(error: unknown): { detail?: { statusCode: number } } {
  const statusCode = statusOf(error)
  return statusCode === undefined ? {} : { detail: { statusCode } }
}
