/**
 * Which variables of a source hold what a model wrote, as far as names tell: what comes from a model call, and what is
 * made of such a variable, also as the argument of a function of the same file.
 */
import type { Source } from './source.ts'
import { assignedNames, callsOf, chainStart, expressionEnd, isWord, textAt } from './source.ts'

const modelCalls = [
  'generate',
  'toolLoop',
  'codeLoop',
  'generateText',
  'generateObject',
  'streamText',
  'complete',
  'completion',
  'invoke',
  'chat',
]
/** Methods whose outcome is no longer text of the model. */
const judged = ['safeParse', 'parse', 'spawn']

export type HoldsModelText = (from: number, to: number) => boolean

/** Whether what a model wrote is used between two places. */
export function modelTextIn(source: Source): HoldsModelText {
  const names = new Set<string>()
  const isOfModel = (from: number, to: number): boolean => {
    for (let i = from; i <= to; i++) {
      if (!isWord(source, i)) continue
      const name = source.tokens[i]?.text as string
      const before = textAt(source, i - 1)
      const isProperty = before === '.' || before === '?.' || (textAt(source, i + 1) === ':' && before !== '?')
      if (!isProperty && names.has(name)) return true
      if (modelCalls.includes(name) && (textAt(source, i + 1) === '(' || textAt(source, i + 1) === '<')) {
        // A bare `chat(…)` may be anything; a method, or an awaited call, is taken at its word.
        if (isProperty || isWord(source, i - 1, 'await')) return true
      }
    }
    return false
  }
  const functions = functionsOf(source)
  // What is assigned further up may come from further down: until nothing is added, five rounds at most.
  for (let round = 0, size = -1; round < 5 && size !== names.size; round++) {
    size = names.size
    for (const [i, token] of source.tokens.entries()) {
      if (token.kind === 'mark' && token.text === '=') {
        const end = expressionEnd(source, i + 1)
        if (isOfModel(i + 1, end - 1) && !isJudged(source, i + 1, end))
          for (const name of assignedNames(source, i)) names.add(name)
      }
      if (isWord(source, i, 'of') && isOfModel(i + 1, i + 1) && isWord(source, i - 1))
        names.add(source.tokens[i - 1]?.text as string)
    }
    // What is put into a list, and what a function of its items is given.
    for (const { at, open, close } of callsOf(source, 'push', 'unshift', 'add'))
      if (isMethod(source, at) && isWord(source, at - 2) && isOfModel(open + 1, close - 1))
        names.add(source.tokens[at - 2]?.text as string)
    for (const { at, open } of callsOf(source, 'map', 'flatMap', 'forEach', 'filter')) {
      const first = textAt(source, open + 1) === '(' ? open + 2 : open + 1
      if (isMethod(source, at) && isWord(source, first) && isOfModel(chainStart(source, at), at - 1))
        names.add(source.tokens[first]?.text as string)
    }
    for (const [name, parameters] of functions) {
      for (const { open, close } of callsOf(source, name)) {
        const parts = argumentsOf(source, open, close)
        for (const [n, [from, to]] of parts.entries()) {
          const parameter = parameters[n]
          if (parameter !== undefined && isOfModel(from, to)) names.add(parameter)
        }
      }
    }
  }
  return isOfModel
}

const isMethod = (source: Source, at: number): boolean => ['.', '?.'].includes(textAt(source, at - 1) ?? '')

function isJudged(source: Source, from: number, end: number): boolean {
  for (const { at } of callsOf(source, ...judged))
    if (at >= from && at < end && textAt(source, at - 1) === '.' && !isWord(source, at - 2, 'JSON')) return true
  return false
}

/** First and last place of each argument. */
export function argumentsOf(source: Source, open: number, close: number): (readonly [from: number, to: number])[] {
  const parts: (readonly [number, number])[] = []
  let from = open + 1
  for (let i = open + 1; i <= close; i++) {
    const pair = source.pair[i] ?? -1
    if (pair > i && i !== close) {
      i = pair
      continue
    }
    if (i === close || textAt(source, i) === ',') {
      if (i > from) parts.push([from, i - 1])
      from = i + 1
    }
  }
  return parts
}

/** Functions of the file with the names of their parameters. */
function functionsOf(source: Source): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const [i, token] of source.tokens.entries()) {
    if (token.kind !== 'word') continue
    let open = -1
    if (isWord(source, i - 1, 'function') && textAt(source, i + 1) === '(') open = i + 1
    else if (textAt(source, i + 1) === '=') {
      const at = isWord(source, i + 2, 'async') ? i + 3 : i + 2
      const close = textAt(source, at) === '(' ? (source.pair[at] ?? -1) : -1
      if (close > 0 && (textAt(source, close + 1) === '=>' || textAt(source, close + 1) === ':')) open = at
    }
    if (open < 0) continue
    const close = source.pair[open] ?? -1
    if (close < 0) continue
    found.set(
      token.text,
      argumentsOf(source, open, close).map(([from]) =>
        isWord(source, from) ? (source.tokens[from]?.text as string) : '',
      ),
    )
  }
  return found
}
