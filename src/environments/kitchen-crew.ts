/**
 * A crew that cooks every order: what each cook does next when one mind sees everything. It is the oracle of kitchen.ts.
 *
 *     crewActions(state)      // one action for each cook
 *
 * Orders are cooked as they came. Each asks for work: pieces for a pot, a dish when it cooks, a way to the hatch; work goes to
 * who has the thing in hand already, then to the nearest with empty hands. What a cook cannot bring where it belongs, because
 * counters are between, is put down where another can reach it. All walk together by `stepTogether` (walking.ts).
 *
 * Invariants
 *   O1. What is decided depends on the state alone.
 *   O2. Nobody takes a piece that no pot needs, so no hand and no board is blocked.
 */
import type { Action } from './environment.ts'
import { cookNames, DIRECTIONS, facedBy, floorOf, INGREDIENTS, isPart, openOrders } from './kitchen-world.ts'
import type { Cook, Dish, Floor, KitchenState, Pot } from './kitchen-world.ts'
import { stepTogether } from './walking.ts'

/** Something to be brought somewhere: a piece or a dish to a pot. */
interface Need {
  readonly item: string
  readonly pot: number
  readonly rank: number
}

/** Where a cook is to use their hands, and how urgent it is: smaller goes first. */
interface Job {
  readonly cell: number
  readonly rank: number
  /** Whether they only go there and wait. */
  readonly isWaiting?: boolean
}

/** Urgency: what is done goes first, who waits makes way. */
const RANK = { serve: 0, plate: 1, carry: 2, fetch: 3, wait: 4, clear: 5, idle: 6 }

/** What everybody does next. */
export function crewActions(state: KitchenState): Action[] {
  const floor = floorOf(state.task.layout)
  const jobs = jobsOf(state, floor)
  const order = state.cooks
    .map((_, i) => i)
    .sort((a, b) => (jobs[a]?.rank ?? RANK.idle) - (jobs[b]?.rank ?? RANK.idle) || a - b)
  const walkers = order.map((i) => {
    const { at } = state.cooks[i] as Cook
    const job = jobs[i]
    return { at, far: job === undefined ? still(floor) : floor.farFrom(job.cell) }
  })
  const cells = stepTogether(floor.grid, walkers)
  return cookNames(state.task).map((agent, i): Action => {
    const cook = state.cooks[i] as Cook
    const to = cells[order.indexOf(i)] as number
    const job = jobs[i]
    if (to !== cook.at) return { agent, name: towards(cook.at, to, floor) }
    if (job === undefined || floor.farFrom(job.cell)[cook.at] !== 0) return { agent, name: 'stay' }
    if (facedBy(cook, floor.width) !== job.cell) return { agent, name: towards(cook.at, job.cell, floor) }
    return { agent, name: job.isWaiting === true ? 'stay' : 'interact' }
  })
}

function towards(from: number, to: number, { width }: Floor): string {
  return DIRECTIONS.find((facing) => facedBy({ at: from, facing }, width) === to) as string
}

const stills = new WeakMap<Floor, Float64Array>()

/** For who has nowhere to go: everywhere is as good. */
function still(floor: Floor): Float64Array {
  let far = stills.get(floor)
  if (far === undefined) stills.set(floor, (far = new Float64Array(floor.signs.length)))
  return far
}

function jobsOf(state: KitchenState, floor: Floor): readonly (Job | undefined)[] {
  const crew = crewOf(state, floor)
  const wanted = openOrders(state).map(
    (order) => state.task.book.find(({ name }) => name === state.task.orders[order]?.dish) as Dish,
  )
  const left = carried(crew, needsOf(state, served(crew, wanted)))
  fetched(crew, left)
  // What nobody needs is put away.
  for (const i of crew.everybody) {
    if (!crew.isFree(i) || state.cooks[i]?.holds === null) continue
    const cell = crew.nearest([...floor.cellsOf('W'), ...crew.freeCounters()], i)
    if (cell !== undefined) crew.claim(i, cell, RANK.clear)
  }
  return crew.jobs
}

type Crew = ReturnType<typeof crewOf>

