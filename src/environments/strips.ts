/**
 * `plan.strips`: reach a goal by actions with preconditions and effects, written in PDDL.
 *
 *     environmentOf(strips).reset({ params: strips.task(7), seed: 7 })      // one of the classical domains
 *     stripsTask(domainText, problemText)                                   // your own, checked: it has a plan
 *
 * The setting of PlanBench (Valmeekam et al. 2023) and of AgentBoard's PDDL games (Ma et al. 2024): the agent takes one
 * ground action a turn, by name and arguments. The subset of PDDL is that of pddl.ts.
 *
 * The score is 1 when the goal holds, else 0; `metrics` has the share of the goal that holds, the actions taken and, where
 * search proves it, the length of a shortest plan. What is taken is checked against the PDDL text itself; the oracle plans on
 * the grounded task (grounding.ts, planning.ts), so each is a check of the other.
 *
 * Invariants
 *   S1. A fact changes only by an effect of an action whose whole precondition held.
 *   S2. What no action can change is not in the state.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'
import { defineWorld, fields } from './define.ts'
import { badArguments, drawAt, refused, unknownAction } from './environment.ts'
import type { Action, ActionDescription, ActionError, Rules } from './environment.ts'
import { groundTask, substituted, type GroundAction, type GroundTask } from './grounding.ts'
import { atomText, faultAt, isOfTypes, literalText, parseDomain, parseProblem } from './pddl.ts'
import type { Domain, Literal, Problem, Schema } from './pddl.ts'
import { planFor } from './planning.ts'
import { planningDomains } from './planning-domains.ts'

/** A planning problem, as text. */
export interface StripsTask {
  /** PDDL. */
  readonly domain: string
  readonly problem: string
  readonly [key: string]: Json
}

/** What holds now. */
export interface StripsState {
  readonly task: StripsTask
  /** Facts that can change and hold, as PDDL writes them, in order. */
  readonly facts: readonly string[]
  /** Actions that were done. */
  readonly taken: number
  readonly [key: string]: Json
}

const PLANNER = 'planner'
/** States that the oracle looks at for a shortest plan, and then for any; problems, and of each actions and states, kept ready. */
const BOUNDS = { shortestMax: 1_000, anyMax: 200_000, problemsMax: 64, actionsMax: 100_000, statesMax: 100_000 }

/** The largest problems that the oracle was tried on, in every domain: it plans them in seconds. */
const LEVEL_MAX = 8

/** The rules. Seed: which domain, and which problem of it; level: how large. */
export const strips: Rules<StripsTask, StripsState> = defineWorld({
  id: 'plan.strips',
  version: '1',
  description: 'Reach the goal by actions that each need some facts and change others.',
  stepsMax: 500,
  levelMax: LEVEL_MAX,
  params: fields({ domain: z.string(), problem: z.string() }),
  task(seed, level = 1) {
    const family = planningDomains[Math.abs(seed) % planningDomains.length] as (typeof planningDomains)[number]
    return { domain: family.text, problem: family.problem(drawAt(seed, -1), family.sizeOf(level)) }
  },
  start: (task) => ({ task, facts: readyOf(task).start, taken: 0 }),
  toAct: ({ task, facts }) => (isReached(readyOf(task), facts) ? [] : [PLANNER]),
  view({ task, facts, taken }) {
    const ready = readyOf(task)
    const holding = heldBy(ready, facts)
    return {
      text: `${ready.text}\nNow: ${facts.join(' ')}`,
      data: {
        facts,
        goal: ready.goal,
        taken,
        /** What can be taken now, with its arguments. */
        applicable: ready.choices.filter((_, i) => holdAll(holding, ready.ground.actions[i] as GroundAction)),
      },
      actions: ready.actions,
    }
  },
  step(state, [action]) {
    if (action === undefined) return { state }
    const ready = readyOf(state.task)
    const done = taken(ready, state.facts, action)
    if ('code' in done) return refused(state, done)
    return { state: { ...state, facts: done.facts, taken: state.taken + 1 } }
  },
  score: ({ task, facts }) => (isReached(readyOf(task), facts) ? 1 : 0),
  metrics({ task, facts, taken }) {
    const ready = readyOf(task)
    const wanted = ready.problem.goal.map((literal) => needOf(ready, literal))
    const met = wanted.filter(({ fact, isTrue, holds }) => (holds ?? facts.includes(fact)) === isTrue).length
    const best = shortestFrom(ready)
    return {
      actions: taken,
      progress: ready.problem.goal.length === 0 ? 1 : met / ready.problem.goal.length,
      ...(best === undefined ? {} : { shortest: best }),
    }
  },
  oracle({ task, facts }) {
    const next = nextAction(readyOf(task), facts)
    return next === undefined ? [] : [{ agent: PLANNER, ...next }]
  },
  floor(task) {
    const ready = readyOf(task)
    return isReached(ready, ready.start) ? 1 : 0
  },
})

