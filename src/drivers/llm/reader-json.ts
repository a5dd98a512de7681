/**
 * The reader's JSON: a value that a JSON Schema accepts, filled with what the reader found.
 *
 *     toJson(schema, { answer: '…', citations: ['docs/a.md:3'], questions: ['…'], isAnswered: true })
 *
 * Invariants
 *   RJ1. The value holds every required property, and validates against the parts of JSON Schema named here: type, properties, required, items, enum, const, anyOf, oneOf, allOf, local $ref,
 *        minItems, maxItems, minLength, maxLength, minimum, maximum. Patterns and formats are not attempted.
 *   RJ2. An array of strings holds the questions, except where its name speaks of sources; a string holds the answer, except where its name speaks of the question or a source.
 */
import { citationsIn } from '../../kernel/citation.ts'

/** The parts of a JSON Schema the reader looks at. */
export interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, JsonSchema | boolean>>
  readonly required?: readonly string[]
  readonly items?: JsonSchema | boolean | readonly (JsonSchema | boolean)[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly (JsonSchema | boolean)[]
  readonly oneOf?: readonly (JsonSchema | boolean)[]
  readonly allOf?: readonly (JsonSchema | boolean)[]
  readonly $ref?: string
  readonly minItems?: number
  readonly maxItems?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number | boolean
  readonly exclusiveMaximum?: number | boolean
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** What there is to say. */
export interface Findings {
  readonly answer: string
  /** `path:line` of each quote. */
  readonly citations: readonly string[]
  /** The sub-questions of the question; one for a plain question. */
  readonly questions: readonly string[]
  readonly isAnswered: boolean
}

const depthMax = 12

/** True when a schema asks for a list of texts that is not a list of sources: a plan, sub-questions, queries. */
export function asksForQuestions(schema: JsonSchema | undefined): boolean {
  if (schema === undefined) return false
  return Object.entries(schema.properties ?? {}).some(
    ([name, each]) => isStringArray(each) && !/cit|sourc|evidence|quote|referenc/i.test(name),
  )
}

/** A JSON text for a schema; without a schema `{ answer, citations }`. */
export function toJson(schema: JsonSchema | undefined, findings: Findings): string {
  if (schema === undefined) return JSON.stringify({ answer: findings.answer, citations: findings.citations })
  return JSON.stringify(valueFor(schema, '', findings, schema, 0))
}

function isStringArray(schema: JsonSchema | boolean): boolean {
  if (typeof schema === 'boolean' || schema.type !== 'array') return false
  const items = schema.items
  return typeof items === 'object' && 'type' in items && items.type === 'string'
}

function valueFor(
  schema: JsonSchema | boolean,
  name: string,
  findings: Findings,
  root: JsonSchema,
  depth: number,
): Json {
  if (typeof schema === 'boolean' || depth > depthMax) return null
  if (schema.$ref !== undefined) return valueFor(resolveRef(schema.$ref, root), name, findings, root, depth + 1)
  if (schema.const !== undefined) return schema.const as Json
  if (schema.enum !== undefined && schema.enum.length > 0) return enumValue(schema.enum as Json[], findings)
  const choices = schema.anyOf ?? schema.oneOf
  if (choices !== undefined && choices.length > 0)
    return valueFor(choices[0] as JsonSchema | boolean, name, findings, root, depth + 1)
  if (schema.allOf !== undefined && schema.type === undefined)
    return valueFor(merged(schema.allOf), name, findings, root, depth + 1)
  const type = Array.isArray(schema.type) ? schema.type[0] : (schema.type ?? (schema.properties ? 'object' : undefined))
  switch (type) {
    case 'object': {
      const value: { [key: string]: Json } = {}
      for (const [key, each] of Object.entries(schema.properties ?? {}))
        value[key] = valueFor(each, key, findings, root, depth + 1)
      for (const key of schema.required ?? [])
        value[key] ??= key in (schema.properties ?? {}) ? (value[key] as Json) : findings.answer
      return value
    }
    case 'array':
      return arrayFor(schema, name, findings, root, depth)
    case 'string':
      return stringFor(schema, name, findings)
    case 'number':
    case 'integer': {
      const wanted = /confiden|score|probab|support/i.test(name)
        ? findings.isAnswered
          ? 1
          : 0
        : Number(/-?\d[\d,]*(?:\.\d+)?/.exec(withoutSources(findings.answer))?.[0].replaceAll(',', '') ?? 0)
      const low =
        schema.minimum ??
        (typeof schema.exclusiveMinimum === 'number' ? schema.exclusiveMinimum + 1 : -Number.MAX_SAFE_INTEGER)
      const high =
        schema.maximum ??
        (typeof schema.exclusiveMaximum === 'number' ? schema.exclusiveMaximum - 1 : Number.MAX_SAFE_INTEGER)
      const value = Math.min(high, Math.max(low, wanted))
      return type === 'integer' ? Math.trunc(value) : value
    }
    case 'boolean':
      return findings.isAnswered
    case 'null':
      return null
    default:
      return findings.answer
  }
}

/** The text without what stands in brackets, such as its sources, whose lines are no numbers of the answer. */
function withoutSources(text: string): string {
  let rest = ''
  let end = 0
  for (const { from, to } of citationsIn(text)) {
    rest += text.slice(end, from)
    end = to
  }
  return (rest + text.slice(end)).replaceAll(/\[[^\]]*\]/g, '')
}

