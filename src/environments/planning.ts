/**
 * Planning: the shortest plan for a ground task, or some plan, or the certainty that there is none.
 *
 *     planFor(task)                          // { outcome: 'solved', actions, isShortest: true, … }
 *     planFor(task, { search: 'greedy' })    // sooner, and often longer
 *
 * `shortest` is A* (Hart et al. 1968) under the landmark cut (Helmert and Domshlak 2009, section 4), which never says more
 * than what is still to be done, so the first plan found is a shortest one. `greedy` is best-first search under the length of a
 * relaxed plan (FF: Hoffmann and Nebel 2001; here with the supporters of the additive heuristic, Keyder and Geffner 2008), which
 * also says what looks helpful: such actions are tried in turns with all others.
 * Every action costs 1.
 *
 * Invariants
 *   P1. A plan that is returned leads from the state to the goal.
 *   P2. `unsolvable` is said only when no state is left to look at.
 *   P3. Two runs on one task are the same: ties go to what was found first.
 */
import { heap } from '../kernel/heap.ts'
import type { GroundAction, GroundTask } from './grounding.ts'

/** How to search. */
export interface PlanOptions {
  /** Facts that hold where the plan begins. @default the task's own */
  readonly from?: readonly number[]
  /** @default shortest */
  readonly search?: 'shortest' | 'greedy'
  /** States expanded at most. @default 100000 */
  readonly expansionsMax?: number
}

/** What came of it. */
export type Planned = {
  /** States whose successors were made. */
  readonly expansions: number
} & (
  | { readonly outcome: 'solved'; readonly actions: readonly GroundAction[]; readonly isShortest: boolean }
  | { readonly outcome: 'unsolvable' }
  | { readonly outcome: 'cut-off' }
)

/** What is still to be done from a state: how many actions, and those of them that can be taken at once. */
interface Guess {
  readonly length: number
  readonly helpful: ReadonlySet<GroundAction>
}

/** A state in a search: which facts hold, and how it was reached. */
interface Node {
  readonly facts: Uint8Array
  readonly parent: Node | undefined
  readonly action: GroundAction | undefined
  readonly cost: number
  readonly order: number
  readonly guess: Guess
  isOpen: boolean
}

/** Finds a plan. */
export function planFor(task: GroundTask, options: PlanOptions = {}): Planned {
  const { from = task.init, search = 'shortest', expansionsMax = 100_000 } = options
  const isShortest = search === 'shortest'
  const guessFor = isShortest ? landmarkCut(task) : relaxedPlan(task)
  const first = new Uint8Array(task.facts.length)
  for (const fact of from) first[fact] = 1

  // A* looks at the sum of what was paid and what is left, and then at what is left; greedy search at that alone.
  const sooner = (a: Node, b: Node): number => a.guess.length - b.guess.length || a.order - b.order
  const open = heap<Node>(
    isShortest ? (a, b) => a.cost + a.guess.length - b.cost - b.guess.length || sooner(a, b) : sooner,
  )
  const preferred = heap<Node>(sooner)
  const cheapest = new Map<string, number>()
  let [order, expansions] = [0, 0]
  const meet = (facts: Uint8Array, parent: Node | undefined, action: GroundAction | undefined): void => {
    const cost = parent === undefined ? 0 : parent.cost + 1
    const key = keyOf(facts)
    const known = cheapest.get(key)
    // The landmark cut can change its mind, so a state met at a lower cost is opened again.
    if (known !== undefined && (!isShortest || known <= cost)) return
    cheapest.set(key, cost)
    const guess = guessFor(facts)
    if (guess.length === Infinity) return
    const node: Node = { facts, parent, action, cost, order: order++, guess, isOpen: true }
    open.push(node)
    if (action !== undefined && parent?.guess.helpful.has(action) === true) preferred.push(node)
  }
  /** In turns from all states and from those that a helpful action led to (Helmert 2006, section 5.3). */
  const following = (turn: number): Node | undefined => {
    if (turn % 2 === 1 && preferred.size > 0) return preferred.pop()
    return open.pop()
  }
  meet(first, undefined, undefined)
  for (let turn = 0; open.size > 0; turn++) {
    const node = following(turn) as Node
    const { facts } = node
    if (!node.isOpen || (isShortest && (cheapest.get(keyOf(facts)) as number) < node.cost)) continue
    node.isOpen = false
    if (holdAll(facts, task.goal)) return { outcome: 'solved', actions: wayTo(node), isShortest, expansions }
    if (expansions >= expansionsMax) return { outcome: 'cut-off', expansions }
    expansions++
    for (const action of task.actions) if (holdAll(facts, action.pre)) meet(after(facts, action), node, action)
  }
  return { outcome: 'unsolvable', expansions }
}

