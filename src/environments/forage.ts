/**
 * `forage`: players of different strength gather food, some of which only several can lift together.
 *
 *     environmentOf(forage).reset({ params: forage.task(4, 2), seed: 4 })
 *
 * Level-based foraging (Albrecht and Ramamoorthy 2013; Papoudakis et al. 2021, "LBF", whose `Foraging-8x8-2p-1f-coop` is
 * `{ size: 8, … }` with two players, one food and `isForced`): all move at once on a grid; who loads beside a food lifts it if
 * those who load there are together as strong as its level. Each earns their level times the food's, of the loaders' levels
 * times all food there was. Where two would go to one cell neither goes; unlike in LBF nobody then walks onto who stayed.
 *
 * The score is the share of all food levels that was gathered, which is the sum of what everybody earned before penalties;
 * the oracle (forage-team.ts) gathers everything, which is found by letting it play.
 *
 * Invariants
 *   F1. What was gathered and what lies there is what was spawned; rewards of a food add up to its share.
 *   F2. A cell holds one player or one food at most; no two foods can be lifted from one cell.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'
import { defineWorld, fields } from './define.ts'
import {
  drawAt,
  drawBelow,
  pick,
  unknownAction,
  type Action,
  type ActionError,
  type Draw,
  type Rules,
} from './environment.ts'
import { teamActions } from './forage-team.ts'
import { besideOf, gridOf, keptApart } from './walking.ts'

/** Something to lift. Cells are numbers, row after row. */
export interface Food {
  readonly at: number
  readonly level: number
  readonly [key: string]: Json
}

/** A field with who is on it. */
export interface ForageTask {
  /** Rows, and columns. */
  readonly size: number
  readonly players: readonly { readonly name: string; readonly at: number; readonly level: number }[]
  readonly foods: readonly Food[]
  /** Cells that a player sees in each direction. */
  readonly sight: number
  /** Taken from who loads in vain. LBF: 0. */
  readonly penalty: number
  readonly ticks: number
  readonly [key: string]: Json
}

/** Where everybody is, and what is gone. */
export interface ForageState {
  readonly task: ForageTask
  readonly tick: number
  /** The cell of every player. */
  readonly at: readonly number[]
  /** Of every food. */
  readonly gathered: readonly boolean[]
  /** What everybody has earned, penalties taken off. */
  readonly earned: readonly number[]
  readonly [key: string]: Json
}

const taskForm = fields({
  size: z.int().min(1),
  players: z.array(fields({ name: z.string(), at: z.int(), level: z.number().positive() })),
  foods: z.array(fields({ at: z.int(), level: z.number().positive() })),
  sight: z.int().min(0),
  penalty: z.number(),
  ticks: z.int().min(0),
  // Of a task that was drawn: whether every food takes all that can lift together. The rules do not look at it.
  isForced: z.exactOptional(z.boolean()),
})

/** LBF's terms: levels of players, ticks of an episode; a food takes three players at most. */
const LBF = { levelMax: 3, ticks: 50, loadersMax: 3 }
/** As many foods are drawn: with more of them an episode would be too short. */
const LEVEL_MAX = 6
const MOVES = ['north', 'south', 'west', 'east'] as const

