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
 *   R2. Where one has no look-ahead, or they are too large together, `jointLookAhead` is false. Refused is then what a rule
 *       forbids by itself, and what those of `seenTogether` forbid together: as many as fit, those of fewer states first.
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
  /** The rules of which it is seen as soon as it is so what they forbid together, in their order. */
  readonly seenTogether: readonly string[]
  /** What these allow together, asked with the states of all rules; undefined where no two of several can be seen together. */
  readonly together: Together | undefined
  /** Whether these are all rules. */
  readonly jointLookAhead: boolean
  /** The atoms that any of the rules speaks of: what the events need to say. */
  readonly atoms: readonly string[]
  readonly step: (state: RulesState, event: Event) => RulesState
  /** Why this event must not come next; undefined where it may. As if the rules `without` were not there. @default none */
  readonly refusal: (state: RulesState, event: Event, without?: ReadonlySet<string>) => Refusal | undefined
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

/** Of how many parts of the rules it is kept what they allow together: all pairs, and as many parts again and more. */
const PARTS_MAX = 500

/** Compiles the rules of a law, once. Throws a TypeError when two have one id, a RangeError when one is too large. */
export function compileRules(rules: readonly TemporalRule[], options: MonitorOptions = {}): TemporalRules {
  const ids = rules.map(({ id }) => id)
  const twice = ids.find((id, i) => ids.indexOf(id) !== i)
  if (twice !== undefined) throw new TypeError(`the temporal rule "${twice}" is there twice`)
  const monitors = rules.map((rule) => monitorOf(rule, options))
  const automata = monitors.map((monitor) => monitor.automaton)
  const { members, together } = largestTogether(automata, options)
  const atoms = [...new Set(monitors.flatMap((monitor) => monitor.atoms))]
  const checked = (state: RulesState): RulesState => {
    if (state.length === rules.length) return state
    throw new TypeError(`a state of ${state.length} rules, and there are ${rules.length}`)
  }
  const step = (state: RulesState, event: Event): MonitorState[] =>
    checked(state).map((own, i) => (monitors[i] as Monitor).step(own, event))
  /** The state after this event, but of the rules alone that are seen together. */
  const stepMembers = (state: RulesState, event: Event): number[] => {
    const after = [...state]
    for (const i of members) after[i] = (monitors[i] as Monitor).step(state[i] as MonitorState, event)
    return after as number[]
  }
  const canPermit = (state: RulesState, candidate: Candidate): boolean => {
    if (!monitors.every((monitor, i) => monitor.canPermit(state[i] as MonitorState, candidate))) return false
    const maybe = atoms.filter((name) => candidate.maybe?.has(name) === true && !candidate.atoms.has(name))
    if (together === undefined || maybe.length > MAYBE_MAX) return true
    for (let bits = 0; bits < 2 ** maybe.length; bits++) {
      const chosen = maybe.filter((_, i) => (bits >> i) & 1)
      const atoms = chosen.length === 0 ? candidate.atoms : new Set([...candidate.atoms, ...chosen])
      if (together.canMeet(stepMembers(state, atoms))) return true
    }
    return false
  }

  const partsSeen = new Map<string, Together | undefined>()
  /** What some of the rules allow together. Asked only when something is refused. */
  function togetherOf(some: readonly number[]): Together | undefined {
    const key = some.join()
    let found = partsSeen.get(key)
    if (found === undefined && !partsSeen.has(key)) {
      if (partsSeen.size >= PARTS_MAX) partsSeen.clear()
      found = compileTogether(
        some.map((i) => automata[i] as Automaton),
        options,
      )
      partsSeen.set(key, found)
    }
    return found
  }

  const seenTogether = members.map((i) => ids[i] as string)
  /** Why these cannot all be met from here: two rules that cannot both, or all. */
  function clash(state: readonly number[], some: readonly number[]): readonly string[] {
    const named = some.map((i) => ids[i] as string)
    if (some.length > PAIRED_RULES_MAX) return named
    for (const i of some) {
      for (const j of some) {
        if (j > i && togetherOf([i, j])?.canMeet([state[i] as number, state[j] as number]) === false)
          return [ids[i] as string, ids[j] as string]
      }
    }
    return named
  }

  return {
    start: monitors.map((monitor) => monitor.start),
    monitors: new Map(ids.map((id, i) => [id, monitors[i] as Monitor])),
    seenTogether,
    together,
    jointLookAhead: members.length === rules.length,
    atoms,
    step,
    refusal: (state, event, without) => {
      const isAsked = (i: number): boolean => without?.has(ids[i] as string) !== true
      const broken = ids.filter(
        (_, i) => isAsked(i) && !(monitors[i] as Monitor).permits(checked(state)[i] as MonitorState, event),
      )
      if (broken.length > 0) return { rules: broken, together: false }
      const some = members.filter(isAsked)
      if (together === undefined || some.length < 2) return undefined
      const after = stepMembers(state, event)
      const canMeet =
        some.length === members.length
          ? together.canMeet(after)
          : // Fewer than what fits, so that they fit too; where they do not, it is not known that they may.
            togetherOf(some)?.canMeet(some.map((i) => after[i] as number)) === true
      return canMeet ? undefined : { rules: clash(after, some), together: true }
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

/**
 * What those of the rules that have an automaton allow together, and which these are; where they are too large together, as
 * many as fit, those of fewer states first. How many is found by halving, so a hundred rules are compiled eight times at most.
 */
function largestTogether(
  automata: readonly (Automaton | undefined)[],
  options: MonitorOptions,
): { readonly members: readonly number[]; readonly together: Together | undefined } {
  const known = [...automata.keys()].filter((i) => automata[i] !== undefined)
  const sizeOf = (i: number): number => (automata[i] as Automaton).accepting.length
  const smallest = known.toSorted((a, b) => sizeOf(a) - sizeOf(b))
  let found: Together | undefined
  let members: readonly number[] = []
  let [most, least] = [known.length, 0]
  for (let count = most; least < most; count = Math.ceil((least + most) / 2)) {
    const some = smallest.slice(0, count).sort((a, b) => a - b)
    const together = compileTogether(
      some.map((i) => automata[i] as Automaton),
      options,
    )
    if (together === undefined) most = count - 1
    else [least, found, members] = [count, together, some]
  }
  // What one rule forbids its monitor says; of no rules everything is known.
  if (members.length < Math.min(2, automata.length)) return { members: [], together: undefined }
  if (found === undefined || members.length === automata.length) return { members, together: found }
  const { canMeet, canMeetLater } = found
  const of = (states: readonly number[]): number[] => members.map((i) => states[i] as number)
  return {
    members,
    together: { canMeet: (states) => canMeet(of(states)), canMeetLater: (states) => canMeetLater(of(states)) },
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
