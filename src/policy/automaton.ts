/**
 * Automata: run a regular expression over a text in linear time, and prove what texts there are.
 *
 *     const automaton = createAutomaton(parseRegex('(a+)+b'), 'rules[0].args.x.matches')
 *     automaton.accepts('aab')                         // true, with no backtracking
 *     findText([automaton.walker()], ([is]) => is)     // { text: 'ab' }: the shortest text that satisfies a formula
 *
 * A tree becomes a position automaton (Glushkov 1961): a state is the set of places whose character was just read, and
 * `^ $ \b` are decided on the way from one place to the next, from the kind of the character before and after. Sets of
 * places become states of a deterministic automaton as texts call for them (Thompson 1968; RE2's lazy DFA). Questions
 * about texts (is there one in this but not in that?) are searches, breadth first, through the product of such automata,
 * so that complement is only another reading of the end, and the witness found is a shortest one.
 *
 * Invariants
 *   A1. `accepts` reads each code point once. It keeps at most 1,000 deterministic states; past that it goes on with bare
 *       sets of places for the rest of the text.
 *   A2. Code points are put into classes that no place tells apart, so a state holds a handful of arrows, not 1,114,112.
 *   A3. A place from which the end cannot be reached is dropped: an empty set means that no continuation is accepted.
 *   A4. `findText` looks at no more than 20,000 states in all and says 'unknown' beyond. It never says that there is no
 *       text when there is one.
 */
import type { Ranges, Regex } from './regex.ts'
import { literalIn, lastCodePoint, statesMax, statesOf, wordChars } from './regex.ts'

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

const cachedStatesMax = 1_000
/** Texts that ran out of the states kept, before others are kept. */
const overflowsMax = 500
const walkedStatesMax = 5_000
const productStatesMax = 20_000

/** Makes an automaton of a tree. Throws a TypeError when it needs too many states. */
export function createAutomaton(regex: Regex, at = 'pattern'): Automaton {
  // What `searching` adds comes on top of what parseRegex allows.
  if (statesOf(regex) > statesMax + 10) throw new TypeError(`${at} needs more than ${statesMax} states`)
  const machine = createMachine(regex)
  let cache = createStates(machine)
  const literal = literalIn(regex)
  return {
    accepts(text) {
      // Of many patterns few are near: what must stand in the text is looked for first, and fast.
      if (literal !== '' && !text.includes(literal)) return false
      if (cache.overflows >= overflowsMax) cache = createStates(machine)
      return run(machine, cache, text)
    },
    walker: () => createWalker(machine),
  }
}

// ---------------------------------------------------------------------------------------------------------- the machine

/** Kinds of neighbours, for assertions: the edge of the text, a word character, another. */
const edge = 0
const word = 1
const other = 2

type Bits = Uint32Array

interface Machine {
  /** Places that read a character; one more, the last, stands for the start. */
  readonly places: number
  /** Words in a set of places. */
  readonly width: number
  readonly cuts: readonly number[]
  readonly classes: number
  classOf(point: number): number
  /** Kind of the characters of a class: `word` or `other`; all `other` where no assertion tells them apart. */
  kindOf(cls: number): number
  /** Writes the places after a character of the class into `next`, given the places just read and the kind there. */
  step(places: Bits, before: number, cls: number, next: Bits): void
  /** Whether the text may end after one of the places, given the kind of the character read there. */
  endsIn(places: Bits, before: number): boolean
  /** Places after which every continuation is accepted. */
  readonly always: Bits
}

/** The places that are reached without reading a character, and whether the end is (it counts at an edge). */
interface Closure {
  readonly bits: Bits
  readonly ends: boolean
}

/**
 * Where places lead, between characters of two kinds. Most lead to the place below them, as in `abc`, which is one shift
 * for all of them; the others are grouped by where they lead besides (after Hyperscan's LimEx, Wang et al. 2019).
 */
