/**
 * Variables: long tool outputs under short names, so that a model passes the name and the tool gets the whole.
 *
 *     const variables = createVariables(200)
 *     variables.keep('a page of text …')             // '$VAR_1 (4,031 characters: "a page of …")'
 *     variables.fill({ text: '$VAR_1' })             // { text: 'a page of text …' }
 *
 * The variable memory of Zeng et al. 2025, "Routine: a structural planning framework for LLM agent system in enterprise".
 *
 * Invariants
 *   VA1. What is kept is given back to the last character.
 *   VA2. `fill` replaces every name that it is given, once: what a variable holds is not looked through for names. A name that nobody kept is an error.
 */
import { PolityError } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'

export interface Variables {
  /** What the model is shown in place of a text: the text where it is short, else a name and its beginning. */
  keep(text: string): string
  /** Names replaced by what they stand for, wherever they stand. Throws `INVALID_ARGUMENT`. */
  fill<Value extends Json>(value: Value): Value
}

const NAME = /\$VAR_(\d+)/g
const SHOWN_CHARS = 60

/** @param charsMax texts up to this long are shown as they are */
export function createVariables(charsMax: number): Variables {
  const kept: string[] = []

  function filled(text: string): string {
    return text.replaceAll(NAME, (name, number: string) => {
      const value = kept[Number(number) - 1]
      if (value === undefined)
        throw new PolityError(
          'INVALID_ARGUMENT',
          `there is no variable ${name}; there are ${kept.length}, from $VAR_1 on`,
        )
      return value
    })
  }

  function fill(value: Json): Json {
    if (typeof value === 'string') return filled(value)
    if (Array.isArray(value)) return value.map(fill)
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, fill(one as Json)]))
  }

  return {
    keep(text) {
      if (text.length <= charsMax) return text
      kept.push(text)
      const beginning = text.slice(0, SHOWN_CHARS).replaceAll(/\s+/g, ' ')
      return `$VAR_${kept.length} (${text.length.toLocaleString('en')} characters: ${JSON.stringify(`${beginning}…`)})`
    },
    fill: (value) => fill(value) as typeof value,
  }
}
