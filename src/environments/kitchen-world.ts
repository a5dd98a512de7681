/**
 * What a kitchen is made of, and what happens in it in a tick. The environment is kitchen.ts; who cooks in it knowing
 * everything is kitchen-crew.ts.
 *
 * A layout is rows of signs, as in Overcooked-AI (Carroll et al. 2019): ` ` floor, `X` counter, `P` pot, `B` chopping board,
 * `D` dishes, `S` where is served, `W` bin, and a letter for each ingredient (`INGREDIENTS`).
 *
 * Invariants
 *   K1. Pieces taken = pieces in hands, on counters, on boards and in pots + pieces served + pieces thrown away; a dish on
 *       its own is no piece.
 *   K2. Two cooks are never on one cell, and never change places in one tick.
 *   K3. A pot holds a part of a recipe of the book, and cooks when it has all of it.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'
import { fields } from './define.ts'
import { unknownAction, type Action, type ActionDescription, type ActionError } from './environment.ts'
import { besideOf, distancesTo, gridOf, keptApart, type Grid } from './walking.ts'

/** What is cooked in one pot. */
export interface Dish {
  readonly name: string
  /** Pieces, one or more of each: an ingredient, or `chopped` and an ingredient. At most `POT_MAX`. */
  readonly parts: readonly string[]
  readonly cookTicks: number
  readonly [key: string]: Json
}

/** Something that is to be served while `from <= tick < due`. */
export interface Order {
  readonly dish: string
  readonly from: number
  readonly due: number
  readonly [key: string]: Json
}

/** A kitchen and a stream of orders. */
export interface KitchenTask {
  readonly layout: readonly string[]
  /** Where each cook begins: row and column. One to four. */
  readonly starts: readonly (readonly [number, number])[]
  /** No recipe is part of another. */
  readonly book: readonly Dish[]
  /** In the order in which they come. */
  readonly orders: readonly Order[]
  /** Ticks an order takes the oracle, on average, when all orders are there at once. */
  readonly pace: number
  readonly [key: string]: Json
}

/** The form of a task. */
export const kitchenForm = fields({
  layout: z.array(z.string()),
  starts: z.array(z.tuple([z.int(), z.int()])),
  book: z.array(fields({ name: z.string(), parts: z.array(z.string()), cookTicks: z.int() })),
  orders: z.array(fields({ dish: z.string(), from: z.number(), due: z.number() })),
  pace: z.number(),
})

/** A cook. */
export interface Cook {
  readonly at: number
  readonly facing: Direction
  /** An ingredient, `dish`, or a dish by name; null for nothing. */
  readonly holds: string | null
  readonly [key: string]: Json
}

/** What is in a pot. */
export interface Pot {
  readonly parts: readonly string[]
  /** Ticks until it is ready; null before it cooks. */
  readonly left: number | null
  readonly [key: string]: Json
}

/** A kitchen at a tick. Cells are numbers, row after row. */
export interface KitchenState {
  readonly task: KitchenTask
  readonly tick: number
  readonly cooks: readonly Cook[]
  /** What lies on counters and boards, by cell. */
  readonly lying: { readonly [cell: string]: string }
  /** Cuts done, by board. */
  readonly cuts: { readonly [cell: string]: number }
  readonly pots: { readonly [cell: string]: Pot }
  /** Of every order: the tick at which it was served, or null. */
  readonly served: readonly (number | null)[]
  readonly piecesTaken: number
  readonly piecesThrown: number
  readonly [key: string]: Json
}

/** A way to look and to walk. */
export type Direction = 'north' | 'south' | 'west' | 'east'
export const DIRECTIONS: readonly Direction[] = ['north', 'south', 'west', 'east']

/** Letters of the boxes that ingredients are taken from. */
export const INGREDIENTS: { readonly [sign: string]: string } = {
  O: 'onion',
  T: 'tomato',
  C: 'carrot',
  F: 'fish',
  R: 'rice',
}
/** Overcooked-AI's pot takes three pieces. */
export const POT_MAX = 3
/** Cuts that a piece takes on a board; our own choice: CuisineWorld only says that a board has to be watched. */
export const CUTS = 3
export const COOKS_MAX = 4

