/**
 * Marks: match a text at all its positions at once, 32 to a word.
 *
 *     const match = createMarking(regex, alphabet)
 *     match('aab')      // true or false; undefined where it would take too long
 *
 * A mark stands before a character of the text, or at its end; a set of marks has a bit for each such position. From the
 * marks where a part of the tree may begin follow the marks where it may end. A character moves on the marks that stand
 * before one of its kind and drops the others; parts in sequence are done one after the other; a choice joins what its
 * parts give. `[ab]*` is one addition, whose carries run through the a and b, and `[ab]{400}` three moves, by 16, 128 and
 * 256, of the marks before so many a and b (the marker streams of icGrep: Cameron et al., Bitwise Data Parallelism in
 * Regular Expression Matching, PACT 2014). A loop around more goes on while it finds new marks, and where that takes many
 * rounds, its own automaton reads the text once, beginning anew at each mark.
 *
 * How many states an automaton of the whole could be in does not matter here, so this is for patterns such as
 * `a[ab]{400}c`, that are in another one at each character.
 *
 * Invariants
 *   M1. What it says is exact. It says undefined rather than touch more words than `workOf`, which is linear in the text,
 *       hold more than 4 MB of marks, or make more than 100 states of a loop for a text.
 *   M2. Marks never stand beyond the end: no set holds a character there.
 *   M3. The words of a set of marks outside of `from` to `to` are 0.
 */
import type { Alphabet } from './alphabet.ts'
import { isIn } from './alphabet.ts'
import type { States } from './places.ts'
import { createMachine, createStates, keptStatesMax, newStatesMax } from './places.ts'
import type { Ranges, Regex } from './regex.ts'
import { statesOf, wordChars } from './regex.ts'

/** Positions of a text: 32 to a word, the first in the lowest bit. */
type Bits = Int32Array

interface Marks {
  readonly bits: Bits
  /** The first word that may hold a mark, and the one after the last. */
  from: number
  to: number
}

/** A set of characters: its number, and its classes. */
interface Letters {
  readonly id: number
  readonly classes: readonly number[]
}

type Assertion = (Regex & { kind: 'assertion' })['is']
type Repeat = Regex & { kind: 'repeat' }

/** A tree, prepared. */
interface Plan {
  readonly alphabet: Alphabet
  readonly states: number
  readonly letters: ReadonlyMap<Ranges, Letters>
  /** The states of loops that needed many rounds. */
  readonly loops: Map<Repeat, States>
}

/** A text while it is matched. */
interface Reading {
  readonly plan: Plan
  /** The class of each code point. */
  readonly classes: Uint16Array
  /** Words in a set of positions. */
  readonly words: number
  /** Where characters of a class stand; undefined where there are none. */
  readonly byClass: readonly (Bits | undefined)[]
  /** By set of letters and k: where 2^k of them follow one another. */
  readonly runs: (Bits[] | undefined)[]
  readonly assertions: Map<Assertion, Bits>
  /** All 0, for new marks. */
  readonly spare: Bits[]
  /** Words that may yet be touched. Below 0, what is found means nothing. */
  workLeft: number
  /** Words that may yet be held. */
  roomLeft: number
}

const roomMaxWords = 1_000_000
/** Rounds of a loop before its automaton takes over: about as long as that takes. */
const roundsMax = 16

/** Prepares a tree. The alphabet must tell apart what its sets do, and word characters where it has `\b`. */
export function createMarking(regex: Regex, alphabet: Alphabet): (text: string) => boolean | undefined {
  const plan = prepare(regex, alphabet)
  return (text) => {
    const reading = read(plan, text)
    const marks = newMarks(reading)
    marks.bits[0] = 1
    marks.to = 1
    const ends = match(reading, regex, marks)
    return reading.workLeft < 0 ? undefined : has(ends.bits, reading.classes.length)
  }
}

/** Parts that are no loops take three words for each state and 32 characters, or less; loops get the same, and 20 a character. */
function workOf(length: number, states: number): number {
  return (length + 1_000) * (20 + states / 5)
}

