/**
 * Conditions: what one argument must be. Plain data, a strict subset of JSON Schema 2020-12.
 *
 *     const matcher = compile({ type: 'string', matches: '[a-z]+@acme\\.com' }, 'rules[0].args.to')
 *     matcher.holds('ann@acme.com')        // true
 *     matcher.holds(['eve@evil.com'])      // false: to allow, doubt is no
 *     matcher.holds(['eve@evil.com'], true) // true: to deny, doubt is yes
 *
 * Where JSON Schema is lax, conditions are strict, because `pattern` says nothing of a list and a list must not slip by:
 *
 * Invariants
 *   C1. A condition speaks of some types: `pattern` of strings, `minimum` of numbers, `items` of arrays, `properties` of
 *       objects, `const` and `enum` of the types of their values. `allOf` speaks of what all its parts speak of, `anyOf`
 *       and `oneOf` of what any does, `not` of what its part does; `type` alone, `if` and the empty condition of all.
 *       For a value of a type that a condition does not speak of it is in doubt: holds(value, doubt) is `doubt`. Allow and
 *       ask with doubt = false, deny with doubt = true: doubt never widens. What is not JSON (undefined, NaN, a Date) is
 *       of no type, hence always in doubt.
 *   C2. `not` flips doubt: not(c) at d is !c(!d). In `anyOf` and `oneOf`, a branch that does not speak of the value's
 *       type is passed over as long as another branch does. Then holds(v, false) implies holds(v, true).
 *   C3. `properties` are needed: one that is listed and absent is in doubt, unless `optional` (ours) names it. `required`
 *       is for names that are not listed, and exact. `additionalProperties` is true when not given, as in JSON Schema: to
 *       close an object, say false.
 *   C4. What is not understood is refused when compiled, with a TypeError that says where and what was expected: unknown
 *       keywords (`$ref` and `format` too), look-around, back references, values of the wrong type. Annotations (`title`,
 *       `description`, `default`, `examples`, `$comment`) are ignored.
 *   C5. Bounds: 32 levels, 5,000 conditions and listed values in one, 20,000 conditions to look at where `oneOf` and `if` look
 *       twice; patterns as in regex.ts, of 20,000 states in all. Evaluation takes time linear in the value for a given condition; nothing backtracks.
 *
 * Lengths count code points. `multipleOf` is exact on the shortest decimal form of the numbers: 0.07 is a multiple of 0.01.
 */
import type { Automaton } from './automaton.ts'
import { createAutomaton } from './automaton.ts'
import { parseRegex, searching, statesOf } from './regex.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

export type TypeName = 'null' | 'boolean' | 'integer' | 'number' | 'string' | 'array' | 'object'

/** What a value must be. All given parts must hold. */
export interface Condition {
  readonly type?: TypeName | readonly TypeName[]
  readonly const?: Json
  readonly enum?: readonly Json[]
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  /** Greater than 0. */
  readonly multipleOf?: number
  /** In code points. */
  readonly minLength?: number
  /** In code points. */
  readonly maxLength?: number
  /** Somewhere in the string: JSON Schema's un-anchored search. */
  readonly pattern?: string
  /** The whole string. Ours. */
  readonly matches?: string
  readonly items?: Condition
  readonly contains?: Condition
  readonly minItems?: number
  readonly maxItems?: number
  readonly uniqueItems?: boolean
  /** Listed properties must be there, and hold. */
  readonly properties?: { readonly [name: string]: Condition }
  /** Listed properties that may be absent. Ours. */
  readonly optional?: readonly string[]
  readonly required?: readonly string[]
  /** Of properties that are not listed. @default true */
  readonly additionalProperties?: boolean | Condition
  readonly anyOf?: readonly Condition[]
  readonly allOf?: readonly Condition[]
  readonly oneOf?: readonly Condition[]
  readonly not?: Condition
  readonly if?: Condition
  readonly then?: Condition
  readonly else?: Condition
  readonly title?: string
  readonly description?: string
  readonly default?: Json
  readonly examples?: readonly Json[]
  readonly $comment?: string
}

export interface Matcher {
  /** Whether the value is what the condition says; what is in doubt counts as `doubt`. @default doubt false */
  holds(value: unknown, doubt?: boolean): boolean
}

/** Compiles a condition. Throws a TypeError that says where (`at` and the path below it) and what was expected. */
export function compile(condition: unknown, at = 'condition'): Matcher {
  const form = read(condition, at)
  return { holds: (value, doubt = false) => formHolds(form, value, doubt) }
}

