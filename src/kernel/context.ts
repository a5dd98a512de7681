/**
 * The context window: what a program sends to a model, step after step.
 *
 *     const context = openContext({ instructions, tokensMax: 100_000 })
 *     await context.append({ role: 'user', content: question })
 *     const answer = await sys.generate({ messages: context.messages, tools })
 *     await context.append(answer)
 *
 * A window is a value: a frozen prefix, turns that are only added, and the number of its compactions. `context.window` is
 * the one that would be sent now; `openContext({ window })` goes on from one, as often as wanted.
 *
 * Invariants
 *   W1. Between two compactions messages are only added at the end; nothing before them changes, not even in its bytes
 *       (promise 7: the provider's prompt cache keeps paying).
 *   W2. A compaction keeps the prefix (instructions and the first user message), and every tool result together with the
 *       call it answers.
 *   W3. Nothing is left out in silence: each turn there ever was is in the window or is stood for by one that says so.
 *   W4. A window that is to be sent never takes more than `tokensMax`, as far as its tokens are known: as the provider counted
 *       them, and what it has not counted yet by token-bound.ts, which made-up words can exceed. Where no compaction helps,
 *       `append` throws `TOO_LARGE` and takes nothing.
 *   W5. It is computed from what the program learned, so a replay compacts at the same places in the same way.
 */
import { PolityError, invalid } from './errors.ts'
import type { KeysOf } from './known-keys.ts'
import { checkKeys } from './known-keys.ts'
import { FRAME_TOKENS, fromWindow } from './messages.ts'
import { boundTokens } from './token-bound.ts'
import type { Generation, Message } from './types.ts'

/** Messages that belong together: what somebody said, or a model's step with the results of its tool calls. */
export interface Turn {
  readonly messages: readonly Message[]
  /** As the provider counted them where it did, else as token-bound.ts bounds them. */
  readonly tokens: number
  /** How many turns of the conversation it stands for: 1, or more where it is a summary or a marker. */
  readonly stands: number
}

/** A window as a value. */
export interface Window {
  /** Instructions and the first message, if that is a user's. Never compacted. */
  readonly prefix: readonly Message[]
  readonly turns: readonly Turn[]
  /** Tokens of all, with what a request has beside its messages (tools), as far as a provider has counted it. */
  readonly tokens: number
  /** Compactions so far. */
  readonly epoch: number
}

/**
 * How a window becomes smaller. What it does is computed from what it is given and from system calls, and from nothing else.
 */
export interface Compaction {
  /** What is appended in the place of a message, behind these turns. Asked once: what was sent stays as it was. @default the message itself */
  readonly enter?: (message: Message, turns: readonly Turn[]) => Message
  /** Whether to compact although there is room. Asked when a step is complete. @default only when the window is full */
  readonly isDue?: (turns: readonly Turn[]) => boolean
  /**
   * The turns that stand in the place of these: kept ones, and new ones made by `turnOf`. Gets those after the prefix, the
   * oldest first, and the tokens that they should take together; the last is what the model is to answer to.
   */
  compact(turns: readonly Turn[], tokensMax: number): readonly Turn[] | Promise<readonly Turn[]>
}

/** How a window begins, and what becomes of it when it is full. */
export interface ContextOptions {
  /** First message, never compacted. */
  readonly instructions?: string
  /**
   * Goes on from this window, which stays as it is. Not together with `instructions`, which it has. What a compaction knows
   * beside the window (steps to bring back, texts behind differences, which messages are summaries) is in the `Compaction` object: pass the one
   * that the window was made with, or that is lost.
   */
  readonly window?: Window
  /** Tokens beyond which the window is compacted. Minimum 100. @default 100,000 */
  readonly tokensMax?: number
  /** Share of `tokensMax` that a compaction should leave at most. Less often and deeper is cheaper than often and little: each one costs the cached prefix. @default 0.5 */
  readonly keep?: number
  /** @default recent */
  readonly compaction?: Compaction
}

/** A window that a program writes. */
export interface Context {
  /** The messages as they would be sent now. */
  readonly messages: readonly Message[]
  readonly window: Window
  /** Tokens of the window. */
  readonly tokens: number
  /** Compactions so far. */
  readonly epoch: number
  /** Tokens that one more turn may take so that a compaction can make room for it: three quarters of the window, less its prefix. */
  readonly room: number
  /**
   * Adds messages at the end. An answer to this window's messages is given as the whole `Generation`: then the window learns
   * what the provider counted. After a message that a model is to answer, it is compacted if it is full; a compaction that
   * asks a model takes its time, so await this. Throws `TOO_LARGE`, and takes nothing then.
   */
  append(...more: readonly (Message | Generation)[]): Promise<void> | undefined
}

