/**
 * Claims: that conditions hold for a value, or do not; and what a question about them has used up.
 *
 *     question.find([{ form: inner, doubt: false, want: true }, { form: outer, doubt: false, want: false }])
 *
 * Invariants
 *   CL1. `find` says 'none' only when no JSON value makes all claims true, and 'unknown' with the reason in `why`.
 *   CL2. A question takes a bounded number of steps in all, however deep it asks.
 */
import type { Form, Json, Values } from './conditions.ts'
import { formHolds, read, typeBit } from './conditions.ts'

/** That a form holds for a value, or does not. */
export interface Claim {
  readonly form: Form
  readonly doubt: boolean
  readonly want: boolean
}

export type Found = { readonly value: Json } | 'none' | 'unknown'

/** What a question has used up and knows. */
export interface Question {
  /** A value for which all claims are true. */
  find(claims: readonly Claim[]): Found
  stepsLeft: number
  /** States of automata that may yet be looked at. */
  statesLeft: number
  /** Why the last 'unknown' was said. */
  why: string
}

/** Takes a step; false when there are none left, with the reason told. */
export function takeStep(question: Question): boolean {
  if (question.stepsLeft-- > 0) return true
  question.why = 'it takes too many steps'
  return false
}

export function unknown(question: Question, why: string): 'unknown' {
  question.why = why
  return 'unknown'
}

export function claimsHold(claims: readonly Claim[], value: unknown): boolean {
  return claims.every(({ form, doubt, want }) => formHolds(form, value, doubt) === want)
}

/** Tries values; says 'none' when none of them will do. */
export function firstOf(values: Iterable<Json>, claims: readonly Claim[]): Found {
  for (const value of values) if (claimsHold(claims, value)) return { value }
  return 'none'
}

/** The values of a type, when a claim lists them. */
export function listed(claims: readonly Claim[], bit: number): Json[] | undefined {
  for (const { form, want } of claims) {
    const values = form.values[0]
    if (want && values !== undefined && (form.speaksOf & bit) !== 0)
      return ([...values.plain, ...values.composite] as Json[]).filter((value) => typeBit(value) === bit)
  }
  return undefined
}

/** That a value is another one. Not read as a `const` is: what was found may be a level deeper than what may be written. */
export function differentFrom(value: Json): Claim {
  const isPlain = typeof value !== 'object' || value === null
  const values: Values = { plain: new Set(isPlain ? [value] : []), composite: isPlain ? [] : [value] }
  return { form: { ...anything, speaksOf: typeBit(value), values: [values] }, doubt: false, want: false }
}

const anything = read({})
