/**
 * What changed between two texts, line by line, with the numbers of the lines.
 *
 *     changesOf('a\nb\n', 'a\nc\n')     // [{ kind: 'same', text: 'a', … }, { kind: 'gone', text: 'b', … }, { kind: 'come', … }]
 *
 * Invariants
 *   DF1. The lines that are not `come` are the old text, those that are not `gone` the new one, in their order.
 *   DF2. Beyond EDITS_MAX changed lines nobody reads on: all is gone and all come.
 */
import { diffArrays } from 'diff'

export interface DiffLine {
  readonly kind: 'same' | 'gone' | 'come'
  readonly text: string
  /** Its number in the old text and in the new one, from 1; null where it is not there. */
  readonly before: number | null
  readonly after: number | null
}

/** The work grows with its square. */
const EDITS_MAX = 1_000

export function changesOf(before: string, after: string): readonly DiffLine[] {
  const [a, b] = [linesOf(before), linesOf(after)]
  const parts = diffArrays(a, b, { maxEditLength: EDITS_MAX }) ?? [
    { value: a, removed: true, added: false },
    { value: b, removed: false, added: true },
  ]
  let [i, j] = [0, 0]
  return parts.flatMap(({ value, added, removed }) =>
    value.map((text): DiffLine => {
      if (added) return { kind: 'come', text, before: null, after: ++j }
      if (removed) return { kind: 'gone', text, before: ++i, after: null }
      return { kind: 'same', text, before: ++i, after: ++j }
    }),
  )
}

/** A line end closes a line: what stands behind the last one is a line only where there is something. */
function linesOf(text: string): string[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}
