/**
 * GoalAct (Chen et al. 2025, "Enhancing LLM-based agents via global planning and hierarchical execution"): writes the whole
 * remaining plan anew before every step, and carries out only its first action, by the skill that it belongs to.
 *
 *     kernel.spawn(goalAct, { question })
 *
 * The plan is a list of thoughts and actions in words. A skill turns the first of them into something that runs: `search` asks
 * for one tool call, `code` for code (code-action.ts, where a code tool is held), `write` for a text, `finish` ends. The release
 * has rules that send statistics to code; here they are `ROUTES`. Ten steps at most, three tries for a plan, as in the release.
 *
 * An action that was taken already is refused once and asked for anew with that word. Left out: the rewriting of the question,
 * the choice of tables and the two closing calls, which belong to the benchmark of law.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import {
  act,
  actionShape,
  actionTools,
  actionsText,
  FINISH,
  historyText,
  holds,
  keyOf,
  type Acted,
  type Action,
  type Step,
  type TaskInput,
} from './pieces/acting.ts'
import { codeAction, codeToolNames } from './pieces/code-action.ts'
import { codeOf } from './code-act.ts'
import { askJson } from './pieces/json-answer.ts'

export type GoalActInput = TaskInput

export interface GoalActed extends Acted {
  /** The plan before each step. */
  readonly plans: readonly (readonly string[])[]
}

const STEPS_MAX = 10
const PLAN_TRIES = 3

const PLAN = `You plan globally and act locally. Write the whole plan for what is left of the task, its next action first.
An action is one sentence of what to do; the last is "finish". Answer with JSON: {"plan": [{"thought": "…", "skill": "search" or "code" or "write" or "finish", "action": "…"}]}.`
const CALL = `Turn the step into one action of the list. Answer with JSON: {"action": {"name": "…", "args": {…}}}.`
const CODE = `Write JavaScript for the step, in one block between \`\`\` fences. Call a tool with \`await tools.name(input)\`; print with \`console.log\`.`
const WRITE = `Write the text that the step asks for, from what was observed.`

const planShape = z.object({
  plan: z
    .array(
      z.object({
        thought: z.string().optional(),
        skill: z.enum(['search', 'code', 'write', 'finish']),
        action: z.string(),
      }),
    )
    .min(1),
})
type Planned = z.infer<typeof planShape>['plan'][number]
const callShape = z.object({ action: actionShape })

/** Words that make code out of a search, after the release's rules. */
const ROUTES = /\b(count|sum|total|average|mean|maximum|minimum|sort|filter|statistics|how many)\b/i

export const goalAct = defineProgram('goal-act', async (sys, input: GoalActInput): Promise<GoalActed> => {
  const { question, stepsMax = STEPS_MAX } = input
  const steps: Step[] = []
  const plans: string[][] = []
  const hasCode = holds(sys, codeToolNames.start)
  const told = (): string => `Task: ${question}\n\n${historyText(steps)}`
  for (let taken = 0; taken < stepsMax; taken++) {
    const instructions = [
      PLAN,
      ...(input.instructions === undefined ? [] : [input.instructions]),
      actionsText(actionTools(sys)),
    ].join('\n\n')
    const said = await askJson(sys, { instructions, prompt: told(), triesMax: PLAN_TRIES }, planShape)
    const [head] = said?.plan ?? []
    if (head === undefined) return { steps, plans, answer: null, why: 'gave up' }
    plans.push((said?.plan ?? []).map(({ action }) => action))
    const skill = skillOf(head, hasCode)
    if (skill === 'finish') return { steps, plans, answer: await written(sys, told(), head.action), why: 'answer' }
    const step = skill === 'search' ? await search(sys, told(), head, steps) : await produce(sys, told(), head, skill)
    if (step === undefined) return { steps, plans, answer: null, why: 'gave up' }
    steps.push(step)
    if (step.told.done) return { steps, plans, answer: null, why: 'done' }
  }
  return { steps, plans, answer: null, why: 'steps' }
})

/** The skill that carries it out: what counts is code where there is code. */
export function skillOf({ skill, action }: Pick<Planned, 'skill' | 'action'>, hasCode: boolean): Planned['skill'] {
  if (skill === 'search' && hasCode && ROUTES.test(action)) return 'code'
  return skill === 'code' && !hasCode ? 'search' : skill
}

async function search(sys: Sys, told: string, head: Planned, steps: readonly Step[]): Promise<Step | undefined> {
  const instructions = `${CALL}\n\n${actionsText(actionTools(sys))}`
  const ask = async (refused: string): Promise<Action | undefined> =>
    (await askJson(sys, { instructions, prompt: `${told}\n\nStep: ${head.action}${refused}` }, callShape))?.action
  let action = await ask('')
  if (
    action !== undefined &&
    action.name !== FINISH &&
    steps.some((step) => keyOf(step.action) === keyOf(action as Action))
  )
    action = (await ask(`\nThis was done before, choose another: ${keyOf(action)}`)) ?? action
  if (action === undefined) return undefined
  return { ...(head.thought === undefined ? {} : { thought: head.thought }), action, told: await act(sys, action) }
}

async function produce(sys: Sys, told: string, head: Planned, skill: 'code' | 'write'): Promise<Step> {
  if (skill === 'write') {
    const text = await written(sys, told, head.action)
    return { action: { name: 'write', args: { what: head.action } }, told: { text, reward: 0, done: false } }
  }
  const { text } = await sys.generate({ instructions: CODE, prompt: `${told}\n\nStep: ${head.action}`, temperature: 0 })
  const code = codeOf(text) ?? text
  const { output, value, error } = await codeAction(sys, { code, language: 'javascript' })
  const seen =
    error === undefined
      ? `${output}${value === undefined ? '' : JSON.stringify(value)}`
      : `${error.code}: ${error.message}`
  return {
    action: { name: 'code', args: { code } },
    told: { text: seen || 'The code printed nothing.', reward: 0, done: false },
  }
}

async function written(sys: Sys, told: string, what: string): Promise<string> {
  return (await sys.generate({ instructions: WRITE, prompt: `${told}\n\nStep: ${what}`, temperature: 0 })).text
}