const nothing = { type: 'object', properties: {} } as const
/** What every cook can do, in every tick. */
export const kitchenActions: readonly ActionDescription[] = [
  ...DIRECTIONS.map((name) => ({
    name,
    description: `Look ${name}, and go there if it is free floor.`,
    input: nothing,
    effect: 'write' as const,
  })),
  {
    name: 'interact',
    description: 'Use what is in front of you: take, put down, chop, fill a pot, fill a dish, serve, throw away.',
    input: nothing,
    effect: 'write',
  },
  { name: 'stay', description: 'Do nothing for a tick.', input: nothing, effect: 'read' },
]

/** Names of the cooks. */
export function cookNames(task: KitchenTask): readonly string[] {
  return crews[task.starts.length] ?? []
}
const crews = Array.from({ length: COOKS_MAX + 1 }, (_, cooks) =>
  Array.from({ length: cooks }, (_unused, i) => `cook ${i + 1}`),
)

/** What follows from a layout. */
export interface Floor {
  readonly width: number
  readonly signs: string
  readonly grid: Grid
  /** Cells by their sign. */
  cellsOf(sign: string): readonly number[]
  /** Steps from every floor cell to the nearest one beside that cell. */
  farFrom(cell: number): Float64Array
}

const floors = new WeakMap<readonly string[], Floor>()

/** @throws INVALID_ARGUMENT for a layout that is none */
export function floorOf(layout: readonly string[]): Floor {
  let floor = floors.get(layout)
  if (floor === undefined) floors.set(layout, (floor = read(layout)))
  return floor
}

function read(layout: readonly string[]): Floor {
  const width = layout[0]?.length ?? 0
  layout.forEach((row, y) => {
    if (row.length !== width || width < 3)
      refuse(`row ${y + 1} of the layout has ${row.length} cells; expected ${Math.max(3, width)}, as many as the first`)
    const x = [...row].findIndex((sign) => !' XPBDSW'.includes(sign) && INGREDIENTS[sign] === undefined)
    if (x >= 0)
      refuse(
        `row ${y + 1}, column ${x + 1} of the layout is "${row[x]}"; expected " ", X, P, B, D, S, W or one of ${Object.keys(INGREDIENTS).join(', ')}`,
      )
  })
  const signs = layout.join('')
  const grid = gridOf(
    width,
    [...signs].map((sign) => sign === ' '),
  )
  const cells = new Map<string, number[]>()
  ;[...signs].forEach((sign, cell) => cells.set(sign, [...(cells.get(sign) ?? []), cell]))
  const known = new Map<number, Float64Array>()
  return {
    width,
    signs,
    grid,
    cellsOf: (sign) => cells.get(sign) ?? [],
    farFrom(cell) {
      let far = known.get(cell)
      if (far === undefined)
        known.set(
          cell,
          (far = distancesTo(
            grid,
            besideOf(cell, width, signs.length).filter((next) => signs[next] === ' '),
          )),
        )
      return far
    },
  }
}

