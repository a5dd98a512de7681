/**
 * `kitchen`: one to four cooks share a kitchen and cook orders before they are due.
 *
 *     environmentOf(kitchen).reset({ params: kitchen.task(3, 2), seed: 3 })
 *     kitchenTask({ layout, starts, book, dishes: ['onion soup', 'onion soup'] })     // your own kitchen
 *
 * Movement and pots are those of Overcooked (Carroll et al. 2019, section 4), the stream of orders and the collaboration
 * score those of CuisineWorld (Gong et al. 2024, "MindAgent", section 3): orders come every `alpha` times the ticks that one
 * takes, and live for 2.5 of these intervals.
 *
 * The score is the share of orders that are served in time; 1 is the best there is, and always within reach: an order lives at
 * least as long as the crew that knows everything (kitchen-crew.ts) needs for it, which is found by letting it cook.
 *
 * Invariants: those of kitchen-world.ts, and
 *   K4. An order is served once, by something that was cooked, from `from` until before `due`.
 */
import { PolityError } from '../kernel/errors.ts'
import { defineWorld } from './define.ts'
import { drawAt, drawBelow, pick, shuffled, type Draw, type Rules } from './environment.ts'
import { crewActions } from './kitchen-crew.ts'
import {
  COOKS_MAX,
  cookNames,
  floorOf,
  INGREDIENTS,
  kitchenActions,
  kitchenForm,
  opened,
  openOrders,
  piecesOf,
  ticked,
} from './kitchen-world.ts'
import type { Cook, Dish, KitchenState, KitchenTask, Order } from './kitchen-world.ts'

/** CuisineWorld's terms: an order lives so many intervals; Overcooked's: ticks that a pot cooks. */
const TERMS = { lifeIntervals: 2.5, cookTicks: 20 }
/** The paces at which the collaboration score is taken (MindAgent, section 3.3). */
export const INTERVALS = [1, 1.5, 2, 2.5, 3] as const
const TICKS_MAX = 2_000
/** Orders of a task that is drawn. */
const ORDERS_MAX = 12

/** The book that tasks are drawn from. */
const BOOK: readonly Dish[] = [
  { name: 'onion soup', parts: ['onion', 'onion', 'onion'], cookTicks: TERMS.cookTicks },
  { name: 'tomato soup', parts: ['tomato', 'tomato', 'tomato'], cookTicks: TERMS.cookTicks },
  { name: 'red soup', parts: ['onion', 'tomato', 'tomato'], cookTicks: TERMS.cookTicks },
  { name: 'fried rice', parts: ['onion', 'rice'], cookTicks: 10 },
  { name: 'carrot soup', parts: ['chopped carrot', 'chopped carrot', 'onion'], cookTicks: TERMS.cookTicks },
  { name: 'fish stew', parts: ['chopped fish', 'onion', 'tomato'], cookTicks: 15 },
  { name: 'fish and rice', parts: ['chopped fish', 'rice'], cookTicks: 10 },
]

/** The rules. Level: orders beyond two, cooks, and from level 2 on dishes with something to chop. */
export const kitchen: Rules<KitchenTask, KitchenState> = defineWorld({
  id: 'kitchen',
  version: '1',
  description: 'Cook and serve every order before it is due, together.',
  stepsMax: TICKS_MAX,
  levelMax: ORDERS_MAX - 2,
  params: kitchenForm,
  task(seed, level = 1) {
    // A kitchen in which the crew gets stuck is no task; another is drawn.
    for (let attempt = 1; ; attempt++) {
      const task = drawnKitchen(drawAt(seed, -attempt), level)
      if (task !== undefined) return task
    }
  },
  start: (task) => opened(task),
  toAct: (state) => (isOver(state) ? [] : cookNames(state.task)),
  view(state, agent) {
    const i = cookNames(state.task).indexOf(agent)
    const { at, facing, holds } = state.cooks[i] as Cook
    const { width } = floorOf(state.task.layout)
    const cell = [Math.floor(at / width), at % width] as const
    return {
      text: `${seenBy(state)}\nYou are ${agent} (${i + 1}), at row ${cell[0]}, column ${cell[1]}, looking ${facing}, with ${holds ?? 'nothing'} in your hands.`,
      data: { layout: state.task.layout, cooks: state.cooks, lying: state.lying, pots: state.pots, you: i },
      actions: kitchenActions,
    }
  },
  step(state, given) {
    const { state: next, errors } = ticked(state, given)
    const count = next.served === state.served ? 0 : servedIn(next) - servedIn(state)
    const reward = count === 0 ? {} : Object.fromEntries(cookNames(state.task).map((agent) => [agent, count]))
    return { state: next, reward, errors }
  },
  score: (state) => (state.task.orders.length === 0 ? 1 : servedIn(state) / state.task.orders.length),
  metrics(state) {
    const { task, tick, served } = state
    const completed = servedIn(state)
    const failed = task.orders.filter(({ due }, i) => served[i] === null && tick >= due).length
    const pending = openOrders(state).length
    const settled = completed + failed + pending
    return { ticks: tick, completed, failed, pending, cooperation: settled === 0 ? 0 : completed / settled }
  },
  oracle: (state) => crewActions(state),
  floor: ({ orders }) => (orders.length === 0 ? 1 : 0),
})

