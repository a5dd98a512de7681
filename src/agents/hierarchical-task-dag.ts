/**
 * Hierarchical task DAG (Yu et al. 2025, "Deep Agent: autonomous agent with hierarchical task DAG"): a goal is split into tasks
 * that wait for each other, each of which may be split again when its turn comes, and only what failed is planned anew.
 *
 *     kernel.spawn(hierarchicalTaskDag, { question, levelsMax: 2 })
 *
 * The machine is task-graph.ts; here are its words. A planner says whether a task is one step or several; an executor, a child
 * process with the tools of this one, carries out what is one step, and may say that it is too large; a validator reads a result
 * before others build on it. Tasks that wait for nothing run side by side.
 *
 * Model calls: one plan, one run of the executor and one check for each task.
 */
import { z } from 'zod'
import { messageOf } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import { actionTools, type TaskInput } from './pieces/acting.ts'
import { askJson } from './pieces/json-answer.ts'
import { react } from './react.ts'
import { carryOutGraph, type GraphLimits, type Inputs, type PlannedTask, type TaskNode } from './pieces/task-graph.ts'

export interface TaskDagInput extends TaskInput, GraphLimits {
  /** Check each result before it is used. @default true */
  readonly validate?: boolean
}

export interface TaskDagOutput {
  readonly answer: string | null
  /** Why there is no answer. */
  readonly error?: string
  /** Every task with what became of it, by path. */
  readonly tasks: readonly {
    readonly path: string
    readonly goal: string
    readonly status: string
    readonly replans: number
  }[]
}

const PLAN = `You plan a task for others. If one worker can do it in a few steps, answer {"tasks": []}.
Else split it into tasks that together do it: {"tasks": [{"id": "a", "goal": "…", "after": ["ids of tasks whose results it needs"]}]}. Answer with JSON.`
const REPLAN = `Some tasks of a plan failed. Those that are done stay. Write the tasks that replace all others, which may wait for those that are done.
Answer with JSON: {"tasks": [{"id": "…", "goal": "…", "after": ["…"]}]}.`
const EXECUTE = `Carry out the task with your tools and answer with its result. If it is several tasks in one and too large for you, answer with the one word SPLIT.`
const COMBINE = 'Answer the goal from the results of its tasks. Write only the answer.'
const VALIDATE = 'Does the result do the task? Answer with JSON: {"ok": true or false, "why": "…"}.'

const planned = z.object({
  tasks: z.array(z.object({ id: z.string().min(1), goal: z.string().min(1), after: z.array(z.string()).default([]) })),
})
const checked = z.object({ ok: z.boolean(), why: z.string() })

export const hierarchicalTaskDag = defineProgram(
  'hierarchical-task-dag',
  async (
    sys,
    { question, instructions, stepsMax = 10, validate = true, ...limits }: TaskDagInput,
  ): Promise<TaskDagOutput> => {
    const told = (task: TaskNode<string>, inputs: Inputs<string>): string => {
      const found = [...inputs].map(([id, result]) => `[${id}] ${result}`).join('\n')
      const whole = task.level === 0 ? [] : [`Of the goal: ${question}`]
      return [...whole, `Task: ${task.goal}`, ...(found === '' ? [] : [`Results so far:\n${found}`])].join('\n')
    }
    const plan = async (words: string, prompt: string): Promise<readonly PlannedTask[]> =>
      (
        await askJson(
          sys,
          { instructions: instructions === undefined ? words : `${words}\n\n${instructions}`, prompt },
          planned,
        )
      )?.tasks ?? []

    const root = await carryOutGraph<string>(
      question,
      {
        plan: (task, inputs, why) =>
          plan(
            PLAN,
            told(task, inputs) + (why === undefined ? '' : '\nIt was tried as one task and is too large: split it.'),
          ),
        async execute(task, inputs) {
          const tools = actionTools(sys).map(({ name }) => name)
          const pid = await sys.spawn(react, { question: told(task, inputs), instructions: EXECUTE, tools, stepsMax })
          try {
            const result = await sys.wait<string>(pid)
            return /^\W*SPLIT\W*$/.test(result) ? { split: true } : { result }
          } catch (error) {
            return { error: messageOf(error) }
          }
        },
        async combine(task, results) {
          return (await sys.generate({ instructions: COMBINE, prompt: told(task, results), temperature: 0 })).text
        },
        replan(task, done, failed) {
          const lines = [
            ...done.map(({ id, result }) => `done [${id}] ${result}`),
            ...failed.map(({ id, goal, error }) => `failed [${id}] ${goal}: ${error}`),
          ]
          return plan(REPLAN, `Task: ${task.goal}\n${lines.join('\n')}`)
        },
        async check(task, result) {
          if (!validate) return undefined
          const said = await askJson(
            sys,
            { instructions: VALIDATE, prompt: `Task: ${task.goal}\nResult: ${result}` },
            checked,
          )
          return said?.ok === false ? said.why : undefined
        },
      },
      limits,
    )
    return {
      answer: root.result ?? null,
      ...(root.error === undefined ? {} : { error: root.error }),
      tasks: listed(root, ''),
    }
  },
)

function listed(task: TaskNode<string>, above: string): TaskDagOutput['tasks'] {
  const path = `${above}${task.id}`
  const { goal, status, replans } = task
  return [{ path, goal, status, replans }, ...(task.below ?? []).flatMap((one) => listed(one, `${path}/`))]
}