/** A kitchen before the first tick. @throws INVALID_ARGUMENT for a task that is none */
export function opened(task: KitchenTask): KitchenState {
  const { signs, width, cellsOf } = floorOf(task.layout)
  if (task.starts.length < 1 || task.starts.length > COOKS_MAX)
    refuse(`there are ${task.starts.length} cooks; expected 1 to ${COOKS_MAX}`)
  const cells = task.starts.map(([row, column]) => row * width + column)
  task.starts.forEach(([row, column], i) => {
    const cell = cells[i] as number
    if (column < 0 || column >= width || signs[cell] !== ' ' || cells.indexOf(cell) !== i)
      refuse(`cook ${i + 1} begins at row ${row}, column ${column}; expected a free floor cell of their own`)
  })
  for (const { name, parts, cookTicks } of task.book) {
    if (parts.length === 0 || parts.length > POT_MAX || !(cookTicks >= 1))
      refuse(
        `${name} has ${parts.length} parts and cooks for ${cookTicks} ticks; expected 1 to ${POT_MAX} parts and a tick or more`,
      )
    const bigger = task.book.find((other) => other.name !== name && isPart(parts, other.parts))
    if (bigger !== undefined) refuse(`${name} is a part of ${bigger.name}; a pot could not tell when it is done`)
  }
  for (const { dish, from, due } of task.orders)
    if (!task.book.some(({ name }) => name === dish) || !(from >= 0 && due > from))
      refuse(
        `the order of ${dish} from ${from} to ${due} is none; expected a dish of the book, and a due tick after its first`,
      )
  return {
    task,
    tick: 0,
    cooks: cells.map((at) => ({ at, facing: 'north', holds: null })),
    lying: {},
    cuts: {},
    pots: Object.fromEntries(cellsOf('P').map((cell) => [cell, { parts: [], left: null }])),
    served: task.orders.map(() => null),
    piecesTaken: 0,
    piecesThrown: 0,
  }
}

function refuse(message: string): never {
  throw new PolityError('INVALID_ARGUMENT', message)
}

/** The cell that a cook looks at. */
export function facedBy({ at, facing }: Pick<Cook, 'at' | 'facing'>, width: number): number {
  return at + (facing === 'north' ? -width : facing === 'south' ? width : facing === 'west' ? -1 : 1)
}

/** Numbers of the orders that can be served now, those that are due first before others. */
export function openOrders({ task, tick, served }: KitchenState): number[] {
  return task.orders
    .map((_, i) => i)
    .filter((i) => {
      const { from, due } = task.orders[i] as Order
      return served[i] === null && from <= tick && tick < due
    })
    .sort((a, b) => (task.orders[a] as Order).due - (task.orders[b] as Order).due)
}

/** Whether every piece of one list is in the other. */
export function isPart(parts: readonly string[], of: readonly string[]): boolean {
  const rest = of.slice()
  return parts.every((part) => {
    const i = rest.indexOf(part)
    if (i >= 0) rest.splice(i, 1)
    return i >= 0
  })
}

/** The pieces of something that is held or lies about. */
export function piecesOf(item: string | null, book: readonly Dish[]): number {
  if (item === null || item === 'dish') return 0
  return book.find(({ name }) => name === item)?.parts.length ?? 1
}

/** What a tick brings: hands first, in the cooks' order, then feet, then fire. */
export function ticked(state: KitchenState, actions: readonly Action[]) {
  const errors: ActionError[] = []
  const { width, grid } = floorOf(state.task.layout)
  let next = state
  const from = state.cooks.map(({ at }) => at)
  const wish = from.slice()
  const facing = state.cooks.map((cook) => cook.facing)
  cookNames(state.task).forEach((agent, i) => {
    const name = actions.find((one) => one.agent === agent)?.name ?? 'stay'
    if (name === 'stay') return
    if (name === 'interact') {
      const done = handled(next, i)
      if (typeof done === 'string') errors.push({ agent, code: 'NOT_POSSIBLE', message: done })
      else next = done
    } else if (isDirection(name)) {
      facing[i] = name
      const at = from[i] as number
      const to = facedBy({ at, facing: name }, width)
      if (grid.beside[at]?.includes(to) === true) wish[i] = to
    } else errors.push(unknownAction(agent, name, kitchenActions))
  })
  const cells = keptApart(from, wish)
  const cooks = next.cooks.map(({ holds }, i): Cook => {
    return { at: cells[i] as number, facing: facing[i] as Direction, holds }
  })
  return { errors, state: { ...next, tick: state.tick + 1, cooks, pots: cooked(state.pots, next.pots) } }
}

function isDirection(name: string): name is Direction {
  return DIRECTIONS.includes(name as Direction)
}

