/**
 * Readings of elimination: do the figures of experiment C4's reference tell which simulation they come from? It does not describe it.
 *
 *     node bench/elimination-readings.ts        (half a minute of processor time)
 *
 * A reading says whom a judge scores, how it errs, what those who stay answer, when it ends and which answer is taken. An answer that is
 * held right is given 8, another 3; ties are even. Accuracies are exact, nothing is drawn and nothing fitted. A reading fits where its
 * accuracies are within .006 of .770 and .774 (judges at chance, who remove at random), .811 (right .75) and .832 (right .9), and where one
 * way of counting calls gives 5.4 to 5.5. Readings with the same accuracies and rounds, whose calls fit by the same ways of counting, are
 * told apart by nothing here, and count as one.
 */
import { AGREED, DIFFER, P, Q, exactOf } from './experiments/c4.ts'
import { range } from './experiments/population.ts'

interface Reading {
  readonly scored: 'the others' | 'all'
  readonly errs: 'by answer' | 'as a whole'
  /** What the two who stay answer, and what the one does. */
  readonly two: Later
  readonly one: Later
  readonly ends: 'two agree' | 'one is left'
  readonly taken: 'the last answer' | 'the highest sum'
}

/** What a rule knows of one who stays. */
interface Known {
  readonly own: number
  /** Judges who hold it right, and who hold it wrong. */
  readonly right: number
  readonly wrong: number
  readonly best: number
  /** Answers of those who left. */
  readonly left: readonly number[]
}

interface Team {
  readonly answers: readonly number[]
  readonly left: readonly number[]
  /** Scores of each answer over all rounds. */
  readonly sums: readonly number[]
}

/** What can happen, each with its chance. */
type Dist<T> = readonly (readonly [T, number])[]
type Later = keyof typeof LATER

const ANEW: Dist<number> = [[0, P], ...[1, 2, 3].map((wrong) => [wrong, Q / 3] as const)]
const LATER = {
  anew: () => ANEW,
  kept: ({ own }: Known) => sure(own),
  'kept if most hold it right': ({ own, right, wrong }: Known) => (right > wrong ? sure(own) : ANEW),
  'kept if all hold it right': ({ own, wrong }: Known) => (wrong === 0 ? sure(own) : ANEW),
  'kept unless all hold it wrong': ({ own, right }: Known) => (right > 0 ? sure(own) : ANEW),
  'that of the best': ({ best }: Known) => sure(best),
  'anew, none that left': ({ left }: Known) => scaled(ANEW.filter(([answer]) => !left.includes(answer))),
}
const SPLIT: Dist<Team> = (
  [
    [[0, 1, 2], DIFFER.right],
    [[1, 2, 3], DIFFER.none],
  ] as const
).map(([answers, p]) => [{ answers, left: [], sums: [0, 0, 0, 0] }, p])
const WANTED = [
  { judges: 0.5, accuracies: [0.77, 0.774] },
  { judges: 0.75, accuracies: [0.811] },
  { judges: 0.9, accuracies: [0.832] },
]
const NEAR = 0.006
const CALLS = [5.4, 5.5] as const

const sure = (answer: number): Dist<number> => [[answer, 1]]
const chanceOf = (dist: Dist<unknown>): number => dist.reduce((sum, [, p]) => sum + p, 0)
const scaled = <T>(dist: Dist<T>): Dist<T> => dist.map(([one, p]) => [one, p / chanceOf(dist)])

/** Equal cases as one. */
function merged<T>(cases: Iterable<readonly [T, number]>): Dist<T> {
  const found = new Map<string, [T, number]>()
  for (const [one, p] of cases) {
    const key = JSON.stringify(one)
    const same = found.get(key)
    if (same === undefined) found.set(key, [one, p])
    else same[1] += p
  }
  return [...found.values()]
}

/** So many draws, one after another. */
function lists<T>(dist: Dist<T>, size: number): Dist<readonly T[]> {
  if (size === 0) return [[[], 1]]
  return lists(dist, size - 1).flatMap(([list, p]) => dist.map(([one, q]) => [[...list, one], p * q] as const))
}

/** One round: all score, one leaves, the rest answer. */
function* afterRound(
  { answers, left, sums }: Team,
  judges: number,
  reading: Reading,
): Generator<readonly [Team, number]> {
  const agents = range(answers.length)
  const pairs = agents
    .flatMap((judge) => agents.map((one) => ({ judge, one })))
    .filter(({ judge, one }) => reading.scored === 'all' || judge !== one)
  const isWhole = reading.errs === 'as a whole'
  const isRight: Dist<boolean> = [
    [true, judges],
    [false, 1 - judges],
  ]
  for (const [draws, p] of lists(isRight, isWhole ? agents.length : pairs.length)) {
    const given = agents.map((agent) => {
      const of = pairs.filter(({ one }) => one === agent)
      const right = of.filter(
        (pair) => draws[isWhole ? pair.judge : pairs.indexOf(pair)] === (answers[agent] === 0),
      ).length
      return { agent, own: answers[agent] as number, right, wrong: of.length - right, score: 3 * of.length + 5 * right }
    })
    const total = sums.map((sum, answer) =>
      given.filter(({ own }) => own === answer).reduce((more, { score }) => more + score, sum),
    )
    const lowest = given.filter(({ score }) => given.every((other) => score <= other.score))
    for (const out of lowest) {
      const stay = given.filter((one) => one !== out)
      const top = stay.filter(({ score }) => stay.every((other) => score >= other.score))
      const gone = [...left, out.own].toSorted()
      const rule = LATER[stay.length === 2 ? reading.two : reading.one]
      for (const { own: best } of top) {
        const [first, second] = stay.map((one) => rule({ ...one, best, left: gone })) as [Dist<number>, Dist<number>?]
        const said =
          second === undefined
            ? first.map(([a, q]) => [[a], q] as const)
            : first.flatMap(([a, q]) => second.map(([b, r]) => [[a, b], q * r] as const))
        for (const [next, q] of said)
          yield [
            { answers: next, left: gone, sums: reading.taken === 'the highest sum' ? total : sums },
            (p * q) / (lowest.length * top.length),
          ]
      }
    }
  }
}

