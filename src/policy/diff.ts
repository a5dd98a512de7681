/**
 * Differences of laws: whether a new law lets through no more than an old one, and if it does, a call that shows it.
 *
 *     compareLaws(before, after)
 *     // { narrows: true }, or
 *     // { narrows: false, kind: 'allowed', rule: 'mail', witness: { call: 'call', tool: 'send', args: { to: 'eve' }, … }, why }
 *
 * A request is an object, a rule a conjunction of what its members must be, and "the new law lets through what the old one
 * did not" a formula over rules. For each rule of the new law it is asked whether some request makes it true; regions.ts
 * answers. Rules stand in the formula as facts with a number, equal rules with the same one, so that what two laws share costs
 * little; a rule whose globs exclude those of the rule in question is false from the start.
 *
 * Invariants
 *   D1. `narrows: true` is said only when every request is decided by the new law as by the old one or more strictly:
 *       allow is wider than ask, ask wider than deny. Requests are as in match.ts, arguments JSON up to 32 levels deep.
 *   D2. A witness was decided by both laws (`decide` of law.ts) before it is told.
 *   D3. What cannot be proved is 'unknown' and counts as wider: rules with `then`, which change the law as it runs,
 *       unless the laws are equal; temporal rules that were dropped or changed, or added with `ask` (a call allowed by a person
 *       is left out of the trace that the other temporal rules see), or grew too large for what they forbid together to be
 *       seen; what takes more than 20,000 steps.
 */
import type { Walker } from './automaton.ts'
import { createAutomaton, findText } from './automaton.ts'
import type { Found, Question } from './claims.ts'
import type { Condition, Form, Json } from './conditions.ts'
import { isEqual, read } from './conditions.ts'
import { canonical } from './canonical.ts'
import type { Effect, From, Law, Origin, Request, Rule, Source } from './law.ts'
import { judge, lastRules } from './law.ts'
import type { ObjectAtom } from './object-region.ts'
import { objectAtomHolds, solveObject } from './object-region.ts'
import { glob } from './glob.ts'
import { compileAnswers } from './match.ts'
import { globRegex } from './regex.ts'
import { createQuestion } from './regions.ts'
import type { Logic } from './search.ts'
import { all, search } from './search.ts'
import type { TemporalRule } from './trace.ts'
import { compileTrace } from './trace.ts'

export type Comparison =
  | { readonly narrows: true }
  | {
      readonly narrows: false
      /** `allowed`: what was asked or denied is allowed. `asked`: what was denied is asked. `unknown`: it could not be told. */
      readonly kind: 'allowed' | 'asked' | 'unknown'
      /** Id of the rule of the new law that lets more through; of the rule that is in the way, when unknown. */
      readonly rule: string
      /** A request that shows it. */
      readonly witness?: Request
      readonly why: string
    }

/** Whether `after` lets through no more than `before`. Throws a TypeError when one of them cannot be read. */
export function compareLaws(given: Law, next: Law): Comparison {
  if (JSON.stringify(given) === JSON.stringify(next)) return { narrows: true }
  // What a law says by saying nothing is compared too.
  const before: Law = { ...given, rules: [...given.rules, ...lastRules] }
  const after: Law = { ...next, rules: [...next.rules, ...lastRules] }
  const laws = { before: judge({ rules: before.rules }), after: judge({ rules: after.rules }) }
  if (before.runaway !== undefined && JSON.stringify(before.runaway) !== JSON.stringify(after.runaway))
    return unknownFor('runaway', 'what stops a runaway agent was changed, and that is not compared')
  const moving = [...before.rules, ...after.rules].find(({ then }) => then !== undefined)
  if (moving !== undefined)
    return unknownFor(moving.id, 'it changes the law as it runs, and what follows is not compared')
  const temporal = temporalObstacle(before, after)
  if (temporal !== undefined) return temporal
  const facts = createFacts()
  const scene: Scene = {
    question: createQuestion(stepsMax),
    facts,
    before: before.rules,
    after: after.rules,
    universe: universeOf([...before.rules, ...after.rules]),
    stricter: { allow: alternativesTo('allow', before.rules, facts), ask: alternativesTo('ask', before.rules, facts) },
  }
  let doubtful: Comparison | undefined
  for (const [i, rule] of after.rules.entries()) {
    for (const effect of ['allow', 'ask'] as const) {
      const found = findWider(i, effect, scene)
      if (found === 'none') continue
      if (found === 'unknown') {
        doubtful ??= unknownFor(rule.id, scene.question.why)
        continue
      }
      const witness = toRequest(found.value)
      const was = laws.before.decide(witness)
      const is = laws.after.decide(witness)
      if (weights[is.effect] <= weights[was.effect]) {
        doubtful ??= unknownFor(rule.id, 'a call was found that is no witness')
        continue
      }
      return {
        narrows: false,
        kind: is.effect === 'allow' ? 'allowed' : 'asked',
        rule: is.rule ?? rule.id,
        witness: polished(
          witness,
          (request) =>
            [laws.before.decide(request).effect, laws.after.decide(request).effect].join() ===
            [was.effect, is.effect].join(),
        ),
        why: `${was.effect === 'deny' ? 'it was denied' : 'it was asked'} (${was.reason})`,
      }
    }
  }
  return doubtful ?? { narrows: true }
}

