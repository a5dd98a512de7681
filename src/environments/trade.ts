/**
 * `bargain.trade`: a seller and a buyer, each with a value of their own, agree on a price, or one takes the deal that each can
 * have outside (GLEE, Shapira et al. 2024, section 3.2).
 *
 *     environmentOf(trade).reset({ params: trade.task(1), seed: 1 })
 *
 * Drawn are values of which the buyer's is the higher, so that there is something to agree on.
 *
 * Invariant
 *   TR1. Who refuses for ever has what the outside gives.
 */
import { z } from 'zod'
import type { Json } from '../kernel/types.ts'
import { FIRST, SECOND, SUMS, answering } from './bargain.ts'
import { defineWorld, fields } from './define.ts'
import { badArguments, drawAt, pick, refused, unknownAction, type Rules } from './environment.ts'

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
export const trade: Rules<TradeTask, TradeState> = defineWorld({
  id: 'bargain.trade',
  version: '2',
  description: 'Agree on a price, or take the deal outside that leaves each with what the thing is worth to them.',
  stepsMax: 100,
  levelMax: 1,
  params: fields({
    values: z.tuple([z.number().min(0), z.number().min(0)]),
    roundsMax: z.int().min(1),
  }),
  task(seed) {
    // Where the thing is worth no more to the buyer nothing has to be done; another pair of values is drawn.
    for (let attempt = 1; ; attempt++) {
      const draw = drawAt(seed, -attempt)
      const order = pick(draw, SUMS)
      const [seller, buyer] = [order * pick(draw, FACTORS), order * pick(draw, FACTORS)]
      if (buyer > seller) return { values: [seller, buyer], roundsMax: pick(draw, TRADE_HORIZONS) }
    }
  },
  start: (task) => ({ task, round: 0, price: null, deal: null }),
  agents: () => [FIRST, SECOND],
  actions: () => [...naming, ...dealing],
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
      if (name !== 'offer') return refused(state, unknownAction(agent, name, naming))
      if (typeof given !== 'number' || !(given >= 0))
        return refused(state, badArguments(agent, 'offer takes a price of at least 0'))
      return { state: { ...state, price: given } }
    }
    if (name === 'reject') return { state: silent }
    if (name === 'outside') return { state: { ...state, deal: 'outside' } }
    if (name !== 'accept') return refused(state, unknownAction(agent, name, dealing))
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
})

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
