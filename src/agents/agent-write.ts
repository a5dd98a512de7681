/**
 * AgentWrite (Bai et al. 2024, "LongWriter: unleashing 10,000+ word generation from long context LLMs"): a text longer than a
 * model writes at once. One call plans it, a line a paragraph with its point and its length; then it is written paragraph
 * after paragraph, each with the instruction, the whole plan and all that stands already.
 *
 *     spawn(agentWrite, { instruction: 'Write a history of lighthouses in 10,000 words.', words: 10_000 })
 *         →   { text, words, planned, score, paragraphs }
 *
 * Paragraphs come one after another on purpose: written side by side they were less coherent, says the paper. The plan is a stage of a
 * pipeline (staged.ts) that opens one for each of its lines.
 *
 * Invariants
 *   AW1. A plan has 1 to 50 lines; one that has not is asked for once more, then the run fails.
 *   AW2. The i-th prompt holds paragraphs before i and none behind. Where they do not fit into `windowTokens`, the oldest
 *        text is left out, and the prompt says so.
 *   AW3. A paragraph that is empty, or says again what one before it said, is asked for again, then left out and told of.
 */
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import { boundTokens } from '../kernel/token-bound.ts'
import type { Json, Sys } from '../kernel/types.ts'
import { tailOf } from './pieces/text-chunks.ts'
import { carryOutStages, type Stage } from './staged.ts'

export interface AgentWriteInput {
  readonly instruction: string
  /** Words that are wanted. @default what the plan comes to */
  readonly words?: number
  /** Calls for one paragraph, the first included. Minimum 1. @default 2 */
  readonly triesMax?: number
  /** Tokens of a prompt with its answer. @default no bound: what stands already is always shown whole, as in the paper */
  readonly windowTokens?: number
}

export interface PlannedParagraph {
  readonly point: string
  readonly words: number
}

export interface Written {
  readonly text: string
  readonly words: number
  /** Words of all lines of the plan. */
  readonly planned: number
  /** How near `words` is to what was wanted, 0 to 100 (`lengthScore`). */
  readonly score: number
  readonly paragraphs: readonly (PlannedParagraph & {
    /** Words that were written; 0 where it was left out. */
    readonly written: number
  })[]
}

/** The paper's, in our words. Lines of more than 1,000 words are not written well, and of less than 200 not worth a call. */
const PLAN = `Break the writing task into paragraphs. Answer with one line for each, and nothing else:
Paragraph 1 - Main Point: [what it says, in detail] - Word Count: [200 to 1000]
The counts together come to the length that the task asks for. At most 50 paragraphs.`
const WRITE = `You write a long text one paragraph after another. Given are the task, the plan and what is written so far. Write only the paragraph that is asked for, at its length, and go on from where the text stands. No summary and no closing words before the last paragraph.`

/** Lines of a plan. */
const PARAGRAPHS_MAX = 50

const lineOf = ({ point, words }: PlannedParagraph, i: number): string =>
  `Paragraph ${i + 1} - Main Point: ${point} - Word Count: ${words}`

export const agentWrite = defineProgram('agent-write', async (sys, input: AgentWriteInput): Promise<Written> => {
  const { instruction } = input
  const planTokens = Math.floor(Math.min(PLAN_TOKENS, (input.windowTokens ?? Infinity) / 2))
  const { documents, failed } = await carryOutStages({ instruction }, [
    {
      name: 'plan',
      sees: ['instruction'],
      backsMax: 1,
      async make({ why }) {
        const prompt = why === '' ? instruction : `${instruction}\n\n${why}`
        const { text } = await sys.generate({ instructions: PLAN, prompt, maxOutputTokens: planTokens })
        return planIn(text) as unknown as Json
      },
      check(plan) {
        const { length } = plan as unknown as Plan
        if (length > 0 && length <= PARAGRAPHS_MAX) return undefined
        return { why: `The last plan had ${length} lines of the form asked for; give 1 to ${PARAGRAPHS_MAX}.` }
      },
      opens: (plan) => (plan as unknown as Plan).map((_, i) => paragraphStage(sys, plan as unknown as Plan, i, input)),
    },
  ])
  if (failed !== undefined) throw new Error(`agent-write: the model gave no plan of 1 to ${PARAGRAPHS_MAX} paragraphs`)
  const plan = documents['plan'] as unknown as Plan
  const paragraphs = plan.map((_, i) => documents[nameOf(i)] as string)
  const text = joined(paragraphs)
  const total = plan.reduce((sum, { words }) => sum + words, 0)
  return {
    text,
    words: wordsOf(text),
    planned: total,
    score: lengthScore(input.words ?? total, wordsOf(text)),
    paragraphs: plan.map((line, i) => ({ ...line, written: wordsOf(paragraphs[i] as string) })),
  }
})

