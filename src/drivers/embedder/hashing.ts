/**
 * The hashing embedder: vectors of texts without a model, a network or a table. The default where nothing better is named.
 *
 *     const kernel = await boot({ embedder: 'hashing' })
 *     const [vector] = await hashingEmbedder().embed(['The ships sailed'], { signal })
 *
 * Feature hashing (Weinberger et al. 2009, "Feature hashing for large scale multitask learning", section 2): each feature of a
 * text is added, with a sign, to the one dimension that its hash names, so that what collides cancels in the mean. Features
 * are stems, pairs of stems that stand together, and the runs of 3 and 4 characters of a word with its borders, by which forms, typing errors
 * and compounds are near (Bojanowski et al. 2017, "Enriching word vectors with subword information", section 3.2). A word that is said
 * n times counts 1 + ln n times; words that stand in nearly every English text count little. The sum is brought to length 1.
 *
 * It knows no meanings: a text is near to another because of what is written, not of what is meant. Where that is needed,
 * use a model (ai-sdk.ts). Who can write notes can also compute it: see docs/redteam.md for what a trigger made against it
 * does, and for what stops that.
 *
 * Invariants
 *   HE1. A vector is a function of the text, the dimensions and this file: no state, no order of calls, no machine changes it.
 *   HE2. It has length 1, or is all zeros for a text without a letter or digit.
 *   HE3. Case, width of letters (NFKC) and punctuation change nothing.
 */
import type { Embedder } from '../../kernel/drivers.ts'
import { dropOldest } from '../../kernel/drop-oldest.ts'
import { PolityError } from '../../kernel/errors.ts'
import { stem } from '../../kernel/stem.ts'
import { isSpaced, runsIn } from '../../kernel/words.ts'

export interface HashingOptions {
  /** Numbers of a vector; a power of two from 32 to 65,536. @default 256 */
  readonly dimensions?: number
}

/** Weights of the kinds of features, against a stem's 1. Ours, by a search over a few values (`node bench/embedders.ts` shows what they give). */
const PAIR = 0.3
const PIECES = 0.8
/** Weight of a word that says little, and of a pair of such words. */
const COMMON = 0.15
/** Words whose features are kept; the oldest go first. */
const WORDS_KEPT_MAX = 16_384
/** Texts between two looks at the signal. */
const TEXTS_A_TURN = 512

export function hashingEmbedder({ dimensions = 256 }: HashingOptions = {}): Embedder {
  if (!Number.isInteger(Math.log2(dimensions)) || dimensions < 32 || dimensions > 65_536)
    throw new PolityError(
      'CONFIG_INVALID',
      `hashingEmbedder: dimensions takes a power of two from 32 to 65,536, not ${dimensions}`,
    )
  const mask = dimensions - 1
  const words = new Map<string, Features>()

  function featuresOf(word: string): Features {
    let features = words.get(word)
    if (features === undefined) {
      if (words.size >= WORDS_KEPT_MAX) dropOldest(words)
      words.set(word, (features = featuresOfWord(word, mask)))
    }
    return features
  }

  /** Made once: what a text fills is emptied by the next one. */
  const sum = new Float64Array(dimensions)

  function add(signed: number, weight: number): void {
    if (signed < 0) sum[~signed]! -= weight
    else sum[signed]! += weight
  }

  function vectorOf(text: string): number[] {
    sum.fill(0)
    const said = wordsOf(text).map(featuresOf)
    for (const [features, count] of countsOf(said)) {
      const { isCommon, pieces } = features
      const times = count === 1 ? 1 : 1 + Math.log(count)
      add(features.whole, times * (isCommon ? COMMON : 1))
      // All the pieces of a word together weigh as much in a long one as in a short one.
      const weight = PIECES / Math.sqrt(pieces.length)
      for (let i = 0; i < pieces.length; i++) add(pieces[i] as number, times * weight)
    }
    for (const [pair, count] of countsOf(pairsOf(said)))
      sum[pair & mask]! += (pair < 0 ? -PAIR : PAIR) * (1 + Math.log(count))
    let squares = 0
    for (let i = 0; i < dimensions; i++) squares += (sum[i] as number) ** 2
    const scale = squares === 0 ? 0 : 1 / Math.sqrt(squares)
    // oxlint-disable-next-line no-new-array -- made at its length, it is filled twice as fast
    const vector = new Array<number>(dimensions)
    for (let i = 0; i < dimensions; i++) vector[i] = (sum[i] as number) * scale
    return vector
  }

  return {
    name: dimensions === 256 ? 'hashing' : `hashing-${dimensions}`,
    async embed(texts, { signal }) {
      const vectors: number[][] = []
      for (const [i, text] of texts.entries()) {
        // Others have their turn during a long list, and it can be stopped.
        if (i % TEXTS_A_TURN === TEXTS_A_TURN - 1) await new Promise((resolve) => void setImmediate(resolve))
        signal.throwIfAborted()
        vectors.push(vectorOf(text))
      }
      return vectors
    },
  }
}

