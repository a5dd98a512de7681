/**
 * Words as the search of a store knows them: folded, and English ones reduced to their stems.
 *
 *     tokensOf('Die Übergröße RUNS naïvely')    // ['die', 'ubergroße', 'run', 'naiv']
 *     termsOf('covid-19')                       // [['covid', '19']]: one word of two tokens
 *
 * A token is a run of letters and digits. Case, accents and the width of letters do not count. Scripts that are written
 * without spaces are cut by dictionaries (folder/segments.ts), and English endings as the reader does (kernel/stem.ts).
 *
 * Invariants
 *   TK1. The tokens of a text depend on the text alone, so that a store reads tomorrow what it wrote today.
 *   TK2. No token is empty, holds a space, or is longer than `TOKEN_CHARS_MAX`; of a longer one the beginning counts.
 */
import { spaced } from '../folder/segments.ts'
import { stem } from '../../kernel/stem.ts'

/** Longer runs of letters are data rather than words; their beginning tells them apart well enough. */
const TOKEN_CHARS_MAX = 64

const token = /[\p{L}\p{N}\p{Co}]+/gu
const plain = /^[a-z]+$/
const ascii = /^[\0-\x7f]*$/

/** The tokens of a text, in its order, with repetitions. */
export function tokensOf(text: string): string[] {
  const isAscii = ascii.test(text)
  const folded = (isAscii ? text : spaced(text.toWellFormed().normalize('NFKC'))).toLowerCase()
  const found = folded.match(token) ?? []
  for (let i = 0; i < found.length; i++) found[i] = foldedToken(found[i] as string, isAscii)
  return found
}

/** What to look for: of each word its tokens, all of which an entry has to hold. Without repetitions. */
export function termsOf(words: readonly string[]): string[][] {
  const found = new Map<string, string[]>()
  for (const word of words) {
    // A run of signs without spaces between them is several words, of which any will do.
    const whole = word.toWellFormed().normalize('NFKC')
    const cut = spaced(whole)
    for (const part of cut === whole ? [whole] : cut.split(' ')) {
      const tokens = [...new Set(tokensOf(part))]
      if (tokens.length > 0) found.set(tokens.join(' '), tokens)
    }
  }
  return [...found.values()]
}

function foldedToken(token: string, isAscii: boolean): string {
  const bare = isAscii
    ? token
    : token
        .normalize('NFD')
        .replaceAll(/\p{M}+/gu, '')
        .normalize('NFC') || token
  const whole = plain.test(bare) && bare.length <= TOKEN_CHARS_MAX ? stemOf(bare) : bare
  return whole.length <= TOKEN_CHARS_MAX ? whole : whole.slice(0, TOKEN_CHARS_MAX).toWellFormed()
}

/** Stems that are known, by when they were met last: what is asked for again and again outlives names that come once. */
let young = new Map<string, string>()
let old = new Map<string, string>()
const GENERATION_WORDS = 32_768

function stemOf(word: string): string {
  let found = young.get(word)
  if (found !== undefined) return found
  found = old.get(word) ?? stem(word)
  if (young.size >= GENERATION_WORDS) {
    old = young
    young = new Map()
  }
  young.set(word, found)
  return found
}
