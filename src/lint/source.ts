/**
 * Source text as tokens: enough of TypeScript to find calls, blocks and strings, and no more.
 *
 *     const source = readSource({ path: 'clerk.ts', text })
 *     callsOf(source, 'fetch')      →  each call, with its arguments
 *
 * Comments are left out, strings, templates and regular expressions are one token each; the code inside of `${…}` is
 * tokens again. It knows no types and no scopes: two variables of one name are one to it. A regular expression is told
 * from a division by what stands before it, which errs after `)`.
 */
import type { SourceFacts } from './facts.ts'

export interface Token {
  readonly kind: 'word' | 'number' | 'string' | 'template' | 'regex' | 'mark'
  /** As written; of a string, what is between the quotes. */
  readonly text: string
  readonly line: number
}

export interface Source {
  readonly path: string
  readonly tokens: readonly Token[]
  /** Of each bracket, the place of the other one; -1 of what is no bracket, or has none. */
  readonly pair: readonly number[]
  /** Places of tokens before which a comment stands. */
  readonly commented: ReadonlySet<number>
}

/** A source longer than this is not read, characters. */
const TEXT_MAX = 2_000_000

const marks =
  /^(?:=>|\.\.\.|\?\.(?!\d)|\?\?=?|&&=?|\|\|=?|===?|!==?|<=|>=|\*\*=?|\+\+|--|[+\-*/%&|^]=|[{}()[\];,<>+\-*/%&|^!~?:=.@#\\])/
const word = /^[\p{L}_$#][\p{L}\p{N}_$]*/u
const number = /^(?:0[xob][\da-f_]+n?|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:e[+-]?\d+)?n?)/i
const regex = /^\/(?![*/])(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/
const beforeRegex = new Set('return typeof case in of do else void delete throw new await yield instanceof'.split(' '))

export function readSource({ path, text }: SourceFacts): Source {
  const tokens: Token[] = []
  const commented = new Set<number>()
  if (text.length <= TEXT_MAX) readCode(text, 0, 1, { tokens, commented }, false)
  const pair = tokens.map(() => -1)
  const open: number[] = []
  for (const [i, { kind, text: mark }] of tokens.entries()) {
    if (kind !== 'mark') continue
    if (mark === '(' || mark === '[' || mark === '{') open.push(i)
    else if (mark === ')' || mark === ']' || mark === '}') {
      const other = open.pop()
      if (other === undefined) continue
      pair[other] = i
      pair[i] = other
    }
  }
  return { path, tokens, pair, commented }
}

interface Read {
  readonly tokens: Token[]
  readonly commented: Set<number>
}

/** Reads until the end, or the `}` that ends a `${`. Returns where it stopped, and the line. */
function readCode(text: string, from: number, first: number, read: Read, isInside: boolean): readonly [number, number] {
  const { tokens, commented } = read
  let at = from
  let line = first
  let depth = 0
  const push = (kind: Token['kind'], token: string, length: number): void => {
    tokens.push({ kind, text: token, line })
    at += length
  }
  while (at < text.length) {
    const char = text[at] as string
    if (char === '\n') {
      line++
      at++
      continue
    }
    if (/\s/.test(char)) {
      at++
      continue
    }
    if (char === '/' && (text[at + 1] === '/' || text[at + 1] === '*')) commented.add(tokens.length)
    if (char === '/' && text[at + 1] === '/') {
      const end = text.indexOf('\n', at)
      at = end < 0 ? text.length : end
      continue
    }
    if (char === '/' && text[at + 1] === '*') {
      const end = text.indexOf('*/', at + 2)
      const stop = end < 0 ? text.length : end + 2
      line += linesIn(text.slice(at, stop))
      at = stop
      continue
    }
    if (char === "'" || char === '"') {
      let end = at + 1
      while (end < text.length && text[end] !== char && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1
      push('string', text.slice(at + 1, end), end + 1 - at)
      continue
    }
    if (char === '`') {
      ;[at, line] = readTemplate(text, at + 1, line, read)
      continue
    }
    const rest = text.slice(at, at + 400)
    const before = tokens.at(-1)
    if (char === '/' && mayBeginRegex(before)) {
      const found = regex.exec(text.slice(at, at + 4000))?.[0]
      if (found !== undefined) {
        push('regex', found, found.length)
        continue
      }
    }
    const token = word.exec(rest)?.[0]
    if (token !== undefined) {
      push('word', token, token.length)
      continue
    }
    const digits = /[\d.]/.test(char) ? number.exec(rest)?.[0] : undefined
    if (digits !== undefined && digits !== '.') {
      push('number', digits, digits.length)
      continue
    }
    if (isInside && char === '{') depth++
    if (isInside && char === '}' && depth-- === 0) return [at + 1, line]
    const mark = marks.exec(rest)?.[0] ?? char
    push('mark', mark, mark.length)
  }
  return [at, line]
}

/** A template is a call of its parts: `template ( … code … )`, so that what is inside is an argument. */
function readTemplate(text: string, from: number, first: number, read: Read): readonly [number, number] {
  let at = from
  let line = first
  let said = ''
  const { tokens } = read
  const index = tokens.length
  tokens.push({ kind: 'template', text: '', line })
  while (at < text.length && text[at] !== '`') {
    if (text[at] === '$' && text[at + 1] === '{') {
      tokens.push({ kind: 'mark', text: '(', line })
      ;[at, line] = readCode(text, at + 2, line, read, true)
      tokens.push({ kind: 'mark', text: ')', line })
      said += '…'
      continue
    }
    if (text[at] === '\n') line++
    const length = text[at] === '\\' ? 2 : 1
    said += text.slice(at, at + length)
    at += length
  }
  tokens[index] = { kind: 'template', text: said, line: first }
  return [at + 1, line]
}

function mayBeginRegex(before: Token | undefined): boolean {
  if (before === undefined) return true
  if (before.kind === 'word') return beforeRegex.has(before.text)
  return before.kind === 'mark' && ![')', ']', '}'].includes(before.text)
}

function linesIn(text: string): number {
  let count = 0
  for (const char of text) if (char === '\n') count++
  return count
}

// --------------------------------------------------------------------------------------------------------- looking at it

export const textAt = ({ tokens }: Source, i: number): string => {
  const token = tokens[i]
  return token === undefined || token.kind === 'string' || token.kind === 'template' ? '' : token.text
}

export const isWord = ({ tokens }: Source, i: number, ...words: readonly string[]): boolean =>
  tokens[i]?.kind === 'word' && (words.length === 0 || words.includes((tokens[i] as Token).text))

export const placeAt = ({ path, tokens }: Source, i: number): string => `${path}:${tokens[i]?.line ?? 1}`

export interface Call {
  /** Place of the name. */
  readonly at: number
  /** Places of the brackets. */
  readonly open: number
  readonly close: number
}

/** Calls of a function or method by that last name: `fetch(…)`, `sys.generate<…>(…)`; not its declaration. */
export function callsOf(source: Source, ...names: readonly string[]): Call[] {
  const calls: Call[] = []
  for (const [at, token] of source.tokens.entries()) {
    if (token.kind !== 'word' || !names.includes(token.text)) continue
    if (isWord(source, at - 1, 'function', 'class', 'get', 'set')) continue
    const open = afterTypes(source, at + 1)
    const close = source.pair[open] ?? -1
    if (textAt(source, open) !== '(' || close < 0) continue
    // A method's declaration: `name(…) {`.
    if (textAt(source, close + 1) === '{' && textAt(source, at - 1) !== '.') continue
    calls.push({ at, open, close })
  }
  return calls
}

/** Past `<…>`, if there is one of types only. */
function afterTypes(source: Source, from: number): number {
  if (textAt(source, from) === '?.') return afterTypes(source, from + 1)
  if (textAt(source, from) !== '<') return from
  for (let i = from + 1, depth = 1; i < from + 60; i++) {
    const text = textAt(source, i)
    if (text === '<') depth++
    if (text === '>' && --depth === 0) return i + 1
    if (text === ';' || text === '(' || text === '=') return from
  }
  return from
}

/** Where the expression that ends in the name at `at` begins: `await a.b(x).name` at `a`. */
export function chainStart(source: Source, at: number): number {
  let i = at
  for (;;) {
    const before = textAt(source, i - 1)
    if (before !== '.' && before !== '?.') return i
    let left = i - 2
    if (textAt(source, left) === '!') left--
    while ([')', ']'].includes(textAt(source, left)) && (source.pair[left] ?? -1) >= 0) {
      const opening = source.pair[left] as number
      const head = source.tokens[opening - 1]
      if (head === undefined || (head.kind !== 'word' && ![')', ']'].includes(head.text))) return opening
      left = opening - 1
    }
    i = left
  }
}

/** Brackets around a place, the nearest first. */
export function around(source: Source, at: number): number[] {
  const found: number[] = []
  for (let i = at - 1; i >= 0; i--) {
    const pair = source.pair[i] ?? -1
    if (pair < 0) continue
    if (pair < i) i = pair
    else if (pair > at) found.push(i)
  }
  return found
}

/** Whether the `{` begins the body of a function. */
export function isFunctionBody(source: Source, open: number): boolean {
  if (textAt(source, open) !== '{') return false
  if (textAt(source, open - 1) === '=>') return true
  let i = open - 1
  // A return type: `): Promise<X> {`.
  while (i > 0 && open - i < 40 && textAt(source, i) !== ')') {
    if ([';', '{', '}', '='].includes(textAt(source, i)) || source.tokens[i]?.kind === 'number') return false
    i--
  }
  const opening = source.pair[i] ?? -1
  if (opening < 0) return false
  if (i !== open - 1 && textAt(source, i + 1) !== ':') return false
  return !isWord(source, opening - 1, 'if', 'for', 'while', 'switch', 'catch', 'with')
}

/** Whether a fault here is caught in the same function. */
export function isWithinTry(source: Source, at: number): boolean {
  for (const open of around(source, at)) {
    if (textAt(source, open) !== '{') continue
    if (isWord(source, open - 1, 'try')) {
      const end = source.pair[open] as number
      if (isWord(source, end + 1, 'catch')) return true
    }
    if (isFunctionBody(source, open)) return false
  }
  return false
}

/** Whether a word stands between two places. */
export function hasWord(source: Source, from: number, to: number, ...words: readonly string[]): boolean {
  for (let i = from; i <= to; i++) if (isWord(source, i, ...words)) return true
  return false
}

/** Names of variables that are assigned here: `const { text, x: y } = …`, `text = …`; of what stands at `at`, left of `=`. */
export function assignedNames(source: Source, equals: number): string[] {
  let end = equals - 1
  // A type: `const x: T = …`.
  for (let i = end; i > end - 30 && i > 0; i--) {
    if (
      isWord(source, i, 'const', 'let', 'var') &&
      textAt(source, i + 2) === ':' &&
      source.tokens[i + 1]?.kind === 'word'
    )
      return [(source.tokens[i + 1] as Token).text]
    if ([';', '{', '}', ')', '=>'].includes(textAt(source, i))) break
  }
  if (source.tokens[end]?.kind === 'word') return [(source.tokens[end] as Token).text]
  const open = source.pair[end] ?? -1
  if (open < 0 || open > end) return []
  const names: string[] = []
  for (let i = open + 1; i < end; i++)
    if (isWord(source, i) && [',', '}', ']', '='].includes(textAt(source, i + 1)))
      names.push((source.tokens[i] as Token).text)
  return names
}

/** The end of the expression that begins here: a `;`, or a `,` or bracket of what is around it, or a line that begins anew. */
export function expressionEnd(source: Source, from: number): number {
  const { tokens, pair } = source
  let i = from
  for (; i < tokens.length; i++) {
    const { text, kind, line } = tokens[i] as Token
    if (i > from && startsAnew(tokens[i - 1] as Token, tokens[i] as Token, line)) return i
    if (kind !== 'mark') continue
    if (text === ';' || text === ',' || text === ')' || text === ']' || text === '}') return i
    const close = pair[i] ?? -1
    if (close > i) i = close
  }
  return i
}

/** Whether a statement begins at `token`, which follows `before` without a `;` between them. */
function startsAnew(before: Token, token: Token, line: number): boolean {
  if (before.line === line) return false
  const ends = before.kind !== 'mark' || [')', ']', '}'].includes(before.text)
  const goesOn =
    token.kind === 'mark'
      ? !['{', '}', '++', '--', '!', '@', '#'].includes(token.text)
      : ['in', 'of', 'instanceof', 'as', 'satisfies'].includes(token.text)
  const needsMore = before.kind === 'word' && ['return', 'await', 'const', 'let', 'new', 'typeof'].includes(before.text)
  return ends && !goesOn && !needsMore
}

/** Whether a statement begins here. */
export function isStatementStart(source: Source, at: number): boolean {
  const before = source.tokens[at - 1]
  const token = source.tokens[at] as Token
  if (before === undefined) return true
  if (before.kind === 'mark' && [';', '{', '}'].includes(before.text)) {
    // `{ a: …` of an object literal begins no statement; `{ a(` and `} a(` do.
    return !(before.text === '{' && [':', ',', '}'].includes(textAt(source, at + 1)))
  }
  if (before.kind === 'word' && ['else', 'do'].includes(before.text)) return true
  if (before.kind === 'mark' && before.text === ')') {
    const open = source.pair[at - 1] ?? -1
    if (open > 0 && isWord(source, open - 1, 'if', 'for', 'while')) return true
  }
  return startsAnew(before, token, token.line)
}
