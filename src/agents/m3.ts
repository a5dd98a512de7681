/**
 * M3 (Li et al. 2024, "Towards robust multi-modal reasoning via model selection"): a question that is split into a small graph of tasks, each of
 * which several can do; who does which is chosen for all tasks at once, by what was learned from earlier questions, and then carried out.
 *
 *     const team = m3({ tasks: [{ goal: 'Find the dog.', after: [], candidates: [boxes, masks] }, { goal: 'Count.', after: [0], candidates: [adder] }], scorer })
 *     spawn(team, { question })            →   { answer, chosen: ['masks', 'adder'], results }
 *
 * The scorer is trained outside (joint-assignment.ts) on vectors of the same embedder. A task begins when those that it waits for are done;
 * tasks that do not wait for each other run side by side. The result of the last task is the answer.
 *
 * Invariants
 *   M1. One choice before anything runs: what the tasks give does not change it.
 *   M2. A task that fails is the failure of the whole: the assignment was the decision.
 */
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Program } from '../kernel/types.ts'
import type { RegisteredAgent } from './pieces/agent-registry.ts'
import { bestAssignment, type AssignmentGraph, type AssignmentScorer } from './pieces/joint-assignment.ts'

export interface AssignedTask {
  readonly goal: string
  /** Places of the tasks that it waits for; each smaller than its own. */
  readonly after: readonly number[]
  readonly candidates: readonly Pick<RegisteredAgent, 'name' | 'program'>[]
}

export interface M3Options {
  readonly tasks: readonly AssignedTask[]
  readonly scorer: AssignmentScorer
  /** @default 'm3' */
  readonly name?: string
}

export interface M3Answer {
  readonly answer: Json
  /** Who did each task. */
  readonly chosen: readonly string[]
  readonly results: readonly Json[]
}

/** What a candidate is given. */
export interface M3Task {
  readonly question: string
  readonly goal: string
  /** What the tasks gave that this one waits for. */
  readonly inputs: readonly Json[]
}

/** The graph of some tasks, as the scorer is trained on. */
export function graphOf(tasks: readonly AssignedTask[]): AssignmentGraph {
  return {
    candidates: tasks.map(({ candidates }) => candidates.map(({ name }) => name)),
    edges: tasks.flatMap(({ after }, to) => after.map((from) => [from, to] as const)),
  }
}

export function m3({ tasks, scorer, name = 'm3' }: M3Options): Program<{ readonly question: string }, M3Answer> {
  if (tasks.length === 0 || tasks.some(({ after }, i) => after.some((from) => !(from >= 0 && from < i))))
    throw new PolityError(
      'CONFIG_INVALID',
      `${name}: tasks take at least one, and each waits only for tasks before it in the list`,
    )
  const graph = graphOf(tasks)
  return defineProgram(
    name,
    async (sys, { question }): Promise<M3Answer> => {
      const [vector] = await sys.embed([question])
      const chosen = bestAssignment(scorer, graph, vector as readonly number[]).map(
        (place, i) => tasks[i]?.candidates[place] as AssignedTask['candidates'][number],
      )
      const results: Promise<Json>[] = []
      for (const [i, { goal, after }] of tasks.entries()) {
        const run = async (): Promise<Json> => {
          const inputs = await Promise.all(after.map((from) => results[from] as Promise<Json>))
          const { program } = chosen[i] as (typeof chosen)[number]
          const given: M3Task = { question, goal, inputs }
          return sys.wait<Json>(
            await sys.spawn(program, given as unknown as Json, { tools: program.tools.map((tool) => tool.name) }),
          )
        }
        results.push(run())
      }
      const all = await Promise.all(results)
      return { answer: all.at(-1) as Json, chosen: chosen.map((one) => one.name), results: all }
    },
    { tools: [...new Set(tasks.flatMap(({ candidates }) => candidates.flatMap(({ program }) => program.tools)))] },
  )
}
