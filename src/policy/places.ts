/**
 * Places: a regular expression as a position automaton, and the deterministic states that texts call for.
 *
 *     const states = createStates(createMachine(regex))
 *     let state = states.start
 *     for (const cls of classes) state = state.arrows[cls] ?? states.step(state, cls)
 *     state.ends[edge]      // whether the text may end here
 *
 * A tree becomes a position automaton (Glushkov 1961): a state is the set of places whose character was just read, and
 * `^ $ \b` are decided on the way from one place to the next, from the kind of the character before and after. Sets of
 * places become states of a deterministic automaton as texts call for them (Thompson 1968; RE2's lazy DFA).
 *
 * Invariants
 *   P1. Repetitions are written out, so places are at most what `statesOf` says.
 *   P2. A place from which the end cannot be reached is dropped: an empty set means that no continuation is accepted.
 *   P3. States are kept until all of them are let go; how many there may be is the caller's to bound.
 */
import type { Alphabet } from './alphabet.ts'
import { createAlphabet, isIn } from './alphabet.ts'
import type { Ranges, Regex } from './regex.ts'
import { wordChars } from './regex.ts'

/** States that are kept; and those of them that one text may add, which bounds what the first texts take. */
export const keptStatesMax = 1_000
export const newStatesMax = 100

/** Kinds of neighbours, for assertions: the edge of the text, a word character, another. */
export const edge = 0
const word = 1
const other = 2

type Bits = Uint32Array

export interface Machine {
  /** Places that read a character; one more, the last, stands for the start. */
  readonly places: number
  /** Words in a set of places. */
  readonly width: number
  readonly alphabet: Alphabet
  /** Kind of the characters of a class: `word` or `other`; all `other` where no assertion tells them apart. */
  kindOf(cls: number): number
  /** Writes the places after a character of the class into `next`, given the places just read and the kind there. */
  step(places: Bits, before: number, cls: number, next: Bits): void
  /** Whether one of the places may be the last, given the kinds of the character read there and of what comes next. */
  endsIn(places: Bits, before: number, after: number): boolean
  /** Places after which every continuation is accepted. */
  readonly always: Bits
}

/** The places that are reached without reading a character, and whether the end is. */
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

/** With the alphabet of a larger tree, it is a machine of a part of that, which may end anywhere in a text. */
export function createMachine(regex: Regex, whole?: Alphabet): Machine {
  const nodes: Node[] = [{ kind: 'end' }]
  const sets: Ranges[] = []
  const start = lay(regex, 0, nodes, sets)
  const asserts = nodes.filter((node) => node.kind === 'assertion')
  const seesWords = asserts.some((node) => node.is === 'boundary' || node.is === 'inside')
  const alphabet = whole ?? createAlphabet(seesWords ? [...sets, wordChars] : sets)
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
  const sides = [edge, ...insides]
  const endSides = whole === undefined ? [edge] : sides
  const useful = usefulPlaces(places, width, insides, endSides, closure)
  const ends: Bits[] = Array.from({ length: 9 }, () => new Uint32Array(width))
  for (const before of sides)
    for (const after of endSides)
      // At the edge before the text there is the start, and nothing else.
      ends[before * 3 + after] = bitsOf(
        width,
        places + 1,
        (place) => (before !== edge || place === places) && closure(place, before, after).ends,
      )
  const always = bitsOf(
    width,
    places,
    (place) =>
      readers.every((bits) => has(bits, place)) &&
      insides.every(
        (before) =>
          has(ends[before * 3 + edge] as Bits, place) &&
          insides.every((after) => has(closure(place, before, after).bits, place)),
      ),
  )
  // All of it now, so that the closures, which take much more room, can go.
  const tables: Arrows[] = []
  for (const after of insides)
    for (const before of sides) {
      const from = before === edge ? places : 0
      tables[before * 3 + after] = createArrows(
        from,
        places,
        width,
        useful,
        (place) => closure(place, before, after).bits,
      )
    }
  return {
    places,
    width,
    alphabet,
    kindOf: (cls) => kinds[cls] as number,
    step(from, before, cls, next) {
      follow(tables[before * 3 + (kinds[cls] as number)] as Arrows, from, next)
      const readers_ = readers[cls] as Bits
      for (let i = 0; i < width; i++) next[i] = (next[i] as number) & (readers_[i] as number)
    },
    endsIn: (from, before, after) => meets(from, ends[before * 3 + after] as Bits),
    always,
  }
}

