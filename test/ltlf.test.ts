/**
 * Temporal rules: formulas, progression, monitors, templates and lints of src/policy.
 *
 * What a formula means is said here once more, straight from the definition and slowly (`holds`), and everything else is
 * held against it: random formulas on random runs, the laws of the books on all short runs, templates against checkers in
 * plain words, look-ahead against all that can follow.
 *
 *   POLITY_CASES=200000 POLITY_SEED=7 …   that many pairs of formula and run, from that seed; POLITY_LONG=1 for 1,000,000
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Formula } from '../src/policy/ltlf.ts'
import {
  and,
  atom,
  formulaLimits,
  globally,
  implies,
  last,
  next,
  not,
  or,
  parseFormula,
  printFormula,
  until,
} from '../src/policy/ltlf.ts'
import type { Monitor, MonitorOptions, Verdict } from '../src/policy/monitor.ts'
import { compileMonitor } from '../src/policy/monitor.ts'
import type { Event } from '../src/policy/progression.ts'
import { createPool, emptyValue } from '../src/policy/progression.ts'
import { lintMonitor, lintRules, neverPermitted } from '../src/policy/temporal-lints.ts'
import { compileRules } from '../src/policy/temporal.ts'
import type { TemplateName } from '../src/policy/templates.ts'
import { parseRule, rule, rules, templates } from '../src/policy/templates.ts'

const CASES = Number(process.env['POLITY_CASES'] ?? (process.env['POLITY_LONG'] === '1' ? 1_000_000 : 50_000))
const SEED = Number(process.env['POLITY_SEED'] ?? Date.now() % 2 ** 31)

type Run = readonly Event[]

// ------------------------------------------------------------------------------------------------------ the definition

/** Whether the rest of the run, from `i` on, satisfies the formula; an empty rest (i = n) satisfies what demands nothing. */
function holds(f: Formula, run: Run, i: number): boolean {
  const n = run.length
  const someIn = (from: number, to: number, p: (j: number) => boolean): boolean => {
    for (let j = from; j < to; j++) if (p(j)) return true
    return false
  }
  const allIn = (from: number, to: number, p: (j: number) => boolean): boolean => !someIn(from, to, (j) => !p(j))
  switch (f.op) {
    case 'true':
      return true
    case 'false':
      return false
    case 'last':
      return i + 1 >= n
    case 'atom':
      return i < n && (run[i] as Event).has(f.name)
    case 'not':
      return !holds(f.of, run, i)
    case 'and':
      return f.of.every((part) => holds(part, run, i))
    case 'or':
      return f.of.some((part) => holds(part, run, i))
    case 'implies':
      return !holds(f.left, run, i) || holds(f.right, run, i)
    case 'iff':
      return holds(f.left, run, i) === holds(f.right, run, i)
    case 'next':
      return i + 1 < n && holds(f.of, run, i + 1)
    case 'weakNext':
      return i + 1 >= n || holds(f.of, run, i + 1)
    case 'finally':
      return someIn(i, n, (j) => holds(f.of, run, j))
    case 'globally':
      return allIn(i, n, (j) => holds(f.of, run, j))
    case 'until':
      return someIn(i, n, (j) => holds(f.right, run, j) && allIn(i, j, (k) => holds(f.left, run, k)))
    case 'release':
      return allIn(i, n, (j) => holds(f.right, run, j) || someIn(i, j, (k) => holds(f.left, run, k)))
    case 'weakUntil':
      return (
        someIn(i, n, (j) => holds(f.right, run, j) && allIn(i, j, (k) => holds(f.left, run, k))) ||
        allIn(i, n, (j) => holds(f.left, run, j))
      )
  }
}

// ------------------------------------------------------------------------------------------------------------- chance

/** Numbers from a seed: mulberry32. */
function chance(seed: number) {
  let state = seed >>> 0
  const fraction = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (n: number): number => Math.floor(fraction() * n)
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T
  return { below, pick }
}
type Chance = ReturnType<typeof chance>

function randomFormula({ below, pick }: Chance, names: readonly string[], depth: number): Formula {
  if (depth === 0 || below(6) === 0) {
    const leaf = below(12)
    return leaf < 3 ? { op: (['true', 'false', 'last'] as const)[leaf] as 'last' } : atom(pick(names))
  }
  const part = (): Formula => randomFormula({ below, pick }, names, depth - 1)
  switch (below(3)) {
    case 0:
      return { op: pick(['not', 'next', 'weakNext', 'finally', 'globally'] as const), of: part() }
    case 1:
      return { op: pick(['and', 'or'] as const), of: Array.from({ length: 2 + below(2) }, part) }
    default: {
      const op = pick(['implies', 'iff', 'until', 'release', 'weakUntil', 'until', 'release'] as const)
      return { op, left: part(), right: part() }
    }
  }
}

const randomRun = ({ below }: Chance, names: readonly string[], lengthMax: number): Event[] =>
  Array.from({ length: below(lengthMax + 1) }, () => new Set(names.filter(() => below(2) === 0)))

const shown = (run: Run): string => JSON.stringify(run.map((event) => [...event]))

/** Every set of the atoms. */
const eventsOver = (names: readonly string[]): Event[] =>
  Array.from({ length: 2 ** names.length }, (_, bits) => new Set(names.filter((_, i) => (bits >> i) & 1)))

/** Every run over the events, of one event to `lengthMax`, shortest first. */
function runsOver(events: readonly Event[], lengthMax: number): Event[][] {
  const all: Event[][] = [[]]
  for (let from = 0, length = 1; length <= lengthMax; length++) {
    const to = all.length
    for (let i = from; i < to; i++) for (const event of events) all.push([...(all[i] as Event[]), event])
    from = to
  }
  return all.slice(1)
}

const accepts = (monitor: Monitor, run: Run): boolean =>
  monitor.isAccepting(run.reduce((state, event) => monitor.step(state, event), monitor.start))

const noLookAhead: MonitorOptions = { statesMax: 0 }

// -------------------------------------------------------------------------------------------------------------- meaning

