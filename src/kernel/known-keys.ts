/**
 * Options that somebody writes down in code: a key that is not known is a mistake, and never passed over. Node runs `.ts`
 * files without checking types, so a law under a misspelt key would otherwise be no law.
 *
 *     const keys: KeysOf<LampOptions> = { watt: true, colour: true }    // tsc: every key of the type, and no other
 *     checkKeys('lamp', options, keys)                                  // lamp takes the keys watt, colour, not wat; did you mean watt?
 *
 * Invariant
 *   KK1. Own keys that can be enumerated are looked at, values are not: a known key may be undefined.
 */
import type { ErrorCode } from './errors.ts'
import { PolityError, messageOf } from './errors.ts'

/** The keys of a type, as data. Of a union, those of all its members. */
export type KeysOf<T> = { readonly [Key in T extends unknown ? keyof T : never]: true }

/** Throws an error of `code` that names a key of `given` which is none of `keys`, or that says that it is no object. @default `CONFIG_INVALID` */
export function checkKeys(at: string, given: unknown, keys: object, code: ErrorCode = 'CONFIG_INVALID'): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new PolityError(
      code,
      `${at} takes an object with keys of ${Object.keys(keys).join(', ')}, not ${messageOf(given).slice(0, SHOWN_CHARS)}`,
    )
  for (const key of Object.keys(given))
    if (!Object.hasOwn(keys, key)) throw unknownKey(at, key, Object.keys(keys), code)
}

/** What is said of a key that nobody knows: what there is, and the nearest of it. */
export function unknownKey(
  at: string,
  key: string,
  known: Iterable<string>,
  code: ErrorCode = 'INVALID_ARGUMENT',
): PolityError {
  const names = [...known]
  const near = nearest(key, names)
  return new PolityError(
    code,
    `${at} takes the keys ${names.join(', ')}, not ${key.slice(0, SHOWN_CHARS)}${near === undefined ? '' : `; did you mean ${near}?`}`,
  )
}

/** Of what was given, in an error, characters. */
const SHOWN_CHARS = 80

/** The nearest of some names, if one is near enough to be a slip of the hand; capitals make no difference. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  // What is so long is no slip, and its distance would take long to find.
  if (name.length > NAME_CHARS_MAX) return undefined
  const near = names
    .map((one) => ({ one, distance: distanceOf(name.toLowerCase(), one.toLowerCase()) }))
    .toSorted((a, b) => a.distance - b.distance)[0]
  return near !== undefined && near.distance <= Math.max(1, Math.floor(name.length / 3)) ? near.one : undefined
}

const NAME_CHARS_MAX = 200

/** Levenshtein distance; two letters in each other's place are one slip. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  let above: number[] = []
  for (let i = 1; i <= a.length; i++) {
    const before = above
    above = row
    row = [i]
    for (let j = 1; j <= b.length; j++) {
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(
        Math.min(
          (above[j] as number) + 1,
          (row[j - 1] as number) + 1,
          (above[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1),
          isSwapped ? (before[j - 2] as number) + 1 : Infinity,
        ),
      )
    }
  }
  return row[b.length] as number
}
