/**
 * Walking on a grid without bumping into each other: how far everything is, and one step of many walkers at once.
 *
 *     const far = distancesTo(grid, [cell])          // steps from every floor cell
 *     const cells = stepTogether(grid, [{ at: 7, far }, { at: 8, far: other }])
 *     const cells = keptApart([7, 8], [8, 9])        // where they are, by where each wishes to go
 *
 * `stepTogether` is PIBT (Okumura et al. 2022, "Priority inheritance with backtracking", section 3): who comes first in the
 * list goes where they want; who stands in the way makes way, as if with the priority of the one who pushes.
 *
 * Invariants
 *   W1. Nobody shares a cell with another after a step, and no two change places.
 *   W2. A walker moves to a floor cell beside them, or stays.
 */

/** Cells are numbers, row after row from 0. */
export interface Grid {
  readonly width: number
  /** Cells to walk on that lie beside a cell: north, south, west, east. */
  readonly beside: readonly (readonly number[])[]
}

/** A grid on which cells of `isFloor` can be walked on. */
export function gridOf(width: number, isFloor: readonly boolean[]): Grid {
  const beside = isFloor.map((_, cell) =>
    besideOf(cell, width, isFloor.length).filter((next) => isFloor[next] === true),
  )
  return { width, beside }
}

/** The cells beside a cell, walkable or not. */
export function besideOf(cell: number, width: number, cells: number): number[] {
  const column = cell % width
  const around = [cell - width, cell + width]
  if (column > 0) around.push(cell - 1)
  if (column < width - 1) around.push(cell + 1)
  return around.filter((next) => next >= 0 && next < cells)
}

/** Steps from every cell to the nearest of those; `Infinity` where there is no way. */
export function distancesTo({ beside }: Grid, cells: readonly number[]): Float64Array {
  const far = new Float64Array(beside.length).fill(Infinity)
  const queue = cells.slice()
  for (const cell of cells) far[cell] = 0
  for (const cell of queue)
    for (const next of beside[cell] as readonly number[]) {
      if (far[next] !== Infinity) continue
      far[next] = (far[cell] as number) + 1
      queue.push(next)
    }
  return far
}

/**
 * Where everybody is after a step that each took alone: one that would bring two to one cell, or let two change places
 * where that is not allowed, is not made; nor is one that this leaves in the way.
 */
export function keptApart(
  from: readonly number[],
  wish: readonly number[],
  mayChangePlaces = false,
): readonly number[] {
  let to = wish
  for (;;) {
    const now = to
    const isBlocked = (cell: number, i: number): boolean =>
      now.some((other, j) => i !== j && (other === cell || (!mayChangePlaces && cell === from[j] && other === from[i])))
    to = now.map((cell, i) => (cell !== from[i] && isBlocked(cell, i) ? (from[i] as number) : cell))
    if (to.every((cell, i) => cell === now[i])) return to
  }
}

/** Who walks: from where, and how far every cell is from where they want to be. */
export interface Walker {
  readonly at: number
  readonly far: Float64Array
}

/** Where everybody is after one step, who comes first in the list having the right of way. */
export function stepTogether(grid: Grid, walkers: readonly Walker[]): number[] {
  const next: (number | undefined)[] = walkers.map(() => undefined)
  const standing = new Map(walkers.map(({ at }, i) => [at, i]))
  const taken = new Set<number>()
  const place = (i: number, pusher: number | undefined): boolean => {
    const { at, far } = walkers[i] as Walker
    const ways = [at, ...(grid.beside[at] as readonly number[])]
    // Of equally good cells, one where nobody stands.
    const cost = (cell: number): number => (far[cell] as number) + (cell !== at && standing.has(cell) ? 0.5 : 0)
    for (const cell of ways.sort((a, b) => cost(a) - cost(b))) {
      if (taken.has(cell) || cell === pusher) continue
      next[i] = cell
      taken.add(cell)
      const other = standing.get(cell)
      if (other === undefined || other === i || next[other] !== undefined || place(other, at)) return true
      // The other found no way out and stays there.
    }
    next[i] = at
    taken.add(at)
    return false
  }
  walkers.forEach((_, i) => {
    if (next[i] === undefined) place(i, undefined)
  })
  return next as number[]
}
