/**
 * The context window: what a program sends to a model, step after step.
 *
 *     const context = openContext({ instructions, tokensMax: 100_000 })
 *     context.append({ role: 'user', content: question })
 *     const answer = await sys.generate({ messages: context.messages, tools })
 *     context.append(answer.message)
 *
 * Invariants
 *   W1. Between two compactions messages are only added at the end; nothing before them changes, not even in its bytes
 *       (promise 7: the provider's prompt cache keeps paying).
 *   W2. A compaction keeps the prefix (instructions and the first user message), whole turns, and every tool result
 *       together with the call it answers.
 *   W3. It is plain computing on what the program learned, so a replay compacts at the same places.
 */
import { PolityError } from './errors.ts'
import { estimatePrompt } from './messages.ts'
import type { Message } from './types.ts'

/** Chooses the turns that stay. Gets the turns after the prefix, the oldest first, and the tokens they may take together. */
export type Compaction = (turns: readonly Turn[], tokensMax: number) => readonly Turn[]

/** Messages that belong together: what somebody said, or a model's step with the results of its tool calls. */
export interface Turn {
  readonly messages: readonly Message[]
  readonly tokens: number
}

/** How a window begins, and what becomes of it when it is full. */
export interface ContextOptions {
  /** First message, never compacted. */
  readonly instructions?: string
  /** Estimated tokens beyond which the window is compacted. Minimum 100. @default 100,000 */
  readonly tokensMax?: number
  /** Share of `tokensMax` that a compaction leaves at most. Less often and deeper is cheaper than often and little: each one costs the cached prefix. @default 0.5 */
  readonly keep?: number
  /** @default recentTurns */
  readonly compaction?: Compaction
}

/** A window: messages that only grow at their end between two compactions. */
export interface Context {
  /** The window as it would be sent now. */
  readonly messages: readonly Message[]
  /** Estimated tokens of the window. */
  readonly tokens: number
  /** Compactions so far. */
  readonly epoch: number
  append(...messages: readonly Message[]): void
}

/** Opens a window. */
export function openContext({
  instructions,
  tokensMax = 100_000,
  keep = 0.5,
  compaction = recentTurns,
}: ContextOptions = {}): Context {
  if (!(tokensMax >= 100))
    throw new PolityError('INVALID_ARGUMENT', `openContext: tokensMax takes at least 100, not ${tokensMax}`)
  if (!(keep > 0 && keep < 1))
    throw new PolityError('INVALID_ARGUMENT', `openContext: keep takes a share between 0 and 1, not ${keep}`)
  const prefix: Message[] = instructions === undefined ? [] : [{ role: 'system', content: instructions }]
  let messages: Message[] = [...prefix]
  let tokens = estimatePrompt(messages)
  let epoch = 0
  let dropped = 0

  function append(...more: readonly Message[]): void {
    for (const message of more) {
      if (prefix.length <= (instructions === undefined ? 0 : 1) && message.role === 'user') prefix.push(message)
      messages.push(message)
      tokens += estimatePrompt([message])
    }
    // Only between steps: a call without its results must not be cut from them.
    if (tokens > tokensMax && !endsInToolCall(messages)) compact()
  }

  function compact(): void {
    const turns = turnsOf(messages.slice(prefix.length).filter((message) => message !== marker))
    const kept = compaction(turns, tokensMax * keep - estimatePrompt(prefix))
    if (kept.length === turns.length) return
    dropped += turns.length - kept.length
    marker = {
      role: 'user',
      content: `[${dropped} earlier ${dropped === 1 ? 'turn was' : 'turns were'} left out here]`,
    }
    messages = [...prefix, marker, ...kept.flatMap((turn) => turn.messages)]
    tokens = estimatePrompt(messages)
    epoch++
  }

  let marker: Message | undefined
  return {
    get messages() {
      return messages.slice()
    },
    get tokens() {
      return tokens
    },
    get epoch() {
      return epoch
    },
    append,
  }
}

/** The last turns that fit; always the very last one. */
export function recentTurns(turns: readonly Turn[], tokensMax: number): readonly Turn[] {
  let from = turns.length - 1
  let tokens = turns[from]?.tokens ?? 0
  while (from > 0 && tokens + (turns[from - 1] as Turn).tokens <= tokensMax) tokens += (turns[--from] as Turn).tokens
  return turns.slice(Math.max(0, from))
}

function turnsOf(messages: readonly Message[]): Turn[] {
  const turns: Message[][] = []
  for (const message of messages) {
    if (message.role === 'tool' && turns.length > 0) turns[turns.length - 1]?.push(message)
    else turns.push([message])
  }
  return turns.map((group) => ({ messages: group, tokens: estimatePrompt(group) }))
}

function endsInToolCall(messages: readonly Message[]): boolean {
  const last = messages[messages.length - 1]
  return (
    last?.role === 'assistant' && Array.isArray(last.content) && last.content.some((part) => part.type === 'tool-call')
  )
}
