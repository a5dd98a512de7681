/**
 * Lines of JSON, one value a line, as data sets and recordings are published: what is wrong is said with its line.
 *
 *     for (const line of jsonLines(text, 'played.jsonl')) readLine(z.object({ seed: z.int() }), line, 'played.jsonl')
 */
import { z } from 'zod'
import { PolityError, messageOf } from '../kernel/errors.ts'

/** Characters that an error tells of what is wrong with a line. */
const WRONG_CHARS_MAX = 300

export interface JsonLine<T> {
  /** Of the text, from 1. */
  readonly at: number
  readonly value: T
}

/** Every line that is not empty. Throws `INVALID_ARGUMENT`. */
export function jsonLines(text: string, name: string): readonly JsonLine<unknown>[] {
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return []
    try {
      return [{ at: i + 1, value: JSON.parse(line) as unknown }]
    } catch (cause) {
      throw new PolityError('INVALID_ARGUMENT', `${name}, line ${i + 1} is no JSON: ${messageOf(cause)}`, { cause })
    }
  })
}

/** A line by its schema; `expected` says what it should have been. Throws `INVALID_ARGUMENT`. */
export function readLine<T>(schema: z.ZodType<T>, { at, value }: JsonLine<unknown>, name: string, expected = ''): T {
  const said = schema.safeParse(value)
  if (said.success) return said.data
  const wrong = z.prettifyError(said.error).slice(0, WRONG_CHARS_MAX)
  throw new PolityError(
    'INVALID_ARGUMENT',
    `${name}, line ${at}: ${wrong}${expected === '' ? '' : `; expected ${expected}`}`,
  )
}
