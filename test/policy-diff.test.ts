/**
 * Proofs about conditions and laws, against trying out: what is said to be contained is looked for counter-examples, what is
 * said not to be must show one. The bar: nothing unsound on 10,000 pairs, and fewer than 2 % unknown.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Condition, Json } from '../src/policy/conditions.ts'
import { compile } from '../src/policy/conditions.ts'
import { compareLaws } from '../src/policy/diff.ts'
import type { Effect, From, Law, Request, Rule } from '../src/policy/law.ts'
import { decide } from '../src/policy/law.ts'
import { narrower } from '../src/policy/regions.ts'
import type { Chance } from './policy-reference.ts'
import { anyCondition, anyText, anyValue, chanceOf, holdsByReference, neighbour } from './policy-reference.ts'

const LONG = process.env['POLITY_LONG'] === '1'

describe('containment of conditions', () => {
  const count = LONG ? 30_000 : 3_000

  test(`is never said where it is not (${count} generated pairs, each against 140 values)`, (t) => {
    const chance = chanceOf(1)
    const plain: Json[] = [null, true, false, [], {}, '', 'a', 'b', 'ab', 'aa', 'aaa', '-']
    plain.push(-2, -1, -0.5, 0, 0.1, 0.5, 1, 1.25, 1.5, 2, 2.5, 3, 4, 4.5, 5, 5.5, 6, 7)
    const values: Json[] = [
      ...plain,
      ...Array.from({ length: 60 }, () => anyValue(chance)),
      ...Array.from({ length: 50 }, () => anyText(chance, 4)),
    ]
    const tally = { contained: 0, 'of some value': 0, 'not contained': 0, unknown: 0 }
    for (let seed = 0; seed < count; seed++) {
      const chance = chanceOf(seed + 7_000_000)
      const inner = readable(() => anyCondition(chance))
      const outer = readable(() =>
        chance.oneIn(3) ? anyCondition(chance) : neighbour(chance.oneIn(2) ? inner : neighbour(inner, chance), chance),
      )
      const doubt = chance.oneIn(4)
      const at = `seed ${seed}: ${JSON.stringify(inner)} in ${JSON.stringify(outer)}, doubt ${doubt}`
      const isIn = (condition: Condition, value: Json): boolean => holdsByReference(condition, value, doubt)
      const proof = narrower(inner, outer, doubt)
      tally[proof.verdict]++
      if (proof.verdict === 'contained') {
        const inside = values.filter((value) => isIn(inner, value))
        const witness = inside.find((value) => !isIn(outer, value))
        assert.equal(witness, undefined, `${at}: said to be contained, but for ${JSON.stringify(witness)}`)
        if (inside.length > 0) tally['of some value']++
      } else if (proof.verdict === 'not contained') {
        const { witness } = proof
        assert.ok(isIn(inner, witness) && !isIn(outer, witness), `${at}: ${JSON.stringify(witness)} is no witness`)
      }
    }
    t.diagnostic(JSON.stringify(tally))
    assert.ok(tally.unknown < count * 0.02, `${tally.unknown} unknown`)
    assert.ok(tally['of some value'] > count / 5 && tally['not contained'] > count / 5, JSON.stringify(tally))
  })

  const contained: readonly (readonly [Condition, Condition])[] = [
    [{ pattern: '^acme\\.com$' }, { pattern: 'acme\\.com' }],
    [{ const: 'ann@acme.com' }, { matches: '[a-z]+@acme\\.com' }],
    [{ matches: '[a-z]+' }, { pattern: '^[a-z0-9]*$' }],
    [{ type: 'integer', minimum: 3, maximum: 4 }, { enum: [3, 4, 5] }],
    [{ multipleOf: 12 }, { allOf: [{ multipleOf: 2 }, { multipleOf: 3 }] }],
    [{ multipleOf: 0.1 }, { multipleOf: 0.01 }],
    [{ exclusiveMinimum: 3, type: 'integer' }, { minimum: 4 }],
    [{ pattern: '^[a-z]*$', maxLength: 3_000 }, { maxLength: 3_001 }],
    [{ pattern: '^.{3}$' }, { minLength: 3, maxLength: 3 }],
    [{ enum: ['a', null] }, { enum: [null, 'b', 'a'] }],
    [{ items: { enum: ['a'] }, uniqueItems: true }, { maxItems: 1 }],
    [{ items: { const: 1 }, contains: { minimum: 1 } }, { minItems: 1 }],
    [{ properties: { to: { const: 'a' } }, additionalProperties: false }, { enum: [{ to: 'a' }, {}] }],
    [{ properties: { to: { const: 'a' } } }, { required: ['to'] }],
    [{ oneOf: [{ const: 1 }, { const: 2 }] }, { anyOf: [{ const: 2 }, { const: 1 }, { type: 'string' }] }],
    [{ not: { pattern: 'evil' } }, { not: { pattern: 'very evil' } }],
    [{ pattern: '\\bfoo\\b' }, { pattern: 'foo' }],
    [{ uniqueItems: true, minItems: 2 }, { uniqueItems: true }],
  ]
  const wider: readonly (readonly [Condition, Condition])[] = [
    [{ exclusiveMinimum: 3 }, { minimum: 4 }],
    [{ minimum: 3, maximum: 4 }, { enum: [3, 4] }],
    [{ multipleOf: 0.01 }, { multipleOf: 0.1 }],
    [{ minimum: 1e300 }, { maximum: 1e301 }],
    [{ exclusiveMinimum: 0 }, { minimum: 1e-300 }],
    [{ not: { type: 'string' } }, { not: { type: ['string', 'null'] } }],
    [{ items: { enum: ['a', 'b'] }, uniqueItems: true }, { maxItems: 1 }],
    [{ items: { type: 'string' } }, { enum: [[], ['a'], ['b'], ['a', 'a']] }],
    [{ properties: { to: { const: 'a' } } }, { enum: [{ to: 'a' }] }],
    [
      { additionalProperties: { type: 'string' } },
      { properties: { a: {} }, optional: ['a'], additionalProperties: false },
    ],
    [{ required: ['a'] }, { required: ['b'] }],
    [{ allOf: [{ contains: { minimum: 1 } }, { contains: { maximum: 3 } }], maxItems: 1 }, { maxItems: 0 }],
    [{ exclusiveMinimum: 0.49999999999999994, exclusiveMaximum: 0.55 }, { multipleOf: 0.1 }],
    [{ type: 'array', not: { uniqueItems: true } }, { minItems: 3 }],
    [
      { properties: { a: { type: 'number' } }, additionalProperties: false },
      { additionalProperties: { type: 'string' } },
    ],
    [{ contains: { const: 1 } }, { items: { const: 1 } }],
    [{ maxLength: 3_000 }, { maxLength: 2_999 }],
    [{ pattern: '^[^a]$' }, { pattern: '^[b-z0-9]$' }],
    [{ allOf: [{ multipleOf: 14 }, { multipleOf: 9 }], minimum: 1 }, { multipleOf: 5 }],
    [{ enum: [['x', 5]] }, { oneOf: [{ minItems: 1 }, { items: { pattern: 'x' } }] }],
    [{ minItems: 2, items: { enum: ['x', 5] } }, { oneOf: [{ minItems: 1 }, { items: { pattern: 'x' } }] }],
  ]

  test('is proved, and refuted, in cases that are clear to a person', () => {
    for (const [inner, outer] of contained)
      assert.deepEqual(narrower(inner, outer), { verdict: 'contained' }, JSON.stringify([inner, outer]))
    for (const [inner, outer] of [...wider, ...contained.map(([inner, outer]) => [outer, inner] as const)]) {
      const proof = narrower(inner, outer)
      assert.equal(proof.verdict, 'not contained', JSON.stringify([inner, outer]))
      if (proof.verdict !== 'not contained') continue
      assert.ok(compile(inner).holds(proof.witness) && !compile(outer).holds(proof.witness))
    }
  })

  test('is unknown, with a reason, where the method ends', () => {
    for (const [inner, outer] of [
      [{ multipleOf: 1e-12 }, { multipleOf: 2e-12, not: { const: 1e-12 } }],
      [{ matches: '(a|b)*a(a|b){16}' }, { not: { matches: '(a|b)*b(a|b){16}(a|b){0,5}' } }],
    ] as const) {
      const proof = narrower(inner, outer)
      assert.notEqual(proof.verdict, 'contained')
    }
    const proof = narrower({ multipleOf: 7919, minimum: 1 }, { multipleOf: 7_919 * 7_907 })
    assert.equal(proof.verdict, 'not contained')
    const fine = narrower({ multipleOf: 7_919 * 7_907 }, { multipleOf: 7_919 })
    const among: Condition = {
      minItems: 1,
      anyOf: [{ items: { multipleOf: 7_919 * 7_907 } }, { items: { const: 'x' } }],
    }
    const items: Condition = { items: { anyOf: [{ multipleOf: 7_919 }, { const: 'x' }] } }
    assert.equal(narrower(among, items).verdict, 'unknown')
    const few: Condition = { multipleOf: 7_919 * 7_907 }
    const many: Condition = { multipleOf: 7_919 }
    assert.equal(narrower({ items: few, minItems: 1 }, { items: many }).verdict, 'unknown')
    assert.equal(narrower({ properties: { a: few } }, { properties: { a: many } }).verdict, 'unknown')
    assert.equal(narrower({ additionalProperties: few }, { additionalProperties: many }).verdict, 'unknown')
    assert.deepEqual(fine, { verdict: 'unknown', why: 'the multiples are too fine, too large or too many' })
  })

  test('what a law says by saying nothing is compared too', () => {
    const deny: Rule = { id: 'mute', effect: 'deny', call: 'send' }
    const all: Rule = { id: 'all', effect: 'allow' }
    const wider = (before: Law, after: Law): unknown => {
      const found = compareLaws(before, after)
      return found.narrows ? 'narrows' : found.kind
    }
    assert.equal(wider({ rules: [deny] }, { rules: [] }), 'allowed')
    assert.equal(wider({ rules: [{ id: 'q', effect: 'ask', call: 'spawn' }, all] }, { rules: [all] }), 'allowed')
    assert.equal(wider({ rules: [] }, { rules: [deny] }), 'narrows')
    assert.equal(wider({ rules: [all], runaway: { calls: 5 } }, { rules: [all] }), 'unknown')
    assert.equal(wider({ rules: [all] }, { rules: [all], runaway: { calls: 5 } }), 'narrows')
  })

  test('what can be asked can be compared: no labels, many values, halves of characters', () => {
    const narrows = (before: Rule[], after: Rule[]): boolean => compareLaws({ rules: before }, { rules: after }).narrows
    const all: Rule = { id: 'all', effect: 'allow' }
    assert.equal(narrows([all], [{ ...all, seen: [] }]), true)
    assert.equal(narrows([{ ...all, seen: [] }], [all]), false)
    const many = Array.from({ length: 3_000 }, (_, i) => `v${i}`)
    const listed: Rule = { ...all, args: { a: { enum: many }, b: { enum: many } } }
    assert.equal(narrows([listed], [{ ...listed, args: { a: { enum: many }, b: { enum: many.slice(1) } } }]), true)
    let deep: Condition = { const: 1 }
    for (let i = 0; i < 32; i++) deep = { not: deep }
    assert.equal(narrows([{ ...all, args: { a: deep } }], [{ ...all, args: { a: deep }, tool: 'pay' }]), true)
    const smile: Rule = { id: 'smile', effect: 'allow', tool: '😀' }
    const smiling: Request = { call: 'call', tool: '😀', args: {}, principal: 'ada', program: 'clerk' }
    for (const tool of ['\ud83d*', '*\ude00']) {
      const before = [{ id: 'half', effect: 'deny', tool } as const, smile]
      assert.equal(narrows(before, [smile]), decide({ rules: before }, smiling).effect === 'allow', tool)
    }
    let nested: Condition = { type: 'array', minItems: 1 }
    for (let i = 0; i < 31; i++) nested = { type: 'object', properties: { a: nested } }
    const twice: Condition = { type: 'array', minItems: 2, uniqueItems: true, items: nested }
    assert.notEqual(narrower(twice, { type: 'string' }).verdict, 'contained')
  })

  test('turns over for deny: what is denied in doubt is denied more widely', () => {
    assert.equal(narrower({ pattern: 'evil' }, { pattern: 'evil' }, true).verdict, 'contained')
    assert.equal(narrower({ pattern: 'evil' }, { type: 'string', pattern: 'evil' }, true).verdict, 'contained')
    assert.equal(narrower({ pattern: 'evil' }, { type: 'string' }, true).verdict, 'not contained')
    const absent = narrower({ properties: { a: { const: 1 } } }, { required: ['a'] }, true)
    assert.equal(absent.verdict, 'not contained')
  })
})

function readable(make: () => Condition): Condition {
  for (;;) {
    const condition = make()
    try {
      compile(condition)
      return condition
    } catch {
      // A neighbour may have lost the property that `optional` names.
    }
  }
}

// ----------------------------------------------------------------------------------------------------------------- laws

/** Section 1.4 of the reference: pairs of conditions on one argument, of which a published checker took 6 of 14 widenings. */
const crafted: readonly (readonly [isWider: boolean, before: Condition, after: Condition])[] = [
  [true, { pattern: '^acme\\.com$' }, { pattern: 'acme\\.com' }],
  [true, { pattern: '^acme\\.com' }, { pattern: 'acme\\.com' }],
  [true, { pattern: 'acme\\.com$' }, { pattern: 'acme\\.com' }],
  [true, { pattern: '^acme\\.com$' }, { pattern: '^acme.com$' }],
  [true, { const: 'ann' }, { const: 'eve' }],
  [true, { const: 'ann' }, { type: 'string' }],
  [true, { enum: ['a', null] }, { enum: ['a', 'b'] }],
  [true, { pattern: '^\\w+$' }, { pattern: '^[\\w-]+$' }],
  [true, { pattern: '^\\w+@acme\\.com$' }, { pattern: '^\\S+@acme\\.com$' }],
  [true, { type: 'number', maximum: 100 }, { type: 'number', maximum: 100.5 }],
  [true, { type: 'integer', maximum: 100 }, { type: 'number', maximum: 100 }],
  [
    true,
    { type: 'object', properties: { to: { const: 'a' } } },
    { type: 'object', properties: { to: { type: 'string' } } },
  ],
  [
    true,
    { type: 'array', items: { enum: ['a'] }, maxItems: 1 },
    { type: 'array', items: { enum: ['a'] }, maxItems: 2 },
  ],
  [true, { type: 'string', maxLength: 10 }, { type: 'string' }],
  [false, { pattern: 'acme\\.com' }, { pattern: '^acme\\.com$' }],
  [false, { enum: ['a', 'b', null] }, { enum: ['b', null] }],
  [false, { type: 'number', minimum: 0 }, { type: 'integer', minimum: 1, multipleOf: 5 }],
]

