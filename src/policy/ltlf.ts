/**
 * Temporal formulas over finite runs (LTLf): what they are, how they are written and read.
 *
 *     parseFormula('G(read_private -> (!send W approve))')
 *     printFormula(globally(implies(atom('read_private'), weakUntil(not(atom('send')), atom('approve')))))
 *
 * A run is a finite list of events; an event is the set of atoms that hold of it. At position i of a run of n events:
 *
 *     a        the atom holds of event i                    true, false, ! & | -> <->   as usual
 *     X f      there is a next event and f holds there      (strong next)
 *     N f      there is no next event, or f holds there     (weak next)
 *     F f      f holds now or later                         G f      f holds now and always after
 *     f U g    g comes, and f holds until then              f W g    as U, but g need not come if f holds to the end
 *     f R g    g holds up to and with the event where f does, or to the end
 *     last     this is the last event: N false
 *
 * `!`, X, N, F, G bind tightest, then U R W, then &, |, ->, <->. U, R and W are not mixed without parentheses; -> and each
 * of U R W group to the right. A bare name starts with a small letter or `_` and may hold letters, digits, `_` and inner
 * `- . : /`; any other name, and one that is a word of the language, is written in double quotes as in JSON. So `Ga` is an
 * error, not an atom that never holds. `name(…)` is a template (templates.ts).
 *
 * Semantics: De Giacomo and Vardi 2013. An empty run satisfies what demands nothing: see `emptyValue` in progression.ts.
 *
 * Invariants
 *   F1. A formula is plain JSON and is never changed.
 *   F2. `parseFormula(printFormula(f))` is f, for every f whose `and` and `or` have two parts or more.
 *   F3. Text, nodes, depth and atoms are bounded (`formulaLimits`); what goes beyond is refused with a message.
 */

export type Formula =
  | { readonly op: 'true' | 'false' | 'last' }
  | { readonly op: 'atom'; readonly name: string }
  | { readonly op: Unary; readonly of: Formula }
  | { readonly op: 'and'; readonly of: readonly Formula[] }
  | { readonly op: 'or'; readonly of: readonly Formula[] }
  | { readonly op: Binary; readonly left: Formula; readonly right: Formula }

type Unary = 'not' | 'next' | 'weakNext' | 'finally' | 'globally'
type Binary = 'implies' | 'iff' | 'until' | 'release' | 'weakUntil'

/** What a formula may be at most. Text is longer than nodes because printed states of a run are read back too. */
export const formulaLimits = { textMax: 100_000, nodesMax: 5_000, depthMax: 200, atomsMax: 256 } as const

// -------------------------------------------------------------------------------------------------------- constructors

export const always: Formula = { op: 'true' }
export const never: Formula = { op: 'false' }
/** This event is the last of the run. */
export const last: Formula = { op: 'last' }

/** The named predicate holds of this event. */
export const atom = (name: string): Formula => ({ op: 'atom', name })
/** f does not hold. */
export const not = (f: Formula): Formula => ({ op: 'not', of: f })
/** All hold; true when there are none. */
export const and = (...parts: readonly Formula[]): Formula => combine('and', parts, always)
/** One holds; false when there are none. */
export const or = (...parts: readonly Formula[]): Formula => combine('or', parts, never)
export const implies = (left: Formula, right: Formula): Formula => ({ op: 'implies', left, right })
export const iff = (left: Formula, right: Formula): Formula => ({ op: 'iff', left, right })
/** X: there is a next event, and f holds there. */
export const next = (f: Formula): Formula => ({ op: 'next', of: f })
/** N: if there is a next event, f holds there. */
export const weakNext = (f: Formula): Formula => ({ op: 'weakNext', of: f })
/** F: now or later. */
export const eventually = (f: Formula): Formula => ({ op: 'finally', of: f })
/** G: now and always after. */
export const globally = (f: Formula): Formula => ({ op: 'globally', of: f })
/** U: right comes, and left holds until then. */
export const until = (left: Formula, right: Formula): Formula => ({ op: 'until', left, right })
/** R: right holds up to and with the event where left does, or to the end. */
export const release = (left: Formula, right: Formula): Formula => ({ op: 'release', left, right })
/** W: left holds until right comes, or to the end. */
export const weakUntil = (left: Formula, right: Formula): Formula => ({ op: 'weakUntil', left, right })

function combine(op: 'and' | 'or', parts: readonly Formula[], none: Formula): Formula {
  return parts.length === 0 ? none : parts.length === 1 ? (parts[0] as Formula) : { op, of: parts }
}

/** The formulas directly below. */
export function partsOf(f: Formula): readonly Formula[] {
  if ('left' in f) return [f.left, f.right]
  if (f.op === 'and' || f.op === 'or') return f.of
  return 'of' in f ? [f.of] : []
}

/** Names of the atoms of a formula, in the order in which they are first written. */
export function atomsOf(f: Formula): string[] {
  const names = new Set<string>()
  const visit = (g: Formula): void => {
    if (g.op === 'atom') names.add(g.name)
    partsOf(g).forEach(visit)
  }
  visit(f)
  return [...names]
}

