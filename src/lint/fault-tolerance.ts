/** MNFT: faults that will come and that nothing is ready for: no time limit, no bound, no `await`, an empty `catch`. */
import type { AgentFacts, Remark } from './facts.ts'
import { argumentsOf } from './model-text.ts'
import type { Source } from './source.ts'
import {
  around,
  assignedNames,
  callsOf,
  chainStart,
  expressionEnd,
  hasWord,
  isStatementStart,
  isWord,
  placeAt,
  textAt,
} from './source.ts'

/** More steps than any task needs. */
const STEPS_MAX = 500

const asyncCalls = [
  'generate',
  'embed',
  'call',
  'spawn',
  'wait',
  'fork',
  'send',
  'receive',
  'ask',
  'remember',
  'recall',
  'forget',
  'read',
  'write',
  'remove',
  'list',
  'sleep',
  'kill',
  'snapshot',
  'restore',
]
const handlers = ['then', 'catch', 'finally']

export function lintFaultTolerance(source: Source): Remark[] {
  return [...requests(source), ...loops(source), ...promises(source), ...swallowed(source)]
}

// ------------------------------------------------------------------------------------------------------------ time limits

function requests(source: Source): Remark[] {
  const remarks: Remark[] = []
  for (const { at, open, close } of callsOf(source, 'fetch', 'request', 'axios')) {
    const isPlain =
      isWord(source, at, 'fetch') && (textAt(source, at - 1) !== '.' || isWord(source, at - 2, 'globalThis', 'window'))
    const isClient =
      isWord(source, at, 'request', 'axios') &&
      (isWord(source, at - 2, 'undici', 'https', 'http', 'axios') || isWord(source, at, 'axios'))
    if (!isPlain && !isClient) continue
    if (!isLimited(source, open, close))
      remarks.push({
        id: 'no-timeout',
        where: placeAt(source, at),
        message: `${source.tokens[at]?.text} has no time limit`,
      })
  }
  for (const { at, open, close } of callsOf(source, 'get', 'post', 'put')) {
    if (!isWord(source, at - 2, 'axios', 'got', 'ky') || isLimited(source, open, close)) continue
    remarks.push({
      id: 'no-timeout',
      where: placeAt(source, at),
      message: `${source.tokens[at - 2]?.text}.${source.tokens[at]?.text} has no time limit`,
    })
  }
  for (const { at, open, close } of callsOf(
    source,
    'exec',
    'execFile',
    'spawnSync',
    'execSync',
    'execFileSync',
    'execa',
  )) {
    // `pattern.exec(text)` is no command.
    if (textAt(source, at - 1) === '.' && !isWord(source, at - 2, 'child_process', 'childProcess', 'cp')) continue
    if (isLimited(source, open, close)) continue
    remarks.push({
      id: 'no-timeout',
      where: placeAt(source, at),
      message: `${source.tokens[at]?.text} has no time limit`,
    })
  }
  return remarks
}

const limits = ['signal', 'timeout', 'timeoutMs', 'deadline', 'abortSignal', 'headersTimeout', 'bodyTimeout']

function isLimited(source: Source, open: number, close: number): boolean {
  if (hasWord(source, open, close, ...limits)) return true
  for (const bracket of around(source, open)) {
    const name = source.tokens[bracket - 1]?.text ?? ''
    if (textAt(source, bracket) === '(' && /timeout|race|deadline|abort|within/i.test(name)) return true
    if (textAt(source, bracket) === '{' && textAt(source, bracket - 1) === '=>') continue
  }
  // Options by name: does whoever makes them speak of a limit?
  for (const [from, to] of argumentsOf(source, open, close).slice(1)) {
    for (let i = from; i <= to; i++) {
      if (!isWord(source, i) || (from !== to && textAt(source, i - 1) !== '...')) continue
      const name = source.tokens[i]?.text as string
      for (const [k] of source.tokens.entries()) {
        if (!isWord(source, k, name) || textAt(source, k + 1) === '.') continue
        if (textAt(source, k + 1) === '=' || textAt(source, k + 1) === ':')
          if (hasWord(source, k, expressionEnd(source, k + 2), ...limits)) return true
      }
    }
  }
  return false
}

