/**
 * Plain data: what may cross the gate. Checks that a value is JSON, counts its size, and freezes it.
 *
 *     toPlain(value, 'input', bytesMax)     a frozen copy; the caller may go on changing the original
 *     freezePlain(value, 'message', bytesMax)   the same object, frozen in place; for values that are sent again and again
 *
 * Both throw `INVALID_ARGUMENT` with the path of what is not JSON, or `TOO_LARGE`.
 */
import { PolityError } from './errors.ts'
import type { Json } from './types.ts'

/** Nesting beyond this is refused: no program's data needs it, and a cycle is caught by it. */
const DEPTH_MAX = 128

export function toPlain(value: unknown, name: string, bytesMax: number): Json {
  if (typeof value === 'boolean' || value === null || value === undefined) return value ?? null
  return walk(value, name, { left: bytesMax, max: bytesMax, name }, 0, true)
}

export function freezePlain<T>(value: T, name: string, bytesMax: number): T {
  walk(value, name, { left: bytesMax, max: bytesMax, name }, 0, false)
  return value
}

interface Size {
  left: number
  readonly max: number
  readonly name: string
}

function spend(size: Size, bytes: number): void {
  size.left -= bytes
  if (size.left < 0) throw new PolityError('TOO_LARGE', `${size.name} is larger than ${size.max} bytes`, { detail: { bytesMax: size.max } })
}

function walk(value: unknown, path: string, size: Size, depth: number, copy: boolean): Json {
  switch (typeof value) {
    case 'string':
      spend(size, value.length + 2)
      return value
    case 'boolean':
      spend(size, 5)
      return value
    case 'number':
      if (!Number.isFinite(value)) throw notPlain(path, String(value))
      spend(size, 8)
      return value
    case 'undefined':
      throw notPlain(path, 'undefined')
    case 'object':
      break
    default:
      throw notPlain(path, typeof value === 'function' ? 'a function' : `a ${typeof value}`)
  }
  if (value === null) {
    spend(size, 4)
    return null
  }
  if (depth >= DEPTH_MAX) throw notPlain(path, `nested deeper than ${DEPTH_MAX} (or a cycle)`)
  spend(size, 2)
  if (Array.isArray(value)) {
    const list: Json[] = copy ? Array.from({ length: value.length }) : value
    for (let i = 0; i < value.length; i++) {
      const item = walk(value[i], `${path}[${i}]`, size, depth + 1, copy)
      if (copy) list[i] = item
    }
    return Object.freeze(list)
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    const { toJSON } = value as { toJSON?: unknown }
    if (copy && typeof toJSON === 'function') return walk(toJSON.call(value), path, size, depth + 1, copy)
    throw notPlain(path, `an instance of ${(prototype as { constructor?: { name?: string } }).constructor?.name ?? 'a class'}`)
  }
  const record = value as Record<string, unknown>
  const result: Record<string, Json> = copy ? {} : (record as Record<string, Json>)
  for (const key of Object.keys(record)) {
    const item = record[key]
    if (item === undefined) continue
    spend(size, key.length + 3)
    const plain = walk(item, path === '' ? key : `${path}.${key}`, size, depth + 1, copy)
    if (copy) {
      if (key === '__proto__') Object.defineProperty(result, key, { value: plain, enumerable: true })
      else result[key] = plain
    }
  }
  return Object.freeze(result)
}

function notPlain(path: string, what: string): PolityError {
  return new PolityError('INVALID_ARGUMENT', `${path} is ${what}; expected plain JSON data (pass binary data as a base64 string, dates as text)`)
}
