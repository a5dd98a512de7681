/**
 * Regular expressions of the law: read into a tree, for automaton.ts to run and to prove with.
 *
 *     parseRegex('^[a-z]+@acme\\.com$', 'rules[0].args.to.pattern')   // a tree, or a TypeError that says where and why
 *
 * The language is ECMAScript's with the `u` flag, less what is not regular: literals, classes, `\d \w \s \D \W \S`
 * (ASCII digits and letters; ECMAScript's white space), `.` (not a line end), `^ $` (start and end of the whole string, anywhere),
 * `\b \B`, groups (capturing, `(?:…)`, `(?<name>…)`), `|`, `* + ? {n} {n,} {n,m}` (lazy ones mean the same language), and
 * the escapes `\n \t … \xHH \uHHHH \u{H…} \cX \0`. Any ASCII punctuation may be escaped.
 *
 * Invariants
 *   R1. What V8 with the `u` flag reads as another language, or does not read at all, is refused; but for escaped
 *       punctuation, which `u` refuses and which means itself everywhere.
 *   R2. Refused, with a TypeError: back references, look-ahead and look-behind, `\p{…}`, flags such as `(?i)`,
 *       unescaped `{`, `}` and `]` that mean nothing.
 *   R3. Bounds: 2,000 characters, 50 nested groups, repetitions up to 1,000, and 2,000 states when written out.
 */
export type Regex =
  | { readonly kind: 'chars'; readonly ranges: Ranges }
  | { readonly kind: 'sequence'; readonly parts: readonly Regex[] }
  | { readonly kind: 'choice'; readonly parts: readonly Regex[] }
  | { readonly kind: 'repeat'; readonly part: Regex; readonly min: number; readonly max: number }
  | { readonly kind: 'assertion'; readonly is: 'start' | 'end' | 'boundary' | 'inside' }

/** Code points, as ascending disjoint inclusive pairs: [from, to, from, to, …]. */
export type Ranges = readonly number[]

const lengthMax = 2_000
const depthMax = 50
const repeatMax = 1_000
export const statesMax = 2_000
export const lastCodePoint = 0x10ffff

export const anyChar: Regex = { kind: 'chars', ranges: [0, lastCodePoint] }
const anything: Regex = { kind: 'repeat', part: anyChar, min: 0, max: Infinity }

/** Reads a regular expression. Throws a TypeError that says where and what was expected. */
export function parseRegex(source: string, at = 'pattern'): Regex {
  if (source.length > lengthMax) throw new TypeError(`${at} is longer than ${lengthMax} characters`)
  const reader = createReader(source, at)
  const regex = readChoice(reader, 0)
  if (reader.peek() !== undefined) reader.refuse('a ")" closes no group')
  const states = statesOf(regex)
  if (states > statesMax)
    throw new TypeError(`${at} needs ${states} states, of at most ${statesMax}: use smaller repetitions, or maxLength`)
  return regex
}

/** A string that holds a match anywhere. */
export function searching(regex: Regex): Regex {
  return { kind: 'sequence', parts: [anything, regex, anything] }
}

/** The longest run of characters that stands in every text with a match, as they are; empty where there is none. */
export function literalIn(regex: Regex): string {
  let longest = ''
  let run = ''
  const end = (): void => {
    if (run.length > longest.length) longest = run
    run = ''
  }
  const walk = (part: Regex): void => {
    if (part.kind === 'sequence') for (const one of part.parts) walk(one)
    else if (part.kind === 'chars' && part.ranges.length === 2 && part.ranges[0] === part.ranges[1])
      run += String.fromCodePoint(part.ranges[0] as number)
    else if (part.kind !== 'assertion') end()
  }
  walk(regex)
  end()
  return longest
}

/** A glob whose `*` stands for any run of characters. */
export function globRegex(glob: string): Regex {
  const parts = [...glob].map((char): Regex => (char === '*' ? anything : one(char.codePointAt(0) as number)))
  return { kind: 'sequence', parts }
}