function arrayFor(schema: JsonSchema, name: string, findings: Findings, root: JsonSchema, depth: number): Json[] {
  const items = Array.isArray(schema.items) ? schema.items[0] : schema.items
  let values: Json[]
  if (isStringArray(schema))
    values = /cit|sourc|referenc/i.test(name)
      ? [...findings.citations]
      : /evidence|quote|answer/i.test(name)
        ? [findings.answer]
        : [...findings.questions]
  else if (items === undefined) values = []
  else if (
    typeof items === 'object' &&
    items.properties !== undefined &&
    /question|quer|task|step|plan/i.test(name + Object.keys(items.properties).join(' '))
  )
    values = findings.questions.map((question) =>
      valueFor(items, name, { ...findings, questions: [question] }, root, depth + 1),
    )
  else
    values = findings.isAnswered || (schema.minItems ?? 0) > 0 ? [valueFor(items, name, findings, root, depth + 1)] : []
  const least = schema.minItems ?? 0
  while (values.length < least)
    values.push(
      items === undefined
        ? findings.answer
        : isStringArray(schema)
          ? (findings.questions[0] ?? '')
          : valueFor(items, name, findings, root, depth + 1),
    )
  return values.slice(0, schema.maxItems ?? values.length)
}

function stringFor(schema: JsonSchema, name: string, findings: Findings): string {
  const text = /question|query|task|title/i.test(name)
    ? (findings.questions[0] ?? '')
    : /cit|sourc|referenc|path/i.test(name)
      ? (findings.citations[0] ?? '')
      : findings.answer
  const cut = text.slice(0, schema.maxLength ?? text.length)
  return cut.padEnd(schema.minLength ?? 0, '.')
}

/** Of an enumeration, the member that says yes or no as the findings do, else the first. */
function enumValue(values: readonly Json[], findings: Findings): Json {
  const wanted = findings.isAnswered
    ? /^(?:yes|true|supported|answered|found|complete|done|ok)$/i
    : /^(?:no|false|unsupported|unanswered|not[-_ ]?found|unknown|none|missing)$/i
  return values.find((each) => typeof each === 'string' && wanted.test(each)) ?? (values[0] as Json)
}

function resolveRef(ref: string, root: JsonSchema): JsonSchema {
  let at: unknown = root
  for (const part of ref.replace(/^#\/?/, '').split('/').filter(Boolean))
    at = (at as Record<string, unknown> | undefined)?.[part.replaceAll('~1', '/').replaceAll('~0', '~')]
  return (at ?? {}) as JsonSchema
}

function merged(parts: readonly (JsonSchema | boolean)[]): JsonSchema {
  const schemas = parts.filter((part): part is JsonSchema => typeof part !== 'boolean')
  return {
    ...Object.assign({}, ...schemas),
    properties: Object.assign({}, ...schemas.map((each) => each.properties ?? {})),
    required: schemas.flatMap((each) => each.required ?? []),
  } as JsonSchema
}
