/**
 * Differences between two texts, line by line: the shortest edit, written as a unified diff.
 *
 *     unifiedDiff('a\nb\n', 'a\nc\n')        // '@@ -1,2 +1,2 @@\n a\n-b\n+c\n'
 *
 * The edit is found by Myers's greedy search (1986, "An O(ND) difference algorithm and its variations", section 2).
 *
 * Invariants
 *   DF1. Applied to the first text, the diff gives the second; equal texts have the empty one.
 *   DF2. Time and memory are bounded: texts that differ by more than `EDITS_MAX` lines, beyond what they begin and end with
 *        in common, are told as one piece that takes the place of another.
 */

/** A run of lines that one text has in the place of lines of the other. Lines are counted from 0. */
interface Edit {
  /** In the first text. */
  readonly at: number
  readonly removed: number
  /** In the second text. */
  readonly to: number
  readonly added: number
}

/** Edits that are searched for: the search keeps a row of numbers for each. */
const EDITS_MAX = 400
/** Lines around a change that are shown with it: what diff and git show. */
const CONTEXT_LINES = 3

/** How the second text differs from the first; '' where it does not. @param context lines shown around a change */
export function unifiedDiff(before: string, after: string, context = CONTEXT_LINES): string {
  const a = linesOf(before)
  const b = linesOf(after)
  let text = ''
  for (const hunk of hunksOf(editsOf(a, b), context)) text += hunkText(a, b, hunk, context)
  return text
}

/** With their ends: that the last line has none is a difference. */
function linesOf(text: string): string[] {
  const lines = text.split('\n')
  const last = lines.pop() as string
  return [...lines.map((line) => `${line}\n`), ...(last === '' ? [] : [last])]
}

function editsOf(a: readonly string[], b: readonly string[]): Edit[] {
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start++
  let aEnd = a.length
  let bEnd = b.length
  while (aEnd > start && bEnd > start && a[aEnd - 1] === b[bEnd - 1]) {
    aEnd--
    bEnd--
  }
  if (start === aEnd && start === bEnd) return []
  const whole: Edit = { at: start, removed: aEnd - start, to: start, added: bEnd - start }
  if (start === aEnd || start === bEnd) return [whole]
  const found = shortest(a.slice(start, aEnd), b.slice(start, bEnd))
  return found?.map((edit) => ({ ...edit, at: edit.at + start, to: edit.to + start })) ?? [whole]
}

/** undefined where it needs more edits than are searched for. */
function shortest(a: readonly string[], b: readonly string[]): Edit[] | undefined {
  const most = Math.min(a.length + b.length, EDITS_MAX)
  const offset = most + 1
  const reach = new Int32Array(2 * most + 3)
  const trail: Int32Array[] = []
  for (let d = 0; d <= most; d++) {
    trail.push(reach.slice(offset - d - 1, offset + d + 2))
    for (let k = -d; k <= d; k += 2) {
      const isDown = k === -d || (k !== d && (reach[offset + k - 1] as number) < (reach[offset + k + 1] as number))
      let x = isDown ? (reach[offset + k + 1] as number) : (reach[offset + k - 1] as number) + 1
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++
      reach[offset + k] = x
      if (x >= a.length && x - k >= b.length) return walkBack(trail, a.length, b.length)
    }
  }
  return undefined
}

/** From the end of both texts to their beginning; neighbouring steps become one edit. */
function walkBack(trail: readonly Int32Array[], aLength: number, bLength: number): Edit[] {
  const edits: Edit[] = []
  let x = aLength
  let y = bLength
  for (let d = trail.length - 1; d > 0; d--) {
    const reach = trail[d] as Int32Array
    const at = (k: number): number => reach[k + d + 1] as number
    const k = x - y
    const isDown = k === -d || (k !== d && at(k - 1) < at(k + 1))
    const fromX = isDown ? at(k + 1) : at(k - 1)
    const fromY = fromX - (isDown ? k + 1 : k - 1)
    const last = edits.at(-1)
    const endX = isDown ? fromX : fromX + 1
    const endY = isDown ? fromY + 1 : fromY
    if (last !== undefined && last.at === endX && last.to === endY)
      edits[edits.length - 1] = {
        at: fromX,
        to: fromY,
        removed: last.removed + endX - fromX,
        added: last.added + endY - fromY,
      }
    else edits.push({ at: fromX, to: fromY, removed: endX - fromX, added: endY - fromY })
    x = fromX
    y = fromY
  }
  return edits.toReversed()
}

/** Edits whose surroundings touch are shown together. */
function hunksOf(edits: readonly Edit[], context: number): Edit[][] {
  const hunks: Edit[][] = []
  for (const edit of edits) {
    const last = hunks.at(-1)?.at(-1)
    if (last !== undefined && edit.at - (last.at + last.removed) <= 2 * context) hunks.at(-1)?.push(edit)
    else hunks.push([edit])
  }
  return hunks
}

function hunkText(a: readonly string[], b: readonly string[], edits: readonly Edit[], context: number): string {
  const first = edits[0] as Edit
  const last = edits.at(-1) as Edit
  const lead = Math.min(context, first.at)
  const from = first.at - lead
  const end = Math.min(a.length, last.at + last.removed + context)
  const to = first.to - lead
  const toEnd = last.to + last.added + (end - last.at - last.removed)
  let text = `@@ -${span(from, end)} +${span(to, toEnd)} @@\n`
  let at = from
  for (const edit of edits) {
    for (; at < edit.at; at++) text += lineText(' ', a[at] as string)
    for (; at < edit.at + edit.removed; at++) text += lineText('-', a[at] as string)
    for (let i = edit.to; i < edit.to + edit.added; i++) text += lineText('+', b[i] as string)
  }
  for (; at < end; at++) text += lineText(' ', a[at] as string)
  return text
}

/** As diff writes it: from 1, and of no lines the one before them. */
function span(from: number, end: number): string {
  return end - from === 1 ? `${from + 1}` : `${end === from ? from : from + 1},${end - from}`
}

function lineText(mark: string, line: string): string {
  return line.endsWith('\n') ? mark + line : `${mark}${line}\n\\ No newline at end of file\n`
}