// ------------------------------------------------------------------------------------------------------ forms and types

/** One bit for each type of JSON value. */
export const typeBits = { null: 1, boolean: 2, number: 4, string: 8, array: 16, object: 32 } as const
const allTypes = 63

/** The bit of a value's type; 0 for what is no JSON value. */
export function typeBit(value: unknown): number {
  if (typeof value === 'string') return typeBits.string
  if (typeof value === 'number') return Number.isFinite(value) ? typeBits.number : 0
  if (typeof value === 'boolean') return typeBits.boolean
  if (value === null) return typeBits.null
  if (typeof value !== 'object') return 0
  if (Array.isArray(value)) return typeBits.array
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null ? typeBits.object : 0
}

/** A condition that was read and understood. For evaluation here, and for proofs in regions.ts. */
export interface Form {
  /** Bits of the types it speaks of. */
  readonly speaksOf: number
  /** Bits of the types that `type` admits. */
  readonly types: number
  /** `type` admits of numbers only integers. */
  readonly isInteger: boolean
  /** The values of `const` and of `enum`, each. */
  readonly values: readonly Values[]
  readonly minimum: number | undefined
  readonly maximum: number | undefined
  readonly exclusiveMinimum: number | undefined
  readonly exclusiveMaximum: number | undefined
  readonly multipleOf: number | undefined
  readonly minLength: number | undefined
  readonly maxLength: number | undefined
  readonly texts: readonly Automaton[]
  readonly items: Form | undefined
  readonly contains: Form | undefined
  readonly minItems: number | undefined
  readonly maxItems: number | undefined
  readonly uniqueItems: boolean
  readonly properties: readonly Property[]
  /** The names of `properties`: `additionalProperties` speaks of the others. */
  readonly listed: ReadonlySet<string>
  readonly required: readonly string[]
  /** False for none, undefined for any. */
  readonly additional: Form | false | undefined
  readonly allOf: readonly Form[]
  readonly anyOf: readonly Form[] | undefined
  readonly oneOf: readonly Form[] | undefined
  readonly not: Form | undefined
  readonly if: Form | undefined
  /** `then`: no object here is to look like a promise. */
  readonly ifSo: Form | undefined
  readonly ifNot: Form | undefined
  /** How many forms an evaluation may look at: `oneOf` looks at a branch as often as it has branches, `if` twice. */
  readonly work: number
}

export interface Property {
  readonly name: string
  readonly form: Form
  readonly isOptional: boolean
}

export interface Values {
  readonly plain: ReadonlySet<unknown>
  readonly composite: readonly Json[]
}

// ----------------------------------------------------------------------------------------------------------- evaluation

/** Whether a value is what the form says. */
export function formHolds(form: Form, value: unknown, doubt: boolean): boolean {
  const bit = typeBit(value)
  if ((form.speaksOf & bit) === 0) return doubt
  if ((form.types & bit) === 0) return false
  for (const values of form.values) if (!isAmong(values, value)) return false
  if (typeof value === 'string') {
    if (!stringHolds(form, value)) return false
  } else if (typeof value === 'number') {
    if (!numberHolds(form, value)) return false
  } else if (bit === typeBits.array) {
    if (!arrayHolds(form, value as readonly unknown[], doubt)) return false
  } else if (bit === typeBits.object && !objectHolds(form, value as Record<string, unknown>, doubt)) return false
  return combinationsHold(form, value, bit, doubt)
}

function stringHolds(form: Form, value: string): boolean {
  const { minLength, maxLength } = form
  if (minLength !== undefined || maxLength !== undefined) {
    const length = codePoints(value)
    if (minLength !== undefined && length < minLength) return false
    if (maxLength !== undefined && length > maxLength) return false
  }
  for (const text of form.texts) if (!text.accepts(value)) return false
  return true
}

function numberHolds(form: Form, value: number): boolean {
  if (form.isInteger && !Number.isInteger(value)) return false
  if (form.minimum !== undefined && value < form.minimum) return false
  if (form.maximum !== undefined && value > form.maximum) return false
  if (form.exclusiveMinimum !== undefined && value <= form.exclusiveMinimum) return false
  if (form.exclusiveMaximum !== undefined && value >= form.exclusiveMaximum) return false
  return form.multipleOf === undefined || isMultiple(value, form.multipleOf)
}

