/** Temporal rules of a law: those that no run meets, that every run meets, or that never permit what they speak of. */
import type { Law } from '../policy/law.ts'
import { atomsOf } from '../policy/ltlf.ts'
import { parseRule } from '../policy/templates.ts'
import { compileRules } from '../policy/temporal.ts'
import { lintRules } from '../policy/temporal-lints.ts'
import type { Remark, ToolFacts } from './facts.ts'
import { unknownTool } from './rules.ts'

const ids = {
  unsatisfiable: 'temporal-unsatisfiable',
  contradictory: 'temporal-unsatisfiable',
  valid: 'temporal-valid',
  'never-enabled': 'temporal-never',
} as const

export function lintFormulas({ temporal = [], events = {} }: Law, tools: readonly ToolFacts[]): Remark[] {
  if (temporal.length === 0) return []
  const rules = temporal.map(({ id, formula }) => ({ id, formula: parseRule(formula) }))
  // A rule of one name that forbids it, such as `absence(delete)`, means what it says.
  const forbidden = new Set(rules.flatMap(({ formula }) => (atomsOf(formula).length === 1 ? atomsOf(formula) : [])))
  const remarks = lintRules(compileRules(rules)).flatMap(({ kind, rules: about, atoms, message }): Remark[] => {
    if (kind === 'no-look-ahead') return []
    const meant = atoms?.filter((atom) => !forbidden.has(atom))
    if (meant?.length === 0) return []
    const where = about.length === 1 ? `temporal ${about[0]}` : `temporal ${about.join(', ')}`
    return [{ id: ids[kind], where, message: meant === undefined ? message : `never permitted: ${meant.join(', ')}` }]
  })
  if (tools.length === 0) return remarks
  const known = new Set([...tools.map(({ name }) => name), ...Object.keys(events)])
  for (const { id, formula } of rules)
    for (const atom of new Set(atomsOf(formula)))
      if (!known.has(atom)) remarks.push(unknownTool(`temporal ${id}`, atom, tools))
  return remarks
}
