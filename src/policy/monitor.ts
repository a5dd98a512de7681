/**
 * The monitor: follows a run event by event, and says before each event whether the rule could still be kept after it.
 *
 *     const monitor = compileMonitor(parseFormula('G(read_private -> (!send W approve))'))
 *     let state = monitor.start
 *     if (monitor.permits(state, event)) state = monitor.step(state, event)
 *     monitor.isAccepting(state)       whether the run may end here
 *     monitor.verdict(state)           'currently-true', …, as in RV-LTL (Bauer, Leucker, Schallhart)
 *
 * The formula is made into an automaton. A state is what the rest of the run has to satisfy: a Boolean function, as a
 * decision diagram, of elementary demands such as "from here on, f U g". One event turns each demand into a function of
 * the atoms of the event and of demands on what follows; with the atoms above the demands in the diagram, its upper part
 * is the guard and each diagram that hangs below is a following state. So 2^n sets of atoms are never listed.
 *
 * Where the automaton would be too large, the monitor keeps the formula itself and progresses it (progression.ts). Verdicts
 * of the run so far are then just as exact; but that a rule can no longer be kept is seen only when the formula has become
 * `false`, not always before. `lookAhead` is false then.
 *
 * Invariants
 *   M1. `isAccepting` after a run says whether the run satisfies the formula, with or without look-ahead.
 *   M2. With look-ahead, `permits` is false exactly when no way to go on, stopping at once included, satisfies the formula.
 *       Without, true may be too hopeful; false is right, or else what would be left is too large to keep.
 *   M3. A state is plain JSON: a number with look-ahead, the text of a formula without. The same formula and options
 *       number the states alike, on every machine.
 *   M4. `exclusive` restricts the events that may come, not what an event means: it makes more states hopeless and more
 *       verdicts permanent, and leaves `step` and `isAccepting` as they are.
 *   M5. Compiling is bounded in states, nodes and work, all counted, none timed.
 */
import type { Bdd } from './bdd.ts'
import { FALSE, TRUE, TooLarge, createBdd, unlessTooLarge } from './bdd.ts'
import type { Formula } from './ltlf.ts'
import { atomsOf, checkSize, parseFormula } from './ltlf.ts'
import type { Event, Node, Pool } from './progression.ts'
import { createPool } from './progression.ts'

export type { Event } from './progression.ts'

/** Permanent: nothing that follows can change it. Current: so it would be if the run ended here. */
export type Verdict = 'permanently-true' | 'permanently-false' | 'currently-true' | 'currently-false'

/** Plain JSON. It means something only together with the formula and the options of its monitor. */
export type MonitorState = number | string

export interface MonitorOptions {
  /** Groups of atoms of which an event has at most one, such as the names of tools. @default none */
  readonly exclusive?: readonly (readonly string[])[]
  /** States of the automaton, beyond which there is no look-ahead. @default 4096 */
  readonly statesMax?: number
  /** Nodes of its decision diagrams, 2^20 at most. @default 200,000 */
  readonly nodesMax?: number
  /** Steps of work, of which a machine does some millions a second. @default 2,000,000 */
  readonly workMax?: number
}

/** An event that may come. */
export interface Candidate {
  /** Atoms that hold of it. */
  readonly atoms: Event
  /** Atoms that may hold of it or not, such as those that depend on arguments not yet written. @default none */
  readonly maybe?: Event
}

export interface Monitor {
  readonly start: MonitorState
  /** Atoms the formula speaks of; others are ignored in events. */
  readonly atoms: readonly string[]
  /** Whether hopeless states are known exactly. Without it, they are seen only when the formula has become false. */
  readonly lookAhead: boolean
  /** Reachable states of the automaton; 0 without look-ahead. */
  readonly states: number
  /** The state after this event. Throws a RangeError where, without look-ahead, what is left grows too large. */
  readonly step: (state: MonitorState, event: Event) => MonitorState
  /** Whether the formula can still be satisfied after this event. */
  readonly permits: (state: MonitorState, event: Event) => boolean
  /** Whether the formula can still be satisfied after this event, for some choice of the atoms that may hold. */
  readonly canPermit: (state: MonitorState, candidate: Candidate) => boolean
  /** Whether the run so far satisfies the formula. */
  readonly isAccepting: (state: MonitorState) => boolean
  readonly verdict: (state: MonitorState) => Verdict
  /**
   * The fewest events after which the run may end, each as the atoms it must have (others it must not): what is still
   * owed. Empty where it may end now; undefined where it never may, and without look-ahead.
   */
  readonly wayToEnd: (state: MonitorState) => readonly (readonly string[])[] | undefined
  /** The automaton, for lints; undefined without look-ahead. */
  readonly automaton: Automaton | undefined
}

