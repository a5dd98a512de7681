/**
 * Grounding: what a planning problem is once every variable has been given an object.
 *
 *     const task = groundTask(domain, problem)
 *     task.actions[0]      // { name: 'stack', args: ['a', 'b'], pre: [3, 7], add: [1], del: [3, 7] }
 *
 * Facts that no action changes are looked up here and are gone; so are actions that can never be taken because what they
 * need is out of reach even when nothing is ever deleted (the delete relaxation: Hoffmann and Nebel 2001, section 4).
 * What is wanted not to hold is a fact of its own, true exactly when the other is not, so that search knows only facts that
 * must hold (Gazen and Knoblock 1997).
 *
 * Invariants
 *   R1. Every action that can be taken in a state that can be reached is in `actions`.
 *   R2. Of a fact and its opposite (`(not …)`) one holds.
 *   R3. A goal that is out of reach in the relaxation is refused with line and column: no plan reaches it.
 */
import { PolityError } from '../kernel/errors.ts'
import {
  atomText,
  faultAt,
  isOfTypes,
  literalText,
  type Domain,
  type Literal,
  type Problem,
  type Schema,
} from './pddl.ts'

/** An action with its objects. Facts by number; what is both added and deleted is added. */
export interface GroundAction {
  readonly name: string
  readonly args: readonly string[]
  readonly pre: readonly number[]
  readonly add: readonly number[]
  readonly del: readonly number[]
}

/** A problem of facts that hold or do not, and of actions that change them. */
export interface GroundTask {
  /** Facts that can change, as PDDL writes them. */
  readonly facts: readonly string[]
  readonly factOf: ReadonlyMap<string, number>
  readonly actions: readonly GroundAction[]
  /** Those that hold at first. */
  readonly init: readonly number[]
  readonly goal: readonly number[]
}

/** Bindings that are tried, and actions that are kept, at most: beyond them a problem is refused. */
export const GROUNDING = { bindingsMax: 5_000_000, actionsMax: 100_000 }

/** Grounds a problem. @throws INVALID_ARGUMENT when the goal is out of reach, LIMIT_EXCEEDED when there is too much of it */
export function groundTask(domain: Domain, problem: Problem): GroundTask {
  const changing = new Set(domain.actions.flatMap(({ effect }) => effect.map(({ predicate }) => predicate)))
  const initially = new Set(problem.init.map(({ predicate, terms }) => atomText(predicate, terms)))
  const numbers = new Map<string, number>()
  const numberOf = (fact: string): number => {
    let number = numbers.get(fact)
    if (number === undefined) numbers.set(fact, (number = numbers.size))
    return number
  }
  // Facts whose opposite is asked for anywhere: only they have one.
  const opposed = new Set<string>()
  const lifted = domain.actions.flatMap((schema) => boundActions(domain, problem, schema, changing, initially))
  const note = ({ isTrue, predicate, terms }: Literal): void => {
    if (!isTrue && changing.has(predicate)) opposed.add(atomText(predicate, terms))
  }
  for (const { precondition } of lifted) precondition.forEach(note)
  problem.goal.forEach(note)

  const conditions = (literals: readonly Literal[]): number[] =>
    literals.filter(({ predicate }) => changing.has(predicate)).map((literal) => numberOf(literalText(literal)))
  const actions = lifted.map(({ name, args, precondition, effect }): GroundAction => {
    const adds = new Set(
      effect.filter(({ isTrue }) => isTrue).map(({ predicate, terms }) => atomText(predicate, terms)),
    )
    const deletes = new Set(
      effect.filter(({ isTrue }) => !isTrue).map(({ predicate, terms }) => atomText(predicate, terms)),
    )
    for (const fact of adds) deletes.delete(fact)
    const opposite = (of: ReadonlySet<string>): string[] =>
      [...of].filter((fact) => opposed.has(fact)).map((fact) => `(not ${fact})`)
    return {
      name,
      args,
      pre: [...new Set(conditions(precondition))],
      add: [...adds, ...opposite(deletes)].map(numberOf),
      del: [...deletes, ...opposite(adds)].map(numberOf),
    }
  })
  const init = [...initially].filter((fact) => changing.has(fact.slice(1).split(/[ )]/, 1)[0] as string)).map(numberOf)
  for (const fact of opposed) if (!initially.has(fact)) init.push(numberOf(`(not ${fact})`))

  const { facts: inReach, actions: possible } = relaxedReach(actions, init, numbers.size)
  const goal = problem.goal.flatMap((literal) => {
    const text = literalText(literal)
    const refuse = (): never => {
      throw faultAt('problem', problem.text, literal.at, `no plan reaches the goal: ${text} can never come to hold`)
    }
    if (!changing.has(literal.predicate)) return isFixed(literal, initially) ? [] : refuse()
    const number = numbers.get(text)
    return number === undefined || inReach[number] !== 1 ? refuse() : [number]
  })
  return { facts: [...numbers.keys()], factOf: numbers, actions: possible, init, goal: [...new Set(goal)] }
}