/**
 * A task of your own, once it is sure to have a plan.
 *
 * @throws INVALID_ARGUMENT with line and column: the text is not the subset's, or no plan reaches the goal
 * @throws LIMIT_EXCEEDED: too large to ground, or to be sure within `expansionsMax` states (default 200000)
 */
export function stripsTask(domain: string, problem: string, expansionsMax = BOUNDS.anyMax): StripsTask {
  const task = { domain, problem }
  const { ground, problem: read } = readyOf(task)
  const { outcome } = planFor(ground, { search: 'greedy', expansionsMax })
  if (outcome === 'unsolvable')
    throw faultAt('problem', problem, read.goal[0]?.at ?? 0, 'no plan reaches the goal: every state was looked at')
  if (outcome === 'cut-off')
    throw new PolityError(
      'LIMIT_EXCEEDED',
      `no plan was found within ${expansionsMax} states; give a larger expansionsMax or a smaller problem`,
    )
  return task
}

/** What is known of a problem, whatever its state. */
interface Ready {
  readonly domain: Domain
  readonly problem: Problem
  readonly ground: GroundTask
  readonly text: string
  readonly goal: readonly string[]
  readonly actions: readonly ActionDescription[]
  /** The ground actions as an agent gives them. */
  readonly choices: readonly Pick<Action, 'name' | 'args'>[]
  /** Facts that never change. */
  readonly fixed: ReadonlySet<string>
  readonly start: readonly string[]
  readonly changing: ReadonlySet<string>
  readonly typesOf: ReadonlyMap<string, readonly string[]>
  readonly bound: Map<string, BoundAction>
  /** The facts that were last asked for, and which of the grounded ones these are. */
  held: { readonly facts: readonly string[]; readonly holding: Uint8Array } | undefined
  /** What the oracle does in states it has met; null where there is no plan. */
  readonly plan: Map<string, Pick<Action, 'name' | 'args'> | null>
}

const readyByTask = new WeakMap<StripsTask, Ready>()
/** By text too, for states that come from elsewhere; the oldest goes. */
const readyByText = new Map<string, Ready>()

function readyOf(task: StripsTask): Ready {
  const known = readyByTask.get(task)
  if (known !== undefined) return known
  const key = `${task?.domain}\0${task?.problem}`
  let ready = readyByText.get(key)
  if (ready === undefined) {
    ready = prepared(task)
    if (readyByText.size >= BOUNDS.problemsMax) readyByText.delete(readyByText.keys().next().value as string)
    readyByText.set(key, ready)
  }
  readyByTask.set(task, ready)
  return ready
}

