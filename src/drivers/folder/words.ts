/**
 * Words: how free text becomes search terms.
 *
 *     searchWords('How are the budgets reserved?')  // ['budgets', 'reserved']
 *     searchWords('猫はどこで寝ますか')                // ['猫', '寝']
 *
 * Invariant: a word holds letters, digits and marks only, never a quote or an operator, so a quoted word is safe in an FTS5 query.
 */
import { spaced } from './segments.ts'

/** Words that carry no topic, of English above all. A query of nothing else is searched as it is. */
export const stopWords: ReadonlySet<string> = new Set(
  (
    'a about above according after again against all also am an and any are aren as at be because been before being below between both but by can cannot could couldn did didn do does doesn doing don ' +
    'down during each ever few for from further get gets give given had hadn has hasn have haven having he her here hers herself him himself his how i if in into is isn it its itself just ll ' +
    'let many may me might more most much must my myself no nor not now of off on once only or other ought our ours ourselves out over own please re same shall she should so some such tell ' +
    'than that the their theirs them themselves then there these they this those through to too under until up upon us ve very was wasn we were weren what when where whether which while who ' +
    'whom whose why will with within without won would you your yours yourself yourselves ' +
    // What shapes a sentence or a question in Japanese and Chinese, as Intl.Segmenter cuts it.
    'は が を に へ と で も の か や から まで より ます です でし まし た て し な い れ さ う よ ね だ ある あり いる する こと もの これ それ その この どこ いつ なぜ どう どの どれ 何 誰 ' +
    '的 了 是 在 吗 呢 吧 啊 哪 哪里 哪儿 什么 谁 谁是 怎么 为什么 几 和 与 也 都 就 这 那 有 不 们 之 嗎 哪裡 什麼 誰是 怎麼 為什麼 與 這 們'
  ).split(' '),
)

/** Terms of a query beyond this many are dropped: each costs a look at its whole posting list. */
const searchWordsMax = 24
const wordCharsMax = 64

/** The words of a text, lower case, in order. */
export function wordsOf(text: string): string[] {
  return (
    spaced(text.normalize('NFC'))
      .toLowerCase()
      .match(/[\p{L}\p{N}\p{M}]+/gu) ?? []
  )
}

/** The distinct words worth searching for, in order of appearance. */
export function searchWords(query: string): string[] {
  const words = [...new Set(wordsOf(query.slice(0, 10_000)).map((word) => word.slice(0, wordCharsMax)))]
  const topical = words.filter(
    (word) => !stopWords.has(word) && (word.length > 1 || /\p{N}/u.test(word) || !/^[a-z]$/.test(word)),
  )
  return (topical.length > 0 ? topical : words).slice(0, searchWordsMax)
}
