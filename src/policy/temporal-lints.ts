/**
 * Lints of temporal rules: what is wrong with a rule before any run.
 *
 *     lintRules(compileRules(rules, options), options)   →  [{ kind: 'unsatisfiable', rules: ['r1'], message }, …]
 *     neverPermitted(monitor, tools)              →  the tools that no run may call
 *
 * All are exact, but only with look-ahead; a rule without it is reported as `no-look-ahead`, and nothing else is said of it.
 *
 * Invariants
 *   N1. `unsatisfiable`: no run of one event or more satisfies the rule. `valid`: all of them do, so it forbids nothing.
 *   N2. `never-enabled`: no event that has the atom is ever permitted, in any run of permitted events.
 */
import { eventually } from './ltlf.ts'
import type { Automaton, Candidate, Monitor, MonitorOptions } from './monitor.ts'
import { compileMonitor } from './monitor.ts'
import type { TemporalRules } from './temporal.ts'
import { compileTogether } from './together.ts'

export interface TemporalLint {
  readonly kind: 'unsatisfiable' | 'contradictory' | 'valid' | 'never-enabled' | 'no-look-ahead'
  /** The rules it is about. */
  readonly rules: readonly string[]
  /** The atoms it is about, of `never-enabled`. */
  readonly atoms?: readonly string[]
  readonly message: string
}

/** What is wrong with the rules, each by itself and then together. The options are those they were compiled with. */
export function lintRules(rules: TemporalRules, options: MonitorOptions = {}): TemporalLint[] {
  const lints = [...rules.monitors].flatMap(([id, monitor]) => lintMonitor(id, monitor))
  const ids = [...rules.monitors.keys()]
  if (ids.length < 2) return lints
  const automata = [...rules.monitors.values()].map(({ automaton }) => automaton)
  if (rules.together === undefined || !rules.jointLookAhead) {
    const message = 'not all can be seen together: what only several of them forbid is seen late'
    return [...lints, { kind: 'no-look-ahead', rules: ids, message }]
  }
  if (!rules.together.canMeetLater(automata.map(() => 0))) {
    if (lints.some(({ kind }) => kind === 'unsatisfiable')) return lints
    return [...lints, { kind: 'contradictory', rules: ids, message: 'no run satisfies all rules' }]
  }
  const known = new Set(lints.flatMap((lint) => lint.atoms ?? []))
  const atoms = rules.atoms.filter((atom) => !known.has(atom) && !canHappen(rules, atom, options))
  if (atoms.length === 0) return lints
  const message = `never permitted by all together: ${atoms.join(', ')}`
  return [...lints, { kind: 'never-enabled', rules: ids, atoms, message }]
}

/** Whether a run that satisfies all rules has an event with this atom; true where that is too large to say. */
function canHappen(rules: TemporalRules, atom: string, options: MonitorOptions): boolean {
  const happens = compileMonitor(eventually({ op: 'atom', name: atom }), options)
  const automata = [...rules.monitors.values(), happens].map(({ automaton }) => automaton as Automaton)
  return compileTogether(automata, options)?.canMeet(automata.map(() => 0)) ?? true
}

/** What is wrong with one rule. */
export function lintMonitor(id: string, monitor: Monitor): TemporalLint[] {
  const { automaton } = monitor
  const say = (kind: TemporalLint['kind'], message: string, atoms?: readonly string[]): TemporalLint[] => [
    { kind, rules: [id], message, ...(atoms === undefined ? {} : { atoms }) },
  ]
  if (automaton === undefined) return say('no-look-ahead', 'too large: that it can no longer be met is seen late')
  if (isUnsatisfiable(automaton)) return say('unsatisfiable', 'no run satisfies it')
  if (isValid(automaton)) return say('valid', 'every run satisfies it: it forbids nothing')
  const atoms = neverEnabled(automaton)
  return atoms.length === 0 ? [] : say('never-enabled', `never permitted: ${atoms.join(', ')}`, atoms)
}

/** No run of one event or more satisfies it. */
export function isUnsatisfiable(automaton: Automaton): boolean {
  return !(automaton.successors[0] as readonly number[]).some((state) => automaton.hopeful[state])
}

/** Every run of one event or more satisfies it. */
export function isValid(automaton: Automaton): boolean {
  return !(automaton.successors[0] as readonly number[]).some((state) => automaton.doubtful[state])
}

/** The atoms of the formula that no permitted event has. */
export function neverEnabled(automaton: Automaton): string[] {
  const enabled = new Set(permittedStates(automaton).flatMap((state) => automaton.enabled[state] as readonly string[]))
  return automaton.atoms.filter((atom) => !enabled.has(atom))
}

/** The candidates, such as tools, that are permitted in no run of permitted events. All can be without look-ahead. */
export function neverPermitted<T extends Candidate>(monitor: Monitor, candidates: readonly T[]): T[] {
  const { automaton } = monitor
  if (automaton === undefined) return []
  const states = permittedStates(automaton)
  return candidates.filter((candidate) => !states.some((state) => monitor.canPermit(state, candidate)))
}

/** The states that permitted events lead to, the start included; none if the start is hopeless. */
function permittedStates({ hopeful, successors }: Automaton): number[] {
  const seen = new Set(hopeful[0] ? [0] : [])
  for (const state of seen) for (const to of successors[state] as readonly number[]) if (hopeful[to]) seen.add(to)
  return [...seen]
}