function prepared(task: StripsTask): Ready {
  const domain = parseDomain(task.domain)
  const problem = parseProblem(task.problem, domain)
  const changing = new Set(domain.actions.flatMap(({ effect }) => effect.map(({ predicate }) => predicate)))
  const ground = groundTask(domain, problem)
  const fixed = problem.init.filter(({ predicate }) => !changing.has(predicate)).map(literalText)
  const first = problem.init.filter(({ predicate }) => changing.has(predicate)).map(literalText)
  const goal = problem.goal.map(literalText)
  const ofType = (types: readonly string[]): string[] =>
    problem.objects.filter((one) => isOfTypes(domain, one.types, types)).map(({ name }) => name)
  const choices = ground.actions.map(({ name, args }) => {
    const { parameters } = schemaOf(domain, name) as Schema
    return { name, args: Object.fromEntries(parameters.map((one, i) => [one.name.slice(1), args[i] as string])) }
  })
  const lines = [
    `Goal: ${goal.join(' ')}`,
    `Things: ${problem.objects.map(({ name, types }) => `${name} (${types.join(' or ')})`).join(', ')}`,
    ...(fixed.length === 0 ? [] : [`Always: ${fixed.join(' ')}`]),
  ]
  return {
    domain,
    problem,
    ground,
    goal,
    choices,
    changing,
    text: lines.join('\n'),
    actions: domain.actions.map((schema) => descriptionOf(schema, ofType)),
    fixed: new Set(fixed),
    start: [...new Set(first)].toSorted(),
    typesOf: new Map(problem.objects.map(({ name, types }) => [name, types])),
    bound: new Map(),
    held: undefined,
    plan: new Map(),
  }
}

function descriptionOf(
  { name, parameters, precondition, effect }: Schema,
  ofType: (types: readonly string[]) => string[],
) {
  const words = (literals: readonly Literal[]): string => literals.map(literalText).join(' ') || 'nothing'
  const properties = parameters.map((one) => [one.name.slice(1), { type: 'string', enum: ofType(one.types) }] as const)
  return {
    name,
    description: `Needs ${words(precondition)}; then ${words(effect)}.`,
    input: {
      type: 'object',
      properties: Object.fromEntries(properties),
      required: parameters.map((one) => one.name.slice(1)),
    },
    effect: 'write',
  } as const
}

function schemaOf({ actions }: Domain, name: string): Schema | undefined {
  return actions.find((schema) => schema.name === name)
}

/** The facts after the action, or why it cannot be taken: by the text, not by the grounded task. */
function taken(
  ready: Ready,
  facts: readonly string[],
  { agent, name, args = {} }: Action,
): { readonly facts: readonly string[] } | ActionError {
  const schema = schemaOf(ready.domain, name)
  if (schema === undefined) return unknownAction(agent, name, ready.actions)
  const binding = new Map<string, string>()
  for (const parameter of schema.parameters) {
    const key = parameter.name.slice(1)
    const given = args[key]
    const types = typeof given === 'string' ? ready.typesOf.get(given) : undefined
    if (types === undefined || !isOfTypes(ready.domain, types, parameter.types))
      return badArguments(
        agent,
        `${name} takes { ${schema.parameters.map((one) => one.name.slice(1)).join(', ')} }; ${key} is the name of a thing that is ${parameter.types.join(' or ')}, not ${JSON.stringify(given) ?? 'left out'}`,
      )
    binding.set(parameter.name, given as string)
  }
  const { needs, adds, deletes } = boundTo(ready, schema, binding)
  const unmet = needs.filter(({ fact, isTrue, holds }) => (holds ?? facts.includes(fact)) !== isTrue)
  if (unmet.length > 0) {
    const missing = unmet.map(({ fact, isTrue }) => (isTrue ? fact : `(not ${fact})`)).join(' ')
    const message = `${atomText(name, [...binding.values()])} needs ${missing}, which is not so`
    return { agent, code: 'NOT_POSSIBLE', message }
  }
  const next = facts.filter((fact) => !deletes.includes(fact))
  for (const fact of adds) if (!next.includes(fact)) next.push(fact)
  return { facts: next.sort() }
}

/** What an action with its objects needs and does, as facts. `holds`: of a fact that never changes, whether it does. */
interface BoundAction {
  readonly needs: readonly { readonly fact: string; readonly isTrue: boolean; readonly holds: boolean | undefined }[]
  readonly adds: readonly string[]
  readonly deletes: readonly string[]
}

/** By the text of the PDDL; kept, as the same actions are taken again. */
function boundTo(ready: Ready, schema: Schema, binding: ReadonlyMap<string, string>): BoundAction {
  const key = atomText(schema.name, [...binding.values()])
  let bound = ready.bound.get(key)
  if (bound === undefined) {
    const effect = schema.effect.map((literal) => substituted(literal, binding))
    const facts = (isTrue: boolean): string[] =>
      effect.flatMap((one) => (one.isTrue === isTrue ? [atomText(one.predicate, one.terms)] : []))
    bound = {
      needs: schema.precondition.map((literal) => needOf(ready, substituted(literal, binding))),
      adds: facts(true),
      deletes: facts(false),
    }
    if (ready.bound.size < BOUNDS.actionsMax) ready.bound.set(key, bound)
  }
  return bound
}

