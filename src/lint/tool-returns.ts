/**
 * TRE: what a tool gives back, read from the source of its function: a way on which it returns nothing, a value that is no
 * JSON, an error that is hidden or says nothing, an answer without a bound.
 */
import type { Remark, ToolFacts } from './facts.ts'
import type { Source } from './source.ts'
import { around, callsOf, expressionEnd, isFunctionBody, isWord, readSource, textAt } from './source.ts'

/** Reading all of something. */
const greedy = [
  'readFile',
  'readFileSync',
  'readdir',
  'readdirSync',
  'text',
  'json',
  'arrayBuffer',
  'findMany',
  'selectAll',
  'all',
  'toArray',
  'scan',
]
/** Words that say that there is a bound. */
const bounded = /slice|limit|max|take|head|substr|trunc|page|top|first|cut|count|bytes|clip/i

export function lintToolReturns({ name, code, effect, outputSchema }: ToolFacts): Remark[] {
  if (code === undefined || /\[native code\]/.test(code)) return []
  const where = `tool ${name}`
  const source = readSource({ path: where, text: code })
  const body = bodyOf(source)
  if (body === undefined) return []
  return [
    ...returns(source, body, where, effect === 'read' || outputSchema !== undefined),
    ...errors(source, where),
    ...size(source, body, where),
  ]
}

interface Body {
  readonly from: number
  readonly to: number
  /** `=> value` without a block. */
  readonly isValue: boolean
}

/** The body of the function that the text is: an arrow, a function, or a method. */
function bodyOf(source: Source): Body | undefined {
  const { tokens, pair } = source
  let i = 0
  while (i < tokens.length && textAt(source, i) !== '(' && textAt(source, i) !== '=>') i++
  let next = textAt(source, i) === '=>' ? i : (pair[i] ?? -1) + 1
  if (next === 0) return undefined
  if (textAt(source, next) === ':') while (next < tokens.length && !['{', '=>'].includes(textAt(source, next))) next++
  if (textAt(source, next) === '=>') next++
  if (textAt(source, next) === '{') {
    const to = pair[next] ?? -1
    return to < 0 ? undefined : { from: next + 1, to: to - 1, isValue: false }
  }
  return next < tokens.length ? { from: next, to: tokens.length - 1, isValue: true } : undefined
}

function returns(source: Source, { from, to, isValue }: Body, where: string, mustAnswer: boolean): Remark[] {
  const say = (message: string): Remark[] => [{ id: 'tool-return', where, message }]
  if (isValue) {
    if (isNothing(source, from, to)) return say('it returns undefined')
    const odd = oddValue(source, from)
    return odd === undefined ? [] : say(`it returns ${odd}, which is no JSON`)
  }
  const own = ownReturns(source, from, to)
  const isNothingAt = (at: number): boolean =>
    expressionEnd(source, at + 1) === at + 1 ||
    isBare(source, at) ||
    isNothing(source, at + 1, expressionEnd(source, at + 1) - 1)
  const valued = own.filter((at) => !isNothingAt(at))
  if (valued.length === 0) return mustAnswer ? say('it returns nothing') : []
  for (const at of valued) {
    const odd = oddValue(source, at + 1) ?? oddVariable(source, at + 1)
    if (odd !== undefined) return say(`it returns ${odd}, which is no JSON`)
  }
  if (own.length > valued.length) return say('it returns nothing on one of its ways')
  if (canEnd(source, from, to)) return say('it ends without a return on one of its ways')
  return []
}

function isBare(source: Source, at: number): boolean {
  const token = source.tokens[at + 1]
  return token === undefined || token.text === '}' || token.text === ';' || token.line !== source.tokens[at]?.line
}

function isNothing(source: Source, from: number, to: number): boolean {
  return (to === from && isWord(source, from, 'undefined')) || (isWord(source, from, 'void') && to >= from)
}

const oddClasses: { readonly [name: string]: string } = {
  Map: 'a Map',
  Set: 'a Set',
  WeakMap: 'a WeakMap',
  Error: 'an Error as its value',
  RegExp: 'a RegExp',
  Uint8Array: 'bytes',
  ArrayBuffer: 'bytes',
  URL: 'a URL',
  Promise: '',
}