test(`automaton and progression agree with the definition on ${CASES} pairs of formula and run`, () => {
  const dice = chance(SEED)
  const names = ['a', 'b', 'c', 'd']
  let smallest: { readonly size: number; readonly text: string } | undefined
  let mismatches = 0
  for (let pairs = 0; pairs < CASES;) {
    const formula = randomFormula(dice, names, 1 + dice.below(4))
    const automaton = compileMonitor(formula)
    const progression = compileMonitor(formula, noLookAhead)
    assert.ok(automaton.lookAhead && !progression.lookAhead)
    for (let i = 0; i < 25; i++, pairs++) {
      const run = randomRun(dice, names, 7)
      const expected = holds(formula, run, 0)
      const byAutomaton = accepts(automaton, run)
      const byProgression = accepts(progression, run)
      if (byAutomaton === expected && byProgression === expected) continue
      mismatches++
      const text = `${printFormula(formula)}  on  ${shown(run)}: definition ${expected}, automaton ${byAutomaton}, progression ${byProgression}`
      if (smallest === undefined || text.length < smallest.size) smallest = { size: text.length, text }
    }
  }
  assert.equal(mismatches, 0, `seed ${SEED}: ${mismatches} mismatches, the smallest ${smallest?.text}`)
})

/** The same with all `and` and `or` written the other way round. */
function turned(f: Formula): Formula {
  if (f.op === 'and' || f.op === 'or') return { op: f.op, of: f.of.map(turned).toReversed() }
  if ('left' in f) return { ...f, left: turned(f.left), right: turned(f.right) }
  return 'of' in f ? { ...f, of: turned(f.of) } : f
}

test('a formula and its normal form mean the same, and what is left after an event is what the definition says of the rest', () => {
  const dice = chance(SEED + 1)
  const warm = createPool()
  for (let i = 0; i < 2_000; i++) {
    const formula = randomFormula(dice, ['a', 'b'], 4)
    const pool = createPool()
    const node = pool.intern(formula)
    const normal = parseFormula(node.text)
    assert.equal(createPool().intern(normal).text, node.text, 'a normal form is its own')
    // The warm pool has seen other formulas, the other way round.
    assert.equal(warm.intern(turned(formula)).text, pool.intern(turned(formula)).text, 'whatever came before')
    assert.equal(pool.intern(parseFormula(`(${node.text}) & z`)), pool.intern(parseFormula(`z & (${node.text})`)))
    const negated = parseFormula(pool.negate(node).text)
    for (let k = 0; k < 6; k++) {
      const run = randomRun(dice, ['a', 'b'], 5)
      const expected = holds(formula, run, 0)
      const where = `seed ${SEED}: ${printFormula(formula)} as ${node.text} on ${shown(run)}`
      assert.equal(holds(normal, run, 0), expected, where)
      assert.equal(holds(negated, run, 0), !expected, where)
      if (run.length > 0)
        assert.equal(holds(parseFormula(pool.progress(node, run[0] as Event).text), run.slice(1), 0), expected, where)
    }
  }
})

test('the empty run satisfies what demands nothing', () => {
  const yes = ['true', '!a', 'N a', 'a R b', 'G a', 'a W b', 'last', 'N false', 'G X a', '!F a', 'a -> b']
  const no = ['false', 'a', 'X a', 'a U b', 'F a', '!last', 'X true', 'F true', '!G a', 'a & G b', '!a & X true']
  for (const text of yes) assert.equal(emptyValue(parseFormula(text)), true, text)
  for (const text of no) assert.equal(emptyValue(parseFormula(text)), false, text)
  for (const text of [...yes, ...no]) {
    const formula = parseFormula(text)
    assert.equal(holds(formula, [], 0), emptyValue(formula), text)
    assert.equal(accepts(compileMonitor(formula), []), emptyValue(formula), text)
  }
})

// ----------------------------------------------------------------------------------------------------------------- laws

/** Equal on every run; those marked `*` on every run but the empty one. */
const laws = `
  !X a = N !a;  !N a = X !a;  !(a U b) = !a R !b;  !(a R b) = !a U !b;  !F a = G !a;  !G a = F !a
  F a = true U a;  G a = false R a;  a U b = b | (a & X(a U b));  a R b = b & (a | N(a R b)) *;  G a = a & N G a *
  F a = a | X F a;  F F a = F a;  G G a = G a;  F G a = F(last & a);  G F a = F(last & a) *;  F G a = G F a *
  G(a & b) = G a & G b;  F(a | b) = F a | F b;  X(a & b) = X a & X b;  X(a | b) = X a | X b
  N(a & b) = N a & N b;  N(a | b) = N a | N b;  a U (a U b) = a U b;  (a & b) U c = (a U c) & (b U c)
  a U (b | c) = (a U b) | (a U c);  a W b = b R (a | b);  a R b = b W (a & b);  a U b = (a W b) & F b
  a W b = (a U b) | G a;  X a = N a & X true;  N a = X a | N false;  F X a = X F a;  G N a = N G a
  X(a U b) = X a U X b;  G X a = false *;  last = N false;  last = !X true
`
/** Laws of infinite runs that finite ones break: an implementation for which they hold is wrong. */
const brokenLaws = '!X a = X !a;  G a = a & X G a;  N(a U b) = N a U N b'

const lawsOf = (text: string): { left: Formula; right: Formula; isForEmpty: boolean; text: string }[] =>
  text.split(/[;\n]/).flatMap((law) => {
    if (law.trim() === '') return []
    const [left, right] = law
      .replace('*', '')
      .split(' = ')
      .map((side) => parseFormula(side)) as [Formula, Formula]
    return [{ left, right, isForEmpty: !law.includes('*'), text: law.trim() }]
  })

