/** Ten worlds to experiment in, whose expected information gain is a sum and no estimate. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { drawAt, drawBelow, environmentOf, oracleOf, play } from '../src/environments/environment.ts'
import {
  bernoulli,
  binomial,
  chanceOf,
  densityGrid,
  entropyOf,
  informationGain,
  normalCdf,
  normalGrid,
  normalReadings,
  poisson,
  posterior,
  predictive,
  product,
  tableOf,
  threePoints,
  type Table,
} from '../src/environments/information.ts'
import { bestDesign, expectedGain, lab, priorError, tablesOf } from '../src/environments/lab.ts'
import { modelNames, modelOf, type LabModel } from '../src/environments/lab-models.ts'

const LONG = process.env['POLITY_LONG'] === '1'
const RUNS = LONG ? 500 : 50

const near = (got: number, wanted: number, within: number, what = ''): void =>
  assert.ok(Math.abs(got - wanted) <= within, `${what} ${got} is not ${wanted} within ${within}`)
const model = (name: string): LabModel => modelOf(name) as LabModel
const priorOf = ({ parts }: LabModel) => parts.map(({ weights }) => weights)

/** Nested Monte-Carlo as BoxingGym has it: fresh hypotheses for the marginal, `inner` of them; none for the exact marginal. */
function nested(weights: Float64Array, table: Table, outer: number, inner: number, seed: number) {
  const draw = drawAt(seed, 0)
  const sums = weights.slice()
  for (let i = 1; i < sums.length; i++) sums[i] = (sums[i] as number) + (sums[i - 1] as number)
  const hypothesis = (): number => {
    const at = draw()
    let [low, high] = [0, sums.length - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] as number) > at) high = middle
      else low = middle + 1
    }
    return low
  }
  const exact = predictive(weights, table)
  const values = Array.from({ length: outer }, () => {
    const truth = hypothesis()
    let [left, outcome] = [draw(), table.lows[truth] as number]
    while ((left -= chanceOf(table, truth, outcome)) > 0) outcome++
    const own = chanceOf(table, truth, outcome)
    let marginal = 0
    if (inner === 0) marginal = exact[outcome - table.low] as number
    else for (let i = 0; i < inner; i++) marginal += chanceOf(table, hypothesis(), outcome) / inner
    return Math.log(own) - Math.log(Math.max(marginal, 1e-300))
  })
  const mean = values.reduce((sum, value) => sum + value, 0) / outer
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (outer - 1)
  return { mean, error: Math.sqrt(variance / outer) }
}

