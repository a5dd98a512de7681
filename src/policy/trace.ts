/**
 * The trace: what the temporal rules of a law (temporal.ts) see of a run's calls, and what they say to the next one.
 *
 *     const trace = compileTrace([{ id: 'no-leak', formula: 'G(read_private -> (!send W approve))' }], { send: { tool: 'send_*' } })
 *     trace.objections(request, state)       // the rules that could no longer be kept after this call
 *     state = trace.step(request, state)     // the call was let through
 *     trace.unmet(state)                     // the rules that are broken if the run ends here
 *
 * An event is a tool call, or another system call of which one of the law's `events` speaks. What holds of it are the
 * `events` that match it, and the name of its tool.
 *
 * Invariants
 *   TR1. A call is objected to exactly when no continuation of the run could keep the rules (temporal.ts, R1, R2).
 *   TR2. Where it cannot be told whether an event holds of a call (an argument that is absent or of another type), the call
 *        is objected to by the rules that speak of that event, and by all that would be broken if it held or did not: doubt
 *        never widens.
 *   TR3. A state is plain data. One that does not belong to these rules (the law was changed under a running process)
 *        lets nothing through.
 *   TR4. A rule that asks hides none that denies: what is denied without it is denied with it.
 */
import { glob } from './glob.ts'
import { atomsOf } from './ltlf.ts'
import type { Match, Request } from './match.ts'
import { compileMatch } from './match.ts'
import { parseRule } from './templates.ts'
import type { RulesState } from './temporal.ts'
import { compileRules } from './temporal.ts'

/** A temporal rule as a law has it. */
export interface TemporalRule {
  /** Named in decisions, traces and errors. */
  readonly id: string
  /** A formula (ltlf.ts) or template (templates.ts), such as `precedence(confirm, pay)`. */
  readonly formula: string
  /** What becomes of a call after which the rule could not be kept. What a person allows is left out of the trace. @default 'deny' */
  readonly effect?: 'deny' | 'ask'
  readonly reason?: string
}

/** Of a law without temporal rules, and before the first event, it is empty. */
export type TraceState = RulesState

export interface Trace {
  /** The rules that stand against the call: one that denies, or else all that ask; none where nothing does. */
  objections(request: Request, state: TraceState): readonly TemporalRule[]
  step(request: Request, state: TraceState): TraceState
  /** Rules that the run breaks if it ends here. */
  unmet(state: TraceState): readonly TemporalRule[]
  /** Ids of the rules of which it is seen as soon as it is so what they forbid together. */
  readonly seenTogether: readonly string[]
  /** Whether some call of this tool would meet no objection. */
  isOpen(tool: string, state: TraceState): boolean
}

const NONE: ReadonlySet<string> = new Set()

/** Questions about one call, about what may hold of it and about the rules without some that ask; beyond, all object. */
const QUESTIONS_MAX = 256

