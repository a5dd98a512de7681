/**
 * C11, the knapsack of Composer. A stream whose value per cost rises slowly from 1 to 20 and may end at any moment (the worst there is);
 * small things at random, in a stream as long as the reference's (`budgetsFor`); and the program itself, run by the kernel, on planted inventories: 120 components of cost 3, 5 or 8, each
 * says that it has one of six skills (true of three in four, by which reading alone is about as good as in the reference), and has
 * an unsaid one in one case of five. The best choice in hindsight is computed exactly.
 */
import { boot } from './experiment.ts'
import { composer, type Component } from '../../src/agents/composer.ts'
import { askedDensity, openKnapsack } from '../../src/agents/pieces/online-knapsack.ts'
import { promptText, scripted } from '../../src/drivers/llm/scripted.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import { defineProgram } from '../../src/kernel/program.ts'
import type { Json } from '../../src/kernel/types.ts'
import { mean } from '../figures.ts'
import type { Experiment } from './experiment.ts'
import { whereReached } from './population.ts'

const BOUNDS = { lower: 1, upper: 20 }
/** 1 / (ln 20 + 1), what theory gives whoever has seen nothing of the stream yet; in digits, so that the code that is measured has no say in it. */
const BOUND = 0.250267
const LEVELS = 4_000
const PIECES = 10_000

/** The least share of the best choice over all moments at which the rising stream may end, and the share at its end. */
function rising(rule: 'threshold' | 'first'): { readonly least: number; readonly end: number } {
  const sack = openKnapsack({ budget: PIECES, ...BOUNDS, rule })
  let [value, least, end] = [0, Infinity, 0]
  for (let level = 0; level <= LEVELS; level++) {
    const density = BOUNDS.upper ** (level / LEVELS)
    // Enough of each level to fill the budget: the best choice in hindsight is a budget of the last one.
    while (sack.offer(density, 1)) value += density
    end = value / (PIECES * density)
    least = Math.min(least, end)
  }
  return { least, end }
}

/**
 * How long a stream is, in budgets, where whoever takes the first things gets this share of the best choice: for values per cost
 * of 1 to 20 that are even in their logarithm. The first are worth the mean, 19 / ln 20; the best share f of them is worth
 * 20 (1 - 20^-f) / (f ln 20); the length is 1 / f. The reference says nothing of its stream but this share. With values that are
 * spread evenly there is no such length below .525: their mean is 10.5, and nothing is worth more than 20.
 */
export function budgetsFor(share: number): number {
  return 1 / whereReached((f) => (19 * f) / (20 * (1 - 20 ** -f)), share, [1e-6, 1])
}

/** What accept-first is worth in the reference's random streams, and the length that follows. */
const FIRST = 0.47
const STREAMS = [
  { spread: 'log', budgets: budgetsFor(FIRST) },
  { spread: 'log', budgets: 10 },
  { spread: 'even', budgets: 10 },
] as const
const SPREADS = { log: 'values even in their logarithm', even: 'values even' }
/** Mean cost of a small thing, in budgets. */
const SMALL = 0.005

/** Share of the best choice on a random stream of small things, with values per cost of 1 to 20, even or even in their logarithm. */
function small(seed: number, rule: 'threshold' | 'first', { spread, budgets }: (typeof STREAMS)[number]): number {
  const things = Array.from({ length: Math.round(budgets / SMALL) }, (_, i) => {
    const cost = 2 * SMALL * randomAt(seed, 0, i) + 1e-6
    const u = randomAt(seed, 1, i)
    return { cost, value: cost * (spread === 'even' ? 1 + 19 * u : 20 ** u) }
  })
  const sack = openKnapsack({ budget: 1, ...BOUNDS, rule })
  const value = things.reduce((sum, one) => sum + (sack.offer(one.value, one.cost) ? one.value : 0), 0)
  let [best, left] = [0, 1]
  for (const one of things.toSorted((a, b) => b.value / b.cost - a.value / a.cost)) {
    best += one.value * Math.min(1, left / one.cost)
    left -= Math.min(left, one.cost)
  }
  return value / best
}

const SKILLS = ['weather', 'poetry', 'chess', 'plumbing', 'tax', 'zoology']
const TOOLS = 120
const COSTS = [3, 5, 8]

interface Planted {
  readonly name: string
  readonly says: number
  /** Skills that it has, a bit each. */
  readonly has: number
  readonly cost: number
}

const plantedTools = (seed: number): Planted[] =>
  Array.from({ length: TOOLS }, (_, i) => {
    const at = (stream: number) => randomAt(seed, stream, i)
    const says = i % SKILLS.length
    const has = (at(10) < 0.75 ? 1 << says : 0) | (at(11) < 0.2 ? 1 << Math.floor(SKILLS.length * at(12)) : 0)
    return { name: `t${i}`, says, has, cost: COSTS[Math.floor(3 * at(13))] as number }
  })
const weightsOf = (seed: number): number[] => SKILLS.map((_, j) => 1 + Math.floor(3 * randomAt(seed, 14, j)))
const worth = (has: number, weights: readonly number[]): number =>
  weights.reduce((sum, weight, j) => sum + ((has >> j) & 1) * weight, 0)