test('the laws of finite runs hold on all runs of up to four events over a, b, c; the three that must fail do', () => {
  const runs = runsOver(eventsOver(['a', 'b', 'c']), 4)
  assert.equal(runs.length, 8 + 64 + 512 + 4096)
  const firstDifference = ({ left, right }: { left: Formula; right: Formula }): Run | undefined => {
    const [l, r] = [compileMonitor(left), compileMonitor(right)]
    return runs.find((run) => accepts(l, run) !== accepts(r, run))
  }
  for (const law of lawsOf(laws)) {
    const difference = firstDifference(law)
    assert.equal(difference, undefined, `${law.text} fails on ${difference && shown(difference)}`)
    assert.equal(emptyValue(law.left) === emptyValue(law.right), law.isForEmpty, `${law.text} on the empty run`)
    for (const run of runs.slice(0, 584)) assert.equal(holds(law.left, run, 0), holds(law.right, run, 0), law.text)
  }
  assert.equal(lawsOf(laws).length, 38)
  for (const law of lawsOf(brokenLaws)) assert.notEqual(firstDifference(law), undefined, law.text)
  assert.equal(lawsOf(brokenLaws).length, 3)
})

// ----------------------------------------------------------------------------------------------------------- look-ahead

/** Verdicts by the definition and every way to go on of up to `more` events. */
function verdictByForce(formula: Formula, run: Run, endings: readonly Run[]): Verdict {
  const now = holds(formula, run, 0)
  const canChange = endings.some((ending) => holds(formula, [...run, ...ending], 0) !== now)
  return now ? (canChange ? 'currently-true' : 'permanently-true') : canChange ? 'currently-false' : 'permanently-false'
}

/** How many following events a formula of this depth over two atoms may need; longer needs are counted and few. */
const ENDING_MAX = 3

for (const exclusive of [[], [['a', 'b']]]) {
  const name = exclusive.length === 0 ? 'any events' : 'a and b never together'
  test(`look-ahead and verdicts are those of all ways to go on: ${name}`, () => {
    const dice = chance(SEED + 2)
    const events = eventsOver(['a', 'b']).filter((event) => exclusive.length === 0 || event.size < 2)
    const endings = runsOver(events, ENDING_MAX)
    let compared = 0
    let refused = 0
    for (let i = 0; i < 300; i++) {
      const formula = randomFormula(dice, ['a', 'b'], 3)
      const monitor = compileMonitor(formula, { exclusive })
      const blind = compileMonitor(formula, noLookAhead)
      const run: Event[] = []
      let state = monitor.start
      let blindState = blind.start
      for (let k = 0; k < 3; k++) {
        const event = dice.pick(events)
        const where = `seed ${SEED}: ${printFormula(formula)} after ${shown([...run, event])}`
        const permitted = monitor.permits(state, event)
        if (!permitted) refused++
        else assert.ok(blind.permits(blindState, event), `progression refuses more: ${where}`)
        run.push(event)
        state = monitor.step(state, event)
        blindState = blind.step(blindState, event)
        const verdict = monitor.verdict(state)
        assert.equal(permitted, verdict !== 'permanently-false', where)
        const forced = verdictByForce(formula, run, endings)
        const way = monitor.wayToEnd(state)
        // What force finds is so. What it does not find within its bound may still come; then the monitor's way proves it.
        if (forced !== verdict) {
          assert.ok(
            forced.startsWith('permanently') && verdict.startsWith('currently'),
            `${verdict}, not ${forced}: ${where}`,
          )
          if (verdict === 'currently-false') assert.ok((way?.length ?? 0) > ENDING_MAX, where)
          else continue
        } else compared++
        if (way === undefined) assert.equal(verdict, 'permanently-false', where)
        else {
          const ending = way.map((atoms) => new Set(atoms))
          assert.ok(
            ending.every((event) => exclusive.length === 0 || event.size < 2),
            where,
          )
          assert.ok(holds(formula, [...run, ...ending], 0), `the way to the end does not lead there: ${where}`)
          const shorter = endings.find((other) => other.length < ending.length && holds(formula, [...run, ...other], 0))
          assert.equal(shorter, undefined, `there is a shorter way: ${where}`)
        }
      }
    }
    assert.ok(compared > 850 && refused > 50, `${compared} compared, ${refused} refused`)
  })
}

test('a state is hopeless exactly when progression, from it, reaches nothing that may end', () => {
  const dice = chance(SEED + 3)
  const events = eventsOver(['a', 'b'])
  for (let i = 0; i < 200; i++) {
    const formula = randomFormula(dice, ['a', 'b'], 3)
    const monitor = compileMonitor(formula)
    const pool = createPool()
    const reachable = new Set([pool.intern(formula)])
    for (const node of reachable) {
      for (const event of events) reachable.add(pool.progress(node, event))
      assert.ok(reachable.size < 2_000, `seed ${SEED}: ${printFormula(formula)} has too many progressions`)
    }
    const isHopeful = [...reachable].some((node) => node.empty)
    assert.equal(
      monitor.verdict(monitor.start) !== 'permanently-false',
      isHopeful,
      `seed ${SEED}: ${printFormula(formula)}`,
    )
  }
})

test('exclusive atoms make hopeless what needs both, and change neither steps nor acceptance', () => {
  const formula = parseFormula('F(a & b)')
  const free = compileMonitor(formula)
  const strict = compileMonitor(formula, { exclusive: [['a', 'b', 'unknown']] })
  assert.equal(free.verdict(free.start), 'currently-false')
  assert.equal(strict.verdict(strict.start), 'permanently-false')
  assert.equal(strict.permits(strict.start, new Set(['a'])), false)
  assert.equal(accepts(strict, [new Set(['a', 'b'])]), true, 'the promise is broken, the meaning stands')
})

// ------------------------------------------------------------------------------------------------------- without an automaton

test('beyond its caps a monitor has no look-ahead, says so, and is as exact about the run so far', () => {
  const contradiction = parseFormula('G(a -> X b) & G(a -> X !b)')
  for (const options of [{ statesMax: 1 }, { nodesMax: 4 }, { workMax: 3 }]) {
    const blind = compileMonitor(contradiction, options)
    assert.equal(blind.lookAhead, false)
    assert.equal(blind.states, 0)
    assert.equal(typeof blind.start, 'string')
  }
  const seeing = compileMonitor(contradiction)
  const blind = compileMonitor(contradiction, noLookAhead)
  const a = new Set(['a'])
  assert.equal(seeing.permits(seeing.start, a), false)
  assert.equal(accepts(blind, [a]), false)
  // A hundred rules in one: 2^100 states, followed all the same.
  const many = and(...Array.from({ length: 100 }, (_, i) => parseFormula(`G(open${i} -> F close${i})`)))
  const large = compileMonitor(many)
  assert.equal(large.lookAhead, false)
  const opened = large.step(large.start, new Set(['open3', 'open7']))
  assert.equal(large.isAccepting(opened), false)
  assert.equal(large.isAccepting(large.step(opened, new Set(['close3', 'close7']))), true)
})