function prepare(regex: Regex, alphabet: Alphabet): Plan {
  const byKey = new Map<string, Letters>()
  const letters = new Map<Ranges, Letters>()
  const enter = (ranges: Ranges): void => {
    const key = ranges.join()
    let known = byKey.get(key)
    if (known === undefined) {
      const classes = alphabet.samples.flatMap((sample, cls) => (isIn(ranges, sample) ? [cls] : []))
      known = { id: byKey.size, classes }
      byKey.set(key, known)
    }
    letters.set(ranges, known)
  }
  const walk = (part: Regex): void => {
    if (part.kind === 'chars') enter(part.ranges)
    else if (part.kind === 'repeat') walk(part.part)
    else if (part.kind !== 'assertion') part.parts.forEach(walk)
  }
  walk(regex)
  enter(wordChars)
  return { alphabet, states: statesOf(regex), letters, loops: new Map() }
}

function read(plan: Plan, text: string): Reading {
  const words = (text.length >>> 5) + 1
  const classes = new Uint16Array(text.length)
  const byClass = Array.from<Bits | undefined>({ length: plan.alphabet.samples.length })
  let roomLeft = roomMaxWords
  let length = 0
  for (let i = 0; i < text.length && roomLeft > 0; i++, length++) {
    let point = text.charCodeAt(i)
    if ((point & 0xfc00) === 0xd800) {
      point = text.codePointAt(i) as number
      if (point > 0xffff) i++
    }
    const cls = plan.alphabet.classOf(point)
    classes[length] = cls
    let bits = byClass[cls]
    if (bits === undefined) {
      byClass[cls] = bits = new Int32Array(words)
      roomLeft -= words
    }
    bits[length >>> 5] = (bits[length >>> 5] as number) | (1 << length)
  }
  return {
    plan,
    classes: classes.subarray(0, length),
    words,
    byClass,
    runs: [],
    assertions: new Map(),
    spare: [],
    workLeft: workOf(length, plan.states),
    roomLeft,
  }
}

// ------------------------------------------------------------------------------------------------------------- the tree

/** The marks where a part may end, from those where it may begin, which it takes over. */
function match(reading: Reading, regex: Regex, marks: Marks): Marks {
  if (isEmpty(marks) || reading.workLeft < 0) return marks
  switch (regex.kind) {
    case 'chars':
      advance(reading, marks, lettersIn(reading, regex.ranges), 0)
      return marks
    case 'assertion':
      keep(reading, marks, assertion(reading, regex.is))
      return marks
    case 'sequence':
      return regex.parts.reduce((all, part) => match(reading, part, all), marks)
    case 'choice': {
      const [first, ...others] = regex.parts as [Regex, ...Regex[]]
      const ends = others.map((part) => match(reading, part, copyOf(reading, marks)))
      const all = match(reading, first, marks)
      for (const some of ends) joinAndDrop(reading, all, some)
      return all
    }
    case 'repeat':
      return regex.part.kind === 'chars'
        ? repeatLetters(reading, regex, lettersIn(reading, regex.part.ranges), marks)
        : repeat(reading, regex, marks)
  }
}

function repeat(reading: Reading, regex: Repeat, marks: Marks): Marks {
  const { part, min, max } = regex
  let some = marks
  for (let i = 0; i < min && !isEmpty(some); i++) some = match(reading, part, some)
  if (min === max) return some
  const all = copyOf(reading, some)
  // Only marks that are new lead to new ones.
  for (let i = min; i < max && !isEmpty(some) && reading.workLeft >= 0; i++) {
    if (max === Infinity && i >= min + roundsMax) {
      loop(reading, regex, all)
      break
    }
    some = match(reading, part, some)
    remove(reading, some, all)
    join(reading, all, some)
  }
  drop(reading, some)
  return all
}

/** Repeats letters, by moves whose lengths are powers of two. */
function repeatLetters(reading: Reading, { min, max }: Repeat, letters: Letters, marks: Marks): Marks {
  for (let power = 0; min >> power > 0; power++) if (((min >> power) & 1) === 1) advance(reading, marks, letters, power)
  if (max === Infinity) {
    fill(reading, marks, runsOf(reading, letters, 0))
    return marks
  }
  // When all counts up to `done` are done, a move by at most one more leaves no gap.
  let done = 0
  const move = (power: number): void => {
    if (power === 0) spreadByOne(reading, marks, letters)
    else {
      const moved = copyOf(reading, marks)
      advance(reading, moved, letters, power)
      joinAndDrop(reading, marks, moved)
    }
    done += 1 << power
  }
  let power = 0
  for (; done + (1 << power) <= max - min; power++) move(power)
  for (; power >= 0; power--) if (done + (1 << power) <= max - min) move(power)
  return marks
}