// ------------------------------------------------------------------------------------------------------------------ loops

function loops(source: Source): Remark[] {
  const remarks: Remark[] = []
  for (const [i] of source.tokens.entries()) {
    const open = i + 1
    if (!isWord(source, i, 'while', 'for') || textAt(source, open) !== '(') continue
    const close = source.pair[open] ?? -1
    if (close < 0) continue
    const body = close + 1
    const isDo = textAt(source, i - 1) === '}' && isWord(source, (source.pair[i - 1] ?? 0) - 1, 'do')
    const from = isDo ? (source.pair[i - 1] as number) : body
    const to = isDo ? i - 1 : textAt(source, body) === '{' ? (source.pair[body] as number) : expressionEnd(source, body)
    if (!callsModel(source, from, to)) continue
    if (isWord(source, i, 'for') && !isEndlessFor(source, open)) continue
    if (isWord(source, i, 'while') && isCounted(source, open, close)) continue
    if (hasOwnBound(source, from, to)) continue
    remarks.push({
      id: 'no-bound',
      where: placeAt(source, i),
      message: 'the model is called in a loop that only the model ends',
    })
  }
  return remarks
}

function callsModel(source: Source, from: number, to: number): boolean {
  return callsOf(source, 'generate', 'toolLoop', 'generateText', 'ask', 'spawn', 'codeLoop').some(
    ({ at }) => at > from && at < to,
  )
}

function isEndlessFor(source: Source, open: number): boolean {
  const close = source.pair[open] as number
  if (hasWord(source, open, close, 'of', 'in')) return false
  let seen = 0
  for (let i = open + 1; i < close; i++) {
    if (textAt(source, i) !== ';') continue
    if (++seen === 1 && textAt(source, i + 1) === ';') return true
  }
  return false
}

/** A condition that compares with a number, or with a name of a bound. */
function isCounted(source: Source, open: number, close: number): boolean {
  for (let i = open + 1; i < close; i++) if (['<', '<=', '>', '>=', '--'].includes(textAt(source, i))) return true
  return hasWord(source, open, close, 'length', 'size', 'shift', 'pop')
}

/** `if (step >= stepsMax) break` within. */
function hasOwnBound(source: Source, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    if (!isWord(source, i, 'if') || textAt(source, i + 1) !== '(') continue
    const close = source.pair[i + 1] as number
    let isComparison = false
    for (let k = i + 2; k < close; k++)
      isComparison ||= ['<', '<=', '>', '>=', '===', '=='].includes(textAt(source, k)) && isNumberNear(source, k)
    if (isComparison && hasWord(source, close, Math.min(close + 12, to), 'break', 'return', 'throw')) return true
  }
  // `const mayCall = step < stepsMax`
  for (let i = from; i < to; i++)
    if (
      ['<', '<=', '>', '>='].includes(textAt(source, i)) &&
      /max|limit|budget|most/i.test(`${source.tokens[i + 1]?.text} ${source.tokens[i - 1]?.text}`)
    )
      return true
  return false
}

function isNumberNear(source: Source, at: number): boolean {
  const near = [source.tokens[at - 1], source.tokens[at + 1]]
  return (
    near.some(
      (token) =>
        token?.kind === 'number' ||
        /max|limit|most|attempts?$|tries|rounds?$|steps?$/i.test(token?.kind === 'word' ? token.text : ''),
    ) && !near.some((token) => token?.text === 'length')
  )
}

// --------------------------------------------------------------------------------------------------------------- promises

