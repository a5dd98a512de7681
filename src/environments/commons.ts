/**
 * `commons`: five people live on one stock that grows back by as much as they leave.
 *
 *     environmentOf(commons).reset({ params: commons.task(1), seed: 1 })
 *
 * GovSim (Piatti et al. 2024, sections 2 and 3): each month all ask for a share at once and in private; when they ask for
 * more than there is, unit after unit goes to one of those who still want; then everybody's harvest is known and they
 * talk; then what is left doubles, up to what the place can hold. Below a minimum it is gone for good. Fishery, pasture
 * and clean water are the same in other words.
 *
 * Invariants
 *   G1. stock + all gains = what was there at first + all that grew.
 *   G2. Who asks for nothing gets nothing; nobody gets more than was asked for.
 */
import { z } from 'zod'
import type { Json } from '../kernel/types.ts'
import { defineWorld, fields } from './define.ts'
import {
  badArguments,
  drawAt,
  drawBelow,
  pick,
  refused,
  unknownAction,
  type Action,
  type ActionError,
  type Rules,
} from './environment.ts'

/** The terms of a place. */
export interface CommonsTask {
  readonly skin: 'fishery' | 'pasture' | 'pollution'
  readonly people: readonly string[]
  readonly months: number
  /** What the place can hold, and holds at first. */
  readonly capacity: number
  /** Below it the stock is gone. */
  readonly collapseBelow: number
  /** Things said in a month by all together. */
  readonly sayingsMax: number
  readonly [key: string]: Json
}

/** A month of it. */
export interface CommonsState {
  readonly task: CommonsTask
  readonly stock: number
  readonly month: number
  /** Whose turn it is to speak, counted from 0; -1 while all harvest. */
  readonly speaking: number
  readonly said: readonly { readonly who: string; readonly text: string }[]
  /** Of the last month. */
  readonly harvest: { readonly [who: string]: number }
  readonly gains: { readonly [who: string]: number }
  /** Harvests so far, and those above what would have been sustainable. */
  readonly taken: number
  readonly overused: number
  readonly [key: string]: Json
}

const taskForm = fields({
  skin: z.enum(['fishery', 'pasture', 'pollution']),
  people: z.array(z.string()).min(1),
  months: z.int().min(1),
  capacity: z.int().min(1),
  collapseBelow: z.number(),
  sayingsMax: z.int().min(0),
})

/** GovSim's terms: 5 agents, 12 months, stock 100, collapse below 5, at most 10 utterances a month. */
const GOVSIM = { months: 12, capacity: 100, collapseBelow: 5, sayingsMax: 10 }
/** Characters of what is said. */
const TEXT_CHARS_MAX = 2_000
const names = ['Ada', 'Ben', 'Cleo', 'Dan', 'Eva', 'Finn', 'Gil', 'Hana']
const skins = {
  fishery: ['tons of fish', 'catch', 'in the lake'],
  pasture: ['hectares of grass', 'graze', 'on the pasture'],
  pollution: ['units of clean water', 'use', 'in the river'],
} as const

/** The rules. Level 1: GovSim's five people; each level beyond has one more, up to eight. */
export const commons: Rules<CommonsTask, CommonsState> = defineWorld({
  id: 'commons',
  version: '1',
  description: 'Take as much as you can over the months, from a stock that only grows back by what all of you leave.',
  stepsMax: 200,
  levelMax: names.length - 4,
  params: taskForm,
  task(seed, level = 1) {
    const people = names.slice(0, 4 + level)
    return { ...GOVSIM, skin: pick(drawAt(seed, -1), ['fishery', 'pasture', 'pollution'] as const), people }
  },
  start: (task) => ({
    task,
    stock: task.capacity,
    month: 0,
    speaking: -1,
    said: [],
    harvest: {},
    gains: Object.fromEntries(task.people.map((who) => [who, 0])),
    taken: 0,
    overused: 0,
  }),
  actions: () => [...harvesting, ...speech],
  toAct: ({ task, month, speaking, stock }) =>
    month >= task.months || stock < task.collapseBelow
      ? []
      : speaking < 0
        ? task.people
        : [task.people[speaking % task.people.length] as string],
  view({ task, stock, month, speaking, said, harvest, gains }, agent) {
    const [things, verb, where] = skins[task.skin]
    const last = Object.entries(harvest).map(([who, n]) => `${who} ${n}`)
    return {
      text: [
        `Month ${month + 1} of ${task.months}. There are ${stock} ${things} ${where}; what is left at the end of a month doubles, up to ${task.capacity}; below ${task.collapseBelow} it is gone for good.`,
        ...(last.length === 0 ? [] : [`Last harvest: ${last.join(', ')}.`]),
        ...said.map(({ who, text }) => `${who}: ${text}`),
        `You are ${agent} and have ${gains[agent]} so far. ${speaking < 0 ? `How much do you ${verb}?` : 'It is your turn to speak.'}`,
      ].join('\n'),
      data: { month, stock, harvest, gain: gains[agent] ?? 0, people: task.people, capacity: task.capacity },
      actions: speaking < 0 ? harvesting : speech,
    }
  },
  step(state, actions, draw) {
    return state.speaking < 0 ? harvested(state, actions, draw) : spoken(state, actions)
  },
  score: (state) => totalOf(state) / bestTotal(state.task),
  metrics: (state) => metricsOf(state),
  oracle({ task, stock, month, speaking }) {
    if (speaking >= 0) return []
    // To the last month half of the stock is left, from which it grows back to what it was; in the last month all is taken.
    const isLast = month === task.months - 1
    const share = isLast ? stock : Math.max(0, stock - Math.ceil(task.capacity / 2))
    return task.people.map((agent, i) => ({
      agent,
      name: 'harvest',
      args: { amount: Math.floor(share / task.people.length) + (i < share % task.people.length ? 1 : 0) },
    }))
  },
})

