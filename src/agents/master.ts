/**
 * MASTER (Gan et al. 2025, "MASTER: a multi-agent system with LLM specialized MCTS"): a tree of agents without rollouts, in which
 * each judges itself, and only failures come back.
 *
 *     kernel.spawn(master, { question })                                      // a question
 *     kernel.spawn(master, { question, branching: 2, expansionsMax: 10 })    // in an episode each agent takes one action, in a fork
 *
 * The agent with the largest upper confidence (`masterUct`) is expanded into `branching` children, told to differ. Each writes a
 * solution step, has its facts checked, and gives itself a reward of 0 to 1 and a confidence of 0 to 10. One that has an answer is
 * evaluated by a vote of `judges`: right ends the search; wrong is backed up along its path and nothing else is. Where the
 * expansions are used up, the terminal agent with the best reward answers.
 *
 * The rules of the tree are in master-tree.ts.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import { ADOPT, decideByModel, historyText, holds, type Step, type TaskInput } from './pieces/acting.ts'
import { askJson } from './pieces/json-answer.ts'
import { masterTree, type MasterFound } from './pieces/master-tree.ts'
import { earnedAt, goFrom, placeHere, stay, type Place } from './places.ts'
import { plurality } from './pieces/vote.ts'

export interface MasterInput extends TaskInput {
  /** Children of an agent. @default 2 */
  readonly branching?: number
  /** @default 3, as for questions in the paper */
  readonly expansionsMax?: number
  /** Votes on an answer. @default 3 */
  readonly judges?: number
  /** @default 'blend' */
  readonly reading?: 'blend' | 'replace'
}

/** A state of the program: a text of steps, or a place of an episode. */
interface Thinking {
  readonly thoughts: readonly string[]
  readonly answer: string | null
  readonly place?: Place
}

export interface Mastered extends Omit<MasterFound<Thinking>, 'state'> {
  readonly answer: string | null
  readonly steps: readonly Step[]
}

const SOLVE = `Write the next step towards the solution, in a few sentences; with the final answer where it follows. Other agents try other ways: yours is way number NUMBER.
Answer with JSON: {"step": "…", "answer": "…" or null}.`
const ASSESS = `Check the facts of the last step against the task and the steps before. Answer with JSON:
{"reward": 0 to 1, how far this leads to the solution, "confidence": 0 to 10, how sure you are}.`
const EVALUATE = 'Judge whether the answer is right. Answer with JSON: {"right": true or false}.'
const solved = z.object({ step: z.string(), answer: z.string().nullable() })
const assessed = z.object({ reward: z.number().min(0).max(1), confidence: z.number().min(0).max(10) })
const evaluated = z.object({ right: z.boolean() })

export const master = defineProgram('master', async (sys, input: MasterInput): Promise<Mastered> => {
  const { question, branching = 2, expansionsMax = 3, judges = 3, reading = 'blend' } = input
  const inWorld = holds(sys, ADOPT)
  const start: Thinking = {
    thoughts: [],
    answer: null,
    ...(inWorld ? { place: await placeHere(sys, { question }) } : {}),
  }

  const { state, ...found } = await masterTree<Thinking>(start, {
    expansionsMax,
    reading,
    async expand(from) {
      const states: Thinking[] = []
      for (let way = 0; way < branching; way++) {
        const next =
          from.place === undefined
            ? await think(sys, question, from, way)
            : await step(sys, input, from as Thinking & { place: Place }, way)
        if (next !== undefined) states.push(next)
      }
      return Promise.all(
        states.map(async (next) => {
          const prompt = `Task: ${question}\n\n${told(next)}`
          const said = await askJson(sys, { instructions: ASSESS, prompt }, assessed)
          const isTerminal = next.answer !== null || next.place?.done === true
          return { state: next, isTerminal, reward: said?.reward ?? 0, confidence: (said?.confidence ?? 0) / 10 }
        }),
      )
    },
    async evaluate(terminal) {
      const score = terminal.place?.steps.at(-1)?.told.score
      if (score !== undefined) return score >= 1
      if (terminal.place?.done === true && earnedAt(terminal.place) >= 1) return true
      const prompt = `Task: ${question}\n\n${told(terminal)}\nAnswer: ${terminal.answer ?? 'the state as it is'}`
      const ballots = await Promise.all(
        Array.from({ length: judges }, () =>
          askJson(sys, { instructions: EVALUATE, prompt, temperature: judges > 1 ? 1 : 0 }, evaluated),
        ),
      )
      return plurality(ballots.map((ballot) => ballot?.right ?? false)) ?? false
    },
  })
  if (state?.place !== undefined) await stay(sys, state.place)
  return { ...found, answer: state?.answer ?? null, steps: state?.place?.steps ?? [] }
})

/** The next thought of an agent that only thinks. */
async function think(sys: Sys, question: string, from: Thinking, way: number): Promise<Thinking | undefined> {
  const instructions = SOLVE.replace('NUMBER', String(way + 1))
  const said = await askJson(
    sys,
    { instructions, prompt: `Task: ${question}\n\n${told(from)}`, temperature: TEMPERATURE },
    solved,
  )
  return said === undefined ? undefined : { thoughts: [...from.thoughts, said.step], answer: said.answer }
}

/** Of a solution; facts and assessments are drawn at 0. */
const TEMPERATURE = 0.6

/** The next action of an agent in an episode. */
async function step(
  sys: Sys,
  input: MasterInput,
  from: Thinking & { place: Place },
  way: number,
): Promise<Thinking | undefined> {
  const { question } = input
  const extra = `Other agents try other ways: yours is way number ${way + 1}.`
  const decision = await decideByModel(sys, { ...input, extra, steps: from.place.steps, temperature: TEMPERATURE })
  if ('answer' in decision) return decision.answer === null ? undefined : { ...from, answer: decision.answer }
  const [place] = await goFrom(sys, from.place, [decision.action], { question })
  return place === undefined ? undefined : { thoughts: [...from.thoughts, decision.thought ?? ''], answer: null, place }
}

function told({ thoughts, place }: Thinking): string {
  if (place !== undefined) return historyText(place.steps)
  return thoughts.length === 0
    ? 'Nothing was done yet.'
    : thoughts.map((thought, i) => `Step ${i + 1}: ${thought}`).join('\n')
}
