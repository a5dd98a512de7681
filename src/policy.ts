/**
 * For laws: writing, reading, deciding, explaining and comparing them. Pure functions, usable without a kernel.
 *
 *     import { allow, ask, compareLaws, lawOf, parseLaw } from 'polity/policy'
 */
export {
  allow,
  ask,
  atLeast,
  atMost,
  between,
  deny,
  endsWith,
  every,
  is,
  lawOf,
  matching,
  noLongerThan,
  oneOf,
  startsWith,
  temporal,
} from './policy/builder.ts'
export type { RuleParts, ToolOf } from './policy/builder.ts'
export { parseCases, runCases } from './policy/cases.ts'
export type { Case, CaseResult } from './policy/cases.ts'
export { compile } from './policy/conditions.ts'
export type { Condition, Matcher } from './policy/conditions.ts'
export { compareLaws } from './policy/diff.ts'
export type { Comparison } from './policy/diff.ts'
export { explain } from './policy/explain.ts'
export type { Explanation, Step } from './policy/explain.ts'
export { decide, freshState, judge, parseLaw } from './policy/law.ts'
export type { Decision, Judge, Law, LawState, Match, Origin, Request, Rule, TemporalRule } from './policy/law.ts'
export { lawSchema } from './policy/law-schema.ts'
export { learnLaw } from './policy/learn.ts'
export type { LearnedCall } from './policy/learn.ts'
export { fromProgent } from './policy/progent.ts'
export { narrower } from './policy/regions.ts'
export type { Runaway } from './policy/runaway.ts'
