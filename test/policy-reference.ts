/**
 * For the tests of the law: what a condition means, written a second time without looking for speed, and generators.
 *
 * The second reading is three-valued (Kleene): true, false, or undefined for in doubt. Regular expressions run on V8.
 */
import type { Condition, Json, TypeName } from '../src/policy/conditions.ts'

// ------------------------------------------------------------------------------------------------------- second reading

type Truth = boolean | undefined

const names = ['null', 'boolean', 'number', 'string', 'array', 'object'] as const
type Name = (typeof names)[number]

function nameOf(value: unknown): Name | undefined {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isFinite(value) ? 'number' : undefined
  return names.find((name) => name === typeof value)
}

const ofType: { readonly [keyword: string]: Name } = {
  minimum: 'number',
  maximum: 'number',
  exclusiveMinimum: 'number',
  exclusiveMaximum: 'number',
  multipleOf: 'number',
  minLength: 'string',
  maxLength: 'string',
  pattern: 'string',
  matches: 'string',
  items: 'array',
  contains: 'array',
  minItems: 'array',
  maxItems: 'array',
  uniqueItems: 'array',
  properties: 'object',
  optional: 'object',
  required: 'object',
  additionalProperties: 'object',
}

function subjects(condition: Condition): Set<Name> {
  let found = new Set<Name>(names)
  const keep = (others: Iterable<Name | undefined>): void => {
    const kept = new Set(others)
    found = new Set([...found].filter((name) => kept.has(name)))
  }
  for (const key of Object.keys(condition)) {
    const type = ofType[key]
    if (type !== undefined) keep([type])
  }
  if (condition.const !== undefined) keep([nameOf(condition.const)])
  if (condition.enum !== undefined) keep(condition.enum.map(nameOf))
  for (const part of condition.allOf ?? []) keep(subjects(part))
  for (const branches of [condition.anyOf, condition.oneOf])
    if (branches !== undefined) keep(branches.flatMap((branch) => Array.from(subjects(branch))))
  if (condition.not !== undefined) keep(subjects(condition.not))
  return found
}

function and(truths: Iterable<Truth>): Truth {
  const all = new Set(truths)
  return all.has(false) ? false : all.has(undefined) ? undefined : true
}

const not = (truth: Truth): Truth => (truth === undefined ? undefined : !truth)
const or = (truths: Iterable<Truth>): Truth => not(and([...truths].map(not)))

function same(a: unknown, b: unknown): boolean {
  if (nameOf(a) !== nameOf(b)) return false
  if (nameOf(a) !== 'array' && nameOf(a) !== 'object') return a === b
  const [x, y] = [a, b] as [Record<string, unknown>, Record<string, unknown>]
  const keys = Object.keys(x)
  return keys.length === Object.keys(y).length && keys.every((key) => key in y && same(x[key], y[key]))
}

function typeFits(type: TypeName, value: unknown): boolean {
  return type === 'integer' ? Number.isInteger(value) : type === nameOf(value)
}

/** True, false, or undefined when in doubt. */
export function truth(condition: Condition, value: unknown): Truth {
  const name = nameOf(value)
  if (name === undefined || !subjects(condition).has(name)) return undefined
  const truths: Truth[] = []
  const { type } = condition
  if (type !== undefined) truths.push([type].flat().some((one) => typeFits(one as TypeName, value)))
  if (condition.const !== undefined) truths.push(same(condition.const, value))
  if (condition.enum !== undefined) truths.push(condition.enum.some((option) => same(option, value)))
  if (name === 'number') truths.push(...ofNumber(condition, value as number))
  if (name === 'string') truths.push(...ofString(condition, value as string))
  if (name === 'array') truths.push(...ofArray(condition, value as readonly unknown[]))
  if (name === 'object') truths.push(...ofObject(condition, value as { [name: string]: unknown }))
  for (const part of condition.allOf ?? []) truths.push(truth(part, value))
  const spoken = (branches: readonly Condition[]): Condition[] => branches.filter((one) => subjects(one).has(name))
  if (condition.anyOf !== undefined) truths.push(or(spoken(condition.anyOf).map((one) => truth(one, value))))
  if (condition.oneOf !== undefined) {
    const branches = spoken(condition.oneOf).map((one) => truth(one, value))
    truths.push(or(branches.map((one, i) => and([one, ...branches.filter((_, j) => j !== i).map(not)]))))
  }
  if (condition.not !== undefined) truths.push(not(truth(condition.not, value)))
  if (condition.if !== undefined) {
    const test = truth(condition.if, value)
    if (condition.then !== undefined) truths.push(or([not(test), truth(condition.then, value)]))
    if (condition.else !== undefined) truths.push(or([test, truth(condition.else, value)]))
  }
  return and(truths)
}

