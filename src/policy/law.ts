/**
 * The law: which calls are let through. Plain data, read once, then asked of every call. Pure; no I/O, no clock.
 *
 *     const law = parseLaw({ rules: [{ id: 'own-site', effect: 'allow', tool: 'fetch', args: { url: { pattern: '^https://example\\.org/' } } }] })
 *     decide(law, { call: 'call', tool: 'fetch', args: { url: 'https://example.org/' }, principal: 'ada', program: 'reader' })
 *     // { effect: 'allow', rule: 'own-site', … }
 *
 * A rule speaks of the call itself (tool, arguments), of who makes it (principal, program and the programs above it), of
 * what the user asked for in their own words, of where the values of arguments came from, and of what the run has seen.
 * What it says of an argument is a condition in the words of JSON Schema (conditions.ts). Beside the rules stand temporal
 * ones, which speak of the order of calls (trace.ts).
 *
 * Invariants
 *   L1. Rules are read in order; the first that matches decides.
 *   L2. A tool call that no rule matches is denied. Other system calls reach only what is the process's own: they go
 *       through unless a rule speaks of them.
 *   L3. Doubt never widens: what is absent, unknown, or of another type than a condition speaks of, does not meet a
 *       condition of `allow`, and meets one of `deny`. A rule that asks, and matches only in doubt, does not decide: but
 *       what a later rule would allow is then asked.
 *   L4. A law that cannot be read whole is not read at all: an unknown key, a bad pattern or a name used twice is an error.
 */
import { isRecord } from './conditions.ts'
import type { Check, Match, Request } from './match.ts'
import { checkMatch, compileMatch, isTexts, matchKeys, readsAnswers } from './match.ts'
import type { TemporalRule, TraceState } from './trace.ts'
import { compileTrace } from './trace.ts'
import type { Counted, Learned, Runaway, RunawayState } from './runaway.ts'
import { atRest, compileRunaway, keyOf } from './runaway.ts'

export type { From, Match, Origin, Request, Source } from './match.ts'
export type { Learned, Runaway, RunawayState } from './runaway.ts'
export type { TemporalRule, TraceState } from './trace.ts'

export type Effect = 'allow' | 'deny' | 'ask'

export interface Rule extends Match {
  /** Named in decisions, traces and errors. One rule a name. */
  readonly id: string
  /** `ask`: a person decides; silence is a denial. */
  readonly effect: Effect
  /** Told to the agent with a denial, to the person with a question. */
  readonly reason?: string
  /** A denial ends the process instead of being told to it. */
  readonly ends?: true
  /** Once a call that this rule decided was let through: rules that go, and rules that come before all others. */
  readonly then?: { readonly drop?: readonly string[]; readonly add?: readonly Rule[] }
}

export interface Law {
  /** What it is for. */
  readonly description?: string
  readonly rules: readonly Rule[]
  /** Names for kinds of calls, of which the temporal rules speak. Names of tools need none. */
  readonly events?: { readonly [name: string]: Match }
  /** What may happen only before, after or instead of something else. They bind also where a rule allows. */
  readonly temporal?: readonly TemporalRule[]
  /** When an agent that does the same over and over is stopped. @default never */
  readonly runaway?: Runaway
}

export interface Decision {
  readonly effect: Effect
  /** Id of the rule that decided; null when none matched. */
  readonly rule: string | null
  readonly reason: string
  /** A denial that ends the process. */
  readonly ends?: true
  /** A temporal rule decided: what a person allows is left out of its trace. */
  readonly isTemporal?: true
  /**
   * Where what the run did before decided, alone or beside a rule: id of the rule that matched, whose `then` follows once
   * the call was let through; null when none matched. Left out where `rule` is that.
   */
  readonly matched?: string | null
}

/** What a run's own calls have changed of the law. Plain data. */
export interface LawState {
  /** Rules that have fired (their `then`), in order. */
  readonly fired: readonly string[]
  /** Where the temporal rules stand. */
  readonly trace: TraceState
  /** What it did over and over; left out by a law that does not care. */
  readonly runaway?: RunawayState
}

/** Nothing has happened yet. */
export const freshState: LawState = Object.freeze({ fired: Object.freeze([]), trace: Object.freeze([]) })

/** The law of a kernel that was given none: a process may use what it holds. What it does not hold it cannot even name. */
export const holdersLaw: Law = { rules: [{ id: 'kernel/held-tools', effect: 'allow', call: 'call' }] }

const DENIED: Decision = Object.freeze({ effect: 'deny', rule: null, reason: 'no rule allows it' })
const UNSPOKEN: Decision = Object.freeze({ effect: 'allow', rule: null, reason: 'no rule speaks of it' })