/** The most that any set within the budget covers: over all sets of skills, what each costs at least. */
function bestCover(tools: readonly Planted[], weights: readonly number[], budget: number): number {
  const least = Array.from({ length: 1 << SKILLS.length }, (_, set) => (set === 0 ? 0 : Infinity))
  for (const { has, cost } of tools)
    for (let set = least.length - 1; set >= 0; set--) {
      const next = set | has
      least[next] = Math.min(least[next] as number, (least[set] as number) + cost)
    }
  return Math.max(...least.map((cost, set) => (cost <= budget ? worth(set, weights) : 0)))
}

/** What reading alone buys: for each skill the first that says so, where it still fits. The order in a skill is by number, which says nothing. */
function byReading(tools: readonly Planted[], budget: number): { has: number; spent: number } {
  let [has, spent] = [0, 0]
  for (const j of SKILLS.keys()) {
    const one = tools.find(({ says }) => says === j) as Planted
    if (spent + one.cost > budget) continue
    has |= one.has
    spent += one.cost
  }
  return { has, spent }
}

async function composed(seed: number, budget: number) {
  const [tools, weights] = [plantedTools(seed), weightsOf(seed)]
  const kernel = await boot({
    embedder: 'hashing',
    model: scripted((call) => {
      const prompt = promptText(call.prompt)
      if (prompt.includes('Judge whether')) return JSON.stringify({ helpful: prompt.includes('Answer: solved') })
      return JSON.stringify({
        skills: SKILLS.map((name, j) => ({ name, weight: weights[j] as number, queries: [`Answer about ${name}.`] })),
      })
    }),
  })
  const inventory = tools.map(({ name, says, has, cost }): Component => ({
    name,
    cost,
    description: `Answers about ${SKILLS[says] as string}.`,
    program: defineProgram<Json, Json>(`c11/${name}`, async (_, query) =>
      SKILLS.some((skill, j) => (has >> j) & 1 && String(query).includes(skill)) ? 'solved' : 'unknown',
    ),
  }))
  const found = await kernel.spawn(composer({ inventory }), { task: 'Do it all.', budget, perSkill: 20 }).result
  await kernel.close()
  const best = bestCover(tools, weights, budget)
  const has = found.chosen.reduce((sum, name) => sum | (tools.find((one) => one.name === name) as Planted).has, 0)
  const read = byReading(tools, budget)
  return {
    share: worth(has, weights) / best,
    spent: found.spent,
    trials: found.trials,
    reading: worth(read.has, weights) / best,
    readingSpent: read.spent,
    all: tools.reduce((sum, { cost }) => sum + cost, 0),
  }
}

export const c11: Experiment = {
  id: 'C11',
  what: 'online knapsack: a rising stream, small things, and composer on 120 planted components',
  bar: 'rising: ZCL ≥ its bound, .25027, wherever it ends, accept-first ≤ .06; small, in the stream where accept-first is worth the reference’s .47: mean ≥ .70, least ≥ .60; composer ≥ .78 of the best choice at budget 30 for less than reading buys for, ≥ reading + .05 at 12',
  seeds: 100,
  async run(seeds) {
    const [worst, first] = [rising('threshold'), rising('first')]
    const all = Array.from({ length: seeds }, (_, seed) => seed)
    const streams = STREAMS.map((stream) => {
      const shares = all.map((seed) => small(seed, 'threshold', stream))
      const first = mean(all.map((seed) => small(seed, 'first', stream)))
      const { spread, budgets } = stream
      return { spread, budgets, mean: mean(shares), least: Math.min(...shares), first }
    })
    const [asReference] = streams as [(typeof streams)[number]]
    const runs: Awaited<ReturnType<typeof composed>>[] = []
    const tight: typeof runs = []
    for (const seed of all) {
      runs.push(await composed(seed, 30))
      tight.push(await composed(seed, 12))
    }
    const of = (rows: typeof runs, key: keyof (typeof runs)[number]) => mean(rows.map((row) => row[key]))
    return {
      measured: `rising ${worst.least.toFixed(5)} (bound ${BOUND.toFixed(5)}), accept-first ${first.end.toFixed(3)}; small, ${streams.map((one) => `${SPREADS[one.spread]}, ${Number(one.budgets.toFixed(2))} budgets ${one.mean.toFixed(3)}, least ${one.least.toFixed(3)}, accept-first ${one.first.toFixed(3)}`).join('; ')}; composer ${of(runs, 'share').toFixed(3)} for ${of(runs, 'spent').toFixed(1)} of 30 in ${of(runs, 'trials').toFixed(0)} trials, reading ${of(runs, 'reading').toFixed(3)} for ${of(runs, 'readingSpent').toFixed(1)}, all of it ${of(runs, 'all').toFixed(0)}; at 12: ${of(tight, 'share').toFixed(3)} for ${of(tight, 'reading').toFixed(3)}`,
      ok:
        worst.least >= BOUND &&
        first.end <= 0.06 &&
        Math.abs(asReference.first - FIRST) <= 0.01 &&
        asReference.mean >= 0.7 &&
        asReference.least >= 0.6 &&
        of(runs, 'share') >= 0.78 &&
        of(runs, 'spent') < of(runs, 'readingSpent') &&
        of(tight, 'share') >= of(tight, 'reading') + 0.05 &&
        askedDensity(0, BOUNDS) < BOUNDS.lower,
    }
  },
}