interface Arrows {
  /** Places that lead to the one below. */
  readonly chain: Bits
  /** Places that lead elsewhere too. */
  readonly leaping: Bits
  /** The group of each place that leaps. */
  readonly groupOf: Int32Array
  readonly groups: readonly { readonly members: Bits; readonly targets: Bits }[]
}

type Node =
  | { readonly kind: 'chars'; readonly place: number; readonly to: number }
  | { readonly kind: 'split'; readonly to: number[] }
  | { readonly kind: 'assertion'; readonly is: 'start' | 'end' | 'boundary' | 'inside'; readonly to: number }
  | { readonly kind: 'end' }

function createMachine(regex: Regex): Machine {
  const nodes: Node[] = [{ kind: 'end' }]
  const sets: Ranges[] = []
  const start = lay(regex, 0, nodes, sets)
  const asserts = nodes.filter((node) => node.kind === 'assertion')
  const seesWords = asserts.some((node) => node.is === 'boundary' || node.is === 'inside')
  const alphabet = createAlphabet(seesWords ? [...sets, wordChars] : sets)
  const places = sets.length
  const width = (places + 32) >>> 5
  const entries: number[] = []
  for (const node of nodes) if (node.kind === 'chars') entries[node.place] = node.to
  entries[places] = start
  const readers = alphabet.samples.map((sample) =>
    bitsOf(width, places, (place) => isIn(sets[place] as Ranges, sample)),
  )
  const kinds = alphabet.samples.map((sample) => (seesWords && isIn(wordChars, sample) ? word : other))
  const insides = seesWords ? [word, other] : [other]
  const closures = new Map<number, Closure>()
  const close = createClosing(nodes, width)
  const closure = (place: number, before: number, after: number): Closure => {
    // Without assertions the neighbours tell nothing.
    const key = asserts.length === 0 ? place : place * 9 + before * 3 + after
    let found = closures.get(key)
    if (found === undefined) closures.set(key, (found = close(entries[place] as number, before, after)))
    return found
  }
  const useful = usefulPlaces(places, width, insides, closure)
  const ends = [edge, word, other].map((before) =>
    before !== edge && !insides.includes(before)
      ? new Uint32Array(width)
      : bitsOf(
          width,
          places + 1,
          (place) => (before === edge) === (place === places) && closure(place, before, edge).ends,
        ),
  )
  const always = bitsOf(
    width,
    places,
    (place) =>
      readers.every((bits) => has(bits, place)) &&
      insides.every(
        (before) =>
          has(ends[before] as Bits, place) && insides.every((after) => has(closure(place, before, after).bits, place)),
      ),
  )
  // All of it now, so that the closures, which take much more room, can go.
  const tables: Arrows[] = []
  const firsts: Bits[] = []
  for (const after of insides) {
    firsts[after] = closure(places, edge, after).bits.map((bits, i) => bits & (useful[i] as number))
    for (const before of insides)
      tables[before * 3 + after] = createArrows(places, width, useful, (place) => closure(place, before, after).bits)
  }
  return {
    places,
    width,
    cuts: alphabet.cuts,
    classes: readers.length,
    classOf: alphabet.classOf,
    kindOf: (cls) => kinds[cls] as number,
    step(from, before, cls, next) {
      const kind = kinds[cls] as number
      if (before === edge) next.set(firsts[kind] as Bits)
      else follow(tables[before * 3 + kind] as Arrows, from, next)
      const readers_ = readers[cls] as Bits
      for (let i = 0; i < width; i++) next[i] = (next[i] as number) & (readers_[i] as number)
    },
    endsIn: (from, before) => meets(from, ends[before] as Bits),
    always,
  }
}