/** The states that a tree takes when its repetitions are written out. */
export function statesOf(regex: Regex): number {
  if (regex.kind === 'chars' || regex.kind === 'assertion') return 1
  if (regex.kind === 'repeat') {
    const each = statesOf(regex.part)
    return regex.max === Infinity
      ? (regex.min + 1) * each + 1
      : regex.min * each + (regex.max - regex.min) * (each + 1) + 1
  }
  return regex.parts.reduce((sum, part) => sum + statesOf(part), 1)
}

// -------------------------------------------------------------------------------------------------------------- reading

interface Reader {
  peek(ahead?: number): string | undefined
  next(): string | undefined
  /** Takes the text if it comes next. */
  takes(text: string): boolean
  /** Whether a group name comes for the first time. */
  isNew(name: string): boolean
  refuse(why: string): never
}

function createReader(source: string, at: string): Reader {
  const chars = [...source]
  const groupNames = new Set<string>()
  let i = 0
  return {
    peek: (ahead = 0) => chars[i + ahead],
    next: () => chars[i++],
    takes(text) {
      const isNext = [...text].every((char, ahead) => chars[i + ahead] === char)
      if (isNext) i += text.length
      return isNext
    },
    isNew(name) {
      const isNew = !groupNames.has(name)
      groupNames.add(name)
      return isNew
    },
    refuse(why) {
      throw new TypeError(
        `${at} is no regular expression of the law: ${why}, at character ${i} of ${JSON.stringify(source)}`,
      )
    },
  }
}

function readChoice(reader: Reader, depth: number): Regex {
  if (depth > depthMax) reader.refuse(`groups are nested more than ${depthMax} deep`)
  const parts = [readSequence(reader, depth)]
  while (reader.takes('|')) parts.push(readSequence(reader, depth))
  return parts.length === 1 ? (parts[0] as Regex) : choiceOf(parts)
}

/** A choice, in as few places as that is simple: `a|b` is `[ab]`, and `ab|b` is `a?b`. */
function choiceOf(parts: readonly Regex[]): Regex {
  const ranges = parts.map((part) => (part.kind === 'chars' ? part.ranges : undefined))
  if (ranges.every((range) => range !== undefined)) return { kind: 'chars', ranges: union(ranges) }
  const plain: Regex = { kind: 'choice', parts }
  let heads = parts.map((part) => (part.kind === 'sequence' ? part.parts : [part]))
  const ending: Regex[] = []
  for (let last = lastOf(heads); last !== undefined; last = lastOf(heads)) {
    ending.unshift(last)
    heads = heads.map((head) => head.slice(0, -1))
  }
  if (ending.length === 0) return plain
  const others = heads.filter((head) => head.length > 0)
  if (others.length === 0) return { kind: 'sequence', parts: ending }
  const head = choiceOf(
    others.map((some) => (some.length === 1 ? (some[0] as Regex) : { kind: 'sequence', parts: some })),
  )
  const short: Regex = {
    kind: 'sequence',
    parts: [others.length === heads.length ? head : { kind: 'repeat', part: head, min: 0, max: 1 }, ...ending],
  }
  // It takes one state more where the rest is longer.
  return statesOf(short) <= statesOf(plain) ? short : plain
}

/** The characters that all sequences end in. */
function lastOf(sequences: readonly (readonly Regex[])[]): Regex | undefined {
  const [last, ...others] = sequences.map((sequence) => sequence.at(-1))
  if (last?.kind !== 'chars') return undefined
  const key = last.ranges.join()
  return others.every((other) => other?.kind === 'chars' && other.ranges.join() === key) ? last : undefined
}

function readSequence(reader: Reader, depth: number): Regex {
  const parts: Regex[] = []
  for (let char = reader.peek(); char !== undefined && char !== '|' && char !== ')'; char = reader.peek())
    parts.push(readRepeat(reader, readAtom(reader, depth)))
  return parts.length === 1 ? (parts[0] as Regex) : { kind: 'sequence', parts }
}

function readAtom(reader: Reader, depth: number): Regex {
  const char = reader.next() as string
  switch (char) {
    case '^':
      return { kind: 'assertion', is: 'start' }
    case '$':
      return { kind: 'assertion', is: 'end' }
    case '.':
      return { kind: 'chars', ranges: complement(lineEnds) }
    case '(':
      return readGroup(reader, depth)
    case '[':
      return readClass(reader)
    case '\\':
      return readEscape(reader)
    case '*':
    case '+':
    case '?':
      return reader.refuse(`there is nothing that "${char}" could repeat`)
    case '{':
    case '}':
    case ']':
      return reader.refuse(`a "${char}" that means itself must be escaped`)
    default:
      return one(char.codePointAt(0) as number)
  }
}