/**
 * The collaboration score (CoS) of one agent on one kitchen: the mean over intervals of completed / (completed + failed +
 * pending), which is the metric `cooperation` of one episode at each of `atInterval(task, alpha)`.
 */
export function collaborationScore(cooperation: readonly number[]): number {
  return cooperation.reduce((sum, one) => sum + one, 0) / cooperation.length
}

/** The same kitchen with orders every `alpha` times its pace, each alive for `lifeIntervals` of these: no oracle is sure of it. */
export function atInterval(task: KitchenTask, alpha: number, lifeIntervals = TERMS.lifeIntervals): KitchenTask {
  const interval = Math.ceil(alpha * task.pace)
  const orders = task.orders.map(({ dish }, i): Order => {
    const from = i * interval
    return { dish, from, due: from + Math.ceil(lifeIntervals * interval) }
  })
  return { ...task, orders }
}

/** A kitchen of your own: dishes are ordered in that order, every `alpha` times the pace that the oracle finds. */
export function kitchenTask(
  terms: Pick<KitchenTask, 'layout' | 'starts' | 'book'> & {
    readonly dishes: readonly string[]
    readonly alpha?: number
  },
): KitchenTask {
  const { layout, starts, book, dishes, alpha = 1 } = terms
  if (dishes.length === 0) throw new PolityError('INVALID_ARGUMENT', 'nothing is ordered; expected a dish or more')
  const task = timed(
    { layout, starts, book, pace: 1, orders: dishes.map((dish) => ({ dish, from: 0, due: Infinity })) },
    alpha,
  )
  if (task === undefined)
    throw new PolityError(
      'INVALID_ARGUMENT',
      `the crew that knows everything does not serve these orders within ${TICKS_MAX} ticks; expected a kitchen with boxes for every ingredient, dishes, pots and a hatch, all within reach`,
    )
  return task
}

/** Gives orders their times: when they come by the pace, and when they are due by what the crew needs. */
function timed(task: KitchenTask, alpha: number): KitchenTask | undefined {
  const together = served(task)
  if (together === undefined) return undefined
  const pace = Math.ceil(Math.max(...together) / task.orders.length)
  const spread = atInterval({ ...task, pace }, alpha, Infinity)
  const at = served(spread)
  if (at === undefined) return undefined
  const least = Math.ceil(TERMS.lifeIntervals * Math.ceil(alpha * pace))
  const life = Math.max(least, ...spread.orders.map(({ from }, i) => (at[i] as number) - from))
  return { ...spread, orders: spread.orders.map((order) => ({ ...order, due: order.from + life })) }
}

/** When the crew serves each order, if it does. */
function served(task: KitchenTask): readonly number[] | undefined {
  let state = opened(task)
  while (state.tick < TICKS_MAX && state.served.includes(null)) state = ticked(state, crewActions(state)).state
  return state.served.includes(null) ? undefined : (state.served as readonly number[])
}

function servedIn(state: KitchenState): number {
  return state.served.filter((at) => at !== null).length
}

function isOver({ task, tick, served: at }: KitchenState): boolean {
  return task.orders.every(({ due }, i) => at[i] !== null || tick >= due)
}

// ------------------------------------------------------------------------------------------------------------ drawing

