/**
 * The law: which calls are let through. Pure functions; no I/O, no clock.
 *
 *     decide(law, { call: 'call', tool: 'transfer', args, principal, program })  →  { effect, rule, reason }
 *
 * Invariants
 *   L1. Rules are read in order; the first that matches decides.
 *   L2. What no rule matches is denied.
 *   L3. A condition on an argument that is absent, or of another type than the condition speaks of, does not hold for
 *       `allow` and `ask`, and holds for `deny`: doubt never widens.
 */
export type Effect = 'allow' | 'deny' | 'ask'

/** What an argument must be. All given parts must hold. */
export interface Condition {
  readonly equals?: string | number | boolean | null
  readonly oneOf?: readonly (string | number | boolean | null)[]
  /** For numbers, inclusive. */
  readonly min?: number
  /** For numbers, inclusive. */
  readonly max?: number
  /** For strings. */
  readonly prefix?: string
  /** For strings and arrays: the largest length. */
  readonly maxLength?: number
}

export interface Rule {
  /** Named in decisions, traces and errors. */
  readonly id: string
  readonly effect: Effect
  /** System call; `*` stands for any run of characters. @default 'call', a tool call */
  readonly call?: string
  /** Tool; `*` as above. @default any */
  readonly tool?: string
  /** `*` as above. @default any */
  readonly principal?: string
  /** `*` as above. @default any */
  readonly program?: string
  /** Conditions on arguments by name; of a tool call, on the tool's input. */
  readonly args?: { readonly [name: string]: Condition }
  /** Told to the agent with a denial, to the person with a question. */
  readonly reason?: string
}

export interface Law {
  readonly rules: readonly Rule[]
}

export interface Request {
  readonly call: string
  readonly tool?: string
  readonly args: unknown
  readonly principal: string
  readonly program: string
}

export interface Decision {
  readonly effect: Effect
  /** Id of the rule that decided; null when none matched. */
  readonly rule: string | null
  readonly reason: string
}

/** The law of a kernel that was given none: a process may use what it holds. What it does not hold it cannot even name. */
export const holdersLaw: Law = { rules: [{ id: 'kernel/held-tools', effect: 'allow', call: 'call' }] }

const DENIED: Decision = { effect: 'deny', rule: null, reason: 'no rule allows it' }

export function decide(law: Law, request: Request): Decision {
  for (const rule of law.rules) {
    if (
      matches(rule.call ?? 'call', request.call) &&
      (rule.tool === undefined || (request.tool !== undefined && matches(rule.tool, request.tool))) &&
      (rule.principal === undefined || matches(rule.principal, request.principal)) &&
      (rule.program === undefined || matches(rule.program, request.program)) &&
      (rule.args === undefined || conditionsHold(rule.args, request.args, rule.effect === 'deny'))
    ) {
      return { effect: rule.effect, rule: rule.id, reason: rule.reason ?? `rule ${rule.id}` }
    }
  }
  return DENIED
}

/** Glob with `*` only, linear in the text: no backtracking beyond the last star. */
function matches(pattern: string, text: string): boolean {
  if (pattern === text || pattern === '*') return true
  if (!pattern.includes('*')) return false
  let p = 0
  let t = 0
  let star = -1
  let mark = 0
  while (t < text.length) {
    if (p < pattern.length && pattern[p] !== '*' && pattern[p] === text[t]) {
      p++
      t++
    } else if (pattern[p] === '*') {
      star = p++
      mark = t
    } else if (star >= 0) {
      p = star + 1
      t = ++mark
    } else return false
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}

function conditionsHold(conditions: { readonly [name: string]: Condition }, args: unknown, inDoubt: boolean): boolean {
  for (const name of Object.keys(conditions)) {
    const given = typeof args === 'object' && args !== null && Object.hasOwn(args, name)
    const value = given ? (args as Record<string, unknown>)[name] : undefined
    if (!(given ? holds(conditions[name] as Condition, value, inDoubt) : inDoubt)) return false
  }
  return true
}

function holds(condition: Condition, value: unknown, inDoubt: boolean): boolean {
  const { equals, oneOf, min, max, prefix, maxLength } = condition
  if (equals !== undefined && value !== equals) return false
  if (oneOf !== undefined && !oneOf.some((option) => option === value)) return false
  if (min !== undefined || max !== undefined) {
    if (typeof value !== 'number' || Number.isNaN(value)) return inDoubt
    if (min !== undefined && value < min) return false
    if (max !== undefined && value > max) return false
  }
  if (prefix !== undefined) {
    if (typeof value !== 'string') return inDoubt
    if (!value.startsWith(prefix)) return false
  }
  if (maxLength !== undefined) {
    if (typeof value !== 'string' && !Array.isArray(value)) return inDoubt
    if (value.length > maxLength) return false
  }
  return true
}

const ruleKeys = new Set(['id', 'effect', 'call', 'tool', 'principal', 'program', 'args', 'reason'])
const conditionKeys = new Set(['equals', 'oneOf', 'min', 'max', 'prefix', 'maxLength'])

/** Reads a law from JSON. Throws a TypeError whose message says where and what was expected. */
export function parseLaw(json: unknown): Law {
  if (!isRecord(json) || !Array.isArray(json['rules'])) throw new TypeError('a law is an object { "rules": [ … ] }')
  const ids = new Set<string>()
  for (const [i, rule] of json['rules'].entries()) {
    const at = `rules[${i}]`
    if (!isRecord(rule)) throw new TypeError(`${at} must be an object`)
    for (const key of Object.keys(rule))
      if (!ruleKeys.has(key))
        throw new TypeError(`${at} has an unknown key "${key}"; known: ${[...ruleKeys].join(', ')}`)
    if (typeof rule['id'] !== 'string' || rule['id'] === '') throw new TypeError(`${at}.id must be a non-empty string`)
    if (ids.has(rule['id'])) throw new TypeError(`${at}.id "${rule['id']}" is used twice`)
    ids.add(rule['id'])
    if (!['allow', 'deny', 'ask'].includes(rule['effect'] as string))
      throw new TypeError(`${at}.effect must be "allow", "deny" or "ask"`)
    for (const key of ['call', 'tool', 'principal', 'program', 'reason']) {
      if (rule[key] !== undefined && typeof rule[key] !== 'string') throw new TypeError(`${at}.${key} must be a string`)
    }
    if (rule['args'] === undefined) continue
    if (!isRecord(rule['args'])) throw new TypeError(`${at}.args must be an object of conditions by argument name`)
    for (const [name, condition] of Object.entries(rule['args'])) {
      if (!isRecord(condition)) throw new TypeError(`${at}.args.${name} must be a condition such as { "equals": 1 }`)
      for (const key of Object.keys(condition)) {
        if (!conditionKeys.has(key))
          throw new TypeError(`${at}.args.${name} has an unknown key "${key}"; known: ${[...conditionKeys].join(', ')}`)
      }
    }
  }
  return json as unknown as Law
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