/** The state after an action that can be taken. */
function after(facts: Uint8Array, { add, del }: GroundAction): Uint8Array {
  const next = facts.slice()
  for (const fact of del) next[fact] = 0
  for (const fact of add) next[fact] = 1
  return next
}

function holdAll(facts: Uint8Array, wanted: readonly number[]): boolean {
  for (const fact of wanted) if (facts[fact] !== 1) return false
  return true
}

/** A name for a state: sixteen facts a character. */
function keyOf(facts: Uint8Array): string {
  let key = ''
  for (let i = 0; i < facts.length; i += 16) {
    let word = 0
    for (let bit = 0; bit < 16; bit++) word |= (facts[i + bit] ?? 0) << bit
    key += String.fromCharCode(word)
  }
  return key
}

function wayTo(node: Node): GroundAction[] {
  const actions: GroundAction[] = []
  for (let at: Node | undefined = node; at?.action !== undefined; at = at.parent) actions.unshift(at.action)
  return actions
}

// --------------------------------------------------------------------------------------------------------- relaxation

/** The task without deletions, with one action more that needs the goal and one fact that always holds. */
interface Relaxed {
  readonly pre: readonly (readonly number[])[]
  readonly add: readonly (readonly number[])[]
  /** Actions that need a fact. */
  readonly needing: readonly (readonly number[])[]
  readonly adding: readonly (readonly number[])[]
  readonly factsCount: number
  /** The fact that always holds, the fact that the goal is reached. */
  readonly always: number
  readonly reached: number
  readonly costs: Int32Array
}

function relaxedOf(task: GroundTask): Relaxed {
  const factsCount = task.facts.length + 2
  const [always, reached] = [factsCount - 2, factsCount - 1]
  const pre = [...task.actions, { pre: task.goal }].map((one) => (one.pre.length === 0 ? [always] : one.pre))
  const add = [...task.actions.map((one) => one.add), [reached]]
  const needing: number[][] = Array.from({ length: factsCount }, () => [])
  const adding: number[][] = Array.from({ length: factsCount }, () => [])
  pre.forEach((facts, action) => facts.forEach((fact) => needing[fact]?.push(action)))
  add.forEach((facts, action) => facts.forEach((fact) => adding[fact]?.push(action)))
  const costs = new Int32Array(pre.length).fill(1)
  costs[pre.length - 1] = 0
  return { pre, add, needing, adding, factsCount, always, reached, costs }
}

/** What every fact costs to reach: an action costs its own cost and the sum, or the greatest, of what its needs cost. */
function explorer(relaxed: Relaxed, combine: 'sum' | 'greatest') {
  const { pre, add, needing, factsCount, always } = relaxed
  const cost = new Float64Array(factsCount)
  /** Of every action: the need that was reached last, which under `greatest` is one that costs most. */
  const supporter = new Int32Array(pre.length)
  /** Of every fact: the action by which it is reached cheapest; -1 for what holds. */
  const achiever = new Int32Array(factsCount)
  const missing = new Int32Array(pre.length)
  const paid = new Float64Array(pre.length)
  const buckets: number[][] = []
  return {
    cost,
    supporter,
    achiever,
    explore(facts: Uint8Array, costs: Int32Array): void {
      cost.fill(Infinity)
      paid.fill(0)
      supporter.fill(-1)
      for (let i = 0; i < pre.length; i++) missing[i] = (pre[i] as readonly number[]).length
      let last = 0
      const reach = (fact: number, at: number, by: number): void => {
        if (at >= (cost[fact] as number)) return
        cost[fact] = at
        achiever[fact] = by
        while (buckets.length <= at) buckets.push([])
        buckets[at]?.push(fact)
        if (at > last) last = at
      }
      for (let fact = 0; fact < facts.length; fact++) if (facts[fact] === 1) reach(fact, 0, -1)
      reach(always, 0, -1)
      for (let at = 0; at <= last; at++) {
        const bucket = buckets[at] as number[]
        // Grows while it is read: actions that cost nothing reach facts of the same cost.
        for (let i = 0; i < bucket.length; i++) {
          const fact = bucket[i] as number
          if (cost[fact] !== at) continue
          for (const action of needing[fact] as readonly number[]) {
            paid[action] = combine === 'sum' ? (paid[action] as number) + at : at
            missing[action] = (missing[action] as number) - 1
            if ((missing[action] as number) > 0) continue
            supporter[action] = fact
            const then = (paid[action] as number) + (costs[action] as number)
            for (const added of add[action] as readonly number[]) reach(added, then, action)
          }
        }
        bucket.length = 0
      }
    },
  }
}

