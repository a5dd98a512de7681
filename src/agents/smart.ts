/**
 * SMART (Qian et al. 2025, "SMART: self-aware agent for tool overuse mitigation"): a problem step by step, with a tool only where
 * knowing is not enough.
 *
 *     kernel.spawn(smart, { question, gate: { cost: 0.1 } })
 *
 * The model writes marked steps: `[[Reasoning]]` with what it knows, `[[Tool]]` with a call, `[[AskUser]]` with a question to a
 * person, `[[Answer]]`. Writing stops at a step that needs something from outside; that is fetched, appended, and the model goes on.
 *
 * The release teaches a model when to use a tool. Without training, `gate` says it by numbers: before a call the model is asked
 * how sure it is with and without the tool, and the call is made where that is worth more than it costs (`needsTool`). A call that
 * is not made is told to the model as "answer this from what you know".
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Json } from '../kernel/types.ts'
import {
  act,
  actionShape,
  actionTools,
  actionsText,
  FINISH,
  type Acted,
  type Step,
  type TaskInput,
} from './pieces/acting.ts'
import { askJson, jsonIn } from './pieces/json-answer.ts'

export interface SmartInput extends TaskInput {
  /** Asks before each call whether it is worth it. @default no gate: the marks of the model decide alone */
  readonly gate?: { readonly cost: number }
}

export interface Smart extends Acted {
  readonly marks: readonly MarkedStep[]
  readonly toolCalls: number
  /** Calls that the gate did not find worth it. */
  readonly spared: number
}

export interface MarkedStep {
  readonly mark: 'Reasoning' | 'Tool' | 'AskUser' | 'Answer'
  readonly text: string
}

const MARKS = `Solve the task in steps, each marked: [[Reasoning]] where you know it yourself, [[Tool]] with a call {"name": "…", "args": {…}}
only where you cannot know it (today's facts, other people's data, exact computation), [[AskUser]] with one question where only the
user can know it, [[Answer]] with the answer at the end. Do not use a tool for what you know. Stop after a [[Tool]] or [[AskUser]] step.`
const SURE = `How likely is the step right? Answer with JSON: {"without": 0 to 1 from what you know, "with": 0 to 1 with the tool}.`
const sure = z.object({ without: z.number().min(0).max(1), with: z.number().min(0).max(1) })

export const smart = defineProgram('smart', async (sys, input: SmartInput): Promise<Smart> => {
  const { question, gate, stepsMax = 20 } = input
  const marks: MarkedStep[] = []
  const steps: Step[] = []
  let [toolCalls, spared, story] = [0, 0, `Task: ${question}\n`]
  const ended = (why: Acted['why'], answer: string | null = null): Smart => ({
    marks,
    steps,
    toolCalls,
    spared,
    why,
    answer,
  })
  const instructions = [
    MARKS,
    ...(input.instructions === undefined ? [] : [input.instructions]),
    actionsText(actionTools(sys)),
  ].join('\n\n')

  for (let taken = 0; taken < stepsMax; taken++) {
    const { text } = await sys.generate({ instructions, prompt: story, temperature: 0 })
    const said = untilOutside(markedSteps(text))
    if (said.length === 0) return ended('answer', text.trim())
    marks.push(...said)
    story += said.map((one) => `[[${one.mark}]] ${one.text}\n`).join('')
    const last = said.at(-1) as MarkedStep
    if (last.mark === 'Answer') return ended('answer', last.text)
    if (last.mark === 'Reasoning') continue
    if (last.mark === 'AskUser') {
      story += `[[User]] ${await asked(() => sys.ask(last.text))}\n`
      continue
    }
    const call = actionShape.safeParse(jsonIn(last.text))
    if (!call.success || call.data.name === FINISH) {
      story += '[[Result]] That was no call: write {"name": "…", "args": {…}}.\n'
      continue
    }
    const utility = gate === undefined ? undefined : await askJson(sys, { instructions: SURE, prompt: story }, sure)
    if (gate !== undefined && utility !== undefined && !needsTool(utility, gate.cost)) {
      spared++
      story += '[[Result]] Not called: answer this step from what you know.\n'
      continue
    }
    toolCalls++
    const told = await act(sys, call.data)
    steps.push({ action: call.data, told })
    story += `[[Result]] ${told.text}\n`
    if (told.done) return ended('done')
  }
  return ended('steps')
})

/** Whether a tool is worth it: what it adds to the chance of being right, against what it costs in the same unit. */
export function needsTool(chance: { readonly with: number; readonly without: number }, cost: number): boolean {
  return chance.with - chance.without > cost
}

/** Share of tool calls that were made on what could be known without. @param needed by call */
export function toolOveruse(needed: readonly boolean[]): number {
  return needed.length === 0 ? 0 : needed.filter((one) => !one).length / needed.length
}

/** The marked steps of a text; what stands before the first mark is left out. */
export function markedSteps(text: string): MarkedStep[] {
  const parts = [...text.matchAll(/\[\[(Reasoning|Tool|Code|Search|AskUser|Answer)\]\]([\s\S]*?)(?=\[\[\w+\]\]|$)/g)]
  return parts.map(([, mark, body]) => ({
    // The release marks its two tools by name.
    mark: (mark === 'Code' || mark === 'Search' ? 'Tool' : mark) as MarkedStep['mark'],
    text: (body ?? '').trim(),
  }))
}

/** Up to the first step that needs something from outside, or answers. */
function untilOutside(steps: readonly MarkedStep[]): readonly MarkedStep[] {
  const at = steps.findIndex(({ mark }) => mark !== 'Reasoning')
  return at < 0 ? steps : steps.slice(0, at + 1)
}

async function asked(ask: () => Promise<Json>): Promise<Json> {
  try {
    return await ask()
  } catch (error) {
    if (PolityError.isInstance(error) && error.code === 'NO_ANSWER') return 'Nobody answered.'
    throw error
  }
}
