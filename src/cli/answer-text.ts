/**
 * An answer as somebody typed it: of a call in doubt, the word and what the call returned; of any other question, all of it.
 *
 *     answerOf(question, 'done {"id": "x"}')      // { text: 'done', value: '{"id": "x"}' }
 */
import type { Question } from '../kernel/types.ts'

/** `value` is as it was typed: JSON, or a text where it is no JSON. */
export function answerOf(
  { kind }: Pick<Question, 'kind'>,
  said: string,
): { readonly text: string; readonly value?: string } {
  if (kind !== 'in-doubt') return { text: said }
  const [, text = said, value] = /^\s*(\S+)(?:\s+(.*\S))?\s*$/s.exec(said) ?? []
  return value === undefined ? { text } : { text, value }
}
