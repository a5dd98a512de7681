/**
 * Citations: claims with their sources, `… [path:line]` or `… [path:first-last]`, as models write them.
 *
 * A claim is the text up to its citation. Text without a citation is not a claim and is not kept.
 */
export interface Claim {
  readonly text: string
  /** As the model wrote it: relative to the folder that was searched. */
  readonly path: string
  /** First cited line, from 1. */
  readonly line: number
  /** Last cited line. */
  readonly lineEnd: number
}

const CITATION = /\[([^[\]\n]+?):(\d+)(?:[-–](\d+))?\]/g

export function claimsOf(answer: string): Claim[] {
  const claims: Claim[] = []
  let from = 0
  let text = ''
  for (const match of answer.matchAll(CITATION)) {
    const before = tidy(answer.slice(from, match.index))
    // Two citations side by side support the same text.
    if (before !== '') text = before
    from = match.index + match[0].length
    if (text === '') continue
    const line = Number(match[2])
    claims.push({ text, path: match[1] as string, line, lineEnd: Math.max(line, Number(match[3] ?? line)) })
  }
  return claims
}

/** What stands between two citations, without the punctuation and list marks that belong to neither. */
function tidy(text: string): string {
  return text.replace(/^[\s.,;:)\]]*(?:[-*•]\s+|\d+[.)]\s+)?/, '').replace(/[\s([]+$/, '')
}

export function citation({ path, line, lineEnd }: Claim): string {
  return lineEnd > line ? `[${path}:${line}-${lineEnd}]` : `[${path}:${line}]`
}

/**
 * Words that carry meaning: four letters or more, or digits. Of a script without spaces (Han, kana, Thai) two signs that
 * stand together: a run of them is not a word.
 */
export function contentWords(text: string): Set<string> {
  const words = new Set<string>()
  for (const [run] of text.toLowerCase().matchAll(/[\p{L}\p{M}]{2,}|\p{N}+/gu)) {
    if (UNSPACED.test(run)) for (let at = 0; at + 2 <= run.length; at++) words.add(run.slice(at, at + 2))
    else if (run.length >= 4 || /\p{N}/u.test(run)) words.add(run)
  }
  return words
}

const UNSPACED = /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Thai}/u

/**
 * Whether a source says what a text says, as far as words can tell: all its numbers and names stand there, and so does this share of its
 * words. It can be passed by a sentence that turns the source round ("never"), and fails one that says it in other words.
 */
export function isSupported(text: string, source: string, share: number): boolean {
  const there = new Set(source.toLowerCase().match(/\p{N}+(?:[.,]\p{N}+)*|[\p{L}\p{M}]+/gu))
  const numbers = text.match(/\p{N}+(?:[.,]\p{N}+)*/gu) ?? []
  // The first word of a sentence is written large in any case.
  const names = text.match(/(?<=[\p{L}\p{N},;:] )\p{Lu}[\p{L}\p{M}]+/gu) ?? []
  if ([...numbers, ...names].some((one) => !there.has(one.toLowerCase()))) return false
  const words = [...contentWords(text)]
  const known = contentWords(source)
  return words.length > 0 && words.filter((word) => known.has(word)).length >= share * words.length
}
