/**
 * AutoManual (Chen et al. 2024, "AutoManual: constructing instruction manuals by LLM agents via interactive environmental learning"): acts by the
 * manual, and after the task a builder mends the manual by what happened.
 *
 *     spawnEpisode(kernel, world, task, { program: autoManual, search: true, input: { type: 'put' } })
 *
 * The planner acts step by step (in the paper by a plan in code), with the manual and the best
 * way of this type of task before it. How it went (direct success, indirect success with errors on the way, failure) decides how the builder
 * is asked: after errors it first says whether the rules or the agent were at fault. Its operations go through rule-book.ts, which
 * refuses what a failure cannot show. A book that is full is merged by pairs (consolidator). Rules, and a way for each type of task, are
 * notes of the principal: the way of a direct success stays, a failure leaves only what it taught.
 *
 * Constants are those of the release as told in its paper: 12 rules, builder rounds bounded, one way shown.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Sys } from '../kernel/types.ts'
import {
  actLoop,
  decideByModel,
  earnedBy,
  historyText,
  type Acted,
  type Step,
  type TaskInput,
} from './pieces/acting.ts'
import { askJson } from './pieces/json-answer.ts'
import { markedNote, noteInput } from './pieces/notes.ts'
import {
  applyRuleOp,
  arrangeRules,
  emptyBook,
  manualText,
  mergeRules,
  ruleOp,
  RULES_MAX,
  type Outcome,
  type RuleBook,
} from './pieces/rule-book.ts'
import { markOf } from './pieces/text-hash.ts'

export interface AutoManualInput extends TaskInput {
  /** Type of the task: ways are kept by it. @default 'task' */
  readonly type?: string
  /** Whether the manual is mended. @default true */
  readonly learn?: boolean
  /** @default 12, as in the paper */
  readonly rulesMax?: number
  /** Answers of the builder. @default 3 */
  readonly builderRounds?: number
}

export interface AutoManualed extends Acted {
  readonly outcome: Outcome
  /** Who was at fault where something went wrong, as the builder said. */
  readonly fault: 'rules' | 'agent' | null
  readonly manual: string
  /** Operations of the builder that were refused. */
  readonly refused: number
}

/** The best known way of a type of task. */
interface Way {
  readonly outcome: Outcome
  readonly text: string
}

const BUILD: { readonly [at: string]: string } = {
  'direct success':
    'The agent reached the goal without an error. Write down what made it succeed, and confirm rules that helped.',
  'indirect success rules':
    'The agent reached the goal behind errors, because rules were missing or wrong. Mend them, and write down how an error was corrected.',
  'indirect success agent':
    'The agent reached the goal behind errors, though the rules were right. Make clearer what it overlooked.',
  'failure rules':
    'The agent failed because rules were missing or wrong. Mend them, and write down the error that is not solved.',
  'failure agent': 'The agent failed though the rules were right. Make clearer what it overlooked.',
}
const OPS = `Answer with JSON: {"ops": […]}, each {"op": "write", "type": "…", "rule": "…", "example": "…", "record": "…"}, {"op": "update", "id": "rule_0", …} or {"op": "delete", "id": "rule_0"}; none ends.
Types: Special Phenomenon, Special Mechanism, Corrected Error, Unresolved Error, Useful Helper Method, Success Process.`
const FAULT =
  'Something went wrong. Were the rules at fault (missing or wrong), or the agent, which did not follow them? Answer with JSON: {"fault": "rules" or "agent"}.'
const MERGE =
  'The book of rules is full. Name two rules that can be one, and write that one. Answer with JSON: {"one": "rule_0", "other": "rule_1", "rule": "…"}.'

const built = z.object({ ops: z.array(ruleOp) })
const faulted = z.object({ fault: z.enum(['rules', 'agent']) })
const merged = z.object({ one: z.string(), other: z.string(), rule: z.string() })

export const autoManual = defineProgram('auto-manual', async (sys, input: AutoManualInput): Promise<AutoManualed> => {
  const { type = 'task', stepsMax = 20, learn = true, builderRounds = 3, rulesMax = RULES_MAX } = input
  let book = (await kept<RuleBook>(sys, 'auto-manual book')) ?? emptyBook()
  const way = await kept<Way>(sys, `auto-manual way ${type}`)
  const extra = [
    manualText(book),
    way === undefined ? '' : `A way that led there before (${way.outcome}):\n${way.text}`,
  ]
    .filter((one) => one !== '')
    .join('\n\n')
  const acted = await actLoop(sys, (steps) => decideByModel(sys, { ...input, extra, steps }), { stepsMax })
  const outcome = outcomeOf(acted.steps)
  let refused = 0
  let fault: AutoManualed['fault'] = null
  if (learn) {
    const log = `Task: ${input.question}\n\nOutcome: ${outcome}\n\n${historyText(acted.steps)}`
    if (outcome !== 'direct success')
      fault =
        (await askJson(sys, { instructions: FAULT, prompt: `${manualText(book)}\n\n${log}` }, faulted))?.fault ??
        'agent'
    const how = BUILD[fault === null ? outcome : `${outcome} ${fault}`] as string
    const said: string[] = []
    for (let round = 0; round < builderRounds; round++) {
      const prompt = [manualText(book), log, ...said].filter((one) => one !== '').join('\n\n')
      const { ops = [] } = (await askJson(sys, { instructions: `${how}\n${OPS}`, prompt }, built)) ?? {}
      if (ops.length === 0) break
      for (const op of ops) {
        if (op.op === 'write' && book.rules.length >= rulesMax) book = await consolidated(sys, book)
        const changed = applyRuleOp(book, op, outcome, rulesMax)
        if (!changed.ok) refused++
        said.push(changed.said)
        book = changed.book
      }
    }
    book = arrangeRules(book)
    await keep(sys, 'auto-manual book', book as unknown as Json)
    // A direct success is never overwritten, and a failure is no way.
    if (outcome !== 'failure' && way?.outcome !== 'direct success')
      await keep(sys, `auto-manual way ${type}`, { outcome, text: historyText(acted.steps) })
  }
  return { ...acted, outcome, fault, manual: manualText(book), refused }
})

export function outcomeOf(steps: readonly Step[]): Outcome {
  if (earnedBy(steps) < 1) return 'failure'
  return steps.some(({ told }) => told.error !== undefined) ? 'indirect success' : 'direct success'
}

async function consolidated(sys: Sys, book: RuleBook): Promise<RuleBook> {
  const pair = await askJson(sys, { instructions: MERGE, prompt: manualText(book) }, merged)
  return pair === undefined ? book : mergeRules(book, [pair.one, pair.other], { rule: pair.rule })
}

async function kept<Value>(sys: Sys, name: string): Promise<Value | undefined> {
  return (await markedNote(sys, markOf(name)))?.data as unknown as Value | undefined
}

async function keep(sys: Sys, name: string, data: Json): Promise<void> {
  const note = await markedNote(sys, markOf(name))
  await sys.remember(
    note === undefined ? { text: name, tags: ['auto-manual', markOf(name)], data } : { ...noteInput(note), data },
  )
}
