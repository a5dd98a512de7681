/**
 * The queue of a paged window: turns in, the oldest out, and when.
 *
 *     const queue = createQueue({ room: () => tokensLeftForMessages, eviction: { kind: 'share' } })
 *     queue.push([question])
 *     const left = queue.evict()        // messages that leave; none while there is room
 *
 * Invariants
 *   Q1. After `evict`, the messages take no more tokens than there is room.
 *   Q2. A turn leaves whole: no result without its call.
 */
import { turnOf } from '../../kernel/context.ts'
import { PolityError } from '../../kernel/errors.ts'
import { estimatePrompt, estimateTokens } from '../../kernel/messages.ts'
import { boundTokens } from '../../kernel/token-bound.ts'
import type { Message } from '../../kernel/types.ts'
import { turnText } from './turn-text.ts'

/**
 * When turns leave, and how many:
 * `share`: as in MemGPT: once the room is full, the oldest until `leave` of it is free. Letta's "partial evict": `at` 0.9, `leave` 0.3.
 * `count`: as Letta's static buffer: once there are more than `most` turns or the room is 0.9 full, all but the last `keep`.
 */
export type Eviction =
  | {
      readonly kind: 'share'
      /** Share of the room from which on turns leave. @default 1 */
      readonly at?: number
      /** Share of what is there that leaves. @default 0.5 */
      readonly leave?: number
      /** Share of the room at which the model is warned, once before each time. @default 0.7 */
      readonly warnAt?: number
    }
  | {
      readonly kind: 'count'
      /** @default 10 */
      readonly most?: number
      /** @default 3 */
      readonly keep?: number
    }

export interface Queue {
  push(turn: readonly Message[]): void
  /** What has to leave now, the oldest first. */
  evict(): readonly Message[]
  /** Whether the model should be warned; true once before turns leave. */
  isUnderPressure(): boolean
  messages(): readonly Message[]
}

/** As in Letta. */
const COUNT_FULL = 0.9

export function createQueue({
  room,
  eviction = { kind: 'share' },
}: {
  room: () => number
  eviction?: Eviction
}): Queue {
  for (const [key, value] of Object.entries(eviction)) {
    const [least, most] = eviction.kind === 'count' ? [1, Infinity] : [0, 1]
    if (key !== 'kind' && !(Number(value) > least - 1e-9 && Number(value) <= most))
      throw new PolityError(
        'INVALID_ARGUMENT',
        `eviction: ${key} takes ${eviction.kind === 'count' ? '1 or more' : 'a share, 0 to 1'}, not ${value}`,
      )
  }
  let turns: { readonly messages: readonly Message[]; readonly tokens: number }[] = []
  let isWarned = false
  const tokensFrom = (place: number): number => turns.slice(place).reduce((sum, { tokens }) => sum + tokens, 0)
  const push = (messages: readonly Message[]): void => void turns.push({ messages, tokens: tokensOf(messages) })

  /** How many of the oldest turns leave by the rule. */
  function leaving(): number {
    const tokens = tokensFrom(0)
    if (eviction.kind === 'count') {
      const { most = 10, keep = 3 } = eviction
      return turns.length > most || tokens > room() * COUNT_FULL ? Math.max(0, turns.length - keep) : 0
    }
    const { at = 1, leave = 0.5 } = eviction
    let count = 0
    if (tokens > room() * at) while (count < turns.length - 1 && tokensFrom(count) > tokens * (1 - leave)) count++
    return count
  }

  return {
    push,
    messages: () => turns.flatMap(({ messages }) => messages),
    isUnderPressure() {
      if (eviction.kind === 'count' || isWarned || tokensFrom(0) <= room() * (eviction.warnAt ?? 0.7)) return false
      return (isWarned = true)
    },
    evict() {
      let count = leaving()
      while (count < turns.length - 1 && tokensFrom(count) > room()) count++
      const left = turns.splice(0, count).flatMap(({ messages }) => messages)
      // A last turn that is too long by itself stays as a text that begins as it did.
      if (turns.length === 1 && tokensFrom(0) > room()) {
        const long = turns.pop()?.messages ?? []
        left.push(...long)
        push([{ role: 'user', content: CUT_TURN + clipTokens(turnText(turnOf(long)), Math.floor(room() / 2)) }])
      }
      if (left.length > 0) isWarned = false
      return left
    },
  }
}

const CUT_TURN = '[cut; it is whole in recall storage] '

/** Tokens that whole turns take at most: the upper bound, or the kernel's estimate where that is more. */
export function tokensOf(messages: readonly Message[]): number {
  return Math.max(estimatePrompt(messages), Math.ceil(turnOf(messages).tokens))
}

export function textTokens(text: string): number {
  return Math.max(estimateTokens(text), Math.ceil(boundTokens(text)))
}

const CUT = ' […]'

/** A text of at most so many tokens; where it is longer, it ends in […]. Never half a sign. */
export function clipTokens(text: string, tokensMax: number): string {
  if (textTokens(text) <= tokensMax) return text
  let [low, high] = [0, text.length]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (textTokens(text.slice(0, middle) + CUT) <= tokensMax) low = middle
    else high = middle - 1
  }
  const cut = /[\uD800-\uDBFF]$/.test(text.slice(0, low)) ? low - 1 : low
  return low === 0 ? '' : text.slice(0, cut) + CUT
}
