/**
 * Fields of what a journal or a client's body holds, read without trust in its form: a call whose arguments were wrong began
 * with `args: null`, and was refused.
 *
 *     textOf(start.args, 'tool')               // undefined where no tool was called
 *     valueAt(body, ['messages', 0, 'role'])   // what stands at the path of an issue
 *
 * Invariants
 *   FI1. Nothing throws here, whatever the value is.
 */
import type { Json } from '../kernel/types.ts'

/** undefined where there is none, or the value is no object. */
export function fieldOf(value: Json | undefined, key: string): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as { readonly [key: string]: Json | undefined })[key]
    : undefined
}

/** undefined also where it is no text. */
export function textOf(value: Json | undefined, key: string): string | undefined {
  const text = fieldOf(value, key)
  return typeof text === 'string' ? text : undefined
}

/** What stands at a path; undefined where the path leads nowhere. */
export function valueAt(value: unknown, path: readonly PropertyKey[]): Json | undefined {
  let at = value
  for (const step of path) at = (at as { readonly [key: PropertyKey]: unknown } | null | undefined)?.[step]
  return at as Json | undefined
}
