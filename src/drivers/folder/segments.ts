/**
 * Segments: words of scripts that are written without spaces, such as Chinese, Japanese and Thai.
 *
 *     spaced('猫は納屋で寝ます。')     // ' 猫 は 納屋 で 寝 ます 。'
 *     spaced('Cats sleep.')          // 'Cats sleep.', the same string
 *
 * `Intl.Segmenter` cuts them by its dictionaries; a tokenizer that looks for spaces then finds the words. Only runs of
 * these scripts are cut, so that other text costs one look at it.
 *
 * Limits: a word can be cut otherwise in a question than in a text, and is then not found by it.
 */

/** Thai, Lao, Myanmar, Khmer; kana; Han with its extensions. Not `isSpaced` of kernel/words.ts: a run has signs of no script too, such as the ー of コーヒー. */
const unspaced =
  '\\u0e00-\\u0eff\\u1000-\\u109f\\u1780-\\u17ff\\u3005-\\u3007\\u3040-\\u30ff\\u31f0-\\u31ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\uff66-\\uff9f'
const sign = new RegExp(`[${unspaced}]|[\\ud840-\\ud8bf][\\udc00-\\udfff]`)
const run = new RegExp(`(?:[${unspaced}]|[\\ud840-\\ud8bf][\\udc00-\\udfff])+`, 'g')
/** Longer runs are cut in parts of this length: a text without any sign between its words has no end. */
const runCharsMax = 2_000

/** Made when first asked for: with its dictionaries it takes 4 MB and some 10 ms. */
let segmenter: Intl.Segmenter | undefined

/** The text with a space around each word of such a script. */
export function spaced(text: string): string {
  return sign.test(text) ? text.replace(run, spacedRun) : text
}

function spacedRun(signs: string): string {
  // The locale matters little, as the dictionaries are chosen by script, and not at all to whoever runs this elsewhere.
  segmenter ??= new Intl.Segmenter('und', { granularity: 'word' })
  let words = ''
  for (let at = 0; at < signs.length; at += runCharsMax)
    for (const { segment } of segmenter.segment(signs.slice(at, at + runCharsMax))) words += ` ${segment}`
  return `${words} `
}