function arrayHolds(form: Form, value: readonly unknown[], doubt: boolean): boolean {
  const { minItems, maxItems, items, contains } = form
  if (minItems !== undefined && value.length < minItems) return false
  if (maxItems !== undefined && value.length > maxItems) return false
  // Not `every` and `some`: they pass over holes, and a hole is in doubt.
  if (items !== undefined) for (let i = 0; i < value.length; i++) if (!formHolds(items, value[i], doubt)) return false
  if (contains !== undefined) {
    let isFound = false
    for (let i = 0; i < value.length && !isFound; i++) isFound = formHolds(contains, value[i], doubt)
    if (!isFound) return false
  }
  return !form.uniqueItems || areUnique(value, doubt)
}

function objectHolds(form: Form, value: Record<string, unknown>, doubt: boolean): boolean {
  for (const { name, form: property, isOptional } of form.properties) {
    if (Object.hasOwn(value, name) ? !formHolds(property, value[name], doubt) : !isOptional && !doubt) return false
  }
  for (const name of form.required) if (!Object.hasOwn(value, name)) return false
  const { additional, listed } = form
  if (additional === undefined) return true
  for (const name of Object.keys(value)) {
    if (!listed.has(name) && (additional === false || !formHolds(additional, value[name], doubt))) return false
  }
  return true
}

function combinationsHold(form: Form, value: unknown, bit: number, doubt: boolean): boolean {
  for (const part of form.allOf) if (!formHolds(part, value, doubt)) return false
  if (form.anyOf !== undefined) {
    let isAny = false
    for (const part of form.anyOf) isAny ||= (part.speaksOf & bit) !== 0 && formHolds(part, value, doubt)
    if (!isAny) return false
  }
  if (form.oneOf !== undefined && !isOneOf(form.oneOf, value, bit, doubt)) return false
  if (form.not !== undefined && formHolds(form.not, value, !doubt)) return false
  if (form.if !== undefined) {
    if (form.ifSo !== undefined && formHolds(form.if, value, !doubt) && !formHolds(form.ifSo, value, doubt))
      return false
    if (form.ifNot !== undefined && !formHolds(form.if, value, doubt) && !formHolds(form.ifNot, value, doubt))
      return false
  }
  return true
}

/** One branch holds, and every other is known not to (to allow) or not known to (to deny). */
function isOneOf(branches: readonly Form[], value: unknown, bit: number, doubt: boolean): boolean {
  const spoken = branches.filter((branch) => (branch.speaksOf & bit) !== 0)
  const others = spoken.filter((branch) => formHolds(branch, value, !doubt))
  // Of a branch that holds without doubt, `others` has no second; of one that holds in doubt only, none at all.
  if (!doubt) return others.length === 1 && formHolds(others[0] as Form, value, false)
  return others.length === 0 ? spoken.some((branch) => formHolds(branch, value, true)) : others.length === 1
}

export function isAmong(values: Values, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return values.plain.has(value)
  return values.composite.some((option) => isEqual(option, value))
}

/** Whether a JSON value and any value are equal; members of an object in any order. As deep as the JSON value. */
export function isEqual(json: Json, value: unknown): boolean {
  if (typeof json !== 'object' || json === null) return json === value
  if (typeBit(json) !== typeBit(value)) return false
  if (Array.isArray(json)) {
    const other = value as readonly unknown[]
    return json.length === other.length && json.every((item, i) => isEqual(item as Json, other[i]))
  }
  const names = Object.keys(json)
  const other = value as Record<string, unknown>
  return (
    names.length === Object.keys(other).length &&
    names.every(
      (name) => Object.hasOwn(other, name) && isEqual((json as { [name: string]: Json })[name] as Json, other[name]),
    )
  )
}

const depthMax = 32

function areUnique(items: readonly unknown[], doubt: boolean): boolean {
  const seen = new Set<string>()
  let isKnown = true
  for (let i = 0; i < items.length; i++) {
    const key = canonical(items[i], depthMax)
    if (key === undefined) isKnown = false
    else if (seen.has(key)) return false
    else seen.add(key)
  }
  return isKnown || doubt
}

