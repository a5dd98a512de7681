/**
 * Differences between two texts, line by line: the shortest edit, written as a unified diff.
 *
 *     unifiedDiff('a\nb\n', 'a\nc\n')        // '@@ -1,2 +1,2 @@\n a\n-b\n+c\n'
 *
 * The edit is found by Myers's greedy search (1986, "An O(ND) difference algorithm and its variations", section 2).
 *
 * Invariants
 *   DF1. Applied to the first text, the diff gives the second; equal texts have the empty one.
 *   DF2. Time and memory are bounded. Beyond what they begin and end with in common, texts that differ by more than
 *        `EDITS_MAX` lines, or take more than `COMPARES_MAX` comparisons, are told as one piece that takes the place of
 *        another; with more than `LINES_MAX` lines there, a diff is refused.
 */
import { PolityError } from './errors.ts'

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
/** Comparisons of two lines, by number: some tens of milliseconds. */
const COMPARES_MAX = 8_000_000
/** Lines of one text that are looked at one by one: some tens of megabytes. */
const LINES_MAX = 100_000
/** Lines around a change that are shown with it: what diff and git show. */
const CONTEXT_LINES = 3

/** How the second text differs from the first; '' where it does not. Throws `TOO_LARGE`. @param context lines shown around a change */
export function unifiedDiff(before: string, after: string, context = CONTEXT_LINES): string {
  const { from, aEnd, bEnd } = middleOf(before, after, context)
  const a = linesOf(before.slice(from, aEnd))
  const b = linesOf(after.slice(from, bEnd))
  const skipped = countLines(before, 0, from)
  let text = ''
  for (const hunk of hunksOf(editsOf(a, b), context)) text += hunkText(a, b, hunk, context, skipped)
  return text
}

/** The part in whole lines that holds all differences, with their context. Throws `TOO_LARGE`. */
function middleOf(a: string, b: string, context: number): { from: number; aEnd: number; bEnd: number } {
  const shorter = Math.min(a.length, b.length)
  let from = 0
  while (from < shorter && a.charCodeAt(from) === b.charCodeAt(from)) from++
  from = lineStart(a, from)
  let common = 0
  while (common < shorter - from && a.charCodeAt(a.length - common - 1) === b.charCodeAt(b.length - common - 1))
    common++
  const isStart = (text: string): boolean => text.length - common === from || text[text.length - common - 1] === '\n'
  if (!isStart(a) || !isStart(b)) common = a.length - nextLine(a, a.length - common)
  const most = Math.max(countLines(a, from, a.length - common), countLines(b, from, b.length - common))
  if (most > LINES_MAX)
    throw new PolityError(
      'TOO_LARGE',
      `a diff is made where at most ${LINES_MAX} lines lie between the first difference and the last, not ${most}: read both versions`,
    )
  for (let i = 0; i < context; i++) {
    if (from > 0) from = lineStart(a, from - 1)
    common = a.length - nextLine(a, a.length - common)
  }
  return { from, aEnd: a.length - common, bEnd: b.length - common }
}

/** Where the line begins that a place lies in. */
function lineStart(text: string, at: number): number {
  return at === 0 ? 0 : text.lastIndexOf('\n', at - 1) + 1
}

/** Where the line begins that follows the one that a place lies in. */
function nextLine(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end + 1
}

function countLines(text: string, from: number, to: number): number {
  let lines = 0
  for (let at = from; at < to; at = nextLine(text, at)) lines++
  return lines
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
  const numbers = new Map<string, number>()
  const numbered = (lines: readonly string[], end: number): Int32Array =>
    Int32Array.from(lines.slice(start, end), (line) => {
      const number = numbers.get(line) ?? numbers.size
      numbers.set(line, number)
      return number
    })
  const found = shortest(numbered(a, aEnd), numbered(b, bEnd))
  return found?.map((edit) => ({ ...edit, at: edit.at + start, to: edit.to + start })) ?? [whole]
}

/** undefined where it needs more edits or comparisons than are made. */
function shortest(a: Int32Array, b: Int32Array): Edit[] | undefined {
  const most = Math.min(a.length + b.length, EDITS_MAX)
  const offset = most + 1
  const reach = new Int32Array(2 * most + 3)
  const trail: Int32Array[] = []
  let compares = 0
  for (let d = 0; d <= most; d++) {
    trail.push(reach.slice(offset - d - 1, offset + d + 2))
    for (let k = -d; k <= d; k += 2) {
      const isDown = k === -d || (k !== d && (reach[offset + k - 1] as number) < (reach[offset + k + 1] as number))
      let x = isDown ? (reach[offset + k + 1] as number) : (reach[offset + k - 1] as number) + 1
      const from = x
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++
      if ((compares += x - from + 1) > COMPARES_MAX) return undefined
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

function hunkText(
  a: readonly string[],
  b: readonly string[],
  edits: readonly Edit[],
  context: number,
  skipped: number,
): string {
  const first = edits[0] as Edit
  const last = edits.at(-1) as Edit
  const lead = Math.min(context, first.at)
  const from = first.at - lead
  const end = Math.min(a.length, last.at + last.removed + context)
  const to = first.to - lead
  const toEnd = last.to + last.added + (end - last.at - last.removed)
  let text = `@@ -${span(from + skipped, end + skipped)} +${span(to + skipped, toEnd + skipped)} @@\n`
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
