/**
 * Plain data: what may cross the gate. Checks that a value is JSON, counts its size, and freezes it.
 *
 *     toPlain(value, 'input', bytesMax)     a frozen copy; the caller may go on changing the original
 *     freezePlain(value, 'message', bytesMax)   the same object, frozen in place; for values that are sent again and again
 *
 * Both throw `INVALID_ARGUMENT` with the path of what is not JSON, or `TOO_LARGE` with the name of the limit.
 */
import { PolityError, fieldOf, messageOf } from './errors.ts'
import type { Limits } from './limits.ts'
import type { Json } from './types.ts'

/** Nesting beyond this is refused: no program's data needs it, and a cycle is caught by it. */
const DEPTH_MAX = 128

const TOO_DEEP = `nested deeper than ${DEPTH_MAX}`

/** What an error calls the value; a function where the name costs something to make. */
export type Name = string | (() => string)

/** Which of the kernel's limits `bytesMax` is, for the error; null where nobody can set it. */
export type LimitName = keyof Limits | null

/** A frozen plain copy. Throws `INVALID_ARGUMENT`, `TOO_LARGE`. */
export function toPlain(value: unknown, name: Name, bytesMax: number, limit: LimitName = 'valueBytesMax'): Json {
  if (typeof value === 'boolean' || value === null || value === undefined) return value ?? null
  return checked(value, name, bytesMax, limit, true)
}

/** The same object, checked and frozen in place. Throws `INVALID_ARGUMENT`, `TOO_LARGE`. */
export function freezePlain<T>(value: T, name: Name, bytesMax: number, limit: LimitName = 'valueBytesMax'): T {
  checked(value, name, bytesMax, limit, false)
  return value
}

/** Thrown inside: the way back up adds the path, so that the common case builds none. */
class NotPlain {
  readonly what: string
  /** From the innermost out. */
  readonly keys: (string | number)[] = []

  constructor(what: string) {
    this.what = what
  }
}

let bytesLeft = 0
const tooLarge = new NotPlain('too large')

function checked(value: unknown, name: Name, bytesMax: number, limit: LimitName, copy: boolean): Json {
  bytesLeft = bytesMax
  try {
    return walk(value, 0, copy)
  } catch (error) {
    const at = typeof name === 'string' ? name : name()
    if (error === tooLarge)
      throw new PolityError(
        'TOO_LARGE',
        `${at} is larger than ${limit === null ? '' : `${limit}, `}${bytesMax} bytes`,
        { detail: { bytesMax } },
      )
    // A getter or proxy of the value threw: that is not plain data either.
    const { what, keys } = error instanceof NotPlain ? error : { what: `unreadable (${messageOf(error)})`, keys: [] }
    const way = keys.toReversed()
    const said =
      (what === TOO_DEEP ? cycleIn(value, way, at) : undefined) ??
      `${at}${what === TOO_DEEP ? `${pathOf(way.slice(0, DEEP_KEYS_SHOWN))}…` : pathOf(way)} is ${what}`
    throw new PolityError(
      'INVALID_ARGUMENT',
      `${said}; expected plain JSON data (pass binary data as a base64 string, dates as text)`,
    )
  }
}

function walk(value: unknown, depth: number, copy: boolean): Json {
  switch (typeof value) {
    case 'string':
      if ((bytesLeft -= value.length + 2) < 0) throw tooLarge
      return value
    case 'boolean':
      bytesLeft -= 5
      return value
    case 'number':
      if (!Number.isFinite(value)) throw new NotPlain(String(value))
      bytesLeft -= 8
      // JSON has no negative zero: after a crash it would be another value.
      return value === 0 ? 0 : value
    case 'undefined':
      throw new NotPlain('undefined')
    case 'object':
      break
    default:
      throw new NotPlain(typeof value === 'function' ? 'a function' : `a ${typeof value}`)
  }
  if (value === null) {
    bytesLeft -= 4
    return null
  }
  if (depth >= DEPTH_MAX) throw new NotPlain(TOO_DEEP)
  if ((bytesLeft -= 2) < 0) throw tooLarge
  if (Array.isArray(value)) {
    const { length } = value
    const list = copy ? listFor<Json>(length) : value
    for (let i = 0; i < length; i++) {
      const item = step(value[i], i, depth, copy)
      if (bytesLeft < 0) throw tooLarge
      if (copy) list[i] = item
    }
    return Object.freeze(list)
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    const { toJSON } = value as { toJSON?: unknown }
    if (copy && typeof toJSON === 'function') return walk(toJSON.call(value), depth + 1, copy)
    throw new NotPlain(
      `an instance of ${(prototype as { constructor?: { name?: string } }).constructor?.name ?? 'a class'}`,
    )
  }
  const record = value as Record<string, unknown>
  const result: Record<string, Json> = copy ? {} : (record as Record<string, Json>)
  // `for in` allocates nothing; its prototype is `Object.prototype`, in which an enumerable key would be somebody's prank.
  for (const key in record) {
    if (!Object.hasOwn(record, key)) continue
    const item = record[key]
    if (item === undefined) continue
    if ((bytesLeft -= key.length + 3) < 0) throw tooLarge
    const plain = step(item, key, depth, copy)
    if (copy) {
      if (key === '__proto__') Object.defineProperty(result, key, { value: plain, enumerable: true })
      else result[key] = plain
    }
  }
  return Object.freeze(result)
}

/**
 * A list with room for so many items, to be filled from the first to the last. One that grows by `push` has room for
 * seventeen from its first item on; a long one grows all the same, since a list may claim four billion items and hold none.
 */
export function listFor<Item>(length: number): Item[] {
  // oxlint-disable-next-line unicorn/no-new-array -- the room is the point
  return new Array<Item>(Math.min(length, LIST_ROOM_MAX))
}

const LIST_ROOM_MAX = 64

function step(value: unknown, key: string | number, depth: number, copy: boolean): Json {
  if (typeof value === 'string') {
    if ((bytesLeft -= value.length + 2) < 0) throw tooLarge
    return value
  }
  try {
    return walk(value, depth + 1, copy)
  } catch (error) {
    if (error instanceof NotPlain && error !== tooLarge) error.keys.push(key)
    throw error
  }
}

/** Where a way that was too deep first comes back to what it came from; undefined where it does not. */
function cycleIn(value: unknown, way: readonly (string | number)[], at: string): string | undefined {
  const places = new Map<unknown, number>([[value, 0]])
  let thing = value
  for (const [i, key] of way.entries()) {
    thing = fieldOf(thing, String(key))
    if (thing === undefined) return undefined
    const before = places.get(thing)
    if (before !== undefined)
      return `${at}${pathOf(way.slice(0, i + 1))} is a cycle: it leads back to ${before === 0 ? 'the whole' : pathOf(way.slice(0, before))}`
    places.set(thing, i + 1)
  }
  return undefined
}

/** `.a[0].b` */
function pathOf(way: readonly (string | number)[]): string {
  return way.map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`)).join('')
}

/** Of the path to what is nested too deep: its end tells no more than its beginning. */
const DEEP_KEYS_SHOWN = 16