/** The cooks as work is dealt out: who has a job, what is claimed, who can get where. */
function crewOf({ cooks, lying }: KitchenState, floor: Floor) {
  const jobs: (Job | undefined)[] = cooks.map(() => undefined)
  const everybody = cooks.map((_, i) => i)
  const claimed = new Set<number>() // counters and boards that somebody is on the way to
  const isFree = (i: number): boolean => jobs[i] === undefined
  const far = (i: number, cell: number): number => floor.farFrom(cell)[(cooks[i] as Cook).at] as number
  const nearest = (cells: readonly number[], i: number): number | undefined => leastOf(cells, (cell) => far(i, cell))
  const give = (i: number, cell: number, rank: number, isWaiting = false): void => {
    jobs[i] = { cell, rank, isWaiting }
  }
  const claim = (i: number, cell: number, rank: number): void => {
    claimed.add(cell)
    give(i, cell, rank)
  }
  const freeCounters = (): number[] =>
    floor.cellsOf('X').filter((cell) => lying[cell] === undefined && !claimed.has(cell))
  const between = (cells: readonly number[]): number[] =>
    freeCounters().filter((counter) => leadsTo(floor, counter, cells))
  return {
    cooks,
    lying,
    floor,
    jobs,
    everybody,
    isFree,
    far,
    nearest,
    give,
    claim,
    freeCounters,
    boards: (): number[] => floor.cellsOf('B').filter((cell) => lying[cell] === undefined && !claimed.has(cell)),
    /** Who has that in hand, or nothing, and no job yet, at the least cost. */
    whoHolds: (item: string | null, cost: (i: number) => number): number | undefined =>
      leastOf(everybody, (i) => (isFree(i) && cooks[i]?.holds === item ? cost(i) : Infinity)),
    /** Brings what a cook holds to one of those cells, or to a counter from which somebody else can. */
    bring(i: number, cells: readonly number[], rank: number, isWaiting = false): boolean {
      const own = nearest(cells, i)
      const way = own ?? nearest(between(cells), i)
      if (own !== undefined) give(i, own, rank, isWaiting)
      else if (way !== undefined) claim(i, way, rank)
      return way !== undefined
    },
    /** Whether a cook could bring something there, by themselves or over a counter. */
    canBring: (i: number, cells: readonly number[]): boolean =>
      nearest(cells, i) !== undefined || nearest(between(cells), i) !== undefined,
  }
}

/** Brings out what is cooked, and says what still has to be. */
function served(
  { cooks, lying, floor, far, nearest, give, bring, whoHolds, everybody }: Crew,
  orders: readonly Dish[],
) {
  const wanted = orders.slice()
  const take = (item: string | null | undefined): boolean => {
    const at = wanted.findIndex(({ name }) => name === item)
    if (at >= 0) wanted.splice(at, 1)
    return at >= 0
  }
  const hatches = floor.cellsOf('S')
  for (const i of everybody) if (take(cooks[i]?.holds)) bring(i, hatches, RANK.serve)
  for (const [cell, item] of Object.entries(lying)) {
    if (!take(item)) continue
    const i = whoHolds(null, (one) => (nearest(hatches, one) === undefined ? Infinity : far(one, Number(cell))))
    if (i !== undefined) give(i, Number(cell), RANK.serve)
  }
  return wanted
}

/** What every pot needs: each dish has the pot where it cooks already, or is begun, or an empty one; the most urgent first. */
function needsOf(state: KitchenState, wanted: readonly Dish[]): Need[] {
  const needs: Need[] = []
  const pots = new Map(Object.entries(state.pots).map(([cell, pot]) => [Number(cell), pot]))
  for (const dish of wanted) {
    const find = (fits: (pot: Pot) => boolean): number | undefined => [...pots].find(([, pot]) => fits(pot))?.[0]
    const cell =
      find(({ parts, left }) => left !== null && isPart(dish.parts, parts)) ??
      find(({ parts, left }) => left === null && parts.length > 0 && isPart(parts, dish.parts)) ??
      find(({ parts }) => parts.length === 0)
    if (cell === undefined) continue
    const { parts, left } = pots.get(cell) as Pot
    pots.delete(cell)
    if (left !== null) needs.push({ item: 'dish', pot: cell, rank: left === 0 ? RANK.plate : RANK.wait })
    else {
      const missing = dish.parts.slice()
      for (const part of parts) missing.splice(missing.indexOf(part), 1)
      for (const item of missing) needs.push({ item, pot: cell, rank: RANK.carry })
    }
  }
  return needs.sort((a, b) => a.rank - b.rank)
}

