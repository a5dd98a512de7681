/**
 * What several automata can still do together: whether one run can bring all of them to where they may end.
 *
 *     const together = compileTogether([first, second], { exclusive: [['read', 'write']] })
 *     together?.canMeet([state, otherState])
 *
 * Each rule may still be kept while all of them cannot: "every write is followed by a check" and "no check", once something
 * was written. Ten automata of three states have 59,049 states together, which are not listed: the set of those from which
 * the end can be reached is one decision diagram over the bits of the state numbers. It starts as "all may end here" and
 * grows by what can step into it, until it no longer grows (symbolic backward reachability).
 *
 * Invariants
 *   J1. `canMeet` is true exactly when some run, of allowed events and perhaps of none, brings every automaton from its
 *       state to an accepting one.
 *   J2. A question costs at most one look per bit: the sum over the automata of the bits of their state numbers.
 *   J3. Compiling is bounded in nodes and work; where that is not enough, there is no answer: undefined.
 */
import type { Bdd } from './bdd.ts'
import { FALSE, TRUE, createBdd, unlessTooLarge } from './bdd.ts'
import type { Automaton, MonitorOptions } from './monitor.ts'
import { compileLimits, exclusion } from './monitor.ts'

export interface Together {
  /** Whether all can still be met, each from its state, in the order of the automata. */
  readonly canMeet: (states: readonly number[]) => boolean
  /** As `canMeet`, by a run of one event or more. */
  readonly canMeetLater: (states: readonly number[]) => boolean
}

/** Compiles the question for these automata; undefined where it is too large. */
export function compileTogether(automata: readonly Automaton[], options: MonitorOptions = {}): Together | undefined {
  return unlessTooLarge(() => explore(automata, { ...compileLimits, ...options }))
}

/** One bit of the number of a state. */
interface Bit {
  readonly automaton: number
  readonly place: number
}

interface Layout {
  /** Of each level, its bit, or the atom that stands there. */
  readonly levels: readonly (Bit | string)[]
  /** Levels of the bits of each automaton, highest place first. */
  readonly bits: readonly (readonly number[])[]
  readonly atoms: ReadonlyMap<string, number>
}

function explore(
  automata: readonly Automaton[],
  { exclusive = [], nodesMax, workMax }: MonitorOptions & { readonly nodesMax: number; readonly workMax: number },
): Together {
  const bdd = createBdd(nodesMax, workMax)
  const layout = layOut(automata)
  const moves = new Map<number, number>()
  automata.forEach((automaton, i) => {
    const bits = layout.bits[i] as readonly number[]
    bits.forEach((level, k) => moves.set(level, moveOf(bdd, layout, automaton, bits, bits.length - 1 - k)))
  })
  const allowed = exclusion(bdd, layout.atoms, exclusive)
  const before = (goal: number): number => someEvent(bdd, layout, bdd.and(allowed, substituted(bdd, moves, goal)))

  let canMeet = automata.reduce(
    (sum, { accepting }, i) => bdd.and(sum, ofState(bdd, layout.bits[i] as readonly number[], accepting)),
    TRUE,
  )
  for (let wider = bdd.or(canMeet, before(canMeet)); wider !== canMeet; wider = bdd.or(canMeet, before(canMeet)))
    canMeet = wider
  return { canMeet: asker(bdd, layout, canMeet), canMeetLater: asker(bdd, layout, before(canMeet)) }
}

/** Bits of an automaton stand above the atoms that are its own, and automata with common atoms near one another. */
function layOut(automata: readonly Automaton[]): Layout {
  const levels: (Bit | string)[] = []
  const atoms = new Map<string, number>()
  const bits: number[][] = automata.map(() => [])
  for (const index of neighbours(automata)) {
    const { accepting, atoms: names } = automata[index] as Automaton
    for (let place = Math.max(1, Math.ceil(Math.log2(accepting.length))) - 1; place >= 0; place--)
      (bits[index] as number[]).push(levels.push({ automaton: index, place }) - 1)
    for (const name of names) if (!atoms.has(name)) atoms.set(name, levels.push(name) - 1)
  }
  return { levels, bits, atoms }
}

