/**
 * `bargain.division`, `bargain.trade`, `bargain.advice`: the three families of GLEE (Shapira et al. 2024, section 3), in
 * which two speak with each other and money is made or lost.
 *
 *     environmentOf(division).reset({ params: division.task(1), seed: 1 })
 *
 * Division: offers in turn how to share a sum that shrinks for each by a factor of their own with every round. Trade: a
 * seller and a buyer, each with a value of their own, or the deal that each can have outside. Advice: a seller sees
 * whether today's thing is good and advises a buyer, who cannot, over many rounds.
 *
 * The score is the welfare: what both have together, of the most there could be. The oracle of a division is the
 * subgame-perfect equilibrium (Rubinstein 1982; with a horizon by going backwards), of advice the truth and trust in it.
 *
 * Invariants
 *   B1. Shares are whole units and add up to the sum.
 *   B2. Who refuses for ever has nothing, or what the outside gives.
 */
import type { Json } from '../kernel/types.ts'
import { drawAt, pick, type ActionError, type Rules } from './environment.ts'

const [FIRST, SECOND] = ['Alice', 'Bob'] as const

// ----------------------------------------------------------------------------------------------------------- division

/** Terms of a division. */
export interface DivisionTask {
  readonly sum: number
  /** What a unit is worth to each after a round more, of what it was. */
  readonly patience: readonly [number, number]
  readonly roundsMax: number
  readonly [key: string]: Json
}

/** A division as it stands. */
export interface DivisionState {
  readonly task: DivisionTask
  /** From 0; the first to offer does so in even rounds. */
  readonly round: number
  /** What the one who offers keeps; null while there is no offer. */
  readonly offer: number | null
  /** What both have at the end, undiscounted; null before. */
  readonly shares: readonly [number, number] | null
  readonly words: string
  readonly [key: string]: Json
}

/** GLEE's grid (section 3.1). */
const PATIENCE = [1, 0.95, 0.9, 0.8]
const SUMS = [100, 10_000, 1_000_000]
const HORIZONS = [12, 99]

/** Division of a sum. */
export const division: Rules<DivisionTask, DivisionState> = {
  id: 'bargain.division',
  version: '1',
  description: 'Agree on how to share a sum before it has shrunk.',
  stepsMax: 300,
  task(seed) {
    const draw = drawAt(seed, -1)
    return {
      sum: pick(draw, SUMS),
      patience: [pick(draw, PATIENCE), pick(draw, PATIENCE)],
      roundsMax: pick(draw, HORIZONS),
    }
  },
  start: (task) => ({ task, round: 0, offer: null, shares: null, words: '' }),
  toAct: ({ task, round, offer, shares }) =>
    shares !== null || round >= task.roundsMax ? [] : [(round % 2 === 0) === (offer === null) ? FIRST : SECOND],
  view({ task, round, offer, words }, agent) {
    const left = (who: 0 | 1): string => `${Math.round(100 * task.patience[who] ** round)} %`
    const said = words === '' ? '' : ` They say: ${words}`
    return {
      text: [
        `${task.sum} are to be shared. Round ${round + 1} of ${task.roundsMax}. A unit is worth ${left(0)} to ${FIRST} and ${left(1)} to ${SECOND} now.`,
        offer === null
          ? `You are ${agent}. Make an offer: how much do you keep?`
          : `You are ${agent}. You are offered ${task.sum - offer}.${said}`,
      ].join('\n'),
      data: { round, offer, sum: task.sum, patience: task.patience, roundsMax: task.roundsMax },
      actions: offer === null ? offering : answering,
    }
  },
  step(state, [action]) {
    const { task, round, offer } = state
    const silent = { ...state, round: round + 1, offer: null, words: '' }
    if (action === undefined) return { state: silent }
    const { agent, name, args = {} } = action
    if (offer === null) {
      const { keep, words = '' } = args
      if (name !== 'offer') return refused(state, agent, 'UNKNOWN_ACTION', `there is no action "${name}" now: offer`)
      if (typeof keep !== 'number' || !Number.isInteger(keep) || keep < 0 || keep > task.sum)
        return refused(state, agent, 'BAD_ARGUMENTS', `offer takes { keep }, a whole number from 0 to ${task.sum}`)
      return { state: { ...state, offer: keep, words: typeof words === 'string' ? words.slice(0, 2_000) : '' } }
    }
    if (name === 'reject') return { state: silent }
    if (name !== 'accept')
      return refused(state, agent, 'UNKNOWN_ACTION', `there is no action "${name}" now: accept, reject`)
    const shares: readonly [number, number] = round % 2 === 0 ? [offer, task.sum - offer] : [task.sum - offer, offer]
    const [one, other] = worthOf({ ...state, shares })
    return { state: { ...state, shares }, reward: { [FIRST]: one, [SECOND]: other } }
  },
  score: (state) => {
    const [one, other] = worthOf(state)
    return (one + other) / state.task.sum
  },
  metrics(state) {
    const [one, other] = worthOf(state)
    const share = one + other === 0 ? 0 : one / (one + other)
    // GLEE's fairness, 1 at halves; its exact form is not certain.
    return {
      first: one,
      second: other,
      share,
      fairness: one + other === 0 ? 0 : 1 - 4 * (share - 0.5) ** 2,
      rounds: state.round + 1,
    }
  },
  oracle({ task, round, offer }) {
    const keep = equilibrium(task, round)
    if (offer === null) return [{ agent: round % 2 === 0 ? FIRST : SECOND, name: 'offer', args: { keep } }]
    return [{ agent: round % 2 === 0 ? SECOND : FIRST, name: offer <= keep ? 'accept' : 'reject' }]
  },
}

