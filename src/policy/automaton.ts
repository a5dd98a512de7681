/**
 * Automata: run a regular expression over a text in linear time, and prove what texts there are.
 *
 *     const automaton = createAutomaton(parseRegex('(a+)+b'), 'rules[0].args.x.matches')
 *     automaton.accepts('aab')                         // true, with no backtracking
 *     findText([automaton.walker()], ([is]) => is)     // { text: 'ab' }: the shortest text that satisfies a formula
 *
 * A text is read with the deterministic states of places.ts, which are made as texts call for them and kept. Some patterns,
 * such as `a[ab]{400}c`, are in another state at each character; a text that calls for too many new ones is matched anew
 * by marks.ts, which makes none. What that cannot do in time is done by sets of places, slower but as surely.
 * Questions about texts (is there one in this but not in that?) are searches, breadth first, through the product of such
 * automata, so that complement is only another reading of the end, and the witness found is a shortest one.
 *
 * Invariants
 *   A1. `accepts` takes time linear in the text. It keeps at most 1,000 deterministic states, of which a text adds at most 100.
 *   A2. Code points are put into classes that no place tells apart, so a state holds a handful of arrows, not 1,114,112.
 *   A3. `findText` looks at no more than 20,000 states in all and says 'unknown' beyond. It never says that there is no
 *       text when there is one.
 */
import type { Alphabet } from './alphabet.ts'
import { createMarking } from './marks.ts'
import type { Machine, State, States } from './places.ts'
import { createMachine, createStates, edge, keptStatesMax, newStatesMax } from './places.ts'
import type { Regex } from './regex.ts'
import { literalIn, lastCodePoint, statesMax, statesOf } from './regex.ts'

export interface Automaton {
  /** Whether the whole text is in the language. */
  accepts(text: string): boolean
  /** For `findText`. */
  walker(): Walker
}

/** A deterministic automaton that is walked class by class. States are numbers; the first is 0. */
export interface Walker {
  /** The code points where a class may begin; ascending, the first is 0. */
  readonly cuts: readonly number[]
  classOf(point: number): number
  /** The state after a code point of the class; undefined when there are too many states. */
  step(state: number, cls: number): number | undefined
  accepts(state: number): boolean
  /** Whether all continuations are accepted, none is, or it depends. */
  fate(state: number): boolean | undefined
}

/** Texts that ran out of the states kept, before others are kept. */
const overflowsMax = 500
const walkedStatesMax = 5_000
const productStatesMax = 20_000

/** Makes an automaton of a tree. Throws a TypeError when it needs too many states. */
export function createAutomaton(regex: Regex, at = 'pattern'): Automaton {
  // What `searching` adds comes on top of what parseRegex allows.
  if (statesOf(regex) > statesMax + 10) throw new TypeError(`${at} needs more than ${statesMax} states`)
  const machine = createMachine(regex)
  const literal = literalIn(regex)
  let states = createStates(machine)
  let overflows = 0
  let match: ReturnType<typeof createMarking> | undefined
  return {
    accepts(text) {
      // Of many patterns few are near: what must stand in the text is looked for first, and fast.
      if (literal !== '' && !text.includes(literal)) return false
      const stop = run(states, machine.alphabet, text)
      if (typeof stop === 'boolean') return stop
      if (states.count() >= keptStatesMax && ++overflows >= overflowsMax) {
        states = createStates(machine)
        overflows = 0
      }
      match ??= createMarking(regex, machine.alphabet)
      return match(text) ?? runBare(machine, stop, text)
    },
    walker: () => createWalker(machine),
  }
}

// ------------------------------------------------------------------------------------------------------------- running

/** Whether a text is accepted; or how far it came, where it needs more states than may be made. */
function run(states: States, alphabet: Alphabet, text: string): boolean | Stop {
  let state = states.start
  let newLeft = newStatesMax
  for (let i = 0; i < text.length; i++) {
    if (state.fate !== undefined) return state.fate
    let point = text.charCodeAt(i)
    if ((point & 0xfc00) === 0xd800) {
      point = text.codePointAt(i) as number
      if (point > 0xffff) i++
    }
    const cls = alphabet.classOf(point)
    const next = state.arrows[cls]
    if (next !== undefined) state = next
    else if (states.count() < keptStatesMax && newLeft-- > 0) state = states.step(state, cls)
    else return { state, at: point > 0xffff ? i - 1 : i }
  }
  return state.ends[edge] as boolean
}

/** Where a text was left: the state before a character, and where that stands. */
interface Stop {
  readonly state: State
  readonly at: number
}

/** Goes on from there without making states. */
function runBare(machine: Machine, { state, at }: Stop, text: string): boolean {
  let places = state.places.slice()
  let spare = new Uint32Array(machine.width)
  let { before } = state
  for (let i = at; i < text.length; i++) {
    const point = text.codePointAt(i) as number
    if (point > 0xffff) i++
    const cls = machine.alphabet.classOf(point)
    machine.step(places, before, cls, spare)
    ;[places, spare] = [spare, places]
    before = machine.kindOf(cls)
  }
  return machine.endsIn(places, before, edge)
}

// -------------------------------------------------------------------------------------------------------------- walkers

function createWalker(machine: Machine): Walker {
  const states = createStates(machine)
  return {
    cuts: machine.alphabet.cuts,
    classOf: machine.alphabet.classOf,
    step(id, cls) {
      const state = states.get(id)
      const known = state.arrows[cls]
      if (known !== undefined) return known.id
      return states.count() < walkedStatesMax ? states.step(state, cls).id : undefined
    },
    accepts: (id) => states.get(id).ends[edge] as boolean,
    fate: (id) => states.get(id).fate,
  }
}

