/**
 * iAgents (Liu et al. 2024, "Autonomous agents for collaborative task under information asymmetry"): two agents answer a question for two people,
 * each of whom alone may read what is theirs; what is known and what is not is kept in a plan (InfoNav), so that the talk asks for what is missing.
 *
 *     spawn(iAgents({ people: { ann: messagesOfAnn, bob: messagesOfBob } }), { question, instructor: 'ann', assistant: 'bob' })
 *     // { answer, facts: [{ name, value, isAgreed: true }, …], turns: 5, asked: [['when', 'where'], …] }
 *
 * `people` gives each person a program that answers from what is that person's, and nothing else: the wall is that a program holds its own tools
 * and that only its answer goes over. The instructor lists the facts that the question needs; a turn asks for at most `perTurn` unknown ones,
 * first of the assistant, then of the instructor's own person for a confirmation; a fact is agreed when both say the same, or when the other
 * says that it is not theirs to know. Only agreed facts come into the answer.
 *
 * Invariants
 *   IA1. What crosses is answers to asked facts: nothing else that a person's program has is in a message.
 *   IA2. A fact that both state differently is not in the answer.
 *   IA3. A known fact is not asked for again; it ends when all are known, or after `turnsMax` turns.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Program, Sys } from '../kernel/types.ts'
import { askJson } from './pieces/json-answer.ts'
import { sample } from './pieces/sample.ts'

/** Answers facts from one person's own information; a fact that is not there is left out. */
export type PersonProgram = Program<
  { readonly question: string; readonly facts: readonly string[] },
  { readonly [fact: string]: string }
>

export interface IAgentsOptions {
  readonly people: { readonly [person: string]: PersonProgram }
  /** @default 'i-agents' */
  readonly name?: string
}

export interface IAgentsInput {
  readonly question: string
  readonly instructor: string
  readonly assistant: string
  /** Facts that a turn asks for. @default 2 */
  readonly perTurn?: number
  /** @default 10 */
  readonly turnsMax?: number
  /** `random` asks for any facts, known or not: what the plan is worth. @default 'unknown' */
  readonly order?: 'unknown' | 'random'
}

export interface PlannedFact {
  readonly name: string
  readonly value?: string
  /** Whether the other side does not deny it. */
  readonly isAgreed: boolean
}

export interface Consensus {
  readonly answer: string
  readonly facts: readonly PlannedFact[]
  readonly turns: number
  /** What each turn asked for. */
  readonly asked: readonly (readonly string[])[]
}

const PLAN =
  'List the facts that an answer to the question needs, a short name each. Answer with JSON: {"facts": ["…"]}.'
const CONCLUDE = 'Answer the question from the facts below and from nothing else. Say what is not known.'
const planned = z.object({ facts: z.array(z.string()).min(1).max(50) })

export function iAgents({ people, name = 'i-agents' }: IAgentsOptions): Program<IAgentsInput, Consensus> {
  return defineProgram(
    name,
    async (
      sys,
      { question, instructor, assistant, perTurn = 2, turnsMax = 10, order = 'unknown' }: IAgentsInput,
    ): Promise<Consensus> => {
      const [mine, theirs] = [instructor, assistant].map((person) => {
        const program = people[person]
        if (program === undefined)
          throw new PolityError(
            'INVALID_ARGUMENT',
            `${name}: nobody is called "${person}"; there are ${Object.keys(people).join(', ')}`,
          )
        return program
      }) as [PersonProgram, PersonProgram]
      const said = await askJson(sys, { instructions: PLAN, prompt: question }, planned)
      if (said === undefined)
        throw new PolityError('PROGRAM_FAILED', 'the model listed no facts that the question needs')
      const names = [...new Set(said.facts)]
      const known = new Map<string, string>()
      const asked: string[][] = []
      while (known.size < names.length && asked.length < turnsMax) {
        const open =
          order === 'random'
            ? sample(names, perTurn, () => sys.random())
            : names.filter((fact) => !known.has(fact)).slice(0, perTurn)
        asked.push(open)
        const answers = await answersOf(sys, theirs, question, open)
        for (const fact of open) if (answers.has(fact)) known.set(fact, answers.get(fact) as string)
      }
      // Both plans have to hold: the instructor's person may know it too, and may know it otherwise.
      const own = await answersOf(sys, mine, question, names)
      const facts = names.map((fact): PlannedFact => {
        const value = known.get(fact) ?? own.get(fact)
        const isAgreed =
          value !== undefined && (!own.has(fact) || !known.has(fact) || own.get(fact) === known.get(fact))
        return { name: fact, isAgreed, ...(value === undefined ? {} : { value }) }
      })
      const lines = facts.map(
        ({ name: fact, value, isAgreed }) => `- ${fact}: ${isAgreed ? (value as string) : 'not known'}`,
      )
      const { text } = await sys.generate({
        instructions: CONCLUDE,
        prompt: `Question: ${question}\nFacts:\n${lines.join('\n')}`,
      })
      return { answer: text, facts, turns: asked.length, asked }
    },
    { tools: [...new Set(Object.values(people).flatMap(({ tools }) => tools))] },
  )
}

/** Facts that a person's program says, those that were asked for and no other. */
async function answersOf(
  sys: Sys,
  program: PersonProgram,
  question: string,
  facts: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const pid = await sys.spawn(program, { question, facts }, { tools: program.tools.map((tool) => tool.name) })
  const said = await sys.wait<{ readonly [fact: string]: unknown }>(pid)
  return new Map(facts.flatMap((fact) => (typeof said[fact] === 'string' ? [[fact, said[fact]] as const] : [])))
}