const optionKeys: KeysOf<ContextOptions> = {
  instructions: true,
  window: true,
  tokensMax: true,
  keep: true,
  compaction: true,
}

/** A window holds at least a few short turns. */
export const CONTEXT_TOKENS_MIN = 100

/** Opens a window. */
export function openContext(options: ContextOptions = {}): Context {
  checkKeys('openContext', options, optionKeys, 'INVALID_ARGUMENT')
  const { instructions, window, tokensMax = 100_000, keep = 0.5, compaction = recent } = options
  if (!(tokensMax >= CONTEXT_TOKENS_MIN))
    throw invalid('openContext: tokensMax', `at least ${CONTEXT_TOKENS_MIN}`, tokensMax)
  if (!(keep > 0 && keep < 1)) throw invalid('openContext: keep', 'a share between 0 and 1', keep)
  if (window !== undefined && instructions !== undefined)
    throw invalid('openContext', 'either instructions or a window, which has its own', 'both')
  if (typeof compaction?.compact !== 'function')
    throw invalid('openContext: compaction', 'an object with a function "compact"', compaction)
  let state = window === undefined ? beginning(instructions) : stateOf(window)
  let compacting = false
  /** Made when it is asked for, once for each state. */
  let sent: readonly Message[] | undefined

  function append(...more: readonly (Message | Generation)[]): Promise<void> | undefined {
    mustBeReady()
    let after = state
    for (const one of more) after = 'message' in one ? answered(after, one) : added(after, entered(one, after))
    const isWaiting = after.turns.length > 0 && roleOfLast(after) !== 'assistant'
    if (!isWaiting || !(tokensOf(after) > tokensMax || compaction.isDue?.(after.turns) === true)) {
      if (isWaiting || after.turns.length === 0) mustFit(after)
      become(after)
      return undefined
    }
    const room = Math.max(0, Math.floor(tokensMax * keep - after.overhead - after.prefixTokens))
    const compacted = compaction.compact(after.turns, room)
    if (!(compacted instanceof Promise)) return become(checked(after, compacted))
    compacting = true
    return compacted.then((turns) => become(checked(after, turns))).finally(() => (compacting = false))
  }

  function entered(message: Message, { turns }: State): Message {
    return compaction.enter === undefined ? message : compaction.enter(message, turns)
  }

  function checked(before: State, turns: readonly Turn[]): State {
    const after = compactedTo(before, turns)
    mustFit(after)
    return after
  }

  function mustFit(after: State): void {
    const tokens = Math.ceil(tokensOf(after))
    if (tokens <= tokensMax) return
    const last = after.turns.at(-1)?.tokens ?? 0
    throw new PolityError(
      'TOO_LARGE',
      `the context window takes ${tokensMax} tokens and would need about ${tokens}: ${Math.ceil(after.prefixTokens)} for instructions and the first message, ${Math.ceil(last)} for the last turn; shorten one of them, or open the context with a larger tokensMax`,
      { detail: { tokens, tokensMax } },
    )
  }

  function become(after: State): undefined {
    state = after
    sent = undefined
  }

  function mustBeReady(): void {
    if (compacting)
      throw new PolityError('INVALID_ARGUMENT', 'the context is being compacted; await what append returned first')
  }

  return {
    get messages() {
      mustBeReady()
      return (sent ??= fromWindow(Object.freeze(messagesOf(state)), state.epoch))
    },
    get window() {
      mustBeReady()
      const { prefix, turns, epoch } = state
      return Object.freeze({ prefix, turns, tokens: Math.ceil(tokensOf(state)), epoch })
    },
    get tokens() {
      return Math.ceil(tokensOf(state))
    },
    get epoch() {
      return state.epoch
    },
    get room() {
      return Math.max(0, Math.floor(tokensMax * ROOM - state.overhead - state.prefixTokens))
    },
    append,
  }
}