const stepsMax = 20_000
const weights: { readonly [effect in Effect]: number } = { deny: 0, ask: 1, allow: 2 }

function unknownFor(rule: string, why: string): Comparison {
  return { narrows: false, kind: 'unknown', rule, why }
}

/** Why the temporal rules of two laws cannot be compared. */
function temporalObstacle(before: Law, after: Law): Comparison | undefined {
  const said = (law: Law): Map<string, string> =>
    new Map((law.temporal ?? []).map(({ id, formula, effect }) => [JSON.stringify([formula, effect ?? 'deny']), id]))
  const was = said(before)
  const is = said(after)
  for (const [rule, id] of was) if (!is.has(rule)) return unknownFor(id, 'a temporal rule was dropped or changed')
  for (const { id, formula, effect } of after.temporal ?? []) {
    if (effect === 'ask' && !was.has(JSON.stringify([formula, effect])))
      return unknownFor(id, 'a temporal rule that asks was added')
  }
  const first = before.temporal?.[0]
  if (first !== undefined && !isEqual(toJson(before.events ?? {}), toJson(after.events ?? {})))
    return unknownFor(first.id, 'the events that temporal rules speak of were changed')
  const formulas = (law: Law): string => JSON.stringify(law.temporal?.map(({ formula }) => formula))
  if (was.size < 2 || formulas(before) === formulas(after)) return undefined
  const seen = new Set(seenTogether(after).map(({ formula }) => formula))
  const missed = seenTogether(before).find(({ formula }) => !seen.has(formula))
  return missed === undefined
    ? undefined
    : unknownFor(
        missed.id,
        'with the temporal rules that were added it can no longer be seen what it forbids with others',
      )
}

/** The temporal rules of which it is seen what they forbid together. */
function seenTogether({ temporal = [], events }: Law): TemporalRule[] {
  const seen = new Set(compileTrace(temporal, events).seenTogether)
  return temporal.filter(({ id }) => seen.has(id))
}

function toJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json
}

// ------------------------------------------------------------------------------------------------------------- formulas

type Formula = Logic<ObjectAtom>

interface Scene {
  readonly question: Question
  readonly facts: Facts
  readonly before: readonly Rule[]
  readonly after: readonly Rule[]
  readonly universe: Formula
  /** That the old law is stricter than an effect: the alternatives for each of its rules that is not. */
  readonly stricter: { readonly [effect in 'allow' | 'ask']: readonly Alternatives[] }
}

/** That a rule did not match, or that something stricter before it may have. */
type Alternatives = readonly [Fact, ...Fact[]]

function alternativesTo(effect: 'allow' | 'ask', rules: readonly Rule[], facts: Facts): Alternatives[] {
  const found: Alternatives[] = []
  const strict: Fact[] = []
  for (const rule of rules) {
    if (weights[rule.effect] < weights[effect]) strict.push(facts.mayMatch(rule))
    else found.push([facts.matches(rule, false), ...strict])
  }
  return found
}

