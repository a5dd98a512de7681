/**
 * Words: how free text becomes search terms.
 *
 *     searchWords('How are the budgets reserved?')  // ['budgets', 'reserved']
 *
 * Invariant: a word holds letters, digits and marks only, never a quote or an operator, so a quoted word is safe in an FTS5 query.
 */

/** English words that carry no topic. A query of nothing else is searched as it is. */
export const stopWords: ReadonlySet<string> = new Set(
  (
    'a about above according after again against all also am an and any are aren as at be because been before being below between both but by can cannot could couldn did didn do does doesn doing don ' +
    'down during each ever few for from further get gets give given had hadn has hasn have haven having he her here hers herself him himself his how i if in into is isn it its itself just ll ' +
    'let many may me might more most much must my myself no nor not now of off on once only or other ought our ours ourselves out over own please re same shall she should so some such tell ' +
    'than that the their theirs them themselves then there these they this those through to too under until up upon us ve very was wasn we were weren what when where whether which while who ' +
    'whom whose why will with within without won would you your yours yourself yourselves'
  ).split(' '),
)

/** Terms of a query beyond this many are dropped: each costs a look at its whole posting list. */
const searchWordsMax = 24
const wordCharsMax = 64

/** The words of a text, lower case, in order. */
export function wordsOf(text: string): string[] {
  return (
    text
      .normalize('NFC')
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
