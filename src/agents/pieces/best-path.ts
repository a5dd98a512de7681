/**
 * A*: the cheapest way from a start to a goal, by what a step costs and a guess of what is left (Hart, Nilsson, Raphael 1968).
 *
 *     const found = await bestPath(start, { next, left, isGoal, expansionsMax: 50 })
 *     found.path                                  // states from the start to the goal
 *
 * `next` may ask a model; the search itself draws nothing. Where `left` never guesses too much (it is admissible) the first
 * goal that is popped is the cheapest; where it may, as in ToolChain*, a goal is found with fewer expansions and may be dearer.
 *
 * Invariants
 *   A1. With an admissible `left` and costs of at least 0, the path found costs what Dijkstra's costs (`left` = 0).
 *   A2. `next` is called at most `expansionsMax` times, once a node.
 */
import { createFrontier } from './frontier.ts'

/** One state with the way to it. */
export interface Way<State> {
  readonly state: State
  readonly parent: Way<State> | undefined
  readonly depth: number
  /** What it cost to get here. */
  readonly cost: number
}

export interface PathSearch<State> {
  /** Steps from there, with what each costs, at least 0. */
  next(way: Way<State>): Awaitable<readonly { readonly state: State; readonly cost: number }[]>
  /** A guess of what is left to pay from there. @default 0, which is Dijkstra's search */
  left?(way: Way<State>): Awaitable<number>
  /** Asked when a state is popped. */
  isGoal(way: Way<State>): Awaitable<boolean>
  /** Calls of `next` at most. @default no limit */
  readonly expansionsMax?: number
}

type Awaitable<T> = T | Promise<T>

export interface FoundPath<State> {
  /** From the start to the goal; where none was found, to the state from which the least seemed left. */
  readonly path: readonly State[]
  readonly cost: number
  readonly isGoal: boolean
  /** Calls of `next`. */
  readonly expansions: number
}

export async function bestPath<State>(
  start: State,
  { next, left = () => 0, isGoal, expansionsMax = Infinity }: PathSearch<State>,
): Promise<FoundPath<State>> {
  const frontier = createFrontier<Way<State>>('lowest')
  const root: Way<State> = { state: start, parent: undefined, depth: 0, cost: 0 }
  let nearest = root
  let leastLeft = await left(root)
  frontier.push(root, leastLeft)
  let expansions = 0
  for (let way = frontier.pop(); way !== undefined; way = frontier.pop()) {
    if (await isGoal(way)) return { path: statesOf(way), cost: way.cost, isGoal: true, expansions }
    if (expansions >= expansionsMax) break
    expansions++
    for (const { state, cost } of await next(way)) {
      const child: Way<State> = { state, parent: way, depth: way.depth + 1, cost: way.cost + Math.max(0, cost) }
      const remaining = await left(child)
      if (remaining < leastLeft) [nearest, leastLeft] = [child, remaining]
      frontier.push(child, child.cost + remaining)
    }
  }
  return { path: statesOf(nearest), cost: nearest.cost, isGoal: false, expansions }
}

/** The states of a way, the start first. */
export function statesOf<State>(way: Way<State>): State[] {
  const states: State[] = []
  for (let at: Way<State> | undefined = way; at !== undefined; at = at.parent) states.push(at.state)
  return states.toReversed()
}