/** A turn of these messages: throws `INVALID_ARGUMENT` where a tool result has no call in it. `stands` as in `Turn`. */
export function turnOf(messages: readonly Message[], stands = 1): Turn {
  const calls = new Set<string>()
  for (const message of messages)
    for (const part of partsOf(message)) {
      if (part.type === 'tool-call') calls.add(part.toolCallId)
      else if (message.role === 'tool' && part.type === 'tool-result' && !calls.has(part.toolCallId))
        throw invalid('a turn', `the call ${part.toolCallId} beside the result that answers it`, 'the result alone')
    }
  return makeTurn(messages, boundOf(messages), stands)
}

/** The last turns that fit; always the very last one. A marker says how many were left out. */
export const recent: Compaction = {
  compact(turns, tokensMax) {
    let from = Math.max(0, turns.length - 1)
    let tokens = MARKER_TOKENS + (turns[from]?.tokens ?? 0)
    while (from > 0 && tokens + (turns[from - 1] as Turn).tokens <= tokensMax) tokens += (turns[--from] as Turn).tokens
    const out = standing(turns.slice(0, from))
    const content = `[${out} earlier ${out === 1 ? 'turn was' : 'turns were'} left out here]`
    // Nothing but the last marker, which would only be written again.
    if (out === 0 || (from === 1 && turns[0]?.messages[0]?.content === content)) return turns
    return [turnOf([{ role: 'user', content }], out), ...turns.slice(from)]
  },
}

/** More than the marker takes, whatever its number. */
const MARKER_TOKENS = 24

/** How many turns of the conversation these stand for together. */
export function standing(turns: readonly Turn[]): number {
  return turns.reduce((sum, { stands }) => sum + stands, 0)
}

// ------------------------------------------------------------------------------------------------------------- inside

/** A window with what is known of its tokens. Never changed, only followed by another. */
interface State {
  readonly prefix: readonly Message[]
  readonly prefixTokens: number
  readonly turns: readonly Turn[]
  readonly epoch: number
  /** Of a request beside these messages: its tools, its frame. */
  readonly overhead: number
  /** Turns that the provider has not counted yet, from the last back; Infinity: nor the prefix. */
  readonly uncounted: number
  /** What bounds of this window's texts are multiplied by: above 1 where the provider counted more than they said. */
  readonly ratio: number
}

function beginning(instructions: string | undefined): State {
  const prefix: readonly Message[] = instructions === undefined ? [] : [{ role: 'system', content: instructions }]
  return {
    prefix: Object.freeze(prefix),
    prefixTokens: boundOf(prefix),
    turns: Object.freeze([]),
    epoch: 0,
    overhead: 0,
    uncounted: Infinity,
    ratio: 1,
  }
}

function stateOf({ prefix, turns, tokens, epoch }: Window): State {
  const prefixTokens = boundOf(prefix)
  const overhead = Math.max(0, tokens - prefixTokens - turns.reduce((sum, turn) => sum + turn.tokens, 0))
  return { prefix, prefixTokens, turns, epoch, overhead, uncounted: Infinity, ratio: 1 }
}

/** The state with one more message. */
function added(state: State, message: Message): State {
  const { prefix, turns } = state
  const tokens = boundOf([message]) * state.ratio
  if (turns.length === 0 && message.role === 'user' && !prefix.some(({ role }) => role === 'user'))
    return { ...state, prefix: Object.freeze([...prefix, message]), prefixTokens: state.prefixTokens + tokens }
  const last = turns.at(-1)
  if (message.role !== 'tool')
    return {
      ...state,
      turns: Object.freeze([...turns, makeTurn([message], tokens, 1)]),
      uncounted: state.uncounted + 1,
    }
  if (last === undefined)
    throw invalid(
      'context.append',
      'a tool result behind the call that it answers',
      'a tool result as the first message',
    )
  const longer = makeTurn([...last.messages, message], last.tokens + tokens, last.stands)
  return { ...state, turns: Object.freeze([...turns.slice(0, -1), longer]), uncounted: Math.max(1, state.uncounted) }
}

/**
 * The state with an answer to it. The provider counted what was sent: what our bound was too high for the uncounted turns
 * is taken back from them; what it was too low is put aside as overhead, since tools are counted too and nobody told us of
 * them, and where it cannot be tools, the ratio learns it.
 */
