/**
 * Learning: the narrowest simple law under which the calls of a run would have been let through. A proposal for a person
 * to read, not a law to adopt unread: it allows what was done, whether or not that was right.
 *
 *     learnLaw([{ tool: 'pay', args: { to: 'ann', amount: 5 } }, { tool: 'pay', args: { to: 'bob', amount: 30 } }])
 *     // one rule: tool pay, to one of ann and bob, amount from 5 to 30
 *
 * Invariants
 *   LE1. Every call that it was made from is allowed.
 *   LE2. A tool that was not called, and an argument that was not given in every call of a tool, is not spoken of: a tool
 *        is denied, an argument is free only where it was sometimes left out.
 */
import type { Condition, Json } from './conditions.ts'
import type { Law, Rule } from './law.ts'
import { parseLaw } from './law.ts'

export interface LearnedCall {
  readonly tool: string
  readonly args: unknown
}

/** Different values of an argument that are listed; beyond, it is described by its type, range and length. */
const LISTED_MAX = 8

export function learnLaw(calls: readonly LearnedCall[]): Law {
  const byTool = Map.groupBy(calls, (call) => call.tool)
  const rules = [...byTool].map(([tool, made]): Rule => {
    const given = made.map(({ args }) =>
      typeof args === 'object' && args !== null ? (args as Record<string, Json>) : {},
    )
    const names = Object.keys(given[0] ?? {}).filter((name) => given.every((args) => Object.hasOwn(args, name)))
    const args = Object.fromEntries(
      names.map((name) => [name, conditionOf(given.map((one) => one[name] as Json))] as const),
    )
    return { id: `learned/${tool}`, effect: 'allow', tool, ...(names.length === 0 ? {} : { args }) }
  })
  return parseLaw({ description: `learned from ${calls.length} calls; read it before you adopt it`, rules })
}

function conditionOf(values: readonly Json[]): Condition {
  const distinct = [...new Map(values.map((value) => [JSON.stringify(value), value])).values()]
  if (distinct.length === 1) return { const: distinct[0] as Json }
  if (distinct.every((value) => typeof value === 'number'))
    return { type: 'number', minimum: Math.min(...distinct), maximum: Math.max(...distinct) }
  if (distinct.every((value) => Array.isArray(value))) {
    const items = distinct.flat() as Json[]
    const longest = Math.max(...distinct.map((value) => (value as readonly Json[]).length))
    return { type: 'array', maxItems: longest, ...(items.length === 0 ? {} : { items: conditionOf(items) }) }
  }
  if (distinct.length <= LISTED_MAX) return { enum: distinct }
  if (distinct.every((value) => typeof value === 'string'))
    return { type: 'string', maxLength: Math.max(...distinct.map((value) => [...(value as string)].length)) }
  return {}
}
