/**
 * Temporal rules: several formulas followed as one, through a run.
 *
 *     const rules = compileRules([{ id: 'confirmed', formula: parseRule('precedence(confirm, pay)') }])
 *     let state = rules.start                                      plain JSON; copying it forks the run
 *     const refusal = rules.refusal(state, event)                  before a call: which rules it would break for good
 *     if (refusal === undefined) state = rules.step(state, event)
 *     rules.allowedNext(state, candidates)                         the calls that may be offered
 *     rules.obligations(state)                                     at the end: which rules are unmet
 *
 * Each rule has a monitor of its own, so that a refusal can name it. Rules that can each still be kept may not be so
 * together ("every write is followed by a check", "no check"): that is seen too (together.ts).
 *
 * Invariants
 *   R1. With look-ahead of all rules together, a run that only takes events that are not refused can always still meet
 *       every rule, if it could at the start.
 *   R2. Where they are too large together, `jointLookAhead` is false, and only what a rule forbids by itself is refused.
 *   R3. A refused event changes nothing: `refusal` and `allowedNext` take no step.
 */
import type { Formula } from './ltlf.ts'
import type { Automaton, Candidate, Event, Monitor, MonitorOptions, MonitorState, Verdict } from './monitor.ts'
import { compileMonitor } from './monitor.ts'
import type { Together } from './together.ts'
import { compileTogether } from './together.ts'

export interface TemporalRule {
  /** Named in refusals, obligations and lints. */
  readonly id: string
  readonly formula: Formula
}

/** A state of each rule, in their order. */
export type RulesState = readonly MonitorState[]

export interface Refusal {
  /** The rules that could no longer be met: those that each cannot; or else the first two that cannot both; or else all. */
  readonly rules: readonly string[]
  /** Whether each of them could still be met without the others. */
  readonly together: boolean
}

export interface Obligation {
  readonly rule: string
  /** The fewest events that meet this rule by itself, each as its atoms; undefined where that is not known or nothing does. */
  readonly owed: readonly (readonly string[])[] | undefined
}

export interface TemporalRules {
  readonly start: RulesState
  readonly monitors: ReadonlyMap<string, Monitor>
  /** What all rules allow together; undefined where one has no look-ahead, or they are too large together. */
  readonly together: Together | undefined
  /** Whether what the rules forbid together is seen as soon as it is so. */
  readonly jointLookAhead: boolean
  /** The atoms that any of the rules speaks of: what the events need to say. */
  readonly atoms: readonly string[]
  readonly step: (state: RulesState, event: Event) => RulesState
  /** Why this event must not come next; undefined where it may. */
  readonly refusal: (state: RulesState, event: Event) => Refusal | undefined
  /**
   * Those of the candidates that may come next. With more than `MAYBE_MAX` atoms that may hold or not, what only several
   * rules together forbid is not asked: the call itself still will be.
   */
  readonly allowedNext: <T extends Candidate>(state: RulesState, candidates: readonly T[]) => T[]
  /** The rules that would be broken if the run ended here. */
  readonly obligations: (state: RulesState) => Obligation[]
  readonly verdicts: (state: RulesState) => { readonly [rule: string]: Verdict }
}

/** Atoms that may hold or not, of which every choice is tried: 64 of them. */
const MAYBE_MAX = 6

/** Rules of which two that clash are looked for, one pair after another: 190 pairs. */
const PAIRED_RULES_MAX = 20

/** Compiles the rules of a law, once. Throws a TypeError when two have one id, a RangeError when one is too large. */
export function compileRules(rules: readonly TemporalRule[], options: MonitorOptions = {}): TemporalRules {
  const ids = rules.map(({ id }) => id)
  const twice = ids.find((id, i) => ids.indexOf(id) !== i)
  if (twice !== undefined) throw new TypeError(`the temporal rule "${twice}" is there twice`)
  const monitors = rules.map((rule) => monitorOf(rule, options))
  const automata = monitors.map((monitor) => monitor.automaton).filter((automaton) => automaton !== undefined)
  const together = automata.length === rules.length ? compileTogether(automata, options) : undefined
  const atoms = [...new Set(monitors.flatMap((monitor) => monitor.atoms))]
  const checked = (state: RulesState): RulesState => {
    if (state.length === rules.length) return state
    throw new TypeError(`a state of ${state.length} rules, and there are ${rules.length}`)
  }
  const step = (state: RulesState, event: Event): MonitorState[] =>
    checked(state).map((own, i) => (monitors[i] as Monitor).step(own, event))
  const canPermit = (state: RulesState, candidate: Candidate): boolean => {
    if (!monitors.every((monitor, i) => monitor.canPermit(state[i] as MonitorState, candidate))) return false
    const maybe = atoms.filter((name) => candidate.maybe?.has(name) === true && !candidate.atoms.has(name))
    if (together === undefined || maybe.length > MAYBE_MAX) return true
    for (let bits = 0; bits < 2 ** maybe.length; bits++) {
      const chosen = maybe.filter((_, i) => (bits >> i) & 1)
      const atoms = chosen.length === 0 ? candidate.atoms : new Set([...candidate.atoms, ...chosen])
      if (together.canMeet(step(state, atoms) as number[])) return true
    }
    return false
  }

  const pairs = new Map<number, Together | undefined>()
  /** Why all cannot be met from here: two rules that cannot both, or all. Asked only when something is refused. */
  function clash(state: readonly number[]): readonly string[] {
    if (rules.length > PAIRED_RULES_MAX) return ids
    for (let i = 0; i < rules.length; i++) {
      for (let j = i + 1; j < rules.length; j++) {
        const key = i * rules.length + j
        if (!pairs.has(key))
          pairs.set(key, compileTogether([automata[i] as Automaton, automata[j] as Automaton], options))
        if (pairs.get(key)?.canMeet([state[i] as number, state[j] as number]) === false)
          return [ids[i] as string, ids[j] as string]
      }
    }
    return ids
  }

  return {
    start: monitors.map((monitor) => monitor.start),
    monitors: new Map(ids.map((id, i) => [id, monitors[i] as Monitor])),
    together,
    jointLookAhead: together !== undefined,
    atoms,
    step,
    refusal: (state, event) => {
      const broken = ids.filter((_, i) => !(monitors[i] as Monitor).permits(checked(state)[i] as MonitorState, event))
      if (broken.length > 0) return { rules: broken, together: false }
      if (together === undefined) return undefined
      const after = step(state, event) as number[]
      return together.canMeet(after) ? undefined : { rules: clash(after), together: true }
    },
    allowedNext: (state, candidates) => candidates.filter((candidate) => canPermit(checked(state), candidate)),
    obligations: (state) =>
      checked(state).flatMap((own, i) => {
        const monitor = monitors[i] as Monitor
        return monitor.isAccepting(own) ? [] : [{ rule: ids[i] as string, owed: monitor.wayToEnd(own) }]
      }),
    verdicts: (state) =>
      Object.fromEntries(checked(state).map((own, i) => [ids[i] as string, (monitors[i] as Monitor).verdict(own)])),
  }
}

function monitorOf({ id, formula }: TemporalRule, options: MonitorOptions): Monitor {
  try {
    return compileMonitor(formula, options)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new RangeError(`temporal rule "${id}": ${error.message}`, { cause: error })
  }
}