function answered(state: State, { message, usage }: Generation): State {
  const { turns, prefixTokens, uncounted, ratio } = state
  const answer = makeTurn([message], FRAME_TOKENS + usage.outputTokens, 1)
  const withAnswer = Object.freeze([...turns, answer])
  if (usage.estimated) return { ...state, turns: withAnswer, uncounted: uncounted + 1 }
  const isFirst = uncounted === Infinity
  const from = isFirst ? 0 : turns.length - uncounted
  const bound = turns.slice(from).reduce((sum, { tokens }) => sum + tokens, isFirst ? prefixTokens : 0)
  const excess = tokensOf(state) - usage.inputTokens
  const share = bound === 0 ? 1 : Math.min(1, Math.max(0, bound - excess) / bound)
  const seen =
    isFirst || bound < RATIO_TOKENS_MIN ? ratio : Math.min(RATIO_MAX, Math.max(1, (ratio * (bound - excess)) / bound))
  const after: State = {
    ...state,
    prefixTokens: isFirst ? prefixTokens * share : prefixTokens,
    turns: turns.map((turn, i) => (i < from ? turn : makeTurn(turn.messages, turn.tokens * share, turn.stands))),
    ratio: seen > ratio ? seen : ratio + (seen - ratio) / 16,
  }
  const overhead = Math.max(0, after.overhead + usage.inputTokens - tokensOf(after))
  return { ...after, overhead, turns: Object.freeze([...after.turns, answer]), uncounted: 1 }
}

/** What a compaction leaves of the other turns has the rest. */
const ROOM = 0.75

/** A sample smaller than this says more about frames than about text. */
const RATIO_TOKENS_MIN = 50
/** Nothing takes more than a token a byte, and the bound of a byte is at least a sixteenth; this is far beyond what was seen. */
const RATIO_MAX = 4

function compactedTo(before: State, turns: readonly Turn[]): State {
  if (!Array.isArray(turns)) throw invalid('a compaction', 'the list of turns that stay', turns)
  if (turns.length === before.turns.length && turns.every((turn, i) => turn === before.turns[i])) return before
  const was = standing(before.turns)
  const is = standing(turns)
  if (was !== is)
    throw invalid('a compaction', `turns that stand for all ${was} there were`, `turns that stand for ${is}`)
  for (const [i, turn] of turns.entries()) if (!before.turns.includes(turn)) mustBeWhole(turn, i === turns.length - 1)
  return { ...before, turns: Object.freeze([...turns]), epoch: before.epoch + 1, uncounted: turns.length }
}

/** Calls and results of a new turn belong together; only the last may still wait for results. */
function mustBeWhole(turn: Turn, isLast: boolean): void {
  const calls: string[] = []
  const results: string[] = []
  for (const message of turn.messages)
    for (const part of partsOf(message)) {
      if (part.type === 'tool-call') calls.push(part.toolCallId)
      else if (message.role === 'tool' && part.type === 'tool-result') results.push(part.toolCallId)
    }
  const alone =
    results.find((id) => !calls.includes(id)) ?? (isLast ? undefined : calls.find((id) => !results.includes(id)))
  if (alone !== undefined) throw invalid('a compaction', 'tool calls together with their results', `${alone} alone`)
}

function makeTurn(messages: readonly Message[], tokens: number, stands: number): Turn {
  return Object.freeze({ messages: Object.freeze([...messages]), tokens, stands })
}

function tokensOf({ prefixTokens, overhead, turns }: State): number {
  let tokens = prefixTokens + overhead
  for (let i = 0; i < turns.length; i++) tokens += (turns[i] as Turn).tokens
  return tokens
}

function messagesOf({ prefix, turns }: State): Message[] {
  const messages = [...prefix]
  for (const turn of turns) messages.push(...turn.messages)
  return messages
}

function roleOfLast({ turns }: State): Message['role'] | undefined {
  return turns.at(-1)?.messages.at(-1)?.role
}

function partsOf(message: Message): readonly { readonly type: string; readonly toolCallId: string }[] {
  return typeof message.content === 'string' ? [] : (message.content as never)
}

/** Tokens that messages take by their bound, frames included. */
function boundOf(messages: readonly Message[]): number {
  let tokens = 0
  for (const { content } of messages) {
    tokens += FRAME_TOKENS
    if (typeof content === 'string') tokens += boundTokens(content)
    else
      for (const part of content)
        tokens +=
          part.type === 'text' || part.type === 'reasoning' ? boundTokens(part.text) : boundTokens(JSON.stringify(part))
  }
  return tokens
}
