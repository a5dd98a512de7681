/**
 * Samples: a value that fits a JSON Schema, for tools whose arguments nobody has written down.
 *
 *     sampleOf({ type: 'object', properties: { to: { type: 'string' } } }, () => 'ann')   // { to: 'ann' }
 *
 * It fills every property, also the optional ones, with the largest numbers that are allowed. A `pattern` is not solved:
 * the sample may then not fit, and the call fails at its schema.
 */
import type { Json } from '../kernel/types.ts'

type Schema = { readonly [key: string]: Json | undefined }

/** Where a schema says nothing of the largest number. */
const NUMBER = 100_000

export function sampleOf(schema: Json | undefined, textFor: (name: string) => string, name = ''): Json {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return textFor(name)
  const { type, properties, items, anyOf, oneOf, allOf, maximum, exclusiveMaximum, format, ...more } = schema as Schema
  if (more['const'] !== undefined) return more['const']
  const choices = more['enum']
  if (Array.isArray(choices) && choices.length > 0) return choices.at(-1) as Json
  const [kind] = Array.isArray(type) ? type.filter((one) => one !== 'null') : [type]
  switch (kind) {
    case 'object':
      return Object.fromEntries(
        Object.entries((properties ?? {}) as Schema).map(([key, one]) => [key, sampleOf(one, textFor, key)]),
      )
    case 'array':
      return [sampleOf(items, textFor, name)]
    case 'integer':
    case 'number':
      if (typeof maximum === 'number') return Math.min(maximum, NUMBER)
      return typeof exclusiveMaximum === 'number' ? Math.min(exclusiveMaximum - 1, NUMBER) : NUMBER
    case 'boolean':
      return true
    case 'null':
      return null
    case 'string':
      return textOf(format, textFor(name), schema as Schema)
  }
  const [first] =
    ([anyOf, oneOf, allOf].find((list) => Array.isArray(list) && list.length > 0) as Json[] | undefined) ?? []
  if (first !== undefined) return sampleOf(first, textFor, name)
  return properties === undefined ? textFor(name) : sampleOf({ ...schema, type: 'object' }, textFor, name)
}

function textOf(format: Json | undefined, text: string, { maxLength }: Schema): string {
  const fitting =
    format === 'date'
      ? '2026-01-31'
      : format === 'date-time'
        ? '2026-01-31T12:00:00Z'
        : format === 'uri' && !text.startsWith('https:')
          ? 'https://evil.example/'
          : format === 'email' && !text.includes('@')
            ? 'eve@evil.example'
            : text
  return typeof maxLength === 'number' ? fitting.slice(0, maxLength) : fitting
}
