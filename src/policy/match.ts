/**
 * Matches: what a rule or an event of the law says of a call. All given parts must hold.
 *
 *     const check = compileMatch({ tool: 'fetch', args: { url: { pattern: '^https://example\\.org/' } } }, 'rules[0]')
 *     check(request, false)
 *
 * Invariant
 *   MA1. Where it cannot be told (an argument is absent, or of another type than its condition speaks of; nobody said what
 *        the tool does or what the run has seen), the answer is `doubt`.
 */
import type { Condition } from './conditions.ts'
import { compile, isRecord } from './conditions.ts'
import { glob } from './glob.ts'

/** Where a value came from, as far as the kernel can tell: the words of the user, a source that is trusted, anything else. */
export type Origin = 'request' | 'trusted' | 'untrusted'

/** The answer of a tool, as a source of values. */
export interface Source {
  readonly tool: string
  /** Labels of the answer; undefined where the tool does not say. */
  readonly labels: readonly string[] | undefined
}

/**
 * Where values must come from. `request`: the user's own words. `trusted`: also the answers of tools that are declared so.
 * An object: the user's own words, or the answer of a tool of that name (`*` as in names; any, where none is given) whose
 * labels are declared and none of these.
 */
export type From = 'request' | 'trusted' | { readonly answerOf?: string; readonly without?: readonly string[] }

export interface Match {
  /** System call; `*` stands for any run of characters. @default 'call', a tool call */
  readonly call?: string
  /** Tool; `*` as above. @default any */
  readonly tool?: string
  /** `*` as above. @default any */
  readonly principal?: string
  /** Program that makes the call; `*` as above. @default any */
  readonly program?: string
  /** Program that makes the call or one that it runs under; `*` as above. @default any */
  readonly under?: string
  /** Only calls of tools that say that they reach the outside (`outbound`). */
  readonly outbound?: true
  /** What the user asked for: a condition on the text of the run's input, in lower case. */
  readonly asked?: Condition
  /** Conditions on arguments by name; of a tool call, on the tool's input. An argument that is absent meets none. */
  readonly args?: { readonly [name: string]: Condition }
  /**
   * Where every value in an argument must come from. An argument that is absent or empty has no value, and so meets it. A
   * rule that denies or asks matches where one value comes from elsewhere.
   */
  readonly origins?: { readonly [name: string]: From }
  /** The same of all arguments that the tool declares as `control`; in doubt of a tool that declares none. */
  readonly control?: From
  /** Labels of data that the run must have seen, all of them. */
  readonly seen?: readonly string[]
}

/** A call, as the law sees it. */
export interface Request {
  readonly call: string
  readonly tool?: string
  /** As they were checked and will be executed; defaults filled in. */
  readonly args: unknown
  readonly principal: string
  readonly program: string
  /** Programs that it runs under, the nearest first. @default none */
  readonly ancestors?: readonly string[]
  /** Whether the tool reaches the outside. @default unknown */
  readonly outbound?: boolean
  /** What the user asked for; conditions see it in lower case. @default unknown */
  readonly asked?: string
  /** Where a value came from. @default every value is `untrusted` */
  readonly originOf?: (value: string | number | boolean) => Origin
  /** Answers of tools in which a value stands. @default none */
  readonly sourcesOf?: (value: string | number | boolean) => readonly Source[]
  /** Arguments of the tool that steer what it does. @default unknown */
  readonly control?: readonly string[]
  /** Labels of the data that the run has seen. @default unknown */
  readonly seen?: ReadonlySet<string>
}

/** `doubt`: what to say where it cannot be told. */
export type Check = (request: Request, doubt: boolean) => boolean

/**
 * Makes a match ready to be asked. With `strays`, `origins` hold where a value comes from elsewhere, and not where all come
 * from there. Throws a TypeError that says where, and what was expected.
 */