test('where what is left grows too large, the event is refused and stepping throws', () => {
  const pairs = Array.from({ length: 500 }, (_, i) => next(or(atom(`a${i % 40}`), atom(`b${Math.floor(i / 40)}`))))
  const blind = compileMonitor(globally(and(...pairs)), noLookAhead)
  assert.equal(blind.permits(blind.start, new Set()), false)
  assert.throws(() => blind.step(blind.start, new Set()), RangeError)
})

test('what is left of a formula stays within the formulas there are: 500 events do not make it grow', () => {
  const dice = chance(SEED + 4)
  for (const text of ['(F p) U (F q)', 'G(a -> (b U (c R (d U a))))', 'G F a & G F b & (F c U (F d U F a))']) {
    const monitor = compileMonitor(parseFormula(text), noLookAhead)
    let state = monitor.start
    let longest = 0
    for (let i = 0; i < 500; i++) {
      state = monitor.step(state, new Set(['a', 'b', 'c', 'd', 'p', 'q'].filter(() => dice.below(4) === 0)))
      longest = Math.max(longest, String(state).length)
    }
    assert.ok(longest < 500, `seed ${SEED}: ${text} grew to ${longest} characters`)
  }
})

// --------------------------------------------------------------------------------------------------------------- states

test('formulas whose joins nest ever deeper under progression are kept flat', () => {
  const texts = [
    '(a R b & b) W (b W a & F a)',
    '(G(a <-> true) R (!false R F b)) U (!b R X(b R b))',
    '(((a & b) W F false) R (N b <-> X a)) U (N(a U a) & (a | b) & G N a)',
  ]
  for (const text of texts) {
    const pool = createPool()
    const reachable = new Set([pool.intern(parseFormula(text))])
    for (const node of reachable) {
      assert.ok(
        reachable.size < 50 && node.size < 400,
        `${text}: ${reachable.size} progressions, one of ${node.size} nodes`,
      )
      for (const event of eventsOver(['a', 'b'])) reachable.add(pool.progress(node, event))
    }
  }
})

test('a state is plain JSON, and the same formula numbers its states alike', () => {
  const dice = chance(SEED + 5)
  for (let i = 0; i < 100; i++) {
    const formula = randomFormula(dice, ['a', 'b', 'c'], 4)
    const run = randomRun(dice, ['a', 'b', 'c'], 6)
    for (const options of [{}, noLookAhead]) {
      const live = compileMonitor(formula, options)
      let state = live.start
      for (const event of run) {
        const woken = compileMonitor(JSON.parse(JSON.stringify(formula)) as Formula, options)
        const next = live.step(state, event)
        assert.equal(woken.step(JSON.parse(JSON.stringify(state)) as number, event), next)
        state = next
      }
    }
  }
  const { automaton } = compileMonitor(parseRule('never(send, read, approve)'))
  assert.deepEqual(automaton?.accepting, [true, false, true])
  assert.deepEqual(automaton?.hopeful, [true, false, true])
  assert.throws(() => compileMonitor(atom('a')).step(99, new Set()), /no state of this monitor: 99/)
  assert.throws(() => compileMonitor(atom('a')).step('a', new Set()), TypeError)
  assert.throws(() => compileMonitor(atom('a'), noLookAhead).step(0, new Set()), TypeError)
})

// ------------------------------------------------------------------------------------------------------------ templates

type Checker = (run: Run) => boolean

/** In plain words: positions at which an atom holds, and what must be true of them. */
const at = (run: Run, name: string): number[] => run.flatMap((event, i) => (event.has(name) ? [i] : []))
const times = (run: Run, name: string): number => at(run, name).length
const has = (run: Run, name: string, i: number): boolean => run[i]?.has(name) === true
const responds: Checker = (run) => at(run, 'a').every((i) => at(run, 'b').some((j) => j >= i))
const precedes: Checker = (run) => at(run, 'b').every((j) => at(run, 'a').some((i) => i <= j))
const alternatesForward: Checker = (run) =>
  at(run, 'a').every((i) => {
    const answer = at(run, 'b').find((j) => j > i)
    return answer !== undefined && !at(run, 'a').some((k) => k > i && k < answer)
  })
const alternatesBack: Checker = (run) =>
  at(run, 'b').every((j, nth, all) => at(run, 'a').some((i) => i <= j && i > (all[nth - 1] ?? -1)))
const chainsForward: Checker = (run) => at(run, 'a').every((i) => has(run, 'b', i + 1))
const chainsBack: Checker = (run) => at(run, 'b').every((j) => has(run, 'a', j - 1))
const both: Checker = (run) => times(run, 'a') > 0 && times(run, 'b') > 0

