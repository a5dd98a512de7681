/**
 * LOPE: what is done with the text of a model. A model that was asked for JSON writes JSON most of the time; the rest of the
 * time `JSON.parse` throws, a match is null and a number is NaN.
 */
import type { AgentFacts, Remark } from './facts.ts'
import { argumentsOf, modelTextIn } from './model-text.ts'
import type { Call, Source } from './source.ts'
import {
  around,
  assignedNames,
  callsOf,
  chainStart,
  expressionEnd,
  isWithinTry,
  isWord,
  placeAt,
  textAt,
} from './source.ts'

const checks = [
  'parse',
  'safeParse',
  'validate',
  'check',
  'decode',
  'assert',
  'is',
  'coerce',
  'parseAsync',
  'safeParseAsync',
]
const format = /\b(json|yaml|xml|csv)\b/i
const asks =
  /\b(answer|respond|reply|return|output|produce|write|emit|give|print|format|provide|generate|result|response)\w*\b/i
const isData = /\b(tool|file|input|document|data|attached|attachment|reads?|parses?|config\w*)\b/i

export function lintOutputParsing(source: Source): Remark[] {
  const holds = modelTextIn(source)
  return [...parsed(source, holds), ...matched(source, holds), ...counted(source, holds), ...evaluated(source, holds)]
}

function remark(source: Source, at: number, message: string, fix?: string): Remark {
  return { id: 'output-unparsed', where: placeAt(source, at), message, ...(fix === undefined ? {} : { fix }) }
}

type Holds = (from: number, to: number) => boolean

function parsed(source: Source, holds: Holds): Remark[] {
  const found = callsOf(source, 'parse', 'parseYaml', 'parseJson', 'load').filter(({ at }) =>
    isWord(source, at, 'parse', 'load') ? isWord(source, at - 2, 'JSON', 'YAML', 'yaml', 'JSON5') : true,
  )
  return found
    .filter((call) => holds(call.open + 1, call.close - 1) && !isGuarded(source, call))
    .map(({ at }) =>
      remark(source, at, 'text of a model goes into a parser, and nothing is ready for text that does not parse'),
    )
}

/** Within `try`, or what comes out goes through a schema or a `.catch`. */
function isGuarded(source: Source, call: Call): boolean {
  if (isWithinTry(source, call.at)) return true
  for (const open of around(source, call.at)) {
    if (textAt(source, open) === '(' && isCheck(source, open - 1)) return true
    if (textAt(source, open) === '{') break
  }
  const start = chainStart(source, call.at)
  const before = textAt(source, start - 1)
  if (before !== '=') return false
  const end = expressionEnd(source, start)
  return assignedNames(source, start - 1).some((name) =>
    callsOf(source, ...checks).some(
      ({ at, open, close }) =>
        at >= end &&
        isCheck(source, at) &&
        argumentsOf(source, open, close).some(([from, to]) => {
          for (let i = from; i <= to; i++) if (isWord(source, i, name)) return true
          return false
        }),
    ),
  )
}

/** `Schema.parse(`, `validate(`, `isPlan(`; not `JSON.parse(`. */
function isCheck(source: Source, at: number): boolean {
  const name = source.tokens[at]?.kind === 'word' ? (source.tokens[at]?.text as string) : ''
  if (name === '' || isWord(source, at - 2, 'JSON')) return false
  return checks.includes(name) || /^(is|assert|validate|check|parse)[A-Z]/.test(name)
}

