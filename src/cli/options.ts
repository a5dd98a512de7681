/**
 * Options: from the words of a command line to checked values, or one sentence about what is wrong with them.
 *
 * Built on `util.parseArgs`, whose tokens say what was given; the checks and their sentences are ours.
 */
import { parseArgs } from 'node:util'
import { PolityError } from '../kernel/errors.ts'
import { nearest } from '../kernel/known-keys.ts'
import type { Budget, Json, Price } from '../kernel/types.ts'
import type { Arguments, Command, OptionSpec, OptionSpecs } from './command.ts'
import type { Setup } from './setup.ts'

/** Options that every command takes. */
export const everywhere = {
  store: { kind: 'text', value: 'file', help: 'the store (default .polity/polity.db, or $POLITY_STORE)' },
  json: { kind: 'flag', help: 'the result as JSON on stdout' },
  quiet: { kind: 'flag', short: 'q', help: 'nothing on stderr but what went wrong' },
  help: { kind: 'flag', short: 'h', help: 'about this command' },
} as const satisfies OptionSpecs

/**
 * Throws a usage error for an option that this way of the command would ignore, which could change what is meant:
 * `forget --dry-run` forgets nothing.
 *
 * @param ways of the command, with the options that mean something in each; an option of none is everybody's
 */
export function checkTaken(
  command: string,
  way: string,
  ways: { readonly [way: string]: readonly string[] },
  values: { readonly [option: string]: unknown },
): void {
  for (const [name, value] of Object.entries(values)) {
    const isGiven = Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false
    const owners = Object.keys(ways).filter((one) => ways[one]?.includes(name) === true)
    if (!isGiven || owners.length === 0 || owners.includes(way)) continue
    throw usageError(`${command} ${way} takes no --${name}; --${name} belongs to ${owners.join(', ')}`)
  }
}

/** The same for words behind a verb: `files show 17 a.md b.md` shows one file. `takes` is what the verb takes, a part a word. */
export function checkWords(line: string, takes: readonly string[], words: readonly string[]): void {
  if (words.length > takes.length)
    throw usageError(
      `${line} does not take ${JSON.stringify(words[takes.length])}; expected ${[line, ...takes].join(' ')}, and a text that has spaces in quotes`,
    )
}

/** Ceilings for a run. */
export const budgetOptions = {
  'budget-usd': { kind: 'amount', value: 'n', help: 'most US dollars that the run may cost' },
  'budget-tokens': { kind: 'whole', value: 'n', help: 'most tokens, in and out together' },
  'budget-steps': { kind: 'whole', value: 'n', help: 'most model calls' },
  'budget-ms': { kind: 'whole', value: 'n', help: 'most time, in ms' },
} as const satisfies OptionSpecs

/** What the model costs: without it, dollars cannot be counted. */
export const priceOption = {
  price: { kind: 'text', value: 'in/out', help: 'US dollars for a million tokens in and out, such as 1.25/10' },
} as const satisfies OptionSpecs

/** What makes vectors of the notes of a run. */
export const embedderOption = {
  embedder: {
    kind: 'text',
    value: 'name',
    help: 'what makes vectors of notes: hashing, words, or provider/model (default hashing, which needs no model)',
  },
} as const satisfies OptionSpecs

export function priceOf(text: string | undefined): Price | undefined {
  if (text === undefined) return undefined
  const match = /^(\d+\.?\d*|\.\d+)\/(\d+\.?\d*|\.\d+)$/.exec(text)
  if (match === null)
    throw usageError(
      `--price takes dollars for a million tokens in and out, such as 1.25/10, not ${JSON.stringify(text)}`,
    )
  return { input: Number(match[1]), output: Number(match[2]) }
}

export function budgetOf(values: { readonly [Name in keyof typeof budgetOptions]: number | undefined }): Budget {
  const budget: { -readonly [Key in keyof Budget]: Budget[Key] } = {}
  if (values['budget-usd'] !== undefined) budget.usd = values['budget-usd']
  if (values['budget-tokens'] !== undefined) budget.tokens = values['budget-tokens']
  if (values['budget-steps'] !== undefined) budget.steps = values['budget-steps']
  if (values['budget-ms'] !== undefined) budget.wallMs = values['budget-ms']
  return budget
}

/** The setup of a run as the options say it; without a program, that of the research team. */
export function setupGiven(
  program: string | undefined,
  values: {
    readonly model: string | undefined
    readonly embedder?: string | undefined
    readonly price: string | undefined
    readonly law: string | undefined
    readonly in: readonly string[]
  },
): Setup {
  return {
    program,
    model: values.model,
    embedder: values.embedder,
    price: priceOf(values.price),
    law: values.law,
    in: values.in.length > 0 ? values.in : undefined,
  }
}

/**
 * JSON if it parses as such, else the text as it is. Throws a usage error where a whole number in it has more digits than a
 * number keeps (beyond 2^53): an order id or a card number would silently become another.
 */
export function jsonOrText(text: string): Json {
  let json: Json
  try {
    json = JSON.parse(text) as Json
  } catch {
    return text
  }
  const changed = /\d{16}/.test(text) ? changedNumber(text) : undefined
  if (changed === undefined) return json
  const said = changed.length <= NUMBER_CHARS_SHOWN ? changed : `${changed.slice(0, NUMBER_CHARS_SHOWN)}…`
  throw usageError(
    `the whole number ${said} has more digits than a number keeps; put it in double quotes, as JSON text: "${said}" (in a shell, '"${said}"')`,
  )
}

