/**
 * The words of a text, and how often it holds some stems.
 *
 *     wordsIn("Anna's café didn’t open.")                   // ['anna', 'cafe', 'didn', 'open']
 *     const wanted = wantedStems(['go', 'open'])
 *     countStems('She went. It opened.', wanted, counts, 0)  // 4 words; counts is now [1, 1]
 *
 * `runsIn` is for what looks at words as somebody wrote them, and changes nothing about them but their case. `isSpaced` tells
 * whether words are to be found by the spaces between them at all.
 *
 * Many notes are read for one recall, so a text is gone through letter by letter, and only a word that begins as one of the
 * stems may begin is cut out and stemmed.
 *
 * Invariants
 *   W1. `countStems` counts what stemming each of `wordsIn` would give.
 *   W2. Case, accents, width of letters and the ending after an apostrophe change nothing.
 */
import { formsOf, stem } from './stem.ts'

/** Stems to count. */
export interface WantedStems {
  readonly columns: ReadonlyMap<string, number>
  /** The first two letters of every word that may have one of the stems, as `startOf` gives them. */
  readonly starts: ReadonlySet<number>
}

/** The words of a text, lower case, in their order. */
export function wordsIn(text: string): string[] {
  const words: string[] = []
  const plain = plainOf(text)
  scan(plain, (from, to) => void words.push(plain.slice(from, to)))
  return words
}

/** The runs of letters, digits and marks of a text as they are written, in lower case: accents and endings stay. */
export function runsIn(text: string): string[] {
  // Most texts are plain: they need no look at the tables of Unicode.
  if (ASCII_ONLY.test(text)) return text.toLowerCase().match(/[a-z0-9]+/g) ?? []
  return text.normalize('NFKC').toLowerCase().match(RUN) ?? []
}

/** Whether its words stand between spaces: nothing of it is of a script that is written without. */
export function isSpaced(text: string): boolean {
  return !UNSPACED.test(text)
}

/** Stems to count, each in the column of its place. */
export function wantedStems(stems: readonly string[]): WantedStems {
  const starts = new Set<number>()
  // Suffixes are stripped from three letters on and leave two, so but for irregular forms a word begins as its stem does.
  for (const each of stems) for (const form of [each, ...formsOf(each)]) starts.add(startOf(form, 0, form.length))
  return { columns: new Map(stems.map((each, column) => [each, column])), starts }
}

/** Adds how often the text holds each stem to `counts` from `row` on, and returns how many words it has. */
export function countStems(text: string, { columns, starts }: WantedStems, counts: Uint16Array, row: number): number {
  const plain = plainOf(text)
  let length = 0
  scan(plain, (from, to) => {
    length++
    if (!starts.has(startOf(plain, from, to))) return
    const column = columns.get(stem(plain.slice(from, to)))
    if (column !== undefined) counts[row + column]!++
  })
  return length
}

function startOf(text: string, from: number, to: number): number {
  return text.charCodeAt(from) * 65_536 + (to - from > 1 ? text.charCodeAt(from + 1) : 0)
}

/** Lower case, without accents, and with one kind of apostrophe. */
function plainOf(text: string): string {
  const lower = text.toLowerCase().replaceAll('’', "'")
  return ASCII_ONLY.test(lower) ? lower : lower.normalize('NFKD').replaceAll(ACCENTS, '').normalize('NFC').toLowerCase()
}

// oxlint-disable-next-line no-control-regex -- all of ASCII is meant
const ASCII_ONLY = /^[\u0000-\u007F]*$/
const ACCENTS = /[\u0300-\u036F]/g
/** "'s", "'ll" and the like, which say nothing. */
const ENDING = /'(?:s|t|re|ve|ll|d|m)(?![\p{L}\p{N}\p{M}])/uy
const LETTER = /[\p{L}\p{N}\p{M}]/u
const RUN = /[\p{L}\p{N}\p{M}]+/gu
/** Scripts without spaces between their words. */
const UNSPACED = /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Mymr}\p{sc=Khmr}]/u
const APOSTROPHE = 39

/** Tells where each word begins and ends. */
function scan(plain: string, tell: (from: number, to: number) => void): void {
  let from = -1
  for (let i = 0; i <= plain.length; i++) {
    if (isOfWord(plain, i)) {
      if (from === -1) from = i
      continue
    }
    if (from === -1) continue
    tell(from, i)
    from = -1
    if (plain.charCodeAt(i) !== APOSTROPHE) continue
    ENDING.lastIndex = i
    if (ENDING.test(plain)) i = ENDING.lastIndex - 1
  }
}

/** Whether a letter, a digit or a mark stands there. */
function isOfWord(plain: string, at: number): boolean {
  const code = plain.charCodeAt(at)
  if (code < 128) return (code >= 97 && code <= 122) || (code >= 48 && code <= 57)
  const point = plain.codePointAt(code >= 0xdc00 && code < 0xe000 ? at - 1 : at)
  // The second half of no pair, which may stand first, and the end.
  if (point === undefined || (point < 0x10000 && point !== code)) return false
  return LETTER.test(String.fromCodePoint(point))
}
