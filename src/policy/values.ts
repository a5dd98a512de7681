/**
 * Values: whether a value stands in a text, as provenance understands it: as a whole word, number or address.
 *
 *     holds(searchable('to x.mark@a.org, 1,200.50'), 1200.5)       // true
 *     holds(searchable('to x.mark@a.org'), 'mark@a.org')           // false
 *
 * Invariant
 *   VA1. What stands in a text as a part of something longer (a word, a number, an address, a path, a date) does not stand in it.
 */
/** What provenance is asked of. */
export type Value = string | number | boolean

/** The texts, numbers and truth values in it, as texts. */
export function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value === 'number' || typeof value === 'boolean') return [String(value)]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}

/** A text to look for values in: characters that nobody sees join nothing and part nothing. */
export function searchable(text: string): string {
  return plainText(text.replaceAll(/[\p{Cf}\p{Variation_Selector}]/gu, ''))
}

/** A searchable text, with the numbers in it once they were looked for. */
export interface Text {
  readonly plain: string
  numbers?: Float64Array
}

/** What may still be spent on looking for values, characters. Below zero, what was said is not to be relied on. */
export interface Work {
  left: number
  /** Texts whose numbers have been paid for. */
  readonly read?: Set<Text>
}

/** What a character costs that is looked at one by one, in characters that are searched. */
const SLOW_COST = 8

/** Whether the value stands in the searchable text, not as a part of a longer word or number. Work is taken off `work`. */
export function holds(where: string | Text, value: Value, work: Work = { left: Infinity }): boolean {
  const text = typeof where === 'string' ? { plain: where } : where
  if (typeof value === 'number') return holdsNumber(text, value, work)
  const what = plainText(String(value))
  // Nothing stands everywhere, and the search for it would not end.
  if (what === '') return false
  const { plain } = text
  for (let from = 0; work.left >= 0;) {
    const at = plain.indexOf(what, from)
    work.left -= (at < 0 ? plain.length : at) - from + what.length
    if (at < 0) return false
    if (!adjoins(plain, at - 1, -1) && !adjoins(plain, at + what.length, 1)) return true
    // It does not stand within the word that it is a part of either.
    for (from = at + 1; from < plain.length && adjoins(plain, from - 1, -1);) from++
    work.left -= (from - at) * SLOW_COST
  }
  return false
}

function holdsNumber(text: Text, value: number, work: Work): boolean {
  const isRead = work.read?.has(text) === true
  work.left -= text.plain.length * (isRead ? 1 : SLOW_COST)
  if (work.left < 0) return false
  work.read?.add(text)
  text.numbers ??= Float64Array.from(text.plain.matchAll(NUMBER), ([found]) => numberOf(found))
  return text.numbers.includes(value)
}

/**
 * Not within a word, a date or an account, nor behind a sign or a point that is read with it; and no group of `1 000`, which
 * may be one number or two.
 */
const NUMBER =
  /(?<![\p{L}\p{M}\p{N}_][-−‒–.,:/]{0,8}|[-−‒–.,:/]{9}|[-−‒–.]|(?<!["'’)\]}]),|\d['’]|(?<![\p{L}\p{M}\p{N}_])\d{1,3} (?=\d{3}(?!\d)))[-−‒–]?(?!\d{1,3} \d{3}(?!\d))(?:\d+(?:[,'’]\d{3})*(?:\.\d+)?|\.\d+)(?![\p{L}\p{M}\p{N}_]|[-−‒–.,:/]+[\p{L}\p{M}\p{N}_]|['’]\d)/gu

function numberOf(written: string): number {
  return Number(written.replaceAll(/[,'’]/g, '').replace(/^[−‒–]/, '-'))
}

/** Whether what stands there belongs to the same word, address or path: `mark@a.org` does not stand in `x.mark@a.org`. */
function adjoins(text: string, at: number, step: 1 | -1): boolean {
  if (isWord(text, at)) return true
  const next = text[at] ?? ' '
  // `.5` and `−5` are not 5.
  if (step < 0 && SIGN.test(next) && DIGIT.test(text[at + 1] ?? ' ')) return true
  if (QUOTE.test(next)) return isWord(text, at + step)
  if (!JOINT.test(next)) return false
  let end = at + step
  for (; JOINT.test(text[end] ?? ' '); end += step) if (Math.abs(end - at) >= JOINTS_MAX) return true
  const isJoined = isWord(text, end)
  if (step > 0 || next !== '/') return isJoined
  // A path from its root; but what follows `https://` is a host.
  return !isJoined || text.slice(end + 1, at + 1) !== '://'
}

/** Whether a letter, a mark on one, or a digit stands there, or half of one that takes two units. */
function isWord(text: string, at: number): boolean {
  const half = text.charCodeAt(at) & 0xfc00
  if (half !== 0xd800 && half !== 0xdc00) return WORD.test(text[at] ?? ' ')
  return WORD.test(String.fromCodePoint(text.codePointAt(half === 0xd800 ? at : at - 1) ?? 32))
}

/** Joints in a row, beyond which it is not looked for a word behind them: it is taken that one is there. */
const JOINTS_MAX = 8

const WORD = /[\p{L}\p{M}\p{N}_]/u
const JOINT = /[-.@+/:!#$%&*=?^{|}~\\−\p{Pd}]/u
/** Joins what it stands between, and else marks what is quoted. */
const QUOTE = /['’]/
const SIGN = /[-−‒–.]/
const DIGIT = /\d/

/** Compared without regard to white space, and to how a character is composed. Case counts: it does in passwords and paths. */
function plainText(text: string): string {
  return text.normalize('NFC').replaceAll(/\s+/g, ' ').trim()
}
