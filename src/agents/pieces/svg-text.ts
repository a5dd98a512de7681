/**
 * Text in SVG, which breaks no lines by itself: widths, lines, and the size at which a text fits into its box.
 *
 *     const { size, lines } = fitted(['One idea.', 'Another.'], { width: 600, height: 200 }, 36)
 *     textLines(lines, { x: 40, y: 60, size, colour: '#222222' })      // <text> elements; every line within its width
 *
 * Widths are those of DejaVu Sans, in classes, from above: a line may be shorter than is thought, never longer. Where another font is found in its place, it
 * is narrower.
 */

export interface TextBox {
  readonly width: number
  readonly height: number
}

export interface FittedText {
  readonly size: number
  /** Lines of each paragraph. */
  readonly lines: readonly (readonly string[])[]
}

export interface TextPlace {
  readonly x: number
  /** Top of the first line. */
  readonly y: number
  readonly size: number
  readonly colour: string
  readonly bold?: boolean
  readonly anchor?: 'start' | 'middle'
}

/** From line to line, in sizes. */
const LEADING = 1.3
/** Between paragraphs, in sizes. */
const GAP = 0.5
/** No text is made smaller. */
const SIZE_MIN = 10
const BOLD = 1.14

const NARROW = /[ijlI.,:;'|!]/u
const SLIM = /[ ftrs()[\]{}"/\\-]/u
const WIDE = /[mwMW%@&—…]|[^ -\u024f\u2010-\u2027]/u
const CAPITAL = /\p{Lu}|[+=<>~]/u

/** At most so wide, in the unit of the size. */
export function textWidth(text: string, size: number, bold = false): number {
  let ems = 0
  for (const sign of text)
    ems += WIDE.test(sign) ? 1.01 : NARROW.test(sign) ? 0.41 : SLIM.test(sign) ? 0.53 : CAPITAL.test(sign) ? 0.84 : 0.65
  return ems * size * (bold ? BOLD : 1)
}

/** Words in lines; a word that is longer than a line is broken. */
export function wrapped(text: string, width: number, size: number, bold = false): readonly string[] {
  const lines: string[] = []
  let line = ''
  const fits = (one: string): boolean => textWidth(one, size, bold) <= width
  for (const word of text.split(/\s+/).filter((one) => one !== '')) {
    if (line !== '' && fits(`${line} ${word}`)) {
      line = `${line} ${word}`
      continue
    }
    if (line !== '') lines.push(line)
    line = ''
    for (const sign of word) {
      if (line !== '' && !fits(line + sign)) {
        lines.push(line)
        line = ''
      }
      line += sign
    }
  }
  return line === '' ? lines : [...lines, line]
}

export function heightOf(lines: FittedText['lines'], size: number): number {
  const all = lines.reduce((sum, one) => sum + one.length, 0)
  return size * (all * LEADING + Math.max(0, lines.length - 1) * GAP)
}

/** Paragraphs at the largest size, from `largest` down, at which they fit into a box. */
export function fitted(paragraphs: readonly string[], box: TextBox, largest: number, bold = false): FittedText {
  for (let size = largest; ; size--) {
    const lines = paragraphs.map((one) => wrapped(one, box.width, size, bold))
    if (size <= SIZE_MIN || heightOf(lines, size) <= box.height) return { size, lines }
  }
}

/** SVG of fitted lines; `before` stands left of the first line of each paragraph. */
export function textLines(lines: FittedText['lines'], place: TextPlace, before?: (y: number) => string): string {
  const { x, size, colour, bold = false, anchor = 'start' } = place
  let top = place.y
  const drawn = lines.flatMap((paragraph) => {
    const marks = before === undefined || paragraph.length === 0 ? [] : [before(top + size * 0.6)]
    const texts = paragraph.map((line) => {
      const text = `<text x="${round(x)}" y="${round(top + size)}">${escaped(line)}</text>`
      top += size * LEADING
      return text
    })
    top += size * GAP
    return [...marks, ...texts]
  })
  const weight = bold ? ' font-weight="bold"' : ''
  return `<g font-family="DejaVu Sans, sans-serif" font-size="${size}" fill="${colour}" text-anchor="${anchor}"${weight}>${drawn.join('')}</g>`
}

/** As content or attribute of XML; signs that XML does not know are left out. */
export function escaped(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

/** For numbers in SVG. */
export function round(value: number): number {
  return Math.round(value * 100) / 100
}
