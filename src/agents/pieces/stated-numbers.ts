/**
 * Numbers that a text states, and whether its sources hold them. paper-coder.ts and public-agent.ts send back what they do not.
 *
 *     inventedNumbers('In 2021 it was 82 mm, not 90.', [question, { rows: [[2021, 81.7]] }])      // ['90']
 *
 * Signs are left out: a text says "fell by 3". A comma is part of a number where it groups all its digits by three ("1,234,567"), else it stands
 * between two ("32,64,128" are three, "2021,820" are two).
 *
 * Invariants
 *   SN1. Numbers of data are taken as they are, each cell for itself: no two of them ever make a third.
 *   SN2. A number of a text has one reading, but in a source for what stands in brackets: "(128,256)" may be a list as well as a number.
 */
import type { Json } from '../../kernel/types.ts'

interface Stated {
  readonly written: string
  readonly value: number
  /** Behind the point. */
  readonly digits: number
}

const ONE = String.raw`(?:\d+(?:\.\d+)?|(?<![\w)])\.\d+)(?:e[-+]?\d+)?`
const LIST = new RegExp(`${ONE}(?:,${ONE})*`, 'gi')
const GROUPED = /^[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?(?:e[-+]?\d+)?$/i

function numbersIn(text: string, isSource: boolean): readonly Stated[] {
  return [...text.matchAll(LIST)].flatMap(({ 0: list, index }) => {
    if (!GROUPED.test(list)) return list.split(',').map(stated)
    const isBracketed = /[([{]/.test(text[index - 1] ?? '') && /[)\]}]/.test(text[index + list.length] ?? '')
    return [list].concat(isSource && isBracketed ? list.split(',') : []).map(stated)
  })
}

function stated(written: string): Stated {
  const digits = /\.(\d+)/.exec(written)?.[1]?.length ?? 0
  return { written, value: Number(written.replaceAll(',', '')), digits }
}

/** Every number of some data or texts, without its sign; names of fields are texts too. */
export function knownNumbers(source: Json): readonly number[] {
  if (typeof source === 'number') return [Math.abs(source)]
  if (typeof source === 'string') return numbersIn(source, true).map(({ value }) => value)
  if (source === null || typeof source === 'boolean') return []
  if (Array.isArray(source)) return source.flatMap((one) => knownNumbers(one as Json))
  return Object.entries(source).flatMap(([name, one]) => knownNumbers(name).concat(knownNumbers(one as Json)))
}

/** Numbers of a text, as it writes them, that no number of its sources is, rounded to as many digits. */
export function inventedNumbers(text: string, sources: Json): string[] {
  const known = knownNumbers(sources)
  return numbersIn(text, false).flatMap(({ written, value, digits }) =>
    known.some((one) => Math.abs(one - value) <= 0.5 * 10 ** -digits + 1e-9 * value) ? [] : [written],
  )
}
