/**
 * The two ledgers of Magentic-One (Fourney et al. 2024, "Magentic-One: a generalist multi-agent system for solving complex tasks",
 * section 4): what is known and planned, and how it stands.
 *
 *     const ledger = await taskLedger(sys, { task, team })                    // facts in four lists, then a plan of bullets
 *     const next = await progressLedger(sys, { task, team, thread })          // five questions, each with its reason
 *     const better = await taskLedger(sys, { task, team, last: ledger, thread })
 *
 * The task ledger is two calls. Behind a stall it is written again: the facts with at least one guess changed or added, and a plan that
 * says what went wrong. The progress ledger is one call a step.
 *
 * Invariants
 *   LE1. The next speaker is of the team.
 *   LE2. The guesses of a ledger behind a stall are not those before, unless the model never says others in `triesMax` answers.
 */
import { z } from 'zod'
import { PolityError } from '../../kernel/errors.ts'
import type { Sys } from '../../kernel/types.ts'
import { crewText, type Worker } from './workers.ts'
import { askJson } from './json-answer.ts'

export interface Facts {
  readonly given: readonly string[]
  readonly lookUp: readonly string[]
  readonly derive: readonly string[]
  readonly guesses: readonly string[]
}

export interface TaskLedger {
  readonly facts: Facts
  readonly plan: readonly string[]
}

/** How it stands, and what is next. */
export interface ProgressLedger {
  readonly isSatisfied: boolean
  readonly isInLoop: boolean
  readonly isProgress: boolean
  /** A name of the team. */
  readonly speaker: string
  readonly instruction: string
  /** For each of the five, in this order. */
  readonly reasons: readonly string[]
}

export interface LedgerQuestion {
  readonly task: string
  readonly team: readonly Pick<Worker, 'name' | 'description'>[]
  /** What was said, as a text. */
  readonly thread?: string
  /** Answers that are asked for until one is of the form. @default 10, as in Magentic-One */
  readonly triesMax?: number
}

const FACTS = `Before anything is done, write down what is known about the request, in four lists: facts that it gives, facts to look up (and where), facts to derive (by logic or reckoning), and educated guesses. Answer with JSON: {"given": ["…"], "look_up": ["…"], "derive": ["…"], "guesses": ["…"]}.`
const FACTS_ANEW = `The work has stalled. Write the lists of facts anew with what was learned: guesses that turned out right become facts. Change or add at least one guess, and say why it is likely. Answer with JSON of the same form: {"given": […], "look_up": […], "derive": […], "guesses": […]}.`
const PLAN = `Write a short plan for the request: bullets, each saying who of the team does what. Not everybody has to take part. Answer with JSON: {"plan": ["…"]}.`
const PLAN_ANEW = `Say what went wrong, down to its root, and write a new plan that avoids it: bullets, each saying who of the team does what. The first bullet names the root cause. Answer with JSON: {"plan": ["…"]}.`
const PROGRESS = `Say how the work on the request stands, each with a reason: whether the request is satisfied whole; whether the same is being said or done again and again; whether the last steps led on; who of the team speaks next; and what that one is told or asked, with all it has to know. Answer with JSON:
{"is_request_satisfied": {"reason": "…", "answer": true or false}, "is_in_loop": {"reason": "…", "answer": true or false}, "is_progress_being_made": {"reason": "…", "answer": true or false}, "next_speaker": {"reason": "…", "answer": "a name of the team"}, "instruction_or_question": {"reason": "…", "answer": "…"}}.`

const texts = z.array(z.string())
const factsShape = z.object({ given: texts, look_up: texts, derive: texts, guesses: texts })
const planShape = z.object({ plan: texts.min(1) })
const reasoned = <Answer extends z.ZodType>(answer: Answer) => z.object({ reason: z.string(), answer })

/** Facts and plan; with `last`, what takes their place. Throws `PROGRAM_FAILED` where the model gives none. */
export async function taskLedger(
  sys: Sys,
  { task, team, thread, last, triesMax = 10 }: LedgerQuestion & { readonly last?: TaskLedger },
): Promise<TaskLedger> {
  const before = last === undefined ? [] : [`Before:\n${ledgerText(last)}`, `What was said:\n${thread ?? ''}`]
  const known = last?.facts.guesses
  const isNew = (guesses: readonly string[]): boolean =>
    known === undefined || guesses.some((one) => !known.includes(one))
  const ask = {
    prompt: [`Request: ${task}`, ...before].join('\n\n'),
    instructions: last === undefined ? FACTS : FACTS_ANEW,
  }
  const strict = factsShape.refine(({ guesses }) => isNew(guesses), 'guesses: change or add at least one')
  const said = await askJson(sys, { ...ask, triesMax }, strict)
  const facts = said === undefined ? last?.facts : factsOf(said)
  if (facts === undefined)
    throw new PolityError('PROGRAM_FAILED', 'the model wrote no facts in the form that was asked for')
  const prompt = [ask.prompt, `Team:\n${crewText(team)}`, `Facts:\n${factsText(facts)}`].join('\n\n')
  const planned = await askJson(
    sys,
    { prompt, instructions: last === undefined ? PLAN : PLAN_ANEW, triesMax },
    planShape,
  )
  if (planned === undefined)
    throw new PolityError('PROGRAM_FAILED', 'the model wrote no plan in the form that was asked for')
  return { facts, plan: planned.plan }
}

/** Throws `PROGRAM_FAILED` where the model never answers in the form, or never names one of the team. */
export async function progressLedger(
  sys: Sys,
  { task, team, thread = '', triesMax = 10 }: LedgerQuestion,
): Promise<ProgressLedger> {
  const shape = z.object({
    is_request_satisfied: reasoned(z.boolean()),
    is_in_loop: reasoned(z.boolean()),
    is_progress_being_made: reasoned(z.boolean()),
    next_speaker: reasoned(z.enum(team.map(({ name }) => name))),
    instruction_or_question: reasoned(z.string()),
  })
  const prompt = `Request: ${task}\n\nTeam:\n${crewText(team)}\n\nWhat was said:\n${thread}`
  const said = await askJson(sys, { instructions: PROGRESS, prompt, triesMax }, shape)
  if (said === undefined)
    throw new PolityError('PROGRAM_FAILED', `the model gave no progress ledger in ${triesMax} answers`)
  return {
    isSatisfied: said.is_request_satisfied.answer,
    isInLoop: said.is_in_loop.answer,
    isProgress: said.is_progress_being_made.answer,
    speaker: said.next_speaker.answer,
    instruction: said.instruction_or_question.answer,
    reasons: Object.values(said).map(({ reason }) => reason),
  }
}

/** A task ledger as a team reads it. */
export function ledgerText({ facts, plan }: TaskLedger): string {
  return `Facts:\n${factsText(facts)}\n\nPlan:\n${bullets(plan)}`
}

function factsText({ given, lookUp, derive, guesses }: Facts): string {
  return [
    `Given:\n${bullets(given)}`,
    `To look up:\n${bullets(lookUp)}`,
    `To derive:\n${bullets(derive)}`,
    `Guesses:\n${bullets(guesses)}`,
  ].join('\n')
}

function bullets(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join('\n') || '- none'
}

function factsOf({ look_up: lookUp, ...others }: z.infer<typeof factsShape>): Facts {
  return { ...others, lookUp }
}