/** The rules. Level: size, players and foods grow; at some seeds every food takes all that can lift together, or sight is short. */
export const forage: Rules<ForageTask, ForageState> = defineWorld({
  id: 'forage',
  version: '1',
  description: 'Gather all the food; what is too heavy for one has to be lifted together.',
  stepsMax: 1_000,
  levelMax: LEVEL_MAX,
  params: taskForm,
  task(seed, level = 1) {
    // What even the oracle does not gather in time is no task; another is drawn, in the end with fewer foods.
    for (let attempt = 1; ; attempt++) {
      const foods = Math.max(1, level - Math.floor(attempt / 8))
      const task = drawnField(drawAt(seed, -attempt), level, foods)
      if (isGatheredBy(task)) return task
    }
  },
  start(task) {
    checked(task)
    const { players, foods } = task
    return {
      task,
      tick: 0,
      at: players.map(({ at }) => at),
      gathered: foods.map(() => false),
      earned: players.map(() => 0),
    }
  },
  toAct: (state) =>
    state.tick >= state.task.ticks || !state.gathered.includes(false) ? [] : state.task.players.map(({ name }) => name),
  view(state, agent) {
    const { task, tick, at, gathered } = state
    const { size, sight } = task
    const me = task.players.findIndex(({ name }) => name === agent)
    const own = at[me] as number
    const [row, column] = [Math.floor(own / size), own % size]
    const isSeen = (cell: number): boolean =>
      Math.abs(Math.floor(cell / size) - row) <= sight && Math.abs((cell % size) - column) <= sight
    const place = (cell: number): string => `(${Math.floor(cell / size)}, ${cell % size})`
    const foods = task.foods.filter((food, i) => gathered[i] !== true && isSeen(food.at))
    const others = task.players
      .map(({ name, level }, i) => ({ name, level, at: at[i] as number }))
      .filter((other, i) => i !== me && isSeen(other.at))
    return {
      text: [
        `Tick ${tick + 1} of ${task.ticks}. A field of ${size} rows and ${size} columns; you see ${sight} cells around you.`,
        `You are ${agent}, of level ${task.players[me]?.level}, at ${place(own)}.`,
        `Food: ${foods.map((food) => `level ${food.level} at ${place(food.at)}`).join('; ') || 'none in sight'}.`,
        `Others: ${others.map((other) => `${other.name}, of level ${other.level}, at ${place(other.at)}`).join('; ') || 'nobody in sight'}.`,
      ].join('\n'),
      data: { tick, size, at: own, level: task.players[me]?.level ?? 0, foods, others },
      actions,
    }
  },
  step: stepped,
  score: ({ task, gathered }) => shareOf(task, gathered),
  metrics: ({ task, tick, gathered, earned }) => ({
    ticks: tick,
    foods: gathered.filter(Boolean).length,
    share: shareOf(task, gathered),
    return: earned.reduce((sum, one) => sum + one, 0),
  }),
  oracle: (state) => teamActions(state, fieldOf(state)),
  floor: ({ foods }) => (foods.length === 0 ? 1 : 0),
})

const nothing = { type: 'object', properties: {} } as const
const actions = [
  ...MOVES.map((name) => ({ name, description: `Go one cell ${name}.`, input: nothing, effect: 'write' as const })),
  {
    name: 'load',
    description: 'Lift the food beside you, with all who load there in the same turn.',
    input: nothing,
    effect: 'write',
  },
  { name: 'none', description: 'Stay.', input: nothing, effect: 'read' },
] as const

function stepped(state: ForageState, given: readonly Action[]) {
  const { task, at, gathered } = state
  const { size, players, foods } = task
  const errors: ActionError[] = []
  const wish = at.slice()
  const loading: number[] = []
  for (const { agent, name } of given) {
    const i = players.findIndex((player) => player.name === agent)
    const own = at[i] as number
    const fail = (message: string): void => void errors.push({ agent, code: 'NOT_POSSIBLE', message })
    if (name === 'none') continue
    if (name === 'load') {
      if (foods.some((food, j) => gathered[j] !== true && isBeside(food.at, own, size))) loading.push(i)
      else fail('there is no food beside you')
    } else if (name === 'north' || name === 'south' || name === 'west' || name === 'east') {
      const to = cellTo(own, name, size)
      if (to === undefined) fail(`the field ends ${name} of you`)
      else if (foods.some((food, j) => food.at === to && gathered[j] !== true))
        fail('food lies there; load it from beside')
      else wish[i] = to
    } else errors.push(unknownAction(agent, name, actions))
  }
  const reward: { [agent: string]: number } = {}
  const gone = gathered.slice()
  const total = totalOf(task)
  foods.forEach((food, j) => {
    if (gathered[j] === true) return
    const loaders = loading.filter((i) => isBeside(food.at, at[i] as number, size))
    if (loaders.length === 0) return
    const strength = loaders.reduce((sum, i) => sum + (players[i]?.level ?? 0), 0)
    const isLifted = strength >= food.level
    if (isLifted) gone[j] = true
    for (const i of loaders) {
      const { name, level } = players[i] as ForageTask['players'][number]
      reward[name] = isLifted ? (level * food.level) / (strength * total) : -task.penalty
    }
  })
  const next: ForageState = {
    ...state,
    tick: state.tick + 1,
    at: keptApart(at, wish, true),
    gathered: gone,
    earned: state.earned.map((sum, i) => sum + (reward[players[i]?.name ?? ''] ?? 0)),
  }
  return errors.length === 0 ? { state: next, reward } : { state: next, reward, errors }
}

function cellTo(cell: number, name: (typeof MOVES)[number], size: number): number | undefined {
  const [row, column] = [Math.floor(cell / size), cell % size]
  if (name === 'north') return row > 0 ? cell - size : undefined
  if (name === 'south') return row < size - 1 ? cell + size : undefined
  if (name === 'west') return column > 0 ? cell - 1 : undefined
  return column < size - 1 ? cell + 1 : undefined
}

