/**
 * Whether the JSON Schema of an object leaves open which properties there are.
 *
 *     isOpenSchema({ properties: { to: {} } })                              // false: a name that is not `to` is a slip
 *     isOpenSchema({ properties: { to: {} }, additionalProperties: {} })    // true, as of z.looseObject
 *
 * One that says nothing of others counts as closed: JSON Schema lets them in, and who wrote it means those that it lists.
 */
export function isOpenSchema(schema: { readonly [key: string]: unknown }): boolean {
  const { additionalProperties = false } = schema
  return additionalProperties !== false || OPENING.some((key) => Object.hasOwn(schema, key))
}

/** Keywords behind which further names may stand. */
const OPENING = ['$ref', 'anyOf', 'allOf', 'oneOf', 'patternProperties']