/** How often each one is there. */
function countsOf<T>(all: readonly T[]): ReadonlyMap<T, number> {
  const counts = new Map<T, number>()
  for (const one of all) counts.set(one, (counts.get(one) ?? 0) + 1)
  return counts
}

/** Hashes of the pairs of words that stand together, but for those of two common ones. */
function pairsOf(said: readonly Features[]): number[] {
  const pairs: number[] = []
  for (let i = 1; i < said.length; i++) {
    const a = said[i - 1] as Features
    const b = said[i] as Features
    if (!(a.isCommon && b.isCommon)) pairs.push(mixed(Math.imul(a.stem, 31) ^ mixed(b.stem)))
  }
  return pairs
}

/**
 * What one word adds to a vector. A place with its sign is one number: the place itself where something is added, its
 * complement `~place` where it is taken away. Small integers in plain arrays take a quarter of what typed arrays of this size do.
 */
interface Features {
  /** Hash of the stem, for pairs. */
  readonly stem: number
  readonly whole: number
  readonly pieces: readonly number[]
  readonly isCommon: boolean
}

function featuresOfWord(word: string, mask: number): Features {
  const isCommon = COMMON_WORDS.has(word)
  const hash = hashOf(`w${stem(word)}`)
  const signed = (of: number): number => (of < 0 ? ~(of & mask) : of & mask)
  const pieces = isCommon ? [] : piecesOf(word).map((piece) => signed(hashOf(`p${piece}`)))
  return { stem: hash, whole: signed(hash), pieces, isCommon }
}

/** The runs of 3 and 4 characters of a word between its borders. */
function piecesOf(word: string): string[] {
  const chars = [...`<${word}>`]
  const pieces: string[] = []
  for (const size of [3, 4])
    for (let at = 0; at + size <= chars.length && pieces.length < PIECES_MAX; at++)
      pieces.push(chars.slice(at, at + size).join(''))
  return pieces
}

/** Pieces of one word: a run of letters that is no word costs no more. */
const PIECES_MAX = 64

/** Words in lower case; of scripts without spaces (Han, kana, Thai …) two signs that stand together. */
function wordsOf(text: string): string[] {
  const words = runsIn(text)
  return words.every(isSpaced) ? words : words.flatMap(signPairs)
}

function signPairs(word: string): string[] {
  const signs = [...word]
  if (signs.length < 3 || isSpaced(word)) return [word]
  return signs.slice(1).map((sign, i) => `${signs[i] as string}${sign}`)
}

/** FNV-1a over UTF-16 units (Fowler, Noll, Vo; offset basis and prime for 32 bits), mixed so that all its bits can be used. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return mixed(hash)
}

/** The last steps of MurmurHash3 (Appleby 2011, `fmix32`). */
function mixed(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

/** Words of English that stand in nearly every text. */
const COMMON_WORDS: ReadonlySet<string> = new Set(
  (
    'a about after all also am an and any are as at be because been before being but by can could did do does doing don down during each ' +
    'for from get go going got had has have having he her here hers him his how i if in into is it its just let like ll m me more most ' +
    'my no not now of off on once only or other our ours out over own re really s said same she should so some such t than that the ' +
    'their them then there these they this those through to too under until up ve very was we well were what when where which while ' +
    'who whom whose why will with would yes you your yours d im dont'
  ).split(' '),
)
