/** `plan.strips`: the text of PDDL, what its actions do, and plans that are as short as a search of every state says. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { drawAt, environmentOf, oracleOf, play, type Action } from '../src/environments/environment.ts'
import { groundTask } from '../src/environments/grounding.ts'
import { parseDomain, parseProblem } from '../src/environments/pddl.ts'
import { planningDomains } from '../src/environments/planning-domains.ts'
import { planFor } from '../src/environments/planning.ts'
import { strips, stripsTask, type StripsState, type StripsTask } from '../src/environments/strips.ts'
import { PolityError } from '../src/kernel/errors.ts'

const LONG = process.env['POLITY_LONG'] === '1'

function familyOf(name: string) {
  const found = planningDomains.find((one) => one.name === name)
  assert.ok(found !== undefined)
  return found
}

function groundOf({ domain, problem }: StripsTask) {
  const read = parseDomain(domain)
  return groundTask(read, parseProblem(problem, read))
}

function applicableIn(state: StripsState) {
  return (strips.view(state, 'planner').data as unknown as { applicable: Omit<Action, 'agent'>[] }).applicable
}

/** Actions to a goal, found by stepping the environment through every state there is; undefined when none leads there. */
function stepsByTrying(task: StripsTask, isGoal = (state: StripsState) => strips.score(state) === 1) {
  const first = strips.start(task, () => 0)
  const met = new Set([first.facts.join()])
  for (let layer: StripsState[] = [first], steps = 0; layer.length > 0; steps++) {
    if (layer.some(isGoal)) return steps
    const next: StripsState[] = []
    for (const state of layer)
      for (const action of applicableIn(state)) {
        const step = strips.step(state, [{ agent: 'planner', ...action }], () => 0)
        assert.equal(step.errors, undefined, 'what is called applicable is')
        if (met.has(step.state.facts.join())) continue
        met.add(step.state.facts.join())
        next.push(step.state)
      }
    layer = next
  }
  return undefined
}

