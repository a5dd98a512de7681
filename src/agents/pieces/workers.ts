/**
 * Agents that work for another one: who they are, what they hold, and how they are asked.
 *
 *     const crew = crewOf('magentic-one: team', team)                     // by name; an error where two are called alike
 *     const answer = await askWorker(sys, crew.get('Coder'), 'Sum the numbers.')
 *     defineProgram(name, run, { tools: toolsOf(team) })                  // what a program has to hold that leads them
 *
 * Invariant
 *   WO1. A worker is a process of its own that holds what it brings and what it is given, never what another one brings.
 */
import { messageOf, PolityError } from '../../kernel/errors.ts'
import type { Json, Sys, Tool } from '../../kernel/types.ts'
import type { RegisteredAgent } from './agent-registry.ts'
import { isOutOfBudget } from './our-end.ts'

/** An agent that works for another one. */
export interface Worker extends Pick<RegisteredAgent, 'name' | 'description' | 'program'> {
  /** Tools of whoever it works for that it is given, beside those that it brings. @default none */
  readonly tools?: readonly string[]
}

/** What a worker makes of a task. Its error is thrown. */
export async function askWorker(
  sys: Sys,
  { program, tools = [] }: Pick<Worker, 'program' | 'tools'>,
  task: Json,
): Promise<Json> {
  const brought = program.tools.map(({ name }) => name)
  return sys.wait<Json>(await sys.spawn(program, task, { tools: [...new Set([...brought, ...tools])] }))
}

/** The same as a text, its failure too: also where it was killed, which is no end of whoever asks. A budget that is used up is thrown. */
export async function reportOf(sys: Sys, worker: Pick<Worker, 'program' | 'tools'>, task: Json): Promise<string> {
  try {
    const said = await askWorker(sys, worker, task)
    return typeof said === 'string' ? said : JSON.stringify(said)
  } catch (error) {
    if (!PolityError.isInstance(error) || isOutOfBudget(error)) throw error
    return `It failed: ${messageOf(error)}`
  }
}

/** The tools that some workers bring, each once: what a program has to hold that leads them. */
export function toolsOf(workers: readonly Pick<Worker, 'program'>[]): readonly Tool[] {
  return [...new Set(workers.flatMap(({ program: { tools } }) => tools))]
}

/** Workers by name, where there is at least one and no two are called alike. Throws `CONFIG_INVALID`. */
export function crewOf<One extends Worker>(whose: string, workers: readonly One[]): ReadonlyMap<string, One> {
  const byName = new Map(workers.map((one) => [one.name, one]))
  if (workers.length === 0 || byName.size < workers.length)
    throw new PolityError(
      'CONFIG_INVALID',
      `${whose} takes at least one worker, each with a name of its own, not ${workers.map((one) => one.name).join(', ') || 'none'}`,
    )
  return byName
}

/** Who there is, a line each, as a model reads it. */
export function crewText(workers: Iterable<Pick<Worker, 'name' | 'description'>>): string {
  return [...workers].map(({ name, description }) => `- ${name}: ${description}`).join('\n')
}
