/**
 * What a long-term memory may be given, checked in one place for all of them.
 *
 *     export function myMemory({ space = 'mine', ...others }: MemoryOptions = {}) {
 *       return checkedMemory(others, { name: 'mine', add, recall })
 *     }
 *
 * Throws `INVALID_ARGUMENT`: at once for an option that there is not, since a misspelt `space` would mix two memories; when a
 * method is called, before anything was done, for what that is given.
 */
import { PolityError, invalid } from '../../kernel/errors.ts'
import type { LongTermMemory } from '../long-term-memory.ts'

/** Times of JavaScript end here, in ms since 1970 (ECMAScript, section 21.4.1.1). */
const TIME_MAX = 8.64e15
/** What the kernel returns at once (limits.ts). */
const LIMIT_MAX = 100

/** A memory that looks at what it is given. `others`: the options it was made with that it does not know itself. */
export function checkedMemory<Memory extends LongTermMemory>(others: object, memory: Memory): Memory {
  const at = `memory ${memory.name}`
  // A model is told to all, also to those that call none.
  const unknown = Object.keys(others).find((key) => key !== 'model')
  if (unknown !== undefined)
    throw new PolityError('INVALID_ARGUMENT', `${at}: there is no option ${JSON.stringify(unknown.slice(0, 80))}`)
  const { add, recall, upkeep } = memory
  return {
    ...memory,
    add: async (sys, item) => {
      const { text, at: time, session, source } = recordOf(`${at}: add`, 'an item { text, at, session, source }', item)
      if (typeof text !== 'string' || text.trim() === '')
        throw invalid(`${at}: add: text`, 'a text that is not empty', text)
      mustBeTime(`${at}: add: at`, time)
      for (const [key, value] of Object.entries({ session, source }))
        if (value !== undefined && (typeof value !== 'string' || value === ''))
          throw invalid(`${at}: add: ${key}`, 'a text that is not empty', value)
      return add(sys, item)
    },
    recall: async (sys, query, options = {}) => {
      if (typeof query !== 'string') throw invalid(`${at}: recall: query`, 'a text', query)
      const { limit, at: time, ...rest } = recordOf(`${at}: recall`, 'options { limit, at }', options)
      for (const key of Object.keys(rest)) throw invalid(`${at}: recall: options`, 'limit and at', key)
      if (limit !== undefined && !(Number.isInteger(limit) && (limit as number) >= 1 && (limit as number) <= LIMIT_MAX))
        throw invalid(`${at}: recall: limit`, `1 to ${LIMIT_MAX}`, limit)
      mustBeTime(`${at}: recall: at`, time)
      return recall(sys, query, options)
    },
    ...(upkeep === undefined
      ? {}
      : {
          upkeep: async (sys, options = {}) => {
            mustBeTime(`${at}: upkeep: at`, recordOf(`${at}: upkeep`, 'options { at }', options)['at'])
            return upkeep(sys, options)
          },
        }),
  } satisfies LongTermMemory as Memory
}

function recordOf(at: string, expected: string, given: unknown): { readonly [key: string]: unknown } {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw invalid(at, expected, given)
  return given as { readonly [key: string]: unknown }
}

function mustBeTime(at: string, time: unknown): void {
  if (time !== undefined && !(typeof time === 'number' && Math.abs(time) <= TIME_MAX))
    throw invalid(at, `a time in ms since 1970, at most ${TIME_MAX} before or after`, time)
}