/** A request that the rule at `i` of the new law decides with the effect, and that the old law decided more strictly. */
function findWider(
  i: number,
  effect: 'allow' | 'ask',
  { question, facts, before, after, universe, stricter }: Scene,
): Found {
  const rule = after[i] as Rule
  if (rule.effect === 'deny' || (rule.effect === 'ask' && effect === 'allow')) return 'none'
  const earlier = after.slice(0, i)
  const goals: Formula[] = [universe, facts.matches(rule)]
  for (const other of earlier) goals.push(facts.matches(other, false))
  if (rule.effect === 'allow') {
    // A rule that asks and matches only in doubt does not decide, but turns a later `allow` into a question.
    const doubts = earlier.filter(({ effect: it }) => it === 'ask')
    if (effect === 'allow') for (const other of doubts) goals.push(facts.mayMatch(other, false))
    else
      goals.push(
        all(
          doubts.map((other) => facts.mayMatch(other)),
          false,
        ),
      )
  }
  const apart = new Map<number, boolean>()
  for (const other of [...before, ...earlier])
    if (facts.areApart(rule, other)) for (const id of facts.idsOf(other)) apart.set(id, false)
  goals.push(...stricter[effect].filter(([{ id }]) => !apart.has(id)).map((parts) => all(parts, false)))
  return search(
    goals,
    { solve: (literals) => solveObject(literals, question), holds: objectAtomHolds },
    question,
    apart,
  )
}

interface Facts {
  /** That the rule matches as its effect reads it: `deny` in doubt too. */
  matches(rule: Rule, want?: boolean): Fact
  /** That the rule matches, or may for all one can tell. */
  mayMatch(rule: Rule, want?: boolean): Fact
  idsOf(rule: Rule): readonly number[]
  /** Whether the globs of two rules exclude each other. */
  areApart(one: Rule, other: Rule): boolean
}

type Fact = Extract<Formula, { kind: 'fact' }>

const globs = ['call', 'tool', 'principal', 'program'] as const

function createFacts(): Facts {
  const known = new Map<string, Fact>()
  const forms = new Map<string, Form>()
  const walkers = new Map<string, Walker>()
  const apart = new Map<string, boolean>()
  const globForm = (glob: string): Form => {
    let form = forms.get(glob)
    if (form === undefined) forms.set(glob, (form = formOfGlob(glob)))
    return form
  }
  const walkerOf = (glob: string): Walker => {
    let walker = walkers.get(glob)
    if (walker === undefined) walkers.set(glob, (walker = createAutomaton(globRegex(glob), 'glob').walker()))
    return walker
  }
  const areGlobsApart = (one: string, other: string): boolean => {
    if (one === other || one === '*' || other === '*') return false
    if (!one.includes('*') && !other.includes('*')) return true
    const key = JSON.stringify([one, other])
    let answer = apart.get(key)
    if (answer === undefined) {
      const common = findText([walkerOf(one), walkerOf(other)], ([a, b]) =>
        a === false || b === false ? false : a === undefined || b === undefined ? undefined : true,
      )
      apart.set(key, (answer = common === undefined))
    }
    return answer
  }
  /** By rule: its fact without doubt and its negation, and the same in doubt. */
  const byRule = new Map<Rule, readonly Fact[]>()
  const learn = (rule: Rule, doubt: boolean): Fact[] => {
    const strays = rule.effect !== 'allow'
    const { id: _id, effect: _effect, reason: _reason, ends: _ends, then: _then, ...match } = rule
    const key = JSON.stringify([Object.entries(match).sort(([a], [b]) => (a < b ? -1 : 1)), doubt, strays])
    let found = known.get(key)
    if (found === undefined) {
      const parts = partsOf(rule, doubt, strays, globForm)
      found = { kind: 'fact', id: known.size, want: true, yes: all(parts(true)), no: all(parts(false), false) }
      known.set(key, found)
    }
    return [found, { ...found, want: false }]
  }
  const fact = (rule: Rule, doubt: boolean, want: boolean): Fact => {
    let facts = byRule.get(rule)
    if (facts === undefined) byRule.set(rule, (facts = [...learn(rule, false), ...learn(rule, true)]))
    return facts[(doubt ? 2 : 0) + (want ? 0 : 1)] as Fact
  }
  const isDenial = (rule: Rule): boolean => rule.effect === 'deny'
  return {
    matches: (rule, want = true) => fact(rule, isDenial(rule), want),
    mayMatch: (rule, want = true) => fact(rule, true, want),
    idsOf: (rule) => [fact(rule, false, true).id, fact(rule, true, true).id],
    areApart: (one, other) =>
      globs.some((key) => {
        const fallback = key === 'call' ? 'call' : '*'
        return areGlobsApart(one[key] ?? fallback, other[key] ?? fallback)
      }),
  }
}