/** Adds the marks that any number of rounds of a loop leads to. Its automaton reads the text, and begins anew at each mark. */
function loop(reading: Reading, regex: Repeat, marks: Marks): void {
  const { plan, classes } = reading
  let states = plan.loops.get(regex)
  if (states === undefined || states.count() + newStatesMax > keptStatesMax) {
    states = createStates(createMachine({ ...regex, min: 0 }, plan.alphabet))
    plan.loops.set(regex, states)
  }
  const statesMax = states.count() + newStatesMax
  const { none } = states
  const { bits } = marks
  let i = marks.from * 32
  let state = i === 0 ? none : states.step(none, classes[i - 1] as number)
  for (; i <= classes.length; i++) {
    const isMarked = has(bits, i)
    const from = isMarked ? (state.anew ?? states.beginAnew(state)) : state
    const cls = classes[i]
    const next = cls === undefined ? none : (from.arrows[cls] ?? states.step(from, cls))
    if (!isMarked && state.ends[next.before] === true) bits[i >>> 5] = (bits[i >>> 5] as number) | (1 << i)
    if (states.count() > statesMax) return giveUp(reading)
    state = next
  }
  marks.to = reading.words
  // A character takes as long as some words, as measured.
  reading.workLeft -= 7 * classes.length
  trim(reading, marks)
}

// ------------------------------------------------------------------------------------------------------------ positions

function lettersIn(reading: Reading, ranges: Ranges): Letters {
  return reading.plan.letters.get(ranges) as Letters
}

/** Where 2^power letters of a set follow one another. Not to be changed. */
function runsOf(reading: Reading, letters: Letters, power: number): Bits {
  const runs = (reading.runs[letters.id] ??= [placesOf(reading, letters)])
  for (let i = runs.length; i <= power; i++) {
    // Where half of them follow, and the other half from there.
    const half = runs[i - 1] as Bits
    const twice = newBits(reading)
    const by = 1 << (i - 1)
    for (let w = 0, at = by >>> 5; at < half.length; w++, at++) {
      const above = at + 1 < half.length ? ((half[at + 1] as number) << 1) << (31 - (by & 31)) : 0
      twice[w] = (half[w] as number) & (((half[at] as number) >>> by) | above)
    }
    runs.push(twice)
  }
  return runs[power] as Bits
}

/** Where letters of a set stand. */
function placesOf(reading: Reading, letters: Letters): Bits {
  const parts = letters.classes.map((cls) => reading.byClass[cls]).filter((bits) => bits !== undefined)
  if (parts.length === 1) return parts[0] as Bits
  const all = newBits(reading)
  for (const bits of parts) for (let w = 0; w < all.length; w++) all[w] = (all[w] as number) | (bits[w] as number)
  reading.workLeft -= parts.length * reading.words
  return all
}

/** The positions where an assertion holds. What it says of positions beyond the end does not matter (M2). */
function assertion(reading: Reading, is: Assertion): Bits {
  const known = reading.assertions.get(is)
  if (known !== undefined) return known
  const bits = newBits(reading)
  reading.assertions.set(is, bits)
  if (is === 'start') bits[0] = 1
  else if (is === 'end') bits[reading.classes.length >>> 5] = 1 << reading.classes.length
  else {
    const inWords = runsOf(reading, lettersIn(reading, wordChars), 0)
    let before = 0
    for (let w = 0; w < bits.length; w++) {
      const here = inWords[w] as number
      const boundary = here ^ ((here << 1) | before)
      bits[w] = is === 'boundary' ? boundary : ~boundary
      before = here >>> 31
    }
  }
  return bits
}

// ---------------------------------------------------------------------------------------------------------------- marks

/** Moves the marks before 2^power letters behind them, and drops the others. */
function advance(reading: Reading, marks: Marks, letters: Letters, power: number): void {
  const where = runsOf(reading, letters, power)
  if (power === 0) advanceByOne(marks, where)
  else {
    keep(reading, marks, where)
    if (!isEmpty(marks)) shift(marks, 1 << power)
  }
  trim(reading, marks)
}

function advanceByOne(marks: Marks, where: Bits): void {
  const { bits, to } = marks
  let carry = 0
  for (let w = marks.from; w < to; w++) {
    const here = (bits[w] as number) & (where[w] as number)
    bits[w] = (here << 1) | carry
    carry = here >>> 31
  }
  if (carry === 1) bits[marks.to++] = 1
}

