/**
 * C8-RECRUITING, recruiting by skill: 16 experts of planted skill in ten fields, 350 questions to learn profiles from, questions of two
 * fields each, four options. An expert's chance in a field is even between .3 and .8; a question's chance is the mean of its two
 * fields. Three recruited experts vote, against three drawn evenly, the best single one, and three by an oracle; with errors that
 * go together beside it. How many models are loaded where questions are asked expert by expert, and in their own order.
 */
import {
  profilesOf,
  recruited,
  recruitingWeights,
  withoutRare,
  type SkillProfile,
} from '../../src/agents/pieces/skill-recruiting.ts'
import { drawnPlurality } from '../../src/agents/pieces/vote.ts'
import { mean } from '../figures.ts'
import type { Experiment } from './experiment.ts'
import { answered, chance, difficulty, keyed, range } from './population.ts'

const [EXPERTS, FIELDS, LEARNED, SHOWN] = [16, 10, 350, 1_000]

function world(seed: number, sigma: number) {
  const skill = (expert: number, field: number): number => 0.3 + 0.5 * keyed(seed, expert, field, 1)
  const fieldsOf = (q: number): number[] => {
    const first = Math.floor(keyed(seed, q, 2) * FIELDS)
    return [first, (first + 1 + Math.floor(keyed(seed, q, 3) * (FIELDS - 1))) % FIELDS]
  }
  const chanceOf = (expert: number, q: number): number => {
    const p = mean(fieldsOf(q).map((field) => skill(expert, field)))
    return sigma === 0 ? p : chance(Math.log(p / (1 - p)), difficulty(seed, q, sigma))
  }
  const answer = (expert: number, q: number, place = 0): number =>
    answered(chanceOf(expert, q), 3, keyed(seed, q, expert, place, 4), keyed(seed, q, expert, place, 5))
  return { fieldsOf, chanceOf, answer, names: (q: number) => fieldsOf(q).map((field) => `field ${field}`) }
}

export function routed(seed: number, sigma = 0) {
  const { chanceOf, answer, names } = world(seed, sigma)
  const results = range(LEARNED).map((q) => ({
    skills: names(q),
    right: range(EXPERTS).map((expert) => answer(expert, q) === 0),
  }))
  const profiles: readonly SkillProfile[] = profilesOf(results)
  const questions = range(SHOWN).map((i) => 10_000 + i)
  const weights = questions.map((q) => recruitingWeights(profiles, names(q)))
  const draws = withoutRare(
    weights.map((own, i) => {
      let drawn = 0
      return recruited(own, 3, () => keyed(seed, i, drawn++, 6))
    }),
    weights,
  )
  const votes = (team: (i: number) => readonly number[]): number =>
    mean(
      questions.map((q, i) => {
        const ballots = team(i).map((expert, place) => answer(expert, q, place))
        return drawnPlurality(ballots, () => keyed(seed, q, 7)) === 0 ? 1 : 0
      }),
    )
  const scores = range(EXPERTS).map((expert) => mean(results.map(({ right }) => (right[expert] === true ? 1 : 0))))
  const best = scores.indexOf(Math.max(...scores))
  const oracle = (i: number): number[] =>
    range(EXPERTS)
      .toSorted((a, b) => chanceOf(b, questions[i] as number) - chanceOf(a, questions[i] as number))
      .slice(0, 3)
  const asked = draws.flat()
  return {
    routed: votes((i) => draws[i] as number[]),
    random: votes((i) => range(3).map((place) => Math.floor(keyed(seed, i, place, 8) * EXPERTS))),
    single: votes(() => [best]),
    thrice: votes(() => [best, best, best]),
    oracle: votes(oracle),
    loads: new Set(asked).size,
    inOrder: asked.filter((expert, i) => expert !== asked[i - 1]).length,
  }
}

export const c8Recruiting: Experiment = {
  id: 'C8-RECRUITING',
  what: 'three of 16 experts recruited by skill',
  bar: 'routed ≥ .73, random + .08 and best single + .08; loads ≤ 16 where the order of questions takes a hundred times as many',
  seeds: 20,
  run(seeds) {
    const over = (sigma: number) => {
      const runs = range(seeds).map((seed) => routed(seed, sigma))
      const of = (key: keyof ReturnType<typeof routed>): number => mean(runs.map((one) => one[key]))
      return {
        routed: of('routed'),
        random: of('random'),
        single: of('single'),
        thrice: of('thrice'),
        oracle: of('oracle'),
        loads: of('loads'),
        inOrder: of('inOrder'),
      }
    }
    const [alone, together] = [over(0), over(2)]
    const told = (one: typeof alone): string =>
      `routed ${one.routed.toFixed(3)}, random ${one.random.toFixed(3)}, best single ${one.single.toFixed(3)}, three times ${one.thrice.toFixed(3)}, oracle ${one.oracle.toFixed(3)}`
    return {
      measured: `${told(alone)}; errors together: ${told(together)}; ${alone.loads.toFixed(1)} loads for ${alone.inOrder.toFixed(0)}`,
      ok:
        alone.routed >= 0.73 &&
        alone.routed >= alone.random + 0.08 &&
        alone.routed >= alone.single + 0.08 &&
        alone.loads <= 16 &&
        alone.inOrder >= 100 * alone.loads,
    }
  },
}
