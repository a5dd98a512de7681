/**
 * A document in Markdown by its headings: a title, sections with their subsections, and what is written under each.
 *
 *     const { title, sections } = sectionsOf('# Lakes\n\n## Depth\n\nDeep.\n\n### Methods\n\nBy rope.')
 *     // 'Lakes', [{ name: 'Depth', text: 'Deep.', parts: [{ name: 'Methods', text: 'By rope.' }] }]
 *
 * Sections are the headings of the highest level that stands more than once, or of the highest below the first heading; what is deeper is a
 * subsection. What looks like a heading between fences is none.
 */

export interface Part {
  readonly name: string
  readonly text: string
}

export interface Section extends Part {
  readonly parts: readonly Part[]
}

export function sectionsOf(document: string): { readonly title: string; readonly sections: readonly Section[] } {
  const found: { level: number; name: string; lines: string[] }[] = []
  let isFenced = false
  for (const line of document.split('\n')) {
    if (/^\s*(```|~~~)/.test(line)) isFenced = !isFenced
    const heading = isFenced ? null : /^(#{1,6})\s+(.+?)\s*#*\s*$/.exec(line)
    if (heading !== null) found.push({ level: heading[1]?.length ?? 1, name: heading[2] as string, lines: [] })
    else found.at(-1)?.lines.push(line)
  }
  const levels = [...new Set(found.map(({ level }) => level))].toSorted((a, b) => a - b)
  const often = levels.find((level) => found.filter((one) => one.level === level).length > 1)
  const level = often ?? levels[1] ?? levels[0] ?? 1
  const sections: { name: string; text: string; parts: Part[] }[] = []
  for (const { level: own, name, lines } of found) {
    const text = lines.join('\n').trim()
    if (own === level) sections.push({ name, text, parts: [] })
    else if (own > level) sections.at(-1)?.parts.push({ name, text })
  }
  return { title: found.find((one) => one.level < level)?.name ?? sections[0]?.name ?? '', sections }
}

/** What stands in sections, each with those of its subsections that are named. */
export function textUnder(
  sections: readonly Section[],
  indexes: { readonly [section: string]: readonly string[] },
): string {
  return sections
    .filter(({ name }) => Object.hasOwn(indexes, name))
    .map(({ name, text, parts }) => {
      const wanted = parts.filter((part) => indexes[name]?.includes(part.name))
      return [`## ${name}`, text, ...wanted.map((part) => `### ${part.name}\n\n${part.text}`)].join('\n\n')
    })
    .join('\n\n')
}
