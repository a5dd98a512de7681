/**
 * Cores: made from the models that a kernel was given, shown as plain data, and what they charge.
 *
 *     const cores = createCores(options, scheduler)
 *     coreInfos(cores, clock.now())
 *     rememberMinute(cores, scheduler, journals, clock.now())   // what an earlier kernel has just sent
 *     costOf(core.price, inputTokens, cachedTokens, outputTokens)
 */
import type { DisciplineName, DisciplineOptions } from './disciplines.ts'
import { createDiscipline, disciplineNames } from './disciplines.ts'
import type { LanguageModel, ModelHost, LeaseStore } from './drivers.ts'
import { PolityError } from './errors.ts'
import type { Core, Scheduler } from './scheduler.ts'
import { MINUTE_MS } from './scheduler.ts'
import type { LeasedCore, LeaseOptions } from './leases.ts'
import { createLease } from './leases.ts'
import type { CallEnd, JournalEvent, Price } from './types.ts'

/** A model with what its owner knows of it beyond what the driver says. */
export interface ModelOptions {
  readonly model: LanguageModel
  readonly slots?: number
  readonly requestsPerMinute?: number
  readonly tokensPerMinute?: number
  readonly contextTokens?: number
  readonly price?: Price
  /**
   * Whether a call in flight makes room for one that goes before it, and comes back for the rest. @default true where the
   * driver keeps an exact state; false where the prompt would be read, and paid, again
   */
  readonly preempt?: boolean
  /** Tokens after which a call makes room for others that wait, in turn; a whole number of at least 1. @default no quantum */
  readonly quantumTokens?: number
  /** The window in which the provider counts its rates, ms: of 600 requests a minute, with 1,000 ms, ten in any second. @default 60,000 */
  readonly rateWindowMs?: number
  /** Name of the provider key: kernels with the same lease store share the limits of all cores of one key. @default the name of the model */
  readonly key?: string
  /** The machine on which it takes turns with other models, such as a local server with room for one. @default what the driver says */
  readonly host?: ModelHost
}

/** A core as seen from outside: plain data. */
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
  /** How often it was let onto a machine that has no room for all of its models; 0 where it need not be. */
  readonly loads: number
  readonly open: boolean
  /** Set where it has served nothing but refusals for more than `REFUSED_TOLD_MS`: since when, epoch ms, and the provider's words. */
  readonly refusal: { readonly since: number; readonly words: string } | null
  /** What estimates of tokens are multiplied by, as learned from the provider's counts; at least 1. */
  readonly tokenRatio: number
  /** By what share of the tokens that the provider counted the estimates of inputs were wrong, either way; null before its first count. */
  readonly estimateError: number | null
}

/** The models of a kernel and how their queues are served. */
export interface CoresOptions {
  readonly models?: { readonly [name: string]: LanguageModel | ModelOptions }
  readonly prices?: { readonly [model: string]: Price }
  readonly discipline?: DisciplineName
  readonly disciplineOptions?: DisciplineOptions
  /** What this kernel shares its limits through with others that use the same keys (leases.ts). @default they are its own */
  readonly leases?: LeaseStore
}

/** One core for each model, by its name. Throws `CONFIG_INVALID`. */
export function createCores(
  options: CoresOptions,
  scheduler: Scheduler,
  leasing: LeaseOptions,
): ReadonlyMap<string, Core> {
  const cores = new Map<string, Core>()
  const name = options.discipline ?? 'attained-service'
  if (!disciplineNames.includes(name))
    throw new PolityError(
      'CONFIG_INVALID',
      `discipline takes ${disciplineNames.join(', ')}, not ${JSON.stringify(name)}`,
    )
  const { leases } = options
  const { reserve = 0 } = options.disciplineOptions ?? {}
  if (!(reserve >= 0 && reserve <= 0.5))
    throw new PolityError('CONFIG_INVALID', `disciplineOptions.reserve takes a part from 0 to 0.5, not ${reserve}`)
  if (reserve > 0 && name !== 'fair-share')
    throw new PolityError(
      'CONFIG_INVALID',
      `disciplineOptions.reserve goes with discipline "fair-share", not "${name}"`,
    )
  for (const [id, given] of Object.entries(options.models ?? {})) {
    const {
      model,
      key = id,
      ...more
    } = typeof given === 'object' && given !== null && 'model' in given ? given : { model: given }
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
    const { quantumTokens = 1 } = more
    if (!Number.isInteger(quantumTokens) || quantumTokens < 1)
      throw new PolityError(
        'CONFIG_INVALID',
        `quantumTokens of "${id}" takes a whole number of at least 1, not ${quantumTokens}`,
      )
    cores.set(
      id,
      scheduler.createCore({
        ...more,
        id,
        model,
        price: checkPrice(id, options.prices?.[id] ?? more.price),
        discipline: createDiscipline(name, options.disciplineOptions),
        reserve,
        ...(leases === undefined ? {} : { lease: (core: LeasedCore) => createLease(leases, key, core, leasing) }),
      }),
    )
  }
  return cores
}

/** The cores as they stand. */
export function coreInfos(cores: ReadonlyMap<string, Core>, now: number): readonly CoreInfo[] {
  return [...cores.values()].map((core) => ({
    id: core.id,
    slots: core.slots,
    inFlight: core.inFlight,
    waiting: core.queue.waiting,
    requestsPerMinute: Number.isFinite(core.requestsPerMinute) ? core.requestsPerMinute : null,
    tokensPerMinute: Number.isFinite(core.tokensPerMinute) ? core.tokensPerMinute : null,
    ...core.stats,
    open: core.openUntil > now,
    refusal: refusalOf(core, now),
    tokenRatio: core.tokenRatio,
    estimateError: core.counted.tokens > 0 ? core.counted.wrong / core.counted.tokens : null,
  }))
}

