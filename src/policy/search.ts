/**
 * Search: a value that makes a formula over atoms true, given a solver for conjunctions of them.
 *
 *     search([logicOf(claim, bit, atomsOf)], { solve, holds }, question)
 *
 * The solver finds a value for what must be true in any case; an `or` is split only where that value breaks it, so most of
 * a formula is never looked at. This is DPLL(T) (Nieuwenhuis, Oliveras and Tinelli 2006) with the value found as the model to
 * check against. Formulas that occur in many places are facts: each is true or false once.
 *
 * Invariants
 *   S1. 'none' is said only when the solver said 'none' in every branch; one branch 'unknown' makes it 'unknown'.
 *   S2. Every branch takes a step of the question, so the search ends.
 */
import type { Claim, Found, Question } from './claims.ts'
import { takeStep } from './claims.ts'
import type { Form, Json, Values } from './conditions.ts'
import { typeBit } from './conditions.ts'

/** A formula in negation normal form. `and` of nothing is true, `or` of nothing false. */
export type Logic<Atom> =
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Logic<Atom>[] }
  | { readonly kind: 'atom'; readonly atom: Atom; readonly want: boolean }
  /** A formula that occurs in many places, known by its number: `yes` is what it means, `no` its negation. */
  | {
      readonly kind: 'fact'
      readonly id: number
      readonly want: boolean
      readonly yes: Logic<Atom>
      readonly no: Logic<Atom>
    }

export function all<Atom>(parts: readonly Logic<Atom>[], want = true): Logic<Atom> {
  return { kind: want ? 'and' : 'or', parts }
}

function constant<Atom>(truth: boolean): Logic<Atom> {
  return { kind: truth ? 'and' : 'or', parts: [] }
}

/** What the truth of a claim comes to, for values of one type. `atomsOf` gives what the keywords of the type say. */
export function logicOf<Atom>(
  { form, doubt, want }: Claim,
  bit: number,
  atomsOf: (form: Form, doubt: boolean) => readonly Atom[],
): Logic<Atom> {
  if ((form.speaksOf & bit) === 0) return constant(doubt === want)
  if ((form.types & bit) === 0) return constant(!want)
  const inner = (part: Form, partDoubt: boolean, partWant: boolean): Logic<Atom> =>
    logicOf({ form: part, doubt: partDoubt, want: partWant }, bit, atomsOf)
  const parts: Logic<Atom>[] = atomsOf(form, doubt).map((atom) => ({ kind: 'atom', atom, want }))
  for (const part of form.allOf) parts.push(inner(part, doubt, want))
  const spoken = (branches: readonly Form[]): Form[] => branches.filter((branch) => (branch.speaksOf & bit) !== 0)
  if (form.anyOf !== undefined)
    parts.push(
      all(
        spoken(form.anyOf).map((part) => inner(part, doubt, want)),
        !want,
      ),
    )
  if (form.oneOf !== undefined) {
    const branches = spoken(form.oneOf)
    const choices = branches.map((chosen) =>
      all(
        branches.map((part) => (part === chosen ? inner(part, doubt, want) : inner(part, !doubt, !want))),
        want,
      ),
    )
    parts.push(all(choices, !want))
  }
  if (form.not !== undefined) parts.push(inner(form.not, !doubt, !want))
  if (form.if !== undefined) {
    if (form.ifSo !== undefined) parts.push(all([inner(form.if, !doubt, !want), inner(form.ifSo, doubt, want)], !want))
    if (form.ifNot !== undefined) parts.push(all([inner(form.if, doubt, want), inner(form.ifNot, doubt, want)], !want))
  }
  return all(parts, want)
}

/** Whether a formula is true, false or open, given what is known of its atoms. */
export function truthOf<Atom>(logic: Logic<Atom>, know: (atom: Atom) => boolean | undefined): boolean | undefined {
  if (logic.kind === 'fact') return truthOf(logic.want ? logic.yes : logic.no, know)
  if (logic.kind === 'atom') {
    const truth = know(logic.atom)
    return truth === undefined ? undefined : truth === logic.want
  }
  const decides = logic.kind === 'or'
  let isOpen = false
  for (const part of logic.parts) {
    const truth = truthOf(part, know)
    if (truth === decides) return decides
    isOpen ||= truth === undefined
  }
  return isOpen ? undefined : !decides
}

