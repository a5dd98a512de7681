/**
 * Arrays that make claims true: how long, what every item is, and what some items are.
 *
 *     findArray([{ form: read({ minItems: 2, items: { const: 1 } }), doubt: false, want: true }], question)     // { value: [1, 1] }
 *
 * Invariant
 *   AR1. Exact but for unique items of a small set, lists of excluded arrays, more than 1,000 items, and more than five claims on
 *        single items: there the answer may be 'unknown'.
 */
import type { Claim, Found, Question } from './claims.ts'
import { differentFrom, unknown } from './claims.ts'
import type { Form, Json, Values } from './conditions.ts'
import { formHolds, isAmong, isEqual, typeBits } from './conditions.ts'
import type { Literal } from './search.ts'
import { all, fromList, logicOf, search, truthOf } from './search.ts'

type ArrayAtom =
  | { readonly is: 'values'; readonly values: Values }
  | { readonly is: 'length'; readonly min: number; readonly max: number }
  /** Every item is. */
  | { readonly is: 'each'; readonly form: Form; readonly doubt: boolean }
  /** Some item is. */
  | { readonly is: 'some'; readonly form: Form; readonly doubt: boolean }
  | { readonly is: 'unique' }

function arrayAtoms(form: Form, doubt: boolean): ArrayAtom[] {
  const atoms: ArrayAtom[] = form.values.map((values) => ({ is: 'values', values }))
  if (form.minItems !== undefined) atoms.push({ is: 'length', min: form.minItems, max: Infinity })
  if (form.maxItems !== undefined) atoms.push({ is: 'length', min: 0, max: form.maxItems })
  if (form.items !== undefined) atoms.push({ is: 'each', form: form.items, doubt })
  if (form.contains !== undefined) atoms.push({ is: 'some', form: form.contains, doubt })
  if (form.uniqueItems) atoms.push({ is: 'unique' })
  return atoms
}

function arrayAtomHolds(atom: ArrayAtom, value: Json): boolean {
  const items = value as readonly Json[]
  switch (atom.is) {
    case 'values':
      return isAmong(atom.values, value)
    case 'length':
      return items.length >= atom.min && items.length <= atom.max
    case 'each':
      return items.every((item) => formHolds(atom.form, item, atom.doubt))
    case 'some':
      return items.some((item) => formHolds(atom.form, item, atom.doubt))
    case 'unique':
      return items.every((item, i) => !items.slice(0, i).some((earlier) => isEqual(earlier, item)))
  }
}

export function findArray(claims: readonly Claim[], question: Question): Found {
  const logic = all(claims.map((claim) => logicOf(claim, typeBits.array, arrayAtoms)))
  if (truthOf(logic, () => undefined) === false) return 'none'
  const solve = (literals: readonly Literal<ArrayAtom>[]): Found =>
    fromList(literals, typeBits.array, arrayAtomHolds) ?? solveArray(literals, question)
  return search([logic], { solve, holds: arrayAtomHolds }, question)
}

/** What a conjunction asks of an array. */
interface ArrayNeeds {
  min: number
  max: number
  /** Of every item. */
  readonly each: Claim[]
  /** Each of some item. */
  readonly some: Claim[]
  isUnique: boolean
  hasTwins: boolean
}

const itemsMax = 1_000
const groupsMax = 5

function solveArray(literals: readonly Literal<ArrayAtom>[], question: Question): Found {
  const needs: ArrayNeeds = { min: 0, max: Infinity, each: [], some: [], isUnique: false, hasTwins: false }
  const shorter: number[] = []
  for (const { atom, want } of literals) {
    if (atom.is === 'length') {
      if (want) {
        needs.min = Math.max(needs.min, atom.min)
        needs.max = Math.min(needs.max, atom.max)
      } else if (atom.max === Infinity) shorter.push(atom.min - 1)
      else needs.min = Math.max(needs.min, atom.max + 1)
    } else if (atom.is === 'unique') needs[want ? 'isUnique' : 'hasTwins'] = true
    else if (atom.is === 'each' || atom.is === 'some')
      needs[(atom.is === 'each') === want ? 'each' : 'some'].push({ form: atom.form, doubt: atom.doubt, want })
  }
  needs.max = Math.min(needs.max, ...shorter)
  if (needs.isUnique && needs.hasTwins) return 'none'
  if (needs.hasTwins) needs.min = Math.max(needs.min, 2)
  if (needs.min > needs.max) return 'none'
  if (needs.min > itemsMax) return unknown(question, `an array has more than ${itemsMax} items`)
  if (needs.some.length > groupsMax) return unknown(question, 'too many different items are needed in an array')
  let isUnknown = false
  // One item may answer several of the claims on some item: they are shared out in all ways.
  for (const groups of partitions(needs.some)) {
    if (groups.length + (needs.hasTwins && groups.length > 0 ? 1 : 0) > needs.max) continue
    const items = fill(groups, needs, question)
    if (items === 'unknown') isUnknown = true
    else if (items !== 'none') {
      const values = variations(items, needs, question)
      const found = notListed(values, literals, question)
      if (found !== 'unknown') return found
      isUnknown = true
    }
  }
  return isUnknown ? 'unknown' : 'none'
}

