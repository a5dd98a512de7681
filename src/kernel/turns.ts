/**
 * The turns of an answer: what an answer has come to while its call made room for others, and what that cost.
 *
 *     const turns = withTurn(before, turn)                      // one more was interrupted
 *     usageSoFar(turns)
 *     takenUp(kept)                                             // after a crash: what the journal has of them
 *     joined(turns, last)                                       // the answer that all of them add up to
 *
 * Plain data and pure functions; who makes room for whom is the scheduler's, and the exchange goes to the queue and back.
 */
import type { Answer } from './answer.ts'
import type { TurnEnd } from './drivers.ts'
import { fieldOf } from './errors.ts'
import type { CallUsage, KeptTurn, ModelContent, Preempted } from './types.ts'

/** What the turns of an answer came to so far. */
export interface Turns {
  readonly content: readonly ModelContent[]
  /** By which the driver finds what it kept; undefined where it keeps nothing, or what it kept is used up. */
  readonly state: string | undefined
  /** Tokens that were written since the answer was begun, or begun anew. */
  readonly written: number
  /** What they took, as far as this kernel saw them: what an earlier one paid is in the books already. */
  readonly usage: CallUsage
  readonly preempted: Preempted
}

/** With one turn more. */
export function withTurn(before: Turns | undefined, turn: KeptTurn): Turns {
  const { content, state, usage, preempted: cost } = turn
  if (before === undefined) return { content, state, written: usage.outputTokens, usage, preempted: cost }
  const { preempted } = before
  return {
    content: merged([...before.content, ...content]),
    state,
    written: before.written + usage.outputTokens,
    usage: sumOf(before.usage, usage),
    preempted: {
      times: preempted.times + cost.times,
      tokensAgain: preempted.tokensAgain + cost.tokensAgain,
      stateBytes: preempted.stateBytes + cost.stateBytes,
      stateMs: preempted.stateMs + cost.stateMs,
    },
  }
}

/** Those that a journal has of a call, the first one first; what they took was paid by whoever ran them. */
export function takenUp(kept: readonly KeptTurn[]): Turns | undefined {
  let turns: Turns | undefined
  for (const turn of kept) turns = withTurn(turn.anew === true ? startedOver(turns) : turns, turn)
  return paid(turns)
}

/** What they took is in the books: it counts no more. */
export function paid(turns: Turns | undefined): Turns | undefined {
  return turns === undefined ? undefined : { ...turns, usage: NOTHING_TAKEN }
}

const NOTHING_TAKEN: CallUsage = Object.freeze({
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  usd: 0,
  estimated: false,
})

/** What they took, and what is known of a last one beside them. */
export function usageSoFar(turns: Turns | undefined, last?: CallUsage): CallUsage | undefined {
  if (turns === undefined) return last
  return { ...(last === undefined ? turns.usage : sumOf(turns.usage, last)), preempted: turns.preempted }
}

/** The answer that they and the last one add up to: one text where the next goes on with it. */
export function joined(turns: Turns | undefined, last: Answer): Answer {
  return turns === undefined ? last : { ...last, content: merged([...turns.content, ...last.content]) }
}

/** The text so far; empty where nothing is left to go on with. */
export function textSoFar(turns: Turns | undefined): string {
  return turns?.content.map((part) => (part.type === 'text' ? part.text : '')).join('') ?? ''
}

/** What was written is of no use any more; what it took stays counted. */
export function startedOver(turns: Turns | undefined): Turns | undefined {
  return turns === undefined ? undefined : { ...turns, content: [], state: undefined, written: 0 }
}

/** How a turn ended whose state was kept; undefined for an answer that is whole. */
export function turnEndOf({ finishReason, polity }: Answer): TurnEnd | undefined {
  const state = fieldOf(polity, 'state')
  if (finishReason !== 'interrupted' || typeof state !== 'string') return undefined
  return { state, bytes: Math.ceil(amountOf(fieldOf(polity, 'bytes'))), ms: amountOf(fieldOf(polity, 'ms')) }
}

/** A driver may say anything: what is no amount counts as none. */
function amountOf(value: unknown): number {
  return typeof value === 'number' && value >= 0 && value < Infinity ? value : 0
}

function merged(parts: readonly ModelContent[]): readonly ModelContent[] {
  const content: ModelContent[] = []
  for (const part of parts) {
    const before = content.at(-1)
    if (before?.type === 'text' && part?.type === 'text' && typeof part.text === 'string')
      content[content.length - 1] = { ...before, text: before.text + part.text }
    else content.push(part)
  }
  return content
}

/** What two turns took, or two calls; what it cost to interrupt them is not in it. */
export function sumOf(a: CallUsage, b: CallUsage): CallUsage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    cachedTokens: a.cachedTokens + b.cachedTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    usd: a.usd + b.usd,
    estimated: a.estimated || b.estimated,
  }
}