/** Arrows of the places from a first one, and of the start, which is the last. */
function createArrows(
  first: number,
  places: number,
  width: number,
  useful: Bits,
  closed: (place: number) => Bits,
): Arrows {
  const chain = new Uint32Array(width)
  const leaping = new Uint32Array(width)
  const groupOf = new Int32Array(places + 1)
  const groups: { readonly members: Bits; readonly targets: Bits }[] = []
  const byTargets = new Map<string, number>()
  for (let place = first; place <= places; place++) {
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
  endSides: readonly number[],
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
      if (endSides.some((after) => closure(place, before, after).ends)) keep(place)
      for (const after of insides) eachBit(closure(place, before, after).bits, (to) => comeFrom[to]?.push(place))
    }
  }
  for (let place = open.pop(); place !== undefined; place = open.pop()) comeFrom[place]?.forEach(keep)
  return useful
}

// ---------------------------------------------------------------------------------------------------------------- sets

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

// -------------------------------------------------------------------------------------------------------------- states

/** A set of places just read, the kind of the character read there, and the arrows known so far. */
export interface State {
  readonly id: number
  readonly places: Bits
  readonly before: number
  readonly arrows: (State | undefined)[]
  /** Whether this may be the end, by the kind of what comes next; `edge` is the end of the text. */
  readonly ends: readonly boolean[]
  /** Whether all continuations are accepted, none is, or it depends. */
  readonly fate: boolean | undefined
  /** The state with the start besides. */
  anew: State | undefined
}

export interface States {
  readonly start: State
  /** Where nothing has begun. */
  readonly none: State
  count(): number
  get(id: number): State
  /** The state after a code point of the class. It is kept. */
  step(state: State, cls: number): State
  /** The state with the start besides: as if another reading began here. It is kept. */
  beginAnew(state: State): State
}

export function createStates(machine: Machine): States {
  const byKey = new Map<string, State>()
  const all: State[] = []
  const enter = (places: Bits, before: number): State => {
    // Two characters to a word, which is much faster than decimals.
    const key = String.fromCharCode(before, ...new Uint16Array(places.buffer))
    const known = byKey.get(key)
    if (known !== undefined) return known
    const isEmpty = places.every((bits) => bits === 0)
    const state: State = {
      id: all.length,
      places,
      before,
      arrows: Array.from<State | undefined>({ length: machine.alphabet.samples.length }),
      ends: [edge, word, other].map((after) => machine.endsIn(places, before, after)),
      fate: isEmpty ? false : meets(places, machine.always) ? true : undefined,
      anew: undefined,
    }
    all.push(state)
    byKey.set(key, state)
    return state
  }
  const startOnly = bitsOf(machine.width, machine.places + 1, (place) => place === machine.places)
  return {
    start: enter(startOnly, edge),
    none: enter(new Uint32Array(machine.width), edge),
    count: () => all.length,
    get: (id) => all[id] as State,
    step(state, cls) {
      const places = new Uint32Array(machine.width)
      machine.step(state.places, state.before, cls, places)
      const next = enter(places, machine.kindOf(cls))
      state.arrows[cls] = next
      return next
    },
    beginAnew(state) {
      const places = state.places.map((bits, i) => bits | (startOnly[i] as number))
      return (state.anew = enter(places, state.before))
    },
  }
}
