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
  return plainText(text.replaceAll(/\p{Cf}/gu, ''))
}

/** Whether the value stands in the searchable text, not as a part of a longer word or number. */
export function holds(where: string, value: Value): boolean {
  if (typeof value === 'number')
    return [...where.matchAll(NUMBER)].some(([found]) => Number(found.replaceAll(',', '')) === value)
  const what = plainText(String(value))
  // Nothing stands everywhere, and the search for it would not end.
  if (what === '') return false
  for (let at = where.indexOf(what); at >= 0; at = where.indexOf(what, at + 1)) {
    if (!adjoins(where, at - 1, -1) && !adjoins(where, at + what.length, 1)) return true
  }
  return false
}

/** Not within a word, a date or an account. */
const NUMBER =
  /(?<![\p{L}\p{N}_]|[\p{L}\p{N}_][-.,:/])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\p{L}\p{N}_]|[-.,:/][\p{L}\p{N}_])/gu

/** Whether what stands there belongs to the same word, address or path: `mark@a.org` does not stand in `x.mark@a.org`. */
function adjoins(text: string, at: number, step: 1 | -1): boolean {
  const next = text[at] ?? ' '
  return WORD.test(next) || (JOINT.test(next) && WORD.test(text[at + step] ?? ' '))
}

const WORD = /[\p{L}\p{N}_]/u
const JOINT = /[-.@+/:'’!#$%&*=?^{|}~\\\p{Pd}]/u

/** Compared without regard to white space, and to how a character is composed. Case counts: it does in passwords and paths. */
function plainText(text: string): string {
  return text.normalize('NFC').replaceAll(/\s+/g, ' ').trim()
}