function formOfGlob(glob: string): Form {
  const form = read({ type: 'string' })
  return glob === '*' ? form : { ...form, texts: [createAutomaton(globRegex(glob), 'glob')] }
}

/** Each argument read by itself, as match.ts does: so a law that can be asked can be compared, however much it says. */
function formOfArgs(args: NonNullable<Rule['args']>): Form {
  const properties = Object.entries(args).map(([name, condition]) => {
    return { name, form: read(condition, `args.${name}`), isOptional: false }
  })
  return { ...read({ properties: {} }), properties, listed: new Set(Object.keys(args)) }
}

/** What a rule says of the members of a request, or, part by part, the negation. The reading of match.ts. */
function partsOf(
  rule: Rule,
  doubt: boolean,
  strays: boolean,
  globForm: (glob: string) => Form,
): (want: boolean) => Formula[] {
  const members: ObjectAtom[] = []
  const add = (name: string, form: Form, mayBeAbsent = false, inDoubt = false): void =>
    void members.push({ is: 'member', name, form, mayBeAbsent, doubt: inDoubt })
  add('call', globForm(rule.call ?? 'call'))
  if (rule.tool !== undefined) add('tool', globForm(rule.tool))
  if (rule.principal !== undefined) add('principal', globForm(rule.principal))
  if (rule.program !== undefined) add('program', globForm(rule.program))
  if (rule.outbound !== undefined) add('outbound', read({ const: true }), doubt)
  if (rule.seen !== undefined) {
    const labels = rule.seen.map((label) => read({ contains: { const: label } }))
    add('seen', { ...read({ type: 'array' }), allOf: labels }, doubt)
  }
  if (rule.asked !== undefined) add('asked', read(rule.asked, 'asked'), doubt, doubt)
  if (rule.args !== undefined) add('args', formOfArgs(rule.args), false, doubt)
  const { under } = rule
  const origins = Object.entries(rule.origins ?? {})
  if (rule.control !== undefined) {
    const { name, form } = fromMember(CONTROL, rule.control, strays)
    add(name, form, doubt)
  }
  return (want) => {
    const parts: Formula[] = members.map((atom) => ({ kind: 'atom', atom, want }))
    if (under !== undefined) {
      const form = { ...read({ type: 'array', contains: {} }), contains: globForm(under) }
      const self: ObjectAtom = {
        is: 'member',
        name: 'program',
        form: globForm(under),
        mayBeAbsent: false,
        doubt: false,
      }
      const above: ObjectAtom = { is: 'member', name: 'ancestors', form, mayBeAbsent: false, doubt: false }
      const either: Formula[] = [self, above].map((atom) => ({ kind: 'atom', atom, want }))
      parts.push(all(either, !want))
    }
    for (const [argument, from] of origins) {
      const { name, form } = fromMember(originKey(argument), from, strays)
      parts.push({ kind: 'atom', atom: { is: 'member', name, form, mayBeAbsent: false, doubt: false }, want })
    }
    return parts
  }
}

function originKey(argument: string): string {
  return `origin of ${argument}`
}

/** The member for the arguments that a tool declares as `control`: absent where it declares none. */
const CONTROL = 'control'
const ORIGINS: readonly Origin[] = ['request', 'trusted', 'untrusted']
/** What follows the name of a member in the name of another: whether all values of the first come from such answers. */
const FROM_ANSWERS = ' from answers '

