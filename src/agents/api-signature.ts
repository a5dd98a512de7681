/**
 * Signatures of APIs as texts, in the form of ShortcutsBench (Shen et al. 2024, "ShortcutsBench: a large-scale real-world benchmark for
 * API-based agents"), and whether a call fits one.
 *
 *     const api = parseSignature('lamp.set(State: Bool = True, Level: Enum = "Low") -> Lamp: NSObject(Object)\nParameters:\n    Level:  Level. The value of this Enum must be one of the following values …: "Low", "High".')
 *     callFaults(api, { Level: 'Off' })       // ['Level takes one of "Low", "High", not "Off"']
 *
 * A signature is `name(param: Type = default, …) -> result: Type`, then sections `Parameters:` (a line each: words, the values of an
 * enum, on which other parameter it depends), `Return Value:`, `Description:` and `ParameterSummary:`.
 *
 * Invariants
 *   AS1. A signature that cannot be read is an error that says where, never half an API.
 *   AS2. `callFaults` is empty exactly where every argument is a known parameter with a value of its type, enums among their values, and
 *        nothing is given whose condition does not hold. An argument may be the output of an earlier action (`{ from: … }`): then only its name counts.
 */
import { PolityError } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'

export interface ApiParameter {
  readonly name: string
  /** As it is written, such as `Bool`, `Enum`, `WFLocationParameter(Object)`. */
  readonly type: string
  /** Whether it is an object that only another action can give. */
  readonly isObject: boolean
  readonly default?: Json
  readonly description: string
  /** Of an enum; empty where the signature names none. */
  readonly values: readonly string[]
  /** Valid only where this other parameter has one of these values. */
  readonly onlyIf?: { readonly parameter: string; readonly values: readonly Json[] }
}

export interface ApiSignature {
  readonly name: string
  readonly parameters: readonly ApiParameter[]
  readonly returns?: { readonly name: string; readonly type: string }
  readonly title: string
  readonly description: string
  readonly summary: string
}

const SECTIONS = ['Parameters:', 'Return Value:', 'Description:', 'ParameterSummary:'] as const
const VALUES = /must be one of the following values[^:]*: ((?:"(?:[^"\\]|\\.)*"(?: \([^)]*\))?(?:, )?)+)/
const CONDITION =
  /only valid when the value of "([^"]+)" is ((?:"(?:[^"\\]|\\.)*"|True|False)(?:, (?:"(?:[^"\\]|\\.)*"|True|False))*)/

/** Throws `INVALID_ARGUMENT`. */
export function parseSignature(text: string): ApiSignature {
  const [head = '', ...lines] = text.split('\n')
  const wrong = (what: string): PolityError =>
    new PolityError('INVALID_ARGUMENT', `signature ${JSON.stringify(head.slice(0, 60))}: ${what}`)
  const open = head.indexOf('(')
  const name = head.slice(0, Math.max(0, open)).trim()
  if (name === '' || /\s/.test(name)) throw wrong('expected name(parameter: Type, …)')
  const close = closingOf(head, open)
  if (close === undefined) throw wrong('its list of parameters does not end')
  const result = /^\s*(?:->\s*(.+?):\s*(.+?)\s*)?$/.exec(head.slice(close + 1))
  if (result === null) throw wrong('expected "-> name: Type" or nothing behind the parameters')
  const sections = sectionsOf(lines)
  const words = wordsOf(sections['Parameters:'])
  const inside = head.slice(open + 1, close)
  const parameters = inside.trim() === '' ? [] : partsOf(inside).map((part) => parameterOf(part, words, wrong))
  const [, returned, type] = result
  const [, title = '', description = ''] =
    /^(.*?)(?:: ([\s\S]*))?$/.exec(sections['Description:'].join('\n').trim()) ?? []
  return {
    name,
    parameters,
    ...(returned === undefined || type === undefined ? {} : { returns: { name: returned, type } }),
    title,
    description,
    summary: sections['ParameterSummary:'].join('\n').trim(),
  }
}

function parameterOf(
  part: string,
  words: ReadonlyMap<string, string>,
  wrong: (what: string) => PolityError,
): ApiParameter {
  const [, name, rest = ''] = /^\s*([^\s:]+)\s*:\s*([\s\S]+)$/.exec(part) ?? []
  if (name === undefined) throw wrong(`expected "name: Type", not ${JSON.stringify(part.trim())}`)
  const [type = '', ...defaults] = splitOutside(rest, '=')
  const description = words.get(name) ?? ''
  const condition = CONDITION.exec(description)
  return {
    name,
    type: type.trim(),
    isObject: type.trim().endsWith('(Object)'),
    ...(defaults.length === 0 ? {} : { default: literalOf(defaults.join('=').trim()) }),
    description,
    values: literalsOf(VALUES.exec(description)?.[1] ?? ''),
    ...(condition === null
      ? {}
      : {
          onlyIf: {
            parameter: condition[1] as string,
            values: (condition[2] as string).match(/"(?:[^"\\]|\\.)*"|True|False/g)?.map(literalOf) ?? [],
          },
        }),
  }
}