describe('information', () => {
  test('a noisy bit tells what the binary symmetric channel carries', () => {
    for (const noise of [0, 0.01, 0.2, 0.5]) {
      const table = tableOf(2, (bit) => bernoulli(bit === 0 ? noise : 1 - noise))
      const entropy = entropyOf([noise, 1 - noise])
      near(informationGain(Float64Array.of(0.5, 0.5), table), Math.log(2) - entropy, 1e-12)
    }
  })

  test('a linear reading with normal noise tells half the logarithm of 1 + x^2 variance / noise', () => {
    for (const [x, sd, noise] of [
      [1, 1, 1],
      [3, 0.5, 0.25],
      [0.2, 2, 0.5],
    ] as const) {
      const grid = normalGrid(0, sd, 801, 6)
      const table = tableOf(801, (i) => normalReadings(x * (grid.values[i] as number), noise, noise / 8))
      const exact = 0.5 * Math.log(1 + (x * sd) ** 2 / noise ** 2)
      near(informationGain(Float64Array.from(grid.weights), table), exact, 1e-3)
    }
  })

  test('the death process tells 0.4976, 1.0239, 1.2083, 1.2649 and 1.2669 nats at five times, and most at 1.76', () => {
    const grid = densityGrid((rate) => Math.exp(-((rate - 1) ** 2) / 2), 0, 2, 1_000)
    const weights = Float64Array.from(grid.weights)
    const gain = (time: number): number =>
      informationGain(
        weights,
        tableOf(1_000, (i) => binomial(50, 1 - Math.exp(-(grid.values[i] as number) * time))),
      )
    for (const [time, exact] of [
      [0.1, 0.4976],
      [0.5, 1.0239],
      [1, 1.2083],
      [1.5, 1.2649],
      [1.98, 1.2669],
    ] as const)
      near(gain(time), exact, 2e-4, `at ${time}`)
    near(gain(1.76), 1.2704, 2e-4)
    assert.ok(gain(1.76) > gain(1.7) && gain(1.76) > gain(1.82))
  })

  test('what is learned on average is what was expected: gain = expected divergence of the posterior', () => {
    const chances = fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 })
    fc.assert(
      fc.property(fc.array(chances, { minLength: 2, maxLength: 6 }), (rows) => {
        const of = (row: readonly number[]): number[] => row.map((one) => one / row.reduce((sum, x) => sum + x, 0))
        const weights = Float64Array.from(of(rows.map(([one]) => one as number)))
        const table = tableOf(rows.length, (i) => ({ low: i % 2, of: of(rows[i] as number[]) }))
        const marginal = predictive(weights, table)
        near(
          marginal.reduce((sum, one) => sum + one, 0),
          1,
          1e-9,
        )
        const after = [...marginal].reduce((sum, chance, i) => {
          const left = posterior(weights, table, table.low + i)
          const divergence = left.reduce(
            (all, one, h) => all + (one > 0 ? one * Math.log(one / (weights[h] as number)) : 0),
            0,
          )
          return sum + chance * divergence
        }, 0)
        const gain = informationGain(weights, table)
        near(gain, after, 1e-9)
        assert.ok(gain <= entropyOf(weights) + 1e-9)
      }),
      { numRuns: RUNS },
    )
  })

  test('grids have the moments of what they stand for', () => {
    const moment = ({ values, weights }: ReturnType<typeof threePoints>, power: number): number =>
      values.reduce((sum, value, i) => sum + (weights[i] as number) * value ** power, 0)
    for (const grid of [threePoints(0, 2), normalGrid(0, 2, 41, 6)]) {
      near(moment(grid, 1), 0, 1e-9)
      near(moment(grid, 2), 4, 1e-6)
      near(moment(grid, 4), 48, 1e-3)
    }
    const { count, at, weights } = product([threePoints(0, 1), normalGrid(5, 1, 2)])
    assert.equal(count, 6)
    near(
      weights.reduce((sum, one) => sum + one, 0),
      1,
      1e-12,
    )
    assert.equal(new Set(Array.from({ length: 6 }, (_, i) => String(at(i)))).size, 6)
    near(normalCdf(1), 0.8413447460685429, 1e-14)
    near(normalCdf(-3), 0.0013498980316300946, 1e-14)
    near(normalCdf(1.96), 0.9750021048517795, 1e-14)
    const { low, of } = poisson(30)
    near(
      Array.from(of).reduce((sum, chance, i) => sum + chance * (low + i), 0),
      30,
      1e-6,
    )
  })
})

