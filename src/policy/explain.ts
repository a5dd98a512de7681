/**
 * Explaining: why a law decides a call as it does, rule by rule.
 *
 *     explain(law, request)
 *     // { decision, steps: [{ rule: 'own-site', effect: 'allow', matches: false, because: ['args.url'] }, …] }
 *
 * Invariant
 *   EX1. The decision is that of `decide`; the steps are the rules in force up to the one that decided, in their order.
 */
import type { Decision, Law, LawState, Rule } from './law.ts'
import { freshState, judge } from './law.ts'
import type { Match, Request } from './match.ts'
import { compileMatch, matchKeys } from './match.ts'

export interface Step {
  readonly rule: string
  readonly effect: Rule['effect']
  /** `in doubt`: a rule that asks, and matches only where it cannot be told otherwise. */
  readonly matches: boolean | 'in doubt'
  /** The parts of the rule that do not hold of the call, such as `tool` or `args.to`. */
  readonly because: readonly string[]
}

export interface Explanation {
  readonly decision: Decision
  readonly steps: readonly Step[]
}

/** Throws a TypeError as `parseLaw` does. */
export function explain(law: Law, request: Request, state: LawState = freshState): Explanation {
  const ready = judge(law)
  const decision = ready.decide(request, state)
  const steps: Step[] = []
  for (const rule of ready.rulesInForce(state)) {
    const because = failing(rule, request, rule.effect !== 'allow')
    const isSure = rule.effect === 'ask' ? failing(rule, request, false).length === 0 : true
    const step: Step = {
      rule: rule.id,
      effect: rule.effect,
      matches: because.length === 0 ? isSure || 'in doubt' : false,
      because,
    }
    steps.push(step)
    if (step.matches === true) break
  }
  return { decision, steps }
}

/** The parts of a match that do not hold. */
function failing(rule: Rule, request: Request, doubt: boolean): string[] {
  return partsOf(rule)
    .filter(([, part]) => !compileMatch({ call: '*', ...part }, rule.id, rule.effect !== 'allow')(request, doubt))
    .map(([name]) => name)
}

function partsOf(rule: Rule): (readonly [name: string, part: Match])[] {
  const whole: Match = { call: 'call', ...rule }
  const parts: (readonly [name: string, part: Match])[] = []
  for (const key of matchKeys) {
    const value: unknown = whole[key as keyof Match]
    if (value === undefined) continue
    if (key !== 'args' && key !== 'origins') parts.push([key, { [key]: value }])
    else
      for (const [name, one] of Object.entries(value as object))
        parts.push([`${key}.${name}`, { [key]: { [name]: one } }])
  }
  return parts
}
