/**
 * The part of a page that a command writes: what stands between two comments, of which the first names the command.
 *
 *     <!-- programs: made by npm run programs -->
 *     …
 *     <!-- programs end -->
 *
 *     partOf(path, 'programs')          // what stands there now
 *     writePart(path, 'programs', text) // what stands there from now on; all else stays as it is
 *
 * Both throw where the page has no such place.
 */
import { readFileSync, writeFileSync } from 'node:fs'

/** The part as it stands, without the blank lines around it. */
export function partOf(path: string, name: string): string {
  const { page, from, to } = found(path, name)
  return page.slice(from, to).trim()
}

export function writePart(path: string, name: string, text: string): void {
  const { page, from, to } = found(path, name)
  writeFileSync(path, `${page.slice(0, from)}\n\n${text.trim()}\n\n${page.slice(to)}`)
}

function found(path: string, name: string): { readonly page: string; readonly from: number; readonly to: number } {
  const page = readFileSync(path, 'utf8')
  const [begin, end] = [`<!-- ${name}: made by `, `<!-- ${name} end -->`]
  const from = page.indexOf(' -->\n', page.indexOf(begin))
  const to = page.indexOf(end)
  if (!page.includes(begin) || from < 0 || to < from)
    throw new Error(`${path} has no place for ${name}: ${begin}… --> and, below it, ${end}`)
  return { page, from: from + ' -->'.length, to }
}