/** The member of a request that says where values come from, and what it must be where they do, or, with `strays`, do not. */
function fromMember(key: string, from: From, strays: boolean): { readonly name: string; readonly form: Form } {
  if (typeof from === 'object') return { name: answersKey(key, from), form: read({ const: !strays }) }
  const wanted = ORIGINS.filter((origin) => (origin === 'request' || origin === from) !== strays)
  return { name: key, form: read({ enum: wanted }) }
}

function answersKey(key: string, from: object): string {
  return `${key}${FROM_ANSWERS}${canonical(from)}`
}

/** What every request is. */
function universeOf(rules: readonly Rule[]): Formula {
  const parts: Formula[] = []
  const add = (name: string, condition: Condition, mayBeAbsent = false): void => {
    const atom: ObjectAtom = { is: 'member', name, form: read(condition), mayBeAbsent, doubt: false }
    parts.push({ kind: 'atom', atom, want: true })
  }
  for (const name of ['call', 'principal', 'program']) add(name, { type: 'string' })
  for (const name of ['tool', 'asked']) add(name, { type: 'string' }, true)
  add('outbound', { type: 'boolean' }, true)
  for (const name of ['ancestors', 'seen']) add(name, { type: 'array', items: { type: 'string' } }, true)
  add('args', { type: 'object' })
  const arguments_ = new Set(rules.flatMap(({ origins }) => Object.keys(origins ?? {})))
  for (const argument of arguments_) {
    const name = originKey(argument)
    add(name, { enum: ORIGINS })
    // What is absent or empty comes from nowhere else.
    const isOwn: ObjectAtom = { is: 'member', name, form: read({ const: 'request' }), mayBeAbsent: false, doubt: false }
    const form = read({ properties: { [argument]: full } })
    const isFull: ObjectAtom = { is: 'member', name: 'args', form, mayBeAbsent: false, doubt: false }
    parts.push(
      all(
        [isOwn, isFull].map((atom) => ({ kind: 'atom', atom, want: true })),
        false,
      ),
    )
  }
  if (rules.some(({ control }) => control !== undefined)) add(CONTROL, { enum: ORIGINS }, true)
  // What one's own words hold comes from no answer, and is as good. How answers go together is left open: so more requests
  // are thought of than there are, and none is forgotten.
  const froms = rules.flatMap(({ origins, control }) => [
    ...Object.entries(origins ?? {}).map(([argument, from]) => [originKey(argument), from] as const),
    ...(control === undefined ? [] : [[CONTROL, control] as const]),
  ])
  const implies = (one: ObjectAtom, other: ObjectAtom): Formula =>
    all(
      [
        { kind: 'atom', atom: one, want: false },
        { kind: 'atom', atom: other, want: true },
      ],
      false,
    )
  for (const [key, from] of froms) {
    if (typeof from !== 'object') continue
    const isGood = answersAtom(key, from)
    add(isGood.name, { type: 'boolean' }, key === CONTROL)
    const isOwn: ObjectAtom = { ...isGood, name: key, form: read({ const: 'request' }) }
    parts.push(implies(isOwn, isGood))
    // Both are absent, or none.
    const isKnown: ObjectAtom = { ...isGood, form: read({ type: 'boolean' }) }
    const isSaid: ObjectAtom = { ...isOwn, form: read({ enum: ORIGINS }) }
    parts.push(implies(isKnown, isSaid), implies(isSaid, isKnown))
    for (const [otherKey, other] of froms)
      if (key === otherKey && typeof other === 'object' && other !== from && isWithin(from, other))
        parts.push(implies(isGood, answersAtom(key, other)))
  }
  return all(parts)
}

type Answers = Exclude<From, string>

function answersAtom(key: string, from: Answers): ObjectAtom & { readonly is: 'member' } {
  return { is: 'member', name: answersKey(key, from), form: read({ const: true }), mayBeAbsent: false, doubt: false }
}

/** Surely every answer of the one is one of the other; where that is hard to tell, not. */
function isWithin(one: Answers, other: Answers): boolean {
  const [tool, tools] = [one.answerOf ?? '*', other.answerOf ?? '*']
  const isNamed = tool === tools || tools === '*' || (!tool.includes('*') && glob(tools)(tool))
  return isNamed && (other.without ?? []).every((label) => one.without?.includes(label) === true)
}

