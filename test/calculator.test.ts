/** The calculator, through its public functions: arithmetic only, never code. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { calculate, calculator } from '../src/drivers/calculator.ts'

test('the usual laws of precedence hold', () => {
  const expected: [string, number][] = [
    ['1 + 2 * 3', 7],
    ['(1 + 2) * 3', 9],
    ['2 ^ 3 ^ 2', 512],
    ['-2 ^ 2', -4],
    ['(-2) ^ 2', 4],
    ['2 ** 3', 8],
    ['10 - 4 - 3', 3],
    ['100 / 10 / 2', 5],
    ['7 % 3', 1],
    ['15%', 0.15],
    ['15 % of 240', 36],
    ['50% * 8', 4],
    ['1,234,567.5 + 0.5', 1_234_568],
    ['.5 + 1.', 1.5],
    ['1e3 × 2', 2_000],
    ['9 ÷ 3 − 1', 2],
    ['--3', 3],
    ['2 * -3', -6],
    ['0.1 + 0.2', 0.3],
    ['17 mod 5', 2],
    ['0 * -1', 0],
  ]
  for (const [expression, value] of expected) assert.equal(calculate(expression), value, expression)
})

test('what is not arithmetic is refused with a reason', () => {
  for (const expression of [
    '',
    '  ',
    'abc',
    '1 +',
    '(1',
    '1)',
    '1 2',
    '2 3 +',
    '1,00',
    'process.exit()',
    'globalThis',
    '`1`',
    '1;2',
    '[1]',
    'Math.max(1)',
    '1 / 0',
    '5 % 0',
    '0 ^ -1',
    '9 ^ 9 ^ 9',
    '\u0000',
  ])
    assert.throws(() => calculate(expression), /expression|result/i, expression)
  assert.throws(() => calculate('('.repeat(400) + '1' + ')'.repeat(400)), /nested/)
  assert.throws(() => calculate('1+'.repeat(600) + '1'), /characters/)
})

test('agrees with JavaScript on sums, differences and products of whole numbers', () => {
  const tree: fc.Arbitrary<string> = fc.letrec((tie) => ({
    term: fc.oneof(
      { depthSize: 'small' },
      fc.integer({ min: 0, max: 999 }).map(String),
      fc
        .tuple(tie('term'), fc.constantFrom('+', '-', '*'), tie('term'))
        .map(([a, sign, b]) => `(${a as string} ${sign} ${b as string})`),
    ),
  })).term as fc.Arbitrary<string>
  fc.assert(
    fc.property(tree, (expression) => {
      fc.pre(expression.length < 900)
      const expected = new Function(`return ${expression}`)() as number
      fc.pre(Math.abs(expected) < 1e15)
      assert.equal(calculate(expression), expected + 0)
    }),
    { numRuns: 200 },
  )
})

test('any text at all ends in a number or an error', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 40, size: 'max' }), (text) => {
      try {
        assert.ok(Number.isFinite(calculate(text)))
      } catch (error) {
        assert.match((error as Error).message, /expression|result/i)
      }
    }),
  )
})

test('the tool validates its input and answers with a value', async () => {
  const tool = calculator()
  assert.equal(tool.inputSchema.safeParse({ expression: '' }).success, false)
  assert.deepEqual(await tool.execute({ expression: '12 * (3 + 4)' }), { value: 84 })
})