interface Bound {
  readonly name: string
  readonly args: readonly string[]
  readonly precondition: readonly Literal[]
  readonly effect: readonly Literal[]
}

/** Whether a literal that no action changes holds. */
function isFixed({ isTrue, predicate, terms }: Literal, initially: ReadonlySet<string>): boolean {
  const holds = predicate === '=' ? terms[0] === terms[1] : initially.has(atomText(predicate, terms))
  return holds === isTrue
}

/** Every way to give the parameters objects under which what never changes allows the action. */
function boundActions(
  domain: Domain,
  { objects }: Problem,
  { name, parameters, precondition, effect }: Schema,
  changing: ReadonlySet<string>,
  initially: ReadonlySet<string>,
): Bound[] {
  const fixed = precondition.filter(({ predicate }) => !changing.has(predicate))
  const names = parameters.map((one) => one.name)
  // A literal is looked at as soon as its last variable has an object: most ways end early.
  const lastOf = ({ terms }: Literal): number => Math.max(-1, ...terms.map((term) => names.indexOf(term)))
  const checks = names.map((_, i) => fixed.filter((literal) => lastOf(literal) === i))
  const candidates = parameters.map(({ types }) => objects.filter((one) => isOfTypes(domain, one.types, types)))
  const bound: Bound[] = []
  const binding = new Map<string, string>()
  const given = (literals: readonly Literal[]): Literal[] => literals.map((literal) => substituted(literal, binding))
  let tried = 0
  const bind = (i: number): void => {
    if (i === names.length) {
      bound.push({
        name,
        args: names.map((one) => binding.get(one) as string),
        precondition: given(precondition),
        effect: given(effect),
      })
      if (bound.length > GROUNDING.actionsMax) tooMuch(name, `${GROUNDING.actionsMax} ways to take it`)
      return
    }
    for (const candidate of candidates[i] ?? []) {
      if (++tried > GROUNDING.bindingsMax) tooMuch(name, `${GROUNDING.bindingsMax} ways to bind its parameters`)
      binding.set(names[i] as string, candidate.name)
      if ((checks[i] ?? []).every((literal) => isFixed(substituted(literal, binding), initially))) bind(i + 1)
    }
  }
  if (fixed.every((literal) => lastOf(literal) >= 0 || isFixed(literal, initially))) bind(0)
  return bound
}

/** A literal with objects for its variables. */
export function substituted(literal: Literal, binding: ReadonlyMap<string, string>): Literal {
  return { ...literal, terms: literal.terms.map((term) => binding.get(term) ?? term) }
}

function tooMuch(name: string, what: string): never {
  throw new PolityError(
    'LIMIT_EXCEEDED',
    `the action ${name} has more than ${what}; give the problem fewer objects, or its parameters types and conditions that never change`,
  )
}

/** What comes to hold, and what can be done, when nothing is ever deleted. */
function relaxedReach(actions: readonly GroundAction[], init: readonly number[], factsCount: number) {
  const facts = new Uint8Array(factsCount)
  const waiting: number[][] = Array.from({ length: factsCount }, () => [])
  const missing = actions.map(({ pre }, i) => {
    for (const fact of pre) (waiting[fact] as number[]).push(i)
    return pre.length
  })
  const isPossible = missing.map(() => false)
  const queue: number[] = []
  const reach = (fact: number): void => {
    if (facts[fact] === 1) return
    facts[fact] = 1
    queue.push(fact)
  }
  const take = (i: number): void => {
    isPossible[i] = true
    actions[i]?.add.forEach(reach)
  }
  init.forEach(reach)
  missing.forEach((count, i) => count === 0 && take(i))
  for (let fact = queue.pop(); fact !== undefined; fact = queue.pop())
    for (const i of waiting[fact] as number[]) {
      missing[i] = (missing[i] as number) - 1
      if (missing[i] === 0) take(i)
    }
  return { facts, actions: actions.filter((_, i) => isPossible[i]) }
}