/** The first whole number of a JSON text that is another one when it is read, as it was written. */
function changedNumber(json: string): string | undefined {
  let changed: string | undefined
  const look = (_key: string, value: unknown, written?: { readonly source?: string }): unknown => {
    if (typeof value === 'number' && !isKept(value, written?.source ?? '')) changed ??= written?.source
    return value
  }
  try {
    JSON.parse(json, look)
  } catch {
    // Nested deeper than a stack is: the kernel refuses it as an input.
  }
  return changed
}

/** Whether a number is the one that was written; a fraction, or one with an exponent, is meant to be rounded. */
function isKept(value: number, source: string): boolean {
  if (Number.isSafeInteger(value) || !/^-?\d+$/.test(source)) return true
  return Number.isFinite(value) && BigInt(value) === BigInt(source)
}

/** Of a number that is refused, digits. */
const NUMBER_CHARS_SHOWN = 40

/** An error about the command line: exit code 2. */
export function usageError(message: string): PolityError {
  return new PolityError('INVALID_ARGUMENT', message)
}

/** Values and positional arguments of a command; throws a usage error. */
export function parseCommandLine(command: Command, words: readonly string[]): Arguments<OptionSpecs> {
  const specs: OptionSpecs = { ...everywhere, ...command.options }
  const { tokens } = parseArgs({
    args: [...words],
    options: Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, toParseArgs(spec)])),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const values: { [name: string]: unknown } = {}
  for (const [name, spec] of Object.entries(specs)) {
    values[name] = spec.kind === 'flag' ? false : spec.kind === 'texts' ? [] : undefined
  }
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined
    if (spec === undefined) throw usageError(unknownOption(command, token.rawName, words[token.index] ?? '', specs))
    const value = valueOf(spec, token)
    if (spec.kind === 'texts') (values[token.name] as unknown[]).push(value)
    else if (spec.kind !== 'flag' && values[token.name] !== undefined)
      throw usageError(
        `${token.rawName} is given twice, ${JSON.stringify(values[token.name])} and ${JSON.stringify(value)}; give it once`,
      )
    else values[token.name] = value
  }
  const given = { values, positionals } as unknown as Arguments<OptionSpecs>
  if (values['help'] === true) return given
  const [min, max] = command.positionals
  const line = `polity ${command.name}${command.usage === '' ? '' : ` ${command.usage}`}`
  if (positionals.length < min) {
    const verbs = command.usage.split(' | ').map((one) => one.split(' ')[0])
    const first = /^<[^>]*>/.exec(command.usage)?.[0] ?? `one of ${verbs.join(', ')}`
    throw usageError(`polity ${command.name} needs ${positionals.length === 0 ? first : 'more'}; expected ${line}`)
  }
  if (positionals.length > max) {
    throw usageError(
      `polity ${command.name} does not take ${JSON.stringify(positionals[max])}; it takes ${max === 0 ? 'options only' : `${command.usage}, and a text that has spaces in quotes`}`,
    )
  }
  return given
}

/** A pid as a person writes it. */
export function pidOf(text: string | undefined): number {
  if (text === undefined || !/^\d{1,15}$/.test(text))
    throw usageError(
      `a pid is a whole number such as 17, not ${JSON.stringify(text ?? '')}; \`polity ps --all\` lists them`,
    )
  return Number(text)
}

interface OptionToken {
  readonly rawName: string
  readonly value?: string | undefined
  readonly inlineValue?: boolean | undefined
}

function toParseArgs(spec: OptionSpec): { type: 'boolean' | 'string'; multiple: boolean; short?: string } {
  return {
    type: spec.kind === 'flag' ? 'boolean' : 'string',
    multiple: spec.kind === 'texts',
    ...(spec.short === undefined ? {} : { short: spec.short }),
  }
}

function valueOf(spec: OptionSpec, { rawName, value, inlineValue }: OptionToken): boolean | string | number {
  if (spec.kind === 'flag') {
    if (value !== undefined) throw usageError(`${rawName} takes no value, and got ${JSON.stringify(value)}`)
    return true
  }
  const wanted = `${rawName} <${spec.value ?? 'value'}>`
  if (value === undefined || (inlineValue === false && value.startsWith('--')))
    throw usageError(`${rawName} needs a value: ${wanted}, ${spec.help}`)
  if (value === '') throw usageError(`${rawName} got an empty value; expected ${wanted}, ${spec.help}`)
  if (spec.kind === 'text' || spec.kind === 'texts') return value
  const number = /^(?:\d+\.?\d*|\.\d+)$/.test(value) ? Number(value) : Number.NaN
  const [least, most] = spec.range ?? [0]
  const isNumber = spec.kind === 'whole' ? Number.isSafeInteger(number) : Number.isFinite(number)
  if (!isNumber || number < least || number > (most ?? Infinity))
    throw usageError(
      `${rawName} takes a ${spec.kind === 'whole' ? 'whole number' : 'number'} ${most === undefined ? `of at least ${least}` : `from ${least} to ${most}`}, not ${JSON.stringify(value)}`,
    )
  return number
}

function unknownOption(command: Command, rawName: string, word: string, specs: OptionSpecs): string {
  if (/^-\d/.test(rawName) && command.positionals[1] > 0)
    return `polity ${command.name} has no option ${word}; what begins with - and is none stands behind --, after all options: polity ${command.name} … -- ${word}`
  const names = Object.keys(specs).map((name) => `--${name}`)
  const near = nearest(rawName, names)
  return `polity ${command.name} has no option ${rawName}${near === undefined ? '' : `; did you mean ${near}?`}${near === undefined ? `; it takes ${names.join(', ')}` : ''}`
}