function promises(source: Source): Remark[] {
  const systems = sysNames(source)
  const own = asyncFunctions(source)
  const remarks: Remark[] = []
  const look = (at: number, close: number, what: string): void => {
    const start = chainStart(source, at)
    const end = expressionEnd(source, start)
    const chain = handlersAfter(source, close)
    const before = source.tokens[start - 1]
    // `close(): Promise<void>` of an interface is no call.
    if (
      isStatementStart(source, start) &&
      textAt(source, close + 1) !== ':' &&
      !chain.includes('catch') &&
      !isInExpression(source, start)
    ) {
      // `.then(a, b)` handles too.
      remarks.push({ id: 'not-awaited', where: placeAt(source, at), message: `nobody waits for ${what}` })
      return
    }
    if (before?.text !== '=' || chain.length > 0) return
    for (const name of assignedNames(source, start - 1)) {
      const isPattern = textAt(source, start - 2) === '}'
      const used = isPattern ? end : usedAsValue(source, end, name)
      if (used !== undefined) {
        remarks.push({
          id: 'not-awaited',
          where: placeAt(source, isPattern ? at : used),
          message: `${isPattern ? `{ ${name} }` : name} is taken of a promise: ${what} is not awaited`,
        })
        return
      }
    }
  }
  for (const { at, close } of callsOf(source, ...asyncCalls))
    if (
      textAt(source, at - 1) === '.' &&
      systems.has(source.tokens[at - 2]?.text ?? '') &&
      textAt(source, at - 3) !== '.'
    )
      look(at, close, `${source.tokens[at - 2]?.text}.${source.tokens[at]?.text}`)
  for (const { at, close } of callsOf(source, ...own))
    if (!['.', '?.'].includes(textAt(source, at - 1))) look(at, close, source.tokens[at]?.text as string)
  return remarks
}

/** `{ read: sys.read(…) }` after a `{` that is an object, and the like. */
function isInExpression(source: Source, start: number): boolean {
  return textAt(source, start - 1) === '{' && textAt(source, start - 2) === '=>'
    ? false
    : isWord(source, start - 1, 'void', 'return')
}

function handlersAfter(source: Source, close: number): string[] {
  const found: string[] = []
  let i = close
  while (['.', '?.'].includes(textAt(source, i + 1)) && source.tokens[i + 2]?.kind === 'word') {
    found.push(source.tokens[i + 2]?.text as string)
    i = textAt(source, i + 3) === '(' ? (source.pair[i + 3] as number) : i + 2
  }
  return found
}

/** Where a property is read of a promise, or it is joined to a text. */
function usedAsValue(source: Source, from: number, name: string): number | undefined {
  for (let i = from; i < source.tokens.length; i++) {
    if (!isWord(source, i, name) || ['.', '?.'].includes(textAt(source, i - 1))) continue
    if (isWord(source, i - 1, 'await')) return undefined
    if (textAt(source, i + 1) === '=') return undefined
    if (['.', '?.'].includes(textAt(source, i + 1)) && !handlers.includes(source.tokens[i + 2]?.text ?? '')) return i
    if (textAt(source, i - 1) === '(' && isWord(source, (around(source, i)[0] ?? 0) - 1, 'if')) return i
    if (source.tokens[i - 2]?.kind === 'template' || source.tokens[i - 1]?.text === '+') return i
  }
  return undefined
}

/** What the system calls are called here: `sys`, or what the function of a program calls its first parameter. */
function sysNames(source: Source): Set<string> {
  const names = new Set(['sys'])
  for (const [i] of source.tokens.entries())
    if (isWord(source, i, 'Sys') && textAt(source, i - 1) === ':' && isWord(source, i - 2))
      names.add(source.tokens[i - 2]?.text as string)
  for (const { open, close } of callsOf(source, 'defineProgram')) {
    const run = argumentsOf(source, open, close)[1]
    if (run === undefined) continue
    let i = run[0]
    while (i < run[1] && textAt(source, i) !== '(') i++
    if (isWord(source, i + 1)) names.add(source.tokens[i + 1]?.text as string)
  }
  return names
}

