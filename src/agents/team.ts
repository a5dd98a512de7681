/**
 * The members of a team, and how they are asked: who each is, with which model, and an answer in a form that can be compared.
 *
 *     const team = membersOf(input.members ?? 3)
 *     const { answer } = await askMember(sys, team[0], { prompt })       // asked again once where it is not of the form
 *
 * Answers are the same where they are the same words but for case, spaces and a full stop (`answerKey`).
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import type { ModelChoice, Sys } from '../kernel/types.ts'
import { askJson, type JsonQuestion } from './json-answer.ts'

export interface Member {
  readonly name: string
  /** Who it is: a role, a persona. @default nothing */
  readonly instructions?: string
  /** @default the program's */
  readonly model?: ModelChoice
}

/** An answer with what led to it. */
export interface Reasoned {
  readonly reasoning: string
  readonly answer: string
}

export const reasonedShape = z.object({ reasoning: z.string().default(''), answer: z.string() })
export const ANSWER_FORM = 'Answer with JSON: {"reasoning": "…", "answer": "the answer alone"}.'

/** A team from its members, or so many without a role. Throws `INVALID_ARGUMENT` for an empty one. */
export function membersOf(given: readonly Member[] | number): readonly Member[] {
  const members =
    typeof given === 'number' ? Array.from({ length: given }, (_, i): Member => ({ name: `Agent ${i + 1}` })) : given
  if (members.length === 0) throw new PolityError('INVALID_ARGUMENT', 'a team has at least one member')
  return members
}

/** What a member says in a form; throws `PROGRAM_FAILED` where it never keeps to it. Its role stands before `instructions`. */
export async function askMember<Shape extends z.ZodType = typeof reasonedShape>(
  sys: Sys,
  member: Member,
  { instructions = ANSWER_FORM, ...question }: JsonQuestion,
  shape?: Shape,
): Promise<z.infer<Shape>> {
  const own = member.instructions === undefined ? instructions : `${member.instructions}\n\n${instructions}`
  const model = member.model === undefined ? {} : { model: member.model }
  const said = await askJson(sys, { ...question, ...model, instructions: own }, shape ?? reasonedShape)
  if (said === undefined)
    throw new PolityError('PROGRAM_FAILED', `${member.name} did not answer in the form that was asked for`)
  return said as z.infer<Shape>
}

/** By what two answers are compared. */
export function answerKey(answer: string): string {
  return answer.trim().toLowerCase().replaceAll(/\s+/g, ' ').replace(/\.$/, '')
}

/** Texts with the names or numbers of who said them. */
export function listed(texts: readonly string[], name: (place: number) => string = (i) => String(i + 1)): string {
  return texts.map((text, i) => `${name(i)}. ${text}`).join('\n\n')
}
