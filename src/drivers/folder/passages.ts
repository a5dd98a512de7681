/**
 * Passages: how a text file is cut into the pieces that search ranks and answers cite.
 *
 * A passage is one or more whole lines of the same paragraph run, or, where a single line is very long, a part of that line. The cutter works on bytes, so a passage can be read back from the file
 * by offset and length alone, and a file of any encoding accident (invalid UTF-8) can still be cut.
 *
 *     for (const passage of cutPassages(bytes, isMarkdown('notes.md'))) …
 *
 * Invariants
 *   P1. Passages are in file order, never overlap, and together hold every byte that is not blank.
 *   P2. `line` and `endLine` are 1-based and count `\n` bytes, as editors do.
 *   P3. A passage holds at most `passageBytesMax` bytes.
 *   P4. A heading is only recognised in Markdown, outside code fences; it opens a new passage.
 */

/** A piece of a file. Offsets and lengths are in bytes, lines are 1-based and inclusive. */
export interface Passage {
  readonly line: number
  readonly endLine: number
  readonly byteOffset: number
  readonly byteLength: number
  /** The Markdown headings above the passage, outermost first, joined with ` > `. Empty outside Markdown. */
  readonly heading: string
}

/** A paragraph that ends beyond this many bytes closes its passage; shorter ones are joined with the next. */
export const passageBytesMin = 240
/** A passage is closed at the first line end beyond this many bytes. */
export const passageBytesTarget = 700
/** No passage is longer than this many bytes: a longer line is cut, at a sentence or a word where there is one. */
export const passageBytesMax = 1_400

const newline = 0x0a
const headingLevelsMax = 6
const headingCharsMax = 160

/** True for the file names in which `#` lines are headings. */
export function isMarkdown(path: string): boolean {
  return /\.(md|mdx|markdown|mkd)$/i.test(path)
}

/** Cuts the bytes of one file. Lazy, so that a caller can pause between passages of a large file. */
export function* cutPassages(bytes: Buffer, markdown: boolean): Generator<Passage> {
  const headings: string[] = []
  let heading = ''
  let fence: string | undefined
  let start = -1 // byte offset of the open passage, -1 when none is open
  let firstLine = 0
  let lastLine = 0
  let end = 0 // byte offset after the last line that is not blank
  let position = hasByteOrderMark(bytes) ? 3 : 0
  let line = 0

  const close = (): Passage => {
    const passage = { line: firstLine, endLine: lastLine, byteOffset: start, byteLength: end - start, heading }
    start = -1
    return passage
  }

  while (position < bytes.length) {
    line++
    const found = bytes.indexOf(newline, position)
    const lineEnd = found === -1 ? bytes.length : found
    const next = found === -1 ? bytes.length : found + 1

    if (isBlank(bytes, position, lineEnd)) {
      if (start !== -1 && end - start >= passageBytesMin) yield close()
      position = next
      continue
    }

    const mark = markdown ? firstByteAfterSpaces(bytes, position, lineEnd) : 0
    if (mark === 0x60 || mark === 0x7e) {
      const fenceHere = fenceOf(bytes.toString('utf8', position, Math.min(lineEnd, position + 64)))
      if (fenceHere !== undefined) {
        if (fence === undefined) fence = fenceHere
        else if (fenceHere.startsWith(fence)) fence = undefined
      }
    } else if (mark === 0x23 && fence === undefined) {
      const title = headingOf(bytes.toString('utf8', position, Math.min(lineEnd, position + 1_000)))
      if (title !== undefined) {
        if (start !== -1) yield close()
        headings.length = Math.min(headings.length, title.level - 1)
        while (headings.length < title.level - 1) headings.push('')
        headings.push(title.text)
        heading = headings.filter((each) => each !== '').join(' > ')
      }
    }

    if (start !== -1 && lineEnd - start > passageBytesMax) yield close()
    if (start === -1) {
      start = position
      firstLine = line
    }
    lastLine = line
    end = lineEnd
    while (end - start > passageBytesMax) {
      const cut = cutPoint(bytes, start)
      end = cut
      yield close()
      start = cut
      end = lineEnd
    }
    if (end - start >= passageBytesTarget) yield close()
    position = next
  }
  if (start !== -1) yield close()
}

function hasByteOrderMark(bytes: Buffer): boolean {
  return bytes.length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
}

function isBlank(bytes: Buffer, from: number, to: number): boolean {
  for (let index = from; index < to; index++) {
    const byte = bytes[index]
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false
  }
  return true
}

/** The first byte of the line, when at most three spaces stand before it (Markdown's own limit); 0 otherwise. */
function firstByteAfterSpaces(bytes: Buffer, from: number, to: number): number {
  for (let index = from; index < to && index < from + 4; index++) {
    const byte = bytes[index] ?? 0
    if (byte !== 0x20) return byte
  }
  return 0
}

function fenceOf(line: string): string | undefined {
  return /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1]
}

function headingOf(line: string): { level: number; text: string } | undefined {
  const match = /^ {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t\r]*$/.exec(line)
  if (!match) return undefined
  const level = Math.min(match[1]?.length ?? 1, headingLevelsMax)
  return { level, text: (match[2] ?? '').slice(0, headingCharsMax) }
}

/** Where to cut a line that is too long: after a sentence, else after a word, else between two characters. */
function cutPoint(bytes: Buffer, start: number): number {
  const latest = start + passageBytesMax
  for (let index = latest; index > start + passageBytesMin; index--) {
    const byte = bytes[index - 2]
    if (bytes[index - 1] === 0x20 && (byte === 0x2e || byte === 0x3f || byte === 0x21 || byte === 0x3b)) return index
  }
  for (let index = latest; index > start + passageBytesMin; index--) if (bytes[index - 1] === 0x20) return index
  let index = latest
  while (index > start + 1 && ((bytes[index] ?? 0) & 0xc0) === 0x80) index-- // never inside a UTF-8 character
  return index > start + 1 ? index : latest
}
