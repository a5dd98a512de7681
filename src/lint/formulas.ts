/**
 * Temporal rules of a law: those that no run meets, that every run meets, that never permit what they speak of, or that need
 * a tool which no rule of the law allows.
 */
import { glob } from '../policy/glob.ts'
import type { Law, Rule } from '../policy/law.ts'
import type { Formula } from '../policy/ltlf.ts'
import { and, atom, atomsOf, globally, not } from '../policy/ltlf.ts'
import { matchKeys } from '../policy/match.ts'
import { compileMonitor } from '../policy/monitor.ts'
import { parseRule } from '../policy/templates.ts'
import { compileRules } from '../policy/temporal.ts'
import { lintMonitor, lintRules } from '../policy/temporal-lints.ts'
import type { Remark, ToolFacts } from './facts.ts'
import { allRules, unknownTool } from './rules.ts'

const ids = {
  unsatisfiable: 'temporal-unsatisfiable',
  contradictory: 'temporal-unsatisfiable',
  valid: 'temporal-valid',
  'never-enabled': 'temporal-never',
} as const

export function lintFormulas(law: Law, tools: readonly ToolFacts[]): Remark[] {
  const { temporal = [], events = {} } = law
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
  const names = new Set(tools.map(({ name }) => name))
  // One that is not there is said below.
  const isThere = (name: string): boolean => tools.length === 0 || names.has(name)
  for (const { id, formula } of rules) {
    const denied = atomsOf(formula).filter(
      (name) => !Object.hasOwn(events, name) && isThere(name) && isDenied(law, name),
    )
    if (denied.length > 0) remarks.push(...inVain(id, formula, denied))
  }
  if (tools.length === 0) return remarks
  const known = new Set([...names, ...Object.keys(events)])
  for (const { id, formula } of rules)
    for (const atom of new Set(atomsOf(formula)))
      if (!known.has(atom)) remarks.push(unknownTool(`temporal ${id}`, atom, tools))
  return remarks
}

/** Whether no rule lets the tool through, those that other rules add among them: the default denies it. */
function isDenied({ rules }: Law, tool: string): boolean {
  const isAbout = (rule: Rule): boolean => glob(rule.call ?? 'call')('call') && glob(rule.tool ?? '*')(tool)
  return !allRules(rules).some((rule) => rule.effect !== 'deny' && isAbout(rule) && !isOverAll(rule))
}

/** A question about all tools under some condition (`seen`, `outbound`, …) narrows what others allow: it allows none. */
function isOverAll(rule: Rule): boolean {
  const { effect, tool = '*' } = rule
  const isConditional = matchKeys.some((key) => key !== 'call' && key !== 'tool' && Object.hasOwn(rule, key))
  return effect === 'ask' && tool === '*' && isConditional
}

/** What the rule demands, or would permit, if these tools were allowed: they never are. */
function inVain(id: string, formula: Formula, denied: readonly string[]): Remark[] {
  const before = lintMonitor(id, compileMonitor(formula))
  // What is wrong with it by itself is said already.
  if (before.some(({ kind }) => kind !== 'never-enabled')) return []
  const never = new Set([...denied, ...before.flatMap(({ atoms = [] }) => atoms)])
  const [found] = lintMonitor(id, compileMonitor(and(formula, ...denied.map((name) => globally(not(atom(name)))))))
  const why = `no rule allows ${denied.join(', ')}`
  const where = `temporal ${id}`
  if (found?.kind === 'unsatisfiable') return [{ id: 'temporal-denied', where, message: `no run meets it: ${why}` }]
  const lost = found?.kind === 'never-enabled' ? (found.atoms ?? []).filter((name) => !never.has(name)) : []
  if (lost.length === 0) return []
  return [{ id: 'temporal-denied', where, message: `it never permits ${lost.join(', ')}: ${why}` }]
}
