/**
 * `auction`: things are sold one after another, for money that is soon spent.
 *
 *     environmentOf(auction).reset({ params: auction.task(3), seed: 3 })
 *
 * AucArena (Chen et al. 2023, section 3): open ascending auctions in sequence; a bid goes above the last one by
 * a tenth of the starting price (in the paper by that at least) and fits the budget; who bids last has it for that price;
 * what nobody wants is offered again for half as long as there are discounts. Bidders know an estimate of what a thing is worth to sell; the score is
 * the profit. The player's rivals follow a rule that can be read (`RIVAL`), so the best profit is known exactly.
 *
 * Invariants
 *   A1. Nobody pays more than they have, and every thing is sold once or not at all.
 *   A2. The oracle's profit is the greatest there is: the rivals' rule leaves nothing to chance, and every way to bid and
 *       to be silent is tried.
 */
import { z } from 'zod'
import type { Json } from '../kernel/types.ts'
import { defineWorld, fields } from './define.ts'
import {
  drawAt,
  drawBelow,
  refused,
  shuffled,
  unknownAction,
  type Action,
  type ActionError,
  type Rules,
} from './environment.ts'

/** A thing for sale. */
export interface Lot {
  readonly name: string
  /** Where bidding begins. */
  readonly start: number
  /** What it can be sold for afterwards. */
  readonly worth: number
  readonly [key: string]: Json
}

/** Who bids by rule, up to an estimate of their own. */
export interface Rival {
  readonly name: string
  readonly budget: number
  /** What they think a thing is worth, of its true worth. */
  readonly optimism: number
  /** Things they buy at most. */
  readonly lotsMax: number
  readonly [key: string]: Json
}

/** An auction day. */
export interface AuctionTask {
  readonly lots: readonly Lot[]
  readonly rivals: readonly Rival[]
  readonly budget: number
  /** The player's estimate of a worth, of the true one. */
  readonly optimism: number
  readonly discountsMax: number
  readonly [key: string]: Json
}

/** Where the day stands: which thing, at which price, and who has bid last. */
export interface AuctionState {
  readonly task: AuctionTask
  readonly lot: number
  readonly start: number
  readonly discounts: number
  /** The last bid and whose it is; null before the first. */
  readonly bid: { readonly who: string; readonly price: number } | null
  readonly sold: readonly { readonly lot: string; readonly who: string; readonly price: number }[]
  readonly [key: string]: Json
}

const taskForm = fields({
  lots: z.array(fields({ name: z.string(), start: z.number().positive(), worth: z.number() })),
  rivals: z.array(fields({ name: z.string(), budget: z.number(), optimism: z.number(), lotsMax: z.int().min(0) })),
  budget: z.number(),
  optimism: z.number(),
  discountsMax: z.int().min(0),
})

/** The player. */
const YOU = 'bidder'
/** AucArena's terms (section 3): a raise of a tenth of the start, estimates a tenth too high, three discounts by half. */
const TERMS = { raise: 0.1, estimate: 1.1, discountsMax: 3, discount: 0.5 }
/** True worth of a thing, of its starting price. */
const WORTH = 2

const things = ['clock', 'globe', 'harp', 'icon', 'lamp', 'mask', 'opal', 'quilt', 'rug', 'vase', 'wheel', 'zither']

/** Six things are sold: what the oracle has to try grows with them. */
const LEVEL_MAX = 4