/** A value that JSON has no word for. */
function oddValue(source: Source, from: number): string | undefined {
  const token = source.tokens[from]
  if (isWord(source, from, 'new')) {
    const name = source.tokens[from + 1]?.text ?? ''
    const open = from + 2
    const close = source.pair[textAt(source, open) === '(' ? open : open] ?? -1
    // `new Map(…).size` is something else.
    const isWhole = close < 0 || !['.', '?.', '['].includes(textAt(source, close + 1))
    const odd = isWhole ? oddClasses[name] : undefined
    return odd === '' ? undefined : odd
  }
  if (token?.kind === 'number' && token.text.endsWith('n')) return 'a bigint'
  if (isWord(source, from, 'BigInt', 'Symbol') && textAt(source, from + 1) === '(') {
    const close = source.pair[from + 1] ?? -1
    return textAt(source, close + 1) === '.' ? undefined : token?.text === 'BigInt' ? 'a bigint' : 'a symbol'
  }
  if (isWord(source, from, 'Buffer') && textAt(source, from + 1) === '.') {
    const end = expressionEnd(source, from)
    for (let i = from; i < end; i++) if (isWord(source, i, 'toString', 'length', 'byteLength')) return undefined
    return 'bytes'
  }
  if (isWord(source, from, 'function')) return 'a function'
  return undefined
}

/** `return found`, where `const found = new Map()`. */
function oddVariable(source: Source, at: number): string | undefined {
  if (!isWord(source, at) || expressionEnd(source, at) !== at + 1) return undefined
  const name = source.tokens[at]?.text as string
  for (let i = 0; i < at; i++) {
    if (!isWord(source, i, 'const', 'let') || !isWord(source, i + 1, name)) continue
    let equals = i + 2
    while (equals < at && textAt(source, equals) !== '=' && source.tokens[equals]?.line === source.tokens[i]?.line)
      equals++
    if (textAt(source, equals) === '=') return oddValue(source, equals + 1)
  }
  return undefined
}

/** Places of `return` of this function, not of those inside of it. */
function ownReturns(source: Source, from: number, to: number): number[] {
  const found: number[] = []
  for (let i = from; i <= to; i++) {
    const close = source.pair[i] ?? -1
    if (close > i && isFunctionBody(source, i)) i = close
    else if (isWord(source, i, 'return') && textAt(source, i - 1) !== '.') found.push(i)
  }
  return found
}

// ---------------------------------------------------------------------------------------------------------------- flow

/** Whether a block can be left at its end. */
function canEnd(source: Source, from: number, to: number): boolean {
  let at = from
  while (at <= to) {
    const { next, ends } = statement(source, at, to)
    if (!ends) return false
    at = next
  }
  return true
}

interface Step {
  readonly next: number
  /** Whether what follows is reached. */
  readonly ends: boolean
}

function statement(source: Source, at: number, to: number): Step {
  const { pair } = source
  if (textAt(source, at) === ';') return { next: at + 1, ends: true }
  if (textAt(source, at) === '{') {
    const close = pair[at] as number
    return { next: close + 1, ends: canEnd(source, at + 1, close - 1) }
  }
  if (isWord(source, at, 'return', 'throw', 'continue')) return { next: statementEnd(source, at, to), ends: false }
  if (isWord(source, at, 'if')) {
    const yes = statement(source, (pair[at + 1] as number) + 1, to)
    if (!isWord(source, yes.next, 'else')) return { next: yes.next, ends: true }
    const no = statement(source, yes.next + 1, to)
    return { next: no.next, ends: yes.ends || no.ends }
  }
  if (isWord(source, at, 'try')) {
    const tried = statement(source, at + 1, to)
    let { next, ends } = tried
    if (isWord(source, next, 'catch')) {
      const body = textAt(source, next + 1) === '(' ? (pair[next + 1] as number) + 1 : next + 1
      const caught = statement(source, body, to)
      next = caught.next
      ends ||= caught.ends
    }
    if (isWord(source, next, 'finally')) {
      const last = statement(source, next + 1, to)
      next = last.next
      ends &&= last.ends
    }
    return { next, ends }
  }
  if (isWord(source, at, 'for', 'while')) {
    const open = isWord(source, at + 1, 'await') ? at + 2 : at + 1
    const close = pair[open] as number
    const isEndless = isWord(source, at, 'while')
      ? isWord(source, open + 1, 'true') && close === open + 2
      : textAt(source, open + 1) === ';' && textAt(source, open + 2) === ';'
    const { next } = statement(source, close + 1, to)
    let hasBreak = false
    for (let i = close; i < next; i++) hasBreak ||= isWord(source, i, 'break')
    return { next, ends: !isEndless || hasBreak }
  }
  if (isWord(source, at, 'switch')) {
    const open = (pair[at + 1] as number) + 1
    const close = pair[open] as number
    let hasDefault = false
    let hasBreak = false
    let last = open + 1
    for (let i = open + 1; i < close; i++) {
      if (isWord(source, i, 'default')) hasDefault = true
      if (isWord(source, i, 'break')) hasBreak = true
      if (isWord(source, i, 'case', 'default') && around(source, i)[0] === open) {
        let colon = i
        while (colon < close && textAt(source, colon) !== ':') colon++
        last = colon + 1
      }
    }
    return { next: close + 1, ends: !hasDefault || hasBreak || canEnd(source, last, close - 1) }
  }
  return { next: statementEnd(source, at, to), ends: true }
}

