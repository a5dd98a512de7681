/**
 * Claims: what an answer says with a source behind it, `… [path:line]` (kernel/citation.ts), and whether the source says it.
 *
 * A claim is the text up to its citation. Text without a citation is not a claim and is not kept.
 */
import type { Json, Message } from '../../kernel/types.ts'
import type { Place } from '../../kernel/citation.ts'
import { citationsIn } from '../../kernel/citation.ts'
import { isSpaced } from '../../kernel/words.ts'

/** A text with the place that it cites, relative to the folder that was searched. */
export interface Claim extends Place {
  readonly text: string
}

/** The claims of an answer. `shown` are the paths that the model has seen (`pathsShown`). @default none */
export function claimsOf(answer: string, shown: Iterable<string> = []): Claim[] {
  const claims: Claim[] = []
  let end = 0
  let text = ''
  for (const { from, to, path, line, lineEnd } of citationsIn(answer, shown)) {
    const before = tidy(answer.slice(end, from))
    // Two citations side by side support the same text.
    if (before !== '') text = before
    end = to
    if (text !== '') claims.push({ text, path, line, lineEnd })
  }
  return claims
}

/** What stands between two citations, without the punctuation and list marks that belong to neither. */
function tidy(text: string): string {
  return text.replace(/^[\s.,;:)\]]*(?:[-*•]\s+|\d+[.)]\s+)?/, '').replace(/[\s([]+$/, '')
}

/** The paths that tools have shown in a conversation: what stands under `path` in their results, and lists of texts. */
export function pathsShown(messages: readonly Message[]): Set<string> {
  const paths = new Set<string>()
  for (const { role, content } of messages) {
    if (role !== 'tool' || typeof content === 'string') continue
    for (const part of content)
      if (part.type === 'tool-result' && part.output.type === 'json') {
        const value = part.output.value as Json
        for (const one of Array.isArray(value) ? value : [value]) {
          const path = typeof one === 'string' ? one : (one as { path?: Json } | null)?.path
          if (typeof path === 'string') paths.add(path)
        }
      }
  }
  return paths
}

/**
 * Words that carry meaning: four letters or more, or digits. Of a script without spaces between its words two signs that
 * stand together: a run of them is not a word.
 */
export function contentWords(text: string): Set<string> {
  const words = new Set<string>()
  for (const [run] of text.toLowerCase().matchAll(/[\p{L}\p{M}]{2,}|\p{N}+/gu)) {
    if (!isSpaced(run)) for (let at = 0; at + 2 <= run.length; at++) words.add(run.slice(at, at + 2))
    else if (run.length >= 4 || /\p{N}/u.test(run)) words.add(run)
  }
  return words
}

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