const law = (...rules: readonly Rule[]): Law => ({ rules })
const mail = (to: Condition): Law => law({ id: 'mail', effect: 'allow', tool: 'send', args: { to } })

describe('laws', () => {
  test('the 17 crafted pairs are all told apart, each widening with a call', () => {
    for (const [isWider, before, after] of crafted) {
      const at = JSON.stringify([before, after])
      const comparison = compareLaws(mail(before), mail(after))
      assert.equal(comparison.narrows, !isWider, at)
      if (comparison.narrows) continue
      assert.equal(comparison.kind, 'allowed', at)
      const { to } = (comparison.witness as Request).args as { readonly to: Json }
      assert.ok(holdsByReference(after, to) && !holdsByReference(before, to), `${at}: ${JSON.stringify(to)}`)
    }
  })

  test('what cannot be read is no narrowing: look-ahead is refused', () => {
    assert.throws(() => compareLaws(mail({ pattern: '^a' }), mail({ pattern: '^(?=a)' })), /look-ahead/)
  })

  test('a witness names the call, the rule and why', () => {
    const before = law({ id: 'no-mail', effect: 'deny', tool: 'send_*' }, { id: 'all', effect: 'allow' })
    const after = law({ id: 'all', effect: 'allow' })
    assert.deepEqual(compareLaws(after, before), { narrows: true })
    const comparison = compareLaws(before, after)
    assert.deepEqual(comparison, {
      narrows: false,
      kind: 'allowed',
      rule: 'all',
      witness: { call: 'call', tool: 'send_', args: {}, principal: 'anybody', program: 'any' },
      why: 'it was denied (rule no-mail)',
    })
    const asked = compareLaws(law(), law({ id: 'q', effect: 'ask', tool: 'pay' }))
    assert.equal(!asked.narrows && asked.kind, 'asked')
    const allowed = compareLaws(law({ id: 'q', effect: 'ask' }), law({ id: 'q', effect: 'allow' }))
    assert.equal(!allowed.narrows && allowed.kind, 'allowed')
  })

  test('a rule that denies denies in doubt too', () => {
    const denies: Rule = { id: 'denies', effect: 'deny', args: { x: { pattern: 'evil' } } }
    const comparison = compareLaws(
      law(denies, { id: 'all', effect: 'allow' }),
      law({ id: 'n', effect: 'allow', args: { x: { type: 'number' } } }),
    )
    assert.equal(!comparison.narrows && comparison.kind, 'allowed')
  })

  test('a rule that asks asks in doubt too, before and after', () => {
    const asks: Rule = { id: 'asks', effect: 'ask', args: { x: { pattern: 'a' } } }
    const numbers: Rule = { id: 'numbers', effect: 'allow', args: { x: { type: 'number' } } }
    const all: Rule = { id: 'all', effect: 'allow' }
    const comparison = compareLaws(law(asks, all), law(numbers))
    assert.equal(!comparison.narrows && comparison.kind, 'allowed')
    assert.deepEqual(compareLaws(law({ id: 'q', effect: 'ask' }), law(asks, numbers)), { narrows: true })
  })

  test('what changes as the law runs is unknown, unless nothing changed', () => {
    const moving = law({ id: 'a', effect: 'allow', then: { drop: ['a'] } })
    assert.deepEqual(compareLaws(moving, moving), { narrows: true })
    assert.equal((compareLaws(moving, law()) as { kind?: string }).kind, 'unknown')
    const first = { id: 'first', formula: 'precedence(confirm, pay)' }
    const timed: Law = { rules: [{ id: 'a', effect: 'allow' }], temporal: [first] }
    assert.deepEqual(compareLaws(law({ id: 'a', effect: 'allow' }), timed), { narrows: true })
    assert.equal((compareLaws(timed, law({ id: 'a', effect: 'allow' })) as { rule?: string }).rule, 'first')
  })

  test('temporal rules that are too large leave in force what others forbid together, or are no narrowing', () => {
    const lawOf = (...formulas: string[]): Law => ({
      rules: [{ id: 'a', effect: 'allow' }],
      temporal: formulas.map((formula) => ({ id: formula, formula })),
    })
    const effectOf = (law: Law): Effect =>
      decide(law, { call: 'call', tool: 'w', args: {}, principal: 'p', program: 'q' }).effect
    const clash = ['response(w, c)', 'response(w, d)', 'notCoExistence(c, d)']
    for (const large of [
      Array.from({ length: 12 }, (_, i) => `response(p${i}, q${i})`).join(' & '),
      `G(p -> ${'X '.repeat(14)}q)`,
    ]) {
      for (const after of [lawOf(...clash, large), lawOf(large, ...clash)]) {
        assert.equal(effectOf(after), 'deny', large)
        assert.deepEqual(compareLaws(lawOf(...clash), after), { narrows: true })
      }
    }
    // Eight steps after `w`, a call of two tools: each rule has its automaton, but with a third they are too large together.
    const late = (when: string, what: string, steps: number): string => `G(${when} -> ${'X '.repeat(steps)}${what})`
    const both = lawOf(late('w', 'c', 8), late('w', 'd', 8))
    const more = lawOf(late('w', 'c', 8), late('w', 'd', 8), late('p', 'q', 7))
    assert.deepEqual([effectOf(both), effectOf(more)], ['deny', 'allow'])
    const comparison = compareLaws(both, more)
    assert.equal(!comparison.narrows && comparison.kind, 'unknown')
    assert.equal(!comparison.narrows && comparison.rule, late('w', 'd', 8))
  })

  const count = LONG ? 10_000 : 600

  test(`are compared as by trying out (${count} generated pairs, each against ${requests().length} requests)`, (t) => {
    const pool = requests()
    const tally = { narrows: 0, 'of some call': 0, allowed: 0, asked: 0, unknown: 0 }
    for (let seed = 0; seed < count; seed++) {
      const chance = chanceOf(seed + 42_000_000)
      const before = law(...Array.from({ length: chance.below(5) }, (_, i) => anyRule(chance, `r${i}`)))
      const after = changed(before, chance)
      const comparison = compareLaws(before, after)
      const at = `seed ${seed}: ${JSON.stringify(before.rules)} to ${JSON.stringify(after.rules)}`
      tally[comparison.narrows ? 'narrows' : comparison.kind]++
      if (comparison.narrows) {
        const witness = pool.find((request) => isWider(before, after, request))
        assert.equal(witness, undefined, `${at}: said to narrow, but for ${JSON.stringify(witness)}`)
        if (pool.some((request) => decideByReference(after, request) !== 'deny')) tally['of some call']++
      } else if (comparison.kind !== 'unknown') {
        const witness = comparison.witness as Request
        assert.ok(isWider(before, after, witness), `${at}: ${JSON.stringify(witness)} is no witness`)
        assert.equal(decideByReference(after, witness), comparison.kind === 'allowed' ? 'allow' : 'ask', at)
      }
      for (let i = 0; i < 5; i++) {
        const request = chance.pick(pool)
        assert.equal(
          decide(after, request).effect,
          decideByReference(after, request),
          `${at} of ${JSON.stringify(request)}`,
        )
      }
    }
    t.diagnostic(JSON.stringify(tally))
    assert.ok(tally.unknown < count * 0.02, JSON.stringify(tally))
    assert.ok(
      tally['of some call'] > count / 10 && tally.allowed > count / 10 && tally.asked > count / 100,
      JSON.stringify(tally),
    )
  })
})

