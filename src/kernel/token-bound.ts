/**
 * A cautious estimate of the tokens of a text, nearly an upper bound, for windows that must not overflow before a provider has counted them.
 *
 *     boundTokens('Call me Ishmael.')   // 10.96…, where a provider counts 5
 *
 * It goes through the text as the splitting rules of today's byte-level vocabularies do (letters, digits in threes, white
 * space, the rest) and takes for each piece a little more than such a vocabulary takes for the worst piece of its kind:
 * letters that seldom stand together, capitals in the middle, symbols beyond ASCII by their bytes. So English prose and code
 * come out at 1.6 to 1.8 times the count, and scripts that have large vocabularies of their own at 3 to 5 times
 * (`node bench/context.ts`): what is too much is taken back as soon as a provider has counted it (context.ts).
 *
 * The costs were fitted to two published vocabularies of 100,000 and 200,000 tokens, and test/context.test.ts holds the
 * bound against both. It is no theorem: made-up words of common pairs of letters can take half as much again as it says, and
 * a vocabulary that never saw a language may take a token a byte.
 */

/**
 * Pairs of letters that make up 98 % of those in English prose and code (Moby-Dick; the docs and the kernel of this
 * repository). Two letters that stand together so often are seldom parted by a vocabulary that was made from such text.
 */
const commonPairs: { readonly [first: string]: string } = {
  a: 'bcdfghiklmnprstuvwy',
  b: 'abeiloruy',
  c: 'acehiklortu',
  d: 'adeilorsuy',
  e: 'acdefgilmnpqrstvwxy',
  f: 'aefilortu',
  g: 'aehilnorsu',
  h: 'aeiortu',
  i: 'abcdefgklmnoprstv',
  j: 'o',
  k: 'eins',
  l: 'adefilmostuy',
  m: 'abeimopsuy',
  n: 'acdegiklnostuy',
  o: 'abcdefgiklmnoprstuvwy',
  p: 'aeiloprstu',
  q: 'u',
  r: 'abcdegiklmnoprstuvy',
  s: 'acehiklmopstuw',
  t: 'acehilorstuwy',
  u: 'abcdegilmnprst',
  v: 'aeio',
  w: 'aehinos',
  x: 't',
  y: 'eos',
}

/** Bit `b` of `pairs[a]`: letter `b` often follows letter `a`. */
const pairs: readonly number[] = Array.from({ length: 26 }, (_, a) => {
  let bits = 0
  for (const b of commonPairs[String.fromCharCode(97 + a)] ?? '') bits |= 1 << (b.charCodeAt(0) - 97)
  return bits
})

// Costs in tokens. Each is what made the bound hold on the worst text of its kind, rounded up.
const COMMON = 0.2
/** From the sixth letter of a word: long words are few in a vocabulary, however common their pairs. */
const LONG = 0.45
const RARE = 0.9
/** Capitals after one another: initials and shouted words are in few vocabularies. */
const CAPITAL = 0.3
/** Between a capital in the middle of a word and the letter behind it. */
const HUMP = 0.6
const PUNCTUATION = 0.8
/** White space that repeats itself comes in tokens of up to 16 and more. */
const SAME_SPACE = 1 / 16

/** Costs are those of many pieces together. A few may be all of the dear kind: the more there are, the less likely. */
const MARGIN = 1.2

const other = 0
const lower = 1
const upper = 2
const digit = 3
const space = 4
const punctuation = 5
const kinds = Uint8Array.from({ length: 128 }, (_, code) => {
  if (code >= 97 && code <= 122) return lower
  if (code >= 65 && code <= 90) return upper
  if (code >= 48 && code <= 57) return digit
  if (code === 32 || code === 9 || code === 10 || code === 13) return space
  return code < 32 || code === 127 ? other : punctuation
})

/** Tokens that a text has at most, but for the exceptions above; not rounded. */
export function boundTokens(text: string): number {
  let tokens = 0
  let before = other
  let last = 0
  let length = 0
  /** The last capital stood inside a word. */
  let isHump = false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    const kind = code < 128 ? (kinds[code] as number) : other
    switch (kind) {
      case lower:
      case upper:
        if (before === kind || (before === upper && kind === lower)) {
          const a = (last | 32) - 97
          const b = (code | 32) - 97
          length++
          const isCommon = (((pairs[a] as number) >> b) & 1) === 1
          tokens += !isCommon ? RARE : isHump ? HUMP : length > 5 ? LONG : COMMON
          if (kind === upper) tokens += CAPITAL
          isHump = false
        } else {
          isHump = before === lower
          length = 1
          tokens += 1
        }
        break
      case digit:
        length = before === digit ? length + 1 : 0
        if (length % 3 === 0) tokens += 1
        break
      case space: {
        // One space goes with the word behind it.
        const following = text.charCodeAt(i + 1)
        const isFree =
          code === 32 &&
          before !== space &&
          following < 128 &&
          kinds[following] !== space &&
          kinds[following] !== digit &&
          kinds[following] !== other
        if (!isFree) tokens += before === space && last === code && code !== 13 ? SAME_SPACE : 1
        break
      }
      case punctuation:
        tokens += before === punctuation ? PUNCTUATION : 1
        break
      default:
        if (code < 128) tokens += 1
        else {
          tokens += beyondAscii(code)
          // The second half of a pair: its first has paid for both.
          if (code >= 0xd800 && code < 0xdc00) i++
        }
    }
    before = kind
    last = code
  }
  return tokens + MARGIN * Math.sqrt(tokens)
}

/** A character beyond ASCII, or both halves of one: by its script where that is in the vocabularies, else a token a byte. */
function beyondAscii(code: number): number {
  // Control characters of Latin-1: no vocabulary has them.
  if (code < 0xa0) return 2
  if (code < 0x100) return 1.5
  if (code >= 0x3ac && code < 0x3d0) return 1.6
  // Cyrillic: capitals that seldom stand together take a token a byte.
  if (code >= 0x410 && code < 0x430) return 1.6
  if (code >= 0x430 && code < 0x450) return 1.1
  // Hebrew letters, Arabic letters and their first marks; what lies between is in few texts.
  if ((code >= 0x5d0 && code < 0x5eb) || (code >= 0x621 && code < 0x63b) || (code >= 0x640 && code < 0x653)) return 1.6
  if (code < 0x800) return 2
  if (code >= 0x900 && code < 0x980) return 2.1
  if (code >= 0xe00 && code < 0xe80) return 1.8
  // Dashes, quotation marks, the ellipsis.
  if (code >= 0x2010 && code < 0x2027) return 2
  if (code >= 0x3000 && code < 0x3100) return 1.8
  if (code >= 0x4e00 && code < 0xa000) return 2.6
  if (code >= 0xd800 && code < 0xdc00) return 4
  return 3
}