/** States 0, 1, … in the order in which they are found; 0 is the start. */
export interface Automaton {
  readonly atoms: readonly string[]
  /** Of each state: whether the run may end here. */
  readonly accepting: readonly boolean[]
  /** Of each state: whether an accepting one can be reached, itself included. */
  readonly hopeful: readonly boolean[]
  /** Of each state: whether one that is not accepting can be reached, itself included. */
  readonly doubtful: readonly boolean[]
  /** Of each state: the first node of its guard, or `~state` where there is nothing to ask. */
  readonly guards: readonly number[]
  /** Three numbers a node: the atom it asks for, where to go if it holds, where if not; a node, or `~state`. */
  readonly nodes: readonly number[]
  /** Of each state: the first event of a shortest way to an accepting one, as its atoms; undefined where none is needed. */
  readonly ways: readonly (readonly string[] | undefined)[]
  /** Of each state: the atoms that some event has that leads from it to a hopeful state. */
  readonly enabled: readonly (readonly string[])[]
  /** Of each state: the states that an event can lead to. */
  readonly successors: readonly (readonly number[])[]
}

/** The bounds of compiling that hold unless others are given. */
export const compileLimits = { statesMax: 4096, nodesMax: 200_000, workMax: 2_000_000 } as const

/** Makes the monitor of a formula. Throws a RangeError when the formula is larger than formulas may be. */
export function compileMonitor(formula: Formula, options: MonitorOptions = {}): Monitor {
  checkSize(formula)
  const automaton = compileAutomaton(formula, options)
  return automaton === undefined ? progressing(formula) : running(automaton)
}

/** The automaton of a formula, or undefined where it would be too large. */
export function compileAutomaton(formula: Formula, options: MonitorOptions = {}): Automaton | undefined {
  return unlessTooLarge(() => explore(formula, { ...compileLimits, ...options }))
}

// -------------------------------------------------------------------------------------------------- with an automaton

function running(automaton: Automaton): Monitor {
  const { atoms, accepting, hopeful, doubtful, guards, nodes } = automaton
  // As the index is a state only while the JSON it came from is ours, it is checked.
  const indexOf = (state: MonitorState): number => {
    if (typeof state !== 'number' || !(state in guards)) throw new TypeError(`no state of this monitor: ${state}`)
    return state
  }
  const move = (state: MonitorState, event: Event): number => {
    let at = guards[indexOf(state)] as number
    while (at >= 0) at = nodes[at + (event.has(atoms[nodes[at] as number] as string) ? 1 : 2)] as number
    return ~at
  }
  const canPermit = (state: MonitorState, { atoms: held, maybe }: Candidate): boolean => {
    if (maybe === undefined || maybe.size === 0) return hopeful[move(state, held)] as boolean
    const seen = new Set<number>()
    const visit = (at: number): boolean => {
      if (at < 0) return hopeful[~at] as boolean
      if (seen.has(at)) return false
      seen.add(at)
      const name = atoms[nodes[at] as number] as string
      const [high, low] = [nodes[at + 1] as number, nodes[at + 2] as number]
      return held.has(name) ? visit(high) : visit(low) || (maybe.has(name) && visit(high))
    }
    return visit(guards[indexOf(state)] as number)
  }
  return {
    start: 0,
    atoms,
    lookAhead: true,
    states: guards.length,
    step: move,
    permits: (state, event) => hopeful[move(state, event)] as boolean,
    canPermit,
    isAccepting: (state) => accepting[indexOf(state)] as boolean,
    verdict: (state) => {
      const index = indexOf(state)
      return verdictOf(accepting[index] as boolean, (accepting[index] ? doubtful[index] : hopeful[index]) as boolean)
    },
    wayToEnd: (state) => {
      const way: (readonly string[])[] = []
      let index = indexOf(state)
      if (!hopeful[index]) return undefined
      for (let event = automaton.ways[index]; event !== undefined; event = automaton.ways[index]) {
        way.push(event)
        index = move(index, new Set(event))
      }
      return way
    },
    automaton,
  }
}

