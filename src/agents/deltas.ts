/**
 * Diff history (Piterbarg et al. 2024, "diff History for neural language agents", section 3): an observation that repeats
 * the one before is told as what changed in it.
 *
 *     openContext({ compaction: deltas() })
 *
 * Of each text that a tool returns, the shorter is kept: the text, or its difference from the last text of the same tool as
 * a unified diff without context lines and file headers. The paper always takes the difference, which makes pages that
 * have nothing in common longer. Where the window is compacted, the next observation is whole again, as in the paper.
 *
 * What it knows beside the window is kept in the `Compaction` object: who goes on from a window as a value passes the same one,
 * or else a difference that is already there is taken for the text itself.
 *
 * Invariants
 *   D1. What is kept is never longer than the text itself.
 *   D2. `deltaOf(before, after)`, applied to `before` as a patch, gives `after` to the last character.
 *   D3. Who reads a window from its beginning knows the text that each difference refers to.
 */
import type { Compaction, Turn } from '../kernel/context.ts'
import { recent, turnOf } from '../kernel/context.ts'
import { unifiedDiff } from '../kernel/diff.ts'
import { boundTokens } from '../kernel/token-bound.ts'
import type { Message } from '../kernel/types.ts'

/** Another compaction, between whose epochs observations are told as differences. */
export function deltas(inner: Compaction = recent): Compaction {
  /** Messages as they were before they were shortened. */
  const whole = new WeakMap<Message, Message>()
  const wholeOf = (message: Message): Message => whole.get(message) ?? message

  /** The last text of a tool, as whoever reads these turns knows it. */
  function lastOf(tool: string, turns: readonly Turn[]): string | undefined {
    for (const { messages } of turns.toReversed())
      for (const message of messages.toReversed()) {
        const [text] = textsOf(wholeOf(message))
          .filter(({ toolName }) => toolName === tool)
          .slice(-1)
        if (text !== undefined) return text.value
      }
    return undefined
  }

  function shortened(message: Message, turns: readonly Turn[]): Message {
    if (message.role !== 'tool') return message
    const known = new Map<string, string | undefined>()
    let changed = false
    const content = message.content.map((part) => {
      if (part.type !== 'tool-result' || part.output.type !== 'text') return part
      const { toolName, output } = part
      const before = known.has(toolName) ? known.get(toolName) : lastOf(toolName, turns)
      known.set(toolName, output.value)
      const told = before === undefined ? undefined : tellingOf(toolName, deltaOf(before, output.value))
      if (told === undefined || !isShorter(told, output.value)) return part
      changed = true
      return { ...part, output: { ...output, value: told } }
    })
    if (!changed) return message
    const short: Message = { ...message, content }
    whole.set(short, message)
    return short
  }

  return {
    ...inner,
    enter: (message, turns) => shortened(inner.enter?.(message, turns) ?? message, turns),
    async compact(turns, tokensMax) {
      const expanded = turns.map((turn) => mapped(turn, wholeOf))
      const kept = await inner.compact(expanded, tokensMax)
      if (kept.length === expanded.length && kept.every((turn, i) => turn === expanded[i])) return turns
      // What the differences referred to may be gone: they are taken anew from the first result that stays.
      const told: Turn[] = []
      for (const turn of kept) {
        const before: Message[] = []
        const to = (message: Message): Message => {
          const short = shortened(message, before.length === 0 ? told : [...told, turnOf(before)])
          before.push(short)
          return short
        }
        told.push(mapped(turn, to))
      }
      return told
    },
  }
}

function tellingOf(tool: string, delta: string): string {
  return delta === ''
    ? `[nothing has changed since the last result of ${tool}]`
    : `[what changed since the last result of ${tool}]\n${delta}`
}

/** The texts that tools returned in a message. */
function textsOf({ role, content }: Message): { readonly toolName: string; readonly value: string }[] {
  if (role !== 'tool') return []
  return content.flatMap((part) =>
    part.type === 'tool-result' && part.output.type === 'text'
      ? [{ toolName: part.toolName, value: part.output.value }]
      : [],
  )
}

/** The turn with other messages; the same turn where none is another. */
function mapped(turn: Turn, to: (message: Message) => Message): Turn {
  const messages = turn.messages.map(to)
  return messages.every((message, i) => message === turn.messages[i]) ? turn : turnOf(messages, turn.stands)
}

function isShorter(delta: string, text: string): boolean {
  return delta.length < text.length && boundTokens(delta) < boundTokens(text)
}

/** The lines in which `after` differs, as the hunks of a unified diff without context; '' where it does not. */
export function deltaOf(before: string, after: string): string {
  return unifiedDiff(before, after, 0).replace(/\n$/, '')
}
