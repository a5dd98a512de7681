/**
 * Agent S2 (Agashe et al. 2025, "Agent S2: a compositional generalist-specialist framework for computer use agents"): a manager plans
 * subtasks, a worker does the first of them, and after each, done or failed, the rest is planned anew.
 *
 *     spawnEpisode(kernel, world, task, { program: agentS2 })        →   { why, plans: 3, subtasks: [{ goal, isDone: true }, …] }
 *
 * A plan is two calls: the plan in words, and its subtasks as a graph, which is put in order; one with a circle is asked for again, where the
 * release sorts it into an order of no meaning. Before the first plan the manager asks the held tool `search` once, where there is one,
 * and reads the memory of the task most like this one. The worker is a loop of one action a call, with the memory of subtasks like its
 * own and a reflection on what it did so far; it ends with DONE or FAIL. What a subtask and the task taught are notes. orchestrate.ts has the loop.
 *
 * Left out: the mixture of grounding experts, which turns words into pixels; here an action is a call of a tool.
 *
 * Invariants
 *   S21. There is one plan more than there are ended subtasks.
 *   S22. A subtask comes after all that it waits for; what is done is not planned again.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import {
  act,
  actLoop,
  decideByModel,
  historyText,
  holds,
  shortened,
  type Acted,
  type Step,
  type TaskInput,
} from './pieces/acting.ts'
import { askJson } from './pieces/json-answer.ts'
import { orchestrate, type Now, type OrchestrationEnd } from './orchestrate.ts'
import { faultOf, type PlannedTask } from './pieces/task-graph.ts'
import { whileItLasts } from './pieces/while-it-lasts.ts'

export interface AgentS2Input extends TaskInput {
  /** Actions of one subtask. @default 10 */
  readonly workerSteps?: number
  /** Subtasks that are begun. @default 15 */
  readonly subtasksMax?: number
  /** Whether the worker reflects before each action but its first. @default true */
  readonly reflect?: boolean
  /** Whether what was learned is remembered. @default true */
  readonly learn?: boolean
}

export interface AgentS2Output {
  readonly why: OrchestrationEnd
  readonly plans: number
  readonly subtasks: readonly { readonly goal: string; readonly isDone: boolean }[]
  readonly steps: readonly Step[]
}

interface Outcome {
  readonly acted: Acted
  readonly isDone: boolean
}
type Queue = readonly PlannedTask[]

const SEARCH = 'Write one query that finds how such a task is done. Write only the query.'
const PLAN = 'Write the plan for the task: the subtasks that are left, in words.'
const GRAPH = `Put the plan into a graph of subtasks. Answer with JSON: {"tasks": [{"id": "…", "goal": "…", "after": ["ids of subtasks that come before"]}]}; an empty list where nothing is left.`
const REFLECT =
  'Look at what was done so far for the subtask: does it lead on, or go round in circles? Say what to do next in one sentence.'
const WORK =
  'You do one subtask of a task. When it is done, finish with the answer "DONE"; when it cannot be done, with "FAIL".'
const LESSON =
  'Write down in one or two sentences how this was done, or why it failed, for whoever does the like again.'
const [TASKS, SUBTASKS] = ['agent-s2-task', 'agent-s2-subtask']

