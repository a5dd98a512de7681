/**
 * The terminal: where a command writes, and what it may do there.
 *
 *     const out = openChannel(process.stdout)
 *     out.line(out.paint('bold', 'PID'))
 *     const status = createStatusLine(openChannel(process.stderr))
 *     status.show('indexing 12 of 40 MB')     // one line, drawn over itself
 *
 * Invariants
 *   T1. Colours, redrawing and the full screen happen on a terminal only; a pipe or file gets plain lines.
 *   T2. Text that is not ours (answers, names, arguments) goes through `visible` before it reaches a terminal, so that a
 *       document cannot move the cursor or set a title. A pipe gets lines of files as they are.
 *   T3. `leave` of a full screen brings the terminal back as it was, also when it is called twice.
 *   T4. Lines of files, and what is to be typed or opened (commands, addresses), are written whole: the terminal breaks them, and
 *       what is copied from there is one piece. Tables, pictures and trees are made to fit.
 */
import { cut } from './table.ts'

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

const codes: Readonly<Record<Style, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
}

/** Columns where the width is not known. */
const COLUMNS_DEFAULT = 80
const ROWS_DEFAULT = 24
const COLUMNS_MIN = 20

export interface Channel {
  readonly isTerminal: boolean
  readonly columns: number
  readonly rows: number
  /** The text in that style where colours are shown, else as it is. */
  paint(style: Style, text: string): string
  /** Bytes as they are. */
  write(text: string | Uint8Array): void
  line(text: string): void
}

/** Columns that what is shown may take: all that are asked for where no terminal breaks lines. */
export function roomOf({ isTerminal, columns }: Channel): number {
  return isTerminal ? columns : Infinity
}

export function openChannel(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv = process.env): Channel {
  const isTerminal = stream.isTTY === true
  const isColoured = isTerminal && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
  return {
    isTerminal,
    get columns() {
      const columns = stream.columns || Number(env['COLUMNS']) || COLUMNS_DEFAULT
      return Math.max(COLUMNS_MIN, columns)
    },
    get rows() {
      return stream.rows || ROWS_DEFAULT
    },
    paint: (style, text) => (isColoured ? `\x1b[${codes[style][0]}m${text}\x1b[${codes[style][1]}m` : text),
    write: (text) => void stream.write(text),
    line: (text) => void stream.write(`${text}\n`),
  }
}

/** Text from elsewhere as a terminal may show it: control characters as signs, line ends and tabs as they are. */
export function visible(text: string): string {
  // Control characters, and those that turn the direction of a text.
  return text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, (sign) => {
    if (sign === '\n' || sign === '\t') return sign
    const code = sign.charCodeAt(0)
    return sign === '\r' ? '' : code < 0x20 ? String.fromCharCode(0x2400 + code) : '\ufffd'
  })
}

/** The name of a file, on one line: also a line break in it can be seen. */
export function visibleName(name: string): string {
  return visible(name.replace(/[\n\r\t]/g, (sign) => String.fromCharCode(0x2400 + sign.charCodeAt(0))))
}

/** Text from elsewhere for that channel: as it is where no terminal obeys it. */
export function shownIn({ isTerminal }: Channel, text: string): string {
  return isTerminal ? visible(text) : text
}

/** What a terminal may show, on one line. */
export function oneLine(text: string): string {
  return visible(text).replace(/\s+/g, ' ').trim()
}

export interface StatusLine {
  /** Draws the line over the one before. Nothing where there is no terminal. */
  show(text: string): void
  /** Takes the line away, so that something can be written in its place. */
  clear(): void
}

export function createStatusLine(channel: Channel, isQuiet = false): StatusLine {
  let shown = ''
  if (!channel.isTerminal || isQuiet) return { show() {}, clear() {} }
  return {
    show(text) {
      const line = cut(oneLine(text), channel.columns - 1)
      if (line === shown) return
      channel.write(`\r\x1b[K${channel.paint('dim', line)}`)
      shown = line
    },
    clear() {
      if (shown !== '') channel.write('\r\x1b[K')
      shown = ''
    },
  }
}

export interface Screen {
  draw(lines: readonly string[]): void
  leave(): void
}

/** The whole terminal, for a picture that is drawn again and again. Lines are cut to fit by whoever makes them. */
export function enterScreen(channel: Channel): Screen {
  channel.write('\x1b[?1049h\x1b[?25l')
  let isOpen = true
  return {
    draw(lines) {
      if (!isOpen) return
      const shown = lines.slice(0, Math.max(1, channel.rows - 1))
      channel.write(`\x1b[H${shown.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`)
    },
    leave() {
      if (isOpen) channel.write('\x1b[?25h\x1b[?1049l')
      isOpen = false
    },
  }
}
