/**
 * Fields of what a journal holds, read without trust in its form: a call whose arguments were wrong began with
 * `args: null`, and was refused.
 *
 *     textOf(start.args, 'tool')        // undefined where no tool was called
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
