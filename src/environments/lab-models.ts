/**
 * The ten generative models of BoxingGym (Gandhi et al. 2025, section 3 and the release), on grids.
 *
 *     const model = modelOf('death process')
 *     model?.designs[19]                                 // { args: { time: 1 } }
 *     model?.parts[0].chances(19, 100)                   // of 0 to 50 infected, under hypothesis 100
 *
 * Parameters are put on grids, and readings of instruments on whole steps (`resolution`); everything after that is exact.
 * Where we leave the release, or it has to be small to stay exact, the model says so (`differs`). Outcomes that are told
 * as several numbers which do not depend on each other are several parts, each with hypotheses of its own.
 */
import { drawAt, drawBelow, pick, type Draw } from './environment.ts'
import {
  bernoulli,
  binomial,
  densityGrid,
  logistic,
  normalCdf,
  normalGrid,
  normalReadings,
  normalized,
  poisson,
  product,
  threePoints,
  type Chances,
} from './information.ts'

/** An experiment that can be made. */
export interface Design {
  readonly args: { readonly [input: string]: number }
  /** What it is, where the numbers do not say it. */
  readonly label?: string
}

/** A part of a model: hypotheses, and the chances of outcomes under each. */
export interface Part {
  readonly weights: Float64Array
  readonly chances: (design: number, hypothesis: number) => Chances
}

/** A world that can be asked. */
export interface LabModel {
  readonly name: string
  /** The model as it is told to who experiments. */
  readonly story: string
  readonly designs: readonly Design[]
  readonly parts: readonly Part[]
  /** Names of the numbers that an outcome consists of. */
  readonly outputs: readonly string[]
  /** Whether outcomes are 0 or 1; others are numbers in steps of `resolution`. */
  readonly isBinary: boolean
  readonly resolution: number
  /** The numbers of an outcome; for a model of one part. @default the outcome times the resolution */
  readonly numbers?: (design: number, outcome: number) => readonly number[]
  /** How the paper measures the error of a prediction. */
  readonly error: 'squared' | 'absolute' | 'wrong'
  /** Designs offered in a task; the others are there for its questions. */
  readonly offered: number
  /** In which it is not the release's. */
  readonly differs: string
}

/** Numbers from one to another, in equal steps. */
function range(from: number, to: number, step: number): readonly number[] {
  const count = Math.round((to - from) / step) + 1
  return Array.from({ length: count }, (_, i) => Number((from + i * step).toFixed(6)))
}

/** Designs that are listed and numbered from 1. */
function listed(input: string, labels: readonly string[]): readonly Design[] {
  return labels.map((label, i) => ({ args: { [input]: i + 1 }, label }))
}

function hyperbolicDiscounting(): LabModel {
  const amounts = [10, 20, 40, 80, 120, 160, 200, 300]
  const designs = amounts.flatMap((now) =>
    amounts.flatMap((later) => (later > now ? [7, 30, 90, 365].map((days) => ({ args: { now, later, days } })) : [])),
  )
  const grid = product([normalGrid(-4.25, 0.5, 31), densityGrid((a) => Math.exp(-((a / 2) ** 2) / 2), 0, 8, 24)])
  const points = Array.from({ length: grid.count }, (_, i) => grid.at(i))
  return {
    name: 'hyperbolic discounting',
    story:
      'A person chooses between money now and more money in some days. A later reward is worth later / (1 + k days); ln k ~ N(-4.25, 0.5). They take it with chance 0.01 + 0.98 Phi((its worth - now) / a), a ~ half-normal(2). The outcome is 1 where they wait, else 0.',
    designs,
    parts: [
      {
        weights: grid.weights,
        chances: (design, hypothesis) => {
          const { now, later, days } = (designs[design] as Design).args as { now: number; later: number; days: number }
          const [logK, alpha] = points[hypothesis] as [number, number]
          const worth = later / (1 + Math.exp(logK) * days)
          return bernoulli(0.01 + 0.98 * normalCdf((worth - now) / alpha))
        },
      },
    ],
    outputs: ['choice'],
    isBinary: true,
    resolution: 1,
    error: 'wrong',
    offered: 40,
    differs: 'amounts and days are of a list',
  }
}