/** A core that refuses for longer than this says so, ms: shorter ones are a provider's rate that is kept to. */
const REFUSED_TOLD_MS = 10_000

/** A call that is still being answered refuses nothing: what counts is the last refusal, and the pause that it asked for. */
function refusalOf({ refusing, pausedUntil }: Core, now: number): CoreInfo['refusal'] {
  if (refusing === undefined) return null
  const { since, lastAt, words } = refusing
  return Math.min(now, Math.max(lastAt, pausedUntil)) - since < REFUSED_TOLD_MS ? null : { since, words }
}

/** Whether a core has a rate that its owner or driver declared: what was sent before a restart counts against it. */
export function hasRates(cores: ReadonlyMap<string, Core>): boolean {
  return [...cores.values()].some((core) => Math.min(core.requestsPerMinute, core.tokensPerMinute) !== Infinity)
}

/** A model call on its way, as a journal has it. */
interface Sent {
  /** Place of its start in the journal. */
  readonly seq: number
  model: string | undefined
  readonly sentAt: number[]
  tokens: number
  /** Of these, what turns of its answer took: they have been counted. */
  counted: number
  /** Nothing of it is under way. */
  isWaiting: boolean
  /** Something is set aside for it; not before it has a person's word, where it waits for one first. */
  isSetAside: boolean
}

/**
 * Counts what the journals of an earlier kernel have of the last minute. A request counts from its start, or from its turn if
 * it waited, and on the core that answered, else the first that it named; tokens count from the end of the call or of a turn
 * of its answer, and where there is none as they were set aside, from now.
 */
export function rememberMinute(
  cores: ReadonlyMap<string, Core>,
  scheduler: Scheduler,
  journals: Iterable<readonly JournalEvent[]>,
  now: number,
): void {
  const found: { readonly model: string | undefined; at: number; requests: number; tokens: number }[] = []
  const count = ({ model, sentAt, tokens, counted }: Sent, endedAt: number): void => {
    for (const at of sentAt) found.push({ model, at, requests: 1, tokens: 0 })
    if (sentAt.length > 0) found.push({ model, at: endedAt, requests: 0, tokens: Math.max(0, tokens - counted) })
  }
  for (const events of journals) {
    const open = new Map<number, Sent>()
    /** Places of the ends of its calls, by their numbers: where a snapshot was made. */
    const ends = new Map<number, number>()
    const leave = (endedAt: number): void => {
      for (const call of open.values()) count(call.isWaiting ? { ...call, tokens: 0 } : call, endedAt)
    }
    for (const event of events) {
      if (event.type === 'process-rewind') {
        // Its open calls were cancelled. Those that began before the snapshot are tried again, the next ones with the numbers
        // of the others are other calls.
        leave(event.at)
        const cut = ends.get(event.n) ?? -1
        for (const [n, call] of open) {
          if (call.seq > cut) open.delete(n)
          else open.set(n, { ...call, sentAt: [], counted: 0 })
        }
      }
      if (event.type === 'call-end' || event.type === 'process-rewind') ends.set(event.n, event.seq)
      if (event.type === 'call-start' && event.call === 'generate') {
        // Of a call whose arguments were refused the journal has none.
        const { models } = (event.args ?? {}) as { readonly models?: readonly string[] }
        const isSetAside = event.reserved !== undefined
        open.set(event.n, {
          seq: event.seq,
          model: models?.[0],
          sentAt: isSetAside ? [event.at] : [],
          tokens: event.reserved?.tokens ?? 0,
          counted: 0,
          isWaiting: !isSetAside,
          isSetAside,
        })
        continue
      }
      const call = 'n' in event ? open.get(event.n) : undefined
      if (call === undefined) continue
      if (event.type === 'call-wait') {
        call.isWaiting = true
        if (event.turn !== undefined) {
          const { inputTokens, outputTokens } = event.turn.usage
          call.model = event.core ?? call.model
          call.counted += inputTokens + outputTokens
          found.push({ model: call.model, at: event.at, requests: 0, tokens: inputTokens + outputTokens })
        }
        // Its last try was not sent after all, or was refused: the journal does not tell, and most have never been sent.
        else call.sentAt.pop()
      } else if (event.type === 'call-sent') {
        // The word of a person alone sends nothing: what is set aside for the call comes after it.
        if (!call.isSetAside) continue
        call.isWaiting = false
        call.sentAt.push(event.at)
      } else if (event.type === 'call-reserve') {
        if (event.grown === true) continue
        // Its end tells what this try took, and nothing of an earlier one.
        call.counted = 0
        call.isWaiting = false
        if (event.reserved.tokens > 0) call.sentAt.push(event.at)
        if (!call.isSetAside) call.tokens = event.reserved.tokens
        call.isSetAside = true
      } else if (event.type === 'call-end') {
        open.delete((event as CallEnd).n)
        call.model = (event.value as { readonly model?: string } | undefined)?.model ?? call.model
        if (event.usage !== undefined) call.tokens = event.usage.inputTokens + event.usage.outputTokens
        count(call, event.at)
      }
    }
    leave(now)
  }
  for (const { model, at, requests, tokens } of found.toSorted((a, b) => a.at - b.at)) {
    const core = model === undefined ? undefined : cores.get(model)
    if (core !== undefined && at > now - MINUTE_MS) scheduler.remember(core, Math.min(at, now), requests, tokens)
  }
}

/** US dollars for so many tokens; `input` counts the cached ones too. Nothing where nobody named a price. */
export function costOf(price: Price | undefined, input: number, cached: number, output: number): number {
  if (price === undefined) return 0
  return ((input - cached) * price.input + cached * (price.cached ?? price.input) + output * price.output) / 1e6
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
