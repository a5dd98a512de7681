/**
 * Chain of summarization (Ma et al. 2023, "Large language models play StarCraft II", section 3.3): each step is told in
 * short by itself (single frame), and every so many of them are read together by a model that writes down the situation
 * (multi frame).
 *
 *     openContext({ compaction: chainOfSummarization(sys) })                   // every 5 steps become one
 *     openContext({ compaction: chainOfSummarization(sys, { frames: 1 }) })    // each step becomes its own summary
 *
 * The release has chunks of 5 frames and tells each by rules; so here `single` is a function and costs no model call. Model
 * calls: one for every `frames` steps.
 *
 * What it knows beside the window is kept in the `Compaction` object: who goes on from a window as a value passes the same one,
 * or else its summaries are taken for steps.
 */
import type { Compaction, Turn } from '../kernel/context.ts'
import { recent, turnOf } from '../kernel/context.ts'
import type { Message, Sys } from '../kernel/types.ts'
import { turnText } from './pieces/turn-text.ts'

export interface ChainOptions {
  /** Steps that one summary is made of; 1 for single frames only. @default 5 */
  readonly frames?: number
  /** A step in short, by rules. @default everything that was said in it */
  readonly single?: (turn: Turn) => string
  /** Longest summary. @default 160 */
  readonly tokens?: number
}

const SITUATION = `These are the last steps of a task, in order. Write down the situation in at most five short sentences:
what is there now, what was done, what failed, what to do next. Keep exact names and numbers.`

/** A compaction that summarizes steps as they pass, not only when the window is full. */
export function chainOfSummarization(
  sys: Sys,
  { frames = 5, single = turnText, tokens = 160 }: ChainOptions = {},
): Compaction {
  /** Messages that are summaries already. */
  const written = new WeakSet<Message>()
  const isFrame = ({ messages }: Turn): boolean => !written.has(messages[0] as Message)

  async function situation(chunk: readonly Turn[]): Promise<Turn> {
    const told = chunk.map((turn, i) => `Step ${i + 1}\n${single(turn)}`).join('\n\n')
    const { text } = await sys.generate({ instructions: SITUATION, prompt: told, maxOutputTokens: tokens })
    const message: Message = {
      role: 'user',
      content: `[Situation after ${chunk.length} more ${chunk.length === 1 ? 'step' : 'steps'}]\n${text.trim()}`,
    }
    written.add(message)
    return turnOf(
      [message],
      chunk.reduce((sum, { stands }) => sum + stands, 0),
    )
  }

  return {
    isDue: (turns) => turns.slice(0, -1).filter(isFrame).length >= frames,
    async compact(turns, tokensMax) {
      const before = turns.slice(0, -1)
      const open = before.filter(isFrame)
      // A window that is full before there are enough of them: they have to be told now.
      const whole = open.length < frames ? open.length : open.length - (open.length % frames)
      const chunks: Promise<Turn>[] = []
      for (let i = 0; i < whole; i += frames) chunks.push(situation(open.slice(i, Math.min(i + frames, whole))))
      const told = await Promise.all(chunks)
      const all = [...before.filter((turn) => !isFrame(turn)), ...told, ...open.slice(whole), ...turns.slice(-1)]
      const size = all.reduce((sum, turn) => sum + turn.tokens, 0)
      return size > tokensMax ? recent.compact(all, tokensMax) : all
    },
  }
}
