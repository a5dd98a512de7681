/**
 * Citations: how a place in a file is written behind a sentence, and how it is read back.
 *
 *     citation({ path: 'docs/a.md', line: 3, lineEnd: 5 })             // [docs/a.md:3-5]
 *     citation({ path: 'app/[slug].md', line: 1, lineEnd: 1 })         // ["app/[slug].md":1]
 *     citationsIn('It is Bernard [app/[slug].md:1].', ['app/[slug].md'])
 *
 * A path is written as it is where its end can be seen, and as a JSON string where it cannot: with brackets, quotes, back
 * slashes or control characters in it, or spaces around it. A model writes what it was shown, and tools show a path in JSON; so
 * one that was shown is also read without its quotes, with or without JSON's escapes, the longest that fits first. A path that
 * was not shown is read where its brackets are in pairs.
 *
 * Invariants
 *   CI1. What `citation` writes of a path that was shown is read back as the same place, whatever the path and whatever else was shown.
 *   CI2. Citations do not overlap, and come in the order of the text.
 */
export interface Place {
  /** As the tool that read it knows it. */
  readonly path: string
  /** First line, from 1. */
  readonly line: number
  /** Last line, inclusive. */
  readonly lineEnd: number
}

/** A place with where it is cited: from `from` to before `to`, brackets included. */
export interface Citation extends Place {
  readonly from: number
  readonly to: number
}

/** `path:line` or `path:first-last`, as it stands between the brackets of a citation. */
export function placeText({ path, line, lineEnd }: Place): string {
  const name = isPlain(path) ? path : JSON.stringify(path)
  return lineEnd > line ? `${name}:${line}-${lineEnd}` : `${name}:${line}`
}

export function citation(place: Place): string {
  return `[${placeText(place)}]`
}

/** The citations of a text. `shown` are the paths that whoever wrote it has seen. */
export function citationsIn(text: string, shown: Iterable<string> = []): Citation[] {
  const citationAt = citationReader(shown)
  const found: Citation[] = []
  for (let at = text.indexOf('['); at !== -1;) {
    const one = citationAt(text, at)
    if (one !== undefined) found.push(one)
    at = text.indexOf('[', one?.to ?? at + 1)
  }
  return found
}

/** Reads the citation that begins at a place of a text; undefined where none does. */
export function citationReader(shown: Iterable<string> = []): (text: string, at: number) => Citation | undefined {
  const paths = new Set(shown)
  const forms = formsOf(paths)
  return (text, at) => {
    if (text[at] !== '[') return undefined
    const quoted = quotedAt(text, at)
    if (quoted !== undefined && paths.has(quoted.path) && !isPlain(quoted.path)) return quoted
    for (const [form, path] of forms) {
      if (!text.startsWith(form, at + 1)) continue
      const one = linesAt(text, at, at + 1 + form.length, path)
      if (one !== undefined) return one
    }
    return quoted ?? pairedAt(text, at)
  }
}

/** The ways in which a model may write each path, the longest first. */
function formsOf(paths: ReadonlySet<string>): (readonly [form: string, path: string])[] {
  const forms = new Map([...paths].map((path) => [path, path]))
  // As in JSON, which is how it was shown: that comes before a path that would look the same as it is.
  for (const path of paths) forms.set(JSON.stringify(path).slice(1, -1), path)
  return [...forms].toSorted(([a], [b]) => b.length - a.length)
}

/** Whether the end of a path can be seen without quotes. */
function isPlain(path: string): boolean {
  return path !== '' && !NOT_PLAIN.test(path) && path.trim() === path
}

const NOT_PLAIN = /[[\]"\\\p{Cc}\u2028\u2029]/u
const QUOTED = /\[("(?:[^"\\\n]|\\.)*")/y
/** Anything without a bracket, and brackets in pairs. */
const PAIRED = /\[((?:[^[\]\n]|\[[^[\]\n]*\])+?):(\d+)(?:[-–](\d+))?\]/y
const LINES = /:(\d+)(?:[-–](\d+))?\]/y

function quotedAt(text: string, at: number): Citation | undefined {
  QUOTED.lastIndex = at
  const [whole, json] = QUOTED.exec(text) ?? []
  if (whole === undefined || json === undefined) return undefined
  try {
    return linesAt(text, at, at + whole.length, JSON.parse(json) as string)
  } catch {
    // Quotes with something else in them than JSON.
    return undefined
  }
}

function pairedAt(text: string, at: number): Citation | undefined {
  PAIRED.lastIndex = at
  const [whole, path, line, lineEnd] = PAIRED.exec(text) ?? []
  if (whole === undefined || path === undefined) return undefined
  return { path, ...range(line, lineEnd), from: at, to: at + whole.length }
}

/** The citation of a path that begins at `at` and whose lines begin at `colon`. */
function linesAt(text: string, at: number, colon: number, path: string): Citation | undefined {
  LINES.lastIndex = colon
  const [whole, line, lineEnd] = LINES.exec(text) ?? []
  if (whole === undefined) return undefined
  return { path, ...range(line, lineEnd), from: at, to: colon + whole.length }
}

function range(first: string | undefined, last: string | undefined): Pick<Place, 'line' | 'lineEnd'> {
  const line = Number(first)
  return { line, lineEnd: Math.max(line, Number(last ?? line)) }
}