const checkers: { readonly [call: string]: Checker } = {
  'existence(a)': (run) => times(run, 'a') >= 1,
  'absence(a)': (run) => times(run, 'a') === 0,
  'absence2(a)': (run) => times(run, 'a') < 2,
  'atLeast(1, a)': (run) => times(run, 'a') >= 1,
  'atLeast(3, a)': (run) => times(run, 'a') >= 3,
  'atMost(0, a)': (run) => times(run, 'a') === 0,
  'atMost(2, a)': (run) => times(run, 'a') <= 2,
  'exactly(2, a)': (run) => times(run, 'a') === 2,
  'init(a)': (run) => has(run, 'a', 0),
  'end(a)': (run) => has(run, 'a', run.length - 1),
  'choice(a, b)': (run) => times(run, 'a') + times(run, 'b') > 0,
  'exclusiveChoice(a, b)': (run) => times(run, 'a') > 0 !== times(run, 'b') > 0,
  'respondedExistence(a, b)': (run) => times(run, 'a') === 0 || times(run, 'b') > 0,
  'coExistence(a, b)': (run) => times(run, 'a') > 0 === times(run, 'b') > 0,
  'notCoExistence(a, b)': (run) => !both(run),
  'response(a, b)': responds,
  'precedence(a, b)': precedes,
  'succession(a, b)': (run) => responds(run) && precedes(run),
  'notSuccession(a, b)': (run) => !at(run, 'a').some((i) => at(run, 'b').some((j) => j >= i)),
  'alternateResponse(a, b)': alternatesForward,
  'alternatePrecedence(a, b)': alternatesBack,
  'alternateSuccession(a, b)': (run) => alternatesForward(run) && alternatesBack(run),
  'chainResponse(a, b)': chainsForward,
  'chainPrecedence(a, b)': chainsBack,
  'chainSuccession(a, b)': (run) => chainsForward(run) && chainsBack(run),
  'notChainSuccession(a, b)': (run) => !at(run, 'a').some((i) => has(run, 'b', i + 1)),
  'never(a)': (run) => times(run, 'a') === 0,
  'never(a, b)': (run) => {
    const first = at(run, 'b')[0]
    return first === undefined || !at(run, 'a').some((i) => i >= first)
  },
  // At each a, if b was, then c was since the last b or with it; b, a and c of one event count as at once.
  'never(a, b, c)': (run) =>
    at(run, 'a').every((i) => {
      const since = at(run, 'b').findLast((j) => j <= i)
      return since === undefined || at(run, 'c').some((k) => k >= since && k <= i)
    }),
  'whileOpen(a, b, c)': (run) =>
    at(run, 'a').every((i) => {
      const opened = at(run, 'b').findLast((j) => j <= i)
      const closed = at(run, 'c').findLast((j) => j <= i)
      return opened !== undefined && (closed === undefined || opened >= closed)
    }),
}

describe('templates', () => {
  for (const [call, isMet] of Object.entries(checkers)) {
    const atoms = call.includes('c)') ? ['a', 'b', 'c'] : ['a', 'b']
    test(`${call} is met by the runs of its sentence and by no other`, () => {
      const formula = parseRule(call)
      const monitor = compileMonitor(formula)
      for (const run of runsOver(eventsOver(atoms), atoms.length === 3 ? 4 : 6)) {
        const expected = isMet(run)
        if (accepts(monitor, run) !== expected) assert.fail(`${call} should be ${expected} on ${shown(run)}`)
      }
    })
  }

  test('none is without a checker, and each has a sentence', () => {
    const checked = new Set(Object.keys(checkers).map((call) => call.slice(0, call.indexOf('('))))
    assert.deepEqual([...checked].sort(), Object.keys(templates).sort())
    for (const [name, { means }] of Object.entries(templates)) assert.match(means, /^[A-Za-z].*\.$/, name)
  })

  test('text, functions and formulas say the same', () => {
    const same: [Formula, Formula][] = [
      [rules.never('send', { after: 'read', unless: 'approve' }), parseFormula('G(read -> !send W approve)')],
      [rules.never('send', { after: 'read' }), parseFormula('G(read -> G !send)')],
      [rules.never('pay', { unless: 'confirm' }), parseRule('precedence(confirm, pay)')],
      [rules.never('delete'), parseFormula('G !delete')],
      [rules.onlyAfter('pay', 'confirm'), parseFormula('!pay W confirm')],
      [rules.answered('lock', 'unlock'), parseFormula('G(lock -> F unlock)')],
      [rules.atMost(1, 'retry'), parseFormula('!F(retry & X F retry)')],
      [rules.notRightAfter('delete', 'list'), parseFormula('G(list -> !X delete)')],
      [rule('chainPrecedence', 'a', or(atom('b'), atom('c'))), parseRule('chainPrecedence(a, b | c)')],
      [parseRule('G(absence(a))'), parseFormula('G G !a')],
    ]
    for (const [left, right] of same) assert.equal(printFormula(left), printFormula(right))
  })
})

// ----------------------------------------------------------------------------------------------------------------- text

