/**
 * C8B, the other choosers of C8: the bandit of R&D-Agent(Q) on planted contexts, PlanGEN's selection with noisy priors, and M3's choice of a
 * joint assignment. (Recruiting by skill is C8.)
 */
import { chooseArm, type Arm, type ArmOptions } from '../../src/agents/pieces/algorithm-choice.ts'
import {
  assignmentsOf,
  bestAssignment,
  trainAssignment,
  type AssignmentSample,
} from '../../src/agents/pieces/joint-assignment.ts'
import { beliefsOf, drawArm, learn, meanOf } from '../../src/agents/pieces/linear-thompson.ts'
import { logistic } from '../../src/agents/pieces/logistic.ts'
import { inner } from '../../src/agents/pieces/nearest.ts'
import { cholesky, diagonal, solve } from '../../src/agents/pieces/positive-definite.ts'
import { largest } from '../../src/agents/pieces/largest.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import { mean } from '../figures.ts'
import { normal, type Experiment } from './experiment.ts'
import { byUcb1, played, type Chooser } from './p4.ts'

const SIZE = 8
const NOISE = 0.5
/** Bandits: two arms, weights and contexts of N(0, I). */
const gauss = (seed: number, stream: number, n: number): number =>
  normal(randomAt(seed, stream, 2 * n), randomAt(seed, stream, 2 * n + 1))
const vector = (seed: number, stream: number, n: number): number[] =>
  Array.from({ length: SIZE }, (_, i) => gauss(seed, stream, n * SIZE + i))

type Rule = 'posterior' | 'as published' | 'random'

/** Regret summed up to each of these steps; and how far a posterior mean is from the ridge regression at most. */
export function regrets(seed: number, steps: readonly number[], rule: Rule): { regret: number[]; off: number } {
  const truth = [vector(seed, 1, 0), vector(seed, 1, 1)]
  const arms = beliefsOf(['a', 'b'], { size: SIZE, noiseVariance: NOISE })
  const pulled: { x: number[]; r: number }[][] = [[], []]
  const regret: number[] = []
  let [sum, drawn] = [0, 0]
  for (let step = 0; step < Math.max(...steps); step++) {
    const x = vector(seed, 2, step)
    const arm =
      rule === 'random'
        ? Math.floor(2 * randomAt(seed, 3, step))
        : arms.indexOf(drawArm(arms, x, () => randomAt(seed, 4, drawn++)))
    const gives = truth.map((theta) => inner(x, theta))
    const r = (gives[arm] as number) + Math.sqrt(NOISE) * gauss(seed, 5, step)
    pulled[arm]?.push({ x, r })
    if (rule !== 'random') learn(arms[arm] as (typeof arms)[number], x, r, { asPublished: rule === 'as published' })
    sum += Math.max(...gives) - (gives[arm] as number)
    if (steps.includes(step + 1)) regret.push(sum)
  }
  const off = Math.max(
    ...arms.map((belief, arm) => {
      const found = meanOf(belief)
      const ridge = diagonal(SIZE, NOISE / 10)
      const right = Array.from({ length: SIZE }, () => 0)
      for (const { x, r } of rule === 'random' ? [] : (pulled[arm] ?? []))
        for (let i = 0; i < SIZE; i++) {
          const line = ridge[i] as number[]
          right[i] = (right[i] as number) + (x[i] as number) * r
          for (let j = 0; j < SIZE; j++) line[j] = (line[j] as number) + (x[i] as number) * (x[j] as number)
        }
      return Math.max(...solve(cholesky(ridge), right).map((value, i) => Math.abs(value - (found[i] as number))))
    }),
  )
  return { regret, off }
}

const RATES = [0.4, 0.5, 0.75]
const PULLS = [30, 100, 400]

/** Mean success of so many pulls; priors are the rates with a deviation of .3. */
function selected(seed: number, pulls: number, rule: ArmOptions | 'ucb1' | 'prior'): number {
  const said = RATES.map((rate, i) => Math.max(0, Math.min(1, rate + 0.3 * gauss(seed, 6, i))))
  const priors = Object.fromEntries(said.map((value, i) => [String(RATES[i]), value]))
  const choose: Chooser =
    rule === 'ucb1'
      ? byUcb1
      : rule === 'prior'
        ? (arms) => largest(arms, ({ name }) => priors[name] as number) as Arm
        : (arms) => chooseArm(arms, { priors, ...rule })
  return played(seed, pulls, RATES, choose, 10)
}

/** Three tasks in a row with 7, 5 and 2 candidates: 70 assignments. */
const GRAPH = {
  candidates: [7, 5, 2].map((count) => Array.from({ length: count }, (_, i) => `m${i}`)),
  edges: [
    [0, 1],
    [1, 2],
  ] as const,
}
const ALL = assignmentsOf(GRAPH)
/** Two numbers that the reference does not give, set by its rows for random (.268) and the oracle (.710); the others are measured. */
const [REACH, LEVEL] = [0.22, -1.4]