/** Adds the marks behind a letter to those before it. */
function spreadByOne(reading: Reading, marks: Marks, letters: Letters): void {
  const where = runsOf(reading, letters, 0)
  const { bits, to } = marks
  let carry = 0
  for (let w = marks.from; w < to; w++) {
    const here = bits[w] as number
    const moving = here & (where[w] as number)
    bits[w] = here | (moving << 1) | carry
    carry = moving >>> 31
  }
  if (carry === 1) bits[marks.to++] = 1
  trim(reading, marks)
}

/** Moves all marks, none of them beyond the end. */
function shift(marks: Marks, by: number): void {
  const { bits, from, to } = marks
  const words = by >>> 5
  marks.from = from + words
  marks.to = Math.min(to + words + 1, bits.length)
  // From the last word down: what is read lies below what is written.
  for (let w = marks.to - 1; w >= marks.from; w--) {
    const below = w - words > from ? ((bits[w - words - 1] as number) >>> 1) >>> (31 - (by & 31)) : 0
    bits[w] = ((bits[w - words] as number) << by) | below
  }
  bits.fill(0, from, marks.from)
}

/** Adds the positions that are reached through letters: marks are added to the letters, and a carry runs on to their end. */
function fill(reading: Reading, marks: Marks, letters: Bits): void {
  const { bits, to } = marks
  let carry = 0
  let w = marks.from
  for (; w < to || carry !== 0; w++) {
    const here = bits[w] as number
    const run = letters[w] as number
    const start = here & run
    const sum = (start + run + carry) | 0
    bits[w] = (sum ^ run) | here
    carry = (start | (run & ~sum)) >>> 31
  }
  marks.to = w
  trim(reading, marks)
}

function keep(reading: Reading, marks: Marks, where: Bits): void {
  const { bits, to } = marks
  for (let w = marks.from; w < to; w++) bits[w] = (bits[w] as number) & (where[w] as number)
  trim(reading, marks)
}

function remove(reading: Reading, marks: Marks, others: Marks): void {
  const { bits, to } = marks
  for (let w = marks.from; w < to; w++) bits[w] = (bits[w] as number) & ~(others.bits[w] as number)
  trim(reading, marks)
}

function join(reading: Reading, marks: Marks, others: Marks): void {
  if (isEmpty(others)) return
  const { bits } = marks
  const { from, to } = others
  for (let w = from; w < to; w++) bits[w] = (bits[w] as number) | (others.bits[w] as number)
  marks.from = isEmpty(marks) ? from : Math.min(marks.from, from)
  marks.to = Math.max(marks.to, to)
  reading.workLeft -= to - from
}

function joinAndDrop(reading: Reading, marks: Marks, others: Marks): void {
  join(reading, marks, others)
  drop(reading, others)
}

/** Leaves out the words at both ends that hold no mark, and counts the others as touched. */
function trim(reading: Reading, marks: Marks): void {
  const { bits } = marks
  let { from, to } = marks
  while (to > from && bits[to - 1] === 0) to--
  while (from < to && bits[from] === 0) from++
  // A step takes some time even where there is little to do.
  reading.workLeft -= marks.to - marks.from + 20
  marks.from = from
  marks.to = to
}

function isEmpty(marks: Marks): boolean {
  return marks.from >= marks.to
}

function has(bits: Bits, i: number): boolean {
  return (((bits[i >>> 5] as number) >>> i) & 1) === 1
}

function giveUp(reading: Reading): void {
  reading.workLeft = -1
}

function newBits(reading: Reading): Bits {
  reading.roomLeft -= reading.words
  if (reading.roomLeft < 0) giveUp(reading)
  return new Int32Array(reading.words)
}

function newMarks(reading: Reading): Marks {
  return { bits: reading.spare.pop() ?? newBits(reading), from: 0, to: 0 }
}

function copyOf(reading: Reading, { bits, from, to }: Marks): Marks {
  const copy = newMarks(reading)
  copy.bits.set(bits.subarray(from, to), from)
  copy.from = from
  copy.to = to
  return copy
}

/** Puts the words of marks aside for new ones. */
function drop(reading: Reading, { bits, from, to }: Marks): void {
  bits.fill(0, from, to)
  reading.spare.push(bits)
}
