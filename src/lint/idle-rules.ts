/**
 * Idle rules: rules of a law without which no call would be decided otherwise.
 *
 * That a rule is idle is proved by comparing laws (policy/diff.ts), never guessed; what cannot be proved is not said. A rule
 * that denies what the default denies anyway is not idle: it gives the reason.
 */
import { compareLaws } from '../policy/diff.ts'
import type { Law, Rule } from '../policy/law.ts'
import { decide } from '../policy/law.ts'
import { callOf } from './example.ts'
import type { Remark } from './facts.ts'

/** Laws longer than this are not asked for dead rules: each is some comparisons. */
const PROVED_RULES_MAX = 60

const idleOf = new WeakMap<readonly Rule[], Remark[]>()

/** Rules that decide nothing. Of the same list of rules it is proved once. */
export function lintIdle(law: Law): Remark[] {
  let found = idleOf.get(law.rules)
  if (found === undefined) idleOf.set(law.rules, (found = idleRules(law)))
  return found
}

/** Whether a call shows that the rule decides something. */
function isAlive(rule: Rule, law: Law, without: readonly Rule[]): boolean {
  const call = callOf(rule)
  if (call === undefined) return false
  const decision = decide(law, call)
  return (
    decision.rule === rule.id && (rule.effect === 'deny' || decide({ rules: without }, call).effect !== rule.effect)
  )
}

function idleRules(law: Law): Remark[] {
  const { rules } = law
  if (rules.length > PROVED_RULES_MAX || rules.some(({ then }) => then !== undefined)) return []
  return rules.flatMap((rule, i): Remark[] => {
    const where = `rule ${rule.id}`
    const without = rules.toSpliced(i, 1)
    if (isAlive(rule, law, without)) return []
    if (rule.effect === 'deny') {
      // It decides nothing, if allowing what it denies would widen nothing. One that repeats the default still gives a reason.
      const { ends: _, ...rest } = rule
      const turned = rules.with(i, { ...rest, effect: 'allow' })
      return narrows(rules, turned)
        ? [{ id: 'rule-dead', where, message: 'rules before it decide all of its calls' }]
        : []
    }
    if (!narrows(without, rules)) return []
    if (rule.effect === 'ask')
      return narrows(rules, without)
        ? [{ id: 'rule-dead', where, message: 'other rules decide all of its calls, and as it does' }]
        : []
    const stricter = rules.slice(0, i).filter(({ effect }) => effect !== 'allow')
    if (stricter.length > 0 && narrows(stricter, [...stricter, rule]))
      return [
        {
          id: 'allow-covered',
          where,
          message: `${coverers(stricter, rule)} decide${stricter.length === 1 ? 's' : ''} all that it allows`,
        },
      ]
    return [{ id: 'rule-dead', where, message: 'it allows nothing that other rules do not' }]
  })
}

function coverers(stricter: readonly Rule[], rule: Rule): string {
  const single = stricter.find((one) => narrows([one], [one, rule]))
  return single === undefined ? 'rules that deny or ask before it' : `rule ${single.id} (${single.effect})`
}

export function narrows(before: readonly Rule[], after: readonly Rule[]): boolean {
  try {
    return compareLaws({ rules: before }, { rules: after }).narrows
  } catch {
    // Not comparable is not proved.
    return false
  }
}
