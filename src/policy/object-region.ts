/**
 * Objects that make claims true: which members there are, and what each is.
 *
 *     findObject([{ form: read({ properties: { to: { const: 'ann' } } }), doubt: false, want: true }], question)     // { value: { to: 'ann' } }
 *
 * Members are independent of each other, so a conjunction is solved one member at a time. That some member breaks
 * `additionalProperties` is the only choice: it is one with a name that nothing mentions, where there may be one, else each other.
 *
 * Invariant
 *   OR1. Exact, as far as the answers about members are.
 */
import type { Claim, Found, Question } from './claims.ts'
import { takeStep } from './claims.ts'
import type { Form, Json, Values } from './conditions.ts'
import { formHolds, isAmong, read, typeBit, typeBits } from './conditions.ts'
import type { Literal, Logic } from './search.ts'
import { all, fromList, logicOf, search, truthOf } from './search.ts'

export type ObjectAtom =
  | { readonly is: 'values'; readonly values: Values }
  /** A member is there and holds; or, when it may be absent, is absent. Without a form any value will do. */
  | {
      readonly is: 'member'
      readonly name: string
      readonly mayBeAbsent: boolean
      readonly form: Form | undefined
      readonly doubt: boolean
    }
  /** Every member that is not listed holds; with false, there is none. */
  | { readonly is: 'rest'; readonly listed: ReadonlySet<string>; readonly form: Form | false; readonly doubt: boolean }

function objectAtoms(form: Form, doubt: boolean): ObjectAtom[] {
  const atoms: ObjectAtom[] = form.values.map((values) => ({ is: 'values', values }))
  for (const { name, form: property, isOptional } of form.properties)
    atoms.push({ is: 'member', name, mayBeAbsent: isOptional || doubt, form: property, doubt })
  for (const name of form.required) atoms.push({ is: 'member', name, mayBeAbsent: false, form: undefined, doubt })
  if (form.additional !== undefined) atoms.push({ is: 'rest', listed: form.listed, form: form.additional, doubt })
  return atoms
}

export function objectAtomHolds(atom: ObjectAtom, value: Json): boolean {
  const members = value as { readonly [name: string]: Json }
  switch (atom.is) {
    case 'values':
      return isAmong(atom.values, value)
    case 'member':
      if (!Object.hasOwn(members, atom.name)) return atom.mayBeAbsent
      return atom.form === undefined || formHolds(atom.form, members[atom.name], atom.doubt)
    case 'rest':
      return Object.keys(members).every(
        (name) => atom.listed.has(name) || (atom.form !== false && formHolds(atom.form, members[name], atom.doubt)),
      )
  }
}

export function findObject(claims: readonly Claim[], question: Question): Found {
  const logic = all(claims.map((claim) => logicOf(claim, typeBits.object, objectAtoms)))
  if (truthOf(logic, () => undefined) === false) return 'none'
  const solve = (literals: readonly Literal<ObjectAtom>[]): Found => solveObject(literals, question)
  return search([withoutExclusions(logic)], { solve, holds: objectAtomHolds }, question)
}

/** Says that an object is none of a list by its members: one is absent, or is another, or there is one more. */
function withoutExclusions(logic: Logic<ObjectAtom>): Logic<ObjectAtom> {
  if (logic.kind === 'fact') return logic
  if (logic.kind !== 'atom') return { kind: logic.kind, parts: logic.parts.map(withoutExclusions) }
  const { atom, want } = logic
  if (want || atom.is !== 'values') return logic
  const objects = atom.values.composite.filter((value) => typeBit(value) === typeBits.object)
  return all(objects.map((value) => unlike(value as { readonly [name: string]: Json })))
}

function unlike(value: { readonly [name: string]: Json }): Logic<ObjectAtom> {
  const parts: ObjectAtom[] = Object.entries(value).map(([name, member]) => ({
    is: 'member',
    name,
    mayBeAbsent: false,
    form: read({ const: member }),
    doubt: false,
  }))
  parts.push({ is: 'rest', listed: new Set(Object.keys(value)), form: false, doubt: false })
  return all(
    parts.map((atom) => ({ kind: 'atom', atom, want: false })),
    false,
  )
}

/** What a conjunction asks of a member. */
interface MemberNeeds {
  mayBeAbsent: boolean
  mayBePresent: boolean
  readonly claims: readonly Claim[]
}