/** A text that two JSON values share when they are equal; undefined for what is no JSON or too deep. */
function canonical(value: unknown, depth: number): string | undefined {
  const bit = typeBit(value)
  if (bit === 0 || depth === 0) return undefined
  if (bit === typeBits.array) {
    const parts: string[] = []
    for (let i = 0; i < (value as readonly unknown[]).length; i++) {
      const part = canonical((value as readonly unknown[])[i], depth - 1)
      if (part === undefined) return undefined
      parts.push(part)
    }
    return `[${parts.join(',')}]`
  }
  if (bit === typeBits.object) {
    const parts: string[] = []
    for (const name of Object.keys(value as object).toSorted()) {
      const part = canonical((value as Record<string, unknown>)[name], depth - 1)
      if (part === undefined) return undefined
      parts.push(`${JSON.stringify(name)}:${part}`)
    }
    return `{${parts.join(',')}}`
  }
  return JSON.stringify(value === 0 ? 0 : value)
}

/** Code points of a string; a surrogate without its other half counts as one. */
export function codePoints(text: string): number {
  let count = text.length
  for (let i = 0; i + 1 < text.length; i++) {
    if ((text.charCodeAt(i) & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      count--
      i++
    }
  }
  return count
}

/** Whether the shortest decimal form of a number is a multiple of that of another. */
export function isMultiple(value: number, of: number): boolean {
  if (Number.isSafeInteger(value) && Number.isSafeInteger(of)) return value % of === 0
  const a = decimal(value)
  const b = decimal(of)
  const exponent = a.exponent < b.exponent ? a.exponent : b.exponent
  return (a.digits * 10n ** BigInt(a.exponent - exponent)) % (b.digits * 10n ** BigInt(b.exponent - exponent)) === 0n
}

/** The shortest decimal form of a number: digits × 10^exponent. */
export function decimal(value: number): { readonly digits: bigint; readonly exponent: number } {
  const [mantissa, exponent] = value.toExponential().split('e') as [string, string]
  const [whole, fraction = ''] = mantissa.split('.') as [string, string?]
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length }
}

// -------------------------------------------------------------------------------------------------------------- reading

const annotations = new Set(['title', 'description', 'default', 'examples', '$comment'])
const sizeMax = 5_000
const workMax = 20_000
const patternStatesMax = 20_000

/** Which types a keyword speaks of, and what it must be. */
const keywords: { readonly [keyword: string]: { readonly speaksOf: number; readonly expects: Expectation } } = {
  type: { speaksOf: allTypes, expects: 'types' },
  const: { speaksOf: allTypes, expects: 'json' },
  enum: { speaksOf: allTypes, expects: 'list' },
  minimum: { speaksOf: typeBits.number, expects: 'number' },
  maximum: { speaksOf: typeBits.number, expects: 'number' },
  exclusiveMinimum: { speaksOf: typeBits.number, expects: 'number' },
  exclusiveMaximum: { speaksOf: typeBits.number, expects: 'number' },
  multipleOf: { speaksOf: typeBits.number, expects: 'positive' },
  minLength: { speaksOf: typeBits.string, expects: 'count' },
  maxLength: { speaksOf: typeBits.string, expects: 'count' },
  pattern: { speaksOf: typeBits.string, expects: 'text' },
  matches: { speaksOf: typeBits.string, expects: 'text' },
  items: { speaksOf: typeBits.array, expects: 'condition' },
  contains: { speaksOf: typeBits.array, expects: 'condition' },
  minItems: { speaksOf: typeBits.array, expects: 'count' },
  maxItems: { speaksOf: typeBits.array, expects: 'count' },
  uniqueItems: { speaksOf: typeBits.array, expects: 'boolean' },
  properties: { speaksOf: typeBits.object, expects: 'conditions by name' },
  optional: { speaksOf: typeBits.object, expects: 'names' },
  required: { speaksOf: typeBits.object, expects: 'names' },
  additionalProperties: { speaksOf: typeBits.object, expects: 'boolean or condition' },
  anyOf: { speaksOf: allTypes, expects: 'conditions' },
  allOf: { speaksOf: allTypes, expects: 'conditions' },
  oneOf: { speaksOf: allTypes, expects: 'conditions' },
  not: { speaksOf: allTypes, expects: 'condition' },
  if: { speaksOf: allTypes, expects: 'condition' },
  then: { speaksOf: allTypes, expects: 'condition' },
  else: { speaksOf: allTypes, expects: 'condition' },
}

type Expectation = keyof typeof expectations

const isNames = (value: unknown): boolean => Array.isArray(value) && value.every((name) => typeof name === 'string')