const order: readonly Effect[] = ['deny', 'ask', 'allow']

function isWider(before: Law, after: Law, request: Request): boolean {
  return order.indexOf(decideByReference(after, request)) > order.indexOf(decideByReference(before, request))
}

/** The law's decision, written a second time. */
function decideByReference({ rules }: Law, request: Request): Effect {
  let isDoubtful = false
  for (const rule of rules) {
    if (rule.effect === 'ask') {
      if (ruleMatches(rule, request, false)) return 'ask'
      isDoubtful ||= ruleMatches(rule, request, true)
    } else if (ruleMatches(rule, request, rule.effect === 'deny'))
      return rule.effect === 'allow' && isDoubtful ? 'ask' : rule.effect
  }
  return request.call === 'call' ? 'deny' : isDoubtful ? 'ask' : 'allow'
}

function ruleMatches(rule: Rule, request: Request, doubt: boolean): boolean {
  const fits = (pattern: string | undefined, text: string | undefined): boolean =>
    pattern === undefined || (text !== undefined && new RegExp(`^${pattern.replaceAll('*', '[^]*')}$`, 'u').test(text))
  const args = request.args as { readonly [name: string]: unknown }
  if (!fits(rule.call ?? 'call', request.call) || !fits(rule.tool, request.tool)) return false
  if (!fits(rule.principal, request.principal) || !fits(rule.program, request.program)) return false
  if (![request.program, ...(request.ancestors ?? [])].some((program) => fits(rule.under, program))) return false
  if (rule.outbound === true && !(request.outbound ?? doubt)) return false
  if (
    rule.seen !== undefined &&
    !(request.seen === undefined ? doubt : rule.seen.every((one) => request.seen?.has(one)))
  )
    return false
  for (const [name, condition] of Object.entries(rule.args ?? {}))
    if (!(Object.hasOwn(args, name) ? holdsByReference(condition, args[name], doubt) : doubt)) return false
  const isFrom = (name: string, from: From): boolean =>
    scalarsOf(args[name]).every((value) => {
      const origin = request.originOf?.(value) ?? 'untrusted'
      if (value === '' || origin === 'request' || origin === from) return true
      if (typeof from === 'string') return false
      const { answerOf, without = [] } = from
      return (request.sourcesOf?.(value) ?? []).some(
        ({ tool, labels }) => fits(answerOf, tool) && labels?.every((label) => !without.includes(label)) === true,
      )
    })
  for (const [name, from] of Object.entries(rule.origins ?? {}))
    if (isFrom(name, from) === (rule.effect !== 'allow')) return false
  const { control: from } = rule
  if (from === undefined) return true
  if (request.control === undefined) return doubt
  return request.control.every((name) => isFrom(name, from)) !== (rule.effect !== 'allow')
}