const harvesting = [
  {
    name: 'harvest',
    description: 'Ask for so much this month.',
    input: { type: 'object', properties: { amount: { type: 'integer', minimum: 0 } }, required: ['amount'] },
    effect: 'write',
  },
] as const
const speech = [
  {
    name: 'say',
    description: 'Say something to all, or nothing.',
    input: { type: 'object', properties: { text: { type: 'string', maxLength: TEXT_CHARS_MAX } }, required: ['text'] },
    effect: 'write',
  },
] as const

function harvested(state: CommonsState, actions: readonly Action[], draw: () => number) {
  const { task, stock, month, gains } = state
  const errors: ActionError[] = []
  const wanted = new Map<string, number>()
  for (const { agent, name, args } of actions) {
    const amount = args?.['amount']
    if (name !== 'harvest') errors.push(unknownAction(agent, name, harvesting))
    else if (typeof amount !== 'number' || !Number.isInteger(amount) || amount < 0 || amount > stock)
      errors.push(badArguments(agent, `harvest takes a whole amount from 0 to ${stock}`))
    else wanted.set(agent, amount)
  }
  const harvest = allotted(task.people, wanted, stock, draw)
  const total = task.people.reduce((sum, who) => sum + (harvest[who] as number), 0)
  const left = stock - total
  const fair = Math.floor(stock / 2 / task.people.length)
  const isOver = month + 1 >= task.months || left < task.collapseBelow
  const next: CommonsState = {
    ...state,
    harvest,
    said: [],
    gains: Object.fromEntries(task.people.map((who) => [who, (gains[who] as number) + (harvest[who] as number)])),
    taken: state.taken + task.people.length,
    overused: state.overused + [...wanted.values()].filter((amount) => amount > fair).length,
    stock: isOver ? left : Math.min(task.capacity, 2 * left),
    month: month + 1,
    speaking: isOver || task.sayingsMax === 0 ? -1 : 0,
  }
  return errors.length === 0 ? { state: next, reward: harvest } : { state: next, reward: harvest, errors }
}

/** Unit after unit to somebody who still wants one, while there is any. */
function allotted(people: readonly string[], wanted: ReadonlyMap<string, number>, stock: number, draw: () => number) {
  const got: { [who: string]: number } = Object.fromEntries(people.map((who) => [who, wanted.get(who) ?? 0]))
  const asked = people.reduce((sum, who) => sum + (got[who] as number), 0)
  if (asked <= stock) return got
  for (const who of people) got[who] = 0
  const wanting = people.filter((who) => (wanted.get(who) ?? 0) > 0)
  for (let left = stock; left > 0; left--) {
    const i = drawBelow(draw, wanting.length)
    const who = wanting[i] as string
    got[who] = (got[who] as number) + 1
    if (got[who] === wanted.get(who)) wanting.splice(i, 1)
  }
  return got
}

function spoken(state: CommonsState, actions: readonly Action[]) {
  const { task, speaking, said } = state
  const [action] = actions
  const text = action?.args?.['text']
  const isSaid = action?.name === 'say' && typeof text === 'string' && text.length <= TEXT_CHARS_MAX
  const isLast = speaking + 1 >= task.sayingsMax
  const next: CommonsState = {
    ...state,
    said: isSaid && text !== '' ? [...said, { who: action.agent, text }] : said,
    speaking: isLast ? -1 : speaking + 1,
  }
  if (action === undefined || isSaid) return { state: next }
  const { agent, name } = action
  return refused(
    next,
    name === 'say'
      ? badArguments(agent, `say takes { text } of at most ${TEXT_CHARS_MAX} characters`)
      : unknownAction(agent, name, speech),
  )
}

function totalOf({ gains }: CommonsState): number {
  return Object.values(gains).reduce((sum, gain) => sum + gain, 0)
}

/** What all can have together when the end is known: half each month, and everything in the last one. */
export function bestTotal({ months, capacity }: CommonsTask): number {
  return Math.floor(capacity / 2) * (months - 1) + capacity
}

/** GovSim's metrics (section 3.2): months survived, gain a head, efficiency, equality (1 - Gini), over-usage. */
function metricsOf(state: CommonsState): { readonly [name: string]: number } {
  const { task, month, gains, taken, overused } = state
  const total = totalOf(state)
  const sustainable = task.months * Math.floor(task.capacity / 2)
  const each = Object.values(gains)
  const apart = each.reduce((sum, a) => sum + each.reduce((inner, b) => inner + Math.abs(a - b), 0), 0)
  return {
    months: month,
    survived: month >= task.months ? 1 : 0,
    gain: total / each.length,
    efficiency: 1 - Math.max(0, sustainable - total) / sustainable,
    equality: total === 0 ? 1 : 1 - apart / (2 * each.length * total),
    overusage: taken === 0 ? 0 : overused / taken,
  }
}
