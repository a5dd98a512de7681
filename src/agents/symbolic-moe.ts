/**
 * Symbolic-MoE (Chen et al. 2025, "Symbolic mixture-of-experts: adaptive skill-based routing for heterogeneous reasoning"): questions
 * are tagged with skills, each gets three experts by their profiles, and one aggregator answers from what these wrote.
 *
 *     kernel.spawn(symbolicMoe, { questions, experts, profiles })       // profiles: profilesOf of skill-recruiting.ts
 *
 * All questions are drawn for first and then asked expert by expert, so that a machine that holds one model at a time loads each
 * once. Tags are asked for five times and kept where they come at least twice; a skill that no profile knows is the known one whose
 * vector is nearest. Experts of fewer than 5 % of the questions give way.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import { askJson } from './pieces/json-answer.ts'
import { nearestFirst } from './pieces/nearest.ts'
import { recruited, recruitingWeights, withoutRare, type SkillProfile } from './pieces/skill-recruiting.ts'
import { askMember, listed, membersOf, type Member } from './pieces/team.ts'

export interface SymbolicInput {
  readonly questions: readonly string[]
  readonly experts: readonly Member[]
  /** One for each expert. */
  readonly profiles: readonly SkillProfile[]
  /** @default the first expert */
  readonly aggregator?: Member
  /** Experts of a question, drawn with replacement. @default 3 */
  readonly k?: number
  /** Times that tags are asked for. @default 5 */
  readonly samples?: number
}

export interface SymbolicAnswer {
  readonly answer: string
  readonly skills: readonly string[]
  /** Names of the experts who were asked. */
  readonly experts: readonly string[]
}

const TAG = `Name 2 to 5 skills that the question needs, a word or two each, 20 characters at most. Answer with JSON: {"skills": ["…"]}.`
const SKILL_CHARS_MAX = 20
const tagged = z.object({ skills: z.array(z.string()) })

export const symbolicMoe = defineProgram(
  'symbolic-moe',
  async (sys, input: SymbolicInput): Promise<SymbolicAnswer[]> => {
    const { questions, profiles, k = 3, samples = 5 } = input
    const experts = membersOf(input.experts)
    if (profiles.length !== experts.length)
      throw new PolityError('INVALID_ARGUMENT', `there are ${profiles.length} profiles for ${experts.length} experts`)
    const known = [...new Set(profiles.flatMap((profile) => Object.keys(profile)))]
    const tags = await Promise.all(questions.map((question) => skillsOf(sys, question, samples)))
    const skills = await nearestKnown(sys, tags, known)
    const weights = skills.map((own) => recruitingWeights(profiles, own))
    const draws = withoutRare(
      weights.map((own) => recruited(own, k, () => sys.random())),
      weights,
    )
    const aggregator = input.aggregator ?? (experts[0] as Member)
    const to = [aggregator.name]
    const written: string[][] = questions.map(() => [])
    for (const [expert, member] of experts.entries()) {
      const asks = draws.flatMap((drawn, at) => drawn.flatMap((one) => (one === expert ? [at] : [])))
      const replies = await Promise.all(
        asks.map((at) => askMember(sys, member, { prompt: questions[at] as string, temperature: TEMPERATURE, to })),
      )
      for (const [i, { reasoning, answer }] of replies.entries())
        (written[asks[i] as number] as string[]).push(`${reasoning} Answer: ${answer}`)
    }
    return Promise.all(
      questions.map(async (question, at) => {
        const prompt = `${question}\n\nSolutions, which may be wrong:\n${listed(written[at] as string[])}`
        const { answer } = await askMember(sys, aggregator, { prompt })
        const names = [...new Set(draws[at])].map((expert) => (experts[expert] as Member).name)
        return { answer, skills: skills[at] as readonly string[], experts: names }
      }),
    )
  },
)

const TEMPERATURE = 0.7

/** The skills that were named at least twice, or all where none was. */
async function skillsOf(sys: Sys, question: string, samples: number): Promise<string[]> {
  const said = await Promise.all(
    Array.from({ length: samples }, () =>
      askJson(sys, { instructions: TAG, prompt: question, temperature: TEMPERATURE }, tagged),
    ),
  )
  const named = said.flatMap((one) =>
    (one?.skills ?? []).map((skill) => skill.trim().toLowerCase()).filter((skill, i, all) => all.indexOf(skill) === i),
  )
  const short = named.filter((skill) => skill !== '' && skill.length <= SKILL_CHARS_MAX)
  const repeated = [...new Set(short.filter((skill, i) => short.indexOf(skill) !== i))]
  return repeated.length > 0 ? repeated : [...new Set(short)]
}

/** Each skill, or of the known ones that whose vector is nearest. */
async function nearestKnown(
  sys: Sys,
  tags: readonly (readonly string[])[],
  known: readonly string[],
): Promise<string[][]> {
  const unknown = [...new Set(tags.flat().filter((skill) => !known.includes(skill)))]
  if (unknown.length === 0 || known.length === 0) return tags.map((own) => [...own])
  const orders = await nearestFirst(sys, unknown, known)
  const nearest = new Map(unknown.map((skill, i) => [skill, known[orders[i]?.[0] as number] as string]))
  return tags.map((own) => [...new Set(own.map((skill) => nearest.get(skill) ?? skill))])
}