function readGroup(reader: Reader, depth: number): Regex {
  if (reader.takes('?')) {
    if (reader.peek() === '=' || reader.peek() === '!') reader.refuse('look-ahead is not supported')
    if (reader.peek() === '<' && (reader.peek(1) === '=' || reader.peek(1) === '!'))
      reader.refuse('look-behind is not supported')
    if (reader.takes('<')) {
      let name = ''
      while (reader.peek() !== undefined && reader.peek() !== '>') name += reader.next()
      if (!/^[A-Za-z_]\w*$/.test(name) || !reader.takes('>')) reader.refuse('a group name is letters, digits and "_"')
      if (!reader.isNew(name)) reader.refuse(`two groups are called "${name}"`)
    } else if (!reader.takes(':'))
      reader.refuse('flags and other "(?" groups are not supported; write [aA] for both cases')
  }
  const inner = readChoice(reader, depth + 1)
  if (!reader.takes(')')) reader.refuse('a group is not closed')
  return inner
}

function readRepeat(reader: Reader, part: Regex): Regex {
  const counts = readCounts(reader)
  if (counts === undefined) return part
  if (part.kind === 'assertion') reader.refuse('an assertion cannot be repeated')
  const [min, max] = counts
  return min === 1 && max === 1 ? part : { kind: 'repeat', part, min, max }
}

function readCounts(reader: Reader): readonly [number, number] | undefined {
  let counts: readonly [number, number] | undefined
  if (reader.takes('*')) counts = [0, Infinity]
  else if (reader.takes('+')) counts = [1, Infinity]
  else if (reader.takes('?')) counts = [0, 1]
  else if (reader.takes('{')) {
    const min = readNumber(reader) ?? reader.refuse('a "{" that is no count such as {2,5} must be escaped')
    const max = reader.takes(',') ? (readNumber(reader) ?? Infinity) : min
    if (!reader.takes('}')) reader.refuse('a count is {n}, {n,} or {n,m}')
    if (min > repeatMax || (max !== Infinity && max > repeatMax)) reader.refuse(`a count is at most ${repeatMax}`)
    if (max < min) reader.refuse('the counts of a repetition are out of order')
    counts = [min, max]
  }
  if (counts === undefined) return undefined
  // Lazy: another match first, the same language.
  reader.takes('?')
  if (['*', '+', '?', '{'].includes(reader.peek() ?? ''))
    reader.refuse('a repetition cannot be repeated without a group')
  return counts
}

function readNumber(reader: Reader): number | undefined {
  let digits = ''
  while (/^[0-9]$/.test(reader.peek() ?? '')) digits += reader.next()
  return digits === '' ? undefined : Number(digits)
}

function readEscape(reader: Reader): Regex {
  const char = reader.peek()
  if (char === 'b' || char === 'B') {
    reader.next()
    return { kind: 'assertion', is: char === 'b' ? 'boundary' : 'inside' }
  }
  if (char !== undefined && /^[1-9k]$/.test(char)) reader.refuse('back references are not supported')
  const escaped = readClassEscape(reader)
  return typeof escaped === 'number' ? one(escaped) : { kind: 'chars', ranges: escaped }
}

const controls: { readonly [letter: string]: number } = { n: 10, r: 13, t: 9, v: 11, f: 12 }