/** The rules. Level: how many things are sold beyond two. */
export const auction: Rules<AuctionTask, AuctionState> = defineWorld({
  id: 'auction',
  version: '1',
  description: 'Buy what is worth more than it costs, and end the day with the greatest profit.',
  stepsMax: 2_000,
  levelMax: LEVEL_MAX,
  params: taskForm,
  task(seed, level = 1) {
    // A day on which rivals outbid the player everywhere has nothing to win; another is drawn.
    for (let attempt = 1; ; attempt++) {
      const task = dayOf(drawAt(seed, -attempt), level)
      if (bestProfit(task) > 0) return task
    }
  },
  start: (task) => opened({ task, lot: 0, start: 0, discounts: 0, bid: null, sold: [] }),
  toAct: ({ task, lot }) => (lot >= task.lots.length ? [] : [YOU]),
  view(state) {
    const { task, lot, bid, sold, start } = state
    const thing = task.lots[lot] as Lot
    const money = moneyOf(state, YOU)
    const least = leastBid(state)
    return {
      text: [
        `Thing ${lot + 1} of ${task.lots.length}: ${thing.name}, starting at ${start}. You think it can be sold for ${Math.round(thing.worth * task.optimism)}, which is a tenth too much.`,
        bid === null ? 'Nobody has bid yet.' : `${bid.who} bids ${bid.price}.`,
        `You have ${money}. The least you can bid is ${least}.`,
        ...sold.map(({ lot: name, who, price }) => `Sold: ${name} to ${who} for ${price}.`),
        `To come: ${
          task.lots
            .slice(lot + 1)
            .map(({ name, start: from }) => `${name} from ${from}`)
            .join(', ') || 'nothing'
        }.`,
      ].join('\n'),
      data: { lot: thing, bid, money, least, sold, rest: task.lots.slice(lot + 1) },
      actions,
    }
  },
  step(state, [action]) {
    if (action === undefined) return { state: after(state, false) }
    const fault = faultOf(state, action)
    if (fault !== undefined) return refused(state, fault)
    return { state: after(state, action.name === 'bid') }
  },
  /** The profit, of the greatest there is; where there is none, 1 for no loss. */
  score(state) {
    const [profit, best] = [profitOf(state), bestProfit(state.task)]
    return best > 0 ? Math.max(0, profit / best) : Number(profit >= 0)
  },
  metrics: (state) => ({
    profit: profitOf(state),
    lots: boughtBy(state, YOU).length,
    best: bestProfit(state.task),
  }),
  oracle(state) {
    // Of two that lead as far the first, which is to be silent: every bid is one that profit hangs on.
    const [best] = choices(state).toSorted((a, b) => b.profit - a.profit)
    return [{ agent: YOU, name: best?.name ?? 'pass' }]
  },
  floor: (task) => Number(bestProfit(task) === 0),
})

function dayOf(draw: () => number, level: number): AuctionTask {
  const lots = shuffled(draw, things)
    .slice(0, 2 + level)
    .map((name): Lot => {
      const start = 100 * (1 + drawBelow(draw, 10))
      return { name, start, worth: WORTH * start }
    })
  const total = lots.reduce((sum, { start }) => sum + start, 0)
  const rivals = ['Kim', 'Lou', 'Max'].map((name): Rival => ({
    name,
    budget: 100 * Math.ceil((total * (0.3 + 0.5 * draw())) / 100),
    optimism: 0.7 + 0.05 * drawBelow(draw, 9),
    lotsMax: 1 + drawBelow(draw, lots.length),
  }))
  const budget = 100 * Math.ceil((total * (0.4 + 0.4 * draw())) / 100)
  return { lots, rivals, budget, optimism: TERMS.estimate, discountsMax: TERMS.discountsMax }
}

const actions = [
  {
    name: 'bid',
    description: 'Bid the least that can be bid.',
    input: { type: 'object', properties: {} },
    effect: 'write',
  },
  { name: 'pass', description: 'Let it go.', input: { type: 'object', properties: {} }, effect: 'write' },
] as const

function faultOf(state: AuctionState, { name }: Action): ActionError | undefined {
  if (name === 'pass') return undefined
  if (name !== 'bid') return unknownAction(YOU, name, actions)
  const [price, money] = [leastBid(state), moneyOf(state, YOU)]
  return price > money ? { agent: YOU, code: 'NOT_POSSIBLE', message: `you have ${money}, not ${price}` } : undefined
}

function raiseOf({ start }: { readonly start: number }): number {
  return Math.max(1, Math.round(start * TERMS.raise))
}

