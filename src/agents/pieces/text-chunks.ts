/**
 * Long texts in pieces that fit: cut where a paragraph, a line, a sentence or a word ends, whatever fills the piece best.
 *
 *     chunksOf(book, 8_000)       // joined again they are the book
 *
 * Sizes are by `boundTokens`, so a piece that fits here fits at the provider.
 */
import { boundTokens } from '../../kernel/token-bound.ts'

/** Where a piece may end, the best first. */
const ENDS = [/\n\s*\n/g, /\n/g, /[.!?。！？]\s*/g, /\s+/g]
/** A piece is at least so full where a better end would leave it emptier. */
const FULL = 0.5

/** The pieces of a text, in order; none for an empty one. @param tokensMax of a piece, at least 16 */
export function chunksOf(text: string, tokensMax: number): readonly string[] {
  const chunks: string[] = []
  for (let at = 0; at < text.length;) {
    const most = fitting(text, at, tokensMax)
    const end = at + most < text.length ? at + endIn(text.slice(at, at + most)) : text.length
    chunks.push(text.slice(at, end))
    at = end
  }
  return chunks
}

/** The beginning of a text that fits. */
export function cutTo(text: string, tokensMax: number): string {
  return boundTokens(text) <= tokensMax ? text : text.slice(0, fitting(text, 0, tokensMax))
}

/** The end of a text that fits. */
export function tailOf(text: string, tokensMax: number): string {
  if (boundTokens(text) <= tokensMax) return text
  let [low, high] = [0, text.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (boundTokens(text.slice(middle)) <= tokensMax) high = middle
    else low = middle + 1
  }
  return text.slice(isTail(text, low) ? low + 1 : low)
}

/** Characters from `at` on that fit, at least one whole sign. */
function fitting(text: string, at: number, tokensMax: number): number {
  const fits = (chars: number): boolean => boundTokens(text.slice(at, at + chars)) <= tokensMax
  const left = text.length - at
  let [low, high] = [1, Math.min(left, Math.ceil(tokensMax))]
  // What is looked at is never much more than what fits.
  while (high < left && fits(high)) [low, high] = [high, Math.min(left, high * 2)]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (fits(middle)) low = middle
    else high = middle - 1
  }
  if (!isTail(text, at + low)) return low
  return low === 1 ? 2 : low - 1
}

/** Whether a surrogate pair would be cut there. */
function isTail(text: string, at: number): boolean {
  return (
    at > 0 &&
    at < text.length &&
    /[\ud800-\udbff]/.test(text[at - 1] as string) &&
    /[\udc00-\udfff]/.test(text[at] as string)
  )
}

function endIn(piece: string): number {
  for (const pattern of ENDS) {
    let end = 0
    for (const match of piece.matchAll(pattern)) end = match.index + match[0].length
    if (end >= piece.length * FULL) return end
  }
  return piece.length
}
