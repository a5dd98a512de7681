/**
 * JSON with keys in order: one text for equal values, whatever their keys were written in.
 *
 *     canonical({ b: 1, a: 2 })     // '{"a":2,"b":1}'
 */
export function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const record = value as { readonly [key: string]: unknown }
  const fields = Object.keys(record)
    .toSorted()
    .flatMap((key) => (record[key] === undefined ? [] : [`${JSON.stringify(key)}:${canonical(record[key])}`]))
  return `{${fields.join(',')}}`
}