const verdictOf = (isTrue: boolean, canChange: boolean): Verdict =>
  isTrue ? (canChange ? 'currently-true' : 'permanently-true') : canChange ? 'currently-false' : 'permanently-false'

// ------------------------------------------------------------------------------------------------------- without one

/** States whose nodes are kept at hand; beyond it all are forgotten, and read again from their text. */
const KEPT_STATES_MAX = 1_000

function progressing(formula: Formula): Monitor {
  let pool = createPool()
  let kept = new Map<string, Node>()
  const nodeOf = (state: MonitorState): Node => {
    const found = kept.get(String(state))
    if (found !== undefined) return found
    if (typeof state !== 'string') throw new TypeError(`no state of this monitor: ${state}`)
    if (kept.size >= KEPT_STATES_MAX) {
      pool = createPool()
      kept = new Map()
    }
    const node = pool.intern(parseFormula(state))
    kept.set(state, node)
    return node
  }
  /** What is left after the event; undefined where that is too large to keep. */
  const progress = (state: MonitorState, event: Event): Node | undefined => {
    const node = nodeOf(state)
    return unlessTooLarge(() => pool.progress(node, event))
  }
  // Doubt never widens: an event after which the rest is too large to keep is refused.
  const permits = (state: MonitorState, event: Event): boolean => (progress(state, event)?.kind ?? 'false') !== 'false'
  const root = unlessTooLarge(() => pool.intern(formula))
  if (root === undefined) throw new RangeError('a formula whose <-> are undone must still be small enough')
  return {
    start: root.text,
    atoms: atomsOf(formula),
    lookAhead: false,
    states: 0,
    step: (state, event) => {
      const rest = progress(state, event)
      if (rest === undefined) throw new RangeError('what is left of the formula after this event is too large')
      return rest.text
    },
    permits,
    // Too hopeful where the choices together leave nothing; the event itself is asked about again.
    canPermit: (state, { atoms, maybe }) => (maybe !== undefined && maybe.size > 0) || permits(state, atoms),
    isAccepting: (state) => nodeOf(state).empty,
    verdict: (state) => {
      const { kind, empty } = nodeOf(state)
      return verdictOf(empty, kind !== 'true' && kind !== 'false')
    },
    wayToEnd: () => undefined,
    automaton: undefined,
  }
}

// --------------------------------------------------------------------------------------------------------- compiling

type Limits = MonitorOptions & { readonly statesMax: number; readonly nodesMax: number; readonly workMax: number }

/** Finds all states, breadth first, and what can be reached from each. */
function explore(formula: Formula, options: Limits): Automaton {
  const bdd = createBdd(options.nodesMax, options.workMax)
  const pool = createPool()
  const root = pool.intern(formula)
  const atoms = orderedAtoms(formula, options.exclusive ?? [])
  const demands = createDemands(bdd, pool, atoms)
  const levels = new Map(atoms.map((name, level) => [name, level]))
  const allowed = exclusion(bdd, levels, options.exclusive ?? [])

  const states: number[] = []
  const numbers = new Map<number, number>()
  const numberOf = (state: number): number => {
    const found = numbers.get(state)
    if (found !== undefined) return found
    if (states.length >= options.statesMax) throw new TooLarge(`more than ${options.statesMax} states`)
    numbers.set(state, states.length)
    return states.push(state) - 1
  }
  const flat = createFlattening(bdd, atoms.length, numberOf)
  numberOf(demands.ofRest(root))
  const successors: number[][] = []
  const guards: number[] = []
  const functions: number[] = []
  for (let i = 0; i < states.length; i++) {
    const guard = demands.afterEvent(states[i] as number)
    functions.push(guard)
    guards.push(flat.add(guard))
    successors.push(leavesOf(bdd, atoms.length, guard, allowed).map((leaf) => numbers.get(leaf) as number))
  }

  const accepting = states.map((state) => demands.allowsEnd(state))
  const distances = distancesTo(accepting, successors)
  const hopeful = distances.map((distance) => distance < Infinity)
  const doubts = distancesTo(
    accepting.map((is) => !is),
    successors,
  )
  const ways = functions.map((guard, state) => {
    const distance = distances[state] as number
    if (distance === 0 || distance === Infinity) return undefined
    const isCloser = (leaf: number): boolean => (distances[numbers.get(leaf) as number] as number) < distance
    return leastEvent(bdd, atoms, bdd.and(whereLeaf(bdd, atoms.length, isCloser)(guard), allowed))
  })
  const toHope = whereLeaf(bdd, atoms.length, (leaf) => hopeful[numbers.get(leaf) as number] as boolean)
  const enabled = functions.map((guard) => {
    const hopes = bdd.and(toHope(guard), allowed)
    return atoms.filter((_, level) => bdd.and(hopes, bdd.variable(level)) !== FALSE)
  })
  const doubtful = doubts.map((distance) => distance < Infinity)
  return { atoms, accepting, hopeful, doubtful, guards, nodes: flat.nodes, ways, enabled, successors }
}