/** Throws a RangeError when a formula is larger, deeper or speaks of more atoms than `formulaLimits` allow. */
export function checkSize(f: Formula): void {
  let nodes = 0
  const visit = (g: Formula, depth: number): void => {
    if (++nodes > formulaLimits.nodesMax) throw new RangeError(`a formula has at most ${formulaLimits.nodesMax} nodes`)
    if (depth > formulaLimits.depthMax) throw new RangeError(`a formula is at most ${formulaLimits.depthMax} deep`)
    for (const part of partsOf(g)) visit(part, depth + 1)
  }
  visit(f, 1)
  const atoms = atomsOf(f).length
  if (atoms > formulaLimits.atomsMax)
    throw new RangeError(`a formula speaks of at most ${formulaLimits.atomsMax} atoms, this one of ${atoms}`)
}

// ------------------------------------------------------------------------------------------------------------- printer

const unarySigns = { not: '!', next: 'X ', weakNext: 'N ', finally: 'F ', globally: 'G ' } as const
const binarySigns = { implies: '->', iff: '<->', until: 'U', release: 'R', weakUntil: 'W' } as const
/** How tightly an operator binds; a part that binds no tighter than its whole is put in parentheses. */
const strengths = { iff: 1, implies: 2, or: 3, and: 4, until: 5, release: 5, weakUntil: 5 } as const
const bareName = /^[a-z_][A-Za-z0-9_]*(?:[-.:/][A-Za-z0-9_]+)*$/
const words = new Set(['true', 'false', 'last'])

/** A formula as text that `parseFormula` reads back. */
export function printFormula(f: Formula): string {
  if (f.op === 'atom') return bareName.test(f.name) && !words.has(f.name) ? f.name : JSON.stringify(f.name)
  if (f.op === 'and' || f.op === 'or')
    return f.of.map((part) => printPart(part, strengths[f.op])).join(f.op === 'and' ? ' & ' : ' | ')
  if ('left' in f) {
    const strength = strengths[f.op]
    return `${printPart(f.left, strength)} ${binarySigns[f.op]} ${printPart(f.right, strength)}`
  }
  if ('of' in f) {
    const part = printPart(f.of, 6)
    return (part.startsWith('(') ? unarySigns[f.op].trim() : unarySigns[f.op]) + part
  }
  return f.op
}

function printPart(part: Formula, strength: number): string {
  const own = part.op in strengths ? strengths[part.op as keyof typeof strengths] : 7
  return own > strength ? printFormula(part) : `(${printFormula(part)})`
}

// -------------------------------------------------------------------------------------------------------------- parser

/** A named shorthand of the text: gets formulas and numbers, as written between its parentheses. */
export interface Template {
  /** What its arguments are called, for messages: `k` is a number, a name with `?` may be left out, `…` allows more. */
  readonly takes: readonly string[]
  /** What it says, in a sentence. */
  readonly means: string
  readonly make: (...args: (Formula | number)[]) => Formula
}

export type Templates = { readonly [name: string]: Template }

interface Token {
  readonly kind: 'name' | 'quoted' | 'number' | 'sign' | 'end'
  readonly text: string
  readonly at: number
}

const tokenPattern =
  /\s*(?:(?<number>\d+)|(?<word>[A-Za-z_][A-Za-z0-9_]*(?:[-.:/][A-Za-z0-9_]+)*)|(?<quoted>"(?:[^"\\\n]|\\.)*")|(?<sign><->|->|&&?|\|\|?|[!(),]))/y

const unaryOps: { readonly [sign: string]: Unary } = {
  '!': 'not',
  X: 'next',
  N: 'weakNext',
  F: 'finally',
  G: 'globally',
}
const temporalOps: { readonly [sign: string]: Binary } = { U: 'until', R: 'release', W: 'weakUntil' }

