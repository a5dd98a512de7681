/** IETI: whether a model can tell from what it reads of a tool what the tool does, of what, and which of two to take. */
import type { JsonSchema, Remark, ToolFacts } from './facts.ts'
import { distance, rootsOf, wordsOf } from './words.ts'

/** Fewest words that mean something in a description, beyond the name. */
const WORDS_MIN = 2
const LIKENESS = 0.75

/** Words that say nothing of what a tool does. */
const empty = new Set(
  'tool thing things stuff something helper utility useful handy various misc miscellaneous todo fixme tbd description placeholder test do does data input output value values general generic operation operations action perform performs execute executes run runs task tasks process handle handles work works helps provide provides information info etc name desc lorem ipsum functionality feature service module wrapper endpoint main special important good new see refer above below docs doc document documentation readme documented'.split(
    ' ',
  ),
)
/** Words that say nothing of what a parameter is. */
const blank = new Set(
  'a an the of for to is this that it your here some any value values data input inputs parameter parameters param argument arg args field variable string integer boolean object thing todo tbd fixme description placeholder required optional used by tool'.split(
    ' ',
  ),
)
/** Names of parameters that say nothing. */
const vague =
  /^(.|arg\d*|args|param\d*|params|parameters?|data|input|inputs|value|values|val|v\d|payload|options|opts|config|cfg|obj|object|thing|stuff|info|misc|foo|bar|baz|tmp|temp|x\d*|y\d*|in\d|field\d*|kwargs|body\d|var\d*|str\d*|s\d|p\d|a\d|extra|other)$/i

export function lintToolInformation(tool: ToolFacts): Remark[] {
  const where = `tool ${tool.name}`
  const remarks: Remark[] = []
  const message = emptiness(tool)
  if (message !== undefined) remarks.push({ id: 'tool-description', where, message })
  for (const { path, schema } of parametersOf(tool.inputSchema)) {
    const wrong = parameterFault(path, schema, tool.description ?? '')
    if (wrong !== undefined) remarks.push({ id: 'tool-parameter', where: `${where}, ${path}`, message: wrong })
  }
  return remarks
}

function emptiness({ name, description = '' }: ToolFacts): string | undefined {
  const text = description.trim()
  if (text === '') return 'it has no description'
  if (
    /^(todo|tbd|fixme|xxx|n\/a|none|null|undefined|-+|\.+)\b/i.test(text) ||
    /lorem ipsum|\bTODO\b|\bFIXME\b|<[\w ]*description[\w ]*>|\[[\w ]*description[\w ]*\]/i.test(text)
  )
    return 'its description is a placeholder'
  // Other scripts have other words; long enough is good enough.
  if (!/[a-z]/i.test(text)) return [...text].length >= 6 ? undefined : 'its description says too little'
  const words = rootsOf(text).filter((word) => !empty.has(word))
  const said = new Set(words)
  for (const word of rootsOf(name)) said.delete(word)
  if (said.size === 0 && wordsOf(text).length <= wordsOf(name).length + 2)
    return 'its description only repeats its name'
  if (new Set(words).size < WORDS_MIN) return 'its description says too little'
  const share = words.length / Math.max(1, rootsOf(text).length)
  return share < 0.34 ? 'its description says nothing of what it does' : undefined
}

interface Parameter {
  readonly path: string
  readonly schema: JsonSchema
}

const isSchema = (value: unknown): value is JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Parameters, with those of objects in them. */
export function parametersOf(schema: unknown, at = '', depth = 0): Parameter[] {
  if (!isSchema(schema) || depth > 4) return []
  const properties = schema['properties']
  if (!isSchema(properties)) return []
  return Object.entries(properties).flatMap(([name, one]) => {
    const path = at === '' ? name : `${at}.${name}`
    return [{ path, schema: isSchema(one) ? one : {} }, ...parametersOf(one, path, depth + 1)]
  })
}

const typed = ['type', 'enum', 'const', 'anyOf', 'oneOf', 'allOf', '$ref', 'not', 'if']