/** What the one who offers in that round keeps in equilibrium: as much as leaves the other what they would have by waiting. */
export function equilibrium({ sum, patience, roundsMax }: DivisionTask, round: number): number {
  let keep = sum
  for (let at = roundsMax - 2; at >= round; at--) {
    const other = patience[at % 2 === 0 ? 1 : 0]
    keep = sum - Math.ceil(other * keep - 1e-9)
  }
  return keep
}

function worthOf({ task: { patience }, round, shares }: DivisionState): readonly [number, number] {
  if (shares === null) return [0, 0]
  return [shares[0] * patience[0] ** round, shares[1] * patience[1] ** round]
}

const words = { type: 'string', maxLength: 2_000 }
const offering = [
  {
    name: 'offer',
    description: 'Offer to share so that you keep that much.',
    input: { type: 'object', properties: { keep: { type: 'integer', minimum: 0 }, words }, required: ['keep'] },
    effect: 'write',
  },
] as const
const answering = [
  { name: 'accept', description: 'Take the offer.', input: { type: 'object', properties: {} }, effect: 'terminal' },
  { name: 'reject', description: 'Refuse it.', input: { type: 'object', properties: {} }, effect: 'write' },
] as const

// -------------------------------------------------------------------------------------------------------------- trade

/** Terms of a trade. */
export interface TradeTask {
  /** What the thing is worth to the seller, and to the buyer. */
  readonly values: readonly [number, number]
  readonly roundsMax: number
  readonly [key: string]: Json
}

/** A trade as it stands. */
export interface TradeState {
  readonly task: TradeTask
  readonly round: number
  readonly price: number | null
  /** The price agreed on; 'outside' when one took the other deal. */
  readonly deal: number | 'outside' | null
  readonly [key: string]: Json
}

/** GLEE's grid (section 3.2): values as factors of an order of magnitude, and horizons. */
const FACTORS = [0.8, 1, 1.2, 1.5]
const TRADE_HORIZONS = [1, 10, 30]