/** What every law says at its end, as rules: for who compares laws. */
export const lastRules: readonly Rule[] = Object.freeze([
  Object.freeze({ id: 'kernel/no-rule-allows-it', effect: 'deny', call: 'call' }),
  Object.freeze({ id: 'kernel/other-calls', effect: 'allow', call: '*' }),
])

// ---------------------------------------------------------------------------------------------------------- compiling

/** A law made ready to be asked. */
export interface Judge {
  /** Whether the order of calls matters, so that there is a state to keep. */
  readonly isTemporal: boolean
  /** Whether repetitions matter. */
  readonly isWatchful: boolean
  /** Whether it matters in which answers of tools a value stands, so that they are to be kept. */
  readonly readsAnswers: boolean
  decide(request: Request, state?: LawState): Decision
  /** In the order in which they are read. */
  rulesInForce(state: LawState): readonly Rule[]
  /** The state after a call that `decision` let through, also by a person. */
  after(request: Request, decision: Decision, state?: LawState): LawState
  /** The state after the process has learned the end of a call. */
  learned(request: Pick<Request, 'call' | 'tool' | 'args'>, learned: Learned, state: LawState): LawState
  /** Temporal rules that the run breaks if it ends here. */
  unmet(state: LawState): readonly TemporalRule[]
  /** Whether some call of this tool would keep the temporal rules: what a model need not be offered. */
  isOpen(tool: string, state: LawState): boolean
}

interface Compiled {
  readonly rule: Rule
  readonly decision: Decision
  readonly matches: Check
}

const judges = new WeakMap<Law, Judge>()

/** The law made ready; a second time it is the same object. Throws a TypeError as `parseLaw` does. */
export function judge(law: Law): Judge {
  let made = judges.get(law)
  if (made === undefined) judges.set(law, (made = compileLaw(law)))
  return made
}

/** Decides one call. */
export function decide(law: Law, request: Request, state?: LawState): Decision {
  return judge(law).decide(request, state)
}

function compileLaw(law: Law): Judge {
  const byId = new Map<string, Compiled>()
  const rules = law.rules.map((rule, i) => compileRule(rule, `rules[${i}]`, byId))
  const trace = compileTrace(law.temporal ?? [], law.events)
  const runaway = law.runaway === undefined ? undefined : compileRunaway(law.runaway)
  /** The rules in force, by what has fired. */
  const inForce = new Map<string, readonly Compiled[]>([['', rules]])

  function rulesAfter(fired: readonly string[]): readonly Compiled[] {
    const key = fired.length === 0 ? '' : JSON.stringify(fired)
    let found = inForce.get(key)
    if (found === undefined) {
      const { drop = [], add = [] } = byId.get(fired[fired.length - 1] as string)?.rule.then ?? {}
      const gone = new Set(drop)
      found = [
        ...add.map((rule) => byId.get(rule.id) as Compiled),
        ...rulesAfter(fired.slice(0, -1)).filter(({ rule }) => !gone.has(rule.id)),
      ]
      inForce.set(key, found)
    }
    return found
  }

  /** What stands against a call that the rules let through: what the run did before it. */
  function objectionsTo(request: Request, state: LawState): Decision[] {
    const found = trace.objections(request, state.trace).map((rule): Decision => {
      return { effect: rule.effect ?? 'deny', rule: rule.id, reason: reasonOf(rule), isTemporal: true }
    })
    const reason = runaway?.objection(countedOf(request), state.runaway ?? atRest)
    if (reason === undefined) return found
    const { effect = 'deny', ends } = law.runaway ?? {}
    return [...found, { effect, rule: RUNAWAY, reason, ...(ends === undefined ? {} : { ends }) }]
  }

  function byRules(request: Request, fired: readonly string[]): Decision {
    let doubtful: Decision | undefined
    for (const { decision, matches } of rulesAfter(fired)) {
      if (decision.effect === 'ask') {
        if (matches(request, false)) return doubtful ?? decision
        if (doubtful === undefined && matches(request, true)) doubtful = decision
      } else if (matches(request, decision.effect === 'deny')) {
        return decision.effect === 'allow' && doubtful !== undefined ? doubtful : decision
      }
    }
    return request.call === 'call' ? DENIED : (doubtful ?? UNSPOKEN)
  }

  return {
    isTemporal: law.temporal !== undefined && law.temporal.length > 0,
    isWatchful: runaway !== undefined,
    readsAnswers:
      Object.values(law.events ?? {}).some(readsAnswers) || [...byId.values()].some(({ rule }) => readsAnswers(rule)),
    decide(request, state = freshState) {
      const decision = byRules(request, state.fired)
      // Denied is denied, by whomever; and one question is enough.
      if (decision.effect === 'deny') return decision
      const objections = objectionsTo(request, state)
      if (objections.length === 0) return decision
      return { ...strictestOf([decision, ...objections]), matched: decision.rule }
    },
    after(request, { effect, rule: named, matched: rule = named, isTemporal }, state = freshState) {
      const fires = rule !== null && byId.get(rule)?.rule.then !== undefined && !state.fired.includes(rule)
      // What a person allowed against a rule is left out: within it, the run could not go on.
      // Only of what a rule denied is it not known yet whether a temporal one stands against it too.
      const isKept = isTemporal !== true && (effect !== 'deny' || trace.objections(request, state.trace).length === 0)
      const after = isKept ? trace.step(request, state.trace) : state.trace
      const { runaway: before = atRest } = state
      const counted = runaway?.step(countedOf(request), before) ?? before
      if (!fires && after === state.trace && counted === before) return state
      const next = { ...state, fired: fires ? [...state.fired, rule] : state.fired, trace: after }
      return counted === before ? next : { ...next, runaway: counted }
    },
    learned(request, learned, state) {
      const { runaway: before = atRest } = state
      const counted = runaway?.learned(countedOf(request), learned, before) ?? before
      return counted === before ? state : { ...state, runaway: counted }
    },
    rulesInForce: (state) => rulesAfter(state.fired).map(({ rule }) => rule),
    unmet: (state) => trace.unmet(state.trace),
    isOpen: (tool, state) => trace.isOpen(tool, state.trace),
  }
}