/** Mean success of the choices for 400 new queries, learned from 720: an assignment works with a chance that its parts and its meetings plant. */
function joint(seed: number) {
  const skills = GRAPH.candidates.map((all, task) => all.map((_, place) => vector(seed, 20, task * 10 + place)))
  const fits = (task: number, a: number, b: number): number => 2 * gauss(seed, 21, task * 100 + a * 10 + b)
  const meeting = ALL.map((one) =>
    GRAPH.edges.reduce((sum, [a, b]) => sum + fits(a, one[a] as number, one[b] as number), 0),
  )
  const chances = (query: readonly number[]): number[] => {
    const own = skills.map((all) => all.map((skill) => inner(query, skill)))
    return ALL.map((one, i) =>
      logistic(
        LEVEL +
          REACH * (one.reduce((sum, place, task) => sum + (own[task]?.[place] as number), 0) + (meeting[i] as number)),
      ),
    )
  }
  const samples = Array.from({ length: 720 }, (_, n): AssignmentSample => {
    const query = vector(seed, 22, n)
    return { query, worked: chances(query).map((chance, i) => randomAt(seed, 23, n * ALL.length + i) < chance) }
  })
  const [learned, blind] = [trainAssignment(GRAPH, samples), trainAssignment(GRAPH, samples, { withEdges: false })]
  const counts = ALL.map((_, i) => samples.filter(({ worked }) => worked[i]).length)
  const common = counts.indexOf(Math.max(...counts))
  const placeOf = (one: readonly number[]): number => ALL.findIndex((other) => other.join() === one.join())
  const rows = Array.from({ length: 400 }, (_, n) => {
    const query = vector(seed, 24, n)
    const chance = chances(query)
    return {
      learned: chance[placeOf(bestAssignment(learned, GRAPH, query))] as number,
      blind: chance[placeOf(bestAssignment(blind, GRAPH, query))] as number,
      global: chance[common] as number,
      random: mean(chance),
      oracle: Math.max(...chance),
    }
  })
  const of = (key: keyof (typeof rows)[number]) => mean(rows.map((row) => row[key]))
  return {
    learned: of('learned'),
    blind: of('blind'),
    global: of('global'),
    random: of('random'),
    oracle: of('oracle'),
  }
}

export const c8Choosers: Experiment = {
  id: 'C8B',
  what: 'choosers: a bandit with 8 metrics, PlanGEN’s selection with noisy priors, M3 on 70 joint assignments (5 seeds)',
  bar: 'regret(1,000) ≤ 45, posterior = ridge within 1e-12; selection ≥ UCB1 - .005 at 30, 100, 400 pulls and ≥ the prior alone + .025 at 400; M3 ≥ the best assignment for all + .15 and ≥ .93 of the oracle',
  seeds: 60,
  run(seeds) {
    const all = Array.from({ length: seeds }, (_, seed) => seed)
    const steps = [50, 200, 1_000]
    const of = (rule: Rule) => {
      const rows = all.map((seed) => regrets(seed, steps, rule))
      return {
        at: steps.map((_, i) => mean(rows.map(({ regret }) => regret[i] as number))),
        off: Math.max(...rows.map(({ off }) => off)),
      }
    }
    const [ours, published, random] = [of('posterior'), of('as published'), of('random')]
    const seedsOfArms = Array.from({ length: seeds * 50 }, (_, seed) => seed)
    const success = (rule: ArmOptions | 'ucb1' | 'prior') =>
      PULLS.map((pulls) => mean(seedsOfArms.map((seed) => selected(seed, pulls, rule))))
    const [rule, ucb, prior] = [success({}), success('ucb1'), success('prior')]
    const joints = all.slice(0, 5).map(joint)
    const share = (key: keyof (typeof joints)[number]) => mean(joints.map((one) => one[key]))
    const three = (values: readonly number[], digits: number) =>
      values.map((value) => value.toFixed(digits)).join(' / ')
    return {
      measured: `regret at 50, 200, 1,000: ${three(ours.at, 0)}, released update ${three(published.at, 0)}, random ${three(random.at, 0)}, off the ridge by ${ours.off.toExponential(0)}; selection ${three(rule, 3)}, UCB1 ${three(ucb, 3)}, prior ${three(prior, 3)}; M3 ${share('learned').toFixed(3)}, without edges ${share('blind').toFixed(3)}, best for all ${share('global').toFixed(3)}, random ${share('random').toFixed(3)}, oracle ${share('oracle').toFixed(3)}`,
      ok:
        (ours.at[2] as number) <= 45 &&
        ours.off <= 1e-12 &&
        rule.every((value, i) => value >= (ucb[i] as number) - 0.005) &&
        (rule[2] as number) >= (prior[2] as number) + 0.025 &&
        share('learned') >= share('global') + 0.15 &&
        share('learned') >= 0.93 * share('oracle'),
    }
  },
}