function drawnKitchen(draw: Draw, level: number): KitchenTask | undefined {
  const menu = shuffled(draw, level === 1 ? BOOK.slice(0, 4) : BOOK).slice(0, Math.min(3, level))
  const cooks = Math.min(COOKS_MAX, Math.max(1, level - 1) + drawBelow(draw, 2))
  const [width, height] = [5 + drawBelow(draw, 4), 4 + drawBelow(draw, 3)]
  const kind = pick(draw, ['open', 'island', ...(cooks > 1 ? ['split'] : [])])
  const wall = Math.floor(width / 2)
  const cells = Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => {
      if (x === 0 || y === 0 || x === width - 1 || y === height - 1) return 'X'
      if (kind === 'split' && x === wall) return 'X'
      return kind === 'island' && x > 1 && y > 1 && x < width - 2 && y < height - 2 ? 'X' : ' '
    }),
  )
  const isFloor = (y: number, x: number): boolean => cells[y]?.[x] === ' '
  const every = cells.flatMap((row, y) => row.map((_, x) => [y, x] as const))
  const sides = (x: number): 0 | 1 => (kind === 'split' && x > wall ? 1 : 0)
  /** Turns a counter that a cook of that side can reach, and that is not in the wall, into a station. */
  const station = (sign: string, side: 0 | 1): void => {
    const free = every.filter(
      ([y, x]) =>
        cells[y]?.[x] === 'X' &&
        (kind !== 'split' || (x !== wall && sides(x) === side)) &&
        (isFloor(y - 1, x) || isFloor(y + 1, x) || isFloor(y, x - 1) || isFloor(y, x + 1)),
    )
    if (free.length === 0) return
    const [y, x] = pick(draw, free)
    ;(cells[y] as string[])[x] = sign
  }
  // In a kitchen with a wall, what is needed lies on one side and is cooked on the other.
  const [store, stove] = shuffled(draw, kind === 'split' ? ([0, 1] as const) : ([0, 0] as const)) as [0 | 1, 0 | 1]
  const parts = menu.flatMap((dish) => dish.parts)
  const needed = new Set(parts.map((part) => part.replace('chopped ', '')))
  for (const [sign, ingredient] of Object.entries(INGREDIENTS)) if (needed.has(ingredient)) station(sign, store)
  station('D', store)
  if (parts.some((part) => part.startsWith('chopped '))) station('B', pick(draw, [store, stove]))
  for (let i = 1 + drawBelow(draw, 2); i > 0; i--) station('P', stove)
  station('S', stove)
  station('W', stove)
  const places = shuffled(
    draw,
    every.filter(([y, x]) => isFloor(y, x)),
  )
  const starts = Array.from({ length: cooks }, (_, i) => {
    const at = places.findIndex(([, x]) => kind !== 'split' || sides(x) === i % 2)
    return places.splice(Math.max(0, at), 1)[0] as readonly [number, number]
  })
  if (starts.includes(undefined as never)) return undefined
  const orders = Array.from({ length: 2 + level }, () => ({
    dish: pick(draw, menu).name,
    from: 0,
    due: Infinity,
  }))
  const layout = cells.map((row) => row.join(''))
  return timed({ layout, starts, book: menu, orders, pace: 1 }, pick(draw, INTERVALS))
}

// ------------------------------------------------------------------------------------------------------------- seeing

let last: { readonly state: KitchenState; readonly text: string } | undefined
const books = new WeakMap<KitchenTask, string>()

/** What everybody sees, written once a tick. */
function seenBy(state: KitchenState): string {
  if (last?.state !== state) last = { state, text: written(state) }
  return last.text
}

function written(state: KitchenState): string {
  const { task, tick, cooks, lying, pots } = state
  const { width } = floorOf(task.layout)
  const place = (cell: string): string => `(${Math.floor(Number(cell) / width)}, ${Number(cell) % width})`
  const map = task.layout.slice()
  cooks.forEach(({ at }, i) => {
    const [y, x] = [Math.floor(at / width), at % width]
    const row = map[y] as string
    map[y] = row.slice(0, x) + (i + 1) + row.slice(x + 1)
  })
  const orders = openOrders(state).map(
    (i) => `${task.orders[i]?.dish} (due in ${(task.orders[i] as Order).due - tick})`,
  )
  const inPots = Object.entries(pots).map(([cell, { parts, left }]) => {
    const how =
      left === null
        ? parts.join(', ') || 'empty'
        : left === 0
          ? `${parts.join(', ')}, ready`
          : `${parts.join(', ')}, ready in ${left}`
    return `${place(cell)} ${how}`
  })
  const things = Object.entries(lying).map(([cell, item]) => `${item} at ${place(cell)}`)
  const hands = cooks.map(({ holds }, i) => `${i + 1} ${holds ?? 'nothing'}`)
  return `Tick ${tick}. Orders: ${orders.join(', ') || 'none now'}.\n${map.join('\n')}\n${bookOf(task)}\nPots: ${inPots.join('; ')}.\nLying about: ${things.join(', ') || 'nothing'}.\nIn hands: ${hands.join(', ')}.`
}

function bookOf(task: KitchenTask): string {
  let text = books.get(task)
  if (text === undefined) {
    const signs = new Set(task.layout.join(''))
    const boxes = Object.entries(INGREDIENTS).filter(([sign]) => signs.has(sign))
    const recipes = task.book.map(({ name, parts, cookTicks }) => `${name}: ${parts.join(', ')}, ${cookTicks} ticks`)
    text = [
      `Signs: X counter, P pot, B board to chop on, D dishes, S where is served, W bin, ${boxes.map(([sign, name]) => `${sign} ${name}`).join(', ')}; a number is a cook.`,
      `Recipes: ${recipes.join('; ')}.`,
    ].join('\n')
    books.set(task, text)
  }
  return text
}

/** Pieces that are somewhere in the kitchen: in hands, on counters and boards, in pots. For checks of K1. */
export function piecesIn({ task, cooks, lying, pots }: KitchenState): number {
  const held = cooks.map(({ holds }) => piecesOf(holds, task.book))
  const lies = Object.values(lying).map((item) => piecesOf(item, task.book))
  const cooking = Object.values(pots).map(({ parts }) => parts.length)
  return [...held, ...lies, ...cooking].reduce((sum, one) => sum + one, 0)
}
