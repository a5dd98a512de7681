/**
 * Routine (Zeng et al. 2025, "Routine: a structural planning framework for LLM agent system in enterprise"): a plan that was
 * written beforehand, followed step by step by a small model.
 *
 *     kernel.spawn(routine, { question: 'I want two days off in May.', routine: text })
 *     await rememberRoutine(sys, 'requests for days off', text)       // then `routine` may be left out: the nearest is taken
 *
 * The executor sees the request, one step and what earlier steps gave, and writes one tool call, or which way a branch goes. Long
 * outputs are variables (variables.ts): it passes their names. Routines are notes of the principal (tag `routine`), the procedure
 * memory of the paper. Model calls: one a step.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Sys } from '../kernel/types.ts'
import { act, actionTools, actionsText, type Acted, type Step, type TaskInput } from './pieces/acting.ts'
import { askJson } from './pieces/json-answer.ts'
import { parseRoutine, routineText, stepAfter, type Routine, type RoutineStep } from './pieces/routine-text.ts'
import { createVariables } from './variables.ts'

export interface RoutineInput extends TaskInput {
  /** The routine as text. @default the one of the principal that is nearest to the request */
  readonly routine?: string
  /** Outputs longer than this become variables, characters. @default 400 */
  readonly shownChars?: number
}

export interface RoutineOutput extends Acted {
  /** Numbers of the steps that were gone through. */
  readonly followed: readonly number[]
}

const TAG = 'routine'
const CALL = `You follow one step of a routine. Write the tool call that does it. Where a value is a variable, write its name, such as "$VAR_1".
Answer with JSON: {"args": {…}}, and {"name": "…"} beside it where the step names no tool.`
const CHOOSE =
  'You follow one step of a routine, which branches. Say which way holds, by its number. Answer with JSON: {"way": 1}.'
const FINISH =
  'You follow the last step of a routine. Write the answer to the request, in which names of variables stand for their values.'

const callShape = z.object({ name: z.string().optional(), args: z.record(z.string(), z.json()) })
const wayShape = z.object({ way: z.number().int().min(1) })

export const routine = defineProgram('routine', async (sys, input: RoutineInput): Promise<RoutineOutput> => {
  const { question, shownChars = 400, stepsMax = 50 } = input
  const plan = parseRoutine(input.routine ?? (await recalled(sys, question)))
  const variables = createVariables(shownChars)
  const [steps, followed, seen]: [Step[], number[], string[]] = [[], [], []]
  const told = (step: RoutineStep): string =>
    [`Request: ${question}`, seen.length === 0 ? 'Nothing was done yet.' : seen.join('\n'), routineText([step])].join(
      '\n\n',
    )
  const ended = (why: Acted['why'], answer: string | null = null): RoutineOutput => ({ steps, followed, answer, why })

  for (let step = plan[0], taken = 0; step !== undefined && taken < stepsMax; taken++) {
    followed.push(step.number)
    if (step.type === 'finish') {
      const { text } = await sys.generate({ instructions: FINISH, prompt: told(step), temperature: 0 })
      return ended('answer', variables.fill(text))
    }
    if (step.type === 'branch') {
      const said = await askJson(sys, { instructions: CHOOSE, prompt: told(step) }, wayShape)
      if (said === undefined || said.way > (step.ways ?? []).length) return ended('gave up')
      step = stepAfter(plan, step, said.way - 1)
      continue
    }
    const offered = actionTools(sys).filter(({ name }) => step?.tool === undefined || name === step.tool)
    const said = await askJson(
      sys,
      { instructions: `${CALL}\n\n${actionsText(offered)}`, prompt: told(step) },
      callShape,
    )
    const name = step.tool ?? said?.name
    if (said === undefined || name === undefined) return ended('gave up')
    const action = { name, args: variables.fill(said.args as { readonly [name: string]: Json }) }
    const observed = await act(sys, action)
    steps.push({ thought: step.name, action, told: observed })
    seen.push(`Step ${step.number} (${step.name}): ${variables.keep(observed.text)}`)
    if (observed.done) return ended('done')
    step = stepAfter(plan, step)
  }
  return ended('steps')
})

/** Keeps a routine for requests of this kind. Throws `INVALID_ARGUMENT` where it is none. */
export async function rememberRoutine(sys: Sys, about: string, text: string): Promise<string> {
  const plan: Routine = parseRoutine(text)
  return sys.remember({ text: about, tags: [TAG], data: routineText(plan) })
}

async function recalled(sys: Sys, question: string): Promise<string> {
  const [note] = await sys.recall(question, { limit: 1, tag: TAG })
  if (typeof note?.data === 'string') return note.data
  throw new PolityError(
    'INVALID_ARGUMENT',
    'routine: no routine was given, and none that fits is remembered; pass `routine`',
  )
}
