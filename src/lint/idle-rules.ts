/**
 * Idle rules: rules of a law without which no call would be decided otherwise.
 *
 * That a rule is idle is proved by comparing laws (policy/diff.ts), never guessed; what cannot be proved is not said. A rule
 * that denies what the default denies anyway is not idle: it gives the reason.
 */
import { compareLaws } from '../policy/diff.ts'
import { glob } from '../policy/glob.ts'
import type { Law, Rule } from '../policy/law.ts'
import { decide } from '../policy/law.ts'
import { callOf } from './example.ts'
import type { Remark } from './facts.ts'

/** Laws longer than this are not asked for dead rules: each is some comparisons. */
const PROVED_RULES_MAX = 60

const idleOf = new WeakMap<readonly Rule[], Map<string, Remark[]>>()

/** Rules that decide nothing, of a law for these tools. Of the same list of rules it is proved once. */
export function lintIdle(law: Law, tools: readonly string[]): Remark[] {
  let known = idleOf.get(law.rules)
  if (known === undefined) idleOf.set(law.rules, (known = new Map()))
  const key = tools.join(' ')
  let found = known.get(key)
  if (found === undefined) known.set(key, (found = idleRules(law, tools)))
  return found
}

/** An `allow` of which each tool that there is, is denied or asked about before it. */
function coveredByName(rule: Rule, stricter: readonly Rule[], tools: readonly string[]): Remark[] {
  const { tool = '*' } = rule
  if (rule.effect !== 'allow' || !tool.includes('*') || tool === '*' || stricter.length === 0) return []
  const names = tools.filter(glob(tool))
  if (names.length === 0 || !names.every((name) => narrows(stricter, [...stricter, { ...rule, tool: name }]))) return []
  return [
    {
      id: 'allow-covered',
      where: `rule ${rule.id}`,
      message: `${names.slice(0, 4).join(', ')} ${names.length === 1 ? 'is the only tool' : 'are the only tools'} that it speaks of, and rules before it decide all that it allows of them`,
    },
  ]
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

function idleRules(law: Law, tools: readonly string[]): Remark[] {
  const { rules } = law
  if (rules.length > PROVED_RULES_MAX || rules.some(({ then }) => then !== undefined)) return []
  return rules.flatMap((rule, i): Remark[] => {
    const where = `rule ${rule.id}`
    const without = rules.toSpliced(i, 1)
    const isCall = rule.call === undefined || rule.call === 'call'
    const stricter = rules.slice(0, i).filter(({ effect }) => effect !== 'allow')
    const covered = isCall ? coveredByName(rule, stricter, tools) : []
    if (covered.length > 0) return covered
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
