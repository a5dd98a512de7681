/**
 * `bargain.advice`: a seller sees whether today's thing is good and advises a buyer, who cannot, over many rounds (GLEE,
 * Shapira et al. 2024, section 3.3).
 *
 *     environmentOf(advice).reset({ params: advice.task(1), seed: 1 })
 *
 * The oracle is the truth and trust in it; `persuasion` is what theory says of a seller who lies.
 *
 * Invariants
 *   AD1. The buyer learns what a thing was only by buying it.
 *   AD2. Some things are good and some are not, so who always does the same scores 0.
 */
import { z } from 'zod'
import type { Json } from '../kernel/types.ts'
import { FIRST, SECOND, WORDS_MAX, words } from './bargain.ts'
import { defineWorld, fields } from './define.ts'
import { badArguments, drawAt, pick, refused, unknownAction, type Draw, type Rules } from './environment.ts'

/** Terms of advice. */
export interface AdviceTask {
  readonly rounds: number
  readonly price: number
  /** How often the thing is good. */
  readonly good: number
  /** What a good one is worth to the buyer, of the price; a bad one is worth nothing. */
  readonly value: number
  readonly [key: string]: Json
}

/** Advice as it stands. */
export interface AdviceState {
  readonly task: AdviceTask
  readonly round: number
  readonly isGood: boolean
  /** What the seller advises; null before. */
  readonly advice: string | null
  readonly past: readonly { readonly isGood: boolean; readonly bought: boolean }[]
  readonly [key: string]: Json
}

/** GLEE's grid (section 3.3). */
const GOOD = [1 / 3, 0.5, 0.8]
const VALUES = [1.2, 1.25, 2, 3, 4]
const ADVICE = { rounds: 25, price: 100 }

/** Advice of a seller (Alice) to a buyer (Bob). */
export const advice: Rules<AdviceTask, AdviceState> = defineWorld({
  id: 'bargain.advice',
  version: '2',
  description: 'The seller knows whether the thing is good and advises the buyer, who learns it only by buying.',
  stepsMax: 200,
  levelMax: 1,
  params: fields({
    rounds: z.int().min(2),
    price: z.number().min(0),
    good: z.number().min(0).max(1),
    value: z.number().min(0),
  }),
  task(seed) {
    const draw = drawAt(seed, -1)
    return { ...ADVICE, good: pick(draw, GOOD), value: pick(draw, VALUES) }
  },
  start: (task, draw) => ({ task, round: 0, isGood: draw() < task.good, advice: null, past: [] }),
  agents: () => [FIRST, SECOND],
  actions: () => [...advising, ...buying],
  toAct: ({ task, round, advice: given }) => (round >= task.rounds ? [] : [given === null ? FIRST : SECOND]),
  view({ task, round, isGood, advice: given, past }, agent) {
    const sales = past.map(
      (one, i) => `Round ${i + 1}: ${one.bought ? `bought, it was ${one.isGood ? 'good' : 'bad'}` : 'not bought'}.`,
    )
    const terms = `Round ${round + 1} of ${task.rounds}. The price is ${task.price}; a good one is worth ${task.price * task.value} to the buyer, a bad one nothing; ${Math.round(100 * task.good)} % are good.`
    return {
      text: [
        terms,
        ...sales,
        agent === FIRST
          ? `Today’s is ${isGood ? 'good' : 'bad'}. Advise the buyer.`
          : `The seller says: ${given ?? ''}`,
      ].join('\n'),
      data: agent === FIRST ? { round, isGood, past } : { round, advice: given, past },
      actions: agent === FIRST ? advising : buying,
    }
  },
  step(state, [action], draw) {
    const { task, round, isGood, advice: given, past } = state
    const name = action?.name
    if (given === null) {
      if (name !== undefined && name !== 'advise') return refused(state, unknownAction(FIRST, name, advising))
      const text = action?.args?.['text'] ?? ''
      if (typeof text !== 'string') return refused(state, badArguments(FIRST, 'advise takes { text }'))
      return { state: { ...state, advice: text.slice(0, WORDS_MAX) } }
    }
    if (name !== undefined && name !== 'buy' && name !== 'leave')
      return refused(state, unknownAction(SECOND, name, buying))
    const bought = name === 'buy'
    const seen = [...past, { isGood, bought }]
    const next = { ...state, round: round + 1, isGood: drawnIn(task, seen, draw), advice: null, past: seen }
    const gain = bought ? (isGood ? task.value - 1 : -1) * task.price : 0
    return { state: next, reward: { [FIRST]: bought ? task.price : 0, [SECOND]: gain } }
  },
  /**
   * Of the good things the share that was bought, less that of the bad ones (Youden's J): who always does the same has 0.
   * Of an episode that was left, by the share of its rounds.
   */
  score({ past, task: { rounds } }) {
    const share = (is: boolean): number => {
      const those = past.filter(({ isGood }) => isGood === is)
      return those.length === 0 ? Number(is) : those.filter(({ bought }) => bought).length / those.length
    }
    return (Math.max(0, share(true) - share(false)) * past.length) / rounds
  },
  metrics({ past, task: { price, value } }) {
    const [good, bad] = [true, false].map((is) => past.filter((one) => one.bought && one.isGood === is).length) as [
      number,
      number,
    ]
    return { seller: (good + bad) * price, buyer: good * (value - 1) * price - bad * price, sales: good + bad }
  },
  oracle: ({ isGood, advice: given }) =>
    given === null
      ? [{ agent: FIRST, name: 'advise', args: { text: isGood ? 'It is good: buy it.' : 'It is bad: leave it.' } }]
      : [{ agent: SECOND, name: given.startsWith('It is good') ? 'buy' : 'leave' }],
})

/** Whether the next thing is good: by chance, and the last one is of the kind that there has not been. */
function drawnIn({ good, rounds }: AdviceTask, past: AdviceState['past'], draw: Draw): boolean {
  const isGood = draw() < good
  const isLast = past.length === rounds - 1
  return isLast && past.every((one) => one.isGood === isGood) ? !isGood : isGood
}

const advising = [
  {
    name: 'advise',
    description: 'Say something about today’s thing, true or not.',
    input: { type: 'object', properties: { text: words }, required: ['text'] },
    effect: 'tell',
  },
] as const
const buying = [
  { name: 'buy', description: 'Buy it.', input: { type: 'object', properties: {} }, effect: 'write' },
  { name: 'leave', description: 'Leave it.', input: { type: 'object', properties: {} }, effect: 'write' },
] as const

/**
 * How often a seller who can commit to it lies about a bad thing, and how often one is sold then (Kamenica and Gentzkow
 * 2011, "Bayesian persuasion"): so often that the buyer is just not worse off by believing.
 */
export function persuasion({ good, value }: Pick<AdviceTask, 'good' | 'value'>): {
  readonly lies: number
  readonly sales: number
} {
  return { lies: Math.min(1, (good * (value - 1)) / (1 - good)), sales: Math.min(1, good * value) }
}