function asyncFunctions(source: Source): string[] {
  const found: string[] = []
  for (const [i] of source.tokens.entries()) {
    if (!isWord(source, i, 'async')) continue
    if (isWord(source, i + 1, 'function') && isWord(source, i + 2)) found.push(source.tokens[i + 2]?.text as string)
    else if (textAt(source, i - 1) === '=' && isWord(source, i - 2) && isWord(source, i - 3, 'const', 'let'))
      found.push(source.tokens[i - 2]?.text as string)
  }
  return found
}

// --------------------------------------------------------------------------------------------------------------- swallowed

function swallowed(source: Source): Remark[] {
  const remarks: Remark[] = []
  for (const [i] of source.tokens.entries()) {
    if (!isWord(source, i, 'catch')) continue
    if (textAt(source, i - 1) === '.') {
      const open = i + 1
      const close = source.pair[open] ?? -1
      const isEmpty =
        textAt(source, open + 1) === '(' && textAt(source, close - 1) === '}' && textAt(source, close - 2) === '{'
      if (isEmpty && !isWord(source, chainStart(source, i) - 1, 'void')) {
        const start = chainStart(source, i)
        // What is watched elsewhere (`promise.catch(() => {})` beside an await of it) is no chain of calls.
        if (hasWord(source, start, i, ...asyncCalls, 'fetch')) remarks.push(swallow(source, i))
      }
      continue
    }
    const open = textAt(source, i + 1) === '(' ? (source.pair[i + 1] as number) + 1 : i + 1
    const close = source.pair[open] ?? -1
    if (close < 0) continue
    const onlyPrints = isOnlyPrinting(source, open, close)
    // Whoever says why has thought of it.
    if ((close === open + 1 && !source.commented.has(close)) || onlyPrints) remarks.push(swallow(source, i))
    else if (isRetry(source, i, open, close))
      remarks.push({ id: 'no-bound', where: placeAt(source, i), message: 'what failed is tried again without end' })
  }
  return remarks
}

function swallow(source: Source, at: number): Remark {
  return { id: 'fault-swallowed', where: placeAt(source, at), message: 'an error is caught and forgotten' }
}

function isOnlyPrinting(source: Source, open: number, close: number): boolean {
  if (!isWord(source, open + 1, 'console') || textAt(source, open + 2) !== '.') return false
  const end = source.pair[open + 4] ?? -1
  return end + 1 === close || (textAt(source, end + 1) === ';' && end + 2 === close)
}

/** `for (;;) { try { … } catch { … } }` in which nothing leaves the `catch`. */
function isRetry(source: Source, at: number, open: number, close: number): boolean {
  if (hasWord(source, open, close, 'throw', 'return', 'break')) return false
  const loop = around(source, at).find((bracket) => textAt(source, bracket) === '{')
  if (loop === undefined || textAt(source, loop - 1) !== ')') return false
  const head = source.pair[loop - 1] as number
  if (isWord(source, head - 1, 'while'))
    return (
      isWord(source, head + 1, 'true') ||
      (!isCounted(source, head, loop - 1) && hasWord(source, open, close, 'continue'))
    )
  return isWord(source, head - 1, 'for') && isEndlessFor(source, head)
}

// ------------------------------------------------------------------------------------------------------------------ agents

export function lintBounds({ name, stepsMax, budget, tools = [] }: AgentFacts): Remark[] {
  const where = `agent ${name}`
  if (stepsMax !== undefined && !(stepsMax >= 1 && stepsMax <= STEPS_MAX))
    return [{ id: 'no-bound', where, message: `stepsMax is ${stepsMax}` }]
  const wrong = Object.entries(budget ?? {}).find(
    ([, value]) => value !== undefined && !(value > 0 && Number.isFinite(value)),
  )
  if (wrong !== undefined) return [{ id: 'no-bound', where, message: `the budget of ${wrong[0]} is ${wrong[1]}` }]
  return budget !== undefined && Object.keys(budget).length === 0 && tools.length > 0
    ? [{ id: 'no-bound', where, message: 'its budget bounds nothing', severity: 'note' }]
    : []
}