/** All automata, each after one it shares atoms with, where there is one. */
function neighbours(automata: readonly Automaton[]): number[] {
  const order: number[] = []
  const left = new Set(automata.keys())
  const placed = new Set<string>()
  while (left.size > 0) {
    const shared = (i: number): number => (automata[i] as Automaton).atoms.filter((name) => placed.has(name)).length
    const best = [...left].reduce((a, b) => (shared(b) > shared(a) ? b : a))
    left.delete(best)
    order.push(best)
    for (const name of (automata[best] as Automaton).atoms) placed.add(name)
  }
  return order
}

/** A function of the bits of one automaton: `values` of the state that they number, false beyond. */
function ofState(bdd: Bdd, bits: readonly number[], values: readonly boolean[]): number {
  return muxed(
    bdd,
    bits,
    values.map((value) => (value ? TRUE : FALSE)),
  )
}

/** A function of bits and atoms: that of the state which the bits number, false beyond. */
function muxed(bdd: Bdd, bits: readonly number[], functions: readonly number[]): number {
  const choose = (k: number, state: number): number => {
    if (k === bits.length) return functions[state] ?? FALSE
    return bdd.choose(bdd.variable(bits[k] as number), choose(k + 1, state * 2 + 1), choose(k + 1, state * 2))
  }
  return choose(0, 0)
}

/** One bit of the next state, as a function of the bits of the state and of the atoms of the event. */
function moveOf(bdd: Bdd, layout: Layout, automaton: Automaton, bits: readonly number[], place: number): number {
  const done = new Map<number, number>()
  const ofNode = (at: number): number => {
    if (at < 0) return (~at >> place) & 1 ? TRUE : FALSE
    const found = done.get(at)
    if (found !== undefined) return found
    const { nodes, atoms } = automaton
    const level = layout.atoms.get(atoms[nodes[at] as number] as string) as number
    const result = bdd.choose(bdd.variable(level), ofNode(nodes[at + 1] as number), ofNode(nodes[at + 2] as number))
    done.set(at, result)
    return result
  }
  return muxed(bdd, bits, automaton.guards.map(ofNode))
}

/** The function of bits with every bit replaced by what it will be after the event. */
function substituted(bdd: Bdd, moves: ReadonlyMap<number, number>, f: number): number {
  const done = new Map<number, number>()
  const replace = (g: number): number => {
    if (g <= TRUE) return g
    const found = done.get(g)
    if (found !== undefined) return found
    const result = bdd.choose(moves.get(bdd.level(g)) as number, replace(bdd.high(g)), replace(bdd.low(g)))
    done.set(g, result)
    return result
  }
  return replace(f)
}

/** The function of bits that is true where some choice of the atoms makes this one true. */
function someEvent(bdd: Bdd, layout: Layout, f: number): number {
  const done = new Map<number, number>()
  const quantify = (g: number): number => {
    if (g <= TRUE) return g
    const found = done.get(g)
    if (found !== undefined) return found
    const [high, low] = [quantify(bdd.high(g)), quantify(bdd.low(g))]
    const isAtom = typeof layout.levels[bdd.level(g)] === 'string'
    const result = isAtom ? bdd.or(high, low) : bdd.choose(bdd.variable(bdd.level(g)), high, low)
    done.set(g, result)
    return result
  }
  return quantify(f)
}

/** The diagram as a question about states, free of the set it was made in. */
function asker(bdd: Bdd, layout: Layout, root: number): (states: readonly number[]) => boolean {
  const places = new Map<number, number>([
    [FALSE, -1],
    [TRUE, -2],
  ])
  const nodes: number[] = []
  const add = (f: number): number => {
    const found = places.get(f)
    if (found !== undefined) return found
    const { automaton, place } = layout.levels[bdd.level(f)] as Bit
    const at = nodes.push(automaton, place, 0, 0) - 4
    places.set(f, at)
    nodes[at + 2] = add(bdd.high(f))
    nodes[at + 3] = add(bdd.low(f))
    return at
  }
  const start = add(root)
  return (states) => {
    let at = start
    while (at >= 0) {
      const bit = ((states[nodes[at] as number] as number) >> (nodes[at + 1] as number)) & 1
      at = nodes[at + 3 - bit] as number
    }
    return at === -2
  }
}