describe('text', () => {
  test('every formula is read back from its text', () => {
    const dice = chance(SEED + 6)
    const names = ['a', 'mail.send', 'x-y', 'true', 'last', 'X', 'Ga', 'with "quotes" and \\', 'ns:tool/part', 'é', '']
    for (let i = 0; i < 5_000; i++) {
      const formula = randomFormula(dice, names, 5)
      assert.deepEqual(parseFormula(printFormula(formula)), formula, `seed ${SEED}: ${printFormula(formula)}`)
    }
  })

  test('operators bind as the header says', () => {
    const full: { readonly [text: string]: string } = {
      'a & b | c & d': '(a & b) | (c & d)',
      'a -> b -> c': 'a -> (b -> c)',
      'a | b -> c <-> d': '((a | b) -> c) <-> d',
      '!a U b & c': '((!a) U b) & c',
      'a U b U c': 'a U (b U c)',
      'X N F G !a': 'X(N(F(G(!a))))',
      'G a -> b': '(G a) -> b',
      'a&&b||c': '(a & b) | c',
      ' ( ( a ) ) ': 'a',
      'G(a->F b)': 'G (a -> (F b))',
      'a->b': 'a -> b',
      '"A b" & c-d': '("A b") & (c-d)',
    }
    for (const [text, meant] of Object.entries(full)) assert.deepEqual(parseFormula(text), parseFormula(meant), text)
  })

  test('a formula is printed with the parentheses it needs and no others', () => {
    const texts = [
      'a & b | c -> d <-> e',
      '(a | b) & c',
      '(a -> b) -> c',
      'a -> (b -> c)',
      '!(a U b) U X N c',
      'G(a & b)',
    ]
    texts.push('X !a & F G b', '(a & b) & c', '!"A"', 'G(read -> !send W approve)', '(a U b) U c', 'last | true')
    for (const text of texts) assert.equal(printFormula(parseFormula(text)), text)
  })

  test('what is wrong is told with its place and with what was expected there', () => {
    const wrong: { readonly [text: string]: RegExp } = {
      '': /^at 1: expected a formula: a name, "\(", !, X, N, F or G, found the end$/,
      Ga: /^at 1: expected a name that starts with a small letter; one with a capital goes into quotes, found "Ga"$/,
      'a b': /^at 3: expected an operator \(& \| -> <-> U R W\) or the end, found "b"$/,
      'G(a': /^at 4: expected an operator or "\)", found the end$/,
      'a U b W c': /^at 7: expected parentheses, because U and W do not mix, found "W"$/,
      'a & "b': /^at 5: expected the closing quote of a name, found ""b"$/,
      '"\\q"': /^at 1: expected a name in quotes as JSON writes it/,
      'a ->  ': /^at 5: expected a formula/,
      'a\n& $': /^at 5: expected a name, an operator or a parenthesis, found "\$"$/,
      'a))': /^at 2: expected an operator \(& \| -> <-> U R W\) or the end, found "\)"$/,
      '3': /^at 1: expected a formula/,
      'U a': /^at 1: expected a formula.*, found "U"$/,
      'responce(a, b)': /^at 1: expected the name of a template: existence, .*, found "responce"$/,
      'response(a)': /^at 11: expected ","; response\(a, b\) takes more, found "\)"$/,
      'response(a, b, c)': /^at 16: expected "\)"; response\(a, b\) takes no more, found "c"$/,
      'atMost(a, a)': /^at 8: expected a number; atMost\(k, a\), found "a"$/,
      'F atLeast(0, a)': /^at 3: atLeast: a number of times is a whole number from 1 to 50, not 0$/,
      'constructor(a)': /^at 1: expected the name of a template/,
    }
    for (const [text, message] of Object.entries(wrong)) assert.throws(() => parseRule(text), { message }, text)
    assert.throws(() => parseFormula('response(a, b)'), /at 1: expected an operator after the name, found "response"/)
  })

  test('any text is a formula or an error that says where', () => {
    const dice = chance(SEED + 9)
    const pieces = [
      'a',
      'b',
      '"c d"',
      '(',
      ')',
      '!',
      'X',
      'N ',
      ' U ',
      ' W ',
      ' & ',
      '|',
      '->',
      '<->',
      ',',
      '3',
      'G',
      'F',
    ]
    pieces.push('last', 'response(', 'atMost(', ' ', '"', '\\', '$', '__proto__', 'toString(', 'é')
    let read = 0
    // About one in forty is a formula: some seeds need a little longer for enough of them.
    for (let i = 0; i < 20_000 || (read <= 500 && i < 60_000); i++) {
      const text = Array.from({ length: 1 + dice.below(12) }, () => dice.pick(pieces)).join('')
      try {
        const formula = parseRule(text)
        assert.deepEqual(parseFormula(printFormula(formula)), formula, text)
        read++
      } catch (error) {
        assert.ok(error instanceof SyntaxError || error instanceof RangeError, `${text}: ${String(error)}`)
        const place = Number(/^at (\d+): /.exec(error.message)?.[1])
        assert.ok(place >= 1 && place <= text.length + 1, `${text}: ${error.message}`)
      }
    }
    assert.ok(read > 500, `${read} were formulas`)
  })

  test('text, nodes, depth and atoms are bounded', () => {
    const { textMax, nodesMax, depthMax, atomsMax } = formulaLimits
    const many = (count: number, part: (i: number) => string): string =>
      Array.from({ length: count }, (_, i) => part(i)).join(' & ')
    const refused: [string, RegExp][] = [
      [' '.repeat(textMax + 1), /at most 100000 characters/],
      [many(nodesMax, () => 'a'), /at most 5000 nodes/],
      ['('.repeat(100_000), /at most 200 deep/],
      ['!'.repeat(100_000), /at most 200 deep/],
      [`${'!('.repeat(depthMax)}a${')'.repeat(depthMax)}`, /at most 200 deep/],
      [many(atomsMax + 1, (i) => `a${i}`), /at most 256 atoms, this one of 257/],
      ['atMost(50, atMost(50, atMost(50, a)))', /at most (5000 nodes|200 deep)/],
    ]
    for (const [text, message] of refused) assert.throws(() => parseRule(text), message, text.slice(0, 40))
    assert.ok(parseFormula(many(nodesMax - 1, () => 'a')))
    assert.ok(parseFormula(many(atomsMax, (i) => `a${i}`)))
    let deep: Formula = last
    for (let i = 0; i < 300; i++) deep = not(deep)
    assert.throws(() => compileMonitor(deep), /at most 200 deep/)
  })

  test('a formula that is small and grows without end is refused, not followed', () => {
    let twins = parseFormula('a <-> F b')
    for (let i = 0; i < 60; i++) twins = { op: 'iff', left: twins, right: atom(`c${i}`) }
    assert.throws(() => compileMonitor(twins), RangeError)
  })
})

// ---------------------------------------------------------------------------------------------------------- rules of a law