/** Who has in hand what is needed brings it to the pot, or to a board where it is chopped first; what is left is to be fetched. */
function carried({ floor, far, jobs, bring, claim, boards, whoHolds }: Crew, needs: readonly Need[]): Need[] {
  const open = needs.filter(({ item, pot, rank }) => {
    // Who cannot get there themselves still brings it over a counter.
    const i = whoHolds(item, (one) => Math.min(far(one, pot), floor.signs.length))
    return i === undefined || !bring(i, [pot], rank, rank === RANK.wait)
  })
  return open.filter(({ item }) => {
    const [raw, free] = [rawOf(item), boards()]
    if (raw === undefined) return true
    const i = whoHolds(raw, (one) => Math.min(...free.map((cell) => far(one, cell)), floor.signs.length))
    if (i === undefined || !bring(i, free, RANK.carry)) return true
    claim(i, (jobs[i] as Job).cell, RANK.carry)
    return false
  })
}

/** Empty hands fetch the rest: what lies somewhere before what is in a box. */
function fetched(crew: Crew, needs: readonly Need[]): void {
  const { cooks, lying, floor, everybody, isFree, far, nearest, give, canBring } = crew
  const used = new Set<number>()
  let boardsLeft = crew.boards().length
  for (const { item, pot, rank } of needs) {
    /** Sends the nearest with empty hands, of those who can, to one of these cells. */
    const send = (cells: readonly number[], can: (i: number) => boolean): boolean => {
      const free = everybody.filter((i) => isFree(i) && cooks[i]?.holds === null && can(i))
      const i = leastOf(free, (one) => Math.min(...cells.map((cell) => far(one, cell))))
      const cell = i === undefined ? undefined : nearest(cells, i)
      if (i === undefined || cell === undefined) return false
      used.add(cell)
      give(i, cell, rank === RANK.plate ? rank : RANK.fetch)
      return true
    }
    /** The same for what lies there: it counts, whether or not anybody is free to take it. */
    const take = (what: string, on: string, can: (i: number) => boolean): boolean => {
      const cells = floor.cellsOf(on).filter((cell) => lying[cell] === what && !used.has(cell))
      if (cells.length > 0 && !send(cells, can)) used.add(cells[0] as number)
      return cells.length > 0
    }
    const raw = rawOf(item)
    // From a counter only by who can go all the way: others put it there.
    if (take(item, 'X', (i) => far(i, pot) < Infinity)) continue
    if (raw === undefined) send(floor.cellsOf(signOf(item)), (i) => canBring(i, [pot]))
    else if (!take(item, 'B', (i) => canBring(i, [pot])) && !take(raw, 'B', () => true) && boardsLeft > 0) {
      const boards = floor.cellsOf('B')
      const isOnTheWay =
        take(raw, 'X', (i) => nearest(boards, i) !== undefined) ||
        send(floor.cellsOf(signOf(raw)), (i) => canBring(i, boards))
      if (isOnTheWay) boardsLeft--
    }
  }
}

/** Whether who stands beside a counter can reach one of those cells from there. */
function leadsTo(floor: Floor, counter: number, cells: readonly number[]): boolean {
  const besides = floor.farFrom(counter)
  return cells.some((cell) => {
    const far = floor.farFrom(cell)
    return besides.some((steps, at) => steps === 0 && (far[at] as number) < Infinity)
  })
}

/** The one that costs least, the first of equals; none where every cost is infinite. */
function leastOf(list: readonly number[], cost: (one: number) => number): number | undefined {
  let [best, least] = [undefined as number | undefined, Infinity]
  for (const one of list) {
    const its = cost(one)
    if (its < least) [best, least] = [one, its]
  }
  return best
}

/** What a chopped piece was before. */
function rawOf(item: string): string | undefined {
  return item.startsWith('chopped ') ? item.slice('chopped '.length) : undefined
}

/** The box that something comes from. */
function signOf(item: string): string {
  return item === 'dish' ? 'D' : (Object.keys(INGREDIENTS).find((sign) => INGREDIENTS[sign] === item) ?? '')
}
