/**
 * Pinned facts: what was marked as worth keeping stays word for word, whatever another compaction leaves out.
 *
 *     openContext({ compaction: pinnedFacts(summary(sys)) })
 *
 * A fact is a line that begins with `Remember:`, in what a person or the model says, not in what tools return: a page must
 * not pin itself. Facts that would be left out come back as one message behind the instructions. It is the least that every
 * memory of this kind agrees on (MemGPT's core memory, Packer et al. 2023; AgentOccam's notes, Yang et al. 2024).
 *
 * Every fact stands in the window itself, so a window as a value loses none where it goes on with another such object.
 */
import type { Compaction, Turn } from '../kernel/context.ts'
import { recent, turnOf } from '../kernel/context.ts'
import { PolityError } from '../kernel/errors.ts'
import type { Message } from '../kernel/types.ts'
import { saidIn } from './pieces/turn-text.ts'

export interface PinnedFactsOptions {
  /** How a line with a fact begins. @default 'Remember:' */
  readonly marker?: string
  /** Share of the room that facts may take. Beyond it: `TOO_LARGE`. @default 0.5 */
  readonly share?: number
}

/** Another compaction, around which facts stay. */
export function pinnedFacts(
  inner: Compaction = recent,
  { marker = 'Remember:', share = 0.5 }: PinnedFactsOptions = {},
): Compaction {
  const facts = new Set<string>()
  /** The messages with facts that this wrote. */
  const written = new WeakSet<Message>()
  const isFacts = ({ messages }: Turn): boolean => written.has(messages[0] as Message)

  function factsTurn(list: readonly string[]): Turn {
    const message: Message = { role: 'user', content: `[Pinned]\n${list.join('\n')}` }
    written.add(message)
    return turnOf([message], 0)
  }

  return {
    ...inner,
    async compact(turns, tokensMax) {
      const others = turns.filter((turn) => !isFacts(turn))
      for (const turn of others) for (const fact of factsIn(turn, marker)) facts.add(fact)
      const size = facts.size === 0 ? 0 : factsTurn([...facts]).tokens
      if (size > tokensMax * share)
        throw new PolityError(
          'TOO_LARGE',
          `${facts.size} pinned facts take about ${Math.ceil(size)} tokens, and the window keeps ${Math.floor(tokensMax * share)} for them; pin less, or open the context with a larger tokensMax`,
        )
      const kept = await inner.compact(others, tokensMax - size)
      const seen = new Set(kept.flatMap((turn) => factsIn(turn, marker)))
      const lost = [...facts].filter((fact) => !seen.has(fact))
      if (kept.length === others.length && kept.every((turn, i) => turn === others[i])) return turns
      return lost.length === 0 ? kept : [factsTurn(lost), ...kept]
    },
  }
}

function factsIn(turn: Turn, marker: string): string[] {
  return saidIn(turn)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith(marker))
}