function scalarsOf(value: unknown): (string | number | boolean)[] {
  if (value === undefined || value === null) return []
  if (typeof value !== 'object') return [value as string | number | boolean]
  return Object.entries(value).flatMap(([key, item]) =>
    Array.isArray(value) ? scalarsOf(item) : [key].concat(scalarsOf(item) as never),
  )
}

const arguments_: readonly Condition[] = [
  { pattern: '^a' },
  { pattern: 'a$' },
  { const: 'a' },
  { enum: ['a', 'b', null] },
  { minimum: 2 },
  { type: 'string', maxLength: 1 },
  { not: { pattern: 'b' } },
  { type: ['string', 'number'] },
]

const froms: readonly From[] = [
  'request',
  'trusted',
  { answerOf: 'a*' },
  { answerOf: 'a', without: ['s'] },
  { without: ['s'] },
]

function anyRule(chance: Chance, id: string): Rule {
  const rule: { -readonly [key in keyof Rule]: Rule[key] } = {
    id,
    effect: chance.pick(['allow', 'allow', 'deny', 'ask']),
  }
  if (chance.oneIn(5)) rule.call = chance.pick(['*', 'f*', 'files'])
  if (!chance.oneIn(3)) rule.tool = chance.pick(['a', 'b', 'a*', '*b', 'a*b', '*'])
  if (chance.oneIn(4)) rule.principal = chance.pick(['p', '*q', 'p*'])
  if (chance.oneIn(5)) rule.program = chance.pick(['x', 'x*'])
  if (chance.oneIn(6)) rule.under = chance.pick(['x', 'y*'])
  if (chance.oneIn(6)) rule.outbound = true
  if (chance.oneIn(6)) rule.seen = chance.pick([['s'], ['t'], ['s', 't']])
  if (chance.oneIn(2))
    rule.args = { x: chance.pick(arguments_), ...(chance.oneIn(3) ? { y: chance.pick(arguments_) } : {}) }
  if (chance.oneIn(6)) rule.origins = { x: chance.pick(froms) }
  if (chance.oneIn(6)) rule.control = chance.pick(froms)
  return rule
}

