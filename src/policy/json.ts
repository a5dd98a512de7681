/**
 * JSON that a person wrote and that something is decided by, a law above all: nothing that it says is passed over.
 *
 *     parseLaw(parseJson(readFileSync('clerk.json', 'utf8')))
 *
 * Invariants
 *   JS1. An object with a key twice is refused with the path of that key, where `JSON.parse` takes the last without a word.
 *        Keys are compared as they are meant: `"effec\u0074"` is `"effect"`.
 *   JS2. What is taken has the value that `JSON.parse` gives. A byte order mark before it, which editors do not show, is no
 *        part of it.
 */

/** The value of a JSON text. Throws a SyntaxError that says what is wrong. */
export function parseJson(text: string): unknown {
  const json = text.replace(/^\uFEFF/, '')
  const value: unknown = JSON.parse(json)
  const repeated = repeatedKey(json)
  if (repeated !== undefined) throw new SyntaxError(`the key ${repeated} stands there twice; one of them has to go`)
  return value
}

/** An object or a list that is open at a place of the text. */
interface Open {
  /** The keys so far; undefined in a list. */
  readonly keys: Set<string> | undefined
  /** Key or index of the value that is read. */
  step: string | number
  /** Whether the next string is a key. */
  isBeforeKey: boolean
}

/** Strings, and all that structures what stands between them. */
const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],]/g

/** Path of the first key that its object has already, in a text that is JSON. */
function repeatedKey(json: string): string | undefined {
  const open: Open[] = []
  for (const [token] of json.matchAll(tokens)) {
    const top = open.at(-1)
    if (token === '{') open.push({ keys: new Set(), step: '', isBeforeKey: true })
    else if (token === '[') open.push({ keys: undefined, step: 0, isBeforeKey: false })
    else if (token === '}' || token === ']') open.pop()
    else if (token === ',') {
      if (typeof top?.step === 'number') top.step++
      else if (top !== undefined) top.isBeforeKey = true
    } else if (top?.keys !== undefined && top.isBeforeKey) {
      const key = JSON.parse(token) as string
      top.step = key
      top.isBeforeKey = false
      if (top.keys.has(key)) return open.map(({ step }, at) => shown(step, at === 0)).join('')
      top.keys.add(key)
    }
  }
  return undefined
}

/** `rules`, `[0]`, `.effect`; a key that is no plain word as it stands in JSON. */
function shown(step: string | number, isFirst: boolean): string {
  if (typeof step === 'number') return `[${step}]`
  if (!/^[\w$*-]+$/.test(step)) return `[${JSON.stringify(step)}]`
  return isFirst ? step : `.${step}`
}