function createArrows(places: number, width: number, useful: Bits, closed: (place: number) => Bits): Arrows {
  const chain = new Uint32Array(width)
  const leaping = new Uint32Array(width)
  const groupOf = new Int32Array(places)
  const groups: { readonly members: Bits; readonly targets: Bits }[] = []
  const byTargets = new Map<string, number>()
  for (let place = 0; place < places; place++) {
    const targets = closed(place).map((bits, i) => bits & (useful[i] as number))
    if (place > 0 && has(targets, place - 1)) {
      add(chain, place)
      targets[(place - 1) >>> 5] = (targets[(place - 1) >>> 5] as number) & ~(1 << ((place - 1) & 31))
    }
    if (targets.every((bits) => bits === 0)) continue
    const key = targets.join()
    let group = byTargets.get(key)
    if (group === undefined) {
      group = groups.push({ members: new Uint32Array(width), targets }) - 1
      byTargets.set(key, group)
    }
    add((groups[group] as { members: Bits }).members, place)
    add(leaping, place)
    groupOf[place] = group
  }
  return { chain, leaping, groupOf, groups }
}

/** Writes where places lead into `next`. */
function follow({ chain, leaping, groupOf, groups }: Arrows, from: Bits, next: Bits): void {
  const width = from.length
  let carry = 0
  let leaps = 0
  for (let i = width - 1; i >= 0; i--) {
    const places = from[i] as number
    const chained = places & (chain[i] as number)
    next[i] = (chained >>> 1) | carry
    carry = chained << 31
    const leap = places & (leaping[i] as number)
    if (leap !== 0) leaps += ones(leap)
  }
  if (leaps > groups.length) {
    for (const { members, targets } of groups)
      if (meets(from, members)) for (let i = 0; i < width; i++) next[i] = (next[i] as number) | (targets[i] as number)
    return
  }
  for (let w = 0; w < width && leaps > 0; w++) {
    for (let rest = (from[w] as number) & (leaping[w] as number); rest !== 0; rest &= rest - 1) {
      const { targets } = groups[groupOf[w * 32 + 31 - Math.clz32(rest & -rest)] as number] as { targets: Bits }
      for (let i = 0; i < width; i++) next[i] = (next[i] as number) | (targets[i] as number)
    }
  }
}

/** Lays a tree out in front of a node; gives the node where it begins. Repetitions are written out. */
function lay(regex: Regex, to: number, nodes: Node[], sets: Ranges[]): number {
  switch (regex.kind) {
    case 'chars':
      sets.push(regex.ranges)
      return nodes.push({ kind: 'chars', place: sets.length - 1, to }) - 1
    case 'assertion':
      return nodes.push({ kind: 'assertion', is: regex.is, to }) - 1
    case 'sequence':
      return regex.parts.reduceRight((next, part) => lay(part, next, nodes, sets), to)
    case 'choice':
      return nodes.push({ kind: 'split', to: regex.parts.map((part) => lay(part, to, nodes, sets)) }) - 1
    case 'repeat': {
      let next = to
      if (regex.max === Infinity) {
        const loop: number[] = [to]
        next = nodes.push({ kind: 'split', to: loop }) - 1
        loop.push(lay(regex.part, next, nodes, sets))
      } else
        for (let i = regex.min; i < regex.max; i++)
          next = nodes.push({ kind: 'split', to: [to, lay(regex.part, next, nodes, sets)] }) - 1
      for (let i = 0; i < regex.min; i++) next = lay(regex.part, next, nodes, sets)
      return next
    }
  }
}

/** Finds what is reached from a node without reading a character. */
function createClosing(
  nodes: readonly Node[],
  width: number,
): (from: number, before: number, after: number) => Closure {
  const seen = new Int32Array(nodes.length)
  let round = 0
  return (from, before, after) => {
    round++
    const bits = new Uint32Array(width)
    let ends = false
    const open = [from]
    seen[from] = round
    const visit = (to: number): void => {
      if (seen[to] === round) return
      seen[to] = round
      open.push(to)
    }
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      const node = nodes[id] as Node
      if (node.kind === 'chars') add(bits, node.place)
      else if (node.kind === 'end') ends = true
      else if (node.kind === 'split') node.to.forEach(visit)
      else if (isTrue(node.is, before, after)) visit(node.to)
    }
    return { bits, ends }
  }
}