/** What is wrong with the arguments of a call; empty: nothing. Parameters of these APIs may all be left out. */
export function callFaults(api: ApiSignature, args: { readonly [name: string]: Json }): readonly string[] {
  const known = new Map(api.parameters.map((one) => [one.name, one]))
  return Object.entries(args).flatMap(([name, value]) => {
    const parameter = known.get(name)
    if (parameter === undefined)
      return [`${api.name} has no parameter ${name}; it has ${[...known.keys()].join(', ') || 'none'}`]
    const faults = isReference(value) ? [] : typeFaults(parameter, value)
    const { onlyIf } = parameter
    if (onlyIf !== undefined && known.has(onlyIf.parameter)) {
      const there = args[onlyIf.parameter] ?? known.get(onlyIf.parameter)?.default
      if (there !== undefined && !isReference(there) && !onlyIf.values.includes(there))
        faults.push(
          `${name} is only valid where ${onlyIf.parameter} is ${onlyIf.values.map((one) => JSON.stringify(one)).join(', ')}`,
        )
    }
    return faults
  })
}

function typeFaults({ name, type, isObject, values }: ApiParameter, value: Json): string[] {
  const takes = (what: string): string[] => [`${name} takes ${what}, not ${JSON.stringify(value)}`]
  if (isObject) return []
  switch (type) {
    case 'Enum':
      if (values.length > 0 && !values.includes(value as string))
        return takes(`one of ${values.map((one) => JSON.stringify(one)).join(', ')}`)
      return typeof value === 'string' ? [] : takes('a text')
    case 'Bool':
      return typeof value === 'boolean' ? [] : takes('true or false')
    case 'Integer':
      return Number.isSafeInteger(value) ? [] : takes('a whole number')
    case 'Number':
    case 'Float':
    case 'Decimal':
      return typeof value === 'number' ? [] : takes('a number')
    case 'String':
      return typeof value === 'string' ? [] : takes('a text')
    default:
      return []
  }
}

function isReference(value: Json): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && 'from' in value
}

/** The text of a document that is searched: name in words, what it does, and its parameters. */
export function signatureText({ name, title, description, parameters }: ApiSignature): string {
  return [name, title, description, ...parameters.map((one) => `${one.name}: ${one.description}`)].join('\n')
}

// ------------------------------------------------------------------------------------------------------------ reading

/** Calls back at every character that is not inside quotes, with the depth of brackets there. */
function scan(text: string, from: number, at: (char: string, place: number, depth: number) => boolean): void {
  let [quote, depth] = ['', 0]
  for (let i = from; i < text.length; i++) {
    const char = text[i] as string
    if (quote !== '') {
      if (char === '\\') i++
      else if (char === quote) quote = ''
      continue
    }
    // An apostrophe inside a word is none that quotes.
    if (char === '"' || (char === "'" && !/\w/.test(text[i - 1] ?? ''))) quote = char
    else if ('([{'.includes(char)) depth++
    else if (')]}'.includes(char)) depth--
    if (at(char, i, depth)) return
  }
}

function closingOf(text: string, open: number): number | undefined {
  let found: number | undefined
  scan(text, open, (char, place, depth) => {
    if (char === ')' && depth === 0) found = place
    return found !== undefined
  })
  return found
}

function splitOutside(text: string, mark: string): string[] {
  const parts: string[] = []
  let from = 0
  scan(text, 0, (char, place, depth) => {
    if (char === mark && depth === 0) {
      parts.push(text.slice(from, place))
      from = place + 1
    }
    return false
  })
  return [...parts, text.slice(from)]
}

/** Parameters, split at commas that begin a new one: a default may hold commas of its own. */
function partsOf(inside: string): string[] {
  const parts: string[] = []
  for (const part of splitOutside(inside, ',')) {
    if (parts.length > 0 && !/^\s*[^\s:=]+\s*:\s*\S/.test(part)) parts.push(`${parts.pop()},${part}`)
    else parts.push(part)
  }
  return parts
}

function sectionsOf(lines: readonly string[]): Record<(typeof SECTIONS)[number], string[]> {
  const sections = { 'Parameters:': [], 'Return Value:': [], 'Description:': [], 'ParameterSummary:': [] } as Record<
    (typeof SECTIONS)[number],
    string[]
  >
  let present: string[] | undefined
  for (const line of lines) {
    const begins = SECTIONS.find((one) => line.startsWith(one))
    if (begins !== undefined) {
      present = sections[begins]
      const rest = line.slice(begins.length).trim()
      if (rest !== '') present.push(rest)
    } else present?.push(line)
  }
  return sections
}

/** Of each parameter what the section says, also over several lines. */
function wordsOf(lines: readonly string[]): Map<string, string> {
  const words = new Map<string, string>()
  let last: string | undefined
  for (const line of lines) {
    const [, name, rest = ''] = /^ {4}([^\s:]+):\s*(.*)$/.exec(line) ?? []
    if (name !== undefined) words.set((last = name), rest.trim())
    else if (last !== undefined) words.set(last, `${words.get(last) ?? ''} ${line.trim()}`.trim())
  }
  return words
}

/** A value as these signatures write it, which is Python's way; what is none of it is a text. */
function literalOf(text: string): Json {
  if (text === 'True' || text === 'False') return text === 'True'
  if (text === 'None') return null
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text)
  if (/^".*"$/s.test(text)) {
    try {
      return JSON.parse(text) as Json
    } catch {
      return text.slice(1, -1)
    }
  }
  return /^'.*'$/s.test(text) ? text.slice(1, -1) : text
}

function literalsOf(list: string): string[] {
  return (list.match(/"(?:[^"\\]|\\.)*"/g) ?? []).map((one) => String(literalOf(one)))
}