function locationFinding(): LabModel {
  const lines = range(-1.75, 1.75, 0.7)
  const designs = lines.flatMap((x) => lines.map((y) => ({ args: { x, y } })))
  const axis = normalGrid(0, 1, 5, 2)
  const place = product([axis, axis])
  // Sources cannot be told apart: of the orders of three places one stands for all.
  const triples: [number, number, number][] = []
  const weights: number[] = []
  for (let a = 0; a < place.count; a++)
    for (let b = a; b < place.count; b++)
      for (let c = b; c < place.count; c++) {
        const orders = a === b && b === c ? 1 : a === b || b === c ? 3 : 6
        triples.push([a, b, c])
        weights.push(orders * [a, b, c].reduce((all, i) => all * (place.weights[i] as number), 1))
      }
  const places = Array.from({ length: place.count }, (_, i) => place.at(i) as [number, number])
  const signals = designs.map(({ args: { x, y } }) =>
    places.map(([px, py]) => 1 / (1e-4 + (px - x) ** 2 + (py - y) ** 2)),
  )
  return {
    name: 'location finding',
    story:
      'Three sources lie at unknown points of the plane, each coordinate ~ N(0, 1). At a point the signal is 0.1 plus the sum over the sources of 1 / (0.0001 + squared distance); the reading has normal noise of 0.5 and comes in steps of 0.5.',
    designs,
    parts: [
      {
        weights: Float64Array.from(normalized(weights)),
        chances: (design, hypothesis) => {
          const at = signals[design] as number[]
          const [a, b, c] = triples[hypothesis] as [number, number, number]
          return normalReadings(0.1 + (at[a] as number) + (at[b] as number) + (at[c] as number), 0.5, 0.5)
        },
      },
    ],
    outputs: ['signal'],
    isBinary: false,
    resolution: 0.5,
    error: 'squared',
    offered: 24,
    differs: 'coordinates of sources are of five values each, and it is asked at 36 points between them',
  }
}

function deathProcess(): LabModel {
  const designs = range(0.05, 1.95, 0.05).map((time) => ({ args: { time } }))
  const grid = densityGrid((rate) => Math.exp(-((rate - 1) ** 2) / 2), 0, 2, 200)
  return {
    name: 'death process',
    story:
      'A disease spreads among 50 people: until a time each has it with chance 1 - exp(-rate time); rate ~ N(1, 1) within 0 and 2. The outcome is how many have it.',
    designs,
    parts: [
      {
        weights: Float64Array.from(grid.weights),
        chances: (design, hypothesis) => {
          const { time } = (designs[design] as Design).args as { time: number }
          return binomial(50, -Math.expm1(-(grid.values[hypothesis] as number) * time))
        },
      },
    ],
    outputs: ['infected'],
    isBinary: false,
    resolution: 1,
    error: 'squared',
    offered: 30,
    differs: 'the rate is of 200 values',
  }
}

function itemResponse(): LabModel {
  const [students, questions] = [3, 2]
  const designs = range(1, students, 1).flatMap((student) =>
    range(1, questions, 1).map((question) => ({ args: { student, question } })),
  )
  const [fine, coarse] = [normalGrid(0, 1, 5), threePoints(0, 1)]
  const fives = students + questions
  // In this order: abilities, difficulties, discriminations.
  const grid = product([
    ...Array.from({ length: fives }, () => fine),
    ...Array.from({ length: questions }, () => coarse),
  ])
  return {
    name: 'item response',
    story:
      'Three students answer two questions. A student answers rightly with chance logistic(d (ability - difficulty)); the ability of a student, the difficulty and the discrimination d of a question are each ~ N(0, 1). The outcome is 1 where the answer is right, else 0.',
    designs,
    parts: [
      {
        weights: grid.weights,
        chances: (design, hypothesis) => {
          const { student, question } = (designs[design] as Design).args as { student: number; question: number }
          const digit = (place: number): number => fine.values[Math.floor(hypothesis / 5 ** place) % 5] as number
          const gap = digit(student - 1) - digit(students + question - 1)
          const sharpness = coarse.values[Math.floor(hypothesis / (5 ** fives * 3 ** (question - 1))) % 3] as number
          return bernoulli(logistic(sharpness * gap))
        },
      },
    ],
    outputs: ['right'],
    isBinary: true,
    resolution: 1,
    error: 'wrong',
    offered: 4,
    differs:
      'three students and two questions in place of six and six, abilities and difficulties of five values, discriminations of three',
  }
}

