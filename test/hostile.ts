/** Values that no system call asked for, each made anew: what a confused or malicious caller, tool or driver may hand over. */

class Thing {
  readonly inner = 1
}

const throwing = (): never => {
  throw new Error('this trap throws')
}

const traps: ProxyHandler<object> = {
  get: throwing,
  has: throwing,
  ownKeys: throwing,
  getPrototypeOf: throwing,
  getOwnPropertyDescriptor: throwing,
  isExtensible: throwing,
  preventExtensions: throwing,
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

function cycle(): object {
  const object: Record<string, unknown> = { text: 'round' }
  object['self'] = object
  return object
}

function deep(levels: number): unknown {
  let value: unknown = 'bottom'
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { value }
  return value
}

// oxlint-disable-next-line no-sparse-arrays -- the hole is the point
const holes = (): unknown[] => [1, , 3]

function sparse(): unknown[] {
  const list: unknown[] = []
  list.length = 2 ** 32 - 1
  return list
}

export const hostile: readonly (readonly [name: string, make: () => unknown])[] = [
  ['undefined', () => undefined],
  ['null', () => null],
  ['NaN', () => Number.NaN],
  ['Infinity', () => Infinity],
  ['-1', () => -1],
  ['1.5', () => 1.5],
  ['-0', () => -0],
  ['2 ** 53', () => 2 ** 53],
  ['1e308', () => 1e308],
  ['true', () => true],
  ['the empty text', () => ''],
  ['a text of 2 MB', () => 'x'.repeat(2_000_000)],
  ['a lone surrogate', () => 'half \ud800 of it'],
  ['a text with NUL', () => 'a\u0000b'],
  ['deep nesting', () => deep(5_000)],
  ['a cycle', cycle],
  ['a function', () => () => 1],
  ['a symbol', () => Symbol('sign')],
  ['a bigint', () => 10n],
  ['an invalid Date', () => new Date(Number.NaN)],
  ['a Map', () => new Map([[1, 2]])],
  ['a Set', () => new Set([1])],
  ['a RegExp', () => /x/],
  ['a promise', () => Promise.resolve(1)],
  ['bytes', () => new Uint8Array(8)],
  ['a boxed number', () => Object(1)],
  ['a class instance', () => new Thing()],
  ['an Error', () => new Error('an error as a value')],
  ['a proxy that throws', () => new Proxy({}, traps)],
  ['a proxy of a list that throws', () => new Proxy([], traps)],
  ['a revoked proxy', revoked],
  [
    'a getter that throws',
    () => ({
      get text() {
        return throwing()
      },
    }),
  ],
  ['a toJSON that throws', () => Object.assign(new Thing(), { toJSON: throwing })],
  ['a toString that throws', () => ({ toString: throwing, valueOf: throwing, [Symbol.toPrimitive]: throwing })],
  ['a list with a hole', holes],
  ['a list of 4 billion holes', sparse],
  ['a list of numbers, 2 MB of them', () => Array.from({ length: 250_000 }, () => 1)],
  ['an own key "__proto__"', () => JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}') as unknown],
  ['an object without prototype', () => Object.create(null) as unknown],
  ['an array-like', () => ({ length: 3 })],
  ['an unknown key', () => ({ nonsense: 1 })],
]

/** Whether a value is plain JSON, told by other means than the kernel's. Size is not looked at. */
export function isPlain(value: unknown, levels = 0): boolean {
  if (levels > 128) return false
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object') return false
  try {
    if (Array.isArray(value)) {
      if (value.length > 10_000_000) return false
      for (let i = 0; i < value.length; i++) if (!(i in value) || !isPlain(value[i], levels + 1)) return false
      return true
    }
    const { toJSON } = value as { toJSON?: () => unknown }
    if (typeof toJSON === 'function') return isPlain(toJSON.call(value), levels + 1)
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== null && prototype !== Object.prototype) return false
    return Object.values(value).every((one) => one === undefined || isPlain(one, levels + 1))
  } catch {
    return false
  }
}