/** Throws a TypeError that says which formula or event is wrong, and where. */
export function compileTrace(given: readonly TemporalRule[], matches: { readonly [name: string]: Match } = {}): Trace {
  const byId = new Map(given.map((rule) => [rule.id, rule]))
  const formulas = given.map(({ id, formula }) => ({ id, formula: formulaOf(id, formula) }))
  const tools = [...new Set(formulas.flatMap(({ formula }) => atomsOf(formula)))].filter(
    (atom) => !Object.hasOwn(matches, atom),
  )
  // A call is of one tool: what two tools at once could keep cannot be kept.
  const rules = compileRules(formulas, { exclusive: [tools] })
  /** States that were made here, or looked at before. */
  const fitting = new WeakSet<TraceState>([rules.start])
  const events = Object.entries(matches).map(([name, match]) => ({
    name,
    check: compileMatch(match, `events.${name}`),
    isOf: glob(match.tool ?? '*'),
  }))
  const names = new Set(events.map(({ name }) => name))

  /** What holds of the call, and what may; undefined where it is no event. */
  function eventOf(request: Request): { readonly atoms: Set<string>; readonly doubtful: Set<string> } | undefined {
    const atoms = new Set<string>()
    const doubtful = new Set<string>()
    for (const { name, check } of events) {
      if (check(request, false)) atoms.add(name)
      else if (check(request, true)) doubtful.add(name)
    }
    if (request.call !== 'call' && atoms.size === 0 && doubtful.size === 0) return undefined
    if (request.tool !== undefined && !names.has(request.tool)) atoms.add(request.tool)
    return { atoms, doubtful }
  }

  function stateOf(state: TraceState): TraceState | undefined {
    if (state.length === 0) return rules.start
    return fits(state) ? state : undefined
  }

  function fits(state: TraceState): boolean {
    if (fitting.has(state)) return true
    try {
      rules.verdicts(state)
    } catch {
      return false
    }
    fitting.add(state)
    return true
  }

  /** Ids of the rules that stand against what holds of a call and what may, at least as far as the first that denies. */
  function against(state: TraceState, atoms: ReadonlySet<string>, doubtful: ReadonlySet<string>): Set<string> {
    const found = new Set<string>()
    for (const [id, monitor] of rules.monitors) if (monitor.atoms.some((atom) => doubtful.has(atom))) found.add(id)
    const maybe = rules.atoms.filter((atom) => doubtful.has(atom))
    let questions = 0
    for (let bits = 0; bits < 2 ** maybe.length; bits++) {
      const event = maybe.length === 0 ? atoms : new Set([...atoms, ...maybe.filter((_, i) => (bits >> i) & 1)])
      // Behind a conflict of rules that all ask, another may have one that denies: then one of the first is not in it.
      const asked = new Set<string>()
      const left: ReadonlySet<string>[] = [NONE]
      for (const without of left) {
        if (denies(found)) return found
        if (++questions > QUESTIONS_MAX) return new Set(byId.keys())
        const refusal = rules.refusal(state, event, without)
        if (refusal === undefined) continue
        for (const id of refusal.rules) found.add(id)
        for (const gone of refusal.together ? refusal.rules.map((id) => [id]) : [refusal.rules]) {
          const next = new Set([...without, ...gone])
          const key = JSON.stringify([...next].sort())
          if (!asked.has(key)) left.push(next)
          asked.add(key)
        }
      }
    }
    return found
  }

  function denies(found: ReadonlySet<string>): boolean {
    for (const id of found) if (byId.get(id)?.effect !== 'ask') return true
    return false
  }

  return {
    objections(request, before) {
      if (given.length === 0) return []
      const event = eventOf(request)
      if (event === undefined) return []
      const state = stateOf(before)
      const found = state === undefined ? undefined : against(state, event.atoms, event.doubtful)
      const objecting = found === undefined ? given : given.filter(({ id }) => found.has(id))
      const first = objecting.find(({ effect }) => effect !== 'ask')
      return first === undefined ? objecting : [first]
    },
    step(request, before) {
      const event = given.length === 0 ? undefined : eventOf(request)
      const state = stateOf(before)
      return event === undefined || state === undefined ? before : rules.step(state, event.atoms)
    },
    unmet(before) {
      const state = given.length === 0 ? undefined : stateOf(before)
      return state === undefined ? [] : rules.obligations(state).map(({ rule }) => byId.get(rule) as TemporalRule)
    },
    seenTogether: rules.seenTogether,
    isOpen(tool, before) {
      if (given.length === 0) return true
      const state = stateOf(before)
      const atoms = new Set(names.has(tool) ? [] : [tool])
      const maybe = new Set(events.filter(({ isOf }) => isOf(tool)).map(({ name }) => name))
      return state !== undefined && rules.allowedNext(state, [{ atoms, maybe }]).length > 0
    },
  }
}

function formulaOf(id: string, formula: string): ReturnType<typeof parseRule> {
  try {
    return parseRule(formula)
  } catch (error) {
    throw new TypeError(`temporal rule "${id}": ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}
