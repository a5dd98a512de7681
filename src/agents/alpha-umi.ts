/**
 * α-UMi (Shen et al. 2024, "Small LLMs are weak tool learners: a multi-LLM agent"): a planner, a caller and a summarizer, each a
 * model of its own.
 *
 *     kernel.spawn(alphaUmi, { question, models: { planner: 'x/planner', caller: 'x/caller', summarizer: 'x/writer' } })
 *
 * The planner writes a rationale that ends with `Next: caller.`, `Next: conclusion.` or `Next: give up.` (the release's words);
 * the caller turns the rationale into `Action: name` and `Action Input: {json}`; the summarizer writes the answer. A name that is
 * none of the held tools is refused before anything is called, and so is a call that cannot be read, also where a tool is called `none`.
 *
 * Model calls: two a step, and one for the answer.
 */
import { defineProgram } from '../kernel/program.ts'
import type { Json, ModelChoice, Sys } from '../kernel/types.ts'
import {
  act,
  actionTools,
  actionsText,
  historyText,
  type Acted,
  type Action,
  type Step,
  type TaskInput,
} from './pieces/acting.ts'
import { jsonIn } from './pieces/json-text.ts'

export type Role = 'planner' | 'caller' | 'summarizer'

export interface AlphaUmiInput extends TaskInput {
  /** @default the kernel's for each */
  readonly models?: { readonly [role in Role]?: ModelChoice }
}

const WORDS: { readonly [role in Role]: string } = {
  planner: `You plan the next step of a task that others carry out. Say in a few sentences what was found, and what to do next and why.
End with exactly one of: "Next: caller." to use a tool, "Next: conclusion." when the answer is known, "Next: give up." when it cannot be done.`,
  caller: `You make one tool call of what the planner wants. Answer with two lines:
Action: the name of the tool
Action Input: its arguments as JSON`,
  summarizer: `You write the answer to the task from what was found. Write only the answer.`,
}

export const alphaUmi = defineProgram('alpha-umi', async (sys, input: AlphaUmiInput): Promise<Acted> => {
  const { question, models = {}, stepsMax = 20 } = input
  const steps: Step[] = []
  const ask = async (role: Role, prompt: string): Promise<string> => {
    const instructions = [WORDS[role], ...(role === 'summarizer' ? [] : [actionsText(actionTools(sys))])]
    if (input.instructions !== undefined) instructions.push(input.instructions)
    const model = models[role]
    const request = { instructions: instructions.join('\n\n'), prompt, temperature: 0 }
    return (await sys.generate(model === undefined ? request : { ...request, model })).text
  }
  const told = (): string => `Task: ${question}\n\n${historyText(steps)}`

  for (let taken = 0; taken < stepsMax; taken++) {
    const rationale = await ask('planner', told())
    const next = nextOf(rationale)
    if (next === 'give up') return { steps, answer: null, why: 'gave up' }
    if (next === 'conclusion')
      return { steps, answer: await ask('summarizer', `${told()}\n\nPlanner: ${rationale}`), why: 'answer' }
    const call = callOf(await ask('caller', `${told()}\n\nPlanner: ${rationale}`))
    const isKnown = call !== undefined && actionTools(sys).some(({ name }) => name === call.name)
    const observed = isKnown ? await act(sys, call) : refused(sys, call)
    steps.push({ thought: rationale, action: call ?? { name: 'none' }, told: observed })
    if (observed.done) return { steps, answer: null, why: 'done' }
  }
  return { steps, answer: null, why: 'steps' }
})

/** Who goes on, by the last `Next:` of a rationale; without one, the caller. */
export function nextOf(rationale: string): 'caller' | 'conclusion' | 'give up' {
  const said = [...rationale.matchAll(/Next:\s*(caller|conclusion|give up)/gi)].at(-1)?.[1]?.toLowerCase()
  return said === 'conclusion' || said === 'give up' ? said : 'caller'
}

/** The call that a caller wrote; undefined where it is none. */
export function callOf(text: string): Action | undefined {
  const [, name, input] = /Action:\s*(\S+)\s*\n\s*Action Input:\s*([\s\S]*)/.exec(text) ?? []
  if (name === undefined || input === undefined) return undefined
  const args = input.includes('{') ? jsonIn(input) : {}
  return args === undefined ? undefined : { name, args: args as { readonly [name: string]: Json } }
}

/** What a step of the release is made of, joined again: the text that a single model would have written. */
export function joined(rationale: string, { name, args = {} }: Action): string {
  return `${rationale}\nAction: ${name}\nAction Input: ${JSON.stringify(args)}`
}

function refused(sys: Sys, call: Action | undefined): Step['told'] {
  const names = actionTools(sys).map(({ name }) => name)
  const message =
    call === undefined
      ? 'The call could not be read; write "Action:" and "Action Input:" with JSON.'
      : `There is no tool "${call.name}"; there are ${names.join(', ')}.`
  return { text: message, reward: 0, done: false, error: { code: 'NO_SUCH_TOOL', message } }
}