function statementEnd(source: Source, at: number, to: number): number {
  let i = at
  for (;;) {
    i = expressionEnd(source, i === at ? at : i)
    const mark = textAt(source, i)
    if (i > to) return i
    if (mark === ';') return i + 1
    if (mark === ',' || mark === ')' || mark === ']') i++
    else return Math.max(i, at + 1)
  }
}

// -------------------------------------------------------------------------------------------------------------- errors

function errors(source: Source, where: string): Remark[] {
  const found: Remark[] = []
  for (const [i] of source.tokens.entries()) {
    if (isWord(source, i, 'catch') && textAt(source, i - 1) !== '.') {
      const open = textAt(source, i + 1) === '(' ? (source.pair[i + 1] as number) + 1 : i + 1
      const close = source.pair[open] ?? -1
      if (close > open && isHidden(source, open, close))
        found.push({ id: 'tool-error', where, message: 'it catches an error and answers as if nothing had been' })
    }
    if (isWord(source, i, 'catch') && textAt(source, i - 1) === '.' && isEmptyHandler(source, i + 1))
      found.push({ id: 'tool-error', where, message: 'it catches an error and answers as if nothing had been' })
    if (isWord(source, i, 'throw')) {
      const isPlain =
        source.tokens[i + 1]?.kind === 'string' ||
        textAt(source, i + 1) === '{' ||
        source.tokens[i + 1]?.kind === 'template'
      const isEmpty =
        isWord(source, i + 1, 'new') &&
        textAt(source, i + 3) === '(' &&
        (textAt(source, i + 4) === ')' ||
          (source.tokens[i + 4]?.kind === 'string' && source.tokens[i + 4]?.text.trim() === ''))
      const isVague =
        isWord(source, i + 1, 'new') &&
        source.tokens[i + 4]?.kind === 'string' &&
        /^(error|failed|oops|fail|something went wrong|invalid|bad)[.!]?$/i.test(source.tokens[i + 4]?.text ?? '')
      if (isPlain) found.push({ id: 'tool-error', where, message: 'it throws what is no Error' })
      else if (isEmpty || isVague)
        found.push({ id: 'tool-error', where, message: 'it throws an error that does not say what was wrong' })
    }
  }
  return found
}

/** A `catch` whose block neither throws, nor tells what it caught, nor does anything with it. */
function isHidden(source: Source, open: number, close: number): boolean {
  if (close === open + 1) return !source.commented.has(close)
  const bound =
    textAt(source, open - 1) === ')' ? source.tokens[(source.pair[open - 1] as number) + 1]?.text : undefined
  for (let i = open + 1; i < close; i++) {
    if (isWord(source, i, 'throw')) return false
    // Printing it is not telling the caller.
    if (isWord(source, i, 'console')) i = source.pair[i + 3] ?? i
    else if (bound !== undefined && isWord(source, i, bound)) return false
  }
  // A word of what happened is told after all: `return { error: 'not found' }`, `return 'there is no such file'`.
  for (let i = open + 1; i < close; i++) {
    if (isWord(source, i, 'console')) i = source.pair[i + 3] ?? i
    else if (isWord(source, i, 'error', 'reason', 'problem', 'ok', 'failed', 'found', 'continue')) return false
    const token = source.tokens[i]
    if ((token?.kind === 'string' || token?.kind === 'template') && token.text.trim().includes(' ')) return false
  }
  return true
}

/** `.catch(() => {})`, `.catch(() => null)`. */
function isEmptyHandler(source: Source, open: number): boolean {
  const close = source.pair[open] ?? -1
  if (close < 0) return false
  const arrow = open + 1
  if (textAt(source, arrow) !== '(' || textAt(source, arrow + 1) !== ')' || textAt(source, arrow + 2) !== '=>')
    return false
  const body = arrow + 3
  if (textAt(source, body) === '{') return source.pair[body] === body + 1
  return close - body <= 2 && source.tokens[body]?.text.includes(' ') !== true
}

function size(source: Source, { from, to }: Body, where: string): Remark[] {
  for (const { at } of callsOf(source, ...greedy)) {
    const isAfterDot = textAt(source, at - 1) === '.'
    if (!isAfterDot && source.tokens[at]?.text.startsWith('read') !== true) continue
    if (!source.tokens.some((token) => bounded.test(token.text)) && from <= at && at <= to)
      return [{ id: 'tool-size', where, message: `it returns all that ${source.tokens[at]?.text} gives` }]
  }
  return []
}
