/**
 * A document in Markdown by its headings: a title, sections with their subsections, and what is written under each.
 *
 *     const { title, sections } = sectionsOf('# Lakes\n\n## Depth\n\nDeep.\n\n### Methods\n\nBy rope.')
 *     // 'Lakes', [{ name: 'Depth', text: 'Deep.', parts: [{ name: 'Methods', text: 'By rope.' }] }]
 *
 * Sections are the headings of the highest level that stands more than once, or of the highest below the first heading; what is deeper is a
 * subsection. A heading is a line after `#`, or one alone over `===` or `---`; what looks like one between fences, or before the text between two `---`, is
 * none.
 *
 * Invariants
 *   DS1. No two sections have one name: the second `Results` is `Results (2)`, and so it stands in `document`.
 */

export interface Part {
  readonly name: string
  readonly text: string
}

export interface Section extends Part {
  /** As it is written: its name without a number. */
  readonly heading: string
  readonly parts: readonly Part[]
}

export interface Sections {
  readonly title: string
  readonly sections: readonly Section[]
  /** What was given, with headings that repeat by their names. */
  readonly document: string
}

export function sectionsOf(document: string): Sections {
  const lines = document.split('\n')
  const found = headingsIn(lines)
  const levels = [...new Set(found.map(({ level }) => level))].toSorted((a, b) => a - b)
  const often = levels.find((level) => found.filter((one) => one.level === level).length > 1)
  const level = often ?? levels[1] ?? levels[0] ?? 1
  const names = numbered(found.filter((one) => one.level === level).map(({ heading }) => heading))
  const sections: (Section & { parts: Part[] })[] = []
  for (const { level: own, heading, at, under } of found) {
    const text = under.join('\n').trim()
    if (own === level) {
      const name = names[sections.length] as string
      lines[at] = (lines[at] as string).replace(heading, () => name)
      sections.push({ name, heading, text, parts: [] })
    } else if (own > level) sections.at(-1)?.parts.push({ name: heading, text })
  }
  const title = found.find((one) => one.level < level)?.heading ?? sections[0]?.heading ?? ''
  return { title, sections, document: lines.join('\n') }
}

/** What stands in sections, each with those of its subsections that are named. */
export function textUnder(
  sections: readonly Section[],
  indexes: { readonly [section: string]: readonly string[] },
): string {
  return sections
    .filter(({ name }) => Object.hasOwn(indexes, name))
    .map(({ name, heading, text, parts }) => {
      const wanted = parts.filter((part) => indexes[name]?.includes(part.name))
      return [`## ${heading}`, text, ...wanted.map((part) => `### ${part.name}\n\n${part.text}`)].join('\n\n')
    })
    .join('\n\n')
}

interface Heading {
  readonly level: number
  readonly heading: string
  /** Its line. */
  readonly at: number
  /** Lines up to the next. */
  readonly under: string[]
}

function headingsIn(lines: readonly string[]): readonly Heading[] {
  const found: Heading[] = []
  let fence: string | undefined
  for (let at = afterFrontMatter(lines); at < lines.length; at++) {
    const line = lines[at] as string
    const [, mark = '', info = ''] = /^\s*(`{3,}|~{3,})\s*(.*?)\s*$/.exec(line) ?? []
    // A fence ends with its own sign, as often at least, and nothing behind it.
    const isEnd = fence !== undefined && mark.startsWith(fence) && info === ''
    if (isEnd) fence = undefined
    else if (fence === undefined && mark !== '' && !info.includes('`')) fence = mark
    else if (fence === undefined) {
      const [, signs = '', heading = ''] = /^(#{1,6})\s+(.+?)\s*#*\s*$/.exec(line) ?? []
      if (signs !== '') {
        found.push({ level: signs.length, heading, at, under: [] })
        continue
      }
      if (isUnderlined(lines, at)) {
        found.at(-1)?.under.pop()
        const level = line.includes('=') ? 1 : 2
        found.push({ level, heading: (lines[at - 1] as string).trim(), at: at - 1, under: [] })
        continue
      }
    }
    found.at(-1)?.under.push(line)
  }
  return found
}

/** Whether a line of `=` or `-` makes a heading of the one above, which stands alone. */
function isUnderlined(lines: readonly string[], at: number): boolean {
  const [before = '', above = '', line = ''] = [lines[at - 2], lines[at - 1], lines[at]]
  const isAlone = /^\s*$|^#{1,6}\s|^\s*([-=*_]{3,}\s*$|`{3}|~{3})/.test(before)
  const isText =
    /^ {0,3}[^\s]/.test(above) && !/^\s*([-*+]\s|[>|]|#{1,6}\s|\d+[.)]\s|`{3}|~{3}|[-=*_]+\s*$)/.test(above)
  return /^ {0,3}(=+|-+)\s*$/.test(line) && isAlone && isText
}

/** The line behind what describes a document, `name: value` between two lines of `---` at its beginning. */
function afterFrontMatter(lines: readonly string[]): number {
  if (lines[0]?.trim() !== '---' || !/^[\w-]+\s*:/.test(lines[1] ?? '')) return 0
  return lines.findIndex((line, i) => i > 0 && line.trim() === '---') + 1
}

function numbered(headings: readonly string[]): readonly string[] {
  const written = new Set(headings)
  const times = new Map<string, number>()
  return headings.map((heading) => {
    let count = (times.get(heading) ?? 0) + 1
    while (count > 1 && written.has(`${heading} (${count})`)) count++
    times.set(heading, count)
    return count === 1 ? heading : `${heading} (${count})`
  })
}