/** `text.match(…)[1]`, `/…/.exec(text)!.groups`, `text.split('\n')[3].trim()`: what is not there is taken. */
function matched(source: Source, holds: Holds): Remark[] {
  return callsOf(source, 'match', 'exec', 'split', 'at', 'find').flatMap((call) => {
    const { at, open, close } = call
    const name = source.tokens[at]?.text as string
    const isOf = holds(chainStart(source, at), at - 1) || (name === 'exec' && holds(open + 1, close - 1))
    if (!isOf || textAt(source, at - 1) !== '.' || isWithinTry(source, at)) return []
    const next = textAt(source, close + 1)
    const isForced = next === '!' && textAt(source, close + 2) !== '='
    const isTaken = next === '.' || next === '['
    if (name === 'match' || name === 'exec')
      return isForced || isTaken
        ? [
            remark(
              source,
              at,
              'a match in the text of a model is taken for granted',
              'ask whether it is null, and ask the model again',
            ),
          ]
        : []
    if (name === 'split' && assignedParts(source, at).some((part) => isPartTaken(source, part)))
      return [remark(source, at, 'a part of the text of a model is taken for granted', 'ask whether it is there')]
    if (name === 'split' && next === '[') {
      const bracket = source.pair[close + 1] ?? -1
      const isFirst = textAt(source, close + 2) === '0' && bracket === close + 3
      const after = textAt(source, bracket + 1)
      if (!isFirst && (after === '!' || after === '.'))
        return [remark(source, at, 'a part of the text of a model is taken for granted', 'ask whether it is there')]
    }
    return []
  })
}

/** The name that a list of parts is given, where nobody asks how many there are. */
function assignedParts(source: Source, at: number): readonly string[] {
  const before = chainStart(source, at) - 1
  if (textAt(source, before) !== '=') return []
  const isCounted = (name: string): boolean =>
    source.tokens.some((_, i) => isWord(source, i, name) && isWord(source, i + 2, 'length'))
  return assignedNames(source, before).filter((name) => !isCounted(name))
}

/** `parts[3].trim()`. */
function isPartTaken(source: Source, name: string): boolean {
  return source.tokens.some(
    (_, i) =>
      isWord(source, i, name) &&
      textAt(source, i + 1) === '[' &&
      /^[1-9]\d*$/.test(textAt(source, i + 2) ?? '') &&
      textAt(source, i + 3) === ']' &&
      ['.', '!'].includes(textAt(source, i + 4) ?? ''),
  )
}

/** A number of a model's text that nobody asks whether it is one. */
function counted(source: Source, holds: Holds): Remark[] {
  return callsOf(source, 'Number', 'parseInt', 'parseFloat').flatMap(({ at, open, close }) => {
    if (!holds(open + 1, close - 1)) return []
    const isAsked = callsOf(source, 'isNaN', 'isFinite', 'isInteger', 'isSafeInteger', 'safeParse').length > 0
    return isAsked || isWithinTry(source, at)
      ? []
      : [
          remark(
            source,
            at,
            'a number is made of the text of a model, and may be NaN',
            'ask Number.isFinite, and ask the model again',
          ),
        ]
  })
}

function evaluated(source: Source, holds: Holds): Remark[] {
  return callsOf(source, 'eval', 'Function', 'runInNewContext', 'runInThisContext')
    .filter(({ open, close }) => holds(open + 1, close - 1))
    .map(({ at }) => ({
      ...remark(
        source,
        at,
        'text of a model is run as code of this process',
        'run it in a sandbox: polity/agents/code-act',
      ),
      severity: 'error' as const,
    }))
}

/** Instructions that ask for JSON, of an agent that no schema holds to it. */
export function lintOutputSchema({ name, instructions = '', outputSchema }: AgentFacts): Remark[] {
  if (outputSchema !== undefined) return []
  const sentence = instructions
    .split(/(?<=[.!?:;])\s+|\n+/)
    .find(
      (one) =>
        (format.test(one) &&
          asks.test(one) &&
          !(isData.test(one) && !/\b(only|valid|as|in)\s+(a\s+)?(valid\s+)?json\b/i.test(one))) ||
        isObjectShape(one),
    )
  return sentence === undefined
    ? []
    : [
        {
          id: 'output-unasked',
          where: `agent ${name}`,
          message: `the instructions ask for a form (“${sentence.trim().slice(0, 60)}”), and no schema holds the model to it`,
        },
      ]
}

/** `{"answer": …, "sources": […]}` in instructions, or an object with named keys. */
function isObjectShape(sentence: string): boolean {
  return (
    /\{\s*["'“]?\w+["'”]?\s*:/.test(sentence) ||
    (asks.test(sentence) &&
      /\b(object|dictionary|record)\s+(with|of|that has)\b.*\b(keys?|fields?|properties)\b/i.test(sentence))
  )
}
