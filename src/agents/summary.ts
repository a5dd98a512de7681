/**
 * Summary: a full window keeps its last turns, and a model retells what was before them, the last summary included.
 *
 *     openContext({ compaction: summary(sys) })
 *
 * As the recursive summary of MemGPT (Packer et al. 2023, section 2.2): the new summary is made of the old one and of what
 * is left out. The summary is a model call of the process: it is paid from its budget and stands in its journal.
 */
import type { Compaction } from '../kernel/context.ts'
import { recent, standing, turnOf } from '../kernel/context.ts'
import type { ModelChoice, Sys } from '../kernel/types.ts'
import { turnText } from './pieces/turn-text.ts'

export interface SummaryOptions {
  /** What the model is told. @default to keep what is needed to go on */
  readonly instructions?: string
  /** @default the program's model */
  readonly model?: ModelChoice
  /** Share of the room that the summary may take; the last turns have the rest. @default 0.3 */
  readonly share?: number
}

const SUMMARIZE = `Summarize the beginning of this conversation for the one who goes on with it and will not see it.
Keep what was asked, what was decided and done, results with their exact names, numbers and paths, and what is still open. Leave out how it was found. Write plain sentences.`

/** A compaction that asks a model for a summary. */
export function summary(sys: Sys, { instructions = SUMMARIZE, model, share = 0.3 }: SummaryOptions = {}): Compaction {
  return {
    async compact(turns, tokensMax) {
      const kept = lastTurns(turns.length, (i) => turns[i]?.tokens ?? 0, tokensMax * (1 - share))
      const old = turns.slice(0, turns.length - kept)
      const told = standing(old)
      if (told === 0) return turns
      const { text } = await sys.generate({
        instructions,
        prompt: old.map(turnText).join('\n\n'),
        maxOutputTokens: Math.max(TOKENS_MIN, Math.floor(tokensMax * share)),
        ...(model === undefined ? {} : { model }),
      })
      // A model that says nothing has told nothing: then the turns are left out, and a marker says so.
      if (text.trim() === '') return recent.compact(turns, tokensMax)
      const content = `[Summary of ${told} earlier ${told === 1 ? 'turn' : 'turns'}]\n${text.trim()}`
      return [turnOf([{ role: 'user', content }], told), ...turns.slice(old.length)]
    },
  }
}

/** Nothing can be told in less. */
const TOKENS_MIN = 32

/** How many of the last fit; at least one. */
function lastTurns(count: number, tokensOf: (i: number) => number, tokensMax: number): number {
  let kept = 1
  let tokens = tokensOf(count - 1)
  while (kept < count && tokens + tokensOf(count - kept - 1) <= tokensMax) tokens += tokensOf(count - ++kept)
  return kept
}