const nothing: ReadonlySet<GroundAction> = new Set()

/** How many actions a plan without deletions takes, infinite when there is none; helpful are those that could be its first. */
function relaxedPlan(task: GroundTask): (facts: Uint8Array) => Guess {
  const relaxed = relaxedOf(task)
  const { cost, achiever, explore } = explorer(relaxed, 'sum')
  const isTaken = new Uint8Array(relaxed.pre.length)
  return (facts) => {
    explore(facts, relaxed.costs)
    if (cost[relaxed.reached] === Infinity) return { length: Infinity, helpful: nothing }
    isTaken.fill(0)
    const helpful = new Set<GroundAction>()
    let length = -1 // the action that needs the goal is not one of the task's
    const wanted = [relaxed.reached]
    for (let fact = wanted.pop(); fact !== undefined; fact = wanted.pop()) {
      const action = achiever[fact] as number
      if (action < 0 || isTaken[action] === 1) continue
      isTaken[action] = 1
      length++
      wanted.push(...(relaxed.pre[action] as readonly number[]))
      const own = task.actions[action]
      if (own !== undefined && holdAll(facts, own.pre)) helpful.add(own)
    }
    return { length, helpful }
  }
}

/** The landmark cut: again and again a set of actions of which every plan takes one, paid for at the cheapest's cost. */
function landmarkCut(task: GroundTask): (facts: Uint8Array) => Guess {
  const relaxed = relaxedOf(task)
  const { pre, add, adding, needing, always, reached } = relaxed
  const { cost, supporter, explore } = explorer(relaxed, 'greatest')
  const costs = new Int32Array(pre.length)
  /** Facts from which the goal costs nothing more, and facts that were reached outside of them. */
  const [isNear, isBefore] = [new Uint8Array(relaxed.factsCount), new Uint8Array(relaxed.factsCount)]
  return (facts) => {
    costs.set(relaxed.costs)
    for (let total = 0; ;) {
      explore(facts, costs)
      if (cost[reached] === Infinity) return { length: Infinity, helpful: nothing }
      if (cost[reached] === 0) return { length: total, helpful: nothing }
      isNear.fill(0)
      isNear[reached] = 1
      const near = [reached]
      for (let fact = near.pop(); fact !== undefined; fact = near.pop())
        for (const action of adding[fact] as readonly number[]) {
          const from = supporter[action] as number
          if (from < 0 || costs[action] !== 0 || isNear[from] === 1) continue
          isNear[from] = 1
          near.push(from)
        }
      isBefore.fill(0)
      const before: number[] = []
      const meet = (fact: number): void => {
        if (isBefore[fact] === 1 || isNear[fact] === 1) return
        isBefore[fact] = 1
        before.push(fact)
      }
      for (let fact = 0; fact < facts.length; fact++) if (facts[fact] === 1) meet(fact)
      meet(always)
      const cut: number[] = []
      let least = Infinity
      for (let fact = before.pop(); fact !== undefined; fact = before.pop())
        for (const action of needing[fact] as readonly number[]) {
          if (supporter[action] !== fact) continue
          const adds = add[action] as readonly number[]
          if (adds.some((added) => isNear[added] === 1)) {
            cut.push(action)
            least = Math.min(least, costs[action] as number)
          } else adds.forEach(meet)
        }
      for (const action of cut) costs[action] = (costs[action] as number) - least
      total += least
    }
  }
}