/** One item for each group, and as many more as are needed. */
function fill(
  groups: readonly (readonly Claim[])[],
  needs: ArrayNeeds,
  question: Question,
): Json[] | 'none' | 'unknown' {
  const items: Json[] = []
  for (const group of groups) {
    const plain = question.find([...needs.each, ...group])
    if (plain === 'none' || plain === 'unknown') return plain
    const found = needs.isUnique ? question.find([...needs.each, ...group, ...items.map(differentFrom)]) : plain
    // Another choice of the items before might have left room for this one.
    if (found === 'none') return unknown(question, 'unique items of a small set')
    if (found === 'unknown') return found
    items.push(found.value)
  }
  const length = Math.max(needs.min, groups.length + (needs.hasTwins && groups.length > 0 ? 1 : 0))
  while (items.length < length) {
    const others = needs.isUnique ? items.map(differentFrom) : []
    const found =
      !needs.isUnique && items.length > 0 ? { value: items[0] as Json } : question.find([...needs.each, ...others])
    if (found === 'none' && others.length > 0 && groups.length > 0)
      return unknown(question, 'unique items of a small set')
    if (found === 'none' || found === 'unknown') return found
    items.push(found.value)
  }
  return items
}

/** An array, and some like it, for when it is excluded. */
function* variations(items: readonly Json[], needs: ArrayNeeds, question: Question): Generator<Json> {
  yield items
  if (!needs.isUnique) {
    const more = items.length > 0 ? { value: items[0] as Json } : question.find(needs.each)
    if (more !== 'none' && more !== 'unknown')
      for (let length = items.length + 1; length <= Math.min(needs.max, items.length + 20); length++)
        yield [...items, ...Array.from({ length: length - items.length }, () => more.value)]
  }
  const grown = [...items]
  for (let i = 0; i < 20 && grown.length < needs.max; i++) {
    const found = question.find([...needs.each, ...grown.map(differentFrom)])
    if (found === 'none' || found === 'unknown') break
    grown.push(found.value)
    yield [...grown]
  }
  yield items.toReversed()
  if (needs.some.length > 0 || needs.hasTwins || items.length === 0) return
  // With no claims on single items, the first may be another.
  const firsts: Json[] = [...items]
  for (let i = 0; i < 20; i++) {
    const found = question.find([...needs.each, ...firsts.map(differentFrom)])
    if (found === 'none' || found === 'unknown') return
    firsts.push(found.value)
    yield [found.value, ...items.slice(1)]
  }
}

/** All ways to share things out into groups; every thing alone comes first. */
function* partitions<T>(things: readonly T[]): Generator<readonly (readonly T[])[]> {
  const [first, ...rest] = things
  if (first === undefined) {
    yield []
    return
  }
  for (const groups of partitions(rest)) {
    yield [[first], ...groups]
    for (const [i, group] of groups.entries()) yield groups.with(i, [first, ...group])
  }
}

/** The first of some values that no literal excludes. */
function notListed(values: Iterable<Json>, literals: readonly Literal<ArrayAtom>[], question: Question): Found {
  for (const value of values) {
    const isListed = literals.some(({ atom, want }) => {
      return !want && atom.is === 'values' && isAmong(atom.values, value)
    })
    if (!isListed) return { value }
  }
  return unknown(question, 'every value that was tried is one of a list that is excluded')
}