function compileRule(rule: Rule, at: string, byId: Map<string, Compiled>): Compiled {
  const { id, effect, ends, then } = rule
  if (byId.has(id)) throw new TypeError(`${at}.id "${id}" is used twice`)
  const compiled: Compiled = {
    rule,
    decision: Object.freeze({ effect, rule: id, reason: reasonOf(rule), ...(ends === undefined ? {} : { ends }) }),
    matches: compileMatch(rule, at, effect !== 'allow'),
  }
  byId.set(id, compiled)
  for (const [i, added] of (then?.add ?? []).entries()) compileRule(added, `${at}.then.add[${i}]`, byId)
  return compiled
}

/** Of decisions of which one at least does not allow: a denial that ends the process, or any, or one question for all that ask. */
function strictestOf(decisions: readonly Decision[]): Decision {
  const denials = decisions.filter(({ effect }) => effect === 'deny')
  const denial = denials.find(({ ends }) => ends === true) ?? denials[0]
  if (denial !== undefined) return denial
  const [first, ...others] = decisions.filter(({ effect }) => effect === 'ask') as [Decision, ...Decision[]]
  // One question, which names all: who allows one of them has not allowed the others.
  return others.reduce((one, other) => {
    const rule = `${one.rule} and ${other.rule}`
    return { ...one, ...other, rule, reason: `${one.reason}; ${other.reason}` }
  }, first)
}

/** Rule that decisions about runaway agents name. */
const RUNAWAY = 'kernel/runaway'

function countedOf({ call, tool, args }: Pick<Request, 'call' | 'tool' | 'args'>): Counted {
  if (call === 'spawn' || call === 'generate') return { call }
  return tool === undefined ? { call: 'other' } : { call: 'call', tool, key: `${tool} ${keyOf(args)}` }
}

function reasonOf({ id, reason }: { readonly id: string; readonly reason?: string }): string {
  return `rule ${id}${reason === undefined ? '' : `: ${reason}`}`
}

// ------------------------------------------------------------------------------------------------------------- reading

const lawKeys = new Set(['$schema', 'description', 'rules', 'events', 'temporal', 'runaway'])
const runawayKeys = new Set(['identical', 'streak', 'calls', 'spawns', 'burst', 'effect', 'ends'])
const ruleKeys = new Set(['id', 'effect', ...matchKeys, 'reason', 'ends', 'then'])
const temporalKeys = new Set(['id', 'formula', 'effect', 'reason'])

/** Reads a law from JSON. Throws a TypeError whose message says where, and what was expected. */
export function parseLaw(json: unknown): Law {
  if (!isRecord(json) || !Array.isArray(json['rules'])) throw new TypeError('a law is an object { "rules": [ … ] }')
  refuseOtherKeys(json, lawKeys, 'the law')
  for (const [i, rule] of json['rules'].entries()) checkRule(rule, `rules[${i}]`)
  const { events = {}, temporal = [] } = json
  if (!isRecord(events)) throw new TypeError('events must be an object of matches by name')
  for (const [name, match] of Object.entries(events)) {
    if (!isRecord(match)) throw new TypeError(`events.${name} must be an object such as { "tool": "send_*" }`)
    refuseOtherKeys(match, new Set(matchKeys), `events.${name}`)
    checkMatch(match, `events.${name}`)
  }
  if (!Array.isArray(temporal)) throw new TypeError('temporal must be a list of temporal rules')
  for (const [i, rule] of temporal.entries()) checkTemporal(rule, `temporal[${i}]`)
  checkRunaway(json['runaway'])
  const law = json as unknown as Law
  const rules = law.rules.flatMap(withAdded)
  const ids = new Set(rules.map((rule) => rule.id))
  const twice = law.temporal?.find((rule) => ids.has(rule.id))
  if (twice !== undefined) throw new TypeError(`the id "${twice.id}" is used twice`)
  for (const { id, then } of rules)
    for (const gone of then?.drop ?? [])
      if (!ids.has(gone)) throw new TypeError(`rule "${id}": then.drop names "${gone}", which is no rule of this law`)
  judge(law)
  return law
}

