/**
 * The functions that a piece of JavaScript declares at its top level, as they are written.
 *
 *     functionsIn('// Adds two.\nfunction add(a, b) { return a + b }\nadd(1, 2)')
 *     // [{ name: 'add', source: 'function add(a, b) { return a + b }', signature: 'add(a, b)', description: 'Adds two.', calls: [] }]
 *
 * Where one begins and ends is what the engine's own parser says: pieces are compiled (`vm.Script`) and never run. Code that does not
 * parse declares nothing. Only declarations count, as `FunctionDef` does in DynaSaur; arrows in constants do not.
 */
import { Script } from 'node:vm'

export interface CodeFunction {
  readonly name: string
  readonly source: string
  readonly signature: string
  /** First line of the comment before it, or of the one it begins with; empty where there is none. */
  readonly description: string
  /** Names that it calls as functions, without its own. */
  readonly calls: readonly string[]
}

const DECLARATION = /\b(?:async\s+)?function\s*\*?\s+([A-Za-z_$][\w$]*)\s*\(/g

export function functionsIn(code: string): CodeFunction[] {
  if (!parses(inside(code))) return []
  const found: CodeFunction[] = []
  let end = 0
  for (const match of code.matchAll(DECLARATION)) {
    const from = match.index
    // Within the last one, or within brackets, quotes or a comment that the beginning leaves open.
    if (from < end || !parses(inside(code.slice(0, from)))) continue
    const to = endings(code, from + match[0].length, '}').find((at) => parses(`(${code.slice(from, at + 1)}\n)`))
    if (to === undefined) continue
    end = to + 1
    const source = code.slice(from, end)
    // The shortest beginning behind which an empty body makes a function: a default may hold braces.
    const head = endings(source, 0, '{').find((at) => parses(`(${source.slice(0, at)}{}\n)`)) ?? source.length
    found.push({
      name: match[1] as string,
      source,
      signature: source
        .slice(0, head)
        .replace(/function\s*\*?\s+/, '')
        .trim(),
      description:
        commentBefore(code.slice(0, from)) ||
        commentBefore(`${/^\s*((?:\/\/.*|\/\*[\s\S]*?\*\/))/.exec(source.slice(head + 1))?.[1] ?? ''}\n`),
      calls: callsIn(source).filter((name) => name !== match[1]),
    })
  }
  return found
}

/** Names that a piece of code calls as functions, those after a dot left out; each once. */
export function callsIn(code: string): string[] {
  return [
    ...new Set([...code.matchAll(/(?<![\w$.])([A-Za-z_$][\w$]*)\s*\(/g)].map(([, name]) => name as string)),
  ].filter((name) => !KEYWORDS.has(name))
}

const KEYWORDS = new Set(
  'if for while switch catch function return typeof await new super async of in do else void throw'.split(' '),
)

/** As the body of an async function: `await` at the top is allowed there. */
function inside(code: string): string {
  return `async () => {\n${code}\n}`
}

function parses(code: string): boolean {
  try {
    void new Script(code)
    return true
  } catch {
    return false
  }
}

function endings(text: string, from: number, mark: string): number[] {
  const places: number[] = []
  for (let at = text.indexOf(mark, from); at >= 0; at = text.indexOf(mark, at + 1)) places.push(at)
  return places
}

/** First line of the comment that a text ends with. */
function commentBefore(text: string): string {
  const [, lines, block] = /(?:(?:^|\n)((?:[ \t]*\/\/[^\n]*\n)+)|\/\*((?:(?!\*\/)[\s\S])*)\*\/)\s*$/.exec(text) ?? []
  const said = (lines ?? block ?? '').split('\n').map((one) => one.replace(/^[\s/*]+/, '').trim())
  return said.find((one) => one !== '') ?? ''
}