function survival(): LabModel {
  const draw = drawAt(40, 1)
  const patients = Array.from({ length: 40 }, () => ({
    time: Number((0.1 + 9.9 * draw()).toFixed(1)),
    spread: drawBelow(draw, 2),
  }))
  // The gamma distribution with shape and rate 0.1 reaches over twenty orders of magnitude: its grid is in logarithms.
  const logRate = densityGrid((u) => Math.exp(0.1 * u - 0.1 * Math.exp(u)), -45, 5, 50)
  const grid = product([logRate, densityGrid((b) => Math.exp(-((b / 10) ** 2) / 2), 0, 30, 20)])
  const points = Array.from({ length: grid.count }, (_, i) => grid.at(i))
  return {
    name: 'survival',
    story:
      'Patients had an operation some years ago; with some, the cancer has spread (1), with others not (0). A patient is dead with chance logistic(years rate exp(b spread)); rate ~ Gamma(0.1, 0.1), b ~ half-normal(10). The outcome is 1 where the patient is dead, else 0.',
    designs: listed(
      'patient',
      patients.map(({ time, spread }) => `${time} years, spread ${spread}`),
    ),
    parts: [
      {
        weights: grid.weights,
        chances: (design, hypothesis) => {
          const { time, spread } = patients[design] as (typeof patients)[number]
          const [logarithm, b] = points[hypothesis] as [number, number]
          return bernoulli(logistic(time * Math.exp(logarithm + b * spread)))
        },
      },
    ],
    outputs: ['dead'],
    isBinary: true,
    resolution: 1,
    error: 'wrong',
    offered: 16,
    differs: 'forty patients; parameters of 50 and 20 values',
  }
}

function dugongs(): LabModel {
  const designs = range(0, 5, 0.25).map((age) => ({ args: { age } }))
  const grid = product([normalGrid(2, 0.2, 7), normalGrid(1.5, 0.5, 9), normalGrid(0.4, 0.5, 13)])
  const points = Array.from({ length: grid.count }, (_, i) => grid.at(i))
  return {
    name: 'dugongs',
    story:
      'The length of a sea cow of an age is a - b |l|^age, with normal noise of 0.25, in steps of 0.1; a ~ N(2, 0.2), b ~ N(1.5, 0.5), l ~ N(0.4, 0.5).',
    designs,
    parts: [
      {
        weights: grid.weights,
        chances: (design, hypothesis) => {
          const { age } = (designs[design] as Design).args as { age: number }
          const [a, b, l] = points[hypothesis] as [number, number, number]
          return normalReadings(a - b * Math.abs(l) ** age, 0.25, 0.1)
        },
      },
    ],
    outputs: ['length'],
    isBinary: false,
    resolution: 0.1,
    error: 'squared',
    offered: 16,
    differs: 'a length below 0 is told as it is; ages are quarters of a year',
  }
}

function peregrines(): LabModel {
  const designs = range(0.2, 5, 0.2).map((time) => ({ args: { time } }))
  const grid = product([
    normalGrid(4.5, 0.1, 5),
    normalGrid(1.2, 0.1, 5),
    normalGrid(0.07, 0.01, 3),
    normalGrid(-0.24, 0.05, 5),
  ])
  const points = Array.from({ length: grid.count }, (_, i) => grid.at(i))
  return {
    name: 'peregrines',
    story:
      'Falcons are counted at a time: the count is Poisson with rate exp(a + b t + c t^2 + d t^3); a ~ N(4.5, 0.1), b ~ N(1.2, 0.1), c ~ N(0.07, 0.01), d ~ N(-0.24, 0.05).',
    designs,
    parts: [
      {
        weights: grid.weights,
        chances: (design, hypothesis) => {
          const { time } = (designs[design] as Design).args as { time: number }
          const [a, b, c, d] = points[hypothesis] as [number, number, number, number]
          return poisson(Math.exp(a + b * time + c * time ** 2 + d * time ** 3))
        },
      },
    ],
    outputs: ['falcons'],
    isBinary: false,
    resolution: 1,
    error: 'squared',
    offered: 16,
    differs: 'parameters of 5, 5, 3 and 5 values; times are fifths of a year',
  }
}

