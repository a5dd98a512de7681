/**
 * Texts of so many words: words are counted as a person would who allows so many. They stand between spaces, and in scripts that are written without them as
 * `Intl.Segmenter` cuts them by its dictionaries. What a search takes for words, and their stems, is in src/kernel/words.ts.
 *
 *     wordCount('The ice is thick.')       // 4
 *     wordCount('氷は厚いです。')            // 4: 氷 は 厚い です
 *     firstWords('氷は厚いです。', 3)         // '氷は厚い'
 *     ellipsized('The ice is thick.', 10)   // 'The ice…'
 */
import { isSpaced } from '../../kernel/words.ts'

/** What is cut by dictionaries at once, characters: a text without any space has no end. */
const SLICE_CHARS = 2_000
/** Made when first asked for: with its dictionaries it takes 4 MB and some 10 ms, and most texts stand between spaces. */
let segmenter: Intl.Segmenter | undefined

/** Only up to so many are counted. @param most @default all */
export function wordCount(text: string, most = Infinity): number {
  let count = 0
  for (const _ of wordEnds(text)) if (++count >= most) break
  return count
}

/** The text up to the end of so many words, with the signs that close the last of them. */
export function firstWords(text: string, most: number): string {
  let [count, last] = [0, 0]
  for (const end of wordEnds(text)) {
    if (++count > most) return text.slice(0, last)
    last = end
  }
  return text
}

/** At most so many characters, the last of them an ellipsis where there were more: behind a whole word, where words stand between spaces. */
export function ellipsized(text: string, charsMax: number): string {
  const signs = [...text]
  if (signs.length <= charsMax) return text
  const kept = signs.slice(0, charsMax - 1).join('')
  const [torn = ''] = /\s+\S*$/.exec(kept) ?? []
  return `${isSpaced(torn) ? kept.slice(0, kept.length - torn.length) : kept}…`
}

/** Where each word ends. */
function* wordEnds(text: string): Generator<number> {
  for (const { 0: run, index } of text.matchAll(/\S+/g)) {
    if (isSpaced(run)) yield index + run.length
    else for (let at = 0; at < run.length; at += SLICE_CHARS) yield* endsIn(run.slice(at, at + SLICE_CHARS), index + at)
  }
}

function* endsIn(run: string, from: number): Generator<number> {
  segmenter ??= new Intl.Segmenter('und', { granularity: 'word' })
  let end: number | undefined
  for (const { segment, index, isWordLike } of segmenter.segment(run)) {
    // A sign that opens belongs to the word that follows, any other to the one before.
    if (isWordLike !== true && (end === undefined || /^[\p{Ps}\p{Pi}]/u.test(segment))) continue
    if (isWordLike === true && end !== undefined) yield end
    end = from + index + segment.length
  }
  yield end ?? from + run.length
}