export function compileMatch(match: Match, at: string, strays = false): Check {
  const checks: Check[] = []
  const call = glob(match.call ?? 'call')
  checks.push((request) => call(request.call))
  if (match.tool !== undefined) {
    const tool = glob(match.tool)
    checks.push((request) => request.tool !== undefined && tool(request.tool))
  }
  if (match.principal !== undefined) {
    const principal = glob(match.principal)
    checks.push((request) => principal(request.principal))
  }
  if (match.program !== undefined) {
    const program = glob(match.program)
    checks.push((request) => program(request.program))
  }
  if (match.under !== undefined) {
    const under = glob(match.under)
    checks.push(({ program, ancestors }) => under(program) || ancestors?.some(under) === true)
  }
  if (match.outbound !== undefined) checks.push(({ outbound }, doubt) => outbound ?? doubt)
  if (match.seen !== undefined) {
    const labels = match.seen
    checks.push(({ seen }, doubt) => (seen === undefined ? doubt : labels.every((label) => seen.has(label))))
  }
  if (match.asked !== undefined) {
    const asked = compile(match.asked, `${at}.asked`)
    const capital = capitalIn(match.asked)
    if (capital !== undefined)
      throw new TypeError(`${at}.asked sees the request in lower case, where "${capital}" never stands; write it so`)
    checks.push((request, doubt) => (request.asked === undefined ? doubt : asked.holds(lowered(request.asked), doubt)))
  }
  // All must hold, so the order is free: patterns last.
  const conditions = Object.entries(match.args ?? {}).toSorted(([, a], [, b]) => costOf(a) - costOf(b))
  for (const [name, condition] of conditions) {
    const { holds } = compile(condition, `${at}.args.${name}`)
    checks.push(({ args }, doubt) => {
      const value = argumentOf(args, name)
      return value === undefined ? doubt : holds(value, doubt)
    })
  }
  for (const [name, from] of Object.entries(match.origins ?? {})) {
    const wanted = compileFrom(from)
    checks.push((request) => isFrom(request, name, wanted) !== strays)
  }
  if (match.control !== undefined) {
    const wanted = compileFrom(match.control)
    checks.push((request, doubt) =>
      request.control === undefined ? doubt : request.control.every((name) => isFrom(request, name, wanted)) !== strays,
    )
  }
  return (request, doubt) => {
    for (const check of checks) if (!check(request, doubt)) return false
    return true
  }
}

/** What a condition sees of the request. Most processes of a kernel ask the law about the same request many times over. */
function lowered(asked: string): string {
  if (lowest.of !== asked) lowest = { of: asked, text: asked.normalize('NFKC').toLowerCase() }
  return lowest.text
}

let lowest = { of: '', text: '' }

/** A text of a condition with a capital letter in it, escapes such as `\\S` aside. */
function capitalIn(condition: unknown): string | undefined {
  if (typeof condition === 'string') return /\p{Lu}/u.test(condition.replaceAll(/\\[A-Z]/g, '')) ? condition : undefined
  if (typeof condition !== 'object' || condition === null) return undefined
  for (const [key, value] of Object.entries(condition)) {
    const found = annotations.has(key) ? undefined : capitalIn(value)
    if (found !== undefined) return found
  }
  return undefined
}

const annotations = new Set(['title', 'description', 'default', 'examples', '$comment'])

function costOf(condition: Condition): number {
  return /"(?:pattern|matches)":/.test(JSON.stringify(condition)) ? 1 : 0
}

function argumentOf(args: unknown, name: string): unknown {
  return typeof args === 'object' && args !== null && Object.hasOwn(args, name)
    ? (args as { readonly [name: string]: unknown })[name]
    : undefined
}

type IsFrom = (origin: Origin, value: string | number | boolean, request: Request) => boolean

function compileFrom(from: From): IsFrom {
  if (typeof from === 'string') return (origin) => origin === 'request' || origin === from
  const isGood = compileAnswers(from)
  return (origin, value, { sourcesOf }) => origin === 'request' || sourcesOf?.(value).some(isGood) === true
}

/** Whether values may come from this answer. */
export function compileAnswers({ answerOf, without = [] }: Exclude<From, string>): (source: Source) => boolean {
  const tool = glob(answerOf ?? '*')
  return ({ tool: name, labels }) =>
    labels !== undefined && tool(name) && !labels.some((label) => without.includes(label))
}