/** Atoms of the formula as first written, those of a group together: so "at most one of them" stays small. */
function orderedAtoms(formula: Formula, groups: readonly (readonly string[])[]): string[] {
  const names = atomsOf(formula)
  const ordered = new Set<string>()
  for (const name of names) {
    ordered.add(name)
    for (const group of groups)
      if (group.includes(name)) for (const other of names) if (group.includes(other)) ordered.add(other)
  }
  return [...ordered]
}

/** True where at most one atom of each group holds. */
export function exclusion(
  bdd: Bdd,
  levels: ReadonlyMap<string, number>,
  groups: readonly (readonly string[])[],
): number {
  let allowed = TRUE
  for (const group of groups) {
    let none = TRUE
    let atMostOne = TRUE
    const known = [...new Set(group)].map((name) => levels.get(name)).filter((level) => level !== undefined)
    for (const level of known.sort((a, b) => b - a)) {
      const holds = bdd.variable(level)
      atMostOne = bdd.choose(holds, none, atMostOne)
      none = bdd.and(bdd.not(holds), none)
    }
    allowed = bdd.and(allowed, atMostOne)
  }
  return allowed
}

interface Demands {
  /** "The rest of the run, which may be empty, satisfies this", as a function of demands. */
  readonly ofRest: (node: Node) => number
  /** A state, a function of demands, as a function of the atoms of the coming event and of demands on what follows it. */
  readonly afterEvent: (state: number) => number
  /** Whether the empty run meets the state. */
  readonly allowsEnd: (state: number) => boolean
}

/**
 * A demand is a variable that stands for "there is a next event, and from it on f holds", for an elementary f: an atom, an X
 * or a U formula. All demands are false of the empty run. What else there is follows by negation: f R g is
 * !(!f U !g), N f is !X !f. So each demand and its negation share a variable, and contradictions vanish by themselves.
 */
function createDemands(bdd: Bdd, pool: Pool, atoms: readonly string[]): Demands {
  const levels = new Map(atoms.map((name, level) => [name, level]))
  const variables = new Map<Node, number>()
  const meanings: Node[] = []
  const nows = new Map<Node, number>()
  const afters = new Map<number, number>()
  const someEvent = pool.intern({ op: 'finally', of: { op: 'true' } })

  function demand(node: Node): number {
    const found = variables.get(node)
    if (found !== undefined) return found
    const variable = bdd.variable(atoms.length + meanings.length)
    meanings.push(node)
    variables.set(node, variable)
    return variable
  }

  /** "The event and what follows satisfy the node." */
  function now(node: Node): number {
    const found = nows.get(node)
    if (found !== undefined) return found
    const result = compute(node)
    nows.set(node, result)
    return result
  }

  function compute(node: Node): number {
    switch (node.kind) {
      case 'true':
        return TRUE
      case 'atom':
        return bdd.variable(levels.get(node.name) as number)
      case 'and':
        return node.parts.reduce((sum, part) => bdd.and(sum, now(part)), TRUE)
      case 'or':
        return node.parts.reduce((sum, part) => bdd.or(sum, now(part)), FALSE)
      case 'next':
        return node.of.empty ? bdd.and(ofRest(node.of), demand(someEvent)) : ofRest(node.of)
      case 'until':
        return bdd.or(now(node.right), bdd.and(now(node.left), demand(node)))
      default:
        // false, notAtom, weakNext, release: the negations of the others.
        return bdd.not(now(pool.negate(node)))
    }
  }

  function ofRest(node: Node): number {
    switch (node.kind) {
      case 'true':
        return TRUE
      case 'atom':
      case 'next':
      case 'until':
        return demand(node)
      case 'and':
        return node.parts.reduce((sum, part) => bdd.and(sum, ofRest(part)), TRUE)
      case 'or':
        return node.parts.reduce((sum, part) => bdd.or(sum, ofRest(part)), FALSE)
      default:
        return bdd.not(ofRest(pool.negate(node)))
    }
  }

  function afterEvent(state: number): number {
    if (state <= TRUE) return state
    const found = afters.get(state)
    if (found !== undefined) return found
    const meaning = meanings[bdd.level(state) - atoms.length] as Node
    const result = bdd.choose(now(meaning), afterEvent(bdd.high(state)), afterEvent(bdd.low(state)))
    afters.set(state, result)
    return result
  }

  function allowsEnd(state: number): boolean {
    while (state > TRUE) state = bdd.low(state)
    return state === TRUE
  }

  return { ofRest, afterEvent, allowsEnd }
}