/** Reads a formula. Throws a SyntaxError that says where the text went wrong and what was expected there. */
export function parseFormula(text: string, templates: Templates = {}): Formula {
  if (text.length > formulaLimits.textMax)
    throw new RangeError(`a formula has at most ${formulaLimits.textMax} characters`)
  const tokens = tokensOf(text)
  let index = 0
  let depth = 0
  const peek = (): Token => tokens[index] as Token
  const isSign = (...signs: readonly string[]): boolean => peek().kind === 'sign' && signs.includes(peek().text)

  function whole(): Formula {
    if (++depth > formulaLimits.depthMax)
      throw new RangeError(`at ${peek().at + 1}: a formula is at most ${formulaLimits.depthMax} deep`)
    let left = implication()
    while (isSign('<->')) {
      index++
      left = iff(left, implication())
    }
    depth--
    return left
  }
  function implication(): Formula {
    const parts = [disjunction()]
    while (isSign('->')) {
      index++
      parts.push(disjunction())
    }
    return parts.reduceRight((right, left) => implies(left, right))
  }
  const disjunction = (): Formula => or(...separated(conjunction, '|', '||'))
  const conjunction = (): Formula => and(...separated(temporal, '&', '&&'))
  function separated(part: () => Formula, ...signs: readonly string[]): Formula[] {
    const parts = [part()]
    while (isSign(...signs)) {
      index++
      parts.push(part())
    }
    return parts
  }
  function temporal(): Formula {
    const parts = [unary()]
    let op: Binary | undefined
    while (peek().kind === 'sign' && Object.hasOwn(temporalOps, peek().text)) {
      const found = temporalOps[peek().text] as Binary
      if (op !== undefined && op !== found)
        throw wrong(peek(), `parentheses, because ${binarySigns[op]} and ${peek().text} do not mix`)
      op = found
      index++
      parts.push(unary())
    }
    return parts.reduceRight((right, left) => ({ op: op as Binary, left, right }))
  }
  function unary(): Formula {
    const ops: Unary[] = []
    while (peek().kind === 'sign' && Object.hasOwn(unaryOps, peek().text)) {
      ops.push(unaryOps[peek().text] as Unary)
      index++
    }
    if (depth + ops.length > formulaLimits.depthMax)
      throw new RangeError(`at ${peek().at + 1}: a formula is at most ${formulaLimits.depthMax} deep`)
    return ops.reduceRight<Formula>((of, op) => ({ op, of }), primary())
  }
  function primary(): Formula {
    const token = peek()
    if (isSign('(')) {
      index++
      const inner = whole()
      if (!isSign(')')) throw wrong(peek(), 'an operator or ")"')
      index++
      return inner
    }
    if (token.kind === 'quoted') {
      index++
      return atom(unquoted(token))
    }
    if (token.kind !== 'name') throw wrong(token, 'a formula: a name, "(", !, X, N, F or G')
    index++
    if (isSign('(')) return template(token)
    if (token.text === 'true' || token.text === 'false' || token.text === 'last') return { op: token.text }
    if (!bareName.test(token.text))
      throw wrong(token, 'a name that starts with a small letter; one with a capital goes into quotes')
    return atom(token.text)
  }
  function template(name: Token): Formula {
    const found = Object.hasOwn(templates, name.text) ? templates[name.text] : undefined
    if (found === undefined) {
      const known = Object.keys(templates).join(', ')
      throw wrong(name, known === '' ? 'an operator after the name' : `the name of a template: ${known}`)
    }
    const args: (Formula | number)[] = []
    do {
      index++
      args.push(argument(name.text, found.takes, args.length))
    } while (isSign(','))
    const least = found.takes.filter((take) => !/[?…]$/.test(take)).length
    if (args.length < least) throw wrong(peek(), `","; ${name.text}(${found.takes.join(', ')}) takes more`)
    if (!isSign(')')) throw wrong(peek(), 'an operator, "," or ")"')
    index++
    try {
      return found.make(...args)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      throw new RangeError(`at ${name.at + 1}: ${name.text}: ${error.message}`, { cause: error })
    }
  }
  function argument(name: string, takes: readonly string[], position: number): Formula | number {
    const take = takes[position] ?? (takes.at(-1)?.endsWith('…') === true ? takes.at(-1) : undefined)
    if (take === undefined) throw wrong(peek(), `")"; ${name}(${takes.join(', ')}) takes no more`)
    if (!/^k\b/.test(take)) return whole()
    const token = peek()
    if (token.kind !== 'number') throw wrong(token, `a number; ${name}(${takes.join(', ')})`)
    index++
    return Number(token.text)
  }

  const formula = whole()
  if (peek().kind !== 'end') throw wrong(peek(), 'an operator (& | -> <-> U R W) or the end')
  checkSize(formula)
  return formula
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  const end = text.trimEnd().length
  let at = 0
  while (at < end) {
    tokenPattern.lastIndex = at
    const match = tokenPattern.exec(text)
    if (match?.groups === undefined) {
      const found = at + (text.slice(at).length - text.slice(at).trimStart().length)
      const what = text[found] === '"' ? 'the closing quote of a name' : 'a name, an operator or a parenthesis'
      throw wrong({ kind: 'sign', text: text.slice(found, found + 12), at: found }, what)
    }
    const { number, word, quoted, sign } = match.groups
    const found = (number ?? word ?? quoted ?? sign) as string
    at = tokenPattern.lastIndex
    const kind =
      number !== undefined
        ? 'number'
        : quoted !== undefined
          ? 'quoted'
          : sign !== undefined || /^[XNFGURW]$/.test(found)
            ? 'sign'
            : 'name'
    tokens.push({ kind, text: found, at: at - found.length })
  }
  tokens.push({ kind: 'end', text: '', at: end })
  return tokens
}

function unquoted(token: Token): string {
  try {
    return JSON.parse(token.text) as string
  } catch {
    throw wrong(token, 'a name in quotes as JSON writes it')
  }
}

function wrong(token: Token, expected: string): SyntaxError {
  const found = token.kind === 'end' ? 'the end' : `"${token.text}"`
  return new SyntaxError(`at ${token.at + 1}: expected ${expected}, found ${found}`)
}