function isTrue(is: 'start' | 'end' | 'boundary' | 'inside', before: number, after: number): boolean {
  if (is === 'start') return before === edge
  if (is === 'end') return after === edge
  return ((before === word) !== (after === word)) === (is === 'boundary')
}

/** The places from which the end can be reached (A3). */
function usefulPlaces(
  places: number,
  width: number,
  insides: readonly number[],
  closure: (place: number, before: number, after: number) => Closure,
): Bits {
  const comeFrom: number[][] = Array.from({ length: places }, () => [])
  const useful = new Uint32Array(width)
  const open: number[] = []
  const keep = (place: number): void => {
    if (has(useful, place)) return
    add(useful, place)
    open.push(place)
  }
  for (let place = 0; place < places; place++) {
    for (const before of insides) {
      if (closure(place, before, edge).ends) keep(place)
      for (const after of insides) eachBit(closure(place, before, after).bits, (to) => comeFrom[to]?.push(place))
    }
  }
  for (let place = open.pop(); place !== undefined; place = open.pop()) comeFrom[place]?.forEach(keep)
  return useful
}

// --------------------------------------------------------------------------------------------------------- the alphabet

interface Alphabet {
  readonly cuts: readonly number[]
  /** A code point of each class. */
  readonly samples: readonly number[]
  classOf(point: number): number
}

/** Splits the code points into classes that no set tells apart. */
function createAlphabet(sets: readonly Ranges[]): Alphabet {
  const distinct = [...new Map(sets.map((set) => [set.join(), set])).values()]
  const points = new Set([0])
  for (const set of distinct)
    for (let i = 0; i < set.length; i++) points.add(i % 2 === 0 ? (set[i] as number) : (set[i] as number) + 1)
  points.delete(lastCodePoint + 1)
  const cuts = [...points].sort((a, b) => a - b)
  const classes = new Map<string, number>()
  const samples: number[] = []
  const classAt = cuts.map((cut) => {
    const signature = distinct.map((set) => (isIn(set, cut) ? '1' : '0')).join('')
    let cls = classes.get(signature)
    if (cls === undefined) {
      cls = samples.push(cut) - 1
      classes.set(signature, cls)
    }
    return cls
  })
  const search = (point: number): number => classAt[lastAtMost(cuts, point)] as number
  const latin = Uint16Array.from({ length: 256 }, (_, point) => search(point))
  return { cuts, samples, classOf: (point) => (point < 256 ? (latin[point] as number) : search(point)) }
}

/** The index of the last number that is at most the given one. */
function lastAtMost(numbers: readonly number[], at: number): number {
  let low = 0
  let high = numbers.length - 1
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if ((numbers[middle] as number) <= at) low = middle
    else high = middle - 1
  }
  return low
}

function isIn(set: Ranges, point: number): boolean {
  for (let i = 0; i < set.length; i += 2)
    if (point >= (set[i] as number) && point <= (set[i + 1] as number)) return true
  return false
}

// ------------------------------------------------------------------------------------------------------ sets and states

function add(bits: Bits, i: number): void {
  bits[i >>> 5] = (bits[i >>> 5] as number) | (1 << (i & 31))
}

function has(bits: Bits, i: number): boolean {
  return (((bits[i >>> 5] as number) >>> (i & 31)) & 1) === 1
}

function eachBit(bits: Bits, visit: (i: number) => void): void {
  for (let w = 0; w < bits.length; w++) {
    for (let rest = bits[w] as number; rest !== 0; rest &= rest - 1) visit(w * 32 + 31 - Math.clz32(rest & -rest))
  }
}