/** Texts whose length, in code points, is at least `min` and at most `max`. */
export function lengthWalker(min: number, max: number): Walker {
  // The state is the length read so far; beyond the last number that matters, one more state.
  const last = max === Infinity ? min : max + 1
  return {
    cuts: [0],
    classOf: () => 0,
    step: (length) => Math.min(length + 1, last),
    accepts: (length) => length >= min && length <= max,
    fate: (length) => (length > max ? false : length >= min && max === Infinity ? true : undefined),
  }
}

/** The texts of a list. */
export function listWalker(texts: readonly string[]): Walker {
  const points = new Set<number>()
  const nodes: { readonly next: Map<number, number>; isEnd: boolean }[] = [{ next: new Map(), isEnd: false }]
  for (const text of texts) {
    let at = 0
    for (const char of text) {
      const point = char.codePointAt(0) as number
      points.add(point)
      let to = nodes[at]?.next.get(point)
      if (to === undefined) {
        to = nodes.push({ next: new Map(), isEnd: false }) - 1
        nodes[at]?.next.set(point, to)
      }
      at = to
    }
    const end = nodes[at]
    if (end !== undefined) end.isEnd = true
  }
  const cuts = new Set([0])
  for (const point of points) cuts.add(point).add(point + 1)
  cuts.delete(lastCodePoint + 1)
  const lost = nodes.length
  return {
    cuts: [...cuts].sort((a, b) => a - b),
    // A code point of the texts is its own class; all others are one.
    classOf: (point) => (points.has(point) ? point : -1),
    step: (at, cls) => nodes[at]?.next.get(cls) ?? lost,
    accepts: (at) => nodes[at]?.isEnd ?? false,
    fate: (at) => (at === lost || (nodes.length === 1 && !nodes[0]?.isEnd) ? false : undefined),
  }
}

// ------------------------------------------------------------------------------------------------------ texts, searched

/** A formula over walkers: from what each says (undefined when open) to true, false or open. */
export type Formula = (truths: readonly (boolean | undefined)[]) => boolean | undefined

/**
 * A shortest text that makes a formula true, undefined when there is none, or 'unknown' when that would take too long, or more
 * than is left of a budget. Printable ASCII is preferred.
 */
export function findText(
  walkers: readonly Walker[],
  formula: Formula,
  budget: { statesLeft: number } = { statesLeft: productStatesMax },
): { readonly text: string } | undefined | 'unknown' {
  const letters = commonLetters(walkers)
  interface Found {
    readonly states: readonly number[]
    readonly from: number
    readonly point: number
  }
  const found: Found[] = [{ states: walkers.map(() => 0), from: -1, point: 0 }]
  const seen = new Set([found[0]?.states.join()])
  for (let i = 0; i < found.length; i++) {
    const { states } = found[i] as Found
    if (formula(walkers.map((walker, w) => walker.accepts(states[w] as number))) === true)
      return { text: spell(found, i) }
    if (formula(walkers.map((walker, w) => walker.fate(states[w] as number))) === false) continue
    for (const { point, classes } of letters) {
      const next: number[] = []
      for (let w = 0; w < walkers.length; w++) {
        const state = walkers[w]?.step(states[w] as number, classes[w] as number)
        if (state === undefined) return 'unknown'
        next.push(state)
      }
      const key = next.join()
      if (seen.has(key)) continue
      if (found.length >= productStatesMax || budget.statesLeft-- <= 0) return 'unknown'
      seen.add(key)
      found.push({ states: next, from: i, point })
    }
  }
  return undefined
}

function spell(found: readonly { readonly from: number; readonly point: number }[], end: number): string {
  const points: number[] = []
  for (let i = end; i > 0; i = found[i]?.from as number) points.push(found[i]?.point as number)
  return points
    .toReversed()
    .map((point) => String.fromCodePoint(point))
    .join('')
}

interface Letter {
  readonly point: number
  /** Its class, by walker. */
  readonly classes: readonly number[]
}

/** One code point for each class that no walker tells apart, the ones that read well first. */
function commonLetters(walkers: readonly Walker[]): Letter[] {
  const cuts = [...new Set(walkers.flatMap(({ cuts }) => cuts))].sort((a, b) => a - b)
  if (cuts.length === 0) cuts.push(0)
  const bySignature = new Map<string, Letter>()
  cuts.forEach((cut, i) => {
    const point = readable(cut, (cuts[i + 1] ?? lastCodePoint + 1) - 1)
    const classes = walkers.map((walker) => walker.classOf(point))
    const signature = classes.join()
    const known = bySignature.get(signature)
    if (known === undefined || rank(point) < rank(known.point)) bySignature.set(signature, { point, classes })
  })
  return [...bySignature.values()].sort((a, b) => rank(a.point) - rank(b.point) || a.point - b.point)
}

/** Small letters, digits, capitals, the rest of ASCII that prints, other text, control characters, lone surrogates. */
const tastes: readonly (readonly [number, number])[] = [
  [97, 122],
  [48, 57],
  [65, 90],
  [33, 126],
  [32, 32],
  [0xa1, 0xd7ff],
  [0xe000, lastCodePoint],
  [0, 0xa0],
  [0xd800, 0xdfff],
]

function rank(point: number): number {
  return tastes.findIndex(([from, to]) => point >= from && point <= to)
}

function readable(from: number, to: number): number {
  for (const [low, high] of tastes) if (Math.max(low, from) <= Math.min(high, to)) return Math.max(low, from)
  return from
}