/** Steps of the Runge-Kutta method in a unit of time, and units. */
const LOTKA = { steps: 10, times: 50 }

function lotkaVolterra(): LabModel {
  const designs = range(1, LOTKA.times, 1).map((time) => ({ args: { time } }))
  const near = [
    [0.1, 0.01],
    [0.02, 0.01],
    [0.4, 0.04],
    [0.01, 0.001],
  ] as const
  // Farther than one and a half standard deviations off, rates of the release turn negative and numbers run away.
  const grid = product(near.map(([mean, sd]) => normalGrid(mean, sd, 7, 1.5)))
  const counted = Array.from({ length: grid.count }, (_, i) => populations(grid.at(i)))
  // Outcomes of a time are numbered in the order in which the hypotheses first lead to them.
  const outcomes = designs.map((_, at) => {
    const numbers = new Map<number, number>()
    const pairs: (readonly [number, number])[] = []
    const of = counted.map((run) => {
      const pair = run[at] as readonly [number, number]
      const key = 1e6 * pair[0] + pair[1]
      let number = numbers.get(key)
      if (number === undefined) numbers.set(key, (number = pairs.push(pair) - 1))
      return number
    })
    return { of, pairs }
  })
  return {
    name: 'lotka-volterra',
    story:
      "Prey and predators: prey' = a prey - b prey predators, predators' = d prey predators - c predators, from 40 and 9 at time 0; a ~ N(0.1, 0.01), b ~ N(0.02, 0.01), c ~ N(0.4, 0.04), d ~ N(0.01, 0.001). The outcome is both, counted.",
    designs,
    parts: [
      {
        weights: grid.weights,
        chances: (design, hypothesis) => ({ low: outcomes[design]?.of[hypothesis] as number, of: [1] }),
      },
    ],
    outputs: ['prey', 'predators'],
    isBinary: false,
    resolution: 1,
    numbers: (design, outcome) => outcomes[design]?.pairs[outcome] as readonly number[],
    error: 'absolute',
    offered: 24,
    differs: 'parameters of seven values each within 1.5 standard deviations; whole times',
  }
}

/** Prey and predators at the times 1, 2 and so on, rounded (Runge and Kutta, fourth order). */
function populations([a, b, c, d]: readonly number[]): readonly (readonly [number, number])[] {
  const [growth, eaten, death, gain] = [a, b, c, d] as [number, number, number, number]
  const h = 1 / LOTKA.steps
  let x = 40
  let y = 9
  const counted: [number, number][] = []
  for (let step = 1; step <= LOTKA.steps * LOTKA.times; step++) {
    const k1 = x * (growth - eaten * y)
    const l1 = y * (gain * x - death)
    const x2 = x + (h / 2) * k1
    const y2 = y + (h / 2) * l1
    const k2 = x2 * (growth - eaten * y2)
    const l2 = y2 * (gain * x2 - death)
    const x3 = x + (h / 2) * k2
    const y3 = y + (h / 2) * l2
    const k3 = x3 * (growth - eaten * y3)
    const l3 = y3 * (gain * x3 - death)
    const x4 = x + h * k3
    const y4 = y + h * l3
    x += (h / 6) * (k1 + 2 * k2 + 2 * k3 + x4 * (growth - eaten * y4))
    y += (h / 6) * (l1 + 2 * l2 + 2 * l3 + y4 * (gain * x4 - death))
    if (step % LOTKA.steps === 0) counted.push([Math.max(0, Math.round(x)), Math.max(0, Math.round(y))])
  }
  return counted
}

