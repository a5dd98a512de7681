/**
 * HiAgent (Hu et al. 2024, "HiAgent: hierarchical working memory management for solving long-horizon agent tasks with large
 * language models"): the window holds the steps of the present subgoal; those of earlier ones are one line each, and come
 * back when they are asked for.
 *
 *     kernel.spawn(hiAgent, { question: 'Put a clean mug in the coffee machine.' })
 *     const memory = subgoals(sys); openContext({ compaction: memory.compaction })      // in a program of your own
 *
 * The model begins a subgoal by writing a line `Subgoal: …`. Then the steps before it are summarized, by a call of their own,
 * and the summary stands in their place. A line `Retrieve: 2` brings the steps of subgoal 2 back, word for word.
 *
 * What it knows beside the window is kept in the `Compaction` object: who goes on from a window as a value passes the same one,
 * or else what was summarized cannot be brought back.
 *
 * Invariants
 *   H1. What can be seen is the summaries of the closed subgoals and the steps of the open one.
 *   H2. `retrieve` gives what was there to the last character.
 */
import type { Compaction, Turn } from '../kernel/context.ts'
import { openContext, recent, standing, turnOf } from '../kernel/context.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Message, Sys } from '../kernel/types.ts'
import type { LoopOptions } from './react.ts'
import { observe } from './react.ts'
import { saidIn, turnText } from './pieces/turn-text.ts'

export interface SubgoalsOptions {
  /** Longest summary of a subgoal. @default 40 */
  readonly tokens?: number
}

export interface Subgoals {
  readonly compaction: Compaction
  /** The steps of a closed subgoal, whole; undefined where there is none of that number. */
  retrieve(id: number): string | undefined
}

const SUMMARIZE = `These are the steps that an agent took for one subgoal. Say in one short sentence what it found or did, with exact names, and whether the subgoal was achieved.`

const MANNER = `Work in subgoals. When you begin one, write a line "Subgoal: " with what it is, before you act.
Steps of earlier subgoals are shown to you in one line each. To see them again whole, write a line "Retrieve: " with the number of the subgoal.`

/** Working memory by subgoals. */
export function subgoals(sys: Sys, { tokens = 40 }: SubgoalsOptions = {}): Subgoals {
  const closed: string[] = []
  /** Messages that are summaries already, with the number of their subgoal. */
  const written = new WeakMap<Message, number>()
  const idOf = ({ messages }: Turn): number | undefined => written.get(messages[0] as Message)
  const isSummary = (turn: Turn): boolean => idOf(turn) !== undefined

  async function close(chunk: readonly Turn[], id: number): Promise<Turn> {
    const whole = chunk.map(turnText).join('\n')
    closed[id - 1] = whole
    const subgoal = subgoalOf(chunk[0] as Turn) ?? 'the beginning'
    const { text } = await sys.generate({
      instructions: SUMMARIZE,
      prompt: `Subgoal: ${subgoal}\n\n${whole}`,
      maxOutputTokens: tokens,
    })
    const message: Message = { role: 'user', content: `[Subgoal ${id}: ${subgoal}] ${text.trim()}` }
    written.set(message, id)
    return turnOf([message], standing(chunk))
  }

  const compaction: Compaction = {
    isDue: (turns) => chunksOf(turns.filter((turn) => !isSummary(turn))).length > 1,
    async compact(turns, tokensMax) {
      const chunks = chunksOf(turns.filter((turn) => !isSummary(turn)))
      const open = chunks.pop() ?? []
      // A try that failed has closed nothing: what was closed last is the last that can be seen.
      const shown = turns.flatMap((turn) => idOf(turn) ?? [])
      if (shown.length > 0) closed.length = Math.max(...shown)
      const first = closed.length + 1
      const summaries = await Promise.all(chunks.map((chunk, i) => close(chunk, first + i)))
      const all = [...turns.filter(isSummary), ...summaries, ...open]
      const size = all.reduce((sum, turn) => sum + turn.tokens, 0)
      return size > tokensMax ? recent.compact(all, tokensMax) : all
    },
  }
  return { compaction, retrieve: (id) => closed[id - 1] }
}

/** Turns by subgoal; what was before the first is a chunk too. */
function chunksOf(turns: readonly Turn[]): Turn[][] {
  const chunks: Turn[][] = []
  let subgoal: string | undefined
  for (const turn of turns) {
    const begun = subgoalOf(turn)
    if (chunks.length === 0 || (begun !== undefined && begun !== subgoal)) chunks.push([])
    subgoal = begun ?? subgoal
    chunks.at(-1)?.push(turn)
  }
  return chunks
}

function subgoalOf(turn: Turn): string | undefined {
  return turn.messages[0]?.role === 'assistant' ? /^Subgoal:\s*(.*\S)/m.exec(saidIn(turn))?.[1] : undefined
}

export interface HiAgentInput extends LoopOptions {
  readonly question: string
  readonly instructions?: string
  /** Size of the context window, tokens. @default 100,000 */
  readonly contextTokens?: number
}

/** ReAct with such a memory. The published agent stops after 30 steps. */
export const hiAgent = defineProgram(
  'hi-agent',
  async (sys, { question, instructions, contextTokens, stepsMax = 30, temperature, ...given }: HiAgentInput) => {
    const tools = given.tools ?? sys.tools.map(({ name }) => name)
    const { compaction, retrieve } = subgoals(sys)
    const context = openContext({
      instructions: instructions === undefined ? MANNER : `${instructions}\n\n${MANNER}`,
      compaction,
      ...(contextTokens === undefined ? {} : { tokensMax: contextTokens }),
    })
    await context.append({ role: 'user', content: question })
    for (let step = 1; ; step++) {
      const mayGoOn = step < stepsMax
      const answer = await sys.generate({
        messages: context.messages,
        tools,
        ...(mayGoOn || tools.length === 0 ? {} : { toolChoice: { type: 'none' } as const }),
        ...(temperature === undefined ? {} : { temperature }),
      })
      await context.append(answer)
      const asked = /^Retrieve:\s*(\d+)/m.exec(answer.text)?.[1]
      if (!mayGoOn || (answer.toolCalls.length === 0 && asked === undefined)) return answer.text
      const steps =
        asked === undefined ? undefined : (retrieve(Number(asked)) ?? 'There is no closed subgoal of that number.')
      await context.append(
        ...(answer.toolCalls.length === 0 ? [] : [await observe(sys, answer.toolCalls, context.room)]),
        ...(steps === undefined ? [] : [{ role: 'user' as const, content: `[Steps of subgoal ${asked}]\n${steps}` }]),
      )
    }
  },
)