/** Fire goes on where it burned before this tick. */
function cooked(before: KitchenState['pots'], pots: KitchenState['pots']): KitchenState['pots'] {
  let next = pots
  for (const cell of Object.keys(pots)) {
    const pot = pots[cell] as Pot
    if (pot.left === null || pot.left === 0 || before[cell]?.left === null) continue
    next = { ...next, [cell]: { ...pot, left: pot.left - 1 } }
  }
  return next
}

/** The state after a cook used what is in front of them, or why that cannot be. */
function handled(state: KitchenState, i: number): KitchenState | string {
  const { task, lying, cuts, pots } = state
  const { signs, width } = floorOf(task.layout)
  const cook = state.cooks[i] as Cook
  const { holds } = cook
  const cell = facedBy(cook, width)
  const sign = signs[cell] ?? ' '
  const box = INGREDIENTS[sign]
  const holding = (item: string | null, also: Partial<KitchenState> = {}): KitchenState => ({
    ...state,
    ...also,
    cooks: state.cooks.map((one, j) => (j === i ? { ...one, holds: item } : one)),
  })
  if (box !== undefined)
    return holds === null ? holding(box, { piecesTaken: state.piecesTaken + 1 }) : `your hands are full: ${holds}`
  switch (sign) {
    case 'D':
      return holds === null ? holding('dish') : `your hands are full: ${holds}`
    case 'X':
    case 'B': {
      const lies = lying[cell]
      if (holds !== null) {
        if (lies !== undefined) return `${lies} lies there already`
        if (sign === 'B' && !Object.values(INGREDIENTS).includes(holds)) return `${holds} cannot be chopped`
        return holding(null, { lying: { ...lying, [cell]: holds } })
      }
      if (lies === undefined) return 'nothing lies there'
      const without = (from: { readonly [key: string]: Json }) =>
        Object.fromEntries(Object.entries(from).filter(([key]) => key !== String(cell)))
      if (sign === 'X' || lies.startsWith('chopped '))
        return holding(lies, {
          lying: without(lying) as KitchenState['lying'],
          cuts: without(cuts) as KitchenState['cuts'],
        })
      const done = (cuts[cell] ?? 0) + 1
      if (done < CUTS) return { ...state, cuts: { ...cuts, [cell]: done } }
      return { ...state, lying: { ...lying, [cell]: `chopped ${lies}` }, cuts: without(cuts) as KitchenState['cuts'] }
    }
    case 'P': {
      const pot = pots[cell] as Pot
      if (holds === 'dish') {
        if (pot.left === null) return 'nothing cooks in this pot'
        if (pot.left > 0) return `this pot needs ${pot.left} ticks more`
        const dish = task.book.find(({ parts }) => isPart(parts, pot.parts)) as Dish
        return holding(dish.name, { pots: { ...pots, [cell]: { parts: [], left: null } } })
      }
      if (holds === null) return 'your hands are empty'
      if (pot.left !== null) return 'this pot is full'
      const parts = [...pot.parts, holds].sort()
      const fits = task.book.filter((dish) => isPart(parts, dish.parts))
      if (fits.length === 0) return `no recipe has ${parts.join(', ')}`
      const dish = fits.find((one) => one.parts.length === parts.length)
      return holding(null, { pots: { ...pots, [cell]: { parts, left: dish === undefined ? null : dish.cookTicks } } })
    }
    case 'S': {
      const order = openOrders(state).find((one) => task.orders[one]?.dish === holds)
      if (order === undefined) return holds === null ? 'your hands are empty' : `nobody waits for ${holds}`
      return holding(null, { served: state.served.map((at, one) => (one === order ? state.tick + 1 : at)) })
    }
    case 'W':
      if (holds === null) return 'your hands are empty'
      return holding(null, { piecesThrown: state.piecesThrown + piecesOf(holds, task.book) })
    default:
      return 'there is nothing in front of you to use'
  }
}