/** After a backslash, in a class or out: a code point, or a set of them. */
function readClassEscape(reader: Reader): number | Ranges {
  const char = reader.next()
  if (char === undefined) return reader.refuse('it ends in a backslash')
  const set = shorthands[char]
  if (set !== undefined) return set
  const control = controls[char]
  if (control !== undefined) return control
  if (char === 'x') return readHex(reader, 2)
  if (char === 'u') return readUnicode(reader)
  if (char === 'c') {
    const letter = reader.next()
    return letter !== undefined && /^[A-Za-z]$/.test(letter)
      ? (letter.codePointAt(0) as number) % 32
      : reader.refuse('"\\c" needs a letter')
  }
  if (char === '0' && !/^[0-9]$/.test(reader.peek() ?? '')) return 0
  if (/^[!-/:-@[-`{-~ ]$/.test(char)) return char.codePointAt(0) as number
  return reader.refuse(`"\\${char}" is not supported`)
}

function readHex(reader: Reader, length: number): number {
  let digits = ''
  while (digits.length < length && /^[0-9A-Fa-f]$/.test(reader.peek() ?? '')) digits += reader.next()
  return digits.length === length
    ? Number.parseInt(digits, 16)
    : reader.refuse(`${length} hexadecimal digits are missing`)
}

function readUnicode(reader: Reader): number {
  if (reader.takes('{')) {
    let digits = ''
    while (/^[0-9A-Fa-f]$/.test(reader.peek() ?? '')) digits += reader.next()
    const point = Number.parseInt(digits, 16)
    return reader.takes('}') && point <= lastCodePoint ? point : reader.refuse('"\\u{…}" needs a code point')
  }
  const lead = readHex(reader, 4)
  const isPair =
    lead >= 0xd800 &&
    lead < 0xdc00 &&
    reader.peek() === '\\' &&
    reader.peek(1) === 'u' &&
    /^[Dd]$/.test(reader.peek(2) ?? '')
  if (!isPair || !/^[C-Fc-f]$/.test(reader.peek(3) ?? '')) return lead
  reader.takes('\\u')
  return 0x10000 + ((lead - 0xd800) << 10) + (readHex(reader, 4) - 0xdc00)
}

function readClass(reader: Reader): Regex {
  const isNegated = reader.takes('^')
  const sets: Ranges[] = []
  while (!reader.takes(']')) {
    const from = readClassAtom(reader)
    if (reader.peek() !== '-' || reader.peek(1) === ']') {
      sets.push(typeof from === 'number' ? [from, from] : from)
      continue
    }
    reader.next()
    const to = readClassAtom(reader)
    if (typeof from !== 'number' || typeof to !== 'number')
      return reader.refuse('a set such as \\w is no end of a range; escape the "-"')
    if (to < from) reader.refuse('a range is out of order')
    sets.push([from, to])
  }
  const ranges = union(sets)
  return { kind: 'chars', ranges: isNegated ? complement(ranges) : ranges }
}

function readClassAtom(reader: Reader): number | Ranges {
  const char = reader.next()
  if (char === undefined) return reader.refuse('a class is not closed')
  if (char !== '\\') return char.codePointAt(0) as number
  return reader.takes('b') ? 8 : readClassEscape(reader)
}

// ----------------------------------------------------------------------------------------------------------------- sets

const lineEnds: Ranges = [10, 10, 13, 13, 0x2028, 0x2029]
const digits: Ranges = [48, 57]
export const wordChars: Ranges = [48, 57, 65, 90, 95, 95, 97, 122]
const spaces: Ranges = union([
  [9, 13],
  [32, 32],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
])
const shorthands: { readonly [letter: string]: Ranges } = {
  d: digits,
  D: complement(digits),
  w: wordChars,
  W: complement(wordChars),
  s: spaces,
  S: complement(spaces),
}

function one(point: number): Regex {
  return { kind: 'chars', ranges: [point, point] }
}

function union(sets: readonly Ranges[]): Ranges {
  const pairs: [number, number][] = []
  for (const set of sets) for (let i = 0; i < set.length; i += 2) pairs.push([set[i] as number, set[i + 1] as number])
  pairs.sort((a, b) => a[0] - b[0])
  const merged: number[] = []
  for (const [from, to] of pairs) {
    const last = merged.at(-1)
    if (last !== undefined && from <= last + 1) merged[merged.length - 1] = Math.max(last, to)
    else merged.push(from, to)
  }
  return merged
}

function complement(set: Ranges): Ranges {
  const rest: number[] = []
  let from = 0
  for (let i = 0; i < set.length; i += 2) {
    if ((set[i] as number) > from) rest.push(from, (set[i] as number) - 1)
    from = (set[i + 1] as number) + 1
  }
  if (from <= lastCodePoint) rest.push(from, lastCodePoint)
  return rest
}