/** A law that is a little different. */
function changed({ rules }: Law, chance: Chance): Law {
  const next = [...rules]
  const changes = 1 + chance.below(2)
  for (let i = 0; i < changes; i++) {
    const at = chance.below(next.length + 1)
    const rule = next[at]
    if (rule === undefined || chance.oneIn(4)) next.splice(at, 0, anyRule(chance, `n${i}`))
    else if (chance.oneIn(5)) next.splice(at, 1)
    else if (chance.oneIn(3)) next[at] = { ...rule, effect: chance.pick(order) }
    else if (chance.oneIn(2)) next[at] = { ...rule, args: { ...rule.args, x: chance.pick(arguments_) } }
    else next[at] = { ...anyRule(chance, rule.id), effect: rule.effect }
  }
  return law(...next)
}

/** Calls that tell the generated rules apart. */
function requests(): Request[] {
  const chance = chanceOf(3)
  const pool: Request[] = []
  const values: readonly Json[] = ['a', 'b', 'ab', 'ba', 'c', '', null, 1, 2, 3, ['a'], true]
  for (let i = 0; i < 700; i++) {
    const args: { [name: string]: Json } = {}
    if (!chance.oneIn(4)) args['x'] = chance.pick(values.slice(0, chance.pick([6, 12])))
    if (!chance.oneIn(3)) args['y'] = chance.pick(values)
    const isSimple = typeof args['x'] !== 'object'
    const origin = chance.pick(['request', 'trusted', 'untrusted'] as const)
    const labels = chance.pick([undefined, [], ['s'], ['t']])
    const sources = chance.oneIn(2) ? [] : [{ tool: chance.pick(['a', 'ab', 'c']), labels }]
    pool.push({
      call: chance.oneIn(6) ? chance.pick(['files', 'f', 'g']) : 'call',
      ...(chance.oneIn(5) ? {} : { tool: chance.pick(['a', 'b', 'ab', 'aab', 'c']) }),
      principal: chance.pick(['p', 'q', 'pq', 'r']),
      program: chance.pick(['x', 'xy', 'y', 'z']),
      ...(chance.oneIn(3) ? { ancestors: chance.pick([['x'], ['y', 'z'], []]) } : {}),
      ...(chance.oneIn(3) ? {} : { outbound: chance.oneIn(2) }),
      ...(chance.oneIn(3) ? {} : { seen: new Set(['s', 't'].filter(() => chance.oneIn(2))) }),
      args: isSimple ? args : { ...args, x: 'a' },
      ...(chance.oneIn(3) ? {} : { originOf: () => origin }),
      ...(chance.oneIn(3) ? {} : { sourcesOf: () => sources }),
      ...(chance.oneIn(3) ? {} : { control: chance.pick([[], ['x'], ['x', 'y']]) }),
    })
  }
  return pool
}