type Plan = readonly PlannedParagraph[]

/** What separates the parts of a prompt, and says that something is left out. */
const JOINING_TOKENS = 64

/** A plan of 50 lines has room in it. */
const PLAN_TOKENS = 4_096

const nameOf = (place: number): string => `paragraph ${place + 1}`
const joined = (paragraphs: readonly string[]): string => paragraphs.filter((one) => one !== '').join('\n\n')

function planIn(text: string): Plan {
  const lines = [
    ...text.matchAll(/^\W*Paragraph\s+\d+\s*[-–—:]\s*Main Point:\s*(.+?)\s*[-–—]\s*Word Count:\s*\[?(\d+)/gim),
  ]
  return lines.map(([, point = '', words]) => ({ point, words: Number(words) })).filter(({ words }) => words > 0)
}

/** One paragraph, from the plan and those before it; '' where the model has nothing new to say. */
function paragraphStage(
  sys: Sys,
  plan: Plan,
  place: number,
  { instruction, triesMax = 2, windowTokens = Infinity }: AgentWriteInput,
): Stage {
  const before = plan.slice(0, place).map((_, i) => nameOf(i))
  const { point, words } = plan[place] as PlannedParagraph
  return {
    name: nameOf(place),
    sees: ['plan', ...before],
    async make({ documents }) {
      const paragraphs = before.map((name) => documents[name] as string)
      const head = `Task: ${instruction}\n\nPlan:\n${plan.map(lineOf).join('\n')}`
      const ask = `Write paragraph ${place + 1} of ${plan.length}: ${point} (${words} words)`
      // A word is seldom more than two tokens, in any script that has words.
      const answerTokens = Math.max(256, words * 2)
      const room = windowTokens - boundTokens(`${WRITE}${head}${ask}`) - answerTokens - JOINING_TOKENS
      if (room < 0)
        throw new PolityError(
          'INVALID_ARGUMENT',
          `agent-write: task and plan do not fit into windowTokens (${windowTokens})`,
        )
      const text = joined(paragraphs)
      const shown = tailOf(text, room)
      const soFar = shown.length < text.length ? `[the beginning is left out]\n…${shown}` : shown
      const prompt = `${head}\n\nWritten so far:\n${soFar}\n\n${ask}`
      for (let tries = 0; tries < triesMax; tries++) {
        const { text: said } = await sys.generate({ instructions: WRITE, prompt, maxOutputTokens: answerTokens })
        const paragraph = said.trim()
        if (paragraph !== '' && !paragraphs.includes(paragraph)) return paragraph
      }
      return ''
    },
  }
}

function wordsOf(text: string): number {
  return text.match(/\S+/g)?.length ?? 0
}

/** How near a length is to the wanted one, 0 to 100: S_l of the paper. Four times as long, or a third, is 0. */
export function lengthScore(wanted: number, words: number): number {
  if (words <= 0 || wanted <= 0) return 0
  return 100 * Math.max(0, words > wanted ? 1 - (words / wanted - 1) / 3 : 1 - (wanted / words - 1) / 2)
}
