/**
 * The members of a team, and how they are asked: who each is, with which model, and an answer in a form that can be compared.
 *
 *     const team = membersOf(input.members ?? 3)
 *     const { answer } = await askMember(sys, team[0], { prompt })       // asked again once where it is not of the form
 *     const seats = [...membersOf(2), { name: 'Ann', person: { timeoutMs: 60_000, default: 'I do not know' } }]
 *
 * Any member can be a person, who is asked through the inbox: with JSON of the form, or in plain words that stand for the
 * answer. Each question says in the journal who speaks, and to whom (speaker.ts). Answers are the same where they are the
 * same words but for case, spaces and a full stop (`answerKey`).
 */
import { z } from 'zod'
import { PolityError } from '../../kernel/errors.ts'
import type { ModelChoice, Sys } from '../../kernel/types.ts'
import { answeredIn, askJson, type JsonQuestion } from './json-answer.ts'
import { askedOf, spokenBy, type Speaker } from './speaker.ts'

export interface Member {
  readonly name: string
  /** Who it is: a role, a persona. @default nothing */
  readonly instructions?: string
  /** @default the program's */
  readonly model?: ModelChoice
  /** A person has this seat, and no model is asked. @default a model has it */
  readonly person?: PersonSeat
}

/** How a person is asked who has a seat. */
export interface PersonSeat {
  /** For each question, ms. @default limits.askMs */
  readonly timeoutMs?: number
  /** What counts as said where nobody answers in time, as a person would write it. @default none: `NO_ANSWER` is thrown */
  readonly default?: string
}

/** A question to a member. */
export interface MemberQuestion extends JsonQuestion, Pick<Speaker, 'to' | 'turn' | 'heard'> {
  /** What plain words of a person mean in the form that is asked for. @default the answer alone: `{ answer: words }` */
  readonly inWords?: (words: string) => unknown
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

/**
 * What a member says in a form; throws `PROGRAM_FAILED` where it never keeps to it, and `NO_ANSWER` where it is a person who
 * does not answer in time and has no default. Its role stands before `instructions`.
 */
export async function askMember<Shape extends z.ZodType = typeof reasonedShape>(
  sys: Sys,
  member: Member,
  { instructions = ANSWER_FORM, to, turn, heard, inWords, ...question }: MemberQuestion,
  shape?: Shape,
): Promise<z.infer<Shape>> {
  const own = member.instructions === undefined ? instructions : `${member.instructions}\n\n${instructions}`
  const form = shape ?? reasonedShape
  const speaker = speakerOf(member, { to, turn, heard })
  const model = member.model === undefined ? {} : { model: member.model }
  const said =
    member.person === undefined
      ? await askJson(sys, { ...question, ...model, ...spokenBy(speaker), instructions: own }, form)
      : await answeredIn(
          form,
          (wrong) => wordsOf(sys, member, `${own}\n\n${question.prompt}${wrong}`, speaker),
          question.triesMax,
          inWords ?? ((words) => ({ answer: words })),
        )
  if (said === undefined)
    throw new PolityError('PROGRAM_FAILED', `${member.name} did not answer in the form that was asked for`)
  return said as z.infer<Shape>
}

/** What a member says in free words, at a temperature (model) or from the inbox (person). */
export async function hearMember(
  sys: Sys,
  member: Member,
  { instructions, prompt, temperature = 0, to, turn, heard }: Omit<MemberQuestion, 'triesMax' | 'inWords'>,
): Promise<string> {
  const own = [member.instructions, instructions].filter((part) => part !== undefined && part !== '').join('\n\n')
  const speaker = speakerOf(member, { to, turn, heard })
  if (member.person !== undefined)
    return (await wordsOf(sys, member, own === '' ? prompt : `${own}\n\n${prompt}`, speaker)).trim()
  const { text } = await sys.generate({
    ...(own === '' ? {} : { instructions: own }),
    ...(member.model === undefined ? {} : { model: member.model }),
    ...spokenBy(speaker),
    prompt,
    temperature,
  })
  return text.trim()
}

/** What the person in a seat writes. */
function wordsOf(sys: Sys, { person }: Member, question: string, speaker: Speaker): Promise<string> {
  return sys.ask(question, { ...person, ...askedOf(speaker) })
}

function speakerOf(
  { name }: Member,
  { to, turn, heard }: { readonly [Field in 'to' | 'turn' | 'heard']: Speaker[Field] | undefined },
): Speaker {
  return {
    name,
    ...(to === undefined ? {} : { to }),
    ...(turn === undefined ? {} : { turn }),
    ...(heard === undefined ? {} : { heard }),
  }
}

/** By what two answers are compared. */
export function answerKey(answer: string): string {
  return answer.trim().toLowerCase().replaceAll(/\s+/g, ' ').replace(/\.$/, '')
}

/** Texts with the names or numbers of who said them. */
export function listed(texts: readonly string[], name: (place: number) => string = (i) => String(i + 1)): string {
  return texts.map((text, i) => `${name(i)}. ${text}`).join('\n\n')
}
