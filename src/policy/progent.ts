/**
 * Progent's policies, as they are (arXiv 2504.11703, the JSON of its released code): read into a law.
 *
 *     const law = fromProgent({ send_money: [[1, 0, { recipient: { enum: ['UK123'] } }, 0]] })
 *
 * A policy is `{ tool: [[priority, effect, { argument: restriction }, fallback, update?], …] }`: smaller priorities first, at
 * equal ones forbid (1) before allow (0); a restriction is a JSON Schema, or a regular expression matched from the start;
 * the fallback tells (0), ends the run (1) or asks a person (2); the update is a policy that replaces that of its tools.
 *
 * Where the released code is lax, the law that comes out is strict:
 *   PG1. A tool without rules, and a call that no rule matches, is denied; so is everything under an empty policy.
 *   PG2. An argument that is absent, or of another type than its restriction speaks of, does not meet an allow rule, and
 *        does not escape a forbid rule (there: skipped, and an error in a check counts as no match).
 *   PG3. Several allow rules of one tool are alternatives (there: the first generated one that does not match ends it).
 *   PG4. A restriction that cannot be understood is an error here, not a rule that never holds.
 */
import type { Condition } from './conditions.ts'
import type { Law, Rule } from './law.ts'
import { parseLaw } from './law.ts'
import { parseRegex } from './regex.ts'

type Entry = readonly [
  priority: number,
  effect: 0 | 1,
  restrictions: { readonly [argument: string]: unknown },
  fallback: 0 | 1 | 2,
  update?: unknown,
]

/** Reads a policy of Progent's. Throws a TypeError that says where, and what was expected. */
export function fromProgent(json: unknown): Law {
  const idsOf = new Map<string, string[]>()
  const pending: { rule: { then?: Rule['then'] }; added: readonly Rule[]; tools: readonly string[] }[] = []

  function readPolicy(given: unknown, at: string): { rules: Rule[]; tools: string[] } {
    if (typeof given !== 'object' || given === null || Array.isArray(given))
      throw new TypeError(`${at} must be an object of lists of rules by tool`)
    const rules: Rule[] = []
    for (const [tool, list] of Object.entries(given)) {
      if (!Array.isArray(list)) throw new TypeError(`${at}.${tool} must be a list of rules`)
      const entries = list.map((entry, i) => readEntry(entry, `${at}.${tool}[${i}]`))
      const order = entries.map((_, i) => i)
      order.sort((a, b) => {
        const [one, other] = [entries[a] as Entry, entries[b] as Entry]
        return one[0] - other[0] || other[1] - one[1] || a - b
      })
      for (const i of order) rules.push(readRule(tool, entries[i] as Entry, `${at}.${tool}[${i}]`))
      // What no rule matches has the fallback of the last one.
      const fallback = entries[order[order.length - 1] as number]?.[3] ?? 0
      if (fallback !== 0) rules.push(named(tool, fallbackRule(tool, fallback, `${at}.${tool}`)))
    }
    return { rules, tools: Object.keys(given) }
  }

  function readRule(tool: string, [, effect, restrictions, fallback, update]: Entry, at: string): Rule {
    const args: { [name: string]: Condition } = {}
    for (const [name, restriction] of Object.entries(restrictions)) {
      if (typeof restriction === 'string') {
        // By itself first: `a)|(?:.*` would close the group that ties it to the start.
        parseRegex(restriction, `${at}[2].${name}`)
        args[name] = { type: 'string', pattern: `^(?:${restriction})` }
      } else if (typeof restriction === 'object' && restriction !== null && !Array.isArray(restriction))
        args[name] = restriction as Condition
      else throw new TypeError(`${at}[2].${name} must be a JSON Schema or a regular expression`)
    }
    const rule: { -readonly [K in keyof Rule]: Rule[K] } = {
      id: at,
      effect: effect === 0 ? 'allow' : fallback === 2 ? 'ask' : 'deny',
      tool: literal(tool),
      ...(Object.keys(args).length === 0 ? {} : { args }),
      ...(effect === 1 && fallback === 1 ? { ends: true as const } : {}),
    }
    if (update !== undefined && update !== null) {
      if (effect === 1)
        throw new TypeError(`${at}[4]: a rule that forbids cannot change the policy: a refused call would do so`)
      const { rules, tools } = readPolicy(update, `${at}[4]`)
      pending.push({ rule, added: rules, tools })
    }
    return named(tool, rule)
  }

  function named(tool: string, rule: Rule): Rule {
    const ids = idsOf.get(tool)
    if (ids === undefined) idsOf.set(tool, [rule.id])
    else ids.push(rule.id)
    return rule
  }

  const { rules } = readPolicy(json, 'progent')
  for (const { rule, added, tools } of pending) {
    const kept = new Set(added.map((one) => one.id))
    const drop = tools.flatMap((tool) => (idsOf.get(tool) ?? []).filter((id) => !kept.has(id)))
    rule.then = { drop, add: added }
  }
  return parseLaw({ rules })
}

function readEntry(entry: unknown, at: string): Entry {
  const expected = `${at} must be [priority, effect 0 or 1, { argument: restriction }, fallback 0, 1 or 2, update?]`
  if (!Array.isArray(entry) || entry.length < 4 || entry.length > 5) throw new TypeError(expected)
  const [priority, effect, restrictions, fallback] = entry as readonly unknown[]
  if (
    typeof priority !== 'number' ||
    (effect !== 0 && effect !== 1) ||
    typeof restrictions !== 'object' ||
    restrictions === null ||
    Array.isArray(restrictions) ||
    (fallback !== 0 && fallback !== 1 && fallback !== 2)
  )
    throw new TypeError(expected)
  return entry as unknown as Entry
}

function fallbackRule(tool: string, fallback: 1 | 2, at: string): Rule {
  const id = `${at}/otherwise`
  return fallback === 1
    ? { id, effect: 'deny', tool: literal(tool), ends: true }
    : { id, effect: 'ask', tool: literal(tool) }
}

/** A tool's name stands for itself; the law's `*` has no escape, and no tool has one in its name. */
function literal(tool: string): string {
  if (tool.includes('*')) throw new TypeError(`"${tool}" is no name of a tool`)
  return tool
}