const feelings = [
  'happiness',
  'sadness',
  'anger',
  'surprise',
  'fear',
  'disgust',
  'contentment',
  'disappointment',
] as const
/** Means of the release: at rest, by the prize, by the prediction error, and by its size. */
const FEELING = {
  rest: [4.5, 3.5, 1.7, 3.3, 1.4, 1.8, 3.7, 2],
  prize: [0.04, -0.025, -0.005, 0.02, 0, -0.005, 0.03, -0.03],
  error: [0.035, -0.02, -0.025, 0.01, 0, -0.02, 0.02, -0.045],
  size: [-0.015, 0.025, 0.025, 0.035, 0.005, 0.02, -0.01, 0.02],
}

function emotions(): LabModel {
  const draw = drawAt(40, 2)
  const wheels = Array.from({ length: 24 }, () => wheelOf(draw))
  const noise = densityGrid((s) => Math.exp((-s * s) / 2), 0, 3, 5)
  return {
    name: 'emotions',
    story:
      'Somebody sees a player win one of three prizes at a wheel and says how the player feels, in eight numbers of 1 to 9. Each is rest + p prize + q error + r |error|, with normal noise, cut down to a whole number; error is the prize less what was to be expected. For each feeling p, q, r ~ N(its mean, 0.01), rest ~ N(its mean, 0.1), noise ~ half-normal(1).',
    designs: listed(
      'wheel',
      wheels.map(({ prizes, tenths, won }) => {
        const fields = prizes.map((prize, i) => `${prize} with chance 0.${tenths[i]}`)
        return `${fields.join(', ')}; won ${prizes[won]}`
      }),
    ),
    parts: feelings.map((_, i) => {
      const grid = product([
        threePoints(FEELING.rest[i] as number, 0.1),
        threePoints(FEELING.prize[i] as number, 0.01),
        threePoints(FEELING.error[i] as number, 0.01),
        threePoints(FEELING.size[i] as number, 0.01),
        noise,
      ])
      const points = Array.from({ length: grid.count }, (__, h) => grid.at(h))
      return {
        weights: grid.weights,
        chances: (design: number, hypothesis: number) => {
          const { prize, error } = wheels[design] as Wheel
          const [rest, p, q, r, sd] = points[hypothesis] as [number, number, number, number, number]
          return told(rest + p * prize + q * error + r * Math.abs(error), sd)
        },
      }
    }),
    outputs: feelings,
    isBinary: false,
    resolution: 1,
    error: 'absolute',
    offered: 12,
    differs: '24 wheels; parameters of three and five values; the numbers are told, not put into words by a model',
  }
}

interface Wheel {
  readonly prizes: readonly number[]
  readonly tenths: readonly number[]
  readonly won: number
  readonly prize: number
  readonly error: number
}

function wheelOf(draw: Draw): Wheel {
  const prizes = [0, 1, 2].map(() => drawBelow(draw, 101))
  const first = 1 + drawBelow(draw, 8)
  const second = 1 + drawBelow(draw, 9 - first)
  const tenths = [first, second, 10 - first - second]
  const won = drawBelow(draw, 3)
  const expected = prizes.reduce((sum, prize, i) => sum + (prize * (tenths[i] as number)) / 10, 0)
  return { prizes, tenths, won, prize: prizes[won] as number, error: (prizes[won] as number) - expected }
}

/** A number of 1 to 9, cut down to a whole one. */
function told(mean: number, sd: number): Chances {
  const of = new Float64Array(9)
  let below = 0
  for (let i = 0; i < 9; i++) {
    const upTo = i === 8 ? 1 : normalCdf((i + 2 - mean) / sd)
    of[i] = Math.max(0, upTo - below)
    below = upTo
  }
  return { low: 1, of }
}