function withAdded(rule: Rule): readonly Rule[] {
  return [rule, ...(rule.then?.add ?? []).flatMap(withAdded)]
}

function refuseOtherKeys(json: Readonly<Record<string, unknown>>, known: ReadonlySet<string>, at: string): void {
  for (const key of Object.keys(json))
    if (!known.has(key)) throw new TypeError(`${at} has an unknown key "${key}"; known: ${[...known].join(', ')}`)
}

function checkRule(rule: unknown, at: string): void {
  if (!isRecord(rule)) throw new TypeError(`${at} must be an object`)
  refuseOtherKeys(rule, ruleKeys, at)
  checkNamed(rule, at)
  if (!['allow', 'deny', 'ask'].includes(rule['effect'] as string))
    throw new TypeError(`${at}.effect must be "allow", "deny" or "ask"`)
  checkMatch(rule, at)
  if (rule['ends'] !== undefined && (rule['ends'] !== true || rule['effect'] !== 'deny'))
    throw new TypeError(`${at}.ends must be true, in a rule that denies, or left out`)
  const { then } = rule
  if (then === undefined) return
  if (!isRecord(then)) throw new TypeError(`${at}.then must be an object { "drop": [ids], "add": [rules] }`)
  refuseOtherKeys(then, new Set(['drop', 'add']), `${at}.then`)
  if (then['drop'] !== undefined && !isTexts(then['drop'])) throw new TypeError(`${at}.then.drop must be a list of ids`)
  if (then['add'] === undefined) return
  if (!Array.isArray(then['add'])) throw new TypeError(`${at}.then.add must be a list of rules`)
  for (const [i, added] of then['add'].entries()) checkRule(added, `${at}.then.add[${i}]`)
}

function checkTemporal(rule: unknown, at: string): void {
  if (!isRecord(rule)) throw new TypeError(`${at} must be an object`)
  refuseOtherKeys(rule, temporalKeys, at)
  checkNamed(rule, at)
  if (typeof rule['formula'] !== 'string')
    throw new TypeError(`${at}.formula must be a text such as "precedence(confirm, pay)"`)
  if (rule['effect'] !== undefined && rule['effect'] !== 'deny' && rule['effect'] !== 'ask')
    throw new TypeError(`${at}.effect must be "deny" or "ask"`)
}

function checkRunaway(runaway: unknown): void {
  if (runaway === undefined) return
  if (!isRecord(runaway)) throw new TypeError('runaway must be an object such as { "identical": 4, "streak": 10 }')
  refuseOtherKeys(runaway, runawayKeys, 'runaway')
  for (const key of ['identical', 'streak', 'calls', 'spawns'])
    if (runaway[key] !== undefined && !isCount(runaway[key]))
      throw new TypeError(`runaway.${key} must be a whole number of at least 1`)
  const { burst } = runaway
  if (burst !== undefined) {
    if (!isRecord(burst) || !isCount(burst['tokens']) || !isCount(burst['ms']))
      throw new TypeError('runaway.burst must be an object such as { "tokens": 200000, "ms": 60000 }')
    refuseOtherKeys(burst, new Set(['tokens', 'ms']), 'runaway.burst')
  }
  if (runaway['effect'] !== undefined && runaway['effect'] !== 'deny' && runaway['effect'] !== 'ask')
    throw new TypeError('runaway.effect must be "deny" or "ask"')
  if (runaway['ends'] !== undefined && (runaway['ends'] !== true || runaway['effect'] === 'ask'))
    throw new TypeError('runaway.ends must be true, where runaway denies, or left out')
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 1
}

function checkNamed(rule: Readonly<Record<string, unknown>>, at: string): void {
  if (typeof rule['id'] !== 'string' || rule['id'] === '') throw new TypeError(`${at}.id must be a non-empty string`)
  if (/^(?:kernel|process)\//.test(rule['id']))
    throw new TypeError(`${at}.id must not begin with "kernel/" or "process/"`)
  if (rule['reason'] !== undefined && typeof rule['reason'] !== 'string')
    throw new TypeError(`${at}.reason must be a string`)
}