/** A conjunction is solved; an `or` is split only where the value found breaks it. */
export interface Theory<Atom> {
  solve(literals: readonly Literal<Atom>[]): Found
  holds(atom: Atom, value: Json): boolean
}

export interface Literal<Atom> {
  readonly atom: Atom
  readonly want: boolean
}

export function search<Atom>(
  goals: readonly Logic<Atom>[],
  theory: Theory<Atom>,
  question: Question,
  facts: ReadonlyMap<number, boolean> = new Map(),
  literals: readonly Literal<Atom>[] = [],
): Found {
  if (!takeStep(question)) return 'unknown'
  const state = settle(goals, facts, literals)
  if (state === undefined) return 'none'
  const found = theory.solve(state.literals)
  if (found === 'none') return 'none'
  const know = found === 'unknown' ? undefined : (atom: Atom): boolean => theory.holds(atom, found.value)
  const broken = know === undefined ? state.choices[0] : state.choices.find((choice) => truthOf(choice, know) !== true)
  if (broken === undefined) return found
  const rest = state.choices.filter((choice) => choice !== broken)
  let isUnknown = false
  for (const part of broken.parts) {
    const branch = search([part, ...rest], theory, question, state.facts, state.literals)
    if (branch === 'unknown') isUnknown = true
    else if (branch !== 'none') return branch
    if (question.stepsLeft <= 0) return 'unknown'
  }
  return isUnknown ? 'unknown' : 'none'
}

interface Choice<Atom> {
  readonly kind: 'or'
  readonly parts: readonly Logic<Atom>[]
}

interface Settled<Atom> {
  readonly literals: readonly Literal<Atom>[]
  readonly facts: ReadonlyMap<number, boolean>
  readonly choices: readonly Choice<Atom>[]
}

/** Takes apart what must be true, until only choices are left. Undefined when facts contradict each other. */
function settle<Atom>(
  goals: readonly Logic<Atom>[],
  facts: ReadonlyMap<number, boolean>,
  literals: readonly Literal<Atom>[],
): Settled<Atom> | undefined {
  const known = new Map(facts)
  const settled = [...literals]
  let choices: Choice<Atom>[] = []
  const open = goals.toReversed()
  while (open.length > 0 || choices.length > 0) {
    const goal = open.pop()
    if (goal === undefined) {
      // What was learned may have decided a choice, or left it one way.
      const pruned = choices.map((choice) => pruneChoice(choice, known)).filter((choice) => choice !== undefined)
      const forced = pruned.filter(({ parts }) => parts.length < 2)
      choices = pruned.filter(({ parts }) => parts.length >= 2)
      if (forced.length === 0) break
      if (forced.some(({ parts }) => parts.length === 0)) return undefined
      open.push(...forced.flatMap(({ parts }) => parts))
    } else if (goal.kind === 'atom') settled.push(goal)
    else if (goal.kind === 'fact') {
      const truth = known.get(goal.id)
      if (truth === !goal.want) return undefined
      if (truth === undefined) {
        known.set(goal.id, goal.want)
        open.push(goal.want ? goal.yes : goal.no)
      }
    } else if (goal.kind === 'and') open.push(...goal.parts.toReversed())
    else choices.push(goal as Choice<Atom>)
  }
  return { literals: settled, facts: known, choices }
}

/** Without the parts that facts rule out; undefined when facts make it true. */
function pruneChoice<Atom>(choice: Choice<Atom>, facts: ReadonlyMap<number, boolean>): Choice<Atom> | undefined {
  const parts: Logic<Atom>[] = []
  for (const part of choice.parts) {
    if (part.kind === 'and' && part.parts.length === 0) return undefined
    const truth = part.kind === 'fact' ? facts.get(part.id) : undefined
    if (truth === undefined) parts.push(part)
    else if (part.kind === 'fact' && truth === part.want) return undefined
  }
  return parts.length === choice.parts.length ? choice : { kind: 'or', parts }
}

/** Of the values that a literal lists, one that the other literals allow; undefined when no literal lists any. */
export function fromList<Atom>(
  literals: readonly Literal<Atom>[],
  bit: number,
  holds: (atom: Atom, value: Json) => boolean,
): Found | undefined {
  for (const { atom, want } of literals) {
    const { values } = atom as { readonly values?: Values }
    if (!want || values === undefined) continue
    for (const value of values.composite)
      if (typeBit(value) === bit && literals.every((literal) => holds(literal.atom, value) === literal.want))
        return { value }
    return 'none'
  }
  return undefined
}