describe('lab', () => {
  for (const name of modelNames) {
    test(`${name}: the exact gain is what an unbiased estimate comes to`, () => {
      const { designs, parts } = model(name)
      const draw = drawAt(7, 0)
      const samples = LONG ? 4_000 : 400
      for (let i = 0; i < (LONG ? 5 : 1); i++) {
        const design = drawBelow(draw, designs.length)
        const part = drawBelow(draw, parts.length)
        const [weights, table] = [parts[part]?.weights as Float64Array, tablesOf(model(name), design)[part] as Table]
        const exact = informationGain(weights, table)
        const { mean, error } = nested(weights, table, samples, 0, i)
        // What is rarer than a sample is not seen in it, and is not in its error.
        near(mean, exact, 5 * error + 20 / samples, `design ${design}`)
      }
    })
  }

  test('ten inner samples, as the release has, claim a third too much for the death process', () => {
    const { parts } = model('death process')
    const [weights, table] = [parts[0]?.weights as Float64Array, tablesOf(model('death process'), 19)[0] as Table]
    const exact = informationGain(weights, table)
    near(exact, 1.2083, 1e-3)
    const { mean } = nested(weights, table, 2_000, 10, 1)
    assert.ok(mean > 1.2 * exact && mean < 1.6 * exact, `${mean} of ${exact}`)
  })

  test('predator and prey leave nothing to chance: a count tells the entropy of the counts', () => {
    const { parts } = model('lotka-volterra')
    const table = tablesOf(model('lotka-volterra'), 24)[0] as Table
    const weights = parts[0]?.weights as Float64Array
    near(informationGain(weights, table), entropyOf(predictive(weights, table)), 1e-9)
  })

  test('errors of who predicts the mean are near those of the release', () => {
    // BoxingGym's sampled norms: death process 222 and 190, survival 0.260 and 0.439, moral machines 0.424 and 0.494.
    near(priorError(model('death process')).mean, 222.3, 10)
    near(priorError(model('death process')).sd, 189.8, 5)
    near(priorError(model('survival')).mean, 0.2604, 0.01)
    near(priorError(model('survival')).sd, 0.4389, 0.01)
    near(priorError(model('moral machines')).mean, 0.424, 0.02)
    assert.deepEqual(
      Object.values(priorError(model('item response'))).map((n) => n.toFixed(2)),
      ['0.50', '0.50'],
    )
  })

  test('the best design is the best of all, and others score less by exactly what they tell less', () => {
    const params = lab.task(2, 1)
    const death = model(params.model)
    const beliefs = priorOf(death)
    const best = bestDesign(death, params.offered, beliefs)
    for (const design of params.offered) {
      const gain = expectedGain(death, design, beliefs)
      assert.ok(gain <= best.gain)
      const environment = environmentOf(lab)
      environment.reset({ params, seed: 2 })
      environment.step([{ agent: 'scientist', name: 'observe', args: death.designs[design]?.args as { time: number } }])
      const { experiments, regret } = environment.metrics()
      near(experiments as number, gain / best.gain / params.experiments, 1e-12)
      near(regret as number, best.gain - gain, 1e-12)
    }
  })

  test('a prediction beyond all bounds is refused: its error would be no number, and the episode no score', () => {
    const params = lab.task(2)
    const environment = environmentOf(lab)
    environment.reset({ params, seed: 2 })
    const told = (value: number) =>
      environment.step([{ agent: 'scientist', name: 'predict', args: { values: params.questions.map(() => value) } }])
    assert.match(told(1e200).errors[0]?.message ?? '', /from -1000000000 to 1000000000/)
    assert.equal(told(1e9).done, true)
    assert.ok(Object.values(environment.metrics()).every(Number.isFinite))
  })

  test('a prediction is worth what it is expected to be, whatever then happens', () => {
    let worse = 0
    for (let seed = 0; seed < 10; seed++) {
      const task = { params: lab.task(seed, 1), seed }
      const scores = [0, 1, 2].map((shift) => {
        const environment = environmentOf(lab)
        let turn = environment.reset(task)
        while (!turn.done) {
          const [action] = lab.oracle(environment.state().state)
          const values = action?.args?.['values'] as number[] | undefined
          turn = environment.step([
            values === undefined || shift === 0
              ? (action as NonNullable<typeof action>)
              : { agent: 'scientist', name: 'predict', args: { values: values.map((value) => value + 10 ** shift) } },
          ])
        }
        return environment.score()
      })
      assert.equal(scores[0], 1)
      assert.ok((scores[1] as number) <= 1 && (scores[2] as number) <= (scores[1] as number), `seed ${seed}: ${scores}`)
      if ((scores[1] as number) < 1) worse++
    }
    // Of one task, both wrong answers are as good as the right one.
    assert.equal(worse, 9)
  })

  test('who experiments well errs less than who predicts the mean, over many truths', () => {
    const seeds = LONG ? 80 : 16
    for (const at of [2, 5]) {
      let sum = 0
      for (let seed = 0; seed < seeds; seed++) {
        const environment = environmentOf(lab)
        let turn = environment.reset({ params: lab.task(10 * seed + at, 3), seed })
        while (!turn.done) turn = environment.step(lab.oracle(environment.state().state))
        sum += environment.metrics()['standardizedError'] as number
      }
      assert.ok(sum / seeds < 0, `${modelNames[at]}: ${sum / seeds}`)
    }
  })

  test('what is true is not to be seen', () => {
    const seen = [1, 2, 3].map((seed) => {
      const environment = environmentOf(lab)
      return JSON.stringify(environment.reset({ params: lab.task(2, 1), seed }).views)
    })
    assert.equal(new Set(seen).size, 1)
    assert.equal(play(lab, { params: lab.task(2, 1), seed: 1 }, oracleOf(lab)).score, 1)
  })
})
