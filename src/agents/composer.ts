/**
 * Composer (Yuan et al. 2025, "Automated composition of agents: a knapsack approach for agentic component selection"): out of a large
 * inventory, buys the few components that a task needs, within a budget; what a component is worth is tried, not read.
 *
 *     const team = composer({ inventory: [{ name: 'search', description: 'Searches the web.', cost: 3, program: search }, …] })
 *     spawn(team, { task: 'Plan a trip to Rome.', budget: 30 })       →   { chosen: ['search', …], spent: 17, covered, missing, trials }
 *
 * The model names at most six skills with their weights and questions to try them with. For each skill the components nearest by
 * description come in turn; each is run on the questions and judged: helpful, not, or broken. Its value is the weight of the skills
 * that it passed and that nobody covers yet; online-knapsack.ts says whether it is bought.
 *
 * Invariants
 *   CO1. What the chosen cost together is never above the budget.
 *   CO2. A component that broke is not tried again, and never bought.
 *   CO3. A component is bought once, and tried once a skill.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Program, Sys } from '../kernel/types.ts'
import { isOurEnd } from './pieces/our-end.ts'
import { askWorker, toolsOf, type Worker } from './pieces/workers.ts'
import { askJson } from './pieces/json-answer.ts'
import { openKnapsack, type KnapsackOptions } from './pieces/online-knapsack.ts'
import { nearestFirst } from './pieces/nearest.ts'

export interface Component extends Worker {
  /** What it costs to have it, in the units of the budget. Above 0. */
  readonly cost: number
}

export interface ComposerOptions {
  /** Names are unique, and so are the names of the tools that they bring. */
  readonly inventory: readonly Component[]
  /** @default 'composer' */
  readonly name?: string
}

export interface ComposerInput {
  readonly task: string
  readonly budget: number
  /** Components that come for each skill. @default 10 */
  readonly perSkill?: number
  /** `first` buys the first that helps. @default 'threshold' */
  readonly rule?: KnapsackOptions['rule']
}

export interface Composed {
  readonly chosen: readonly string[]
  readonly spent: number
  readonly covered: readonly string[]
  readonly missing: readonly string[]
  /** How often a component was tried on the questions of a skill. */
  readonly trials: number
}

const SKILLS = `Name the skills that the task needs, at most six, each with its weight and two or three questions of one step that show whether somebody has it. Answer with JSON: {"skills": [{"name": "…", "weight": 1, "queries": ["…", "…"]}]}.`
const JUDGE = `Judge whether the answers help with the skill. Answer with JSON: {"helpful": true or false}.`
const SKILLS_MAX = 6

const skilled = z.object({
  skills: z
    .array(z.object({ name: z.string(), weight: z.number().positive(), queries: z.array(z.string()).min(1).max(3) }))
    .min(1)
    .max(SKILLS_MAX),
})
const judged = z.object({ helpful: z.boolean() })

export function composer({ inventory, name = 'composer' }: ComposerOptions): Program<ComposerInput, Composed> {
  const [first] = inventory
  if (first === undefined || inventory.some(({ cost }) => !(cost > 0)))
    throw new PolityError(
      'CONFIG_INVALID',
      `${name}: an inventory takes at least one component, each with a cost above 0`,
    )
  const costs = inventory.map(({ cost }) => cost)
  return defineProgram(
    name,
    async (sys, { task, budget, perSkill = 10, rule = 'threshold' }: ComposerInput): Promise<Composed> => {
      const said = await askJson(sys, { instructions: SKILLS, prompt: task }, skilled)
      if (said === undefined) throw new PolityError('PROGRAM_FAILED', 'the model named no skills that the task needs')
      const { skills } = said
      const total = skills.reduce((sum, { weight }) => sum + weight, 0)
      // The bounds of the release, for weights that may be of any size: the lightest skill at the highest cost, all of them at the lowest.
      const lower = Math.min(...skills.map(({ weight }) => weight)) / Math.max(...costs)
      const sack = openKnapsack({ budget, lower, upper: total / Math.min(...costs), rule })
      const order = await nearestFirst(
        sys,
        skills.map((skill) => `${skill.name}. ${skill.queries.join(' ')}`),
        inventory.map((one) => `${one.name}. ${one.description}`),
      )
      const [chosen, broken, covered] = [new Set<Component>(), new Set<Component>(), new Set<string>()]
      const passed = new Map<Component, Set<string>>()
      let trials = 0
      for (const [at, skill] of skills.entries()) {
        for (const place of order[at]?.slice(0, perSkill) ?? []) {
          if (covered.has(skill.name)) break
          const one = inventory[place] as Component
          if (chosen.has(one) || broken.has(one) || sack.spent + one.cost > budget) continue
          trials++
          const verdict = await tryOut(sys, one, skill)
          if (verdict === 'broken') broken.add(one)
          const can = passed.get(one) ?? new Set()
          passed.set(one, can)
          if (verdict === 'helpful') can.add(skill.name)
          const value = skills.reduce(
            (sum, { name: of, weight }) => sum + (can.has(of) && !covered.has(of) ? weight : 0),
            0,
          )
          if (broken.has(one) || !sack.offer(value, one.cost)) continue
          chosen.add(one)
          for (const of of can) covered.add(of)
        }
      }
      return {
        chosen: [...chosen].map((one) => one.name),
        spent: sack.spent,
        covered: [...covered],
        missing: skills.map((skill) => skill.name).filter((of) => !covered.has(of)),
        trials,
      }
    },
    { tools: toolsOf(inventory) },
  )
}

/** Runs a component on the questions of a skill, and lets the answers be judged. */
async function tryOut(
  sys: Sys,
  component: Component,
  skill: z.infer<typeof skilled>['skills'][number],
): Promise<'helpful' | 'unhelpful' | 'broken'> {
  const answers: string[] = []
  for (const query of skill.queries) {
    try {
      const answer = await askWorker(sys, component, query)
      answers.push(`Question: ${query}\nAnswer: ${typeof answer === 'string' ? answer : JSON.stringify(answer)}`)
    } catch (error) {
      if (isOurEnd(error)) throw error
      return 'broken'
    }
  }
  const said = await askJson(
    sys,
    { instructions: JUDGE, prompt: `Skill: ${skill.name}\n${answers.join('\n')}` },
    judged,
  )
  return said?.helpful === true ? 'helpful' : 'unhelpful'
}
