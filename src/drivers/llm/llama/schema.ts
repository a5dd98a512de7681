/**
 * JSON Schemas in the words that node-llama-cpp makes grammars of.
 *
 *     toGrammarSchema(schema)   // what it understands
 *     unenforced(schema)        // ['pattern', 'minimum']: what nobody checks while the answer is written
 */
const KNOWN = new Set(
  (
    'type properties items prefixItems minItems maxItems minLength maxLength format enum const oneOf anyOf $ref $defs definitions ' +
    'additionalProperties required minProperties maxProperties title description $schema default examples'
  ).split(' '),
)
const FORMATS = new Set(['date-time', 'time', 'date'])

/** A JSON Schema in the words that the library knows: `anyOf` becomes `oneOf`, `definitions` `$defs`, and what it does not know goes. */
export function toGrammarSchema(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null) return schema
  const given = schema as Readonly<Record<string, unknown>>
  const made: Record<string, unknown> = {}
  const each = (value: unknown): unknown =>
    Object.fromEntries(Object.entries(value as object).map(([name, one]) => [name, toGrammarSchema(one)]))
  for (const [name, value] of Object.entries(given)) {
    if (name === 'properties' || name === '$defs') made[name] = each(value)
    else if (name === 'definitions') made['$defs'] = each(value)
    else if (name === 'anyOf' || name === 'oneOf') made['oneOf'] = (value as readonly unknown[]).map(toGrammarSchema)
    else if (name === 'prefixItems') made[name] = (value as readonly unknown[]).map(toGrammarSchema)
    else if (name === 'items') made[name] = toGrammarSchema(value)
    else if (name === 'additionalProperties') made[name] = typeof value === 'object' ? toGrammarSchema(value) : value
    else if (name === '$ref') made[name] = String(value).replace('#/definitions/', '#/$defs/')
    else if (name === 'format') {
      if (FORMATS.has(String(value))) made[name] = value
    } else if (KNOWN.has(name) && !['$schema', 'title', 'default', 'examples', 'required'].includes(name))
      made[name] = value
  }
  // Without additional properties, as zod and most tools mean it: a model has nothing to add that anybody reads.
  if (made['type'] === 'object') {
    made['properties'] ??= {}
    if (Object.keys(made['properties'] as object).length > 0) delete made['additionalProperties']
  }
  return made
}

/** The words of a schema that its grammar does not enforce. */
export function unenforced(schema: unknown): readonly string[] {
  const found = new Set<string>()
  const visit = (value: unknown, isMap: boolean): void => {
    if (typeof value !== 'object' || value === null) return
    for (const [name, inner] of Object.entries(value)) {
      if (!isMap && !Array.isArray(value) && !KNOWN.has(name)) found.add(name)
      else if (!['enum', 'const', 'default', 'examples', 'required'].includes(name))
        visit(inner, !isMap && ['properties', '$defs', 'definitions'].includes(name))
    }
  }
  visit(schema, false)
  return [...found]
}