/** As `holds` should be. */
export function holdsByReference(condition: Condition, value: unknown, doubt = false): boolean {
  return truth(condition, value) ?? doubt
}

/** A number's decimal digits as a whole number of 10^-340, which every number that is written shortest is. */
function scaled(value: number): bigint {
  const [, sign, whole, fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? []
  return BigInt(`${sign}${whole}${fraction}${'0'.repeat(340 + Number(exponent) - fraction.length)}`)
}

function ofNumber(condition: Condition, value: number): Truth[] {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = condition
  return [
    minimum === undefined || minimum <= value,
    maximum === undefined || maximum >= value,
    exclusiveMinimum === undefined || exclusiveMinimum < value,
    exclusiveMaximum === undefined || exclusiveMaximum > value,
    multipleOf === undefined || scaled(value) % scaled(multipleOf) === 0n,
  ]
}

const regexes = new Map<string, RegExp>()

function regex(source: string): RegExp {
  let found = regexes.get(source)
  if (found === undefined) regexes.set(source, (found = new RegExp(source, 'u')))
  return found
}

function ofString({ minLength, maxLength, pattern, matches }: Condition, value: string): Truth[] {
  const { length } = [...value]
  return [
    minLength === undefined || length >= minLength,
    maxLength === undefined || length <= maxLength,
    pattern === undefined || regex(pattern).test(value),
    matches === undefined || regex(`^(?:${matches})$`).test(value),
  ]
}

function ofArray(condition: Condition, value: readonly unknown[]): Truth[] {
  const { items, contains, minItems, maxItems, uniqueItems } = condition
  return [
    minItems === undefined || value.length >= minItems,
    maxItems === undefined || value.length <= maxItems,
    items === undefined || and(value.map((item) => truth(items, item))),
    contains === undefined || or(value.map((item) => truth(contains, item))),
    uniqueItems !== true || value.every((item, i) => value.every((twin, j) => i === j || !same(item, twin))),
  ]
}

function ofObject(condition: Condition, value: { readonly [name: string]: unknown }): Truth[] {
  const { properties = {}, optional = [], required = [], additionalProperties = true } = condition
  const truths: Truth[] = []
  for (const [name, property] of Object.entries(properties))
    truths.push(name in value ? truth(property, value[name]) : optional.includes(name) ? true : undefined)
  for (const name of required) truths.push(name in value)
  for (const name of Object.keys(value)) {
    if (name in properties) continue
    truths.push(
      typeof additionalProperties === 'boolean' ? additionalProperties : truth(additionalProperties, value[name]),
    )
  }
  return truths
}

// ----------------------------------------------------------------------------------------------------------- generators

export interface Chance {
  /** A whole number from 0 below n. */
  below(n: number): number
  pick<T>(options: readonly T[]): T
  /** True once in n. */
  oneIn(n: number): boolean
}

/** A seeded generator (mulberry32). */
export function chanceOf(seed: number): Chance {
  let state = seed >>> 0
  const below = (n: number): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n) | 0
  }
  return { below, pick: (options) => options[below(options.length)] as never, oneIn: (n) => below(n) === 0 }
}