/** Writes guards as plain numbers; `numberOf` names the states below them, high branch first. */
function createFlattening(bdd: Bdd, atomCount: number, numberOf: (state: number) => number) {
  const nodes: number[] = []
  const places = new Map<number, number>()
  function add(guard: number): number {
    if (bdd.level(guard) >= atomCount) return ~numberOf(guard)
    const found = places.get(guard)
    if (found !== undefined) return found
    const place = nodes.length
    places.set(guard, place)
    nodes.push(bdd.level(guard), 0, 0)
    nodes[place + 1] = add(bdd.high(guard))
    nodes[place + 2] = add(bdd.low(guard))
    return place
  }
  return { nodes, add }
}

/** The states below a guard that some allowed event leads to. */
function leavesOf(bdd: Bdd, atomCount: number, guard: number, allowed: number): number[] {
  const seen = new Set<string>()
  const leaves = new Set<number>()
  const visit = (f: number, within: number): void => {
    if (within === FALSE) return
    bdd.spend(1)
    if (bdd.level(f) >= atomCount) {
      leaves.add(f)
      return
    }
    const key = `${f} ${within}`
    if (seen.has(key)) return
    seen.add(key)
    const level = Math.min(bdd.level(f), bdd.level(within))
    const [fHigh, fLow] = bdd.level(f) === level ? [bdd.high(f), bdd.low(f)] : [f, f]
    const [high, low] = bdd.level(within) === level ? [bdd.high(within), bdd.low(within)] : [within, within]
    visit(fHigh, high)
    visit(fLow, low)
  }
  visit(guard, allowed)
  return [...leaves]
}

/** Where a guard leads to a state of which this is true, as a function of atoms; one such function serves many guards. */
function whereLeaf(bdd: Bdd, atomCount: number, isTrue: (leaf: number) => boolean): (guard: number) => number {
  const done = new Map<number, number>()
  function replace(f: number): number {
    if (bdd.level(f) >= atomCount) return isTrue(f) ? TRUE : FALSE
    const found = done.get(f)
    if (found !== undefined) return found
    const result = bdd.choose(bdd.variable(bdd.level(f)), replace(bdd.high(f)), replace(bdd.low(f)))
    done.set(f, result)
    return result
  }
  return replace
}

/** An event that satisfies a function of atoms that is not false: of two ways to go, the one without the atom. */
function leastEvent(bdd: Bdd, atoms: readonly string[], f: number): string[] {
  const event: string[] = []
  while (f > TRUE) {
    const canDoWithout = bdd.low(f) !== FALSE
    if (!canDoWithout) event.push(atoms[bdd.level(f)] as string)
    f = canDoWithout ? bdd.low(f) : bdd.high(f)
  }
  return event
}

/** Of each state, the fewest steps to a goal: 0 for a goal, Infinity where none can be reached. */
function distancesTo(goals: readonly boolean[], successors: readonly (readonly number[])[]): number[] {
  const before: number[][] = goals.map(() => [])
  for (const [from, list] of successors.entries()) for (const to of list) (before[to] as number[]).push(from)
  const distances = goals.map((is) => (is ? 0 : Infinity))
  const open = goals.flatMap((is, state) => (is ? [state] : []))
  for (const state of open) {
    for (const from of before[state] as number[]) {
      if (distances[from] !== Infinity) continue
      distances[from] = (distances[state] as number) + 1
      open.push(from)
    }
  }
  return distances
}