function isBeside(a: number, b: number, size: number): boolean {
  return Math.abs(a - b) === size || (Math.abs(a - b) === 1 && Math.floor(a / size) === Math.floor(b / size))
}

function totalOf({ foods }: ForageTask): number {
  return foods.reduce((sum, { level }) => sum + level, 0)
}

function shareOf(task: ForageTask, gathered: readonly boolean[]): number {
  // Counted from what is left: all of it is 1 exactly.
  const left = task.foods.reduce((sum, { level }, i) => sum + (gathered[i] === true ? 0 : level), 0)
  return task.foods.length === 0 ? 1 : 1 - left / totalOf(task)
}

/** The field as it can be walked on now. */
function fieldOf({ task: { size, foods }, gathered }: ForageState) {
  const isFloor = Array.from({ length: size * size }, () => true)
  foods.forEach(({ at }, i) => {
    if (gathered[i] !== true) isFloor[at] = false
  })
  const grid = gridOf(size, isFloor)
  return { grid, sides: (food: Food) => besideOf(food.at, size, size * size).filter((cell) => isFloor[cell] === true) }
}

/** @throws INVALID_ARGUMENT for a field that is none */
function checked(task: ForageTask): void {
  const { size, players, foods } = task
  const cells = size * size
  const taken = [...players, ...foods].map(({ at }) => at)
  const bad = taken.find((at, i) => !Number.isInteger(at) || at < 0 || at >= cells || taken.indexOf(at) !== i)
  if (bad !== undefined)
    throw new PolityError(
      'INVALID_ARGUMENT',
      `cell ${bad} is taken twice or not on the field; expected cells of their own from 0 to ${cells - 1}`,
    )
  const near = foods.find((a, i) => foods.some((b, j) => i < j && areNear(a.at, b.at, size)))
  if (near !== undefined)
    throw new PolityError(
      'INVALID_ARGUMENT',
      `the food at cell ${near.at} is near another; expected three steps or more between foods`,
    )
  if (players.length === 0 || new Set(players.map(({ name }) => name)).size !== players.length)
    throw new PolityError('INVALID_ARGUMENT', `expected players with names of their own, got ${players.length}`)
}

/** Two foods that could be lifted from one cell, or that touch. */
function areNear(a: number, b: number, size: number): boolean {
  return Math.abs(Math.floor(a / size) - Math.floor(b / size)) + Math.abs((a % size) - (b % size)) <= 2
}

function drawnField(draw: Draw, level: number, foodsMax: number): ForageTask {
  const size = Math.min(10, 4 + level + drawBelow(draw, 2))
  const count = Math.min(4, 2 + drawBelow(draw, Math.min(3, level)))
  const isForced = draw() < 0.4
  const sight = draw() < 0.3 ? 2 : size
  const levels = Array.from({ length: count }, () => 1 + drawBelow(draw, LBF.levelMax))
  const heaviest = levels
    .toSorted((a, b) => a - b)
    .slice(0, LBF.loadersMax)
    .reduce((sum, one) => sum + one, 0)
  // Not on the border, so that four can stand around a food.
  const inner = Array.from({ length: size * size }, (_, cell) => cell).filter((cell) => {
    const [row, column] = [Math.floor(cell / size), cell % size]
    return row > 0 && column > 0 && row < size - 1 && column < size - 1
  })
  const foods: Food[] = []
  for (let i = 0; i < foodsMax; i++) {
    const free = inner.filter((cell) => !foods.some(({ at }) => areNear(at, cell, size) || at === cell))
    if (free.length === 0) break
    foods.push({ at: pick(draw, free), level: isForced ? heaviest : 1 + drawBelow(draw, heaviest) })
  }
  const taken = new Set(foods.map(({ at }) => at))
  const players = levels.map((own, i) => {
    let at = drawBelow(draw, size * size)
    while (taken.has(at)) at = drawBelow(draw, size * size)
    taken.add(at)
    return { name: `player ${i + 1}`, at, level: own }
  })
  return { size, players, foods, sight, penalty: 0, ticks: LBF.ticks, isForced }
}

function isGatheredBy(task: ForageTask): boolean {
  let state = forage.start(task, () => 0)
  while (forage.toAct(state).length > 0) state = stepped(state, teamActions(state, fieldOf(state))).state
  return !state.gathered.includes(false)
}