const atoms = [
  'a',
  'b',
  '[ab]',
  '[^a]',
  '.',
  '\\w',
  '\\d',
  '\\W',
  '[a-c-]',
  'ab',
  '\\u0061',
  '\\.',
  '\\s',
  '-',
  '[^]',
  '[]',
]
const quantifiers = ['*', '+', '?', '{2}', '{1,}', '{0,2}', '{1,3}', '*?', '+?', '{2,3}?']

/** A regular expression that V8 reads too. */
export function anyRegex(chance: Chance, depth = 3): string {
  const kind = depth === 0 ? 0 : chance.below(10)
  if (kind < 3) return chance.pick(atoms)
  if (kind < 5) return anyRegex(chance, depth - 1) + anyRegex(chance, depth - 1)
  if (kind === 5) return `(?:${anyRegex(chance, depth - 1)}|${anyRegex(chance, depth - 1)})`
  if (kind === 6)
    return `${chance.pick(['(', '(?:', `(?<n${chance.below(1e9)}>`])}${anyRegex(chance, depth - 1)})${chance.pick(quantifiers)}`
  if (kind === 7) return `${chance.pick(atoms.filter((atom) => atom !== 'ab'))}${chance.pick(quantifiers)}`
  if (kind === 8) return `${chance.pick(['^', '$', '\\b', '\\B'])}${anyRegex(chance, depth - 1)}`
  return `${anyRegex(chance, depth - 1)}${chance.pick(['^', '$', '\\b', '\\B'])}`
}

export function anyText(chance: Chance, length = 5): string {
  return Array.from({ length: chance.below(length + 1) }, () =>
    chance.pick(['a', 'b', 'a', 'b', 'c', '-', '.', ' ', '0', 'é', '😀', '\n', 'Z']),
  ).join('')
}

const scalars: readonly Json[] = ['', 'a', 'b', 'ab', 'ba', 'aab', null, true, false, 0, 1, 2, 3, -1, 1.5, 0.1]

export function anyValue(chance: Chance, depth = 2): Json {
  const kind = depth === 0 ? 0 : chance.below(4)
  if (kind < 2) return chance.oneIn(4) ? anyText(chance, 3) : chance.pick(scalars)
  if (kind === 2) return Array.from({ length: chance.below(4) }, () => anyValue(chance, depth - 1))
  const members: { [name: string]: Json } = {}
  for (const name of ['a', 'b', 'c', 'd']) if (chance.oneIn(2)) members[name] = anyValue(chance, depth - 1)
  return members
}

const typeNames: readonly TypeName[] = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object']
const numbers = [-1, 0, 1, 2, 3, 1.5, 5]
const steps = [1, 2, 3, 0.5, 0.1, 1.5]

type Draft = { -readonly [key in keyof Condition]: Condition[key] }

function aboutNumbers(draft: Draft, chance: Chance): void {
  const key = chance.pick(['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'] as const)
  draft[key] = key === 'multipleOf' ? chance.pick(steps) : chance.pick(numbers)
}

function aboutStrings(draft: Draft, chance: Chance): void {
  const key = chance.pick(['pattern', 'matches', 'pattern', 'minLength', 'maxLength'] as const)
  if (key === 'minLength' || key === 'maxLength') draft[key] = chance.below(5)
  else draft[key] = anyRegex(chance, 2)
}

function aboutArrays(draft: Draft, chance: Chance, depth: number): void {
  const key = chance.pick(['items', 'items', 'contains', 'minItems', 'maxItems', 'uniqueItems'] as const)
  if (key === 'items' || key === 'contains') draft[key] = anyCondition(chance, depth - 1)
  else if (key === 'uniqueItems') draft[key] = true
  else draft[key] = chance.below(4)
}

function aboutObjects(draft: Draft, chance: Chance, depth: number): void {
  const key = chance.pick(['properties', 'properties', 'required', 'additionalProperties'] as const)
  if (key === 'required') draft.required = [chance.pick(['a', 'b', 'c'])]
  else if (key === 'additionalProperties')
    draft.additionalProperties = chance.oneIn(2) ? chance.oneIn(4) : anyCondition(chance, depth - 1)
  else {
    const keys = ['a', 'b', 'c'].filter(() => chance.oneIn(2))
    delete draft.optional
    draft.properties = Object.fromEntries(keys.map((name) => [name, anyCondition(chance, depth - 1)]))
    if (chance.oneIn(3)) draft.optional = keys.filter(() => chance.oneIn(2))
  }
}

/** A condition; `depth` bounds how deep conditions stand in it. */
export function anyCondition(chance: Chance, depth = 3): Condition {
  const draft: Draft = {}
  const about = chance.pick([
    'number',
    'string',
    'string',
    'array',
    'object',
    'values',
    'type',
    'parts',
    'parts',
  ] as const)
  const count = 1 + chance.below(3)
  if (about === 'values' || depth === 0) {
    if (chance.oneIn(3)) draft.const = anyValue(chance, 1)
    else draft.enum = Array.from({ length: 1 + chance.below(4) }, () => anyValue(chance, chance.below(2)))
    return draft
  }
  if (about === 'type')
    draft.type = chance.oneIn(3) ? [chance.pick(typeNames), chance.pick(typeNames)] : chance.pick(typeNames)
  else if (about === 'parts') {
    const list = (): Condition[] => Array.from({ length: 1 + chance.below(3) }, () => anyCondition(chance, depth - 1))
    const key = chance.pick(['anyOf', 'allOf', 'oneOf', 'not', 'if'] as const)
    if (key === 'not') draft.not = anyCondition(chance, depth - 1)
    else if (key === 'if') {
      draft.if = anyCondition(chance, depth - 1)
      if (!chance.oneIn(3)) draft.then = anyCondition(chance, depth - 1)
      if (!chance.oneIn(3)) draft.else = anyCondition(chance, depth - 1)
    } else draft[key] = list()
    if (chance.oneIn(4)) draft.type = chance.pick(typeNames)
  } else {
    for (let i = 0; i < count; i++) {
      if (about === 'number') aboutNumbers(draft, chance)
      else if (about === 'string') aboutStrings(draft, chance)
      else if (about === 'array') aboutArrays(draft, chance, depth)
      else aboutObjects(draft, chance, depth)
    }
    if (chance.oneIn(3)) draft.type = about
  }
  return draft
}

/** A condition that is often a little wider or narrower than the given one. */
export function neighbour(condition: Condition, chance: Chance): Condition {
  const draft = { ...condition } as Record<string, unknown>
  const keys = Object.keys(draft)
  const key = chance.pick(keys)
  const value = draft[key]
  if (key === 'then' || key === 'else' || key === 'optional' || chance.oneIn(8))
    return chance.oneIn(2)
      ? { anyOf: [condition, anyCondition(chance, 1)] }
      : { allOf: [condition, anyCondition(chance, 1)] }
  if (typeof value === 'number')
    draft[key] = key === 'multipleOf' ? value * chance.pick([1, 2, 0.5]) : Math.max(0, value + chance.pick([-1, 0, 1]))
  else if (Array.isArray(value) && value.length > 1 && key !== 'type' && key !== 'optional') {
    if (chance.oneIn(2)) draft[key] = value.slice(1)
    else if (key.endsWith('Of')) draft[key] = [neighbour(value[0] as Condition, chance), ...value.slice(1)]
    else draft[key] = [...value, anyValue(chance, 1)]
    if (key === 'required') draft[key] = value.slice(1)
  } else if (key === 'pattern' || key === 'matches')
    draft[key] = chance.pick([
      `(?:${value as string})`,
      `${value as string}$`,
      `^${value as string}`,
      `(?:${value as string})|a`,
      `(?:${value as string})*`,
    ])
  else if (key === 'not' || key === 'items' || key === 'contains') draft[key] = neighbour(value as Condition, chance)
  else if (key === 'properties') {
    const properties = value as { readonly [name: string]: Condition }
    const names = Object.keys(properties)
    if (names.length > 0) {
      const name = chance.pick(names)
      draft[key] = { ...properties, [name]: neighbour(properties[name] as Condition, chance) }
    }
  } else if (keys.length > 1 && key !== 'if') delete draft[key]
  return draft as Condition
}