/** Who may stand in the way, with what counts: woman, child, status, fitness, human. */
const characters: { readonly [who: string]: readonly [number, number, number, number, number] } = {
  boy: [0, 1, 0, 0, 1],
  girl: [-1, 1, 0, 0, 1],
  'male doctor': [0, 0, 1, 0, 1],
  'female doctor': [-1, 0, 1, 0, 1],
  'male athlete': [0, 0, 0, 1, 1],
  'female athlete': [-1, 0, 0, 1, 1],
  'male executive': [0, 0, 1, 0, 1],
  'female executive': [-1, 0, 1, 0, 1],
  'large man': [0, 0, 0, -1, 1],
  'large woman': [-1, 0, 0, -1, 1],
  'old man': [0, 0, 0, 0, 1],
  'old woman': [-1, 0, 0, 0, 1],
  'pregnant woman': [-1, 0, 1.5, 0, 1],
  homeless: [0, 0, 0, 0, 1],
  dog: [0, 0, 0, 0, -1],
  cat: [0, 0, 0, 0, -1],
}
/** Means of the release, in the order of the features of a scene. */
const MORALS = {
  woman: -0.3,
  child: 0.1,
  status: 0.1,
  fitness: 0.4,
  species: 0.6,
  humans: 0.7,
  swerve: -0.3,
  first: 0.4,
}

function moralMachines(): LabModel {
  const draw = drawAt(40, 3)
  const scenes = Array.from({ length: 40 }, () => sceneOf(draw))
  const means = Object.values(MORALS)
  // The preference for the first group and the intercept only ever occur together: one parameter, with both variances.
  const grid = product(means.map((mean, i) => threePoints(mean, i === means.length - 1 ? Math.hypot(0.1, 0.3) : 0.1)))
  const points = Array.from({ length: grid.count }, (_, i) => grid.at(i))
  return {
    name: 'moral machines',
    story:
      'A car can save one of two groups; a person says which. They save the first with chance logistic(the sum of preferences times differences between the groups in women (each -1), children, status, fitness, species (humans 1, animals -1) and number of humans, plus one for swerving (1) or staying (-1), plus one for the first group). The preferences are ~ N(mean, 0.1) with means -0.3, 0.1, 0.1, 0.4, 0.6, 0.7, -0.3; the last ~ N(0.4, 0.32). The outcome is 1 where the first is saved, else 0.',
    designs: listed(
      'scene',
      scenes.map(
        ({ groups, verb }) => `${groups.map((group) => group.join(' and ')).join(' | ')}; the car would ${verb}`,
      ),
    ),
    parts: [
      {
        weights: grid.weights,
        chances: (design, hypothesis) => {
          const { features } = scenes[design] as (typeof scenes)[number]
          const preferences = points[hypothesis] as number[]
          return bernoulli(logistic(features.reduce((sum, x, i) => sum + x * (preferences[i] as number), 0)))
        },
      },
    ],
    outputs: ['first'],
    isBinary: true,
    resolution: 1,
    error: 'wrong',
    offered: 16,
    differs: 'forty scenes; parameters of three values; the choice is told, not put into words by a model',
  }
}

function sceneOf(draw: Draw): { groups: readonly (readonly string[])[]; verb: string; features: readonly number[] } {
  const groups = [0, 1].map(() =>
    Array.from({ length: 1 + drawBelow(draw, 4) }, () => pick(draw, Object.keys(characters))),
  )
  const verb = pick(draw, ['swerve', 'stay'])
  const sums = groups.map((group) =>
    [0, 1, 2, 3, 4].map((i) => group.reduce((sum, who) => sum + (characters[who]?.[i] as number), 0)),
  )
  const humans = groups.map((group) => group.filter((who) => characters[who]?.[4] === 1).length)
  const differences = [0, 1, 2, 3, 4].map((i) => (sums[0]?.[i] as number) - (sums[1]?.[i] as number))
  const features = [...differences, (humans[0] as number) - (humans[1] as number), verb === 'swerve' ? 1 : -1, 1]
  return { groups, verb, features }
}

const makers: { readonly [name: string]: () => LabModel } = {
  'hyperbolic discounting': hyperbolicDiscounting,
  'location finding': locationFinding,
  'death process': deathProcess,
  'item response': itemResponse,
  survival,
  dugongs,
  peregrines,
  'lotka-volterra': lotkaVolterra,
  emotions,
  'moral machines': moralMachines,
}

/** Names of the models. */
export const modelNames: readonly string[] = Object.keys(makers)

const made = new Map<string, LabModel>()

/** A model; its grids are made when it is first asked for. */
export function modelOf(name: string): LabModel | undefined {
  let model = made.get(name)
  const maker = makers[name]
  if (model === undefined && maker !== undefined) made.set(name, (model = maker()))
  return model
}
