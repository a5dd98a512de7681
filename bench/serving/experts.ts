/**
 * A composition of experts (Symbolic-MoE, Chen et al. 2025): 16 models, a machine with room for few of them.
 *
 * The trace is calibrated, not recorded: 16 models, each strong in 2 of 10 skills, are profiled on 350 questions (+1 right,
 * -1 wrong, by skill); each of 1,000 questions has a skill and draws three experts with replacement, with weight
 * (max(0, profile of the skill) x share of all profiles)²; an expert on fewer than 5 % of the questions is replaced by others.
 * Being right is a coin of .62 where a model is strong, .505 elsewhere, so that the best single model is right on .54 of
 * the questions and three routed ones on .73, as in the calibration that it is held against.
 *
 * Both send the same calls: `loader` lets a server with a least-recently-used loader see to it, in order of the questions;
 * `Polity` knows that the models share a machine.
 */
import { memoryStore } from '../../src/drivers/store/memory.ts'
import { servingMachine } from '../../src/drivers/llm/serving-machine.ts'
import { simulated } from '../../src/drivers/llm/simulated.ts'
import { randomAt, simulatedClock } from '../../src/kernel/clock.ts'
import { createKernel } from '../../src/kernel/kernel.ts'
import { defineProgram } from '../../src/kernel/program.ts'
import { LATENCY_MS, LOAD_MS, a10 } from './server.ts'
import { answerTokens } from './workloads.ts'

const MODELS = 16
const SKILLS = 10
const QUESTIONS = 1_000
const PROFILED = 350
const DRAWS = 3

export interface Trace {
  /** Of each question, the models that answer it. */
  readonly questions: readonly (readonly number[])[]
  /** Models that answer any. */
  readonly experts: number
  /** Changes of the model in the order of the questions, the first one counted. */
  readonly changes: number
}

export function expertTrace(seed: number): Trace {
  let drawn = 0
  const random = (): number => randomAt(seed, 16, drawn++)
  const below = (n: number): number => Math.floor(random() * n)
  const strong = Array.from({ length: MODELS }, () => {
    const one = below(SKILLS)
    return [one, (one + 1 + below(SKILLS - 1)) % SKILLS]
  })
  const profile = strong.map(() => Array.from({ length: SKILLS }, () => 0))
  for (let i = 0; i < PROFILED; i++) {
    const skill = below(SKILLS)
    for (let m = 0; m < MODELS; m++)
      (profile[m] as number[])[skill]! += random() < (strong[m]!.includes(skill) ? 0.62 : 0.505) ? 1 : -1
  }
  const mass = profile.map((skills) => skills.reduce((sum, one) => sum + Math.max(0, one), 0))
  const total = mass.reduce((sum, one) => sum + one, 0)
  const draw = (skill: number, among: (m: number) => boolean): number => {
    const weights = profile.map((skills, m) =>
      among(m) ? (Math.max(0, skills[skill] as number) * ((mass[m] as number) / total)) ** 2 : 0,
    )
    const sum = weights.reduce((all, one) => all + one, 0)
    // No model is known to be good at it: any of them.
    let at = random() * (sum === 0 ? MODELS : sum)
    for (let m = 0; m < MODELS; m++) if ((at -= sum === 0 ? 1 : (weights[m] as number)) < 0) return m
    return MODELS - 1
  }
  const skills = Array.from({ length: QUESTIONS }, () => below(SKILLS))
  const first = skills.map((skill) => Array.from({ length: DRAWS }, () => draw(skill, () => true)))
  const uses = Array.from({ length: MODELS }, (_, m) => first.filter((models) => models.includes(m)).length)
  const isKept = (m: number): boolean => (uses[m] as number) >= 0.05 * QUESTIONS
  const questions = first.map((models, i) => models.map((m) => (isKept(m) ? m : draw(skills[i] as number, isKept))))
  const order = questions.flat()
  return {
    questions,
    experts: new Set(order).size,
    changes: order.filter((m, i) => m !== order[i - 1]).length,
  }
}

export interface Served {
  readonly loads: number
  readonly makespanMs: number
}

/**
 * Answers all questions of a trace on a machine with room for `residentMax` models. `turnMs`: how long a model may stay
 * while others wait; undefined: the kernel does not know that they share a machine.
 */
export async function serveExperts(trace: Trace, residentMax: number, turnMs: number | undefined): Promise<Served> {
  const clock = simulatedClock({ seed: 3, startMs: 0 })
  const machine = servingMachine({ clock, ...a10, residentMax, loadMs: LOAD_MS })
  const models = Object.fromEntries(
    Array.from({ length: MODELS }, (_, m) => {
      const model = simulated({
        clock,
        machine,
        modelId: `expert-${m}`,
        refuse: 'queue',
        latencyMs: LATENCY_MS,
        answer({ call }) {
          const outputTokens = answerTokens(call.seed as number, call.maxOutputTokens as number)
          return { text: 'word '.repeat(outputTokens).slice(0, outputTokens * 4), outputTokens }
        },
      })
      // A server that nobody looks after is sent everything at once: it queues, and loads as it comes to it.
      return [
        `expert-${m}`,
        turnMs === undefined ? { model, slots: 10_000 } : { model, host: { name: 'machine', residentMax } },
      ]
    }),
  )
  const kernel = createKernel({
    store: memoryStore(),
    clock,
    models,
    limits: { generateMs: 1e9, coreWaitMs: 1e9, coreTurnMs: turnMs ?? 1e9 },
  })
  const answer = defineProgram('question', async (sys, i: number) => {
    const experts = trace.questions[i] as readonly number[]
    await Promise.all(
      experts.map((m, draw) =>
        sys.generate({
          model: `expert-${m}`,
          prompt: `Question ${i}: ${'think step by step. '.repeat(30)}`,
          maxOutputTokens: 400,
          seed: i * 1_000 + draw,
        }),
      ),
    )
    return null
  })
  await Promise.all(trace.questions.map((_, i) => kernel.spawn(answer, i).result))
  const { loads } = machine.stats()
  const makespanMs = clock.now()
  await kernel.close()
  return { loads, makespanMs }
}
