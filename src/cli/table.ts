/**
 * Tables: rows of text under titles, made to fit a width.
 *
 *     table([{ title: 'PID', align: 'right' }, { title: 'PROGRAM', widthMin: 12 }], [['17', 'research']], 80)
 *
 * A column with `widthMin` gives way first; what then still does not fit loses whole columns, the highest `rank` first. What is
 * left gives way below that, columns of text before the others, and columns from the right go where not even that is enough.
 * Widths are what a terminal shows: two cells for wide signs, none for marks that combine and for colours.
 *
 * Invariant
 *   TA1. No line is wider than the width, whatever stands in it: a terminal would break it into two.
 */
import { stripVTControlCharacters } from 'node:util'

export interface Column {
  readonly title: string
  readonly align?: 'right'
  /** It is cut down to this before anything is left out. @default not cut while there is another way */
  readonly widthMin?: number
  /** It may be left out, the highest first. @default not left out while there is another way */
  readonly rank?: number
}

const GAP = 2
/** What a column of text can still be read by, where there is no room for its `widthMin`; below it all are cut alike. */
const TEXT_LEAST = 6

/** The lines of a table, the titles first. `paint` styles a cell after it has been cut and padded. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
  paint: (text: string, row: number, column: number) => string = (text) => text,
): string[] {
  let shown = columns.map((column, at) => {
    const whole = Math.max(widthOf(column.title), ...rows.map((row) => widthOf(row[at] ?? '')))
    return { ...column, at, whole, width: whole }
  })
  const over = (): number => shown.reduce((sum, column) => sum + column.width + GAP, -GAP) - width
  /** The widest gives way, a cell at a time: what is short stays whole. */
  const narrow = (leastOf: (column: Column) => number): void => {
    while (over() > 0) {
      const widest = shown.filter((column) => column.width > leastOf(column)).toSorted((a, b) => b.width - a.width)[0]
      if (widest === undefined) return
      widest.width--
    }
  }
  for (;;) {
    narrow(({ widthMin = Infinity }) => widthMin)
    const last = shown
      .filter((column) => column.rank !== undefined)
      .toSorted((a, b) => (b.rank ?? 0) - (a.rank ?? 0))[0]
    if (over() <= 0 || last === undefined) break
    shown = shown.filter((column) => column !== last).map((column) => ({ ...column, width: column.whole }))
  }
  narrow(({ widthMin }) => (widthMin === undefined ? Infinity : TEXT_LEAST))
  narrow(() => 1)
  while (over() > 0 && shown.length > 1) shown.pop()
  const line = (cells: readonly string[], row: number): string =>
    shown
      .map((column, place) => {
        const text = cut(cells[column.at] ?? '', column.width)
        const space = ' '.repeat(Math.max(0, column.width - widthOf(text)))
        const isLast = place === shown.length - 1
        return column.align === 'right'
          ? space + paint(text, row, column.at)
          : paint(text, row, column.at) + (isLast ? '' : space)
      })
      .join(' '.repeat(GAP))
  return [
    line(
      columns.map((column) => column.title),
      -1,
    ),
    ...rows.map((row, at) => line(row, at)),
  ]
}

let segmenter: Intl.Segmenter | undefined
/** As a reader counts signs. Its tables take time to load, and most texts need none. */
function signsOf(text: string): Intl.Segments {
  return (segmenter ??= new Intl.Segmenter()).segment(text)
}
const plainText = /^[\x20-\x7e]*$/
const wideSign =
  /^(?:\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}])/u
const noSign = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]+$/u

/** Cells that a terminal needs for the text. */
export function widthOf(text: string): number {
  if (plainText.test(text)) return text.length
  let width = 0
  for (const { segment } of signsOf(stripVTControlCharacters(text))) width += cellsOf(segment)
  return width
}

function cellsOf(segment: string): number {
  if (noSign.test(segment)) return 0
  return wideSign.test(segment) ? 2 : 1
}

/** The text, or as much of it as fits, with `…` at its end. The text holds no colours. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  let used = 0
  let kept = ''
  for (const { segment } of signsOf(text)) {
    const cells = cellsOf(segment)
    if (used + cells > width - 1) break
    used += cells
    kept += segment
  }
  return width < 1 ? '' : `${kept}…`
}

/** Paragraphs broken at spaces into lines of at most `width`; longer words stand alone, or are broken too. */
export function wrap(text: string, width: number, longWords: 'whole' | 'broken' = 'whole'): string {
  return text
    .split('\n')
    .map((paragraph) => {
      if (widthOf(paragraph) <= width) return paragraph
      const lines: string[] = []
      let line = ''
      for (const word of paragraph.split(' ').flatMap((one) => (longWords === 'broken' ? pieces(one, width) : one))) {
        if (line !== '' && widthOf(line) + 1 + widthOf(word) > width) {
          lines.push(line)
          line = word
        } else line = line === '' ? word : `${line} ${word}`
      }
      return [...lines, line].join('\n')
    })
    .join('\n')
}

/** A word in pieces of at most `width`. */
function pieces(word: string, width: number): string[] {
  const found = ['']
  for (const { segment } of signsOf(word)) {
    const last = found[found.length - 1] as string
    if (last !== '' && widthOf(last + segment) > width) found.push(segment)
    else found[found.length - 1] = last + segment
  }
  return found
}
