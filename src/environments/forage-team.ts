/**
 * Players who gather everything: what each does next when one mind sees the whole field. It is the oracle of forage.ts.
 *
 *     teamActions(state)      // one action for each player
 *
 * The food that the right players reach soonest goes first: a smallest set of players, strong enough together, each with a side
 * of it of their own, all chosen so that the last of them is there as early as possible. Who is left over does the same with
 * the next food. All walk together by `stepTogether` (walking.ts), and lift when everybody is there.
 */
import type { Action } from './environment.ts'
import type { ForageState, Food } from './forage.ts'
import { distancesTo, stepTogether, type Grid } from './walking.ts'

/** A food and who lifts it from where. */
interface Team {
  readonly food: Food
  /** Of each member: the player's number and their cell. */
  readonly places: readonly (readonly [player: number, cell: number])[]
  /** Steps until the last is there. */
  readonly steps: number
}

/** What everybody does next. `grid` is the field without the foods that are left; `sides` are the free cells beside a food. */
export function teamActions(
  { task, at, gathered }: ForageState,
  { grid, sides }: { readonly grid: Grid; readonly sides: (food: Food) => readonly number[] },
): Action[] {
  const { players } = task
  const known = new Map<number, Float64Array>()
  const farFrom = (cell: number): Float64Array => {
    let far = known.get(cell)
    if (far === undefined) known.set(cell, (far = distancesTo(grid, [cell])))
    return far
  }
  const free = new Set(players.map((_, i) => i))
  const left = new Set(task.foods.filter((_, i) => gathered[i] !== true))
  const teams: Team[] = []
  for (;;) {
    const ways = [...left].flatMap((food) => {
      const steps = (player: number, cell: number): number => farFrom(cell)[at[player] as number] as number
      return bestTeam(food, [...free], sides(food), (player) => players[player]?.level ?? 0, steps) ?? []
    })
    const [first] = ways.sort((a, b) => a.steps - b.steps)
    if (first === undefined) break
    teams.push(first)
    left.delete(first.food)
    for (const [player] of first.places) free.delete(player)
  }

  const nowhere = new Float64Array(grid.beside.length)
  const goals = teams.flatMap(({ places }) => places)
  const walkers = [
    ...goals.map(([player, cell]) => ({ player, far: farFrom(cell) })),
    ...[...free].map((player) => ({ player, far: nowhere })),
  ]
  const cells = stepTogether(
    grid,
    walkers.map(({ player, far }) => ({ at: at[player] as number, far })),
  )
  const isReady = new Set(
    teams.filter(({ steps }) => steps === 0).flatMap(({ places }) => places.map(([player]) => player)),
  )
  return walkers.map(({ player }, i): Action => {
    const agent = players[player]?.name as string
    const by = (cells[i] as number) - (at[player] as number)
    if (by === 0) return { agent, name: isReady.has(player) ? 'load' : 'none' }
    return { agent, name: by === 1 ? 'east' : by === -1 ? 'west' : by > 0 ? 'south' : 'north' }
  })
}

/** The players who can lift a food soonest, with nobody among them who is not needed. */
function bestTeam(
  food: Food,
  free: readonly number[],
  sides: readonly number[],
  levelOf: (player: number) => number,
  steps: (player: number, cell: number) => number,
): Team | undefined {
  let best: Team | undefined
  let least = Infinity
  // Players in order, each at one of the sides that are left, or not at all.
  const choose = (i: number, places: [number, number][], strength: number, last: number, sum: number): void => {
    if (strength >= food.level) {
      // The sum of all ways breaks ties, so that a choice is not undone on the way.
      const cost = last * 1_000 + sum
      if (cost < least) [best, least] = [{ food, places: places.slice(), steps: last }, cost]
      return
    }
    const player = free[i]
    if (player === undefined) return
    for (const cell of sides) {
      const way = steps(player, cell)
      if (way === Infinity || places.some(([, taken]) => taken === cell)) continue
      places.push([player, cell])
      choose(i + 1, places, strength + levelOf(player), Math.max(last, way), sum + way)
      places.pop()
    }
    choose(i + 1, places, strength, last, sum)
  }
  choose(0, [], 0, 0, 0)
  return best
}