const expectations = {
  types: ['a type, or a list of types: null, boolean, integer, number, string, array, object', isTypes],
  json: ['a JSON value', (value: unknown) => value !== undefined],
  list: ['a list of at least one JSON value', (value: unknown) => Array.isArray(value) && value.length > 0],
  number: ['a finite number', Number.isFinite],
  positive: ['a finite number greater than 0', (value: unknown) => Number.isFinite(value) && (value as number) > 0],
  count: ['a whole number, 0 or more', (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0],
  text: ['a regular expression', (value: unknown) => typeof value === 'string'],
  boolean: ['true or false', (value: unknown) => typeof value === 'boolean'],
  names: ['a list of names', isNames],
  condition: ['a condition such as { "const": 1 }', isRecord],
  conditions: ['a list of at least one condition', (value: unknown) => Array.isArray(value) && value.length > 0],
  'conditions by name': ['an object of conditions by name', isRecord],
  'boolean or condition': [
    'true, false or a condition',
    (value: unknown) => typeof value === 'boolean' || isRecord(value),
  ],
} as const satisfies { [name: string]: readonly [string, (value: unknown) => boolean] }

/** Reads and checks a condition. Throws a TypeError that says where and what was expected. */
export function read(condition: unknown, at = 'condition'): Form {
  return readForm(condition, at, { depth: 0, size: { left: sizeMax, states: patternStatesMax } })
}

interface Reach {
  readonly depth: number
  /** Shared by the whole condition: conditions and values, and states of patterns, that it may yet hold. */
  readonly size: { left: number; states: number }
}

function readForm(json: unknown, at: string, reach: Reach): Form {
  if (!isRecord(json)) throw new TypeError(`${at} must be a condition such as { "const": 1 }, not ${told(json)}`)
  if (reach.depth > depthMax) throw new TypeError(`${at} is nested more than ${depthMax} levels deep`)
  spend(reach, at)
  // A keyword with the value undefined is refused below, not passed over: { const: undefined } would allow everything.
  const given = Object.keys(json).filter((key) => !annotations.has(key))
  for (const key of given) {
    const keyword = Object.hasOwn(keywords, key) ? keywords[key] : undefined
    if (keyword === undefined)
      throw new TypeError(`${at} has an unknown keyword "${key}"; known: ${Object.keys(keywords).join(', ')}`)
    const [words, isFit] = expectations[keyword.expects]
    if (!isFit(json[key])) throw new TypeError(`${at}.${key} must be ${words}, not ${told(json[key])}`)
  }
  for (const key of ['then', 'else'])
    if (json[key] !== undefined && json['if'] === undefined) throw new TypeError(`${at}.${key} needs an "if" beside it`)
  const inner: Reach = { depth: reach.depth + 1, size: reach.size }
  const one = (key: string): Form | undefined =>
    json[key] === undefined ? undefined : readForm(json[key], `${at}.${key}`, inner)
  const many = (key: string): Form[] | undefined =>
    (json[key] as unknown[] | undefined)?.map((part, i) => readForm(part, `${at}.${key}[${i}]`, inner))
  const types = readTypes(json['type'] as TypeName | readonly TypeName[] | undefined)
  const properties = readProperties(json, at, inner)
  const parts = {
    ...types,
    values: readValues(json, at, inner),
    minimum: json['minimum'] as number | undefined,
    maximum: json['maximum'] as number | undefined,
    exclusiveMinimum: json['exclusiveMinimum'] as number | undefined,
    exclusiveMaximum: json['exclusiveMaximum'] as number | undefined,
    multipleOf: json['multipleOf'] as number | undefined,
    minLength: json['minLength'] as number | undefined,
    maxLength: json['maxLength'] as number | undefined,
    texts: readTexts(json, at, reach),
    items: one('items'),
    contains: one('contains'),
    minItems: json['minItems'] as number | undefined,
    maxItems: json['maxItems'] as number | undefined,
    uniqueItems: json['uniqueItems'] === true,
    properties,
    listed: new Set(properties.map(({ name }) => name)),
    required: (json['required'] as readonly string[] | undefined) ?? [],
    additional: readAdditional(json['additionalProperties'], at, inner),
    allOf: many('allOf') ?? [],
    anyOf: many('anyOf'),
    oneOf: many('oneOf'),
    not: one('not'),
    if: one('if'),
    ifSo: one('then'),
    ifNot: one('else'),
  }
  const work = workOf(parts)
  if (work > workMax) throw new TypeError(`${at}: "oneOf" and "if" in one another are more than ${workMax} to evaluate`)
  return { speaksOf: spokenOf(given, parts), work, ...parts }
}

type Parts = Omit<Form, 'speaksOf' | 'work'>

function workOf(form: Parts): number {
  const { additional, oneOf = [] } = form
  const once = [
    form.items,
    form.contains,
    form.not,
    form.ifSo,
    form.ifNot,
    additional === false ? undefined : additional,
  ]
  const parts = [
    ...once,
    ...form.properties.map(({ form: property }) => property),
    ...form.allOf,
    ...(form.anyOf ?? []),
  ]
  const sum = (forms: readonly (Form | undefined)[]): number =>
    forms.reduce((total, part) => total + (part?.work ?? 0), 0)
  return 1 + sum(parts) + oneOf.length * sum(oneOf) + 2 * sum([form.if])
}

/** What all parts speak of. */
function spokenOf(given: readonly string[], form: Parts): number {
  let bits = allTypes
  for (const key of given) bits &= keywords[key]?.speaksOf ?? 0
  for (const { plain, composite } of form.values)
    bits &= [...plain, ...composite].reduce<number>((sum, value) => sum | typeBit(value), 0)
  for (const part of form.allOf) bits &= part.speaksOf
  for (const branches of [form.anyOf, form.oneOf])
    if (branches !== undefined) bits &= branches.reduce((sum, branch) => sum | branch.speaksOf, 0)
  return form.not === undefined ? bits : bits & form.not.speaksOf
}

function readTypes(type: TypeName | readonly TypeName[] | undefined): { types: number; isInteger: boolean } {
  if (type === undefined) return { types: allTypes, isInteger: false }
  const names = typeof type === 'string' ? [type] : type
  const types = names.reduce((sum, name) => sum | typeBits[name === 'integer' ? 'number' : name], 0)
  return { types, isInteger: names.includes('integer') && !names.includes('number') }
}

function readValues(json: Record<string, unknown>, at: string, reach: Reach): Values[] {
  const lists: Values[] = []
  for (const [key, list] of [
    ['const', json['const'] === undefined ? undefined : [json['const']]],
    ['enum', json['enum']],
  ] as const) {
    if (list === undefined) continue
    const values = list as readonly Json[]
    for (const value of values) {
      spend(reach, `${at}.${key}`)
      if (canonical(value, depthMax) === undefined)
        throw new TypeError(`${at}.${key} must hold JSON values, at most ${depthMax} levels deep`)
    }
    lists.push({
      plain: new Set(values.filter((value) => typeof value !== 'object' || value === null)),
      composite: values.filter((value) => typeof value === 'object' && value !== null),
    })
  }
  return lists
}

function readTexts(json: Record<string, unknown>, at: string, { size }: Reach): Automaton[] {
  const texts: Automaton[] = []
  for (const key of ['pattern', 'matches'] as const) {
    if (json[key] === undefined) continue
    const regex = parseRegex(json[key] as string, `${at}.${key}`)
    size.states -= statesOf(regex)
    if (size.states < 0)
      throw new TypeError(`${at}.${key}: the patterns of a condition take at most ${patternStatesMax} states`)
    texts.push(createAutomaton(key === 'pattern' ? searching(regex) : regex, `${at}.${key}`))
  }
  return texts
}

function readProperties(json: Record<string, unknown>, at: string, reach: Reach): Property[] {
  const listed = (json['properties'] ?? {}) as Record<string, unknown>
  const optional = (json['optional'] ?? []) as readonly string[]
  for (const name of optional)
    if (!Object.hasOwn(listed, name))
      throw new TypeError(`${at}.optional names "${name}", which is not in ${at}.properties`)
  return Object.entries(listed).map(([name, property]) => ({
    name,
    form: readForm(property, `${at}.properties.${name}`, reach),
    isOptional: optional.includes(name),
  }))
}

function readAdditional(json: unknown, at: string, reach: Reach): Form | false | undefined {
  if (json === undefined || json === true) return undefined
  return json === false ? false : readForm(json, `${at}.additionalProperties`, reach)
}

function spend(reach: Reach, at: string): void {
  if (reach.size.left-- === 0) throw new TypeError(`${at}: a condition holds at most ${sizeMax} conditions and values`)
}

function isTypes(value: unknown): boolean {
  const isType = (name: unknown): boolean =>
    name === 'integer' || (typeof name === 'string' && Object.hasOwn(typeBits, name))
  return Array.isArray(value) ? value.length > 0 && value.every(isType) : isType(value)
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function told(value: unknown): string {
  return typeof value === 'object' && value !== null ? (Array.isArray(value) ? 'a list' : 'an object') : String(value)
}