describe('rules', () => {
  const event = (...atoms: string[]): Event => new Set(atoms)
  const compiled = compileRules([
    { id: 'confirmed', formula: parseRule('precedence(confirm, pay)') },
    { id: 'unlocked', formula: parseRule('response(lock, unlock)') },
    { id: 'private', formula: rules.never('send', { after: 'read', unless: 'approve' }) },
  ])

  test('a refusal names the rule, and changes nothing', () => {
    const state = compiled.step(compiled.start, event('read'))
    assert.deepEqual(compiled.refusal(state, event('send')), { rules: ['private'], together: false })
    assert.deepEqual(compiled.refusal(state, event('send', 'pay')), {
      rules: ['confirmed', 'private'],
      together: false,
    })
    assert.equal(compiled.refusal(state, event('read')), undefined)
    const approved = compiled.step(state, event('approve'))
    assert.equal(compiled.refusal(approved, event('send')), undefined)
    assert.deepEqual(compiled.refusal(compiled.step(approved, event('read')), event('send'))?.rules, ['private'])
  })

  test('at the end of a run the rules that are unmet say what is owed', () => {
    assert.deepEqual(compiled.obligations(compiled.start), [])
    const locked = compiled.step(compiled.start, event('lock'))
    assert.deepEqual(compiled.obligations(locked), [{ rule: 'unlocked', owed: [['unlock']] }])
    assert.deepEqual(compiled.obligations(compiled.step(locked, event('unlock'))), [])
    assert.equal(compiled.verdicts(locked)['unlocked'], 'currently-false')
    assert.equal(compiled.verdicts(compiled.step(locked, event('confirm')))['confirmed'], 'permanently-true')
  })

  test('only the calls that keep the rules are offered; what depends on arguments is offered if some would', () => {
    const tools = ['pay', 'send', 'read', 'confirm'].map((name) => ({ name, atoms: event(name) }))
    const names = (state: readonly (number | string)[]): string[] =>
      compiled.allowedNext(state, tools).map(({ name }) => name)
    assert.deepEqual(names(compiled.start), ['send', 'read', 'confirm'])
    assert.deepEqual(names(compiled.step(compiled.start, event('read'))), ['read', 'confirm'])
    const open = { name: 'mail', atoms: event('send'), maybe: event('approve') }
    const read = compiled.step(compiled.start, event('read'))
    assert.equal(compiled.allowedNext(read, [open]).length, 1)
    assert.equal(compiled.allowedNext(read, [{ ...open, maybe: event('confirm') }]).length, 0)
    assert.equal(compiled.allowedNext(read, [{ name: 'http', atoms: event(), maybe: event('send') }]).length, 1)
  })

  test('what two rules forbid only together is seen before it is too late', () => {
    const clash = [
      { id: 'checked', formula: parseRule('response(write, check)') },
      { id: 'unchecked', formula: parseRule('absence(check)') },
    ]
    const seeing = compileRules(clash)
    assert.equal(seeing.jointLookAhead, true)
    assert.deepEqual(seeing.refusal(seeing.start, event('write')), { rules: ['checked', 'unchecked'], together: true })
    assert.deepEqual(seeing.allowedNext(seeing.start, [{ atoms: event('write') }, { atoms: event('read') }]).length, 1)
    const among = compileRules([{ id: 'other', formula: parseRule('atMost(3, read)') }, ...clash])
    assert.deepEqual(among.refusal(among.start, event('write'))?.rules, ['checked', 'unchecked'])
    const three = ['response(a, b) | F c', 'absence(b)', 'absence(c)'].map((text) => ({
      id: text,
      formula: parseRule(text),
    }))
    const threefold = compileRules(three)
    assert.deepEqual(
      threefold.refusal(threefold.start, event('a'))?.rules,
      three.map(({ id }) => id),
    )
    const blind = compileRules(clash, noLookAhead)
    assert.equal(blind.jointLookAhead, false)
    assert.equal(blind.refusal(blind.start, event('write')), undefined)
    const mayCheck = { atoms: event('read'), maybe: event('check', 'write') }
    assert.equal(blind.allowedNext(blind.start, [mayCheck, { atoms: event('check') }]).length, 1)
    assert.deepEqual(blind.obligations(blind.step(blind.start, event('write'))), [{ rule: 'checked', owed: undefined }])
  })

  test('beside a rule without look-ahead, what the others forbid only together is seen', () => {
    const large = `G(p -> ${'X '.repeat(14)}q)`
    const texts = [large, 'response(write, check)', large.replaceAll('p', 'o'), 'absence(check)']
    const compiled = compileRules(texts.map((id) => ({ id, formula: parseRule(id) })))
    const [, checked, , unchecked] = texts
    assert.deepEqual(compiled.seenTogether, [checked, unchecked])
    assert.equal(compiled.jointLookAhead, false)
    const state = compiled.step(compiled.start, event('p'))
    assert.deepEqual(compiled.refusal(state, event('write')), { rules: [checked, unchecked], together: true })
    assert.equal(compiled.refusal(state, event('read')), undefined)
    const offered = [{ atoms: event('write') }, { atoms: event('p'), maybe: event('write') }]
    assert.deepEqual(compiled.allowedNext(state, offered), [offered[1]])
    const last = lintRules(compiled).at(-1)
    assert.deepEqual([last?.kind, last?.rules], ['no-look-ahead', texts])
  })

  test('of rules that are too large together, as many are seen together as fit, those of fewer states first', () => {
    const texts = [8, 1, 8, 7].map((steps, i) => `G(p${i} -> ${'X '.repeat(steps)}q${i})`)
    const exclusive = [['p', 'q'].flatMap((name) => texts.map((_, i) => `${name}${i}`))]
    const followed = compileRules(
      texts.map((id) => ({ id, formula: parseRule(id) })),
      { exclusive },
    )
    assert.deepEqual(followed.seenTogether, [texts[0], texts[1], texts[3]])
    // Both q0 and q1 would be due in the next event.
    const state = ['p0', 'r', 'r', 'r', 'r', 'r', 'r'].reduce(
      (state, name) => followed.step(state, event(name)),
      followed.start,
    )
    assert.deepEqual(followed.refusal(state, event('p1'))?.rules, [texts[0], texts[1]])
    assert.equal(followed.refusal(state, event('p0')), undefined)
    assert.equal(followed.refusal(state, event('r')), undefined)
  })

  for (const exclusive of [[], [['a', 'b', 'c']]]) {
    const name = exclusive.length === 0 ? 'any events' : 'one atom an event'
    test(`what rules can still do together is what their conjunction can: ${name}`, () => {
      const dice = chance(SEED + 7)
      const names = ['a', 'b', 'c']
      const kinds = Object.keys(templates).filter((name) => checkers[`${name}(a, b)`] !== undefined) as TemplateName[]
      let onlyTogether = 0
      for (let i = 0; i < 400; i++) {
        const formulas = [0, 1, 2].map(() =>
          dice.below(2) === 0
            ? rule(dice.pick(kinds), dice.pick(names), dice.pick(names))
            : randomFormula(dice, names, 2),
        )
        const followed = compileRules(
          formulas.map((formula, k) => ({ id: `r${k}`, formula })),
          { exclusive },
        )
        const whole = compileMonitor(and(...formulas), { exclusive })
        let state = followed.start
        let wholeState = whole.start
        for (let k = 0; k < 6; k++) {
          const candidate =
            exclusive.length === 0 ? new Set(names.filter(() => dice.below(3) === 0)) : new Set([dice.pick(names)])
          const where = `seed ${SEED}: ${formulas.map(printFormula).join('; ')} in ${JSON.stringify(state)} ${shown([candidate])}`
          const refusal = followed.refusal(state, candidate)
          const offered = followed.allowedNext(state, [{ atoms: candidate }]).length === 1
          assert.equal(refusal === undefined, whole.permits(wholeState, candidate), where)
          assert.equal(refusal === undefined, offered, where)
          if (refusal?.together === true) onlyTogether++
          state = followed.step(state, candidate)
          wholeState = whole.step(wholeState, candidate)
          assert.equal(followed.obligations(state).length === 0, whole.isAccepting(wholeState), where)
        }
      }
      assert.ok(onlyTogether > 3, `${onlyTogether} refused only together`)
    })
  }

  test('two rules of one name, and a state of other rules, are refused', () => {
    const formula = atom('a')
    assert.throws(
      () =>
        compileRules([
          { id: 'r', formula },
          { id: 'r', formula },
        ]),
      /"r" is there twice/,
    )
    assert.throws(() => compiled.step([0], event()), /a state of 1 rules, and there are 3/)
    assert.deepEqual(compileRules([]).start, [])
    const deep = parseFormula(`${'!'.repeat(198)}a`)
    assert.throws(
      () => compileRules([{ id: 'big', formula: not(not(deep)) }]),
      /temporal rule "big": .* at most 200 deep/,
    )
  })
})