/** Whether the rule reads the answers that a run has learned. */
export function readsAnswers({ origins = {}, control }: Match): boolean {
  return [...Object.values(origins), control].some((from) => typeof from === 'object')
}

function isFrom(request: Request, argument: string, wanted: IsFrom): boolean {
  const value = argumentOf(request.args, argument)
  return value === undefined || comesFrom(value, wanted, request, { left: VALUES_MAX })
}

/** Whether every text, number and truth value in it comes from there. Keys of objects count as texts. */
function comesFrom(value: unknown, wanted: IsFrom, request: Request, values: { left: number }): boolean {
  // Where there are so many that nobody could have said them, they were not said.
  if (values.left-- <= 0) return false
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean': {
      if (value === '') return true
      return wanted(request.originOf?.(value) ?? 'untrusted', value, request)
    }
    case 'object':
      if (value === null) return true
      if (Array.isArray(value)) return value.every((item) => comesFrom(item, wanted, request, values))
      return Object.entries(value).every(
        ([key, item]) => comesFrom(key, wanted, request, values) && comesFrom(item, wanted, request, values),
      )
    default:
      return true
  }
}

const texts = ['call', 'tool', 'principal', 'program', 'under'] as const
/** The system calls, of which a rule can speak. */
export const callNames: readonly string[] = [
  'spawn',
  'fork',
  'wait',
  'kill',
  'sleep',
  'send',
  'receive',
  'generate',
  'embed',
  'call',
  'ask',
  'remember',
  'recall',
  'forget',
  'read',
  'write',
  'list',
  'remove',
  'snapshot',
  'restore',
]

/** The keys of a match. */
export const matchKeys: readonly string[] = [...texts, 'outbound', 'asked', 'args', 'origins', 'control', 'seen']

/** Throws a TypeError that says where a match from JSON is none; its conditions are looked at when it is compiled. */
export function checkMatch(match: Readonly<Record<string, unknown>>, at: string): void {
  for (const key of texts)
    if (match[key] !== undefined && typeof match[key] !== 'string') throw new TypeError(`${at}.${key} must be a string`)
  const call = match['call'] as string | undefined
  if (call !== undefined && !callNames.some(glob(call)))
    throw new TypeError(`${at}.call: there is no system call "${call}"; there are ${callNames.join(', ')}`)
  if (match['outbound'] !== undefined && match['outbound'] !== true)
    throw new TypeError(`${at}.outbound must be true, or left out`)
  if (match['args'] !== undefined && !isRecord(match['args']))
    throw new TypeError(`${at}.args must be an object of conditions by argument name`)
  if (match['seen'] !== undefined && !isTexts(match['seen'])) throw new TypeError(`${at}.seen must be a list of labels`)
  if (match['control'] !== undefined) checkFrom(match['control'], `${at}.control`)
  if (match['origins'] === undefined) return
  if (!isRecord(match['origins'])) throw new TypeError(`${at}.origins must be an object of origins by argument name`)
  for (const [name, from] of Object.entries(match['origins'])) checkFrom(from, `${at}.origins.${name}`)
}

function checkFrom(from: unknown, at: string): void {
  if (from === 'request' || from === 'trusted') return
  if (!isRecord(from))
    throw new TypeError(`${at} must be "request", "trusted" or { "answerOf": "a tool", "without": ["a label"] }`)
  for (const key of Object.keys(from))
    if (key !== 'answerOf' && key !== 'without')
      throw new TypeError(`${at} has an unknown key "${key}"; known: answerOf, without`)
  const { answerOf, without } = from
  if (answerOf !== undefined && typeof answerOf !== 'string') throw new TypeError(`${at}.answerOf must be a string`)
  if (without !== undefined && !isTexts(without)) throw new TypeError(`${at}.without must be a list of labels`)
  // Neither would take the answer of any tool, of which nothing is known, for the user's word.
  if (answerOf === undefined && without === undefined)
    throw new TypeError(`${at} must say "answerOf" a tool, or "without" labels, or both`)
}

export function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

/** Values of one argument whose origin is looked for. */
const VALUES_MAX = 1_000