function leastBid(state: AuctionState): number {
  return state.bid === null ? state.start : state.bid.price + raiseOf(state)
}

function boughtBy({ sold }: AuctionState, name: string) {
  return sold.filter(({ who }) => who === name)
}

function moneyOf(state: AuctionState, name: string): number {
  const budget = name === YOU ? state.task.budget : (state.task.rivals.find((one) => one.name === name) as Rival).budget
  return boughtBy(state, name).reduce((money, { price }) => money - price, budget)
}

function profitOf(state: AuctionState): number {
  const worth = new Map(state.task.lots.map((lot) => [lot.name, lot.worth]))
  return boughtBy(state, YOU).reduce((sum, { lot, price }) => sum + (worth.get(lot) as number) - price, 0)
}

/** RIVAL: the first in order who has not bid last, has room and money, and thinks the least bid is worth it, bids that. */
function rivalBid(state: AuctionState): { readonly who: string; readonly price: number } | undefined {
  const price = leastBid(state)
  const lot = state.task.lots[state.lot] as Lot
  const rival = state.task.rivals.find(
    (one) =>
      one.name !== state.bid?.who &&
      boughtBy(state, one.name).length < one.lotsMax &&
      price <= moneyOf(state, one.name) &&
      price <= lot.worth * one.optimism,
  )
  return rival === undefined ? undefined : { who: rival.name, price }
}

/** After the player's bid, or their silence: one rival answers; when nobody does, the thing goes, cheaper, or to whom it is. */
function after(state: AuctionState, isBid: boolean): AuctionState {
  const raised = isBid ? { ...state, bid: { who: YOU, price: leastBid(state) } } : state
  const answer = rivalBid(raised)
  if (answer !== undefined) return { ...raised, bid: answer }
  if (raised.bid !== null) return closed(raised)
  if (state.discounts < state.task.discountsMax)
    return { ...state, discounts: state.discounts + 1, start: Math.max(1, Math.round(state.start * TERMS.discount)) }
  return opened({ ...state, lot: state.lot + 1 })
}

function closed(state: AuctionState): AuctionState {
  const { who, price } = state.bid as { who: string; price: number }
  const lot = (state.task.lots[state.lot] as Lot).name
  return opened({ ...state, lot: state.lot + 1, sold: [...state.sold, { lot, who, price }] })
}

function opened(state: AuctionState): AuctionState {
  return { ...state, start: state.task.lots[state.lot]?.start ?? 0, discounts: 0, bid: null }
}

const plans = new WeakMap<AuctionTask, Map<string, number>>()

/** The greatest profit from that state on, what has been bought until then not counted: every bid and every silence is tried. */
function bestFrom(state: AuctionState): number {
  const { task, lot, start, discounts, bid } = state
  if (lot >= task.lots.length) return 0
  let known = plans.get(task)
  if (known === undefined) plans.set(task, (known = new Map()))
  const rivals = task.rivals.map(({ name }) => `${moneyOf(state, name)} ${boughtBy(state, name).length}`)
  const key = [lot, start, discounts, bid?.who, bid?.price, moneyOf(state, YOU), ...rivals].join()
  const found = known.get(key)
  if (found !== undefined) return found
  const best = Math.max(...choices(state).map(({ profit }) => profit))
  known.set(key, best)
  return best
}

/** What the player can do in that state, and the profit it can lead to. */
function choices(state: AuctionState): { readonly name: 'bid' | 'pass'; readonly profit: number }[] {
  const from = profitOf(state)
  return (['pass', 'bid'] as const)
    .filter((name) => name === 'pass' || (state.bid?.who !== YOU && leastBid(state) <= moneyOf(state, YOU)))
    .map((name) => {
      const next = after(state, name === 'bid')
      return { name, profit: profitOf(next) - from + bestFrom(next) }
    })
}

function bestProfit(task: AuctionTask): number {
  return bestFrom(opened({ task, lot: 0, start: 0, discounts: 0, bid: null, sold: [] }))
}