function needOf({ fixed, changing }: Ready, { isTrue, predicate, terms }: Literal): BoundAction['needs'][number] {
  const fact = atomText(predicate, terms)
  if (predicate === '=') return { fact, isTrue, holds: terms[0] === terms[1] }
  return { fact, isTrue, holds: changing.has(predicate) ? undefined : fixed.has(fact) }
}

function isReached(ready: Ready, facts: readonly string[]): boolean {
  const holding = heldBy(ready, facts)
  return ready.ground.goal.every((fact) => holding[fact] === 1)
}

/** Which facts of the grounded task hold, opposites too. */
function heldBy(ready: Ready, facts: readonly string[]): Uint8Array {
  if (ready.held?.facts === facts) return ready.held.holding
  const { ground } = ready
  const holding = new Uint8Array(ground.facts.length)
  for (const fact of facts) {
    const number = ground.factOf.get(fact)
    if (number !== undefined) holding[number] = 1
  }
  for (const [fact, number] of opposites(ground)) holding[number] = holding[fact] === 1 ? 0 : 1
  ready.held = { facts, holding }
  return holding
}

const oppositesOf = new WeakMap<GroundTask, readonly (readonly [number, number])[]>()

/** Facts with the facts that they do not hold; -1 for one that never does. */
function opposites(ground: GroundTask): readonly (readonly [number, number])[] {
  let pairs = oppositesOf.get(ground)
  if (pairs === undefined) {
    pairs = ground.facts.flatMap((fact, number) =>
      fact.startsWith('(not (') ? [[ground.factOf.get(fact.slice('(not '.length, -1)) ?? -1, number] as const] : [],
    )
    oppositesOf.set(ground, pairs)
  }
  return pairs
}

function holdAll(holding: Uint8Array, { pre }: GroundAction): boolean {
  for (const fact of pre) if (holding[fact] !== 1) return false
  return true
}

/** The next action of a plan from there: a shortest one where that is soon found. */
function nextAction(ready: Ready, facts: readonly string[]): Pick<Action, 'name' | 'args'> | undefined {
  const key = facts.join('')
  const known = ready.plan.get(key)
  if (known !== undefined) return known ?? undefined
  const from = [...heldBy(ready, facts)].flatMap((holds, fact) => (holds === 1 ? [fact] : []))
  const shortest = planFor(ready.ground, { from, expansionsMax: BOUNDS.shortestMax })
  const found =
    shortest.outcome === 'cut-off'
      ? planFor(ready.ground, { from, search: 'greedy', expansionsMax: BOUNDS.anyMax })
      : shortest
  if (found.outcome !== 'solved') {
    ready.plan.set(key, null)
    return undefined
  }
  if (ready.plan.size > BOUNDS.statesMax) ready.plan.clear()
  // What the plan passes through is kept, so that following it plans once.
  let at: readonly string[] = facts
  for (const action of found.actions) {
    const choice = ready.choices[ready.ground.actions.indexOf(action)] as Pick<Action, 'name' | 'args'>
    if (!ready.plan.has(at.join(''))) ready.plan.set(at.join(''), choice)
    const next = taken(ready, at, { agent: PLANNER, ...choice })
    if ('code' in next) throw new Error(`a plan that cannot be followed: ${next.message}`)
    at = next.facts
  }
  return ready.plan.get(key) ?? undefined
}

const shortest = new WeakMap<Ready, number | undefined>()

function shortestFrom(ready: Ready): number | undefined {
  if (!shortest.has(ready)) {
    const found = planFor(ready.ground, { expansionsMax: BOUNDS.shortestMax })
    shortest.set(ready, found.outcome === 'solved' ? found.actions.length : undefined)
  }
  return shortest.get(ready)
}