export const agentS2 = defineProgram('agent-s2', async (sys, input: AgentS2Input): Promise<AgentS2Output> => {
  const { question, workerSteps = 10, subtasksMax = 15, reflect = true, learn = true } = input
  const write = async (instructions: string, prompt: string): Promise<string> =>
    (await sys.generate({ instructions, prompt, temperature: 0 })).text.trim()
  const lesson = async (tag: string, text: string, steps: readonly Step[]): Promise<void> => {
    if (learn)
      await sys.remember({ text: `${text}: ${await write(LESSON, `${text}\n\n${historyText(steps)}`)}`, tags: [tag] })
  }
  let plans = 0
  let known = ''

  const { why, all } = await orchestrate<Queue, PlannedTask, Outcome>(
    {
      async plan(last) {
        plans++
        if (last === undefined) known = await knowledgeOf(sys, question, write)
        const prompt = [`Task: ${question}`, ...(known === '' ? [] : [known]), ...standing(last)].join('\n\n')
        const plan = await write(
          [PLAN, ...(input.instructions === undefined ? [] : [input.instructions])].join('\n'),
          prompt,
        )
        const done = (last?.all ?? []).filter(({ outcome }) => outcome.isDone).map(({ move }) => move)
        const said = await askJson(sys, { instructions: GRAPH, prompt: `${prompt}\n\nPlan:\n${plan}` }, graphOf(done))
        if (said !== undefined) return inOrder(said.tasks)
        return last === undefined ? [{ id: 'task', goal: question, after: [] }] : last.plan.slice(1)
      },
      decide({ plan, all: ended }) {
        const [head] = plan
        return head === undefined || ended.at(-1)?.outcome.acted.why === 'done' ? { end: 'done' } : { move: head }
      },
      async dispatch({ goal }) {
        const [like] = await sys.recall(goal, { tag: SUBTASKS, limit: 1 })
        const extra = [`Subtask: ${goal}`, ...(like === undefined ? [] : [`Known of such a subtask: ${like.text}`])]
        const acted = await actLoop(
          sys,
          async (steps) => {
            const thought =
              reflect && steps.length > 0 ? [await write(REFLECT, `${extra[0]}\n\n${historyText(steps)}`)] : []
            return decideByModel(sys, { question, instructions: WORK, extra: [...extra, ...thought].join('\n'), steps })
          },
          { stepsMax: workerSteps },
        )
        const isDone = acted.why === 'done' || (acted.why === 'answer' && /^\W*done\b/i.test(acted.answer ?? ''))
        if (isDone) await lesson(SUBTASKS, goal, acted.steps)
        return { acted, isDone }
      },
    },
    { stepsMax: subtasksMax, renew: 'step' },
  )
  const steps = all.flatMap(({ outcome }) => outcome.acted.steps)
  await whileItLasts(() => lesson(TASKS, question, steps))
  return { why, plans, subtasks: all.map(({ move, outcome }) => ({ goal: move.goal, isDone: outcome.isDone })), steps }
})

/** What the manager is told of the last subtask and of those before and behind it. */
function standing(last: Now<Queue, PlannedTask, Outcome> | undefined): string[] {
  const ended = last?.all.at(-1)
  if (last === undefined || ended === undefined) return []
  const done = last.all.filter(({ outcome }) => outcome.isDone).map(({ move }) => `- ${move.id}: ${move.goal}`)
  const left = last.plan.slice(1).map(({ id, goal }) => `- ${id}: ${goal}`)
  const how = ended.outcome.isDone
    ? 'is done. Revise what is left.'
    : `cannot be done as it is. Plan the rest in another way. It went so:\n${shortened(historyText(ended.outcome.acted.steps))}`
  return [
    `Completed:\n${done.join('\n') || 'none'}`,
    `Left:\n${left.join('\n') || 'none'}`,
    `Subtask "${ended.move.goal}" ${how}`,
  ]
}

/** What a search and the memory say of such a task. */
async function knowledgeOf(
  sys: Sys,
  question: string,
  write: (instructions: string, prompt: string) => Promise<string>,
): Promise<string> {
  const [like] = await sys.recall(question, { tag: TASKS, limit: 1 })
  const found = holds(sys, 'search')
    ? await act(sys, { name: 'search', args: { query: await write(SEARCH, `Task: ${question}`) } })
    : undefined
  return [
    ...(like === undefined ? [] : [`Known of such a task: ${like.text}`]),
    ...(found === undefined || found.error !== undefined ? [] : [`Found:\n${shortened(found.text)}`]),
  ].join('\n\n')
}

/** A graph beside what is done; an empty one is the end. */
function graphOf(done: readonly PlannedTask[]) {
  const task = z.object({ id: z.string().min(1), goal: z.string().min(1), after: z.array(z.string()).default([]) })
  return z.object({ tasks: z.array(task).max(20) }).superRefine(({ tasks }, context) => {
    const fault = tasks.length === 0 ? undefined : faultOf(tasks, done)
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault, path: ['tasks'] })
  })
}

/** Subtasks without a circle, each behind those that it waits for; else as they stand. */
function inOrder(tasks: Queue): Queue {
  const left = [...tasks]
  const order: PlannedTask[] = []
  while (left.length > 0) {
    const free = left.findIndex(({ after }) => !left.some(({ id }) => after.includes(id)))
    order.push(...left.splice(free, 1))
  }
  return order
}