function bitsOf(width: number, count: number, isIn: (i: number) => boolean): Bits {
  const bits = new Uint32Array(width)
  for (let i = 0; i < count; i++) if (isIn(i)) add(bits, i)
  return bits
}

function meets(one: Bits, other: Bits): boolean {
  for (let i = 0; i < one.length; i++) if (((one[i] as number) & (other[i] as number)) !== 0) return true
  return false
}

/** How many bits of a word are set (Warren, Hacker's Delight, figure 5-2). */
function ones(bits: number): number {
  const pairs = bits - ((bits >>> 1) & 0x55555555)
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** A set of places just read, the kind of the character read there, and the arrows known so far. */
interface State {
  readonly id: number
  readonly places: Bits
  readonly before: number
  readonly arrows: (State | undefined)[]
  readonly fate: boolean | undefined
}

interface States {
  readonly start: State
  /** Texts that ran out of states. */
  overflows: number
  count(): number
  get(id: number): State
  /** The state after a code point of the class. It is kept. */
  step(state: State, cls: number): State
}

function createStates(machine: Machine): States {
  const byKey = new Map<string, State>()
  const all: State[] = []
  const enter = (places: Bits, before: number): State => {
    const key = `${before}:${places.join()}`
    const known = byKey.get(key)
    if (known !== undefined) return known
    const isEmpty = places.every((bits) => bits === 0)
    const arrows = Array.from<State | undefined>({ length: machine.classes })
    const fate = isEmpty ? false : meets(places, machine.always) ? true : undefined
    const state: State = { id: all.length, places, before, arrows, fate }
    all.push(state)
    byKey.set(key, state)
    return state
  }
  const start = enter(
    bitsOf(machine.width, machine.places + 1, (place) => place === machine.places),
    edge,
  )
  return {
    start,
    overflows: 0,
    count: () => all.length,
    get: (id) => all[id] as State,
    step(state, cls) {
      const places = new Uint32Array(machine.width)
      machine.step(state.places, state.before, cls, places)
      const next = enter(places, machine.kindOf(cls))
      state.arrows[cls] = next
      return next
    },
  }
}

function run(machine: Machine, states: States, text: string): boolean {
  let state = states.start
  for (let i = 0; i < text.length; i++) {
    if (state.fate !== undefined) return state.fate
    let point = text.charCodeAt(i)
    if ((point & 0xfc00) === 0xd800) {
      point = text.codePointAt(i) as number
      if (point > 0xffff) i++
    }
    const cls = machine.classOf(point)
    const next = state.arrows[cls]
    if (next !== undefined) state = next
    else if (states.count() < cachedStatesMax) state = states.step(state, cls)
    else {
      states.overflows++
      return runBare(machine, state, text, point > 0xffff ? i - 1 : i)
    }
  }
  return machine.endsIn(state.places, state.before)
}

/** Goes on from a position without keeping states. */
function runBare(machine: Machine, state: State, text: string, from: number): boolean {
  let places = state.places.slice()
  let spare = new Uint32Array(machine.width)
  let { before } = state
  for (let i = from; i < text.length; i++) {
    const point = text.codePointAt(i) as number
    if (point > 0xffff) i++
    const cls = machine.classOf(point)
    machine.step(places, before, cls, spare)
    ;[places, spare] = [spare, places]
    before = machine.kindOf(cls)
  }
  return machine.endsIn(places, before)
}

// -------------------------------------------------------------------------------------------------------------- walkers

function createWalker(machine: Machine): Walker {
  const states = createStates(machine)
  return {
    cuts: machine.cuts,
    classOf: (point) => machine.classOf(point),
    step(id, cls) {
      const state = states.get(id)
      const known = state.arrows[cls]
      if (known !== undefined) return known.id
      return states.count() < walkedStatesMax ? states.step(state, cls).id : undefined
    },
    accepts(id) {
      const { places, before } = states.get(id)
      return machine.endsIn(places, before)
    },
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
