/**
 * The calculator: arithmetic as a tool, by a small recursive-descent parser. Nothing is ever evaluated as code.
 *
 *     calculate('15% of 240')            // 36
 *     calculate('2 ^ 3 ^ 2 − 1,000')     // -488
 *     calculator()                       // the tool { name: 'calculator', … }
 *
 * Grammar, loosest first:  sum = product (('+'|'-') product)*   product = signed (('*'|'/'|'of') signed | '%' signed)*   signed = ('+'|'-')* power   power = percent ('^' signed)?
 *                          percent = atom '%'*   atom = number | '(' sum ')'
 *
 * Invariants
 *   C1. `%` before a number or a parenthesis is the remainder (`7 % 3` is 1); at the end of a term it is a percentage (`15 %` is 0.15).
 *   C2. `^` binds to the right and tighter than a sign before it: `-2 ^ 2` is -4, `2 ^ 3 ^ 2` is 512.
 *   C3. The result is a finite number or an error that says where the expression is wrong; never NaN or Infinity.
 *
 * Numbers are IEEE doubles; the result is rounded to 15 significant digits, so `0.1 + 0.2` is 0.3.
 */
import { z } from 'zod'

/** Longer expressions are refused. */
export const expressionCharsMax = 1_000
const depthMax = 100

/** The value of an arithmetic expression, or an error that points at the fault. */
export function calculate(expression: string): number {
  if (expression.length > expressionCharsMax)
    throw new Error(`The expression has ${expression.length} characters; at most ${expressionCharsMax} are allowed.`)
  const tokens = tokensOf(expression)
  let position = 0
  let depth = 0

  const peek = (): string | undefined => tokens[position]?.text
  const fault = (): Error => {
    const token = tokens[position]
    const where = token ? `at character ${token.at + 1}, near ${JSON.stringify(token.text)}` : 'at its end'
    return new Error(`The expression ${JSON.stringify(expression)} is not arithmetic ${where}.`)
  }

  function sum(): number {
    if (++depth > depthMax) throw new Error(`The expression is nested deeper than ${depthMax} levels.`)
    let value = product()
    for (let operator = peek(); operator === '+' || operator === '-'; operator = peek()) {
      position++
      const right = product()
      value = operator === '+' ? value + right : value - right
    }
    depth--
    return value
  }

  function product(): number {
    let value = signed()
    for (;;) {
      const operator = peek()
      if (operator !== '*' && operator !== '/' && operator !== 'of' && operator !== '%') return value
      position++
      const right = signed()
      if ((operator === '/' || operator === '%') && right === 0) throw new Error('The expression divides by zero.')
      value = operator === '/' ? value / right : operator === '%' ? value % right : value * right
    }
  }

  function signed(): number {
    let sign = 1
    for (let operator = peek(); operator === '+' || operator === '-'; operator = peek()) {
      position++
      if (operator === '-') sign = -sign
    }
    return sign * power()
  }

  function power(): number {
    const base = percent()
    if (peek() !== '^') return base
    position++
    if (++depth > depthMax) throw new Error(`The expression is nested deeper than ${depthMax} levels.`)
    const value = base ** signed()
    depth--
    return value
  }

  function percent(): number {
    let value = atom()
    while (peek() === '%' && !startsTerm(tokens[position + 1]?.text)) {
      position++
      value /= 100
    }
    return value
  }

  function atom(): number {
    const token = tokens[position]
    if (token?.text === '(') {
      position++
      const value = sum()
      if (peek() !== ')') throw fault()
      position++
      return value
    }
    if (token?.value === undefined) throw fault()
    position++
    return token.value
  }

  const value = sum()
  if (position < tokens.length) throw fault()
  if (!Number.isFinite(value)) throw new Error(`The result of ${JSON.stringify(expression)} is not a finite number.`)
  return Number(value.toPrecision(15)) + 0 // + 0 turns -0 into 0
}

interface Token {
  readonly text: string
  readonly at: number
  /** Set for numbers. */
  readonly value?: number
}

const tokenPattern =
  /\s*(?:(\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|(?:\d[\d_]*\.?\d*|\.\d+)(?:e[+-]?\d+)?)|(\*\*|[-+*/%^()]|of\b|mod\b))/iy
const spellings: Readonly<Record<string, string>> = { '**': '^', mod: '%' }

function tokensOf(expression: string): Token[] {
  const text = expression
    .replaceAll(/[×·∙⋅]/g, '*')
    .replaceAll('÷', '/')
    .replaceAll(/[−–]/g, '-')
  const tokens: Token[] = []
  const end = text.trimEnd().length
  tokenPattern.lastIndex = 0
  while (tokenPattern.lastIndex < end) {
    const at = tokenPattern.lastIndex
    const match = tokenPattern.exec(text)
    if (!match) {
      const start = at + (/^\s*/.exec(text.slice(at))?.[0].length ?? 0)
      throw new Error(
        `The expression ${JSON.stringify(expression)} is not arithmetic at character ${start + 1}, near ${JSON.stringify(text.slice(start, start + 12))}.`,
      )
    }
    const start = match.index + match[0].length - (match[1] ?? match[2] ?? '').length
    if (match[1] !== undefined)
      tokens.push({ text: match[1], at: start, value: Number(match[1].replaceAll(/[,_]/g, '')) })
    else {
      const sign = (match[2] ?? '').toLowerCase()
      tokens.push({ text: spellings[sign] ?? sign, at: start })
    }
  }
  if (tokens.length === 0) throw new Error('The expression is empty.')
  return tokens
}

function startsTerm(text: string | undefined): boolean {
  return text !== undefined && (text === '(' || /^[\d.]/.test(text))
}

/** The tool an agent calls: `calculator({ expression })` → `{ value }`. */
export function calculator() {
  return {
    name: 'calculator',
    description:
      'Computes an arithmetic expression: + - * / ^ and parentheses, % as remainder (7 % 3) or percentage (15% of 240), decimals, thousands separators.',
    inputSchema: z.object({
      expression: z.string().min(1).max(expressionCharsMax).describe('For example (3 + 4) * 12, or 15% of 1,240'),
    }),
    outputSchema: z.object({ value: z.number() }),
    effect: 'read',
    execute: async (input: { expression: string }): Promise<{ value: number }> => ({
      value: calculate(input.expression),
    }),
  } as const
}