type Rest = Extract<ObjectAtom, { is: 'rest' }>

/** Solves a conjunction of atoms about an object. */
export function solveObject(literals: readonly Literal<ObjectAtom>[], question: Question): Found {
  const listedValue = fromList(literals, typeBits.object, objectAtomHolds)
  if (listedValue !== undefined) return listedValue
  const names = new Set<string>()
  const rests: Rest[] = []
  const somes: Rest[] = []
  for (const { atom, want } of literals) {
    if (atom.is === 'member') names.add(atom.name)
    else if (atom.is === 'rest') {
      for (const name of atom.listed) names.add(name)
      ;(want ? rests : somes).push(atom)
    }
  }
  const needs = new Map([...names].map((name) => [name, needsOf(name, literals, rests)]))
  const strange = strangerClaims(rests)
  return placeSomes(somes, needs, [], { strange, question })
}

function needsOf(name: string, literals: readonly Literal<ObjectAtom>[], rests: readonly Rest[]): MemberNeeds {
  let mayBeAbsent = true
  let mayBePresent = true
  const claims: Claim[] = []
  for (const { atom, want } of literals) {
    if (atom.is !== 'member' || atom.name !== name) continue
    mayBeAbsent &&= atom.mayBeAbsent === want
    if (atom.form !== undefined) claims.push({ form: atom.form, doubt: atom.doubt, want })
    else mayBePresent &&= want
  }
  for (const { listed: spared, form, doubt } of rests) {
    if (spared.has(name)) continue
    if (form === false) mayBePresent = false
    else claims.push({ form, doubt, want: true })
  }
  return { mayBeAbsent, mayBePresent, claims }
}

/** What a member that no condition names must be; undefined when there may be none. */
function strangerClaims(rests: readonly Rest[]): Claim[] | undefined {
  const claims: Claim[] = []
  for (const { form, doubt } of rests) {
    if (form === false) return undefined
    claims.push({ form, doubt, want: true })
  }
  return claims
}

interface Scene {
  readonly strange: readonly Claim[] | undefined
  readonly question: Question
}

/** Finds a member for each claim that some unlisted member breaks a condition: a stranger, or one with a name. */
function placeSomes(
  somes: readonly Rest[],
  needs: ReadonlyMap<string, MemberNeeds>,
  strangers: readonly Json[],
  scene: Scene,
): Found {
  const { question, strange } = scene
  const [some, ...others] = somes
  if (some === undefined) return build(needs, strangers, scene)
  const broken: readonly Claim[] = some.form === false ? [] : [{ form: some.form, doubt: some.doubt, want: false }]
  const found = strange === undefined ? 'none' : question.find([...strange, ...broken])
  // A stranger disturbs nobody, so where there can be one, no other choice need be tried.
  if (found !== 'none' && found !== 'unknown') return placeSomes(others, needs, [...strangers, found.value], scene)
  let isUnknown = found === 'unknown'
  for (const [name, need] of needs) {
    if (some.listed.has(name) || !need.mayBePresent) continue
    if (!takeStep(question)) return 'unknown'
    const present: MemberNeeds = { mayBeAbsent: false, mayBePresent: true, claims: [...need.claims, ...broken] }
    const placed = placeSomes(others, new Map(needs).set(name, present), strangers, scene)
    if (placed === 'unknown') isUnknown = true
    else if (placed !== 'none') return placed
  }
  return isUnknown ? 'unknown' : 'none'
}

function build(needs: ReadonlyMap<string, MemberNeeds>, strangers: readonly Json[], { question }: Scene): Found {
  const members = new Map<string, Json>()
  let isUnknown = false
  for (const [name, { mayBeAbsent, mayBePresent, claims }] of needs) {
    if (mayBeAbsent) continue
    if (!mayBePresent) return 'none'
    const found = question.find(claims)
    if (found === 'none') return 'none'
    if (found === 'unknown') isUnknown = true
    else members.set(name, found.value)
  }
  if (isUnknown) return 'unknown'
  strangers.forEach((value, i) => members.set(strangerName(i, needs), value))
  return { value: Object.fromEntries(members) }
}

function strangerName(i: number, names: ReadonlyMap<string, unknown>): string {
  let name = i === 0 ? 'other' : `other${i}`
  while (names.has(name)) name += '_'
  return name
}