/** Trade between a seller (Alice) and a buyer (Bob). */
export const trade: Rules<TradeTask, TradeState> = {
  id: 'bargain.trade',
  version: '1',
  description: 'Agree on a price, or take the deal outside that leaves each with what the thing is worth to them.',
  stepsMax: 100,
  task(seed) {
    const draw = drawAt(seed, -1)
    const order = pick(draw, SUMS)
    return { values: [order * pick(draw, FACTORS), order * pick(draw, FACTORS)], roundsMax: pick(draw, TRADE_HORIZONS) }
  },
  start: (task) => ({ task, round: 0, price: null, deal: null }),
  toAct: ({ task, round, price, deal }) =>
    deal !== null || round >= task.roundsMax ? [] : [(round % 2 === 0) === (price === null) ? FIRST : SECOND],
  view({ task, round, price }, agent) {
    const own = task.values[agent === FIRST ? 0 : 1]
    const role = agent === FIRST ? 'sell' : 'buy'
    return {
      text: [
        `You are ${agent} and want to ${role}. The thing is worth ${own} to you. Round ${round + 1} of ${task.roundsMax}.`,
        price === null ? 'Name a price.' : `The price named is ${price}.`,
      ].join('\n'),
      data: { round, price, value: own, roundsMax: task.roundsMax },
      actions: price === null ? naming : dealing,
    }
  },
  step(state, [action]) {
    const { round, price } = state
    const silent = { ...state, round: round + 1, price: null }
    if (action === undefined) return { state: silent }
    const { agent, name, args = {} } = action
    if (price === null) {
      const given = args['price']
      if (name !== 'offer') return refused(state, agent, 'UNKNOWN_ACTION', `there is no action "${name}" now: offer`)
      if (typeof given !== 'number' || !(given >= 0))
        return refused(state, agent, 'BAD_ARGUMENTS', 'offer takes a price of at least 0')
      return { state: { ...state, price: given } }
    }
    if (name === 'reject') return { state: silent }
    if (name === 'outside') return { state: { ...state, deal: 'outside' } }
    if (name !== 'accept')
      return refused(state, agent, 'UNKNOWN_ACTION', `there is no action "${name}" now: accept, reject, outside`)
    const [seller, buyer] = state.task.values
    return { state: { ...state, deal: price }, reward: { [FIRST]: price - seller, [SECOND]: buyer - price } }
  },
  /** The gain that was made of the gain there was; where there was none, 1 for not trading. */
  score({ task, deal }) {
    const [seller, buyer] = task.values
    const isTraded = typeof deal === 'number'
    return buyer > seller ? Number(isTraded) : Number(!isTraded || buyer === seller)
  },
  metrics({ task, deal }) {
    const [seller, buyer] = task.values
    return typeof deal === 'number' ? { seller: deal - seller, buyer: buyer - deal } : { seller: 0, buyer: 0 }
  },
  // The first to speak names what the other can only just take (the ultimatum; Güth et al. 1982).
  oracle({ task, round, price }) {
    const agent = (round % 2 === 0) === (price === null) ? FIRST : SECOND
    const [seller, buyer] = task.values
    if (price === null) return [{ agent, name: 'offer', args: { price: agent === FIRST ? buyer : seller } }]
    const isGood = agent === FIRST ? price >= seller : price <= buyer
    return [{ agent, name: isGood && buyer >= seller ? 'accept' : 'outside' }]
  },
  floor: ({ values: [seller, buyer] }) => Number(buyer <= seller),
}

const naming = [
  {
    name: 'offer',
    description: 'Name a price.',
    input: { type: 'object', properties: { price: { type: 'number', minimum: 0 } }, required: ['price'] },
    effect: 'write',
  },
] as const
const dealing = [
  ...answering,
  {
    name: 'outside',
    description: 'Take the deal outside.',
    input: { type: 'object', properties: {} },
    effect: 'terminal',
  },
] as const

// ------------------------------------------------------------------------------------------------------------- advice

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
export const advice: Rules<AdviceTask, AdviceState> = {
  id: 'bargain.advice',
  version: '1',
  description: 'The seller knows whether the thing is good and advises the buyer, who learns it only by buying.',
  stepsMax: 200,
  task(seed) {
    const draw = drawAt(seed, -1)
    return { ...ADVICE, good: pick(draw, GOOD), value: pick(draw, VALUES) }
  },
  start: (task, draw) => ({ task, round: 0, isGood: draw() < task.good, advice: null, past: [] }),
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
      if (name !== undefined && name !== 'advise')
        return refused(state, FIRST, 'UNKNOWN_ACTION', `there is no action "${name}" now: advise`)
      const text = action?.args?.['text'] ?? ''
      if (typeof text !== 'string') return refused(state, FIRST, 'BAD_ARGUMENTS', 'advise takes { text }')
      return { state: { ...state, advice: text.slice(0, 2_000) } }
    }
    if (name !== undefined && name !== 'buy' && name !== 'leave')
      return refused(state, SECOND, 'UNKNOWN_ACTION', `there is no action "${name}" now: buy, leave`)
    const bought = name === 'buy'
    const next = {
      ...state,
      round: round + 1,
      isGood: draw() < task.good,
      advice: null,
      past: [...past, { isGood, bought }],
    }
    const gain = bought ? (isGood ? task.value - 1 : -1) * task.price : 0
    return { state: next, reward: { [FIRST]: bought ? task.price : 0, [SECOND]: gain } }
  },
  /** Of the good things the share that was bought, less that of the bad ones (Youden's J): who always does the same has 0. */
  score({ past }) {
    const share = (is: boolean): number => {
      const those = past.filter(({ isGood }) => isGood === is)
      return those.length === 0 ? Number(is) : those.filter(({ bought }) => bought).length / those.length
    }
    return Math.max(0, share(true) - share(false))
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
}

const advising = [
  {
    name: 'advise',
    description: 'Say something about today’s thing, true or not.',
    input: { type: 'object', properties: { text: words }, required: ['text'] },
    effect: 'write',
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

function refused<State>(state: State, agent: string, code: ActionError['code'], message: string) {
  return { state, errors: [{ agent, code, message }] }
}