describe('PDDL that is wrong says where', () => {
  const domain = `(define (domain door)
  (:requirements :strips :typing)
  (:types room thing)
  (:predicates (in ?r - room) (open))
  (:action go
    :parameters (?a ?b - room)
    :precondition (and (in ?a) (open))
    :effect (and (in ?b) (not (in ?a)))))`
  const problem = `(define (problem p)
  (:domain door)
  (:objects hall attic - room key - thing)
  (:init (in hall) (open))
  (:goal (in attic)))`
  /** One word for another in the domain, or in the problem. */
  const inDomain = (from: string, to: string): readonly [string, string] => [domain.replace(from, to), problem]
  const inProblem = (from: string, to: string): readonly [string, string] => [domain, problem.replace(from, to)]
  const wrong: readonly (readonly [what: string, texts: readonly [string, string], message: RegExp])[] = [
    ['a bracket too few', [domain.slice(0, -1), problem], /^domain:1:1: this "\(" is never closed/],
    ['a bracket too many', [`${domain})`, problem], /^domain:8:42: this "\)" closes nothing/],
    ['nothing', ['', problem], /^domain:1:1: expected \(define/],
    ['a problem for a domain', [problem, problem], /^domain:1:10: expected a domain/],
    ['or', inDomain('(and (in ?a) (open))', '(or (in ?a) (open))'), /^domain:7:19: \(or …\) is not part/],
    ['when', inDomain('(in ?b)', '(when (open) (in ?b))'), /^domain:8:18: \(when …\) is not part/],
    ['fluents', inDomain(':typing', ':fluents'), /^domain:2:26: :fluents is not part of the subset/],
    ['durations', inDomain(':action', ':durative-action'), /^domain:5:3: :durative-action is not/],
    ['no such predicate', inDomain('(in ?a) (open)', '(in ?a) (closed)'), /^domain:7:32: the predicate closed/],
    ['too many terms', inDomain('(in ?a) (open)', '(in ?a ?b)'), /^domain:7:24: in takes 1 term, got 2/],
    ['a stray variable', inDomain('(in ?b)', '(in ?c)'), /^domain:8:22: \?c is not one of the parameters/],
    ['no such type', inDomain('?b - room', '?b - hall'), /^domain:6:26: the type hall is not declared/],
    ['no effect', inDomain('(and (in ?b) (not (in ?a)))', '()'), /^domain:5:3: the action go has no effect/],
    ['two effects', inDomain(':precondition', ':effect'), /^domain:8:5: the action go has two of :effect/],
    [
      'a list of types that is none',
      inDomain('?b - room', '?b - (or room)'),
      /^domain:6:26: expected \(either …\), got "or"/,
    ],
    ['another domain', inProblem('door', 'gate'), /^problem:2:3: the problem is of the domain gate/],
    ['no such object', inProblem('(in hall)', '(in cellar)'), /^problem:4:14: there is no object "cellar"/],
    ['another type', inProblem('(in attic)', '(in key)'), /^problem:5:14: key is thing, and in takes room/],
    ['an object twice', inProblem('hall attic', 'hall hall'), /^problem:3:3: hall is declared twice/],
    ['no goal', inProblem('(:goal (in attic))', ''), /^problem:1:1: expected one \(:goal …\), got 0/],
    ['out of reach', inProblem(' (open)', ''), /^problem:5:10: no plan reaches the goal: \(in attic\) can never/],
    [
      'a goal that only a search of every state rules out',
      inProblem('(in attic)', '(and (in attic) (in hall))'),
      /^problem:5:15: no plan reaches the goal: every state was looked at$/,
    ],
  ]
  for (const [what, [one, other], message] of wrong)
    test(what, () => {
      assert.throws(
        () => stripsTask(one, other),
        (error) => {
          assert.ok(PolityError.isInstance(error) && error.code === 'INVALID_ARGUMENT')
          assert.match(error.message, message)
          const [source, line, column] = error.message.split(':')
          assert.deepEqual(error.detail, { source, line: Number(line), column: Number(column) })
          return true
        },
      )
    })

  test('no text at all', () => {
    assert.throws(
      () => environmentOf(strips).reset({ params: {} as never, seed: 1 }),
      /a task of plan\.strips is \{ domain, problem \}: domain: /,
    )
  })

  test('and right again, it is a task', () => {
    assert.equal(play(strips, { params: stripsTask(domain, problem), seed: 1 }, oracleOf(strips)).steps, 1)
  })
})

test('constants, either, a hierarchy, equality and negation mean what they say', () => {
  const task = stripsTask(
    `(define (domain pets) ; a comment
      (:requirements :strips :typing :equality :negative-preconditions)
      (:types cat dog - pet pet food - object)
      (:constants Rex - dog)
      (:predicates (fed ?p - pet) (likes ?p - (either cat dog) ?f - food))
      (:action feed :parameters (?p - pet ?f - food)
        :precondition (and (likes ?p ?f) (not (fed ?p)) (not (= ?p rex)))
        :effect (fed ?p))
      (:action starve :parameters (?p - pet) :precondition (fed ?p) :effect (not (fed ?p))))`,
    `(define (problem one) (:domain pets) (:objects tom - cat fish - food)
      (:init (likes tom fish) (likes rex fish) (fed rex)) (:goal (and (fed tom) (not (fed rex)))))`,
  )
  const environment = environmentOf(strips)
  const turn = environment.reset({ params: task, seed: 1 })
  assert.deepEqual(applicableIn(environment.state().state), [
    { name: 'feed', args: { p: 'tom', f: 'fish' } },
    { name: 'starve', args: { p: 'rex' } },
  ])
  const [feed] = turn.views['planner']?.actions ?? []
  assert.equal(feed?.description, 'Needs (likes ?p ?f) (not (fed ?p)) (not (= ?p rex)); then (fed ?p).')
  assert.deepEqual(feed?.input['properties'], {
    p: { type: 'string', enum: ['rex', 'tom'] },
    f: { type: 'string', enum: ['fish'] },
  })
  const errorOf = (name: string, args: { readonly [key: string]: string }) =>
    environment.step([{ agent: 'planner', name, args }]).errors.map(({ code, message }) => `${code}: ${message}`)
  assert.deepEqual(errorOf('feed', { p: 'rex', f: 'fish' }), [
    'NOT_POSSIBLE: (feed rex fish) needs (not (fed rex)) (not (= rex rex)), which is not so',
  ])
  assert.deepEqual(errorOf('feed', { p: 'fish', f: 'fish' }), [
    'BAD_ARGUMENTS: feed takes { p, f }; p is the name of a thing that is pet, not "fish"',
  ])
  assert.equal(environment.metrics()['actions'], 0)
  assert.deepEqual(errorOf('starve', { p: 'rex' }), [])
  assert.deepEqual(environment.metrics(), { actions: 1, progress: 0.5, shortest: 2 })
})

describe('plans', () => {
  test('are as short as a search of every state, in every domain', () => {
    const sizes: { readonly [name: string]: number } = { tiles: 5, blocks: 4, tyres: 1, bar: 1 }
    for (const { name, text, problem } of planningDomains)
      for (let seed = 0; seed < (LONG ? 10 : 2); seed++) {
        const size = sizes[name] ?? 2
        const task = stripsTask(text, problem(drawAt(seed, 7), size))
        const found = planFor(groundOf(task))
        assert.ok(found.outcome === 'solved')
        assert.equal(found.actions.length, stepsByTrying(task), `${name}, seed ${seed}`)
        const any = planFor(groundOf(task), { search: 'greedy' })
        assert.ok(any.outcome === 'solved' && any.actions.length >= found.actions.length)
      }
  })

  test('take as many actions as theory says: 2^n - 1 for n discs, 3n - 1 or 3n for n balls', () => {
    const lengthOf = (name: string, problem: string): number => {
      const found = planFor(groundOf({ domain: familyOf(name).text, problem }))
      return found.outcome === 'solved' ? found.actions.length : NaN
    }
    for (let n = 1; n <= 5; n++) assert.equal(lengthOf('hanoi', familyOf('hanoi').problem(drawAt(n, 1), n)), 2 ** n - 1)
    for (let n = 1; n <= (LONG ? 6 : 4); n++) {
      const balls = Array.from({ length: n }, (_, i) => `ball${i}`)
      const all = (place: string): string => balls.map((ball) => `(in ${ball} ${place})`).join(' ')
      const problem = `(define (problem all) (:domain gripper)
        (:objects a b - room ${balls.join(' ')} - ball left right - hand)
        (:init (robot-in a) (free left) (free right) ${all('a')}) (:goal (and ${all('b')})))`
      assert.equal(lengthOf('gripper', problem), n % 2 === 0 ? 3 * n - 1 : 3 * n, `${n} balls`)
    }
  })

  test('of any small world: a shortest one when there is one, and none when there is none', () => {
    const predicates = ['p', 'q', 'r', 's']
    const literal = fc.record({
      fact: fc.constantFrom(...predicates),
      isTrue: fc.boolean(),
      term: fc.constantFrom('?x', 'a', 'b'),
    })
    type Drawn = { readonly fact: string; readonly isTrue: boolean; readonly term: string }
    const textOf = ({ fact, isTrue, term }: Drawn): string => (isTrue ? `(${fact} ${term})` : `(not (${fact} ${term}))`)
    const grounded = (one: Drawn): Drawn => ({ ...one, term: one.term === '?x' ? 'a' : one.term })
    const atomOf = (one: Drawn): string => textOf({ ...grounded(one), isTrue: true })
    const and = (list: readonly Drawn[]): string => `(and ${list.map(textOf).join(' ')})`
    const world = fc.record({
      actions: fc.array(
        fc.record({
          needs: fc.array(literal, { maxLength: 2 }),
          does: fc.array(literal, { minLength: 1, maxLength: 3 }),
        }),
        { minLength: 1, maxLength: 4 },
      ),
      init: fc.array(literal, { maxLength: 4 }),
      goal: fc.array(literal, { minLength: 1, maxLength: 3 }),
    })
    const counts = { solved: 0, unsolvable: 0, unreachable: 0 }
    fc.assert(
      fc.property(world, ({ actions, init, goal }) => {
        const schemas = actions.map(
          ({ needs, does }, i) => `(:action act${i} :parameters (?x) :precondition ${and(needs)} :effect ${and(does)})`,
        )
        const domain = `(define (domain any) (:requirements :strips :negative-preconditions) (:constants a b)
          (:predicates ${predicates.map((one) => `(${one} ?x)`).join(' ')}) ${schemas.join(' ')})`
        const problemFor = (wanted: string): string =>
          `(define (problem any) (:domain any) (:init ${init.map(atomOf).join(' ')}) (:goal ${wanted}))`
        const task = { domain, problem: problemFor(and(goal.map(grounded))) }
        let ground: ReturnType<typeof groundOf>
        try {
          ground = groundOf(task)
        } catch (error) {
          // Out of reach even when nothing is deleted: then no state of the world has it.
          assert.match(String(error), /no plan reaches the goal/)
          const changing = new Set(actions.flatMap(({ does }) => does.map(({ fact }) => fact)))
          const fixed = init.filter(({ fact }) => !changing.has(fact)).map(atomOf)
          const isMet = ({ facts }: StripsState): boolean =>
            goal.every((one) => [...facts, ...fixed].includes(atomOf(one)) === one.isTrue)
          assert.equal(stepsByTrying({ domain, problem: problemFor('()') }, isMet), undefined)
          counts.unreachable++
          return
        }
        const [shortest, any, steps] = [planFor(ground), planFor(ground, { search: 'greedy' }), stepsByTrying(task)]
        assert.equal(shortest.outcome, steps === undefined ? 'unsolvable' : 'solved')
        assert.equal(any.outcome, shortest.outcome)
        if (shortest.outcome === 'solved') assert.equal(shortest.actions.length, steps)
        counts[steps === undefined ? 'unsolvable' : 'solved']++
      }),
      { numRuns: LONG ? 3_000 : 150 },
    )
    assert.ok(counts.solved > 20 && counts.unsolvable + counts.unreachable > 10, JSON.stringify(counts))
  })

  test('past a dead end there is none, and the oracle knows', () => {
    const { text, problem } = familyOf('spanners')
    const environment = environmentOf(strips)
    let turn = environment.reset({ params: stripsTask(text, problem(drawAt(3, 1), 2)), seed: 1 })
    for (let steps = 0; steps < 3; steps++) {
      const walk = applicableIn(environment.state().state).find(({ name }) => name === 'walk')
      turn = environment.step(walk === undefined ? [] : [{ agent: 'planner', ...walk }])
    }
    assert.deepEqual(strips.oracle(environment.state().state), [])
    assert.equal(turn.done, false)
  })
})