// ---------------------------------------------------------------------------------------------------------------- lints

describe('lints', () => {
  const kindsOf = (...texts: string[]): string[] =>
    lintRules(compileRules(texts.map((text, i) => ({ id: `r${i}`, formula: parseRule(text) })))).map(
      ({ kind, rules, atoms }) => [kind, ...rules, ...(atoms ?? [])].join(' '),
    )

  test('find what cannot be kept, what forbids nothing, and what can never be called', () => {
    assert.deepEqual(kindsOf('G X a'), ['unsatisfiable r0'])
    assert.deepEqual(kindsOf('F a & G !a'), ['unsatisfiable r0'])
    assert.deepEqual(kindsOf('a | !a'), ['valid r0'])
    assert.deepEqual(kindsOf('F last'), ['valid r0'])
    assert.deepEqual(kindsOf('G(a -> F b) & G !b'), ['never-enabled r0 a b'])
    assert.deepEqual(kindsOf('response(a, b)', 'precedence(a, b)'), [])
    assert.deepEqual(kindsOf('existence(a)', 'absence(a)'), ['never-enabled r1 a', 'contradictory r0 r1'])
    assert.deepEqual(kindsOf('G a', 'G !a'), ['never-enabled r1 a', 'contradictory r0 r1'])
    assert.deepEqual(kindsOf('response(write, check)', 'absence(check)'), [
      'never-enabled r1 check',
      'never-enabled r0 r1 write',
    ])
  })

  test('say when they cannot see', () => {
    const blind = compileRules([{ id: 'r', formula: globally(atom('a')) }], noLookAhead)
    assert.deepEqual(
      lintRules(blind).map(({ kind }) => kind),
      ['no-look-ahead'],
    )
    assert.deepEqual(lintMonitor('r', compileMonitor(globally(atom('a')))), [])
  })

  test('find the tools that no run may call', () => {
    const monitor = compileMonitor(and(parseRule('precedence(ask, pay)'), parseRule('absence(ask)')))
    const tools = ['ask', 'pay', 'read'].map((name) => ({ name, atoms: new Set([name]) }))
    assert.deepEqual(
      neverPermitted(monitor, tools).map(({ name }) => name),
      ['ask', 'pay'],
    )
  })

  test('are right about random formulas, by the definition on all runs of up to four events', () => {
    const dice = chance(SEED + 8)
    const runs = runsOver(eventsOver(['a', 'b']), 4)
    for (let i = 0; i < 300; i++) {
      const formula = randomFormula(dice, ['a', 'b'], 2)
      const kinds = new Set(lintMonitor('r', compileMonitor(formula)).map(({ kind }) => kind))
      const met = runs.filter((run) => holds(formula, run, 0)).length
      const where = `seed ${SEED}: ${printFormula(formula)}`
      assert.equal(kinds.has('unsatisfiable'), met === 0, where)
      assert.equal(kinds.has('valid'), met === runs.length, where)
    }
  })
})

// ---------------------------------------------------------------------------------------------------------------- speed

test('ten rules over twenty atoms are followed in microseconds, and wide guards are not listed', () => {
  const ten = Array.from({ length: 10 }, (_, i) => ({
    id: `r${i}`,
    formula: parseRule(`never(t${i}, t${i + 10}, t${(i + 1) % 10})`),
  }))
  const followed = compileRules(ten)
  const events = Array.from({ length: 20 }, (_, i) => new Set([`t${i}`, 'read', `t${(i * 7) % 20}`]))
  let state = followed.start
  const tookUs: number[] = []
  for (let i = 0; i < 20_000; i++) {
    const from = process.hrtime.bigint()
    const candidate = events[(i * 13) % 20] as Event
    followed.refusal(state, candidate)
    state = followed.step(state, candidate)
    tookUs.push(Number(process.hrtime.bigint() - from) / 1000)
  }
  const half = tookUs.sort((a, b) => a - b)[10_000] as number
  // 50 times what an idle machine needs: other work runs beside tests.
  assert.ok(half < 100, `${half} µs in the middle`)
  const wide = compileMonitor(
    globally(
      implies(
        and(...Array.from({ length: 100 }, (_, i) => atom(`a${i}`))),
        next(until(not(atom('a0')), or(...Array.from({ length: 100 }, (_, i) => atom(`b${i}`))))),
      ),
    ),
  )
  assert.ok(wide.lookAhead && (wide.automaton?.nodes.length as number) < 3 * 2_000)
})