/** Accuracy, and the chance that a split team scores a second time. */
function exactly(judges: number, reading: Reading): { accuracy: number; again: number } {
  const after = (teams: Dist<Team>): Dist<Team> =>
    merged(
      teams.flatMap(([team, p]) =>
        merged(afterRound(team, judges, reading)).map(([next, q]) => [next, p * q] as const),
      ),
    )
  const two = after(SPLIT)
  const over = two.filter(([{ answers }]) => reading.ends === 'two agree' && answers[0] === answers[1])
  const again = two.filter((one) => !over.includes(one))
  const ended = after(again).map(([{ answers, sums }, p]) => {
    const taken =
      reading.taken === 'the last answer'
        ? answers
        : range(4).filter((one) => sums.every((sum) => sum <= (sums[one] as number)))
    return taken.includes(0) ? p / taken.length : 0
  })
  const agreed = chanceOf(over.filter(([{ answers }]) => answers[0] === 0))
  return { accuracy: AGREED + agreed + ended.reduce((sum, p) => sum + p, 0), again: chanceOf(again) / chanceOf(SPLIT) }
}

/** Calls in the mean, by what may count as one beside the answers of the three and of the two. */
function callsOf(again: number, { scored }: Reading): Map<string, number> {
  const each = 3 + 2 * again
  const found = new Map<string, number>()
  for (const [scores, a] of Object.entries({
    'scores of a judge': each,
    'each score': scored === 'all' ? 9 + 4 * again : 6 + 2 * again,
  }))
    for (const [reasons, b] of Object.entries({ '': 0, ' + reasons': each }))
      for (const [history, c] of Object.entries({
        '': 0,
        ' + a history': 1 + again,
        ' + one for all who stay': 2 + again,
        ' + one for all': each,
      }))
        for (const [last, d] of Object.entries({ '': 0, ' + the third answer': again }))
          found.set(scores + reasons + history + last, 3 + chanceOf(SPLIT) * (2 + a + b + c + d))
  return found
}

function* readings(): Generator<Reading> {
  const later = Object.keys(LATER) as Later[]
  for (const scored of ['the others', 'all'] as const)
    for (const errs of ['by answer', 'as a whole'] as const)
      for (const ends of ['two agree', 'one is left'] as const)
        for (const taken of ['the last answer', 'the highest sum'] as const)
          for (const two of later) for (const one of later) yield { scored, errs, two, one, ends, taken }
}

function measured(reading: Reading) {
  const found = WANTED.map((wanted) => ({ ...wanted, ...exactly(wanted.judges, reading) }))
  const off = Math.max(
    ...found.flatMap(({ accuracy, accuracies }) => accuracies.map((one) => Math.abs(one - accuracy))),
  )
  const calls = found.map(({ again }) => callsOf(again, reading))
  const ways = [...callsOf(1, reading).keys()].filter((way) =>
    calls.every((one) => (one.get(way) as number) >= CALLS[0] && (one.get(way) as number) <= CALLS[1]),
  )
  const figures = [...found.flatMap(({ accuracy, again }) => [accuracy.toFixed(6), again.toFixed(6)]), ...ways].join(
    ' ',
  )
  return { reading, off, ways, figures, accuracies: found.map(({ accuracy }) => accuracy.toFixed(3)).join(', ') }
}

const ours: Reading = {
  scored: 'the others',
  errs: 'by answer',
  two: 'anew',
  one: 'kept',
  ends: 'two agree',
  taken: 'the last answer',
}
for (const { judges } of WANTED)
  if (Math.abs(exactly(judges, ours).accuracy - exactOf(judges)) > 1e-12)
    throw new Error('the reading of C4 is not as C4 says')

const all = [
  ...new Map(
    [...readings()]
      .map(measured)
      .toReversed()
      .map((one) => [one.figures, one]),
  ).values(),
].toSorted((a, b) => a.off - b.off)
const near = all.filter(({ off }) => off <= NEAR)
const described = all.filter(
  ({ reading: { scored, ends, taken } }) =>
    scored === 'the others' && ends === 'two agree' && taken === 'the last answer',
)
const line = ({ reading, off, ways, accuracies }: (typeof all)[number]): string =>
  `${off.toFixed(4)} off: ${accuracies}: ${Object.values(reading).join('; ')}; calls: ${ways.join(', or ') || 'none fits'}`
console.log(
  `${all.length} readings, ${near.length} within ${NEAR} of all accuracies, ${near.filter(({ ways }) => ways.length > 0).length} of these with calls that fit:`,
)
for (const one of near) console.log(line(one))
console.log(
  `${described.length} as the reference describes LVAgent (others are scored, two who agree end it, the last answer is taken), the nearest:`,
)
for (const one of described.slice(0, 3)) console.log(line(one))
console.log(`C4: ${line(measured(ours))}`)
