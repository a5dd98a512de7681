/**
 * ResearchCodeAgent (Gandhi et al. 2025, "ResearchCodeAgent: an LLM multi-agent system for automated codification of research
 * methodologies"): from a method in words to code that runs: a planner chooses actions on a folder, workers read and edit files.
 *
 *     spawn(researchCodeAgent, { task: 'Implement the method of method.md.', folder: 'work/', models: { planner: 'strong', worker: 'cheap' } })
 *     // { answer, why, plans, steps: [{ action, said, isError }, …] }
 *
 * Actions are those of code-folder.ts, and `final`. An error makes a new plan. The planner reads its last steps in full and the others in a
 * log that is cut to `logChars`. An action that was just taken, or any of a kind that gave the same error twice, is refused once and
 * another kind asked for. The paper is known to us by notes: what a guard forces, and that an edit is of a whole file, is our reading.
 *
 * Invariants
 *   RC1. What the planner reads of earlier steps is at most `logChars` and the last `recent` steps.
 *   RC2. A refused action is not taken; the second refusal ends it.
 */
import { z } from 'zod'
import { PolityError, toErrorData } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { ModelChoice } from '../kernel/types.ts'
import { actionShape, keyOf, shortened, type Action } from './pieces/acting.ts'
import { FOLDER_ACTIONS, openCodeFolder } from './pieces/code-folder.ts'
import { askJson } from './pieces/json-answer.ts'
import { isOurEnd } from './pieces/our-end.ts'
import { orchestrate, type OrchestrationEnd } from './orchestrate.ts'

export interface ResearchCodeInput {
  readonly task: string
  /** Path of the folder among the files of the process, with `/` at its end. */
  readonly folder: string
  /** @default the kernel's for both */
  readonly models?: { readonly planner?: ModelChoice; readonly worker?: ModelChoice }
  /** Actions and new plans. @default 40 */
  readonly stepsMax?: number
  /** Steps that the planner reads in full. @default 5 */
  readonly recent?: number
  /** What it reads of all others, characters. @default 2,000 */
  readonly logChars?: number
}

export interface ResearchCodeStep {
  readonly action: Action
  readonly said: string
  readonly isError: boolean
}

export interface ResearchCodeOutput {
  /** What `final` said; null: it did not come to that. */
  readonly answer: string | null
  readonly why: OrchestrationEnd
  /** Plans that were made. */
  readonly plans: number
  readonly steps: readonly ResearchCodeStep[]
}

const FINAL = 'final'
const PLAN = 'Plan the work: what is to be understood, written and run, in order. Answer with JSON: {"plan": ["…"]}.'
const CHOOSE = `Choose the next action by the plan and by what was seen. Answer with JSON: {"thought": "why", "action": {"name": "…", "args": {…}}}. Actions, with paths within the folder:
${FOLDER_ACTIONS}, ${FINAL} {"answer": "what was reached"}.`

const planned = z.object({ plan: z.array(z.string()).min(1) })
const chosen = z.object({ thought: z.string().optional(), action: actionShape })

export const researchCodeAgent = defineProgram(
  'research-code-agent',
  async (sys, input: ResearchCodeInput): Promise<ResearchCodeOutput> => {
    const { task, folder, models = {}, stepsMax = 40, recent = 5, logChars = 2_000 } = input
    const leads = models.planner === undefined ? {} : { model: models.planner }
    const work = openCodeFolder({ folder, ...(models.worker === undefined ? {} : { model: models.worker }) })
    let plans = 0

    const { answer, why, all } = await orchestrate<readonly string[], Action, ResearchCodeStep>(
      {
        async plan(last) {
          plans++
          const seen =
            last === undefined
              ? ''
              : `\n\n${memoryText(
                  last.all.map(({ outcome }) => outcome),
                  recent,
                  logChars,
                )}`
          const said = await askJson(sys, { ...leads, instructions: PLAN, prompt: `Task: ${task}${seen}` }, planned)
          return said?.plan ?? last?.plan ?? [task]
        },
        async decide({ plan, all: taken }) {
          const steps = taken.map(({ outcome }) => outcome)
          const list = plan.map((item, i) => `${i + 1}. ${item}`).join('\n')
          const prompt = `Task: ${task}\n\nPlan:\n${list}\n\n${memoryText(steps, recent, logChars)}`
          const choose = (refused: string) =>
            askJson(sys, { ...leads, instructions: CHOOSE, prompt: prompt + refused }, chosen)
          let action = (await choose(''))?.action
          const refused = action === undefined ? undefined : refusalOf(steps, action)
          if (refused !== undefined) action = (await choose(`\n\n${refused}`))?.action
          if (action === undefined || refusalOf(steps, action) !== undefined) return { end: 'gave up' }
          if (action.name !== FINAL) return { move: action }
          const said = action.args?.['answer']
          return { end: 'done', answer: typeof said === 'string' ? said : JSON.stringify(said ?? '') }
        },
        async dispatch(action) {
          try {
            return { action, said: shortened(await work(sys, action)), isError: false }
          } catch (error) {
            if (!PolityError.isInstance(error) || isOurEnd(error)) throw error
            const { code, message } = toErrorData(error)
            return { action, said: shortened(`${code}: ${message}`), isError: true }
          }
        },
        isProgress: ({ outcome }) => !outcome.isError,
      },
      { stepsMax, stallsMax: 1 },
    )
    return { answer: answer as string | null, why, plans, steps: all.map(({ outcome }) => outcome) }
  },
)

/** Why an action may not be taken now: the same was just taken, or its kind gave the same error twice. */
function refusalOf(steps: readonly ResearchCodeStep[], action: Action): string | undefined {
  const [last, earlier] = [steps.at(-1), steps.at(-2)]
  if (last !== undefined && keyOf(last.action) === keyOf(action))
    return `${keyOf(action)} was just done: choose another.`
  const isTwice = last?.isError === true && earlier?.isError === true && last.said === earlier.said
  if (isTwice && last.action.name === action.name && earlier.action.name === action.name)
    return `"${action.name}" gave the same error twice: choose an action of another kind.`
  return undefined
}

/** The last steps in full, and a line of each before them as far as there is room, the newest. */
function memoryText(steps: readonly ResearchCodeStep[], recent: number, logChars: number): string {
  const line = ({ action, said, isError }: ResearchCodeStep): string =>
    `${keyOf(action)}: ${isError ? 'error, ' : ''}${said.split('\n')[0]?.slice(0, 100) ?? ''}`
  const log = steps.slice(0, -recent).map(line).join('\n').slice(-logChars)
  const last = steps
    .slice(-recent)
    .map(({ action, said, isError }) => `${keyOf(action)}:\n${isError ? 'Error: ' : ''}${said}`)
  return `Before:\n${log || 'nothing'}\n\nLast steps:\n${last.join('\n\n') || 'none'}`
}