/** A value that may hold a text, a number or a truth value. */
const full: Condition = {
  anyOf: [
    { type: ['number', 'boolean'] },
    { type: 'string', minLength: 1 },
    { type: 'array', minItems: 1 },
    { type: 'object', not: { additionalProperties: false } },
  ],
}

// ------------------------------------------------------------------------------------------------------------ witnesses

/** A request as the solver found it, made one that laws can decide. */
function toRequest(found: Json): Request {
  const { seen, [CONTROL]: control, ...members } = found as { readonly [name: string]: Json }
  const origins = new Map<unknown, Origin>()
  const sources = new Map<unknown, Source[]>()
  const request: { [name: string]: unknown } = {}
  let args = members['args'] as { readonly [name: string]: Json }
  if (control !== undefined) {
    // An argument of its own, whose value came from there.
    const name = ['controlled', 'steering', 'target'].find((one) => !Object.hasOwn(args, one)) ?? 'the argument'
    const value = `a value of ${name}`
    args = { ...args, [name]: value }
    request['control'] = [name]
    origins.set(value, control as Origin)
  }
  const good = new Map<string, Answers[]>()
  const bad = new Map<string, Answers[]>()
  for (const [name, value] of Object.entries(members)) {
    const [key, from] = name.split(FROM_ANSWERS) as [string, string?]
    if (from !== undefined) {
      const list = value === true ? good : bad
      list.set(key, [...(list.get(key) ?? []), JSON.parse(from) as Answers])
    } else if (name.startsWith(originKey('')))
      for (const scalar of scalarsAt(args, key, request['control'])) origins.set(scalar, value as Origin)
    else request[name] = value
  }
  for (const [key, froms] of good) {
    const found = froms.map((from) => sourceFor(from, bad.get(key) ?? []))
    for (const scalar of scalarsAt(args, key, request['control'])) sources.set(scalar, found)
  }
  request['args'] = args
  if (seen !== undefined) request['seen'] = new Set(seen as readonly string[])
  if (origins.size > 0) request['originOf'] = (value: unknown): Origin => origins.get(value) ?? 'untrusted'
  if (sources.size > 0) request['sourcesOf'] = (value: unknown): readonly Source[] => sources.get(value) ?? []
  return request as unknown as Request
}

function scalarsAt(args: { readonly [name: string]: Json }, key: string, control: unknown): Iterable<unknown> {
  const name = key === CONTROL ? (control as readonly string[] | undefined)?.[0] : key.slice(originKey('').length)
  return name !== undefined && Object.hasOwn(args, name) ? scalarsOf(args[name] as Json) : []
}

/** An answer that values may come from by the one, and, if there is such an answer at hand, by none of the others. */
function sourceFor(from: Answers, others: readonly Answers[]): Source {
  const { answerOf = '*', without = [] } = from
  const labels = others.flatMap((other) => other.without ?? []).filter((label) => !without.includes(label))
  const isGood = compileAnswers(from)
  const areBad = others.map(compileAnswers)
  const sources = [
    answerOf.replaceAll('*', ''),
    answerOf.replaceAll('*', 'x'),
    answerOf.replaceAll('*', 'other'),
  ].flatMap((tool): Source[] => [
    { tool, labels: [] },
    { tool, labels },
  ])
  const found = sources.find((source) => isGood(source) && !areBad.some((isBad) => isBad(source)))
  return found ?? (sources[0] as Source)
}

/** The texts, numbers and truth values in a value; keys are texts. */
function* scalarsOf(value: Json): Generator<string | number | boolean> {
  if (value === null) return
  if (typeof value !== 'object') yield value
  else if (Array.isArray(value)) for (const item of value as readonly Json[]) yield* scalarsOf(item)
  else {
    for (const [key, item] of Object.entries(value)) {
      yield key
      yield* scalarsOf(item as Json)
    }
  }
}

/** The same request with names in place of empty texts, where that changes nothing. */
function polished(request: Request, isSame: (request: Request) => boolean): Request {
  let best = request
  for (const [key, name] of [
    ['principal', 'anybody'],
    ['program', 'any'],
  ] as const) {
    const named = { ...best, [key]: name }
    if (best[key] === '' && isSame(named)) best = named
  }
  return best
}