function parameterFault(path: string, schema: JsonSchema, description: string): string | undefined {
  const name = path.slice(path.lastIndexOf('.') + 1)
  const text = typeof schema['description'] === 'string' ? schema['description'].trim() : ''
  if (!typed.some((key) => key in schema)) return 'it has no type'
  if (
    schema['type'] === 'object' &&
    !isSchema(schema['properties']) &&
    !isSchema(schema['additionalProperties']) &&
    text === '' &&
    !('anyOf' in schema)
  )
    return 'it is an object, and nothing says of what'
  if (schema['type'] === 'array' && !isSchema(schema['items']) && text === '')
    return 'it is a list, and nothing says of what'
  const said = wordsOf(text).filter((word) => !blank.has(word) && !wordsOf(name).includes(word))
  if (text !== '' && !/[^\x20-\x7e]/.test(text) && said.length === 0) return 'its description says nothing'
  if (text === '' && isVague(name)) {
    const isMentioned =
      name.length > 1 &&
      new RegExp(`(^|[^\\w])[\`'"]?${name.replaceAll(/[^\w]/g, '')}[\`'"]?([^\\w]|$)`, 'i').test(description) &&
      !empty.has(name.toLowerCase())
    const isConfined = 'enum' in schema || 'const' in schema || 'format' in schema || 'pattern' in schema
    // Plain sums are about numbers by any name.
    const isSum = name.length === 1 && (schema['type'] === 'number' || schema['type'] === 'integer')
    return isMentioned || isConfined || isSum ? undefined : 'its name says nothing, and no text does'
  }
  return undefined
}

function isVague(name: string): boolean {
  if (vague.test(name)) return true
  // Letters of words that nobody knows: `rcpt_nm`, `qtyx`.
  return wordsOf(name).every(
    (word) =>
      word.length >= 2 &&
      word.length <= 5 &&
      !/[aeiouy]/.test(word) &&
      !/^(id|url|uri|cc|bcc|html|css|md|xml|sql|dns|ssn|pdf|tz|ttl|db|csv|vm|ms|kb|mb|gb|px|sms|dm|cwd|src|dst|cmd|pwd|http|https|ssh|tcp|ftp|rss|png|jpg|svg)$/.test(
        word,
      ),
  )
}

// --------------------------------------------------------------------------------------------------------------- twins

/** Pairs of tools that a model will mistake for each other. */
export function lintTwins(tools: readonly ToolFacts[]): Remark[] {
  const remarks: Remark[] = []
  const seen = tools.map((tool) => ({
    tool,
    name: wordsOf(tool.name),
    roots: [...rootsOf(tool.name)].toSorted().join(' '),
    said: new Set(rootsOf(tool.description ?? '')),
  }))
  for (const [i, one] of seen.entries()) {
    for (const other of seen.slice(i + 1)) {
      const message = likeness(one, other)
      if (message !== undefined)
        remarks.push({ id: 'tool-twins', where: `tool ${one.tool.name}, tool ${other.tool.name}`, message })
    }
  }
  return remarks
}

interface Seen {
  readonly tool: ToolFacts
  readonly name: readonly string[]
  readonly roots: string
  readonly said: ReadonlySet<string>
}

function likeness(one: Seen, other: Seen): string | undefined {
  const flat = one.name.join('')
  const otherFlat = other.name.join('')
  if (one.tool.name === other.tool.name) return 'they have the same name'
  if (flat === otherFlat || plainOf(flat) === plainOf(otherFlat))
    return 'their names differ only in how they are written'
  const text = (one.tool.description ?? '').trim().toLowerCase()
  if (text !== '' && text === (other.tool.description ?? '').trim().toLowerCase())
    return 'they have the same description'
  const isNameLike =
    (one.roots !== '' && one.roots === other.roots) ||
    (Math.min(flat.length, otherFlat.length) >= 5 && distance(flat, otherFlat) <= 1)
  if (isNameLike && !differInVerb(one, other)) return 'their names are nearly the same'
  if (one.said.size < 3 || other.said.size < 3) return undefined
  const apart = new Set([...one.said, ...other.said].filter((word) => one.said.has(word) !== other.said.has(word)))
  const common = [...one.said].filter((word) => other.said.has(word)).length
  if (common / (common + apart.size) < LIKENESS) return undefined
  // What their names tell apart, their descriptions may say in the same words.
  const named = new Set([...rootsOf(one.tool.name), ...rootsOf(other.tool.name)])
  return [...apart].some((word) => named.has(word)) ? undefined : 'their descriptions say nearly the same'
}

/** Letters that are taken for each other, as one. */
function plainOf(name: string): string {
  return name.replaceAll(/[1il]/g, 'l').replaceAll(/[0o]/g, 'o').replaceAll('rn', 'm').replaceAll('vv', 'w')
}

/** `get_day` and `set_day` are one letter apart and clear. */
function differInVerb(one: Seen, other: Seen): boolean {
  return (
    one.roots !== other.roots &&
    one.name.length === other.name.length &&
    one.name.length > 1 &&
    one.name[0] !== other.name[0] &&
    distance(one.name[0] as string, other.name[0] as string) <= 1 &&
    one.name.slice(1).join() === other.name.slice(1).join()
  )
}
