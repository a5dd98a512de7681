/**
 * The seeded emulator: answers from the schemas and a state of its own, without a model; the same seed, the same answers.
 *
 *     seededEmulator({ seed: 7, state: { contacts: [{ id: 'c1', name: 'Ann' }] }, exceptionRate: 0.1 })
 *
 * It knows what `acts` says: look up, add, change, remove, or note that something was done. Chance decides only whether
 * an exception of the tool's list is thrown.
 */
import { randomAt } from '../kernel/clock.ts'
import type { KeysOf } from '../kernel/known-keys.ts'
import { checkKeys } from '../kernel/known-keys.ts'
import type { Json } from '../kernel/types.ts'
import type { Emulator } from './emulate.ts'
import { isRead } from './emulate.ts'
import type { Field, ToolSpec } from './toolkit.ts'

type Entry = { [field: string]: Json }

export interface SeededOptions {
  readonly seed: number
  readonly state: { readonly [collection: string]: readonly { readonly [field: string]: Json }[] }
  /** How often a read fails by an exception of its list, from 0 to 1. @default 0 */
  readonly exceptionRate?: number
}

const optionKeys: KeysOf<SeededOptions> = { seed: true, state: true, exceptionRate: true }

/** Its stream of random numbers, apart from those of processes. */
const STREAM = 0x7001

export function seededEmulator(options: SeededOptions): Emulator {
  checkKeys('seededEmulator', options, optionKeys)
  const { seed, state, exceptionRate = 0 } = options
  const collections = new Map<string, Entry[]>(
    Object.entries(state).map(([name, entries]) => [name, entries.map((entry) => ({ ...entry }))]),
  )
  let calls = 0

  function entriesOf(name: string): Entry[] {
    let entries = collections.get(name)
    if (entries === undefined) collections.set(name, (entries = []))
    return entries
  }

  function raise(tool: ToolSpec, index = 0): never {
    const exception = tool.exceptions[index]
    throw new Error(exception === undefined ? 'Failed' : `${exception.name}: ${exception.description}`)
  }

  return {
    answer({ tool, input }) {
      const { on, does, by = 'id' } = tool.acts
      const chance = randomAt(seed, STREAM, calls++)
      if (isRead(tool) && tool.exceptions.length > 0 && chance < exceptionRate)
        raise(tool, Math.floor((chance / exceptionRate) * tool.exceptions.length))
      const entries = entriesOf(on)
      const known = (entry: Entry): boolean => input[by] !== undefined && entry[by] === input[by]
      switch (does) {
        case 'list':
          return shaped(tool.returns, {}, entries)
        case 'find': {
          const words = String(Object.values(input)[0] ?? '').toLowerCase()
          return shaped(
            tool.returns,
            {},
            entries.filter((entry) =>
              String(entry[by] ?? '')
                .toLowerCase()
                .includes(words),
            ),
          )
        }
        case 'get': {
          const found = entries.find(known)
          return found === undefined ? raise(tool) : shaped(tool.returns, found, [found])
        }
        case 'update': {
          const found = entries.find(known)
          if (found === undefined) return raise(tool)
          Object.assign(found, input)
          return shaped(tool.returns, found, [found])
        }
        case 'remove': {
          const at = entries.findIndex(known)
          if (at < 0) return raise(tool)
          const [gone = {}] = entries.splice(at, 1)
          return shaped(tool.returns, gone, [])
        }
        case 'add':
        case 'log': {
          const entry = { id: `${on}-${entries.length + 1}`, ...input }
          entries.push(entry)
          return shaped(tool.returns, entry, [entry])
        }
      }
    },
  }
}

/** The fields that a tool returns: of the record where it has them, else by their types. */
function shaped(returns: readonly Field[], entry: Entry, entries: readonly Entry[]): Json {
  return Object.fromEntries(
    returns.map(({ name, type }): [string, Json] => {
      const value = entry[name]
      if (type === 'array') return [name, Array.isArray(value) ? value : [...entries]]
      if (value !== undefined) return [name, value]
      if (type === 'boolean') return [name, true]
      if (type === 'object') return [name, entry]
      return [name, type === 'string' ? (name === 'status' ? 'success' : '') : entries.length]
    }),
  )
}
