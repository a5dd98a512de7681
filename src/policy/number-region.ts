/**
 * Numbers that make claims true: candidates are tried, one of every kind from every interval.
 *
 *     findNumber([{ form: read({ exclusiveMinimum: 3, type: 'integer' }), doubt: false, want: true }], question)     // { value: 4 }
 *
 * Between two bounds that conditions name, their truth changes only with being an integer and being a multiple. Multiples
 * repeat with their common period, on a grid of decimals.
 *
 * Invariant
 *   NR1. 'none' is said only when every kind of double was tried: with multiples, when they are no finer than 1e-9, with
 *        a period up to 20,000 grid points, and bounds below 1e6 (2^51 for whole multiples). 'unknown' otherwise.
 */
import type { Claim, Found, Question } from './claims.ts'
import { firstOf, listed, unknown } from './claims.ts'
import type { Form } from './conditions.ts'
import { decimal, typeBits } from './conditions.ts'

interface Marks {
  /** Where the truth of a condition may change. */
  readonly bounds: Set<number>
  readonly multiples: Set<number>
}

function markNumbers(form: Form, marks: Marks): void {
  if ((form.speaksOf & typeBits.number) === 0) return
  for (const bound of [form.minimum, form.maximum, form.exclusiveMinimum, form.exclusiveMaximum])
    if (bound !== undefined) marks.bounds.add(bound)
  for (const { plain } of form.values) for (const value of plain) if (typeof value === 'number') marks.bounds.add(value)
  if (form.multipleOf !== undefined) marks.multiples.add(form.multipleOf)
  const parts = [...form.allOf, ...(form.anyOf ?? []), ...(form.oneOf ?? []), form.not, form.if, form.ifSo, form.ifNot]
  for (const part of parts) if (part !== undefined) markNumbers(part, marks)
}

export function findNumber(claims: readonly Claim[], question: Question): Found {
  const options = listed(claims, typeBits.number)
  if (options !== undefined) return firstOf(options, claims)
  const marks: Marks = { bounds: new Set([0]), multiples: new Set() }
  for (const { form } of claims) markNumbers(form, marks)
  const bounds = [...marks.bounds].sort((a, b) => Math.abs(a) - Math.abs(b))
  const tried = firstOf(bounds, claims)
  if (tried !== 'none') return tried
  const ascending = bounds.toSorted((a, b) => a - b)
  const grid = gridOf(marks.multiples)
  let isComplete = true
  for (const [from, to] of [
    ...ascending.map((bound, i) => [bound, ascending[i + 1] ?? Infinity] as const),
    [-Infinity, ascending[0] as number] as const,
  ]) {
    const found = firstOf(pointsOf(from, to, grid), claims)
    if (found !== 'none') return found
    isComplete &&= isGridKnown(from, to, grid)
  }
  return isComplete ? 'none' : unknown(question, 'the multiples are too fine, too large or too many')
}

/** Points i × 10^-digits, for i in a period, tell all combinations of multiples apart. */
interface Grid {
  readonly digits: number
  readonly period: number
  readonly multiples: readonly number[]
}

const periodMax = 20_000

function gridOf(multiples: ReadonlySet<number>): Grid {
  const list = [...multiples]
  const parts = list.map(decimal)
  const digits = Math.max(0, ...parts.map(({ exponent }) => -exponent))
  if (digits > 9) return { digits: 0, period: Infinity, multiples: list }
  let period = 10n ** BigInt(digits)
  for (const { digits: d, exponent } of parts) {
    const unit = d * 10n ** BigInt(Math.min(exponent, 400) + digits)
    period = (period / gcd(period, unit)) * unit
    if (period > periodMax) return { digits, period: Infinity, multiples: list }
  }
  return { digits, period: Number(period), multiples: list }
}

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b)
}

/** Whether `pointsOf` gives a point of each kind there is between two bounds. */
function isGridKnown(from: number, to: number, { digits, period, multiples }: Grid): boolean {
  if (multiples.length === 0) return true
  const near = Math.min(Math.abs(from), Math.abs(to))
  return period !== Infinity && near < (digits === 0 ? 2 ** 51 : 1e6)
}

/** Numbers strictly between two bounds of the same sign, one of each kind. */
function* pointsOf(from: number, to: number, grid: Grid): Generator<number> {
  const isUp = Math.abs(from) <= Math.abs(to)
  // From the end that is nearer to zero, where numbers lie closest, outwards.
  const [near, far] = isUp ? [from, to] : [to, from]
  const isInside = (point: number): boolean => (isUp ? point > near && point < far : point < near && point > far)
  const sign = isUp ? 1 : -1
  const scale = 10 ** grid.digits
  const first = Math.floor(Math.abs(near) * scale)
  const count = grid.period === Infinity ? 100 : grid.period + 1
  for (let i = 0; i <= count; i++) {
    const point = Number(`${sign * (first + i)}e-${grid.digits}`)
    if (Math.abs(point) > Math.abs(far)) break
    if (isInside(point)) yield point
  }
  for (const multiple of grid.multiples) {
    const point = sign * (Math.floor(Math.abs(near) / multiple) + 1) * multiple
    if (isInside(point)) yield point
  }
  const half = sign * (Math.floor(Math.abs(near)) + 0.5)
  const middle = Number.isFinite(far) ? near + (far - near) / 2 : near
  const beside = away(near, sign)
  for (const point of [half, middle, beside, away(beside, sign), away(away(beside, sign), sign)])
    if (isInside(point) && Number.isFinite(point)) yield point
}

/** The next number away from zero, in the direction of the sign. */
function away(value: number, sign: number): number {
  if (value === 0) return sign * Number.MIN_VALUE
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  view.setBigUint64(0, view.getBigUint64(0) + 1n)
  return view.getFloat64(0)
}
