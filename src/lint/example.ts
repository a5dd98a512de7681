/**
 * Examples: a value that a condition holds of, a call that a rule matches. Found by trying a few, so there may be one where
 * none is found; they only spare proofs (rules.ts).
 */
import type { Condition } from '../policy/conditions.ts'
import { compile } from '../policy/conditions.ts'
import type { Request, Rule } from '../policy/law.ts'

const plain: readonly unknown[] = ['a', '', 0, 1, 10, 1_000, -1, true, [], {}, null, 'ann@acme.com', 'https://a.org/']

/** A value that all of the conditions hold of; undefined where none of those that are tried is. */
export function valueOf(conditions: readonly Condition[]): unknown {
  const matchers = conditions.map((condition) => compile(condition))
  return [...conditions.flatMap((condition) => named(condition, 0)), ...plain].find((value) =>
    matchers.every((matcher) => matcher.holds(value)),
  )
}

/** Values that a condition names, and those beside its limits. */
function named(condition: Condition, depth: number): unknown[] {
  if (depth > 4) return []
  const { const: fixed, enum: listed = [], minLength = 0 } = condition
  const limits = [condition.minimum, condition.maximum, condition.exclusiveMinimum, condition.exclusiveMaximum]
  const parts = [...(condition.anyOf ?? []), ...(condition.allOf ?? []), ...(condition.oneOf ?? [])]
  return [
    ...(fixed === undefined ? [] : [fixed]),
    ...listed,
    ...limits.flatMap((limit) => (limit === undefined ? [] : [limit, limit + 1, limit - 1])),
    ...(minLength > 0 && minLength < 1_000 ? ['a'.repeat(minLength)] : []),
    ...parts.flatMap((part) => named(part, depth + 1)),
  ]
}

/** A call that the rule matches for certain; undefined where none of those that are tried is. */
export function callOf({
  call = 'call',
  tool = 'x',
  principal = 'x',
  program = 'x',
  under,
  asked,
  args = {},
  seen = [],
}: Rule): Request | undefined {
  if (asked !== undefined || under !== undefined) return undefined
  const given: Record<string, unknown> = {}
  for (const [name, condition] of Object.entries(args)) {
    const value = valueOf([condition])
    if (value === undefined) return undefined
    given[name] = value
  }
  const name = (glob: string): string => glob.replaceAll('*', 'x')
  return {
    call: name(call),
    tool: name(tool),
    args: given,
    principal: name(principal),
    program: name(program),
    outbound: true,
    originOf: () => 'request',
    seen: new Set(seen),
  }
}
